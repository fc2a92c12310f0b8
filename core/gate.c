#include "core/gate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/futex.h"
#include "base/memfile.h"
#include "core/realtime.h"

enum { GATE_LOOK_MS = 100 }; // the longest that a lost wake-up can cost

// Those first for whom a client waits: on few CPUs who is woken first runs first.
static const enum process_id WAKE_ORDER[] = {
    PROCESS_REPLICATE, PROCESS_FIX,     PROCESS_WEB,   PROCESS_ADMIN,   PROCESS_SETTLE,
    PROCESS_TAPE,      PROCESS_RECORD,  PROCESS_OPS,   PROCESS_SURVEIL, PROCESS_CORE,
    PROCESS_SIGN,      PROCESS_STANDBY, PROCESS_INDEX,
};
_Static_assert(sizeof WAKE_ORDER / sizeof WAKE_ORDER[0] == PROCESS_COUNT, "every process once");

int gate_open(struct gate *gate, const struct boot *boot, struct event_ring_control *control)
{
    memset(gate, 0, sizeof *gate);
    gate->control = control;
    gate->mode = (enum replication_mode)boot->config.replication_mode;
    for (int i = 0; i < PROCESS_COUNT; i++) {
        gate->doorbell_fds[i] = boot->doorbell_fd[i];
        if (boot->reader_page_fd[i] < 0)
            continue;
        int result = reader_page_open(&gate->pages[i], boot->reader_page_fd[i]);
        if (result != 0) {
            gate_close(gate);
            return result;
        }
    }
    atomic_store_explicit(&control->replication_mode, (uint32_t)gate->mode, memory_order_relaxed);
    if (gate->mode == REPLICATION_OFF || gate->pages[PROCESS_REPLICATE] != NULL)
        return 0;
    gate_close(gate);
    return -EINVAL;
}

void gate_close(struct gate *gate)
{
    for (int i = 0; i < PROCESS_COUNT; i++) {
        if (gate->pages[i] != NULL)
            memfile_unmap(gate->pages[i], sizeof *gate->pages[i]);
        gate->pages[i] = NULL;
    }
}

// ---- waking

// The processes of `those`, a bit each; and the core, if it waits.
static void gate_wake_some(struct gate *gate, uint32_t those)
{
    for (int i = 0; i < PROCESS_COUNT; i++) {
        enum process_id process = WAKE_ORDER[i];
        if ((those >> process & 1) != 0 && gate->pages[process] != NULL)
            reader_page_wake(gate->pages[process], gate->doorbell_fds[process]);
    }
    // Full fence: what was published is visible before we look whether the core sleeps.
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&gate->core_sleeping, memory_order_relaxed) != 0) {
        atomic_fetch_add_explicit(&gate->core_wake, 1, memory_order_release);
        futex_wake(&gate->core_wake);
    }
}

void gate_wake(struct gate *gate)
{
    gate_wake_some(gate, UINT32_MAX);
}

// Whoever is woken together goes on in an order of the scheduler's: on the CPU that they share the
// one for whom a client waits would often come last. Standbys are waited for, too.
static void gate_wake_asked(struct gate *gate, uint32_t asked)
{
    uint32_t first = 1u << PROCESS_REPLICATE;
    for (unsigned gateway = 0; gateway < GATEWAY_COUNT; gateway++)
        if ((asked >> gateway & 1) != 0)
            first |= 1u << process_of_gateway((enum gateway_id)gateway);
    gate_wake_some(gate, first);
    if (gate->rest_waits || asked == 0)
        gate_wake_some(gate, ~first);
    gate->rest_waits = !gate->rest_waits && asked != 0;
}

void gate_wake_rest(struct gate *gate)
{
    if (gate->rest_waits)
        gate_wake(gate);
    gate->rest_waits = false;
}

static struct reader_page *gate_replica(const struct gate *gate)
{
    ASSERT(gate->mode != REPLICATION_OFF && gate->pages[PROCESS_REPLICATE] != NULL);
    return gate->pages[PROCESS_REPLICATE];
}

static void gate_wake_replicate(struct gate *gate)
{
    reader_page_wake(gate_replica(gate), gate->doorbell_fds[PROCESS_REPLICATE]);
}

// Wakes whoever waits for lonja-replicate's word, as it does itself when it has one.
static void gate_wake_thread(struct gate *gate)
{
    struct reader_page *page = gate_replica(gate);
    atomic_fetch_add_explicit(&page->answers, 1, memory_order_release);
    futex_wake(&page->answers);
}

// ---- moving

static uint32_t gate_verdict(const struct gate *gate)
{
    // Acquire: position_seq was stored before the verdict that goes with it.
    return atomic_load_explicit(&gate_replica(gate)->verdict, memory_order_acquire);
}

static uint64_t gate_journal_seq(const struct gate *gate)
{
    return atomic_load_explicit(&gate->control->journal_seq, memory_order_acquire);
}

static void gate_open_to(struct gate *gate, uint64_t sequence)
{
    // Release: the write and its sync happened before anybody sees the number.
    atomic_store_explicit(&gate->control->durable_seq, sequence, memory_order_release);
}

void gate_publish(struct gate *gate, uint64_t sequence, uint32_t asked)
{
    ASSERT(sequence >= gate_journal_seq(gate));
    atomic_store_explicit(&gate->control->journal_seq, sequence, memory_order_release);
    if (gate->mode != REPLICATION_SYNC) {
        ASSERT(sequence >= atomic_load_explicit(&gate->control->durable_seq, memory_order_relaxed));
        gate_open_to(gate, sequence);
        gate_wake_asked(gate, asked);
        return;
    }
    gate_wake_replicate(gate); // with its full fence between journal_seq and the verdict
    if (gate_verdict(gate) == REPLICA_DEGRADED)
        gate_wake_thread(gate);
}

