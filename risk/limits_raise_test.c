// Which change of a record of limits allows more.
#include "base/testing.h"

#include "risk/limits_raise.h"

static const struct limits_rec some = {.scope = LIMIT_ACCOUNT,
                                       .id = 16,
                                       .order_value_max = 100,
                                       .daily_value_max = 200,
                                       .open_orders_max = 3,
                                       .messages_max = 4,
                                       .messages_ms = 1000,
                                       .duplicate_ms = 500,
                                       .executions_max = 5,
                                       .executions_ms = 2000,
                                       .flags = LIMIT_STRICT_CONFIRM};

static void nothing_is_a_raise_where_there_were_none(void **state)
{
    const struct limits_rec none = {0};
    (void)state;
    assert_false(limits_raise(&none, &some));
    assert_false(limits_raise(&none, &none));
}

static void the_same_is_no_raise_and_none_at_all_is_one(void **state)
{
    const struct limits_rec none = {.scope = LIMIT_ACCOUNT, .id = 16};
    (void)state;
    assert_false(limits_raise(&some, &some));
    assert_true(limits_raise(&some, &none));
}

#define FIELD(name)   offsetof(struct limits_rec, name), sizeof(some.name)
#define MAXIMUM(name) #name, FIELD(name), true
#define WINDOW(name)  #name, FIELD(name), false

static const struct {
    const char *name;
    size_t offset;
    size_t bytes;
    bool maximum; // more is a raise; of a window less is one
} fields[] = {{MAXIMUM(order_value_max)}, {MAXIMUM(daily_value_max)}, {MAXIMUM(open_orders_max)},
              {MAXIMUM(messages_max)},    {MAXIMUM(executions_max)},  {WINDOW(messages_ms)},
              {WINDOW(duplicate_ms)},     {WINDOW(executions_ms)}};

static bool raises_with(size_t which, int64_t change)
{
    struct limits_rec next = some;
    uint8_t *at = (uint8_t *)&next + fields[which].offset;
    int64_t value = 0;
    memcpy(&value, at, fields[which].bytes);
    value = change != 0 ? value + change : 0; // 0: off
    memcpy(at, &value, fields[which].bytes);
    return limits_raise(&some, &next);
}

static void each_limit_rises_in_its_own_direction(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        assert_true(raises_with(i, fields[i].maximum ? 1 : -1));
        assert_false(raises_with(i, fields[i].maximum ? -1 : 1));
        assert_true(raises_with(i, 0));
    }
}

static void a_flag_may_come_but_not_go(void **state)
{
    struct limits_rec next = some;
    (void)state;
    next.flags = LIMIT_STRICT_CONFIRM | LIMIT_CUMULATIVE_INVESTMENT;
    assert_false(limits_raise(&some, &next));
    next.flags = LIMIT_CUMULATIVE_INVESTMENT;
    assert_true(limits_raise(&some, &next));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_a_raise_where_there_were_none),
        cmocka_unit_test(the_same_is_no_raise_and_none_at_all_is_one),
        cmocka_unit_test(each_limit_rises_in_its_own_direction),
        cmocka_unit_test(a_flag_may_come_but_not_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
