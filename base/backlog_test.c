#include "base/testing.h"

#include "base/backlog.h"

static const uint64_t SECOND = 1000000000;

static void who_keeps_up_is_not_behind(void **state)
{
    (void)state;
    struct backlog backlog = {0};
    for (uint64_t s = 1; s < 100; s++)
        backlog_note(&backlog, s * 10, s * 10, s * SECOND);
    struct backlog_figures figures = backlog_figures(&backlog);
    assert_true(figures.lag == 0 && figures.behind_s == 0 && figures.eta_s == 0);
    assert_true(figures.rate > 9.9 && figures.rate < 10.1);
}

static void after_a_quiet_hour_one_command_is_not_an_hour_behind(void **state)
{
    (void)state;
    struct backlog backlog = {0};
    for (uint64_t s = 1; s < 3600; s++)
        backlog_note(&backlog, 7, 7, s * SECOND);
    backlog_note(&backlog, 8, 7, 3600 * SECOND);
    struct backlog_figures figures = backlog_figures(&backlog);
    assert_int_equal(figures.lag, 1);
    assert_true(figures.behind_s <= 1.0);
}

static void a_standstill_is_as_old_as_it_is_however_long(void **state)
{
    (void)state;
    struct backlog backlog = {0};
    uint64_t s = 1;
    for (; s < 100; s++)
        backlog_note(&backlog, s, s, s * SECOND);
    for (; s < 100000; s++)
        backlog_note(&backlog, s, 99, s * SECOND);
    struct backlog_figures figures = backlog_figures(&backlog);
    assert_int_equal(figures.lag, 99999 - 99);
    assert_true(figures.behind_s >= 99900 && figures.behind_s <= 99901);
    assert_true(figures.eta_s == -1);
    assert_true(backlog.count <= BACKLOG_SAMPLES);
}

static void what_catches_up_says_when(void **state)
{
    (void)state;
    struct backlog backlog = {0};
    uint64_t s = 1;
    for (; s <= 1000; s++) // nothing is dealt with
        backlog_note(&backlog, s * 10, 0, s * SECOND);
    for (; s <= 1100; s++) // 60 a second are, and 10 come
        backlog_note(&backlog, s * 10, (s - 1000) * 60, s * SECOND);
    struct backlog_figures figures = backlog_figures(&backlog);
    assert_int_equal(figures.lag, 11000 - 6000);
    assert_true(figures.eta_s > 95 && figures.eta_s < 105);        // 5000 by 50
    assert_true(figures.behind_s > 495 && figures.behind_s < 505); // 6000 was the newest at 600 s
}

static void the_first_second_is_believed(void **state)
{
    (void)state;
    struct backlog backlog = {0};
    backlog_note(&backlog, 1000, 0, SECOND);
    backlog_note(&backlog, 1000, 100, 2 * SECOND);
    struct backlog_figures figures = backlog_figures(&backlog);
    assert_true(figures.rate > 99.9 && figures.rate < 100.1);
    assert_true(figures.eta_s > 8.9 && figures.eta_s < 9.1);
}

static void who_goes_back_is_behind_again(void **state)
{
    (void)state;
    struct backlog backlog = {0};
    for (uint64_t s = 1; s < 100; s++)
        backlog_note(&backlog, s * 10, s * 10, s * SECOND);
    backlog_note(&backlog, 1000, 0, 100 * SECOND);
    struct backlog_figures figures = backlog_figures(&backlog);
    assert_int_equal(figures.lag, 1000);
    assert_true(figures.rate >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_keeps_up_is_not_behind),
        cmocka_unit_test(after_a_quiet_hour_one_command_is_not_an_hour_behind),
        cmocka_unit_test(a_standstill_is_as_old_as_it_is_however_long),
        cmocka_unit_test(what_catches_up_says_when),
        cmocka_unit_test(the_first_second_is_believed),
        cmocka_unit_test(who_goes_back_is_behind_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
