// Two persons: a call that is proposed by one operator and approved by another. What is proposed is
// a call of this interface, with its body; its handler runs as always, but its command travels in a
// propose (proposal_command). The row of people.proposal, and of a ledger request the request's,
// are committed once the core has answered; a proposal of the core whose answer was lost has no
// row, so that nobody can read what it says: it can be withdrawn, never approved.
//
// An approval whose answer was lost is answered from the record when it is asked for again.
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/requests.h"
#include "schema/words.h"

// What can be proposed; its command.
static const struct {
    handler *handle;
    uint8_t type;
} proposable[] = {
    {limits_handle, CMD_limits_set},  {breaker_handle, CMD_breaker_set},
    {unkill_handle, CMD_kill_set},    {venue_rules_handle, CMD_venue_rules_set},
    {ledger_handle, CMD_ledger_post}, {credit_handle, CMD_ledger_post},
    {debit_handle, CMD_ledger_post},  {transfer_handle, CMD_ledger_post},
    {cover_handle, CMD_ledger_post},  {correct_handle, CMD_trade_correct},
    {bust_handle, CMD_trade_correct},
};

static uint8_t command_of(const struct route *route)
{
    for (size_t i = 0; i < sizeof proposable / sizeof proposable[0]; i++)
        if (proposable[i].handle == route->handle)
            return proposable[i].type;
    return 0;
}

bool proposal_command(struct ask *ask, struct desk_answer *answer, uint8_t type, const void *body,
                      size_t body_bytes, const void *tail, size_t tail_bytes)
{
    struct proposing *proposing = ask->proposing;
    uint8_t content[PROPOSAL_BYTES_MAX];
    ASSERT(proposing != NULL && type == proposing->type);
    ASSERT(body_bytes + tail_bytes <= sizeof content);
    memcpy(content, body, body_bytes);
    if (tail_bytes > 0)
        memcpy(content + body_bytes, tail, tail_bytes);
    struct propose_cmd propose = {.operator_id = (uint32_t)ask->who->login,
                                  .proposed = type,
                                  .body_bytes = (uint16_t)(body_bytes + tail_bytes)};
    ask->proposing = NULL;
    bool done = ask_command(ask, answer, CMD_propose, &propose, sizeof propose, content,
                            propose.body_bytes);
    ask->proposing = proposing;
    return done;
}

void proposal_hint(struct ask *ask)
{
    const char *call = ask->path + strlen(ADMIN_ROOT "/");
    json_t *error = json_object_get(ask->answer, "error");
    const char *type = json_string_value(json_object_get(error, "value"));
    const char *command = command_name((uint8_t)strtoul(type, NULL, 10));
    json_object_set_new(error, "text", json_sprintf("%s needs two persons here", command));
    json_object_set_new(error, "propose", json_pack("{s:s, s:O}", "call", call, "body", ask->body));
    json_object_set_new(
        error, "hint",
        json_string("POST /api/v1/admin/proposals with what `propose` says; another "
                    "operator approves it"));
}

// ---- propose

struct proposal {
    const char *call, *note;
    json_t *body;
    const struct route *route;
    uint64_t id; // number in the call's path
    struct proposing proposing;
};

static bool proposal_fields(struct ask *ask, struct proposal *p)
{
    static const char *const names[] = {"call", "body", "note", NULL};
    char path[HTTP_PATH_BYTES_MAX];
    p->note = "";
    if (!fields_known(ask, names) || !field_text(ask, &p->call, "call", REQUIRED) ||
        !field_text(ask, &p->note, "note", OPTIONAL))
        return false;
    snprintf(path, sizeof path, ADMIN_ROOT "/%s", p->call);
    p->route = route_find(HTTP_POST, path, &p->id);
    p->proposing.type = p->route ? command_of(p->route) : 0;
    p->body = json_object_get(ask->body, "body");
    if (p->proposing.type == 0) {
        ask_refuse_field(ask, REJECT_MALFORMED,
                         "call (limits, breaker, unkill, venue/rules, "
                         "credits, debits, transfers, covers, correct, bust)");
    } else if (p->body != NULL && !json_is_object(p->body)) {
        ask_refuse_field(ask, REJECT_MALFORMED, "body");
    } else if (ask->who->role < p->route->role) {
        ask_refuse(ask, REJECT_FORBIDDEN, 0, 0, 0);
    } else {
        return true;
    }
    return false;
}

