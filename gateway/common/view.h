// View: what a gateway knows of the venue from its events: instruments with their rules, auctions
// and statistics, accounts and sessions, open orders with their client ids, balances (by folding
// postings), books by best price, level and order, and (session, client id) -> order. Loaded from
// the newest snapshot, then fed every event; always exactly the state after view->sequence.
//
// Everything is found by id in O(1) or by hash; iteration order is by id. Threads: the gateway's
// I/O thread only. Memory grows with what is open, not with history; client ids are kept until
// the trading day ends.
#ifndef LONJA_GATEWAY_COMMON_VIEW_H
#define LONJA_GATEWAY_COMMON_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/boot.h"
#include "core/follower.h"
#include "gateway/common/statistics.h"
#include "gateway/common/xvp_parties.h"
#include "schema/records.h"

struct view_order {
    uint64_t order; // 0 = free entry
    uint32_t account, instrument;
    uint32_t session;
    uint8_t gateway, side, type, tif;
    int64_t price;            // its limit; of market and stop orders the collar price
    int64_t quantity, leaves; // total and open, the hidden part included
    int64_t filled_notional;  // cash units paid or received by its fills: for AvgPx
    uint64_t entered_ns;
    uint8_t client_id_bytes;
    uint8_t state; // enum order_state, as the engine has it after this event
    uint8_t flags; // enum order_flag
    uint8_t stp;   // enum stp_mode
    uint32_t self_match_id;
    int64_t stop_price;   // while it waits for its trigger, a trailing stop's present one; then 0
    int64_t trail_offset; // while it waits for its trigger; then 0
    int64_t display;      // iceberg: the size of a slice; 0 = everything shows
    int64_t shown;        // what shows in the book now; 0 = it is not in the book
    uint64_t expire_ns;   // GTD; else 0
    char client_id[CLIENT_ID_BYTES_MAX];
};

struct view_instrument {
    struct instrument_rec terms; // terms.instrument == 0: does not exist
    struct instrument_state_rec
        state; // indicative_due_ns is of the last instrument_state, not of now
    struct instrument_rules_rec rules;       // all zero = no limits, defaults
    struct instrument_controls_rec controls; // all zero = off
    uint32_t band_count, entry_count;
    struct tick_band_rec bands[TICK_BANDS_MAX];               // by ascending from_price
    struct schedule_entry_rec schedule[SCHEDULE_ENTRIES_MAX]; // by ascending time of day
    struct auction_evt auction; // the last one told; instrument == 0: none, or the phase is over
    uint64_t auction_ns;        // when it was told
};

struct view_level { // what shows at one price
    int64_t price;
    int64_t quantity;
    uint32_t orders;
};

struct view;

struct view *view_create(const struct boot *boot);
void view_destroy(struct view *view);
// Loads the newest snapshot; returns its sequence: open the follower behind it.
uint64_t view_load(struct view *view, const struct boot *boot);
// Loads the snapshot of that very sequence, without what only the tape tells (client ids of orders
// that are done, statistics, auctions). Returns the sequence, 0 if it is not there any more.
uint64_t view_load_at(struct view *view, const struct boot *boot, uint64_t sequence);
// Applies one event. Call it before the gateway looks at the event itself if it wants the state
// after it; an order that is done by the event stays findable until the next command's first event.
// An order that is being matched is in the book when it rests: at the command's last event, or when
// another one's turn comes.
void view_apply(struct view *view, const struct event *event);
// Call it with the wall clock a few times a second: at midnight (UTC) yesterday's client ids are
// free again and new statistics begin, also while nothing happens.
void view_tick(struct view *view, uint64_t wall_ns);
uint64_t view_sequence(const struct view *view);
uint8_t view_venue_state(const struct view *view);

const struct view_instrument *view_instrument(const struct view *view, uint32_t instrument);
const struct view_instrument *view_instrument_by_symbol(const struct view *view, const char *symbol,
                                                        size_t bytes);
uint32_t view_instruments_max(const struct view *view);
// The tick that holds at a price (above 0), by the tick table.
int64_t view_tick_at(const struct view_instrument *instrument, int64_t price);
// Of the instrument's trading day: see statistics.h.
const struct statistics *view_statistics(const struct view *view, uint32_t instrument);
const struct account_rec *view_account(const struct view *view, uint32_t account);
const struct session_rec *view_session(const struct view *view, uint32_t session);
uint32_t view_session_last_seq(const struct view *view, uint32_t session); // last durable MsgSeqNum
// enum session_right of a session for an account; 0 = it is none of its accounts.
uint8_t view_session_rights(const struct view *view, uint32_t session, uint32_t account);
// The accounts for which a session has this right, ascending; returns how many (at most max).
size_t view_session_accounts(const struct view *view, uint32_t session, uint8_t right,
                             uint32_t *out, size_t max);
bool view_balance(const struct view *view, uint32_t account, uint32_t asset,
                  struct balance_rec *out);
const struct asset_rec *view_asset(const struct view *view, uint32_t asset);

const struct view_order *view_order(const struct view *view, uint64_t order);
// The order, open or done, that this session gave this client id today; 0 = none.
uint64_t view_order_by_client_id(const struct view *view, uint32_t session, const char *id,
                                 size_t bytes);
// Calls back for each open order of an account, oldest first.
typedef void view_order_sink(void *context, const struct view_order *order);
void view_orders_of_account(const struct view *view, uint32_t account, view_order_sink *sink,
                            void *context);

// Who gives or gets a leg of a settlement instruction that is open, or has ended in this command.
const struct xvp_party_list *view_xvp_parties(const struct view *view, uint64_t xvp);

// ---- books: only orders in the book, only what shows of them. In a call they may cross, and a
// resting market order stands at its collar price.

// L1: the best level of a side; false = the side is empty.
bool view_best(const struct view *view, uint32_t instrument, uint8_t side, struct view_level *out);
// L2: best levels of one side, best first; returns how many (at most max).
size_t view_levels(const struct view *view, uint32_t instrument, uint8_t side,
                   struct view_level *out, size_t max);
// Quantity and orders at one price: for deltas.
struct view_level view_level_at(const struct view *view, uint32_t instrument, uint8_t side,
                                int64_t price);
// L3: the orders of one side in priority (price, then place in time), until the callback says
// false.
typedef bool view_book_sink(void *context, const struct view_order *order);
void view_book_orders(const struct view *view, uint32_t instrument, uint8_t side,
                      view_book_sink *sink, void *context);
// Digest of the book as it shows: of every order of the buy side, then of the sell side, in
// priority: one record of 128 bytes (base/digest.h), zero but for {u64 order, i64 price, i64 shown,
// u64 side}. Equal to the engine's engine_book_digest.
uint64_t view_book_digest(const struct view *view, uint32_t instrument);

// Called by view_apply for every order of which something else shows now: for L2 and L3 deltas.
struct view_book_change {
    uint64_t order;
    int64_t price;
    int64_t shown; // now; 0 = it left the book
    uint32_t instrument;
    uint8_t side;
    bool to_back; // it is new in its level, or went to its back
};
typedef void view_book_change_sink(void *context, const struct view_book_change *change);
void view_on_book_change(struct view *view, view_book_change_sink *sink, void *context);

#endif
