// Requests that others made, before their signature: mint, burn, identities, freezing, agents,
// contracts. The row is typed, its caller's; it ends confirmed, reverted or rejected, with its
// reason in words, or waits with one.
//
//   state    what it wants may be so already: confirmed, nothing is sent (registerIdentity is
//            idempotent by that)
//   cover    a mint waits for a custody proof
//   build    a row that cannot be carried out is rejected
//   escrow   what leaves a stablecoin's escrow leaves the wallet of the key that signs, whatever
//            the row says: another one is rejected
//   price    the call is simulated: one that reverts is rejected with the contract's words
//   prepare  as for trades
#include "settlement/settle_mint.h"

#include <stdio.h>

#include "base/log.h"

static enum settle_step request_finish(struct settle *settle, struct settle_item *item,
                                       enum settle_finish finish, const char *reason)
{
    if (finish != SETTLE_FINISH_WAITS && settle_chain_network(settle) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (!settle_store_ok(settle, settle->store.finish(settle->store.context, item, finish, reason)))
        return SETTLE_STEP_ABORT;
    settle->counters.refused += finish == SETTLE_FINISH_REJECTED;
    log_info("request %s request=%llu operation=%s reason=\"%s\"",
             finish == SETTLE_FINISH_DONE       ? "done already"
             : finish == SETTLE_FINISH_REJECTED ? "rejected"
                                                : "waits",
             (unsigned long long)item->call.request_id, settle_operation_text(item->call.operation),
             reason);
    return finish == SETTLE_FINISH_WAITS ? SETTLE_STEP_NONE : SETTLE_STEP_DONE;
}

static enum settle_step request_node_failed(struct settle *settle, struct settle_item *item,
                                            const char *what, enum node_result result)
{
    if (request_finish(settle, item, SETTLE_FINISH_WAITS,
                       result == NODE_DISAGREE ? SETTLE_REASON_DISAGREE : SETTLE_REASON_NODE) ==
            SETTLE_STEP_ABORT ||
        settle_item_node_failed(settle, item, what, result) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    return SETTLE_STEP_DONE; // its turn is over
}

// NONE: there is something to do.
static enum settle_step request_state(struct settle *settle, struct settle_item *item)
{
    enum settle_state state;

    if (item->call.operation == SETTLE_DEPLOY) // every creation makes another contract
        return SETTLE_STEP_NONE;
    enum node_result result = settle_effect_state(settle->node, &state, &item->call,
                                                  &settle->arguments_read, NODE_LATEST);
    if (result == NODE_REVERTED || result == NODE_UNFIT || result == NODE_TOO_WIDE)
        return SETTLE_STEP_NONE; // no contract, or another one: its simulation will say so
    if (result != NODE_OK)
        return request_node_failed(settle, item, "eth_call", result);
    if (state == SETTLE_STATE_HOLDS)
        return request_finish(settle, item, SETTLE_FINISH_DONE, SETTLE_REASON_DONE);
    return SETTLE_STEP_NONE;
}

// A call to an address without code succeeds and does nothing.
static enum settle_step request_contract(struct settle *settle, struct settle_item *item)
{
    bool has_code = false;

    if (item->call.operation == SETTLE_DEPLOY || item->call.operation == SETTLE_CANCEL_NONCE)
        return SETTLE_STEP_NONE;
    enum node_result result =
        node_has_code(settle->node, &has_code, &item->call.contract, NODE_LATEST);
    if (result != NODE_OK)
        return request_node_failed(settle, item, "eth_getCode", result);
    if (!has_code)
        return request_finish(settle, item, SETTLE_FINISH_REJECTED,
                              erc3643_verdict_text(ERC3643_NO_CONTRACT));
    return SETTLE_STEP_NONE;
}

// NONE: it is no mint, or a custody proof covers it.
static enum settle_step request_cover(struct settle *settle, struct settle_item *item)
{
    struct settle_ending ending;
    enum settle_step step = settle_mint_judge(settle, item, &ending);

    if (ending.end == SETTLE_END_STAY)
        return step;
    if (request_finish(settle, item,
                       ending.end == SETTLE_END_FAIL ? SETTLE_FINISH_REJECTED : SETTLE_FINISH_WAITS,
                       ending.reason) == SETTLE_STEP_ABORT ||
        step == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    return SETTLE_STEP_DONE;
}

// What is paid leaves the wallet of the key that signs: the escrow's, active or retired.
static enum settle_step request_escrow(struct settle *settle, struct settle_item *item)
{
    if (item->call.operation != SETTLE_ERC20_TRANSFER || item->call.leg_count == 0)
        return SETTLE_STEP_NONE;
    if (settle_key_of(settle, &item->call.legs[0].from) != NULL) {
        item->signer = item->call.legs[0].from;
        return SETTLE_STEP_NONE;
    }
    return request_finish(settle, item, SETTLE_FINISH_REJECTED, SETTLE_REASON_ESCROW);
}

static enum settle_step request_reverts(struct settle *settle, struct settle_item *item)
{
    char words[SETTLE_REASON_MAX];
    char reason[SETTLE_REASON_MAX + 32];
    enum node_result result;
    size_t leg = 0;

    snprintf(words, sizeof(words), "%s: %s", SETTLE_REASON_REVERTED, settle->node->error.reason);
    if (settle_simulate_blame(settle, item, &leg, words, NODE_LATEST, &result) ==
        SETTLE_BLAME_UNKNOWN)
        return request_node_failed(settle, item, "eth_call", result);
    snprintf(reason, sizeof(reason), "%s", words);
    if (item->call.leg_count > 1)
        snprintf(reason, sizeof(reason), "leg %u: %s", (unsigned)item->call.legs[leg].number,
                 words);
    return request_finish(settle, item, SETTLE_FINISH_REJECTED, reason);
}

// NONE: gas and fees are filled.
static enum settle_step request_price(struct settle *settle, struct settle_item *item,
                                      struct settle_attempt *bid)
{
    struct node_message message;
    uint64_t estimate = 0;
    char reason[SETTLE_REASON_MAX];

    if (!settle_item_message(settle, item, item->call.leg_count, &message)) {
        snprintf(reason, sizeof(reason), "%s", settle->call_error);
        return request_finish(settle, item, SETTLE_FINISH_REJECTED, reason);
    }
    settle->counters.simulations++;
    enum node_result result = node_estimate_gas(settle->node, &estimate, &message);
    if (result == NODE_REVERTED)
        return request_reverts(settle, item);
    if (result != NODE_OK)
        return request_node_failed(settle, item, "eth_estimateGas", result);
    uint64_t max = settle_item_gas_max(settle, item);
    bid->gas_limit = settle_gas_limit(estimate, settle->config.gas_margin_percent, max);
    if (bid->gas_limit == 0) {
        snprintf(reason, sizeof(reason), "%s: needs %llu, %llu allowed", SETTLE_REASON_GAS_CAP,
                 (unsigned long long)estimate, (unsigned long long)max);
        return request_finish(settle, item, SETTLE_FINISH_REJECTED, reason);
    }
    if (!settle_fees_first(&bid->fees, &settle->config.fees, settle->base_fee_wei,
                           settle->priority_wei))
        return request_finish(settle, item, SETTLE_FINISH_WAITS, SETTLE_REASON_FEE_CAP) ==
                       SETTLE_STEP_ABORT
                   ? SETTLE_STEP_ABORT
                   : SETTLE_STEP_DONE;
    return SETTLE_STEP_NONE;
}

// A nonce that somebody wants to be given up: one that nobody holds is filled; the request that
// holds it is cancelled in its place. NONE: to be filled.
static enum settle_step request_nonce(struct settle *settle, struct settle_item *item)
{
    uint64_t nonce = settle->arguments_read.nonce;
    uint64_t next = 0;
    bool known = false;
    bool held = false;

    if (item->call.operation != SETTLE_CANCEL_NONCE)
        return SETTLE_STEP_NONE;
    settle_together_flush(settle, true); // what takes the next nonce must not find it taken
    if (settle->store_failed || settle->chain_failed)
        return SETTLE_STEP_ABORT;
    const struct settle_key *key = settle_key_of(settle, &item->signer);
    if (key == NULL)
        return request_finish(settle, item, SETTLE_FINISH_REJECTED, SETTLE_REASON_NONCE_UNKNOWN);
    if (key->mined_nonces > nonce)
        return request_finish(settle, item, SETTLE_FINISH_REJECTED, SETTLE_REASON_NONCE_USED);
    if (!settle_store_ok(
            settle, settle->store.nonce_get(settle->store.context, &known, &next, &item->signer)) ||
        !settle_store_ok(
            settle, settle->store.nonce_cancel(settle->store.context, &held, &item->signer, nonce)))
        return SETTLE_STEP_ABORT;
    if (held)
        return request_finish(settle, item, SETTLE_FINISH_DONE, SETTLE_REASON_NONCE_HELD);
    if (!known || nonce > next) // the next one may be a gap
        return request_finish(settle, item, SETTLE_FINISH_REJECTED, SETTLE_REASON_NONCE_UNKNOWN);
    return SETTLE_STEP_NONE;
}

enum settle_step settle_request_begin(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt bid = {0};
    enum settle_step step;

    if ((step = request_contract(settle, item)) != SETTLE_STEP_NONE ||
        (step = request_state(settle, item)) != SETTLE_STEP_NONE ||
        (step = request_cover(settle, item)) != SETTLE_STEP_NONE ||
        (step = request_escrow(settle, item)) != SETTLE_STEP_NONE ||
        (step = request_price(settle, item, &bid)) != SETTLE_STEP_NONE ||
        (step = request_nonce(settle, item)) != SETTLE_STEP_NONE)
        return step;
    step = settle_firsts_add(settle, item, &bid, NULL);
    if (item->call.operation == SETTLE_CANCEL_NONCE)
        settle_together_flush(settle, true);
    return step;
}
