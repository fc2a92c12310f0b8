// Writer and readers as threads of one process, for the thread sanitizer: two gateways and an
// operator write command rings; core, journal and preparing thread are the real ones; a tape thread
// replays; followers read ring and tape; and readers that stay a ring's length behind on purpose
// are lapped thousands of times. The rings are tiny.
//
// Everybody has the same mapping of a ring (memfile_map is wrapped): at addresses of their own the
// sanitizer could not see two threads meet. Order and content are checked in every build.
#include "core/testing.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/memfile.h"
#include "core/follower.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/sequencer.h"
#include "core/tape_writer.h"

enum {
    CAPACITY = 1024,
    SLOTS = 1024,
    COMMANDS_MIN = 3000, // of each gateway
    COMMANDS_MAX = 1000000,
    LAPS = 5000,
    MAPPINGS_MAX = 64,
    EVENTS_MAX = 60, // of one command
};

// ---- one mapping for all

static struct {
    pthread_mutex_t lock;
    unsigned count;
    ino_t inode[MAPPINGS_MAX];
    void *memory[MAPPINGS_MAX];
} mappings = {.lock = PTHREAD_MUTEX_INITIALIZER};

int __real_memfile_map(void **memory, int fd, size_t bytes, bool writable);
int __wrap_memfile_map(void **memory, int fd, size_t bytes, bool writable);
void __wrap_memfile_unmap(void *memory, size_t bytes);

int __wrap_memfile_map(void **memory, int fd, size_t bytes, bool writable)
{
    struct stat st;
    (void)writable;
    ASSERT(fstat(fd, &st) == 0 && pthread_mutex_lock(&mappings.lock) == 0);
    unsigned i = 0;
    while (i < mappings.count && mappings.inode[i] != st.st_ino)
        i++;
    int result = 0;
    if (i == mappings.count) {
        ASSERT(i < MAPPINGS_MAX);
        mappings.inode[i] = st.st_ino;
        result = __real_memfile_map(&mappings.memory[i], fd, bytes, true);
        mappings.count++;
    }
    *memory = mappings.memory[i];
    pthread_mutex_unlock(&mappings.lock);
    return result;
}

void __wrap_memfile_unmap(void *memory, size_t bytes)
{
    (void)memory; // others may be using it: it goes with the process
    (void)bytes;
}

// ---- the venue

static struct {
    char folder[64];
    struct boot boot;
    struct journal_io io;
    struct journal_io_file io_file;
    struct event_ring ring;
    struct replay replay;
    struct gate gate;
    struct journal journal;
    struct sequencer sequencer;
    _Atomic bool gateways_done, stop;
    _Atomic uint64_t lapped, shown_late, from_tape;
    _Atomic uint64_t final_sequence; // 0 = not known yet
} venue;

