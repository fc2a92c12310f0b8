// lonja-core: recovers, takes the rings over, runs the core thread until SIGTERM. libc only.
//
// Exit: 0 after SIGTERM with everything durable; EXIT_CONFIGURATION; EXIT_POISON when the journal
// cannot be replayed (poison, corruption, a digest that differs, another version: starting again
// would only fail again); EXIT_JOURNAL when the disk refuses to read or write it; EXIT_FENCED when
// another host was promoted in this one's place. An assertion while it runs is SIGABRT: it is
// started again, and what was not durable never happened.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/answer_cpu.h"
#include "base/checked.h"
#include "base/log.h"
#include "core/counters.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/recovery.h"
#include "core/replica_fence.h"
#include "core/sandbox.h"
#include "core/sequencer.h"

enum {
    CORE_WAIT_MS = 100,
    CORE_STOP_MS = 3000, // for the standbys to have what was written last
};

struct core {
    const struct boot *boot;
    struct journal_io io;
    struct journal_io_file io_file;
    struct event_ring ring;
    struct replay replay;
    struct gate gate;
    struct journal journal;
    struct sequencer sequencer;
};

// A signal handler's one word.
static volatile sig_atomic_t core_stop_asked;

static void core_on_signal(int signal_number)
{
    (void)signal_number;
    core_stop_asked = 1;
}

static void core_signals(void)
{
    struct sigaction stop = {.sa_handler = core_on_signal};
    ASSERT(sigaction(SIGTERM, &stop, NULL) == 0 && sigaction(SIGINT, &stop, NULL) == 0);
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    ASSERT(sigaction(SIGPIPE, &ignore, NULL) == 0);
}

static __attribute__((noreturn)) void core_exit(struct core *core, int status)
{
    if (core->ring.control != NULL)
        atomic_store(&core->ring.control->core_state, CORE_FAILED);
    exit(status);
}

static void core_require(struct core *core, int result, const char *what, int status)
{
    if (result >= 0)
        return;
    log_error("%s failed error=%s", what, strerror(-result));
    if (status == EXIT_JOURNAL) {
        ASSERT(core->ring.control != NULL); // the ring is mapped before the disk is touched
        atomic_store(&core->ring.control->journal_error, (uint32_t)-result);
    }
    core_exit(core, status);
}

// ---- start

