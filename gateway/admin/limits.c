// Limits of members, accounts and sessions, and fees. The reason for a limit is the audit's entry;
// what holds is the engine's, told by its events and kept in `record`. A set of limits is given
// whole: what is left out is off. Which scope has which limit is the engine's to say.
#include <string.h>

#include "gateway/admin/admin.h"
#include "schema/words.h"

// Of the call: members, accounts or sessions.
static uint8_t scope_of(const struct ask *ask)
{
    const char *path = ask->route->path + strlen(ADMIN_ROOT);
    return strncmp(path, "/members/", 9) == 0     ? LIMIT_MEMBER
           : strncmp(path, "/accounts/", 10) == 0 ? LIMIT_ACCOUNT
                                                  : LIMIT_SESSION;
}

static uint16_t unknown_of(uint8_t scope)
{
    return scope == LIMIT_MEMBER    ? REJECT_UNKNOWN_MEMBER
           : scope == LIMIT_ACCOUNT ? REJECT_UNKNOWN_ACCOUNT
                                    : REJECT_UNKNOWN_SESSION;
}

static bool limits_fields(struct ask *ask, struct limits_set_cmd *body)
{
    static const char *const names[] = {"order_value_max",
                                        "daily_value_max",
                                        "open_orders_max",
                                        "messages_max",
                                        "messages_ms",
                                        "duplicate_ms",
                                        "executions_max",
                                        "executions_ms",
                                        "strict_confirm",
                                        "cumulative_investment",
                                        NULL};
    int64_t orders = 0, messages = 0, messages_ms = 0, duplicate = 0, executions = 0,
            executions_ms = 0;
    int strict = 0, cumulative = 0;
    if (json_object_size(ask->body) == 0) { // nobody means "no limits at all" by nothing at all
        ask_refuse_field(ask, REJECT_MISSING_FIELD, "any of the limits (0 = off)");
        return false;
    }
    if (!fields_known(ask, names) ||
        !field_decimal(ask, &body->order_value_max, "order_value_max", 6, OPTIONAL) ||
        !field_decimal(ask, &body->daily_value_max, "daily_value_max", 6, OPTIONAL) ||
        !field_number(ask, &orders, "open_orders_max", 0, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &messages, "messages_max", 0, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &messages_ms, "messages_ms", 0, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &duplicate, "duplicate_ms", 0, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &executions, "executions_max", 0, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &executions_ms, "executions_ms", 0, UINT32_MAX, OPTIONAL) ||
        !field_bool(ask, &strict, "strict_confirm", OPTIONAL) ||
        !field_bool(ask, &cumulative, "cumulative_investment", OPTIONAL))
        return false;
    body->open_orders_max = (uint32_t)orders;
    body->messages_max = (uint32_t)messages;
    body->messages_ms = (uint32_t)messages_ms;
    body->duplicate_ms = (uint32_t)duplicate;
    body->executions_max = (uint32_t)executions;
    body->executions_ms = (uint32_t)executions_ms;
    body->flags = (uint8_t)((strict ? LIMIT_STRICT_CONFIRM : 0) |
                            (cumulative ? LIMIT_CUMULATIVE_INVESTMENT : 0));
    return true;
}

void limits_handle(struct ask *ask)
{
    static const char *const record[] = {"scope",
                                         NULL,
                                         "id",
                                         "order_value_max",
                                         "daily_value_max",
                                         "open_orders_max",
                                         "messages_max",
                                         "messages_ms",
                                         "duplicate_ms",
                                         "executions_max",
                                         "executions_ms",
                                         "strict_confirm, cumulative_investment"};
    struct limits_set_cmd body = {.scope = scope_of(ask), .id = (uint32_t)ask->id};
    struct desk_answer answer;
    if (!id_in_path(ask, unknown_of(body.scope)) || !limits_fields(ask, &body))
        return;
    if (!ask_command(ask, &answer, CMD_limits_set, &body, sizeof body, NULL, 0)) {
        ask_name_field(ask, &answer, REJECT_LIMITS, WORDS(record));
        return;
    }
    json_object_set_new(ask->answer, "scope", json_string(word_of_limit_scope(body.scope)));
    json_object_set_new(ask->answer, "id", json_integer(body.id));
}

