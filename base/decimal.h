// Exact decimals between text and scaled 64-bit integers: "100.25" at scale 6 is 100250000. There
// is no floating point on the way. Every gateway reads and prints prices, quantities and money with
// it.
//
// Accepted text: an optional '-', digits, optionally one '.' and digits; at least one digit in all.
// So "5", "005", "5.", ".5" and "-5.10" are numbers (FIX allows all of them); "", "+5", "1e3",
// "1,000", " 5",
// "." and "-" are not. Digits beyond the scale must be zero: what cannot be kept exactly is
// refused.
//
// Any thread; no allocation.
#ifndef LONJA_BASE_DECIMAL_H
#define LONJA_BASE_DECIMAL_H

#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum {
    DECIMAL_SCALE_MAX = 18,
    DECIMAL_TEXT_BYTES_MAX = 24, // sign, 19 digits, point, a leading zero, NUL: "-0.…"; rounded up
};

enum decimal_result {
    DECIMAL_OK,
    DECIMAL_MALFORMED, // not a decimal at all
    DECIMAL_SURPLUS,   // more digits behind the point than the scale keeps
    DECIMAL_OVERFLOW,  // beyond 64 bits at this scale
};

// Reads `bytes` characters of text (no NUL needed). *out is written on DECIMAL_OK only.
CHECKED enum decimal_result decimal_parse(const char *text, size_t bytes, unsigned scale,
                                          int64_t *out);

// Prints without trailing zeros ("100.25", "7", "-0.5"), NUL-terminated; returns the length.
size_t decimal_print(int64_t value, unsigned scale, char out[DECIMAL_TEXT_BYTES_MAX]);

#endif
