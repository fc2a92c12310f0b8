// What comes in and what goes out: claims by F3's query, the open requests with their bids, and the
// results for the core.
#include "settlement/settle_store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLAIM_PAGES_MAX = 16, // of the queue, walked in one claim
    CLAIM_AFTER_MAX = 64, // a time stamp as text
};

// ---- claim
// ------------------------------------------------------------------------------------------

// A trade of one wallet with itself moves nothing: off_chain's, not claim's.
#define SAME_WALLET "(lower(b.wallet_address) = lower(s.wallet_address)) IS TRUE "

// Held by a person, by trade, account, token or venue, or by an open incident of the token.
#define IS_HELD                                                                                    \
    "EXISTS (SELECT 1 FROM settle.held h WHERE h.venue OR h.trade_id = t.id "                      \
    "OR h.token_asset = t.token_id OR h.account_id IN (t.buyer_id, t.seller_id)) "

// Trades that wait for a person say so.
static bool claim_mark_waiting(struct settle_store_pg *store)
{
    static const char sql[] =
        "UPDATE settle.trade w SET reason = n.reason FROM ("
        "SELECT t.id, CASE WHEN " IS_HELD "THEN '" SETTLE_REASON_HELD
        "' WHEN k.chain_id IS DISTINCT FROM $1 "
        "THEN '" SETTLE_REASON_OTHER_CHAIN "' ELSE '" SETTLE_REASON_WALLET_MISSING
        "' END AS reason "
        "FROM public.trades t JOIN public.tokens k ON k.id = t.token_id "
        "JOIN public.users b ON b.id = t.buyer_id JOIN public.users s ON s.id = t.seller_id "
        "WHERE t.settlement_status = 'pending' AND (" IS_HELD
        "OR coalesce(k.contract_address, '') <> '' AND NOT (" SAME_WALLET ") "
        "AND (k.chain_id IS DISTINCT FROM $1 OR coalesce(b.wallet_address, '') = '' "
        "OR coalesce(s.wallet_address, '') = ''))) n "
        "WHERE w.trade_id = n.id AND w.settlement_status = 'pending' "
        "AND w.reason IS DISTINCT FROM n.reason";

    return store_any(store, sql, PG_PARAMS(u64(store->chain_id)));
}

// Nothing in the queue is lost, and nothing waits without a word.
static bool mark_unsupported(struct settle_store_pg *store)
{
    static const char sql[] =
        "UPDATE chain.chain_request SET reason = n.reason, updated_at = now() FROM ("
        "SELECT request_id AS id, CASE WHEN chain_id <> $1 THEN '" SETTLE_REASON_OTHER_CHAIN
        "' ELSE '" SETTLE_REASON_UNSUPPORTED "' END AS reason FROM chain.chain_request "
        "WHERE state = 'prepared' AND (chain_id <> $1 OR operation <> ALL($2::text::text[]))) n "
        "WHERE request_id = n.id AND chain_request.reason IS DISTINCT FROM n.reason";
    char operations[SETTLE_OPERATIONS_ARRAY_MAX];

    settle_operations_array(operations);
    return store_any(store, sql, PG_PARAMS(u64(store->chain_id), pg_text(operations)));
}

// Is it its turn? Not within a tick of a release; a new one, and one that goes again because of
// others, at once.
#define IS_DUE                                                                                     \
    "(coalesce(w.reason, '') IN ('', '" SETTLE_REASON_NEIGHBOUR "', '" SETTLE_REASON_NET           \
    "', '" SETTLE_REASON_HELD "') OR w.reason LIKE 'retry: %' "                                    \
    "OR w.updated_at <= now() - $3 * interval '1 millisecond') "

