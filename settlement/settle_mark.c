// Marks of two persons that name a transaction: nobody is believed, the chain is asked. The trade
// is settled by it if it is mined, has not failed, is as deep as everything else that is final, and
// has the trade's planned Transfer in it, which is no other trade's and not in the ledger otherwise
// (the store knows that). Until then the mark stays open and says what is missing; it is looked at
// once in a tick, until it is true or somebody withdraws it.
#include "settlement/settle_internal.h"

#include "base/log.h"

// NULL: the receipt is what the mark says.
static const char *receipt_problem(const struct settle *settle,
                                   struct settle_mark_evidence *evidence,
                                   const struct settle_mark *mark,
                                   const struct node_receipt *receipt)
{
    if (!receipt->found)
        return SETTLE_REASON_MARK_UNKNOWN;
    if (!receipt->succeeded)
        return SETTLE_REASON_MARK_FAILED;
    if (!settle_chain_is_deep(settle, receipt->block_number))
        return SETTLE_REASON_MARK_SHALLOW;
    evidence->block_number = receipt->block_number;
    evidence->count =
        settle_effect_transfers(evidence->log_index, receipt, &mark->token, &mark->leg);
    return evidence->count > 0 ? NULL : SETTLE_REASON_MARK_OTHER;
}

// NONE: *problem and *evidence are known.
static enum settle_step mark_look(struct settle *settle, const struct settle_mark *mark,
                                  const char **problem, struct settle_mark_evidence *evidence)
{
    struct node_receipt receipt;

    if ((*problem = mark->problem) != NULL)
        return SETTLE_STEP_NONE;
    enum node_result result = node_get_receipt(settle->node, &receipt, &mark->hash);
    if (result == NODE_UNREACHABLE)
        return settle_chain_failed(settle, "eth_getTransactionReceipt", result);
    if (result != NODE_OK) { // about this transaction alone: others go on
        *problem = SETTLE_REASON_NODE;
        return SETTLE_STEP_NONE;
    }
    *problem = receipt_problem(settle, evidence, mark, &receipt);
    node_receipt_fini(&receipt);
    return SETTLE_STEP_NONE;
}

static enum settle_step mark_check(struct settle *settle, const struct settle_mark *mark)
{
    struct settle_mark_evidence evidence = {0};
    const char *problem = NULL;
    bool settled = false;

    if (mark_look(settle, mark, &problem, &evidence) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (!settle_store_ok(
            settle, problem != NULL ? settle->store.mark_waits(settle->store.context, mark, problem)
                                    : settle->store.mark_settle(settle->store.context, &settled,
                                                                mark, &evidence)))
        return SETTLE_STEP_ABORT;
    settle->results_stale |= settled;
    if (settled)
        log_info("settled by a mark trade=%llu mark=%llu block=%llu",
                 (unsigned long long)mark->leg.trade_id, (unsigned long long)mark->mark_id,
                 (unsigned long long)evidence.block_number);
    return settled ? SETTLE_STEP_DONE : SETTLE_STEP_NONE;
}

enum settle_step settle_marks_check(struct settle *settle)
{
    enum settle_step all = SETTLE_STEP_NONE;
    struct settle_mark mark = {0};

    do {
        uint64_t after = mark.mark_id;
        if (!settle_store_ok(settle, settle->store.mark_next(settle->store.context, &mark, after)))
            return SETTLE_STEP_ABORT;
        if (mark.mark_id == 0)
            break;
        ASSERT(mark.mark_id > after);
        enum settle_step step = mark_check(settle, &mark);
        if (step == SETTLE_STEP_ABORT)
            return step;
        if (step == SETTLE_STEP_DONE)
            all = step;
    } while (true);
    return all;
}
