// The real disk, and a disk that refuses: what a call of it fails with is what the journal is told.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/journal_format.h"
#include "core/journal_io.h"
#include "core/numbered_file.h"
#include "core/testing_calls.h"

static char folder[64];
static struct journal_io io;
static struct journal_io_file file;
static _Alignas(4096) uint8_t page[2 * JOURNAL_PAGE_BYTES];

static int setup(void **state)
{
    (void)state;
    testing_folder_make(folder);
    return journal_io_file_open(&io, &file, folder, true);
}

static int teardown(void **state)
{
    (void)state;
    journal_io_file_close(&file);
    testing_folder_remove(folder);
    return 0;
}

static int make(const char *name, enum journal_io_mode mode)
{
    int fd = io.open(io.context, name, mode);
    assert_true(fd >= 0);
    return fd;
}

static void count_name(void *context, const char *name)
{
    unsigned *count = context;
    assert_string_equal(name, "one");
    ++*count;
}

static void every_call_says_what_it_failed_with(void **state)
{
    (void)state;
    unsigned count = 0;
    int fd = make("one", JOURNAL_IO_CREATE);
    static const char *const calls[] = {"openat", "fdopendir"};
    for (size_t i = 0; i < 2; i++) {
        testing_calls_fail(calls[i], 1, EMFILE);
        assert_int_equal(io.list(io.context, count_name, &count), -EMFILE);
        assert_int_equal(count, 0);
    }
    assert_int_equal(io.list(io.context, count_name, &count), 0);
    assert_int_equal(count, 1);
    testing_calls_fail("fstat", 1, EIO);
    assert_int_equal(io.size(io.context, fd), -EIO);
    testing_calls_fail("pread", 1, EIO);
    assert_int_equal(io.read(io.context, fd, page, sizeof page, 0), -EIO);
    testing_calls_fail("pwrite", 1, ENOSPC);
    assert_int_equal(io.write(io.context, fd, page, sizeof page, 0), -ENOSPC);
    testing_calls_fail("fdatasync", 1, EIO);
    assert_int_equal(io.sync(io.context, fd), -EIO);
    testing_calls_fail("renameat", 1, EIO);
    assert_int_equal(io.rename(io.context, "one", "two"), -EIO);
    testing_calls_fail("unlinkat", 1, EIO);
    assert_int_equal(io.remove(io.context, "one"), -EIO);
    testing_calls_fail("fsync", 1, EIO);
    assert_int_equal(io.sync_folder(io.context), -EIO);
    assert_int_equal(io.sync(io.context, 999), -EBADF);
    assert_int_equal(io.open(io.context, "none", JOURNAL_IO_READ), -ENOENT);
    io.close(io.context, fd);
}

// Half a write is a full disk, and what was read is read to the end of the file and no further.
static void a_short_write_is_an_error_and_a_short_read_is_the_end(void **state)
{
    (void)state;
    int fd = make("one", JOURNAL_IO_CREATE);
    testing_calls_fail("pwrite", 1, 0);
    assert_int_equal(io.write(io.context, fd, page, sizeof page, 0), -EIO);
    assert_int_equal(io.size(io.context, fd), sizeof page / 2);
    assert_int_equal(io.read(io.context, fd, page, sizeof page, 0), sizeof page / 2);
    assert_int_equal(io.read(io.context, fd, page, sizeof page, sizeof page), 0);
    assert_int_equal(io.write(io.context, fd, page, sizeof page, 0), 0);
    assert_int_equal(io.size(io.context, fd), sizeof page);
    io.close(io.context, fd);
}

// Where the disk does not take O_DIRECT it is written through the page cache, and synced by itself.
static void every_mode_is_synced_where_it_is_not_written_through(void **state)
{
    (void)state;
    static const enum journal_io_mode modes[] = {JOURNAL_IO_CREATE, JOURNAL_IO_FILL,
                                                 JOURNAL_IO_WRITE};
    for (size_t i = 0; i < 3; i++)
        for (int refused = 0; refused < 2; refused++) {
            testing_calls_fail("openat", (unsigned)refused, EINVAL);
            int fd = io.open(io.context, "one", modes[i]);
            testing_calls_fail(NULL, 0, 0);
            if (refused && modes[i] == JOURNAL_IO_CREATE) { // there is no second way
                assert_int_equal(fd, -EINVAL);
                continue;
            }
            assert_true(fd >= 0);
            bool through = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
            if (refused || modes[i] != JOURNAL_IO_WRITE)
                assert_false(through);
            testing_calls_fail("fdatasync", 1, EIO);
            assert_int_equal(io.sync(io.context, fd), through ? 0 : -EIO);
            testing_calls_fail(NULL, 0, 0);
            io.close(io.context, fd);
        }
}

