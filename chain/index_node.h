/* What the indexer asks a node: headers with their bloom, logs of a range, the logs of a block by
 * its receipts.
 *
 * Every answer is checked as far as it can be checked by itself: a header's hash against its own
 * fields, numbers against what was asked, logs against the range and the contracts that were named.
 * What is wrong is NODE_GARBAGE. Results as in node.h; one thread per `struct node`.
 */
#ifndef LONJA_CHAIN_INDEX_NODE_H
#define LONJA_CHAIN_INDEX_NODE_H

#include "chain/node.h"

#define INDEX_BLOOM_BYTES 256

struct index_header {
    uint64_t number;
    uint64_t timestamp_s;
    struct chain_hash hash;
    struct chain_hash parent_hash;
    uint8_t bloom[INDEX_BLOOM_BYTES]; /* yellow paper, 4.3.1: of the addresses and topics of the
                                         block's logs */
    bool hash_proved;                 /* Keccak-256 of the RLP of its fields is `hash` */
};

/* `found` false: the node has no such block (yet); the rest is then unspecified. */
NODE_MUST_CHECK enum node_result index_node_header(struct node *node, bool *found,
                                                   struct index_header *header, uint64_t at);

/* Which logs are read. Of a contract that has events of the whole world (a stablecoin) only the
 * Transfers from or to one wallet are: `party`, or NULL for all events. */
struct index_filter {
    const struct chain_address *contracts;
    size_t contract_count;
    const struct chain_address *party;
};

/* May the block hold a log of the filter? False is certain, as far as the bloom is true. */
bool index_bloom_admits(const uint8_t bloom[INDEX_BLOOM_BYTES], const struct index_filter *filter);
/* … this one? */
bool index_bloom_admits_log(const uint8_t bloom[INDEX_BLOOM_BYTES], const struct node_log *log,
                            const struct index_filter *filter);

struct index_log {
    struct node_log log;
    uint64_t block_number;
    struct chain_hash block_hash;
    struct chain_hash transaction_hash;
};

/* In the order of blocks and indexes. One allocation, freed by index_logs_fini. */
struct index_logs {
    struct index_log *items;
    size_t count;
};

/* eth_getLogs of the filter in from..to (of a party two questions: from it, and to it). More logs
 * than `max` are NODE_REFUSED, as is a node's own "too many results"; index_node_wants_less tells.
 * On any failure `logs` is empty. */
NODE_MUST_CHECK enum node_result index_node_logs(struct node *node, struct index_logs *logs,
                                                 const struct index_filter *filter, uint64_t from,
                                                 uint64_t to, size_t max);
/* The last call failed because the range, or what it holds, is too large for the node: ask for
 * fewer blocks. */
bool index_node_wants_less(const struct node *node, enum node_result result);

/* The logs of the filter in a block, by eth_getBlockReceipts; where a node does not know that,
 * `known` is false and `logs` is empty. `found` false: no such block. */
NODE_MUST_CHECK enum node_result index_node_block_logs(struct node *node, bool *known, bool *found,
                                                       struct index_logs *logs,
                                                       const struct index_filter *filter,
                                                       const struct chain_hash *block_hash);

void index_logs_fini(struct index_logs *logs);
/* Same place, same transaction, same content. */
bool index_log_equal(const struct index_log *a, const struct index_log *b);

#endif
