// Helpers of the recorder's tests: a venue without processes (the real engine, a tape file, a
// control page) with a random flow of everything, and the scratch database.
//
// The database is named as in base/pg_testing.h; its name testing_must contain "test". Its record
// and settlements are emptied.
#ifndef LONJA_SETTLEMENT_RECORD_TESTING_H
#define LONJA_SETTLEMENT_RECORD_TESTING_H

#include "core/testing.h"

#include "settlement/record.h"

enum { TESTING_ACCOUNTS = 8, TESTING_FIRST_ACCOUNT = 20, TESTING_DUMP_BYTES = 4096 };

struct testing_venue {
    char folder[64];
    struct boot boot;
    struct engine *engine;
    struct event *events; // of one command
    int tape_fd;
    struct event_ring_control *control;
    uint64_t sequence;
    uint64_t gateway_seq[GATEWAY_COUNT];
    uint64_t random;
    struct event last_trade;
};

void testing_venue_init(struct testing_venue *venue, uint64_t seed);
void testing_venue_fini(struct testing_venue *venue);
// That many random commands.
void testing_venue_run(struct testing_venue *venue, int commands);
uint64_t testing_random(struct testing_venue *venue, uint64_t limit);
// Puts these events on the tape as those of the next command, past the engine.
void testing_tell(struct testing_venue *of, const struct event *events, uint32_t count);
#define EVENT(name, ...)                                                                           \
    {                                                                                              \
        .header.type = EVT_##name, .body.name = { __VA_ARGS__ }                                    \
    }
#define TELL(of, ...)                                                                              \
    testing_tell((of), (const struct event[]){__VA_ARGS__},                                        \
                 sizeof((const struct event[]){__VA_ARGS__}) / sizeof(struct event))

extern struct pg_settings testing_recorder; // as lonja_record
extern struct pg *testing_owner;            // as lonja_owner
// False: no server is named.
bool testing_database_open(void);
// One more connection as lonja_owner, the caller's.
struct pg *testing_owner_connection(void);
void testing_database_empty(void);
// What the owner's statement has not done fails the test.
void testing_must(enum pg_class class);
// The one number (or true: 1) that a SELECT gives.
int64_t testing_number(const char *sql);
// One text for all rows of all tables of the record, the state of each settlement, and the cursor.
void testing_database_dump(char out[TESTING_DUMP_BYTES]);
// Fails, and names the tables that differ, unless the dump is this one.
void testing_database_is(const char *expected);

uint64_t testing_now(void);
// Until the sequence is committed, the recorder has stopped, or time is over.
void testing_record_until(struct record *record, uint64_t sequence, int timeout_ms);
// Everything by a recorder of its own.
void testing_record_all(struct testing_venue *venue, int batch_rows_max);

#endif
