// What the naive venue refuses: who asks, then the entry checks and the checks of an amend, in the
// order of the rulebook.
#include "tests/model/naive_parts.h"

// ---- who asks

bool naive_session_refused(struct naive_venue *venue)
{
    uint32_t id = venue->command->header.session;
    uint8_t gateway = venue->command->header.gateway;
    const struct naive_session *session = id < NAIVE_SESSIONS ? &venue->sessions[id] : NULL;
    bool disabled = session != NULL && (session->terms.flags & SESSION_DISABLED) != 0;
    REFUSE_IF(session == NULL || session->terms.session == 0 ||
                  (disabled && gateway != GATEWAY_CORE),
              UNKNOWN_SESSION, 0, id, 0)
    REFUSE_IF(gateway != GATEWAY_CORE && session->terms.gateway != gateway, SESSION_WRONG_GATEWAY,
              session->terms.gateway, id, gateway)
    return false;
}

// The right that is needed of the session for this account.
bool naive_account_refused(struct naive_venue *venue, uint32_t account, uint8_t right)
{
    const struct naive_session *session = &venue->sessions[venue->command->header.session];
    REFUSE_IF(account >= NAIVE_ACCOUNTS || (session->accounts >> account & 1) == 0,
              ACCOUNT_NOT_OF_SESSION, 0, account, 0)
    uint8_t rights = session->rights[account];
    REFUSE_IF((rights & right) == 0, ACCOUNT_RIGHT, right, account, rights)
    return false;
}

bool naive_instrument_refused(struct naive_venue *venue, uint32_t id)
{
    REFUSE_IF(id == 0 || id >= NAIVE_INSTRUMENTS || venue->instruments[id].terms.instrument == 0,
              UNKNOWN_INSTRUMENT, 0, id, 0)
    return false;
}

bool naive_member_account_refused(struct naive_venue *venue, uint32_t id)
{
    REFUSE_IF(id >= NAIVE_ACCOUNTS || venue->accounts[id].account == 0, UNKNOWN_ACCOUNT, 0, id, 0)
    return false;
}

// ---- form

static bool is_stop(uint8_t type)
{
    return type == ORDER_STOP || type == ORDER_STOP_LIMIT || type == ORDER_TRAILING_STOP;
}

static bool has_limit(uint8_t type)
{
    return type == ORDER_LIMIT || type == ORDER_STOP_LIMIT;
}

static bool is_open_ended(uint8_t tif)
{
    return tif == TIF_DAY || tif == TIF_GTC || tif == TIF_GTD;
}

static bool words_refused(struct naive_venue *venue, const struct order_new_terms_cmd *body,
                          const struct instrument_rec *terms)
{
    bool known = has_limit(body->type) || is_stop(body->type) || body->type == ORDER_MARKET;
    bool tif_known = body->tif <= TIF_GTD && body->tif != 5;
    REFUSE_IF(body->side != SIDE_BUY && body->side != SIDE_SELL, SIDE, 0, body->side, 0)
    REFUSE_IF(body->quantity <= 0, QUANTITY_NOT_POSITIVE, 1, body->quantity, 0)
    REFUSE_IF(!known || (!has_limit(body->type) && terms->collar_bps == 0), ORDER_TYPE, 0,
              body->type, 0)
    REFUSE_IF(!tif_known && body->tif != TIF_AT_CLOSE, TIME_IN_FORCE, 0, body->tif, 0)
    REFUSE_IF(body->flags > ORDER_FLAGS_ALL, ORDER_FLAGS, ORDER_FLAGS_ALL, body->flags, 0)
    REFUSE_IF(body->stp > STP_DECREMENT, STP_MODE, STP_DECREMENT, body->stp, 0)
    return false;
}

static bool stop_price_fits(const struct order_new_terms_cmd *body)
{
    if (!is_stop(body->type))
        return body->stop_price == 0;
    return body->stop_price <= NAIVE_MONEY_MAX &&
           body->stop_price >= (body->type == ORDER_TRAILING_STOP ? 0 : 1);
}

