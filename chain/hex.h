/* Hexadecimal text of the chain: data as "0x" followed by byte pairs, quantities as "0x" followed
 * by a number without leading zeros (the two encodings of the Ethereum JSON-RPC).
 *
 * No allocation, no state: any thread. A text that is refused leaves the output unspecified.
 */
#ifndef LONJA_CHAIN_HEX_H
#define LONJA_CHAIN_HEX_H

#include "chain/wide.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Characters, with "0x" and the terminating zero, of `len` bytes. */
#define HEX_TEXT_SIZE(len) (2 * (len) + 3)
#define HEX_QUANTITY_SIZE  HEX_TEXT_SIZE(16)

/* Writes "0x…" and a terminating zero: HEX_TEXT_SIZE(len) characters. */
void hex_encode(char *out, const uint8_t *bytes, size_t len);

/* Reads an even number of digits, with or without "0x". Returns the number of bytes, or -1 when a
 * character is no digit, the number of digits is odd or more than `max` bytes would be written. */
__attribute__((warn_unused_result)) ssize_t hex_decode(uint8_t *out, size_t max, const char *text);

/* As above, for a value of exactly `len` bytes. */
__attribute__((warn_unused_result)) bool hex_decode_exact(uint8_t *out, size_t len,
                                                          const char *text);

/* Writes "0x1f"; `out` has HEX_QUANTITY_SIZE characters. */
void hex_quantity(char *out, chain_uint128 value);

/* Reads "0x1f" ("0x" is needed, leading zeros are tolerated). False when it is malformed or larger
 * than the type. */
__attribute__((warn_unused_result)) bool hex_quantity_u128(chain_uint128 *out, const char *text);
__attribute__((warn_unused_result)) bool hex_quantity_u64(uint64_t *out, const char *text);

#endif
