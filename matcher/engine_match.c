// Matching: an order trades against the best levels of the other side, oldest order first, at the
// resting order's price; what is left rests, or is cancelled if it may not.
//
// A match ends early, and then the rest of the order is cancelled and says why, when the command
// has used up its events or a counter of the ledger would pass its bound (CANCEL_LIMIT), when
// self-trade prevention says so, when the next price is beyond a band (engine_band.c), and when the
// trade tripped the breaker. A price between quiet_low and quiet_high of the instrument needs no
// look at any of that, nor at stops (engine_stop.c).
//
// A resting order's hold always equals order_hold of what is open; it is not stored.
#include "matcher/engine_exposure.h"
#include "matcher/engine_taker.h"

// ---- one match, as seen by the ledger

struct match {
    const struct order *buyer;
    const struct order *seller;
    int64_t price;
    int64_t quantity;
    int64_t notional;
    int64_t buyer_value; // of the quantity, at the buyer's own price
    int64_t fee;         // the seller's (U13)
    int64_t buyer_fee;
    int64_t released; // of the buyer's hold: what the better price saves, and of its fee
};

static inline struct match match_with(const struct order *taker, const struct order *maker)
{
    const bool buys = taker->side == SIDE_BUY;
    return (struct match){.buyer = buys ? taker : maker,
                          .seller = buys ? maker : taker,
                          .price = maker->price,
                          .quantity =
                              taker->leaves < maker->leaves ? taker->leaves : maker->leaves};
}

COLD static uint32_t seller_rate_of_records(const struct engine *engine,
                                            const struct instrument *instrument, uint32_t seller,
                                            bool makes)
{
    const struct fee_rates rates = engine_fee_rates(engine, instrument, seller);
    return makes ? rates.sell_maker : rates.sell_taker;
}

// Without the buyer's fee.
static inline void match_value(const struct engine *engine, const struct instrument *instrument,
                               struct match *match, const struct order *maker)
{
    match->notional = instrument_notional(instrument, match->price, match->quantity);
    const struct account *seller = &engine->accounts[match->seller->account];
    uint32_t fee_bps = seller->terms.fee_bps;
    if (fee_bps == FEE_BPS_DEFAULT)
        fee_bps = instrument->terms.fee_bps;
    if (__builtin_expect((seller->fees | instrument->fees) != 0, 0))
        fee_bps = seller_rate_of_records(engine, instrument, match->seller->account,
                                         match->seller == maker);
    match->fee = money_fee(match->notional, fee_bps);
    match->buyer_fee = 0;
    match->buyer_value = match->notional;
    if (match->buyer->price != match->price)
        match->buyer_value = instrument_notional(instrument, match->buyer->price, match->quantity);
    match->released = match->buyer_value - match->notional;
    ASSERT(match->released >= 0);
    ASSERT(match->fee <= match->notional);
}

// The buyer's fee, never at more than the rate that its hold was made with.
COLD static int64_t buyer_fee(const struct engine *engine, const struct instrument *instrument,
                              const struct order *buyer, bool makes, int64_t notional)
{
    const struct fee_rates rates = engine_fee_rates(engine, instrument, buyer->account);
    uint32_t bps = makes ? rates.buy_maker : rates.buy_taker;
    return money_fee(notional, bps < buyer->buyer_bps ? bps : buyer->buyer_bps);
}

// What a hold shrinks by if this much of what is open is traded.
COLD static int64_t hold_shrinks(const struct instrument *instrument, const struct order *order,
                                 int64_t open, int64_t quantity)
{
    ASSERT(quantity > 0 && quantity <= open);
    return order_hold(instrument, order, open) - order_hold(instrument, order, open - quantity);
}

// Of a hold that has a fee in it; `open`: of the buyer, before. Free becomes all that the hold
// shrinks by and is not paid.
static inline void match_buyer_fee(const struct engine *engine, const struct instrument *instrument,
                                   struct match *match, const struct order *maker, int64_t open)
{
    match->buyer_fee =
        buyer_fee(engine, instrument, match->buyer, match->buyer == maker, match->notional);
    match->released = hold_shrinks(instrument, match->buyer, open, match->quantity) -
                      match->notional - match->buyer_fee;
    ASSERT(match->released >= 0);
}

