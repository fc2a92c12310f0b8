#define OPENSSL_API_COMPAT 0x10100000L // the functions that EVP has replaced (sha256.h says why)
#include "base/sha256.h"

#include <assert.h>

#include <openssl/sha.h>

#include "base/assert.h"

static_assert(SHA256_BYTES == SHA256_DIGEST_LENGTH, "the digest's length");

void sha256(uint8_t out[SHA256_BYTES], const void *data, size_t bytes)
{
    SHA256_CTX context;
    int good = SHA256_Init(&context) == 1 && SHA256_Update(&context, data, bytes) == 1 &&
               SHA256_Final(out, &context) == 1;
    ASSERT(good); // they have no other answer
}
