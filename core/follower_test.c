// The follower between ring and tape: lapped, restarted, over epochs; never a gap, never twice.
#include "core/testing.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
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

static bool count_records(void *context, const struct snapshot_record *record)
{
    assert_int_not_equal(record->header.type, REC_end);
    ++*(uint64_t *)context;
    return true;
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
        FOLLOWER_TEST(the_newest_whole_snapshot_is_loaded_and_three_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
