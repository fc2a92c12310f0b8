// Deployments by REST: planned without effect, begun, resumed, given up. Carrying them out is
// asset_deploy.c's.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "settlement/asset_plan.h"
#include "settlement/asset_policy.h"
#include "settlement/service_internal.h"
#include "settlement/settle_plan.h"

// ---- the draft

static bool same_text(struct ask *ask, const json_t *terms, const char *name, const char *drafted)
{
    const char *wanted = json_string_value(json_object_get(terms, name));

    return strcmp(wanted, drafted) == 0 ||
           refuse_limit(&ask->refusal, REFUSAL_TERMS_DIFFER, name, drafted, wanted);
}

// total_supply × 10^(decimals − scale) must be an amount of ours (M17).
static bool fits(struct ask *ask, const struct pg_rows *rows)
{
    chain_uint128 units;
    uint8_t scale = (uint8_t)pg_number(rows, 0, 3);
    uint8_t decimals = (uint8_t)pg_number(rows, 0, 2);

    if (decimals < scale)
        return refuse_text(&ask->refusal, REFUSAL_TERMS_DIFFER, "decimals",
                           "the ledger counts in 10^-%u, and the contract would in 10^-%u", scale,
                           decimals);
    return pg_is_null(rows, 0, 4) || settle_units(&units, pg_number(rows, 0, 4), scale, decimals) ||
           refuse(&ask->refusal, REFUSAL_AMOUNT_TOO_LARGE, "decimals");
}

static bool is_draft(struct ask *ask, const json_t *terms, const struct pg_rows *rows)
{
    char limit[24];
    char value[24];
    long long wanted = json_integer_value(json_object_get(terms, "decimals"));

    if (pg_rows_count(rows) == 0)
        return refuse(&ask->refusal, REFUSAL_UNKNOWN_TOKEN, "asset");
    if (strcmp(pg_value(rows, 0, 5), "draft") != 0 || !pg_is_null(rows, 0, 6))
        return refuse_limit(&ask->refusal, REFUSAL_TOKEN_NOT_DRAFT, "asset", "draft",
                            pg_value(rows, 0, 5));
    snprintf(limit, sizeof(limit), "%lld", (long long)pg_number(rows, 0, 2));
    snprintf(value, sizeof(value), "%lld", wanted);
    if (pg_number(rows, 0, 2) != wanted)
        return refuse_limit(&ask->refusal, REFUSAL_TERMS_DIFFER, "decimals", limit, value);
    return same_text(ask, terms, "name", pg_value(rows, 0, 0)) &&
           same_text(ask, terms, "symbol", pg_value(rows, 0, 1)) && fits(ask, rows);
}

// The terms are those of the draft, which nobody has deployed.
static bool check_draft(struct ask *ask, const json_t *terms)
{
    struct pg_rows *rows = NULL;

    if (pg_query(ask->service->pg, &rows,
                 "SELECT t.name, a.symbol, t.decimals, a.scale, t.total_supply, t.status, "
                 "t.contract_address FROM people.token t JOIN people.asset a USING (asset_id) "
                 "WHERE t.asset_id = $1",
                 PG_PARAMS(pg_i64(json_integer_value(json_object_get(terms, "asset"))))) != PG_OK)
        return ask_database_failed(ask);
    bool good = is_draft(ask, terms, rows);
    pg_rows_free(rows);
    return good;
}

// ---- the plan

// Who signs, as the worker has heard of it last.
static bool find_deployer(struct ask *ask, struct chain_address *out)
{
    struct pg_rows *rows = NULL;

    if (pg_query(
            ask->service->pg, &rows,
            "SELECT signer_address FROM settle.signer WHERE chain_id = $1 ORDER BY updated_at DESC "
            "LIMIT 1",
            PG_PARAMS(pg_i64(ask->service->config->settle_chain_id))) != PG_OK)
        return ask_database_failed(ask);
    bool found = pg_rows_count(rows) == 1 && address_parse(out, pg_value(rows, 0, 0));
    pg_rows_free(rows);
    return found || refuse(&ask->refusal, REFUSAL_SIGNER_UNKNOWN, NULL);
}

static bool authority_is_there(struct ask *ask, const json_t *terms)
{
    const char *text = json_string_value(json_object_get(terms, "implementation_authority"));
    struct chain_address authority;
    bool there = false;

    if (text == NULL)
        return true;
    ASSERT(address_parse(&authority, text));
    if (!ask_block(ask))
        return false;
    if (node_has_code(&ask->service->node, &there, &authority, ask->block) != NODE_OK)
        return ask_node_failed(ask);
    return there || refuse(&ask->refusal, REFUSAL_NO_CONTRACT, "implementation_authority");
}

