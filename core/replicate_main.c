// lonja-replicate: on a primary, hands what is durable here to the replication port, and tells the
// core's gate by its reader page how far the standbys are, whether they need not be waited for, and
// whether another host was promoted.
//
// It reads the journal and a file of the operator's, and has no ring. Exit: 0 after SIGTERM;
// EXIT_CONFIGURATION (certificates, address); 1 when the system fails (tried again).
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/boot.h"
#include "base/clock.h"
#include "base/event_ring.h"
#include "base/futex.h"
#include "base/log.h"
#include "base/reader_page.h"
#include "core/numbered_file.h"
#include "core/realtime.h"
#include "core/replay.h"
#include "core/replica_fence.h"
#include "core/replica_note.h"
#include "core/replica_server.h"

enum {
    REPLICATE_WAIT_MS = 100,
    REPLICATE_LOOK_MS = 500, // for the operator's word
};

struct replicate {
    const struct boot *boot;
    struct event_ring ring;
    struct reader_page *page;
    int doorbell_fd;
    struct journal_io io;
    struct journal_io_file io_file;
    struct replica_port port;
    struct replica_now now;
    uint64_t look_ns;
    bool degraded, fenced;
};

static volatile sig_atomic_t replicate_stop_asked;

static void replicate_on_signal(int signal_number)
{
    (void)signal_number;
    replicate_stop_asked = 1;
}

static void replicate_require(int result, const char *what, int status)
{
    if (result >= 0)
        return;
    log_error("%s failed error=%s", what, strerror(-result));
    exit(status);
}

// ---- start

static void replicate_open(struct replicate *replicate)
{
    const struct boot *boot = replicate->boot;
    const struct config *config = &boot->config;
    char journal[NUMBERED_PATH_BYTES];
    replicate_require(event_ring_open_reader(&replicate->ring, boot->event_ring_fd,
                                             (uint64_t)config->rings_events,
                                             (uint64_t)config->limits_command_events_max),
                      "mapping the event ring", EXIT_CONFIGURATION);
    replicate_require(reader_page_open(&replicate->page, boot->reader_page_fd[PROCESS_REPLICATE]),
                      "mapping the reader page", EXIT_CONFIGURATION);
    replicate->doorbell_fd = boot->doorbell_fd[PROCESS_REPLICATE];
    ASSERT(fcntl(replicate->doorbell_fd, F_SETFL, O_NONBLOCK) == 0);
    state_folder(journal, config, "journal");
    replicate_require(journal_io_file_open(&replicate->io, &replicate->io_file, journal, true),
                      "opening the journal's folder", 1);
    int result = replica_server_open(&replicate->port, config);
    replicate_require(result, "opening the replication port",
                      result == -EINVAL || result == -EADDRNOTAVAIL ? EXIT_CONFIGURATION : 1);
}

static void replicate_terms(struct replicate *replicate)
{
    const struct config *config = &replicate->boot->config;
    replicate->now = (struct replica_now){
        .io = &replicate->io, .timeout_ns = (uint64_t)config->replication_timeout_ms * 1000000u};
    replica_hello_terms(&replicate->now.own, config);
    replicate->now.own.role = REPLICA_PRIMARY;
}

// ---- the word for the gate

static uint32_t replicate_verdict(const struct replicate *replicate)
{
    if (replicate->fenced)
        return REPLICA_FENCED;
    if (replicate->degraded)
        return REPLICA_DEGRADED;
    uint64_t position = atomic_load_explicit(&replicate->page->position_seq, memory_order_relaxed);
    return position > 0 ? REPLICA_FOLLOWED : REPLICA_UNKNOWN;
}

// What was replicated stays so: a standby that is gone has it still.
static void replicate_tell(struct replicate *replicate, const struct replica_progress *progress)
{
    struct reader_page *page = replicate->page;
    uint64_t position = atomic_load_explicit(&page->position_seq, memory_order_relaxed);
    bool changed =
        progress->replicated_seq > position || progress->standbys != atomic_load(&page->standbys);
    if (progress->replicated_seq > position)
        atomic_store_explicit(&page->position_seq, progress->replicated_seq, memory_order_release);
    atomic_store_explicit(&page->standbys, progress->standbys, memory_order_relaxed);
    uint32_t verdict = replicate_verdict(replicate);
    changed |= verdict != atomic_load(&page->verdict);
    atomic_store_explicit(&page->verdict, verdict, memory_order_release);
    if (!changed)
        return;
    // Full fence: all of it is visible before the gate is woken.
    atomic_thread_fence(memory_order_seq_cst);
    atomic_fetch_add_explicit(&page->answers, 1, memory_order_release);
    futex_wake(&page->answers);
}

