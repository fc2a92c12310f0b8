// Look-ahead: what is published in a command ring behind the next record, so that the engine can
// ask memory for it before its turn comes (engine_fetch). A hint: nothing is judged by it, nothing
// taken, and a ring that lies gets nothing but memory fetched in vain.
//
// It looks at no shared word: what the last take has seen of the tail is far enough. Threads: the
// core's.
#ifndef LONJA_CORE_LOOK_AHEAD_H
#define LONJA_CORE_LOOK_AHEAD_H

#include "base/command_ring.h"
#include "matcher/engine.h"

enum {
    LOOK_AHEAD_STEP = 2, // records between two steps of engine_fetch
    LOOK_AHEAD_RECORDS = LOOK_AHEAD_STEP * ENGINE_FETCH_STEPS,
};

struct look_ahead_record {
    _Alignas(64) uint8_t slots[COMMAND_RING_AHEAD_BYTES]; // our own copy
    uint64_t position;                                    // in the ring, behind it
};

struct look_ahead {    // all zero at first
    uint64_t position; // in the ring, behind the last record here
    uint32_t first;    // of the records, which go round
    uint32_t count;
    struct look_ahead_record records[LOOK_AHEAD_RECORDS];
};

// Before a record is taken from the ring.
void look_ahead(struct look_ahead *ahead, const struct command_ring *ring,
                const struct engine *engine);

#endif
