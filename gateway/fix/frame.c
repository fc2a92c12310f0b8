// 8=FIX.4.4|9=<digits>|<BodyLength bytes, ending with SOH>10=<3 digits>|
#include "gateway/fix/frame.h"

#include <string.h>

enum {
    TRAILER_BYTES = 7, // 10=ddd|
    BEGIN_STRING_BYTES_MAX = 16,
    LENGTH_DIGITS_MAX = 8,
};

static struct frame found(enum frame_result result, size_t bytes)
{
    return (struct frame){.result = result, .bytes = bytes};
}

// Where the next message may begin: at "8=FIX" behind a SOH, or where only the end of that is seen.
static struct frame skip(const char *data, size_t count)
{
    static const char begin[] = "8=FIX";
    const size_t length = sizeof begin - 1;
    for (size_t i = 1; i < count; i++) {
        size_t seen = count - i < length ? count - i : length;
        if (memcmp(data + i, begin, seen) == 0)
            return found(FRAME_GARBLED, i);
    }
    return found(FRAME_GARBLED, count);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Length of "8=FIX…|"; 0 = more bytes are needed; SIZE_MAX = it is none.
static size_t begin_string(const char *data, size_t count)
{
    static const char begin[] = "8=FIX";
    size_t seen = count < sizeof begin - 1 ? count : sizeof begin - 1;
    if (memcmp(data, begin, seen) != 0)
        return SIZE_MAX;
    size_t within = count < BEGIN_STRING_BYTES_MAX ? count : BEGIN_STRING_BYTES_MAX;
    const char *end = memchr(data, FIX_SOH, within);
    if (end != NULL)
        return (size_t)(end - data) + 1;
    return count < BEGIN_STRING_BYTES_MAX ? 0 : SIZE_MAX;
}

// Reads "9=<digits>|" at data; *length is the number. Same results as begin_string.
static size_t body_length(const char *data, size_t count, size_t *length)
{
    if ((count > 0 && data[0] != '9') || (count > 1 && data[1] != '='))
        return SIZE_MAX;
    size_t value = 0;
    for (size_t i = 2; i < count; i++) {
        if (data[i] == FIX_SOH && i > 2) {
            *length = value;
            return i + 1;
        }
        if (!is_digit(data[i]) || i - 2 >= LENGTH_DIGITS_MAX)
            return SIZE_MAX;
        value = value * 10 + (size_t)(data[i] - '0');
    }
    return 0;
}

unsigned frame_checksum(const char *data, size_t count)
{
    unsigned sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (unsigned char)data[i];
    return sum % 256;
}

static bool trailer_is_right(const char *data, size_t body_end)
{
    const char *trailer = data + body_end;
    if (data[body_end - 1] != FIX_SOH || memcmp(trailer, "10=", 3) != 0 || trailer[6] != FIX_SOH)
        return false;
    if (!is_digit(trailer[3]) || !is_digit(trailer[4]) || !is_digit(trailer[5]))
        return false;
    unsigned said = (unsigned)(trailer[3] - '0') * 100 + (unsigned)(trailer[4] - '0') * 10 +
                    (unsigned)(trailer[5] - '0');
    return said == frame_checksum(data, body_end);
}

struct frame frame_find(const char *data, size_t count, size_t message_bytes_max)
{
    if (count == 0)
        return found(FRAME_PARTIAL, 0);
    size_t begin = begin_string(data, count);
    if (begin == SIZE_MAX)
        return skip(data, count);
    if (begin == 0)
        return found(FRAME_PARTIAL, 0);
    size_t body = 0;
    size_t head = body_length(data + begin, count - begin, &body);
    if (head == SIZE_MAX)
        return skip(data, count);
    if (head == 0)
        return found(FRAME_PARTIAL, 0);
    size_t body_end = begin + head + body;
    if (body_end + TRAILER_BYTES > message_bytes_max)
        return found(FRAME_TOO_LONG, 0);
    if (count < body_end + TRAILER_BYTES)
        return found(FRAME_PARTIAL, 0);
    if (!trailer_is_right(data, body_end))
        return skip(data, count);
    return found(FRAME_WHOLE, body_end + TRAILER_BYTES);
}

bool frame_next_field(const char *message, size_t count, size_t *at, struct frame_field *out)
{
    size_t i = *at;
    uint32_t tag = 0;
    while (i < count && is_digit(message[i]) && tag < 100000000)
        tag = tag * 10 + (uint32_t)(message[i++] - '0');
    if (i == *at || i >= count || message[i] != '=')
        return false;
    const char *value = message + i + 1;
    const char *end = memchr(value, FIX_SOH, count - i - 1);
    if (end == NULL)
        return false;
    *out = (struct frame_field){tag, value, (size_t)(end - value)};
    *at = (size_t)(end - message) + 1;
    return true;
}

bool frame_field(const char *message, size_t count, uint32_t tag, struct frame_field *out)
{
    size_t at = 0;
    while (frame_next_field(message, count, &at, out))
        if (out->tag == tag)
            return true;
    return false;
}

// A value to hide begins behind the four bytes at data. Not only where a field begins: what is
// logged is often garbled, and a byte too much before the tag does not make the password less of
// one.
static bool is_secret(const char *data, size_t count)
{
    static const char *const secrets[] = {"553=", "554=", "925="};
    for (size_t s = 0; s < 3; s++)
        if (count >= 4 && memcmp(data, secrets[s], 4) == 0)
            return true;
    return false;
}

void frame_printable(char *out, size_t size, const char *data, size_t count)
{
    ASSERT(size > 8);
    size_t length = 0;
    for (size_t i = 0; i < count && length + 8 < size; i++) {
        if (is_secret(data + i, count - i)) {
            memcpy(out + length, data + i, 4);
            memcpy(out + length + 4, "***", 3);
            length += 7;
            const char *end = memchr(data + i, FIX_SOH, count - i);
            i = end == NULL ? count - 1 : (size_t)(end - data) - 1;
            continue;
        }
        char c = data[i];
        out[length++] = c == FIX_SOH ? '|' : c >= 32 && c < 127 ? c : '?';
    }
    out[length] = 0;
}
