// Record store: writes batches into Postgres, each exactly once. One transaction holds the rows of
// a range of sequences and the cursor; the cursor moves only from where we left it, directly before
// the batch.
//
// At every new connection the store looks whether it is a primary, has the schema that this binary
// knows (RECORD_SCHEMA_VERSION) and no other recorder, and reads the cursor again:
//   as we left it        nothing was written: write the batch
//   end of the batch     the commit had reached the server, its answer had not reached us: done
//   anything else        the server lost commits in a crash or failover (they are not synced: the
//                        tape is), or was restored, or is another one, or somebody else wrote:
//                        RECORD_REWIND, start again at the cursor
//
// Threads: one. No call blocks longer than the statement timeout, which doubles up to 320 s when a
// statement has exceeded it.
#ifndef LONJA_SETTLEMENT_RECORD_STORE_H
#define LONJA_SETTLEMENT_RECORD_STORE_H

#include "settlement/record_batch.h"

enum { RECORD_SCHEMA_VERSION = 1 }; // of record.schema_version

struct record_cursor {
    uint64_t sequence; // 0 = nothing is recorded yet
    uint64_t time_ns;
    uint64_t digest; // of the events of that command
};

enum record_result {
    RECORD_OK,
    RECORD_RETRY,  // no server, or none that can be used now; a passing error; another recorder:
                   // try again after record_store_wait_ms
    RECORD_REWIND, // the batch does not follow the cursor: forget it, begin at the cursor
    RECORD_BROKEN, // the database refuses a row, or has lost one: the same would happen again
    RECORD_BUSY,   // the batch is on its way
};

struct record_store;

struct record_store *record_store_open(const struct pg_settings *settings);
void record_store_close(struct record_store *store);
// What went wrong last, for the log.
const char *record_store_reason(const struct record_store *store);
uint32_t record_store_wait_ms(const struct record_store *store);

// Connects, takes the lock, reads the cursor, the terms of the instruments and the stops that wait.
CHECKED enum record_result record_store_begin(struct record_store *store,
                                              struct record_cursor *cursor,
                                              struct record_terms *terms);
// Writes a complete batch. RECORD_BUSY: call again with the same batch, which stays as it is and
// where it is, until another result comes; no other function but _wait and _close may be called
// meanwhile. After RECORD_RETRY the same batch must be written next, because it may have been
// committed.
CHECKED enum record_result record_store_write(struct record_store *store,
                                              struct record_batch *batch);
// While a batch is on its way: waits until it may have got further, at most timeout_ms.
void record_store_wait(struct record_store *store, uint32_t timeout_ms);
// With nothing to write: is the cursor still where it was left? RECORD_REWIND if not
// (record.forget).
CHECKED enum record_result record_store_check(struct record_store *store);

#endif
