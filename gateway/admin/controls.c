// Controls of an instrument, and where its buyers may come from. Both are given whole, like its
// rules: what is left out is off.
#include <string.h>

#include "gateway/admin/admin.h"

static const char *const stale_words[] = {"ignore", "confirm", "refuse"}; // enum nav_stale_action
static const char *const investor_words[] = {"retail", "professional", "institutional"};
static const char *const mode_words[] = {"any", "only", "except"}; // enum jurisdictions_mode

struct controls_fields {
    int64_t dynamic_bps, limit_state_ms, nav_stale_ms, stale_action, concentration_bps;
    uint8_t investors;
};

static bool controls_fields(struct ask *ask, struct controls_fields *f,
                            struct instrument_controls_set_cmd *body)
{
    static const char *const names[] = {"dynamic_bps",      "limit_state_ms", "nav_stale_ms",
                                        "nav_stale_action", "investor_types", "concentration_bps",
                                        "position_max",     "supply",         NULL};
    *f = (struct controls_fields){0};
    json_t *investors = json_object_get(ask->body, "investor_types");
    return fields_known(ask, names) &&
           field_number(ask, &f->dynamic_bps, "dynamic_bps", 0, UINT32_MAX, OPTIONAL) &&
           field_number(ask, &f->limit_state_ms, "limit_state_ms", 0, UINT32_MAX, OPTIONAL) &&
           field_number(ask, &f->nav_stale_ms, "nav_stale_ms", 0, UINT32_MAX, OPTIONAL) &&
           field_word(ask, &f->stale_action, "nav_stale_action", WORDS(stale_words), OPTIONAL) &&
           (investors == NULL || json_is_null(investors) ||
            field_word_set(ask, &f->investors, "investor_types", WORDS(investor_words))) &&
           field_number(ask, &f->concentration_bps, "concentration_bps", 0, UINT32_MAX, OPTIONAL) &&
           field_number(ask, &body->position_max, "position_max", 0, INT64_MAX, OPTIONAL) &&
           field_number(ask, &body->supply, "supply", 0, INT64_MAX, OPTIONAL);
}

void controls_handle(struct ask *ask)
{
    static const char *const record[] = {
        "instrument",     "dynamic_bps", "limit_state_ms",    "nav_stale_ms", "nav_stale_action",
        "investor_types", NULL,          "concentration_bps", "position_max", "supply"};
    struct instrument_controls_set_cmd body = {.instrument = (uint32_t)ask->id};
    struct controls_fields f;
    struct desk_answer answer;
    if (!instrument_in_path(ask) || !controls_fields(ask, &f, &body))
        return;
    body.dynamic_bps = (uint32_t)f.dynamic_bps;
    body.limit_state_ms = (uint32_t)f.limit_state_ms;
    body.nav_stale_ms = (uint32_t)f.nav_stale_ms;
    body.nav_stale_action = (uint8_t)f.stale_action;
    body.investor_types = f.investors;
    body.concentration_bps = (uint32_t)f.concentration_bps;
    if (!ask_command(ask, &answer, CMD_instrument_controls_set, &body, sizeof body, NULL, 0))
        ask_name_field(ask, &answer, REJECT_CONTROLS, WORDS(record));
}

// One row of JSON about the instrument in the path, or its refusal.
static void read_instrument(struct ask *ask, const char *sql)
{
    struct pg_rows *rows;
    if (!instrument_in_path(ask) || !record_is_current(ask))
        return;
    if (pg_query(ask->admin->pg, &rows, sql, (const struct pg_param[]){pg_i64((int64_t)ask->id)},
                 1) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    if (pg_rows_count(rows) == 0)
        ask_refuse(ask, REJECT_UNKNOWN_INSTRUMENT, 0, (int64_t)ask->id, 0);
    else
        ask_done(ask, json_loads(pg_value(rows, 0, 0), 0, NULL));
    pg_rows_free(rows);
}

void controls_read(struct ask *ask)
{
    read_instrument(
        ask, "SELECT json_build_object('sequence', c.sequence, 'dynamic_bps',"
             " coalesce(dynamic_bps, 0), 'limit_state_ms', coalesce(limit_state_ms, 0),"
             " 'nav_stale_ms', coalesce(nav_stale_ms, 0), 'nav_stale_action', (ARRAY['ignore',"
             " 'confirm', 'refuse'])[coalesce(nav_stale_action, 0) + 1], 'investor_types', (SELECT"
             " coalesce(json_agg(word ORDER BY bit), '[]') FROM (VALUES (1, 'retail'), (2,"
             " 'professional'), (4, 'institutional')) w (bit, word) WHERE investor_types & bit <>"
             " 0), 'concentration_bps', coalesce(concentration_bps, 0), 'position_max',"
             " coalesce(position_max, 0), 'supply', coalesce(supply, 0)) FROM people.instrument"
             " LEFT JOIN record.instrument_controls c USING (instrument_id)"
             " WHERE instrument_id = $1::bigint");
}

// ---- jurisdictions

static bool read_codes(struct ask *ask, uint16_t *codes, size_t *count)
{
    json_t *given = json_object_get(ask->body, "codes");
    *count = 0;
    if (given == NULL || json_is_null(given))
        return true;
    json_t *list = field_list(ask, "codes", JURISDICTIONS_MAX);
    if (list == NULL)
        return false;
    for (; *count < json_array_size(list); ++*count) {
        json_t *code = json_array_get(list, *count);
        if (!json_is_integer(code) || json_integer_value(code) < 1 ||
            json_integer_value(code) > 999) {
            ask_refuse_field(ask, REJECT_MALFORMED, "codes (ISO 3166 numeric, ascending)");
            return false;
        }
        codes[*count] = (uint16_t)json_integer_value(code);
    }
    return true;
}

void jurisdictions_handle(struct ask *ask)
{
    static const char *const names[] = {"mode", "codes", NULL};
    uint16_t codes[JURISDICTIONS_MAX];
    size_t count = 0;
    int64_t mode = 0;
    struct desk_answer answer;
    if (!instrument_in_path(ask) || !fields_known(ask, names) ||
        !field_word(ask, &mode, "mode", WORDS(mode_words), REQUIRED) ||
        !read_codes(ask, codes, &count))
        return;
    struct jurisdictions_set_cmd body = {
        .instrument = (uint32_t)ask->id, .mode = (uint8_t)mode, .code_count = (uint8_t)count};
    if (!ask_command(ask, &answer, CMD_jurisdictions_set, &body, sizeof body, codes,
                     count * sizeof codes[0]) &&
        answer.outcome == DESK_REJECTED && answer.events[0].body.rejected.code == REJECT_CONTROLS)
        json_object_set_new(json_object_get(ask->answer, "error"), "field", json_string("codes"));
}

void jurisdictions_read(struct ask *ask)
{
    read_instrument(ask, "SELECT json_build_object('sequence', j.sequence, 'mode', (ARRAY['any',"
                         " 'only', 'except'])[coalesce(mode, 0) + 1], 'codes', coalesce(codes,"
                         " '{}')) FROM people.instrument LEFT JOIN record.jurisdictions j USING"
                         " (instrument_id) WHERE instrument_id = $1::bigint");
}
