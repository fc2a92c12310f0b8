// Book view: one side of one instrument's book (or of its stops), kept from events: levels, and in
// each the orders by place in time. Levels are a sorted array, best last, because most changes are
// near the best price; the orders of a level are linked through their entries. Threads: one. Out of
// memory asserts.
#ifndef LONJA_GATEWAY_COMMON_BOOK_VIEW_H
#define LONJA_GATEWAY_COMMON_BOOK_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/common/view.h"

enum order_place { PLACE_NONE, PLACE_BOOK, PLACE_STOPS }; // which side of its instrument it is in

// An open order as the view keeps it. Entries are named by places from 1; 0 = none.
struct order_entry {
    struct view_order order;
    uint32_t older, newer;   // of the same account; `older` also links free entries
    uint32_t earlier, later; // in its level
    uint32_t before, after;  // of the trailing stops of its instrument and side, ascending by id
    uint8_t place;           // enum order_place
};

struct book_level {
    struct view_level shows;
    uint32_t first, last;
};

struct book_side {
    struct book_level *levels; // worst first, best last
    size_t count;
    size_t capacity;
    bool lowest_first; // which price is best
};

// Adds an order at the back of its price, showing nothing yet.
void book_side_add(struct book_side *book, struct order_entry *entries, int64_t price,
                   uint32_t place);
// Takes it out; what it showed has been taken off before. A level without orders goes away.
void book_side_remove(struct book_side *book, struct order_entry *entries, int64_t price,
                      uint32_t place);
// What shows at a price that has orders changes by `quantity` (may be negative).
void book_side_show(struct book_side *book, int64_t price, int64_t quantity);
// The level at a price; all zero but the price if there is none.
struct view_level book_side_at(const struct book_side *book, int64_t price);
size_t book_side_best(const struct book_side *book, struct view_level *out, size_t max);
// The order that is first in priority; 0 = the side is empty.
uint32_t book_side_first(const struct book_side *book);
void book_side_fini(struct book_side *book);

#endif
