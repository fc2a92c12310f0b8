#include "gateway/fix/trading.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/fix/market_status.h"
#include "gateway/fix/report.h"

enum outcome { DONE, WAITS };

static struct refusal because(uint16_t code, int64_t limit, int64_t value, int64_t argument)
{
    return (struct refusal){.code = code, .limit = limit, .value = value, .argument = argument};
}

static uint64_t meaning(const struct session *session, const struct request_id *id)
{
    return orders_meaning(&session->desk->orders, session->id, id->text, id->bytes);
}

static void mean(const struct session *session, const struct request_id *id, uint64_t what)
{
    orders_mean(&session->desk->orders, session->id, id->text, id->bytes, what);
}

// ---- answers at once ----------------------------------------------------------------------------

static void send_report(struct session *session, const char *type, const struct report *report,
                        const struct request *request)
{
    const struct session_message message = {.msg_type = type,
                                            .fields = report->fields,
                                            .field_count = report->field_count,
                                            .reference = {.index = request->session_seq}};
    session_send(session, &message);
}

static void refuse_missing(struct session *session, const struct request *request, int64_t tag)
{
    struct report report;
    char text[64];
    snprintf(text, sizeof text, "field %" PRId64 " is needed", tag);
    report_business_reject(&report, request, reject_entry(REJECT_MISSING_FIELD)->business_reason,
                           text);
    send_report(session, "j", &report, request);
}

// What we know of an order: of one that is done, that was sent twice, or that the engine cannot be
// asked about now.
static enum outcome tell_status(struct session *session, const struct request *request,
                                const struct fix_order *order)
{
    struct report report;
    const struct happening what = {.exec_type = 'I',
                                   .time_ns = clock_wall_ns(session->desk->clock),
                                   .status_id = &request->status_id};
    report_order(&report, order, &what, session->desk->view);
    send_report(session, "8", &report, request);
    return DONE;
}

// A mass status that cannot be had must not look as if there were no orders.
static void refuse_unavailable(struct session *session, const struct request *request,
                               const struct refusal *refusal)
{
    const struct reject_entry *entry = reject_entry(refusal->code);
    struct report report;
    char text[256];
    reject_text(refusal->code, refusal->limit, refusal->value, refusal->argument, 0, text,
                sizeof text);
    report_business_reject(&report, request, entry->business_reason, text);
    send_report(session, "j", &report, request);
}

static bool is_unavailable(uint16_t code)
{
    return code == REJECT_NOT_ATTACHED || code == REJECT_OVERLOADED || code == REJECT_IN_DOUBT ||
           code == REJECT_THROTTLED;
}

// A status request that the engine could not answer. An order of which we know is never told as
// one that is not: to its member that would be its end.
static void refuse_status(struct session *session, const struct request *request,
                          const struct refusal *refusal, const struct rejection *why)
{
    const struct fix_order *order = orders_find(&session->desk->orders, request->order);
    struct report report;
    if (request->kind == REQUEST_STATUS && order != NULL && order->session == session->id) {
        tell_status(session, request, order);
    } else if (request->kind == REQUEST_MASS_STATUS && is_unavailable(refusal->code)) {
        refuse_unavailable(session, request, refusal);
    } else {
        report_refused(&report, request, 'I', why, "0", clock_wall_ns(session->desk->clock));
        send_report(session, "8", &report, request);
    }
}

void trading_refuse(struct session *session, const struct request *request,
                    const struct refusal *refusal)
{
    struct report report;
    char exec_id[48]; // of no event: named by the message that is refused
    uint64_t now = clock_wall_ns(session->desk->clock);
    const struct rejection why = {.code = refusal->code,
                                  .limit = refusal->limit,
                                  .value = refusal->value,
                                  .argument = refusal->argument};
    struct fix_order *order = orders_find(&session->desk->orders, request->order);
    snprintf(exec_id, sizeof exec_id, "R%" PRIu32 "-%" PRIu32 "-%" PRIu32, session->id,
             session->store.generation, request->session_seq);
    switch ((enum request_kind)request->kind) {
    case REQUEST_NEW:
        report_refused(&report, request, '8', &why, exec_id, now);
        send_report(session, "8", &report, request);
        break;
    case REQUEST_STATUS:
    case REQUEST_MASS_STATUS:
        refuse_status(session, request, refusal, &why);
        break;
    case REQUEST_CANCEL:
    case REQUEST_AMEND:
        report_cancel_refused(&report, request, order, &why, now);
        send_report(session, "9", &report, request);
        break;
    case REQUEST_MASS_CANCEL:
        report_mass_cancel(&report, request, &why, 0, exec_id, now);
        send_report(session, "r", &report, request);
        break;
    case REQUEST_SECURITY_STATUS:
    case REQUEST_VENUE_STATUS:
        ASSERT(false); // are never commands
    }
    if (request->gateway_seq != 0 && request_takes_id(request))
        mean(session, &request->client_id, 0);
}

