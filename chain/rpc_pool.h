/* Several endpoints of one chain behind one struct rpc_ops: who asks does not know how many there
 * are.
 *
 *   a plain question     goes to the best endpoint that is well; to the next where that fails
 *   one that decides     goes to `agree` endpoints (a receipt, the block at a height, a count of
 * transactions, eth_call as evidence, a revert of an estimate …). Where they differ the call is
 * RPC_DISAGREE: nothing is signed or final on it until they agree a broadcast          goes to all
 * that are well; taken by one is taken eth_blockNumber      is asked of all. The pool's height is
 * the lowest of those that keep up, and what is asked "at latest" of several is asked at that
 * block, so that all speak of the same
 *
 * Best: first those with few errors, then those that are not slow, then in the order of the
 * configuration. Each endpoint's chain is checked before it is asked anything, and again behind
 * every new connection (rpc_endpoint.h). One endpoint alone is asked as it is: nothing is compared,
 * no block pinned, no backoff; chain and rate are kept.
 *
 * What a liar can do where two are asked: keep settlement waiting. It can neither have anything
 * signed that the other endpoint would not, nor have anything final. Who can silence the honest
 * endpoint can do more, unless `alone` is false.
 *
 * One thread. Calls block. No allocation but of JSON.
 */
#ifndef LONJA_CHAIN_RPC_POOL_H
#define LONJA_CHAIN_RPC_POOL_H

#include "chain/rpc_endpoint.h"

#define RPC_POOL_ENDPOINTS_MAX 8

/* The words that RPC_DISAGREE's message begins with. */
#define RPC_POOL_DISAGREE "endpoints_disagree"
#define RPC_POOL_BEHIND   "endpoint_behind"

struct rpc_pool_config {
    uint64_t chain_id;
    uint32_t agree;   /* how many are asked what decides, where there are so many; at least 1 */
    bool alone;       /* fewer may decide while the others do not answer */
    uint64_t lag_max; /* blocks behind the others' head from which on an endpoint is not asked */
    uint32_t rate_per_second; /* to each endpoint; 0 = no limit */
    struct rpc_time time;
};

struct rpc_pool_counters {
    uint64_t calls;
    uint64_t failovers;  /* answered by another than the first asked */
    uint64_t agreements; /* questions that decide, answered the same by as many as are to agree */
    uint64_t alone;      /* … by fewer */
    uint64_t disagreements; /* … differently */
    uint64_t behind;        /* … by one that has not come so far */
    uint64_t failures;      /* nobody answered */
};

/* About 7 KiB, the caller's. Read `endpoints` and `counters` between calls, from the same thread,
 * to publish them. */
struct rpc_pool {
    struct rpc_pool_config config;
    size_t endpoint_count;
    struct rpc_endpoint endpoints[RPC_POOL_ENDPOINTS_MAX];
    uint64_t height; /* the pool's; 0 = not known */
    uint64_t height_ns;
    struct rpc_pool_counters counters;
};

void rpc_pool_init(struct rpc_pool *pool, const struct rpc_pool_config *config);
/* The preferred first. Takes over the table: closing the pool closes it. */
void rpc_pool_add(struct rpc_pool *pool, const char *name, const struct rpc_ops *rpc);
/* The pool as a table of functions; it holds a pointer to the pool. */
struct rpc_ops rpc_pool_ops(struct rpc_pool *pool);

#endif
