// Happy path: COPY … TO STDOUT of each table in the order of its key; the rows are found again by
// walking over their columns' lengths; a transaction then takes the same share of every table.
#include "perf/bare_copy.h"

#include <endian.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 19, TRAILER_BYTES = 2 };

static const struct source {
    const char *table, *columns, *order;
} sources[] = {
    {"record.orders", "*", "order_id"},
    {"record.order_event", "*", "sequence, event_index, order_id"},
    {"record.trade", "*", "trade_id"},
    {"record.auction", "*", "sequence, event_index"},
    {"record.ledger_entry", "*", "sequence, event_index, line"},
    {"record.reject", "*", "sequence, event_index"},
    {"record.venue_event", "*", "sequence, event_index"},
    {"record.balance", "*", "account_id, asset_id"},
    {"settle.trade", "trade_id, created_at", "trade_id"},
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

struct table {
    char *data; // rows without header and trailer
    size_t bytes, capacity;
    size_t *starts; // of each row, and of the end
    size_t rows;
};

struct bare_copy {
    PGconn *writer, *reader;
    struct table tables[SOURCES];
};

static bool complain(const PGconn *connection, const char *what)
{
    fprintf(stderr, "bare copy: %s: %s\n", what, PQerrorMessage(connection));
    return false;
}

static void read_password(char *out, size_t size, const char *path)
{
    FILE *file = fopen(path, "r");
    out[0] = 0;
    if (file == NULL)
        return;
    if (fgets(out, (int)size, file) != NULL)
        out[strcspn(out, "\r\n")] = 0;
    fclose(file);
}

static PGconn *connect_as(const struct pg_settings *settings)
{
    char port[8], password[256];
    snprintf(port, sizeof port, "%u", settings->port);
    read_password(password, sizeof password, settings->password_file);
    const char *const keys[] = {"host", "port", "dbname", "user", "password", NULL};
    const char *const values[] = {settings->host, port,     settings->database,
                                  settings->role, password, NULL};
    PGconn *connection = PQconnectdbParams(keys, values, 0);
    if (PQstatus(connection) == CONNECTION_OK)
        return connection;
    (void)complain(connection, "connect");
    PQfinish(connection);
    return NULL;
}

struct bare_copy *bare_copy_open(const struct pg_settings *writer, const struct pg_settings *reader)
{
    struct bare_copy *copy = calloc(1, sizeof *copy);
    ASSERT(copy != NULL);
    copy->writer = connect_as(writer);
    copy->reader = connect_as(reader);
    if (copy->writer != NULL && copy->reader != NULL)
        return copy;
    bare_copy_close(copy);
    return NULL;
}

static void forget(struct table *table)
{
    free(table->data);
    free(table->starts);
    memset(table, 0, sizeof *table);
}

void bare_copy_close(struct bare_copy *copy)
{
    if (copy == NULL)
        return;
    for (size_t i = 0; i < SOURCES; i++)
        forget(&copy->tables[i]);
    PQfinish(copy->writer);
    PQfinish(copy->reader);
    free(copy);
}

// ---- taking

static void append(struct table *table, const char *data, size_t bytes)
{
    if (table->capacity - table->bytes < bytes) {
        table->capacity = (table->capacity + bytes) * 2;
        table->data = realloc(table->data, table->capacity);
        ASSERT(table->data != NULL);
    }
    memcpy(table->data + table->bytes, data, bytes);
    table->bytes += bytes;
}

static size_t row_bytes(const char *row)
{
    uint16_t columns;
    size_t bytes = sizeof columns;
    memcpy(&columns, row, sizeof columns);
    for (columns = be16toh(columns); columns > 0; columns--) {
        uint32_t length;
        memcpy(&length, row + bytes, sizeof length);
        length = be32toh(length);
        bytes += sizeof length + (length == UINT32_MAX ? 0 : length);
    }
    return bytes;
}

// Drops header and trailer, and finds the rows.
static void cut_into_rows(struct table *table)
{
    ASSERT(table->bytes >= HEADER_BYTES + TRAILER_BYTES);
    table->bytes -= HEADER_BYTES + TRAILER_BYTES;
    memmove(table->data, table->data + HEADER_BYTES, table->bytes);
    size_t capacity = 0, start = 0;
    for (table->rows = 0;; table->rows++) {
        if (table->rows == capacity) {
            capacity = capacity * 2 + 1024;
            table->starts = realloc(table->starts, capacity * sizeof *table->starts);
            ASSERT(table->starts != NULL);
        }
        table->starts[table->rows] = start;
        if (start == table->bytes)
            return;
        start += row_bytes(table->data + start);
        ASSERT(start <= table->bytes);
    }
}

static bool take_table(struct bare_copy *copy, struct table *table, const struct source *source)
{
    char sql[256], *piece = NULL;
    int bytes;
    snprintf(sql, sizeof sql, "COPY (SELECT %s FROM %s ORDER BY %s) TO STDOUT (FORMAT binary)",
             source->columns, source->table, source->order);
    PGresult *result = PQexec(copy->reader, sql);
    bool good = PQresultStatus(result) == PGRES_COPY_OUT;
    PQclear(result);
    if (!good)
        return complain(copy->reader, sql);
    while ((bytes = PQgetCopyData(copy->reader, &piece, 0)) > 0) {
        append(table, piece, (size_t)bytes);
        PQfreemem(piece);
    }
    while ((result = PQgetResult(copy->reader)) != NULL)
        PQclear(result);
    if (bytes != -1)
        return complain(copy->reader, sql);
    cut_into_rows(table);
    return true;
}

bool bare_copy_take(struct bare_copy *copy)
{
    for (size_t i = 0; i < SOURCES; i++) {
        forget(&copy->tables[i]);
        if (!take_table(copy, &copy->tables[i], &sources[i]))
            return false;
    }
    return true;
}

size_t bare_copy_rows(const struct bare_copy *copy)
{
    size_t rows = 0;
    for (size_t i = 0; i < SOURCES; i++)
        rows += copy->tables[i].rows;
    return rows;
}

// ---- writing

static bool execute(struct bare_copy *copy, const char *sql, ExecStatusType want)
{
    PGresult *result = PQexec(copy->writer, sql);
    bool good = PQresultStatus(result) == want;
    PQclear(result);
    return good || complain(copy->writer, sql);
}

static bool write_rows(struct bare_copy *copy, size_t table, size_t from, size_t to)
{
    static const char header[HEADER_BYTES] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
    static const char trailer[TRAILER_BYTES] = {'\377', '\377'};
    const struct table *rows = &copy->tables[table];
    const struct source *source = &sources[table];
    char sql[256];
    size_t bytes = rows->starts[to] - rows->starts[from];
    if (from == to)
        return true;
    bool some = strcmp(source->columns, "*") != 0;
    snprintf(sql, sizeof sql, "COPY %s%s%s%s FROM STDIN (FORMAT binary)", source->table,
             some ? " (" : "", some ? source->columns : "", some ? ")" : "");
    if (!execute(copy, sql, PGRES_COPY_IN))
        return false;
    if (PQputCopyData(copy->writer, header, sizeof header) != 1 ||
        PQputCopyData(copy->writer, rows->data + rows->starts[from], (int)bytes) != 1 ||
        PQputCopyData(copy->writer, trailer, sizeof trailer) != 1 ||
        PQputCopyEnd(copy->writer, NULL) != 1)
        return complain(copy->writer, sql);
    bool good = true;
    for (PGresult *result; (result = PQgetResult(copy->writer)) != NULL; PQclear(result))
        good = PQresultStatus(result) == PGRES_COMMAND_OK && good;
    return good || complain(copy->writer, sql);
}

bool bare_copy_write(struct bare_copy *copy, size_t rows_max)
{
    size_t transactions = (bare_copy_rows(copy) + rows_max - 1) / rows_max;
    for (size_t i = 0; i < transactions; i++) {
        if (!execute(copy, "BEGIN", PGRES_COMMAND_OK))
            return false;
        for (size_t table = 0; table < SOURCES; table++) {
            size_t rows = copy->tables[table].rows;
            if (!write_rows(copy, table, rows * i / transactions, rows * (i + 1) / transactions))
                return false;
        }
        if (!execute(copy, "COMMIT", PGRES_COMMAND_OK))
            return false;
    }
    return true;
}
