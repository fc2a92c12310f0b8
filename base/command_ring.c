// Happy path: the producer writes a record behind its private position and publishes the new tail
// (release); the consumer sees the tail (acquire), copies, and publishes the new head (release),
// behind which the producer may write again once it has seen it (acquire).
//
// Failure modes: the producer is not trusted. Whatever it writes into tail or slots, the consumer
// reads only inside the ring, never more than one record's bytes, and looks at its private copy
// only; what an honest producer cannot have written is COMMAND_RING_LIE.
#include "base/command_ring.h"

#include <errno.h>

#include "base/checked.h"
#include "base/futex.h"
#include "base/memfile.h"

static_assert(sizeof(struct command_ring_control) == 4096, "one page");
enum { COMMAND_RING_SLOTS_MIN = 64 };

size_t command_ring_bytes(uint64_t slots)
{
    ASSERT(is_power_of_two(slots) && slots >= COMMAND_RING_SLOTS_MIN);
    return sizeof(struct command_ring_control) + slots * SLOT_BYTES;
}

static int command_ring_map(struct command_ring *ring, int fd, uint64_t slots)
{
    void *memory;
    int result = memfile_map(&memory, fd, command_ring_bytes(slots), true);
    if (result != 0)
        return result;
    *ring = (struct command_ring){.control = memory, .capacity = slots};
    ring->slots = (uint8_t *)memory + sizeof(struct command_ring_control);
    return 0;
}

int command_ring_open_producer(struct command_ring *ring, int fd, uint64_t slots)
{
    int result = command_ring_map(ring, fd, slots);
    if (result != 0)
        return result;
    ring->position = atomic_load_explicit(&ring->control->tail, memory_order_relaxed);
    // Acquire: slots before head are free to be written.
    ring->other = atomic_load_explicit(&ring->control->head, memory_order_acquire);
    return 0;
}

int command_ring_open_consumer(struct command_ring *ring, int fd, uint64_t slots, bool skip)
{
    int result = command_ring_map(ring, fd, slots);
    if (result != 0)
        return result;
    if (skip)
        command_ring_skip(ring);
    else
        ring->position = atomic_load_explicit(&ring->control->head, memory_order_relaxed);
    ring->other = ring->position;
    return 0;
}

void command_ring_skip(struct command_ring *ring)
{
    // Acquire: pairs with the producer's publication, so that its next record is judged afresh.
    ring->position = atomic_load_explicit(&ring->control->tail, memory_order_acquire);
    ring->other = ring->position;
    atomic_store_explicit(&ring->control->head, ring->position, memory_order_release);
}

void command_ring_close(struct command_ring *ring)
{
    memfile_unmap(ring->control, command_ring_bytes(ring->capacity));
    *ring = (struct command_ring){0};
}

static uint8_t *command_ring_slot(const struct command_ring *ring, uint64_t position)
{
    return ring->slots + (position & (ring->capacity - 1)) * SLOT_BYTES;
}

// ---- producer

// Slots to leave unused before the end, so that `slots` are contiguous.
static uint64_t command_ring_padding(const struct command_ring *ring, uint8_t slots)
{
    uint64_t to_end = ring->capacity - (ring->position & (ring->capacity - 1));
    return to_end >= slots ? 0 : to_end;
}

static bool command_ring_has_room(struct command_ring *ring, uint64_t needed)
{
    if (ring->capacity - (ring->position - ring->other) >= needed)
        return true;
    // Acquire: the consumer has finished copying what lies before head.
    ring->other = atomic_load_explicit(&ring->control->head, memory_order_acquire);
    return ring->capacity - (ring->position - ring->other) >= needed;
}

struct command *command_ring_claim(struct command_ring *ring, uint8_t slots, bool urgent)
{
    ASSERT(ring->claimed == 0);
    ASSERT(slots >= 1 && slots <= COMMAND_SLOTS_MAX);
    uint64_t padding = command_ring_padding(ring, slots);
    uint64_t reserve = urgent ? 0 : ring->capacity / 8;
    if (!command_ring_has_room(ring, padding + slots + reserve))
        return NULL;
    if (padding > 0) {
        struct command_header pad = {.slots = (uint8_t)padding, .type = CMD_padding};
        memcpy(command_ring_slot(ring, ring->position), &pad, sizeof pad);
    }
    uint8_t *record = command_ring_slot(ring, ring->position + padding);
    memset(record, 0, (size_t)slots * SLOT_BYTES);
    ring->claimed = padding + slots;
    return (struct command *)(void *)record;
}

void command_ring_show(struct command_ring *ring)
{
    ASSERT(ring->claimed > 0);
    ring->position += ring->claimed;
    ring->claimed = 0;
    // Release: the record is complete before the tail shows it.
    atomic_store_explicit(&ring->control->tail, ring->position, memory_order_release);
}

