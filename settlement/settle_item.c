// One request, one step further. The happy path, read downwards:
//
//   begin      preflight and simulation; evidence, nonce and fees committed (prepared;
//              settle_begin.c)
//   sign       the signer answers; raw bytes committed (signed)
//   broadcast  the node takes them (sent)
//   look       a receipt of any bid at the nonce (mined); the planned Transfers in it
//   finish     deep enough: confirmed, the trades are settled
//
// What goes wrong before the signature ends a leg's turn (back, or failed) and frees the nonce when
// no leg is left. What goes wrong after it never does: the bytes are out of our hands as soon as
// they exist, so the nonce is held until a receipt is final or a foreign transaction is proved to
// have used it. An answer that was lost is answered by sending the same bytes; a bid that is too
// low by a higher one at the same nonce.
#include "settlement/settle_custody.h"
#include "settlement/settle_mint.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

struct settle_attempt *settle_item_open_bid(struct settle_item *item)
{
    for (size_t i = item->bid_count; i > 0; i--)
        if (settle_attempt_is_open(item->bids[i - 1].state))
            return &item->bids[i - 1];
    return NULL;
}

static struct settle_key *item_key(struct settle *settle, const struct settle_item *item)
{
    return settle_key_of(settle, &item->signer);
}

static void bid_move(struct settle_attempt *bid, enum settle_attempt_state to)
{
    ASSERT(settle_attempt_move_allowed(bid->state, to));
    bid->state = to;
    bid->stands = NULL;
}

// No bid takes the place of this one: told once, in its row.
static enum settle_step item_stands(struct settle *settle, struct settle_item *item,
                                    struct settle_attempt *bid, const char *reason)
{
    if (bid->stands != NULL && strcmp(bid->stands, reason) == 0)
        return SETTLE_STEP_NONE;
    log_error("no bid takes the place of what is stuck request=%llu nonce=%llu reason=%s",
              (unsigned long long)item->call.request_id, (unsigned long long)bid->nonce, reason);
    if (!settle_store_ok(settle, settle->store.stands(settle->store.context, item, bid, reason)))
        return SETTLE_STEP_ABORT;
    bid->stands = reason;
    return SETTLE_STEP_NONE;
}

static enum settle_step item_arguments(struct settle *settle, const struct settle_item *item)
{
    uint64_t request_id = item->call.request_id;

    if (item->call.is_of_trades) {
        memcpy(settle->arguments, "{}", 3);
        settle->arguments_of = 0;
        return SETTLE_STEP_NONE;
    }
    if (settle->arguments_of == request_id)
        return SETTLE_STEP_NONE;
    settle->arguments_of = 0;
    if (!settle_store_ok(
            settle, settle->store.arguments(settle->store.context, settle->arguments, request_id)))
        return SETTLE_STEP_ABORT;
    // What is wrong with them is said when the call is built.
    (void)!settle_arguments_read(&settle->arguments_read, item->call.operation, settle->arguments,
                                 settle->call_error);
    settle->arguments_of = request_id;
    return SETTLE_STEP_NONE;
}

enum settle_step settle_item_legs(struct settle *settle, struct settle_item *item)
{
    if (!item->has_legs &&
        !settle_store_ok(settle, settle->store.legs(settle->store.context, item)))
        return SETTLE_STEP_ABORT;
    if (item->call.leg_count == 0 && item->call.is_of_trades) {
        ASSERT(item->bid_count ==
               0); // released since it was loaded: something else decides on them
        return SETTLE_STEP_ABORT;
    }
    item->has_legs = true;
    enum settle_step step = item_arguments(settle, item);
    if (step == SETTLE_STEP_NONE && item->bid_count == 0 &&
        item->call.operation == SETTLE_CANCEL_NONCE &&
        !address_is_zero(&settle->arguments_read.signer))
        item->signer = settle->arguments_read.signer;
    return step;
}

static struct node_message message_of(const struct settle *settle, const struct settle_item *item,
                                      size_t len)
{
    return (struct node_message){.from = item->signer,
                                 .to = len == 0 ? item->signer : item->call.contract,
                                 .create = len > 0 && item->call.operation == SETTLE_DEPLOY,
                                 .calldata = settle->scratch_calldata,
                                 .calldata_len = len};
}

bool settle_item_message(struct settle *settle, const struct settle_item *item, size_t moves,
                         struct node_message *message)
{
    ssize_t len = settle_call_build(settle->scratch_calldata, sizeof(settle->scratch_calldata),
                                    &item->call, moves, settle->arguments, settle->call_error);

    ASSERT(len > 0 || !item->call.is_of_trades);
    *message = message_of(settle, item, len > 0 ? (size_t)len : 0);
    return len >= 0;
}

// What was committed with the attempt, not what the row would give now: an artifact may have gone.
static enum settle_step item_committed(struct settle *settle, const struct settle_item *item,
                                       const struct settle_attempt *attempt,
                                       struct node_message *message)
{
    size_t len = sizeof(settle->scratch_calldata);

    if (!settle_store_ok(settle,
                         settle->store.calldata(settle->store.context, settle->scratch_calldata,
                                                &len, attempt->attempt_id)))
        return SETTLE_STEP_ABORT;
    *message = message_of(settle, item, len);
    return SETTLE_STEP_NONE;
}

uint64_t settle_item_gas_max(const struct settle *settle, const struct settle_item *item)
{
    return settle->config
        .gas_max[settle_call_gas(&item->call, settle_netting_move_count(&item->call))];
}

enum settle_step settle_item_node_failed(struct settle *settle, const struct settle_item *item,
                                         const char *what, enum node_result result)
{
    if (result == NODE_UNREACHABLE)
        return settle_chain_failed(settle, what, result);
    settle->counters.node_failures++;
    log_limited(LOG_WARNING, "node refuses call=\"%s\" request=%llu result=%s message=\"%s\"", what,
                (unsigned long long)item->call.request_id, node_result_text(result),
                settle->node->error.message);
    return SETTLE_STEP_NONE;
}

static enum settle_step item_sign(struct settle *settle, struct settle_item *item,
                                  const struct node_message *message);