static bool combination_refused(struct naive_venue *venue, const struct order_new_terms_cmd *body,
                                const struct instrument_rec *terms)
{
    bool trailing = body->type == ORDER_TRAILING_STOP;
    bool ends = is_open_ended(body->tif);
    bool ice = has_limit(body->type) && ends && body->display_quantity > 0 &&
               body->display_quantity < body->quantity &&
               body->display_quantity % terms->lot == 0 &&
               (wide)body->display_quantity * 1000 >= body->quantity;
    bool least = body->tif == TIF_IOC && body->minimum_quantity > 0 &&
                 body->minimum_quantity <= body->quantity &&
                 body->minimum_quantity % terms->lot == 0;
    bool trails = trailing && body->trail_offset > 0 && body->trail_offset <= NAIVE_MONEY_MAX &&
                  body->trail_offset % terms->tick == 0;
    bool dated =
        body->tif == TIF_GTD && body->expire_ns <= INT64_MAX && body->expire_ns > venue->now;
    REFUSE_IF(!ends && body->type != ORDER_LIMIT && body->type != ORDER_MARKET, TIF_COMBINATION, 0,
              body->type, body->tif)
    REFUSE_IF((body->flags & ORDER_POST_ONLY) != 0 && (body->type != ORDER_LIMIT || !ends),
              POST_ONLY_COMBINATION, 0, body->type, body->tif)
    REFUSE_IF(!stop_price_fits(body), STOP_PRICE, 0, body->stop_price, body->type)
    REFUSE_IF(trailing ? !trails : body->trail_offset != 0, TRAIL_OFFSET, terms->tick,
              body->trail_offset, body->type)
    REFUSE_IF(body->display_quantity != 0 && !ice, DISPLAY_QUANTITY, body->quantity,
              body->display_quantity, 0)
    REFUSE_IF(body->minimum_quantity != 0 && !least, MINIMUM_QUANTITY, body->quantity,
              body->minimum_quantity, body->tif)
    REFUSE_IF(body->tif == TIF_GTD ? !dated : body->expire_ns != 0, EXPIRE_TIME,
              (int64_t)venue->now, (int64_t)body->expire_ns, body->tif)
    return false;
}

static bool off_tick_refused(struct naive_venue *venue, const struct naive_instrument *instrument,
                             int64_t price)
{
    int64_t tick = naive_tick_at(instrument, price);
    REFUSE_IF(price > 0 && price % tick != 0, OFF_TICK, tick, price, 0)
    return false;
}

static bool size_refused(struct naive_venue *venue, const struct order_new_terms_cmd *body,
                         const struct naive_instrument *instrument)
{
    const struct instrument_rec *terms = &instrument->terms;
    int64_t least = instrument->rules.order_quantity_min;
    REFUSE_IF(has_limit(body->type) && body->price <= 0, PRICE_NOT_POSITIVE, 1, body->price, 0)
    REFUSE_IF(!has_limit(body->type) && body->price != 0, PRICE_ON_MARKET, 0, body->price, 0)
    if (off_tick_refused(venue, instrument, body->price) ||
        off_tick_refused(venue, instrument, body->stop_price))
        return true;
    REFUSE_IF(body->quantity % terms->lot != 0, OFF_LOT, terms->lot, body->quantity, 0)
    REFUSE_IF(terms->order_quantity_max != 0 && body->quantity > terms->order_quantity_max,
              QUANTITY_MAX, terms->order_quantity_max, body->quantity, 0)
    REFUSE_IF(body->quantity < least, QUANTITY_MIN, least, body->quantity, 0)
    return false;
}

// ---- prices

static bool collar_refused(struct naive_venue *venue, struct naive_order *order, int64_t reference)
{
    const struct naive_instrument *instrument = &venue->instruments[order->instrument];
    order->price = naive_collar(instrument, order->side, reference);
    REFUSE_IF(order->price == 0, OVERFLOW, NAIVE_MONEY_MAX, instrument->terms.collar_bps, 0)
    return false;
}

