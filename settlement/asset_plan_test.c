#include "settlement/asset_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/testing.h"
#include "chain/sign_policy.h"
#include "settlement/asset_policy.h"

// A folder of artifacts of our own: one contract that takes anything, under the names that a plan
// looks for. The real ones come in tests/system.
static char folder[] = "/tmp/asset_plan_test_XXXXXX";

static const struct {
    const char *name;
    const char *inputs;
} contracts[] = {
    {"Token", ""},
    {"ClaimTopicsRegistry", ""},
    {"IdentityRegistry", ""},
    {"IdentityRegistryStorage", ""},
    {"TrustedIssuersRegistry", ""},
    {"ModularCompliance", ""},
    {"TREXImplementationAuthority", "bool,address,address"},
    {"ClaimTopicsRegistryProxy", "address"},
    {"TrustedIssuersRegistryProxy", "address"},
    {"IdentityRegistryStorageProxy", "address"},
    {"IdentityRegistryProxy", "address,address,address,address"},
    {"ModularComplianceProxy", "address"},
    {"TokenProxy", "address,address,address,string,string,uint8,address"},
};

#define CONTRACTS (sizeof(contracts) / sizeof(contracts[0]))

static void write_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void write_artifact(size_t number)
{
    char name[80];
    char text[1024];
    char inputs[512] = "";
    char types[256];
    char *rest = types;

    snprintf(types, sizeof(types), "%s", contracts[number].inputs);
    for (char *type = strsep(&rest, ","); type != NULL && *type != '\0'; type = strsep(&rest, ","))
        sprintf(inputs + strlen(inputs), "%s{\"type\":\"%s\"}", inputs[0] != '\0' ? "," : "", type);
    snprintf(
        text, sizeof(text),
        "{\"contractName\":\"%s\",\"bytecode\":\"0x60%02zx\",\"abi\":[{\"type\":\"constructor\","
        "\"inputs\":[%s]}]}",
        contracts[number].name, number, inputs);
    snprintf(name, sizeof(name), "%s.json", contracts[number].name);
    write_file(name, text);
}

static int make_folder(void **state)
{
    char path[256];

    (void)state;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < CONTRACTS; i++)
        write_artifact(i);
    snprintf(path, sizeof(path), "%s/below", folder);
    return mkdir(path, 0700);
}

