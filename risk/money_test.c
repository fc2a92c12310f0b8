#include "base/testing.h"

#include "risk/money.h"

static void notionals_are_exact_or_refused(void **state)
{
    (void)state;
    int64_t out = 7;
    assert_true(money_notional(&out, 123450000, 250, 2)); // 123.45 * 2.50
    assert_int_equal(out, 308625000);
    assert_true(money_notional(&out, 100, 1000000, 8));
    assert_int_equal(out, 1);
    assert_true(money_notional(&out, MONEY_MAX, 1, 0));
    assert_true(out == MONEY_MAX);
    out = 7;
    assert_false(money_notional(&out, MONEY_MAX, 2, 0));
    assert_false(money_notional(&out, INT64_MAX, INT64_MAX, 0));
    assert_int_equal(out, 7);
}

// Against plain division, for every scale and products around every power of two.
static void notionals_equal_the_division(void **state)
{
    (void)state;
    for (uint8_t scale = 0; scale <= MONEY_SCALE_MAX; scale++)
        for (int bits = 1; bits < 61; bits++)
            for (int64_t more = -1; more <= 1; more++) {
                int64_t price = ((int64_t)1 << bits) + more;
                int64_t quantity = (int64_t)money_power_of_10[scale] * 3;
                int64_t out = 0;
                if (price > 0 && price <= MONEY_MAX / 3) {
                    assert_true(money_notional(&out, price, quantity, scale));
                    assert_true(out == price * 3);
                }
            }
}

static void fees_round_down(void **state)
{
    (void)state;
    assert_int_equal(money_fee(9999, 1), 0);
    assert_int_equal(money_fee(10000, 1), 1);
    assert_int_equal(money_fee(19999, 1), 1);
    assert_int_equal(money_fee(12345, 10000), 12345);
    assert_true(money_fee(MONEY_MAX, 9999) ==
                MONEY_MAX / 10000 * 9999 + MONEY_MAX % 10000 * 9999 / 10000);
}

static void deviations_are_strict_and_told_rounded_up(void **state)
{
    (void)state;
    assert_false(money_beyond(110, 100, 1000));
    assert_true(money_beyond(111, 100, 1000));
    assert_true(money_beyond(89, 100, 1000));
    assert_false(money_beyond(90, 100, 1000));
    assert_int_equal(money_deviation_bps(111, 100), 1100);
    assert_int_equal(money_deviation_bps(100001, 100000), 1);
    assert_true(money_deviation_bps(INT64_MAX, 1) == INT64_MAX);
}

static void multiples_equal_the_remainder(void **state)
{
    (void)state;
    static const int64_t divisors[] = {1, 2, 3, 7, 10, 10000, 7000, 1 << 20, 999983, INT64_MAX};
    for (size_t i = 0; i < sizeof(divisors) / sizeof(divisors[0]); i++) {
        struct money_divisor divisor = money_divisor_of(divisors[i]);
        for (int64_t value = 0; value < 30000; value++)
            assert_int_equal(money_is_multiple(&divisor, value), value % divisors[i] == 0);
        for (int64_t below = 0; below < 1000; below++)
            assert_int_equal(money_is_multiple(&divisor, INT64_MAX - below),
                             (INT64_MAX - below) % divisors[i] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notionals_are_exact_or_refused),
        cmocka_unit_test(notionals_equal_the_division),
        cmocka_unit_test(fees_round_down),
        cmocka_unit_test(deviations_are_strict_and_told_rounded_up),
        cmocka_unit_test(multiples_equal_the_remainder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
