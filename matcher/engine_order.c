// A new order, and a cancel.
//
// Happy path of a new order: it is identified, checked (risk/order_check.h), its cash or tokens are
// held, `order_accepted` is written; in continuous trading it is matched (engine_match.c) and what
// is left rests; in a call it rests; a stop waits for its trigger, an at-close order for its
// auction. An order has a place in the pool from the moment it rests or waits: what is matched at
// once never needs one.
#include <string.h>

#include "matcher/engine_exposure.h"
#include "matcher/engine_taker.h"

// ---- asking memory early
//
// Of a hundred thousand accounts hardly one is in a cache. What a command will touch follows from
// what it names, long before its turn comes.

static inline void account_fetch(const struct engine *engine, uint32_t account)
{
    if (account <= engine->limits.accounts_max)
        __builtin_prefetch(&engine->accounts[account], 1);
}

// The balance of an account, mostly where it was found the last time: then neither a bucket nor
// other balances of it are read.
static inline uint32_t balance_find(struct engine *engine, uint32_t account, uint32_t asset,
                                    int which)
{
    struct found_balance *found = &engine->accounts[account].found[which];
    if (__builtin_expect(found->asset == asset, 1))
        return found->index;
    uint32_t index = ledger_find(&engine->ledger, account, asset);
    if (index != 0)
        *found = (struct found_balance){.asset = asset, .index = index};
    return index;
}

// The balances of a new order, and the end of its session's list.
static inline void taker_fetch(const struct turn *turn, struct taker *taker, uint32_t account)
{
    struct engine *engine = turn->engine;
    const struct instrument_rec *terms = &taker->instrument->terms;
    __builtin_prefetch(&engine->pool.orders[turn->session->orders.last], 1);
    taker->own.cash_balance = balance_find(engine, account, terms->cash_asset, FOUND_CASH);
    taker->own.token_balance = balance_find(engine, account, terms->token_asset, FOUND_TOKEN);
}

// What an order touches when it is cancelled.
static inline void order_fetch(const struct engine *engine, const struct order *order)
{
    const struct order_pool *pool = &engine->pool;
    __builtin_prefetch(&engine->accounts[order->account], 1);
    __builtin_prefetch(&engine->ledger.balances[order->cash_balance], 1);
    __builtin_prefetch(&engine->ledger.balances[order->token_balance], 1);
    __builtin_prefetch(&pool->orders[order->before], 1);
    __builtin_prefetch(&pool->orders[order->after], 1);
}

// ---- may it enter?

// Who asks, for whom, for what: before any check of the order itself.
static bool taker_identify(const struct turn *turn, struct taker *taker, struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    const struct order_new_cmd *body = &turn->command->body.order_new;
    if (!engine_session_admit(turn, refusal) || !engine_throttle(turn, refusal) ||
        !engine_right_admit(turn, body->account, RIGHT_TRADE, refusal))
        return false;
    taker->instrument = engine_instrument(engine, body->instrument);
    if (taker->instrument == NULL)
        return refuse(refusal, REJECT_UNKNOWN_INSTRUMENT, 0, body->instrument, 0);
    if (engine->venue_state != VENUE_OPEN)
        return refuse(refusal, REJECT_VENUE_CANCEL_ONLY, 0, engine->venue_state, 0);
    if (__builtin_expect(engine->kills != 0, 0) && !engine_kill_admit(turn, body->account, refusal))
        return false;
    if (body->client_id_bytes == 0)
        return refuse(refusal, REJECT_CLIENT_ID_LENGTH, CLIENT_ID_BYTES_MAX, 0, 0);
    taker_fetch(turn, taker, body->account);
    return true;
}

static struct order_check check_of(const struct turn *turn, const struct taker *taker)
{
    const struct instrument *instrument = taker->instrument;
    const struct engine *engine = turn->engine;
    const struct order_new_cmd *body = &turn->command->body.order_new;
    const struct account *account = &engine->accounts[body->account];
    ASSERT(account->terms.account == body->account); // it is one of the session's
    return (struct order_check){.terms = &instrument->terms,
                                .state = &instrument->state,
                                .rules = &instrument->rules,
                                .controls = &instrument->controls,
                                .jurisdictions = &instrument->jurisdictions,
                                .account = account,
                                .member = &engine->members[account->terms.member],
                                .venue = &engine->check_venue,
                                .lot = &instrument->lot,
                                .ticks = instrument_ticks(instrument),
                                .side = body->side,
                                .type = body->type,
                                .tif = body->tif,
                                .flags = body->flags,
                                .stp = body->stp,
                                .price = body->price,
                                .quantity = body->quantity,
                                .time_ns = turn->command->header.time_ns,
                                .confirm_ref = body->confirm_ref,
                                .token_balance = taker->own.token_balance};
}

