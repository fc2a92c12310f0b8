// Process: a real executable of the venue, started by a benchmark with a boot record of its own, as
// the supervisor would.
#ifndef LONJA_PERF_PROCESS_H
#define LONJA_PERF_PROCESS_H

#include <sys/types.h>

#include "base/boot.h"

// Starts lonja-NAME of this build with that record (its `process` is set); what it logs goes to
// `log_fd`. Asserts.
pid_t process_start(const struct boot *boot, enum process_id process, int log_fd);
// SIGTERM, then waits; asserts that it ended with status 0.
void process_stop(pid_t pid);

#endif
