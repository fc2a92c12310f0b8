// The archive: what goes in comes out, whatever fails on the way, and who reads from the beginning
// does not see where the segments are.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fake_disk.h"
#include "core/journal.h"
#include "core/journal_archive.h"
#include "core/journal_progress.h"
#include "core/journal_reader.h"
#include "core/journal_tool.h"
#include "core/numbered_file.h"
#include "core/recovery.h"

enum { SEGMENT_BYTES = 32 * 1024, BLOCKS = 20, COMMANDS = 3 }; // seven blocks a segment

static struct event_ring_control control;
static struct gate gate = {.control = &control};

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

// One life; returns the last sequence.
static uint64_t live(const struct journal_io *io, uint64_t epoch, uint64_t last, uint32_t *chain)
{
    struct journal journal;
    struct journal_options options = {.segments = replay_terms(&limits, SEGMENT_BYTES),
                                      .epoch = epoch,
                                      .next_sequence = last + 1,
                                      .chain = *chain,
                                      .queue_slots = 4096};
    memset(&control, 0, sizeof control);
    assert_int_equal(journal_open(&journal, io, &gate, &clock_system, &options), 0);
    for (int i = 0; i < BLOCKS; i++) {
        for (int k = 0; k < COMMANDS; k++) {
            last++;
            struct command command = {.header = {.slots = 1,
                                                 .type = CMD_clock_tick,
                                                 .version = SCHEMA_VERSION,
                                                 .sequence = last,
                                                 .time_ns = last}};
            journal_append(&journal, &command);
        }
        journal_flush(&journal);
        assert_int_equal(journal_write_work(&journal), COMMANDS);
    }
    *chain = journal.chain;
    journal_close(&journal);
    return last;
}

static uint64_t make_journal(const struct journal_io *io)
{
    uint32_t chain = 0;
    uint64_t last = live(io, 1, 0, &chain);
    return live(io, 2, last, &chain);
}

static void expect_all(const struct journal_io *live_io, const struct journal_io *archived,
                       uint64_t last)
{
    static struct journal_archive archive;
    struct journal_io io = *live_io;
    journal_archive_overlay(&archive, &io, archived);
    struct journal_reader reader;
    const struct journal_block_header *block;
    enum journal_decision decision;
    assert_int_equal(journal_reader_open(&reader, &io, 1, false), 0);
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
        ;
    if (decision != JOURNAL_END)
        fail_msg("%s", reader.reason);
    assert_int_equal(reader.next_sequence - 1, last);
    journal_reader_close(&reader);
    journal_archive_close(&archive);
}

// ---- every failure on the way
// --------------------------------------------------------------------

struct disks {
    struct journal_io live, archive;
    struct fake_disk *live_disk, *archive_disk;
    uint64_t last;
};

static void disks_open(struct disks *disks, uint64_t seed)
{
    disks->live_disk = fake_disk_create(&disks->live, seed);
    disks->archive_disk = fake_disk_create(&disks->archive, seed + 1000);
    disks->last = make_journal(&disks->live);
}

static void disks_close(struct disks *disks)
{
    fake_disk_destroy(disks->live_disk);
    fake_disk_destroy(disks->archive_disk);
}

static void disks_crash(struct disks *disks, bool power)
{
    void (*crash)(struct fake_disk *) = power ? fake_disk_power_failure : fake_disk_process_killed;
    crash(disks->live_disk);
    crash(disks->archive_disk);
}

// Fails at operation `at` of one of the disks; true if it came that far.
static bool try_crash(uint64_t at, bool archive_fails, bool power, uint64_t seed)
{
    struct disks disks;
    struct journal_archived archived;
    disks_open(&disks, seed);
    struct fake_disk *failing = archive_fails ? disks.archive_disk : disks.live_disk;
    fake_disk_fail_at(failing, at);
    int result = 0;
    for (uint64_t number = 1; number <= 3 && result == 0; number++)
        result = journal_archive_segment(&disks.live, &disks.archive, number, &archived);
    bool failed = result != 0;
    disks_crash(&disks, power);
    expect_all(&disks.live, &disks.archive, disks.last);
    for (uint64_t number = 1; number <= 3; number++) { // the next run does the rest
        result = journal_archive_segment(&disks.live, &disks.archive, number, &archived);
        assert_true(result == 0 || result == -ENOENT);
    }
    expect_all(&disks.live, &disks.archive, disks.last);
    uint64_t first, last;
    assert_int_equal(journal_segments(&disks.live, &first, &last), 1);
    assert_int_equal(first, 4);
    disks_close(&disks);
    return failed;
}