// Durable before the core hears of it: a restart must not forget it.
static void replicate_fence(struct replicate *replicate, uint64_t epoch)
{
    if (replicate->fenced || epoch == 0)
        return;
    struct replica_fence fence = {.epoch = epoch, .own = false};
    int result = replica_fence_write(&fence, replicate->boot->config.venue_state_folder,
                                     "heard over the replication port");
    log_error("ANOTHER HOST WAS PROMOTED, this venue stops and may only follow it: see `lonja "
              "standby --help` own_epoch=%" PRIu64 " promoted_epoch=%" PRIu64 " written=%s",
              replicate->now.own.epoch, epoch, strerror(-result));
    replicate->fenced = true;
}

static void replicate_look(struct replicate *replicate)
{
    if (replicate->now.now_ns < replicate->look_ns)
        return;
    replicate->look_ns = replicate->now.now_ns + REPLICATE_LOOK_MS * 1000000u;
    bool degraded =
        replica_note_exists(replicate->boot->config.venue_state_folder, REPLICA_NOTE_DEGRADED);
    if (degraded == replicate->degraded)
        return;
    replicate->degraded = degraded;
    if (degraded)
        log_warning("DEGRADED by an operator: answers no longer wait for a standby");
    else
        log_info("restored by an operator: answers wait for a standby again");
}

// ---- run

static bool replicate_work(struct replicate *replicate)
{
    struct event_ring_control *control = replicate->ring.control;
    struct replica_now *now = &replicate->now;
    struct replica_progress progress = {0};
    now->now_ns = clock_monotone_ns(&clock_system);
    atomic_store_explicit(&replicate->page->heartbeat_ns, now->now_ns, memory_order_relaxed);
    // Acquire: the journal goes as far as it says when the epoch is seen.
    now->own.epoch = atomic_load_explicit(&control->journal_epoch, memory_order_acquire);
    now->journal_seq = atomic_load_explicit(&control->journal_seq, memory_order_acquire);
    now->own.sequence = now->journal_seq;
    bool worked = replicate->port.work(replicate->port.context, &progress, now);
    replicate_look(replicate);
    replicate_fence(replicate, progress.fenced_epoch);
    replicate_tell(replicate, &progress);
    return worked;
}

static void replicate_wait(struct replicate *replicate)
{
    struct pollfd waits[REPLICA_PORT_WAITS_MAX + 1];
    unsigned count = replicate->port.waits(replicate->port.context, waits);
    waits[count++] = (struct pollfd){.fd = replicate->doorbell_fd, .events = POLLIN};
    bool quiet = reader_page_sleep_begin(replicate->page, &replicate->ring.control->journal_seq,
                                         replicate->now.journal_seq);
    (void)poll(waits, count, REPLICATE_WAIT_MS * quiet);
    reader_page_sleep_end(replicate->page);
    uint64_t rung;
    ssize_t ignored = read(replicate->doorbell_fd, &rung, sizeof rung);
    (void)ignored;
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        fprintf(stderr, "lonja-replicate is started by `lonja up`; see `lonja standby --help`\n");
        return EXIT_CONFIGURATION;
    }
    static struct replicate replicate;
    replicate.boot = boot_inherit(PROCESS_REPLICATE);
    log_open(process_name(PROCESS_REPLICATE));
    struct sigaction stop = {.sa_handler = replicate_on_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    ASSERT(sigaction(SIGTERM, &stop, NULL) == 0 && sigaction(SIGINT, &stop, NULL) == 0);
    ASSERT(sigaction(SIGPIPE, &ignore, NULL) == 0);
    replicate_open(&replicate);
    replicate_terms(&replicate);
    const struct config *config = &replicate.boot->config;
    if (config->replication_mode == REPLICATION_SYNC) // somebody's answer waits for us
        realtime_set(pthread_self(), (int)config->core_realtime_priority, "replication");
    log_info("serves standbys address=%s port=%lld mode=%s",
             replicate.boot->config.replication_address,
             (long long)replicate.boot->config.replication_port,
             replicate.boot->config.replication_mode == REPLICATION_SYNC ? "sync" : "async");
    while (!replicate_stop_asked)
        if (!replicate_work(&replicate))
            replicate_wait(&replicate);
    replicate.port.close(replicate.port.context);
    log_info("stopped replicated=%" PRIu64, atomic_load(&replicate.page->position_seq));
    return 0;
}
