/* Test only: a node on a real socket that can be made to lie, to say nonsense, or to say it without
 * end. What it says when it is honest comes from a table of functions behind it (a world in memory,
 * or a real node).
 *
 * A thread of its own answers one connection at a time. `lock` is held while it asks the table: who
 * changes what is behind the table from another thread holds it meanwhile.
 */
#ifndef LONJA_CHAIN_HOSTILE_NODE_H
#define LONJA_CHAIN_HOSTILE_NODE_H

#include "chain/rpc.h"

#include <pthread.h>
#include <stdatomic.h>

/* How an answer is spoilt, whatever was asked. X(name, what the client sees). */
#define HOSTILE_MANNERS(X)                                                                         \
    X(HONEST, "what is so")                                                                        \
    X(NOT_JSON, "a page of HTML")                                                                  \
    X(EMPTY, "nothing, with status 200")                                                           \
    X(CUT, "half of the answer, the length of the whole")                                          \
    X(OTHER_ID, "the answer to another question")                                                  \
    X(NO_RESULT, "neither result nor error")                                                       \
    X(TWICE, "two results in one answer")                                                          \
    X(LIST, "a list of answers")                                                                   \
    X(NUMBERS, "a number where a text belongs")                                                    \
    X(WRONG_TEXT, "a text that is no number")                                                      \
    X(TOO_WIDE, "a number of 100 digits")                                                          \
    X(NEGATIVE, "a number below zero")                                                             \
    X(OBJECT, "an object without members")                                                         \
    X(DEEP, "100,000 brackets")                                                                    \
    X(HUGE, "bytes without end")                                                                   \
    X(HUGE_HEADER, "a header without end")                                                         \
    X(SLOW, "one byte at a time")                                                                  \
    X(SILENT, "nothing at all")                                                                    \
    X(HANGS_UP, "a connection that is closed")                                                     \
    X(REDIRECTS, "another address")                                                                \
    X(FAILS, "status 500")                                                                         \
    X(LIMITS, "status 429, and a second to wait")                                                  \
    X(OLD_HTTP, "bytes without a head")                                                            \
    X(BAD_UTF8, "bytes that are no text")

enum hostile_manner {
#define X(name, sees) HOSTILE_##name,
    HOSTILE_MANNERS(X)
#undef X
        HOSTILE_MANNER_COUNT
};

struct hostile_node {
    struct rpc_ops truth; /* not owned */
    pthread_mutex_t *lock;
    _Atomic enum hostile_manner manner;
    /* Set while it is stopped, or under the lock. Called under the lock with what is so; returns
     * what is said instead and takes `result` over. NULL = honest. An error is said by returning an
     * object with "code" and "message". */
    json_t *(*lie)(void *context, const char *method, const json_t *params, json_t *result);
    void *context;

    int listener;
    char url[64];
    atomic_bool stops;
    atomic_uint asked;
    pthread_t thread;
};

/* Listens on a port of its own; `url` says which. */
void hostile_node_start(struct hostile_node *node, const struct rpc_ops *truth,
                        pthread_mutex_t *lock);
void hostile_node_stop(struct hostile_node *node);

#endif
