// The change from one market phase to another in the naive venue: six steps, each of which may have
// to wait for a continuation, and then goes on where it was.
#include "tests/model/naive_parts.h"

bool naive_is_auction(uint8_t phase)
{
    return phase == PHASE_OPENING_AUCTION || phase == PHASE_VOLATILITY_AUCTION ||
           phase == PHASE_CLOSING_AUCTION;
}

bool naive_is_call(uint8_t phase)
{
    return phase == PHASE_PRE_OPEN || naive_is_auction(phase);
}

static bool pauses(const struct naive_venue *venue)
{
    return naive_room(venue) < 8;
}

static bool expire(struct naive_venue *venue)
{
    struct naive_order *order = NULL;
    while ((order = naive_first_expired(venue)) != NULL) {
        if (pauses(venue))
            return false;
        naive_cancel(venue, order, CANCEL_EXPIRED);
    }
    return true;
}

// ---- uncross

// Market orders first, by id; then by price and place.
static struct naive_order *first_at(struct naive_venue *venue, uint32_t instrument, uint8_t side,
                                    int64_t price)
{
    struct naive_order *market = NULL;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        struct naive_order *order = &venue->orders[i];
        bool allows = side == SIDE_BUY ? order->price >= price : order->price <= price;
        if (order->instrument == instrument && order->side == side && allows &&
            order->state == ORDER_STATE_OPEN && order->type == ORDER_MARKET &&
            (market == NULL || order->id < market->id))
            market = order;
    }
    struct naive_order *best = naive_first(venue, instrument, side, ORDER_STATE_OPEN);
    bool allows = best != NULL && (side == SIDE_BUY ? best->price >= price : best->price <= price);
    return market != NULL ? market : allows ? best : NULL;
}

static void after_auction_trade(struct naive_venue *venue, struct naive_order *order)
{
    naive_show(order);
    if (order->leaves == 0)
        naive_erase(venue, order);
}

static void uncross_pair(struct naive_venue *venue, struct naive_order *buy,
                         struct naive_order *sell)
{
    struct naive_pending *change = &venue->pending;
    int64_t quantity = buy->leaves < sell->leaves ? buy->leaves : sell->leaves;
    if (quantity > change->left)
        quantity = change->left;
    if (naive_counters_full(venue, buy, change->price, quantity)) {
        naive_cancel(venue, buy, CANCEL_LIMIT);
        return;
    }
    if (naive_counters_full(venue, sell, change->price, quantity)) {
        naive_cancel(venue, sell, CANCEL_LIMIT);
        return;
    }
    bool buy_first = buy->id < sell->id;
    naive_trade(venue, buy_first ? buy : sell, buy_first ? sell : buy, change->price, quantity,
                TRADE_AUCTION);
    change->left -= quantity;
    change->traded = true;
    after_auction_trade(venue, buy);
    after_auction_trade(venue, sell);
}

static bool uncross_trades(struct naive_venue *venue)
{
    struct naive_pending *change = &venue->pending;
    while (change->left > 0) {
        struct naive_order *buy = first_at(venue, change->instrument, SIDE_BUY, change->price);
        struct naive_order *sell = first_at(venue, change->instrument, SIDE_SELL, change->price);
        if (buy == NULL || sell == NULL)
            break;
        if (pauses(venue))
            return false;
        uncross_pair(venue, buy, sell);
    }
    change->crossing = false;
    if (change->traded) {
        struct instrument_state_rec *state = &venue->instruments[change->instrument].state;
        state->last_price = change->price;
        state->reference_price = change->price;
        naive_stops_on_trade(venue, change->instrument, change->price);
    }
    return true;
}

static bool uncross(struct naive_venue *venue)
{
    struct naive_pending *change = &venue->pending;
    uint8_t phase = venue->instruments[change->instrument].state.phase;
    if (change->phase != PHASE_CONTINUOUS &&
        (change->phase != PHASE_CLOSED || phase != PHASE_CLOSING_AUCTION))
        return true;
    for (;;) {
        if (!change->crossing) {
            bool again = change->rounds > 0;
            if (again && !naive_crossed(venue, change->instrument))
                return true;
            struct naive_auction auction = naive_auction(venue, change->instrument);
            if (auction.quantity == 0 && (again || !naive_is_auction(phase)))
                return true;
            if (pauses(venue))
                return false;
            naive_auction_tell(venue, change->instrument, &auction, 1);
            change->crossing = true;
            change->traded = false;
            change->price = auction.price;
            change->left = auction.quantity;
            change->rounds++;
        }
        if (!uncross_trades(venue))
            return false;
    }
}

// ---- what is left over

static uint8_t reason_to_go(const struct naive_order *order, uint8_t phase)
{
    if (order->type == ORDER_MARKET || order->tif == TIF_AT_OPEN)
        return CANCEL_AUCTION;
    if (phase == PHASE_CLOSED && order->tif == TIF_AT_CLOSE)
        return CANCEL_AUCTION;
    return phase == PHASE_CLOSED && order->tif == TIF_DAY ? CANCEL_EXPIRED : 0;
}

