// Deposits, withdrawals, credits, debits, transfers, chain facts, covers: a request becomes one
// posting (requests.c says how, and what a crash leaves). Here is what a request says.
#include "gateway/admin/stablecoin.h"

#include <string.h>

#include "base/fnv1a.h"

// Of what the request says.
static int64_t content_hash(const struct request *request)
{
    char text[128];
    int bytes = snprintf(text, sizeof text, "%s/%lld/%lld/%lld", request_kinds[request->kind],
                         (long long)request->account, (long long)request->asset,
                         (long long)request->amount);
    if (request->kind == POSTING_TRANSFER - 1)
        bytes += snprintf(text + bytes, sizeof text - (size_t)bytes, "/%lld",
                          (long long)request->counter);
    return (int64_t)fnv1a(FNV1A_BASIS, text, (size_t)bytes);
}

// ---- a request

// The row that the request's would name; the venue's own accounts have one, too.
static bool account_known(struct ask *ask, int64_t account)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows, "SELECT FROM people.account WHERE account_id = $1",
                 PG_PARAMS(pg_i64(account))) != PG_OK)
        return ask_database_failed(ask);
    bool known = pg_rows_count(rows) == 1;
    pg_rows_free(rows);
    if (!known)
        ask_refuse(ask, REJECT_UNKNOWN_ACCOUNT, 0, account, 0);
    return known;
}

static bool asset_unknown(struct ask *ask, const json_t *asset)
{
    char text[128];
    if (json_is_integer(asset)) {
        ask_refuse(ask, REJECT_UNKNOWN_ASSET, 0, json_integer_value(asset), 0);
        return false;
    }
    snprintf(text, sizeof text, "asset %.64s is not known", json_string_value(asset));
    return ask_refuse_text(ask, REJECT_UNKNOWN_ASSET, text);
}

bool request_asset(struct ask *ask, struct request_asset *out)
{
    struct pg_rows *rows;
    const json_t *asset = json_object_get(ask->body, "asset");
    if (!json_is_string(asset) && !json_is_integer(asset)) {
        ask_refuse_field(ask, asset ? REJECT_MALFORMED : REJECT_MISSING_FIELD, "asset");
        return false;
    }
    if (pg_query(
            ask->admin->pg, &rows,
            "SELECT asset_id, scale, coalesce(custody = 'frozen', false), CASE WHEN c.state = "
            "'proved' THEN 2 WHEN c.state IS NOT NULL THEN 1 ELSE 0 END FROM people.asset LEFT "
            "JOIN people.token USING (asset_id) LEFT JOIN people.stablecoin c USING (asset_id) "
            "WHERE symbol = $1 OR asset_id = $2",
            PG_PARAMS(pg_text(json_string_value(asset)),
                      json_is_integer(asset) ? pg_i64(json_integer_value(asset)) : pg_null())) !=
        PG_OK)
        return ask_database_failed(ask);
    bool known = pg_rows_count(rows) == 1;
    if (known)
        *out = (struct request_asset){.id = pg_number(rows, 0, 0),
                                      .scale = (unsigned)pg_number(rows, 0, 1),
                                      .is_frozen = pg_number(rows, 0, 2) == 1,
                                      .coin = (enum stablecoin)pg_number(rows, 0, 3)};
    pg_rows_free(rows);
    return known || asset_unknown(ask, asset);
}

static bool asset_and_amount(struct ask *ask, struct request *request)
{
    struct request_asset asset;
    if (!request_asset(ask, &asset) ||
        !field_decimal(ask, &request->amount, "amount", asset.scale, REQUIRED))
        return false;
    request->asset = asset.id;
    request->is_frozen = asset.is_frozen;
    request->coin = asset.coin;
    if (request->amount > 0)
        return true;
    ask_refuse_field(ask, REJECT_BAD_NUMBER, "amount");
    return false;
}

// `kind` below zero: the body names it.
static bool parse(struct ask *ask, struct request *request, int64_t kind)
{
    static const char *const names[] = {"reference", "kind", "account", "asset",
                                        "amount",    "note", "to",      NULL};
    request->kind = kind;
    request->note = "";
    if (!fields_known(ask, names) || !field_text(ask, &request->reference, "reference", REQUIRED) ||
        !field_word(ask, &request->kind, "kind", request_kinds, REQUEST_CORRECTION,
                    kind < 0 ? REQUIRED : OPTIONAL) ||
        !field_number(ask, &request->account, "account", 1, INT32_MAX, REQUIRED) ||
        !field_text(ask, &request->note, "note", OPTIONAL) ||
        !account_known(ask, request->account) || !asset_and_amount(ask, request))
        return false;
    bool transfer = request->kind == POSTING_TRANSFER - 1;
    const char *wrong = kind >= 0 && request->kind != kind              ? "kind"
                        : !transfer && json_object_get(ask->body, "to") ? "to (of a transfer)"
                                                                        : NULL;
    if (wrong != NULL) {
        ask_refuse_field(ask, REJECT_MALFORMED, wrong);
        return false;
    }
    if (transfer && (!field_number(ask, &request->counter, "to", 1, INT32_MAX, REQUIRED) ||
                     !account_known(ask, request->counter)))
        return false;
    request->hash = content_hash(request);
    return true;
}

