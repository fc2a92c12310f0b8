#include "settlement/settle_report.h"

#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "chain/hex.h"
#include "chain/wide.h"

static const uint64_t CHANGED_NS = 1000000000, UNCHANGED_NS = 5000000000, BALANCE_NS = 60000000000;
// Behind the deadline of the next pass: what a pass of many transactions may take.
enum { LATE_MS = 30000 };

enum trouble settle_report_trouble(const struct settle *settle)
{
    if (settle->attempts_missing || settle->attempts_lost)
        return TROUBLE_ATTEMPTS_MISSING;
    if (settle->chain_again_ns < settle->pass_ns || settle->chain_again_ns == 0)
        return TROUBLE_NONE; // the last pass that went to the chain came through
    if (settle->signer_asked_ns != 0)
        return TROUBLE_SIGNER_UNAVAILABLE;
    if (settle->is_other_chain)
        return TROUBLE_NODE_ON_ANOTHER_CHAIN;
    const char *said = settle->node->error.message;
    if (strncmp(said, RPC_POOL_DISAGREE, strlen(RPC_POOL_DISAGREE)) == 0)
        return TROUBLE_ENDPOINTS_DISAGREE;
    return TROUBLE_NODE_UNAVAILABLE;
}

// Of one endpoint alone the pool keeps no height.
static json_t *known(uint64_t block)
{
    return block != 0 ? json_integer((json_int_t)block) : json_null();
}

// Counters by their names in the struct.
struct counter {
    const char *name;
    size_t at;
};
#define ENDPOINT(name)                                                                             \
    {                                                                                              \
#name, offsetof(struct rpc_endpoint_counters, name)                                        \
    }
static const struct counter of_endpoint[] = {
    ENDPOINT(calls),  ENDPOINT(transport), ENDPOINT(garbage),       ENDPOINT(limited),
    ENDPOINT(errors), ENDPOINT(waits),     ENDPOINT(disagreements), ENDPOINT(reconnects)};
#define POOL(name)                                                                                 \
    {                                                                                              \
#name, offsetof(struct rpc_pool_counters, name)                                            \
    }
static const struct counter of_pool[] = {POOL(calls),        POOL(failovers), POOL(agreements),
                                         POOL(alone),        POOL(behind),    POOL(failures),
                                         POOL(disagreements)};
#define WORKER(name)                                                                               \
    {                                                                                              \
#name, offsetof(struct settle_counters, name)                                              \
    }
static const struct counter of_worker[] = {
    WORKER(claimed),        WORKER(off_chain),       WORKER(refused),
    WORKER(simulations),    WORKER(signed_attempts), WORKER(broadcasts),
    WORKER(resends),        WORKER(bids_raised),     WORKER(confirmed),
    WORKER(netted_to_zero), WORKER(reverted),        WORKER(dropped),
    WORKER(reorganised),    WORKER(incidents),       WORKER(foreign_nonces),  WORKER(counts_doubted),
    WORKER(lost_nonces),    WORKER(restored),        WORKER(nonces_given_up),
    WORKER(node_failures),  WORKER(signer_failures), WORKER(store_failures),
    WORKER(results_sent),   WORKER(results_refused)};
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
// All of them: a new one is not forgotten here. (`passes` says nothing.)
_Static_assert(COUNT(of_endpoint) * 8 == sizeof(struct rpc_endpoint_counters), "endpoint");
_Static_assert(COUNT(of_pool) * 8 == sizeof(struct rpc_pool_counters), "pool");
_Static_assert(COUNT(of_worker) * 8 + 8 == sizeof(struct settle_counters), "worker");

static json_t *counters_add(json_t *object, const void *counters, const struct counter *list,
                            size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value;
        memcpy(&value, (const char *)counters + list[i].at, sizeof(value));
        json_object_set_new(object, list[i].name, json_integer((json_int_t)value));
    }
    return object;
}

static json_t *endpoint_json(const struct rpc_endpoint *e)
{
    return counters_add(json_pack("{s:s, s:s, s:s?, s:o, s:I, s:I}", "name", e->name, "state",
                                  rpc_endpoint_state_text(e->state), "problem",
                                  e->problem[0] != '\0' ? e->problem : NULL, "head", known(e->head),
                                  "latency_ms", (json_int_t)(e->latency_ns / 1000000),
                                  "error_permille", (json_int_t)e->error_permille),
                        &e->counters, of_endpoint, COUNT(of_endpoint));
}

static char *text_of(json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    ASSERT(text != NULL);
    return text;
}

