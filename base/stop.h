// SIGTERM and SIGINT for a process that waits in poll and asks Postgres, which may not answer: once
// asked to stop it has two seconds, then it ends with status 0. Nothing is lost by that: what was
// not committed is done again by its successor. One thread, the one that calls stop_open.
#ifndef LONJA_BASE_STOP_H
#define LONJA_BASE_STOP_H

#include <stdbool.h>

// The descriptor that becomes readable at the signal, for the life of the process. Threads made
// before the call with both signals blocked never take them: the caller's unblocks them.
int stop_open(void);
bool stop_asked(void);

#endif
