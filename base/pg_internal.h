// What pg.c, pg_flight.c, pg_async.c and pg_copy.c share; nobody else includes it.
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

// ---- the blocking connection (pg.c, pg_flight.c)

// The statement that is on its way.
struct pg_flight {
    bool flying;
    const char *data; // of a COPY: not all of it has been sent
    size_t bytes, sent;
    bool taking; // the server has said that it takes the data
    PGresult *last;
    uint64_t deadline_ms; // moves with what the server takes
};

struct pg {
    struct pg_settings settings;
    struct pg_error error;
    PGconn *connection; // NULL = none
    struct pg_statements statements;
    uint32_t backoff_ms;
    uint64_t retry_at_ms;
    uint32_t connections;
    const char *channels[PG_CHANNELS_MAX];
    size_t channel_count;
    struct pg_flight flight;
};

uint64_t pg_now_ms(void);
// Waits until the socket is ready; false = the deadline has passed. Looks once in any case: what
// has arrived already is taken with no time to wait.
bool pg_wait_socket(const PGconn *connection, short events, uint64_t deadline_ms);
// Breaks off after a failure whose outcome is unknown; returns PG_GONE.
enum pg_class pg_lose(struct pg *pg, const char *message);
// A statement was given to libpq: it is on its way. `data` (NULL: no COPY) must live until it ends.
void pg_flight_begin(struct pg *pg, const void *data, size_t bytes);
// Waits until it ends. *out (may be NULL) gets the rows on PG_OK.
CHECKED enum pg_class pg_finish(struct pg *pg, struct pg_rows **out);

#endif
