#include "settlement/asset_plan.h"

#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chain/artifact.h"

// T-REX 4.1.6 behind proxies. B9's five transactions, and what else a token of it needs:
//
//   B9 TX1 IdentityRegistry      claim topics, trusted issuers, identity storage, identity registry
//   B9 TX2 Compliance(IR)        compliance (it learns the registry from the token that binds it)
//   B9 TX3 SecurityToken(…)      token
//   B9 TX4, TX5 addAgent         on the registry and on the token, for each agent
//   M17                          storage bound to the registry, topics, issuers, modules, opening
//
// Everything is deployed before anything is called, so that the signer's policy can be extended
// once the addresses are known (settlement/asset_deploy.h).

enum { TOPICS_MAX = 15, ISSUERS_MAX = 50, MODULES_MAX = 25, AGENTS_MAX = 10, SETTINGS_MAX = 10 };

struct planning {
    struct refusal *refusal;
    const struct asset_plan_place *place;
    json_t *terms;  // as they came
    json_t *frozen; // what is agreed on
    json_t *steps;
    json_t *checks;
    char deployer[ADDRESS_TEXT_SIZE];
    const char *authority; // address or ref
    const char *owner;     // at the end
    bool failed;
};

// ---- artifacts

static bool is_below(const char *folder, const char *path)
{
    size_t len = strlen(folder);
    return strncmp(folder, path, len) == 0 && path[len] == '/';
}

// The one file NAME.json below the folder; how many there are.
static size_t search(char path[PATH_MAX], const char *folder, const char *name)
{
    char start[PATH_MAX];
    char file[ARTIFACT_NAME_MAX + 8];
    size_t found = 0;

    snprintf(start, sizeof(start), "%s", folder);
    snprintf(file, sizeof(file), "%s.json", name);
    FTS *tree = fts_open((char *const[]){start, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (tree == NULL)
        return 0;
    for (FTSENT *entry = fts_read(tree); entry != NULL; entry = fts_read(tree))
        if (entry->fts_info == FTS_F && strcmp(entry->fts_name, file) == 0 && found++ == 0)
            snprintf(path, PATH_MAX, "%s", entry->fts_path);
    fts_close(tree);
    return found;
}

static bool find_artifact(struct planning *plan, char path[PATH_MAX], const char *name)
{
    const char *given =
        json_string_value(json_object_get(json_object_get(plan->terms, "artifacts"), name));
    char folder[PATH_MAX];
    char joined[PATH_MAX];

    if (realpath(plan->place->artifacts_folder, folder) == NULL)
        return refuse_text(plan->refusal, REFUSAL_ARTIFACT_UNUSABLE, name,
                           "the folder of artifacts is not there: %.160s",
                           plan->place->artifacts_folder);
    if (given == NULL) {
        size_t found = search(path, folder, name);
        return found == 1 ||
               refuse_text(plan->refusal, REFUSAL_ARTIFACT_UNUSABLE, name,
                           "%zu files %s.json below the folder of artifacts; name one in artifacts",
                           found, name);
    }
    snprintf(joined, sizeof(joined), "%s/%s", folder, given);
    if (realpath(joined, path) == NULL || !is_below(folder, path))
        return refuse_text(plan->refusal, REFUSAL_ARTIFACT_UNUSABLE, name,
                           "no file of this name below the folder of artifacts");
    return true;
}

static struct artifact *load_artifact(struct planning *plan, char path[PATH_MAX], const char *name)
{
    char error[ARTIFACT_ERROR_MAX];
    struct artifact *artifact = malloc(sizeof(*artifact));

    ASSERT(artifact != NULL);
    if (find_artifact(plan, path, name)) {
        if (artifact_load(artifact, path, error))
            return artifact;
        refuse_text(plan->refusal, REFUSAL_ARTIFACT_UNUSABLE, name, "%s", error);
    }
    free(artifact);
    return NULL;
}

// ---- steps and checks. Values are taken over.

static void add_step(struct planning *plan, json_t *step)
{
    ASSERT(step != NULL);
    if (json_array_size(plan->steps) == ASSET_STEPS_MAX)
        plan->failed = !refuse_text(plan->refusal, REFUSAL_TOO_LARGE, NULL, "more than %d steps",
                                    ASSET_STEPS_MAX);
    json_array_append_new(plan->steps, step);
}

static void add_deploy(struct planning *plan, const char *name, const char *contract,
                       json_t *values)
{
    char path[PATH_MAX];
    char hash[HEX_TEXT_SIZE(KECCAK_BYTES)];
    struct artifact *artifact = plan->failed ? NULL : load_artifact(plan, path, contract);

    plan->failed = artifact == NULL;
    if (artifact != NULL) {
        hex_encode(hash, artifact->code_hash.bytes, KECCAK_BYTES);
        add_step(plan, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:O}", "name", name,
                                 "operation", "deploy", "artifact", contract, "path", path,
                                 "code_hash", hash, "code_length", (json_int_t)artifact->code_len,
                                 "constructor", artifact->constructor, "values", values));
        json_object_set_new(json_object_get(plan->frozen, "code"), contract, json_string(hash));
    }
    free(artifact);
    json_decref(values);
}

