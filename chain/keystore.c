#include "chain/keystore.h"

#include "base/assert.h"
#include "chain/aes_gcm.h"
#include "chain/hex.h"
#include "chain/keccak.h"
#include "chain/transaction.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Version 3 (Web3 Secret Storage):
 *
 *   derived    = kdf(passphrase, salt), 32 bytes
 *   ciphertext = AES-128-CTR(key: derived[0..16), iv) of the private key
 *   mac        = Keccak-256(derived[16..32) || ciphertext)
 *
 * Reading: parse and check every field, derive, compare the MAC in constant time, decrypt, and hold
 * the key's address against the file's, if it names one. Nothing is decrypted before the MAC is
 * right.
 *
 * lonja-key, version 1:
 *
 *   derived    = scrypt(passphrase, salt), 32 bytes
 *   ciphertext = AES-256-GCM(key: derived, nonce) of the private key, its tag beside it;
 *                authenticated with it is the text that write_aad writes
 */
#define DERIVED_BYTES     32
#define IV_BYTES          16
#define SALT_BYTES_MAX    64
#define SCRYPT_MEMORY_MAX (1024u * 1024 * 1024)
#define FILE_BYTES_MAX    65536

enum kdf { KDF_SCRYPT, KDF_PBKDF2 };

struct sealed_key {
    enum kdf kdf;
    uint64_t scrypt_n;
    uint64_t scrypt_r;
    uint64_t scrypt_p;
    int pbkdf2_iterations;
    uint8_t salt[SALT_BYTES_MAX];
    size_t salt_len;
    enum keystore_format format;
    uint8_t iv[IV_BYTES]; /* of GCM the first AES_GCM_NONCE_BYTES */
    uint8_t ciphertext[KEYSTORE_KEY_BYTES];
    size_t ciphertext_len;
    uint8_t mac[KECCAK_BYTES]; /* of GCM the first AES_GCM_TAG_BYTES: the tag */
    bool has_address;
    struct chain_address address;
};

const char *keystore_result_text(enum keystore_result result)
{
    static const char *const texts[] = {
        [KEYSTORE_OK] = "ok",
        [KEYSTORE_IO] = "cannot be read or written",
        [KEYSTORE_MALFORMED] = "neither a key store of version 3 nor a lonja-key file",
        [KEYSTORE_UNSUPPORTED] = "a cipher, key derivation or parameter that is not supported",
        [KEYSTORE_WRONG_PASSPHRASE] = "wrong passphrase or damaged file",
        [KEYSTORE_WRONG_ADDRESS] = "the file's address is not the key's",
        [KEYSTORE_EXISTS] = "exists already; a key store is never overwritten",
        [KEYSTORE_CRYPTO] = "the cryptographic library refused",
    };
    return texts[result];
}

static bool text_is(const json_t *object, const char *key, const char *wanted)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && strcmp(text, wanted) == 0;
}

static bool read_hex(uint8_t *out, size_t max, size_t *len, const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    ssize_t decoded = text == NULL ? -1 : hex_decode(out, max, text);
    *len = decoded < 0 ? 0 : (size_t)decoded;
    return decoded > 0;
}

static bool read_hex_exact(uint8_t *out, size_t wanted, const json_t *object, const char *key)
{
    size_t len;
    return read_hex(out, wanted, &len, object, key) && len == wanted;
}

static bool read_number(uint64_t *out, const json_t *object, const char *key, uint64_t max)
{
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);
    *out = (uint64_t)number;
    return json_is_integer(value) && number > 0 && (uint64_t)number <= max;
}

static enum keystore_result read_scrypt(struct sealed_key *key, const json_t *params)
{
    if (!read_number(&key->scrypt_n, params, "n", 1u << 30) ||
        !read_number(&key->scrypt_r, params, "r", 1u << 20) ||
        !read_number(&key->scrypt_p, params, "p", 1u << 20))
        return KEYSTORE_MALFORMED;
    bool power_of_two = key->scrypt_n > 1 && (key->scrypt_n & (key->scrypt_n - 1)) == 0;
    /* RFC 7914: n < 2^(16 r). OpenSSL refuses what breaks it; some wallets have written it. */
    bool within_rfc = key->scrypt_r >= 2 || key->scrypt_n < 1u << 16;
    bool fits = 128 * key->scrypt_r * (key->scrypt_n + key->scrypt_p) <= SCRYPT_MEMORY_MAX;
    key->kdf = KDF_SCRYPT;
    return power_of_two && within_rfc && fits ? KEYSTORE_OK : KEYSTORE_UNSUPPORTED;
}

