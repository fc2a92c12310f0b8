// Happy path: begin, the statements of one step, each guarded by the states it may come from, commit.
//
// A statement that changes another number of rows than it should says that the rows are not as the worker
// believes: the transaction is rolled back and the answer is LOST, as for every failure of the connection.
// Statements are text constants, as pg.h wants them.
#include "settlement/settle_store_pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "chain/wide.h"

#define LOCK_KEY INT64_C(0x6c6f6e6a615f7365) /* "lonja_se": one settlement worker per database */

// ---- transactions ---------------------------------------------------------------------------------

static enum settle_store_result lost(struct settle_store_pg *store, const char *what)
{
    const struct pg_error *error = pg_last_error(store->pg);

    log_limited(LOG_WARNING, "transaction given up step=\"%s\" class=%s sqlstate=%s message=\"%s\"",
                what, pg_class_name(error->class), error->sqlstate, error->message);
    pg_rollback(store->pg);
    if (!pg_connected(store->pg))
        store->leading = false;
    return SETTLE_STORE_LOST;
}

// False: nothing may be written, the session that holds the lock is gone.
static bool begin(struct settle_store_pg *store)
{
    if (!store->leading || !pg_connected(store->pg) ||
        pg_connections(store->pg) != store->connection)
        store->leading = false;
    if (!store->leading)
        return false;
    if (pg_begin(store->pg) != PG_OK) {
        store->leading = false;
        return false;
    }
    if (pg_connections(store->pg) == store->connection)
        return true;
    pg_rollback(store->pg); // it connected again under us
    store->leading = false;
    return false;
}

static enum settle_store_result commit(struct settle_store_pg *store, const char *what)
{
    return pg_commit(store->pg) == PG_OK ? SETTLE_STORE_OK : lost(store, what);
}

// Runs a statement that must touch exactly one row.
static bool one(struct settle_store_pg *store, const char *sql, const struct pg_param *params,
                size_t count)
{
    struct pg_rows *rows = NULL;
    bool is_one = pg_query(store->pg, &rows, sql, params, count) == PG_OK &&
                  (pg_rows_affected(rows) == 1 || pg_rows_count(rows) == 1);

    pg_rows_free(rows);
    return is_one;
}

static bool any(struct settle_store_pg *store, const char *sql, const struct pg_param *params,
                size_t count)
{
    return pg_query(store->pg, NULL, sql, params, count) == PG_OK;
}

// ---- values ---------------------------------------------------------------------------------------

struct text_hash {
    char text[HEX_TEXT_SIZE(KECCAK_BYTES)];
};

static struct text_hash hash_text(const struct chain_hash *hash)
{
    struct text_hash out;

    hex_encode(out.text, hash->bytes, sizeof(hash->bytes));
    return out;
}

struct text_address {
    char text[ADDRESS_TEXT_SIZE];
};

// Lower case: two spellings of one address would be two signers.
static struct text_address address_text(const struct chain_address *address)
{
    struct text_address out;

    hex_encode(out.text, address->bytes, sizeof(address->bytes));
    return out;
}

struct text_wide {
    char text[WIDE_DECIMAL_SIZE];
};

static struct text_wide wide_text(chain_uint128 value)
{
    struct text_wide out;

    wide_format(out.text, value);
    return out;
}

static struct pg_param u64(uint64_t value)
{
    ASSERT(value <= INT64_MAX);
    return pg_i64((int64_t)value);
}

static chain_uint128 row_wide(const struct pg_rows *rows, size_t row, int column)
{
    chain_uint128 value;

    ASSERT(wide_parse(&value, pg_value(rows, row, column)));
    return value;
}

static struct chain_address row_address(const struct pg_rows *rows, size_t row, int column)
{
    struct chain_address address;

    ASSERT(hex_decode_exact(address.bytes, sizeof(address.bytes), pg_value(rows, row, column)));
    return address;
}

// ---- the lock -------------------------------------------------------------------------------------

static enum settle_store_result store_lead(void *context)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    bool locked;

    if (store->leading && pg_connected(store->pg) &&
        pg_connections(store->pg) == store->connection)
        return SETTLE_STORE_OK;
    store->leading = false;
    if (pg_connect(store->pg) != PG_OK)
        return SETTLE_STORE_LOST;
    uint32_t connection = pg_connections(store->pg);
    if (pg_query(store->pg, &rows, "SELECT pg_try_advisory_lock($1)",
                 PG_PARAMS(pg_i64(LOCK_KEY))) != PG_OK)
        return SETTLE_STORE_LOST;
    locked = pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    if (!locked)
        return SETTLE_STORE_BUSY;
    if (pg_connections(store->pg) != connection)
        return SETTLE_STORE_LOST;
    store->connection = connection;
    store->leading = true;
    return SETTLE_STORE_OK;
}

