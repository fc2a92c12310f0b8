#include "supervisor/supervisor.h"

#include <errno.h>
#include <libgen.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/disk_space.h"
#include "base/clock.h"
#include "base/event_ring.h"
#include "core/replica_fence.h"
#include "supervisor/child.h"
#include "supervisor/console.h"
#include "supervisor/incarnation.h"
#include "supervisor/spawn.h"
#include "supervisor/state_folder.h"
#include "supervisor/status.h"
#include "supervisor/venue_memory.h"

// The order of starting; stopping goes backwards. The core first, its followers next, and the signer
// before the worker that needs it; lonja-replicate outlives the core, whose last commands it hands on.
// Nobody waits for anybody: each copes with the others being absent.
static const enum process_id START_ORDER[] = {
    PROCESS_REPLICATE, PROCESS_STANDBY,
    PROCESS_CORE,   PROCESS_TAPE,   PROCESS_SIGN,   PROCESS_FIX, PROCESS_WEB,
    PROCESS_ADMIN,  PROCESS_RECORD, PROCESS_SETTLE, PROCESS_INDEX, PROCESS_OPS, PROCESS_SURVEIL,
};
_Static_assert(sizeof START_ORDER / sizeof START_ORDER[0] == PROCESS_COUNT, "every process once");

static const uint64_t LOOP_NS = 100000000;        // 100 ms
static const uint64_t STATUS_NS = 1000000000;     // 1 s
static const uint64_t STOP_NS_MAX = 10000000000;  // a process that takes longer to stop is killed
static const uint64_t ASKED_NS = 1000000000;      // Ctrl-C in a script may arrive twice: that is asked once

struct supervisor {
    const struct supervisor_options *options;
    const struct config *config;
    char config_folder[PATH_MAX];
    struct state_folder folder;
    struct incarnations incarnations;
    struct venue_memory memory;
    struct child children[PROCESS_COUNT];
    int log_fd[PROCESS_COUNT];
    struct console console;
    struct backlog backlogs[PROCESS_COUNT]; // of the readers
    uint64_t status_at_ns;
    bool low_space;      // said once, until there is room again
    bool status_failed;  // said once that status.json cannot be written
    bool stopping;
    uint64_t asked_ns;   // when it was asked to stop first
    bool kill_now;       // asked a second time
    bool went_badly;     // a process failed for good, or had to be killed
};

static uint64_t now_ns(void)
{
    return clock_monotone_ns(&clock_system);
}

// ---- starting ----------------------------------------------------------------------------------------

static uint64_t descriptors_min(const struct supervisor *supervisor, enum process_id process)
{
    enum { OTHERS = 256 }; // rings, database, files, libraries
    if (process == PROCESS_FIX)
        return (uint64_t)supervisor->config->fix_connections_max + OTHERS;
    if (process == PROCESS_WEB)
        return (uint64_t)supervisor->config->web_connections_max + OTHERS;
    return OTHERS;
}

// With synchronous replication an answer waits for the standby, too.
static bool answers_wait_for(const struct config *config, enum process_id process)
{
    bool replica = process == PROCESS_REPLICATE || process == PROCESS_STANDBY;
    return process == PROCESS_CORE || (replica && config->replication_mode == REPLICATION_SYNC);
}

static int open_log(struct supervisor *supervisor, enum process_id process)
{
    int fd = state_folder_open_log(&supervisor->folder, process_name(process));
    if (fd < 0)
        return fd;
    if (supervisor->log_fd[process] >= 0)
        close(supervisor->log_fd[process]);
    supervisor->log_fd[process] = fd;
    console_follow(&supervisor->console, process, fd);
    return 0;
}