static bool trailing_start_refused(struct naive_venue *venue, struct naive_order *order)
{
    int64_t last = venue->instruments[order->instrument].state.last_price;
    REFUSE_IF(last == 0, NO_REFERENCE, 0, 0, 0)
    int64_t tick = venue->instruments[order->instrument].terms.tick;
    wide start = (wide)(last - last % tick) +
                 (order->side == SIDE_BUY ? order->trail_offset : -order->trail_offset);
    REFUSE_IF(start <= 0 || start > NAIVE_MONEY_MAX, TRAIL_OFFSET, last, order->trail_offset,
              order->type)
    order->stop_price = (int64_t)start;
    return false;
}

// Fills in the price of an order that has none.
static bool price_refused(struct naive_venue *venue, struct naive_order *order)
{
    int64_t judged_by = naive_judged_by(&venue->instruments[order->instrument]);
    if (has_limit(order->type))
        return false;
    if (order->type == ORDER_MARKET) {
        REFUSE_IF(judged_by == 0, NO_REFERENCE, 0, 0, 0)
        return collar_refused(venue, order, judged_by);
    }
    if (order->stop_price == 0 && trailing_start_refused(venue, order))
        return true;
    return collar_refused(venue, order, order->stop_price);
}

static bool fat_finger_refused(struct naive_venue *venue, const struct naive_order *order,
                               uint8_t flags)
{
    const struct naive_instrument *instrument = &venue->instruments[order->instrument];
    const struct instrument_rec *terms = &instrument->terms;
    int64_t by = order->stop_price != 0 ? order->stop_price : naive_judged_by(instrument);
    int64_t price = order->price;
    uint32_t block = terms->fat_finger_block_bps;
    uint32_t confirm = terms->fat_finger_confirm_bps;
    REFUSE_IF(by != 0 && block != 0 && naive_too_far(price, by, block), FAT_FINGER_BLOCK, block,
              naive_bps_rounded_up(price, by), by)
    bool asks = by != 0 && confirm != 0 && (flags & ORDER_CONFIRM_FAT_FINGER) == 0 &&
                naive_too_far(price, by, confirm);
    if (asks)
        naive_confirm_remember(venue, order, flags | ORDER_CONFIRM_FAT_FINGER);
    REFUSE_IF(asks, FAT_FINGER_CONFIRM, confirm, naive_bps_rounded_up(price, by), by)
    return false;
}

static bool far_refused(struct naive_venue *venue, const struct naive_order *order, uint8_t flags,
                        uint64_t confirm_ref)
{
    return naive_confirm_refused(venue, order, flags, confirm_ref) ||
           fat_finger_refused(venue, order, flags) || naive_nav_refused(venue, order, flags);
}

// ---- who may trade, and how much

bool naive_person_refused(struct naive_venue *venue, uint32_t id)
{
    const struct account_rec *account = &venue->accounts[id];
    bool activated = (account->flags & ACCOUNT_ACTIVATED) != 0;
    bool suspended = (account->flags & ACCOUNT_SUSPENDED) != 0;
    REFUSE_IF((account->flags & ACCOUNT_HAS_WALLET) == 0, NO_WALLET, 0, id, 0)
    REFUSE_IF(account->kyc != KYC_APPROVED, KYC, KYC_APPROVED, account->kyc, 0)
    REFUSE_IF(account->fatca != FATCA_CLEAR, FATCA, FATCA_CLEAR, account->fatca, 0)
    REFUSE_IF(!activated || suspended, NOT_ACTIVATED, 0, id, 0)
    REFUSE_IF(venue->members[account->member].suspended, MEMBER_SUSPENDED, 0, account->member, 0)
    return false;
}