// ---- steps that several transactions share ----------------------------------------------------------

static bool result_queue(struct settle_store_pg *store, uint64_t trade_id, const char *outcome)
{
    return one(store, "INSERT INTO settle.result (trade_id, outcome) VALUES ($1, $2)",
               PG_PARAMS(u64(trade_id), pg_text(outcome)));
}

static bool request_state(struct settle_store_pg *store, uint64_t request_id, const char *state,
                          const char *reason)
{
    return one(store,
               "UPDATE chain.chain_request SET state = $2, reason = $3, updated_at = now() "
               "WHERE request_id = $1",
               PG_PARAMS(u64(request_id), pg_text(state), pg_text(reason)));
}

// The end of a trade's turn, F7 and U11: `counted` adds the signed attempt; the last one fails the trade.
// A trade that is settled already (its transaction was lost and came again) stays as it is.
static bool trade_end(struct settle_store_pg *store, uint64_t trade_id, enum settle_end end,
                      bool counted, const char *reason)
{
    static const char sql[] =
        "WITH ended AS (UPDATE settle.trade SET "
        "settlement_attempts = settlement_attempts + $2, total_attempts = total_attempts + $2, "
        "settlement_status = CASE WHEN $3 OR ($2 > 0 AND settlement_attempts + $2 >= $4) "
        "THEN 'failed' ELSE 'pending' END, reason = $5 "
        "WHERE trade_id = $1 AND settlement_status = 'processing' "
        "RETURNING trade_id, settlement_status) "
        "INSERT INTO settle.result (trade_id, outcome) "
        "SELECT trade_id, 'failed' FROM ended WHERE settlement_status = 'failed'";

    return any(store, sql,
               PG_PARAMS(u64(trade_id), pg_i64(counted), pg_bool(end == SETTLE_END_FAIL),
                         pg_i64(store->attempts_max), pg_text(reason)));
}

static bool attempt_state(struct settle_store_pg *store, uint64_t attempt_id,
                          enum settle_attempt_state to, const char *reason)
{
    char sources[SETTLE_STATES_ARRAY_MAX];

    settle_attempt_sources(sources, to);
    return one(store,
               "UPDATE settle.attempt SET state = $2, reason = $3, updated_at = now() "
               "WHERE attempt_id = $1 AND state = ANY($4::text[])",
               PG_PARAMS(u64(attempt_id), pg_text(settle_attempt_state_text(to)), pg_text(reason),
                         pg_text(sources)));
}

static bool check_insert(struct settle_store_pg *store, uint64_t request_id,
                         const struct erc3643_evidence *evidence, const char *stage)
{
    static const char sql[] =
        "INSERT INTO chain.transfer_check (request_id, leg, block_number, block_hash, paused, "
        "from_frozen, to_frozen, from_verified, to_verified, can_transfer, balance, frozen_tokens, "
        "verdict, code, stage) VALUES ($1, 0, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    bool allowed = evidence->verdict == ERC3643_ALLOWED;
    struct text_hash hash = hash_text(&evidence->block_hash);
    struct text_wide balance = wide_text(evidence->from_balance);
    struct text_wide frozen = wide_text(evidence->from_frozen_units);

    return one(store, sql,
               PG_PARAMS(u64(request_id), u64(evidence->block_number), pg_text(hash.text),
                         pg_bool(evidence->paused), pg_bool(evidence->from_frozen),
                         pg_bool(evidence->to_frozen), pg_bool(evidence->from_verified),
                         pg_bool(evidence->to_verified), pg_bool(evidence->can_transfer),
                         pg_text(balance.text), pg_text(frozen.text),
                         pg_text(allowed ? "allowed" : "refused"),
                         pg_text(allowed ? NULL : erc3643_verdict_text(evidence->verdict)),
                         pg_text(stage)));
}

