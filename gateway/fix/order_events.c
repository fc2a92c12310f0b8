#include "gateway/fix/order_events.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "gateway/fix/session.h"
#include "risk/postings.h"

// ---- telling ------------------------------------------------------------------------------------

static void send_report(struct desk *desk, const struct fix_order *order,
                        const struct happening *what, const struct execution *execution)
{
    struct session *session = desk_find_session(desk, order->session);
    if (session == NULL)
        return;
    struct report report;
    report_order(&report, order, what, desk->view);
    const struct session_message message = {.msg_type = "8",
                                            .fields = report.fields,
                                            .field_count = report.field_count,
                                            .group = report.has_fee ? &report.fee : NULL,
                                            .reference = what->reference,
                                            .order = order,
                                            .execution = execution};
    session_send(session, &message);
}

static void tell(struct desk *desk, const struct fix_order *order, struct happening *what,
                 const struct event *event)
{
    what->time_ns = event->header.time_ns;
    what->sequence = event->header.sequence;
    send_report(desk, order, what, NULL);
}

static void tell_execution(struct desk *desk, const struct fix_order *order, struct happening *what,
                           const struct event *event, const struct execution *execution)
{
    what->time_ns = event->header.time_ns;
    what->sequence = event->header.sequence;
    executions_put(&desk->executions, execution);
    send_report(desk, order, what, execution);
}

static void tell_untold(struct desk *desk)
{
    struct untold *untold = &desk->untold;
    struct fix_order *order = orders_find(&desk->orders, untold->order);
    ASSERT(order != NULL);
    if (untold->original.bytes > 0)
        untold->what.original = &untold->original;
    send_report(desk, order, &untold->what, NULL);
    *untold = (struct untold){0};
}

// Its terms may follow; the last event of a command is followed by nothing.
static void tell_with_terms(struct desk *desk, uint64_t order, const struct happening *what,
                            const struct request_id *original, const struct event *event)
{
    desk->untold = (struct untold){.order = order, .what = *what};
    desk->untold.what.time_ns = event->header.time_ns;
    desk->untold.what.sequence = event->header.sequence;
    if (original != NULL)
        desk->untold.original = *original;
    if (event->header.last != 0)
        tell_untold(desk);
}

static struct request_id id_of(const char *text, uint8_t bytes)
{
    struct request_id id = {.bytes = bytes};
    ASSERT(bytes <= sizeof id.text);
    memcpy(id.text, text, bytes);
    return id;
}

// ---- entry, terms -------------------------------------------------------------------------------

static void on_accepted(struct desk *desk, const struct event *event)
{
    const struct order_accepted_evt *accepted = &event->body.order_accepted;
    if (event->header.gateway != GATEWAY_FIX)
        return;
    struct fix_order order = {.order = accepted->order,
                              .entered_ns = event->header.time_ns,
                              .price = accepted->price,
                              .quantity = accepted->quantity,
                              .leaves = accepted->quantity,
                              .terms = {.flags = accepted->flags,
                                        .stp = accepted->stp,
                                        .self_match_id = accepted->self_match_id},
                              .session = event->header.session,
                              .account = accepted->account,
                              .instrument = accepted->instrument,
                              .side = accepted->side,
                              .type = accepted->type,
                              .tif = accepted->tif,
                              .state = accepted->state,
                              .client_id_bytes = accepted->client_id_bytes};
    memcpy(order.client_id, accepted->client_id, sizeof order.client_id);
    const struct happening what = {.exec_type = '0', .reference = desk_reference(event, 0)};
    if (!desk_is_new(desk, order.session, &what.reference))
        return;
    orders_put(&desk->orders, &order);
    tell_with_terms(desk, order.order, &what, NULL, event);
}

