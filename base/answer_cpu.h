// The CPU that all share for whom a member waits when he waits for his answer: the core's thread,
// the journal's, and the loops of the FIX and WebSocket gateways. Each of them sleeps while the
// next one works, so one CPU does for them; and to wake a thread of another CPU takes several times
// as long (an interrupt from CPU to CPU, which a virtual machine leaves for) as to go over to one
// of the same.
//
// Only where the core blocks (core.wait = 2) and has no CPU of its own (core.cpu = -1): whoever
// spins shares with nobody.
#ifndef LONJA_BASE_ANSWER_CPU_H
#define LONJA_BASE_ANSWER_CPU_H

#include <pthread.h>

#include "base/config.h"

enum {
    ANSWER_CPU_AUTOMATIC = -1,
    ANSWER_CPU_NONE = -2,
    ANSWER_CPUS_MAX =
        4, // automatic up to so many: a larger machine runs more at once than one CPU can take
};

// By `configured` (venue.answer_cpu) of a process that may run on `count` CPUs, the last of which
// is `last`; -1 = threads run where the system puts them.
int answer_cpu_choose(long long configured, int count, int last);
// Keeps the thread there from now on; threads that it has started before are left alone. Best
// effort: the log says what was refused. `name` is for the log.
void answer_cpu_keep(pthread_t thread, const struct config *config, const char *name);
// Keeps the calling thread, and those that it starts, off that CPU: for a process that works
// whenever those there do, and for which nobody waits.
void answer_cpu_leave(const struct config *config);

#endif
