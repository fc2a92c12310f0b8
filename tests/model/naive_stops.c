// Stops of the naive venue: what a trade moves and triggers, and the queue of those triggered.
#include "tests/model/naive_parts.h"

static int64_t stop_after(const struct naive_order *order, int64_t price)
{
    wide stop =
        (wide)price + (order->side == SIDE_BUY ? order->trail_offset : -order->trail_offset);
    bool nearer = order->side == SIDE_BUY ? stop < order->stop_price : stop > order->stop_price;
    return nearer && stop > 0 && stop <= NAIVE_MONEY_MAX ? (int64_t)stop : order->stop_price;
}

static void move(struct naive_venue *venue, struct naive_order *order, int64_t stop)
{
    order->stop_price = stop;
    order->place = ++venue->places;
}

static struct naive_order *next_trailing(struct naive_venue *venue, uint32_t instrument,
                                         uint8_t side, uint64_t behind)
{
    struct naive_order *next = NULL;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        struct naive_order *order = &venue->orders[i];
        if (order->id > behind && order->instrument == instrument && order->side == side &&
            order->type == ORDER_TRAILING_STOP && order->state == ORDER_STATE_PENDING_STOP &&
            (next == NULL || order->id < next->id))
            next = order;
    }
    return next;
}

bool naive_stop_met(const struct naive_venue *venue, const struct naive_order *order)
{
    int64_t last = venue->instruments[order->instrument].state.last_price;
    return last != 0 &&
           (order->side == SIDE_BUY ? order->stop_price <= last : order->stop_price >= last);
}

void naive_stops_trigger(struct naive_venue *venue, uint32_t instrument, int64_t price)
{
    for (uint8_t side = SIDE_BUY; side <= SIDE_SELL; side++) {
        struct naive_order *stop = NULL;
        while ((stop = naive_first(venue, instrument, side, ORDER_STATE_PENDING_STOP)) != NULL &&
               (side == SIDE_BUY ? stop->stop_price <= price : stop->stop_price >= price))
            naive_wait(venue, stop, ORDER_STATE_TRIGGERED);
    }
}

void naive_stops_on_trade(struct naive_venue *venue, uint32_t instrument, int64_t price)
{
    for (uint8_t side = SIDE_BUY; side <= SIDE_SELL; side++) {
        struct naive_order *order = NULL;
        uint64_t id = 0;
        while ((order = next_trailing(venue, instrument, side, id)) != NULL) {
            int64_t stop = stop_after(order, price);
            id = order->id;
            if (stop != order->stop_price)
                move(venue, order, stop);
        }
    }
    naive_stops_trigger(venue, instrument, price);
}

// A trailing stop's collar has moved with its stop.
static int64_t collar_follows(struct naive_venue *venue, struct naive_order *order)
{
    if (order->type != ORDER_TRAILING_STOP)
        return 0;
    int64_t held = naive_hold_of(venue, order, order->leaves);
    int64_t collar =
        naive_collar(&venue->instruments[order->instrument], order->side, order->stop_price);
    bool nearer = order->side == SIDE_BUY ? collar < order->price : collar > order->price;
    wide value = naive_notional(&venue->instruments[order->instrument], collar, order->leaves);
    if (collar != 0 && nearer && value <= NAIVE_MONEY_MAX)
        order->price = collar;
    int64_t released = held - naive_hold_of(venue, order, order->leaves);
    naive_release(venue, order, released);
    return released;
}

static void announce(struct naive_venue *venue, struct naive_order *order)
{
    int64_t released = collar_follows(venue, order);
    naive_emit(venue, EVT_order_triggered)->body.order_triggered = (struct order_triggered_evt){
        .order = order->id,
        .account = order->account,
        .instrument = order->instrument,
        .price = order->price,
        .leaves = order->leaves,
        .stop_price = order->stop_price,
        .trigger_price = venue->instruments[order->instrument].state.last_price,
        .released = released,
        .side = order->side,
        .type = order->type};
    order->stop_price = 0;
    order->trail_offset = 0;
}

void naive_stops_run(struct naive_venue *venue, uint32_t instrument)
{
    const struct instrument_state_rec *state = &venue->instruments[instrument].state;
    struct naive_order *order = NULL;
    while (state->phase == PHASE_CONTINUOUS && state->breaker_tripped == 0 &&
           (order = naive_first(venue, instrument, 0, ORDER_STATE_TRIGGERED)) != NULL) {
        if (naive_room(venue) < 8) {
            venue->pending =
                (struct naive_pending){.work = NAIVE_TRIGGERED, .instrument = instrument};
            return;
        }
        bool begins = order->stop_price != 0;
        if (begins)
            announce(venue, order);
        naive_enter(venue, order, begins);
    }
}
