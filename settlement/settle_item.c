// One request, one step further. The happy path, read downwards:
//
//   start      pre-flight check and gas at the latest block; evidence, nonce and fees committed
//   (prepared) sign       the signer answers; raw bytes committed (signed) broadcast  the node
//   takes them (sent) look       a receipt of any bid at the nonce (mined); the planned Transfer in
//   it finish     deep enough: confirmed, the trade is settled
//
// What goes wrong before the signature ends the trade's turn (back, or failed) and frees the nonce.
// What goes wrong after it never does: the bytes are out of our hands as soon as they exist, so the
// nonce is held until a receipt is final or a foreign transaction is proved to have used it. An
// answer that was lost is answered by sending the same bytes; a bid that is too low by a higher one
// at the same nonce.
#include "settlement/settle_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

enum { CALLDATA_MAX = 256, REASON_MAX = 200 };

static struct settle_attempt *item_open_bid(struct settle_item *item)
{
    for (size_t i = item->bid_count; i > 0; i--)
        if (settle_attempt_is_open(item->bids[i - 1].state))
            return &item->bids[i - 1];
    return NULL;
}

static void bid_move(struct settle_attempt *bid, enum settle_attempt_state to)
{
    ASSERT(settle_attempt_move_allowed(bid->state, to));
    bid->state = to;
}

static size_t item_calldata(uint8_t out[CALLDATA_MAX], const struct settle_item *item)
{
    ssize_t len =
        erc3643_forced_transfer(out, CALLDATA_MAX, &item->leg.from, &item->leg.to, item->leg.units);

    ASSERT(len > 0);
    return (size_t)len;
}

// The node failed on a question about this item alone: the others go on, unless it is not there at
// all.
static enum settle_step item_node_failed(struct settle *settle, const struct settle_item *item,
                                         const char *what, enum node_result result)
{
    if (result == NODE_UNREACHABLE)
        return settle_chain_failed(settle, what, result);
    settle->counters.node_failures++;
    log_limited(LOG_WARNING, "node refuses call=\"%s\" trade=%llu result=%s message=\"%s\"", what,
                (unsigned long long)item->trade_id, node_result_text(result),
                settle->node->error.message);
    return SETTLE_STEP_NONE;
}

// ---- before the signature
// -------------------------------------------------------------------------

static enum settle_step item_end(struct settle *settle, struct settle_item *item,
                                 enum settle_end end, const char *reason,
                                 const struct erc3643_evidence *evidence)
{
    if (!settle_store_ok(settle,
                         settle->store.end(settle->store.context, item, end, reason, evidence)))
        return SETTLE_STEP_ABORT;
    if (end == SETTLE_END_FAIL)
        settle->counters.refused++;
    log_info("trade %s trade=%llu reason=\"%s\"", end == SETTLE_END_FAIL ? "failed" : "released",
             (unsigned long long)item->trade_id, reason);
    settle->results_stale = true;
    return SETTLE_STEP_DONE;
}

