// Requests that two persons have given up (settle.abandonment): the nonce of what is signed ends by an
// empty transaction, or by the one that was signed if a miner is faster, and nothing is guessed which:
//
//   begin    every open attempt of it gets fate ABANDON, its trades are held; what is of no trade and
//            was never signed is rejected
//   answer   when no attempt of it is open: by what the chain has mined. Mined after all: its trades
//            are settled, and their holds end; else they are held until a person releases them
#include "settlement/settle_store_internal.h"

// Approved, not withdrawn, not answered.
#define IS_DECIDED "approved_at IS NOT NULL AND withdrawn_at IS NULL AND answered_at IS NULL "
#define WHY        "': ' || b.reason || ' (' || b.proposed_by || ', ' || b.approved_by || ')' "

static bool abandonment_answer(struct settle_store_pg *store, int64_t id, const char *answer)
{
    return store_one(store,
                     "UPDATE settle.abandonment SET answered_at = now(), answer = $2 "
                     "WHERE abandonment_id = $1",
                     PG_PARAMS(pg_i64(id), pg_text(answer)));
}

static bool rows_of(struct settle_store_pg *store, size_t *count, const char *sql,
                    const struct pg_param *params, size_t param_count)
{
    struct pg_rows *rows = NULL;
    bool ok = pg_query(store->pg, &rows, sql, params, param_count) == PG_OK;

    *count = ok ? (size_t)pg_rows_affected(rows) : 0;
    pg_rows_free(rows);
    return ok;
}

// Nothing of it is signed: there is no nonce to give up.
static bool unsigned_end(struct settle_store_pg *store, int64_t id)
{
    static const char reject[] =
        "UPDATE chain.chain_request r SET state = 'rejected', updated_at = now(), "
        "reason = '" SETTLE_REASON_ABANDONED "' || " WHY "FROM settle.abandonment b "
        "WHERE b.abandonment_id = $1 AND r.request_id = b.request_id AND r.state = 'prepared' "
        "AND NOT EXISTS (SELECT FROM chain.request_leg l WHERE l.request_id = r.request_id "
        "AND l.trade_id IS NOT NULL)";
    size_t rejected;

    return rows_of(store, &rejected, reject, PG_PARAMS(pg_i64(id))) &&
           abandonment_answer(store, id,
                              rejected > 0 ? "done" : "refused: nothing of it is under way");
}

static bool abandonment_begin(struct settle_store_pg *store, int64_t id)
{
    static const char attempts[] =
        "UPDATE settle.attempt a SET fate = 'abandon', updated_at = now() "
        "FROM settle.abandonment b WHERE b.abandonment_id = $1 AND a.request_id = b.request_id "
        "AND a.state IN " SETTLE_OPEN_STATES " AND a.fate IS DISTINCT FROM 'over'";
    // What is held already stays so.
    static const char holds[] =
        "INSERT INTO settle.hold (trade_id, held_by, reason, abandonment_id) "
        "SELECT l.trade_id, b.approved_by, '" SETTLE_REASON_ABANDONED "' || " WHY
        ", b.abandonment_id FROM settle.abandonment b JOIN chain.request_leg l USING (request_id) "
        "JOIN settle.trade t USING (trade_id) WHERE b.abandonment_id = $1 AND l.state = 'open' "
        "AND t.settlement_status = 'processing' ON CONFLICT DO NOTHING";
    size_t count;

    if (!rows_of(store, &count, attempts, PG_PARAMS(pg_i64(id))))
        return false;
    if (count == 0)
        return unsigned_end(store, id);
    return store_any(store, holds, PG_PARAMS(pg_i64(id))) &&
           store_one(store,
                     "UPDATE settle.abandonment SET begun_at = now() WHERE abandonment_id = $1",
                     PG_PARAMS(pg_i64(id)));
}

static bool abandonment_end(struct settle_store_pg *store, int64_t id, bool is_mined)
{
    static const char release[] =
        "UPDATE settle.hold h SET released_by = h.held_by, released_at = now(), "
        "release_reason = $2 WHERE h.abandonment_id = $1 AND h.released_at IS NULL";

    return (!is_mined || store_any(store, release,
                                   PG_PARAMS(pg_i64(id),
                                             pg_text("its transaction was mined after all")))) &&
           abandonment_answer(store, id,
                              is_mined ? "refused: its transaction was mined after all" : "done");
}

static enum settle_store_result store_abandon(void *context, size_t *changed)
{
    static const char due[] =
        "SELECT b.abandonment_id, b.begun_at IS NOT NULL, EXISTS (SELECT FROM settle.attempt a "
        "WHERE a.request_id = b.request_id AND a.state = 'confirmed') FROM settle.abandonment b "
        "WHERE " IS_DECIDED "AND (b.begun_at IS NULL OR NOT EXISTS (SELECT FROM settle.attempt a "
        "WHERE a.request_id = b.request_id AND a.state IN " SETTLE_OPEN_STATES
        ")) ORDER BY 1 LIMIT 100";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    bool ok = true;

    *changed = 0;
    if (!store_ask(store, &rows, "abandon", due, PG_NO_PARAMS))
        return SETTLE_STORE_LOST;
    for (size_t i = 0; ok && i < pg_rows_count(rows); i++, ++*changed)
        ok = pg_number(rows, i, 1) != 0
                 ? abandonment_end(store, pg_number(rows, i, 0), pg_number(rows, i, 2) != 0)
                 : abandonment_begin(store, pg_number(rows, i, 0));
    pg_rows_free(rows);
    return ok ? store_commit(store, "abandon") : store_lost(store, "abandon");
}

void settle_store_abandon_ops(struct settle_store_ops *ops)
{
    ops->abandon = store_abandon;
}
