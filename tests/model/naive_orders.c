// The naive venue's answers to a new order, a cancel and an amend.
#include "tests/model/naive_parts.h"

static void tell_accepted(struct naive_venue *venue, const struct naive_order *order, int64_t held)
{
    struct order_accepted_evt *out = &naive_emit(venue, EVT_order_accepted)->body.order_accepted;
    *out = (struct order_accepted_evt){.order = order->id,
                                       .account = order->account,
                                       .instrument = order->instrument,
                                       .price = order->price,
                                       .quantity = order->quantity,
                                       .held = held,
                                       .side = order->side,
                                       .type = order->type,
                                       .tif = order->tif,
                                       .flags = order->flags,
                                       .client_id_bytes = order->client_id_bytes,
                                       .stp = order->stp,
                                       .state = order->state,
                                       .self_match_id = order->self_match_id};
    memcpy(out->client_id, order->client_id, sizeof(out->client_id));
}

static void tell_terms(struct naive_venue *venue, const struct naive_order *order, int64_t minimum)
{
    naive_emit(venue, EVT_order_terms)->body.order_terms =
        (struct order_terms_evt){.order = order->id,
                                 .account = order->account,
                                 .instrument = order->instrument,
                                 .stop_price = order->stop_price,
                                 .trail_offset = order->trail_offset,
                                 .display_quantity = order->display,
                                 .minimum_quantity = minimum,
                                 .expire_ns = order->expire_ns};
}

// To where it belongs: a stop to the stop book, or, if the market is there already, to the queue.
static void place_stop(struct naive_venue *venue, struct naive_order *order)
{
    bool met = naive_stop_met(venue, order) &&
               venue->instruments[order->instrument].state.phase == PHASE_CONTINUOUS;
    naive_wait(venue, order, met ? ORDER_STATE_TRIGGERED : ORDER_STATE_PENDING_STOP);
}

static void place_new(struct naive_venue *venue, struct naive_order *order, int64_t minimum)
{
    bool continuous = venue->instruments[order->instrument].state.phase == PHASE_CONTINUOUS;
    int64_t least = order->tif == TIF_FOK ? order->quantity : minimum;
    if (order->state == ORDER_STATE_PENDING_STOP)
        place_stop(venue, order);
    else if (order->state == ORDER_STATE_PENDING_CLOSE)
        naive_wait(venue, order, ORDER_STATE_PENDING_CLOSE);
    else if (!continuous)
        naive_rest(venue, order);
    else {
        order->state = 0;
        if (least > 0 && !naive_can_be_had(venue, order, least))
            naive_cancel(venue, order, order->tif == TIF_FOK ? CANCEL_FOK : CANCEL_MINIMUM);
        else
            naive_enter(venue, order, false);
    }
}

void naive_order_new(struct naive_venue *venue)
{
    const struct command *command = venue->command;
    bool with_terms = command->header.type == CMD_order_new_terms;
    struct order_new_terms_cmd body = {0};
    memcpy(&body, &command->body, with_terms ? sizeof(body) : sizeof(struct order_new_cmd));
    struct naive_order entered = {0};
    if (naive_entry_refused(venue, &body, &entered))
        return;
    const struct instrument_rec *terms = &venue->instruments[entered.instrument].terms;
    venue->opened[entered.account][terms->cash_asset] = true;
    venue->opened[entered.account][terms->token_asset] = true;
    int64_t hold = naive_hold_of(venue, &entered, entered.leaves);
    naive_release(venue, &entered, -hold);
    tell_accepted(venue, &entered, hold);
    if (with_terms)
        tell_terms(venue, &entered, body.minimum_quantity);
    naive_remember_accepted(venue, &entered);
    place_new(venue, naive_add(venue, &entered), body.minimum_quantity);
    naive_stops_run(venue, body.instrument);
}

// ---- cancel

