#include "gateway/ops/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/counters.h"
#include "gateway/ops/settlement.h"
#include "gateway/ops/xvp.h"
#include "schema/words.h"

const char *const alert_detector_names[ALERT_DETECTORS] = {
    "wash_account", "wash_member",   "wash_circular", "spoofing",
    "layering",     "marking_close", "ratio_number",  "ratio_volume"};

static void metric(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP lonja_%s %s\n# TYPE lonja_%s %s\n", name, help, name, type);
}

static void gauge(FILE *out, const char *name, const char *help, int64_t value)
{
    metric(out, name, "gauge", help);
    fprintf(out, "lonja_%s %" PRId64 "\n", name, value);
}

static void counter(FILE *out, const char *name, const char *help, uint64_t value)
{
    metric(out, name, "counter", help);
    fprintf(out, "lonja_%s %" PRIu64 "\n", name, value);
}

static void seconds(FILE *out, const char *name, const char *help, uint64_t now_ns,
                    uint64_t then_ns)
{
    metric(out, name, "gauge", help);
    double age = now_ns > then_ns ? (double)(now_ns - then_ns) / 1e9 : 0.0;
    fprintf(out, "lonja_%s %.3f\n", name, age);
}

static void core_metrics(FILE *out, const struct event_ring_control *core, uint64_t now_ns)
{
    gauge(out, "core_state", "0 starting, 1 recovering, 2 running, 3 failed, 4 waits for a standby",
          core->core_state);
    gauge(out, "venue_state", "1 cancel-only, 2 open", core->venue_state);
    gauge(out, "epoch", "life of the core, counted over the journal", (int64_t)core->epoch);
    counter(out, "applied_sequence", "last command applied", core->applied_seq);
    counter(out, "durable_sequence",
            "last command that is durable: the clients are answered up to here", core->durable_seq);
    gauge(out, "journal_error", "errno that stopped the journal; 0 = none", core->journal_error);
    seconds(out, "core_heartbeat_age_seconds", "time since the core last turned its loop", now_ns,
            core->core_heartbeat_ns);
    for (uint32_t i = 0; i < COUNTER_COUNT; i++) {
        char name[64];
        snprintf(name, sizeof name, "core_%s", core_counter_name((enum core_counter)i));
        counter(out, name, core_counter_meaning((enum core_counter)i), core->counters[i]);
    }
}

static void replication_metrics(FILE *out, const struct event_ring_control *core)
{
    gauge(out, "replication_mode", "0 off, 1 async, 2 sync", core->replication_mode);
    counter(out, "journal_sequence", "last command on this disk", core->journal_seq);
    gauge(out, "replication_standbys", "standbys that follow now", core->standbys);
    counter(out, "replicated_sequence", "last command that the required standbys have",
            core->replicated_seq);
    gauge(out, "replication_state",
          "0 no standby yet, 1 followed, 2 degraded by an operator, 3 fenced",
          core->replica_verdict);
}

static void count_cancelled(struct ops_metrics *metrics, uint8_t reason)
{
    metrics->orders_cancelled++;
    metrics->orders_expired += reason == CANCEL_EXPIRED;
    metrics->self_trades_prevented += reason == CANCEL_SELF_TRADE;
    metrics->orders_killed += reason == CANCEL_KILLED;
    metrics->orders_banded += reason == CANCEL_BAND;
    metrics->orders_uncovered += reason == CANCEL_UNCOVERED;
}

static void count_kill(struct ops_metrics *metrics, const struct kill_changed_evt *kill)
{
    metrics->kills += kill->killed != 0;
    metrics->unkills += kill->killed == 0;
}

static void count_correction(struct ops_metrics *metrics, const struct trade_corrected_evt *change)
{
    metrics->trades_busted += change->new_quantity == 0;
    metrics->trades_corrected += change->new_quantity != 0;
}

static void count_proposal(struct ops_metrics *metrics, uint8_t state)
{
    if (state <= PROPOSAL_FAILED)
        metrics->proposals[state]++;
}

void ops_metrics_count_state(struct ops_metrics *metrics, const struct instrument_state_rec *before,
                             const struct instrument_state_rec *after)
{
    metrics->phase_changes += before->phase != after->phase;
    metrics->breaker_trips += before->breaker_tripped == 0 && after->breaker_tripped != 0;
    metrics->limit_states += before->limit_state_end_ns == 0 && after->limit_state_end_ns != 0;
}

static void count_auction(struct ops_metrics *metrics, const struct auction_evt *auction)
{
    metrics->auctions += auction->final != 0;
    metrics->indications += auction->final == 0;
}

