// Parties: members and accounts as checks see them: what they may, their limits, and what their
// orders and trades amount to (docs/risk.md 3). The engine keeps them; checks only read.
//
// The first cache line of each has what every order touches, the second of an account what every
// trade touches besides; the rest is read only where a limit is set. Of a hundred thousand accounts
// every line costs more than what is done with it: so an account also has, out of what other places
// say, what nearly every one of its orders would look up there. `limited`, `throttled` and `flags`
// follow from `own`, `bought_before` from `bought_at`, `fees_alone` and `fee_rates` from the
// records of fees; `found` is where two of its balances were found last, and says nothing else.
#ifndef LONJA_RISK_PARTY_H
#define LONJA_RISK_PARTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "risk/money.h"
#include "schema/records.h"

#define PARTY_DAY_NS    ((uint64_t)86400 * 1000000000)
#define PARTY_PERIOD_NS ((uint64_t)2629746 * 1000000000) // a twelfth of a year
#define PARTY_MS_NS     ((uint64_t)1000000)

// Counts what comes in windows that stand on multiples of their length.
struct window {
    uint64_t start_ns;
    uint32_t count; // 0: nothing was counted since the limit was set, and start_ns is 0
};

// Notionals of trades on one UTC day; saturates.
struct traded {
    int64_t amount;
    uint32_t day;
};

struct last_order { // what the next one may duplicate; order == 0: none is remembered
    uint64_t order;
    uint64_t time_ns;
    int64_t price;
    int64_t quantity;
    int64_t stop_price;
    uint32_t instrument;
    uint8_t side;
    uint8_t type;
    uint8_t tif;
};

struct fee_rates { // basis points
    uint16_t sell_maker;
    uint16_t sell_taker;
    uint16_t buy_maker;
    uint16_t buy_taker;
};

struct found_balance { // index in the ledger of the balance in this asset; asset == 0: none yet
    uint32_t asset;
    uint32_t index;
};

enum { FOUND_CASH, FOUND_TOKEN, FOUND_COUNT };

enum { INVESTMENT_PERIODS = 13 }; // this twelfth of a year and the 12 before

struct account {
    _Alignas(64) struct account_rec terms; // terms.account == 0: does not exist
    uint32_t fees; // first of the records of fees that name it; 0 = there are none
    uint32_t open_orders : 31;
    uint32_t limited : 1; // by any of `own`
    money_sum open[2];    // values of its open buys and sells: price * open quantity

    struct traded traded;
    int64_t bought;        // notionals of its buys in bought_period; saturates
    int64_t bought_before; // sum of bought_at; -1: it does not fit
    uint32_t bought_period;
    bool killed;
    bool tripped;    // by executions_max
    bool fees_alone; // it has one record of fees, of all instruments: fee_rates
    struct fee_rates fee_rates;
    struct window executions;

    _Alignas(64) struct limits_rec own; // own.id == 0: none were set
    _Alignas(64) struct last_order last;
    struct found_balance found[FOUND_COUNT];

    int64_t bought_at[INVESTMENT_PERIODS]; // of the periods before, by period % INVESTMENT_PERIODS
};
_Static_assert(offsetof(struct account, traded) == 64, "an order touches one line");
_Static_assert(offsetof(struct account, own) == 128, "a trade touches two");
_Static_assert(offsetof(struct account, bought_at) == 256, "an order with limits touches four");

struct member {
    _Alignas(64) struct member_rec terms; // terms.member == 0: does not exist
    bool killed;
    bool limited;   // its orders
    bool throttled; // its messages
    uint8_t flags;  // own.flags
    uint32_t open_orders;
    money_sum open_value; // of all open orders of its accounts
    struct traded traded;
    struct window messages;

    _Alignas(64) struct limits_rec own;
};
_Static_assert(sizeof(struct member) == 128, "an order touches one line");

static inline int64_t party_add(int64_t sum, int64_t amount)
{
    int64_t out = 0;
    ASSERT(sum >= 0 && amount >= 0);
    return __builtin_add_overflow(sum, amount, &out) ? INT64_MAX : out;
}

static inline void traded_add(struct traded *traded, uint32_t day, int64_t notional)
{
    if (traded->day != day)
        *traded = (struct traded){.day = day};
    traded->amount = party_add(traded->amount, notional);
}

static inline int64_t traded_on(const struct traded *traded, uint32_t day)
{
    return traded->day == day ? traded->amount : 0;
}

// The window that the time is in; what it has had.
static inline uint32_t window_turn(struct window *window, uint64_t time_ns, uint32_t length_ms)
{
    uint64_t length_ns = length_ms * PARTY_MS_NS;
    ASSERT(length_ms != 0 && time_ns >= window->start_ns);
    if (time_ns - window->start_ns >= length_ns)
        *window = (struct window){.start_ns = time_ns - time_ns % length_ns};
    return window->count;
}

// `bought` begins a later period: what it was moves into the past.
void party_period(struct account *account, uint32_t period);
// What was bought in this period and the 12 before.
money_sum party_bought(const struct account *account, uint32_t period);

// The limits of an account, of a member: *own with what follows from it.
void party_limit_account(struct account *account, const struct limits_rec *own);
void party_limit_member(struct member *member, const struct limits_rec *own);

#endif
