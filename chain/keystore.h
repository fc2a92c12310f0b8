/* Key files: a private key encrypted by a passphrase. Two formats are read and written:
 *
 *   version 3   scrypt or PBKDF2-SHA256, AES-128-CTR, Keccak-256 MAC: of every Ethereum wallet
 *   lonja-key   scrypt, AES-256-GCM over the key, with the address and the parameters of the
 *               derivation authenticated beside it: what a venue keeps at rest
 *
 * Any thread. Opening takes as long and as much memory as the file's parameters say (the standard
 * ones: about a second and 256 MB); parameters that would take more than 1 GB are refused.
 * Key material that this module held itself is wiped before it returns.
 */
#ifndef LONJA_CHAIN_KEYSTORE_H
#define LONJA_CHAIN_KEYSTORE_H

#include "chain/address.h"

#include <stddef.h>
#include <stdint.h>

#define KEYSTORE_KEY_BYTES 32
/* What the name of a retired key's file has behind that of the active one, then its address. */
#define KEYSTORE_RETIRED ".retired-"

enum keystore_result {
    KEYSTORE_OK,
    KEYSTORE_IO,               /* errno says what */
    KEYSTORE_MALFORMED,        /* neither format, or a field of the wrong type or length */
    KEYSTORE_UNSUPPORTED,      /* a cipher, key derivation or parameter that is not ours */
    KEYSTORE_WRONG_PASSPHRASE, /* the MAC differs: wrong passphrase, or a damaged file */
    KEYSTORE_WRONG_ADDRESS,    /* the file names an address that is not the key's */
    KEYSTORE_EXISTS,           /* a key store is never overwritten */
    KEYSTORE_CRYPTO,           /* OpenSSL refused: out of memory, no randomness */
};

const char *keystore_result_text(enum keystore_result result);

/* How expensive guessing the passphrase is made. LIGHT is for development chains and tests. */
enum keystore_cost {
    KEYSTORE_COST_STANDARD, /* scrypt n = 262144, r = 8, p = 1 */
    KEYSTORE_COST_LIGHT,    /* scrypt n = 4096, r = 8, p = 6 */
};

enum keystore_format {
    KEYSTORE_GCM, /* lonja-key */
    KEYSTORE_V3,
};

/* Decrypts the text of a key file of either format. A key shorter than 32 bytes is right-aligned.
 * On failure `key` and `address` are zero. */
__attribute__((warn_unused_result)) enum keystore_result
keystore_decrypt(uint8_t key[KEYSTORE_KEY_BYTES], struct chain_address *address, const char *json,
                 size_t json_len, const uint8_t *passphrase, size_t passphrase_len);

__attribute__((warn_unused_result)) enum keystore_result
keystore_open(uint8_t key[KEYSTORE_KEY_BYTES], struct chain_address *address, const char *path,
              const uint8_t *passphrase, size_t passphrase_len);

/* Creates the file with mode 0600, synced, and never over an existing one. */
__attribute__((warn_unused_result)) enum keystore_result
keystore_create(const char *path, const uint8_t key[KEYSTORE_KEY_BYTES], const uint8_t *passphrase,
                size_t passphrase_len, enum keystore_format format, enum keystore_cost cost);

/* A new random key, drawn until it is valid. */
__attribute__((warn_unused_result)) enum keystore_result
keystore_random_key(uint8_t key[KEYSTORE_KEY_BYTES]);

/* The passphrase in a file: its content without one trailing line end. Refused (KEYSTORE_IO, errno
 * EACCES) when group or others may read the file, (EMSGSIZE) when longer than `max`, (ENODATA) when
 * empty. */
__attribute__((warn_unused_result)) enum keystore_result
keystore_read_passphrase(uint8_t *out, size_t max, size_t *len, const char *path);

#endif