static enum keystore_result read_pbkdf2(struct sealed_key *key, const json_t *params)
{
    uint64_t iterations;
    if (!read_number(&iterations, params, "c", INT32_MAX))
        return KEYSTORE_MALFORMED;
    key->kdf = KDF_PBKDF2;
    key->pbkdf2_iterations = (int)iterations;
    return text_is(params, "prf", "hmac-sha256") ? KEYSTORE_OK : KEYSTORE_UNSUPPORTED;
}

static enum keystore_result read_kdf(struct sealed_key *key, const json_t *crypto)
{
    const json_t *params = json_object_get(crypto, "kdfparams");
    uint64_t derived_len;
    if (!json_is_object(params) ||
        !read_hex(key->salt, SALT_BYTES_MAX, &key->salt_len, params, "salt"))
        return KEYSTORE_MALFORMED;
    if (!read_number(&derived_len, params, "dklen", UINT32_MAX))
        return KEYSTORE_MALFORMED;
    if (derived_len != DERIVED_BYTES)
        return KEYSTORE_UNSUPPORTED;
    if (text_is(crypto, "kdf", "scrypt"))
        return read_scrypt(key, params);
    if (text_is(crypto, "kdf", "pbkdf2"))
        return read_pbkdf2(key, params);
    return KEYSTORE_UNSUPPORTED;
}

static enum keystore_result read_crypto(struct sealed_key *key, const json_t *crypto)
{
    if (!json_is_object(crypto))
        return KEYSTORE_MALFORMED;
    if (!text_is(crypto, "cipher", "aes-128-ctr"))
        return KEYSTORE_UNSUPPORTED;
    const json_t *params = json_object_get(crypto, "cipherparams");
    if (!read_hex_exact(key->iv, IV_BYTES, params, "iv") ||
        !read_hex_exact(key->mac, KECCAK_BYTES, crypto, "mac") ||
        !read_hex(key->ciphertext, sizeof(key->ciphertext), &key->ciphertext_len, crypto,
                  "ciphertext"))
        return KEYSTORE_MALFORMED;
    return read_kdf(key, crypto);
}

/* Every member is needed: the file is ours. */
static enum keystore_result read_gcm_json(struct sealed_key *key, const json_t *root)
{
    const json_t *cipher = json_object_get(root, "cipher");
    const json_t *kdf = json_object_get(root, "kdf");
    const char *address = json_string_value(json_object_get(root, "address"));
    key->format = KEYSTORE_GCM;
    key->has_address = true;
    key->ciphertext_len = KEYSTORE_KEY_BYTES;
    if (json_integer_value(json_object_get(root, "version")) != 1)
        return KEYSTORE_UNSUPPORTED;
    if (address == NULL || !address_parse(&key->address, address) ||
        !read_hex_exact(key->iv, AES_GCM_NONCE_BYTES, cipher, "nonce") ||
        !read_hex_exact(key->ciphertext, KEYSTORE_KEY_BYTES, cipher, "ciphertext") ||
        !read_hex_exact(key->mac, AES_GCM_TAG_BYTES, cipher, "tag") ||
        !read_hex(key->salt, SALT_BYTES_MAX, &key->salt_len, kdf, "salt"))
        return KEYSTORE_MALFORMED;
    if (!text_is(cipher, "name", "aes-256-gcm") || !text_is(kdf, "name", "scrypt"))
        return KEYSTORE_UNSUPPORTED;
    return read_scrypt(key, kdf);
}

static enum keystore_result read_file_json(struct sealed_key *key, const json_t *root)
{
    if (text_is(root, "format", "lonja-key"))
        return read_gcm_json(key, root);
    if (!json_is_object(root) || json_integer_value(json_object_get(root, "version")) != 3)
        return KEYSTORE_MALFORMED;
    key->format = KEYSTORE_V3;
    const char *address = json_string_value(json_object_get(root, "address"));
    key->has_address = address != NULL;
    if (address != NULL && !address_parse(&key->address, address))
        return KEYSTORE_MALFORMED;
    /* Some wallets write the member with a capital. */
    const json_t *crypto = json_object_get(root, "crypto");
    return read_crypto(key, crypto != NULL ? crypto : json_object_get(root, "Crypto"));
}

static bool derive(uint8_t derived[DERIVED_BYTES], const struct sealed_key *key,
                   const uint8_t *passphrase, size_t passphrase_len)
{
    const char *text = (const char *)passphrase;
    if (key->kdf == KDF_PBKDF2)
        return PKCS5_PBKDF2_HMAC(text, (int)passphrase_len, key->salt, (int)key->salt_len,
                                 key->pbkdf2_iterations, EVP_sha256(), DERIVED_BYTES, derived) == 1;
    /* OpenSSL's limit counts its own tables too; ours was checked when the file was read. */
    return EVP_PBE_scrypt(text, passphrase_len, key->salt, key->salt_len, key->scrypt_n,
                          key->scrypt_r, key->scrypt_p, 2ull * SCRYPT_MEMORY_MAX, derived,
                          DERIVED_BYTES) == 1;
}