static int spawn_child(struct supervisor *supervisor, pid_t *pid, const struct child *child,
                       uint32_t incarnation)
{
    venue_memory_announce(&supervisor->memory, child->process, incarnation);
    const struct config *config = supervisor->config;
    struct boot boot = {.magic = BOOT_MAGIC, .version = BOOT_VERSION};
    boot.process = child->process;
    boot.incarnation = incarnation;
    boot.config = *config;
    venue_memory_grant(&supervisor->memory, &boot, child->process);
    struct spawn spawn = {
        .executable = child->executable,
        .folder = supervisor->config_folder,
        .boot = &boot,
        .log_fd = supervisor->log_fd[child->process],
        .lock_fd = supervisor->folder.lock_fd,
        .own_user = supervisor->folder.own_users,
        .user_id = state_folder_user_id(config, child->process),
        .group_id = state_folder_group_id(config),
        .core_dumps = child->process != PROCESS_SIGN,
        .realtime_priority_max = answers_wait_for(config, child->process)
                                     ? (uint64_t)config->core_realtime_priority
                                     : 0,
        .descriptors_min = descriptors_min(supervisor, child->process),
    };
    return spawn_process(pid, &spawn);
}

static void start_child(struct supervisor *supervisor, struct child *child)
{
    uint32_t incarnation = 0;
    pid_t pid = 0;
    console_do_work(&supervisor->console); // its last words, before its log may be set aside
    int result = open_log(supervisor, child->process);
    if (result == 0)
        result = incarnations_next(&supervisor->incarnations, &incarnation, child->process);
    if (result == 0)
        result = spawn_child(supervisor, &pid, child, incarnation);
    if (result < 0) {
        console_say(&supervisor->console, "%s: cannot be started: %s; trying again",
                    process_name(child->process), strerror(-result));
        child_start_failed(child, now_ns());
        return;
    }
    child_started(child, pid, incarnation, now_ns());
    console_say(&supervisor->console, "%s: started pid=%d incarnation=%u restarts=%u",
                process_name(child->process), (int)pid, incarnation, child->restarts);
}

static void start_due(struct supervisor *supervisor)
{
    for (size_t i = 0; i < PROCESS_COUNT; i++) {
        struct child *child = &supervisor->children[START_ORDER[i]];
        if (child_due(child, now_ns()))
            start_child(supervisor, child);
    }
}

// ---- burying -----------------------------------------------------------------------------------------

static void say_end(struct supervisor *supervisor, const struct child *child)
{
    char end[64];
    const char *name = process_name(child->process);
    const char *advice = child_advice(child);
    child_describe_end(child, end, sizeof end);
    if (child->state == CHILD_WAITING)
        console_say(&supervisor->console, "%s: DIED, %s; restarting in %llu ms", name, end,
                    (unsigned long long)((child->start_at_ns - now_ns()) / 1000000));
    else if (child_is_promoted(child))
        console_say(&supervisor->console, "%s: this host was promoted; start the venue with `lonja up`", name);
    else if (child->state == CHILD_FAILED)
        console_say(&supervisor->console, "%s: FAILED, %s, and is not restarted: %s (%s/log/%s.log)",
                    name, end, advice, supervisor->config->venue_state_folder, name);
    else
        console_say(&supervisor->console, "%s: stopped, %s", name, end);
}

static void bury(struct supervisor *supervisor, struct child *child, int wait_status)
{
    child_ended(child, wait_status, supervisor->stopping, now_ns());
    bool clean = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == CHILD_EXIT_CLEAN;
    bool promoted = child_is_promoted(child);
    if ((child->state == CHILD_FAILED && !promoted) || (child->state == CHILD_STOPPED && !clean))
        supervisor->went_badly = true;
    if (promoted && !supervisor->stopping) { // the venue itself is started next
        supervisor->stopping = true;
        supervisor->asked_ns = now_ns();
    }
    console_do_work(&supervisor->console);
    say_end(supervisor, child);
}

static void bury_dead(struct supervisor *supervisor)
{
    int wait_status;
    pid_t pid;
    while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0)
        for (int process = 0; process < PROCESS_COUNT; process++)
            if (supervisor->children[process].pid == pid)
                bury(supervisor, &supervisor->children[process], wait_status);
}

// ---- the loop ----------------------------------------------------------------------------------------

