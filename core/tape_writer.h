// Tape writer: puts the events of durable commands on the tape (tape_format.h). What is there
// already, from before a restart, is compared and written again as it is, so that a sync makes it
// durable whoever wrote it first; from the first difference on (a tail lost with the machine, a
// byte that rotted, or a journal that was cut) the tape is cut and written anew. The checksums are written with it, behind the events that they prove. Threads: one. Only
// lonja-tape writes, and holds the tape's lock for it.
#ifndef LONJA_CORE_TAPE_WRITER_H
#define LONJA_CORE_TAPE_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "core/numbered_file.h"
#include "core/tape_sums.h"
#include "schema/records.h"

enum {
    TAPE_SEGMENT_EVENTS_DEFAULT = 1048576, // tape.segment_events
    TAPE_BUFFER_EVENTS = 8192,
    TAPE_SUMS_PENDING = TAPE_BUFFER_EVENTS / TAPE_BLOCK_EVENTS, // of whole blocks
};

struct tape_writer {
    char folder[NUMBERED_PATH_BYTES];
    uint64_t segment_events; // a segment is full from here on
    int fd;                  // open segment, -1 = none yet
    uint64_t segment;        // its first sequence
    uint64_t position;       // next event within the segment
    bool comparing;          // still on what was there before
    int sums_fd;             // -1 = none yet
    uint32_t block_crc;      // of the events of the present block so far
    struct tape_sum synced;  // the block that was the present one at the last sync, as it was
    uint32_t pending;        // entries of whole blocks, not yet written
    uint64_t dropped;        // events that were there and differed: the tape was damaged or cut
    uint64_t next_sequence;
    struct event *buffer; // appended, not yet written
    uint32_t buffered;
    struct tape_sum sums[TAPE_SUMS_PENDING + 1];
};

// Takes the tape's lock, until the process ends; makes the folder if it is missing. Returns 0,
// -EWOULDBLOCK (another process has it) or -errno.
CHECKED int tape_lock(const char *folder);

// The mark that what lies behind `sequence` is being written again (lonja-tape, going back behind a
// snapshot). Durable when it returns 0; -errno else.
CHECKED int tape_again_mark(const char *folder, uint64_t sequence);
// The lowest that is marked; UINT64_MAX: none.
uint64_t tape_again_from(const char *folder);
// Takes all marks away. One that stays or comes back costs only time.
void tape_again_unmark(const char *folder);

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
// Ends the tape here: what stands behind the last command that was added is removed.
CHECKED int tape_writer_end(struct tape_writer *writer);
// Removes the segments that hold nothing from `sequence` on; never the last. Returns 0 or -errno.
CHECKED int tape_forget_before(const char *folder, uint64_t sequence);
// Removes everything behind `sequence` from the tape in `folder` (for `cut`). Returns 0 or -errno.
CHECKED int tape_truncate(const char *folder, uint64_t sequence);

#endif
