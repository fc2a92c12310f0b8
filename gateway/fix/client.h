// Clients: the peers that are connected, from accept to their session and out again.
//
// A peer's first message must be a Logon to us; while its credentials are checked nothing else of
// it is read. One connection per session: a second one is closed without a word (the numbers belong
// to the first). Who is refused is told so by Logout, if the session is known with one of its
// numbers, else with number 1.
//
// Threads: the loop's thread.
#ifndef LONJA_GATEWAY_FIX_CLIENT_H
#define LONJA_GATEWAY_FIX_CLIENT_H

#include <stddef.h>

#include "base/boot.h"
#include "gateway/common/loop.h"
#include "gateway/fix/connection.h"
#include "gateway/fix/credentials.h"
#include "gateway/fix/desk.h"

struct client;

struct clients {
    struct loop *loop;
    const struct config *config;
    struct connection_limits limits;
    struct desk *desk;
    struct credentials *credentials;
    struct client *first; // newest first
    size_t count;
    bool closing; // no Logon is taken any more
};

void clients_init(struct clients *clients, struct loop *loop, const struct config *config,
                  struct desk *desk, struct credentials *credentials);
void clients_close(struct clients *clients); // all of them, now
// A new socket; closed at once if there are fix.connections_max already.
void clients_accept(struct clients *clients, int fd);
// Goes on with resends and with sessions that waited; false if there is more to do now. A resend
// pauses while half of fix.output_bytes_max waits for the socket: the other half is for what is
// new.
bool clients_work(struct clients *clients);
// Writes what is to be written.
void clients_flush(struct clients *clients);
// Once a second: logon timeouts, connections that do not finish.
void clients_tick(struct clients *clients);
// Logout to all that are logged on; the others are closed.
void clients_expel(struct clients *clients, const char *reason);

#endif
