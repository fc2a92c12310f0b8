// The table of recovery is complete, every cell of it is decided on purpose, and every cell that a
// disk can reach is reached here by a real folder of a real journal and real snapshots.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "core/journal.h"
#include "core/numbered_file.h"
#include "core/recovery.h"
#include "core/snapshot_file.h"
#include "core/testing_calls.h"

enum {
    SEGMENT_BYTES = 64 * 1024,
    BLOCKS = 5,
    COMMANDS = 3,
    LIFE = BLOCKS * COMMANDS,
    SNAPSHOT = 6
};

// ---- the table

static enum recovery_action expected(enum recovery_snapshot snapshot, enum recovery_journal journal)
{
    if (journal == RECOVERY_JOURNAL_UNREADABLE)
        return RECOVERY_REFUSE_UNREADABLE;
    if (journal == RECOVERY_JOURNAL_VERSION || journal == RECOVERY_JOURNAL_ENGINE)
        return RECOVERY_REFUSE_VERSION;
    if (journal >= RECOVERY_JOURNAL_MIDDLE)
        return RECOVERY_REFUSE_CORRUPT;
    if (snapshot == RECOVERY_SNAPSHOT_NEWER || snapshot == RECOVERY_SNAPSHOT_DETACHED)
        return RECOVERY_REFUSE_LOST;
    if (journal == RECOVERY_JOURNAL_EMPTY)
        return snapshot == RECOVERY_SNAPSHOT_NONE ? RECOVERY_BEGIN : RECOVERY_REFUSE_LOST;
    return snapshot == RECOVERY_SNAPSHOT_WHOLE ? RECOVERY_REPLAY_BEHIND : RECOVERY_REPLAY_ALL;
}

static void every_case_has_its_decision(void **state)
{
    (void)state;
    for (int snapshot = 0; snapshot < RECOVERY_SNAPSHOT_COUNT; snapshot++)
        for (int journal = 0; journal < RECOVERY_JOURNAL_COUNT; journal++) {
            enum recovery_snapshot s = (enum recovery_snapshot)snapshot;
            enum recovery_journal j = (enum recovery_journal)journal;
            assert_int_equal(recovery_decide(RECOVERY_LOCK_FREE, s, j), expected(s, j));
            assert_int_equal(recovery_decide(RECOVERY_LOCK_HELD, s, j), RECOVERY_REFUSE_HELD);
        }
}

static void every_refusal_has_its_status_and_its_way_out(void **state)
{
    (void)state;
    for (int i = 0; i < RECOVERY_ACTION_COUNT; i++) {
        enum recovery_action action = (enum recovery_action)i;
        bool refuses = recovery_refuses(action);
        assert_int_equal(refuses, i >= RECOVERY_REFUSE_HELD);
        assert_int_equal(strlen(recovery_way_out(action)) > 0, refuses);
        assert_int_equal(recovery_exit(action) != 0, refuses);
    }
    assert_int_equal(recovery_exit(RECOVERY_REFUSE_HELD), EXIT_CONFIGURATION);
    assert_int_equal(recovery_exit(RECOVERY_REFUSE_UNREADABLE), EXIT_JOURNAL);
    assert_int_equal(recovery_exit(RECOVERY_REFUSE_LOST), EXIT_POISON);
}

// ---- a folder

struct fixture {
    char folder[64];
    char journal_folder[NUMBERED_PATH_BYTES], snapshots[NUMBERED_PATH_BYTES];
    struct journal_io io;
    struct journal_io_file file;
    struct event_ring_control *control;
    struct gate gate;
    uint32_t chain;
    uint64_t last;
};

