// The chain's service from outside: bodies of its requests, damaged, to every handler, over a
// database and a node that answer at random. Each is answered with JSON or refused with a word and
// a status; nothing is read behind its end.
#include "tests/fuzz/fuzz.h"

#include "chain/artifact.h"
#include "settlement/service_internal.h"

#include <unistd.h>

enum { TEXT_MAX = 4096, COLUMNS = 8 };
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define TOKEN       "0x1000000000000000000000000000000000000001"
#define WALLET      "0x2000000000000000000000000000000000000002"
#define OTHER       "0x3000000000000000000000000000000000000003"
#define IDENTITY    "0x4000000000000000000000000000000000000004"

static struct fuzz fuzz;
static char folder[] = "/tmp/service_fuzz_XXXXXX";

// ---- the database: of each statement its kind of row, or none, or no answer

struct pg_rows {
    size_t count;
    const char *values[COLUMNS];
};

static const struct {
    const char *of; // what the statement contains; the first that fits counts
    const char *values[COLUMNS];
} answers[] = {
    {"WHERE lower(contract_address)", {"5", "31337", "6", "2", OTHER}},
    {"t.name, a.symbol", {"A Share", "ASH", "6", "2", "1000", "draft"}},
    {"SELECT signer_address", {WALLET}},
    {"SELECT request_id, content_hash", {"7", "0x00"}},
    {"SELECT deployment_id, terms_hash", {"7", "0x00"}},
    {"SELECT b.wallet_address", {OTHER, WALLET, "5", "1250", NULL, "pending"}},
    {"SELECT t.total_supply", {"100000", "5"}},
    {"settle.mint_cover", {"custody_proof_exceeded", "1000", "1500.25"}},
    {"<> 'confirmed' FROM", {"9", "1"}},
    {"::text FROM", {"{\"request_id\":7}"}},
    {"SELECT state FROM", {"running"}},
    {"", {"7"}}, // what was inserted or moved
};

static struct pg_error error = {.class = PG_TRANSIENT, .sqlstate = "40001"};

enum pg_class pg_query(struct pg *pg, struct pg_rows **out, const char *sql,
                       const struct pg_param *params, size_t count)
{
    size_t kind = 0;
    (void)pg;
    for (size_t i = 0; i < count; i++) // at their whole length, for a sanitizer
        if (params[i].type == PG_TEXT)
            ASSERT(strlen(params[i].data) < 4u * TEXT_MAX);
    if (fuzz_below(&fuzz, 50) == 0)
        return error.class;
    while (strstr(sql, answers[kind].of) == NULL)
        kind++;
    *out = calloc(1, sizeof **out);
    ASSERT(*out != NULL);
    bool is_known =
        strstr(answers[kind].of, "_hash") != NULL || strstr(sql, "IN ('confirmed'") != NULL;
    bool inserts = strncmp(sql, "WITH d AS (INSERT", 17) == 0;
    (*out)->count = inserts || fuzz_below(&fuzz, is_known ? 4 : 40) == 0 ? 1 : !is_known;
    memcpy((*out)->values, answers[kind].values, sizeof(*out)->values);
    return PG_OK;
}

size_t pg_rows_count(const struct pg_rows *rows)
{
    return rows->count;
}

const char *pg_value(const struct pg_rows *rows, size_t row, int column)
{
    ASSERT(row < rows->count && column < COLUMNS);
    return rows->values[column];
}

bool pg_is_null(const struct pg_rows *rows, size_t row, int column)
{
    return pg_value(rows, row, column) == NULL;
}

int64_t pg_number(const struct pg_rows *rows, size_t row, int column)
{
    const char *text = pg_value(rows, row, column);
    return text == NULL ? 0 : strtoll(text, NULL, 10);
}

void pg_rows_free(struct pg_rows *rows)
{
    free(rows);
}

const struct pg_error *pg_last_error(const struct pg *pg)
{
    (void)pg;
    return &error;
}

void pg_rollback(struct pg *pg)
{
    (void)pg;
}

// No service is opened here; its loop asks for these.
struct pg *pg_open(const struct pg_settings *settings)
{
    (void)settings;
    ASSERT(false);
    return NULL;
}

void pg_close(struct pg *pg)
{
    (void)pg;
    ASSERT(false);
}

void pg_settings_of(struct pg_settings *out, const struct config *config, const char *role)
{
    (void)out;
    (void)config;
    (void)role;
    ASSERT(false);
}

// ---- the node: a word, more, less, an error

