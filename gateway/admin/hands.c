// What people do about settlement by hand: holds, marks of trades, requests that are given up, the
// closing of incidents. All of it is rows that the settlement worker reads; it decides, and answers
// there (docs/settlement.md, Holds, halts, marks). A hold takes one person, as does its release; a
// mark, giving up and the closing of an incident take two: the table itself refuses a second decision by the first person.
//
// Sent twice, a request is answered as the first time, with `repeated`.
#include <ctype.h>
#include <string.h>

#include "gateway/admin/hands.h"
#include "gateway/admin/requests.h"

enum { REASON_BYTES_MAX = 500, HOLDS_MAX = 1000 };

bool field_reason(struct ask *ask, const char **reason)
{
    if (!field_text(ask, reason, "reason", REQUIRED))
        return false;
    size_t bytes = strlen(*reason);
    bool blank = strspn(*reason, " \t\r\n") == bytes;
    if (!blank && bytes <= REASON_BYTES_MAX)
        return true;
    ask_refuse(ask, REJECT_REASON_LENGTH, REASON_BYTES_MAX, blank ? 0 : (int64_t)bytes, 0);
    return false;
}

// The one row of a statement that changes one at most; NULL: there is none, or (with the answer
// made) the database failed: *failed.
struct pg_rows *hands_row(struct ask *ask, bool *failed, const char *sql,
                               const struct pg_param *params, size_t count)
{
    struct pg_rows *rows;
    *failed = pg_query(ask->admin->pg, &rows, sql, params, count) != PG_OK;
    if (*failed) {
        ask_database_failed(ask);
        return NULL;
    }
    if (pg_rows_count(rows) == 1)
        return rows;
    pg_rows_free(rows);
    return NULL;
}

// {"<what>": id, …} of a row whose second column says whether it was so before, and by the same
// person: then it is repeated.
void hands_tell(struct ask *ask, const char *what, int64_t id, const char *state, bool repeated)
{
    ask_done(ask, json_pack("{s:I, s:s}", what, (json_int_t)id, "state", state));
    if (repeated)
        json_object_set_new(ask->answer, "repeated", json_true());
}

// ---- holds

struct scope { // exactly one
    bool venue;
    int64_t token, account, trade; // -1: no
};

// "ATUN" or 2.
bool hands_token(struct ask *ask, int64_t *token)
{
    const json_t *named = json_object_get(ask->body, "token");
    bool failed;
    if (named == NULL)
        return true;
    if (!json_is_string(named) && !json_is_integer(named)) {
        ask_refuse_field(ask, REJECT_MALFORMED, "token");
        return false;
    }
    struct pg_rows *rows = hands_row(
        ask, &failed,
        "SELECT asset_id FROM people.asset JOIN people.token USING (asset_id) WHERE symbol = $1 OR "
        "asset_id = $2",
        PG_PARAMS(pg_text(json_string_value(named)),
                  json_is_integer(named) ? pg_i64(json_integer_value(named)) : pg_null()));
    if (rows == NULL)
        return !failed && ask_refuse_text(ask, REJECT_UNKNOWN_ASSET,
                                          "there is no token of that symbol or number");
    *token = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return true;
}

static bool is_there(struct ask *ask, int64_t id, const char *sql, uint16_t code, const char *text)
{
    bool failed;
    if (id < 0)
        return true;
    struct pg_rows *rows = hands_row(ask, &failed, sql, PG_PARAMS(pg_i64(id)));
    if (rows == NULL)
        return !failed && ask_refuse_text(ask, code, text);
    pg_rows_free(rows);
    return true;
}

