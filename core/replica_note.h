// Notes: small files below STATE/replication that outlive processes: the fence (replica_fence.h),
// and an operator's word. A note is replaced as a whole and synced.
#ifndef LONJA_CORE_REPLICA_NOTE_H
#define LONJA_CORE_REPLICA_NOTE_H

#include <stdbool.h>

#include "base/assert.h"
#include "core/numbered_file.h"

#define REPLICA_FOLDER        "replication" // below the state folder
#define REPLICA_NOTE_DEGRADED "degraded"    // a primary's answers do not wait for a standby

// Returns false if the path is too long.
CHECKED bool replica_note_path(char out[NUMBERED_PATH_BYTES], const char *state_folder,
                               const char *name);
// Durable when it returns 0, else -errno.
CHECKED int replica_note_write(const char *state_folder, const char *name, const char *text);
CHECKED int replica_note_remove(const char *state_folder, const char *name); // absent is fine
bool replica_note_exists(const char *state_folder, const char *name);

#endif