// What it says holds from now on; but a stop that was triggered has no stop price or offset to the
// engine any more, and members still see theirs.
static void on_terms(struct desk *desk, const struct event *event)
{
    const struct order_terms_evt *told = &event->body.order_terms;
    if (desk->untold.order != told->order)
        return; // not a FIX member's, or told before
    struct fix_terms *terms = &orders_find(&desk->orders, told->order)->terms;
    if (told->stop_price != 0)
        terms->stop_price = told->stop_price;
    if (told->trail_offset != 0)
        terms->trail_offset = told->trail_offset;
    terms->display_quantity = told->display_quantity;
    terms->minimum_quantity = told->minimum_quantity;
    terms->expire_ns = told->expire_ns;
    tell_untold(desk);
}

// ---- trades -------------------------------------------------------------------------------------

static char liquidity_of(const struct trade_evt *trade, bool maker)
{
    if (trade->kind == TRADE_AUCTION)
        return '4';
    return maker ? '1' : '2';
}

static void on_fill(struct desk *desk, const struct event *event, bool maker)
{
    const struct trade_evt *trade = &event->body.trade;
    struct fix_order *order =
        orders_find(&desk->orders, maker ? trade->maker_order : trade->taker_order);
    if (order == NULL)
        return; // not a FIX member's
    struct happening what = {.exec_type = 'F',
                             .reference = desk_reference(event, order->side),
                             .last_price = trade->price,
                             .last_quantity = trade->quantity,
                             .fee = maker ? trade->maker_fee : trade->taker_fee,
                             .liquidity = liquidity_of(trade, maker)};
    if (!desk_is_new(desk, order->session, &what.reference))
        return;
    const struct view_instrument *instrument = view_instrument(desk->view, trade->instrument);
    ASSERT(instrument != NULL);
    int64_t leaves = maker ? trade->maker_leaves : trade->taker_leaves;
    ASSERT(order->leaves == leaves + trade->quantity);
    const struct execution execution = {
        .trade = trade_id_of(event->header.sequence, event->header.index),
        .order = order->order,
        .quantity = trade->quantity,
        .notional = postings_notional(trade->price, trade->quantity, instrument->terms.token_scale),
        .fee = what.fee,
        .side = order->side};
    order->leaves = leaves;
    order->filled_notional += execution.notional;
    tell_execution(desk, order, &what, event, &execution);
}

static void on_trade(struct desk *desk, const struct event *event)
{
    // The buyer's report first: the order of references, should both be one session's.
    bool maker_buys = event->body.trade.taker_side == SIDE_SELL;
    on_fill(desk, event, maker_buys);
    on_fill(desk, event, !maker_buys);
}

// ---- corrections, busts, settlement -------------------------------------------------------------

// False: it is no price.
static bool price_of(int64_t *price, const struct execution *execution, unsigned token_scale)
{
    __extension__ __int128 value =
        value_per_token(execution->notional, execution->quantity, token_scale);
    *price = (int64_t)value;
    return value <= INT64_MAX;
}

// The execution after the correction; false: it is not what the correction means.
static bool corrected(struct execution *execution, const struct trade_corrected_evt *change)
{
    bool buyer = execution->side == SIDE_BUY;
    return !__builtin_add_overflow(execution->quantity, change->quantity, &execution->quantity) &&
           !__builtin_add_overflow(execution->notional, change->notional, &execution->notional) &&
           !__builtin_add_overflow(execution->fee, buyer ? change->buyer_fee : change->seller_fee,
                                   &execution->fee) &&
           execution->quantity == change->new_quantity && execution->notional >= 0 &&
           execution->fee >= 0;
}