static bool scope_of(struct ask *ask, struct scope *scope)
{
    int venue = -1;
    *scope = (struct scope){.token = -1, .account = -1, .trade = -1};
    if (!field_bool(ask, &venue, "venue", OPTIONAL) || !hands_token(ask, &scope->token) ||
        !field_number(ask, &scope->account, "account", 1, INT32_MAX, OPTIONAL) ||
        !field_number(ask, &scope->trade, "trade", 1, INT64_MAX, OPTIONAL))
        return false;
    scope->venue = venue == 1;
    if (scope->venue + (scope->token >= 0) + (scope->account >= 0) + (scope->trade >= 0) != 1) {
        ask_refuse_field(ask, REJECT_MALFORMED, "venue, token, account, trade (exactly one)");
        return false;
    }
    return is_there(ask, scope->account, "SELECT FROM people.account WHERE account_id = $1",
                    REJECT_UNKNOWN_ACCOUNT, "an account of that number is not known") &&
           is_there(ask, scope->trade,
                    "SELECT FROM settle.trade WHERE trade_id = $1 AND settlement_status <> "
                    "'settled' AND corrected_quantity IS DISTINCT FROM 0",
                    REJECT_NOT_FOUND, "no trade of that number is still to be settled");
}

// Tokens are few, trades and accounts are not: every claim looks at all of them.
static bool there_is_room(struct ask *ask, const struct scope *scope)
{
    bool failed;
    if (scope->account < 0 && scope->trade < 0)
        return true;
    struct pg_rows *rows = hands_row(ask, &failed,
                                   "SELECT count(*) FROM settle.hold WHERE released_at IS NULL AND "
                                   "(account_id IS NOT NULL OR trade_id IS NOT NULL)",
                                   NULL, 0);
    if (rows == NULL)
        return false;
    int64_t held = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    if (held >= HOLDS_MAX)
        ask_refuse(ask, REJECT_HOLDS_MAX, HOLDS_MAX, held, 0);
    return held < HOLDS_MAX;
}

#define OF_SCOPE                                                                                   \
    "released_at IS NULL AND (venue AND $1 OR token_asset = $2 OR account_id = $3 OR trade_id = "  \
    "$4)"

// What is held already stays held: by whom is told.
static void hold_again(struct ask *ask, const struct pg_param *params)
{
    bool failed;
    struct pg_rows *rows = hands_row(
        ask, &failed, "SELECT hold_id, held_by FROM settle.hold WHERE " OF_SCOPE, params, 4);
    if (rows == NULL) {
        if (!failed) // released at this very moment
            ask_refuse(ask, REJECT_OVERLOADED, 0, 0, 0);
        return;
    }
    hands_tell(ask, "hold", pg_number(rows, 0, 0), "held", true);
    json_object_set_new(ask->answer, "held_by", json_string(pg_value(rows, 0, 1)));
    pg_rows_free(rows);
}

void hold_handle(struct ask *ask)
{
    static const char *const names[] = {"venue", "token", "account", "trade", "reason", NULL};
    struct scope scope;
    const char *reason = NULL;
    bool failed;
    if (!fields_known(ask, names) || !field_reason(ask, &reason) || !scope_of(ask, &scope) ||
        !there_is_room(ask, &scope))
        return;
    const struct pg_param params[] = {pg_bool(scope.venue),          argument_param(scope.token),
                                      argument_param(scope.account), argument_param(scope.trade),
                                      pg_text(ask->who->name),       pg_text(reason)};
    struct pg_rows *rows =
        hands_row(ask, &failed,
                "INSERT INTO settle.hold (venue, token_asset, account_id, trade_id, held_by, "
                "reason) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING hold_id",
                params, 6);
    if (rows == NULL) {
        if (!failed)
            hold_again(ask, params);
        return;
    }
    hands_tell(ask, "hold", pg_number(rows, 0, 0), "held", false);
    pg_rows_free(rows);
}

