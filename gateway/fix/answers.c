#include "gateway/fix/answers.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "gateway/fix/report.h"
#include "gateway/fix/session.h"
#include "gateway/fix/trading.h"

static void send_report(struct session *session, const char *type, const struct report *report,
                        struct store_reference reference)
{
    const struct session_message message = {.msg_type = type,
                                            .fields = report->fields,
                                            .field_count = report->field_count,
                                            .reference = reference};
    session_send(session, &message);
}

static void free_id(struct desk *desk, const struct request *request)
{
    if (request_takes_id(request))
        orders_mean(&desk->orders, request->session, request->client_id.text,
                    request->client_id.bytes, 0);
}

// ---- status -------------------------------------------------------------------------------------

// The order as the engine tells it; what it does not tell is ours.
static struct fix_order order_of_status(struct desk *desk, const struct event *event,
                                        uint32_t session)
{
    const struct order_status_evt *status = &event->body.order_status;
    const struct fix_order *known = orders_find(&desk->orders, status->order);
    struct fix_order order = {.order = status->order, .session = session};
    const struct view_order *viewed = view_order(desk->view, status->order);
    if (known != NULL)
        order = *known;
    if (viewed != NULL && viewed->stop_price != 0) // where a trailing stop has got to
        order.terms.stop_price = viewed->stop_price;
    order.account = status->account;
    order.instrument = status->instrument;
    order.price = status->price;
    order.quantity = status->quantity;
    order.leaves = status->leaves;
    order.filled_notional = status->filled_notional;
    if (known != NULL) { // the engine knows nothing of corrections
        order.quantity = fix_order_filled(known) + status->leaves;
        order.filled_notional = known->filled_notional;
    }
    order.side = status->side;
    order.type = status->type;
    order.tif = status->tif;
    order.state = status->state;
    order.client_id_bytes = (uint8_t)strnlen(status->client_id, sizeof status->client_id);
    memcpy(order.client_id, status->client_id, sizeof order.client_id);
    return order;
}

// A status report has no place among the events (ExecID 0): after a crash it is asked for again.
static void tell_status(struct desk *desk, struct session *session, const struct fix_order *order,
                        const struct happening *what)
{
    struct report report;
    report_order(&report, order, what, desk->view);
    send_report(session, "8", &report, (struct store_reference){0});
}

static void on_status(struct desk *desk, const struct event *event, const struct request *flight)
{
    struct session *session = desk_find_session(desk, flight->session);
    const struct fix_order order = order_of_status(desk, event, flight->session);
    const struct happening what = {.exec_type = 'I',
                                   .time_ns = event->header.time_ns,
                                   .sequence = event->header.sequence,
                                   .status_id = &flight->status_id};
    tell_status(desk, session, &order, &what);
}

// ---- mass cancel, mass status -------------------------------------------------------------------

static bool of_the_mass(const struct desk *desk, const struct event *event)
{
    const struct request *request = &desk->mass.request;
    if (request->gateway_seq == 0)
        return false;
    return event->header.gateway == GATEWAY_CORE ||
           (event->header.gateway == GATEWAY_FIX &&
            event->header.gateway_seq == request->gateway_seq);
}

// The open orders that a mass status request means: every one of its reports says how many.
struct meant {
    const struct request *request;
    uint32_t count;
};

static void visit_meant(void *context, const struct view_order *order)
{
    struct meant *meant = context;
    const struct request *request = meant->request;
    meant->count += order->session == request->session &&
                    (request->account == 0 || request->account == order->account) &&
                    (request->instrument == 0 || request->instrument == order->instrument) &&
                    (request->side == 0 || request->side == order->side);
}

static uint32_t count_meant(const struct desk *desk, const struct request *request)
{
    struct meant meant = {.request = request};
    for (uint32_t account = 1; account <= desk->accounts_max; account++)
        view_orders_of_account(desk->view, account, visit_meant, &meant);
    return meant.count;
}

// A mass cancel that was in flight when the process before this one died: as it was kept, or (the
// machine died, too, and took the store's end) with what its events tell.
static struct request mass_of_before(const struct desk *desk, const struct event *event)
{
    static const struct request_id none = {.bytes = 4, .text = "NONE"};
    struct request request;
    const struct event_header *header = &event->header;
    if (!kept_requests_find(&desk->kept, &request, header->session, header->session_seq))
        request = (struct request){.session = header->session,
                                   .session_seq = header->session_seq,
                                   .kind = REQUEST_MASS_CANCEL,
                                   .client_id = none};
    request.gateway_seq = header->gateway_seq;
    return request;
}

