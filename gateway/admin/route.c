// Routes: which request goes to which handler, who may, and how answers and refusals look. A
// request is copied, carried out by the worker, and answered in the loop's thread.
#include <string.h>

#include "base/decimal.h"
#include "base/log.h"
#include "gateway/admin/admin.h"

enum { BODY_BYTES_MAX = 65536, CONNECTIONS_MAX = 64, ANSWER_TIMEOUT_S = 30 };

// A row t as JSON, its decimals as text, as everywhere: a number would pass through floating point.
#define EXACT                                                                                      \
    "(SELECT json_object_agg(key, CASE WHEN json_typeof(value) = 'number' AND key IN ('price', "   \
    "'quantity', 'total', 'fee', 'buyer_fee', 'seller_fee', 'surplus', 'open', 'high', 'low', "    \
    "'close', 'volume', 'turnover', 'vwap', 'traded_quantity', 'traded_total', "                   \
    "'quantity_change', "                                                                          \
    "'new_quantity', 'total_change', 'buyer_fee_change', 'seller_fee_change', 'token_short', "     \
    "'cash_short') THEN to_json(trim_scale(value::text::numeric)::text) "                          \
    "ELSE value END) FROM json_each(to_json(t)))"

// A list of settlement (settle.hold_list, …): what is open first, then newest first.
#define OPEN_FIRST(of)                                                                             \
    "SELECT coalesce(json_agg(t), '[]') FROM (SELECT * FROM settle." of                            \
    "_list ORDER BY open DESC, " of " DESC LIMIT $1) t"

#define API   API_ROOT
#define ADMIN ADMIN_ROOT
// Events of the chain, newest first.
#define CHAIN_EVENTS                                                                               \
    "SELECT coalesce(json_agg(t), '[]') FROM (SELECT * FROM public.event_log ORDER BY id DESC "    \
    "LIMIT $1) t"

