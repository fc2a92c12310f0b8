// Linear probing at a load of at most one half; removal shifts the run back, so there are no
// tombstones.
#include "base/map.h"

#include <string.h>

#include "base/assert.h"

static size_t slot_of(const struct map *map, uint64_t key)
{
    // Fibonacci hashing: the keys are mostly dense ids.
    return (size_t)(key * 0x9E3779B97F4A7C15u >> 20) & (map->capacity - 1);
}

static size_t find(const struct map *map, uint64_t key)
{
    size_t at = slot_of(map, key);
    while (map->entries[at].key != 0 && map->entries[at].key != key)
        at = (at + 1) & (map->capacity - 1);
    return at;
}

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_fini(struct map *map)
{
    free(map->entries);
    map_init(map);
}

static void grow(struct map *map)
{
    struct map larger = {.capacity = map->capacity == 0 ? 64 : map->capacity * 2,
                         .count = map->count};
    larger.entries = calloc(larger.capacity, sizeof *larger.entries);
    ASSERT(larger.entries != NULL);
    for (size_t i = 0; i < map->capacity; i++)
        if (map->entries[i].key != 0)
            larger.entries[find(&larger, map->entries[i].key)] = map->entries[i];
    free(map->entries);
    *map = larger;
}

bool map_get(const struct map *map, uint64_t key, uint64_t *value)
{
    if (map->capacity == 0 || key == 0)
        return false;
    const struct map_entry *entry = &map->entries[find(map, key)];
    if (entry->key == 0)
        return false;
    *value = entry->value;
    return true;
}

void map_put(struct map *map, uint64_t key, uint64_t value)
{
    ASSERT(key != 0);
    if ((map->count + 1) * 2 > map->capacity)
        grow(map);
    struct map_entry *entry = &map->entries[find(map, key)];
    if (entry->key == 0)
        map->count++;
    *entry = (struct map_entry){key, value};
}

bool map_remove(struct map *map, uint64_t key)
{
    if (map->capacity == 0 || key == 0)
        return false;
    size_t mask = map->capacity - 1, hole = find(map, key);
    if (map->entries[hole].key == 0)
        return false;
    for (size_t at = (hole + 1) & mask; map->entries[at].key != 0; at = (at + 1) & mask) {
        size_t home = slot_of(map, map->entries[at].key);
        if (((at - home) & mask) >= ((at - hole) & mask)) { // its run began at or before the hole
            map->entries[hole] = map->entries[at];
            hole = at;
        }
    }
    map->entries[hole].key = 0;
    map->count--;
    return true;
}

void map_clear(struct map *map)
{
    if (map->capacity > 0)
        memset(map->entries, 0, map->capacity * sizeof *map->entries);
    map->count = 0;
}
