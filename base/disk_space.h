// Disk space: how much room is left where a folder stands, for those who warn before a disk is
// full.
#ifndef LONJA_BASE_DISK_SPACE_H
#define LONJA_BASE_DISK_SPACE_H

#include <stdint.h>

// Bytes that an ordinary user may still write below the venue's state folder, and in the journal's folder in it, which may
// be a disk of its own: the smaller one; -1 = not known.
int64_t disk_space_free(const char *state_folder);

#endif
