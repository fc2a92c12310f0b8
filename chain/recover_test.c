/* Who signed? Wycheproof's cases with low s ("bitcoin") and with any, good and malicious, and
 * go-ethereum's of the precompile. */
#include "chain/ecdsa.h"

#include "base/testing.h"
#include "chain/vectors.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

/* One INTEGER of strict DER, right-aligned into 32 bytes; moves `at`. */
static bool read_integer(uint8_t out[32], const uint8_t **at, const uint8_t *end)
{
    if (end - *at < 2 || (*at)[0] != 0x02)
        return false;
    size_t len = (*at)[1];
    const uint8_t *bytes = *at + 2;
    if (len == 0 || len > 33 || (size_t)(end - bytes) < len || (bytes[0] & 0x80) != 0)
        return false;
    if (len > 1 && bytes[0] == 0 && (bytes[1] & 0x80) == 0)
        return false; /* not the shortest */
    *at = bytes + len;
    if (len == 33) {
        if (bytes[0] != 0)
            return false;
        bytes++;
        len--;
    }
    memset(out, 0, 32);
    memcpy(out + 32 - len, bytes, len);
    return true;
}

/* The chain has no DER: what is none of this form cannot even be written down as r and s. */
static bool read_der(struct ecdsa_signature *out, const uint8_t *bytes, size_t len)
{
    const uint8_t *at = bytes + 2;
    const uint8_t *end = bytes + len;
    return len >= 8 && bytes[0] == 0x30 && bytes[1] == len - 2 && bytes[1] < 0x80 &&
           read_integer(out->r, &at, end) && read_integer(out->s, &at, end) && at == end;
}

static struct chain_address owner_of(const json_t *group)
{
    size_t len;
    struct chain_address owner;
    const json_t *key = json_object_get(group, "publicKey");
    uint8_t *bytes = vectors_bytes(&len, vectors_text(key, "uncompressed"));
    assert_int_equal(len, 65);
    struct chain_hash hash = keccak256_hash(bytes + 1, 64);
    memcpy(owner.bytes, hash.bytes + 12, ADDRESS_BYTES);
    free(bytes);
    return owner;
}

static bool is_made_by(const struct chain_address *owner, const struct chain_hash *hash,
                       struct ecdsa_signature *signature)
{
    struct chain_address signer;
    for (signature->y_parity = 0; signature->y_parity < 2; signature->y_parity++)
        if (ecdsa_recover(&signer, hash, signature) && address_equal(&signer, owner))
            return true;
    return false;
}

/* The order of the group less s: the same signer's other signature, of the other parity. */
static void turn(struct ecdsa_signature *signature)
{
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
                                      0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b,
                                      0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};
    int borrow = 0;
    for (int i = 31; i >= 0; i--) {
        int digit = order[i] - signature->s[i] - borrow;
        borrow = digit < 0;
        signature->s[i] = (uint8_t)(digit + 256 * borrow);
    }
    signature->y_parity ^= 1;
}

/* The x of its point may lie above the group's order, r being less than the field's prime less that
 * order: recovery needs a third and fourth parity then, which a transaction of the chain cannot
 * carry and no signer of ours makes. */
static bool is_of_large_x(const struct ecdsa_signature *signature)
{
    static const uint8_t zero[15];
    return memcmp(signature->r, zero, sizeof(zero)) == 0;
}

struct tally {
    unsigned recovered;
    unsigned turned; /* of them, with a high s, which is refused, and taken in its other form */
    unsigned refused;
    unsigned unwritable; /* valid, but not for the chain */
};

