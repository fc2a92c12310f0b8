// The book alone: the venue's order book (matcher/order_book.h) with nothing around it: no
// accounts, checks, holds, ledger, events or client ids. Driven by the engine's commands it is the
// engine's floor; driven by operations it is Lonja's contestant among other books.
#ifndef LONJA_PERF_BOOK_ALONE_H
#define LONJA_PERF_BOOK_ALONE_H

#include <stdint.h>

#include "base/arena.h"
#include "matcher/order_book.h"
#include "perf/book_contest.h"

struct book_match {
    uint64_t maker; // id
    uint64_t quantity;
};

struct book_alone {
    struct order_pool pool;
    struct book_side (*sides)[2]; // by instrument: sells, buys
    struct book_match *matches;   // the caller's; written behind match_count, which he resets
    uint32_t match_count;
    struct arena arena;
};

void book_alone_open(struct book_alone *book, uint32_t instruments, uint32_t orders_max,
                     uint32_t levels_max);
void book_alone_close(struct book_alone *book);
// Takes order_new and order_cancel; others are none of its business. There must be room for a match
// with every open order.
void book_alone_apply(struct book_alone *book, const struct command *command);

extern const struct book_contestant book_alone_contestant;

#endif
