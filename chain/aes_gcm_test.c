/* Wycheproof's cases for AES-GCM, as far as they are ours: keys of 256 bits, nonces of 96, tags of
 * 128. */
#include "chain/aes_gcm.h"

#include "base/testing.h"
#include "chain/vectors.h"

#include <stdlib.h>
#include <string.h>

struct bytes {
    uint8_t *at;
    size_t len;
};

static struct bytes member(const json_t *vector, const char *name)
{
    struct bytes bytes;
    bytes.at = vectors_bytes(&bytes.len, vectors_text(vector, name));
    return bytes;
}

static void check_vector(const json_t *vector)
{
    struct bytes key = member(vector, "key");
    struct bytes nonce = member(vector, "iv");
    struct bytes text = member(vector, "msg");
    struct bytes ciphertext = member(vector, "ct");
    struct bytes tag = member(vector, "tag");
    struct bytes aad_bytes = member(vector, "aad");
    const struct aes_gcm_aad aad = {aad_bytes.at, aad_bytes.len};
    bool valid = strcmp(vectors_text(vector, "result"), "valid") == 0;
    uint8_t *out = calloc(1, text.len + 1);
    uint8_t made[AES_GCM_TAG_BYTES];
    assert_int_equal(
        aes_gcm_open(out, ciphertext.at, ciphertext.len, tag.at, &aad, key.at, nonce.at), valid);
    if (valid) {
        assert_memory_equal(out, text.at, text.len);
        assert_true(aes_gcm_seal(out, made, text.at, text.len, &aad, key.at, nonce.at));
        assert_memory_equal(out, ciphertext.at, ciphertext.len);
        assert_memory_equal(made, tag.at, sizeof(made));
    } else {
        for (size_t i = 0; i < text.len; i++)
            assert_int_equal(out[i], 0);
    }
    free(out);
    free(key.at);
    free(nonce.at);
    free(text.at);
    free(ciphertext.at);
    free(tag.at);
    free(aad_bytes.at);
}

static bool is_ours(const json_t *group)
{
    return json_integer_value(json_object_get(group, "keySize")) == 8 * AES_GCM_KEY_BYTES &&
           json_integer_value(json_object_get(group, "ivSize")) == 8 * AES_GCM_NONCE_BYTES &&
           json_integer_value(json_object_get(group, "tagSize")) == 8 * AES_GCM_TAG_BYTES;
}

static void wycheproofs_cases_open_or_not_as_published(void **state)
{
    (void)state;
    json_t *root = vectors_load("wycheproof/aes_gcm_test.json");
    size_t checked = 0;
    size_t g;
    json_t *group;
    json_array_foreach(json_object_get(root, "testGroups"), g, group)
    {
        size_t i;
        json_t *vector;
        json_array_foreach(json_object_get(group, "tests"), i, vector)
        {
            if (!is_ours(group))
                continue;
            check_vector(vector);
            checked++;
        }
    }
    assert_true(checked > 50);
    json_decref(root);
}

/* Also where the published cases are absent. */
static void any_flipped_bit_is_seen(void **state)
{
    (void)state;
    uint8_t key[AES_GCM_KEY_BYTES] = {1};
    uint8_t nonce[AES_GCM_NONCE_BYTES] = {2};
    uint8_t sealed[20];
    uint8_t tag[AES_GCM_TAG_BYTES];
    uint8_t words[3] = "ab";
    uint8_t out[20];
    const struct aes_gcm_aad aad = {words, sizeof(words)};
    struct bytes parts[] = {{key, sizeof(key)},
                            {nonce, sizeof(nonce)},
                            {sealed, sizeof(sealed)},
                            {tag, sizeof(tag)},
                            {words, sizeof(words)}};
    assert_true(
        aes_gcm_seal(sealed, tag, (const uint8_t *)"twenty bytes of text", 20, &aad, key, nonce));
    assert_true(aes_gcm_open(out, sealed, 20, tag, &aad, key, nonce));
    assert_memory_equal(out, "twenty bytes of text", 20);
    for (size_t part = 0; part < sizeof(parts) / sizeof(parts[0]); part++)
        for (size_t bit = 0; bit < 8 * parts[part].len; bit++) {
            parts[part].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(aes_gcm_open(out, sealed, 20, tag, &aad, key, nonce));
            parts[part].at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wycheproofs_cases_open_or_not_as_published),
        cmocka_unit_test(any_flipped_bit_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
