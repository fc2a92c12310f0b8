// The connection and its statements over libpq, with every wait bounded: the connection is
// non-blocking inside; a statement is sent and then is on its way (pg_flight.c), and a call that
// blocks waits for it.
#include "base/pg.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pg_internal.h"

// ---- shared with pg_async.c

const char *pg_class_name(enum pg_class class)
{
    static const char *const names[] = {"ok", "constraint", "transient", "gone", "refused"};
    ASSERT((size_t) class < sizeof names / sizeof names[0]);
    return names[class];
}

void pg_settings_of(struct pg_settings *out, const struct config *config, const char *role)
{
    memset(out, 0, sizeof *out);
    snprintf(out->host, sizeof out->host, "%s", config->postgres_host);
    snprintf(out->database, sizeof out->database, "%s", config->postgres_database);
    snprintf(out->password_file, sizeof out->password_file, "%s/pg-%s",
             config->postgres_secrets_folder, role);
    snprintf(out->role, sizeof out->role, "%s", role);
    snprintf(out->application, sizeof out->application, "%s", role);
    out->port = (uint16_t)config->postgres_port;
    out->connect_timeout_ms = 3000;
    out->statement_timeout_ms = 10000;
}

void pg_error_set(struct pg_error *error, enum pg_class class, const char *message)
{
    memset(error, 0, sizeof *error);
    error->class = class;
    size_t length = strcspn(message, "\r\n");
    if (length >= sizeof error->message)
        length = sizeof error->message - 1;
    memcpy(error->message, message, length);
}

void pg_error_of_connection(struct pg_error *error, const PGconn *connection)
{
    const char *message = connection ? PQerrorMessage(connection) : "out of memory";
    // libpq keeps no SQLSTATE of a refused login; the server's word for it is FATAL, and "starting
    // up", "shutting down" and "too many" are the ones that pass by themselves.
    bool no_password = connection && PQconnectionNeedsPassword(connection);
    bool refused =
        strstr(message, "FATAL:") && !strstr(message, "starting up") &&
        !strstr(message, "shutting down") && !strstr(message, "too many") &&
        !strstr(message, "remaining connection slots") && !strstr(message, "recovery mode") &&
        !strstr(message, "terminating connection") && !strstr(message, "not yet accepting");
    pg_error_set(error, refused || no_password ? PG_REFUSED : PG_GONE, message);
}

static enum pg_class class_of(const char *sqlstate)
{
    if (!strncmp(sqlstate, "08", 2) || !strcmp(sqlstate, "57P01") || !strcmp(sqlstate, "57P02") ||
        !strcmp(sqlstate, "57P03") || !strcmp(sqlstate, "57P05") || !strcmp(sqlstate, "25P03"))
        return PG_GONE;
    if (!strncmp(sqlstate, "23", 2))
        return PG_CONSTRAINT;
    if (!strncmp(sqlstate, "40", 2) || !strncmp(sqlstate, "53", 2) || !strcmp(sqlstate, "55P03") ||
        !strcmp(sqlstate, "57014"))
        return PG_TRANSIENT;
    return PG_REFUSED;
}

void pg_error_of_result(struct pg_error *error, const PGresult *result, const PGconn *connection)
{
    const char *sqlstate = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    if (!sqlstate || PQstatus(connection) == CONNECTION_BAD) {
        pg_error_set(error, PG_GONE, PQerrorMessage(connection));
        return;
    }
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    pg_error_set(error, class_of(sqlstate), message ? message : sqlstate);
    snprintf(error->sqlstate, sizeof error->sqlstate, "%s", sqlstate);
    const char *constraint = PQresultErrorField(result, PG_DIAG_CONSTRAINT_NAME);
    if (!constraint) // NOT NULL has no name: its column
        constraint = PQresultErrorField(result, PG_DIAG_COLUMN_NAME);
    if (constraint)
        snprintf(error->constraint, sizeof error->constraint, "%s", constraint);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    if (detail)
        snprintf(error->detail, sizeof error->detail, "%.*s", (int)strcspn(detail, "\r\n"), detail);
}

uint32_t pg_backoff_next(uint32_t backoff_ms)
{
    if (backoff_ms == 0)
        return PG_BACKOFF_MS_MIN;
    return backoff_ms * 2 > PG_BACKOFF_MS_MAX ? PG_BACKOFF_MS_MAX : backoff_ms * 2;
}

