#include "perf/machine.h"

#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

static bool write_text(const char *folder, const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return false;
    bool written = fputs(text, file) >= 0;
    return fclose(file) == 0 && written;
}

// SCHED_IDLE counts within a scheduling group only, and a terminal session is one (autogroup):
// beside other sessions at work, hogs would use up the share of the very processes that are
// measured. In an idle group of their own they give way to everybody. Only root can make one;
// without it, measure on a machine at rest.
static const char *const idle_groups[] = {"/sys/fs/cgroup/cpu/lonja-bench-hogs",
                                          "/sys/fs/cgroup/lonja-bench-hogs"};

static void join_idle_group(void)
{
    for (int i = 0; i < 2; i++) {
        (void)mkdir(idle_groups[i], 0755); // it may be there already
        if (write_text(idle_groups[i], "cpu.idle", "1") &&
            write_text(idle_groups[i], "cgroup.procs", "0"))
            return;
    }
}

static void remove_idle_groups(void)
{
    for (int i = 0; i < 2; i++)
        (void)rmdir(idle_groups[i]); // one of them at most is there
}

static __attribute__((noreturn)) void hog(int cpu, pid_t parent)
{
    struct sched_param parameter = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    join_idle_group();
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
    remove_idle_groups();
}

const char *machine_state(void)
{
    return hog_count > 0 ? "hog" : "idle";
}