// Changes the row if it is open, by the first statement; else it may be this person's own decision,
// sent twice, by the second. Of neither: refused with `code`.
void hands_decide(struct ask *ask, const char *what, const char *state, uint16_t code,
                   const char *change, const char *done_before, const char *reason)
{
    const struct pg_param params[] = {pg_i64((int64_t)ask->id), pg_text(ask->who->name),
                                      pg_text(reason)};
    bool failed;
    struct pg_rows *rows = hands_row(ask, &failed, change, params, reason != NULL ? 3 : 2);
    bool changed = rows != NULL;
    if (rows == NULL && !failed)
        rows = hands_row(ask, &failed, done_before, params, 2);
    if (rows != NULL)
        hands_tell(ask, what, (int64_t)ask->id, state, !changed);
    else if (!failed)
        ask_refuse(ask, code, 0, (int64_t)ask->id, 0);
    pg_rows_free(rows);
}

void release_handle(struct ask *ask)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    if (fields_known(ask, names) && field_reason(ask, &reason))
        hands_decide(ask, "hold", "released", REJECT_HOLD,
               "UPDATE settle.hold SET released_by = $2, released_at = now(), release_reason = $3 "
               "WHERE hold_id = $1 AND released_at IS NULL RETURNING hold_id",
               "SELECT hold_id FROM settle.hold WHERE hold_id = $1 AND released_by = $2", reason);
}

// ---- marks

static const char *const outcome_words[] = {"settled_on_chain", "settled_off_chain", "failed"};
enum { ON_CHAIN, OFF_CHAIN, FAILED };

// 0x and 64 hexadecimal digits, in lower case as the rows have them; of what is on the chain only.
static bool hash_of(struct ask *ask, char hash[67], int64_t outcome)
{
    const char *text = NULL;
    if (!field_text(ask, &text, "tx_hash", outcome == ON_CHAIN ? REQUIRED : OPTIONAL))
        return false;
    if (text == NULL)
        return true;
    if (outcome != ON_CHAIN) {
        ask_refuse_field(ask, REJECT_MALFORMED, "tx_hash (of settled_on_chain only)");
        return false;
    }
    bool good = strlen(text) == 66 && !strncmp(text, "0x", 2) &&
                strspn(text + 2, "0123456789abcdefABCDEF") == 64;
    if (!good)
        ask_refuse_field(ask, REJECT_MALFORMED, "tx_hash (0x and 64 hexadecimal digits)");
    for (size_t i = 0; good && i < 67; i++)
        hash[i] = (char)tolower((unsigned char)text[i]);
    return good;
}

// Why the trade cannot be marked so now; the worker looks once more when it is approved.
#define NOT_MARKABLE                                                                               \
    "CASE WHEN xvp_id IS NOT NULL THEN 'it is of a settlement instruction'"                        \
    " WHEN corrected_quantity = 0 THEN 'the trade is busted'"                                  \
    " WHEN settlement_status = 'settled' THEN 'the trade is settled'"                              \
    " WHEN settlement_status = 'processing' THEN 'the trade is under way: its transaction''s fate" \
    " comes first'"                                                                                \
    " WHEN settlement_status = 'failed' AND $2 = 'failed' THEN 'the trade has failed already' END"

static bool is_markable(struct ask *ask, int64_t outcome)
{
    bool failed;
    struct pg_rows *rows =
        hands_row(ask, &failed, "SELECT " NOT_MARKABLE " FROM settle.trade WHERE trade_id = $1",
                PG_PARAMS(pg_i64((int64_t)ask->id), pg_text(outcome_words[outcome])));
    if (rows == NULL)
        return !failed && ask_refuse_text(ask, REJECT_NOT_FOUND,
                                          "there is no trade of that number in settlement");
    bool good = pg_is_null(rows, 0, 0);
    if (!good)
        ask_refuse_text(ask, REJECT_MARK_TRADE, pg_value(rows, 0, 0));
    pg_rows_free(rows);
    return good;
}