// F3 as printed, page by page ($5, $6: behind this trade), and what makes a trade wait beside it: a
// missing wallet (U10), a release less than a tick ago. Blocked: its seller awaits units of an
// earlier trade that is on its way, or that is not among those which come here.
static const char claim_select[] =
    "WITH due AS MATERIALIZED ("
    "SELECT t.id, t.token_id, t.quantity_units, t.token_scale, k.decimals, k.contract_address, "
    "b.wallet_address AS buyer_wallet, s.wallet_address AS seller_wallet, t.buyer_id, t.seller_id, "
    "w.batch_limit, t.created_at "
    "FROM public.trades t JOIN public.tokens k ON k.id = t.token_id "
    "JOIN public.users b ON b.id = t.buyer_id JOIN public.users s ON s.id = t.seller_id "
    "JOIN settle.trade w ON w.trade_id = t.id "
    "WHERE t.settlement_status = 'pending' AND t.settlement_attempts < $2 AND t.quantity_units > 0 "
    "AND " IS_DUE "AND coalesce(k.contract_address, '') <> '' AND k.chain_id = $4 "
    "AND coalesce(b.wallet_address, '') <> '' AND coalesce(s.wallet_address, '') <> '' "
    "AND NOT (" SAME_WALLET ") AND NOT " IS_HELD
    "AND NOT EXISTS (SELECT 1 FROM chain.request_leg l JOIN settle.attempt a USING (request_id) "
    "WHERE l.trade_id = t.id AND l.state <> 'left' "
    "AND a.state IN ('prepared', 'signed', 'sent', 'mined')) "
    "AND (t.created_at, t.id) > ($5::text::timestamptz, $6) "
    "ORDER BY t.created_at ASC, t.id ASC LIMIT $1 FOR UPDATE OF t SKIP LOCKED), "
    "open AS (SELECT r.token_asset, r.buyer_account, min(w.trade_id) AS first "
    "FROM settle.trade w JOIN record.trade r USING (trade_id) "
    "JOIN public.tokens k ON k.id = r.token_asset "
    "LEFT JOIN public.users b ON b.id = r.buyer_account "
    "LEFT JOIN public.users s ON s.id = r.seller_account "
    "WHERE w.settlement_status IN ('pending', 'processing') "
    "AND w.corrected_quantity IS DISTINCT FROM 0 AND w.trade_id < (SELECT max(id) FROM due) "
    "AND NOT (" SAME_WALLET ") "
    "AND (w.settlement_status = 'processing' OR EXISTS (SELECT 1 FROM settle.held h "
    "WHERE h.venue OR h.trade_id = w.trade_id OR h.token_asset = r.token_asset "
    "OR h.account_id IN (r.buyer_account, r.seller_account)) OR NOT (" IS_DUE
    "AND w.settlement_attempts < $2 AND coalesce(k.contract_address, '') <> '' AND k.chain_id = $4 "
    "AND coalesce(b.wallet_address, '') <> '' AND coalesce(s.wallet_address, '') <> '')) "
    "GROUP BY 1, 2) "
    "SELECT d.id, d.token_id, d.quantity_units, d.token_scale, d.decimals, d.contract_address, "
    "d.buyer_wallet, d.seller_wallet, d.buyer_id, d.seller_id, coalesce(d.batch_limit, 0), "
    "coalesce(o.first < d.id, false), d.created_at "
    "FROM due d LEFT JOIN open o ON o.token_asset = d.token_id AND o.buyer_account = d.seller_id "
    "ORDER BY d.created_at, d.id";

static bool claim_refused(struct settle_store_pg *store, uint64_t trade_id, const char *reason)
{
    return store_one(store,
                     "UPDATE settle.trade SET settlement_status = 'failed', reason = $2 "
                     "WHERE trade_id = $1 AND settlement_status = 'pending'",
                     PG_PARAMS(u64(trade_id), pg_text(reason))) &&
           store_result_queue(store, trade_id, "failed");
}

