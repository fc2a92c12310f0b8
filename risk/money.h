// Money: exact products of prices, quantities and rates. No floating point, no division where a
// product by an inverse does, and no result that does not fit.
//
// Units: prices are cash units (1e-6) per whole token, quantities token units (10^-scale), rates
// basis points. Threads: any; pure functions.
#ifndef LONJA_RISK_MONEY_H
#define LONJA_RISK_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

__extension__ typedef unsigned __int128
    money_product;                        // a price times a quantity before it is scaled
__extension__ typedef __int128 money_sum; // of balances, positive and negative

// No balance exceeds this, so that sums of two always fit: see ledger.h.
#define MONEY_MAX ((int64_t)1 << 61)

enum { MONEY_SCALE_MAX = 8, MONEY_BPS_ONE = 10000, MONEY_CASH_SCALE = 6 };

// 10^scale, and the inverse of 5^scale modulo 2^64.
static const uint64_t money_power_of_10[MONEY_SCALE_MAX + 1] = {
    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};
static const uint64_t money_inverse_of_5[MONEY_SCALE_MAX + 1] = {
    0x0000000000000001, 0xcccccccccccccccd, 0x8f5c28f5c28f5c29,
    0x1cac083126e978d5, 0xd288ce703afb7e91, 0x5d4e8fb00bcbe61d,
    0x790fb65668c26139, 0xe5032477ae8d46a5, 0xc767074b22e90e21};

// Writes price * quantity / 10^scale. False, with nothing written, if that exceeds MONEY_MAX. The
// product must be a multiple of 10^scale (prices on tick, quantities on lot): then dividing by
// 10^scale is a shift and a product by the inverse of 5^scale, which is exact, and is asserted.
CHECKED static inline bool money_notional(int64_t *out, int64_t price, int64_t quantity,
                                          uint8_t scale)
{
    ASSERT(price >= 0 && quantity >= 0);
    ASSERT(scale <= MONEY_SCALE_MAX);
    money_product product = (money_product)(uint64_t)price * (uint64_t)quantity;
    if (product > (money_product)(uint64_t)MONEY_MAX * money_power_of_10[scale])
        return false;
    uint64_t notional = (uint64_t)(product >> scale) * money_inverse_of_5[scale];
    ASSERT(notional * (money_product)money_power_of_10[scale] == product);
    *out = (int64_t)notional;
    return true;
}

// amount * bps / 10000, rounded down. amount <= MONEY_MAX and bps <= 10000, so the result fits.
static inline int64_t money_fee(int64_t amount, uint32_t bps)
{
    ASSERT(amount >= 0 && amount <= MONEY_MAX);
    ASSERT(bps <= MONEY_BPS_ONE);
    money_product product = (money_product)(uint64_t)amount * bps;
    if (__builtin_expect((uint64_t)(product >> 64) == 0, 1))
        return (int64_t)((uint64_t)product / MONEY_BPS_ONE);
    return (int64_t)(product / MONEY_BPS_ONE);
}

// True if price is more than bps away from the reference, to either side.
static inline bool money_beyond(int64_t price, int64_t reference, uint32_t bps)
{
    ASSERT(price >= 0);
    ASSERT(reference > 0);
    uint64_t distance = (uint64_t)(price > reference ? price - reference : reference - price);
    return (money_product)distance * MONEY_BPS_ONE > (money_product)(uint64_t)reference * bps;
}

// How far price is from the reference in basis points, rounded up (so that what is beyond a limit
// also reads as beyond it), at most INT64_MAX. For the texts of refusals, not for the hot path.
int64_t money_deviation_bps(int64_t price, int64_t reference);

// Division by a number that is known beforehand, for the question "is it a multiple, and which
// one?" (Granlund and Montgomery; Lemire): one product, one rotation, one comparison.
struct money_divisor {
    uint64_t inverse;      // of the divisor's odd part, modulo 2^64
    uint64_t quotient_max; // (2^64 - 1) / divisor
    uint32_t shift;        // trailing zero bits of the divisor
    uint32_t reserved;
};

// divisor > 0.
struct money_divisor money_divisor_of(int64_t divisor);

// value / divisor if it is a multiple, else more than quotient_max.
static inline uint64_t money_quotient_or_more(const struct money_divisor *divisor, int64_t value)
{
    ASSERT(value >= 0);
    uint64_t product = (uint64_t)value * divisor->inverse;
    uint32_t shift = divisor->shift;
    return product >> shift | product << ((64 - shift) & 63);
}

static inline bool money_is_multiple(const struct money_divisor *divisor, int64_t value)
{
    return money_quotient_or_more(divisor, value) <= divisor->quotient_max;
}

// value / divisor; value is a multiple.
static inline uint64_t money_quotient(const struct money_divisor *divisor, int64_t value)
{
    uint64_t quotient = money_quotient_or_more(divisor, value);
    ASSERT(quotient <= divisor->quotient_max);
    return quotient;
}

#endif
