// What settlement instructions have to move on the chain (docs/xvp.md). The movements of one turn
// are claimed together, or none of them; they fail together, before anything is signed, where they
// can never be carried out as they are, or not in time.
#include "settlement/settle_store_internal.h"

#include <string.h>

enum column {
    TRADE,
    TOKEN,
    QUANTITY,
    SCALE,
    DECIMALS,
    CONTRACT,
    BUYER_WALLET,
    SELLER_WALLET,
    MOVES,
    SIGN_BEFORE,
    ENDS, // why it can not be moved any more
    WAITS,
    SAID // the reason that its row has
};

// In the order of the turns. Nothing behind $3 ms before the cut-off; not within a tick ($2) of a
// release.
static const char due_select[] =
    "WITH held AS MATERIALIZED (SELECT * FROM settle.held) "
    "SELECT w.trade_id, m.token_asset, m.quantity, m.token_scale, coalesce(k.decimals, 0), "
    "coalesce(k.contract_address, ''), coalesce(b.wallet_address, ''), "
    "coalesce(s.wallet_address, ''), m.moves, t.sign_before::text, "
    "CASE WHEN clock_timestamp() >= t.sign_before THEN '" SETTLE_REASON_CUT_OFF "' "
    "WHEN k.custody <> 'watched' THEN '" SETTLE_REASON_CUSTODY "' "
    "WHEN lower(b.wallet_address) = lower(s.wallet_address) THEN '" SETTLE_REASON_SAME_WALLET "' "
    "END, "
    "CASE WHEN EXISTS (SELECT FROM held h WHERE h.venue OR h.trade_id = w.trade_id "
    "OR h.token_asset = m.token_asset OR h.account_id IN (m.buyer_account, m.seller_account)) "
    "THEN '" SETTLE_REASON_HELD "' "
    "WHEN k.chain_id IS DISTINCT FROM $1 THEN '" SETTLE_REASON_OTHER_CHAIN "' "
    "WHEN b.wallet_address IS NULL OR s.wallet_address IS NULL "
    "THEN '" SETTLE_REASON_WALLET_MISSING "' "
    "WHEN EXISTS (SELECT FROM chain.request_leg l JOIN settle.attempt a USING (request_id) "
    "WHERE l.trade_id = w.trade_id AND l.state <> 'left' AND a.state IN " SETTLE_OPEN_STATES ") "
    "OR coalesce(w.reason, '') NOT IN ('', '" SETTLE_REASON_HELD "') "
    "AND w.updated_at > now() - $2 * interval '1 millisecond' THEN '' END, coalesce(w.reason, '') "
    "FROM settle.trade w JOIN record.xvp_move m USING (trade_id) "
    "CROSS JOIN LATERAL (SELECT to_timestamp(e.cutoff_ns / 1000000 / 1000.0) "
    "- $3 * interval '1 millisecond' AS sign_before FROM record.xvp_step e "
    "WHERE e.xvp_id = w.xvp_id AND e.sequence = m.sequence AND e.step = 'settling') t "
    "LEFT JOIN people.token k ON k.asset_id = m.token_asset "
    "LEFT JOIN public.users b ON b.id = m.buyer_account "
    "LEFT JOIN public.users s ON s.id = m.seller_account "
    "WHERE w.settlement_status = 'pending' AND w.xvp_id IS NOT NULL ORDER BY w.trade_id LIMIT 512";

// The movements of one turn.
struct turn {
    const struct pg_rows *rows;
    size_t first;
    size_t count;
    struct settle_claim_request request;
};

static bool turn_fail(struct settle_store_pg *store, const struct turn *turn, const char *reason)
{
    uint64_t first = (uint64_t)pg_number(turn->rows, turn->first, TRADE);

    return store_many(store, turn->count,
                      "UPDATE settle.trade SET settlement_status = 'failed', reason = $3 "
                      "WHERE trade_id >= $1 AND trade_id < $1 + $2 AND xvp_id IS NOT NULL "
                      "AND settlement_status = 'pending'",
                      PG_PARAMS(u64(first), u64(turn->count), pg_text(reason))) &&
           store_result_queue(store, first, "failed");
}

