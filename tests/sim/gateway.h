// Gateway: a process that trades for its clients, on the real link, view and follower. It speaks
// the messages of network.h where the real gateways speak FIX and WebSocket, and keeps their rules:
//   - an answer is made from a durable event only;
//   - a request that was sent and is above last_gateway_seq at an attach was not accepted, and its
//     client is told so; nothing else is said of what is under way;
//   - a client id is used once per session, be it durable or still under way;
//   - private events are sent from the sequence that the client names at its logon on.
#ifndef LONJA_SIM_GATEWAY_H
#define LONJA_SIM_GATEWAY_H

#include <stdbool.h>

#include "base/boot.h"

// The process, until it is killed. `context`: its struct boot.
void gateway_main(void *context);

// True if the event is told to the owner of the account.
bool gateway_event_concerns(const struct event *event, uint32_t account);

#endif
