// Settlement instructions (docs/xvp.md): what an operator asks for becomes one command to the
// engine, under a text reference (people.xvp_request), as a ledger request does (requests.c): the
// row is committed as `requested` with its number, the command is sent, the row becomes `done` with
// the instruction's id. What a crash leaves `requested` is sent again before a newer number is: the
// engine answers a number that it has taken with the same content as done, and the row then learns
// its id from the record.
//
// The numbers are people.ledger_number's under a source of their own (REF_XVP), so that
// neither kind of request waits for the other.
#include <stdlib.h>
#include <string.h>

#include "base/fnv1a.h"
#include "gateway/admin/requests.h"
#include "gateway/admin/xvp_lock.h"
#include "schema/words.h"

enum { NAME_BYTES_MAX = 200, LEG_NUMBERS = 5 };

struct instruction {
    const char *reference, *name;
    int64_t number, hash, cutoff_ns, chain_asset;
    int auto_execute;
    size_t leg_count;
    struct xvp_leg_tail legs[XVP_LEGS_MAX];
    struct xvp_lock_asked lock;
};

// ---- legs as rows

// [[from, to, asset, kind, units], …]; the caller frees it.
static char *legs_text(const struct instruction *xvp)
{
    json_t *legs = json_array();
    for (size_t i = 0; i < xvp->leg_count; i++) {
        const struct xvp_leg_tail *leg = &xvp->legs[i];
        json_array_append_new(legs, json_pack("[I, I, I, I, I]", (json_int_t)leg->from,
                                              (json_int_t)leg->to, (json_int_t)leg->asset,
                                              (json_int_t)leg->kind, (json_int_t)leg->amount));
    }
    char *text = json_dumps(legs, JSON_COMPACT);
    json_decref(legs);
    ASSERT(text != NULL);
    return text;
}

static void legs_read(struct instruction *xvp, const char *text)
{
    json_t *legs = json_loads(text, 0, NULL);
    xvp->leg_count = json_array_size(legs);
    ASSERT(xvp->leg_count <= XVP_LEGS_MAX); // written by legs_text
    for (size_t i = 0; i < xvp->leg_count; i++) {
        int64_t numbers[LEG_NUMBERS];
        for (size_t k = 0; k < LEG_NUMBERS; k++)
            numbers[k] = json_integer_value(json_array_get(json_array_get(legs, i), k));
        xvp->legs[i] = (struct xvp_leg_tail){.from = (uint32_t)numbers[0],
                                             .to = (uint32_t)numbers[1],
                                             .asset = (uint32_t)numbers[2],
                                             .kind = (uint32_t)numbers[3],
                                             .amount = numbers[4]};
    }
    json_decref(legs);
}

// "{1,2}": the assets of the legs, for Postgres.
static void assets_text(const struct instruction *xvp, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < xvp->leg_count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%c%u", i == 0 ? '{' : ',',
                                 xvp->legs[i].asset);
    snprintf(out + used, size - used, "}");
}

// Of what is asked for.
static int64_t content_hash(const struct instruction *xvp)
{
    char *legs = legs_text(xvp);
    char head[64];
    snprintf(head, sizeof head, "%lld/%d/", (long long)xvp->cutoff_ns, xvp->auto_execute);
    uint64_t hash = fnv1a(fnv1a(FNV1A_BASIS, head, strlen(head)), legs, strlen(legs));
    free(legs);
    return (int64_t)xvp_lock_hash(&xvp->lock, hash);
}

// ---- what is asked for

static bool leg_read(struct ask *ask, void *out)
{
    static const char *const names[] = {"from", "to", "asset", "amount", "kind", NULL};
    static const char *const kinds[] = {"local"}; // the others are xvp_lock.c's
    struct xvp_leg_tail *leg = out;
    int64_t from = 0, to = 0, kind = 0;
    struct request_asset asset;
    if (!fields_known(ask, names) || !field_number(ask, &from, "from", 1, INT32_MAX, REQUIRED) ||
        !field_number(ask, &to, "to", 1, INT32_MAX, REQUIRED) ||
        !field_word(ask, &kind, "kind", WORDS(kinds), OPTIONAL) || !request_asset(ask, &asset) ||
        !field_decimal(ask, &leg->amount, "amount", asset.scale, REQUIRED))
        return false;
    leg->from = (uint32_t)from;
    leg->to = (uint32_t)to;
    leg->asset = (uint32_t)asset.id;
    leg->kind = (uint32_t)kind + XVP_LOCAL;
    return true;
}

