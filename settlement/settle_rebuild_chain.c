#include "settlement/settle_rebuild_chain.h"

#include <jansson.h>
#include <string.h>

#include "base/log.h"
#include "chain/transaction.h"
#include "settlement/settle_custody.h"
#include "settlement/settle_effect.h"
#include "settlement/settle_transfer.h"

// ---- fields of JSON

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    return text != NULL ? text : "";
}

static bool number_of(uint64_t *out, const json_t *object, const char *name)
{
    return hex_quantity_u64(out, text_of(object, name));
}

// A number of up to 32 bytes without its leading zeros, right-aligned.
static bool word_of(uint8_t out[32], const json_t *object, const char *name)
{
    const char *text = text_of(object, name);
    char padded[67] = "0x";
    size_t digits = strlen(text) >= 2 ? strlen(text) - 2 : 65;

    if (digits > 64)
        return false;
    memset(padded + 2, '0', 64 - digits);
    memcpy(padded + 66 - digits, text + 2, digits + 1);
    return hex_decode_exact(out, 32, padded);
}

static bool is_ours(const struct settle_rebuild_chain *chain, const json_t *json,
                    struct chain_address *signer)
{
    if (!address_parse(signer, text_of(json, "from")))
        return false;
    for (size_t i = 0; i < chain->signer_count; i++)
        if (address_equal(signer, &chain->signers[i]))
            return true;
    return false;
}

// ---- the bytes

// Of a typed transaction `v` is the same; nodes that know no yParity (hardhat, older gethes) have
// only that.
static bool parity_of(uint64_t *out, const json_t *json)
{
    return number_of(out, json, json_object_get(json, "yParity") != NULL ? "yParity" : "v") &&
           *out <= 1;
}

// The bytes that were broadcast: encoded again, they must have the same hash and the same sender.
static bool bytes_read(struct settle_rebuild_transaction *out, const json_t *json,
                       uint64_t chain_id)
{
    struct transaction transaction = {.chain_id = chain_id};
    struct ecdsa_signature signature;
    struct chain_address sender;
    uint64_t parity = 0, type = 0, value = 0;
    ssize_t len = hex_decode(out->calldata, sizeof(out->calldata), text_of(json, "input"));

    out->creates = json_is_null(json_object_get(json, "to"));
    if (len < 0 || !number_of(&type, json, "type") || type != TRANSACTION_TYPE ||
        !number_of(&out->nonce, json, "nonce") || !number_of(&out->gas_limit, json, "gas") ||
        !number_of(&out->max_fee_wei, json, "maxFeePerGas") || !number_of(&value, json, "value") ||
        !number_of(&out->priority_fee_wei, json, "maxPriorityFeePerGas") ||
        !parity_of(&parity, json) || !word_of(signature.r, json, "r") ||
        !word_of(signature.s, json, "s") ||
        !hex_decode_exact(out->hash.bytes, KECCAK_BYTES, text_of(json, "hash")) ||
        (!out->creates && !address_parse(&out->to, text_of(json, "to"))))
        return false;
    out->calldata_len = (size_t)len;
    signature.y_parity = (uint8_t)parity;
    transaction.nonce = out->nonce;
    transaction.priority_fee_wei = out->priority_fee_wei;
    transaction.max_fee_wei = out->max_fee_wei;
    transaction.gas_limit = out->gas_limit;
    transaction.value_wei = value;
    transaction.creates_contract = out->creates;
    transaction.to = out->to;
    transaction.calldata = out->calldata;
    transaction.calldata_len = out->calldata_len;
    len = transaction_encode_signed(out->raw, sizeof(out->raw), &transaction, &signature);
    if (len < 0)
        return false;
    out->raw_len = (size_t)len;
    struct chain_hash hash = keccak256_hash(out->raw, out->raw_len);
    return memcmp(&hash, &out->hash, sizeof(hash)) == 0 &&
           transaction_decode(&transaction, NULL, &sender, out->raw, out->raw_len) &&
           address_equal(&sender, &out->signer);
}

// ---- the call

static enum settle_rebuild_kind call_read(struct settle_rebuild_transaction *t)
{
    struct settle_transfer transfer;
    enum settle_transfer_kind kind =
        settle_transfer_read(&transfer, t->calldata, t->creates ? 0 : t->calldata_len);

