// The tape: no byte that rotted is ever shown, what the machine lost is written again, and however
// a tape came about, it is the same.
#include "core/testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "core/replay.h"
#include "core/tape_reader.h"
#include "core/tape_tool.h"
#include "core/tape_writer.h"
#include "core/testing_calls.h"
#include "core/testing_journal.h"

enum { SEGMENT_EVENTS = 600, FILES_MAX = 16, FILE_BYTES_MAX = 256 * 1024 };

static char state_path[64], folder[NUMBERED_PATH_BYTES];

// ---- calls

int __real_ftruncate(int fd, off_t bytes);
int __wrap_ftruncate(int fd, off_t bytes);
int __wrap_ftruncate(int fd, off_t bytes)
{
    return testing_calls_fails("ftruncate") ? -1 : __real_ftruncate(fd, bytes);
}

int __real_fchownat(int fd, const char *name, uid_t user, gid_t group, int flags);
int __wrap_fchownat(int fd, const char *name, uid_t user, gid_t group, int flags);
int __wrap_fchownat(int fd, const char *name, uid_t user, gid_t group, int flags)
{
    return testing_calls_fails("fchownat") ? -1 : __real_fchownat(fd, name, user, group, flags);
}

// What happens between two looks at a folder: `between` at look number `look_at`; NULL = nothing.
static void (*between)(void);
static unsigned look_at, looks;

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path)
{
    if (between != NULL && ++looks == look_at) {
        void (*happens)(void) = between;
        between = NULL;
        happens();
    }
    return testing_calls_fails("opendir") ? NULL : __real_opendir(path);
}

static time_t skipped_s, skip_s; // of every look at the clock

int __real_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
    int result = __real_clock_gettime(id, out);
    out->tv_sec += skipped_s += skip_s;
    return result;
}

static uid_t as_user; // 0 = who we are

uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
    return as_user != 0 ? as_user : __real_geteuid();
}

static int setup(void **state)
{
    (void)state;
    // In memory where there is such a folder: what is tested is what stands in the files, and a
    // busy disk would only cost time.
    strcpy(state_path, "/dev/shm/lonja-test-XXXXXX");
    if (mkdtemp(state_path) == NULL)
        testing_folder_make(state_path);
    snprintf(folder, sizeof folder, "%s/tape", state_path);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    testing_folder_remove(state_path);
    return 0;
}

// ---- events

static uint32_t events_of(uint64_t sequence)
{
    return 1 + (uint32_t)(sequence * 7 % 5);
}

static void make_events(struct event *out, uint64_t sequence)
{
    uint32_t count = events_of(sequence);
    memset(out, 0, count * sizeof *out);
    for (uint32_t i = 0; i < count; i++) {
        out[i].header.sequence = sequence;
        out[i].header.index = i;
        out[i].header.last = i + 1 == count;
        out[i].header.type = EVT_done;
        memset(out[i].body.bytes, (int)(sequence + i), sizeof out[i].body.bytes);
    }
}

static void add_up_to(struct tape_writer *writer, uint64_t sequence)
{
    struct event events[8];
    while (writer->next_sequence <= sequence) {
        uint64_t next = writer->next_sequence;
        make_events(events, next);
        assert_int_equal(tape_writer_add(writer, events, events_of(next)), 0);
        if (next % 3 == 0)
            assert_int_equal(tape_writer_flush(writer), 0);
    }
    assert_int_equal(tape_writer_flush(writer), 0);
}

// lonja-tape from behind `after` up to `sequence`, with a snapshot at `synced`.
static int write_tape(uint64_t after, uint64_t synced, uint64_t sequence)
{
    struct tape_writer writer;
    int result = tape_writer_open(&writer, folder, SEGMENT_EVENTS, after);
    if (result != 0)
        return result;
    if (synced > after) {
        add_up_to(&writer, synced);
        assert_int_equal(tape_writer_sync(&writer), 0);
    }
    add_up_to(&writer, sequence);
    tape_writer_close(&writer);
    return 0;
}

// Reads from the first event on; every event that is shown must be the right one. Returns the last
// complete sequence.
static uint64_t read_tape(void)
{
    static struct tape_reader reader;
    struct event out[37], expected[8];
    uint64_t sequence = 0;
    uint32_t index = 0;
    tape_reader_init(&reader, folder);
    if (!tape_reader_seek(&reader, 1, 0))
        return 0;
    for (size_t count; (count = tape_reader_read(&reader, out, 37)) > 0;)
        for (size_t i = 0; i < count; i++) {
            make_events(expected, sequence + 1);
            assert_memory_equal(&out[i], &expected[index], sizeof out[i]);
            index = out[i].header.last ? 0 : index + 1;
            sequence += out[i].header.last;
        }
    tape_reader_fini(&reader);
    return sequence;
}

static FILE *nowhere; // /dev/null

static int verify(void)
{
    return tape_tool_verify(state_path, nowhere);
}

// ---- files

struct file {
    char path[NUMBERED_PATH_BYTES];
    uint8_t *bytes;
    size_t count;
};

struct files {
    struct file of[FILES_MAX];
    size_t count;
};

static void files_add(struct files *files, uint64_t first, const char *suffix)
{
    struct file *file = &files->of[files->count++];
    assert_true(files->count <= FILES_MAX);
    numbered_path(file->path, folder, first, suffix);
    file->bytes = malloc(FILE_BYTES_MAX);
    FILE *in = fopen(file->path, "rbe");
    assert_non_null(in);
    file->count = fread(file->bytes, 1, FILE_BYTES_MAX, in);
    fclose(in);
    assert_true(file->count < FILE_BYTES_MAX);
}

static void files_read(struct files *files)
{
    uint64_t first;
    memset(files, 0, sizeof *files);
    for (uint64_t from = 0; numbered_next(&first, folder, TAPE_SUFFIX, from); from = first + 1) {
        files_add(files, first, TAPE_SUFFIX);
        files_add(files, first, TAPE_SUMS_SUFFIX);
    }
}

static void files_free(struct files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->of[i].bytes);
}

static void file_write(const struct file *file)
{
    FILE *out = fopen(file->path, "wbe");
    assert_non_null(out);
    assert_int_equal(fwrite(file->bytes, 1, file->count, out), file->count);
    assert_int_equal(fclose(out), 0);
}

