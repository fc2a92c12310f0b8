// The rows of `lonja settle rebuild` (settle_rebuild.h): what is written for a transaction, and
// what is compared.
//
// Functions that answer false have said why on standard error; nothing of the transaction that was
// open is committed then.
#ifndef LONJA_SETTLEMENT_SETTLE_REBUILD_ROWS_H
#define LONJA_SETTLEMENT_SETTLE_REBUILD_ROWS_H

#include "base/pg.h"
#include "settlement/settle_members.h"
#include "settlement/settle_rebuild_chain.h"

struct settle_rebuild {
    struct settle_rebuild_chain chain;
    struct pg *pg;
    bool verify;
    uint64_t from_block;
    uint64_t next_block;
    uint64_t next_nonces[SETTLE_REBUILD_SIGNERS_MAX];
    size_t transactions;
    size_t trades;
    size_t others;
    size_t differences;
    struct settle_members members;
};

// Takes the worker's lock (not to verify), finds where to go on, and the signers if none was named.
CHECKED bool settle_rebuild_open(struct settle_rebuild *rebuild);
CHECKED bool settle_rebuild_begin(struct settle_rebuild *rebuild);
CHECKED bool settle_rebuild_commit(struct settle_rebuild *rebuild);
void settle_rebuild_rollback(struct settle_rebuild *rebuild);

CHECKED bool settle_rebuild_write(struct settle_rebuild *rebuild,
                                  const struct settle_rebuild_transaction *transaction);
// Counters, numbers and results; from now on a worker may lead.
CHECKED bool settle_rebuild_end(struct settle_rebuild *rebuild, const char *tape_folder);

CHECKED bool settle_rebuild_compare(struct settle_rebuild *rebuild,
                                    const struct settle_rebuild_transaction *transaction);
// Then what the database has and the chain has not, up to block `head`.
CHECKED bool settle_rebuild_compare_end(struct settle_rebuild *rebuild, uint64_t head);

#endif
