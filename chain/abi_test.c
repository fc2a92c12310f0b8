#include "chain/abi.h"

#include "base/testing.h"
#include "chain/vectors.h"

#include <stdlib.h>
#include <string.h>

static void a_static_call_is_selector_and_words(void **state)
{
    (void)state;
    uint8_t out[128];
    struct abi_call call;
    struct chain_address to = {{0xab, [19] = 0xcd}};
    abi_call_begin(&call, out, sizeof(out), 0x40c10f19, 2);
    abi_address(&call, &to);
    abi_u128(&call, 0x0102);
    assert_int_equal(abi_call_end(&call), 68);
    char text[HEX_TEXT_SIZE(68)];
    hex_encode(text, out, 68);
    assert_string_equal(text, "0x40c10f19"
                              "000000000000000000000000ab000000000000000000000000000000000000cd"
                              "0000000000000000000000000000000000000000000000000000000000000102");
}

static void a_call_with_too_few_or_too_many_arguments_or_room_fails(void **state)
{
    (void)state;
    uint8_t out[128];
    struct abi_call call;
    abi_call_begin(&call, out, sizeof(out), 1, 2);
    abi_u128(&call, 1);
    assert_int_equal(abi_call_end(&call), -1);
    abi_call_begin(&call, out, sizeof(out), 1, 1);
    abi_u128(&call, 1);
    abi_u128(&call, 1);
    assert_int_equal(abi_call_end(&call), -1);
    abi_call_begin(&call, out, 35, 1, 1);
    abi_u128(&call, 1);
    assert_int_equal(abi_call_end(&call), -1);
    const chain_uint128 values[2] = {1, 2};
    abi_call_begin(&call, out, 4 + 32 * 3, 1, 1);
    abi_u128_array(&call, values, 2);
    assert_int_equal(abi_call_end(&call), -1);
}

static void words_above_their_type_are_refused(void **state)
{
    (void)state;
    struct abi_word word = abi_from_u128(2);
    chain_uint128 number;
    struct chain_address address;
    bool flag;
    assert_false(abi_word_bool(&flag, &word));
    assert_true(abi_word_u128(&number, &word) && number == 2);
    word.bytes[15] = 1;
    assert_false(abi_word_u128(&number, &word));
    assert_true(abi_word_address(&address, &word));
    word.bytes[11] = 1;
    assert_false(abi_word_address(&address, &word));
}

static void revert_reasons_are_read(void **state)
{
    (void)state;
    size_t len;
    char reason[64];
    uint8_t *data =
        vectors_bytes(&len, "0x08c379a0"
                            "0000000000000000000000000000000000000000000000000000000000000020"
                            "000000000000000000000000000000000000000000000000000000000000000b"
                            "6e6f7420616c6c6f7765640000000000000000000000000000000000000000ff");
    assert_true(abi_revert_reason(reason, sizeof(reason), data, len));
    assert_string_equal(reason, "not allowed");
    assert_true(abi_revert_reason(reason, 4, data, len));
    assert_string_equal(reason, "not");
    data[4 + 63] = 0xff; /* says to be longer than it is */
    assert_false(abi_revert_reason(reason, sizeof(reason), data, len));
    data[4 + 31] = 0xff; /* begins behind the end */
    assert_false(abi_revert_reason(reason, sizeof(reason), data, len));
    assert_string_equal(reason, "");
    free(data);
    data = vectors_bytes(&len, "0x4e487b71"
                               "0000000000000000000000000000000000000000000000000000000000000011");
    assert_true(abi_revert_reason(reason, sizeof(reason), data, len));
    assert_string_equal(reason, "panic 0x11");
    assert_true(abi_revert_reason(reason, sizeof(reason), data, 4));
    assert_string_equal(reason, "error 0x4e487b71");
    assert_false(abi_revert_reason(reason, sizeof(reason), data, 3));
    free(data);
}

/* The published encodings of plain argument lists that the venue's calls are made of. */
static bool write_argument(struct abi_call *call, const char *type, const json_t *value)
{
    if (strcmp(type, "address") == 0) {
        struct chain_address address;
        assert_true(address_parse(&address, json_string_value(value)));
        abi_address(call, &address);
        return true;
    }
    if (strcmp(type, "address[]") == 0) {
        struct chain_address addresses[16];
        size_t index;
        json_t *item;
        json_array_foreach(value, index, item)
            assert_true(address_parse(&addresses[index], json_string_value(item)));
        abi_address_array(call, addresses, index);
        return true;
    }
    return false;
}

static void published_address_vectors_agree(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("ethers/abi.json.gz");
    size_t index;
    size_t checked = 0;
    json_t *vector;
    json_array_foreach(vectors, index, vector)
    {
        uint8_t out[2048];
        struct abi_call call;
        abi_call_begin(&call, out, sizeof(out), 0, 1);
        if (!write_argument(&call, vectors_text(vector, "type"), json_object_get(vector, "value")))
            continue;
        ssize_t len = abi_call_end(&call);
        size_t expected_len;
        uint8_t *expected = vectors_bytes(&expected_len, vectors_text(vector, "encoded"));
        assert_int_equal(len, expected_len + ABI_SELECTOR_BYTES);
        assert_memory_equal(out + ABI_SELECTOR_BYTES, expected, expected_len);
        free(expected);
        checked++;
    }
    assert_true(checked > 0);
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_static_call_is_selector_and_words),
        cmocka_unit_test(a_call_with_too_few_or_too_many_arguments_or_room_fails),
        cmocka_unit_test(words_above_their_type_are_refused),
        cmocka_unit_test(revert_reasons_are_read),
        cmocka_unit_test(published_address_vectors_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
