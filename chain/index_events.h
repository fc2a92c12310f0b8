/* The events of ERC-3643 tokens and their registries: name and decoded fields of a log, as JSON for
 * chain.event_log.
 *
 * Topics are Keccak-256 of the signature (index_events_test.c proves it). What is not known, or not
 * of the known shape, keeps its topics and data as they are, under the name "unknown". Addresses
 * are written in lower case, amounts as decimal text of all 256 bits. Any thread.
 */
#ifndef LONJA_CHAIN_INDEX_EVENTS_H
#define LONJA_CHAIN_INDEX_EVENTS_H

#include <jansson.h>

#include "chain/node.h"

/* X(name, signature, fields): a field is "*name:type", the star for an indexed one; types are
 * address, uint256, uint16, bool and bytes32 (one word each) and string. */
#define INDEX_EVENTS(X)                                                                            \
    X("Transfer", "Transfer(address,address,uint256)", "*from:address *to:address value:uint256")  \
    X("Approval", "Approval(address,address,uint256)",                                             \
      "*owner:address *spender:address value:uint256")                                             \
    X("UpdatedTokenInformation", "UpdatedTokenInformation(string,string,uint8,string,address)",    \
      "*name:bytes32 *symbol:bytes32 decimals:uint256 version:string *onchain_id:address")         \
    X("IdentityRegistryAdded", "IdentityRegistryAdded(address)", "*identity_registry:address")     \
    X("ComplianceAdded", "ComplianceAdded(address)", "*compliance:address")                        \
    X("RecoverySuccess", "RecoverySuccess(address,address,address)",                               \
      "*lost_wallet:address *new_wallet:address *investor_onchain_id:address")                     \
    X("AddressFrozen", "AddressFrozen(address,bool,address)",                                      \
      "*wallet:address *frozen:bool *by:address")                                                  \
    X("TokensFrozen", "TokensFrozen(address,uint256)", "*wallet:address amount:uint256")           \
    X("TokensUnfrozen", "TokensUnfrozen(address,uint256)", "*wallet:address amount:uint256")       \
    X("Paused", "Paused(address)", "by:address")                                                   \
    X("Unpaused", "Unpaused(address)", "by:address")                                               \
    X("AgentAdded", "AgentAdded(address)", "*agent:address")                                       \
    X("AgentRemoved", "AgentRemoved(address)", "*agent:address")                                   \
    X("OwnershipTransferred", "OwnershipTransferred(address,address)",                             \
      "*previous_owner:address *new_owner:address")                                                \
    X("Initialized", "Initialized(uint8)", "version:uint256")                                      \
    X("ClaimTopicsRegistrySet", "ClaimTopicsRegistrySet(address)", "*registry:address")            \
    X("IdentityStorageSet", "IdentityStorageSet(address)", "*identity_storage:address")            \
    X("TrustedIssuersRegistrySet", "TrustedIssuersRegistrySet(address)", "*registry:address")      \
    X("IdentityRegistered", "IdentityRegistered(address,address)",                                 \
      "*wallet:address *identity:address")                                                         \
    X("IdentityRemoved", "IdentityRemoved(address,address)", "*wallet:address *identity:address")  \
    X("IdentityUpdated", "IdentityUpdated(address,address)",                                       \
      "*old_identity:address *new_identity:address")                                               \
    X("CountryUpdated", "CountryUpdated(address,uint16)", "*wallet:address *country:uint256")

/* "Transfer", or "unknown". */
const char *index_event_name(const struct node_log *log);

/* The decoded fields by their names, or {"topics": […], "data": "0x…"}. The caller releases it. */
json_t *index_event_decode(const struct node_log *log);

/* The first topic of the events of `name`; false when there is none of this name. */
bool index_event_topic(struct chain_hash *topic, const char *name);

#define INDEX_DECIMAL_256_SIZE 79
/* A big endian number of 256 bits in decimal. */
void index_decimal_256(char out[INDEX_DECIMAL_256_SIZE], const uint8_t bytes[32]);

#endif
