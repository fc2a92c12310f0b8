// Deposits, withdrawals, credits, debits. A text reference becomes the strictly increasing number
// that the engine knows (people.ledger_request). Happy path: the row is committed as `requested`,
// the command is sent with its number, the row becomes `done` with the command's sequence.
//
// The same reference with the same content is answered as done, with other content refused. A row
// that is still `requested` (a crash, no answer) is resolved before any newer number is sent, by
// sending it again: the engine answers a number that it has taken with the same content as done. A
// refused request may be tried again under its reference: it gets a new number, because the engine
// did not take the old one.
#include <string.h>

#include "gateway/admin/admin.h"

static const char *const kind_words[] = {"deposit", "withdrawal", "credit",
                                         "debit"}; // enum posting_kind - 1

struct request {
    const char *reference, *note;
    int64_t number, kind, account, asset, amount, hash;
};

// FNV-1a over what the request says.
static int64_t content_hash(const struct request *request)
{
    char text[128];
    uint64_t hash = 0xcbf29ce484222325ULL;
    int bytes = snprintf(text, sizeof text, "%s/%lld/%lld/%lld", kind_words[request->kind],
                         (long long)request->account, (long long)request->asset,
                         (long long)request->amount);
    for (int i = 0; i < bytes; i++)
        hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3ULL;
    return (int64_t)hash;
}

// Writes down how a request ended. The answer to the client is made already; a row that cannot be
// written now is resolved before the next one.
static bool close_request(struct ask *ask, int64_t number, const struct desk_answer *answer,
                          uint16_t code)
{
    return pg_query(ask->admin->pg, NULL,
                    "UPDATE people.ledger_request SET state = $2, sequence = $3, reject_code = $4, "
                    "answered_at = now()"
                    " WHERE number = $1 AND state = 'requested'",
                    PG_PARAMS(pg_i64(number), pg_text(code ? "rejected" : "done"),
                              pg_i64((int64_t)answer->sequence),
                              code ? pg_i64(code) : pg_null())) == PG_OK;
}

// Sends a committed request; true = its outcome is known and written down.
static bool send(struct ask *ask, const struct request *request)
{
    struct ledger_post_cmd body = {.account = (uint32_t)request->account,
                                   .asset = (uint32_t)request->asset,
                                   .amount = request->amount,
                                   .kind = (uint8_t)(request->kind + 1),
                                   .ref_source = REF_ADMIN,
                                   .ref_number = (uint64_t)request->number,
                                   .ref_hash = (uint64_t)request->hash};
    struct desk_answer answer;
    if (ask_command(ask, &answer, CMD_ledger_post, &body, sizeof body, NULL, 0))
        return close_request(ask, request->number, &answer, 0);
    if (answer.outcome == DESK_REJECTED)
        return close_request(ask, request->number, &answer, answer.events[0].body.rejected.code);
    return false; // not sent, or unknown: it stays requested
}

static int64_t kind_of(const char *word)
{
    for (int64_t i = 0; i < 4; i++)
        if (!strcmp(kind_words[i], word))
            return i;
    ASSERT(false); // the table has a check
}

// Resolves what an earlier life left open. False: not possible now, the answer says why.
static bool resolve_open(struct ask *ask)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT number, kind, account_id, asset_id, amount, content_hash"
                 " FROM people.ledger_request WHERE state = 'requested' ORDER BY number",
                 PG_NO_PARAMS) != PG_OK)
        return ask_database_failed(ask);
    bool resolved = true;
    for (size_t i = 0; i < pg_rows_count(rows) && resolved; i++) {
        struct request request = {.number = pg_number(rows, i, 0),
                                  .kind = kind_of(pg_value(rows, i, 1)),
                                  .account = pg_number(rows, i, 2),
                                  .asset = pg_number(rows, i, 3),
                                  .amount = pg_number(rows, i, 4),
                                  .hash = pg_number(rows, i, 5)};
        resolved = send(ask, &request);
    }
    pg_rows_free(rows);
    return resolved;
}

// ---- a request
// ----------------------------------------------------------------------------------------------

// "USD" or 1; the amount is read with its scale.
static bool asset_and_amount(struct ask *ask, struct request *request)
{
    struct pg_rows *rows;
    json_t *asset = json_object_get(ask->body, "asset");
    if (!json_is_string(asset) && !json_is_integer(asset)) {
        ask_refuse_field(ask, asset ? REJECT_MALFORMED : REJECT_MISSING_FIELD, "asset");
        return false;
    }
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT asset_id, scale FROM people.asset WHERE symbol = $1 OR asset_id = $2",
                 PG_PARAMS(pg_text(json_string_value(asset)),
                           json_is_integer(asset) ? pg_i64(json_integer_value(asset))
                                                  : pg_null())) != PG_OK)
        return ask_database_failed(ask);
    bool known = pg_rows_count(rows) == 1;
    unsigned scale = known ? (unsigned)pg_number(rows, 0, 1) : 0;
    request->asset = known ? pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    if (!known) {
        ask_refuse(ask, REJECT_UNKNOWN_ASSET, 0, json_integer_value(asset), 0);
        return false;
    }
    if (!field_decimal(ask, &request->amount, "amount", scale, REQUIRED))
        return false;
    if (request->amount > 0)
        return true;
    ask_refuse_field(ask, REJECT_BAD_NUMBER, "amount");
    return false;
}

