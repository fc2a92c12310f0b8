#include "chain/rpc_endpoint.h"

#include "base/assert.h"
#include "base/log.h"
#include "chain/hex.h"

#include <stdio.h>
#include <string.h>

/* A failure takes the endpoint out for half a second, the next for twice as long, up to half a
 * minute; the first answer brings it back. A node of another chain is looked at again after a
 * minute: somebody may correct it. (Where it is the only one, it is asked all the same.)
 */
static const uint64_t SECOND_NS = 1000000000;
static const uint64_t BACKOFF_MIN_NS = 500000000;
static const uint64_t BACKOFF_MAX_NS = 30000000000;
static const uint64_t OTHER_CHAIN_NS = 60000000000;
static const uint64_t MS = 1000000;
static const uint64_t SLOW_NS = 5000000000;
static const uint64_t LIMITED_MAX_NS = 5000000000; /* if it does not say for how long */

const char *rpc_endpoint_state_text(enum rpc_endpoint_state state)
{
    static const char *const words[] = {
#define X(name, word) [RPC_ENDPOINT_##name] = word,
        RPC_ENDPOINT_STATES(X)
#undef X
    };
    return words[state];
}

void rpc_endpoint_init(struct rpc_endpoint *endpoint, const char *name, const struct rpc_ops *rpc,
                       uint64_t chain_id, uint32_t rate_per_second, uint64_t now_ns)
{
    *endpoint = (struct rpc_endpoint){.rpc = *rpc,
                                      .chain_id = chain_id,
                                      .rate_per_second = rate_per_second,
                                      .tokens_ns = (int64_t)SECOND_NS,
                                      .filled_ns = now_ns,
                                      .head_ns = now_ns};
    snprintf(endpoint->name, sizeof(endpoint->name), "%s", name);
}

bool rpc_endpoint_is_usable(const struct rpc_endpoint *endpoint, uint64_t now_ns)
{
    switch (endpoint->state) {
    case RPC_ENDPOINT_UNKNOWN:
    case RPC_ENDPOINT_UP:
        return true;
    case RPC_ENDPOINT_BEHIND:
        return false;
    case RPC_ENDPOINT_DOWN:
    case RPC_ENDPOINT_LIMITED:
    case RPC_ENDPOINT_OTHER_CHAIN:
        return now_ns >= endpoint->retry_ns;
    }
    ASSERT(false); /* a state of the table */
}

static void move(struct rpc_endpoint *endpoint, enum rpc_endpoint_state state, const char *why)
{
    if (endpoint->state == state)
        return;
    if (state == RPC_ENDPOINT_UP)
        endpoint->problem[0] = '\0';
    log_limited(state == RPC_ENDPOINT_UP ? LOG_INFO : LOG_WARNING,
                "endpoint endpoint=\"%s\" state=%s was=%s message=\"%s\"", endpoint->name,
                rpc_endpoint_state_text(state), rpc_endpoint_state_text(endpoint->state), why);
    endpoint->state = state;
}

/* ---- the rate
 * --------------------------------------------------------------------------------------- */

static int64_t cost_ns(const struct rpc_endpoint *endpoint)
{
    return (int64_t)(SECOND_NS / endpoint->rate_per_second);
}

static void fill(struct rpc_endpoint *endpoint, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - endpoint->filled_ns;
    if (passed_ns > SECOND_NS)
        passed_ns = SECOND_NS;
    endpoint->tokens_ns += (int64_t)passed_ns;
    if (endpoint->tokens_ns > (int64_t)SECOND_NS)
        endpoint->tokens_ns = (int64_t)SECOND_NS;
    endpoint->filled_ns = now_ns;
}

uint64_t rpc_endpoint_wait_ns(struct rpc_endpoint *endpoint, uint64_t now_ns)
{
    if (endpoint->rate_per_second == 0)
        return 0;
    fill(endpoint, now_ns);
    int64_t missing_ns = cost_ns(endpoint) - endpoint->tokens_ns;
    return missing_ns > 0 ? (uint64_t)missing_ns : 0;
}

