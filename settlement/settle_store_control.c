// What people have decided: retries of failed trades, and marks of two persons. (Holds are read
// where trades are claimed.) The worker answers in their rows.
#include "settlement/settle_store_internal.h"

#include <stdio.h>
#include <string.h>

// Nothing of the trade is under way: no attempt whose receipt is unknown, no leg that may still
// move.
#define IS_AT_REST                                                                                 \
    "t.corrected_quantity IS DISTINCT FROM 0 AND NOT EXISTS ("                                     \
    "SELECT 1 FROM chain.request_leg l LEFT JOIN settle.attempt a ON a.request_id = l.request_id " \
    "AND a.state IN " SETTLE_OPEN_STATES " "                                                       \
    "WHERE l.trade_id = t.trade_id AND (l.state = 'open' OR (l.state <> 'left' AND a.request_id "  \
    "IS NOT NULL)))"

bool store_result_queue(struct settle_store_pg *store, uint64_t trade_id, const char *outcome)
{
    return store_one(store, "INSERT INTO settle.result (trade_id, outcome) VALUES ($1, $2)",
                     PG_PARAMS(u64(trade_id), pg_text(outcome)));
}

// ---- retries

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

// Approved, neither answered nor withdrawn.
#define IS_DECIDED  "approved_at IS NOT NULL AND answered_at IS NULL AND withdrawn_at IS NULL "
#define MARK_REASON "'manual: ' || reason || ' (' || proposed_by || ', ' || approved_by || ')' "

struct mark {
    int64_t mark_id;
    uint64_t trade_id;
    const char *outcome;
    const char *reason;
    const char *tx_hash; // NULL unless settled_on_chain
    uint64_t block_number;
};

static bool mark_settled(struct settle_store_pg *store, bool *moved, const struct mark *mark)
{
    static const char update[] =
        "UPDATE settle.trade t SET settlement_status = 'settled', settled_at = now(), "
        "settlement_type = CASE WHEN $2::text IS NULL THEN 'off_chain' ELSE 'on_chain' END, "
        "tx_hash = $2, block_number = $4, reason = $3 "
        "WHERE t.trade_id = $1 AND t.settlement_status = 'pending' AND " IS_AT_REST;
    // The leg that did it, where it was one of ours.
    static const char leg[] = "UPDATE chain.request_leg l SET state = 'done' FROM settle.attempt a "
                              "WHERE a.tx_hash = $2 AND a.request_id = l.request_id "
                              "AND l.trade_id = $1 AND l.state = 'back'";
    struct pg_rows *rows = NULL;
    bool again = false;

    // What has failed goes by way of pending: so the core is told.
    if (!trade_again(store, &again, mark->trade_id, mark->reason) ||
        pg_query(store->pg, &rows, update,
                 PG_PARAMS(u64(mark->trade_id), pg_text(mark->tx_hash), pg_text(mark->reason),
                           mark->tx_hash != NULL ? u64(mark->block_number) : pg_null())) != PG_OK)
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

static bool mark_one(struct settle_store_pg *store, bool *moved, const struct mark *mark)
{
    bool ok = strcmp(mark->outcome, "failed") == 0 ? mark_failed(store, moved, mark)
                                                   : mark_settled(store, moved, mark);

    return ok && store_one(store,
                           "UPDATE settle.manual_mark SET answered_at = now(), answer = $2, "
                           "problem = NULL WHERE mark_id = $1",
                           PG_PARAMS(pg_i64(mark->mark_id),
                                     pg_text(*moved ? "done"
                                                    : "refused: settled, busted, or something of "
                                                      "it is under way")));
}

// Those that no chain is needed for.
static bool marks_answer(struct settle_store_pg *store, size_t *count)
{
    struct pg_rows *rows = NULL;
    bool ok = pg_query(store->pg, &rows,
                       "SELECT mark_id, trade_id, outcome, " MARK_REASON
                       "FROM settle.manual_mark WHERE " IS_DECIDED
                       "AND tx_hash IS NULL ORDER BY mark_id LIMIT 100 FOR UPDATE",
                       PG_NO_PARAMS) == PG_OK;

    for (size_t i = 0; ok && i < pg_rows_count(rows); i++) {
        const struct mark mark = {.mark_id = pg_number(rows, i, 0),
                                  .trade_id = (uint64_t)pg_number(rows, i, 1),
                                  .outcome = pg_value(rows, i, 2),
                                  .reason = pg_value(rows, i, 3)};
        bool moved = false;
        ok = mark_one(store, &moved, &mark);
        *count += moved;
    }
    pg_rows_free(rows);
    return ok;
}

// ---- marks that name a transaction

#define IS_DUE_MARK                                                                                \
    IS_DECIDED "AND tx_hash IS NOT NULL AND (checked_at IS NULL "                                  \
               "OR checked_at <= now() - $1 * interval '1 millisecond') "

static bool marks_count(struct settle_store_pg *store, size_t *marks)
{
    struct pg_rows *rows = NULL;
    bool ok =
        pg_query(store->pg, &rows, "SELECT count(*) FROM settle.manual_mark WHERE " IS_DUE_MARK,
                 PG_PARAMS(u64(store->tick_ms))) == PG_OK;

    *marks = ok ? (size_t)pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    return ok;
}

static enum settle_store_result store_retry(void *context, size_t *retried, size_t *marks)
{
    struct settle_store_pg *store = context;

    *retried = *marks = 0;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!marks_answer(store, retried) || !retries_answer(store, retried) ||
        !marks_count(store, marks))
        return store_lost(store, "retry");
    if (*retried > 0)
        store_queue_again(store);
    return store_commit(store, "retry");
}