// Runs the call's handler, whose command travels in a propose.
static void run_proposed(struct ask *ask, struct proposal *p)
{
    const struct route *route = ask->route;
    json_t *body = ask->body, *empty = json_object();
    uint64_t id = ask->id;
    ask->route = p->route;
    ask->body = p->body ? p->body : empty;
    ask->id = p->id;
    ask->proposing = &p->proposing;
    p->route->handle(ask);
    ask->proposing = NULL;
    ask->id = id;
    ask->body = body;
    ask->route = route;
    json_decref(empty);
}

static bool write_down(struct ask *ask, const struct proposal *p)
{
    struct pg *pg = ask->admin->pg;
    char *body = json_dumps(p->body, JSON_COMPACT);
    bool written =
        pg_query(pg, NULL,
                 "INSERT INTO people.proposal (proposal_id, call, body, proposed, note, login_id) "
                 "VALUES ($1, $2, coalesce($3, '{}')::jsonb, $4, $5, $6)",
                 PG_PARAMS(pg_i64((int64_t)ask->sequence), pg_text(p->call), pg_text(body),
                           pg_text(command_name(p->proposing.type)), pg_text(p->note),
                           pg_i64(ask->who->login))) == PG_OK &&
        (p->proposing.number == 0 ||
         pg_query(pg, NULL, "UPDATE people.ledger_request SET proposal_id = $2 WHERE number = $1",
                  PG_PARAMS(pg_i64(p->proposing.number), pg_i64((int64_t)ask->sequence))) ==
             PG_OK) &&
        pg_commit(pg) == PG_OK;
    free(body);
    return written || ask_database_failed(ask);
}

void proposal_handle(struct ask *ask)
{
    struct proposal p = {0};
    if (!proposal_fields(ask, &p) || !requests_resolve(ask))
        return;
    ask->sequence = 0;
    if (pg_begin(ask->admin->pg) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    run_proposed(ask, &p);
    bool proposed = ask->status == 200 && json_object_get(ask->answer, "events") != NULL;
    if (proposed && write_down(ask, &p)) // else refused, or known: a proposal that waits
        json_object_set_new(ask->answer, "proposal", json_integer((json_int_t)ask->sequence));
}

// ---- decide

struct decided {
    const char *state; // of the record; "" = the record has none
    int64_t approver, sequence;
    enum role role; // that its call needs; ROLE_NOBODY: nobody can read what it says
    uint8_t type;   // of its command
    int64_t number; // of its ledger request that waits; 0 = none
};

static uint8_t type_of(const char *call, enum role *role)
{
    char path[HTTP_PATH_BYTES_MAX];
    uint64_t id;
    snprintf(path, sizeof path, ADMIN_ROOT "/%s", call);
    const struct route *route = route_find(HTTP_POST, path, &id);
    *role = route ? route->role : ROLE_NOBODY;
    return route ? command_of(route) : 0;
}

// One state of the record, or "", for good.
static const char *state_word(const char *state)
{
    static const char *const words[] = {"open", "approved", "withdrawn", "failed"};
    for (size_t i = 0; state != NULL && i < sizeof words / sizeof words[0]; i++)
        if (!strcmp(words[i], state))
            return words[i];
    return "";
}

static bool proposal_read(struct ask *ask, struct decided *d)
{
    struct pg_rows *rows;
    *d = (struct decided){.state = ""};
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT p.call, r.state, r.approver, r.sequence, q.number FROM (SELECT $1::bigint "
                 "AS proposal_id) asked LEFT JOIN people.proposal p USING (proposal_id)"
                 " LEFT JOIN record.proposal r USING (proposal_id) LEFT JOIN people.ledger_request "
                 "q ON q.proposal_id = asked.proposal_id AND q.state = 'proposed'",
                 PG_PARAMS(pg_i64((int64_t)ask->id))) != PG_OK)
        return ask_database_failed(ask);
    if (!pg_is_null(rows, 0, 0))
        d->type = type_of(pg_value(rows, 0, 0), &d->role);
    d->state = state_word(pg_value(rows, 0, 1));
    d->approver = pg_number(rows, 0, 2);
    d->sequence = pg_number(rows, 0, 3);
    d->number = pg_number(rows, 0, 4);
    pg_rows_free(rows);
    return true;
}

