#include "settlement/refusal.h"

#include <string.h>

#include "base/testing.h"

static struct refusal refusal;

static struct fields fields_of(const char *text)
{
    json_t *object = json_loads(text, 0, NULL);
    assert_non_null(object);
    return (struct fields){object, &refusal};
}

static void a_refusal_is_a_word_with_what_was_seen(void **state)
{
    (void)state;
    assert_false(refuse_limit(&refusal, REFUSAL_AMOUNT_TOO_LARGE, "amount", "5", "6"));
    json_t *json = refusal_json(&refusal);
    json_t *error = json_object_get(json, "error");
    assert_string_equal(json_string_value(json_object_get(error, "name")), "amount_too_large");
    assert_string_equal(json_string_value(json_object_get(error, "field")), "amount");
    assert_string_equal(json_string_value(json_object_get(error, "limit")), "5");
    assert_string_equal(json_string_value(json_object_get(error, "value")), "6");
    assert_int_equal(refusal_status(&refusal), 422);
    json_decref(json);
}

// A name of 64 characters of four bytes each: cut in the middle of one.
static void what_is_cut_stays_text(void **state)
{
    char name[64 * 4 + 1] = "";

    (void)state;
    for (int i = 0; i < 64; i++)
        strcat(name, "\xf0\x9f\x9a\x80");
    assert_false(refuse_limit(&refusal, REFUSAL_UNKNOWN_FIELD, name, name, name + 1));
    json_t *json = refusal_json(&refusal);
    assert_int_equal(json_string_length(json_object_get(json_object_get(json, "error"), "field")),
                     60);
    json_decref(json);
}

static void assert_address(const char *text, int name)
{
    json_t *object = json_pack("{s:s}", "wallet", text);
    const struct fields fields = {object, &refusal};
    struct chain_address address;

    assert_int_equal(fields_address(&fields, &address, "wallet", FIELDS_REQUIRED), name < 0);
    if (name >= 0)
        assert_int_equal(refusal.name, name);
    json_decref(object);
}

static void addresses_carry_their_checksum(void **state)
{
    (void)state;
    assert_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", -1);
    assert_address("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", REFUSAL_ADDRESS_NOT_CHECKSUMMED);
    assert_address("0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED", REFUSAL_ADDRESS_NOT_CHECKSUMMED);
    assert_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", REFUSAL_ADDRESS_NOT_CHECKSUMMED);
    assert_string_equal(refusal.limit, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    assert_address("0x0000000000000000000000000000000000000000", REFUSAL_ADDRESS_ZERO);
    assert_address("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", REFUSAL_ADDRESS_MALFORMED);
    assert_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", REFUSAL_ADDRESS_MALFORMED);
    assert_address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAegg", REFUSAL_ADDRESS_MALFORMED);
    assert_address("0xzzAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", REFUSAL_ADDRESS_MALFORMED);
    assert_address("", REFUSAL_ADDRESS_MALFORMED);
    /* Digits only: nothing to check, and nothing can be wrong. */
    assert_address("0x1000000000000000000000000000000000000001", -1);
}

static void fields_are_of_their_kind(void **state)
{
    static const char *const known[] = {"a", "b", NULL};
    struct fields fields = fields_of("{\"a\":\"text\",\"b\":7,\"c\":null}");
    const char *text = NULL;
    int64_t number = 0;
    bool flag = false;
    json_t *list = NULL;

    (void)state;
    assert_true(fields_text(&fields, &text, "a", 1, 4, FIELDS_REQUIRED));
    assert_string_equal(text, "text");
    assert_false(fields_text(&fields, &text, "a", 1, 3, FIELDS_REQUIRED));
    assert_false(fields_text(&fields, &text, "b", 1, 3, FIELDS_REQUIRED));
    assert_int_equal(refusal.name, REFUSAL_FIELD_MALFORMED);
    assert_false(fields_text(&fields, &text, "c", 1, 3, FIELDS_REQUIRED));
    assert_int_equal(refusal.name, REFUSAL_MISSING_FIELD);
    assert_true(fields_text(&fields, &text, "c", 1, 3, FIELDS_OPTIONAL));
    assert_true(fields_number(&fields, &number, "b", 7, 7, FIELDS_REQUIRED));
    assert_false(fields_number(&fields, &number, "b", 8, 9, FIELDS_REQUIRED));
    assert_false(fields_number(&fields, &number, "a", 0, 9, FIELDS_REQUIRED));
    assert_false(fields_bool(&fields, &flag, "b", FIELDS_REQUIRED));
    assert_false(fields_list(&fields, &list, "a", 1, FIELDS_REQUIRED));
    assert_false(fields_object(&fields, &list, "a", FIELDS_REQUIRED));
    assert_false(fields_known(&fields, known));
    assert_int_equal(refusal.name, REFUSAL_UNKNOWN_FIELD);
    json_decref(fields.object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_is_a_word_with_what_was_seen),
        cmocka_unit_test(what_is_cut_stays_text),
        cmocka_unit_test(addresses_carry_their_checksum),
        cmocka_unit_test(fields_are_of_their_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
