// Server: the replication port (replica_port.h) of a primary whose standbys come over TCP and TLS.
// One standby per address: a new connection takes the place of an older one. It also calls
// replication.peer_address now and then, so that of two primaries the older one learns of it.
//
// What strangers can do: occupy the few places of those who have not said HELLO until the next
// stranger comes or replication.timeout_ms is over; make one line a second in the log.
#ifndef LONJA_CORE_REPLICA_SERVER_H
#define LONJA_CORE_REPLICA_SERVER_H

#include "base/config.h"
#include "core/replica_port.h"

// Listens. Returns 0, or -EINVAL (certificates; logged) or -errno. port->close frees all.
CHECKED int replica_server_open(struct replica_port *port, const struct config *config);

#endif