// A journal that finds no room stops the venue: said as long as there is still some.
static void look_at_space(struct supervisor *supervisor, struct status *status)
{
    status->free_bytes = disk_space_free(supervisor->config->venue_state_folder);
    status->low_space = status->free_bytes >= 0 &&
                        status->free_bytes < supervisor->config->journal_free_bytes_min;
    if (status->low_space && !supervisor->low_space)
        console_say(&supervisor->console,
                    "LOW ON DISK SPACE: %lld MB left for %s; a full disk stops the venue "
                    "(lonja journal archive, docs/operations.md)",
                    (long long)status->free_bytes / 1000000,
                    supervisor->config->venue_state_folder);
    supervisor->low_space = status->low_space;
}

static void show_status(struct supervisor *supervisor)
{
    uint64_t now = now_ns();
    struct status status;
    char line[CONSOLE_STATUS_BYTES_MAX];
    if (now < supervisor->status_at_ns)
        return;
    supervisor->status_at_ns = now + STATUS_NS;
    status_take(&status, supervisor->backlogs, supervisor->children, &supervisor->memory, now);
    look_at_space(supervisor, &status);
    status_line(&status, line, sizeof line);
    console_set_status(&supervisor->console, line);
    int result = status_write(&status, supervisor->folder.fd, supervisor->options->config_path);
    if (result < 0 && !supervisor->status_failed)
        console_say(&supervisor->console, "status.json cannot be written: %s", strerror(-result));
    supervisor->status_failed = result < 0;
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGCHLD);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGHUP); // the terminal is gone: stop in order, do not die
    sigprocmask(SIG_BLOCK, signals, NULL);
    signal(SIGPIPE, SIG_IGN); // so may be the reader of our output
}

static void wait_for_signal(struct supervisor *supervisor, const sigset_t *signals)
{
    const struct timespec pause = {.tv_nsec = (long)LOOP_NS};
    int number = sigtimedwait(signals, NULL, &pause);
    if (number != SIGTERM && number != SIGINT && number != SIGHUP)
        return;
    if (supervisor->kill_now || (supervisor->stopping && now_ns() - supervisor->asked_ns < ASKED_NS))
        return;
    if (supervisor->stopping) {
        supervisor->kill_now = true;
        console_say(&supervisor->console, "asked again: killing what is left");
    } else {
        supervisor->stopping = true;
        supervisor->asked_ns = now_ns();
        console_say(&supervisor->console, "%s: stopping", strsignal(number));
    }
}

static void do_work(struct supervisor *supervisor, const sigset_t *signals)
{
    wait_for_signal(supervisor, signals);
    bury_dead(supervisor);
    console_do_work(&supervisor->console);
    show_status(supervisor);
}

// ---- stopping ----------------------------------------------------------------------------------------

static void stop_child(struct supervisor *supervisor, struct child *child, const sigset_t *signals)
{
    uint64_t deadline_ns = now_ns() + STOP_NS_MAX;
    bool killed = false;
    if (child->state == CHILD_WAITING)
        child->state = CHILD_STOPPED;
    if (child->state != CHILD_RUNNING)
        return;
    kill(child->pid, SIGTERM);
    while (child->state == CHILD_RUNNING) {
        do_work(supervisor, signals);
        if (child->state != CHILD_RUNNING || killed)
            continue;
        if (supervisor->kill_now || now_ns() >= deadline_ns) {
            console_say(&supervisor->console, "%s: does not stop, killing it",
                        process_name(child->process));
            kill(child->pid, SIGKILL);
            killed = true;
        }
    }
}

static void stop_all(struct supervisor *supervisor, const sigset_t *signals)
{
    for (size_t i = PROCESS_COUNT; i-- > 0;)
        stop_child(supervisor, &supervisor->children[START_ORDER[i]], signals);
    supervisor->status_at_ns = 0;
    show_status(supervisor);
    console_clear_status(&supervisor->console);
}

// ---- the whole ---------------------------------------------------------------------------------------

// Takes the wanted processes whose executables are there. Returns how many, or -1 if a required one is not.
static int select_children(struct supervisor *supervisor)
{
    int count = 0;
    for (int i = 0; i < PROCESS_COUNT; i++) {
        char executable[PATH_MAX];
        struct child *child = &supervisor->children[i];
        child_init(child, (enum process_id)i);
        snprintf(executable, sizeof executable, "%s/lonja-%s", supervisor->options->bin_folder,
                 process_name((enum process_id)i));
        if (!supervisor->options->wanted[i])
            continue;
        if (access(executable, X_OK) == 0) {
            child_select(child, executable, now_ns());
            count++;
        } else if (supervisor->options->required[i]) {
            fprintf(stderr, "lonja up: %s: %s\n", executable, strerror(errno));
            return -1;
        } else {
            console_say(&supervisor->console, "%s: not built, left out",
                        process_name((enum process_id)i));
        }
    }
    return count;
}

