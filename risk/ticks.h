// Tick sizes by price: the ranges of an instrument's tick table, each from a price up to the next
// one, the first from 0. Without a table (no ranges) the instrument's own tick holds everywhere.
// Every tick of a table is a multiple of that one, and a range begins at a multiple of the tick
// before it.
//
// Prices are cash units per whole token. Threads: any; pure functions.
#ifndef LONJA_RISK_TICKS_H
#define LONJA_RISK_TICKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "risk/money.h"

struct tick_range { // prices of one tick, up to the next range; the last one reaches to the end
    int64_t from_price;
    int64_t tick;
    uint64_t first_index; // tick index of from_price: indexes go on from range to range
    struct money_divisor divisor;
};

struct tick_table {
    int64_t tick; // the instrument's own
    const struct money_divisor *divisor;
    const struct tick_range *ranges; // count of them; 0 = there is no table
    uint32_t count;
};

// The range that a price is in. There is a table.
static inline const struct tick_range *tick_range_at(const struct tick_range *ranges,
                                                     uint32_t count, int64_t price)
{
    const struct tick_range *end = ranges + count;
    ASSERT(count > 0 && ranges->from_price == 0);
    while (ranges + 1 < end && ranges[1].from_price <= price)
        ranges++;
    return ranges;
}

// The tick that holds at a price (>= 0).
static inline int64_t tick_at(const struct tick_table *table, int64_t price)
{
    return __builtin_expect(table->count == 0, 1)
               ? table->tick
               : tick_range_at(table->ranges, table->count, price)->tick;
}

// True if a price (>= 0) is a multiple of the tick that holds there.
static inline bool tick_holds(const struct tick_table *table, int64_t price)
{
    return money_is_multiple(__builtin_expect(table->count == 0, 1)
                                 ? table->divisor
                                 : &tick_range_at(table->ranges, table->count, price)->divisor,
                             price);
}

// Down, up to a multiple of the tick that holds there; at least one tick.
static inline int64_t tick_down(const struct tick_table *table, int64_t price)
{
    int64_t tick = tick_at(table, price);
    ASSERT(price >= 0);
    return price >= tick ? price - price % tick : tick;
}

static inline int64_t tick_up(const struct tick_table *table, int64_t price)
{
    int64_t tick = tick_at(table, price);
    int64_t beyond = price % tick;
    ASSERT(price > 0);
    ASSERT(beyond == 0 || price - beyond <= INT64_MAX - tick);
    return beyond == 0 ? price : price - beyond + tick;
}

#endif