static bool gas_insert(struct settle_store_pg *store, const struct settle_item *item,
                       const struct settle_attempt *attempt, const struct settle_receipt *receipt)
{
    // A transaction that was lost and came again is booked once.
    static const char sql[] =
        "INSERT INTO chain.gas_transaction (request_id, chain_id, tx_hash, operation, succeeded, "
        "block_number, gas_limit, gas_used, gas_price_wei) "
        "VALUES ($1, $2, $3, 'forced_transfer', $4, $5, $6, $7, $8) "
        "ON CONFLICT (chain_id, tx_hash) DO NOTHING";
    struct text_hash hash = hash_text(&attempt->hash);

    return any(store, sql,
               PG_PARAMS(u64(item->request_id), u64(store->chain_id), pg_text(hash.text),
                         pg_bool(receipt->succeeded), u64(receipt->block_number),
                         u64(attempt->gas_limit), u64(receipt->gas_used),
                         u64(receipt->effective_fee_wei)));
}

// ---- administrators' retries ------------------------------------------------------------------------

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
    return one(store,
               "UPDATE settle.retry_request SET answered_at = now(), answer = $2 WHERE retry_id = $1",
               PG_PARAMS(pg_i64(retry_id),
                         pg_text(moved ? "pending again"
                                       : "refused: not failed, or a receipt is unknown")));
}

static enum settle_store_result store_retry(void *context, size_t *retried)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    bool ok;

    *retried = 0;
    if (!begin(store))
        return SETTLE_STORE_LOST;
    ok = pg_query(store->pg, &rows,
                  "SELECT retry_id, trade_id, reason FROM settle.retry_request "
                  "WHERE answered_at IS NULL ORDER BY retry_id LIMIT 100 FOR UPDATE",
                  PG_NO_PARAMS) == PG_OK;
    for (size_t i = 0; ok && i < pg_rows_count(rows); i++)
        ok = retry_one(store, retried, pg_number(rows, i, 0), (uint64_t)pg_number(rows, i, 1),
                       pg_value(rows, i, 2));
    pg_rows_free(rows);
    return ok ? commit(store, "retry") : lost(store, "retry");
}

// ---- nonces -----------------------------------------------------------------------------------------

static enum settle_store_result store_nonce_get(void *context, bool *known, uint64_t *next,
                                                const struct chain_address *signer)
{
    static const char sql[] =
        "SELECT s.nonce_floor, greatest(s.nonce_floor, coalesce("
        "(SELECT min(nonce) FROM settle.nonce n WHERE n.chain_id = s.chain_id "
        "AND n.signer_address = s.signer_address AND n.nonce >= s.nonce_floor "
        "AND n.request_id IS NULL), "
        "(SELECT max(nonce) + 1 FROM settle.nonce n WHERE n.chain_id = s.chain_id "
        "AND n.signer_address = s.signer_address), s.nonce_floor)) "
        "FROM settle.signer s WHERE s.chain_id = $1 AND s.signer_address = $2";
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);
    struct pg_rows *rows = NULL;

    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(store->chain_id), pg_text(address.text))) != PG_OK)
        return lost(store, "nonce");
    *known = pg_rows_count(rows) == 1;
    *next = *known ? (uint64_t)pg_number(rows, 0, 1) : 0;
    pg_rows_free(rows);
    return commit(store, "nonce");
}

static enum settle_store_result store_nonce_set(void *context, const struct chain_address *signer,
                                                uint64_t next)
{
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);

    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (!any(store,
             "INSERT INTO settle.signer AS s (chain_id, signer_address, nonce_floor) "
             "VALUES ($1, $2, $3) ON CONFLICT (chain_id, signer_address) DO UPDATE SET "
             "nonce_floor = greatest(s.nonce_floor, EXCLUDED.nonce_floor), updated_at = now()",
             PG_PARAMS(u64(store->chain_id), pg_text(address.text), u64(next))))
        return lost(store, "nonce floor");
    return commit(store, "nonce floor");
}

// ---- claim ------------------------------------------------------------------------------------------

