#include "settlement/settle_report.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static const uint64_t CHANGED_NS = 1000000000, UNCHANGED_NS = 5000000000;
// Behind the deadline of the next pass: what a pass of many transactions may take.
enum { LATE_MS = 30000 };

const char *settle_report_trouble(const struct settle *settle)
{
    if (settle->attempts_missing || settle->attempts_lost)
        return SETTLE_REASON_MISSING;
    if (settle->chain_again_ns < settle->pass_ns || settle->chain_again_ns == 0)
        return NULL; // the last pass that went to the chain came through
    if (settle->signer_asked_ns != 0)
        return "signer_unavailable";
    const char *said = settle->node->error.message;
    if (strncmp(said, RPC_POOL_DISAGREE, strlen(RPC_POOL_DISAGREE)) == 0)
        return SETTLE_REASON_DISAGREE;
    return SETTLE_REASON_NODE;
}

// Of one endpoint alone the pool keeps no height.
static json_t *known(uint64_t block)
{
    return block != 0 ? json_integer((json_int_t)block) : json_null();
}

static json_t *endpoint_json(const struct rpc_endpoint *e)
{
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I}", "name", e->name, "state",
                     rpc_endpoint_state_text(e->state), "head", known(e->head), "latency_ms",
                     (json_int_t)(e->latency_ns / 1000000), "error_permille",
                     (json_int_t)e->error_permille, "calls", (json_int_t)e->counters.calls,
                     "failures", (json_int_t)(e->counters.transport + e->counters.garbage),
                     "disagreements", (json_int_t)e->counters.disagreements);
}

static char *endpoints_text(const struct rpc_pool *pool)
{
    json_t *list = json_array();
    for (size_t i = 0; i < pool->endpoint_count; i++)
        json_array_append_new(list, endpoint_json(&pool->endpoints[i]));
    char *text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    ASSERT(text != NULL);
    return text;
}

static bool has_changed(const struct settle_report *report, const struct settle *settle,
                        const struct rpc_pool *pool, const char *trouble)
{
    if (report->head != settle->block_number || report->trouble != trouble)
        return true;
    for (size_t i = 0; i < pool->endpoint_count; i++)
        if (report->states[i] != pool->endpoints[i].state)
            return true;
    return false;
}

static void keep(struct settle_report *report, const struct settle *settle,
                 const struct rpc_pool *pool, const char *trouble, uint64_t now_ns)
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
    const char *trouble = settle_report_trouble(settle);
    uint64_t age_ns = now_ns - report->written_ns;

    ASSERT(now_ns >= report->written_ns && pool->endpoint_count <= RPC_POOL_ENDPOINTS_MAX);
    bool due = report->written_ns == 0 || age_ns >= UNCHANGED_NS ||
               (age_ns >= CHANGED_NS && has_changed(report, settle, pool, trouble));
    if (!due)
        return;
    char *endpoints = endpoints_text(pool);
    if (pg_query(
            pg, NULL,
            "INSERT INTO settle.worker (chain_id, head_block, final_block, confirmations, "
            "trouble, endpoints, due_at) VALUES ($1, $2, $3, $4, $5, $6::jsonb, now() + $7::bigint "
            "* "
            "interval '1 ms') ON CONFLICT (chain_id) "
            "DO UPDATE SET head_block = excluded.head_block, final_block = "
            "excluded.final_block, confirmations = excluded.confirmations, trouble = "
            "excluded.trouble, endpoints = excluded.endpoints, updated_at = now(), due_at = "
            "excluded.due_at",
            PG_PARAMS(pg_i64((int64_t)config->chain_id), pg_i64((int64_t)settle->block_number),
                      config->finalized_tag ? pg_i64((int64_t)settle->final_number) : pg_null(),
                      pg_i64(config->confirmations > 0 ? (int64_t)config->confirmations : 1),
                      pg_text(trouble), pg_text(endpoints),
                      pg_i64((int64_t)(config->tick_ns / 1000000) + LATE_MS))) != PG_OK)
        log_limited(LOG_WARNING, "what operators are to see cannot be written reason=\"%s\"",
                    pg_last_error(pg)->message);
    else
        keep(report, settle, pool, trouble, now_ns);
    free(endpoints);
}