static const struct route routes[] = {
    {HTTP_GET, API "/health", ROLE_NOBODY, health_handle, NULL},
    {HTTP_POST, API "/login", ROLE_NOBODY, login_handle, NULL},
    {HTTP_POST, API "/logout", ROLE_AUDITOR, logout_handle, NULL},
    {HTTP_GET, ADMIN "/venue", ROLE_AUDITOR, venue_read, NULL},
    {HTTP_POST, ADMIN "/venue", ROLE_OPERATOR, venue_handle, NULL},
    {HTTP_GET, ADMIN "/balances", ROLE_AUDITOR, balances_read, NULL},
    {HTTP_POST, ADMIN "/members", ROLE_ADMINISTRATOR, member_handle, NULL},
    {HTTP_POST, ADMIN "/accounts", ROLE_ADMINISTRATOR, account_handle, NULL},
    {HTTP_POST, ADMIN "/sessions", ROLE_ADMINISTRATOR, session_handle, NULL},
    {HTTP_POST, ADMIN "/logins", ROLE_ADMINISTRATOR, login_set_handle, NULL},
    {HTTP_POST, ADMIN "/assets", ROLE_ADMINISTRATOR, asset_handle, NULL},
    {HTTP_POST, ADMIN "/instruments", ROLE_ADMINISTRATOR, instrument_handle, NULL},
    {HTTP_POST, ADMIN "/instruments/#/nav", ROLE_OPERATOR, nav_handle, NULL},
    {HTTP_POST, ADMIN "/instruments/#/reference-price", ROLE_OPERATOR, reference_handle, NULL},
    {HTTP_POST, ADMIN "/instruments/#/breaker", ROLE_OPERATOR, breaker_handle, NULL},
    {HTTP_POST, ADMIN "/instruments/#/phase", ROLE_OPERATOR, phase_handle, NULL},
    {HTTP_GET, ADMIN "/instruments/#", ROLE_AUDITOR, instrument_read, NULL},
    {HTTP_POST, ADMIN "/instruments/#/rules", ROLE_OPERATOR, rules_handle, NULL},
    {HTTP_POST, ADMIN "/instruments/#/tick-table", ROLE_OPERATOR, tick_table_handle, NULL},
    {HTTP_POST, ADMIN "/instruments/#/schedule", ROLE_OPERATOR, schedule_handle, NULL},
    {HTTP_POST, ADMIN "/mass-cancel", ROLE_OPERATOR, mass_cancel_handle, NULL},
    {HTTP_GET, ADMIN "/members/#/limits", ROLE_AUDITOR, limits_read, NULL},
    {HTTP_GET, ADMIN "/accounts/#/limits", ROLE_AUDITOR, limits_read, NULL},
    {HTTP_GET, ADMIN "/sessions/#/limits", ROLE_AUDITOR, limits_read, NULL},
    {HTTP_POST, ADMIN "/members/#/limits", ROLE_ADMINISTRATOR, limits_handle, NULL},
    {HTTP_POST, ADMIN "/accounts/#/limits", ROLE_ADMINISTRATOR, limits_handle, NULL},
    {HTTP_POST, ADMIN "/sessions/#/limits", ROLE_ADMINISTRATOR, limits_handle, NULL},
    {HTTP_GET, ADMIN "/instruments/#/controls", ROLE_AUDITOR, controls_read, NULL},
    {HTTP_POST, ADMIN "/instruments/#/controls", ROLE_OPERATOR, controls_handle, NULL},
    {HTTP_GET, ADMIN "/instruments/#/jurisdictions", ROLE_AUDITOR, jurisdictions_read, NULL},
    {HTTP_POST, ADMIN "/instruments/#/jurisdictions", ROLE_ADMINISTRATOR, jurisdictions_handle,
     NULL},
    {HTTP_GET, ADMIN "/fees", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY account, instrument), '[]') FROM (SELECT account_id AS "
     "account, instrument_id AS instrument, sell_maker_bps, sell_taker_bps, buy_maker_bps, "
     "buy_taker_bps, sequence FROM record.fees) t"},
    {HTTP_POST, ADMIN "/fees", ROLE_ADMINISTRATOR, fees_handle, NULL},
    {HTTP_GET, ADMIN "/kills", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY sequence DESC), '[]') FROM (SELECT (ARRAY['account', "
     "'member', 'session', 'venue'])[scope] AS scope, id, killed, operator_id, l.login_name AS "
     "operator, changed_at, sequence FROM record.kill LEFT JOIN people.login l ON l.login_id = "
     "operator_id) t"},
    {HTTP_POST, ADMIN "/accounts/#/kill", ROLE_OPERATOR, kill_handle, NULL},
    {HTTP_POST, ADMIN "/members/#/kill", ROLE_OPERATOR, kill_handle, NULL},
    {HTTP_POST, ADMIN "/sessions/#/kill", ROLE_OPERATOR, kill_handle, NULL},
    {HTTP_POST, ADMIN "/venue/kill", ROLE_OPERATOR, kill_handle, NULL},
    {HTTP_POST, ADMIN "/accounts/#/unkill", ROLE_OPERATOR, unkill_handle, NULL},
    {HTTP_POST, ADMIN "/members/#/unkill", ROLE_OPERATOR, unkill_handle, NULL},
    {HTTP_POST, ADMIN "/sessions/#/unkill", ROLE_OPERATOR, unkill_handle, NULL},
    {HTTP_POST, ADMIN "/venue/unkill", ROLE_OPERATOR, unkill_handle, NULL},
    {HTTP_GET, ADMIN "/venue/rules", ROLE_AUDITOR, venue_rules_read, NULL},
    {HTTP_POST, ADMIN "/venue/rules", ROLE_ADMINISTRATOR, venue_rules_handle, NULL},
    {HTTP_GET, ADMIN "/proposals", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t), '[]') FROM (SELECT * FROM public.proposals ORDER BY id DESC "
     "LIMIT $1) t"},
    {HTTP_POST, ADMIN "/proposals", ROLE_OPERATOR, proposal_handle, NULL},
    {HTTP_POST, ADMIN "/proposals/#/approve", ROLE_OPERATOR, approve_handle, NULL},
    {HTTP_POST, ADMIN "/proposals/#/withdraw", ROLE_OPERATOR, withdraw_handle, NULL},
    {HTTP_POST, ADMIN "/ledger", ROLE_ADMINISTRATOR, ledger_handle, NULL},
    {HTTP_POST, ADMIN "/transfers", ROLE_ADMINISTRATOR, transfer_handle, NULL},
    {HTTP_GET, ADMIN "/xvp", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t), '[]') FROM (SELECT * FROM public.settlement_instructions ORDER "
     "BY open DESC, id DESC LIMIT $1) t"},
    {HTTP_POST, ADMIN "/xvp", ROLE_ADMINISTRATOR, xvp_handle, NULL},
    {HTTP_GET, ADMIN "/xvp/#", ROLE_AUDITOR, xvp_read, NULL},
    {HTTP_POST, ADMIN "/xvp/#/execute", ROLE_ADMINISTRATOR, xvp_execute_handle, NULL},
    {HTTP_POST, ADMIN "/xvp/#/cancel", ROLE_ADMINISTRATOR, xvp_cancel_handle, NULL},
    {HTTP_POST, ADMIN "/xvp/#/reveal", ROLE_ADMINISTRATOR, xvp_reveal_handle, NULL},
    {HTTP_POST, ADMIN "/chain-in", ROLE_ADMINISTRATOR, chain_in_handle, NULL},
    {HTTP_POST, ADMIN "/chain-out", ROLE_ADMINISTRATOR, chain_out_handle, NULL},
    {HTTP_POST, ADMIN "/covers", ROLE_ADMINISTRATOR, cover_handle, NULL},
    {HTTP_POST, ADMIN "/trades/#/correct", ROLE_ADMINISTRATOR, correct_handle, NULL},
    {HTTP_POST, ADMIN "/trades/#/bust", ROLE_ADMINISTRATOR, bust_handle, NULL},
    {HTTP_GET, ADMIN "/corrections", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(" EXACT "), '[]') FROM (SELECT * FROM public.trade_corrections "
     "ORDER BY id DESC LIMIT $1) t"},
    {HTTP_GET, ADMIN "/deficits", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY account, asset), '[]') FROM (SELECT account_id AS "
     "account, asset_id AS asset, symbol, trim_scale(public.decimal_of(deficit, scale))::text AS "
     "deficit, b.sequence FROM record.balance b JOIN record.asset USING (asset_id) WHERE deficit "
     "<> 0) t"},
    {HTTP_POST, ADMIN "/deposits", ROLE_ADMINISTRATOR, deposit_handle, NULL},
    {HTTP_POST, ADMIN "/withdrawals", ROLE_ADMINISTRATOR, withdrawal_handle, NULL},
    {HTTP_POST, ADMIN "/credits", ROLE_ADMINISTRATOR, credit_handle, NULL},
    {HTTP_POST, ADMIN "/debits", ROLE_ADMINISTRATOR, debit_handle, NULL},
    {HTTP_POST, ADMIN "/trades/#/retry-settlement", ROLE_OPERATOR, retry_handle, NULL},
    {HTTP_POST, "/admin/trades/#/retry-settlement", ROLE_OPERATOR, retry_handle, NULL},
    {HTTP_POST, ADMIN "/assets/#/custody", ROLE_ADMINISTRATOR, custody_handle, NULL},
    {HTTP_GET, ADMIN "/custody", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY token, account), '[]') FROM chain.custody_status t"},
    {HTTP_GET, ADMIN "/custody/needs", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t), '[]') FROM (SELECT n.need_id AS need, n.kind, s.symbol, "
     "n.account_id AS account, trim_scale(n.units / chain.units_of_one(n.token_asset) / "
     "10::numeric ^ s.scale)::text AS amount, n.state, n.trade_id AS trade, n.event_id AS event, "
     "n.reference, n.requested_by, n.reason, n.created_at, n.done_at FROM chain.custody_need n "
     "JOIN people.asset s ON s.asset_id = n.token_asset ORDER BY n.need_id DESC LIMIT $1) t"},
    {HTTP_GET, ADMIN "/stablecoins", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY asset), '[]') FROM chain.stablecoin_status t"},
    {HTTP_GET, ADMIN "/stablecoins/unmatched", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t), '[]') FROM (SELECT * FROM chain.unmatched_deposit ORDER BY "
     "state "
     "= 'returned', event DESC LIMIT $1) t"},
    {HTTP_POST, ADMIN "/stablecoins/unmatched/#/return", ROLE_ADMINISTRATOR,
     unmatched_return_handle, NULL},
    {HTTP_POST, ADMIN "/stablecoins/unmatched/#/keep", ROLE_ADMINISTRATOR, unmatched_keep_handle,
     NULL},
    {HTTP_GET, ADMIN "/payouts", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t), '[]') FROM (SELECT * FROM chain.payout_list ORDER BY payout "
     "DESC "
     "LIMIT $1) t"},
    {HTTP_POST, ADMIN "/payouts/#/decide", ROLE_ADMINISTRATOR, payout_decide_handle, NULL},
    {HTTP_GET, ADMIN "/settlement", ROLE_AUDITOR, rows_read, "SELECT status FROM settle.status"},
    {HTTP_GET, ADMIN "/settlement/trades", ROLE_AUDITOR, settlement_trades_read, NULL},
    {HTTP_GET, ADMIN "/settlement/trades/#", ROLE_AUDITOR, settlement_trade_read, NULL},
    {HTTP_GET, ADMIN "/settlement/holds", ROLE_AUDITOR, rows_read, OPEN_FIRST("hold")},
    {HTTP_POST, ADMIN "/settlement/holds", ROLE_OPERATOR, hold_handle, NULL},
    {HTTP_POST, ADMIN "/settlement/holds/#/release", ROLE_OPERATOR, release_handle, NULL},
    {HTTP_GET, ADMIN "/settlement/marks", ROLE_AUDITOR, rows_read, OPEN_FIRST("mark")},
    {HTTP_POST, ADMIN "/trades/#/mark", ROLE_ADMINISTRATOR, mark_handle, NULL},
    {HTTP_POST, ADMIN "/settlement/marks/#/approve", ROLE_ADMINISTRATOR, mark_approve_handle, NULL},
    {HTTP_POST, ADMIN "/settlement/marks/#/withdraw", ROLE_OPERATOR, mark_withdraw_handle, NULL},
    {HTTP_GET, ADMIN "/settlement/abandonments", ROLE_AUDITOR, rows_read,
     OPEN_FIRST("abandonment")},
    {HTTP_POST, ADMIN "/settlement/abandonments", ROLE_ADMINISTRATOR, abandon_handle, NULL},
    {HTTP_POST, ADMIN "/settlement/abandonments/#/approve", ROLE_ADMINISTRATOR,
     abandon_approve_handle, NULL},
    {HTTP_POST, ADMIN "/settlement/abandonments/#/withdraw", ROLE_OPERATOR, abandon_withdraw_handle,
     NULL},
    {HTTP_GET, ADMIN "/settlement/incidents", ROLE_AUDITOR, rows_read, OPEN_FIRST("incident")},
    {HTTP_POST, ADMIN "/settlement/incidents/#/close", ROLE_ADMINISTRATOR, incident_close_handle,
     NULL},
    {HTTP_POST, ADMIN "/settlement/incidents/#/approve", ROLE_ADMINISTRATOR,
     incident_approve_handle, NULL},
    {HTTP_POST, ADMIN "/settlement/incidents/#/withdraw", ROLE_OPERATOR, incident_withdraw_handle,
     NULL},
    {HTTP_GET, ADMIN "/settlement/proofs", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t), '[]') FROM (SELECT * FROM chain.custody_proof_list ORDER BY open "
     "DESC, proof DESC LIMIT $1) t"},
    {HTTP_GET, ADMIN "/settlement/proofs/tokens", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(json_build_object('token', token, 'symbol', symbol, 'state', state, "
     "'proof', proof, 'waiver', waiver, 'covered', trim_scale(covered * ('1e-' || "
     "decimals)::numeric)::text, 'expires_at', expires_at, 'waiting', waiting) ORDER BY token), "
     "'[]') FROM chain.custody_proof_standing WHERE contract_address IS NOT NULL"},
    {HTTP_POST, ADMIN "/settlement/proofs", ROLE_ADMINISTRATOR, proof_handle, NULL},
    {HTTP_POST, ADMIN "/settlement/proofs/#/verify", ROLE_ADMINISTRATOR, proof_verify_handle, NULL},
    {HTTP_POST, ADMIN "/settlement/proofs/#/revoke", ROLE_OPERATOR, proof_revoke_handle, NULL},
    {HTTP_GET, ADMIN "/settlement/reasons", ROLE_AUDITOR, rows_read,
     "SELECT json_agg(t ORDER BY word) FROM settle.reason_word t"},
    {HTTP_GET, ADMIN "/alerts", ROLE_AUDITOR, alerts_read, NULL},
    {HTTP_POST, ADMIN "/alerts/#/close", ROLE_OPERATOR, alert_close_handle, NULL},
    {HTTP_GET, ADMIN "/members", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY member_id), '[]') FROM people.member t"},
    {HTTP_GET, ADMIN "/accounts", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY account_id), '[]') FROM people.account t"},
    {HTTP_GET, ADMIN "/sessions", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY session_id), '[]') FROM (SELECT s.*, ARRAY(SELECT "
     "account_id FROM"
     " people.session_account a WHERE a.session_id = s.session_id ORDER BY 1) AS accounts,"
     " (SELECT json_agg(json_build_object('account', a.account_id, 'rights', (SELECT "
     "json_agg(word ORDER BY bit) FROM (VALUES (1, 'trade'), (2, 'cancel'), (4, 'see')) w (bit, "
     "word) WHERE a.rights & bit <> 0)) ORDER BY a.account_id) FROM people.session_account a"
     " WHERE a.session_id = s.session_id) AS account_rights FROM people.session s) t"},
    {HTTP_GET, ADMIN "/logins", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY login_id), '[]') FROM (SELECT login_id, kind, "
     "login_name, comp_id,"
     " session_id, member_id, role, disabled, created_at, updated_at FROM people.login) t"},
    {HTTP_GET, ADMIN "/assets", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY asset_id), '[]') FROM (SELECT a.asset_id, a.kind, "
     "a.scale, a.symbol, t.name,"
     " coalesce(t.decimals, c.decimals) AS decimals, coalesce(t.chain_id, c.chain_id) AS chain_id, "
     "coalesce(t.contract_address, c.contract_address) AS contract_address, c.escrow_address, "
     "c.state AS stablecoin, t.status, t.trading_mode, t.custody FROM people.asset a"
     " LEFT JOIN people.token t USING (asset_id) LEFT JOIN people.stablecoin c USING (asset_id)) "
     "t"},
    {HTTP_GET, ADMIN "/instruments", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t ORDER BY instrument_id), '[]') FROM (SELECT i.*, s.phase, "
     "s.breaker_tripped,"
     " s.reference_price, s.nav, s.phase_end_ns, s.schedule_next_ns FROM record.instrument i LEFT "
     "JOIN record.instrument_state s USING "
     "(instrument_id)) t"},
    {HTTP_GET, ADMIN "/ledger", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t), '[]') FROM (SELECT * FROM people.ledger_request ORDER BY number "
     "DESC"
     " LIMIT $1) t"},
    {HTTP_GET, ADMIN "/trades", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(" EXACT "), '[]') FROM (SELECT * FROM public.trades ORDER BY id "
     "DESC LIMIT $1) t"},
    {HTTP_GET, ADMIN "/auctions", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(" EXACT "), '[]') FROM (SELECT * FROM public.auctions ORDER BY id "
     "DESC LIMIT $1) t"},
    {HTTP_GET, ADMIN "/statistics", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(" EXACT " ORDER BY instrument_id), '[]') FROM "
     "public.instrument_statistics t"},
    {HTTP_GET, ADMIN "/audit", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t), '[]') FROM (SELECT * FROM public.audit_logs ORDER BY id DESC "
     "LIMIT $1) t"},
    {HTTP_GET, ADMIN "/events", ROLE_AUDITOR, rows_read, CHAIN_EVENTS},
    {HTTP_GET, "/api/events", ROLE_AUDITOR, rows_read, CHAIN_EVENTS}, // the documents' address (J2)
    {HTTP_GET, ADMIN "/breaks", ROLE_AUDITOR, rows_read,
     "SELECT coalesce(json_agg(t), '[]') FROM (SELECT b.break_id, a.symbol, b.account_id, b.cause, "
     "b.words,"
     " b.difference::text, b.figures, b.since, b.runs, b.alerted_at, b.halted_at, b.closed_at FROM"
     " chain.reconciliation_break b JOIN people.asset a ON a.asset_id = b.token_asset"
     " ORDER BY b.closed_at IS NULL DESC, b.break_id DESC LIMIT $1) t"},
};