// The counters of what is unsettled and blocked must stay within their bound.
static inline bool match_fits_buyer(const struct engine *engine, const struct match *match)
{
    const struct balance *tokens = ledger_at(&engine->ledger, match->buyer->token_balance);
    ASSERT(tokens->account == match->buyer->account);
    return tokens->unsettled + tokens->blocked <= LEDGER_COUNTER_MAX - match->quantity;
}

static inline bool match_fits_seller(const struct engine *engine, const struct match *match)
{
    const struct balance *cash = ledger_at(&engine->ledger, match->seller->cash_balance);
    ASSERT(cash->account == match->seller->account);
    return cash->unsettled + cash->blocked <= LEDGER_COUNTER_MAX - match->notional;
}

// Double entry: the buyer's held cash goes to the seller and the treasury, the seller's held tokens
// to the buyer; what the buyer saves becomes available again.
static inline void match_book(struct engine *engine, const struct match *match,
                              uint32_t treasury_balance)
{
    struct ledger *ledger = &engine->ledger;
    struct balance *buyer_cash = ledger_at(ledger, match->buyer->cash_balance);
    struct balance *buyer_tokens = ledger_at(ledger, match->buyer->token_balance);
    struct balance *seller_cash = ledger_at(ledger, match->seller->cash_balance);
    struct balance *seller_tokens = ledger_at(ledger, match->seller->token_balance);
    struct ledger_sum cash = {.asset = buyer_cash->asset};
    struct ledger_sum tokens = {.asset = buyer_tokens->asset};
    int64_t proceeds = match->notional - match->fee;
    ledger_pay_held(&cash, buyer_cash, match->notional + match->buyer_fee);
    ledger_receive(&cash, seller_cash, proceeds, proceeds);
    ledger_receive(&cash, ledger_at(ledger, treasury_balance), match->fee + match->buyer_fee, 0);
    ledger_close(ledger, &cash);
    ledger_pay_held(&tokens, seller_tokens, match->quantity);
    ledger_receive(&tokens, buyer_tokens, match->quantity, match->quantity);
    ledger_close(ledger, &tokens);
    if (match->released != 0)
        ledger_release(buyer_cash, match->released);
}

// What is left of maker and taker is told besides.
static inline struct trade_evt *emit_trade(struct turn *turn, const struct match *match,
                                           const struct order *maker, const struct order *taker)
{
    bool taker_buys = taker->side == SIDE_BUY;
    struct trade_evt *out = &turn_emit(turn, EVT_trade)->body.trade;
    out->instrument = taker->instrument;
    out->taker_side = taker->side;
    out->price = match->price;
    out->quantity = match->quantity;
    out->maker_order = maker->id;
    out->taker_order = taker->id;
    out->maker_account = maker->account;
    out->taker_account = taker->account;
    out->maker_leaves = maker->leaves;
    out->taker_leaves = taker->leaves;
    out->maker_fee = taker_buys ? match->fee : match->buyer_fee;
    out->taker_fee = taker_buys ? match->buyer_fee : match->fee;
    out->buyer_released = match->released;
    return out;
}

// ---- the auction's trade

static void auction_show(struct engine *engine, uint32_t place)
{
    if (order_at(&engine->pool, place)->leaves != 0)
        engine_order_show(engine, place);
}

uint8_t engine_trade_auction(struct turn *turn, struct instrument *instrument, uint32_t buyer,
                             uint32_t seller, int64_t quantity, int64_t price, int64_t *notional)
{
    struct engine *engine = turn->engine;
    struct order *buys = order_at(&engine->pool, buyer);
    struct order *sells = order_at(&engine->pool, seller);
    const bool buyer_makes = buys->id < sells->id;
    const struct order *maker = buyer_makes ? buys : sells;
    struct match match = {.buyer = buys, .seller = sells, .price = price, .quantity = quantity};
    ASSERT(quantity > 0);
    match_value(engine, instrument, &match, maker);
    if (__builtin_expect(buys->buyer_bps != 0, 0))
        match_buyer_fee(engine, instrument, &match, maker, order_open(&engine->pool, buyer));
    if (!match_fits_buyer(engine, &match))
        return SIDE_BUY;
    if (!match_fits_seller(engine, &match))
        return SIDE_SELL;
    match_book(engine, &match, instrument->treasury_balance);
    exposure_add(engine, buys, -match.buyer_value, -quantity);
    exposure_less(engine, instrument, sells, quantity);
    exposure_traded(engine, &engine->accounts[buys->account], &engine->accounts[sells->account],
                    match.notional);
    const bool iceberg = ((buys->marks | sells->marks) & ORDER_MARK_ICEBERG) != 0;
    if (__builtin_expect(iceberg, 0)) {
        engine_order_gather(engine, buyer);
        engine_order_gather(engine, seller);
    }
    buys->leaves -= quantity;
    sells->leaves -= quantity;
    ASSERT(buys->leaves >= 0 && sells->leaves >= 0);
    emit_trade(turn, &match, maker, buyer_makes ? sells : buys)->kind = TRADE_AUCTION;
    if (__builtin_expect(iceberg, 0)) {
        auction_show(engine, buyer);
        auction_show(engine, seller);
    }
    *notional = match.notional;
    return 0;
}

