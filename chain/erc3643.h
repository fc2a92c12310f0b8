/* ERC-3643 (T-REX) tokens: calldata of the calls that the venue makes. Selectors are written by
 * hand from the EIP. What is asked of a token before a transfer stands in erc3643_precheck.h.
 *
 * Amounts are the token's smallest units. Encoders allocate nothing; any thread. They return the
 * calldata's length or -1 when `max` is too small.
 */
#ifndef LONJA_CHAIN_ERC3643_H
#define LONJA_CHAIN_ERC3643_H

#include "chain/abi.h"

/* Calls of an agent that change state. X(name in C, signature, selector) */
#define ERC3643_METHODS(X)                                                                         \
    X(FORCED_TRANSFER, "forcedTransfer(address,address,uint256)", 0x9fc1d0e7)                      \
    X(BATCH_FORCED_TRANSFER, "batchForcedTransfer(address[],address[],uint256[])", 0x42a47abc)     \
    X(MINT, "mint(address,uint256)", 0x40c10f19)                                                   \
    X(BURN, "burn(address,uint256)", 0x9dc29fac)                                                   \
    X(FREEZE_PARTIAL_TOKENS, "freezePartialTokens(address,uint256)", 0x125c4a33)                   \
    X(UNFREEZE_PARTIAL_TOKENS, "unfreezePartialTokens(address,uint256)", 0x1fe56f7d)               \
    X(SET_ADDRESS_FROZEN, "setAddressFrozen(address,bool)", 0xc69c09cf)                            \
    X(PAUSE, "pause()", 0x8456cb59)                                                                \
    X(UNPAUSE, "unpause()", 0x3f4ba83a)                                                            \
    X(REGISTER_IDENTITY, "registerIdentity(address,address,uint16)", 0x454a03e0)                   \
    X(DELETE_IDENTITY, "deleteIdentity(address)", 0xa8d29d1d)                                      \
    X(TRANSFER, "transfer(address,uint256)", 0xa9059cbb)                                           \
    X(BALANCE_OF, "balanceOf(address)", 0x70a08231)                                                \
    X(DECIMALS, "decimals()", 0x313ce567)                                                          \
    X(TOTAL_SUPPLY, "totalSupply()", 0x18160ddd)                                                   \
    X(PAUSED, "paused()", 0x5c975abb)                                                              \
    X(IS_FROZEN, "isFrozen(address)", 0xe5839836)                                                  \
    X(GET_FROZEN_TOKENS, "getFrozenTokens(address)", 0x158b1a57)                                   \
    X(IDENTITY_REGISTRY, "identityRegistry()", 0x134e18f4)                                         \
    X(COMPLIANCE, "compliance()", 0x6290865d)                                                      \
    X(IS_AGENT, "isAgent(address)", 0x1ffbb064)                                                    \
    X(IS_VERIFIED, "isVerified(address)", 0xb9209e33)                                              \
    X(CAN_TRANSFER, "canTransfer(address,address,uint256)", 0xe46638e6)

/* Constants and no enum: selectors above 0x7fffffff do not fit one in C17. */
#define X(name, signature, selector) static const uint32_t ERC3643_##name = selector##u;
ERC3643_METHODS(X)
#undef X

/* The signature of a selector ("mint(address,uint256)"), or NULL. */
const char *erc3643_signature(uint32_t selector);
/* The selector of a signature or of its bare name; 0 when there is none. */
uint32_t erc3643_selector(const char *name);

/* batchForcedTransfer: 83,000 gas each; more than this comes near EIP-7825's 16,777,216. */
#define ERC3643_BATCH_MAX    100
#define ERC3643_CALLDATA_MAX (4 + 32 * (3 + 3 * (1 + ERC3643_BATCH_MAX)))

ssize_t erc3643_forced_transfer(uint8_t *out, size_t max, const struct chain_address *from,
                                const struct chain_address *to, chain_uint128 units);
/* `count` of 1 to ERC3643_BATCH_MAX; asserts otherwise. */
ssize_t erc3643_batch_forced_transfer(uint8_t *out, size_t max, const struct chain_address *from,
                                      const struct chain_address *to, const chain_uint128 *units,
                                      size_t count);
ssize_t erc3643_mint(uint8_t *out, size_t max, const struct chain_address *to, chain_uint128 units);
ssize_t erc3643_burn(uint8_t *out, size_t max, const struct chain_address *from,
                     chain_uint128 units);
ssize_t erc3643_freeze_partial(uint8_t *out, size_t max, const struct chain_address *wallet,
                               chain_uint128 units);
ssize_t erc3643_unfreeze_partial(uint8_t *out, size_t max, const struct chain_address *wallet,
                                 chain_uint128 units);
ssize_t erc3643_set_address_frozen(uint8_t *out, size_t max, const struct chain_address *wallet,
                                   bool frozen);
/* On the identity registry. `country` is ISO 3166 numeric. */
ssize_t erc3643_register_identity(uint8_t *out, size_t max, const struct chain_address *wallet,
                                  const struct chain_address *identity, uint16_t country);
ssize_t erc3643_delete_identity(uint8_t *out, size_t max, const struct chain_address *wallet);

#endif