// ---- answers

static void set_answer(struct ask *ask, unsigned status, json_t *answer)
{
    json_decref(ask->answer);
    ask->status = status;
    ask->answer = answer;
    ASSERT(answer);
}

void ask_done(struct ask *ask, json_t *answer)
{
    set_answer(ask, 200, answer);
}

static json_t *error_json(const struct reject_entry *entry, const char *text)
{
    return json_pack("{s:i, s:s, s:s, s:s, s:s}", "code", entry->code, "name", entry->name, "check",
                     entry->check, "text", text, "hint", entry->hint);
}

// A number as the catalogue's text shows it: a decimal of the code's own scale.
static void add_number(json_t *error, const struct reject_entry *entry, const char *name,
                       const char *place, enum reject_number number, int64_t value)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    if (!strstr(entry->text, place))
        return;
    decimal_print(value, reject_decimals(entry->code, number, 0), text);
    json_object_set_new(error, name, json_string(text));
}

void ask_refuse(struct ask *ask, uint16_t code, int64_t limit, int64_t value, int64_t argument)
{
    const struct reject_entry *entry = reject_entry(code);
    char text[256];
    reject_text(code, limit, value, argument, 0, text, sizeof text);
    json_t *error = error_json(entry, text);
    add_number(error, entry, "limit", "{limit}", REJECT_LIMIT, limit);
    add_number(error, entry, "value", "{value}", REJECT_VALUE, value);
    add_number(error, entry, "argument", "{argument}", REJECT_ARGUMENT, argument);
    set_answer(ask, entry->http_status, json_pack("{s:o}", "error", error));
}

