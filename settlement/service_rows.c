// Requests that become one row of chain.chain_request: transfer, mint, burn, freeze,
// register-identity. Each reads its fields, asks what it needs of Postgres and of the chain, and
// inserts; the same key with the same content finds the row that is there.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "chain/erc3643_precheck.h"
#include "settlement/service_internal.h"
#include "settlement/settle_plan.h"

// What is to be inserted, as the database takes it.
struct row {
    const char *operation;
    int64_t asset;
    uint8_t scale;    // of the ledger
    uint8_t decimals; // of the contract
    struct chain_address token;
    struct chain_address contract; // that is called
    bool has_from;
    bool has_to;
    struct chain_address from;
    struct chain_address to;
    chain_uint128 units;
    json_t *arguments; // owned
    json_t *flow;      // {"flow", "evidence"}; owned
    bool is_done;      // the chain has it already
    int64_t earlier;   // the request that did it, 0 = not known
};

static void row_fini(struct row *row)
{
    json_decref(row->arguments);
    json_decref(row->flow);
}

// ---- keys

void content_hash(char out[67], const json_t *content)
{
    char *text = json_dumps(content, JSON_SORT_KEYS | JSON_COMPACT);

    ASSERT(text != NULL);
    struct chain_hash hash = keccak256_hash((const uint8_t *)text, strlen(text));
    free(text);
    hex_encode(out, hash.bytes, KECCAK_BYTES);
}

static bool is_key(const char *key)
{
    for (; *key != '\0'; key++)
        if (*key <= ' ' || *key > '~' || *key == ':')
            return false;
    return true;
}

bool ask_key(struct ask *ask, char out[SERVICE_KEY_MAX + 1])
{
    const struct fields fields = {ask->body, &ask->refusal};
    const char *field = NULL;

    if (!fields_text(&fields, &field, "idempotency_key", 1, SERVICE_KEY_MAX, FIELDS_OPTIONAL))
        return false;
    if (field != NULL && ask->key[0] != '\0' && strcmp(field, ask->key) != 0)
        return refuse_text(&ask->refusal, REFUSAL_FIELD_MALFORMED, "idempotency_key",
                           "header and field name different keys");
    const char *key = field != NULL ? field : ask->key;
    if (key[0] == '\0')
        return refuse(&ask->refusal, REFUSAL_KEY_MISSING, NULL);
    if (!is_key(key))
        return refuse_text(&ask->refusal, REFUSAL_FIELD_MALFORMED, "idempotency_key",
                           "printable characters without spaces and colons are needed");
    snprintf(out, SERVICE_KEY_MAX + 1, "%s", key);
    return true;
}

void ask_row_key(char out[SERVICE_ROW_KEY_MAX], const struct ask *ask, const char *key)
{
    snprintf(out, SERVICE_ROW_KEY_MAX, "api:%s:%s", ask->caller, key);
}

// ---- what it is for

// U7, M29: what an exception rests on is two persons' word.
static bool is_approved(struct ask *ask, const json_t *evidence)
{
    const json_t *persons = json_object_get(evidence, "approved_by");
    const char *reason = json_string_value(json_object_get(evidence, "reason"));
    const char *first = json_string_value(json_array_get(persons, 0));
    const char *second = json_string_value(json_array_get(persons, 1));

    if (reason != NULL && reason[0] != '\0' && first != NULL && second != NULL &&
        first[0] != '\0' && second[0] != '\0' && strcasecmp(first, second) != 0)
        return true;
    return refuse_text(&ask->refusal, REFUSAL_APPROVALS_MISSING, "evidence",
                       "an exception needs a reason, and approved_by of two different persons");
}

static bool flow_kind(struct ask *ask, const char *kind, const char *const *kinds)
{
    char known[160] = "";

    for (size_t i = 0; kinds[i] != NULL; i++) {
        if (strcmp(kinds[i], kind) == 0)
            return true;
        snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i > 0 ? ", " : "",
                 kinds[i]);
    }
    return refuse_limit(&ask->refusal, REFUSAL_FLOW_NOT_ALLOWED, "flow", known, kind);
}

// A number or a text; kept as text.
static json_t *flow_id(struct ask *ask, json_t *flow)
{
    const struct fields fields = {flow, &ask->refusal};
    const json_t *value = json_object_get(flow, "id");
    const char *text = NULL;
    char number[24];

    if (json_is_integer(value) && json_integer_value(value) > 0) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        return json_string(number);
    }
    return fields_text(&fields, &text, "id", 1, 64, FIELDS_REQUIRED) ? json_string(text) : NULL;
}

