// Gateway: the FIX gateway as one agent on one event loop: listener, connections, logons, sessions,
// the link to the core, the follower of its events.
//
//   each turn of the loop:  events of the core -> reports; resends; stores written; sockets
//   written; sleep a connection:           accepted -> its Logon is read -> credentials checked ->
//   bound to its session
//
// The listener opens when the core has answered the first attach: then the view is as far as the
// venue, and what a gateway before this one left is told. Postgres may be down: logons are refused
// with a text, sessions that are on go on. SIGTERM: Logout to all, stores closed cleanly.
//
// Threads: one (and the workers of credentials.h and checkpoint.h). gateway_run returns the exit
// status.
#ifndef LONJA_GATEWAY_FIX_GATEWAY_H
#define LONJA_GATEWAY_FIX_GATEWAY_H

#include "base/boot.h"

int gateway_run(const struct boot *boot);

#endif
