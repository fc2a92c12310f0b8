// Clients: what stands outside of the venue and believes nothing. Each sends orders and cancels by
// a connection of its own, keeps every answer, and at the end they are laid beside the journal:
// what it was told must be there, for good, and what it was not told must not.
//
// A client that loses its connection does not know what became of its requests. It logs on again,
// names the last sequence whose private events it has seen (and gets what followed), asks for each
// request in doubt by its client id, and sends some of those that are unknown again, under the same
// id.
#ifndef LONJA_SIM_CLIENTS_H
#define LONJA_SIM_CLIENTS_H

#include "core/replay.h"
#include "tests/sim/network.h"

void clients_begin(void);
void clients_receive(unsigned client, const struct message *message);
void clients_disconnected(unsigned client);
// Between two requests of a client, on average.
void clients_set_pace(uint64_t pause_ns);
void clients_stop(void); // no new requests; what is in doubt is still asked for
// NULL: every request has its final answer, and every client is logged on.
const char *clients_why_not(void);

// ---- the last judgement: for every event of the journal in order, then the end.
void clients_judge_begin(void);
void clients_judge_event(const struct event *event);
void clients_judge_end(void);

uint64_t clients_answers(void); // got so far

#endif
