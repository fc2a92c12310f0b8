#include "chain/keccak.h"

#include "base/testing.h"
#include "chain/hex.h"
#include "chain/vectors.h"

#include <stdlib.h>
#include <string.h>

static void expect_digest(const char *digest, const uint8_t *data, size_t len)
{
    struct chain_hash hash = keccak256_hash(data, len);
    char text[HEX_TEXT_SIZE(KECCAK_BYTES)];
    hex_encode(text, hash.bytes, KECCAK_BYTES);
    assert_string_equal(text, digest);
    keccak256_plain(hash.bytes, data, len);
    hex_encode(text, hash.bytes, KECCAK_BYTES);
    assert_string_equal(text, digest);
}

static void the_empty_string_has_ethereums_digest_not_nists(void **state)
{
    (void)state;
    expect_digest("0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470", NULL, 0);
}

static void a_message_of_one_block_less_one_byte_takes_both_paddings_in_one(void **state)
{
    (void)state;
    uint8_t data[135];
    memset(data, 0x61, sizeof(data));
    expect_digest("0x34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446", data,
                  sizeof(data));
}

static void published_vectors_agree(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("ethers/hashes.json.gz");
    size_t index;
    json_t *vector;
    json_array_foreach(vectors, index, vector)
    {
        size_t len;
        uint8_t *data = vectors_bytes(&len, vectors_text(vector, "data"));
        expect_digest(vectors_text(vector, "keccak256"), data, len);
        free(data);
    }
    assert_true(index > 200);
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_empty_string_has_ethereums_digest_not_nists),
        cmocka_unit_test(a_message_of_one_block_less_one_byte_takes_both_paddings_in_one),
        cmocka_unit_test(published_vectors_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
