#include "perf/book_alone.h"

#include <stdlib.h>
#include <string.h>

enum { SELLS = 0, BUYS = 1 };

static void *allocate(size_t count, size_t bytes)
{
    size_t all = (count * bytes + 63) / 64 * 64;
    void *memory = aligned_alloc(64, all);
    ASSERT(memory != NULL);
    memset(memory, 0, all); // touched now, not in the timed part
    return memory;
}

void book_alone_open(struct book_alone *book, uint32_t instruments, uint32_t orders_max,
                     uint32_t levels_max)
{
    struct order_pool *pool = &book->pool;
    uint32_t entries = 8;
    while (entries < orders_max * 2)
        entries *= 2;
    memset(book, 0, sizeof *book);
    book->instruments = instruments;
    book->sides = allocate(instruments + 1u, sizeof book->sides[0]);
    pool->orders = allocate(orders_max + 1u, sizeof pool->orders[0]);
    pool->cold = allocate(orders_max + 1u, sizeof pool->cold[0]);
    pool->levels = allocate(levels_max + 1u, sizeof pool->levels[0]);
    pool->nodes = allocate(levels_max + 1u, sizeof pool->nodes[0]);
    pool->index.entries = allocate(entries, sizeof pool->index.entries[0]);
    pool->index.mask = entries - 1;
    pool->orders_max = orders_max;
    pool->levels_max = levels_max;
}

void book_alone_close(struct book_alone *book)
{
    free(book->sides);
    free(book->pool.orders);
    free(book->pool.cold);
    free(book->pool.levels);
    free(book->pool.nodes);
    free(book->pool.index.entries);
}

static struct book_side *side_of(struct book_alone *book, uint32_t instrument, uint8_t side)
{
    return &book->sides[instrument][side == SIDE_SELL ? SELLS : BUYS];
}

static void remove_order(struct book_alone *book, const struct order *order, uint32_t place)
{
    order_book_remove(&book->pool, side_of(book, order->instrument, order->side), place);
    order_pool_give(&book->pool, place);
}

// A price of the workloads is a tick.
static uint64_t key_of(uint8_t side, int64_t price)
{
    return side == SIDE_SELL ? (uint64_t)price : BOOK_KEY_MAX - (uint64_t)price;
}

// Returns what is left of the quantity.
static int64_t match(struct book_alone *book, struct book_side *opposite, uint64_t limit_key,
                     int64_t quantity)
{
    while (quantity > 0 && order_book_best_key(&book->pool, opposite) <= limit_key) {
        uint32_t place = order_book_best(&book->pool, opposite);
        struct order *maker = order_at(&book->pool, place);
        int64_t matched = maker->leaves < quantity ? maker->leaves : quantity;
        book->matches[book->match_count++] = (struct book_match){maker->id, (uint64_t)matched};
        maker->leaves -= matched;
        quantity -= matched;
        if (maker->leaves == 0)
            remove_order(book, maker, place);
    }
    return quantity;
}

static void rest(struct book_alone *book, const struct command *command, int64_t leaves)
{
    const struct order_new_cmd *body = &command->body.order_new;
    uint32_t place = order_pool_take(&book->pool, command->header.sequence);
    *order_at(&book->pool, place) = (struct order){.id = command->header.sequence,
                                                   .price = body->price,
                                                   .leaves = leaves,
                                                   .account = body->account,
                                                   .instrument = (uint16_t)body->instrument,
                                                   .side = body->side};
    order_book_add(&book->pool, side_of(book, body->instrument, body->side),
                   key_of(body->side, body->price), place);
}

static void new_order(struct book_alone *book, const struct command *command)
{
    const struct order_new_cmd *body = &command->body.order_new;
    uint8_t opposite = body->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
    uint64_t limit_key = body->type == ORDER_MARKET ? BOOK_KEY_MAX : key_of(opposite, body->price);
    int64_t left =
        match(book, side_of(book, body->instrument, opposite), limit_key, body->quantity);
    if (left > 0 && body->type == ORDER_LIMIT && body->tif == TIF_DAY)
        rest(book, command, left);
}

void book_alone_apply(struct book_alone *book, const struct command *command)
{
    if (command->header.type == CMD_order_new) {
        new_order(book, command);
    } else if (command->header.type == CMD_order_cancel) {
        uint32_t place = order_pool_find(&book->pool, command->body.order_cancel.order);
        if (place != 0)
            remove_order(book, order_at(&book->pool, place), place);
    }
}
