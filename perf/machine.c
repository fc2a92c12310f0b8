#include "perf/machine.h"

#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOGS_MAX = 64 };

static pid_t hogs[HOGS_MAX];
static int hog_count;

int machine_cpus(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    return cpus < 1 ? 1 : cpus > HOGS_MAX ? HOGS_MAX : (int)cpus;
}

void machine_pin(int cpu)
{
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET((size_t)cpu, &cpus);
    ASSERT(sched_setaffinity(0, sizeof cpus, &cpus) == 0);
}

bool machine_realtime(int priority)
{
    struct sched_param parameter = {.sched_priority = priority};
    return sched_setscheduler(0, priority == 0 ? SCHED_OTHER : SCHED_FIFO, &parameter) == 0;
}

static __attribute__((noreturn)) void hog(int cpu, pid_t parent)
{
    struct sched_param parameter = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    machine_pin(cpu);
    ASSERT(sched_setscheduler(0, SCHED_IDLE, &parameter) == 0);
    while (getppid() == parent) // a parent that died before prctl took effect
        for (volatile int i = 0; i < 100000000; i++)
            ;
    _exit(0);
}

void machine_hogs_start(void)
{
    ASSERT(hog_count == 0);
    pid_t parent = getpid();
    for (int cpu = 0; cpu < machine_cpus(); cpu++) {
        pid_t child = fork();
        ASSERT(child >= 0);
        if (child == 0)
            hog(cpu, parent);
        hogs[hog_count++] = child;
    }
}

void machine_hogs_stop(void)
{
    for (int i = 0; i < hog_count; i++) {
        kill(hogs[i], SIGKILL);
        waitpid(hogs[i], NULL, 0);
    }
    hog_count = 0;
}

const char *machine_state(void)
{
    return hog_count > 0 ? "hog" : "idle";
}
