// CRC32C, checked arithmetic, arena, digest, log: the small tools.
#include "base/testing.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/answer_cpu.h"
#include "base/arena.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/digest.h"
#include "base/fnv1a.h"
#include "base/log.h"
#include "base/memfile.h"

static void a_small_machine_has_an_answer_cpu_unless_told_otherwise(void **state)
{
    (void)state;
    assert_int_equal(answer_cpu_choose(ANSWER_CPU_AUTOMATIC, 0, -1),
                     -1); // the system does not tell
    assert_int_equal(answer_cpu_choose(ANSWER_CPU_AUTOMATIC, 1, 0), -1);
    assert_int_equal(answer_cpu_choose(ANSWER_CPU_AUTOMATIC, 2, 1), 1);
    assert_int_equal(answer_cpu_choose(ANSWER_CPU_AUTOMATIC, 4, 7), 7);
    assert_int_equal(answer_cpu_choose(ANSWER_CPU_AUTOMATIC, 5, 4), -1);
    assert_int_equal(answer_cpu_choose(ANSWER_CPU_NONE, 2, 1), -1);
    assert_int_equal(answer_cpu_choose(0, 16, 15), 0);
}

static int cpus_of_this_thread(void)
{
    cpu_set_t cpus;
    assert_int_equal(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    return CPU_COUNT(&cpus);
}

static int first_cpu_of_this_thread(void)
{
    cpu_set_t cpus;
    assert_int_equal(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    int cpu = 0;
    while (!CPU_ISSET((size_t)cpu, &cpus))
        cpu++;
    return cpu;
}

static void only_where_the_core_blocks_and_shares_is_a_thread_kept_there(void **state)
{
    (void)state;
    cpu_set_t before;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    int cpus = CPU_COUNT(&before);
    struct config config = {
        .venue_answer_cpu = first_cpu_of_this_thread(), .core_wait = 0, .core_cpu = -1};
    answer_cpu_keep(pthread_self(), &config, "test");
    config.core_wait = 2;
    config.core_cpu = 0;
    answer_cpu_keep(pthread_self(), &config, "test");
    config.core_cpu = -1;
    config.venue_answer_cpu = CPU_SETSIZE - 1; // there is none: the log says so, and that is all
    answer_cpu_keep(pthread_self(), &config, "test");
    assert_int_equal(cpus_of_this_thread(), cpus);
    config.venue_answer_cpu = first_cpu_of_this_thread();
    answer_cpu_keep(pthread_self(), &config, "test");
    assert_int_equal(cpus_of_this_thread(), 1);
    assert_int_equal(first_cpu_of_this_thread(), config.venue_answer_cpu);
    answer_cpu_leave(&config); // there is no other: it stays
    assert_int_equal(cpus_of_this_thread(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    answer_cpu_leave(&config);
    assert_int_equal(cpus_of_this_thread(), cpus > 1 ? cpus - 1 : 1);
    assert_true(cpus == 1 || first_cpu_of_this_thread() != config.venue_answer_cpu);
    config.core_wait = 0;
    answer_cpu_leave(&config);
    assert_int_equal(cpus_of_this_thread(), cpus > 1 ? cpus - 1 : 1);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void crc32c_gives_the_published_values(void **state)
{
    (void)state;
    unsigned char block[32];
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    memset(block, 0, sizeof block); // RFC 3720, B.4
    assert_int_equal(crc32c(0, block, sizeof block), 0x8a9136aa);
    memset(block, 0xff, sizeof block);
    assert_int_equal(crc32c(0, block, sizeof block), 0x62a8ab43);
    for (unsigned i = 0; i < sizeof block; i++)
        block[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, block, sizeof block), 0x46dd794e);
}

// Of the authors' test suite (isthe.com/chongo/src/fnv/test_fnv.c).
static void fnv1a_gives_the_published_values(void **state)
{
    (void)state;
    assert_true(fnv1a(FNV1A_BASIS, "", 0) == 0xcbf29ce484222325);
    assert_true(fnv1a(FNV1A_BASIS, "a", 1) == 0xaf63dc4c8601ec8c);
    assert_true(fnv1a(FNV1A_BASIS, "foobar", 6) == 0x85944171f73967e8);
    assert_true(fnv1a(fnv1a(FNV1A_BASIS, "foo", 3), "bar", 3) == 0x85944171f73967e8);
}

// Bit by bit, as the polynomial says.
static uint32_t crc32c_slowly(uint32_t crc, const unsigned char *data, size_t bytes)
{
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void crc32c_of_long_data_is_that_of_the_polynomial(void **state)
{
    (void)state;
    static unsigned char data[5000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * i * 31 + i / 7);
    for (size_t bytes = 0; bytes <= sizeof data; bytes += 1 + bytes / 50)
        for (size_t from = 0; from < 3 && from <= bytes; from++)
            assert_int_equal(crc32c(77, data + from, bytes - from),
                             crc32c_slowly(77, data + from, bytes - from));
}

static void crc32c_goes_on_where_it_stopped(void **state)
{
    (void)state;
    const char text[] = "a lonja is the hall in which merchants struck their bargains";
    uint32_t whole = crc32c(0, text, sizeof text);
    for (size_t cut = 0; cut <= sizeof text; cut++)
        assert_int_equal(crc32c(crc32c(0, text, cut), text + cut, sizeof text - cut), whole);
}

static void checked_arithmetic_refuses_what_does_not_fit(void **state)
{
    (void)state;
    int64_t out = 7;
    assert_false(checked_add_i64(&out, INT64_MAX, 1));
    assert_false(checked_sub_i64(&out, INT64_MIN, 1));
    assert_false(checked_mul_i64(&out, INT64_MAX, 2));
    assert_false(checked_mul_div_i64(&out, 1, 1, 0));
    assert_false(checked_mul_div_i64(&out, INT64_MAX, 4, 2));
    assert_int_equal(out, 7); // nothing is written on failure
    assert_true(checked_mul_div_i64(&out, INT64_MAX, 4, 4));
    assert_int_equal(out, INT64_MAX);
    assert_true(checked_mul_div_i64(&out, -7, 1, 2));
    assert_int_equal(out, -3);
    uint64_t u = 0;
    assert_false(checked_add_u64(&u, UINT64_MAX, 1));
    assert_false(checked_mul_u64(&u, UINT64_MAX, 2));
}

static void arena_gives_aligned_memory_until_it_is_used_up(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_open(&arena, 4096), 0);
    assert_non_null(arena_alloc(&arena, 1, 1));
    unsigned char *aligned = arena_alloc(&arena, 64, 64);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    for (int i = 0; i < 64; i++)
        assert_int_equal(aligned[i], 0);
    assert_null(arena_alloc(&arena, 4096, 1));
    assert_null(arena_alloc(&arena, SIZE_MAX, 1));
    assert_non_null(arena_alloc(&arena, 4096 - 128, 1));
    assert_null(arena_alloc(&arena, 1, 1));
    arena_close(&arena);
}

static void digest_sees_every_bit_and_the_order(void **state)
{
    (void)state;
    unsigned char a[128] = {0}, b[128] = {0};
    uint64_t zero = digest_record(0, a);
    for (unsigned bit = 0; bit < 1024; bit++) {
        a[bit / 8] = (unsigned char)(1u << bit % 8);
        assert_true(digest_record(0, a) != zero);
        a[bit / 8] = 0;
    }
    b[5] = 1;
    assert_true(digest_record(digest_record(0, a), b) != digest_record(digest_record(0, b), a));
}

static void digest_is_the_same_on_every_compiler(void **state)
{
    (void)state;
    unsigned char record[128];
    for (unsigned i = 0; i < sizeof record; i++)
        record[i] = (unsigned char)(i * 7);
    uint64_t digest = 0;
    for (int i = 0; i < 3; i++)
        digest = digest_record(digest, record);
    assert_int_equal(digest, UINT64_C(0x6e1eda39d15bf241));
}

// `limit`: NULL = none. "" if nothing was logged.
static size_t read_logged(char *out, size_t size, const char *text, struct log_limit *limit)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
    if (limit != NULL)
        log_line_limited(limit, LOG_INFO, "%s key=%d", text, 42);
    else
        log_line(LOG_INFO, "%s key=%d", text, 42);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(fds[1]);
    ssize_t n = read(fds[0], out, size - 1);
    close(fds[0]);
    assert_true(n >= 0);
    out[n] = '\0';
    return (size_t)n;
}

static void log_writes_one_line_whatever_the_text(void **state)
{
    (void)state;
    char line[2048], longer[2000];
    log_open("test");
    read_logged(line, sizeof line, "two\nlines", NULL);
    assert_non_null(strstr(line, "Z test info two?lines key=42\n"));
    int year, month, day, hour, minute;
    assert_int_equal(sscanf(line, "%d-%d-%dT%d:%d", &year, &month, &day, &hour, &minute), 5);
    time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    assert_int_equal(year, tm.tm_year + 1900);
    assert_int_equal(month, tm.tm_mon + 1);
    assert_int_equal(day, tm.tm_mday);
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(read_logged(line, sizeof line, longer, NULL), LOG_LINE_BYTES_MAX);
    assert_int_equal(line[LOG_LINE_BYTES_MAX - 1], '\n');
}

static void log_limit_lets_one_pass_a_second(void **state)
{
    (void)state;
    struct log_limit limit = {0};
    char line[2048];
    read_logged(line, sizeof line, "often", &limit);
    assert_non_null(strstr(line, " info often key=42 suppressed=0\n"));
    assert_int_equal(read_logged(line, sizeof line, "often", &limit), 0);
    assert_int_equal(read_logged(line, sizeof line, "often", &limit), 0);
    atomic_store(&limit.next_ns, 0);
    read_logged(line, sizeof line, "again", &limit);
    assert_non_null(strstr(line, " info again key=42 suppressed=2\n"));
}

static void memory_files_cannot_be_shrunk_or_reopened_for_writing(void **state)
{
    (void)state;
    int fd = memfile_create("test", 4096);
    assert_true(fd >= 0);
    assert_int_not_equal(ftruncate(fd, 0), 0);
    int reader = memfile_readonly(fd);
    void *memory;
    assert_int_equal(memfile_map(&memory, reader, 8192, false), -EINVAL);
    assert_int_equal(memfile_map(&memory, reader, 4096, true), -EACCES);
    assert_int_equal(memfile_map(&memory, reader, 4096, false), 0);
    memfile_unmap(memory, 4096);
    int constant = memfile_create_constant("boot", "text", 5);
    assert_true(constant >= 0);
    assert_int_not_equal(pwrite(constant, "x", 1, 0), 1);
    close(fd);
    close(reader);
    close(constant);
}

static void files_that_a_peer_could_shrink_are_refused(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), 4096), 0);
    void *memory;
    assert_int_equal(memfile_map(&memory, fileno(file), 4096, true), -EPERM);
    fclose(file);
}

