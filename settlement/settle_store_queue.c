// The queue of pending trades: claims by F3's query, what settles without the chain, what waits for
// a person.
//
// The queue may be long: trades of a day without the chain are 100,000. So each statement goes
// through it in its own order by the index trade_pending, from a position on, and stops after what
// it needs. OFFSET 0 keeps what a trade is of, and what is asked of it, behind the trade itself,
// looked up one by one: a plan that joins all of them first, or believes that hardly one will be
// left and sorts afterwards, costs each claim a second at that length.
#include "settlement/settle_store_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    QUEUE_PAGES_MAX = 16,    // of the queue, walked in one claim, looked through by one off_chain
    WAITING_PAGE_MAX = 5000, // trades looked at for what they wait for, once in a tick
};

static const struct settle_queue_position queue_begin = {.created_at = "-infinity"};

void store_queue_again(struct settle_store_pg *store)
{
    store->fresh = store->swept = store->waiting = queue_begin;
}

// Behind the trade of a row, whose columns `at` and after are its created_at and number.
static void position_read(struct settle_queue_position *position, const struct pg_rows *rows,
                          size_t row, int at)
{
    snprintf(position->created_at, sizeof(position->created_at), "%s", pg_value(rows, row, at));
    position->trade_id = (uint64_t)pg_number(rows, row, at + 1);
}

// ---- what is asked of a trade, settle.trade w

// What it is of, and what it needs: "" = there is none.
#define TERMS                                                                                      \
    "CROSS JOIN LATERAL (SELECT r.token_asset AS token_id, "                                       \
    "coalesce(w.corrected_quantity, r.quantity) AS quantity_units, r.token_scale, k.decimals, "    \
    "k.chain_id, coalesce(k.contract_address, '') AS contract_address, "                           \
    "r.buyer_account AS buyer_id, r.seller_account AS seller_id, "                                 \
    "coalesce((SELECT u.wallet_address FROM public.users u WHERE u.id = r.buyer_account), '') "    \
    "AS buyer_wallet, "                                                                            \
    "coalesce((SELECT u.wallet_address FROM public.users u WHERE u.id = r.seller_account), '') "   \
    "AS seller_wallet "                                                                            \
    "FROM record.trade r JOIN public.tokens k ON k.id = r.token_asset "                            \
    "WHERE r.trade_id = w.trade_id OFFSET 0) t "

// Pending, behind the position ($1, $2) in the queue's order.
#define IS_BEHIND                                                                                  \
    "w.settlement_status = 'pending' AND (w.created_at, w.trade_id) > ($1::text::timestamptz, "    \
    "$2) "

// Not busted.
#define IS_WHOLE "w.corrected_quantity IS DISTINCT FROM 0 "

// A trade of one wallet with itself moves nothing: off_chain's, not claim's.
#define SAME_WALLET "(t.buyer_wallet <> '' AND lower(t.buyer_wallet) = lower(t.seller_wallet)) "

#define LACKS_WALLET "(t.buyer_wallet = '' OR t.seller_wallet = '') "

// Held by a person, by trade, account, token or venue, or by an open incident of the token. Read
// once by each statement: there are few, if any.
#define HELD "held AS MATERIALIZED (SELECT * FROM settle.held)"
#define IS_HELD                                                                                    \
    "EXISTS (SELECT 1 FROM held h WHERE h.venue OR h.trade_id = w.trade_id "                       \
    "OR h.token_asset = t.token_id OR h.account_id IN (t.buyer_id, t.seller_id)) "

// A page of the queue: $3 trades, and the last of them.
#define PAGE                                                                                       \
    "page AS MATERIALIZED (SELECT w.* FROM settle.trade w WHERE " IS_BEHIND                        \
    "ORDER BY w.created_at, w.trade_id LIMIT $3), "                                                \
    "last AS MATERIALIZED (SELECT created_at, trade_id FROM page "                                 \
    "ORDER BY created_at DESC, trade_id DESC LIMIT 1) "

// How many trades the page has, and the last one; no row for an empty page.
#define OF_PAGE "(SELECT count(*) FROM page), last.created_at, last.trade_id "

