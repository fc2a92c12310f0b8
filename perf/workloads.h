// Workloads: the seeded flows that are compared by, with what every right engine must reach.
#ifndef LONJA_PERF_WORKLOADS_H
#define LONJA_PERF_WORKLOADS_H

#include <stdbool.h>
#include <stdint.h>

#include "perf/order_flow.h"

struct published { // other lengths and seeds are compared with order_flow's own book
    uint64_t operations;
    struct order_flow_result result;
};

struct workload {
    const char *name;
    bool matches_only;
    uint32_t instruments, live;
    uint64_t seed;
    struct published published[2];
};

enum { WORKLOADS = 3 };

extern const struct workload workloads[WORKLOADS];

// The most orders that are ever open together.
uint32_t workload_orders_max(const struct workload *workload);
// What has to come out of `operations` with this seed: as published, else as the flow's book says.
struct order_flow_result workload_expected(const struct workload *workload, uint64_t operations,
                                           uint64_t seed, const struct order_flow *flow);

#endif
