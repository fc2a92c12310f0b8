// Settlement instructions of a life: which are open, as far as anybody has been told, and what is
// asked of them. The administrator writes them (administrator.c), clients of the web gateway are
// their parties (clients.c); the rulebook judges what comes of it.
#ifndef LONJA_SIM_INSTRUCTIONS_H
#define LONJA_SIM_INSTRUCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/records.h"

void instructions_begin(void);
void instructions_note(const struct event *event); // a durable one

// Body and tail (out: at least INSTRUCTION_TAIL_BYTES) of a new one; returns the tail's bytes.
enum {
    INSTRUCTION_TAIL_BYTES = 4 * sizeof(struct xvp_leg_tail) + sizeof(struct xvp_lock_tail) +
                             sizeof(struct xvp_external_tail)
};
size_t instructions_write(struct xvp_create_cmd *body, char out[INSTRUCTION_TAIL_BYTES],
                          uint64_t now_ns);

struct instruction_act {
    uint64_t xvp;
    uint8_t action;
    uint8_t secret[XVP_SECRET_BYTES]; // to reveal; a wrong one now and then
};
// Something to do with one that is open; `operators`: what they may. False: there is none.
bool instructions_some(struct instruction_act *out, bool operators);

#endif