static bool legs_parse(struct ask *ask, struct instruction *xvp)
{
    size_t place, count = 0;
    json_t *leg, *legs = json_object_get(ask->body, "legs");
    json_array_foreach(legs, place, leg) count += !xvp_leg_is_external(leg);
    if (json_is_array(legs) && (count == 0 || count > XVP_LEGS_MAX)) {
        ask_refuse(ask, REJECT_XVP_LEGS, XVP_LEGS_MAX, (int64_t)count, 0);
        return false;
    }
    legs = field_list(ask, "legs", XVP_LEGS_MAX + XVP_EXTERNALS_MAX);
    if (legs == NULL)
        return false;
    json_array_foreach(legs, place, leg)
    {
        char name[32];
        snprintf(name, sizeof name, "legs[%zu]", place);
        if (!xvp_leg_is_external(leg) &&
            !field_entry(ask, leg, name, leg_read, &xvp->legs[xvp->leg_count++]))
            return false;
    }
    return true;
}

static bool parse(struct ask *ask, struct instruction *xvp)
{
    static const char *const names[] = {"reference", "name",     "cutoff", "auto_execute",
                                        "legs",      "hashlock", NULL};
    *xvp = (struct instruction){.auto_execute = 1};
    if (!fields_known(ask, names) || !field_text(ask, &xvp->reference, "reference", REQUIRED) ||
        !field_text(ask, &xvp->name, "name", REQUIRED) ||
        !field_time(ask, &xvp->cutoff_ns, "cutoff", REQUIRED) ||
        !field_bool(ask, &xvp->auto_execute, "auto_execute", OPTIONAL) || !legs_parse(ask, xvp) ||
        !xvp_lock_parse(ask, &xvp->lock))
        return false;
    xvp->hash = content_hash(xvp);
    return true;
}

// ---- sending

static bool request_done(struct ask *ask, int64_t number, uint64_t id, uint16_t code)
{
    return pg_query(ask->admin->pg, NULL,
                    "UPDATE people.xvp_request SET state = $2, sequence = $3, reject_code = $4, "
                    "answered_at = now() WHERE number = $1 AND state = 'requested'",
                    PG_PARAMS(pg_i64(number), pg_text(code != 0 ? "rejected" : "done"),
                              pg_i64((int64_t)id), code != 0 ? pg_i64(code) : pg_null())) == PG_OK;
}

// It was carried out in an earlier life: the record has its id, or will have.
static bool request_recall(struct ask *ask, int64_t number)
{
    struct pg_rows *rows;
    if (!record_is_current(ask))
        return false;
    if (pg_query(ask->admin->pg, &rows,
                 "UPDATE people.xvp_request q SET state = 'done', sequence = s.xvp_id, answered_at "
                 "= now() FROM record.xvp_step s WHERE q.number = $1 AND q.state = 'requested' AND "
                 "s.ref_number = q.number AND s.step = 'created' RETURNING s.xvp_id",
                 PG_PARAMS(pg_i64(number))) != PG_OK)
        return ask_database_failed(ask);
    ASSERT(pg_rows_count(rows) == 1); // the engine has said so, and the record has all it has done
    ask->sequence = (uint64_t)pg_number(rows, 0, 0);
    pg_rows_free(rows);
    return true;
}

// True = its outcome is known and written down.
static bool carry_out(struct ask *ask, const struct instruction *xvp)
{
    struct desk_answer answer;
    const struct xvp_create_cmd body = {.ref_number = (uint64_t)xvp->number,
                                        .ref_hash = (uint64_t)xvp->hash,
                                        .cutoff_ns = (uint64_t)xvp->cutoff_ns,
                                        .ref_source = REF_XVP,
                                        .operator_id = (uint32_t)ask->who->login,
                                        .flags = xvp->auto_execute ? XVP_AUTO_EXECUTE : 0,
                                        .leg_count = (uint8_t)xvp->leg_count,
                                        .external_count = (uint8_t)xvp->lock.count,
                                        .chain_asset = (uint32_t)xvp->chain_asset};
    char tail[sizeof xvp->legs + XVP_LOCK_TAIL_BYTES_MAX];
    size_t bytes = xvp->leg_count * sizeof xvp->legs[0];
    memcpy(tail, xvp->legs, bytes);
    bytes += xvp_lock_tail_write(&xvp->lock, tail + bytes);
    if (ask_command(ask, &answer, CMD_xvp_create, &body, sizeof body, tail, bytes)) {
        if (answer.events[0].header.type == EVT_done) // repeated
            return request_recall(ask, xvp->number);
        return request_done(ask, xvp->number, answer.sequence, 0);
    }
    if (answer.outcome == DESK_REJECTED)
        return request_done(ask, xvp->number, answer.sequence, answer.events[0].body.rejected.code);
    return false; // not sent, or unknown: it stays requested
}