// *more: there may be another page.
static void page_read(struct settle_queue_position *position, bool *more,
                      const struct pg_rows *rows, size_t trades_max)
{
    size_t trades = pg_rows_count(rows) == 1 ? (size_t)pg_number(rows, 0, 0) : 0;

    *more = trades == trades_max;
    if (trades > 0)
        position_read(position, rows, 0, 1);
}

// ---- claim

// Trades that wait for a person say so: of a page of the queue; of the next one at the next tick.
static bool claim_mark_waiting(struct settle_store_pg *store)
{
    static const char sql[] =
        "WITH " HELD ", " PAGE ", waits AS MATERIALIZED (SELECT w.trade_id, w.reason AS said, "
        "CASE WHEN h.held THEN '" SETTLE_REASON_HELD "' WHEN t.chain_id IS DISTINCT FROM $4 "
        "THEN '" SETTLE_REASON_OTHER_CHAIN "' ELSE '" SETTLE_REASON_WALLET_MISSING
        "' END AS reason FROM page w " TERMS "CROSS JOIN LATERAL (SELECT " IS_HELD
        "AS held OFFSET 0) h WHERE h.held OR (t.contract_address <> '' AND NOT " SAME_WALLET
        "AND (t.chain_id IS DISTINCT FROM $4 OR " LACKS_WALLET "))), "
        "marked AS (UPDATE settle.trade w SET reason = n.reason FROM waits n "
        "WHERE w.trade_id = n.trade_id AND w.settlement_status = 'pending' "
        "AND n.said IS DISTINCT FROM n.reason) SELECT " OF_PAGE "FROM last";
    struct pg_rows *rows = NULL;
    bool more = false;

    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(pg_text(store->waiting.created_at), u64(store->waiting.trade_id),
                           u64(WAITING_PAGE_MAX), u64(store->chain_id))) != PG_OK)
        return false;
    page_read(&store->waiting, &more, rows, WAITING_PAGE_MAX);
    pg_rows_free(rows);
    if (!more)
        store->waiting = queue_begin;
    return true;
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

// Is it its turn? Not within a tick ($5) of a release; a new one, and one that goes again because
// of others, at once.
#define IS_DUE                                                                                     \
    "(coalesce(w.reason, '') IN ('', '" SETTLE_REASON_NEIGHBOUR "', '" SETTLE_REASON_NET           \
    "', '" SETTLE_REASON_HELD "') OR w.reason LIKE 'retry: %' "                                    \
    "OR w.updated_at <= now() - $5 * interval '1 millisecond') AND w.settlement_attempts < $4 "

#define IS_FOR_CHAIN                                                                               \
    "t.contract_address <> '' AND t.chain_id = $6 AND NOT " LACKS_WALLET "AND NOT " IS_HELD

