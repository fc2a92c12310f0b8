// Every change is written down: who, when, what, with what outcome. While the database cannot be
// reached the venue can still be made cancel-only, halted, or a breaker tripped (route.c): those
// entries wait here, bounded, and are written before rows are read next, or with the next entry.
// The log has a line of
// each as well, without names and contents.
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "gateway/admin/admin.h"

static const char *outcome_of(const struct ask *ask)
{
    return ask->status < 300 ? "done" : ask->status >= 500 ? "failed" : "rejected";
}

static json_t *details_of(const struct ask *ask)
{
    json_t *details = ask->body ? json_deep_copy(ask->body) : json_object();
    if (json_object_get(details, "password"))
        json_object_set_new(details, "password", json_string("(not shown)"));
    if (json_object_get(details, "secret") && ask->status != 200) // it is not revealed
        json_object_set_new(details, "secret", json_string("(not shown)"));
    return details;
}

static bool insert(struct admin *admin, json_t *entry)
{
    char *details = json_dumps(json_object_get(entry, "details"), JSON_COMPACT);
    char *answer = json_dumps(json_object_get(entry, "answer"), JSON_COMPACT);
    json_int_t login = json_integer_value(json_object_get(entry, "login"));
    enum pg_class class = pg_query(
        admin->pg, NULL,
        "INSERT INTO people.audit_log (at, login_id, actor, role, action, details, outcome, answer)"
        " VALUES ($1::timestamptz, $2, $3, $4, $5, $6::jsonb, $7, $8::jsonb)",
        PG_PARAMS(pg_text(json_string_value(json_object_get(entry, "at"))), pg_i64(login),
                  pg_text(json_string_value(json_object_get(entry, "actor"))),
                  pg_text(json_string_value(json_object_get(entry, "role"))),
                  pg_text(json_string_value(json_object_get(entry, "action"))), pg_text(details),
                  pg_text(json_string_value(json_object_get(entry, "outcome"))), pg_text(answer)));
    free(details);
    free(answer);
    return class == PG_OK;
}

static json_t *entry_of(const struct ask *ask)
{
    char at[40];
    time_t now = time(NULL);
    struct tm utc;
    strftime(at, sizeof at, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:o, s:s, s:O?}", "at", at, "login",
                     (json_int_t)ask->who->login, "actor", ask->who->name, "role",
                     role_text(ask->who->role), "action", ask->path, "details", details_of(ask),
                     "outcome", outcome_of(ask), "answer", ask->answer);
}

void audit_flush(struct admin *admin)
{
    while (json_array_size(admin->audits_waiting) > 0) {
        if (!insert(admin, json_array_get(admin->audits_waiting, 0))) {
            log_warning("audit entries wait for the database count=%zu reason=\"%s\"",
                        json_array_size(admin->audits_waiting), pg_last_error(admin->pg)->message);
            return;
        }
        json_array_remove(admin->audits_waiting, 0);
    }
}

void audit_write(struct ask *ask)
{
    struct admin *admin = ask->admin;
    log_info("change login=%lld action=%s outcome=%s status=%u sequence=%llu",
             (long long)ask->who->login, ask->path, outcome_of(ask), ask->status,
             (unsigned long long)ask->sequence);
    if (!admin->audits_waiting)
        admin->audits_waiting = json_array();
    json_t *entry = entry_of(ask);
    ASSERT(entry);
    if (json_array_size(admin->audits_waiting) < AUDITS_WAITING_MAX)
        json_array_append_new(admin->audits_waiting, entry);
    else
        json_decref(entry); // the log line above remains
    audit_flush(admin);
}