// What comes into frozen custody is booked by lonja-index, when it is frozen. True: the answer is
// made.
static bool goes_to_custody(struct ask *ask, const struct request *request)
{
    if (!request->is_frozen)
        return false;
    if (request->kind == POSTING_CHAIN_IN - 1)
        return !ask_refuse_text(ask, REJECT_CUSTODY,
                                "transfers of a token in frozen custody are booked by lonja-index");
    bool before = false;
    if (request->kind != POSTING_DEPOSIT - 1)
        return false;
    if (!custody_deposited_before(ask, request, &before))
        return true;
    if (!before)
        custody_deposit(ask, request);
    return !before;
}

static void post(struct ask *ask, int64_t kind)
{
    struct request request = {0};
    if (!parse(ask, &request, kind) || stablecoin_refuses(ask, &request) ||
        goes_to_custody(ask, &request))
        return;
    if ((ask->proposing != NULL || requests_resolve(ask)) && request_register(ask, &request))
        request_send(ask, &request);
}

void ledger_handle(struct ask *ask)
{
    post(ask, -1);
}

void deposit_handle(struct ask *ask)
{
    post(ask, POSTING_DEPOSIT - 1);
}

void withdrawal_handle(struct ask *ask)
{
    post(ask, POSTING_WITHDRAWAL - 1);
}

void credit_handle(struct ask *ask)
{
    post(ask, POSTING_CREDIT - 1);
}

void debit_handle(struct ask *ask)
{
    post(ask, POSTING_DEBIT - 1);
}

void transfer_handle(struct ask *ask)
{
    post(ask, POSTING_TRANSFER - 1);
}

void chain_in_handle(struct ask *ask)
{
    post(ask, POSTING_CHAIN_IN - 1);
}

void chain_out_handle(struct ask *ask)
{
    post(ask, POSTING_CHAIN_OUT - 1);
}

void cover_handle(struct ask *ask)
{
    post(ask, POSTING_COVER - 1);
}

// ---- settlement: the settlement worker decides (F7, U11), this is the request

// The settlement worker looks at what the record has; here is what has not got there yet.
bool trade_is_not_corrected(struct ask *ask, int64_t trade)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT s.corrected_quantity = 0, EXISTS (SELECT FROM people.correction_request "
                 "JOIN people.ledger_request q USING (reference) WHERE trade_id = $1 AND q.state "
                 "IN ('requested', 'proposed')), (SELECT max(q.sequence) FROM "
                 "people.correction_request JOIN people.ledger_request q USING (reference) WHERE "
                 "trade_id = $1 AND q.state = 'done'), (SELECT sequence FROM record.cursor)"
                 " FROM settle.trade s WHERE s.trade_id = $1",
                 PG_PARAMS(pg_i64(trade))) != PG_OK)
        return ask_database_failed(ask);
    bool known = pg_rows_count(rows) == 1;
    bool busted = known && pg_number(rows, 0, 0) != 0;
    bool waits = known && pg_number(rows, 0, 1) != 0;
    int64_t corrected = known ? pg_number(rows, 0, 2) : 0;
    int64_t recorded = known ? pg_number(rows, 0, 3) : 0;
    pg_rows_free(rows);
    if (busted)
        return ask_refuse_text(ask, REJECT_CORRECTION, "the trade is busted: it is never settled");
    if (waits)
        return ask_refuse_text(ask, REJECT_CORRECTION, "a correction of the trade waits");
    if (corrected <= recorded)
        return true;
    ask_refuse(ask, REJECT_RECORD_BEHIND, corrected, recorded, 0);
    return false;
}

void retry_handle(struct ask *ask)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    struct pg_rows *rows;
    if (!fields_known(ask, names) || !field_reason(ask, &reason) || !requests_resolve(ask) ||
        !trade_is_not_corrected(ask, (int64_t)ask->id))
        return;
    if (pg_query(ask->admin->pg, &rows,
                 "INSERT INTO settle.retry_request (trade_id, requested_by, reason)"
                 " SELECT trade_id, $2, $3 FROM settle.trade WHERE trade_id = $1 AND "
                 "settlement_status = 'failed'"
                 " ON CONFLICT DO NOTHING RETURNING retry_id",
                 PG_PARAMS(pg_i64((int64_t)ask->id), pg_text(ask->who->name), pg_text(reason))) !=
        PG_OK) {
        ask_database_failed(ask);
        return;
    }
    if (pg_rows_count(rows) == 1)
        ask_done(ask, json_pack("{s:I, s:I}", "trade", (json_int_t)ask->id, "request",
                                (json_int_t)pg_number(rows, 0, 0)));
    else
        ask_refuse_text(
            ask, REJECT_NOT_FOUND,
            "no trade of that number has failed to settle, or it was asked for already");
    pg_rows_free(rows);
}
