// Tool: a process's executable run by hand with the words of a command line (`lonja record
// rebuild`). It gets a boot record as from `lonja up`, but with a ring in which no core ever
// writes.
#ifndef LONJA_SUPERVISOR_TOOL_H
#define LONJA_SUPERVISOR_TOOL_H

#include "base/boot.h"

// Makes the boot record of `process` and names it in the environment, for an exec of this process.
// Returns 0 or -errno.
CHECKED int tool_boot(const struct config *config, enum process_id process);

#endif