static void add_call(struct planning *plan, const char *name, const char *contract,
                     const char *method, json_t *values)
{
    add_step(plan, json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", name, "operation", "configure",
                             "contract", contract, "method", method, "values", values));
}

static void add_check(struct planning *plan, const char *what, const char *contract,
                      const char *method, json_t *values, const char *types, json_t *expected)
{
    json_t *check =
        json_pack("{s:s, s:s, s:s, s:o, s:s, s:o}", "what", what, "contract", contract, "method",
                  method, "values", values, "types", types, "expected", expected);
    ASSERT(check != NULL);
    json_array_append_new(plan->checks, check);
}

static void add_check_of(struct planning *plan, const char *what, const char *contract,
                         const char *method, const char *types, json_t *expected)
{
    add_check(plan, what, contract, method, json_array(), types, expected);
}

static json_t *one(const char *text)
{
    return json_pack("[s]", text);
}

// ---- the chain's own: implementations, once per chain (M16)

static void plan_implementations(struct planning *plan)
{
    static const char *const contracts[][2] = {
        {"token_implementation", "Token"},
        {"claim_topics_implementation", "ClaimTopicsRegistry"},
        {"identity_registry_implementation", "IdentityRegistry"},
        {"identity_storage_implementation", "IdentityRegistryStorage"},
        {"trusted_issuers_implementation", "TrustedIssuersRegistry"},
        {"compliance_implementation", "ModularCompliance"},
    };
    static const char none[] = "0x0000000000000000000000000000000000000000";

    for (size_t i = 0; i < sizeof(contracts) / sizeof(contracts[0]); i++)
        add_deploy(plan, contracts[i][0], contracts[i][1], json_array());
    add_deploy(plan, "implementation_authority", "TREXImplementationAuthority",
               json_pack("[b, s, s]", 1, none, none));
    add_call(plan, "use_version", "$implementation_authority",
             "addAndUseTREXVersion((uint8,uint8,uint8),"
             "(address,address,address,address,address,address))",
             json_pack("[[i, i, i], [s, s, s, s, s, s]]", 4, 1, 6, "$token_implementation",
                       "$claim_topics_implementation", "$identity_registry_implementation",
                       "$identity_storage_implementation", "$trusted_issuers_implementation",
                       "$compliance_implementation"));
}

// ---- the asset's own

static const char *const suite[] = {"claim_topics",      "trusted_issuers", "identity_storage",
                                    "identity_registry", "compliance",      "token"};

enum { SUITE_COUNT = sizeof(suite) / sizeof(suite[0]) };

static const char *ref_of(char ref[ASSET_NAME_MAX], const char *step)
{
    snprintf(ref, ASSET_NAME_MAX, "$%s", step);
    return ref;
}

