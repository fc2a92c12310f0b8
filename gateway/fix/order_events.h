// Order events: what durable events say of members' orders, folded into the desk's orders and told
// to the sessions that entered them: accepted, traded, cancelled or expired, replaced, triggered,
// reduced. An iceberg's next slice changes nothing that a member is told of.
//
// The terms of an order come as the event behind the one that accepts or amends it: the report
// waits for them (desk->untold), so that it shows the whole order.
//
// Threads: I/O thread.
#ifndef LONJA_GATEWAY_FIX_ORDER_EVENTS_H
#define LONJA_GATEWAY_FIX_ORDER_EVENTS_H

#include "gateway/fix/desk.h"

// Every event, in order; those that are none of an order's, or of no FIX member's, are passed over.
void order_events_on_event(struct desk *desk, const struct event *event);

#endif
