// geseq/cpp-orderbook as a contestant of the book benchmark. Prices and quantities go in as raw
// fixed point, so that it is spared the conversions; its pools are as large as they ever need to be.
#include <x86intrin.h>

#include <memory>
#include <vector>

#include "orderbook.hpp"
#include "perf/book_contest.h"

namespace {

using orderbook::Decimal;
using orderbook::ExecutionReport;

struct Sink : orderbook::NotificationInterface<Sink> {
    book_tally *tally = nullptr;
    void onExecutionReport(const ExecutionReport &report)
    {
        if (report.exec_type == orderbook::ExecType::Trade)
            book_tally_add(tally, report.maker_order_id, report.last_qty.fp);
    }
};

using Book = orderbook::OrderBook<Sink>;

struct Books {
    Sink sink;
    std::vector<std::unique_ptr<Book>> books;
};

Decimal raw(uint64_t value)
{
    Decimal out;
    out.fp = value;
    return out;
}

void *open_books(uint32_t instruments, uint32_t orders_max)
{
    auto *all = new Books;
    size_t orders = orders_max / instruments * (instruments > 1 ? 4 : 1);
    for (uint32_t i = 0; i < instruments; i++)
        all->books.push_back(std::make_unique<Book>(all->sink, 1024, orders, orders, 0, 1, 1 << 16));
    return all;
}

void close_books(void *books)
{
    delete static_cast<Books *>(books);
}

inline void apply(Books &all, const book_operation &op)
{
    using namespace orderbook;
    Book &book = *all.books[op.instrument];
    Side side = op.sell ? Side::Sell : Side::Buy;
    switch (op.kind) {
    case BOOK_NEW:
        book.addOrder(op.id, Type::Limit, side, raw(op.quantity), raw(op.price), Flag::None);
        break;
    case BOOK_CANCEL:
        book.cancelOrder(op.id);
        break;
    case BOOK_IOC:
        book.addOrder(op.id, Type::Limit, side, raw(op.quantity), raw(op.price), Flag::IoC);
        break;
    case BOOK_REPLACE:
        book.cancelOrder(op.id);
        book.addOrder(op.new_id, Type::Limit, side, raw(op.quantity), raw(op.price), Flag::None);
        break;
    case BOOK_MARKET:
        book.addOrder(op.id, Type::Market, side, raw(op.quantity), raw(0), Flag::None);
        break;
    }
}

void run(void *books, const book_operation *operations, size_t count, book_tally *tally)
{
    Books &all = *static_cast<Books *>(books);
    all.sink.tally = tally;
    for (size_t i = 0; i < count; i++)
        apply(all, operations[i]);
}

void run_timed(void *books, const book_operation *operations, size_t count, book_tally *tally,
               uint32_t *counts)
{
    Books &all = *static_cast<Books *>(books);
    unsigned unused;
    all.sink.tally = tally;
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(&operations[i + 16]); // to be there before its time begins
        uint64_t before = __rdtscp(&unused);
        apply(all, operations[i]);
        counts[i] = static_cast<uint32_t>(__rdtscp(&unused) - before);
    }
}

} // namespace

extern "C" const book_contestant lonja_book_contestant;
const book_contestant lonja_book_contestant = {"geseq", open_books, close_books,
                                               run,     run_timed,  nullptr};
