// lonja-asset: the operator's command line for new tokens on the chain. A client of the chain's
// service; what it does by itself is to write the signer's policy, when it is told to.
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "settlement/asset_client.h"
#include "settlement/asset_policy.h"
#include "supervisor/config_file.h"

enum { EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_WAITS = 3, POLL_MS = 250 };

static const char HELP[] =
    "Usage: lonja asset plan FILE\n"
    "       lonja asset deploy FILE --key KEY --flow ID --evidence TEXT [--extend-policy] "
    "[--no-wait]\n"
    "       lonja asset status [ID]\n"
    "       lonja asset resume ID [--extend-policy] [--no-wait]\n"
    "       lonja asset abandon ID --reason TEXT\n"
    "       lonja asset policy ID [--extend-policy]\n"
    "\n"
    "Deploys a token with its identity registry and compliance on the chain, one transaction after "
    "the\n"
    "other, and reads everything back (docs/assets.md). FILE holds the terms, JSON:\n"
    "\n"
    "  {\"asset\": 5, \"name\": \"Port of Palma Bond\", \"symbol\": \"PORT\", \"decimals\": 18,\n"
    "   \"implementation_authority\": \"0x…\", \"claim_topics\": [1],\n"
    "   \"trusted_issuers\": [{\"issuer\": \"0x…\", \"topics\": [1]}], \"open\": true}\n"
    "\n"
    "plan shows the steps, the hash of the terms and what the signer's policy must say; it "
    "changes\n"
    "nothing. deploy begins, or goes on with, what KEY names; the compiled contracts are looked "
    "for below\n"
    "settle.artifacts_folder. It waits until the deployment is done, stops, or awaits the "
    "signer's\n"
    "policy, which must name what is created and later what is called: then somebody extends it "
    "(policy\n"
    "shows the rules), and resume goes on. resume also tries a failed step again, with the same "
    "terms.\n"
    "abandon gives the whole suite up.\n"
    "\n"
    "  --key KEY         idempotency key: the same key is the same deployment, however often it is "
    "sent\n"
    "  --flow ID         the issuance that it is for\n"
    "  --evidence TEXT   what was decided, by whom; or JSON, which may name the approved "
    "terms_hash\n"
    "  --extend-policy   write sign.policy_file: first what the set-up needs, in the end what "
    "trading needs\n"
    "  --no-wait         do not wait\n"
    "  --config FILE     the configuration (default: $LONJA_CONFIG, else var/lonja.conf)\n"
    "  --json            print the service's whole answer\n"
    "\n"
    "Exit status: 0 done, 1 refused or failed (the message says why), 2 usage, 3 it waits for the "
    "policy.\n";

struct options {
    const char *config_path;
    const char *key;
    const char *flow;
    const char *evidence;
    const char *reason;
    bool extend_policy;
    bool no_wait;
    bool json;
};

struct asset {
    struct options options;
    struct config config;
    struct asset_client client;
    char url[CONFIG_TEXT_BYTES_MAX + 32];
    size_t shown; // steps that were said to be done
};

