// Replication port: how what is durable on this host becomes durable on others, as a table of
// functions. lonja-replicate drives it and publishes its progress; what is behind is one of these:
// standbys over TCP and TLS (replica_server.h), a test's, and later perhaps an existing replicated
// log, which would read the journal's blocks with a journal_reader, append them, and say how far
// its quorum is. Nothing else of the venue knows which.
#ifndef LONJA_CORE_REPLICA_PORT_H
#define LONJA_CORE_REPLICA_PORT_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/replica_sender.h"

struct replica_progress {
    uint64_t replicated_seq; // on as many hosts as are required, 0 = not known yet
    uint32_t standbys;       // that follow now
    uint64_t fenced_epoch;   // the epoch with which another host was promoted; 0 = none was
};

enum { REPLICA_PORT_WAITS_MAX = 16 };

struct replica_port {
    // Does what can be done without waiting. Returns whether it did something.
    bool (*work)(void *context, struct replica_progress *progress, const struct replica_now *now);
    // Writes what to wait on, REPLICA_PORT_WAITS_MAX at most; returns how many.
    unsigned (*waits)(void *context, struct pollfd *out);
    void (*close)(void *context);
    void *context;
};

#endif
