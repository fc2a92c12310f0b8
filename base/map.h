// Map: 64-bit key -> 64-bit value, open addressing, grows by itself. For gateways and followers
// (the core allocates nothing after start and does not use it). Iteration order is not defined and
// must not reach anything that others see. Threads: one. Key 0 is not allowed. Out of memory
// asserts.
#ifndef LONJA_BASE_MAP_H
#define LONJA_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
    uint64_t key; // 0 = free
    uint64_t value;
};

struct map {
    struct map_entry *entries;
    size_t capacity; // power of two, or 0
    size_t count;
};

void map_init(struct map *map);
void map_fini(struct map *map);
// Returns true and sets *value if the key is there.
bool map_get(const struct map *map, uint64_t key, uint64_t *value);
void map_put(struct map *map, uint64_t key, uint64_t value);
// Returns true if the key was there.
bool map_remove(struct map *map, uint64_t key);
void map_clear(struct map *map);

#endif
