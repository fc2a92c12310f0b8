// Order flow: the seeded workloads mix1, mix100 and match1 that matching engines are compared by,
// made one operation at a time, with a plain reference book inside that says what every right
// engine must reach.
//
// Prices are ticks in 1..65535, quantities lots; ids count up from 1. The first instruments * live
// operations fill the books and are not counted. Not for production: allocates, and trusts its
// arguments.
#ifndef LONJA_PERF_ORDER_FLOW_H
#define LONJA_PERF_ORDER_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"

enum order_flow_kind { FLOW_NEW, FLOW_CANCEL, FLOW_IOC, FLOW_REPLACE, FLOW_MARKET };

struct order_flow_operation {
    uint8_t kind; // enum order_flow_kind
    bool sell;
    bool counted; // behind the filling of the books
    uint32_t instrument;
    uint32_t price; // 0 for cancel and market
    uint32_t quantity;
    uint32_t id;     // of the new order; of a cancel or replace: the order it names
    uint32_t new_id; // of a replace
};

struct order_flow_result { // of the counted operations
    uint64_t trades;
    uint64_t volume;
    uint64_t checksum;
};

struct order_flow;

// `matches_only` is the "am" flow of match1, else the mix.
struct order_flow *order_flow_create(bool matches_only, uint32_t instruments, uint32_t live,
                                     uint64_t operations, uint64_t seed);
void order_flow_destroy(struct order_flow *flow);
// The next operation; false at the end.
CHECKED bool order_flow_next(struct order_flow *flow, struct order_flow_operation *out);
// What a right engine has reached after the operations made so far.
struct order_flow_result order_flow_expected(const struct order_flow *flow);

// Adds one match to a checksum: order-sensitive, over (maker id, quantity).
uint64_t order_flow_checksum(uint64_t checksum, uint64_t maker_id, uint64_t quantity);

#endif
