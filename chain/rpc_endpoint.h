/* One of several endpoints: its health, its rate limit, the check of its chain. rpc_pool.h chooses
 * among them.
 *
 * Times are nanoseconds of the clock that the caller gives. One thread.
 */
#ifndef LONJA_CHAIN_RPC_ENDPOINT_H
#define LONJA_CHAIN_RPC_ENDPOINT_H

#include "chain/rpc.h"

#include <stdbool.h>
#include <stdint.h>

#define RPC_ENDPOINT_NAME_MAX    80
#define RPC_ENDPOINT_PROBLEM_MAX 128

/* X(name in C, word that is logged and published). */
#define RPC_ENDPOINT_STATES(X)                                                                     \
    X(UNKNOWN, "unknown") /* not asked since the start: its chain is looked at first */            \
    X(UP, "up")                                                                                    \
    X(BEHIND, "behind")           /* its head stands still, or is far below the others' */         \
    X(DOWN, "down")               /* failed: not asked before retry_ns, then its chain first */    \
    X(LIMITED, "limited")         /* asked us to stay away until retry_ns */                       \
    X(OTHER_CHAIN, "other_chain") /* not ours: looked at again at retry_ns */

enum rpc_endpoint_state {
#define X(name, word) RPC_ENDPOINT_##name,
    RPC_ENDPOINT_STATES(X)
#undef X
};
const char *rpc_endpoint_state_text(enum rpc_endpoint_state state);

struct rpc_endpoint_counters {
    uint64_t calls;
    uint64_t transport; /* no answer */
    uint64_t garbage;   /* an unusable one, or one of another chain */
    uint64_t limited;
    uint64_t errors;        /* error objects: the node's answer, no fault of the endpoint */
    uint64_t waits;         /* calls that had to wait for their turn */
    uint64_t disagreements; /* its answer was not that of another endpoint */
    uint64_t reconnects;
};

struct rpc_endpoint {
    char name[RPC_ENDPOINT_NAME_MAX]; /* scheme, host, port: no key of a provider */
    struct rpc_ops rpc;
    uint64_t chain_id;        /* wanted */
    uint32_t rate_per_second; /* 0 = no limit */

    enum rpc_endpoint_state state;
    char problem[RPC_ENDPOINT_PROBLEM_MAX]; /* of the last failure; empty when it is up */
    uint64_t other_chain_id;                /* seen, in OTHER_CHAIN */
    uint64_t retry_ns;                      /* DOWN, LIMITED, OTHER_CHAIN: not before */
    uint32_t failures;                      /* in a row */
    uint32_t error_permille;                /* of the last calls, about 16 */
    uint64_t latency_ns;                    /* mean of the last calls, about 8 */
    uint64_t head;                          /* its latest block; 0 = not known */
    uint64_t head_ns;                       /* when the head last grew */
    int64_t tokens_ns;                      /* of the bucket, as time: a call costs 1 s / rate */
    uint64_t filled_ns;
    uint32_t prepaid; /* calls that took their turn when they were sent ahead */
    struct rpc_endpoint_counters counters;
};

/* Takes over the table. `name` is copied. The bucket is full: it holds a second's calls. */
void rpc_endpoint_init(struct rpc_endpoint *endpoint, const char *name, const struct rpc_ops *rpc,
                       uint64_t chain_id, uint32_t rate_per_second, uint64_t now_ns);

/* May it be asked now? (Its turn under the rate limit may still have to be waited for.) */
bool rpc_endpoint_is_usable(const struct rpc_endpoint *endpoint, uint64_t now_ns);
/* How long until its bucket has a call; 0 = now. */
uint64_t rpc_endpoint_wait_ns(struct rpc_endpoint *endpoint, uint64_t now_ns);

/* A clock, and a way to wait: of the system, or of a test. */
struct rpc_time {
    uint64_t (*now_ns)(void *context);
    void (*wait_ns)(void *context, uint64_t ns);
    void *context;
};

/* Calls: waits for the turn, looks at the chain first where that is to be done, notes what became
 * of it. `params` is consumed. An answer over a new connection counts only if the chain behind that
 * is ours. */
void rpc_endpoint_call(struct rpc_endpoint *endpoint, struct rpc_reply *reply, const char *method,
                       json_t *params, const struct rpc_time *time);
/* rpc_ops.ahead, of an endpoint that is up, and whose rate has turns for all of them now; else
 * nothing is sent. */
void rpc_endpoint_ahead(struct rpc_endpoint *endpoint, json_t *questions,
                        const struct rpc_time *time);
/* The endpoint answered, but what it answered cannot be: as garbage. */
void rpc_endpoint_blame(struct rpc_endpoint *endpoint, const char *why, uint64_t now_ns);

#endif