// A new request at every turn of a trade; what Postgres allows is one at a time in which its leg is
// open or done (request_leg_once). The number in the key makes it another one than before.
static bool claim_request(struct settle_store_pg *store, const struct settle_claim_request *request)
{
    static const char insert[] =
        "INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address, "
        "token_asset) SELECT 'trade:' || $1::text || ':' || "
        "(SELECT coalesce(max(request_id), 0) + 1 FROM chain.chain_request), $2, $3, $4, $5 "
        "RETURNING request_id";
    static const char legs[] =
        "INSERT INTO chain.request_leg (request_id, leg, trade_id, from_address, to_address, "
        "amount) "
        "SELECT $1, x.leg, x.trade_id, x.from_address, x.to_address, x.amount "
        "FROM jsonb_to_recordset($2::text::jsonb) AS x(leg smallint, trade_id bigint, "
        "from_address text, to_address text, amount numeric)";
    static const char trades[] =
        "UPDATE settle.trade w SET settlement_status = 'processing', reason = NULL, tx_hash = NULL "
        "FROM jsonb_to_recordset($1::text::jsonb) AS x(trade_id bigint) "
        "WHERE w.trade_id = x.trade_id AND w.settlement_status = 'pending'";
    struct text_address token = address_text(&request->token);
    struct pg_rows *rows = NULL;
    size_t count = json_array_size(request->legs);
    char key[24];
    bool ok;

    snprintf(key, sizeof(key), "%" PRIu64, request->first_trade);
    ok =
        pg_query(store->pg, &rows, insert,
                 PG_PARAMS(pg_text(key),
                           pg_text(settle_operation_text(
                               count == 1 ? SETTLE_FORCED_TRANSFER : SETTLE_BATCH_FORCED_TRANSFER)),
                           u64(store->chain_id), pg_text(token.text),
                           pg_i64(request->token_asset))) == PG_OK &&
        pg_rows_count(rows) == 1;
    uint64_t request_id = ok ? (uint64_t)pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    char *text = json_dumps(request->legs, JSON_COMPACT);
    ASSERT(text != NULL);
    ok = ok && store_many(store, count, legs, PG_PARAMS(u64(request_id), pg_text(text))) &&
         store_many(store, count, trades, PG_PARAMS(pg_text(text)));
    free(text);
    return ok;
}

static void claim_add(struct settle_claim_request *request, const struct chain_address *token,
                      int64_t token_asset, const struct settle_leg *leg)
{
    struct text_address from = address_text(&leg->from);
    struct text_address to = address_text(&leg->to);
    struct text_wide units = wide_text(leg->units);
    json_t *row;

    if (request->legs == NULL)
        *request = (struct settle_claim_request){.first_trade = leg->trade_id,
                                                 .token_asset = token_asset,
                                                 .token = *token,
                                                 .legs = json_array()};
    row = json_pack("{s:i, s:I, s:s, s:s, s:s}", "leg", (int)json_array_size(request->legs),
                    "trade_id", (json_int_t)leg->trade_id, "from_address", from.text, "to_address",
                    to.text, "amount", units.text);
    ASSERT(row != NULL && json_array_append_new(request->legs, row) == 0);
}

// False: the statement failed. *full: no more fits.
static bool claim_one(struct settle_store_pg *store, struct settle_claim *claim, bool *full,
                      const struct pg_rows *rows, size_t row)
{
    const struct settle_trade_terms terms = {.quantity = pg_number(rows, row, 2),
                                             .scale = (uint8_t)pg_number(rows, row, 3),
                                             .decimals = (uint8_t)pg_number(rows, row, 4),
                                             .contract_address = pg_value(rows, row, 5),
                                             .buyer_wallet = pg_value(rows, row, 6),
                                             .seller_wallet = pg_value(rows, row, 7)};
    const struct settle_group_trade trade = {.token = (uint32_t)pg_number(rows, row, 1),
                                             .buyer = (uint32_t)pg_number(rows, row, 8),
                                             .seller = (uint32_t)pg_number(rows, row, 9),
                                             .limit = (size_t)pg_number(rows, row, 10),
                                             .is_blocked = pg_number(rows, row, 11) == 1};
    struct settle_leg leg = {.trade_id = (uint64_t)pg_number(rows, row, 0)};
    struct chain_address token;
    const char *reason = NULL;
    enum settle_plan_result plan = settle_plan(&token, &leg, &reason, &terms);
    size_t group = 0;

    // The query leaves the others alone.
    ASSERT(plan == SETTLE_PLAN_ON_CHAIN || plan == SETTLE_PLAN_REFUSED);
    if (plan == SETTLE_PLAN_REFUSED) {
        claim->refused++;
        return claim_refused(store, leg.trade_id, reason);
    }
    switch (settle_group_next(&store->group, &group, &trade, claim->requests_max)) {
    case SETTLE_GROUP_FULL:
        *full = true;
        break;
    case SETTLE_GROUP_WAITS:
        break;
    case SETTLE_GROUP_TAKEN:
        claim->claimed++;
        claim_add(&store->claims[group], &token, trade.token, &leg);
        break;
    }
    return true;
}