static bool snapshots_do_not_load; // stands for a snapshot of a newer version
bool __real_engine_load(struct engine *engine, const struct snapshot_record *record);
bool __wrap_engine_load(struct engine *engine, const struct snapshot_record *record);
bool __wrap_engine_load(struct engine *engine, const struct snapshot_record *record)
{
    return !snapshots_do_not_load && __real_engine_load(engine, record);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    testing_folder_make(f->folder);
    snprintf(f->journal_folder, sizeof f->journal_folder, "%s/journal", f->folder);
    snprintf(f->snapshots, sizeof f->snapshots, "%s/snapshots", f->folder);
    assert_int_equal(state_folder_make(f->snapshots), 0);
    assert_int_equal(journal_io_file_open(&f->io, &f->file, f->journal_folder, false), 0);
    f->control = aligned_alloc(4096, sizeof *f->control);
    f->gate.control = f->control;
    snapshots_do_not_load = false;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    journal_io_file_close(&f->file);
    testing_folder_remove(f->folder);
    free(f->control);
    free(f);
    return 0;
}

static const struct engine_limits limits = {.accounts_max = 10,
                                            .members_max = 10,
                                            .sessions_max = 10,
                                            .session_accounts_max = 10,
                                            .assets_max = 10,
                                            .instruments_max = 10,
                                            .balances_max = 10,
                                            .orders_max = 10,
                                            .levels_max = 10,
                                            .stops_max = 10,
                                            .trailing_stops_max = 10,
                                            .fees_max = 10,
                                            .command_events_max = 64};

static void begin_life(struct fixture *f, struct journal *journal, uint64_t epoch)
{
    struct journal_options options = {.segments = replay_terms(&limits, SEGMENT_BYTES),
                                      .epoch = epoch,
                                      .next_sequence = f->last + 1,
                                      .chain = f->chain,
                                      .queue_slots = 4096};
    memset(f->control, 0, sizeof *f->control);
    assert_int_equal(journal_open(journal, &f->io, &f->gate, &clock_system, &options), 0);
}

static uint64_t write_blocks(struct journal *journal, uint64_t last, int blocks)
{
    for (int i = 0; i < blocks; i++) {
        for (int k = 0; k < COMMANDS; k++) {
            last++;
            struct command command = {.header = {.slots = 1,
                                                 .type = CMD_clock_tick,
                                                 .version = SCHEMA_VERSION,
                                                 .sequence = last,
                                                 .time_ns = last}};
            journal_append(journal, &command);
        }
        journal_flush(journal);
        assert_int_equal(journal_write_work(journal), COMMANDS);
    }
    return last;
}

static void live(struct fixture *f, uint64_t epoch)
{
    struct journal journal;
    begin_life(f, &journal, epoch);
    f->last = write_blocks(&journal, f->last, BLOCKS);
    f->chain = journal.chain;
    journal_close(&journal);
}

static struct recovered recover(struct fixture *f, const char *snapshots)
{
    struct replay replay;
    struct recovered recovered;
    assert_int_equal(replay_open(&replay, &limits), 0);
    bool done = recovery_run(&recovered, &replay, &f->io, snapshots, UINT64_MAX, NULL, NULL);
    assert_int_equal(done, !recovery_refuses(recovered.action));
    if (done)
        assert_int_equal(replay.sequence - recovered.snapshot_sequence, recovered.commands);
    replay_close(&replay);
    return recovered;
}

static void snapshot_at(struct fixture *f, uint64_t sequence)
{
    struct replay replay;
    struct recovered recovered;
    assert_int_equal(replay_open(&replay, &limits), 0);
    assert_true(recovery_run_all(&recovered, &replay, &f->io, sequence, NULL, NULL));
    assert_int_equal(replay.sequence, sequence);
    assert_int_equal(replay_save(&replay, f->snapshots), 0);
    replay_close(&replay);
}

// ---- damage

static int segment_open_for_damage(const struct fixture *f, uint64_t number)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, f->journal_folder, number, JOURNAL_SUFFIX);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void change_page(const struct fixture *f, uint64_t segment, uint64_t page, bool to_zeroes)
{
    uint8_t bytes[JOURNAL_PAGE_BYTES];
    int fd = segment_open_for_damage(f, segment);
    off_t offset = (off_t)(page * JOURNAL_PAGE_BYTES);
    assert_int_equal(pread(fd, bytes, sizeof bytes, offset), sizeof bytes);
    bytes[100] ^= 4;
    if (to_zeroes)
        memset(bytes, 0, sizeof bytes);
    assert_int_equal(pwrite(fd, bytes, sizeof bytes, offset), sizeof bytes);
    close(fd);
}

