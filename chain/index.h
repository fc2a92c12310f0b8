/* lonja-index: the agent that reads the chain. One pass takes what can be done now one step
 * further:
 *
 *   lead       the lock of the database; another indexer may hold it
 *   chain      is it our chain (id, genesis)? where is its head?
 *   fork       is the newest block that we have still the chain's? else back to the last common one
 *   prove      is a stablecoin that was asked for what it is taken for (erc20.h)?
 *   read       the next range of blocks, proved (index_prove.h), in one commit with its events
 *   confirm    what is deep enough is confirmed, transfers are classified, the ledger's part
 * numbered book       the ledger's part goes to the core, one command at a time
 *
 * All belief about the chain stands in Postgres; a doubt ends the pass and it is read again. Pure
 * but for its doors (node, store, core). One thread. Times are monotone nanoseconds.
 */
#ifndef LONJA_CHAIN_INDEX_H
#define LONJA_CHAIN_INDEX_H

#include "chain/index_core.h"
#include "chain/index_prove.h"
#include "chain/index_store.h"

struct index_config {
    uint64_t chain_id;
    uint64_t confirmations;
    bool finalized_tag;
    uint64_t from_block;
    uint64_t range_blocks;
    uint64_t reorg_blocks_max;
    bool header_hash;
    uint64_t poll_ns;
};

struct index_agent {
    struct index_config config;
    struct index_store_ops store;
    struct node *node;
    struct index_core_ops core;

    /* Caches; none of them is trusted after a doubt. */
    bool entered;  /* the node's genesis is the database's */
    uint64_t head; /* of the node, this pass */
    uint64_t confirmed;
    uint64_t range_blocks; /* what the node has borne lately */
    uint64_t poll_at_ns;
    uint64_t fail_wait_ns; /* doubles while the database cannot be used */
    bool subscribed;       /* the caller says so: the node tells of new blocks by itself */
    char trouble[RPC_MESSAGE_MAX];
    struct index_work work;
    struct index_posting sent;
    bool has_sent;

    struct index_counters {
        uint64_t passes, ranges, blocks, events, reorganisations, orphaned_blocks, lies, missing,
            moved, shrinks, deep, foreign, booked, refused;
    } counters;
};

void index_init(struct index_agent *index, const struct index_config *config,
                const struct index_store_ops *store, struct node *node,
                const struct index_core_ops *core);

/* One pass. True: there is more to do at once. */
bool index_do_work(struct index_agent *index, uint64_t now_ns);
/* When the next pass is due, if nothing wakes us before. */
uint64_t index_deadline_ns(const struct index_agent *index);
/* The node has told of a block, or the core has answered: the next pass is due now. */
void index_wake(struct index_agent *index);
/* All that there is up to the head is read and what is deep enough confirmed. */
bool index_is_up_to_date(const struct index_agent *index);

#endif
