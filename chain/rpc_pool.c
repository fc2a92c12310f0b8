#include "chain/rpc_pool.h"

#include "base/assert.h"
#include "base/log.h"
#include "chain/keccak.h"
#include "chain/node.h"
#include "chain/rpc_agree.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Happy path of a question that decides: the best endpoints in order; the block pinned where
 * "latest" was asked; the same question to as many as are to agree; their replies compared; the
 * first one answered.
 *
 * Failures: an endpoint that does not answer, or refuses the question (it may have forgotten the
 * block), is left for the next. When fewer than `agree` have answered, `alone` decides whether that
 * will do. When all are out, the one that comes back first is asked all the same: there is nothing
 * to lose.
 */
static const uint64_t HEIGHT_FRESH_NS = 1000000000; /* for how long a height is "latest" */
static const uint64_t STALL_NS = 30000000000;       /* a head that has not grown for this long */
static const uint64_t SLOW_NS = 2000000000;
enum { ERRORS_MANY_PERMILLE = 250 };

void rpc_pool_init(struct rpc_pool *pool, const struct rpc_pool_config *config)
{
    ASSERT(config->agree >= 1);
    *pool = (struct rpc_pool){.config = *config};
}

static uint64_t now(const struct rpc_pool *pool)
{
    return pool->config.time.now_ns(pool->config.time.context);
}

void rpc_pool_add(struct rpc_pool *pool, const char *name, const struct rpc_ops *rpc)
{
    ASSERT(pool->endpoint_count < RPC_POOL_ENDPOINTS_MAX);
    rpc_endpoint_init(&pool->endpoints[pool->endpoint_count++], name, rpc, pool->config.chain_id,
                      pool->config.rate_per_second, now(pool));
}

/* ---- who is asked
 * ----------------------------------------------------------------------------------- */

struct choice {
    size_t count;
    struct rpc_endpoint *at[RPC_POOL_ENDPOINTS_MAX];
};

static unsigned rank(const struct rpc_endpoint *endpoint)
{
    unsigned many_errors = endpoint->error_permille >= ERRORS_MANY_PERMILLE;
    unsigned slow = endpoint->latency_ns >= SLOW_NS;
    return 2 * many_errors + slow;
}

static struct rpc_endpoint *first_to_return(struct rpc_pool *pool)
{
    struct rpc_endpoint *best = &pool->endpoints[0];
    for (size_t i = 1; i < pool->endpoint_count; i++)
        if (pool->endpoints[i].retry_ns < best->retry_ns)
            best = &pool->endpoints[i];
    return best;
}

/* The best first; never none. */
static struct choice choose(struct rpc_pool *pool)
{
    struct choice choice = {0};
    uint64_t now_ns = now(pool);
    for (unsigned wanted = 0; wanted < 4; wanted++)
        for (size_t i = 0; i < pool->endpoint_count; i++)
            if (rpc_endpoint_is_usable(&pool->endpoints[i], now_ns) &&
                rank(&pool->endpoints[i]) == wanted)
                choice.at[choice.count++] = &pool->endpoints[i];
    if (choice.count == 0)
        choice.at[choice.count++] = first_to_return(pool);
    return choice;
}

/* For one answer only: an endpoint whose turn it is before one that has to wait for it. */
static void prefer_ready(struct choice *choice, uint64_t now_ns)
{
    for (size_t i = 0; i < choice->count; i++) {
        if (rpc_endpoint_wait_ns(choice->at[i], now_ns) > 0)
            continue;
        struct rpc_endpoint *ready = choice->at[i];
        memmove(&choice->at[1], &choice->at[0], i * sizeof(choice->at[0]));
        choice->at[0] = ready;
        return;
    }
}

static void fail(struct rpc_reply *reply, enum rpc_status status, const char *message)
{
    rpc_reply_fini(reply);
    *reply = (struct rpc_reply){.status = status};
    snprintf(reply->message, sizeof(reply->message), "%s", message);
}

/* Who has asked us to stay away is not asked, even where there is nobody else. */
static void ask(struct rpc_pool *pool, struct rpc_endpoint *endpoint, struct rpc_reply *reply,
                const char *method, const json_t *params)
{
    *reply = (struct rpc_reply){0};
    if (endpoint->state == RPC_ENDPOINT_LIMITED && now(pool) < endpoint->retry_ns) {
        fail(reply, RPC_LIMITED, "the endpoint has asked us to stay away for a while");
        return;
    }
    rpc_endpoint_call(endpoint, reply, method, json_deep_copy(params), &pool->config.time);
    if (reply->status != RPC_OK || rpc_has_shape(method, reply->result))
        return;
    char message[RPC_MESSAGE_MAX];
    snprintf(message, sizeof(message), "unusable answer to %s", method);
    rpc_endpoint_blame(endpoint, message, now(pool));
    fail(reply, RPC_GARBAGE, message);
}