// One page of the queue. *more: there may be another.
static bool claim_page(struct settle_store_pg *store, struct settle_claim *claim, bool *more,
                       char after[CLAIM_AFTER_MAX], uint64_t *after_id)
{
    struct pg_rows *rows = NULL;
    bool full = false;
    bool ok =
        pg_query(store->pg, &rows, claim_select,
                 PG_PARAMS(u64(claim->trades_max), pg_i64(store->attempts_max), u64(store->tick_ms),
                           u64(store->chain_id), pg_text(after), u64(*after_id))) == PG_OK;
    size_t count = ok ? pg_rows_count(rows) : 0;

    for (size_t i = 0; ok && !full && i < count && claim->claimed < claim->trades_max; i++)
        ok = claim_one(store, claim, &full, rows, i);
    *more = ok && !full && count == claim->trades_max && claim->claimed < claim->trades_max;
    if (*more) {
        *after_id = (uint64_t)pg_number(rows, count - 1, 0);
        snprintf(after, CLAIM_AFTER_MAX, "%s", pg_value(rows, count - 1, 12));
    }
    pg_rows_free(rows);
    return ok;
}

// The queue is walked until enough is found: trades that wait do not stand in the way of others.
static bool claim_walk(struct settle_store_pg *store, struct settle_claim *claim)
{
    char after[CLAIM_AFTER_MAX] = "-infinity";
    uint64_t after_id = 0;
    bool more = true;
    bool ok = true;

    for (int page = 0; ok && more && page < CLAIM_PAGES_MAX; page++)
        ok = claim_page(store, claim, &more, after, &after_id);
    for (size_t i = 0; i < store->group.group_count; i++) {
        ok = ok && claim_request(store, &store->claims[i]);
        json_decref(store->claims[i].legs);
    }
    return ok;
}

static enum settle_store_result store_claim(void *context, struct settle_claim *claim)
{
    struct settle_store_pg *store = context;

    if (claim->requests_max > SETTLE_GROUPS_MAX)
        claim->requests_max = SETTLE_GROUPS_MAX;
    claim->claimed = claim->refused = 0;
    settle_group_begin(&store->group, claim->batch_max);
    memset(store->claims, 0, sizeof(store->claims));
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if ((claim->mark && (!claim_mark_waiting(store) || !mark_unsupported(store))) ||
        !claim_walk(store, claim))
        return store_lost(store, "claim");
    return store_commit(store, "claim");
}