// ---- self-trade prevention

bool taker_meets_itself(const struct engine *engine, const struct taker *taker, uint32_t place)
{
    const struct order *maker = order_at(&engine->pool, place);
    if (engine->accounts[maker->account].terms.member !=
        engine->accounts[taker->order->account].terms.member)
        return false;
    if (taker->self_match_id == 0)
        return true;
    return (maker->marks & ORDER_MARK_TERMS) != 0 &&
           engine->pool.terms[place].self_match_id == taker->self_match_id;
}

static void emit_reduced(struct turn *turn, const struct order *order, int64_t quantity,
                         int64_t open, int64_t released)
{
    struct order_reduced_evt *out = &turn_emit(turn, EVT_order_reduced)->body.order_reduced;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->quantity = quantity;
    out->leaves = open;
    out->released = released;
    out->price = order->price;
    out->side = order->side;
    out->reason = CANCEL_SELF_TRADE;
}

// `open` is left of it; `entered`: it has a place in the pool.
static int64_t reduce_release(struct engine *engine, const struct instrument *instrument,
                              const struct order *order, int64_t quantity, int64_t open,
                              bool entered)
{
    int64_t released =
        order_hold(instrument, order, open + quantity) - order_hold(instrument, order, open);
    ledger_release(order_held_balance(engine, order), released);
    if (entered)
        exposure_less(engine, instrument, order, quantity);
    return released;
}

// The maker loses a part of what is open, first what does not show.
static void maker_reduce(struct turn *turn, struct instrument *instrument, uint32_t place,
                         int64_t quantity)
{
    struct engine *engine = turn->engine;
    struct order *maker = order_at(&engine->pool, place);
    int64_t *total = &engine->pool.cold[place].quantity;
    int64_t hidden = order_open(&engine->pool, place) - maker->leaves;
    int64_t of_hidden = hidden < quantity ? hidden : quantity;
    if (of_hidden != 0)
        engine->pool.terms[place].hidden -= of_hidden;
    maker->leaves -= quantity - of_hidden;
    *total -= quantity;
    ASSERT(maker->leaves > 0);
    int64_t open = order_open(&engine->pool, place);
    int64_t released = reduce_release(engine, instrument, maker, quantity, open, true);
    emit_reduced(turn, maker, *total, open, released);
}

static void taker_reduce(struct turn *turn, struct taker *taker, int64_t quantity)
{
    struct engine *engine = turn->engine;
    int64_t *total =
        taker->place != 0 ? &engine->pool.cold[taker->place].quantity : &taker->quantity;
    taker->order->leaves -= quantity;
    *total -= quantity;
    ASSERT(taker->order->leaves > 0);
    int64_t open = taker->order->leaves;
    int64_t released =
        reduce_release(engine, taker->instrument, taker->order, quantity, open, taker->place != 0);
    emit_reduced(turn, taker->order, *total, open, released);
}

// 0: the taker goes on.
static uint8_t self_trade_decrement(struct turn *turn, struct taker *taker, uint32_t place)
{
    int64_t makes = order_open(&turn->engine->pool, place);
    int64_t takes = taker->order->leaves;
    if (makes <= takes)
        engine_cancel(turn, place, CANCEL_SELF_TRADE);
    else
        maker_reduce(turn, taker->instrument, place, takes);
    if (takes <= makes)
        return CANCEL_SELF_TRADE;
    taker_reduce(turn, taker, makes);
    return 0;
}

