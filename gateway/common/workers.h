// Workers: a small pool of threads for what would block an event loop (password hashing). Jobs wait
// in a bounded queue; each runs once in some thread and is then finished in the loop's thread.
//
// Threads: everything but `run` happens in the loop's thread. Ownership: the context is the
// caller's; it must live until `finish` has been called. Failure: workers_submit returns false when
// the queue is full.
#ifndef LONJA_GATEWAY_COMMON_WORKERS_H
#define LONJA_GATEWAY_COMMON_WORKERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"
#include "gateway/common/loop.h"

struct workers;

typedef void workers_fn(void *context);

CHECKED struct workers *workers_open(struct loop *loop, unsigned threads, size_t queue_max);
CHECKED bool workers_submit(struct workers *workers, workers_fn *run, workers_fn *finish,
                            void *context);
// Waits for the jobs that run; those that wait are finished without having been run.
void workers_close(struct workers *workers);

#endif