#define CORE_LIMIT_INT(group, key, def, min, max, doc)                                             \
    if (strcmp(#group, "limits") == 0 || strcmp(#group, "rings") == 0 ||                           \
        strcmp(#group, "core") == 0 || strcmp(#group, "journal") == 0)                             \
        log_info("limit " #group "." #key "=%lld", (long long)config->group##_##key);
#define CORE_LIMIT_TEXT(group, key, def, doc)

static void core_print_limits(const struct config *config)
{
    CONFIG_KEYS(CORE_LIMIT_INT, CORE_LIMIT_TEXT)
}

static void core_check_limits(struct core *core)
{
    const struct config *config = &core->boot->config;
    bool fits = is_power_of_two((uint64_t)config->rings_events) &&
                is_power_of_two((uint64_t)config->rings_command_slots) &&
                config->rings_events >= 4 * config->limits_command_events_max &&
                config->journal_segment_bytes % JOURNAL_PAGE_BYTES == 0;
    if (fits)
        return;
    log_error("limits do not fit: rings are powers of two, rings.events >= 4 * "
              "limits.command_events_max, journal.segment_bytes a multiple of 4096");
    core_exit(core, EXIT_CONFIGURATION);
}

// Two cores on one journal would be two orders.
static void core_lock(struct core *core)
{
    int result = journal_io_file_lock(&core->io_file);
    if (result == -EWOULDBLOCK) {
        enum recovery_action action =
            recovery_decide(RECOVERY_LOCK_HELD, RECOVERY_SNAPSHOT_NONE, RECOVERY_JOURNAL_EMPTY);
        log_error("this journal is not started from: it is locked. What to do: %s",
                  recovery_way_out(action));
        core_exit(core, recovery_exit(action));
    }
    core_require(core, result, "taking the journal's lock", EXIT_JOURNAL);
}

static void core_open_io(struct core *core)
{
    const struct config *config = &core->boot->config;
    // The ring first: whatever fails from here on is said in its control page.
    int result = event_ring_open_writer(&core->ring, core->boot->event_ring_fd,
                                        (uint64_t)config->rings_events,
                                        (uint64_t)config->limits_command_events_max);
    core_require(core, result, "mapping the event ring", EXIT_CONFIGURATION);
    char folder[NUMBERED_PATH_BYTES];
    state_folder(folder, config, "journal");
    result = journal_io_file_open(&core->io, &core->io_file, folder, config->journal_durable != 0);
    core_require(core, result, "opening the journal's folder", EXIT_JOURNAL);
    if (!config->journal_durable)
        log_warning("the journal is NOT durable: for benchmarks only");
    core_lock(core);
}

static __attribute__((noreturn)) void core_refuse(struct core *core, enum recovery_action action)
{
    if (action == RECOVERY_REFUSE_UNREADABLE)
        atomic_store(&core->ring.control->journal_error, EIO);
    core_exit(core, recovery_exit(action));
}

static struct recovered core_recover(struct core *core)
{
    atomic_store(&core->ring.control->core_state, CORE_RECOVERING);
    struct engine_limits limits = replay_limits(&core->boot->config);
    core_require(core, replay_open(&core->replay, &limits), "taking the engine's memory",
                 EXIT_CONFIGURATION);
    char snapshots[NUMBERED_PATH_BYTES];
    state_folder(snapshots, &core->boot->config, "snapshots");
    uint64_t began_ns = clock_monotone_ns(&clock_system);
    struct recovered recovered;
    if (!recovery_run(&recovered, &core->replay, &core->io, snapshots, UINT64_MAX, NULL, NULL))
        core_refuse(core, recovered.action);
    // What was recovered will be shown: it must survive the machine now, too.
    core_require(core, journal_sync_all(&core->io), "syncing the journal", EXIT_JOURNAL);
    uint64_t span_ns = clock_monotone_ns(&clock_system) - began_ns;
    log_info("recovered sequence=%" PRIu64 " snapshot=%" PRIu64 " replayed=%" PRIu64
             " torn=%d ms=%" PRIu64 " events=%" PRIu64 " events_digest=%016" PRIx64
             " state_digest=%016" PRIx64,
             core->replay.sequence, recovered.snapshot_sequence, recovered.commands, recovered.torn,
             span_ns / 1000000, core->replay.events, core->replay.events_digest,
             engine_digest(core->replay.engine));
    return recovered;
}

static void core_set_cpus(const cpu_set_t *cpus)
{
    if (sched_setaffinity(0, sizeof *cpus, cpus) != 0)
        log_warning("threads are not kept apart error=%s", strerror(errno));
}

// Before the journal's threads start: they inherit every CPU but the core's, so that the real-time
// one never takes it from the core.
static void core_leave_cpu(const struct config *config)
{
    if (config->core_cpu < 0)
        return;
    cpu_set_t cpus;
    CPU_ZERO(&cpus); // where the kernel does not tell, none is left, and the next call says so
    (void)sched_getaffinity(0, sizeof cpus, &cpus);
    CPU_CLR((size_t)config->core_cpu, &cpus);
    core_set_cpus(&cpus);
}

static void core_pin(const struct config *config)
{
    if (config->core_cpu < 0)
        return;
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)config->core_cpu, &cpus);
    core_set_cpus(&cpus);
}

// The next epoch: above all that this host knows of, and not below what a promotion set. A host in
// whose place another one was promoted may only follow.
static uint64_t core_next_epoch(struct core *core, const struct recovered *recovered)
{
    uint64_t ring_epoch = atomic_load(&core->ring.control->epoch);
    uint64_t epoch = (recovered->epoch > ring_epoch ? recovered->epoch : ring_epoch) + 1;
    struct replica_fence fence;
    int result = replica_fence_read(&fence, core->boot->config.venue_state_folder);
    core_require(core, result, "reading the file replication/fence", EXIT_CONFIGURATION);
    if (fence.epoch > recovered->epoch && !fence.own) {
        log_error("another host was promoted in place of this one, which may only follow it: see "
                  "`lonja standby --help` epoch=%" PRIu64 " promoted_epoch=%" PRIu64,
                  recovered->epoch, fence.epoch);
        core_exit(core, EXIT_FENCED);
    }
    return epoch > fence.epoch ? epoch : fence.epoch;
}

// With synchronous replication what was recovered is not shown before a standby has it: so nothing
// is lost if this host dies again, and one that was replaced finds nobody and never begins.
static void core_await_standby(struct core *core, uint64_t epoch)
{
    struct event_ring_control *control = core->ring.control;
    gate_announce(&core->gate, core->replay.sequence, epoch);
    int result;
    while ((result = gate_may_begin(&core->gate, CORE_WAIT_MS * 1000000u)) == 0) {
        if (core_stop_asked)
            exit(0);
        atomic_store(&control->core_state, CORE_WAITING);
        log_limited(LOG_WARNING,
                    "waiting until a standby has all that was recovered (or `lonja standby "
                    "degrade`) sequence=%" PRIu64 " replicated=%" PRIu64,
                    core->replay.sequence, atomic_load(&control->replicated_seq));
    }
    atomic_store(&control->core_state, CORE_RECOVERING);
    if (result > 0)
        return;
    log_error("another host was promoted in place of this one: no epoch begins");
    core_exit(core, EXIT_FENCED);
}

static void core_begin_epoch(struct core *core, const struct recovered *recovered)
{
    const struct config *config = &core->boot->config;
    struct event_ring_control *control = core->ring.control;
    uint64_t epoch = core_next_epoch(core, recovered);
    core_require(core, gate_open(&core->gate, core->boot, control), "mapping the reader pages",
                 EXIT_CONFIGURATION);
    core_await_standby(core, epoch);
    struct journal_options options = {
        .segments = replay_terms(&core->replay.limits, (uint64_t)config->journal_segment_bytes),
        .epoch = epoch,
        .next_sequence = core->replay.sequence + 1,
        .chain = recovered->chain,
        .queue_slots = (uint64_t)config->rings_command_slots,
    };
    atomic_store(&control->journal_error, 0);
    core_require(core,
                 journal_open(&core->journal, &core->io, &core->gate, &clock_system, &options),
                 "preparing the journal", EXIT_JOURNAL);
    core_require(core,
                 sequencer_open(&core->sequencer, core->boot, &core->replay, &core->journal,
                                &core->gate, &core->ring, &clock_system, epoch),
                 "taking the rings over", EXIT_CONFIGURATION);
    core_counter_add(control, COUNTER_replayed, recovered->commands);
    core_leave_cpu(config);
    core_require(core, journal_start(&core->journal, (int)config->core_realtime_priority),
                 "starting the journal's threads", EXIT_JOURNAL);
    core_require(core, gate_start(&core->gate, (int)config->core_realtime_priority),
                 "starting the gate's thread", EXIT_JOURNAL);
    core_pin(config);
    answer_cpu_keep(core->journal.writer, config, "journal thread");
    answer_cpu_keep(pthread_self(), config, "core thread");
    core_require(core, sandbox_enter_process(core->io_file.folder_fd), "entering the sandbox",
                 EXIT_CONFIGURATION);
    core_require(core, sandbox_enter_core_thread(), "entering the sandbox", EXIT_CONFIGURATION);
    // Unless the journal has failed already, or does so now: that stays said.
    uint32_t before = CORE_RECOVERING;
    atomic_compare_exchange_strong(&control->core_state, &before, CORE_RUNNING);
    log_info("epoch begins epoch=%" PRIu64 " sequence=%" PRIu64, epoch, core->replay.sequence);
}

// ---- run and stop

// Why the gate was shut, as the status of this process.
static int core_status_of(int error)
{
    if (error == 0)
        return 0;
    bool fenced = error == ESTALE;
    log_error("stopped: %s error=%s", fenced ? "another host was promoted" : "the journal failed",
              strerror(error));
    return fenced ? EXIT_FENCED : EXIT_JOURNAL;
}

static void core_run(struct core *core)
{
    while (!core_stop_asked) {
        int result = sequencer_work(&core->sequencer);
        if (result < 0)
            _exit(core_status_of(-result));
        if (result == 0)
            sequencer_idle(&core->sequencer);
    }
}

static int core_stop(struct core *core)
{
    struct event_ring_control *control = core->ring.control;
    journal_stop(&core->journal);
    gate_stop(&core->gate, CORE_STOP_MS * 1000000u);
    int error = (int)atomic_load(&control->journal_error);
    ASSERT(error != 0 || atomic_load(&control->journal_seq) == core->replay.sequence);
    if (atomic_load(&control->durable_seq) < atomic_load(&control->journal_seq))
        log_warning("stopped before a standby had everything: what it lacks was not answered, and "
                    "the next start waits for it");
    atomic_store(&control->core_state, error == 0 ? CORE_STARTING : CORE_FAILED);
    log_info("stopped sequence=%" PRIu64 " durable=%" PRIu64 " events=%" PRIu64
             " events_digest=%016" PRIx64 " state_digest=%016" PRIx64,
             core->replay.sequence, atomic_load(&control->durable_seq), core->replay.events,
             core->replay.events_digest, engine_digest(core->replay.engine));
    return core_status_of(error);
}

int main(void)
{
    struct core *core = aligned_alloc(_Alignof(struct core), sizeof *core); // too large for the stack
    ASSERT(core != NULL);
    memset(core, 0, sizeof *core);
    core->boot = boot_inherit(PROCESS_CORE);
    log_open(process_name(PROCESS_CORE));
    core_signals();
    core_print_limits(&core->boot->config);
    core_check_limits(core);
    core_open_io(core);
    struct recovered recovered = core_recover(core);
    core_begin_epoch(core, &recovered);
    core_run(core);
    return core_stop(core);
}
