// Record proxy: stands between a test's recorder and the server, as a UNIX socket that its settings
// name, and cuts or freezes the connection at a moment that the test has asked for.
//
// It reads the protocol just far enough: the text of a COMMIT on its way there, and the word that
// the server answers it with. One connection at a time; a thread of its own.
#ifndef LONJA_SETTLEMENT_RECORD_PROXY_H
#define LONJA_SETTLEMENT_RECORD_PROXY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/pg.h"

enum record_proxy_fault {
    PROXY_NONE,
    PROXY_CUT_BEFORE_COMMIT, // the COMMIT does not reach the server
    PROXY_CUT_AFTER_COMMIT,  // it does; its answer does not reach the recorder
    PROXY_FREEZE,            // nothing passes any more, in neither direction; nothing is closed
};

struct record_proxy {
    struct pg_settings settings; // the caller's, but for the host: connect with these
    char folder[64];
    struct pg_settings server;
    int listener, stop[2];
    pthread_t thread;
    _Atomic int fault;  // enum record_proxy_fault; it strikes once
    _Atomic int struck; // how often one has
};

void record_proxy_open(struct record_proxy *proxy, const struct pg_settings *server);
void record_proxy_close(struct record_proxy *proxy);

#endif
