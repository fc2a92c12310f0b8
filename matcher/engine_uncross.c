// The uncross of a call auction: the price of the book as it is, and the trades at that price.
//
// Market orders trade first, by id, then the others by price and time; icebergs with all they have,
// in one place. Self-trades are not prevented. What is read of each order is asked for some orders
// ahead: a large book is in no cache.
#include "matcher/engine_uncross.h"

// ---- its price

static struct auction_reference reference_of(const struct instrument *instrument)
{
    const struct instrument_state_rec *state = &instrument->state;
    int64_t price = state->reference_price != 0 ? state->reference_price
                    : state->last_price != 0    ? state->last_price
                                                : state->nav;
    ASSERT(price >= 0);
    return (struct auction_reference){
        .price = price, .on_tick = price - price % instrument_tick_at(instrument, price)};
}

struct auction_result uncross_price(const struct engine *engine,
                                    const struct instrument *instrument)
{
    const struct auction_reference reference = reference_of(instrument);
    return auction_price(&engine->pool, &instrument->sides[0], &instrument->sides[1], &reference);
}

void uncross_tell(struct turn *turn, const struct instrument *instrument,
                  const struct auction_result *result, bool final)
{
    struct auction_evt *out = &turn_emit(turn, EVT_auction)->body.auction;
    out->instrument = instrument->terms.instrument;
    out->phase = instrument->state.phase;
    out->final = final;
    out->surplus_side = result->surplus_side;
    out->price = result->price;
    out->quantity = result->quantity;
    out->surplus = result->surplus;
}

// ---- its trades

enum { ORDERS_AHEAD = 6, LEVELS_AHEAD = 4 };

// What is asked for before its turn: see uncross_fetch and uncross_scout.
struct scout {
    uint32_t ahead;                // an order of the book some places behind who trades
    uint32_t orders[LEVELS_AHEAD]; // one of each of the levels behind that of `ahead`; 0 = none
    uint64_t key;                  // of the last of these levels
    uint32_t next_level;           // of `orders`: whose turn it is to be reached by `ahead`
    uint32_t next_order;           // whose turn it is to go on
};

struct uncross {
    struct engine *engine;
    struct instrument *instrument;
    int64_t price;
    uint32_t market[2]; // the first market order of a side that has not been passed over
    struct scout scouts[2];
    uint32_t party[2]; // who trades; 0 = the next one
    int64_t filled[2]; // of the parties, so far
};

static bool uncross_allows(const struct uncross *uncross, uint8_t side, uint32_t place)
{
    int64_t price = order_at(&uncross->engine->pool, place)->price;
    return side == SIDE_BUY ? price >= uncross->price : price <= uncross->price;
}

// Who trades next: market orders by id, then the book's best. 0 = nobody.
static inline uint32_t uncross_party(struct uncross *uncross, uint8_t side)
{
    const struct order_pool *pool = &uncross->engine->pool;
    uint32_t *market = &uncross->market[side - SIDE_BUY];
    while (*market != 0 && !uncross_allows(uncross, side, *market))
        *market = pool->terms[*market].after;
    if (*market != 0)
        return *market;
    uint32_t best = order_book_best(pool, instrument_side(uncross->instrument, side));
    return best != 0 && uncross_allows(uncross, side, best) ? best : 0;
}

// Following one chain of orders through a large book waits for memory at every step, unless the
// steps lie further apart than that takes. So some levels are followed in turn, long before theirs.
static inline void uncross_scout(struct uncross *uncross, uint32_t i)
{
    const struct order_pool *pool = &uncross->engine->pool;
    struct scout *scout = &uncross->scouts[i];
    uint32_t *place = &scout->orders[scout->next_order++ % LEVELS_AHEAD];
    if (*place == 0)
        return;
    const struct order *order = order_at(pool, *place);
    *place = order->level != 0 ? order->later : 0; // it may have traded before its turn in the book
    __builtin_prefetch(&pool->orders[*place], 1);
}

// `ahead` reaches the next level: another one, behind the others, is followed in its place.
static void scout_level(struct uncross *uncross, uint32_t i)
{
    const struct order_pool *pool = &uncross->engine->pool;
    struct scout *scout = &uncross->scouts[i];
    uint32_t place =
        order_book_worse(pool, &uncross->instrument->sides[i], scout->key, &scout->key);
    scout->orders[scout->next_level++ % LEVELS_AHEAD] = place;
    __builtin_prefetch(&pool->orders[place], 1);
}

