// Arena: one block of memory per component, taken at start and given back whole. Nothing is freed
// in between, so nothing can be used after it was freed, and the core never calls malloc.
#ifndef LONJA_BASE_ARENA_H
#define LONJA_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

struct arena {
    uint8_t *memory;
    size_t bytes;
    size_t used;
    size_t mapped; // bytes to give back at arena_close; 0 = the caller's memory
};

// Takes `bytes` of zeroed memory from the system, in huge pages where the system has them.
// Returns 0 or -errno.
CHECKED int arena_open(struct arena *arena, size_t bytes);
void arena_close(struct arena *arena);
// Uses the caller's zeroed memory.
void arena_init(struct arena *arena, void *memory, size_t bytes);
// `bytes` of zeroed memory at `alignment` (a power of two); NULL if the arena is used up.
void *arena_alloc(struct arena *arena, size_t bytes, size_t alignment);

#endif
