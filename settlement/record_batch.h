// Record batch: turns events into the rows of one transaction. Pure: no I/O, so that the same
// events make the same rows whatever the database does meanwhile.
//
// What is new in a batch (orders, trades, entries …) goes into binary COPY buffers; what changes
// rows of earlier batches (leaves of an order, balances) is folded to one row per order and per
// balance. Reference data that holds one current row per id is kept as events and applied in order.
//
// Units are the engine's base units. Threads: one. Memory grows to the largest batch and is kept.
#ifndef LONJA_SETTLEMENT_RECORD_BATCH_H
#define LONJA_SETTLEMENT_RECORD_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/map.h"
#include "base/pg_copy.h"
#include "risk/postings.h"
#include "schema/records.h"

// What an event's rows need beyond the event; it lives across batches.
struct record_terms {
    struct posting_terms *terms; // of the instruments, by id
    size_t count;                // ids 0 .. count - 1; token_asset 0 = unknown
    struct map stops;            // orders that wait for their trigger: their amends do not say so
};
void record_terms_fini(struct record_terms *terms);
void record_terms_set(struct record_terms *terms, uint32_t instrument,
                      const struct posting_terms *value);

enum record_status {
    RECORD_OPEN,
    RECORD_PARTIALLY_FILLED,
    RECORD_FILLED,
    RECORD_CANCELLED,
    RECORD_PENDING_STOP,
    RECORD_EXPIRED,
};
const char *record_status_text(enum record_status status); // E4's words, and U27's expired

struct record_order { // a new order, or the change of an older one
    uint64_t order;
    bool is_new;
    bool has_client_id; // a change carries a new one
    enum record_status status;
    int64_t quantity; // 0 in a change: as before
    int64_t leaves;
    int64_t filled;          // by this batch
    int64_t filled_notional; // by this batch
    uint64_t updated_ns, updated_seq;
    uint8_t client_id_bytes;
    char client_id[CLIENT_ID_BYTES_MAX];
    int64_t price;                             // 0 in a change: as before; so are the next four
    int64_t stop_price, trail_offset, display; // 0 in a new order: it has none
    uint64_t expire_ns;
    const char *waits_for; // trigger, close, "" = nothing; NULL in a change: as before
    int64_t trigger_price;
    uint64_t triggered_ns; // 0 = not by this batch
    // of a new order only:
    uint32_t account, instrument, session, token_asset, self_match_id;
    uint8_t gateway, side, type, tif, flags, stp, token_scale;
    int64_t minimum;
    uint64_t created_ns;
};

struct record_balance {
    struct posting change;
    uint64_t sequence;
};

struct record_batch {
    struct record_terms *terms; // the caller's
    uint64_t first_sequence;    // 0 = the batch is empty
    uint64_t last_sequence;     // of the last complete command
    uint64_t last_time_ns;
    uint64_t last_digest; // of the events of that command
    bool inside;          // in the middle of a command
    size_t rows;          // roughly what Postgres will write
    uint64_t digest;      // running, of the command that is being read

    struct pg_copy order_events, trades, entries, rejects, venue_events, auctions;
    struct pg_copy deficits, corrections;
    struct record_order *orders;
    size_t order_count, order_capacity;
    struct map order_index; // order id -> index + 1
    struct record_balance *balances;
    size_t balance_count, balance_capacity;
    struct map balance_index; // account << 32 | asset -> index + 1
    struct event *references; // those of which one row per id is kept, in order
    size_t reference_count, reference_capacity;
};

void record_batch_init(struct record_batch *batch, struct record_terms *terms);
void record_batch_fini(struct record_batch *batch);
// Forgets the rows; the terms stay.
void record_batch_clear(struct record_batch *batch);
// Events must come in order, from the first of a command.
void record_batch_add(struct record_batch *batch, const struct event *event);
// Bytes of its rows, roughly.
size_t record_batch_bytes(const struct record_batch *batch);
// True if it has commands and ends with a complete one: it may be written.
bool record_batch_complete(const struct record_batch *batch);

#endif
