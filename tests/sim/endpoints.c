#include "tests/sim/endpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "chain/hex.h"
#include "chain/rpc_agree.h"
#include "chain/rpc_pool.h"
#include "tests/sim/chain.h"
#include "tests/sim/plants.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"

enum { ENDPOINTS_MAX = 3, SAID_MAX = 8, OTHER_CHAIN = 1 };

static struct {
    unsigned count, crooked; // crooked == count: none is
    bool lies;               // the crooked one lies, else it lags
    bool alone;              // settle.rpc_alone
    bool calm;
    struct endpoint {
        uint64_t gone_until_ns, slow_until_ns, limited_until_ns, other_until_ns, crooked_until_ns;
        uint64_t lag;
        uint64_t connection; // counts those that were broken
    } endpoints[ENDPOINTS_MAX];
} world;

struct caller { // a process' line to an endpoint
    struct pool *pool;
    unsigned endpoint;
    uint64_t connection;
};

struct pool {
    struct rpc_pool pool;
    struct rpc_ops ops;
    struct caller callers[ENDPOINTS_MAX];
    // What honest endpoints have said during the call.
    struct rpc_reply said[SAID_MAX];
    unsigned said_count;
};

static bool lasts(uint64_t until_ns)
{
    return scheduler_now_ns() < until_ns;
}

// ---- lies

static bool is(const char *method, const char *name)
{
    return strcmp(method, name) == 0;
}

static void turn_number(json_t *object, const char *key, int64_t by)
{
    uint64_t number;
    char text[HEX_QUANTITY_SIZE];
    if (!rpc_number_of(&number, json_object_get(object, key)) || (by < 0 && number < 1))
        return;
    hex_quantity(text, number + (uint64_t)by);
    json_object_set_new(object, key, json_string(text));
}

// The last digit of a text of hexadecimal digits.
static void turn_digit(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    char *turned = text == NULL ? NULL : strdup(text);
    if (turned == NULL || strlen(turned) < 3)
        return;
    size_t last = strlen(turned) - 1;
    turned[last] = turned[last] == '0' ? '1' : '0';
    json_object_set_new(object, key, json_string(turned));
    free(turned);
}

static void lie_about_logs(json_t *logs)
{
    size_t count = json_array_size(logs);
    if (count == 0)
        return;
    size_t at = (size_t)scheduler_random(count);
    switch (scheduler_random(4)) {
    case 0:
        json_array_remove(logs, at);
        return;
    case 1: // twice
        json_array_append_new(logs, json_deep_copy(json_array_get(logs, at)));
        return;
    case 2: { // one that never was
        json_t *log = json_deep_copy(json_array_get(logs, at));
        turn_number(log, "logIndex", 7);
        turn_digit(log, "transactionHash");
        json_array_append_new(logs, log);
        return;
    }
    default: // another order, which is none
        json_array_append(logs, json_array_get(logs, 0));
        json_array_remove(logs, 0);
        return;
    }
}

static void lie_about_receipt(struct rpc_reply *reply)
{
    if (scheduler_chance(500)) {
        json_decref(reply->result);
        reply->result = json_null();
    } else if (scheduler_chance(500)) {
        const char *status = json_string_value(json_object_get(reply->result, "status"));
        json_object_set_new(reply->result, "status",
                            json_string(status != NULL && is(status, "0x1") ? "0x0" : "0x1"));
    } else {
        turn_digit(reply->result, "blockHash");
    }
}

static void lie_in_text(struct rpc_reply *reply)
{
    json_t *box = json_pack("{so}", "it", reply->result);
    turn_digit(box, "it");
    reply->result = json_incref(json_object_get(box, "it"));
    json_decref(box);
}

static void lie(struct rpc_reply *reply, const char *method)
{
    if (is(method, "eth_getLogs")) {
        lie_about_logs(reply->result);
    } else if (world.count == 1 || json_is_null(reply->result)) {
        return; // its word is all that there is
    } else if (is(method, "eth_getTransactionReceipt")) {
        lie_about_receipt(reply);
    } else if (is(method, "eth_getBlockByNumber")) {
        turn_digit(reply->result, scheduler_chance(500) ? "hash" : "logsBloom");
    } else if (is(method, "eth_call") || is(method, "eth_getTransactionCount") ||
               is(method, "eth_blockNumber") || is(method, "eth_estimateGas")) {
        lie_in_text(reply);
    } else if (is(method, "eth_getBlockReceipts") && json_array_size(reply->result) > 0) {
        json_array_remove(reply->result, 0);
    }
}