static void change_versions(const struct fixture *f, uint64_t segment, uint32_t schema,
                            uint32_t engine)
{
    struct journal_segment_header header;
    int fd = segment_open_for_damage(f, segment);
    assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
    header.schema_version = schema;
    header.engine_version = engine;
    header.crc = 0;
    header.crc = crc32c(0, &header, sizeof header);
    assert_int_equal(pwrite(fd, &header, sizeof header, 0), sizeof header);
    close(fd);
}

static void remove_segment(const struct fixture *f, uint64_t number)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, f->journal_folder, number, JOURNAL_SUFFIX);
    assert_int_equal(unlink(path), 0);
}

static int64_t read_refused(void *context, int file, void *out, size_t bytes, uint64_t offset)
{
    (void)context, (void)file, (void)out, (void)bytes, (void)offset;
    return -EIO;
}

// Core A goes on in its segment after core B has taken the journal over, as where the lock does not
// hold because two machines share the folder.
static void two_cores_write(struct fixture *f)
{
    struct journal a, b;
    begin_life(f, &a, 4);
    uint64_t last_a = write_blocks(&a, f->last, BLOCKS);
    f->chain = a.chain;
    f->last = last_a;
    begin_life(f, &b, 5);
    write_blocks(&b, f->last, BLOCKS);
    memset(f->control, 0, sizeof *f->control); // A has a gate of its own
    write_blocks(&a, last_a, 1);
    journal_close(&a);
    journal_close(&b);
}

// Three lives in segments 1 to 3 of LIFE commands each, with this end. Snapshots come before the
// damage.
static void make_journal(struct fixture *f, enum recovery_journal journal)
{
    switch (journal) {
    case RECOVERY_JOURNAL_EMPTY:
        for (uint64_t number = 1; number <= 3; number++)
            remove_segment(f, number);
        break;
    case RECOVERY_JOURNAL_CLEAN:
        break;
    case RECOVERY_JOURNAL_TORN:
        change_page(f, 3, BLOCKS, false);
        break;
    case RECOVERY_JOURNAL_MIDDLE:
        change_page(f, 2, 2, false);
        break;
    case RECOVERY_JOURNAL_MISSING:
        remove_segment(f, 2);
        break;
    case RECOVERY_JOURNAL_EPOCH:
        live(f, 1);
        break;
    case RECOVERY_JOURNAL_FOREIGN:
        two_cores_write(f);
        break;
    case RECOVERY_JOURNAL_VERSION:
        change_versions(f, 2, SCHEMA_VERSION - 1, ENGINE_VERSION);
        break;
    case RECOVERY_JOURNAL_ENGINE:
        change_versions(f, 3, SCHEMA_VERSION, ENGINE_REPLAYS_SINCE - 1);
        break;
    case RECOVERY_JOURNAL_UNREADABLE:
        f->io.read = read_refused;
        break;
    case RECOVERY_JOURNAL_COUNT:
        fail();
    }
}

static void break_snapshots(const struct fixture *f)
{
    uint64_t number = UINT64_MAX;
    while (numbered_largest(&number, f->snapshots, SNAPSHOT_SUFFIX, number - 1)) {
        char path[NUMBERED_PATH_BYTES];
        numbered_path(path, f->snapshots, number, SNAPSHOT_SUFFIX);
        assert_int_equal(truncate(path, 130), 0);
    }
}

// ---- every cell that can be reached

static bool reached[RECOVERY_SNAPSHOT_COUNT][RECOVERY_JOURNAL_COUNT];

static void reach(struct fixture *f, enum recovery_snapshot snapshot, enum recovery_journal journal)
{
    struct recovered recovered = recover(f, f->snapshots);
    if (recovered.snapshot != snapshot || recovered.journal != journal)
        fail_msg("meant %d %d, found %d %d", snapshot, journal, recovered.snapshot,
                 recovered.journal);
    assert_int_equal(recovered.action, expected(snapshot, journal));
    reached[snapshot][journal] = true;
}