void ask_refuse_field(struct ask *ask, uint16_t code, const char *field)
{
    const struct reject_entry *entry = reject_entry(code);
    char text[256];
    const char *place = strstr(entry->text, "{argument}");
    if (place)
        snprintf(text, sizeof text, "%.*s%s%s", (int)(place - entry->text), entry->text, field,
                 place + strlen("{argument}"));
    else
        snprintf(text, sizeof text, "%s: %s", field, entry->text);
    json_t *error = error_json(entry, text);
    json_object_set_new(error, "field", json_string(field));
    set_answer(ask, entry->http_status, json_pack("{s:o}", "error", error));
}

bool ask_refuse_text(struct ask *ask, uint16_t code, const char *text)
{
    ask_refuse(ask, code, 0, 0, 0);
    json_t *error = error_json(reject_entry(code), text);
    json_object_set_new(ask->answer, "error", error);
    return false;
}

void ask_name_field(struct ask *ask, const struct desk_answer *answer, uint16_t code,
                    const char *const *names, size_t count)
{
    if (answer->outcome != DESK_REJECTED || answer->events[0].body.rejected.code != code)
        return;
    int64_t number = answer->events[0].body.rejected.argument;
    json_t *error = json_object_get(ask->answer, "error");
    if (number < 1 || (uint64_t)number > count || names[number - 1] == NULL)
        return;
    char text[32];
    snprintf(text, sizeof text, "field %lld ", (long long)number);
    const char *said = json_string_value(json_object_get(error, "text"));
    if (strncmp(said, text, strlen(text)) == 0)
        json_object_set_new(error, "text",
                            json_sprintf("field %s %s", names[number - 1], said + strlen(text)));
    json_object_set_new(error, "field", json_string(names[number - 1]));
}

