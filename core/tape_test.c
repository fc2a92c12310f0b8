// The tape: no byte that rotted is ever shown, what the machine lost is written again, and however a
// tape came about, it is the same.
#include "core/testing.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "core/replay.h"
#include "core/tape_reader.h"
#include "core/tape_tool.h"
#include "core/tape_writer.h"

enum { SEGMENT_EVENTS = 600, FILES_MAX = 16, FILE_BYTES_MAX = 256 * 1024 };

static char state_path[64], folder[NUMBERED_PATH_BYTES];

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
// ------------------------------------------------------------------------------------------

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

static int verify(void)
{
    FILE *out = fopen("/dev/null", "we");
    int status = tape_tool_verify(state_path, out);
    fclose(out);
    return status;
}

// ---- files
// -------------------------------------------------------------------------------------------

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
// -------------------------------------------------------------------------------------------

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
        assert_int_equal(truncate(path, (off_t)(sizeof(struct tape_sums_header) +
                                                events_kept / TAPE_BLOCK_EVENTS *
                                                    sizeof(struct tape_sum))),
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
            // Behind the snapshot, which was synced; where its block lost its proof, from the start.
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

// A block of another tape, with its own checksum, is whole; that it is not ours, only the seal says.
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
