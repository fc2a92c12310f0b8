// Happy path: load the view from the snapshot, replay to the present without a word (keeping the
// last message of each key), then: event -> message -> PUBLISH and SET of its key; once a second
// health; every five seconds a look at Postgres. Redis away: messages are dropped (counted), the
// last one of each key is kept here and set again when it is back. Postgres away: the gauges that
// come from it are left out of the page, postgres_up is 0.
#include "gateway/ops/ops.h"

#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/disk_space.h"
#include "base/log.h"
#include "base/memfile.h"
#include "core/follower.h"
#include "gateway/common/http.h"
#include "gateway/common/loop.h"
#include "gateway/common/pg_watch.h"
#include "gateway/common/view.h"
#include "gateway/ops/last_messages.h"
#include "gateway/ops/messages.h"
#include "gateway/ops/metrics.h"
#include "gateway/ops/redis.h"

enum {
    EVENTS_PER_TURN = 256,
    TICK_MS = 100,
    HEALTH_MS = 1000,
    POSTGRES_MS = 5000,
    POSTGRES_TIMEOUT_MS = 4000,
    ALERTS_AT_ONCE = 100
};

struct ops {
    const struct boot *boot;
    struct loop *loop;
    struct view *view;
    struct follower *follower;
    struct redis *redis;
    struct pg_async *pg;
    struct pg_watch *pg_watch;
    struct http_server *http;
    struct last_messages *last;
    struct ops_metrics metrics;
    json_t *settlement;   // settle.status, as it was last; NULL = not known
    uint64_t asking_seq;  // what was durable when Postgres was asked
    int64_t alert;        // the last one that is announced, or was there before us; -1 = not known
    bool alerts_asked;    // an answer is on its way
    bool alerts_again;    // something happened meanwhile
    uint64_t present_seq; // what was durable when we started: up to it nothing is announced
    bool present_known;   // not before the core has recovered, if it starts together with us
    bool present;         // history is behind us
};

// ---- Redis

enum { NAME_BYTES = CONFIG_TEXT_BYTES_MAX + 128 };

static void key_name(const struct ops *ops, char name[NAME_BYTES], const char *key)
{
    snprintf(name, NAME_BYTES, "%slast:%s", ops->boot->config.redis_prefix, key);
}

static void announce(struct ops *ops, const char *channel, const char *key, unsigned key_seconds,
                     const char *text)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s%s", ops->boot->config.redis_prefix, channel);
    redis_publish(ops->redis, name, text);
    if (key[0] == 0)
        return;
    key_name(ops, name, key);
    redis_set(ops->redis, name, text, key_seconds);
    last_messages_keep(ops->last, name, text, key_seconds);
}

static void set_again(void *context, const char *key, const char *text, unsigned seconds)
{
    struct ops *ops = context;
    redis_set(ops->redis, key, text, seconds);
}

static void on_redis_connected(void *context)
{
    struct ops *ops = context;
    if (ops->present)
        last_messages_each(ops->last, set_again, ops);
}

// ---- events

// Of the instrument whose state the event tells; zero = none's.
static struct instrument_state_rec state_of(const struct view *view, const struct event *event)
{
    const struct view_instrument *instrument = NULL;
    if (event->header.type == EVT_instrument_state)
        instrument = view_instrument(view, event->body.instrument_state.instrument);
    return instrument != NULL ? instrument->state : (struct instrument_state_rec){0};
}

static uint32_t in_limit_state(const struct view *view)
{
    uint32_t count = 0;
    for (uint32_t i = 1; i <= view_instruments_max(view); i++) {
        const struct view_instrument *instrument = view_instrument(view, i);
        count += instrument != NULL && instrument->state.limit_state_end_ns != 0;
    }
    return count;
}

