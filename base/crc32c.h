// CRC32C (Castagnoli), by the SSE4.2 instruction. Guards blocks and files against torn writes and
// rotten bits; it is no protection against people.
#ifndef LONJA_BASE_CRC32C_H
#define LONJA_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

// CRC of `bytes` bytes, going on from `crc` (0 to begin): crc32c(crc32c(0, a), b) = crc32c(0, a +
// b).
uint32_t crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
