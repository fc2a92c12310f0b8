// The follower between ring and tape: lapped, restarted, over epochs; never a gap, never twice.
#include "core/testing.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/follower.h"
#include "core/numbered_file.h"
#include "core/snapshot_file.h"
#include "core/tape_reader.h"
#include "core/tape_writer.h"

enum { CAPACITY = 1024, COMMAND_EVENTS = 64 };

struct fixture {
    char folder[64], tape_folder[NUMBERED_PATH_BYTES];
    struct boot boot;
    struct event_ring ring; // we are the core
    struct tape_writer tape;
    struct follower *follower;
    uint64_t sequence, seen_sequence;
    uint32_t seen_index;
};

// What is logged, every time.
static char logged[512];
static unsigned lines_logged;

void __wrap_log_line_limited(struct log_limit *limit, enum log_level level, const char *format,
                             ...);
void __wrap_log_line_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
    va_list arguments;
    assert_non_null(limit);
    assert_int_equal(level, LOG_ERROR);
    va_start(arguments, format);
    vsnprintf(logged, sizeof logged, format, arguments);
    va_end(arguments);
    lines_logged++;
}

// What the core does while a follower looks for its place: after so many looks at the ring.
static int looks_left;
static void (*meanwhile)(struct event_ring_control *control);
static struct event_ring_control *core; // as it sees the ring: who follows may not write

enum event_ring_result __real_event_ring_read(const struct event_ring *ring, uint64_t position,
                                              struct event *out);
enum event_ring_result __wrap_event_ring_read(const struct event_ring *ring, uint64_t position,
                                              struct event *out);
enum event_ring_result __wrap_event_ring_read(const struct event_ring *ring, uint64_t position,
                                              struct event *out)
{
    if (looks_left > 0 && --looks_left == 0)
        meanwhile(core);
    return __real_event_ring_read(ring, position, out);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    logged[0] = '\0';
    lines_logged = 0;
    looks_left = 0;
    testing_folder_make(f->folder);
    testing_boot_init(&f->boot, PROCESS_RECORD, f->folder);
    state_folder(f->tape_folder, &f->boot.config, "tape");
    assert_int_equal(
        event_ring_open_writer(&f->ring, f->boot.event_ring_fd, CAPACITY, COMMAND_EVENTS), 0);
    assert_int_equal(tape_writer_open(&f->tape, f->tape_folder, 100, 0), 0);
    f->follower = follower_open(&f->boot, 0);
    assert_non_null(f->follower);
    atomic_store(&f->ring.control->epoch, 1);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    follower_close(f->follower);
    tape_writer_close(&f->tape);
    event_ring_close(&f->ring);
    testing_boot_fini(&f->boot);
    testing_folder_remove(f->folder);
    free(f);
    return 0;
}

static uint32_t events_of(uint64_t sequence)
{
    return 1 + (uint32_t)(sequence * 7 % 5);
}

static void make_events(struct event *out, uint64_t sequence, uint8_t epoch)
{
    uint32_t count = events_of(sequence);
    memset(out, 0, count * sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        out[i].header.sequence = sequence;
        out[i].header.index = i;
        out[i].header.last = i + 1 == count;
        out[i].header.type = EVT_done;
        out[i].body.bytes[0] = epoch;
    }
}

// The core applies one command: its events go into the ring.
static void apply(struct fixture *f, uint8_t epoch)
{
    struct event events[8];
    uint64_t position = atomic_load(&f->ring.control->written);
    make_events(events, ++f->sequence, epoch);
    for (uint32_t i = 0; i < events_of(f->sequence); i++)
        f->ring.events[(position + i) % CAPACITY] = events[i];
    atomic_store(&f->ring.control->written, position + events_of(f->sequence));
}

static void make_durable(struct fixture *f, uint64_t sequence)
{
    atomic_store(&f->ring.control->durable_seq, sequence);
}

// lonja-tape catches up to `sequence`.
static void write_tape(struct fixture *f, uint64_t sequence)
{
    struct event events[8];
    while (f->tape.next_sequence <= sequence) {
        make_events(events, f->tape.next_sequence, 1);
        assert_int_equal(tape_writer_add(&f->tape, events, events_of(f->tape.next_sequence)), 0);
    }
    assert_int_equal(tape_writer_flush(&f->tape), 0);
}

// Reads all there is; every event must be the successor of the one before.
static void read_all(struct fixture *f)
{
    struct event events[7];
    size_t count;
    while ((count = follower_poll(f->follower, events, 7)) > 0)
        for (size_t i = 0; i < count; i++) {
            if (f->seen_index == 0)
                f->seen_sequence++;
            assert_int_equal(events[i].header.sequence, f->seen_sequence);
            assert_int_equal(events[i].header.index, f->seen_index);
            f->seen_index = events[i].header.last ? 0 : f->seen_index + 1;
        }
    assert_int_equal(f->seen_index, 0);
}

