#include "gateway/web/json_out.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/decimal.h"

enum { CAPACITY_FIRST = 4096 };

void json_out_init(struct json_out *out)
{
    *out = (struct json_out){.capacity = CAPACITY_FIRST, .text = malloc(CAPACITY_FIRST)};
    if (out->text == NULL)
        abort();
    out->text[0] = '\0';
}

void json_out_fini(struct json_out *out)
{
    free(out->text);
    *out = (struct json_out){0};
}

void json_clear(struct json_out *out)
{
    out->bytes = 0;
    out->comma = false;
    out->text[0] = '\0';
}

static char *reserve(struct json_out *out, size_t bytes)
{
    while (out->bytes + bytes + 1 > out->capacity) {
        out->capacity *= 2;
        out->text = realloc(out->text, out->capacity);
        if (out->text == NULL)
            abort();
    }
    return out->text + out->bytes;
}

void json_raw(struct json_out *out, const char *text, size_t bytes)
{
    memcpy(reserve(out, bytes), text, bytes);
    out->bytes += bytes;
    out->text[out->bytes] = '\0';
}

static void comma_if_due(struct json_out *out)
{
    if (out->comma)
        json_raw(out, ",", 1);
}

void json_open(struct json_out *out, char bracket)
{
    ASSERT(bracket == '{' || bracket == '[');
    comma_if_due(out);
    json_raw(out, &bracket, 1);
    out->comma = false;
}

void json_close(struct json_out *out, char bracket)
{
    ASSERT(bracket == '}' || bracket == ']');
    json_raw(out, &bracket, 1);
    out->comma = true;
}

void json_item(struct json_out *out)
{
    comma_if_due(out);
    out->comma = true;
}

void json_name(struct json_out *out, const char *name)
{
    comma_if_due(out);
    json_raw(out, "\"", 1);
    json_raw(out, name, strlen(name));
    json_raw(out, "\":", 2);
    out->comma = false; // the value, if it is an object or array, must not begin with one
}

static void quoted(struct json_out *out, const char *text, size_t bytes)
{
    json_raw(out, "\"", 1);
    for (size_t i = 0; i < bytes; i++) {
        unsigned char c = (unsigned char)text[i];
        char escaped[8];
        if (c == '"' || c == '\\')
            json_raw(out, (char[]){'\\', (char)c}, 2);
        else if (c < 0x20)
            json_raw(out, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", c));
        else
            json_raw(out, (const char *)&c, 1);
    }
    json_raw(out, "\"", 1);
    out->comma = true;
}

void json_text_n(struct json_out *out, const char *name, const char *text, size_t bytes)
{
    json_name(out, name);
    quoted(out, text, bytes);
}

void json_text(struct json_out *out, const char *name, const char *text)
{
    json_text_n(out, name, text, strlen(text));
}

void json_integer(struct json_out *out, const char *name, int64_t value)
{
    char text[24];
    json_name(out, name);
    json_raw(out, text, (size_t)snprintf(text, sizeof text, "%" PRId64, value));
    out->comma = true;
}

void json_id(struct json_out *out, const char *name, uint64_t id)
{
    char text[24];
    json_name(out, name);
    json_raw(out, text, (size_t)snprintf(text, sizeof text, "\"%" PRIu64 "\"", id));
    out->comma = true;
}

static void decimal(struct json_out *out, int64_t value, unsigned scale)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    size_t bytes = decimal_print(value, scale, text);
    json_raw(out, "\"", 1);
    json_raw(out, text, bytes);
    json_raw(out, "\"", 1);
    out->comma = true;
}

void json_decimal(struct json_out *out, const char *name, int64_t value, unsigned scale)
{
    json_name(out, name);
    decimal(out, value, scale);
}

void json_boolean(struct json_out *out, const char *name, bool value)
{
    json_name(out, name);
    json_raw(out, value ? "true" : "false", value ? 4 : 5);
    out->comma = true;
}

void json_null(struct json_out *out, const char *name)
{
    json_name(out, name);
    json_raw(out, "null", 4);
    out->comma = true;
}

void json_string_item(struct json_out *out, const char *text, size_t bytes)
{
    comma_if_due(out);
    quoted(out, text, bytes);
}

void json_decimal_item(struct json_out *out, int64_t value, unsigned scale)
{
    comma_if_due(out);
    decimal(out, value, scale);
}
