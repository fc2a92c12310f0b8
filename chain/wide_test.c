#include "chain/wide.h"

#include "base/testing.h"

static void decimals_survive_a_round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {"0", "7", "10", "18446744073709551616",
                                        "340282366920938463463374607431768211455"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        chain_uint128 value;
        char text[WIDE_DECIMAL_SIZE];
        assert_true(wide_parse(&value, texts[i]));
        wide_format(text, value);
        assert_string_equal(text, texts[i]);
    }
}

static void what_is_no_number_of_128_bits_is_refused(void **state)
{
    (void)state;
    chain_uint128 value;
    assert_false(wide_parse(&value, "340282366920938463463374607431768211456"));
    assert_false(wide_parse(&value, "999999999999999999999999999999999999999999"));
    assert_false(wide_parse(&value, ""));
    assert_false(wide_parse(&value, "-1"));
    assert_false(wide_parse(&value, "1.0"));
}

static void a_decimal_is_scaled_exactly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned decimals;
        enum wide_result result;
        const char *units;
    } cases[] = {
        {"12.5", 2, WIDE_OK, "1250"},
        {"0.000000000000000001", 18, WIDE_OK, "1"},
        {"1", 18, WIDE_OK, "1000000000000000000"},
        {".5", 1, WIDE_OK, "5"},
        {"5.", 0, WIDE_OK, "5"},
        {"1.500", 1, WIDE_OK, "15"},
        {"0", 18, WIDE_OK, "0"},
        {"1.51", 1, WIDE_SURPLUS, NULL},
        {"0.1", 0, WIDE_SURPLUS, NULL},
        {"340282366920938463463374607431768211455", 0, WIDE_OK,
         "340282366920938463463374607431768211455"},
        {"340282366920938463463374607431768211456", 0, WIDE_OVERFLOW, NULL},
        {"340282366920938463463.374607431768211456", 18, WIDE_OVERFLOW, NULL},
        {"34028236692093846346337460743176821146", 1, WIDE_OVERFLOW, NULL},
        {"", 0, WIDE_MALFORMED, NULL},
        {".", 0, WIDE_MALFORMED, NULL},
        {"-1", 0, WIDE_MALFORMED, NULL},
        {"+1", 0, WIDE_MALFORMED, NULL},
        {"1e3", 0, WIDE_MALFORMED, NULL},
        {"1.2.3", 0, WIDE_MALFORMED, NULL},
        {" 1", 0, WIDE_MALFORMED, NULL},
        {"0x1", 0, WIDE_MALFORMED, NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        chain_uint128 units = 77;
        char text[WIDE_DECIMAL_SIZE];
        assert_int_equal(wide_parse_decimal(&units, cases[i].text, cases[i].decimals),
                         cases[i].result);
        wide_format(text, units);
        assert_string_equal(text, cases[i].units != NULL ? cases[i].units : "77");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_survive_a_round_trip),
        cmocka_unit_test(what_is_no_number_of_128_bits_is_refused),
        cmocka_unit_test(a_decimal_is_scaled_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