static void with_fixture(void (*run)(struct fixture *, enum recovery_snapshot,
                                     enum recovery_journal),
                         enum recovery_snapshot snapshot, enum recovery_journal journal)
{
    void *state;
    setup(&state);
    run(state, snapshot, journal);
    teardown(&state);
}

static void run_cell(struct fixture *f, enum recovery_snapshot snapshot,
                     enum recovery_journal journal)
{
    for (uint64_t epoch = 1; epoch <= 3; epoch++)
        live(f, epoch == 3 && journal == RECOVERY_JOURNAL_EPOCH ? 2 : epoch);
    if (snapshot != RECOVERY_SNAPSHOT_NONE)
        snapshot_at(f, SNAPSHOT);
    if (snapshot == RECOVERY_SNAPSHOT_BROKEN)
        break_snapshots(f);
    make_journal(f, journal);
    snapshots_do_not_load = snapshot == RECOVERY_SNAPSHOT_OTHER;
    reach(f, snapshot, journal);
}

// A snapshot above the journal's end, whole or not.
static void run_newer(struct fixture *f, enum recovery_snapshot snapshot,
                      enum recovery_journal journal)
{
    for (uint64_t epoch = 1; epoch <= 3; epoch++)
        live(f, epoch);
    snapshot_at(f, SNAPSHOT);
    snapshot_at(f, f->last);
    make_journal(f, journal);
    if (journal == RECOVERY_JOURNAL_CLEAN)
        change_page(f, 3, BLOCKS, true);
    reach(f, snapshot, journal);
    break_snapshots(f);
    reach(f, snapshot, journal);
}

// The segments right behind the snapshot are gone.
static void run_detached(struct fixture *f, enum recovery_snapshot snapshot,
                         enum recovery_journal journal)
{
    for (uint64_t epoch = 1; epoch <= 3; epoch++)
        live(f, epoch);
    snapshot_at(f, SNAPSHOT);
    remove_segment(f, 1);
    remove_segment(f, 2);
    reach(f, snapshot, journal);
}

static void every_cell_that_a_disk_can_reach_is_reached(void **state)
{
    (void)state;
    for (int s = RECOVERY_SNAPSHOT_NONE; s <= RECOVERY_SNAPSHOT_OTHER; s++)
        for (int j = 0; j < RECOVERY_JOURNAL_COUNT; j++)
            if (s == RECOVERY_SNAPSHOT_NONE || j != RECOVERY_JOURNAL_EMPTY)
                with_fixture(run_cell, (enum recovery_snapshot)s, (enum recovery_journal)j);
    for (int j = RECOVERY_JOURNAL_EMPTY; j <= RECOVERY_JOURNAL_TORN; j++)
        with_fixture(run_newer, RECOVERY_SNAPSHOT_NEWER, (enum recovery_journal)j);
    with_fixture(run_detached, RECOVERY_SNAPSHOT_DETACHED, RECOVERY_JOURNAL_MISSING);
    // The others cannot be: a snapshot's number is above the end of an empty journal, what is
    // corrupt has no end that a snapshot could be above, and only a missing segment detaches one.
    for (int s = 0; s < RECOVERY_SNAPSHOT_COUNT; s++)
        for (int j = 0; j < RECOVERY_JOURNAL_COUNT; j++) {
            bool empty = j == RECOVERY_JOURNAL_EMPTY;
            bool possible = s == RECOVERY_SNAPSHOT_NONE ||
                            (s <= RECOVERY_SNAPSHOT_OTHER && !empty) ||
                            (s == RECOVERY_SNAPSHOT_NEWER && j <= RECOVERY_JOURNAL_TORN) ||
                            (s == RECOVERY_SNAPSHOT_DETACHED && j == RECOVERY_JOURNAL_MISSING);
            assert_int_equal(reached[s][j], possible);
        }
}

