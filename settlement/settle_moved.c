// What had ended and stands in another block now. The chain may go back behind what was final and
// take the same transactions up again before the worker looks: the count of the nonces is as
// before, the block, its price and perhaps its end are not.
//
// A block's hash says all that was before it. So before receipts are looked at the highest block in which
// something has ended is compared with the chain's; if it is another one, the one below, and so on
// down to one that is the same. What ended above that is open again: its receipt is looked for, as
// of everything that is sent, and it ends as what it is now.
#include "settlement/settle_internal.h"

#include <string.h>

#include "base/log.h"

enum { BLOCKS_MAX = 256 }; // in one look; the next one goes on below

// NONE: *from is the lowest block that is not the chain's any more; UINT64_MAX = all are.
static enum settle_step replaced_find(struct settle *settle, uint64_t *from)
{
    uint64_t below = INT64_MAX;

    *from = UINT64_MAX;
    settle->moved_unlooked = false;
    for (size_t i = 0; i < BLOCKS_MAX; i++) {
        struct settle_ended_block ended;
        struct node_block block;

        if (!settle_store_ok(settle,
                             settle->store.ended_block(settle->store.context, &ended, below)))
            return SETTLE_STEP_ABORT;
        if (!ended.found)
            break;
        if (ended.number > settle->block_number) { // the chain is shorter than it was: once more when it has grown
            settle->moved_unlooked = true;
            below = settle->block_number + 1;
            continue;
        }
        enum node_result result = node_get_block(settle->node, &block, ended.number);
        if (result != NODE_OK)
            return settle_chain_failed(settle, "eth_getBlockByNumber", result);
        if (!block.found || memcmp(&block.hash, &ended.hash, sizeof(block.hash)) == 0)
            break;
        *from = below = ended.number;
    }
    return SETTLE_STEP_NONE;
}

enum settle_step settle_moved_look(struct settle *settle)
{
    struct settle_ended_nonce nonces[SETTLE_KEYS_MAX];
    size_t count = 0, reopened = 0, all = 0;
    uint64_t from;

    if (replaced_find(settle, &from) == SETTLE_STEP_ABORT) {
        settle->moved_unlooked = true;
        return SETTLE_STEP_ABORT;
    }
    if (from == UINT64_MAX)
        return SETTLE_STEP_NONE;
    settle->moved_unlooked = true; // and once more when they are open: there may be others below
    if (settle_chain_network(settle) == SETTLE_STEP_ABORT)
        return SETTLE_STEP_ABORT;
    if (!settle_store_ok(settle, settle->store.ended_from(settle->store.context, nonces, &count,
                                                          SETTLE_KEYS_MAX, from)))
        return SETTLE_STEP_ABORT;
    for (size_t i = 0; i < count; i++, all += reopened)
        if (!settle_store_ok(settle, settle->store.reopen(settle->store.context, &reopened,
                                                          &nonces[i].signer, nonces[i].nonce)))
            return SETTLE_STEP_ABORT;
    settle_keys_reopened(settle);
    settle->counters.reorganised += all;
    log_error("the chain has replaced final blocks: what ended there is looked at again "
              "from_block=%llu count=%zu",
              (unsigned long long)from, all);
    return SETTLE_STEP_NONE;
}
