#include "chain/node.h"

#include "chain/abi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *node_result_text(enum node_result result)
{
    static const char *const texts[] = {
        [NODE_OK] = "ok",
        [NODE_UNREACHABLE] = "node_unreachable",
        [NODE_GARBAGE] = "node_garbage",
        [NODE_ALREADY_KNOWN] = "already_known",
        [NODE_NONCE_TOO_LOW] = "nonce_too_low",
        [NODE_NONCE_TOO_HIGH] = "nonce_too_high",
        [NODE_UNDERPRICED] = "underpriced",
        [NODE_INSUFFICIENT_FUNDS] = "insufficient_funds",
        [NODE_GAS_REFUSED] = "gas_refused",
        [NODE_REVERTED] = "reverted",
        [NODE_UNFIT] = "contract_answers_unusable",
        [NODE_TOO_WIDE] = "amount_above_128_bits",
        [NODE_DISAGREE] = "endpoints_disagree",
        [NODE_REFUSED] = "node_refused",
    };
    return texts[result];
}

void node_init(struct node *node, const struct rpc_ops *rpc)
{
    *node = (struct node){.rpc = *rpc};
}

void node_fini(struct node *node)
{
    node->rpc.close(node->rpc.context);
}

/* The words of anvil 1.7, hardhat 2, geth 1.13 and Nethermind; the first that is contained decides,
 * whatever its case. "nonce too low" stands before the fees because hardhat's sentence has both. */
static const struct {
    const char *words;
    enum node_result result;
} known_words[] = {
    {"already known", NODE_ALREADY_KNOWN},
    {"already imported", NODE_ALREADY_KNOWN},
    {"alreadyknown", NODE_ALREADY_KNOWN},
    {"known transaction", NODE_ALREADY_KNOWN},
    {"nonce too low", NODE_NONCE_TOO_LOW},
    {"nonce is too low", NODE_NONCE_TOO_LOW},
    {"oldnonce", NODE_NONCE_TOO_LOW},
    {"nonce too high", NODE_NONCE_TOO_HIGH},
    {"underpriced", NODE_UNDERPRICED},
    {"less than block base fee", NODE_UNDERPRICED},
    {"too low for the next block", NODE_UNDERPRICED},
    {"feetoolow", NODE_UNDERPRICED},
    {"insufficient funds", NODE_INSUFFICIENT_FUNDS},
    {"enough funds", NODE_INSUFFICIENT_FUNDS},
    {"intrinsic gas", NODE_GAS_REFUSED},
    {"gas limit", NODE_GAS_REFUSED},
    {"gas too low", NODE_GAS_REFUSED},
    {"out of gas", NODE_GAS_REFUSED},
    {"outofgas", NODE_GAS_REFUSED},
    {"gas cap", NODE_GAS_REFUSED},
    {"requires at least", NODE_GAS_REFUSED},
    {"revert", NODE_REVERTED},
};

#define CODE_REVERTED 3 /* geth's, and anvil's */

enum node_result node_classify(const struct rpc_reply *reply)
{
    if (reply->status == RPC_OK)
        return NODE_OK;
    if (reply->status == RPC_TRANSPORT || reply->status == RPC_LIMITED)
        return NODE_UNREACHABLE;
    if (reply->status == RPC_DISAGREE)
        return NODE_DISAGREE;
    if (reply->status == RPC_GARBAGE)
        return NODE_GARBAGE;
    if (reply->code == CODE_REVERTED || (reply->has_revert_data && reply->revert_len > 0))
        return NODE_REVERTED;
    for (size_t i = 0; i < sizeof(known_words) / sizeof(known_words[0]); i++)
        if (strcasestr(reply->message, known_words[i].words) != NULL)
            return known_words[i].result;
    return NODE_REFUSED;
}

static enum node_result count_failure(struct node *node, enum node_result result)
{
    node->counters.failures[result]++;
    return result;
}

