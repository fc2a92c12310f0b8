// Order check: may this order enter, may it be amended? The documented order of requirements E6
// (form, circuit breaker, fat finger, NAV), E7 (eligibility) and E8 (limits): docs/matching.md 2
// and 4, docs/risk.md 1. The first check that refuses gives the answer. Capacity and the hold (E9)
// follow in the engine, which owns book and ledger.
//
// Who asks (session, account, instrument) has been settled before. A market order has no price: it
// is judged, held and matched at its collar price, the worst at which it may trade; stop and
// trailing stop likewise, around their stop price.
//
// Pure: reads the state it is shown, writes only its results. Threads: any.
#ifndef LONJA_RISK_ORDER_CHECK_H
#define LONJA_RISK_ORDER_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "risk/controls.h"
#include "risk/money.h"
#include "risk/party.h"
#include "risk/ticks.h"
#include "schema/records.h"
#include "schema/rejects.h"

// E8, cash units.
#define INVESTMENT_LIMIT_RETAIL        ((int64_t)500 * 1000000)
#define INVESTMENT_LIMIT_PROFESSIONAL  ((int64_t)5000 * 1000000)
#define INVESTMENT_LIMIT_INSTITUTIONAL ((int64_t)50000 * 1000000)

enum { ICEBERG_SLICES_MAX = 1000 };

// An iceberg shows its quantity in a bounded number of slices: each costs an order that trades with
// it two events, and nobody else gets a turn while a triggered one does.
static inline bool order_slices_fit(int64_t quantity, int64_t display)
{
    return (quantity - 1) / ICEBERG_SLICES_MAX < display;
}

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
    const struct instrument_rules_rec *rules;
    const struct instrument_controls_rec *controls;
    const struct jurisdictions *jurisdictions;
    const struct account *account;
    const struct member *member;
    const struct check_venue *venue;
    const struct money_divisor *lot;
    struct tick_table ticks;
    bool has_terms; // what follows `notional` is set; else it is not looked at
    uint8_t side;
    uint8_t type;
    uint8_t tif;
    uint8_t flags;
    uint8_t stp;
    int64_t price;    // in: the limit price; out: what the order is judged, held and matched at
    int64_t quantity; // of an amend: what will be open
    int64_t notional; // out: price * quantity
    uint64_t time_ns; // of the command
    uint64_t confirm_ref;
    uint32_t token_balance;  // of the account, in the ledger; 0 = there is none
    int64_t quantity_before; // of an amend: what is open, and its value
    int64_t value_before;
    int64_t stop_price; // in and out: a trailing stop may start at the last price
    int64_t trail_offset;
    int64_t display;
    int64_t minimum;
    uint64_t expire_ns;
};

// What an amend names of an order that loses its place.
struct order_check_amend {
    int64_t quantity_up; // the new total, if it goes up; else 0
    bool price_given;
    bool stop_price_given;
};

// A type that waits for a trigger.
static inline bool order_type_stops(uint8_t type)
{
    return type == ORDER_STOP || type == ORDER_STOP_LIMIT || type == ORDER_TRAILING_STOP;
}

enum { ORDER_CONFIRMS = ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV };

// Something of a new order may be left at the end of its command.
static inline bool order_needs_place(uint8_t type, uint8_t tif, uint8_t phase)
{
    if (tif == TIF_IOC || tif == TIF_FOK)
        return false;
    return type != ORDER_MARKET || tif == TIF_AT_CLOSE || phase != PHASE_CONTINUOUS;
}

// True if every check passes: price, stop price and notional are set. False: *refusal says why.
CHECKED bool order_check_run(struct order_check *check, struct refusal *refusal);
// The same of an amend; the order's form is settled.
CHECKED bool order_check_amend(struct order_check *check, const struct order_check_amend *amend,
                               struct refusal *refusal);

// The personal half of E7: may this account trade at all? Who may not enter an order has none
// resting either (engine_reference.c).
CHECKED bool order_check_person(const struct account_rec *account, bool member_suspended,
                                struct refusal *refusal);

// The price that an order is compared with: last trade, else reference price, else NAV, else 0
// (U32).
int64_t order_check_reference(const struct instrument_state_rec *state);

// The worst price inside the collar around a reference that is on tick: rounded towards the
// reference, at least one tick. 0 = it cannot be represented.
int64_t order_check_collar(const struct tick_table *ticks, uint8_t side, int64_t reference,
                           uint32_t collar_bps);

static inline void refusal_set(struct refusal *refusal, uint16_t code, int64_t limit, int64_t value,
                               int64_t argument)
{
    *refusal = (struct refusal){.code = code, .limit = limit, .value = value, .argument = argument};
}

// Sets *refusal and is false, so that a check can end with it: refuse(refusal, code, limit, value,
// argument). A macro: whoever reads the branches behind it sees that they are none.
#define refuse(...) (refusal_set(__VA_ARGS__), false)

#endif
