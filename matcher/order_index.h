// Order index: order id -> place in the pool.
//
// Ids are command sequences: they ascend, and most orders live shortly. So the low bits of the id
// lead straight to a slot of `recent`, where neighbours in time are neighbours in memory: a new
// order's slot lies in the line of the one before. When an id comes round to the slot of an order
// that still lives, the elder moves to `old`, once in its life: a hash table with linear probing
// and backward-shift deletion. No tombstones, and no growth with the ids ever seen.
//
// `recent` holds no ids: the order at the place says whether it is the one. An entry of `old` keeps
// the low half of the id, from which its home follows.
//
// Threads: the engine's. Memory: the caller's (order_pool_layout), all zero at first.
#ifndef LONJA_MATCHER_ORDER_INDEX_H
#define LONJA_MATCHER_ORDER_INDEX_H

#include <stdint.h>

#include "base/assert.h"

struct order_index_entry {
    uint32_t id_low;
    uint32_t place; // 0 = free
};

struct order_index {
    uint32_t *recent;              // recent_mask + 1 places, by the low bits of the id; 0 = free
    struct order_index_entry *old; // old_mask + 1
    uint32_t recent_mask;          // at least four times the orders: few live to be displaced
    uint32_t old_mask;             // at least twice the orders
    uint32_t old_count;
};

static inline uint32_t *order_index_recent(const struct order_index *index, uint64_t id)
{
    return &index->recent[id & index->recent_mask];
}

// The old orders' part. Ids are not in it yet, or are in it.
void order_index_old_add(struct order_index *index, uint64_t id, uint32_t place);
void order_index_old_remove(struct order_index *index, uint64_t id, uint32_t place);

static inline uint32_t order_index_old_home(const struct order_index *index, uint32_t id_low)
{
    return (uint32_t)(id_low * 0x9e3779b97f4a7c15u >> 32) & index->old_mask;
}

// A place of an old order whose id has this low half, at or behind *slot; 0 = there is none. The
// caller looks at the order, and if it is another, goes on from the slot behind.
static inline uint32_t order_index_old_probe(const struct order_index *index, uint32_t *slot,
                                             uint32_t id_low)
{
    for (;; *slot = (*slot + 1) & index->old_mask) {
        const struct order_index_entry *entry = &index->old[*slot];
        if (entry->place == 0 || entry->id_low == id_low)
            return entry->place;
    }
}

#endif
