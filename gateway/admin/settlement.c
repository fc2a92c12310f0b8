// Settlement as operators see and steer it. Everything is rows of Postgres: the worker reads them.
#include "gateway/admin/admin.h"

enum { TRADES_DEFAULT = 100, TRADES_MAX = 1000 };

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
                 "SELECT coalesce(json_agg(t ORDER BY trade DESC), '[]') FROM (SELECT * FROM "
                 "settle.progress WHERE ($2::text IS NULL OR status = $2 OR ($2 = 'open' AND "
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
