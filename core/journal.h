// Journal writer: takes stamped commands from the core thread, writes whatever waits as one block,
// makes it durable, opens the gate. Group commit forms by itself: while one write is outstanding,
// the next block collects. One write outstanding, no timer.
//
// Threads: the core thread calls room, append and flush; the journal thread (SCHED_FIFO where
// allowed) write_work; a third, of lowest priority, prepare_work: it zero-fills and syncs segments
// ahead of use. A simulator or test calls both works itself instead of journal_start.
//
// Failure: a failed write or sync shuts the gate for good (gate_fail); the journal writes nothing
// more and the core exits with status 4. Memory: all taken in journal_open.
#ifndef LONJA_CORE_JOURNAL_H
#define LONJA_CORE_JOURNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "core/gate.h"
#include "core/journal_block.h"
#include "core/journal_io.h"

struct journal_options {
    struct journal_segment_terms segments;
    uint64_t epoch;         // of this life of the core
    uint64_t next_sequence; // of the first command to come
    uint32_t chain;         // of the last block recovered
    uint64_t queue_slots;   // commands that wait, a power of two
};

struct journal {
    const struct journal_io *io;
    struct gate *gate;
    const struct clock *clock;
    struct arena arena;
    struct journal_options options;

    // Core thread.
    _Alignas(64) uint64_t queue_write; // next slot to fill
    uint64_t queue_read_seen;          // what we last saw of the other side

    // Between core and journal thread.
    _Alignas(64) _Atomic uint64_t queue_tail; // published by the core
    _Alignas(64) _Atomic uint64_t queue_head; // published by the journal thread
    _Alignas(64) _Atomic uint32_t sleeping;   // the journal thread waits on `wake`
    _Atomic uint32_t wake;
    _Atomic uint32_t stop;         // 1 = write what is there, then end
    _Atomic uint64_t prepared;     // segments up to this one are ready for use
    _Atomic uint64_t in_use;       // segment being written
    _Atomic uint32_t prepare_wake; // bumped when `prepared` or `in_use` moves, or at an error

    // Journal thread.
    _Alignas(64) uint8_t *queue;
    struct journal_block_header *block; // JOURNAL_BLOCK_BYTES_MAX, aligned
    uint32_t payload_bytes_max;         // of a block
    uint32_t asked;                     // a bit for each gateway with a command in it
    int file;                           // open segment, -1 = none yet
    uint64_t segment, offset;
    uint64_t next_sequence;
    uint32_t chain;

    bool threaded;
    pthread_t writer, preparer;
    uint8_t *zeroes; // preparer's, aligned
};

// Prepares the first segment. Returns 0 or -errno.
CHECKED int journal_open(struct journal *journal, const struct journal_io *io, struct gate *gate,
                         const struct clock *clock, const struct journal_options *options);
void journal_close(struct journal *journal);

// Core thread: slots that may be appended now.
uint64_t journal_room(struct journal *journal);
// Core thread: copies a stamped command into the queue. There must be room.
void journal_append(struct journal *journal, const struct command *command);
// Core thread, once per batch: shows what was appended, wakes the journal thread if it sleeps.
void journal_flush(struct journal *journal);

// Writes at most one block. Returns the number of commands made durable, 0 = nothing waits, or
// -errno.
CHECKED int journal_write_work(struct journal *journal);
// When nothing waits: until something does, for a while at most, or not at all if it does by now.
void journal_sleep(struct journal *journal);
// Prepares at most one segment. Returns 1 if it did, 0 if enough are ready, or -errno.
CHECKED int journal_prepare_work(struct journal *journal);

// Starts the two threads; realtime_priority 0 = ordinary. Returns 0 or -errno.
CHECKED int journal_start(struct journal *journal, int realtime_priority);
// Writes what waits and ends the threads.
void journal_stop(struct journal *journal);

#endif