static void expect_same(const struct files *files)
{
    struct files now;
    files_read(&now);
    assert_int_equal(now.count, files->count);
    for (size_t i = 0; i < now.count; i++) {
        assert_string_equal(now.of[i].path, files->of[i].path);
        assert_int_equal(now.of[i].count, files->of[i].count);
        assert_memory_equal(now.of[i].bytes, files->of[i].bytes, now.of[i].count);
    }
    files_free(&now);
}

// ---- tests

static void what_was_written_is_read_and_verified(void **state)
{
    (void)state;
    assert_int_equal(write_tape(0, 0, 700), 0);
    assert_int_equal(read_tape(), 700);
    assert_int_equal(tape_reader_last_sequence(folder), 700);
    assert_int_equal(verify(), 0);
}

static void a_byte_that_rotted_anywhere_is_not_shown_but_found_and_mended(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 700), 0);
    files_read(&files);
    assert_true(files.count >= 6); // three segments and more
    for (size_t i = 0; i < files.count; i++) {
        struct file *file = &files.of[i];
        size_t step = file->count > 2000 ? 1013 : i + 1 == files.count ? 7 : 1;
        for (size_t at = 0; at < file->count; at += step) {
            file->bytes[at] ^= 4;
            file_write(file);
            assert_true(read_tape() < 700);
            assert_int_equal(verify(), EXIT_POISON);
            file->bytes[at] ^= 4;
            if (at % 67 == 0) { // as rebuild does it
                assert_int_equal(write_tape(0, 0, 700), 0);
                expect_same(&files);
            } else {
                file_write(file);
            }
        }
    }
    files_free(&files);
}

static void a_tape_is_the_same_however_often_its_writer_began_again(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 700), 0);
    files_read(&files);
    testing_folder_remove(folder);
    for (uint64_t sequence = 13; sequence < 700; sequence += 13)
        assert_int_equal(write_tape(sequence > 40 ? sequence - 40 : 0, sequence - 6, sequence), 0);
    assert_int_equal(write_tape(600, 0, 700), 0);
    // The last segment is not finished: what was synced of it when is said in its checksums.
    struct file *last = &files.of[files.count - 1];
    free(last->bytes);
    files.count--;
    uint64_t first;
    assert_true(numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX));
    files_add(&files, first, TAPE_SUMS_SUFFIX);
    expect_same(&files);
    assert_int_equal(verify(), 0);
    files_free(&files);
}

// The machine fails: of what was not synced any part is there, events and checksums.
static void lose_tail(size_t events_kept, bool zeroes, bool sums_too)
{
    char path[NUMBERED_PATH_BYTES];
    uint64_t first;
    struct stat st;
    assert_true(numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX));
    numbered_path(path, folder, first, TAPE_SUFFIX);
    assert_int_equal(stat(path, &st), 0);
    off_t kept = (off_t)(TAPE_HEADER_BYTES + events_kept * sizeof(struct event));
    if (kept > st.st_size)
        return;
    assert_int_equal(truncate(path, kept), 0);
    if (zeroes)
        assert_int_equal(truncate(path, st.st_size), 0);
    numbered_path(path, folder, first, TAPE_SUMS_SUFFIX);
    if (sums_too)
        assert_int_equal(
            truncate(path, (off_t)(sizeof(struct tape_sums_header) +
                                   events_kept / TAPE_BLOCK_EVENTS * sizeof(struct tape_sum))),
            0);
}

static void what_the_machine_lost_is_not_shown_and_written_again(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 500), 0);
    files_read(&files);
    for (size_t kept = 140; kept < 300; kept += 16)
        for (int how = 0; how < 4; how++) {
            testing_folder_remove(folder);
            assert_int_equal(write_tape(0, 450, 500), 0);
            uint64_t first;
            assert_true(numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX));
            uint64_t synced = 0; // events of this segment up to 450
            for (uint64_t sequence = first; sequence <= 450; sequence++)
                synced += events_of(sequence);
            lose_tail(synced > kept ? synced : kept, how & 1, how & 2);
            (void)read_tape();
            // Behind the snapshot, which was synced; where its block lost its proof, from the
            // start.
            if (write_tape(450, 0, 500) != 0)
                assert_int_equal(write_tape(0, 0, 500), 0);
            assert_int_equal(read_tape(), 500);
            assert_int_equal(verify(), 0);
        }
    files_free(&files);
}

static void what_was_synced_is_enough_to_go_on(void **state)
{
    (void)state;
    assert_int_equal(write_tape(0, 450, 500), 0);
    uint64_t first, synced = 0;
    assert_true(numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX));
    for (uint64_t sequence = first; sequence <= 450; sequence++)
        synced += events_of(sequence);
    lose_tail(synced + 1, true, false);
    assert_true(read_tape() < 500);
    assert_int_equal(write_tape(450, 0, 500), 0); // no look at what is before
    assert_int_equal(read_tape(), 500);
}

static void a_tape_without_checksums_is_read_and_gets_them(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 700), 0);
    files_read(&files);
    for (size_t i = 1; i < files.count; i += 2)
        unlink(files.of[i].path);
    assert_int_equal(read_tape(), 700);
    assert_int_equal(verify(), EXIT_POISON);
    assert_int_not_equal(write_tape(600, 0, 700), 0); // not behind a snapshot
    assert_int_equal(write_tape(0, 0, 700), 0);
    expect_same(&files);
    files_free(&files);
}

// A block of another tape, with its own checksum, is whole; that it is not ours, only the seal
// says.
static void a_block_that_was_exchanged_with_its_checksum_is_found(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 700), 0);
    files_read(&files);
    struct event *events = (struct event *)(void *)(files.of[0].bytes + TAPE_HEADER_BYTES);
    struct tape_sum *sum =
        (struct tape_sum *)(void *)(files.of[1].bytes + sizeof(struct tape_sums_header));
    events[3].body.bytes[5] ^= 1;
    sum->crc = crc32c(0, events, sum->events * sizeof *events);
    tape_sum_finish(sum);
    file_write(&files.of[0]);
    file_write(&files.of[1]);
    assert_int_equal(verify(), EXIT_POISON);
    assert_int_equal(write_tape(0, 0, 700), 0); // and a replay mends that, too
    assert_int_equal(verify(), 0);
    files_free(&files);
}

static void a_missing_segment_is_found(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 700), 0);
    files_read(&files);
    unlink(files.of[2].path);
    assert_int_equal(verify(), EXIT_POISON);
    files_free(&files);
}

