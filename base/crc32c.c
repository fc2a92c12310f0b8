#include "base/crc32c.h"

#include <nmmintrin.h>
#include <string.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t bytes)
{
    const unsigned char *p = data;
    uint64_t state = ~crc;
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        state = _mm_crc32_u64(state, word);
    }
    uint32_t tail = (uint32_t)state;
    for (; bytes > 0; bytes--, p++)
        tail = _mm_crc32_u8(tail, *p);
    return ~tail;
}