// As a claim would plan it now; in a transaction of ours with the wallets that its leg there has.
static void mark_read(struct settle_mark *mark, const struct pg_rows *rows)
{
    const struct settle_trade_terms terms = {.quantity = pg_number(rows, 0, 3),
                                             .scale = (uint8_t)pg_number(rows, 0, 4),
                                             .decimals = (uint8_t)pg_number(rows, 0, 5),
                                             .contract_address = pg_value(rows, 0, 6),
                                             .buyer_wallet = pg_value(rows, 0, 7),
                                             .seller_wallet = pg_value(rows, 0, 8)};

    mark->mark_id = (uint64_t)pg_number(rows, 0, 0);
    ASSERT(hex_decode_exact(mark->hash.bytes, sizeof(mark->hash.bytes), pg_value(rows, 0, 2)));
    if (pg_number(rows, 0, 9) == 1)
        mark->problem = SETTLE_REASON_OTHER_CHAIN;
    else if (settle_plan(&mark->token, &mark->leg, &mark->problem, &terms) == SETTLE_PLAN_ON_CHAIN)
        mark->problem = NULL;
    mark->leg.trade_id = (uint64_t)pg_number(rows, 0, 1);
}

static enum settle_store_result store_mark_next(void *context, struct settle_mark *mark,
                                                uint64_t after)
{
    static const char sql[] =
        "SELECT m.mark_id, m.trade_id, m.tx_hash, t.quantity_units, t.token_scale, k.decimals, "
        "k.contract_address, coalesce(l.to_address, b.wallet_address), "
        "coalesce(l.from_address, s.wallet_address), "
        "(coalesce(k.contract_address, '') <> '' AND k.chain_id IS DISTINCT FROM $3)::int "
        "FROM (SELECT * FROM settle.manual_mark WHERE " IS_DUE_MARK "AND mark_id > $2 "
        "ORDER BY mark_id LIMIT 1) m JOIN public.trades t ON t.id = m.trade_id "
        "JOIN public.tokens k ON k.id = t.token_id "
        "LEFT JOIN public.users b ON b.id = t.buyer_id "
        "LEFT JOIN public.users s ON s.id = t.seller_id "
        "LEFT JOIN settle.attempt a ON a.tx_hash = m.tx_hash "
        "LEFT JOIN chain.request_leg l ON l.request_id = a.request_id AND l.trade_id = m.trade_id";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *mark = (struct settle_mark){0};
    if (!store_ask(store, &rows, "mark_next", sql,
                   PG_PARAMS(u64(store->tick_ms), u64(after), u64(store->chain_id))))
        return SETTLE_STORE_LOST;
    if (pg_rows_count(rows) == 1)
        mark_read(mark, rows);
    pg_rows_free(rows);
    return store_commit(store, "mark_next");
}

static bool mark_problem(struct settle_store_pg *store, const struct settle_mark *mark,
                         const char *problem)
{
    return store_any(store,
                     "UPDATE settle.manual_mark SET checked_at = now(), problem = $2 "
                     "WHERE mark_id = $1 AND " IS_DECIDED,
                     PG_PARAMS(u64(mark->mark_id), pg_text(problem)));
}

static enum settle_store_result store_mark_waits(void *context, const struct settle_mark *mark,
                                                 const char *problem)
{
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!mark_problem(store, mark, problem))
        return store_lost(store, "mark_waits");
    return store_commit(store, "mark_waits");
}