static int remove_folder(void **state)
{
    char command[256];

    (void)state;
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

static struct refusal refusal;

static json_t *make(json_t *terms)
{
    const struct asset_plan_place place = {
        .chain_id = 31337, .deployer = {{0xde, [19] = 1}}, .artifacts_folder = folder};
    return asset_plan_make(&refusal, terms, &place);
}

static json_t *load(const char *text)
{
    json_t *terms = json_loads(text, 0, NULL);
    assert_non_null(terms);
    return terms;
}

static json_t *make_text(const char *text)
{
    json_t *terms = load(text);
    json_t *plan = make(terms);
    json_decref(terms);
    return plan;
}

#define BASE      "\"asset\":5,\"name\":\"A Share\",\"symbol\":\"ASH\",\"decimals\":6"
#define AUTHORITY "\"implementation_authority\":\"0x1000000000000000000000000000000000000001\""

static void assert_names(const json_t *plan, const char *expected)
{
    char names[4096] = "";
    size_t index;
    json_t *step;
    json_array_foreach(json_object_get(plan, "steps"), index, step)
    {
        strcat(names, index > 0 ? " " : "");
        strcat(names, json_string_value(json_object_get(step, "name")));
    }
    assert_string_equal(names, expected);
}

static void the_least_is_what_B9_names_with_its_registries(void **state)
{
    json_t *plan = make_text("{" BASE "," AUTHORITY "}");

    (void)state;
    assert_non_null(plan);
    assert_names(plan,
                 "claim_topics trusted_issuers identity_storage identity_registry compliance token "
                 "agent_1_of_identity_registry agent_1_of_token bind_storage");
    json_decref(plan);
}

static void everything_is_deployed_before_it_is_called(void **state)
{
    json_t *plan = make_text(
        "{" BASE ",\"open\":true,\"claim_topics\":[1,7],\"trusted_issuers\":[{\"issuer\":"
        "\"0x2000000000000000000000000000000000000002\",\"topics\":[7]}],\"modules\":[{\"module\":"
        "\"0x3000000000000000000000000000000000000003\",\"settings\":[{\"method\":"
        "\"setMaxBalance(uint256)\",\"arguments\":[\"1000\"]}]}],\"owner\":"
        "\"0x4000000000000000000000000000000000000004\"}");

    (void)state;
    assert_non_null(plan);
    assert_names(
        plan, "token_implementation claim_topics_implementation identity_registry_implementation "
              "identity_storage_implementation trusted_issuers_implementation "
              "compliance_implementation implementation_authority use_version "
              "claim_topics trusted_issuers identity_storage identity_registry compliance token "
              "agent_1_of_identity_registry agent_1_of_token bind_storage topic_1 topic_2 issuer_1 "
              "module_1 module_1_setting_1 open hand_over_claim_topics hand_over_trusted_issuers "
              "hand_over_identity_storage hand_over_identity_registry hand_over_compliance "
              "hand_over_token");
    json_decref(plan);
}

static void the_hash_is_of_the_terms_and_not_of_their_spelling(void **state)
{
    json_t *plan = make_text("{" BASE "," AUTHORITY "}");
    json_t *other = make_text("{" AUTHORITY ",\"agents\":[],\"open\":false," BASE "}");
    json_t *different = make_text(
        "{\"asset\":5,\"name\":\"A Share\",\"symbol\":\"ASH\",\"decimals\":7," AUTHORITY "}");

    (void)state;
    assert_true(
        json_equal(json_object_get(plan, "terms_hash"), json_object_get(other, "terms_hash")));
    assert_false(
        json_equal(json_object_get(plan, "terms_hash"), json_object_get(different, "terms_hash")));
    json_decref(plan);
    json_decref(other);
    json_decref(different);
}

// Other code under the same name is another deployment.
static void the_hash_covers_the_code(void **state)
{
    json_t *plan = make_text("{" BASE "," AUTHORITY "}");

    (void)state;
    write_file("below/TokenProxy.json",
               "{\"bytecode\":\"0x6099\",\"abi\":[{\"type\":\"constructor\",\"inputs\":[]}]}");
    assert_null(make_text("{" BASE "," AUTHORITY "}"));
    assert_non_null(strstr(refusal.text, "2 files TokenProxy.json"));
    json_t *other = make_text("{" BASE "," AUTHORITY
                              ",\"artifacts\":{\"TokenProxy\":\"below/TokenProxy.json\"}}");
    assert_non_null(other);
    assert_false(
        json_equal(json_object_get(plan, "terms_hash"), json_object_get(other, "terms_hash")));
    write_file("below/TokenProxy.json", "{");
    json_decref(plan);
    json_decref(other);
    char path[256];
    snprintf(path, sizeof(path), "%s/below/TokenProxy.json", folder);
    unlink(path);
}

static void assert_refused(const char *text, enum refusal_name name, const char *field)
{
    json_t *plan = make_text(text);
    if (plan != NULL)
        fail_msg("%s was accepted", text);
    if (refusal.name != name || strcmp(refusal.field, field) != 0)
        fail_msg("%s: %s %s: %s", text, refusal_word(refusal.name), refusal.field, refusal.text);
}

static void terms_that_cannot_be_met_are_refused(void **state)
{
    (void)state;
    assert_refused("[]", REFUSAL_MALFORMED, "");
    assert_refused("{}", REFUSAL_MISSING_FIELD, "asset");
    assert_refused("{" BASE ",\"colour\":1}", REFUSAL_UNKNOWN_FIELD, "colour");
    assert_refused("{\"asset\":0,\"name\":\"A\",\"symbol\":\"A\",\"decimals\":6}",
                   REFUSAL_FIELD_MALFORMED, "asset");
    assert_refused("{\"asset\":5,\"name\":\"A\",\"symbol\":\"A\",\"decimals\":19}",
                   REFUSAL_FIELD_MALFORMED, "decimals");
    assert_refused("{\"asset\":5,\"name\":\"$token\",\"symbol\":\"A\",\"decimals\":6}",
                   REFUSAL_FIELD_MALFORMED, "name");
    assert_refused("{\"asset\":5,\"name\":\"A\",\"symbol\":\"\",\"decimals\":6}",
                   REFUSAL_FIELD_MALFORMED, "symbol");
    assert_refused("{" BASE ",\"agents\":[\"0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed\"]}",
                   REFUSAL_ADDRESS_NOT_CHECKSUMMED, "agents");
    assert_refused("{" BASE ",\"agents\":[\"0x1000000000000000000000000000000000000001\","
                   "\"0x1000000000000000000000000000000000000001\"]}",
                   REFUSAL_FIELD_MALFORMED, "agents");
    assert_refused("{" BASE ",\"open\":true,\"agents\":"
                   "[\"0x1000000000000000000000000000000000000001\"]}",
                   REFUSAL_FIELD_MALFORMED, "open");
    assert_refused("{" BASE ",\"claim_topics\":[1,1]}", REFUSAL_FIELD_MALFORMED, "claim_topics");
    assert_refused("{" BASE ",\"claim_topics\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}",
                   REFUSAL_FIELD_MALFORMED, "claim_topics");
    assert_refused("{" BASE ",\"trusted_issuers\":[1]}", REFUSAL_FIELD_MALFORMED,
                   "trusted_issuers");
    assert_refused("{" BASE ",\"trusted_issuers\":[{\"issuer\":"
                   "\"0x1000000000000000000000000000000000000001\",\"topics\":[]}]}",
                   REFUSAL_MISSING_FIELD, "topics");
    assert_refused("{" BASE ",\"modules\":[{\"module\":"
                   "\"0x3000000000000000000000000000000000000003\",\"settings\":[{\"method\":"
                   "\"setMaxBalance(uint256)\",\"arguments\":[\"many\"]}]}]}",
                   REFUSAL_FIELD_MALFORMED, "modules");
    assert_refused("{" BASE ",\"artifacts\":{\"Token\":\"../../etc/passwd\"}}",
                   REFUSAL_ARTIFACT_UNUSABLE, "Token");
    assert_refused("{" BASE ",\"artifacts\":{\"Token\":\"not_there.json\"}}",
                   REFUSAL_ARTIFACT_UNUSABLE, "Token");
    assert_refused("{" BASE ",\"owner\":\"0x0000000000000000000000000000000000000000\"}",
                   REFUSAL_ADDRESS_ZERO, "owner");
}

static json_t *find_step(const json_t *plan, const char *name)
{
    size_t index;
    json_t *step;
    json_array_foreach(json_object_get(plan, "steps"), index, step)
    {
        if (strcmp(json_string_value(json_object_get(step, "name")), name) == 0)
            return step;
    }
    return NULL;
}

static void a_step_asks_for_what_stands_behind_its_references(void **state)
{
    json_t *plan = make_text("{" BASE "," AUTHORITY "}");
    json_t *addresses =
        json_pack("{s:s, s:s}", "identity_registry", "0x7000000000000000000000000000000000000007",
                  "compliance", "0x8000000000000000000000000000000000000008");
    char contract[ADDRESS_TEXT_SIZE];
    char error[160];

    (void)state;
    json_t *arguments =
        asset_plan_arguments(contract, find_step(plan, "token"), addresses, error, sizeof(error));
    assert_non_null(arguments);
    assert_string_equal(contract, "");
    const char *encoded = json_string_value(json_object_get(arguments, "arguments"));
    assert_int_equal(strlen(encoded), 2 + 64 * (7 + 2 + 2));
    assert_memory_equal(encoded + 2 + 64 + 24, "7000000000000000000000000000000000000007", 40);
    json_decref(arguments);

    arguments = asset_plan_arguments(contract, find_step(plan, "agent_1_of_identity_registry"),
                                     addresses, error, sizeof(error));
    assert_string_equal(contract, "0x7000000000000000000000000000000000000007");
    json_decref(arguments);
    assert_null(asset_plan_arguments(contract, find_step(plan, "agent_1_of_token"), addresses,
                                     error, sizeof(error)));
    assert_non_null(strstr(error, "$token is not there"));
    assert_null(asset_plan_arguments(contract, find_step(plan, "identity_registry"), addresses,
                                     error, sizeof(error)));
    json_decref(addresses);
    json_decref(plan);
}

static void assert_policy(const json_t *policy, size_t creates, size_t rules)
{
    static struct sign_policy parsed;
    char error[SIGN_POLICY_ERROR_MAX];
    char *text = json_dumps(policy, 0);

    if (!sign_policy_parse(&parsed, text, strlen(text), error))
        fail_msg("%s: %s", error, text);
    free(text);
    assert_int_equal(json_array_size(json_object_get(policy, "create")), creates);
    assert_int_equal(parsed.rule_count, rules);
}

// The signer itself reads what comes out.
static void the_policy_opens_for_the_set_up_and_closes_behind_it(void **state)
{
    json_t *plan = make_text("{" BASE "," AUTHORITY ",\"open\":true,\"claim_topics\":[1]}");
    json_t *steps = json_object_get(plan, "steps");
    json_t *policy =
        load("{\"chain_id\":31337,\"gas_limit_max\":1,\"max_fee_wei_max\":1,\"allow\":[{"
             "\"contract\":\"0x9000000000000000000000000000000000000009\",\"methods\":["
             "\"mint\"]}]}");
    json_t *addresses =
        json_pack("{s:s, s:s, s:s}", "token", "0x7000000000000000000000000000000000000007",
                  "claim_topics", "0x8000000000000000000000000000000000000008", "identity_registry",
                  "0x6000000000000000000000000000000000000006");
    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        json_t *rules = asset_policy_rules(steps, addresses, ASSET_POLICY_SET_UP);
        asset_policy_merge(policy, rules, steps, addresses, ASSET_POLICY_SET_UP);
        json_decref(rules);
        // mint of another; 11 agent's calls, addAgent and unpause; addClaimTopic; 3 and addAgent.
        assert_policy(policy, 6, 1 + 13 + 1 + 4);
    }
    json_t *rules = asset_policy_rules(steps, addresses, ASSET_POLICY_TRADING);
    asset_policy_merge(policy, rules, steps, addresses, ASSET_POLICY_TRADING);
    json_decref(rules);
    assert_policy(policy, 0, 1 + 11 + 3);
    json_decref(addresses);
    json_decref(policy);
    json_decref(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_is_what_B9_names_with_its_registries),
        cmocka_unit_test(everything_is_deployed_before_it_is_called),
        cmocka_unit_test(the_hash_is_of_the_terms_and_not_of_their_spelling),
        cmocka_unit_test(the_hash_covers_the_code),
        cmocka_unit_test(terms_that_cannot_be_met_are_refused),
        cmocka_unit_test(a_step_asks_for_what_stands_behind_its_references),
        cmocka_unit_test(the_policy_opens_for_the_set_up_and_closes_behind_it),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
