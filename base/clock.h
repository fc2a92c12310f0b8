// Clock: a table of two functions, so that a simulator can own time. Nanoseconds everywhere.
// The engine never sees a clock: the core stamps commands with it.
#ifndef LONJA_BASE_CLOCK_H
#define LONJA_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*monotone_ns)(void *context); // never goes back; for timeouts and heartbeats
    uint64_t (*wall_ns)(void *context);     // since 1970, UTC; may jump
    void *context;
};

extern const struct clock clock_system;

static inline uint64_t clock_monotone_ns(const struct clock *clock)
{
    return clock->monotone_ns(clock->context);
}

static inline uint64_t clock_wall_ns(const struct clock *clock)
{
    return clock->wall_ns(clock->context);
}

#endif
