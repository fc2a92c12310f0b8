// Rate: a token bucket that holds one second's worth. Any clock in ns that does not go back.
#ifndef LONJA_GATEWAY_COMMON_RATE_H
#define LONJA_GATEWAY_COMMON_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rate {
    uint64_t credit_ns; // time that has been saved up; one message costs 1 s / per_second
    uint64_t last_ns;
};

static inline bool rate_take(struct rate *rate, uint64_t now_ns, uint64_t per_second)
{
    const uint64_t second_ns = 1000000000;
    uint64_t cost_ns = second_ns / per_second;
    uint64_t passed_ns = now_ns - rate->last_ns;
    rate->last_ns = now_ns;
    rate->credit_ns += passed_ns < second_ns ? passed_ns : second_ns;
    if (rate->credit_ns > second_ns)
        rate->credit_ns = second_ns;
    if (rate->credit_ns < cost_ns)
        return false;
    rate->credit_ns -= cost_ns;
    return true;
}

#endif
