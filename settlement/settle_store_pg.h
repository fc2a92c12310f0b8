// The store of settlement in Postgres (schemas settle and chain), behind settle_store.h.
//
// It blocks for at most the connection's timeouts. One thread. The connection is its own: the
// advisory lock that makes this worker the only one lives in its session.
#ifndef LONJA_SETTLEMENT_SETTLE_STORE_PG_H
#define LONJA_SETTLEMENT_SETTLE_STORE_PG_H

#include <jansson.h>

#include "base/pg.h"
#include "settlement/settle_group.h"
#include "settlement/settle_store.h"

// "lonja_se": one settlement worker per database, or one rebuild.
#define SETTLE_STORE_LOCK_KEY INT64_C(0x6c6f6e6a615f7365)

// A request that a claim is about to make.
struct settle_claim_request {
    uint64_t first_trade;
    int64_t token_asset;
    struct chain_address token;
    json_t *legs; // rows of chain.request_leg
    const char *sign_before; // of an instruction, as Postgres writes it; else NULL
};

// How far the queue of pending trades was walked, in its order: behind this trade.
struct settle_queue_position {
    char created_at[64]; // as Postgres writes it
    uint64_t trade_id;
};

struct settle_store_pg {
    struct pg *pg;
    uint64_t chain_id;
    uint32_t attempts_max;
    uint64_t tick_ms;
    bool settles_without_wallet; // S1's choice: off chain, and owed; set after opening
    uint64_t xvp_margin_ms; // nothing of an instruction is signed so long before its cut-off; likewise
    bool leading;
    uint32_t connection; // pg_connections() when the lock was taken
    bool is_held;        // between `hold` and `release`: one transaction for all of it
    bool is_whole;       // the statement that runs is a transaction by itself

    // Of the queue: what off_chain has seen of it, how far it is in looking at it again, and how
    // far the trades were looked at that wait for a person.
    struct settle_queue_position fresh;
    struct settle_queue_position swept;
    struct settle_queue_position waiting;

    // Of the claim that runs.
    struct settle_group group;
    struct settle_claim_request claims[SETTLE_GROUPS_MAX];
};

// `pg` stays the caller's; it must be used by nothing else but LISTEN. Cannot fail: it does no I/O.
struct settle_store_ops settle_store_pg_open(struct settle_store_pg *store, struct pg *pg,
                                             uint64_t chain_id, uint32_t attempts_max,
                                             uint64_t tick_ms);

#endif
