#include "gateway/common/book_view.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"

// A bid is better when higher, an offer when lower; the array ascends from worst to best.
static bool is_worse(const struct book_side *book, int64_t price, int64_t than)
{
    return book->side == SIDE_BUY ? price < than : price > than;
}

// Index of the first level that is not worse than the price.
static size_t lower_bound(const struct book_side *book, int64_t price)
{
    size_t low = 0, high = book->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_worse(book, book->levels[middle].price, price))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_level(const struct book_side *book, size_t at, int64_t price)
{
    return at < book->count && book->levels[at].price == price;
}

static void insert(struct book_side *book, size_t at, int64_t price)
{
    if (book->count == book->capacity) {
        book->capacity = book->capacity == 0 ? 64 : book->capacity * 2;
        book->levels = realloc(book->levels, book->capacity * sizeof *book->levels);
        ASSERT(book->levels != NULL);
    }
    memmove(&book->levels[at + 1], &book->levels[at], (book->count - at) * sizeof *book->levels);
    book->levels[at] = (struct view_level){.price = price};
    book->count++;
}

static void erase(struct book_side *book, size_t at)
{
    book->count--;
    memmove(&book->levels[at], &book->levels[at + 1], (book->count - at) * sizeof *book->levels);
}

void book_side_change(struct book_side *book, int64_t price, int64_t quantity, int orders)
{
    size_t at = lower_bound(book, price);
    if (!is_level(book, at, price))
        insert(book, at, price);
    struct view_level *level = &book->levels[at];
    level->quantity += quantity;
    ASSERT(level->quantity >= 0);
    ASSERT(orders >= 0 || level->orders > 0);
    level->orders = (uint32_t)((int64_t)level->orders + orders);
    if (level->orders == 0) {
        ASSERT(level->quantity == 0);
        erase(book, at);
    }
}

struct view_level book_side_at(const struct book_side *book, int64_t price)
{
    size_t at = lower_bound(book, price);
    return is_level(book, at, price) ? book->levels[at] : (struct view_level){.price = price};
}

size_t book_side_best(const struct book_side *book, struct view_level *out, size_t max)
{
    size_t count = book->count < max ? book->count : max;
    for (size_t i = 0; i < count; i++)
        out[i] = book->levels[book->count - 1 - i];
    return count;
}

void book_side_fini(struct book_side *book)
{
    free(book->levels);
    book->levels = NULL;
    book->count = book->capacity = 0;
}
