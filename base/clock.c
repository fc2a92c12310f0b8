#include "base/clock.h"

#include <time.h>

#include "base/assert.h"

static uint64_t clock_read_ns(clockid_t id)
{
    struct timespec ts;
    ASSERT(clock_gettime(id, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t clock_system_monotone_ns(void *context)
{
    (void)context;
    return clock_read_ns(CLOCK_MONOTONIC);
}

static uint64_t clock_system_wall_ns(void *context)
{
    (void)context;
    return clock_read_ns(CLOCK_REALTIME);
}

const struct clock clock_system = {
    .monotone_ns = clock_system_monotone_ns,
    .wall_ns = clock_system_wall_ns,
};
