// The book against a sorted array: random orders come, go, are looked for and walked over, in
// several sides that share one pool; everything is compared after every step, and the book's own
// check runs. The kinds of keys are what matters: side by side, across the edges of pages, far
// apart, at both ends of their range.
#include "matcher/order_book.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIDES = 3, ORDERS_MAX = 96, LEVELS_MAX = 40, STEPS = 30000 };

struct naive_order {
    uint64_t key, id;
    uint32_t place;
};

struct naive_side { // by key, then id
    struct naive_order orders[ORDERS_MAX];
    uint32_t count;
};

struct fixture {
    struct order_pool pool;
    struct book_side sides[SIDES];
    struct naive_side naive[SIDES];
    uint8_t *memory;
    uint64_t random;
    uint64_t id;
    int keys; // which kind
};

// ---- the naive book

static uint32_t draw(struct fixture *at, uint32_t bound)
{
    at->random = at->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((at->random >> 32) * bound >> 32);
}

static uint64_t draw_key(struct fixture *at)
{
    switch (at->keys) {
    case 0: // side by side
        return 1000 + draw(at, 20);
    case 1: // more than the pages at hand
        return 5000 + draw(at, 40) * 17;
    case 2: // pages that take each other's place at hand
        return (uint64_t)draw(at, 30) * PAGE_LEVELS * SIDE_PAGES_AT_HAND + draw(at, 2);
    case 3: // anywhere
        return ((uint64_t)draw(at, UINT32_MAX) << 32 | draw(at, UINT32_MAX)) & BOOK_KEY_MAX;
    case 4: // one bit set, or all but one
        return draw(at, 2) ? (uint64_t)1 << draw(at, 62)
                           : BOOK_KEY_MAX ^ (uint64_t)1 << draw(at, 62);
    default: // both ends, far away in turn
        return at->id % 2 != 0 ? draw(at, 3) : BOOK_KEY_MAX - draw(at, 3);
    }
}

static void naive_add(struct naive_side *side, struct naive_order order)
{
    uint32_t at = side->count++;
    for (; at > 0 && side->orders[at - 1].key > order.key; at--)
        side->orders[at] = side->orders[at - 1];
    side->orders[at] = order;
}

static void naive_remove(struct naive_side *side, uint32_t at)
{
    side->count--;
    memmove(&side->orders[at], &side->orders[at + 1], (side->count - at) * sizeof side->orders[0]);
}

static uint32_t naive_levels(const struct fixture *at)
{
    uint32_t levels = 0;
    for (int s = 0; s < SIDES; s++)
        for (uint32_t i = 0; i < at->naive[s].count; i++)
            levels += i == 0 || at->naive[s].orders[i - 1].key != at->naive[s].orders[i].key;
    return levels;
}

// The first order whose key is >= key; count if there is none.
static uint32_t naive_from(const struct naive_side *side, uint64_t key)
{
    uint32_t at = 0;
    while (at < side->count && side->orders[at].key < key)
        at++;
    return at;
}

// ---- comparing

static void same_walk(const struct fixture *at, int s)
{
    const struct naive_side *naive = &at->naive[s];
    uint32_t place = order_book_best(&at->pool, &at->sides[s]);
    assert_int_equal(order_book_best_key(&at->pool, &at->sides[s]),
                     naive->count != 0 ? naive->orders[0].key : UINT64_MAX);
    for (uint32_t i = 0; i < naive->count; i++) {
        assert_int_equal(place, naive->orders[i].place);
        assert_int_equal(order_book_key_of(&at->pool, place), naive->orders[i].key);
        assert_int_equal(order_pool_find(&at->pool, naive->orders[i].id), place);
        place = order_book_next(&at->pool, &at->sides[s], place);
    }
    assert_int_equal(place, 0);
}

static void same_around(const struct fixture *at, int s, uint64_t key)
{
    const struct naive_side *naive = &at->naive[s];
    const struct book_side *side = &at->sides[s];
    uint32_t from = naive_from(naive, key);
    uint32_t behind = naive_from(naive, key + 1);
    uint64_t found = 0;
    uint32_t place = order_book_at(&at->pool, side, key);
    assert_int_equal(place, from < behind ? naive->orders[from].place : 0);
    place = order_book_worse(&at->pool, side, key, &found);
    assert_int_equal(place, behind < naive->count ? naive->orders[behind].place : 0);
    if (place != 0)
        assert_int_equal(found, naive->orders[behind].key);
    place = order_book_better(&at->pool, side, key, &found);
    if (from == 0) {
        assert_int_equal(place, 0);
        return;
    }
    uint32_t first = naive_from(naive, naive->orders[from - 1].key);
    assert_int_equal(place, naive->orders[first].place);
    assert_int_equal(found, naive->orders[first].key);
}