/* Somebody has spoken for the chain. A refusal is no such thing: another may know what this one has
 * forgotten. */
static bool is_answer(const struct rpc_reply *reply)
{
    return reply->status == RPC_OK ||
           (reply->status == RPC_ERROR && node_classify(reply) != NODE_REFUSED);
}

static void replace(struct rpc_reply *kept, struct rpc_reply *by)
{
    rpc_reply_fini(kept);
    *kept = *by;
    *by = (struct rpc_reply){0};
}

/* What is said when nobody answers: an error object of a node rather than the failure of a line. */
static void keep_failure(struct rpc_reply *kept, struct rpc_reply *failed, bool first)
{
    if (first || (kept->status != RPC_ERROR && failed->status == RPC_ERROR))
        replace(kept, failed);
    rpc_reply_fini(failed);
}

/* ---- a plain question
 * ------------------------------------------------------------------------------- */

static void call_plain(struct rpc_pool *pool, struct rpc_reply *reply, const char *method,
                       const json_t *params)
{
    struct choice choice = choose(pool);
    *reply = (struct rpc_reply){0};
    prefer_ready(&choice, now(pool));
    for (size_t i = 0; i < choice.count; i++) {
        struct rpc_reply answer;
        ask(pool, choice.at[i], &answer, method, params);
        if (is_answer(&answer)) {
            pool->counters.failovers += i > 0;
            replace(reply, &answer);
            return;
        }
        keep_failure(reply, &answer, i == 0);
    }
    pool->counters.failures++;
}

/* ---- heights
 * ---------------------------------------------------------------------------------------- */

static void note_head(struct rpc_endpoint *endpoint, uint64_t head, uint64_t now_ns)
{
    if (head > endpoint->head)
        endpoint->head_ns = now_ns;
    endpoint->head = head;
}

/* False: no number. */
static bool ask_head(struct rpc_pool *pool, struct rpc_endpoint *endpoint, struct rpc_reply *reply)
{
    uint64_t head;
    json_t *none = json_array();
    ask(pool, endpoint, reply, "eth_blockNumber", none);
    json_decref(none);
    if (reply->status != RPC_OK || !rpc_number_of(&head, reply->result))
        return false;
    note_head(endpoint, head, now(pool));
    return true;
}

/* The head that others are measured by: the highest that two have come to. One alone may claim
 * anything; it is followed only where the rest stand still. */
static uint64_t head_of_reference(const struct choice *heads, uint64_t lag_max, uint64_t now_ns)
{
    const struct rpc_endpoint *first = heads->at[0];
    const struct rpc_endpoint *second = NULL;
    for (size_t i = 1; i < heads->count; i++) {
        const struct rpc_endpoint *endpoint = heads->at[i];
        if (endpoint->head > first->head) {
            second = first;
            first = endpoint;
        } else if (second == NULL || endpoint->head > second->head) {
            second = endpoint;
        }
    }
    if (second == NULL)
        return first->head;
    bool stands = first->head - second->head > lag_max && now_ns - second->head_ns >= STALL_NS &&
                  now_ns - first->head_ns < STALL_NS;
    return stands ? first->head : second->head;
}

static void judge_head(struct rpc_endpoint *endpoint, uint64_t reference, uint64_t lag_max)
{
    bool behind = endpoint->head < reference && reference - endpoint->head > lag_max;
    if (behind == (endpoint->state == RPC_ENDPOINT_BEHIND))
        return;
    log_line(behind ? LOG_WARNING : LOG_INFO,
             "endpoint endpoint=\"%s\" state=%s head=%llu others=%llu", endpoint->name,
             behind ? "behind" : "up", (unsigned long long)endpoint->head,
             (unsigned long long)reference);
    endpoint->state = behind ? RPC_ENDPOINT_BEHIND : RPC_ENDPOINT_UP;
}

