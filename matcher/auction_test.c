// The auction's price: the textbook cases of each rule as tables, icebergs, and random books
// against a search over every price.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "matcher/auction.h"

enum { ORDERS = 64, PRICES = 400, ORDERS_MAX = 1400, PRICES_MAX = 800, INSTRUMENT = 1 };

struct bench {
    struct order_pool pool;
    struct book_side sides[2];
    uint8_t *memory;
    uint64_t next_id;
    uint64_t random;
    uint32_t places[ORDERS_MAX];
    uint32_t count;
};

static void set_up(struct bench *bench)
{
    struct order_pool measured = {0};
    memset(bench, 0, sizeof *bench);
    size_t bytes = order_pool_layout(&measured, NULL, ORDERS_MAX, ORDERS_MAX, 0);
    bench->memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(bench->memory);
    memset(bench->memory, 0, bytes);
    (void)order_pool_layout(&bench->pool, bench->memory, ORDERS_MAX, ORDERS_MAX, 0);
    bench->random = 0x2545f4914f6cdd1d;
}

static void tear_down(struct bench *bench)
{
    free(bench->memory);
}

// An order with the tick 1: its price is its tick index.
static void put(struct bench *bench, uint8_t side, int64_t price, int64_t shown, int64_t hidden)
{
    uint32_t place = order_pool_take(&bench->pool, ++bench->next_id);
    struct order *order = order_at(&bench->pool, place);
    order->price = price;
    order->leaves = shown;
    order->side = side;
    order->instrument = INSTRUMENT;
    order->marks = hidden != 0 ? ORDER_MARK_TERMS | ORDER_MARK_ICEBERG : 0;
    bench->pool.terms[place] = (struct order_terms){.hidden = hidden, .display = shown};
    uint64_t index = (uint64_t)price;
    order_book_add(&bench->pool, &bench->sides[side - SIDE_BUY],
                   side == SIDE_SELL ? index : BOOK_KEY_MAX - index, place);
    bench->places[bench->count++] = place;
}

static void clear(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->count; i++) {
        uint32_t place = bench->places[i];
        order_book_remove(&bench->pool,
                          &bench->sides[order_at(&bench->pool, place)->side - SIDE_BUY], place);
        order_pool_give(&bench->pool, place);
    }
    bench->count = 0;
}

static struct auction_result price_at(const struct bench *bench, int64_t reference, int64_t tick)
{
    const struct auction_reference at = {.price = reference,
                                         .on_tick = reference - reference % tick};
    return auction_price(&bench->pool, &bench->sides[0], &bench->sides[1], &at);
}

// ---- textbook cases

struct row {
    uint8_t side;
    int64_t price;
    int64_t quantity;
};

struct example {
    const char *name;
    struct row rows[10];
    int64_t reference;
    struct auction_result expected;
};