// Of what the core sends by itself: an operator's, a session's commands say so in their header.
static void count_done(struct ops_metrics *metrics, const struct event *event)
{
    metrics->continuations += event->body.done.command == CMD_continue_work ||
                              (event->body.done.command == CMD_order_mass_cancel &&
                               event->header.gateway == GATEWAY_CORE);
}

// Each command once: by its last event.
static void count_session(struct ops_metrics *metrics, const struct event *event)
{
    const struct event_header *header = &event->header;
    bool trades = header->gateway == GATEWAY_FIX || header->gateway == GATEWAY_WEB;
    if (metrics->sessions == NULL || !trades || header->last == 0 || header->session == 0 ||
        header->session > metrics->sessions_max)
        return;
    metrics->sessions[header->session].commands++;
    metrics->sessions[header->session].refused += header->type == EVT_rejected;
}

void ops_metrics_count(struct ops_metrics *metrics, const struct event *event)
{
    metrics->events++;
    count_session(metrics, event);
    switch (event->header.type) {
    case EVT_trade:
        metrics->trades++;
        metrics->auction_trades += event->body.trade.kind == TRADE_AUCTION;
        break;
    case EVT_order_accepted:
        metrics->orders_accepted++;
        break;
    case EVT_order_cancelled:
        count_cancelled(metrics, event->body.order_cancelled.reason);
        break;
    case EVT_order_amended:
        metrics->orders_amended++;
        metrics->priority_lost += !event->body.order_amended.priority_kept;
        break;
    case EVT_order_triggered:
        metrics->stops_triggered += event->body.order_triggered.stop_price != 0;
        break;
    case EVT_order_reduced:
        metrics->self_trades_prevented++;
        break;
    case EVT_order_refreshed:
        metrics->icebergs_refreshed++;
        break;
    case EVT_auction:
        count_auction(metrics, &event->body.auction);
        break;
    case EVT_done:
        count_done(metrics, event);
        break;
    case EVT_kill_changed:
        count_kill(metrics, &event->body.kill_changed);
        break;
    case EVT_proposal_changed:
        count_proposal(metrics, event->body.proposal_changed.state);
        break;
    case EVT_deficit_changed:
        metrics->deficits_grown += event->body.deficit_changed.amount > 0;
        break;
    case EVT_trade_corrected:
        count_correction(metrics, &event->body.trade_corrected);
        break;
    case EVT_xvp_changed:
        if (event->body.xvp_changed.step <= XVP_STEP_VOTED)
            metrics->xvps[event->body.xvp_changed.step]++;
        metrics->xvp_secrets_expired += event->body.xvp_changed.step == XVP_STEP_EXPIRED &&
                                        (event->body.xvp_changed.lock & XVP_LOCK_REVEALED) != 0;
        break;
    case EVT_rejected:
        if (event->body.rejected.code <= REJECT_CODE_MAX)
            metrics->rejects[event->body.rejected.code]++;
        break;
    default:
        break;
    }
}

static void matching_metrics(FILE *out, const struct ops_metrics *metrics, uint64_t wall_ns)
{
    counter(out, "orders_expired_total", "orders whose day or date ended", metrics->orders_expired);
    counter(out, "orders_amended_total", "amends carried out", metrics->orders_amended);
    counter(out, "priority_lost_total", "amends by which an order went to the back",
            metrics->priority_lost);
    counter(out, "stops_triggered_total", "stop orders that were triggered",
            metrics->stops_triggered);
    counter(out, "self_trades_prevented_total", "orders cancelled or reduced for it",
            metrics->self_trades_prevented);
    counter(out, "icebergs_refreshed_total", "slices shown after the first",
            metrics->icebergs_refreshed);
    counter(out, "auctions_total", "call auctions that ended", metrics->auctions);
    counter(out, "auction_trades_total", "matches of call auctions", metrics->auction_trades);
    counter(out, "indications_total", "indicative prices published", metrics->indications);
    counter(out, "phase_changes_total", "market phases begun", metrics->phase_changes);
    counter(out, "continuations_total", "commands by which the engine went on with a large one",
            metrics->continuations);
    seconds(out, "deadline_overdue_seconds",
            "how long the next change of phase is overdue; above 1: the core does not tick",
            wall_ns, metrics->next_deadline_ns != 0 ? metrics->next_deadline_ns : wall_ns);
}

static void proposal_metrics(FILE *out, const struct ops_metrics *metrics)
{
    static const char *const states[] = {[PROPOSAL_OPEN] = "open",
                                         [PROPOSAL_APPROVED] = "approved",
                                         [PROPOSAL_WITHDRAWN] = "withdrawn",
                                         [PROPOSAL_FAILED] = "failed"};
    metric(out, "proposals_total", "counter", "proposals by the state they came to");
    for (int state = PROPOSAL_OPEN; state <= PROPOSAL_FAILED; state++)
        fprintf(out, "lonja_proposals_total{state=\"%s\"} %" PRIu64 "\n", states[state],
                metrics->proposals[state]);
}

