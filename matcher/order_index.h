// Order index: order id -> place in the pool. Open addressing with linear probing and
// backward-shift deletion: no tombstones, and no growth with the ids ever seen.
//
// Ids are command sequences, so neighbours in time are neighbours in id: eight consecutive ids
// share one cache line, and the lines are scattered by a multiplicative hash. An entry keeps the
// low half of the id, from which its home follows; the caller's order holds the whole id and
// decides.
#ifndef LONJA_MATCHER_ORDER_INDEX_H
#define LONJA_MATCHER_ORDER_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

struct order_index_entry {
    uint32_t id_low;
    uint32_t place; // 0 = free
};

struct order_index {
    struct order_index_entry *entries; // mask + 1, at least twice the orders
    uint32_t mask;
};

static inline uint32_t order_index_home(const struct order_index *index, uint32_t id_low)
{
    uint32_t line = (uint32_t)((id_low >> 3) * 0x9e3779b97f4a7c15u >> 32);
    return (line << 3 | (id_low & 7)) & index->mask;
}

// First place from which to look for `id`; then order_index_next while the place is another
// order's.
static inline uint32_t order_index_probe(const struct order_index *index, uint32_t *slot,
                                         uint32_t id_low)
{
    for (;; *slot = (*slot + 1) & index->mask) {
        const struct order_index_entry *entry = &index->entries[*slot];
        if (entry->place == 0 || entry->id_low == id_low)
            return entry->place;
    }
}

void order_index_add(struct order_index *index, uint64_t id, uint32_t place);
// Removes the entry of `place`, which must be there.
void order_index_remove(struct order_index *index, uint64_t id, uint32_t place);

#endif