// The node failed while nothing was signed: this trade waits a tick; when nobody can use the node,
// all do.
static enum settle_step item_release_by_node(struct settle *settle, struct settle_item *item,
                                             const char *what, enum node_result result)
{
    enum settle_step step = item_end(settle, item, SETTLE_END_RELEASE, SETTLE_REASON_NODE, NULL);

    if (item_node_failed(settle, item, what, result) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    return step;
}

static enum settle_step item_fail_by_revert(struct settle *settle, struct settle_item *item,
                                            const struct erc3643_evidence *evidence)
{
    char reason[REASON_MAX];

    snprintf(reason, sizeof(reason), "%s: %s", SETTLE_REASON_REVERTED,
             settle->node->error.reason[0] != '\0' ? settle->node->error.reason
                                                   : "no reason given");
    return item_end(settle, item, SETTLE_END_FAIL, reason, evidence);
}

// A short balance is permanent, unless the seller is still to receive units by another trade.
static enum settle_step item_refused(struct settle *settle, struct settle_item *item,
                                     const struct erc3643_evidence *evidence)
{
    bool inbound = false;

    if (evidence->verdict == ERC3643_BALANCE_SHORT &&
        !settle_store_ok(settle, settle->store.inbound_open(settle->store.context, &inbound, item)))
        return SETTLE_STEP_ABORT;
    if (inbound)
        return item_end(settle, item, SETTLE_END_RELEASE, SETTLE_REASON_INBOUND, evidence);
    return item_end(settle, item, SETTLE_END_FAIL, erc3643_verdict_text(evidence->verdict),
                    evidence);
}

// Gas and fees of a first bid. NONE: filled; anything else: the trade's turn is over.
static enum settle_step item_price(struct settle *settle, struct settle_item *item,
                                   struct settle_attempt *bid, const uint8_t *calldata, size_t len,
                                   const struct erc3643_evidence *evidence)
{
    struct node_message message = {.from = settle->signer_address,
                                   .to = item->leg.token,
                                   .calldata = calldata,
                                   .calldata_len = len};
    uint64_t estimate = 0;
    enum node_result result = node_estimate_gas(settle->node, &estimate, &message);

    if (result == NODE_REVERTED)
        return item_fail_by_revert(settle, item, evidence);
    if (result != NODE_OK)
        return item_release_by_node(settle, item, "eth_estimateGas", result);
    bid->gas_limit =
        settle_gas_limit(estimate, settle->config.gas_margin_percent, settle->config.gas_call_max);
    if (bid->gas_limit == 0)
        return item_end(settle, item, SETTLE_END_FAIL, SETTLE_REASON_GAS_CAP, evidence);
    if (!settle_fees_first(&bid->fees, &settle->config.fees, settle->base_fee_wei,
                           settle->priority_wei))
        return item_end(settle, item, SETTLE_END_RELEASE, SETTLE_REASON_FEE_CAP, NULL);
    return SETTLE_STEP_NONE;
}

static enum settle_step item_sign(struct settle *settle, struct settle_item *item);

static enum settle_step item_prepare(struct settle *settle, struct settle_item *item,
                                     struct settle_attempt *bid, const uint8_t *calldata,
                                     size_t len, const struct erc3643_evidence *evidence)
{
    ASSERT(item->bid_count < SETTLE_BIDS_MAX);
    if (!settle_store_ok(settle,
                         settle->store.prepare(settle->store.context, bid, item,
                                               &settle->signer_address, calldata, len, evidence)))
        return SETTLE_STEP_ABORT;
    struct settle_attempt *before = item_open_bid(item);
    if (before != NULL)
        bid_move(before, SETTLE_ATTEMPT_REPLACED);
    bid->state = SETTLE_ATTEMPT_PREPARED;
    item->bids[item->bid_count++] = *bid;
    return item_sign(settle, item);
}

static enum settle_step item_start(struct settle *settle, struct settle_item *item)
{
    struct erc3643_evidence evidence;
    struct settle_attempt bid = {0};
    uint8_t calldata[CALLDATA_MAX];
    bool known = false;
    size_t len = item_calldata(calldata, item);
    enum node_result result =
        erc3643_precheck(settle->node, &evidence, &item->leg.token, &item->leg.from, &item->leg.to,
                         item->leg.units, NODE_LATEST);

    if (result != NODE_OK)
        return item_release_by_node(settle, item, "compliance check", result);
    if (evidence.verdict != ERC3643_ALLOWED)
        return item_refused(settle, item, &evidence);
    enum settle_step step = item_price(settle, item, &bid, calldata, len, &evidence);
    if (step != SETTLE_STEP_NONE)
        return step;
    if (!settle_store_ok(settle, settle->store.nonce_get(settle->store.context, &known, &bid.nonce,
                                                         &settle->signer_address)))
        return SETTLE_STEP_ABORT;
    if (!known) { // the counter was never compared with the node: not before that
        settle->nonces_checked = false;
        return SETTLE_STEP_ABORT;
    }
    return item_prepare(settle, item, &bid, calldata, len, &evidence);
}

// ---- signature and broadcast
// ----------------------------------------------------------------------

static enum settle_step item_broadcast(struct settle *settle, struct settle_item *item,
                                       struct settle_attempt *bid, const uint8_t *raw, size_t len);

// Who answers for a refusal: this trade (its contract, call or gas is outside the policy), its fee
// (which may fit later), or nobody here (then the prepared bid stays, and is asked for again with
// the same id).
static bool refusal_is_of_the_request(enum signer_result result, enum settle_end *end)
{
    *end = result == SIGNER_FEE_REFUSED ? SETTLE_END_RELEASE : SETTLE_END_FAIL;
    return result == SIGNER_FEE_REFUSED || result == SIGNER_CHAIN_REFUSED ||
           result == SIGNER_CONTRACT_REFUSED || result == SIGNER_METHOD_REFUSED ||
           result == SIGNER_CALLDATA_REFUSED || result == SIGNER_GAS_REFUSED ||
           result == SIGNER_BUMP_TOO_SMALL;
}

static enum settle_step item_refused_by_signer(struct settle *settle, struct settle_item *item,
                                               enum signer_result result)
{
    struct settle_attempt *bid = &item->bids[item->bid_count - 1];
    enum settle_end end;

    settle->counters.signer_failures++;
    log_warning("not signed trade=%llu nonce=%llu reason=%s", (unsigned long long)item->trade_id,
                (unsigned long long)bid->nonce, signer_result_text(result));
    if (!refusal_is_of_the_request(result, &end))
        return settle_chain_failed(settle, "signer", NODE_OK);
    if (!settle_store_ok(settle, settle->store.refuse(settle->store.context, item, bid, end,
                                                      signer_result_text(result))))
        return SETTLE_STEP_ABORT;
    settle->results_stale = true;
    settle->counters.refused += item->bid_count == 1 && end == SETTLE_END_FAIL;
    bid_move(bid, SETTLE_ATTEMPT_DROPPED);
    item->bid_count--;
    if (item->bid_count > 0)
        bid_move(&item->bids[item->bid_count - 1], SETTLE_ATTEMPT_SENT);
    return SETTLE_STEP_DONE;
}

static enum settle_step item_sign(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt *bid = &item->bids[item->bid_count - 1];
    struct signer_signed *out = &settle->scratch_signed;
    uint8_t calldata[CALLDATA_MAX];
    struct signer_request request = {
        .request_id = bid->attempt_id,
        .chain_id = settle->config.chain_id,
        .nonce = bid->nonce,
        .gas_limit = bid->gas_limit,
        .max_fee_wei = bid->fees.max_fee_wei,
        .priority_fee_wei = bid->fees.priority_fee_wei,
        .to = item->leg.token,
        .calldata = calldata,
    };

    ASSERT(bid->state == SETTLE_ATTEMPT_PREPARED);
    request.calldata_len = (uint32_t)item_calldata(calldata, item);
    enum signer_result result = settle->signer.sign(settle->signer.context, out, &request);
    if (result != SIGNER_OK)
        return item_refused_by_signer(settle, item, result);
    ASSERT(out->raw_len > 0 && out->raw_len <= SIGNER_RAW_MAX);
    bid->hash = keccak256_hash(out->raw, out->raw_len);
    if (!settle_store_ok(settle,
                         settle->store.sign(settle->store.context, bid, &settle->signer_address,
                                            out->raw, out->raw_len)))
        return SETTLE_STEP_ABORT;
    settle->counters.signed_attempts++;
    bid_move(bid, SETTLE_ATTEMPT_SIGNED);
    return item_broadcast(settle, item, bid, out->raw, out->raw_len);
}

static enum settle_step item_bid_more(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt *before = item_open_bid(item);
    struct settle_attempt bid = {.nonce = before->nonce, .gas_limit = before->gas_limit};
    uint8_t calldata[CALLDATA_MAX];
    size_t len = item_calldata(calldata, item);

    ASSERT(before->state == SETTLE_ATTEMPT_SIGNED || before->state == SETTLE_ATTEMPT_SENT);
    if (item->bid_count == SETTLE_BIDS_MAX ||
        !settle_fees_bump(&bid.fees, &settle->config.fees, &before->fees, settle->base_fee_wei,
                          settle->priority_wei)) {
        log_limited(LOG_WARNING, "stuck and no higher bid is allowed trade=%llu nonce=%llu",
                    (unsigned long long)item->trade_id, (unsigned long long)bid.nonce);
        return SETTLE_STEP_NONE;
    }
    settle->counters.bids_raised++;
    return item_prepare(settle, item, &bid, calldata, len, NULL);
}

static enum settle_step item_sent(struct settle *settle, struct settle_item *item,
                                  struct settle_attempt *bid)
{
    if (bid->state != SETTLE_ATTEMPT_SIGNED)
        return SETTLE_STEP_NONE; // a repeat
    if (!settle_store_ok(settle, settle->store.sent(settle->store.context, item, bid)))
        return SETTLE_STEP_ABORT;
    bid_move(bid, SETTLE_ATTEMPT_SENT);
    return SETTLE_STEP_DONE;
}

static enum settle_step item_not_taken(struct settle *settle, struct settle_item *item,
                                       enum node_result result)
{
    settle->counters.node_failures++;
    log_limited(LOG_WARNING, "broadcast not taken trade=%llu result=%s message=\"%s\"",
                (unsigned long long)item->trade_id, node_result_text(result),
                settle->node->error.message);
    if (result == NODE_UNREACHABLE || result == NODE_INSUFFICIENT_FUNDS)
        return settle_chain_failed(settle, "eth_sendRawTransaction", result);
    // The receipts, and the nonces, tell what became of it; the next look asks for them.
    settle->nonces_checked = false;
    settle->looked_ns = 0;
    return SETTLE_STEP_NONE;
}

static enum settle_step item_broadcast(struct settle *settle, struct settle_item *item,
                                       struct settle_attempt *bid, const uint8_t *raw, size_t len)
{
    ASSERT(bid->state == SETTLE_ATTEMPT_SIGNED || bid->state == SETTLE_ATTEMPT_SENT);
    settle->counters.broadcasts++;
    enum node_result result = node_send_raw(settle->node, raw, len);
    if (result == NODE_OK || result == NODE_ALREADY_KNOWN)
        return item_sent(settle, item, bid);
    if (result == NODE_UNDERPRICED)
        return item_bid_more(settle, item);
    return item_not_taken(settle, item, result);
}

// The same bytes again.
static enum settle_step item_resend(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt *bid = item_open_bid(item);
    size_t len = sizeof(settle->scratch_raw);

    if (!settle_store_ok(settle, settle->store.raw(settle->store.context, settle->scratch_raw, &len,
                                                   bid->attempt_id)))
        return SETTLE_STEP_ABORT;
    struct chain_hash hash = keccak256_hash(settle->scratch_raw, len);
    ASSERT(memcmp(&hash, &bid->hash, sizeof(hash)) == 0);
    settle->counters.resends++;
    return item_broadcast(settle, item, bid, settle->scratch_raw, len);
}

// ---- after the broadcast
// --------------------------------------------------------------------------

// The planned leg must be in the receipt, once: a contract may emit other events beside it.
static void receipt_read(struct settle_receipt *out, const struct node_receipt *receipt,
                         const struct settle_leg *leg)
{
    struct erc3643_transfer transfer;
    size_t matches = 0;

    *out = (struct settle_receipt){.block_number = receipt->block_number,
                                   .block_hash = receipt->block_hash,
                                   .gas_used = receipt->gas_used,
                                   .effective_fee_wei = receipt->effective_fee_wei,
                                   .succeeded = receipt->succeeded};
    for (size_t i = 0; i < receipt->log_count; i++) {
        if (!erc3643_decode_transfer(&transfer, &receipt->logs[i]) ||
            !address_equal(&transfer.token, &leg->token))
            continue;
        if (address_equal(&transfer.from, &leg->from) && address_equal(&transfer.to, &leg->to) &&
            transfer.units == leg->units) {
            out->log_index = transfer.log_index;
            matches++;
        }
    }
    out->has_planned_transfer = matches == 1;
}

// U7, M28: what did the chain think of the transfer just before it happened?
static enum settle_step item_recheck(struct settle *settle, struct settle_item *item,
                                     struct settle_attempt *bid,
                                     const struct settle_receipt *receipt)
{
    struct erc3643_evidence evidence;
    enum node_result result;

    if (receipt->block_number == 0)
        return SETTLE_STEP_NONE;
    result = erc3643_precheck(settle->node, &evidence, &item->leg.token, &item->leg.from,
                              &item->leg.to, item->leg.units, receipt->block_number - 1);
    if (result == NODE_UNREACHABLE)
        return settle_chain_failed(settle, "compliance check", result);
    if (result != NODE_OK) { // the node has forgotten that block's state: no verdict
        log_limited(LOG_WARNING, "no compliance check at the mined block trade=%llu result=%s",
                    (unsigned long long)item->trade_id, node_result_text(result));
        return SETTLE_STEP_NONE;
    }
    if (!settle_store_ok(settle,
                         settle->store.recheck(settle->store.context, item, bid, &evidence)))
        return SETTLE_STEP_ABORT;
    if (evidence.verdict != ERC3643_ALLOWED) {
        settle->counters.incidents++;
        log_error("compliance incident: mined although not allowed any more trade=%llu verdict=%s",
                  (unsigned long long)item->trade_id, erc3643_verdict_text(evidence.verdict));
    }
    return SETTLE_STEP_NONE;
}

static enum settle_step item_confirm(struct settle *settle, struct settle_item *item,
                                     struct settle_attempt *bid,
                                     const struct settle_receipt *receipt)
{
    if (item_recheck(settle, item, bid, receipt) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (!settle_store_ok(settle, settle->store.confirm(settle->store.context, item, bid, receipt)))
        return SETTLE_STEP_ABORT;
    bid_move(bid, SETTLE_ATTEMPT_CONFIRMED);
    settle->counters.confirmed++;
    settle->results_stale = true;
    log_info("trade settled trade=%llu block=%llu gas=%llu", (unsigned long long)item->trade_id,
             (unsigned long long)receipt->block_number, (unsigned long long)receipt->gas_used);
    return SETTLE_STEP_DONE;
}

// Why it failed: the same call on the state of its block. If that passes, it was gas or something
// that has changed meanwhile: worth another attempt. NONE: *end and reason are filled.
static enum settle_step item_why_reverted(struct settle *settle, struct settle_item *item,
                                          enum settle_end *end, char reason[REASON_MAX],
                                          const struct settle_receipt *receipt)
{
    uint8_t calldata[CALLDATA_MAX];
    uint8_t answer[ABI_WORD_BYTES];
    size_t answer_len = sizeof(answer);
    struct node_message message = {.from = settle->signer_address,
                                   .to = item->leg.token,
                                   .calldata = calldata,
                                   .calldata_len = item_calldata(calldata, item)};

    *end = SETTLE_END_FAIL;
    if (receipt->succeeded) {
        snprintf(reason, REASON_MAX, "%s", SETTLE_REASON_MISMATCH);
        return SETTLE_STEP_NONE;
    }
    enum node_result result =
        node_call(settle->node, answer, &answer_len, &message, receipt->block_number);
    if (result == NODE_UNREACHABLE)
        return settle_chain_failed(settle, "eth_call", result);
    if (result == NODE_OK) {
        *end = SETTLE_END_COUNT;
        snprintf(reason, REASON_MAX, "%s", SETTLE_REASON_OUT_OF_GAS);
    } else {
        snprintf(reason, REASON_MAX, "%s: %s", SETTLE_REASON_REVERTED,
                 settle->node->error.reason[0] != '\0' ? settle->node->error.reason
                                                       : "no reason given");
    }
    return SETTLE_STEP_NONE;
}

static enum settle_step item_revert(struct settle *settle, struct settle_item *item,
                                    struct settle_attempt *bid,
                                    const struct settle_receipt *receipt)
{
    char reason[REASON_MAX];
    enum settle_end end;

    if (item_why_reverted(settle, item, &end, reason, receipt) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (!settle_store_ok(
            settle, settle->store.revert(settle->store.context, item, bid, receipt, end, reason)))
        return SETTLE_STEP_ABORT;
    bid_move(bid, SETTLE_ATTEMPT_REVERTED);
    settle->counters.reverted++;
    settle->results_stale = true;
    log_warning("reverted trade=%llu nonce=%llu reason=\"%s\"", (unsigned long long)item->trade_id,
                (unsigned long long)bid->nonce, reason);
    return SETTLE_STEP_DONE;
}

static enum settle_step item_unmined(struct settle *settle, struct settle_item *item,
                                     struct settle_attempt *bid)
{
    if (!settle_store_ok(settle, settle->store.unmined(settle->store.context, item, bid)))
        return SETTLE_STEP_ABORT;
    bid_move(bid, SETTLE_ATTEMPT_SENT);
    settle->counters.reorganised++;
    log_warning("reorganised away trade=%llu nonce=%llu block=%llu",
                (unsigned long long)item->trade_id, (unsigned long long)bid->nonce,
                (unsigned long long)bid->mined_block);
    return item_resend(settle, item);
}

static enum settle_step item_mined(struct settle *settle, struct settle_item *item,
                                   struct settle_attempt *bid, const struct settle_receipt *receipt)
{
    if (bid->state == SETTLE_ATTEMPT_MINED && bid->mined_block != receipt->block_number)
        return item_unmined(settle, item, bid); // in another block now: once more from there
    if (bid->state != SETTLE_ATTEMPT_MINED) {
        if (!settle_store_ok(settle,
                             settle->store.mined(settle->store.context, item, bid, receipt)))
            return SETTLE_STEP_ABORT;
        struct settle_attempt *open = item_open_bid(item);
        if (open != NULL && open != bid)
            bid_move(open, open->state == SETTLE_ATTEMPT_PREPARED ? SETTLE_ATTEMPT_DROPPED
                                                                  : SETTLE_ATTEMPT_REPLACED);
        bid_move(bid, SETTLE_ATTEMPT_MINED);
        bid->mined_block = receipt->block_number;
    }
    if (!settle_chain_is_deep(settle, receipt->block_number))
        return SETTLE_STEP_NONE;
    if (receipt->succeeded && receipt->has_planned_transfer)
        return item_confirm(settle, item, bid, receipt);
    return item_revert(settle, item, bid, receipt);
}

// The node's count is past our nonce and no bid has a receipt. Only the transaction itself is a
// proof.
static enum settle_step item_nonce_taken(struct settle *settle, struct settle_item *item)
{
    struct chain_hash hash;
    uint64_t block = 0;
    bool found = false;
    enum node_result result = settle_chain_find(settle, &found, &hash, &block, item->bids[0].nonce);

    if (result != NODE_OK)
        return item_node_failed(settle, item, "eth_getBlockByNumber", result);
    for (size_t i = 0; found && i < item->bid_count; i++)
        if (memcmp(&item->bids[i].hash, &hash, sizeof(hash)) == 0)
            return SETTLE_STEP_NONE; // ours after all: its receipt will come
    if (!found || !settle_chain_is_deep(settle, block)) {
        log_limited(LOG_ERROR,
                    "nonce used, no receipt, no transaction seen: in doubt trade=%llu "
                    "nonce=%llu",
                    (unsigned long long)item->trade_id, (unsigned long long)item->bids[0].nonce);
        return SETTLE_STEP_NONE;
    }
    if (!settle_store_ok(
            settle, settle->store.drop(settle->store.context, item, SETTLE_REASON_NONCE_TAKEN)))
        return SETTLE_STEP_ABORT;
    settle->counters.dropped++;
    settle->results_stale = true;
    log_error("a foreign transaction used our nonce trade=%llu nonce=%llu block=%llu",
              (unsigned long long)item->trade_id, (unsigned long long)item->bids[0].nonce,
              (unsigned long long)block);
    return SETTLE_STEP_DONE;
}

// Blocks go by without the lowest nonce: it is worth more to us than to the miners so far.
static bool item_is_stuck(const struct settle *settle, const struct settle_item *item,
                          uint64_t now_ns)
{
    return item->bids[0].nonce == settle->head_nonce && settle->block_number > settle->head_block &&
           now_ns - settle->head_ns >= settle->config.stuck_ns;
}

static enum settle_step item_without_receipt(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt *bid = item_open_bid(item);
    struct node_transaction transaction;

    if (bid->state == SETTLE_ATTEMPT_MINED)
        return item_unmined(settle, item, bid);
    if (bid->state == SETTLE_ATTEMPT_PREPARED)
        return item_sign(settle, item);
    if (settle->mined_nonces > bid->nonce)
        return item_nonce_taken(settle, item);
    if (item_is_stuck(settle, item, settle->looked_ns)) {
        settle->head_ns = settle->looked_ns; // the higher bid gets as long
        settle->head_block = settle->block_number;
        return item_bid_more(settle, item);
    }
    if (!settle->resend && bid->state == SETTLE_ATTEMPT_SENT)
        return SETTLE_STEP_NONE;
    enum node_result result = node_get_transaction(settle->node, &transaction, &bid->hash);
    if (result != NODE_OK)
        return item_node_failed(settle, item, "eth_getTransactionByHash", result);
    if (transaction.found && bid->state == SETTLE_ATTEMPT_SENT)
        return SETTLE_STEP_NONE;
    return item_resend(settle, item);
}

static enum settle_step item_look(struct settle *settle, struct settle_item *item)
{
    for (size_t i = item->bid_count; i > 0; i--) {
        struct settle_attempt *bid = &item->bids[i - 1];
        struct node_receipt node_receipt;
        struct settle_receipt receipt;
        enum node_result result;

        if (bid->state == SETTLE_ATTEMPT_PREPARED)
            continue;
        result = node_get_receipt(settle->node, &node_receipt, &bid->hash);
        if (result != NODE_OK)
            return item_node_failed(settle, item, "eth_getTransactionReceipt", result);
        bool found = node_receipt.found;
        if (found)
            receipt_read(&receipt, &node_receipt, &item->leg);
        node_receipt_fini(&node_receipt);
        if (found)
            return item_mined(settle, item, bid, &receipt);
    }
    return item_without_receipt(settle, item);
}

enum settle_step settle_item_step(struct settle *settle, struct settle_item *item)
{
    const struct settle_attempt *bid = item_open_bid(item);

    if (item->bid_count == 0)
        return item_start(settle, item);
    ASSERT(bid != NULL);
    if (bid->state == SETTLE_ATTEMPT_PREPARED && item->bid_count == 1)
        return item_sign(settle, item);
    if (!settle->look && (bid->state == SETTLE_ATTEMPT_SENT || bid->state == SETTLE_ATTEMPT_MINED))
        return SETTLE_STEP_NONE;
    return item_look(settle, item);
}
