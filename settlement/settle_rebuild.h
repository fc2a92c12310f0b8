// `lonja settle rebuild`: the rows of settlement again, from the chain, when their database is
// lost; and
// `--verify`, which only says where chain and rows differ.
//
// The record comes first (`lonja record rebuild`, from the tape). Then every block from a given one
// up to the last that is final is read, and each transaction of our signers is taken for what its
// batch id says (settle_rebuild_match.h): request, legs, nonce, attempt with its bytes, gas, and
// the trade's status with its history, whose reason is `rebuilt_from_chain`. What the core was told
// comes from the tape (settlement_booked events), so that numbers go on where they were.
//
// Payouts of stablecoins come back by their batch ids, the withdrawals of `people` and what
// lonja-index has read; what was withdrawn and never paid is asked for again
// (schema/sql/deploy/stablecoin_rebuild.sql).
//
// What the chain does not say is not there afterwards: evidence, times of broadcast, bids that were
// replaced, administrators' requests and decisions (custody proofs, what was kept of unmatched
// money), and requests of other kinds than settlement, custody and payouts. A trade of which
// no transaction was mined is pending again; one whose transaction had failed is failed and waits
// for an administrator.
//
// It writes a stretch of blocks with its progress in one transaction, so that the same command goes
// on where it was stopped. It holds the worker's lock, and until it has ended no worker leads
// (settle.rebuild). It refuses to begin where there are rows of settlement that it has not written,
// while the node has transactions of a signer that are not final, and it stops, with nothing
// guessed, at a transaction whose trades cannot be told.
#ifndef LONJA_SETTLEMENT_SETTLE_REBUILD_H
#define LONJA_SETTLEMENT_SETTLE_REBUILD_H

#include "base/config.h"

// `words` without the program's name and "rebuild". `tape_folder` may be NULL: there is no tape.
// Prints its progress on standard output, what is wrong on standard error. Returns the exit status:
// 0 done, 1 not done or (--verify) differences, 2 bad arguments.
extern const char settle_rebuild_usage[];
int settle_rebuild(const struct config *config, const char *tape_folder, int count, char **words);

#endif
