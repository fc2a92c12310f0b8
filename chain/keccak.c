#include "chain/keccak.h"

#include <string.h>

/* The sponge of FIPS 202 with the original padding. Capacity 512 bits: 136 bytes are absorbed per
 * permutation. The state is 5 × 5 lanes of 64 bits, lane (x, y) at index x + 5 y. */
#define RATE_BYTES 136
#define ROUNDS     24
#define LANES      25

static const uint64_t round_constants[ROUNDS] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

/* Rho's rotation and pi's destination, along the single cycle that pi makes of lanes 1 to 24. */
static const uint8_t cycle_rotation[LANES - 1] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                                                  27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};
static const uint8_t cycle_lane[LANES - 1] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                                              15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

/* The loops of a round are short and their indices constant: written out by the compiler, the lanes
 * need no index and mostly no memory (half the time). */
#ifdef __clang__
#define WRITE_OUT _Pragma("clang loop unroll(full)")
#else
#define WRITE_OUT _Pragma("GCC unroll 24")
#endif

static void theta(uint64_t lanes[LANES])
{
    uint64_t parity[5];
    WRITE_OUT
    for (unsigned x = 0; x < 5; x++)
        parity[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
    WRITE_OUT
    for (unsigned x = 0; x < 5; x++) {
        uint64_t mix = parity[(x + 4) % 5] ^ rotate_left(parity[(x + 1) % 5], 1);
        WRITE_OUT
        for (unsigned y = 0; y < LANES; y += 5)
            lanes[x + y] ^= mix;
    }
}

static void rho_and_pi(uint64_t lanes[LANES])
{
    uint64_t carried = lanes[1];
    WRITE_OUT
    for (unsigned i = 0; i < LANES - 1; i++) {
        uint64_t displaced = lanes[cycle_lane[i]];
        lanes[cycle_lane[i]] = rotate_left(carried, cycle_rotation[i]);
        carried = displaced;
    }
}

static void chi(uint64_t lanes[LANES])
{
    WRITE_OUT
    for (unsigned y = 0; y < LANES; y += 5) {
        uint64_t row[5];
        memcpy(row, lanes + y, sizeof(row));
        WRITE_OUT
        for (unsigned x = 0; x < 5; x++)
            lanes[x + y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5]);
    }
}

static void permute(uint64_t lanes[LANES])
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        theta(lanes);
        rho_and_pi(lanes);
        chi(lanes);
        lanes[0] ^= round_constants[round];
    }
}

static void absorb(uint64_t lanes[LANES], const uint8_t block[RATE_BYTES])
{
    for (unsigned i = 0; i < RATE_BYTES / 8; i++) {
        uint64_t lane;
        memcpy(&lane, block + 8 * i, sizeof(lane)); /* little endian, as x86-64 is */
        lanes[i] ^= lane;
    }
    permute(lanes);
}

void keccak256(uint8_t out[KECCAK_BYTES], const uint8_t *data, size_t len)
{
    uint64_t lanes[LANES] = {0};
    for (; len >= RATE_BYTES; data += RATE_BYTES, len -= RATE_BYTES)
        absorb(lanes, data);
    uint8_t last[RATE_BYTES] = {0};
    if (len > 0)
        memcpy(last, data, len);
    last[len] ^= 0x01;
    last[RATE_BYTES - 1] ^= 0x80;
    absorb(lanes, last);
    memcpy(out, lanes, KECCAK_BYTES);
}

struct chain_hash keccak256_hash(const uint8_t *data, size_t len)
{
    struct chain_hash hash;
    keccak256(hash.bytes, data, len);
    return hash;
}
