// Report: one measured figure beside its floor, as the line that ./bench reads or as text for a
// person; and the options that every benchmark understands.
#ifndef LONJA_PERF_REPORT_H
#define LONJA_PERF_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "perf/measure.h"

enum report_length {
    LENGTH_SMOKE, // does it run? The figures mean nothing
    LENGTH_QUICK, // seconds
    LENGTH_LONG,  // minutes: more rounds and rates
};

struct report_options {
    bool json;
    enum report_length length;
    const char *workload; // NULL = all; order-ack: a protocol
    bool seeded;
    uint64_t seed; // book: in place of the published ones
};

// Reads --json, --smoke, --quick (the default), --long, --workload NAME, --seed N. On anything else
// prints the usage and returns false.
CHECKED bool report_options_read(struct report_options *options, int count, char **words);
bool report_wanted(const struct report_options *options, const char *workload);

// What does not apply is NULL or NAN and left out. Figures are in the metric's unit.
struct report_line {
    const char *bench, *workload, *metric;
    double min, median;    // over rounds
    double p50, p99, p999; // over all single spans
    const char *floor;
    double floor_median, ratio; // ratio = ours / floor
    double floor_p99, floor_p999, ratio_p99, ratio_p999;
    double mark, mark_p99; // the most that is allowed of median and p99
    const char *checksum;
    bool memory;           // tell the process's peak memory
    size_t resident_bytes; // or, if not 0, this: of what is measured
};

struct report_line report_line(const char *bench, const char *workload, const char *metric);
// Fills p50, p99, p999, or those of the floor; median is the p50 unless rounds said otherwise.
void report_samples(struct report_line *line, const struct samples *samples);
void report_floor_samples(struct report_line *line, const char *floor,
                          const struct samples *samples);
// Ratios from what is there.
void report_print(struct report_line *line, bool json);

#endif
