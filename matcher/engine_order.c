// Orders: new, cancel, amend, mass cancel, and the matching between them.
//
// Happy path of a new order: it is identified, checked (risk/order_check.h), its cash or tokens are
// held, `order_accepted` is written; it trades against the best levels of the other side, oldest
// order first, at the resting order's price; what is left rests, or is cancelled if it may not.
//
// A match ends early for three reasons, and then the rest of the order is cancelled and says why:
// the command has used up its events (CANCEL_LIMIT), a counter of the ledger would pass its bound
// (CANCEL_LIMIT), or the trade tripped the breaker (CANCEL_BREAKER). The book is never left
// crossed.
//
// A resting order's hold always equals price * leaves / 10^scale (buy) or leaves (sell); it is not
// stored.
#include <string.h>

#include "matcher/engine_state.h"

// The order that is entering.
struct taker {
    struct instrument *instrument;
    struct session *session;
    struct order order;
    uint64_t key; // of its price in its own side
    uint8_t type;
    uint8_t tif;
    int64_t quantity;
    int64_t hold;
    int64_t filled_notional;
};

static int64_t order_hold(const struct instrument *instrument, const struct order *order,
                          int64_t quantity)
{
    ASSERT(quantity > 0);
    if (order->side == SIDE_SELL)
        return quantity;
    return instrument_notional(instrument, order->price, quantity);
}

static struct balance *order_held_balance(const struct engine *engine, const struct order *order)
{
    return ledger_at(&engine->ledger,
                     order->side == SIDE_BUY ? order->cash_balance : order->token_balance);
}

// ---- may it enter?
// -----------------------------------------------------------------------------------

// Who asks, for whom, for what: before any check of the order itself.
static bool taker_identify(const struct turn *turn, struct taker *taker, struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    const struct order_new_cmd *body = &turn->command->body.order_new;
    if (!engine_session_admit(turn, refusal))
        return false;
    taker->session = engine_session(engine, turn->command->header.session);
    if (!engine_session_has_account(engine, taker->session, body->account))
        return refuse(refusal, REJECT_ACCOUNT_NOT_OF_SESSION, 0, body->account, 0);
    taker->instrument = engine_instrument(engine, body->instrument);
    if (taker->instrument == NULL)
        return refuse(refusal, REJECT_UNKNOWN_INSTRUMENT, 0, body->instrument, 0);
    if (engine->venue_state != VENUE_OPEN)
        return refuse(refusal, REJECT_VENUE_CANCEL_ONLY, 0, engine->venue_state, 0);
    if (body->client_id_bytes == 0)
        return refuse(refusal, REJECT_CLIENT_ID_LENGTH, CLIENT_ID_BYTES_MAX, 0, 0);
    return true;
}

// E6 to E8.
static bool taker_check(const struct turn *turn, struct taker *taker, struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    const struct order_new_cmd *body = &turn->command->body.order_new;
    const struct instrument *instrument = taker->instrument;
    const struct account_rec *account = engine_account(engine, body->account);
    ASSERT(account != NULL); // it is one of the session's
    struct order_check check = {.terms = &instrument->terms,
                                .state = &instrument->state,
                                .account = account,
                                .tick = &instrument->tick,
                                .lot = &instrument->lot,
                                .member_suspended = engine->members[account->member].suspended,
                                .side = body->side,
                                .type = body->type,
                                .tif = body->tif,
                                .flags = body->flags,
                                .price = body->price,
                                .quantity = body->quantity};
    if (!order_check_run(&check, refusal))
        return false;
    taker->quantity = body->quantity;
    taker->hold = body->side == SIDE_BUY ? check.notional : body->quantity;
    taker->order = (struct order){.id = turn->command->header.sequence,
                                  .price = check.price,
                                  .leaves = body->quantity,
                                  .account = body->account,
                                  .session = turn->command->header.session,
                                  .instrument = (uint16_t)body->instrument,
                                  .side = body->side};
    taker->key = instrument_key(instrument, body->side, check.price);
    taker->type = body->type;
    taker->tif = body->tif;
    return true;
}

static bool taker_may_rest(const struct taker *taker)
{
    return taker->type == ORDER_LIMIT && taker->tif != TIF_IOC;
}

