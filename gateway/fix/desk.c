// Durable events, told to the members they concern. What happens twice is told once: each report is
// kept with the place of its event, and an event at or before the last one kept is passed over (a
// restart reads the tape from a little before).
#include "gateway/fix/desk.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "gateway/fix/frame.h"
#include "gateway/fix/report.h"
#include "gateway/fix/session.h"
#include "gateway/fix/trading.h"
#include "risk/postings.h"

// ---- sessions -----------------------------------------------------------------------------------

static void visit_kept(void *context, const struct store_record *record)
{
    struct desk *desk = context;
    struct fix_order order;
    if (record->state_bytes != sizeof order)
        return;
    memcpy(&order, record->state, sizeof order);
    orders_put(&desk->orders, &order);
    struct frame_field id; // of the cancel, where the message answers one
    if (frame_field(record->text, record->text_bytes, 11, &id))
        orders_mean(&desk->orders, order.session, id.value, id.bytes, order.order);
}

struct session *desk_session(struct desk *desk, uint32_t id, const char *comp_id)
{
    if (id == 0 || id > desk->sessions_max)
        return NULL;
    int error = 0;
    if (desk->sessions[id] == NULL) {
        desk->sessions[id] = session_open(desk, id, comp_id, visit_kept, &error);
        if (desk->sessions[id] != NULL)
            desk->open[desk->open_count++] = desk->sessions[id];
    }
    struct session *session = desk->sessions[id];
    if (session == NULL) {
        log_error("session cannot be opened session=%" PRIu32 " error=%s", id, strerror(-error));
        return NULL;
    }
    if (comp_id != NULL && strcmp(session->store.comp_id, comp_id) != 0) {
        log_error("session store belongs to another CompID session=%" PRIu32, id);
        return NULL;
    }
    return session;
}

static bool sessions_load(struct desk *desk)
{
    if (mkdir(desk->folder, 0700) != 0 && errno != EEXIST) {
        log_error("cannot make folder=%s error=%s", desk->folder, strerror(errno));
        return false;
    }
    DIR *folder = opendir(desk->folder);
    if (folder == NULL)
        return false;
    bool loaded = true;
    for (struct dirent *entry = readdir(folder); entry != NULL && loaded; entry = readdir(folder)) {
        char *end = NULL;
        unsigned long id = strtoul(entry->d_name, &end, 10);
        if (*end == 0 && id > 0 && id <= desk->sessions_max)
            loaded = desk_session(desk, (uint32_t)id, NULL) != NULL;
    }
    closedir(folder);
    return loaded;
}

bool desk_open(struct desk *desk, const struct boot *boot, struct view *view, struct link *link,
               const struct clock *clock)
{
    *desk = (struct desk){.venue = boot->config.venue_name,
                          .clock = clock,
                          .view = view,
                          .link = link,
                          .sessions_max = (uint32_t)boot->config.limits_sessions_max,
                          .poss_resend = true};
    snprintf(desk->folder, sizeof desk->folder, "%s/fix", boot->config.venue_state_folder);
    desk->sessions = calloc(desk->sessions_max + 1u, sizeof(struct session *));
    desk->open = calloc(desk->sessions_max, sizeof(struct session *));
    ASSERT(desk->sessions != NULL && desk->open != NULL);
    orders_init(&desk->orders);
    flights_init(&desk->flights);
    desk->dialect = fix_dialect_create();
    if (desk->dialect == NULL || !sessions_load(desk))
        return false;
    orders_begin_day(&desk->orders, clock_wall_ns(clock));
    return true;
}

bool desk_close(struct desk *desk)
{
    bool clean = !desk->failed;
    for (uint32_t i = 0; i < desk->open_count; i++) {
        uint32_t id = desk->open[i]->id;
        int error = session_close(desk->open[i]);
        if (error != 0)
            log_error("store not closed session=%" PRIu32 " error=%s", id, strerror(-error));
        clean = clean && error == 0;
    }
    orders_fini(&desk->orders);
    flights_fini(&desk->flights);
    fix_dialect_destroy(desk->dialect);
    free(desk->sessions);
    free(desk->open);
    return clean;
}