// The engine does not know trades: what an operator asks for and what was traded agree, or members
// are told nothing rather than what cannot be.
static void on_corrected_side(struct desk *desk, const struct event *event, uint8_t side)
{
    const struct trade_corrected_evt *change = &event->body.trade_corrected;
    struct execution *known = executions_find(&desk->executions, change->trade_id, side);
    if (known == NULL)
        return; // not a FIX member's, or told before
    struct execution execution = *known;
    struct fix_order *order = orders_find(&desk->orders, execution.order);
    ASSERT(order != NULL);
    const struct view_instrument *instrument = view_instrument(desk->view, order->instrument);
    ASSERT(instrument != NULL);
    struct happening what = {.exec_type = change->new_quantity == 0 ? 'H' : 'G',
                             .reference = desk_reference(event, side),
                             .corrected = execution_reference(change->trade_id, side),
                             .last_quantity = change->new_quantity,
                             .text = change->new_quantity == 0 ? "the trade is busted"
                                                               : "the trade is corrected"};
    if (!desk_is_new(desk, order->session, &what.reference))
        return;
    uint32_t account = side == SIDE_BUY ? change->buyer_account : change->seller_account;
    if (change->instrument != order->instrument || account != order->account ||
        !corrected(&execution, change) ||
        !price_of(&what.last_price, &execution, instrument->terms.token_scale) ||
        !fix_order_correct(order, change->quantity, change->notional)) {
        log_error("a correction does not fit the trade trade=%" PRIu64 " side=%u sequence=%" PRIu64,
                  change->trade_id, side, event->header.sequence);
        return;
    }
    what.fee = execution.fee;
    tell_execution(desk, order, &what, event, &execution);
}

static void on_corrected(struct desk *desk, const struct event *event)
{
    on_corrected_side(desk, event, SIDE_BUY);
    on_corrected_side(desk, event, SIDE_SELL);
}

// What has settled is final.
static void on_settlement(struct desk *desk, const struct event *event)
{
    const struct settlement_booked_evt *booked = &event->body.settlement_booked;
    for (uint8_t side = SIDE_BUY; side <= SIDE_SELL && booked->outcome == SETTLEMENT_SETTLED;
         side++) {
        const struct execution *execution =
            executions_find(&desk->executions, booked->trade_id, side);
        if (execution == NULL)
            continue;
        const struct fix_order *order = orders_find(&desk->orders, execution->order);
        ASSERT(order != NULL);
        struct session *session = desk_find_session(desk, order->session);
        executions_settle(&desk->executions, session != NULL ? &session->store : NULL, execution);
    }
}

// ---- what else becomes of it --------------------------------------------------------------------

static const char *cancel_text(uint8_t reason)
{
    switch ((enum cancel_reason)reason) {
    case CANCEL_BY_OWNER:
        return NULL;
    case CANCEL_IOC:
        return "rest of an immediate-or-cancel or market order";
    case CANCEL_DISCONNECT:
        return "cancel on disconnect";
    case CANCEL_BY_VENUE:
        return "cancelled by the venue";
    case CANCEL_SUSPENDED:
        return "the account lost its right to trade";
    case CANCEL_MASS:
        return "mass cancel";
    case CANCEL_LIMIT:
        return "the rest would exceed a limit of the venue";
    case CANCEL_BREAKER:
        return "the circuit breaker has tripped";
    case CANCEL_FOK:
        return "fill or kill: it could not be filled";
    case CANCEL_MINIMUM:
        return "its minimum quantity could not be had";
    case CANCEL_SELF_TRADE:
        return "self-trade prevention";
    case CANCEL_EXPIRED:
        return "its day or date is over";
    case CANCEL_AUCTION:
        return "what the auction left";
    case CANCEL_AMENDED:
        return "amended to no more than what is filled";
    case CANCEL_VOLATILITY:
        return "a volatility auction begins";
    case CANCEL_KILLED:
        return "stopped by the kill switch";
    case CANCEL_BAND:
        return "the next price is beyond the price band";
    case CANCEL_UNCOVERED:
        return "what it held is not there any more, or may not be sold";
    }
    return "cancelled";
}

// Whether it answers a request of the session that has the order: that request's id is told.
static bool answers_owner(const struct event *event, const struct fix_order *order)
{
    const struct order_cancelled_evt *cancelled = &event->body.order_cancelled;
    return (cancelled->reason == CANCEL_BY_OWNER || cancelled->reason == CANCEL_AMENDED) &&
           cancelled->client_id_bytes > 0 && event->header.session == order->session;
}