// A missing file means no password: the server then says what it thinks of that.
static void read_password(char *out, size_t size, const char *path)
{
    out[0] = 0;
    int fd = *path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    ssize_t bytes = read(fd, out, size - 1);
    out[bytes > 0 ? bytes : 0] = 0;
    out[strcspn(out, "\r\n")] = 0;
    close(fd);
}

// The server's notices would go to standard error past our log; what matters comes as a result.
static void ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

PGconn *pg_start(const struct pg_settings *settings)
{
    char port[8], password[256], options[96];
    snprintf(port, sizeof port, "%u", settings->port);
    snprintf(options, sizeof options, "-c statement_timeout=%u -c lock_timeout=%u",
             settings->statement_timeout_ms, settings->lock_timeout_ms);
    read_password(password, sizeof password, settings->password_file);
    const char *const keys[] = {"host",
                                "port",
                                "dbname",
                                "user",
                                "password",
                                "application_name",
                                "options",
                                "client_encoding",
                                "keepalives_idle",
                                "tcp_user_timeout",
                                "gssencmode",
                                NULL};
    const char *const values[] = {settings->host, port,      settings->database,
                                  settings->role, password,  settings->application,
                                  options,        "UTF8",    "10",
                                  "15000",        "disable", NULL};
    PGconn *connection = PQconnectStartParams(keys, values, 0);
    explicit_bzero(password, sizeof password);
    if (connection)
        PQsetNoticeReceiver(connection, ignore_notice, NULL);
    return connection;
}

void pg_wire_make(struct pg_wire *wire, const struct pg_param *params, size_t count)
{
    ASSERT(count <= PG_PARAMS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct pg_param *param = &params[i];
        wire->lengths[i] = (int)param->bytes;
        wire->formats[i] = param->type == PG_BYTES;
        wire->values[i] = param->data;
        if (param->type == PG_NULL)
            wire->values[i] = NULL;
        else if (param->type == PG_BOOL)
            wire->values[i] = param->number ? "t" : "f";
        else if (param->type == PG_BYTES && !param->data)
            wire->values[i] = "";
        else if (param->type == PG_I64) {
            snprintf(wire->numbers[i], sizeof wire->numbers[i], "%lld", (long long)param->number);
            wire->values[i] = wire->numbers[i];
        }
    }
}

void pg_statement_name(char out[32], const char *sql)
{
    snprintf(out, 32, "s%llx", (unsigned long long)(uintptr_t)sql);
}

bool pg_statements_has(const struct pg_statements *statements, const char *sql)
{
    for (size_t i = 0; i < statements->count; i++)
        if (statements->sql[i] == sql)
            return true;
    return false;
}

void pg_statements_add(struct pg_statements *statements, const char *sql)
{
    ASSERT(statements->count < PG_STATEMENTS_MAX); // string constants only: their number is fixed
    statements->sql[statements->count++] = sql;
}

// ---- rows

size_t pg_rows_count(const struct pg_rows *rows)
{
    return rows ? (size_t)PQntuples(rows->result) : 0;
}

uint64_t pg_rows_affected(const struct pg_rows *rows)
{
    return rows ? strtoull(PQcmdTuples(rows->result), NULL, 10) : 0;
}

bool pg_is_null(const struct pg_rows *rows, size_t row, int column)
{
    ASSERT(row < pg_rows_count(rows) && column < PQnfields(rows->result));
    return PQgetisnull(rows->result, (int)row, column) != 0;
}

const char *pg_value(const struct pg_rows *rows, size_t row, int column)
{
    return pg_is_null(rows, row, column) ? NULL : PQgetvalue(rows->result, (int)row, column);
}

int64_t pg_number(const struct pg_rows *rows, size_t row, int column)
{
    const char *text = pg_value(rows, row, column);
    if (!text)
        return 0;
    if (!strcmp(text, "t") || !strcmp(text, "f"))
        return text[0] == 't';
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    ASSERT(errno == 0 && end != text && *end == 0);
    return number;
}

size_t pg_bytea(const struct pg_rows *rows, size_t row, int column, uint8_t *out, size_t max)
{
    const char *text = pg_value(rows, row, column);
    if (!text)
        return 0;
    size_t bytes;
    unsigned char *decoded = PQunescapeBytea((const unsigned char *)text, &bytes);
    ASSERT(decoded);
    if (bytes <= max)
        memcpy(out, decoded, bytes);
    PQfreemem(decoded);
    return bytes <= max ? bytes : SIZE_MAX;
}