static void take_turn(struct rpc_endpoint *endpoint, const struct rpc_time *time)
{
    if (endpoint->prepaid > 0) {
        endpoint->prepaid--;
        return;
    }
    uint64_t wait_ns = rpc_endpoint_wait_ns(endpoint, time->now_ns(time->context));
    if (wait_ns > 0) {
        endpoint->counters.waits++;
        time->wait_ns(time->context, wait_ns);
        fill(endpoint, time->now_ns(time->context));
    }
    if (endpoint->rate_per_second > 0)
        endpoint->tokens_ns -= cost_ns(endpoint);
}

/* ---- what became of a call
 * -------------------------------------------------------------------------- */

static void back_off(struct rpc_endpoint *endpoint, enum rpc_endpoint_state state, uint64_t wait_ns,
                     const char *why, uint64_t now_ns)
{
    move(endpoint, state, why);
    snprintf(endpoint->problem, sizeof(endpoint->problem), "%s", why);
    endpoint->retry_ns = now_ns + wait_ns;
}

static uint64_t backoff_ns(const struct rpc_endpoint *endpoint)
{
    uint64_t wait_ns = BACKOFF_MIN_NS;
    for (uint32_t i = 1; i < endpoint->failures && wait_ns < BACKOFF_MAX_NS; i++)
        wait_ns *= 2;
    return wait_ns < BACKOFF_MAX_NS ? wait_ns : BACKOFF_MAX_NS;
}

static void note_failure(struct rpc_endpoint *endpoint, const struct rpc_reply *reply,
                         uint64_t now_ns)
{
    endpoint->failures++;
    if (reply->status == RPC_LIMITED) {
        uint64_t asked_ns = (uint64_t)reply->retry_after_ms * 1000000;
        uint64_t wait_ns = asked_ns > 0 ? asked_ns : backoff_ns(endpoint);
        if (asked_ns == 0 && wait_ns > LIMITED_MAX_NS)
            wait_ns = LIMITED_MAX_NS;
        endpoint->counters.limited++;
        back_off(endpoint, RPC_ENDPOINT_LIMITED, wait_ns, reply->message, now_ns);
        return;
    }
    endpoint->counters.transport += reply->status == RPC_TRANSPORT;
    endpoint->counters.garbage += reply->status == RPC_GARBAGE;
    back_off(endpoint, RPC_ENDPOINT_DOWN, backoff_ns(endpoint), reply->message, now_ns);
}

static void note(struct rpc_endpoint *endpoint, const struct rpc_reply *reply, uint64_t took_ns,
                 uint64_t now_ns)
{
    bool answered = reply->status == RPC_OK || reply->status == RPC_ERROR;
    endpoint->counters.calls++;
    endpoint->counters.errors += reply->status == RPC_ERROR;
    endpoint->error_permille = (endpoint->error_permille * 15 + (answered ? 0 : 1000)) / 16;
    if (!answered) {
        note_failure(endpoint, reply, now_ns);
        return;
    }
    endpoint->failures = 0;
    endpoint->latency_ns =
        endpoint->latency_ns == 0 ? took_ns : (endpoint->latency_ns * 7 + took_ns) / 8;
}

static void call_once(struct rpc_endpoint *endpoint, struct rpc_reply *reply, const char *method,
                      json_t *params, const struct rpc_time *time)
{
    take_turn(endpoint, time);
    uint64_t began_ns = time->now_ns(time->context);
    endpoint->rpc.call(endpoint->rpc.context, reply, method, params);
    uint64_t now_ns = time->now_ns(time->context);
    /* A handful of these, and nothing is heard of who asks for minutes. */
    if (now_ns - began_ns >= SLOW_NS)
        log_limited(LOG_WARNING, "endpoint slow endpoint=\"%s\" call=%s took_ms=%llu",
                    endpoint->name, method, (unsigned long long)((now_ns - began_ns) / MS));
    endpoint->counters.reconnects += reply->connected;
    note(endpoint, reply, now_ns - began_ns, now_ns);
}

/* ---- the chain
 * -------------------------------------------------------------------------------------- */

static void fail(struct rpc_reply *reply, enum rpc_status status, const char *message)
{
    rpc_reply_fini(reply);
    *reply = (struct rpc_reply){.status = status};
    snprintf(reply->message, sizeof(reply->message), "%s", message);
}