static void same(struct fixture *at)
{
    uint32_t orders = 0;
    uint32_t levels = 0;
    for (int s = 0; s < SIDES; s++) {
        same_walk(at, s);
        same_around(at, s, draw_key(at));
        uint32_t count = order_book_check(&at->pool, &at->sides[s], SIDE_BUY, (uint32_t)s, &levels);
        assert_int_equal(count, at->naive[s].count);
        orders += count;
    }
    assert_int_equal(orders, at->pool.orders_open);
    assert_int_equal(levels, at->pool.levels_used);
    assert_int_equal(levels, naive_levels(at));
    assert_int_equal(order_pool_find(&at->pool, at->id + 1), 0);
}

// ---- steps

static void step_add(struct fixture *at, int s)
{
    uint64_t key = draw_key(at);
    const struct naive_side *naive = &at->naive[s];
    uint32_t from = naive_from(naive, key);
    bool level_is_there = from < naive->count && naive->orders[from].key == key;
    if (at->pool.orders_open == ORDERS_MAX)
        return;
    bool room = order_book_has_room(&at->pool, &at->sides[s], key);
    assert_int_equal(room, level_is_there || naive_levels(at) < LEVELS_MAX);
    if (!room)
        return;
    at->id += 1 + draw(at, 30); // others' commands lie between; the slots come round often
    uint32_t place = order_pool_take(&at->pool, at->id);
    struct order *order = order_at(&at->pool, place);
    order->side = SIDE_BUY;
    order->instrument = (uint16_t)s;
    order->leaves = 1;
    order->marks = 0;
    order_book_add(&at->pool, &at->sides[s], key, place);
    naive_add(&at->naive[s], (struct naive_order){.key = key, .id = at->id, .place = place});
}

static void step_remove(struct fixture *at, int s, uint32_t i)
{
    struct naive_order order = at->naive[s].orders[i];
    assert_int_equal(order_pool_find(&at->pool, order.id), order.place);
    order_book_remove(&at->pool, &at->sides[s], order.place);
    order_pool_give(&at->pool, order.place);
    assert_int_equal(order_pool_find(&at->pool, order.id), 0);
    naive_remove(&at->naive[s], i);
}

static struct fixture *fixture_open(int keys)
{
    struct fixture *at = calloc(1, sizeof *at);
    assert_non_null(at);
    size_t bytes = order_pool_layout(&at->pool, NULL, ORDERS_MAX, LEVELS_MAX, 0);
    at->memory = aligned_alloc(64, bytes);
    assert_non_null(at->memory);
    memset(at->memory, 0, bytes);
    assert_int_equal(order_pool_layout(&at->pool, at->memory, ORDERS_MAX, LEVELS_MAX, 0), bytes);
    at->random = (uint64_t)keys + 1;
    at->keys = keys;
    return at;
}

static void fixture_close(struct fixture *at)
{
    free(at->memory);
    free(at);
}

// Fills up to the limits, empties, and so on; the best order is the one that goes most often.
static void run(int keys)
{
    struct fixture *at = fixture_open(keys);
    uint32_t in_ten = 6;
    for (int step = 0; step < STEPS; step++) {
        int s = (int)draw(at, SIDES);
        if (step % 500 == 0)
            in_ten = in_ten == 6 ? 4 : 6;
        if (draw(at, 10) < in_ten)
            step_add(at, s);
        else if (at->naive[s].count != 0)
            step_remove(at, s, draw(at, 2) ? 0 : draw(at, at->naive[s].count));
        same(at);
    }
    for (int s = 0; s < SIDES; s++)
        while (at->naive[s].count != 0)
            step_remove(at, s, draw(at, at->naive[s].count));
    same(at);
    assert_int_equal(at->pool.orders_open, 0);
    assert_true(at->pool.pages_touched <= LEVELS_MAX && at->pool.orders_touched <= ORDERS_MAX);
    fixture_close(at);
}

static void keys_side_by_side(void **state)
{
    (void)state;
    run(0);
    run(1);
}

static void keys_that_share_a_slot_at_hand(void **state)
{
    (void)state;
    run(2);
}

static void keys_far_apart(void **state)
{
    (void)state;
    run(3);
    run(4);
    run(5);
}

// ---- ids

// A snapshot's orders come by price, so their ids do not ascend.
static void ids_in_any_order(void **state)
{
    (void)state;
    struct fixture *at = fixture_open(0);
    uint32_t places[ORDERS_MAX];
    for (uint64_t i = 0; i < ORDERS_MAX; i++)
        places[i] = order_pool_take(&at->pool, 1 + i * 37 % ORDERS_MAX * 64);
    for (uint64_t i = 0; i < ORDERS_MAX; i++)
        assert_int_equal(order_pool_find(&at->pool, 1 + i * 37 % ORDERS_MAX * 64), places[i]);
    assert_int_equal(order_pool_find(&at->pool, 2), 0);
    assert_int_equal(order_pool_find(&at->pool, 1 + (uint64_t)ORDERS_MAX * 64), 0);
    for (uint64_t i = 0; i < ORDERS_MAX; i += 2)
        order_pool_give(&at->pool, places[i]);
    for (uint64_t i = 0; i < ORDERS_MAX; i++)
        assert_int_equal(order_pool_find(&at->pool, 1 + i * 37 % ORDERS_MAX * 64),
                         i % 2 != 0 ? places[i] : 0);
    fixture_close(at);
}

