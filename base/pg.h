// Postgres, behind one shim over libpq: settings, typed parameters, rows and errors for both ways
// of use, and the blocking connection (record, settle, admin). Event loops use pg_async.h; mass
// inserts pg_copy.h.
//
// The happy path: pg_open (no I/O) … pg_query connects when needed, prepares the statement once per
// connection, and returns rows. Failures are results, never exits:
//   PG_CONSTRAINT  the database's own rule said no (unique, foreign key, check): error.constraint
//   names it PG_TRANSIENT   try the transaction again (serialisation, deadlock, lock or statement
//   timeout, no room) PG_GONE        no connection, or it broke in the middle: what was in flight
//   has an unknown outcome; an
//                  open transaction is rolled back by the server unless its commit was under way
//   PG_REFUSED     a fault of ours or of the set-up: syntax, missing right, wrong password
// After PG_GONE the next call connects again, but not before a waiting time of 100 ms doubling up
// to 5 s has passed: until then calls return PG_GONE at once. LISTEN is renewed by every new
// connection.
//
// Every call is bounded: connecting by connect_timeout_ms, a statement by statement_timeout_ms on
// the server and on our side too (a stopped server cannot hold us). One thread per connection.
#ifndef LONJA_BASE_PG_H
#define LONJA_BASE_PG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/config.h"

enum pg_class { PG_OK, PG_CONSTRAINT, PG_TRANSIENT, PG_GONE, PG_REFUSED };
const char *pg_class_name(enum pg_class class);

struct pg_error {
    enum pg_class class;
    char sqlstate[6];    // "" if it did not come from the server
    char constraint[64]; // for PG_CONSTRAINT: its name; of NOT NULL the column's
    char message[256];   // one line
    char detail[256]; // the row or key that was refused, as the server tells it; "" = it does not
};

// ---- settings

struct pg_settings {
    char host[CONFIG_TEXT_BYTES_MAX]; // name, address, or folder of the UNIX socket; "" = libpq's
                                      // default
    char database[CONFIG_TEXT_BYTES_MAX];
    char password_file[CONFIG_TEXT_BYTES_MAX * 2]; // read at every connect; "" = none
    char role[32];
    char application[32]; // shown in pg_stat_activity
    uint16_t port;
    uint32_t connect_timeout_ms;   // 3000 by default
    uint32_t statement_timeout_ms; // 10000 by default
    uint32_t lock_timeout_ms;      // 0 (by default) = a lock is waited for as long as a statement
};

// Settings of `role` ("lonja_record") as the configuration has them, with the default timeouts.
void pg_settings_of(struct pg_settings *out, const struct config *config, const char *role);

// ---- parameters ($1, $2 …)

enum pg_type { PG_NULL, PG_I64, PG_BOOL, PG_TEXT, PG_BYTES };
struct pg_param {
    enum pg_type type;
    int64_t number;
    const char *data; // text (NUL-terminated) or bytes; must live until the call returns
    size_t bytes;
};
static inline struct pg_param pg_null(void)
{
    return (struct pg_param){.type = PG_NULL};
}
static inline struct pg_param pg_i64(int64_t n)
{
    return (struct pg_param){.type = PG_I64, .number = n};
}
static inline struct pg_param pg_bool(bool b)
{
    return (struct pg_param){.type = PG_BOOL, .number = b};
}
// NULL text is NULL.
static inline struct pg_param pg_text(const char *text)
{
    return (struct pg_param){.type = text ? PG_TEXT : PG_NULL, .data = text};
}
static inline struct pg_param pg_bytes(const void *data, size_t bytes)
{
    return (struct pg_param){.type = PG_BYTES, .data = data, .bytes = bytes};
}
enum { PG_PARAMS_MAX = 32 };
#define PG_PARAMS(...)                                                                             \
    ((const struct pg_param[]){__VA_ARGS__}),                                                      \
        (sizeof((const struct pg_param[]){__VA_ARGS__}) / sizeof(struct pg_param))
#define PG_NO_PARAMS NULL, 0

