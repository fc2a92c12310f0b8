// Continuous trading of the naive venue: one step after another, as chapter 3 has them.
#include "tests/model/naive_parts.h"

enum { GOES_ON = 0, NO_EVENTS = 255 }; // else an enum cancel_reason

static struct naive_order *first_against(struct naive_venue *venue, const struct naive_order *taker)
{
    bool buys = taker->side == SIDE_BUY;
    struct naive_order *maker =
        naive_first(venue, taker->instrument, buys ? SIDE_SELL : SIDE_BUY, ORDER_STATE_OPEN);
    if (maker == NULL || (buys ? maker->price > taker->price : maker->price < taker->price))
        return NULL;
    return maker;
}

// ---- self-trade prevention

static bool is_self_trade(const struct naive_venue *venue, const struct naive_order *taker,
                          const struct naive_order *maker)
{
    return taker->stp != STP_NONE &&
           venue->accounts[taker->account].member == venue->accounts[maker->account].member &&
           (taker->self_match_id == 0 || taker->self_match_id == maker->self_match_id);
}

static void lose(struct naive_venue *venue, struct naive_order *order, int64_t quantity)
{
    if (quantity == order->leaves) {
        naive_tell_cancelled(venue, order, CANCEL_SELF_TRADE);
        return;
    }
    int64_t released = naive_hold_of(venue, order, order->leaves) -
                       naive_hold_of(venue, order, order->leaves - quantity);
    naive_release(venue, order, released);
    order->quantity -= quantity;
    order->leaves -= quantity;
    if (order->shown > order->leaves)
        order->shown = order->leaves;
    naive_emit(venue, EVT_order_reduced)->body.order_reduced =
        (struct order_reduced_evt){.order = order->id,
                                   .account = order->account,
                                   .instrument = order->instrument,
                                   .quantity = order->quantity,
                                   .leaves = order->leaves,
                                   .released = released,
                                   .price = order->price,
                                   .side = order->side,
                                   .reason = CANCEL_SELF_TRADE};
}

static uint8_t prevent(struct naive_venue *venue, struct naive_order *taker,
                       struct naive_order *maker)
{
    int64_t both = taker->leaves < maker->leaves ? taker->leaves : maker->leaves;
    if (venue->trying && taker->stp != STP_CANCEL_OLDEST)
        return CANCEL_SELF_TRADE;
    switch (taker->stp) {
    case STP_CANCEL_OLDEST:
        naive_cancel(venue, maker, CANCEL_SELF_TRADE);
        return GOES_ON;
    case STP_CANCEL_BOTH:
        naive_cancel(venue, maker, CANCEL_SELF_TRADE);
        return CANCEL_SELF_TRADE;
    case STP_DECREMENT:
        lose(venue, maker, both);
        lose(venue, taker, both);
        if (maker->leaves == 0)
            naive_erase(venue, maker);
        return GOES_ON;
    default:
        return CANCEL_SELF_TRADE;
    }
}

// ---- a step

static bool breaker_trips(struct naive_venue *venue, uint32_t id)
{
    struct naive_instrument *instrument = &venue->instruments[id];
    uint32_t bps = instrument->terms.breaker_bps;
    int64_t by = naive_guarded_by(instrument);
    if (bps == 0 || by == 0 || !naive_too_far(instrument->state.last_price, by, bps))
        return false;
    instrument->state.breaker_tripped = 1;
    naive_state_changed(venue, id);
    return true;
}

static void refresh(struct naive_venue *venue, struct naive_order *maker)
{
    naive_wait(venue, maker, ORDER_STATE_OPEN);
    naive_show(maker);
    naive_emit(venue, EVT_order_refreshed)->body.order_refreshed =
        (struct order_refreshed_evt){.order = maker->id,
                                     .account = maker->account,
                                     .instrument = maker->instrument,
                                     .price = maker->price,
                                     .displayed = maker->shown,
                                     .side = maker->side};
}

// `last`: the last price when the taker began to match.
static uint8_t step(struct naive_venue *venue, struct naive_order *taker, struct naive_order *maker,
                    int64_t last)
{
    uint32_t instrument = taker->instrument;
    int64_t quantity = taker->leaves < maker->shown ? taker->leaves : maker->shown;
    int64_t price = maker->price;
    if (naive_room(venue) < 5)
        return NO_EVENTS;
    if (is_self_trade(venue, taker, maker))
        return prevent(venue, taker, maker);
    if (naive_beyond_bands(&venue->instruments[instrument], price, last))
        return venue->instruments[instrument].controls.limit_state_ms != 0 ? CANCEL_BAND
                                                                           : CANCEL_VOLATILITY;
    if (!venue->trying && (naive_counters_full(venue, taker, price, quantity) ||
                           naive_counters_full(venue, maker, price, quantity)))
        return CANCEL_LIMIT;
    naive_trade(venue, maker, taker, price, quantity, TRADE_CONTINUOUS);
    venue->instruments[instrument].state.last_price = price;
    maker->shown -= quantity;
    if (maker->leaves == 0)
        naive_erase(venue, maker);
    else if (maker->shown == 0)
        refresh(venue, maker);
    naive_stops_on_trade(venue, instrument, price);
    return breaker_trips(venue, instrument) ? CANCEL_BREAKER : GOES_ON;
}

static uint8_t match(struct naive_venue *venue, struct naive_order *taker)
{
    int64_t last = venue->instruments[taker->instrument].state.last_price;
    uint8_t why = GOES_ON;
    while (why == GOES_ON && taker->leaves > 0) {
        struct naive_order *maker = first_against(venue, taker);
        if (maker == NULL)
            break;
        why = step(venue, taker, maker, last);
    }
    return why;
}

// ---- the whole order

// Tries it on a copy of the whole venue.
bool naive_can_be_had(const struct naive_venue *venue, const struct naive_order *order,
                      int64_t quantity)
{
    static struct naive_venue copy;
    memcpy(&copy, venue, offsetof(struct naive_venue, events));
    copy.trying = true;
    struct naive_order *taker = &copy.orders[order - venue->orders];
    (void)match(&copy, taker);
    return order->leaves - taker->leaves >= quantity;
}

static void rest_or_cancel(struct naive_venue *venue, struct naive_order *order, uint8_t why)
{
    bool rests = (why == GOES_ON || why == CANCEL_VOLATILITY) && naive_may_rest(order);
    if (rests && naive_level_free(venue, order, ORDER_STATE_OPEN))
        naive_rest(venue, order);
    else if (rests || why == NO_EVENTS)
        naive_cancel(venue, order, CANCEL_LIMIT);
    else
        naive_cancel(venue, order, why == GOES_ON ? CANCEL_IOC : why);
}

void naive_enter(struct naive_venue *venue, struct naive_order *order, bool may_wait)
{
    uint32_t instrument = order->instrument;
    int64_t notional_before = order->filled_notional;
    uint8_t why = match(venue, order);
    bool traded = order->filled_notional != notional_before;
    if (order->leaves == 0)
        naive_erase(venue, order);
    else if (why == NO_EVENTS && may_wait)
        return;
    else
        rest_or_cancel(venue, order, why);
    if (why == CANCEL_VOLATILITY)
        naive_phase_volatility(venue, instrument);
    else
        naive_limit_state(venue, instrument, why, traded);
}
