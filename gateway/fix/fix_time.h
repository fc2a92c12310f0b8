// FIX's times: UTCTimestamp ("20261120-11:12:13.123") and LocalMktDate ("20261120", a UTC day
// here), to and from nanoseconds since 1970. Days and times that do not exist are refused; a leap
// second is the second after it.
//
// Any thread; no allocation.
#ifndef LONJA_GATEWAY_FIX_FIX_TIME_H
#define LONJA_GATEWAY_FIX_FIX_TIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

// With milliseconds, and NUL.
enum { FIX_TIME_BYTES = 22 };
void fix_time(char out[FIX_TIME_BYTES], uint64_t wall_ns);

// Reads a time with up to nine digits behind the second. Also false beyond the years 1970 to 2261.
CHECKED bool fix_time_read(const char *text, size_t bytes, uint64_t *out_ns);
// The moment at which that day ends.
CHECKED bool fix_date_read(const char *text, size_t bytes, uint64_t *out_end_ns);

#endif
