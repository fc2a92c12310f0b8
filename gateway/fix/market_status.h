// Market status: phase, last price and the running auction's indication of an instrument (e -> f),
// and whether the venue takes orders (g -> h), asked for once or subscribed to. A subscription is
// the connection's: it ends with it. These messages are not kept: what has passed is no use to
// anybody, a resend fills the gap.
//
// Threads: I/O thread.
#ifndef LONJA_GATEWAY_FIX_MARKET_STATUS_H
#define LONJA_GATEWAY_FIX_MARKET_STATUS_H

#include "gateway/fix/session.h"

// Answers the request. FIX_VALUE_REFUSED with *wrong_tag: its value cannot be meant.
enum fix_taken market_status_requested(struct session *session, const struct request *request,
                                       const struct refusal *refusal, uint32_t *wrong_tag);
// Every event, in order: what concerns a subscriber is told to him.
void market_status_on_event(struct desk *desk, const struct event *event);
// The session has logged off.
void market_status_forget(struct session *session);

#endif
