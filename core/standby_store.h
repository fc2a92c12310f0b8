// Store of a standby: its journal folder, filled with the primary's segments and blocks, each byte
// where it stands on the primary, so that every tool reads it, and a core can go on from it. A
// block is taken only if it continues the chain; it is written and synced before the call returns.
//
// A segment is zero-filled, synced and renamed into place by a thread of low priority as soon as
// the primary has told its header, usually long before its first block.
//
// Threads: the owner calls everything; standby_store_prepare also runs on the store's own thread (a
// test calls it itself). Failure: what the disk refuses is not tried again: exit and look.
#ifndef LONJA_CORE_STANDBY_STORE_H
#define LONJA_CORE_STANDBY_STORE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/journal_block.h"
#include "core/journal_io.h"

enum { STANDBY_SEGMENTS_WAITING_MAX = 8 };

struct standby_store {
    const struct journal_io *io;
    int file; // open segment, -1 = none yet
    uint64_t segment, segment_bytes, offset;
    uint64_t next_sequence, epoch; // of the next block, of the last one
    uint32_t chain;
    struct journal_block_header *block; // aligned: what is written
    uint8_t *zeroes;                    // aligned: the preparer's

    // Segments told and not yet made, in order; under the lock.
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct journal_segment_header waiting[STANDBY_SEGMENTS_WAITING_MAX];
    unsigned waiting_count;
    uint64_t told, made; // numbers of the last ones
    int prepare_error;   // 0 or -errno
    bool stop, threaded;
    pthread_t preparer;
};

// Finds the end of what is there (an empty folder is none). Returns 0, -EBADMSG with the reason in
// `reason` (a corrupt journal: see `lonja journal verify`) or -errno.
CHECKED int standby_store_open(struct standby_store *store, char reason[160],
                               const struct journal_io *io);
void standby_store_close(struct standby_store *store);
CHECKED int standby_store_start(struct standby_store *store);

// The header of the next segment, or of one that was told before. Returns 0, -EBADMSG (it does not
// follow, or what stands there is another one), -EAGAIN (too many wait: later) or -errno.
CHECKED int standby_store_segment(struct standby_store *store,
                                  const struct journal_segment_header *header);
// The next block, `bytes` of it: header and payload. Durable when it returns 0; else -EBADMSG (it
// does not follow; nothing was written) or -errno of the disk.
CHECKED int standby_store_block(struct standby_store *store, const void *block, size_t bytes);

// Makes at most one segment. Returns 1 if it did, 0 if none waits, or -errno.
CHECKED int standby_store_prepare(struct standby_store *store);

#endif