// Ids with the same low 32 bits are different ids.
static void ids_that_agree_below(void **state)
{
    (void)state;
    struct fixture *at = fixture_open(0);
    uint32_t places[8];
    for (uint64_t i = 0; i < 8; i++)
        places[i] = order_pool_take(&at->pool, i << 32 | 7);
    for (uint64_t i = 0; i < 8; i++)
        assert_int_equal(order_pool_find(&at->pool, i << 32 | 7), places[i]);
    assert_int_equal(order_pool_find(&at->pool, (uint64_t)8 << 32 | 7), 0);
    fixture_close(at);
}

// ---- lists

static void list_equals(const struct fixture *at, const struct order_list *list,
                        const uint32_t *places, uint32_t count)
{
    uint32_t place = list->first;
    uint32_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(place, places[i]);
        assert_int_equal(order_at(&at->pool, place)->before, before);
        before = place;
        place = order_at(&at->pool, place)->after;
    }
    assert_int_equal(place, 0);
    assert_int_equal(list->last, before);
}

static void lists(void **state)
{
    (void)state;
    struct fixture *at = fixture_open(0);
    struct order_list list = {0};
    uint32_t places[ORDERS_MAX];
    uint32_t count = 0;
    for (int step = 0; step < 3000; step++) {
        if (count < ORDERS_MAX && draw(at, 100) < 55) {
            places[count] = order_pool_take(&at->pool, ++at->id);
            order_list_append(&at->pool, &list, places[count++]);
        } else if (count > 0) {
            uint32_t i = draw(at, count--);
            order_list_remove(&at->pool, &list, places[i]);
            order_pool_give(&at->pool, places[i]);
            memmove(&places[i], &places[i + 1], (count - i) * sizeof places[0]);
        }
        list_equals(at, &list, places, count);
    }
    fixture_close(at);
}

static void list_is_sorted(void **state)
{
    (void)state;
    struct fixture *at = fixture_open(0);
    struct order_list list = {0};
    uint32_t by_id[ORDERS_MAX];
    order_list_sort(&at->pool, &list);
    assert_int_equal(list.first, 0);
    for (uint64_t i = 0; i < ORDERS_MAX; i++) {
        uint64_t id = 1 + i * 37 % ORDERS_MAX;
        by_id[id - 1] = order_pool_take(&at->pool, id);
        order_list_append(&at->pool, &list, by_id[id - 1]);
    }
    order_list_sort(&at->pool, &list);
    list_equals(at, &list, by_id, ORDERS_MAX);
    fixture_close(at);
}

// ---- our own faults

static bool aborts(struct fixture *at, void (*fault)(struct fixture *at))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL); // not cmocka's
        (void)close(STDERR_FILENO);
        fault(at);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void remove_twice(struct fixture *at)
{
    uint32_t place = at->naive[0].orders[0].place;
    order_book_remove(&at->pool, &at->sides[0], place);
    order_book_remove(&at->pool, &at->sides[0], place);
}

static void give_while_in_the_book(struct fixture *at)
{
    order_pool_give(&at->pool, at->naive[0].orders[0].place);
}

static void take_too_many(struct fixture *at)
{
    for (int i = 0; i <= ORDERS_MAX; i++)
        (void)order_pool_take(&at->pool, ++at->id);
}

static void key_too_large(struct fixture *at)
{
    order_book_add(&at->pool, &at->sides[0], BOOK_KEY_MAX + 1, order_pool_take(&at->pool, 1000));
}

static void queue_out_of_order(struct fixture *at)
{
    uint32_t levels = 0;
    order_at(&at->pool, at->naive[0].orders[1].place)->id = 1;
    (void)order_book_check(&at->pool, &at->sides[0], SIDE_BUY, 0, &levels);
}

static void nothing(struct fixture *at)
{
    same(at);
}

static void faults_abort(void **state)
{
    (void)state;
    struct fixture *at = fixture_open(0);
    while (at->naive[0].count < 60)
        step_add(at, 0);
    assert_false(aborts(at, nothing));
    assert_true(aborts(at, remove_twice));
    assert_true(aborts(at, give_while_in_the_book));
    assert_true(aborts(at, take_too_many));
    assert_true(aborts(at, key_too_large));
    assert_true(aborts(at, queue_out_of_order));
    fixture_close(at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_side_by_side),    cmocka_unit_test(keys_that_share_a_slot_at_hand),
        cmocka_unit_test(keys_far_apart),       cmocka_unit_test(ids_in_any_order),
        cmocka_unit_test(ids_that_agree_below), cmocka_unit_test(lists),
        cmocka_unit_test(list_is_sorted),       cmocka_unit_test(faults_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
