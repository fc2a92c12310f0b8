// New tokens from outside: signatures with values, compiled contracts, terms, the callers' file.
// Each is read or refused with words; what is encoded is whole words within its buffer; what is
// planned can be carried out as far as its contracts are there, and its policy is JSON.
#include "tests/fuzz/fuzz.h"

#include "chain/artifact.h"
#include "settlement/asset_plan.h"
#include "settlement/asset_policy.h"
#include "settlement/callers.h"
#include "settlement/settle_setup.h"

#include <unistd.h>

enum { TEXT_MAX = 4096 };

static char folder[] = "/tmp/asset_fuzz_XXXXXX";

// A text of the list, damaged up to three times, with a NUL behind it.
static size_t draw_text(struct fuzz *fuzz, char *out, const char *const *texts, size_t count)
{
    const char *text = texts[fuzz_below(fuzz, count)];
    size_t len = strlen(text);

    ASSERT(len < TEXT_MAX);
    memcpy(out, text, len);
    for (size_t i = fuzz_below(fuzz, 4); i > 0; i--)
        len = fuzz_damage(fuzz, (uint8_t *)out, len, TEXT_MAX - 1);
    out[len] = '\0';
    return len;
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

// ---- the ABI

static void fuzz_abi(struct fuzz *fuzz)
{
    static const char *const types[] = {
        "(address,uint256)",
        "(bytes,address)",
        "(string,string,uint8)",
        "((uint8,bool)[2],bytes32)",
        "(int8[],string[])",
        "(uint16[][2],bytes)",
        "()",
    };
    static const char *const values[] = {
        "[\"0x1000000000000000000000000000000000000001\",\"7\"]",
        "[\"0x0102\",\"0x1000000000000000000000000000000000000001\"]",
        "[\"a\",\"bc\",18]",
        ("[[[1,true],[2,false]],"
         "\"0x0000000000000000000000000000000000000000000000000000000000000001\"]"),
        "[[-1,127],[\"x\",\"\"]]",
        "[[[1],[2,3]],\"0x\"]",
        "[]",
    };
    char type[TEXT_MAX], value[TEXT_MAX], error[ABI_TEXT_ERROR_MAX];
    size_t encoded = 0;

    for (uint64_t round = 0; round < fuzz->rounds; round++) {
        size_t same = fuzz_below(fuzz, COUNT(types));
        draw_text(fuzz, type, &types[same], 1);
        draw_text(fuzz, value,
                  &values[fuzz_below(fuzz, 2) == 0 ? same : fuzz_below(fuzz, COUNT(values))], 1);
        json_t *json = json_loads(value, JSON_DECODE_ANY, NULL);
        size_t max = fuzz_below(fuzz, 700);
        uint8_t *out =
            malloc(max + (max == 0)); // at its size, so that a sanitizer sees a write behind it
        ssize_t len = abi_text_arguments(out, max, type, json, error);
        ASSERT(len >= -1 && len <= (ssize_t)max && (len < 0 || len % ABI_WORD_BYTES == 0));
        ASSERT((len < 0) == (error[0] != '\0'));
        encoded += len >= 0;
        free(out);
        json_decref(json);
    }
    ASSERT(encoded > 0);
}

// ---- contracts, terms, plans

static void write_file(const char *name, const char *text, size_t len)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s.json", folder, name);
    FILE *file = fopen(path, "w");
    ASSERT(file != NULL && fwrite(text, 1, len, file) == len && fclose(file) == 0);
}

static void fuzz_artifacts(struct fuzz *fuzz)
{
    static const char *const texts[] = {
        "{\"contractName\":\"A\",\"bytecode\":\"0x6001600255\",\"linkReferences\":{},\"abi\":[{"
        "\"type\":"
        "\"constructor\",\"inputs\":[{\"type\":\"tuple[2]\",\"components\":[{\"type\":\"uint8\"}]}]"
        "}]}",
        "{\"abi\":[],\"bytecode\":{\"object\":\"0x60\",\"linkReferences\":{}}}",
    };
    static struct artifact artifact;
    char text[TEXT_MAX], path[128], error[ARTIFACT_ERROR_MAX];

    snprintf(path, sizeof(path), "%s/Fuzzed.json", folder);
    for (uint64_t round = 0; round < fuzz->rounds / 10; round++) {
        size_t len = draw_text(fuzz, text, texts, COUNT(texts));
        write_file("Fuzzed", text, len);
        if (artifact_load(&artifact, path, error))
            ASSERT(artifact.code_len > 0 && artifact.code_len <= ARTIFACT_INIT_CODE_MAX);
        else
            ASSERT(error[0] != '\0');
    }
    unlink(path);
}

static void write_contracts(void)
{
    static const char *const contracts[][2] = {
        {"ClaimTopicsRegistryProxy", "\"address\""},
        {"TrustedIssuersRegistryProxy", "\"address\""},
        {"IdentityRegistryStorageProxy", "\"address\""},
        {"ModularComplianceProxy", "\"address\""},
        {"IdentityRegistryProxy",
         "\"address\"},{\"type\":\"address\"},{\"type\":\"address\"},{\"type\":\"address\""},
        {"TokenProxy", "\"address\"},{\"type\":\"address\"},{\"type\":\"address\"},{\"type\":"
                       "\"string\"},{\"type\":"
                       "\"string\"},{\"type\":\"uint8\"},{\"type\":\"address\""},
    };
    char text[1024];

    for (size_t i = 0; i < COUNT(contracts); i++) {
        int len = snprintf(text, sizeof(text),
                           "{\"contractName\":\"%s\",\"bytecode\":\"0x60%02zx\",\"abi\":[{\"type\":"
                           "\"constructor\",\"inputs\":[{\"type\":%s}]}]}",
                           contracts[i][0], i, contracts[i][1]);
        write_file(contracts[i][0], text, (size_t)len);
    }
}

