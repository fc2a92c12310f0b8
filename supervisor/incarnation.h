// Incarnations: how often each process has been started over the life of a state folder. A number is never
// used twice: it is counted and synced to STATE/incarnation before the process that bears it exists. The
// core tells an old life of a gateway from a new one by it.
//
// The file has one line "NAME NUMBER" per process. One thread.
#ifndef LONJA_SUPERVISOR_INCARNATION_H
#define LONJA_SUPERVISOR_INCARNATION_H

#include <stdint.h>

#include "base/boot.h"

struct incarnations {
    int folder_fd; // of the state folder; not owned
    uint32_t last[PROCESS_COUNT];
};

// Reads the file; one that is absent counts as all zero. Returns 0, -errno, or -EBADMSG if it is damaged:
// the caller must refuse to start, because a guess could repeat a number.
CHECKED int incarnations_load(struct incarnations *incarnations, int folder_fd);

// No number at or below `floor` is given any more: after a promotion this host goes on with a journal in
// which another host's numbers stand.
void incarnations_raise(struct incarnations *incarnations, uint32_t floor);

// Counts `process` up and makes that durable. Returns 0 with *incarnation set, or -errno with nothing used.
CHECKED int incarnations_next(struct incarnations *incarnations, uint32_t *incarnation,
                              enum process_id process);

#endif