void pg_rows_free(struct pg_rows *rows)
{
    if (!rows)
        return;
    PQclear(rows->result);
    free(rows);
}

// ---- the blocking connection

struct pg *pg_open(const struct pg_settings *settings)
{
    struct pg *pg = calloc(1, sizeof *pg);
    ASSERT(pg);
    pg->settings = *settings;
    return pg;
}

void pg_disconnect(struct pg *pg)
{
    PQclear(pg->flight.last);
    pg->flight = (struct pg_flight){0};
    PQfinish(pg->connection);
    pg->connection = NULL;
    pg->statements.count = 0;
}

void pg_statement_timeout(struct pg *pg, uint32_t timeout_ms)
{
    pg->settings.statement_timeout_ms = timeout_ms;
}

void pg_close(struct pg *pg)
{
    if (!pg)
        return;
    pg_disconnect(pg);
    free(pg);
}

const struct pg_error *pg_last_error(const struct pg *pg)
{
    return &pg->error;
}

bool pg_connected(const struct pg *pg)
{
    return pg->connection != NULL;
}

uint32_t pg_connections(const struct pg *pg)
{
    return pg->connections;
}

int pg_fd(const struct pg *pg)
{
    return pg->connection ? PQsocket(pg->connection) : -1;
}

uint32_t pg_retry_wait_ms(const struct pg *pg)
{
    uint64_t now = pg_now_ms();
    return pg->connection || now >= pg->retry_at_ms ? 0 : (uint32_t)(pg->retry_at_ms - now);
}

static bool connect_until(PGconn *connection, uint64_t deadline_ms)
{
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;
    while (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
        if (!pg_wait_socket(connection, step == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                            deadline_ms))
            return false;
        step = PQconnectPoll(connection);
    }
    return step == PGRES_POLLING_OK;
}

static enum pg_class listen_now(struct pg *pg, const char *channel)
{
    char *quoted = PQescapeIdentifier(pg->connection, channel, strlen(channel));
    char sql[128];
    ASSERT(quoted && strlen(quoted) < sizeof sql - 8);
    snprintf(sql, sizeof sql, "LISTEN %s", quoted);
    PQfreemem(quoted);
    return pg_execute(pg, sql);
}

static enum pg_class connect_now(struct pg *pg)
{
    pg->connection = pg_start(&pg->settings);
    bool good = pg->connection && PQstatus(pg->connection) != CONNECTION_BAD &&
                connect_until(pg->connection, pg_now_ms() + pg->settings.connect_timeout_ms);
    if (!good) {
        if (pg->connection && PQstatus(pg->connection) != CONNECTION_BAD)
            pg_error_set(&pg->error, PG_GONE, "connecting took too long");
        else
            pg_error_of_connection(&pg->error, pg->connection);
        pg_disconnect(pg);
        return pg->error.class;
    }
    if (PQsetnonblocking(pg->connection, 1) != 0)
        return pg_lose(pg, "cannot make the connection non-blocking");
    pg->connections++;
    enum pg_class class = PG_OK;
    for (size_t i = 0; i < pg->channel_count && class == PG_OK; i++)
        class = listen_now(pg, pg->channels[i]);
    return class;
}

enum pg_class pg_connect(struct pg *pg)
{
    if (pg->connection)
        return PG_OK;
    if (pg_now_ms() < pg->retry_at_ms)
        return pg->error.class; // of the attempt before
    enum pg_class class = connect_now(pg);
    pg->backoff_ms = class == PG_OK ? 0 : pg_backoff_next(pg->backoff_ms);
    pg->retry_at_ms = pg_now_ms() + pg->backoff_ms;
    return class;
}

static enum pg_class prepare(struct pg *pg, const char *name, const char *sql)
{
    if (pg_statements_has(&pg->statements, sql))
        return PG_OK;
    if (!PQsendPrepare(pg->connection, name, sql, 0, NULL))
        return pg_lose(pg, PQerrorMessage(pg->connection));
    pg_flight_begin(pg, NULL, 0);
    enum pg_class class = pg_finish(pg, NULL);
    if (class == PG_OK)
        pg_statements_add(&pg->statements, sql);
    return class;
}