// One mark of a trade is open at a time; the same one of the same person is that one.
static void mark_again(struct ask *ask, const char *outcome, const char *hash)
{
    bool failed;
    struct pg_rows *rows = hands_row(
        ask, &failed,
        "SELECT mark_id, proposed_by = $2 AND outcome = $3 AND tx_hash IS NOT DISTINCT FROM $4 "
        "FROM settle.manual_mark WHERE trade_id = $1 AND answered_at IS NULL AND withdrawn_at IS "
        "NULL",
        PG_PARAMS(pg_i64((int64_t)ask->id), pg_text(ask->who->name), pg_text(outcome),
                  pg_text(hash)));
    if (rows == NULL) {
        if (!failed) // answered at this very moment
            ask_refuse(ask, REJECT_MARK_TRADE, 0, (int64_t)ask->id, 0);
        return;
    }
    if (pg_number(rows, 0, 1) != 0)
        hands_tell(ask, "mark", pg_number(rows, 0, 0), "proposed", true);
    else
        ask_refuse(ask, REJECT_MARK_OPEN, 0, pg_number(rows, 0, 0), 0);
    pg_rows_free(rows);
}

void mark_handle(struct ask *ask)
{
    static const char *const names[] = {"outcome", "tx_hash", "reason", NULL};
    const char *reason = NULL;
    char hash[67] = "";
    int64_t outcome = 0;
    bool failed;
    if (!fields_known(ask, names) ||
        !field_word(ask, &outcome, "outcome", WORDS(outcome_words), REQUIRED) ||
        !hash_of(ask, hash, outcome) || !field_reason(ask, &reason) || !requests_resolve(ask) ||
        !is_markable(ask, outcome) || !trade_is_not_corrected(ask, (int64_t)ask->id))
        return;
    const char *named = outcome == ON_CHAIN ? hash : NULL;
    struct pg_rows *rows =
        hands_row(ask, &failed,
                "INSERT INTO settle.manual_mark (trade_id, outcome, tx_hash, reason, proposed_by) "
                "VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING mark_id",
                PG_PARAMS(pg_i64((int64_t)ask->id), pg_text(outcome_words[outcome]), pg_text(named),
                          pg_text(reason), pg_text(ask->who->name)));
    if (rows == NULL) {
        if (!failed)
            mark_again(ask, outcome_words[outcome], named);
        return;
    }
    hands_tell(ask, "mark", pg_number(rows, 0, 0), "proposed", false);
    pg_rows_free(rows);
}

// The first person does not decide a second time. Also false if the database failed.
bool hands_is_another(struct ask *ask, const char *sql)
{
    bool failed;
    struct pg_rows *rows =
        hands_row(ask, &failed, sql, PG_PARAMS(pg_i64((int64_t)ask->id), pg_text(ask->who->name)));
    if (rows == NULL)
        return !failed;
    pg_rows_free(rows);
    ask_refuse(ask, REJECT_TWO_PERSONS, 0, ask->who->login, 0);
    return false;
}

void mark_approve_handle(struct ask *ask)
{
    static const char *const names[] = {NULL};
    if (fields_known(ask, names) && requests_resolve(ask) &&
        hands_is_another(ask, "SELECT FROM settle.manual_mark WHERE mark_id = $1 AND proposed_by = $2 "
                        "AND approved_at IS NULL AND withdrawn_at IS NULL"))
        hands_decide(ask, "mark", "approved", REJECT_MARK,
               "UPDATE settle.manual_mark SET approved_by = $2, approved_at = now() WHERE mark_id "
               "= $1 AND approved_at IS NULL AND withdrawn_at IS NULL RETURNING mark_id",
               "SELECT mark_id FROM settle.manual_mark WHERE mark_id = $1 AND approved_by = $2 AND "
               "withdrawn_at IS NULL",
               NULL);
}

// Also of one that is approved, while the worker has not answered it.
void mark_withdraw_handle(struct ask *ask)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    if (fields_known(ask, names) && field_reason(ask, &reason))
        hands_decide(ask, "mark", "withdrawn", REJECT_MARK,
               "UPDATE settle.manual_mark SET withdrawn_by = $2, withdrawn_at = now(), "
               "withdraw_reason = $3 WHERE mark_id = $1 AND answered_at IS NULL AND withdrawn_at "
               "IS NULL RETURNING mark_id",
               "SELECT mark_id FROM settle.manual_mark WHERE mark_id = $1 AND withdrawn_by = $2",
               reason);
}