// When a phase ends by itself or the schedule goes on, of all instruments the first.
static uint64_t next_deadline(const struct view *view)
{
    uint64_t next = 0;
    if (view_venue_state(view) != VENUE_OPEN)
        return 0;
    for (uint32_t i = 1; i <= view_instruments_max(view); i++) {
        const struct view_instrument *instrument = view_instrument(view, i);
        if (instrument == NULL)
            continue;
        const uint64_t times[] = {instrument->state.phase_end_ns,
                                  instrument->state.schedule_next_ns,
                                  instrument->state.limit_state_end_ns};
        for (int k = 0; k < 3; k++)
            if (times[k] != 0 && (next == 0 || times[k] < next))
                next = times[k];
    }
    return next;
}

// Of history nobody hears, but its last messages belong under the keys.
static void on_event(struct ops *ops, const struct event *event)
{
    struct ops_message message;
    char name[NAME_BYTES];
    struct instrument_state_rec before = state_of(ops->view, event);
    view_apply(ops->view, event);
    if (ops->present) {
        struct instrument_state_rec after = state_of(ops->view, event);
        ops_metrics_count(&ops->metrics, event);
        ops_metrics_count_state(&ops->metrics, &before, &after);
    }
    if (!ops_message_of(ops->view, event, &message))
        return;
    if (ops->present) {
        announce(ops, message.channel, message.key, message.key_seconds, message.text);
    } else if (message.key[0] != 0) {
        key_name(ops, name, message.key);
        last_messages_keep(ops->last, name, message.text, message.key_seconds);
    }
    free(message.text);
}

// What is durable already when the core runs is history; a core that starts together with us has
// not said yet how far it goes: what it recovers is history too.
static void learn_present(struct ops *ops)
{
    const struct event_ring_control *core = follower_core(ops->follower);
    if (ops->present_known ||
        atomic_load_explicit(&core->core_state, memory_order_acquire) != CORE_RUNNING)
        return;
    ops->present_seq = atomic_load_explicit(&core->base_sequence, memory_order_acquire);
    ops->present_known = true;
}

static void history_is_behind(struct ops *ops)
{
    ops->present = true;
    log_info("announcing from sequence=%" PRIu64 " on", ops->present_seq + 1);
    if (redis_is_up(ops->redis))
        last_messages_each(ops->last, set_again, ops);
}

// One bounded turn; true if there may be more.
static bool follow(struct ops *ops)
{
    struct event events[EVENTS_PER_TURN];
    size_t got = follower_poll(ops->follower, events, EVENTS_PER_TURN);
    learn_present(ops); // behind the poll: nothing above it can be read before it is known
    for (size_t i = 0; i < got; i++) {
        if (!ops->present && ops->present_known && events[i].header.sequence > ops->present_seq)
            history_is_behind(ops);
        on_event(ops, &events[i]);
    }
    ops->metrics.followed_seq = follower_sequence(ops->follower);
    if (!ops->present && ops->present_known && ops->metrics.followed_seq >= ops->present_seq)
        history_is_behind(ops);
    return got > 0;
}

static bool before_sleep(void *context)
{
    struct ops *ops = context;
    return !follow(ops) && follower_sleep_begin(ops->follower);
}

static void after_sleep(void *context)
{
    struct ops *ops = context;
    follower_sleep_end(ops->follower);
}

static void on_doorbell(void *context, unsigned readiness)
{
    struct ops *ops = context;
    (void)readiness;
    follow(ops);
    loop_nap(ops->loop);
}

// ---- health