static void no_crash_of_the_archiver_loses_a_segment(void **state)
{
    (void)state;
    for (int archive_fails = 0; archive_fails < 2; archive_fails++)
        for (int power = 0; power < 2; power++) {
            uint64_t at = 1;
            for (bool failed = true; failed; at++) {
                failed = false;
                for (uint64_t seed = 1; seed <= 20; seed++)
                    failed |= try_crash(at, archive_fails != 0, power != 0, seed);
            }
            assert_true(at > (archive_fails ? 12 : 6)); // it has met every step of three segments
        }
}

static void no_crash_of_a_restore_loses_a_segment(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t at = 1; failed; at++) {
        struct disks disks;
        struct journal_archived archived;
        disks_open(&disks, at);
        for (uint64_t number = 1; number <= 3; number++)
            assert_int_equal(
                journal_archive_segment(&disks.live, &disks.archive, number, &archived), 0);
        fake_disk_fail_at(disks.live_disk, at);
        int result = 0;
        for (uint64_t number = 3; number >= 1 && result == 0; number--)
            result = journal_archive_restore(&disks.live, &disks.archive, number);
        failed = result != 0;
        disks_crash(&disks, true);
        expect_all(&disks.live, &disks.archive, disks.last);
        for (uint64_t number = 3; number >= 1; number--)
            assert_int_equal(journal_archive_restore(&disks.live, &disks.archive, number), 0);
        struct journal_io nothing;
        struct fake_disk *empty = fake_disk_create(&nothing, 1);
        expect_all(&disks.live, &nothing, disks.last);
        fake_disk_destroy(empty);
        disks_close(&disks);
    }
}

// A disk that refuses to be looked at: an error, and all stays where it is.
static void no_refused_look_loses_a_segment(void **state)
{
    (void)state;
    for (int archive_refuses = 0; archive_refuses < 2; archive_refuses++) {
        bool refused = true;
        for (uint64_t at = 1; refused; at++) {
            struct disks disks;
            struct journal_archived archived;
            disks_open(&disks, at);
            struct fake_disk *disk = archive_refuses ? disks.archive_disk : disks.live_disk;
            fake_disk_refuse_look(disk, at);
            int result = journal_archive_segment(&disks.live, &disks.archive, 1, &archived);
            refused = fake_disk_refused(disk);
            // That an archived one cannot be looked at only means that it is written again.
            assert_true(result == 0 || refused);
            fake_disk_refuse_look(disk, 0);
            expect_all(&disks.live, &disks.archive, disks.last);
            result = journal_archive_segment(&disks.live, &disks.archive, 1, &archived);
            assert_true(result == 0 || result == -ENOENT);
            fake_disk_refuse_look(disk, at);
            result = journal_archive_restore(&disks.live, &disks.archive, 1);
            assert_int_equal(result, archive_refuses && fake_disk_refused(disk) ? -EIO : 0);
            disks_close(&disks);
        }
    }
}