bool naive_barred(const struct naive_venue *venue, uint32_t id)
{
    const struct account_rec *account = &venue->accounts[id];
    const uint8_t flags = ACCOUNT_HAS_WALLET | ACCOUNT_ACTIVATED;
    return (account->flags & (flags | ACCOUNT_SUSPENDED)) != flags ||
           account->kyc != KYC_APPROVED || account->fatca != FATCA_CLEAR ||
           venue->members[account->member].suspended != 0;
}

static bool token_refused(struct naive_venue *venue, const struct instrument_rec *terms)
{
    REFUSE_IF(terms->status != TOKEN_SECONDARY, TOKEN_STATUS, TOKEN_SECONDARY, terms->status, 0)
    REFUSE_IF(terms->trading_mode != MODE_FULL_ORDERBOOK, TRADING_MODE, MODE_FULL_ORDERBOOK,
              terms->trading_mode, 0)
    return false;
}

// The table of chapter 7.
static bool phase_takes(uint8_t phase, const struct naive_order *order)
{
    bool at_once =
        order->tif == TIF_IOC || order->tif == TIF_FOK || (order->flags & ORDER_POST_ONLY) != 0;
    if (phase == PHASE_CLOSED || phase == PHASE_HALTED)
        return false;
    if (order->tif == TIF_AT_OPEN)
        return phase == PHASE_PRE_OPEN || phase == PHASE_OPENING_AUCTION;
    return phase == PHASE_CONTINUOUS || !at_once;
}

static bool value_refused(struct naive_venue *venue, const struct naive_order *order, bool enters)
{
    const struct naive_instrument *instrument = &venue->instruments[order->instrument];
    int64_t most = instrument->terms.order_notional_max;
    int64_t least = instrument->rules.order_notional_min;
    wide value = naive_notional(instrument, order->price, order->leaves);
    REFUSE_IF(value > NAIVE_MONEY_MAX, OVERFLOW, NAIVE_MONEY_MAX, order->leaves, order->price)
    REFUSE_IF(most != 0 && value > most, NOTIONAL_MAX, most, (int64_t)value, 0)
    REFUSE_IF(enters && value < least, NOTIONAL_MIN, least, (int64_t)value, 0)
    return false;
}

// ---- places, and what there is

static bool level_refused(struct naive_venue *venue, const struct naive_order *order, uint8_t state)
{
    REFUSE_IF(!naive_level_free(venue, order, state), LEVELS_MAX, venue->limits.levels,
              naive_levels(venue), 0)
    return false;
}

static bool stops_refused(struct naive_venue *venue, const struct naive_order *order)
{
    uint32_t stops = 0;
    uint32_t trailing = 0;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        const struct naive_order *other = &venue->orders[i];
        bool waits = other->state == ORDER_STATE_PENDING_STOP;
        stops += waits || other->state == ORDER_STATE_TRIGGERED;
        trailing += waits && other->type == ORDER_TRAILING_STOP &&
                    other->instrument == order->instrument && other->side == order->side;
    }
    REFUSE_IF(stops >= venue->limits.stops, STOPS_MAX, venue->limits.stops, stops, 0)
    REFUSE_IF(order->type == ORDER_TRAILING_STOP && trailing >= venue->limits.trailing_stops,
              TRAILING_MAX, venue->limits.trailing_stops, trailing, 0)
    return false;
}

bool naive_needs_place(const struct naive_venue *venue, const struct naive_order *order)
{
    bool continuous = venue->instruments[order->instrument].state.phase == PHASE_CONTINUOUS;
    bool market = order->type == ORDER_MARKET && order->tif != TIF_AT_CLOSE;
    return order->tif != TIF_IOC && order->tif != TIF_FOK && !(continuous && market);
}

