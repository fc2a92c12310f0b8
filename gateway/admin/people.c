// Members, accounts, sessions, logins. Each POST creates or changes: a field that is left out keeps
// its value (or takes the column's default when the row is new). The row is written in a
// transaction, the command is sent with the row's values, and the transaction is committed once the
// command is durable: a refused command leaves no row. If the process dies between the two, the
// engine knows a row that Postgres does not: the same request sent again makes them equal, because
// the command carries the whole record.
#include <string.h>

#include "gateway/admin/admin.h"
#include "gateway/common/password.h"

static struct pg_param maybe_number(int64_t number)
{
    return number < 0 ? pg_null() : pg_i64(number);
}

static struct pg_param maybe_bool(int value)
{
    return value < 0 ? pg_null() : pg_bool(value != 0);
}

// ---- members

void member_handle(struct ask *ask)
{
    static const char *const names[] = {"member", "name", "suspended", NULL};
    int64_t id = -1;
    int suspended = -1;
    const char *name = NULL;
    struct pg *pg = ask->admin->pg;
    struct pg_rows *rows;
    if (!fields_known(ask, names) || !field_number(ask, &id, "member", 1, INT32_MAX, OPTIONAL) ||
        !field_text(ask, &name, "name", OPTIONAL) ||
        !field_bool(ask, &suspended, "suspended", OPTIONAL))
        return;
    if (pg_begin(pg) != PG_OK ||
        pg_query(pg, &rows,
                 "INSERT INTO people.member AS m (member_id, name, suspended) VALUES"
                 " (coalesce($1, (SELECT coalesce(max(member_id), 0) + 1 FROM people.member)),"
                 " coalesce($2, (SELECT name FROM people.member WHERE member_id = $1)), "
                 "coalesce($3, false))"
                 " ON CONFLICT (member_id) DO UPDATE SET name = coalesce($2, m.name),"
                 " suspended = coalesce($3, m.suspended), updated_at = now() RETURNING member_id, "
                 "suspended",
                 PG_PARAMS(maybe_number(id), pg_text(name), maybe_bool(suspended))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    struct member_set_cmd body = {.member = (uint32_t)pg_number(rows, 0, 0),
                                  .suspended = (uint8_t)pg_number(rows, 0, 1)};
    pg_rows_free(rows);
    struct desk_answer answer;
    if (ask_command(ask, &answer, CMD_member_set, &body, sizeof body, NULL, 0))
        ask_commit(ask, "member", body.member);
}

// ---- accounts

static const char *const kyc_words[] = {"none", "pending", "in_review", "approved", "rejected"};
static const char *const accreditation_words[] = {"retail", "professional", "institutional"};
static const char *const fatca_words[] = {"clear", "blocked"};

struct account_fields {
    int64_t id, member, jurisdiction, kyc, kyc_level, accreditation, fatca, fee_bps;
    int is_activated, is_suspended, limits_waived;
    const char *name, *nationality, *wallet;
};

static bool account_fields(struct ask *ask, struct account_fields *f)
{
    static const char *const names[] = {"account",
                                        "member",
                                        "name",
                                        "nationality",
                                        "jurisdiction",
                                        "kyc_status",
                                        "kyc_level",
                                        "accreditation_status",
                                        "fatca_status",
                                        "wallet_address",
                                        "is_activated",
                                        "is_suspended",
                                        "limits_waived",
                                        "fee_bps",
                                        NULL};
    *f = (struct account_fields){.id = -1,
                                 .member = -1,
                                 .jurisdiction = -1,
                                 .kyc = -1,
                                 .kyc_level = -1,
                                 .accreditation = -1,
                                 .fatca = -1,
                                 .fee_bps = -1,
                                 .is_activated = -1,
                                 .is_suspended = -1,
                                 .limits_waived = -1};
    return fields_known(ask, names) &&
           field_number(ask, &f->id, "account", 16, INT32_MAX, OPTIONAL) &&
           field_number(ask, &f->member, "member", 1, INT32_MAX, OPTIONAL) &&
           field_text(ask, &f->name, "name", OPTIONAL) &&
           field_text(ask, &f->nationality, "nationality", OPTIONAL) &&
           field_number(ask, &f->jurisdiction, "jurisdiction", 0, 999, OPTIONAL) &&
           field_word(ask, &f->kyc, "kyc_status", WORDS(kyc_words), OPTIONAL) &&
           field_number(ask, &f->kyc_level, "kyc_level", 0, 9, OPTIONAL) &&
           field_word(ask, &f->accreditation, "accreditation_status", WORDS(accreditation_words),
                      OPTIONAL) &&
           field_word(ask, &f->fatca, "fatca_status", WORDS(fatca_words), OPTIONAL) &&
           field_address(ask, &f->wallet, "wallet_address", OPTIONAL) &&
           field_bool(ask, &f->is_activated, "is_activated", OPTIONAL) &&
           field_bool(ask, &f->is_suspended, "is_suspended", OPTIONAL) &&
           field_bool(ask, &f->limits_waived, "limits_waived", OPTIONAL) &&
           field_number(ask, &f->fee_bps, "fee_bps", 0, 10000, OPTIONAL);
}

static const char *word_or_null(const char *const *words, int64_t place)
{
    return place < 0 ? NULL : words[place];
}

// Makes the row if it is new, then changes what was given. C7: a US national is blocked.
static enum pg_class account_upsert(struct pg *pg, struct pg_rows **rows,
                                    const struct account_fields *f)
{
    enum pg_class class = pg_query(
        pg, rows,
        "INSERT INTO people.account (account_id, member_id, name) SELECT"
        " coalesce($1, (SELECT greatest(max(account_id), 15) + 1 FROM people.account)), $2, $3"
        " WHERE $1 IS NULL OR NOT EXISTS (SELECT FROM people.account WHERE account_id = $1) "
        "RETURNING account_id",
        PG_PARAMS(maybe_number(f->id), maybe_number(f->member), pg_text(f->name)));
    if (class != PG_OK)
        return class;
    int64_t id = pg_rows_count(*rows) ? pg_number(*rows, 0, 0) : f->id;
    pg_rows_free(*rows);
    return pg_query(
        pg, rows,
        "UPDATE people.account SET member_id = coalesce($2, member_id), name = coalesce($3, name),"
        " nationality = coalesce($4, nationality), jurisdiction = coalesce($5, jurisdiction),"
        " kyc_status = coalesce($6, kyc_status), kyc_level = coalesce($7, kyc_level),"
        " accreditation_status = coalesce($8, accreditation_status),"
        " fatca_status = CASE WHEN coalesce($4, nationality) = 'US' THEN 'blocked' ELSE "
        "coalesce($9, fatca_status) END,"
        " wallet_address = coalesce($10, wallet_address), is_activated = coalesce($11, "
        "is_activated),"
        " is_suspended = coalesce($12, is_suspended), limits_waived = coalesce($13, limits_waived),"
        " fee_bps = coalesce($14, fee_bps), updated_at = now() WHERE account_id = $1"
        " RETURNING account_id, member_id, jurisdiction, kyc_status, accreditation_status, "
        "fatca_status, is_activated,"
        " wallet_address IS NOT NULL, is_suspended, limits_waived, fee_bps",
        PG_PARAMS(pg_i64(id), maybe_number(f->member), pg_text(f->name), pg_text(f->nationality),
                  maybe_number(f->jurisdiction), pg_text(word_or_null(kyc_words, f->kyc)),
                  maybe_number(f->kyc_level),
                  pg_text(word_or_null(accreditation_words, f->accreditation)),
                  pg_text(word_or_null(fatca_words, f->fatca)), pg_text(f->wallet),
                  maybe_bool(f->is_activated), maybe_bool(f->is_suspended),
                  maybe_bool(f->limits_waived), maybe_number(f->fee_bps)));
}

static uint8_t place_of(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(words[i], word))
            return (uint8_t)(i + 1); // the enums count from 1, in this order
    ASSERT(false);
}

static struct account_set_cmd account_body(const struct pg_rows *rows)
{
    uint8_t flags = 0;
    flags |= pg_number(rows, 0, 6) ? ACCOUNT_ACTIVATED : 0;
    flags |= pg_number(rows, 0, 7) ? ACCOUNT_HAS_WALLET : 0;
    flags |= pg_number(rows, 0, 8) ? ACCOUNT_SUSPENDED : 0;
    flags |= pg_number(rows, 0, 9) ? ACCOUNT_NO_LIMITS : 0;
    return (struct account_set_cmd){
        .account = (uint32_t)pg_number(rows, 0, 0),
        .member = (uint32_t)pg_number(rows, 0, 1),
        .jurisdiction = (uint16_t)pg_number(rows, 0, 2),
        .kyc = place_of(WORDS(kyc_words), pg_value(rows, 0, 3)),
        .accreditation = place_of(WORDS(accreditation_words), pg_value(rows, 0, 4)),
        .fatca = place_of(WORDS(fatca_words), pg_value(rows, 0, 5)),
        .flags = flags,
        .fee_bps = pg_is_null(rows, 0, 10) ? FEE_BPS_DEFAULT : (uint32_t)pg_number(rows, 0, 10),
    };
}

void account_handle(struct ask *ask)
{
    struct account_fields fields;
    struct pg_rows *rows;
    if (!account_fields(ask, &fields))
        return;
    if (pg_begin(ask->admin->pg) != PG_OK ||
        account_upsert(ask->admin->pg, &rows, &fields) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    struct account_set_cmd body = account_body(rows);
    pg_rows_free(rows);
    struct desk_answer answer;
    if (ask_command(ask, &answer, CMD_account_set, &body, sizeof body, NULL, 0))
        ask_commit(ask, "account", body.account);
}

// ---- sessions

static const char *const right_words[] = {"trade", "cancel", "see"}; // bits of enum session_right

struct session_entry { // as the command has it: the account's number, its rights above
    uint32_t account;
    uint8_t rights;
};

static bool account_number(struct ask *ask, uint32_t *account, const json_t *number)
{
    json_int_t id = json_integer_value(number);
    if (json_is_integer(number) && id >= 1 && id < 1 << SESSION_ACCOUNT_RIGHTS_SHIFT) {
        *account = (uint32_t)id;
        return true;
    }
    ask_refuse_field(ask, REJECT_MALFORMED, "accounts");
    return false;
}

static bool read_account(struct ask *ask, void *out)
{
    static const char *const names[] = {"account", "rights", NULL};
    struct session_entry *entry = out;
    if (!fields_known(ask, names) ||
        !account_number(ask, &entry->account, json_object_get(ask->body, "account")) ||
        !field_word_set(ask, &entry->rights, "rights", WORDS(right_words)))
        return false;
    if (entry->rights != 0) // none at all would mean all of them to the core
        return true;
    ask_refuse_field(ask, REJECT_MALFORMED, "rights (trade, cancel, see; without any: no account)");
    return false;
}

// A number (with every right), or {"account", "rights"}.
static bool session_accounts(struct ask *ask, struct session_entry *accounts, size_t *count)
{
    json_t *list = field_list(ask, "accounts", SESSION_ACCOUNTS_MAX);
    *count = json_array_size(list);
    if (list == NULL)
        return false;
    if (*count == 0) {
        ask_refuse_field(ask, REJECT_MALFORMED, "accounts");
        return false;
    }
    for (size_t i = 0; i < *count; i++) {
        json_t *entry = json_array_get(list, i);
        accounts[i].rights = RIGHTS_ALL;
        if (json_is_object(entry) ? !field_entry(ask, entry, "accounts", read_account, &accounts[i])
                                  : !account_number(ask, &accounts[i].account, entry))
            return false;
    }
    return true;
}

static enum pg_class session_upsert(struct pg *pg, struct pg_rows **rows, int64_t id,
                                    int64_t member, const char *gateway, int cancel, int disabled,
                                    int member_scope)
{
    return pg_query(
        pg, rows,
        "INSERT INTO people.session AS s (session_id, member_id, gateway, cancel_on_disconnect, "
        "disabled, member_scope) VALUES"
        " (coalesce($1, (SELECT coalesce(max(session_id), 0) + 1 FROM people.session)), $2, $3, "
        "coalesce($4, false),"
        " coalesce($5, false), coalesce($6, false)) ON CONFLICT (session_id) DO UPDATE SET "
        "member_id = "
        "EXCLUDED.member_id,"
        " gateway = EXCLUDED.gateway, cancel_on_disconnect = coalesce($4, s.cancel_on_disconnect),"
        " disabled = coalesce($5, s.disabled), member_scope = coalesce($6, s.member_scope),"
        " updated_at = now() RETURNING session_id, cancel_on_disconnect, disabled, member_scope",
        PG_PARAMS(maybe_number(id), pg_i64(member), pg_text(gateway), maybe_bool(cancel),
                  maybe_bool(disabled), maybe_bool(member_scope)));
}

static enum pg_class session_accounts_write(struct pg *pg, uint32_t session,
                                            const struct session_entry *accounts, size_t count)
{
    enum pg_class class =
        pg_query(pg, NULL, "DELETE FROM people.session_account WHERE session_id = $1",
                 PG_PARAMS(pg_i64(session)));
    for (size_t i = 0; i < count && class == PG_OK; i++)
        class = pg_query(
            pg, NULL,
            "INSERT INTO people.session_account (session_id, account_id, rights) VALUES ($1, $2, "
            "$3)",
            PG_PARAMS(pg_i64(session), pg_i64(accounts[i].account), pg_i64(accounts[i].rights)));
    return class;
}

void session_handle(struct ask *ask)
{
    static const char *const names[] = {
        "session",  "member",       "gateway", "accounts", "cancel_on_disconnect",
        "disabled", "member_scope", NULL};
    static const char *const gateways[] = {"fix", "web"};
    struct session_entry accounts[SESSION_ACCOUNTS_MAX];
    uint32_t tail[SESSION_ACCOUNTS_MAX];
    size_t count;
    int64_t id = -1, member = 0, gateway = 0;
    int cancel = -1, disabled = -1, member_scope = -1;
    struct pg_rows *rows;
    if (!fields_known(ask, names) || !field_number(ask, &id, "session", 1, INT32_MAX, OPTIONAL) ||
        !field_number(ask, &member, "member", 1, INT32_MAX, REQUIRED) ||
        !field_word(ask, &gateway, "gateway", WORDS(gateways), REQUIRED) ||
        !session_accounts(ask, accounts, &count) ||
        !field_bool(ask, &cancel, "cancel_on_disconnect", OPTIONAL) ||
        !field_bool(ask, &disabled, "disabled", OPTIONAL) ||
        !field_bool(ask, &member_scope, "member_scope", OPTIONAL))
        return;
    struct pg *pg = ask->admin->pg;
    if (pg_begin(pg) != PG_OK || session_upsert(pg, &rows, id, member, gateways[gateway], cancel,
                                                disabled, member_scope) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    struct session_set_cmd body = {
        .session = (uint32_t)pg_number(rows, 0, 0),
        .member = (uint32_t)member,
        .gateway = gateway == 0 ? GATEWAY_FIX : GATEWAY_WEB,
        .flags = (uint8_t)((pg_number(rows, 0, 1) ? SESSION_CANCEL_ON_DISCONNECT : 0) |
                           (pg_number(rows, 0, 2) ? SESSION_DISABLED : 0) |
                           (pg_number(rows, 0, 3) ? SESSION_MEMBER_SCOPE : 0)),
        .account_count = (uint16_t)count,
    };
    pg_rows_free(rows);
    if (session_accounts_write(pg, body.session, accounts, count) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    for (size_t i = 0; i < count; i++) { // all rights need not be named
        uint32_t rights = accounts[i].rights == RIGHTS_ALL ? 0 : accounts[i].rights;
        tail[i] = accounts[i].account | rights << SESSION_ACCOUNT_RIGHTS_SHIFT;
    }
    struct desk_answer answer;
    if (ask_command(ask, &answer, CMD_session_set, &body, sizeof body, tail,
                    count * sizeof tail[0]))
        ask_commit(ask, "session", body.session);
}

// ---- logins: Postgres only, the engine knows sessions

static bool hash_given(struct ask *ask, const char *password, char encoded[PASSWORD_ENCODED_BYTES])
{
    if (strlen(password) < 12) {
        ask_refuse_field(ask, REJECT_MALFORMED, "password (12 characters at least)");
        return false;
    }
    ASSERT(password_hash(encoded, password, strlen(password)));
    return true;
}

void login_set_handle(struct ask *ask)
{
    static const char *const names[] = {"kind",    "login_name", "password", "comp_id",
                                        "session", "role",       "disabled", NULL};
    static const char *const kinds[] = {"fix", "web", "admin"};
    static const char *const roles[] = {"trader", "auditor", "operator", "administrator"};
    const char *name = NULL, *password = NULL, *comp_id = NULL;
    int64_t kind = 0, role = 0, session = -1;
    int disabled = -1;
    char encoded[PASSWORD_ENCODED_BYTES] = "";
    struct pg_rows *rows;
    if (!fields_known(ask, names) || !field_word(ask, &kind, "kind", WORDS(kinds), REQUIRED) ||
        !field_text(ask, &name, "login_name", REQUIRED) ||
        !field_text(ask, &password, "password", OPTIONAL) ||
        !field_text(ask, &comp_id, "comp_id", OPTIONAL) ||
        !field_number(ask, &session, "session", 1, INT32_MAX, OPTIONAL) ||
        !field_word(ask, &role, "role", WORDS(roles), OPTIONAL) ||
        !field_bool(ask, &disabled, "disabled", OPTIONAL) ||
        (password && !hash_given(ask, password, encoded)))
        return;
    if (pg_query(ask->admin->pg, &rows,
                 "INSERT INTO people.login AS l (kind, login_name, comp_id, session_id, member_id, "
                 "role, password_hash,"
                 " disabled) VALUES ($1, $2, $3, $4, (SELECT member_id FROM people.session WHERE "
                 "session_id = $4), $5,"
                 " coalesce($6, (SELECT password_hash FROM people.login WHERE kind = $1 AND "
                 "login_name = $2)),"
                 " coalesce($7, false)) ON CONFLICT (kind, login_name) DO UPDATE SET comp_id = "
                 "coalesce($3, l.comp_id),"
                 " session_id = coalesce($4, l.session_id), member_id = "
                 "coalesce(EXCLUDED.member_id, l.member_id),"
                 " role = EXCLUDED.role, password_hash = coalesce($6, l.password_hash), disabled = "
                 "coalesce($7, l.disabled),"
                 " updated_at = now() RETURNING login_id",
                 PG_PARAMS(pg_text(kinds[kind]), pg_text(name), pg_text(comp_id),
                           maybe_number(session), pg_text(roles[role]),
                           pg_text(encoded[0] ? encoded : NULL), maybe_bool(disabled))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    ask_done(ask, json_pack("{s:I}", "login", (json_int_t)pg_number(rows, 0, 0)));
    pg_rows_free(rows);
    if (kind == 2)
        tokens_revoke(ask->admin, name); // rights or password have changed
}