// What the overlay cannot read, it says: to whom reads, it is never the end.
static void a_refused_look_through_the_overlay_is_never_the_end(void **state)
{
    (void)state;
    struct disks disks;
    struct journal_archived archived;
    disks_open(&disks, 1);
    for (uint64_t number = 1; number <= 3; number++)
        assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, number, &archived),
                         0);
    for (int archive_refuses = 0; archive_refuses < 2; archive_refuses++) {
        struct fake_disk *disk = archive_refuses ? disks.archive_disk : disks.live_disk;
        bool refused = true;
        for (uint64_t at = 1; refused; at++) {
            static struct journal_archive archive;
            struct journal_io io = disks.live;
            journal_archive_overlay(&archive, &io, &disks.archive);
            struct journal_reader reader;
            const struct journal_block_header *block;
            enum journal_decision decision;
            fake_disk_refuse_look(disk, at);
            assert_int_equal(journal_reader_open(&reader, &io, 1, false), 0);
            while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
                ;
            refused = fake_disk_refused(disk);
            fake_disk_refuse_look(disk, 0);
            assert_int_equal(decision, refused ? JOURNAL_CORRUPT : JOURNAL_END);
            assert_true(!refused || reader.fault == JOURNAL_FAULT_UNREADABLE);
            journal_reader_close(&reader);
            journal_archive_close(&archive);
        }
    }
    disks_close(&disks);
}

static void no_more_archived_segments_are_open_than_there_is_room_for(void **state)
{
    (void)state;
    static struct journal_archive archive;
    struct disks disks;
    struct journal_archived archived;
    int files[JOURNAL_ARCHIVE_OPEN_MAX];
    uint8_t byte;
    disks_open(&disks, 1);
    for (uint64_t number = 1; number <= 4; number++)
        assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, number, &archived),
                         0);
    struct journal_io io = disks.live;
    journal_archive_overlay(&archive, &io, &disks.archive);
    char name[NUMBERED_NAME_BYTES];
    for (int i = 0; i < JOURNAL_ARCHIVE_OPEN_MAX; i++) {
        numbered_name(name, (uint64_t)i + 1, JOURNAL_SUFFIX);
        files[i] = io.open(io.context, name, JOURNAL_IO_READ);
        assert_true(files[i] >= 0);
        assert_int_equal(io.size(io.context, files[i]), SEGMENT_BYTES);
        assert_int_equal(io.read(io.context, files[i], &byte, 1, SEGMENT_BYTES - 1), 1);
        assert_int_equal(io.read(io.context, files[i], &byte, 1, SEGMENT_BYTES), 0);
    }
    numbered_name(name, JOURNAL_ARCHIVE_OPEN_MAX + 1, JOURNAL_SUFFIX);
    assert_int_equal(io.open(io.context, name, JOURNAL_IO_READ), -EMFILE);
    io.close(io.context, files[0]);
    assert_int_equal(io.open(io.context, name, JOURNAL_IO_READ), files[0]);
    assert_int_equal(io.open(io.context, "00000000000000000099.journal", JOURNAL_IO_READ), -EMFILE);
    io.close(io.context, files[1]);
    assert_int_equal(io.open(io.context, "00000000000000000099.journal", JOURNAL_IO_READ), -ENOENT);
    journal_archive_close(&archive);
    disks_close(&disks);
}

// ---- what is not whole
// ---------------------------------------------------------------------------

static void change_byte(const struct journal_io *io, const char *name, uint64_t at)
{
    uint8_t byte;
    int file = io->open(io->context, name, JOURNAL_IO_WRITE);
    assert_true(file >= 0);
    assert_int_equal(io->read(io->context, file, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(io->write(io->context, file, &byte, 1, at), 0);
    io->close(io->context, file);
}

static void a_rotten_segment_is_not_put_away(void **state)
{
    (void)state;
    struct disks disks;
    struct journal_archived archived;
    disks_open(&disks, 1);
    change_byte(&disks.live, "00000000000000000001.journal", 2 * JOURNAL_PAGE_BYTES + 99);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived), -EBADMSG);
    change_byte(&disks.live, "00000000000000000002.journal", 9);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 2, &archived), -EBADMSG);
    uint64_t first, last;
    assert_int_equal(journal_segments(&disks.live, &first, &last), 1);
    assert_int_equal(first, 1);
    assert_int_equal(journal_archive_range(&disks.archive, &first, &last), 0);
    disks_close(&disks);
}