enum pg_class pg_send(struct pg *pg, const char *sql, const struct pg_param *params, size_t count)
{
    struct pg_wire wire;
    char name[32];
    enum pg_class class = pg_connect(pg);
    pg_statement_name(name, sql);
    if (class == PG_OK)
        class = prepare(pg, name, sql);
    if (class != PG_OK)
        return class;
    pg_wire_make(&wire, params, count);
    if (!PQsendQueryPrepared(pg->connection, name, (int)count, wire.values, wire.lengths,
                             wire.formats, 0))
        return pg_lose(pg, PQerrorMessage(pg->connection));
    pg_flight_begin(pg, NULL, 0);
    return PG_OK;
}

enum pg_class pg_send_text(struct pg *pg, const char *sql)
{
    enum pg_class class = pg_connect(pg);
    if (class != PG_OK)
        return class;
    if (!PQsendQuery(pg->connection, sql))
        return pg_lose(pg, PQerrorMessage(pg->connection));
    pg_flight_begin(pg, NULL, 0);
    return PG_OK;
}

enum pg_class pg_query(struct pg *pg, struct pg_rows **out, const char *sql,
                       const struct pg_param *params, size_t count)
{
    if (out)
        *out = NULL;
    enum pg_class class = pg_send(pg, sql, params, count);
    return class == PG_OK ? pg_finish(pg, out) : class;
}

enum pg_class pg_execute(struct pg *pg, const char *sql)
{
    enum pg_class class = pg_send_text(pg, sql);
    return class == PG_OK ? pg_finish(pg, NULL) : class;
}

enum pg_class pg_begin(struct pg *pg)
{
    return pg_execute(pg, "BEGIN");
}

enum pg_class pg_commit(struct pg *pg)
{
    if (!pg->connection) { // broken since BEGIN: a COMMIT on a new connection would mean nothing
        pg_error_set(&pg->error, PG_GONE, "the transaction's connection has gone");
        return PG_GONE;
    }
    // COMMIT of a failed transaction is answered as ROLLBACK, without an error.
    if (PQtransactionStatus(pg->connection) != PQTRANS_INTRANS) {
        pg_rollback(pg);
        pg_error_set(&pg->error, PG_REFUSED,
                     "commit of a transaction that has failed or is not open");
        return PG_REFUSED;
    }
    return pg_execute(pg, "COMMIT");
}

void pg_rollback(struct pg *pg)
{
    if (!pg->connection || PQtransactionStatus(pg->connection) == PQTRANS_IDLE)
        return;
    struct pg_error kept = pg->error; // the reason for the rollback matters more
    if (pg_execute(pg, "ROLLBACK") != PG_OK)
        pg_disconnect(pg);
    pg->error = kept;
}

// ---- notifications

enum pg_class pg_listen(struct pg *pg, const char *channel)
{
    ASSERT(pg->channel_count < PG_CHANNELS_MAX);
    pg->channels[pg->channel_count++] = channel;
    return pg->connection ? listen_now(pg, channel) : PG_OK;
}

static bool take_notification(struct pg *pg, struct pg_notification *out)
{
    PGnotify *notify = PQnotifies(pg->connection);
    if (!notify)
        return false;
    snprintf(out->channel, sizeof out->channel, "%s", notify->relname);
    snprintf(out->payload, sizeof out->payload, "%s", notify->extra);
    PQfreemem(notify);
    return true;
}

bool pg_wait_notification(struct pg *pg, struct pg_notification *out, uint32_t timeout_ms)
{
    uint64_t deadline_ms = pg_now_ms() + timeout_ms;
    bool fresh = !pg->connection;
    if (pg_connect(pg) != PG_OK) {
        uint32_t wait_ms = pg_retry_wait_ms(pg);
        poll(NULL, 0, (int)(wait_ms < timeout_ms ? wait_ms : timeout_ms));
        return false;
    }
    if (fresh)
        return false;
    while (!take_notification(pg, out)) {
        if (!pg_wait_socket(pg->connection, POLLIN, deadline_ms))
            return false;
        if (!PQconsumeInput(pg->connection)) {
            (void)pg_lose(pg, PQerrorMessage(pg->connection));
            return false;
        }
    }
    return true;
}
