// What comes in and what goes out: claims by F3's query, administrators' retries, the open requests
// with their bids, and the results for the core.
#include "settlement/settle_store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool result_queue(struct settle_store_pg *store, uint64_t trade_id, const char *outcome)
{
    return store_one(store, "INSERT INTO settle.result (trade_id, outcome) VALUES ($1, $2)",
                     PG_PARAMS(u64(trade_id), pg_text(outcome)));
}

// ---- administrators' retries
// ------------------------------------------------------------------------

static bool retry_one(struct settle_store_pg *store, size_t *retried, int64_t retry_id,
                      uint64_t trade_id, const char *reason)
{
    static const char update[] =
        "UPDATE settle.trade t SET settlement_status = 'pending', settlement_attempts = 0, "
        "tx_hash = NULL, block_number = NULL, reason = 'retry: ' || $2 "
        "WHERE t.trade_id = $1 AND t.settlement_status = 'failed' AND NOT EXISTS ("
        "SELECT 1 FROM chain.request_leg l JOIN settle.attempt a ON a.request_id = l.request_id "
        "WHERE l.trade_id = t.trade_id AND a.state IN ('prepared', 'signed', 'sent', 'mined'))";
    struct pg_rows *rows = NULL;
    bool moved;

    if (pg_query(store->pg, &rows, update, PG_PARAMS(u64(trade_id), pg_text(reason))) != PG_OK)
        return false;
    moved = pg_rows_affected(rows) == 1;
    pg_rows_free(rows);
    *retried += moved;
    if (moved && !result_queue(store, trade_id, "retried"))
        return false;
    return store_one(
        store,
        "UPDATE settle.retry_request SET answered_at = now(), answer = $2 WHERE retry_id = $1",
        PG_PARAMS(
            pg_i64(retry_id),
            pg_text(moved ? "pending again" : "refused: not failed, or a receipt is unknown")));
}

static enum settle_store_result store_retry(void *context, size_t *retried)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    bool ok;

    *retried = 0;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    ok = pg_query(store->pg, &rows,
                  "SELECT retry_id, trade_id, reason FROM settle.retry_request "
                  "WHERE answered_at IS NULL ORDER BY retry_id LIMIT 100 FOR UPDATE",
                  PG_NO_PARAMS) == PG_OK;
    for (size_t i = 0; ok && i < pg_rows_count(rows); i++)
        ok = retry_one(store, retried, pg_number(rows, i, 0), (uint64_t)pg_number(rows, i, 1),
                       pg_value(rows, i, 2));
    pg_rows_free(rows);
    return ok ? store_commit(store, "retry") : store_lost(store, "retry");
}

// ---- claim
// ------------------------------------------------------------------------------------------

// Trades that wait for a person say so; they do not stand in F3's way (a LIMIT would fill up with
// them).
static bool claim_mark_waiting(struct settle_store_pg *store)
{
    static const char sql[] =
        "UPDATE settle.trade w SET reason = n.reason FROM ("
        "SELECT t.id, CASE WHEN k.chain_id IS DISTINCT FROM $1 "
        "THEN '" SETTLE_REASON_OTHER_CHAIN "' ELSE '" SETTLE_REASON_WALLET_MISSING
        "' END AS reason "
        "FROM public.trades t JOIN public.tokens k ON k.id = t.token_id "
        "JOIN public.users b ON b.id = t.buyer_id JOIN public.users s ON s.id = t.seller_id "
        "WHERE t.settlement_status = 'pending' AND coalesce(k.contract_address, '') <> '' "
        "AND (k.chain_id IS DISTINCT FROM $1 OR coalesce(b.wallet_address, '') = '' "
        "OR coalesce(s.wallet_address, '') = '')) n "
        "WHERE w.trade_id = n.id AND w.settlement_status = 'pending' "
        "AND w.reason IS DISTINCT FROM n.reason";

    return store_any(store, sql, PG_PARAMS(u64(store->chain_id)));
}

// F3 as printed, and what makes a trade wait beside it: a missing wallet (U10), the seller's
// earlier inbound trade of the token, a release less than a tick ago, and no chain at hand.
static const char claim_select[] =
    "SELECT t.id, t.token_id, t.quantity_units, t.token_scale, k.decimals, k.contract_address, "
    "b.wallet_address AS buyer_wallet, s.wallet_address AS seller_wallet "
    "FROM public.trades t JOIN public.tokens k ON k.id = t.token_id "
    "JOIN public.users b ON b.id = t.buyer_id JOIN public.users s ON s.id = t.seller_id "
    "JOIN settle.trade w ON w.trade_id = t.id "
    "WHERE t.settlement_status = 'pending' AND t.settlement_attempts < $2 "
    "AND (w.reason IS NULL OR w.reason LIKE 'retry: %' "
    "OR w.updated_at <= now() - $3 * interval '1 millisecond') "
    "AND (coalesce(k.contract_address, '') = '' OR ($4 AND k.chain_id = $5 "
    "AND coalesce(b.wallet_address, '') <> '' AND coalesce(s.wallet_address, '') <> '' "
    "AND NOT EXISTS (SELECT 1 FROM public.trades i WHERE i.token_id = t.token_id "
    "AND i.buyer_id = t.seller_id AND i.id < t.id "
    "AND i.settlement_status IN ('pending', 'processing')))) "
    "ORDER BY t.created_at ASC, t.id ASC LIMIT $1 FOR UPDATE OF t SKIP LOCKED";

