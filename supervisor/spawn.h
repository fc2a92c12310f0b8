// Spawn: makes a child process out of a boot record. What the child gets: the descriptors named in its boot
// record and no others, its boot record's descriptor number in LONJA_BOOT_FD, a short environment, standard
// input from nowhere, standard output and error into its log file, the configuration's folder as its
// current one, a process group of its own (Ctrl-C at the terminal is for the supervisor alone), death with
// the supervisor, no way to gain privileges, and if asked a user id of its own.
#ifndef LONJA_SUPERVISOR_SPAWN_H
#define LONJA_SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/boot.h"

struct spawn {
    const char *executable; // absolute
    const char *folder;     // current folder of the child
    const struct boot *boot;
    int log_fd;
    int lock_fd;            // stays open in the child: the state is locked until the last process is gone
    bool own_user;          // only as root
    uid_t user_id;
    gid_t group_id;
    bool core_dumps;        // false: RLIMIT_CORE 0, for a process that holds a key
    uint64_t realtime_priority_max; // 0 = none
    uint64_t descriptors_min;       // open files it must be able to have
};

// Returns 0 with *pid set, or -errno. What fails after the fork is a line in the child's log and its exit
// with status 2.
CHECKED int spawn_process(pid_t *pid, const struct spawn *spawn);

#endif
