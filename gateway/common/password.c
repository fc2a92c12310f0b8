#include "gateway/common/password.h"

#include <argon2.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { MEMORY_KIB_MAX = 256 * 1024, PASSES_MAX = 16, LANES_MAX = 16 };

// The hash comes from our own database, but a wrong row must not take the machine down.
static bool costs_are_bearable(const char *encoded)
{
    unsigned version = 0, memory_kib = 0, passes = 0, lanes = 0;
    if (sscanf(encoded, "$argon2id$v=%u$m=%u,t=%u,p=%u$", &version, &memory_kib, &passes, &lanes) !=
        4)
        return false;
    return memory_kib <= MEMORY_KIB_MAX && passes <= PASSES_MAX && lanes <= LANES_MAX;
}

bool password_verify(const char *encoded, const char *password, size_t bytes)
{
    return costs_are_bearable(encoded) && argon2id_verify(encoded, password, bytes) == ARGON2_OK;
}

bool password_hash(char encoded[PASSWORD_ENCODED_BYTES], const char *password, size_t bytes)
{
    uint8_t salt[16];
    return getrandom(salt, sizeof salt, 0) == (ssize_t)sizeof salt &&
           argon2id_hash_encoded(2, 19456, 1, password, bytes, salt, sizeof salt, 32, encoded,
                                 PASSWORD_ENCODED_BYTES) == ARGON2_OK;
}

const char *password_decoy(void)
{
    return "$argon2id$v=19$m=19456,t=2,p=1$bG9uamEtZGVjb3ktc2FsdA$"
           "cqL7zrWJfTzRj9fW3LdFQ2Fq1r3nX6y6TnbxwqKq4QI";
}

void password_wipe(void *secret, size_t bytes)
{
    explicit_bzero(secret, bytes);
}