// Every step in turn, each contract at an address of its own: the arguments are what the worker
// takes.
static void carry_out(const json_t *plan)
{
    const json_t *steps = json_object_get(plan, "steps");
    json_t *addresses = json_object();
    char contract[ADDRESS_TEXT_SIZE], address[ADDRESS_TEXT_SIZE], error[SETTLE_SETUP_ERROR_MAX];
    static uint8_t calldata[ARTIFACT_INIT_CODE_MAX];
    size_t index;
    json_t *step;

    json_array_foreach(steps, index, step)
    {
        const char *operation = json_string_value(json_object_get(step, "operation"));
        json_t *arguments = asset_plan_arguments(contract, step, addresses, error, sizeof(error));
        ASSERT(arguments != NULL && (contract[0] == '\0') == (strcmp(operation, "deploy") == 0));
        char *text = json_dumps(arguments, 0);
        ASSERT(settle_setup_build(calldata, sizeof(calldata), operation, text, error) > 0);
        free(text);
        json_decref(arguments);
        snprintf(address, sizeof(address), "0x10000000000000000000000000000000000000%02x",
                 (unsigned)index);
        json_object_set_new(addresses, json_string_value(json_object_get(step, "name")),
                            json_string(address));
    }
    json_t *rules = asset_policy_rules(steps, addresses, ASSET_POLICY_SET_UP);
    ASSERT(json_array_size(json_object_get(rules, "allow")) > 0);
    json_decref(rules);
    json_decref(addresses);
}

static void fuzz_terms(struct fuzz *fuzz)
{
#define BASE                                                                                       \
    "\"asset\":5,\"name\":\"A "                                                                    \
    "Share\",\"symbol\":\"ASH\",\"decimals\":6,\"implementation_authority\":"                      \
    "\"0x1000000000000000000000000000000000000001\""
    static const char *const texts[] = {
        "{" BASE "}",
        "{" BASE ",\"open\":true,\"claim_topics\":[1,2],\"trusted_issuers\":[{\"issuer\":"
        "\"0x2000000000000000000000000000000000000002\",\"topics\":[1]}]}",
        "{" BASE
        ",\"modules\":[{\"module\":\"0x3000000000000000000000000000000000000003\",\"settings\":[{"
        "\"method\":\"setMaxBalance(uint256)\",\"arguments\":[\"1000\"]}]}],\"owner\":"
        "\"0x4000000000000000000000000000000000000004\"}",
        "{" BASE ",\"agents\":[\"0x5000000000000000000000000000000000000005\"],\"artifacts\":{"
                 "\"TokenProxy\":"
        "\"TokenProxy.json\"}}",
    };
    const struct asset_plan_place place = {
        .chain_id = 1, .deployer = {{1}}, .artifacts_folder = folder};
    char text[TEXT_MAX];
    struct refusal refusal;
    size_t planned = 0;

    for (uint64_t round = 0; round < fuzz->rounds / 20; round++) {
        draw_text(fuzz, text, texts, COUNT(texts));
        json_t *terms = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        memset(&refusal, 0, sizeof(refusal));
        json_t *plan = terms != NULL ? asset_plan_make(&refusal, terms, &place) : NULL;
        if (plan != NULL)
            carry_out(plan);
        else if (terms != NULL)
            json_decref(refusal_json(&refusal));
        planned += plan != NULL;
        json_decref(plan);
        json_decref(terms);
    }
    ASSERT(planned > 0);
}

// ---- callers

static void fuzz_callers(struct fuzz *fuzz)
{
    static const char *const texts[] = {
        "operator aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa *\nplatform "
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb read,mint\n",
        "# nobody\n\n",
    };
    static struct callers callers;
    char text[TEXT_MAX], error[CALLERS_ERROR_MAX];

    for (uint64_t round = 0; round < fuzz->rounds; round++) {
        draw_text(fuzz, text, texts, COUNT(texts));
        bool good = callers_parse(&callers, text, error);
        ASSERT(callers.count <= CALLERS_MAX && (good || callers.count == 0));
        for (size_t i = 0; i < callers.count; i++)
            ASSERT(callers.list[i].name[0] != '\0' &&
                   callers.list[i].operations < 1u << CALLER_OPERATION_COUNT);
    }
}

int main(int argc, char **argv)
{
    struct fuzz fuzz;
    char command[64];

    fuzz_begin(&fuzz, "asset_fuzz", argc, argv);
    ASSERT(mkdtemp(folder) != NULL);
    write_contracts();
    fuzz_abi(&fuzz);
    fuzz_artifacts(&fuzz);
    fuzz_terms(&fuzz);
    fuzz_callers(&fuzz);
    snprintf(command, sizeof(command), "rm -r %s", folder);
    ASSERT(system(command) == 0);
    printf("asset_fuzz: nothing broke\n");
    return 0;
}
