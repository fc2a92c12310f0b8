// Machine: where a benchmark's threads run, and what else runs beside them.
//
// An idle virtual CPU takes some 40 us to wake, which is more than most of what is measured here;
// so figures are taken idle and again with a hog on every CPU: a spinning process under SCHED_IDLE,
// which gives way to everybody at once and only keeps the CPU awake.
#ifndef LONJA_PERF_MACHINE_H
#define LONJA_PERF_MACHINE_H

#include <stdbool.h>

#include "base/assert.h"

int machine_cpus(void);
// Pins the calling thread; asserts.
void machine_pin(int cpu);
// SCHED_FIFO for the calling thread; 0 = ordinary. False where it is not allowed.
bool machine_realtime(int priority);

// One hog per CPU, until machine_hogs_stop. They end with the process that started them.
void machine_hogs_start(void);
void machine_hogs_stop(void);

// "idle" or "hog", as workloads are named.
const char *machine_state(void);

#endif
