#include "base/arena.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/checked.h"

int arena_open(struct arena *arena, size_t bytes)
{
    ASSERT(bytes > 0);
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    madvise(memory, bytes, MADV_HUGEPAGE); // a wish: without it the memory is only slower
    *arena = (struct arena){.memory = memory, .bytes = bytes, .mapped = bytes};
    return 0;
}

void arena_close(struct arena *arena)
{
    if (arena->mapped != 0)
        ASSERT(munmap(arena->memory, arena->mapped) == 0);
    *arena = (struct arena){0};
}

void arena_init(struct arena *arena, void *memory, size_t bytes)
{
    ASSERT(memory != NULL);
    *arena = (struct arena){.memory = memory, .bytes = bytes};
}

void *arena_alloc(struct arena *arena, size_t bytes, size_t alignment)
{
    uintptr_t base = (uintptr_t)arena->memory;
    size_t start = round_up(base + arena->used, alignment) - base;
    size_t end;
    if (!checked_add_size(&end, start, bytes) || end > arena->bytes)
        return NULL;
    arena->used = end;
    return arena->memory + start;
}