static void check_terms(const struct turn *turn, struct order_check *check)
{
    const struct order_new_terms_cmd *body = &turn->command->body.order_new_terms;
    check->has_terms = true;
    check->stop_price = body->stop_price;
    check->trail_offset = body->trail_offset;
    check->display = body->display_quantity;
    check->minimum = body->minimum_quantity;
    check->expire_ns = body->expire_ns;
}

// It waits for the closing auction.
static bool waits_for_close(const struct instrument *instrument, uint8_t tif)
{
    return tif == TIF_AT_CLOSE && instrument->state.phase != PHASE_CLOSING_AUCTION;
}

// What it keeps beyond what a plain limit order has.
static void taker_terms(struct taker *taker, const struct order_check *check,
                        uint32_t self_match_id)
{
    uint8_t marks = ORDER_MARK_TERMS;
    if (check->display != 0)
        marks |= ORDER_MARK_ICEBERG;
    if (check->expire_ns != 0)
        marks |= ORDER_MARK_DATED;
    if (check->type == ORDER_MARKET && !waits_for_close(taker->instrument, check->tif))
        marks |= ORDER_MARK_MARKET;
    taker->own.marks = marks;
    taker->terms = (struct order_terms){.stop_price = check->stop_price,
                                        .display = check->display,
                                        .trail_offset = check->trail_offset,
                                        .expire_ns = check->expire_ns,
                                        .self_match_id = self_match_id,
                                        .stp = check->stp};
}

static void taker_fill(const struct turn *turn, struct taker *taker,
                       const struct order_check *check)
{
    const struct order_new_cmd *body = &turn->command->body.order_new;
    taker->order = &taker->own;
    taker->place = 0;
    taker->self_match_id = body->self_match_id;
    taker->key = instrument_key(taker->instrument, body->side, check->price);
    taker->type = body->type;
    taker->tif = body->tif;
    taker->stp = body->stp;
    taker->quantity = body->quantity;
    taker->value = check->notional;
    taker->filled_notional = 0;
    taker->stops_due = 0;
    taker->stops_told = false;
    taker->traded = false;
    taker->band_price = 0;
    taker->own =
        (struct order){.id = turn->command->header.sequence,
                       .price = check->price,
                       .leaves = body->quantity,
                       .parties = order_parties(body->account, turn->command->header.session, 0),
                       .cash_balance = taker->own.cash_balance,
                       .token_balance = taker->own.token_balance,
                       .instrument = (uint16_t)body->instrument,
                       .side = body->side};
    if (check->has_terms || check->type != ORDER_LIMIT || (body->self_match_id | body->stp) != 0)
        taker_terms(taker, check, body->self_match_id);
}

// A buy's hold includes its fee, at the larger rate: it may make or take. Returns the hold. (It is
// the order alone that is handed in: what may be written through a pointer is in no register.)
COLD static int64_t order_fee_held(const struct engine *engine, const struct instrument *instrument,
                                   struct order *order, int64_t hold)
{
    if (order->side != SIDE_BUY || (engine->accounts[order->account].fees | instrument->fees) == 0)
        return hold;
    const struct fee_rates rates = engine_fee_rates(engine, instrument, order->account);
    order->buyer_bps = rates.buy_maker > rates.buy_taker ? rates.buy_maker : rates.buy_taker;
    return hold + money_fee(hold, order->buyer_bps);
}

// E6 to E8. *hold: what it will hold.
static bool taker_check(const struct turn *turn, struct taker *taker, int64_t *hold,
                        struct refusal *refusal)
{
    struct order_check check = check_of(turn, taker);
    if (turn->command->header.type == CMD_order_new_terms)
        check_terms(turn, &check);
    if (!order_check_run(&check, refusal)) {
        engine_confirm_remember(turn->engine, &check, refusal);
        return false;
    }
    *hold = check.side == SIDE_BUY ? check.notional : check.quantity;
    taker_fill(turn, taker, &check);
    if (__builtin_expect(turn->engine->fees.count != 0, 0))
        *hold = order_fee_held(turn->engine, taker->instrument, &taker->own, *hold);
    return true;
}

static bool stop_capacity(const struct engine *engine, const struct taker *taker,
                          struct refusal *refusal)
{
    const struct engine_limits *limits = &engine->limits;
    uint32_t trailing = taker->instrument->trailing_count[taker->own.side - SIDE_BUY];
    if (engine->stops_open >= limits->stops_max)
        return refuse(refusal, REJECT_STOPS_MAX, limits->stops_max, engine->stops_open, 0);
    if (taker->type == ORDER_TRAILING_STOP && trailing >= limits->trailing_stops_max)
        return refuse(refusal, REJECT_TRAILING_MAX, limits->trailing_stops_max, trailing, 0);
    return true;
}

