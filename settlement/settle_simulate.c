// Who is to blame for a call that reverts. A batch is all or nothing, and a leg may need what the
// legs before it bring; so what is looked for is the shortest beginning of the batch that reverts:
// its last leg is the one, and the contract's words about it are its words. Seven calls find it
// among a hundred legs.
#include "settlement/settle_internal.h"

#include <stdio.h>

static enum node_result simulate(struct settle *settle, const struct settle_item *item,
                                 size_t moves, uint64_t at)
{
    struct node_message message;
    size_t len = sizeof(settle->scratch_raw); // a creation answers the contract's code

    ASSERT(settle_item_message(settle, item, moves, &message)); // it was built before
    settle->counters.simulations++;
    return node_call(settle->node, settle->scratch_raw, &len, &message, at);
}

static void reason_read(const struct settle *settle, char reason[SETTLE_REASON_MAX])
{
    const char *words = settle->node->error.reason;

    snprintf(reason, SETTLE_REASON_MAX, "%s: %s", SETTLE_REASON_REVERTED,
             words[0] != '\0' ? words : "no reason given");
}

enum settle_blame settle_simulate_blame(struct settle *settle, const struct settle_item *item,
                                        size_t *move, char reason[SETTLE_REASON_MAX], uint64_t at,
                                        enum node_result *result)
{
    size_t passes = 0;
    size_t reverts = settle_netting_move_count(&item->call);

    *result = simulate(settle, item, reverts, at);
    if (*result == NODE_OK)
        return SETTLE_BLAME_NOBODY;
    if (*result != NODE_REVERTED)
        return SETTLE_BLAME_UNKNOWN;
    reason_read(settle, reason);
    while (reverts - passes > 1) {
        size_t middle = passes + (reverts - passes) / 2;
        *result = simulate(settle, item, middle, at);
        if (*result != NODE_OK && *result != NODE_REVERTED)
            return SETTLE_BLAME_UNKNOWN;
        if (*result == NODE_OK) {
            passes = middle;
        } else {
            reverts = middle;
            reason_read(settle, reason);
        }
    }
    *move = reverts > 0 ? reverts - 1 : 0;
    return SETTLE_BLAME_MOVE;
}
