#include "perf/book_strain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "perf/book_alone.h"
#include "perf/measure.h"

static uint64_t draw(uint64_t *random)
{
    uint64_t x = *random += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t draw_below(uint64_t *random, uint32_t bound)
{
    return (uint32_t)((draw(random) >> 32) * bound >> 32);
}

static uint32_t add(struct book_alone *book, uint32_t instrument, uint64_t key, uint64_t id)
{
    uint32_t place = order_pool_take(&book->pool, id);
    struct order *order = order_at(&book->pool, place);
    order->instrument = (uint16_t)instrument;
    order->side = SIDE_SELL;
    order->leaves = 1;
    order->marks = 0;
    order_book_add(&book->pool, &book->sides[instrument][0], key, place);
    return place;
}

static void remove_order(struct book_alone *book, uint32_t place)
{
    uint32_t instrument = order_at(&book->pool, place)->instrument;
    order_book_remove(&book->pool, &book->sides[instrument][0], place);
    order_pool_give(&book->pool, place);
}

static uint32_t *fill(struct book_alone *book, uint32_t instruments, uint64_t *random)
{
    uint32_t *places = malloc(STRAIN_ORDERS * sizeof places[0]);
    ASSERT(places != NULL);
    book_alone_open(book, instruments, STRAIN_ORDERS + 1, STRAIN_ORDERS + 1);
    for (uint32_t i = 0; i < STRAIN_ORDERS; i++)
        places[i] = add(book, i % instruments, draw(random) & BOOK_KEY_MAX, i + 1);
    return places;
}

static struct strain finish(struct book_alone *book, uint32_t *places, uint64_t ns,
                            uint64_t operations)
{
    struct strain out = {.ns_per_op = (double)ns / (double)operations,
                         .resident = book_alone_contestant.resident(book)};
    book_alone_close(book);
    free(places);
    return out;
}

struct strain strain_sparse(uint64_t operations, uint64_t seed)
{
    enum { INSTRUMENTS = 100 };
    struct book_alone book;
    uint64_t random = seed;
    uint32_t *places = fill(&book, INSTRUMENTS, &random);
    uint64_t id = STRAIN_ORDERS;
    uint64_t before = measure_processor_ns();
    for (uint64_t i = 0; i < operations / 2; i++) {
        uint32_t at = draw_below(&random, STRAIN_ORDERS);
        remove_order(&book, places[at]);
        places[at] =
            add(&book, draw_below(&random, INSTRUMENTS), draw(&random) & BOOK_KEY_MAX, ++id);
    }
    return finish(&book, places, measure_processor_ns() - before, operations);
}

struct strain strain_far(uint64_t operations, uint64_t seed)
{
    struct book_alone book;
    uint64_t random = seed;
    uint32_t *places = fill(&book, 1, &random);
    uint64_t id = STRAIN_ORDERS;
    uint64_t before = measure_processor_ns();
    for (uint64_t i = 0; i < operations / 2; i++) {
        uint64_t near = i / 2 % 2;
        remove_order(&book, add(&book, 0, i % 2 != 0 ? near : BOOK_KEY_MAX - near, ++id));
    }
    return finish(&book, places, measure_processor_ns() - before, operations);
}

// ---- the long run

enum { FLAT_LIVE = 10000, FLAT_CHUNK = 4096 };

struct flat {
    struct book_alone *book;
    uint64_t random, id;
    uint32_t middle; // of the prices; drifts
    struct book_operation operations[FLAT_CHUNK];
};

// An id that was open when the chunk began; 0 = none was found.
static uint64_t draw_open(struct flat *flat)
{
    const struct order_pool *pool = &flat->book->pool;
    for (int tries = 0; tries < 4 && pool->orders_touched != 0; tries++) {
        const struct order *order =
            order_at(pool, 1 + draw_below(&flat->random, pool->orders_touched));
        if (order->level != 0)
            return order->id;
    }
    return 0;
}

static void make(struct flat *flat, struct book_operation *out, bool full)
{
    uint32_t r = draw_below(&flat->random, 100);
    bool sell = draw_below(&flat->random, 2) != 0;
    uint32_t distance = 1 + draw_below(&flat->random, 150);
    uint64_t open = draw_open(flat);
    *out = (struct book_operation){.kind = BOOK_NEW, .sell = sell, .quantity = 1 + r};
    if (open != 0 && r < (full ? 60u : 30u)) {
        out->kind = BOOK_CANCEL;
        out->id = open;
        return;
    }
    if (r >= 95)
        out->kind = r >= 98 ? BOOK_MARKET : BOOK_IOC;
    if (r == 80)
        flat->middle += draw_below(&flat->random, 2) != 0 ? 1 : UINT32_MAX;
    flat->middle = flat->middle < 1000 ? 1000 : flat->middle > 60000 ? 60000 : flat->middle;
    out->id = ++flat->id;
    bool passive = out->kind == BOOK_NEW && r % 8 != 0;
    out->price = sell == passive ? flat->middle + distance : flat->middle - distance;
}

// What the process has in memory. (Of the arena alone, mincore would also count pages that were
// only read, and are no memory.)
static size_t process_resident(void)
{
    char line[128];
    size_t kilobytes = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    ASSERT(file != NULL);
    while (kilobytes == 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "Rss:", 4) == 0)
            kilobytes = strtoul(line + 4, NULL, 10);
    fclose(file);
    ASSERT(kilobytes != 0);
    return kilobytes * 1024;
}

static struct strain flat_run(struct flat *flat, uint64_t operations)
{
    struct book_tally tally = {0};
    uint64_t ns = 0;
    for (uint64_t done = 0; done < operations; done += FLAT_CHUNK) {
        for (uint32_t i = 0; i < FLAT_CHUNK; i++)
            make(flat, &flat->operations[i], flat->book->pool.orders_open > FLAT_LIVE);
        uint64_t before = measure_processor_ns();
        book_alone_contestant.run(flat->book, flat->operations, FLAT_CHUNK, &tally);
        ns += measure_processor_ns() - before;
    }
    return (struct strain){.ns_per_op = (double)ns / (double)operations,
                           .resident = process_resident()};
}

struct strain strain_flat(uint64_t operations, uint64_t seed, struct strain *early)
{
    static struct flat flat;
    flat = (struct flat){.random = seed, .middle = 30000};
    flat.book = book_alone_contestant.open(1, 4 * FLAT_LIVE);
    // In small pages: the system gathers them into huge ones when it likes, minutes later.
    const struct arena *arena = &flat.book->arena;
    int result = madvise(arena->memory, arena->mapped, MADV_NOHUGEPAGE);
    ASSERT(result == 0);
    *early = flat_run(&flat, operations / 10);
    struct strain late = flat_run(&flat, operations - operations / 10);
    book_alone_contestant.close(flat.book);
    return late;
}