#define B SIDE_BUY
#define S SIDE_SELL
// The examples of Xetra's market model for the price of an auction (there in euros), then our own.
static const struct example examples[] = {
    {"one price has the highest volume",
     {{B, 202, 200}, {B, 201, 200}, {B, 200, 300}, {S, 200, 100}, {S, 198, 200}, {S, 197, 400}},
     0,
     {200, 700, 0, 0}},
    {"several prices, buys left over: the highest",
     {{B, 202, 400}, {B, 201, 200}, {S, 199, 300}, {S, 198, 200}},
     0,
     {201, 500, 100, SIDE_BUY}},
    {"several prices, sells left over: the lowest",
     {{B, 202, 300}, {B, 201, 200}, {S, 199, 400}, {S, 198, 200}},
     0,
     {199, 500, 100, SIDE_SELL}},
    {"surplus on both sides, the reference above: the highest",
     {{B, 202, 100}, {B, 199, 100}, {S, 202, 100}, {S, 199, 100}},
     203,
     {202, 100, 100, SIDE_SELL}},
    {"surplus on both sides, the reference below: the lowest",
     {{B, 202, 100}, {B, 199, 100}, {S, 202, 100}, {S, 199, 100}},
     198,
     {199, 100, 100, SIDE_BUY}},
    {"surplus on both sides, the reference between: the reference, which leaves none",
     {{B, 202, 100}, {B, 199, 100}, {S, 202, 100}, {S, 199, 100}},
     200,
     {200, 100, 0, 0}},
    {"no surplus, the reference above: the highest",
     {{B, 202, 500}, {B, 201, 100}, {S, 199, 100}, {S, 198, 500}},
     203,
     {201, 600, 0, 0}},
    {"no surplus, the reference below: the lowest",
     {{B, 202, 500}, {B, 201, 100}, {S, 199, 100}, {S, 198, 500}},
     197,
     {199, 600, 0, 0}},
    {"no surplus, the reference between: the reference, at which no order stands",
     {{B, 202, 500}, {B, 201, 100}, {S, 199, 100}, {S, 198, 500}},
     200,
     {200, 600, 0, 0}},
    {"no reference: the lowest",
     {{B, 202, 500}, {B, 201, 100}, {S, 199, 100}, {S, 198, 500}},
     0,
     {199, 600, 0, 0}},
    {"nothing crosses", {{B, 199, 80}, {S, 201, 80}}, 200, {0, 0, 0, 0}},
    {"one side only", {{B, 199, 80}}, 200, {0, 0, 0, 0}},
    {"nothing at all", {{0, 0, 0}}, 200, {0, 0, 0, 0}},
    {"the same price", {{B, 200, 80}, {S, 200, 30}}, 300, {200, 30, 50, SIDE_BUY}},
};
#undef B
#undef S

static void assert_result(const struct auction_result *left, const struct auction_result *right)
{
    assert_true(left->price == right->price);
    assert_true(left->quantity == right->quantity);
    assert_true(left->surplus == right->surplus);
    assert_int_equal(left->surplus_side, right->surplus_side);
}

static void test_examples(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        const struct example *example = &examples[i];
        for (const struct row *row = example->rows; row->quantity != 0; row++)
            put(&bench, row->side, row->price, row->quantity, 0);
        print_message("%s\n", example->name);
        struct auction_result result = price_at(&bench, example->reference, 1);
        assert_result(&result, &example->expected);
        clear(&bench);
    }
    tear_down(&bench);
}

static void test_iceberg_counts_whole(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    put(&bench, SIDE_BUY, 201, 10, 90);
    put(&bench, SIDE_SELL, 200, 60, 0);
    struct auction_result result = price_at(&bench, 0, 1);
    assert_result(&result, &(struct auction_result){201, 60, 40, SIDE_BUY});
    tear_down(&bench);
}

static void test_reference_off_tick(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    put(&bench, SIDE_BUY, 220, 10, 0);
    put(&bench, SIDE_SELL, 200, 10, 0);
    struct auction_result result = price_at(&bench, 217, 5);
    assert_result(&result, &(struct auction_result){215, 10, 0, 0});
    tear_down(&bench);
}

static void test_huge_demand(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    put(&bench, SIDE_BUY, 2, INT64_MAX, 0);
    put(&bench, SIDE_BUY, 2, INT64_MAX, 0);
    put(&bench, SIDE_SELL, 1, 5, 0);
    struct auction_result result = price_at(&bench, 0, 1);
    assert_result(&result, &(struct auction_result){2, 5, INT64_MAX, SIDE_BUY});
    tear_down(&bench);
}

// ---- random books

static uint64_t draw(struct bench *bench, uint64_t below)
{
    bench->random ^= bench->random << 13;
    bench->random ^= bench->random >> 7;
    bench->random ^= bench->random << 17;
    return bench->random % below;
}

static int64_t open_at(const struct bench *bench, uint8_t side, int64_t price)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < bench->count; i++) {
        const struct order *order = order_at(&bench->pool, bench->places[i]);
        if (order->side == side &&
            (side == SIDE_BUY ? order->price >= price : order->price <= price))
            sum += order->leaves + bench->pool.terms[bench->places[i]].hidden;
    }
    return sum;
}

struct candidate {
    int64_t price;
    int64_t volume;
    int64_t surplus; // with its sign
};

static struct candidate candidate_at(const struct bench *bench, int64_t price)
{
    int64_t demand = open_at(bench, SIDE_BUY, price);
    int64_t supply = open_at(bench, SIDE_SELL, price);
    return (struct candidate){price, demand < supply ? demand : supply, demand - supply};
}