// Room for it to rest, and for its balances: what it buys must have somewhere to go.
static bool taker_capacity(const struct turn *turn, struct taker *taker, struct refusal *refusal)
{
    struct engine *engine = turn->engine;
    const struct order_pool *pool = &engine->pool;
    struct order *order = &taker->order;
    if (taker_may_rest(taker)) {
        if (pool->orders_open >= pool->orders_max)
            return refuse(refusal, REJECT_ORDERS_MAX, pool->orders_max, pool->orders_open, 0);
        if (!order_book_has_room(pool, instrument_side(taker->instrument, order->side), taker->key))
            return refuse(refusal, REJECT_LEVELS_MAX, pool->levels_max, pool->levels_used, 0);
    }
    const struct instrument_rec *terms = &taker->instrument->terms;
    order->cash_balance = ledger_find(&engine->ledger, order->account, terms->cash_asset);
    order->token_balance = ledger_find(&engine->ledger, order->account, terms->token_asset);
    uint32_t missing = (order->cash_balance == 0 ? 1u : 0u) + (order->token_balance == 0 ? 1u : 0u);
    if (missing > engine->ledger.balances_max - engine->ledger.count)
        return refuse(refusal, REJECT_BALANCES_MAX, engine->ledger.balances_max,
                      engine->ledger.count, 0);
    return true;
}

// E9: is it there? A balance that does not exist is zero.
static bool taker_funds(const struct turn *turn, const struct taker *taker, struct refusal *refusal)
{
    const struct ledger *ledger = &turn->engine->ledger;
    bool buys = taker->order.side == SIDE_BUY;
    uint32_t index = buys ? taker->order.cash_balance : taker->order.token_balance;
    int64_t there = 0;
    if (index != 0) {
        const struct balance *balance = ledger_at(ledger, index);
        bool unsettled = (taker->instrument->terms.flags & INSTRUMENT_SELL_UNSETTLED) != 0;
        there = buys ? balance->available : ledger_sellable(balance, unsettled);
    }
    if (taker->hold > there)
        return refuse(refusal, REJECT_INSUFFICIENT_BALANCE, taker->hold, there, 0);
    return true;
}

// The worst key of the other side that it trades with.
static uint64_t taker_limit_key(const struct taker *taker)
{
    return BOOK_KEY_MAX - taker->key;
}

static struct book_side *taker_opposite(const struct taker *taker)
{
    return instrument_side(taker->instrument, taker->order.side == SIDE_BUY ? SIDE_SELL : SIDE_BUY);
}

static bool taker_liquidity(const struct turn *turn, const struct taker *taker,
                            struct refusal *refusal)
{
    if (taker->type != ORDER_MARKET)
        return true;
    const struct book_side *opposite = taker_opposite(taker);
    if (order_book_best_key(&turn->engine->pool, opposite) <= taker_limit_key(taker))
        return true;
    return refuse(refusal, REJECT_NO_LIQUIDITY, taker->order.price, taker->quantity, 0);
}

static bool taker_admit(struct turn *turn, struct taker *taker, struct refusal *refusal)
{
    if (!taker_identify(turn, taker, refusal) || !taker_check(turn, taker, refusal) ||
        !taker_capacity(turn, taker, refusal) || !taker_funds(turn, taker, refusal) ||
        !taker_liquidity(turn, taker, refusal))
        return false;
    struct ledger *ledger = &turn->engine->ledger;
    const struct instrument_rec *terms = &taker->instrument->terms;
    if (taker->order.cash_balance == 0)
        taker->order.cash_balance = ledger_open(ledger, taker->order.account, terms->cash_asset);
    if (taker->order.token_balance == 0)
        taker->order.token_balance = ledger_open(ledger, taker->order.account, terms->token_asset);
    ASSERT(taker->order.cash_balance != 0 && taker->order.token_balance != 0);
    ledger_hold(order_held_balance(turn->engine, &taker->order), taker->hold);
    return true;
}

static void emit_accepted(struct turn *turn, const struct taker *taker)
{
    const struct order *order = &taker->order;
    uint8_t bytes = turn->command->body.order_new.client_id_bytes;
    struct order_accepted_evt *out = &turn_emit(turn, EVT_order_accepted)->body.order_accepted;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->price = order->price;
    out->quantity = taker->quantity;
    out->held = taker->hold;
    out->side = order->side;
    out->type = taker->type;
    out->tif = taker->tif;
    out->flags = turn->command->body.order_new.flags;
    out->client_id_bytes = bytes;
    ASSERT(bytes > 0);
    client_id_copy(out->client_id, command_tail(turn->command), bytes);
}

// ---- matching
// ------------------------------------------------------------------------------------------

