// The settlement process around the agent: connection, node, signer, and one loop that waits for a
// notification of Postgres, an answer of the core or the agent's deadline; beside it the chain's
// service (service.h). Given the door to the core from outside, so that the integration test runs
// the very same process without a core.
#ifndef LONJA_SETTLEMENT_SETTLE_PROCESS_H
#define LONJA_SETTLEMENT_SETTLE_PROCESS_H

#include "base/config.h"
#include "base/reader_page.h"
#include "settlement/settle_core.h"

struct settle_process_core {
    struct settle_core_ops ops;
    int fd;                       // readable: poll again; -1 = none
    void (*drain)(void *context); // of fd
    void *context;
    struct reader_page *page; // for `lonja status`; NULL = none
};

// Runs until SIGTERM or SIGINT. Returns the exit status: 0, or 2 when the configuration cannot be
// used.
int settle_process_run(const struct config *config, const struct settle_process_core *core);

#endif
