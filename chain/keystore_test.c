#include "chain/keystore.h"

#include "base/testing.h"
#include "chain/hex.h"
#include "chain/transaction.h"
#include "chain/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/lonja-keystore-XXXXXX");
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void path_in_folder(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", folder, name);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(file, mode), 0);
    close(file);
}

static enum keystore_result decrypt(uint8_t key[KEYSTORE_KEY_BYTES], struct chain_address *address,
                                    const json_t *json, const char *passphrase)
{
    char *text = json_dumps(json, 0);
    enum keystore_result result = keystore_decrypt(key, address, text, strlen(text),
                                                   (const uint8_t *)passphrase, strlen(passphrase));
    free(text);
    return result;
}

static void go_ethereums_vectors_open(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("keystore/v3_test_vector.json");
    const char *name;
    json_t *vector;
    json_object_foreach(vectors, name, vector)
    {
        uint8_t key[KEYSTORE_KEY_BYTES];
        uint8_t expected[KEYSTORE_KEY_BYTES] = {0};
        struct chain_address address;
        const json_t *json = json_object_get(vector, "json");
        const char *priv = vectors_text(vector, "priv");
        size_t len = strlen(priv) / 2;
        assert_true(hex_decode_exact(expected + KEYSTORE_KEY_BYTES - len, len, priv));
        enum keystore_result opened =
            decrypt(key, &address, json, vectors_text(vector, "password"));
        if (strcmp(name, "wikipage_test_vector_scrypt") == 0) {
            assert_int_equal(opened, KEYSTORE_UNSUPPORTED); /* n = 2^18, r = 1: outside RFC 7914 */
            continue;
        }
        assert_int_equal(opened, KEYSTORE_OK);
        assert_memory_equal(key, expected, sizeof(key));
        assert_int_equal(decrypt(key, &address, json, "wrong"), KEYSTORE_WRONG_PASSPHRASE);
        const uint8_t zero[KEYSTORE_KEY_BYTES] = {0};
        assert_memory_equal(key, zero, sizeof(key));
    }
    json_decref(vectors);
}

/* A file whose key was sealed with the vector's derived bytes. */
static json_t *sealed_with(const uint8_t derived[32], const json_t *vector)
{
    static const uint8_t plain[KEYSTORE_KEY_BYTES] = {[31] = 1};
    static const uint8_t iv[16] = {9};
    uint8_t message[16 + KEYSTORE_KEY_BYTES];
    char ciphertext[HEX_TEXT_SIZE(KEYSTORE_KEY_BYTES)];
    char mac[HEX_TEXT_SIZE(KECCAK_BYTES)];
    int len = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), NULL, derived, iv), 1);
    assert_int_equal(EVP_EncryptUpdate(context, message + 16, &len, plain, sizeof(plain)), 1);
    EVP_CIPHER_CTX_free(context);
    memcpy(message, derived + 16, 16);
    hex_encode(ciphertext, message + 16, KEYSTORE_KEY_BYTES);
    hex_encode(mac, keccak256_hash(message, sizeof(message)).bytes, KECCAK_BYTES);
    return json_pack("{s:i, s:{s:s, s:s, s:{s:s}, s:s, s:{s:i, s:O, s:s, s:O}, s:s}}", "version", 3,
                     "crypto", "cipher", "aes-128-ctr", "ciphertext", ciphertext + 2,
                     "cipherparams", "iv", "09000000000000000000000000000000", "kdf", "pbkdf2",
                     "kdfparams", "dklen", 32, "c", json_object_get(vector, "iterationCount"),
                     "prf", "hmac-sha256", "salt", json_object_get(vector, "salt"), "mac", mac + 2);
}

static void check_derivation(const json_t *vector)
{
    static const uint8_t plain[KEYSTORE_KEY_BYTES] = {[31] = 1};
    uint8_t key[KEYSTORE_KEY_BYTES];
    struct chain_address address;
    size_t derived_len, len;
    uint8_t *derived = vectors_bytes(&derived_len, vectors_text(vector, "dk"));
    uint8_t *passphrase = vectors_bytes(&len, vectors_text(vector, "password"));
    json_t *json = sealed_with(derived, vector);
    char *text = json_dumps(json, 0);
    assert_int_equal(keystore_decrypt(key, &address, text, strlen(text), passphrase, len),
                     KEYSTORE_OK);
    assert_memory_equal(key, plain, sizeof(plain));
    free(text);
    json_decref(json);
    free(passphrase);
    free(derived);
}

