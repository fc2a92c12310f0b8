// Amounts of the naive venue: values, ticks, collars, holds, and what a trade moves.
#include "tests/model/naive_parts.h"

wide naive_notional(const struct naive_instrument *instrument, int64_t price, int64_t quantity)
{
    wide product = (wide)price * quantity;
    for (int i = 0; i < instrument->terms.token_scale; i++) {
        ASSERT(product % 10 == 0);
        product /= 10;
    }
    return product;
}

int64_t naive_tick_at(const struct naive_instrument *instrument, int64_t price)
{
    int64_t tick = instrument->terms.tick;
    for (uint32_t i = 0; i < instrument->band_count; i++)
        if (instrument->bands[i].from_price <= price)
            tick = instrument->bands[i].tick;
    return tick;
}

static wide distance(int64_t a, int64_t b)
{
    return a > b ? (wide)a - b : (wide)b - a;
}

int64_t naive_bps_rounded_up(int64_t price, int64_t reference)
{
    wide scaled = distance(price, reference) * 10000;
    wide bps = scaled / reference + (scaled % reference != 0);
    return bps > INT64_MAX ? INT64_MAX : (int64_t)bps;
}

bool naive_too_far(int64_t price, int64_t reference, uint32_t bps)
{
    return distance(price, reference) * 10000 > (wide)reference * bps;
}

// 0 = it does not fit.
int64_t naive_collar(const struct naive_instrument *instrument, uint8_t side, int64_t reference)
{
    wide width = (wide)reference * instrument->terms.collar_bps / 10000;
    wide price = side == SIDE_BUY ? reference + width : reference - width;
    if (price > NAIVE_MONEY_MAX)
        return 0;
    int64_t tick = naive_tick_at(instrument, price > 0 ? (int64_t)price : 0);
    if (side == SIDE_BUY)
        price = price / tick * tick;
    else if (price > 0)
        price = (price + tick - 1) / tick * tick;
    return price <= 0 ? tick : price > NAIVE_MONEY_MAX ? 0 : (int64_t)price;
}

int64_t naive_judged_by(const struct naive_instrument *instrument)
{
    if (instrument->state.last_price != 0)
        return instrument->state.last_price;
    return naive_guarded_by(instrument);
}

int64_t naive_guarded_by(const struct naive_instrument *instrument)
{
    if (instrument->state.reference_price != 0)
        return instrument->state.reference_price;
    return instrument->state.nav;
}

uint32_t naive_held_asset(const struct naive_venue *venue, const struct naive_order *order)
{
    const struct instrument_rec *terms = &venue->instruments[order->instrument].terms;
    return order->side == SIDE_BUY ? terms->cash_asset : terms->token_asset;
}

struct balance_rec *naive_held_in(struct naive_venue *venue, const struct naive_order *order)
{
    return &venue->balances[order->account][naive_held_asset(venue, order)];
}

int64_t naive_hold_of(const struct naive_venue *venue, const struct naive_order *order,
                      int64_t quantity)
{
    if (order->side == SIDE_SELL)
        return quantity;
    int64_t value =
        (int64_t)naive_notional(&venue->instruments[order->instrument], order->price, quantity);
    return value + naive_fee(value, order->buyer_bps);
}

int64_t naive_held_by_orders(const struct naive_venue *venue, uint32_t account, uint32_t asset)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        const struct naive_order *order = &venue->orders[i];
        if (order->id != 0 && order->account == account && naive_held_asset(venue, order) == asset)
            sum += naive_hold_of(venue, order, order->leaves);
    }
    return sum;
}

void naive_release(struct naive_venue *venue, const struct naive_order *order, int64_t amount)
{
    naive_held_in(venue, order)->held -= amount;
    naive_held_in(venue, order)->available += amount;
}

static uint32_t balances_open(const struct naive_venue *venue)
{
    uint32_t count = 0;
    for (uint32_t account = 0; account < NAIVE_ACCOUNTS; account++)
        for (uint32_t asset = 0; asset < NAIVE_ASSETS; asset++)
            count += venue->opened[account][asset];
    return count;
}

