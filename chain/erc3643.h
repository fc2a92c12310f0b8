/* ERC-3643 (T-REX) tokens: calldata of the calls that the venue makes. Selectors are written by
 * hand from the EIP. What is asked of a token before a transfer stands in erc3643_precheck.h.
 *
 * Amounts are the token's smallest units. Encoders allocate nothing; any thread. They return the
 * calldata's length or -1 when `max` is too small.
 */
#ifndef LONJA_CHAIN_ERC3643_H
#define LONJA_CHAIN_ERC3643_H

#include "chain/abi.h"

/* Calls of an agent, then set-up calls of an owner (T-REX 4.1.6), then reads.
 * X(name in C, signature, selector) */
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
    X(BATCH_MINT, "batchMint(address[],uint256[])", 0x68573107)                                    \
    X(BATCH_BURN, "batchBurn(address[],uint256[])", 0x4a6cc677)                                    \
    X(BATCH_FREEZE_PARTIAL_TOKENS, "batchFreezePartialTokens(address[],uint256[])", 0xfc7e5fa8)    \
    X(BATCH_UNFREEZE_PARTIAL_TOKENS, "batchUnfreezePartialTokens(address[],uint256[])",            \
      0x4710362d)                                                                                  \
    X(BATCH_SET_ADDRESS_FROZEN, "batchSetAddressFrozen(address[],bool[])", 0x1a7af379)             \
    X(BATCH_REGISTER_IDENTITY, "batchRegisterIdentity(address[],address[],uint16[])", 0x653dc9f1)  \
    X(TRANSFER, "transfer(address,uint256)", 0xa9059cbb)                                           \
    X(ADD_AGENT, "addAgent(address)", 0x84e79842)                                                  \
    X(REMOVE_AGENT, "removeAgent(address)", 0x97a6278e)                                            \
    X(TRANSFER_OWNERSHIP, "transferOwnership(address)", 0xf2fde38b)                                \
    X(BIND_IDENTITY_REGISTRY, "bindIdentityRegistry(address)", 0x690a49f9)                         \
    X(BIND_TOKEN, "bindToken(address)", 0x3ff5aa02)                                                \
    X(ADD_MODULE, "addModule(address)", 0x1ed86f19)                                                \
    X(CALL_MODULE_FUNCTION, "callModuleFunction(bytes,address)", 0xefb22d33)                       \
    X(ADD_CLAIM_TOPIC, "addClaimTopic(uint256)", 0xc7b22551)                                       \
    X(ADD_TRUSTED_ISSUER, "addTrustedIssuer(address,uint256[])", 0x9f63ea98)                       \
    X(ADD_AND_USE_VERSION,                                                                         \
      "addAndUseTREXVersion((uint8,uint8,uint8),(address,address,address,address,address,address)" \
      ")",                                                                                         \
      0x71673bd0)                                                                                  \
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
    X(CAN_TRANSFER, "canTransfer(address,address,uint256)", 0xe46638e6)                            \
    X(NAME, "name()", 0x06fdde03)                                                                  \
    X(SYMBOL, "symbol()", 0x95d89b41)                                                              \
    X(OWNER, "owner()", 0x8da5cb5b)                                                                \
    X(CONTAINS, "contains(address)", 0x5dbe47e8)                                                   \
    X(IDENTITY, "identity(address)", 0xf0eb5e54)                                                   \
    X(INVESTOR_COUNTRY, "investorCountry(address)", 0x7e42683b)                                    \
    X(IDENTITY_STORAGE, "identityStorage()", 0xf11abfd8)                                           \
    X(ISSUERS_REGISTRY, "issuersRegistry()", 0xb4f3fcb7)                                           \
    X(TOPICS_REGISTRY, "topicsRegistry()", 0x3b3e12f4)                                             \
    X(LINKED_IDENTITY_REGISTRIES, "linkedIdentityRegistries()", 0xbf9eb959)                        \
    X(GET_TOKEN_BOUND, "getTokenBound()", 0x6a3edf28)                                              \
    X(GET_MODULES, "getModules()", 0xb2494df3)                                                     \
    X(GET_CLAIM_TOPICS, "getClaimTopics()", 0xdf09d604)                                            \
    X(GET_TRUSTED_ISSUERS, "getTrustedIssuers()", 0xd9dd24c5)                                      \
    X(GET_TRUSTED_ISSUER_CLAIM_TOPICS, "getTrustedIssuerClaimTopics(address)", 0xc28fb278)         \
    X(GET_IMPLEMENTATION_AUTHORITY, "getImplementationAuthority()", 0x2d5f1187)

/* Constants and no enum: selectors above 0x7fffffff do not fit one in C17. */
#define X(name, signature, selector) static const uint32_t ERC3643_##name = selector##u;
ERC3643_METHODS(X)
#undef X

/* The signature of a selector ("mint(address,uint256)"), or NULL. */
const char *erc3643_signature(uint32_t selector);
/* The selector of a signature or of its bare name; 0 when there is none. */
uint32_t erc3643_selector(const char *name);

/* Of every batch. batchForcedTransfer: 83,000 gas each; more than this comes near EIP-7825's
 * 16,777,216. */
#define ERC3643_BATCH_MAX    100
#define ERC3643_CALLDATA_MAX (4 + 32 * (3 + 3 * (1 + ERC3643_BATCH_MAX)))

ssize_t erc3643_forced_transfer(uint8_t *out, size_t max, const struct chain_address *from,
                                const struct chain_address *to, chain_uint128 units);
/* `count` of 1 to ERC3643_BATCH_MAX; asserts otherwise. */
ssize_t erc3643_batch_forced_transfer(uint8_t *out, size_t max, const struct chain_address *from,
                                      const struct chain_address *to, const chain_uint128 *units,
                                      size_t count);
/* Of a plain ERC-20, too: out of the wallet of the key that signs. */
ssize_t erc3643_transfer(uint8_t *out, size_t max, const struct chain_address *to,
                         chain_uint128 units);
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

/* The batches of the calls above; `count` of 1 to ERC3643_BATCH_MAX; asserts otherwise. */
ssize_t erc3643_batch_mint(uint8_t *out, size_t max, const struct chain_address *to,
                           const chain_uint128 *units, size_t count);
ssize_t erc3643_batch_burn(uint8_t *out, size_t max, const struct chain_address *from,
                           const chain_uint128 *units, size_t count);
ssize_t erc3643_batch_freeze_partial(uint8_t *out, size_t max, const struct chain_address *wallets,
                                     const chain_uint128 *units, size_t count);
ssize_t erc3643_batch_unfreeze_partial(uint8_t *out, size_t max,
                                       const struct chain_address *wallets,
                                       const chain_uint128 *units, size_t count);
ssize_t erc3643_batch_set_address_frozen(uint8_t *out, size_t max,
                                         const struct chain_address *wallets, const bool *frozen,
                                         size_t count);
ssize_t erc3643_batch_register_identity(uint8_t *out, size_t max,
                                        const struct chain_address *wallets,
                                        const struct chain_address *identities,
                                        const uint16_t *countries, size_t count);

/* Of the owner, on the token or the identity registry (B9). The other set-up calls are rare, and
 * their arguments are data: abi_text.h writes them. */
ssize_t erc3643_add_agent(uint8_t *out, size_t max, const struct chain_address *agent);
ssize_t erc3643_remove_agent(uint8_t *out, size_t max, const struct chain_address *agent);

#endif