json_t *ask_flow(struct ask *ask, const char *const *kinds)
{
    static const char *const known[] = {"kind", "id", NULL};
    const struct fields fields = {ask->body, &ask->refusal};
    json_t *flow = NULL;
    json_t *evidence = NULL;
    const char *kind = NULL;

    if (!fields_object(&fields, &flow, "flow", FIELDS_REQUIRED) ||
        !fields_object(&fields, &evidence, "evidence", FIELDS_REQUIRED))
        return NULL;
    const struct fields inside = {flow, &ask->refusal};
    if (!fields_known(&inside, known) ||
        !fields_text(&inside, &kind, "kind", 1, 32, FIELDS_REQUIRED) ||
        !flow_kind(ask, kind, kinds))
        return NULL;
    if (json_object_size(evidence) == 0) {
        refuse_text(&ask->refusal, REFUSAL_FIELD_MALFORMED, "evidence",
                    "what the flow decided on is needed");
        return NULL;
    }
    if (strcmp(kind, "exception") == 0 && !is_approved(ask, evidence))
        return NULL;
    json_t *id = flow_id(ask, flow);
    return id == NULL ? NULL
                      : json_pack("{s:{s:s, s:o}, s:O}", "flow", "kind", kind, "id", id, "evidence",
                                  evidence);
}

// ---- fields

static bool take_amount(struct ask *ask, struct row *row, bool *given)
{
    const struct fields fields = {ask->body, &ask->refusal};
    const json_t *value = json_object_get(ask->body, "amount");
    const char *text = NULL;
    char number[24];
    char limit[WIDE_DECIMAL_SIZE];

    if (given != NULL)
        *given = value != NULL && !json_is_null(value);
    if (given != NULL && !*given)
        return true;
    if (json_is_integer(value)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        text = number;
    } else if (json_is_real(value)) {
        return refuse_text(&ask->refusal, REFUSAL_AMOUNT_MALFORMED, "amount",
                           "a decimal is text, so that it is exact: \"12.5\"");
    } else if (!fields_text(&fields, &text, "amount", 1, 120, FIELDS_REQUIRED)) {
        return false;
    }
    bool negative = text[0] == '-';
    snprintf(limit, sizeof(limit), "%u", row->decimals);
    switch (wide_parse_decimal(&row->units, text + negative, row->decimals)) {
    case WIDE_MALFORMED:
        return refuse_limit(&ask->refusal, REFUSAL_AMOUNT_MALFORMED, "amount", NULL, text);
    case WIDE_SURPLUS:
        return refuse_limit(&ask->refusal, REFUSAL_AMOUNT_NOT_REPRESENTABLE, "amount", limit, text);
    case WIDE_OVERFLOW:
        wide_format(limit, ~(chain_uint128)0);
        return refuse_limit(&ask->refusal, REFUSAL_AMOUNT_TOO_LARGE, "amount", limit, text);
    case WIDE_OK:
        break;
    }
    return (!negative && row->units > 0) ||
           refuse_limit(&ask->refusal, REFUSAL_AMOUNT_NOT_POSITIVE, "amount", "0", text);
}

// An answer that is none of such a contract is the contract's fault, silence the node's.
static bool read_well(struct ask *ask, enum node_result result)
{
    if (result == NODE_REVERTED || result == NODE_UNFIT || result == NODE_TOO_WIDE)
        return refuse_text(&ask->refusal, REFUSAL_NO_CONTRACT, "token_addr",
                           "the contract there is no token of this kind");
    return result == NODE_OK || ask_node_failed(ask);
}

static bool code_is_known(const struct service *service, const struct chain_address *contract)
{
    for (size_t i = 0; i < service->code_count; i++)
        if (address_equal(&service->code[i], contract))
            return true;
    return false;
}

// Code stays where it is, so it is asked for once.
static bool has_code(struct ask *ask, const struct chain_address *contract, const char *field)
{
    struct service *service = ask->service;
    bool there = false;

    if (code_is_known(service, contract))
        return true;
    if (!ask_block(ask))
        return false;
    if (node_has_code(&service->node, &there, contract, ask->block) != NODE_OK)
        return ask_node_failed(ask);
    if (!there)
        return refuse(&ask->refusal, REFUSAL_NO_CONTRACT, field);
    if (service->code_count < SERVICE_CODE_KNOWN)
        service->code[service->code_count++] = *contract;
    return true;
}