static void risk_metrics(FILE *out, const struct ops_metrics *metrics)
{
    counter(out, "kills_total", "kill switches put on", metrics->kills);
    counter(out, "unkills_total", "kill switches taken back", metrics->unkills);
    counter(out, "orders_killed_total", "orders cancelled by a kill switch",
            metrics->orders_killed);
    counter(out, "orders_banded_total", "orders that met a price band", metrics->orders_banded);
    counter(out, "orders_uncovered_total", "orders cancelled for what they held is not there",
            metrics->orders_uncovered);
    counter(out, "breaker_trips_total", "circuit breakers tripped", metrics->breaker_trips);
    counter(out, "limit_states_total", "limit states entered", metrics->limit_states);
    gauge(out, "limit_states", "instruments in a limit state", metrics->in_limit_state);
    counter(out, "deficits_grown_total", "times an account came to owe", metrics->deficits_grown);
    counter(out, "trades_corrected_total", "trades corrected", metrics->trades_corrected);
    counter(out, "trades_busted_total", "trades busted", metrics->trades_busted);
    proposal_metrics(out, metrics);
    metric(out, "xvp_total", "counter", "what happened to settlement instructions");
    for (uint8_t step = XVP_STEP_CREATED; step <= XVP_STEP_VOTED; step++)
        fprintf(out, "lonja_xvp_total{step=\"%s\"} %" PRIu64 "\n", word_of_xvp_step(step),
                metrics->xvps[step]);
    counter(out, "xvp_secrets_expired_total",
            "instructions that ended with their secret public, not executed",
            metrics->xvp_secrets_expired);
    if (metrics->kill_switches < 0)
        return; // Postgres has not said
    gauge(out, "kill_switches", "switches that are on", metrics->kill_switches);
    gauge(out, "proposals_waiting", "proposals that another operator is to decide",
          metrics->proposals_waiting);
    gauge(out, "deficits", "balances that lack something", metrics->deficits);
}

static void trading_metrics(FILE *out, const struct ops_metrics *metrics)
{
    counter(out, "events_total", "durable events seen since ops started", metrics->events);
    counter(out, "trades_total", "matches since ops started", metrics->trades);
    counter(out, "orders_accepted_total", "orders accepted since ops started",
            metrics->orders_accepted);
    counter(out, "orders_cancelled_total", "orders cancelled since ops started",
            metrics->orders_cancelled);
    metric(out, "rejects_total", "counter", "refused commands by reason since ops started");
    for (uint16_t code = 1; code <= REJECT_CODE_MAX; code++)
        if (metrics->rejects[code] > 0)
            fprintf(out, "lonja_rejects_total{name=\"%s\"} %" PRIu64 "\n", reject_entry(code)->name,
                    metrics->rejects[code]);
}

static void session_metrics(FILE *out, const struct ops_metrics *metrics)
{
    uint32_t count = metrics->sessions != NULL ? metrics->sessions_max : 0;
    metric(out, "session_commands_total", "counter",
           "orders, amends, cancels and status requests of a session since ops started");
    for (uint32_t i = 1; i <= count; i++)
        if (metrics->sessions[i].commands > 0)
            fprintf(out, "lonja_session_commands_total{session=\"%" PRIu32 "\"} %" PRIu64 "\n", i,
                    metrics->sessions[i].commands);
    metric(out, "session_refused_total", "counter", "those of them that were refused");
    for (uint32_t i = 1; i <= count; i++)
        if (metrics->sessions[i].commands > 0)
            fprintf(out, "lonja_session_refused_total{session=\"%" PRIu32 "\"} %" PRIu64 "\n", i,
                    metrics->sessions[i].refused);
}

static void record_metrics(FILE *out, const struct ops_metrics *metrics)
{
    struct backlog_figures figures = backlog_figures(&metrics->record_backlog);
    if (metrics->recorded_seq < 0)
        return;
    gauge(out, "record_lag_commands", "durable commands that are not in Postgres yet",
          (int64_t)figures.lag);
    gauge(out, "record_behind_seconds", "since the oldest of them became durable",
          (int64_t)figures.behind_s);
    gauge(out, "record_commands_per_second", "commands that the recorder deals with",
          (int64_t)figures.rate);
    if (figures.eta_s >= 0)
        gauge(out, "record_eta_seconds", "until the recorder has caught up at this pace",
              (int64_t)figures.eta_s);
}

