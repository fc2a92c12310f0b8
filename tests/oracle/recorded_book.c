#include "tests/oracle/recorded_book.h"

#include "base/assert.h"

enum { ORDERS_MAX = 1 << 16, LEVELS_MAX = 1 << 14 };

// Ids of anonymous orders, above all that a recording has.
#define ANONYMOUS ((uint64_t)1 << 48)

static struct book_side *side_of(const struct recorded_book *book, uint8_t side)
{
    return &book->memory.sides[1][side == SIDE_SELL ? 0 : 1];
}

static uint64_t key_of(uint8_t side, int64_t price)
{
    ASSERT(price > 0);
    return side == SIDE_SELL ? (uint64_t)price : BOOK_KEY_MAX - (uint64_t)price;
}

void recorded_book_open(struct recorded_book *book)
{
    *book = (struct recorded_book){0};
    book_alone_open(&book->memory, 1, ORDERS_MAX, LEVELS_MAX);
}

void recorded_book_close(struct recorded_book *book)
{
    book_alone_close(&book->memory);
}

void recorded_book_add(struct recorded_book *book, uint8_t side, int64_t price, uint64_t id,
                       int64_t quantity)
{
    struct order_pool *pool = &book->memory.pool;
    ASSERT(quantity > 0 && order_pool_find(pool, id) == 0);
    uint32_t place = order_pool_take(pool, id);
    *order_at(pool, place) =
        (struct order){.id = id, .price = price, .leaves = quantity, .instrument = 1, .side = side};
    order_book_add(pool, side_of(book, side), key_of(side, price), place);
}

uint32_t recorded_book_find(const struct recorded_book *book, uint64_t id)
{
    return order_pool_find(&book->memory.pool, id);
}

// The order behind this one in the same level; 0 = it is the last.
static uint32_t next_in_level(const struct recorded_book *book, uint8_t side, uint32_t place)
{
    const struct order_pool *pool = &book->memory.pool;
    uint32_t next = order_book_next(pool, side_of(book, side), place);
    bool same = next != 0 && order_book_key_of(pool, next) == order_book_key_of(pool, place);
    return same ? next : 0;
}

uint32_t recorded_book_find_anonymous(const struct recorded_book *book, uint8_t side, int64_t price)
{
    const struct order_pool *pool = &book->memory.pool;
    uint32_t place = order_book_at(pool, side_of(book, side), key_of(side, price));
    while (place != 0 && order_at(pool, place)->id < ANONYMOUS)
        place = next_in_level(book, side, place);
    return place;
}

void recorded_book_reduce(struct recorded_book *book, uint32_t place, int64_t quantity)
{
    struct order_pool *pool = &book->memory.pool;
    struct order *order = order_at(pool, place);
    ASSERT(quantity >= 0 && quantity <= order->leaves);
    order->leaves -= quantity;
    if (order->leaves > 0)
        return;
    order_book_remove(pool, side_of(book, order->side), place);
    order_pool_give(pool, place);
}

const struct order *recorded_book_order(const struct recorded_book *book, uint32_t place)
{
    return order_at(&book->memory.pool, place);
}

bool recorded_book_is_front(const struct recorded_book *book, uint32_t place)
{
    const struct order_pool *pool = &book->memory.pool;
    return order_book_best(pool, side_of(book, order_at(pool, place)->side)) == place;
}

int64_t recorded_book_quantity(const struct recorded_book *book, uint8_t side, int64_t price)
{
    const struct order_pool *pool = &book->memory.pool;
    uint32_t place = order_book_at(pool, side_of(book, side), key_of(side, price));
    int64_t quantity = 0;
    for (; place != 0; place = next_in_level(book, side, place))
        quantity += order_at(pool, place)->leaves;
    return quantity;
}

void recorded_book_levels(const struct recorded_book *book, uint8_t side,
                          struct recorded_level *out, uint32_t count)
{
    const struct order_pool *pool = &book->memory.pool;
    const struct book_side *levels = side_of(book, side);
    uint32_t place = order_book_best(pool, levels);
    for (uint32_t i = 0; i < count; i++) {
        out[i] = (struct recorded_level){0};
        if (place == 0)
            continue;
        uint64_t key = order_book_key_of(pool, place);
        out[i].price = order_at(pool, place)->price;
        out[i].quantity = recorded_book_quantity(book, side, out[i].price);
        place = order_book_worse(pool, levels, key, &key);
    }
}

void recorded_book_teach(struct recorded_book *book, uint8_t side, int64_t price, int64_t quantity)
{
    const struct order_pool *pool = &book->memory.pool;
    uint32_t place;
    if (recorded_book_quantity(book, side, price) > quantity)
        while ((place = order_book_at(pool, side_of(book, side), key_of(side, price))) != 0)
            recorded_book_reduce(book, place, order_at(pool, place)->leaves);
    int64_t missing = quantity - recorded_book_quantity(book, side, price);
    if (missing > 0)
        recorded_book_add(book, side, price, ANONYMOUS + ++book->anonymous, missing);
    ASSERT(recorded_book_quantity(book, side, price) == quantity);
}
