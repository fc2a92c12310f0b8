// Flow commands: the operations of order_flow.h as commands of the venue, and the commands that
// make a venue in which every one of them is accepted: accounts with ample funds behind FIX
// sessions, and the instruments, open, with wide limits and the controls that are asked for.
//
// Commands come without sequence and time: whoever sends them stamps them, or lets the core do it.
#ifndef LONJA_PERF_FLOW_COMMANDS_H
#define LONJA_PERF_FLOW_COMMANDS_H

#include <stdint.h>

#include "matcher/engine.h"
#include "perf/order_flow.h"

enum {
    FLOW_COMMAND_SLOTS = 2, // every command of the flow fits
    FLOW_COMMAND_BYTES = FLOW_COMMAND_SLOTS * SLOT_BYTES,
};

struct flow_venue {
    uint32_t instruments; // that the flow trades
    uint32_t others;      // that there are besides
    uint32_t accounts;
    uint32_t accounts_per_session;
    uint32_t groups;   // of accounts: group g trades the instruments i with i % groups == g
    bool scattered;    // orders come from accounts in no order, else from one after the other
    bool confirms;     // orders confirm what is far from the last price and from the NAV
    uint32_t controls; // 1 << enum flow_control
};

// 64 accounts behind eight sessions of one firm, with the controls that every instrument has.
struct flow_venue flow_small(uint32_t instruments);
// `accounts` (100,000 are meant) behind sessions of 100, each a firm, 1,000 instruments, these
// controls.
struct flow_venue flow_wide(uint32_t instruments, uint32_t accounts, uint32_t controls);

// Limits that take the venue with `orders` orders open.
struct engine_limits flow_limits(const struct flow_venue *venue, uint32_t orders);

// Calls `send` with each command that the venue needs before the flow, in order. The gateways FIX
// and ADMIN are attached first, as incarnation `incarnation`. Not less than COMMAND_BYTES_MAX is
// readable.
typedef void flow_send(void *context, struct command *command);
void flow_venue_make(const struct flow_venue *venue, uint32_t incarnation, flow_send *send,
                     void *context);

// A new order of the operation under the flow's id `id` (of a replace: its second half).
void flow_command_new(struct command *out, const struct flow_venue *venue,
                      const struct order_flow_operation *operation, uint32_t id);
// Cancels the flow's order `id` of this instrument (from 0), whose command had the sequence
// `order`.
void flow_command_cancel(struct command *out, const struct flow_venue *venue, uint32_t instrument,
                         uint32_t id, uint64_t order);

#endif
