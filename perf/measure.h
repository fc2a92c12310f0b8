// What the benchmarks share: samples and their percentiles, one line of JSON, CPUs, hogs.
#ifndef LONJA_PERF_MEASURE_H
#define LONJA_PERF_MEASURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint64_t measure_now_ns(void);
// The sample at `fraction` (0..1) of `count` samples; sorts them.
uint64_t measure_percentile(uint64_t *samples, size_t count, double fraction);
void measure_pin(int cpu); // the calling thread; says so on standard error if it cannot

// Keeps every CPU busy with a thread that yields to anybody else (SCHED_IDLE), so that no virtual
// CPU sleeps while we measure.
struct measure_hogs {
    pthread_t threads[64];
    int count;
};
void measure_hogs_start(struct measure_hogs *hogs);
void measure_hogs_stop(struct measure_hogs *hogs);

struct measure_result {
    const char *bench, *workload, *metric;
    uint64_t *samples; // of ours, in the metric's unit
    size_t count;
    const char *floor; // NULL = none
    uint64_t *floor_samples;
    size_t floor_count;
    double divisor; // samples are divided by it when printed (0 = 1)
};
// Prints the result as performance.md wants it.
void measure_print(const struct measure_result *result);

#endif
