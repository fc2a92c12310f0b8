/* AES-256-GCM with a nonce of 96 bits and a tag of 128, over OpenSSL. A nonce must never be used
 * twice with a key. Any thread.
 */
#ifndef LONJA_CHAIN_AES_GCM_H
#define LONJA_CHAIN_AES_GCM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AES_GCM_KEY_BYTES   32
#define AES_GCM_NONCE_BYTES 12
#define AES_GCM_TAG_BYTES   16

/* What is authenticated beside the text, and not encrypted. */
struct aes_gcm_aad {
    const uint8_t *bytes;
    size_t len;
};

/* Writes `len` bytes and the tag. False when OpenSSL refuses. */
__attribute__((warn_unused_result)) bool
aes_gcm_seal(uint8_t *ciphertext, uint8_t tag[AES_GCM_TAG_BYTES], const uint8_t *text, size_t len,
             const struct aes_gcm_aad *aad, const uint8_t key[AES_GCM_KEY_BYTES],
             const uint8_t nonce[AES_GCM_NONCE_BYTES]);

/* False when the tag is not that of all this; then `text` is zero. */
__attribute__((warn_unused_result)) bool
aes_gcm_open(uint8_t *text, const uint8_t *ciphertext, size_t len,
             const uint8_t tag[AES_GCM_TAG_BYTES], const struct aes_gcm_aad *aad,
             const uint8_t key[AES_GCM_KEY_BYTES], const uint8_t nonce[AES_GCM_NONCE_BYTES]);

#endif
