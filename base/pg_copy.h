// Binary COPY: rows are gathered in a buffer of ours and sent in one go, which is the fastest way
// into Postgres. A column is written by the function of its type; the order is that of the column
// list.
//
//   pg_copy_row(copy, 3); pg_copy_i64(copy, order); pg_copy_text(copy, "open"); pg_copy_time(copy,
//   time_ns); … pg_copy_send(pg, copy, "record.order_event (order_id, status, created_at)"); …
//   commit … pg_copy_clear(copy);
//
// The buffer grows as needed and is kept for the next batch. One thread.
#ifndef LONJA_BASE_PG_COPY_H
#define LONJA_BASE_PG_COPY_H

#include "base/pg.h"

struct pg_copy {
    uint8_t *data;
    size_t bytes;
    size_t capacity;
    size_t rows;
};

void pg_copy_init(struct pg_copy *copy);
void pg_copy_fini(struct pg_copy *copy);
void pg_copy_clear(struct pg_copy *copy);

void pg_copy_row(struct pg_copy *copy, int16_t columns);
void pg_copy_i16(struct pg_copy *copy, int16_t value);                    // smallint
void pg_copy_i32(struct pg_copy *copy, int32_t value);                    // integer
void pg_copy_i64(struct pg_copy *copy, int64_t value);                    // bigint
void pg_copy_bool(struct pg_copy *copy, bool value);                      // boolean
void pg_copy_bytes(struct pg_copy *copy, const void *data, size_t bytes); // text, bytea
void pg_copy_text(struct pg_copy *copy, const char *text);                // text
void pg_copy_jsonb(struct pg_copy *copy, const char *json, size_t bytes); // jsonb
void pg_copy_time(struct pg_copy *copy, uint64_t time_ns); // timestamptz, from ns since 1970
void pg_copy_null(struct pg_copy *copy);

// Sends all rows into "table (columns)". The buffer keeps them, because the transaction may still
// fail and be written again: the caller clears it. No rows: nothing is sent.
CHECKED enum pg_class pg_copy_send(struct pg *pg, const struct pg_copy *copy, const char *target);
// The same without waiting, with one row at least: it ends in pg_poll. The buffer must stay as it
// is until then.
CHECKED enum pg_class pg_copy_start(struct pg *pg, const struct pg_copy *copy, const char *target);

#endif
