/* Unsigned numbers of 128 bits: amounts of ether and of tokens on the chain. The contracts' 256
 * bits exist only in ABI words; what does not fit 128 is refused there, never cut.
 *
 * No allocation, no state: any thread.
 */
#ifndef LONJA_CHAIN_WIDE_H
#define LONJA_CHAIN_WIDE_H

#include <stdbool.h>
#include <stdint.h>

__extension__ typedef unsigned __int128 chain_uint128;

#define WIDE_DECIMAL_SIZE 40

/* Decimal digits and a terminating zero. */
void wide_format(char out[WIDE_DECIMAL_SIZE], chain_uint128 value);

/* Digits only; false, `out` unspecified, when there are none, anything else, or too many. */
__attribute__((warn_unused_result)) bool wide_parse(chain_uint128 *out, const char *text);

enum wide_result {
    WIDE_OK,
    WIDE_MALFORMED, /* not digits, with at most one point among or before them */
    WIDE_SURPLUS,   /* more digits behind the point than `decimals`, and not zeros */
    WIDE_OVERFLOW,  /* above 128 bits */
};

/* "12.5" × 10^decimals, exactly: an amount of tokens in its smallest units. `out` is written on
 * WIDE_OK only. */
__attribute__((warn_unused_result)) enum wide_result
wide_parse_decimal(chain_uint128 *out, const char *text, unsigned decimals);

#endif
