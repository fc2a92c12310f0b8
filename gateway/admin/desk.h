// Desk: the admin process's side of the venue. The loop's thread owns link, follower and view; the
// worker, which may block, hands it one thing at a time and waits for the outcome.
//
// Threads: desk_command and desk_read in the worker's thread, the rest in the loop's. A command's
// outcome is known only when its last event is durable.
#ifndef LONJA_GATEWAY_ADMIN_DESK_H
#define LONJA_GATEWAY_ADMIN_DESK_H

#include "base/boot.h"
#include "core/follower.h"
#include "gateway/common/link.h"
#include "gateway/common/loop.h"
#include "gateway/common/view.h"

enum desk_outcome {
    DESK_DONE,         // durable; `events` says what it did
    DESK_REJECTED,     // durable; events[0] is the reject
    DESK_NOT_ATTACHED, // not sent: no core now, or no room in the ring
    DESK_LOST,         // the core restarted without it: not accepted
    DESK_UNKNOWN,      // no answer in time: it may still be carried out
};

enum { DESK_EVENTS_MAX = 64, DESK_WAIT_MS = 10000 };

struct desk_answer {
    enum desk_outcome outcome;
    uint64_t sequence;
    uint64_t cancelled; // orders; of all events
    bool goes_on;       // unfinished: the core's next command goes on
    size_t count;       // events kept, at most DESK_EVENTS_MAX
    struct event events[DESK_EVENTS_MAX];
};

struct desk;

CHECKED struct desk *desk_open(const struct boot *boot, struct loop *loop);
void desk_close(struct desk *desk);
// Wakes a worker that waits, for good: the process is stopping.
void desk_stop(struct desk *desk);

// Sends a command with this body and tail and waits.
void desk_command(struct desk *desk, struct desk_answer *answer, uint8_t type, const void *body,
                  size_t body_bytes, const void *tail, size_t tail_bytes);
// Calls `read` in the loop's thread with the view as it is, and waits for it. False: stopping.
typedef void desk_reader(void *context, const struct view *view, const struct follower *follower);
CHECKED bool desk_read(struct desk *desk, desk_reader *read, void *context);

#endif