// The rest of F3's queue: what no chain is needed for (F4, U10). History and notification of each
// trade are the trigger's, as always.
static enum settle_store_result store_off_chain(void *context, size_t *settled, size_t max)
{
    static const char sql[] =
        "WITH due AS (SELECT w.trade_id, CASE WHEN coalesce(k.contract_address, '') = '' "
        "THEN '" SETTLE_REASON_NO_CONTRACT "' WHEN " SAME_WALLET "THEN '" SETTLE_REASON_SAME_WALLET
        "' ELSE '" SETTLE_REASON_WALLET_MISSING "' END AS reason "
        "FROM settle.trade w "
        "JOIN public.trades t ON t.id = w.trade_id JOIN public.tokens k ON k.id = t.token_id "
        "LEFT JOIN public.users b ON b.id = t.buyer_id "
        "LEFT JOIN public.users s ON s.id = t.seller_id "
        "WHERE w.settlement_status = 'pending' AND w.settlement_attempts < $2 "
        "AND w.corrected_quantity IS DISTINCT FROM 0 AND (coalesce(k.contract_address, '') = '' "
        "OR " SAME_WALLET "OR ($3 AND (coalesce(b.wallet_address, '') = '' "
        "OR coalesce(s.wallet_address, '') = ''))) AND NOT " IS_HELD
        "ORDER BY w.created_at, w.trade_id LIMIT $1 FOR UPDATE OF w SKIP LOCKED), "
        "done AS (UPDATE settle.trade w SET settlement_status = 'settled', "
        "settlement_type = 'off_chain', reason = due.reason, settled_at = now() "
        "FROM due WHERE w.trade_id = due.trade_id RETURNING w.trade_id, w.created_at, w.reason), "
        "owed AS (INSERT INTO settle.owed_on_chain (trade_id, reason) SELECT trade_id, reason "
        "FROM done WHERE reason = '" SETTLE_REASON_WALLET_MISSING "') "
        "INSERT INTO settle.result (trade_id, outcome) "
        "SELECT trade_id, 'settled' FROM done ORDER BY created_at, trade_id";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *settled = 0;
    if (!store_ask(store, &rows, "off_chain", sql,
                   PG_PARAMS(u64(max), pg_i64(store->attempts_max),
                             pg_bool(store->settles_without_wallet))))
        return SETTLE_STORE_LOST;
    *settled = (size_t)pg_rows_affected(rows);
    pg_rows_free(rows);
    return store_commit(store, "off_chain");
}

// ---- reading
// ----------------------------------------------------------------------------------------

static void load_item(struct settle_item *item, const struct pg_rows *rows, size_t row)
{
    *item = (struct settle_item){0};
    item->call.request_id = (uint64_t)pg_number(rows, row, 0);
    item->call.operation = settle_operation_parse(pg_value(rows, row, 1));
    ASSERT(item->call.operation < SETTLE_OPERATION_COUNT);
    if (!pg_is_null(rows, row, 2))
        item->call.contract = row_address(rows, row, 2);
    item->signer = row_address_or_zero(rows, row, 15);
    item->call.is_of_trades = pg_number(rows, row, 11) == 1;
    item->call.decimals = pg_is_null(rows, row, 12) ? -1 : (int)pg_number(rows, row, 12);
}

static enum settle_fate fate_of(const char *word)
{
    if (word == NULL)
        return SETTLE_FATE_NONE;
    return strcmp(word, "cancel") == 0 ? SETTLE_FATE_CANCEL : SETTLE_FATE_OVER;
}

static void load_bid(struct settle_item *item, const struct pg_rows *rows, size_t row)
{
    ASSERT(item->bid_count < SETTLE_BIDS_MAX);
    struct settle_attempt *bid = &item->bids[item->bid_count++];

    *bid = (struct settle_attempt){.attempt_id = (uint64_t)pg_number(rows, row, 3),
                                   .state = settle_attempt_state_parse(pg_value(rows, row, 4)),
                                   .nonce = (uint64_t)pg_number(rows, row, 5),
                                   .gas_limit = (uint64_t)pg_number(rows, row, 6),
                                   .mined_block = (uint64_t)pg_number(rows, row, 10)};
    ASSERT(bid->state < SETTLE_ATTEMPT_STATE_COUNT);
    bid->fate = fate_of(pg_value(rows, row, 13));
    bid->is_empty = pg_number(rows, row, 14) == 1;
    bid->fees.max_fee_wei = (uint64_t)row_wide(rows, row, 7);
    bid->fees.priority_fee_wei = (uint64_t)row_wide(rows, row, 8);
    if (!pg_is_null(rows, row, 9))
        ASSERT(hex_decode_exact(bid->hash.bytes, KECCAK_BYTES, pg_value(rows, row, 9)));
}