static enum outcome refuse(struct session *session, const struct request *request,
                           struct refusal refusal)
{
    trading_refuse(session, request, &refusal);
    return DONE;
}

// ---- commands -----------------------------------------------------------------------------------

// A record in the ring with the client id as its tail; NULL: the refusal has been sent.
static struct command *claim(struct session *session, const struct request *request, uint8_t type)
{
    struct link *link = session->desk->link;
    struct command *command = NULL;
    if (session_announce(session))
        command =
            link_claim(link, type, request->client_id.bytes, session->id, request->session_seq);
    if (command == NULL) {
        refuse(session, request,
               because(link->attached ? REJECT_OVERLOADED : REJECT_NOT_ATTACHED, 0, 0, 0));
        return NULL;
    }
    return command;
}

static enum outcome launch(struct session *session, struct request *request,
                           struct command *command)
{
    memcpy(command_tail_writable(command), request->client_id.text, request->client_id.bytes);
    session_settle(session);
    request->gateway_seq = link_send_later(session->desk->link);
    flights_add(&session->desk->flights, request);
    if (request_takes_id(request))
        mean(session, &request->client_id, ORDERS_IN_FLIGHT | request->gateway_seq);
    return DONE;
}

static_assert(offsetof(struct order_new_terms_cmd, stop_price) == sizeof(struct order_new_cmd),
              "an order with terms begins as one without");

static void fill_new(struct command *command, const struct request *request)
{
    const struct fix_terms *terms = &request->terms;
    const struct order_new_cmd body = {.account = request->account,
                                       .instrument = request->instrument,
                                       .side = request->side,
                                       .type = request->type,
                                       .tif = request->tif,
                                       .flags = terms->flags,
                                       .client_id_bytes = request->client_id.bytes,
                                       .stp = terms->stp,
                                       .price = request->price,
                                       .quantity = request->quantity,
                                       .confirm_ref = request->confirm_ref,
                                       .self_match_id = terms->self_match_id};
    memcpy(&command->body, &body, sizeof body);
    if (command->header.type != CMD_order_new_terms)
        return;
    struct order_new_terms_cmd *more = &command->body.order_new_terms;
    more->stop_price = terms->stop_price;
    more->trail_offset = terms->trail_offset;
    more->display_quantity = terms->display_quantity;
    more->minimum_quantity = terms->minimum_quantity;
    more->expire_ns = terms->expire_ns;
}

static uint8_t new_type(const struct fix_terms *terms)
{
    bool plain = terms->stop_price == 0 && terms->trail_offset == 0 &&
                 terms->display_quantity == 0 && terms->minimum_quantity == 0 &&
                 terms->expire_ns == 0;
    return plain ? CMD_order_new : CMD_order_new_terms;
}

static enum outcome take_new(struct session *session, struct request *request)
{
    uint64_t known = meaning(session, &request->client_id);
    struct fix_order *order = orders_find(&session->desk->orders, known);
    if (request->poss_resend && (known & ORDERS_IN_FLIGHT) != 0)
        return WAITS; // the answer to the first tells what this one is
    if (request->poss_resend && order != NULL)
        return tell_status(session, request,
                           order); // it may be the same order: tell, do not double
    if (known != 0)
        return refuse(session, request, because(REJECT_DUPLICATE_CLIENT_ID, 0, 0, 0));
    struct command *command = claim(session, request, new_type(&request->terms));
    if (command == NULL)
        return DONE;
    fill_new(command, request);
    return launch(session, request, command);
}

// Finds the order that a cancel, amend or status request means; WAITS while it is in flight.
static enum outcome resolve(struct session *session, struct request *request,
                            const struct request_id *by, struct fix_order **out)
{
    uint64_t known = meaning(session, by);
    *out = NULL;
    if ((known & ORDERS_IN_FLIGHT) != 0)
        return WAITS;
    if (known == 0 && request->kind == REQUEST_STATUS)
        known = request->order;
    *out = orders_find(&session->desk->orders, known);
    if (*out != NULL &&
        ((*out)->session != session->id || (request->order != 0 && request->order != known)))
        *out = NULL;
    if (*out != NULL)
        request->order = (*out)->order;
    return DONE;
}

