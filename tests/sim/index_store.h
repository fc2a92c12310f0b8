// Index store: the tables of the indexer behind chain/index_store.h, in memory: what
// chain/index_store_pg.c and the functions of schema/sql/deploy/chain_index.sql do, without dust
// (the transfers of a life are whole units). They are tested by themselves with a real server
// (`system`).
//
// Fault model: that of the server (postgres.h): a transaction that does not begin, a commit whose
// answer is lost, sessions that are killed and take the lock with them. What it commits is synced.
#ifndef LONJA_SIM_INDEX_STORE_H
#define LONJA_SIM_INDEX_STORE_H

#include "chain/index_store.h"

struct index_store_ops index_store_open(void); // of an incarnation of the process
void index_store_session_gone(void);
// The block up to which transfers are opening balances; UINT64_MAX: the token is not taken up yet.
uint64_t index_store_anchor(void);
// Rung by the chain: there is a new block (or nobody hears of it; or twice, or for nothing).
void index_told_of_block(void);
// NULL: what the chain has that is deep enough is booked and answered, and nothing else.
const char *index_store_why_not(void);

// ---- the last judgement: the ledger's entries of the indexer, in the journal's order, then the
// whole.
void index_judge_posted(const struct ledger_posted_evt *posted);
void index_judge_end(void);

#endif