// ---- an endpoint

static void fails(struct rpc_reply *reply, enum rpc_status status, const char *words)
{
    *reply = (struct rpc_reply){.status = status};
    snprintf(reply->message, sizeof reply->message, "%s", words);
}

// What a node of another chain says: its chain has nothing of ours.
static void from_other_chain(struct rpc_reply *reply, const char *method)
{
    *reply = (struct rpc_reply){.status = RPC_OK};
    if (is(method, "eth_chainId"))
        reply->result = json_string("0x1");
    else if (is(method, "eth_blockNumber") || is(method, "eth_getTransactionCount"))
        reply->result = json_string("0x7");
    else if (is(method, "eth_getLogs"))
        reply->result = json_array();
    else if (is(method, "eth_call") || is(method, "eth_getCode"))
        reply->result = json_string("0x");
    else
        reply->result = json_null();
}

static void note_honest(struct pool *pool, const struct rpc_reply *reply)
{
    if (pool->said_count == SAID_MAX)
        return;
    struct rpc_reply *said = &pool->said[pool->said_count++];
    *said = *reply;
    json_incref(said->result);
}

static void answer(struct caller *caller, struct rpc_reply *reply, const char *method,
                   json_t *params)
{
    const struct endpoint *endpoint = &world.endpoints[caller->endpoint];
    bool crooked = caller->endpoint == world.crooked && lasts(endpoint->crooked_until_ns);
    uint64_t lag = crooked && !world.lies ? endpoint->lag : 0;
    uint64_t height = chain_height();
    chain_answer(reply, method, params, height > lag ? height - lag : 0);
    if (crooked && world.lies && reply->status == RPC_OK)
        lie(reply, method);
    else if (!crooked && reply->status == RPC_OK)
        note_honest(caller->pool, reply);
}

static void endpoint_call(void *context, struct rpc_reply *reply, const char *method,
                          json_t *params)
{
    struct caller *caller = context;
    struct endpoint *endpoint = &world.endpoints[caller->endpoint];
    bool anew = caller->connection != endpoint->connection;
    if (lasts(endpoint->slow_until_ns))
        fiber_sleep(scheduler_between(10 * MS, 200 * MS));
    if (lasts(endpoint->gone_until_ns)) {
        fails(reply, RPC_TRANSPORT, "connection refused");
        json_decref(params);
        return;
    }
    caller->connection = endpoint->connection;
    if (lasts(endpoint->limited_until_ns)) {
        fails(reply, RPC_LIMITED, "too many requests");
        reply->retry_after_ms = (uint32_t)scheduler_random(500);
        json_decref(params);
    } else if (lasts(endpoint->other_until_ns)) {
        from_other_chain(reply, method);
        json_decref(params);
    } else {
        answer(caller, reply, method, params);
    }
    reply->connected = anew;
}

// ---- the pool

enum rpc_agreement __real_rpc_agreement_of(const char *method, const json_t *params,
                                           const struct rpc_reply *a, uint64_t head_a,
                                           const struct rpc_reply *b, uint64_t head_b);
enum rpc_agreement __wrap_rpc_agreement_of(const char *method, const json_t *params,
                                           const struct rpc_reply *a, uint64_t head_a,
                                           const struct rpc_reply *b, uint64_t head_b);
enum rpc_agreement __wrap_rpc_agreement_of(const char *method, const json_t *params,
                                           const struct rpc_reply *a, uint64_t head_a,
                                           const struct rpc_reply *b, uint64_t head_b)
{
    enum rpc_agreement is = __real_rpc_agreement_of(method, params, a, head_a, b, head_b);
    if ((plants_is(PLANT_lagging_believed) && is == RPC_BEHIND) ||
        (plants_is(PLANT_liar_believed) && is == RPC_DIFFER))
        return RPC_AGREE;
    return is;
}

static void check_honesty(const struct pool *pool, const char *method, const json_t *params,
                          const struct rpc_reply *reply)
{
    for (unsigned i = 0; i < pool->said_count; i++)
        if (__real_rpc_agreement_of(method, params, &pool->said[i], 0, reply, 0) == RPC_AGREE)
            return;
    char *text = json_dumps(reply->result, JSON_COMPACT | JSON_ENCODE_ANY);
    LAW(false, "%s is decided by endpoints, and no honest one has said %.60s", method, text);
}

