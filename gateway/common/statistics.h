// Statistics of an instrument's trading day, from events alone.
//
// The day of an instrument begins when its phase leaves closed. An instrument whose schedule has no
// entry `closed` (or that has no schedule) never closes by itself: its day begins at midnight UTC
// as well. Until a new day begins, the last one's figures stand. Every trade counts, of auctions
// too, at its time on the venue's clock. Readers: gateways (through the view), the recorder's view
// public.instrument_statistics, by the same definition.
//
// Threads: the caller's. Memory: none of its own.
#ifndef LONJA_GATEWAY_COMMON_STATISTICS_H
#define LONJA_GATEWAY_COMMON_STATISTICS_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/records.h"

struct statistics {
    uint64_t day_begin_ns;          // 0 = no day has begun
    uint64_t trades;                // 0: everything below is 0
    int64_t open, high, low, close; // prices; close = last price of the day so far
    int64_t volume;                 // token units
    int64_t turnover;               // cash units: the sum of the trades' exact notionals
    uint8_t phase;                  // what it knows of the instrument to tell the day's begin
    bool closes;
    uint8_t token_scale;
};

// Volume and turnover stop at INT64_MAX.
void statistics_apply(struct statistics *statistics, const struct event *event);
// Time goes on: `midnight_ns` (UTC) has come.
void statistics_midnight(struct statistics *statistics, uint64_t midnight_ns);
// turnover / volume as a price, rounded down; 0 = no trade.
int64_t statistics_vwap(const struct statistics *statistics);

#endif