static void keep_error(struct node *node, const struct rpc_reply *reply)
{
    node->error.code = reply->code;
    memcpy(node->error.message, reply->message, sizeof(node->error.message));
    node->error.reason[0] = '\0';
    if (reply->has_revert_data)
        abi_revert_reason(node->error.reason, sizeof(node->error.reason), reply->revert,
                          reply->revert_len);
}

/* Calls and classifies; on NODE_OK the caller owns `result`. */
static enum node_result call(struct node *node, json_t **result, const char *method, json_t *params)
{
    *result = NULL;
    node->counters.calls++;
    node->error = (struct node_error){0};
    if (params == NULL) {
        snprintf(node->error.message, sizeof(node->error.message), "out of memory");
        return count_failure(node, NODE_UNREACHABLE);
    }
    struct rpc_reply reply;
    node->rpc.call(node->rpc.context, &reply, method, params);
    enum node_result class = node_classify(&reply);
    if (class != NODE_OK) {
        keep_error(node, &reply);
        rpc_reply_fini(&reply);
        return count_failure(node, class);
    }
    *result = reply.result;
    return NODE_OK;
}

/* Ends a call whose result was read: `usable` says whether it had the expected shape. */
static enum node_result finish(struct node *node, json_t *result, bool usable, const char *method)
{
    json_decref(result);
    if (usable)
        return NODE_OK;
    snprintf(node->error.message, sizeof(node->error.message), "unusable answer to %s", method);
    return count_failure(node, NODE_GARBAGE);
}

static bool json_u64(uint64_t *out, const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && hex_quantity_u64(out, text);
}

static bool member_u64(uint64_t *out, const json_t *object, const char *key)
{
    return json_u64(out, json_object_get(object, key));
}

static bool member_u32(uint32_t *out, const json_t *object, const char *key)
{
    uint64_t wide;
    if (!member_u64(&wide, object, key) || wide > UINT32_MAX)
        return false;
    *out = (uint32_t)wide;
    return true;
}

static bool json_hash(struct chain_hash *out, const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && hex_decode_exact(out->bytes, sizeof(out->bytes), text);
}

static bool member_hash(struct chain_hash *out, const json_t *object, const char *key)
{
    return json_hash(out, json_object_get(object, key));
}

static json_t *bytes_json(const uint8_t *bytes, size_t len)
{
    char *text = malloc(HEX_TEXT_SIZE(len));
    if (text == NULL)
        return NULL;
    hex_encode(text, bytes, len);
    json_t *json = json_string(text);
    free(text);
    return json;
}

static json_t *block_json(uint64_t at)
{
    if (at == NODE_LATEST)
        return json_string("latest");
    if (at == NODE_PENDING)
        return json_string("pending");
    if (at == NODE_FINALIZED)
        return json_string("finalized");
    char text[HEX_QUANTITY_SIZE];
    hex_quantity(text, at);
    return json_string(text);
}

static enum node_result call_u64(struct node *node, uint64_t *out, const char *method,
                                 json_t *params)
{
    json_t *result;
    enum node_result called = call(node, &result, method, params);
    if (called != NODE_OK)
        return called;
    return finish(node, result, json_u64(out, result), method);
}

enum node_result node_chain_id(struct node *node, uint64_t *chain_id)
{
    return call_u64(node, chain_id, "eth_chainId", json_array());
}

enum node_result node_block_number(struct node *node, uint64_t *number)
{
    return call_u64(node, number, "eth_blockNumber", json_array());
}

static bool read_block(struct node_block *out, const json_t *json)
{
    return member_u64(&out->number, json, "number") &&
           member_u64(&out->timestamp_s, json, "timestamp") &&
           member_u64(&out->base_fee_wei, json, "baseFeePerGas") &&
           member_u64(&out->gas_limit, json, "gasLimit") &&
           member_u64(&out->gas_used, json, "gasUsed") && member_hash(&out->hash, json, "hash") &&
           member_hash(&out->parent_hash, json, "parentHash");
}

