// Tape: the venue's events on disk, for followers that are behind. Written by lonja-tape only, a
// cache of f(journal): it may be deleted and is rebuilt.
//
// A segment is a file <first sequence, 20 digits>.tape below STATE/tape: one header of 128 bytes,
// then events of 128 bytes (schema/records.h), without gaps, in order of (sequence, index). It is
// its own index: records have one size and are sorted, so a sequence is found by binary search. A
// command's events are never split over two segments: a segment ends with the first command that
// reaches segment_events.
//
// Only durable commands come here. The file grows by whole events; a reader takes what the file's
// length says and believes an event only if it is the expected successor of the one before, so that
// a tail lost with the machine (zeroes) reads as "not there yet" until lonja-tape has written it
// again.
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

#endif
