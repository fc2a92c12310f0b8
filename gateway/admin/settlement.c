// Settlement as operators see and steer it. Everything is rows of Postgres: the worker reads them.
#include "gateway/admin/admin.h"

enum { TRADES_DEFAULT = 100, TRADES_MAX = 1000 };

// What one without a reason of its own waits for: waits_for, in words, and what to do about it.
#define WITH_WAITS                                                                                 \
    "SELECT p.*, w.word AS waits_for, settle.reason_text(w.word) AS waits_text, "                  \
    "settle.reason_todo(w.word) AS waits_todo FROM settle.progress p LEFT JOIN LATERAL (SELECT "   \
    "settle.trade_waits(p.trade, p.token) AS word) w ON p.reason IS NULL AND p.status IN "         \
    "('pending', "                                                                                 \
    "'processing')"

// The trades on their way to finality, newest first; each with the step it is at.
void settlement_trades_read(struct ask *ask)
{
    static const char *const statuses[] = {"open", "pending", "processing", "settled", "failed"};
    int64_t limit = TRADES_DEFAULT, token = -1, account = -1, trade = -1;
    const char *status = NULL;
    struct pg_rows *rows;
    if (!argument_number(ask, &limit, ask->limit_argument, "limit", TRADES_MAX) ||
        !argument_number(ask, &token, ask->token_argument, "token", INT32_MAX) ||
        !argument_number(ask, &account, ask->account_argument, "account", INT32_MAX) ||
        !argument_number(ask, &trade, ask->trade_argument, "trade", INT64_MAX) ||
        !argument_word(ask, &status, ask->status_argument, "status", WORDS(statuses)))
        return;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT coalesce(json_agg(t ORDER BY trade DESC), '[]') FROM (" WITH_WAITS
                 " WHERE ($2::text IS NULL OR status = $2 OR ($2 = 'open' AND "
                 "status IN ('pending', 'processing'))) AND ($3::int IS NULL OR token = $3) AND "
                 "($4::int IS NULL OR $4 IN (buyer, seller)) AND ($5::bigint IS NULL OR trade = $5)"
                 " ORDER BY trade DESC LIMIT $1) t",
                 PG_PARAMS(pg_i64(limit), pg_text(status), argument_param(token),
                           argument_param(account), argument_param(trade))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    ask_done(ask, json_loads(pg_value(rows, 0, 0), 0, NULL));
    pg_rows_free(rows);
}

// One trade with all that is known of it: its transactions, what the chain said before they were
// signed, its history, its marks, what holds it.
void settlement_trade_read(struct ask *ask)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT json_build_object('trade', row_to_json(p), 'attempts', (SELECT "
                 "coalesce(json_agg(a ORDER BY a.request, a.attempt), '[]') FROM "
                 "settle.attempt_list a WHERE a.trade = $1), 'evidence', (SELECT "
                 "coalesce(json_agg(c ORDER BY c.request, c.at), '[]') FROM settle.check_list c "
                 "WHERE c.trade = $1), 'history', (SELECT "
                 "coalesce(json_agg(h ORDER BY h.history_id), '[]') FROM (SELECT history_id, "
                 "from_status, to_status, attempt, tx_hash, reason, settle.reason_text(reason) AS "
                 "reason_text, at FROM settle.trade_settlement_history WHERE trade_id = $1) h), "
                 "'marks', (SELECT coalesce(json_agg(m ORDER BY m.mark), '[]') FROM "
                 "settle.mark_list m WHERE m.trade = $1), 'holds', (SELECT coalesce(json_agg(h "
                 "ORDER BY h.hold), '[]') FROM settle.hold_list h WHERE h.open AND (h.scope = "
                 "'venue' OR h.token = p.token OR h.account IN (p.buyer, p.seller) OR h.trade = "
                 "$1)), 'incidents', (SELECT coalesce(json_agg(i ORDER BY i.incident), '[]') FROM "
                 "settle.incident_list i WHERE i.trade = $1 OR i.open AND i.token = p.token)) FROM "
                 "(" WITH_WAITS " WHERE p.trade = $1) p",
                 PG_PARAMS(pg_i64((int64_t)ask->id))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    if (pg_rows_count(rows) == 1)
        ask_done(ask, json_loads(pg_value(rows, 0, 0), 0, NULL));
    else
        ask_refuse_text(ask, REJECT_NOT_FOUND, "there is no trade of that number in settlement");
    pg_rows_free(rows);
}