static void meets_other_chain(struct rpc_endpoint *endpoint, struct rpc_reply *reply, uint64_t seen,
                              uint64_t now_ns)
{
    char message[RPC_MESSAGE_MAX];
    snprintf(message, sizeof(message), "the endpoint is on chain %llu, not on %llu",
             (unsigned long long)seen, (unsigned long long)endpoint->chain_id);
    endpoint->other_chain_id = seen;
    endpoint->counters.garbage++;
    back_off(endpoint, RPC_ENDPOINT_OTHER_CHAIN, OTHER_CHAIN_NS, message, now_ns);
    fail(reply, RPC_TRANSPORT, message);
}

/* True: it is ours, and `reply` has its answer. False: `reply` says what went wrong. */
static bool check_chain(struct rpc_endpoint *endpoint, struct rpc_reply *reply,
                        const struct rpc_time *time)
{
    uint64_t seen;
    call_once(endpoint, reply, "eth_chainId", json_array(), time);
    if (reply->status == RPC_ERROR) { /* an endpoint that refuses this has nothing to say */
        reply->status = RPC_TRANSPORT;
        rpc_endpoint_blame(endpoint, reply->message, time->now_ns(time->context));
    }
    if (reply->status != RPC_OK)
        return false;
    const char *text = json_string_value(reply->result);
    if (text == NULL || !hex_quantity_u64(&seen, text)) {
        fail(reply, RPC_GARBAGE, "unusable answer to eth_chainId");
        rpc_endpoint_blame(endpoint, reply->message, time->now_ns(time->context));
        return false;
    }
    if (seen != endpoint->chain_id) {
        meets_other_chain(endpoint, reply, seen, time->now_ns(time->context));
        return false;
    }
    if (endpoint->state != RPC_ENDPOINT_BEHIND)
        move(endpoint, RPC_ENDPOINT_UP, "its chain is ours");
    return true;
}

void rpc_endpoint_call(struct rpc_endpoint *endpoint, struct rpc_reply *reply, const char *method,
                       json_t *params, const struct rpc_time *time)
{
    bool trusted = endpoint->state == RPC_ENDPOINT_UP || endpoint->state == RPC_ENDPOINT_BEHIND;
    bool asks_chain = strcmp(method, "eth_chainId") == 0; /* may have changed behind a connection */
    if ((!trusted || asks_chain) && (!check_chain(endpoint, reply, time) || asks_chain)) {
        json_decref(params);
        return;
    }
    if (!trusted)
        rpc_reply_fini(reply);
    call_once(endpoint, reply, method, params, time);
    bool answered = reply->status == RPC_OK || reply->status == RPC_ERROR;
    if (!answered || !reply->connected)
        return;
    struct rpc_reply check;
    if (check_chain(endpoint, &check, time)) {
        rpc_reply_fini(&check);
        return;
    }
    rpc_reply_fini(reply);
    *reply = check;
}

/* Providers count the questions of a batch one by one. As many calls as were sent ahead are paid
 * for then; those that were forgotten by now are so twice. */
static bool takes_turns(struct rpc_endpoint *endpoint, size_t count, uint64_t now_ns)
{
    endpoint->prepaid = 0;
    if (endpoint->rate_per_second == 0)
        return true;
    fill(endpoint, now_ns);
    if (endpoint->tokens_ns < (int64_t)count * cost_ns(endpoint))
        return false;
    endpoint->tokens_ns -= (int64_t)count * cost_ns(endpoint);
    endpoint->prepaid = (uint32_t)count;
    return true;
}

void rpc_endpoint_ahead(struct rpc_endpoint *endpoint, json_t *questions,
                        const struct rpc_time *time)
{
    if (endpoint->rpc.ahead != NULL && endpoint->state == RPC_ENDPOINT_UP &&
        takes_turns(endpoint, json_array_size(questions), time->now_ns(time->context)))
        endpoint->rpc.ahead(endpoint->rpc.context, questions);
    else
        json_decref(questions);
}

void rpc_endpoint_blame(struct rpc_endpoint *endpoint, const char *why, uint64_t now_ns)
{
    endpoint->counters.garbage++;
    endpoint->failures++;
    back_off(endpoint, RPC_ENDPOINT_DOWN, backoff_ns(endpoint), why, now_ns);
}
