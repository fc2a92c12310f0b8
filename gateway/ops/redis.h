// Redis, over hiredis on the gateway's loop: publish and set, fire and
// forget.
//
// Redis is a loudspeaker, never a source: what cannot be said now is dropped and counted, and the
// state under the keys is said again after the reconnection (`connected` is called). Nothing waits
// for Redis: a server that is absent or frozen costs one connection attempt a second and bounded
// memory.
//
// Threads: the loop's thread only.
#ifndef LONJA_GATEWAY_OPS_REDIS_H
#define LONJA_GATEWAY_OPS_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "gateway/common/loop.h"

struct redis_options {
    const char *host;
    int port;
    unsigned pending_max; // commands without an answer after which new ones are dropped
    unsigned timeout_ms;  // an answer that takes longer: the connection is given up
    loop_fn *connected;   // called at each (re)connection
    void *context;
};

struct redis_counters {
    uint64_t published;
    uint64_t dropped;
    uint64_t errors; // error answers and lost connections
};

struct redis;

CHECKED struct redis *redis_open(struct loop *loop, const struct redis_options *options);
void redis_close(struct redis *redis);
// Call about every 100 ms: reconnects, gives up a silent connection.
void redis_tick(struct redis *redis, uint64_t now_ns);
bool redis_is_up(const struct redis *redis);
const struct redis_counters *redis_counters(const struct redis *redis);

// Returns false if it was dropped.
bool redis_publish(struct redis *redis, const char *channel, const char *text);
// Sets a key; seconds = 0: for good.
bool redis_set(struct redis *redis, const char *key, const char *text, unsigned seconds);

#endif
