// Bench standby: lonja-replicate beside a bench core, and a lonja-standby that follows it over
// loopback into a folder of its own on the same disk. Both are the real executables; there is no
// tape beside the standby.
#ifndef LONJA_PERF_BENCH_STANDBY_H
#define LONJA_PERF_BENCH_STANDBY_H

#include <sys/types.h>

#include "base/boot.h"

struct bench_standby {
    struct boot boot; // of the standby's host
    pid_t replicate, standby;
};

// Before the core opens its gate: makes certificates in `folder`, and in *boot what the core needs:
// synchronous replication, and the page of lonja-replicate. The core's journal is in
// folder/primary/journal.
void bench_standby_prepare(struct boot *boot, const char *folder);
// Starts both.
void bench_standby_start(struct bench_standby *standby, const struct boot *boot,
                         const char *folder);
void bench_standby_stop(struct bench_standby *standby);

#endif
