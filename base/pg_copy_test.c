#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/pg_copy.h"

// The format byte by byte, from the manual: signature, flags, extension, then rows.
static void a_row_has_the_bytes_of_the_manual(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        'P',  'G',  'C',  'O',  'P',  'Y',  '\n', 0xff, '\r', '\n', 0,    0,
        0,    0,    0,    0,    0,    0,    0,                                  // header
        0,    4,                                                                // columns
        0,    0,    0,    8,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, // -2
        0,    0,    0,    2,    'h',  'i',                                      //
        0xff, 0xff, 0xff, 0xff,                                                 // NULL
        0,    0,    0,    3,    1,    '{',  '}',                                // jsonb version 1
    };
    struct pg_copy copy;
    pg_copy_init(&copy);
    pg_copy_row(&copy, 4);
    pg_copy_i64(&copy, -2);
    pg_copy_text(&copy, "hi");
    pg_copy_null(&copy);
    pg_copy_jsonb(&copy, "{}", 2);
    assert_int_equal(copy.bytes, sizeof expected);
    assert_memory_equal(copy.data, expected, sizeof expected);
    pg_copy_fini(&copy);
}

static void time_counts_microseconds_from_2000(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1};
    struct pg_copy copy;
    pg_copy_init(&copy);
    pg_copy_time(&copy, 946684800000001999ULL);
    assert_memory_equal(copy.data, expected, sizeof expected);
    pg_copy_fini(&copy);
}

static void the_buffer_grows_and_is_kept(void **state)
{
    (void)state;
    struct pg_copy copy;
    pg_copy_init(&copy);
    for (int i = 0; i < 100000; i++) {
        pg_copy_row(&copy, 1);
        pg_copy_i32(&copy, i);
    }
    assert_int_equal(copy.rows, 100000);
    assert_int_equal(copy.bytes, 19 + 100000 * (2 + 4 + 4));
    size_t capacity = copy.capacity;
    pg_copy_clear(&copy);
    assert_int_equal(copy.bytes, 0);
    assert_int_equal(copy.capacity, capacity);
    pg_copy_fini(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_has_the_bytes_of_the_manual),
        cmocka_unit_test(time_counts_microseconds_from_2000),
        cmocka_unit_test(the_buffer_grows_and_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
