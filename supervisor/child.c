#include "supervisor/child.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const uint64_t PAUSE_NS_MIN = 100000000;         // 100 ms
static const uint64_t PAUSE_NS_MAX = 10000000000;       // 10 s
static const uint64_t LIFE_NS_ENOUGH = 30000000000;     // 30 s

void child_init(struct child *child, enum process_id process)
{
    memset(child, 0, sizeof *child);
    child->process = process;
    child->state = CHILD_ABSENT;
    child->pause_ns = PAUSE_NS_MIN;
}

void child_select(struct child *child, const char *executable, uint64_t now_ns)
{
    ASSERT(child->state == CHILD_ABSENT);
    int length = snprintf(child->executable, sizeof child->executable, "%s", executable);
    ASSERT(length > 0 && (size_t)length < sizeof child->executable);
    child->state = CHILD_WAITING;
    child->start_at_ns = now_ns;
}

bool child_due(const struct child *child, uint64_t now_ns)
{
    return child->state == CHILD_WAITING && now_ns >= child->start_at_ns;
}

void child_started(struct child *child, pid_t pid, uint32_t incarnation, uint64_t now_ns)
{
    ASSERT(child->state == CHILD_WAITING);
    ASSERT(pid > 0 && incarnation > child->incarnation);
    child->state = CHILD_RUNNING;
    child->pid = pid;
    child->incarnation = incarnation;
    child->started_ns = now_ns;
    if (child->ever_started)
        child->restarts++;
    child->ever_started = true;
}

static void wait_and_double(struct child *child, uint64_t now_ns)
{
    child->state = CHILD_WAITING;
    child->start_at_ns = now_ns + child->pause_ns;
    child->pause_ns *= 2;
    if (child->pause_ns > PAUSE_NS_MAX)
        child->pause_ns = PAUSE_NS_MAX;
}

void child_start_failed(struct child *child, uint64_t now_ns)
{
    ASSERT(child->state == CHILD_WAITING);
    wait_and_double(child, now_ns);
}

// A process that says why it cannot go on would say it again: starting it anew only buries the reason.
static bool is_final(int wait_status)
{
    if (!WIFEXITED(wait_status))
        return false;
    int code = WEXITSTATUS(wait_status);
    return code == CHILD_EXIT_CONFIGURATION || code == CHILD_EXIT_POISON ||
           code == CHILD_EXIT_JOURNAL_IO || code == CHILD_EXIT_FENCED;
}

void child_ended(struct child *child, int wait_status, bool asked, uint64_t now_ns)
{
    ASSERT(child->state == CHILD_RUNNING);
    child->pid = 0;
    child->wait_status = wait_status;
    if (now_ns - child->started_ns >= LIFE_NS_ENOUGH)
        child->pause_ns = PAUSE_NS_MIN;
    if (is_final(wait_status))
        child->state = CHILD_FAILED;
    else if (asked)
        child->state = CHILD_STOPPED;
    else
        wait_and_double(child, now_ns);
}

bool child_is_promoted(const struct child *child)
{
    return child->process == PROCESS_STANDBY && child->state == CHILD_FAILED &&
           WEXITSTATUS(child->wait_status) == CHILD_EXIT_FENCED;
}

const char *child_state_name(enum child_state state)
{
    switch (state) {
    case CHILD_ABSENT:
        return "absent";
    case CHILD_WAITING:
        return "waiting";
    case CHILD_RUNNING:
        return "running";
    case CHILD_FAILED:
        return "failed";
    case CHILD_STOPPED:
        return "stopped";
    default:
        assert_failed(__FILE__, __LINE__, "a child state that does not exist");
    }
}

void child_describe_end(const struct child *child, char *text, size_t bytes)
{
    if (WIFSIGNALED(child->wait_status)) {
        int number = WTERMSIG(child->wait_status);
        snprintf(text, bytes, "killed by signal %d (%s)", number, strsignal(number));
    } else {
        snprintf(text, bytes, "exit status %d", WEXITSTATUS(child->wait_status));
    }
}

const char *child_advice(const struct child *child)
{
    if (child->state != CHILD_FAILED)
        return NULL;
    switch (WEXITSTATUS(child->wait_status)) {
    case CHILD_EXIT_CONFIGURATION:
        return "it refuses its configuration: correct what its log names, then start the venue again";
    case CHILD_EXIT_POISON:
        return "the journal cannot be replayed, or not be started from. Keep a copy of the state folder, then do "
               "what its log says (docs/operations.md, When the core refuses to start); where a command N is "
               "the cause, nothing from it on was ever answered: `lonja journal cut N --reason TEXT`, "
               "and start again";
    case CHILD_EXIT_JOURNAL_IO:
        return "the disk refused to write, sync or read the journal; what was answered before is safe, "
               "nothing was answered after. Mend the disk (space, errors in the kernel's log), then start "
               "the venue again: it recovers";
    case CHILD_EXIT_FENCED:
        return "another host was promoted in place of this one, whose epoch counts no more. It may follow the "
               "new primary: stop this venue, then `lonja standby run` (`lonja standby --help`)";
    default:
        return NULL;
    }
}
