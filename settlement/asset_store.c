#include "settlement/asset_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static bool failed(struct pg *pg, const char *what)
{
    const struct pg_error *error = pg_last_error(pg);

    log_limited(LOG_WARNING, "deployments: %s: %s %s", what, error->sqlstate, error->message);
    pg_rollback(pg);
    return false;
}

// One statement in a transaction of its own.
static bool store(struct pg *pg, const char *what, const char *sql, const struct pg_param *params,
                  size_t count)
{
    return pg_query(pg, NULL, sql, params, count) == PG_OK || failed(pg, what);
}

void asset_deployment_fini(struct asset_deployment *deployment)
{
    json_decref(deployment->steps);
    json_decref(deployment->checks);
    free(deployment->rows);
    *deployment = (struct asset_deployment){0};
}

bool asset_store_running(struct pg *pg, int64_t *ids, size_t *count, size_t max, uint64_t chain_id)
{
    struct pg_rows *rows = NULL;

    *count = 0;
    if (pg_query(
            pg, &rows,
            "SELECT deployment_id FROM chain.deployment WHERE state = 'running' AND chain_id = $1 "
            "ORDER BY deployment_id LIMIT $2",
            PG_PARAMS(pg_i64((int64_t)chain_id), pg_i64((int64_t)max))) != PG_OK)
        return failed(pg, "running");
    for (; *count < pg_rows_count(rows); (*count)++)
        ids[*count] = pg_number(rows, *count, 0);
    pg_rows_free(rows);
    return true;
}

static void copy_text(char *out, size_t size, const struct pg_rows *rows, size_t row, int column)
{
    const char *text = pg_value(rows, row, column);
    snprintf(out, size, "%s", text != NULL ? text : "");
}

// With its checksum, however it is spelled there; "" for NULL.
static void copy_address(char out[ADDRESS_TEXT_SIZE], const struct pg_rows *rows, size_t row,
                         int column)
{
    struct chain_address address;
    const char *text = pg_value(rows, row, column);

    out[0] = '\0';
    if (text == NULL)
        return;
    ASSERT(address_parse(&address, text));
    address_format(out, &address);
}

static bool load_rows(struct pg *pg, struct asset_deployment *out)
{
    struct pg_rows *rows = NULL;

    if (pg_query(pg, &rows,
                 "SELECT coalesce(s.request_id, 0), s.round, s.acknowledged, r.state, r.reason, "
                 "r.contract_address, s.confirmed_at IS NOT NULL FROM chain.deployment_step s LEFT "
                 "JOIN chain.chain_request r "
                 "USING (request_id) WHERE s.deployment_id = $1 ORDER BY s.step",
                 PG_PARAMS(pg_i64(out->deployment_id))) != PG_OK)
        return failed(pg, "steps");
    out->count = pg_rows_count(rows);
    ASSERT(out->count == json_array_size(out->steps));
    out->rows = calloc(out->count + 1, sizeof(*out->rows));
    ASSERT(out->rows != NULL);
    for (size_t i = 0; i < out->count; i++) {
        struct asset_step_row *row = &out->rows[i];
        const json_t *operation = json_object_get(json_array_get(out->steps, i), "operation");
        row->request_id = pg_number(rows, i, 0);
        row->round = pg_number(rows, i, 1);
        row->acknowledged = pg_number(rows, i, 2) != 0;
        row->noted = pg_number(rows, i, 6) != 0;
        copy_text(row->state, sizeof(row->state), rows, i, 3);
        copy_text(row->reason, sizeof(row->reason), rows, i, 4);
        if (strcmp(json_string_value(operation), "deploy") == 0)
            copy_address(row->made, rows, i, 5);
    }
    pg_rows_free(rows);
    return true;
}

bool asset_store_load(struct pg *pg, struct asset_deployment *out, bool *found, int64_t id)
{
    struct pg_rows *rows = NULL;

    *out = (struct asset_deployment){.deployment_id = id};
    if (pg_query(
            pg, &rows,
            "SELECT d.asset_id, t.status = 'draft' AND t.contract_address IS NULL, d.steps, "
            "d.checks, d.terms_hash FROM chain.deployment d JOIN people.token t USING (asset_id) "
            "WHERE deployment_id = $1 AND d.state = 'running'",
            PG_PARAMS(pg_i64(id))) != PG_OK)
        return failed(pg, "deployment");
    *found = pg_rows_count(rows) == 1;
    if (*found) {
        out->asset_id = pg_number(rows, 0, 0);
        out->is_draft = pg_number(rows, 0, 1) != 0;
        out->steps = json_loads(pg_value(rows, 0, 2), 0, NULL);
        out->checks = json_loads(pg_value(rows, 0, 3), 0, NULL);
        copy_text(out->terms_hash, sizeof(out->terms_hash), rows, 0, 4);
        ASSERT(out->steps != NULL && out->checks != NULL);
    }
    pg_rows_free(rows);
    if (!*found || load_rows(pg, out))
        return true;
    asset_deployment_fini(out);
    return false;
}