static uint8_t self_trade(struct turn *turn, struct taker *taker, uint32_t place)
{
    switch (taker->stp) {
    case STP_CANCEL_NEWEST:
        return CANCEL_SELF_TRADE;
    case STP_CANCEL_OLDEST:
        engine_cancel(turn, place, CANCEL_SELF_TRADE);
        return 0;
    case STP_CANCEL_BOTH:
        engine_cancel(turn, place, CANCEL_SELF_TRADE);
        return CANCEL_SELF_TRADE;
    default:
        ASSERT(taker->stp == STP_DECREMENT);
        return self_trade_decrement(turn, taker, place);
    }
}

// ---- matching

static bool price_is_beyond(const struct instrument *instrument, int64_t price, uint32_t bps)
{
    const struct instrument_state_rec *state = &instrument->state;
    int64_t reference = state->reference_price != 0 ? state->reference_price : state->nav;
    return bps != 0 && reference != 0 && money_beyond(price, reference, bps);
}

bool price_is_volatile(const struct instrument *instrument, int64_t price)
{
    return price_is_beyond(instrument, price, instrument->rules.volatility_bps);
}

bool price_trips_breaker(const struct instrument *instrument, int64_t price)
{
    return price_is_beyond(instrument, price, instrument->terms.breaker_bps);
}

// An iceberg whose slice is used up shows the next one, at the back of its level.
static void maker_refresh(struct turn *turn, struct instrument *instrument, uint32_t place)
{
    struct engine *engine = turn->engine;
    struct order *maker = order_at(&engine->pool, place);
    engine_place_leave(engine, instrument, place);
    engine_order_show(engine, place);
    engine_order_requeued(engine, place);
    engine_place_book(engine, instrument, place);
    struct order_refreshed_evt *out = &turn_emit(turn, EVT_order_refreshed)->body.order_refreshed;
    out->order = maker->id;
    out->account = maker->account;
    out->instrument = maker->instrument;
    out->price = maker->price;
    out->displayed = maker->leaves;
    out->side = maker->side;
}

static void maker_of_iceberg(struct turn *turn, struct instrument *instrument, uint32_t place,
                             int64_t notional)
{
    struct engine *engine = turn->engine;
    struct order *maker = order_at(&engine->pool, place);
    if (order_open(&engine->pool, place) == 0) {
        engine_order_end(engine, instrument, place);
        return;
    }
    engine->pool.cold[place].filled_notional += notional;
    if (maker->leaves == 0)
        maker_refresh(turn, instrument, place);
}

// The maker after its trade.
static inline void maker_settle(struct turn *turn, struct instrument *instrument, uint32_t place,
                                int64_t notional)
{
    struct engine *engine = turn->engine;
    const struct order *maker = order_at(&engine->pool, place);
    if (__builtin_expect((maker->marks & ORDER_MARK_ICEBERG) != 0, 0))
        maker_of_iceberg(turn, instrument, place, notional);
    else if (maker->leaves == 0)
        engine_order_end(engine, instrument, place);
    else
        engine->pool.cold[place].filled_notional += notional;
}

// What the trades of one order do to stops is the same as what its first one and its last one do:
// its prices go one way, and every stop that follows them follows to the last. Unless that is
// beyond where a stop may be.
static bool stops_may_wait(const struct taker *taker, int64_t price)
{
    return taker->stops_told && price <= MONEY_MAX;
}

static void stops_tell(struct engine *engine, struct taker *taker)
{
    if (taker->stops_due == 0)
        return;
    engine_stops_on_trade(engine, taker->instrument, taker->stops_due);
    taker->stops_due = 0;
    taker->stops_told = true;
}

// After a trade of which nothing is quiet; true if the breaker trips.
static bool trade_aftermath(struct turn *turn, struct taker *taker, int64_t price)
{
    struct instrument *instrument = taker->instrument;
    bool wait = stops_may_wait(taker, price);
    if (!wait)
        stops_tell(turn->engine, taker); // what has waited until now
    taker->stops_due = price;
    if (!wait)
        stops_tell(turn->engine, taker);
    if (!price_trips_breaker(instrument, price))
        return false;
    ASSERT(!instrument->state.breaker_tripped);
    instrument->state.breaker_tripped = 1;
    turn_instrument_state(turn, instrument);
    return true;
}