// One match, as seen by the ledger.
struct match {
    const struct order *buyer;
    const struct order *seller;
    int64_t quantity;
    int64_t notional; // at the maker's price
    int64_t fee;      // the seller's (U13)
    int64_t released; // of the buyer's hold: what the better price saves
};

static struct match match_of(const struct engine *engine, const struct taker *taker,
                             const struct order *maker)
{
    const struct order *order = &taker->order;
    const struct instrument *instrument = taker->instrument;
    bool taker_buys = order->side == SIDE_BUY;
    struct match match = {.buyer = taker_buys ? order : maker,
                          .seller = taker_buys ? maker : order,
                          .quantity =
                              order->leaves < maker->leaves ? order->leaves : maker->leaves};
    match.notional = instrument_notional(instrument, maker->price, match.quantity);
    uint32_t fee_bps = engine->accounts[match.seller->account].fee_bps;
    if (fee_bps == FEE_BPS_DEFAULT)
        fee_bps = instrument->terms.fee_bps;
    match.fee = money_fee(match.notional, fee_bps);
    if (taker_buys && order->price != maker->price)
        match.released =
            instrument_notional(instrument, order->price, match.quantity) - match.notional;
    ASSERT(match.released >= 0);
    ASSERT(match.fee <= match.notional);
    return match;
}

// The counters of what is unsettled and blocked must stay within their bound.
static bool match_fits(const struct engine *engine, const struct match *match)
{
    const struct balance *tokens = ledger_at(&engine->ledger, match->buyer->token_balance);
    const struct balance *cash = ledger_at(&engine->ledger, match->seller->cash_balance);
    ASSERT(tokens->account == match->buyer->account);
    ASSERT(cash->account == match->seller->account);
    return tokens->unsettled + tokens->blocked <= LEDGER_COUNTER_MAX - match->quantity &&
           cash->unsettled + cash->blocked <= LEDGER_COUNTER_MAX - match->notional;
}

// Double entry: the buyer's held cash goes to the seller and the treasury, the seller's held tokens
// to the buyer; what the buyer saves becomes available again.
static void match_book(struct engine *engine, const struct match *match, uint32_t treasury_balance)
{
    const struct ledger *ledger = &engine->ledger;
    struct balance *buyer_cash = ledger_at(ledger, match->buyer->cash_balance);
    struct balance *buyer_tokens = ledger_at(ledger, match->buyer->token_balance);
    struct balance *seller_cash = ledger_at(ledger, match->seller->cash_balance);
    struct balance *seller_tokens = ledger_at(ledger, match->seller->token_balance);
    ASSERT(buyer_cash->asset == seller_cash->asset);
    ASSERT(buyer_tokens->asset == seller_tokens->asset);
    int64_t proceeds = match->notional - match->fee;
    ledger_pay_held(buyer_cash, match->notional);
    ledger_receive(seller_cash, proceeds, proceeds);
    ledger_receive(ledger_at(ledger, treasury_balance), match->fee, 0);
    ledger_pay_held(seller_tokens, match->quantity);
    ledger_receive(buyer_tokens, match->quantity, match->quantity);
    if (match->released != 0)
        ledger_release(buyer_cash, match->released);
}

static void emit_trade(struct turn *turn, const struct taker *taker, const struct order *maker,
                       const struct match *match)
{
    const struct order *order = &taker->order;
    bool taker_buys = order->side == SIDE_BUY;
    struct trade_evt *out = &turn_emit(turn, EVT_trade)->body.trade;
    out->instrument = order->instrument;
    out->taker_side = order->side;
    out->price = maker->price;
    out->quantity = match->quantity;
    out->maker_order = maker->id;
    out->taker_order = order->id;
    out->maker_account = maker->account;
    out->taker_account = order->account;
    out->maker_leaves = maker->leaves;
    out->taker_leaves = order->leaves;
    out->maker_fee = taker_buys ? match->fee : 0;
    out->taker_fee = taker_buys ? 0 : match->fee;
    out->buyer_released = match->released;
}

static void book_remove(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    const struct order *order = order_at(&engine->pool, place);
    ASSERT(order->instrument == instrument->terms.instrument);
    ASSERT(instrument->orders_open > 0);
    instrument->orders_open--;
    order_book_remove(&engine->pool, instrument_side(instrument, order->side), place);
    order_list_remove(&engine->pool, &engine->sessions[order->session].orders, place);
    order_pool_give(&engine->pool, place);
}