static void publish_health(void *context)
{
    struct ops *ops = context;
    const struct event_ring_control *core = follower_core(ops->follower);
    uint64_t now = clock_monotone_ns(&clock_system), heartbeat = core->core_heartbeat_ns;
    struct backlog_figures record = backlog_figures(&ops->metrics.record_backlog);
    json_t *json = json_pack(
        "{s:i, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:b, s:I, s:I, s:I, s:I, s:I}", "v", 1, "event",
        "health", "core", core_state_name(core->core_state), "epoch", (json_int_t)core->epoch,
        "seq", (json_int_t)core->durable_seq, "applied", (json_int_t)core->applied_seq,
        "journal_error", (json_int_t)core->journal_error, "core_heartbeat_age_s",
        now > heartbeat ? (double)(now - heartbeat) / 1e9 : 0.0, "open",
        core->venue_state == VENUE_OPEN, "recorded", (json_int_t)ops->metrics.recorded_seq,
        "record_lag", (json_int_t)record.lag, "record_behind_s", (json_int_t)record.behind_s,
        "record_rate", (json_int_t)record.rate, "record_eta_s", (json_int_t)record.eta_s);
    ASSERT(json != NULL);
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(4));
    json_decref(json);
    ASSERT(text != NULL);
    announce(ops, "health", "health", 0, text);
    free(text);
}

// ---- Postgres

static void tell_of_trade(struct ops *ops, json_t *json, int64_t trade)
{
    char key[96];
    snprintf(key, sizeof key, "settlement:%" PRId64, trade);
    json_object_set_new(json, "trade_id", json_integer(trade));
    char *text = json_dumps(json, JSON_COMPACT);
    ASSERT(text != NULL);
    announce(ops, "settlement", key, 7 * 24 * 3600, text);
    free(text);
}

// {"status": …, "tx_hash": …, "reason": …, "trades": "17 18 19"}: trades that changed alike, of
// which Redis hears one by one.
static void on_settlement(void *context, const char *channel, const char *payload)
{
    struct ops *ops = context;
    (void)channel;
    json_t *json = json_loads(payload, 0, NULL);
    char *trades = json_is_string(json_object_get(json, "trades"))
                       ? strdup(json_string_value(json_object_get(json, "trades")))
                       : NULL;
    if (trades == NULL) {
        log_warning("settlement notification without trades");
        json_decref(json);
        return;
    }
    json_object_del(json, "trades");
    json_object_set_new(json, "v", json_integer(1));
    json_object_set_new(json, "event", json_string("settlement"));
    char *rest = trades;
    for (char *word; (word = strsep(&rest, " ")) != NULL;)
        tell_of_trade(ops, json, strtoll(word, NULL, 10));
    free(trades);
    json_decref(json);
}

// Breaks and reorganisations: lonja-index has written them down, and tells them in the venue's
// words.
static void on_reconciliation(void *context, const char *channel, const char *payload)
{
    struct ops *ops = context;
    (void)channel;
    json_t *json = json_loads(payload, 0, NULL);
    const char *event = json_string_value(json_object_get(json, "event"));
    if (event == NULL) {
        log_warning("reconciliation notification without event");
        json_decref(json);
        return;
    }
    char key[96];
    snprintf(key, sizeof key, "reconciliation:%s", event);
    json_object_set_new(json, "v", json_integer(1));
    char *text = json_dumps(json, JSON_COMPACT);
    ASSERT(text != NULL);
    announce(ops, "reconciliation", key, 7 * 24 * 3600, text);
    free(text);
    json_decref(json);
}

static void forget_index(struct ops_metrics *metrics)
{
    for (int i = 0; i < INDEX_FIGURES; i++)
        metrics->index[i] = -1;
}

static void forget_settlement(struct ops *ops)
{
    json_decref(ops->settlement);
    json_decref(ops->metrics.watch);
    json_decref(ops->metrics.xvp);
    ops->settlement = ops->metrics.settlement = ops->metrics.watch = ops->metrics.xvp = NULL;
}

static void forget_postgres(struct ops *ops)
{
    struct ops_metrics *metrics = &ops->metrics;

    forget_settlement(ops);
    forget_index(metrics);
    metrics->postgres_up = false;
    for (int i = 0; i < ALERT_DETECTORS; i++)
        metrics->alerts[i] = -1;
    metrics->alerts_open = metrics->surveilled_seq = -1;
    metrics->kill_switches = metrics->proposals_waiting = metrics->deficits = -1;
}

