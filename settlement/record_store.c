// Happy path: connect; is it a database of this venue's schema, and may we write there; the lock;
// the cursor. A batch: BEGIN; the cursor; the parts of record_rows; COMMIT; one statement on its
// way at a time, so that the caller makes the next batch meanwhile. Any failure rolls all of it
// back.
//
// Failures: see judge(). What the world does (no server, a lock, a full disk) and what an operator
// repairs while we wait (schema, rights, password, a standby) is RECORD_RETRY; a row that the
// database refuses is RECORD_BROKEN.
#include "settlement/record_store.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "settlement/record_rows.h"

// A number of advisory locks that nobody else in this database uses.
enum { RECORD_LOCK = 0x4c4f4e4a };
enum {
    LOCK_TIMEOUT_MS = 5000, // below the statements', so that the reason is told from slowness
    STATEMENT_TIMEOUT_MS_MAX = 320000,
    WAIT_MS_MIN = 100,
    WAIT_MS_MAX = 2000,
};

enum store_step {
    STEP_BEGIN,
    STEP_CURSOR,
    STEP_ROWS,
    STEP_COMMIT = STEP_ROWS + RECORD_ROWS_PARTS,
    STEP_END
};

struct record_store {
    struct pg *pg;
    struct pg_settings settings;
    uint32_t connections;        // pg_connections() when the cursor was read
    struct record_cursor cursor; // the database's
    struct record_cursor left;   // as we left it, or found it in record_store_begin
    uint32_t wait_ms;            // after a failure; doubles
    char reason[512];
    // the batch that is on its way
    const struct record_batch *batch; // NULL = none
    size_t step;                      // whose statement was sent
    struct record_rows rows;
};

struct record_store *record_store_open(const struct pg_settings *settings)
{
    struct record_store *store = calloc(1, sizeof *store);
    ASSERT(store);
    store->settings = *settings;
    if (store->settings.lock_timeout_ms == 0)
        store->settings.lock_timeout_ms = LOCK_TIMEOUT_MS;
    store->pg = pg_open(&store->settings);
    return store;
}

void record_store_close(struct record_store *store)
{
    if (!store)
        return;
    pg_close(store->pg);
    record_rows_fini(&store->rows);
    free(store);
}

const char *record_store_reason(const struct record_store *store)
{
    return store->reason;
}

uint32_t record_store_wait_ms(const struct record_store *store)
{
    uint32_t wait_ms = pg_retry_wait_ms(store->pg);
    return wait_ms > store->wait_ms ? wait_ms : store->wait_ms;
}

// ---- failures

__attribute__((format(printf, 3, 4))) static enum record_result
because(struct record_store *store, enum record_result result, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(store->reason, sizeof store->reason, format, arguments);
    va_end(arguments);
    uint32_t next_ms = store->wait_ms == 0 ? WAIT_MS_MIN : store->wait_ms * 2;
    store->wait_ms = next_ms < WAIT_MS_MAX ? next_ms : WAIT_MS_MAX;
    return result;
}

// Not what we can work with now; the next attempt connects anew, perhaps to another server.
#define UNFIT(store, ...) (pg_disconnect((store)->pg), because((store), RECORD_RETRY, __VA_ARGS__))

static bool is_class(const struct pg_error *error, const char *class)
{
    return strncmp(error->sqlstate, class, 2) == 0;
}

static enum record_result judge(const struct pg_error *error)
{
    if (error->class == PG_GONE || error->class == PG_TRANSIENT)
        return RECORD_RETRY;
    if (error->sqlstate[0] == 0) // a login: a password that is being changed, a server being set up
        return RECORD_RETRY;
    if (is_class(error, "25")) // the server became read-only
        return RECORD_RETRY;
    if (is_class(error, "42") || is_class(error, "3F")) // rights, or a schema that is being changed
        return RECORD_RETRY;
    if (is_class(error, "58")) // the server's disk
        return RECORD_RETRY;
    return RECORD_BROKEN;
}

// The server is too slow for the batch: the next attempt gets twice the time, or it would never
// end.
static void give_more_time(struct record_store *store)
{
    uint32_t *timeout_ms = &store->settings.statement_timeout_ms;
    *timeout_ms =
        *timeout_ms * 2 < STATEMENT_TIMEOUT_MS_MAX ? *timeout_ms * 2 : STATEMENT_TIMEOUT_MS_MAX;
    pg_disconnect(store->pg);
    pg_statement_timeout(store->pg, *timeout_ms);
}

