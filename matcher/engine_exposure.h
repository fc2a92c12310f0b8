// Exposure: what is open and what is traded of an account and its member, and what open buys may
// bring (docs/risk.md 3, 4), kept wherever a price or an open quantity of an order changes. An
// order is counted from the moment it has a place in the pool until it is over; a new order that is
// being matched is not in it yet. Private to matcher/engine*.c.
#ifndef LONJA_MATCHER_ENGINE_EXPOSURE_H
#define LONJA_MATCHER_ENGINE_EXPOSURE_H

#include "matcher/engine_state.h"

// The account has traded: counts it, where that is limited.
void exposure_executed(struct engine *engine, struct account *account);

static inline struct member *exposure_member(const struct engine *engine,
                                             const struct account *account)
{
    ASSERT(account->terms.account != 0 && account->terms.member != 0);
    return &engine->members[account->terms.member];
}

// The order's value (price * open quantity) and open quantity change by this (negative: less). No
// branch over the side: nobody can guess it.
static inline void exposure_add(struct engine *engine, const struct order *order, int64_t value,
                                int64_t quantity)
{
    struct account *account = &engine->accounts[order->account];
    struct member *member = exposure_member(engine, account);
    const uint8_t side = order->side - SIDE_BUY;
    ASSERT(side < 2);
    account->open[side] += value;
    member->open_value += value;
    ASSERT(account->open[side] >= 0 && member->open_value >= 0);
    ledger_incoming_add(&engine->ledger, order->token_balance, side == 0 ? quantity : 0);
}

// So much less of it is open, at the price that it has.
static inline void exposure_less(struct engine *engine, const struct instrument *instrument,
                                 const struct order *order, int64_t quantity)
{
    ASSERT(quantity > 0);
    exposure_add(engine, order, -instrument_notional(instrument, order->price, quantity),
                 -quantity);
}

// It is an open order from now on, with all of `open`, which is worth so much.
static inline void exposure_enter(struct engine *engine, const struct order *order, int64_t open,
                                  int64_t value)
{
    struct account *account = &engine->accounts[order->account];
    account->open_orders++;
    exposure_member(engine, account)->open_orders++;
    exposure_add(engine, order, value, open);
}

// It is none any more; what was open of it has been taken off before.
static inline void exposure_leave(struct engine *engine, const struct order *order)
{
    struct account *account = &engine->accounts[order->account];
    struct member *member = exposure_member(engine, account);
    ASSERT(account->open_orders > 0 && member->open_orders > 0);
    account->open_orders--;
    member->open_orders--;
}

static inline void exposure_bought(const struct engine *engine, struct account *account,
                                   int64_t notional)
{
    if ((account->terms.flags & ACCOUNT_NO_LIMITS) != 0) // it counts no buys
        return;
    if (__builtin_expect(account->bought_period != engine->check_venue.period, 0))
        party_period(account, engine->check_venue.period);
    account->bought = party_add(account->bought, notional);
}

// Both accounts of a trade have traded, each for itself and for its member.
static inline void exposure_traded(struct engine *engine, struct account *buyer,
                                   struct account *seller, int64_t notional)
{
    struct member *buys = exposure_member(engine, buyer);
    struct member *sells = exposure_member(engine, seller);
    const uint32_t day = engine->check_venue.day;
    traded_add(&buyer->traded, day, notional);
    traded_add(&seller->traded, day, notional);
    traded_add(&buys->traded, day, notional);
    traded_add(&sells->traded, day, notional);
    exposure_bought(engine, buyer, notional);
    if (__builtin_expect(buyer->limited | seller->limited, 0)) {
        exposure_executed(engine, buyer);
        exposure_executed(engine, seller);
    }
}

#endif
