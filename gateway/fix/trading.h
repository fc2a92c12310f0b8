// Trading: from a member's message to a command in the ring, or to an answer at once.
//
// A cancel, amend or status request for an order that is in flight waits for the order's answer,
// and what the session sends after it waits behind it, so that the core sees a session's messages
// in their order.
//
// Threads: I/O thread.
#ifndef LONJA_GATEWAY_FIX_TRADING_H
#define LONJA_GATEWAY_FIX_TRADING_H

#include "gateway/fix/session.h"

// What the session layer is to say of it: a Reject for a type that members may not send, or for an
// id that is too long (cut, it could be the id of another order).
enum fix_taken trading_on_message(struct session *session, const struct fix_message *message,
                                  uint32_t *wrong_tag);
// Tries what waits, as far as it goes; after each answer to one of the session's commands.
void trading_retry(struct session *session);
// Answers a request with a refusal of the gateway's own (REJECT_IN_DOUBT, REJECT_OVERLOADED …) and
// frees its client id.
void trading_refuse(struct session *session, const struct request *request,
                    const struct refusal *refusal);

#endif
