// The pure parts of the checks at the ends of what can be: collars, ticks, jurisdictions. Each
// refusal with its numbers is in matcher/engine_*_test.c.
#include "base/testing.h"

#include "risk/order_check.h"

static struct tick_table ticks_of(const struct money_divisor *divisor, int64_t tick)
{
    return (struct tick_table){.tick = tick, .divisor = divisor};
}

static void a_collar_is_on_tick_and_no_further_than_its_distance(void **state)
{
    (void)state;
    const struct money_divisor divisor = money_divisor_of(5);
    const struct tick_table ticks = ticks_of(&divisor, 5);
    assert_int_equal(order_check_collar(&ticks, SIDE_BUY, 100, 0), 100);
    assert_int_equal(order_check_collar(&ticks, SIDE_BUY, 100, 1490), 110); // 114.9
    assert_int_equal(order_check_collar(&ticks, SIDE_BUY, 100, 1500), 115);
    assert_int_equal(order_check_collar(&ticks, SIDE_SELL, 100, 1490), 90); // 85.1
    assert_int_equal(order_check_collar(&ticks, SIDE_SELL, 100, 1500), 85);
    assert_int_equal(order_check_collar(&ticks, SIDE_SELL, 100, 9999), 5);
    assert_int_equal(order_check_collar(&ticks, SIDE_SELL, 100, 10000), 5);
    assert_int_equal(order_check_collar(&ticks, SIDE_SELL, 100, 60000), 5);
    assert_int_equal(order_check_collar(&ticks, SIDE_BUY, 2, 0), 5); // at least one tick
}

static void a_collar_that_cannot_be_said_is_0(void **state)
{
    (void)state;
    const struct money_divisor divisor = money_divisor_of(1);
    const struct tick_table ticks = ticks_of(&divisor, 1);
    assert_true(order_check_collar(&ticks, SIDE_BUY, MONEY_MAX, 0) == MONEY_MAX);
    assert_true(order_check_collar(&ticks, SIDE_BUY, MONEY_MAX, 1) == 0);
    assert_true(order_check_collar(&ticks, SIDE_BUY, MONEY_MAX + 1, 0) == 0);
    assert_true(order_check_collar(&ticks, SIDE_BUY, INT64_MAX, UINT32_MAX) == 0);
    assert_true(order_check_collar(&ticks, SIDE_SELL, MONEY_MAX, 0) == MONEY_MAX);
    assert_true(order_check_collar(&ticks, SIDE_SELL, MONEY_MAX + 1, 0) == 0);
    assert_true(order_check_collar(&ticks, SIDE_SELL, INT64_MAX, 0) == 0);
    const struct money_divisor three = money_divisor_of(3);
    const struct tick_table coarse = ticks_of(&three, 3); // the next multiple is above MONEY_MAX
    assert_true(MONEY_MAX % 3 != 0);
    assert_true(order_check_collar(&coarse, SIDE_SELL, MONEY_MAX, 0) == 0);
}

static void prices_go_down_to_a_tick_and_never_to_0(void **state)
{
    (void)state;
    const struct money_divisor divisor = money_divisor_of(5);
    const struct tick_table ticks = ticks_of(&divisor, 5);
    const int64_t lines[][3] = {{0, 5, 0},  {4, 5, 5},  {5, 5, 5},
                                {6, 5, 10}, {9, 5, 10}, {10, 10, 10}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(tick_down(&ticks, lines[i][0]), lines[i][1]);
        if (lines[i][0] != 0)
            assert_int_equal(tick_up(&ticks, lines[i][0]), lines[i][2]);
    }
}

static void codes_beyond_the_last_are_on_no_list(void **state)
{
    (void)state;
    struct jurisdictions list = {.mode = JURISDICTIONS_ONLY, .count = 2, .last = JURISDICTION_MAX};
    list.listed[0] = 1u << 5;
    list.listed[JURISDICTION_MAX / 64] |= (uint64_t)1 << JURISDICTION_MAX % 64;
    assert_true(jurisdiction_is_listed(&list, 5));
    assert_false(jurisdiction_is_listed(&list, 6));
    assert_true(jurisdiction_is_listed(&list, JURISDICTION_MAX));
    assert_false(jurisdiction_is_listed(&list, JURISDICTION_MAX + 1));
    assert_false(jurisdiction_is_listed(&list, UINT16_MAX));
}

static void what_is_compared_with_is_the_nearest_thing_to_a_price(void **state)
{
    (void)state;
    struct instrument_state_rec at = {.last_price = 3, .reference_price = 4, .nav = 5};
    assert_int_equal(order_check_reference(&at), 3);
    at.last_price = 0;
    assert_int_equal(order_check_reference(&at), 4);
    at.reference_price = 0;
    assert_int_equal(order_check_reference(&at), 5);
    at.nav = 0;
    assert_int_equal(order_check_reference(&at), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_collar_is_on_tick_and_no_further_than_its_distance),
        cmocka_unit_test(a_collar_that_cannot_be_said_is_0),
        cmocka_unit_test(prices_go_down_to_a_tick_and_never_to_0),
        cmocka_unit_test(codes_beyond_the_last_are_on_no_list),
        cmocka_unit_test(what_is_compared_with_is_the_nearest_thing_to_a_price),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
