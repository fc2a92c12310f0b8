// Recorder: an agent that follows the venue's durable events into Postgres, exactly once.
//
// It begins at the cursor: it reads the events of the last recorded command again and compares them
// with what the cursor remembers. A cursor above the venue's sequence, or other events at it, are
// another venue's: RECORD_STOP_REFUSED. Without a server, or when it is lost, nothing is read but
// one batch ahead: the tape is the backlog.
//
// Two batches: while the transaction of one is on its way, the other is filled. A batch is as large
// as what happened meanwhile, at most record.batch_rows_max rows and BATCH_BYTES_MAX bytes, and
// whole commands: one command may be larger.
//
// Threads: one. The reader page shows the sequence that is committed, not the one that was read.
#ifndef LONJA_SETTLEMENT_RECORD_H
#define LONJA_SETTLEMENT_RECORD_H

#include "base/backlog.h"
#include "base/boot.h"
#include "core/follower.h"
#include "settlement/record_store.h"

enum record_phase {
    RECORD_WAITING, // for the database, or another recorder to go
    RECORD_PROVING, // reads the command at the cursor again
    RECORD_FOLLOWING,
    RECORD_STOPPED, // see stop
};
enum record_stop { RECORD_STOP_NONE, RECORD_STOP_REFUSED, RECORD_STOP_BROKEN };

struct record {
    const struct boot *boot;
    struct record_store *store;
    struct follower *follower; // from RECORD_PROVING on
    struct reader_page *page;
    struct record_terms terms;
    struct record_batch batches[2];
    struct record_batch *filling; // the one that events go to
    struct record_batch *writing; // NULL, or the other: tried, and perhaps committed
    struct record_cursor cursor;  // committed
    enum record_phase phase;
    enum record_stop stop;
    size_t batch_rows_max;
    uint64_t rows; // committed since the start, roughly
    uint64_t proof_digest;
    bool proof_inside;
    bool database_lost; // said so in the log
    struct backlog backlog;
    uint64_t noted_ns;  // last look at it
    bool behind;        // said so in the log
    uint64_t again_ns;  // after a failure: not before this
    uint64_t said_ns;   // last log line about waiting
    uint64_t looked_ns; // last look at the cursor while there was nothing to write
};

CHECKED bool record_init(struct record *record, const struct boot *boot,
                         const struct pg_settings *settings);
void record_fini(struct record *record);
// One bounded step; returns how much it did (0 = nothing to do now).
size_t record_do_work(struct record *record, uint64_t now_ns);
// Waits until there may be work.
void record_wait(struct record *record, uint64_t now_ns);

#endif
