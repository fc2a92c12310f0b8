// View: what a gateway knows of the venue from its events: instruments, accounts and sessions, open
// orders with their client ids, balances (by folding postings), books by level, and (session,
// client id) -> order. Loaded from the newest snapshot, then fed every event; always exactly the
// state after view->sequence.
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
#include "schema/records.h"

struct view_order {
    uint64_t order; // 0 = free entry
    uint32_t account, instrument;
    uint32_t session;
    uint8_t gateway, side, type, tif;
    int64_t price, quantity, leaves;
    int64_t filled_notional; // cash units paid or received by its fills: for AvgPx
    uint64_t entered_ns;
    uint8_t client_id_bytes;
    char client_id[CLIENT_ID_BYTES_MAX];
};

struct view_instrument {
    struct instrument_rec terms; // terms.instrument == 0: does not exist
    struct instrument_state_rec state;
};

struct view_level {
    int64_t price;
    int64_t quantity;
    uint32_t orders;
};

struct view;

struct view *view_create(const struct boot *boot);
void view_destroy(struct view *view);
// Loads the newest snapshot; returns its sequence: open the follower behind it.
uint64_t view_load(struct view *view, const struct boot *boot);
// Applies one event. Call it before the gateway looks at the event itself if it wants the state
// after it; an order that is done by the event stays findable until the next command's first event.
void view_apply(struct view *view, const struct event *event);
// Call it with the wall clock a few times a second: at midnight (UTC) yesterday's client ids are free
// again, also while nothing happens.
void view_tick(struct view *view, uint64_t wall_ns);
uint64_t view_sequence(const struct view *view);
uint8_t view_venue_state(const struct view *view);

const struct view_instrument *view_instrument(const struct view *view, uint32_t instrument);
const struct view_instrument *view_instrument_by_symbol(const struct view *view, const char *symbol,
                                                        size_t bytes);
uint32_t view_instruments_max(const struct view *view);
const struct account_rec *view_account(const struct view *view, uint32_t account);
const struct session_rec *view_session(const struct view *view, uint32_t session);
uint32_t view_session_last_seq(const struct view *view, uint32_t session); // last durable MsgSeqNum
bool view_session_has_account(const struct view *view, uint32_t session, uint32_t account);
size_t view_session_accounts(const struct view *view, uint32_t session, uint32_t *out, size_t max);
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

// Best levels of one side, best first; returns how many (at most max).
size_t view_levels(const struct view *view, uint32_t instrument, uint8_t side,
                   struct view_level *out, size_t max);
// Quantity and orders at one price: for deltas.
struct view_level view_level_at(const struct view *view, uint32_t instrument, uint8_t side,
                                int64_t price);

#endif
