// A small state machine over libpq's non-blocking calls:
//
//   DOWN ──(waiting time over)──► CONNECTING ──► READY ◄──► BUSY (one statement out)
//     ▲                              │             │          │
//     └──────────────(failure)───────┴─────────────┴──────────┘
//
// After a connection LISTENs are sent first, as statements of our own without a callback. A
// statement that is not prepared yet is prepared first (BUSY twice). A query that times out while
// it is out breaks the connection off: the answer would arrive for somebody else.
#include "base/pg_async.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pg_internal.h"

enum state { DOWN, CONNECTING, READY, BUSY };

struct query {
    const char *sql;
    pg_async_callback *callback; // NULL = forgotten, or one of our own
    void *context;
    uint64_t deadline_ns;
    size_t count;
    struct pg_param *params; // NULL = none; texts and bytes follow in the same block
};

struct channel {
    const char *name;
    pg_async_notified *notified;
    void *context;
    bool pending; // LISTEN still to be sent on this connection
};

struct pg_async {
    struct pg_settings settings;
    struct pg_error error;
    PGconn *connection;
    enum state state;
    PostgresPollingStatusType polling;
    uint32_t generation;
    int fd; // as the loop was told
    uint32_t backoff_ms;
    uint64_t retry_at_ns;
    uint64_t deadline_ns; // of CONNECTING and of a LISTEN that is out
    bool preparing;       // the PREPARE of the head query is out, not the query itself
    bool listening;       // a LISTEN is out
    bool failed;          // the statement that is out has failed: `error` says how
    PGresult *result;     // of the statement that is out
    struct pg_statements statements;
    struct channel channels[PG_CHANNELS_MAX];
    size_t channel_count;
    struct query *queue; // ring; the head is the one that is out while BUSY and not listening
    size_t queue_max, head, count;
};

static const uint64_t ms = 1000000;

struct pg_async *pg_async_open(const struct pg_settings *settings, size_t queue_max)
{
    ASSERT(queue_max > 0);
    struct pg_async *pg = calloc(1, sizeof *pg);
    ASSERT(pg);
    pg->queue = calloc(queue_max, sizeof *pg->queue);
    ASSERT(pg->queue);
    pg->settings = *settings;
    pg->queue_max = queue_max;
    pg->fd = -1;
    return pg;
}

static struct query *head(struct pg_async *pg)
{
    return pg->count ? &pg->queue[pg->head] : NULL;
}

// Takes the head query off and answers it. The callback may queue further ones.
static void answer_head(struct pg_async *pg, const struct pg_error *error, PGresult *result)
{
    struct query query = *head(pg);
    pg->head = (pg->head + 1) % pg->queue_max;
    pg->count--;
    free(query.params);
    struct pg_rows rows = {.result = result};
    struct pg_error copy = *error; // the callback may start something that overwrites it
    if (query.callback)
        query.callback(query.context, &copy, copy.class == PG_OK ? &rows : NULL);
}

static void set_fd(struct pg_async *pg)
{
    pg->fd = pg->connection ? PQsocket(pg->connection) : -1;
    pg->generation++;
}

static void disconnect(struct pg_async *pg, uint64_t now_ns)
{
    bool query_was_out = pg->state == BUSY && !pg->listening;
    PQclear(pg->result);
    pg->result = NULL;
    PQfinish(pg->connection);
    pg->connection = NULL;
    pg->state = DOWN;
    pg->statements.count = 0;
    pg->preparing = pg->listening = pg->failed = false;
    pg->backoff_ms = pg_backoff_next(pg->backoff_ms);
    pg->retry_at_ns = now_ns + pg->backoff_ms * ms;
    set_fd(pg);
    if (query_was_out) {
        struct pg_error error = pg->error;
        answer_head(pg, &error, NULL);
    }
}

static void lose(struct pg_async *pg, uint64_t now_ns, const char *message)
{
    pg_error_set(&pg->error, PG_GONE, message);
    disconnect(pg, now_ns);
}

void pg_async_close(struct pg_async *pg)
{
    if (!pg)
        return;
    pg_error_set(&pg->error, PG_GONE, "closing");
    disconnect(pg, 0);
    while (pg->count > 0)
        answer_head(pg, &pg->error, NULL);
    free(pg->queue);
    free(pg);
}

int pg_async_fd(const struct pg_async *pg)
{
    return pg->fd;
}

uint32_t pg_async_generation(const struct pg_async *pg)
{
    return pg->generation;
}

bool pg_async_connected(const struct pg_async *pg)
{
    return pg->state == READY || pg->state == BUSY;
}

const struct pg_error *pg_async_last_error(const struct pg_async *pg)
{
    return &pg->error;
}

size_t pg_async_queued(const struct pg_async *pg)
{
    return pg->count;
}

short pg_async_events(const struct pg_async *pg)
{
    if (pg->state == CONNECTING)
        return pg->polling == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    if (pg->state == BUSY && PQflush(pg->connection) > 0)
        return POLLIN | POLLOUT;
    return pg->state == DOWN ? 0 : POLLIN;
}