static void who_does_not_want_it_durable_syncs_nothing(void **state)
{
    (void)state;
    file.durable = false;
    int fd = make("one", JOURNAL_IO_FILL);
    assert_int_equal(fcntl(fd, F_GETFL) & O_DSYNC, 0);
    testing_calls_fail("fdatasync", 1, EIO);
    assert_int_equal(io.sync(io.context, fd), 0);
    testing_calls_fail("fsync", 1, EIO);
    assert_int_equal(io.sync_folder(io.context), 0);
    testing_calls_fail(NULL, 0, 0);
    io.close(io.context, fd);
}

static void a_folder_and_its_lock_can_be_refused(void **state)
{
    (void)state;
    struct journal_io other;
    struct journal_io_file other_file;
    char path[NUMBERED_PATH_BYTES];
    path_join(path, folder, "a/b/c");
    for (unsigned at = 2; at <= 5; at++) { // of "/tmp", the state folder, a, b, c
        testing_calls_fail("mkdir", at, EACCES);
        assert_int_equal(journal_io_file_open(&other, &other_file, path, true), -EACCES);
    }
    testing_calls_fail("open", 1, EMFILE);
    assert_int_equal(journal_io_file_open(&other, &other_file, path, true), -EMFILE);
    testing_calls_fail("openat", 1, EACCES);
    assert_int_equal(journal_io_file_lock(&file), -EACCES);
    int lock = journal_io_file_lock(&file);
    assert_true(lock >= 0);
    assert_int_equal(journal_io_file_lock(&file), -EWOULDBLOCK);
    close(lock);
    assert_int_equal(folder_sync("/nowhere"), -ENOENT);
    testing_calls_fail("fsync", 1, EIO);
    assert_int_equal(folder_sync(folder), -EIO);
    assert_int_equal(folder_sync(folder), 0);
}

static void a_numbered_name_is_exactly_that(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool numbered;
    } cases[] = {
        {"00000000000000000042.tape", true},  {"00000000000000000042-tape", false},
        {"00000000000000000042.tap", false},  {"00000000000000000042.tape2", false},
        {"0000000000000000004.tape", false},  {"000000000000000000042.tape", false},
        {"0000000000000000004x.tape", false}, {"/0000000000000000042.tape", false},
        {":0000000000000000042.tape", false}, {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t number = 7;
        assert_int_equal(numbered_parse(&number, cases[i].name, "tape"), cases[i].numbered);
        assert_int_equal(number, cases[i].numbered ? 42 : 7);
    }
}

static void numbers_are_found_between_their_limits(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {30, 10, 40, 20};
    uint64_t number;
    assert_false(numbered_largest(&number, "/nowhere", "tape", UINT64_MAX));
    for (size_t i = 0; i < 4; i++) {
        char name[NUMBERED_NAME_BYTES];
        numbered_name(name, numbers[i], "tape");
        io.close(io.context, make(name, JOURNAL_IO_CREATE));
    }
    static const struct {
        uint64_t limit, largest, next;
    } cases[] = {{9, 0, 10}, {10, 10, 10}, {11, 10, 20}, {40, 40, 40}, {41, 40, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        number = 0;
        assert_int_equal(numbered_largest(&number, folder, "tape", cases[i].limit),
                         cases[i].largest != 0);
        assert_int_equal(number, cases[i].largest);
        number = 0;
        assert_int_equal(numbered_next(&number, folder, "tape", cases[i].limit),
                         cases[i].next != 0);
        assert_int_equal(number, cases[i].next);
    }
    assert_true(numbered_smallest(&number, folder, "tape"));
    assert_int_equal(number, 10);
}

int main(void)
{
#define DISK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        DISK_TEST(every_call_says_what_it_failed_with),
        DISK_TEST(a_short_write_is_an_error_and_a_short_read_is_the_end),
        DISK_TEST(every_mode_is_synced_where_it_is_not_written_through),
        DISK_TEST(who_does_not_want_it_durable_syncs_nothing),
        DISK_TEST(a_folder_and_its_lock_can_be_refused),
        DISK_TEST(a_numbered_name_is_exactly_that),
        DISK_TEST(numbers_are_found_between_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