// Trades that wait for a person say so; they do not stand in F3's way (a LIMIT would fill up with them).
static bool claim_mark_waiting(struct settle_store_pg *store)
{
    static const char sql[] =
        "UPDATE settle.trade w SET reason = n.reason FROM ("
        "SELECT t.id, CASE WHEN k.chain_id IS DISTINCT FROM $1 "
        "THEN '" SETTLE_REASON_OTHER_CHAIN "' ELSE '" SETTLE_REASON_WALLET_MISSING "' END AS reason "
        "FROM public.trades t JOIN public.tokens k ON k.id = t.token_id "
        "JOIN public.users b ON b.id = t.buyer_id JOIN public.users s ON s.id = t.seller_id "
        "WHERE t.settlement_status = 'pending' AND coalesce(k.contract_address, '') <> '' "
        "AND (k.chain_id IS DISTINCT FROM $1 OR coalesce(b.wallet_address, '') = '' "
        "OR coalesce(s.wallet_address, '') = '')) n "
        "WHERE w.trade_id = n.id AND w.settlement_status = 'pending' "
        "AND w.reason IS DISTINCT FROM n.reason";

    return any(store, sql, PG_PARAMS(u64(store->chain_id)));
}

// F3 as printed, and what makes a trade wait beside it: a missing wallet (U10), the seller's earlier inbound
// trade of the token, a release less than a tick ago, and no chain at hand.
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
    bool ok =
        off_chain
            ? one(store,
                  "UPDATE settle.trade SET settlement_status = 'settled', "
                  "settlement_type = 'off_chain', reason = $2, settled_at = now() "
                  "WHERE trade_id = $1 AND settlement_status = 'pending'",
                  PG_PARAMS(u64(trade_id), pg_text(reason)))
            : one(store,
                  "UPDATE settle.trade SET settlement_status = 'failed', reason = $2 "
                  "WHERE trade_id = $1 AND settlement_status = 'pending'",
                  PG_PARAMS(u64(trade_id), pg_text(reason)));

    return ok && result_queue(store, trade_id, off_chain ? "settled" : "failed");
}

// One request per trade for good: what Postgres allows to be confirmed once per request is then confirmed once
// per trade, however often it is tried again.
static bool claim_request(struct settle_store_pg *store, uint64_t trade_id, int64_t token_asset,
                          const struct settle_leg *leg)
{
    static const char request[] =
        "INSERT INTO chain.chain_request AS r (idempotency_key, operation, chain_id, "
        "contract_address, token_asset) VALUES ('trade:' || $1::text, 'forced_transfer', $2, $3, $4) "
        "ON CONFLICT (idempotency_key) DO UPDATE SET state = 'prepared', reason = NULL, "
        "contract_address = EXCLUDED.contract_address, updated_at = now() "
        "WHERE r.state IN ('reverted', 'dropped', 'rejected', 'cancelled') RETURNING request_id";
    static const char request_leg[] =
        "INSERT INTO chain.request_leg (request_id, leg, trade_id, from_address, to_address, amount) "
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
           one(store, request_leg,
               PG_PARAMS(u64(request_id), u64(trade_id), pg_text(from.text), pg_text(to.text),
                         pg_text(units.text))) &&
           one(store,
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
    if (!begin(store))
        return SETTLE_STORE_LOST;
    ok = claim_mark_waiting(store) &&
         pg_query(store->pg, &rows, claim_select,
                  PG_PARAMS(u64(max), pg_i64(store->attempts_max), u64(store->tick_ms),
                            pg_bool(on_chain), u64(store->chain_id))) == PG_OK;
    for (size_t i = 0; ok && i < pg_rows_count(rows); i++)
        ok = claim_one(store, done, rows, i);
    pg_rows_free(rows);
    return ok ? commit(store, "claim") : lost(store, "claim");
}

// ---- reading ----------------------------------------------------------------------------------------

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
    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows, load_select, PG_PARAMS(u64(store->chain_id), u64(max))) != PG_OK)
        return lost(store, "load");
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        if (*count == 0 || items[*count - 1].request_id != (uint64_t)pg_number(rows, i, 0))
            load_item(&items[(*count)++], rows, i);
        if (!pg_is_null(rows, i, 7))
            load_bid(&items[*count - 1], rows, i);
    }
    pg_rows_free(rows);
    return commit(store, "load");
}

static enum settle_store_result store_raw(void *context, uint8_t *raw, size_t *len,
                                          uint64_t attempt_id)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    size_t max = *len;

    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows, "SELECT raw FROM settle.attempt WHERE attempt_id = $1",
                 PG_PARAMS(u64(attempt_id))) != PG_OK)
        return lost(store, "raw");
    ASSERT(pg_rows_count(rows) == 1);
    *len = pg_bytea(rows, 0, 0, raw, max);
    ASSERT(*len > 0 && *len <= max);
    pg_rows_free(rows);
    return commit(store, "raw");
}

