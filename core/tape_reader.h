// Tape reader: finds a place on the tape and reads on from there, while lonja-tape appends.
// Threads: one per reader. A file that cannot be read is as good as one that is not there yet.
#ifndef LONJA_CORE_TAPE_READER_H
#define LONJA_CORE_TAPE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/numbered_file.h"
#include "schema/records.h"

struct tape_reader {
    char folder[NUMBERED_PATH_BYTES];
    int fd;                 // open segment, -1 = none
    uint64_t position;      // next event within the segment
    uint64_t next_sequence; // expected next event
    uint32_t next_index;
};

void tape_reader_init(struct tape_reader *reader, const char *folder);
void tape_reader_fini(struct tape_reader *reader);
// Goes to the event (sequence, index); false if the tape does not hold it (yet).
bool tape_reader_seek(struct tape_reader *reader, uint64_t sequence, uint32_t index);
// Copies the next events that are there, at most `max`; 0 = none now. After a successful seek only.
size_t tape_reader_read(struct tape_reader *reader, struct event *out, size_t max);
// Sequence of the last complete command on the tape; 0 = none.
uint64_t tape_reader_last_sequence(const char *folder);

// Opens a segment and checks its header; returns a descriptor or -1. For lonja-tape, too.
int tape_segment_open(const char *folder, uint64_t first_sequence, bool writable);
// Whole events in the segment.
uint64_t tape_segment_events(int fd);
bool tape_segment_read(int fd, uint64_t position, struct event *out, size_t count);

#endif
