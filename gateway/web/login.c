// Login, happy path: user and password → the login's row from Postgres → argon2id in a worker → a
// token.
//
// Failures: Postgres away: DATABASE_DOWN (503), and whoever is logged in goes on trading; too many
// logins at once: OVERLOADED; wrong name or password: BAD_CREDENTIALS after the same time either
// way. After FREE_FAILURES wrong tries of a name the next is refused for 1, 2, 4 … 32 s.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/fnv1a.h"
#include "base/log.h"
#include "gateway/common/password.h"
#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

enum {
    FREE_FAILURES = 3,
    DELAY_DOUBLINGS_MAX = 5,
    NAMES = 4096, // entries are shared by names that hash alike: they only wait for each other
    NAME_BYTES_MAX = 64,
    PASSWORD_BYTES_MAX = 128,
    HASH_BYTES_MAX = 256,
    UNDER_WAY_MAX = 64,
    QUERY_TIMEOUT_MS = 3000,
};

// A login's row changes with its password, its session, its being disabled: in microseconds.
#define VERSION "(extract(epoch FROM updated_at) * 1000000)::bigint"

struct tries {
    uint32_t failures;
    uint64_t not_before_ns; // monotone
};

struct login {
    uint64_t seed;
    unsigned under_way;
    bool asking;         // the query about changed logins is out
    uint64_t asked_ns;   // when
    uint64_t checked_ns; // when the last one was sent that was answered
    struct tries tries[NAMES];
};

struct job {
    struct web *web;
    struct reply reply;
    char name[NAME_BYTES_MAX + 1];
    char password[PASSWORD_BYTES_MAX];
    size_t password_bytes;
    char hash[HASH_BYTES_MAX];
    struct token token; // to be issued
    bool known, right;
};

struct login *login_create(struct web *web)
{
    (void)web;
    struct login *login = calloc(1, sizeof *login);
    if (login != NULL)
        login->checked_ns = web_now_ns(); // there is no token yet
    if (login != NULL && getrandom(&login->seed, sizeof login->seed, 0) != sizeof login->seed)
        login->seed = 1;
    return login;
}

void login_destroy(struct login *login)
{
    free(login);
}

static struct tries *tries_of(struct login *login, const char *name)
{
    uint64_t hash = fnv1a(login->seed ^ FNV1A_BASIS, name, strlen(name));
    return &login->tries[(hash >> 20) % NAMES];
}

static void note_failure(struct tries *tries)
{
    tries->failures++;
    if (tries->failures < FREE_FAILURES)
        return;
    uint32_t doublings = tries->failures - FREE_FAILURES;
    if (doublings > DELAY_DOUBLINGS_MAX)
        doublings = DELAY_DOUBLINGS_MAX;
    tries->not_before_ns = web_now_ns() + (1000000000u << doublings);
}

static void end_job(struct job *job)
{
    job->web->login->under_way--;
    password_wipe(job, sizeof *job);
    free(job);
}

static void refuse(struct job *job, enum reject_code code)
{
    reply_code(job->web, &job->reply, code, 0, 0);
    end_job(job);
}

static void answer_token(struct job *job, const char *text)
{
    struct json_out *out = &job->web->out;
    reply_begin(job->web, &job->reply, "token");
    json_text(out, "token", text);
    json_integer(out, "session", job->token.session);
    json_id(out, "expires", job->token.expires_ns);
    reply_end(job->web, &job->reply, 200);
    password_wipe(out->text, out->bytes);
}

static void issue(struct job *job)
{
    struct web *web = job->web;
    char text[TOKEN_TEXT_BYTES + 1];
    uint64_t now_ns = web_wall_ns();
    job->token.expires_ns = now_ns + (uint64_t)web->config->web_login_hours * 3600 * 1000000000;
    if (user_of_session(web, job->token.session) == NULL) {
        refuse(job, REJECT_UNKNOWN_SESSION);
        return;
    }
    if (!tokens_issue(web->tokens, text, &job->token, now_ns)) {
        refuse(job, REJECT_OVERLOADED);
        return;
    }
    log_info("login session=%u", job->token.session);
    answer_token(job, text);
    password_wipe(text, sizeof text);
    end_job(job);
}

// In a worker thread.
static void check_password(void *context)
{
    struct job *job = context;
    const char *hash = job->known ? job->hash : password_decoy();
    job->right = password_verify(hash, job->password, job->password_bytes) && job->known;
}

// Back in the loop's thread.
static void password_checked(void *context)
{
    struct job *job = context;
    struct tries *tries = tries_of(job->web->login, job->name);
    // Of many at once, those behind the last free one learn nothing, not even that they are right.
    if (web_now_ns() < tries->not_before_ns) {
        reply_code(job->web, &job->reply, REJECT_THROTTLED, FREE_FAILURES, tries->failures);
        end_job(job);
        return;
    }
    if (job->right) {
        *tries = (struct tries){0};
        issue(job);
        return;
    }
    note_failure(tries);
    log_limited(LOG_WARNING, "login refused failures=%u", tries->failures);
    refuse(job, REJECT_BAD_CREDENTIALS);
}

