// Status: one picture of the venue, taken from the children and the shared memory; as the JSON file
// STATE/status.json (rewritten as a whole every second, for scripts and `lonja status`), and as one line.
#ifndef LONJA_SUPERVISOR_STATUS_H
#define LONJA_SUPERVISOR_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/backlog.h"
#include "base/boot.h"
#include "supervisor/child.h"
#include "supervisor/venue_memory.h"

struct status_process {
    enum child_state state;
    int pid;
    uint32_t incarnation;
    uint32_t restarts;
    bool reads;                 // follows the events: the next two say something
    struct backlog_figures backlog; // commands that are durable and that it has not dealt with
    const char *trouble;        // what hinders it by its own words (base/trouble.h); NULL = nothing
    int64_t heartbeat_age_ms;   // -1 = it has not reported yet
    char last_end[64];          // "" = it has not ended yet
};

struct status {
    const char *role;           // primary; standby: the core's words are then those of lonja-standby
    const char *core_state;     // starting, recovering, waiting, running, following, failed; "down": no process
    const char *venue_state;    // cancel_only, open
    uint64_t epoch;
    uint64_t sequence;          // applied
    uint64_t durable_seq;
    uint32_t journal_error;     // errno, 0 = none
    uint64_t snapshot_seq;      // of the newest snapshot
    uint64_t snapshots_failed;  // times one could not be written since the tape started
    int64_t free_bytes;         // where the state folder stands; -1 = not known
    bool low_space;             // less than journal.free_bytes_min
    const char *replication;    // off, async, sync
    const char *replica_state;  // alone, followed, degraded, fenced; of a standby: alone, following
    uint32_t standbys;
    uint64_t journal_seq;       // on this disk
    uint64_t replicated_seq;    // on as many standbys as are required
    struct status_process processes[PROCESS_COUNT];
};

// `backlogs` remember from one call to the next, about a second later, how it went.
void status_take(struct status *status, struct backlog backlogs[PROCESS_COUNT],
                 const struct child children[PROCESS_COUNT], const struct venue_memory *memory,
                 uint64_t now_ns);

// Returns 0 or -errno.
CHECKED int status_write(const struct status *status, int state_folder_fd, const char *config_path);

// "core running  open  epoch 3  seq 120  durable 120  8 of 10 run  web:waiting tape:-2": then come those that
// do not run, with their state, those that are hindered, with the word, and readers that are behind, with their lag.
void status_line(const struct status *status, char *text, size_t bytes);

// `lonja status`: prints status.json of the state folder as a table (or as it is, if `json`).
// Returns the exit status: 0 all well, 1 something is down or hindered, 3 no venue is running there.
CHECKED int status_print(const char *state_folder, bool json);

#endif
