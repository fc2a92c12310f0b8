// Snapshot files: what was written is read, whatever is broken is passed over, and no failing call
// costs an older snapshot. The calls of snapshot_file.c go through us (--wrap).
#include "core/testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "core/snapshot_file.h"

// ---- the disk that fails

static struct {
    int fail_at; // this call fails, counted from 1; 0 = none
    int error;
    int calls;
    char trace[4096]; // a letter for each call
    int reads_broken; // so many reads fail
    int read_error;   // with this; EINTR: they are broken off by a signal
    int writes_of_nothing;
    int paces; // that wait for the disk; they fail with
    int pace_error;
} disk;

int __real_open(const char *path, int flags, ...);
ssize_t __real_write(int fd, const void *data, size_t bytes);
int __real_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_open(const char *path, int flags, ...);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);
int __wrap_fsync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);

static bool disk_fails(char letter)
{
    if ((size_t)disk.calls + 1 < sizeof disk.trace)
        disk.trace[disk.calls] = letter;
    if (++disk.calls != disk.fail_at)
        return false;
    errno = disk.error;
    return true;
}

int __wrap_open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    if ((flags & O_ACCMODE) == O_RDONLY && (flags & O_DIRECTORY) == 0)
        return __real_open(path, flags); // readers are not what is tested
    return disk_fails((flags & O_DIRECTORY) != 0 ? 'd' : 'o') ? -1 : __real_open(path, flags, mode);
}

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
    if (fd <= STDERR_FILENO)
        return __real_write(fd, data, bytes);
    if (disk.writes_of_nothing > 0 && disk.writes_of_nothing-- > 0)
        return 0;
    return disk_fails('w') ? -1 : __real_write(fd, data, bytes);
}

ssize_t __real_read(int fd, void *data, size_t bytes);
ssize_t __wrap_read(int fd, void *data, size_t bytes);
ssize_t __wrap_read(int fd, void *data, size_t bytes)
{
    errno = disk.read_error;
    return disk.reads_broken > 0 && disk.reads_broken-- > 0 ? -1 : __real_read(fd, data, bytes);
}

int __wrap_sync_file_range(int fd, off_t at, off_t bytes, unsigned flags);
int __wrap_sync_file_range(int fd, off_t at, off_t bytes, unsigned flags)
{
    (void)fd;
    assert_true(at == 0 && bytes == 0 && flags == 7); // all of it, waited for
    disk.paces++;
    errno = disk.pace_error;
    return disk.pace_error != 0 ? -1 : 0;
}

int __wrap_fsync(int fd)
{
    return disk_fails('s') ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    return disk_fails('r') ? -1 : __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
    return disk_fails('u') ? -1 : __real_unlink(path);
}

// ---- snapshots of numbers

static char folder[64];

static int setup(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof disk);
    testing_folder_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof disk);
    testing_folder_remove(folder);
    return 0;
}

static struct snapshot_record record_of(uint64_t number)
{
    struct snapshot_record record = {
        .header = {.type = number == 0 ? REC_meta : REC_order, .version = SCHEMA_VERSION}};
    memcpy(record.body.bytes, &number, sizeof number);
    return record;
}

static int save(uint64_t sequence, uint64_t records)
{
    static struct snapshot_writer writer;
    int result = snapshot_writer_open(&writer, folder, sequence);
    for (uint64_t i = 0; i < records && result == 0; i++) {
        struct snapshot_record record = record_of(i);
        result = snapshot_writer_add(&writer, &record);
    }
    return result == 0 ? snapshot_writer_commit(&writer) : result;
}

static bool count_up(void *context, const struct snapshot_record *record)
{
    uint64_t *expected = context;
    struct snapshot_record wanted = record_of((*expected)++);
    assert_memory_equal(record, &wanted, sizeof wanted);
    return true;
}

static uint64_t newest(void)
{
    uint64_t sequence;
    return snapshot_file_newest(&sequence, folder, UINT64_MAX) ? sequence : 0;
}

static void path_of(char out[NUMBERED_PATH_BYTES], uint64_t sequence)
{
    numbered_path(out, folder, sequence, SNAPSHOT_SUFFIX);
}

