// Bare write: the floor of everything durable. 4 KiB into a zero-filled file, by pwrite with
// O_DIRECT and O_DSYNC, one write outstanding; where the file system refuses O_DIRECT, pwrite and
// fdatasync: as the journal does it (core/journal_io.h), and nothing else.
#ifndef LONJA_PERF_BARE_WRITE_H
#define LONJA_PERF_BARE_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "perf/measure.h"

enum { BARE_WRITE_BYTES = 4096 };

struct bare_write {
    int fd;
    bool direct;
    uint64_t offset;
    void *page;
};

// Makes the file, filled and synced. Returns 0 or -errno.
CHECKED int bare_write_open(struct bare_write *write, const char *folder);
void bare_write_close(struct bare_write *write);
// Writes back to back for that long and adds a sample of each. Returns 0 or -errno.
CHECKED int bare_write_run(struct bare_write *write, struct samples *samples, uint64_t span_ns);
// The same with one write at each of `rate` moments a second, asleep in between: what a venue's journal does at that
// rate. A write that begins late is followed at once by the next. Back to back a write is quicker: the processor and the disk's
// host are awake, and the file's time stamp, which has to be written too, changes once in many.
CHECKED int bare_write_paced(struct bare_write *write, struct samples *samples, uint32_t rate, uint64_t span_ns);

#endif
