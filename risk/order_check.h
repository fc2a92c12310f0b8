// Order check: may this order enter? The documented order of requirements E6 (form, circuit
// breaker, fat finger, NAV), E7 (eligibility) and E8 (limits); the first check that refuses gives
// the answer. The hold (E9) follows in the engine, which owns the ledger.
//
// Who asks (session, account, instrument) has been settled before. A market order has no price: it
// is judged, held and matched at its collar price, the worst at which it may trade.
//
// Pure: reads the state it is shown, writes only its results. Threads: any.
#ifndef LONJA_RISK_ORDER_CHECK_H
#define LONJA_RISK_ORDER_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "risk/money.h"
#include "schema/records.h"
#include "schema/rejects.h"

// E8, cash units.
#define INVESTMENT_LIMIT_RETAIL        ((int64_t)500 * 1000000)
#define INVESTMENT_LIMIT_PROFESSIONAL  ((int64_t)5000 * 1000000)
#define INVESTMENT_LIMIT_INSTITUTIONAL ((int64_t)50000 * 1000000)

// Why not: a code of the catalogue and its three numbers.
struct refusal {
    uint16_t code;
    int64_t limit;
    int64_t value;
    int64_t argument;
};

struct order_check {
    const struct instrument_rec *terms;
    const struct instrument_state_rec *state;
    const struct account_rec *account;
    const struct money_divisor *tick;
    const struct money_divisor *lot;
    bool member_suspended;
    uint8_t side;
    uint8_t type;
    uint8_t tif;
    uint8_t flags;
    int64_t price; // in: the limit price; out: what the order is judged, held and matched at
    int64_t quantity;
    int64_t notional; // out: price * quantity
};

// True if every check passes: price and notional are set. False: *refusal says why.
CHECKED bool order_check_run(struct order_check *check, struct refusal *refusal);

// The personal half of E7: may this account trade at all? Who may not enter an order has none
// resting either (engine_reference.c).
CHECKED bool order_check_person(const struct account_rec *account, bool member_suspended,
                                struct refusal *refusal);

// The price that an order is compared with: last trade, else reference price, else NAV, else 0
// (U32).
int64_t order_check_reference(const struct instrument_state_rec *state);

// Sets *refusal; returns false, so that a check can end with it.
static inline bool refuse(struct refusal *refusal, uint16_t code, int64_t limit, int64_t value,
                          int64_t argument)
{
    *refusal = (struct refusal){.code = code, .limit = limit, .value = value, .argument = argument};
    return false;
}

#endif