// A changed byte is noticed, or it changes nothing that comes out.
static void a_rotten_archive_is_noticed(void **state)
{
    (void)state;
    static const char name[] = "00000000000000000001.journal.zst";
    struct disks disks;
    struct journal_archived archived;
    unsigned noticed = 0, changed = 0;
    disks_open(&disks, 1);
    assert_int_equal(journal_archive_segment(&disks.live, &disks.archive, 1, &archived), 0);
    for (uint64_t at = 0; at < archived.compressed; at += at < 4200 ? 61 : 1) {
        change_byte(&disks.archive, name, at);
        int result = journal_archive_restore(&disks.live, &disks.archive, 1);
        if (result == 0)
            expect_all(&disks.live, &disks.archive, disks.last);
        else
            assert_int_equal(result, -EBADMSG);
        noticed += result != 0;
        changed++;
        change_byte(&disks.archive, name, at);
    }
    assert_true(noticed + 8 > changed); // zstd has a few bits without a meaning
    assert_int_equal(journal_archive_restore(&disks.live, &disks.archive, 1), 0);
    expect_all(&disks.live, &disks.archive, disks.last);
    disks_close(&disks);
}

// ---- the tools, on a real folder
// -----------------------------------------------------------------

struct folder {
    char state[64], journal[NUMBERED_PATH_BYTES], snapshots[NUMBERED_PATH_BYTES];
    uint64_t last;
};

static void folder_snapshot(const struct folder *f, const struct journal_io *io, uint64_t sequence)
{
    struct replay replay;
    struct recovered recovered;
    assert_int_equal(replay_open(&replay, &limits), 0);
    assert_true(recovery_run_all(&recovered, &replay, io, sequence, NULL, NULL));
    assert_int_equal(replay_save(&replay, f->snapshots), 0);
    replay_close(&replay);
}

// Snapshots at 50, 70 and 90: of the segments of 21 commands, the first two end before all of them.
static void folder_open(struct folder *f)
{
    struct journal_io io;
    struct journal_io_file file;
    testing_folder_make(f->state);
    snprintf(f->journal, sizeof f->journal, "%s/journal", f->state);
    snprintf(f->snapshots, sizeof f->snapshots, "%s/snapshots", f->state);
    assert_int_equal(state_folder_make(f->snapshots), 0);
    assert_int_equal(journal_io_file_open(&io, &file, f->journal, false), 0);
    f->last = make_journal(&io);
    folder_snapshot(f, &io, 50);
    folder_snapshot(f, &io, 70);
    folder_snapshot(f, &io, 90);
    journal_io_file_close(&file);
}

static void write_status(const struct folder *f, const char *text)
{
    char path[NUMBERED_PATH_BYTES];
    snprintf(path, sizeof path, "%s/status.json", f->state);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void expect_first(const struct folder *f, uint64_t first)
{
    uint64_t number;
    assert_true(numbered_smallest(&number, f->journal, JOURNAL_SUFFIX));
    assert_int_equal(number, first);
}

static char *said; // by the tool
static size_t said_bytes;

static FILE *listen(void)
{
    free(said);
    said = NULL;
    FILE *out = open_memstream(&said, &said_bytes);
    assert_non_null(out);
    return out;
}

static void archive(const struct folder *f, uint64_t recorded, bool dry_run, int status)
{
    FILE *out = listen();
    assert_int_equal(journal_tool_archive(f->state, out, recorded, dry_run), status);
    fclose(out);
}

static void only_what_snapshots_and_recorder_are_past_is_archived(void **state)
{
    (void)state;
    struct folder f;
    folder_open(&f);
    archive(&f, UINT64_MAX, false, 0); // no status.json: nothing is known of the recorder
    assert_non_null(strstr(said, "--recorded N"));
    expect_first(&f, 1);
    write_status(&f, "{\"durable_seq\": 100, \"processes\": {\"record\": {\"lag\": 79}}}");
    archive(&f, UINT64_MAX, true, 0);
    assert_non_null(strstr(said, "would archive segment=1"));
    assert_null(strstr(said, "segment=2"));
    expect_first(&f, 1);
    archive(&f, UINT64_MAX, false, 0); // the recorder has 21: the first segment
    expect_first(&f, 2);
    archive(&f, 1000, false, 0); // the snapshots hold it: 50
    expect_first(&f, 3);
    archive(&f, 1000, false, 0);
    assert_non_null(strstr(said, "nothing to archive"));
    testing_folder_remove(f.state);
}

static void with_a_broken_snapshot_nothing_is_archived(void **state)
{
    (void)state;
    struct folder f;
    char path[NUMBERED_PATH_BYTES];
    folder_open(&f);
    numbered_path(path, f.snapshots, 70, "snapshot");
    assert_int_equal(truncate(path, 200), 0);
    archive(&f, 1000, false, 0);
    assert_non_null(strstr(said, "three whole snapshots"));
    expect_first(&f, 1);
    testing_folder_remove(f.state);
}

static void of_a_corrupt_journal_nothing_is_archived(void **state)
{
    (void)state;
    struct folder f;
    char path[NUMBERED_PATH_BYTES];
    folder_open(&f);
    numbered_path(path, f.journal, 2, JOURNAL_SUFFIX);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 2 * JOURNAL_PAGE_BYTES + 77), 1);
    close(fd);
    archive(&f, 1000, false, EXIT_POISON);
    expect_first(&f, 1);
    testing_folder_remove(f.state);
}

