// Stream: one connection that carries bytes both ways, as a table of functions, so that who speaks
// over it does not know whether it is TLS over TCP (replica_tls.h), a test's memory with faults, or
// what may come later. No function waits.
#ifndef LONJA_CORE_REPLICA_STREAM_H
#define LONJA_CORE_REPLICA_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "core/replica_frame.h"

struct replica_stream {
    // Bytes taken, 0 = none now, negative = it is over: -errno (-ECONNRESET, -EPROTO: no TLS of
    // ours, -EACCES: no certificate of ours).
    int64_t (*read)(void *context, void *out, size_t bytes);
    int64_t (*write)(void *context, const void *data, size_t bytes);
    void (*close)(void *context);
    void *context;
    int fd;             // to wait on, -1 = none
    short wants_events; // beside POLLIN: what the last call could not go on without
};

// Fills `in`, empties `out`, as far as it goes without waiting. Returns 1 if something moved, 0 if
// not, negative as above.
CHECKED int replica_stream_move(struct replica_stream *stream, struct replica_buffer *in,
                                struct replica_buffer *out);

#endif
