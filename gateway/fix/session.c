// A session's life: open (store, session layer, disconnected) -> connect + feed(Logon) -> logged
// on, the core is told -> messages -> disconnected, the core is told (cancel on disconnect is the
// engine's) -> connect …
//
// Numbers in: after a start of the process the next one is the last durable MsgSeqNum + 1; what the
// peer sent behind it and nobody acted on, it sends again because we ask. Within a process it is
// what we have read.
#include "gateway/fix/session.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "base/log.h"
#include "gateway/fix/frame.h"
#include "gateway/fix/market_status.h"
#include "gateway/fix/trading.h"

enum {
    HEARTBEAT_SECONDS_MAX = 3600,
    AHEAD_MAX = 10000, // messages behind a gap that the session layer keeps until it is filled
};

static void disk_failed(struct session *session, const char *what, int error)
{
    if (!session->desk->failed)
        log_error("session store failed session=%u what=%s error=%s", session->id, what,
                  strerror(-error));
    session->desk->failed = true;
}

// ---- what the session layer asks and tells ------------------------------------------------------

static void on_to_wire(void *context, const char *bytes, size_t count)
{
    struct session *session = context;
    if (session->wire != NULL && !session->desk->failed)
        session->wire->send(session->wire->context, bytes, count);
}

static void on_hang_up(void *context)
{
    struct session *session = context;
    const struct session_wire *wire = session->wire;
    session->wire = NULL;
    if (wire != NULL)
        wire->hang_up(wire->context);
}

static const char *on_logon_verdict(void *context, const struct fix_message *logon)
{
    struct session *session = context;
    struct fix_text text;
    int64_t seconds = 0;
    if (session->refusal != NULL)
        return session->refusal;
    if (!fix_message_field(logon, 108, &text) ||
        decimal_parse(text.at, text.bytes, 0, &seconds) != DECIMAL_OK || seconds < 1 ||
        seconds > HEARTBEAT_SECONDS_MAX)
        return "HeartBtInt must be 1 to 3600 seconds";
    return NULL;
}

static void on_logged_on(void *context)
{
    struct session *session = context;
    log_info("logged on session=%u next_in=%u next_out=%u", session->id, session->next_in,
             session->store.next_out);
    session_announce(session);
}

static void on_logged_off(void *context)
{
    struct session *session = context;
    log_info("logged off session=%u", session->id);
    session->resend = (struct resend){0};
    session->reset = false;
    market_status_forget(session);
    if (session->opened) {
        session->opened = false;
        session->close_wanted = true;
        session_announce(session);
    }
}

static enum fix_taken on_message(void *context, const struct fix_message *message,
                                 uint32_t *wrong_tag)
{
    struct session *session = context;
    return trading_on_message(session, message, wrong_tag);
}

static void on_resend_requested(void *context, uint32_t first, uint32_t last)
{
    struct session *session = context;
    log_info("resend requested session=%u first=%u last=%u next_out=%u", session->id, first, last,
             session->store.next_out);
    resend_begin(&session->resend, first, last, session->store.next_out);
}

static void on_note(void *context, const char *text)
{
    struct session *session = context;
    log_debug("session layer session=%u note=%s", session->id, text);
}

static uint32_t on_next_out(void *context)
{
    return ((struct session *)context)->store.next_out;
}

static uint32_t on_next_in(void *context)
{
    return ((struct session *)context)->next_in;
}

static void on_set_next_out(void *context, uint32_t number)
{
    struct session *session = context;
    session->store.next_out = number;
    int error = store_reserve(&session->store);
    if (error != 0)
        disk_failed(session, "reserve", error);
}

static void on_set_next_in(void *context, uint32_t number)
{
    ((struct session *)context)->next_in = number;
}

static void on_keep(void *context, uint32_t number, bool application, const char *bytes,
                    size_t count)
{
    struct session *session = context;
    if (!application || session->passing)
        return; // a number without a message is gap-filled
    struct store_record record = session->keeping;
    record.number = number;
    record.text = bytes;
    record.text_bytes = count;
    store_append(&session->store, &record);
}

// Open orders and today's client ids must outlive the messages that carried them.
static void orders_carry(struct session *session)
{
    const struct orders *orders = &session->desk->orders;
    for (size_t i = 0; i < orders->count; i++) {
        const struct fix_order *order = &orders->entries[i];
        const struct store_record record = {.state = order, .state_bytes = sizeof *order};
        if (order->session == session->id)
            store_append(&session->store, &record);
    }
}