static bool take_chain(struct ask *ask)
{
    const struct fields fields = {ask->body, &ask->refusal};
    int64_t ours = ask->service->config->settle_chain_id;
    int64_t chain_id = ours;
    char limit[24];
    char value[24];

    if (!fields_number(&fields, &chain_id, "chain_id", 1, INT64_MAX, FIELDS_OPTIONAL))
        return false;
    snprintf(limit, sizeof(limit), "%lld", (long long)ours);
    snprintf(value, sizeof(value), "%lld", (long long)chain_id);
    return chain_id == ours ||
           refuse_limit(&ask->refusal, REFUSAL_WRONG_CHAIN, "chain_id", limit, value);
}

// The token of the venue at this address, on this chain.
static bool find_token(struct ask *ask, struct row *row, char registry[ADDRESS_TEXT_SIZE])
{
    struct pg_rows *rows = NULL;
    char text[ADDRESS_TEXT_SIZE];
    char limit[24];
    int64_t chain_id = ask->service->config->settle_chain_id;

    address_format(text, &row->token);
    if (pg_query(
            ask->service->pg, &rows,
            "SELECT t.asset_id, t.chain_id, t.decimals, a.scale, t.identity_registry_addr FROM "
            "people.token t JOIN people.asset a USING (asset_id) WHERE lower(contract_address) = "
            "lower($1) ORDER BY t.chain_id = $2 DESC LIMIT 1",
            PG_PARAMS(pg_text(text), pg_i64(chain_id))) != PG_OK)
        return ask_database_failed(ask);
    bool found = pg_rows_count(rows) == 1;
    bool ours = found && pg_number(rows, 0, 1) == chain_id;
    const char *known = found ? pg_value(rows, 0, 4) : NULL;
    if (ours) {
        row->asset = pg_number(rows, 0, 0);
        row->decimals = (uint8_t)pg_number(rows, 0, 2);
        row->scale = (uint8_t)pg_number(rows, 0, 3);
    }
    snprintf(registry, ADDRESS_TEXT_SIZE, "%s", known != NULL ? known : "");
    snprintf(limit, sizeof(limit), "%lld", (long long)chain_id);
    pg_rows_free(rows);
    if (!ours)
        return refuse_limit(&ask->refusal, found ? REFUSAL_WRONG_CHAIN : REFUSAL_UNKNOWN_TOKEN,
                            "token_addr", found ? limit : NULL, text);
    row->contract = row->token;
    return has_code(ask, &row->token, "token_addr");
}

static bool take_token(struct ask *ask, struct row *row, char registry[ADDRESS_TEXT_SIZE])
{
    const struct fields fields = {ask->body, &ask->refusal};

    return take_chain(ask) && fields_address(&fields, &row->token, "token_addr", FIELDS_REQUIRED) &&
           find_token(ask, row, registry);
}

// ---- inserting

static json_t *address_json(const struct chain_address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    address_format(text, address);
    return json_string(text);
}

// What the request says, whatever its spelling: what its key stands for.
static void row_hash(char out[67], const struct row *row)
{
    char units[WIDE_DECIMAL_SIZE];
    wide_format(units, row->units);
    json_t *content = json_pack("{s:s, s:o, s:o, s:o, s:s, s:O, s:O}", "operation", row->operation,
                                "contract", address_json(&row->contract), "from",
                                row->has_from ? address_json(&row->from) : json_null(), "to",
                                row->has_to ? address_json(&row->to) : json_null(), "units", units,
                                "arguments", row->arguments, "flow", row->flow);
    ASSERT(content != NULL);
    content_hash(out, content);
    json_decref(content);
}

// The row that this key has: answered if its content is the same.
static bool answer_known(struct ask *ask, const char *row_key, const char *hash, bool *known)
{
    struct pg_rows *rows = NULL;

    *known = false;
    if (pg_query(
            ask->service->pg, &rows,
            "SELECT request_id, content_hash FROM chain.chain_request WHERE idempotency_key = $1",
            PG_PARAMS(pg_text(row_key))) != PG_OK)
        return ask_database_failed(ask);
    if (pg_rows_count(rows) == 0) {
        pg_rows_free(rows);
        return true;
    }
    *known = true;
    int64_t id = pg_number(rows, 0, 0);
    const char *earlier = pg_value(rows, 0, 1);
    bool same = earlier != NULL && strcmp(earlier, hash) == 0;
    if (!same)
        refuse_limit(&ask->refusal, REFUSAL_KEY_CONFLICT, NULL, earlier, hash);
    pg_rows_free(rows);
    return same && request_answer(ask, 200, id);
}

