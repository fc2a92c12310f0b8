// Surveil store: alerts and cursor into Postgres, in one transaction. The cursor moves only from
// where it was left: after every new connection it is read again and compared, as the recorder's is
// (settlement/record_store.h). A session lock keeps a second lonja-surveil out.
//
// Threads: one. No call blocks longer than the statement timeout.
#ifndef LONJA_RISK_SURVEILLANCE_SURVEIL_STORE_H
#define LONJA_RISK_SURVEILLANCE_SURVEIL_STORE_H

#include "base/pg.h"
#include "risk/surveillance/surveillance.h"

struct surveil_cursor {
    uint64_t sequence; // the last command that has been looked at; 0 = none
    uint64_t time_ns;
    uint64_t digest;    // of its events
    uint64_t day_first; // first command of its day
};

enum surveil_result {
    SURVEIL_OK,
    SURVEIL_RETRY,  // no server, another one has the lock, or a passing error
    SURVEIL_REWIND, // the cursor is not where it was left: begin again at it
    SURVEIL_BROKEN, // the database refuses (rights, schema)
};

struct surveil_store;

struct surveil_store *surveil_store_open(const struct pg_settings *settings);
void surveil_store_close(struct surveil_store *store);
// What went wrong last, for the log.
const char *surveil_store_reason(const struct surveil_store *store);
uint32_t surveil_store_wait_ms(const struct surveil_store *store);

// Connects, takes the lock, reads the cursor.
CHECKED enum surveil_result surveil_store_begin(struct surveil_store *store,
                                                struct surveil_cursor *cursor);
// Writes alerts and moves the cursor to `to`.
CHECKED enum surveil_result surveil_store_write(struct surveil_store *store,
                                                const struct surveillance_alert *alerts,
                                                size_t count, const struct surveil_cursor *to);
// With nothing to write: is the cursor still where it was left?
CHECKED enum surveil_result surveil_store_check(struct surveil_store *store);

#endif