void command_ring_wake(struct command_ring *ring)
{
    // Full fence: the tail must be visible before we look whether the core sleeps, else both could
    // miss the other (the core sets core_sleeping, fences, and looks at the tail once more).
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&ring->control->core_sleeping, memory_order_relaxed) != 0) {
        atomic_fetch_add_explicit(&ring->control->wake, 1, memory_order_release);
        futex_wake(&ring->control->wake);
    }
}

void command_ring_publish(struct command_ring *ring)
{
    command_ring_show(ring);
    command_ring_wake(ring);
}

uint64_t command_ring_free(struct command_ring *ring)
{
    ring->other = atomic_load_explicit(&ring->control->head, memory_order_acquire);
    uint64_t used = ring->position - ring->other + ring->capacity / 8;
    return used >= ring->capacity ? 0 : ring->capacity - used;
}

// ---- consumer

static void command_ring_release(struct command_ring *ring, uint64_t slots)
{
    ring->position += slots;
    // Release: our copy is complete before the producer may overwrite the slots.
    atomic_store_explicit(&ring->control->head, ring->position, memory_order_release);
}

// True if a record of `slots` slots can start at a position: published, and not across the end.
static bool command_ring_fits(const struct command_ring *ring, uint64_t position, uint8_t slots)
{
    uint64_t to_end = ring->capacity - (position & (ring->capacity - 1));
    return slots >= 1 && slots <= COMMAND_SLOTS_MAX && slots <= to_end &&
           slots <= ring->other - position;
}

// Looks at the tail if nothing known is left.
static enum command_ring_result command_ring_look(struct command_ring *ring)
{
    if (ring->position != ring->other)
        return COMMAND_RING_TAKEN;
    // Acquire: everything before the tail is visible.
    uint64_t tail = atomic_load_explicit(&ring->control->tail, memory_order_acquire);
    if (tail == ring->position)
        return COMMAND_RING_EMPTY;
    if (tail - ring->position > ring->capacity)
        return COMMAND_RING_LIE;
    ring->other = tail;
    return COMMAND_RING_TAKEN;
}

enum command_ring_result command_ring_take(struct command_ring *ring, struct command *out)
{
    for (;;) {
        enum command_ring_result look = command_ring_look(ring);
        if (look != COMMAND_RING_TAKEN)
            return look;
        // The first slot is copied once and judged by the copy only: what the producer writes into
        // it from now on changes nothing.
        memcpy(out, command_ring_slot(ring, ring->position), SLOT_BYTES);
        uint8_t slots = out->header.slots;
        if (!command_ring_fits(ring, ring->position, slots))
            return COMMAND_RING_LIE;
        if (out->header.type != CMD_padding) {
            memcpy((uint8_t *)out + SLOT_BYTES,
                   command_ring_slot(ring, ring->position) + SLOT_BYTES,
                   (size_t)(slots - 1) * SLOT_BYTES);
            command_ring_release(ring, slots);
            return COMMAND_RING_TAKEN;
        }
        // Padding ends exactly at the end of the ring, so there are never two in a row.
        if (((ring->position + slots) & (ring->capacity - 1)) != 0)
            return COMMAND_RING_LIE;
        command_ring_release(ring, slots);
    }
}

bool command_ring_ahead(const struct command_ring *ring, uint64_t *position,
                        uint8_t out[COMMAND_RING_AHEAD_BYTES])
{
    while (*position != ring->other) {
        ASSERT(*position - ring->position < ring->other - ring->position);
        struct command_header header;
        memcpy(out, command_ring_slot(ring, *position), SLOT_BYTES);
        memcpy(&header, out, sizeof header);
        if (!command_ring_fits(ring, *position, header.slots))
            return false;
        if (header.slots > 1)
            memcpy(out + SLOT_BYTES, command_ring_slot(ring, *position) + SLOT_BYTES, SLOT_BYTES);
        *position += header.slots;
        if (header.type != CMD_padding)
            return true;
    }
    return false;
}

uint32_t command_ring_sleep_begin(struct command_ring *ring)
{
    uint32_t seen = atomic_load_explicit(&ring->control->wake, memory_order_acquire);
    atomic_store_explicit(&ring->control->core_sleeping, 1, memory_order_relaxed);
    return seen;
}

bool command_ring_has_work(const struct command_ring *ring)
{
    return ring->position != ring->other ||
           atomic_load_explicit(&ring->control->tail, memory_order_acquire) != ring->position;
}

void command_ring_sleep_end(struct command_ring *ring)
{
    atomic_store_explicit(&ring->control->core_sleeping, 0, memory_order_relaxed);
}
