#include "matcher/order_index.h"

void order_index_add(struct order_index *index, uint64_t id, uint32_t place)
{
    ASSERT(id != 0);
    ASSERT(place != 0);
    uint32_t slot = order_index_home(index, (uint32_t)id);
    while (index->entries[slot].place != 0) {
        ASSERT(index->entries[slot].place != place);
        slot = (slot + 1) & index->mask;
    }
    index->entries[slot] = (struct order_index_entry){.id_low = (uint32_t)id, .place = place};
}

// Moves entries that were pushed behind `hole` back into it, so that no probe stops too early.
static void order_index_close(struct order_index *index, uint32_t hole)
{
    uint32_t slot = hole;
    for (;;) {
        slot = (slot + 1) & index->mask;
        struct order_index_entry entry = index->entries[slot];
        if (entry.place == 0)
            break;
        uint32_t home = order_index_home(index, entry.id_low);
        if (((slot - home) & index->mask) < ((slot - hole) & index->mask))
            continue; // its home lies behind the hole
        index->entries[hole] = entry;
        hole = slot;
    }
    index->entries[hole] = (struct order_index_entry){0};
}

void order_index_remove(struct order_index *index, uint64_t id, uint32_t place)
{
    ASSERT(id != 0);
    ASSERT(place != 0);
    uint32_t slot = order_index_home(index, (uint32_t)id);
    while (index->entries[slot].place != place) {
        ASSERT(index->entries[slot].place != 0);
        slot = (slot + 1) & index->mask;
    }
    ASSERT(index->entries[slot].id_low == (uint32_t)id);
    order_index_close(index, slot);
}