static struct naive_order *first_to_go(struct naive_venue *venue, uint8_t side, uint8_t state)
{
    struct naive_order *order = naive_first(venue, venue->pending.instrument, side, state);
    while (order != NULL && reason_to_go(order, venue->pending.phase) == 0)
        order = naive_behind(venue, order);
    return order;
}

static bool leftovers_of(struct naive_venue *venue, uint8_t side, uint8_t state)
{
    struct naive_order *order = NULL;
    while ((order = first_to_go(venue, side, state)) != NULL) {
        if (pauses(venue))
            return false;
        naive_cancel(venue, order, reason_to_go(order, venue->pending.phase));
    }
    return true;
}

static bool leftovers(struct naive_venue *venue)
{
    uint8_t phase = venue->pending.phase;
    if (phase != PHASE_CONTINUOUS && phase != PHASE_CLOSED)
        return true;
    if (!leftovers_of(venue, SIDE_BUY, ORDER_STATE_OPEN) ||
        !leftovers_of(venue, SIDE_SELL, ORDER_STATE_OPEN))
        return false;
    return phase == PHASE_CONTINUOUS || (leftovers_of(venue, SIDE_BUY, ORDER_STATE_PENDING_STOP) &&
                                         leftovers_of(venue, SIDE_SELL, ORDER_STATE_PENDING_STOP) &&
                                         leftovers_of(venue, 0, ORDER_STATE_TRIGGERED) &&
                                         leftovers_of(venue, 0, ORDER_STATE_PENDING_CLOSE));
}

// ---- the new phase

static void set_phase(struct naive_venue *venue, uint32_t id, uint8_t phase)
{
    struct naive_instrument *instrument = &venue->instruments[id];
    uint32_t ms = instrument->rules.volatility_auction_ms;
    instrument->state.phase = phase;
    instrument->state.indicative_due_ns = 0;
    instrument->state.phase_end_ns = 0;
    instrument->state.limit_state_end_ns = 0;
    if (phase == PHASE_VOLATILITY_AUCTION)
        instrument->state.phase_end_ns = venue->now + (uint64_t)(ms != 0 ? ms : 120000) * 1000000;
    naive_state_changed(venue, id);
}

static bool begin(struct naive_venue *venue)
{
    if (pauses(venue))
        return false;
    set_phase(venue, venue->pending.instrument, venue->pending.phase);
    return true;
}

static void let_in_one(struct naive_venue *venue, struct naive_order *order)
{
    if (!naive_level_free(venue, order, ORDER_STATE_OPEN)) {
        naive_cancel(venue, order, CANCEL_LIMIT);
        return;
    }
    naive_emit(venue, EVT_order_triggered)->body.order_triggered =
        (struct order_triggered_evt){.order = order->id,
                                     .account = order->account,
                                     .instrument = order->instrument,
                                     .price = order->price,
                                     .leaves = order->leaves,
                                     .side = order->side,
                                     .type = order->type};
    naive_rest(venue, order);
}

static bool let_in(struct naive_venue *venue)
{
    uint32_t instrument = venue->pending.instrument;
    struct naive_order *order = NULL;
    while (venue->pending.phase == PHASE_CLOSING_AUCTION &&
           (order = naive_first(venue, instrument, 0, ORDER_STATE_PENDING_CLOSE)) != NULL) {
        if (pauses(venue))
            return false;
        let_in_one(venue, order);
    }
    return true;
}

static void publish(struct naive_venue *venue, uint32_t instrument)
{
    struct naive_auction auction = naive_auction(venue, instrument);
    naive_auction_tell(venue, instrument, &auction, 0);
    venue->instruments[instrument].state.indicative_due_ns = 0;
}

static bool follow_up(struct naive_venue *venue)
{
    uint32_t instrument = venue->pending.instrument;
    int64_t last = venue->instruments[instrument].state.last_price;
    if (naive_is_auction(venue->pending.phase)) {
        if (pauses(venue))
            return false;
        publish(venue, instrument);
    }
    if (venue->pending.phase == PHASE_CONTINUOUS && last != 0)
        naive_stops_trigger(venue, instrument, last);
    return true;
}

// ---- all of it

void naive_phase_go_on(struct naive_venue *venue)
{
    static bool (*const steps[])(struct naive_venue *) = {expire, uncross, leftovers,
                                                          begin,  let_in,  follow_up};
    while (venue->pending.step < 6) {
        if (!steps[venue->pending.step](venue))
            return;
        venue->pending.step++;
    }
    uint32_t instrument = venue->pending.instrument;
    venue->pending = (struct naive_pending){0};
    naive_stops_run(venue, instrument);
}

void naive_phase_change(struct naive_venue *venue, uint32_t instrument, uint8_t phase)
{
    if (venue->instruments[instrument].state.phase == phase) {
        naive_state_changed(venue, instrument);
        return;
    }
    venue->pending =
        (struct naive_pending){.work = NAIVE_PHASE, .instrument = instrument, .phase = phase};
    naive_phase_go_on(venue);
}

void naive_phase_volatility(struct naive_venue *venue, uint32_t instrument)
{
    set_phase(venue, instrument, PHASE_VOLATILITY_AUCTION);
    publish(venue, instrument);
}
