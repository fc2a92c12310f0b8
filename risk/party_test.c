// Windows, days and periods of parties; sums that do not overflow.
#include "base/testing.h"

#include "risk/party.h"

static void a_window_stands_on_multiples_of_its_length(void **state)
{
    struct window window = {0};
    (void)state;
    assert_int_equal(window_turn(&window, 999999, 1), 0);
    window.count = 3;
    assert_int_equal(window_turn(&window, 999999, 1), 3);
    assert_int_equal(window.start_ns, 0);
    assert_int_equal(window_turn(&window, 1000000, 1), 0);
    assert_int_equal(window.start_ns, 1000000);
    window.count = 1;
    assert_int_equal(window_turn(&window, 1999999, 1), 1);
    assert_int_equal(window_turn(&window, UINT64_MAX, UINT32_MAX), 0); // the longest, at the end
    assert_true(window.start_ns <= UINT64_MAX);
    window.count = 2;
    assert_int_equal(window_turn(&window, UINT64_MAX, UINT32_MAX), 2);
}

static void a_day_begins_with_nothing_and_saturates(void **state)
{
    struct traded traded = {0};
    (void)state;
    traded_add(&traded, 7, 5);
    traded_add(&traded, 7, 6);
    assert_int_equal(traded_on(&traded, 7), 11);
    assert_int_equal(traded_on(&traded, 8), 0);
    traded_add(&traded, 8, 3);
    assert_int_equal(traded_on(&traded, 8), 3);
    traded_add(&traded, 8, INT64_MAX - 3);
    assert_int_equal(traded_on(&traded, 8), INT64_MAX);
    traded_add(&traded, 8, 1);
    assert_int_equal(traded_on(&traded, 8), INT64_MAX);
}

// What was bought in the 13 periods that end with this one.
static money_sum plain_bought(const int64_t *plain, uint32_t period)
{
    money_sum sum = 0;
    for (uint32_t back = 0; back < INVESTMENT_PERIODS && back <= period; back++)
        sum += plain[period - back];
    return sum;
}

// A plain list of what was bought in each period, beside the ring.
static void a_year_has_thirteen_periods(void **state)
{
    static const uint32_t steps[] = {1, 1, 3, 12, 1, 13, 2, 14, 1, 1, 1, 1,  1, 1,
                                     1, 1, 1, 1,  1, 1,  5, 11, 1, 6, 7, 40, 1, 12};
    int64_t plain[200] = {0};
    struct account account = {0};
    uint32_t period = 0;
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        period += steps[i];
        party_period(&account, period);
        account.bought = (int64_t)i + 1;
        plain[period] = (int64_t)i + 1;
        for (uint32_t later = 0; later < 15; later++)
            assert_true(party_bought(&account, period + later) ==
                        plain_bought(plain, period + later));
    }
}

static void what_was_bought_in_a_year_may_be_larger_than_a_number(void **state)
{
    struct account account = {.bought = INT64_MAX};
    (void)state;
    for (uint32_t period = 1; period < 13; period++) {
        party_period(&account, period);
        account.bought = party_add(INT64_MAX, INT64_MAX);
    }
    assert_true(party_bought(&account, 12) == (money_sum)INT64_MAX * 13);
    assert_true(party_bought(&account, 13) == (money_sum)INT64_MAX * 12);
    assert_true(party_bought(&account, 24) == INT64_MAX);
    assert_true(party_bought(&account, 25) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_stands_on_multiples_of_its_length),
        cmocka_unit_test(a_day_begins_with_nothing_and_saturates),
        cmocka_unit_test(a_year_has_thirteen_periods),
        cmocka_unit_test(what_was_bought_in_a_year_may_be_larger_than_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