static json_t *make_plan(struct ask *ask)
{
    struct asset_plan_place place = {
        .chain_id = (uint64_t)ask->service->config->settle_chain_id,
        .artifacts_folder = ask->service->config->settle_artifacts_folder,
    };
    const struct fields fields = {ask->body, &ask->refusal};
    json_t *terms = NULL;

    if (!fields_object(&fields, &terms, "terms", FIELDS_REQUIRED) ||
        !find_deployer(ask, &place.deployer))
        return NULL;
    json_t *plan = asset_plan_make(&ask->refusal, terms, &place);
    if (plan != NULL && check_draft(ask, json_object_get(plan, "terms")) &&
        authority_is_there(ask, json_object_get(plan, "terms")))
        return plan;
    json_decref(plan);
    return NULL;
}

static bool plan_answer(struct ask *ask, json_t *plan)
{
    json_t *none = json_object();
    json_t *rules = asset_policy_rules(json_object_get(plan, "steps"), none, ASSET_POLICY_SET_UP);

    json_object_set_new(plan, "policy", rules);
    json_decref(none);
    return ask_answer(ask, 200, plan);
}

// What it would be: for who is to approve it, and its hash.
bool plan_handle(struct ask *ask)
{
    static const char *const known[] = {"terms", NULL};
    const struct fields fields = {ask->body, &ask->refusal};

    if (!fields_known(&fields, known))
        return false;
    json_t *plan = make_plan(ask);
    return plan != NULL && plan_answer(ask, plan);
}

// ---- beginning

// What was approved is what is begun (M17): the hash, where the evidence names one.
static bool is_approved_hash(struct ask *ask, const json_t *flow, const char *hash)
{
    const char *approved =
        json_string_value(json_object_get(json_object_get(flow, "evidence"), "terms_hash"));

    return approved == NULL || strcmp(approved, hash) == 0 ||
           refuse_limit(&ask->refusal, REFUSAL_TERMS_DIFFER, "evidence", approved, hash);
}

static bool answer_known(struct ask *ask, const char *row_key, const char *hash, bool *known)
{
    struct pg_rows *rows = NULL;

    if (pg_query(
            ask->service->pg, &rows,
            "SELECT deployment_id, terms_hash FROM chain.deployment WHERE idempotency_key = $1",
            PG_PARAMS(pg_text(row_key))) != PG_OK)
        return ask_database_failed(ask);
    *known = pg_rows_count(rows) == 1;
    if (!*known) {
        pg_rows_free(rows);
        return true;
    }
    int64_t id = pg_number(rows, 0, 0);
    bool same = strcmp(pg_value(rows, 0, 1), hash) == 0;
    if (!same)
        refuse_limit(&ask->refusal, REFUSAL_KEY_CONFLICT, NULL, pg_value(rows, 0, 1), hash);
    pg_rows_free(rows);
    return same && deployment_answer(ask, 200, id);
}

// The constraint tells of a second deployment of the asset.
static bool insert_failed(struct ask *ask)
{
    const struct pg_error *error = pg_last_error(ask->service->pg);

    if (error->class != PG_CONSTRAINT || strcmp(error->constraint, "deployment_asset") != 0)
        return ask_database_failed(ask);
    pg_rollback(ask->service->pg);
    return refuse(&ask->refusal, REFUSAL_DEPLOYMENT_EXISTS, "asset");
}

