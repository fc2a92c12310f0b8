// Happy path of a direct request: the row is committed as `requested` with its number, the command
// is sent, the row becomes `done` with the command's sequence. A row that is still `requested` (a
// crash, no answer) is resolved before any newer number is sent, by sending it again: the engine
// answers a number that it has taken with the same content as done.
//
// Of a proposed one: the row is written as `proposed` in the transaction of its proposal, so that
// there is none without the other; it becomes `done` or `rejected` by the answer to the approval,
// or, when that answer was lost, by what the record says of the proposal. One that was withdrawn or
// has expired becomes `withdrawn`.
//
// The same reference with the same content is answered as done, with other content refused. A
// request that was rejected or withdrawn may be tried again under its reference: it gets a new
// number, because the engine did not take the old one.
#include "gateway/admin/requests.h"

#include <string.h>

const char *const request_kinds[REQUEST_KINDS] = {"deposit",   "withdrawal", "credit",
                                                  "debit",     "transfer",   "chain_in",
                                                  "chain_out", "cover",      "correction"};

void request_conflict(struct ask *ask, const char *reference)
{
    char text[160];
    snprintf(text, sizeof text, "reference %.100s was used with other content", reference);
    ask_refuse_text(ask, REJECT_REFERENCE_CONFLICT, text);
}

bool request_close(struct ask *ask, int64_t number, uint64_t sequence, uint16_t code)
{
    return pg_query(ask->admin->pg, NULL,
                    "UPDATE people.ledger_request SET state = $2, sequence = $3, reject_code = $4, "
                    "answered_at = now() WHERE number = $1 AND answered_at IS NULL",
                    PG_PARAMS(pg_i64(number), pg_text(code ? "rejected" : "done"),
                              pg_i64((int64_t)sequence), code ? pg_i64(code) : pg_null())) == PG_OK;
}

// ---- sending

static bool send_posting(struct ask *ask, const struct request *request, struct desk_answer *answer)
{
    struct ledger_post_cmd body = {.account = (uint32_t)request->account,
                                   .asset = (uint32_t)request->asset,
                                   .amount = request->amount,
                                   .kind = (uint8_t)(request->kind + 1),
                                   .ref_source = (uint32_t)request->source,
                                   .ref_number = (uint64_t)request->number,
                                   .ref_hash = (uint64_t)request->hash,
                                   .counter_account = (uint32_t)request->counter,
                                   .operator_id = (uint32_t)request->operator_id};
    return ask_command(ask, answer, CMD_ledger_post, &body, sizeof body, NULL, 0);
}

static bool send_correction(struct ask *ask, const struct request *request,
                            struct desk_answer *answer)
{
    static const char *const record[] = {
        "trade",  NULL,        NULL,        NULL,         "instrument", "buyer",
        "seller", NULL,        NULL,        "quantity",   "quantity",   "total",
        "price",  "buyer_fee", "buyer_fee", "seller_fee", "seller_fee"};
    struct trade_correct_cmd body = request->correction;
    body.ref_number = (uint64_t)request->number;
    body.ref_hash = (uint64_t)request->hash;
    body.ref_source = (uint32_t)request->source;
    body.operator_id = (uint32_t)request->operator_id;
    if (ask_command(ask, answer, CMD_trade_correct, &body, sizeof body, NULL, 0))
        return true;
    ask_name_field(ask, answer, REJECT_CORRECTION, WORDS(record));
    return false;
}

// True = its outcome is known and written down.
static bool carry_out(struct ask *ask, const struct request *request)
{
    struct desk_answer answer;
    bool done = request->kind == REQUEST_CORRECTION ? send_correction(ask, request, &answer)
                                                    : send_posting(ask, request, &answer);
    if (ask->proposing != NULL) // the row is the transaction's, which proposals.c ends
        return true;
    if (done)
        return request_close(ask, request->number, answer.sequence, 0);
    if (answer.outcome == DESK_REJECTED)
        return request_close(ask, request->number, answer.sequence,
                             answer.events[0].body.rejected.code);
    return false; // not sent, or unknown: it stays requested
}

void request_send(struct ask *ask, const struct request *request)
{
    if (!carry_out(ask, request) && ask->status == 200) // durable; the row follows when the
        json_object_set_new(ask->answer, "database", json_string("behind")); // database is back
}

// ---- what was left open

static int64_t kind_of(const char *word)
{
    for (int64_t i = 0; i < REQUEST_KINDS; i++)
        if (!strcmp(request_kinds[i], word))
            return i;
    ASSERT(false); // the table has a check
}