static bool turn_wait(struct settle_store_pg *store, const struct turn *turn, size_t row)
{
    const char *reason = pg_value(turn->rows, row, WAITS);
    uint64_t trade = (uint64_t)pg_number(turn->rows, row, TRADE);

    return reason[0] == '\0' || strcmp(reason, pg_value(turn->rows, row, SAID)) == 0 ||
           store_one(store,
                     "UPDATE settle.trade SET reason = $2 WHERE trade_id = $1 "
                     "AND settlement_status = 'pending'",
                     PG_PARAMS(u64(trade), pg_text(reason)));
}

// Its legs, or why it ends; *waits is the row that stands in the way, else it is past the last.
static const char *turn_plan(struct turn *turn, size_t *waits)
{
    size_t end = turn->first + turn->count;

    *waits = end;
    for (size_t row = turn->first; row < end; row++) {
        const struct settle_trade_terms terms = {
            .quantity = pg_number(turn->rows, row, QUANTITY),
            .scale = (uint8_t)pg_number(turn->rows, row, SCALE),
            .decimals = (uint8_t)pg_number(turn->rows, row, DECIMALS),
            .contract_address = pg_value(turn->rows, row, CONTRACT),
            .buyer_wallet = pg_value(turn->rows, row, BUYER_WALLET),
            .seller_wallet = pg_value(turn->rows, row, SELLER_WALLET)};
        struct settle_leg leg = {.trade_id = (uint64_t)pg_number(turn->rows, row, TRADE)};
        struct chain_address token;
        const char *reason = NULL;

        if (!pg_is_null(turn->rows, row, ENDS))
            return pg_value(turn->rows, row, ENDS);
        enum settle_plan_result plan = settle_plan(&token, &leg, &reason, &terms);
        if (plan == SETTLE_PLAN_REFUSED || plan == SETTLE_PLAN_OFF_CHAIN)
            return reason;
        if (!pg_is_null(turn->rows, row, WAITS) && *waits == end)
            *waits = row;
        if (plan == SETTLE_PLAN_ON_CHAIN)
            store_claim_add(&turn->request, &token, pg_number(turn->rows, row, TOKEN), &leg);
    }
    return NULL;
}

static bool turn_claim(struct settle_store_pg *store, struct settle_claim *claim, struct turn *turn)
{
    size_t waits;
    const char *ends = turn_plan(turn, &waits);
    bool ok = true;

    if (ends != NULL) {
        ok = turn_fail(store, turn, ends);
        claim->refused += turn->count;
    } else if (waits < turn->first + turn->count) {
        ok = turn_wait(store, turn, waits);
    } else if (claim->requests_max > 0) {
        ASSERT(json_array_size(turn->request.legs) == turn->count);
        turn->request.sign_before = pg_value(turn->rows, turn->first, SIGN_BEFORE);
        ok = store_claim_request(store, &turn->request);
        claim->requests_max--;
        claim->claimed += turn->count;
    }
    json_decref(turn->request.legs);
    return ok;
}

bool store_xvps_claim(struct settle_store_pg *store, struct settle_claim *claim)
{
    struct pg_rows *rows = NULL;
    bool ok = pg_query(store->pg, &rows, due_select,
                       PG_PARAMS(u64(store->chain_id), u64(store->tick_ms),
                                 u64(store->xvp_margin_ms))) == PG_OK;
    size_t count = ok ? pg_rows_count(rows) : 0;

    for (size_t first = 0; ok && first < count;) {
        struct turn turn = {
            .rows = rows, .first = first, .count = (size_t)pg_number(rows, first, MOVES)};
        if (turn.count > count - first) // the page ends within it: the next claim
            break;
        ok = turn_claim(store, claim, &turn);
        first += turn.count;
    }
    pg_rows_free(rows);
    return ok;
}
