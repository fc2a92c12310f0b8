// check: query out -> row in -> hashing in a worker -> verdict in the loop.
#include "gateway/fix/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/pg_async.h"
#include "gateway/common/password.h"
#include "gateway/common/pg_watch.h"
#include "gateway/common/workers.h"

enum { CHECKS_MAX = 256, TEXT_BYTES_MAX = 128, HASH_BYTES_MAX = 256, QUERY_TIMEOUT_MS = 3000 };

struct credentials {
    struct pg_async *pg;
    struct pg_watch *watch;
    struct workers *workers;
};

struct check {
    struct credentials *credentials;
    credentials_verdict *verdict; // NULL = forgotten
    void *context;
    char comp_id[TEXT_BYTES_MAX];
    char user_name[TEXT_BYTES_MAX];
    char password[TEXT_BYTES_MAX];
    size_t password_bytes;
    char hash[HASH_BYTES_MAX];
    uint32_t session_id;
    bool name_is_right;
    bool good;
};

struct credentials *credentials_open(struct loop *loop, const struct config *config)
{
    struct credentials *credentials = calloc(1, sizeof *credentials);
    ASSERT(credentials != NULL);
    struct pg_settings settings;
    pg_settings_of(&settings, config, "lonja_fix");
    credentials->pg = pg_async_open(&settings, CHECKS_MAX);
    credentials->watch = pg_watch_open(loop, credentials->pg);
    credentials->workers = workers_open(loop, (unsigned)config->fix_password_workers, CHECKS_MAX);
    if (credentials->watch == NULL || credentials->workers == NULL) {
        credentials_close(credentials);
        return NULL;
    }
    return credentials;
}

void credentials_close(struct credentials *credentials)
{
    if (credentials->watch != NULL)
        pg_watch_close(credentials->watch);
    pg_async_close(credentials->pg); // answers what is out; no new hashing is taken afterwards
    if (credentials->workers != NULL)
        workers_close(credentials->workers);
    free(credentials);
}

static void conclude(struct check *check, enum verdict verdict)
{
    if (check->verdict != NULL)
        check->verdict(check->context, verdict, check->session_id);
    password_wipe(check, sizeof *check);
    free(check);
}

static void hash_run(void *context)
{
    struct check *check = context;
    check->good = password_verify(check->hash, check->password, check->password_bytes);
}

static void hash_finish(void *context)
{
    struct check *check = context;
    conclude(check, check->good && check->name_is_right ? VERDICT_GOOD : VERDICT_WRONG);
}

static void row_take(struct check *check, const struct pg_rows *rows)
{
    const char *hash = pg_value(rows, 0, 2);
    check->session_id = (uint32_t)pg_number(rows, 0, 0);
    check->name_is_right =
        strcmp(pg_value(rows, 0, 1), check->user_name) == 0 && pg_number(rows, 0, 3) == 0;
    if (strlen(hash) < sizeof check->hash)
        memcpy(check->hash, hash, strlen(hash) + 1);
}

static void on_row(void *context, const struct pg_error *error, const struct pg_rows *rows)
{
    struct check *check = context;
    if (error->class != PG_OK) {
        conclude(check, VERDICT_NO_DATABASE);
        return;
    }
    strcpy(check->hash, password_decoy());
    if (pg_rows_count(rows) == 1)
        row_take(check, rows);
    if (!workers_submit(check->credentials->workers, hash_run, hash_finish, check))
        conclude(check, VERDICT_BUSY);
}

static bool text_copy(char out[TEXT_BYTES_MAX], const struct fix_text *text)
{
    if (text->bytes >= TEXT_BYTES_MAX || memchr(text->at, 0, text->bytes) != NULL)
        return false;
    memcpy(out, text->at, text->bytes);
    out[text->bytes] = 0;
    return true;
}

struct check *credentials_check(struct credentials *credentials, const struct fix_text *comp_id,
                                const struct fix_text *user_name, const struct fix_text *password,
                                credentials_verdict *verdict, void *context)
{
    struct check *check = calloc(1, sizeof *check);
    ASSERT(check != NULL);
    *check = (struct check){.credentials = credentials, .verdict = verdict, .context = context};
    bool fits = text_copy(check->comp_id, comp_id) && text_copy(check->user_name, user_name) &&
                text_copy(check->password, password);
    if (!fits) // no login has such texts: look up nobody, at the usual cost
        check->comp_id[0] = check->user_name[0] = check->password[0] = 0;
    check->password_bytes = strlen(check->password);
    bool queued =
        pg_async_query(credentials->pg,
                       "SELECT session_id, login_name, password_hash, disabled FROM people.login "
                       "WHERE kind = 'fix' AND comp_id = $1",
                       PG_PARAMS(pg_text(check->comp_id)), clock_monotone_ns(&clock_system),
                       QUERY_TIMEOUT_MS, on_row, check);
    if (!queued) {
        password_wipe(check, sizeof *check);
        free(check);
        return NULL;
    }
    pg_watch_kick(credentials->watch);
    return check;
}

void credentials_forget(struct check *check)
{
    check->verdict = NULL;
}