// The result of a failed statement; the transaction, if there is one, is over.
static enum record_result failed(struct record_store *store, const char *what)
{
    struct pg_error error = *pg_last_error(store->pg);
    enum record_result result = judge(&error);
    store->batch = NULL;
    pg_rollback(store->pg);
    if (strcmp(error.sqlstate, "57014") == 0)
        give_more_time(store);
    else if (error.class == PG_REFUSED) // after a repair the connection may be of use no more
        pg_disconnect(store->pg);
    return because(store, result, "%s: %s%s%s%s%s%s", what, error.sqlstate,
                   error.sqlstate[0] ? " " : "", error.message, error.detail[0] ? " (" : "",
                   error.detail, error.detail[0] ? ")" : "");
}

// ---- begin

static enum record_result ask(struct record_store *store, struct pg_rows **rows, const char *sql,
                              const char *what)
{
    return pg_query(store->pg, rows, sql, PG_NO_PARAMS) == PG_OK ? RECORD_OK : failed(store, what);
}

// Is it a primary, and has it a record?
static enum record_result check_server(struct record_store *store, bool *numbered)
{
    struct pg_rows *rows;
    enum record_result result =
        ask(store, &rows,
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean,"
            " to_regclass('record.cursor') IS NOT NULL,"
            " to_regclass('record.schema_version') IS NOT NULL",
            "server");
    if (result != RECORD_OK)
        return result;
    bool read_only = pg_number(rows, 0, 0) != 0, has_record = pg_number(rows, 0, 1) != 0;
    *numbered = pg_number(rows, 0, 2) != 0;
    pg_rows_free(rows);
    if (!has_record)
        return UNFIT(store,
                     "the database %s has no record: run schema/sql/setup, or name the right one "
                     "(postgres.database)",
                     store->settings.database);
    if (read_only)
        return UNFIT(store, "the server is read-only (a standby?): promote it, or name the primary "
                            "(postgres.host)");
    return RECORD_OK;
}

static enum record_result check_schema(struct record_store *store, bool numbered)
{
    struct pg_rows *rows = NULL;
    int64_t version = 0;
    enum record_result result =
        numbered ? ask(store, &rows, "SELECT version FROM record.schema_version", "schema version")
                 : RECORD_OK;
    if (result != RECORD_OK)
        return result;
    if (pg_rows_count(rows) == 1)
        version = pg_number(rows, 0, 0);
    pg_rows_free(rows);
    if (version < RECORD_SCHEMA_VERSION)
        return UNFIT(store,
                     "the database's schema (%lld) is older than this binary's (%d): run "
                     "schema/sql/setup of this release",
                     (long long)version, RECORD_SCHEMA_VERSION);
    if (version > RECORD_SCHEMA_VERSION)
        return UNFIT(store,
                     "the database's schema (%lld) is newer than this binary's (%d): start the "
                     "release that it belongs to",
                     (long long)version, RECORD_SCHEMA_VERSION);
    return RECORD_OK;
}

static enum record_result lock(struct record_store *store)
{
    struct pg_rows *rows;
    if (pg_query(store->pg, &rows, "SELECT pg_try_advisory_lock($1)",
                 PG_PARAMS(pg_i64(RECORD_LOCK))) != PG_OK)
        return failed(store, "lock");
    bool taken = pg_number(rows, 0, 0) != 0;
    pg_rows_free(rows);
    return taken ? RECORD_OK : UNFIT(store, "another recorder holds the lock");
}

static enum record_result read_cursor(struct record_store *store)
{
    struct pg_rows *rows;
    enum record_result result =
        ask(store, &rows, "SELECT sequence, time_ns, checksum FROM record.cursor", "cursor");
    if (result != RECORD_OK)
        return result;
    bool one = pg_rows_count(rows) == 1;
    if (one)
        store->cursor = (struct record_cursor){.sequence = (uint64_t)pg_number(rows, 0, 0),
                                               .time_ns = (uint64_t)pg_number(rows, 0, 1),
                                               .digest = (uint64_t)pg_number(rows, 0, 2)};
    pg_rows_free(rows);
    return one ? RECORD_OK : because(store, RECORD_BROKEN, "record.cursor has no row");
}