static void only_finished_segments_before_a_sequence_are_forgotten(void **state)
{
    (void)state;
    uint64_t first, second;
    assert_int_equal(write_tape(0, 0, 700), 0);
    assert_true(numbered_next(&second, folder, TAPE_SUFFIX, 2));
    assert_int_equal(tape_forget_before(folder, second - 1), 0);
    assert_true(numbered_smallest(&first, folder, TAPE_SUFFIX));
    assert_int_equal(first, 1);
    assert_int_equal(tape_forget_before(folder, second), 0);
    assert_true(numbered_smallest(&first, folder, TAPE_SUFFIX));
    assert_int_equal(first, second);
    assert_true(numbered_smallest(&first, folder, TAPE_SUMS_SUFFIX));
    assert_int_equal(first, second);
    assert_int_equal(verify(), 0);
    assert_int_equal(tape_forget_before(folder, UINT64_MAX), 0); // the last stays
    assert_true(numbered_smallest(&first, folder, TAPE_SUFFIX));
}

// A follower may hold the end of a block that grows.
static void a_reader_goes_on_in_a_block_that_grows(void **state)
{
    (void)state;
    static struct tape_reader reader;
    struct tape_writer writer;
    struct event out[8], expected[8];
    assert_int_equal(tape_writer_open(&writer, folder, SEGMENT_EVENTS, 0), 0);
    add_up_to(&writer, 1);
    tape_reader_init(&reader, folder);
    assert_true(tape_reader_seek(&reader, 1, 0));
    for (uint64_t sequence = 1; sequence <= 900; sequence++) {
        add_up_to(&writer, sequence);
        make_events(expected, sequence);
        assert_int_equal(tape_reader_read(&reader, out, 8), events_of(sequence));
        assert_memory_equal(out, expected, events_of(sequence) * sizeof *out);
        assert_int_equal(tape_reader_read(&reader, out, 8), 0);
    }
    tape_reader_fini(&reader);
    tape_writer_close(&writer);
}

// ---- tests: what fails, and what is whole and wrong

// As write_tape, but what fails is returned, and nothing is shown before the end.
static int try_write(uint64_t after, uint64_t sequence)
{
    struct tape_writer writer;
    struct event events[8];
    int result = tape_writer_open(&writer, folder, SEGMENT_EVENTS, after);
    if (result != 0)
        return result;
    while (result == 0 && writer.next_sequence <= sequence) {
        uint64_t next = writer.next_sequence;
        make_events(events, next);
        result = tape_writer_add(&writer, events, events_of(next));
        if (result == 0 && next % 100 == 99)
            result = tape_writer_sync(&writer);
    }
    if (result == 0)
        result = tape_writer_end(&writer);
    tape_writer_close(&writer);
    return result;
}

static void nothing_there(void)
{
    testing_folder_remove(folder);
}

static void all_there(void)
{
    nothing_there();
    assert_int_equal(write_tape(0, 450, 700), 0);
}

static void longer(void)
{
    nothing_there();
    assert_int_equal(write_tape(0, 450, 1500), 0);
}

static void no_sums(void)
{
    char path[NUMBERED_PATH_BYTES];
    all_there();
    numbered_path(path, folder, 1, TAPE_SUMS_SUFFIX);
    unlink(path);
}

static void a_lost_tail(void)
{
    nothing_there();
    assert_int_equal(write_tape(0, 600, 700), 0);
    lose_tail(200, true, false);
}

// Two blocks and more of the last segment are there, of which what was synced is proved.
static void a_lost_tail_behind_a_sync(void)
{
    uint64_t first, synced = 0;
    nothing_there();
    assert_int_equal(write_tape(0, 450, 500), 0);
    assert_true(numbered_largest(&first, folder, TAPE_SUFFIX, UINT64_MAX));
    for (uint64_t sequence = first; sequence <= 450; sequence++)
        synced += events_of(sequence);
    lose_tail(synced + 1, true, false);
}

static void a_rotten_event(void)
{
    struct files files;
    all_there();
    files_read(&files);
    files.of[0].bytes[TAPE_HEADER_BYTES + 300 * 128 + 77] ^= 4;
    file_write(&files.of[0]);
    files_free(&files);
}

// Compared without checksums up to the rotten event, and written anew from there.
static void no_sums_and_a_rotten_event(void)
{
    char path[NUMBERED_PATH_BYTES];
    a_rotten_event();
    numbered_path(path, folder, 1, TAPE_SUMS_SUFFIX);
    unlink(path);
}

static void a_gap(void)
{
    struct files files;
    all_there();
    files_read(&files);
    unlink(files.of[2].path);
    files_free(&files);
}

static int run_new(void)
{
    return try_write(0, 700);
}

static int run_behind(void)
{
    return try_write(450, 700);
}

static int run_truncate(void)
{
    return tape_truncate(folder, 433);
}

static int run_forget(void)
{
    return tape_forget_before(folder, 500);
}

static int run_verify(void)
{
    return verify();
}

static int run_read(void)
{
    return read_tape() == 700 && tape_reader_last_sequence(folder) == 700 ? 0 : -EIO;
}

static uint64_t bytes_written(void)
{
    char line[64];
    unsigned long long bytes = 0;
    FILE *in = fopen("/proc/self/io", "re");
    assert_non_null(in);
    while (bytes == 0 && fgets(line, sizeof line, in) != NULL)
        (void)sscanf(line, "wchar: %llu", &bytes);
    fclose(in);
    return bytes;
}

// Whoever wrote it may have been told that it could not be made durable: a sync is of what was
// written since.
static void what_agrees_is_written_again(void **state)
{
    (void)state;
    struct files files;
    uint64_t bytes = 0;
    all_there();
    files_read(&files);
    for (size_t i = 0; i < files.count; i++)
        bytes += files.of[i].count;
    uint64_t before = bytes_written();
    assert_int_equal(try_write(0, 700), 0);
    assert_true(bytes_written() - before >= bytes);
    assert_int_equal(read_tape(), 700);
    assert_int_equal(verify(), 0);
    files_free(&files);
}

