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
#include "gateway/fix/answers.h"
#include "gateway/fix/frame.h"
#include "gateway/fix/market_status.h"
#include "gateway/fix/order_events.h"
#include "gateway/fix/session.h"
#include "gateway/fix/trading.h"

// ---- sessions -----------------------------------------------------------------------------------

static void visit_kept(void *context, const struct store_record *record)
{
    struct desk *desk = context;
    struct fix_order_execution state;
    struct frame_field id; // of the cancel, where the message answers one
    if (kept_requests_load(&desk->kept, record) ||
        executions_load_settled(&desk->executions, record))
        return;
    size_t parts = session_state_load(&state, record);
    if (parts == 0)
        return;
    const struct fix_order order = state.order;
    orders_put(&desk->orders, &order);
    if (parts > 1)
        executions_put(&desk->executions, &state.execution);
    else if (frame_field(record->text, record->text_bytes, 11, &id))
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

static struct store_limits limits_of(const struct config *config)
{
    const uint64_t day_ns = 24ull * 3600 * 1000000000;
    return (struct store_limits){.bytes_max = (uint64_t)config->fix_resend_bytes_max,
                                 .age_max_ns = (uint64_t)config->fix_resend_days * day_ns};
}

bool desk_open(struct desk *desk, const struct boot *boot, struct view *view, struct link *link,
               const struct clock *clock)
{
    *desk = (struct desk){.venue = boot->config.venue_name,
                          .clock = clock,
                          .view = view,
                          .link = link,
                          .sessions_max = (uint32_t)boot->config.limits_sessions_max,
                          .accounts_max = (uint32_t)boot->config.limits_accounts_max,
                          .kept_limits = limits_of(&boot->config),
                          .poss_resend = true};
    snprintf(desk->folder, sizeof desk->folder, "%s/fix", boot->config.venue_state_folder);
    desk->sessions = calloc(desk->sessions_max + 1u, sizeof(struct session *));
    desk->open = calloc(desk->sessions_max, sizeof(struct session *));
    ASSERT(desk->sessions != NULL && desk->open != NULL);
    orders_init(&desk->orders);
    executions_init(&desk->executions);
    flights_init(&desk->flights);
    desk->dialect = fix_dialect_create();
    if (desk->dialect == NULL || !sessions_load(desk))
        return false;
    orders_begin_day(&desk->orders, &desk->executions, clock_wall_ns(clock));
    return true;
}

static void desk_free(struct desk *desk)
{
    orders_fini(&desk->orders);
    executions_fini(&desk->executions);
    flights_fini(&desk->flights);
    kept_requests_fini(&desk->kept);
    fix_dialect_destroy(desk->dialect);
    free(desk->sessions);
    free(desk->open);
}

void desk_abandon(struct desk *desk)
{
    for (uint32_t i = 0; i < desk->open_count; i++)
        session_abandon(desk->open[i]);
    desk_free(desk);
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
    desk_free(desk);
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

struct store_reference desk_reference(const struct event *event, uint32_t side)
{
    return (struct store_reference){event->header.sequence, event->header.index, side};
}

struct session *desk_find_session(const struct desk *desk, uint32_t id)
{
    return id <= desk->sessions_max ? desk->sessions[id] : NULL;
}

bool desk_is_new(const struct desk *desk, uint32_t session_id,
                 const struct store_reference *reference)
{
    const struct session *session = desk_find_session(desk, session_id);
    return session == NULL || store_reference_compare(reference, &session->store.last) > 0;
}

static void on_session_changed(struct desk *desk, const struct event *event)
{
    const struct session_changed_evt *changed = &event->body.session_changed;
    struct session *session = desk_find_session(desk, changed->session);
    if (session != NULL && (changed->flags & SESSION_DISABLED) != 0)
        session_expel(session, "the session is disabled");
}

static void dispatch(struct desk *desk, const struct event *event)
{
    order_events_on_event(desk, event);
    answers_on_event(desk, event);
    market_status_on_event(desk, event);
    if (event->header.type == EVT_session_changed)
        on_session_changed(desk, event);
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
    orders_begin_day(&desk->orders, &desk->executions, event->header.time_ns);
    // Before the first attach an event is of an incarnation before us.
    bool lost = of_ours && !desk->poss_resend && hear(desk, event->header.gateway_seq);
    dispatch(desk, event);
    if (event->header.last == 0 || !of_ours)
        return;
    flights_remove(&desk->flights, event->header.gateway_seq);
    struct session *session = desk_find_session(desk, event->header.session);
    if (lost)
        retry_all(desk);
    else if (session != NULL && session->waiting_count > 0)
        trading_retry(session);
}

void desk_on_attached(struct desk *desk)
{
    desk->poss_resend = false;
    kept_requests_fini(&desk->kept);
    desk->heard_seq = desk->link->accepted_seq;
    for (uint32_t i = 0; i < desk->open_count; i++) {
        struct session *session = desk->open[i];
        session->opened = false; // the attach may have closed it
        session->close_wanted = false;
        session_announce(session);
        trading_retry(session);
    }
}
