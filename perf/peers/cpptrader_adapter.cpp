// chronoxor/CppTrader's MarketManager as a contestant of the book benchmark.
#include <x86intrin.h>

#include <memory>

#include "perf/book_contest.h"
#include "trader/matching/market_handler.h"
#include "trader/matching/market_manager.h"

namespace {

using namespace CppTrader::Matching;

// Of each match it hears twice: of the maker's order, and of the taker's.
struct Sink : MarketHandler {
    book_tally *tally = nullptr;
    uint64_t taker = 0;

  protected:
    void onExecuteOrder(const Order &order, uint64_t, uint64_t quantity) override
    {
        if (order.Id != taker)
            book_tally_add(tally, order.Id, quantity);
    }
};

struct Books {
    Sink sink;
    MarketManager manager{sink};
};

void *open_books(uint32_t instruments, uint32_t)
{
    auto *all = new Books;
    for (uint32_t i = 0; i < instruments; i++) {
        char name[8] = "SYMBOL";
        Symbol symbol(i, name);
        all->manager.AddSymbol(symbol);
        all->manager.AddOrderBook(symbol);
    }
    all->manager.EnableMatching();
    return all;
}

void close_books(void *books)
{
    delete static_cast<Books *>(books);
}

inline void enter(Books &all, const book_operation &op, uint64_t id, OrderTimeInForce tif)
{
    all.sink.taker = id;
    all.manager.AddOrder(op.sell
                             ? Order::SellLimit(id, op.instrument, op.price, op.quantity, tif)
                             : Order::BuyLimit(id, op.instrument, op.price, op.quantity, tif));
}

inline void apply(Books &all, const book_operation &op)
{
    switch (op.kind) {
    case BOOK_NEW:
        enter(all, op, op.id, OrderTimeInForce::GTC);
        break;
    case BOOK_CANCEL:
        all.manager.DeleteOrder(op.id);
        break;
    case BOOK_IOC:
        enter(all, op, op.id, OrderTimeInForce::IOC);
        break;
    case BOOK_REPLACE:
        all.manager.DeleteOrder(op.id);
        enter(all, op, op.new_id, OrderTimeInForce::GTC);
        break;
    case BOOK_MARKET:
        all.sink.taker = op.id;
        all.manager.AddOrder(op.sell ? Order::SellMarket(op.id, op.instrument, op.quantity)
                                     : Order::BuyMarket(op.id, op.instrument, op.quantity));
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
const book_contestant lonja_book_contestant = {"CppTrader", open_books, close_books,
                                               run,         run_timed,  nullptr};
