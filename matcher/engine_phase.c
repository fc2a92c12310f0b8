// Phases: how an instrument goes from one to the next, and the call auctions on the way.
//
// Happy path of an opening: dated orders whose time has come expire; the book is uncrossed at one
// price; what the auction leaves of market and at-open orders is cancelled; the phase is set; stops
// that the last price meets are triggered and take their turn. Every step that writes events asks
// for room first: what does not fit goes on in the next command, from engine->resumed, at the step
// and the order where it stopped.
#include "matcher/engine_uncross.h"

enum { PHASE_ROOM = 8 }; // events that must be free for a step to go on

enum phase_step { // pending_rec.step of WORK_PHASE
    STEP_EXPIRE,
    STEP_PRICE, // of the auction
    STEP_TRADE, // nothing has traded yet
    STEP_TRADED,
    STEP_PRICE_AGAIN, // a price at which something traded has left the book crossed
    STEP_LEFTOVERS,
    STEP_STATE,
    STEP_CLOSING, // at-close orders enter the book
    STEP_FOLLOW,
    STEP_END,
};

#define VOLATILITY_AUCTION_MS_DEFAULT 120000u
#define INDICATIVE_MS_DEFAULT         1000u
#define MS_NS                         ((uint64_t)1000000)

static bool phase_is_auction(uint8_t phase)
{
    return phase == PHASE_OPENING_AUCTION || phase == PHASE_VOLATILITY_AUCTION ||
           phase == PHASE_CLOSING_AUCTION;
}

static bool has_room(const struct turn *turn)
{
    return turn_room(turn) >= PHASE_ROOM;
}

// ---- indicative prices

void engine_phase_publish(struct turn *turn, struct instrument *instrument)
{
    ASSERT(phase_is_auction(instrument->state.phase));
    const struct auction_result result = uncross_price(turn->engine, instrument);
    uncross_tell(turn, instrument, &result, false);
    instrument->state.indicative_due_ns = 0;
    engine_deadline_update(turn->engine, instrument);
}

void engine_book_changed(struct engine *engine, struct instrument *instrument)
{
    struct instrument_state_rec *state = &instrument->state;
    if (!phase_is_auction(state->phase) || state->indicative_due_ns != 0)
        return;
    uint32_t ms = instrument->rules.indicative_ms;
    state->indicative_due_ns = engine->time_ns + (ms != 0 ? ms : INDICATIVE_MS_DEFAULT) * MS_NS;
    engine_deadline_update(engine, instrument);
}

// ---- step 3: leftovers

enum container { // where open orders are, in the order in which they are gone through
    IN_BUYS,
    IN_SELLS,
    IN_STOP_BUYS,
    IN_STOP_SELLS,
    IN_TRIGGERED,
    IN_CLOSING,
    CONTAINERS,
};

static uint32_t container_of(const struct order *order)
{
    if ((order->marks & ORDER_MARK_CLOSE) != 0)
        return IN_CLOSING;
    if ((order->marks & ORDER_MARK_TRIGGERED) != 0)
        return IN_TRIGGERED;
    uint32_t base = (order->marks & ORDER_MARK_STOP) != 0 ? IN_STOP_BUYS : IN_BUYS;
    return base + order->side - SIDE_BUY;
}

static uint32_t container_first(const struct engine *engine, const struct instrument *instrument,
                                uint32_t container)
{
    if (container <= IN_SELLS)
        return order_book_best(&engine->pool, &instrument->sides[container - IN_BUYS]);
    if (container <= IN_STOP_SELLS)
        return order_book_best(&engine->pool, &instrument->stops[container - IN_STOP_BUYS]);
    return container == IN_TRIGGERED ? instrument->triggered.first : instrument->closing.first;
}

static uint32_t container_next(const struct engine *engine, const struct instrument *instrument,
                               uint32_t container, uint32_t place)
{
    if (container <= IN_SELLS)
        return order_book_next(&engine->pool, &instrument->sides[container - IN_BUYS], place);
    if (container <= IN_STOP_SELLS)
        return order_book_next(&engine->pool, &instrument->stops[container - IN_STOP_BUYS], place);
    return order_at(&engine->pool, place)->later;
}

// The first order from a container on that is one of the first `containers`; 0 = none.
static uint32_t leftover_from(const struct engine *engine, const struct instrument *instrument,
                              uint32_t container, uint32_t containers)
{
    uint32_t place = 0;
    for (; container < containers && place == 0; container++)
        place = container_first(engine, instrument, container);
    return place;
}

static uint32_t leftover_next(const struct engine *engine, const struct instrument *instrument,
                              uint32_t place, uint32_t containers)
{
    uint32_t container = container_of(order_at(&engine->pool, place));
    uint32_t next = container_next(engine, instrument, container, place);
    return next != 0 ? next : leftover_from(engine, instrument, container + 1, containers);
}

