// Exposure: what is open and what is traded of an account and its member, and what open buys may
// bring (docs/risk.md 3, 4), kept wherever a price or an open quantity of an order changes. An
// order is counted from the moment it has a place in the pool until it is over; a new order that is
// being matched is not in it yet. Private to matcher/engine*.c.
#ifndef LONJA_MATCHER_ENGINE_EXPOSURE_H
#define LONJA_MATCHER_ENGINE_EXPOSURE_H

#include "matcher/engine_state.h"

// A trade was one too many for the account's executions, or may be.
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

// It is an open order from now on, with all of `open`.
static inline void exposure_enter(struct engine *engine, const struct instrument *instrument,
                                  const struct order *order, int64_t open)
{
    struct account *account = &engine->accounts[order->account];
    account->open_orders++;
    exposure_member(engine, account)->open_orders++;
    exposure_add(engine, order, instrument_notional(instrument, order->price, open), open);
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

static inline void exposure_party_traded(struct engine *engine, struct account *account,
                                         int64_t notional)
{
    traded_add(&account->traded, engine->day, notional);
    traded_add(&exposure_member(engine, account)->traded, engine->day, notional);
    if (__builtin_expect(account->limited, 0) && account->own.executions_max != 0)
        exposure_executed(engine, account);
}

// Both accounts of a trade have traded. An account without investment limits counts no buys.
static inline void exposure_traded(struct engine *engine, uint32_t buyer, uint32_t seller,
                                   int64_t notional)
{
    struct account *buys = &engine->accounts[buyer];
    exposure_party_traded(engine, buys, notional);
    exposure_party_traded(engine, &engine->accounts[seller], notional);
    if ((buys->terms.flags & ACCOUNT_NO_LIMITS) != 0)
        return;
    if (__builtin_expect(buys->bought_period != engine->period, 0))
        party_period(buys, engine->period);
    buys->bought = party_add(buys->bought, notional);
}

#endif
