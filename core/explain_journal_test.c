// The journal that is asked: what cannot be opened, snapshots that are passed over, a journal that
// is not right, a venue beside it, and how long it takes. Time and who lives are this test's.
#include "core/explain_journal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/explain_story.h"
#include "core/testing_calls.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

// ---- the world

static uint64_t ahead_ns; // of the clocks
static uint64_t tick_ns;  // each look at a clock takes so long, and nothing else does; 0 = as it is
static unsigned naps;     // so far
static void (*while_napping)(struct story *told); // before each nap
static struct story *told;

int __real_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
    int result = __real_clock_gettime(id, out);
    ahead_ns += tick_ns;
    if (tick_ns != 0)
        *out = (struct timespec){0};
    uint64_t ns = (uint64_t)out->tv_nsec + ahead_ns;
    out->tv_sec += (time_t)(ns / 1000000000);
    out->tv_nsec = (long)(ns % 1000000000);
    return result;
}

int __wrap_nanosleep(const struct timespec *asked, struct timespec *left);
int __wrap_nanosleep(const struct timespec *asked, struct timespec *left)
{
    (void)left;
    naps++;
    ahead_ns += (uint64_t)asked->tv_nsec;
    if (while_napping != NULL)
        while_napping(told);
    return 0;
}

static bool kill_is_ours;
static int kill_error;
int __real_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number);
int __wrap_kill(pid_t pid, int number)
{
    if (!kill_is_ours)
        return __real_kill(pid, number);
    errno = kill_error;
    return kill_error != 0 ? -1 : 0;
}

static bool on_terminal;
int __real_isatty(int fd);
int __wrap_isatty(int fd);
int __wrap_isatty(int fd)
{
    return fd == STDERR_FILENO ? on_terminal : __real_isatty(fd);
}

// What is said on standard error from here on; its end.
static char *heard;
static size_t heard_bytes;
static FILE *ears, *voice;

static void listen(void)
{
    free(heard);
    heard = NULL;
    voice = stderr;
    ears = open_memstream(&heard, &heard_bytes);
    assert_non_null(ears);
    stderr = ears;
}

static const char *what_was_said(void)
{
    stderr = voice;
    fclose(ears);
    return heard;
}

static int begin(void **state)
{
    ahead_ns = tick_ns = 0;
    naps = 0;
    while_napping = NULL;
    kill_is_ours = on_terminal = false;
    int result = story_begin(state);
    told = *state;
    return result;
}

static int end(void **state)
{
    free(heard);
    heard = NULL;
    story_lies = (struct story_lies){0};
    return story_end(state);
}