static int refuse(const char *what, int error)
{
    fprintf(stderr, "lonja up: %s: %s\n", what, strerror(-error));
    return error;
}

// Each promotion leaves the hosts before it a million numbers of their own, as it does with epochs.
static int raise_incarnations(struct supervisor *supervisor)
{
    struct replica_fence fence;
    int result = replica_fence_read(&fence, supervisor->config->venue_state_folder);
    uint64_t promotions = fence.epoch / REPLICA_EPOCHS_PER_PROMOTION;
    if (result == 0)
        incarnations_raise(&supervisor->incarnations,
                           (uint32_t)(promotions * REPLICA_EPOCHS_PER_PROMOTION));
    return result;
}

// Everything up to the first process. Returns 0, or negative with the reason on standard error.
static int prepare(struct supervisor *supervisor)
{
    int result = state_folder_open(&supervisor->folder, supervisor->config,
                                   supervisor->options->wanted[PROCESS_STANDBY] ? PROCESS_STANDBY
                                                                                : PROCESS_REPLICATE);
    if (result < 0)
        return result;
    int log_fd = state_folder_open_log(&supervisor->folder, "supervisor");
    if (log_fd < 0)
        return refuse("its log", log_fd);
    console_init(&supervisor->console, log_fd, supervisor->options->quiet);
    result = incarnations_load(&supervisor->incarnations, supervisor->folder.fd);
    if (result < 0)
        return refuse("the file `incarnation` in the state folder (a guess could repeat a number: "
                      "restore it, or write higher numbers into it)",
                      result);
    result = raise_incarnations(supervisor);
    if (result < 0)
        return refuse("the file replication/fence in the state folder", result);
    result = venue_memory_create(&supervisor->memory, supervisor->config);
    if (result < 0)
        return refuse("shared memory", result);
    return select_children(supervisor);
}

static void release(struct supervisor *supervisor)
{
    for (int process = 0; process < PROCESS_COUNT; process++)
        if (supervisor->log_fd[process] >= 0)
            close(supervisor->log_fd[process]);
    if (supervisor->console.log_fd >= 0)
        close(supervisor->console.log_fd);
    venue_memory_destroy(&supervisor->memory);
    state_folder_close(&supervisor->folder);
}

static void init(struct supervisor *supervisor, const struct supervisor_options *options,
                 const struct config *config)
{
    char path[PATH_MAX];
    // What our own parent left open is not for the children.
    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    memset(supervisor, 0, sizeof *supervisor);
    supervisor->options = options;
    supervisor->config = config;
    supervisor->folder.fd = supervisor->folder.lock_fd = -1;
    venue_memory_init(&supervisor->memory);
    memset(supervisor->log_fd, -1, sizeof supervisor->log_fd);
    console_init(&supervisor->console, -1, options->quiet);
    snprintf(path, sizeof path, "%s", options->config_path);
    snprintf(supervisor->config_folder, sizeof supervisor->config_folder, "%s", dirname(path));
}

int supervisor_run(const struct supervisor_options *options, const struct config *config)
{
    struct supervisor supervisor;
    sigset_t signals;
    init(&supervisor, options, config);
    int count = prepare(&supervisor);
    if (count == 0)
        fprintf(stderr, "lonja up: none of the wanted processes is there\n");
    if (count <= 0) {
        release(&supervisor);
        return 2;
    }
    block_signals(&signals);
    while (!supervisor.stopping) {
        start_due(&supervisor);
        do_work(&supervisor, &signals);
    }
    stop_all(&supervisor, &signals);
    console_say(&supervisor.console, "stopped%s", supervisor.went_badly ? ", not everything went well" : "");
    release(&supervisor);
    return supervisor.went_badly ? 1 : 0;
}
