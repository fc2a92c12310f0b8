/* The EVM node in typed calls over `struct rpc_ops`, and what its errors mean.
 *
 * Every function returns NODE_OK or the class of the failure; details (the node's code, words and
 * revert reason) are then in node->error until the next call. Outputs are unspecified unless
 * NODE_OK is returned. Amounts are wei. One thread per `struct node`.
 */
#ifndef LONJA_CHAIN_NODE_H
#define LONJA_CHAIN_NODE_H

#include "chain/address.h"
#include "chain/hex.h"
#include "chain/keccak.h"
#include "chain/rpc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NODE_REASON_MAX 160

enum node_result {
    NODE_OK,
    NODE_UNREACHABLE,    /* transport: unknown whether the node acted */
    NODE_GARBAGE,        /* unusable answer: unknown whether the node acted */
    NODE_ALREADY_KNOWN,  /* these very bytes are in the pool: as good as sent */
    NODE_NONCE_TOO_LOW,  /* the nonce is used: look for receipts of every attempt at it */
    NODE_NONCE_TOO_HIGH, /* a node that takes no gaps */
    NODE_UNDERPRICED,    /* fee below the base fee, the pool's floor or the replacement's bump */
    NODE_INSUFFICIENT_FUNDS, /* the sender cannot pay gas × fee */
    NODE_GAS_REFUSED, /* gas limit below the intrinsic gas, above block's or EIP-7825's cap */
    NODE_REVERTED,    /* the contract said no; error.reason has its words, if any */
    NODE_UNFIT,       /* the contract's answer is none of its type: not the node's fault */
    NODE_TOO_WIDE,    /* the contract's answer is an amount above 128 bits: never cut */
    NODE_DISAGREE,    /* the endpoints answer differently: as if none had answered (rpc_pool.h) */
    NODE_REFUSED,     /* any other error of the node */
};

const char *node_result_text(enum node_result result);

struct node_error {
    int64_t code;                  /* JSON-RPC code; 0 when there was no error object */
    char message[RPC_MESSAGE_MAX]; /* the node's or the transport's words */
    char reason[NODE_REASON_MAX];  /* NODE_REVERTED: decoded reason, or empty */
};

struct node {
    struct rpc_ops rpc;
    struct node_error error;
    struct node_counters {
        uint64_t calls;
        uint64_t failures[NODE_REFUSED + 1]; /* by result */
    } counters;
};

/* Takes over the table: node_fini closes it. */
void node_init(struct node *node, const struct rpc_ops *rpc);
void node_fini(struct node *node);

/* Which class an error object is; the words of anvil, hardhat and geth are known. */
enum node_result node_classify(const struct rpc_reply *reply);

/* A block to ask at: NODE_LATEST and friends, or a number. */
#define NODE_LATEST    UINT64_MAX
#define NODE_PENDING   (UINT64_MAX - 1)
#define NODE_FINALIZED (UINT64_MAX - 2)
#define NODE_EARLIEST  0

#define NODE_MUST_CHECK __attribute__((warn_unused_result))

NODE_MUST_CHECK enum node_result node_chain_id(struct node *node, uint64_t *chain_id);
NODE_MUST_CHECK enum node_result node_block_number(struct node *node, uint64_t *number);

struct node_block {
    bool found; /* false: the node has no such block; the rest is then unspecified */
    uint64_t number;
    uint64_t timestamp_s;
    uint64_t base_fee_wei;
    uint64_t gas_limit;
    uint64_t gas_used;
    struct chain_hash hash;
    struct chain_hash parent_hash;
};

NODE_MUST_CHECK enum node_result node_get_block(struct node *node, struct node_block *block,
                                                uint64_t at);

struct node_fees {
    uint64_t base_fee_wei;     /* of the next block */
    uint64_t priority_fee_wei; /* median of what the last blocks paid; 0 where they were empty */
};

/* eth_feeHistory over the last 5 blocks. */
NODE_MUST_CHECK enum node_result node_get_fees(struct node *node, struct node_fees *fees);

NODE_MUST_CHECK enum node_result node_get_balance(struct node *node, chain_uint128 *balance_wei,
                                                  const struct chain_address *owner, uint64_t at);

/* Next nonce: at NODE_LATEST the mined ones count, at NODE_PENDING the pool too. */
NODE_MUST_CHECK enum node_result node_transaction_count(struct node *node, uint64_t *nonce,
                                                        const struct chain_address *sender,
                                                        uint64_t at);

