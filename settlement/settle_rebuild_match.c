#include "settlement/settle_rebuild_match.h"

struct search {
    const struct settle_leg *legs;
    size_t leg_count;
    const struct settle_rebuild_trade *trades;
    size_t count;
    bool wallets_too;
    size_t tries;
    size_t chosen[SETTLE_LEGS_MAX]; // index of each leg's trade
};

static bool fits(const struct search *search, size_t leg, size_t trade)
{
    const struct settle_leg *wanted = &search->legs[leg];
    const struct settle_rebuild_trade *one = &search->trades[trade];

    if (wanted->units != one->units && wanted->units != one->units_corrected)
        return false;
    return !search->wallets_too ||
           (address_equal(&wanted->from, &one->from) && address_equal(&wanted->to, &one->to));
}

// The next trade for `leg`, from `at` on; `count` if there is none.
static size_t next_fit(const struct search *search, size_t leg, size_t at)
{
    while (at < search->count && !fits(search, leg, at))
        at++;
    return at;
}

static bool is_meant(const struct search *search, const struct settle_batch_id *id)
{
    uint64_t ids[SETTLE_LEGS_MAX];

    for (size_t i = 0; i < search->leg_count; i++)
        ids[i] = search->trades[search->chosen[i]].trade_id;
    return settle_batch_id_matches(id, ids, search->leg_count);
}

// The legs from `leg` on, among the trades from `at` on, passing over exactly `skips` that would
// fit.
static bool search_legs(struct search *search, const struct settle_batch_id *id, size_t leg,
                        size_t at, size_t skips)
{
    for (at = next_fit(search, leg, at); at < search->count; at = next_fit(search, leg, at + 1)) {
        bool is_last = leg + 1 == search->leg_count;

        if (++search->tries > SETTLE_REBUILD_TRIES)
            return false;
        search->chosen[leg] = at;
        if (is_last && skips == 0)
            return is_meant(search, id);
        if (!is_last && search_legs(search, id, leg + 1, at + 1, skips))
            return true;
        if (skips-- == 0)
            return false;
    }
    return false;
}

// Batches have few gaps: lists that pass over nothing first, then over one, and so on.
static enum settle_rebuild_match search_run(struct search *search, const struct settle_batch_id *id)
{
    search->tries = 0;
    if (!fits(search, 0, 0))
        return SETTLE_REBUILD_NONE;
    search->chosen[0] = 0;
    if (search->leg_count == 1)
        return is_meant(search, id) ? SETTLE_REBUILD_FOUND : SETTLE_REBUILD_NONE;
    for (size_t skips = 0; skips < search->count; skips++) {
        if (search_legs(search, id, 1, 1, skips))
            return SETTLE_REBUILD_FOUND;
        if (search->tries > SETTLE_REBUILD_TRIES)
            return SETTLE_REBUILD_TOO_MANY;
    }
    return SETTLE_REBUILD_NONE;
}

enum settle_rebuild_match settle_rebuild_match(struct settle_leg *legs, size_t leg_count,
                                               const struct settle_batch_id *id,
                                               const struct settle_rebuild_trade *trades,
                                               size_t count)
{
    struct search search = {.legs = legs,
                            .leg_count = leg_count,
                            .trades = trades,
                            .count = count,
                            .wallets_too = true};
    enum settle_rebuild_match found = SETTLE_REBUILD_NONE;

    ASSERT(leg_count > 0 && leg_count <= SETTLE_LEGS_MAX);
    if (id->kind == SETTLE_BATCH_NET || id->leg_count != leg_count || count == 0 ||
        trades[0].trade_id != id->first_trade_id)
        return SETTLE_REBUILD_NONE;
    found = search_run(&search, id);
    if (found != SETTLE_REBUILD_FOUND) {
        search.wallets_too = false;
        found = search_run(&search, id);
    }
    for (size_t i = 0; found == SETTLE_REBUILD_FOUND && i < leg_count; i++)
        legs[i].trade_id = trades[search.chosen[i]].trade_id;
    return found;
}
