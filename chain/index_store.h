/* The indexer's door to Postgres: tables `chain.*` (schema/sql/deploy/chain_index.sql) as
 * functions.
 *
 * One transaction per function: all of it is committed on OK, nothing on LOST, and after LOST
 * nobody knows of a commit: the caller reads again. Only the holder of the lock writes (`lead`).
 */
#ifndef LONJA_CHAIN_INDEX_STORE_H
#define LONJA_CHAIN_INDEX_STORE_H

#include "chain/index_prove.h"
#include "schema/records.h"

enum index_store_result {
    INDEX_STORE_OK,
    INDEX_STORE_LOST,    /* the database cannot be used, or the rows are not as we believe */
    INDEX_STORE_BUSY,    /* another indexer holds the lock */
    INDEX_STORE_FOREIGN, /* `enter` only: the database is of another chain */
};

/* Contracts that are read together: all whose next block is `from`, those of one party by
 * themselves (index_node.h). `until` is the block before
 * which another one waits, UINT64_MAX where there is none. */
enum { INDEX_CONTRACTS_MAX = 256 };
struct index_work {
    uint64_t from;
    uint64_t until;
    size_t contract_count;                               /* 0: there is none at all */
    struct chain_address contracts[INDEX_CONTRACTS_MAX]; /* ascending */
    struct chain_address party;                          /* zero: all their events are read */
};

/* A stablecoin that somebody has asked for (people.stablecoin), to be proved before it is read. */
struct index_stablecoin {
    uint32_t asset;
    struct chain_address contract;
    struct chain_address escrow;
    int decimals;
};

/* A command to the ledger that has no answer. */
struct index_posting {
    uint64_t number;
    bool fits; /* false: more units than the ledger can have */
    struct ledger_post_cmd command;
};

struct index_store_ops {
    void *context;
    enum index_store_result (*lead)(void *context);
    /* Our chain: the first time its genesis is written down, from then on it must be the same. */
    enum index_store_result (*enter)(void *context, const struct chain_hash *genesis);
    /* The next stablecoin that is not proved or refused yet. */
    enum index_store_result (*stablecoin)(void *context, bool *found,
                                          struct index_stablecoin *stablecoin);
    /* Its verdict: NULL = it is what it is taken for, else why not. Only of the row as it was
     * asked about. */
    enum index_store_result (*stablecoin_proved)(void *context,
                                                 const struct index_stablecoin *stablecoin,
                                                 const char *reason);
    /* Takes up the contracts of the venue that are not read yet, from `from_block`; transfers up to
     * `head` are theirs from before. Then what is to be read next. */
    enum index_store_result (*work)(void *context, struct index_work *work, uint64_t from_block,
                                    uint64_t head);
    /* The hash that we have of a block that is not orphaned; `found` false: none. The newest with
     * at = UINT64_MAX. */
    enum index_store_result (*block)(void *context, bool *found, uint64_t *number,
                                     struct chain_hash *hash, uint64_t at);
    /* A proved range of the contracts of `work`: blocks, events, proof, and where they go on.
     * Blocks below `keep_from` are forgotten. */
    enum index_store_result (*save)(void *context, const struct index_work *work,
                                    const struct index_range *range, uint64_t keep_from);
    enum index_store_result (*orphan)(void *context, uint64_t fork, uint64_t tip);
    /* Confirms up to `upto`, a bounded number of events at a time. */
    enum index_store_result (*confirm)(void *context, uint64_t upto, uint64_t *left);
    /* What people are shown: the head, how we learn of it, and why nothing goes on (NULL = it
     * does). */
    enum index_store_result (*tell)(void *context, uint64_t head, bool subscribed,
                                    const char *trouble);
    /* The open command with the smallest number. */
    enum index_store_result (*posting)(void *context, bool *found, struct index_posting *posting);
    /* Its answer: `reject_code` 0 = booked at `sequence`. */
    enum index_store_result (*answered)(void *context, uint64_t number, uint16_t reject_code,
                                        uint64_t sequence);
    void (*close)(void *context);
};

#endif