NODE_MUST_CHECK enum node_result node_has_code(struct node *node, bool *has_code,
                                               const struct chain_address *contract, uint64_t at);

struct node_message {
    struct chain_address from;
    struct chain_address to;
    bool create; /* a contract, calldata being its init code; `to` is then not looked at */
    const uint8_t *calldata;
    size_t calldata_len;
    uint64_t gas; /* eth_call: with so much and no more; 0 = as much as the node allows */
};

NODE_MUST_CHECK enum node_result node_estimate_gas(struct node *node, uint64_t *gas,
                                                   const struct node_message *message);

/* eth_call. `len` is in: the size of `out`, out: the answer's length. An answer that does not fit
 * is NODE_UNFIT: contracts answer words, and none here of megabytes. */
NODE_MUST_CHECK enum node_result node_call(struct node *node, uint8_t *out, size_t *len,
                                           const struct node_message *message, uint64_t at);

/* Questions that node_call will ask soon, so that the node begins with them (rpc_ops.ahead). They are put into a JSON
 * array; node_ahead consumes it. Nothing is known of them until node_call asks. */
__attribute__((warn_unused_result)) bool
node_call_ahead(json_t *questions, const struct node_message *message, uint64_t at);
void node_ahead(struct node *node, json_t *questions);

/* The hash that the node answers is checked against the bytes' own; a difference is NODE_GARBAGE.
 */
NODE_MUST_CHECK enum node_result node_send_raw(struct node *node, const uint8_t *raw, size_t len);

#define NODE_LOG_TOPICS_MAX 4

struct node_log {
    struct chain_address contract;
    uint32_t log_index; /* within the block */
    uint32_t topic_count;
    struct chain_hash topics[NODE_LOG_TOPICS_MAX];
    const uint8_t *data; /* owned by the receipt */
    size_t data_len;
};

struct node_receipt {
    bool found; /* false: not mined, or not known to this node; the rest is then zero */
    bool succeeded;
    uint64_t block_number;
    struct chain_hash block_hash;
    struct chain_hash transaction_hash;
    uint32_t transaction_index;
    uint64_t gas_used;
    uint64_t effective_fee_wei; /* per unit of gas */
    /* OP stack (Base): what the bytes cost on Ethereum, beside the gas; elsewhere 0. (Arbitrum's are
     * in gas_used already: its gasUsedForL1 says how much of it.) */
    uint64_t l1_fee_wei;
    bool creates;
    struct chain_address created; /* the contract, if it creates one */
    struct node_log *logs;
    size_t log_count;
};

/* On NODE_OK the caller calls node_receipt_fini, whether found or not. */
NODE_MUST_CHECK enum node_result node_get_receipt(struct node *node, struct node_receipt *receipt,
                                                  const struct chain_hash *transaction_hash);
void node_receipt_fini(struct node_receipt *receipt);

struct node_transaction {
    bool found; /* in the pool or in a block */
    bool mined;
    uint64_t block_number; /* when mined */
    uint64_t nonce;
};

NODE_MUST_CHECK enum node_result node_get_transaction(struct node *node,
                                                      struct node_transaction *transaction,
                                                      const struct chain_hash *hash);

/* ---- for modules that ask what nobody else does (settlement, the indexer) ----
 *
 * As the calls above do it: counted, classified, node->error filled. On NODE_OK the caller owns `result`, reads it and
 * ends the call with node_answered, which says whether it had the expected shape. `params` is consumed. */
NODE_MUST_CHECK enum node_result node_ask(struct node *node, json_t **result, const char *method,
                                          json_t *params);
NODE_MUST_CHECK enum node_result node_answered(struct node *node, json_t *result, bool usable,
                                               const char *method);
/* A block as a parameter: number, NODE_LATEST and friends. Bytes likewise. NULL: no memory. */
json_t *node_block_parameter(uint64_t at);
json_t *node_bytes_parameter(const uint8_t *bytes, size_t len);
/* Members of an answer; false when they are missing or of another shape. */
__attribute__((warn_unused_result)) bool node_member_u64(uint64_t *out, const json_t *object,
                                                         const char *key);
__attribute__((warn_unused_result)) bool node_member_hash(struct chain_hash *out,
                                                          const json_t *object, const char *key);
/* One log. Its data goes to `data`, which has room for node_log_data_bytes of it. */
size_t node_log_data_bytes(const json_t *log);
__attribute__((warn_unused_result)) bool node_read_log(struct node_log *out, uint8_t *data,
                                                       const json_t *log);

#endif