static bool capacity_refused(struct naive_venue *venue, const struct naive_order *order)
{
    uint32_t open = naive_open_orders(venue);
    if (!naive_needs_place(venue, order))
        return false;
    REFUSE_IF(open >= venue->limits.orders, ORDERS_MAX, venue->limits.orders, open, 0)
    if (is_stop(order->type))
        return stops_refused(venue, order) || level_refused(venue, order, ORDER_STATE_PENDING_STOP);
    return order->state == ORDER_STATE_OPEN && level_refused(venue, order, ORDER_STATE_OPEN);
}

static bool balances_refused(struct naive_venue *venue, const struct naive_order *order)
{
    const struct instrument_rec *terms = &venue->instruments[order->instrument].terms;
    bool *wanted[] = {&venue->opened[order->account][terms->cash_asset],
                      &venue->opened[order->account][terms->token_asset]};
    return naive_open_refused(venue, wanted, 2);
}

static bool funds_refused(struct naive_venue *venue, const struct naive_order *order, int64_t need)
{
    const struct instrument_rec *terms = &venue->instruments[order->instrument].terms;
    const struct balance_rec *balance = naive_held_in(venue, order);
    if (need > 0 && naive_deficit_refused(venue, order->account, naive_held_asset(venue, order)))
        return true;
    int64_t there = balance->available;
    if (order->side == SIDE_SELL) {
        there -= balance->blocked;
        if ((terms->flags & INSTRUMENT_SELL_UNSETTLED) == 0)
            there -= balance->unsettled;
    }
    if (there < 0)
        there = 0;
    REFUSE_IF(need > there, INSUFFICIENT_BALANCE, need, there, 0)
    return false;
}

static const struct naive_order *best_against(struct naive_venue *venue,
                                              const struct naive_order *order)
{
    const struct naive_order *best = naive_first(
        venue, order->instrument, order->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY, ORDER_STATE_OPEN);
    bool reached = best != NULL && (order->side == SIDE_BUY ? best->price <= order->price
                                                            : best->price >= order->price);
    return reached ? best : NULL;
}

static bool post_only_refused(struct naive_venue *venue, const struct naive_order *order)
{
    const struct naive_order *best = best_against(venue, order);
    REFUSE_IF((order->flags & ORDER_POST_ONLY) != 0 && best != NULL, POST_ONLY_CROSSES, best->price,
              order->price, 0)
    return false;
}

static bool at_once_refused(struct naive_venue *venue, const struct naive_order *order)
{
    if (venue->instruments[order->instrument].state.phase != PHASE_CONTINUOUS)
        return false;
    bool market = order->type == ORDER_MARKET && order->tif != TIF_AT_CLOSE;
    REFUSE_IF(market && best_against(venue, order) == NULL, NO_LIQUIDITY, order->price,
              order->quantity, 0)
    return post_only_refused(venue, order);
}

// ---- a new order

static bool client_id_refused(struct naive_venue *venue, uint8_t bytes)
{
    REFUSE_IF(bytes == 0, CLIENT_ID_LENGTH, CLIENT_ID_BYTES_MAX, 0, 0)
    return false;
}

static bool who_refused(struct naive_venue *venue, const struct order_new_terms_cmd *body)
{
    if (naive_session_refused(venue) || naive_throttle_refused(venue) ||
        naive_account_refused(venue, body->account, RIGHT_TRADE) ||
        naive_instrument_refused(venue, body->instrument))
        return true;
    REFUSE_IF(venue->state != VENUE_OPEN, VENUE_CANCEL_ONLY, 0, venue->state, 0)
    return naive_killed_refused(venue, body->account) ||
           client_id_refused(venue, body->client_id_bytes);
}

static uint8_t entry_state(const struct naive_venue *venue, const struct naive_order *order)
{
    if (is_stop(order->type))
        return ORDER_STATE_PENDING_STOP;
    if (order->tif == TIF_AT_CLOSE &&
        venue->instruments[order->instrument].state.phase != PHASE_CLOSING_AUCTION)
        return ORDER_STATE_PENDING_CLOSE;
    return ORDER_STATE_OPEN;
}