// A row that another is to name is not there: what is not known, as everywhere.
static bool refuse_unknown(struct ask *ask, const char *constraint)
{
    static const struct {
        const char *end, *text;
        uint16_t code;
    } unknown[] = {
        {"account_id_fkey", "an account of that number is not known", REJECT_UNKNOWN_ACCOUNT},
        {"member_id_fkey", "a member of that number is not known", REJECT_UNKNOWN_MEMBER},
        {"session_id_fkey", "a session of that number is not known", REJECT_UNKNOWN_SESSION},
    };
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        size_t bytes = strlen(constraint), end = strlen(unknown[i].end);
        if (bytes >= end && strcmp(constraint + bytes - end, unknown[i].end) == 0)
            return !ask_refuse_text(ask, unknown[i].code, unknown[i].text);
    }
    return false;
}

void ask_commit(struct ask *ask, const char *name, int64_t id)
{
    if (pg_commit(ask->admin->pg) != PG_OK)
        ask_database_failed(ask);
    else
        json_object_set_new(ask->answer, name, json_integer(id));
}

bool ask_database_failed(struct ask *ask)
{
    struct pg *pg = ask->admin->pg;
    struct pg_error error = *pg_last_error(pg);
    pg_rollback(pg);
    if (error.class == PG_CONSTRAINT && refuse_unknown(ask, error.constraint))
        return false;
    if (error.class == PG_CONSTRAINT && strcmp(error.constraint, "stablecoin") == 0)
        return ask_refuse_text(ask, REJECT_STABLECOIN, error.message);
    if (error.class == PG_CONSTRAINT) {
        ask_refuse_field(ask, REJECT_MALFORMED, error.constraint);
        json_object_set_new(json_object_get(ask->answer, "error"), "text",
                            json_string(error.message));
        ask->status = 409;
        return false;
    }
    log_warning("database class=%s sqlstate=%s reason=\"%s\"", pg_class_name(error.class),
                error.sqlstate, error.message);
    ask_refuse(ask, REJECT_DATABASE_DOWN, 0, 0, 0);
    return false;
}

