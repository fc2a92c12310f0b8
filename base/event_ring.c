// Happy path: the core copies a command's events behind `written`, then publishes `written`
// (release); the journal thread publishes durable_seq when the command is on disk. A reader copies
// first and then proves that the copy was not being overwritten.
#include "base/event_ring.h"

#include <errno.h>

#include "base/checked.h"
#include "base/memfile.h"

const char *core_state_name(uint32_t state)
{
    static const char *const names[] = {
        [CORE_STARTING] = "starting", [CORE_RECOVERING] = "recovering", [CORE_RUNNING] = "running",
        [CORE_FAILED] = "failed",     [CORE_WAITING] = "waiting",       [CORE_FOLLOWING] = "following",
    };
    return state < sizeof names / sizeof names[0] ? names[state] : "unknown";
}

size_t event_ring_bytes(uint64_t capacity)
{
    ASSERT(is_power_of_two(capacity));
    return sizeof(struct event_ring_control) + capacity * EVENT_BYTES;
}

static int event_ring_map(struct event_ring *ring, int fd, uint64_t capacity,
                          uint64_t command_events_max, bool writable)
{
    ASSERT(command_events_max > 0 && capacity >= 4 * command_events_max);
    void *memory;
    int result = memfile_map(&memory, fd, event_ring_bytes(capacity), writable);
    if (result != 0)
        return result;
    uint8_t *bytes = memory;
    *ring = (struct event_ring){.control = memory,
                                .events = (struct event *)(void *)(bytes + sizeof *ring->control),
                                .capacity = capacity,
                                .command_events_max = command_events_max};
    return 0;
}

int event_ring_open_writer(struct event_ring *ring, int fd, uint64_t capacity,
                           uint64_t command_events_max)
{
    return event_ring_map(ring, fd, capacity, command_events_max, true);
}

int event_ring_open_reader(struct event_ring *ring, int fd, uint64_t capacity,
                           uint64_t command_events_max)
{
    return event_ring_map(ring, fd, capacity, command_events_max, false);
}

void event_ring_close(struct event_ring *ring)
{
    memfile_unmap(ring->control, event_ring_bytes(ring->capacity));
    *ring = (struct event_ring){0};
}

// A reader's copy and the core's next event may meet at the same place, by design: the copy is thrown
// away then. So both go word by word, each word atomic and relaxed: a word is old or new, never a
// race; what order is needed is in `written`. (On x86 these are ordinary moves.)
static_assert(EVENT_BYTES % sizeof(uint64_t) == 0 && sizeof(_Atomic uint64_t) == sizeof(uint64_t),
              "an event is whole words");

static void event_ring_load(struct event *out, const struct event *event)
{
    const _Atomic uint64_t *from = (const _Atomic uint64_t *)(const void *)event;
    uint64_t *to = (uint64_t *)(void *)out;
    for (size_t i = 0; i < EVENT_BYTES / sizeof *to; i++)
        to[i] = atomic_load_explicit(&from[i], memory_order_relaxed);
}

static void event_ring_store(struct event *out, const struct event *event)
{
    _Atomic uint64_t *to = (_Atomic uint64_t *)(void *)out;
    const uint64_t *from = (const uint64_t *)(const void *)event;
    for (size_t i = 0; i < EVENT_BYTES / sizeof *from; i++)
        atomic_store_explicit(&to[i], from[i], memory_order_relaxed);
}

void event_ring_write(const struct event_ring *ring, uint64_t position, const struct event *events,
                      uint32_t count)
{
    ASSERT(count <= ring->command_events_max);
    for (uint32_t i = 0; i < count; i++)
        event_ring_store(&ring->events[(position + i) & (ring->capacity - 1)], &events[i]);
}

enum event_ring_result event_ring_read(const struct event_ring *ring, uint64_t position,
                                       struct event *out)
{
    struct event_ring_control *control = ring->control;
    // Acquire: the event is complete before `written` shows it.
    if (position >= atomic_load_explicit(&control->written, memory_order_acquire))
        return EVENT_RING_NONE;
    uint64_t durable = atomic_load_explicit(&control->durable_seq, memory_order_acquire);
    event_ring_load(out, &ring->events[position & (ring->capacity - 1)]);
    // Acquire fence: the copy is finished before we look how far the core has come. The core stores
    // `written` (release) before it starts on the next command's events.
    atomic_thread_fence(memory_order_acquire);
    uint64_t written = atomic_load_explicit(&control->written, memory_order_relaxed);
    if (written + ring->command_events_max > position + ring->capacity)
        return EVENT_RING_LAPPED;
    return out->header.sequence <= durable ? EVENT_RING_READ : EVENT_RING_NONE;
}
