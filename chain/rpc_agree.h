/* Which questions decide something, and whether two endpoints' answers to one are the same. Pure
 * functions; any thread.
 *
 * Compared is what a decision rests on, not the text: nodes differ in the rest (total difficulty,
 * fields of a layer 2, the case of a digit).
 */
#ifndef LONJA_CHAIN_RPC_AGREE_H
#define LONJA_CHAIN_RPC_AGREE_H

#include "chain/rpc.h"

#include <stdbool.h>
#include <stdint.h>

enum rpc_kind {
    RPC_KIND_PLAIN,     /* one answer will do */
    RPC_KIND_DECIDES,   /* a signature, or what is final, rests on it */
    RPC_KIND_HEAD,      /* eth_blockNumber */
    RPC_KIND_CHAIN,     /* eth_chainId */
    RPC_KIND_BROADCAST, /* eth_sendRawTransaction */
};

enum rpc_kind rpc_kind_of(const char *method);

/* Where the question names the block that it is asked at; -1 where it does not. */
int rpc_block_parameter(const char *method);

/* Can this be an answer to that question at all: a number, bytes, an object, a list, nothing? True
 * for questions that are not known here. What is in it is chain/node.h's matter. */
bool rpc_has_shape(const char *method, const json_t *result);

enum rpc_agreement {
    RPC_AGREE,
    RPC_BEHIND, /* one has not yet what the other has, and its head says why */
    RPC_DIFFER,
};

/* Two replies that are RPC_OK or RPC_ERROR each, of endpoints whose heads are known or 0.
 * Differences that both may be right about (an estimate of gas; the pool's nonces; the finalized
 * block) are RPC_AGREE: rpc_second_is_cautious picks. */
enum rpc_agreement rpc_agreement_of(const char *method, const json_t *params,
                                    const struct rpc_reply *a, uint64_t head_a,
                                    const struct rpc_reply *b, uint64_t head_b);

/* Of two replies that agree: true if `b` is the one to go by (more gas, fewer nonces of a pool, the
 * lower final block). */
bool rpc_second_is_cautious(const char *method, const json_t *params, const struct rpc_reply *a,
                            const struct rpc_reply *b);

/* Is it a block that is asked for by how final it is? Then each endpoint has its own, and all must
 * be of one chain. */
bool rpc_asks_for_final(const char *method, const json_t *params);

/* The number that a quantity, or the member `number` of a block, has; false when it is none. */
bool rpc_number_of(uint64_t *number, const json_t *value);

#endif