static bool level_capacity(const struct engine *engine, const struct taker *taker,
                           struct refusal *refusal)
{
    const struct order_pool *pool = &engine->pool;
    struct instrument *instrument = taker->instrument;
    uint8_t side = taker->own.side;
    if (pool->levels_used < pool->levels_max || waits_for_close(instrument, taker->tif))
        return true;
    bool room =
        order_type_stops(taker->type)
            ? order_book_has_room(pool, &instrument->stops[side - SIDE_BUY],
                                  instrument_stop_key(instrument, side, taker->terms.stop_price))
            : order_book_has_room(pool, instrument_side(instrument, side), taker->key);
    return room || refuse(refusal, REJECT_LEVELS_MAX, pool->levels_max, pool->levels_used, 0);
}

static bool taker_balances(const struct engine *engine, const struct taker *taker,
                           struct refusal *refusal)
{
    const struct ledger *ledger = &engine->ledger;
    const struct order *order = &taker->own;
    uint32_t missing = (order->cash_balance == 0 ? 1u : 0u) + (order->token_balance == 0 ? 1u : 0u);
    if (missing > ledger->balances_max - ledger->count)
        return refuse(refusal, REJECT_BALANCES_MAX, ledger->balances_max, ledger->count, 0);
    return true;
}

// Room for it to rest, and for its balances: what it buys must have somewhere to go.
static bool taker_capacity(const struct turn *turn, struct taker *taker, struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    const struct order_pool *pool = &engine->pool;
    if (order_needs_place(taker->type, taker->tif, taker->instrument->state.phase)) {
        if (pool->orders_open >= pool->orders_max)
            return refuse(refusal, REJECT_ORDERS_MAX, pool->orders_max, pool->orders_open, 0);
        if (order_type_stops(taker->type) && !stop_capacity(engine, taker, refusal))
            return false;
        if (!level_capacity(engine, taker, refusal))
            return false;
    }
    return taker_balances(engine, taker, refusal);
}

// E9: is it there? A balance that does not exist is zero. (No branch over the side.)
static bool taker_funds(const struct turn *turn, const struct taker *taker, int64_t hold,
                        struct refusal *refusal)
{
    const struct ledger *ledger = &turn->engine->ledger;
    bool buys = taker->own.side == SIDE_BUY;
    uint32_t index = buys ? taker->own.cash_balance : taker->own.token_balance;
    const struct balance *balance = &ledger->balances[index]; // there is one of index 0, of zeros
    bool unsettled = (taker->instrument->terms.flags & INSTRUMENT_SELL_UNSETTLED) != 0;
    int64_t sellable = ledger_sellable(balance, unsettled);
    int64_t there = buys ? balance->available : sellable;
    if (__builtin_expect(balance->deficit != 0, 0))
        return refuse(refusal, REJECT_DEFICIT, 0, balance->deficit, balance->asset);
    if (hold > there)
        return refuse(refusal, REJECT_INSUFFICIENT_BALANCE, hold, there, 0);
    return true;
}

// In continuous trading a market order must find something, a post-only order nothing.
static bool taker_opposes(const struct turn *turn, const struct taker *taker,
                          struct refusal *refusal)
{
    const struct order_pool *pool = &turn->engine->pool;
    const struct book_side *opposite = taker_opposite(taker);
    bool meets = order_book_best_key(pool, opposite) <= taker_limit_key(taker);
    if (taker->type == ORDER_MARKET)
        return meets || taker->tif == TIF_AT_CLOSE ||
               refuse(refusal, REJECT_NO_LIQUIDITY, taker->own.price, taker->quantity, 0);
    if (!meets)
        return true;
    return refuse(refusal, REJECT_POST_ONLY_CROSSES,
                  order_at(pool, order_book_best(pool, opposite))->price, taker->own.price, 0);
}

