// Auction: the price of a call over the two sides of a book.
//
// For a price p: demand = what buys at p or above want, supply = what sells at p or below offer,
// icebergs with their full quantity; volume = the smaller, surplus = demand - supply. Of the prices
// at which orders stand, one wins: highest volume; smallest surplus; if all that are left have a
// surplus of buys the highest, of sells the lowest; else the one that the reference points to.
//
// Pure: reads the book, writes only its result. Time: the orders and levels that cross, and no
// others. Threads: any.
#ifndef LONJA_MATCHER_AUCTION_H
#define LONJA_MATCHER_AUCTION_H

#include "matcher/order_book.h"

struct auction_reference {
    int64_t price;   // 0 = there is none
    int64_t on_tick; // the same, rounded down to the tick that holds there
};

struct auction_result {
    int64_t price;    // 0 = nothing can be matched, and all else is 0
    int64_t quantity; // what is executed at that price
    int64_t surplus;  // what is not, of surplus_side; INT64_MAX if it is more than that
    uint8_t surplus_side;
};

// Demand or supply at a price: sums of quantities that each fit, which need not fit themselves.
__extension__ typedef __int128 auction_sum;

struct auction_result auction_price(const struct order_pool *pool, const struct book_side *buys,
                                    const struct book_side *sells,
                                    const struct auction_reference *reference);

// True if the best buy's price is the best sell's or above.
static inline bool auction_crosses(const struct order_pool *pool, const struct book_side *buys,
                                   const struct book_side *sells)
{
    uint64_t buy = order_book_best_key(pool, buys);
    return buy <= BOOK_KEY_MAX && order_book_best_key(pool, sells) <= BOOK_KEY_MAX - buy;
}

#endif
