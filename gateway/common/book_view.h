// Book view: the price levels of one side of one instrument, kept from events. Levels are a sorted
// array, best last, because most changes are near the best price. Threads: one. Out of memory
// asserts.
#ifndef LONJA_GATEWAY_COMMON_BOOK_VIEW_H
#define LONJA_GATEWAY_COMMON_BOOK_VIEW_H

#include <stddef.h>
#include <stdint.h>

#include "gateway/common/view.h"

struct book_side {
    struct view_level *levels; // worst first, best last
    size_t count;
    size_t capacity;
    uint8_t side;
};

// Adds `quantity` (may be negative) and `orders` (+1, 0, -1) at a price; a level without orders
// goes away.
void book_side_change(struct book_side *book, int64_t price, int64_t quantity, int orders);
// The level at a price; all zero but the price if there is none.
struct view_level book_side_at(const struct book_side *book, int64_t price);
size_t book_side_best(const struct book_side *book, struct view_level *out, size_t max);
void book_side_fini(struct book_side *book);

#endif
