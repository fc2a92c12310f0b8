#include "perf/measure.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

uint64_t measure_now_ns(void)
{
    return clock_monotone_ns(&clock_system);
}

static int measure_compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

uint64_t measure_percentile(uint64_t *samples, size_t count, double fraction)
{
    ASSERT(count > 0 && fraction >= 0 && fraction <= 1);
    qsort(samples, count, sizeof *samples, measure_compare);
    return samples[(size_t)((double)(count - 1) * fraction)];
}

void measure_pin(int cpu)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    if (sched_setaffinity(0, sizeof cpus, &cpus) != 0)
        fprintf(stderr, "bench: cannot pin to cpu %d\n", cpu);
}

static _Atomic bool measure_hogging;

static void *measure_hog(void *context)
{
    measure_pin((int)(intptr_t)context);
    struct sched_param parameter = {0};
    ASSERT(sched_setscheduler(0, SCHED_IDLE, &parameter) == 0);
    while (atomic_load_explicit(&measure_hogging, memory_order_relaxed))
        __builtin_ia32_pause();
    return NULL;
}

void measure_hogs_start(struct measure_hogs *hogs)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    hogs->count = cpus > 64 ? 64 : (int)cpus;
    atomic_store(&measure_hogging, true);
    for (int i = 0; i < hogs->count; i++)
        ASSERT(pthread_create(&hogs->threads[i], NULL, measure_hog, (void *)(intptr_t)i) == 0);
}

void measure_hogs_stop(struct measure_hogs *hogs)
{
    atomic_store(&measure_hogging, false);
    for (int i = 0; i < hogs->count; i++)
        ASSERT(pthread_join(hogs->threads[i], NULL) == 0);
}

void measure_print(const struct measure_result *result)
{
    double divisor = result->divisor == 0 ? 1 : result->divisor;
    uint64_t *samples = result->samples;
    double median = (double)measure_percentile(samples, result->count, 0.5) / divisor;
    printf("{\"bench\":\"%s\",\"workload\":\"%s\",\"metric\":\"%s\",\"min\":%.2f,\"median\":%.2f,"
           "\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f",
           result->bench, result->workload, result->metric, (double)samples[0] / divisor, median,
           median, (double)measure_percentile(samples, result->count, 0.99) / divisor,
           (double)measure_percentile(samples, result->count, 0.999) / divisor);
    if (result->floor != NULL) {
        double floor =
            (double)measure_percentile(result->floor_samples, result->floor_count, 0.5) / divisor;
        printf(",\"floor\":\"%s\",\"floor_median\":%.2f,\"ratio\":%.3f", result->floor, floor,
               median / floor);
    }
    printf("}\n");
    fflush(stdout);
}