static void assert_names_the_place_and_aborts(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        ASSERT(1 + 1 == 3);
        _exit(0);
    }
    close(fds[1]);
    char text[256] = {0};
    assert_true(read(fds[0], text, sizeof text - 1) > 0);
    close(fds[0]);
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(text, "values_test.c:"));
    assert_non_null(strstr(text, "assertion failed: 1 + 1 == 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fnv1a_gives_the_published_values),
        cmocka_unit_test(a_small_machine_has_an_answer_cpu_unless_told_otherwise),
        cmocka_unit_test(only_where_the_core_blocks_and_shares_is_a_thread_kept_there),
        cmocka_unit_test(crc32c_gives_the_published_values),
        cmocka_unit_test(crc32c_of_long_data_is_that_of_the_polynomial),
        cmocka_unit_test(crc32c_goes_on_where_it_stopped),
        cmocka_unit_test(checked_arithmetic_refuses_what_does_not_fit),
        cmocka_unit_test(arena_gives_aligned_memory_until_it_is_used_up),
        cmocka_unit_test(digest_sees_every_bit_and_the_order),
        cmocka_unit_test(digest_is_the_same_on_every_compiler),
        cmocka_unit_test(log_writes_one_line_whatever_the_text),
        cmocka_unit_test(log_limit_lets_one_pass_a_second),
        cmocka_unit_test(memory_files_cannot_be_shrunk_or_reopened_for_writing),
        cmocka_unit_test(files_that_a_peer_could_shrink_are_refused),
        cmocka_unit_test(assert_names_the_place_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