static bool insert(struct ask *ask, const json_t *plan, const json_t *flow, const char *row_key)
{
    static const char sql[] =
        "WITH d AS (INSERT INTO chain.deployment (idempotency_key, chain_id, asset_id, deployer, "
        "terms, terms_hash, steps, checks, requested_by, evidence) VALUES ($1, $2, "
        "($3::jsonb ->> 'asset')::int, $3::jsonb ->> 'deployer', $3::jsonb, $4, $5::jsonb, "
        "$6::jsonb, "
        "$7, $8::jsonb) RETURNING deployment_id, steps), "
        "s AS (INSERT INTO chain.deployment_step (deployment_id, step, name, operation) SELECT "
        "deployment_id, e.place - 1, e.step ->> 'name', e.step ->> 'operation' FROM d, "
        "jsonb_array_elements(d.steps) WITH ORDINALITY e (step, place)), "
        "a AS (INSERT INTO people.audit_log (actor, role, action, details, outcome, answer) SELECT "
        "$7, "
        "'service', 'POST /api/v1/deploy', $3::jsonb, 'done', jsonb_build_object('deployment_id', "
        "deployment_id, 'terms_hash', $4::text) FROM d) SELECT deployment_id FROM d";
    struct pg_rows *rows = NULL;
    const char *hash = json_string_value(json_object_get(plan, "terms_hash"));
    char *terms = json_dumps(json_object_get(plan, "terms"), JSON_COMPACT);
    char *steps = json_dumps(json_object_get(plan, "steps"), JSON_COMPACT);
    char *checks = json_dumps(json_object_get(plan, "checks"), JSON_COMPACT);
    char *evidence = json_dumps(flow, JSON_COMPACT);

    ASSERT(terms != NULL && steps != NULL && checks != NULL && evidence != NULL);
    enum pg_class class =
        pg_query(ask->service->pg, &rows, sql,
                 PG_PARAMS(pg_text(row_key), pg_i64(ask->service->config->settle_chain_id),
                           pg_text(terms), pg_text(hash), pg_text(steps), pg_text(checks),
                           pg_text(ask->caller), pg_text(evidence)));
    free(terms);
    free(steps);
    free(checks);
    free(evidence);
    if (class != PG_OK)
        return insert_failed(ask);
    int64_t id = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    log_info(
        "deployment begins deployment=%lld asset=%lld terms=%s", (long long)id,
        (long long)json_integer_value(json_object_get(json_object_get(plan, "terms"), "asset")),
        hash);
    return deployment_answer(ask, 202, id);
}

static bool begin(struct ask *ask, const json_t *plan, const json_t *flow, const char *key)
{
    const char *hash = json_string_value(json_object_get(plan, "terms_hash"));
    char row_key[SERVICE_ROW_KEY_MAX];

    ask_row_key(row_key, ask, key);
    return is_approved_hash(ask, flow, hash) && insert(ask, plan, flow, row_key);
}

// A key that is known is answered from its terms alone: the token is no draft any more by then.
static bool find_known(struct ask *ask, const char *key, bool *known)
{
    struct asset_plan_place place = {
        .chain_id = (uint64_t)ask->service->config->settle_chain_id,
        .artifacts_folder = ask->service->config->settle_artifacts_folder,
    };
    char row_key[SERVICE_ROW_KEY_MAX];
    json_t *terms = json_object_get(ask->body, "terms");

    if (!find_deployer(ask, &place.deployer))
        return false;
    json_t *plan = asset_plan_make(&ask->refusal, terms, &place);
    if (plan == NULL)
        return false;
    ask_row_key(row_key, ask, key);
    bool good =
        answer_known(ask, row_key, json_string_value(json_object_get(plan, "terms_hash")), known);
    json_decref(plan);
    return good;
}

bool deploy_handle(struct ask *ask)
{
    static const char *const known_fields[] = {"terms", "flow", "evidence", "idempotency_key",
                                               NULL};
    static const char *const kinds[] = {"issuance", NULL};
    const struct fields fields = {ask->body, &ask->refusal};
    json_t *terms = NULL;
    char key[SERVICE_KEY_MAX + 1];
    bool known = false;

    if (!fields_known(&fields, known_fields) || !ask_key(ask, key) ||
        !fields_object(&fields, &terms, "terms", FIELDS_REQUIRED))
        return false;
    json_t *flow = ask_flow(ask, kinds);
    bool good = flow != NULL && find_known(ask, key, &known);
    if (good && !known) {
        json_t *plan = make_plan(ask);
        good = plan != NULL && begin(ask, plan, flow, key);
        json_decref(plan);
    }
    json_decref(flow);
    return good;
}

// ---- resuming and giving up

static bool move(struct ask *ask, const char *sql, const struct pg_param *params, size_t count,
                 bool *moved)
{
    struct pg_rows *rows = NULL;

    if (pg_query(ask->service->pg, &rows, sql, params, count) != PG_OK)
        return ask_database_failed(ask);
    *moved = pg_rows_count(rows) == 1;
    pg_rows_free(rows);
    return true;
}

