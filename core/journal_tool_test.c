// The operator's tools on a real folder, over live and archived segments: what they say, and that
// whatever call fails on the way, nothing is lost. The calls of their sources go through
// testing_calls.h.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "core/journal_archive.h"
#include "core/journal_progress.h"
#include "core/journal_reader.h"
#include "core/journal_tool.h"
#include "core/numbered_file.h"
#include "core/recovery.h"
#include "core/snapshot_file.h"
#include "core/tape_format.h"
#include "core/tape_writer.h"
#include "core/testing_calls.h"
#include "core/testing_journal.h"

struct folder {
    char state[64], journal[NUMBERED_PATH_BYTES], snapshots[NUMBERED_PATH_BYTES];
    uint64_t last;
};

static void folder_snapshot(const struct folder *f, const struct journal_io *io, uint64_t sequence)
{
    struct replay replay;
    struct recovered recovered;
    assert_int_equal(replay_open(&replay, &testing_limits), 0);
    assert_true(recovery_run_all(&recovered, &replay, io, sequence, NULL, NULL));
    assert_int_equal(replay_save(&replay, f->snapshots), 0);
    replay_close(&replay);
}

// Snapshots at 50, 70 and 90: of the segments of 21 commands, the first two end before all of them.
static void folder_open(struct folder *f)
{
    struct journal_io io;
    struct journal_io_file file;
    // In memory where there is such a folder: there are hundreds of them, and a busy disk would
    // only cost time.
    strcpy(f->state, "/dev/shm/lonja-test-XXXXXX");
    if (mkdtemp(f->state) == NULL)
        testing_folder_make(f->state);
    snprintf(f->journal, sizeof f->journal, "%s/journal", f->state);
    snprintf(f->snapshots, sizeof f->snapshots, "%s/snapshots", f->state);
    assert_int_equal(state_folder_make(f->snapshots), 0);
    assert_int_equal(journal_io_file_open(&io, &file, f->journal, false), 0);
    f->last = testing_make_journal(&io);
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

static bool tape_writes_fail;
int __real_ftruncate(int fd, off_t bytes);
int __wrap_ftruncate(int fd, off_t bytes);
int __wrap_ftruncate(int fd, off_t bytes)
{
    errno = EROFS;
    return tape_writes_fail ? -1 : __real_ftruncate(fd, bytes);
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

static void a_segment_that_has_grown_stays_where_it_is(void **state)
{
    (void)state;
    struct folder f;
    char path[NUMBERED_PATH_BYTES];
    folder_open(&f);
    numbered_path(path, f.journal, 1, JOURNAL_SUFFIX);
    assert_int_equal(truncate(path, SEGMENT_BYTES + JOURNAL_PAGE_BYTES), 0);
    archive(&f, 1000, false, EXIT_POISON);
    expect_first(&f, 1);
    testing_folder_remove(f.state);
}

static void a_snapshot_of_nothing_holds_all(void **state)
{
    (void)state;
    struct folder f;
    static struct snapshot_writer writer;
    struct snapshot_record meta = {.header = {.type = REC_meta, .version = SCHEMA_VERSION}};
    struct journal_archive_plan plan;
    char path[NUMBERED_PATH_BYTES];
    folder_open(&f);
    for (uint64_t sequence = 90; sequence >= 70; sequence -= 20) {
        numbered_path(path, f.snapshots, sequence, SNAPSHOT_SUFFIX);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(snapshot_writer_open(&writer, f.snapshots, 0), 0);
    assert_int_equal(snapshot_writer_add(&writer, &meta), 0);
    assert_int_equal(snapshot_writer_commit(&writer), 0);
    journal_archive_plan_make(&plan, f.state, 1000); // of 0 and 50, which are two
    assert_int_equal(plan.snapshots, 0);
    assert_int_equal(plan.until, 0);
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
    assert_int_equal(replay_open(&replay, &testing_limits), 0);
    assert_true(recovery_run(&recovered, &replay, &io, f.snapshots, UINT64_MAX, NULL, NULL));
    assert_int_equal(replay.sequence, f.last);
    replay_close(&replay);
    // With no snapshot left it refuses, and says what brings the beginning back.
    testing_folder_remove(f.snapshots);
    assert_int_equal(replay_open(&replay, &testing_limits), 0);
    assert_false(recovery_run(&recovered, &replay, &io, f.snapshots, UINT64_MAX, NULL, NULL));
    assert_int_equal(recovered.action, RECOVERY_REFUSE_CORRUPT);
    assert_non_null(strstr(recovery_way_out(recovered.action), "lonja journal restore"));
    replay_close(&replay);
    journal_io_file_close(&file);
    testing_folder_remove(f.state);
}

// ---- the cut

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

// The tape's last segment cannot be written: that is said, when all else has been done.
static void a_tape_that_cannot_be_shortened_is_told(void **state)
{
    (void)state;
    struct folder f;
    struct tape_writer tape;
    char folder[NUMBERED_PATH_BYTES];
    struct event event = {.header = {.sequence = 1, .type = EVT_done, .last = 1}};
    folder_open(&f);
    path_join(folder, f.state, "tape");
    assert_int_equal(tape_writer_open(&tape, folder, 100, 0), 0);
    for (; event.header.sequence <= 60; event.header.sequence++)
        assert_int_equal(tape_writer_add(&tape, &event, 1), 0);
    assert_int_equal(tape_writer_flush(&tape), 0);
    tape_writer_close(&tape);
    tape_writes_fail = true;
    cut(&f, 30, 1);
    tape_writes_fail = false;
    expect_end(&f, "sequence=29");
    testing_folder_remove(f.state);
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
    struct journal_reader before_it = {.segment = 0, .segment_bytes = SEGMENT_BYTES};
    struct journal_progress of_nothing = {.bytes = 0};
    progress.next_ns = 0;
    for (int i = 0; i < 100; i++)
        journal_progress_at(&progress, &before_it); // not yet in a segment
    for (int i = 0; i < 63; i++)
        journal_progress_at(&of_nothing, &reader);
    assert_false(progress.shown || of_nothing.shown);
    journal_progress_at(&of_nothing, &reader);
    assert_false(of_nothing.shown);
    of_nothing = progress;
    of_nothing.calls = 0;
    for (int i = 0; i < 63; i++)
        journal_progress_at(&of_nothing, &reader);
    assert_false(of_nothing.shown); // a look at the clock is not taken at every block
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

// ---- what the tools are told, and what they are not

static char complaint[4000]; // what a tool wrote to standard error

// Calls the tool with standard error in a file, and reads that.
static int complaining(int (*run)(const struct folder *, FILE *), const struct folder *f)
{
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    assert_true(file != NULL && before >= 0);
    fflush(stderr);
    assert_int_equal(dup2(fileno(file), STDERR_FILENO), STDERR_FILENO);
    FILE *out = listen();
    int status = run(f, out);
    fclose(out);
    fflush(stderr);
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    close(before);
    rewind(file);
    complaint[fread(complaint, 1, sizeof complaint - 1, file)] = '\0';
    fclose(file);
    return status;
}

static void expect_complaint(const struct folder *f, int (*run)(const struct folder *, FILE *),
                             int expected, const char *words)
{
    int status = complaining(run, f);
    if (status != expected || strstr(complaint, words) == NULL)
        fail_msg("status %d, wanted %d and \"%s\": %s", status, expected, words, complaint);
}

static int run_verify(const struct folder *f, FILE *out)
{
    return journal_tool_verify(f->state, out, false);
}

static int run_stat(const struct folder *f, FILE *out)
{
    return journal_tool_stat(f->state, out, false);
}

static int run_dump(const struct folder *f, FILE *out)
{
    return journal_tool_dump(f->state, out, 0, UINT64_MAX);
}

static int run_replay(const struct folder *f, FILE *out)
{
    return journal_tool_replay(f->state, out, false, UINT64_MAX);
}

static int run_archive(const struct folder *f, FILE *out)
{
    return journal_tool_archive(f->state, out, 1000, false);
}

static int run_restore(const struct folder *f, FILE *out)
{
    return journal_tool_restore(f->state, out, 0);
}

static uint64_t cut_at;
static const char *cut_reason = "test";

static int run_cut(const struct folder *f, FILE *out)
{
    return journal_tool_cut(f->state, out, cut_at, cut_reason);
}

static void a_path_that_is_too_long_is_refused_by_every_tool(void **state)
{
    (void)state;
    static char path[2 * NUMBERED_PATH_BYTES];
    static const size_t lengths[] = {sizeof path - 1, NUMBERED_PATH_BYTES,
                                     NUMBERED_PATH_BYTES - 127};
    memset(path, 'x', sizeof path);
    memcpy(path, "/tmp/", 5);
    FILE *out = listen();
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        path[lengths[i]] = '\0';
        assert_false(state_path_fits(path));
        assert_int_equal(journal_tool_verify(path, out, false), 1);
        assert_int_equal(journal_tool_archive(path, out, 1, false), 1);
        assert_int_equal(journal_tool_cut(path, out, 1, "test"), 1);
    }
    path[NUMBERED_PATH_BYTES - 128] = '\0';
    assert_true(state_path_fits(path));
    assert_int_equal(journal_tool_verify(path, out, false), 1); // it is not there
    fclose(out);
}

static void a_cut_needs_a_number_and_a_reason(void **state)
{
    (void)state;
    struct folder f;
    folder_open(&f);
    static const struct {
        uint64_t sequence;
        const char *reason;
    } cases[] = {{0, "test"}, {1, NULL}, {1, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cut_at = cases[i].sequence;
        cut_reason = cases[i].reason;
        expect_complaint(&f, run_cut, 2, "cut needs a sequence from 1 and a reason");
    }
    cut_reason = "test";
    expect_end(&f, "sequence=120 ");
    testing_folder_remove(f.state);
}

static void a_cut_says_where_the_journal_ends_and_what_else_to_do(void **state)
{
    (void)state;
    struct folder f;
    char path[NUMBERED_PATH_BYTES];
    folder_open(&f);
    cut_at = 121; // the end is no place that is damaged
    expect_complaint(&f, run_cut, 1, "sequence 121 is not in the journal, which ends at 120\n");
    damage(&f, 2, 2);
    cut_at = 26;
    expect_complaint(&f, run_cut, 1, "which ends at 24: segment 2 offset 8192");
    assert_non_null(strstr(complaint, "To end it where it is damaged: cut STATE 25"));
    numbered_path(path, f.journal, 2, JOURNAL_SUFFIX); // a segment that nobody can read
    assert_true(unlink(path) == 0 && mkdir(path, 0750) == 0);
    cut_at = 22;
    expect_complaint(&f, run_cut, 1, "which ends at 21: segment 1");
    assert_null(strstr(complaint, "To end it"));
    assert_int_equal(rmdir(path), 0);
    numbered_path(path, f.journal, 1, JOURNAL_SUFFIX);
    assert_int_equal(unlink(path), 0);
    cut_at = 10;
    expect_complaint(&f, run_cut, 1, "Is it archived? lonja journal restore STATE");
    testing_folder_remove(f.state);
}

// What another version wrote may be whole: only that version may cut it.
static void another_versions_journal_is_not_cut(void **state)
{
    (void)state;
    struct folder f;
    char path[NUMBERED_PATH_BYTES];
    struct journal_segment_header header;
    folder_open(&f);
    numbered_path(path, f.journal, 2, JOURNAL_SUFFIX);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &header, sizeof header, 0), sizeof header);
    header.schema_version++;
    header.crc = 0;
    header.crc = crc32c(0, &header, sizeof header);
    assert_int_equal(pwrite(fd, &header, sizeof header, 0), sizeof header);
    close(fd);
    cut_at = 22;
    expect_complaint(&f, run_cut, 1, "was written by format");
    assert_null(strstr(complaint, "To end it"));
    testing_folder_remove(f.state);
}

static void while_a_core_holds_the_journal_it_is_not_cut(void **state)
{
    (void)state;
    struct folder f;
    struct journal_io io;
    struct journal_io_file file;
    folder_open(&f);
    assert_int_equal(journal_io_file_open(&io, &file, f.journal, false), 0);
    int lock = journal_io_file_lock(&file);
    cut_at = 30;
    expect_complaint(&f, run_cut, 1, "a core holds the journal");
    expect_end(&f, "sequence=120 ");
    close(lock);
    assert_int_equal(complaining(run_cut, &f), 0);
    expect_end(&f, "sequence=29 ");
    journal_io_file_close(&file);
    testing_folder_remove(f.state);
}

// The tape ends where the journal ends, in the middle of a segment of it, too.
static void a_cut_shortens_the_tape(void **state)
{
    (void)state;
    struct folder f;
    static struct tape_writer writer;
    char tape[NUMBERED_PATH_BYTES];
    folder_open(&f);
    path_join(tape, f.state, "tape");
    assert_int_equal(tape_writer_open(&writer, tape, 1024, 0), 0);
    for (uint64_t sequence = 1; sequence <= f.last; sequence++) {
        struct event event = {.header = {.sequence = sequence, .type = EVT_done, .last = 1}};
        assert_int_equal(tape_writer_add(&writer, &event, 1), 0);
    }
    assert_int_equal(tape_writer_sync(&writer), 0);
    tape_writer_close(&writer);
    cut(&f, 30, 0);
    char path[NUMBERED_PATH_BYTES];
    struct stat st;
    numbered_path(path, tape, 1, "tape");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, TAPE_HEADER_BYTES + 29 * EVENT_BYTES);
    testing_folder_remove(f.state);
}

// A snapshot of the first command that goes is one of what no longer was; that of the last one that
// stays is kept.
static void a_snapshot_of_what_is_cut_goes_with_it(void **state)
{
    (void)state;
    static const uint64_t cuts[][2] = {{71, 70}, {70, 50}}; // where, and the newest snapshot then
    for (size_t i = 0; i < 2; i++) {
        struct folder f;
        uint64_t newest;
        folder_open(&f);
        cut(&f, cuts[i][0], 0);
        assert_true(numbered_largest(&newest, f.snapshots, "snapshot", UINT64_MAX));
        assert_int_equal(newest, cuts[i][1]);
        testing_folder_remove(f.state);
    }
}

static void an_empty_journal_is_said_to_be_empty(void **state)
{
    (void)state;
    struct folder f;
    folder_open(&f);
    testing_folder_remove(f.journal);
    assert_int_equal(mkdir(f.journal, 0750), 0);
    expect_end(&f, "sequence=0 ");
    expect_complaint(&f, run_replay, 1,
                     "the journal is empty, or names limits that this engine refuses");
    archive(&f, 1000, true, 0);
    assert_non_null(strstr(said, "nothing to archive: snapshots=50 recorded=1000\n"));
    cut_at = 1;
    expect_complaint(&f, run_cut, 1, "which ends at 0");
    testing_folder_remove(f.state);
}

static void a_torn_end_is_called_torn(void **state)
{
    (void)state;
    struct folder f;
    folder_open(&f);
    damage(&f, 6, 6); // the last block
    expect_end(&f, "end=torn");
    expect_end(&f, "sequence=117 ");
    testing_folder_remove(f.state);
}

static void a_journal_that_does_not_replay_has_a_status_of_its_own(void **state)
{
    (void)state;
    struct folder f;
    folder_open(&f);
    damage(&f, 3, 2);
    assert_int_equal(complaining(run_replay, &f), EXIT_POISON);
    assert_int_equal(complaining(run_verify, &f), EXIT_POISON);
    damage(&f, 1, 0); // one segment's limits are not known, and it is missing
    assert_int_equal(complaining(run_replay, &f), EXIT_POISON);
    testing_folder_remove(f.state);
}

static void a_dump_is_exactly_what_was_asked_for(void **state)
{
    (void)state;
    struct folder f;
    folder_open(&f);
    static const struct {
        uint64_t from, to;
        unsigned lines;
    } cases[] = {{0, UINT64_MAX, 120}, {1, 120, 120}, {30, 31, 2}, {120, 120, 1}, {121, 130, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        FILE *out = listen();
        assert_int_equal(journal_tool_dump(f.state, out, cases[i].from, cases[i].to), 0);
        fclose(out);
        unsigned lines = 0;
        for (const char *at = said; (at = strchr(at, '\n')) != NULL; at++)
            lines++;
        assert_int_equal(lines, cases[i].lines);
    }
    testing_folder_remove(f.state);
}

// ---- what is archived

static void what_the_recorder_has_is_believed_only_where_it_makes_sense(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        uint64_t recorded;
    } cases[] = {
        {"{\"durable_seq\": 100, \"processes\": {\"record\": {\"lag\": 79}}}", 21},
        {"{\"durable_seq\": 100, \"processes\": {\"record\": {\"lag\": 0}}}", 100},
        {"{\"durable_seq\": 100, \"processes\": {\"record\": {\"lag\": 100}}}", 0},
        {"{\"durable_seq\": 100, \"processes\": {\"record\": {\"lag\": 200}}}", 0},
        {"{\"durable_seq\": 100, \"processes\": {\"record\": {\"lag\": -1}}}", 0},
        {"{\"durable_seq\": 100, \"processes\": {\"record\": {\"lag\": \"0\"}}}", 0},
        {"{\"durable_seq\": 100, \"processes\": {}}", 0},
        {"{\"durable_seq\": 100, ", 0},
    };
    struct folder f;
    folder_open(&f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct journal_archive_plan plan = {0};
        write_status(&f, cases[i].status);
        journal_archive_plan_make(&plan, f.state, UINT64_MAX);
        assert_int_equal(plan.recorded, cases[i].recorded);
        assert_int_equal(plan.snapshots, 50);
        assert_int_equal(plan.until, cases[i].recorded < 50 ? cases[i].recorded : 50);
    }
    testing_folder_remove(f.state);
}

static void a_segment_is_past_with_its_last_command(void **state)
{
    (void)state;
    static const struct {
        uint64_t recorded, first; // first segment that stays
    } cases[] = {{0, 1}, {1, 2}, {2, 2}, {21, 2}, {22, 3}, {42, 3}, {43, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct folder f;
        struct journal_io io;
        struct journal_io_file file;
        uint32_t chain = 0;
        folder_open(&f);
        testing_folder_remove(f.journal);
        assert_int_equal(journal_io_file_open(&io, &file, f.journal, false), 0);
        testing_live(&io, 1, 0, &chain, 1, 1); // segment 1 has one command
        testing_live(&io, 2, 1, &chain, 20, 3);
        archive(&f, cases[i].recorded, false, 0);
        expect_first(&f, cases[i].first);
        expect_end(&f, "sequence=61 ");
        journal_io_file_close(&file);
        testing_folder_remove(f.state);
    }
}

// A life that ended before its first command left a segment without a block.
static void a_segment_without_a_block_goes_with_the_next_one(void **state)
{
    (void)state;
    struct folder f;
    struct journal_io io;
    struct journal_io_file file;
    char path[NUMBERED_PATH_BYTES], kept[NUMBERED_PATH_BYTES];
    uint32_t chain = 0;
    folder_open(&f);
    testing_folder_remove(f.journal);
    assert_int_equal(journal_io_file_open(&io, &file, f.journal, false), 0);
    testing_live(&io, 1, 0, &chain, 0, 0); // segment 1 is made and not written
    numbered_path(path, f.journal, 1, JOURNAL_SUFFIX);
    snprintf(kept, sizeof kept, "%s/kept", f.state);
    assert_int_equal(rename(path, kept), 0);
    archive(&f, 1000, false, 0); // an empty folder
    assert_int_equal(rename(kept, path), 0);
    archive(&f, 1000, false, 0); // a journal without a command
    assert_non_null(strstr(said, "nothing to archive"));
    expect_first(&f, 1);
    int fd = open(path, O_RDWR | O_CLOEXEC); // a first write that tore
    assert_int_equal(pwrite(fd, "torn", 4, JOURNAL_PAGE_BYTES), 4);
    close(fd);
    chain = 0;
    testing_live(&io, 2, 0, &chain, 20, 3);
    archive(&f, 1000, false, 0);
    expect_first(&f, 4);
    expect_end(&f, "sequence=60 ");
    journal_io_file_close(&file);
    testing_folder_remove(f.state);
}

// An archiver that is root makes its files as the journal's owner, who must be able to read them;
// if it cannot become that one it says so and goes on.
static void root_archives_as_the_owner(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct folder f;
    char path[NUMBERED_PATH_BYTES];
    struct stat st;
    static const char *const calls[] = {"setegid", "seteuid"};
    folder_open(&f);
    assert_int_equal(chmod(f.state, 0755), 0);
    assert_int_equal(seteuid(62001), 0); // one who may look and not write
    assert_int_equal(complaining(run_archive, &f), 1);
    assert_true(seteuid(0) == 0);
    for (size_t i = 0; i < 2; i++) {
        testing_calls_fail(calls[i], 1, EPERM);
        cut_at = 0;
        expect_complaint(&f, run_archive, 0, "goes on as root");
        assert_true(seteuid(0) == 0 && setegid(0) == 0);
    }
    assert_int_equal(complaining(run_restore, &f), 0);
    path_join(path, f.journal, "archive");
    testing_folder_remove(path);
    char line[NUMBERED_PATH_BYTES + 32];
    snprintf(line, sizeof line, "chown -R 62001:62000 %s", f.state);
    assert_int_equal(system(line), 0);
    assert_int_equal(complaining(run_archive, &f), 0);
    assert_true(seteuid(0) == 0 && setegid(0) == 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_uid == 62001 && st.st_gid == 62000);
    testing_folder_remove(f.state);
}

// ---- calls that fail

static uint64_t sequence_of(const struct folder *f)
{
    FILE *out = listen();
    assert_int_equal(journal_tool_verify(f->state, out, false), 0);
    fclose(out);
    return strtoull(said + strlen("sequence="), NULL, 10);
}

// Runs the tool on a new folder for each of its calls; `judge` sees what is left.
static void fail_every_call(int (*run)(const struct folder *, FILE *), bool archived,
                            void (*judge)(const struct folder *, int status), unsigned at_least)
{
    unsigned at = 0;
    for (bool failed = true; failed;) {
        struct folder f;
        folder_open(&f);
        if (archived)
            archive(&f, 1000, false, 0);
        testing_calls_fail(NULL, ++at, EIO);
        int status = complaining(run, &f);
        failed = testing_calls_failed();
        assert_true(failed || status == 0);
        if (geteuid() == 0 || getuid() == 0)
            assert_true(seteuid(0) == 0 && setegid(0) == 0);
        judge(&f, status);
        testing_folder_remove(f.state);
    }
    assert_true(at > at_least);
}

static void judge_cut(const struct folder *f, int status)
{
    uint64_t last = sequence_of(f);
    assert_true(status == 0 ? last == 29 : status == 1 && last >= 29 && last <= 120);
    cut(f, 25, 0); // the next one
    assert_int_equal(sequence_of(f), 24);
}

static void no_failing_call_of_a_cut_loses_what_stays(void **state)
{
    (void)state;
    cut_at = 30;
    fail_every_call(run_cut, false, judge_cut, 60);
}

static void judge_archive(const struct folder *f, int status)
{
    assert_in_range(status, 0, EXIT_POISON);
    assert_int_equal(sequence_of(f), 120);
    archive(f, 1000, false, 0);
    expect_first(f, 3);
    assert_int_equal(sequence_of(f), 120);
}

static void no_failing_call_of_an_archiver_loses_anything(void **state)
{
    (void)state;
    fail_every_call(run_archive, false, judge_archive, 60);
}

static void judge_restore(const struct folder *f, int status)
{
    assert_true(status == 0 || status == 1 || status == EXIT_POISON);
    assert_int_equal(sequence_of(f), 120);
    assert_int_equal(complaining(run_restore, f), 0);
    expect_first(f, 1);
}

static void no_failing_call_of_a_restore_loses_anything(void **state)
{
    (void)state;
    fail_every_call(run_restore, true, judge_restore, 20);
}

// What a tool says with status 0 is the truth.
static void no_failing_call_makes_a_tool_lie(void **state)
{
    (void)state;
    static int (*const readers[])(const struct folder *, FILE *) = {run_verify, run_stat, run_dump,
                                                                    run_replay};
    struct folder f;
    folder_open(&f);
    archive(&f, 1000, false, 0);
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        assert_int_equal(complaining(readers[i], &f), 0);
        char *truth = strdup(said);
        unsigned at = 0;
        for (bool failed = true; failed;) {
            testing_calls_fail(NULL, ++at, EIO);
            int status = complaining(readers[i], &f);
            failed = testing_calls_failed();
            assert_true(status == 0 || status == 1 || status == EXIT_POISON);
            if (status == 0)
                assert_string_equal(said, truth);
        }
        assert_true(at > 5);
        free(truth);
    }
    testing_folder_remove(f.state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_snapshots_and_recorder_are_past_is_archived),
        cmocka_unit_test(with_a_broken_snapshot_nothing_is_archived),
        cmocka_unit_test(of_a_corrupt_journal_nothing_is_archived),
        cmocka_unit_test(a_segment_that_has_grown_stays_where_it_is),
        cmocka_unit_test(a_snapshot_of_nothing_holds_all),
        cmocka_unit_test(tools_do_not_see_where_segments_are),
        cmocka_unit_test(a_start_from_a_snapshot_does_not_need_the_archive),
        cmocka_unit_test(a_journal_is_cut_beside_its_archive),
        cmocka_unit_test(a_damaged_journal_is_cut_where_the_damage_begins),
        cmocka_unit_test(tools_say_json_where_asked),
        cmocka_unit_test(what_is_not_there_is_said),
        cmocka_unit_test(two_do_not_archive_at_once),
        cmocka_unit_test(progress_is_shown_now_and_then),
        cmocka_unit_test(progress_says_how_long),
        cmocka_unit_test(a_path_that_is_too_long_is_refused_by_every_tool),
        cmocka_unit_test(a_cut_needs_a_number_and_a_reason),
        cmocka_unit_test(a_cut_says_where_the_journal_ends_and_what_else_to_do),
        cmocka_unit_test(another_versions_journal_is_not_cut),
        cmocka_unit_test(while_a_core_holds_the_journal_it_is_not_cut),
        cmocka_unit_test(a_cut_shortens_the_tape),
        cmocka_unit_test(a_tape_that_cannot_be_shortened_is_told),
        cmocka_unit_test(a_snapshot_of_what_is_cut_goes_with_it),
        cmocka_unit_test(an_empty_journal_is_said_to_be_empty),
        cmocka_unit_test(a_torn_end_is_called_torn),
        cmocka_unit_test(a_journal_that_does_not_replay_has_a_status_of_its_own),
        cmocka_unit_test(a_dump_is_exactly_what_was_asked_for),
        cmocka_unit_test(what_the_recorder_has_is_believed_only_where_it_makes_sense),
        cmocka_unit_test(a_segment_is_past_with_its_last_command),
        cmocka_unit_test(a_segment_without_a_block_goes_with_the_next_one),
        cmocka_unit_test(root_archives_as_the_owner),
        cmocka_unit_test(no_failing_call_of_a_cut_loses_what_stays),
        cmocka_unit_test(no_failing_call_of_an_archiver_loses_anything),
        cmocka_unit_test(no_failing_call_of_a_restore_loses_anything),
        cmocka_unit_test(no_failing_call_makes_a_tool_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