static void plan_suite(struct planning *plan)
{
    const char *authority = plan->authority;
    const char *id = json_string_value(json_object_get(plan->frozen, "onchain_id"));

    add_deploy(plan, "claim_topics", "ClaimTopicsRegistryProxy", one(authority));
    add_deploy(plan, "trusted_issuers", "TrustedIssuersRegistryProxy", one(authority));
    add_deploy(plan, "identity_storage", "IdentityRegistryStorageProxy", one(authority));
    add_deploy(plan, "identity_registry", "IdentityRegistryProxy",
               json_pack("[s, s, s, s]", authority, "$trusted_issuers", "$claim_topics",
                         "$identity_storage"));
    add_deploy(plan, "compliance", "ModularComplianceProxy", one(authority));
    add_deploy(plan, "token", "TokenProxy",
               json_pack("[s, s, s, O, O, O, s]", authority, "$identity_registry", "$compliance",
                         json_object_get(plan->frozen, "name"),
                         json_object_get(plan->frozen, "symbol"),
                         json_object_get(plan->frozen, "decimals"),
                         id != NULL ? id : "0x0000000000000000000000000000000000000000"));
}

static void check_suite(struct planning *plan)
{
    char ref[ASSET_NAME_MAX];
    char what[ASSET_NAME_MAX];

    for (size_t i = 0; i < SUITE_COUNT; i++) {
        snprintf(what, sizeof(what), "%s.implementation_authority", suite[i]);
        add_check_of(plan, what, ref_of(ref, suite[i]), "getImplementationAuthority()", "(address)",
                     one(plan->authority));
        snprintf(what, sizeof(what), "%s.owner", suite[i]);
        add_check_of(plan, what, ref, "owner()", "(address)", one(plan->owner));
    }
    const json_t *frozen = plan->frozen;
    add_check_of(plan, "token.name", "$token", "name()", "(string)",
                 json_pack("[O]", json_object_get(frozen, "name")));
    add_check_of(plan, "token.symbol", "$token", "symbol()", "(string)",
                 json_pack("[O]", json_object_get(frozen, "symbol")));
    add_check_of(plan, "token.decimals", "$token", "decimals()", "(uint8)",
                 json_pack("[O]", json_object_get(frozen, "decimals")));
    add_check_of(plan, "token.identity_registry", "$token", "identityRegistry()", "(address)",
                 one("$identity_registry"));
    add_check_of(plan, "token.compliance", "$token", "compliance()", "(address)",
                 one("$compliance"));
    add_check_of(plan, "token.total_supply", "$token", "totalSupply()", "(uint256)",
                 json_pack("[i]", 0));
    add_check_of(plan, "token.paused", "$token", "paused()", "(bool)",
                 json_pack("[b]", !json_is_true(json_object_get(frozen, "open"))));
    add_check_of(plan, "compliance.token", "$compliance", "getTokenBound()", "(address)",
                 one("$token"));
    add_check_of(plan, "identity_registry.storage", "$identity_registry", "identityStorage()",
                 "(address)", one("$identity_storage"));
    add_check_of(plan, "identity_registry.trusted_issuers", "$identity_registry",
                 "issuersRegistry()", "(address)", one("$trusted_issuers"));
    add_check_of(plan, "identity_registry.claim_topics", "$identity_registry", "topicsRegistry()",
                 "(address)", one("$claim_topics"));
    add_check_of(plan, "identity_storage.registries", "$identity_storage",
                 "linkedIdentityRegistries()", "(address[])",
                 json_pack("[[s]]", "$identity_registry"));
}