// Whichever call fails: what is shown is right, and whoever writes again ends with the same tape.
static void whatever_call_fails_the_tape_can_be_written_again(void **state)
{
    (void)state;
    static const struct {
        void (*prepare)(void);
        int (*run)(void);
        unsigned calls; // at least
    } cases[] = {{nothing_there, run_new, 100},  {all_there, run_new, 100},
                 {longer, run_new, 100},         {no_sums, run_new, 100},
                 {no_sums, run_behind, 5},       {a_lost_tail, run_behind, 20},
                 {a_lost_tail, run_new, 100},    {a_rotten_event, run_new, 100},
                 {all_there, run_behind, 20},    {all_there, run_truncate, 10},
                 {a_lost_tail, run_truncate, 5}, {all_there, run_forget, 5},
                 {all_there, run_verify, 20},    {all_there, run_read, 10},
                 {no_sums, run_read, 5}};
    struct files files;
    all_there();
    assert_int_equal(run_new(), 0);
    files_read(&files);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool failed = true;
        unsigned at;
        for (at = 1; failed; at += 1 + at / 12) {
            cases[i].prepare();
            testing_calls_fail(NULL, at, EIO);
            (void)cases[i].run();
            failed = testing_calls_failed();
            (void)read_tape(); // nothing wrong is shown
        }
        assert_true(at > cases[i].calls);
        assert_int_equal(write_tape(0, 0, 700), 0);
        assert_int_equal(read_tape(), 700);
    }
    files_free(&files);
}

// The same, each single call of a kind.
static void whatever_look_fails_nothing_wrong_is_shown(void **state)
{
    (void)state;
    static const struct {
        void (*prepare)(void);
        int (*run)(void);
        const char *call;
    } cases[] = {{a_lost_tail, run_behind, "pread"},
                 {a_lost_tail, run_behind, "open"},
                 {all_there, run_behind, "pread"},
                 {all_there, run_verify, "pread"},
                 {a_rotten_event, run_new, "pwrite"},
                 {a_rotten_event, run_behind, "pread"},
                 {a_lost_tail_behind_a_sync, run_behind, "open"},
                 {a_lost_tail_behind_a_sync, run_behind, "pread"},
                 {no_sums_and_a_rotten_event, run_new, "pwrite"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool failed = true;
        unsigned at = 1;
        for (; failed; at++) {
            cases[i].prepare();
            testing_calls_fail(cases[i].call, at, EIO);
            (void)cases[i].run();
            failed = testing_calls_failed();
            (void)read_tape(); // nothing wrong is shown
        }
        assert_true(at > 2);
        assert_int_equal(write_tape(0, 0, 700), 0);
        assert_int_equal(read_tape(), 700);
    }
}

static void mend(void)
{
    assert_int_equal(write_tape(0, 0, 700), 0);
}

static void mend_and_go_on(void)
{
    assert_int_equal(write_tape(0, 0, 710), 0);
}

static void a_rotten_last_event(void)
{
    struct files files;
    all_there();
    files_read(&files);
    struct file *last = &files.of[files.count - 2];
    last->bytes[last->count - 40] ^= 4;
    file_write(last);
    files_free(&files);
}

// lonja-tape writes a rotten part anew while somebody reads it, and goes on: what he shows is
// right, and what he does not show yet comes with his next look.
static void a_tape_that_is_mended_under_a_reader_is_not_damaged(void **state)
{
    (void)state;
    static const struct {
        void (*prepare)(void);
        void (*happens)(void);
        uint64_t last;
    } cases[] = {{a_rotten_event, mend, 700}, {a_rotten_last_event, mend_and_go_on, 710}};
    for (size_t i = 0; i < 2; i++) {
        bool met = true;
        unsigned at = 1;
        for (; met; at++) {
            cases[i].prepare();
            testing_calls_before("pread", at, cases[i].happens);
            uint64_t shown = read_tape();
            met = testing_calls_failed();
            assert_true(shown <= cases[i].last);
            if (met)
                assert_int_equal(read_tape(), cases[i].last);
        }
        assert_true(at > 5);
    }
}

// Its last command begins in a block that is whole and ends in one that is not.
static void what_is_not_proved_to_its_end_is_nothing_to_go_on_behind(void **state)
{
    (void)state;
    struct files files;
    uint64_t events = 0, sequence = 0;
    all_there();
    while (events % TAPE_BLOCK_EVENTS + events_of(sequence + 1) <= TAPE_BLOCK_EVENTS ||
           events % TAPE_BLOCK_EVENTS == 0)
        events += events_of(++sequence);
    sequence++; // it straddles
    files_read(&files);
    assert_true(events < SEGMENT_EVENTS);
    files.of[0].bytes[TAPE_HEADER_BYTES + (TAPE_BLOCK_EVENTS + 9) * 128 + 77] ^= 4;
    file_write(&files.of[0]);
    files_free(&files);
    assert_int_equal(write_tape(sequence, 0, 700), -ENOENT);
    assert_int_equal(write_tape(sequence - 1, 0, 700), 0);
    assert_int_equal(read_tape(), 700);
}

static void a_shortened_tape_leaves_nothing_open(void **state)
{
    (void)state;
    all_there();
    unsigned before = 0, after = 0;
    for (int i = 0; i < 2; i++) {
        DIR *open_files = __real_opendir("/proc/self/fd");
        assert_non_null(open_files);
        while (readdir(open_files) != NULL)
            *(i == 0 ? &before : &after) += 1;
        closedir(open_files);
        if (i == 0)
            assert_int_equal(tape_truncate(folder, 433), 0);
    }
    assert_int_equal(after, before);
}

// A file that has shrunk below its header under who has it open.
static void a_file_without_its_header_has_nothing(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    all_there();
    int fd = tape_segment_open(folder, 1, true), sums;
    assert_true(fd >= 0);
    assert_int_equal(tape_sums_open(&sums, folder, 1, true), TAPE_SUMS_THERE);
    assert_true(tape_segment_events(fd) > 0 && tape_sums_events(sums) > 0);
    numbered_path(path, folder, 1, TAPE_SUFFIX);
    assert_int_equal(truncate(path, TAPE_HEADER_BYTES - 1), 0);
    assert_int_equal(tape_segment_events(fd), 0);
    numbered_path(path, folder, 1, TAPE_SUMS_SUFFIX);
    assert_int_equal(truncate(path, sizeof(struct tape_sums_header) - 1), 0);
    assert_int_equal(tape_sums_events(sums), 0);
    close(fd);
    close(sums);
}

static void a_call_that_fails_is_said_by_who_writes(void **state)
{
    (void)state;
    static const struct {
        void (*prepare)(void);
        int (*run)(void);
        const char *call;
        unsigned first, last;
    } cases[] = {{nothing_there, run_new, "pwrite", 1, 8},
                 {nothing_there, run_new, "open", 2, 3},
                 {nothing_there, run_new, "rename", 1, 3},
                 {nothing_there, run_new, "fdatasync", 1, 20},
                 {nothing_there, run_new, "malloc", 1, 1},
                 {longer, run_new, "ftruncate", 1, 2},
                 {longer, run_new, "unlink", 1, 2},
                 {all_there, run_truncate, "ftruncate", 1, 2},
                 {all_there, run_truncate, "unlink", 1, 2},
                 {all_there, run_forget, "unlink", 1, 2},
                 {a_rotten_event, run_new, "ftruncate", 1, 2},
                 {a_rotten_event, run_new, "pwrite", 1, 1},
                 {a_gap, run_new, "unlink", 1, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (unsigned at = cases[i].first; at <= cases[i].last; at++) {
            cases[i].prepare();
            testing_calls_fail(cases[i].call, at, EIO);
            int result = cases[i].run();
            bool failed = testing_calls_failed();
            if (!failed || result == 0)
                fail_msg("%s number %u of case %zu: result %d", cases[i].call, at, i, result);
        }
    nothing_there();
    testing_calls_fail("pwrite", 1, 0); // half of a header fits
    assert_int_not_equal(run_new(), 0);
    assert_true(testing_calls_failed());
}

// Twelve thousand events of one segment, and nobody asks for them meanwhile.
static int write_at_once(uint64_t sequence)
{
    struct tape_writer writer;
    struct event events[8];
    int result = tape_writer_open(&writer, folder, 100000, 0);
    for (uint64_t next = 1; result == 0 && next <= sequence; next++) {
        make_events(events, next);
        result = tape_writer_add(&writer, events, events_of(next));
    }
    if (result == 0)
        result = tape_writer_flush(&writer);
    tape_writer_close(&writer);
    return result;
}

static void a_writer_that_is_not_flushed_flushes_itself(void **state)
{
    (void)state;
    assert_int_equal(write_at_once(4000), 0);
    assert_int_equal(read_tape(), 4000);
    assert_int_equal(write_at_once(4000), 0); // and compares
    assert_int_equal(read_tape(), 4000);
    for (unsigned at = 1; at <= 4; at++) {
        testing_calls_fail("pwrite", at, ENOSPC);
        (void)write_at_once(4000);
        (void)testing_calls_failed();
    }
    assert_int_equal(write_at_once(6000), 0);
    testing_calls_fail("pwrite", 2, ENOSPC); // of checksums, in the middle of a command
    assert_int_equal(write_at_once(6000), -ENOSPC);
    assert_true(testing_calls_failed());
    nothing_there();
    testing_calls_fail("pwrite", 3, ENOSPC); // of the buffer that is full
    assert_int_equal(write_at_once(4000), -ENOSPC);
    assert_true(testing_calls_failed());
}

// Each field of a header is another one, and the checksum is right: another format, another file.
static void a_header_of_something_else_is_not_ours(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 100), 0);
    files_read(&files);
    struct tape_header *header = (struct tape_header *)(void *)files.of[0].bytes;
    struct tape_sums_header *sums = (struct tape_sums_header *)(void *)files.of[1].bytes;
    static const size_t of_header[] = {
        offsetof(struct tape_header, magic), offsetof(struct tape_header, format),
        offsetof(struct tape_header, schema_version), offsetof(struct tape_header, first_sequence)};
    static const size_t of_sums[] = {offsetof(struct tape_sums_header, magic),
                                     offsetof(struct tape_sums_header, format),
                                     offsetof(struct tape_sums_header, block_events),
                                     offsetof(struct tape_sums_header, first_sequence)};
    for (size_t i = 0; i < 4; i++) {
        files.of[0].bytes[of_header[i]] ^= 1;
        header->crc = crc32c(0, header, offsetof(struct tape_header, crc));
        file_write(&files.of[0]);
        assert_int_equal(read_tape(), 0);
        assert_int_equal(tape_truncate(folder, 50), 0); // lonja-tape begins it anew
        files.of[0].bytes[of_header[i]] ^= 1;
        header->crc = crc32c(0, header, offsetof(struct tape_header, crc));
        file_write(&files.of[0]);
        files.of[1].bytes[of_sums[i]] ^= 1;
        sums->crc = crc32c(0, sums, offsetof(struct tape_sums_header, crc));
        file_write(&files.of[1]);
        assert_int_equal(read_tape(), 0);
        files.of[1].bytes[of_sums[i]] ^= 1;
        sums->crc = crc32c(0, sums, offsetof(struct tape_sums_header, crc));
        file_write(&files.of[1]);
        assert_int_equal(read_tape(), 100);
    }
    header->reserved[0] ^= 1; // and one whose checksum is not right
    file_write(&files.of[0]);
    assert_int_equal(read_tape(), 0);
    files_free(&files);
}

// Segments end where they ended before, whatever their size is now.
static void segments_of_another_size_are_compared_as_they_are(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 700), 0);
    files_read(&files);
    assert_int_equal(write_at_once(700), 0);
    expect_same(&files);
    files_free(&files);
}

