/* The proof that a range of blocks was read whole, and its digest.
 *
 * A node that leaves out a log, or adds one, is found out: the headers must be a chain of hashes
 * that are those of their fields; every log must lie in a block whose hash is that header's and
 * whose bloom admits its contract; and each block whose bloom admits a contract (and the party,
 * where the filter has one) is read a second time, by its receipts, and must have the same logs.
 * What a single node can still do is to lie in both answers at once about a block whose bloom it
 * cannot change: it would have to give false receipts, which a second node in settle.rpc_url shows.
 *
 * The digest is Keccak-256 over, block by block: number (8, big endian), hash (32), number of logs
 * (4), and of each log: index (4), transaction (32), contract (20), number of topics (1), topics,
 * Keccak-256 of the data. It depends on nothing else, so that anybody can compute it from a node.
 */
#ifndef LONJA_CHAIN_INDEX_PROVE_H
#define LONJA_CHAIN_INDEX_PROVE_H

#include "chain/index_node.h"

struct index_range {
    uint64_t from;
    uint64_t to;
    struct index_header *headers; /* to - from + 1 of them; owned */
    struct index_logs logs;       /* owned */
    size_t bloom_blocks;          /* whose bloom admits the filter */
    size_t receipts_blocks;       /* of them read by their receipts, too */
    size_t headers_proved;
    struct chain_hash digest;
};

struct index_prove_options {
    size_t logs_max;  /* in a range; more is asked for in smaller ranges */
    bool header_hash; /* a header whose hash is not that of its fields is garbage */
};

/* Reads and proves from..to. `parent`, where it is not NULL, must be the first header's parent.
 *
 * NODE_OK: proved; index_range_fini is due. INDEX_PROVE_* in `fault` otherwise:
 *   NONE    the node failed: the result says how, node->error has its words
 *   MISSING the node has not all the blocks (behind, or reorganising): ask again
 *   MOVED   the chain is not the one that `parent` stands on, or changed meanwhile: look for a
 * reorganisation LIE     the answers contradict each other; node->error.message says where Nothing
 * is to be freed after a failure. */
enum index_fault { INDEX_FAULT_NONE, INDEX_FAULT_MISSING, INDEX_FAULT_MOVED, INDEX_FAULT_LIE };

NODE_MUST_CHECK enum node_result index_prove(struct node *node, struct index_range *range,
                                             enum index_fault *fault,
                                             const struct index_filter *filter, uint64_t from,
                                             uint64_t to, const struct chain_hash *parent,
                                             const struct index_prove_options *options);

void index_range_fini(struct index_range *range);

#endif
