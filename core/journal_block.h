// One block of the journal: seal what was collected, judge what was read. Pure functions over
// memory.
#ifndef LONJA_CORE_JOURNAL_BLOCK_H
#define LONJA_CORE_JOURNAL_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/journal_format.h"
#include "schema/records.h"

// Bytes on disk of a block with this payload.
size_t journal_block_bytes(size_t payload_bytes);
// Fills the checksums and the chain in; the payload stands behind the header. `epoch`, `segment`,
// `first_sequence`, `count`, `bytes` and `previous_chain` are set by the caller.
void journal_block_seal(struct journal_block_header *block);
// True if the header is whole and sane (the payload is not looked at).
bool journal_block_header_valid(const struct journal_block_header *block, uint64_t segment);
// True if the payload fits its CRC and is exactly `count` commands with consecutive sequences.
bool journal_block_payload_valid(const struct journal_block_header *block);
// The command behind `command` in the payload; with NULL the first; NULL behind the last.
const struct command *journal_block_next(const struct journal_block_header *block,
                                         const struct command *command);

// What the segments of one life of the core have in common.
struct journal_segment_terms {
    uint64_t bytes;
    uint32_t engine_version;
    uint32_t limits[16];
};
void journal_segment_header_init(struct journal_segment_header *header, uint64_t number,
                                 const struct journal_segment_terms *terms);
// Whole, and of which version: a header that is not ours to read is not a broken one.
enum journal_header { JOURNAL_HEADER_OURS, JOURNAL_HEADER_OTHER_VERSION, JOURNAL_HEADER_BROKEN };
enum journal_header journal_segment_header_judge(const struct journal_segment_header *header,
                                                 uint64_t number);
bool journal_segment_header_valid(const struct journal_segment_header *header, uint64_t number);

#endif
