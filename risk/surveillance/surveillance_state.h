// What the detectors of surveillance share: facts, patterns, and how an alert is made. Private to
// risk/surveillance/*.c; one file is one detector. Orders, pairs and trades are named by places
// from 1 (0 = none); chains are by hash, and whoever walks one compares whole keys, so that nothing
// depends on places or hashes.
#ifndef LONJA_RISK_SURVEILLANCE_SURVEILLANCE_STATE_H
#define LONJA_RISK_SURVEILLANCE_SURVEILLANCE_STATE_H

#include "risk/money.h"
#include "risk/surveillance/surveillance.h"

struct surveillance_instrument {
    bool exists;
    uint8_t token_scale, phase;
    char symbol[SYMBOL_BYTES_MAX];
    int64_t last_price;
    money_sum shown[2]; // of all open orders, by side - 1
    // patterns:
    uint64_t orders;      // accepted and shown today
    money_sum quantities; // their sum
    int64_t price_before; // of the last trade that `trades` does not hold any more; 0 = none
    uint64_t last_trade;  // number of the instrument's newest trade today; 0 = none
    uint64_t uncross_ns;  // of the closing auction; 0 = none
};

struct surveillance_order {
    uint64_t order;                       // 0 = free
    uint32_t next;                        // in its chain, or of the free ones
    uint32_t account, member, instrument; // the member it had at entry
    uint8_t side, type, tif, state;
    bool tracked; // counts in its pair's `shown`
    bool traded;  // ever
    bool today;   // it came to show today; patterns:
    bool large;
    int64_t price, leaves, display;
    int64_t shown;  // now
    uint64_t since; // sequence at which it came to show, or was amended to what it is
    uint64_t since_ns;
    money_sum opposite; // what its member had traded on the other side by then
};

struct pattern_trade { // of a member, on one side
    uint64_t sequence, time_ns;
    money_sum before; // traded by then
};

struct pattern_cancel { // of an order that never traded
    uint64_t order;     // 0 = none, or used by an alert
    uint64_t since, since_ns;
    uint64_t sequence, time_ns;
    int64_t price, quantity;
};

struct surveillance_pair {       // a member in an instrument
    uint32_t member, instrument; // member 0 = free
    uint32_t next;
    uint32_t orders;    // open and tracked
    money_sum shown[2]; // by side - 1
    // patterns, by side - 1:
    money_sum traded[2]; // quantity
    money_sum left[2];   // what still showed behind the last trade
    uint64_t trade_count[2], cancel_count[2];
    struct pattern_trade trades[2][SURVEILLANCE_PATTERN_TRADES];    // trade n at n % size
    struct pattern_cancel cancels[2][SURVEILLANCE_PATTERN_CANCELS]; // likewise
    uint64_t first_message, first_message_ns;                       // sequence, time
    uint64_t messages, transactions;
    money_sum ordered, executed;
    bool told_number, told_volume;
};

struct surveillance_trade { // number n (from 1) at n & mask
    uint64_t sequence, time_ns;
    uint32_t index;
    uint32_t instrument;
    uint32_t account[2], member[2]; // buyer, seller
    int64_t price, quantity;
    uint64_t earlier;        // the instrument's trade before
    uint64_t earlier_circle; // of the same chain of circles
    bool circled;            // used by an alert
};

struct surveillance_share { // of a member in a closing window
    uint64_t window;        // which one; another number: nothing yet
    money_sum quantity;     // on the side that is asked
    int64_t price;          // of its last trade there
    uint32_t next;          // member found next
};

struct surveillance {
    struct config config; // a copy
    uint32_t accounts_max, members_max, instruments_max;
    uint32_t *member_of;                         // by account; 0 = unknown
    struct surveillance_instrument *instruments; // by id
    struct surveillance_order *orders;
    uint32_t *order_chains, orders_max, orders_used, order_free;
    struct surveillance_pair *pairs;
    uint32_t *pair_chains, pairs_max, pairs_used, pair_free;
    struct surveillance_trade *trades;
    uint64_t *circle_chains, trades_max, trade_count; // trades_max is a power of two
    struct surveillance_share *shares;                // by member
    uint64_t windows;
    uint64_t day, day_first; // UTC day of the last event; UINT64_MAX = none yet
    uint32_t active;         // the order that is being matched
    uint64_t untracked;
    struct surveillance_alert *out; // of the event that is being applied
    size_t out_count;
};

// ---- facts.c

struct surveillance_order *facts_order_find(const struct surveillance *s, uint64_t order);
uint32_t facts_member(const struct surveillance *s, uint32_t account);
// NULL if it is not there.
struct surveillance_pair *facts_pair_find(const struct surveillance *s, uint32_t member,
                                          uint32_t instrument);
// NULL if there is no room for it.
struct surveillance_pair *facts_pair_make(struct surveillance *s, uint32_t member,
                                          uint32_t instrument);
// What an order would show if all of it came to the book now.
int64_t facts_slice(const struct surveillance_order *order, int64_t leaves);
// Folds an event into the facts.
void facts_apply(struct surveillance *s, const struct event *event);
// Patterns begin anew.
void facts_new_day(struct surveillance *s);

// ---- surveillance.c

static inline uint8_t surveillance_opposite(uint8_t side)
{
    ASSERT(side == SIDE_BUY || side == SIDE_SELL);
    return side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
}
// What is worth `minimum` cash units or more; a sum may be too large for money_notional.
bool surveillance_worth(const struct surveillance *s, uint32_t instrument, int64_t price,
                        money_sum quantity, int64_t minimum);
int64_t surveillance_clamp(money_sum sum); // to INT64_MAX
// a * 100 / b, clamped; b <= 0 counts as nothing: INT64_MAX.
int64_t surveillance_percent(money_sum a, money_sum b);
// An alert completed by this event, with nothing but that; the event is its evidence at the end.
struct surveillance_alert *surveillance_alert(struct surveillance *s, const struct event *event,
                                              enum surveillance_detector detector,
                                              uint32_t instrument);
// Puts a sequence in its place, once. Of too many the last are kept.
void surveillance_evidence(struct surveillance_alert *alert, uint64_t sequence);

// ---- the detectors

// The venue's recent trades: the trade of the event is the newest.
void trades_add(struct surveillance *s, const struct event *event);
// NULL if it is none, or not held any more.
struct surveillance_trade *trades_at(const struct surveillance *s, uint64_t number);
void wash_traded(struct surveillance *s, const struct event *event);
void circle_traded(struct surveillance *s, const struct event *event);
// A member's trade: called for both sides, behind the facts.
void layer_traded(struct surveillance *s, const struct event *event);
// An order's owner takes `quantity` of what it shows away.
struct surveillance_withdrawal {
    const struct surveillance_order *order;
    int64_t quantity;
};
void spoof_withdrawn(struct surveillance *s, const struct event *event,
                     const struct surveillance_withdrawal *withdrawal);
void layer_withdrawn(struct surveillance *s, const struct event *event,
                     const struct surveillance_withdrawal *withdrawal);
// Marks an order that came to show as large, or not.
void spoof_entered(struct surveillance *s, struct surveillance_order *order);
// A phase of the instrument ends; called before the facts.
void marking_close_apply(struct surveillance *s, const struct event *event);
void ratio_apply(struct surveillance *s, const struct event *event);

#endif
