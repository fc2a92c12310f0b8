/* The keys that a signer signs with, as a table of functions: what holds them is a file's key in
 * locked memory today, and may be a custody provider or a security module.
 *
 * The first key is the active one, which signs what names no other. The others are retired: they
 * sign only what keeps a nonce of theirs alive or gives it up, and transfers out of their own
 * wallets (escrows of stablecoins). One thread.
 */
#ifndef LONJA_CHAIN_SIGN_KEYS_H
#define LONJA_CHAIN_SIGN_KEYS_H

#include "base/assert.h"
#include "chain/ecdsa.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGN_KEYS_MAX 8

struct sign_keys {
    void *context;
    size_t count; /* 1 to SIGN_KEYS_MAX */
    struct chain_address addresses[SIGN_KEYS_MAX];
    /* Signs the hash with key number `key`; false when it cannot now, and may later. Whether the
     * signature may differ each time is the back-end's affair: what was signed once is kept. */
    bool (*sign)(void *context, struct ecdsa_signature *out, size_t key,
                 const struct chain_hash *hash);
    void (*close)(void *context);
    bool foreign; /* its signatures are made elsewhere, and checked before they are believed */
};

/* Keys in the caller's memory, which must stay, locked, until `close`. False when one is no key,
 * two are the same, or the system gives no random bytes. */
CHECKED bool sign_keys_local(struct sign_keys *out, const uint8_t (*keys)[ECDSA_KEY_BYTES],
                             size_t count);

/* The number of the key with this address; the active one's for the zero address; or -1. */
int sign_keys_find(const struct sign_keys *keys, const struct chain_address *address);

#endif