// Of the Transfers that are the trade's by wallets and amount, one must be left over: those of
// other marks and of other legs of that transaction are theirs. None may be in the ledger already
// as what somebody did outside (lonja-index books those: the units would have moved twice), and
// where the index reads this token it must have come that far, as else it would book it later.
static bool mark_judge(struct settle_store_pg *store, const char **problem, int64_t *log_index,
                       const struct settle_mark *mark, const struct settle_mark_evidence *evidence)
{
    static const char sql[] =
        "WITH found AS (SELECT unnest($3::text::int[]) AS log_index), "
        "free AS (SELECT log_index FROM found WHERE log_index NOT IN (SELECT m.log_index FROM "
        "settle.manual_mark m WHERE m.tx_hash = $2 AND m.log_index IS NOT NULL)), "
        "legs AS (SELECT count(*) AS n FROM settle.attempt a JOIN chain.movement v "
        "USING (request_id) JOIN chain.request_leg l USING (request_id, leg) "
        "WHERE a.tx_hash = $2 AND l.state IN ('open', 'done') "
        "AND (v.trade_id IS DISTINCT FROM $1 OR v.net_id IS NOT NULL) "
        "AND lower(v.from_address) = $4 AND lower(v.to_address) = $5 "
        "AND v.amount = $6::text::numeric "
        "AND NOT EXISTS (SELECT 1 FROM settle.manual_mark m WHERE m.trade_id = v.trade_id "
        "AND m.tx_hash = $2 AND m.log_index IS NOT NULL)), "
        "events AS (SELECT t.from_counted OR t.to_counted AS booked FROM chain.event_log e "
        "JOIN chain.transfer t USING (event_id) WHERE e.chain_id = $7 AND e.tx_hash = $2 "
        "AND e.log_index IN (SELECT log_index FROM free) AND t.state = 'confirmed') "
        "SELECT CASE WHEN (SELECT count(*) FROM free) <= (SELECT n FROM legs) "
        "THEN '" SETTLE_REASON_MARK_TAKEN "' WHEN (SELECT bool_or(booked) FROM events) "
        "THEN '" SETTLE_REASON_MARK_BOOKED "' WHEN NOT EXISTS (SELECT 1 FROM events) "
        "AND EXISTS (SELECT 1 FROM chain.index_source x WHERE x.chain_id = $7 "
        "AND x.address = $8 AND x.kind = 'token') "
        "THEN '" SETTLE_REASON_MARK_UNINDEXED "' END, (SELECT max(log_index) FROM free)";
    // In the order of the words above: the rows are freed before they are used.
    static const char *const words[] = {SETTLE_REASON_MARK_TAKEN, SETTLE_REASON_MARK_BOOKED,
                                        SETTLE_REASON_MARK_UNINDEXED};
    char found[SETTLE_LEGS_MAX * 12 + 3] = "{";
    struct text_hash hash = hash_text(&mark->hash);
    struct text_address from = address_text(&mark->leg.from);
    struct text_address to = address_text(&mark->leg.to);
    struct text_address token = address_text(&mark->token);
    struct text_wide units = wide_text(mark->leg.units);
    struct pg_rows *rows = NULL;

    for (size_t i = 0, at = 1; i < evidence->count; i++)
        at += (size_t)snprintf(found + at, sizeof(found) - at, "%s%u", i > 0 ? "," : "",
                               evidence->log_index[i]);
    strcat(found, "}");
    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(mark->leg.trade_id), pg_text(hash.text), pg_text(found),
                           pg_text(from.text), pg_text(to.text), pg_text(units.text),
                           u64(store->chain_id), pg_text(token.text))) != PG_OK)
        return false;
    *problem = NULL;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && !pg_is_null(rows, 0, 0); i++)
        if (strcmp(pg_value(rows, 0, 0), words[i]) == 0)
            *problem = words[i];
    *log_index = pg_number(rows, 0, 1);
    pg_rows_free(rows);
    return true;
}

// Still decided: nobody has withdrawn it meanwhile.
static bool mark_apply(struct settle_store_pg *store, bool *settled, const struct settle_mark *mark,
                       const struct settle_mark_evidence *evidence, int64_t log_index)
{
    struct text_hash hash = hash_text(&mark->hash);
    struct pg_rows *rows = NULL;
    bool ok = pg_query(store->pg, &rows,
                       "UPDATE settle.manual_mark SET checked_at = now() WHERE mark_id = $1 "
                       "AND " IS_DECIDED "RETURNING " MARK_REASON,
                       PG_PARAMS(u64(mark->mark_id))) == PG_OK;

    if (ok && pg_rows_count(rows) == 1) {
        const struct mark decided = {.mark_id = (int64_t)mark->mark_id,
                                     .trade_id = mark->leg.trade_id,
                                     .outcome = "settled_on_chain",
                                     .reason = pg_value(rows, 0, 0),
                                     .tx_hash = hash.text,
                                     .block_number = evidence->block_number};
        ok = mark_one(store, settled, &decided);
    }
    pg_rows_free(rows);
    return ok && (!*settled ||
                  store_one(store,
                            "UPDATE settle.manual_mark SET block_number = $2, log_index = $3 "
                            "WHERE mark_id = $1",
                            PG_PARAMS(u64(mark->mark_id), u64(evidence->block_number),
                                      pg_i64(log_index))));
}

static enum settle_store_result store_mark_settle(void *context, bool *settled,
                                                  const struct settle_mark *mark,
                                                  const struct settle_mark_evidence *evidence)
{
    struct settle_store_pg *store = context;
    const char *problem = NULL;
    int64_t log_index = 0;

    *settled = false;
    ASSERT(evidence->count > 0 && evidence->count <= SETTLE_LEGS_MAX);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!mark_judge(store, &problem, &log_index, mark, evidence) ||
        !(problem != NULL ? mark_problem(store, mark, problem)
                          : mark_apply(store, settled, mark, evidence, log_index)))
        return store_lost(store, "mark_settle");
    return store_commit(store, "mark_settle");
}

void settle_store_control_ops(struct settle_store_ops *ops)
{
    ops->retry = store_retry;
    ops->mark_next = store_mark_next;
    ops->mark_waits = store_mark_waits;
    ops->mark_settle = store_mark_settle;
}
