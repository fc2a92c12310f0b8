// Doors of the engine's order files (engine_order.c, engine_place.c, engine_match.c, engine_stop.c,
// engine_mass.c) to each other and to the rest of the engine; included by engine_state.h.
#ifndef LONJA_MATCHER_ENGINE_ORDER_H
#define LONJA_MATCHER_ENGINE_ORDER_H

#include "matcher/engine_state.h"

// What of an open order is not matched yet, whether it shows or not.
static inline int64_t order_open(const struct order_pool *pool, uint32_t place)
{
    const struct order *order = order_at(pool, place);
    return order->leaves +
           ((order->marks & ORDER_MARK_ICEBERG) != 0 ? pool->terms[place].hidden : 0);
}

// enum order_state: the one of its containers that it is in.
static inline uint8_t order_state(const struct order *order)
{
    if ((order->marks & ORDER_MARK_STOP) != 0)
        return ORDER_STATE_PENDING_STOP;
    if ((order->marks & ORDER_MARK_TRIGGERED) != 0)
        return ORDER_STATE_TRIGGERED;
    return (order->marks & ORDER_MARK_CLOSE) != 0 ? ORDER_STATE_PENDING_CLOSE : ORDER_STATE_OPEN;
}

// What an order holds of which this much is open: cash at its price and the buyer's fee (buy), or
// the tokens themselves. The fee is rounded once, over all that is open: what a part of it holds is
// a difference.
//
// `value`: of all that is open, at its price.
static inline int64_t order_hold_of(const struct order *order, int64_t open, int64_t value)
{
    int64_t cash = value;
    ASSERT(open >= 0 && value >= 0);
    if (__builtin_expect(order->buyer_bps != 0, 0))
        cash += money_fee(cash, order->buyer_bps);
    return order->side == SIDE_SELL ? open : cash;
}

static inline int64_t order_hold(const struct instrument *instrument, const struct order *order,
                                 int64_t open)
{
    return order_hold_of(order, open, instrument_notional(instrument, order->price, open));
}

static inline struct balance *order_held_balance(const struct engine *engine,
                                                 const struct order *order)
{
    return ledger_at(&engine->ledger,
                     order->side == SIDE_BUY ? order->cash_balance : order->token_balance);
}

static inline struct tick_table instrument_ticks(const struct instrument *instrument)
{
    return (struct tick_table){.tick = instrument->terms.tick,
                               .divisor = &instrument->tick,
                               .ranges = instrument->ranges,
                               .count = instrument->band_count != 0 ? instrument->range_count : 0};
}

// ---- engine_place.c: where an open order is
//
// In the book (and the market list), in the stop book (and the trailing list), in the triggered
// queue, or among those that wait for the close. These set its marks and the counters that follow;
// it is in none of them before. What it holds, its session's list and the heap of expiries are not
// touched. There is room for its level.
void engine_place_book(struct engine *engine, struct instrument *instrument, uint32_t place);
void engine_place_stop(struct engine *engine, struct instrument *instrument, uint32_t place);
void engine_place_triggered(struct engine *engine, struct instrument *instrument, uint32_t place);
void engine_place_close(struct engine *engine, struct instrument *instrument, uint32_t place);
// A resting market order goes to the back of its price level; among market orders it stays where
// it is, by its id.
void engine_place_back(struct engine *engine, struct instrument *instrument, uint32_t place);
// Out of the one it is in.
void engine_place_leave(struct engine *engine, struct instrument *instrument, uint32_t place);
// It is over: out of its place (forget: it has left that), its session's list, the heap and the
// pool. Its hold is used up or released.
void engine_order_end(struct engine *engine, struct instrument *instrument, uint32_t place);
void engine_order_forget(struct engine *engine, struct instrument *instrument, uint32_t place);
// Its terms; from now on it has some (all zero).
struct order_terms *engine_order_terms(struct engine *engine, uint32_t place);
// It has lost its place in time by the command that is applied.
void engine_order_requeued(struct engine *engine, uint32_t place);
// An iceberg shows min(display, open), another order all of it; or nothing is hidden (it is in no
// book).
void engine_order_show(struct engine *engine, uint32_t place);
void engine_order_gather(struct engine *engine, uint32_t place);

// ---- engine_limits.c (others: engine_state.h)
//
// False if the session, or its member, has sent too much in this window of time.
CHECKED static inline bool engine_throttle(const struct turn *turn, struct refusal *refusal)
{
    const struct session *session = turn->session;
    ASSERT(session != NULL);
    bool asked =
        session->throttled | turn->engine->members[session->terms.member].throttled;
    return __builtin_expect(!asked, 1) || engine_throttle_count(turn, refusal);
}

// A refusal that its owner may confirm is remembered.
void engine_confirm_remember(struct engine *engine, const struct order_check *check,
                             const struct refusal *refusal);

// ---- engine_exposure.c
//
// The time is in another day or period than before: day, period and their end are set.
void engine_calendar_turn(struct engine *engine);

// ---- engine_order.c
//
// The open order that a command names, if its session has this right over it: *place is set. All
// but cancels count for the throttle.
CHECKED bool engine_order_admit(const struct turn *turn, uint64_t id, uint32_t account,
                                uint8_t right, uint32_t *place, struct refusal *refusal);

// ---- engine_match.c
//
// A trade of an auction between two orders in the book at its price: books it, writes `trade` (the
// maker is the order with the lower id), lowers what is open. What remains of an iceberg shows its
// next slice in its place; who is filled is still in the book, with nothing left, and the caller's
// to end. Returns 0; or with nothing done the side of the
// party whose counters of the ledger would pass their bound (the buyer is looked at first). Last
// price and stops are the caller's; so is filled_notional of who is left, by *notional: most are
// not, and their cold halves need not be touched.
CHECKED uint8_t engine_trade_auction(struct turn *turn, struct instrument *instrument,
                                     uint32_t buyer, uint32_t seller, int64_t quantity,
                                     int64_t price, int64_t *notional);

// ---- engine_stop.c (others: engine_state.h)
//
// What decides over breaker, volatility or stops has changed (terms, rules, reference price, NAV):
// the next trade looks at all of them.
static inline void engine_quiet_reset(struct instrument *instrument)
{
    instrument->quiet_low = 1;
    instrument->quiet_high = 0;
}
// A stop begins to wait.
void engine_quiet_narrow(struct instrument *instrument, uint8_t side,
                         const struct order_terms *terms);

#endif