static struct naive_order order_of(const struct naive_venue *venue,
                                   const struct order_new_terms_cmd *body)
{
    struct naive_order order = {.id = venue->command->header.sequence,
                                .side = body->side,
                                .type = body->type,
                                .tif = body->tif,
                                .flags = body->flags,
                                .stp = body->stp,
                                .client_id_bytes = body->client_id_bytes,
                                .account = body->account,
                                .instrument = body->instrument,
                                .session = venue->command->header.session,
                                .self_match_id = body->self_match_id,
                                .price = body->price,
                                .quantity = body->quantity,
                                .leaves = body->quantity,
                                .stop_price = body->stop_price,
                                .trail_offset = body->trail_offset,
                                .display = body->display_quantity,
                                .expire_ns = body->expire_ns};
    memcpy(order.client_id, command_tail(venue->command), body->client_id_bytes);
    order.state = entry_state(venue, &order);
    order.buyer_bps = naive_fees_held(venue, &order);
    return order;
}

// Writes the order as it enters; its state is the one it will have unless it is matched.
bool naive_entry_refused(struct naive_venue *venue, const struct order_new_terms_cmd *body,
                         struct naive_order *order)
{
    if (who_refused(venue, body))
        return true;
    const struct naive_instrument *instrument = &venue->instruments[body->instrument];
    uint8_t phase = instrument->state.phase;
    if (words_refused(venue, body, &instrument->terms) ||
        combination_refused(venue, body, &instrument->terms) ||
        size_refused(venue, body, instrument))
        return true;
    *order = order_of(venue, body);
    REFUSE_IF(instrument->state.breaker_tripped, BREAKER_TRIPPED, 0, body->instrument, 0)
    if (price_refused(venue, order) || far_refused(venue, order, order->flags, body->confirm_ref) ||
        token_refused(venue, &instrument->terms))
        return true;
    REFUSE_IF(!phase_takes(phase, order), PHASE, PHASE_CONTINUOUS, phase, order->tif)
    return naive_person_refused(venue, order->account) || naive_buyer_refused(venue, order) ||
           value_refused(venue, order, true) || naive_value_limits_refused(venue, NULL, order) ||
           naive_position_refused(venue, NULL, order) || naive_flow_limits_refused(venue, order) ||
           capacity_refused(venue, order) || balances_refused(venue, order) ||
           funds_refused(venue, order, naive_hold_of(venue, order, order->leaves)) ||
           at_once_refused(venue, order);
}

// ---- an amend

// `order` is what the order would become; `old` what it is. First what every amend is asked, then
// (lost) what one that loses its place is asked.
static bool amend_fields_refused(struct naive_venue *venue, const struct naive_order *old)
{
    const struct order_amend_cmd *body = &venue->command->body.order_amend;
    int64_t lot = venue->instruments[old->instrument].terms.lot;
    int64_t total = body->quantity != 0 ? body->quantity : old->quantity;
    bool waits = old->state == ORDER_STATE_PENDING_STOP;
    REFUSE_IF(body->quantity < 0, QUANTITY_NOT_POSITIVE, 1, body->quantity, 0)
    REFUSE_IF(body->price < 0, PRICE_NOT_POSITIVE, 1, body->price, 0)
    REFUSE_IF(body->stop_price < 0 || body->stop_price > NAIVE_MONEY_MAX, STOP_PRICE, 0,
              body->stop_price, old->type)
    REFUSE_IF(body->display_quantity < 0, DISPLAY_QUANTITY, total, body->display_quantity, 0)
    REFUSE_IF(body->price != 0 && !has_limit(old->type), AMEND_FIELD, 0, body->price, 2)
    REFUSE_IF(body->stop_price != 0 && !waits, AMEND_FIELD, 0, body->stop_price, 3)
    REFUSE_IF(body->display_quantity != 0 && old->display == 0, AMEND_FIELD, 0,
              body->display_quantity, 4)
    REFUSE_IF(body->quantity % lot != 0, OFF_LOT, lot, body->quantity, 0)
    return false;
}

