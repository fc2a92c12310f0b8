// Journal: the one order of all commands on disk. State = f(journal).
//
// A segment is a file <number, 20 digits>.journal below STATE/journal, zero-filled to its full size
// and synced before it gets its name. Its first 4,096 bytes are the segment header; behind it stand
// blocks, each at a multiple of 4,096 bytes: a header of 64 bytes, then whole commands
// (schema/records.h) without gaps, then zeroes to the next multiple. A block that does not fit any
// more goes to the next segment.
//
// Blocks form a chain: `previous_chain` is the `chain` of the block before, over segments and
// epochs. `chain` = CRC32C of the header up to it, which holds the payload's CRC. A new life of the
// core is a new epoch and begins a new segment, so what a torn block left behind is never written
// over. Sequences are consecutive over all: 1, 2, 3 … Every sequence that is a multiple of
// JOURNAL_DIGEST_EVERY is a journal_digest command with the running digest of all events before it
// (base/digest.h).
//
// All numbers are little-endian.
#ifndef LONJA_CORE_JOURNAL_FORMAT_H
#define LONJA_CORE_JOURNAL_FORMAT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define JOURNAL_SEGMENT_MAGIC 0x7367657361706e6cULL
#define JOURNAL_BLOCK_MAGIC   0x6b636f6c626a6e6cULL
#define JOURNAL_SUFFIX        "journal"
enum {
    JOURNAL_FORMAT = 1,
    JOURNAL_PAGE_BYTES = 4096, // alignment of everything, and length of the segment header
    JOURNAL_BLOCK_HEADER_BYTES = 64,
    JOURNAL_BLOCK_BYTES_MAX = 256 * 1024, // header, payload and padding
    JOURNAL_PAYLOAD_BYTES_MAX = JOURNAL_BLOCK_BYTES_MAX - JOURNAL_BLOCK_HEADER_BYTES,
    JOURNAL_DIGEST_EVERY = 4096,
};

struct journal_segment_header {
    uint64_t magic;
    uint32_t format;         // JOURNAL_FORMAT
    uint32_t schema_version; // SCHEMA_VERSION
    uint32_t engine_version; // ENGINE_VERSION of the core that prepared it
    uint32_t crc;            // CRC32C of this header with crc = 0
    uint64_t number;         // of the segment
    uint64_t bytes;          // of the file
    uint32_t limits[16]; // of the engine, in the order of struct engine_limits, then zeroes: they
                         // decide what is refused for lack of room, so a replay needs them
};
static_assert(sizeof(struct journal_segment_header) == 104, "journal segment header");

struct journal_block_header {
    uint64_t magic;
    uint64_t epoch;   // life of the core that wrote it: 1, 2, 3 …
    uint64_t segment; // number of the segment it stands in
    uint64_t first_sequence;
    uint32_t count;          // commands
    uint32_t bytes;          // of payload
    uint32_t payload_crc;    // CRC32C of the payload
    uint32_t previous_chain; // chain of the block before; 0 for the first block ever
    uint64_t reserved;       // zero
    uint32_t chain;          // CRC32C of the header up to here
    uint32_t header_crc;     // CRC32C of the header up to here
};
static_assert(sizeof(struct journal_block_header) == JOURNAL_BLOCK_HEADER_BYTES,
              "journal block header");
static_assert(offsetof(struct journal_block_header, chain) == 56, "journal block header");

#endif