void settle_item_prepared(struct settle_item *item, struct settle_attempt *bid,
                          const struct node_message *message)
{
    struct settle_attempt *before = settle_item_open_bid(item);

    if (before != NULL)
        bid_move(before, SETTLE_ATTEMPT_REPLACED);
    bid->state = SETTLE_ATTEMPT_PREPARED;
    bid->is_empty = message->calldata_len == 0;
    item->bids[item->bid_count++] = *bid;
}

// A higher bid; first ones: settle_together.c.
static enum settle_step item_prepare(struct settle *settle, struct settle_item *item,
                                     struct settle_attempt *bid, const struct node_message *message)
{
    ASSERT(item->bid_count < SETTLE_BIDS_MAX);
    if (!settle_store_ok(settle, settle->store.prepare(settle->store.context, bid, item,
                                                       &item->signer, message->calldata,
                                                       message->calldata_len, NULL)))
        return SETTLE_STEP_ABORT;
    settle_item_prepared(item, bid, message);
    return item_sign(settle, item, message);
}

// ---- signature and broadcast

static enum settle_step item_broadcast(struct settle *settle, struct settle_item *item,
                                       struct settle_attempt *bid, const uint8_t *raw, size_t len);

// Who answers for a refusal: this request (its contract, call or gas is outside the policy), its
// fee or a cap per window (which may fit later), its key (the active one signs it), or nobody here (then the prepared bid stays, and is asked for again
// with the same id).
static bool refusal_is_of_the_request(enum signer_result result, enum settle_end *end)
{
    bool later = result == SIGNER_FEE_REFUSED || result == SIGNER_UNITS_REFUSED ||
                 result == SIGNER_TRANSFERS_REFUSED || result == SIGNER_KEY_RETIRED ||
                 result == SIGNER_KEY_UNKNOWN;
    *end = later ? SETTLE_END_RELEASE : SETTLE_END_FAIL;
    return later || result == SIGNER_CHAIN_REFUSED ||
           result == SIGNER_CONTRACT_REFUSED || result == SIGNER_METHOD_REFUSED ||
           result == SIGNER_CALLDATA_REFUSED || result == SIGNER_GAS_REFUSED ||
           result == SIGNER_CREATE_REFUSED || result == SIGNER_BUMP_TOO_SMALL;
}

// Nothing is signed behind a nonce that is given back: what is prepared there goes again.
static enum settle_step item_behind_give_way(struct settle *settle, const struct settle_item *item)
{
    const struct settle_ending ending = {.end = SETTLE_END_RELEASE,
                                         .reason = SETTLE_REASON_CANCELLED};

    for (size_t i = settle->item_count; i > 0; i--) { // the highest nonce first
        struct settle_item *other = &settle->items[i - 1];
        struct settle_attempt *bid = &other->bids[0];
        if (other->bid_count != 1 || bid->state != SETTLE_ATTEMPT_PREPARED ||
            bid->fate != SETTLE_FATE_NONE || bid->nonce <= item->bids[0].nonce ||
            !address_equal(&other->signer, &item->signer))
            continue;
        enum settle_step step = settle_lost_restore(settle, &other->signer, bid->nonce, other);
        if (step == SETTLE_STEP_DONE) // it was signed, and nobody heard of it
            continue;
        if (step == SETTLE_STEP_ABORT || settle_item_legs(settle, other) == SETTLE_STEP_ABORT ||
            !settle_store_ok(settle,
                             settle->store.refuse(settle->store.context, other, bid, &ending)))
            return SETTLE_STEP_ABORT;
        bid_move(bid, SETTLE_ATTEMPT_DROPPED);
        other->bid_count = 0;
        other->gave_way = true;
    }
    return SETTLE_STEP_NONE;
}

