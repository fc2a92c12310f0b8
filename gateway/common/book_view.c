#include "gateway/common/book_view.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"

static bool is_worse(const struct book_side *book, int64_t price, int64_t than)
{
    return book->lowest_first ? price > than : price < than;
}

// Index of the first level that is not worse than the price.
static size_t lower_bound(const struct book_side *book, int64_t price)
{
    size_t low = 0, high = book->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (is_worse(book, book->levels[middle].shows.price, price))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_level(const struct book_side *book, size_t at, int64_t price)
{
    return at < book->count && book->levels[at].shows.price == price;
}

static void insert(struct book_side *book, size_t at, int64_t price)
{
    if (book->count == book->capacity) {
        book->capacity = book->capacity == 0 ? 64 : book->capacity * 2;
        book->levels = realloc(book->levels, book->capacity * sizeof *book->levels);
        ASSERT(book->levels != NULL);
    }
    memmove(&book->levels[at + 1], &book->levels[at], (book->count - at) * sizeof *book->levels);
    book->levels[at] = (struct book_level){.shows = {.price = price}};
    book->count++;
}

static void erase(struct book_side *book, size_t at)
{
    ASSERT(book->levels[at].shows.quantity == 0);
    book->count--;
    memmove(&book->levels[at], &book->levels[at + 1], (book->count - at) * sizeof *book->levels);
}

void book_side_add(struct book_side *book, struct order_entry *entries, int64_t price,
                   uint32_t place)
{
    size_t at = lower_bound(book, price);
    if (!is_level(book, at, price))
        insert(book, at, price);
    struct book_level *level = &book->levels[at];
    entries[place - 1].earlier = level->last;
    entries[place - 1].later = 0;
    if (level->last != 0)
        entries[level->last - 1].later = place;
    else
        level->first = place;
    level->last = place;
    level->shows.orders++;
}

void book_side_remove(struct book_side *book, struct order_entry *entries, int64_t price,
                      uint32_t place)
{
    size_t at = lower_bound(book, price);
    ASSERT(is_level(book, at, price));
    struct book_level *level = &book->levels[at];
    uint32_t earlier = entries[place - 1].earlier, later = entries[place - 1].later;
    if (earlier != 0)
        entries[earlier - 1].later = later;
    else
        level->first = later;
    if (later != 0)
        entries[later - 1].earlier = earlier;
    else
        level->last = earlier;
    if (--level->shows.orders == 0)
        erase(book, at);
}

void book_side_show(struct book_side *book, int64_t price, int64_t quantity)
{
    size_t at = lower_bound(book, price);
    ASSERT(is_level(book, at, price));
    book->levels[at].shows.quantity += quantity;
    ASSERT(book->levels[at].shows.quantity >= 0);
}

struct view_level book_side_at(const struct book_side *book, int64_t price)
{
    size_t at = lower_bound(book, price);
    return is_level(book, at, price) ? book->levels[at].shows : (struct view_level){.price = price};
}

size_t book_side_best(const struct book_side *book, struct view_level *out, size_t max)
{
    size_t count = book->count < max ? book->count : max;
    for (size_t i = 0; i < count; i++)
        out[i] = book->levels[book->count - 1 - i].shows;
    return count;
}

uint32_t book_side_first(const struct book_side *book)
{
    return book->count > 0 ? book->levels[book->count - 1].first : 0;
}

void book_side_fini(struct book_side *book)
{
    free(book->levels);
    book->levels = NULL;
    book->count = book->capacity = 0;
}
