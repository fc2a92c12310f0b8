// Recorded book: the venue's real order book (matcher/order_book.h) driven by a recording of
// another venue's orders, to be compared with what that venue said of its book. It matches nothing:
// the recording says what was executed.
//
// Orders that rested before a recording began are known only by the sum that the venue showed at
// their price. Such a sum is taught: it stands in the book as one anonymous order.
//
// Prices and quantities are in the recording's smallest unit, above 0.
#ifndef LONJA_TESTS_ORACLE_RECORDED_BOOK_H
#define LONJA_TESTS_ORACLE_RECORDED_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "perf/book_alone.h"

struct recorded_book {
    struct book_alone memory;
    uint64_t anonymous; // so many were made
};

struct recorded_level {
    int64_t price; // 0 = there is none
    int64_t quantity;
};

void recorded_book_open(struct recorded_book *book);
void recorded_book_close(struct recorded_book *book);

void recorded_book_add(struct recorded_book *book, uint8_t side, int64_t price, uint64_t id,
                       int64_t quantity);
// The order's place; 0 = no such order is resting.
uint32_t recorded_book_find(const struct recorded_book *book, uint64_t id);
// The anonymous order at this price; 0 = there is none.
uint32_t recorded_book_find_anonymous(const struct recorded_book *book, uint8_t side,
                                      int64_t price);
// Takes that much off an order, at most all of it; one with nothing left goes.
void recorded_book_reduce(struct recorded_book *book, uint32_t place, int64_t quantity);
const struct order *recorded_book_order(const struct recorded_book *book, uint32_t place);
// The order is the first of the best level of its side.
bool recorded_book_is_front(const struct recorded_book *book, uint32_t place);

// What rests at a price.
int64_t recorded_book_quantity(const struct recorded_book *book, uint8_t side, int64_t price);
// The best levels, best first; what is behind the last is {0, 0}.
void recorded_book_levels(const struct recorded_book *book, uint8_t side,
                          struct recorded_level *out, uint32_t count);

// Makes the sum at this price `quantity` (0: nothing), by one anonymous order for what is missing;
// what is too much goes with the whole level.
void recorded_book_teach(struct recorded_book *book, uint8_t side, int64_t price, int64_t quantity);

#endif
