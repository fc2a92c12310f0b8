// Ops: tells operators what the venue does, over Redis pub/sub (docs/redis.md) and a Prometheus
// page.
//
// It follows the durable events like every other process and hears settlement steps from Postgres
// (LISTEN settlement). It decides nothing and nobody waits for it: Redis, Postgres and a scraper
// may be absent, slow or frozen. It begins at the venue's present: history is not announced again.
#ifndef LONJA_GATEWAY_OPS_OPS_H
#define LONJA_GATEWAY_OPS_OPS_H

#include "base/boot.h"

// Runs until SIGTERM; returns the exit status.
int ops_run(const struct boot *boot);

#endif