static void judge_heads(struct rpc_pool *pool, const struct choice *heads)
{
    uint64_t now_ns = now(pool);
    uint64_t reference = head_of_reference(heads, pool->config.lag_max, now_ns);
    uint64_t lowest = UINT64_MAX;
    for (size_t i = 0; i < heads->count; i++) {
        judge_head(heads->at[i], reference, pool->config.lag_max);
        if (heads->at[i]->state != RPC_ENDPOINT_BEHIND && heads->at[i]->head < lowest)
            lowest = heads->at[i]->head;
    }
    pool->height = lowest;
    pool->height_ns = now_ns;
}

/* Asks all that may be asked, and those that are behind: how else would they come back? */
static bool look_at_heads(struct rpc_pool *pool, struct rpc_reply *failure)
{
    struct choice choice = choose(pool);
    struct choice heads = {0};
    *failure = (struct rpc_reply){0};
    for (size_t i = 0; i < pool->endpoint_count; i++)
        if (pool->endpoints[i].state == RPC_ENDPOINT_BEHIND && choice.at[0] != &pool->endpoints[i])
            choice.at[choice.count++] = &pool->endpoints[i];
    for (size_t i = 0; i < choice.count; i++) {
        struct rpc_reply answer;
        if (ask_head(pool, choice.at[i], &answer))
            heads.at[heads.count++] = choice.at[i];
        keep_failure(failure, &answer, i == 0);
    }
    if (heads.count == 0) {
        pool->counters.failures++;
        return false;
    }
    rpc_reply_fini(failure);
    judge_heads(pool, &heads);
    return true;
}

static json_t *quantity_json(uint64_t number)
{
    char text[HEX_QUANTITY_SIZE];
    hex_quantity(text, number);
    return json_string(text);
}

static void call_head(struct rpc_pool *pool, struct rpc_reply *reply)
{
    if (look_at_heads(pool, reply))
        *reply = (struct rpc_reply){.status = RPC_OK, .result = quantity_json(pool->height)};
}

/* "latest" becomes the pool's height, in a copy. False: nobody knows one; `reply` says why. */
static bool pin_latest(struct rpc_pool *pool, struct rpc_reply *reply, json_t **pinned,
                       const char *method, const json_t *params)
{
    int at = rpc_block_parameter(method);
    const char *tag = at < 0 ? NULL : json_string_value(json_array_get(params, (size_t)at));
    *pinned = json_deep_copy(params);
    if (tag == NULL || strcmp(tag, "latest") != 0)
        return true;
    bool stale = pool->height == 0 || now(pool) - pool->height_ns > HEIGHT_FRESH_NS;
    if ((stale || at == 0) && !look_at_heads(pool, reply)) {
        json_decref(*pinned);
        return false;
    }
    json_array_set_new(*pinned, (size_t)at, quantity_json(pool->height));
    return true;
}

/* ---- a question that decides
 * ------------------------------------------------------------------------ */

struct answers {
    size_t count;
    size_t failed;
    struct rpc_endpoint *by[RPC_POOL_ENDPOINTS_MAX];
    struct rpc_reply reply[RPC_POOL_ENDPOINTS_MAX];
};

static void gather(struct rpc_pool *pool, struct answers *answers, struct rpc_reply *failure,
                   const char *method, const json_t *params)
{
    struct choice choice = choose(pool);
    *answers = (struct answers){0};
    for (size_t i = 0; i < choice.count && answers->count < pool->config.agree; i++) {
        struct rpc_reply *reply = &answers->reply[answers->count];
        ask(pool, choice.at[i], reply, method, params);
        if (is_answer(reply))
            answers->by[answers->count++] = choice.at[i];
        else
            keep_failure(failure, reply, answers->failed++ == 0);
    }
}

static void disagree(struct rpc_pool *pool, struct rpc_reply *out, const struct answers *answers,
                     size_t other, enum rpc_agreement how, const char *method)
{
    char message[RPC_MESSAGE_MAX];
    bool behind = how == RPC_BEHIND;
    snprintf(message, sizeof(message), "%s: %s: %s and %s",
             behind ? RPC_POOL_BEHIND : RPC_POOL_DISAGREE, method, answers->by[0]->name,
             answers->by[other]->name);
    if (behind) {
        pool->counters.behind++;
    } else {
        pool->counters.disagreements++;
        answers->by[0]->counters.disagreements++;
        answers->by[other]->counters.disagreements++;
        log_limited(LOG_ERROR, "%s", message);
    }
    fail(out, RPC_DISAGREE, message);
}

