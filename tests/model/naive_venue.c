#include "tests/model/naive_venue.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

__extension__ typedef __int128 wide;

static const int64_t bound = (int64_t)1 << 61;

// ---- events
// ------------------------------------------------------------------------------------------

static uint32_t room(const struct naive_venue *venue)
{
    return NAIVE_EVENTS - venue->event_count;
}

static struct event *emit(struct naive_venue *venue, uint8_t type)
{
    ASSERT(venue->event_count < NAIVE_EVENTS);
    struct event *event = &venue->events[venue->event_count++];
    memset(event, 0, sizeof(*event));
    event->header.type = type;
    return event;
}

static void reject(struct naive_venue *venue, uint16_t code, int64_t limit, int64_t value,
                   int64_t argument)
{
    const struct command *command = venue->command;
    struct rejected_evt *out = &emit(venue, EVT_rejected)->body.rejected;
    *out = (struct rejected_evt){.code = code,
                                 .command = command->header.type,
                                 .limit = limit,
                                 .value = value,
                                 .argument = argument};
    if (command->header.type == CMD_order_new) {
        out->account = command->body.order_new.account;
        out->instrument = command->body.order_new.instrument;
        out->client_id_bytes = command->body.order_new.client_id_bytes;
    } else if (command->header.type == CMD_order_cancel) {
        out->account = command->body.order_cancel.account;
        out->order = command->body.order_cancel.order;
        out->client_id_bytes = command->body.order_cancel.client_id_bytes;
    } else if (command->header.type == CMD_order_amend) {
        out->account = command->body.order_amend.account;
        out->order = command->body.order_amend.order;
        out->client_id_bytes = command->body.order_amend.client_id_bytes;
    } else if (command->header.type == CMD_order_mass_cancel) {
        out->account = command->body.order_mass_cancel.account;
        out->instrument = command->body.order_mass_cancel.instrument;
        out->client_id_bytes = command->body.order_mass_cancel.client_id_bytes;
    } else if (command->header.type == CMD_ledger_post) {
        out->account = command->body.ledger_post.account;
    } else if (command->header.type == CMD_settlement_result) {
        out->instrument = command->body.settlement_result.instrument;
    }
    memcpy(out->client_id, command_tail(command), out->client_id_bytes);
}

static void done(struct naive_venue *venue, uint8_t repeated, uint32_t count)
{
    emit(venue, EVT_done)->body.done = (struct done_evt){
        .command = venue->command->header.type, .repeated = repeated, .count = count};
}

// ---- arithmetic
// ----------------------------------------------------------------------------------------

static wide notional(const struct instrument_rec *terms, int64_t price, int64_t quantity)
{
    wide product = (wide)price * quantity;
    for (int i = 0; i < terms->token_scale; i++) {
        ASSERT(product % 10 == 0);
        product /= 10;
    }
    return product;
}

static wide distance(int64_t a, int64_t b)
{
    return a > b ? (wide)a - b : (wide)b - a;
}

static int64_t bps_rounded_up(int64_t price, int64_t reference)
{
    wide scaled = distance(price, reference) * 10000;
    wide bps = scaled / reference + (scaled % reference != 0);
    return bps > INT64_MAX ? INT64_MAX : (int64_t)bps;
}

static bool too_far(int64_t price, int64_t reference, uint32_t bps)
{
    return distance(price, reference) * 10000 > (wide)reference * bps;
}

// ---- orders
// ---------------------------------------------------------------------------------------------

static struct naive_order *find_order(struct naive_venue *venue, uint64_t id)
{
    for (uint32_t i = 0; i < venue->order_count; i++)
        if (venue->orders[i].id == id)
            return &venue->orders[i];
    return NULL;
}

static void erase_order(struct naive_venue *venue, struct naive_order *order)
{
    size_t at = (size_t)(order - venue->orders);
    memmove(order, order + 1, (venue->order_count - at - 1) * sizeof(*order));
    venue->order_count--;
}

// The order that an order of this side meets first: best price, then oldest.
static struct naive_order *best_against(struct naive_venue *venue, uint32_t instrument,
                                        uint8_t side, int64_t limit_price)
{
    struct naive_order *best = NULL;
    for (uint32_t i = 0; i < venue->order_count; i++) {
        struct naive_order *order = &venue->orders[i];
        if (order->instrument != instrument || order->side == side)
            continue;
        bool buys = side == SIDE_BUY;
        if (buys ? order->price > limit_price : order->price < limit_price)
            continue;
        if (best == NULL || (buys ? order->price < best->price : order->price > best->price))
            best = order;
    }
    return best;
}

static bool level_exists(const struct naive_venue *venue, uint32_t instrument, uint8_t side,
                         int64_t price)
{
    for (uint32_t i = 0; i < venue->order_count; i++)
        if (venue->orders[i].instrument == instrument && venue->orders[i].side == side &&
            venue->orders[i].price == price)
            return true;
    return false;
}

static uint32_t count_levels(const struct naive_venue *venue)
{
    uint32_t levels = 0;
    for (uint32_t i = 0; i < venue->order_count; i++) {
        const struct naive_order *order = &venue->orders[i];
        bool first = true;
        for (uint32_t k = 0; k < i && first; k++)
            first = venue->orders[k].instrument != order->instrument ||
                    venue->orders[k].side != order->side || venue->orders[k].price != order->price;
        levels += first;
    }
    return levels;
}

static struct balance_rec *balance_of(struct naive_venue *venue, uint32_t account, uint32_t asset)
{
    return &venue->balances[account][asset];
}