static enum settle_store_result store_inbound(void *context, bool *open,
                                              const struct settle_item *item)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "SELECT EXISTS (SELECT 1 FROM public.trades t JOIN public.trades i "
                 "ON i.token_id = t.token_id AND i.buyer_id = t.seller_id AND i.id <> t.id "
                 "WHERE t.id = $1 AND i.settlement_status <> 'settled')",
                 PG_PARAMS(u64(item->trade_id))) != PG_OK)
        return lost(store, "inbound");
    *open = pg_number(rows, 0, 0) == 1;
    pg_rows_free(rows);
    return commit(store, "inbound");
}

// ---- before the signature -----------------------------------------------------------------------------

static enum settle_store_result store_end(void *context, const struct settle_item *item,
                                          enum settle_end end, const char *reason,
                                          const struct erc3643_evidence *evidence)
{
    struct settle_store_pg *store = context;

    ASSERT(end != SETTLE_END_COUNT && item->bid_count == 0);
    if (!begin(store))
        return SETTLE_STORE_LOST;
    if ((evidence != NULL &&
         !check_insert(store, item->request_id, evidence, "before_signing")) ||
        !request_state(store, item->request_id, end == SETTLE_END_FAIL ? "rejected" : "cancelled",
                       reason) ||
        !trade_end(store, item->trade_id, end, false, reason))
        return lost(store, "end");
    return commit(store, "end");
}

// A new row, or one that was given back (request_id NULL). Anything else is another's nonce.
static bool nonce_take(struct settle_store_pg *store, const struct text_address *signer,
                       uint64_t nonce, uint64_t request_id)
{
    return one(store,
               "INSERT INTO settle.nonce AS n (chain_id, signer_address, nonce, request_id) "
               "VALUES ($1, $2, $3, $4) ON CONFLICT (chain_id, signer_address, nonce) DO UPDATE SET "
               "request_id = EXCLUDED.request_id, reserved_at = now() WHERE n.request_id IS NULL",
               PG_PARAMS(u64(store->chain_id), pg_text(signer->text), u64(nonce), u64(request_id)));
}

static bool attempt_insert(struct settle_store_pg *store, struct settle_attempt *attempt,
                           const struct settle_item *item, const struct text_address *signer,
                           const uint8_t *calldata, size_t calldata_len)
{
    static const char sql[] =
        "INSERT INTO settle.attempt (request_id, attempt, chain_id, signer_address, nonce, to_address, "
        "calldata, gas_limit, max_fee_wei, priority_fee_wei) VALUES ($1, "
        "(SELECT coalesce(max(attempt), 0) + 1 FROM settle.attempt WHERE request_id = $1), "
        "$2, $3, $4, $5, $6, $7, $8, $9) RETURNING attempt_id";
    struct text_address to = address_text(&item->leg.token);
    struct pg_rows *rows = NULL;
    bool ok = pg_query(store->pg, &rows, sql,
                       PG_PARAMS(u64(item->request_id), u64(store->chain_id),
                                 pg_text(signer->text), u64(attempt->nonce), pg_text(to.text),
                                 pg_bytes(calldata, calldata_len), u64(attempt->gas_limit),
                                 u64(attempt->fees.max_fee_wei),
                                 u64(attempt->fees.priority_fee_wei))) == PG_OK &&
              pg_rows_count(rows) == 1;

    attempt->attempt_id = ok ? (uint64_t)pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    return ok;
}

static const struct settle_attempt *item_open_bid(const struct settle_item *item)
{
    for (size_t i = item->bid_count; i > 0; i--)
        if (settle_attempt_is_open(item->bids[i - 1].state))
            return &item->bids[i - 1];
    return NULL;
}

static enum settle_store_result store_prepare(void *context, struct settle_attempt *attempt,
                                              const struct settle_item *item,
                                              const struct chain_address *signer,
                                              const uint8_t *calldata, size_t calldata_len,
                                              const struct erc3643_evidence *evidence)
{
    struct settle_store_pg *store = context;
    const struct settle_attempt *before = item_open_bid(item);
    struct text_address address = address_text(signer);
    bool ok;

    ASSERT((before == NULL) == (evidence != NULL)); // evidence precedes the signature
    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (before == NULL)
        ok = check_insert(store, item->request_id, evidence, "before_signing") &&
             nonce_take(store, &address, attempt->nonce, item->request_id);
    else
        ok = attempt_state(store, before->attempt_id, SETTLE_ATTEMPT_REPLACED, "bid up");
    if (!ok || !attempt_insert(store, attempt, item, &address, calldata, calldata_len))
        return lost(store, "prepare");
    return commit(store, "prepare");
}