// Orders of a large book are in no cache. Asks for what a trade of the order ahead will touch,
// and for the order behind it, while others trade.
static inline void uncross_fetch(struct uncross *uncross, uint32_t i)
{
    const struct order_pool *pool = &uncross->engine->pool;
    struct scout *scout = &uncross->scouts[i];
    if (scout->ahead == 0)
        return;
    const struct order *order = order_at(pool, scout->ahead);
    __builtin_prefetch(&pool->orders[order->before], 1);
    __builtin_prefetch(&pool->orders[order->after], 1);
    __builtin_prefetch(order_index_recent(&pool->index, order->id), 1);
    if (order->later == 0)
        scout_level(uncross, i);
    scout->ahead = order_book_next(pool, &uncross->instrument->sides[i], scout->ahead);
    __builtin_prefetch(&pool->orders[scout->ahead], 1);
    uncross_scout(uncross, i);
}

static void scout_begin(struct uncross *uncross, uint32_t i)
{
    const struct order_pool *pool = &uncross->engine->pool;
    const struct book_side *side = &uncross->instrument->sides[i];
    struct scout *scout = &uncross->scouts[i];
    scout->ahead = order_book_best(pool, side);
    scout->key = order_book_best_key(pool, side);
    for (uint32_t k = 0; k < LEVELS_AHEAD && scout->ahead != 0; k++)
        scout_level(uncross, i);
    for (uint32_t k = 0; k < ORDERS_AHEAD; k++)
        uncross_fetch(uncross, i);
}

// The party on this side is about to leave the book; returns it.
static inline uint32_t uncross_pass(struct uncross *uncross, uint32_t i)
{
    uint32_t place = uncross->party[i];
    if (uncross->market[i] == place)
        uncross->market[i] = uncross->engine->pool.terms[place].after;
    uncross_fetch(uncross, i);
    if (uncross->scouts[i].ahead == place) // a market order: it trades before its turn in the book
        uncross_fetch(uncross, i);
    return place;
}

static inline void uncross_next(struct uncross *uncross, uint32_t i)
{
    uncross->party[i] = uncross_party(uncross, (uint8_t)(SIDE_BUY + i));
    uncross->filled[i] = 0;
}

static struct uncross uncross_begin(struct engine *engine, struct instrument *instrument,
                                    int64_t price)
{
    struct uncross uncross = {.engine = engine, .instrument = instrument, .price = price};
    for (uint32_t i = 0; i < 2; i++) {
        uncross.market[i] = instrument->market[i].first;
        scout_begin(&uncross, i);
        uncross_next(&uncross, i);
    }
    return uncross;
}

// The party on this side is filled: it leaves, and the next one trades. For each side by itself:
// which one it is nobody can guess, so it is asked once.
static inline void uncross_filled(struct uncross *uncross, uint32_t i)
{
    uint32_t place = uncross_pass(uncross, i);
    engine_order_end(uncross->engine, uncross->instrument, place);
    uncross_next(uncross, i);
}

// It cannot take any more: its counters of the ledger would pass their bound.
static void uncross_cancel(struct turn *turn, struct uncross *uncross, uint32_t i)
{
    uint32_t place = uncross_pass(uncross, i);
    engine_cancel(turn, place, CANCEL_LIMIT);
    uncross_next(uncross, i);
}

static inline void uncross_trade(struct turn *turn, struct uncross *uncross,
                                 struct uncross_work *work)
{
    const struct order_pool *pool = &turn->engine->pool;
    const uint32_t *party = uncross->party;
    const int64_t buys = order_open(pool, party[0]);
    const int64_t sells = order_open(pool, party[1]);
    int64_t quantity = buys < sells ? buys : sells;
    quantity = quantity < work->quantity ? quantity : work->quantity;
    int64_t notional = 0;
    uint8_t full = engine_trade_auction(turn, uncross->instrument, party[0], party[1], quantity,
                                        work->price, &notional);
    if (__builtin_expect(full != 0, 0)) {
        uncross_cancel(turn, uncross, full - SIDE_BUY);
        return;
    }
    work->quantity -= quantity;
    work->traded = true;
    uncross->filled[0] += notional;
    uncross->filled[1] += notional;
    if (quantity == buys)
        uncross_filled(uncross, 0);
    if (quantity == sells)
        uncross_filled(uncross, 1);
}

// What has been filled of those that are left.
static void uncross_note(struct uncross *uncross)
{
    for (uint32_t i = 0; i < 2; i++)
        if (uncross->party[i] != 0)
            uncross->engine->pool.cold[uncross->party[i]].filled_notional += uncross->filled[i];
}

bool uncross_run(struct turn *turn, struct instrument *instrument, struct uncross_work *work,
                 uint32_t room)
{
    struct uncross uncross = uncross_begin(turn->engine, instrument, work->price);
    bool all = true;
    while (work->quantity > 0 && uncross.party[0] != 0 && uncross.party[1] != 0) {
        all = turn_room(turn) >= room;
        if (!all)
            break;
        uncross_trade(turn, &uncross, work);
    }
    uncross_note(&uncross);
    return all;
}