static int complain(const char *what)
{
    fprintf(stderr, "lonja asset: %s\n", what);
    return EXIT_FAILED;
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

// ---- the service

static int refused(const json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    const char *limit = text_of(error, "limit");
    const char *value = text_of(error, "value");

    fprintf(stderr, "lonja asset: %s%s%s: %s%s%s%s%s\n", text_of(error, "name"),
            text_of(error, "field")[0] != '\0' ? " " : "", text_of(error, "field"),
            text_of(error, "text"), limit[0] != '\0' ? ", limit " : "", limit,
            value[0] != '\0' ? ", seen " : "", value);
    return EXIT_FAILED;
}

// NULL after complaining.
static json_t *call(struct asset *asset, const char *path, const json_t *body)
{
    char error[ASSET_CLIENT_ERROR_MAX];
    json_t *answer;
    unsigned status =
        asset_client_call(&asset->client, &answer, path, body, asset->options.key, error);

    if (status >= 200 && status < 300)
        return answer;
    if (status == 0)
        complain(error);
    else
        refused(answer);
    json_decref(answer);
    return NULL;
}

// ---- what is shown

static void show_step(const json_t *step)
{
    printf("%3lld  %-32s %-10s %8lld gas  %s%s%s\n",
           (long long)json_integer_value(json_object_get(step, "step")) + 1, text_of(step, "name"),
           text_of(step, "state"), (long long)json_integer_value(json_object_get(step, "gas_used")),
           text_of(step, "tx_hash"), text_of(step, "contract")[0] != '\0' ? "\n       made " : "",
           text_of(step, "contract"));
    if (text_of(step, "reason")[0] != '\0')
        printf("       %s\n", text_of(step, "reason"));
}

static void show_state(const json_t *deployment)
{
    printf("deployment %lld of asset %lld: %s",
           (long long)json_integer_value(json_object_get(deployment, "deployment_id")),
           (long long)json_integer_value(json_object_get(deployment, "asset")),
           text_of(deployment, "state"));
    if (text_of(deployment, "failed_step")[0] != '\0')
        printf(" at %s", text_of(deployment, "failed_step"));
    if (text_of(deployment, "reason")[0] != '\0')
        printf(": %s", text_of(deployment, "reason"));
    printf("\n");
}

static void show_all(const struct asset *asset, const json_t *deployment)
{
    size_t index;
    json_t *step;

    if (asset->options.json) {
        json_dumpf(deployment, stdout, JSON_INDENT(2));
        printf("\n");
        return;
    }
    show_state(deployment);
    json_array_foreach(json_object_get(deployment, "steps"), index, step)
    {
        show_step(step);
    }
}

// The steps that were done since the last look.
static void show_progress(struct asset *asset, const json_t *deployment)
{
    const json_t *steps = json_object_get(deployment, "steps");

    for (; asset->shown < json_array_size(steps); asset->shown++) {
        const json_t *step = json_array_get(steps, asset->shown);
        if (strcmp(text_of(step, "state"), "completed") != 0)
            return;
        if (!asset->options.json)
            show_step(step);
    }
    fflush(stdout);
}

// ---- the signer's policy

static json_t *addresses_of(const json_t *deployment)
{
    json_t *addresses = json_object();
    json_t *contracts = json_object_get(deployment, "contracts");
    const char *name;
    json_t *made;

    json_object_foreach(contracts, name, made)
        json_object_set(addresses, name, json_object_get(made, "address"));
    return addresses;
}

static enum asset_policy_phase phase_of(const json_t *deployment)
{
    const char *state = text_of(deployment, "state");
    return strcmp(state, "deployed") == 0 || strcmp(state, "abandoned") == 0 ? ASSET_POLICY_TRADING
                                                                             : ASSET_POLICY_SET_UP;
}

static bool write_policy(const struct asset *asset, const json_t *deployment)
{
    char error[512];
    json_t *addresses = addresses_of(deployment);
    bool written =
        asset_policy_write(asset->config.sign_policy_file, json_object_get(deployment, "plan"),
                           addresses, phase_of(deployment), error, sizeof(error));

    json_decref(addresses);
    if (!written)
        complain(error);
    else
        fprintf(stderr, "lonja asset: %s says what the signer may do now\n",
                asset->config.sign_policy_file);
    return written;
}

static json_t *get_deployment(struct asset *asset, const char *id)
{
    char path[64];

    snprintf(path, sizeof(path), "/api/v1/deployments/%.20s", id);
    return call(asset, path, NULL);
}

// ---- waiting

static json_t *resume(struct asset *asset, const char *id)
{
    char path[64];
    json_t *body = json_object();

    snprintf(path, sizeof(path), "/api/v1/deployments/%.20s/resume", id);
    json_t *answer = call(asset, path, body);
    json_decref(body);
    return answer;
}

static int ends(struct asset *asset, const json_t *deployment)
{
    const char *state = text_of(deployment, "state");

    if (strcmp(state, "deployed") == 0) {
        bool closed = !asset->options.extend_policy || write_policy(asset, deployment);
        show_all(asset, deployment);
        return closed ? 0 : EXIT_FAILED;
    }
    show_all(asset, deployment);
    return strcmp(state, "awaiting_policy") == 0 ? EXIT_WAITS : EXIT_FAILED;
}

// The policy is extended, and it goes on; false: it does not.
static bool goes_on(struct asset *asset, const json_t *deployment, const char *id)
{
    if (strcmp(text_of(deployment, "state"), "awaiting_policy") != 0 ||
        !asset->options.extend_policy || !write_policy(asset, deployment))
        return false;
    json_t *resumed = resume(asset, id);
    json_decref(resumed);
    return resumed != NULL;
}

static int follow(struct asset *asset, const char *id)
{
    for (;;) {
        json_t *deployment = get_deployment(asset, id);
        if (deployment == NULL)
            return EXIT_FAILED;
        show_progress(asset, deployment);
        bool runs = strcmp(text_of(deployment, "state"), "running") == 0;
        if (asset->options.no_wait || (!runs && !goes_on(asset, deployment, id))) {
            int status = asset->options.no_wait && runs ? 0 : ends(asset, deployment);
            json_decref(deployment);
            return status;
        }
        json_decref(deployment);
        usleep(POLL_MS * 1000);
    }
}

// ---- commands

static json_t *load_terms(const char *path)
{
    json_error_t error;
    json_t *terms = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

    if (terms == NULL && error.line < 0) // not read at all: the text names the file
        fprintf(stderr, "lonja asset: %s\n", error.text);
    else if (terms == NULL)
        fprintf(stderr, "lonja asset: %s: line %d: %s\n", path, error.line, error.text);
    return terms;
}

static int command_plan(struct asset *asset, const char *path)
{
    json_t *terms = load_terms(path);
    json_t *body = terms != NULL ? json_pack("{s:o}", "terms", terms) : NULL;
    json_t *answer = body != NULL ? call(asset, "/api/v1/deploy/plan", body) : NULL;

    json_decref(body);
    if (answer == NULL)
        return EXIT_FAILED;
    json_dumpf(answer, stdout, JSON_INDENT(2));
    printf("\n");
    json_decref(answer);
    return 0;
}

static json_t *evidence_of(const char *text)
{
    json_t *evidence = json_loads(text, 0, NULL);
    return json_is_object(evidence) ? evidence : json_pack("{s:s}", "decided", text);
}

static json_t *deploy_body(const struct options *options, const char *path)
{
    json_t *terms = load_terms(path);

    return terms == NULL
               ? NULL
               : json_pack("{s:o, s:{s:s, s:s}, s:o}", "terms", terms, "flow", "kind", "issuance",
                           "id", options->flow, "evidence", evidence_of(options->evidence));
}

static bool number_of(char id[24], const json_t *deployment)
{
    snprintf(id, 24, "%lld",
             (long long)json_integer_value(json_object_get(deployment, "deployment_id")));
    return strcmp(id, "0") != 0;
}

static int command_deploy(struct asset *asset, const char *path)
{
    const struct options *options = &asset->options;
    char id[24];

    if (options->key == NULL || options->flow == NULL || options->evidence == NULL) {
        fputs(HELP, stderr);
        return EXIT_USAGE;
    }
    json_t *body = deploy_body(options, path);
    json_t *deployment = body != NULL ? call(asset, "/api/v1/deploy", body) : NULL;
    json_decref(body);
    if (deployment == NULL)
        return EXIT_FAILED;
    bool numbered = number_of(id, deployment);
    json_decref(deployment);
    return numbered ? follow(asset, id) : complain("the service's answer names no deployment");
}

static int command_status(struct asset *asset, const char *id)
{
    size_t index;
    json_t *deployment;
    json_t *answer =
        id != NULL ? get_deployment(asset, id) : call(asset, "/api/v1/deployments", NULL);

    if (answer == NULL)
        return EXIT_FAILED;
    if (id != NULL)
        show_all(asset, answer);
    json_array_foreach(json_object_get(answer, "deployments"), index, deployment)
    {
        show_state(deployment);
    }
    json_decref(answer);
    return 0;
}

static int command_resume(struct asset *asset, const char *id)
{
    json_t *deployment = get_deployment(asset, id);
    bool good =
        deployment != NULL && (!asset->options.extend_policy || write_policy(asset, deployment));

    json_decref(deployment);
    json_t *resumed = good ? resume(asset, id) : NULL;
    json_decref(resumed);
    return resumed != NULL ? follow(asset, id) : EXIT_FAILED;
}

static int command_abandon(struct asset *asset, const char *id)
{
    char path[64];

    if (asset->options.reason == NULL) {
        fputs(HELP, stderr);
        return EXIT_USAGE;
    }
    snprintf(path, sizeof(path), "/api/v1/deployments/%.20s/abandon", id);
    json_t *body = json_pack("{s:s}", "reason", asset->options.reason);
    json_t *answer = body != NULL ? call(asset, path, body) : NULL;
    json_decref(body);
    if (answer != NULL)
        show_state(answer);
    json_decref(answer);
    return answer != NULL ? 0 : EXIT_FAILED;
}

static int command_policy(struct asset *asset, const char *id)
{
    json_t *deployment = get_deployment(asset, id);
    int status = EXIT_FAILED;

    if (deployment == NULL)
        return status;
    json_t *addresses = addresses_of(deployment);
    json_t *rules =
        asset_policy_rules(json_object_get(deployment, "plan"), addresses, phase_of(deployment));
    json_dumpf(rules, stdout, JSON_INDENT(2));
    printf("\n");
    if (!asset->options.extend_policy || write_policy(asset, deployment))
        status = 0;
    json_decref(rules);
    json_decref(addresses);
    json_decref(deployment);
    return status;
}

// ---- the command line

static bool parse(struct options *options, int count, char **words)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"flow", required_argument, NULL, 'f'},
        {"evidence", required_argument, NULL, 'e'},
        {"reason", required_argument, NULL, 'r'},
        {"extend-policy", no_argument, NULL, 'x'},
        {"no-wait", no_argument, NULL, 'n'},
        {"json", no_argument, NULL, 'j'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(count, words, "", known, NULL)) != -1) {
        if (option == 'c')
            options->config_path = optarg;
        else if (option == 'k')
            options->key = optarg;
        else if (option == 'f')
            options->flow = optarg;
        else if (option == 'e')
            options->evidence = optarg;
        else if (option == 'r')
            options->reason = optarg;
        else if (option == 'x')
            options->extend_policy = true;
        else if (option == 'n')
            options->no_wait = true;
        else if (option == 'j')
            options->json = true;
        else
            return false;
    }
    return true;
}

