// Store: what one FIX session must remember beyond its process: the outgoing numbers, and every
// application message as it was first sent. Kept in <state_folder>/fix/<session>/:
//
//   numbers           two slots of 256 bytes, written in turn and synced: generation, reserved
//   numbers, whether
//                     the last stop was clean, CompID of the peer
//   messages-<g>,     append-only: each application message with the state of its order after it
//   messages-<g>.<n>  (bytes whose meaning is the caller's); g is the generation, which a reset of
//                     the session raises, n the segment: a new one when the one before is full
//
// Numbers are reserved in blocks (STORE_BLOCK; twice as many, up to STORE_BLOCK_MAX, for a session
// that uses one up within a second), synced before the first one is used: after a crash numbering
// goes on behind the reservation, so no number ever falls below what the peer may have seen.
// Messages are appended without waiting (store_flush hands them to the system before the socket
// gets them; store_sync makes them durable). What a crash of the machine takes is known: the
// reference of each message to its event is kept with it, and events behind the last one kept are
// reported again, with PossResend. Administrative messages are not kept: a number without a message
// is gap-filled. So is one whose segment was dropped: the oldest goes when it is older than the
// caller's limit or when more is kept than that (store_is_over, store_drop_oldest).
//
// Threads: the I/O thread, except store_sync_fd's descriptor, which may be synced by another.
// Failure of the disk is final: the functions return -errno, and the gateway must stop sending.
#ifndef LONJA_GATEWAY_FIX_STORE_H
#define LONJA_GATEWAY_FIX_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"

enum {
    STORE_BLOCK = 1000,
    STORE_BLOCK_MAX = 64000,
    STORE_COMP_ID_BYTES_MAX = 64,
    STORE_STATE_BYTES_MAX = 256,
    STORE_MESSAGE_BYTES_MAX = 4096,
    STORE_SEGMENT_BYTES = 4 << 20, // to read one through takes milliseconds
};

struct store_reference { // the event that a message reports
    uint64_t sequence;   // 0 = none: an answer of the gateway's own
    uint32_t index;      // of an own answer the MsgSeqNum of what it answers; 0 = of nothing
    uint32_t side;       // enum side of a trade's report, else 0
};

struct store_record {
    uint32_t number; // 0 = a state without a message: carried over a reset
    struct store_reference reference;
    const void *state; // at most STORE_STATE_BYTES_MAX
    size_t state_bytes;
    const char *text; // at most STORE_MESSAGE_BYTES_MAX
    size_t text_bytes;
};

// <0, 0, >0: the order in which reports are made.
int store_reference_compare(const struct store_reference *a, const struct store_reference *b);

struct store_entry {
    uint64_t offset;
    uint32_t number;
    uint32_t segment;
};

struct store_limits {
    uint64_t bytes_max;  // of all segments
    uint64_t age_max_ns; // of the newest message of a segment
};

struct store {
    char folder[512];
    int numbers_fd, messages_fd;
    uint64_t writes; // of the numbers file: the newer slot wins
    uint32_t session;
    uint32_t generation;
    uint32_t next_out;     // the next number to use
    uint32_t reserved_end; // numbers below it may be used
    uint32_t block;        // how many were reserved last
    uint64_t reserved_ns;  // and when (monotone)
    char comp_id[STORE_COMP_ID_BYTES_MAX];
    struct store_entry *entries; // by number
    size_t entry_count, entry_capacity;
    uint8_t *buffer; // appended, not yet written
    size_t buffer_bytes, buffer_capacity;
    uint32_t first_segment, segment; // the oldest that is kept, and the one that is written
    uint64_t segment_bytes_max;
    uint64_t written;           // length of the last segment
    uint64_t older_bytes;       // of the segments before it
    uint64_t oldest_changed_ns; // wall clock; 0 = not looked at
    int read_fd;                // of the older segment that was read last; -1 = none
    uint32_t read_segment;
    bool dirty;                  // written and not yet synced
    struct store_reference last; // of the newest message that has one
    struct store_reference base; // the last one that was forgotten: by a reset, or with a segment
};

typedef void store_visit(void *context, const struct store_record *record);

// Opens the session's store, or makes one if comp_id is given; `visit` sees every kept record, in
// order. A torn end of the messages file is cut. Returns 0, -ENOENT (no store and no comp_id), or
// -errno.
CHECKED int store_open(struct store *store, const char *fix_folder, uint32_t session,
                       const char *comp_id, store_visit *visit, void *context);
// Flushes, syncs and notes the exact next number: the next start has no hole. Returns 0 or -errno.
CHECKED int store_close(struct store *store);
// Frees memory and descriptors without a word to the disk, as a crash does.
void store_abandon(struct store *store);

// Sees to it that next_out may be used; waits for the disk once per block. Returns 0 or
// -errno.
CHECKED int store_reserve(struct store *store);
// Keeps a message; numbers only go up.
void store_append(struct store *store, const struct store_record *record);
// Hands what was appended to the system. Returns 0 or -errno.
CHECKED int store_flush(struct store *store);
// Both numbers begin at 1 again and what was kept is gone; the last reference stays. Between the
// two calls the caller appends the states that must outlive the messages; a crash before the second
// one leaves the store as it was. Return 0 or -errno.
CHECKED int store_reset_begin(struct store *store);
CHECKED int store_reset_commit(struct store *store);

// Whether the oldest segment is to be dropped. The one that is written never is.
bool store_is_over(struct store *store, const struct store_limits *limits, uint64_t wall_ns);
// Drops it. `visit` sees each of its records first, and appends what must outlive it (number 0).
// Waits for the disk. Returns 0 or -errno.
CHECKED int store_drop_oldest(struct store *store, store_visit *visit, void *context);

// The first kept message with a number >= `number`: returns its number and writes the text; 0 =
// none. Flushes first. *bytes is 0 if the disk cannot be read or the text is rotten.
uint32_t store_read(struct store *store, uint32_t number, char text[STORE_MESSAGE_BYTES_MAX],
                    size_t *bytes);

#endif
