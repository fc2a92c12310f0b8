// Desk: the gateway's trading logic between FIX sessions and the core: requests become commands,
// durable events become reports. Bytes in, bytes out: no socket, no clock but the one it is given.
//
//   a message in:  session -> trading_on_message -> command in the ring, or an answer at once
//   an event in:   view_apply (the caller) -> desk_on_event -> reports into the sessions of both
//   sides
//
// A command that was sent is in flight until its last event; its client id is taken meanwhile. A
// cancel or amend of an order in flight waits, and with it everything the session sends after it,
// so that the core sees a session's messages in the session's order.
//
// The core answers commands in their order. So an answer that skips some says that those were lost
// with a core that died before it had them: they are answered as not accepted (IN_DOUBT). This
// covers what an attach's last_gateway_seq says, and commands that a new core took before we
// noticed that it is new.
//
// What events say of orders is told by order_events.c, what they answer by answers.c, what they say
// of the market by market_status.c.
//
// Threads: I/O thread. Failure: see session.h (desk->failed).
#ifndef LONJA_GATEWAY_FIX_DESK_H
#define LONJA_GATEWAY_FIX_DESK_H

#include "base/clock.h"
#include "gateway/common/link.h"
#include "gateway/common/view.h"
#include "gateway/fix/flights.h"
#include "gateway/fix/kept_requests.h"
#include "gateway/fix/orders.h"
#include "gateway/fix/report.h"
#include "gateway/fix/request.h"
#include "gateway/fix/shim.h"
#include "gateway/fix/store.h"

struct session;

// A report whose order may get its terms by the next event of the command: told then.
struct untold {
    uint64_t order; // 0 = none
    struct happening what;
    struct request_id original;
};

// A mass cancel or mass status of ours that is being answered. A large one goes on in commands of
// the core's own, which come right behind it: one at a time is all there can be.
struct mass_answer {
    struct request request; // gateway_seq 0 = none; its session is the event's
    uint32_t told;          // orders so far: cancelled, or their status told
    uint32_t total;         // of a mass status
};

struct desk {
    const char *venue; // our CompID
    char folder[512];  // of the session stores
    const struct clock *clock;
    struct view *view;
    struct link *link;
    struct fix_dialect *dialect;
    struct session **sessions; // by id; NULL = never logged on
    uint32_t sessions_max, accounts_max;
    struct store_limits kept_limits; // fix.resend_days, fix.resend_bytes_max
    struct session **open;           // the same without the gaps, in order of opening
    uint32_t open_count;
    struct orders orders;
    struct executions executions;
    struct flights flights;
    struct untold untold;
    struct mass_answer mass;
    struct kept_requests kept; // of the process before, until the first attach
    uint64_t heard_seq;        // gateway_seq of the last of our commands that was answered
    bool poss_resend; // until the first attach: what is reported may have been so by a process
                      // before
    bool failed;      // the disk refused: stop
};

// Opens every session store in <state_folder>/fix. Returns false and logs the reason if one cannot
// be.
CHECKED bool desk_open(struct desk *desk, const struct boot *boot, struct view *view,
                       struct link *link, const struct clock *clock);
// Closes the stores. Returns false if one could not be closed cleanly.
CHECKED bool desk_close(struct desk *desk);
// Frees it as a crash would: for tests.
void desk_abandon(struct desk *desk);

// The session with that id, made with its store if it is new. NULL: the store cannot be opened, or
// belongs to another CompID (logged).
struct session *desk_session(struct desk *desk, uint32_t id, const char *comp_id);

// A durable event, in order; those that a session's store has already are passed over.
void desk_on_event(struct desk *desk, const struct event *event);
// The link has attached (again): sessions that are logged on are opened anew.
void desk_on_attached(struct desk *desk);

// For those who tell: the session, NULL if it never logged on here; the place of an event; whether
// it has not been told to the session yet, neither reported nor folded into the order.
struct session *desk_find_session(const struct desk *desk, uint32_t id);
struct store_reference desk_reference(const struct event *event, uint32_t side);
bool desk_is_new(const struct desk *desk, uint32_t session_id,
                 const struct store_reference *reference);

// Hands what was appended to the stores to the system; before the sockets get it. Sets failed.
void desk_flush(struct desk *desk);

#endif
