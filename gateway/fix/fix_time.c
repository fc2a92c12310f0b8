#include "gateway/fix/fix_time.h"

#include <stdio.h>
#include <time.h>

#define SECOND_NS 1000000000ull
#define DAY_NS    (24 * 3600 * SECOND_NS)

enum { DATE_BYTES = 8, SECONDS_BYTES = 17, FRACTION_DIGITS_MAX = 9, YEAR_MAX = 2261 };

void fix_time(char out[FIX_TIME_BYTES], uint64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / SECOND_NS);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    size_t length = strftime(out, FIX_TIME_BYTES, "%Y%m%d-%H:%M:%S", &utc);
    snprintf(out + length, FIX_TIME_BYTES - length, ".%03u", (unsigned)(wall_ns / 1000000 % 1000));
}

static bool digits(const char *text, size_t count, int *out)
{
    *out = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *out = *out * 10 + (text[i] - '0');
    }
    return true;
}

static bool day_begin(const char *text, uint64_t *out_ns)
{
    int year = 0, month = 0, day = 0;
    if (!digits(text, 4, &year) || !digits(text + 4, 2, &month) || !digits(text + 6, 2, &day) ||
        year < 1970 || year > YEAR_MAX)
        return false;
    struct tm utc = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    time_t seconds = timegm(&utc);
    if (utc.tm_mon != month - 1 || utc.tm_mday != day) // it made another day of it
        return false;
    *out_ns = (uint64_t)seconds * SECOND_NS;
    return true;
}

static bool fraction(const char *text, size_t bytes, uint64_t *out_ns)
{
    int value = 0;
    if (bytes < 2 || bytes > 1 + FRACTION_DIGITS_MAX || text[0] != '.' ||
        !digits(text + 1, bytes - 1, &value))
        return false;
    *out_ns = (uint64_t)value;
    for (size_t i = bytes - 1; i < FRACTION_DIGITS_MAX; i++)
        *out_ns *= 10;
    return true;
}

bool fix_time_read(const char *text, size_t bytes, uint64_t *out_ns)
{
    int hour = 0, minute = 0, second = 0;
    uint64_t day = 0, rest = 0;
    if (bytes < SECONDS_BYTES || !day_begin(text, &day) || text[8] != '-' || text[11] != ':' ||
        text[14] != ':' || !digits(text + 9, 2, &hour) || !digits(text + 12, 2, &minute) ||
        !digits(text + 15, 2, &second) || hour > 23 || minute > 59 || second > 60)
        return false;
    if (bytes > SECONDS_BYTES && !fraction(text + SECONDS_BYTES, bytes - SECONDS_BYTES, &rest))
        return false;
    uint64_t seconds = (uint64_t)hour * 3600 + (uint64_t)minute * 60 + (uint64_t)second;
    *out_ns = day + seconds * SECOND_NS + rest;
    return true;
}

bool fix_date_read(const char *text, size_t bytes, uint64_t *out_end_ns)
{
    if (bytes != DATE_BYTES || !day_begin(text, out_end_ns))
        return false;
    *out_end_ns += DAY_NS;
    return true;
}
