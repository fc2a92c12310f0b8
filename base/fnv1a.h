// FNV-1a, 64 bits, of G. Fowler, L. C. Noll and K.-P. Vo: for content that is compared and for
// tables. It resists nobody who looks for a collision.
#ifndef LONJA_BASE_FNV1A_H
#define LONJA_BASE_FNV1A_H

#include <stddef.h>
#include <stdint.h>

#define FNV1A_BASIS 0xcbf29ce484222325ULL

// `hash` is FNV1A_BASIS, or what came before.
static inline uint64_t fnv1a(uint64_t hash, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3ULL;
    return hash;
}

#endif
