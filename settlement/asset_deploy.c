#include "settlement/asset_deploy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "chain/abi_text.h"
#include "settlement/asset_plan.h"
#include "settlement/asset_store.h"

enum { RUNNING_MAX = 64, ANSWER_BYTES_MAX = 16384 };

static const char *text_of(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static bool is(const struct asset_step_row *row, const char *state)
{
    return strcmp(row->state, state) == 0;
}

// A request that ended without doing what it was for.
static bool has_failed(const struct asset_step_row *row)
{
    return is(row, "reverted") || is(row, "rejected") || is(row, "cancelled") || is(row, "dropped");
}

// {STEP: address} of the contracts that are there.
static json_t *addresses_of(const struct asset_deployment *deployment)
{
    json_t *addresses = json_object();

    for (size_t i = 0; i < deployment->count; i++)
        if (is(&deployment->rows[i], "confirmed") && deployment->rows[i].made[0] != '\0')
            json_object_set_new(addresses, text_of(json_array_get(deployment->steps, i), "name"),
                                json_string(deployment->rows[i].made));
    return addresses;
}

// ---- reading back

struct difference {
    bool node_failed; // nothing is known
    bool found;
    char text[ASSET_REASON_MAX];
};

static void differs(struct difference *out, const json_t *check, const uint8_t *answer, size_t len)
{
    char found[HEX_TEXT_SIZE(96)];
    char *expected = json_dumps(json_object_get(check, "expected"), JSON_COMPACT);

    hex_encode(found, answer, len < 96 ? len : 96);
    out->found = true;
    snprintf(out->text, sizeof(out->text), "%s: %.100s expected, the chain answers %s%s",
             text_of(check, "what"), expected, found, len > 96 ? "…" : "");
    free(expected);
}

static ssize_t encode(uint8_t *out, size_t max, const json_t *check, const char *values_name,
                      const json_t *addresses, char error[ABI_TEXT_ERROR_MAX])
{
    json_t *values = asset_plan_resolve(json_object_get(check, values_name), addresses);
    ssize_t len = -1;

    snprintf(error, ABI_TEXT_ERROR_MAX, "a contract is not there");
    if (values != NULL)
        len = strcmp(values_name, "values") == 0
                  ? abi_text_call(out, max, text_of(check, "method"), values, error)
                  : abi_text_arguments(out, max, text_of(check, "types"), values, error);
    json_decref(values);
    return len;
}

static bool contract_of(struct chain_address *out, const json_t *check, const json_t *addresses)
{
    json_t *address = asset_plan_resolve(json_object_get(check, "contract"), addresses);
    bool there = address != NULL && address_parse(out, json_string_value(address));

    json_decref(address);
    return there;
}

// The answer must be, byte for byte, the encoding of what is expected.
static void read_back_one(struct asset_deploy *deploy, struct difference *out, const json_t *check,
                          const json_t *addresses, uint64_t block)
{
    static uint8_t answer[ANSWER_BYTES_MAX];
    static uint8_t expected[ANSWER_BYTES_MAX];
    uint8_t calldata[256];
    char error[ABI_TEXT_ERROR_MAX] = "the contract is not there";
    struct node_message message = {.calldata = calldata};
    size_t len = sizeof(answer);
    ssize_t calldata_len = encode(calldata, sizeof(calldata), check, "values", addresses, error);
    ssize_t expected_len = encode(expected, sizeof(expected), check, "expected", addresses, error);

    if (calldata_len < 0 || expected_len < 0 || !contract_of(&message.to, check, addresses)) {
        out->found = true;
        snprintf(out->text, sizeof(out->text), "%s: %s", text_of(check, "what"), error);
        return;
    }
    message.calldata_len = (size_t)calldata_len;
    enum node_result result = node_call(deploy->node, answer, &len, &message, block);
    if (result == NODE_REVERTED)
        differs(out, check, NULL, 0);
    else if (result != NODE_OK)
        out->node_failed = true;
    else if (len != (size_t)expected_len || memcmp(answer, expected, len) != 0)
        differs(out, check, answer, len);
}

static bool read_back(struct asset_deploy *deploy, const struct asset_deployment *deployment)
{
    json_t *addresses = addresses_of(deployment);
    struct difference difference = {0};
    uint64_t block = 0;
    size_t index;
    json_t *check;
    bool moved = false;

    difference.node_failed = node_block_number(deploy->node, &block) != NODE_OK;
    json_array_foreach(deployment->checks, index, check)
    {
        if (!difference.node_failed && !difference.found)
            read_back_one(deploy, &difference, check, addresses, block);
    }
    if (difference.found)
        moved =
            asset_store_fail(deploy->pg, deployment->deployment_id, "read_back", difference.text);
    else if (!difference.node_failed)
        moved = asset_store_finish(deploy->pg, deployment, deploy->chain_id,
                                   text_of(addresses, "token"),
                                   text_of(addresses, "identity_registry"), block);
    if (moved && !difference.found)
        log_info("deployed deployment=%lld token=%s block=%llu",
                 (long long)deployment->deployment_id, text_of(addresses, "token"),
                 (unsigned long long)block);
    json_decref(addresses);
    return moved;
}

// ---- steps

static bool policy_names(const struct asset_deployment *deployment, const json_t *step)
{
    const char *needed = asset_plan_needs(step);

    if (needed == NULL)
        return true;
    for (size_t i = 0; i < deployment->count; i++)
        if (strcmp(text_of(json_array_get(deployment->steps, i), "name"), needed) == 0)
            return deployment->rows[i].acknowledged;
    return true;
}

static bool begin_step(struct asset_deploy *deploy, const struct asset_deployment *deployment,
                       size_t number)
{
    const json_t *step = json_array_get(deployment->steps, number);
    char contract[ADDRESS_TEXT_SIZE];
    char error[ASSET_REASON_MAX];
    bool moved;

    if (!deployment->is_draft)
        return asset_store_fail(deploy->pg, deployment->deployment_id, text_of(step, "name"),
                                "token_not_draft");
    if (!policy_names(deployment, step))
        return asset_store_await_policy(deploy->pg, deployment->deployment_id);
    json_t *addresses = addresses_of(deployment);
    json_t *arguments = asset_plan_arguments(contract, step, addresses, error, sizeof(error));
    if (arguments == NULL)
        moved =
            asset_store_fail(deploy->pg, deployment->deployment_id, text_of(step, "name"), error);
    else
        moved = asset_store_begin_step(deploy->pg, deployment, number, text_of(step, "operation"),
                                       contract, arguments, deploy->chain_id);
    json_decref(addresses);
    json_decref(arguments);
    return moved;
}

// M18: the next step needs code at the address. A node that lags has none yet: it is asked again.
static bool has_code(struct asset_deploy *deploy, const struct asset_step_row *row)
{
    struct chain_address contract;
    uint64_t block;
    bool there = false;

    if (row->made[0] == '\0')
        return true;
    ASSERT(address_parse(&contract, row->made));
    return node_block_number(deploy->node, &block) == NODE_OK &&
           node_has_code(deploy->node, &there, &contract, block) == NODE_OK && there;
}

static bool advance(struct asset_deploy *deploy, const struct asset_deployment *deployment)
{
    size_t at = 0;

    while (at < deployment->count && is(&deployment->rows[at], "confirmed"))
        at++;
    if (at > 0 && !deployment->rows[at - 1].noted &&
        (!has_code(deploy, &deployment->rows[at - 1]) ||
         !asset_store_confirm_step(deploy->pg, deployment, at - 1)))
        return false;
    if (at == deployment->count)
        return read_back(deploy, deployment);
    const struct asset_step_row *row = &deployment->rows[at];
    if (row->request_id == 0)
        return begin_step(deploy, deployment, at);
    if (has_failed(row))
        return asset_store_fail(deploy->pg, deployment->deployment_id,
                                text_of(json_array_get(deployment->steps, at), "name"),
                                row->reason[0] != '\0' ? row->reason : row->state);
    return false;
}

size_t asset_deploy_do_work(struct asset_deploy *deploy)
{
    int64_t ids[RUNNING_MAX];
    size_t count;
    size_t moved = 0;

    if (!asset_store_running(deploy->pg, ids, &count, RUNNING_MAX, deploy->chain_id))
        return 0;
    for (size_t i = 0; i < count; i++) {
        struct asset_deployment deployment;
        bool found;
        if (!asset_store_load(deploy->pg, &deployment, &found, ids[i]))
            return moved;
        if (found && advance(deploy, &deployment))
            moved++;
        asset_deployment_fini(&deployment);
    }
    return moved;
}
