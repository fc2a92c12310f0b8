// What people have decided: retries of failed trades, and marks of two persons. (Holds are read
// where trades are claimed.) The worker answers in their rows.
#include "settlement/settle_store_internal.h"

#include <string.h>

// Nothing of the trade is under way: no attempt whose receipt is unknown, no leg that may still
// move.
#define IS_AT_REST                                                                                 \
    "t.corrected_quantity IS DISTINCT FROM 0 AND NOT EXISTS ("                                     \
    "SELECT 1 FROM chain.request_leg l LEFT JOIN settle.attempt a ON a.request_id = l.request_id " \
    "AND a.state IN ('prepared', 'signed', 'sent', 'mined') "                                      \
    "WHERE l.trade_id = t.trade_id AND (l.state = 'open' OR (l.state <> 'left' AND a.request_id "  \
    "IS NOT NULL)))"

bool store_result_queue(struct settle_store_pg *store, uint64_t trade_id, const char *outcome)
{
    return store_one(store, "INSERT INTO settle.result (trade_id, outcome) VALUES ($1, $2)",
                     PG_PARAMS(u64(trade_id), pg_text(outcome)));
}

// ---- retries
// --------------------------------------------------------------------------------------

// A busted trade stays failed; of a corrected one what remains is tried again (public.trades).
static bool trade_again(struct settle_store_pg *store, bool *moved, uint64_t trade_id,
                        const char *reason)
{
    static const char update[] =
        "UPDATE settle.trade t SET settlement_status = 'pending', settlement_attempts = 0, "
        "tx_hash = NULL, block_number = NULL, batch_limit = NULL, reason = $2 "
        "WHERE t.trade_id = $1 AND t.settlement_status = 'failed' AND " IS_AT_REST;
    struct pg_rows *rows = NULL;

    if (pg_query(store->pg, &rows, update, PG_PARAMS(u64(trade_id), pg_text(reason))) != PG_OK)
        return false;
    *moved = pg_rows_affected(rows) == 1;
    pg_rows_free(rows);
    return !*moved || store_result_queue(store, trade_id, "retried");
}

static bool retry_one(struct settle_store_pg *store, size_t *retried, int64_t retry_id,
                      uint64_t trade_id, const char *reason)
{
    bool moved = false;

    if (!trade_again(store, &moved, trade_id, reason))
        return false;
    *retried += moved;
    return store_one(
        store,
        "UPDATE settle.retry_request SET answered_at = now(), answer = $2 WHERE retry_id = $1",
        PG_PARAMS(pg_i64(retry_id),
                  pg_text(moved ? "pending again"
                                : "refused: not failed, busted, or a receipt is unknown")));
}

static bool retries_answer(struct settle_store_pg *store, size_t *retried)
{
    struct pg_rows *rows = NULL;
    bool ok = pg_query(store->pg, &rows,
                       "SELECT retry_id, trade_id, 'retry: ' || reason FROM settle.retry_request "
                       "WHERE answered_at IS NULL ORDER BY retry_id LIMIT 100 FOR UPDATE",
                       PG_NO_PARAMS) == PG_OK;

    for (size_t i = 0; ok && i < pg_rows_count(rows); i++)
        ok = retry_one(store, retried, pg_number(rows, i, 0), (uint64_t)pg_number(rows, i, 1),
                       pg_value(rows, i, 2));
    pg_rows_free(rows);
    return ok;
}

// ---- marks of two persons
// -------------------------------------------------------------------------

struct mark {
    int64_t mark_id;
    uint64_t trade_id;
    const char *outcome;
    const char *tx_hash; // NULL unless settled_on_chain
    const char *reason;
};

