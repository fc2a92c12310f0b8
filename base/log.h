// Log: one line per call to standard error, in one write(2), without allocation:
//   2026-11-20T11:12:13.123456Z core info epoch begins epoch=7 sequence=4711
// Text first, then key=value. Control characters become '?': a line is always one line. No secrets
// and no personal data (people are account ids). Any thread; log_open once at start, before other
// threads.
#ifndef LONJA_BASE_LOG_H
#define LONJA_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
enum { LOG_LINE_BYTES_MAX = 1024 }; // longer lines are cut

// Names the process; the text must live as long as it. LOG_DEBUG lines are dropped unless the
// environment has LONJA_LOG_DEBUG.
void log_open(const char *process);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)

// One per place in the code: how often it was asked to log.
struct log_limit {
    _Atomic uint64_t next_ns;
    _Atomic uint64_t suppressed;
};
// For what a peer can provoke: at most one line a second from this place, with suppressed=N.
#define log_limited(level, ...)                                                                    \
    do {                                                                                           \
        static struct log_limit log_limit_here;                                                    \
        log_line_limited(&log_limit_here, level, __VA_ARGS__);                                     \
    } while (0)
void log_line_limited(struct log_limit *limit, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