// What as many standbys as are required have, at most what this disk has; and for whom it counts.
static uint64_t gate_replicated(struct gate *gate)
{
    struct event_ring_control *control = gate->control;
    const struct reader_page *page = gate_replica(gate);
    uint64_t journal = gate_journal_seq(gate);
    uint64_t replicated = atomic_load_explicit(&page->position_seq, memory_order_acquire);
    if (replicated > journal)
        replicated = journal;
    atomic_store_explicit(&control->replicated_seq, replicated, memory_order_relaxed);
    atomic_store_explicit(&control->standbys, atomic_load(&page->standbys), memory_order_relaxed);
    atomic_store_explicit(&control->replica_verdict, gate_verdict(gate), memory_order_relaxed);
    return gate_verdict(gate) == REPLICA_DEGRADED ? journal : replicated;
}

int gate_move(struct gate *gate)
{
    uint64_t replicated = gate_replicated(gate);
    if (gate_verdict(gate) == REPLICA_FENCED) {
        gate_fail(gate, ESTALE);
        return -ESTALE;
    }
    if (gate->mode == REPLICATION_SYNC &&
        replicated > atomic_load_explicit(&gate->control->durable_seq, memory_order_relaxed)) {
        gate_open_to(gate, replicated);
        gate_wake(gate);
    }
    return 0;
}

void gate_fail(struct gate *gate, int error)
{
    ASSERT(error > 0);
    atomic_store_explicit(&gate->control->journal_error, (uint32_t)error, memory_order_release);
    atomic_store_explicit(&gate->control->core_state, CORE_FAILED, memory_order_release);
    gate_wake(gate);
}

// ---- the gate's thread, and what waits for it

static bool gate_is_shut(const struct gate *gate)
{
    return atomic_load_explicit(&gate->control->journal_error, memory_order_acquire) != 0;
}

static void *gate_thread(void *context)
{
    struct gate *gate = context;
    struct reader_page *page = gate_replica(gate);
    while (atomic_load_explicit(&gate->stop, memory_order_acquire) == 0) {
        uint32_t seen = atomic_load_explicit(&page->answers, memory_order_acquire);
        if (gate_is_shut(gate) || gate_move(gate) != 0)
            break;
        futex_wait(&page->answers, seen, GATE_LOOK_MS * 1000000u);
    }
    return NULL;
}

int gate_start(struct gate *gate, int realtime_priority)
{
    if (gate->mode == REPLICATION_OFF)
        return 0;
    int result = pthread_create(&gate->thread, NULL, gate_thread, gate);
    if (result != 0)
        return -result;
    gate->threaded = true;
    if (gate->mode == REPLICATION_SYNC)
        realtime_set(gate->thread, realtime_priority, "gate thread");
    return 0;
}

void gate_stop(struct gate *gate, uint64_t timeout_ns)
{
    if (!gate->threaded)
        return;
    uint64_t until_ns = clock_monotone_ns(&clock_system) + timeout_ns;
    for (;;) {
        uint64_t durable = atomic_load_explicit(&gate->control->durable_seq, memory_order_acquire);
        uint64_t now_ns = clock_monotone_ns(&clock_system);
        if (durable == gate_journal_seq(gate) || now_ns >= until_ns || gate_is_shut(gate))
            break;
        gate_wait(gate, durable, until_ns - now_ns);
    }
    atomic_store_explicit(&gate->stop, 1, memory_order_release);
    gate_wake_thread(gate);
    ASSERT(pthread_join(gate->thread, NULL) == 0);
    gate->threaded = false;
}

void gate_announce(struct gate *gate, uint64_t sequence, uint64_t epoch)
{
    struct event_ring_control *control = gate->control;
    atomic_store_explicit(&control->journal_seq, sequence, memory_order_release);
    // Release: whoever sees the epoch sees how far the journal goes.
    atomic_store_explicit(&control->journal_epoch, epoch, memory_order_release);
    if (gate->mode != REPLICATION_OFF)
        gate_wake_replicate(gate);
}

int gate_may_begin(struct gate *gate, uint64_t timeout_ns)
{
    if (gate->mode == REPLICATION_OFF)
        return 1;
    struct reader_page *page = gate_replica(gate);
    uint32_t seen = atomic_load_explicit(&page->answers, memory_order_acquire);
    bool replicated = gate_replicated(gate) == gate_journal_seq(gate);
    if (gate_verdict(gate) == REPLICA_FENCED)
        return -ESTALE;
    if (gate->mode != REPLICATION_SYNC || replicated)
        return 1;
    futex_wait(&page->answers, seen, timeout_ns);
    return 0;
}

void gate_wait(struct gate *gate, uint64_t seen_durable, uint64_t timeout_ns)
{
    uint32_t seen = atomic_load_explicit(&gate->core_wake, memory_order_acquire);
    atomic_store_explicit(&gate->core_sleeping, 1, memory_order_relaxed);
    // Full fence: pairs with gate_wake; either it sees us sleep, or we see what it published.
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&gate->control->durable_seq, memory_order_acquire) == seen_durable &&
        atomic_load_explicit(&gate->control->journal_error, memory_order_acquire) == 0)
        futex_wait(&gate->core_wake, seen, timeout_ns);
    atomic_store_explicit(&gate->core_sleeping, 0, memory_order_relaxed);
}
