/* Signing; whom a signature is of stands in recover_test.c, with the published cases. */
#include "chain/ecdsa.h"

#include "base/testing.h"

#include <string.h>

static void what_is_signed_recovers_and_nothing_else_does(void **state)
{
    (void)state;
    static const uint8_t key[ECDSA_KEY_BYTES] = {[31] = 7};
    struct ecdsa_signer signer;
    struct chain_address address;
    struct chain_address recovered;
    assert_true(ecdsa_signer_open(&signer));
    assert_true(ecdsa_key_address(&signer, &address, key));
    for (uint16_t i = 0; i < 600; i++) { /* past several blindings */
        struct chain_hash hash = {{(uint8_t)i, (uint8_t)(i >> 8)}};
        struct ecdsa_signature signature;
        struct ecdsa_signature again;
        assert_true(ecdsa_sign(&signer, &signature, &hash, key));
        assert_true(ecdsa_sign(&signer, &again, &hash, key));
        assert_memory_equal(signature.r, again.r, 32);
        assert_memory_equal(signature.s, again.s, 32);
        assert_true(ecdsa_recover(&recovered, &hash, &signature));
        assert_true(address_equal(&recovered, &address));
        hash.bytes[31] ^= 1;
        if (ecdsa_recover(&recovered, &hash, &signature))
            assert_false(address_equal(&recovered, &address));
        signature.y_parity = 2;
        assert_false(ecdsa_recover(&recovered, &hash, &signature));
    }
    ecdsa_signer_close(&signer);
}

static void a_key_that_is_none_signs_nothing(void **state)
{
    (void)state;
    uint8_t key[ECDSA_KEY_BYTES] = {0};
    struct chain_hash hash = {{1}};
    struct ecdsa_signature signature;
    struct ecdsa_signer signer;
    struct chain_address address;
    assert_true(ecdsa_signer_open(&signer));
    assert_false(ecdsa_sign(&signer, &signature, &hash, key));
    assert_false(ecdsa_key_address(&signer, &address, key));
    memset(key, 0xff, sizeof(key));
    assert_false(ecdsa_sign(&signer, &signature, &hash, key));
    ecdsa_signer_close(&signer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_signed_recovers_and_nothing_else_does),
        cmocka_unit_test(a_key_that_is_none_signs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
