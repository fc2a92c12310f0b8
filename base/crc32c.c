// The instruction takes three cycles and another can begin in each, so long data goes in three lanes
// at once: each is a checksum of its own, begun at zero but for the first, and they are put together
// by moving one over the length of the next. To move a checksum over zeroes is linear, so a table
// for each of its bytes does it.
#include "base/crc32c.h"

#include <nmmintrin.h>
#include <string.h>

enum { LANE_BYTES = 512, LANE_WORDS = LANE_BYTES / 8 };

static uint32_t crc32c_moved[4][256]; // [k][b] = (b << 8 * k) moved over a lane of zeroes

__attribute__((constructor)) static void crc32c_make_table(void)
{
    for (uint32_t k = 0; k < 4; k++)
        for (uint32_t b = 0; b < 256; b++) {
            uint64_t state = b << 8 * k;
            for (int i = 0; i < LANE_WORDS; i++)
                state = _mm_crc32_u64(state, 0);
            crc32c_moved[k][b] = (uint32_t)state;
        }
}

static uint64_t crc32c_move(uint64_t state)
{
    return crc32c_moved[0][state & 255] ^ crc32c_moved[1][state >> 8 & 255] ^
           crc32c_moved[2][state >> 16 & 255] ^ crc32c_moved[3][state >> 24 & 255];
}

static uint64_t crc32c_word(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static uint64_t crc32c_lanes(uint64_t state, const unsigned char *p)
{
    uint64_t second = 0, third = 0;
    for (int i = 0; i < LANE_BYTES; i += 8) {
        state = _mm_crc32_u64(state, crc32c_word(p + i));
        second = _mm_crc32_u64(second, crc32c_word(p + LANE_BYTES + i));
        third = _mm_crc32_u64(third, crc32c_word(p + 2 * LANE_BYTES + i));
    }
    return crc32c_move(crc32c_move(state) ^ second) ^ third;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t state = ~crc;
    for (; bytes >= 3 * LANE_BYTES; bytes -= 3 * LANE_BYTES, p += 3 * LANE_BYTES)
        state = crc32c_lanes(state, p);
    for (; bytes >= 8; bytes -= 8, p += 8)
        state = _mm_crc32_u64(state, crc32c_word(p));
    uint32_t tail = (uint32_t)state;
    for (; bytes > 0; bytes--, p++)
        tail = _mm_crc32_u8(tail, *p);
    return ~tail;
}
