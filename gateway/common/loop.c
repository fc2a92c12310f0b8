#include "gateway/common/loop.h"

#include <stdlib.h>

// libev's own header is not clean under our warnings.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <ev.h>
#pragma GCC diagnostic pop

#include "base/reader_page.h"

struct loop {
    struct ev_loop *ev;
    ev_prepare prepare;
    ev_check check;
    ev_idle idle; // active only while there is work: it turns the wait into a poll
    ev_timer nap; // ends one
    bool naps;    // the next sleep is one
    loop_before_fn *before;
    loop_fn *after;
    void *sleep_context;
};

struct loop_watch {
    ev_io io;
    struct loop *loop;
    loop_ready_fn *ready;
    void *context;
};

struct loop_timer { // a timer or a signal: something that fires
    union {
        ev_timer timer;
        ev_signal signal;
    } ev;
    bool is_signal;
    struct loop *loop;
    loop_fn *fire;
    void *context;
};

struct loop *loop_create(void)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return NULL;
    loop->ev = ev_default_loop(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop->ev == NULL) {
        free(loop);
        return NULL;
    }
    return loop;
}

void loop_destroy(struct loop *loop)
{
    if (loop == NULL)
        return;
    ev_loop_destroy(loop->ev);
    free(loop);
}

void loop_run(struct loop *loop)
{
    ev_run(loop->ev, 0);
}

void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

void *loop_native(struct loop *loop)
{
    return loop->ev;
}

// ---- descriptors -----------------------------------------------------------------------------

static int ev_events(unsigned readiness)
{
    return (readiness & LOOP_READ ? EV_READ : 0) | (readiness & LOOP_WRITE ? EV_WRITE : 0);
}

static void on_io(struct ev_loop *ev, ev_io *io, int events)
{
    (void)ev;
    struct loop_watch *watch = io->data;
    unsigned readiness =
        (events & EV_READ ? LOOP_READ : 0u) | (events & EV_WRITE ? LOOP_WRITE : 0u);
    watch->ready(watch->context, readiness);
}

struct loop_watch *loop_watch(struct loop *loop, int fd, unsigned readiness, loop_ready_fn *ready,
                              void *context)
{
    struct loop_watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return NULL;
    watch->loop = loop;
    watch->ready = ready;
    watch->context = context;
    ev_io_init(&watch->io, on_io, fd, ev_events(readiness));
    watch->io.data = watch;
    ev_io_start(loop->ev, &watch->io);
    return watch;
}

void loop_watch_change(struct loop_watch *watch, int fd, unsigned readiness)
{
    ev_io_stop(watch->loop->ev, &watch->io);
    ev_io_set(&watch->io, fd, ev_events(readiness));
    if (readiness != 0)
        ev_io_start(watch->loop->ev, &watch->io);
}

void loop_unwatch(struct loop_watch *watch)
{
    if (watch == NULL)
        return;
    ev_io_stop(watch->loop->ev, &watch->io);
    free(watch);
}

// ---- timers and signals ----------------------------------------------------------------------

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)events;
    struct loop_timer *self = timer->data;
    self->fire(self->context);
}

static void on_signal(struct ev_loop *ev, ev_signal *signal, int events)
{
    (void)ev;
    (void)events;
    struct loop_timer *self = signal->data;
    self->fire(self->context);
}

static struct loop_timer *timer_new(struct loop *loop, loop_fn *fire, void *context)
{
    struct loop_timer *timer = calloc(1, sizeof *timer);
    if (timer == NULL)
        return NULL;
    timer->loop = loop;
    timer->fire = fire;
    timer->context = context;
    return timer;
}

struct loop_timer *loop_every(struct loop *loop, unsigned period_ms, loop_fn *fire, void *context)
{
    struct loop_timer *timer = timer_new(loop, fire, context);
    if (timer == NULL)
        return NULL;
    double seconds = period_ms / 1000.0; // libev's unit; no money passes here
    ev_timer_init(&timer->ev.timer, on_timer, seconds, seconds);
    timer->ev.timer.data = timer;
    ev_timer_start(loop->ev, &timer->ev.timer);
    return timer;
}

struct loop_timer *loop_on_signal(struct loop *loop, int signal_number, loop_fn *fire,
                                  void *context)
{
    struct loop_timer *timer = timer_new(loop, fire, context);
    if (timer == NULL)
        return NULL;
    timer->is_signal = true;
    ev_signal_init(&timer->ev.signal, on_signal, signal_number);
    timer->ev.signal.data = timer;
    ev_signal_start(loop->ev, &timer->ev.signal);
    return timer;
}

void loop_timer_stop(struct loop_timer *timer)
{
    if (timer == NULL)
        return;
    if (timer->is_signal)
        ev_signal_stop(timer->loop->ev, &timer->ev.signal);
    else
        ev_timer_stop(timer->loop->ev, &timer->ev.timer);
    free(timer);
}

// ---- sleep -----------------------------------------------------------------------------------

static void on_idle(struct ev_loop *ev, ev_idle *idle, int events)
{
    (void)events;
    ev_idle_stop(ev, idle);
}

static void on_nap_over(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev;
    (void)timer;
    (void)events; // being awake is enough
}

static void nap_begin(struct loop *loop)
{
    loop->naps = false;
    ev_timer_stop(loop->ev, &loop->nap);
    ev_timer_set(&loop->nap, READER_NAP_MS / 1000.0, 0.);
    ev_timer_start(loop->ev, &loop->nap);
}

static void on_prepare(struct ev_loop *ev, ev_prepare *prepare, int events)
{
    (void)events;
    struct loop *loop = prepare->data;
    if (loop->naps)
        nap_begin(loop);
    else if (!loop->before(loop->sleep_context))
        ev_idle_start(ev, &loop->idle);
}

static void on_check(struct ev_loop *ev, ev_check *check, int events)
{
    (void)ev;
    (void)events;
    struct loop *loop = check->data;
    loop->after(loop->sleep_context);
}

void loop_nap(struct loop *loop)
{
    loop->naps = true;
}

void loop_around_sleep(struct loop *loop, loop_before_fn *before, loop_fn *after, void *context)
{
    ASSERT(loop->before == NULL);
    loop->before = before;
    loop->after = after;
    loop->sleep_context = context;
    ev_prepare_init(&loop->prepare, on_prepare);
    ev_check_init(&loop->check, on_check);
    ev_idle_init(&loop->idle, on_idle);
    ev_timer_init(&loop->nap, on_nap_over, 0., 0.);
    loop->prepare.data = loop;
    loop->check.data = loop;
    ev_set_priority(&loop->check, EV_MAXPRI); // events first: answers before new questions
    ev_prepare_start(loop->ev, &loop->prepare);
    ev_check_start(loop->ev, &loop->check);
}