static void answer(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    static const char *const said[] = {
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":"
        "\"0x0000000000000000000000000000000000000000000000000000000000000001\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":"
        "\"0x0000000000000000000000004000000000000000000000000000000000000004\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":"
        "\"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x10\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x\"}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":3,\"message\":\"execution reverted\"}}",
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}",
        "{}",
    };
    static const char number[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x10\"}";
    (void)context;
    json_decref(params);
    bool is_number = strcmp(method, "eth_blockNumber") == 0 && fuzz_below(&fuzz, 8) != 0;
    const char *text = is_number ? number : said[fuzz_below(&fuzz, COUNT(said))];
    rpc_parse_response(reply, text, strlen(text), 1);
}

static void nothing(void *context)
{
    (void)context;
}

// ---- requests

#define FLOW(kind)                                                                                 \
    "\"flow\":{\"kind\":\"" kind "\",\"id\":\"12\"},\"evidence\":{\"reason\":\"r\","               \
    "\"approved_by\":[\"a\",\"b\"]},\"idempotency_key\":\"k\""
#define TERMS                                                                                      \
    "\"terms\":{\"asset\":5,\"name\":\"A Share\",\"symbol\":\"ASH\",\"decimals\":6,"               \
    "\"implementation_authority\":\"" TOKEN "\",\"claim_topics\":[1,2],\"trusted_issuers\":[{"     \
    "\"issuer\":\"" OTHER "\",\"topics\":[1]}]}"

static const struct {
    const char *path;
    handler *handle;
    const char *body; // NULL: of a GET
} requests[] = {
    {"/transfer", transfer_handle,
     "{\"token_addr\":\"" TOKEN "\",\"from_addr\":\"" WALLET "\",\"to_addr\":\"" OTHER
     "\",\"amount\":\"12.5\",\"chain_id\":31337," FLOW("trade") "}"},
    {"/transfer", transfer_handle,
     "{\"token_addr\":\"" TOKEN "\",\"from_addr\":\"" WALLET "\",\"to_addr\":\"" OTHER
     "\",\"amount\":\"0.000001\"," FLOW("exception") "}"},
    {"/mint", mint_handle,
     "{\"token_addr\":\"" TOKEN "\",\"to_addr\":\"" WALLET "\",\"amount\":7," FLOW("issuance") "}"},
    {"/burn", burn_handle,
     "{\"token_addr\":\"" TOKEN "\",\"from_addr\":\"" WALLET
     "\",\"amount\":\"340282366920938463463374607431768.211455\"," FLOW("redemption") "}"},
    {"/freeze", freeze_handle,
     "{\"token_addr\":\"" TOKEN "\",\"wallet\":\"" WALLET
     "\",\"frozen\":true,\"amount\":\"1\"," FLOW("custody") "}"},
    {"/freeze", freeze_handle,
     "{\"token_addr\":\"" TOKEN "\",\"wallet\":\"" WALLET
     "\",\"frozen\":false," FLOW("compliance") "}"},
    {"/register-identity", register_handle,
     "{\"token_addr\":\"" TOKEN "\",\"investor\":\"" WALLET "\",\"identity\":\"" IDENTITY
     "\",\"country_code\":724,\"country_source\":\"passport\",\"country_date\":\"2026-01-"
     "01\"," FLOW("onboarding") "}"},
    {"/deploy", deploy_handle, "{" TERMS "," FLOW("issuance") "}"},
    {"/deploy/plan", plan_handle, "{" TERMS "}"},
    {"/deployments/#/resume", resume_handle, "{}"},
    {"/deployments/#/abandon", abandon_handle, "{\"reason\":\"why\"}"},
    {"/deployments/#", deployment_read, NULL},
    {"/deployments", deployments_read, NULL},
    {"/requests/#", request_read, NULL},
    {"/requests", requests_read, NULL},
};

// Mostly where it still is JSON: numbers and texts become others.
static json_t *draw_body(const char *text)
{
    static const char *const values[] = {"null",
                                         "-1",
                                         "0",
                                         "1e400",
                                         "18446744073709551616",
                                         "0.5",
                                         "\"\"",
                                         "\"0x\"",
                                         "[]",
                                         "{}",
                                         "true",
                                         "\"-1\"",
                                         "\"1e5\"",
                                         "\"99999999999999999999999999999999999999999\"",
                                         "\"" TOKEN "\"",
                                         "\"" WALLET "\"",
                                         "[[[[]]]]",
                                         "\"\\u0001\"",
                                         "{\"kind\":\"trade\",\"id\":99999999999}"};
    char bytes[TEXT_MAX];
    size_t len = strlen(text);
    ASSERT(len < sizeof bytes);
    memcpy(bytes, text, len);
    for (size_t i = fuzz_below(&fuzz, 4); i > 0; i--)
        if (fuzz_below(&fuzz, 2) == 0)
            len = fuzz_damage(&fuzz, (uint8_t *)bytes, len, sizeof bytes);
    json_t *body = json_loadb(bytes, len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(body) || fuzz_below(&fuzz, 2) == 0)
        return body;
    size_t count = json_object_size(body);
    size_t changed = fuzz_below(&fuzz, count + 1), at = 0;
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value)
    {
        if (at++ != changed)
            continue;
        json_object_set_new(
            body, name,
            json_loads(values[fuzz_below(&fuzz, COUNT(values))], JSON_DECODE_ANY, NULL));
        break;
    }
    return body;
}