// Three whole blocks and no checksums; then zeroes, as a machine leaves them.
static void the_end_without_checksums_is_found_by_its_length(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    static struct tape_reader reader;
    assert_int_equal(write_at_once(256), 0);
    numbered_path(path, folder, 1, TAPE_SUMS_SUFFIX);
    unlink(path);
    assert_int_equal(read_tape(), 256);
    numbered_path(path, folder, 1, TAPE_SUFFIX);
    assert_int_equal(truncate(path, TAPE_HEADER_BYTES + 900 * 128), 0);
    assert_int_equal(read_tape(), 256);
    assert_int_equal(tape_reader_last_sequence(folder), 256);
    tape_reader_init(&reader, folder);
    assert_true(tape_reader_seek(&reader, 256, 1)); // in the middle of a command
    assert_false(tape_reader_seek(&reader, 257, 0));
    tape_reader_fini(&reader);
}

// All of the block was synced, and rots: none of it is believed, and it is written again.
static void what_was_synced_and_rots_is_written_again(void **state)
{
    (void)state;
    struct tape_writer writer;
    struct files files;
    assert_int_equal(tape_writer_open(&writer, folder, SEGMENT_EVENTS, 0), 0);
    assert_int_equal(tape_writer_end(&writer), 0); // nothing to end
    add_up_to(&writer, 20);
    assert_int_equal(tape_writer_sync(&writer), 0);
    assert_int_equal(tape_writer_flush(&writer), 0);
    tape_writer_close(&writer);
    files_read(&files);
    files.of[0].bytes[TAPE_HEADER_BYTES + 128 * 5 + 70] ^= 1;
    file_write(&files.of[0]);
    assert_int_not_equal(write_tape(20, 0, 30), 0);
    assert_int_equal(write_tape(0, 0, 30), 0);
    assert_int_equal(read_tape(), 30);
    assert_int_equal(verify(), 0);
    files_free(&files);
}

