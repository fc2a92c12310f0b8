// What market.c (what has changed, and how it looks) and subscribe.c (who gets it) share.
#ifndef LONJA_GATEWAY_WEB_MARKET_H
#define LONJA_GATEWAY_WEB_MARKET_H

#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

enum { RECENT_MAX = 100 };

// An order of which something else shows than at the last flush; shown 0 = it left the book.
struct order_row {
    uint64_t order; // 0 = void: a later row tells of it
    int64_t price, shown;
    uint8_t side;
    bool to_back;
};

struct touched_level {
    int64_t price;
    uint8_t side;
};

struct subscribers {
    uint64_t *clients; // http ids
    size_t count, capacity;
};

struct market {
    struct subscribers subscribers[CHANNEL_COUNT];
    uint64_t seq[CHANNEL_COUNT]; // of the last change; book_orders has the book's
    struct touched_level *levels;
    size_t level_count, level_capacity;
    struct map level_index; // price and side -> 1-based index
    struct order_row *rows; // kept while somebody listens to book_orders
    size_t row_count, row_capacity;
    struct map row_index;                   // order -> 1-based index
    struct view_level best[2];              // as last published: buy, sell
    struct public_trade recent[RECENT_MAX]; // by number, modulo
    uint64_t trades, trades_flushed;
    uint64_t trade_sequence;    // of the newest
    struct auction_evt auction; // the last one told
    uint64_t auction_ns;
    uint64_t day_begin_ns; // of the statistics last published
    uint64_t state_seq;    // at which its terms or state last changed
    bool auction_told, statistics_changed, state_changed;
    bool listed; // in markets->changed
};

struct markets {
    struct market **by_instrument; // NULL until something happens to it
    uint32_t *changed;
    size_t changed_count;
    uint32_t instruments_max;
    struct view_level levels[BOOK_DEPTH_MAX]; // of the snapshot being made
};

struct market *market_of(struct markets *markets, uint32_t instrument);
// Makes a snapshot in web->out.
void market_snapshot(struct web *web, uint32_t instrument, enum channel channel);
// Sends web->out to every subscriber of a channel that is not behind.
void market_publish(struct web *web, uint32_t instrument, enum channel channel);

#endif
