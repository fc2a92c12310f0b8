// Endpoints: the nodes that settlement and the index speak with, behind the real pool
// (chain/rpc_pool.h); one to three of them, all of the one chain (chain.h).
//
// Fault model. Any of them is gone for a while, slow, has had enough of us, or answers from another
// chain behind a new connection. One of a life may be crooked, besides: it lags behind the chain,
// or it lies (receipts, blocks, counts of transactions, views, heads, logs left out, doubled or
// invented). One that is alone lies about logs only: what a single node can say otherwise is its
// chain (chain/index_prove.h says what a proof can show).
//
// Law: what several endpoints decide was said by an honest one of them, during the call.
#ifndef LONJA_SIM_ENDPOINTS_H
#define LONJA_SIM_ENDPOINTS_H

#include "base/boot.h"
#include "chain/rpc.h"

void endpoints_begin(void); // of a life: how many, and who is crooked
// The pool of a process' incarnation, as a node to speak with.
struct rpc_ops endpoints_open(enum process_id process, const struct config *config);
void endpoints_fault(void);
void endpoints_calm(void);

#endif
