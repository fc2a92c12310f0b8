// Instant: points in time between text and nanoseconds since 1970: "2026-12-31T17:30:00Z", ISO 8601
// in UTC.
//
// Accepted: YYYY-MM-DDTHH:MM, then optionally :SS, then optionally a point and 1 to 9 digits, and Z
// at the end. Days and times that do not exist are refused; so are leap seconds, other zones, and
// what is before 1970 or after 2262.
//
// Any thread; no allocation.
#ifndef LONJA_GATEWAY_WEB_INSTANT_H
#define LONJA_GATEWAY_WEB_INSTANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum { INSTANT_TEXT_BYTES_MAX = 32 };

// *out_ns is written if the answer is true.
CHECKED bool instant_parse(const char *text, size_t bytes, uint64_t *out_ns);
// With as many digits behind the second as are needed, NUL-terminated; returns the length.
size_t instant_print(uint64_t ns, char out[INSTANT_TEXT_BYTES_MAX]);

#endif