json_t *answer_json(const struct desk_answer *answer)
{
    json_t *events = json_array();
    for (size_t i = 0; i < answer->count; i++) {
        char text[4096];
        int bytes = event_dump(&answer->events[i], text, sizeof text);
        ASSERT(bytes > 0 && (size_t)bytes < sizeof text);
        json_array_append_new(events, json_loads(text, 0, NULL));
    }
    return json_pack("{s:I, s:o}", "sequence", (json_int_t)answer->sequence, "events", events);
}

bool ask_command(struct ask *ask, struct desk_answer *answer, uint8_t type, const void *body,
                 size_t body_bytes, const void *tail, size_t tail_bytes)
{
    if (ask->proposing != NULL)
        return proposal_command(ask, answer, type, body, body_bytes, tail, tail_bytes);
    desk_command(ask->admin->desk, answer, type, body, body_bytes, tail, tail_bytes);
    ask->sequence = answer->sequence;
    switch (answer->outcome) {
    case DESK_DONE:
        ask_done(ask, answer_json(answer));
        return true;
    case DESK_REJECTED: {
        const struct rejected_evt *reject = &answer->events[0].body.rejected;
        ask_refuse(ask, reject->code, reject->limit, reject->value, reject->argument);
        json_object_set_new(ask->answer, "sequence", json_integer((json_int_t)answer->sequence));
        if (reject->code == REJECT_NEEDS_APPROVAL)
            proposal_hint(ask);
        return false;
    }
    case DESK_NOT_ATTACHED:
        ask_refuse(ask, REJECT_NOT_ATTACHED, 0, 0, 0);
        return false;
    case DESK_LOST:
        ask_refuse(ask, REJECT_IN_DOUBT, 0, 0, 0);
        return false;
    case DESK_UNKNOWN:
        set_answer(
            ask, 503,
            json_pack("{s:{s:s, s:s, s:s}}", "error", "name", "NO_ANSWER", "text",
                      "the core has not answered in time; the command may still be carried out",
                      "hint", "send it again: it is idempotent"));
        return false;
    }
    ASSERT(false);
}

