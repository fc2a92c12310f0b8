// What settlement asks the chain before it asks for a signature (U7), for all legs of a request at
// one block: the token's questions once, each wallet's once, canTransfer for each leg. Verdicts are
// given in the order of the legs with running balances: what a leg moves is there for the next.
//
// forcedTransfer itself checks three things only (chain/erc3643_precheck.h); the rest is here.
//
// A few round trips, whatever the number of legs (chain/multicall.h): the block, then the code and
// the token's questions, then MULTICALL_CHUNK_MAX of the others each. If the last call asked about
// was of the same contract at the same block, by number and hash, neither the token nor the wallets
// that were in it are asked about again: a block's state does not change.
//
// One thread, about 60 KB, and twice as much stack while it asks; nothing allocated.
#ifndef LONJA_SETTLEMENT_SETTLE_PREFLIGHT_H
#define LONJA_SETTLEMENT_SETTLE_PREFLIGHT_H

#include "chain/erc3643_precheck.h"
#include "settlement/settle_call.h"

enum { SETTLE_WALLETS_MAX = 2 * SETTLE_LEGS_MAX };

struct settle_wallet {
    struct chain_address address;
    bool is_known; // what follows was answered at the preflight's block
    bool sends;
    bool is_frozen;
    bool is_verified;
    chain_uint128 balance;      // of a wallet that sends, else zero
    chain_uint128 frozen_units; // likewise
    bool in_custody; // the venue freezes there what is tradable; not asked of the chain …
    chain_uint128 venue_units; // … of frozen_units, what it has frozen itself (settle_custody.h)
    bool freeze_under_way;     // … beside it more may be the venue's own: not final yet
};

struct settle_preflight {
    uint64_t block_number; // every answer is of this block
    struct chain_hash block_hash;
    bool is_known; // of this contract at this block, so that it need not be asked again:
    struct chain_address contract;
    bool has_code; // without it nothing else is asked
    bool paused;
    struct chain_address identity_registry;
    struct chain_address compliance;
    bool can_transfer[SETTLE_LEGS_MAX]; // from here on of one call
    size_t wallet_count;
    struct settle_wallet wallets[SETTLE_WALLETS_MAX];
};

// First: the block (`at` is a number or NODE_LATEST, which is resolved once), and what is the same for
// every call of the contract at it. A node that fails on the way is no verdict: its result is
// returned. A contract that answers what it should not is NODE_GARBAGE.
NODE_MUST_CHECK enum node_result settle_preflight_contract(struct node *node,
                                                           struct settle_preflight *preflight,
                                                           const struct chain_address *contract,
                                                           uint64_t at);

// Then, where that was NODE_OK: what is to be known of a call of that contract, at that block.
NODE_MUST_CHECK enum node_result settle_preflight_ask(struct node *node,
                                                      struct settle_preflight *preflight,
                                                      const struct settle_call *call);

// Puts what settle_preflight_ask would ask among the questions for node_ahead: the node works on
// them meanwhile. `next` begins as a copy of the preflight and goes on as it will: what a call asks
// is known to the next one. Where it is not so in the end nothing is lost. False: no memory.
CHECKED bool settle_preflight_ahead(json_t *questions, struct node *node,
                                    struct settle_preflight *next, const struct settle_call *call);

// One evidence per leg; the balance in it is the seller's after the legs before it. A leg that is
// refused moves nothing. Returns how many are refused.
size_t settle_preflight_judge(struct erc3643_evidence *evidence,
                              const struct settle_preflight *preflight,
                              const struct settle_call *call);

// What a forced transfer may take from the wallet: free units, and those that the venue has frozen.
chain_uint128 settle_wallet_spendable(const struct settle_wallet *wallet);

// A leg of the call left: its answers go, too.
void settle_preflight_forget(struct settle_preflight *preflight, size_t leg, size_t leg_count);

#endif
