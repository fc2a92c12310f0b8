// Checked arithmetic: the result, or false and nothing written. Money, prices and quantities go
// through these wherever a value from outside takes part.
#ifndef LONJA_BASE_CHECKED_H
#define LONJA_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

#define CHECKED_OPERATION(name, type, builtin)                                                     \
    CHECKED static inline bool name(type *out, type a, type b)                                     \
    {                                                                                              \
        type result;                                                                               \
        if (builtin(a, b, &result))                                                                \
            return false;                                                                          \
        *out = result;                                                                             \
        return true;                                                                               \
    }
CHECKED_OPERATION(checked_add_i64, int64_t, __builtin_add_overflow)
CHECKED_OPERATION(checked_sub_i64, int64_t, __builtin_sub_overflow)
CHECKED_OPERATION(checked_mul_i64, int64_t, __builtin_mul_overflow)
CHECKED_OPERATION(checked_add_u64, uint64_t, __builtin_add_overflow)
CHECKED_OPERATION(checked_mul_u64, uint64_t, __builtin_mul_overflow)
CHECKED_OPERATION(checked_add_size, size_t, __builtin_add_overflow)
CHECKED_OPERATION(checked_mul_size, size_t, __builtin_mul_overflow)
#undef CHECKED_OPERATION

__extension__ typedef __int128
    checked_i128; // the one typedef of the house: -Wpedantic needs the marker

// a * b / divisor, exact in the middle, rounded towards zero; false if the divisor is 0 or the
// result does not fit.
CHECKED static inline bool checked_mul_div_i64(int64_t *out, int64_t a, int64_t b, int64_t divisor)
{
    if (divisor == 0)
        return false;
    checked_i128 result = (checked_i128)a * b / divisor;
    if (result > INT64_MAX || result < INT64_MIN)
        return false;
    *out = (int64_t)result;
    return true;
}

static inline bool is_power_of_two(uint64_t value)
{
    return value != 0 && (value & (value - 1)) == 0;
}

// `value` rounded up to a multiple of `alignment`, a power of two.
static inline size_t round_up(size_t value, size_t alignment)
{
    ASSERT(is_power_of_two(alignment));
    return (value + alignment - 1) & ~(alignment - 1);
}

#endif
