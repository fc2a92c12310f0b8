// Child: what the supervisor knows about one process of the venue, and its rule for what dies.
//
//   absent ── selected ──► waiting ──start──► running ──ends──► waiting (again, after a pause)
//                                               │ └─ exit 2 to 5 ──► failed (until the supervisor is restarted)
//                                               └─ asked to stop ──► stopped
//
// The pause doubles from 100 ms to 10 s and starts anew once a process has lived for 30 s. No I/O in
// here: the supervisor starts, signals and reaps. One thread.
#ifndef LONJA_SUPERVISOR_CHILD_H
#define LONJA_SUPERVISOR_CHILD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/boot.h"

enum child_state { CHILD_ABSENT, CHILD_WAITING, CHILD_RUNNING, CHILD_FAILED, CHILD_STOPPED };

// What a process means by its exit status.
enum child_exit {
    CHILD_EXIT_CLEAN = 0,
    CHILD_EXIT_CONFIGURATION = 2,
    CHILD_EXIT_POISON = 3,      // a command in the journal that the engine cannot replay
    CHILD_EXIT_JOURNAL_IO = 4,  // a write or a sync of the journal failed
    CHILD_EXIT_FENCED = 5,      // a host was promoted: another one (core), or this one (standby)
};

struct child {
    enum process_id process;
    enum child_state state;
    pid_t pid;               // 0 unless running
    uint32_t incarnation;
    uint32_t restarts;       // starts of this supervisor after the first one
    uint64_t started_ns;
    uint64_t start_at_ns;    // while waiting
    uint64_t pause_ns;
    bool ever_started;
    int wait_status;         // of its last end
    char executable[PATH_MAX];
};

void child_init(struct child *child, enum process_id process);
void child_select(struct child *child, const char *executable, uint64_t now_ns);
bool child_due(const struct child *child, uint64_t now_ns);
void child_started(struct child *child, pid_t pid, uint32_t incarnation, uint64_t now_ns);
// It could not even be started (no memory, disk full …): tried again after a pause.
void child_start_failed(struct child *child, uint64_t now_ns);
// It ended; `asked` = because the venue is being stopped. Decides the next state.
void child_ended(struct child *child, int wait_status, bool asked, uint64_t now_ns);

// True for a standby that ended because this host was promoted: what was asked for, no failure.
bool child_is_promoted(const struct child *child);

const char *child_state_name(enum child_state state);
// "exit status 3", "killed by signal 9 (Killed)" …
void child_describe_end(const struct child *child, char *text, size_t bytes);
// What an operator should know and do about a failed child; NULL if there is nothing special.
const char *child_advice(const struct child *child);

#endif
