#include "perf/book_alone.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <x86intrin.h>

#define INLINE static inline __attribute__((always_inline))

// ---- life

void book_alone_open(struct book_alone *book, uint32_t instruments, uint32_t orders_max,
                     uint32_t levels_max)
{
    struct order_pool measured;
    size_t bytes = order_pool_layout(&measured, NULL, orders_max, levels_max, 0);
    size_t sides = (instruments + 1u) * sizeof book->sides[0];
    memset(book, 0, sizeof *book);
    int result = arena_open(&book->arena, bytes + sides);
    ASSERT(result == 0);
    uint8_t *memory = arena_alloc(&book->arena, bytes, 64);
    (void)order_pool_layout(&book->pool, memory, orders_max, levels_max, 0);
    book->sides = arena_alloc(&book->arena, sides, 64);
    ASSERT(book->sides != NULL);
}

void book_alone_close(struct book_alone *book)
{
    arena_close(&book->arena);
}

// ---- the book

INLINE struct book_side *side_of(const struct book_alone *book, uint32_t instrument, bool sells)
{
    return &book->sides[instrument][!sells];
}

// A price of the workloads is a tick. BOOK_KEY_MAX is all ones, so this is BOOK_KEY_MAX - price for
// buys, without a jump.
INLINE uint64_t key_of(bool sells, uint64_t price)
{
    return price ^ (BOOK_KEY_MAX & ((uint64_t)sells - 1));
}

INLINE void remove_order(struct book_alone *book, struct book_side *side, uint32_t place)
{
    order_book_remove(&book->pool, side, place);
    order_pool_give(&book->pool, place);
}

// Trades with keys up to the limit; returns what is left of the quantity. Matches go to the tally
// or, without one, to the array.
INLINE int64_t match(struct book_alone *book, struct book_side *opposite, uint64_t limit_key,
                     int64_t quantity, struct book_tally *tally)
{
    struct order_pool *pool = &book->pool;
    uint32_t place = 0; // the next of a level that is being worked off
    while (quantity > 0) {
        if (place == 0) {
            if (order_book_best_key(pool, opposite) > limit_key)
                break;
            place = order_book_best(pool, opposite);
        }
        struct order *maker = order_at(pool, place);
        uint32_t later = maker->later;
        int64_t matched = maker->leaves < quantity ? maker->leaves : quantity;
        if (tally != NULL)
            book_tally_add(tally, maker->id, (uint64_t)matched);
        else
            book->matches[book->match_count++] = (struct book_match){maker->id, (uint64_t)matched};
        maker->leaves -= matched;
        quantity -= matched;
        if (maker->leaves == 0)
            remove_order(book, opposite, place);
        place = later;
    }
    return quantity;
}

INLINE void rest(struct book_alone *book, uint64_t id, uint32_t instrument, bool sells,
                 uint64_t key, int64_t price, int64_t leaves)
{
    struct order_pool *pool = &book->pool;
    uint32_t place = order_pool_take(pool, id);
    struct order *order = order_at(pool, place);
    order->price = price;
    order->leaves = leaves;
    order->instrument = (uint16_t)instrument;
    order->side = sells ? SIDE_SELL : SIDE_BUY;
    order->marks = 0;
    order_book_add(pool, side_of(book, instrument, sells), key, place);
}

INLINE void cancel(struct book_alone *book, uint64_t id)
{
    uint32_t place = order_pool_find(&book->pool, id);
    if (place == 0)
        return;
    const struct order *order = order_at(&book->pool, place);
    remove_order(book, side_of(book, order->instrument, order->side == SIDE_SELL), place);
}

// ---- as the engine's floor

void book_alone_apply(struct book_alone *book, const struct command *command)
{
    if (command->header.type == CMD_order_cancel)
        cancel(book, command->body.order_cancel.order);
    if (command->header.type != CMD_order_new)
        return;
    const struct order_new_cmd *body = &command->body.order_new;
    bool sells = body->side == SIDE_SELL;
    uint64_t key = key_of(sells, (uint64_t)body->price);
    uint64_t limit_key = body->type == ORDER_MARKET ? BOOK_KEY_MAX : BOOK_KEY_MAX - key;
    int64_t left =
        match(book, side_of(book, body->instrument, !sells), limit_key, body->quantity, NULL);
    if (left > 0 && body->type == ORDER_LIMIT && body->tif == TIF_DAY)
        rest(book, command->header.sequence, body->instrument, sells, key, body->price, left);
}

// ---- as a contestant

INLINE void enter(struct book_alone *book, const struct book_operation *operation, uint64_t id,
                  bool rests, struct book_tally *tally)
{
    bool sells = operation->sell != 0;
    uint32_t instrument = operation->instrument;
    uint64_t key = key_of(sells, operation->price);
    int64_t left = match(book, side_of(book, instrument, !sells), BOOK_KEY_MAX - key,
                         operation->quantity, tally);
    if (left > 0 && rests)
        rest(book, id, instrument, sells, key, operation->price, left);
}

INLINE void apply(struct book_alone *book, const struct book_operation *operation,
                  struct book_tally *tally)
{
    switch (operation->kind) {
    case BOOK_NEW:
        enter(book, operation, operation->id, true, tally);
        return;
    case BOOK_CANCEL:
        cancel(book, operation->id);
        return;
    case BOOK_IOC:
        enter(book, operation, operation->id, false, tally);
        return;
    case BOOK_REPLACE:
        cancel(book, operation->id);
        enter(book, operation, operation->new_id, true, tally);
        return;
    case BOOK_MARKET:
        (void)match(book, side_of(book, operation->instrument, operation->sell == 0), BOOK_KEY_MAX,
                    operation->quantity, tally);
        return;
    default:
        ASSERT(false);
    }
}

static void *contestant_open(uint32_t instruments, uint32_t orders_max)
{
    struct book_alone *book = malloc(sizeof *book);
    ASSERT(book != NULL);
    book_alone_open(book, instruments, orders_max, orders_max);
    return book;
}

static void contestant_close(void *books)
{
    book_alone_close(books);
    free(books);
}

static void contestant_run(void *books, const struct book_operation *operations, size_t count,
                           struct book_tally *tally)
{
    for (size_t i = 0; i < count; i++)
        apply(books, &operations[i], tally);
}

static void contestant_run_timed(void *books, const struct book_operation *operations, size_t count,
                                 struct book_tally *tally, uint32_t *counts)
{
    unsigned unused;
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(&operations[i + 16]); // to be there before its time begins
        uint64_t before = __rdtscp(&unused);
        apply(books, &operations[i], tally);
        counts[i] = (uint32_t)(__rdtscp(&unused) - before);
    }
}

// What of the arena is in memory.
static size_t contestant_resident(const void *books)
{
    const struct book_alone *book = books;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pages = book->arena.mapped / page;
    unsigned char *there = malloc(pages);
    ASSERT(there != NULL);
    size_t resident = 0;
    int result = mincore(book->arena.memory, pages * page, there);
    ASSERT(result == 0);
    for (size_t i = 0; i < pages; i++)
        resident += (there[i] & 1) != 0 ? page : 0;
    free(there);
    return resident;
}

const struct book_contestant book_alone_contestant = {
    .name = "lonja",
    .open = contestant_open,
    .close = contestant_close,
    .run = contestant_run,
    .run_timed = contestant_run_timed,
    .resident = contestant_resident,
};