static void pool_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    struct pool *pool = context;
    uint64_t alone = pool->pool.counters.alone;
    for (unsigned i = 0; i < pool->said_count; i++)
        json_decref(pool->said[i].result);
    pool->said_count = 0;
    json_incref(params);
    pool->ops.call(pool->ops.context, reply, method, params);
    if (world.count > 1 && reply->status == RPC_OK && rpc_kind_of(method) == RPC_KIND_DECIDES &&
        alone == pool->pool.counters.alone)
        check_honesty(pool, method, params, reply);
    json_decref(params);
}

static void nothing(void *context)
{
    (void)context;
}

static uint64_t now_ns(void *context)
{
    (void)context;
    return clock_monotone_ns(&clock_system);
}

static void wait_ns(void *context, uint64_t ns)
{
    (void)context;
    fiber_sleep(ns);
}

struct rpc_ops endpoints_open(enum process_id process, const struct config *config)
{
    const struct rpc_pool_config pool_config = {
        .chain_id = (uint64_t)config->settle_chain_id,
        .agree = (uint32_t)config->settle_rpc_agree,
        .alone = world.alone,
        .lag_max = (uint64_t)config->settle_rpc_lag_max,
        .rate_per_second = (uint32_t)config->settle_rpc_rate_max,
        .time = {.now_ns = now_ns, .wait_ns = wait_ns},
    };
    struct pool *pool = calloc(1, sizeof *pool);
    (void)process;
    ASSERT(pool != NULL);
    rpc_pool_init(&pool->pool, &pool_config);
    for (unsigned i = 0; i < world.count; i++) {
        char name[RPC_ENDPOINT_NAME_MAX];
        struct caller *caller = &pool->callers[i];
        *caller = (struct caller){.pool = pool, .endpoint = i, .connection = UINT64_MAX};
        const struct rpc_ops ops = {.context = caller, .call = endpoint_call, .close = nothing};
        snprintf(name, sizeof name, "node%u", i);
        rpc_pool_add(&pool->pool, name, &ops);
    }
    pool->ops = rpc_pool_ops(&pool->pool);
    return (struct rpc_ops){.context = pool, .call = pool_call, .close = nothing};
}

// ---- weather

void endpoints_begin(void)
{
    world.count = scheduler_chance(500) ? 1 : (unsigned)scheduler_between(2, ENDPOINTS_MAX);
    world.crooked = scheduler_chance(600) ? (unsigned)scheduler_random(world.count) : world.count;
    world.lies = scheduler_chance(500);
    // Whoever could silence the honest ones and lie would decide alone.
    world.alone = !(world.lies && world.crooked < world.count) && scheduler_chance(500);
}

static void become_crooked(void)
{
    struct endpoint *endpoint = &world.endpoints[world.crooked];
    if (world.crooked == world.count)
        return;
    endpoint->lag = 1 + scheduler_random(scheduler_chance(300) ? 12 : 3);
    endpoint->crooked_until_ns = scheduler_now_ns() + scheduler_between(SECOND, 8 * SECOND);
    story_tell("chain", "endpoint %u %s", world.crooked, world.lies ? "lies" : "lags");
}

void endpoints_fault(void)
{
    unsigned at = (unsigned)scheduler_random(world.count);
    struct endpoint *endpoint = &world.endpoints[at];
    uint64_t kind = scheduler_random(8);
    uint64_t until_ns = scheduler_now_ns() + scheduler_between(100 * MS, 4 * SECOND);
    if (kind >= 4) {
        become_crooked();
        return;
    }
    endpoint->connection++;
    *(kind == 0   ? &endpoint->gone_until_ns
      : kind == 1 ? &endpoint->slow_until_ns
      : kind == 2 ? &endpoint->limited_until_ns
                  : &endpoint->other_until_ns) = until_ns;
    story_tell("chain", "endpoint %u: fault %llu", at, (unsigned long long)kind);
}

void endpoints_calm(void)
{
    world.calm = true;
    for (unsigned i = 0; i < world.count; i++) {
        bool other = lasts(world.endpoints[i].other_until_ns);
        world.endpoints[i] =
            (struct endpoint){.connection = world.endpoints[i].connection + (other ? 1 : 0)};
    }
}