static void compute_mac(uint8_t mac[KECCAK_BYTES], const uint8_t derived[DERIVED_BYTES],
                        const uint8_t *ciphertext, size_t len)
{
    uint8_t message[DERIVED_BYTES / 2 + KEYSTORE_KEY_BYTES];
    memcpy(message, derived + DERIVED_BYTES / 2, DERIVED_BYTES / 2);
    memcpy(message + DERIVED_BYTES / 2, ciphertext, len);
    keccak256(mac, message, DERIVED_BYTES / 2 + len);
    OPENSSL_cleanse(message, sizeof(message));
}

/* Counter mode: the same for both directions. */
static bool apply_cipher(uint8_t *out, const uint8_t *in, size_t len,
                         const uint8_t derived[DERIVED_BYTES], const uint8_t iv[IV_BYTES])
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written = 0;
    bool done = context != NULL &&
                EVP_EncryptInit_ex(context, EVP_aes_128_ctr(), NULL, derived, iv) == 1 &&
                EVP_EncryptUpdate(context, out, &written, in, (int)len) == 1 && written == (int)len;
    EVP_CIPHER_CTX_free(context);
    return done;
}

#define AAD_MAX 512

/* Address and derivation of a lonja-key file, as it authenticates them. */
static struct aes_gcm_aad write_aad(char out[AAD_MAX], const struct sealed_key *key)
{
    char address[ADDRESS_TEXT_SIZE];
    char salt[HEX_TEXT_SIZE(SALT_BYTES_MAX)];
    address_format(address, &key->address);
    hex_encode(salt, key->salt, key->salt_len);
    int len = snprintf(out, AAD_MAX, "lonja-key 1 %s scrypt %llu %llu %llu %s aes-256-gcm", address,
                       (unsigned long long)key->scrypt_n, (unsigned long long)key->scrypt_r,
                       (unsigned long long)key->scrypt_p, salt);
    ASSERT(len > 0 && len < AAD_MAX);
    return (struct aes_gcm_aad){(const uint8_t *)out, (size_t)len};
}

static enum keystore_result unseal_gcm(uint8_t out[KEYSTORE_KEY_BYTES],
                                       const struct sealed_key *key,
                                       const uint8_t derived[DERIVED_BYTES])
{
    char text[AAD_MAX];
    struct aes_gcm_aad aad = write_aad(text, key);
    return aes_gcm_open(out, key->ciphertext, KEYSTORE_KEY_BYTES, key->mac, &aad, derived, key->iv)
               ? KEYSTORE_OK
               : KEYSTORE_WRONG_PASSPHRASE;
}

static enum keystore_result unseal_derived(uint8_t out[KEYSTORE_KEY_BYTES],
                                           const struct sealed_key *key,
                                           const uint8_t derived[DERIVED_BYTES])
{
    uint8_t mac[KECCAK_BYTES];
    compute_mac(mac, derived, key->ciphertext, key->ciphertext_len);
    if (CRYPTO_memcmp(mac, key->mac, KECCAK_BYTES) != 0)
        return KEYSTORE_WRONG_PASSPHRASE;
    uint8_t *right_aligned = out + KEYSTORE_KEY_BYTES - key->ciphertext_len;
    if (!apply_cipher(right_aligned, key->ciphertext, key->ciphertext_len, derived, key->iv))
        return KEYSTORE_CRYPTO;
    return KEYSTORE_OK;
}

static enum keystore_result unseal(uint8_t out[KEYSTORE_KEY_BYTES], struct chain_address *address,
                                   const struct sealed_key *key, const uint8_t *passphrase,
                                   size_t passphrase_len)
{
    uint8_t derived[DERIVED_BYTES];
    if (!derive(derived, key, passphrase, passphrase_len))
        return KEYSTORE_CRYPTO;
    enum keystore_result result = key->format == KEYSTORE_GCM ? unseal_gcm(out, key, derived)
                                                              : unseal_derived(out, key, derived);
    OPENSSL_cleanse(derived, sizeof(derived));
    if (result != KEYSTORE_OK)
        return result;
    if (!transaction_key_address(address, out))
        return KEYSTORE_MALFORMED;
    if (key->has_address && !address_equal(address, &key->address))
        return KEYSTORE_WRONG_ADDRESS;
    return KEYSTORE_OK;
}

