/* JSON-RPC 2.0 to an EVM node, behind a table of functions: settlement and the indexer know
 * `struct rpc_ops` only, production puts rpc_http (libcurl) behind it, the simulator a fake.
 *
 * A call blocks until it is answered or its time is over. One table serves one thread; whoever
 * opens it closes it. JSON values are jansson's.
 */
#ifndef LONJA_CHAIN_RPC_H
#define LONJA_CHAIN_RPC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RPC_MESSAGE_MAX      256
#define RPC_REVERT_BYTES_MAX 1024
/* An answer may have as many JSON values as the longest one has if each takes so many bytes: a log
 * takes three times that. Of more, memory would go by the number of values, not by the length. */
#define RPC_BYTES_OF_VALUE_MIN 32

/* What became of a call. After TRANSPORT and GARBAGE nobody knows whether the node acted on it. */
enum rpc_status {
    RPC_OK,
    RPC_TRANSPORT, /* no connection, timeout, HTTP status other than 200 without a JSON-RPC body */
    RPC_GARBAGE,   /* an answer that is no JSON-RPC response to this request */
    RPC_ERROR,     /* the node's error object: code, message, revert data where it has some */
    RPC_LIMITED,   /* asked too often (HTTP 429, 503 with Retry-After, code -32005): not done */
    RPC_DISAGREE,  /* several endpoints answer differently (rpc_pool.h): nothing follows from it */
};

struct rpc_reply {
    enum rpc_status status;
    json_t *result;          /* RPC_OK only; owned by the reply until rpc_reply_fini */
    int64_t code;            /* RPC_ERROR and RPC_LIMITED only */
    uint32_t retry_after_ms; /* RPC_LIMITED: not before this; 0 = not said */
    bool connected; /* a connection was made for this call: who is behind it is not known */
    bool has_revert_data;
    size_t revert_len; /* cut to RPC_REVERT_BYTES_MAX */
    uint8_t revert[RPC_REVERT_BYTES_MAX];
    char message[RPC_MESSAGE_MAX]; /* of the node, of the transport, or what was wrong; printable */
};

void rpc_reply_fini(struct rpc_reply *reply);

struct rpc_ops {
    void *context;
    /* Fills `reply`, which the caller finishes. `params` is a JSON array and is consumed. */
    void (*call)(void *context, struct rpc_reply *reply, const char *method, json_t *params);
    void (*close)(void *context);
    /* May be NULL. Questions that will be asked soon: an array of {"method", "params"}, consumed.
     * They go out at once, and the node answers them while the caller does something else; a `call`
     * with the same method and params then takes the answer, once. Where anything went wrong with
     * them, `call` asks as if they had never been sent. Those of an `ahead` before are forgotten.
     */
    void (*ahead)(void *context, json_t *questions);
};

/* Reads one JSON-RPC response to request `id` into `reply`. What rpc_http does with a body; a fake
 * may use it to speak with a node's own words. */
void rpc_parse_response(struct rpc_reply *reply, const char *body, size_t len, uint64_t id);

struct rpc_http_config {
    const char *url; /* http:// or https://; copied */
    uint32_t connect_timeout_ms;
    uint32_t call_timeout_ms;
    /* Of eth_chainId, which costs a node nothing and is how it is asked whether it is well; 0 or
     * more than call_timeout_ms: as any other. */
    uint32_t probe_timeout_ms;
    size_t response_bytes_max; /* a longer answer is RPC_GARBAGE; so is one of too many values */
    /* May be NULL. Asked before a call and about once a second while it waits: true ends it at
     * once, as RPC_TRANSPORT. A process that is to stop need not wait for a node that never
     * answers. */
    bool (*is_cancelled)(void *context);
    void *cancel_context;
};

/* Keep-alive connection to one node. Opening does not connect: a node that is absent shows at the
 * first call. Returns false, with a text in `error`, when the URL or a limit is unusable. */
__attribute__((warn_unused_result)) bool rpc_http_open(struct rpc_ops *ops,
                                                       const struct rpc_http_config *config,
                                                       char *error, size_t error_max);

#endif