// As they can be set again; sequence null: none were ever set.
void limits_read(struct ask *ask)
{
    uint8_t scope = scope_of(ask);
    struct pg_rows *rows;
    if (!id_in_path(ask, unknown_of(scope)) || !record_is_current(ask))
        return;
    if (pg_query(
            ask->admin->pg, &rows,
            "SELECT json_build_object('sequence', l.sequence, 'order_value_max',"
            " trim_scale(public.decimal_of(coalesce(l.order_value_max, 0), 6::smallint))::text,"
            " 'daily_value_max',"
            " trim_scale(public.decimal_of(coalesce(l.daily_value_max, 0), 6::smallint))::text,"
            " 'open_orders_max', coalesce(l.open_orders_max, 0), 'messages_max',"
            " coalesce(l.messages_max, 0), 'messages_ms', coalesce(l.messages_ms, 0),"
            " 'duplicate_ms', coalesce(l.duplicate_ms, 0), 'executions_max',"
            " coalesce(l.executions_max, 0), 'executions_ms', coalesce(l.executions_ms, 0),"
            " 'strict_confirm', coalesce(l.flags, 0) & 1 <> 0, 'cumulative_investment',"
            " coalesce(l.flags, 0) & 2 <> 0)"
            " FROM (SELECT $1::smallint AS scope, $2::bigint AS id) asked"
            " LEFT JOIN record.limits l ON l.scope = asked.scope AND l.id = asked.id"
            " WHERE CASE asked.scope WHEN 1 THEN EXISTS (SELECT FROM people.member WHERE member_id"
            " = asked.id) WHEN 2 THEN EXISTS (SELECT FROM people.account WHERE account_id ="
            " asked.id) ELSE EXISTS (SELECT FROM people.session WHERE session_id = asked.id) END",
            PG_PARAMS(pg_i64(scope), pg_i64((int64_t)ask->id))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    if (pg_rows_count(rows) == 0)
        ask_refuse(ask, unknown_of(scope), 0, (int64_t)ask->id, 0);
    else
        ask_done(ask, json_loads(pg_value(rows, 0, 0), 0, NULL));
    pg_rows_free(rows);
}

// ---- fees

// Of an account, an instrument, or both: what is left out stands for any. Rates left out are 0.
void fees_handle(struct ask *ask)
{
    static const char *const names[] = {
        "account",       "instrument",    "sell_maker_bps", "sell_taker_bps",
        "buy_maker_bps", "buy_taker_bps", "remove",         NULL};
    int64_t account = 0, instrument = 0, sell_maker = 0, sell_taker = 0, buy_maker = 0,
            buy_taker = 0;
    int away = 0;
    if (!fields_known(ask, names) ||
        !field_number(ask, &account, "account", 0, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &instrument, "instrument", 0, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &sell_maker, "sell_maker_bps", 0, UINT16_MAX, OPTIONAL) ||
        !field_number(ask, &sell_taker, "sell_taker_bps", 0, UINT16_MAX, OPTIONAL) ||
        !field_number(ask, &buy_maker, "buy_maker_bps", 0, UINT16_MAX, OPTIONAL) ||
        !field_number(ask, &buy_taker, "buy_taker_bps", 0, UINT16_MAX, OPTIONAL) ||
        !field_bool(ask, &away, "remove", OPTIONAL))
        return;
    struct fees_set_cmd body = {.account = (uint32_t)account,
                                .instrument = (uint32_t)instrument,
                                .sell_maker_bps = (uint16_t)sell_maker,
                                .sell_taker_bps = (uint16_t)sell_taker,
                                .buy_maker_bps = (uint16_t)buy_maker,
                                .buy_taker_bps = (uint16_t)buy_taker,
                                .remove = (uint8_t)away};
    struct desk_answer answer;
    if (!ask_command(ask, &answer, CMD_fees_set, &body, sizeof body, NULL, 0))
        ask_name_field(ask, &answer, REJECT_FEES, WORDS(names));
}