// What waits has a reason, and comes again after a tick ($3). What this worker does not run ($4)
// stays as it is.
static const char load_select[] =
    "SELECT q.request_id, q.operation, q.contract_address, a.attempt_id, a.state, a.nonce, "
    "a.gas_limit, a.max_fee_wei, a.priority_fee_wei, a.tx_hash, a.block_number, "
    "EXISTS (SELECT 1 FROM chain.request_leg l WHERE l.request_id = q.request_id "
    "AND l.trade_id IS NOT NULL), (SELECT min(k.decimals) FROM people.token k "
    "WHERE k.chain_id = $1 AND lower(k.contract_address) = lower(q.contract_address)), "
    "a.fate, length(a.calldata) = 0, q.signer_address FROM ("
    "SELECT r.request_id, r.operation, r.contract_address, o.nonce, o.signer_address "
    "FROM settle.attempt o JOIN chain.chain_request r USING (request_id) "
    "WHERE o.state IN ('prepared', 'signed', 'sent', 'mined') AND o.chain_id = $1 "
    "UNION ALL SELECT r.request_id, r.operation, r.contract_address, NULL, NULL "
    "FROM chain.chain_request r WHERE r.state = 'prepared' "
    "AND r.operation = ANY($4::text::text[]) AND r.chain_id = $1 "
    "AND (r.reason IS NULL OR r.updated_at <= now() - $3 * interval '1 millisecond') "
    "AND NOT EXISTS (SELECT 1 FROM settle.attempt o WHERE o.request_id = r.request_id "
    "AND o.state IN ('prepared', 'signed', 'sent', 'mined')) "
    "ORDER BY nonce NULLS LAST, request_id LIMIT $2) q "
    "LEFT JOIN settle.attempt a ON a.request_id = q.request_id AND a.nonce = q.nonce "
    "AND a.signer_address = q.signer_address AND a.state <> 'dropped' "
    "ORDER BY q.nonce NULLS LAST, q.request_id, q.signer_address, a.attempt_id";

static enum settle_store_result store_load(void *context, struct settle_item *items, size_t *count,
                                           size_t max)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;
    char operations[SETTLE_OPERATIONS_ARRAY_MAX];

    *count = 0;
    settle_operations_array(operations);
    if (!store_ask(
            store, &rows, "load", load_select,
            PG_PARAMS(u64(store->chain_id), u64(max), u64(store->tick_ms), pg_text(operations))))
        return SETTLE_STORE_LOST;
    for (size_t i = 0; i < pg_rows_count(rows); i++) {
        struct chain_address signer = row_address_or_zero(rows, i, 15);
        if (*count == 0 || items[*count - 1].call.request_id != (uint64_t)pg_number(rows, i, 0) ||
            items[*count - 1].bids[0].nonce != (uint64_t)pg_number(rows, i, 5) ||
            !address_equal(&items[*count - 1].signer, &signer))
            load_item(&items[(*count)++], rows, i);
        if (!pg_is_null(rows, i, 3))
            load_bid(&items[*count - 1], rows, i);
    }
    pg_rows_free(rows);
    return store_commit(store, "load");
}

static enum settle_store_result store_legs(void *context, struct settle_item *item)
{
    // Netted: the option is on, and no trade of it was in a net before.
    static const char sql[] =
        "SELECT leg, trade_id, from_address, to_address, amount, net_id, place, "
        "EXISTS (SELECT 1 FROM settle.netting n JOIN chain.chain_request q USING (token_asset) "
        "WHERE q.request_id = $1) AND NOT EXISTS (SELECT 1 FROM chain.request_leg m "
        "JOIN chain.request_leg o USING (trade_id) WHERE m.request_id = $1 "
        "AND o.request_id <> m.request_id AND o.net_id IS NOT NULL) "
        "FROM chain.request_leg WHERE request_id = $1 AND state <> 'left' "
        "AND reason IS DISTINCT FROM '" SETTLE_REASON_NET_ZERO "' ORDER BY leg";
    struct settle_store_pg *store = context;
    struct settle_call *call = &item->call;
    struct pg_rows *rows = NULL;