// Connected, fit, locked, and the cursor known. No-op while the connection lasts.
static enum record_result ensure(struct record_store *store)
{
    bool numbered = false;
    if (pg_connected(store->pg) && store->connections == pg_connections(store->pg))
        return RECORD_OK;
    if (pg_connect(store->pg) != PG_OK)
        return failed(store, "connect");
    enum record_result result = check_server(store, &numbered);
    if (result == RECORD_OK)
        result = check_schema(store, numbered);
    if (result == RECORD_OK)
        result = lock(store);
    if (result == RECORD_OK)
        result = read_cursor(store);
    if (result == RECORD_OK)
        store->connections = pg_connections(store->pg);
    else
        pg_disconnect(store->pg);
    return result;
}

static enum record_result read_stops(struct record_store *store, struct record_terms *terms)
{
    struct pg_rows *rows;
    enum record_result result = ask(
        store, &rows, "SELECT order_id FROM record.orders WHERE waits_for = 'trigger'", "stops");
    if (result != RECORD_OK)
        return result;
    map_clear(&terms->stops);
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        map_put(&terms->stops, (uint64_t)pg_number(rows, i, 0), 1);
    pg_rows_free(rows);
    return RECORD_OK;
}

static enum record_result read_terms(struct record_store *store, struct record_terms *terms)
{
    struct pg_rows *rows;
    enum record_result result =
        ask(store, &rows,
            "SELECT instrument_id, token_asset, cash_asset, token_scale FROM record.instrument",
            "instruments");
    if (result != RECORD_OK)
        return result;
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        record_terms_set(terms, (uint32_t)pg_number(rows, i, 0),
                         &(struct posting_terms){.token_asset = (uint32_t)pg_number(rows, i, 1),
                                                 .cash_asset = (uint32_t)pg_number(rows, i, 2),
                                                 .token_scale = (uint8_t)pg_number(rows, i, 3)});
    pg_rows_free(rows);
    return RECORD_OK;
}

enum record_result record_store_begin(struct record_store *store, struct record_cursor *cursor,
                                      struct record_terms *terms)
{
    ASSERT(store->batch == NULL);
    enum record_result result = ensure(store);
    if (result == RECORD_OK)
        result = read_cursor(store);
    if (result == RECORD_OK)
        result = read_terms(store, terms);
    if (result == RECORD_OK)
        result = read_stops(store, terms);
    if (result != RECORD_OK)
        return result;
    *cursor = store->left = store->cursor;
    store->wait_ms = 0;
    return RECORD_OK;
}

// ---- the cursor

static bool is_at(const struct record_cursor *cursor, uint64_t sequence, uint64_t digest)
{
    return cursor->sequence == sequence && cursor->digest == digest;
}

static enum record_result rewind_to_cursor(struct record_store *store)
{
    return because(
        store, RECORD_REWIND, "the database's cursor is at %llu, not where we left it (%llu)",
        (unsigned long long)store->cursor.sequence, (unsigned long long)store->left.sequence);
}

// Somebody else has moved the cursor while we were connected: record.forget().
static enum record_result cursor_has_moved(struct record_store *store)
{
    store->batch = NULL;
    pg_rollback(store->pg);
    enum record_result result = read_cursor(store);
    return result == RECORD_OK ? rewind_to_cursor(store) : result;
}

enum record_result record_store_check(struct record_store *store)
{
    ASSERT(store->batch == NULL);
    enum record_result result = ensure(store);
    if (result == RECORD_OK)
        result = read_cursor(store);
    if (result != RECORD_OK)
        return result;
    if (!is_at(&store->cursor, store->left.sequence, store->left.digest))
        return rewind_to_cursor(store);
    store->wait_ms = 0;
    return RECORD_OK;
}

static enum pg_class send_cursor(struct record_store *store)
{
    const struct record_batch *batch = store->batch;
    return pg_send(
        store->pg,
        "UPDATE record.cursor SET sequence = $1, time_ns = $2, checksum = $3, updated_at = "
        "clock_timestamp() WHERE sequence = $4 AND checksum = $5",
        PG_PARAMS(pg_i64((int64_t)batch->last_sequence), pg_i64((int64_t)batch->last_time_ns),
                  pg_i64((int64_t)batch->last_digest), pg_i64((int64_t)store->left.sequence),
                  pg_i64((int64_t)store->left.digest)));
}

// ---- the transaction

