// Security status: phase, last price and the running auction's indication of an instrument, asked
// for once or subscribed to (e -> f). A subscription is the connection's: it ends with it. Its
// messages are not kept: what has passed is no use to anybody, a resend fills the gap.
//
// Threads: I/O thread.
#ifndef LONJA_GATEWAY_FIX_SECURITY_STATUS_H
#define LONJA_GATEWAY_FIX_SECURITY_STATUS_H

#include "gateway/fix/session.h"

// Answers the request. FIX_VALUE_REFUSED with *wrong_tag: its value cannot be meant.
enum fix_taken security_status_requested(struct session *session, const struct request *request,
                                         const struct refusal *refusal, uint32_t *wrong_tag);
// Every event, in order: what concerns a subscriber is told to him.
void security_status_on_event(struct desk *desk, const struct event *event);
// The session has logged off.
void security_status_forget(struct session *session);

#endif