// The last command of a segment has no end, and the seal and the next segment's name agree with
// that.
static void a_command_without_its_end_is_found(void **state)
{
    (void)state;
    struct files files;
    char path[NUMBERED_PATH_BYTES];
    assert_int_equal(write_tape(0, 0, 700), 0);
    files_read(&files);
    struct tape_sums_header *header = (struct tape_sums_header *)(void *)files.of[1].bytes;
    struct event *events = (struct event *)(void *)(files.of[0].bytes + TAPE_HEADER_BYTES);
    struct tape_sum *sums = (struct tape_sum *)(void *)(header + 1);
    uint64_t count = header->events, block = (count - 1) / TAPE_BLOCK_EVENTS;
    struct tape_sum *sum = &sums[block];
    events[count - 1].header.last = 0;
    uint64_t sequence = events[count - 1].header.sequence;
    sum->crc = crc32c(0, events + block * TAPE_BLOCK_EVENTS, sum->events * sizeof *events);
    tape_sum_finish(sum);
    header->last_sequence--;
    header->crc = crc32c(0, header, offsetof(struct tape_sums_header, crc));
    file_write(&files.of[0]);
    file_write(&files.of[1]);
    numbered_path(path, folder, sequence, TAPE_SUFFIX);
    assert_int_equal(rename(files.of[2].path, path), 0);
    FILE *out = tmpfile();
    char said[4096];
    assert_int_equal(tape_tool_verify(state_path, out), EXIT_POISON);
    rewind(out);
    said[fread(said, 1, sizeof said - 1, out)] = '\0';
    fclose(out);
    assert_non_null(strstr(said, "ends with another sequence than was sealed"));
    files_free(&files);
}

static void expect_verified(int status, const char *text)
{
    char said[4096];
    FILE *out = tmpfile();
    assert_non_null(out);
    assert_int_equal(tape_tool_verify(state_path, out), status);
    rewind(out);
    said[fread(said, 1, sizeof said - 1, out)] = '\0';
    fclose(out);
    if (strstr(said, text) == NULL)
        fail_msg("not \"%s\" but: %s", text, said);
}

static void seal_again(struct files *files, size_t segment, struct tape_sums_header change)
{
    struct tape_sums_header *header =
        (struct tape_sums_header *)(void *)files->of[2 * segment + 1].bytes;
    struct tape_sums_header before = *header;
    header->events += change.events;
    header->last_sequence += change.last_sequence;
    if (change.entries_crc != 0)
        header->events = 0;
    header->crc = crc32c(0, header, offsetof(struct tape_sums_header, crc));
    file_write(&files->of[2 * segment + 1]);
    *header = before;
}

static void a_seal_that_says_something_else_is_found(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 700), 0);
    files_read(&files);
    seal_again(&files, 0, (struct tape_sums_header){.events = 1});
    expect_verified(EXIT_POISON, "more or fewer events than were sealed");
    seal_again(&files, 0, (struct tape_sums_header){.last_sequence = 1});
    expect_verified(EXIT_POISON, "ends with another sequence than was sealed");
    seal_again(&files, 0, (struct tape_sums_header){.entries_crc = 1});
    expect_verified(EXIT_POISON, "finished, and not sealed");
    file_write(&files.of[1]);
    // An entry that a check of its own proves, of nothing, of another block, or of too much.
    struct tape_sum *sum =
        (struct tape_sum *)(void *)(files.of[1].bytes + sizeof(struct tape_sums_header));
    struct tape_sum before = *sum;
    for (int i = 0; i < 5; i++) {
        *sum = before;
        sum->block += i == 0;
        sum->events = i == 1 ? 0 : i == 2 ? TAPE_BLOCK_EVENTS + 1 : i == 4 ? 5 : sum->events;
        sum->synced_events = i == 3 ? sum->events + 1 : 0;
        sum->check = crc32c(0, sum, offsetof(struct tape_sum, check));
        if (i == 4) { // of its first five events, right
            sum->crc = crc32c(0, files.of[0].bytes + TAPE_HEADER_BYTES, 5 * sizeof(struct event));
            sum->check = crc32c(0, sum, offsetof(struct tape_sum, check));
        }
        file_write(&files.of[1]);
        expect_verified(EXIT_POISON, "a checksum is missing or broken");
        (void)read_tape();
    }
    *sum = before;
    file_write(&files.of[1]);
    assert_int_equal(verify(), 0);
    files_free(&files);
}

// Events that are proved and are not the successors of those before.
static void events_out_of_order_are_found_and_not_shown(void **state)
{
    (void)state;
    struct files files;
    for (int what = 0; what < 4; what++) {
        nothing_there();
        assert_int_equal(write_tape(0, 0, 700), 0);
        files_read(&files);
        struct event *events = (struct event *)(void *)(files.of[0].bytes + TAPE_HEADER_BYTES);
        struct tape_sum *sum =
            (struct tape_sum *)(void *)(files.of[1].bytes + sizeof(struct tape_sums_header));
        size_t at = what == 3 ? 255 : 100;
        while (events[at].header.last)
            at--;
        uint64_t sequence = events[at].header.sequence;
        uint32_t index = events[at].header.index;
        if (what == 0)
            events[at].header.sequence++;
        else if (what == 1)
            events[at].header.index++;
        else
            events[at].header.last = 1;
        sum->crc = crc32c(0, events, sum->events * sizeof *events);
        tape_sum_finish(sum);
        file_write(&files.of[0]);
        file_write(&files.of[1]);
        expect_verified(EXIT_POISON, "the events do not follow on those before");
        static struct tape_reader reader;
        struct event out[512];
        size_t shown = 0, count;
        tape_reader_init(&reader, folder);
        if (what < 2)
            assert_false(tape_reader_seek(&reader, sequence, index));
        assert_true(tape_reader_seek(&reader, 1, 0));
        while ((count = tape_reader_read(&reader, out, 512)) > 0)
            shown += count;
        assert_true(shown <= at + 1);
        nothing_there(); // meanwhile
        assert_int_equal(tape_reader_read(&reader, out, 512), 0);
        tape_reader_fini(&reader);
        files_free(&files);
    }
}

