// The format (array_recv of Postgres): dimensions (1), "has nulls", type of the elements, their
// number, lower bound (1); then each element as length (-1 = NULL) and value. In network order.
#include "settlement/record_column.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_BYTES = 20, COUNT_AT = 12 };

static void append(struct record_column *column, const void *data, size_t bytes)
{
    if (column->capacity - column->bytes < bytes) {
        column->capacity = (column->capacity + bytes) * 2 + 4096;
        column->data = realloc(column->data, column->capacity);
        ASSERT(column->data != NULL);
    }
    memcpy(column->data + column->bytes, data, bytes);
    column->bytes += bytes;
}

static void append_u32(struct record_column *column, uint32_t value)
{
    value = htobe32(value);
    append(column, &value, sizeof value);
}

void record_column_begin(struct record_column *column, enum record_column_type type)
{
    column->bytes = 0;
    column->count = 0;
    append_u32(column, 1);
    append_u32(column, 1); // there may be nulls
    append_u32(column, type);
    append_u32(column, 0); // set by record_column_param
    append_u32(column, 1);
    ASSERT(column->bytes == HEADER_BYTES);
}

void record_column_i64(struct record_column *column, int64_t value)
{
    uint64_t wire = htobe64((uint64_t)value);
    append_u32(column, sizeof wire);
    append(column, &wire, sizeof wire);
    column->count++;
}

void record_column_i32(struct record_column *column, int32_t value)
{
    append_u32(column, sizeof value);
    append_u32(column, (uint32_t)value);
    column->count++;
}

void record_column_text(struct record_column *column, const char *text, size_t bytes)
{
    append_u32(column, (uint32_t)bytes);
    append(column, text, bytes);
    column->count++;
}

void record_column_null(struct record_column *column)
{
    append_u32(column, UINT32_MAX);
    column->count++;
}

struct pg_param record_column_param(struct record_column *column)
{
    uint32_t count = htobe32(column->count);
    ASSERT(column->bytes >= HEADER_BYTES);
    memcpy(column->data + COUNT_AT, &count, sizeof count);
    return pg_bytes(column->data, column->bytes);
}

void record_column_fini(struct record_column *column)
{
    free(column->data);
    memset(column, 0, sizeof *column);
}
