// Journal reader: goes through the blocks of the journal in their one order, over segments and
// epochs, and decides at every place that is not the expected block what that means
// (journal_cases). Used by recovery, by lonja-tape beside a writing core, and by lonja-journal.
//
// Threads: one per reader. Memory: allocated at open (before the core is sandboxed).
#ifndef LONJA_CORE_JOURNAL_READER_H
#define LONJA_CORE_JOURNAL_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/journal_block.h"
#include "core/journal_io.h"

// What stands at the reader's place.
enum journal_place {
    JOURNAL_PLACE_NEXT,    // a whole block that continues the chain
    JOURNAL_PLACE_FOREIGN, // a whole block that does not
    JOURNAL_PLACE_ZERO,    // nothing was ever written here
    JOURNAL_PLACE_BROKEN,  // something that is no whole block
    JOURNAL_PLACE_COUNT
};
// What stands in the segments after the reader's.
enum journal_later {
    JOURNAL_LATER_NONE,      // no whole block
    JOURNAL_LATER_CONTINUES, // the first whole block continues the chain
    JOURNAL_LATER_CONFLICTS, // it does not; or a segment is missing, or has no whole header
    JOURNAL_LATER_COUNT
};
enum journal_decision {
    JOURNAL_READ,         // take the block
    JOURNAL_NEXT_SEGMENT, // go on at the first whole block of a later segment
    JOURNAL_END,          // the journal ends here, cleanly
    JOURNAL_TORN,         // it ends here: a write that was never answered is cut
    JOURNAL_CORRUPT,      // refuse to start
};
// What is wrong where the decision is JOURNAL_CORRUPT: who recovers must know it (core/recovery.h).
enum journal_fault {
    JOURNAL_FAULT_NONE,
    JOURNAL_FAULT_MIDDLE,     // whole blocks stand behind one that is broken or not there
    JOURNAL_FAULT_MISSING,    // a segment is not there, or has no whole header
    JOURNAL_FAULT_EPOCH,      // an epoch that goes back
    JOURNAL_FAULT_FOREIGN,    // a whole block that continues another chain: two cores wrote
    JOURNAL_FAULT_VERSION,    // a segment of another format or schema version
    JOURNAL_FAULT_UNREADABLE, // the disk refuses to read: what stands there is not known
};
// The whole decision: `behind` = a whole block stands behind the place in the same segment.
enum journal_decision journal_decide(enum journal_place place, bool behind,
                                     enum journal_later later);

enum { JOURNAL_REASON_BYTES = 240 };

struct journal_reader {
    const struct journal_io *io;
    int file; // open segment, -1 = none yet
    uint64_t segment;
    uint64_t segment_bytes;
    uint64_t offset;        // place in the segment
    uint64_t next_sequence; // expected
    uint64_t epoch;         // of the last block
    uint32_t chain;         // of the last block
    bool adopt;             // the next block's predecessor is not known: begin in the middle
    uint8_t *window;        // read-ahead
    uint64_t window_offset;
    size_t window_bytes;
    size_t readahead_bytes;
    uint32_t engine_version;           // that wrote the segment
    int error;                         // errno of a failed read, 0 = none
    enum journal_fault fault;          // why the last decision was JOURNAL_CORRUPT
    char reason[JOURNAL_REASON_BYTES]; // the same in words, and where
};

// Goes to the newest segment whose first block begins at or before `sequence` (1 = the beginning):
// blocks before it come, too. `live`: beside a writing core: read little ahead. Returns 0 or
// -errno; an empty journal is no error.
CHECKED int journal_reader_open(struct journal_reader *reader, const struct journal_io *io,
                                uint64_t sequence, bool live);
void journal_reader_close(struct journal_reader *reader);

// JOURNAL_READ: *block is the next block, valid until the next call. JOURNAL_END, JOURNAL_TORN:
// nothing there; call again later (live) or stop. JOURNAL_CORRUPT: see `fault` and `reason`. A
// failed read is JOURNAL_CORRUPT, too: it never looks like the end.
enum journal_decision journal_reader_next(struct journal_reader *reader,
                                          const struct journal_block_header **block);

// Forgets what was read ahead: whoever follows a writer calls it when more has become durable, so
// that nothing is judged that was read while it was being written.
void journal_reader_forget(struct journal_reader *reader);

// Number of the first segment that a new epoch may use: behind everything that was ever written to.
// *ready = how many segments from there on are already prepared (zero-filled, on these terms).
CHECKED int journal_next_segment(const struct journal_io *io, uint64_t *number, uint64_t *ready,
                                 const struct journal_segment_terms *terms);
// The header of a segment; false if it is not there, not whole or of another version.
bool journal_segment_header_read(const struct journal_io *io, struct journal_segment_header *header,
                                 uint64_t number);
// Makes everything in the journal durable that was written by a core that died (not a machine):
// what is recovered may be shown, so it must not get lost later.
CHECKED int journal_sync_all(const struct journal_io *io);

// First and last segment number (0 if there is none). Returns 1, 0 if there is none, or -errno:
// then there may be some.
CHECKED int journal_segments(const struct journal_io *io, uint64_t *first, uint64_t *last);

#endif
