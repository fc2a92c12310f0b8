#include "chain/rpc_agree.h"

#include "chain/hex.h"
#include "chain/node.h"

#include <string.h>
#include <strings.h>

static bool is(const char *method, const char *name)
{
    return strcmp(method, name) == 0;
}

enum rpc_kind rpc_kind_of(const char *method)
{
    static const struct {
        const char *method;
        enum rpc_kind kind;
    } kinds[] = {
        {"eth_getTransactionReceipt", RPC_KIND_DECIDES}, /* mined, what moved */
        {"eth_getBlockByNumber", RPC_KIND_DECIDES}, /* which block is at a height, what is in it */
        {"eth_getBlockByHash", RPC_KIND_DECIDES},
        {"eth_getTransactionCount", RPC_KIND_DECIDES}, /* which nonce is used */
        {"eth_call", RPC_KIND_DECIDES},                /* evidence */
        {"eth_getCode", RPC_KIND_DECIDES},             /* is there a contract */
        {"eth_getLogs", RPC_KIND_DECIDES},             /* what others moved */
        {"eth_estimateGas", RPC_KIND_DECIDES},         /* a revert fails the trade */
        {"eth_simulateV1", RPC_KIND_DECIDES},
        {"eth_blockNumber", RPC_KIND_HEAD},
        {"eth_chainId", RPC_KIND_CHAIN},
        {"eth_sendRawTransaction", RPC_KIND_BROADCAST},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (is(method, kinds[i].method))
            return kinds[i].kind;
    return RPC_KIND_PLAIN;
}

int rpc_block_parameter(const char *method)
{
    if (is(method, "eth_getBlockByNumber"))
        return 0;
    if (is(method, "eth_call") || is(method, "eth_getCode") ||
        is(method, "eth_getTransactionCount") || is(method, "eth_simulateV1"))
        return 1;
    return -1;
}

bool rpc_number_of(uint64_t *number, const json_t *value)
{
    const char *text =
        json_string_value(json_is_object(value) ? json_object_get(value, "number") : value);
    return text != NULL && hex_quantity_u64(number, text);
}

/* ---- shapes
 * ----------------------------------------------------------------------------------------- */

static bool is_number(const json_t *value)
{
    chain_uint128 number;
    const char *text = json_string_value(value);
    return text != NULL && hex_quantity_u128(&number, text);
}

static bool is_bytes(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && strncmp(text, "0x", 2) == 0 && strlen(text) % 2 == 0 &&
           strspn(text + 2, "0123456789abcdefABCDEF") == strlen(text + 2);
}

static bool is_number_or_nothing_of(const json_t *value, const char *key)
{
    const json_t *number = json_object_get(value, key);
    return number == NULL || json_is_null(number) || is_number(number);
}

static bool is_block(const json_t *value)
{
    return json_is_null(value) || (is_number(json_object_get(value, "number")) &&
                                   is_bytes(json_object_get(value, "hash")));
}

static bool is_transaction(const json_t *value)
{
    return json_is_null(value) ||
           (json_is_object(value) && is_number_or_nothing_of(value, "blockNumber"));
}

static bool is_receipt(const json_t *value)
{
    return json_is_null(value) || (is_number(json_object_get(value, "blockNumber")) &&
                                   is_bytes(json_object_get(value, "transactionHash")) &&
                                   json_is_array(json_object_get(value, "logs")));
}

static bool is_fees(const json_t *value)
{
    return json_array_size(json_object_get(value, "baseFeePerGas")) > 0;
}

static bool is_list(const json_t *value)
{
    return json_is_array(value);
}

bool rpc_has_shape(const char *method, const json_t *result)
{
    static const struct {
        const char *method;
        bool (*is)(const json_t *value);
    } shapes[] = {
        {"eth_chainId", is_number},
        {"eth_blockNumber", is_number},
        {"eth_getTransactionCount", is_number},
        {"eth_getBalance", is_number},
        {"eth_estimateGas", is_number},
        {"eth_call", is_bytes},
        {"eth_getCode", is_bytes},
        {"eth_sendRawTransaction", is_bytes},
        {"eth_feeHistory", is_fees},
        {"eth_getBlockByNumber", is_block},
        {"eth_getBlockByHash", is_block},
        {"eth_getTransactionByHash", is_transaction},
        {"eth_getTransactionReceipt", is_receipt},
        {"eth_getLogs", is_list},
        {"eth_simulateV1", is_list},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        if (is(method, shapes[i].method))
            return shapes[i].is(result);
    return true;
}

/* ---- equal in what counts
 * --------------------------------------------------------------------------- */

static bool text_equal(const json_t *a, const json_t *b)
{
    const char *text_a = json_string_value(a);
    const char *text_b = json_string_value(b);
    return text_a != NULL && text_b != NULL && strcasecmp(text_a, text_b) == 0;
}

static bool members_equal(const json_t *a, const json_t *b, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        if (!text_equal(json_object_get(a, *keys), json_object_get(b, *keys)))
            return false;
    return true;
}

typedef bool (*equal_fn)(const json_t *a, const json_t *b);

static bool arrays_equal(const json_t *a, const json_t *b, equal_fn equal)
{
    if (!json_is_array(a) || !json_is_array(b) || json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!equal(json_array_get(a, i), json_array_get(b, i)))
            return false;
    return true;
}

static bool log_equal(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"address", "data", "logIndex", NULL};
    return members_equal(a, b, keys) &&
           arrays_equal(json_object_get(a, "topics"), json_object_get(b, "topics"), text_equal);
}

/* A log that stands alone says where it is from. */
static bool placed_log_equal(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"blockHash", "blockNumber", "transactionHash", NULL};
    return members_equal(a, b, keys) && log_equal(a, b);
}

