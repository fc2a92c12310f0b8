// Trades before their signature. The happy path, read downwards:
//
//   preflight  every leg is asked about at one block, and judged in order
//   net        where the token is netted: which legs move together (settle_item_net.c)
//   price      the whole call is simulated: gas; fees
//   prepare    with others (settle_together.c): evidence, nonce, gas and fees committed; then signed
//
// A leg that is refused leaves the request with its reason; so does one that makes the call revert
// (settle_simulate.c). After each leaving what remains is judged again, for a leg may have needed
// what another would have brought. The neighbours of a leg that leaves go on unharmed. Nothing here
// uses an attempt.
#include "settlement/settle_custody.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

// ---- leaving

static void endings_clear(struct settle *settle)
{
    for (size_t i = 0; i < SETTLE_LEGS_MAX; i++)
        settle->endings[i] = (struct settle_ending){.end = SETTLE_END_STAY};
}

static void ending_set(struct settle *settle, size_t leg, enum settle_end end, const char *reason,
                       bool has_evidence)
{
    struct settle_ending *ending = &settle->endings[leg];

    *ending = (struct settle_ending){.end = end, .has_evidence = has_evidence};
    snprintf(ending->reason, sizeof(ending->reason), "%s", reason);
}

// Takes the legs that do not stay out of the item, and their answers with them.
static void legs_remove(struct settle *settle, struct settle_item *item)
{
    struct settle_call *call = &item->call;

    for (size_t i = call->leg_count; i > 0; i--) {
        if (settle->endings[i - 1].end == SETTLE_END_STAY)
            continue;
        settle_preflight_forget(&settle->preflight, i - 1, call->leg_count);
        memmove(&settle->evidence[i - 1], &settle->evidence[i],
                (call->leg_count - i) * sizeof(settle->evidence[0]));
        memmove(&call->legs[i - 1], &call->legs[i], (call->leg_count - i) * sizeof(call->legs[0]));
        call->leg_count--;
    }
}

static bool any_ends(const struct settle *settle, const struct settle_item *item)
{
    for (size_t i = 0; i < item->call.leg_count; i++)
        if (settle->endings[i].end == SETTLE_END_FAIL ||
            settle->endings[i].end == SETTLE_END_NETTED)
            return true;
    return false;
}

// Legs of an instruction end alike: one that fails fails all, one that waits lets all wait. Each keeps the
// evidence of its own.
static void endings_alike(struct settle *settle, const struct settle_item *item)
{
    const struct settle_ending *first = NULL;

    for (size_t i = 0; i < item->call.leg_count; i++) {
        const struct settle_ending *ending = &settle->endings[i];
        if (ending->end == SETTLE_END_FAIL && (first == NULL || first->end != SETTLE_END_FAIL))
            first = ending;
        else if (ending->end != SETTLE_END_STAY && first == NULL)
            first = ending;
    }
    if (first == NULL)
        return;
    struct settle_ending ending = *first;
    ASSERT(ending.end == SETTLE_END_FAIL || ending.end == SETTLE_END_RELEASE);
    ending.limit = 0;
    for (size_t i = 0; i < item->call.leg_count; i++) {
        bool has_evidence = settle->endings[i].has_evidence;
        settle->endings[i] = ending;
        settle->endings[i].has_evidence = has_evidence;
    }
}