// TX4 and TX5, once per agent.
static void plan_agents(struct planning *plan)
{
    static const char *const contracts[] = {"identity_registry", "token"};
    const json_t *agents = json_object_get(plan->frozen, "agents");
    char name[ASSET_NAME_MAX];
    char ref[ASSET_NAME_MAX];
    size_t index;
    json_t *agent;

    for (size_t i = 0; i < 2; i++)
        json_array_foreach(agents, index, agent)
        {
            snprintf(name, sizeof(name), "agent_%zu_of_%s", index + 1, contracts[i]);
            add_step(plan, json_pack("{s:s, s:s, s:s, s:O}", "name", name, "operation", "add_agent",
                                     "contract", ref_of(ref, contracts[i]), "agent", agent));
            add_check(plan, name, ref, "isAgent(address)", json_pack("[O]", agent), "(bool)",
                      json_pack("[b]", 1));
        }
}

static void plan_topics(struct planning *plan)
{
    json_t *topics = json_object_get(plan->frozen, "claim_topics");
    char name[ASSET_NAME_MAX];
    size_t index;
    json_t *topic;

    json_array_foreach(topics, index, topic)
    {
        snprintf(name, sizeof(name), "topic_%zu", index + 1);
        add_call(plan, name, "$claim_topics", "addClaimTopic(uint256)", json_pack("[O]", topic));
    }
    add_check_of(plan, "claim_topics", "$claim_topics", "getClaimTopics()", "(uint256[])",
                 json_pack("[O]", topics));
}

static void plan_issuers(struct planning *plan)
{
    const json_t *issuers = json_object_get(plan->frozen, "trusted_issuers");
    json_t *addresses = json_array();
    char name[ASSET_NAME_MAX];
    size_t index;
    json_t *entry;

    json_array_foreach(issuers, index, entry)
    {
        json_t *issuer = json_object_get(entry, "issuer");
        json_t *topics = json_object_get(entry, "topics");
        snprintf(name, sizeof(name), "issuer_%zu", index + 1);
        add_call(plan, name, "$trusted_issuers", "addTrustedIssuer(address,uint256[])",
                 json_pack("[O, O]", issuer, topics));
        add_check(plan, name, "$trusted_issuers", "getTrustedIssuerClaimTopics(address)",
                  json_pack("[O]", issuer), "(uint256[])", json_pack("[O]", topics));
        json_array_append(addresses, issuer);
    }
    add_check_of(plan, "trusted_issuers", "$trusted_issuers", "getTrustedIssuers()", "(address[])",
                 json_pack("[o]", addresses));
}

// A module's parameters are set through the compliance contract that it serves.
static void plan_settings(struct planning *plan, const json_t *entry, size_t number)
{
    json_t *module = json_object_get(entry, "module");
    char name[ASSET_NAME_MAX];
    char error[ABI_TEXT_ERROR_MAX];
    size_t index;
    json_t *setting;

    json_array_foreach(json_object_get(entry, "settings"), index, setting)
    {
        uint8_t calldata[2048];
        char text[HEX_TEXT_SIZE(sizeof(calldata))];
        const char *method = json_string_value(json_object_get(setting, "method"));
        ssize_t len = abi_text_call(calldata, sizeof(calldata), method,
                                    json_object_get(setting, "arguments"), error);
        if (len < 0) {
            plan->failed = !refuse_text(plan->refusal, REFUSAL_FIELD_MALFORMED, "modules",
                                        "%.60s: %s", method, error);
            return;
        }
        hex_encode(text, calldata, (size_t)len);
        snprintf(name, sizeof(name), "module_%zu_setting_%zu", number, index + 1);
        add_call(plan, name, "$compliance", "callModuleFunction(bytes,address)",
                 json_pack("[s, O]", text, module));
    }
}

static void plan_modules(struct planning *plan)
{
    json_t *addresses = json_array();
    char name[ASSET_NAME_MAX];
    size_t index;
    json_t *entry;

    json_array_foreach(json_object_get(plan->frozen, "modules"), index, entry)
    {
        json_t *module = json_object_get(entry, "module");
        snprintf(name, sizeof(name), "module_%zu", index + 1);
        add_call(plan, name, "$compliance", "addModule(address)", json_pack("[O]", module));
        plan_settings(plan, entry, index + 1);
        json_array_append(addresses, module);
    }
    add_check_of(plan, "compliance.modules", "$compliance", "getModules()", "(address[])",
                 json_pack("[o]", addresses));
}