static bool insert(struct ask *ask, const struct row *row, const char *row_key, const char *hash)
{
    // What is done already needs no worker. An earlier request of it is named, for its hash.
    static const char sql[] =
        "WITH r AS (INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, "
        "contract_address, token_asset, requested_by, evidence, arguments, content_hash, state, "
        "reason) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb || CASE WHEN $8 > 0 THEN "
        "jsonb_build_object('earlier_request', $8) ELSE '{}' END, $9::jsonb, $10, "
        "CASE WHEN $11 THEN 'confirmed' ELSE 'prepared' END, CASE WHEN $11 THEN "
        "'already_done' END) ON CONFLICT (idempotency_key) DO NOTHING RETURNING request_id), "
        "l AS (INSERT INTO chain.request_leg (request_id, leg, from_address, to_address, amount) "
        "SELECT request_id, 0, $12, $13, $14::numeric FROM r), "
        "a AS (INSERT INTO people.audit_log (actor, role, action, details, outcome, answer) "
        "SELECT $6, 'service', 'POST ' || $15, $16::jsonb, 'done', "
        "jsonb_build_object('request_id', request_id) FROM r) "
        "SELECT request_id FROM r";
    struct pg_rows *rows = NULL;
    char contract[ADDRESS_TEXT_SIZE];
    char from[ADDRESS_TEXT_SIZE];
    char to[ADDRESS_TEXT_SIZE];
    char units[WIDE_DECIMAL_SIZE];
    char *flow = json_dumps(row->flow, JSON_COMPACT);
    char *arguments = json_dumps(row->arguments, JSON_COMPACT);
    char *details = json_dumps(ask->body, JSON_COMPACT);

    address_format(contract, &row->contract);
    address_format(from, &row->from);
    address_format(to, &row->to);
    wide_format(units, row->units);
    ASSERT(flow != NULL && arguments != NULL && details != NULL);
    enum pg_class class = pg_query(
        ask->service->pg, &rows, sql,
        PG_PARAMS(pg_text(row_key), pg_text(row->operation),
                  pg_i64(ask->service->config->settle_chain_id), pg_text(contract),
                  pg_i64(row->asset), pg_text(ask->caller), pg_text(flow), pg_i64(row->earlier),
                  pg_text(arguments), pg_text(hash), pg_bool(row->is_done),
                  pg_text(row->has_from ? from : NULL), pg_text(row->has_to ? to : NULL),
                  pg_text(units), pg_text(ask->route->path), pg_text(details)));
    free(flow);
    free(arguments);
    free(details);
    if (class != PG_OK)
        return ask_database_failed(ask);
    int64_t id = pg_rows_count(rows) == 1 ? pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    bool known;
    if (id == 0) // somebody was faster
        return answer_known(ask, row_key, hash, &known);
    return request_answer(ask, row->is_done ? 200 : 202, id);
}

// ---- the routes

static const char *const row_fields[] = {"token_addr", "chain_id", "flow", "evidence",
                                         "idempotency_key"};

enum { OWN_FIELDS_MAX = 8, ROW_FIELDS = sizeof(row_fields) / sizeof(row_fields[0]) };

static bool check_fields(struct ask *ask, const char *const *own)
{
    const struct fields fields = {ask->body, &ask->refusal};
    const char *known[OWN_FIELDS_MAX + ROW_FIELDS + 1] = {NULL};
    size_t count = 0;

    for (; own[count] != NULL; count++) {
        ASSERT(count < OWN_FIELDS_MAX);
        known[count] = own[count];
    }
    for (size_t i = 0; i < ROW_FIELDS; i++)
        known[count++] = row_fields[i];
    return fields_known(&fields, known);
}

// Fills what is the operation's own: legs, amount, arguments, contract.
typedef bool fill_fn(struct ask *ask, struct row *row, const char *registry);

