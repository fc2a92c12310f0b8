#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

// Process-wide by nature: standard error is, too.
static const char *log_process = "lonja";
static bool log_debug_on;

void log_open(const char *process)
{
    ASSERT(process != NULL);
    log_process = process;
    log_debug_on = getenv("LONJA_LOG_DEBUG") != NULL;
}

// Days since 1970 to year, month, day. Not gmtime_r: that reads the time zone and allocates.
static void log_civil_date(int64_t days, int *year, int *month, int *day)
{
    int64_t shifted = days + 719468; // days since 0000-03-01
    int64_t era = shifted / 146097;
    int64_t day_of_era = shifted % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    *day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    *month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static int log_prefix(char *out, size_t size, enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    uint64_t now_us = clock_wall_ns(&clock_system) / 1000;
    uint64_t seconds = now_us / 1000000;
    unsigned in_day = (unsigned)(seconds % 86400);
    int year, month, day;
    log_civil_date((int64_t)(seconds / 86400), &year, &month, &day);
    return snprintf(out, size, "%04d-%02d-%02dT%02u:%02u:%02u.%06uZ %s %s ", year, month, day,
                    in_day / 3600, in_day / 60 % 60, in_day % 60, (unsigned)(now_us % 1000000),
                    log_process, names[level]);
}

void log_line(enum log_level level, const char *format, ...)
{
    ASSERT(level <= LOG_ERROR);
    if (level == LOG_DEBUG && !log_debug_on)
        return;
    char line[LOG_LINE_BYTES_MAX];
    int prefix = log_prefix(line, sizeof line, level);
    ASSERT(prefix > 0 && (size_t)prefix < sizeof line);
    va_list arguments;
    va_start(arguments, format);
    int text = vsnprintf(line + prefix, sizeof line - (size_t)prefix, format, arguments);
    va_end(arguments);
    size_t bytes = (size_t)prefix + (text < 0 ? 0 : (size_t)text);
    if (bytes > sizeof line - 1)
        bytes = sizeof line - 1;
    for (size_t i = (size_t)prefix; i < bytes; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[bytes++] = '\n';
    // A full or closed standard error must not stop the venue.
    ssize_t ignored = write(STDERR_FILENO, line, bytes);
    (void)ignored;
}
