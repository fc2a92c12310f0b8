// Stops: orders that wait for a trade at their stop price, trailing stops that follow the market,
// and the queue of those that have been triggered.
//
// Happy path: a trade moves the trailing stops it has left behind, and puts the stops it meets into
// their instrument's queue, buys before sells, by stop price and then by time. At the end of the
// command the queue is worked off, first in, first out: each becomes an order like any other, whose
// trades may trigger more. What does not fit into the command's events goes on in the next.
//
// Between quiet_low and quiet_high a trade does none of this, and is neither volatile nor trips the
// breaker. The bounds may be narrower than they must be, never wider: what is added narrows them,
// and a trade outside computes them afresh.
#include "matcher/engine_exposure.h"
#include "matcher/engine_taker.h"

enum { TRIGGER_EVENTS = 8 }; // must be free for the next order of the queue

// ---- quiet

void engine_quiet_narrow(struct instrument *instrument, uint8_t side,
                         const struct order_terms *terms)
{
    bool buys = side == SIDE_BUY;
    int64_t stop = terms->stop_price;
    int64_t offset = terms->trail_offset;
    int64_t low = buys ? INT64_MIN : stop + 1;
    int64_t high = buys ? stop - 1 : INT64_MAX;
    ASSERT(stop > 0 && stop <= MONEY_MAX && offset >= 0 && offset <= MONEY_MAX);
    if (offset != 0 && buys)
        low = stop - offset;
    else if (offset != 0)
        high = stop + offset;
    if (instrument->quiet_low < low)
        instrument->quiet_low = low;
    if (instrument->quiet_high > high)
        instrument->quiet_high = high;
}

// Prices at most bps away from the reference price (without one, the NAV).
static void quiet_around(struct instrument *instrument, uint32_t bps)
{
    const struct instrument_state_rec *state = &instrument->state;
    int64_t reference = state->reference_price != 0 ? state->reference_price : state->nav;
    if (bps == 0 || reference == 0)
        return;
    money_product distance = (money_product)(uint64_t)reference * bps / MONEY_BPS_ONE;
    int64_t low = distance < (uint64_t)reference ? reference - (int64_t)distance : 0;
    int64_t high =
        distance <= (uint64_t)(INT64_MAX - reference) ? reference + (int64_t)distance : INT64_MAX;
    if (instrument->quiet_low < low)
        instrument->quiet_low = low;
    if (instrument->quiet_high > high)
        instrument->quiet_high = high;
}

static void quiet_compute(const struct engine *engine, struct instrument *instrument)
{
    const struct order_pool *pool = &engine->pool;
    instrument->quiet_low = 0;
    instrument->quiet_high = INT64_MAX;
    quiet_around(instrument, instrument->rules.volatility_bps);
    quiet_around(instrument, instrument->terms.breaker_bps);
    for (uint8_t side = SIDE_BUY; side <= SIDE_SELL; side++) {
        uint32_t best = order_book_best(pool, &instrument->stops[side - SIDE_BUY]);
        if (best != 0)
            engine_quiet_narrow(instrument, side, &pool->terms[best]);
        uint32_t trailing = instrument->trailing[side - SIDE_BUY].first;
        for (; trailing != 0; trailing = pool->terms[trailing].after)
            engine_quiet_narrow(instrument, side, &pool->terms[trailing]);
    }
}

// ---- trailing stops

// Where a trade moves a trailing stop to; where it is if it does not.
static int64_t trailing_target(uint8_t side, const struct order_terms *terms, int64_t price)
{
    int64_t stop = terms->stop_price;
    int64_t offset = terms->trail_offset;
    if (side == SIDE_BUY)
        return price <= MONEY_MAX && price + offset < stop ? price + offset : stop;
    int64_t target = price - offset;
    return target > stop && target <= MONEY_MAX ? target : stop;
}

// To the back of its new stop level. There is always room: each stop has a spare level of its own.
static void trailing_move(struct engine *engine, struct instrument *instrument, uint32_t place,
                          int64_t stop_price)
{
    struct order_pool *pool = &engine->pool;
    uint8_t which = order_at(pool, place)->side;
    struct book_side *side = &instrument->stops[which - SIDE_BUY];
    uint64_t key = instrument_stop_key(instrument, which, stop_price);
    order_book_remove(pool, side, place);
    pool->terms[place].stop_price = stop_price;
    engine_order_requeued(engine, place);
    order_book_add(pool, side, key, place);
}

static void trailing_follow(struct engine *engine, struct instrument *instrument, uint8_t side,
                            int64_t price)
{
    const struct order_pool *pool = &engine->pool;
    uint32_t place = instrument->trailing[side - SIDE_BUY].first;
    for (; place != 0; place = pool->terms[place].after) {
        const struct order_terms *terms = &pool->terms[place];
        int64_t target = trailing_target(side, terms, price);
        if (target != terms->stop_price)
            trailing_move(engine, instrument, place, target);
    }
}

// ---- triggers

static bool stop_is_met(uint8_t side, int64_t stop_price, int64_t price)
{
    ASSERT(stop_price > 0);
    return side == SIDE_BUY ? stop_price <= price : stop_price >= price;
}