// What has to be asked of the chain before a new row: not for a key that is known.
typedef bool ask_fn(struct ask *ask, struct row *row);

static bool handle_row(struct ask *ask, struct row *row, const char *const *own,
                       const char *const *kinds, fill_fn *fill, ask_fn *look)
{
    char key[SERVICE_KEY_MAX + 1];
    char row_key[SERVICE_ROW_KEY_MAX];
    char registry[ADDRESS_TEXT_SIZE];
    char hash[67];
    bool known;

    if (!check_fields(ask, own) || !ask_key(ask, key))
        return false;
    row->flow = ask_flow(ask, kinds);
    if (row->flow == NULL || !take_token(ask, row, registry) || !fill(ask, row, registry))
        return false;
    if (row->arguments == NULL)
        row->arguments = json_object();
    ask_row_key(row_key, ask, key);
    row_hash(hash, row);
    if (!answer_known(ask, row_key, hash, &known))
        return false;
    if (known)
        return true;
    return (look == NULL || (ask_block(ask) && look(ask, row))) &&
           (ask->answer != NULL || insert(ask, row, row_key, hash));
}

static bool run_row(struct ask *ask, const char *operation, const char *const *own,
                    const char *const *kinds, fill_fn *fill, ask_fn *look)
{
    struct row row = {.operation = operation};
    bool answered = handle_row(ask, &row, own, kinds, fill, look);

    row_fini(&row);
    return answered;
}

// ---- transfer (F5, M29)

static bool fill_transfer(struct ask *ask, struct row *row, const char *registry)
{
    const struct fields fields = {ask->body, &ask->refusal};

    (void)registry;
    row->has_from = row->has_to = true;
    if (!fields_address(&fields, &row->from, "from_addr", FIELDS_REQUIRED) ||
        !fields_address(&fields, &row->to, "to_addr", FIELDS_REQUIRED) ||
        !take_amount(ask, row, NULL))
        return false;
    return !address_equal(&row->from, &row->to) ||
           refuse_text(&ask->refusal, REFUSAL_FIELD_MALFORMED, "to_addr",
                       "sender and receiver are the same");
}

// A trade is settled by the worker itself, once. Who asks for it is told how far that is; nothing
// is inserted. What is asked for must be what the trade names.
static bool answer_trade(struct ask *ask, const struct row *row, const struct pg_rows *rows)
{
    const char *buyer = pg_value(rows, 0, 0);
    const char *seller = pg_value(rows, 0, 1);
    struct chain_address from;
    struct chain_address to;
    chain_uint128 units;

    if (buyer == NULL || seller == NULL || !address_parse(&to, buyer) ||
        !address_parse(&from, seller) || !address_equal(&from, &row->from) ||
        !address_equal(&to, &row->to) || pg_number(rows, 0, 2) != row->asset ||
        !settle_units(&units, pg_number(rows, 0, 3), row->scale, row->decimals) ||
        units != row->units)
        return refuse_text(&ask->refusal, REFUSAL_FLOW_DIFFERS, "flow",
                           "the trade names another token, wallet or amount");
    if (!pg_is_null(rows, 0, 4))
        return request_answer(ask, 200, pg_number(rows, 0, 4));
    return ask_answer(ask, 202,
                      json_pack("{s:n, s:s, s:O, s:s}", "request_id", "state", "received", "flow",
                                json_object_get(row->flow, "flow"), "settlement_status",
                                pg_value(rows, 0, 5)));
}

static bool look_at_flow(struct ask *ask, struct row *row)
{
    const json_t *flow = json_object_get(row->flow, "flow");
    const char *id = json_string_value(json_object_get(flow, "id"));
    struct pg_rows *rows = NULL;
    chain_uint128 number;

    if (strcmp(json_string_value(json_object_get(flow, "kind")), "trade") != 0)
        return true;
    if (!wide_parse(&number, id) || number > INT64_MAX)
        return refuse_limit(&ask->refusal, REFUSAL_FLOW_UNKNOWN, "flow", NULL, id);
    if (pg_query(
            ask->service->pg, &rows,
            "SELECT b.wallet_address, s.wallet_address, t.token_id, t.quantity_units, (SELECT "
            "l.request_id FROM chain.request_leg l WHERE l.trade_id = t.id AND l.state IN ('open', 'done') "
            "LIMIT 1), t.settlement_status FROM public.trades t JOIN public.users b ON b.id = "
            "t.buyer_id JOIN public.users s ON s.id = t.seller_id WHERE t.id = $1",
            PG_PARAMS(pg_i64((int64_t)number))) != PG_OK)
        return ask_database_failed(ask);
    bool good = pg_rows_count(rows) == 1
                    ? answer_trade(ask, row, rows)
                    : refuse_limit(&ask->refusal, REFUSAL_FLOW_UNKNOWN, "flow", NULL, id);
    pg_rows_free(rows);
    return good;
}

