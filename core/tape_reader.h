// Tape reader: finds a place on the tape and reads on from there, while lonja-tape appends.
//
// It reads block by block (tape_format.h) and shows an event only if the block's checksum proves it
// and it is the expected successor of the one before. What is not proved is as good as not there
// yet, so a follower never sees a wrong event: it waits. If that is damage (the entry says that the
// events are there, and they are not), the reader says so in the log, with the place and the way
// out, for as long as it is asked; `lonja tape rebuild` mends it.
//
// Threads: one per reader. A file that cannot be read is as good as one that is not there yet.
#ifndef LONJA_CORE_TAPE_READER_H
#define LONJA_CORE_TAPE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/numbered_file.h"
#include "core/tape_sums.h"
#include "schema/records.h"

// An open segment, with the block that was read last.
struct tape_segment {
    int fd;                     // -1 = none
    int sums_fd;                // -1 = there are no checksums
    enum tape_sums_state state; // of them
    uint64_t first_sequence;
    uint64_t block;        // in `events`
    uint32_t block_events; // of them proved; 0 = none was read
    bool damaged;          // the last look met events that are not what their checksum says
    struct event events[TAPE_BLOCK_EVENTS];
};

struct tape_reader {
    char folder[NUMBERED_PATH_BYTES];
    uint64_t position;      // next event within the segment
    uint64_t next_sequence; // expected next event
    uint32_t next_index;
    struct tape_segment segment;
};

void tape_reader_init(struct tape_reader *reader, const char *folder);
void tape_reader_fini(struct tape_reader *reader);
// Goes to the event (sequence, index); false if the tape does not hold it (yet).
bool tape_reader_seek(struct tape_reader *reader, uint64_t sequence, uint32_t index);
// Copies the next events that are there, at most `max`; 0 = none now. After a successful seek only.
size_t tape_reader_read(struct tape_reader *reader, struct event *out, size_t max);
// Sequence of the last complete command on the tape; 0 = none.
uint64_t tape_reader_last_sequence(const char *folder);

// For the tools. Opens a segment and its checksums; false if its header is not whole.
bool tape_segment_enter(struct tape_segment *segment, const char *folder, uint64_t first_sequence);
void tape_segment_leave(struct tape_segment *segment);
// Reads a block if there are more than `known` events in it. Returns how many of them are proved, 0 =
// none; sets `damaged`.
uint32_t tape_segment_block(struct tape_segment *segment, uint64_t block, uint32_t known);
// Events that can be shown, if none is damaged.
uint64_t tape_segment_proved(const struct tape_segment *segment);

// For lonja-tape. Opens a segment and checks its header; returns a descriptor or -1.
int tape_segment_open(const char *folder, uint64_t first_sequence, bool writable);
// Whole events in the file, proved or not.
uint64_t tape_segment_events(int fd);
bool tape_segment_read(int fd, uint64_t position, struct event *out, size_t count);

#endif