// What an amend cannot change it may say again, as it is.
static struct refusal unchangeable(const struct request *request, const struct fix_order *order)
{
    const struct fix_terms *asked = &request->terms, *now = &order->terms;
    const struct {
        uint32_t given;
        int64_t asked, now, tag;
    } fields[] = {
        {GIVEN_MINIMUM, asked->minimum_quantity, now->minimum_quantity, 110},
        {GIVEN_EXPIRE, (int64_t)asked->expire_ns, (int64_t)now->expire_ns, 126},
        {GIVEN_TRAIL_OFFSET, asked->trail_offset, now->trail_offset, 211},
        {GIVEN_EXEC_INST, asked->flags & ORDER_POST_ONLY, now->flags & ORDER_POST_ONLY, 18},
        {GIVEN_SELF_MATCH_ID, asked->self_match_id, now->self_match_id, 2362},
        {GIVEN_STP, asked->stp, now->stp, 2964},
    };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if ((request->given & fields[i].given) != 0 && fields[i].asked != fields[i].now)
            return because(REJECT_AMEND_FIELD, 0, fields[i].asked, fields[i].tag);
    return because(REJECT_NONE, 0, 0, 0);
}

// What the request says of the order must be so: an instruction meant for another order is not
// carried out.
static struct refusal mismatch(const struct request *request, const struct fix_order *order)
{
    if (request->side != order->side)
        return because(REJECT_SIDE, 0, request->side, 54);
    if (request->instrument != order->instrument)
        return because(REJECT_UNKNOWN_SYMBOL, 0, 0, 55);
    if (request->kind != REQUEST_AMEND)
        return because(REJECT_NONE, 0, 0, 0);
    if (request->type != order->type)
        return because(REJECT_ORDER_TYPE, 0, request->type, 40);
    if (request->tif != TIF_NOT_GIVEN && request->tif != order->tif)
        return because(REJECT_TIME_IN_FORCE, 0, request->tif, 59);
    return unchangeable(request, order);
}

// The order a cancel or amend means, when all is as it should be; else NULL and *outcome.
static struct fix_order *target(struct session *session, struct request *request,
                                enum outcome *outcome)
{
    struct fix_order *order = NULL;
    *outcome = resolve(session, request, &request->original, &order);
    if (*outcome == WAITS)
        return NULL;
    struct refusal refusal = because(REJECT_NONE, 0, 0, 0);
    if (order == NULL)
        refusal = because(REJECT_UNKNOWN_ORDER, 0, (int64_t)request->order, 0);
    else if (meaning(session, &request->client_id) != 0)
        refusal = because(REJECT_DUPLICATE_CLIENT_ID, 0, 0, 0);
    else
        refusal = mismatch(request, order);
    if (refusal.code == REJECT_NONE)
        return order;
    *outcome = refuse(session, request, refusal);
    return NULL;
}

static enum outcome take_cancel(struct session *session, struct request *request)
{
    enum outcome outcome;
    const struct fix_order *order = target(session, request, &outcome);
    struct command *command = order != NULL ? claim(session, request, CMD_order_cancel) : NULL;
    if (command == NULL)
        return outcome;
    struct order_cancel_cmd *body = &command->body.order_cancel;
    body->order = order->order;
    body->account = request->account != 0 ? request->account : order->account;
    body->client_id_bytes = request->client_id.bytes;
    return launch(session, request, command);
}

// To the engine, what a correction took off the order is filled: its total is that much larger.
static int64_t total_of(const struct session *session, const struct fix_order *order,
                        int64_t quantity)
{
    const struct view_order *engines = view_order(session->desk->view, order->order);
    int64_t total = quantity;
    if (engines != NULL &&
        __builtin_add_overflow(quantity, engines->quantity - order->quantity, &total))
        total = INT64_MAX;
    return total;
}

// FIX states the whole order again; the engine is told what is to change. A stop price and a slice
// that are as they were are none of it: once triggered, a stop has no stop price to the engine.
static enum outcome take_amend(struct session *session, struct request *request)
{
    enum outcome outcome;
    const struct fix_order *order = target(session, request, &outcome);
    struct command *command = order != NULL ? claim(session, request, CMD_order_amend) : NULL;
    if (command == NULL)
        return outcome;
    const struct fix_terms *asked = &request->terms, *now = &order->terms;
    struct order_amend_cmd *body = &command->body.order_amend;
    body->order = order->order;
    body->account = request->account != 0 ? request->account : order->account;
    body->client_id_bytes = request->client_id.bytes;
    body->flags = asked->flags & (ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV);
    body->confirm_ref = request->confirm_ref;
    body->quantity = total_of(session, order, request->quantity);
    body->price = request->price;
    body->stop_price = asked->stop_price != now->stop_price ? asked->stop_price : 0;
    body->display_quantity =
        asked->display_quantity != now->display_quantity ? asked->display_quantity : 0;
    return launch(session, request, command);
}