static struct balance_rec *held_balance(struct naive_venue *venue, const struct naive_order *order)
{
    const struct instrument_rec *terms = &venue->instruments[order->instrument];
    return balance_of(venue, order->account,
                      order->side == SIDE_BUY ? terms->cash_asset : terms->token_asset);
}

static int64_t hold_of(const struct naive_venue *venue, const struct naive_order *order,
                       int64_t quantity)
{
    if (order->side == SIDE_SELL)
        return quantity;
    return (int64_t)notional(&venue->instruments[order->instrument], order->price, quantity);
}

static int64_t release(struct naive_venue *venue, const struct naive_order *order, int64_t quantity)
{
    int64_t amount = hold_of(venue, order, quantity);
    held_balance(venue, order)->held -= amount;
    held_balance(venue, order)->available += amount;
    return amount;
}

// Releases and tells; erasing the order is the caller's.
static void cancel(struct naive_venue *venue, const struct naive_order *order, uint8_t reason)
{
    struct order_cancelled_evt *out = &emit(venue, EVT_order_cancelled)->body.order_cancelled;
    out->order = order->id;
    out->account = order->account;
    out->instrument = order->instrument;
    out->quantity = order->leaves;
    out->released = release(venue, order, order->leaves);
    out->side = order->side;
    out->reason = reason;
    out->price = order->price;
    if (venue->command->header.type == CMD_order_cancel) {
        out->client_id_bytes = venue->command->body.order_cancel.client_id_bytes;
        memcpy(out->client_id, command_tail(venue->command), out->client_id_bytes);
    }
}

// ---- who asks
// ---------------------------------------------------------------------------------------------

static bool session_refused(struct naive_venue *venue)
{
    uint32_t id = venue->command->header.session;
    uint8_t gateway = venue->command->header.gateway;
    const struct naive_session *session = id < NAIVE_SESSIONS ? &venue->sessions[id] : NULL;
    if (session == NULL || session->terms.session == 0 ||
        ((session->terms.flags & SESSION_DISABLED) != 0 && gateway != GATEWAY_CORE)) {
        reject(venue, REJECT_UNKNOWN_SESSION, 0, id, 0);
        return true;
    }
    if (gateway != GATEWAY_CORE && session->terms.gateway != gateway) {
        reject(venue, REJECT_SESSION_WRONG_GATEWAY, session->terms.gateway, id, gateway);
        return true;
    }
    return false;
}

static bool account_refused(struct naive_venue *venue, uint32_t account)
{
    uint32_t accounts = venue->sessions[venue->command->header.session].accounts;
    if (account < NAIVE_ACCOUNTS && (accounts >> account & 1) != 0)
        return false;
    reject(venue, REJECT_ACCOUNT_NOT_OF_SESSION, 0, account, 0);
    return true;
}

// ---- new orders
// ---------------------------------------------------------------------------------------------

