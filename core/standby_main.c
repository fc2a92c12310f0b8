// lonja-standby: with no words, the process that `lonja standby run` starts in the core's place on
// a standby host; with words, the operator's commands (standby_tool.h).
//
// The process follows the primary at replication.peer_address into its own journal folder, and
// opens the gate for what it has synced, so that lonja-tape beside it replays, compares digests and
// makes snapshots as on a primary. It connects again whenever the connection ends. Exit: 0 after
// SIGTERM; EXIT_CONFIGURATION; EXIT_POISON when its journal is corrupt; EXIT_JOURNAL when its disk
// fails; EXIT_FENCED once this host was promoted.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/boot.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/gate.h"
#include "core/numbered_file.h"
#include "core/realtime.h"
#include "core/replay.h"
#include "core/replica_fence.h"
#include "core/replica_receiver.h"
#include "core/replica_tls.h"
#include "core/standby_tool.h"

enum {
    STANDBY_WAIT_MS = 50,
    STANDBY_LOOK_MS = 100,
    STANDBY_PAUSE_MS = 100, // before it connects again: twice that, four times, eight, sixteen
    STANDBY_PAUSES = 4,
};

struct standby {
    const struct boot *boot;
    struct journal_io io;
    struct journal_io_file io_file;
    struct event_ring ring;
    struct gate gate;
    struct standby_store store;
    struct replica_hello terms;
    struct replica_tls *tls;
    struct replica_stream stream;
    struct replica_receiver receiver;
    bool connected, told;
    uint64_t connect_ns; // when to try next
    unsigned pauses;     // so far, since it has followed: each is twice the one before
    uint64_t look_ns;              // when to look for a promotion
};

static volatile sig_atomic_t standby_stop_asked;

static void standby_on_signal(int signal_number)
{
    (void)signal_number;
    standby_stop_asked = 1;
}

static void standby_require(int result, const char *what, int status)
{
    if (result >= 0)
        return;
    log_error("%s failed error=%s", what, strerror(-result));
    exit(status);
}

// ---- start

