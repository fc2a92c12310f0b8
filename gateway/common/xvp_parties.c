#include "gateway/common/xvp_parties.h"

#include <stdlib.h>

#include "base/assert.h"

void xvp_parties_fini(struct xvp_parties *parties)
{
    free(parties->entries);
    *parties = (struct xvp_parties){0};
}

// They are few, and come and go rarely.
static struct xvp_party_list *find(const struct xvp_parties *parties, uint64_t xvp)
{
    for (uint32_t i = parties->count; i > 0; i--)
        if (parties->entries[i - 1].xvp == xvp)
            return &parties->entries[i - 1];
    return NULL;
}

static struct xvp_party_list *add(struct xvp_parties *parties, uint64_t xvp)
{
    if (parties->count == parties->capacity) {
        parties->capacity = parties->capacity == 0 ? 16 : parties->capacity * 2;
        parties->entries = realloc(parties->entries, parties->capacity * sizeof *parties->entries);
        ASSERT(parties->entries != NULL);
    }
    struct xvp_party_list *entry = &parties->entries[parties->count++];
    *entry = (struct xvp_party_list){.xvp = xvp};
    return entry;
}

static void add_account(struct xvp_party_list *entry, uint32_t account)
{
    for (uint32_t i = 0; i < entry->count; i++)
        if (entry->accounts[i] == account)
            return;
    ASSERT(entry->count < XVP_PARTIES_MAX);
    entry->accounts[entry->count++] = account;
}

void xvp_parties_leg(struct xvp_parties *parties, const struct xvp_leg_rec *leg)
{
    struct xvp_party_list *entry = find(parties, leg->xvp);
    if (entry == NULL)
        entry = add(parties, leg->xvp);
    add_account(entry, leg->from_account);
    add_account(entry, leg->to_account);
}

void xvp_parties_changed(struct xvp_parties *parties, const struct xvp_changed_evt *changed)
{
    struct xvp_party_list *entry = find(parties, changed->xvp);
    bool over = changed->state == XVP_EXECUTED || changed->state == XVP_CANCELLED ||
                changed->state == XVP_EXPIRED;
    if (entry == NULL || !over)
        return;
    entry->over = true;
    parties->any_over = true;
}

void xvp_parties_forget_over(struct xvp_parties *parties)
{
    if (!parties->any_over)
        return;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < parties->count; i++)
        if (!parties->entries[i].over)
            parties->entries[kept++] = parties->entries[i];
    parties->count = kept;
    parties->any_over = false;
}

const struct xvp_party_list *xvp_parties_of(const struct xvp_parties *parties, uint64_t xvp)
{
    return find(parties, xvp);
}