static void tool(const struct folder *f, int (*run)(const char *, FILE *, bool), char out[2000])
{
    FILE *stream = listen();
    assert_int_equal(run(f->state, stream, false), 0);
    fclose(stream);
    snprintf(out, 2000, "%s", said);
}

static int replay_all(const char *state, FILE *out, bool json)
{
    (void)json;
    return journal_tool_replay(state, out, false, UINT64_MAX);
}

static void tools_do_not_see_where_segments_are(void **state)
{
    (void)state;
    static int (*const tools[])(const char *, FILE *, bool) = {journal_tool_verify,
                                                               journal_tool_stat, replay_all};
    char before[2000], after[2000];
    struct folder f;
    folder_open(&f);
    for (size_t i = 0; i < sizeof tools / sizeof tools[0]; i++) {
        tool(&f, tools[i], before);
        archive(&f, 1000, false, 0);
        expect_first(&f, 3);
        tool(&f, tools[i], after);
        assert_string_equal(before, after);
        FILE *out = listen();
        assert_int_equal(journal_tool_restore(f.state, out, 0), 0);
        fclose(out);
        expect_first(&f, 1);
        tool(&f, tools[i], after);
        assert_string_equal(before, after);
    }
    testing_folder_remove(f.state);
}

// A start does not need the archive: the core has no decompressor.
static void a_start_from_a_snapshot_does_not_need_the_archive(void **state)
{
    (void)state;
    struct folder f;
    struct journal_io io;
    struct journal_io_file file;
    struct replay replay;
    struct recovered recovered;
    folder_open(&f);
    archive(&f, 1000, false, 0);
    assert_int_equal(journal_io_file_open(&io, &file, f.journal, false), 0);
    assert_int_equal(replay_open(&replay, &limits), 0);
    assert_true(recovery_run(&recovered, &replay, &io, f.snapshots, UINT64_MAX, NULL, NULL));
    assert_int_equal(replay.sequence, f.last);
    replay_close(&replay);
    // With no snapshot left it refuses, and says what brings the beginning back.
    testing_folder_remove(f.snapshots);
    assert_int_equal(replay_open(&replay, &limits), 0);
    assert_false(recovery_run(&recovered, &replay, &io, f.snapshots, UINT64_MAX, NULL, NULL));
    assert_int_equal(recovered.action, RECOVERY_REFUSE_CORRUPT);
    assert_non_null(strstr(recovery_way_out(recovered.action), "lonja journal restore"));
    replay_close(&replay);
    journal_io_file_close(&file);
    testing_folder_remove(f.state);
}

// ---- the cut
// -------------------------------------------------------------------------------------

