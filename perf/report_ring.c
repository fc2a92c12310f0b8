#include "perf/report_ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/checked.h"

static void *ring_create(uint32_t capacity)
{
    uint64_t reports = 2 * REPORT_RING_BATCH;
    while (reports < capacity)
        reports *= 2;
    struct arena arena;
    size_t bytes = sizeof(struct report_ring) + (reports + 2) * sizeof(struct harness_report);
    if (arena_open(&arena, bytes) != 0)
        return NULL;
    struct report_ring *ring = arena_alloc(&arena, sizeof *ring, 128);
    ring->reports = arena_alloc(&arena, reports * sizeof ring->reports[0], 64);
    ASSERT(is_power_of_two(reports) && ring->reports != NULL);
    memset(ring->reports, 0,
           reports * sizeof ring->reports[0]); // touched now, not while it is timed
    ring->mask = reports - 1;
    ring->fill_limit = reports;
    ring->lines = ring->reports;
    ring->lines_mask = ring->mask;
    ring->arena = arena;
    return ring;
}

static void ring_destroy(void *handle)
{
    struct arena arena = ((struct report_ring *)handle)->arena; // the ring is inside it
    arena_close(&arena);
}

void report_ring_flush(struct report_ring *ring)
{
    ring->shown = ring->filled;
    // Release: the reports are complete before the reader can see their position.
    atomic_store_explicit(&ring->written, ring->filled, memory_order_release);
}

void report_ring_wait(struct report_ring *ring)
{
    uint64_t capacity = ring->mask + 1;
    report_ring_flush(ring); // else the reader may wait for us
    do {
        // Acquire: the reader has copied a line before we write over it.
        ring->fill_limit = atomic_load_explicit(&ring->read, memory_order_acquire) + capacity;
        __builtin_ia32_pause();
    } while (ring->filled == ring->fill_limit);
}

static int ring_push(void *handle, const struct harness_report *report)
{
    struct report_ring *ring = handle;
    *report_ring_next(ring) = *report;
    report_ring_push(ring);
    return 1;
}

static uint32_t ring_drain(void *handle, struct harness_report *out, uint32_t max)
{
    struct report_ring *ring = handle;
    if (ring->drained == ring->written_seen)
        // Acquire: what we copy was complete before its position was shown.
        ring->written_seen = atomic_load_explicit(&ring->written, memory_order_acquire);
    uint64_t count = ring->written_seen - ring->drained;
    count = count < max ? count : max;
    uint64_t from = ring->drained & ring->lines_mask;
    uint64_t to_end = ring->lines_mask + 1 - from;
    uint64_t first = count < to_end ? count : to_end;
    memcpy(out, &ring->lines[from], first * sizeof out[0]);
    memcpy(out + first, ring->lines, (count - first) * sizeof out[0]);
    ring->drained += count;
    if (count > 0)
        // Release: the lines are copied before the writer may have them again.
        atomic_store_explicit(&ring->read, ring->drained, memory_order_release);
    return (uint32_t)count;
}

static void ring_flush(void *handle)
{
    report_ring_flush(handle);
}

const struct harness_transport report_ring_transport = {
    .create = ring_create,
    .push = ring_push,
    .drain = ring_drain,
    .flush = ring_flush,
    .destroy = ring_destroy,
};