static void events_without_a_checksum_at_the_end_are_found(void **state)
{
    (void)state;
    struct files files;
    assert_int_equal(write_tape(0, 0, 700), 0);
    files_read(&files);
    struct file *last = &files.of[files.count - 2];
    memset(last->bytes + last->count, 0, sizeof(struct event));
    last->count += sizeof(struct event);
    file_write(last);
    expect_verified(EXIT_POISON, "events at the end have no checksum");
    assert_int_equal(read_tape(), 700);
    files_free(&files);
}

static void more(void)
{
    assert_int_equal(write_tape(700, 0, 1500), 0);
}

static void a_tape_that_grows_is_verified_up_to_where_it_ended(void **state)
{
    (void)state;
    assert_int_equal(write_tape(0, 0, 700), 0);
    between = more;
    looks = 0;
    look_at = 2;
    assert_int_equal(verify(), 0);
    assert_null(between);
    assert_int_equal(read_tape(), 1500);
}

static void a_long_look_says_how_far_it_is(void **state)
{
    (void)state;
    assert_int_equal(write_tape(0, 0, 700), 0);
    skip_s = 2;
    assert_int_equal(verify(), 0);
    struct files files;
    files_read(&files); // an end that is not known
    files.of[files.count - 2].bytes[0] ^= 1;
    file_write(&files.of[files.count - 2]);
    assert_int_equal(verify(), EXIT_POISON);
    skip_s = 0;
    files_free(&files);
}

// ---- tests: rebuild and words

static void make_state(void)
{
    char journal[NUMBERED_PATH_BYTES];
    struct journal_io io;
    struct journal_io_file file;
    testing_folder_remove(folder);
    path_join(journal, state_path, "journal");
    testing_folder_remove(journal);
    assert_int_equal(journal_io_file_open(&io, &file, journal, false), 0);
    assert_int_equal(testing_make_journal(&io), 120);
    journal_io_file_close(&file);
}

// The tool holds its locks until its process ends, and leaves what it has open to that end.
static int in_a_process_of_its_own(int (*run)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        _exit(run());
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

// Its owner and group may look who holds it, and nobody may run it.
static int lock_openly(void)
{
    struct stat status;
    char path[NUMBERED_PATH_BYTES];
    umask(0);
    path_join(path, folder, "lock");
    return tape_lock(folder) == 0 && stat(path, &status) == 0 ? (int)(status.st_mode & 0777) : -1;
}

static int is_locked_privately(void)
{
    return lock_openly() == 0640;
}

static void the_lock_is_no_program_and_is_nobodys_elses(void **state)
{
    (void)state;
    assert_int_equal(in_a_process_of_its_own(is_locked_privately), true);
}

// The lowest mark counts, and all go together; one that cannot be made is no mark, one that cannot be
// taken away stays.
static void what_is_written_again_is_marked_until_it_is_durable(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    all_there();
    assert_true(tape_again_from(folder) == UINT64_MAX);
    assert_int_equal(tape_again_mark(folder, 50), 0);
    assert_int_equal(tape_again_mark(folder, 20), 0);
    assert_true(tape_again_from(folder) == 20);
    tape_again_unmark(folder);
    assert_true(tape_again_from(folder) == UINT64_MAX);
    path_join(path, folder, "nowhere");
    assert_int_equal(tape_again_mark(path, 1), -ENOENT);
    numbered_path(path, folder, 7, TAPE_AGAIN_SUFFIX);
    assert_int_equal(mkdir(path, 0700), 0);
    tape_again_unmark(folder);
    assert_true(tape_again_from(folder) == 7);
    assert_int_equal(rmdir(path), 0);
}

static int rebuild(void)
{
    return tape_tool_rebuild(state_path, nowhere, 1024);
}

static int hold(const char *name)
{
    char path[NUMBERED_PATH_BYTES];
    path_join(path, state_path, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
    return fd;
}

static void a_tape_is_rebuilt_from_the_journal(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    assert_int_equal(rebuild(), 1); // no journal
    make_state();
    assert_int_equal(in_a_process_of_its_own(rebuild), 0);
    assert_int_equal(verify(), 0);
    assert_int_equal(tape_reader_last_sequence(folder), 120);
    as_user = 4711; // who is not root gives nothing away
    assert_int_equal(in_a_process_of_its_own(rebuild), 0);
    as_user = 0;
    skip_s = 2;
    assert_int_equal(in_a_process_of_its_own(rebuild), 0);
    skip_s = 0;
    int fd = hold("journal/lock");
    assert_int_equal(in_a_process_of_its_own(rebuild), 1);
    close(fd);
    fd = hold("tape/lock");
    assert_int_equal(in_a_process_of_its_own(rebuild), 1);
    close(fd);
    path_join(path, state_path, "journal/00000000000000000003.journal");
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "x", 1, 2 * JOURNAL_PAGE_BYTES + 77), 1);
    close(fd);
    assert_int_equal(in_a_process_of_its_own(rebuild), EXIT_POISON);
    assert_int_equal(verify(), 0); // shorter, and whole
    path_join(path, state_path, "journal");
    testing_folder_remove(path);
    assert_int_equal(state_folder_make(path), 0);
    assert_int_equal(in_a_process_of_its_own(rebuild), 1); // no segment
    testing_folder_remove(path);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
    assert_int_equal(in_a_process_of_its_own(rebuild), 1); // no folder
    unlink(path);
}

static unsigned failing_call;

static int rebuild_failing(void)
{
    testing_calls_fail(NULL, failing_call, EIO);
    int status = rebuild();
    return testing_calls_failed() ? status : 77;
}

