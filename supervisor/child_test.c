// The rule for what dies: who is restarted, when, and who is not.
#include "supervisor/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t MS = 1000000;

// What wait(2) reports.
static int exited(int code)
{
    return code << 8;
}

static struct child running(enum process_id process, uint64_t now_ns)
{
    struct child child;
    child_init(&child, process);
    child_select(&child, "/bin/true", now_ns);
    assert_true(child_due(&child, now_ns));
    child_started(&child, 100, 1, now_ns);
    return child;
}

static void a_killed_process_is_restarted_after_a_pause(void **state)
{
    (void)state;
    struct child child = running(PROCESS_FIX, 0);
    child_ended(&child, SIGKILL, false, 50 * MS);
    assert_int_equal(child.state, CHILD_WAITING);
    assert_false(child_due(&child, 149 * MS));
    assert_true(child_due(&child, 150 * MS));
    child_started(&child, 101, 2, 150 * MS);
    assert_int_equal(child.restarts, 1);
}

static void the_pause_doubles_up_to_ten_seconds(void **state)
{
    (void)state;
    struct child child = running(PROCESS_FIX, 0);
    uint64_t pauses_ms[10];
    for (uint32_t i = 0; i < 10; i++) {
        child_ended(&child, exited(1), false, 0);
        pauses_ms[i] = child.start_at_ns / MS;
        child_started(&child, 100, i + 2, 0);
    }
    const uint64_t expected[10] = {100, 200, 400, 800, 1600, 3200, 6400, 10000, 10000, 10000};
    assert_memory_equal(pauses_ms, expected, sizeof expected);
}

static void a_long_life_makes_the_pause_short_again(void **state)
{
    (void)state;
    struct child child = running(PROCESS_FIX, 0);
    child_ended(&child, exited(1), false, 0);
    child_started(&child, 100, 2, 0);
    child_ended(&child, exited(1), false, 30000 * MS);
    assert_int_equal(child.start_at_ns / MS, 30100);
}

static void a_clean_exit_that_nobody_asked_for_is_restarted(void **state)
{
    (void)state;
    struct child child = running(PROCESS_WEB, 0);
    child_ended(&child, exited(0), false, 0);
    assert_int_equal(child.state, CHILD_WAITING);
}

static void what_names_its_reason_is_not_restarted(void **state)
{
    (void)state;
    const int codes[] = {CHILD_EXIT_CONFIGURATION, CHILD_EXIT_POISON, CHILD_EXIT_JOURNAL_IO};
    const char *advice[] = {"configuration", "lonja journal cut N", "disk"};
    for (size_t i = 0; i < 3; i++) {
        struct child child = running(PROCESS_CORE, 0);
        assert_null(child_advice(&child));
        child_ended(&child, exited(codes[i]), false, 0);
        assert_int_equal(child.state, CHILD_FAILED);
        assert_false(child_due(&child, UINT64_MAX));
        assert_non_null(strstr(child_advice(&child), advice[i]));
    }
}

static void a_death_by_signal_with_the_same_number_is_no_exit_code(void **state)
{
    (void)state;
    struct child child = running(PROCESS_CORE, 0);
    child_ended(&child, SIGQUIT, false, 0); // 3
    assert_int_equal(child.state, CHILD_WAITING);
}

static void what_ends_during_the_stop_stays_down(void **state)
{
    (void)state;
    struct child child = running(PROCESS_TAPE, 0);
    char text[64];
    child_ended(&child, SIGTERM, true, 0);
    assert_int_equal(child.state, CHILD_STOPPED);
    child_describe_end(&child, text, sizeof text);
    assert_string_equal(text, "killed by signal 15 (Terminated)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_process_is_restarted_after_a_pause),
        cmocka_unit_test(the_pause_doubles_up_to_ten_seconds),
        cmocka_unit_test(a_long_life_makes_the_pause_short_again),
        cmocka_unit_test(a_clean_exit_that_nobody_asked_for_is_restarted),
        cmocka_unit_test(what_names_its_reason_is_not_restarted),
        cmocka_unit_test(a_death_by_signal_with_the_same_number_is_no_exit_code),
        cmocka_unit_test(what_ends_during_the_stop_stays_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
