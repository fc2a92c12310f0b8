// Numbered files: journal segments, tape segments and snapshots are files named by a number of 20
// digits and a suffix, so that the order of names is the order of numbers.
#ifndef LONJA_CORE_NUMBERED_FILE_H
#define LONJA_CORE_NUMBERED_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/config.h"

enum { NUMBERED_NAME_BYTES = 64, NUMBERED_PATH_BYTES = 512 };

// Writes "00000000000000000042.tape".
void numbered_name(char out[NUMBERED_NAME_BYTES], uint64_t number, const char *suffix);
// True if `name` is exactly such a name; *number is written only then.
bool numbered_parse(uint64_t *number, const char *name, const char *suffix);
// Writes folder/name.
void numbered_path(char out[NUMBERED_PATH_BYTES], const char *folder, uint64_t number,
                   const char *suffix);
// The largest number at most `limit` in the folder; false if there is none (or no folder).
bool numbered_largest(uint64_t *number, const char *folder, const char *suffix, uint64_t limit);
// The smallest number in the folder.
bool numbered_smallest(uint64_t *number, const char *folder, const char *suffix);
// The smallest number at least `from`.
bool numbered_next(uint64_t *number, const char *folder, const char *suffix, uint64_t from);

// folder/name, which must fit.
void path_join(char out[NUMBERED_PATH_BYTES], const char *folder, const char *name);
// True if everything below this state folder has a path that fits: asked once of a word from outside.
bool state_path_fits(const char *state);
// A folder below the venue's state folder: "journal", "tape" or "snapshots".
void state_folder(char out[NUMBERED_PATH_BYTES], const struct config *config, const char *name);
// Makes it and its parents if they are missing, mode 0750. Returns 0 or -errno.
CHECKED int state_folder_make(const char *path);
// Makes what was created, renamed or removed in the folder durable. Returns 0 or -errno.
CHECKED int folder_sync(const char *path);

#endif
