#include "chain/sign_keys.h"

#include <stdlib.h>

struct local {
    struct ecdsa_signer signer;
    const uint8_t (*keys)[ECDSA_KEY_BYTES];
};

static bool local_sign(void *context, struct ecdsa_signature *out, size_t key,
                       const struct chain_hash *hash)
{
    struct local *local = context;
    return ecdsa_sign(&local->signer, out, hash, local->keys[key]);
}

static void local_close(void *context)
{
    struct local *local = context;
    ecdsa_signer_close(&local->signer);
    free(local);
}

static bool read_addresses(struct sign_keys *out, struct local *local, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct chain_address address;
        if (!ecdsa_key_address(&local->signer, &address, local->keys[i]) ||
            (i > 0 && sign_keys_find(out, &address) >= 0))
            return false;
        out->addresses[out->count++] = address;
    }
    return true;
}

bool sign_keys_local(struct sign_keys *out, const uint8_t (*keys)[ECDSA_KEY_BYTES], size_t count)
{
    ASSERT(count > 0 && count <= SIGN_KEYS_MAX);
    struct local *local = calloc(1, sizeof(*local));
    if (local == NULL || !ecdsa_signer_open(&local->signer)) {
        free(local);
        return false;
    }
    local->keys = keys;
    *out = (struct sign_keys){.context = local, .sign = local_sign, .close = local_close};
    if (read_addresses(out, local, count))
        return true;
    local_close(local);
    return false;
}

int sign_keys_find(const struct sign_keys *keys, const struct chain_address *address)
{
    if (address_is_zero(address))
        return 0;
    for (size_t i = 0; i < keys->count; i++)
        if (address_equal(&keys->addresses[i], address))
            return (int)i;
    return -1;
}
