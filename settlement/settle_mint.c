#include "settlement/settle_mint.h"

#include <stdio.h>

static enum settle_step ends(struct settle_ending *ending, enum settle_end end, const char *reason)
{
    *ending = (struct settle_ending){.end = end};
    snprintf(ending->reason, sizeof(ending->reason), "%s", reason);
    return SETTLE_STEP_NONE;
}

enum settle_step settle_mint_judge(struct settle *settle, const struct settle_item *item,
                                   struct settle_ending *ending)
{
    chain_uint128 supply = 0;

    *ending = (struct settle_ending){.end = SETTLE_END_STAY};
    if (item->call.operation != SETTLE_MINT || !settle->config.custody_proof)
        return SETTLE_STEP_NONE;
    enum node_result result = erc3643_read_u128(settle->node, &supply, &item->call.contract,
                                                ERC3643_TOTAL_SUPPLY, NULL, NODE_LATEST);
    if (result == NODE_TOO_WIDE)
        return ends(ending, SETTLE_END_FAIL, SETTLE_REASON_TOO_WIDE);
    if (result == NODE_REVERTED || result == NODE_UNFIT)
        return ends(ending, SETTLE_END_FAIL, SETTLE_REASON_NO_TOKEN);
    if (result != NODE_OK) {
        ends(ending, SETTLE_END_RELEASE,
             result == NODE_DISAGREE ? SETTLE_REASON_DISAGREE : SETTLE_REASON_NODE);
        return settle_item_node_failed(settle, item, "totalSupply", result);
    }
    return settle_store_ok(settle, settle->store.mint_cover(settle->store.context, ending, item,
                                                            supply))
               ? SETTLE_STEP_NONE
               : SETTLE_STEP_ABORT;
}
