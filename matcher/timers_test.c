// Timers against a plain array: whatever goes in, moves and goes out, the earliest comes first, of
// two of the same time the lower id.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "matcher/timers.h"

enum { ITEMS = 64 };

struct owner { // the place stands somewhere in a larger entry
    uint64_t time_ns;
    uint64_t id;
    uint32_t other;
    uint32_t place;
};

struct bench {
    struct owner owners[ITEMS + 1];
    struct timer heap[ITEMS + 1];
    struct timers timers;
    uint64_t random;
};

static void set_up(struct bench *bench)
{
    *bench = (struct bench){.random = 0x9e3779b97f4a7c15u};
    bench->timers = (struct timers){.heap = bench->heap,
                                    .places = (uint8_t *)&bench->owners[0].place,
                                    .stride = sizeof(struct owner),
                                    .timers_max = ITEMS};
}

static uint64_t draw(struct bench *bench, uint64_t below)
{
    bench->random ^= bench->random << 13;
    bench->random ^= bench->random >> 7;
    bench->random ^= bench->random << 17;
    return bench->random % below;
}

static void set(struct bench *bench, uint32_t item, uint64_t time_ns, uint64_t id)
{
    bench->owners[item].time_ns = time_ns;
    bench->owners[item].id = id;
    timers_set(&bench->timers, item, time_ns, id);
}

static uint32_t first_of_array(const struct bench *bench)
{
    uint32_t first = 0;
    for (uint32_t item = 1; item <= ITEMS; item++) {
        const struct owner *owner = &bench->owners[item];
        const struct owner *best = &bench->owners[first];
        if (owner->place != 0 &&
            (first == 0 || owner->time_ns < best->time_ns ||
             (owner->time_ns == best->time_ns && owner->id < best->id)))
            first = item;
    }
    return first;
}

static void test_empty(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    assert_int_equal(timers_first(&bench.timers), 0);
    assert_true(timers_next_ns(&bench.timers) == UINT64_MAX);
    timers_remove(&bench.timers, 3);
    assert_false(timers_has(&bench.timers, 3));
    timers_check(&bench.timers);
}

static void test_same_time_lower_id(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    set(&bench, 1, 100, 9);
    set(&bench, 2, 100, 8);
    set(&bench, 3, 100, 10);
    set(&bench, 4, 99, 11);
    const uint32_t order[] = {4, 2, 1, 3};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(timers_first(&bench.timers), order[i]);
        timers_remove(&bench.timers, order[i]);
        timers_check(&bench.timers);
    }
    assert_int_equal(bench.timers.count, 0);
}

static void test_random(void **state)
{
    (void)state;
    struct bench bench;
    set_up(&bench);
    for (uint32_t i = 0; i < 200000; i++) {
        uint32_t item = 1 + (uint32_t)draw(&bench, ITEMS);
        if (draw(&bench, 3) == 0)
            timers_remove(&bench.timers, item);
        else
            set(&bench, item, draw(&bench, 40), item * 7 % (ITEMS + 1));
        uint32_t first = first_of_array(&bench);
        assert_int_equal(timers_first(&bench.timers), first);
        assert_true(timers_next_ns(&bench.timers) ==
                    (first != 0 ? bench.owners[first].time_ns : UINT64_MAX));
        if (i % 64 == 0)
            timers_check(&bench.timers);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_same_time_lower_id),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