enum keystore_result keystore_decrypt(uint8_t key[KEYSTORE_KEY_BYTES],
                                      struct chain_address *address, const char *json,
                                      size_t json_len, const uint8_t *passphrase,
                                      size_t passphrase_len)
{
    memset(key, 0, KEYSTORE_KEY_BYTES);
    memset(address, 0, sizeof(*address));
    struct sealed_key sealed = {0};
    json_t *root = json_loadb(json, json_len, JSON_REJECT_DUPLICATES, NULL);
    enum keystore_result result = read_file_json(&sealed, root);
    json_decref(root);
    if (result == KEYSTORE_OK)
        result = unseal(key, address, &sealed, passphrase, passphrase_len);
    if (result != KEYSTORE_OK) {
        OPENSSL_cleanse(key, KEYSTORE_KEY_BYTES);
        memset(address, 0, sizeof(*address));
    }
    return result;
}

/* Reads a whole small file; `len` is what was read, at most `max`. */
static bool read_small_file(char *out, size_t max, size_t *len, int file)
{
    *len = 0;
    while (*len < max) {
        ssize_t got = read(file, out + *len, max - *len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            return true;
        *len += (size_t)got;
    }
    return true;
}

enum keystore_result keystore_open(uint8_t key[KEYSTORE_KEY_BYTES], struct chain_address *address,
                                   const char *path, const uint8_t *passphrase,
                                   size_t passphrase_len)
{
    memset(key, 0, KEYSTORE_KEY_BYTES);
    memset(address, 0, sizeof(*address));
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return KEYSTORE_IO;
    char json[FILE_BYTES_MAX];
    size_t len;
    bool done = read_small_file(json, sizeof(json), &len, file);
    int error = errno;
    close(file);
    errno = error;
    if (!done)
        return KEYSTORE_IO;
    return keystore_decrypt(key, address, json, len, passphrase, passphrase_len);
}

static bool seal_derived(struct sealed_key *sealed, const uint8_t key[KEYSTORE_KEY_BYTES],
                         const uint8_t derived[DERIVED_BYTES])
{
    char text[AAD_MAX];
    if (sealed->format == KEYSTORE_GCM) {
        struct aes_gcm_aad aad = write_aad(text, sealed);
        return aes_gcm_seal(sealed->ciphertext, sealed->mac, key, KEYSTORE_KEY_BYTES, &aad, derived,
                            sealed->iv);
    }
    if (!apply_cipher(sealed->ciphertext, key, KEYSTORE_KEY_BYTES, derived, sealed->iv))
        return false;
    compute_mac(sealed->mac, derived, sealed->ciphertext, sealed->ciphertext_len);
    return true;
}

static bool seal(struct sealed_key *sealed, const uint8_t key[KEYSTORE_KEY_BYTES],
                 const uint8_t *passphrase, size_t passphrase_len)
{
    uint8_t derived[DERIVED_BYTES];
    sealed->salt_len = 32;
    sealed->ciphertext_len = KEYSTORE_KEY_BYTES;
    bool sealed_well = RAND_bytes(sealed->salt, 32) == 1 && RAND_bytes(sealed->iv, IV_BYTES) == 1 &&
                       derive(derived, sealed, passphrase, passphrase_len) &&
                       seal_derived(sealed, key, derived);
    OPENSSL_cleanse(derived, sizeof(derived));
    return sealed_well;
}

static json_t *bare_hex(const uint8_t *bytes, size_t len)
{
    char text[HEX_TEXT_SIZE(SALT_BYTES_MAX)];
    hex_encode(text, bytes, len);
    return json_string(text + 2);
}

/* A random UUID, version 4: the file's own name for itself. */
static bool random_id(char out[37])
{
    uint8_t bytes[16];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return false;
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    char text[HEX_TEXT_SIZE(16)];
    hex_encode(text, bytes, sizeof(bytes));
    const char *hex = text + 2;
    snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
    return true;
}

static json_t *to_gcm_json(const struct sealed_key *sealed)
{
    char address[ADDRESS_TEXT_SIZE];
    address_format(address, &sealed->address);
    return json_pack("{s:s, s:i, s:s, s:{s:s, s:I, s:I, s:I, s:o}, s:{s:s, s:o, s:o, s:o}}",
                     "format", "lonja-key", "version", 1, "address", address, "kdf", "name",
                     "scrypt", "n", (json_int_t)sealed->scrypt_n, "r", (json_int_t)sealed->scrypt_r,
                     "p", (json_int_t)sealed->scrypt_p, "salt",
                     bare_hex(sealed->salt, sealed->salt_len), "cipher", "name", "aes-256-gcm",
                     "nonce", bare_hex(sealed->iv, AES_GCM_NONCE_BYTES), "ciphertext",
                     bare_hex(sealed->ciphertext, sealed->ciphertext_len), "tag",
                     bare_hex(sealed->mac, AES_GCM_TAG_BYTES));
}

static json_t *to_v3_json(const struct sealed_key *sealed)
{
    char id[37];
    if (!random_id(id))
        return NULL;
    json_t *crypto = json_pack(
        "{s:s, s:{s:o}, s:o, s:s, s:{s:i, s:I, s:I, s:I, s:o}, s:o}", "cipher", "aes-128-ctr",
        "cipherparams", "iv", bare_hex(sealed->iv, IV_BYTES), "ciphertext",
        bare_hex(sealed->ciphertext, sealed->ciphertext_len), "kdf", "scrypt", "kdfparams", "dklen",
        DERIVED_BYTES, "n", (json_int_t)sealed->scrypt_n, "r", (json_int_t)sealed->scrypt_r, "p",
        (json_int_t)sealed->scrypt_p, "salt", bare_hex(sealed->salt, sealed->salt_len), "mac",
        bare_hex(sealed->mac, KECCAK_BYTES));
    return json_pack("{s:o, s:o, s:s, s:i}", "address",
                     bare_hex(sealed->address.bytes, ADDRESS_BYTES), "crypto", crypto, "id", id,
                     "version", 3);
}

static enum keystore_result write_new_file(const char *path, const char *text)
{
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        return errno == EEXIST ? KEYSTORE_EXISTS : KEYSTORE_IO;
    size_t len = strlen(text);
    bool written = write(file, text, len) == (ssize_t)len && fsync(file) == 0;
    int error = errno;
    close(file);
    if (!written)
        unlink(path); /* half a key store is none */
    errno = error;
    return written ? KEYSTORE_OK : KEYSTORE_IO;
}

enum keystore_result keystore_create(const char *path, const uint8_t key[KEYSTORE_KEY_BYTES],
                                     const uint8_t *passphrase, size_t passphrase_len,
                                     enum keystore_format format, enum keystore_cost cost)
{
    struct sealed_key sealed = {
        .format = format, .kdf = KDF_SCRYPT, .scrypt_n = 262144, .scrypt_r = 8, .scrypt_p = 1};
    if (cost == KEYSTORE_COST_LIGHT) {
        sealed.scrypt_n = 4096;
        sealed.scrypt_p = 6;
    }
    if (!transaction_key_address(&sealed.address, key))
        return KEYSTORE_MALFORMED;
    if (!seal(&sealed, key, passphrase, passphrase_len))
        return KEYSTORE_CRYPTO;
    json_t *root = format == KEYSTORE_GCM ? to_gcm_json(&sealed) : to_v3_json(&sealed);
    char *text = root == NULL ? NULL : json_dumps(root, JSON_INDENT(2));
    json_decref(root);
    if (text == NULL)
        return KEYSTORE_CRYPTO;
    enum keystore_result result = write_new_file(path, text);
    free(text);
    return result;
}

enum keystore_result keystore_random_key(uint8_t key[KEYSTORE_KEY_BYTES])
{
    struct chain_address address;
    do {
        if (RAND_priv_bytes(key, KEYSTORE_KEY_BYTES) != 1)
            return KEYSTORE_CRYPTO;
    } while (!transaction_key_address(&address, key));
    return KEYSTORE_OK;
}

static bool is_private(int file)
{
    struct stat status;
    if (fstat(file, &status) != 0)
        return false;
    if ((status.st_mode & 077) == 0)
        return true;
    errno = EACCES;
    return false;
}

static size_t without_line_end(const uint8_t *text, size_t len)
{
    if (len > 0 && text[len - 1] == '\n')
        len--;
    if (len > 0 && text[len - 1] == '\r')
        len--;
    return len;
}

enum keystore_result keystore_read_passphrase(uint8_t *out, size_t max, size_t *len,
                                              const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return KEYSTORE_IO;
    bool done = is_private(file) && read_small_file((char *)out, max, len, file);
    int error = errno;
    close(file);
    if (done && *len == max)
        error = EMSGSIZE; /* may have been cut */
    if (done)
        *len = without_line_end(out, *len);
    if (done && *len == 0)
        error = ENODATA;
    bool usable = done && error != EMSGSIZE && error != ENODATA;
    errno = error;
    return usable ? KEYSTORE_OK : KEYSTORE_IO;
}