static char *endpoints_text(const struct rpc_pool *pool)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pool->endpoint_count; i++)
        json_array_append_new(list, endpoint_json(&pool->endpoints[i]));
    return text_of(list);
}

// Once a minute, of the key that signs now; not of a node that does not answer anyway.
static void balance_ask(struct settle_report *report, const struct settle *settle,
                        enum trouble trouble, uint64_t now_ns)
{
    bool same = report->has_balance && address_equal(&report->balance_of, &settle->signer_address);

    if (trouble != TROUBLE_NONE || !settle->has_signer ||
        (same && now_ns - report->balance_ns < BALANCE_NS))
        return;
    report->balance_ns = now_ns;
    report->balance_of = settle->signer_address;
    report->has_balance = node_get_balance(settle->node, &report->balance_wei,
                                           &report->balance_of, NODE_LATEST) == NODE_OK;
}

static bool has_changed(const struct settle_report *report, const struct settle *settle,
                        const struct rpc_pool *pool, enum trouble trouble)
{
    if (report->head != settle->block_number || report->trouble != trouble)
        return true;
    for (size_t i = 0; i < pool->endpoint_count; i++)
        if (report->states[i] != pool->endpoints[i].state)
            return true;
    return false;
}

static void keep(struct settle_report *report, const struct settle *settle,
                 const struct rpc_pool *pool, enum trouble trouble, uint64_t now_ns)
{
    report->written_ns = now_ns;
    report->head = settle->block_number;
    report->trouble = trouble;
    for (size_t i = 0; i < pool->endpoint_count; i++)
        report->states[i] = pool->endpoints[i].state;
}

void settle_report_write(struct settle_report *report, struct pg *pg, const struct settle *settle,
                         const struct rpc_pool *pool, uint64_t now_ns)
{
    const struct settle_config *config = &settle->config;
    enum trouble trouble = settle_report_trouble(settle);
    uint64_t age_ns = now_ns - report->written_ns;

    ASSERT(now_ns >= report->written_ns && pool->endpoint_count <= RPC_POOL_ENDPOINTS_MAX);
    bool due = report->written_ns == 0 || age_ns >= UNCHANGED_NS ||
               (age_ns >= CHANGED_NS && has_changed(report, settle, pool, trouble));
    if (!due)
        return;
    char account[ADDRESS_TEXT_SIZE];
    char balance[WIDE_DECIMAL_SIZE];

    balance_ask(report, settle, trouble, now_ns);
    hex_encode(account, report->balance_of.bytes, ADDRESS_BYTES);
    wide_format(balance, report->balance_wei);
    char *endpoints = endpoints_text(pool);
    char *of_all = text_of(counters_add(json_object(), &pool->counters, of_pool, COUNT(of_pool)));
    char *counters =
        text_of(counters_add(json_object(), &settle->counters, of_worker, COUNT(of_worker)));
    if (pg_query(
            pg, NULL,
            "INSERT INTO settle.worker (chain_id, head_block, final_block, confirmations, "
            "trouble, endpoints, due_at, pool, counters, signer_address, balance_wei) VALUES ($1, "
            "$2, $3, $4, $5, $6::jsonb, now() + $7::bigint * interval '1 ms', $8::jsonb, "
            "$9::jsonb, $10, $11::numeric) ON CONFLICT (chain_id) "
            "DO UPDATE SET head_block = excluded.head_block, final_block = "
            "excluded.final_block, confirmations = excluded.confirmations, trouble = "
            "excluded.trouble, endpoints = excluded.endpoints, updated_at = now(), due_at = "
            "excluded.due_at, pool = excluded.pool, counters = excluded.counters, signer_address = "
            "excluded.signer_address, balance_wei = excluded.balance_wei",
            PG_PARAMS(pg_i64((int64_t)config->chain_id), pg_i64((int64_t)settle->block_number),
                      config->finalized_tag ? pg_i64((int64_t)settle->final_number) : pg_null(),
                      pg_i64(config->confirmations > 0 ? (int64_t)config->confirmations : 1),
                      pg_text(trouble_name(trouble)), pg_text(endpoints),
                      pg_i64((int64_t)(config->tick_ns / 1000000) + LATE_MS), pg_text(of_all),
                      pg_text(counters), pg_text(report->has_balance ? account : NULL),
                      pg_text(report->has_balance ? balance : NULL))) != PG_OK)
        log_limited(LOG_WARNING, "what operators are to see cannot be written reason=\"%s\"",
                    pg_last_error(pg)->message);
    else
        keep(report, settle, pool, trouble, now_ns);
    free(counters);
    free(of_all);
    free(endpoints);
}