/* Those of which as many bytes are published as a file needs. */
static void wycheproofs_derivations_open_a_file(void **state)
{
    (void)state;
    size_t checked = 0;
    size_t g, i;
    json_t *group, *vector;
    json_t *root = vectors_load("wycheproof/pbkdf2_hmacsha256_test.json");
    json_array_foreach(json_object_get(root, "testGroups"), g, group)
    {
        json_array_foreach(json_object_get(group, "tests"), i, vector)
        {
            if (json_integer_value(json_object_get(vector, "dkLen")) < 32)
                continue;
            check_derivation(vector);
            checked++;
        }
    }
    assert_int_equal(checked, 38);
    json_decref(root);
}

static void go_ethereums_very_light_file_opens(void **state)
{
    (void)state;
    json_t *json = vectors_load("keystore/very-light-scrypt.json");
    uint8_t key[KEYSTORE_KEY_BYTES];
    struct chain_address address;
    assert_int_equal(decrypt(key, &address, json, ""), KEYSTORE_OK);
    json_decref(json);
}

static void wallets_of_other_software_open_to_their_address(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("ethers/wallets.json.gz");
    size_t index;
    size_t opened = 0;
    json_t *vector;
    json_array_foreach(vectors, index, vector)
    {
        if (strcmp(vectors_text(vector, "type"), "keystore") != 0)
            continue;
        const char *content = vectors_text(vector, "content");
        size_t len;
        uint8_t *passphrase = vectors_bytes(&len, vectors_text(vector, "password"));
        uint8_t key[KEYSTORE_KEY_BYTES];
        struct chain_address address;
        char text[ADDRESS_TEXT_SIZE];
        assert_int_equal(keystore_decrypt(key, &address, content, strlen(content), passphrase, len),
                         KEYSTORE_OK);
        address_format(text, &address);
        assert_string_equal(text, vectors_text(vector, "address"));
        free(passphrase);
        opened++;
    }
    assert_true(opened >= 5);
    json_decref(vectors);
}

/* A cheap file of our own to spoil field by field. */
static json_t *sample_of(enum keystore_format format)
{
    uint8_t key[KEYSTORE_KEY_BYTES] = {[31] = 9};
    char path[128];
    path_in_folder(path, "sample.json");
    assert_int_equal(
        keystore_create(path, key, (const uint8_t *)"pass", 4, format, KEYSTORE_COST_LIGHT),
        KEYSTORE_OK);
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    unlink(path);
    return json;
}

static json_t *sample_file(void)
{
    return sample_of(KEYSTORE_V3);
}

static void expect_after(json_t *json, enum keystore_result expected)
{
    uint8_t key[KEYSTORE_KEY_BYTES];
    struct chain_address address;
    assert_int_equal(decrypt(key, &address, json, "pass"), expected);
    json_decref(json);
}

static json_t *crypto_of(json_t *json)
{
    return json_object_get(json, "crypto");
}

static void spoiled_files_are_refused_with_their_reason(void **state)
{
    (void)state;
    expect_after(sample_file(), KEYSTORE_OK);
    json_t *json = sample_file();
    json_object_set_new(json, "version", json_integer(1));
    expect_after(json, KEYSTORE_MALFORMED);
    json = sample_file();
    json_object_set_new(crypto_of(json), "cipher", json_string("aes-256-ctr"));
    expect_after(json, KEYSTORE_UNSUPPORTED);
    json = sample_file();
    json_object_set_new(json_object_get(crypto_of(json), "kdfparams"), "n", json_integer(1 << 29));
    expect_after(json, KEYSTORE_UNSUPPORTED);
    json = sample_file();
    json_object_set_new(json_object_get(crypto_of(json), "kdfparams"), "n", json_integer(-1));
    expect_after(json, KEYSTORE_MALFORMED);
    json = sample_file();
    json_object_set_new(crypto_of(json), "mac", json_string("00"));
    expect_after(json, KEYSTORE_MALFORMED);
    json = sample_file();
    json_object_set_new(json, "address", json_string("1111111111111111111111111111111111111111"));
    expect_after(json, KEYSTORE_WRONG_ADDRESS);
    uint8_t key[KEYSTORE_KEY_BYTES];
    struct chain_address address;
    assert_int_equal(keystore_decrypt(key, &address, "{", 1, NULL, 0), KEYSTORE_MALFORMED);
}

static json_t *gcm_with(const char *group, const char *name, json_t *value)
{
    json_t *json = sample_of(KEYSTORE_GCM);
    json_object_set_new(group == NULL ? json : json_object_get(json, group), name, value);
    return json;
}