static void check_case(struct tally *tally, const struct chain_address *owner, const json_t *test,
                       bool high_s)
{
    size_t message_len;
    size_t len;
    struct chain_hash hash;
    struct ecdsa_signature signature;
    uint8_t *message = vectors_bytes(&message_len, vectors_text(test, "msg"));
    uint8_t *bytes = vectors_bytes(&len, vectors_text(test, "sig"));
    SHA256(message, message_len, hash.bytes);
    bool valid = strcmp(vectors_text(test, "result"), "valid") == 0;
    bool written = read_der(&signature, bytes, len);
    bool found = written && is_made_by(owner, &hash, &signature);
    if (written && !found && high_s) {
        turn(&signature);
        found = is_made_by(owner, &hash, &signature);
        tally->turned += found;
    }
    if (found && !valid)
        fail_msg("case %lld was taken: %s", json_integer_value(json_object_get(test, "tcId")),
                 vectors_text(test, "comment"));
    if (!found && valid && !(written && is_of_large_x(&signature)))
        fail_msg("case %lld was refused: %s", json_integer_value(json_object_get(test, "tcId")),
                 vectors_text(test, "comment"));
    tally->recovered += found;
    tally->refused += !found && !valid;
    tally->unwritable += !found && valid;
    free(message);
    free(bytes);
}

static struct tally check_file(const char *name, bool high_s)
{
    size_t i, j;
    json_t *group, *test;
    struct tally tally = {0};
    json_t *vectors = vectors_load(name);

    json_array_foreach(json_object_get(vectors, "testGroups"), i, group)
    {
        struct chain_address owner = owner_of(group);
        json_array_foreach(json_object_get(group, "tests"), j, test)
        {
            check_case(&tally, &owner, test, high_s);
        }
    }
    json_decref(vectors);
    print_message("%u recovered, %u of them turned, %u refused, %u not of the chain\n",
                  tally.recovered, tally.turned, tally.refused, tally.unwritable);
    return tally;
}

static void wycheproof_signatures_have_their_signer_or_none(void **state)
{
    (void)state;
    struct tally tally = check_file("wycheproof/ecdsa_secp256k1_sha256_bitcoin_test.json", false);
    assert_int_equal(tally.recovered + tally.refused + tally.unwritable, 463);
    assert_true(tally.recovered > 100 && tally.refused > 200 && tally.unwritable == 1);
}

static void wycheproof_signatures_of_any_s_have_their_signer_in_the_low_form(void **state)
{
    (void)state;
    struct tally tally = check_file("wycheproof/ecdsa_secp256k1_sha256_test.json", true);
    assert_int_equal(tally.recovered + tally.refused + tally.unwritable, 476);
    assert_true(tally.recovered > 100 && tally.refused > 200 && tally.unwritable == 2);
    assert_true(tally.turned > 10);
}

/* Input: hash, v (27 or 28, in a word), r, s. The precompile takes a high s, as here; the chain's
 * transactions take its other form only. */
static void the_precompiles_cases_have_their_signer_or_none(void **state)
{
    size_t i;
    json_t *vector;
    unsigned recovered = 0;
    json_t *vectors = vectors_load("keystore/ecRecover.json");

    (void)state;
    json_array_foreach(vectors, i, vector)
    {
        size_t len, expected_len;
        uint8_t *input = vectors_bytes(&len, vectors_text(vector, "Input"));
        uint8_t *expected = vectors_bytes(&expected_len, vectors_text(vector, "Expected"));
        static const uint8_t zero[31];
        struct chain_hash hash;
        struct chain_address signer;
        struct ecdsa_signature signature = {.y_parity = (uint8_t)(input[63] - 27)};
        assert_true(len >= 128);
        memcpy(hash.bytes, input, 32);
        memcpy(signature.r, input + 64, 32);
        memcpy(signature.s, input + 96, 32);
        bool is_v = memcmp(input + 32, zero, 31) == 0 && signature.y_parity < 2;
        assert_false(ecdsa_recover(&signer, &hash, &signature));
        turn(&signature);
        bool found = is_v && ecdsa_recover(&signer, &hash, &signature);
        assert_int_equal(expected_len, found ? 32 : 0);
        if (found)
            assert_memory_equal(expected + 12, signer.bytes, ADDRESS_BYTES);
        recovered += found;
        free(input);
        free(expected);
    }
    assert_int_equal(recovered, 1);
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproof_signatures_have_their_signer_or_none),
        cmocka_unit_test(wycheproof_signatures_of_any_s_have_their_signer_in_the_low_form),
        cmocka_unit_test(the_precompiles_cases_have_their_signer_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
