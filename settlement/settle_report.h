// What the worker knows of its chain, for operators: the row of settle.worker. How far the chain
// is, from which depth a transaction is final, how the endpoints are, what the signer's account has, and
// why nothing goes on, if nothing does.
//
// One thread, the worker's, between two passes, on its connection. A row that cannot be written is
// left out: what reads it sees its age.
#ifndef LONJA_SETTLEMENT_SETTLE_REPORT_H
#define LONJA_SETTLEMENT_SETTLE_REPORT_H

#include "base/pg.h"
#include "base/trouble.h"
#include "chain/rpc_pool.h"
#include "settlement/settle.h"

struct settle_report {
    uint64_t written_ns; // 0 = never
    uint64_t head;       // what was written …
    enum trouble trouble;
    enum rpc_endpoint_state states[RPC_POOL_ENDPOINTS_MAX];
    uint64_t balance_ns; // the account of the active key was asked for; 0 = never
    bool has_balance;
    struct chain_address balance_of;
    chain_uint128 balance_wei;
};

// What hinders the transactions.
enum trouble settle_report_trouble(const struct settle *settle);

// Writes when something has changed, once a second at most, and every five seconds anyway.
void settle_report_write(struct settle_report *report, struct pg *pg, const struct settle *settle,
                         const struct rpc_pool *pool, uint64_t now_ns);

#endif