static bool open_asset(struct asset *asset)
{
    const char *variable = getenv("LONJA_CONFIG");
    const char *path = asset->options.config_path != NULL ? asset->options.config_path
                       : variable != NULL                 ? variable
                                                          : "var/lonja.conf";
    char error[ASSET_CLIENT_ERROR_MAX];

    if (config_file_read(&asset->config, path, stderr) > 0) {
        complain("the configuration is refused");
        return false;
    }
    snprintf(asset->url, sizeof(asset->url), "http://%s:%lld", asset->config.settle_address,
             (long long)asset->config.settle_port);
    asset->client.url = asset->url;
    if (asset_client_token(&asset->client, asset->config.settle_callers_file, "operator", error))
        return true;
    complain(error);
    return false;
}

typedef int command_fn(struct asset *asset, const char *argument);

static int run(struct asset *asset, const char *word, const char *argument)
{
    static const struct {
        const char *word;
        command_fn *command;
        bool needs_argument;
    } commands[] = {{"plan", command_plan, true},       {"deploy", command_deploy, true},
                    {"status", command_status, false},  {"resume", command_resume, true},
                    {"abandon", command_abandon, true}, {"policy", command_policy, true}};

    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].word, word) == 0 &&
            (argument != NULL || !commands[i].needs_argument))
            return open_asset(asset) ? commands[i].command(asset, argument) : EXIT_USAGE;
    fputs(HELP, stderr);
    return EXIT_USAGE;
}

int main(int count, char **words)
{
    static struct asset asset;

    if (count > 1 && (strcmp(words[1], "--help") == 0 || strcmp(words[1], "-h") == 0)) {
        fputs(HELP, stdout);
        return 0;
    }
    if (!parse(&asset.options, count, words) || optind >= count || count - optind > 2) {
        fputs(HELP, stderr);
        return EXIT_USAGE;
    }
    return run(&asset, words[optind], count - optind == 2 ? words[optind + 1] : NULL);
}
