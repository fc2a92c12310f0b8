// Between fork and exec the order matters: the user id is given up before the death signal is set (the
// kernel clears it when credentials change), limits are raised before that (it needs the privilege), and
// the current folder is entered as the new user, so that a folder it cannot reach is found here.
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memfile.h"
#include "supervisor/child.h"

extern char **environ;

enum { ENVIRONMENT_MAX = 64 };

__attribute__((noreturn)) static void give_up(const struct spawn *spawn, const char *what)
{
    dprintf(STDERR_FILENO, "supervisor: cannot start %s: %s: %s\n", spawn->executable, what,
            strerror(errno));
    _exit(CHILD_EXIT_CONFIGURATION);
}

static void inherit(const struct spawn *spawn, int fd)
{
    if (fd >= 0 && fcntl(fd, F_SETFD, 0) != 0)
        give_up(spawn, "pass a descriptor");
}

static void inherit_granted(const struct spawn *spawn, int boot_fd)
{
    const struct boot *boot = spawn->boot;
    inherit(spawn, boot_fd);
    inherit(spawn, spawn->lock_fd);
    inherit(spawn, boot->event_ring_fd);
    inherit(spawn, boot->lives_fd);
    for (int gateway = 0; gateway < GATEWAY_COUNT; gateway++)
        inherit(spawn, boot->command_ring_fd[gateway]);
    for (int process = 0; process < PROCESS_COUNT; process++) {
        inherit(spawn, boot->reader_page_fd[process]);
        inherit(spawn, boot->doorbell_fd[process]);
    }
}

static void connect_standard_streams(const struct spawn *spawn)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0)
        give_up(spawn, "open /dev/null");
    // Errors go to the log from here on.
    if (dup2(spawn->log_fd, STDOUT_FILENO) < 0 || dup2(spawn->log_fd, STDERR_FILENO) < 0)
        give_up(spawn, "open the log");
}

// Best effort: without the privilege the present limit stays, and the process says what it lacks.
static void raise_limit(__rlimit_resource_t resource, rlim_t value)
{
    struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
    if (setrlimit(resource, &limit) == 0 || getrlimit(resource, &limit) != 0)
        return;
    limit.rlim_cur = value < limit.rlim_max ? value : limit.rlim_max;
    (void)setrlimit(resource, &limit);
}

static void set_limits(const struct spawn *spawn)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < spawn->descriptors_min)
        raise_limit(RLIMIT_NOFILE, spawn->descriptors_min);
    if (spawn->realtime_priority_max > 0) {
        raise_limit(RLIMIT_RTPRIO, spawn->realtime_priority_max);
        raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
    }
    struct rlimit none = {0, 0};
    if (!spawn->core_dumps && setrlimit(RLIMIT_CORE, &none) != 0)
        give_up(spawn, "forbid core dumps");
}

static void become_user(const struct spawn *spawn)
{
    if (!spawn->own_user)
        return;
    umask(027); // the venue's group may read (the tape, the snapshots), nobody else
    if (setgroups(0, NULL) != 0 || setresgid(spawn->group_id, spawn->group_id, spawn->group_id) != 0 ||
        setresuid(spawn->user_id, spawn->user_id, spawn->user_id) != 0)
        give_up(spawn, "change to its user id");
}

static void bind_life(const struct spawn *spawn, pid_t supervisor)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        give_up(spawn, "bind its life to the supervisor's");
    if (getppid() != supervisor) // it died before the call above
        _exit(CHILD_EXIT_CONFIGURATION);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        give_up(spawn, "give up privileges");
}

static bool is_passed_on(const char *variable)
{
    // No PG… or REDIS… variable may bend what the configuration says.
    static const char *const prefixes[] = {"PATH=", "HOME=", "TZ=", "LANG=", "LC_", "LONJA_",
                                           "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=",
                                           "LSAN_OPTIONS=", "GCOV_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return strncmp(variable, "LONJA_BOOT_FD=", 14) != 0;
    return false;
}

static void fill_environment(char *environment[ENVIRONMENT_MAX], char *boot_variable)
{
    size_t count = 0;
    environment[count++] = boot_variable;
    for (char **variable = environ; *variable != NULL && count < ENVIRONMENT_MAX - 1; variable++)
        if (is_passed_on(*variable))
            environment[count++] = *variable;
    environment[count] = NULL;
}

static void reset_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL); // a shell starts its background jobs with these two ignored
    signal(SIGQUIT, SIG_DFL);
}

__attribute__((noreturn)) static void become(const struct spawn *spawn, int boot_fd, pid_t supervisor)
{
    char boot_variable[32];
    char *environment[ENVIRONMENT_MAX];
    const char *name = strrchr(spawn->executable, '/');
    ASSERT(name != NULL);
    char *arguments[] = {(char *)(uintptr_t)(name + 1), NULL};
    snprintf(boot_variable, sizeof boot_variable, "LONJA_BOOT_FD=%d", boot_fd);
    connect_standard_streams(spawn);
    setpgid(0, 0);
    inherit_granted(spawn, boot_fd);
    set_limits(spawn);
    become_user(spawn);
    bind_life(spawn, supervisor);
    if (chdir(spawn->folder) != 0)
        give_up(spawn, spawn->folder);
    fill_environment(environment, boot_variable);
    reset_signals();
    execve(spawn->executable, arguments, environment);
    give_up(spawn, "execute");
}

int spawn_process(pid_t *pid, const struct spawn *spawn)
{
    ASSERT(spawn->executable[0] == '/' && spawn->log_fd >= 0);
    int boot_fd = memfile_create_constant("lonja-boot", spawn->boot, sizeof *spawn->boot);
    if (boot_fd < 0)
        return boot_fd;
    pid_t supervisor = getpid();
    pid_t child = fork();
    if (child == 0)
        become(spawn, boot_fd, supervisor);
    int error = errno;
    close(boot_fd);
    if (child < 0)
        return -error;
    *pid = child;
    return 0;
}
