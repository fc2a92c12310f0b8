#include "chain/abi_text.h"

#include "base/testing.h"
#include "chain/vectors.h"

#include <stdlib.h>
#include <string.h>

static void assert_encodes(const char *types, const char *values, const char *expected)
{
    uint8_t out[1024];
    char error[ABI_TEXT_ERROR_MAX];
    char text[HEX_TEXT_SIZE(sizeof(out))];
    json_t *json = json_loads(values, 0, NULL);
    assert_non_null(json);
    ssize_t len = abi_text_arguments(out, sizeof(out), types, json, error);
    json_decref(json);
    if (len < 0)
        fail_msg("%s %s: %s", types, values, error);
    hex_encode(text, out, (size_t)len);
    assert_string_equal(text, expected);
}

static void assert_refused(const char *types, const char *values, const char *why)
{
    uint8_t out[1024];
    char error[ABI_TEXT_ERROR_MAX];
    json_t *json = json_loads(values, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    if (abi_text_arguments(out, sizeof(out), types, json, error) != -1)
        fail_msg("%s %s was accepted", types, values);
    json_decref(json);
    if (strstr(error, why) == NULL)
        fail_msg("%s %s: \"%s\" does not say \"%s\"", types, values, error, why);
}

static void no_arguments_are_no_bytes(void **state)
{
    (void)state;
    assert_encodes("()", "[]", "0x");
    assert_refused("()", "[1]", "another number of items");
}

static void a_call_begins_with_its_selector(void **state)
{
    (void)state;
    uint8_t out[68];
    char error[ABI_TEXT_ERROR_MAX];
    json_t *values = json_pack("[si]", "0x00000000000000000000000000000000000000ab", 7);
    assert_int_equal(abi_text_call(out, sizeof(out), "mint(address,uint256)", values, error), 68);
    assert_memory_equal(out, "\x40\xc1\x0f\x19", 4);
    assert_int_equal(out[35], 0xab);
    assert_int_equal(out[67], 7);
    assert_int_equal(abi_text_call(out, 67, "mint(address,uint256)", values, error), -1);
    assert_int_equal(abi_text_call(out, 3, "mint(address,uint256)", values, error), -1);
    assert_int_equal(abi_text_call(out, sizeof(out), "(address,uint256)", values, error), -1);
    assert_int_equal(abi_text_call(out, sizeof(out), "mint", values, error), -1);
    json_decref(values);
}

static void values_that_are_not_of_their_type_are_refused(void **state)
{
    (void)state;
    assert_refused("(uint8)", "[256]", "does not fit");
    assert_refused("(uint8)", "[-1]", "does not fit");
    assert_refused("(uint8)", "[\"\"]", "no number");
    assert_refused("(uint8)", "[1.5]", "no number");
    assert_refused("(uint8)", "[\"0x10\"]", "no number");
    assert_refused("(int8)", "[128]", "does not fit");
    assert_refused("(int8)", "[\"-129\"]", "does not fit");
    assert_refused("(int8)", "[\"-0\"]", "no number");
    assert_refused("(uint256)", /* 2^256 */
                   "[\"1157920892373161954235709850086879078532699846656405640394575840079131296399"
                   "36\"]",
                   "does not fit");
    assert_refused("(bool)", "[1]", "true or false");
    assert_refused("(address)", "[\"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD0\"]", "no address");
    assert_refused("(address)", "[\"0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed\"]", "checksum");
    assert_refused("(address)", "[null]", "no address");
    assert_refused("(bytes4)", "[\"0x010203\"]", "hexadecimal bytes");
    assert_refused("(bytes)", "[\"01\"]", "0x");
    assert_refused("(bytes)", "[\"0x1\"]", "0x");
    assert_refused("(bytes)", "[\"0xzz\"]", "hexadecimal");
    assert_refused("(string)", "[1]", "a string");
    assert_refused("(uint8[])", "[1]", "a list");
    assert_refused("(uint8[2])", "[[1]]", "another number of items");
    assert_refused("(uint8)", "[]", "another number of items");
    assert_refused("(uint8)", "{}", "a list");
}

static void what_is_no_type_is_refused(void **state)
{
    (void)state;
    const char *types[] = {"",
                           "uint8",
                           "(uint8",
                           "uint8)",
                           "(uint)",
                           "(uint7)",
                           "(uint264)",
                           "(uint08)",
                           "(bytes0)",
                           "(bytes33)",
                           "(uint8,)",
                           "(,uint8)",
                           "(uint8,,bool)",
                           "(uint8)(bool)",
                           "(uint8[0])",
                           "(uint8[x])",
                           "(uint8])",
                           "([])",
                           "(uint8[99999])",
                           "(Uint8)",
                           "(uint8 )",
                           "((((((((((((((((((uint8))))))))))))))))))"};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        assert_refused(types[i], "[[1]]", "no list of types");
}

static void what_does_not_fit_the_buffer_is_refused(void **state)
{
    (void)state;
    uint8_t out[96];
    char error[ABI_TEXT_ERROR_MAX];
    json_t *values = json_pack("[s]", "twelve bytes");
    assert_int_equal(abi_text_arguments(out, 96, "(string)", values, error), 96);
    for (size_t max = 0; max < 96; max++)
        assert_int_equal(abi_text_arguments(out, max, "(string)", values, error), -1);
    json_decref(values);
}

/* ethers.js' published encodings, each made by the Solidity compiler. "uint" and "int" are no
 * canonical names. */
static bool is_canonical(const char *type)
{
    const char *at = type;
    while ((at = strstr(at, "int")) != NULL) {
        at += 3;
        if (*at < '0' || *at > '9')
            return false;
    }
    return true;
}

static void every_published_encoding_agrees(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("ethers/abi.json.gz");
    size_t index;
    size_t checked = 0;
    json_t *vector;
    json_array_foreach(vectors, index, vector)
    {
        static uint8_t out[1 << 16];
        char error[ABI_TEXT_ERROR_MAX];
        char types[2048];
        const char *type = vectors_text(vector, "type");
        if (!is_canonical(type))
            continue;
        /* A vector is one argument, whose value stands by itself. */
        json_t *values = json_pack("[O]", json_object_get(vector, "value"));
        snprintf(types, sizeof(types), "(%s)", type);
        ssize_t len = abi_text_arguments(out, sizeof(out), types, values, error);
        json_decref(values);
        size_t expected_len;
        uint8_t *expected = vectors_bytes(&expected_len, vectors_text(vector, "encoded"));
        if (len != (ssize_t)expected_len || memcmp(out, expected, expected_len) != 0)
            fail_msg("%s %s: %zd bytes, %zu expected: %s", vectors_text(vector, "name"), type, len,
                     expected_len, len < 0 ? error : "");
        free(expected);
        checked++;
    }
    print_message("%zu published encodings\n", checked);
    assert_true(checked > 900);
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_arguments_are_no_bytes),
        cmocka_unit_test(a_call_begins_with_its_selector),
        cmocka_unit_test(values_that_are_not_of_their_type_are_refused),
        cmocka_unit_test(what_is_no_type_is_refused),
        cmocka_unit_test(what_does_not_fit_the_buffer_is_refused),
        cmocka_unit_test(every_published_encoding_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