// Trips the breaker if a trade lies too far from the reference price (without one, from the NAV).
static bool breaker_watch(struct turn *turn, struct instrument *instrument)
{
    const struct instrument_state_rec *state = &instrument->state;
    uint32_t bps = instrument->terms.breaker_bps;
    int64_t reference = state->reference_price != 0 ? state->reference_price : state->nav;
    if (bps == 0 || reference == 0 || !money_beyond(state->last_price, reference, bps))
        return false;
    ASSERT(!state->breaker_tripped);
    instrument->state.breaker_tripped = 1;
    turn_instrument_state(turn, instrument);
    return true;
}

enum { TRADE_EVENTS_MAX = 3 }; // the trade, the breaker, the cancellation of the rest

// Trades until the order is filled, nothing matches any more (0), or it has to stop (a
// cancel_reason).
static uint8_t taker_match(struct turn *turn, struct taker *taker)
{
    struct engine *engine = turn->engine;
    struct instrument *instrument = taker->instrument;
    const struct book_side *opposite = taker_opposite(taker);
    const uint64_t limit_key = taker_limit_key(taker);
    while (taker->order.leaves > 0 && order_book_best_key(&engine->pool, opposite) <= limit_key) {
        uint32_t place = order_book_best(&engine->pool, opposite);
        struct order *maker = order_at(&engine->pool, place);
        struct match match = match_of(engine, taker, maker);
        if (turn_room(turn) < TRADE_EVENTS_MAX || !match_fits(engine, &match))
            return CANCEL_LIMIT;
        match_book(engine, &match, instrument->treasury_balance);
        maker->leaves -= match.quantity;
        taker->order.leaves -= match.quantity;
        taker->filled_notional += match.notional;
        instrument->state.last_price = maker->price;
        emit_trade(turn, taker, maker, &match);
        if (maker->leaves == 0)
            book_remove(engine, instrument, place);
        else
            engine->pool.cold[place].filled_notional += match.notional;
        if (breaker_watch(turn, instrument))
            return CANCEL_BREAKER;
    }
    return 0;
}

// ---- what is left
// -----------------------------------------------------------------------------------

static void taker_rest(struct turn *turn, const struct taker *taker)
{
    struct order_pool *pool = &turn->engine->pool;
    const struct order_new_cmd *body = &turn->command->body.order_new;
    uint32_t place = order_pool_take(pool, taker->order.id);
    ASSERT(taker->order.leaves > 0);
    *order_at(pool, place) = taker->order;
    struct order_cold *cold = &pool->cold[place];
    *cold = (struct order_cold){.quantity = taker->quantity,
                                .entered_ns = turn->command->header.time_ns,
                                .filled_notional = taker->filled_notional,
                                .client_id_bytes = body->client_id_bytes,
                                .type = body->type,
                                .tif = body->tif,
                                .flags = body->flags};
    client_id_copy(cold->client_id, command_tail(turn->command), body->client_id_bytes);
    order_book_add(pool, instrument_side(taker->instrument, taker->order.side), taker->key, place);
    order_list_append(pool, &taker->session->orders, place);
    taker->instrument->orders_open++;
}

static void emit_cancelled(struct turn *turn, const struct order *order, int64_t released,
                           uint8_t reason)
{
    const struct command *command = turn->command;
    struct order_cancelled_evt *out = &turn_emit(turn, EVT_order_cancelled)->body.order_cancelled;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->quantity = order->leaves;
    out->released = released;
    out->side = order->side;
    out->reason = reason;
    out->price = order->price;
    if (command->header.type != CMD_order_cancel)
        return;
    out->client_id_bytes = command->body.order_cancel.client_id_bytes;
    client_id_copy(out->client_id, command_tail(command), out->client_id_bytes);
}

static void taker_finish(struct turn *turn, struct taker *taker, uint8_t reason)
{
    if (taker->order.leaves == 0)
        return;
    if (reason == 0 && taker_may_rest(taker)) {
        taker_rest(turn, taker);
        return;
    }
    int64_t released = order_hold(taker->instrument, &taker->order, taker->order.leaves);
    ledger_release(order_held_balance(turn->engine, &taker->order), released);
    emit_cancelled(turn, &taker->order, released, reason != 0 ? reason : CANCEL_IOC);
}