static void a_snapshot_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {
        1, 2, SNAPSHOT_CHUNK_RECORDS - 1, SNAPSHOT_CHUNK_RECORDS, 512, 1021, 1022, 1023, 20000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint64_t seen = 0;
        assert_int_equal(save(i + 1, sizes[i]), 0);
        assert_int_equal(newest(), i + 1);
        assert_true(snapshot_file_read(folder, i + 1, count_up, &seen));
        assert_int_equal(seen, sizes[i]);
    }
}

static void the_last_three_are_kept(void **state)
{
    (void)state;
    for (uint64_t sequence = 10; sequence <= 70; sequence += 10) {
        assert_int_equal(save(sequence, 5), 0);
        uint64_t found[SNAPSHOTS_KEPT + 1], limit = UINT64_MAX, count = 0;
        while (count <= SNAPSHOTS_KEPT &&
               numbered_largest(&found[count], folder, SNAPSHOT_SUFFIX, limit))
            limit = found[count++] - 1;
        uint64_t made = sequence / 10;
        assert_int_equal(count, made < SNAPSHOTS_KEPT ? made : SNAPSHOTS_KEPT);
        for (uint64_t i = 0; i < count; i++)
            assert_int_equal(found[i], sequence - 10 * i);
    }
}

// ---- what is broken

// One of the state before the first command is kept like others.
static void the_very_first_is_kept_like_others(void **state)
{
    (void)state;
    for (uint64_t sequence = 0; sequence < SNAPSHOTS_KEPT; sequence++) {
        assert_int_equal(save(sequence, 3), 0);
        for (uint64_t kept = 0; kept <= sequence; kept++)
            assert_true(snapshot_file_read(folder, kept, count_up, &(uint64_t){0}));
    }
    assert_int_equal(save(SNAPSHOTS_KEPT, 3), 0);
    assert_false(snapshot_file_read(folder, 0, count_up, &(uint64_t){0}));
    assert_true(snapshot_file_read(folder, 1, count_up, &(uint64_t){0}));
}

