// Shim: QuickFIX's session layer (logon, heartbeats, sequence numbers, gaps, rejects) in our own
// words. The only C++ of the project stands behind this header. It opens no socket and no file and
// starts no thread: bytes go in by fix_session_feed, bytes come out by `to_wire`, numbers and
// messages are kept by the caller's store, and a resend is the caller's too (resend_requested),
// because it may be longer than what we are willing to buffer at once.
//
// Threads: the gateway's I/O thread only. Ownership: texts given to callbacks live until they
// return. Callbacks must not call back into the same session, except fix_session_send from
// `message`. Failure: nothing is thrown through this header; what QuickFIX throws becomes a note
// and, where the protocol says so, a reject or a hang-up.
#ifndef LONJA_GATEWAY_FIX_SHIM_H
#define LONJA_GATEWAY_FIX_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct fix_dialect; // the dictionary, shared by all sessions
struct fix_session;
struct fix_message; // one application message, during the callback `message`

struct fix_text { // not NUL-terminated
    const char *at;
    size_t bytes;
};

struct fix_field { // of an outgoing message
    uint32_t tag;
    struct fix_text value;
};

struct fix_group { // one entry of a repeating group, fields in the group's order
    uint32_t count_tag;
    const struct fix_field *fields;
    size_t field_count;
};

enum fix_taken {
    FIX_TAKEN,
    FIX_TYPE_REFUSED,  // a message type that peers may not send
    FIX_VALUE_REFUSED, // the value of *wrong_tag cannot be meant
};

struct fix_session_events { // what the session tells its owner; `context` is the owner
    void (*to_wire)(void *context, const char *bytes, size_t count);
    void (*hang_up)(void *context); // after what was sent has gone out
    // Asked for every Logon that is otherwise in order: NULL = welcome, else the reason of the
    // refusal.
    const char *(*logon_verdict)(void *context, const struct fix_message *logon);
    void (*logged_on)(void *context);
    void (*logged_off)(void *context);
    // What a Reject is to say, if the owner does not want the message.
    enum fix_taken (*message)(void *context, const struct fix_message *message,
                              uint32_t *wrong_tag);
    // The peer misses what we sent as `first`..`last` (0 = up to now).
    void (*resend_requested)(void *context, uint32_t first, uint32_t last);
    void (*note)(void *context, const char *text); // what the session layer did, for the log
    // The store: sequence numbers, and every message as it was first sent.
    uint32_t (*next_out)(void *context);
    uint32_t (*next_in)(void *context);
    void (*set_next_out)(void *context, uint32_t number);
    void (*set_next_in)(void *context, uint32_t number);
    void (*keep)(void *context, uint32_t number, bool application, const char *bytes, size_t count);
    void (*reset)(void *context); // both numbers to 1, what was kept is forgotten
};

// Reads the dictionary that is compiled in. NULL, and the reason on standard error, if it is
// broken.
struct fix_dialect *fix_dialect_create(void);
void fix_dialect_destroy(struct fix_dialect *dialect);

// A session between our comp id and the peer's. NULL if there is one already.
struct fix_session *fix_session_create(struct fix_dialect *dialect, const char *our_comp_id,
                                       const char *peer_comp_id,
                                       const struct fix_session_events *events, void *context);
void fix_session_destroy(struct fix_session *session);

// A connection is there (or a new one): answers go to to_wire until hang_up.
void fix_session_connect(struct fix_session *session);
// One whole message, framed, length and checksum checked. Returns false if it is no message after
// all.
bool fix_session_feed(struct fix_session *session, const char *bytes, size_t count);
// Once a second: heartbeats, test requests, timeouts.
void fix_session_tick(struct fix_session *session);
// The connection is gone, or is to go.
void fix_session_disconnect(struct fix_session *session);
// Says Logout with a reason; the connection ends when the peer has answered, or after two seconds.
void fix_session_logout(struct fix_session *session, const char *reason);
bool fix_session_logged_on(const struct fix_session *session);

// Numbers, keeps and, if the peer is logged on, sends an application message.
void fix_session_send(struct fix_session *session, const char *msg_type, bool poss_resend,
                      const struct fix_field *fields, size_t field_count,
                      const struct fix_group *groups, size_t group_count);

// True and *out if the field is in the message (its header, then its body).
bool fix_message_field(const struct fix_message *message, uint32_t tag, struct fix_text *out);
// The same of the group that count_tag counts; entries are numbered from 1.
bool fix_message_group_field(const struct fix_message *message, uint32_t count_tag, uint32_t entry,
                             uint32_t tag, struct fix_text *out);

#ifdef __cplusplus
}
#endif

#endif