// Of many accounts hardly one is in a cache: asks early for what a trade with this maker touches,
// and for the next one.
static inline void maker_fetch(const struct engine *engine, const struct order *maker)
{
    const struct order_pool *pool = &engine->pool;
    const struct account *account = &engine->accounts[maker->account];
    __builtin_prefetch(account, 1);
    __builtin_prefetch(&account->traded, 1);
    __builtin_prefetch(&engine->ledger.balances[maker->cash_balance], 1);
    __builtin_prefetch(&engine->ledger.balances[maker->token_balance], 1);
    __builtin_prefetch(&pool->orders[maker->later], 1);
    __builtin_prefetch(&pool->orders[maker->before], 1);
    __builtin_prefetch(&pool->orders[maker->after], 1);
}

// Trades with the best order of the other side. 0: goes on.
static inline uint8_t taker_step(struct turn *turn, struct taker *taker, uint32_t place)
{
    struct engine *engine = turn->engine;
    struct instrument *instrument = taker->instrument;
    struct order *order = taker->order;
    struct order *maker = order_at(&engine->pool, place);
    const int64_t price = maker->price;
    maker_fetch(engine, maker);
    const bool quiet = price >= instrument->quiet_low && price <= instrument->quiet_high;
    if (__builtin_expect(!quiet || taker->band_price != 0, 0) &&
        price_is_beyond_band(instrument, taker->band_price, price))
        return band_reason(instrument);
    struct match match = match_with(order, maker);
    match_value(engine, instrument, &match, maker);
    if (__builtin_expect(match.buyer->buyer_bps != 0, 0))
        match_buyer_fee(engine, instrument, &match, maker,
                        match.buyer == maker ? order_open(&engine->pool, place) : order->leaves);
    if (!match_fits_buyer(engine, &match) || !match_fits_seller(engine, &match))
        return CANCEL_LIMIT;
    match_book(engine, &match, instrument->treasury_balance);
    exposure_add(engine, maker, -match.notional, -match.quantity);
    if (__builtin_expect(taker->place != 0, 0))
        exposure_less(engine, instrument, order, match.quantity);
    exposure_traded(engine, &engine->accounts[match.buyer->account],
                    &engine->accounts[match.seller->account], match.notional);
    maker->leaves -= match.quantity;
    order->leaves -= match.quantity;
    taker->filled_notional += match.notional;
    instrument->state.last_price = price;
    struct trade_evt *out = emit_trade(turn, &match, maker, order);
    if (__builtin_expect((maker->marks & ORDER_MARK_ICEBERG) != 0, 0))
        out->maker_leaves = order_open(&engine->pool, place);
    maker_settle(turn, instrument, place, match.notional);
    if (__builtin_expect(!quiet, 0) && trade_aftermath(turn, taker, price))
        return CANCEL_BREAKER;
    return 0;
}

static uint8_t taker_steps(struct turn *turn, struct taker *taker)
{
    const struct order_pool *pool = &turn->engine->pool;
    const struct book_side *opposite = taker_opposite(taker);
    const uint64_t limit_key = taker_limit_key(taker);
    while (taker->order->leaves > 0 && order_book_best_key(pool, opposite) <= limit_key) {
        uint32_t place = order_book_best(pool, opposite);
        uint8_t reason;
        if (turn_room(turn) < STEP_EVENTS)
            return TAKER_WAITS;
        if (__builtin_expect(taker->stp != STP_NONE, 0) &&
            taker_meets_itself(turn->engine, taker, place))
            reason = self_trade(turn, taker, place);
        else
            reason = taker_step(turn, taker, place);
        if (reason != 0)
            return reason;
    }
    return 0;
}

uint8_t taker_match(struct turn *turn, struct taker *taker)
{
    const struct instrument *instrument = taker->instrument;
    taker->band_price = instrument->controls.dynamic_bps != 0 ? instrument->state.last_price : 0;
    uint8_t reason = taker_steps(turn, taker);
    taker->traded = taker->filled_notional != 0;
    stops_tell(turn->engine, taker);
    if (taker->place != 0) {
        turn->engine->pool.cold[taker->place].filled_notional += taker->filled_notional;
        taker->filled_notional = 0;
    }
    return reason;
}

