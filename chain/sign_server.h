/* The signer's socket: SOCK_SEQPACKET on a path, peers checked by user id, one request at a time.
 *
 * The path's mode is 0600 when only our own user id may call; when another one may (a venue with a
 * user id per process) it is 0666, and the peer's credentials, which the kernel vouches for,
 * decide. A connection that asks more often than the rate is refused what is above it; when all
 * places are taken, the one that has been silent for longest makes room. One thread; the loop ends
 * at SIGTERM or SIGINT, SIGHUP reads the policy again.
 */
#ifndef LONJA_CHAIN_SIGN_SERVER_H
#define LONJA_CHAIN_SIGN_SERVER_H

#include "chain/sign_service.h"

#include <sys/types.h>

#define SIGN_CLIENTS_MAX 8

/* The allowance belongs to the place, not to the connection: connecting again renews nothing. */
struct sign_client {
    int socket; /* -1 = free */
    struct sign_peer peer;
    uint64_t heard_ns;
    uint64_t refilled_ns;
    uint64_t allowance; /* requests × 1e9 */
};

struct sign_server {
    struct sign_service *service;
    uid_t allowed_uid;
    uint64_t requests_max; /* per second and connection */
    int listener;
    int signals; /* signalfd */
    struct sign_client clients[SIGN_CLIENTS_MAX];
    uint8_t in[SIGNER_WIRE_REQUEST_MAX + 1]; /* one more shows a packet that is too long */
    uint8_t out[SIGNER_WIRE_ANSWER_MAX];
};

/* Replaces a dead socket at the path; refuses (EADDRINUSE) where somebody still answers. Blocks the
 * signals that it takes. False with errno on failure. */
CHECKED bool sign_server_open(struct sign_server *server, struct sign_service *service,
                              const char *path, uid_t allowed_uid, uint64_t requests_max);
/* Serves until asked to stop. False with errno when waiting itself fails. */
CHECKED bool sign_server_run(struct sign_server *server);
void sign_server_close(struct sign_server *server, const char *path);

#endif