// F3 as printed, page by page, and what makes a trade wait beside it: a missing wallet (U10), a
// release less than a tick ago. Blocked: its seller awaits units of an earlier trade that is on its
// way, or that is not among those which come here.
static const char claim_select[] =
    "WITH " HELD ", due AS MATERIALIZED ("
    "SELECT w.trade_id, w.created_at, w.batch_limit, t.* FROM settle.trade w " TERMS
    "CROSS JOIN LATERAL (SELECT WHERE t.quantity_units > 0 AND " IS_FOR_CHAIN "AND NOT " SAME_WALLET
    "AND NOT EXISTS (SELECT 1 FROM chain.request_leg l JOIN settle.attempt a USING (request_id) "
    "WHERE l.trade_id = w.trade_id AND l.state <> 'left' "
    "AND a.state IN " SETTLE_OPEN_STATES ") OFFSET 0) f "
    "WHERE " IS_BEHIND "AND " IS_WHOLE "AND " IS_DUE
    "ORDER BY w.created_at ASC, w.trade_id ASC LIMIT $3 FOR UPDATE OF w SKIP LOCKED), "
    "early AS MATERIALIZED (SELECT w.* FROM settle.trade w CROSS JOIN LATERAL ("
    "SELECT FROM record.trade r WHERE r.trade_id = w.trade_id "
    "AND ((r.token_asset, r.buyer_account) IN (SELECT token_id, seller_id FROM due)) IS TRUE "
    "OFFSET 0) r "
    "WHERE w.settlement_status IN ('pending', 'processing') AND " IS_WHOLE
    "AND w.trade_id < (SELECT max(trade_id) FROM due) "
    "AND w.trade_id NOT IN (SELECT trade_id FROM due)), "
    "open AS MATERIALIZED (SELECT t.token_id, t.buyer_id, min(w.trade_id) AS first FROM early "
    "w " TERMS "WHERE NOT " SAME_WALLET "AND (w.settlement_status = 'processing' "
    "OR NOT (" IS_DUE "AND " IS_FOR_CHAIN ")) GROUP BY 1, 2) "
    "SELECT d.trade_id, d.token_id, d.quantity_units, d.token_scale, d.decimals, "
    "d.contract_address, d.buyer_wallet, d.seller_wallet, d.buyer_id, d.seller_id, "
    "coalesce(d.batch_limit, 0), coalesce(o.first < d.trade_id, false), d.created_at, d.trade_id "
    "FROM due d LEFT JOIN open o ON o.token_id = d.token_id AND o.buyer_id = d.seller_id "
    "ORDER BY d.created_at, d.trade_id";

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
bool store_claim_request(struct settle_store_pg *store, const struct settle_claim_request *request)
{
    static const char insert[] =
        "INSERT INTO chain.chain_request (idempotency_key, operation, chain_id, contract_address, "
        "token_asset, sign_before) SELECT 'trade:' || $1::text || ':' || "
        "(SELECT coalesce(max(request_id), 0) + 1 FROM chain.chain_request), $2, $3, $4, $5, "
        "$6::text::timestamptz "
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
                           pg_i64(request->token_asset), pg_text(request->sign_before))) == PG_OK &&
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

void store_claim_add(struct settle_claim_request *request, const struct chain_address *token,
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
        store_claim_add(&store->claims[group], &token, trade.token, &leg);
        break;
    }
    return true;
}

// One page of the queue. *more: there may be another.
static bool claim_page(struct settle_store_pg *store, struct settle_claim *claim, bool *more,
                       struct settle_queue_position *position)
{
    enum { COL_CREATED_AT = 12 };
    struct pg_rows *rows = NULL;
    bool full = false;
    bool ok = pg_query(store->pg, &rows, claim_select,
                       PG_PARAMS(pg_text(position->created_at), u64(position->trade_id),
                                 u64(claim->trades_max), pg_i64(store->attempts_max),
                                 u64(store->tick_ms), u64(store->chain_id))) == PG_OK;
    size_t count = ok ? pg_rows_count(rows) : 0;

    for (size_t i = 0; ok && !full && i < count && claim->claimed < claim->trades_max; i++)
        ok = claim_one(store, claim, &full, rows, i);
    *more = ok && !full && count == claim->trades_max && claim->claimed < claim->trades_max;
    if (*more)
        position_read(position, rows, count - 1, COL_CREATED_AT);
    pg_rows_free(rows);
    return ok;
}