static void nothing_above_durable_is_shown(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 10; i++)
        apply(f, 1);
    read_all(f);
    assert_int_equal(f->seen_sequence, 0);
    make_durable(f, 4);
    read_all(f);
    assert_int_equal(f->seen_sequence, 4);
    assert_int_equal(follower_sequence(f->follower), 4);
    make_durable(f, 10);
    read_all(f);
    assert_int_equal(f->seen_sequence, 10);
}

static void a_lapped_follower_goes_on_by_the_tape_and_back(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 1000; i++)
            apply(f, 1);
        make_durable(f, f->sequence);
        read_all(f);
        uint64_t before = f->seen_sequence;
        assert_true(before < f->sequence || round == 0);
        write_tape(f,
                   f->sequence - 30); // the tape is a little behind: the rest comes from the ring
        read_all(f);
        assert_int_equal(f->seen_sequence, f->sequence);
    }
}

static void a_follower_may_begin_anywhere(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 900; i++)
        apply(f, 1);
    make_durable(f, f->sequence);
    write_tape(f, f->sequence);
    const uint64_t places[] = {1, 99, 450, 700, 899, 900};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        follower_close(f->follower);
        f->follower = follower_open(&f->boot, places[i]);
        f->seen_sequence = places[i];
        read_all(f);
        assert_int_equal(f->seen_sequence, 900);
    }
}

static void what_a_dead_core_did_not_make_durable_is_never_shown(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 50; i++)
        apply(f, 1);
    make_durable(f, 40);
    read_all(f);
    assert_int_equal(f->seen_sequence, 40);
    // A new core recovers up to 45: it takes over as sequencer.c does.
    struct event_ring_control *control = f->ring.control;
    f->sequence = 45;
    atomic_store(&control->base_position, atomic_load(&control->written));
    atomic_store(&control->base_sequence, 45);
    atomic_store(&control->epoch, 2);
    make_durable(f, 45);
    read_all(f);
    assert_int_equal(f->seen_sequence, 40); // 41..45 come by the tape
    for (int i = 0; i < 20; i++)
        apply(f, 2);
    make_durable(f, 65);
    read_all(f);
    assert_int_equal(f->seen_sequence, 40);
    write_tape(f, 45);
    read_all(f);
    assert_int_equal(f->seen_sequence, 65);
}

static void a_tail_that_the_machine_lost_reads_as_not_there(void **state)
{
    struct fixture *f = *state;
    write_tape(f, 40);
    assert_int_equal(tape_writer_sync(&f->tape), 0); // as before a snapshot
    write_tape(f, 50);
    assert_int_equal(tape_reader_last_sequence(f->tape_folder), 50);
    struct tape_reader reader;
    tape_reader_init(&reader, f->tape_folder);
    assert_true(tape_reader_seek(&reader, 45, 0));
    // The last events become zeroes, as after a power failure.
    struct event zero[3] = {0};
    int fd = tape_segment_open(f->tape_folder, f->tape.segment, true);
    uint64_t there = tape_segment_events(fd);
    assert_int_equal(pwrite(fd, zero, sizeof zero, (off_t)(128 + (there - 3) * 128)), sizeof zero);
    struct event out[64];
    tape_reader_fini(&reader); // it forgets what it has seen
    assert_int_equal(tape_reader_read(&reader, out, 64), 0);
    close(fd);
    // lonja-tape comes back behind a snapshot at 40, compares, and writes the lost events anew.
    tape_writer_close(&f->tape);
    assert_int_equal(tape_writer_open(&f->tape, f->tape_folder, 100, 40), 0);
    write_tape(f, 80);
    assert_true(tape_reader_read(&reader, out, 64) > 0);
    tape_reader_fini(&reader);
    assert_int_equal(tape_reader_last_sequence(f->tape_folder), 80);
}

// ---- where there is no place

// A new core that recovered up to `sequence`, and has made what is behind it.
static void take_over(struct fixture *f, uint64_t sequence, uint8_t epoch, int commands)
{
    struct event_ring_control *control = f->ring.control;
    f->sequence = sequence;
    atomic_store(&control->base_position, atomic_load(&control->written));
    atomic_store(&control->base_sequence, sequence);
    atomic_store(&control->epoch, epoch);
    for (int i = 0; i < commands; i++)
        apply(f, epoch);
    atomic_store(&control->applied_seq, f->sequence);
    make_durable(f, f->sequence);
}

static void without_an_epoch_there_is_no_ring(void **state)
{
    struct fixture *f = *state;
    apply(f, 1);
    make_durable(f, 1);
    atomic_store(&f->ring.control->epoch, 0); // the core is starting
    read_all(f);
    assert_int_equal(f->seen_sequence, 0);
    atomic_store(&f->ring.control->epoch, 1);
    read_all(f);
    assert_int_equal(f->seen_sequence, 1);
}

