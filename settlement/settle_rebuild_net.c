#include "settlement/settle_rebuild_net.h"

#include <string.h>

struct search {
    const struct settle_leg *legs;
    size_t leg_count;
    const struct settle_batch_id *id;
    const struct settle_rebuild_trade *trades;
    size_t count;
    size_t tries;
    size_t unequal;                         // legs whose trades do not add up yet
    chain_uint128 missing[SETTLE_LEGS_MAX]; // of each, modulo 2^128
    struct settle_call *members;
};

// The leg of the trade's pair, and whether it moves along it; SETTLE_LEGS_MAX: none has it.
static size_t leg_of(const struct search *search, const struct settle_rebuild_trade *trade,
                     bool *along)
{
    for (size_t i = 0; i < search->leg_count; i++) {
        const struct settle_leg *leg = &search->legs[i];

        *along = address_equal(&leg->from, &trade->from) && address_equal(&leg->to, &trade->to);
        if (*along ||
            (address_equal(&leg->from, &trade->to) && address_equal(&leg->to, &trade->from)))
            return i;
    }
    return SETTLE_LEGS_MAX;
}

static void missing_add(struct search *search, size_t leg, chain_uint128 change)
{
    search->unequal -= search->missing[leg] != 0;
    search->missing[leg] += change;
    search->unequal += search->missing[leg] != 0;
}

static bool is_meant(struct search *search)
{
    uint64_t ids[SETTLE_LEGS_MAX];
    const struct settle_call *members = search->members;

    if (search->unequal > 0 || members->leg_count <= search->leg_count)
        return false;
    for (size_t i = 0; i < members->leg_count; i++)
        ids[i] = members->legs[i].trade_id;
    return settle_batch_id_matches(search->id, ids, members->leg_count);
}

static bool search_from(struct search *search, size_t at, size_t skips);

// The trade as a member, with these units; then what follows it.
static bool search_with(struct search *search, size_t at, size_t skips, chain_uint128 units)
{
    const struct settle_rebuild_trade *trade = &search->trades[at];
    struct settle_call *members = search->members;
    bool along;
    size_t leg = leg_of(search, trade, &along);

    if (members->leg_count == SETTLE_LEGS_MAX)
        return false;
    members->legs[members->leg_count] = (struct settle_leg){.trade_id = trade->trade_id,
                                                            .number = (uint8_t)members->leg_count,
                                                            .place = (uint8_t)leg,
                                                            .from = trade->from,
                                                            .to = trade->to,
                                                            .units = units};
    members->leg_count++;
    missing_add(search, leg, along ? -units : units);
    if ((skips == 0 && is_meant(search)) || search_from(search, at + 1, skips))
        return true;
    missing_add(search, leg, along ? units : -units);
    members->leg_count--;
    return false;
}

// Members from `at` on, passing over exactly `skips` trades that could be.
static bool search_from(struct search *search, size_t at, size_t skips)
{
    bool along;

    while (at < search->count && leg_of(search, &search->trades[at], &along) == SETTLE_LEGS_MAX)
        at++;
    if (at == search->count || ++search->tries > SETTLE_REBUILD_TRIES)
        return false;
    const struct settle_rebuild_trade *trade = &search->trades[at];
    if (search_with(search, at, skips, trade->units) ||
        (trade->units_corrected != trade->units &&
         search_with(search, at, skips, trade->units_corrected)))
        return true;
    return skips > 0 && search_from(search, at + 1, skips - 1);
}

static bool search_run(struct search *search, size_t skips)
{
    search->members->leg_count = 0;
    search->unequal = search->leg_count;
    for (size_t i = 0; i < search->leg_count; i++)
        search->missing[i] = search->legs[i].units;
    return search_with(search, 0, skips, search->trades[0].units) ||
           (search->trades[0].units_corrected != search->trades[0].units &&
            search_with(search, 0, skips, search->trades[0].units_corrected));
}

// Members that share their place are a net, named for the first of them.
static void nets_name(struct settle_call *members)
{
    for (size_t i = 0; i < members->leg_count; i++)
        for (size_t k = 0; k < i && members->legs[i].net_id == 0; k++)
            if (members->legs[k].place == members->legs[i].place)
                members->legs[i].net_id = members->legs[k].net_id = members->legs[k].trade_id;
}

enum settle_rebuild_match settle_rebuild_match_net(struct settle_call *members,
                                                   const struct settle_leg *legs, size_t leg_count,
                                                   const struct settle_batch_id *id,
                                                   const struct settle_rebuild_trade *trades,
                                                   size_t count)
{
    struct search search = {.legs = legs,
                            .leg_count = leg_count,
                            .id = id,
                            .trades = trades,
                            .count = count,
                            .members = members};
    bool along;

    ASSERT(leg_count > 0 && leg_count <= SETTLE_LEGS_MAX);
    if (id->kind != SETTLE_BATCH_NET || id->leg_count != leg_count || count == 0 ||
        trades[0].trade_id != id->first_trade_id ||
        leg_of(&search, &trades[0], &along) == SETTLE_LEGS_MAX)
        return SETTLE_REBUILD_NONE;
    for (size_t skips = 0; skips < count; skips++) {
        if (search_run(&search, skips)) {
            members->is_of_trades = members->is_netted = true;
            nets_name(members);
            return SETTLE_REBUILD_FOUND;
        }
        if (search.tries > SETTLE_REBUILD_TRIES)
            return SETTLE_REBUILD_TOO_MANY;
    }
    return SETTLE_REBUILD_NONE;
}