static void note_backlog(struct ops *ops, uint64_t durable)
{
    ops->metrics.asked_seq = durable;
    if (ops->metrics.recorded_seq >= 0)
        backlog_note(&ops->metrics.record_backlog, durable, (uint64_t)ops->metrics.recorded_seq,
                     clock_monotone_ns(&clock_system));
}

static void on_figures(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct ops *ops = context;
    if (error->class != PG_OK) {
        log_limited(LOG_WARNING, "postgres does not answer reason=\"%s\"", error->message);
        forget_postgres(ops);
        note_backlog(ops, follower_durable_seq(ops->follower)); // it grows meanwhile
        return;
    }
    ops->metrics.postgres_up = true;
    ops->metrics.recorded_seq = pg_number(rows, 0, 0);
    note_backlog(ops, ops->asking_seq);
    ops->metrics.kill_switches = pg_number(rows, 0, 1);
    ops->metrics.proposals_waiting = pg_number(rows, 0, 2);
    ops->metrics.deficits = pg_number(rows, 0, 3);
}

// ---- alerts of surveillance: announced once each, those of a time without Postgres when it is
// back

static void ask_alerts(struct ops *ops);

static void announce_alert(struct ops *ops, const char *text)
{
    json_t *json = json_loads(text, 0, NULL);
    char key[64];
    ASSERT(json_is_object(json));
    snprintf(key, sizeof key, "alerts:%s", json_string_value(json_object_get(json, "detector")));
    char *compact = json_dumps(json, JSON_COMPACT);
    ASSERT(compact != NULL);
    announce(ops, "alerts", key, 0, compact);
    free(compact);
    json_decref(json);
}

static void on_alerts(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct ops *ops = context;
    bool again = ops->alerts_again;
    ops->alerts_asked = ops->alerts_again = false;
    if (error->class != PG_OK)
        return; // the next look at Postgres asks again
    size_t count = pg_rows_count(rows);
    bool known = ops->alert >= 0;
    for (size_t i = 0; i < count; i++) {
        ops->alert = pg_number(rows, i, 0);
        if (known)
            announce_alert(ops, pg_value(rows, i, 1));
    }
    if (again || (known && count == ALERTS_AT_ONCE))
        ask_alerts(ops);
}

static void ask_alerts(struct ops *ops)
{
    static const char newest[] = "SELECT coalesce(max(alert_id), 0) FROM surveil.alert";
    static const char next[] =
        "SELECT id, json_build_object('v', 1, 'event', 'alert', 'seq', sequence, 'index', "
        "event_index, 'time', at, 'id', id, 'detector', detector, 'symbol', symbol, 'side', side, "
        "'member', member, 'account', account, 'counter_member', counter_member, "
        "'counter_account', counter_account, 'price', price, 'quantity', quantity, 'value', "
        "value, 'threshold', threshold, 'since', since, 'evidence', evidence, 'evidence_total', "
        "evidence_total) FROM surveil.alerts WHERE id > $1 ORDER BY id LIMIT $2";
    ops->alerts_again = ops->alerts_asked;
    if (ops->alerts_asked)
        return;
    bool known = ops->alert >= 0;
    ops->alerts_asked = pg_async_query(
        ops->pg, known ? next : newest,
        (const struct pg_param[]){pg_i64(ops->alert), pg_i64(ALERTS_AT_ONCE)}, known ? 2 : 0,
        clock_monotone_ns(&clock_system), POSTGRES_TIMEOUT_MS, on_alerts, ops);
    pg_watch_kick(ops->pg_watch);
}

static void on_alert(void *context, const char *channel, const char *payload)
{
    (void)channel, (void)payload;
    ask_alerts(context);
}