static void expect_answer(struct ask *ask, bool answered)
{
    json_t *json = ask->answer != NULL ? json_loads(ask->answer, 0, NULL) : NULL;
    ASSERT(answered == (ask->answer != NULL) && answered == json_is_object(json));
    if (!answered) {
        ASSERT(ask->refusal.name < REFUSAL_COUNT && ask->refusal.text[0] != '\0');
        ASSERT(refusal_status(&ask->refusal) >= 400);
        json = refusal_json(&ask->refusal);
        char *text = json_dumps(json, JSON_COMPACT); // as it is sent: whole UTF-8
        ASSERT(text != NULL);
        free(text);
    } else {
        ASSERT(ask->status == 200 || ask->status == 202);
    }
    json_decref(json);
}

static bool ask_once(struct service *service)
{
    size_t which = fuzz_below(&fuzz, COUNT(requests));
    const struct route route = {.path = requests[which].path, .handle = requests[which].handle};
    struct ask ask = {
        .service = service, .route = &route, .id = 7, .caller = "operator", .limit = 100};
    if (fuzz_below(&fuzz, 3) == 0)
        snprintf(ask.key, sizeof ask.key, "%s", fuzz_below(&fuzz, 2) == 0 ? "k" : "a b:c");
    if (requests[which].body != NULL) {
        ask.body = draw_body(requests[which].body);
        if (!json_is_object(ask.body)) { // the loop refuses that
            json_decref(ask.body);
            return false;
        }
    }
    error.class = fuzz_below(&fuzz, 2) == 0 ? PG_GONE : PG_CONSTRAINT;
    bool answered = route.handle(&ask);
    expect_answer(&ask, answered);
    json_decref(ask.body);
    free(ask.answer);
    return answered;
}

static void write_contracts(void)
{
    static const char *const names[] = {
        "ClaimTopicsRegistryProxy", "TrustedIssuersRegistryProxy", "IdentityRegistryStorageProxy",
        "ModularComplianceProxy",   "IdentityRegistryProxy",       "TokenProxy"};
    static const char *const inputs[] = {"a", "a", "a", "a", "aaaa", "aaassua"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s.json", folder, names[i]);
        FILE *file = fopen(path, "w");
        ASSERT(file != NULL);
        fprintf(file,
                "{\"contractName\":\"%s\",\"bytecode\":\"0x60%02zx\",\"abi\":[{\"type\":"
                "\"constructor\",\"inputs\":[",
                names[i], i);
        for (const char *input = inputs[i]; *input != '\0'; input++)
            fprintf(file, "%s{\"type\":\"%s\"}", input == inputs[i] ? "" : ",",
                    *input == 'a'   ? "address"
                    : *input == 's' ? "string"
                                    : "uint8");
        fputs("]}]}", file);
        ASSERT(fclose(file) == 0);
    }
}

int main(int argc, char **argv)
{
    static struct service service;
    static struct config config;
    const struct rpc_ops rpc = {.call = answer, .close = nothing};
    char command[64];
    uint64_t answered = 0;

    fuzz_begin(&fuzz, "service_fuzz", argc, argv);
    ASSERT(mkdtemp(folder) != NULL);
    write_contracts();
    config.settle_chain_id = 31337;
    snprintf(config.settle_artifacts_folder, sizeof config.settle_artifacts_folder, "%s", folder);
    service.config = &config;
    node_init(&service.node, &rpc);
    for (uint64_t round = 0; round < fuzz.rounds; round++) {
        service.code_count = 0;
        config.settle_custody_proof = fuzz_below(&fuzz, 4) == 0;
        answered += ask_once(&service);
    }
    node_fini(&service.node);
    snprintf(command, sizeof command, "rm -r %s", folder);
    ASSERT(system(command) == 0);
    ASSERT(answered > fuzz.rounds / 20); // or nothing came far
    printf("service_fuzz: %" PRIu64 " answered, nothing broke\n", answered);
    return 0;
}