static void flip(uint64_t sequence, off_t at)
{
    char path[NUMBERED_PATH_BYTES], byte;
    path_of(path, sequence);
    int fd = __real_open(path, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static off_t size_of(uint64_t sequence)
{
    char path[NUMBERED_PATH_BYTES];
    struct stat st;
    path_of(path, sequence);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void a_byte_that_rotted_anywhere_passes_the_snapshot_over(void **state)
{
    (void)state;
    assert_int_equal(save(1, 3), 0);
    assert_int_equal(save(2, 530), 0); // two chunks
    off_t bytes = size_of(2), step = 1;
    for (off_t at = 0; at < bytes; at += step) {
        flip(2, at);
        assert_int_equal(newest(), 1);
        flip(2, at);
        step = at < 512 || at > bytes - 300 || (at > 65536 && at < 66048) ? 1 : 61;
    }
    assert_int_equal(newest(), 2);
}

static void a_shortened_or_lengthened_snapshot_is_passed_over(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    assert_int_equal(save(1, 3), 0);
    assert_int_equal(save(2, 1021), 0); // two full chunks, the end is the last record
    off_t bytes = size_of(2);
    path_of(path, 2);
    assert_int_equal(truncate(path, bytes + 1), 0);
    assert_int_equal(newest(), 1);
    assert_int_equal(truncate(path, bytes), 0);
    assert_int_equal(newest(), 2);
    for (off_t left = bytes - SNAPSHOT_RECORD_BYTES; left >= 0; left -= SNAPSHOT_RECORD_BYTES) {
        assert_int_equal(truncate(path, left), 0);
        assert_int_equal(newest(), 1);
    }
}

// Chunks that are each whole do not make a snapshot in another order.
static void exchanged_chunks_pass_the_snapshot_over(void **state)
{
    (void)state;
    static struct snapshot_chunk first, second;
    char path[NUMBERED_PATH_BYTES];
    assert_int_equal(save(1, 3), 0);
    assert_int_equal(save(2, 2000), 0);
    path_of(path, 2);
    int fd = __real_open(path, O_RDWR);
    off_t at = sizeof(struct snapshot_file_header);
    assert_int_equal(pread(fd, &first, sizeof first, at), sizeof first);
    assert_int_equal(pread(fd, &second, sizeof second, at + (off_t)sizeof first), sizeof second);
    assert_int_equal(pwrite(fd, &second, sizeof second, at), sizeof second);
    assert_int_equal(pwrite(fd, &first, sizeof first, at + (off_t)sizeof second), sizeof first);
    close(fd);
    assert_int_equal(newest(), 1);
}

static bool is_never_shown(void *context, const struct snapshot_record *record)
{
    uint64_t number;
    memcpy(&number, record->body.bytes, sizeof number);
    assert_true(number < *(uint64_t *)context);
    return true;
}

static void a_reader_shows_nothing_of_a_broken_chunk(void **state)
{
    (void)state;
    uint64_t bound = SNAPSHOT_CHUNK_RECORDS; // the first of the second chunk
    assert_int_equal(save(1, 2000), 0);
    flip(1, 2 * 65536);
    assert_false(snapshot_file_read(folder, 1, is_never_shown, &bound));
}

static void a_snapshot_of_an_older_format_is_passed_over(void **state)
{
    (void)state;
    assert_int_equal(save(1, 3), 0);
    struct snapshot_file_header header = {
        .magic = SNAPSHOT_MAGIC, .format = 1, .schema_version = SCHEMA_VERSION, .sequence = 2};
    header.crc = crc32c(0, &header, offsetof(struct snapshot_file_header, crc));
    char path[NUMBERED_PATH_BYTES];
    path_of(path, 2);
    int fd = __real_open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(__real_write(fd, &header, sizeof header), sizeof header);
    close(fd);
    assert_int_equal(newest(), 1);
    assert_false(snapshot_file_read(folder, 2, count_up, &(uint64_t){0}));
}

// ---- forged files: every checksum is right

struct forged {
    struct snapshot_file_header header;
    struct snapshot_chunk_header chunk;
    struct snapshot_record records[SNAPSHOT_CHUNK_RECORDS + 1];
    uint32_t count; // of records that are written
};

static void wrong_schema(struct forged *file)
{
    file->header.schema_version++;
}
static void wrong_sequence(struct forged *file)
{
    file->header.sequence++;
}
static void wrong_format(struct forged *file)
{
    file->header.format--;
}
static void chunk_of_another(struct forged *file)
{
    file->chunk.sequence++;
}
static void chunk_of_another_place(struct forged *file)
{
    file->chunk.number++;
}
static void chunk_without_records(struct forged *file)
{
    file->chunk.records = file->count = 0;
}
static void chunk_too_large(struct forged *file)
{
    file->chunk.records = file->count = SNAPSHOT_CHUNK_RECORDS + 1;
}
static void no_meta(struct forged *file)
{
    file->records[0].header.type = REC_order;
}
static void second_meta(struct forged *file)
{
    file->records[1].header.type = REC_meta;
}
static void early_end(struct forged *file)
{
    file->records[1].header.type = REC_end;
}
static void end_alone(struct forged *file)
{
    file->records[0] = file->records[3];
    file->records[0].body.end.records = 0;
    file->records[0].body.end.checksum = 0;
    file->chunk.records = file->count = 1;
}
static void end_of_more(struct forged *file)
{
    file->records[3].body.end.records++;
}
static void end_of_others(struct forged *file)
{
    file->records[3].body.end.checksum++;
}
static void no_end(struct forged *file)
{
    file->chunk.records = file->count = 3;
}
static void as_it_should_be(struct forged *file)
{
    file->header.reserved[0] = 0;
}

static void forge(uint64_t sequence, void change(struct forged *file))
{
    static struct forged file;
    char path[NUMBERED_PATH_BYTES];
    memset(&file, 0, sizeof file);
    file.header = (struct snapshot_file_header){.magic = SNAPSHOT_MAGIC,
                                                .format = SNAPSHOT_FORMAT,
                                                .schema_version = SCHEMA_VERSION,
                                                .sequence = sequence};
    file.count = 4;
    file.chunk = (struct snapshot_chunk_header){
        .magic = SNAPSHOT_CHUNK_MAGIC, .sequence = sequence, .records = file.count};
    for (uint32_t i = 0; i < 3; i++)
        file.records[i] = record_of(i);
    file.records[3].header = (struct snapshot_header){.type = REC_end, .version = SCHEMA_VERSION};
    file.records[3].body.end.records = 3;
    file.records[3].body.end.checksum = crc32c(0, file.records, 3 * sizeof file.records[0]);
    change(&file);
    size_t bytes = file.count * sizeof file.records[0];
    file.header.crc = crc32c(0, &file.header, offsetof(struct snapshot_file_header, crc));
    file.chunk.records_crc = crc32c(0, file.records, bytes);
    file.chunk.crc = crc32c(0, &file.chunk, offsetof(struct snapshot_chunk_header, crc));
    path_of(path, sequence);
    int fd = __real_open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(__real_write(fd, &file.header, sizeof file.header), sizeof file.header);
    assert_int_equal(__real_write(fd, &file.chunk, sizeof file.chunk), sizeof file.chunk);
    assert_int_equal(__real_write(fd, file.records, bytes), bytes);
    close(fd);
}

static void a_snapshot_that_is_not_made_like_ours_is_passed_over(void **state)
{
    (void)state;
    static void (*const changes[])(struct forged * file) = {wrong_schema,
                                                            wrong_sequence,
                                                            wrong_format,
                                                            chunk_of_another,
                                                            chunk_of_another_place,
                                                            chunk_without_records,
                                                            chunk_too_large,
                                                            no_meta,
                                                            second_meta,
                                                            early_end,
                                                            end_alone,
                                                            end_of_more,
                                                            end_of_others,
                                                            no_end};
    uint64_t seen = 0;
    assert_int_equal(save(1, 3), 0);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        forge(2, changes[i]);
        if (newest() != 1)
            fail_msg("change %zu", i);
        assert_false(snapshot_file_read(folder, 2, count_up, &(uint64_t){0}));
    }
    forge(2, as_it_should_be);
    assert_int_equal(newest(), 2);
    assert_true(snapshot_file_read(folder, 2, count_up, &seen));
    assert_int_equal(seen, 3);
}

static unsigned files_open(void)
{
    unsigned count = 0;
    DIR *files = opendir("/proc/self/fd");
    assert_non_null(files);
    while (readdir(files) != NULL)
        count++;
    closedir(files);
    return count;
}

static void a_folder_of_none_that_is_whole_has_no_newest(void **state)
{
    (void)state;
    uint64_t sequence;
    unsigned before = files_open();
    forge(0, no_meta);
    forge(1, no_meta);
    assert_false(snapshot_file_newest(&sequence, folder, UINT64_MAX));
    forge(0, as_it_should_be);
    assert_true(snapshot_file_newest(&sequence, folder, UINT64_MAX));
    assert_int_equal(sequence, 0);
    assert_int_equal(files_open(), before);
}

// ---- calls that fail

static void the_name_comes_after_the_sync_and_old_ones_go_last(void **state)
{
    (void)state;
    for (uint64_t sequence = 1; sequence <= SNAPSHOTS_KEPT; sequence++)
        assert_int_equal(save(sequence, 3), 0);
    memset(&disk, 0, sizeof disk);
    assert_int_equal(save(9, 600), 0);
    // Header, two chunks; file synced; name; folder synced; the oldest.
    assert_string_equal(disk.trace, "owwwsrdsu");
}

// True if call number `at` failed: there are fewer if not.
static bool save_with_failure(int at, int error)
{
    memset(&disk, 0, sizeof disk);
    disk.fail_at = at;
    disk.error = error;
    int result = save(9, 600);
    bool failed = disk.calls >= at;
    bool only_old_stays = failed && disk.trace[at - 1] == 'u' && result == 0;
    assert_true(result == (failed && !only_old_stays ? -error : 0));
    disk.fail_at = 0;
    return failed;
}

static void expect_older_snapshots(void)
{
    for (uint64_t sequence = 1; sequence <= SNAPSHOTS_KEPT; sequence++) {
        uint64_t seen = 0;
        assert_true(snapshot_file_read(folder, sequence, count_up, &seen));
    }
}

static void fail_each_call(int error)
{
    char temporary[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    snprintf(temporary, sizeof temporary, "%s/snapshot.tmp", folder);
    path_of(path, 9);
    int at = 1;
    for (; save_with_failure(at, error); at++) {
        bool renamed = memchr(disk.trace, 'r', (size_t)at - 1) != NULL;
        assert_int_equal(newest(), renamed ? 9 : SNAPSHOTS_KEPT);
        assert_int_not_equal(access(temporary, F_OK), 0);
        unlink(path);
        expect_older_snapshots();
    }
    assert_int_equal(at, 10); // "owwwsrdsu"
    unlink(path);
}

static void no_failing_call_costs_an_older_snapshot(void **state)
{
    (void)state;
    static const int errors[] = {EIO, ENOSPC};
    for (size_t e = 0; e < 2; e++) {
        for (uint64_t sequence = 1; sequence <= SNAPSHOTS_KEPT; sequence++)
            assert_int_equal(save(sequence, 3), 0);
        fail_each_call(errors[e]);
    }
}

// ---- calls that do less than they were asked

static void what_a_signal_breaks_off_goes_on(void **state)
{
    (void)state;
    uint64_t seen = 0;
    memset(&disk, 0, sizeof disk);
    disk.fail_at = 2; // the first write
    disk.error = EINTR;
    assert_int_equal(save(1, 3), 0);
    disk.reads_broken = 2;
    disk.read_error = EINTR;
    assert_true(snapshot_file_read(folder, 1, count_up, &seen));
    assert_int_equal(seen, 3);
    assert_int_equal(disk.reads_broken, 0);
    disk.reads_broken = 1; // and what cannot be read is not there
    disk.read_error = EIO;
    assert_int_equal(newest(), 0);
    assert_int_equal(newest(), 1);
}

static void a_write_of_nothing_is_an_error(void **state)
{
    (void)state;
    memset(&disk, 0, sizeof disk);
    disk.writes_of_nothing = 1;
    assert_int_equal(save(1, 3), -EIO);
    assert_int_equal(newest(), 0);
}

// Of 1 MiB each; where the file system cannot, the sync at the end does it all.
static void a_large_snapshot_goes_to_the_disk_in_pieces(void **state)
{
    (void)state;
    static const struct {
        int error, result;
    } lines[] = {{0, 0}, {ENOSYS, 0}, {ESPIPE, 0}, {EIO, -EIO}};
    const uint64_t records = SNAPSHOT_PACE_CHUNKS * SNAPSHOT_CHUNK_RECORDS;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        memset(&disk, 0, sizeof disk);
        disk.pace_error = lines[i].error;
        assert_int_equal(save(i + 1, records - 1), lines[i].result); // and `end`
        assert_int_equal(disk.paces, 1);
        disk.paces = 0;
        assert_int_equal(save(i + 1, records - 2), lines[i].result); // the last one has room
        assert_int_equal(disk.paces, 1);
        disk.paces = 0;
        assert_int_equal(save(i + 1, records - SNAPSHOT_CHUNK_RECORDS - 1), 0);
        assert_int_equal(disk.paces, 0);
    }
}

// The record that ends it fills its chunk, which cannot be written.
static void a_full_disk_at_the_very_end_leaves_nothing(void **state)
{
    (void)state;
    static struct snapshot_writer writer;
    memset(&disk, 0, sizeof disk);
    assert_int_equal(snapshot_writer_open(&writer, folder, 1), 0);
    for (uint64_t i = 0; i < SNAPSHOT_CHUNK_RECORDS - 1; i++) {
        struct snapshot_record record = record_of(i);
        assert_int_equal(snapshot_writer_add(&writer, &record), 0);
    }
    disk.fail_at = disk.calls + 1;
    disk.error = ENOSPC;
    assert_int_equal(snapshot_writer_commit(&writer), -ENOSPC);
    char path[NUMBERED_PATH_BYTES];
    snprintf(path, sizeof path, "%s/snapshot.tmp", folder);
    assert_int_not_equal(access(path, F_OK), 0);
    int calls = disk.calls;
    snapshot_writer_abandon(&writer); // once more: it is closed already
    assert_int_equal(disk.calls, calls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_snapshot_is_read_as_it_was_written, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_three_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(the_very_first_is_kept_like_others, setup, teardown),
        cmocka_unit_test_setup_teardown(a_byte_that_rotted_anywhere_passes_the_snapshot_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_shortened_or_lengthened_snapshot_is_passed_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(exchanged_chunks_pass_the_snapshot_over, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_shows_nothing_of_a_broken_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_of_an_older_format_is_passed_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_name_comes_after_the_sync_and_old_ones_go_last, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_failing_call_costs_an_older_snapshot, setup, teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_that_is_not_made_like_ours_is_passed_over, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_folder_of_none_that_is_whole_has_no_newest, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_signal_breaks_off_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_write_of_nothing_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_large_snapshot_goes_to_the_disk_in_pieces, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_at_the_very_end_leaves_nothing, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
