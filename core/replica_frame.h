// Frames between a primary (lonja-replicate) and a standby: what goes over the replication port.
//
//   standby                         primary
//   HELLO who I am, where I end  ->
//                                <- ANSWER the decision (replica_decide.h), and where the primary
//                                is
//                                <- SEGMENT header of a segment: make it, zero-filled, and sync it
//                                <- BLOCK of the journal: write it where it says, sync it
//   ACK up to where it is synced ->
//   PING                        <-> PING    nothing to say, but alive; how far I am
//
// A primary also calls its peer and says HELLO as a primary: whoever has the lower epoch learns
// that the other one was promoted. Every frame is a header of 16 bytes and a body whose size its
// type bounds. The stream below is TLS, blocks have checksums of their own, so frames need none.
// All numbers are little-endian. Pure functions over memory; one thread.
#ifndef LONJA_CORE_REPLICA_FRAME_H
#define LONJA_CORE_REPLICA_FRAME_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/journal_format.h"

#define REPLICA_MAGIC 0x72706c6eu
enum {
    REPLICA_PROTOCOL = 1,
    REPLICA_VENUE_BYTES = 64,
    REPLICA_TEXT_BYTES = 192,
    REPLICA_HEADER_BYTES = 16,
};

enum replica_frame_type {
    REPLICA_HELLO = 1,
    REPLICA_ANSWER,
    REPLICA_SEGMENT, // body: struct journal_segment_header
    REPLICA_BLOCK,   // body: struct journal_block_header and its payload, without the padding
    REPLICA_ACK,
    REPLICA_PING,
};

struct replica_frame_header {
    uint32_t magic; // REPLICA_MAGIC
    uint32_t type;
    uint32_t bytes; // of the body
    uint32_t reserved;
};
static_assert(sizeof(struct replica_frame_header) == REPLICA_HEADER_BYTES, "replica frame header");

enum replica_role { REPLICA_STANDBY = 1, REPLICA_PRIMARY = 2 };

struct replica_hello {
    uint32_t protocol; // REPLICA_PROTOCOL
    uint32_t schema_version, engine_version;
    uint32_t role;     // enum replica_role
    uint64_t life;     // random: nobody talks to himself
    uint64_t epoch;    // standby: of its last block; primary: its own
    uint64_t fence;    // standby: epoch of its fence, 0 = none
    uint64_t sequence; // last one it has
    uint32_t chain;    // of the block that ends there
    uint32_t reserved;
    char venue[REPLICA_VENUE_BYTES];
};
static_assert(sizeof(struct replica_hello) == 120, "replica hello");

struct replica_answer {
    uint32_t decision; // enum replica_decision
    uint32_t reserved;
    uint64_t epoch;    // the primary's
    uint64_t sequence; // its journal's end; of a journal that diverged, the last one in common
    char text[REPLICA_TEXT_BYTES];
};
static_assert(sizeof(struct replica_answer) == 216, "replica answer");

struct replica_position { // of ACK and PING
    uint64_t sequence;
    uint64_t reserved;
};
static_assert(sizeof(struct replica_position) == 16, "replica position");

enum { REPLICA_FRAME_BYTES_MAX = REPLICA_HEADER_BYTES + JOURNAL_BLOCK_BYTES_MAX };

// Bytes that arrived, or wait to leave. `memory` is the caller's, REPLICA_FRAME_BYTES_MAX of it or
// more.
struct replica_buffer {
    uint8_t *memory;
    size_t capacity;
    size_t begin, end; // what is in it
};

// Moves what is in it to the front; returns the room behind it.
size_t replica_buffer_room(struct replica_buffer *buffer);
void replica_buffer_drop(struct replica_buffer *buffer, size_t bytes);

enum replica_frame_result {
    REPLICA_FRAME_NONE,  // not whole yet
    REPLICA_FRAME_WHOLE, // *header and *body are one frame, in the buffer until it is dropped
    REPLICA_FRAME_BAD,   // no peer of ours sends this: cut the connection
};
enum replica_frame_result replica_frame_next(const struct replica_buffer *buffer,
                                             struct replica_frame_header *header,
                                             const uint8_t **body);
// Appends a frame; there must be room.
void replica_frame_put(struct replica_buffer *buffer, enum replica_frame_type type,
                       const void *body, size_t bytes);

#endif