static void expect_end(const struct folder *f, const char *text)
{
    FILE *out = listen();
    assert_int_equal(journal_tool_verify(f->state, out, false), 0);
    fclose(out);
    if (strstr(said, text) == NULL)
        fail_msg("%s: %s", text, said);
}

static void cut(const struct folder *f, uint64_t sequence, int status)
{
    FILE *out = listen();
    assert_int_equal(journal_tool_cut(f->state, out, sequence, "test"), status);
    fclose(out);
}

static void damage(const struct folder *f, uint64_t segment, uint64_t page)
{
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, f->journal, segment, JOURNAL_SUFFIX);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)(page * JOURNAL_PAGE_BYTES + 77)), 1);
    close(fd);
}

static void a_journal_is_cut_beside_its_archive(void **state)
{
    (void)state;
    struct folder f;
    folder_open(&f);
    archive(&f, 1000, false, 0);
    expect_first(&f, 3);
    cut(&f, 30, 1); // archived: it must be restored first
    cut(&f, 500, 1);
    testing_folder_remove(f.state);
    folder_open(&f); // a cut keeps its lock until the process ends: another folder
    archive(&f, 1000, false, 0);
    cut(&f, 101, 0);
    expect_end(&f, "sequence=100 ");
    testing_folder_remove(f.state);
}

static void a_damaged_journal_is_cut_where_the_damage_begins(void **state)
{
    (void)state;
    struct folder f;
    folder_open(&f);
    damage(&f, 2, 2); // the second block of segment 2: 25 to 27
    cut(&f, 26, 1);
    testing_folder_remove(f.state);
    folder_open(&f);
    damage(&f, 2, 2);
    cut(&f, 25, 0);
    expect_end(&f, "sequence=24 ");
    uint64_t number;
    assert_false(numbered_largest(&number, f.snapshots, "snapshot", UINT64_MAX)); // all were above
    testing_folder_remove(f.state);
}

static void expect_said(int status, int expected, const char *text)
{
    assert_int_equal(status, expected);
    if (strstr(said, text) == NULL)
        fail_msg("%s: %s", text, said);
}

static void tools_say_json_where_asked(void **state)
{
    (void)state;
    struct folder f;
    folder_open(&f);
    FILE *out = listen();
    int status = journal_tool_verify(f.state, out, true);
    fclose(out);
    expect_said(status, 0, "{\"sequence\": 120, \"epoch\": 2, \"blocks\": 40, \"commands\": 120,");
    out = listen();
    status = journal_tool_stat(f.state, out, true);
    fclose(out);
    expect_said(status, 0,
                "{\"segments\": [\n  {\"epoch\": 1, \"segment\": 1, \"first_sequence\": 1},");
    expect_said(status, 0,
                "\"commands\": {\"clock_tick\": 120},\n \"blocks\": 40, \"sequence\": 120}");
    out = listen();
    status = journal_tool_dump(f.state, out, 30, 31);
    fclose(out);
    expect_said(status, 0, "\"sequence\":31");
    assert_null(strstr(said, "\"sequence\":32"));
    testing_folder_remove(f.state);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    struct folder f;
    char path[NUMBERED_PATH_BYTES];
    folder_open(&f);
    archive(&f, 1000, false, 0);
    FILE *out = listen();
    assert_int_equal(journal_tool_verify("/nowhere", out, false), 1);
    assert_int_equal(journal_tool_stat("/nowhere", out, false), 1);
    assert_int_equal(journal_tool_dump("/nowhere", out, 1, 1), 1);
    assert_int_equal(journal_tool_replay("/nowhere", out, false, 1), 1);
    assert_int_equal(journal_tool_archive("/nowhere", out, 1, false), 1);
    assert_int_equal(journal_tool_restore("/nowhere", out, 0), 1);
    assert_int_equal(journal_tool_restore(f.state, out, 2), 0); // the second one only
    fclose(out);
    expect_first(&f, 2);
    snprintf(path, sizeof path, "%s/archive/00000000000000000001.journal.zst", f.journal);
    assert_int_equal(truncate(path, 5000), 0);
    out = listen();
    assert_int_equal(journal_tool_restore(f.state, out, 0), EXIT_POISON);
    assert_int_equal(journal_tool_verify(f.state, out, false), 1); // it cannot be read
    assert_int_equal(unlink(path), 0);
    assert_int_equal(journal_tool_verify(f.state, out, false), EXIT_POISON); // it is missing
    fclose(out);
    testing_folder_remove(f.state);
}

