// Flow commands: the operations of order_flow.h as commands of the venue, and the commands that
// make a venue in which every one of them is accepted: 64 accounts with ample funds behind eight
// FIX sessions, and the instruments, open, with wide limits and every check on.
//
// Commands come without sequence and time: whoever sends them stamps them, or lets the core do it.
#ifndef LONJA_PERF_FLOW_COMMANDS_H
#define LONJA_PERF_FLOW_COMMANDS_H

#include <stdint.h>

#include "matcher/engine.h"
#include "perf/order_flow.h"

enum {
    FLOW_COMMAND_SLOTS = 2, // every command here fits
    FLOW_COMMAND_BYTES = FLOW_COMMAND_SLOTS * SLOT_BYTES,
};

// Limits that take `instruments` books with `orders` orders open.
struct engine_limits flow_limits(uint32_t orders);

// Calls `send` with each command that the venue needs before the flow, in order. The gateways FIX
// and ADMIN are attached first, as incarnation `incarnation`. Not less than COMMAND_BYTES_MAX is
// readable.
typedef void flow_send(void *context, struct command *command);
void flow_venue(uint32_t instruments, uint32_t incarnation, flow_send *send, void *context);

// A new order of the operation under the flow's id `id` (of a replace: its second half).
void flow_command_new(struct command *out, const struct order_flow_operation *operation,
                      uint32_t id);
// Cancels the flow's order `id`, whose command had the sequence `order`.
void flow_command_cancel(struct command *out, uint32_t id, uint64_t order);

#endif
