// The call auction of the naive venue: every price of every order is tried.
#include "tests/model/naive_parts.h"

struct outcome { // at one price
    wide volume, surplus;
};

static wide size(wide number)
{
    return number < 0 ? -number : number;
}

static struct outcome outcome_at(const struct naive_venue *venue, uint32_t instrument,
                                 int64_t price)
{
    wide demand = 0;
    wide supply = 0;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        const struct naive_order *order = &venue->orders[i];
        if (order->instrument != instrument || order->state != ORDER_STATE_OPEN)
            continue;
        if (order->side == SIDE_BUY && order->price >= price)
            demand += order->leaves;
        if (order->side == SIDE_SELL && order->price <= price)
            supply += order->leaves;
    }
    return (struct outcome){.volume = demand < supply ? demand : supply,
                            .surplus = demand - supply};
}

static bool better(struct outcome a, struct outcome b)
{
    return a.volume > b.volume || (a.volume == b.volume && size(a.surplus) < size(b.surplus));
}

struct candidates { // those that rules 1 and 2 leave
    uint32_t count;
    struct outcome outcome; // of the last one; volume and size of surplus are those of all
    int64_t lowest, highest;
    bool all_buy, all_sell;
};

static void consider(struct candidates *left, int64_t price, struct outcome outcome)
{
    if (left->count > 0 && better(left->outcome, outcome))
        return;
    if (left->count == 0 || better(outcome, left->outcome))
        *left = (struct candidates){
            .lowest = price, .highest = price, .all_buy = true, .all_sell = true};
    left->outcome = outcome;
    left->count++;
    left->lowest = price < left->lowest ? price : left->lowest;
    left->highest = price > left->highest ? price : left->highest;
    left->all_buy = left->all_buy && outcome.surplus > 0;
    left->all_sell = left->all_sell && outcome.surplus < 0;
}

static int64_t price_of(const struct naive_venue *venue, uint32_t id, const struct candidates *left)
{
    const struct naive_instrument *instrument = &venue->instruments[id];
    const struct instrument_state_rec *state = &instrument->state;
    int64_t r = state->reference_price;
    if (r == 0)
        r = state->last_price != 0 ? state->last_price : state->nav;
    if (left->all_buy)
        return left->highest;
    if (left->all_sell || r <= left->lowest)
        return left->lowest;
    if (r >= left->highest)
        return left->highest;
    return r - r % naive_tick_at(instrument, r);
}

struct naive_auction naive_auction(struct naive_venue *venue, uint32_t instrument)
{
    struct candidates left = {0};
    for (uint32_t i = 0; i < venue->order_top; i++) {
        const struct naive_order *order = &venue->orders[i];
        if (order->instrument == instrument && order->state == ORDER_STATE_OPEN)
            consider(&left, order->price, outcome_at(venue, instrument, order->price));
    }
    if (left.count == 0 || left.outcome.volume == 0)
        return (struct naive_auction){0};
    int64_t price = price_of(venue, instrument, &left);
    struct outcome outcome = outcome_at(venue, instrument, price);
    wide surplus = size(outcome.surplus);
    uint8_t more = outcome.surplus > 0 ? SIDE_BUY : SIDE_SELL;
    return (struct naive_auction){.price = price,
                                  .quantity = (int64_t)outcome.volume,
                                  .surplus = surplus > INT64_MAX ? INT64_MAX : (int64_t)surplus,
                                  .surplus_side = surplus != 0 ? more : 0};
}

void naive_auction_tell(struct naive_venue *venue, uint32_t instrument,
                        const struct naive_auction *auction, uint8_t final)
{
    naive_emit(venue, EVT_auction)->body.auction =
        (struct auction_evt){.instrument = instrument,
                             .phase = venue->instruments[instrument].state.phase,
                             .final = final,
                             .surplus_side = auction->surplus_side,
                             .price = auction->price,
                             .quantity = auction->quantity,
                             .surplus = auction->surplus};
}

bool naive_crossed(struct naive_venue *venue, uint32_t instrument)
{
    const struct naive_order *buy = naive_first(venue, instrument, SIDE_BUY, ORDER_STATE_OPEN);
    const struct naive_order *sell = naive_first(venue, instrument, SIDE_SELL, ORDER_STATE_OPEN);
    return buy != NULL && sell != NULL && buy->price >= sell->price;
}