uint64_t pg_async_deadline_ns(const struct pg_async *pg)
{
    uint64_t deadline_ns = UINT64_MAX;
    if (pg->state == DOWN)
        deadline_ns = pg->retry_at_ns;
    if (pg->state == CONNECTING || pg->listening)
        deadline_ns = pg->deadline_ns;
    for (size_t i = 0; i < pg->count; i++) {
        const struct query *query = &pg->queue[(pg->head + i) % pg->queue_max];
        deadline_ns = query->deadline_ns < deadline_ns ? query->deadline_ns : deadline_ns;
    }
    return deadline_ns;
}

// ---- queue

static size_t param_bytes(const struct pg_param *param)
{
    if (param->type == PG_TEXT)
        return strlen(param->data) + 1;
    return param->type == PG_BYTES ? param->bytes : 0;
}

// One block: the parameters, then their texts.
static struct pg_param *copy_params(const struct pg_param *params, size_t count)
{
    size_t bytes = count * sizeof *params;
    for (size_t i = 0; i < count; i++)
        bytes += param_bytes(&params[i]);
    if (count == 0)
        return NULL;
    struct pg_param *copy = malloc(bytes);
    ASSERT(copy);
    char *text = (char *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        copy[i] = params[i];
        size_t length = param_bytes(&params[i]);
        if (length == 0)
            continue;
        memcpy(text, params[i].data, length);
        copy[i].data = text;
        text += length;
    }
    return copy;
}

bool pg_async_query(struct pg_async *pg, const char *sql, const struct pg_param *params,
                    size_t count, uint64_t now_ns, uint32_t timeout_ms, pg_async_callback *callback,
                    void *context)
{
    ASSERT(count <= PG_PARAMS_MAX && callback);
    if (pg->count == pg->queue_max)
        return false;
    pg->queue[(pg->head + pg->count) % pg->queue_max] = (struct query){
        .sql = sql,
        .callback = callback,
        .context = context,
        .deadline_ns = now_ns + timeout_ms * ms,
        .count = count,
        .params = copy_params(params, count),
    };
    pg->count++;
    return true;
}

void pg_async_forget(struct pg_async *pg, const void *context)
{
    for (size_t i = 0; i < pg->count; i++) {
        struct query *query = &pg->queue[(pg->head + i) % pg->queue_max];
        if (query->context == context)
            query->callback = NULL;
    }
}

void pg_async_listen(struct pg_async *pg, const char *name, pg_async_notified *notified,
                     void *context)
{
    ASSERT(pg->channel_count < PG_CHANNELS_MAX);
    pg->channels[pg->channel_count++] =
        (struct channel){.name = name, .notified = notified, .context = context, .pending = true};
}

// Answers waiting queries whose time is over, wherever they stand. The one that is out is not among
// them.
static void expire_waiting(struct pg_async *pg, uint64_t now_ns)
{
    size_t first = pg->state == BUSY && !pg->listening ? 1 : 0;
    size_t kept = first, count = pg->count;
    struct query expired[16]; // more wait for the next call
    size_t expired_count = 0;
    for (size_t i = first; i < count; i++) {
        struct query *query = &pg->queue[(pg->head + i) % pg->queue_max];
        if (query->deadline_ns <= now_ns && expired_count < 16)
            expired[expired_count++] = *query;
        else
            pg->queue[(pg->head + kept++) % pg->queue_max] = *query;
    }
    pg->count = kept;
    struct pg_error error = pg->error;
    if (error.class == PG_OK)
        pg_error_set(&error, PG_GONE, "no answer in time");
    error.class = PG_GONE;
    for (size_t i = 0; i < expired_count; i++) {
        free(expired[i].params);
        if (expired[i].callback)
            expired[i].callback(expired[i].context, &error, NULL);
    }
}

// ---- the machine

static void start(struct pg_async *pg, uint64_t now_ns)
{
    pg->connection = pg_start(&pg->settings);
    if (!pg->connection || PQstatus(pg->connection) == CONNECTION_BAD) {
        pg_error_of_connection(&pg->error, pg->connection);
        disconnect(pg, now_ns);
        return;
    }
    pg->state = CONNECTING;
    pg->polling = PGRES_POLLING_WRITING;
    pg->deadline_ns = now_ns + pg->settings.connect_timeout_ms * ms;
    set_fd(pg);
}

static bool fd_is_ready(const struct pg_async *pg)
{
    struct pollfd poll_fd = {.fd = pg->fd, .events = pg_async_events(pg)};
    return poll(&poll_fd, 1, 0) > 0;
}