static void two_do_not_archive_at_once(void **state)
{
    (void)state;
    struct folder f;
    struct journal_io io;
    struct journal_io_file file;
    char path[NUMBERED_PATH_BYTES];
    folder_open(&f);
    snprintf(path, sizeof path, "%s/archive", f.journal);
    assert_int_equal(journal_io_file_open(&io, &file, path, false), 0);
    int lock = journal_io_file_lock(&file);
    assert_true(lock >= 0);
    archive(&f, 1000, false, 1);
    expect_first(&f, 1);
    close(lock);
    journal_io_file_close(&file);
    testing_folder_remove(f.state);
}

static void progress_is_shown_now_and_then(void **state)
{
    (void)state;
    struct folder f;
    struct journal_io io;
    struct journal_io_file file;
    struct journal_progress progress;
    struct journal_reader reader = {.segment = 2, .segment_bytes = SEGMENT_BYTES};
    folder_open(&f);
    assert_int_equal(journal_io_file_open(&io, &file, f.journal, false), 0);
    journal_progress_begin(&progress, "verify", &io);
    assert_true(progress.bytes >= 6 * SEGMENT_BYTES);
    journal_progress_bytes(&progress, 1);
    assert_false(progress.shown); // within the first second
    for (int terminal = 0; terminal < 2; terminal++) {
        progress.next_ns = 0;
        progress.terminal = terminal != 0;
        for (int i = 0; i < 100; i++)
            journal_progress_at(&progress, &reader);
        assert_true(progress.shown && progress.next_ns > 0);
        journal_progress_end(&progress);
        assert_false(progress.shown);
    }
    journal_io_file_close(&file);
    testing_folder_remove(f.state);
}

static void progress_says_how_long(void **state)
{
    (void)state;
    char line[160];
    journal_progress_line(line, sizeof line, "verify", 250000000, 1000000000, 500000000);
    assert_string_equal(line, "verify 25 %, 250 of 1000 MB, 500 MB/s, 2 s left");
    journal_progress_line(line, sizeof line, "verify", 5, 0, 0);
    assert_string_equal(line, "verify 100 %, 0 of 0 MB, 0 MB/s, 0 s left");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_crash_of_the_archiver_loses_a_segment),
        cmocka_unit_test(no_crash_of_a_restore_loses_a_segment),
        cmocka_unit_test(no_refused_look_loses_a_segment),
        cmocka_unit_test(a_refused_look_through_the_overlay_is_never_the_end),
        cmocka_unit_test(no_more_archived_segments_are_open_than_there_is_room_for),
        cmocka_unit_test(a_rotten_segment_is_not_put_away),
        cmocka_unit_test(a_rotten_archive_is_noticed),
        cmocka_unit_test(only_what_snapshots_and_recorder_are_past_is_archived),
        cmocka_unit_test(with_a_broken_snapshot_nothing_is_archived),
        cmocka_unit_test(of_a_corrupt_journal_nothing_is_archived),
        cmocka_unit_test(tools_do_not_see_where_segments_are),
        cmocka_unit_test(a_start_from_a_snapshot_does_not_need_the_archive),
        cmocka_unit_test(a_journal_is_cut_beside_its_archive),
        cmocka_unit_test(a_damaged_journal_is_cut_where_the_damage_begins),
        cmocka_unit_test(tools_say_json_where_asked),
        cmocka_unit_test(what_is_not_there_is_said),
        cmocka_unit_test(two_do_not_archive_at_once),
        cmocka_unit_test(progress_is_shown_now_and_then),
        cmocka_unit_test(progress_says_how_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
