#include "perf/measure.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"

enum { SAMPLES_STEPS = 1 << SAMPLES_STEP_BITS, SAMPLES_BEYOND_MIN = 10 };

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t measure_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t measure_processor_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void measure_sleep_until(uint64_t ns)
{
    struct timespec until = {.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

// ---- samples

void samples_clear(struct samples *samples)
{
    memset(samples, 0, sizeof *samples);
}

// Below 64 each value has a bucket; above, the six bits behind the leading one choose it.
static uint32_t bucket_of(uint64_t ns)
{
    if (ns < SAMPLES_STEPS)
        return (uint32_t)ns;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(ns) - SAMPLES_STEP_BITS;
    return ((power + 1) << SAMPLES_STEP_BITS) + (uint32_t)(ns >> power & (SAMPLES_STEPS - 1));
}

static double bucket_middle(uint32_t bucket)
{
    if (bucket < SAMPLES_STEPS)
        return bucket;
    uint32_t power = (bucket >> SAMPLES_STEP_BITS) - 1;
    uint64_t low = (uint64_t)(SAMPLES_STEPS + (bucket & (SAMPLES_STEPS - 1))) << power;
    return (double)low + (double)(1ull << power) / 2.0;
}

void samples_add(struct samples *samples, uint64_t ns)
{
    uint32_t bucket = bucket_of(ns);
    ASSERT(bucket < SAMPLES_BUCKETS);
    samples->buckets[bucket]++;
    samples->count++;
}

void samples_merge(struct samples *into, const struct samples *from)
{
    for (uint32_t i = 0; i < SAMPLES_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
}

double samples_percentile(const struct samples *samples, double share)
{
    ASSERT(share > 0 && share < 1);
    double wanted = (double)samples->count * share;
    if ((double)samples->count - wanted < SAMPLES_BEYOND_MIN)
        return NAN;
    double seen = 0;
    for (uint32_t i = 0; i < SAMPLES_BUCKETS; i++) {
        seen += (double)samples->buckets[i];
        if (seen >= wanted)
            return bucket_middle(i);
    }
    return NAN;
}

// ---- a few figures

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

double measure_median(double *figures, uint32_t count)
{
    if (count == 0)
        return NAN;
    qsort(figures, count, sizeof figures[0], compare);
    return figures[count / 2];
}

double measure_min(const double *figures, uint32_t count)
{
    double least = NAN;
    for (uint32_t i = 0; i < count; i++)
        least = i == 0 || figures[i] < least ? figures[i] : least;
    return least;
}