static void plan_end(struct planning *plan)
{
    char name[ASSET_NAME_MAX];
    char ref[ASSET_NAME_MAX];

    if (json_is_true(json_object_get(plan->frozen, "open")))
        add_call(plan, "open", "$token", "unpause()", json_array());
    if (json_object_get(plan->frozen, "owner") == NULL)
        return;
    for (size_t i = 0; i < SUITE_COUNT; i++) {
        snprintf(name, sizeof(name), "hand_over_%s", suite[i]);
        add_call(plan, name, ref_of(ref, suite[i]), "transferOwnership(address)", one(plan->owner));
    }
}

// ---- terms

static json_t *address_json(const struct chain_address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    address_format(text, address);
    return json_string(text);
}

static bool take_address(struct planning *plan, const struct fields *fields, const char *name)
{
    struct chain_address address;
    if (!fields_address(fields, &address, name, FIELDS_OPTIONAL))
        return false;
    if (!json_is_null(json_object_get(fields->object, name)) &&
        json_object_get(fields->object, name) != NULL)
        json_object_set_new(plan->frozen, name, address_json(&address));
    return true;
}

static bool take_names(struct planning *plan, const struct fields *fields)
{
    const char *name = NULL;
    const char *symbol = NULL;
    int64_t asset = 0;
    int64_t decimals = 0;

    // The reference contract allows 18 decimals at most.
    if (!fields_number(fields, &asset, "asset", 1, INT32_MAX, FIELDS_REQUIRED) ||
        !fields_text(fields, &name, "name", 1, ASSET_NAME_MAX, FIELDS_REQUIRED) ||
        !fields_text(fields, &symbol, "symbol", 1, ASSET_SYMBOL_MAX, FIELDS_REQUIRED) ||
        !fields_number(fields, &decimals, "decimals", 0, 18, FIELDS_REQUIRED))
        return false;
    if (name[0] == '$' || symbol[0] == '$') // a plan's own mark
        return refuse_text(plan->refusal, REFUSAL_FIELD_MALFORMED,
                           name[0] == '$' ? "name" : "symbol", "it must not begin with $");
    json_object_set_new(plan->frozen, "asset", json_integer(asset));
    json_object_set_new(plan->frozen, "name", json_string(name));
    json_object_set_new(plan->frozen, "symbol", json_string(symbol));
    json_object_set_new(plan->frozen, "decimals", json_integer(decimals));
    return true;
}

static bool holds(const json_t *list, const json_t *value)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        if (json_equal(item, value))
            return true;
    }
    return false;
}

static bool take_agents(struct planning *plan, const struct fields *fields)
{
    json_t *list = NULL;
    json_t *agents = json_array();
    size_t index;
    json_t *item;

    json_object_set_new(plan->frozen, "agents", agents);
    if (!fields_list(fields, &list, "agents", AGENTS_MAX, FIELDS_OPTIONAL))
        return false;
    json_array_foreach(list, index, item)
    {
        struct chain_address agent;
        if (!fields_element_address(fields, &agent, item, "agents"))
            return false;
        if (holds(agents, item))
            return refuse_text(plan->refusal, REFUSAL_FIELD_MALFORMED, "agents",
                               "an agent stands there twice");
        json_array_append_new(agents, address_json(&agent));
    }
    if (json_array_size(agents) == 0)
        json_array_append_new(agents, json_string(plan->deployer));
    return true;
}

