#include "gateway/fix/market_status.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/fix/report.h"

enum { UNKNOWN_ID = 1 }; // BusinessRejectReason

static void send_report(struct session *session, const char *type, const struct report *report)
{
    const struct session_message message = {.msg_type = type,
                                            .fields = report->fields,
                                            .field_count = report->field_count,
                                            .passing = true};
    session_send(session, &message);
}

static void send_status(struct session *session, const char *symbol,
                        const struct request_id *status_id, const struct security_state *state)
{
    struct report report;
    report_security_status(&report, symbol, status_id, state);
    send_report(session, "f", &report);
}

static void send_venue_status(struct session *session, const struct request_id *status_id,
                              bool unsolicited)
{
    struct report report;
    const struct desk *desk = session->desk;
    report_venue_status(&report, desk->venue, status_id, view_venue_state(desk->view), unsolicited);
    send_report(session, "h", &report);
}

// ---- subscriptions: one per instrument, and one to the venue ------------------------------------

static struct subscription *find(const struct session *session, uint32_t instrument)
{
    for (size_t i = 0; i < session->subscription_count; i++)
        if (session->subscriptions[i].instrument == instrument)
            return &session->subscriptions[i];
    return NULL;
}

static void subscribe(struct session *session, const struct request *request)
{
    struct subscription *entry = find(session, request->instrument);
    if (entry == NULL) {
        session->subscriptions =
            realloc(session->subscriptions,
                    (session->subscription_count + 1) * sizeof *session->subscriptions);
        ASSERT(session->subscriptions != NULL);
        entry = &session->subscriptions[session->subscription_count++];
    }
    *entry = (struct subscription){request->instrument, request->status_id};
}

static bool unsubscribe(struct session *session, const struct request *request)
{
    struct subscription *entry = find(session, request->instrument);
    if (entry == NULL || entry->id.bytes != request->status_id.bytes ||
        memcmp(entry->id.text, request->status_id.text, entry->id.bytes) != 0)
        return false;
    *entry = session->subscriptions[--session->subscription_count];
    return true;
}

void market_status_forget(struct session *session)
{
    free(session->subscriptions);
    session->subscriptions = NULL;
    session->subscription_count = 0;
}

// ---- requests -----------------------------------------------------------------------------------

static void refuse_unknown(struct session *session, const struct request *request)
{
    struct report report;
    report_business_reject(&report, request, UNKNOWN_ID, "there is no such subscription");
    const struct session_message message = {
        .msg_type = "j", .fields = report.fields, .field_count = report.field_count};
    session_send(session, &message);
}

static void answer(struct session *session, const struct request *request)
{
    const struct desk *desk = session->desk;
    const struct security_state state = {.instrument =
                                             view_instrument(desk->view, request->instrument),
                                         .time_ns = clock_wall_ns(desk->clock)};
    if (request->kind == REQUEST_VENUE_STATUS)
        send_venue_status(session, &request->status_id, false);
    else
        send_status(session, request->symbol, &request->status_id, &state);
}

enum fix_taken market_status_requested(struct session *session, const struct request *request,
                                       const struct refusal *refusal, uint32_t *wrong_tag)
{
    bool known = request->instrument != 0 || request->kind == REQUEST_VENUE_STATUS;
    *wrong_tag = 263;
    if (request->subscription < '0' || request->subscription > '2')
        return FIX_VALUE_REFUSED;
    *wrong_tag = (uint32_t)refusal->argument;
    if (refusal->code != REJECT_NONE && refusal->code != REJECT_UNKNOWN_SYMBOL)
        return FIX_VALUE_REFUSED;
    if (request->subscription == '2') {
        if (!known || !unsubscribe(session, request))
            refuse_unknown(session, request);
        return FIX_TAKEN;
    }
    if (request->subscription == '1' && known)
        subscribe(session, request);
    answer(session, request);
    return FIX_TAKEN;
}

// ---- events -------------------------------------------------------------------------------------

static void tell_subscribers(struct desk *desk, uint32_t instrument, uint64_t time_ns)
{
    char symbol[SYMBOL_BYTES_MAX + 1] = {0};
    const struct security_state state = {.instrument = view_instrument(desk->view, instrument),
                                         .unsolicited = true,
                                         .time_ns = time_ns};
    if (state.instrument == NULL)
        return;
    memcpy(symbol, state.instrument->terms.symbol, SYMBOL_BYTES_MAX);
    for (uint32_t i = 0; i < desk->open_count; i++) {
        struct session *session = desk->open[i];
        const struct subscription *entry = find(session, instrument);
        if (entry != NULL && session_logged_on(session))
            send_status(session, symbol, &entry->id, &state);
    }
}

static void tell_venue_subscribers(struct desk *desk)
{
    for (uint32_t i = 0; i < desk->open_count; i++) {
        const struct subscription *entry = find(desk->open[i], 0);
        if (entry != NULL && session_logged_on(desk->open[i]))
            send_venue_status(desk->open[i], &entry->id, true);
    }
}

// Of an auction's end the state that follows it tells.
void market_status_on_event(struct desk *desk, const struct event *event)
{
    const struct auction_evt *auction = &event->body.auction;
    if (event->header.type == EVT_auction && auction->final == 0)
        tell_subscribers(desk, auction->instrument, event->header.time_ns);
    else if (event->header.type == EVT_instrument_state)
        tell_subscribers(desk, event->body.instrument_state.instrument, event->header.time_ns);
    else if (event->header.type == EVT_venue_state_changed)
        tell_venue_subscribers(desk);
}