static void a_journal_has_one_core(void **state)
{
    struct fixture *f = *state;
    struct journal_io io;
    struct journal_io_file second;
    int lock = journal_io_file_lock(&f->file);
    assert_true(lock >= 0);
    assert_int_equal(journal_io_file_open(&io, &second, f->journal_folder, false), 0);
    assert_int_equal(journal_io_file_lock(&second), -EWOULDBLOCK);
    close(lock);
    lock = journal_io_file_lock(&second);
    assert_true(lock >= 0);
    close(lock);
    journal_io_file_close(&second);
}

// ---- another engine

// The way out of an older engine: its snapshot at the end of its journal, and this engine goes on
// from there.
static void an_older_engines_snapshot_at_the_end_is_taken(void **state)
{
    struct fixture *f = *state;
    live(f, 1);
    live(f, 2);
    snapshot_at(f, f->last);
    change_versions(f, 1, SCHEMA_VERSION, ENGINE_REPLAYS_SINCE - 1);
    change_versions(f, 2, SCHEMA_VERSION, ENGINE_REPLAYS_SINCE - 1);
    struct recovered recovered = recover(f, f->snapshots);
    assert_int_equal(recovered.action, RECOVERY_REPLAY_BEHIND);
    assert_int_equal(recovered.commands, 0);
    live(f, 3); // by this engine
    recovered = recover(f, f->snapshots);
    assert_int_equal(recovered.action, RECOVERY_REPLAY_BEHIND);
    assert_int_equal(recovered.commands, LIFE);
    break_snapshots(f);
    assert_int_equal(recover(f, f->snapshots).action, RECOVERY_REFUSE_VERSION);
}

static void a_newer_engines_journal_is_refused(void **state)
{
    struct fixture *f = *state;
    live(f, 1);
    change_versions(f, 1, SCHEMA_VERSION, ENGINE_VERSION + 1);
    struct recovered recovered = recover(f, f->snapshots);
    assert_int_equal(recovered.journal, RECOVERY_JOURNAL_ENGINE);
    assert_int_equal(recovered.action, RECOVERY_REFUSE_VERSION);
}

static void a_folder_that_cannot_be_listed_is_no_empty_journal(void **state)
{
    struct fixture *f = *state;
    live(f, 1);
    journal_io_file_close(&f->file); // every call fails now
    struct recovered recovered = recover(f, f->snapshots);
    assert_int_equal(recovered.journal, RECOVERY_JOURNAL_UNREADABLE);
    assert_int_equal(recovered.action, RECOVERY_REFUSE_UNREADABLE);
    assert_int_equal(journal_io_file_open(&f->io, &f->file, f->journal_folder, false), 0);
}

// With a snapshot the folder is looked at before the first block.
static void a_folder_that_cannot_be_listed_stops_a_start_from_a_snapshot(void **state)
{
    struct fixture *f = *state;
    live(f, 1);
    snapshot_at(f, SNAPSHOT);
    journal_io_file_close(&f->file);
    struct recovered recovered = recover(f, f->snapshots);
    assert_int_equal(recovered.snapshot, RECOVERY_SNAPSHOT_WHOLE);
    assert_int_equal(recovered.action, RECOVERY_REFUSE_UNREADABLE);
    assert_int_equal(journal_io_file_open(&f->io, &f->file, f->journal_folder, false), 0);
}

static void count_commands(void *context, const struct replay *replay,
                           const struct command *command)
{
    uint64_t *count = context;
    assert_int_equal(replay->sequence, command->header.sequence);
    ++*count;
}

// The end that is asked for may lie within a block, and before the snapshots.
static void recovery_stops_where_it_is_told(void **state)
{
    struct fixture *f = *state;
    live(f, 1);
    snapshot_at(f, SNAPSHOT);
    for (uint64_t until = 1; until <= LIFE + 2; until++) {
        struct replay replay;
        struct recovered recovered;
        uint64_t count = 0;
        assert_int_equal(replay_open(&replay, &limits), 0);
        assert_true(
            recovery_run(&recovered, &replay, &f->io, f->snapshots, until, count_commands, &count));
        assert_int_equal(replay.sequence, until < LIFE ? until : LIFE);
        assert_int_equal(recovered.snapshot_sequence, until >= SNAPSHOT ? SNAPSHOT : 0);
        assert_int_equal(count, replay.sequence - recovered.snapshot_sequence);
        replay_close(&replay);
    }
}