void engine_order_new(struct turn *turn)
{
    struct taker taker = {.filled_notional = 0};
    struct refusal refusal;
    ASSERT(turn->command->header.type == CMD_order_new);
    if (!taker_admit(turn, &taker, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    emit_accepted(turn, &taker);
    uint8_t reason = taker_match(turn, &taker);
    taker_finish(turn, &taker, reason);
}

// ---- cancel, amend, mass cancel
// --------------------------------------------------------------------

void engine_cancel(struct turn *turn, uint32_t place, uint8_t reason)
{
    struct engine *engine = turn->engine;
    const struct order *order = order_at(&engine->pool, place);
    struct instrument *instrument = engine_instrument(engine, order->instrument);
    ASSERT(instrument != NULL);
    int64_t released = order_hold(instrument, order, order->leaves);
    ledger_release(order_held_balance(engine, order), released);
    emit_cancelled(turn, order, released, reason);
    book_remove(engine, instrument, place);
}

// The open order that a command names, if it may: *place is set.
static bool order_admit(const struct turn *turn, uint64_t id, uint32_t account, uint32_t *place,
                        struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    if (!engine_session_admit(turn, refusal))
        return false;
    const struct session *session = engine_session(engine, turn->command->header.session);
    if (!engine_session_has_account(engine, session, account))
        return refuse(refusal, REJECT_ACCOUNT_NOT_OF_SESSION, 0, account, 0);
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
    if (order_admit(turn, body->order, body->account, &place, &refusal))
        engine_cancel(turn, place, CANCEL_BY_OWNER);
    else
        turn_reject(turn, &refusal);
}

static bool amend_admit(const struct turn *turn, uint32_t *place, struct refusal *refusal)
{
    const struct order_amend_cmd *body = &turn->command->body.order_amend;
    const struct engine *engine = turn->engine;
    if (!order_admit(turn, body->order, body->account, place, refusal))
        return false;
    if (engine->venue_state != VENUE_OPEN)
        return refuse(refusal, REJECT_VENUE_CANCEL_ONLY, 0, engine->venue_state, 0);
    if (body->client_id_bytes == 0)
        return refuse(refusal, REJECT_CLIENT_ID_LENGTH, CLIENT_ID_BYTES_MAX, 0, 0);
    const struct order *order = order_at(&engine->pool, *place);
    const struct instrument *instrument = engine_instrument(engine, order->instrument);
    ASSERT(instrument != NULL);
    if (body->price != order->price)
        return refuse(refusal, REJECT_AMEND_PRICE, order->price, body->price, 0);
    if (body->quantity <= 0)
        return refuse(refusal, REJECT_QUANTITY_NOT_POSITIVE, 1, body->quantity, 0);
    if (!money_is_multiple(&instrument->lot, body->quantity))
        return refuse(refusal, REJECT_OFF_LOT, instrument->terms.lot, body->quantity, 0);
    int64_t quantity = engine->pool.cold[*place].quantity;
    int64_t filled = quantity - order->leaves;
    if (body->quantity >= quantity || body->quantity <= filled)
        return refuse(refusal, REJECT_AMEND_NOT_DOWN, quantity, body->quantity, filled);
    return true;
}

static void emit_amended(struct turn *turn, const struct order *order, int64_t released)
{
    const struct order_amend_cmd *body = &turn->command->body.order_amend;
    struct order_amended_evt *out = &turn_emit(turn, EVT_order_amended)->body.order_amended;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->quantity = body->quantity;
    out->leaves = order->leaves;
    out->released = released;
    out->side = order->side;
    out->price = order->price;
    out->client_id_bytes = body->client_id_bytes;
    client_id_copy(out->client_id, command_tail(turn->command), body->client_id_bytes);
}

// Down only, so the order keeps its place in time.
void engine_order_amend(struct turn *turn)
{
    struct engine *engine = turn->engine;
    const struct order_amend_cmd *body = &turn->command->body.order_amend;
    struct refusal refusal;
    uint32_t place = 0;
    if (!amend_admit(turn, &place, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    struct order *order = order_at(&engine->pool, place);
    struct order_cold *cold = &engine->pool.cold[place];
    int64_t less = cold->quantity - body->quantity;
    ASSERT(less > 0 && less < order->leaves);
    int64_t released = order_hold(engine_instrument(engine, order->instrument), order, less);
    ledger_release(order_held_balance(engine, order), released);
    order->leaves -= less;
    cold->quantity = body->quantity;
    cold->client_id_bytes = body->client_id_bytes;
    memset(cold->client_id, 0, sizeof(cold->client_id));
    client_id_copy(cold->client_id, command_tail(turn->command), body->client_id_bytes);
    emit_amended(turn, order, released);
}

static bool mass_cancel_admit(const struct turn *turn, struct refusal *refusal)
{
    const struct order_mass_cancel_cmd *body = &turn->command->body.order_mass_cancel;
    const struct engine *engine = turn->engine;
    if (!engine_session_admit(turn, refusal))
        return false;
    const struct session *session = engine_session(engine, turn->command->header.session);
    if (body->account != 0 && !engine_session_has_account(engine, session, body->account))
        return refuse(refusal, REJECT_ACCOUNT_NOT_OF_SESSION, 0, body->account, 0);
    if (body->instrument != 0 && engine_instrument(engine, body->instrument) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_INSTRUMENT, 0, body->instrument, 0);
    return true;
}

// ---- orders of those who may not trade any more
// -----------------------------------------------------------

static bool account_is_barred(const struct engine *engine, const struct account_rec *account)
{
    struct refusal refusal;
    ASSERT(engine_member(engine, account->member) != NULL);
    return !order_check_person(account, engine->members[account->member].suspended != 0, &refusal);
}

// Every open order holds something.
static bool account_has_orders(const struct engine *engine, uint32_t account)
{
    const struct ledger *ledger = &engine->ledger;
    uint32_t index = ledger->first_of_account[account];
    while (index != 0 && ledger_at(ledger, index)->held == 0)
        index = ledger_at(ledger, index)->next_of_account;
    return index != 0;
}

void engine_cancel_barred(struct engine *engine, uint32_t account)
{
    ASSERT(engine->pending.command == 0);
    for (uint32_t id = account; id <= engine->limits.accounts_max; id++) {
        const struct account_rec *owner = engine_account(engine, id);
        if (owner == NULL || !account_has_orders(engine, id) || !account_is_barred(engine, owner))
            continue;
        engine->pending = (struct pending_rec){
            .command = CMD_order_mass_cancel, .reason = CANCEL_SUSPENDED, .account = id};
        return;
    }
}

// False if the command's events are used up.
static bool cancel_of_account(struct turn *turn, const struct session *session, uint32_t account)
{
    const struct engine *engine = turn->engine;
    for (uint32_t place = session->orders.first; place != 0;) {
        uint32_t after = order_at(&engine->pool, place)->after;
        if (order_at(&engine->pool, place)->account == account) {
            if (turn_room(turn) == 1)
                return false;
            engine_cancel(turn, place, CANCEL_SUSPENDED);
        }
        place = after;
    }
    return true;
}

// The core's own: every order of one account, by ascending session and order id, then the next such
// account. An account and the sessions that traded for it belong to one member for good.
static void mass_cancel_barred(struct turn *turn)
{
    struct engine *engine = turn->engine;
    uint32_t id = turn->command->body.order_mass_cancel.account;
    const struct account_rec *account = engine_account(engine, id);
    ASSERT(account != NULL && turn->resumes);
    bool all = true;
    for (uint32_t at = 1; at <= engine->limits.sessions_max && all; at++)
        if (engine->sessions[at].terms.member == account->member)
            all = cancel_of_account(turn, &engine->sessions[at], id);
    engine_cancel_barred(engine, id); // itself, if its orders were not all
    ASSERT(all || engine->pending.account == id);
    turn_done(turn, false, turn->sink->count);
}

// Orders that this session entered, oldest first; more than one command's events hold goes on in
// the next.
void engine_order_mass_cancel(struct turn *turn)
{
    struct engine *engine = turn->engine;
    const struct order_mass_cancel_cmd *body = &turn->command->body.order_mass_cancel;
    struct refusal refusal;
    if (turn->command->header.gateway == GATEWAY_CORE && turn->command->header.session == 0) {
        mass_cancel_barred(turn);
        return;
    }
    if (!mass_cancel_admit(turn, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    struct session *session = engine_session(engine, turn->command->header.session);
    ASSERT(session != NULL);
    uint32_t place = session->orders.first;
    while (place != 0) {
        uint32_t after = order_at(&engine->pool, place)->after;
        const struct order *order = order_at(&engine->pool, place);
        bool meant = (body->account == 0 || order->account == body->account) &&
                     (body->instrument == 0 || order->instrument == body->instrument);
        if (meant && turn_room(turn) == 1) {
            engine->pending = (struct pending_rec){.command = CMD_order_mass_cancel,
                                                   .reason = CANCEL_MASS,
                                                   .session = session->terms.session,
                                                   .account = body->account,
                                                   .instrument = body->instrument};
            break;
        }
        if (meant)
            engine_cancel(turn, place, CANCEL_MASS);
        place = after;
    }
    turn_done(turn, false, turn->sink->count);
}