bool transfer_handle(struct ask *ask)
{
    static const char *const own[] = {"from_addr", "to_addr", "amount", NULL};
    static const char *const kinds[] = {"trade", "allocation", "distribution", "exception", NULL};
    return run_row(ask, "forced_transfer", own, kinds, fill_transfer, look_at_flow);
}

// ---- mint (D4), burn

static bool fill_mint(struct ask *ask, struct row *row, const char *registry)
{
    const struct fields fields = {ask->body, &ask->refusal};

    (void)registry;
    row->has_to = true;
    return fields_address(&fields, &row->to, "to_addr", FIELDS_REQUIRED) &&
           take_amount(ask, row, NULL);
}

// M21: never above what the token is to have. `supply`: on the chain now. What is open counts, and
// what was confirmed meanwhile counts twice: that refuses too much, never too little.
static bool has_room(struct ask *ask, const struct row *row, const struct pg_rows *rows,
                     chain_uint128 supply)
{
    chain_uint128 cap;
    chain_uint128 open;
    chain_uint128 sum;
    char limit[WIDE_DECIMAL_SIZE];
    char value[WIDE_DECIMAL_SIZE];

    if (pg_is_null(rows, 0, 0) ||
        !settle_units(&cap, pg_number(rows, 0, 0), row->scale, row->decimals))
        return true; // none was named, or it is larger than any amount of ours
    ASSERT(wide_parse(&open, pg_value(rows, 0, 1)));
    if (__builtin_add_overflow(supply, open, &sum) || __builtin_add_overflow(sum, row->units, &sum))
        sum = ~(chain_uint128)0;
    wide_format(limit, cap);
    wide_format(value, sum);
    return sum <= cap ||
           refuse_limit(&ask->refusal, REFUSAL_SUPPLY_EXCEEDED, "amount", limit, value);
}

// F11: the worker asks the same again, and waits; who asks here is told at once.
static bool is_covered(struct ask *ask, const struct row *row, chain_uint128 supply)
{
    static const enum refusal_name names[] = {REFUSAL_PROOF_MISSING, REFUSAL_PROOF_EXPIRED,
                                              REFUSAL_PROOF_EXCEEDED};
    struct pg_rows *rows = NULL;
    char contract[ADDRESS_TEXT_SIZE];
    char there[WIDE_DECIMAL_SIZE];
    char units[WIDE_DECIMAL_SIZE];

    if (ask->service->config->settle_custody_proof == 0)
        return true;
    address_format(contract, &row->contract);
    wide_format(there, supply);
    wide_format(units, row->units);
    if (pg_query(ask->service->pg, &rows,
                 "SELECT refused, most, seen FROM settle.mint_cover($1, $2, $3::numeric, "
                 "$4::numeric, 0, 0)",
                 PG_PARAMS(pg_i64(ask->service->config->settle_chain_id), pg_text(contract),
                           pg_text(there), pg_text(units))) != PG_OK)
        return ask_database_failed(ask);
    ASSERT(pg_rows_count(rows) == 1);
    const char *refused = pg_value(rows, 0, 0);
    for (size_t i = 0; refused != NULL && i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(refused, refusal_word(names[i])) == 0)
            refuse_limit(&ask->refusal, names[i], "amount", pg_value(rows, 0, 1),
                         pg_value(rows, 0, 2));
    bool covered = refused == NULL;
    ASSERT(covered || ask->refusal.value[0] != '\0');
    pg_rows_free(rows);
    return covered;
}

