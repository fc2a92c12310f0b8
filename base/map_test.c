// The map against a plain array, under random puts and removals of a small key domain (long runs).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/map.h"

static void map_agrees_with_an_array_under_random_changes(void **state)
{
    (void)state;
    enum { KEYS = 500, STEPS = 200000 };
    static uint64_t values[KEYS];
    struct map map;
    map_init(&map);
    uint64_t random = 1, value = 0;
    for (int step = 1; step <= STEPS; step++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint64_t key = 1 + (random >> 33) % (KEYS - 1);
        if (random >> 63) {
            map_put(&map, key, (uint64_t)step);
            values[key] = (uint64_t)step;
        } else {
            assert_int_equal(map_remove(&map, key), values[key] != 0);
            values[key] = 0;
        }
        key = 1 + (random >> 13) % (KEYS - 1);
        assert_int_equal(map_get(&map, key, &value), values[key] != 0);
        if (values[key] != 0)
            assert_int_equal(value, values[key]);
    }
    size_t count = 0;
    for (int key = 0; key < KEYS; key++)
        count += values[key] != 0;
    assert_int_equal(map.count, count);
    map_clear(&map);
    assert_false(map_get(&map, 1, &value));
    map_fini(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_agrees_with_an_array_under_random_changes)};
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