// Why an order does not go into the next phase; 0 = it does.
static uint8_t leftover_reason(const struct order_cold *cold, uint8_t phase)
{
    if (cold->type == ORDER_MARKET || cold->tif == TIF_AT_OPEN)
        return CANCEL_AUCTION;
    if (phase == PHASE_CONTINUOUS)
        return 0;
    if (cold->tif == TIF_AT_CLOSE)
        return CANCEL_AUCTION;
    return cold->tif == TIF_DAY ? CANCEL_EXPIRED : 0;
}

// What continuous trading does not take is counted: a book without it is not gone through.
static bool leftovers_remain(const struct instrument *instrument, uint8_t phase)
{
    return phase != PHASE_CONTINUOUS || instrument->market[0].first != 0 ||
           instrument->market[1].first != 0 || instrument->at_open_count != 0;
}

// change->order: where it goes on; 0 = at the beginning. False if the events ran out.
static bool leftovers_run(struct turn *turn, const struct instrument *instrument,
                          struct pending_rec *change)
{
    const struct engine *engine = turn->engine;
    const struct order_pool *pool = &engine->pool;
    uint32_t containers = change->phase == PHASE_CLOSED       ? CONTAINERS
                          : change->phase == PHASE_CONTINUOUS ? IN_STOP_BUYS
                                                              : 0;
    uint32_t place = change->order != 0 ? order_pool_find(pool, change->order)
                                        : leftover_from(engine, instrument, 0, containers);
    while (place != 0 && leftovers_remain(instrument, change->phase)) {
        uint8_t reason = leftover_reason(&pool->cold[place], change->phase);
        if (reason != 0 && !has_room(turn)) {
            change->order = order_at(pool, place)->id;
            return false;
        }
        uint32_t next = leftover_next(engine, instrument, place, containers);
        __builtin_prefetch(&pool->cold[next]);
        if (reason != 0)
            engine_cancel(turn, place, reason);
        place = next;
    }
    return true;
}

// ---- steps 4 to 6

static void phase_set(struct turn *turn, struct instrument *instrument, uint8_t phase)
{
    struct instrument_state_rec *state = &instrument->state;
    uint32_t ms = instrument->rules.volatility_auction_ms;
    state->phase = phase;
    state->indicative_due_ns = 0;
    state->phase_end_ns = 0;
    state->limit_state_end_ns = 0;
    if (phase == PHASE_VOLATILITY_AUCTION)
        state->phase_end_ns =
            turn->engine->time_ns + (ms != 0 ? ms : VOLATILITY_AUCTION_MS_DEFAULT) * MS_NS;
    engine_deadline_update(turn->engine, instrument);
    turn_instrument_state(turn, instrument);
}

static void emit_entered(struct turn *turn, const struct order *order, uint8_t type)
{
    struct order_triggered_evt *out = &turn_emit(turn, EVT_order_triggered)->body.order_triggered;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->price = order->price;
    out->leaves = order->leaves;
    out->side = order->side;
    out->type = type;
}

// An order that waited for the close enters the book, at the back of its level. Market orders are
// gathered in `market`: the order in which they waited need not be that of their ids.
static void closing_enter(struct turn *turn, struct instrument *instrument, uint32_t place,
                          struct order_list market[2])
{
    struct engine *engine = turn->engine;
    struct order *order = order_at(&engine->pool, place);
    uint8_t type = engine->pool.cold[place].type;
    uint64_t key = instrument_key(instrument, order->side, order->price);
    if (!order_book_has_room(&engine->pool, instrument_side(instrument, order->side), key)) {
        engine_cancel(turn, place, CANCEL_LIMIT);
        return;
    }
    engine_place_leave(engine, instrument, place);
    engine_order_requeued(engine, place);
    engine_place_book(engine, instrument, place);
    if (type == ORDER_MARKET) {
        order->marks |= ORDER_MARK_MARKET;
        engine_list_append(&engine->pool, &market[order->side - SIDE_BUY], place);
    }
    emit_entered(turn, order, type);
}

static bool closing_run(struct turn *turn, struct instrument *instrument)
{
    struct order_pool *pool = &turn->engine->pool;
    struct order_list market[2] = {0};
    while (instrument->closing.first != 0 && has_room(turn))
        closing_enter(turn, instrument, instrument->closing.first, market);
    engine_list_join(pool, &instrument->market[0], &market[0]);
    engine_list_join(pool, &instrument->market[1], &market[1]);
    return instrument->closing.first == 0;
}

// ---- the steps

// Each does its part and names the next step; false if the events ran out.
typedef bool phase_step(struct turn *turn, struct instrument *instrument,
                        struct pending_rec *change);

static bool step_expire(struct turn *turn, struct instrument *instrument,
                        struct pending_rec *change)
{
    bool closes = change->phase == PHASE_CLOSED && instrument->state.phase == PHASE_CLOSING_AUCTION;
    change->step = change->phase == PHASE_CONTINUOUS || closes ? STEP_PRICE : STEP_LEFTOVERS;
    if (engine_expire(turn, PHASE_ROOM))
        return true;
    change->step = STEP_EXPIRE;
    return false;
}

