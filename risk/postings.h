// Postings: the one pure function that expands an event into changes of balances, used by the
// engine's tests, the recorder, the gateways' views and reconciliation. Folding all postings of all
// events gives the engine's balances at every sequence; over each asset they sum to zero, event by
// event.
#ifndef LONJA_RISK_POSTINGS_H
#define LONJA_RISK_POSTINGS_H

#include <stdint.h>

#include "schema/records.h"

enum { POSTINGS_MAX = 8 };

struct posting { // signed changes; available + held is what sums to zero per asset
    uint32_t account;
    uint32_t asset;
    int64_t available;
    int64_t held;
    int64_t unsettled;
    int64_t blocked;
    int64_t deficit;
};

struct posting_terms { // of the event's instrument, from instrument_changed
    uint32_t token_asset;
    uint32_t cash_asset;
    uint8_t token_scale;
};

// Notional of a match in cash units: price * quantity / 10^scale, exact for prices on tick and
// lots.
int64_t postings_notional(int64_t price, int64_t quantity, uint8_t token_scale);

// The asset that an order of this side holds.
uint32_t postings_held_asset(const struct posting_terms *terms, uint8_t side);

// Expands `event` into at most POSTINGS_MAX postings; returns how many (0 for events that move
// nothing). `terms` may be NULL for events without an instrument (ledger_posted, deficit_changed,
// xvp_posted).
int postings_of(const struct event *event, const struct posting_terms *terms,
                struct posting out[POSTINGS_MAX]);

#endif