// One that is named twice counts once.
bool naive_open_refused(struct naive_venue *venue, bool *const wanted[], uint32_t count)
{
    uint32_t there = balances_open(venue);
    uint32_t more = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_new = !*wanted[i];
        for (uint32_t k = 0; k < i; k++)
            is_new = is_new && wanted[k] != wanted[i];
        more += is_new;
    }
    REFUSE_IF(there + more > venue->limits.balances, BALANCES_MAX, venue->limits.balances, there, 0)
    return false;
}

void naive_open(bool *const wanted[], uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        *wanted[i] = true;
}

static bool counter_full(const struct balance_rec *balance, int64_t comes_in)
{
    return (wide)balance->unsettled + balance->blocked + comes_in > NAIVE_COUNTER_MAX;
}

// What a buyer gets, and a seller's proceeds, count as unsettled until they are settled or blocked.
bool naive_counters_full(const struct naive_venue *venue, const struct naive_order *order,
                         int64_t price, int64_t quantity)
{
    const struct naive_instrument *instrument = &venue->instruments[order->instrument];
    const struct instrument_rec *terms = &instrument->terms;
    const struct balance_rec *balances = venue->balances[order->account];
    if (order->side == SIDE_BUY)
        return counter_full(&balances[terms->token_asset], quantity);
    return counter_full(&balances[terms->cash_asset],
                        (int64_t)naive_notional(instrument, price, quantity));
}

static void book_trade(struct naive_venue *venue, const struct naive_order *buy,
                       const struct naive_order *sell, struct trade_evt *out)
{
    const struct naive_instrument *instrument = &venue->instruments[buy->instrument];
    uint32_t cash = instrument->terms.cash_asset;
    uint32_t token = instrument->terms.token_asset;
    int64_t value = (int64_t)naive_notional(instrument, out->price, out->quantity);
    bool buyer_makes = out->taker_side == SIDE_SELL;
    int64_t buyer_fee = naive_fees_at_match(venue, buy, buyer_makes, value);
    int64_t fee = naive_fees_at_match(venue, sell, !buyer_makes, value);
    int64_t freed = naive_hold_of(venue, buy, buy->leaves + out->quantity) -
                    naive_hold_of(venue, buy, buy->leaves);
    int64_t saved = freed - value - buyer_fee;
    ASSERT(saved >= 0);
    venue->balances[buy->account][cash].held -= freed;
    venue->balances[buy->account][cash].available += saved;
    venue->balances[buy->account][token].available += out->quantity;
    venue->balances[buy->account][token].unsettled += out->quantity;
    venue->balances[sell->account][token].held -= out->quantity;
    venue->balances[sell->account][cash].available += value - fee;
    venue->balances[sell->account][cash].unsettled += value - fee;
    venue->balances[ACCOUNT_TREASURY][cash].available += fee + buyer_fee;
    out->maker_fee = buyer_makes ? buyer_fee : fee;
    out->taker_fee = buyer_makes ? fee : buyer_fee;
    out->buyer_released = saved;
}

void naive_trade(struct naive_venue *venue, struct naive_order *maker, struct naive_order *taker,
                 int64_t price, int64_t quantity, uint8_t kind)
{
    const struct naive_instrument *instrument = &venue->instruments[maker->instrument];
    int64_t value = (int64_t)naive_notional(instrument, price, quantity);
    bool buys = taker->side == SIDE_BUY;
    maker->leaves -= quantity;
    taker->leaves -= quantity;
    maker->filled_notional += value;
    taker->filled_notional += value;
    struct trade_evt *out = &naive_emit(venue, EVT_trade)->body.trade;
    *out = (struct trade_evt){.instrument = maker->instrument,
                              .taker_side = taker->side,
                              .kind = kind,
                              .price = price,
                              .quantity = quantity,
                              .maker_order = maker->id,
                              .taker_order = taker->id,
                              .maker_account = maker->account,
                              .taker_account = taker->account,
                              .maker_leaves = maker->leaves,
                              .taker_leaves = taker->leaves};
    book_trade(venue, buys ? taker : maker, buys ? maker : taker, out);
    naive_count_trade(venue, buys ? taker : maker, buys ? maker : taker, value);
}
