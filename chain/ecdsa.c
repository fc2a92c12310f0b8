#include "chain/ecdsa.h"

#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <string.h>
#include <sys/random.h>

/* Blinding costs as much as a signature: not every time. */
#define SIGNATURES_PER_BLINDING 256

static bool blind(struct ecdsa_signer *signer)
{
    uint8_t seed[32];
    if (getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return false;
    int blinded = secp256k1_context_randomize(signer->context, seed);
    explicit_bzero(seed, sizeof(seed));
    signer->left = SIGNATURES_PER_BLINDING;
    return blinded == 1;
}

bool ecdsa_signer_open(struct ecdsa_signer *signer)
{
    signer->context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    if (blind(signer))
        return true;
    ecdsa_signer_close(signer);
    return false;
}

void ecdsa_signer_close(struct ecdsa_signer *signer)
{
    secp256k1_context_destroy(signer->context);
    signer->context = NULL;
}

bool ecdsa_sign(struct ecdsa_signer *signer, struct ecdsa_signature *out,
                const struct chain_hash *hash, const uint8_t key[ECDSA_KEY_BYTES])
{
    secp256k1_ecdsa_recoverable_signature signature;
    uint8_t compact[64];
    int parity = 0;
    if (signer->left == 0 && !blind(signer))
        return false;
    signer->left--;
    if (secp256k1_ecdsa_sign_recoverable(signer->context, &signature, hash->bytes, key, NULL,
                                         NULL) != 1)
        return false;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(signer->context, compact, &parity,
                                                            &signature);
    memcpy(out->r, compact, 32);
    memcpy(out->s, compact + 32, 32);
    out->y_parity = (uint8_t)(parity & 1);
    /* Bit 1 of the recovery id means r overflowed the group order: no such signature has ever been
     * seen, and the chain could not express it. */
    return parity < 2;
}

static struct chain_address public_key_address(const secp256k1_pubkey *public_key)
{
    uint8_t encoded[65];
    size_t len = sizeof(encoded);
    secp256k1_ec_pubkey_serialize(secp256k1_context_static, encoded, &len, public_key,
                                  SECP256K1_EC_UNCOMPRESSED);
    uint8_t hash[KECCAK_BYTES];
    keccak256(hash, encoded + 1, sizeof(encoded) - 1);
    struct chain_address address;
    memcpy(address.bytes, hash + KECCAK_BYTES - ADDRESS_BYTES, ADDRESS_BYTES);
    return address;
}

bool ecdsa_key_address(struct ecdsa_signer *signer, struct chain_address *out,
                       const uint8_t key[ECDSA_KEY_BYTES])
{
    secp256k1_pubkey public_key;
    if (secp256k1_ec_pubkey_create(signer->context, &public_key, key) != 1)
        return false;
    *out = public_key_address(&public_key);
    return true;
}

static bool is_low_s(const uint8_t compact[64])
{
    secp256k1_ecdsa_signature signature;
    return secp256k1_ecdsa_signature_parse_compact(secp256k1_context_static, &signature, compact) ==
               1 &&
           secp256k1_ecdsa_signature_normalize(secp256k1_context_static, NULL, &signature) == 0;
}

bool ecdsa_recover(struct chain_address *out, const struct chain_hash *hash,
                   const struct ecdsa_signature *signature)
{
    uint8_t compact[64];
    memcpy(compact, signature->r, 32);
    memcpy(compact + 32, signature->s, 32);
    secp256k1_ecdsa_recoverable_signature recoverable;
    secp256k1_pubkey public_key;
    if (signature->y_parity > 1 || !is_low_s(compact) ||
        secp256k1_ecdsa_recoverable_signature_parse_compact(secp256k1_context_static, &recoverable,
                                                            compact, signature->y_parity) != 1 ||
        secp256k1_ecdsa_recover(secp256k1_context_static, &public_key, &recoverable, hash->bytes) !=
            1)
        return false;
    *out = public_key_address(&public_key);
    return true;
}