// Its place belongs to another journal: said while the venue runs, and only then.
static void a_follower_that_is_ahead_of_the_venue_says_so(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint64_t after; // where the follower stands
        int commands;   // since the core has recovered up to 10
        bool runs;
        const char *said;
    } lines[] = {
        {11, 0, false, ""},
        {11, 0, true, "ahead of the venue: this state is another journal's sequence=11 venue=10"},
        {12, 1, true, "ahead of the venue: this state is another journal's sequence=12 venue=11"},
        {11, 1, true, ""}, // it waits for the next
        {10, 0, true, ""}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct event event;
        take_over(f, 10, (uint8_t)(i + 2), lines[i].commands);
        atomic_store(&f->ring.control->core_state, lines[i].runs ? CORE_RUNNING : CORE_RECOVERING);
        follower_close(f->follower);
        f->follower = follower_open(&f->boot, lines[i].after);
        logged[0] = '\0';
        assert_int_equal(follower_poll(f->follower, &event, 1), 0);
        assert_string_equal(logged, lines[i].said);
    }
}

// It had half of a command that the new core does not have: nothing comes, rather than the rest of
// another one.
static void half_of_a_command_that_is_gone_has_no_rest(void **state)
{
    struct fixture *f = *state;
    for (int commands = 0; commands <= 1; commands++) {
        struct event event;
        f->sequence = 1;
        atomic_store(&f->ring.control->base_sequence, 1);
        atomic_store(&f->ring.control->base_position, atomic_load(&f->ring.control->written));
        atomic_store(&f->ring.control->epoch, (uint8_t)(2 * commands + 3));
        apply(f, 1); // of five events
        assert_int_equal(events_of(2), 5);
        make_durable(f, 2);
        follower_close(f->follower);
        f->follower = follower_open(&f->boot, 1);
        assert_int_equal(follower_poll(f->follower, &event, 1), 1);
        take_over(f, commands == 0 ? 1 : 0, (uint8_t)(2 * commands + 4), commands);
        assert_int_equal(follower_poll(f->follower, &event, 1), 0); // it has lost its ring
        assert_int_equal(follower_poll(f->follower, &event, 1), 0);
        assert_int_equal(follower_sequence(f->follower), 1);
    }
}

static void core_laps(struct event_ring_control *control)
{
    atomic_store(&control->written, atomic_load(&control->written) + CAPACITY);
}

static void core_is_restarted(struct event_ring_control *control)
{
    atomic_store(&control->epoch, 9);
}

// Whenever it happens while the place is looked for: nothing is taken from there.
static void a_ring_that_changes_under_the_search_is_left(void **state)
{
    struct fixture *f = *state;
    static void (*const changes[])(struct event_ring_control * control) = {core_laps,
                                                                           core_is_restarted};
    for (size_t i = 0; i < 2; i++) {
        unsigned found = 0;
        for (int looks = 1; found == 0 && looks < 32; looks++) {
            struct event event;
            struct event_ring_control *control = f->ring.control;
            take_over(f, 0, 1, 0);
            atomic_store(&control->written, 0);
            atomic_store(&control->base_position, 0);
            for (int command = 0; command < 10; command++)
                apply(f, 1);
            make_durable(f, f->sequence);
            follower_close(f->follower);
            f->follower = follower_open(&f->boot, 10); // what comes next is not there yet
            core = control;
            meanwhile = changes[i];
            looks_left = looks;
            assert_int_equal(follower_poll(f->follower, &event, 1), 0);
            found = looks_left != 0; // so many looks there were not
            looks_left = 0;
            // It stands in the ring only if nothing changed while it looked.
            atomic_store(&control->epoch, 1);
            atomic_store(&control->written, 0);
        }
        assert_int_equal(found, 1);
    }
}

static void a_tape_that_forgot_what_is_needed_is_named(void **state)
{
    struct fixture *f = *state;
    struct event event;
    write_tape(f, 200); // segments of 100 events
    uint64_t first;
    char path[NUMBERED_PATH_BYTES];
    assert_true(numbered_smallest(&first, f->tape_folder, TAPE_SUFFIX));
    assert_int_equal(first, 1);
    numbered_path(path, f->tape_folder, first, TAPE_SUFFIX);
    assert_int_equal(unlink(path), 0);
    assert_true(numbered_smallest(&first, f->tape_folder, TAPE_SUFFIX));
    take_over(f, 150, 2, 10);
    assert_int_equal(follower_poll(f->follower, &event, 1), 0);
    assert_non_null(strstr(logged, "the tape has forgotten what is needed (tape.keep_sequences) "
                                   "sequence=1 first_on_tape="));
    follower_close(f->follower);
    f->follower = follower_open(&f->boot, first - 1);
    logged[0] = '\0';
    assert_int_equal(follower_poll(f->follower, &event, 1), 1);
    assert_string_equal(logged, "");
}

