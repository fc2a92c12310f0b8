// Postgres for event loops (fix, web): one connection with a queue of queries, no call ever blocks.
//
// The loop watches pg_async_fd() for pg_async_events() and calls pg_async_work() when it is ready,
// when pg_async_deadline_ns() has passed, and after queries were queued. The descriptor changes
// with every connection attempt: whenever pg_async_generation() differs from the one remembered,
// forget the old descriptor (it is closed, and its number may be used again) and watch the new one.
//
// Queries run one after the other. Each has timeout_ms from the moment it is queued; waiting for a
// connection counts. When it passes, or the connection breaks while the query is out, the callback
// gets PG_GONE. Every accepted query gets exactly one callback, from inside pg_async_work or
// pg_async_close, never from inside pg_async_query.
//
// A host name is resolved by blocking calls: configure an address or a UNIX socket's folder.
#ifndef LONJA_BASE_PG_ASYNC_H
#define LONJA_BASE_PG_ASYNC_H

#include "base/pg.h"

struct pg_async;

// rows is NULL unless error->class is PG_OK, and is freed after the callback; so are the texts in
// it.
typedef void pg_async_callback(void *context, const struct pg_error *error,
                               const struct pg_rows *rows);
typedef void pg_async_notified(void *context, const char *channel, const char *payload);

struct pg_async *pg_async_open(const struct pg_settings *settings, size_t queue_max);
// Answers what is queued with PG_GONE.
void pg_async_close(struct pg_async *pg);

int pg_async_fd(const struct pg_async *pg);       // -1 = nothing to watch now
short pg_async_events(const struct pg_async *pg); // POLLIN and POLLOUT bits
uint32_t pg_async_generation(const struct pg_async *pg);
uint64_t pg_async_deadline_ns(const struct pg_async *pg); // monotone; UINT64_MAX = none
void pg_async_work(struct pg_async *pg, uint64_t now_ns);
bool pg_async_connected(const struct pg_async *pg);
const struct pg_error *
pg_async_last_error(const struct pg_async *pg); // of the last failed connection

// Queues a statement; parameters are copied. False: the queue is full (answer DATABASE_DOWN).
// `sql` must be a string constant.
CHECKED bool pg_async_query(struct pg_async *pg, const char *sql, const struct pg_param *params,
                            size_t count, uint64_t now_ns, uint32_t timeout_ms,
                            pg_async_callback *callback, void *context);
size_t pg_async_queued(const struct pg_async *pg); // queued and out
// The callbacks of queries with this context are not made (their client has left).
void pg_async_forget(struct pg_async *pg, const void *context);
// Listens on every connection from now on; `channel` must be a string constant. At most
// PG_CHANNELS_MAX.
void pg_async_listen(struct pg_async *pg, const char *channel, pg_async_notified *notified,
                     void *context);

#endif