static bool claim_final(struct settle_store_pg *store, uint64_t trade_id,
                        enum settle_plan_result plan, const char *reason)
{
    bool off_chain = plan == SETTLE_PLAN_OFF_CHAIN;
    bool ok = off_chain
                  ? store_one(store,
                              "UPDATE settle.trade SET settlement_status = 'settled', "
                              "settlement_type = 'off_chain', reason = $2, settled_at = now() "
                              "WHERE trade_id = $1 AND settlement_status = 'pending'",
                              PG_PARAMS(u64(trade_id), pg_text(reason)))
                  : store_one(store,
                              "UPDATE settle.trade SET settlement_status = 'failed', reason = $2 "
                              "WHERE trade_id = $1 AND settlement_status = 'pending'",
                              PG_PARAMS(u64(trade_id), pg_text(reason)));

    return ok && result_queue(store, trade_id, off_chain ? "settled" : "failed");
}

// One request per trade for good: what Postgres allows to be confirmed once per request is then
// confirmed once per trade, however often it is tried again.
static bool claim_request(struct settle_store_pg *store, uint64_t trade_id, int64_t token_asset,
                          const struct settle_leg *leg)
{
    static const char request[] =
        "INSERT INTO chain.chain_request AS r (idempotency_key, operation, chain_id, "
        "contract_address, token_asset) VALUES ('trade:' || $1::text, 'forced_transfer', $2, $3, "
        "$4) "
        "ON CONFLICT (idempotency_key) DO UPDATE SET state = 'prepared', reason = NULL, "
        "contract_address = EXCLUDED.contract_address, updated_at = now() "
        "WHERE r.state IN ('reverted', 'dropped', 'rejected', 'cancelled') RETURNING request_id";
    static const char request_leg[] =
        "INSERT INTO chain.request_leg (request_id, leg, trade_id, from_address, to_address, "
        "amount) "
        "VALUES ($1, 0, $2, $3, $4, $5) ON CONFLICT (request_id, leg) DO UPDATE SET "
        "from_address = EXCLUDED.from_address, to_address = EXCLUDED.to_address, "
        "amount = EXCLUDED.amount";
    struct text_address token = address_text(&leg->token);
    struct text_address from = address_text(&leg->from);
    struct text_address to = address_text(&leg->to);
    struct text_wide units = wide_text(leg->units);
    struct pg_rows *rows = NULL;
    char key[24];
    bool ok;

    snprintf(key, sizeof(key), "%" PRIu64, trade_id);
    ok = pg_query(store->pg, &rows, request,
                  PG_PARAMS(pg_text(key), u64(store->chain_id), pg_text(token.text),
                            pg_i64(token_asset))) == PG_OK &&
         pg_rows_count(rows) == 1;
    uint64_t request_id = ok ? (uint64_t)pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    return ok &&
           store_one(store, request_leg,
                     PG_PARAMS(u64(request_id), u64(trade_id), pg_text(from.text), pg_text(to.text),
                               pg_text(units.text))) &&
           store_one(store,
                     "UPDATE settle.trade SET settlement_status = 'processing', reason = NULL, "
                     "tx_hash = NULL WHERE trade_id = $1 AND settlement_status = 'pending'",
                     PG_PARAMS(u64(trade_id)));
}

static bool claim_one(struct settle_store_pg *store, struct settle_claim *done,
                      const struct pg_rows *rows, size_t row)
{
    const struct settle_trade_terms terms = {.quantity = pg_number(rows, row, 2),
                                             .scale = (uint8_t)pg_number(rows, row, 3),
                                             .decimals = (uint8_t)pg_number(rows, row, 4),
                                             .contract_address = pg_value(rows, row, 5),
                                             .buyer_wallet = pg_value(rows, row, 6),
                                             .seller_wallet = pg_value(rows, row, 7)};
    uint64_t trade_id = (uint64_t)pg_number(rows, row, 0);
    struct settle_leg leg;
    const char *reason = NULL;
    enum settle_plan_result plan = settle_plan(&leg, &reason, &terms);

    ASSERT(plan != SETTLE_PLAN_WAIT); // the query leaves those alone
    done->off_chain += plan == SETTLE_PLAN_OFF_CHAIN;
    done->refused += plan == SETTLE_PLAN_REFUSED;
    done->claimed += plan == SETTLE_PLAN_ON_CHAIN;
    if (plan != SETTLE_PLAN_ON_CHAIN)
        return claim_final(store, trade_id, plan, reason);
    return claim_request(store, trade_id, pg_number(rows, row, 1), &leg);
}

