// Tape: the venue's events on disk, for followers that are behind. Written by lonja-tape only, a
// cache of f(journal): it may be deleted and is rebuilt.
//
// A segment is a file <first sequence, 20 digits>.tape below STATE/tape: one header of 128 bytes,
// then events of 128 bytes (schema/records.h), without gaps, in order of (sequence, index). It is
// its own index: records have one size and are sorted, so a sequence is found by binary search. A
// command's events are never split over two segments: a segment ends with the first command that
// reaches segment_events.
//
// Only durable commands come here. The file grows by whole events; a tail lost with the machine
// reads as "not there yet" until lonja-tape has written it again.
//
// Beside each segment stand its checksums, <first sequence>.sums: a header of 64 bytes, then for
// each block of TAPE_BLOCK_EVENTS events an entry of 32 bytes with the CRC32C of those that are
// there. The events are written first, their entry after them, so an entry says how far a block may
// be believed, also at the end of a tape that grows. When a segment is finished its header is
// sealed: number of events, last sequence, CRC32C of all entries' CRCs. A reader shows nothing that its
// entry does not prove; see tape_reader.h for what it does then.
//
// A segment without the file is one from before there were checksums: it is read as it is.
//
// An empty file <sequence>.again says that what is behind this sequence is being written again, and
// may not be durable though it looks whole (tape_writer.h).
#ifndef LONJA_CORE_TAPE_FORMAT_H
#define LONJA_CORE_TAPE_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define TAPE_MAGIC  0x65706174616a6e6cULL // "lnjatape"
#define TAPE_SUFFIX "tape"
enum { TAPE_FORMAT = 1, TAPE_HEADER_BYTES = 128 };

struct tape_header {
    uint64_t magic;
    uint32_t format;         // TAPE_FORMAT
    uint32_t schema_version; // SCHEMA_VERSION
    uint64_t first_sequence;
    uint8_t reserved[100]; // zero
    uint32_t crc;          // CRC32C of the bytes before
};
static_assert(sizeof(struct tape_header) == TAPE_HEADER_BYTES, "tape header");
static_assert(offsetof(struct tape_header, crc) == TAPE_HEADER_BYTES - 4, "tape header");

#define TAPE_SUMS_MAGIC  0x736d757361746a6cULL // "ljtasums"
#define TAPE_SUMS_SUFFIX "sums"
#define TAPE_AGAIN_SUFFIX "again"
enum { TAPE_SUMS_FORMAT = 1, TAPE_BLOCK_EVENTS = 256 };

struct tape_sums_header {
    uint64_t magic;
    uint32_t format; // TAPE_SUMS_FORMAT
    uint32_t block_events;
    uint64_t first_sequence;
    uint64_t events;        // of the finished segment; 0 = it is not finished
    uint64_t last_sequence; // then
    uint32_t entries_crc;   // then: CRC32C of the crc of each entry
    uint8_t reserved[16];   // zero
    uint32_t crc;           // CRC32C of the bytes before
};
static_assert(sizeof(struct tape_sums_header) == 64, "tape sums header");

// While the segment grows, an entry also says what of its block was synced last, so that what the
// machine loses of a block does not cost the proof of what it has kept.
struct tape_sum {
    uint32_t block;  // 0, 1, 2 … within the segment
    uint32_t events; // that are proved: all of the block, but for the last one
    uint32_t crc;    // CRC32C of them
    uint32_t synced_events; // the first of them, durable; 0 = none, or the segment is finished
    uint32_t synced_crc;    // CRC32C of these
    uint32_t reserved[2];   // zero
    uint32_t check;         // CRC32C of the bytes before
};
static_assert(sizeof(struct tape_sum) == 32, "tape sum");

#endif
