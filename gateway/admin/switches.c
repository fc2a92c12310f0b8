// The kill switch of an account, a member, a session or the venue, and the venue's own rules. To
// kill needs no database; the reason that is given stands in the audit.
#include <string.h>

#include "gateway/admin/admin.h"
#include "schema/words.h"

static uint8_t scope_of(const struct ask *ask)
{
    const char *path = ask->route->path + strlen(ADMIN_ROOT);
    return strncmp(path, "/accounts/", 10) == 0   ? KILL_ACCOUNT
           : strncmp(path, "/members/", 9) == 0   ? KILL_MEMBER
           : strncmp(path, "/sessions/", 10) == 0 ? KILL_SESSION
                                                  : KILL_VENUE;
}

static uint16_t unknown_of(uint8_t scope)
{
    return scope == KILL_ACCOUNT  ? REJECT_UNKNOWN_ACCOUNT
           : scope == KILL_MEMBER ? REJECT_UNKNOWN_MEMBER
                                  : REJECT_UNKNOWN_SESSION;
}

static void kill_set(struct ask *ask, bool killed)
{
    static const char *const names[] = {"reason", NULL};
    const char *reason = NULL;
    uint8_t scope = scope_of(ask);
    struct desk_answer answer;
    if (!id_in_path(ask, unknown_of(scope)) || !fields_known(ask, names) ||
        !field_text(ask, &reason, "reason", OPTIONAL))
        return;
    struct kill_set_cmd body = {.scope = scope,
                                .killed = killed,
                                .id = (uint32_t)ask->id, // 0 of the venue
                                .operator_id = (uint32_t)ask->who->login};
    if (!ask_command(ask, &answer, CMD_kill_set, &body, sizeof body, NULL, 0))
        return;
    json_object_set_new(ask->answer, "scope", json_string(word_of_kill_scope(scope)));
    json_object_set_new(ask->answer, "id", json_integer(body.id));
    if (ask->proposing == NULL)
        json_object_set_new(ask->answer, "killed", json_boolean(killed));
}

void kill_handle(struct ask *ask)
{
    kill_set(ask, true);
}

void unkill_handle(struct ask *ask)
{
    kill_set(ask, false);
}

// ---- the venue's rules

void venue_rules_handle(struct ask *ask)
{
    static const char *const names[] = {"two_persons", NULL};
    int two_persons = 0;
    struct desk_answer answer;
    if (!fields_known(ask, names) || !field_bool(ask, &two_persons, "two_persons", REQUIRED))
        return;
    struct venue_rules_set_cmd body = {.flags = two_persons ? VENUE_TWO_PERSONS : 0,
                                       .operator_id = (uint32_t)ask->who->login};
    if (ask_command(ask, &answer, CMD_venue_rules_set, &body, sizeof body, NULL, 0) &&
        ask->proposing == NULL)
        json_object_set_new(ask->answer, "two_persons", json_boolean(two_persons));
}

void venue_rules_read(struct ask *ask)
{
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT json_build_object('two_persons', coalesce(flags, 0) & 1 <> 0, 'sequence',"
                 " sequence, 'changed_at', changed_at, 'operator', login_name) FROM (SELECT) one"
                 " LEFT JOIN record.venue_rules ON true LEFT JOIN people.login ON login_id ="
                 " operator_id",
                 PG_NO_PARAMS) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    ask_done(ask, json_loads(pg_value(rows, 0, 0), 0, NULL));
    pg_rows_free(rows);
}
