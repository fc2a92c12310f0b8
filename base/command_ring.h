// Command ring: one gateway writes commands, the core reads them. Single producer, single consumer, in a
// sealed shared memory file that the supervisor made: a trust boundary.
//
// Shape: one page of control words, then `slots` (a power of two) slots of 64 bytes. A command takes 1..16
// contiguous slots; what does not fit before the end is preceded by a padding record (type CMD_padding).
// Positions are slot counts since the ring was made and never wrap (64 bits).
//
// Producer (the gateway's I/O thread): claim, fill in place, publish. The last eighth of the ring is kept
// for cancels, mass cancels and kills (`urgent`); for others a full ring answers NULL and the gateway rejects with
// OVERLOADED. Consumer (the core): peek copies the record to private memory BEFORE it looks at it, so a
// producer that writes afterwards changes nothing; a tail or a length that cannot be is a lie
// (COMMAND_RING_LIE): the core shuts that ring, and the supervisor restarts its gateway.
//
// Both sides keep their own private positions; the shared words are only read for the other side's.
#ifndef LONJA_BASE_COMMAND_RING_H
#define LONJA_BASE_COMMAND_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "schema/records.h"

struct command_ring_control {
    _Alignas(64) _Atomic uint64_t tail;     // published by the producer
    _Atomic uint32_t wake;                  // futex word: bumped by the producer when the core sleeps
    _Atomic uint64_t heartbeat_ns;          // monotone clock, written by the producer at least every 100 ms
    _Atomic uint32_t incarnation;           // of the producer now attached to the memory
    _Alignas(64) _Atomic uint64_t head;     // published by the consumer
    // A line of its own, seldom written: the producer looks at core_sleeping after every publication.
    _Alignas(64) _Atomic uint32_t core_sleeping; // 1 while the core waits on `wake`
    _Atomic uint32_t shut;                  // 1 = the consumer refuses this incarnation (it lied)
    uint64_t epoch;                         // core's epoch: written by the core when it takes the ring over
    uint8_t pad[4096 - 3 * 64];
};

struct command_ring { // one side's private view
    struct command_ring_control *control;
    uint8_t *slots;
    uint64_t capacity;    // slots
    uint64_t position;    // producer: next slot to write; consumer: next to read
    uint64_t other;       // cached position of the other side
    uint64_t claimed;     // producer: slots claimed and not yet published
};

// Bytes of the memory file for `slots` slots.
size_t command_ring_bytes(uint64_t slots);

// Maps the file as producer or consumer. The producer starts at the tail it finds, the consumer at the
// published tail if `skip` (a new core discards what was not journalled: the gateways see it at attach).
// Returns 0, or -errno.
CHECKED int command_ring_open_producer(struct command_ring *ring, int fd, uint64_t slots);
CHECKED int command_ring_open_consumer(struct command_ring *ring, int fd, uint64_t slots, bool skip);
void command_ring_close(struct command_ring *ring);

// Producer: zeroed memory of `slots` contiguous slots, or NULL if there is no room. One claim at a time;
// claim again before publish replaces nothing: it asserts.
struct command *command_ring_claim(struct command_ring *ring, uint8_t slots, bool urgent);
// Makes the claimed record visible; a core that sleeps finds it when something else wakes it.
void command_ring_show(struct command_ring *ring);
// Wakes the core if it sleeps.
void command_ring_wake(struct command_ring *ring);
// Both.
void command_ring_publish(struct command_ring *ring);
// Free slots for ordinary commands, for metrics and back-pressure.
uint64_t command_ring_free(struct command_ring *ring);

enum command_ring_result { COMMAND_RING_EMPTY, COMMAND_RING_TAKEN, COMMAND_RING_LIE };
// Consumer: copies the next record to `out` (COMMAND_BYTES_MAX of private memory) and frees its slots.
enum command_ring_result command_ring_take(struct command_ring *ring, struct command *out);
// Consumer: copies the beginning of the record at *position, which is not before the next one to take, and
// moves *position behind it. False: nothing more is known to be published there. It takes and judges
// nothing: what is copied may be a lie, and may be another when it is taken.
enum { COMMAND_RING_AHEAD_BYTES = 2 * 64 };
bool command_ring_ahead(const struct command_ring *ring, uint64_t *position,
                        uint8_t out[COMMAND_RING_AHEAD_BYTES]);
// Consumer: goes to the published tail, discarding what lies before it (a new epoch, or a new incarnation
// after a lie).
void command_ring_skip(struct command_ring *ring);

// Consumer, before it blocks: for each ring sleep_begin (returns the value of `wake` to wait on), then one
// full fence, then has_work of each once more; after waking sleep_end of each.
uint32_t command_ring_sleep_begin(struct command_ring *ring);
bool command_ring_has_work(const struct command_ring *ring);
void command_ring_sleep_end(struct command_ring *ring);

#endif