static bool parse(struct ask *ask, struct request *request, int64_t kind)
{
    static const char *const names[] = {"reference", "kind", "account", "asset",
                                        "amount",    "note", NULL};
    request->kind = kind;
    request->note = "";
    if (!fields_known(ask, names) || !field_text(ask, &request->reference, "reference", REQUIRED) ||
        !field_word(ask, &request->kind, "kind", WORDS(kind_words),
                    kind < 0 ? REQUIRED : OPTIONAL) ||
        !field_number(ask, &request->account, "account", 1, INT32_MAX, REQUIRED) ||
        !field_text(ask, &request->note, "note", OPTIONAL) || !asset_and_amount(ask, request))
        return false;
    if (kind >= 0 && request->kind != kind) {
        ask_refuse_field(ask, REJECT_MALFORMED, "kind");
        return false;
    }
    request->hash = content_hash(request);
    return true;
}

enum registered { REGISTERED, ANSWERED };

// The reference is known: done, in conflict, or to be tried again.
static enum registered known_reference(struct ask *ask, struct request *request)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT content_hash, state, sequence, number FROM people.ledger_request"
                 " WHERE reference = $1",
                 PG_PARAMS(pg_text(request->reference))) != PG_OK) {
        ask_database_failed(ask);
        return ANSWERED;
    }
    ASSERT(pg_rows_count(rows) == 1); // rows are never removed
    enum registered result = ANSWERED;
    if (pg_number(rows, 0, 0) != request->hash) {
        ask_refuse(ask, REJECT_REFERENCE_CONFLICT, 0, pg_number(rows, 0, 3), 0);
    } else if (!strcmp(pg_value(rows, 0, 1), "done")) {
        ask_done(ask, json_pack("{s:I, s:b}", "sequence", (json_int_t)pg_number(rows, 0, 2),
                                "repeated", 1));
    } else {
        result = REGISTERED;
    }
    pg_rows_free(rows);
    if (result == ANSWERED)
        return result;
    if (pg_query(ask->admin->pg, &rows,
                 "UPDATE people.ledger_request SET number = nextval('people.ledger_number'),"
                 " state = 'requested', reject_code = NULL, sequence = NULL, answered_at = NULL"
                 " WHERE reference = $1 AND state = 'rejected' RETURNING number",
                 PG_PARAMS(pg_text(request->reference))) != PG_OK) {
        ask_database_failed(ask);
        return ANSWERED;
    }
    request->number = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return REGISTERED;
}

static enum registered registered(struct ask *ask, struct request *request)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "INSERT INTO people.ledger_request (reference, number, content_hash, kind, "
                 "account_id, asset_id, amount,"
                 " note, requested_by) VALUES ($1, nextval('people.ledger_number'), $2, $3, $4, "
                 "$5, $6, $7, $8)"
                 " ON CONFLICT (reference) DO NOTHING RETURNING number",
                 PG_PARAMS(pg_text(request->reference), pg_i64(request->hash),
                           pg_text(kind_words[request->kind]), pg_i64(request->account),
                           pg_i64(request->asset), pg_i64(request->amount), pg_text(request->note),
                           pg_text(ask->who->name))) != PG_OK) {
        ask_database_failed(ask);
        return ANSWERED;
    }
    bool is_new = pg_rows_count(rows) == 1;
    request->number = is_new ? pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    return is_new ? REGISTERED : known_reference(ask, request);
}

static void post(struct ask *ask, int64_t kind)
{
    struct request request = {0};
    if (!parse(ask, &request, kind) || !resolve_open(ask) || registered(ask, &request) == ANSWERED)
        return;
    if (!send(ask, &request) &&
        ask->status == 200) // durable; the row follows when the database is back
        json_object_set_new(ask->answer, "database", json_string("behind"));
}

void ledger_handle(struct ask *ask)
{
    post(ask, -1);
}

void deposit_handle(struct ask *ask)
{
    post(ask, 0);
}

void withdrawal_handle(struct ask *ask)
{
    post(ask, 1);
}

void credit_handle(struct ask *ask)
{
    post(ask, 2);
}

void debit_handle(struct ask *ask)
{
    post(ask, 3);
}

// ---- settlement: the settlement worker decides (F7, U11), this is the request
// --------------------------------

void retry_handle(struct ask *ask)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    struct pg_rows *rows;
    if (!fields_known(ask, names) || !field_text(ask, &reason, "reason", REQUIRED))
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
    else // no failed trade of that number, or asked for already
        ask_refuse(ask, REJECT_NOT_FOUND, 0, 0, 0);
    pg_rows_free(rows);
}