static bool look_at_supply(struct ask *ask, struct row *row)
{
    struct pg_rows *rows = NULL;
    chain_uint128 supply;

    if (!read_well(ask, erc3643_read_u128(&ask->service->node, &supply, &row->token,
                                          ERC3643_TOTAL_SUPPLY, NULL, ask->block)))
        return false;
    if (pg_query(
            ask->service->pg, &rows,
            "SELECT t.total_supply, (SELECT coalesce(sum(l.amount), 0)::text FROM "
            "chain.chain_request r JOIN chain.request_leg l USING (request_id) WHERE r.operation = "
            "'mint' AND r.token_asset = t.asset_id AND r.state IN ('prepared', "
            "'awaiting_approval', "
            "'signed', 'sent', 'mined')) FROM people.token t WHERE t.asset_id = $1",
            PG_PARAMS(pg_i64(row->asset))) != PG_OK)
        return ask_database_failed(ask);
    bool good = has_room(ask, row, rows, supply);
    pg_rows_free(rows);
    return good && is_covered(ask, row, supply);
}

bool mint_handle(struct ask *ask)
{
    static const char *const own[] = {"to_addr", "amount", NULL};
    static const char *const kinds[] = {"allocation", "distribution", "issuance", NULL};
    return run_row(ask, "mint", own, kinds, fill_mint, look_at_supply);
}

static bool fill_burn(struct ask *ask, struct row *row, const char *registry)
{
    const struct fields fields = {ask->body, &ask->refusal};

    (void)registry;
    row->has_from = true;
    return fields_address(&fields, &row->from, "from_addr", FIELDS_REQUIRED) &&
           take_amount(ask, row, NULL);
}

bool burn_handle(struct ask *ask)
{
    static const char *const own[] = {"from_addr", "amount", NULL};
    static const char *const kinds[] = {"redemption", "exception", NULL};
    return run_row(ask, "burn", own, kinds, fill_burn, NULL);
}

// ---- freeze: an amount in a wallet, or the wallet

static bool fill_freeze(struct ask *ask, struct row *row, const char *registry)
{
    const struct fields fields = {ask->body, &ask->refusal};
    bool has_amount = false;
    bool frozen = true;

    (void)registry;
    row->has_to = true;
    if (!fields_address(&fields, &row->to, "wallet", FIELDS_REQUIRED) ||
        !fields_bool(&fields, &frozen, "frozen", FIELDS_REQUIRED) ||
        !take_amount(ask, row, &has_amount))
        return false;
    if (has_amount)
        row->operation = frozen ? "freeze_partial" : "unfreeze_partial";
    else
        row->arguments = json_pack("{s:b}", "frozen", frozen);
    return true;
}

bool freeze_handle(struct ask *ask)
{
    static const char *const own[] = {"wallet", "amount", "frozen", NULL};
    static const char *const kinds[] = {"custody", "compliance", "exception", NULL};
    return run_row(ask, "set_address_frozen", own, kinds, fill_freeze, NULL);
}

// ---- register-identity (C10)

// Where the country stands, and since when (U8): beside what the flow decided on.
static bool take_country(struct ask *ask, struct row *row, int64_t *country)
{
    const struct fields fields = {ask->body, &ask->refusal};
    const char *source = NULL;
    const char *date = NULL;

    if (!fields_number(&fields, country, "country_code", 1, 999, FIELDS_REQUIRED) ||
        !fields_text(&fields, &source, "country_source", 1, 100, FIELDS_REQUIRED) ||
        !fields_text(&fields, &date, "country_date", 10, 10, FIELDS_REQUIRED))
        return false;
    json_object_set_new(row->flow, "country",
                        json_pack("{s:s, s:s}", "source", source, "date", date));
    return true;
}

static bool find_registry(struct ask *ask, struct row *row, const char *registry)
{
    if (registry[0] != '\0') {
        ASSERT(address_parse(&row->contract, registry));
        return true;
    }
    return ask_block(ask) &&
           read_well(ask, erc3643_read_address(&ask->service->node, &row->contract, &row->token,
                                               ERC3643_IDENTITY_REGISTRY, ask->block));
}

static bool fill_registration(struct ask *ask, struct row *row, const char *registry)
{
    const struct fields fields = {ask->body, &ask->refusal};
    struct chain_address identity;
    int64_t country = 0;

    row->has_to = true;
    if (!fields_address(&fields, &row->to, "investor", FIELDS_REQUIRED) ||
        !fields_address(&fields, &identity, "identity", FIELDS_REQUIRED) ||
        !take_country(ask, row, &country) || !has_code(ask, &identity, "identity") ||
        !find_registry(ask, row, registry))
        return false;
    row->arguments = json_pack("{s:o, s:I}", "identity", address_json(&identity), "country",
                               (json_int_t)country);
    return true;
}