/* Also what stands beside the ciphertext is authenticated. */
static void spoiled_files_of_ours_are_refused(void **state)
{
    (void)state;
    expect_after(sample_of(KEYSTORE_GCM), KEYSTORE_OK);
    expect_after(gcm_with("kdf", "n", json_integer(2048)), KEYSTORE_WRONG_PASSPHRASE);
    expect_after(gcm_with("kdf", "n", json_integer(1 << 29)), KEYSTORE_UNSUPPORTED);
    expect_after(gcm_with("kdf", "n", json_string("4096")), KEYSTORE_MALFORMED);
    expect_after(gcm_with("kdf", "name", json_string("pbkdf2")), KEYSTORE_UNSUPPORTED);
    expect_after(gcm_with("kdf", "salt", json_string("00")), KEYSTORE_WRONG_PASSPHRASE);
    expect_after(gcm_with("cipher", "name", json_string("aes-128-gcm")), KEYSTORE_UNSUPPORTED);
    expect_after(gcm_with("cipher", "nonce", json_string("000000000000000000000000")),
                 KEYSTORE_WRONG_PASSPHRASE);
    expect_after(gcm_with("cipher", "tag", json_string("00000000000000000000000000000000")),
                 KEYSTORE_WRONG_PASSPHRASE);
    expect_after(gcm_with("cipher", "tag", json_string("00")), KEYSTORE_MALFORMED);
    expect_after(gcm_with(NULL, "version", json_integer(2)), KEYSTORE_UNSUPPORTED);
    expect_after(gcm_with(NULL, "cipher", json_integer(2)), KEYSTORE_MALFORMED);
    expect_after(
        gcm_with(NULL, "address", json_string("0x1111111111111111111111111111111111111111")),
        KEYSTORE_WRONG_PASSPHRASE);
    uint8_t key[KEYSTORE_KEY_BYTES];
    struct chain_address address;
    json_t *json = sample_of(KEYSTORE_GCM);
    assert_int_equal(decrypt(key, &address, json, "other"), KEYSTORE_WRONG_PASSPHRASE);
    json_decref(json);
}

static void a_created_file_opens_again(enum keystore_format format)
{
    char path[128];
    uint8_t key[KEYSTORE_KEY_BYTES];
    uint8_t opened[KEYSTORE_KEY_BYTES];
    struct chain_address address;
    struct chain_address owner;
    struct stat status;
    path_in_folder(path, "key.json");
    assert_int_equal(keystore_random_key(key), KEYSTORE_OK);
    assert_int_equal(
        keystore_create(path, key, (const uint8_t *)"p", 1, format, KEYSTORE_COST_LIGHT),
        KEYSTORE_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(keystore_open(opened, &address, path, (const uint8_t *)"p", 1), KEYSTORE_OK);
    assert_memory_equal(opened, key, sizeof(key));
    assert_true(transaction_key_address(&owner, key));
    assert_true(address_equal(&address, &owner));
    assert_int_equal(
        keystore_create(path, key, (const uint8_t *)"p", 1, format, KEYSTORE_COST_LIGHT),
        KEYSTORE_EXISTS);
    unlink(path);
    assert_int_equal(keystore_open(opened, &address, path, (const uint8_t *)"p", 1), KEYSTORE_IO);
    assert_int_equal(errno, ENOENT);
}

static void a_created_file_opens_again_and_is_never_overwritten(void **state)
{
    (void)state;
    a_created_file_opens_again(KEYSTORE_GCM);
    a_created_file_opens_again(KEYSTORE_V3);
}

static void a_passphrase_file_is_private_not_empty_and_without_its_line_end(void **state)
{
    (void)state;
    char path[128];
    uint8_t passphrase[16];
    size_t len;
    path_in_folder(path, "pass");
    write_file(path, "secret word\n", 0600);
    assert_int_equal(keystore_read_passphrase(passphrase, sizeof(passphrase), &len, path),
                     KEYSTORE_OK);
    assert_int_equal(len, 11);
    assert_memory_equal(passphrase, "secret word", 11);
    write_file(path, "secret word\n", 0640);
    assert_int_equal(keystore_read_passphrase(passphrase, sizeof(passphrase), &len, path),
                     KEYSTORE_IO);
    assert_int_equal(errno, EACCES);
    write_file(path, "\n", 0600);
    assert_int_equal(keystore_read_passphrase(passphrase, sizeof(passphrase), &len, path),
                     KEYSTORE_IO);
    assert_int_equal(errno, ENODATA);
    write_file(path, "0123456789abcdef", 0600);
    assert_int_equal(keystore_read_passphrase(passphrase, sizeof(passphrase), &len, path),
                     KEYSTORE_IO);
    assert_int_equal(errno, EMSGSIZE);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(go_ethereums_vectors_open),
        cmocka_unit_test(wycheproofs_derivations_open_a_file),
        cmocka_unit_test(go_ethereums_very_light_file_opens),
        cmocka_unit_test(wallets_of_other_software_open_to_their_address),
        cmocka_unit_test(spoiled_files_are_refused_with_their_reason),
        cmocka_unit_test(spoiled_files_of_ours_are_refused),
        cmocka_unit_test(a_created_file_opens_again_and_is_never_overwritten),
        cmocka_unit_test(a_passphrase_file_is_private_not_empty_and_without_its_line_end),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
