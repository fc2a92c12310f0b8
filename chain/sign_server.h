/* The signer's socket: SOCK_SEQPACKET on a path, peers checked by user id, one request at a time.
 *
 * The path's mode is 0600 when only our own user id may call; when another one may (a venue with a
 * user id per process) it is 0666, and the peer's credentials, which the kernel vouches for,
 * decide. One thread; the loop ends at SIGTERM or SIGINT, SIGHUP reads the policy again.
 */
#ifndef LONJA_CHAIN_SIGN_SERVER_H
#define LONJA_CHAIN_SIGN_SERVER_H

#include "chain/sign_service.h"

#include <sys/types.h>

#define SIGN_CLIENTS_MAX 8

struct sign_server {
    struct sign_service *service;
    uid_t allowed_uid;
    int listener;
    int signals;                   /* signalfd */
    int clients[SIGN_CLIENTS_MAX]; /* -1 = free */
};

/* Replaces a dead socket at the path; refuses (EADDRINUSE) where somebody still answers. Blocks the
 * signals that it takes. False with errno on failure. */
CHECKED bool sign_server_open(struct sign_server *server, struct sign_service *service,
                              const char *path, uid_t allowed_uid);
/* Serves until asked to stop. False with errno when waiting itself fails. */
CHECKED bool sign_server_run(struct sign_server *server);
void sign_server_close(struct sign_server *server, const char *path);

#endif
