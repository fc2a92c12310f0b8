#include "chain/address.h"

#include "base/testing.h"
#include "chain/transaction.h"
#include "chain/vectors.h"

#include <stdlib.h>

static void the_checksum_is_eip_55s(void **state)
{
    (void)state;
    struct chain_address address;
    char text[ADDRESS_TEXT_SIZE];
    assert_true(address_parse(&address, "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"));
    address_format(text, &address);
    assert_string_equal(text, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed");
    assert_true(address_parse(&address, text));
    assert_true(address_parse(&address, "5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED"));
}

static void a_mistyped_address_is_refused(void **state)
{
    (void)state;
    struct chain_address address;
    assert_false(address_parse(&address, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD"));
    assert_false(address_parse(&address, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA"));
    assert_false(address_parse(&address, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed00"));
    assert_false(address_parse(&address, ""));
}

static void what_a_text_lacks_is_told(void **state)
{
    static const struct {
        const char *text;
        enum address_text is;
    } cases[] = {
        {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ADDRESS_CHECKED},
        {"5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", ADDRESS_CHECKED},
        {"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed", ADDRESS_UNCHECKED},
        {"0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED", ADDRESS_UNCHECKED},
        {"0x0000000000000000000000000000000000000001", ADDRESS_UNCHECKED},
        {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD", ADDRESS_CHECKSUM},
        {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe", ADDRESS_MALFORMED},
        {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAedA", ADDRESS_MALFORMED},
        {"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe ", ADDRESS_MALFORMED},
        {"0x0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeA", ADDRESS_MALFORMED},
        {"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq", ADDRESS_MALFORMED}, /* of other chains */
        {"TJCnKsPa7y5okkXvQAidZBzqx3QyQ6sxMW", ADDRESS_MALFORMED},
        {"XE21ERF4STLB4CJC4UJJTZHGOOGJLHSGKIN", ADDRESS_MALFORMED},
        {"", ADDRESS_MALFORMED},
    };
    struct chain_address address;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (address_read(&address, cases[i].text) != cases[i].is)
            fail_msg("%s", cases[i].text);
}

static void the_zero_address_is_known(void **state)
{
    (void)state;
    struct chain_address zero = {{0}};
    struct chain_address one = {{[19] = 1}};
    assert_true(address_is_zero(&zero));
    assert_false(address_is_zero(&one));
    assert_false(address_equal(&zero, &one));
}

static void published_keys_have_their_addresses(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("ethers/accounts.json.gz");
    size_t index;
    json_t *vector;
    json_array_foreach(vectors, index, vector)
    {
        size_t len;
        uint8_t *key = vectors_bytes(&len, vectors_text(vector, "privateKey"));
        struct chain_address address;
        struct chain_address parsed;
        char text[ADDRESS_TEXT_SIZE];
        assert_int_equal(len, TRANSACTION_KEY_BYTES);
        assert_true(transaction_key_address(&address, key));
        address_format(text, &address);
        assert_string_equal(text, vectors_text(vector, "address"));
        assert_true(address_parse(&parsed, text));
        free(key);
    }
    assert_true(index > 50);
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_eip_55s),
        cmocka_unit_test(a_mistyped_address_is_refused),
        cmocka_unit_test(what_a_text_lacks_is_told),
        cmocka_unit_test(the_zero_address_is_known),
        cmocka_unit_test(published_keys_have_their_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