static enum settle_store_result store_claim(void *context, struct settle_claim *done, size_t max,
                                            bool on_chain)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    bool ok;

    *done = (struct settle_claim){0};
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    ok = claim_mark_waiting(store) &&
         pg_query(store->pg, &rows, claim_select,
                  PG_PARAMS(u64(max), pg_i64(store->attempts_max), u64(store->tick_ms),
                            pg_bool(on_chain), u64(store->chain_id))) == PG_OK;
    for (size_t i = 0; ok && i < pg_rows_count(rows); i++)
        ok = claim_one(store, done, rows, i);
    pg_rows_free(rows);
    return ok ? store_commit(store, "claim") : store_lost(store, "claim");
}

// ---- reading
// ----------------------------------------------------------------------------------------

static void load_item(struct settle_item *item, const struct pg_rows *rows, size_t row)
{
    *item = (struct settle_item){.request_id = (uint64_t)pg_number(rows, row, 0),
                                 .trade_id = (uint64_t)pg_number(rows, row, 1),
                                 .attempts_used = (uint32_t)pg_number(rows, row, 2)};
    item->leg.token = row_address(rows, row, 3);
    item->leg.from = row_address(rows, row, 4);
    item->leg.to = row_address(rows, row, 5);
    item->leg.units = row_wide(rows, row, 6);
}

static void load_bid(struct settle_item *item, const struct pg_rows *rows, size_t row)
{
    ASSERT(item->bid_count < SETTLE_BIDS_MAX);
    struct settle_attempt *bid = &item->bids[item->bid_count++];

    *bid = (struct settle_attempt){.attempt_id = (uint64_t)pg_number(rows, row, 7),
                                   .state = settle_attempt_state_parse(pg_value(rows, row, 8)),
                                   .nonce = (uint64_t)pg_number(rows, row, 9),
                                   .gas_limit = (uint64_t)pg_number(rows, row, 10),
                                   .mined_block = (uint64_t)pg_number(rows, row, 14)};
    ASSERT(bid->state < SETTLE_ATTEMPT_STATE_COUNT);
    bid->fees.max_fee_wei = (uint64_t)row_wide(rows, row, 11);
    bid->fees.priority_fee_wei = (uint64_t)row_wide(rows, row, 12);
    if (!pg_is_null(rows, row, 13))
        ASSERT(hex_decode_exact(bid->hash.bytes, KECCAK_BYTES, pg_value(rows, row, 13)));
}

static const char load_select[] =
    "SELECT q.request_id, l.trade_id, w.settlement_attempts, q.contract_address, l.from_address, "
    "l.to_address, l.amount, a.attempt_id, a.state, a.nonce, a.gas_limit, a.max_fee_wei, "
    "a.priority_fee_wei, a.tx_hash, a.block_number FROM ("
    "SELECT r.request_id, r.contract_address, o.nonce FROM chain.chain_request r "
    "LEFT JOIN settle.attempt o ON o.request_id = r.request_id "
    "AND o.state IN ('prepared', 'signed', 'sent', 'mined') "
    "WHERE r.state IN ('prepared', 'awaiting_approval', 'signed', 'sent', 'mined') "
    "AND r.operation = 'forced_transfer' AND r.chain_id = $1 "
    "ORDER BY o.nonce NULLS LAST, r.request_id LIMIT $2) q "
    "JOIN chain.request_leg l ON l.request_id = q.request_id AND l.leg = 0 "
    "JOIN settle.trade w ON w.trade_id = l.trade_id "
    "LEFT JOIN settle.attempt a ON a.request_id = q.request_id AND a.nonce = q.nonce "
    "AND a.state <> 'dropped' "
    "ORDER BY q.nonce NULLS LAST, l.trade_id, a.attempt_id";

static enum settle_store_result store_load(void *context, struct settle_item *items, size_t *count,
                                           size_t max)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *count = 0;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows, load_select, PG_PARAMS(u64(store->chain_id), u64(max))) != PG_OK)
        return store_lost(store, "load");
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        if (*count == 0 || items[*count - 1].request_id != (uint64_t)pg_number(rows, i, 0))
            load_item(&items[(*count)++], rows, i);
        if (!pg_is_null(rows, i, 7))
            load_bid(&items[*count - 1], rows, i);
    }
    pg_rows_free(rows);
    return store_commit(store, "load");
}

