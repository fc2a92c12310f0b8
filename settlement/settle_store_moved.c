// In which blocks attempts have ended (settle_moved.c).
#include "settlement/settle_store_internal.h"

#define HAS_ENDED                                                                                  \
    "chain_id = $1 AND state IN ('confirmed', 'reverted', 'dropped') AND block_hash IS NOT NULL "

static enum settle_store_result store_ended_block(void *context, struct settle_ended_block *out,
                                                  uint64_t below)
{
    static const char sql[] = "SELECT block_number, block_hash FROM settle.attempt WHERE " HAS_ENDED
                              "AND block_number < $2 ORDER BY block_number DESC LIMIT 1";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    if (!store_ask(store, &rows, "ended_block", sql, PG_PARAMS(u64(store->chain_id), u64(below))))
        return SETTLE_STORE_LOST;
    *out = (struct settle_ended_block){.found = pg_rows_count(rows) == 1};
    if (out->found) {
        out->number = (uint64_t)pg_number(rows, 0, 0);
        ASSERT(hex_decode_exact(out->hash.bytes, KECCAK_BYTES, pg_value(rows, 0, 1)));
    }
    pg_rows_free(rows);
    return store_commit(store, "ended_block");
}

static enum settle_store_result store_ended_from(void *context, struct settle_ended_nonce *out,
                                                 size_t *count, size_t max, uint64_t block)
{
    static const char sql[] =
        "SELECT signer_address, min(nonce) FROM settle.attempt WHERE " HAS_ENDED
        "AND block_number >= $2 GROUP BY signer_address LIMIT $3";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *count = 0;
    if (!store_ask(store, &rows, "ended_from", sql,
                   PG_PARAMS(u64(store->chain_id), u64(block), u64(max))))
        return SETTLE_STORE_LOST;
    for (; *count < pg_rows_count(rows); ++*count)
        out[*count] = (struct settle_ended_nonce){.signer = row_address(rows, *count, 0),
                                                  .nonce = (uint64_t)pg_number(rows, *count, 1)};
    pg_rows_free(rows);
    return store_commit(store, "ended_from");
}

void settle_store_moved_ops(struct settle_store_ops *ops)
{
    ops->ended_block = store_ended_block;
    ops->ended_from = store_ended_from;
}
