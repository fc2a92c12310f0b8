// The binary format of COPY: a header of 19 bytes, per row the number of columns and per column a
// length (-1 = NULL) and the value, all in network order; a trailer of -1, which pg_flight.c sends.
#include "base/pg_copy.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pg_internal.h"

static const char signature[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";

void pg_copy_init(struct pg_copy *copy)
{
    memset(copy, 0, sizeof *copy);
}

void pg_copy_fini(struct pg_copy *copy)
{
    free(copy->data);
    memset(copy, 0, sizeof *copy);
}

void pg_copy_clear(struct pg_copy *copy)
{
    copy->bytes = 0;
    copy->rows = 0;
}

static void append(struct pg_copy *copy, const void *data, size_t bytes)
{
    if (copy->capacity - copy->bytes < bytes) {
        size_t capacity = copy->capacity ? copy->capacity * 2 : 65536;
        while (capacity - copy->bytes < bytes)
            capacity *= 2;
        copy->data = realloc(copy->data, capacity);
        ASSERT(copy->data);
        copy->capacity = capacity;
    }
    memcpy(copy->data + copy->bytes, data, bytes);
    copy->bytes += bytes;
}

static void append_u16(struct pg_copy *copy, uint16_t value)
{
    value = htobe16(value);
    append(copy, &value, sizeof value);
}

static void append_u32(struct pg_copy *copy, uint32_t value)
{
    value = htobe32(value);
    append(copy, &value, sizeof value);
}

static void append_u64(struct pg_copy *copy, uint64_t value)
{
    value = htobe64(value);
    append(copy, &value, sizeof value);
}

void pg_copy_row(struct pg_copy *copy, int16_t columns)
{
    if (copy->rows++ == 0)
        append(copy, signature, sizeof signature);
    append_u16(copy, (uint16_t)columns);
}

void pg_copy_i16(struct pg_copy *copy, int16_t value)
{
    append_u32(copy, 2);
    append_u16(copy, (uint16_t)value);
}

void pg_copy_i32(struct pg_copy *copy, int32_t value)
{
    append_u32(copy, 4);
    append_u32(copy, (uint32_t)value);
}

void pg_copy_i64(struct pg_copy *copy, int64_t value)
{
    append_u32(copy, 8);
    append_u64(copy, (uint64_t)value);
}

void pg_copy_bool(struct pg_copy *copy, bool value)
{
    uint8_t byte = value;
    pg_copy_bytes(copy, &byte, 1);
}

void pg_copy_bytes(struct pg_copy *copy, const void *data, size_t bytes)
{
    append_u32(copy, (uint32_t)bytes);
    append(copy, data, bytes);
}

void pg_copy_text(struct pg_copy *copy, const char *text)
{
    pg_copy_bytes(copy, text, strlen(text));
}

void pg_copy_jsonb(struct pg_copy *copy, const char *json, size_t bytes)
{
    uint8_t version = 1;
    append_u32(copy, (uint32_t)bytes + 1);
    append(copy, &version, 1);
    append(copy, json, bytes);
}

void pg_copy_time(struct pg_copy *copy, uint64_t time_ns)
{
    const int64_t seconds_1970_to_2000 = 946684800;
    pg_copy_i64(copy, (int64_t)(time_ns / 1000) - seconds_1970_to_2000 * 1000000);
}

void pg_copy_null(struct pg_copy *copy)
{
    append_u32(copy, UINT32_MAX);
}

enum pg_class pg_copy_start(struct pg *pg, const struct pg_copy *copy, const char *target)
{
    char sql[1024];
    ASSERT(copy->rows > 0);
    int length = snprintf(sql, sizeof sql, "COPY %s FROM STDIN (FORMAT binary)", target);
    ASSERT(length > 0 && (size_t)length < sizeof sql);
    enum pg_class class = pg_connect(pg);
    if (class != PG_OK)
        return class;
    if (!PQsendQuery(pg->connection, sql))
        return pg_lose(pg, PQerrorMessage(pg->connection));
    pg_flight_begin(pg, copy->data, copy->bytes);
    return PG_OK;
}

enum pg_class pg_copy_send(struct pg *pg, const struct pg_copy *copy, const char *target)
{
    if (copy->rows == 0)
        return PG_OK;
    enum pg_class class = pg_copy_start(pg, copy, target);
    return class == PG_OK ? pg_finish(pg, NULL) : class;
}