static bool take_topics(struct planning *plan, const struct fields *fields, const char *name,
                        json_t *out)
{
    json_t *list = NULL;
    size_t index;
    json_t *item;

    if (!fields_list(fields, &list, name, TOPICS_MAX, FIELDS_OPTIONAL))
        return false;
    json_array_foreach(list, index, item)
    {
        if (!json_is_integer(item) || json_integer_value(item) < 1 || holds(out, item))
            return refuse_text(plan->refusal, REFUSAL_FIELD_MALFORMED, name,
                               "different whole numbers above zero are needed");
        json_array_append(out, item);
    }
    return true;
}

static bool take_issuer(struct planning *plan, json_t *entry)
{
    static const char *const known[] = {"issuer", "topics", NULL};
    const struct fields fields = {entry, plan->refusal};
    struct chain_address issuer;
    json_t *issuers = json_object_get(plan->frozen, "trusted_issuers");
    json_t *topics = json_array();

    json_t *taken = json_pack("{s:o}", "topics", topics);
    json_array_append_new(issuers, taken);
    if (!json_is_object(entry))
        return refuse(plan->refusal, REFUSAL_FIELD_MALFORMED, "trusted_issuers");
    if (!fields_known(&fields, known) ||
        !fields_address(&fields, &issuer, "issuer", FIELDS_REQUIRED) ||
        !take_topics(plan, &fields, "topics", topics))
        return false;
    if (json_array_size(topics) == 0)
        return refuse(plan->refusal, REFUSAL_MISSING_FIELD, "topics");
    json_object_set_new(taken, "issuer", address_json(&issuer));
    return true;
}

static bool take_issuers(struct planning *plan, const struct fields *fields)
{
    json_t *list = NULL;
    size_t index;
    json_t *entry;

    json_object_set_new(plan->frozen, "trusted_issuers", json_array());
    if (!fields_list(fields, &list, "trusted_issuers", ISSUERS_MAX, FIELDS_OPTIONAL))
        return false;
    json_array_foreach(list, index, entry)
    {
        if (!take_issuer(plan, entry))
            return false;
    }
    return true;
}

static bool take_setting(struct planning *plan, json_t *entry)
{
    static const char *const known[] = {"method", "arguments", NULL};
    const struct fields fields = {entry, plan->refusal};
    const char *method = NULL;
    json_t *arguments = NULL;

    if (!json_is_object(entry))
        return refuse(plan->refusal, REFUSAL_FIELD_MALFORMED, "settings");
    return fields_known(&fields, known) &&
           fields_text(&fields, &method, "method", 1, 200, FIELDS_REQUIRED) &&
           fields_list(&fields, &arguments, "arguments", 32, FIELDS_REQUIRED);
}

static bool take_module(struct planning *plan, json_t *entry)
{
    static const char *const known[] = {"module", "settings", NULL};
    const struct fields fields = {entry, plan->refusal};
    struct chain_address module;
    json_t *settings = NULL;
    size_t index;
    json_t *setting;

    if (!json_is_object(entry))
        return refuse(plan->refusal, REFUSAL_FIELD_MALFORMED, "modules");
    if (!fields_known(&fields, known) ||
        !fields_address(&fields, &module, "module", FIELDS_REQUIRED) ||
        !fields_list(&fields, &settings, "settings", SETTINGS_MAX, FIELDS_OPTIONAL))
        return false;
    json_array_foreach(settings, index, setting)
    {
        if (!take_setting(plan, setting))
            return false;
    }
    json_array_append(json_object_get(plan->frozen, "modules"), entry);
    return true;
}

static bool take_modules(struct planning *plan, const struct fields *fields)
{
    json_t *list = NULL;
    size_t index;
    json_t *entry;

    json_object_set_new(plan->frozen, "modules", json_array());
    if (!fields_list(fields, &list, "modules", MODULES_MAX, FIELDS_OPTIONAL))
        return false;
    json_array_foreach(list, index, entry)
    {
        if (!take_module(plan, entry))
            return false;
    }
    return true;
}