// ---- what is left

struct taker taker_of_place(const struct engine *engine, struct instrument *instrument,
                            uint32_t place)
{
    struct order *order = order_at(&engine->pool, place);
    const struct order_cold *cold = &engine->pool.cold[place];
    struct taker taker = {.instrument = instrument,
                          .order = order,
                          .place = place,
                          .key = instrument_key(instrument, order->side, order->price),
                          .type = cold->type,
                          .tif = cold->tif};
    ASSERT(order->leaves == order_open(&engine->pool, place));
    ASSERT((order->marks & ORDER_MARK_TERMS) != 0); // it was a stop, or lost its place by an amend
    taker.stp = engine->pool.terms[place].stp;
    taker.self_match_id = engine->pool.terms[place].self_match_id;
    return taker;
}

static bool taker_may_rest(const struct taker *taker)
{
    return (taker->type == ORDER_LIMIT || taker->type == ORDER_STOP_LIMIT) &&
           taker->tif != TIF_IOC && taker->tif != TIF_FOK;
}

static void taker_rest(struct turn *turn, struct taker *taker)
{
    struct engine *engine = turn->engine;
    struct instrument *instrument = taker->instrument;
    if (taker->place == 0)
        taker_enter(turn, taker);
    if (__builtin_expect(taker->order->marks == 0, 1)) {
        order_book_add(&engine->pool, instrument_side(instrument, taker->order->side), taker->key,
                       taker->place);
        return;
    }
    engine_order_show(engine, taker->place);
    engine_place_book(engine, instrument, taker->place);
}

static void taker_cancel(struct turn *turn, struct taker *taker, uint8_t reason)
{
    struct engine *engine = turn->engine;
    const struct order *order = taker->order;
    int64_t released = order_hold(taker->instrument, order, order->leaves);
    ledger_release(order_held_balance(engine, order), released);
    emit_cancelled(turn, order, order->leaves, released, reason);
    if (taker->place == 0)
        return;
    exposure_less(engine, taker->instrument, order, order->leaves);
    engine_order_forget(engine, taker->instrument, taker->place);
}

static void taker_leave_over(struct turn *turn, struct taker *taker, uint8_t reason)
{
    const struct order_pool *pool = &turn->engine->pool;
    const struct book_side *side = instrument_side(taker->instrument, taker->order->side);
    if (!taker_may_rest(taker) || (reason != 0 && reason != CANCEL_VOLATILITY))
        taker_cancel(turn, taker, reason != 0 ? reason : CANCEL_IOC);
    else if (__builtin_expect(pool->levels_used < pool->levels_max, 1) ||
             order_book_has_room(pool, side, taker->key))
        taker_rest(turn, taker);
    else
        taker_cancel(turn, taker, CANCEL_LIMIT);
}

// In continuous trading the book is never crossed between two commands.
static void assert_not_crossed(const struct engine *engine, const struct instrument *instrument)
{
    uint64_t bid = order_book_best_key(&engine->pool, &instrument->sides[0]);
    uint64_t ask = order_book_best_key(&engine->pool, &instrument->sides[1]);
    ASSERT(bid == UINT64_MAX || ask == UINT64_MAX || BOOK_KEY_MAX - bid < ask);
}

void taker_finish(struct turn *turn, struct taker *taker, uint8_t reason)
{
    struct engine *engine = turn->engine;
    ASSERT(taker->order->leaves >= 0);
    if (taker->place != 0 && (taker->order->marks & ORDER_MARK_TRIGGERED) != 0) {
        engine_place_leave(engine, taker->instrument, taker->place);
        engine_order_requeued(engine, taker->place);
    }
    if (taker->order->leaves != 0)
        taker_leave_over(turn, taker, reason == TAKER_WAITS ? CANCEL_LIMIT : reason);
    else if (taker->place != 0)
        engine_order_forget(engine, taker->instrument, taker->place);
    if (__builtin_expect(reason == CANCEL_VOLATILITY, 0)) {
        engine_phase_volatility(turn, taker->instrument);
        return;
    }
    assert_not_crossed(engine, taker->instrument);
    if (__builtin_expect(reason == CANCEL_BAND || taker->instrument->state.limit_state_end_ns != 0,
                         0))
        taker_limit_state(turn, taker, reason);
}
