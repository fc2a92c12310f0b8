// The core's counters: in the event ring's control page, written by the core's threads, read by
// ops.
#ifndef LONJA_CORE_COUNTERS_H
#define LONJA_CORE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/event_ring.h"

// N(name, meaning)
#define CORE_COUNTERS(N)                                                                           \
    N(commands, "commands sequenced in this epoch")                                                \
    N(events, "events written in this epoch")                                                      \
    N(commands_core, "of the commands those that the core itself made")                            \
    N(dropped_not_attached, "commands of an incarnation that is not attached, dropped")            \
    N(ring_lies, "times a command ring was shut because its writer broke the protocol")            \
    N(heartbeats_missed, "gateways detached because they were silent")                             \
    N(back_pressure, "times the core waited for its journal")                                      \
    N(duty_cycles, "rounds of the core thread")                                                    \
    N(duty_cycle_max_ns, "longest round that did work")                                            \
    N(journal_blocks, "blocks written")                                                            \
    N(journal_bytes, "bytes written, with padding")                                                \
    N(journal_block_commands_max, "most commands in one block")                                    \
    N(journal_write_max_ns, "slowest write and sync")                                              \
    N(journal_segments, "segments begun in this epoch")                                            \
    N(journal_segment_waits, "times a segment was not prepared in time")                           \
    N(replayed, "commands replayed at start")                                                      \
    N(replay_ns, "time the replay took")

enum core_counter {
#define CORE_COUNTER_ENUM(name, meaning) COUNTER_##name,
    CORE_COUNTERS(CORE_COUNTER_ENUM)
#undef CORE_COUNTER_ENUM
        COUNTER_COUNT
};
_Static_assert(COUNTER_COUNT <= sizeof((struct event_ring_control){0}.counters) / sizeof(uint64_t),
               "the control page has room for every counter");

const char *core_counter_name(enum core_counter counter);
const char *core_counter_meaning(enum core_counter counter);

// Each counter has one writing thread, so a load and a store are enough; relaxed: nothing hangs on
// them.
static inline void core_counter_add(struct event_ring_control *control, enum core_counter counter,
                                    uint64_t amount)
{
    uint64_t value = atomic_load_explicit(&control->counters[counter], memory_order_relaxed);
    atomic_store_explicit(&control->counters[counter], value + amount, memory_order_relaxed);
}

static inline void core_counter_max(struct event_ring_control *control, enum core_counter counter,
                                    uint64_t value)
{
    if (value > atomic_load_explicit(&control->counters[counter], memory_order_relaxed))
        atomic_store_explicit(&control->counters[counter], value, memory_order_relaxed);
}

#endif
