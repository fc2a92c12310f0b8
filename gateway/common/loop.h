// Loop: the one event loop of a gateway thread, over libev (libwebsockets runs on the same one,
// http.h).
//
// Threads: the loop and everything on it belong to one thread. Other threads reach it by writing to
// an eventfd that it watches. Memory: watches and timers live until they are taken off or the loop
// ends. Failure: creation returns NULL when the system gives no more descriptors or memory.
#ifndef LONJA_GATEWAY_COMMON_LOOP_H
#define LONJA_GATEWAY_COMMON_LOOP_H

#include <stdbool.h>

#include "base/assert.h"

struct loop;
struct loop_watch;
struct loop_timer;

enum loop_readiness { LOOP_READ = 1, LOOP_WRITE = 2 };

CHECKED struct loop *loop_create(void);
void loop_destroy(struct loop *loop);
// Runs until loop_stop.
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

// Calls back while the descriptor is ready; `readiness` is a set of enum loop_readiness. Reading
// and writing are the callback's business; the descriptor stays the caller's.
typedef void loop_ready_fn(void *context, unsigned readiness);
CHECKED struct loop_watch *loop_watch(struct loop *loop, int fd, unsigned readiness,
                                      loop_ready_fn *ready, void *context);
void loop_watch_change(struct loop_watch *watch, int fd, unsigned readiness);
void loop_unwatch(struct loop_watch *watch);

typedef void loop_fn(void *context);
// Calls every period_ms, first after one period.
CHECKED struct loop_timer *loop_every(struct loop *loop, unsigned period_ms, loop_fn *fire,
                                      void *context);
void loop_timer_stop(struct loop_timer *timer);
// Calls when the process gets the signal; in the loop's thread, never in a signal handler.
CHECKED struct loop_timer *loop_on_signal(struct loop *loop, int signal_number, loop_fn *fire,
                                          void *context);

// The sleep protocol of the event ring: `before` is called each time the loop is about to block,
// and answers false if there is work: then the loop only polls. `after` is called when it is awake.
typedef bool loop_before_fn(void *context);
void loop_around_sleep(struct loop *loop, loop_before_fn *before, loop_fn *after, void *context);

// For a loop whose events nobody waits for, called when the ring has rung: the next sleep lasts a millisecond at most and
// asks nobody to be woken, so that what comes meanwhile is found together.
void loop_nap(struct loop *loop);

// The libev loop, for http.c only.
void *loop_native(struct loop *loop);

#endif