static enum settle_store_result store_refuse(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             enum settle_end end, const char *reason)
{
    struct settle_store_pg *store = context;
    bool ok;

    if (!begin(store))
        return SETTLE_STORE_LOST;
    ok = attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_DROPPED, reason);
    if (item->bid_count > 1)
        ok = ok && attempt_state(store, item->bids[item->bid_count - 2].attempt_id,
                                 SETTLE_ATTEMPT_SENT, NULL);
    else
        ok = ok &&
             one(store,
                 "UPDATE settle.nonce n SET request_id = NULL FROM settle.attempt a "
                 "WHERE a.attempt_id = $1 AND n.chain_id = a.chain_id "
                 "AND n.signer_address = a.signer_address AND n.nonce = a.nonce "
                 "AND n.request_id = a.request_id AND n.closed_at IS NULL",
                 PG_PARAMS(u64(attempt->attempt_id))) &&
             request_state(store, item->request_id,
                           end == SETTLE_END_FAIL ? "rejected" : "cancelled", reason) &&
             trade_end(store, item->trade_id, end, false, reason);
    return ok ? commit(store, "refuse") : lost(store, "refuse");
}

// ---- signed and after ---------------------------------------------------------------------------------

static enum settle_store_result store_sign(void *context, const struct settle_attempt *attempt,
                                           const struct chain_address *signer, const uint8_t *raw,
                                           size_t len)
{
    struct settle_store_pg *store = context;
    struct text_hash hash = hash_text(&attempt->hash);
    char sources[SETTLE_STATES_ARRAY_MAX];

    (void)signer; // its address stands in the row since the attempt was prepared
    if (!begin(store))
        return SETTLE_STORE_LOST;
    settle_attempt_sources(sources, SETTLE_ATTEMPT_SIGNED);
    // State and bytes at once: the table refuses one without the other.
    if (!one(store,
             "UPDATE settle.attempt SET state = 'signed', raw = $2, tx_hash = $3, signed_at = now(), "
             "updated_at = now() WHERE attempt_id = $1 AND raw IS NULL AND state = ANY($4::text[])",
             PG_PARAMS(u64(attempt->attempt_id), pg_bytes(raw, len), pg_text(hash.text),
                       pg_text(sources))) ||
        !one(store,
             "UPDATE chain.chain_request r SET state = 'signed', attempts = attempts + 1, "
             "updated_at = now() FROM settle.attempt a "
             "WHERE a.attempt_id = $1 AND r.request_id = a.request_id",
             PG_PARAMS(u64(attempt->attempt_id))))
        return lost(store, "sign");
    return commit(store, "sign");
}

static enum settle_store_result store_sent(void *context, const struct settle_item *item,
                                           const struct settle_attempt *attempt)
{
    struct settle_store_pg *store = context;
    struct text_hash hash = hash_text(&attempt->hash);

    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_SENT, NULL) ||
        !one(store, "UPDATE settle.attempt SET sent_at = coalesce(sent_at, now()) WHERE attempt_id = $1",
             PG_PARAMS(u64(attempt->attempt_id))) ||
        !request_state(store, item->request_id, "sent", NULL) ||
        !any(store,
             "UPDATE settle.trade SET tx_hash = $2 "
             "WHERE trade_id = $1 AND settlement_status = 'processing'",
             PG_PARAMS(u64(item->trade_id), pg_text(hash.text))))
        return lost(store, "sent");
    return commit(store, "sent");
}

static bool nonce_close(struct settle_store_pg *store, uint64_t attempt_id, bool closed)
{
    return one(store,
               "UPDATE settle.nonce n SET closed_at = CASE WHEN $2 THEN now() END "
               "FROM settle.attempt a WHERE a.attempt_id = $1 AND n.chain_id = a.chain_id "
               "AND n.signer_address = a.signer_address AND n.nonce = a.nonce",
               PG_PARAMS(u64(attempt_id), pg_bool(closed)));
}