#define REFUSE_IF(condition, code, limit, value, argument)                                         \
    if (condition) {                                                                               \
        reject(venue, REJECT_##code, limit, value, argument);                                      \
        return true;                                                                               \
    }

static bool form_refused(struct naive_venue *venue, const struct order_new_cmd *body,
                         const struct instrument_rec *terms)
{
    bool market = body->type == ORDER_MARKET;
    REFUSE_IF(body->side != SIDE_BUY && body->side != SIDE_SELL, SIDE, 0, body->side, 0)
    REFUSE_IF(body->quantity <= 0, QUANTITY_NOT_POSITIVE, 1, body->quantity, 0)
    REFUSE_IF(!market && body->type != ORDER_LIMIT, ORDER_TYPE, 0, body->type, 0)
    REFUSE_IF(market && terms->collar_bps == 0, ORDER_TYPE, 0, body->type, 0)
    REFUSE_IF(body->tif != 0 && body->tif != 1 && body->tif != 3, TIME_IN_FORCE, 0, body->tif, 0)
    REFUSE_IF(!market && body->price <= 0, PRICE_NOT_POSITIVE, 1, body->price, 0)
    REFUSE_IF(market && body->price != 0, PRICE_ON_MARKET, 0, body->price, 0)
    REFUSE_IF(body->price % terms->tick != 0, OFF_TICK, terms->tick, body->price, 0)
    REFUSE_IF(body->quantity % terms->lot != 0, OFF_LOT, terms->lot, body->quantity, 0)
    REFUSE_IF(terms->order_quantity_max != 0 && body->quantity > terms->order_quantity_max,
              QUANTITY_MAX, terms->order_quantity_max, body->quantity, 0)
    return false;
}

static int64_t collar(const struct instrument_rec *terms, uint8_t side, int64_t reference)
{
    wide width = (wide)reference * terms->collar_bps / 10000;
    if (side == SIDE_BUY) {
        wide price = (reference + width) / terms->tick * terms->tick;
        return price > bound ? 0 : price == 0 ? terms->tick : (int64_t)price;
    }
    wide price = reference - width;
    if (price <= 0)
        return terms->tick;
    return (int64_t)((price + terms->tick - 1) / terms->tick * terms->tick);
}

static bool pre_flight_refused(struct naive_venue *venue, const struct order_new_cmd *body,
                               const struct instrument_rec *terms, int64_t *price)
{
    const struct instrument_state_rec *state = &venue->states[body->instrument];
    int64_t reference = state->last_price;
    if (reference == 0)
        reference = state->reference_price;
    if (reference == 0)
        reference = state->nav;
    REFUSE_IF(state->breaker_tripped, BREAKER_TRIPPED, 0, body->instrument, 0)
    if (body->type == ORDER_MARKET) {
        REFUSE_IF(reference == 0, NO_REFERENCE, 0, 0, 0)
        *price = collar(terms, body->side, reference);
        REFUSE_IF(*price == 0, OVERFLOW, bound, terms->collar_bps, 0)
    }
    uint32_t block = terms->fat_finger_block_bps;
    uint32_t confirm = terms->fat_finger_confirm_bps;
    REFUSE_IF(reference != 0 && block != 0 && too_far(*price, reference, block), FAT_FINGER_BLOCK,
              block, bps_rounded_up(*price, reference), reference)
    REFUSE_IF(reference != 0 && confirm != 0 && (body->flags & ORDER_CONFIRM_FAT_FINGER) == 0 &&
                  too_far(*price, reference, confirm),
              FAT_FINGER_CONFIRM, confirm, bps_rounded_up(*price, reference), reference)
    REFUSE_IF(state->nav == 0 && (terms->flags & INSTRUMENT_NAV_REQUIRED) != 0, NAV_MISSING, 0, 0,
              0)
    REFUSE_IF(state->nav != 0 && terms->nav_confirm_bps != 0 &&
                  (body->flags & ORDER_CONFIRM_NAV) == 0 &&
                  too_far(*price, state->nav, terms->nav_confirm_bps),
              NAV_CONFIRM, terms->nav_confirm_bps, bps_rounded_up(*price, state->nav), state->nav)
    return false;
}

static bool eligibility_refused(struct naive_venue *venue, const struct order_new_cmd *body,
                                const struct instrument_rec *terms)
{
    const struct account_rec *account = &venue->accounts[body->account];
    uint8_t phase = venue->states[body->instrument].phase;
    bool activated = (account->flags & ACCOUNT_ACTIVATED) != 0;
    bool suspended = (account->flags & ACCOUNT_SUSPENDED) != 0;
    REFUSE_IF(terms->status != TOKEN_SECONDARY, TOKEN_STATUS, TOKEN_SECONDARY, terms->status, 0)
    REFUSE_IF(terms->trading_mode != MODE_FULL_ORDERBOOK, TRADING_MODE, MODE_FULL_ORDERBOOK,
              terms->trading_mode, 0)
    REFUSE_IF(phase != PHASE_CONTINUOUS, PHASE, PHASE_CONTINUOUS, phase, 0)
    REFUSE_IF((account->flags & ACCOUNT_HAS_WALLET) == 0, NO_WALLET, 0, body->account, 0)
    REFUSE_IF(account->kyc != KYC_APPROVED, KYC, KYC_APPROVED, account->kyc, 0)
    REFUSE_IF(account->fatca != FATCA_CLEAR, FATCA, FATCA_CLEAR, account->fatca, 0)
    REFUSE_IF(!activated || suspended, NOT_ACTIVATED, 0, body->account, 0)
    REFUSE_IF(venue->members[account->member].suspended, MEMBER_SUSPENDED, 0, account->member, 0)
    return false;
}

static bool value_refused(struct naive_venue *venue, const struct order_new_cmd *body,
                          const struct instrument_rec *terms, int64_t price)
{
    static const int64_t dollars[] = {0, 500, 5000, 50000};
    const struct account_rec *account = &venue->accounts[body->account];
    wide value = notional(terms, price, body->quantity);
    REFUSE_IF(value > bound, OVERFLOW, bound, body->quantity, price)
    REFUSE_IF(terms->order_notional_max != 0 && value > terms->order_notional_max, NOTIONAL_MAX,
              terms->order_notional_max, (int64_t)value, 0)
    int64_t limit = dollars[account->accreditation] * 1000000;
    REFUSE_IF(body->side == SIDE_BUY && (account->flags & ACCOUNT_NO_LIMITS) == 0 && value > limit,
              INVESTMENT_LIMIT, limit, (int64_t)value, 0)
    return false;
}

static bool rests(const struct naive_order *order)
{
    return order->type == ORDER_LIMIT && order->tif != TIF_IOC;
}

static bool funds_refused(struct naive_venue *venue, const struct naive_order *order)
{
    const struct instrument_rec *terms = &venue->instruments[order->instrument];
    if (rests(order)) {
        uint32_t levels = count_levels(venue);
        REFUSE_IF(venue->order_count >= venue->orders_max, ORDERS_MAX, venue->orders_max,
                  venue->order_count, 0)
        REFUSE_IF(levels >= venue->levels_max &&
                      !level_exists(venue, order->instrument, order->side, order->price),
                  LEVELS_MAX, venue->levels_max, levels, 0)
    }
    const struct balance_rec *balance = held_balance(venue, order);
    int64_t there = balance->available;
    if (order->side == SIDE_SELL) {
        there -= balance->blocked;
        if ((terms->flags & INSTRUMENT_SELL_UNSETTLED) == 0)
            there -= balance->unsettled;
    }
    if (there < 0)
        there = 0;
    int64_t hold = hold_of(venue, order, order->quantity);
    REFUSE_IF(hold > there, INSUFFICIENT_BALANCE, hold, there, 0)
    REFUSE_IF(order->type == ORDER_MARKET &&
                  best_against(venue, order->instrument, order->side, order->price) == NULL,
              NO_LIQUIDITY, order->price, order->quantity, 0)
    return false;
}

static bool identity_refused(struct naive_venue *venue, const struct order_new_cmd *body)
{
    if (session_refused(venue) || account_refused(venue, body->account))
        return true;
    REFUSE_IF(body->instrument == 0 || body->instrument >= NAIVE_INSTRUMENTS ||
                  venue->instruments[body->instrument].instrument == 0,
              UNKNOWN_INSTRUMENT, 0, body->instrument, 0)
    REFUSE_IF(venue->state != VENUE_OPEN, VENUE_CANCEL_ONLY, 0, venue->state, 0)
    REFUSE_IF(body->client_id_bytes == 0, CLIENT_ID_LENGTH, 36, 0, 0)
    return false;
}

static void book_trade(struct naive_venue *venue, const struct naive_order *buy,
                       const struct naive_order *sell, int64_t price, int64_t quantity,
                       struct trade_evt *out)
{
    const struct instrument_rec *terms = &venue->instruments[buy->instrument];
    uint32_t own_bps = venue->accounts[sell->account].fee_bps;
    uint32_t bps = own_bps == FEE_BPS_DEFAULT ? terms->fee_bps : own_bps;
    int64_t value = (int64_t)notional(terms, price, quantity);
    int64_t fee = (int64_t)((wide)value * bps / 10000);
    int64_t saved = (int64_t)notional(terms, buy->price, quantity) - value;
    struct balance_rec *buyer_cash = balance_of(venue, buy->account, terms->cash_asset);
    struct balance_rec *buyer_tokens = balance_of(venue, buy->account, terms->token_asset);
    struct balance_rec *seller_cash = balance_of(venue, sell->account, terms->cash_asset);
    struct balance_rec *seller_tokens = balance_of(venue, sell->account, terms->token_asset);
    buyer_cash->held -= value + saved;
    buyer_cash->available += saved;
    buyer_tokens->available += quantity;
    buyer_tokens->unsettled += quantity;
    seller_tokens->held -= quantity;
    seller_cash->available += value - fee;
    seller_cash->unsettled += value - fee;
    balance_of(venue, ACCOUNT_TREASURY, terms->cash_asset)->available += fee;
    out->maker_fee = out->taker_side == SIDE_BUY ? fee : 0;
    out->taker_fee = out->taker_side == SIDE_SELL ? fee : 0;
    out->buyer_released = saved;
}

static void trade(struct naive_venue *venue, struct naive_order *taker, struct naive_order *maker)
{
    bool buys = taker->side == SIDE_BUY;
    int64_t quantity = taker->leaves < maker->leaves ? taker->leaves : maker->leaves;
    taker->leaves -= quantity;
    maker->leaves -= quantity;
    struct trade_evt *out = &emit(venue, EVT_trade)->body.trade;
    out->instrument = taker->instrument;
    out->taker_side = taker->side;
    out->price = maker->price;
    out->quantity = quantity;
    out->maker_order = maker->id;
    out->taker_order = taker->id;
    out->maker_account = maker->account;
    out->taker_account = taker->account;
    out->maker_leaves = maker->leaves;
    out->taker_leaves = taker->leaves;
    book_trade(venue, buys ? taker : maker, buys ? maker : taker, maker->price, quantity, out);
    venue->states[taker->instrument].last_price = maker->price;
}

static bool breaker_trips(struct naive_venue *venue, uint32_t instrument)
{
    struct instrument_state_rec *state = &venue->states[instrument];
    uint32_t bps = venue->instruments[instrument].breaker_bps;
    int64_t reference = state->reference_price != 0 ? state->reference_price : state->nav;
    if (bps == 0 || reference == 0 || !too_far(state->last_price, reference, bps))
        return false;
    state->breaker_tripped = 1;
    memcpy(&emit(venue, EVT_instrument_state)->body, state, sizeof(*state));
    return true;
}

static uint8_t match(struct naive_venue *venue, struct naive_order *taker)
{
    while (taker->leaves > 0) {
        struct naive_order *maker =
            best_against(venue, taker->instrument, taker->side, taker->price);
        if (maker == NULL)
            break;
        if (room(venue) < 3)
            return CANCEL_LIMIT;
        trade(venue, taker, maker);
        if (maker->leaves == 0)
            erase_order(venue, maker);
        if (breaker_trips(venue, taker->instrument))
            return CANCEL_BREAKER;
    }
    return 0;
}

static void apply_order_new(struct naive_venue *venue)
{
    const struct order_new_cmd *body = &venue->command->body.order_new;
    int64_t price = body->price;
    if (identity_refused(venue, body))
        return;
    const struct instrument_rec *terms = &venue->instruments[body->instrument];
    if (form_refused(venue, body, terms) || pre_flight_refused(venue, body, terms, &price) ||
        eligibility_refused(venue, body, terms) || value_refused(venue, body, terms, price))
        return;
    struct naive_order order = {.id = venue->command->header.sequence,
                                .account = body->account,
                                .instrument = body->instrument,
                                .session = venue->command->header.session,
                                .side = body->side,
                                .type = body->type,
                                .tif = body->tif,
                                .price = price,
                                .quantity = body->quantity,
                                .leaves = body->quantity};
    if (funds_refused(venue, &order))
        return;
    int64_t hold = hold_of(venue, &order, order.quantity);
    held_balance(venue, &order)->available -= hold;
    held_balance(venue, &order)->held += hold;
    struct order_accepted_evt *out = &emit(venue, EVT_order_accepted)->body.order_accepted;
    *out = (struct order_accepted_evt){.order = order.id,
                                       .account = order.account,
                                       .instrument = order.instrument,
                                       .price = price,
                                       .quantity = order.quantity,
                                       .held = hold,
                                       .side = order.side,
                                       .type = order.type,
                                       .tif = order.tif,
                                       .flags = body->flags,
                                       .client_id_bytes = body->client_id_bytes};
    memcpy(out->client_id, command_tail(venue->command), body->client_id_bytes);
    uint8_t stop = match(venue, &order);
    if (order.leaves == 0)
        return;
    if (stop == 0 && rests(&order))
        venue->orders[venue->order_count++] = order;
    else
        cancel(venue, &order, stop != 0 ? stop : CANCEL_IOC);
}

// ---- cancel, amend, mass cancel
// -----------------------------------------------------------------------------

static struct naive_order *named_order(struct naive_venue *venue, uint64_t id, uint32_t account)
{
    if (session_refused(venue) || account_refused(venue, account))
        return NULL;
    struct naive_order *order = find_order(venue, id);
    if (order == NULL) {
        reject(venue, REJECT_UNKNOWN_ORDER, 0, (int64_t)id, 0);
        return NULL;
    }
    if (order->account != account) {
        reject(venue, REJECT_NOT_OWNER, 0, (int64_t)id, 0);
        return NULL;
    }
    return order;
}

static void apply_order_cancel(struct naive_venue *venue)
{
    const struct order_cancel_cmd *body = &venue->command->body.order_cancel;
    struct naive_order *order = named_order(venue, body->order, body->account);
    if (order == NULL)
        return;
    cancel(venue, order, CANCEL_BY_OWNER);
    erase_order(venue, order);
}

static bool amend_refused(struct naive_venue *venue, const struct naive_order *order)
{
    const struct order_amend_cmd *body = &venue->command->body.order_amend;
    int64_t lot = venue->instruments[order->instrument].lot;
    int64_t filled = order->quantity - order->leaves;
    REFUSE_IF(venue->state != VENUE_OPEN, VENUE_CANCEL_ONLY, 0, venue->state, 0)
    REFUSE_IF(body->client_id_bytes == 0, CLIENT_ID_LENGTH, 36, 0, 0)
    REFUSE_IF(body->price != order->price, AMEND_PRICE, order->price, body->price, 0)
    REFUSE_IF(body->quantity <= 0, QUANTITY_NOT_POSITIVE, 1, body->quantity, 0)
    REFUSE_IF(body->quantity % lot != 0, OFF_LOT, lot, body->quantity, 0)
    REFUSE_IF(body->quantity >= order->quantity || body->quantity <= filled, AMEND_NOT_DOWN,
              order->quantity, body->quantity, filled)
    return false;
}

static void apply_order_amend(struct naive_venue *venue)
{
    const struct order_amend_cmd *body = &venue->command->body.order_amend;
    struct naive_order *order = named_order(venue, body->order, body->account);
    if (order == NULL || amend_refused(venue, order))
        return;
    int64_t less = order->quantity - body->quantity;
    order->quantity -= less;
    order->leaves -= less;
    struct order_amended_evt *out = &emit(venue, EVT_order_amended)->body.order_amended;
    *out = (struct order_amended_evt){.order = order->id,
                                      .account = order->account,
                                      .instrument = order->instrument,
                                      .quantity = order->quantity,
                                      .leaves = order->leaves,
                                      .released = release(venue, order, less),
                                      .side = order->side,
                                      .client_id_bytes = body->client_id_bytes,
                                      .price = order->price};
    memcpy(out->client_id, command_tail(venue->command), body->client_id_bytes);
}

static bool barred(const struct naive_venue *venue, uint32_t id)
{
    const struct account_rec *account = &venue->accounts[id];
    const uint8_t flags = ACCOUNT_HAS_WALLET | ACCOUNT_ACTIVATED;
    return (account->flags & (flags | ACCOUNT_SUSPENDED)) != flags ||
           account->kyc != KYC_APPROVED || account->fatca != FATCA_CLEAR ||
           venue->members[account->member].suspended != 0;
}

static bool any_barred(const struct naive_venue *venue)
{
    for (uint32_t i = 0; i < venue->order_count; i++)
        if (barred(venue, venue->orders[i].account))
            return true;
    return false;
}

// What the core does by itself: the orders of the lowest account that may not trade any more.
static void cancel_barred(struct naive_venue *venue)
{
    uint32_t account = 0;
    for (uint32_t i = 0; i < venue->order_count; i++)
        if (barred(venue, venue->orders[i].account) &&
            (account == 0 || venue->orders[i].account < account))
            account = venue->orders[i].account;
    for (uint32_t session = 1; session < NAIVE_SESSIONS; session++) {
        uint32_t i = 0;
        while (i < venue->order_count && room(venue) > 1) {
            struct naive_order *order = &venue->orders[i];
            if (order->session != session || order->account != account) {
                i++;
                continue;
            }
            cancel(venue, order, CANCEL_SUSPENDED);
            erase_order(venue, order);
        }
    }
    venue->unfinished = any_barred(venue);
    done(venue, 0, venue->event_count);
}

static void apply_order_mass_cancel(struct naive_venue *venue)
{
    const struct order_mass_cancel_cmd *body = &venue->command->body.order_mass_cancel;
    if (venue->command->header.gateway == GATEWAY_CORE && venue->command->header.session == 0) {
        cancel_barred(venue);
        return;
    }
    if (session_refused(venue) || (body->account != 0 && account_refused(venue, body->account)))
        return;
    if (body->instrument >= NAIVE_INSTRUMENTS ||
        (body->instrument != 0 && venue->instruments[body->instrument].instrument == 0)) {
        reject(venue, REJECT_UNKNOWN_INSTRUMENT, 0, body->instrument, 0);
        return;
    }
    uint32_t i = 0;
    while (i < venue->order_count) {
        struct naive_order *order = &venue->orders[i];
        if (order->session != venue->command->header.session ||
            (body->account != 0 && body->account != order->account) ||
            (body->instrument != 0 && body->instrument != order->instrument)) {
            i++;
            continue;
        }
        if (room(venue) == 1) {
            venue->unfinished = true;
            break;
        }
        cancel(venue, order, CANCEL_MASS);
        erase_order(venue, order);
    }
    done(venue, 0, venue->event_count);
}

// ---- gateways and sessions
// --------------------------------------------------------------------------------

static struct naive_order *order_of_session(struct naive_venue *venue, uint32_t session)
{
    for (uint32_t i = 0; i < venue->order_count; i++)
        if (venue->orders[i].session == session)
            return &venue->orders[i];
    return NULL;
}

static bool leave(struct naive_venue *venue, uint32_t id, uint8_t reason)
{
    struct naive_session *session = &venue->sessions[id];
    struct naive_order *order = NULL;
    if ((session->terms.flags & SESSION_CANCEL_ON_DISCONNECT) != 0)
        while ((order = order_of_session(venue, id)) != NULL) {
            if (room(venue) < 2)
                return false;
            cancel(venue, order, reason);
            erase_order(venue, order);
        }
    if (room(venue) < 1)
        return false;
    emit(venue, EVT_session_closed)->body.session_closed =
        (struct session_closed_evt){.closed_session = id, .reason = reason};
    session->open = false;
    return true;
}

static void leave_all(struct naive_venue *venue, uint8_t gateway)
{
    for (uint32_t id = 1; id < NAIVE_SESSIONS; id++) {
        const struct naive_session *session = &venue->sessions[id];
        bool cancels = (session->terms.flags & SESSION_CANCEL_ON_DISCONNECT) != 0;
        if (session->terms.session == 0 || session->terms.gateway != gateway)
            continue;
        if (!session->open && !(cancels && order_of_session(venue, id) != NULL))
            continue;
        if (!leave(venue, id, CANCEL_DISCONNECT)) {
            venue->unfinished = true;
            return;
        }
    }
}

static void apply_gateway_attach(struct naive_venue *venue)
{
    const struct command_header *header = &venue->command->header;
    uint8_t id = header->gateway;
    emit(venue, EVT_gateway_attached)->body.gateway_attached =
        (struct gateway_attached_evt){.gateway_id = id,
                                      .incarnation = header->incarnation,
                                      .last_gateway_seq = venue->gateways[id].last_seq};
    bool same = venue->gateways[id].incarnation == header->incarnation;
    venue->gateways[id].attached = true;
    venue->gateways[id].incarnation = header->incarnation;
    venue->gateways[id].last_seq = header->gateway_seq;
    if (!same)
        leave_all(venue, id);
}

static void apply_gateway_detach(struct naive_venue *venue, bool resumes)
{
    const struct gateway_detach_cmd *body = &venue->command->body.gateway_detach;
    bool current = venue->gateways[body->gateway_id].incarnation == body->old_incarnation;
    emit(venue, EVT_gateway_detached)->body.gateway_detached = (struct gateway_detached_evt){
        .gateway_id = body->gateway_id, .incarnation = body->old_incarnation};
    if (current)
        venue->gateways[body->gateway_id].attached = false;
    if (current || resumes)
        leave_all(venue, (uint8_t)body->gateway_id);
}

static bool other_session_refused(struct naive_venue *venue, uint32_t id)
{
    uint8_t gateway = venue->command->header.gateway;
    REFUSE_IF(id == 0 || id >= NAIVE_SESSIONS || venue->sessions[id].terms.session == 0,
              UNKNOWN_SESSION, 0, id, 0)
    REFUSE_IF(gateway != GATEWAY_CORE && venue->sessions[id].terms.gateway != gateway,
              SESSION_WRONG_GATEWAY, venue->sessions[id].terms.gateway, id, gateway)
    return false;
}

static void apply_session_open(struct naive_venue *venue)
{
    uint32_t id = venue->command->body.session_open.opened_session;
    if (other_session_refused(venue, id))
        return;
    struct naive_session *session = &venue->sessions[id];
    emit(venue, EVT_session_opened)->body.session_opened = (struct session_opened_evt){
        .opened_session = id, .last_session_seq = session->last_session_seq};
    session->open = true;
    if (venue->command->header.session == id && venue->command->header.session_seq != 0)
        session->last_session_seq = venue->command->header.session_seq;
}

static void apply_session_close(struct naive_venue *venue)
{
    const struct session_close_cmd *body = &venue->command->body.session_close;
    if (other_session_refused(venue, body->closed_session))
        return;
    bool believed =
        venue->command->header.gateway == GATEWAY_CORE || body->reason == CANCEL_BY_OWNER;
    venue->unfinished =
        !leave(venue, body->closed_session, believed ? (uint8_t)body->reason : CANCEL_DISCONNECT);
}

// ---- ledger
// -------------------------------------------------------------------------------------------------

// True if the command is answered already.
static bool reference_answered(struct naive_venue *venue, uint32_t source, uint64_t number,
                               bool same_content)
{
    uint64_t last = venue->references[source].number;
    REFUSE_IF(number < last || number == 0, REFERENCE_OLD, (int64_t)last, (int64_t)number, 0)
    REFUSE_IF(number == last && !same_content, REFERENCE_CONFLICT, 0, (int64_t)number, 0)
    if (number == last)
        done(venue, 1, 0);
    return number == last;
}

static bool post_refused(struct naive_venue *venue, const struct ledger_post_cmd *body,
                         const struct balance_rec *own, const struct balance_rec *counter)
{
    bool gives = body->kind == POSTING_DEPOSIT || body->kind == POSTING_CREDIT;
    int64_t free = own->available - own->unsettled - own->blocked;
    REFUSE_IF(!gives && body->amount > own->available, INSUFFICIENT_BALANCE, body->amount,
              own->available, 0)
    REFUSE_IF(body->kind == POSTING_WITHDRAWAL && body->amount > (free > 0 ? free : 0),
              WITHDRAWAL_UNSETTLED, free > 0 ? free : 0, body->amount, 0)
    REFUSE_IF(body->amount > bound || (gives && (wide)counter->available - body->amount < -bound),
              OVERFLOW, bound, body->amount, 0)
    return false;
}

static bool post_form_refused(struct naive_venue *venue, const struct ledger_post_cmd *body)
{
    REFUSE_IF(body->kind < POSTING_DEPOSIT || body->kind > POSTING_DEBIT, POSTING_KIND, 0,
              body->kind, 0)
    REFUSE_IF(body->amount <= 0, QUANTITY_NOT_POSITIVE, 1, body->amount, 0)
    REFUSE_IF(body->account >= NAIVE_ACCOUNTS || venue->accounts[body->account].account == 0,
              UNKNOWN_ACCOUNT, 0, body->account, 0)
    REFUSE_IF(body->asset >= NAIVE_ASSETS || venue->assets[body->asset].asset == 0, UNKNOWN_ASSET,
              0, body->asset, 0)
    return false;
}

static void apply_ledger_post(struct naive_venue *venue)
{
    const struct ledger_post_cmd *body = &venue->command->body.ledger_post;
    uint32_t source = body->ref_source;
    if (reference_answered(venue, source, body->ref_number,
                           body->ref_hash == venue->references[source].hash) ||
        post_form_refused(venue, body))
        return;
    bool outside = body->kind == POSTING_DEPOSIT || body->kind == POSTING_WITHDRAWAL;
    bool gives = body->kind == POSTING_DEPOSIT || body->kind == POSTING_CREDIT;
    uint32_t other = outside ? ACCOUNT_OUTSIDE : ACCOUNT_SUSPENSE;
    struct balance_rec *own = balance_of(venue, body->account, body->asset);
    struct balance_rec *counter = balance_of(venue, other, body->asset);
    if (post_refused(venue, body, own, counter))
        return;
    int64_t change = gives ? body->amount : -body->amount;
    own->available += change;
    counter->available -= change;
    venue->references[source].number = body->ref_number;
    venue->references[source].hash = body->ref_hash;
    emit(venue, EVT_ledger_posted)->body.ledger_posted =
        (struct ledger_posted_evt){.account = body->account,
                                   .asset = body->asset,
                                   .amount = change,
                                   .kind = body->kind,
                                   .counter_account = other,
                                   .ref_source = source,
                                   .ref_number = body->ref_number,
                                   .available = own->available,
                                   .held = own->held,
                                   .unsettled = own->unsettled,
                                   .blocked = own->blocked};
}

static void apply_settlement_result(struct naive_venue *venue)
{
    const struct settlement_result_cmd *body = &venue->command->body.settlement_result;
    bool same = memcmp(body, &venue->last_settlement, sizeof(*body)) == 0;
    if (reference_answered(venue, REF_SETTLE, body->ref_number, same))
        return;
    const struct instrument_rec *terms = &venue->instruments[body->instrument];
    struct balance_rec *tokens = balance_of(venue, body->buyer_account, terms->token_asset);
    struct balance_rec *cash = balance_of(venue, body->seller_account, terms->cash_asset);
    bool retried = body->outcome == SETTLEMENT_RETRIED;
    int64_t there = retried ? tokens->blocked : tokens->unsettled;
    if (there < body->quantity) {
        reject(venue, REJECT_SETTLEMENT_MISMATCH, there, body->quantity, 0);
        return;
    }
    if (cash->unsettled < body->proceeds) {
        reject(venue, REJECT_SETTLEMENT_MISMATCH, cash->unsettled, body->proceeds, 1);
        return;
    }
    tokens->unsettled += retried ? body->quantity : -body->quantity;
    if (body->outcome == SETTLEMENT_SETTLED)
        cash->unsettled -= body->proceeds;
    else
        tokens->blocked += retried ? -body->quantity : body->quantity;
    venue->references[REF_SETTLE].number = body->ref_number;
    venue->last_settlement = *body;
    emit(venue, EVT_settlement_booked)->body.settlement_booked =
        *(const struct settlement_booked_evt *)(const void *)body;
}

// ---- reference data: always valid here
// ------------------------------------------------------------------------

static void state_changed(struct naive_venue *venue, uint32_t instrument)
{
    memcpy(&emit(venue, EVT_instrument_state)->body, &venue->states[instrument],
           sizeof(venue->states[instrument]));
}

static void apply_instrument_set(struct naive_venue *venue)
{
    uint32_t id = venue->command->body.instrument_set.instrument;
    bool is_new = venue->instruments[id].instrument == 0;
    memcpy(&venue->instruments[id], &venue->command->body, sizeof(venue->instruments[id]));
    memcpy(&emit(venue, EVT_instrument_changed)->body, &venue->command->body,
           sizeof(venue->instruments[id]));
    if (!is_new)
        return;
    venue->states[id] = (struct instrument_state_rec){.instrument = id, .phase = PHASE_CLOSED};
    state_changed(venue, id);
}

static void apply_session_set(struct naive_venue *venue)
{
    struct naive_session *session = &venue->sessions[venue->command->body.session_set.session];
    memcpy(&session->terms, &venue->command->body, sizeof(session->terms));
    memcpy(&emit(venue, EVT_session_changed)->body, &session->terms, sizeof(session->terms));
    session->accounts = 0;
    for (uint32_t i = 0; i < session->terms.account_count; i++) {
        uint32_t account = 0;
        memcpy(&account, command_tail(venue->command) + i * sizeof(account), sizeof(account));
        session->accounts |= 1u << account;
    }
    for (uint32_t account = 0; account < NAIVE_ACCOUNTS; account++)
        if ((session->accounts >> account & 1) != 0)
            emit(venue, EVT_session_account)->body.session_account =
                (struct session_account_evt){.session = session->terms.session, .account = account};
}

static void apply_reference_data(struct naive_venue *venue)
{
    const struct command *command = venue->command;
    uint32_t id = 0;
    memcpy(&id, &command->body, sizeof(id));
    switch (command->header.type) {
    case CMD_venue_state:
        venue->state = command->body.venue_state.state;
        memcpy(&emit(venue, EVT_venue_state_changed)->body, &command->body,
               sizeof(struct venue_state_cmd));
        return;
    case CMD_asset_set:
        memcpy(&venue->assets[id], &command->body, sizeof(venue->assets[id]));
        memcpy(&emit(venue, EVT_asset_changed)->body, &command->body, sizeof(venue->assets[id]));
        return;
    case CMD_member_set:
        memcpy(&venue->members[id], &command->body, sizeof(venue->members[id]));
        memcpy(&emit(venue, EVT_member_changed)->body, &command->body, sizeof(venue->members[id]));
        venue->unfinished = any_barred(venue);
        return;
    case CMD_account_set:
        memcpy(&venue->accounts[id], &command->body, sizeof(venue->accounts[id]));
        memcpy(&emit(venue, EVT_account_changed)->body, &command->body,
               sizeof(venue->accounts[id]));
        venue->unfinished = any_barred(venue);
        return;
    case CMD_instrument_phase:
        venue->states[id].phase = command->body.instrument_phase.phase;
        break;
    case CMD_nav_set:
        venue->states[id].nav = command->body.nav_set.nav;
        venue->states[id].nav_time_ns = command->header.time_ns;
        break;
    case CMD_reference_set:
        venue->states[id].reference_price = command->body.reference_set.price;
        break;
    case CMD_breaker_set:
        venue->states[id].breaker_tripped = command->body.breaker_set.tripped;
        break;
    default:
        ASSERT(false);
    }
    state_changed(venue, id);
}

static bool attached(struct naive_venue *venue)
{
    const struct command_header *header = &venue->command->header;
    if (header->gateway == GATEWAY_CORE || header->type == CMD_gateway_attach)
        return true;
    if (!venue->gateways[header->gateway].attached ||
        venue->gateways[header->gateway].incarnation != header->incarnation) {
        reject(venue, REJECT_NOT_ATTACHED, venue->gateways[header->gateway].incarnation,
               header->incarnation, 0);
        return false;
    }
    venue->gateways[header->gateway].last_seq = header->gateway_seq;
    if (header->session < NAIVE_SESSIONS && header->session_seq != 0 &&
        venue->sessions[header->session].terms.gateway == header->gateway &&
        header->type != CMD_session_open)
        venue->sessions[header->session].last_session_seq = header->session_seq;
    return true;
}

void naive_apply(struct naive_venue *venue, const struct command *command)
{
    bool resumes = venue->unfinished && command->header.gateway == GATEWAY_CORE;
    venue->command = command;
    venue->event_count = 0;
    if (command->header.type == CMD_journal_digest || command->header.type == CMD_clock_tick) {
        done(venue, 0, 0);
        return;
    }
    venue->unfinished = false;
    if (!attached(venue))
        return;
    switch (command->header.type) {
    case CMD_gateway_attach:
        apply_gateway_attach(venue);
        return;
    case CMD_gateway_detach:
        apply_gateway_detach(venue, resumes);
        return;
    case CMD_session_open:
        apply_session_open(venue);
        return;
    case CMD_session_close:
        apply_session_close(venue);
        return;
    case CMD_order_new:
        apply_order_new(venue);
        return;
    case CMD_order_cancel:
        apply_order_cancel(venue);
        return;
    case CMD_order_amend:
        apply_order_amend(venue);
        return;
    case CMD_order_mass_cancel:
        apply_order_mass_cancel(venue);
        return;
    case CMD_instrument_set:
        apply_instrument_set(venue);
        return;
    case CMD_session_set:
        apply_session_set(venue);
        return;
    case CMD_ledger_post:
        apply_ledger_post(venue);
        return;
    case CMD_settlement_result:
        apply_settlement_result(venue);
        return;
    default:
        apply_reference_data(venue);
        return;
    }
}
