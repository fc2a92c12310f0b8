// Tape writer: puts the events of durable commands on the tape (tape_format.h). What is there
// already, from before a restart, is compared instead of written; from the first difference on (a
// tail lost with the machine, or a journal that was cut) the tape is written anew. Threads: one.
// Only lonja-tape writes.
#ifndef LONJA_CORE_TAPE_WRITER_H
#define LONJA_CORE_TAPE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "core/numbered_file.h"
#include "schema/records.h"

enum { TAPE_BUFFER_EVENTS = 8192 };

struct tape_writer {
    char folder[NUMBERED_PATH_BYTES];
    uint64_t segment_events; // a segment is full from here on
    int fd;                  // open segment, -1 = none yet
    uint64_t segment;        // its first sequence
    uint64_t position;       // next event within the segment
    bool comparing;          // still on what was there before
    uint64_t next_sequence;
    struct event *buffer; // appended, not yet written
    uint32_t buffered;
};

// Stands behind `after_sequence`, which must be on the tape or 0 (then the tape begins here, and
// whatever there was is compared from its beginning). Returns 0 or -errno; -ENOENT: the tape does
// not hold it.
CHECKED int tape_writer_open(struct tape_writer *writer, const char *folder,
                             uint64_t segment_events, uint64_t after_sequence);
void tape_writer_close(struct tape_writer *writer);
// The events of the next command: `count` of them. Returns 0 or -errno.
CHECKED int tape_writer_add(struct tape_writer *writer, const struct event *events, uint32_t count);
// Shows what was added to readers. Returns 0 or -errno.
CHECKED int tape_writer_flush(struct tape_writer *writer);
// Makes it durable: before a snapshot that lets a restart begin behind it.
CHECKED int tape_writer_sync(struct tape_writer *writer);
// Removes everything behind `sequence` from the tape in `folder` (for `cut`). Returns 0 or -errno.
CHECKED int tape_truncate(const char *folder, uint64_t sequence);

#endif