static enum outcome take_mass_cancel(struct session *session, struct request *request)
{
    if (meaning(session, &request->client_id) != 0)
        return refuse(session, request, because(REJECT_DUPLICATE_CLIENT_ID, 0, 0, 0));
    struct command *command = claim(session, request, CMD_order_mass_cancel);
    if (command == NULL)
        return DONE;
    struct order_mass_cancel_cmd *body = &command->body.order_mass_cancel;
    body->account = request->account;
    body->instrument = request->instrument;
    body->side = request->side;
    body->scope = request->scope;
    body->client_id_bytes = request->client_id.bytes;
    kept_request_append(&session->store, request);
    return launch(session, request, command);
}

static enum outcome take_status(struct session *session, struct request *request)
{
    struct fix_order *order = NULL;
    if (resolve(session, request, &request->client_id, &order) == WAITS)
        return WAITS;
    if (order == NULL)
        return refuse(session, request,
                      because(REJECT_UNKNOWN_ORDER, 0, (int64_t)request->order, 0));
    if (!fix_order_is_open(order))
        return tell_status(session, request, order); // the engine has forgotten it
    struct command *command = claim(session, request, CMD_order_status);
    if (command == NULL)
        return DONE;
    struct order_status_cmd *body = &command->body.order_status;
    body->order = order->order;
    body->account = order->account;
    body->client_id_bytes = request->client_id.bytes;
    return launch(session, request, command);
}

static enum outcome take_mass_status(struct session *session, struct request *request)
{
    struct command *command = claim(session, request, CMD_order_status);
    if (command == NULL)
        return DONE;
    struct order_status_cmd *body = &command->body.order_status;
    body->account = request->account;
    body->instrument = request->instrument;
    body->side = request->side;
    body->client_id_bytes = request->client_id.bytes;
    return launch(session, request, command);
}

static enum outcome take(struct session *session, struct request *request)
{
    switch ((enum request_kind)request->kind) {
    case REQUEST_NEW:
        return take_new(session, request);
    case REQUEST_CANCEL:
        return take_cancel(session, request);
    case REQUEST_AMEND:
        return take_amend(session, request);
    case REQUEST_STATUS:
        return take_status(session, request);
    case REQUEST_MASS_CANCEL:
        return take_mass_cancel(session, request);
    case REQUEST_MASS_STATUS:
        return take_mass_status(session, request);
    case REQUEST_SECURITY_STATUS:
    case REQUEST_VENUE_STATUS:
        break; // have been answered
    }
    ASSERT(false);
    return DONE;
}

// ---- messages and waiting -----------------------------------------------------------------------

static void wait_append(struct session *session, const struct request *request)
{
    if (session->waiting_count == session->waiting_capacity) {
        session->waiting_capacity =
            session->waiting_capacity == 0 ? 8 : session->waiting_capacity * 2;
        session->waiting =
            realloc(session->waiting, session->waiting_capacity * sizeof *session->waiting);
        ASSERT(session->waiting != NULL);
    }
    session->waiting[session->waiting_count++] = *request;
}

enum fix_taken trading_on_message(struct session *session, const struct fix_message *message,
                                  uint32_t *wrong_tag)
{
    struct request request;
    struct refusal refusal;
    struct desk *desk = session->desk;
    // No event may have come yet today.
    orders_begin_day(&desk->orders, &desk->executions, clock_wall_ns(desk->clock));
    if (!request_read(&request, &refusal, message, desk->view, session->id))
        return FIX_TYPE_REFUSED;
    if (refusal.code == REJECT_CLIENT_ID_LENGTH) {
        *wrong_tag = (uint32_t)refusal.argument;
        return FIX_VALUE_REFUSED;
    }
    if (session_has_answered(session, request.session_seq))
        return FIX_TAKEN;
    if (request.kind == REQUEST_SECURITY_STATUS || request.kind == REQUEST_VENUE_STATUS)
        return market_status_requested(session, &request, &refusal, wrong_tag);
    if (refusal.missing)
        refuse_missing(session, &request, refusal.argument);
    else if (refusal.code != REJECT_NONE)
        trading_refuse(session, &request, &refusal);
    else if (session->waiting_count > 0 || take(session, &request) == WAITS)
        wait_append(session, &request);
    return FIX_TAKEN;
}

void trading_retry(struct session *session)
{
    size_t done = 0;
    while (done < session->waiting_count && take(session, &session->waiting[done]) == DONE)
        done++;
    session->waiting_count -= done;
    if (done > 0)
        memmove(session->waiting, session->waiting + done,
                session->waiting_count * sizeof *session->waiting);
}