static void connecting(struct pg_async *pg, uint64_t now_ns)
{
    while (pg->polling == PGRES_POLLING_READING || pg->polling == PGRES_POLLING_WRITING) {
        if (!fd_is_ready(pg)) {
            if (now_ns >= pg->deadline_ns)
                lose(pg, now_ns, "connecting took too long");
            return;
        }
        pg->polling = PQconnectPoll(pg->connection);
        set_fd(pg); // libpq may have changed the socket
    }
    if (pg->polling != PGRES_POLLING_OK || PQsetnonblocking(pg->connection, 1) != 0) {
        pg_error_of_connection(&pg->error, pg->connection);
        disconnect(pg, now_ns);
        return;
    }
    pg->state = READY;
    pg->backoff_ms = 0;
    pg_error_set(&pg->error, PG_OK, "");
    for (size_t i = 0; i < pg->channel_count; i++)
        pg->channels[i].pending = true;
}

static void notifications(struct pg_async *pg)
{
    PGnotify *notify;
    while ((notify = PQnotifies(pg->connection))) {
        for (size_t i = 0; i < pg->channel_count; i++)
            if (!strcmp(pg->channels[i].name, notify->relname))
                pg->channels[i].notified(pg->channels[i].context, notify->relname, notify->extra);
        PQfreemem(notify);
    }
}

// Sends a LISTEN that is due; false = none is.
static bool send_listen(struct pg_async *pg, uint64_t now_ns)
{
    for (size_t i = 0; i < pg->channel_count; i++) {
        struct channel *channel = &pg->channels[i];
        if (!channel->pending)
            continue;
        char sql[96];
        snprintf(sql, sizeof sql, "LISTEN \"%s\"", channel->name); // names are constants of ours
        channel->pending = false;
        pg->listening = true;
        pg->deadline_ns = now_ns + pg->settings.statement_timeout_ms * ms;
        if (PQsendQuery(pg->connection, sql))
            pg->state = BUSY;
        else
            lose(pg, now_ns, PQerrorMessage(pg->connection));
        return true;
    }
    return false;
}

static void send_query(struct pg_async *pg, uint64_t now_ns)
{
    struct query *query = head(pg);
    char name[32];
    int sent;
    pg_statement_name(name, query->sql);
    pg->preparing = !pg_statements_has(&pg->statements, query->sql);
    if (pg->preparing) {
        sent = PQsendPrepare(pg->connection, name, query->sql, 0, NULL);
    } else {
        struct pg_wire wire;
        pg_wire_make(&wire, query->params, query->count);
        sent = PQsendQueryPrepared(pg->connection, name, (int)query->count, wire.values,
                                   wire.lengths, wire.formats, 0);
    }
    pg->state = BUSY;
    if (!sent)
        lose(pg, now_ns, PQerrorMessage(pg->connection));
}

// The statement that was out has been answered in full.
static void finish(struct pg_async *pg)
{
    PGresult *result = pg->result;
    struct pg_error error;
    pg_error_set(&error, PG_OK, "");
    if (pg->failed)
        pg_error_of_result(&error, result, pg->connection);
    pg->result = NULL;
    pg->state = READY;
    if (pg->listening)
        pg->listening = false;
    else if (pg->preparing && !pg->failed)
        pg_statements_add(&pg->statements, head(pg)->sql);
    else
        answer_head(pg, &error, result);
    pg->failed = false;
    PQclear(result);
}

// Takes in what has arrived; answers when a statement is complete. False = nothing more now, or
// lost.
static bool receive(struct pg_async *pg, uint64_t now_ns)
{
    if (!PQconsumeInput(pg->connection) || PQflush(pg->connection) < 0) {
        lose(pg, now_ns, PQerrorMessage(pg->connection));
        return false;
    }
    notifications(pg);
    if (pg->state != BUSY)
        return false;
    while (!PQisBusy(pg->connection)) {
        PGresult *result = PQgetResult(pg->connection);
        if (!result) {
            finish(pg);
            return true;
        }
        ExecStatusType status = PQresultStatus(result);
        PQclear(pg->result);
        pg->result = result;
        pg->failed = status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK;
        if (PQstatus(pg->connection) == CONNECTION_BAD) {
            lose(pg, now_ns, PQerrorMessage(pg->connection));
            return false;
        }
    }
    return false;
}

static bool head_is_late(struct pg_async *pg, uint64_t now_ns)
{
    return now_ns >= (pg->listening ? pg->deadline_ns : head(pg)->deadline_ns);
}

void pg_async_work(struct pg_async *pg, uint64_t now_ns)
{
    if (pg->state == DOWN && now_ns >= pg->retry_at_ns)
        start(pg, now_ns);
    if (pg->state == CONNECTING)
        connecting(pg, now_ns);
    bool more = pg_async_connected(pg);
    while (more) {
        if (pg->state == READY && !send_listen(pg, now_ns) && pg->count > 0)
            send_query(pg, now_ns);
        more = pg_async_connected(pg) && receive(pg, now_ns);
    }
    if (pg->state == BUSY && head_is_late(pg, now_ns))
        lose(pg, now_ns, "no answer in time");
    expire_waiting(pg, now_ns);
}