    if (!store_ask(store, &rows, "legs", sql, PG_PARAMS(u64(call->request_id))))
        return SETTLE_STORE_LOST;
    ASSERT(pg_rows_count(rows) <= SETTLE_LEGS_MAX);
    item->may_net = pg_rows_count(rows) > 0 && pg_number(rows, 0, 7) == 1;
    call->is_netted = pg_rows_count(rows) > 0 && !pg_is_null(rows, 0, 6);
    for (call->leg_count = 0; call->leg_count < pg_rows_count(rows); call->leg_count++) {
        size_t i = call->leg_count;
        call->legs[i] = (struct settle_leg){.number = (uint8_t)pg_number(rows, i, 0),
                                            .trade_id = (uint64_t)pg_number(rows, i, 1),
                                            .net_id = (uint64_t)pg_number(rows, i, 5),
                                            .place = (uint8_t)pg_number(rows, i, 6),
                                            .from = row_address_or_zero(rows, i, 2),
                                            .to = row_address_or_zero(rows, i, 3),
                                            .units = row_wide(rows, i, 4)};
    }
    pg_rows_free(rows);
    return store_commit(store, "legs");
}

static enum settle_store_result store_arguments(void *context, char *arguments, uint64_t request_id)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "SELECT arguments FROM chain.chain_request WHERE request_id = $1",
                 PG_PARAMS(u64(request_id))) != PG_OK)
        return store_lost(store, "arguments");
    ASSERT(pg_rows_count(rows) == 1);
    const char *text = pg_value(rows, 0, 0);
    size_t len = strlen(text);
    arguments[0] = '\0';
    if (len < SETTLE_ARGUMENTS_MAX)
        memcpy(arguments, text, len + 1);
    pg_rows_free(rows);
    return store_commit(store, "arguments");
}

static enum settle_store_result attempt_bytes(struct settle_store_pg *store, const char *sql,
                                              uint8_t *out, size_t *len, uint64_t attempt_id)
{
    struct pg_rows *rows = NULL;
    size_t max = *len;

    if (!store_ask(store, &rows, "bytes", sql, PG_PARAMS(u64(attempt_id))))
        return SETTLE_STORE_LOST;
    ASSERT(pg_rows_count(rows) == 1);
    *len = pg_bytea(rows, 0, 0, out, max);
    ASSERT(*len <= max);
    pg_rows_free(rows);
    return store_commit(store, "bytes");
}

static enum settle_store_result store_calldata(void *context, uint8_t *calldata, size_t *len,
                                               uint64_t attempt_id)
{
    return attempt_bytes(context, "SELECT calldata FROM settle.attempt WHERE attempt_id = $1",
                         calldata, len, attempt_id);
}

static enum settle_store_result store_raw(void *context, uint8_t *raw, size_t *len,
                                          uint64_t attempt_id)
{
    return attempt_bytes(context, "SELECT raw FROM settle.attempt WHERE attempt_id = $1", raw, len,
                         attempt_id);
}

static enum settle_store_result store_inbound(void *context, bool *open,
                                              const struct settle_leg *leg)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "SELECT EXISTS (SELECT 1 FROM public.trades t JOIN public.trades i "
                 "ON i.token_id = t.token_id AND i.buyer_id = t.seller_id AND i.id <> t.id "
                 "WHERE t.id = $1 AND i.settlement_status <> 'settled' AND i.status <> 'busted')",
                 PG_PARAMS(u64(leg->trade_id))) != PG_OK)
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

static void result_read(struct settle_result *out, const struct pg_rows *rows, size_t row)
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
}

static enum settle_store_result store_unanswered_after(void *context, uint64_t *sequence)
{
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *sequence = SETTLE_CORE_NEWEST;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (pg_query(store->pg, &rows,
                 "SELECT min(sent_after) FROM settle.result "
                 "WHERE state = 'open' AND ref_number IS NOT NULL",
                 PG_NO_PARAMS) != PG_OK)
        return store_lost(store, "unanswered_after");
    if (!pg_is_null(rows, 0, 0))
        *sequence = (uint64_t)pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return store_commit(store, "unanswered_after");
}