static enum settle_store_result store_raw(void *context, uint8_t *raw, size_t *len,
                                          uint64_t attempt_id)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    size_t max = *len;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows, "SELECT raw FROM settle.attempt WHERE attempt_id = $1",
                 PG_PARAMS(u64(attempt_id))) != PG_OK)
        return store_lost(store, "raw");
    ASSERT(pg_rows_count(rows) == 1);
    *len = pg_bytea(rows, 0, 0, raw, max);
    ASSERT(*len > 0 && *len <= max);
    pg_rows_free(rows);
    return store_commit(store, "raw");
}

static enum settle_store_result store_inbound(void *context, bool *open,
                                              const struct settle_item *item)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "SELECT EXISTS (SELECT 1 FROM public.trades t JOIN public.trades i "
                 "ON i.token_id = t.token_id AND i.buyer_id = t.seller_id AND i.id <> t.id "
                 "WHERE t.id = $1 AND i.settlement_status <> 'settled')",
                 PG_PARAMS(u64(item->trade_id))) != PG_OK)
        return store_lost(store, "inbound");
    *open = pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    return store_commit(store, "inbound");
}

// ---- results
// ------------------------------------------------------------------------------------------

static uint8_t outcome_of(const char *word)
{
    if (strcmp(word, "settled") == 0)
        return SETTLEMENT_SETTLED;
    return strcmp(word, "failed") == 0 ? SETTLEMENT_FAILED : SETTLEMENT_RETRIED;
}

static bool result_number(struct settle_store_pg *store, uint64_t *number, uint64_t result_id)
{
    struct pg_rows *rows = NULL;
    bool ok = pg_query(store->pg, &rows,
                       "UPDATE settle.result SET ref_number = nextval('settle.result_number') "
                       "WHERE result_id = $1 AND ref_number IS NULL RETURNING ref_number",
                       PG_PARAMS(u64(result_id))) == PG_OK &&
              pg_rows_count(rows) == 1;

    *number = ok ? (uint64_t)pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    return ok;
}

static bool result_read(struct settle_store_pg *store, struct settle_result *out,
                        const struct pg_rows *rows, size_t row)
{
    *out = (struct settle_result){.result_id = (uint64_t)pg_number(rows, row, 0)};
    out->command.ref_number = (uint64_t)pg_number(rows, row, 1);
    out->command.outcome = outcome_of(pg_value(rows, row, 2));
    out->command.trade_id = (uint64_t)pg_number(rows, row, 3);
    out->command.instrument = (uint32_t)pg_number(rows, row, 4);
    out->command.buyer_account = (uint32_t)pg_number(rows, row, 5);
    out->command.seller_account = (uint32_t)pg_number(rows, row, 6);
    out->command.quantity = pg_number(rows, row, 7);
    out->command.proceeds = pg_number(rows, row, 8);
    return out->command.ref_number != 0 ||
           result_number(store, &out->command.ref_number, out->result_id);
}

static enum settle_store_result store_results(void *context, struct settle_result *results,
                                              size_t *count, size_t max)
{
    static const char sql[] = "SELECT r.result_id, r.ref_number, r.outcome, t.id, t.instrument_id, "
                              "t.buyer_id, t.seller_id, "
                              "t.quantity_units, t.seller_proceeds_cash FROM settle.result r "
                              "JOIN public.trades t ON t.id = r.trade_id WHERE r.state = 'open' "
                              "ORDER BY r.ref_number NULLS LAST, r.result_id LIMIT $1";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    bool ok;

    *count = 0;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    ok = pg_query(store->pg, &rows, sql, PG_PARAMS(u64(max))) == PG_OK;
    for (size_t i = 0; ok && i < pg_rows_count(rows); i++)
        ok = result_read(store, &results[(*count)++], rows, i);
    pg_rows_free(rows);
    return ok ? store_commit(store, "results") : store_lost(store, "results");
}

static enum settle_store_result store_answered(void *context, uint64_t ref_number,
                                               uint16_t reject_code)
{
    struct settle_store_pg *store = context;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!store_any(
            store,
            "UPDATE settle.result SET state = CASE WHEN $2 = 0 THEN 'booked' ELSE 'refused' END, "
            "reject_code = nullif($2, 0), answered_at = now() "
            "WHERE ref_number = $1 AND state = 'open'",
            PG_PARAMS(u64(ref_number), pg_i64(reject_code))))
        return store_lost(store, "answered");
    return store_commit(store, "answered");
}

void settle_store_trades_ops(struct settle_store_ops *ops)
{
    ops->retry = store_retry;
    ops->claim = store_claim;
    ops->load = store_load;
    ops->raw = store_raw;
    ops->inbound_open = store_inbound;
    ops->results = store_results;
    ops->answered = store_answered;
}
