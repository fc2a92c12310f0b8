// The door to the core in production: the settlement ring and the event follower, on a thread of
// their own.
//
// A thread, because the worker blocks (Postgres, the node: up to settle.http_timeout_ms) and the
// link must beat every 100 ms. The two share a queue of results that go out and a queue of answers,
// under one lock; nothing else. An eventfd tells the worker that answers are there. A worker that
// does not look stops the reading, not the beat: no answer is dropped.
//
// An answer is the event that names the reference number, from whatever incarnation; a refusal or a
// repeat is found by the gateway_seq of the command. After an attach (the core has restarted, or
// has given us up) everything that is not answered is to be sent again: SETTLE_ANSWER_RESTARTED.
#ifndef LONJA_SETTLEMENT_SETTLE_CORE_LINK_H
#define LONJA_SETTLEMENT_SETTLE_CORE_LINK_H

#include "base/boot.h"
#include "settlement/settle_core.h"

struct settle_core_link;

// The thread starts with `begin`. NULL, the reason logged, when the ring cannot be mapped. `boot`
// must live as long.
struct settle_core_link *settle_core_link_open(const struct boot *boot);
// Stops the thread; `ops` of it must not be used any more.
void settle_core_link_close(struct settle_core_link *link);

struct settle_core_ops settle_core_link_ops(struct settle_core_link *link);
// Readable when an answer may be there; drained by settle_core_link_drain.
int settle_core_link_fd(const struct settle_core_link *link);
void settle_core_link_drain(struct settle_core_link *link);

#endif