// Whether the event begins the answer to a mass cancel that a process before this one has sent. Its
// last event is the `done` that follows the orders which it cancelled.
static bool begins_mass_of_before(const struct desk *desk, const struct event *event)
{
    if (!desk->poss_resend || event->header.gateway != GATEWAY_FIX || event->header.index != 0 ||
        desk_find_session(desk, event->header.session) == NULL)
        return false;
    if (event->header.type == EVT_order_cancelled)
        return event->body.order_cancelled.reason == CANCEL_MASS;
    return event->header.type == EVT_done && event->body.done.command == CMD_order_mass_cancel;
}

static void mass_begin(struct desk *desk, const struct request *flight, const struct event *event)
{
    bool tells = flight->kind == REQUEST_MASS_STATUS && event->header.type == EVT_order_status;
    desk->mass =
        (struct mass_answer){.request = *flight, .total = tells ? count_meant(desk, flight) : 0};
}

// Told as they come, so that a peer that reads gets them all, however many they are.
static void tell_one_of_many(struct desk *desk, const struct event *event)
{
    struct mass_answer *mass = &desk->mass;
    const struct fix_order order = order_of_status(desk, event, mass->request.session);
    mass->told++;
    const struct happening what = {.exec_type = 'I',
                                   .time_ns = event->header.time_ns,
                                   .sequence = event->header.sequence,
                                   .status_id = &mass->request.status_id,
                                   .total = mass->total,
                                   .last = mass->told == mass->total};
    tell_status(desk, desk_find_session(desk, mass->request.session), &order, &what);
}

static void tell_none(struct desk *desk, const struct event *done)
{
    struct report report;
    report_no_orders(&report, &desk->mass.request, done->header.time_ns);
    send_report(desk_find_session(desk, desk->mass.request.session), "8", &report,
                (struct store_reference){0});
}

static void tell_mass_cancelled(struct desk *desk, const struct event *done)
{
    struct report report;
    char exec_id[48];
    const struct store_reference reference = desk_reference(done, 0);
    if (!desk_is_new(desk, desk->mass.request.session, &reference))
        return; // told by the process before
    report_exec_id(exec_id, &reference);
    report_mass_cancel(&report, &desk->mass.request, &(struct rejection){.code = REJECT_NONE},
                       desk->mass.told, exec_id, done->header.time_ns);
    send_report(desk_find_session(desk, desk->mass.request.session), "r", &report, reference);
}

// The `done` that has no more behind it.
static void mass_end(struct desk *desk, const struct event *done)
{
    struct session *session = desk_find_session(desk, desk->mass.request.session);
    if (desk->mass.request.kind == REQUEST_MASS_CANCEL)
        tell_mass_cancelled(desk, done);
    else if (desk->mass.told == 0)
        tell_none(desk, done);
    if (!desk->poss_resend)
        free_id(desk, &desk->mass.request);
    desk->mass = (struct mass_answer){0};
    if (done->header.gateway == GATEWAY_CORE)
        trading_retry(session);
}

static void mass_on_event(struct desk *desk, const struct event *event)
{
    struct mass_answer *mass = &desk->mass;
    bool cancels = mass->request.kind == REQUEST_MASS_CANCEL;
    if (event->header.type == EVT_order_cancelled && cancels)
        mass->told++;
    else if (event->header.type == EVT_order_status && !cancels)
        tell_one_of_many(desk, event);
    else if (event->header.type == EVT_rejected)
        mass->request.gateway_seq = 0; // told as any refusal
    else if (event->header.type == EVT_done && event->body.done.more == 0)
        mass_end(desk, event);
}

// ---- refusals by the engine ---------------------------------------------------------------------

static bool kind_of(uint8_t command, uint8_t *kind)
{
    switch (command) {
    case CMD_order_new:
    case CMD_order_new_terms:
        *kind = REQUEST_NEW;
        return true;
    case CMD_order_cancel:
        *kind = REQUEST_CANCEL;
        return true;
    case CMD_order_amend:
        *kind = REQUEST_AMEND;
        return true;
    case CMD_order_mass_cancel:
        *kind = REQUEST_MASS_CANCEL;
        return true;
    case CMD_order_status:
        *kind = REQUEST_STATUS;
        return true;
    default:
        return false;
    }
}

