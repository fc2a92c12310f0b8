#include "settlement/settle_group.h"

#include <string.h>

#include "base/assert.h"

enum { AWAITS_NOTHING = 0, AWAITS_WHAT_WAITS = -1 }; // else the group's number + 1

void settle_group_begin(struct settle_group *walk, size_t batch_max)
{
    ASSERT(batch_max > 0);
    memset(walk, 0, sizeof(*walk));
    walk->batch_max = batch_max;
}

// The pair's place, made if it is new; NULL when the walk knows as many pairs as it may.
static struct settle_group_pair *pair_of(struct settle_group *walk, uint32_t token,
                                         uint32_t account)
{
    uint64_t hash = ((uint64_t)token << 32 | account) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 40) % SETTLE_GROUP_PAIRS_MAX;

    // A place is taken when its account is; accounts below 1 do not trade.
    while (walk->pairs[at].account != 0) {
        if (walk->pairs[at].token == token && walk->pairs[at].account == account)
            return &walk->pairs[at];
        at = (at + 1) % SETTLE_GROUP_PAIRS_MAX;
    }
    if (walk->pair_count > SETTLE_GROUP_PAIRS_MAX / 2)
        return NULL;
    walk->pair_count++;
    walk->pairs[at] = (struct settle_group_pair){.token = token, .account = account};
    return &walk->pairs[at];
}

// The request that the token's trades are filling; SETTLE_GROUPS_MAX = none.
static size_t newest_of(const struct settle_group *walk, uint32_t token)
{
    for (size_t i = walk->group_count; i > 0; i--)
        if (walk->groups[i - 1].token == token)
            return i - 1;
    return SETTLE_GROUPS_MAX;
}

static bool has_room(const struct settle_group *walk, size_t group, size_t limit)
{
    const struct settle_group_one *one = &walk->groups[group];

    return one->count < one->limit && one->count < limit;
}

static enum settle_group_answer waits(struct settle_group_pair *buyer)
{
    buyer->state = AWAITS_WHAT_WAITS;
    return SETTLE_GROUP_WAITS;
}

static enum settle_group_answer take(struct settle_group *walk, size_t group, size_t limit,
                                     struct settle_group_pair *buyer)
{
    struct settle_group_one *one = &walk->groups[group];
    int32_t state = (int32_t)group + 1;

    one->count++;
    if (limit < one->limit)
        one->limit = limit;
    ASSERT(one->count <= one->limit);
    // Units from two requests: a sale of them can be in neither.
    buyer->state =
        buyer->state == AWAITS_NOTHING || buyer->state == state ? state : AWAITS_WHAT_WAITS;
    return SETTLE_GROUP_TAKEN;
}

enum settle_group_answer settle_group_next(struct settle_group *walk, size_t *group,
                                           const struct settle_group_trade *trade,
                                           size_t groups_max)
{
    ASSERT(groups_max <= SETTLE_GROUPS_MAX && trade->buyer != 0 && trade->seller != 0);
    struct settle_group_pair *seller = pair_of(walk, trade->token, trade->seller);
    struct settle_group_pair *buyer = pair_of(walk, trade->token, trade->buyer);
    size_t limit =
        trade->limit == 0 || trade->limit > walk->batch_max ? walk->batch_max : trade->limit;
    size_t newest = newest_of(walk, trade->token);
    bool fits = newest < SETTLE_GROUPS_MAX && has_room(walk, newest, limit);

    if (seller == NULL || buyer == NULL)
        return SETTLE_GROUP_FULL;
    if (trade->is_blocked || seller->state == AWAITS_WHAT_WAITS)
        return waits(buyer);
    if (seller->state != AWAITS_NOTHING && !(fits && (size_t)seller->state == newest + 1))
        return waits(buyer);
    if (!fits) {
        if (walk->group_count >= groups_max)
            return SETTLE_GROUP_FULL;
        newest = walk->group_count++;
        walk->groups[newest] =
            (struct settle_group_one){.token = trade->token, .limit = walk->batch_max};
    }
    *group = newest;
    return take(walk, newest, limit, buyer);
}
