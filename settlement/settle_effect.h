// What a request should have done, and whether the chain says that it did: the events of its
// receipt before it counts as confirmed, and the state of the contract, read back.
//
//   transfers, mint, burn     Transfer, per leg, in order (from or to zero for mint and burn; of a
//                             stablecoin out of the escrow)
//   freeze, unfreeze          TokensFrozen, TokensUnfrozen, per leg
//   set_address_frozen        AddressFrozen, per leg                  isFrozen
//   register_identity         IdentityRegistered                      contains, identity,
//   investorCountry delete_identity           IdentityRemoved                         not contains
//   add_agent                 AgentAdded                              isAgent
//   deploy                    the receipt's address is the one that   code is there
//                             follows from sender and nonce
//   configure, cancel_nonce   a successful receipt (its events are the contracts' own)
//
// One thread per `struct node`.
#ifndef LONJA_SETTLEMENT_SETTLE_EFFECT_H
#define LONJA_SETTLEMENT_SETTLE_EFFECT_H

#include "chain/erc3643_precheck.h"
#include "settlement/settle_call.h"

// Every planned event is in the receipt, once and in order; others may stand beside them. `created`
// is where a deploy's contract must be. log_index gets one per leg.
CHECKED bool settle_effect_find(uint32_t log_index[SETTLE_LEGS_MAX],
                                const struct node_receipt *receipt, const struct settle_call *call,
                                const struct settle_arguments *arguments,
                                const struct chain_address *created);

// How many Transfers of the token in a successful receipt are the leg's, and where they stand;
// SETTLE_LEGS_MAX at most.
CHECKED size_t settle_effect_transfers(uint32_t log_index[SETTLE_LEGS_MAX],
                                       const struct node_receipt *receipt,
                                       const struct chain_address *token,
                                       const struct settle_leg *leg);

enum settle_state {
    SETTLE_STATE_HOLDS, // the contract is as the request wants it
    SETTLE_STATE_DIFFERS,
    SETTLE_STATE_NO_SAY, // of this operation nothing can be read back
};
// The contract's state at block `at`. Of a deploy: call->contract is where it was made.
NODE_MUST_CHECK enum node_result settle_effect_state(struct node *node, enum settle_state *state,
                                                     const struct settle_call *call,
                                                     const struct settle_arguments *arguments,
                                                     uint64_t at);

#endif