/* The block that is final for one must be the other's at that height, too. */
static bool has_block(struct rpc_pool *pool, struct rpc_endpoint *endpoint, struct rpc_reply *block,
                      const char *method, const json_t *params)
{
    json_t *at =
        json_pack("[O, O]", json_object_get(block->result, "number"), json_array_get(params, 1));
    struct rpc_reply own;
    ask(pool, endpoint, &own, method, at);
    bool same =
        own.status == RPC_OK && rpc_agreement_of(method, at, block, 0, &own, 0) == RPC_AGREE;
    rpc_reply_fini(&own);
    json_decref(at);
    return same;
}

/* Which answer does not agree with the first; their number if all do. */
static size_t first_other(const struct answers *answers, enum rpc_agreement *how,
                          const char *method, const json_t *params)
{
    *how = RPC_AGREE;
    for (size_t i = 1; i < answers->count; i++) {
        *how = rpc_agreement_of(method, params, &answers->reply[0], answers->by[0]->head,
                                &answers->reply[i], answers->by[i]->head);
        if (*how != RPC_AGREE)
            return i;
    }
    return answers->count;
}

static size_t most_cautious(const struct answers *answers, const char *method, const json_t *params)
{
    size_t chosen = 0;
    for (size_t i = 1; i < answers->count; i++)
        if (rpc_second_is_cautious(method, params, &answers->reply[chosen], &answers->reply[i]))
            chosen = i;
    return chosen;
}

/* The reply to go by; NULL when `other` does not agree with the first. */
static struct rpc_reply *agreed(struct rpc_pool *pool, struct answers *answers, size_t *other,
                                enum rpc_agreement *how, const char *method, const json_t *params)
{
    *other = first_other(answers, how, method, params);
    if (*other < answers->count)
        return NULL;
    size_t chosen = most_cautious(answers, method, params);
    struct rpc_reply *reply = &answers->reply[chosen];
    if (!rpc_asks_for_final(method, params) || json_is_null(reply->result))
        return reply;
    for (size_t i = 0; i < answers->count; i++) {
        if (i == chosen || has_block(pool, answers->by[i], reply, method, params))
            continue;
        *other = i == 0 ? chosen : i;
        *how = RPC_DIFFER;
        return NULL;
    }
    return reply;
}

static void settle_answers(struct rpc_pool *pool, struct rpc_reply *reply, struct answers *answers,
                           const char *method, const json_t *params)
{
    size_t wanted =
        pool->config.agree < pool->endpoint_count ? pool->config.agree : pool->endpoint_count;
    enum rpc_agreement how;
    size_t other;
    struct rpc_reply *chosen = agreed(pool, answers, &other, &how, method, params);
    if (chosen == NULL) {
        disagree(pool, reply, answers, other, how, method);
        return;
    }
    pool->counters.failovers += answers->failed > 0;
    if (answers->count >= wanted) {
        pool->counters.agreements++;
    } else if (pool->config.alone) {
        pool->counters.alone++;
    } else {
        pool->counters.failures++;
        fail(reply, RPC_TRANSPORT, "too few endpoints answer for a question that decides");
        return;
    }
    replace(reply, chosen);
}

static void call_deciding(struct rpc_pool *pool, struct rpc_reply *reply, const char *method,
                          const json_t *params)
{
    struct answers answers;
    json_t *pinned;
    *reply = (struct rpc_reply){0};
    if (!pin_latest(pool, reply, &pinned, method, params))
        return;
    gather(pool, &answers, reply, method, pinned);
    if (answers.count > 0)
        settle_answers(pool, reply, &answers, method, pinned);
    else
        pool->counters.failures++;
    for (size_t i = 0; i < answers.count; i++)
        rpc_reply_fini(&answers.reply[i]);
    json_decref(pinned);
}

/* ---- the chain, and broadcasts
 * ---------------------------------------------------------------------- */

static void call_chain(struct rpc_pool *pool, struct rpc_reply *reply, const json_t *params)
{
    call_plain(pool, reply, "eth_chainId", params);
    for (size_t i = 0; i < pool->endpoint_count; i++)
        if (reply->status == RPC_OK || pool->endpoints[i].state != RPC_ENDPOINT_OTHER_CHAIN)
            return;
    /* All are on another chain: the caller is to hear which. */
    rpc_reply_fini(reply);
    *reply = (struct rpc_reply){.status = RPC_OK,
                                .result = quantity_json(pool->endpoints[0].other_chain_id)};
}

/* Whose word counts: taken, known already, then what says most about the nonce; last a line that
 * failed. */
