/* Transactions of type 2 (EIP-1559), the only type the venue sends: encode, sign, decode, recover.
 *
 * Amounts of ether are wei. Fees are 64 bits wide: 18 ether per unit of gas is above any policy.
 * A transaction points at the caller's calldata and access list; nothing is copied or owned.
 * Signing is deterministic (RFC 6979) with low s: the same transaction and key give the same bytes.
 *
 * No allocation but libsecp256k1's contexts; any thread.
 */
#ifndef LONJA_CHAIN_TRANSACTION_H
#define LONJA_CHAIN_TRANSACTION_H

#include "chain/address.h"
#include "chain/ecdsa.h"
#include "chain/hex.h"
#include "chain/keccak.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TRANSACTION_TYPE      0x02
#define TRANSACTION_KEY_BYTES ECDSA_KEY_BYTES
/* What the fields beside calldata and access list can take when encoded, signature included. */
#define TRANSACTION_OVERHEAD_BYTES 256

struct transaction {
    uint64_t chain_id;
    uint64_t nonce;
    uint64_t priority_fee_wei; /* per unit of gas, at most max_fee_wei */
    uint64_t max_fee_wei;      /* per unit of gas */
    uint64_t gas_limit;
    chain_uint128 value_wei;
    bool creates_contract; /* then `to` is zero and not encoded */
    struct chain_address to;
    const uint8_t *calldata;
    size_t calldata_len;
    const uint8_t *access_list; /* RLP of the whole list; NULL is the empty list */
    size_t access_list_len;
};

/* 0x02 || rlp([...]) without signature. Returns the length, or -1 when `max` is too small. */
__attribute__((warn_unused_result)) ssize_t
transaction_encode_unsigned(uint8_t *out, size_t max, const struct transaction *transaction);

/* With signature: what eth_sendRawTransaction takes; its Keccak-256 is the transaction hash. */
__attribute__((warn_unused_result)) ssize_t
transaction_encode_signed(uint8_t *out, size_t max, const struct transaction *transaction,
                          const struct ecdsa_signature *signature);

/* Signs and encodes, with a context of its own (slow: a process that signs has ecdsa_signer).
 * Returns the length, or -1 when `max` is too small, the key is no valid key, or the system gives
 * no random bytes (they blind the computation, the signature has none of them). */
__attribute__((warn_unused_result)) ssize_t
transaction_sign(uint8_t *out, size_t max, const struct transaction *transaction,
                 const uint8_t key[TRANSACTION_KEY_BYTES]);

/* Reads raw signed bytes and recovers the sender. `transaction` points into `raw`. False when the
 * bytes are not a canonical signed type 2 transaction, a field is wider than ours, s is high
 * (EIP-2) or no key recovers. `signature` and `sender` may be NULL. */
__attribute__((warn_unused_result)) bool transaction_decode(struct transaction *transaction,
                                                            struct ecdsa_signature *signature,
                                                            struct chain_address *sender,
                                                            const uint8_t *raw, size_t len);

/* The address of a private key; false when it is zero or not below the group's order, or the system
 * gives no random bytes. */
__attribute__((warn_unused_result)) bool
transaction_key_address(struct chain_address *out, const uint8_t key[TRANSACTION_KEY_BYTES]);

/* Where the contract is that `sender` creates with this nonce: the last 20 bytes of
 * keccak(rlp([sender, nonce])). */
void transaction_created_address(struct chain_address *out, const struct chain_address *sender,
                                 uint64_t nonce);

#endif