// NULL = refused, and answered. Cancels are not throttled.
struct naive_order *naive_named_order(struct naive_venue *venue, uint64_t id, uint32_t account,
                                      uint8_t right)
{
    if (naive_session_refused(venue) || (right != RIGHT_CANCEL && naive_throttle_refused(venue)) ||
        naive_account_refused(venue, account, right))
        return NULL;
    struct naive_order *order = naive_find(venue, id);
    if (order == NULL) {
        naive_reject(venue, REJECT_UNKNOWN_ORDER, 0, (int64_t)id, 0);
        return NULL;
    }
    if (order->account != account) {
        naive_reject(venue, REJECT_NOT_OWNER, 0, (int64_t)id, 0);
        return NULL;
    }
    return order;
}

void naive_order_cancel(struct naive_venue *venue)
{
    const struct order_cancel_cmd *body = &venue->command->body.order_cancel;
    struct naive_order *order = naive_named_order(venue, body->order, body->account, RIGHT_CANCEL);
    if (order != NULL)
        naive_cancel(venue, order, CANCEL_BY_OWNER);
}

// ---- amend

static void tell_amended(struct naive_venue *venue, const struct naive_order *order,
                         int64_t released, bool kept)
{
    struct order_amended_evt *out = &naive_emit(venue, EVT_order_amended)->body.order_amended;
    *out = (struct order_amended_evt){.order = order->id,
                                      .account = order->account,
                                      .instrument = order->instrument,
                                      .quantity = order->quantity,
                                      .leaves = order->leaves,
                                      .released = released,
                                      .side = order->side,
                                      .client_id_bytes = order->client_id_bytes,
                                      .priority_kept = kept,
                                      .price = order->price};
    memcpy(out->client_id, order->client_id, sizeof(out->client_id));
    if (order->stop_price != 0 || order->trail_offset != 0 || order->display != 0 ||
        order->expire_ns != 0)
        tell_terms(venue, order, 0);
}

static void place_amended(struct naive_venue *venue, struct naive_order *order)
{
    if (order->state == ORDER_STATE_PENDING_STOP)
        place_stop(venue, order);
    else if (order->state != ORDER_STATE_OPEN)
        naive_wait(venue, order, order->state);
    else if (venue->instruments[order->instrument].state.phase == PHASE_CONTINUOUS) {
        order->state = 0;
        naive_enter(venue, order, false);
    } else
        naive_rest(venue, order);
}

void naive_order_amend(struct naive_venue *venue)
{
    const struct order_amend_cmd *body = &venue->command->body.order_amend;
    struct naive_order *order = naive_named_order(venue, body->order, body->account, RIGHT_TRADE);
    struct naive_order amended;
    if (order == NULL || naive_amend_refused(venue, order, &amended))
        return;
    if (amended.leaves <= 0) {
        naive_cancel(venue, order, CANCEL_AMENDED);
        return;
    }
    struct naive_order old = *order;
    bool kept = amended.price == old.price && amended.quantity <= old.quantity &&
                amended.stop_price == old.stop_price && amended.display <= old.display;
    int64_t released =
        naive_hold_of(venue, &old, old.leaves) - naive_hold_of(venue, &amended, amended.leaves);
    amended.client_id_bytes = body->client_id_bytes;
    memset(amended.client_id, 0, sizeof(amended.client_id));
    memcpy(amended.client_id, command_tail(venue->command), body->client_id_bytes);
    if (amended.display != 0 && amended.shown > amended.display)
        amended.shown = amended.display;
    if (amended.display == 0 || amended.shown > amended.leaves)
        amended.shown = amended.leaves;
    naive_release(venue, &old, released);
    *order = amended;
    tell_amended(venue, order, released, kept);
    if (order->state == ORDER_STATE_OPEN)
        naive_book_changed(venue, order->instrument);
    uint32_t instrument = order->instrument;
    if (!kept)
        place_amended(venue, order);
    naive_stops_run(venue, instrument);
}
