#include "base/answer_cpu.h"

#include <sched.h>
#include <stddef.h>
#include <string.h>

#include "base/log.h"

enum { WAIT_BLOCK = 2 }; // core.wait

int answer_cpu_choose(long long configured, int count, int last)
{
    if (configured != ANSWER_CPU_AUTOMATIC)
        return configured == ANSWER_CPU_NONE ? -1 : (int)configured;
    return count > 1 && count <= ANSWER_CPUS_MAX ? last : -1;
}

static int last_of(const cpu_set_t *cpus)
{
    int last = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((size_t)cpu, cpus))
            last = cpu;
    return last;
}

// -1 = none. *cpus = where the calling thread may run.
static int cpu_of(cpu_set_t *cpus, const struct config *config)
{
    CPU_ZERO(
        cpus); // where the system does not tell, none is left: then nothing is chosen by itself
    (void)sched_getaffinity(0, sizeof *cpus, cpus);
    if (config->core_wait != WAIT_BLOCK || config->core_cpu >= 0)
        return -1;
    return answer_cpu_choose(config->venue_answer_cpu, CPU_COUNT(cpus), last_of(cpus));
}

void answer_cpu_keep(pthread_t thread, const struct config *config, const char *name)
{
    cpu_set_t cpus;
    int cpu = cpu_of(&cpus, config);
    if (cpu < 0)
        return;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    int result = pthread_setaffinity_np(thread, sizeof cpus, &cpus);
    if (result == 0)
        log_info("%s stays on one CPU with all that an answer waits for cpu=%d", name, cpu);
    else
        log_warning("%s runs anywhere: expect slower answers cpu=%d error=%s", name, cpu,
                    strerror(result));
}

void answer_cpu_leave(const struct config *config)
{
    cpu_set_t cpus;
    int cpu = cpu_of(&cpus, config);
    if (cpu < 0)
        return;
    CPU_CLR((size_t)cpu, &cpus);
    if (CPU_COUNT(&cpus) == 0 || sched_setaffinity(0, sizeof cpus, &cpus) != 0)
        log_warning("this process runs anywhere, on the CPU that answers wait for, too cpu=%d",
                    cpu);
}
