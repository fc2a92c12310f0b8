// The door to the core in production: the settlement ring and the event follower, on a thread of
// their own.
//
// A thread, because the worker blocks (Postgres, the node: up to settle.http_timeout_ms) and the
// link must beat every 100 ms. The two share one slot: a result that goes out, and a short queue of
// answers, under one lock; nothing else. An eventfd tells the worker that an answer is there.
//
// An answer is the event that names the reference number, from whatever incarnation; a refusal or a
// repeat is found by the gateway_seq of the command. After an attach (the core has restarted, or
// has given us up) everything that is not answered is to be sent again: SETTLE_ANSWER_RESTARTED.
#ifndef LONJA_SETTLEMENT_SETTLE_CORE_LINK_H
#define LONJA_SETTLEMENT_SETTLE_CORE_LINK_H

#include "base/boot.h"
#include "settlement/settle_core.h"

struct settle_core_link;

// Starts the thread. NULL, the reason logged, when the rings cannot be mapped.
struct settle_core_link *settle_core_link_open(const struct boot *boot);
// Stops it; `ops` of it must not be used any more.
void settle_core_link_close(struct settle_core_link *link);

struct settle_core_ops settle_core_link_ops(struct settle_core_link *link);
// Readable when an answer may be there; drained by settle_core_link_drain.
int settle_core_link_fd(const struct settle_core_link *link);
void settle_core_link_drain(struct settle_core_link *link);

#endif
