/* The indexer's store in Postgres, as role lonja_index. */
#ifndef LONJA_CHAIN_INDEX_STORE_PG_H
#define LONJA_CHAIN_INDEX_STORE_PG_H

#include "base/pg.h"
#include "chain/index_store.h"

struct index_store_pg {
    struct pg *pg; /* the caller's */
    uint64_t chain_id;
    uint32_t connection; /* that holds the lock */
    bool leading;
    uint64_t told_head;
    bool told_subscribed;
    char told_trouble[256];
    bool has_told;
};

/* `store` must live as long as the table. */
struct index_store_ops index_store_pg_open(struct index_store_pg *store, struct pg *pg,
                                           uint64_t chain_id);

#endif
