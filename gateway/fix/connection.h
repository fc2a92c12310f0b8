// Connection: one TCP connection of a FIX peer: bytes in a bounded buffer until they make a
// message, bytes out in a bounded buffer until the peer takes them. A peer that does not read is
// cut when fix.output_bytes_max are waiting; one that sends more than a message of
// fix.message_bytes_max, or garbage again and again, is cut at once. Half a message and then
// silence costs a buffer and, after logon, ends by heartbeat; before logon it ends by
// fix.logon_timeout_ms.
//
// What a message means is the owner's business. Threads: the loop's thread. The connection frees
// itself when it is closed; `closed` is its last word.
#ifndef LONJA_GATEWAY_FIX_CONNECTION_H
#define LONJA_GATEWAY_FIX_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "gateway/common/loop.h"

struct connection;

struct connection_limits {
    size_t message_bytes_max;
    size_t output_bytes_max;
};

struct connection_owner {
    // A whole message. May call connection_send, _hold and _finish, not _close.
    void (*message)(void *context, const char *bytes, size_t count);
    // The socket is closed; the connection is gone after this.
    void (*closed)(void *context);
};

// Takes over the descriptor (closed on failure: NULL).
CHECKED struct connection *connection_open(struct loop *loop, int fd,
                                           const struct connection_limits *limits,
                                           const struct connection_owner *owner, void *context);
// Appends to what goes out. Nothing is written before connection_flush.
void connection_send(struct connection *connection, const char *bytes, size_t count);
// Writes what the socket takes; then closes, if that was the wish and all is out. The connection
// may be gone afterwards.
void connection_flush(struct connection *connection);
// Stops looking at input (true), or goes on with what has come meanwhile (false).
void connection_hold(struct connection *connection, bool held);
// Looks again at buffered input after a hold was lifted. The connection may be gone afterwards.
void connection_resume(struct connection *connection);
// No input any more; closes when all output is out (or the peer does not take it for a second).
void connection_finish(struct connection *connection, const char *reason);
// Closes now.
void connection_close(struct connection *connection, const char *reason);
size_t connection_output_bytes(const struct connection *connection);
const char *connection_peer(const struct connection *connection); // address, for the log
bool connection_is_finishing(const struct connection *connection, uint64_t *since_ns);

#endif
