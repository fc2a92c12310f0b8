// The real lonja-tape beside a core that is this test: where it goes on, what it refuses, what it
// does about a disk that does not let it.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/event_ring.h"
#include "base/memfile.h"
#include "base/reader_page.h"
#include "core/journal.h"
#include "core/numbered_file.h"
#include "core/recovery.h"
#include "core/replay.h"
#include "core/snapshot_file.h"
#include "core/tape_reader.h"

static struct {
    char state[64];
    char journal[NUMBERED_PATH_BYTES], tape[NUMBERED_PATH_BYTES], snapshots[NUMBERED_PATH_BYTES];
    struct boot boot;
    struct event_ring ring;
    struct reader_page *page; // lonja-tape's
    pid_t process;
    char log[80]; // what it says
} f;

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    testing_folder_make(f.state);
    testing_boot_init(&f.boot, PROCESS_CORE, f.state);
    snprintf(f.log, sizeof f.log, "%s.log", f.state);
    state_folder(f.journal, &f.boot.config, "journal");
    state_folder(f.tape, &f.boot.config, "tape");
    state_folder(f.snapshots, &f.boot.config, "snapshots");
    assert_int_equal(event_ring_open_writer(&f.ring, f.boot.event_ring_fd,
                                            (uint64_t)f.boot.config.rings_events,
                                            (uint64_t)f.boot.config.limits_command_events_max),
                     0);
    assert_int_equal(reader_page_open(&f.page, f.boot.reader_page_fd[PROCESS_TAPE]), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (f.process > 0) {
        kill(f.process, SIGKILL);
        (void)waitpid(f.process, NULL, 0);
    }
    event_ring_close(&f.ring);
    memfile_unmap(f.page, sizeof *f.page);
    testing_boot_fini(&f.boot);
    testing_folder_remove(f.state);
    unlink(f.log);
    return 0;
}

// ---- the core's part

static struct {
    struct journal journal;
    struct journal_io io;
    struct journal_io_file file;
    struct gate gate;
} writer;

static void begin_journal(void)
{
    static _Alignas(4096) struct event_ring_control control;
    const struct engine_limits limits = replay_limits(&f.boot.config);
    const struct journal_options options = {.segments = replay_terms(&limits, 1 << 22),
                                            .epoch = 1,
                                            .next_sequence = 1,
                                            .queue_slots = 8192};
    testing_folder_remove(f.journal);
    memset(&control, 0, sizeof control);
    writer.gate = (struct gate){.control = &control};
    assert_int_equal(journal_io_file_open(&writer.io, &writer.file, f.journal, false), 0);
    assert_int_equal(
        journal_open(&writer.journal, &writer.io, &writer.gate, &clock_system, &options), 0);
}

// So many ticks more, in one block or in more; each is one event. The one at `digest_at` is a
// digest that no engine ever had.
static void write_ticks(uint64_t count, uint64_t digest_at)
{
    uint64_t first = writer.journal.next_sequence;
    for (uint64_t sequence = first; sequence < first + count; sequence++) {
        struct command command = {0};
        uint8_t type = sequence == digest_at ? CMD_journal_digest : CMD_clock_tick;
        command.header = (struct command_header){.slots = command_slots(type, 0),
                                                 .type = type,
                                                 .version = SCHEMA_VERSION,
                                                 .gateway = GATEWAY_CORE,
                                                 .sequence = sequence,
                                                 .time_ns = sequence};
        journal_append(&writer.journal, &command);
    }
    journal_flush(&writer.journal);
    for (uint64_t written = 0; written < count;) {
        int result = journal_write_work(&writer.journal);
        assert_true(result > 0);
        written += (uint64_t)result;
    }
}

static void end_journal(void)
{
    journal_close(&writer.journal);
    journal_io_file_close(&writer.file);
}

static void write_journal(uint64_t count, uint64_t digest_at)
{
    begin_journal();
    write_ticks(count, digest_at);
    end_journal();
}

static void be_durable(uint64_t sequence)
{
    atomic_store(&f.ring.control->durable_seq, sequence);
    reader_page_wake(f.page, f.boot.doorbell_fd[PROCESS_TAPE]);
}