// ---- opening and waiting

static void rings_that_cannot_be_mapped_are_refused(void **state)
{
    struct fixture *f = *state;
    struct boot boot = f->boot;
    boot.event_ring_fd = -1;
    assert_null(follower_open(&boot, 0));
    boot = f->boot;
    boot.reader_page_fd[boot.process] = -1;
    assert_null(follower_open(&boot, 0));
    follower_close(NULL); // like free
}

static void a_wait_ends_with_what_comes(void **state)
{
    struct fixture *f = *state;
    struct boot boot = f->boot;
    for (int doorbell = 0; doorbell <= 1; doorbell++) {
        if (doorbell == 0)
            boot.doorbell_fd[boot.process] = -1;
        else
            boot = f->boot;
        follower_close(f->follower);
        f->follower = follower_open(&boot, f->seen_sequence);
        assert_int_equal(follower_doorbell_fd(f->follower), boot.doorbell_fd[boot.process]);
        read_all(f);
        uint64_t began_ns = clock_monotone_ns(&clock_system);
        follower_wait(f->follower, 20);
        assert_true(clock_monotone_ns(&clock_system) - began_ns >= 20000000);
        apply(f, 1);
        make_durable(f, f->sequence); // before it sleeps: it does not
        began_ns = clock_monotone_ns(&clock_system);
        follower_wait(f->follower, 60000);
        assert_true(clock_monotone_ns(&clock_system) - began_ns < 30000000000);
        read_all(f);
        assert_int_equal(f->seen_sequence, f->sequence);
    }
}

static bool count_records(void *context, const struct snapshot_record *record)
{
    assert_int_not_equal(record->header.type, REC_end);
    ++*(uint64_t *)context;
    return true;
}

static bool stop_at_once(void *context, const struct snapshot_record *record)
{
    (void)context;
    assert_int_equal(record->header.type, REC_meta);
    return false;
}

static void write_snapshot(const char *folder, uint64_t sequence)
{
    struct snapshot_writer writer;
    struct snapshot_record meta = {.header = {.type = REC_meta}},
                           order = {.header = {.type = REC_order}};
    assert_int_equal(snapshot_writer_open(&writer, folder, sequence), 0);
    assert_int_equal(snapshot_writer_add(&writer, &meta), 0);
    assert_int_equal(snapshot_writer_add(&writer, &order), 0);
    assert_int_equal(snapshot_writer_commit(&writer), 0);
}

static void the_newest_whole_snapshot_is_loaded_and_three_are_kept(void **state)
{
    struct fixture *f = *state;
    char folder[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    uint64_t records = 0, smallest;
    state_folder(folder, &f->boot.config, "snapshots");
    assert_int_equal(follower_load_snapshot(&f->boot, count_records, &records), 0);
    assert_int_equal(state_folder_make(folder), 0);
    for (uint64_t sequence = 10; sequence <= 50; sequence += 10)
        write_snapshot(folder, sequence);
    assert_true(numbered_smallest(&smallest, folder, SNAPSHOT_SUFFIX));
    assert_int_equal(smallest, 30);
    assert_int_equal(follower_load_snapshot(&f->boot, count_records, &records), 50);
    assert_int_equal(records, 2);
    assert_int_equal(follower_load_snapshot(&f->boot, stop_at_once, NULL), 0);
    numbered_path(path, folder, 50, SNAPSHOT_SUFFIX);
    assert_int_equal(truncate(path, 300), 0);
    assert_int_equal(follower_load_snapshot(&f->boot, count_records, &records), 40);
}

int main(void)
{
#define FOLLOWER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FOLLOWER_TEST(nothing_above_durable_is_shown),
        FOLLOWER_TEST(a_lapped_follower_goes_on_by_the_tape_and_back),
        FOLLOWER_TEST(a_follower_may_begin_anywhere),
        FOLLOWER_TEST(what_a_dead_core_did_not_make_durable_is_never_shown),
        FOLLOWER_TEST(a_tail_that_the_machine_lost_reads_as_not_there),
        FOLLOWER_TEST(without_an_epoch_there_is_no_ring),
        FOLLOWER_TEST(a_follower_that_is_ahead_of_the_venue_says_so),
        FOLLOWER_TEST(half_of_a_command_that_is_gone_has_no_rest),
        FOLLOWER_TEST(a_ring_that_changes_under_the_search_is_left),
        FOLLOWER_TEST(a_tape_that_forgot_what_is_needed_is_named),
        FOLLOWER_TEST(rings_that_cannot_be_mapped_are_refused),
        FOLLOWER_TEST(a_wait_ends_with_what_comes),
        FOLLOWER_TEST(the_newest_whole_snapshot_is_loaded_and_three_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
