// The engine: matching, risk and ledger as one deterministic state machine. One command in, events
// out.
//
// It reads no clock, no random source, no file, no socket and no configuration: time and sequence
// arrive in the command's header. Same commands, same events, on every compiler and optimisation
// level, and after a restart from any snapshot. It never allocates after engine_init, and never
// fails: a command that cannot be carried out becomes a `rejected` event and changes nothing.
//
// Threads: one. Ownership: the caller owns the memory block; the engine lives inside it.
// Units: prices are cash units (1e-6) per whole token, quantities token units (10^-k), money cash
// units.
#ifndef LONJA_MATCHER_ENGINE_H
#define LONJA_MATCHER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "schema/records.h"
#include "schema/rejects.h"

// Part of the journal. An engine repeats the journals of every version from ENGINE_REPLAYS_SINCE on: same
// commands, same events (tests/journals keeps one of each). It loads the snapshots of every older version of
// its SCHEMA_VERSION: so a version that repeats no older journal starts from a snapshot at the old one's end.
enum {
    ENGINE_VERSION = 3,
    ENGINE_REPLAYS_SINCE = 3
};

struct engine_limits { // every pool of the engine; all checked at start, printed by core and tape
    uint32_t accounts_max;
    uint32_t members_max;
    uint32_t sessions_max;
    uint32_t session_accounts_max;
    uint32_t assets_max;
    uint32_t instruments_max;
    uint32_t balances_max;
    uint32_t orders_max;
    uint32_t levels_max;
    uint32_t stops_max;          // of orders_max: stops that wait for their trigger or their turn
    uint32_t trailing_stops_max; // of them trailing stops, per instrument and side
    uint32_t fees_max;           // records of fees
    uint32_t command_events_max;
};

// Where events go: a ring or a plain array, `mask + 1` events long, written from `position` on. The
// caller resets count to 0 before each command and advances position by count afterwards. There is
// always room for command_events_max events: what needs more finishes in continuation commands.
struct event_sink {
    struct event *events;
    uint64_t mask;
    uint64_t position;
    uint32_t count;
};

struct engine;

// Bytes of memory the limits need; 0 if a limit is out of range.
size_t engine_bytes(const struct engine_limits *limits);
// Lays the engine out in `memory` (zeroed, 64-byte aligned, engine_bytes() long): empty,
// cancel-only.
struct engine *engine_init(void *memory, const struct engine_limits *limits);

// Applies one command (checked by command_check, stamped with sequence, time and gateway; its type
// allowed for its gateway) and writes at least one event; the last one has header.last = 1.
void engine_apply(struct engine *engine, const struct command *command, struct event_sink *sink);

// Asks memory for what a command that is about to be applied will touch: step 0 some commands before
// its turn, then 1, then 2. It changes nothing, and the command need not have been judged.
enum { ENGINE_FETCH_STEPS = 3 };
// Its first two slots are read. In a venue that is not wide (too few accounts to leave the caches)
// it asks for nothing.
bool engine_is_wide(const struct engine *engine);
void engine_fetch(const struct engine *engine, const struct command *command, uint32_t step);

// The time from which the core must journal a clock_tick; UINT64_MAX = none.
uint64_t engine_next_deadline_ns(const struct engine *engine);
// Sequence, time and venue state after the last command.
uint64_t engine_sequence(const struct engine *engine);
uint64_t engine_time_ns(const struct engine *engine);
uint8_t engine_venue_state(const struct engine *engine);

// A command the engine itself wants next (continuation of a large one); false = none. The core
// stamps and journals it like any other, before it takes one from a ring.
bool engine_continuation(const struct engine *engine, struct command *out);

// Digest of the logical state (not of memory): equal for equal histories and after save and load.
uint64_t engine_digest(const struct engine *engine);
// Digest of what shows of an instrument's book: side, order id, price and displayed quantity, buys
// and then sells, in priority. 0 for an instrument that does not exist.
uint64_t engine_book_digest(const struct engine *engine, uint32_t instrument);
// Full walk of every invariant (books sorted, FIFO, not crossed, holds = open orders, every asset
// sums to zero); asserts. For tests, and for operators on a follower; never in the hot path.
void engine_check(const struct engine *engine);

// Snapshot as logical records, in a canonical order, from `meta` up to but without `end`. The
// callback returns 0 to go on. engine_save returns 0, or what the callback returned.
typedef int engine_save_sink(void *context, const struct snapshot_record *record);
CHECKED int engine_save(const struct engine *engine, engine_save_sink *sink, void *context);
// Loads one record after another into a fresh engine; returns false if a record cannot belong to a
// valid state (then the engine is unusable). After the last one the caller compares engine_digest
// with meta's.
CHECKED bool engine_load(struct engine *engine, const struct snapshot_record *record);

// What operators and tests ask; none of it is needed to trade.
bool engine_balance(const struct engine *engine, uint32_t account, uint32_t asset,
                    struct balance_rec *out);
uint32_t engine_open_orders(const struct engine *engine);

#endif
