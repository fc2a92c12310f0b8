// The store of settlement in Postgres (schemas settle and chain), behind settle_store.h.
//
// It blocks for at most the connection's timeouts. One thread. The connection is its own: the
// advisory lock that makes this worker the only one lives in its session.
#ifndef LONJA_SETTLEMENT_SETTLE_STORE_PG_H
#define LONJA_SETTLEMENT_SETTLE_STORE_PG_H

#include "base/pg.h"
#include "settlement/settle_store.h"

struct settle_store_pg {
    struct pg *pg;
    uint64_t chain_id;
    uint32_t attempts_max;
    uint64_t tick_ms;
    bool leading;
    uint32_t connection; // pg_connections() when the lock was taken
};

// `pg` stays the caller's; it must be used by nothing else but LISTEN. Cannot fail: it does no I/O.
struct settle_store_ops settle_store_pg_open(struct settle_store_pg *store, struct pg *pg,
                                             uint64_t chain_id, uint32_t attempts_max,
                                             uint64_t tick_ms);

#endif