// ---- requests

// Matches "/a/#/b"; *id is the number. One number at most.
static bool path_matches(const char *pattern, const char *path, uint64_t *id)
{
    for (; *pattern; pattern++) {
        if (*pattern != '#') {
            if (*path++ != *pattern)
                return false;
            continue;
        }
        int64_t number;
        size_t digits = strspn(path, "0123456789");
        if (decimal_parse(path, digits, 0, &number) != DECIMAL_OK || number <= 0)
            return false;
        *id = (uint64_t)number;
        path += digits;
    }
    return *path == 0;
}

const struct route *route_find(enum http_method method, const char *path, uint64_t *id)
{
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        if (routes[i].method == method && path_matches(routes[i].path, path, id))
            return &routes[i];
    return NULL;
}

static bool may(struct ask *ask)
{
    const struct admin_token *token = token_find(ask->admin, ask->bearer);
    if (token) {
        ask->token = *token; // it may be revoked by this very request
        ask->who = &ask->token;
    }
    if (ask->route->role == ROLE_NOBODY)
        return true;
    if (!ask->who)
        ask_refuse(ask, REJECT_NOT_LOGGED_IN, 0, 0, 0);
    else if (ask->who->role < ask->route->role)
        ask_refuse(ask, REJECT_FORBIDDEN, 0, 0, 0);
    else
        return true;
    return false;
}

// In the worker's thread.
static void run(void *context)
{
    struct ask *ask = context;
    if (ask->admin->stopping) {
        ask_refuse(ask, REJECT_SHUTTING_DOWN, 0, 0, 0);
        return;
    }
    if (may(ask)) {
        if (ask->route->sql != NULL) // not before what must not wait for the database
            audit_flush(ask->admin);
        ask->route->handle(ask);
        pg_rollback(ask->admin->pg);
    }
    // A try that the role does not allow is written down too; who is not logged in has no name.
    if (ask->who && ask->route->method == HTTP_POST && ask->route->role >= ROLE_OPERATOR)
        audit_write(ask);
}