static void read_correction(struct trade_correct_cmd *out, const struct pg_rows *rows, size_t row,
                            int column)
{
    *out = (struct trade_correct_cmd){.trade_id = (uint64_t)pg_number(rows, row, column),
                                      .instrument = (uint32_t)pg_number(rows, row, column + 1),
                                      .buyer_account = (uint32_t)pg_number(rows, row, column + 2),
                                      .seller_account = (uint32_t)pg_number(rows, row, column + 3),
                                      .quantity = pg_number(rows, row, column + 4),
                                      .new_quantity = pg_number(rows, row, column + 5),
                                      .notional = pg_number(rows, row, column + 6),
                                      .new_notional = pg_number(rows, row, column + 7),
                                      .buyer_fee = pg_number(rows, row, column + 8),
                                      .new_buyer_fee = pg_number(rows, row, column + 9),
                                      .seller_fee = pg_number(rows, row, column + 10),
                                      .new_seller_fee = pg_number(rows, row, column + 11)};
}

static bool resend_open(struct ask *ask)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT number, kind, account_id, asset_id, amount, content_hash, source,"
                 " coalesce(counter_account_id, 0), coalesce(operator_id, 0), trade_id,"
                 " instrument_id, buyer_account, seller_account, quantity, new_quantity, notional,"
                 " new_notional, buyer_fee, new_buyer_fee, seller_fee, new_seller_fee"
                 " FROM people.ledger_request LEFT JOIN people.correction_request USING (reference)"
                 " WHERE state = 'requested' ORDER BY number",
                 PG_NO_PARAMS) != PG_OK)
        return ask_database_failed(ask);
    bool resolved = true;
    for (size_t i = 0; i < pg_rows_count(rows) && resolved; i++) {
        struct request request = {.number = pg_number(rows, i, 0),
                                  .kind = kind_of(pg_value(rows, i, 1)),
                                  .account = pg_number(rows, i, 2),
                                  .asset = pg_number(rows, i, 3),
                                  .amount = pg_number(rows, i, 4),
                                  .hash = pg_number(rows, i, 5),
                                  .source = pg_number(rows, i, 6),
                                  .counter = pg_number(rows, i, 7),
                                  .operator_id = pg_number(rows, i, 8)};
        read_correction(&request.correction, rows, i, 9);
        resolved = carry_out(ask, &request);
    }
    pg_rows_free(rows);
    return resolved;
}

// The record is the tape's word: what was decided is known from it even when nobody heard the
// answer. An expired proposal can be carried out no more; a minute is for clocks that differ.
static bool close_decided(struct ask *ask)
{
    return pg_query(ask->admin->pg, NULL,
                    "UPDATE people.ledger_request q SET state = CASE p.state WHEN 'approved' THEN "
                    "'done' WHEN 'failed' THEN 'rejected' ELSE 'withdrawn' END, sequence = "
                    "p.sequence, reject_code = CASE WHEN p.state = 'failed' THEN coalesce((SELECT "
                    "j.code FROM record.reject j WHERE j.sequence = p.sequence ORDER BY "
                    "j.event_index LIMIT 1), 1) END, answered_at = now() FROM record.proposal p"
                    " WHERE q.state = 'proposed' AND p.proposal_id = q.proposal_id AND (p.state <> "
                    "'open' OR p.expires_at < now() - interval '1 minute')",
                    PG_NO_PARAMS) == PG_OK ||
           ask_database_failed(ask);
}

bool requests_resolve(struct ask *ask)
{
    ASSERT(ask->proposing == NULL);
    return close_decided(ask) && resend_open(ask);
}

// ---- writing down

// A source that no waiting request has. False: all are taken, or no database.
static bool choose_source(struct ask *ask, struct request *request)
{
    struct pg_rows *rows;
    enum { LANES = REQUEST_LANE_LAST - REQUEST_LANE_FIRST + 1 };
    request->source = REF_ADMIN;
    if (ask->proposing == NULL)
        return true;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT min(lane) FROM generate_series($1::integer, $2::integer) lane WHERE NOT "
                 "EXISTS (SELECT FROM people.ledger_request WHERE state = 'proposed' AND source = "
                 "lane)",
                 PG_PARAMS(pg_i64(REQUEST_LANE_FIRST), pg_i64(REQUEST_LANE_LAST))) != PG_OK)
        return ask_database_failed(ask);
    bool found = !pg_is_null(rows, 0, 0);
    request->source = found ? pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    if (!found)
        ask_refuse(ask, REJECT_PROPOSALS_MAX, LANES, LANES, 0);
    return found;
}

// Of a reference that is known and not to be tried again.
static void answer_known(struct ask *ask, const struct pg_rows *rows, const struct request *request)
{
    const char *state = pg_value(rows, 0, 1);
    char text[160];
    if (pg_number(rows, 0, 0) != request->hash) {
        request_conflict(ask, request->reference);
    } else if (!strcmp(state, "done")) {
        ask_done(ask, json_pack("{s:I, s:b}", "sequence", (json_int_t)pg_number(rows, 0, 2),
                                "repeated", 1));
    } else if (ask->proposing != NULL) {
        ask_done(ask, json_pack("{s:I, s:b}", "proposal", (json_int_t)pg_number(rows, 0, 4),
                                "repeated", 1));
    } else {
        snprintf(text, sizeof text, "proposal %lld with this reference waits for another operator",
                 (long long)pg_number(rows, 0, 4));
        ask_refuse_text(ask, REJECT_NEEDS_APPROVAL, text);
    }
}

