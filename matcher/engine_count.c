// Fill or kill, minimum quantity: what would the steps of matching trade? The walk goes through the
// other side exactly as they would, with the events they would write, and changes nothing.
//
// Within a level every order shows what it shows, in order; then the icebergs among them come round
// again with their next slices, in the same order, until they are used up. They are chained for
// that by a link of their terms that only market orders and trailing stops use: a round must not
// cost a walk through the level.
#include "matcher/engine_taker.h"

struct count {
    const struct engine *engine;
    const struct taker *taker;
    int64_t wanted;    // still
    uint32_t room;     // events
    uint32_t icebergs; // of the level, that come round again: a chain through terms.after
    uint32_t icebergs_last;
};

// One trade with an order that shows this much, and hides what is behind it. False: the count ends.
static bool count_trade(struct count *count, const struct order *maker, int64_t shown,
                        int64_t hidden)
{
    const struct instrument *instrument = count->taker->instrument;
    ASSERT(shown > 0 && hidden >= 0);
    if (count->room < STEP_EVENTS ||
        price_is_beyond_band(instrument, instrument->state.last_price, maker->price))
        return false;
    bool used_up = shown <= count->wanted;
    count->wanted -= used_up ? shown : count->wanted;
    count->room -= used_up && hidden != 0 ? 2 : 1;
    return count->wanted > 0 && !price_trips_breaker(instrument, maker->price);
}

// True if self-trade prevention acts on it; *ends if that is the end of the count.
static bool count_meets_itself(struct count *count, uint32_t place, bool *ends)
{
    const struct taker *taker = count->taker;
    if (taker->stp == STP_NONE || !taker_meets_itself(count->engine, taker, place))
        return false;
    *ends = taker->stp != STP_CANCEL_OLDEST || count->room < STEP_EVENTS;
    return true;
}

// It comes round again, behind those that do already.
static void count_chain(struct count *count, uint32_t place)
{
    const struct order_pool *pool = &count->engine->pool;
    ASSERT((order_at(pool, place)->marks & ORDER_MARK_ICEBERG) != 0);
    pool->terms[place].after = 0;
    if (count->icebergs == 0)
        count->icebergs = place;
    else
        pool->terms[count->icebergs_last].after = place;
    count->icebergs_last = place;
}

// What orders of a level show now. False: the count ends.
static bool count_shown(struct count *count, uint32_t first)
{
    const struct order_pool *pool = &count->engine->pool;
    for (uint32_t place = first; place != 0; place = order_at(pool, place)->later) {
        const struct order *maker = order_at(pool, place);
        bool ends = false;
        if (count_meets_itself(count, place, &ends)) {
            if (ends)
                return false;
            count->room--;
            continue;
        }
        int64_t hidden = order_open(pool, place) - maker->leaves;
        if (hidden != 0)
            count_chain(count, place);
        if (!count_trade(count, maker, maker->leaves, hidden))
            return false;
    }
    return true;
}

// The slice of an iceberg that shows in round 1, 2 …; 0 = it has none left.
static int64_t slice_of_round(const struct order_terms *terms, int64_t round, int64_t *behind)
{
    if (terms->hidden / terms->display < round - 1)
        return 0;
    int64_t left = terms->hidden - (round - 1) * terms->display;
    int64_t slice = left < terms->display ? left : terms->display;
    *behind = left - slice;
    return slice;
}

// One round of next slices; icebergs that have none leave the chain. False: the count ends.
static bool count_round(struct count *count, int64_t round)
{
    const struct order_pool *pool = &count->engine->pool;
    uint32_t *link = &count->icebergs;
    while (*link != 0) {
        uint32_t place = *link;
        struct order_terms *terms = &pool->terms[place];
        int64_t behind = 0;
        int64_t slice = slice_of_round(terms, round, &behind);
        if (slice == 0) {
            *link = terms->after;
            continue;
        }
        if (!count_trade(count, order_at(pool, place), slice, behind))
            return false;
        link = &terms->after;
    }
    return true;
}

static bool count_level(struct count *count, uint32_t first)
{
    count->icebergs = 0;
    if (!count_shown(count, first))
        return false;
    for (int64_t round = 1; count->icebergs != 0; round++)
        if (!count_round(count, round))
            return false;
    return true;
}

bool taker_reaches(const struct turn *turn, const struct taker *taker, int64_t wanted)
{
    const struct engine *engine = turn->engine;
    const struct book_side *opposite = taker_opposite(taker);
    struct count count = {
        .engine = engine, .taker = taker, .wanted = wanted, .room = turn_room(turn)};
    uint64_t key = order_book_best_key(&engine->pool, opposite);
    uint32_t first = order_book_best(&engine->pool, opposite);
    ASSERT(wanted > 0 && wanted <= taker->order->leaves);
    while (first != 0 && key <= taker_limit_key(taker) && count_level(&count, first))
        first = order_book_worse(&engine->pool, opposite, key, &key);
    return count.wanted == 0;
}