// ---- requests that are given up

// Why it cannot be now; the worker looks once more when it is approved.
#define NOT_ABANDONABLE                                                                            \
    "CASE WHEN r.operation = 'cancel_nonce' THEN 'it gives a nonce up itself'"                     \
    " WHEN EXISTS (SELECT FROM settle.attempt a WHERE a.request_id = r.request_id AND a.state IN"  \
    " ('prepared', 'signed', 'sent', 'mined') AND a.fate IS DISTINCT FROM 'over') THEN NULL"       \
    " WHEN r.state <> 'prepared' THEN 'it has ended'"                                              \
    " WHEN EXISTS (SELECT FROM chain.request_leg l WHERE l.request_id = r.request_id AND"          \
    " l.trade_id IS NOT NULL) THEN 'nothing of it is signed: hold its trades instead' END"

// Of a trade the request that it is in.
static bool request_of(struct ask *ask, int64_t *request)
{
    int64_t trade = -1;
    bool failed;
    *request = -1;
    if (!field_number(ask, request, "request", 1, INT64_MAX, OPTIONAL) ||
        !field_number(ask, &trade, "trade", 1, INT64_MAX, OPTIONAL))
        return false;
    if ((*request >= 0) == (trade >= 0)) {
        ask_refuse_field(ask, REJECT_MALFORMED, "request, trade (exactly one)");
        return false;
    }
    struct pg_rows *rows =
        hands_row(ask, &failed,
                "SELECT r.request_id, " NOT_ABANDONABLE " FROM chain.chain_request r WHERE "
                "r.request_id = $1 OR r.request_id = (SELECT max(l.request_id) FROM "
                "chain.request_leg l WHERE l.trade_id = $2 AND l.state IN ('open', 'done'))",
                PG_PARAMS(argument_param(*request), argument_param(trade)));
    if (rows == NULL)
        return !failed && ask_refuse_text(ask, REJECT_NOT_FOUND,
                                          "there is no request of that number, or of that trade");
    *request = pg_number(rows, 0, 0);
    bool good = pg_is_null(rows, 0, 1);
    if (!good)
        ask_refuse_text(ask, REJECT_ABANDONMENT_REQUEST, pg_value(rows, 0, 1));
    pg_rows_free(rows);
    return good;
}

// One is open at a time; that of the same person is this one.
static void abandon_again(struct ask *ask, int64_t request)
{
    bool failed;
    struct pg_rows *rows =
        hands_row(ask, &failed,
                "SELECT abandonment_id, proposed_by = $2 AND approved_at IS NULL FROM "
                "settle.abandonment WHERE request_id = $1 AND answered_at IS NULL AND "
                "withdrawn_at IS NULL",
                PG_PARAMS(pg_i64(request), pg_text(ask->who->name)));
    if (rows == NULL) {
        if (!failed) // answered at this very moment
            ask_refuse(ask, REJECT_ABANDONMENT_REQUEST, 0, request, 0);
        return;
    }
    if (pg_number(rows, 0, 1) != 0)
        hands_tell(ask, "abandonment", pg_number(rows, 0, 0), "proposed", true);
    else
        ask_refuse(ask, REJECT_ABANDONMENT_OPEN, 0, pg_number(rows, 0, 0), 0);
    pg_rows_free(rows);
}

void abandon_handle(struct ask *ask)
{
    static const char *const names[] = {"request", "trade", "reason", NULL};
    const char *reason = NULL;
    int64_t request;
    bool failed;
    if (!fields_known(ask, names) || !field_reason(ask, &reason) || !request_of(ask, &request))
        return;
    struct pg_rows *rows =
        hands_row(ask, &failed,
                "INSERT INTO settle.abandonment (request_id, reason, proposed_by) VALUES ($1, $2, "
                "$3) ON CONFLICT DO NOTHING RETURNING abandonment_id",
                PG_PARAMS(pg_i64(request), pg_text(reason), pg_text(ask->who->name)));
    if (rows == NULL) {
        if (!failed)
            abandon_again(ask, request);
        return;
    }
    hands_tell(ask, "abandonment", pg_number(rows, 0, 0), "proposed", false);
    pg_rows_free(rows);
}