static int standby_take(const struct standby *standby, const char *name)
{
    int fd = openat(standby->io_file.folder_fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    standby_require(fd < 0 ? -errno : 0, "opening a lock of the journal", EXIT_JOURNAL);
    return flock(fd, LOCK_EX | LOCK_NB);
}

// The journal's lock keeps a core away; the other one tells `promote` that we are no core.
static void standby_lock(const struct standby *standby)
{
    if (standby_take(standby, "lock") == 0 && standby_take(standby, STANDBY_LOCK_NAME) == 0)
        return;
    log_error("another process has the journal");
    exit(EXIT_CONFIGURATION);
}

static void standby_open_store(struct standby *standby)
{
    const struct config *config = &standby->boot->config;
    char journal[NUMBERED_PATH_BYTES], reason[160];
    state_folder(journal, config, "journal");
    standby_require(journal_io_file_open(&standby->io, &standby->io_file, journal,
                                         config->journal_durable != 0),
                    "opening the journal's folder", EXIT_JOURNAL);
    standby_lock(standby);
    int result = standby_store_open(&standby->store, reason, &standby->io);
    if (result == -EBADMSG) {
        log_error("the standby's journal is corrupt; give it a copy of the primary's: %s", reason);
        exit(EXIT_POISON);
    }
    standby_require(result, "reading the journal", EXIT_JOURNAL);
    // Before this process may become real-time: the thread that fills segments stays ordinary.
    standby_require(standby_store_start(&standby->store), "starting a thread", EXIT_JOURNAL);
}

static void standby_open_memory(struct standby *standby)
{
    const struct boot *boot = standby->boot;
    standby_require(event_ring_open_writer(&standby->ring, boot->event_ring_fd,
                                           (uint64_t)boot->config.rings_events,
                                           (uint64_t)boot->config.limits_command_events_max),
                    "mapping the event ring", EXIT_CONFIGURATION);
    struct event_ring_control *control = standby->ring.control;
    standby_require(gate_open(&standby->gate, boot, control), "mapping the reader pages",
                    EXIT_CONFIGURATION);
    standby->gate.mode = REPLICATION_OFF; // here nobody waits for another host
    atomic_store(&control->journal_seq, standby->store.next_sequence - 1);
    atomic_store(&control->durable_seq, standby->store.next_sequence - 1);
    atomic_store(&control->core_state, CORE_FOLLOWING);
}

static void standby_open_peer(struct standby *standby)
{
    const struct config *config = &standby->boot->config;
    struct replica_fence fence;
    standby_require(replica_fence_read(&fence, config->venue_state_folder),
                    "reading the file replication/fence", EXIT_CONFIGURATION);
    if (config->replication_peer_address[0] == '\0')
        log_error("replication.peer_address is empty: it must name the primary");
    standby_require(config->replication_peer_address[0] == '\0' ? -EINVAL : 0, "configuration",
                    EXIT_CONFIGURATION);
    standby_require(replica_tls_open(&standby->tls, config), "reading the certificates",
                    EXIT_CONFIGURATION);
    replica_hello_terms(&standby->terms, config);
    standby->terms.fence = fence.epoch;
    log_info("follows a primary address=%s port=%lld from=%" PRIu64 " epoch=%" PRIu64
             " fence=%" PRIu64,
             config->replication_peer_address, (long long)config->replication_peer_port,
             standby->store.next_sequence - 1, standby->store.epoch, fence.epoch);
}

// ---- connection

static void standby_connect(struct standby *standby, uint64_t now_ns)
{
    if (now_ns < standby->connect_ns)
        return;
    standby->connect_ns = now_ns + ((uint64_t)STANDBY_PAUSE_MS * 1000000u << standby->pauses);
    standby->pauses += standby->pauses < STANDBY_PAUSES;
    int result = replica_tls_connect(standby->tls, &standby->stream);
    if (result != 0) {
        log_limited(LOG_WARNING, "the primary cannot be reached error=%s", strerror(-result));
        return;
    }
    standby_require(
        replica_receiver_open(&standby->receiver, &standby->store, &standby->terms, now_ns),
        "taking memory", 1);
    standby->connected = true;
    standby->told = false;
}

static void standby_disconnect(struct standby *standby, int result)
{
    const struct replica_receiver *receiver = &standby->receiver;
    if (result == -EACCES && receiver->refused != 0)
        log_limited(LOG_WARNING,
                    "the primary refuses: %s sequence=%" PRIu64 " last_in_common=%" PRIu64
                    " epoch=%" PRIu64 " primary_epoch=%" PRIu64,
                    replica_decision_text(receiver->refused), standby->store.next_sequence - 1,
                    receiver->common, standby->store.epoch, receiver->primary_epoch);
    else if (result == -ESTALE)
        log_limited(LOG_ERROR,
                    "that primary is older than what this host has seen, it is not followed "
                    "primary_epoch=%" PRIu64 " epoch=%" PRIu64 " fence=%" PRIu64,
                    receiver->primary_epoch, standby->store.epoch, receiver->fence);
    else
        log_limited(LOG_WARNING, "no connection to the primary sequence=%" PRIu64 " error=%s",
                    standby->store.next_sequence - 1,
                    result == -EACCES ? "its certificate is not ours" : strerror(-result));
    standby->stream.close(standby->stream.context);
    replica_receiver_close(&standby->receiver);
    standby->connected = false;
    atomic_store_explicit(&standby->ring.control->standbys, 0, memory_order_relaxed);
}

// What replica_receiver_take does not say of the peer, it says of our disk.
static bool standby_is_disk(int result)
{
    static const int of_the_peer[] = {0, -EPROTO, -ETIMEDOUT, -EACCES, -ESTALE};
    for (size_t i = 0; i < sizeof of_the_peer / sizeof of_the_peer[0]; i++)
        if (result == of_the_peer[i])
            return false;
    return true;
}

// ---- following

static void standby_show(struct standby *standby)
{
    struct event_ring_control *control = standby->ring.control;
    const struct replica_receiver *receiver = &standby->receiver;
    uint64_t own = standby->store.next_sequence - 1;
    uint64_t primary = receiver->primary_seq > own ? receiver->primary_seq : own;
    // As on a primary: `applied` is what there is, `durable` what this host has of it.
    atomic_store_explicit(&control->applied_seq, primary, memory_order_relaxed);
    atomic_store_explicit(&control->epoch, standby->store.epoch, memory_order_relaxed);
    atomic_store_explicit(&control->standbys, receiver->follows, memory_order_relaxed);
    if (!receiver->follows || standby->told)
        return;
    standby->told = true;
    standby->pauses = 0;
    log_info("following sequence=%" PRIu64 " primary=%" PRIu64 " primary_epoch=%" PRIu64, own,
             receiver->primary_seq, receiver->primary_epoch);
}

// Returns whether something moved.
static bool standby_follow(struct standby *standby)
{
    struct replica_receiver *receiver = &standby->receiver;
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    uint64_t timeout_ns = (uint64_t)standby->boot->config.replication_timeout_ms * 1000000u;
    int moved = replica_stream_move(&standby->stream, &receiver->in, &receiver->out);
    // What came before the connection ended still counts.
    int result = replica_receiver_take(receiver, now_ns, timeout_ns);
    if (result > 0) {
        gate_publish(&standby->gate, standby->store.next_sequence - 1, 0);
    } else if (standby_is_disk(result)) {
        log_error("the standby's disk fails, it stops sequence=%" PRIu64 " error=%s",
                  standby->store.next_sequence, strerror(-result));
        exit(EXIT_JOURNAL);
    }
    standby_show(standby);
    if (result < 0 || (result == 0 && moved < 0)) {
        standby_disconnect(standby, result < 0 ? result : moved);
        return false;
    }
    return result > 0 || moved > 0;
}

static void standby_wait(const struct standby *standby)
{
    struct pollfd waits = {.fd = -1};
    if (standby->connected)
        waits = (struct pollfd){.fd = standby->stream.fd,
                                .events = (short)(POLLIN | standby->stream.wants_events)};
    (void)poll(&waits, 1, STANDBY_WAIT_MS);
}

// Promoted: `lonja standby promote` has set a fence of our own above what we follow. Looked at now
// and then, however busy the primary keeps us.
static bool standby_is_promoted(struct standby *standby, uint64_t now_ns)
{
    struct replica_fence fence;
    if (now_ns < standby->look_ns)
        return false;
    standby->look_ns = now_ns + STANDBY_LOOK_MS * 1000000u;
    return replica_fence_read(&fence, standby->boot->config.venue_state_folder) == 0 && fence.own &&
           fence.epoch > standby->terms.fence;
}

static int standby_run(struct standby *standby)
{
    while (!standby_stop_asked) {
        uint64_t now_ns = clock_monotone_ns(&clock_system);
        atomic_store_explicit(&standby->ring.control->core_heartbeat_ns, now_ns,
                              memory_order_relaxed);
        if (standby_is_promoted(standby, now_ns))
            return EXIT_FENCED;
        if (!standby->connected)
            standby_connect(standby, now_ns);
        if (!standby->connected || !standby_follow(standby))
            standby_wait(standby);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return standby_tool(argv + 1);
    static struct standby standby;
    standby.boot = boot_inherit(PROCESS_STANDBY);
    log_open(process_name(PROCESS_STANDBY));
    struct sigaction stop = {.sa_handler = standby_on_signal};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    ASSERT(sigaction(SIGTERM, &stop, NULL) == 0 && sigaction(SIGINT, &stop, NULL) == 0);
    ASSERT(sigaction(SIGPIPE, &ignore, NULL) == 0);
    standby_open_store(&standby);
    standby_open_memory(&standby);
    standby_open_peer(&standby);
    const struct config *config = &standby.boot->config;
    if (config->replication_mode == REPLICATION_SYNC) // somebody's answer waits for us
        realtime_set(pthread_self(), (int)config->core_realtime_priority, "following");
    int status = standby_run(&standby);
    if (standby.connected)
        standby_disconnect(&standby, -ESHUTDOWN);
    log_info("%s sequence=%" PRIu64 " epoch=%" PRIu64,
             status == EXIT_FENCED ? "promoted, follows no more" : "stopped",
             standby.store.next_sequence - 1, standby.store.epoch);
    standby_store_close(&standby.store);
    return status;
}