static void nap(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static void *core_thread(void *context)
{
    (void)context;
    while (!atomic_load(&venue.stop)) {
        int result = sequencer_work(&venue.sequencer);
        ASSERT(result >= 0);
        if (result == 0)
            sequencer_idle(&venue.sequencer);
    }
    return NULL;
}

static uint64_t durable(void)
{
    return atomic_load_explicit(&venue.ring.control->durable_seq, memory_order_acquire);
}

static void tape_block(struct replay *replay, struct tape_writer *writer,
                       const struct journal_block_header *block)
{
    const struct command *command = NULL;
    while ((command = journal_block_next(block, command)) != NULL) {
        ASSERT(replay_apply(replay, command, block->epoch) == REPLAY_APPLIED);
        ASSERT(tape_writer_add(writer, replay->sink.events, replay->sink.count) == 0);
    }
    ASSERT(tape_writer_flush(writer) == 0);
}

// As lonja-tape.
static void *tape_thread(void *context)
{
    static struct tape_writer writer;
    struct replay replay;
    struct journal_reader reader;
    struct engine_limits limits = replay_limits(&venue.boot.config);
    const struct journal_block_header *block;
    (void)context;
    ASSERT(replay_open(&replay, &limits) == 0);
    char folder[NUMBERED_PATH_BYTES];
    state_folder(folder, &venue.boot.config, "tape");
    ASSERT(tape_writer_open(&writer, folder, 2000, 0) == 0);
    ASSERT(journal_reader_open(&reader, &venue.io, 1, true) == 0);
    while (!atomic_load(&venue.stop) || durable() >= reader.next_sequence) {
        if (durable() >= reader.next_sequence &&
            journal_reader_next(&reader, &block) == JOURNAL_READ)
            tape_block(&replay, &writer, block);
        else
            nap(200000);
    }
    journal_reader_close(&reader);
    tape_writer_close(&writer);
    replay_close(&replay);
    return NULL;
}

// ---- gateways

static void send(struct command_ring *ring, uint8_t type, uint64_t gateway_seq, int64_t events)
{
    struct command *command;
    uint8_t slots = command_slots(type, 0);
    while ((command = command_ring_claim(ring, slots, false)) == NULL)
        nap(20000);
    command->header = (struct command_header){.slots = slots,
                                              .type = type,
                                              .version = SCHEMA_VERSION,
                                              .incarnation = 1,
                                              .gateway_seq = gateway_seq};
    if (type == CMD_nav_set) // the fake engine's number of events
        command->body.nav_set.nav = events;
    atomic_store(&ring->control->heartbeat_ns, clock_monotone_ns(&clock_system));
    command_ring_publish(ring);
}

// Sends until there was enough of everything.
static void *gateway_thread(void *context)
{
    uint8_t gateway = *(const uint8_t *)context;
    struct command_ring ring;
    uint64_t seq = 0;
    ASSERT(command_ring_open_producer(&ring, venue.boot.command_ring_fd[gateway], SLOTS) == 0);
    send(&ring, CMD_gateway_attach, ++seq, 0);
    uint8_t type = gateway == GATEWAY_ADMIN ? CMD_nav_set : CMD_order_cancel;
    while (seq < COMMANDS_MIN ||
           (seq < COMMANDS_MAX && (atomic_load(&venue.lapped) < LAPS ||
                                   atomic_load(&venue.from_tape) == 0))) {
        seq++;
        send(&ring, type, seq, (int64_t)(1 + seq % EVENTS_MAX));
    }
    command_ring_close(&ring);
    return NULL;
}

// ---- readers

static void check_event(const struct event *event)
{
    ASSERT(event->header.type == EVT_done && event->header.version == SCHEMA_VERSION &&
           event->header.index < EVENTS_MAX && event->header.time_ns != 0 &&
           event->header.gateway < GATEWAY_COUNT && event->header.last <= 1);
    for (size_t i = sizeof event->body.done; i < sizeof event->body.bytes; i++)
        ASSERT(event->body.bytes[i] == 0);
}

// True if the reader is so far behind that the ring cannot have its place: a command has an event
// at least.
static bool is_behind_the_ring(const struct follower *follower)
{
    return follower_lag(follower) > CAPACITY;
}

static void *follower_thread(void *context)
{
    struct boot boot = venue.boot;
    boot.process = *(const enum process_id *)context;
    struct follower *follower = follower_open(&boot, 0);
    ASSERT(follower != NULL);
    uint64_t sequence = 0, polls = 0;
    uint32_t index = 0;
    for (uint64_t end = 0; end == 0 || sequence < end; end = atomic_load(&venue.final_sequence)) {
        struct event events[64];
        bool behind = is_behind_the_ring(follower);
        size_t count = follower_poll(follower, events, 1 + polls++ % 64);
        atomic_fetch_add(&venue.from_tape, behind && count > 0);
        for (size_t i = 0; i < count; i++) { // never a gap, never twice
            check_event(&events[i]);
            ASSERT(events[i].header.sequence == sequence + 1 && events[i].header.index == index);
            sequence += events[i].header.last;
            index = events[i].header.last ? 0 : index + 1;
        }
        if (count == 0)
            follower_wait(follower, 5);
        if (polls % 500 == 0)
            nap(8000000); // and lets the core go by
    }
    follower_close(follower);
    return NULL;
}

// Reads where the core writes now, and where it is about to: half of it is too late.
static void *lagging_thread(void *context)
{
    const uint64_t *step = context;
    struct event_ring ring = venue.ring;
    for (uint64_t i = 0; !atomic_load(&venue.stop); i++) {
        uint64_t written = atomic_load_explicit(&ring.control->written, memory_order_acquire);
        uint64_t ahead = ring.command_events_max - *step / 2 + i % *step;
        if (written + ahead < CAPACITY)
            continue;
        struct event event;
        enum event_ring_result result = event_ring_read(&ring, written + ahead - CAPACITY, &event);
        if (result == EVENT_RING_READ) {
            check_event(&event);
            atomic_fetch_add(&venue.shown_late, 1);
        }
        atomic_fetch_add(&venue.lapped, result == EVENT_RING_LAPPED);
        if (i % 64 == 0)
            nap(10000);
    }
    return NULL;
}

// ---- the test

static void open_core(void)
{
    const struct config *config = &venue.boot.config;
    char folder[NUMBERED_PATH_BYTES];
    state_folder(folder, config, "journal");
    assert_int_equal(journal_io_file_open(&venue.io, &venue.io_file, folder, false), 0);
    assert_int_equal(event_ring_open_writer(&venue.ring, venue.boot.event_ring_fd, CAPACITY, 64),
                     0);
    struct engine_limits limits = replay_limits(config);
    struct journal_options options = {
        .segments = replay_terms(&limits, (uint64_t)config->journal_segment_bytes),
        .epoch = 1,
        .next_sequence = 1,
        .queue_slots = SLOTS};
    assert_int_equal(replay_open(&venue.replay, &limits), 0);
    assert_int_equal(gate_open(&venue.gate, &venue.boot, venue.ring.control), 0);
    assert_int_equal(
        journal_open(&venue.journal, &venue.io, &venue.gate, &clock_system, &options), 0);
    assert_int_equal(sequencer_open(&venue.sequencer, &venue.boot, &venue.replay, &venue.journal,
                                    &venue.gate, &venue.ring, &clock_system, 1),
                     0);
    assert_int_equal(journal_start(&venue.journal, 0), 0);
}

static void close_core(void)
{
    sequencer_close(&venue.sequencer);
    journal_close(&venue.journal);
    gate_close(&venue.gate);
    replay_close(&venue.replay);
    journal_io_file_close(&venue.io_file);
    testing_boot_fini(&venue.boot);
    testing_folder_remove(venue.folder);
}

static pthread_t start(void *(*work)(void *), void *context)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, work, context), 0);
    return thread;
}

