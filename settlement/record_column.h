// Record column: a column of rows as one parameter, an array in Postgres' binary format, for
// unnest($1::bigint[], …): the server takes it without reading a number out of text.
//
// Every value is appended by the function of its type; the memory grows to the largest column and
// is kept. Threads: one.
#ifndef LONJA_SETTLEMENT_RECORD_COLUMN_H
#define LONJA_SETTLEMENT_RECORD_COLUMN_H

#include <stddef.h>
#include <stdint.h>

#include "base/pg.h"

struct record_column {
    uint8_t *data;
    size_t bytes, capacity;
    uint32_t count;
};

enum record_column_type { RECORD_COLUMN_I64 = 20, RECORD_COLUMN_I32 = 23, RECORD_COLUMN_TEXT = 25 };

// Empties it. The type is the server's number of the elements' type.
void record_column_begin(struct record_column *column, enum record_column_type type);
void record_column_i64(struct record_column *column, int64_t value);
void record_column_i32(struct record_column *column, int32_t value);
void record_column_text(struct record_column *column, const char *text, size_t bytes);
void record_column_null(struct record_column *column);
// The parameter; it lives until the column is changed.
struct pg_param record_column_param(struct record_column *column);
void record_column_fini(struct record_column *column);

#endif