static bool ask_again(struct ask *ask, struct request *request)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "UPDATE people.ledger_request SET number = nextval('people.ledger_number'),"
                 " state = $2, source = $3, operator_id = $4, requested_by = $5, proposal_id = "
                 "NULL, reject_code = NULL, sequence = NULL, answered_at = NULL"
                 " WHERE reference = $1 AND state IN ('rejected', 'withdrawn') RETURNING number",
                 PG_PARAMS(pg_text(request->reference),
                           pg_text(ask->proposing ? "proposed" : "requested"),
                           pg_i64(request->source), pg_i64(request->operator_id),
                           pg_text(ask->who->name))) != PG_OK)
        return ask_database_failed(ask);
    ASSERT(pg_rows_count(rows) == 1); // nothing is left open, nobody else writes
    request->number = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return true;
}

// The reference is known: answered already, or to be tried again.
static bool known_reference(struct ask *ask, struct request *request)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT content_hash, state, sequence, number, proposal_id"
                 " FROM people.ledger_request WHERE reference = $1",
                 PG_PARAMS(pg_text(request->reference))) != PG_OK)
        return ask_database_failed(ask);
    ASSERT(pg_rows_count(rows) == 1); // rows are never removed
    const char *state = pg_value(rows, 0, 1);
    bool again = pg_number(rows, 0, 0) == request->hash &&
                 (!strcmp(state, "rejected") || !strcmp(state, "withdrawn"));
    if (!again)
        answer_known(ask, rows, request);
    pg_rows_free(rows);
    return again && ask_again(ask, request);
}

static bool insert_correction(struct ask *ask, const struct request *request)
{
    const struct trade_correct_cmd *c = &request->correction;
    return pg_query(ask->admin->pg, NULL,
                    "INSERT INTO people.correction_request (reference, trade_id, instrument_id, "
                    "buyer_account, seller_account, quantity, new_quantity, notional, "
                    "new_notional, buyer_fee, new_buyer_fee, seller_fee, new_seller_fee) VALUES "
                    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
                    PG_PARAMS(pg_text(request->reference), pg_i64((int64_t)c->trade_id),
                              pg_i64(c->instrument), pg_i64(c->buyer_account),
                              pg_i64(c->seller_account), pg_i64(c->quantity),
                              pg_i64(c->new_quantity), pg_i64(c->notional), pg_i64(c->new_notional),
                              pg_i64(c->buyer_fee), pg_i64(c->new_buyer_fee), pg_i64(c->seller_fee),
                              pg_i64(c->new_seller_fee))) == PG_OK ||
           ask_database_failed(ask);
}

// True = it is new (number > 0) or known (number 0).
static bool insert_request(struct ask *ask, struct request *request)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "INSERT INTO people.ledger_request (reference, number, content_hash, kind, "
                 "account_id, asset_id, amount, note, requested_by, source, counter_account_id, "
                 "operator_id, state) VALUES ($1, nextval('people.ledger_number'), $2, $3, $4, $5, "
                 "$6, $7, $8, $9, $10, $11, $12) ON CONFLICT (reference) DO NOTHING RETURNING "
                 "number",
                 PG_PARAMS(pg_text(request->reference), pg_i64(request->hash),
                           pg_text(request_kinds[request->kind]), pg_i64(request->account),
                           pg_i64(request->asset), pg_i64(request->amount), pg_text(request->note),
                           pg_text(ask->who->name), pg_i64(request->source),
                           request->counter ? pg_i64(request->counter) : pg_null(),
                           pg_i64(request->operator_id),
                           pg_text(ask->proposing ? "proposed" : "requested"))) != PG_OK)
        return ask_database_failed(ask);
    bool is_new = pg_rows_count(rows) == 1;
    request->number = is_new ? pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    return !is_new || request->kind != REQUEST_CORRECTION || insert_correction(ask, request);
}

// A proposed one is written in the transaction of its proposal.
bool request_register(struct ask *ask, struct request *request)
{
    struct pg *pg = ask->admin->pg;
    request->operator_id = ask->who->login;
    if (ask->proposing == NULL && pg_begin(pg) != PG_OK)
        return ask_database_failed(ask);
    if (!choose_source(ask, request) || !insert_request(ask, request) ||
        (request->number == 0 && !known_reference(ask, request)))
        return false;
    if (ask->proposing != NULL)
        ask->proposing->number = request->number;
    else if (pg_commit(pg) != PG_OK)
        return ask_database_failed(ask);
    return true;
}