// ---- rows

struct pg_rows; // result of a statement; owned by the caller, NULL is allowed everywhere as "no
                // rows"
size_t pg_rows_count(const struct pg_rows *rows);
uint64_t pg_rows_affected(const struct pg_rows *rows); // of INSERT, UPDATE, DELETE, COPY
bool pg_is_null(const struct pg_rows *rows, size_t row, int column);
// A number or boolean (t/f -> 1/0); 0 for NULL. Asserts on text that is neither.
int64_t pg_number(const struct pg_rows *rows, size_t row, int column);
// NULL for NULL; lives as long as the rows.
const char *pg_value(const struct pg_rows *rows, size_t row, int column);
// Decodes a bytea into `out`; returns its length, or SIZE_MAX if it is longer than `max`. 0 for
// NULL.
size_t pg_bytea(const struct pg_rows *rows, size_t row, int column, uint8_t *out, size_t max);
void pg_rows_free(struct pg_rows *rows);

// ---- the blocking connection

struct pg;

struct pg *pg_open(const struct pg_settings *settings); // no I/O
void pg_close(struct pg *pg);
const struct pg_error *
pg_last_error(const struct pg *pg); // of the last call that did not return PG_OK
// Connects if there is no connection.
CHECKED enum pg_class pg_connect(struct pg *pg);
bool pg_connected(const struct pg *pg);
// How long to wait until the next call may connect again; 0 = now.
uint32_t pg_retry_wait_ms(const struct pg *pg);
// Breaks the connection off (an open transaction is rolled back).
void pg_disconnect(struct pg *pg);
// Of the connections from the next one on.
void pg_statement_timeout(struct pg *pg, uint32_t timeout_ms);

// Runs one statement. *out (may be NULL) gets the rows on PG_OK, else NULL. `sql` must be a string
// constant: its address names the prepared statement of this connection.
CHECKED enum pg_class pg_query(struct pg *pg, struct pg_rows **out, const char *sql,
                               const struct pg_param *params, size_t count);
// Runs text without parameters and without preparing: several statements, text made at run time.
CHECKED enum pg_class pg_execute(struct pg *pg, const char *sql);
CHECKED enum pg_class pg_begin(struct pg *pg);
CHECKED enum pg_class pg_commit(struct pg *pg);
// Never fails: if the server cannot be asked, the connection is broken off.
void pg_rollback(struct pg *pg);

// ---- a statement on its way: the caller does something else meanwhile

// As pg_query and pg_execute, but they return when the statement is sent (on PG_OK; connecting and
// preparing are waited for). Nothing else may be called on this connection until pg_poll has said
// that it has ended. Parameters need not live longer than the call.
CHECKED enum pg_class pg_send(struct pg *pg, const char *sql, const struct pg_param *params,
                              size_t count);
CHECKED enum pg_class pg_send_text(struct pg *pg, const char *sql);
// Sends and reads what can be without waiting. True: the statement has ended, *class says how, and
// *out (may be NULL) has its rows on PG_OK, else NULL.
CHECKED bool pg_poll(struct pg *pg, enum pg_class *class, struct pg_rows **out);
// Waits until pg_poll may get further, at most timeout_ms.
void pg_await(struct pg *pg, uint32_t timeout_ms);

// ---- notifications

enum { PG_CHANNELS_MAX = 8 };
// Listens now if connected, and after every connect. `channel` must be a string constant.
CHECKED enum pg_class pg_listen(struct pg *pg, const char *channel);
struct pg_notification {
    char channel[64];
    char payload[8000];
};
// Waits up to timeout_ms for the next notification; true = *out is one. Connects if there is no
// connection (false then means: look at the tables, something may have been missed).
bool pg_wait_notification(struct pg *pg, struct pg_notification *out, uint32_t timeout_ms);
// Socket for an outer poll; -1 while there is no connection.
int pg_fd(const struct pg *pg);
// How many connections there have been: a change means that notifications may have been missed.
uint32_t pg_connections(const struct pg *pg);

#endif