// What an earlier life, or an answer that was lost, has left open. False: not possible now, the
// answer says why.
static bool resolve(struct ask *ask)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT number, content_hash, cutoff_ns, auto_execute::integer, legs, "
                 "externals, coalesce(hashlock, ''), margin_ns, chain_asset FROM "
                 "people.xvp_request WHERE state = 'requested' ORDER BY number",
                 PG_NO_PARAMS) != PG_OK)
        return ask_database_failed(ask);
    bool resolved = true;
    for (size_t i = 0; i < pg_rows_count(rows) && resolved; i++) {
        struct instruction xvp = {.number = pg_number(rows, i, 0),
                                  .hash = pg_number(rows, i, 1),
                                  .cutoff_ns = pg_number(rows, i, 2),
                                  .auto_execute = (int)pg_number(rows, i, 3),
                                  .chain_asset = pg_number(rows, i, 8)};
        legs_read(&xvp, pg_value(rows, i, 4));
        xvp_lock_recall(&xvp.lock, pg_value(rows, i, 5), pg_value(rows, i, 6),
                        pg_number(rows, i, 7));
        resolved = carry_out(ask, &xvp);
        xvp_lock_release(&xvp.lock);
    }
    pg_rows_free(rows);
    return resolved;
}

// ---- writing down

// One token that the chain settles may have part in it, if nothing is on another ledger. The assets
// are locked, so that none gets a contract meanwhile (people.xvp_bars_contract).
static bool settled_by(struct ask *ask, struct instruction *xvp, const char *assets)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, NULL,
                 "SELECT FROM people.asset WHERE asset_id = ANY ($1::integer[]) ORDER BY asset_id "
                 "FOR UPDATE",
                 PG_PARAMS(pg_text(assets))) != PG_OK ||
        pg_query(ask->admin->pg, &rows,
                 "SELECT people.xvp_asset_on_chain($1::integer[]), "
                 "people.xvp_chain_asset($1::integer[])",
                 PG_PARAMS(pg_text(assets))) != PG_OK)
        return ask_database_failed(ask);
    int64_t barred = pg_number(rows, 0, 0); // 0 for none
    xvp->chain_asset = pg_number(rows, 0, 1);
    pg_rows_free(rows);
    if (barred == 0 && xvp->lock.count != 0)
        barred = xvp->chain_asset;
    if (barred != 0)
        ask_refuse(ask, REJECT_XVP_ON_CHAIN, 0, barred, 0);
    return barred == 0;
}

// The reference is known; true = it was refused then, and is tried again under a new number.
static bool known_reference(struct ask *ask, struct instruction *xvp)
{
    struct pg_rows *rows;
    if (pg_query(
            ask->admin->pg, &rows,
            "UPDATE people.xvp_request SET number = nextval('people.ledger_number'), state = "
            "'requested', sequence = NULL, reject_code = NULL, answered_at = NULL, operator_id "
            "= $3, requested_by = $4, margin_ns = $5, chain_asset = $6 WHERE reference = $1 AND content_hash = $2 "
            "AND state = "
            "'rejected' RETURNING number",
            PG_PARAMS(pg_text(xvp->reference), pg_i64(xvp->hash), pg_i64(ask->who->login),
                      pg_text(ask->who->name), pg_i64((int64_t)xvp->lock.lock.margin_ns),
                      pg_i64(xvp->chain_asset))) != PG_OK)
        return ask_database_failed(ask);
    bool again = pg_rows_count(rows) == 1;
    xvp->number = again ? pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    if (again)
        return true;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT content_hash, sequence FROM people.xvp_request WHERE reference = $1",
                 PG_PARAMS(pg_text(xvp->reference))) != PG_OK)
        return ask_database_failed(ask);
    ASSERT(pg_rows_count(rows) == 1); // rows are never removed
    if (pg_number(rows, 0, 0) == xvp->hash) {
        ask_done(ask,
                 json_pack("{s:I, s:b}", "xvp", (json_int_t)pg_number(rows, 0, 1), "repeated", 1));
    } else {
        request_conflict(ask, xvp->reference);
    }
    pg_rows_free(rows);
    return false;
}

