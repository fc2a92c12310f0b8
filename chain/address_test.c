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
        cmocka_unit_test(the_zero_address_is_known),
        cmocka_unit_test(published_keys_have_their_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
