// What the chain says of our signers' transactions, for `lonja settle rebuild`: blocks are read
// whole, each transaction is encoded again from its fields so that its bytes can be kept and its
// hash and signature proved, and its call is decoded into legs and batch id.
//
// One thread. Failures are node_result's; a transaction that is not as it should be is told by its
// kind.
#ifndef LONJA_SETTLEMENT_SETTLE_REBUILD_CHAIN_H
#define LONJA_SETTLEMENT_SETTLE_REBUILD_CHAIN_H

#include "chain/erc3643_precheck.h"
#include "chain/node.h"
#include "chain/signer.h"
#include "settlement/settle_batch_id.h"
#include "settlement/settle_call.h"

enum { SETTLE_REBUILD_SIGNERS_MAX = 16 };

enum settle_rebuild_kind {
    SETTLE_REBUILD_TRANSFER, // a forced transfer with a batch id: legs and id are filled
    SETTLE_REBUILD_CUSTODY,  // a freeze or release of the venue's custody: likewise
    SETTLE_REBUILD_PAYOUT,   // a payout of a stablecoin: likewise, out of the signer's own wallet
    SETTLE_REBUILD_UNNAMED,  // a forced transfer without one, or with one that is none
    SETTLE_REBUILD_OTHER,    // anything else
};

struct settle_rebuild_transaction {
    enum settle_rebuild_kind kind;
    struct chain_hash hash;
    struct chain_address signer;
    struct chain_address to;
    bool creates;
    uint64_t nonce;
    uint64_t gas_limit;
    uint64_t max_fee_wei;
    uint64_t priority_fee_wei;
    enum settle_operation operation;
    struct settle_batch_id id;
    size_t leg_count;
    struct settle_leg legs[SETTLE_LEGS_MAX];
    uint32_t log_index[SETTLE_LEGS_MAX];     // of each leg's event, if it has succeeded
    chain_uint128 unfrozen[SETTLE_LEGS_MAX]; // what each transfer took of its sender's frozen units
    bool succeeded;
    bool has_effect; // the legs' events are there, in order, and no other Transfer of the token (of
                     // a payout: others may be)
    uint64_t block_number;
    struct chain_hash block_hash;
    uint64_t gas_used;
    uint64_t effective_fee_wei;
    uint64_t l1_fee_wei;
    size_t calldata_len;
    uint8_t calldata[SIGNER_CALLDATA_MAX];
    size_t raw_len;
    uint8_t raw[SIGNER_RAW_MAX];
};

// Called for each of our transactions of a block, in order. False ends the block.
typedef bool settle_rebuild_visit(void *context,
                                  const struct settle_rebuild_transaction *transaction);

struct settle_rebuild_chain {
    struct node *node;
    uint64_t chain_id;
    size_t signer_count;
    struct chain_address signers[SETTLE_REBUILD_SIGNERS_MAX];
    struct settle_rebuild_transaction transaction; // scratch
};

// *whole: every visit answered true. NODE_GARBAGE: the block, or a transaction of ours in it,
// cannot be read or is not what its hash says.
CHECKED enum node_result settle_rebuild_block(struct settle_rebuild_chain *chain, bool *whole,
                                              uint64_t number, settle_rebuild_visit *visit,
                                              void *context);

#endif
