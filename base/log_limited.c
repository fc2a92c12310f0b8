// Of its own, so that whoever takes the place of log_line (tests/sim) has these lines, too.
#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

// True if the place may log now (once a second); *suppressed = how many lines were dropped since
// the last.
static bool log_limit_pass(struct log_limit *limit, uint64_t *suppressed)
{
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    uint64_t next_ns = atomic_load_explicit(&limit->next_ns, memory_order_relaxed);
    // Relaxed: only the counters themselves are shared; a lost race is one line more or less.
    if (now_ns < next_ns ||
        !atomic_compare_exchange_strong_explicit(&limit->next_ns, &next_ns, now_ns + 1000000000u,
                                                 memory_order_relaxed, memory_order_relaxed)) {
        atomic_fetch_add_explicit(&limit->suppressed, 1, memory_order_relaxed);
        return false;
    }
    *suppressed = atomic_exchange_explicit(&limit->suppressed, 0, memory_order_relaxed);
    return true;
}

void log_line_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
{
    char text[LOG_LINE_BYTES_MAX];
    uint64_t suppressed;
    if (!log_limit_pass(limit, &suppressed))
        return;
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    ASSERT(n >= 0);
    log_line(level, "%s suppressed=%llu", text, (unsigned long long)suppressed);
}