// A digest where none belongs is whole on the disk, and no core wrote it.
static void a_command_where_another_belongs_is_refused(void **state)
{
    struct fixture *f = *state;
    struct journal journal;
    begin_life(f, &journal, 1);
    struct command command = {.header = {.slots = 1,
                                         .type = CMD_journal_digest,
                                         .version = SCHEMA_VERSION,
                                         .sequence = 1,
                                         .time_ns = 1}};
    journal_append(&journal, &command);
    journal_flush(&journal);
    assert_int_equal(journal_write_work(&journal), 1);
    journal_close(&journal);
    struct recovered recovered = recover(f, f->snapshots);
    assert_int_equal(recovered.action, RECOVERY_REFUSE_REPLAY);
    assert_int_equal(recovered.commands, 0);
}

static void without_memory_for_a_second_engine_nothing_begins(void **state)
{
    struct fixture *f = *state;
    struct replay replay;
    struct recovered recovered;
    live(f, 1);
    snapshot_at(f, SNAPSHOT);
    snapshots_do_not_load = true;
    assert_int_equal(replay_open(&replay, &limits), 0);
    testing_calls_fail("arena_open", 1, ENOMEM);
    assert_false(recovery_run(&recovered, &replay, &f->io, f->snapshots, UINT64_MAX, NULL, NULL));
    assert_true(testing_calls_failed());
    assert_true(recovery_refuses(recovered.action));
}

// The very first snapshot is of sequence 0: there is none before it to look for.
static void a_snapshot_of_nothing_that_does_not_load_is_passed_over(void **state)
{
    struct fixture *f = *state;
    struct replay replay;
    assert_int_equal(replay_open(&replay, &limits), 0);
    assert_int_equal(replay_save(&replay, f->snapshots), 0);
    replay_close(&replay);
    live(f, 1);
    snapshots_do_not_load = true;
    struct recovered recovered = recover(f, f->snapshots);
    assert_int_equal(recovered.snapshot, RECOVERY_SNAPSHOT_OTHER);
    assert_int_equal(recovered.commands, LIFE);
}

// The segment that a snapshot goes on in is there, and another version's: it is not lost.
static void another_versions_segment_behind_a_snapshot_is_not_missing(void **state)
{
    struct fixture *f = *state;
    live(f, 1);
    snapshot_at(f, SNAPSHOT);
    change_versions(f, 1, SCHEMA_VERSION + 1, ENGINE_VERSION);
    struct recovered recovered = recover(f, f->snapshots);
    assert_int_equal(recovered.snapshot, RECOVERY_SNAPSHOT_WHOLE);
    assert_int_equal(recovered.action, RECOVERY_REFUSE_VERSION);
}

int main(void)
{
#define RECOVERY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_has_its_decision),
        cmocka_unit_test(every_refusal_has_its_status_and_its_way_out),
        cmocka_unit_test(every_cell_that_a_disk_can_reach_is_reached),
        RECOVERY_TEST(a_journal_has_one_core),
        RECOVERY_TEST(an_older_engines_snapshot_at_the_end_is_taken),
        RECOVERY_TEST(a_newer_engines_journal_is_refused),
        RECOVERY_TEST(a_folder_that_cannot_be_listed_is_no_empty_journal),
        RECOVERY_TEST(a_folder_that_cannot_be_listed_stops_a_start_from_a_snapshot),
        RECOVERY_TEST(recovery_stops_where_it_is_told),
        RECOVERY_TEST(a_command_where_another_belongs_is_refused),
        RECOVERY_TEST(without_memory_for_a_second_engine_nothing_begins),
        RECOVERY_TEST(a_snapshot_of_nothing_that_does_not_load_is_passed_over),
        RECOVERY_TEST(another_versions_segment_behind_a_snapshot_is_not_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
