// Answers: the events that answer a member's request other than by what they say of an order:
// refusals, order status, the end of a mass cancel or mass status. A request is found by its
// command's number; what a core of a former life refused is answered from the event alone.
//
// A mass cancel or mass status that does not fit into one command goes on in commands of the core's
// own (gateway CORE), right behind it: desk->mass is what it has come to so far.
//
// Threads: I/O thread.
#ifndef LONJA_GATEWAY_FIX_ANSWERS_H
#define LONJA_GATEWAY_FIX_ANSWERS_H

#include "gateway/fix/desk.h"

// Every event, in order, behind order_events_on_event.
void answers_on_event(struct desk *desk, const struct event *event);

#endif
