#include "core/look_ahead.h"

static struct look_ahead_record *record_at(struct look_ahead *ahead, uint32_t i)
{
    ASSERT(i < LOOK_AHEAD_RECORDS);
    return &ahead->records[(ahead->first + i) % LOOK_AHEAD_RECORDS];
}

// True if a position is between the next record and the tail that is known. A ring that was skipped
// goes anywhere, back too.
static bool is_ahead(const struct command_ring *ring, uint64_t position)
{
    uint64_t distance = position - ring->position;
    return distance != 0 && distance <= ring->other - ring->position;
}

// Those that have been taken, or skipped, are not ahead any more.
static void forget_taken(struct look_ahead *ahead, const struct command_ring *ring)
{
    while (ahead->count > 0 && !is_ahead(ring, record_at(ahead, 0)->position)) {
        ahead->first = (ahead->first + 1) % LOOK_AHEAD_RECORDS;
        ahead->count--;
    }
    if (!is_ahead(ring, ahead->position)) {
        ahead->count = 0;
        ahead->position = ring->position;
    }
}

static void fetch(struct look_ahead *ahead, const struct engine *engine, uint32_t i, uint32_t step)
{
    const void *slots = record_at(ahead, i)->slots;
    engine_fetch(engine, (const struct command *)slots, step);
}

static void fetch_new(struct look_ahead *ahead, const struct command_ring *ring,
                      const struct engine *engine)
{
    while (ahead->count < LOOK_AHEAD_RECORDS) {
        struct look_ahead_record *record = record_at(ahead, ahead->count);
        if (!command_ring_ahead(ring, &ahead->position, record->slots))
            break;
        record->position = ahead->position;
        fetch(ahead, engine, ahead->count++, 0);
    }
}

void look_ahead(struct look_ahead *ahead, const struct command_ring *ring,
                const struct engine *engine)
{
    forget_taken(ahead, ring);
    fetch_new(ahead, ring, engine);
    for (uint32_t step = 1; step < ENGINE_FETCH_STEPS; step++) {
        uint32_t turn = LOOK_AHEAD_STEP * (ENGINE_FETCH_STEPS - step) - 1;
        if (turn < ahead->count)
            fetch(ahead, engine, turn, step);
    }
}