static void stops_trigger(struct engine *engine, struct instrument *instrument, uint8_t side,
                          int64_t price)
{
    const struct order_pool *pool = &engine->pool;
    const struct book_side *stops = &instrument->stops[side - SIDE_BUY];
    for (;;) {
        uint32_t place = order_book_best(pool, stops);
        if (place == 0 || !stop_is_met(side, pool->terms[place].stop_price, price))
            return;
        engine_place_leave(engine, instrument, place);
        engine_place_triggered(engine, instrument, place);
    }
}

void engine_stops_on_trade(struct engine *engine, struct instrument *instrument, int64_t price)
{
    ASSERT(price > 0);
    trailing_follow(engine, instrument, SIDE_BUY, price);
    trailing_follow(engine, instrument, SIDE_SELL, price);
    stops_trigger(engine, instrument, SIDE_BUY, price);
    stops_trigger(engine, instrument, SIDE_SELL, price);
    quiet_compute(engine, instrument);
}

void engine_stops_recheck(struct engine *engine, struct instrument *instrument)
{
    int64_t last_price = instrument->state.last_price;
    if (last_price == 0)
        return;
    stops_trigger(engine, instrument, SIDE_BUY, last_price);
    stops_trigger(engine, instrument, SIDE_SELL, last_price);
}

void engine_stop_enter(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    const struct instrument_state_rec *state = &instrument->state;
    const struct order *order = order_at(&engine->pool, place);
    int64_t stop_price = engine->pool.terms[place].stop_price;
    if (state->phase == PHASE_CONTINUOUS && state->last_price != 0 &&
        stop_is_met(order->side, stop_price, state->last_price))
        engine_place_triggered(engine, instrument, place);
    else
        engine_place_stop(engine, instrument, place);
}

// ---- the queue

// A trailing stop's collar has come nearer with its stop price: what that frees of its hold. It
// stays where it is if the order's value would not fit: the market may have risen far above what a
// sell was checked at.
static int64_t triggered_price(struct engine *engine, const struct instrument *instrument,
                               struct order *order, int64_t stop_price)
{
    const struct tick_table ticks = instrument_ticks(instrument);
    int64_t price =
        order_check_collar(&ticks, order->side, stop_price, instrument->terms.collar_bps);
    bool buys = order->side == SIDE_BUY;
    int64_t notional = 0;
    if (price == 0 || (buys ? price >= order->price : price <= order->price) ||
        !money_notional(&notional, price, order->leaves, instrument->terms.token_scale))
        return 0;
    int64_t before = order_hold(instrument, order, order->leaves);
    int64_t value_before = instrument_notional(instrument, order->price, order->leaves);
    exposure_add(engine, order, notional - value_before, 0);
    order->price = price;
    int64_t released = before - order_hold(instrument, order, order->leaves);
    ledger_release(order_held_balance(engine, order), released);
    return released;
}

static void emit_triggered(struct turn *turn, const struct instrument *instrument, uint32_t place,
                           int64_t stop_price, int64_t released)
{
    const struct order *order = order_at(&turn->engine->pool, place);
    struct order_triggered_evt *out = &turn_emit(turn, EVT_order_triggered)->body.order_triggered;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->price = order->price;
    out->leaves = order->leaves;
    out->stop_price = stop_price;
    out->trigger_price = instrument->state.last_price;
    out->released = released;
    out->side = order->side;
    out->type = turn->engine->pool.cold[place].type;
}

// It is its turn: it is no stop any more. False if it goes on in a continuation: then it has been
// told already.
static bool triggered_begin(struct turn *turn, struct instrument *instrument, uint32_t place)
{
    struct engine *engine = turn->engine;
    struct order_terms *terms = &engine->pool.terms[place];
    int64_t stop_price = terms->stop_price;
    int64_t released = 0;
    if (stop_price == 0)
        return false;
    if (engine->pool.cold[place].type == ORDER_TRAILING_STOP)
        released = triggered_price(engine, instrument, order_at(&engine->pool, place), stop_price);
    terms->stop_price = 0;
    terms->trail_offset = 0;
    emit_triggered(turn, instrument, place, stop_price, released);
    return true;
}

// The first order of the queue is matched. TAKER_WAITS: it goes on in the next command, but only
// once: against an iceberg that shows one lot at a time it could go on for hours, and nobody else
// gets a turn before it has ended.
static uint8_t triggered_match(struct turn *turn, struct instrument *instrument)
{
    uint32_t place = instrument->triggered.first;
    bool first = triggered_begin(turn, instrument, place);
    struct taker taker = taker_of_place(turn->engine, instrument, place);
    uint8_t reason = taker_match(turn, &taker);
    if (reason != TAKER_WAITS || !first)
        taker_finish(turn, &taker, reason);
    return reason;
}

void engine_stops_run(struct turn *turn, struct instrument *instrument)
{
    const struct instrument_state_rec *state = &instrument->state;
    uint8_t reason = 0;
    while (instrument->triggered.first != 0 && state->phase == PHASE_CONTINUOUS &&
           !state->breaker_tripped && reason != TAKER_WAITS) {
        reason = TAKER_WAITS;
        if (turn_room(turn) >= TRIGGER_EVENTS)
            reason = triggered_match(turn, instrument);
    }
    if (reason == TAKER_WAITS && instrument->triggered.first != 0)
        turn->engine->pending = (struct pending_rec){.command = CMD_continue_work,
                                                     .work = WORK_TRIGGERED,
                                                     .instrument = instrument->terms.instrument};
}
