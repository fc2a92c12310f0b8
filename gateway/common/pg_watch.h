// Runs an asynchronous Postgres connection (base/pg_async.h) on a gateway's loop: watches its descriptor
// through reconnections and keeps its deadlines. After queueing queries call pg_watch_kick.
// Threads: the loop's thread only.
#ifndef LONJA_GATEWAY_COMMON_PG_WATCH_H
#define LONJA_GATEWAY_COMMON_PG_WATCH_H

#include "base/pg_async.h"
#include "gateway/common/loop.h"

struct pg_watch;

CHECKED struct pg_watch *pg_watch_open(struct loop *loop, struct pg_async *pg);
void pg_watch_kick(struct pg_watch *watch);
void pg_watch_close(struct pg_watch *watch); // does not close the connection

#endif
