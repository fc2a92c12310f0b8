// Growing text buffer with what is needed to write JSON: the only writer of this gateway. Commas
// are the writer's business: json_name and json_item put one in front where it is due. One thread;
// the buffer is kept and reused; out of memory aborts (the process restarts).
#ifndef LONJA_GATEWAY_WEB_JSON_OUT_H
#define LONJA_GATEWAY_WEB_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_out {
    char *text; // NUL-terminated
    size_t bytes, capacity;
    bool comma; // one is due before the next name or item
};

void json_out_init(struct json_out *out);
void json_out_fini(struct json_out *out);
void json_clear(struct json_out *out);

void json_raw(struct json_out *out, const char *text, size_t bytes);
void json_open(struct json_out *out, char bracket);  // '{' or '['
void json_close(struct json_out *out, char bracket); // '}' or ']'
void json_name(struct json_out *out, const char *name);
void json_item(struct json_out *out); // before each element of an array that is no object

// name and value; string values are escaped
void json_text(struct json_out *out, const char *name, const char *text);
void json_text_n(struct json_out *out, const char *name, const char *text, size_t bytes);
void json_integer(struct json_out *out, const char *name, int64_t value); // for values below 2^53
void json_id(struct json_out *out, const char *name, uint64_t id);        // as a string
void json_decimal(struct json_out *out, const char *name, int64_t value, unsigned scale);
void json_boolean(struct json_out *out, const char *name, bool value);
void json_null(struct json_out *out, const char *name);
// value only, for arrays
void json_string_item(struct json_out *out, const char *text, size_t bytes);
void json_decimal_item(struct json_out *out, int64_t value, unsigned scale);

#endif