static void on_alert_figures(void *context, const struct pg_error *error,
                             const struct pg_rows *rows)
{
    struct ops *ops = context;
    for (int i = 0; i < ALERT_DETECTORS; i++)
        ops->metrics.alerts[i] = error->class == PG_OK ? pg_number(rows, 0, i) : -1;
    ops->metrics.alerts_open = error->class == PG_OK ? pg_number(rows, 0, ALERT_DETECTORS) : -1;
    ops->metrics.surveilled_seq =
        error->class == PG_OK ? pg_number(rows, 0, ALERT_DETECTORS + 1) : -1;
}

static void ask_alert_figures(struct ops *ops)
{
    static const char sql[] =
        "SELECT count(*) FILTER (WHERE detector = 'wash_account'),"
        " count(*) FILTER (WHERE detector = 'wash_member'),"
        " count(*) FILTER (WHERE detector = 'wash_circular'),"
        " count(*) FILTER (WHERE detector = 'spoofing'),"
        " count(*) FILTER (WHERE detector = 'layering'),"
        " count(*) FILTER (WHERE detector = 'marking_close'),"
        " count(*) FILTER (WHERE detector = 'ratio_number'),"
        " count(*) FILTER (WHERE detector = 'ratio_volume'),"
        " count(*) FILTER (WHERE status = 'open'), (SELECT sequence FROM surveil.cursor)"
        " FROM surveil.alert";
    if (!pg_async_query(ops->pg, sql, PG_NO_PARAMS, clock_monotone_ns(&clock_system),
                        POSTGRES_TIMEOUT_MS, on_alert_figures, ops))
        forget_postgres(ops);
}

// ---- settlement: the same object for Redis, the metrics page and (gateway/admin) REST

static void announce_status(struct ops *ops)
{
    json_t *json = json_copy(ops->settlement);
    ASSERT(json != NULL);
    json_object_set_new(json, "v", json_integer(1));
    json_object_set_new(json, "event", json_string("settlement_status"));
    json_object_set(json, "watch", ops->metrics.watch);
    char *text = json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER);
    ASSERT(text != NULL);
    announce(ops, "settlement_status", "settlement:status", 0, text);
    free(text);
    json_decref(json);
}

static void on_status(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct ops *ops = context;
    forget_settlement(ops);
    if (error->class != PG_OK) {
        log_limited(LOG_WARNING, "settlement is not known reason=\"%s\"", error->message);
        return;
    }
    ops->metrics.settlement = ops->settlement = json_loads(pg_value(rows, 0, 0), 0, NULL);
    ops->metrics.watch = json_loads(pg_value(rows, 0, 1), 0, NULL);
    ops->metrics.xvp = json_loads(pg_value(rows, 0, 2), 0, NULL);
    ASSERT(json_is_object(ops->settlement) && json_is_object(ops->metrics.watch) &&
           json_is_object(ops->metrics.xvp));
    announce_status(ops);
}

static void ask_settlement(struct ops *ops)
{
    if (!pg_async_query(ops->pg,
                        "SELECT status, watch, xvp FROM settle.status, settle.watch, "
                        "record.xvp_watch",
                        PG_NO_PARAMS, clock_monotone_ns(&clock_system), POSTGRES_TIMEOUT_MS,
                        on_status, ops))
        forget_postgres(ops);
}

static void on_index_figures(void *context, const struct pg_error *error,
                             const struct pg_rows *rows)
{
    struct ops *ops = context;
    forget_index(&ops->metrics);
    for (int i = 0; error->class == PG_OK && i < INDEX_FIGURES; i++)
        if (!pg_is_null(rows, 0, i))
            ops->metrics.index[i] = pg_number(rows, 0, i);
}

