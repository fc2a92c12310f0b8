// The order that is being matched: a new one, which is in no pool yet; an amended one that has lost
// its place; or a stop whose turn it is. Private to engine_order.c, engine_amend.c, engine_match.c,
// engine_count.c and engine_stop.c.
#ifndef LONJA_MATCHER_ENGINE_TAKER_H
#define LONJA_MATCHER_ENGINE_TAKER_H

#include "matcher/engine_state.h"

struct taker {
    struct instrument *instrument;
    struct order *order; // own, or in the pool; leaves is all that is open
    uint32_t place;      // in the pool; 0 = it has none yet
    uint32_t self_match_id;
    uint64_t key; // of its price in its own side
    uint8_t type;
    uint8_t tif;
    uint8_t stp;
    int64_t quantity;        // in total, of a new one
    int64_t value;           // of a new one, as it was entered: price * quantity
    int64_t filled_notional; // of a new one
    int64_t stops_due;       // price of its last trade if stops have not been told of it; else 0
    bool stops_told;         // of one of its trades
    bool traded;             // in its last match
    int64_t band_price;      // its dynamic band is around this last price; 0 = it has none
    struct order own;
    struct order_terms terms; // of a new one whose marks say so
};

enum {
    STEP_EVENTS = 5,    // must be free for a step of matching
    TAKER_WAITS = 0xff, // why matching stopped: the command's events are used up; no cancel_reason
};

static inline struct book_side *taker_opposite(const struct taker *taker)
{
    return instrument_side(taker->instrument,
                           taker->order->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY);
}

// The worst key of the other side that it trades with.
static inline uint64_t taker_limit_key(const struct taker *taker)
{
    return BOOK_KEY_MAX - taker->key;
}

// An order of the pool that is in no place any more (or in the triggered queue).
struct taker taker_of_place(const struct engine *engine, struct instrument *instrument,
                            uint32_t place);

// engine_order.c: gives a new one its place in the pool; it is an open order of its session then,
// but nowhere yet.
void taker_enter(struct turn *turn, struct taker *taker);
// Tells that what was open of an order is cancelled.
void emit_cancelled(struct turn *turn, const struct order *order, int64_t open, int64_t released,
                    uint8_t reason);
void emit_terms(struct turn *turn, const struct order *order, const struct order_terms *terms,
                int64_t minimum);

// engine_limits.c: an accepted order is remembered for those that may duplicate it, where that is
// asked.
void engine_duplicate_remember(struct engine *engine, const struct taker *taker);

// engine_match.c: trades until the order is filled or nothing matches any more (0), or it has to
// stop (a cancel_reason, or TAKER_WAITS).
uint8_t taker_match(struct turn *turn, struct taker *taker);
// What is left of it rests, or is cancelled; a volatility auction begins if that is the reason.
void taker_finish(struct turn *turn, struct taker *taker, uint8_t reason);
// True if self-trade prevention acts on this maker.
bool taker_meets_itself(const struct engine *engine, const struct taker *taker, uint32_t place);
// A trade at this price would start a volatility auction, or trip the breaker.
bool price_is_volatile(const struct instrument *instrument, int64_t price);
bool price_trips_breaker(const struct instrument *instrument, int64_t price);

// engine_band.c: a trade at this price is beyond the static band, or the dynamic band around this
// last price (0 = there is none).
bool price_is_beyond_band(const struct instrument *instrument, int64_t last_price, int64_t price);
// Why an order stops at a band: CANCEL_BAND, or CANCEL_VOLATILITY without limit states.
uint8_t band_reason(const struct instrument *instrument);
// Its matching has ended for this reason, and what was left of it has gone where it goes: a limit
// state begins, or ends, by it.
void taker_limit_state(struct turn *turn, const struct taker *taker, uint8_t reason);

// engine_count.c: true if the steps of matching would trade this much.
bool taker_reaches(const struct turn *turn, const struct taker *taker, int64_t wanted);

// engine_stop.c: puts a stop where it belongs: into its stop book, or the triggered queue if in
// continuous trading the last price meets it.
void engine_stop_enter(struct engine *engine, struct instrument *instrument, uint32_t place);

#endif
