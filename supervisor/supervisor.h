// Supervisor: `lonja up`. Makes the shared memory, starts the processes in order, restarts what dies, shows
// what happens, and stops everything in reverse order on SIGTERM, SIGINT or SIGHUP (asked again after a second, it kills).
// One thread, one loop: it waits for a signal at most 100 ms, buries the dead, starts what is due, and once
// a second writes the status.
//
// If it is killed itself, the kernel kills its children with it; the next start recovers from the journal.
#ifndef LONJA_SUPERVISOR_SUPERVISOR_H
#define LONJA_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>

#include "base/boot.h"

struct supervisor_options {
    const char *config_path;         // absolute
    const char *bin_folder;          // where the lonja-NAME executables are
    bool wanted[PROCESS_COUNT];
    bool required[PROCESS_COUNT];    // named by --only: an executable that is missing is a fault
    bool not_durable;                // journal.durable = 0 is meant so
    bool quiet;                      // of the children's log lines show warnings and errors only
};

// Runs until it is asked to stop. Returns the exit status: 0 clean stop, 1 stopped but a process had failed
// for good or had to be killed, 2 configuration, state folder or memory refused.
CHECKED int supervisor_run(const struct supervisor_options *options, const struct config *config);

#endif