// The last bid is not to be signed. NONE, or ABORT: it was signed before, when the answer was lost.
static enum settle_step item_not_signed(struct settle *settle, struct settle_item *item,
                                        const struct settle_ending *ending)
{
    struct settle_attempt *bid = &item->bids[item->bid_count - 1];
    enum settle_step step = settle_lost_restore(settle, &item->signer, bid->nonce, item);

    if (step != SETTLE_STEP_NONE)
        return step;
    if (item->bid_count == 1 && item_behind_give_way(settle, item) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (!settle_store_ok(settle, settle->store.refuse(settle->store.context, item, bid, ending)))
        return SETTLE_STEP_ABORT;
    settle->results_stale = true;
    if (item->bid_count == 1 && ending->end == SETTLE_END_FAIL)
        settle->counters.refused += item->call.is_of_trades ? item->call.leg_count : 1;
    bid_move(bid, SETTLE_ATTEMPT_DROPPED);
    item->bid_count--;
    if (item->bid_count > 0)
        bid_move(&item->bids[item->bid_count - 1], SETTLE_ATTEMPT_SENT);
    return SETTLE_STEP_DONE;
}

static enum settle_step item_refused_by_signer(struct settle *settle, struct settle_item *item,
                                               enum signer_result result)
{
    struct settle_attempt *bid = &item->bids[item->bid_count - 1];
    struct settle_ending ending = {0};

    settle->counters.signer_failures++;
    log_warning("not signed request=%llu nonce=%llu reason=%s",
                (unsigned long long)item->call.request_id, (unsigned long long)bid->nonce,
                signer_result_text(result));
    bool is_of_the_request = refusal_is_of_the_request(result, &ending.end);
    settle->has_signer &= result != SIGNER_KEY_RETIRED && result != SIGNER_KEY_UNKNOWN;
    snprintf(ending.reason, sizeof(ending.reason), "%s", signer_result_text(result));
    if (is_of_the_request) {
        settle_apart_add(settle, item);
        return item_not_signed(settle, item, &ending);
    }
    if (result == SIGNER_NONCE_CONFLICT) { // the nonce is for something that was lost
        enum settle_step step = settle_lost_restore(settle, &item->signer, bid->nonce, item);
        if (step != SETTLE_STEP_NONE)
            return step;
    }
    settle_keys_reread(settle);
    return settle_chain_failed(settle, "signer", NODE_OK);
}

// A mint is judged once more, by what is so now. Not a higher bid: its bytes are in the world. NONE:
// it may be signed.
static enum settle_step item_mint_cover(struct settle *settle, struct settle_item *item)
{
    struct settle_ending ending;

    if (item->bid_count > 1 || item->bids[0].is_empty)
        return SETTLE_STEP_NONE;
    enum settle_step step = settle_mint_judge(settle, item, &ending);
    if (step == SETTLE_STEP_ABORT || ending.end == SETTLE_END_STAY)
        return step;
    log_warning("not signed request=%llu nonce=%llu reason=\"%s\"",
                (unsigned long long)item->call.request_id,
                (unsigned long long)item->bids[0].nonce, ending.reason);
    return item_not_signed(settle, item, &ending);
}

bool settle_item_is_late(const struct settle_item *item)
{
    return item->sign_before_ns != 0 && clock_wall_ns(&clock_system) >= item->sign_before_ns;
}

// An instruction whose cut-off is too near, or has passed, is not signed any more: not for the first
// time, and no higher bid. NONE: it may be.
static enum settle_step item_cut_off(struct settle *settle, struct settle_item *item)
{
    const struct settle_ending ending = {.end = SETTLE_END_FAIL, .reason = SETTLE_REASON_CUT_OFF};

    if (!settle_item_is_late(item) || item->bids[item->bid_count - 1].is_empty)
        return SETTLE_STEP_NONE;
    log_warning("not signed request=%llu nonce=%llu reason=%s",
                (unsigned long long)item->call.request_id,
                (unsigned long long)item->bids[0].nonce, ending.reason);
    return item_not_signed(settle, item, &ending);
}

enum settle_step settle_item_ask_signer(struct settle *settle, struct settle_item *item,
                                        struct signer_signed *out,
                                        const struct node_message *message)
{
    struct settle_attempt *bid = &item->bids[item->bid_count - 1];
    struct signer_request request = {
        .request_id = bid->attempt_id,
        .chain_id = settle->config.chain_id,
        .nonce = bid->nonce,
        .gas_limit = bid->gas_limit,
        .max_fee_wei = bid->fees.max_fee_wei,
        .priority_fee_wei = bid->fees.priority_fee_wei,
        .signer = item->signer,
        .to = message->create ? (struct chain_address){{0}} : message->to,
        .create = message->create,
        .calldata = message->calldata,
        .calldata_len = (uint32_t)message->calldata_len,
    };

    ASSERT(bid->state == SETTLE_ATTEMPT_PREPARED);
    enum settle_step step = item_mint_cover(settle, item);
    if (step != SETTLE_STEP_NONE || (step = item_cut_off(settle, item)) != SETTLE_STEP_NONE)
        return step;
    enum signer_result result = settle->signer.sign(settle->signer.context, out, &request);
    if (result != SIGNER_OK)
        return item_refused_by_signer(settle, item, result);
    ASSERT(out->raw_len > 0 && out->raw_len <= SIGNER_RAW_MAX);
    bid->hash = keccak256_hash(out->raw, out->raw_len);
    return SETTLE_STEP_NONE;
}

void settle_item_signed(struct settle *settle, struct settle_item *item)
{
    settle->counters.signed_attempts++;
    settle_apart_remove(settle, item);
    bid_move(&item->bids[item->bid_count - 1], SETTLE_ATTEMPT_SIGNED);
}

static enum settle_step item_sign(struct settle *settle, struct settle_item *item,
                                  const struct node_message *message)
{
    struct settle_attempt *bid = &item->bids[item->bid_count - 1];
    struct signer_signed *out = &settle->scratch_signed;
    enum settle_step step = settle_item_ask_signer(settle, item, out, message);

    if (step != SETTLE_STEP_NONE)
        return step;
    if (!settle_store_ok(settle,
                         settle->store.sign(settle->store.context, bid, &item->signer,
                                            out->raw, out->raw_len)))
        return SETTLE_STEP_ABORT;
    settle_item_signed(settle, item);
    return item_broadcast(settle, item, bid, out->raw, out->raw_len);
}

// After a crash, or when the signer was silent.
static enum settle_step item_sign_again(struct settle *settle, struct settle_item *item)
{
    struct node_message message;
    enum settle_step step = settle_item_legs(settle, item);

    if (step != SETTLE_STEP_NONE ||
        (step = item_committed(settle, item, &item->bids[item->bid_count - 1], &message)) !=
            SETTLE_STEP_NONE)
        return step;
    return item_sign(settle, item, &message);
}

// No higher bid is signed for an instruction that is late: its nonce is given up instead.
static enum settle_step item_give_up_late(struct settle *settle, struct settle_item *item)
{
    bool held = false;

    if (!settle_store_ok(settle, settle->store.nonce_cancel(settle->store.context, &held,
                                                            &item->signer, item->bids[0].nonce)))
        return SETTLE_STEP_ABORT;
    ASSERT(held); // by its own bid
    settle_item_open_bid(item)->fate = SETTLE_FATE_CANCEL;
    return SETTLE_STEP_DONE;
}

static enum settle_step item_bid_more(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt *before = settle_item_open_bid(item);
    struct settle_attempt bid = {
        .nonce = before->nonce, .gas_limit = before->gas_limit, .fate = before->fate};
    struct node_message message;

    if (settle_item_is_late(item) && !before->is_empty)
        return item_give_up_late(settle, item);
    enum settle_step step = settle_item_legs(settle, item);

    ASSERT(before->state == SETTLE_ATTEMPT_SIGNED || before->state == SETTLE_ATTEMPT_SENT);
    if (step != SETTLE_STEP_NONE)
        return step;
    const struct settle_fee_policy twice = settle_fees_giving_up(&settle->config.fees);
    if (item->bid_count >= SETTLE_BIDS_MAX - (before->is_empty ? 0 : SETTLE_BIDS_KEPT) ||
        !settle_fees_bump(&bid.fees, before->is_empty ? &twice : &settle->config.fees,
                          &before->fees, settle->base_fee_wei, settle->priority_wei))
        return item_stands(settle, item, before, SETTLE_REASON_NO_HIGHER_BID);
    if ((step = item_committed(settle, item, before, &message)) != SETTLE_STEP_NONE)
        return step;
    settle->counters.bids_raised++;
    return item_prepare(settle, item, &bid, &message);
}

// An empty transfer to ourselves takes the place of what was signed at the nonce: whichever of the
// two is mined, the nonce is used, and the other can never be.
static enum settle_step item_cancel(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt *before = settle_item_open_bid(item);
    struct settle_attempt bid = {.nonce = before->nonce, .fate = before->fate};
    struct settle_fees highest = before->fees;
    const struct settle_fee_policy twice = settle_fees_giving_up(&settle->config.fees);
    struct node_message message = message_of(settle, item, 0);
    uint64_t estimate = 0;

    ASSERT(before->fate != SETTLE_FATE_NONE && !before->is_empty);
    for (size_t i = 0; i < item->bid_count; i++) {
        const struct settle_fees *fees = &item->bids[i].fees;
        if (fees->max_fee_wei > highest.max_fee_wei)
            highest.max_fee_wei = fees->max_fee_wei;
        if (fees->priority_fee_wei > highest.priority_fee_wei)
            highest.priority_fee_wei = fees->priority_fee_wei;
    }
    enum node_result result = node_estimate_gas(settle->node, &estimate, &message);
    if (result != NODE_OK)
        return settle_item_node_failed(settle, item, "eth_estimateGas", result);
    bid.gas_limit = settle_gas_limit(estimate, settle->config.gas_margin_percent,
                                     settle->config.gas_max[SETTLE_GAS_CALL]);
    if (bid.gas_limit == 0 || item->bid_count == SETTLE_BIDS_MAX ||
        !settle_fees_bump(&bid.fees, &twice, &highest, settle->base_fee_wei,
                          settle->priority_wei))
        return item_stands(settle, item, before, SETTLE_REASON_NONCE_STANDS);
    settle->counters.nonces_given_up++;
    log_error("a nonce is given up request=%llu nonce=%llu", // never in the ordinary run of things
              (unsigned long long)item->call.request_id, (unsigned long long)bid.nonce);
    return item_prepare(settle, item, &bid, &message);
}

// Is its own transaction never to be sent again?
static bool is_given_up(const struct settle_attempt *bid)
{
    return bid->fate != SETTLE_FATE_NONE && !bid->is_empty;
}

static enum settle_step item_sent(struct settle *settle, struct settle_item *item,
                                  struct settle_attempt *bid)
{
    if (bid->state != SETTLE_ATTEMPT_SIGNED)
        return SETTLE_STEP_NONE; // a repeat
    if (!settle_store_ok(settle, settle->store.sent(settle->store.context, item, bid)))
        return SETTLE_STEP_ABORT;
    settle_item_is_sent(item);
    return SETTLE_STEP_DONE;
}

void settle_item_is_sent(struct settle_item *item)
{
    bid_move(settle_item_open_bid(item), SETTLE_ATTEMPT_SENT);
}

static enum settle_step item_not_taken(struct settle *settle, struct settle_item *item,
                                       enum node_result result)
{
    settle->counters.node_failures++;
    log_limited(LOG_WARNING, "broadcast not taken request=%llu result=%s message=\"%s\"",
                (unsigned long long)item->call.request_id, node_result_text(result),
                settle->node->error.message);
    if (result == NODE_UNREACHABLE || result == NODE_INSUFFICIENT_FUNDS)
        return settle_chain_failed(settle, "eth_sendRawTransaction", result);
    // The receipts, and the nonces, tell what became of it; the next look asks for them.
    settle_keys_doubt(settle);
    settle->looked_ns = 0;
    return SETTLE_STEP_NONE;
}

enum settle_step settle_item_ask_node(struct settle *settle, struct settle_item *item,
                                      const struct settle_attempt *bid, const uint8_t *raw,
                                      size_t len)
{
    ASSERT(bid->state == SETTLE_ATTEMPT_SIGNED || bid->state == SETTLE_ATTEMPT_SENT);
    settle->counters.broadcasts++;
    enum node_result result = node_send_raw(settle->node, raw, len);
    if (result == NODE_OK || result == NODE_ALREADY_KNOWN)
        return SETTLE_STEP_DONE;
    if (result != NODE_UNDERPRICED)
        return item_not_taken(settle, item, result);
    return item_bid_more(settle, item) == SETTLE_STEP_ABORT ? SETTLE_STEP_ABORT : SETTLE_STEP_NONE;
}

static enum settle_step item_broadcast(struct settle *settle, struct settle_item *item,
                                       struct settle_attempt *bid, const uint8_t *raw, size_t len)
{
    enum settle_step step = settle_item_ask_node(settle, item, bid, raw, len);

    return step == SETTLE_STEP_DONE ? item_sent(settle, item, bid) : step;
}

// The same bytes again.
static enum settle_step item_resend(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt *bid = settle_item_open_bid(item);
    size_t len = sizeof(settle->scratch_raw);

    if (bid->fate == SETTLE_FATE_NONE && settle_key_waits(settle, item_key(settle, item), bid->nonce))
        return SETTLE_STEP_NONE;
    if (!settle_store_ok(settle, settle->store.raw(settle->store.context, settle->scratch_raw, &len,
                                                   bid->attempt_id)))
        return SETTLE_STEP_ABORT;
    struct chain_hash hash = keccak256_hash(settle->scratch_raw, len);
    ASSERT(memcmp(&hash, &bid->hash, sizeof(hash)) == 0);
    settle->counters.resends++;
    return item_broadcast(settle, item, bid, settle->scratch_raw, len);
}

// ---- after the broadcast

static void receipt_read(struct settle *settle, const struct settle_item *item,
                         struct settle_receipt *out, const struct node_receipt *receipt)
{
    struct chain_address created;

    *out = (struct settle_receipt){.block_number = receipt->block_number,
                                   .block_hash = receipt->block_hash,
                                   .gas_used = receipt->gas_used,
                                   .effective_fee_wei = receipt->effective_fee_wei,
                                   .l1_fee_wei = receipt->l1_fee_wei,
                                   .succeeded = receipt->succeeded};
    transaction_created_address(&created, &item->signer, item->bids[0].nonce);
    const struct settle_call *moves = settle_netting_moves(&settle->moves, &item->call);
    out->has_planned_effect = settle_effect_find(out->log_index, receipt, moves,
                                                 &settle->arguments_read, &created);
    if (out->has_planned_effect && item->call.is_of_trades)
        settle_custody_unfrozen(out->unfrozen, receipt, &item->call, moves, out->log_index);
    settle_netting_spread_logs(out->log_index, &item->call);
}

void settle_item_incidents(struct settle *settle, const struct settle_item *item,
                           const struct erc3643_evidence *evidence)
{
    for (size_t i = 0; i < item->call.leg_count; i++) {
        enum erc3643_verdict verdict = evidence[i].verdict;
        if (verdict == ERC3643_ALLOWED || verdict == ERC3643_BALANCE_SHORT)
            continue;
        settle->counters.incidents++;
        log_error("compliance incident: mined although not allowed any more trade=%llu verdict=%s",
                  (unsigned long long)item->call.legs[i].trade_id, erc3643_verdict_text(verdict));
    }
}

// Was the check before the signature made at `number`, and on that very block? Then it is what the chain thinks there.
static enum settle_step item_was_checked(struct settle *settle, const struct settle_item *item,
                                         bool *checked, uint64_t number)
{
    struct node_block block;
    struct chain_hash hash;
    uint64_t at = 0;

    *checked = false;
    if (!settle_store_ok(settle,
                         settle->store.checked_at(settle->store.context, &at, &hash, item)))
        return SETTLE_STEP_ABORT;
    if (at == 0 || at != number)
        return SETTLE_STEP_NONE;
    enum node_result result = node_get_block(settle->node, &block, number);
    if (result == NODE_UNREACHABLE)
        return settle_chain_failed(settle, "eth_getBlockByNumber", result);
    *checked =
        result == NODE_OK && block.found && memcmp(&block.hash, &hash, sizeof(hash)) == 0;
    return SETTLE_STEP_NONE;
}

// U7, M28: what did the chain think of the transfers just before they happened? *asked: its answers
// are in settle->evidence.
static enum settle_step item_recheck(struct settle *settle, struct settle_item *item, bool *asked,
                                     const struct settle_receipt *receipt)
{
    bool checked = false;

    *asked = false;
    if (receipt->block_number == 0)
        return SETTLE_STEP_NONE;
    if (item_was_checked(settle, item, &checked, receipt->block_number - 1) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (checked)
        return SETTLE_STEP_NONE;
    const struct settle_call *moves = settle_netting_moves(&settle->moves, &item->call);
    enum node_result result = settle_preflight_contract(
        settle->node, &settle->preflight_seen, &moves->contract, receipt->block_number - 1);
    if (result == NODE_OK)
        result = settle_preflight_ask(settle->node, &settle->preflight_seen, moves);
    if (result == NODE_UNREACHABLE)
        return settle_chain_failed(settle, "compliance check", result);
    if (result != NODE_OK) { // the node has forgotten that block's state: no verdict
        log_limited(LOG_WARNING, "no compliance check at the mined block request=%llu result=%s",
                    (unsigned long long)item->call.request_id, node_result_text(result));
        return SETTLE_STEP_NONE;
    }
    if (settle_custody_read(settle, &settle->preflight_seen) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    settle_preflight_judge(settle->evidence, &settle->preflight_seen, moves);
    settle_netting_spread_evidence(settle->evidence, &item->call);
    *asked = true;
    return SETTLE_STEP_NONE;
}

// The contract's state after the block. NONE: as planned, or nothing can be read back.
static enum settle_step item_read_back(struct settle *settle, struct settle_item *item,
                                       bool *differs, const struct settle_receipt *receipt)
{
    enum settle_state state;

    if (item->call.operation == SETTLE_DEPLOY)
        transaction_created_address(&item->call.contract, &item->signer,
                                    item->bids[0].nonce);
    enum node_result result = settle_effect_state(settle->node, &state, &item->call,
                                                  &settle->arguments_read, receipt->block_number);
    if (result != NODE_OK) {
        (void)settle_item_node_failed(settle, item, "read back", result);
        return SETTLE_STEP_ABORT;
    }
    if (state ==
        SETTLE_STATE_DIFFERS) // the events say that it was so; a later call may have followed
        log_warning("the contract is not as the request left it request=%llu operation=%s",
                    (unsigned long long)item->call.request_id,
                    settle_operation_text(item->call.operation));
    *differs = state == SETTLE_STATE_DIFFERS && item->call.operation == SETTLE_DEPLOY;
    return SETTLE_STEP_NONE;
}

static enum settle_step item_confirm(struct settle *settle, struct settle_item *item,
                                     struct settle_attempt *bid,
                                     const struct settle_receipt *receipt)
{
    ASSERT(!item->call.is_of_trades); // settle_together.c
    if (!settle_store_ok(settle, settle->store.confirm(settle->store.context, item, bid, receipt)))
        return SETTLE_STEP_ABORT;
    settle_item_is_confirmed(settle, item, bid, receipt);
    return SETTLE_STEP_DONE;
}

void settle_item_is_confirmed(struct settle *settle, struct settle_item *item,
                              struct settle_attempt *bid, const struct settle_receipt *receipt)
{
    bool of_trades = item->call.is_of_trades;

    bid_move(bid, SETTLE_ATTEMPT_CONFIRMED);
    settle->counters.confirmed += of_trades ? item->call.leg_count : 1;
    settle->results_stale = true;
    log_info("confirmed request=%llu operation=%s legs=%zu first_trade=%llu block=%llu gas=%llu",
             (unsigned long long)item->call.request_id, settle_operation_text(item->call.operation),
             item->call.leg_count,
             (unsigned long long)(of_trades ? item->call.legs[0].trade_id : 0),
             (unsigned long long)receipt->block_number, (unsigned long long)receipt->gas_used);
}

static void endings_all(struct settle *settle, const struct settle_item *item,
                        struct settle_ending ending)
{
    settle->endings[0] = ending; // of what has no legs, too
    for (size_t i = 1; i < item->call.leg_count; i++)
        settle->endings[i] = ending;
}

// It would pass now: gas, or something that has changed meanwhile. A batch is tried again in
// halves, which uses nobody's attempt and ends; a leg by itself has used one.
static void endings_of_nobody(struct settle *settle, const struct settle_item *item,
                              char reason[SETTLE_REASON_MAX])
{
    size_t legs = item->call.is_of_trades ? item->call.leg_count : 1;
    struct settle_ending ending = {.end = legs > 1 ? SETTLE_END_RELEASE : SETTLE_END_COUNT,
                                   .limit = legs > 1 ? (legs + 1) / 2 : 0};

    snprintf(reason, SETTLE_REASON_MAX, "%s", SETTLE_REASON_OUT_OF_GAS);
    snprintf(ending.reason, sizeof(ending.reason), "%s",
             legs > 1 ? SETTLE_REASON_NEIGHBOUR : reason);
    endings_all(settle, item, ending);
}

// The leg that is to blame has used an attempt and has failed with the contract's words; its
// neighbours go again. Of a net nobody knows which of its trades is to blame: each goes by itself
// now.
static void endings_of_move(struct settle *settle, const struct settle_item *item, size_t move,
                            const char *reason)
{
    struct settle_ending ending = {.end = SETTLE_END_RELEASE};
    size_t count;
    size_t leg = settle_netting_leg_at(&item->call, move, &count);

    snprintf(ending.reason, sizeof(ending.reason), "%s", SETTLE_REASON_NEIGHBOUR);
    endings_all(settle, item, ending);
    for (size_t i = 0; count > 1 && i < item->call.leg_count; i++)
        if (item->call.legs[i].place == move)
            snprintf(settle->endings[i].reason, SETTLE_REASON_MAX, "%s", SETTLE_REASON_NET);
    if (count > 1)
        return;
    settle->endings[leg] = (struct settle_ending){.end = SETTLE_END_FAIL, .is_counted = true};
    snprintf(settle->endings[leg].reason, SETTLE_REASON_MAX, "%s", reason);
}

// Why it failed, and how each leg ends: the same call on the state of its block. NONE: filled.
static enum settle_step item_why_reverted(struct settle *settle, struct settle_item *item,
                                          char reason[SETTLE_REASON_MAX],
                                          const struct settle_receipt *receipt)
{
    enum node_result result;
    size_t move = 0;

    if (receipt->succeeded) {
        struct settle_ending ending = {.end = SETTLE_END_FAIL, .is_counted = true};
        snprintf(reason, SETTLE_REASON_MAX, "%s",
                 receipt->has_planned_effect ? SETTLE_REASON_STATE : SETTLE_REASON_MISMATCH);
        snprintf(ending.reason, sizeof(ending.reason), "%s", reason);
        endings_all(settle, item, ending);
        return SETTLE_STEP_NONE;
    }
    switch (settle_simulate_blame(settle, item, &move, reason, receipt->block_number, &result)) {
    case SETTLE_BLAME_UNKNOWN: // asked again at the next look
        (void)settle_item_node_failed(settle, item, "eth_call", result);
        return SETTLE_STEP_ABORT;
    case SETTLE_BLAME_NOBODY:
        endings_of_nobody(settle, item, reason);
        break;
    case SETTLE_BLAME_MOVE:
        endings_of_move(settle, item, item->call.is_of_trades ? move : 0, reason);
        break;
    }
    return SETTLE_STEP_NONE;
}

static enum settle_step item_revert(struct settle *settle, struct settle_item *item,
                                    struct settle_attempt *bid,
                                    const struct settle_receipt *receipt)
{
    char reason[SETTLE_REASON_MAX];

    if (item_why_reverted(settle, item, reason, receipt) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (item->sign_before_ns != 0) { // nothing of an instruction goes again by itself
        struct settle_ending ending = {.end = SETTLE_END_FAIL, .is_counted = true};
        snprintf(ending.reason, sizeof(ending.reason), "%s", reason);
        endings_all(settle, item, ending);
    }
    if (!settle_store_ok(settle, settle->store.revert(settle->store.context, item, bid, receipt,
                                                      reason, settle->endings)))
        return SETTLE_STEP_ABORT;
    bid_move(bid, SETTLE_ATTEMPT_REVERTED);
    settle->counters.reverted++;
    settle->results_stale = true;
    log_warning("reverted request=%llu nonce=%llu reason=\"%s\"",
                (unsigned long long)item->call.request_id, (unsigned long long)bid->nonce, reason);
    return SETTLE_STEP_DONE;
}

static enum settle_step item_unmined(struct settle *settle, struct settle_item *item,
                                     struct settle_attempt *bid)
{
    if (!settle_store_ok(settle, settle->store.unmined(settle->store.context, item, bid)))
        return SETTLE_STEP_ABORT;
    bid_move(bid, SETTLE_ATTEMPT_SENT);
    settle->counters.reorganised++;
    log_warning("reorganised away request=%llu nonce=%llu block=%llu",
                (unsigned long long)item->call.request_id, (unsigned long long)bid->nonce,
                (unsigned long long)bid->mined_block);
    settle->resent_ns = 0; // the next pass sends it again, unless something before it is undecided
    return SETTLE_STEP_DONE;
}

// The nonce has ended without effect.
static enum settle_step item_cancelled(struct settle *settle, struct settle_item *item,
                                       struct settle_attempt *bid,
                                       const struct settle_receipt *receipt)
{
    if (!settle_chain_is_deep(settle, receipt->block_number))
        return SETTLE_STEP_NONE;
    if (!settle_store_ok(settle,
                         settle->store.cancelled(settle->store.context, item, bid, receipt)))
        return SETTLE_STEP_ABORT;
    bid_move(bid, SETTLE_ATTEMPT_DROPPED);
    settle->results_stale = true;
    return SETTLE_STEP_DONE;
}

// The chain lost it, and a miner has taken it up again before the empty one. Without an effect:
// as before. With its effect: it is what moves the trades, and nothing else must.
static enum settle_step item_returned(struct settle *settle, struct settle_item *item,
                                      struct settle_attempt *bid,
                                      const struct settle_receipt *receipt)
{
    bool moved = receipt->succeeded && receipt->has_planned_effect;
    bool deep = settle_chain_is_deep(settle, receipt->block_number);
    bool waits = false;

    if (moved && !settle_store_ok(settle, settle->store.conflict(settle->store.context, item)))
        return SETTLE_STEP_ABORT;
    if (!deep)
        return SETTLE_STEP_NONE;
    if (!settle_store_ok(
            settle,
            moved ? settle->store.returned(settle->store.context, &waits, item, bid, receipt)
                  : settle->store.ended_again(settle->store.context, item, bid, receipt,
                                              SETTLE_REASON_REVERTED)))
        return SETTLE_STEP_ABORT;
    if (waits)
        return SETTLE_STEP_NONE;
    log_error(
        "a transaction that had reverted %s after a deep reorganisation request=%llu nonce=%llu",
        moved ? "moves its trades" : "reverted again", (unsigned long long)item->call.request_id,
        (unsigned long long)bid->nonce);
    bid_move(bid, moved ? SETTLE_ATTEMPT_CONFIRMED : SETTLE_ATTEMPT_REVERTED);
    settle->results_stale = true;
    return SETTLE_STEP_DONE;
}

void settle_item_is_mined(struct settle_item *item, struct settle_attempt *bid,
                          const struct settle_receipt *receipt)
{
    struct settle_attempt *open = settle_item_open_bid(item);

    if (bid->state == SETTLE_ATTEMPT_MINED)
        return;
    if (open != NULL && open != bid)
        bid_move(open, open->state == SETTLE_ATTEMPT_PREPARED ? SETTLE_ATTEMPT_DROPPED
                                                              : SETTLE_ATTEMPT_REPLACED);
    bid_move(bid, SETTLE_ATTEMPT_MINED);
    bid->mined_block = receipt->block_number;
}

// As it was planned: it goes together with others.
static enum settle_step item_seen(struct settle *settle, struct settle_item *item,
                                  struct settle_attempt *bid, const struct settle_receipt *receipt)
{
    bool is_deep = settle_chain_is_deep(settle, receipt->block_number);
    bool asked = false;

    if (!is_deep && bid->state == SETTLE_ATTEMPT_MINED)
        return SETTLE_STEP_NONE;
    if (is_deep && item_recheck(settle, item, &asked, receipt) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    return settle_seen_add(settle, item, bid, receipt, is_deep, asked);
}

static enum settle_step item_mined(struct settle *settle, struct settle_item *item,
                                   struct settle_attempt *bid, const struct settle_receipt *receipt)
{
    struct settle_attempt *open = settle_item_open_bid(item);

    // In another block now, or another bid at the nonce is.
    if (open->state == SETTLE_ATTEMPT_MINED &&
        (open != bid || bid->mined_block != receipt->block_number))
        return item_unmined(settle, item, open); // once more from there
    if (item->call.is_of_trades && bid->fate != SETTLE_FATE_OVER && !bid->is_empty &&
        receipt->succeeded && receipt->has_planned_effect)
        return item_seen(settle, item, bid, receipt);
    if (bid->state != SETTLE_ATTEMPT_MINED) {
        if (!settle_store_ok(settle,
                             settle->store.mined(settle->store.context, item, bid, receipt)))
            return SETTLE_STEP_ABORT;
        settle_item_is_mined(item, bid, receipt);
    }
    if (bid->is_empty && bid->fate != SETTLE_FATE_NONE)
        return item_cancelled(settle, item, bid, receipt);
    if (bid->fate == SETTLE_FATE_OVER)
        return item_returned(settle, item, bid, receipt);
    if (!settle_chain_is_deep(settle, receipt->block_number))
        return SETTLE_STEP_NONE;
    if (!receipt->succeeded || !receipt->has_planned_effect)
        return item_revert(settle, item, bid, receipt);
    bool differs = false;
    if (!item->call.is_of_trades &&
        item_read_back(settle, item, &differs, receipt) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    return differs ? item_revert(settle, item, bid, receipt)
                   : item_confirm(settle, item, bid, receipt);
}

// The node's count is past our nonce and no bid has a receipt. Only the transaction itself is a
// proof. *found: there is one in a block, ours or another; NONE and none found: the count shows
// nothing, and what is sent is looked after as if it had not been said.
static enum settle_step item_nonce_taken(struct settle *settle, struct settle_item *item,
                                         bool *found)
{
    struct settle_use use; // not looked for to the end: as much in doubt until then
    enum node_result result =
        settle_chain_find(settle, &use, &item->signer, item->bids[0].nonce);

    *found = use.found;
    if (result != NODE_OK)
        return settle_item_node_failed(settle, item, "eth_getBlockByNumber", result);
    for (size_t i = 0; use.found && i < item->bid_count; i++)
        if (memcmp(&item->bids[i].hash, &use.hash, sizeof(use.hash)) == 0)
            return SETTLE_STEP_NONE; // ours after all: its receipt will come
    if (!use.found || !settle_chain_is_deep(settle, use.block_number)) {
        log_limited(LOG_ERROR,
                    "nonce used, no receipt, no transaction seen: in doubt request=%llu "
                    "nonce=%llu",
                    (unsigned long long)item->call.request_id,
                    (unsigned long long)item->bids[0].nonce);
        return SETTLE_STEP_NONE;
    }
    struct settle_ending ending = {.end = SETTLE_END_COUNT, .reason = SETTLE_REASON_NONCE_TAKEN};
    enum settle_step step =
        settle_lost_restore(settle, &item->signer, item->bids[0].nonce, item);
    if (step == SETTLE_STEP_NONE)
        step = settle_item_legs(settle, item);
    if (step != SETTLE_STEP_NONE || settle->attempts_lost) // ours after all, perhaps
        return step;
    if (settle_chain_network(settle) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (!settle_store_ok(settle, settle->store.drop(settle->store.context, item, &ending,
                                                    use.block_number, &use.block_hash)))
        return SETTLE_STEP_ABORT;
    settle->counters.dropped++;
    settle->results_stale = true;
    log_error("a foreign transaction used our nonce request=%llu nonce=%llu block=%llu",
              (unsigned long long)item->call.request_id, (unsigned long long)item->bids[0].nonce,
              (unsigned long long)use.block_number);
    return SETTLE_STEP_DONE;
}

// Blocks go by without the lowest nonce: it is worth more to us than to the miners so far.
static bool item_is_stuck(struct settle *settle, const struct settle_item *item)
{
    const struct settle_key *key = item_key(settle, item);

    return item->bids[0].nonce == key->head_nonce && settle->block_number > key->head_block &&
           settle->pass_ns - key->head_ns >= settle->config.stuck_ns;
}

static enum settle_step item_without_receipt(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt *bid = settle_item_open_bid(item);
    struct node_transaction transaction;

    if (bid->state == SETTLE_ATTEMPT_MINED)
        return item_unmined(settle, item, bid);
    if (bid->state == SETTLE_ATTEMPT_PREPARED)
        return item_sign_again(settle, item);
    if (item_key(settle, item)->mined_nonces > bid->nonce) {
        bool found = false;
        if (!settle->resend) // its receipt may be late
            return SETTLE_STEP_NONE;
        enum settle_step step = item_nonce_taken(settle, item, &found);
        if (step != SETTLE_STEP_NONE || found)
            return step;
    }
    if (is_given_up(bid))
        return item_cancel(settle, item);
    if (item_is_stuck(settle, item)) {
        item_key(settle, item)->head_ns = settle->pass_ns; // the higher bid gets as long
        item_key(settle, item)->head_block = settle->block_number;
        return item_bid_more(settle, item);
    }
    // Once in a tick; what the node does not take, too, where no higher bid can be made.
    if (!settle->resend && (bid->state == SETTLE_ATTEMPT_SENT || bid->stands != NULL))
        return SETTLE_STEP_NONE;
    enum node_result result = node_get_transaction(settle->node, &transaction, &bid->hash);
    if (result != NODE_OK)
        return settle_item_node_failed(settle, item, "eth_getTransactionByHash", result);
    if (transaction.found && bid->state == SETTLE_ATTEMPT_SENT)
        return SETTLE_STEP_NONE;
    return item_resend(settle, item);
}

// The receipt of a bid, if there is one; what it says of the planned legs.
static enum settle_step item_receipt(struct settle *settle, struct settle_item *item,
                                     const struct settle_attempt *bid, bool *found,
                                     struct settle_receipt *receipt)
{
    struct node_receipt node_receipt;
    enum settle_step step = settle_item_legs(settle, item);

    if (step != SETTLE_STEP_NONE)
        return step;
    enum node_result result = node_get_receipt(settle->node, &node_receipt, &bid->hash);
    if (result != NODE_OK) {
        (void)settle_item_node_failed(settle, item, "eth_getTransactionReceipt", result);
        return SETTLE_STEP_ABORT;
    }
    *found = node_receipt.found;
    if (*found)
        receipt_read(settle, item, receipt, &node_receipt);
    node_receipt_fini(&node_receipt);
    return SETTLE_STEP_NONE;
}

// A nonce that is not used has no receipt; what is mined is looked at again when it is deep enough,
// and every tick.
static bool is_worth_a_look(struct settle *settle, const struct settle_item *item,
                            const struct settle_attempt *open)
{
    if (open->state == SETTLE_ATTEMPT_MINED)
        return settle->resend || settle_chain_is_deep(settle, open->mined_block);
    return settle->resend || item_key(settle, item)->mined_nonces > open->nonce;
}

static enum settle_step item_look(struct settle *settle, struct settle_item *item)
{
    const struct settle_attempt *open = settle_item_open_bid(item);

    if (open->state == SETTLE_ATTEMPT_MINED && !is_worth_a_look(settle, item, open))
        return SETTLE_STEP_NONE;
    for (size_t i = item->bid_count; i > 0 && is_worth_a_look(settle, item, open); i--) {
        struct settle_attempt *bid = &item->bids[i - 1];
        struct settle_receipt receipt;
        bool found = false;

        if (bid->state == SETTLE_ATTEMPT_PREPARED)
            continue;
        enum settle_step step = item_receipt(settle, item, bid, &found, &receipt);
        if (step != SETTLE_STEP_NONE)
            return step;
        if (found)
            return item_mined(settle, item, bid, &receipt);
    }
    return item_without_receipt(settle, item);
}

// To be cancelled before it was signed: nothing has to be.
static enum settle_step item_unsigned(struct settle *settle, struct settle_item *item)
{
    struct settle_ending ending = {.end = SETTLE_END_RELEASE, .reason = SETTLE_REASON_CANCELLED};
    struct settle_attempt *bid = &item->bids[item->bid_count - 1];
    bool is_over = bid->fate == SETTLE_FATE_ABANDON;
    enum settle_step step = settle_lost_restore(settle, &item->signer, bid->nonce, item);

    if (step == SETTLE_STEP_NONE)
        step = settle_item_legs(settle, item);
    if (step != SETTLE_STEP_NONE)
        return step;
    if (is_over)
        ending = (struct settle_ending){.end = item->call.is_of_trades ? SETTLE_END_RELEASE
                                                                       : SETTLE_END_FAIL,
                                        .reason = SETTLE_REASON_ABANDONED};
    if (!settle_store_ok(settle, settle->store.refuse(settle->store.context, item, bid, &ending)))
        return SETTLE_STEP_ABORT;
    bid_move(bid, SETTLE_ATTEMPT_DROPPED);
    settle->results_stale = true;
    return SETTLE_STEP_DONE;
}

enum settle_step settle_item_step(struct settle *settle, struct settle_item *item)
{
    const struct settle_attempt *bid = settle_item_open_bid(item);

    if (item->gave_way)
        return SETTLE_STEP_NONE;
    if (item->bid_count == 0) {
        item->signer = settle->signer_address;
        // What fills a gap moves nothing, and the undecided nonce may wait behind that gap.
        bool may_begin = !settle->is_over || item->call.operation == SETTLE_CANCEL_NONCE;
        return may_begin ? settle_item_begin(settle, item) : SETTLE_STEP_NONE;
    }
    ASSERT(bid != NULL);
    if (item_key(settle, item) == NULL) // more keys than are looked after at once: those before it first
        return SETTLE_STEP_NONE;
    if (bid->state == SETTLE_ATTEMPT_PREPARED && is_given_up(bid))
        return item_unsigned(settle, item);
    if (bid->state == SETTLE_ATTEMPT_PREPARED && item->bid_count == 1)
        return item_sign_again(settle, item);
    if (!settle->look && (bid->state == SETTLE_ATTEMPT_SENT || bid->state == SETTLE_ATTEMPT_MINED))
        return SETTLE_STEP_NONE;
    return item_look(settle, item);
}
