// View: the state of an engine at one moment, as the snapshot records that engine_save gives; what
// they say about a market, a book, an order's place in it.
//
// It knows no more of the engine than its snapshots do, so a kind of record that is new is in the
// view and can be shown (explain_words.h) without being known here.
//
// Threads: one. Memory: malloc; 128 bytes per record.
#ifndef LONJA_CORE_EXPLAIN_VIEW_H
#define LONJA_CORE_EXPLAIN_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "matcher/engine.h"
#include "risk/money.h"

struct explain_range { // of records: from first up to but without end; 0, 0 = there are none
    size_t first, end;
};

struct explain_view {
    struct snapshot_record *records;
    size_t count, room;
    struct explain_range types[REC_COUNT]; // where the records of a type are, others between them
    struct explain_range *books; // where an instrument's orders are, nothing else between them
    uint64_t sequence, time_ns;
    uint8_t venue_state;
    struct engine_limits limits;
};

void explain_view_take(struct explain_view *view, const struct engine *engine,
                       const struct engine_limits *limits);
void explain_view_free(struct explain_view *view);

// The first record of this type whose body begins with this 32-bit id; NULL = there is none.
const struct snapshot_record *explain_view_find(const struct explain_view *view, uint8_t type,
                                                uint32_t id);
const struct asset_rec *explain_view_asset(const struct explain_view *view, uint32_t asset);
const struct instrument_rec *explain_view_instrument(const struct explain_view *view,
                                                     uint32_t instrument);
const struct account_rec *explain_view_account(const struct explain_view *view, uint32_t account);
// Of an order that is open; *terms is NULL if it has none.
const struct order_rec *explain_view_order(const struct explain_view *view, uint64_t order,
                                           const struct order_terms_rec **terms);
// An open order at this index of records; NULL = that is no order.
const struct order_rec *explain_view_order_at(const struct explain_view *view, size_t index,
                                              const struct order_terms_rec **terms);

// Decimals: of an asset, and of an instrument's token; 0 if it is not known.
unsigned explain_view_scale(const struct explain_view *view, uint32_t asset);
unsigned explain_view_token_scale(const struct explain_view *view, uint32_t instrument);
// "PORT", or "instrument 7" if it is not known; likewise of an asset.
struct explain_name {
    char text[32];
};
struct explain_name explain_view_symbol(const struct explain_view *view, uint32_t instrument);
struct explain_name explain_view_asset_symbol(const struct explain_view *view, uint32_t asset);

// Those whom an order, or a command, comes from; 0 = nobody in particular.
struct explain_whose {
    uint32_t account, member, session;
};
bool explain_kill_concerns(const struct kill_rec *kill, const struct explain_whose *whose);

// ---- the book

struct explain_depth { // a number of orders and what they have open
    uint64_t orders;
    money_sum open;
    money_sum shown;
};

// Where its orders are: buys, sells, then those that wait, each in priority; terms among them.
struct explain_range explain_view_book(const struct explain_view *view, uint32_t instrument);

// One side of an instrument's book.
struct explain_side {
    int64_t best; // of the orders with a limit; 0 = there is none
    struct explain_depth at_best;
    struct explain_depth all; // market orders of a call included
};
struct explain_side explain_view_side(const struct explain_view *view, uint32_t instrument,
                                      uint8_t side);

// What stands before an order on its own side: at better prices (market orders of a call among
// them), and earlier at its own price.
struct explain_ahead {
    struct explain_depth better;
    struct explain_depth level;
};
// Of an order that is in the book.
struct explain_ahead explain_view_ahead_of(const struct explain_view *view,
                                           const struct order_rec *order);
// Of one that would enter now.
struct explain_ahead explain_view_ahead_at(const struct explain_view *view, uint32_t instrument,
                                           uint8_t side, int64_t price, bool market);
// What of the other side an order of this side could trade with, up to its price.
struct explain_depth explain_view_reach(const struct explain_view *view, uint32_t instrument,
                                        uint8_t side, int64_t price);

// Sums are told as the engine tells them: above INT64_MAX as that.
int64_t explain_clamp(money_sum sum);

#endif