static unsigned worth(const struct rpc_reply *reply, const char *hash)
{
    enum node_result result = node_classify(reply);
    const char *answered = json_string_value(reply->result);
    if (result == NODE_OK) /* taken, if it is these bytes that it took */
        return answered != NULL && strcasecmp(answered, hash) == 0 ? 0 : 6;
    if (result == NODE_ALREADY_KNOWN)
        return 1;
    if (result == NODE_NONCE_TOO_LOW)
        return 2;
    if (result == NODE_UNDERPRICED)
        return 3;
    return reply->status == RPC_ERROR ? 4 : 5;
}

/* The hash of what is broadcast, as text; empty when the parameter is no bytes. */
static void hash_of_raw(char out[HEX_TEXT_SIZE(KECCAK_BYTES)], const json_t *params)
{
    const char *text = json_string_value(json_array_get(params, 0));
    size_t max = text == NULL ? 0 : strlen(text) / 2;
    uint8_t *raw = malloc(max + 1);
    ssize_t len = raw == NULL || text == NULL ? -1 : hex_decode(raw, max, text);
    out[0] = '\0';
    if (len >= 0) {
        struct chain_hash hash = keccak256_hash(raw, (size_t)len);
        hex_encode(out, hash.bytes, KECCAK_BYTES);
    }
    free(raw);
}

static void call_broadcast(struct rpc_pool *pool, struct rpc_reply *reply, const char *method,
                           const json_t *params)
{
    struct choice choice = choose(pool);
    char hash[HEX_TEXT_SIZE(KECCAK_BYTES)];
    *reply = (struct rpc_reply){0};
    hash_of_raw(hash, params);
    for (size_t i = 0; i < choice.count; i++) {
        struct rpc_reply answer;
        ask(pool, choice.at[i], &answer, method, params);
        if (i == 0 || worth(&answer, hash) < worth(reply, hash))
            replace(reply, &answer);
        rpc_reply_fini(&answer);
    }
    pool->counters.failures += reply->status != RPC_OK && reply->status != RPC_ERROR;
}

/* ---- the table
 * -------------------------------------------------------------------------------------- */

static void call_several(struct rpc_pool *pool, struct rpc_reply *reply, const char *method,
                         const json_t *params)
{
    switch (rpc_kind_of(method)) {
    case RPC_KIND_PLAIN:
        call_plain(pool, reply, method, params);
        return;
    case RPC_KIND_DECIDES:
        call_deciding(pool, reply, method, params);
        return;
    case RPC_KIND_HEAD:
        call_head(pool, reply);
        return;
    case RPC_KIND_CHAIN:
        call_chain(pool, reply, params);
        return;
    case RPC_KIND_BROADCAST:
        call_broadcast(pool, reply, method, params);
        return;
    }
    ASSERT(false); /* a kind of the enumeration */
}

static void call_one(struct rpc_pool *pool, struct rpc_reply *reply, const char *method,
                     const json_t *params)
{
    ask(pool, &pool->endpoints[0], reply, method, params);
    pool->counters.failures += reply->status != RPC_OK && reply->status != RPC_ERROR;
}

static void pool_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    struct rpc_pool *pool = context;
    ASSERT(pool->endpoint_count > 0);
    pool->counters.calls++;
    if (pool->endpoint_count > 1)
        call_several(pool, reply, method, params);
    else if (rpc_kind_of(method) == RPC_KIND_CHAIN)
        call_chain(pool, reply, params);
    else
        call_one(pool, reply, method, params);
    json_decref(params);
}

/* Of those who will be asked for them, if they are as well by then. Each answers for itself: what
 * they say is compared when it is asked for. */
static void pool_ahead(void *context, json_t *questions)
{
    struct rpc_pool *pool = context;
    struct choice choice = choose(pool);
    for (size_t i = 0; i < choice.count && i < pool->config.agree; i++)
        rpc_endpoint_ahead(choice.at[i], json_copy(questions), &pool->config.time);
    json_decref(questions);
}

static void pool_close(void *context)
{
    struct rpc_pool *pool = context;
    for (size_t i = 0; i < pool->endpoint_count; i++)
        pool->endpoints[i].rpc.close(pool->endpoints[i].rpc.context);
}

struct rpc_ops rpc_pool_ops(struct rpc_pool *pool)
{
    return (struct rpc_ops){
        .context = pool, .call = pool_call, .close = pool_close, .ahead = pool_ahead};
}