static unsigned files_open(void)
{
    unsigned count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

// ---- opening

// Whatever is missing is named, and what was opened until then is closed.
static void what_cannot_be_opened_says_why(void **state)
{
    struct story *story = *state;
    static const struct {
        const char *call;
        unsigned at;
        int error;
        const char *said;
    } lines[] = {
        {"access", 1, EACCES, "/journal: Permission denied\n"},
        {"access", 2, EACCES, "/journal: Permission denied\n"}, // of the archive
        {"open", 1, EMFILE, "/journal: Too many open files\n"},
        {"open", 2, EMFILE, "/journal: Too many open files\n"},
        {"arena_open", 1, ENOMEM, "an engine of the journal's limits: Cannot allocate memory\n"},
        {"arena_open", 2, ENOMEM, "an engine of the journal's limits: Cannot allocate memory\n"}};
    struct explain_journal journal;
    char folder[128];
    story_write_journal(story);
    snprintf(folder, sizeof folder, "%s/journal/archive", story->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    unsigned before = files_open();
    for (size_t i = 0; i < COUNT(lines); i++) {
        listen();
        testing_calls_fail(lines[i].call, lines[i].at, lines[i].error);
        int result = explain_journal_open(&journal, story->folder);
        bool failed = testing_calls_failed();
        story_expect(what_was_said(), lines[i].said);
        assert_true(failed);
        assert_int_equal(result, EXPLAIN_NONE);
        assert_int_equal(files_open(), before);
    }
    assert_int_equal(explain_journal_open(&journal, story->folder), 0);
    explain_journal_close(&journal);
    assert_int_equal(files_open(), before);
}

static void a_folder_without_a_journal_is_named(void **state)
{
    const struct story *story = *state;
    struct explain_journal journal;
    char folder[NUMBERED_PATH_BYTES + 8];
    snprintf(folder, sizeof folder, "%s/journal", story->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(folder, sizeof folder, "%s/journal/archive", story->folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    unsigned before = files_open();
    listen();
    int result = explain_journal_open(&journal, story->folder);
    story_expect(what_was_said(), ": the journal is empty, or no segment of it names limits");
    assert_int_equal(result, EXPLAIN_NONE);
    assert_int_equal(files_open(), before);
    memset(folder, 'x', sizeof folder);
    folder[NUMBERED_PATH_BYTES - 16] = '\0';
    listen();
    result = explain_journal_open(&journal, folder);
    story_expect(what_was_said(), ": File name too long\n");
    assert_int_equal(result, EXPLAIN_NONE);
    folder[NUMBERED_PATH_BYTES - 17] = '\0'; // the longest
    listen();
    result = explain_journal_open(&journal, folder);
    (void)what_was_said();
    assert_int_equal(result, EXPLAIN_NONE);
}

// ---- where it begins

// Snapshots at 0, 5 and 10; those from `wrong` on tell what no engine can be.
static void a_snapshot_that_cannot_be_loaded_is_passed_over(void **state)
{
    struct story *story = *state;
    static const struct {
        uint64_t wrong, begins;
    } lines[] = {{11, 10}, {10, 5}, {5, 0}, {0, 0}};
    story_write_journal(story);
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct explain_journal journal;
        const struct explain_walk nothing = {0};
        char folder[128];
        snprintf(folder, sizeof folder, "%s/snapshots", story->folder);
        testing_folder_remove(folder);
        for (uint64_t sequence = 0; sequence <= 10; sequence += 5) {
            story_lies.saved_venue_state = sequence >= lines[i].wrong ? VENUE_OPEN + 1 : 0;
            story_write_snapshot(story, sequence);
        }
        story_lies.saved_venue_state = 0;
        story_open_question(story, &journal);
        assert_int_equal(explain_journal_start(&journal, 12, UINT64_MAX), 0);
        assert_int_equal(journal.snapshot, lines[i].begins);
        assert_int_equal(journal.replay.sequence, lines[i].begins);
        assert_int_equal(explain_journal_run_to(&journal, 12, &nothing), 0);
        assert_int_equal(journal.replay.sequence, 12);
        story_close_question(story, &journal);
    }
}

// A snapshot that cannot be used has to be forgotten, and there is no memory for another engine.
static void every_question_ends_where_there_is_no_memory(void **state)
{
    struct story *story = *state;
    struct explain_options options = STORY_OPTIONS;
    TELL(story, "A buys 1 @ 100 gtc");
    story_write_journal(story);
    story_lies.saved_available = 1;
    story_write_snapshot(story, 24);
    story_lies.saved_available = 0;
    for (int question = 0; question < 5; question++) {
        struct explain_journal journal;
        story_open_question(story, &journal);
        uint64_t last = story->venue->sequence;
        options.from = question == 2 ? last : 0;
        options.at_ns = question == 4 ? last : UINT64_MAX;
        listen();
        testing_calls_fail("arena_open", 1, ENOMEM);
        int result = question == 0   ? explain_order(&story->answer, &journal, last)
                     : question == 1 ? explain_reject(&story->answer, &journal, last)
                     : question == 2
                         ? explain_balance(&story->answer, &journal, FIRST, "1", &options)
                         : explain_state(&story->answer, &journal, &options);
        bool failed = testing_calls_failed();
        story_expect(what_was_said(), "an engine of the journal's limits: Cannot allocate memory");
        assert_true(failed);
        assert_int_equal(result, EXPLAIN_NONE);
        story_close_question(story, &journal);
        assert_int_equal(json_object_size(story->answer.root), 0);
    }
}

// ---- what is not right

// A journal of ticks; `digest_at` is a digest that no engine ever had.
static void keep_ticks(uint64_t count, uint64_t digest_at)
{
    assert_true(count <= STORY_COMMANDS_MAX);
    for (story_kept_count = 0; story_kept_count < count; story_kept_count++) {
        struct command *command = &story_kept[story_kept_count];
        uint8_t type = story_kept_count + 1 == digest_at ? CMD_journal_digest : CMD_clock_tick;
        memset(command, 0, sizeof *command);
        command->header = (struct command_header){.slots = command_slots(type, 0),
                                                  .type = type,
                                                  .version = SCHEMA_VERSION,
                                                  .gateway = GATEWAY_CORE,
                                                  .sequence = story_kept_count + 1,
                                                  .time_ns = story_kept_count + 1};
    }
}

static void a_journal_that_this_engine_does_not_make_is_corrupt(void **state)
{
    struct story *story = *state;
    static const struct {
        uint64_t digest_at;
        const char *said;
    } lines[] = {
        {7, "lonja-explain: sequence 7: the journal is out of order\n"},
        {4096, "lonja-explain: sequence 4096: this engine makes other events than the journal says "
               "(another version of it?)\n"}};
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct explain_journal journal;
        keep_ticks(lines[i].digest_at, lines[i].digest_at);
        story_write_journal(story);
        for (int question = 0; question < 2; question++) {
            story_open_question(story, &journal);
            listen();
            int result = question == 0 ? explain_state(&story->answer, &journal, &STORY_OPTIONS)
                                       : explain_order(&story->answer, &journal, 5000);
            assert_string_equal(what_was_said(), lines[i].said);
            assert_int_equal(result, EXPLAIN_CORRUPT);
            story_close_question(story, &journal);
            assert_int_equal(json_object_size(story->answer.root), 0);
        }
    }
}

static void a_journal_that_cannot_be_read_is_named(void **state)
{
    struct story *story = *state;
    struct explain_journal journal;
    story_write_journal(story);
    story_open_question(story, &journal);
    listen();
    testing_calls_fail("malloc", 1, ENOMEM);
    const struct explain_walk nothing = {0};
    int result = explain_journal_run_to(&journal, 5, &nothing);
    assert_true(testing_calls_failed());
    story_expect(what_was_said(), ": Cannot allocate memory\n");
    assert_int_equal(result, EXPLAIN_NONE);
    story_close_question(story, &journal);
}

// ---- beside a venue

static void say_status(const struct story *story, const char *text, time_t made)
{
    char path[128];
    snprintf(path, sizeof path, "%s/status.json", story->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    const struct timespec times[2] = {{.tv_sec = made}, {.tv_sec = made}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void a_status_says_whether_a_venue_lives(void **state)
{
    struct story *story = *state;
    static const struct {
        const char *status;
        int error; // of a signal to its supervisor
        bool lives;
    } lines[] = {
        {"{\"supervisor_pid\": 9, \"core_state\": \"running\", \"durable_seq\": 7}", 0, true},
        {"{\"supervisor_pid\": 9, \"core_state\": \"running\", \"durable_seq\": 7}", EPERM, true},
        {"{\"supervisor_pid\": 9, \"core_state\": \"running\", \"durable_seq\": 7}", ESRCH, false},
        {"{\"supervisor_pid\": 9, \"core_state\": \"starting\", \"durable_seq\": 7}", 0, false},
        {"{\"supervisor_pid\": 9, \"durable_seq\": 7}", 0, false},
        {"{\"supervisor_pid\": 0, \"core_state\": \"running\", \"durable_seq\": 7}", 0, false},
        {"{\"supervisor_pid\": 9, \"core_st", 0, false}};
    story_write_journal(story);
    kill_is_ours = true;
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct explain_journal journal;
        say_status(story, lines[i].status, 0);
        kill_error = lines[i].error;
        story_open_question(story, &journal);
        assert_int_equal(journal.live, lines[i].lives);
        assert_true(journal.durable == (lines[i].lives ? 7 : UINT64_MAX));
        story_close_question(story, &journal);
    }
}

static const char LIVES[] =
    "{\"supervisor_pid\": 9, \"core_state\": \"running\", \"durable_seq\": 7}";

static void status_gets_younger(struct story *story)
{
    if (naps == 3)
        say_status(story,
                   "{\"supervisor_pid\": 9, \"core_state\": \"running\", \"durable_seq\": 9}",
                   4000000000);
}

static void status_goes(struct story *story)
{
    char path[128];
    snprintf(path, sizeof path, "%s/status.json", story->folder);
    if (naps == 3)
        assert_int_equal(unlink(path), 0);
}

// The end is as of the question: a status from before it does not do, for three seconds.
static void the_end_of_a_living_journal_is_as_new_as_the_question(void **state)
{
    struct story *story = *state;
    static const struct {
        void (*meanwhile)(struct story *story);
        time_t made;
        unsigned naps;
        uint64_t ends;
    } lines[] = {{NULL, 4000000000, 0, 7},
                 {status_gets_younger, 0, 3, 9},
                 {status_goes, 0, 4, 25}, // the venue has ended: all of it
                 {NULL, 0, 150, 7}};
    kill_is_ours = true;
    kill_error = 0;
    story_write_journal(story);
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct explain_journal journal;
        const struct explain_walk nothing = {0};
        say_status(story, LIVES, lines[i].made);
        naps = 0;
        while_napping = lines[i].meanwhile;
        story_open_question(story, &journal);
        assert_int_equal(explain_journal_run(&journal, UINT64_MAX, &nothing), 0);
        assert_int_equal(naps, lines[i].naps);
        assert_int_equal(journal.replay.sequence, lines[i].ends);
        story_close_question(story, &journal);
    }
}

// The last page of the first segment, as it will be.
static uint8_t last_page[4096];
static off_t last_page_at;

static int open_segment(const struct story *story)
{
    char path[128];
    snprintf(path, sizeof path, "%s/journal/%020d.journal", story->folder, 1);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    return fd;
}

static void last_page_comes(struct story *story)
{
    int fd = open_segment(story);
    assert_int_equal(pwrite(fd, last_page, sizeof last_page, last_page_at), sizeof last_page);
    close(fd);
}

static void take_last_page_away(struct story *story)
{
    static const uint8_t nothing[sizeof last_page];
    int fd = open_segment(story);
    for (off_t at = 0; pread(fd, last_page, sizeof last_page, at) == sizeof last_page;
         at += (off_t)sizeof last_page)
        if (memcmp(last_page, nothing, sizeof nothing) != 0)
            last_page_at = at;
    assert_int_equal(pread(fd, last_page, sizeof last_page, last_page_at), sizeof last_page);
    assert_int_equal(pwrite(fd, nothing, sizeof nothing, last_page_at), sizeof nothing);
    close(fd);
}

// What is durable may not be seen yet: the block that was read ahead was not there. It is waited
// for, three seconds.
static void a_durable_block_is_waited_for(void **state)
{
    struct story *story = *state;
    static const struct {
        void (*meanwhile)(struct story *story);
        uint64_t ends;
    } lines[] = {{last_page_comes, 25}, {NULL, 0}};
    kill_is_ours = true;
    kill_error = 0;
    story_write_journal(story);
    say_status(story, "{\"supervisor_pid\": 9, \"core_state\": \"running\", \"durable_seq\": 25}",
               4000000000);
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct explain_journal journal;
        const struct explain_walk nothing = {0};
        take_last_page_away(story);
        naps = 0;
        while_napping = lines[i].meanwhile;
        story_open_question(story, &journal);
        assert_int_equal(explain_journal_run(&journal, 25, &nothing), 0);
        assert_int_equal(journal.replay.sequence, lines[i].ends);
        assert_in_range(naps, 1, 151);
        story_close_question(story, &journal);
    }
}

// ---- how long it takes

// Each look at a clock takes this long; one is had every 1,024 commands, of which there are 4,095.
static void who_waits_long_is_told_how_far_it_is(void **state)
{
    struct story *story = *state;
    static const struct {
        bool terminal;
        uint64_t tick_ms;
        const char *said;
    } lines[] = {{false, 1, ""},
                 {true, 1, ""},
                 {false, 1100, "lonja-explain: replaying, at sequence 1024\n"},
                 {false, 11000,
                  "lonja-explain: replaying, at sequence 1024\n"
                  "lonja-explain: replaying, at sequence 2048\n"
                  "lonja-explain: replaying, at sequence 3072\n"},
                 {true, 1100,
                  "\rlonja-explain: replaying, at sequence 1024"
                  "\rlonja-explain: replaying, at sequence 2048"
                  "\rlonja-explain: replaying, at sequence 3072\r\033[K"},
                 {true, 249, "\r\033[K"}};
    keep_ticks(4095, 0);
    story_write_journal(story);
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct explain_journal journal;
        const struct explain_walk nothing = {0};
        story_open_question(story, &journal);
        on_terminal = lines[i].terminal;
        tick_ns = lines[i].tick_ms * 1000000;
        listen();
        int result = explain_journal_run(&journal, UINT64_MAX, &nothing);
        assert_string_equal(what_was_said(), lines[i].said);
        tick_ns = 0;
        assert_int_equal(result, 0);
        assert_int_equal(journal.replay.sequence, 4095);
        story_close_question(story, &journal);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_cannot_be_opened_says_why),
        TEST(a_folder_without_a_journal_is_named),
        TEST(a_snapshot_that_cannot_be_loaded_is_passed_over),
        TEST(every_question_ends_where_there_is_no_memory),
        TEST(a_journal_that_this_engine_does_not_make_is_corrupt),
        TEST(a_journal_that_cannot_be_read_is_named),
        TEST(a_status_says_whether_a_venue_lives),
        TEST(the_end_of_a_living_journal_is_as_new_as_the_question),
        TEST(a_durable_block_is_waited_for),
        TEST(who_waits_long_is_told_how_far_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