// An agent opens the token, and the deployer is who signs.
static bool take_open(struct planning *plan, const struct fields *fields)
{
    bool open = false;
    json_t *deployer = json_string(plan->deployer);
    bool is_agent = holds(json_object_get(plan->frozen, "agents"), deployer);

    json_decref(deployer);
    if (!fields_bool(fields, &open, "open", FIELDS_OPTIONAL))
        return false;
    if (open && !is_agent)
        return refuse_text(plan->refusal, REFUSAL_FIELD_MALFORMED, "open",
                           "the deployer %s is none of the agents and cannot unpause the token",
                           plan->deployer);
    json_object_set_new(plan->frozen, "open", json_boolean(open));
    return true;
}

static bool take_artifacts(struct planning *plan, const struct fields *fields)
{
    json_t *artifacts = NULL;
    const char *name;
    json_t *path;

    if (!fields_object(fields, &artifacts, "artifacts", FIELDS_OPTIONAL))
        return false;
    json_object_foreach(artifacts, name, path)
    {
        if (!json_is_string(path))
            return refuse_text(plan->refusal, REFUSAL_FIELD_MALFORMED, "artifacts",
                               "%.40s: a path is needed", name);
    }
    return true;
}

static bool take_terms(struct planning *plan)
{
    static const char *const known[] = {
        "asset",           "name",    "symbol",     "decimals", "implementation_authority",
        "agents",          "open",    "onchain_id", "owner",    "claim_topics",
        "trusted_issuers", "modules", "artifacts",  NULL};
    const struct fields fields = {plan->terms, plan->refusal};
    json_t *topics = json_array();

    json_object_set_new(plan->frozen, "claim_topics", topics);
    return fields_known(&fields, known) && take_names(plan, &fields) &&
           take_address(plan, &fields, "implementation_authority") &&
           take_address(plan, &fields, "onchain_id") && take_address(plan, &fields, "owner") &&
           take_agents(plan, &fields) && take_topics(plan, &fields, "claim_topics", topics) &&
           take_issuers(plan, &fields) && take_modules(plan, &fields) && take_open(plan, &fields) &&
           take_artifacts(plan, &fields);
}

static void plan_all(struct planning *plan)
{
    const char *authority =
        json_string_value(json_object_get(plan->frozen, "implementation_authority"));
    const char *owner = json_string_value(json_object_get(plan->frozen, "owner"));

    plan->authority = authority != NULL ? authority : "$implementation_authority";
    plan->owner = owner != NULL ? owner : plan->deployer;
    if (authority == NULL)
        plan_implementations(plan);
    plan_suite(plan);
    if (plan->failed)
        return;
    plan_agents(plan);
    add_call(plan, "bind_storage", "$identity_storage", "bindIdentityRegistry(address)",
             one("$identity_registry"));
    plan_topics(plan);
    plan_issuers(plan);
    plan_modules(plan);
    plan_end(plan);
    check_suite(plan);
}

static json_t *whole_plan(const struct planning *plan)
{
    char hash[HEX_TEXT_SIZE(KECCAK_BYTES)];
    char *text = json_dumps(plan->frozen, JSON_SORT_KEYS | JSON_COMPACT);

    ASSERT(text != NULL);
    struct chain_hash keccak = keccak256_hash((const uint8_t *)text, strlen(text));
    free(text);
    hex_encode(hash, keccak.bytes, KECCAK_BYTES);
    return json_pack("{s:O, s:s, s:O, s:O}", "terms", plan->frozen, "terms_hash", hash, "steps",
                     plan->steps, "checks", plan->checks);
}

json_t *asset_plan_make(struct refusal *refusal, json_t *terms,
                        const struct asset_plan_place *place)
{
    struct planning plan = {.refusal = refusal,
                            .place = place,
                            .terms = terms,
                            .steps = json_array(),
                            .checks = json_array()};
    json_t *made = NULL;

    address_format(plan.deployer, &place->deployer);
    plan.frozen = json_pack("{s:I, s:s, s:{}}", "chain_id", (json_int_t)place->chain_id, "deployer",
                            plan.deployer, "code");
    if (!json_is_object(terms))
        plan.failed = !refuse(refusal, REFUSAL_MALFORMED, NULL);
    else if (!take_terms(&plan))
        plan.failed = true;
    if (!plan.failed)
        plan_all(&plan);
    if (!plan.failed)
        made = whole_plan(&plan);
    json_decref(plan.frozen);
    json_decref(plan.steps);
    json_decref(plan.checks);
    return made;
}

