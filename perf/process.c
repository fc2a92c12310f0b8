#include "perf/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memfile.h"

static void inherit(int fd)
{
    if (fd >= 0)
        fcntl(fd, F_SETFD, 0);
}

static __attribute__((noreturn)) void become(const struct boot *boot, int boot_fd, int log_fd)
{
    char path[512], number[16];
    snprintf(path, sizeof path, LONJA_BIN "/lonja-%s",
             process_name((enum process_id)boot->process));
    snprintf(number, sizeof number, "%d", boot_fd);
    setenv("LONJA_BOOT_FD", number, 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL); // it ends with the benchmark
    dup2(log_fd, STDERR_FILENO);
    inherit(boot_fd);
    inherit(boot->event_ring_fd);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        inherit(boot->command_ring_fd[i]);
    for (int i = 0; i < PROCESS_COUNT; i++) {
        inherit(boot->reader_page_fd[i]);
        inherit(boot->doorbell_fd[i]);
    }
    execl(path, path, (char *)NULL);
    _exit(127);
}

pid_t process_start(const struct boot *boot, enum process_id process, int log_fd)
{
    struct boot own = *boot;
    own.process = process;
    int boot_fd = memfile_create_constant("boot", &own, sizeof own);
    ASSERT(boot_fd >= 0);
    pid_t child = fork();
    ASSERT(child >= 0);
    if (child == 0)
        become(&own, boot_fd, log_fd);
    close(boot_fd);
    return child;
}

void process_stop(pid_t pid)
{
    int status;
    kill(pid, SIGTERM);
    ASSERT(waitpid(pid, &status, 0) == pid);
    ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
