#include "gateway/web/instant.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SECOND_NS 1000000000ull

enum { YEAR_MAX = 2261, FRACTION_DIGITS_MAX = 9 };

// What is left to read.
struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *cursor, char c)
{
    if (cursor->at == cursor->end || *cursor->at != c)
        return false;
    cursor->at++;
    return true;
}

static bool digits(struct cursor *cursor, int count, int *out)
{
    *out = 0;
    for (int i = 0; i < count; i++) {
        if (cursor->at == cursor->end || *cursor->at < '0' || *cursor->at > '9')
            return false;
        *out = *out * 10 + (*cursor->at++ - '0');
    }
    return true;
}

static bool date_and_minute(struct cursor *cursor, struct tm *tm)
{
    bool good =
        digits(cursor, 4, &tm->tm_year) && take(cursor, '-') && digits(cursor, 2, &tm->tm_mon) &&
        take(cursor, '-') && digits(cursor, 2, &tm->tm_mday) && take(cursor, 'T') &&
        digits(cursor, 2, &tm->tm_hour) && take(cursor, ':') && digits(cursor, 2, &tm->tm_min);
    return good;
}

static bool fraction(struct cursor *cursor, uint64_t *ns)
{
    int count = 0;
    *ns = 0;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; count++)
        *ns = *ns * 10 + (uint64_t)(*cursor->at++ - '0');
    if (count == 0 || count > FRACTION_DIGITS_MAX)
        return false;
    for (; count < FRACTION_DIGITS_MAX; count++)
        *ns *= 10;
    return true;
}

// A date that exists comes back from the calendar as it was given.
static bool exists(const struct tm *given, time_t *seconds)
{
    struct tm asked = *given, found;
    *seconds = timegm(&asked);
    return given->tm_year + 1900 >= 1970 && given->tm_year + 1900 <= YEAR_MAX &&
           gmtime_r(seconds, &found) != NULL && found.tm_year == given->tm_year &&
           found.tm_mon == given->tm_mon && found.tm_mday == given->tm_mday &&
           found.tm_hour == given->tm_hour && found.tm_min == given->tm_min &&
           found.tm_sec == given->tm_sec;
}

bool instant_parse(const char *text, size_t bytes, uint64_t *out_ns)
{
    struct cursor cursor = {text, text + bytes};
    struct tm tm = {0};
    uint64_t ns = 0;
    time_t seconds;
    if (!date_and_minute(&cursor, &tm))
        return false;
    if (take(&cursor, ':') &&
        (!digits(&cursor, 2, &tm.tm_sec) || (take(&cursor, '.') && !fraction(&cursor, &ns))))
        return false;
    if (!take(&cursor, 'Z') || cursor.at != cursor.end)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    if (!exists(&tm, &seconds))
        return false;
    *out_ns = (uint64_t)seconds * SECOND_NS + ns;
    return true;
}

size_t instant_print(uint64_t ns, char out[INSTANT_TEXT_BYTES_MAX])
{
    time_t seconds = (time_t)(ns / SECOND_NS);
    unsigned long rest = (unsigned long)(ns % SECOND_NS);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t length = strftime(out, INSTANT_TEXT_BYTES_MAX - 11, "%Y-%m-%dT%H:%M:%S", &tm);
    ASSERT(length > 0);
    if (rest != 0) {
        length += (size_t)snprintf(out + length, INSTANT_TEXT_BYTES_MAX - length, ".%09lu", rest);
        while (out[length - 1] == '0')
            length--;
    }
    out[length++] = 'Z';
    out[length] = '\0';
    return length;
}
