#include "risk/controls.h"

#include <stddef.h>

uint32_t confirms_kept(const struct confirms *confirms)
{
    return confirms->count < CONFIRMS_MAX ? (uint32_t)confirms->count : CONFIRMS_MAX;
}

const struct confirm_rec *confirms_at(const struct confirms *confirms, uint32_t i)
{
    uint32_t kept = confirms_kept(confirms);
    ASSERT(i < kept);
    return &confirms->at[(confirms->count - kept + i) % CONFIRMS_MAX];
}

void confirms_add(struct confirms *confirms, const struct confirm_rec *confirm)
{
    uint32_t kept = confirms_kept(confirms);
    ASSERT(kept == 0 || confirms_at(confirms, kept - 1)->reject < confirm->reject);
    confirms->at[confirms->count++ % CONFIRMS_MAX] = *confirm;
}

const struct confirm_rec *confirms_find(const struct confirms *confirms, uint64_t reject)
{
    uint32_t low = 0; // all before it are below `reject`
    uint32_t high = confirms_kept(confirms);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (confirms_at(confirms, middle)->reject < reject)
            low = middle + 1;
        else
            high = middle;
    }
    ASSERT(low <= CONFIRMS_MAX);
    if (low == confirms_kept(confirms) || confirms_at(confirms, low)->reject != reject)
        return NULL;
    return confirms_at(confirms, low);
}