static bool taker_admit(struct turn *turn, struct taker *taker, int64_t *hold,
                        struct refusal *refusal)
{
    if (!taker_identify(turn, taker, refusal) || !taker_check(turn, taker, hold, refusal) ||
        !taker_capacity(turn, taker, refusal) || !taker_funds(turn, taker, *hold, refusal))
        return false;
    bool post_only = (turn->command->body.order_new.flags & ORDER_POST_ONLY) != 0;
    if ((taker->type == ORDER_MARKET || post_only) &&
        taker->instrument->state.phase == PHASE_CONTINUOUS && !taker_opposes(turn, taker, refusal))
        return false;
    struct engine *engine = turn->engine;
    const struct instrument_rec *terms = &taker->instrument->terms;
    struct order *order = &taker->own;
    if (__builtin_expect(order->cash_balance == 0, 0))
        order->cash_balance = engine_balance_open(engine, order->account, terms->cash_asset);
    if (__builtin_expect(order->token_balance == 0, 0))
        order->token_balance = engine_balance_open(engine, order->account, terms->token_asset);
    ASSERT(order->cash_balance != 0 && order->token_balance != 0);
    ledger_hold(order_held_balance(engine, order), *hold);
    if (__builtin_expect(engine->accounts[order->account].limited, 0))
        engine_duplicate_remember(engine, taker);
    return true;
}

// ---- what is told

static uint8_t state_of(const struct taker *taker)
{
    if (order_type_stops(taker->type))
        return ORDER_STATE_PENDING_STOP;
    return waits_for_close(taker->instrument, taker->tif) ? ORDER_STATE_PENDING_CLOSE
                                                          : ORDER_STATE_OPEN;
}

static void emit_accepted(struct turn *turn, const struct taker *taker, int64_t hold)
{
    const struct order *order = &taker->own;
    const struct order_new_cmd *body = &turn->command->body.order_new;
    struct order_accepted_evt *out = &turn_emit(turn, EVT_order_accepted)->body.order_accepted;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->price = order->price;
    out->quantity = taker->quantity;
    out->held = hold;
    out->side = order->side;
    out->type = taker->type;
    out->tif = taker->tif;
    out->flags = body->flags;
    out->client_id_bytes = body->client_id_bytes;
    out->stp = taker->stp;
    out->state = state_of(taker);
    out->self_match_id = taker->self_match_id;
    client_id_copy_whole(out->client_id, turn);
}

void emit_terms(struct turn *turn, const struct order *order, const struct order_terms *terms,
                int64_t minimum)
{
    struct order_terms_evt *out = &turn_emit(turn, EVT_order_terms)->body.order_terms;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->stop_price = terms->stop_price;
    out->trail_offset = terms->trail_offset;
    out->display_quantity = terms->display;
    out->minimum_quantity = minimum;
    out->expire_ns = terms->expire_ns;
}

void emit_cancelled(struct turn *turn, const struct order *order, int64_t open, int64_t released,
                    uint8_t reason)
{
    struct order_cancelled_evt *out = &turn_emit(turn, EVT_order_cancelled)->body.order_cancelled;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->quantity = open;
    out->released = released;
    out->side = order->side;
    out->reason = reason;
    out->price = order->price;
    if (turn->command->header.type != CMD_order_cancel && reason != CANCEL_AMENDED)
        return;
    out->client_id_bytes = (uint8_t)turn->client_id_bytes;
    client_id_copy(out->client_id, turn);
}

// ---- where it goes

void taker_enter(struct turn *turn, struct taker *taker)
{
    struct engine *engine = turn->engine;
    struct order_pool *pool = &engine->pool;
    const struct order_new_cmd *body = &turn->command->body.order_new;
    uint32_t place = order_pool_take(pool, taker->own.id);
    struct order_cold *cold = &pool->cold[place];
    ASSERT(taker->own.leaves > 0);
    pool->orders[place] = taker->own;
    *cold = (struct order_cold){.quantity = taker->quantity,
                                .entered_ns = turn->command->header.time_ns,
                                .filled_notional = taker->filled_notional,
                                .client_id_bytes = body->client_id_bytes,
                                .type = body->type,
                                .tif = body->tif,
                                .flags = body->flags};
    client_id_copy_whole(cold->client_id, turn);
    order_list_append(pool, &turn->session->orders, place);
    taker->instrument->orders_open++;
    int64_t value =
        taker->own.leaves == body->quantity
            ? taker->value
            : instrument_notional(taker->instrument, taker->own.price, taker->own.leaves);
    exposure_enter(engine, &taker->own, taker->own.leaves, value);
    taker->order = &pool->orders[place];
    taker->place = place;
    if (taker->own.marks == 0)
        return;
    pool->terms[place] = taker->terms;
    if ((taker->own.marks & ORDER_MARK_DATED) != 0)
        engine_dated_add(engine, place);
}