// In the order of index_figures[].
static void ask_index_figures(struct ops *ops)
{
    static const char sql[] =
        "SELECT (SELECT sum(head_block - confirmed_block) FROM chain.index_chain)::bigint,"
        " (SELECT sum(greatest(c.head_block - s.next_block + 1, 0)) FROM chain.index_chain c JOIN"
        "  (SELECT chain_id, min(next_block) AS next_block FROM chain.index_source GROUP BY 1) s"
        "  USING (chain_id))::bigint,"
        " (SELECT bool_and(subscribed)::int FROM chain.index_chain),"
        " (SELECT count(*) FROM chain.index_chain WHERE trouble IS NOT NULL),"
        " (SELECT count(*) FROM chain.reorganisation),"
        " (SELECT count(*) FROM chain.ledger_posting WHERE state = 'open'),"
        " (SELECT count(*) FROM chain.ledger_posting WHERE state = 'refused'),"
        " (SELECT count(*) FROM chain.reconciliation_break WHERE closed_at IS NULL),"
        " (SELECT extract(epoch FROM now() - min(since))::bigint FROM chain.reconciliation_break"
        "  WHERE closed_at IS NULL),"
        " (SELECT extract(epoch FROM now() - max(at))::bigint FROM chain.reconciliation)";
    if (!pg_async_query(ops->pg, sql, PG_NO_PARAMS, clock_monotone_ns(&clock_system),
                        POSTGRES_TIMEOUT_MS, on_index_figures, ops))
        forget_index(&ops->metrics);
}

static void ask_figures(void *context)
{
    struct ops *ops = context;
    static const char sql[] = "SELECT (SELECT sequence FROM record.cursor), kill_switches,"
                              " proposals_waiting, deficits FROM public.risk_figures";
    ops->asking_seq = follower_durable_seq(ops->follower);
    if (!pg_async_query(ops->pg, sql, PG_NO_PARAMS, clock_monotone_ns(&clock_system),
                        POSTGRES_TIMEOUT_MS, on_figures, ops))
        forget_postgres(ops);
    ask_settlement(ops);
    ask_alert_figures(ops);
    ask_index_figures(ops);
    ask_alerts(ops);
    pg_watch_kick(ops->pg_watch);
}

// ---- the metrics page

static void on_request(void *context, uint64_t id, const struct http_request *request)
{
    struct ops *ops = context;
    if (request->refused != 0) {
        http_answer(ops->http, id, request->refused, "text/plain", NULL, "refused\n", 8);
        return;
    }
    if (request->method != HTTP_GET || strcmp(request->path, "/metrics") != 0) {
        http_answer(ops->http, id, 404, "text/plain", NULL, "GET /metrics\n", 13);
        return;
    }
    size_t bytes = 0;
    ops->metrics.next_deadline_ns = next_deadline(ops->view);
    ops->metrics.in_limit_state = in_limit_state(ops->view);
    ops->metrics.state_free_bytes = disk_space_free(ops->boot->config.venue_state_folder);
    char *text =
        ops_metrics_text(&ops->metrics, follower_core(ops->follower), redis_counters(ops->redis),
                         redis_is_up(ops->redis), clock_monotone_ns(&clock_system),
                         clock_wall_ns(&clock_system), &bytes);
    http_answer(ops->http, id, 200, "text/plain; version=0.0.4", NULL, text, bytes);
    free(text);
}

// ---- life

static void on_tick(void *context)
{
    struct ops *ops = context;
    redis_tick(ops->redis, clock_monotone_ns(&clock_system));
    follow(ops); // a lost wake-up costs 100 ms, never an event
}

static void on_term(void *context)
{
    struct ops *ops = context;
    loop_stop(ops->loop);
}

static bool open_venue(struct ops *ops)
{
    ops->view = view_create(ops->boot);
    uint64_t from = view_load(ops->view, ops->boot);
    ops->follower = follower_open(ops->boot, from);
    if (ops->follower == NULL)
        return false;
    // Read-only, so not by reader_page_open; without it the page only lacks those figures.
    void *tape = NULL;
    if (memfile_map(&tape, ops->boot->reader_page_fd[PROCESS_TAPE], sizeof *ops->metrics.tape,
                    false) == 0)
        ops->metrics.tape = tape;
    const struct event_ring_control *core = follower_core(ops->follower);
    ops->present_known =
        atomic_load_explicit(&core->core_state, memory_order_acquire) == CORE_RUNNING;
    ops->present_seq = ops->present_known ? follower_durable_seq(ops->follower) : 0;
    log_info("ops begins snapshot=%" PRIu64 " durable=%" PRIu64, from, ops->present_seq);
    return true;
}

