// Report ring: from the thread that matches to the one that publishes. One writer, one reader, a
// cache line per report; it is what engine_get_transport hands the public harness.
//
// The writer fills lines in place and shows them REPORT_RING_BATCH at a time (or on
// report_ring_flush), so that the line with its position crosses between the CPUs once per batch;
// each side keeps a copy of the other's position and looks again only when the copy is used up.
// A full ring makes the writer wait for the reader.
#ifndef LONJA_PERF_REPORT_RING_H
#define LONJA_PERF_REPORT_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "perf/harness_abi.h"

enum {
    REPORT_RING_BATCH = 32,
    REPORT_RING_AHEAD = 16, // lines fetched before they are filled: the reader's CPU has them
};

struct report_ring {
    // the writer's line
    _Alignas(64) struct harness_report *reports;
    uint64_t mask;
    uint64_t filled;     // position behind the last report
    uint64_t shown;      // what `written` was last set to
    uint64_t fill_limit; // as far as can be filled without looking at `read` again
    // one word each way
    _Alignas(128) _Atomic uint64_t written;
    _Alignas(128) _Atomic uint64_t read;
    // the reader's line
    _Alignas(128) uint64_t drained;
    uint64_t written_seen;
    struct harness_report *lines; // the reader's own copy of what does not change
    uint64_t lines_mask;
    struct arena arena;
};

extern const struct harness_transport report_ring_transport;

void report_ring_flush(struct report_ring *ring);
// Waits until the reader has made room.
void report_ring_wait(struct report_ring *ring);

// The next line, to be filled in whole; it is the reader's from report_ring_push on.
static inline struct harness_report *report_ring_next(struct report_ring *ring)
{
    if (__builtin_expect(ring->filled == ring->fill_limit, 0))
        report_ring_wait(ring);
    return &ring->reports[ring->filled & ring->mask];
}

static inline void report_ring_push(struct report_ring *ring)
{
    ring->filled++;
    __builtin_prefetch(&ring->reports[(ring->filled + REPORT_RING_AHEAD) & ring->mask], 1);
    if (ring->filled - ring->shown >= REPORT_RING_BATCH)
        report_ring_flush(ring);
}

#endif