static bool insert(struct ask *ask, struct instruction *xvp, const char *assets)
{
    struct pg_rows *rows;
    char *legs = legs_text(xvp);
    char *externals = json_dumps(xvp->lock.told, JSON_COMPACT);
    bool good =
        pg_query(ask->admin->pg, &rows,
                 "INSERT INTO people.xvp_request (reference, number, content_hash, name, "
                 "cutoff_ns, auto_execute, legs, assets, operator_id, requested_by, externals, "
                 "hashlock, margin_ns, chain_asset) VALUES ($1, "
                 "nextval('people.ledger_number'), $2, $3, $4, $5::integer = 1, $6::jsonb, "
                 "$7::integer[], $8, $9, $10::jsonb, nullif($11, ''), $12, $13) ON CONFLICT (reference) "
                 "DO NOTHING RETURNING number",
                 PG_PARAMS(pg_text(xvp->reference), pg_i64(xvp->hash), pg_text(xvp->name),
                           pg_i64(xvp->cutoff_ns), pg_i64(xvp->auto_execute), pg_text(legs),
                           pg_text(assets), pg_i64(ask->who->login), pg_text(ask->who->name),
                           pg_text(externals), pg_text(xvp->lock.hashlock),
                           pg_i64((int64_t)xvp->lock.lock.margin_ns),
                           pg_i64(xvp->chain_asset))) == PG_OK;
    free(externals);
    free(legs);
    if (!good)
        return ask_database_failed(ask);
    bool is_new = pg_rows_count(rows) == 1;
    xvp->number = is_new ? pg_number(rows, 0, 0) : 0;
    pg_rows_free(rows);
    return is_new || known_reference(ask, xvp);
}

static bool write_down(struct ask *ask, struct instruction *xvp)
{
    char assets[XVP_LEGS_MAX * 12 + 3];
    struct pg *pg = ask->admin->pg;
    assets_text(xvp, assets, sizeof assets);
    if (pg_begin(pg) != PG_OK)
        return ask_database_failed(ask);
    if (!settled_by(ask, xvp, assets) || !insert(ask, xvp, assets))
        return false;
    return pg_commit(pg) == PG_OK || ask_database_failed(ask);
}

static void create(struct ask *ask, struct instruction *xvp)
{
    if (!parse(ask, xvp) || !resolve(ask) || !write_down(ask, xvp))
        return;
    bool known = carry_out(ask, xvp);
    if (ask->status != 200)
        return;
    json_object_set_new(ask->answer, "xvp", json_integer((json_int_t)ask->sequence));
    if (!known) // durable; the row follows when the database is back
        json_object_set_new(ask->answer, "database", json_string("behind"));
}

void xvp_handle(struct ask *ask)
{
    struct instruction xvp = {0};
    create(ask, &xvp);
    xvp_lock_release(&xvp.lock);
}

// ---- what becomes of it

static void act(struct ask *ask, uint8_t action, const void *tail, size_t tail_bytes)
{
    struct desk_answer answer;
    const struct xvp_act_cmd body = {
        .xvp = ask->id, .operator_id = (uint32_t)ask->who->login, .action = action};
    if (!ask_command(ask, &answer, CMD_xvp_act, &body, sizeof body, tail, tail_bytes))
        return;
    const struct xvp_changed_evt *last = NULL;
    for (size_t i = 0; i < answer.count; i++)
        if (answer.events[i].header.type == EVT_xvp_changed)
            last = &answer.events[i].body.xvp_changed;
    if (last == NULL) // repeated
        return;
    json_object_set_new(ask->answer, "state", json_string(word_of_xvp_state(last->state)));
    if (last->code != 0)
        json_object_set_new(ask->answer, "not_executed",
                            json_string(reject_entry(last->code)->name));
}

// A reason is for the audit, which keeps what was asked for.
static void act_for_a_reason(struct ask *ask, uint8_t action)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    if (fields_known(ask, names) && field_text(ask, &reason, "reason", OPTIONAL))
        act(ask, action, NULL, 0);
}

void xvp_execute_handle(struct ask *ask)
{
    act_for_a_reason(ask, XVP_EXECUTE);
}

void xvp_cancel_handle(struct ask *ask)
{
    act_for_a_reason(ask, XVP_CANCEL);
}

void xvp_reveal_handle(struct ask *ask)
{
    static const char *const names[] = {"secret", "reason", NULL};
    const char *reason = NULL;
    uint8_t secret[XVP_SECRET_BYTES];
    if (fields_known(ask, names) && field_text(ask, &reason, "reason", OPTIONAL) &&
        xvp_secret_parse(ask, secret))
        act(ask, XVP_REVEAL, secret, sizeof secret);
}

// With everything that has happened to it.
void xvp_read(struct ask *ask)
{
    struct pg_rows *rows;
    if (!record_is_current(ask))
        return;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT to_jsonb(t) || jsonb_build_object('steps', (SELECT json_agg(s ORDER BY "
                 "sequence, event_index) FROM record.xvp_step s WHERE s.xvp_id = $1)) FROM "
                 "public.settlement_instructions t WHERE id = $1",
                 PG_PARAMS(pg_i64((int64_t)ask->id))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    if (pg_rows_count(rows) == 1)
        ask_done(ask, json_loads(pg_value(rows, 0, 0), 0, NULL));
    else
        ask_refuse(ask, REJECT_XVP, 0, (int64_t)ask->id, 0);
    pg_rows_free(rows);
}