static bool open_servers(struct ops *ops)
{
    const struct config *config = &ops->boot->config;
    struct redis_options redis = {.host = config->redis_host,
                                  .port = (int)config->redis_port,
                                  .pending_max = 10000,
                                  .timeout_ms = 2000,
                                  .connected = on_redis_connected,
                                  .context = ops};
    ops->redis = redis_open(ops->loop, &redis);
    struct pg_settings settings;
    pg_settings_of(&settings, config, "lonja_ops");
    ops->pg = pg_async_open(&settings, 16);
    ASSERT(ops->redis != NULL && ops->pg != NULL);
    pg_async_listen(ops->pg, "settlement", on_settlement, ops);
    pg_async_listen(ops->pg, "alerts", on_alert, ops);
    pg_async_listen(ops->pg, "reconciliation", on_reconciliation, ops);
    ops->pg_watch = pg_watch_open(ops->loop, ops->pg);
    struct http_options http = {.address = config->ops_metrics_address,
                                .port = (int)config->ops_metrics_port,
                                .connections_max = 32,
                                .body_bytes_max = 1024,
                                .answer_timeout_s = 10};
    static const struct http_handlers handlers = {.request = on_request};
    ops->http = http_open(ops->loop, &http, &handlers, ops);
    return ops->pg_watch != NULL && ops->http != NULL;
}

static void watch_everything(struct ops *ops)
{
    ASSERT(loop_watch(ops->loop, follower_doorbell_fd(ops->follower), LOOP_READ, on_doorbell,
                      ops) != NULL);
    ASSERT(loop_every(ops->loop, TICK_MS, on_tick, ops) != NULL);
    ASSERT(loop_every(ops->loop, HEALTH_MS, publish_health, ops) != NULL);
    ASSERT(loop_every(ops->loop, POSTGRES_MS, ask_figures, ops) != NULL);
    ASSERT(loop_on_signal(ops->loop, SIGTERM, on_term, ops) != NULL);
    ASSERT(loop_on_signal(ops->loop, SIGINT, on_term, ops) != NULL);
    loop_around_sleep(ops->loop, before_sleep, after_sleep, ops);
}

static void close_everything(struct ops *ops)
{
    http_close(ops->http);
    pg_watch_close(ops->pg_watch);
    pg_async_close(ops->pg);
    redis_close(ops->redis);
    follower_close(ops->follower);
    view_destroy(ops->view);
    last_messages_destroy(ops->last);
    forget_settlement(ops);
    free(ops->metrics.sessions);
    loop_destroy(ops->loop);
}

int ops_run(const struct boot *boot)
{
    struct ops ops = {
        .boot = boot, .loop = loop_create(), .last = last_messages_create(), .alert = -1};
    ops.metrics.sessions_max = (uint32_t)boot->config.limits_sessions_max;
    ops.metrics.sessions = calloc(ops.metrics.sessions_max + 1, sizeof *ops.metrics.sessions);
    ASSERT(ops.loop != NULL && ops.metrics.sessions != NULL);
    forget_postgres(&ops);
    ops.metrics.recorded_seq = -1;
    if (!open_venue(&ops) || !open_servers(&ops))
        return EXIT_FAILURE;
    watch_everything(&ops);
    redis_tick(ops.redis, clock_monotone_ns(&clock_system));
    ask_figures(&ops);
    loop_run(ops.loop);
    close_everything(&ops);
    log_info("ops stops");
    return EXIT_SUCCESS;
}