static void on_cancelled(struct desk *desk, const struct event *event)
{
    const struct order_cancelled_evt *cancelled = &event->body.order_cancelled;
    struct fix_order *order = orders_find(&desk->orders, cancelled->order);
    char ended = cancelled->reason == CANCEL_EXPIRED ? 'C' : '4';
    struct happening what = {.exec_type = ended,
                             .reference = desk_reference(event, 0),
                             .text = cancel_text(cancelled->reason)};
    if (order == NULL || !desk_is_new(desk, order->session, &what.reference))
        return;
    ASSERT(order->leaves == cancelled->quantity);
    order->ended = ended;
    struct request_id client_id = id_of(cancelled->client_id, cancelled->client_id_bytes);
    struct request_id original = id_of(order->client_id, order->client_id_bytes);
    if (answers_owner(event, order)) {
        what.client_id = &client_id;
        what.original = &original;
        orders_mean(&desk->orders, order->session, client_id.text, client_id.bytes, order->order);
    }
    tell(desk, order, &what, event);
}

static void on_amended(struct desk *desk, const struct event *event)
{
    const struct order_amended_evt *amended = &event->body.order_amended;
    struct fix_order *order = orders_find(&desk->orders, amended->order);
    bool kept = amended->priority_kept != 0;
    struct happening what = {.exec_type = '5',
                             .reference = desk_reference(event, 0),
                             .priority = kept ? '0' : '1',
                             .text = kept ? "its place in time is kept" : "it goes to the back"};
    if (order == NULL || !desk_is_new(desk, order->session, &what.reference))
        return;
    struct request_id original = id_of(order->client_id, order->client_id_bytes);
    struct fix_order after = *order;
    after.price = amended->price;
    after.quantity = fix_order_filled(order) + amended->leaves;
    after.leaves = amended->leaves;
    after.client_id_bytes = amended->client_id_bytes;
    memcpy(after.client_id, amended->client_id, sizeof after.client_id);
    orders_put(&desk->orders, &after);
    tell_with_terms(desk, after.order, &what, &original, event);
}

static void on_triggered(struct desk *desk, const struct event *event)
{
    const struct order_triggered_evt *triggered = &event->body.order_triggered;
    struct fix_order *order = orders_find(&desk->orders, triggered->order);
    struct happening what = {.exec_type = 'L', .reference = desk_reference(event, 0)};
    if (order == NULL || !desk_is_new(desk, order->session, &what.reference))
        return;
    if (order->tif == TIF_AT_CLOSE)
        what.text = "the closing auction begins";
    order->state = ORDER_STATE_OPEN;
    order->price = triggered->price;
    order->leaves = triggered->leaves;
    if (triggered->stop_price != 0) // where a trailing stop has got to
        order->terms.stop_price = triggered->stop_price;
    tell(desk, order, &what, event);
}

static void on_reduced(struct desk *desk, const struct event *event)
{
    const struct order_reduced_evt *reduced = &event->body.order_reduced;
    struct fix_order *order = orders_find(&desk->orders, reduced->order);
    struct happening what = {.exec_type = 'D',
                             .reference = desk_reference(event, 0),
                             .text = cancel_text(reduced->reason)};
    if (order == NULL || !desk_is_new(desk, order->session, &what.reference))
        return;
    order->quantity = fix_order_filled(order) + reduced->leaves;
    order->leaves = reduced->leaves;
    tell(desk, order, &what, event);
}

void order_events_on_event(struct desk *desk, const struct event *event)
{
    if (desk->untold.order != 0 && event->header.type != EVT_order_terms)
        tell_untold(desk);
    switch (event->header.type) {
    case EVT_order_accepted:
        on_accepted(desk, event);
        break;
    case EVT_order_terms:
        on_terms(desk, event);
        break;
    case EVT_trade:
        on_trade(desk, event);
        break;
    case EVT_trade_corrected:
        on_corrected(desk, event);
        break;
    case EVT_settlement_booked:
        on_settlement(desk, event);
        break;
    case EVT_order_cancelled:
        on_cancelled(desk, event);
        break;
    case EVT_order_amended:
        on_amended(desk, event);
        break;
    case EVT_order_triggered:
        on_triggered(desk, event);
        break;
    case EVT_order_reduced:
        on_reduced(desk, event);
        break;
    default:
        break;
    }
}
