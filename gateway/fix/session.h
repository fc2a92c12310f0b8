// Session: one member's FIX session over all its connections: QuickFIX's session layer, our store,
// requests that wait for an order's id, a resend under way. It knows no socket: bytes come in by
// session_feed and go out by the wire it was given.
//
// Threads: I/O thread. Failure: a disk that does not take the store's bytes sets desk->failed;
// nothing is sent from then on, and the process ends.
#ifndef LONJA_GATEWAY_FIX_SESSION_H
#define LONJA_GATEWAY_FIX_SESSION_H

#include "gateway/fix/desk.h"
#include "gateway/fix/orders.h"
#include "gateway/fix/request.h"
#include "gateway/fix/resend.h"
#include "gateway/fix/shim.h"
#include "gateway/fix/store.h"

struct session_wire { // a connection, as the session sees it
    void (*send)(void *context, const char *bytes, size_t count);
    void (*hang_up)(void *context); // when all is sent
    void *context;
};

struct subscription {     // to the status of an instrument, or of the venue
    uint32_t instrument;  // 0 = the venue
    struct request_id id; // 324, 335
};

struct session {
    struct desk *desk;
    uint32_t id;
    uint32_t next_in;    // expected MsgSeqNum
    bool numbers_known;  // next_in was set from the view (first connection of this process)
    bool opened;         // session_open was sent to the core
    bool close_wanted;   // session_close could not be sent yet
    bool reset;          // the numbers, while open: the core must hear of the new ones
    bool garbled_before; // on this connection: a message that does not parse
    const char *refusal; // of the Logon that is being fed; NULL = welcome
    struct fix_session *layer;
    struct store store;
    struct store_record keeping;     // what the message being sent reports
    bool passing;                    // the message being sent is not kept
    const struct session_wire *wire; // NULL = not connected
    struct resend resend;
    uint32_t
        *answered; // MsgSeqNums that a process before this one has answered by itself; ascending
    size_t answered_count, answered_capacity;
    store_visit *visit;      // while the store is opened
    struct request *waiting; // for the id of an order that is in flight; in order
    size_t waiting_count, waiting_capacity;
    struct subscription *subscriptions; // of this connection
    size_t subscription_count;
};

// Opens the store (makes one if comp_id is given) and the session layer. NULL with *error = -errno.
CHECKED struct session *session_open(struct desk *desk, uint32_t id, const char *comp_id,
                                     store_visit *visit, int *error);
// Closes the store cleanly. Returns 0 or -errno.
CHECKED int session_close(struct session *session);
// Frees it as a crash would: for tests.
void session_abandon(struct session *session);

// A connection whose Logon is about to be fed. `refusal` makes the answer a Logout with that text.
void session_connect(struct session *session, const struct session_wire *wire, const char *refusal);
// The wire is gone.
void session_disconnected(struct session *session);
// A whole message. Messages of a session that waits are to be held back: see session_is_held.
void session_feed(struct session *session, const char *bytes, size_t count);
// Says Logout with a reason, if it is logged on; the connection ends soon after.
void session_expel(struct session *session, const char *reason);
bool session_is_held(const struct session *session);
bool session_logged_on(const struct session *session);
// Whether a process before this one has answered the message by itself: it comes again because the
// core has not seen it, and its answer stands under its number. To take it now could accept what
// its sender was told is refused.
bool session_has_answered(const struct session *session, uint32_t number);
// Once a second.
void session_tick(struct session *session);
// Tells the core of logon and logoff where that is still owed; true if the core knows the session
// as open.
bool session_announce(struct session *session);
// Sends the next portion of a resend, at most `budget` bytes; returns true if there is more.
bool session_resend_some(struct session *session, size_t budget, uint64_t wall_ns);

// Sends an application message: numbers it, keeps it with its reference and the order's state.
struct session_message {
    const char *msg_type;
    const struct fix_field *fields;
    size_t field_count;
    const struct fix_group *group; // NULL = none
    struct store_reference reference;
    const struct fix_order *order;     // NULL = none
    const struct execution *execution; // of the order, as it is now; NULL = none
    bool passing;                      // is not kept: a resend fills the gap
};
void session_send(struct session *session, const struct session_message *message);
// The state that a kept record tells: 0 = none, 1 = the order only, 2 = its execution, too.
size_t session_state_load(struct fix_order_execution *out, const struct store_record *record);
// Before a command of the session is published: what we have answered to messages before it must be
// in the store, because the core makes it known with the command that they were read. Hands it to
// the system.
void session_settle(struct session *session);

#endif