// It waits, for its trigger or for the close, or rests in a call.
static void taker_wait(struct turn *turn, struct taker *taker)
{
    struct engine *engine = turn->engine;
    struct instrument *instrument = taker->instrument;
    taker_enter(turn, taker);
    if (order_type_stops(taker->type)) {
        engine_stop_enter(engine, instrument, taker->place);
    } else if (waits_for_close(instrument, taker->tif)) {
        engine_place_close(engine, instrument, taker->place);
    } else {
        engine_order_show(engine, taker->place);
        engine_place_book(engine, instrument, taker->place);
        engine_book_changed(engine, instrument);
    }
}

// Fill or kill, minimum quantity: what cannot be had is not begun.
static uint8_t taker_refrains(const struct turn *turn, const struct taker *taker, int64_t minimum)
{
    if (taker->tif == TIF_FOK)
        return taker_reaches(turn, taker, taker->quantity) ? 0 : CANCEL_FOK;
    ASSERT(minimum > 0);
    return taker_reaches(turn, taker, minimum) ? 0 : CANCEL_MINIMUM;
}

static void taker_trade(struct turn *turn, struct taker *taker, int64_t minimum)
{
    uint8_t reason = 0;
    if (__builtin_expect(taker->tif == TIF_FOK || minimum != 0, 0))
        reason = taker_refrains(turn, taker, minimum);
    if (reason == 0)
        reason = taker_match(turn, taker);
    taker_finish(turn, taker, reason);
}

void engine_order_new(struct turn *turn)
{
    struct taker taker;
    struct refusal refusal;
    int64_t hold = 0;
    int64_t minimum = 0;
    account_fetch(turn->engine, turn->command->body.order_new.account);
    if (!taker_admit(turn, &taker, &hold, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    struct instrument *instrument = taker.instrument;
    emit_accepted(turn, &taker, hold);
    if (turn->command->header.type == CMD_order_new_terms) {
        minimum = turn->command->body.order_new_terms.minimum_quantity;
        emit_terms(turn, &taker.own, &taker.terms, minimum);
    }
    if (instrument->state.phase == PHASE_CONTINUOUS && !order_type_stops(taker.type) &&
        taker.tif != TIF_AT_CLOSE)
        taker_trade(turn, &taker, minimum);
    else
        taker_wait(turn, &taker);
    if (__builtin_expect(instrument->triggered.first != 0, 0))
        engine_stops_run(turn, instrument);
}

// ---- cancel

void engine_cancel(struct turn *turn, uint32_t place, uint8_t reason)
{
    struct engine *engine = turn->engine;
    const struct order *order = order_at(&engine->pool, place);
    struct instrument *instrument = engine_instrument(engine, order->instrument);
    ASSERT(instrument != NULL);
    order_fetch(engine, order);
    const uint8_t waiting = ORDER_MARK_STOP | ORDER_MARK_TRIGGERED | ORDER_MARK_CLOSE;
    bool in_book = (order->marks & waiting) == 0;
    int64_t open = order_open(&engine->pool, place);
    int64_t value = instrument_notional(instrument, order->price, open);
    int64_t released = order_hold_of(order, open, value);
    ledger_release(order_held_balance(engine, order), released);
    exposure_add(engine, order, -value, -open);
    emit_cancelled(turn, order, open, released, reason);
    engine_order_end(engine, instrument, place);
    if (in_book && instrument->state.phase != PHASE_CONTINUOUS)
        engine_book_changed(engine, instrument);
}

bool engine_order_admit(const struct turn *turn, uint64_t id, uint32_t account, uint8_t right,
                        uint32_t *place, struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    if (!engine_session_admit(turn, refusal) ||
        (right != RIGHT_CANCEL && !engine_throttle(turn, refusal)) ||
        !engine_right_admit(turn, account, right, refusal))
        return false;
    *place = id != 0 ? order_pool_find(&engine->pool, id) : 0;
    if (*place == 0)
        return refuse(refusal, REJECT_UNKNOWN_ORDER, 0, (int64_t)id, 0);
    if (order_at(&engine->pool, *place)->account != account)
        return refuse(refusal, REJECT_NOT_OWNER, 0, (int64_t)id, 0);
    return true;
}

void engine_order_cancel(struct turn *turn)
{
    const struct order_cancel_cmd *body = &turn->command->body.order_cancel;
    struct refusal refusal;
    uint32_t place = 0;
    ASSERT(turn->command->header.type == CMD_order_cancel);
    account_fetch(turn->engine, body->account);
    __builtin_prefetch(order_index_recent(&turn->engine->pool.index, body->order));
    if (engine_order_admit(turn, body->order, body->account, RIGHT_CANCEL, &place, &refusal))
        engine_cancel(turn, place, CANCEL_BY_OWNER);
    else
        turn_reject(turn, &refusal);
}