/* Of a contract that was created; null where none was. */
static bool creation_equal(const json_t *a, const json_t *b)
{
    const json_t *created_a = json_object_get(a, "contractAddress");
    const json_t *created_b = json_object_get(b, "contractAddress");
    return json_is_string(created_a) == json_is_string(created_b) &&
           (!json_is_string(created_a) || text_equal(created_a, created_b));
}

/* A price on top of the gas, of an OP stack. A provider that leaves it out contradicts nobody. */
static bool l1_fee_equal(const json_t *a, const json_t *b)
{
    const json_t *fee_a = json_object_get(a, "l1Fee");
    const json_t *fee_b = json_object_get(b, "l1Fee");
    return !json_is_string(fee_a) || !json_is_string(fee_b) || text_equal(fee_a, fee_b);
}

static bool receipt_equal(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"transactionHash",   "status",  "blockHash", "blockNumber",
                                       "effectiveGasPrice", "gasUsed", NULL};
    return members_equal(a, b, keys) && creation_equal(a, b) && l1_fee_equal(a, b) &&
           arrays_equal(json_object_get(a, "logs"), json_object_get(b, "logs"), log_equal);
}

/* Hashes, or whole transactions where they were asked for. */
static bool transaction_equal(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"hash", "from", "nonce", NULL};
    return json_is_object(a) ? members_equal(a, b, keys) : text_equal(a, b);
}

static bool block_equal(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"number", "hash", "parentHash", "timestamp", NULL};
    return members_equal(a, b, keys) &&
           arrays_equal(json_object_get(a, "transactions"), json_object_get(b, "transactions"),
                        transaction_equal);
}

static bool simulated_call_equal(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"status", "returnData", NULL};
    return members_equal(a, b, keys);
}

static bool simulated_block_equal(const json_t *a, const json_t *b)
{
    return arrays_equal(json_object_get(a, "calls"), json_object_get(b, "calls"),
                        simulated_call_equal);
}

static bool simulation_equal(const json_t *a, const json_t *b)
{
    return arrays_equal(a, b, simulated_block_equal);
}

static bool logs_equal(const json_t *a, const json_t *b)
{
    return arrays_equal(a, b, placed_log_equal);
}

static equal_fn equal_of(const char *method)
{
    if (is(method, "eth_getTransactionReceipt"))
        return receipt_equal;
    if (is(method, "eth_getBlockByNumber") || is(method, "eth_getBlockByHash"))
        return block_equal;
    if (is(method, "eth_getLogs"))
        return logs_equal;
    if (is(method, "eth_simulateV1"))
        return simulation_equal;
    return text_equal;
}

/* ---- agreement
 * -------------------------------------------------------------------------------------- */

static bool asks_at(const char *method, const json_t *params, const char *tag)
{
    int at = rpc_block_parameter(method);
    const char *text = at < 0 ? NULL : json_string_value(json_array_get(params, (size_t)at));
    return text != NULL && is(text, tag);
}

bool rpc_asks_for_final(const char *method, const json_t *params)
{
    return is(method, "eth_getBlockByNumber") &&
           (asks_at(method, params, "finalized") || asks_at(method, params, "safe"));
}

/* Both may be right, and neither knows better. */
static bool may_differ(const char *method, const json_t *params)
{
    return is(method, "eth_estimateGas") || asks_at(method, params, "pending") ||
           rpc_asks_for_final(method, params);
}

/* One has it, in a block that the other has not come to. */
static enum rpc_agreement one_is_null(const json_t *there, uint64_t head_of_other)
{
    uint64_t block;
    const json_t *number = json_object_get(there, "blockNumber");
    if (!rpc_number_of(&block, number != NULL ? number : there))
        return RPC_DIFFER;
    return head_of_other != 0 && head_of_other < block ? RPC_BEHIND : RPC_DIFFER;
}

enum rpc_agreement rpc_agreement_of(const char *method, const json_t *params,
                                    const struct rpc_reply *a, uint64_t head_a,
                                    const struct rpc_reply *b, uint64_t head_b)
{
    if (a->status != RPC_OK || b->status != RPC_OK)
        return node_classify(a) == node_classify(b) ? RPC_AGREE : RPC_DIFFER;
    bool null_a = json_is_null(a->result);
    bool null_b = json_is_null(b->result);
    if ((null_a && null_b) || may_differ(method, params))
        return RPC_AGREE;
    if (null_a)
        return one_is_null(b->result, head_a);
    if (null_b)
        return one_is_null(a->result, head_b);
    return equal_of(method)(a->result, b->result) ? RPC_AGREE : RPC_DIFFER;
}

bool rpc_second_is_cautious(const char *method, const json_t *params, const struct rpc_reply *a,
                            const struct rpc_reply *b)
{
    uint64_t number_a, number_b;
    if (a->status != RPC_OK || b->status != RPC_OK || !may_differ(method, params))
        return false;
    if (!rpc_number_of(&number_a, a->result)) /* nothing is final; or an answer that is none */
        return false;
    if (!rpc_number_of(&number_b, b->result))
        return true;
    return is(method, "eth_estimateGas") ? number_b > number_a : number_b < number_a;
}
