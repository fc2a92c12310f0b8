// The book alone: the venue's order book (matcher/order_book.h) driven by the same commands as the
// engine, with nothing around it: no accounts, checks, holds, ledger, events or client ids. The
// engine's floor.
#ifndef LONJA_PERF_BOOK_ALONE_H
#define LONJA_PERF_BOOK_ALONE_H

#include <stdint.h>

#include "matcher/order_book.h"

struct book_match {
    uint64_t maker; // id
    uint64_t quantity;
};

struct book_alone {
    struct order_pool pool;
    struct book_side (*sides)[2]; // by instrument: sells, buys
    uint32_t instruments;
    struct book_match *matches; // the caller's; written behind match_count, which he resets
    uint32_t match_count;
};

void book_alone_open(struct book_alone *book, uint32_t instruments, uint32_t orders_max,
                     uint32_t levels_max);
void book_alone_close(struct book_alone *book);
// Takes order_new and order_cancel; others are none of its business. There must be room for a match
// with every open order.
void book_alone_apply(struct book_alone *book, const struct command *command);

#endif
