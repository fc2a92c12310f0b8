/* ECDSA over secp256k1 as the chain has it: deterministic (RFC 6979), low s (EIP-2), with the
 * parity that recovers the signer. Over libsecp256k1.
 *
 * A signer owns a context that is blinded against what a neighbour may measure of time and power;
 * one thread each. Recovering needs none; any thread.
 */
#ifndef LONJA_CHAIN_ECDSA_H
#define LONJA_CHAIN_ECDSA_H

#include "chain/address.h"
#include "chain/keccak.h"

#include <stdbool.h>
#include <stdint.h>

#define ECDSA_KEY_BYTES 32

struct ecdsa_signature {
    uint8_t r[32];
    uint8_t s[32];
    uint8_t y_parity;
};

struct ecdsa_signer {
    void *context;
    uint32_t left; /* signatures until it is blinded anew */
};

/* False when the system gives no random bytes. */
__attribute__((warn_unused_result)) bool ecdsa_signer_open(struct ecdsa_signer *signer);
void ecdsa_signer_close(struct ecdsa_signer *signer);

/* False when the key is zero or not below the group's order, or the system gives no random bytes
 * (they blind the computation, the signature has none of them). */
__attribute__((warn_unused_result)) bool ecdsa_sign(struct ecdsa_signer *signer,
                                                    struct ecdsa_signature *out,
                                                    const struct chain_hash *hash,
                                                    const uint8_t key[ECDSA_KEY_BYTES]);
__attribute__((warn_unused_result)) bool ecdsa_key_address(struct ecdsa_signer *signer,
                                                           struct chain_address *out,
                                                           const uint8_t key[ECDSA_KEY_BYTES]);

/* The address whose key made the signature. False when r or s is out of range, s is high, the
 * parity is neither 0 nor 1, or no key can have made it. */
__attribute__((warn_unused_result)) bool ecdsa_recover(struct chain_address *out,
                                                       const struct chain_hash *hash,
                                                       const struct ecdsa_signature *signature);

#endif