enum node_result node_get_block(struct node *node, struct node_block *block, uint64_t at)
{
    static const char method[] = "eth_getBlockByNumber";
    json_t *result;
    enum node_result called = call(node, &result, method, json_pack("[o, b]", block_json(at), 0));
    if (called != NODE_OK)
        return called;
    block->found = !json_is_null(result);
    return finish(node, result, !block->found || read_block(block, result), method);
}

/* The median of the blocks' own medians (the one percentile that was asked for), empty blocks left
 * out: they report a reward of zero. */
static bool median_reward(uint64_t *out, const json_t *rewards)
{
    uint64_t sorted[16];
    size_t count = 0;
    size_t index;
    json_t *block;
    json_array_foreach(rewards, index, block)
    {
        uint64_t reward;
        if (!json_u64(&reward, json_array_get(block, 0)) || count == 16)
            return false;
        if (reward == 0)
            continue;
        size_t at = count++;
        for (; at > 0 && sorted[at - 1] > reward; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = reward;
    }
    *out = count == 0 ? 0 : sorted[count / 2];
    return true;
}

enum node_result node_get_fees(struct node *node, struct node_fees *fees)
{
    static const char method[] = "eth_feeHistory";
    json_t *result;
    enum node_result called =
        call(node, &result, method, json_pack("[s, s, [i]]", "0x5", "latest", 50));
    if (called != NODE_OK)
        return called;
    const json_t *base_fees = json_object_get(result, "baseFeePerGas");
    size_t count = json_array_size(base_fees);
    bool usable = count > 0 &&
                  json_u64(&fees->base_fee_wei, json_array_get(base_fees, count - 1)) &&
                  median_reward(&fees->priority_fee_wei, json_object_get(result, "reward"));
    return finish(node, result, usable, method);
}

static json_t *address_at(const struct chain_address *address, uint64_t at)
{
    return json_pack("[o, o]", bytes_json(address->bytes, ADDRESS_BYTES), block_json(at));
}

enum node_result node_get_balance(struct node *node, chain_uint128 *balance_wei,
                                  const struct chain_address *owner, uint64_t at)
{
    static const char method[] = "eth_getBalance";
    json_t *result;
    enum node_result called = call(node, &result, method, address_at(owner, at));
    if (called != NODE_OK)
        return called;
    const char *text = json_string_value(result);
    bool usable = text != NULL && hex_quantity_u128(balance_wei, text);
    return finish(node, result, usable, method);
}

enum node_result node_transaction_count(struct node *node, uint64_t *nonce,
                                        const struct chain_address *sender, uint64_t at)
{
    return call_u64(node, nonce, "eth_getTransactionCount", address_at(sender, at));
}

enum node_result node_has_code(struct node *node, bool *has_code,
                               const struct chain_address *contract, uint64_t at)
{
    static const char method[] = "eth_getCode";
    json_t *result;
    enum node_result called = call(node, &result, method, address_at(contract, at));
    if (called != NODE_OK)
        return called;
    const char *text = json_string_value(result);
    *has_code = text != NULL && strcmp(text, "0x") != 0;
    return finish(node, result, text != NULL, method);
}

static bool message_add(json_t *json, const char *key, json_t *value)
{
    return json_object_set_new(json, key, value) == 0;
}

static json_t *message_json(const struct node_message *message)
{
    char gas[HEX_QUANTITY_SIZE];

    json_t *json = json_pack("{s:o, s:o}", "from", bytes_json(message->from.bytes, ADDRESS_BYTES),
                             "data", bytes_json(message->calldata, message->calldata_len));
    hex_quantity(gas, message->gas);
    if (json != NULL &&
        (message->create ||
         message_add(json, "to", bytes_json(message->to.bytes, ADDRESS_BYTES))) &&
        (message->gas == 0 || message_add(json, "gas", json_string(gas))))
        return json;
    json_decref(json);
    return NULL;
}

enum node_result node_estimate_gas(struct node *node, uint64_t *gas,
                                   const struct node_message *message)
{
    return call_u64(node, gas, "eth_estimateGas", json_pack("[o]", message_json(message)));
}

enum node_result node_call(struct node *node, uint8_t *out, size_t *len,
                           const struct node_message *message, uint64_t at)
{
    static const char method[] = "eth_call";
    json_t *result;
    enum node_result called =
        call(node, &result, method, json_pack("[o, o]", message_json(message), block_json(at)));
    if (called != NODE_OK)
        return called;
    const char *text = json_string_value(result);
    ssize_t decoded = text == NULL ? -1 : hex_decode(out, *len, text);
    bool too_long = decoded < 0 && text != NULL && strlen(text) > 2 + 2 * *len;
    *len = decoded < 0 ? 0 : (size_t)decoded;
    if (!too_long)
        return finish(node, result, decoded >= 0, method);
    json_decref(result);
    snprintf(node->error.message, sizeof(node->error.message), "the contract's answer is too long");
    return count_failure(node, NODE_UNFIT);
}

bool node_call_ahead(json_t *questions, const struct node_message *message, uint64_t at)
{
    return json_array_append_new(questions, json_pack("{s:s, s:[o, o]}", "method", "eth_call",
                                                      "params", message_json(message),
                                                      block_json(at))) == 0;
}

void node_ahead(struct node *node, json_t *questions)
{
    if (node->rpc.ahead != NULL)
        node->rpc.ahead(node->rpc.context, questions);
    else
        json_decref(questions);
}

enum node_result node_send_raw(struct node *node, const uint8_t *raw, size_t len)
{
    static const char method[] = "eth_sendRawTransaction";
    json_t *result;
    enum node_result called = call(node, &result, method, json_pack("[o]", bytes_json(raw, len)));
    if (called != NODE_OK)
        return called;
    struct chain_hash expected = keccak256_hash(raw, len);
    struct chain_hash answered;
    bool usable =
        json_hash(&answered, result) && memcmp(&answered, &expected, sizeof(expected)) == 0;
    return finish(node, result, usable, method);
}

static size_t log_data_len(const json_t *log)
{
    return json_string_length(json_object_get(log, "data")) / 2;
}

static bool read_topics(struct node_log *out, const json_t *topics)
{
    size_t count = json_array_size(topics);
    if (!json_is_array(topics) || count > NODE_LOG_TOPICS_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!json_hash(&out->topics[i], json_array_get(topics, i)))
            return false;
    out->topic_count = (uint32_t)count;
    return true;
}

static bool read_log(struct node_log *out, uint8_t *data, const json_t *json)
{
    const char *contract = json_string_value(json_object_get(json, "address"));
    const char *text = json_string_value(json_object_get(json, "data"));
    if (contract == NULL || !hex_decode_exact(out->contract.bytes, ADDRESS_BYTES, contract))
        return false;
    ssize_t len = text == NULL ? -1 : hex_decode(data, log_data_len(json), text);
    if (len < 0)
        return false;
    out->data = data;
    out->data_len = (size_t)len;
    return member_u32(&out->log_index, json, "logIndex") &&
           read_topics(out, json_object_get(json, "topics"));
}

/* Logs and their data in one allocation: the array first, the bytes behind it. */
static bool read_logs(struct node_receipt *out, const json_t *logs)
{
    size_t index;
    json_t *log;
    size_t bytes = json_array_size(logs) * sizeof(struct node_log);
    size_t data_at = bytes;
    json_array_foreach(logs, index, log) bytes += log_data_len(log);
    if (!json_is_array(logs))
        return false;
    uint8_t *memory = calloc(1, bytes + 1);
    if (memory == NULL)
        return false;
    out->logs = (struct node_log *)(void *)memory;
    json_array_foreach(logs, index, log)
    {
        if (!read_log(&out->logs[index], memory + data_at, log))
            return false;
        data_at += out->logs[index].data_len;
        out->log_count++;
    }
    return true;
}

/* As absent counts what is null: an OP stack's deposits have it so. */
static bool optional_u64(uint64_t *out, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    *out = 0;
    return value == NULL || json_is_null(value) || json_u64(out, value);
}

static bool read_receipt(struct node_receipt *out, const json_t *json)
{
    uint64_t status;
    bool read = member_u64(&status, json, "status") && status <= 1 &&
                member_u64(&out->block_number, json, "blockNumber") &&
                member_hash(&out->block_hash, json, "blockHash") &&
                member_hash(&out->transaction_hash, json, "transactionHash") &&
                member_u32(&out->transaction_index, json, "transactionIndex") &&
                member_u64(&out->gas_used, json, "gasUsed") &&
                member_u64(&out->effective_fee_wei, json, "effectiveGasPrice") &&
                optional_u64(&out->l1_fee_wei, json, "l1Fee");
    const char *created = json_string_value(json_object_get(json, "contractAddress"));
    out->succeeded = read && status == 1;
    out->creates = created != NULL;
    if (out->creates && !hex_decode_exact(out->created.bytes, ADDRESS_BYTES, created))
        return false;
    return read && read_logs(out, json_object_get(json, "logs"));
}

enum node_result node_get_receipt(struct node *node, struct node_receipt *receipt,
                                  const struct chain_hash *transaction_hash)
{
    static const char method[] = "eth_getTransactionReceipt";
    *receipt = (struct node_receipt){0};
    json_t *result;
    json_t *params = json_pack("[o]", bytes_json(transaction_hash->bytes, KECCAK_BYTES));
    enum node_result called = call(node, &result, method, params);
    if (called != NODE_OK)
        return called;
    receipt->found = !json_is_null(result);
    bool usable = !receipt->found ||
                  (read_receipt(receipt, result) &&
                   memcmp(&receipt->transaction_hash, transaction_hash, KECCAK_BYTES) == 0);
    if (!usable)
        node_receipt_fini(receipt);
    return finish(node, result, usable, method);
}

void node_receipt_fini(struct node_receipt *receipt)
{
    free(receipt->logs);
    *receipt = (struct node_receipt){0};
}

enum node_result node_get_transaction(struct node *node, struct node_transaction *transaction,
                                      const struct chain_hash *hash)
{
    static const char method[] = "eth_getTransactionByHash";
    *transaction = (struct node_transaction){0};
    json_t *result;
    enum node_result called =
        call(node, &result, method, json_pack("[o]", bytes_json(hash->bytes, KECCAK_BYTES)));
    if (called != NODE_OK)
        return called;
    transaction->found = !json_is_null(result);
    const json_t *block = json_object_get(result, "blockNumber");
    transaction->mined = block != NULL && !json_is_null(block);
    bool usable = !transaction->found ||
                  (member_u64(&transaction->nonce, result, "nonce") &&
                   (!transaction->mined || json_u64(&transaction->block_number, block)));
    return finish(node, result, usable, method);
}

/* ---- for modules that ask what nobody else does ---- */

enum node_result node_ask(struct node *node, json_t **result, const char *method, json_t *params)
{
    return call(node, result, method, params);
}

enum node_result node_answered(struct node *node, json_t *result, bool usable, const char *method)
{
    return finish(node, result, usable, method);
}

json_t *node_block_parameter(uint64_t at)
{
    return block_json(at);
}

json_t *node_bytes_parameter(const uint8_t *bytes, size_t len)
{
    return bytes_json(bytes, len);
}

bool node_member_u64(uint64_t *out, const json_t *object, const char *key)
{
    return member_u64(out, object, key);
}

bool node_member_hash(struct chain_hash *out, const json_t *object, const char *key)
{
    return member_hash(out, object, key);
}

size_t node_log_data_bytes(const json_t *log)
{
    return log_data_len(log);
}

bool node_read_log(struct node_log *out, uint8_t *data, const json_t *log)
{
    return read_log(out, data, log);
}
