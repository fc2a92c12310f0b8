// Event ring: the core writes, everybody reads. Events are 128 bytes; positions are event counts and never
// wrap. The core never waits for a reader: a reader that falls behind reads the tape instead.
//
// Memory: one page of control words (written by the core only), then `capacity` (a power of two) events.
// Readers map it read-only. A copied event is valid only if, after the copy, `written` shows that the core
// cannot have been writing over it: written + command_events_max <= position + capacity.
//
// Durability: readers act only on events with sequence <= durable_seq, which the core's gate publishes
// after the sync (with synchronous replication: once a standby has synced them, too). Each epoch (life of a core) starts at base_position with base_sequence: what a reader
// has not read from before base_position, it reads from the tape up to base_sequence.
//
// Waking: readers sleep on their own reader page (reader_page.h); the journal thread wakes the sleeping
// ones once per block.
#ifndef LONJA_BASE_EVENT_RING_H
#define LONJA_BASE_EVENT_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "schema/records.h"

enum core_state {
    CORE_STARTING = 0, CORE_RECOVERING = 1, CORE_RUNNING = 2, CORE_FAILED = 3,
    CORE_WAITING = 4,   // recovered; does not begin before a standby has all of it
    CORE_FOLLOWING = 5, // there is no core: lonja-standby follows a primary
};

const char *core_state_name(uint32_t state); // "running" …; "unknown" beyond
enum replication_mode { REPLICATION_OFF = 0, REPLICATION_ASYNC = 1, REPLICATION_SYNC = 2 };

struct event_ring_control {
    _Alignas(64) _Atomic uint64_t epoch;        // odd positions are never used: written last at take-over
    _Atomic uint64_t base_position;             // first position of this epoch
    _Atomic uint64_t base_sequence;             // recovered sequence: everything up to it is on the tape
    _Atomic uint32_t core_state;                // enum core_state
    _Atomic uint32_t venue_state;               // enum venue_state
    _Alignas(64) _Atomic uint64_t written;      // position after the last complete command
    _Atomic uint64_t applied_seq;               // its sequence
    _Atomic uint64_t core_heartbeat_ns;         // monotone clock
    _Alignas(64) _Atomic uint64_t durable_seq;  // written by the gate (core/gate.h)
    _Atomic uint64_t journal_heartbeat_ns;
    _Atomic uint32_t journal_error;             // errno of the write or sync that stopped the venue
    _Atomic uint32_t standbys;                  // that follow now (the next five: core/gate.h)
    _Atomic uint64_t journal_seq;               // on this disk; durable_seq <= it
    _Atomic uint64_t journal_epoch;             // of the journal's end, or of the epoch to begin; 0 = not known yet
    _Atomic uint64_t replicated_seq;            // on as many standbys as are required
    _Atomic uint32_t replication_mode;          // enum replication_mode
    _Atomic uint32_t replica_verdict;           // enum replica_verdict (base/reader_page.h)
    _Alignas(64) _Atomic uint64_t counters[64]; // enum core_counter (core/counters.h), for ops
    uint8_t pad[4096 - 3 * 64 - 64 * 8];
};
_Static_assert(sizeof(struct event_ring_control) == 4096, "one page");

struct event_ring { // one side's private view
    struct event_ring_control *control; // readers: read-only memory
    struct event *events;
    uint64_t capacity;
    uint64_t command_events_max;
};

size_t event_ring_bytes(uint64_t capacity);
CHECKED int event_ring_open_writer(struct event_ring *ring, int fd, uint64_t capacity,
                                   uint64_t command_events_max);
CHECKED int event_ring_open_reader(struct event_ring *ring, int fd, uint64_t capacity,
                                   uint64_t command_events_max);
void event_ring_close(struct event_ring *ring);

// The core: copies a command's events to `position` and on. They are shown by `written`, not by this.
void event_ring_write(const struct event_ring *ring, uint64_t position, const struct event *events,
                      uint32_t count);

enum event_ring_result {
    EVENT_RING_NONE,    // nothing durable at this position yet
    EVENT_RING_READ,    // *out is the event at the position
    EVENT_RING_LAPPED,  // overwritten: read the tape
};
// Copies the event at `position` if it is durable. Safe against a core that writes at the same time.
enum event_ring_result event_ring_read(const struct event_ring *ring, uint64_t position, struct event *out);

#endif