static bool step_price(struct turn *turn, struct instrument *instrument, struct pending_rec *change)
{
    const struct auction_result result = uncross_price(turn->engine, instrument);
    bool tells = change->step == STEP_PRICE && phase_is_auction(instrument->state.phase);
    if (tells || result.quantity != 0) {
        if (!has_room(turn))
            return false;
        uncross_tell(turn, instrument, &result, true);
    }
    change->price = result.price;
    change->quantity = result.quantity;
    change->step = STEP_TRADE;
    return true;
}

static bool step_trade(struct turn *turn, struct instrument *instrument, struct pending_rec *change)
{
    struct uncross_work work = {.price = change->price,
                                .quantity = change->quantity,
                                .traded = change->step == STEP_TRADED};
    bool all = uncross_run(turn, instrument, &work, PHASE_ROOM);
    change->quantity = work.quantity;
    change->step = work.traded ? STEP_TRADED : STEP_TRADE;
    if (!all)
        return false;
    if (work.traded) {
        instrument->state.reference_price = work.price;
        instrument->state.last_price = work.price;
        engine_quiet_reset(instrument);
        engine_stops_on_trade(turn->engine, instrument, work.price);
    }
    bool crossed =
        auction_crosses(&turn->engine->pool, &instrument->sides[0], &instrument->sides[1]);
    change->step = crossed ? STEP_PRICE_AGAIN : STEP_LEFTOVERS;
    return true;
}

static bool step_leftovers(struct turn *turn, struct instrument *instrument,
                           struct pending_rec *change)
{
    if (!leftovers_run(turn, instrument, change))
        return false;
    change->step = STEP_STATE;
    return true;
}

static bool step_state(struct turn *turn, struct instrument *instrument, struct pending_rec *change)
{
    if (!has_room(turn))
        return false;
    phase_set(turn, instrument, change->phase);
    change->step = change->phase == PHASE_CLOSING_AUCTION ? STEP_CLOSING : STEP_FOLLOW;
    return true;
}

static bool step_closing(struct turn *turn, struct instrument *instrument,
                         struct pending_rec *change)
{
    if (!closing_run(turn, instrument))
        return false;
    change->step = STEP_FOLLOW;
    return true;
}

static bool step_follow(struct turn *turn, struct instrument *instrument,
                        struct pending_rec *change)
{
    bool auction = phase_is_auction(change->phase);
    if (auction && !has_room(turn))
        return false;
    if (auction)
        engine_phase_publish(turn, instrument);
    if (change->phase == PHASE_CONTINUOUS)
        engine_stops_recheck(turn->engine, instrument);
    change->step = STEP_END;
    return true;
}

static phase_step *const steps[STEP_END] = {
    [STEP_EXPIRE] = step_expire, [STEP_PRICE] = step_price,       [STEP_TRADE] = step_trade,
    [STEP_TRADED] = step_trade,  [STEP_PRICE_AGAIN] = step_price, [STEP_LEFTOVERS] = step_leftovers,
    [STEP_STATE] = step_state,   [STEP_CLOSING] = step_closing,   [STEP_FOLLOW] = step_follow,
};

// ---- the change

static void phase_run(struct turn *turn, struct instrument *instrument, struct pending_rec change)
{
    while (change.step != STEP_END)
        if (!steps[change.step](turn, instrument, &change)) {
            turn->engine->pending = change;
            return;
        }
    engine_stops_run(turn, instrument);
}

void engine_phase_change(struct turn *turn, struct instrument *instrument, uint8_t phase)
{
    if (instrument->state.phase == phase) {
        turn_instrument_state(turn, instrument);
        return;
    }
    phase_run(turn, instrument,
              (struct pending_rec){.command = CMD_continue_work,
                                   .work = WORK_PHASE,
                                   .instrument = instrument->terms.instrument,
                                   .phase = phase,
                                   .step = STEP_EXPIRE});
}

void engine_phase_resume(struct turn *turn, struct instrument *instrument)
{
    const struct pending_rec *resumed = &turn->engine->resumed;
    ASSERT(resumed->work == WORK_PHASE && resumed->step < STEP_END);
    phase_run(turn, instrument, *resumed);
}

void engine_phase_volatility(struct turn *turn, struct instrument *instrument)
{
    ASSERT(instrument->state.phase == PHASE_CONTINUOUS);
    phase_set(turn, instrument, PHASE_VOLATILITY_AUCTION);
    engine_phase_publish(turn, instrument);
}

bool engine_phase_resumable(const struct engine *engine, const struct pending_rec *record)
{
    return record->step < STEP_END && record->phase >= PHASE_CLOSED &&
           record->phase <= PHASE_CLOSING_AUCTION && record->price >= 0 && record->quantity >= 0 &&
           (record->order == 0 || order_pool_find(&engine->pool, record->order) != 0);
}
