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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_survive_a_round_trip),
        cmocka_unit_test(what_is_no_number_of_128_bits_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