static bool amend_form_refused(struct naive_venue *venue, const struct naive_order *old)
{
    const struct order_amend_cmd *body = &venue->command->body.order_amend;
    uint8_t phase = venue->instruments[old->instrument].state.phase;
    const uint8_t confirms = ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV;
    REFUSE_IF(venue->state != VENUE_OPEN, VENUE_CANCEL_ONLY, 0, venue->state, 0)
    if (naive_killed_refused(venue, old->account) ||
        client_id_refused(venue, body->client_id_bytes))
        return true;
    REFUSE_IF(body->flags > confirms, ORDER_FLAGS, confirms, body->flags, 0)
    REFUSE_IF(phase == PHASE_CLOSED || phase == PHASE_HALTED, PHASE, PHASE_CONTINUOUS, phase, 0)
    return amend_fields_refused(venue, old);
}

static bool amend_loses_refused(struct naive_venue *venue, const struct naive_order *old,
                                struct naive_order *order)
{
    const struct order_amend_cmd *body = &venue->command->body.order_amend;
    const struct naive_instrument *instrument = &venue->instruments[old->instrument];
    int64_t most = instrument->terms.order_quantity_max;
    bool in_levels = old->state == ORDER_STATE_OPEN || old->state == ORDER_STATE_PENDING_STOP;
    if (off_tick_refused(venue, instrument, body->price) ||
        off_tick_refused(venue, instrument, body->stop_price))
        return true;
    REFUSE_IF(order->quantity > old->quantity && most != 0 && order->quantity > most, QUANTITY_MAX,
              most, order->quantity, 0)
    REFUSE_IF(instrument->state.breaker_tripped, BREAKER_TRIPPED, 0, old->instrument, 0)
    if (body->stop_price != 0 && !has_limit(order->type) &&
        collar_refused(venue, order, order->stop_price))
        return true;
    if (far_refused(venue, order, body->flags, body->confirm_ref) ||
        token_refused(venue, &instrument->terms) || naive_person_refused(venue, order->account) ||
        naive_buyer_refused(venue, order) || value_refused(venue, order, false) ||
        naive_value_limits_refused(venue, old, order) ||
        naive_position_refused(venue, old, order) || naive_executions_refused(venue, order) ||
        (in_levels && level_refused(venue, order, order->state)))
        return true;
    int64_t need =
        naive_hold_of(venue, order, order->leaves) - naive_hold_of(venue, old, old->leaves);
    return funds_refused(venue, order, need) ||
           (instrument->state.phase == PHASE_CONTINUOUS && post_only_refused(venue, order));
}

bool naive_amend_refused(struct naive_venue *venue, const struct naive_order *old,
                         struct naive_order *order)
{
    const struct order_amend_cmd *body = &venue->command->body.order_amend;
    if (amend_form_refused(venue, old))
        return true;
    int64_t filled = old->quantity - old->leaves;
    *order = *old;
    order->quantity = body->quantity != 0 ? body->quantity : old->quantity;
    order->price = body->price != 0 ? body->price : old->price;
    order->stop_price = body->stop_price != 0 ? body->stop_price : old->stop_price;
    order->display = body->display_quantity != 0 ? body->display_quantity : old->display;
    order->leaves = order->quantity - filled;
    if (order->leaves <= 0)
        return false; // the rest is cancelled, whatever else was asked
    REFUSE_IF(body->display_quantity >= order->quantity ||
                  body->display_quantity % venue->instruments[old->instrument].terms.lot != 0 ||
                  (order->display != 0 && (wide)order->display * 1000 < order->quantity),
              DISPLAY_QUANTITY, order->quantity, order->display, 0)
    bool kept = order->price == old->price && order->quantity <= old->quantity &&
                order->stop_price == old->stop_price && order->display <= old->display;
    return !kept && amend_loses_refused(venue, old, order);
}
