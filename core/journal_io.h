// Journal I/O: the few things that the journal asks of a disk, as a table of functions, so that a
// test can be the disk that loses what was not synced. Names are within the journal's folder.
//
// Every function returns 0 (or what is said) or -errno. A failed write or sync is never tried
// again: what is on the disk then is not known, and the venue stops.
#ifndef LONJA_CORE_JOURNAL_IO_H
#define LONJA_CORE_JOURNAL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum journal_io_mode {
    JOURNAL_IO_READ,
    JOURNAL_IO_WRITE, // an existing file; offsets, lengths and memory aligned to JOURNAL_PAGE_BYTES
    JOURNAL_IO_CREATE, // a new file, or an old one emptied
    // The same for a segment that is prepared: aligned as for WRITE, and past the page cache. A sync of megabytes at once
    // would hold up the writes of the segment in use for as long.
    JOURNAL_IO_FILL,
};

typedef void journal_io_name(void *context, const char *name);

struct journal_io {
    int (*list)(void *context, journal_io_name *callback, void *callback_context);
    int (*open)(void *context, const char *name, enum journal_io_mode mode); // a file number >= 0
    void (*close)(void *context, int file);
    int64_t (*size)(void *context, int file);
    // Returns the bytes read, fewer only at the end of the file.
    int64_t (*read)(void *context, int file, void *out, size_t bytes, uint64_t offset);
    int (*write)(void *context, int file, const void *data, size_t bytes,
                 uint64_t offset);        // all of it
    int (*sync)(void *context, int file); // what was written before is durable after it
    int (*rename)(void *context, const char *from, const char *to);
    int (*remove)(void *context, const char *name);
    int (*sync_folder)(void *context); // renames and removals before are durable after it
    void *context;
};

// The real disk. Writes go through O_DIRECT and O_DSYNC (then sync has nothing left to do); where
// the file system refuses O_DIRECT, through the page cache and fdatasync.
struct journal_io_file {
    int folder_fd;
    bool durable; // false: sync does nothing (benchmarks)
};
// Makes the folder if it is missing. `io` refers to `file` from then on.
CHECKED int journal_io_file_open(struct journal_io *io, struct journal_io_file *file,
                                 const char *folder, bool durable);
void journal_io_file_close(struct journal_io_file *file);
// The lock of who writes the folder (a core, a cut; an archiver that of the archive). Returns a
// descriptor that holds it until it is closed or the process ends, -EWOULDBLOCK if another one has
// it, or -errno.
CHECKED int journal_io_file_lock(const struct journal_io_file *file);

#endif