static bool read_identity(struct ask *ask, struct chain_address *out, const struct row *row)
{
    uint8_t calldata[ABI_SELECTOR_BYTES + ABI_WORD_BYTES];
    uint8_t answer[ABI_WORD_BYTES];
    size_t len = sizeof(answer);
    struct abi_call call;
    struct abi_word word;

    abi_call_begin(&call, calldata, sizeof(calldata), ERC3643_IDENTITY, 1);
    abi_address(&call, &row->to);
    const struct node_message message = {
        .to = row->contract, .calldata = calldata, .calldata_len = (size_t)abi_call_end(&call)};
    enum node_result result = node_call(&ask->service->node, answer, &len, &message, ask->block);
    if (result == NODE_OK &&
        (!abi_answer_word(&word, answer, len, 0) || !abi_word_address(out, &word)))
        result = NODE_UNFIT;
    return read_well(ask, result);
}

static bool is_registered_so(struct ask *ask, struct row *row)
{
    struct chain_address identity;
    chain_uint128 country;
    char text[ADDRESS_TEXT_SIZE];
    char found[REFUSAL_VALUE_MAX];

    if (!read_identity(ask, &identity, row) ||
        !read_well(ask, erc3643_read_u128(&ask->service->node, &country, &row->contract,
                                          ERC3643_INVESTOR_COUNTRY, &row->to, ask->block)))
        return false;
    address_format(text, &identity);
    if (strcmp(text, json_string_value(json_object_get(row->arguments, "identity"))) == 0 &&
        country == (chain_uint128)json_integer_value(json_object_get(row->arguments, "country")))
        return true;
    snprintf(found, sizeof(found), "%s %u", text, (unsigned)country);
    return refuse_limit(&ask->refusal, REFUSAL_REGISTERED_DIFFERENTLY, "investor", NULL, found);
}

// The newest request that registers, or has registered, this wallet in this registry in the same
// way; an open one is as good as ours.
static bool find_earlier(struct ask *ask, struct row *row, bool *open)
{
    struct pg_rows *rows = NULL;
    char contract[ADDRESS_TEXT_SIZE];
    char wallet[ADDRESS_TEXT_SIZE];
    char *arguments = json_dumps(row->arguments, JSON_COMPACT);

    address_format(contract, &row->contract);
    address_format(wallet, &row->to);
    enum pg_class class = pg_query(
        ask->service->pg, &rows,
        "SELECT r.request_id, r.state <> 'confirmed' FROM chain.chain_request r JOIN "
        "chain.request_leg l USING (request_id) WHERE r.operation = 'register_identity' AND "
        "r.chain_id = $1 AND lower(r.contract_address) = lower($2) AND lower(l.to_address) = "
        "lower($3) "
        "AND r.arguments = $4::jsonb AND r.state IN ('prepared', 'awaiting_approval', 'signed', "
        "'sent', "
        "'mined', 'confirmed') AND NOT r.evidence ? 'earlier_request' "
        "ORDER BY r.state <> 'confirmed', r.request_id DESC LIMIT 1",
        PG_PARAMS(pg_i64(ask->service->config->settle_chain_id), pg_text(contract), pg_text(wallet),
                  pg_text(arguments)));
    free(arguments);
    if (class != PG_OK)
        return ask_database_failed(ask);
    if (pg_rows_count(rows) == 1) {
        row->earlier = pg_number(rows, 0, 0);
        *open = pg_number(rows, 0, 1) != 0;
    }
    pg_rows_free(rows);
    return true;
}

static bool look_at_registry(struct ask *ask, struct row *row)
{
    bool registered = false;
    bool open = false;

    if (!read_well(ask, erc3643_read_bool(&ask->service->node, &registered, &row->contract,
                                          ERC3643_CONTAINS, &row->to, ask->block)) ||
        (registered && !is_registered_so(ask, row)) || !find_earlier(ask, row, &open))
        return false;
    row->is_done = registered;
    return !open || request_answer(ask, 200, row->earlier);
}

bool register_handle(struct ask *ask)
{
    static const char *const own[] = {"investor",       "identity",     "country_code",
                                      "country_source", "country_date", NULL};
    static const char *const kinds[] = {"allocation", "onboarding", "exception", NULL};
    return run_row(ask, "register_identity", own, kinds, fill_registration, look_at_registry);
}