static void start(void)
{
    f.process = testing_start_heard(&f.boot, PROCESS_TAPE, LONJA_BIN, f.log);
}

static int ended(void)
{
    int status = 0;
    assert_int_equal(waitpid(f.process, &status, 0), f.process);
    f.process = 0;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int stop(void)
{
    assert_int_equal(kill(f.process, SIGTERM), 0);
    return ended();
}

static void await_position(uint64_t sequence)
{
    for (int i = 0; i < 60000 && atomic_load(&f.page->position_seq) != sequence; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(atomic_load(&f.page->position_seq), sequence);
}

// lonja-tape comes to the end of the journal. Returns the snapshot it began with.
static uint64_t begin(uint64_t count)
{
    atomic_store(&f.page->position_seq, 0);
    atomic_store(&f.page->snapshot_seq, UINT64_MAX);
    write_journal(count, 0);
    be_durable(0);
    start();
    for (int i = 0; i < 60000 && atomic_load(&f.page->snapshot_seq) == UINT64_MAX; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    uint64_t began = atomic_load(&f.page->snapshot_seq);
    be_durable(count);
    await_position(count);
    return began;
}

// The same, to a clean stop.
static uint64_t live(uint64_t count)
{
    uint64_t began = begin(count);
    if (count - began < (uint64_t)f.boot.config.tape_snapshot_every) {
        nanosleep(&(struct timespec){.tv_nsec = 30000000}, NULL);
        assert_int_equal(atomic_load(&f.page->snapshot_seq), began); // none is due
    }
    assert_int_equal(stop(), 0);
    assert_int_equal(atomic_load(&f.page->snapshot_seq), count); // one at the end
    assert_int_equal(tape_reader_last_sequence(f.tape), count);
    return began;
}

static void die(void)
{
    assert_int_equal(kill(f.process, SIGKILL), 0);
    assert_int_equal(waitpid(f.process, NULL, 0), f.process);
    f.process = 0;
}

// A snapshot as the journal's engine has it at this sequence, or a wrong one.
static void write_snapshot(uint64_t sequence, bool wrong)
{
    static struct replay replay;
    struct recovered recovered;
    struct journal_io io;
    struct journal_io_file file;
    const struct engine_limits limits = replay_limits(&f.boot.config);
    assert_int_equal(replay_open(&replay, &limits), 0);
    assert_int_equal(journal_io_file_open(&io, &file, f.journal, false), 0);
    if (sequence > 0)
        assert_true(recovery_run_all(&recovered, &replay, &io, sequence, NULL, NULL));
    journal_io_file_close(&file);
    assert_int_equal(replay.sequence, sequence);
    replay.sequence += wrong; // the engine says another one
    assert_int_equal(replay_save(&replay, f.snapshots), 0);
    replay_close(&replay);
}

static void forget_snapshots(void)
{
    testing_folder_remove(f.snapshots);
    assert_int_equal(mkdir(f.snapshots, 0700), 0);
}

static uint64_t first_of_tape(void)
{
    uint64_t first = 0;
    assert_true(numbered_smallest(&first, f.tape, TAPE_SUFFIX));
    return first;
}

// ---- starts

static void without_its_memory_it_does_not_start(void **state)
{
    (void)state;
    write_journal(10, 0);
    int fd = f.boot.event_ring_fd;
    f.boot.event_ring_fd = f.boot.doorbell_fd[PROCESS_TAPE]; // that is no ring
    start();
    f.boot.event_ring_fd = fd;
    assert_int_equal(ended(), EXIT_CONFIGURATION);
}

static void a_tape_that_somebody_writes_is_left_alone(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    write_journal(10, 0);
    assert_int_equal(mkdir(f.tape, 0700), 0);
    path_join(path, f.tape, "lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    start();
    assert_int_equal(ended(), 1);
    close(fd);
    uint64_t first;
    assert_false(numbered_smallest(&first, f.tape, TAPE_SUFFIX));
}

static void it_goes_on_from_the_newest_snapshot_that_can_be_used(void **state)
{
    (void)state;
    assert_int_equal(live(300), 0);
    assert_int_equal(live(600), 300); // made at its end
    forget_snapshots();
    write_snapshot(50, false); // in the middle of a block
    write_snapshot(79, true);
    assert_int_equal(live(900), 50);
    forget_snapshots();
    write_snapshot(0, false); // the beginning is the beginning
    assert_int_equal(live(1000), 0);
}

// Of the first segment.
static void rot_event(off_t position)
{
    char path[NUMBERED_PATH_BYTES], byte;
    numbered_path(path, f.tape, 1, TAPE_SUFFIX);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    off_t at = TAPE_HEADER_BYTES + position * EVENT_BYTES + 64;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

// The tape does not prove what is before the snapshot: it is compared from the beginning.
static void where_the_tape_is_rotten_it_begins_anew(void **state)
{
    (void)state;
    assert_int_equal(live(900), 0);
    forget_snapshots();
    write_snapshot(50, false);
    rot_event(49);
    assert_int_equal(live(950), 0);
    assert_true(testing_was_said(f.log, "the tape is written anew"));
    assert_true(testing_was_said(f.log, " events_dropped=851")); // of 900, from the rotten one on
}

// Who dies while he writes again what lies before the newest snapshot leaves a tape that looks whole and
// may not be durable.
static void who_goes_back_is_followed_until_he_has_synced(void **state)
{
    (void)state;
    assert_int_equal(live(900), 0);
    write_snapshot(50, false);
    rot_event(899);
    assert_int_equal(begin(900), 50);
    die();
    assert_int_equal(tape_reader_last_sequence(f.tape), 900);
    assert_int_equal(begin(900), 50);
    die();
    assert_int_equal(begin(700), 50);
    assert_int_equal(stop(), 0); // with a snapshot, behind which there is more that may not be durable
    assert_int_equal(live(950), 50);
    assert_int_equal(live(1000), 950);
}

// Followers begin at 1: a tape without its beginning is none, unless it may forget.
static void a_tape_without_its_beginning_is_written_anew_unless_it_may_forget(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    for (int may = 0; may <= 1; may++) {
        f.boot.config.tape_keep_sequences = 0;
        (void)live(2500 + 100 * (uint64_t)may);
        assert_int_equal(first_of_tape(), 1);
        numbered_path(path, f.tape, 1, TAPE_SUFFIX);
        assert_int_equal(unlink(path), 0);
        f.boot.config.tape_keep_sequences = may ? 100000 : 0;
        uint64_t began = live(2550 + 100 * (uint64_t)may);
        assert_int_equal(began, may ? 2600 : 0);
        assert_int_equal(first_of_tape() == 1, may == 0);
    }
}

// ---- what it forgets, and what it cannot do

static void what_nobody_needs_is_forgotten_at_a_snapshot(void **state)
{
    (void)state;
    f.boot.config.tape_keep_sequences = 5000; // more than there is
    (void)live(2500);
    assert_int_equal(first_of_tape(), 1);
    forget_snapshots();
    write_snapshot(2400, false);
    f.boot.config.tape_keep_sequences = 200;
    (void)live(2600);
    assert_int_equal(first_of_tape(), 2049); // it has 2,400
    assert_false(testing_was_said(f.log, "stays"));
}

// The first segment is something that cannot be removed: it stays, and that is all.
static void a_segment_that_cannot_be_forgotten_stays(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    (void)live(2500);
    forget_snapshots();
    write_snapshot(2400, false);
    numbered_path(path, f.tape, 1, TAPE_SUFFIX);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    f.boot.config.tape_keep_sequences = 200;
    assert_int_equal(live(2600), 2400);
    assert_int_equal(first_of_tape(), 1);
    assert_true(testing_was_said(f.log, "an old tape segment stays"));
}

static void a_snapshot_that_cannot_be_made_is_counted(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    uint64_t sequence;
    write_journal(300, 0);
    assert_int_equal(mkdir(f.snapshots, 0700), 0);
    path_join(path, f.snapshots, "snapshot.tmp");
    assert_int_equal(mkdir(path, 0700), 0); // where the new one would be written
    be_durable(300);
    start();
    await_position(300);
    assert_int_equal(stop(), 0);
    assert_int_equal(atomic_load(&f.page->snapshots_failed), 1);
    assert_false(numbered_largest(&sequence, f.snapshots, SNAPSHOT_SUFFIX, UINT64_MAX));
    assert_int_equal(tape_reader_last_sequence(f.tape), 300);
}

// ---- beside a living core

// Of all that lonja-tape has read, whatever it was.
static uint64_t bytes_read(void)
{
    char path[64];
    unsigned long long bytes = 0;
    snprintf(path, sizeof path, "/proc/%d/io", (int)f.process);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "rchar: %llu", &bytes), 1);
    (void)fclose(file);
    return bytes;
}

// What it has read ahead is not there yet: it must not take that for the end, and search what is
// behind it, whenever the next block has come.
static void a_block_that_comes_later_is_read_and_nothing_behind_it(void **state)
{
    (void)state;
    enum { BLOCKS = 20, LOOK_BYTES = 64 << 10, SEGMENT_BYTES = 1 << 22 };
    begin_journal();
    write_ticks(1, 0);
    be_durable(1);
    start();
    await_position(1);
    uint64_t before = bytes_read();
    for (uint64_t sequence = 2; sequence <= 1 + BLOCKS; sequence++) {
        write_ticks(1, 0);
        be_durable(sequence);
        await_position(sequence);
    }
    uint64_t bytes = bytes_read() - before;
    assert_in_range(bytes, BLOCKS * JOURNAL_PAGE_BYTES, BLOCKS * LOOK_BYTES);
    assert_true(BLOCKS * LOOK_BYTES < SEGMENT_BYTES); // else it would prove nothing
    assert_int_equal(stop(), 0);
    end_journal();
}

// ---- a journal that is not right

static void a_tape_that_would_differ_from_the_core_is_not_written(void **state)
{
    (void)state;
    static const uint64_t digests[] = {7, 4096}; // where none belongs; another one
    for (size_t i = 0; i < 2; i++) {
        write_journal(digests[i], digests[i]);
        be_durable(digests[i]);
        start();
        assert_int_equal(ended(), EXIT_POISON);
        assert_true(tape_reader_last_sequence(f.tape) < digests[i]);
    }
}

// It is said to be durable: it is looked for a while, then that is an error.
static void a_durable_block_that_is_not_there_or_broken_ends_it(void **state)
{
    (void)state;
    for (int broken = 0; broken <= 1; broken++) {
        char path[NUMBERED_PATH_BYTES];
        write_journal(broken ? 8000 : 100, 0); // two blocks
        numbered_path(path, f.journal, 1, JOURNAL_SUFFIX);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        if (broken)
            assert_int_equal(pwrite(fd, "x", 1, JOURNAL_PAGE_BYTES + 777), 1);
        close(fd);
        be_durable(broken ? 8000 : 200);
        start();
        assert_int_equal(ended(), broken ? EXIT_POISON : 1);
        assert_true(tape_reader_last_sequence(f.tape) <= 100);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_its_memory_it_does_not_start),
        TEST(a_tape_that_somebody_writes_is_left_alone),
        TEST(it_goes_on_from_the_newest_snapshot_that_can_be_used),
        TEST(where_the_tape_is_rotten_it_begins_anew),
        TEST(who_goes_back_is_followed_until_he_has_synced),
        TEST(a_tape_without_its_beginning_is_written_anew_unless_it_may_forget),
        TEST(what_nobody_needs_is_forgotten_at_a_snapshot),
        TEST(a_segment_that_cannot_be_forgotten_stays),
        TEST(a_snapshot_that_cannot_be_made_is_counted),
        TEST(a_block_that_comes_later_is_read_and_nothing_behind_it),
        TEST(a_tape_that_would_differ_from_the_core_is_not_written),
        TEST(a_durable_block_that_is_not_there_or_broken_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