static void a_rebuild_that_fails_says_so_and_is_repeated(void **state)
{
    (void)state;
    make_state();
    int status = 0;
    unsigned failures = 0;
    for (failing_call = 1; status != 77; failing_call += 1 + failing_call / 12) {
        testing_folder_remove(folder);
        status = in_a_process_of_its_own(rebuild_failing);
        failures += status == 1;
    }
    assert_true(failures > 10);
    assert_int_equal(in_a_process_of_its_own(rebuild), 0);
    assert_int_equal(verify(), 0);
    assert_int_equal(tape_reader_last_sequence(folder), 120);
    // The same over a tape that is there, and longer.
    status = 0;
    for (failing_call = 1; status != 77; failing_call += 1 + failing_call / 12)
        status = in_a_process_of_its_own(rebuild_failing);
    assert_int_equal(verify(), 0);
}

static const char *failing_name;

static int rebuild_failing_name(void)
{
    testing_calls_fail(failing_name, failing_call, EIO);
    int status = rebuild();
    return testing_calls_failed() ? status : 77;
}

// Each look at a folder, and each file that is given to whom the folder belongs.
static void each_call_that_a_rebuild_needs_is_missed(void **state)
{
    (void)state;
    static const char *const names[] = {"access", "fdopendir", "fchownat", "fstat", "open"};
    make_state();
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsigned missed = 0;
        int status = 0;
        failing_name = names[i];
        for (failing_call = 1; status != 77; failing_call++) {
            status = in_a_process_of_its_own(rebuild_failing_name);
            missed += status == 1;
        }
        assert_true(missed > 0);
        assert_int_equal(in_a_process_of_its_own(rebuild), 0);
        assert_int_equal(verify(), 0);
    }
}

static int command(const char *a, const char *b, const char *c, const char *d)
{
    char words[4][600];
    char *list[4];
    const char *given[4] = {a, b, c, d};
    int count = 0;
    for (; count < 4 && given[count] != NULL; count++) {
        snprintf(words[count], sizeof words[count], "%s", given[count]);
        list[count] = words[count];
    }
    return tape_tool_command(count, list);
}

static void words_that_are_none_have_the_usage(void **state)
{
    (void)state;
    char lengthy[NUMBERED_PATH_BYTES];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    assert_int_equal(write_tape(0, 0, 100), 0);
    static const struct {
        const char *words[4];
        int status;
    } cases[] = {{{"--help"}, 0},
                 {{"verify", "-h"}, 0},
                 {{"verify"}, 2},
                 {{"prove", "STATE"}, 2},
                 {{"verify", "STATE"}, 0},
                 {{"verify", "/nowhere"}, 1},
                 {{"verify", "STATE", "--again"}, 2},
                 {{"rebuild", "/nowhere"}, 1},
                 {{"rebuild", "/nowhere", "--segment-events", "2048"}, 1},
                 {{"rebuild", "/nowhere", "--segment-events", "1023"}, 2},
                 {{"rebuild", "/nowhere", "--segment-events", "-5"}, 2},
                 {{"rebuild", "/nowhere", "--segment-events", "many"}, 2},
                 {{"rebuild", "/nowhere", "--segment-events", "2048k"}, 2},
                 {{"rebuild", "/nowhere", "--segment-events", "99999999999999999999"}, 2},
                 {{"rebuild", "/nowhere", "--events", "2048"}, 2},
                 {{"verify", "/nowhere", "--segment-events", "2048"}, 2},
                 {{"verify", "LENGTHY"}, 2},
                 {{"rebuild", "LENGTHY"}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const *words = cases[i].words, *of = words[1];
        if (of != NULL && strcmp(of, "STATE") == 0)
            of = state_path;
        else if (of != NULL && strcmp(of, "LENGTHY") == 0)
            of = lengthy;
        int status = command(words[0], of, words[2], words[3]);
        if (status != cases[i].status)
            fail_msg("%s %s: status %d", words[0], of, status);
    }
}

int main(void)
{
#define TAPE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TAPE_TEST(what_was_written_is_read_and_verified),
        TAPE_TEST(a_byte_that_rotted_anywhere_is_not_shown_but_found_and_mended),
        TAPE_TEST(a_tape_is_the_same_however_often_its_writer_began_again),
        TAPE_TEST(what_the_machine_lost_is_not_shown_and_written_again),
        TAPE_TEST(what_was_synced_is_enough_to_go_on),
        TAPE_TEST(a_tape_without_checksums_is_read_and_gets_them),
        TAPE_TEST(a_block_that_was_exchanged_with_its_checksum_is_found),
        TAPE_TEST(a_missing_segment_is_found),
        TAPE_TEST(only_finished_segments_before_a_sequence_are_forgotten),
        TAPE_TEST(a_reader_goes_on_in_a_block_that_grows),
        TAPE_TEST(whatever_call_fails_the_tape_can_be_written_again),
        TAPE_TEST(whatever_look_fails_nothing_wrong_is_shown),
        TAPE_TEST(a_tape_that_is_mended_under_a_reader_is_not_damaged),
        TAPE_TEST(what_is_not_proved_to_its_end_is_nothing_to_go_on_behind),
        TAPE_TEST(a_shortened_tape_leaves_nothing_open),
        TAPE_TEST(a_file_without_its_header_has_nothing),
        TAPE_TEST(a_call_that_fails_is_said_by_who_writes),
        TAPE_TEST(a_writer_that_is_not_flushed_flushes_itself),
        TAPE_TEST(a_header_of_something_else_is_not_ours),
        TAPE_TEST(segments_of_another_size_are_compared_as_they_are),
        TAPE_TEST(the_end_without_checksums_is_found_by_its_length),
        TAPE_TEST(what_was_synced_and_rots_is_written_again),
        TAPE_TEST(a_command_without_its_end_is_found),
        TAPE_TEST(a_seal_that_says_something_else_is_found),
        TAPE_TEST(events_out_of_order_are_found_and_not_shown),
        TAPE_TEST(what_agrees_is_written_again),
        TAPE_TEST(events_without_a_checksum_at_the_end_are_found),
        TAPE_TEST(a_tape_that_grows_is_verified_up_to_where_it_ended),
        TAPE_TEST(a_long_look_says_how_far_it_is),
        TAPE_TEST(the_lock_is_no_program_and_is_nobodys_elses),
        TAPE_TEST(what_is_written_again_is_marked_until_it_is_durable),
        TAPE_TEST(a_tape_is_rebuilt_from_the_journal),
        TAPE_TEST(a_rebuild_that_fails_says_so_and_is_repeated),
        TAPE_TEST(each_call_that_a_rebuild_needs_is_missed),
        TAPE_TEST(words_that_are_none_have_the_usage),
    };
    nowhere = fopen("/dev/null", "we");
    assert_non_null(nowhere);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