bool asset_store_begin_step(struct pg *pg, const struct asset_deployment *deployment, size_t step,
                            const char *operation, const char *contract, const json_t *arguments,
                            uint64_t chain_id)
{
    static const char sql[] =
        "WITH d AS (SELECT deployment_id, requested_by FROM chain.deployment "
        "WHERE deployment_id = $1 AND state = 'running' FOR UPDATE), "
        "s AS (SELECT 1 FROM d JOIN chain.deployment_step USING (deployment_id) "
        "WHERE step = $2 AND request_id IS NULL), "
        "r AS (INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, "
        "contract_address, token_asset, requested_by, arguments, evidence) "
        "SELECT $3, $4, $5, nullif($6, ''), $7, requested_by, $8::jsonb, $9::jsonb FROM d, s "
        "RETURNING request_id) "
        "UPDATE chain.deployment_step x SET request_id = r.request_id, started_at = now() FROM r "
        "WHERE x.deployment_id = $1 AND x.step = $2";
    const json_t *plan = json_array_get(deployment->steps, step);
    char key[64];
    char *arguments_text = json_dumps(arguments, JSON_COMPACT);
    json_t *evidence =
        json_pack("{s:{s:s, s:I}, s:O, s:s}", "flow", "kind", "issuance", "id",
                  (json_int_t)deployment->deployment_id, "step", json_object_get(plan, "name"),
                  "terms_hash", deployment->terms_hash);
    char *evidence_text = json_dumps(evidence, JSON_COMPACT);

    ASSERT(arguments_text != NULL && evidence_text != NULL);
    snprintf(key, sizeof(key), "deploy:%lld:%zu:%lld", (long long)deployment->deployment_id, step,
             (long long)deployment->rows[step].round);
    bool stored = store(pg, "begin a step", sql,
                        PG_PARAMS(pg_i64(deployment->deployment_id), pg_i64((int64_t)step),
                                  pg_text(key), pg_text(operation), pg_i64((int64_t)chain_id),
                                  pg_text(contract), pg_i64(deployment->asset_id),
                                  pg_text(arguments_text), pg_text(evidence_text))) &&
                  store(pg, "notify", "SELECT pg_notify('settle', '')", PG_NO_PARAMS);
    json_decref(evidence);
    free(arguments_text);
    free(evidence_text);
    return stored;
}

bool asset_store_confirm_step(struct pg *pg, const struct asset_deployment *deployment, size_t step)
{
    return store(
        pg, "confirm a step",
        "UPDATE chain.deployment_step SET confirmed_at = now(), contract_address = nullif($3, '') "
        "WHERE deployment_id = $1 AND step = $2 AND confirmed_at IS NULL",
        PG_PARAMS(pg_i64(deployment->deployment_id), pg_i64((int64_t)step),
                  pg_text(deployment->rows[step].made)));
}

bool asset_store_await_policy(struct pg *pg, int64_t id)
{
    return store(pg, "await the policy",
                 "UPDATE chain.deployment SET state = 'awaiting_policy', updated_at = now() "
                 "WHERE deployment_id = $1 AND state = 'running'",
                 PG_PARAMS(pg_i64(id)));
}

bool asset_store_fail(struct pg *pg, int64_t id, const char *step, const char *reason)
{
    log_warning("deployment failed deployment=%lld step=%s reason=\"%s\"", (long long)id, step,
                reason);
    return store(
        pg, "fail",
        "UPDATE chain.deployment SET state = 'deploy_failed', failed_step = $2, reason = $3, "
        "updated_at = now() WHERE deployment_id = $1 AND state = 'running'",
        PG_PARAMS(pg_i64(id), pg_text(step), pg_text(reason)));
}

bool asset_store_finish(struct pg *pg, const struct asset_deployment *deployment, uint64_t chain_id,
                        const char *token, const char *registry, uint64_t block)
{
    static const char sql[] =
        "WITH d AS (SELECT asset_id FROM chain.deployment WHERE deployment_id = $1 AND state = "
        "'running' "
        "FOR UPDATE), "
        "t AS (UPDATE people.token x SET chain_id = $2, contract_address = $3, "
        "identity_registry_addr = $4, updated_at = now() FROM d WHERE x.asset_id = d.asset_id "
        "AND x.status = 'draft' AND x.contract_address IS NULL RETURNING x.asset_id) "
        "UPDATE chain.deployment y SET updated_at = now(), "
        "state = CASE WHEN t.asset_id IS NULL THEN 'deploy_failed' ELSE 'deployed' END, "
        "read_back_block = CASE WHEN t.asset_id IS NOT NULL THEN $5::bigint END, "
        "failed_step = CASE WHEN t.asset_id IS NULL THEN 'token' END, "
        "reason = CASE WHEN t.asset_id IS NULL THEN 'token_not_draft' END "
        "FROM d LEFT JOIN t USING (asset_id) WHERE y.deployment_id = $1";

    return store(pg, "finish", sql,
                 PG_PARAMS(pg_i64(deployment->deployment_id), pg_i64((int64_t)chain_id),
                           pg_text(token), pg_text(registry), pg_i64((int64_t)block)));
}
