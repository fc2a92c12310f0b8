// The operator's words on a standby and a primary: status and text of each, over a real state
// folder, with every call on the way failing once.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/journal_io.h"
#include "core/numbered_file.h"
#include "core/replica_fence.h"
#include "core/replica_note.h"
#include "core/standby_tool.h"
#include "core/testing_calls.h"
#include "core/testing_journal.h"

enum { DONE = 0, FAILED = 1, USAGE = 2, REFUSED = 3 };

// Whoever holds the journal lets go of it at this pause of the tool's; 0 = never.
static unsigned pauses, lets_go_at;
static int held[2] = {-1, -1};

static void let_go(void)
{
    for (int i = 0; i < 2; i++)
        if (held[i] >= 0)
            close(held[i]);
    held[0] = held[1] = -1;
}

int __wrap_nanosleep(const struct timespec *pause, struct timespec *rest);
int __wrap_nanosleep(const struct timespec *pause, struct timespec *rest)
{
    (void)pause, (void)rest;
    if (++pauses == lets_go_at)
        let_go();
    return 0;
}

// ---- fixture

static char folder[64], journal[NUMBERED_PATH_BYTES];
static char said[8192];

static int setup(void **state)
{
    (void)state;
    testing_folder_make(folder);
    snprintf(journal, sizeof journal, "%s/journal", folder);
    pauses = lets_go_at = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    let_go();
    testing_folder_remove(folder);
    return 0;
}

static void make_journal(void)
{
    struct journal_io io;
    struct journal_io_file file;
    assert_int_equal(journal_io_file_open(&io, &file, journal, false), 0);
    assert_int_equal(testing_make_journal(&io), 120);
    journal_io_file_close(&file);
}

static void hold(int which, const char *name)
{
    char path[NUMBERED_PATH_BYTES];
    path_join(path, journal, name);
    held[which] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    assert_true(held[which] >= 0);
    assert_int_equal(flock(held[which], LOCK_EX | LOCK_NB), 0);
}

// Runs the tool; what it says on either stream is in `said`. `at`: the call that fails, 0 = none.
static int run_failing(const char **words, unsigned at, int error, bool *failed)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(NULL);
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    char *copied[16]; // as main has them
    size_t count = 0;
    while (words[count] != NULL)
        count++;
    memcpy(copied, words, (count + 1) * sizeof *words);
    testing_calls_fail(NULL, at, error);
    int status = standby_tool(copied);
    *failed = testing_calls_failed();
    fflush(NULL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    rewind(file);
    said[fread(said, 1, sizeof said - 1, file)] = '\0';
    fclose(file);
    return status;
}

static void expect(const char **words, int status, const char *text)
{
    bool failed;
    int result = run_failing(words, 0, 0, &failed);
    if (result != status || strstr(said, text) == NULL)
        fail_msg("%s: status %d, not %d; it said: %s", words[0], result, status, said);
}

#define WORDS(...)                ((const char *[]){__VA_ARGS__, NULL})
#define EXPECT(status, text, ...) expect(WORDS(__VA_ARGS__), status, text)

static void expect_fence(uint64_t epoch)
{
    struct replica_fence fence;
    assert_int_equal(replica_fence_read(&fence, folder), 0);
    assert_int_equal(fence.epoch, epoch);
    assert_true(fence.own || epoch == 0);
}

// ---- tests

static void words_that_are_none_have_the_usage_and_change_nothing(void **state)
{
    (void)state;
    char lengthy[NUMBERED_PATH_BYTES];
    memset(lengthy, 'x', sizeof lengthy - 1);
    lengthy[sizeof lengthy - 1] = '\0';
    EXPECT(DONE, "Usage: lonja standby", "--help");
    EXPECT(DONE, "Usage: lonja standby", "promote", "-h");
    EXPECT(USAGE, "Usage:", "restore");
    EXPECT(USAGE, "Usage:", "restore", "--state");
    EXPECT(USAGE, "Usage:", "restore", "--folder", folder);
    EXPECT(USAGE, "Usage:", "restore", "--state", lengthy);
    EXPECT(USAGE, "Usage:", "degrade", "--state", folder);
    EXPECT(USAGE, "Usage:", "degrade", "--state", folder, "--reason", "");
    EXPECT(USAGE, "Usage:", "promote", "--state", folder);
    EXPECT(USAGE, "Usage:", "demote", "--state", folder, "--reason", "no such word");
    assert_false(replica_note_exists(folder, ""));
}

