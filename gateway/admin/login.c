// Logins of operators: a name and a password give a token of 256 random bits, kept in this process
// only (after its restart people log in again) for eight hours. Ten wrong passwords within a minute
// close the login for the rest of it, for everybody: an operator's interface is not a public one.
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/admin/admin.h"
#include "gateway/common/password.h"

static const uint64_t TOKEN_LIFE_NS = 8ULL * 3600 * 1000000000, MINUTE_NS = 60000000000ULL;
enum { FAILED_LOGINS_MAX = 10 };

const char *role_text(enum role role)
{
    static const char *const texts[] = {"nobody", "auditor", "operator", "administrator"};
    return texts[role];
}

static enum role role_of(const char *text)
{
    for (enum role role = ROLE_AUDITOR; role <= ROLE_ADMINISTRATOR; role++)
        if (!strcmp(role_text(role), text))
            return role;
    return ROLE_NOBODY;
}

// Compares all of it, so that the time taken does not tell how much was right.
static bool same_text(const char *one, const char *other)
{
    unsigned char difference = 0;
    for (size_t i = 0; i < ADMIN_TOKEN_TEXT_BYTES; i++)
        difference |= (unsigned char)(one[i] ^ other[i]);
    return difference == 0;
}

struct admin_token *token_find(struct admin *admin, const char *text)
{
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    struct admin_token *found = NULL;
    if (strlen(text) != ADMIN_TOKEN_TEXT_BYTES)
        return NULL;
    for (size_t i = 0; i < ADMIN_TOKENS_MAX; i++) {
        struct admin_token *token = &admin->tokens[i];
        if (token->text[0] && token->expires_ns > now_ns && same_text(token->text, text))
            found = token;
    }
    return found;
}

void tokens_revoke(struct admin *admin, const char *name)
{
    for (size_t i = 0; i < ADMIN_TOKENS_MAX; i++)
        if (!strcmp(admin->tokens[i].name, name))
            memset(&admin->tokens[i], 0, sizeof admin->tokens[i]);
}

// A free place, or the one that expires first.
static struct admin_token *token_place(struct admin *admin, uint64_t now_ns)
{
    struct admin_token *place = &admin->tokens[0];
    for (size_t i = 0; i < ADMIN_TOKENS_MAX; i++) {
        struct admin_token *token = &admin->tokens[i];
        if (!token->text[0] || token->expires_ns <= now_ns)
            return token;
        if (token->expires_ns < place->expires_ns)
            place = token;
    }
    return place;
}

static const struct admin_token *token_issue(struct admin *admin, int64_t login, const char *name,
                                             enum role role)
{
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    struct admin_token *token = token_place(admin, now_ns);
    unsigned char random[ADMIN_TOKEN_TEXT_BYTES / 2];
    ASSERT(getrandom(random, sizeof random, 0) == (ssize_t)sizeof random);
    memset(token, 0, sizeof *token);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(token->text + 2 * i, 3, "%02x", random[i]);
    token->login = login;
    token->role = role;
    token->expires_ns = now_ns + TOKEN_LIFE_NS;
    snprintf(token->name, sizeof token->name, "%s", name);
    return token;
}

static bool throttled(struct ask *ask)
{
    struct admin *admin = ask->admin;
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    if (now_ns - admin->failed_logins_since_ns > MINUTE_NS) {
        admin->failed_logins_since_ns = now_ns;
        admin->failed_logins = 0;
    }
    if (admin->failed_logins < FAILED_LOGINS_MAX)
        return false;
    ask_refuse(ask, REJECT_THROTTLED, FAILED_LOGINS_MAX, 0, 0);
    return true;
}

void login_handle(struct ask *ask)
{
    static const char *const names[] = {"user", "password", NULL};
    const char *user = NULL, *password = NULL;
    if (throttled(ask) || !fields_known(ask, names) || !field_text(ask, &user, "user", REQUIRED) ||
        !field_text(ask, &password, "password", REQUIRED))
        return;
    first_login_make(ask->admin);
    struct pg_rows *rows;
    if (pg_query(ask->admin->pg, &rows,
                 "SELECT login_id, role, password_hash FROM people.login"
                 " WHERE kind = 'admin' AND login_name = $1 AND NOT disabled",
                 PG_PARAMS(pg_text(user))) != PG_OK) {
        ask_database_failed(ask);
        return;
    }
    bool known = pg_rows_count(rows) == 1;
    bool right = password_verify(known ? pg_value(rows, 0, 2) : password_decoy(), password,
                                 strlen(password));
    if (known && right) {
        enum role role = role_of(pg_value(rows, 0, 1));
        const struct admin_token *token =
            token_issue(ask->admin, pg_number(rows, 0, 0), user, role);
        ask_done(ask, json_pack("{s:s, s:s, s:I}", "token", token->text, "role", role_text(role),
                                "expires_in_s", (json_int_t)(TOKEN_LIFE_NS / 1000000000)));
        log_info("login login=%lld role=%s", (long long)token->login, role_text(role));
    } else {
        ask->admin->failed_logins++;
        log_warning("login refused");
        ask_refuse(ask, REJECT_BAD_CREDENTIALS, 0, 0, 0);
    }
    pg_rows_free(rows);
}

void logout_handle(struct ask *ask)
{
    struct admin_token *token = token_find(ask->admin, ask->bearer);
    memset(token, 0, sizeof *token);
    ask_done(ask, json_object());
}

// The file that setup makes; false if there is none.
static bool read_first_password(const struct admin *admin, char *out, size_t size)
{
    char path[CONFIG_TEXT_BYTES_MAX + 32];
    snprintf(path, sizeof path, "%s/login-admin", admin->boot->config.postgres_secrets_folder);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(out, (int)size, file) != NULL;
    fclose(file);
    if (read)
        out[strcspn(out, "\r\n")] = 0;
    return read && strlen(out) >= 12;
}

void first_login_make(struct admin *admin)
{
    char password[128], encoded[PASSWORD_ENCODED_BYTES];
    if (admin->first_login_made || !read_first_password(admin, password, sizeof password))
        return;
    struct pg_rows *rows = NULL;
    if (password_hash(encoded, password, strlen(password)) &&
        pg_query(admin->pg, &rows,
                 "INSERT INTO people.login (kind, login_name, role, password_hash)"
                 " SELECT 'admin', 'admin', 'administrator', $1"
                 " WHERE NOT EXISTS (SELECT FROM people.login WHERE kind = 'admin') ON CONFLICT DO "
                 "NOTHING",
                 PG_PARAMS(pg_text(encoded))) == PG_OK) {
        admin->first_login_made = true;
        if (pg_rows_affected(rows) == 1)
            log_info("first administrator made name=admin");
    }
    pg_rows_free(rows);
    password_wipe(password, sizeof password);
}