static bool mined_siblings(struct settle_store_pg *store, const struct settle_item *item,
                           const struct settle_attempt *attempt)
{
    const struct settle_attempt *open = item_open_bid(item);

    if (open == NULL || open->attempt_id == attempt->attempt_id)
        return true;
    return attempt_state(store, open->attempt_id,
                         open->state == SETTLE_ATTEMPT_PREPARED ? SETTLE_ATTEMPT_DROPPED
                                                                : SETTLE_ATTEMPT_REPLACED,
                         "another bid at the nonce was mined");
}

// All of the row at once: a mined row without its block is refused by the table.
static bool mined_row(struct settle_store_pg *store, const struct settle_attempt *attempt,
                      const struct settle_receipt *receipt)
{
    static const char sql[] =
        "UPDATE settle.attempt SET state = 'mined', reason = NULL, mined_at = now(), "
        "updated_at = now(), block_number = $2, block_hash = $3, gas_used = $4, gas_price_wei = $5, "
        "log_index = $6 WHERE attempt_id = $1 AND state = ANY($7::text[])";
    struct text_hash hash = hash_text(&receipt->block_hash);
    char sources[SETTLE_STATES_ARRAY_MAX];

    settle_attempt_sources(sources, SETTLE_ATTEMPT_MINED);
    return one(store, sql,
               PG_PARAMS(u64(attempt->attempt_id), u64(receipt->block_number), pg_text(hash.text),
                         u64(receipt->gas_used), u64(receipt->effective_fee_wei),
                         receipt->has_planned_transfer ? pg_i64(receipt->log_index) : pg_null(),
                         pg_text(sources)));
}

static enum settle_store_result store_mined(void *context, const struct settle_item *item,
                                            const struct settle_attempt *attempt,
                                            const struct settle_receipt *receipt)
{
    struct settle_store_pg *store = context;

    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (!mined_siblings(store, item, attempt) || !mined_row(store, attempt, receipt) ||
        !nonce_close(store, attempt->attempt_id, true) ||
        !request_state(store, item->request_id, "mined", NULL))
        return lost(store, "mined");
    return commit(store, "mined");
}

static enum settle_store_result store_unmined(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt)
{
    struct settle_store_pg *store = context;

    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_SENT, "reorganised away") ||
        !nonce_close(store, attempt->attempt_id, false) ||
        !request_state(store, item->request_id, "sent", "reorganised away"))
        return lost(store, "unmined");
    return commit(store, "unmined");
}

// One transaction for everything that "settled" says (F6).
static enum settle_store_result store_confirm(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct settle_receipt *receipt)
{
    static const char trade[] =
        "WITH settled AS (UPDATE settle.trade SET settlement_status = 'settled', "
        "settlement_type = 'on_chain', tx_hash = $2, block_number = $3, settled_at = now(), "
        "reason = NULL WHERE trade_id = $1 AND settlement_status = 'processing' RETURNING trade_id) "
        "INSERT INTO settle.result (trade_id, outcome) SELECT trade_id, 'settled' FROM settled";
    struct settle_store_pg *store = context;
    struct text_hash hash = hash_text(&attempt->hash);

    ASSERT(receipt->succeeded && receipt->has_planned_transfer);
    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_CONFIRMED, NULL) ||
        !request_state(store, item->request_id, "confirmed", NULL) ||
        !gas_insert(store, item, attempt, receipt) ||
        !any(store, trade,
             PG_PARAMS(u64(item->trade_id), pg_text(hash.text), u64(receipt->block_number))))
        return lost(store, "confirm");
    return commit(store, "confirm");
}

static enum settle_store_result store_revert(void *context, const struct settle_item *item,
                                             const struct settle_attempt *attempt,
                                             const struct settle_receipt *receipt,
                                             enum settle_end end, const char *reason)
{
    struct settle_store_pg *store = context;

    ASSERT(end != SETTLE_END_RELEASE);
    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, attempt->attempt_id, SETTLE_ATTEMPT_REVERTED, reason) ||
        !request_state(store, item->request_id, "reverted", reason) ||
        !gas_insert(store, item, attempt, receipt) ||
        !trade_end(store, item->trade_id, end, true, reason))
        return lost(store, "revert");
    return commit(store, "revert");
}