void desk_flush(struct desk *desk)
{
    for (uint32_t i = 0; i < desk->open_count; i++) {
        struct session *session = desk->open[i];
        int error = store_flush(&session->store);
        if (error != 0) {
            log_error("store not written session=%" PRIu32 " error=%s", session->id,
                      strerror(-error));
            desk->failed = true;
        }
    }
}

// ---- one event ----------------------------------------------------------------------------------

static struct store_reference reference_of(const struct event *event, uint32_t side)
{
    return (struct store_reference){event->header.sequence, event->header.index, side};
}

static struct session *session_of(const struct desk *desk, uint32_t id)
{
    return id <= desk->sessions_max ? desk->sessions[id] : NULL;
}

// Whether the event at this place has not been told yet: neither reported nor folded into the
// order.
static bool is_new(const struct desk *desk, uint32_t session_id,
                   const struct store_reference *reference)
{
    const struct session *session = session_of(desk, session_id);
    return session == NULL || store_reference_compare(reference, &session->store.last) > 0;
}

static void tell(struct desk *desk, const struct fix_order *order, struct happening *what,
                 const struct event *event)
{
    struct session *session = session_of(desk, order->session);
    if (session == NULL)
        return;
    struct report report;
    what->time_ns = event->header.time_ns;
    report_order(&report, order, what, desk->view);
    const struct session_message message = {.msg_type = "8",
                                            .fields = report.fields,
                                            .field_count = report.field_count,
                                            .group = report.has_fee ? &report.fee : NULL,
                                            .reference = what->reference,
                                            .order = order};
    session_send(session, &message);
}

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
                              .session = event->header.session,
                              .account = accepted->account,
                              .instrument = accepted->instrument,
                              .side = accepted->side,
                              .type = accepted->type,
                              .tif = accepted->tif,
                              .client_id_bytes = accepted->client_id_bytes};
    memcpy(order.client_id, accepted->client_id, sizeof order.client_id);
    struct happening what = {.exec_type = '0', .reference = reference_of(event, 0)};
    if (is_new(desk, order.session, &what.reference))
        tell(desk, orders_put(&desk->orders, &order), &what, event);
}

static void on_fill(struct desk *desk, const struct event *event, bool maker)
{
    const struct trade_evt *trade = &event->body.trade;
    struct fix_order *order =
        orders_find(&desk->orders, maker ? trade->maker_order : trade->taker_order);
    if (order == NULL)
        return; // not a FIX member's
    struct happening what = {.exec_type = 'F',
                             .reference = reference_of(event, order->side),
                             .last_price = trade->price,
                             .last_quantity = trade->quantity,
                             .fee = maker ? trade->maker_fee : trade->taker_fee,
                             .liquidity = maker ? '1' : '2'};
    if (!is_new(desk, order->session, &what.reference))
        return;
    const struct view_instrument *instrument = view_instrument(desk->view, trade->instrument);
    ASSERT(instrument != NULL);
    int64_t leaves = maker ? trade->maker_leaves : trade->taker_leaves;
    ASSERT(order->leaves == leaves + trade->quantity);
    order->leaves = leaves;
    order->filled_notional +=
        postings_notional(trade->price, trade->quantity, instrument->terms.token_scale);
    tell(desk, order, &what, event);
}

static void on_trade(struct desk *desk, const struct event *event)
{
    // The buyer's report first: the order of references, should both be one session's.
    bool maker_buys = event->body.trade.taker_side == SIDE_SELL;
    on_fill(desk, event, maker_buys);
    on_fill(desk, event, !maker_buys);
}

static struct request_id id_of(const char *text, uint8_t bytes)
{
    struct request_id id = {.bytes = bytes};
    ASSERT(bytes <= sizeof id.text);
    memcpy(id.text, text, bytes);
    return id;
}

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
    }
    return "cancelled";
}