static const char *step_name(const struct record_store *store)
{
    if (store->step == STEP_BEGIN)
        return "begin";
    if (store->step == STEP_CURSOR)
        return "cursor";
    return store->step == STEP_COMMIT ? "commit" : record_rows_name(store->step - STEP_ROWS);
}

// Sends the statement of the step. *sent false: it needs none.
static enum pg_class send_step(struct record_store *store, bool *sent)
{
    *sent = true;
    if (store->step == STEP_BEGIN)
        return pg_send_text(store->pg, "BEGIN");
    // First of all: then its row is ours, and nobody empties the record (record.forget) under the
    // rows that follow.
    if (store->step == STEP_CURSOR)
        return send_cursor(store);
    if (store->step == STEP_COMMIT)
        return pg_send_text(store->pg, "COMMIT");
    return record_rows_send(&store->rows, store->pg, sent, store->batch, store->step - STEP_ROWS);
}

// An order that was changed is not there: somebody has taken it away. Names one.
static enum record_result orders_are_missing(struct record_store *store)
{
    int64_t missing = 0;
    for (size_t i = 0; i < store->batch->order_count && missing == 0; i++) {
        struct pg_rows *rows;
        uint64_t order = store->batch->orders[i].order;
        if (pg_query(store->pg, &rows, "SELECT FROM record.orders WHERE order_id = $1",
                     PG_PARAMS(pg_i64((int64_t)order))) != PG_OK)
            return failed(store, "changes of record.orders");
        if (pg_rows_count(rows) == 0)
            missing = (int64_t)order;
        pg_rows_free(rows);
    }
    store->batch = NULL;
    pg_rollback(store->pg);
    return because(store, RECORD_BROKEN,
                   "record.orders: order %lld was changed by the venue and is not there",
                   (long long)missing);
}

// What the step's statement has said.
static enum record_result check_step(struct record_store *store, uint64_t affected)
{
    if (store->step == STEP_CURSOR && affected != 1)
        return cursor_has_moved(store);
    if (store->step < STEP_ROWS || store->step >= STEP_COMMIT)
        return RECORD_OK;
    uint64_t expected = record_rows_expected(store->batch, store->step - STEP_ROWS);
    return expected == UINT64_MAX || affected == expected ? RECORD_OK : orders_are_missing(store);
}

static enum record_result done(struct record_store *store)
{
    store->left = store->cursor = (struct record_cursor){.sequence = store->batch->last_sequence,
                                                         .time_ns = store->batch->last_time_ns,
                                                         .digest = store->batch->last_digest};
    store->batch = NULL;
    store->wait_ms = 0;
    return RECORD_OK;
}

// Sends the statement of the next step that needs one; RECORD_OK: there was none left.
static enum record_result send_next(struct record_store *store)
{
    bool sent = false;
    for (; store->step < STEP_END; store->step++) {
        if (send_step(store, &sent) != PG_OK)
            return failed(store, step_name(store));
        if (sent)
            return RECORD_BUSY;
    }
    return done(store);
}

static enum record_result go_on(struct record_store *store)
{
    for (;;) {
        struct pg_rows *rows;
        enum pg_class class;
        if (!pg_poll(store->pg, &class, &rows))
            return RECORD_BUSY;
        if (class != PG_OK)
            return failed(store, step_name(store));
        uint64_t affected = pg_rows_affected(rows);
        pg_rows_free(rows);
        enum record_result result = check_step(store, affected);
        if (result != RECORD_OK)
            return result;
        store->step++;
        result = send_next(store);
        if (result != RECORD_BUSY)
            return result;
    }
}

enum record_result record_store_write(struct record_store *store, struct record_batch *batch)
{
    ASSERT(record_batch_complete(batch));
    if (store->batch != NULL) {
        ASSERT(store->batch == batch);
        return go_on(store);
    }
    enum record_result result = ensure(store);
    if (result != RECORD_OK)
        return result;
    store->batch = batch;
    if (is_at(&store->cursor, batch->last_sequence, batch->last_digest))
        return done(store); // the commit had arrived
    store->batch = NULL;
    if (!is_at(&store->cursor, store->left.sequence, store->left.digest) ||
        store->left.sequence != batch->first_sequence - 1)
        return rewind_to_cursor(store);
    store->batch = batch;
    store->step = STEP_BEGIN;
    return send_next(store);
}

void record_store_wait(struct record_store *store, uint32_t timeout_ms)
{
    if (store->batch != NULL)
        pg_await(store->pg, timeout_ms);
}