// The queue is walked until enough is found: trades that wait do not stand in the way of others.
static bool claim_walk(struct settle_store_pg *store, struct settle_claim *claim)
{
    struct settle_queue_position position = queue_begin;
    bool more = true;
    bool ok = true;

    for (int page = 0; ok && more && page < QUEUE_PAGES_MAX; page++)
        ok = claim_page(store, claim, &more, &position);
    for (size_t i = 0; i < store->group.group_count; i++) {
        ok = ok && store_claim_request(store, &store->claims[i]);
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
    if (!store_begin_unsynced(store))
        return SETTLE_STORE_LOST;
    if ((claim->mark && (!claim_mark_waiting(store) || !mark_unsupported(store))) ||
        !store_xvps_claim(store, claim) || (claim->requests_max > 0 && !claim_walk(store, claim)))
        return store_lost(store, "claim");
    return store_commit(store, "claim");
}

// ---- what no chain is needed for

// Of a page (F4, U10). History and notification of each trade are the triggers', as always.
static bool off_chain_page(struct settle_store_pg *store, size_t *settled, bool *more,
                           struct settle_queue_position *position, size_t max)
{
    static const char sql[] =
        "WITH " HELD ", " PAGE ", due AS (SELECT w.trade_id, CASE WHEN t.contract_address = '' "
        "THEN '" SETTLE_REASON_NO_CONTRACT "' WHEN " SAME_WALLET "THEN '" SETTLE_REASON_SAME_WALLET
        "' ELSE '" SETTLE_REASON_WALLET_MISSING "' END AS reason FROM settle.trade w " TERMS
        "WHERE " IS_BEHIND
        "AND (w.created_at, w.trade_id) <= (SELECT created_at, trade_id FROM last) "
        "AND w.settlement_attempts < $4 AND " IS_WHOLE
        "AND (t.contract_address = '' OR " SAME_WALLET "OR ($5 AND " LACKS_WALLET ")) "
        "AND NOT " IS_HELD "ORDER BY w.created_at, w.trade_id FOR UPDATE OF w SKIP LOCKED), "
        "done AS (UPDATE settle.trade w SET settlement_status = 'settled', "
        "settlement_type = 'off_chain', reason = due.reason, settled_at = now() "
        "FROM due WHERE w.trade_id = due.trade_id RETURNING w.trade_id, w.created_at, w.reason), "
        "owed AS (INSERT INTO settle.owed_on_chain (trade_id, reason) SELECT trade_id, reason "
        "FROM done WHERE reason = '" SETTLE_REASON_WALLET_MISSING "'), "
        "told AS (INSERT INTO settle.result (trade_id, outcome) "
        "SELECT trade_id, 'settled' FROM done ORDER BY created_at, trade_id) "
        "SELECT " OF_PAGE ", (SELECT count(*) FROM done) FROM last";
    struct pg_rows *rows = NULL;

    if (pg_query(store->pg, &rows, sql,
                 PG_PARAMS(pg_text(position->created_at), u64(position->trade_id), u64(max),
                           pg_i64(store->attempts_max), pg_bool(store->settles_without_wallet))) !=
        PG_OK)
        return false;
    page_read(position, more, rows, max);
    *settled = pg_rows_count(rows) == 1 ? (size_t)pg_number(rows, 0, 3) : 0;
    pg_rows_free(rows);
    return true;
}

// Until some were settled, or the queue ends.
static bool off_chain_walk(struct settle_store_pg *store, size_t *settled, bool *more,
                           struct settle_queue_position *position, size_t max)
{
    bool ok = true;

    *more = true;
    for (int page = 0; ok && *more && *settled == 0 && page < QUEUE_PAGES_MAX; page++)
        ok = off_chain_page(store, settled, more, position, max);
    return ok;
}

// What came since the last time; and, once in a tick, older ones: of those a contract may be gone,
// a wallet have changed, a hold been released since.
static enum settle_store_result store_off_chain(void *context, size_t *settled, size_t max,
                                                bool again)
{
    struct settle_store_pg *store = context;
    struct settle_queue_position fresh = store->fresh;
    struct settle_queue_position swept = store->swept;
    bool more = false;

    *settled = 0;
    if (!store_begin(store))
        return SETTLE_STORE_LOST;
    if (!off_chain_walk(store, settled, &more, &fresh, max))
        return store_lost(store, "off_chain");
    if (again && !more && *settled == 0) {
        if (!off_chain_walk(store, settled, &more, &swept, max))
            return store_lost(store, "off_chain");
        if (!more)
            swept = queue_begin;
    }
    if (store_commit(store, "off_chain") != SETTLE_STORE_OK)
        return SETTLE_STORE_LOST;
    store->fresh = fresh;
    store->swept = swept;
    return SETTLE_STORE_OK;
}

void settle_store_queue_ops(struct settle_store_ops *ops)
{
    ops->claim = store_claim;
    ops->off_chain = store_off_chain;
}
