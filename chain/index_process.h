/* The indexer's process around the agent: connections, subscription, and one loop that waits for a
 * block, an answer of the core or the agent's deadline. */
#ifndef LONJA_CHAIN_INDEX_PROCESS_H
#define LONJA_CHAIN_INDEX_PROCESS_H

#include "base/boot.h"
#include "chain/index_core.h"

/* Runs until SIGTERM or SIGINT. Returns the exit status: 0, or 2 when the configuration cannot be
 * used. `core_fd` is readable when the core may have answered, and drained by `drain`. */
int index_process_run(const struct boot *boot, const struct index_core_ops *core, int core_fd,
                      void (*drain)(void *context), void *context);

#endif