    t->id = transfer.id;
    t->operation = transfer.operation;
    t->leg_count = transfer.leg_count;
    memcpy(t->legs, transfer.legs, transfer.leg_count * sizeof(t->legs[0]));
    if (kind == SETTLE_TRANSFER_PAYOUT)
        t->legs[0].from = t->signer;
    return kind == SETTLE_TRANSFER_NAMED     ? SETTLE_REBUILD_TRANSFER
           : kind == SETTLE_TRANSFER_CUSTODY ? SETTLE_REBUILD_CUSTODY
           : kind == SETTLE_TRANSFER_PAYOUT  ? SETTLE_REBUILD_PAYOUT
           : kind == SETTLE_TRANSFER_UNNAMED ? SETTLE_REBUILD_UNNAMED
                                             : SETTLE_REBUILD_OTHER;
}

// ---- the receipt

// Transfers of the token that are no leg's.
static bool has_others(const struct settle_rebuild_transaction *t,
                       const struct node_receipt *receipt)
{
    struct erc3643_transfer transfer;
    size_t found = 0;

    for (size_t i = 0; i < receipt->log_count; i++)
        found += erc3643_decode_transfer(&transfer, &receipt->logs[i]) &&
                 address_equal(&transfer.token, &t->to);
    return found != (t->kind == SETTLE_REBUILD_TRANSFER ? t->leg_count : 0);
}

static void effect_read(struct settle_rebuild_transaction *t, const struct node_receipt *receipt)
{
    static const struct settle_arguments none;
    struct settle_call call = {
        .operation = t->operation, .contract = t->to, .leg_count = t->leg_count};

    t->has_effect = false;
    if (t->kind != SETTLE_REBUILD_TRANSFER && t->kind != SETTLE_REBUILD_CUSTODY &&
        t->kind != SETTLE_REBUILD_PAYOUT)
        return;
    memcpy(call.legs, t->legs, t->leg_count * sizeof(t->legs[0]));
    t->has_effect = settle_effect_find(t->log_index, receipt, &call, &none, &t->to) &&
                    (t->kind == SETTLE_REBUILD_PAYOUT || !has_others(t, receipt));
    if (t->has_effect && t->kind == SETTLE_REBUILD_TRANSFER)
        settle_custody_unfrozen(t->unfrozen, receipt, &call, &call, t->log_index);
}

static enum node_result receipt_read(struct node *node, struct settle_rebuild_transaction *t)
{
    struct node_receipt receipt;
    enum node_result result = node_get_receipt(node, &receipt, &t->hash);

    if (result != NODE_OK)
        return result;
    if (!receipt.found) {
        node_receipt_fini(&receipt);
        return NODE_GARBAGE;
    }
    t->succeeded = receipt.succeeded;
    t->block_number = receipt.block_number;
    t->block_hash = receipt.block_hash;
    t->gas_used = receipt.gas_used;
    t->effective_fee_wei = receipt.effective_fee_wei;
    t->l1_fee_wei = receipt.l1_fee_wei;
    effect_read(t, &receipt);
    node_receipt_fini(&receipt);
    return NODE_OK;
}

// ---- blocks

static enum node_result transaction_read(struct settle_rebuild_chain *chain, const json_t *json)
{
    if (!bytes_read(&chain->transaction, json, chain->chain_id)) {
        log_error("a transaction of our signer cannot be read hash=%s", text_of(json, "hash"));
        return NODE_GARBAGE;
    }
    chain->transaction.kind = call_read(&chain->transaction);
    return receipt_read(chain->node, &chain->transaction);
}

enum node_result settle_rebuild_block(struct settle_rebuild_chain *chain, bool *whole,
                                      uint64_t number, settle_rebuild_visit *visit, void *context)
{
    char quantity[HEX_QUANTITY_SIZE];
    struct rpc_reply reply;
    enum node_result result = NODE_OK;
    json_t *json;
    size_t index;

    *whole = true;
    hex_quantity(quantity, number);
    chain->node->rpc.call(chain->node->rpc.context, &reply, "eth_getBlockByNumber",
                          json_pack("[s, b]", quantity, 1));
    if (reply.status != RPC_OK)
        result = NODE_UNREACHABLE;
    else if (!json_is_array(json_object_get(reply.result, "transactions")))
        result = NODE_GARBAGE;
    json_array_foreach(json_object_get(reply.result, "transactions"), index, json)
    {
        if (result != NODE_OK || !*whole || !is_ours(chain, json, &chain->transaction.signer))
            continue;
        result = transaction_read(chain, json);
        if (result == NODE_OK)
            *whole = visit(context, &chain->transaction);
    }
    rpc_reply_fini(&reply);
    return result;
}
