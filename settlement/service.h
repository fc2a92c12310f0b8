// The chain's service (U31): REST on settle.address and settle.port, internal, for callers with a
// bearer token (callers.h). A request becomes a typed row of chain.chain_request, which the worker
// carries out, or a deployment (asset_deploy.h); how far it is, is read back. docs/assets.md is its
// manual.
//
// It runs beside the settlement worker, in the same process, and never holds it up: a thread of its
// own owns the loop and HTTP; one more, the pool's, does what may block (its own connection to
// Postgres, its own line to the node), one request after the other, and in between carries
// deployments on. The two share nothing with the worker but the database.
//
// A port that is taken is said in the log and tried again every few seconds: settlement goes on.
#ifndef LONJA_SETTLEMENT_SERVICE_H
#define LONJA_SETTLEMENT_SERVICE_H

#include "base/assert.h"
#include "base/config.h"

struct service;

// Starts both threads; signals stay with the caller's thread. `config` must outlive the service.
// NULL: the system gives no thread or descriptor; the reason is logged.
CHECKED struct service *service_open(const struct config *config);
// Ends requests that run, joins, frees. NULL is allowed.
void service_close(struct service *service);

#endif