static void take_row(struct job *job, const struct pg_rows *rows)
{
    const char *hash = pg_rows_count(rows) == 1 ? pg_value(rows, 0, 1) : NULL;
    if (hash == NULL || strlen(hash) >= sizeof job->hash || pg_number(rows, 0, 2) != 0)
        return; // unknown or disabled: the decoy is checked
    job->known = true;
    job->token = (struct token){.session = (uint32_t)pg_number(rows, 0, 0),
                                .login = (uint32_t)pg_number(rows, 0, 3),
                                .login_version = pg_number(rows, 0, 4)};
    strcpy(job->hash, hash);
}

static void found(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct job *job = context;
    if (error->class != PG_OK) {
        log_limited(LOG_WARNING, "login: %s %s", pg_class_name(error->class), error->message);
        refuse(job, REJECT_DATABASE_DOWN);
        return;
    }
    take_row(job, rows);
    if (!workers_submit(job->web->workers, check_password, password_checked, job))
        refuse(job, REJECT_OVERLOADED);
}

static void look_up(struct web *web, struct job *job)
{
    static const char sql[] =
        "SELECT session_id, password_hash, disabled, login_id, " VERSION " FROM people.login "
        "WHERE kind = 'web' AND login_name = $1";
    if (!pg_async_query(web->pg, sql, PG_PARAMS(pg_text(job->name)), web_now_ns(), QUERY_TIMEOUT_MS,
                        found, job))
        refuse(job, REJECT_DATABASE_DOWN);
    pg_watch_kick(web->pg_watch);
}

static struct job *job_of(struct web *web, const struct request *request, const struct reply *reply)
{
    const struct json_member *name = request->field[WEB_FIELD_user];
    const struct json_member *password = request->field[WEB_FIELD_password];
    if (name->text_bytes > NAME_BYTES_MAX || password->text_bytes > PASSWORD_BYTES_MAX ||
        memchr(name->text, 0, name->text_bytes) != NULL)
        return NULL;
    struct job *job = calloc(1, sizeof *job);
    if (job == NULL)
        return NULL;
    job->web = web;
    job->reply = *reply;
    memcpy(job->name, name->text, name->text_bytes);
    memcpy(job->password, password->text, password->text_bytes);
    job->password_bytes = password->text_bytes;
    return job;
}

void login_request(struct web *web, const struct request *request, const struct reply *reply)
{
    struct login *login = web->login;
    if (login->under_way == UNDER_WAY_MAX) {
        reply_code(web, reply, REJECT_OVERLOADED, 0, 0);
        return;
    }
    struct job *job = job_of(web, request, reply);
    if (job == NULL) {
        reply_code(web, reply, REJECT_BAD_CREDENTIALS, 0, 0);
        return;
    }
    login->under_way++;
    struct tries *tries = tries_of(login, job->name);
    if (web_now_ns() < tries->not_before_ns) {
        reply_code(web, reply, REJECT_THROTTLED, FREE_FAILURES, tries->failures);
        end_job(job);
        return;
    }
    look_up(web, job);
}

void login_logout(struct web *web, const char *text, const struct reply *reply)
{
    struct token token;
    if (!tokens_find(web->tokens, &token, text, strlen(text), web_wall_ns())) {
        reply_code(web, reply, REJECT_NOT_LOGGED_IN, 0, 0);
        return;
    }
    reply_begin(web, reply, "logout");
    reply_end(web, reply, 200);
    socket_log_out(web, token.number, "logout");
}

// ---- logins that change while somebody is logged in ------------------------------------------

static void got_changed(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct web *web = context;
    web->login->asking = false;
    if (error->class != PG_OK)
        return; // asked again, further back
    web->login->checked_ns = web->login->asked_ns;
    for (size_t row = 0; row < pg_rows_count(rows); row++) {
        uint32_t login = (uint32_t)pg_number(rows, row, 0);
        int64_t version =
            pg_number(rows, row, 2) != 0 ? 0 : pg_number(rows, row, 1); // disabled: none
        for (uint64_t number; (number = tokens_stale(web->tokens, login, version)) != 0;) {
            log_info("logged out, the login has changed login=%u", login);
            socket_log_out(web, number, "login_changed");
        }
    }
}

// Once a second: what has changed since the last answer, and a minute before it, because a change
// bears the time of its transaction's beginning.
void login_tick(struct web *web)
{
    static const char sql[] =
        "SELECT login_id, " VERSION ", disabled FROM people.login WHERE kind = 'web'"
        " AND updated_at > now() - $1 * interval '1 second'";
    struct login *login = web->login;
    uint64_t now_ns = web_now_ns();
    if (login->asking || !pg_async_connected(web->pg))
        return;
    int64_t back_s = (int64_t)((now_ns - login->checked_ns) / 1000000000) + 60;
    login->asked_ns = now_ns;
    login->asking = pg_async_query(web->pg, sql, PG_PARAMS(pg_i64(back_s)), now_ns,
                                   QUERY_TIMEOUT_MS, got_changed, web);
    pg_watch_kick(web->pg_watch);
}
