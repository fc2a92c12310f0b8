#include "gateway/common/pg_watch.h"

#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"

enum { TICK_MS = 50 };

struct pg_watch {
    struct loop *loop;
    struct pg_async *pg;
    struct loop_watch *watch;
    struct loop_timer *timer;
    uint32_t generation;
    unsigned readiness;
};

static void on_ready(void *context, unsigned readiness)
{
    (void)readiness;
    pg_watch_kick(context);
}

static unsigned wanted(const struct pg_watch *watch)
{
    short events = pg_async_events(watch->pg);
    return ((events & POLLIN) ? LOOP_READ : 0u) | ((events & POLLOUT) ? LOOP_WRITE : 0u);
}

// A new generation means that the old descriptor is closed and its number may belong to somebody else.
static void rewatch(struct pg_watch *watch)
{
    int fd = pg_async_fd(watch->pg);
    bool renewed = pg_async_generation(watch->pg) != watch->generation;
    if (watch->watch != NULL && (renewed || fd < 0)) {
        loop_unwatch(watch->watch);
        watch->watch = NULL;
    }
    watch->generation = pg_async_generation(watch->pg);
    if (fd < 0)
        return;
    unsigned readiness = wanted(watch);
    if (watch->watch == NULL) {
        watch->watch = loop_watch(watch->loop, fd, readiness, on_ready, watch);
        ASSERT(watch->watch != NULL);
    } else if (readiness != watch->readiness) {
        loop_watch_change(watch->watch, fd, readiness);
    }
    watch->readiness = readiness;
}

void pg_watch_kick(struct pg_watch *watch)
{
    pg_async_work(watch->pg, clock_monotone_ns(&clock_system));
    rewatch(watch);
}

static void on_tick(void *context)
{
    struct pg_watch *watch = context;
    if (clock_monotone_ns(&clock_system) >= pg_async_deadline_ns(watch->pg) ||
        pg_async_generation(watch->pg) != watch->generation || wanted(watch) != watch->readiness)
        pg_watch_kick(watch);
}

struct pg_watch *pg_watch_open(struct loop *loop, struct pg_async *pg)
{
    struct pg_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    watch->loop = loop;
    watch->pg = pg;
    watch->timer = loop_every(loop, TICK_MS, on_tick, watch);
    ASSERT(watch->timer != NULL);
    pg_watch_kick(watch);
    return watch;
}

void pg_watch_close(struct pg_watch *watch)
{
    loop_timer_stop(watch->timer);
    if (watch->watch != NULL)
        loop_unwatch(watch->watch);
    free(watch);
}
