// Replaces a small file as a whole: a reader sees the old content or the new one, never a part.
#ifndef LONJA_SUPERVISOR_ATOMIC_FILE_H
#define LONJA_SUPERVISOR_ATOMIC_FILE_H

#include <stddef.h>

#include "base/assert.h"

enum atomic_file_mode {
    ATOMIC_FILE_VISIBLE, // atomic for readers; may be lost in a power cut
    ATOMIC_FILE_DURABLE, // on the disk (file and folder synced) when this returns
};

// Returns 0, or -errno with the old content in place.
CHECKED int atomic_file_write(int folder_fd, const char *name, const void *data, size_t bytes,
                              enum atomic_file_mode mode);

#endif