// ---- execution

json_t *asset_plan_resolve(const json_t *value, const json_t *addresses)
{
    const char *text = json_string_value(value);
    size_t index;
    json_t *item;

    if (text != NULL && text[0] == '$')
        return json_incref(json_object_get(addresses, text + 1));
    if (!json_is_array(value))
        return json_incref((json_t *)(uintptr_t)value);
    json_t *list = json_array();
    json_array_foreach(value, index, item)
    {
        json_t *resolved = asset_plan_resolve(item, addresses);
        if (resolved == NULL) {
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, resolved);
    }
    return list;
}

static json_t *deploy_arguments(const json_t *step, const json_t *values, char *error,
                                size_t error_max)
{
    static const char no_memory[] = "no room";
    char why[ABI_TEXT_ERROR_MAX] = "";
    const char *types = json_string_value(json_object_get(step, "constructor"));
    uint8_t *encoded = malloc(ARTIFACT_INIT_CODE_MAX);
    char *text = malloc(HEX_TEXT_SIZE((size_t)ARTIFACT_INIT_CODE_MAX));
    json_t *arguments = NULL;

    ASSERT(encoded != NULL && text != NULL);
    ssize_t len = abi_text_arguments(encoded, ARTIFACT_INIT_CODE_MAX, types, values, why);
    if (len >= 0) {
        hex_encode(text, encoded, (size_t)len);
        arguments = json_pack("{s:O, s:O, s:O, s:s}", "artifact", json_object_get(step, "artifact"),
                              "path", json_object_get(step, "path"), "code_hash",
                              json_object_get(step, "code_hash"), "arguments", text);
    }
    snprintf(error, error_max, "%s", len >= 0 || why[0] != '\0' ? why : no_memory);
    free(encoded);
    free(text);
    return arguments;
}

static json_t *arguments_of(const json_t *step, const json_t *addresses, char *error,
                            size_t error_max)
{
    const char *operation = json_string_value(json_object_get(step, "operation"));
    json_t *values = NULL;
    json_t *arguments;

    if (strcmp(operation, "add_agent") == 0)
        return json_pack("{s:O}", "agent", json_object_get(step, "agent"));
    values = asset_plan_resolve(json_object_get(step, "values"), addresses);
    if (values == NULL) {
        snprintf(error, error_max, "a contract that it needs is not there");
        return NULL;
    }
    if (strcmp(operation, "deploy") == 0)
        arguments = deploy_arguments(step, values, error, error_max);
    else
        arguments =
            json_pack("{s:O, s:O}", "method", json_object_get(step, "method"), "arguments", values);
    json_decref(values);
    return arguments;
}

json_t *asset_plan_arguments(char contract[ADDRESS_TEXT_SIZE], const json_t *step,
                             const json_t *addresses, char *error, size_t error_max)
{
    const json_t *ref = json_object_get(step, "contract");

    contract[0] = '\0';
    error[0] = '\0';
    if (ref != NULL) {
        json_t *address = asset_plan_resolve(ref, addresses);
        if (address == NULL) {
            snprintf(error, error_max, "the contract %s is not there", json_string_value(ref));
            return NULL;
        }
        snprintf(contract, ADDRESS_TEXT_SIZE, "%s", json_string_value(address));
        json_decref(address);
    }
    return arguments_of(step, addresses, error, error_max);
}

const char *asset_plan_needs(const json_t *step)
{
    const char *ref = json_string_value(json_object_get(step, "contract"));
    return ref != NULL && ref[0] == '$' ? ref + 1 : NULL;
}
