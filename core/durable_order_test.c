// What is made durable, and in which order: a snapshot's bytes before it has its name, its name
// before an older one goes. A file system may lose all that was not asked for, and no test that
// only kills processes sees it; so the calls themselves are seen (-Wl,--wrap).
#include "core/testing.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/snapshot_file.h"

static char calls[256];

static void note(const char *call)
{
    size_t used = strlen(calls);
    (void)snprintf(calls + used, sizeof calls - used, "%s%s", used != 0 ? " " : "", call);
}

int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __real_rename(const char *from, const char *to);
int __real_unlink(const char *path);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __wrap_rename(const char *from, const char *to);
int __wrap_unlink(const char *path);

static void note_sync(int fd)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    note(S_ISDIR(status.st_mode) ? "sync-folder" : "sync-file");
}

int __wrap_fsync(int fd)
{
    note_sync(fd);
    return __real_fsync(fd);
}

int __wrap_fdatasync(int fd)
{
    note_sync(fd);
    return __real_fdatasync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
    note("rename");
    return __real_rename(from, to);
}

int __wrap_unlink(const char *path)
{
    note("unlink");
    return __real_unlink(path);
}

static void write_snapshot(const char *folder, uint64_t sequence)
{
    struct snapshot_writer writer;
    struct snapshot_record record = {.header = {.type = REC_meta, .version = SCHEMA_VERSION}};
    record.body.meta.sequence = sequence;
    calls[0] = '\0';
    assert_int_equal(snapshot_writer_open(&writer, folder, sequence), 0);
    assert_int_equal(snapshot_writer_add(&writer, &record), 0);
    assert_int_equal(snapshot_writer_commit(&writer), 0);
}

static void
a_snapshot_is_synced_before_it_has_its_name_and_that_before_an_old_one_goes(void **state)
{
    char folder[64];
    (void)state;
    testing_folder_make(folder);
    for (uint64_t sequence = 1; sequence <= 3; sequence++) {
        write_snapshot(folder, sequence);
        assert_string_equal(calls, "sync-file rename sync-folder");
    }
    write_snapshot(folder, 4);
    assert_string_equal(calls, "sync-file rename sync-folder unlink");
    uint64_t newest = 0;
    assert_true(snapshot_file_newest(&newest, folder, UINT64_MAX));
    assert_int_equal(newest, 4);
    assert_true(snapshot_file_newest(&newest, folder, 2));
    assert_int_equal(newest, 2);
    assert_false(snapshot_file_newest(&newest, folder, 1));
    testing_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_snapshot_is_synced_before_it_has_its_name_and_that_before_an_old_one_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
