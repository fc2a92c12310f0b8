// Real-time priority (SCHED_FIFO) for the threads that somebody's answer waits for, where the
// system allows it; where it does not, the log says what to expect.
#ifndef LONJA_CORE_REALTIME_H
#define LONJA_CORE_REALTIME_H

#include <pthread.h>

// `priority` 0 = stays ordinary. `name` is for the log.
void realtime_set(pthread_t thread, int priority, const char *name);

#endif
