// Helpers of this folder's tests: a private state folder, and a boot record with rings of its own.
#ifndef LONJA_CORE_TESTING_H
#define LONJA_CORE_TESTING_H

#include "base/testing.h"

#include <sys/types.h>

#include "base/boot.h"

// A fresh folder below /tmp, and its removal with all it holds.
void testing_folder_make(char out[64]);
// A folder with the keys of the hosts one and two, and in foreign/ those of three of another
// authority. Returns the status of `program`, tools/replication-keys.
int testing_replication_keys(char out[64], const char *program);
void testing_folder_remove(const char *folder);

// A boot record for `process` with small limits, state below `folder`, and rings, reader pages and
// doorbells for everybody in it. Another process's view is a copy with `process` changed.
void testing_boot_init(struct boot *boot, enum process_id process, const char *folder);
void testing_boot_fini(struct boot *boot);

// Starts the executable of a process from folder `bin` with this boot record, as the supervisor
// does; its log goes nowhere unless LONJA_TEST_VERBOSE is set. `preload`: a library put before it,
// with LONJA_DISK_FAULTS=faults; NULL = none.
pid_t testing_start(const struct boot *boot, enum process_id process, const char *bin,
                    const char *preload, const char *faults);
// Its log goes to the file `log` instead; and whether a line of that has these words.
pid_t testing_start_heard(const struct boot *boot, enum process_id process, const char *bin,
                          const char *log);
bool testing_was_said(const char *log, const char *words);

// Appends a sealed block with a command that makes the engine assert to the journal of a state
// folder that nobody has open. Returns the command's sequence.
uint64_t testing_plant_poison(const char *state);

#endif