static void execution_append(struct session *session, const struct fix_order *order,
                             const struct execution *execution)
{
    const struct fix_order_execution state = {*order, *execution};
    store_append(&session->store,
                 &(struct store_record){.state = &state, .state_bytes = sizeof state});
}

// What may be corrected, too.
static void executions_carry(struct session *session)
{
    const struct executions *executions = &session->desk->executions;
    for (size_t i = 0; i < executions->count; i++) {
        const struct execution *execution = &executions->entries[i];
        const struct fix_order *order = orders_find(&session->desk->orders, execution->order);
        ASSERT(order != NULL);
        if (order->session == session->id)
            execution_append(session, order, execution);
    }
}

static void requests_carry(struct session *session)
{
    const struct flights *flights = &session->desk->flights;
    for (size_t i = 0; i < flights->count; i++) {
        const struct request *flight = &flights->entries[i];
        if (flight->gateway_seq != 0 && flight->session == session->id &&
            flight->kind == REQUEST_MASS_CANCEL)
            kept_request_append(&session->store, flight);
    }
}

// The peer wants both numbers at 1.
static void on_reset(void *context)
{
    struct session *session = context;
    log_info("numbers reset session=%u", session->id);
    session->next_in = 1;
    session->resend = (struct resend){0};
    session->answered_count = 0;
    session->reset = session->opened;
    int error = store_reset_begin(&session->store);
    if (error == 0) {
        orders_carry(session);
        executions_carry(session);
        requests_carry(session);
        error = store_reset_commit(&session->store);
    }
    if (error != 0)
        disk_failed(session, "reset", error);
}

static const struct fix_session_events layer_events = {
    .to_wire = on_to_wire,
    .hang_up = on_hang_up,
    .logon_verdict = on_logon_verdict,
    .logged_on = on_logged_on,
    .logged_off = on_logged_off,
    .message = on_message,
    .resend_requested = on_resend_requested,
    .note = on_note,
    .next_out = on_next_out,
    .next_in = on_next_in,
    .set_next_out = on_set_next_out,
    .set_next_in = on_set_next_in,
    .keep = on_keep,
    .reset = on_reset,
};

// ---- what was answered before -------------------------------------------------------------------

static void answered_add(struct session *session, uint32_t number)
{
    if (session->answered_count == session->answered_capacity) {
        session->answered_capacity =
            session->answered_capacity == 0 ? 64 : session->answered_capacity * 2;
        session->answered =
            realloc(session->answered, session->answered_capacity * sizeof *session->answered);
        ASSERT(session->answered != NULL);
    }
    size_t place = session->answered_count++;
    for (; place > 0 && session->answered[place - 1] > number; place--)
        session->answered[place] = session->answered[place - 1];
    session->answered[place] = number;
}

static void visit_record(void *context, const struct store_record *record)
{
    struct session *session = context;
    if (record->number != 0 && record->reference.sequence == 0 && record->reference.index != 0)
        answered_add(session, record->reference.index);
    session->visit(session->desk, record);
}

// What is below the expected number does not come again.
static void answered_prune(struct session *session)
{
    size_t gone = 0;
    while (gone < session->answered_count && session->answered[gone] < session->next_in)
        gone++;
    session->answered_count -= gone;
    if (session->answered_count > 0)
        memmove(session->answered, session->answered + gone,
                session->answered_count * sizeof *session->answered);
}