// What can be said of a request that was in flight when the process before this one died.
static struct request request_from(const struct desk *desk, const struct event *event, uint8_t kind)
{
    if (kind == REQUEST_MASS_CANCEL)
        return mass_of_before(desk, event);
    const struct rejected_evt *rejected = &event->body.rejected;
    struct request request = {.session = event->header.session,
                              .session_seq = event->header.session_seq,
                              .account = rejected->account,
                              .instrument = rejected->instrument,
                              .order = rejected->order,
                              .kind = kind,
                              .tif = TIF_NOT_GIVEN};
    request.client_id.bytes = rejected->client_id_bytes;
    memcpy(request.client_id.text, rejected->client_id, sizeof request.client_id.text);
    const struct view_instrument *instrument = view_instrument(desk->view, rejected->instrument);
    if (instrument != NULL) {
        memcpy(request.symbol, instrument->terms.symbol, SYMBOL_BYTES_MAX);
        request.token_scale = instrument->terms.token_scale;
    }
    return request;
}

static void tell_refused(struct desk *desk, struct session *session, const struct request *request,
                         const struct event *event)
{
    const struct rejected_evt *rejected = &event->body.rejected;
    const struct rejection why = {rejected->code, rejected->limit, rejected->value,
                                  rejected->argument, event->header.sequence};
    struct report report;
    char exec_id[48];
    uint64_t time_ns = event->header.time_ns;
    const struct store_reference reference = desk_reference(event, 0);
    report_exec_id(exec_id, &reference);
    switch ((enum request_kind)request->kind) {
    case REQUEST_NEW:
        report_refused(&report, request, '8', &why, exec_id, time_ns);
        send_report(session, "8", &report, reference);
        return;
    case REQUEST_STATUS:
    case REQUEST_MASS_STATUS:
        report_refused(&report, request, 'I', &why, "0", time_ns);
        send_report(session, "8", &report, reference);
        return;
    case REQUEST_MASS_CANCEL:
        report_mass_cancel(&report, request, &why, 0, exec_id, time_ns);
        send_report(session, "r", &report, reference);
        return;
    case REQUEST_CANCEL:
    case REQUEST_AMEND:
        report_cancel_refused(&report, request, orders_find(&desk->orders, request->order), &why,
                              time_ns);
        send_report(session, "9", &report, reference);
        return;
    case REQUEST_SECURITY_STATUS:
    case REQUEST_VENUE_STATUS:
        break;
    }
    ASSERT(false);
}

// The order was done before the engine was asked: then we know how.
static bool tell_done_status(struct desk *desk, struct session *session,
                             const struct request *request, const struct event *event)
{
    const struct fix_order *order = orders_find(&desk->orders, request->order);
    if (request->kind != REQUEST_STATUS || order == NULL || fix_order_is_open(order) ||
        event->body.rejected.code != REJECT_UNKNOWN_ORDER)
        return false;
    const struct happening what = {.exec_type = 'I',
                                   .time_ns = event->header.time_ns,
                                   .sequence = event->header.sequence,
                                   .status_id = &request->status_id};
    tell_status(desk, session, order, &what);
    return true;
}

static void on_rejected(struct desk *desk, const struct event *event, const struct request *flight)
{
    const struct rejected_evt *rejected = &event->body.rejected;
    struct session *session = desk_find_session(desk, event->header.session);
    const struct store_reference reference = desk_reference(event, 0);
    if (event->header.gateway != GATEWAY_FIX || session == NULL ||
        !desk_is_new(desk, session->id, &reference))
        return;
    uint8_t kind = 0;
    if (!kind_of(rejected->command, &kind)) {
        const struct reject_entry *entry = reject_entry(rejected->code);
        log_warning("session command refused session=%" PRIu32 " command=%s code=%s", session->id,
                    command_name(rejected->command), entry->name);
        session_expel(session, entry->hint);
        return;
    }
    struct request request = flight != NULL ? *flight : request_from(desk, event, kind);
    if (flight != NULL)
        free_id(desk, &request);
    if (!tell_done_status(desk, session, &request, event))
        tell_refused(desk, session, &request, event);
}

// ---- one event ----------------------------------------------------------------------------------

void answers_on_event(struct desk *desk, const struct event *event)
{
    const struct request *flight = event->header.gateway == GATEWAY_FIX
                                       ? flights_find(&desk->flights, event->header.gateway_seq)
                                       : NULL;
    bool is_mass = flight != NULL &&
                   (flight->kind == REQUEST_MASS_CANCEL || flight->kind == REQUEST_MASS_STATUS);
    if (is_mass && event->header.index == 0)
        mass_begin(desk, flight, event);
    if (begins_mass_of_before(desk, event)) {
        const struct request request = mass_of_before(desk, event);
        mass_begin(desk, &request, event);
    }
    if (of_the_mass(desk, event))
        mass_on_event(desk, event);
    if (event->header.type == EVT_rejected)
        on_rejected(desk, event, flight);
    if (event->header.type == EVT_order_status && flight != NULL && !is_mass)
        on_status(desk, event, flight);
}