static bool better(const struct candidate *left, const struct candidate *right)
{
    if (left->volume != right->volume)
        return left->volume > right->volume;
    return llabs(left->surplus) < llabs(right->surplus);
}

// The rulebook, word for word, over every price from 1 to `prices` at which an order stands.
static int64_t search(const struct bench *bench, int64_t prices, int64_t reference, int64_t on_tick)
{
    struct candidate left[PRICES_MAX];
    uint32_t count = 0;
    for (int64_t price = 1; price <= prices; price++) {
        bool stands = false;
        for (uint32_t i = 0; i < bench->count; i++)
            stands |= order_at(&bench->pool, bench->places[i])->price == price;
        struct candidate here = candidate_at(bench, price);
        if (!stands || here.volume == 0 || (count > 0 && better(&left[0], &here)))
            continue;
        if (count > 0 && better(&here, &left[0]))
            count = 0;
        left[count++] = here;
    }
    if (count == 0)
        return 0;
    uint32_t buys = 0;
    uint32_t sells = 0;
    for (uint32_t i = 0; i < count; i++) {
        buys += left[i].surplus > 0;
        sells += left[i].surplus < 0;
    }
    if (buys == count || (sells != count && reference >= left[count - 1].price))
        return left[count - 1].price;
    if (sells == count || reference <= left[0].price)
        return left[0].price;
    struct candidate there = candidate_at(bench, on_tick);
    assert_false(better(&left[0], &there));
    return on_tick;
}

static void test_random_books(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    for (uint32_t round = 0; round < 60000; round++) {
        int64_t tick = 1 + (int64_t)draw(&bench, 4);
        uint64_t width = 1 + draw(&bench, 30);
        uint64_t orders = draw(&bench, ORDERS + 1);
        for (uint64_t i = 0; i < orders; i++) {
            uint8_t side = draw(&bench, 2) != 0 ? SIDE_BUY : SIDE_SELL;
            int64_t price = (int64_t)(20 + draw(&bench, width)) * tick;
            int64_t hidden = draw(&bench, 4) == 0 ? 1 + (int64_t)draw(&bench, 6) : 0;
            put(&bench, side, price, 1 + (int64_t)draw(&bench, 4), hidden);
        }
        int64_t reference = draw(&bench, 5) != 0 ? (int64_t)draw(&bench, 52 * (uint64_t)tick) : 0;
        struct auction_result result = price_at(&bench, reference, tick);
        int64_t price = search(&bench, PRICES, reference, reference - reference % tick);
        struct candidate there = candidate_at(&bench, price);
        assert_true(result.price == price);
        assert_true(result.quantity == (price != 0 ? there.volume : 0));
        assert_true(result.surplus == (price != 0 ? llabs(there.surplus) : 0));
        clear(&bench);
    }
    tear_down(&bench);
}

// More levels cross than the walk keeps: it reads the sells again, from the other end.
static void test_deep_books(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    for (uint32_t round = 0; round < 6; round++) {
        for (int64_t price = 60; price < 780; price++) { // some sells above every buy
            put(&bench, SIDE_SELL, price, 1 + (int64_t)draw(&bench, 4), 0);
            if (price < 720 && (round != 0 || price >= 700))
                put(&bench, SIDE_BUY, price + 40, 1 + (int64_t)draw(&bench, 4), 0);
        }
        int64_t reference = (int64_t)draw(&bench, PRICES_MAX);
        struct auction_result result = price_at(&bench, reference, 1);
        int64_t price = search(&bench, PRICES_MAX, reference, reference);
        struct candidate there = candidate_at(&bench, price);
        assert_true(result.price == price);
        assert_true(result.quantity == there.volume);
        assert_true(result.surplus == llabs(there.surplus));
        clear(&bench);
    }
    tear_down(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),           cmocka_unit_test(test_iceberg_counts_whole),
        cmocka_unit_test(test_reference_off_tick), cmocka_unit_test(test_huge_demand),
        cmocka_unit_test(test_random_books),       cmocka_unit_test(test_deep_books),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