static void an_operator_degrades_and_restores(void **state)
{
    (void)state;
    EXPECT(DONE, "restored", "restore", "--state", folder); // what was not degraded is fine
    EXPECT(DONE, "degraded", "degrade", "--state", folder, "--reason", "the other host is gone");
    assert_true(replica_note_exists(folder, REPLICA_NOTE_DEGRADED));
    EXPECT(DONE, "restored", "restore", "--state", folder);
    assert_false(replica_note_exists(folder, REPLICA_NOTE_DEGRADED));
}

// Whichever call fails: status 1 and why, and it can be said again.
static void a_disk_that_fails_is_said_and_the_word_may_be_repeated(void **state)
{
    (void)state;
    const char **degrade = WORDS("degrade", "--state", folder, "--reason", "a test");
    const char **restore = WORDS("restore", "--state", folder);
    unsigned degraded = 0, restored = 0;
    bool failed = true;
    for (unsigned at = 1; failed; at++) {
        int status = run_failing(degrade, at, EIO, &failed);
        degraded += status == FAILED;
        assert_int_equal(status, failed ? FAILED : DONE);
        assert_true(!failed || strstr(said, strerror(EIO)) != NULL);
    }
    failed = true;
    for (unsigned at = 1; failed; at++) {
        EXPECT(DONE, "degraded", "degrade", "--state", folder, "--reason", "a test");
        int status = run_failing(restore, at, EIO, &failed);
        restored += status == FAILED;
        assert_int_equal(status, failed ? FAILED : DONE);
    }
    assert_true(degraded >= 4 && restored >= 2);
}

// A disk that is full takes part of a note; it is not put in the place of the whole one.
static void a_note_on_a_full_disk_is_not_written(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    EXPECT(DONE, "restored", "restore", "--state", folder);
    snprintf(path, sizeof path, "%s/" REPLICA_FOLDER, folder);
    assert_int_equal(state_folder_make(path), 0);
    snprintf(path, sizeof path, "%s/" REPLICA_FOLDER "/degraded.tmp", folder);
    assert_int_equal(symlink("/dev/full", path), 0);
    EXPECT(FAILED, strerror(EIO), "degrade", "--state", folder, "--reason", "a test");
    assert_false(replica_note_exists(folder, REPLICA_NOTE_DEGRADED));
}

static void a_note_whose_path_is_too_long_is_none(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES], lengthy[NUMBERED_PATH_BYTES];
    struct replica_fence fence;
    // From a state folder whose own path is too long to one where only the suffix does not fit.
    static const size_t lengths[] = {NUMBERED_PATH_BYTES - 1, NUMBERED_PATH_BYTES - 15,
                                     NUMBERED_PATH_BYTES - 20};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        memset(lengthy, 'x', lengths[i]);
        lengthy[lengths[i]] = '\0';
        assert_int_equal(replica_note_write(lengthy, "fence", "text"), -ENAMETOOLONG);
        if (i == 2)
            break;
        assert_false(replica_note_path(path, lengthy, "fence"));
        assert_false(replica_note_exists(lengthy, "fence"));
        assert_int_equal(replica_note_remove(lengthy, "fence"), -ENAMETOOLONG);
        assert_int_equal(replica_fence_read(&fence, lengthy), -ENAMETOOLONG);
    }
}

static void a_host_that_followed_is_promoted_above_all_that_was(void **state)
{
    (void)state;
    const char **words = WORDS("promote", "--state", folder, "--reason", "the primary\nburned");
    expect(words, FAILED, strerror(ENOENT)); // no journal at all
    assert_int_equal(state_folder_make(journal), 0);
    expect(words, REFUSED, "the journal is empty");
    expect_fence(0);
    make_journal();
    expect(words, DONE, "the journal ends at sequence 120 of epoch 2; the next epoch is 1000001");
    expect_fence(1000001);
    expect(words, DONE, "the next epoch is 2000001");
    expect_fence(2000001);
    assert_int_equal(replica_note_write(folder, "fence", "epoch 10000"), 0); // cut short
    expect(words, FAILED, strerror(EBADMSG));
}

