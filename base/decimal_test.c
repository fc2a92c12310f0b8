#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/decimal.h"

struct parse_case {
    const char *text;
    unsigned scale;
    enum decimal_result result;
    int64_t value;
};

static const struct parse_case parse_cases[] = {
    {"0", 6, DECIMAL_OK, 0},
    {"-0", 6, DECIMAL_OK, 0},
    {"100.25", 6, DECIMAL_OK, 100250000},
    {"00100.25", 6, DECIMAL_OK, 100250000},
    {"5.", 2, DECIMAL_OK, 500},
    {".5", 2, DECIMAL_OK, 50},
    {"-5.10", 2, DECIMAL_OK, -510},
    {"1.2300000", 2, DECIMAL_OK, 123},
    {"7", 0, DECIMAL_OK, 7},
    {"7.0", 0, DECIMAL_OK, 7},
    {"9223372036854775807", 0, DECIMAL_OK, INT64_MAX},
    {"-9223372036854775808", 0, DECIMAL_OK, INT64_MIN},
    {"9223372036854.775807", 6, DECIMAL_OK, INT64_MAX},
    {"9223372036854775808", 0, DECIMAL_OVERFLOW, 0},
    {"-9223372036854775809", 0, DECIMAL_OVERFLOW, 0},
    {"9223372036854.775808", 6, DECIMAL_OVERFLOW, 0},
    {"99999999999999999999999999999999", 0, DECIMAL_OVERFLOW, 0},
    {"10", 18, DECIMAL_OVERFLOW, 0},
    {"1.234", 2, DECIMAL_SURPLUS, 0},
    {"0.5", 0, DECIMAL_SURPLUS, 0},
    {"", 2, DECIMAL_MALFORMED, 0},
    {".", 2, DECIMAL_MALFORMED, 0},
    {"-", 2, DECIMAL_MALFORMED, 0},
    {"-.", 2, DECIMAL_MALFORMED, 0},
    {"+5", 2, DECIMAL_MALFORMED, 0},
    {"--5", 2, DECIMAL_MALFORMED, 0},
    {" 5", 2, DECIMAL_MALFORMED, 0},
    {"5 ", 2, DECIMAL_MALFORMED, 0},
    {"1e3", 2, DECIMAL_MALFORMED, 0},
    {"1,000", 2, DECIMAL_MALFORMED, 0},
    {"1.2.3", 2, DECIMAL_MALFORMED, 0},
    {"0x10", 2, DECIMAL_MALFORMED, 0},
    {"NaN", 2, DECIMAL_MALFORMED, 0},
};

static void decimal_parse_accepts_exact_numbers_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof parse_cases / sizeof *parse_cases; i++) {
        const struct parse_case *c = &parse_cases[i];
        int64_t value = 4711;
        enum decimal_result result = decimal_parse(c->text, strlen(c->text), c->scale, &value);
        if (result != c->result || value != (result == DECIMAL_OK ? c->value : 4711))
            fail_msg("\"%s\" at scale %u: result %d, value %lld", c->text, c->scale, (int)result,
                     (long long)value);
    }
}

static void decimal_parse_needs_no_terminator(void **state)
{
    (void)state;
    int64_t value;
    assert_int_equal(decimal_parse("12345", 2, 1, &value), DECIMAL_OK);
    assert_int_equal(value, 120);
    assert_int_equal(decimal_parse("1", 0, 1, &value), DECIMAL_MALFORMED);
}

static void decimal_print_trims(void **state)
{
    (void)state;
    static const struct {
        int64_t value;
        unsigned scale;
        const char *text;
    } cases[] = {
        {0, 6, "0"},
        {100250000, 6, "100.25"},
        {7000000, 6, "7"},
        {1, 6, "0.000001"},
        {-500000, 6, "-0.5"},
        {70, 0, "70"},
        {INT64_MAX, 6, "9223372036854.775807"},
        {INT64_MIN, 18, "-9.223372036854775808"},
        {INT64_MIN, 0, "-9223372036854775808"},
        {1, 18, "0.000000000000000001"},
        {-1, 18, "-0.000000000000000001"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[DECIMAL_TEXT_BYTES_MAX];
        assert_int_equal(decimal_print(cases[i].value, cases[i].scale, text),
                         strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
    }
}

static void decimal_round_trips(void **state)
{
    (void)state;
    uint64_t seed = 42;
    for (int i = 0; i < 200000; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int64_t value = (int64_t)seed >> (i % 60);
        unsigned scale = (unsigned)(i % (DECIMAL_SCALE_MAX + 1));
        char text[DECIMAL_TEXT_BYTES_MAX];
        size_t bytes = decimal_print(value, scale, text);
        int64_t again = 0;
        assert_int_equal(decimal_parse(text, bytes, scale, &again), DECIMAL_OK);
        assert_true(again == value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimal_parse_accepts_exact_numbers_only),
        cmocka_unit_test(decimal_parse_needs_no_terminator),
        cmocka_unit_test(decimal_print_trims),
        cmocka_unit_test(decimal_round_trips),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
