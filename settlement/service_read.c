// How far requests and deployments are. The rows become JSON where they lie, in Postgres: amounts,
// fees and hashes are text there, so that nothing passes through floating point.
#include <stdio.h>
#include <string.h>

#include "settlement/service_internal.h"

// q is a row of chain.request_status.
#define REQUEST_JSON                                                                               \
    "json_build_object('request_id', q.request_id, 'key', CASE WHEN q.idempotency_key LIKE "       \
    "'api:%' THEN split_part(q.idempotency_key, ':', 3) ELSE q.idempotency_key END, "              \
    "'operation', q.operation, 'state', q.state, 'chain_state', q.chain_state, "                   \
    "'chain_id', q.chain_id, 'contract', q.contract_address, 'flow', q.flow, "                     \
    "'tx_hash', q.tx_hash, 'block_number', q.block_number, 'reason', q.reason, "                   \
    "'requested_by', q.requested_by, 'content_hash', q.content_hash, "                             \
    "'legs', (SELECT coalesce(json_agg(json_build_object('leg', l.leg, 'from', l.from_address, "   \
    "'to', l.to_address, 'amount', l.amount::text, 'trade', l.trade_id) ORDER BY l.leg), '[]') "   \
    "FROM chain.request_leg l WHERE l.request_id = q.request_id), "                                \
    "'attempts', (SELECT coalesce(json_agg(json_build_object('attempt', a.attempt, 'state', "      \
    "a.state, 'nonce', a.nonce, 'tx_hash', a.tx_hash, 'block_number', a.block_number, "            \
    "'gas_limit', a.gas_limit, 'gas_used', a.gas_used, 'max_fee_wei', a.max_fee_wei::text, "       \
    "'reason', a.reason, 'sent_at', a.sent_at, 'mined_at', a.mined_at) ORDER BY a.attempt), "      \
    "'[]') FROM settle.attempt a WHERE a.request_id = q.request_id), "                             \
    "'gas_used', (SELECT sum(g.gas_used) FROM chain.gas_transaction g WHERE g.request_id = "       \
    "q.request_id), 'fee_wei', (SELECT sum(g.fee_wei)::text FROM chain.gas_transaction g WHERE "   \
    "g.request_id = q.request_id), 'created_at', q.created_at, 'updated_at', q.updated_at)"

// d is a row of chain.deployment. What it has made is named once more, under contracts: B9's
// DeployResult.
#define DEPLOYMENT_JSON                                                                            \
    "json_build_object('deployment_id', d.deployment_id, 'state', d.state, 'asset', d.asset_id, "  \
    "'chain_id', d.chain_id, 'deployer', d.deployer, 'terms', d.terms, 'terms_hash', "             \
    "d.terms_hash, 'failed_step', d.failed_step, 'reason', d.reason, 'read_back_block', "          \
    "d.read_back_block, 'requested_by', d.requested_by, 'created_at', d.created_at, "              \
    "'updated_at', d.updated_at, "                                                                 \
    "'contracts', (SELECT coalesce(json_object_agg(p.name, json_build_object('address', "          \
    "p.contract_address, 'tx_hash', p.tx_hash)), '{}') FROM chain.deployment_progress p WHERE "    \
    "p.deployment_id = d.deployment_id AND p.contract_address IS NOT NULL), "                      \
    "'gas_used', (SELECT sum(p.gas_used) FROM chain.deployment_progress p WHERE p.deployment_id "  \
    "= d.deployment_id), "                                                                         \
    "'plan', d.steps, "                                                                            \
    "'steps', (SELECT json_agg(json_build_object('step', p.step, 'name', p.name, 'operation', "    \
    "p.operation, 'state', p.state, 'reason', p.reason, 'request_id', p.request_id, 'tx_hash', "   \
    "p.tx_hash, 'contract', p.contract_address, 'block_number', p.block_number, 'gas_used', "      \
    "p.gas_used, 'gas_limit', p.gas_limit, 'round', p.round, 'started_at', p.started_at, "         \
    "'confirmed_at', p.confirmed_at) ORDER BY p.step) FROM chain.deployment_progress p WHERE "     \
    "p.deployment_id = d.deployment_id))"

static bool answer_row(struct ask *ask, unsigned status, const char *sql,
                       const struct pg_param *params, size_t count)
{
    struct pg_rows *rows = NULL;

    if (pg_query(ask->service->pg, &rows, sql, params, count) != PG_OK)
        return ask_database_failed(ask);
    bool found = pg_rows_count(rows) == 1 && !pg_is_null(rows, 0, 0);
    if (found)
        ask_answer_text(ask, status, pg_value(rows, 0, 0));
    pg_rows_free(rows);
    return found || refuse(&ask->refusal, REFUSAL_NOT_FOUND, NULL);
}

bool request_answer(struct ask *ask, unsigned status, int64_t request_id)
{
    return answer_row(ask, status,
                      "SELECT " REQUEST_JSON
                      "::text FROM chain.request_status q WHERE q.request_id = $1",
                      PG_PARAMS(pg_i64(request_id)));
}

bool request_read(struct ask *ask)
{
    return request_answer(ask, 200, ask->id);
}

// By the caller's key, or the newest, if asked for of one state only.
bool requests_read(struct ask *ask)
{
    char key[SERVICE_ROW_KEY_MAX];

    ask_row_key(key, ask, ask->key);
    if (ask->key[0] != '\0')
        return answer_row(ask, 200,
                          "SELECT " REQUEST_JSON
                          "::text FROM chain.request_status q WHERE q.idempotency_key = $1",
                          PG_PARAMS(pg_text(key)));
    return answer_row(ask, 200,
                      "SELECT json_build_object('requests', coalesce(json_agg(" REQUEST_JSON
                      " ORDER BY q.request_id DESC), '[]'))::text FROM (SELECT * FROM "
                      "chain.request_status WHERE $1 = '' OR state = $1 ORDER BY request_id DESC "
                      "LIMIT $2) q",
                      PG_PARAMS(pg_text(ask->state), pg_i64(ask->limit)));
}

bool deployment_answer(struct ask *ask, unsigned status, int64_t deployment_id)
{
    return answer_row(ask, status,
                      "SELECT " DEPLOYMENT_JSON
                      "::text FROM chain.deployment d WHERE d.deployment_id = $1",
                      PG_PARAMS(pg_i64(deployment_id)));
}

bool deployment_read(struct ask *ask)
{
    return deployment_answer(ask, 200, ask->id);
}

bool deployments_read(struct ask *ask)
{
    return answer_row(
        ask, 200,
        "SELECT json_build_object('deployments', coalesce(json_agg(json_build_object("
        "'deployment_id', d.deployment_id, 'asset', d.asset_id, 'state', d.state, 'failed_step', "
        "d.failed_step, 'reason', d.reason, 'done', (SELECT count(confirmed_at) FROM "
        "chain.deployment_step s WHERE s.deployment_id = d.deployment_id), 'of', "
        "jsonb_array_length(d.steps), 'created_at', d.created_at, 'updated_at', d.updated_at) "
        "ORDER BY d.deployment_id DESC), '[]'))::text FROM (SELECT * FROM chain.deployment WHERE "
        "$1 = '' OR state = $1 ORDER BY deployment_id DESC LIMIT $2) d",
        PG_PARAMS(pg_text(ask->state), pg_i64(ask->limit)));
}
