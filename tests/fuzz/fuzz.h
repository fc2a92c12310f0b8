// Fuzz: what the fuzzers share: numbers from a seed, and the options --seed N --rounds N. What is
// broken on purpose is logged by the line, so standard error is closed unless LOUD is set: run
// again with LOUD=1 and the same seed to see what an abort was about.
#ifndef LONJA_TESTS_FUZZ_H
#define LONJA_TESTS_FUZZ_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct fuzz {
    const char *name;
    uint64_t seed, rounds;
};

static inline uint64_t fuzz_draw(struct fuzz *fuzz) // splitmix64
{
    uint64_t z = (fuzz->seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline size_t fuzz_below(struct fuzz *fuzz, size_t limit)
{
    ASSERT(limit > 0);
    return (size_t)(fuzz_draw(fuzz) % limit);
}

// One of the usual small damages: a byte changed, taken out, put in, or the end cut off.
static inline size_t fuzz_damage(struct fuzz *fuzz, uint8_t *bytes, size_t count, size_t room)
{
    if (count == 0)
        return 0;
    size_t at = fuzz_below(fuzz, count);
    switch (fuzz_below(fuzz, 8)) {
    case 0:
        return at;
    case 1:
        memmove(bytes + at, bytes + at + 1, count - at - 1);
        return count - 1;
    case 2:
        if (count == room)
            return count;
        memmove(bytes + at + 1, bytes + at, count - at);
        bytes[at] = (uint8_t)fuzz_draw(fuzz);
        return count + 1;
    case 3:
        bytes[at] = fuzz_below(fuzz, 2) == 0 ? 0 : UINT8_MAX;
        return count;
    case 4:
        bytes[at] ^= (uint8_t)(1u << fuzz_below(fuzz, 8));
        return count;
    default:
        bytes[at] = (uint8_t)fuzz_draw(fuzz);
        return count;
    }
}

static inline void fuzz_begin(struct fuzz *fuzz, const char *name, int argc, char **argv)
{
    *fuzz = (struct fuzz){.name = name, .seed = 1, .rounds = 20000};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            fuzz->seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0)
            fuzz->rounds = strtoull(argv[i + 1], NULL, 10);
    }
    printf("%s: seed %" PRIu64 " rounds %" PRIu64 "\n", name, fuzz->seed, fuzz->rounds);
    fflush(stdout);
    if (getenv("LOUD") == NULL)
        ASSERT(freopen("/dev/null", "w", stderr) != NULL);
}

#endif