static void a_fence_that_cannot_be_read_is_not_overwritten(void **state)
{
    (void)state;
    static const char *const damaged[] = {"", "epoch 0 promoted here: a\n",
                                          "epoch 7 promoted here: no end",
                                          "epoch 7 promoted nowhere: a\n", "epoch seven\n"};
    struct replica_fence fence;
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        assert_int_equal(replica_note_write(folder, "fence", damaged[i]), 0);
        assert_int_equal(replica_fence_read(&fence, folder), -EBADMSG);
    }
    assert_int_equal(replica_note_remove(folder, "fence"), 0);
    char path[NUMBERED_PATH_BYTES];
    assert_true(replica_note_path(path, folder, "fence"));
    assert_int_equal(mkdir(path, 0750), 0);
    assert_int_equal(replica_fence_read(&fence, folder), -EISDIR);
}

static void a_corrupt_journal_is_not_promoted(void **state)
{
    (void)state;
    char path[NUMBERED_PATH_BYTES];
    uint64_t last;
    make_journal();
    assert_true(numbered_largest(&last, journal, JOURNAL_SUFFIX, UINT64_MAX));
    numbered_path(path, journal, last, JOURNAL_SUFFIX);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "x", 1, JOURNAL_PAGE_BYTES + 77), 1);
    close(fd);
    EXPECT(REFUSED, "corrupt", "promote", "--state", folder, "--reason", "a test");
    expect_fence(0);
}

static void a_primary_is_not_promoted(void **state)
{
    (void)state;
    make_journal();
    hold(0, "lock");
    EXPECT(REFUSED, "a primary already", "promote", "--state", folder, "--reason", "a test");
    expect_fence(0);
}

// The standby sees the fence and ends; one that does not is named, and the promotion stands.
static void a_standby_that_follows_is_waited_for(void **state)
{
    (void)state;
    make_journal();
    hold(0, "lock");
    hold(1, STANDBY_LOCK_NAME);
    lets_go_at = 3;
    EXPECT(DONE, "promoted", "promote", "--state", folder, "--reason", "a test");
    assert_int_equal(pauses, 3);
    hold(0, "lock");
    hold(1, STANDBY_LOCK_NAME);
    lets_go_at = 0;
    EXPECT(FAILED, "a process still holds", "promote", "--state", folder, "--reason", "a test");
    expect_fence(2000001);
}

// Whichever call fails: what it says it did, it did, and the fence is none or a whole one.
static void a_promotion_that_fails_leaves_a_fence_or_none(void **state)
{
    (void)state;
    const char **words = WORDS("promote", "--state", folder, "--reason", "a test");
    unsigned failures = 0;
    make_journal();
    bool failed = true;
    for (unsigned at = 1; failed; at++) {
        struct replica_fence before, after;
        assert_int_equal(replica_fence_read(&before, folder), 0);
        int status = run_failing(words, at, EIO, &failed);
        assert_int_equal(replica_fence_read(&after, folder), 0);
        assert_true(after.own || after.epoch == 0);
        assert_true(after.epoch == before.epoch ||
                    after.epoch == (before.epoch / 1000000 + 1) * 1000000 + 1);
        if (status == DONE)
            assert_true(after.epoch > before.epoch);
        failures += status == FAILED;
    }
    assert_true(failures > 10);
}

#define TOOL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TOOL_TEST(words_that_are_none_have_the_usage_and_change_nothing),
        TOOL_TEST(an_operator_degrades_and_restores),
        TOOL_TEST(a_disk_that_fails_is_said_and_the_word_may_be_repeated),
        TOOL_TEST(a_note_on_a_full_disk_is_not_written),
        TOOL_TEST(a_note_whose_path_is_too_long_is_none),
        TOOL_TEST(a_host_that_followed_is_promoted_above_all_that_was),
        TOOL_TEST(a_fence_that_cannot_be_read_is_not_overwritten),
        TOOL_TEST(a_corrupt_journal_is_not_promoted),
        TOOL_TEST(a_primary_is_not_promoted),
        TOOL_TEST(a_standby_that_follows_is_waited_for),
        TOOL_TEST(a_promotion_that_fails_leaves_a_fence_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