// The answer to the same decision by the same operator was lost.
static bool repeated(struct ask *ask, const struct decided *d, const char *state)
{
    if (strcmp(d->state, state) != 0 || d->approver != ask->who->login)
        return false;
    ask_done(ask, json_pack("{s:I, s:I, s:s, s:b}", "sequence", (json_int_t)d->sequence, "proposal",
                            (json_int_t)ask->id, "state", state, "repeated", 1));
    return true;
}

static bool decide(struct ask *ask, struct desk_answer *answer, uint8_t decision)
{
    struct approve_cmd body = {
        .proposal = ask->id, .operator_id = (uint32_t)ask->who->login, .decision = decision};
    return ask_command(ask, answer, CMD_approve, &body, sizeof body, NULL, 0);
}

static bool moves_money(uint8_t type)
{
    return type == CMD_ledger_post || type == CMD_trade_correct;
}

// Of a proposal that was carried out: done, or failed with the command's refusal.
static void close_approved(struct ask *ask, const struct desk_answer *answer,
                           const struct decided *d, bool done)
{
    uint16_t code = done ? REJECT_NONE : answer->events[0].body.rejected.code;
    bool closed = d->number == 0 || request_close(ask, d->number, answer->sequence, code);
    json_object_set_new(ask->answer, "proposal", json_integer((json_int_t)ask->id));
    json_object_set_new(ask->answer, "state", json_string(done ? "approved" : "failed"));
    if (!closed) // the record will say it
        json_object_set_new(ask->answer, "database", json_string("behind"));
}

void approve_handle(struct ask *ask)
{
    static const char *const names[] = {NULL};
    struct decided d;
    struct desk_answer answer;
    if (!fields_known(ask, names) || !requests_resolve(ask) || !proposal_read(ask, &d) ||
        repeated(ask, &d, "approved"))
        return;
    if (d.type == 0 || (moves_money(d.type) && d.number == 0)) {
        ask_refuse(ask, REJECT_PROPOSAL, 0, (int64_t)ask->id, 0);
        return;
    }
    if (ask->who->role < d.role) {
        ask_refuse(ask, REJECT_FORBIDDEN, 0, 0, 0);
        return;
    }
    bool done = decide(ask, &answer, PROPOSAL_APPROVE);
    bool decided = answer.outcome <= DESK_REJECTED && answer.count > 0 &&
                   answer.events[answer.count - 1].header.type == EVT_proposal_changed;
    if (decided) // else refused itself: not open, or the proposer's own
        close_approved(ask, &answer, &d, done);
}

void withdraw_handle(struct ask *ask)
{
    static const char *const names[] = {NULL};
    struct decided d;
    struct desk_answer answer;
    if (!fields_known(ask, names) || !requests_resolve(ask) || !proposal_read(ask, &d) ||
        repeated(ask, &d, "withdrawn") || !decide(ask, &answer, PROPOSAL_WITHDRAW))
        return;
    json_object_set_new(ask->answer, "proposal", json_integer((json_int_t)ask->id));
    json_object_set_new(ask->answer, "state", json_string("withdrawn"));
    if (d.number != 0 &&
        pg_query(ask->admin->pg, NULL,
                 "UPDATE people.ledger_request SET state = 'withdrawn', sequence = $2, answered_at "
                 "= now() WHERE number = $1 AND state = 'proposed'",
                 PG_PARAMS(pg_i64(d.number), pg_i64((int64_t)answer.sequence))) != PG_OK)
        json_object_set_new(ask->answer, "database", json_string("behind"));
}