static void index_metrics(FILE *out, const struct ops_metrics *metrics)
{
    static const struct {
        const char *name, *help;
    } figures[] = {
        {"index_unconfirmed_blocks", "blocks of the chain above the last one that is confirmed"},
        {"index_lag_blocks", "blocks of the chain that are not read"},
        {"index_subscribed", "1 = the node tells of blocks by WebSocket, 0 = it is polled"},
        {"index_trouble", "1 = the reading stands still (chain.index_chain says why)"},
        {"index_reorganisations", "ever seen"},
        {"index_bookings_open", "outside transfers on their way to the ledger"},
        {"index_bookings_refused", "outside transfers that the ledger has refused"},
        {"reconciliation_breaks_open", "wallets in which ledger and chain differ"},
        {"reconciliation_oldest_break_seconds", "since the oldest of them"},
        {"reconciliation_age_seconds", "since ledger and chain were compared"},
    };
    static_assert(sizeof figures / sizeof figures[0] == INDEX_FIGURES, "every figure has a name");
    for (int i = 0; i < INDEX_FIGURES; i++)
        if (metrics->index[i] >= 0)
            gauge(out, figures[i].name, figures[i].help, metrics->index[i]);
}

static void follower_metrics(FILE *out, const struct ops_metrics *metrics, uint64_t durable_seq)
{
    gauge(out, "ops_lag_commands", "durable commands that ops has not seen yet",
          (int64_t)(durable_seq - metrics->followed_seq));
    gauge(out, "postgres_up", "1 = Postgres answers ops", metrics->postgres_up);
    record_metrics(out, metrics);
    settlement_metrics(out, metrics->settlement);
    settlement_watch_metrics(out, metrics->watch);
    xvp_metrics(out, metrics->xvp);
    index_metrics(out, metrics);
}

static void tape_metrics(FILE *out, const struct reader_page *tape, uint64_t durable_seq)
{
    if (tape == NULL)
        return;
    uint64_t position = atomic_load_explicit(&tape->position_seq, memory_order_relaxed);
    gauge(out, "tape_lag_commands", "durable commands that are not on the tape yet",
          durable_seq > position ? (int64_t)(durable_seq - position) : 0);
    gauge(out, "snapshot_sequence", "sequence of the newest snapshot",
          (int64_t)atomic_load_explicit(&tape->snapshot_seq, memory_order_relaxed));
    counter(out, "snapshots_failed_total",
            "snapshots that could not be written since the tape started",
            atomic_load_explicit(&tape->snapshots_failed, memory_order_relaxed));
}

static void alert_metrics(FILE *out, const struct ops_metrics *metrics)
{
    metric(out, "alerts_total", "counter", "alerts of surveillance by detector, ever written");
    for (int i = 0; i < ALERT_DETECTORS; i++)
        if (metrics->alerts[i] >= 0)
            fprintf(out, "lonja_alerts_total{detector=\"%s\"} %" PRId64 "\n",
                    alert_detector_names[i], metrics->alerts[i]);
    if (metrics->alerts_open >= 0)
        gauge(out, "alerts_open", "alerts that nobody has closed", metrics->alerts_open);
    if (metrics->surveilled_seq >= 0)
        gauge(out, "surveil_lag_commands", "durable commands that surveillance has not looked at",
              (int64_t)metrics->asked_seq > metrics->surveilled_seq
                  ? (int64_t)metrics->asked_seq - metrics->surveilled_seq
                  : 0);
}

char *ops_metrics_text(const struct ops_metrics *metrics, const struct event_ring_control *core,
                       const struct redis_counters *redis, bool redis_up, uint64_t now_ns,
                       uint64_t wall_ns, size_t *bytes)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, bytes);
    ASSERT(out != NULL);
    core_metrics(out, core, now_ns);
    if (metrics->state_free_bytes >= 0)
        gauge(out, "state_free_bytes", "room left on the disk of the state folder",
              metrics->state_free_bytes);
    replication_metrics(out, core);
    trading_metrics(out, metrics);
    session_metrics(out, metrics);
    matching_metrics(out, metrics, wall_ns);
    risk_metrics(out, metrics);
    follower_metrics(out, metrics, core->durable_seq);
    tape_metrics(out, metrics->tape, core->durable_seq);
    alert_metrics(out, metrics);
    gauge(out, "redis_up", "1 = connected", redis_up);
    counter(out, "redis_commands_total", "publications and keys sent to Redis", redis->published);
    counter(out, "redis_dropped_total", "publications dropped because Redis was away or slow",
            redis->dropped);
    counter(out, "redis_errors_total", "errors and lost connections", redis->errors);
    int failed = fclose(out);
    ASSERT(failed == 0);
    return text;
}
