// What pg.c and pg_async.c share; nobody else includes it.
#ifndef LONJA_BASE_PG_INTERNAL_H
#define LONJA_BASE_PG_INTERNAL_H

#include <libpq-fe.h>

#include "base/pg.h"

enum { PG_BACKOFF_MS_MIN = 100, PG_BACKOFF_MS_MAX = 5000 };

struct pg_rows {
    PGresult *result;
};

// Begins a connection without blocking; NULL when out of memory. The caller polls it.
PGconn *pg_start(const struct pg_settings *settings);
// Fills `error` from a connection (broken: PG_GONE; password or database refused: PG_REFUSED).
void pg_error_of_connection(struct pg_error *error, const PGconn *connection);
// Fills `error` from a failed result.
void pg_error_of_result(struct pg_error *error, const PGresult *result, const PGconn *connection);
void pg_error_set(struct pg_error *error, enum pg_class class, const char *message);
uint32_t pg_backoff_next(uint32_t backoff_ms);

// Parameters as libpq wants them; `texts` is the memory of the numbers.
struct pg_wire {
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX];
    int formats[PG_PARAMS_MAX];
    char numbers[PG_PARAMS_MAX][24];
};
void pg_wire_make(struct pg_wire *wire, const struct pg_param *params, size_t count);

// Name of the prepared statement of a string constant.
void pg_statement_name(char out[32], const char *sql);

// Statements prepared on one connection, by address.
enum { PG_STATEMENTS_MAX = 128 };
struct pg_statements {
    const char *sql[PG_STATEMENTS_MAX];
    size_t count;
};
bool pg_statements_has(const struct pg_statements *statements, const char *sql);
void pg_statements_add(struct pg_statements *statements, const char *sql);

// Runs "COPY … FROM STDIN" with this data (pg_copy.c).
CHECKED enum pg_class pg_copy_run(struct pg *pg, const char *sql, const void *data, size_t bytes);

#endif
