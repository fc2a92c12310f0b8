// Custody per token (docs/settlement.md, Custody): which one it has, and deposits of a token in
// frozen custody, which the ledger takes only after the agent has frozen them.
#include <string.h>

#include "gateway/admin/requests.h"

static const char *const custody_words[] = {"watched", "frozen"};

// What forbids the change is said by the table (people.custody_changed).
static void change_failed(struct ask *ask)
{
    struct pg_error error = *pg_last_error(ask->admin->pg);
    if (error.class != PG_CONSTRAINT || strcmp(error.constraint, "custody") != 0) {
        ask_database_failed(ask);
        return;
    }
    pg_rollback(ask->admin->pg);
    ask_refuse_text(ask, REJECT_CUSTODY, error.message);
}

void custody_handle(struct ask *ask)
{
    static const char *const names[] = {"custody", NULL};
    struct pg_rows *rows;
    int64_t custody = 0;
    if (!id_in_path(ask, REJECT_UNKNOWN_ASSET) || !fields_known(ask, names) ||
        !field_word(ask, &custody, "custody", WORDS(custody_words), REQUIRED) ||
        !record_is_current(ask))
        return;
    if (pg_query(ask->admin->pg, &rows,
                 "UPDATE people.token SET custody = $2, updated_at = now() WHERE asset_id = $1",
                 PG_PARAMS(pg_i64((int64_t)ask->id), pg_text(custody_words[custody]))) != PG_OK) {
        change_failed(ask);
        return;
    }
    bool known = pg_rows_affected(rows) == 1;
    pg_rows_free(rows);
    if (known)
        ask_done(ask, json_pack("{s:I, s:s}", "asset", (json_int_t)ask->id, "custody",
                                custody_words[custody]));
    else
        ask_refuse(ask, REJECT_UNKNOWN_ASSET, 0, (int64_t)ask->id, 0);
}

// ---- deposits

static void answer_need(struct ask *ask, const struct pg_rows *rows, bool repeated)
{
    ask_done(ask,
             json_pack("{s:I, s:s, s:s*, s:b}", "need", (json_int_t)pg_number(rows, 0, 0), "state",
                       pg_value(rows, 0, 1), "reason", pg_value(rows, 0, 2), "repeated", repeated));
}

// The reference is known, to a need or to a request of the ledger.
static void answer_repeated(struct ask *ask, const struct request *request)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT n.need_id, n.state, n.reason FROM chain.custody_need n JOIN "
                 "people.account a USING (account_id) WHERE n.reference = $1 AND n.account_id = $2 "
                 "AND n.token_asset = $3 AND n.asked = $4",
                 PG_PARAMS(pg_text(request->reference), pg_i64(request->account),
                           pg_i64(request->asset), pg_i64(request->amount))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    if (pg_rows_count(rows) == 1)
        answer_need(ask, rows, true);
    else
        request_conflict(ask, request->reference);
    pg_rows_free(rows);
}

bool account_has_wallet(struct ask *ask, int64_t account)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT FROM people.account WHERE account_id = $1 AND wallet_address IS NOT NULL",
                 PG_PARAMS(pg_i64(account))) != PG_OK)
        return ask_database_failed(ask);
    bool has = pg_rows_count(rows) == 1;
    pg_rows_free(rows);
    if (!has)
        ask_refuse(ask, REJECT_NO_WALLET, 0, account, 0);
    return has;
}

// Booked before the token was in frozen custody: the reference is answered as ever.
bool custody_deposited_before(struct ask *ask, const struct request *request, bool *before)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT FROM people.ledger_request WHERE reference = $1 AND state = 'done'",
                 PG_PARAMS(pg_text(request->reference))) != PG_OK)
        return ask_database_failed(ask);
    *before = pg_rows_count(rows) == 1;
    pg_rows_free(rows);
    return true;
}

void custody_deposit(struct ask *ask, const struct request *request)
{
    struct pg_rows *rows;
    if (ask->proposing != NULL) {
        ask_refuse_text(ask, REJECT_CUSTODY,
                        "a deposit into frozen custody needs no second person");
        return;
    }
    if (!account_has_wallet(ask, request->account))
        return;
    if (pg_query(ask->admin->pg, &rows,
                 "INSERT INTO chain.custody_need (kind, token_asset, address, account_id, units, "
                 "asked, reference, requested_by) SELECT 'opening', $2, lower(a.wallet_address), "
                 "a.account_id, $4::bigint * chain.units_of_one($2::integer), $4, $1, $5 FROM "
                 "people.account a WHERE a.account_id = $3 AND NOT EXISTS (SELECT FROM "
                 "people.ledger_request q WHERE q.reference = $1) ON CONFLICT (reference) DO "
                 "NOTHING RETURNING need_id, state, reason",
                 PG_PARAMS(pg_text(request->reference), pg_i64(request->asset),
                           pg_i64(request->account), pg_i64(request->amount),
                           pg_text(ask->who->name))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    if (pg_rows_count(rows) == 1)
        answer_need(ask, rows, false);
    else
        answer_repeated(ask, request);
    pg_rows_free(rows);
}