bool session_has_answered(const struct session *session, uint32_t number)
{
    size_t low = 0, high = session->answered_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (session->answered[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low < session->answered_count && session->answered[low] == number;
}

// ---- life ---------------------------------------------------------------------------------------

struct session *session_open(struct desk *desk, uint32_t id, const char *comp_id,
                             store_visit *visit, int *error)
{
    struct session *session = calloc(1, sizeof *session);
    ASSERT(session != NULL);
    session->desk = desk;
    session->id = id;
    session->next_in = 1;
    session->visit = visit;
    *error = store_open(&session->store, desk->folder, id, comp_id, visit_record, session);
    if (*error == 0) {
        session->layer = fix_session_create(desk->dialect, desk->venue, session->store.comp_id,
                                            &layer_events, session);
        if (session->layer == NULL)
            *error = -EEXIST; // two stores with one CompID
    }
    if (*error != 0) {
        session_abandon(session);
        return NULL;
    }
    return session;
}

static void session_free(struct session *session)
{
    if (session->layer != NULL)
        fix_session_destroy(session->layer);
    free(session->waiting);
    free(session->answered);
    market_status_forget(session);
    free(session);
}

int session_close(struct session *session)
{
    int error = store_close(&session->store);
    session_free(session);
    return error;
}

void session_abandon(struct session *session)
{
    store_abandon(&session->store);
    session_free(session);
}

void session_connect(struct session *session, const struct session_wire *wire, const char *refusal)
{
    ASSERT(session->wire == NULL);
    if (!session->numbers_known) {
        session->next_in = view_session_last_seq(session->desk->view, session->id) + 1;
        answered_prune(session);
    }
    session->numbers_known = true;
    session->wire = wire;
    session->garbled_before = false;
    session->refusal = refusal;
    fix_session_connect(session->layer);
}

void session_disconnected(struct session *session)
{
    session->wire = NULL;
    fix_session_disconnect(session->layer);
}

// A peer that runs ahead of its own gap makes the session layer keep everything: there is an end to
// that. And what is wider than the session layer's numbers would come round to small ones.
static bool is_above(const char *bytes, size_t count, uint32_t tag, int64_t max)
{
    struct frame_field field;
    int64_t number = 0;
    if (!frame_field(bytes, count, tag, &field))
        return false;
    enum decimal_result result = decimal_parse(field.value, field.bytes, 0, &number);
    return result == DECIMAL_OVERFLOW || (result == DECIMAL_OK && number > max);
}

static const char *number_fault(const struct session *session, const char *bytes, size_t count)
{
    if (is_above(bytes, count, 34, (int64_t)session->next_in + AHEAD_MAX))
        return "MsgSeqNum is too far ahead of the gap";
    if (is_above(bytes, count, 36, INT32_MAX))
        return "NewSeqNo is out of range";
    return NULL;
}

void session_feed(struct session *session, const char *bytes, size_t count)
{
    const char *fault = session_logged_on(session) ? number_fault(session, bytes, count) : NULL;
    if (fault != NULL) {
        session_expel(session, fault);
        return;
    }
    if (fix_session_feed(session->layer, bytes, count))
        return;
    log_limited(LOG_WARNING, "message ignored, not parsable session=%u", session->id);
    // It shows as a gap and is asked for again; the same fault in it then would stop the session
    // for good, without a word.
    if (session->garbled_before)
        session_expel(session, "a message does not parse: a tag is no number, or 8, 9 and 35 are "
                               "not in front");
    session->garbled_before = true;
}

void session_expel(struct session *session, const char *reason)
{
    if (session_logged_on(session))
        fix_session_logout(session->layer, reason);
}

bool session_is_held(const struct session *session)
{
    return session->waiting_count > 0;
}

bool session_logged_on(const struct session *session)
{
    return fix_session_logged_on(session->layer);
}

size_t session_state_load(struct fix_order_execution *out, const struct store_record *record)
{
    *out = (struct fix_order_execution){0};
    if (record->state_bytes != sizeof out->order && record->state_bytes != sizeof *out)
        return 0;
    memcpy(out, record->state, record->state_bytes);
    return record->state_bytes == sizeof *out ? 2 : 1;
}

// Whether a record of the segment that is dropped is what a process that starts would know an
// execution by.
static bool tells_execution(const struct session *session, const struct fix_order_execution *state)
{
    if (state->execution.trade == 0)
        return false;
    const struct execution *now =
        executions_find(&session->desk->executions, state->execution.trade, state->execution.side);
    return now != NULL && memcmp(now, &state->execution, sizeof *now) == 0;
}

// A record of the segment that is dropped: an execution that may be corrected, the state of an
// order that has not changed since, and the id of a cancel, or one that a replace has taken off,
// live on. Each is carried once, so that what is carried stays small beside what is dropped.
static void carry(void *context, const struct store_record *record)
{
    struct session *session = context;
    struct orders *orders = &session->desk->orders;
    struct fix_order_execution state;
    struct frame_field id = {0};
    if (session_state_load(&state, record) == 0)
        return;
    const struct fix_order *order = orders_find(orders, state.order.order);
    if (order == NULL)
        return; // done on a former day
    if (tells_execution(session, &state)) {
        execution_append(session, order, &state.execution);
        return;
    }
    bool means = frame_field(record->text, record->text_bytes, 11, &id) &&
                 !(id.bytes == order->client_id_bytes &&
                   memcmp(id.value, order->client_id, id.bytes) == 0) &&
                 orders_meaning(orders, session->id, id.value, id.bytes) == order->order;
    if (!means && memcmp(order, &state.order, sizeof state.order) != 0)
        return; // told better by a later record
    char text[CLIENT_ID_BYTES_MAX + 8];
    int bytes = means ? snprintf(text, sizeof text, "11=%.*s\001", (int)id.bytes, id.value) : 0;
    store_append(&session->store, &(struct store_record){.state = order,
                                                         .state_bytes = sizeof *order,
                                                         .text = text,
                                                         .text_bytes = (size_t)bytes});
}

static void store_retire(struct session *session)
{
    struct store *store = &session->store;
    if (!store_is_over(store, &session->desk->kept_limits, clock_wall_ns(session->desk->clock)))
        return;
    log_info("sent messages dropped session=%u segment=%u bytes=%" PRIu64, session->id,
             store->first_segment, store->older_bytes + store->written);
    int error = store_drop_oldest(store, carry, session);
    if (error != 0)
        disk_failed(session, "drop", error);
}

void session_tick(struct session *session)
{
    session_announce(session);
    store_retire(session);
    if (session->wire != NULL)
        fix_session_tick(session->layer);
}

// ---- to the core --------------------------------------------------------------------------------

void session_settle(struct session *session)
{
    int error = session->store.buffer_bytes > 0 ? store_flush(&session->store) : 0;
    if (error != 0)
        disk_failed(session, "settle", error);
}

// The last number without a gap before it (a Logon that is ahead of a gap must not make the gap
// look read) that is also dealt with: what waits for an order's id is not.
static uint32_t contiguous_number(const struct session *session)
{
    return session->waiting_count > 0 ? session->waiting[0].session_seq - 1 : session->next_in - 1;
}

bool session_announce(struct session *session)
{
    struct link *link = session->desk->link;
    uint32_t contiguous = contiguous_number(session);
    if (session->close_wanted) {
        struct command *command = link_claim(link, CMD_session_close, 0, session->id, 0);
        if (command == NULL)
            return false;
        command->body.session_close.closed_session = session->id;
        command->body.session_close.reason = CANCEL_DISCONNECT;
        link_send(link);
        session->close_wanted = false;
    }
    if ((session->opened && !session->reset) || !session_logged_on(session))
        return session->opened;
    struct command *command = link_claim(link, CMD_session_open, 0, session->id, contiguous);
    if (command == NULL)
        return session->opened;
    command->body.session_open.opened_session = session->id;
    session_settle(session);
    link_send(link);
    session->opened = true;
    session->reset = false;
    return true;
}

// ---- to the peer --------------------------------------------------------------------------------

void session_send(struct session *session, const struct session_message *message)
{
    bool again = message->reference.sequence != 0 && session->desk->poss_resend;
    struct fix_order_execution both;
    session->keeping =
        (struct store_record){.reference = message->reference,
                              .state = message->order,
                              .state_bytes = message->order != NULL ? sizeof *message->order : 0};
    if (message->execution != NULL) {
        both = (struct fix_order_execution){*message->order, *message->execution};
        session->keeping.state = &both;
        session->keeping.state_bytes = sizeof both;
    }
    session->passing = message->passing;
    fix_session_send(session->layer, message->msg_type, again, message->fields,
                     message->field_count, message->group, message->group != NULL ? 1 : 0);
    session->keeping = (struct store_record){0};
    session->passing = false;
}

bool session_resend_some(struct session *session, size_t budget, uint64_t wall_ns)
{
    char text[RESEND_MESSAGE_BYTES_MAX];
    const struct resend_route route = {session->desk->venue, session->store.comp_id};
    size_t sent = 0;
    while (session->wire != NULL && sent < budget) {
        size_t bytes = resend_next(&session->resend, &session->store, &route, wall_ns, text);
        if (bytes == 0)
            return false;
        session->wire->send(session->wire->context, text, bytes);
        sent += bytes;
    }
    return session->wire != NULL;
}
