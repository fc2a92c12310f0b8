#include "chain/aes_gcm.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

static bool update(EVP_CIPHER_CTX *context, uint8_t *out, const uint8_t *in, size_t len)
{
    int written = 0;
    return len == 0 ||
           (len <= INT_MAX && EVP_CipherUpdate(context, out, &written, in, (int)len) == 1 &&
            (size_t)written == len);
}

bool aes_gcm_seal(uint8_t *ciphertext, uint8_t tag[AES_GCM_TAG_BYTES], const uint8_t *text,
                  size_t len, const struct aes_gcm_aad *aad, const uint8_t key[AES_GCM_KEY_BYTES],
                  const uint8_t nonce[AES_GCM_NONCE_BYTES])
{
    uint8_t nothing[AES_GCM_TAG_BYTES];
    int written = 0;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool sealed = context != NULL &&
                  EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce, 1) == 1 &&
                  update(context, NULL, aad->bytes, aad->len) &&
                  update(context, ciphertext, text, len) &&
                  EVP_CipherFinal_ex(context, nothing, &written) == 1 &&
                  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, AES_GCM_TAG_BYTES, tag) == 1;
    EVP_CIPHER_CTX_free(context);
    return sealed;
}

bool aes_gcm_open(uint8_t *text, const uint8_t *ciphertext, size_t len,
                  const uint8_t tag[AES_GCM_TAG_BYTES], const struct aes_gcm_aad *aad,
                  const uint8_t key[AES_GCM_KEY_BYTES], const uint8_t nonce[AES_GCM_NONCE_BYTES])
{
    uint8_t nothing[AES_GCM_TAG_BYTES];
    uint8_t expected[AES_GCM_TAG_BYTES];
    int written = 0;
    for (size_t i = 0; i < AES_GCM_TAG_BYTES; i++)
        expected[i] = tag[i]; /* OpenSSL takes no constant one */
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool opened =
        context != NULL &&
        EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce, 0) == 1 &&
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, AES_GCM_TAG_BYTES, expected) == 1 &&
        update(context, NULL, aad->bytes, aad->len) && update(context, text, ciphertext, len) &&
        EVP_CipherFinal_ex(context, nothing, &written) == 1;
    EVP_CIPHER_CTX_free(context);
    if (!opened)
        OPENSSL_cleanse(text, len);
    return opened;
}