static void join(const pthread_t *threads, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void threads_that_meet_in_the_rings_see_whole_events_in_order(void **state)
{
    static uint8_t gateways[] = {GATEWAY_FIX, GATEWAY_WEB, GATEWAY_ADMIN};
    static enum process_id processes[] = {PROCESS_RECORD, PROCESS_OPS};
    static uint64_t steps[] = {120, 6};
    (void)state;
    testing_folder_make(venue.folder);
    testing_boot_init(&venue.boot, PROCESS_CORE, venue.folder);
    venue.boot.config.core_heartbeat_timeout_ms = 600000;
    open_core();
    pthread_t core = start(core_thread, NULL), tape = start(tape_thread, NULL);
    pthread_t sending[3], following[2], lagging[2];
    for (size_t i = 0; i < 2; i++) {
        following[i] = start(follower_thread, &processes[i]);
        lagging[i] = start(lagging_thread, &steps[i]);
    }
    for (size_t i = 0; i < 3; i++)
        sending[i] = start(gateway_thread, &gateways[i]);
    join(sending, 3);
    // What was sent is in the rings: once the core has taken it all, nothing comes any more.
    for (uint64_t before = 0; durable() != before || before == 0; nap(300000000))
        before = durable();
    atomic_store(&venue.final_sequence, durable());
    join(following, 2);
    atomic_store(&venue.stop, true);
    join(&core, 1);
    join(lagging, 2);
    join(&tape, 1);
    journal_stop(&venue.journal);
    print_message("sequence %llu, lapped %llu, read at the edge %llu, polls from the tape %llu\n",
                  (unsigned long long)durable(), (unsigned long long)venue.lapped,
                  (unsigned long long)venue.shown_late, (unsigned long long)venue.from_tape);
    assert_true(venue.lapped >= LAPS && venue.shown_late > 0 && venue.from_tape > 0);
    close_core();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_that_meet_in_the_rings_see_whole_events_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
