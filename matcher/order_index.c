#include "matcher/order_index.h"

void order_index_old_add(struct order_index *index, uint64_t id, uint32_t place)
{
    ASSERT(id != 0);
    ASSERT(place != 0);
    uint32_t slot = order_index_old_home(index, (uint32_t)id);
    while (index->old[slot].place != 0) {
        ASSERT(index->old[slot].place != place);
        slot = (slot + 1) & index->old_mask;
    }
    index->old[slot] = (struct order_index_entry){.id_low = (uint32_t)id, .place = place};
    index->old_count++;
    ASSERT(index->old_count <= index->old_mask / 2 + 1);
}

// Moves entries that were pushed behind `hole` back into it, so that no probe stops too early.
static void close_hole(struct order_index *index, uint32_t hole)
{
    uint32_t slot = hole;
    for (;;) {
        slot = (slot + 1) & index->old_mask;
        struct order_index_entry entry = index->old[slot];
        if (entry.place == 0)
            break;
        uint32_t home = order_index_old_home(index, entry.id_low);
        if (((slot - home) & index->old_mask) < ((slot - hole) & index->old_mask))
            continue; // its home lies behind the hole
        index->old[hole] = entry;
        hole = slot;
    }
    index->old[hole] = (struct order_index_entry){0};
}

void order_index_old_remove(struct order_index *index, uint64_t id, uint32_t place)
{
    ASSERT(id != 0);
    ASSERT(place != 0);
    uint32_t slot = order_index_old_home(index, (uint32_t)id);
    while (index->old[slot].place != place) {
        ASSERT(index->old[slot].place != 0);
        slot = (slot + 1) & index->old_mask;
    }
    ASSERT(index->old[slot].id_low == (uint32_t)id && index->old_count > 0);
    index->old_count--;
    close_hole(index, slot);
}
