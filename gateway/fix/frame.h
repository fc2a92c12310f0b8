// Frame: finds whole FIX messages in a stream of bytes: BeginString, BodyLength, CheckSum, nothing
// more. A message is never looked at before its checksum is right. Any thread; no allocation.
#ifndef LONJA_GATEWAY_FIX_FRAME_H
#define LONJA_GATEWAY_FIX_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum { FIX_SOH = 1 };

enum frame_result {
    FRAME_PARTIAL,  // so far so good: wait for more bytes
    FRAME_WHOLE,    // the first `bytes` bytes are a message
    FRAME_GARBLED,  // skip `bytes` bytes: the checksum is wrong, or the stream has lost its step
    FRAME_TOO_LONG, // it announces more than the limit: the connection cannot go on
};

struct frame {
    enum frame_result result;
    size_t bytes;
};

// Looks at the beginning of `data`. With FRAME_GARBLED, `bytes` (at least 1) leads to the next
// place where a message may begin, as the standard asks: a garbled message is ignored, its number
// becomes a gap.
struct frame frame_find(const char *data, size_t count, size_t message_bytes_max);

// Walks over the fields of a whole message: `*at` starts at 0; false at the end.
struct frame_field {
    uint32_t tag;
    const char *value;
    size_t bytes;
};
bool frame_next_field(const char *message, size_t count, size_t *at, struct frame_field *out);
// The first field with that tag; false if there is none.
bool frame_field(const char *message, size_t count, uint32_t tag, struct frame_field *out);

// Sum of all bytes modulo 256, as tag 10 has it.
unsigned frame_checksum(const char *data, size_t count);

// Copies bytes for the log: SOH becomes '|', other control bytes '?', and the values of Username
// (553), Password (554) and NewPassword (925) become '***'. Always ends with NUL; cuts what does
// not fit.
void frame_printable(char *out, size_t size, const char *data, size_t count);

#endif