enum settle_step settle_item_leave(struct settle *settle, struct settle_item *item)
{
    if (item->sign_before_ns != 0)
        endings_alike(settle, item);
    if (any_ends(settle, item) && settle_chain_network(settle) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (!settle_store_ok(settle, settle->store.leave(settle->store.context, item, settle->endings,
                                                     settle->evidence)))
        return SETTLE_STEP_ABORT;
    for (size_t i = 0; i < item->call.leg_count; i++) {
        const struct settle_ending *ending = &settle->endings[i];
        if (ending->end == SETTLE_END_STAY)
            continue;
        settle->counters.refused += ending->end == SETTLE_END_FAIL;
        settle->counters.netted_to_zero += ending->end == SETTLE_END_NETTED;
        log_info("trade %s trade=%llu reason=\"%s\"",
                 ending->end == SETTLE_END_FAIL     ? "failed"
                 : ending->end == SETTLE_END_NETTED ? "settled"
                                                    : "released",
                 (unsigned long long)item->call.legs[i].trade_id, ending->reason);
    }
    settle->results_stale = true;
    legs_remove(settle, item);
    return item->call.leg_count > 0 ? SETTLE_STEP_NONE : SETTLE_STEP_DONE;
}

static enum settle_step item_leave_all(struct settle *settle, struct settle_item *item,
                                       enum settle_end end, const char *reason, bool has_evidence)
{
    for (size_t i = 0; i < item->call.leg_count; i++)
        ending_set(settle, i, end, reason, has_evidence);
    return settle_item_leave(settle, item);
}

// The node failed while nothing was signed: these trades wait a tick; when nobody can use the node,
// all do.
enum settle_step settle_item_release_by_node(struct settle *settle, struct settle_item *item,
                                             const char *what, enum node_result result)
{
    const char *reason = result == NODE_DISAGREE ? SETTLE_REASON_DISAGREE : SETTLE_REASON_NODE;
    enum settle_step step = item_leave_all(settle, item, SETTLE_END_RELEASE, reason, false);

    if (settle_item_node_failed(settle, item, what, result) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    return step;
}

// ---- preflight

// A short balance is permanent, unless the seller is still to receive units by another trade; so
// are units that others have frozen, unless they may be the venue's own.
static enum settle_step leg_refused(struct settle *settle, struct settle_item *item, size_t leg)
{
    enum erc3643_verdict verdict = settle->evidence[leg].verdict;
    bool inbound = false;

    if (verdict == ERC3643_BALANCE_SHORT &&
        !settle_store_ok(settle, settle->store.inbound_open(settle->store.context, &inbound,
                                                            &item->call.legs[leg])))
        return SETTLE_STEP_ABORT;
    if (inbound)
        ending_set(settle, leg, SETTLE_END_RELEASE, SETTLE_REASON_INBOUND, false);
    else if (settle_custody_waits(settle, item, leg))
        ending_set(settle, leg, SETTLE_END_RELEASE, SETTLE_REASON_FREEZE, false);
    else
        ending_set(settle, leg, SETTLE_END_FAIL, erc3643_verdict_text(verdict), true);
    return SETTLE_STEP_NONE;
}

// NONE: every leg that is left is allowed. DONE: none is left.
static enum settle_step item_judge(struct settle *settle, struct settle_item *item)
{
    while (settle_preflight_judge(settle->evidence, &settle->preflight, &item->call) > 0) {
        endings_clear(settle);
        for (size_t i = 0; i < item->call.leg_count; i++)
            if (settle->evidence[i].verdict != ERC3643_ALLOWED &&
                leg_refused(settle, item, i) == SETTLE_STEP_ABORT)
                return SETTLE_STEP_ABORT;
        enum settle_step step = settle_item_leave(settle, item);
        if (step != SETTLE_STEP_NONE)
            return step;
    }
    return SETTLE_STEP_NONE;
}

// NONE: what is left is allowed, and it is decided which of it moves together.
static enum settle_step item_plan(struct settle *settle, struct settle_item *item)
{
    enum settle_step step;

    settle_netting_dissolve(&item->call);
    if ((step = item_judge(settle, item)) != SETTLE_STEP_NONE)
        return step;
    return settle_item_net(settle, item);
}

// ---- simulation and price

// Too large for one transaction: the second half is to go in requests of that size.
static enum settle_step item_halve(struct settle *settle, struct settle_item *item)
{
    size_t half = item->call.leg_count / 2;

    ASSERT(half > 0);
    endings_clear(settle);
    for (size_t i = half; i < item->call.leg_count; i++) {
        ending_set(settle, i, SETTLE_END_RELEASE, "", false);
        settle->endings[i].limit = half;
    }
    return settle_item_leave(settle, item);
}

// One leg leaves with the contract's words. Is it a net, nobody leaves: what is left of the request
// goes trade by trade.
static enum settle_step item_isolate(struct settle *settle, struct settle_item *item)
{
    char reason[SETTLE_REASON_MAX];
    char first[SETTLE_REASON_MAX];
    enum node_result result;
    size_t move = 0;
    size_t count = 1;

    snprintf(first, sizeof(first), "%s: %s", SETTLE_REASON_REVERTED,
             settle->node->error.reason[0] != '\0' ? settle->node->error.reason
                                                   : "no reason given");
    switch (settle_simulate_blame(settle, item, &move, reason, settle->preflight.block_number,
                                  &result)) {
    case SETTLE_BLAME_UNKNOWN:
        return settle_item_release_by_node(settle, item, "eth_call", result);
    case SETTLE_BLAME_NOBODY: // only the estimate reverts: it is the gas
        if (item->call.leg_count > 1 && item->sign_before_ns == 0)
            return item_halve(settle, item);
        return item_leave_all(settle, item, SETTLE_END_FAIL, first, true);
    case SETTLE_BLAME_MOVE:
        break;
    }
    size_t leg = settle_netting_leg_at(&item->call, move, &count);
    item->may_net = item->may_net && count == 1;
    if (count > 1)
        return SETTLE_STEP_NONE;
    endings_clear(settle);
    ending_set(settle, leg, SETTLE_END_FAIL, reason, true);
    return settle_item_leave(settle, item);
}

// The whole call, simulated at the block of the preflight. Where a call like it has been estimated
// before, it is tried with what it should need: if that is enough, it is as good as an estimate,
// for which a node runs the call ten times.
static enum node_result item_simulate(struct settle *settle, struct settle_item *item,
                                      uint64_t *estimate)
{
    struct settle_gas_known *known = settle_token_gas(settle, &item->call);
    size_t len = sizeof(settle->scratch_raw);
    struct node_message message;
    enum node_result result;
    size_t moves = settle_netting_move_count(&item->call);

    ASSERT(known != NULL && settle_item_message(settle, item, moves, &message));
    *estimate = message.gas = settle_gas_guess(known->legs, known->gas, moves);
    if (message.gas > 0 && message.gas <= settle_item_gas_max(settle, item)) {
        settle->counters.simulations++;
        result = node_call(settle->node, settle->scratch_raw, &len, &message,
                           settle->preflight.block_number);
        if (result == NODE_OK || result == NODE_UNREACHABLE || result == NODE_DISAGREE ||
            result == NODE_GARBAGE)
            return result;
    }
    message.gas = 0;
    settle->counters.simulations++;
    result = node_estimate_gas(settle->node, estimate, &message);
    if (result == NODE_OK && *estimate <= settle_item_gas_max(settle, item))
        *known = (struct settle_gas_known){.legs = moves, .gas = *estimate};
    return result;
}

// Gas and fees of a first bid. NONE: filled; anything else: the item's turn is over. Legs may leave
// meanwhile.
static enum settle_step item_price(struct settle *settle, struct settle_item *item,
                                   struct settle_attempt *bid)
{
    uint64_t estimate = 0;
    enum settle_step step;

    for (;;) {
        enum node_result result = item_simulate(settle, item, &estimate);
        if (result != NODE_OK && result != NODE_REVERTED)
            return settle_item_release_by_node(settle, item, "simulation", result);
        bid->gas_limit = settle_gas_limit(estimate, settle->config.gas_margin_percent,
                                          settle_item_gas_max(settle, item));
        if (result == NODE_OK && bid->gas_limit > 0)
            break;
        if (result == NODE_REVERTED)
            step = item_isolate(settle, item);
        else if (item->call.leg_count > 1 && item->sign_before_ns == 0)
            step = item_halve(settle, item);
        else
            step = item_leave_all(settle, item, SETTLE_END_FAIL, SETTLE_REASON_GAS_CAP, true);
        if (step != SETTLE_STEP_NONE || (step = item_plan(settle, item)) != SETTLE_STEP_NONE)
            return step;
    }
    if (settle_fees_first(&bid->fees, &settle->config.fees, settle->base_fee_wei,
                          settle->priority_wei))
        return SETTLE_STEP_NONE;
    return item_leave_all(settle, item, SETTLE_END_RELEASE, SETTLE_REASON_FEE_CAP, false);
}

// ---- ahead

// As item_simulate will ask, if none of its legs leaves and none are netted.
static void simulation_ahead(struct settle *settle, const struct settle_item *item,
                             json_t *questions)
{
    const struct settle_gas_known *known = settle_token_gas(settle, &item->call);
    size_t moves = item->call.leg_count;
    struct node_message message;

    if (item->may_net || item->call.is_netted)
        return;
    ASSERT(settle_item_message(settle, item, moves, &message));
    message.gas = settle_gas_guess(known->legs, known->gas, moves);
    if (message.gas > 0 && message.gas <= settle_item_gas_max(settle, item))
        (void)!node_call_ahead(questions, &message, settle->preflight.block_number);
}

// Its contract is the one that was asked about last, and fit.
static bool can_be_asked_ahead(struct settle *settle, const struct settle_item *item)
{
    const struct settle_preflight *like = &settle->preflight;

    return item < &settle->items[settle->item_count] && item->bid_count == 0 &&
           item->call.is_of_trades && like->is_known && like->has_code &&
           address_equal(&item->call.contract, &like->contract) &&
           settle_token_gas(settle, &item->call) != NULL;
}

enum settle_step settle_begin_ahead(struct settle *settle, struct settle_item *first, size_t count)
{
    struct settle_item *item = first;

    if (settle->node->rpc.ahead == NULL)
        return SETTLE_STEP_NONE;
    json_t *questions = json_array();
    settle->preflight_next = settle->preflight;
    for (; questions != NULL && item < first + count && can_be_asked_ahead(settle, item); item++) {
        if (settle_item_legs(settle, item) != SETTLE_STEP_NONE)
            break;
        item->signer = settle->signer_address;
        if (!settle_preflight_ahead(questions, settle->node, &settle->preflight_next, &item->call))
            break;
        simulation_ahead(settle, item, questions);
    }
    settle->ahead_end = item;
    settle->ahead_hash = settle->preflight.block_hash;
    if (json_array_size(questions) > 0)
        node_ahead(settle->node, questions);
    else
        json_decref(questions);
    return settle->store_failed ? SETTLE_STEP_ABORT : SETTLE_STEP_NONE;
}

// It and those that will be in its group, unless they were asked about at this block already.
static enum settle_step item_ahead(struct settle *settle, struct settle_item *item)
{
    if (settle->ahead_end != NULL && item < settle->ahead_end &&
        memcmp(&settle->ahead_hash, &settle->preflight.block_hash, sizeof(settle->ahead_hash)) == 0)
        return SETTLE_STEP_NONE;
    return settle_begin_ahead(settle, item, SETTLE_FIRSTS_MAX - settle->first_count);
}

// ---- all of it

// NONE: the chain's answers about it are there, or why not is in *unfit.
static enum settle_step item_ask(struct settle *settle, struct settle_item *item,
                                 const char **unfit)
{
    enum node_result result = settle_token_fitness(settle, unfit, &item->call);

    if (result == NODE_OK && *unfit == NULL)
        result = settle_preflight_contract(settle->node, &settle->preflight, &item->call.contract,
                                           NODE_LATEST);
    if (result == NODE_OK && *unfit == NULL) {
        if (item_ahead(settle, item) == SETTLE_STEP_ABORT)
            return SETTLE_STEP_ABORT;
        result = settle_preflight_ask(settle->node, &settle->preflight, &item->call);
    }
    if (result == NODE_UNFIT || result == NODE_TOO_WIDE || result == NODE_REVERTED)
        *unfit = result == NODE_TOO_WIDE ? SETTLE_REASON_TOO_WIDE : SETTLE_REASON_NO_TOKEN;
    if (result != NODE_OK && *unfit == NULL)
        return settle_item_release_by_node(settle, item, "compliance check", result);
    return SETTLE_STEP_NONE;
}

enum settle_step settle_item_begin(struct settle *settle, struct settle_item *item)
{
    struct settle_attempt bid = {0};
    enum settle_step step = settle_item_legs(settle, item);

    if (step != SETTLE_STEP_NONE)
        return step;
    if (!item->call.is_of_trades)
        return settle_request_begin(settle, item);
    if (settle_item_is_late(item))
        return item_leave_all(settle, item, SETTLE_END_FAIL, SETTLE_REASON_CUT_OFF, false);
    const char *unfit = NULL;
    if ((step = item_ask(settle, item, &unfit)) != SETTLE_STEP_NONE)
        return step;
    if (unfit != NULL)
        return item_leave_all(settle, item, SETTLE_END_FAIL, unfit, false);
    if ((step = settle_custody_read(settle, &settle->preflight)) != SETTLE_STEP_NONE ||
        (step = item_plan(settle, item)) != SETTLE_STEP_NONE ||
        (step = item_price(settle, item, &bid)) != SETTLE_STEP_NONE)
        return step;
    return settle_firsts_add(settle, item, &bid, settle->evidence);
}