void abandon_approve_handle(struct ask *ask)
{
    static const char *const names[] = {NULL};
    if (fields_known(ask, names) &&
        hands_is_another(ask, "SELECT FROM settle.abandonment WHERE abandonment_id = $1 AND proposed_by "
                        "= $2 AND approved_at IS NULL AND withdrawn_at IS NULL"))
        hands_decide(ask, "abandonment", "approved", REJECT_ABANDONMENT,
               "UPDATE settle.abandonment SET approved_by = $2, approved_at = now() WHERE "
               "abandonment_id = $1 AND approved_at IS NULL AND withdrawn_at IS NULL RETURNING "
               "abandonment_id",
               "SELECT abandonment_id FROM settle.abandonment WHERE abandonment_id = $1 AND "
               "approved_by = $2",
               NULL);
}

// As long as nobody has approved it: then the worker may have begun.
void abandon_withdraw_handle(struct ask *ask)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    if (fields_known(ask, names) && field_reason(ask, &reason))
        hands_decide(ask, "abandonment", "withdrawn", REJECT_ABANDONMENT,
               "UPDATE settle.abandonment SET withdrawn_by = $2, withdrawn_at = now(), "
               "withdraw_reason = $3 WHERE abandonment_id = $1 AND approved_at IS NULL AND "
               "withdrawn_at IS NULL RETURNING abandonment_id",
               "SELECT abandonment_id FROM settle.abandonment WHERE abandonment_id = $1 AND "
               "withdrawn_by = $2",
               reason);
}

// ---- incidents

void incident_close_handle(struct ask *ask)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    if (fields_known(ask, names) && field_reason(ask, &reason))
        hands_decide(ask, "incident", "closing", REJECT_INCIDENT,
               "UPDATE settle.incident SET close_proposed_by = $2, close_proposed_at = now(), "
               "close_reason = $3 WHERE incident_id = $1 AND closed_at IS NULL AND "
               "close_proposed_at IS NULL RETURNING incident_id",
               "SELECT incident_id FROM settle.incident WHERE incident_id = $1 AND "
               "close_proposed_by = $2 AND closed_at IS NULL",
               reason);
}

void incident_approve_handle(struct ask *ask)
{
    static const char *const names[] = {NULL};
    if (fields_known(ask, names) &&
        hands_is_another(ask, "SELECT FROM settle.incident WHERE incident_id = $1 AND close_proposed_by "
                        "= $2 AND closed_at IS NULL"))
        hands_decide(ask, "incident", "closed", REJECT_INCIDENT,
               "UPDATE settle.incident SET closed_by = $2, closed_at = now() WHERE incident_id = "
               "$1 AND closed_at IS NULL AND close_proposed_at IS NOT NULL RETURNING incident_id",
               "SELECT incident_id FROM settle.incident WHERE incident_id = $1 AND closed_by = $2",
               NULL);
}

// The proposal to close it ends; the incident stays.
void incident_withdraw_handle(struct ask *ask)
{
    static const char *const names[] = {NULL};
    if (fields_known(ask, names))
        hands_decide(ask, "incident", "open", REJECT_INCIDENT,
               "UPDATE settle.incident SET close_proposed_by = NULL, close_proposed_at = NULL, "
               "close_reason = NULL WHERE incident_id = $1 AND closed_at IS NULL AND "
               "close_proposed_at IS NOT NULL AND $2::text IS NOT NULL RETURNING incident_id",
               "SELECT incident_id FROM settle.incident WHERE incident_id = $1 AND closed_at IS "
               "NULL AND $2::text IS NOT NULL",
               NULL);
}
