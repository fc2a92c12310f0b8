// Metrics: the venue's figures in Prometheus' text format, rendered from plain numbers. Names end
// in their unit, as Prometheus wants it. The caller frees the text.
#ifndef LONJA_GATEWAY_OPS_METRICS_H
#define LONJA_GATEWAY_OPS_METRICS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/backlog.h"
#include "base/event_ring.h"
#include "base/reader_page.h"
#include "gateway/ops/redis.h"
#include "schema/records.h"
#include "schema/rejects.h"

enum { ALERT_DETECTORS = 8, INDEX_FIGURES = 10 };
extern const char *const alert_detector_names[ALERT_DETECTORS];

// What a trading session has sent: commands carried out or refused.
struct session_counts {
    uint64_t commands, refused; // refused: of the commands
};

struct ops_metrics {
    const struct reader_page *tape;  // read-only; NULL: not known
    struct session_counts *sessions; // by session id, the caller's; NULL: not counted
    uint32_t sessions_max;
    uint64_t events;
    uint64_t trades;
    uint64_t orders_accepted;
    uint64_t orders_cancelled;
    uint64_t orders_expired;
    uint64_t orders_amended, priority_lost; // of the amended, those that went to the back
    uint64_t stops_triggered;
    uint64_t self_trades_prevented; // events of cancel or decrement
    uint64_t icebergs_refreshed;
    uint64_t auctions, auction_trades, indications;
    uint64_t phase_changes;
    uint64_t continuations; // commands by which the engine went on with a large one
    uint64_t
        next_deadline_ns; // of phases and schedules, wall clock; 0 = none, or the venue is shut
    uint64_t kills, unkills;
    uint64_t breaker_trips, limit_states; // instruments that tripped, or entered a limit state
    uint64_t deficits_grown;              // events by which an account came to owe
    uint64_t trades_corrected, trades_busted;
    uint64_t xvps[XVP_STEP_VOTED + 1]; // what happened to settlement instructions
    uint64_t xvp_secrets_expired;      // instructions whose cut-off came with their secret public
    uint64_t proposals[PROPOSAL_FAILED + 1];                 // by the state that they came to
    uint64_t orders_killed, orders_banded, orders_uncovered; // cancelled by it
    uint64_t rejects[REJECT_CODE_MAX + 1];
    uint64_t followed_seq;           // last command that ops has seen
    bool postgres_up;                // the last question was answered
    int64_t recorded_seq;            // the recorder's cursor, last known; -1 = never
    uint64_t asked_seq;              // what was durable when it was asked for, or in vain
    struct backlog record_backlog;   // between these two
    json_t *settlement;              // settle.status; NULL = not known
    json_t *watch;                   // settle.watch; likewise
    json_t *xvp;                     // record.xvp_watch; likewise
    int64_t index[INDEX_FIGURES];    // of the indexer and of reconciliation, in the order of
                                     // metrics.c; -1 = not known
    int64_t state_free_bytes;        // -1 = not known
    int64_t alerts[ALERT_DETECTORS]; // of surveillance, ever written; -1 = not known
    int64_t alerts_open;             // -1 = not known
    int64_t surveilled_seq;          // surveillance's cursor; -1 = not known
    uint32_t in_limit_state;         // instruments, now
    int64_t kill_switches, proposals_waiting, deficits; // now, of the record; -1 = not known
};

// Counts what a durable event says.
void ops_metrics_count(struct ops_metrics *metrics, const struct event *event);
// Counts what has become of an instrument by an event that told its state.
void ops_metrics_count_state(struct ops_metrics *metrics, const struct instrument_state_rec *before,
                             const struct instrument_state_rec *after);

// `now_ns` is the monotone clock, `wall_ns` the wall clock.
char *ops_metrics_text(const struct ops_metrics *metrics, const struct event_ring_control *core,
                       const struct redis_counters *redis, bool redis_up, uint64_t now_ns,
                       uint64_t wall_ns, size_t *bytes);

#endif