static bool mark_settled(struct settle_store_pg *store, bool *moved, const struct mark *mark)
{
    static const char update[] =
        "UPDATE settle.trade t SET settlement_status = 'settled', settled_at = now(), "
        "settlement_type = CASE WHEN $2::text IS NULL THEN 'off_chain' ELSE 'on_chain' END, "
        "tx_hash = $2, reason = $3 WHERE t.trade_id = $1 AND t.settlement_status = 'pending' "
        "AND " IS_AT_REST;
    // The leg that did it, where it was one of ours.
    static const char leg[] = "UPDATE chain.request_leg l SET state = 'done' FROM settle.attempt a "
                              "WHERE a.tx_hash = $2 AND a.request_id = l.request_id "
                              "AND l.trade_id = $1 AND l.state = 'back'";
    struct pg_rows *rows = NULL;
    bool again = false;

    // What has failed goes by way of pending: so the core is told.
    if (!trade_again(store, &again, mark->trade_id, mark->reason) ||
        pg_query(store->pg, &rows, update,
                 PG_PARAMS(u64(mark->trade_id), pg_text(mark->tx_hash), pg_text(mark->reason))) !=
            PG_OK)
        return false;
    *moved = pg_rows_affected(rows) == 1;
    pg_rows_free(rows);
    return !*moved ||
           (store_result_queue(store, mark->trade_id, "settled") &&
            store_any(store, leg, PG_PARAMS(u64(mark->trade_id), pg_text(mark->tx_hash))));
}

static bool mark_failed(struct settle_store_pg *store, bool *moved, const struct mark *mark)
{
    static const char update[] =
        "UPDATE settle.trade t SET settlement_status = 'failed', reason = $2 "
        "WHERE t.trade_id = $1 AND t.settlement_status = 'pending' AND " IS_AT_REST;
    struct pg_rows *rows = NULL;

    if (pg_query(store->pg, &rows, update, PG_PARAMS(u64(mark->trade_id), pg_text(mark->reason))) !=
        PG_OK)
        return false;
    *moved = pg_rows_affected(rows) == 1;
    pg_rows_free(rows);
    return !*moved || store_result_queue(store, mark->trade_id, "failed");
}

static bool mark_one(struct settle_store_pg *store, size_t *count, const struct mark *mark)
{
    bool moved = false;
    bool ok = strcmp(mark->outcome, "failed") == 0 ? mark_failed(store, &moved, mark)
                                                   : mark_settled(store, &moved, mark);

    *count += moved;
    return ok && store_one(store,
                           "UPDATE settle.manual_mark SET answered_at = now(), answer = $2 "
                           "WHERE mark_id = $1",
                           PG_PARAMS(pg_i64(mark->mark_id),
                                     pg_text(moved ? "done"
                                                   : "refused: settled, busted, or something of it "
                                                     "is under way")));
}

static bool marks_answer(struct settle_store_pg *store, size_t *count)
{
    struct pg_rows *rows = NULL;
    bool ok =
        pg_query(store->pg, &rows,
                 "SELECT mark_id, trade_id, outcome, tx_hash, 'manual: ' || reason || ' (' || "
                 "proposed_by || ', ' || approved_by || ')' FROM settle.manual_mark "
                 "WHERE approved_at IS NOT NULL AND answered_at IS NULL "
                 "AND withdrawn_at IS NULL ORDER BY mark_id LIMIT 100 FOR UPDATE",
                 PG_NO_PARAMS) == PG_OK;

    for (size_t i = 0; ok && i < pg_rows_count(rows); i++) {
        const struct mark mark = {.mark_id = pg_number(rows, i, 0),
                                  .trade_id = (uint64_t)pg_number(rows, i, 1),
                                  .outcome = pg_value(rows, i, 2),
                                  .tx_hash = pg_value(rows, i, 3),
                                  .reason = pg_value(rows, i, 4)};
        ok = mark_one(store, count, &mark);
    }
    pg_rows_free(rows);
    return ok;
}

static enum settle_store_result store_retry(void *context, size_t *retried)
{
    struct settle_store_pg *store = context;

    *retried = 0;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!marks_answer(store, retried) || !retries_answer(store, retried))
        return store_lost(store, "retry");
    return store_commit(store, "retry");
}

void settle_store_control_ops(struct settle_store_ops *ops)
{
    ops->retry = store_retry;
}
