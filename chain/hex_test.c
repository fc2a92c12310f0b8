#include "chain/hex.h"

#include "base/testing.h"

static void bytes_survive_a_round_trip(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x00, 0x0f, 0xf0, 0xff};
    char text[HEX_TEXT_SIZE(sizeof(bytes))];
    hex_encode(text, bytes, sizeof(bytes));
    assert_string_equal(text, "0x000ff0ff");
    uint8_t back[4];
    assert_true(hex_decode_exact(back, sizeof(back), text));
    assert_memory_equal(back, bytes, sizeof(bytes));
    assert_true(hex_decode_exact(back, sizeof(back), "000FF0ff"));
    assert_memory_equal(back, bytes, sizeof(bytes));
}

static void malformed_bytes_are_refused(void **state)
{
    (void)state;
    uint8_t out[2];
    assert_int_equal(hex_decode(out, 2, "0x"), 0);
    assert_int_equal(hex_decode(out, 2, "0x123"), -1);
    assert_int_equal(hex_decode(out, 2, "0xg0"), -1);
    assert_int_equal(hex_decode(out, 2, "0x112233"), -1);
    assert_false(hex_decode_exact(out, 2, "0x11"));
}

static void quantities_have_no_leading_zeros(void **state)
{
    (void)state;
    char text[HEX_QUANTITY_SIZE];
    hex_quantity(text, 0);
    assert_string_equal(text, "0x0");
    hex_quantity(text, 0x1f);
    assert_string_equal(text, "0x1f");
    hex_quantity(text, ~(chain_uint128)0);
    assert_string_equal(text, "0xffffffffffffffffffffffffffffffff");
}

static void quantities_are_read_within_their_width(void **state)
{
    (void)state;
    chain_uint128 wide;
    uint64_t narrow;
    assert_true(hex_quantity_u128(&wide, "0xffffffffffffffffffffffffffffffff"));
    assert_true(wide == ~(chain_uint128)0);
    assert_false(hex_quantity_u128(&wide, "0x100000000000000000000000000000000"));
    assert_true(hex_quantity_u64(&narrow, "0xffffffffffffffff"));
    assert_true(narrow == UINT64_MAX);
    assert_false(hex_quantity_u64(&narrow, "0x10000000000000000"));
    assert_false(hex_quantity_u64(&narrow, "0x"));
    assert_false(hex_quantity_u64(&narrow, "12"));
    assert_false(hex_quantity_u64(&narrow, "0x1 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_survive_a_round_trip),
        cmocka_unit_test(malformed_bytes_are_refused),
        cmocka_unit_test(quantities_have_no_leading_zeros),
        cmocka_unit_test(quantities_are_read_within_their_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
