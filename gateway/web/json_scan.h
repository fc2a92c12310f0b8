// Strict scanner for one flat JSON object: the only JSON reader of this gateway, made for the order
// path. It takes {"name": value, …} where each value is a string, a number, true, false or null; it
// refuses what RFC 8259 refuses, and beyond that nested values, a name twice, more than
// JSON_MEMBERS_MAX members, and NUL in a string. Nothing is converted: a number stays its text, so
// that no digit is lost.
//
// Texts point into the input, or into `scratch` if they had escapes; both must outlive the object.
// Any thread; no allocation. On failure the object is not to be read.
#ifndef LONJA_GATEWAY_WEB_JSON_SCAN_H
#define LONJA_GATEWAY_WEB_JSON_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum { JSON_MEMBERS_MAX = 40, JSON_SCRATCH_BYTES = 2048 };
enum json_kind { JSON_STRING, JSON_NUMBER, JSON_TRUE, JSON_FALSE, JSON_NULL };

struct json_member {
    const char *name,
        *text; // text: of a string without quotes, escapes resolved; else as it stands
    uint32_t name_bytes, text_bytes;
    enum json_kind kind;
};

struct json_object {
    size_t count;
    struct json_member members[JSON_MEMBERS_MAX];
    size_t scratch_used;
    char scratch[JSON_SCRATCH_BYTES];
};

enum json_result {
    JSON_OK,
    JSON_MALFORMED, // not JSON
    JSON_NOT_FLAT,  // an object or array inside, or not an object at all
    JSON_TWICE,     // the same name twice
    JSON_TOO_MANY,  // members, or text with escapes
};

CHECKED enum json_result json_scan(struct json_object *object, const char *text, size_t bytes);

#endif
