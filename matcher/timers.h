// Timers: a binary heap of deadlines, the earliest first, of two of the same time the lower id.
//
// A timer is named by its item: a place in an array of the owner's, whose entries keep the timer's
// place in the heap (0 = not in it), so that one can be moved or removed wherever it is. The order
// in which timers come out depends on time and id only, never on the order in which they went in.
//
// Threads: the engine's. Memory: the caller's, all zero at first; nothing is allocated.
// Units: nanoseconds since 1970, or whatever the caller compares with.
#ifndef LONJA_MATCHER_TIMERS_H
#define LONJA_MATCHER_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

struct timer {
    uint64_t time_ns;
    uint64_t id; // unique in its heap
    uint32_t item;
    uint32_t reserved;
};

struct timers {
    struct timer *heap; // timers_max + 1; entry 0 is not used
    uint8_t *places;    // address of item 0's place in the heap, a uint32_t
    size_t stride;      // from one item's to the next
    uint32_t timers_max;
    uint32_t count;
};

// The earliest time; UINT64_MAX = there is no timer.
static inline uint64_t timers_next_ns(const struct timers *timers)
{
    return timers->count != 0 ? timers->heap[1].time_ns : UINT64_MAX;
}

// The item of the earliest timer; 0 = there is none.
static inline uint32_t timers_first(const struct timers *timers)
{
    return timers->count != 0 ? timers->heap[1].item : 0;
}

// Puts the item's timer in, or moves it. There must be room.
void timers_set(struct timers *timers, uint32_t item, uint64_t time_ns, uint64_t id);
// Takes it out; nothing if it is not in.
void timers_remove(struct timers *timers, uint32_t item);
// True if it is in.
bool timers_has(const struct timers *timers, uint32_t item);

// Full walk; asserts.
void timers_check(const struct timers *timers);

#endif
