// Flow state: a venue made from a flow without a core's threads. Command after command is stamped
// and applied by the calling thread and, between journal_begin and journal_end, journalled by the
// real journal writer, with the digests that a journal has to have. For benchmarks of what reads
// journals and snapshots.
//
// Threads: one. Failure: asserts.
#ifndef LONJA_PERF_FLOW_STATE_H
#define LONJA_PERF_FLOW_STATE_H

#include <stdint.h>

#include "core/gate.h"
#include "core/journal.h"
#include "core/journal_io.h"
#include "core/numbered_file.h"
#include "core/replay.h"
#include "perf/flow_commands.h"

struct flow_state {
    struct boot boot; // its configuration has the venue's limits
    struct flow_venue venue;
    struct replay replay;
    struct journal_io io;
    struct journal_io_file io_file;
    struct event_ring_control *control;
    struct gate gate;
    struct journal journal;
    bool journalling;
    uint32_t block_commands; // journalled together
    uint32_t waiting;
    struct order_flow *flow;
    uint64_t step_ns, time_ns;
    uint64_t *sequence_of; // by the flow's order id
    uint32_t ids;          // that the flow may use
    uint64_t commands;     // of the flow
};

// An engine with the venue of flow_commands.h in it; takes the flow over. The boot record's state
// folder is `folder`; `orders_max` orders may be open, `ids` new orders come at most.
void flow_state_open(struct flow_state *state, const char *folder, const struct flow_venue *venue,
                     struct order_flow *flow, uint32_t orders_max, uint32_t ids);
void flow_state_close(struct flow_state *state);

// From the next command on: blocks of `block_commands` (as many as fit, if they are more).
void flow_state_journal_begin(struct flow_state *state, uint32_t block_commands);
void flow_state_journal_end(struct flow_state *state);

// Makes the venue (flow_venue_make).
void flow_state_make_venue(struct flow_state *state);
// Applies the flow's next operations until `operations` are done or the flow ends.
void flow_state_run(struct flow_state *state, uint64_t operations);

#endif