static void send_answer(struct ask *ask)
{
    if (!ask->answer) // the pool was closed before its turn
        ask_refuse(ask, REJECT_SHUTTING_DOWN, 0, 0, 0);
    char *text = json_dumps(ask->answer, JSON_COMPACT);
    ASSERT(text);
    bool sent = http_answer(ask->admin->http, ask->http_id, ask->status, "application/json", NULL,
                            text, strlen(text));
    if (!sent)
        log_debug("a client left before its answer");
    free(text);
}

static void ask_free(struct ask *ask)
{
    json_decref(ask->answer);
    json_decref(ask->body);
    free(ask);
}

static void finish(void *context)
{
    struct ask *ask = context;
    send_answer(ask);
    ask_free(ask);
}

// False after refusing.
static bool take_body(struct ask *ask, const struct http_request *request)
{
    if (request->refused) {
        if (request->refused == 413)
            ask_refuse(ask, REJECT_TOO_LARGE, BODY_BYTES_MAX, (int64_t)request->body_bytes, 0);
        else
            ask_refuse_field(ask, REJECT_MALFORMED, "Content-Length");
        ask->status = request->refused;
        return false;
    }
    if (request->method == HTTP_GET)
        return true;
    ask->body = request->body_bytes
                    ? json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, NULL)
                    : json_object();
    if (json_is_object(ask->body))
        return true;
    ask_refuse_field(ask, REJECT_MALFORMED, "body");
    return false;
}

// The value of ?name=; one that is too long is "?", which nothing takes.
static void argument(const struct http_request *request, const char *name, char *out, size_t size)
{
    char value[HTTP_QUERY_BYTES_MAX];
    if (http_argument(request, name, value, sizeof value))
        snprintf(out, size, "%s", strlen(value) < size ? value : "?");
}

static void on_request(void *context, uint64_t id, const struct http_request *request)
{
    struct admin *admin = context;
    if (request->method == HTTP_GET && request->refused == 0 && admin->pages != NULL &&
        pages_answer(admin->pages, admin->http, id, request->path))
        return;
    struct ask *ask = calloc(1, sizeof *ask);
    ASSERT(ask);
    ask->admin = admin;
    ask->http_id = id;
    snprintf(ask->path, sizeof ask->path, "%s", request->path);
    snprintf(ask->bearer, sizeof ask->bearer, "%s", request->bearer);
    (void)http_argument(request, "account", ask->account_argument, sizeof ask->account_argument);
    (void)http_argument(request, "limit", ask->limit_argument, sizeof ask->limit_argument);
    const struct {
        const char *name;
        char *out;
        size_t size;
    } filters[] = {{"detector", ask->detector_argument, sizeof ask->detector_argument},
                   {"member", ask->member_argument, sizeof ask->member_argument},
                   {"instrument", ask->instrument_argument, sizeof ask->instrument_argument},
                   {"since", ask->since_argument, sizeof ask->since_argument},
                   {"status", ask->status_argument, sizeof ask->status_argument},
                   {"token", ask->token_argument, sizeof ask->token_argument},
                   {"trade", ask->trade_argument, sizeof ask->trade_argument}};
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        argument(request, filters[i].name, filters[i].out, filters[i].size);
    ask->route = route_find(request->method, request->path, &ask->id);
    bool good = take_body(ask, request);
    if (good && !ask->route) {
        ask_refuse(ask, REJECT_NOT_FOUND, 0, 0, 0);
        good = false;
    }
    if (good && workers_submit(admin->workers, run, finish, ask))
        return;
    if (good)
        ask_refuse(ask, REJECT_OVERLOADED, 0, 0, 0);
    finish(ask);
}

bool route_open(struct admin *admin)
{
    const struct http_options options = {
        .address = admin->boot->config.admin_address,
        .port = (int)admin->boot->config.admin_port,
        .connections_max = CONNECTIONS_MAX,
        .body_bytes_max = BODY_BYTES_MAX,
        .message_bytes_max = BODY_BYTES_MAX,
        .output_bytes_max = 16u << 20,
        .websocket_idle_s = 60,
        .answer_timeout_s = ANSWER_TIMEOUT_S,
    };
    const struct http_handlers handlers = {.request = on_request};
    admin->http = http_open(admin->loop, &options, &handlers, admin);
    return admin->http != NULL;
}
