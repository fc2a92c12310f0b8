#include "perf/workloads.h"

const struct workload workloads[WORKLOADS] = {
    {"mix1",
     false,
     1,
     10000,
     42,
     {{5000000, {982490, 25046177, 0xfc1e36962a8256f2}},
      {300000, {58953, 1488977, 0xaff4f11ac838c766}}}},
    {"mix100",
     false,
     100,
     1000,
     44,
     {{5000000, {949717, 24329428, 0x804fade68dbc64b9}},
      {300000, {57469, 1472469, 0xaa977ffd7a1c69ed}}}},
    {"match1",
     true,
     1,
     10000,
     43,
     {{5000000, {4752518, 228489116, 0x80d04e37fe1e25ee}},
      {300000, {292072, 11506149, 0x22e7422e541248d8}}}},
};

uint32_t workload_orders_max(const struct workload *workload)
{
    return workload->instruments * workload->live * (workload->matches_only ? 40 : 2);
}

struct order_flow_result workload_expected(const struct workload *workload, uint64_t operations,
                                           uint64_t seed, const struct order_flow *flow)
{
    for (int i = 0; i < 2; i++)
        if (seed == workload->seed && workload->published[i].operations == operations)
            return workload->published[i].result;
    return order_flow_expected(flow);
}