static void on_cancelled(struct desk *desk, const struct event *event)
{
    const struct order_cancelled_evt *cancelled = &event->body.order_cancelled;
    struct fix_order *order = orders_find(&desk->orders, cancelled->order);
    struct happening what = {.exec_type = '4',
                             .reference = reference_of(event, 0),
                             .text = cancel_text(cancelled->reason)};
    if (order == NULL || !is_new(desk, order->session, &what.reference))
        return;
    ASSERT(order->leaves == cancelled->quantity);
    order->cancelled = 1;
    struct request_id client_id = id_of(cancelled->client_id, cancelled->client_id_bytes);
    struct request_id original = id_of(order->client_id, order->client_id_bytes);
    if (cancelled->reason == CANCEL_BY_OWNER && client_id.bytes > 0 &&
        event->header.session == order->session) {
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
    struct happening what = {.exec_type = '5', .reference = reference_of(event, 0)};
    if (order == NULL || !is_new(desk, order->session, &what.reference))
        return;
    struct request_id original = id_of(order->client_id, order->client_id_bytes);
    struct fix_order after = *order;
    after.quantity = amended->quantity;
    after.leaves = amended->leaves;
    after.client_id_bytes = amended->client_id_bytes;
    memcpy(after.client_id, amended->client_id, sizeof after.client_id);
    what.original = &original;
    tell(desk, orders_put(&desk->orders, &after), &what, event);
}

// ---- refusals by the engine ---------------------------------------------------------------------

static bool kind_of(uint8_t command, uint8_t *kind)
{
    switch (command) {
    case CMD_order_new:
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
    default:
        return false;
    }
}

// What can be said of a request that was in flight when the process before this one died.
static struct request request_from(const struct desk *desk, const struct event *event, uint8_t kind)
{
    const struct rejected_evt *rejected = &event->body.rejected;
    struct request request = {.session = event->header.session,
                              .session_seq = event->header.session_seq,
                              .account = rejected->account,
                              .instrument = rejected->instrument,
                              .order = rejected->order,
                              .kind = kind,
                              .client_id = id_of(rejected->client_id, rejected->client_id_bytes)};
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
    struct session_message message = {.reference = reference_of(event, 0)};
    report_exec_id(exec_id, &message.reference);
    if (request->kind == REQUEST_NEW) {
        message.msg_type = "8";
        report_refused(&report, request, '8', &why, exec_id, event->header.time_ns);
    } else if (request->kind == REQUEST_MASS_CANCEL) {
        message.msg_type = "r";
        report_mass_cancel(&report, request, &why, 0, exec_id, event->header.time_ns);
    } else {
        message.msg_type = "9";
        report_cancel_refused(&report, request, orders_find(&desk->orders, request->order), &why,
                              event->header.time_ns);
    }
    message.fields = report.fields;
    message.field_count = report.field_count;
    session_send(session, &message);
}

static void on_rejected(struct desk *desk, const struct event *event)
{
    const struct rejected_evt *rejected = &event->body.rejected;
    struct session *session = session_of(desk, event->header.session);
    struct store_reference reference = reference_of(event, 0);
    if (event->header.gateway != GATEWAY_FIX || session == NULL ||
        !is_new(desk, session->id, &reference))
        return;
    uint8_t kind = 0;
    if (!kind_of(rejected->command, &kind)) {
        const struct reject_entry *entry = reject_entry(rejected->code);
        log_warning("session command refused session=%" PRIu32 " command=%s code=%s", session->id,
                    command_name(rejected->command), entry->name);
        session_expel(session, entry->hint);
        return;
    }
    const struct request *flight = flights_find(&desk->flights, event->header.gateway_seq);
    struct request request = flight != NULL ? *flight : request_from(desk, event, kind);
    if (flight != NULL)
        orders_mean(&desk->orders, session->id, request.client_id.text, request.client_id.bytes, 0);
    tell_refused(desk, session, &request, event);
}

static void on_done(struct desk *desk, const struct event *event)
{
    const struct request *flight = flights_find(&desk->flights, event->header.gateway_seq);
    struct session *session = session_of(desk, event->header.session);
    if (event->header.gateway != GATEWAY_FIX || flight == NULL || session == NULL ||
        flight->kind != REQUEST_MASS_CANCEL)
        return;
    struct report report;
    char exec_id[48];
    struct session_message message = {.msg_type = "r", .reference = reference_of(event, 0)};
    report_exec_id(exec_id, &message.reference);
    report_mass_cancel(&report, flight, &(struct rejection){.code = REJECT_NONE},
                       event->body.done.count, exec_id, event->header.time_ns);
    orders_mean(&desk->orders, session->id, flight->client_id.text, flight->client_id.bytes, 0);
    message.fields = report.fields;
    message.field_count = report.field_count;
    session_send(session, &message);
}

static void on_session_changed(struct desk *desk, const struct event *event)
{
    const struct session_changed_evt *changed = &event->body.session_changed;
    struct session *session = session_of(desk, changed->session);
    if (session != NULL && (changed->flags & SESSION_DISABLED) != 0)
        session_expel(session, "the session is disabled");
}

static void dispatch(struct desk *desk, const struct event *event)
{
    switch (event->header.type) {
    case EVT_order_accepted:
        on_accepted(desk, event);
        break;
    case EVT_trade:
        on_trade(desk, event);
        break;
    case EVT_order_cancelled:
        on_cancelled(desk, event);
        break;
    case EVT_order_amended:
        on_amended(desk, event);
        break;
    case EVT_rejected:
        on_rejected(desk, event);
        break;
    case EVT_done:
        on_done(desk, event);
        break;
    case EVT_session_changed:
        on_session_changed(desk, event);
        break;
    default:
        break; // nothing a FIX member is told
    }
}

static void refuse_lost(struct desk *desk, uint64_t below)
{
    const struct refusal in_doubt = {.code = REJECT_IN_DOUBT};
    for (struct request *flight = flights_next(&desk->flights, 0);
         flight != NULL && flight->gateway_seq < below; flight = flights_next(&desk->flights, 0)) {
        struct request request = *flight;
        flights_remove(&desk->flights, request.gateway_seq);
        trading_refuse(desk->sessions[request.session], &request, &in_doubt);
    }
}

// Returns whether commands before this one turn out to be lost.
static bool hear(struct desk *desk, uint64_t gateway_seq)
{
    bool lost = gateway_seq > desk->heard_seq + 1;
    if (lost)
        refuse_lost(desk, gateway_seq);
    if (gateway_seq > desk->heard_seq)
        desk->heard_seq = gateway_seq;
    return lost;
}

static void retry_all(struct desk *desk)
{
    for (uint32_t i = 0; i < desk->open_count; i++)
        trading_retry(desk->open[i]);
}

void desk_on_event(struct desk *desk, const struct event *event)
{
    bool of_ours = event->header.gateway == GATEWAY_FIX;
    orders_begin_day(&desk->orders, event->header.time_ns);
    // Before the first attach an event is of an incarnation before us.
    bool lost = of_ours && !desk->poss_resend && hear(desk, event->header.gateway_seq);
    dispatch(desk, event);
    if (event->header.last == 0 || !of_ours)
        return;
    flights_remove(&desk->flights, event->header.gateway_seq);
    struct session *session = session_of(desk, event->header.session);
    if (lost)
        retry_all(desk);
    else if (session != NULL && session->waiting_count > 0)
        trading_retry(session);
}

void desk_on_attached(struct desk *desk)
{
    desk->poss_resend = false;
    desk->heard_seq = desk->link->accepted_seq;
    for (uint32_t i = 0; i < desk->open_count; i++) {
        struct session *session = desk->open[i];
        session->opened = false; // the attach may have closed it
        session->close_wanted = false;
        session_announce(session);
        trading_retry(session);
    }
}