static enum settle_store_result store_drop(void *context, const struct settle_item *item,
                                           const char *reason)
{
    struct settle_store_pg *store = context;
    const struct settle_attempt *open = item_open_bid(item);

    ASSERT(open != NULL);
    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (!attempt_state(store, open->attempt_id, SETTLE_ATTEMPT_DROPPED, reason) ||
        !nonce_close(store, open->attempt_id, true) ||
        !request_state(store, item->request_id, "dropped", reason) ||
        !trade_end(store, item->trade_id, SETTLE_END_COUNT, true, reason))
        return lost(store, "drop");
    return commit(store, "drop");
}

static enum settle_store_result store_recheck(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct erc3643_evidence *evidence)
{
    struct settle_store_pg *store = context;

    (void)attempt;
    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (!check_insert(store, item->request_id, evidence, "at_mined_block"))
        return lost(store, "recheck");
    return commit(store, "recheck");
}

static enum settle_store_result store_reopen(void *context, size_t *count,
                                             const struct chain_address *signer, uint64_t nonce)
{
    static const char sql[] =
        "WITH lost AS (UPDATE settle.attempt SET state = 'sent', reason = 'lost by the chain', "
        "updated_at = now() WHERE state = 'confirmed' AND chain_id = $1 AND signer_address = $2 "
        "AND nonce >= $3 RETURNING request_id) "
        "UPDATE chain.chain_request r SET state = 'sent', reason = 'lost by the chain', "
        "updated_at = now() FROM lost WHERE r.request_id = lost.request_id";
    struct settle_store_pg *store = context;
    struct text_address address = address_text(signer);
    struct pg_rows *rows = NULL;

    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(u64(store->chain_id), pg_text(address.text), u64(nonce))) != PG_OK)
        return lost(store, "reopen");
    *count = (size_t)pg_rows_affected(rows);
    pg_rows_free(rows);
    return commit(store, "reopen");
}

// ---- results ------------------------------------------------------------------------------------------

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
    static const char sql[] =
        "SELECT r.result_id, r.ref_number, r.outcome, t.id, t.instrument_id, t.buyer_id, t.seller_id, "
        "t.quantity_units, t.seller_proceeds_cash FROM settle.result r "
        "JOIN public.trades t ON t.id = r.trade_id WHERE r.state = 'open' "
        "ORDER BY r.ref_number NULLS LAST, r.result_id LIMIT $1";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    bool ok;

    *count = 0;
    if (!begin(store))
        return SETTLE_STORE_LOST;
    ok = pg_query(store->pg, &rows, sql, PG_PARAMS(u64(max))) == PG_OK;
    for (size_t i = 0; ok && i < pg_rows_count(rows); i++)
        ok = result_read(store, &results[(*count)++], rows, i);
    pg_rows_free(rows);
    return ok ? commit(store, "results") : lost(store, "results");
}

static enum settle_store_result store_answered(void *context, uint64_t ref_number,
                                               uint16_t reject_code)
{
    struct settle_store_pg *store = context;

    if (!begin(store))
        return SETTLE_STORE_LOST;
    if (!any(store,
             "UPDATE settle.result SET state = CASE WHEN $2 = 0 THEN 'booked' ELSE 'refused' END, "
             "reject_code = nullif($2, 0), answered_at = now() "
             "WHERE ref_number = $1 AND state = 'open'",
             PG_PARAMS(u64(ref_number), pg_i64(reject_code))))
        return lost(store, "answered");
    return commit(store, "answered");
}

static void store_close(void *context)
{
    struct settle_store_pg *store = context;

    store->leading = false;
}

struct settle_store_ops settle_store_pg_open(struct settle_store_pg *store, struct pg *pg,
                                             uint64_t chain_id, uint32_t attempts_max,
                                             uint64_t tick_ms)
{
    *store = (struct settle_store_pg){
        .pg = pg, .chain_id = chain_id, .attempts_max = attempts_max, .tick_ms = tick_ms};
    return (struct settle_store_ops){
        .context = store, .lead = store_lead, .retry = store_retry, .nonce_get = store_nonce_get,
        .nonce_set = store_nonce_set, .claim = store_claim, .load = store_load, .raw = store_raw,
        .end = store_end, .inbound_open = store_inbound, .prepare = store_prepare,
        .refuse = store_refuse, .sign = store_sign, .sent = store_sent, .mined = store_mined,
        .unmined = store_unmined, .confirm = store_confirm, .revert = store_revert,
        .drop = store_drop, .recheck = store_recheck, .reopen = store_reopen,
        .results = store_results, .answered = store_answered, .close = store_close,
    };
}
