// Alerts of market surveillance: read by auditors, closed by operators with a note. They are rows
// of Postgres only; the engine knows nothing of them.
#include <string.h>

#include "base/decimal.h"
#include "gateway/admin/admin.h"

enum { ALERTS_DEFAULT = 100, ALERTS_MAX = 1000 };

struct filters { // -1, NULL: any
    int64_t limit, account, member, instrument, since_ns;
    const char *detector, *status;
};

// 2026-11-20, or 2026-11-20T08:15:00Z.
static bool since(struct ask *ask, int64_t *out)
{
    if (ask->since_argument[0] == 0 || time_of(out, ask->since_argument))
        return true;
    ask_refuse_field(ask, REJECT_MALFORMED, "since");
    return false;
}

static bool filters_of(struct ask *ask, struct filters *f)
{
    static const char *const detectors[] = {"wash_account", "wash_member", "wash_circular",
                                            "spoofing",     "layering",    "marking_close",
                                            "ratio_number", "ratio_volume"};
    static const char *const statuses[] = {"open", "closed"};
    *f = (struct filters){
        .limit = ALERTS_DEFAULT, .account = -1, .member = -1, .instrument = -1, .since_ns = -1};
    return argument_number(ask, &f->limit, ask->limit_argument, "limit", ALERTS_MAX) &&
           argument_number(ask, &f->account, ask->account_argument, "account", INT32_MAX) &&
           argument_number(ask, &f->member, ask->member_argument, "member", INT32_MAX) &&
           argument_number(ask, &f->instrument, ask->instrument_argument, "instrument", INT32_MAX) &&
           argument_word(ask, &f->detector, ask->detector_argument, "detector", WORDS(detectors)) &&
           argument_word(ask, &f->status, ask->status_argument, "status", WORDS(statuses)) &&
           since(ask, &f->since_ns);
}

// Newest first. Account and member are those of either side.
void alerts_read(struct ask *ask)
{
    struct filters f;
    struct pg_rows *rows;
    if (!filters_of(ask, &f))
        return;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT coalesce(json_agg(t ORDER BY id DESC), '[]') FROM (SELECT v.* FROM "
                 "surveil.alert a JOIN surveil.alerts v ON v.id = a.alert_id"
                 " WHERE ($2::text IS NULL OR a.detector = $2) AND ($3::text IS NULL OR a.status "
                 "= $3) AND ($4::int IS NULL OR $4 IN (a.account_id, a.counter_account_id)) AND "
                 "($5::int IS NULL OR $5 IN (a.member_id, a.counter_member_id)) AND ($6::int IS "
                 "NULL OR a.instrument_id = $6) AND ($7::bigint IS NULL OR a.at_ns >= $7)"
                 " ORDER BY a.alert_id DESC LIMIT $1) t",
                 PG_PARAMS(pg_i64(f.limit), pg_text(f.detector), pg_text(f.status),
                           argument_param(f.account), argument_param(f.member), argument_param(f.instrument),
                           argument_param(f.since_ns))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    ask_done(ask, json_loads(pg_value(rows, 0, 0), 0, NULL));
    pg_rows_free(rows);
}

// Once: one that is closed keeps its note.
void alert_close_handle(struct ask *ask)
{
    static const char *const names[] = {"note", NULL};
    const char *note = NULL;
    struct pg_rows *rows;
    if (!fields_known(ask, names) || !field_text(ask, &note, "note", REQUIRED))
        return;
    if (pg_query(ask->admin->pg, &rows,
                 "UPDATE surveil.alert SET status = 'closed', closed_at = now(), closed_by = $2, "
                 "note = $3 WHERE alert_id = $1 AND status = 'open' RETURNING alert_id",
                 PG_PARAMS(pg_i64((int64_t)ask->id), pg_text(ask->who->name), pg_text(note))) !=
        PG_OK) {
        ask_database_failed(ask);
        return;
    }
    if (pg_rows_count(rows) == 1)
        ask_done(ask, json_pack("{s:I, s:s}", "alert", (json_int_t)ask->id, "status", "closed"));
    else
        ask_refuse_text(ask, REJECT_NOT_FOUND, "there is no open alert of that number");
    pg_rows_free(rows);
}
