// What the files of the view share: view.c (reference data, loading, reading), view_orders.c
// (orders and books as events change them). For nobody else.
#ifndef LONJA_GATEWAY_COMMON_VIEW_INTERNAL_H
#define LONJA_GATEWAY_COMMON_VIEW_INTERNAL_H

#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "gateway/common/book_view.h"
#include "gateway/common/client_ids.h"
#include "gateway/common/xvp_parties.h"

struct account_entry {
    struct account_rec account;
    uint32_t newest; // place of its open orders' list, linked through order_entry.older
};

struct session_entry {
    struct session_rec session;
    uint32_t last_seq;
    struct session_account_rec *accounts;
    uint32_t account_count;
};

struct trailing {         // stops of one side that follow the market, while they wait
    uint32_t first, last; // ascending by id
    int64_t reach;        // a price that is not beyond this moves none of them
};

struct instrument_entry {
    struct view_instrument instrument;
    struct statistics statistics;
    struct book_side sides[2]; // by side - 1: buys, sells
    struct book_side stops[2]; // wait for their trigger, by stop price; those met first are best
    struct trailing trailing[2];
};

struct view {
    uint32_t accounts_max, sessions_max, assets_max, instruments_max;
    struct account_entry *accounts;
    struct session_entry *sessions;
    struct asset_rec *assets;
    struct instrument_entry *instruments;
    struct map symbols; // digest of a symbol -> the lowest instrument that has it
    struct map orders;  // id -> place
    struct order_entry *order_entries;
    uint32_t order_count, order_capacity, order_free; // free list through `older`
    struct map balances;                              // account << 32 | asset -> 1-based index
    struct balance_rec *balance_entries;
    uint32_t balance_count, balance_capacity;
    struct client_ids client_ids;
    struct xvp_parties xvp_parties;
    uint64_t *done; // orders that ended in the command now applied
    uint32_t done_count, done_capacity;
    // The order that is being matched: in no book yet. A triggered one may go on in the next
    // command.
    uint32_t active; // its place; 0 = none
    view_book_change_sink *on_book_change;
    void *on_book_change_context;
    uint64_t sequence;
    uint64_t day;            // of client ids
    uint64_t statistics_day; // up to which statistics know it is midnight
    uint8_t venue_state;
};

// view.c
bool view_load_record(void *view, const struct snapshot_record *record); // always true
void view_post(struct view *view, const struct event *event, uint32_t instrument);

// view_orders.c: what an event does to orders and books.
struct order_entry *view_order_entry(const struct view *view, uint64_t order);
void view_orders_erase_done(struct view *view);
// The client id that the command's session gave with this event, if it did.
void view_note_client_id(struct view *view, const struct event *event);
void view_order_accepted(struct view *view, const struct event *event);
void view_order_terms(struct view *view, const struct order_terms_evt *terms);
void view_order_amended(struct view *view, const struct event *event);
void view_order_triggered(struct view *view, const struct event *event);
void view_order_reduced(struct view *view, const struct event *event);
void view_order_refreshed(struct view *view, const struct order_refreshed_evt *refreshed);
void view_order_cancelled(struct view *view, const struct event *event);
void view_trade(struct view *view, const struct event *event);
// The instrument's state becomes this one.
void view_phase(struct view *view, const struct instrument_state_rec *state);
// The command is over: what was matched rests.
void view_orders_settle(struct view *view);
void view_order_load(struct view *view, const struct order_rec *record);
void view_order_terms_load(struct view *view, const struct order_terms_rec *record);

#endif
