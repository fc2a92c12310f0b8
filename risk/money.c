#include "risk/money.h"

int64_t money_deviation_bps(int64_t price, int64_t reference)
{
    ASSERT(price >= 0);
    ASSERT(reference > 0);
    uint64_t distance = (uint64_t)(price > reference ? price - reference : reference - price);
    money_product scaled = (money_product)distance * MONEY_BPS_ONE;
    money_product bps = (scaled + (uint64_t)reference - 1) / (uint64_t)reference;
    return bps > INT64_MAX ? INT64_MAX : (int64_t)bps;
}

struct money_divisor money_divisor_of(int64_t divisor)
{
    ASSERT(divisor > 0);
    struct money_divisor out = {.shift = (uint32_t)__builtin_ctzll((uint64_t)divisor)};
    uint64_t odd = (uint64_t)divisor >> out.shift;
    uint64_t inverse = odd; // right in its lowest 3 bits; each Newton step doubles them
    for (int step = 0; step < 5; step++)
        inverse *= 2 - odd * inverse;
    ASSERT(inverse * odd == 1);
    out.inverse = inverse;
    out.quotient_max = UINT64_MAX / (uint64_t)divisor;
    return out;
}
