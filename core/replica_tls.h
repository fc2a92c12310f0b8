// TLS: streams of the replication port over TCP. Both sides show a certificate; who has none that
// the replication's own authority signed, or bears another name than the one asked for, is nobody.
// TLS 1.3 only. The one file that knows OpenSSL here.
//
// Threads: one. Connections do not wait: the handshake goes on in read and write.
#ifndef LONJA_CORE_REPLICA_TLS_H
#define LONJA_CORE_REPLICA_TLS_H

#include "base/config.h"
#include "core/replica_stream.h"

struct replica_tls; // certificates, and the port if it listens

// Reads certificate, key and authority of `config`. Returns 0, or -EINVAL with the reason logged.
CHECKED int replica_tls_open(struct replica_tls **tls, const struct config *config);
void replica_tls_close(struct replica_tls *tls);

// Listens on replication.address and .port. Returns 0 or -errno.
CHECKED int replica_tls_listen(struct replica_tls *tls);
int replica_tls_listen_fd(const struct replica_tls *tls);
// A connection that came, or -EAGAIN; `peer` is its address, for logs.
CHECKED int replica_tls_accept(struct replica_tls *tls, struct replica_stream *stream,
                               char peer[64]);
// Begins a connection to replication.peer_address. Returns 0 or -errno; that nobody is there comes
// from read or write. An address that is a name is looked up, and that waits.
CHECKED int replica_tls_connect(struct replica_tls *tls, struct replica_stream *stream);

#endif
