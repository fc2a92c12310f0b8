// Mints under custody proofs in Postgres: settle.mint_cover of schema/sql/deploy/custody_proof.sql
// decides, here it is asked.
#include "settlement/settle_store_internal.h"

#include <stdio.h>

static enum settle_store_result store_mint_cover(void *context, struct settle_ending *ending,
                                                 const struct settle_item *item,
                                                 chain_uint128 supply)
{
    static const char sql[] =
        "WITH own AS (SELECT coalesce(sum(amount), 0) AS units FROM chain.request_leg "
        "WHERE request_id = $4), "
        "found AS (SELECT m.*, own.units FROM own, "
        "settle.mint_cover($1, $2, $3::numeric, own.units, $4, $5) m), "
        "kept AS (INSERT INTO chain.mint_check (request_id, attempt_id, proof_id, supply, "
        "under_way, units, covered, refused) SELECT $4, $5, proof, $3::numeric, under_way, units, "
        "covered, refused FROM found WHERE $5 > 0) "
        "SELECT reason FROM found";
    struct settle_store_pg *store = context;
    struct text_address contract = address_text(&item->call.contract);
    struct text_wide units = wide_text(supply);
    uint64_t attempt = item->bid_count > 0 ? item->bids[item->bid_count - 1].attempt_id : 0;
    struct pg_rows *rows = NULL;

    ASSERT(item->call.operation == SETTLE_MINT && item->bid_count <= 1);
    if (!store_ask(store, &rows, "mint_cover", sql,
                   PG_PARAMS(u64(store->chain_id), pg_text(contract.text), pg_text(units.text),
                             u64(item->call.request_id), u64(attempt))))
        return SETTLE_STORE_LOST;
    ASSERT(pg_rows_count(rows) == 1);
    bool covered = pg_is_null(rows, 0, 0);
    *ending = (struct settle_ending){.end = covered ? SETTLE_END_STAY : SETTLE_END_RELEASE};
    if (!covered)
        snprintf(ending->reason, sizeof(ending->reason), "%s", pg_value(rows, 0, 0));
    pg_rows_free(rows);
    return store_commit(store, "mint_cover");
}

void settle_store_mint_ops(struct settle_store_ops *ops)
{
    ops->mint_cover = store_mint_cover;
}