// max + 1 and not a Postgres sequence: no gaps, and the order of the rows, however many there are.
// Only the holder of the lock gives numbers.
static bool results_number(struct settle_store_pg *store, size_t max, uint64_t sequence)
{
    static const char sql[] =
        "WITH next AS (SELECT result_id, row_number() OVER (ORDER BY result_id) AS k FROM ("
        "SELECT result_id FROM settle.result WHERE state = 'open' AND ref_number IS NULL "
        "AND NOT awaits_freeze "
        "ORDER BY result_id LIMIT $1) q) "
        "UPDATE settle.result r SET sent_after = $2, "
        "ref_number = (SELECT coalesce(max(ref_number), 0) FROM settle.result) + next.k "
        "FROM next WHERE r.result_id = next.result_id";

    return store_any(store, sql, PG_PARAMS(u64(max), u64(sequence)));
}

static enum settle_store_result store_results(void *context, struct settle_result *results,
                                              size_t *count, size_t max, uint64_t after_ref,
                                              uint64_t sequence)
{
    static const char sql[] =
        "SELECT r.result_id, r.ref_number, r.outcome, t.id, t.instrument_id, t.buyer_id, "
        "t.seller_id, t.quantity_units, t.seller_proceeds_cash FROM ("
        "SELECT * FROM settle.result WHERE state = 'open' AND ref_number > $2 "
        "ORDER BY ref_number LIMIT $1) r "
        "JOIN public.trades t ON t.id = r.trade_id ORDER BY r.ref_number";
    struct settle_store_pg *store = context;
    struct pg_rows *rows = NULL;

    *count = 0;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!results_number(store, max, sequence) ||
        pg_query(store->pg, &rows, sql, PG_PARAMS(u64(max), u64(after_ref))) != PG_OK)
        return store_lost(store, "results");
    for (; *count < pg_rows_count(rows); ++*count)
        result_read(&results[*count], rows, *count);
    pg_rows_free(rows);
    return store_commit(store, "results");
}

// {1,2,3}: the numbers of the answers that are BOOKED.
struct text_numbers {
    char text[SETTLE_RESULTS_MAX * 21 + 3];
};

static bool answered_booked(struct settle_store_pg *store, const struct settle_answer *answers,
                            size_t count)
{
    struct text_numbers numbers;
    size_t len = 0;

    for (size_t i = 0; i < count; i++)
        if (answers[i].kind == SETTLE_ANSWER_BOOKED)
            len += (size_t)snprintf(&numbers.text[len], sizeof(numbers.text) - len, "%c%" PRIu64,
                                    len == 0 ? '{' : ',', answers[i].ref_number);
    if (len == 0)
        return true;
    ASSERT(len + 1 < sizeof(numbers.text));
    memcpy(&numbers.text[len], "}", 2);
    return store_any(store,
                     "UPDATE settle.result SET state = 'booked', answered_at = now() "
                     "WHERE ref_number = ANY($1::text::bigint[]) AND state = 'open'",
                     PG_PARAMS(pg_text(numbers.text)));
}

static bool answered_refused(struct settle_store_pg *store, const struct settle_answer *answer)
{
    return store_any(store,
                     "UPDATE settle.result SET state = 'refused', reject_code = $2, "
                     "answered_at = now() WHERE ref_number = $1 AND state = 'open'",
                     PG_PARAMS(u64(answer->ref_number), pg_i64(answer->reject_code)));
}

static enum settle_store_result store_answered(void *context, const struct settle_answer *answers,
                                               size_t count)
{
    struct settle_store_pg *store = context;
    bool ok;

    ASSERT(count <= SETTLE_RESULTS_MAX);
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    ok = answered_booked(store, answers, count);
    for (size_t i = 0; ok && i < count; i++)
        if (answers[i].kind == SETTLE_ANSWER_REFUSED)
            ok = answered_refused(store, &answers[i]);
    return ok ? store_commit(store, "answered") : store_lost(store, "answered");
}

void settle_store_trades_ops(struct settle_store_ops *ops)
{
    ops->claim = store_claim;
    ops->off_chain = store_off_chain;
    ops->load = store_load;
    ops->legs = store_legs;
    ops->arguments = store_arguments;
    ops->calldata = store_calldata;
    ops->raw = store_raw;
    ops->inbound_open = store_inbound;
    ops->unanswered_after = store_unanswered_after;
    ops->results = store_results;
    ops->answered = store_answered;
}
