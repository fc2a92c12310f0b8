// Surveil: an agent that follows the venue's durable events, runs the detectors of
// surveillance.h over them, and writes their alerts into Postgres, exactly once.
//
// It begins at the database's cursor. To be as warm as if it had never stopped it reads the
// cursor's day from its first command again (the facts before it come from a file, see
// facts_file.h), without writing what it finds up to the cursor; there it compares the events with
// what the cursor remembers. A cursor above the venue's sequence, or other events at it, are
// another venue's: SURVEIL_STOP_REFUSED. Without a server nothing is read: the tape is the backlog.
//
// Threads: one. The reader page shows the sequence that is committed. Memory: that of surveillance,
// and the alerts of one batch, which ends with a command.
#ifndef LONJA_RISK_SURVEILLANCE_SURVEIL_H
#define LONJA_RISK_SURVEILLANCE_SURVEIL_H

#include "base/boot.h"
#include "core/follower.h"
#include "risk/surveillance/facts_file.h"
#include "risk/surveillance/surveil_store.h"

enum surveil_phase {
    SURVEIL_WAITING, // for the database, or another one to go
    SURVEIL_WARMING, // up to the cursor: nothing is written
    SURVEIL_FOLLOWING,
    SURVEIL_STOPPED, // see stop
};
enum surveil_stop { SURVEIL_STOP_NONE, SURVEIL_STOP_REFUSED, SURVEIL_STOP_BROKEN };

struct surveil {
    const struct boot *boot;
    struct surveil_store *store;
    struct follower *follower; // from SURVEIL_WARMING on
    struct reader_page *page;
    struct surveillance *surveillance;
    char folder[NUMBERED_PATH_BYTES]; // of the facts files
    struct surveil_cursor cursor;     // committed
    struct surveil_cursor reached;    // the last whole command that was applied
    struct facts_mark facts;          // loaded; its command is read first, to prove it
    bool facts_refused;               // they are another journal's: without them
    uint64_t digest;                  // of the command that is being read
    bool inside;
    struct surveillance_alert *alerts; // of the batch
    size_t alert_count, alerts_max;
    size_t batch_events, batch_alerts; // a batch ends with the command that reaches either
    enum surveil_phase phase;
    enum surveil_stop stop;
    bool unwritten;     // the batch was tried, and may have been committed
    bool database_lost; // said so in the log
    uint64_t untracked; // last said
    uint64_t again_ns;  // after a failure: not before this
    uint64_t said_ns;   // last log line about waiting
    uint64_t wrote_ns;  // last write of the cursor, or look at it
};

CHECKED bool surveil_init(struct surveil *surveil, const struct boot *boot,
                          const struct pg_settings *settings);
void surveil_fini(struct surveil *surveil);
// One bounded step; returns how much it did (0 = nothing to do now).
size_t surveil_do_work(struct surveil *surveil, uint64_t now_ns);
// Waits until there may be work.
void surveil_wait(struct surveil *surveil, uint64_t now_ns);

#endif