// Why it was not moved.
static bool refuse_state(struct ask *ask)
{
    struct pg_rows *rows = NULL;

    if (pg_query(ask->service->pg, &rows,
                 "SELECT state FROM chain.deployment WHERE deployment_id = $1",
                 PG_PARAMS(pg_i64(ask->id))) != PG_OK)
        return ask_database_failed(ask);
    if (pg_rows_count(rows) == 0)
        refuse(&ask->refusal, REFUSAL_NOT_FOUND, NULL);
    else
        refuse_limit(&ask->refusal, REFUSAL_STATE_CONFLICT, NULL, NULL, pg_value(rows, 0, 0));
    pg_rows_free(rows);
    return false;
}

// The same frozen terms, from the first step without a confirmed receipt. What failed is asked for
// anew; who resumes says that the signer's policy names the contracts that are there by now.
bool resume_handle(struct ask *ask)
{
    static const char *const known[] = {NULL};
    static const char sql[] =
        "WITH d AS (UPDATE chain.deployment SET state = 'running', failed_step = NULL, reason = "
        "NULL, "
        "updated_at = now() WHERE deployment_id = $1 AND state IN ('awaiting_policy', "
        "'deploy_failed') "
        "RETURNING deployment_id), "
        "s AS (UPDATE chain.deployment_step x SET acknowledged = x.acknowledged OR "
        "x.contract_address IS NOT NULL, "
        "request_id = CASE WHEN r.state IN ('reverted', 'rejected', 'cancelled', 'dropped') THEN "
        "NULL "
        "ELSE x.request_id END, "
        "round = x.round + (coalesce(r.state, '') IN ('reverted', 'rejected', 'cancelled', "
        "'dropped'))::int "
        "FROM d, chain.deployment_step y LEFT JOIN chain.chain_request r USING (request_id) "
        "WHERE x.deployment_id = d.deployment_id AND y.deployment_id = x.deployment_id "
        "AND y.step = x.step), "
        "a AS (INSERT INTO people.audit_log (actor, role, action, details, outcome) SELECT $2, "
        "'service', "
        "'POST /api/v1/deployments/#/resume', jsonb_build_object('deployment_id', deployment_id), "
        "'done' FROM d) SELECT 1 FROM d";
    const struct fields fields = {ask->body, &ask->refusal};
    bool moved = false;

    if (!fields_known(&fields, known) ||
        !move(ask, sql, PG_PARAMS(pg_i64(ask->id), pg_text(ask->caller)), &moved))
        return false;
    return moved ? deployment_answer(ask, 200, ask->id) : refuse_state(ask);
}

static bool is_open(struct ask *ask, bool *open)
{
    return move(
        ask,
        "SELECT 1 FROM chain.deployment_step s JOIN chain.chain_request r USING (request_id) "
        "WHERE s.deployment_id = $1 AND r.state NOT IN ('confirmed', 'reverted', 'rejected', "
        "'cancelled', 'dropped') LIMIT 1",
        PG_PARAMS(pg_i64(ask->id)), open);
}

// The suite as a whole, for good; another may be begun then. Not while a transaction of it may
// still be mined.
bool abandon_handle(struct ask *ask)
{
    static const char *const known[] = {"reason", NULL};
    static const char sql[] =
        "WITH d AS (UPDATE chain.deployment SET state = 'abandoned', failed_step = NULL, reason = "
        "$2, "
        "updated_at = now() WHERE deployment_id = $1 AND state IN ('running', 'awaiting_policy', "
        "'deploy_failed') RETURNING deployment_id), "
        "a AS (INSERT INTO people.audit_log (actor, role, action, details, outcome) SELECT $3, "
        "'service', "
        "'POST /api/v1/deployments/#/abandon', jsonb_build_object('deployment_id', deployment_id, "
        "'reason', $2::text), 'done' FROM d) SELECT 1 FROM d";
    const struct fields fields = {ask->body, &ask->refusal};
    const char *reason = NULL;
    bool open = false;
    bool moved = false;

    if (!fields_known(&fields, known) ||
        !fields_text(&fields, &reason, "reason", 1, 300, FIELDS_REQUIRED) || !is_open(ask, &open))
        return false;
    if (open)
        return refuse(&ask->refusal, REFUSAL_STEP_OPEN, NULL);
    if (!move(ask, sql, PG_PARAMS(pg_i64(ask->id), pg_text(reason), pg_text(ask->caller)), &moved))
        return false;
    return moved ? deployment_answer(ask, 200, ask->id) : refuse_state(ask);
}
