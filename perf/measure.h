// Measure: the clock of the benchmarks, and samples of spans with their percentiles.
//
// Samples are kept as counts in buckets that are at most 1.6 % wide, so that a run of any length
// takes the same memory (some 30 KB) and merging is addition. Units: nanoseconds. One thread per
// object.
#ifndef LONJA_PERF_MEASURE_H
#define LONJA_PERF_MEASURE_H

#include <stdint.h>

enum {
    SAMPLES_STEP_BITS = 6, // 64 buckets per power of two
    SAMPLES_BUCKETS = (65 - SAMPLES_STEP_BITS) << SAMPLES_STEP_BITS,
};

struct samples {
    uint64_t count;
    uint64_t buckets[SAMPLES_BUCKETS];
};

uint64_t measure_now_ns(void);       // monotone
uint64_t measure_processor_ns(void); // what the calling thread has used of a processor
void measure_sleep_until(uint64_t ns);

void samples_clear(struct samples *samples);
void samples_add(struct samples *samples, uint64_t ns);
void samples_merge(struct samples *into, const struct samples *from);
// The smallest span that `share` (0 to 1) of the samples do not exceed, to the bucket's middle; NAN
// if there are fewer than ten samples beyond it: then a percentile says nothing. (The median needs
// ten samples.)
double samples_percentile(const struct samples *samples, double share);

// The middle and the smallest of a few figures; sorts them. NAN if there are none.
double measure_median(double *figures, uint32_t count);
double measure_min(const double *figures, uint32_t count);

#endif
