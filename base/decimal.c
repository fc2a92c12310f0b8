#include "base/decimal.h"

#include <stdbool.h>

// Collects digits into a negative accumulator, because the negative range is the larger one.
struct accumulator {
    int64_t negative;
    bool overflow;
};

static void accumulate(struct accumulator *sum, unsigned digit)
{
    int64_t shifted;
    if (__builtin_mul_overflow(sum->negative, (int64_t)10, &shifted) ||
        __builtin_sub_overflow(shifted, (int64_t)digit, &sum->negative))
        sum->overflow = true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// Takes the digits of one side of the point; returns how many characters they were.
static size_t take_whole(struct accumulator *sum, const char *text, size_t bytes)
{
    size_t i = 0;
    for (; i < bytes && is_digit(text[i]); i++)
        accumulate(sum, (unsigned)(text[i] - '0'));
    return i;
}

// Digits within the scale are taken, those beyond must be zero (*surplus otherwise); missing ones
// are filled up with zeros.
static size_t take_fraction(struct accumulator *sum, bool *surplus, const char *text, size_t bytes,
                            unsigned scale)
{
    size_t i = 0;
    for (; i < bytes && is_digit(text[i]); i++) {
        if (i < scale)
            accumulate(sum, (unsigned)(text[i] - '0'));
        else if (text[i] != '0')
            *surplus = true;
    }
    for (size_t filled = i; filled < scale; filled++)
        accumulate(sum, 0);
    return i;
}

enum decimal_result decimal_parse(const char *text, size_t bytes, unsigned scale, int64_t *out)
{
    ASSERT(scale <= DECIMAL_SCALE_MAX);
    struct accumulator sum = {0};
    bool surplus = false;
    bool minus = bytes > 0 && text[0] == '-';
    size_t at = minus;
    size_t whole = take_whole(&sum, text + at, bytes - at);
    at += whole;
    bool point = at < bytes && text[at] == '.';
    at += point;
    size_t fraction = take_fraction(&sum, &surplus, text + at, point ? bytes - at : 0, scale);
    at += fraction;
    if (at != bytes || whole + fraction == 0)
        return DECIMAL_MALFORMED;
    if (surplus)
        return DECIMAL_SURPLUS;
    if (sum.overflow || (!minus && sum.negative == INT64_MIN))
        return DECIMAL_OVERFLOW;
    *out = minus ? sum.negative : -sum.negative;
    return DECIMAL_OK;
}

size_t decimal_print(int64_t value, unsigned scale, char out[DECIMAL_TEXT_BYTES_MAX])
{
    ASSERT(scale <= DECIMAL_SCALE_MAX);
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    while (scale > 0 && rest % 10 == 0) {
        rest /= 10;
        scale--;
    }
    char reversed[DECIMAL_TEXT_BYTES_MAX];
    size_t n = 0;
    for (unsigned digits = 0; rest > 0 || digits <= scale; digits++, rest /= 10) {
        if (digits == scale && scale > 0)
            reversed[n++] = '.';
        reversed[n++] = (char)('0' + rest % 10);
    }
    if (value < 0)
        reversed[n++] = '-';
    ASSERT(n < DECIMAL_TEXT_BYTES_MAX);
    for (size_t i = 0; i < n; i++)
        out[i] = reversed[n - 1 - i];
    out[n] = '\0';
    return n;
}
