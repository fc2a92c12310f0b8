// Digest: a fast 64-bit running digest of 128-byte records, by which core, tape, standby and replay
// compare what they produced. Four lanes of multiply and rotate keep it below the cost of writing
// the event. It is part of the journal's format: the same on every compiler, never to be changed
// without a new version of the journal. Not for adversaries.
#ifndef LONJA_BASE_DIGEST_H
#define LONJA_BASE_DIGEST_H

#include <stdint.h>
#include <string.h>

#define DIGEST_PRIME_1 0x9e3779b185ebca87ULL
#define DIGEST_PRIME_2 0xc2b2ae3d27d4eb4fULL

static inline uint64_t digest_rotate(uint64_t value, int bits)
{
    return value << bits | value >> (64 - bits);
}

static inline uint64_t digest_mix(uint64_t lane, uint64_t word)
{
    return digest_rotate(lane ^ word * DIGEST_PRIME_2, 31) * DIGEST_PRIME_1;
}

// The digest after one more record of 128 bytes; 0 is the digest of nothing.
static inline uint64_t digest_record(uint64_t digest, const void *record)
{
    uint64_t words[16];
    memcpy(words, record, sizeof words);
    uint64_t lane[4] = {digest + DIGEST_PRIME_1, digest ^ DIGEST_PRIME_2, digest_rotate(digest, 17),
                        ~digest};
    for (int i = 0; i < 16; i += 4)
        for (int k = 0; k < 4; k++)
            lane[k] = digest_mix(lane[k], words[i + k]);
    uint64_t result = digest_rotate(lane[0], 1) + digest_rotate(lane[1], 7) +
                      digest_rotate(lane[2], 12) + digest_rotate(lane[3], 18);
    result = (result ^ result >> 29) * DIGEST_PRIME_2;
    return result ^ result >> 32;
}

#endif
