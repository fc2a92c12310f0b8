// State folder: where a venue keeps what must survive. Layout (each written by one process only):
//
//   lock          held by the supervisor and every process it started; a second `lonja up` refuses
//   incarnation   incarnation.h
//   status.json   status.h
//   log/          NAME.log of each process and of the supervisor; the last 64 MiB or more, one older file
//   journal/      core, or standby in its place
//   replication/  replicate, and `lonja standby`: what was said of promotions (core/replica_note.h)
//   tape/ snapshots/   tape
//   fix/  sign/ … a folder for each process that keeps something
//
// With an own user id per process, each folder belongs to its process, readable by the venue's group;
// sign's is closed to the group but for its socket. Secrets go to the one process that reads them.
#ifndef LONJA_SUPERVISOR_STATE_FOLDER_H
#define LONJA_SUPERVISOR_STATE_FOLDER_H

#include <stdbool.h>

#include "base/boot.h"

struct state_folder {
    int fd;
    int lock_fd;
    bool own_users;
    const struct config *config;
};

// Makes what is missing, takes the lock (waits up to three seconds for processes of a killed supervisor
// to be gone). Returns 0; on failure writes the reason to standard error and returns -errno.
// `replica` is the process that speaks to other hosts here: it gets the replication's key.
CHECKED int state_folder_open(struct state_folder *folder, const struct config *config,
                              enum process_id replica);
void state_folder_close(struct state_folder *folder);

// A descriptor that appends to log/NAME.log; a log above 64 MiB is set aside as NAME.log.1 first.
CHECKED int state_folder_open_log(const struct state_folder *folder, const char *name);

// User id and group id of a process, when own_users.
unsigned state_folder_user_id(const struct config *config, enum process_id process);
unsigned state_folder_group_id(const struct config *config);

#endif
