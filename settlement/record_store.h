// Record store: writes batches into Postgres, each exactly once. One transaction holds the rows of
// a range of sequences and the cursor; the cursor moves only from the sequence before the batch.
//
// After every new connection the store reads the cursor again and compares:
//   cursor = before the batch   nothing was written: write it
//   cursor = end of the batch   the commit had reached the server, its answer had not reached us:
//   done anything else               the server lost commits in a crash (they are not synced: the
//   tape is), or was
//                               restored, or somebody else wrote: RECORD_REWIND, start again at the
//                               cursor
// A session lock keeps a second recorder out.
//
// Threads: one. No call blocks longer than the statement timeout.
#ifndef LONJA_SETTLEMENT_RECORD_STORE_H
#define LONJA_SETTLEMENT_RECORD_STORE_H

#include "settlement/record_batch.h"

struct record_cursor {
    uint64_t sequence; // 0 = nothing is recorded yet
    uint64_t time_ns;
    uint64_t digest; // of the events of that command
};

enum record_result {
    RECORD_OK,
    RECORD_RETRY,  // no server, another recorder, or a passing error: try again after
                   // record_store_wait_ms
    RECORD_REWIND, // the batch does not follow the cursor: forget it, begin at the cursor
    RECORD_BROKEN, // the database refuses (rights, schema, a constraint): the same would happen
                   // again
};

struct record_store;

struct record_store *record_store_open(const struct pg_settings *settings);
void record_store_close(struct record_store *store);
// What went wrong last, for the log.
const char *record_store_reason(const struct record_store *store);
uint32_t record_store_wait_ms(const struct record_store *store);

// Connects, takes the lock, reads the cursor and the terms of the instruments.
CHECKED enum record_result record_store_begin(struct record_store *store,
                                              struct record_cursor *cursor,
                                              struct record_terms *terms);
// Writes a complete batch. The batch is unchanged unless RECORD_OK (then the caller clears it).
CHECKED enum record_result record_store_write(struct record_store *store,
                                              struct record_batch *batch);
// With nothing to write: is the cursor still where it was left? RECORD_REWIND if not
// (record.forget).
CHECKED enum record_result record_store_check(struct record_store *store);

#endif
