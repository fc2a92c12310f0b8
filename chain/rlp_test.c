#include "chain/rlp.h"

#include "base/testing.h"
#include "chain/vectors.h"

#include <stdlib.h>

#define BUFFER_BYTES 8192

static void write_value(struct rlp_writer *writer, const json_t *value)
{
    if (json_is_string(value)) {
        size_t len;
        uint8_t *bytes = vectors_bytes(&len, json_string_value(value));
        rlp_bytes(writer, bytes, len);
        free(bytes);
        return;
    }
    uint8_t *buffer = malloc(BUFFER_BYTES);
    struct rlp_writer items;
    rlp_writer_init(&items, buffer, BUFFER_BYTES);
    size_t index;
    json_t *item;
    json_array_foreach(value, index, item) write_value(&items, item);
    assert_false(items.overflowed);
    rlp_list(writer, items.out, items.len);
    free(buffer);
}

static void expect_item(struct rlp_reader *reader, const json_t *value)
{
    struct rlp_item item;
    assert_true(rlp_next(reader, &item));
    assert_int_equal(item.is_list, json_is_array(value));
    if (!item.is_list) {
        size_t len;
        uint8_t *bytes = vectors_bytes(&len, json_string_value(value));
        assert_int_equal(item.len, len);
        assert_memory_equal(item.payload, bytes, len);
        free(bytes);
        return;
    }
    struct rlp_reader items;
    rlp_reader_init(&items, item.payload, item.len);
    size_t index;
    json_t *member;
    json_array_foreach(value, index, member) expect_item(&items, member);
    assert_true(rlp_at_end(&items));
}

static void published_vectors_agree_in_both_directions(void **state)
{
    (void)state;
    json_t *vectors = vectors_load("ethers/rlp.json.gz");
    size_t index;
    json_t *vector;
    json_array_foreach(vectors, index, vector)
    {
        size_t len;
        uint8_t *encoded = vectors_bytes(&len, vectors_text(vector, "encoded"));
        uint8_t out[BUFFER_BYTES];
        struct rlp_writer writer;
        rlp_writer_init(&writer, out, sizeof(out));
        write_value(&writer, json_object_get(vector, "decoded"));
        assert_false(writer.overflowed);
        assert_int_equal(writer.len, len);
        assert_memory_equal(out, encoded, len);
        struct rlp_reader reader;
        rlp_reader_init(&reader, encoded, len);
        expect_item(&reader, json_object_get(vector, "decoded"));
        assert_true(rlp_at_end(&reader));
        free(encoded);
    }
    assert_true(index > 50);
    json_decref(vectors);
}

static void integers_lose_their_leading_zeros(void **state)
{
    (void)state;
    uint8_t out[64];
    struct rlp_writer writer;
    rlp_writer_init(&writer, out, sizeof(out));
    rlp_uint(&writer, 0);
    rlp_uint(&writer, 0x7f);
    rlp_uint(&writer, 0x0400);
    const uint8_t padded[32] = {[31] = 0x80};
    rlp_uint_bytes(&writer, padded, sizeof(padded));
    const uint8_t expected[] = {0x80, 0x7f, 0x82, 0x04, 0x00, 0x81, 0x80};
    assert_int_equal(writer.len, sizeof(expected));
    assert_memory_equal(out, expected, sizeof(expected));
}

static bool is_refused(const uint8_t *bytes, size_t len)
{
    struct rlp_reader reader;
    struct rlp_item item;
    rlp_reader_init(&reader, bytes, len);
    return !rlp_next(&reader, &item);
}

static void other_than_canonical_encodings_are_refused(void **state)
{
    (void)state;
    assert_true(is_refused((const uint8_t[]){0x81, 0x7f}, 2));             /* itself is shorter */
    assert_true(is_refused((const uint8_t[]){0xb8, 0x01, 0xff}, 3));       /* long form for 1 */
    assert_true(is_refused((const uint8_t[]){0xb9, 0x00, 0x38, 0xff}, 4)); /* length with a zero */
    assert_true(is_refused((const uint8_t[]){0x83, 0x01, 0x02}, 3));       /* cut short */
    assert_true(is_refused((const uint8_t[]){0xf8}, 1));                   /* no length */
    const uint8_t huge[9] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_true(is_refused(huge, sizeof(huge)));
    assert_true(is_refused(huge, 0));
}

static void integers_with_leading_zeros_or_too_wide_are_refused(void **state)
{
    (void)state;
    const uint8_t zero_byte[] = {0x00};
    const uint8_t padded[] = {0x82, 0x00, 0x80};
    const uint8_t nine[] = {0x89, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    struct rlp_reader reader;
    uint64_t value;
    rlp_reader_init(&reader, zero_byte, sizeof(zero_byte));
    assert_false(rlp_next_u64(&reader, &value));
    rlp_reader_init(&reader, padded, sizeof(padded));
    assert_false(rlp_next_u64(&reader, &value));
    rlp_reader_init(&reader, nine, sizeof(nine));
    assert_false(rlp_next_u64(&reader, &value));
}

static void a_writer_that_is_full_says_so_and_writes_nothing_outside(void **state)
{
    (void)state;
    uint8_t out[4] = {0, 0, 0, 0xee};
    struct rlp_writer writer;
    rlp_writer_init(&writer, out, 3);
    rlp_bytes(&writer, (const uint8_t *)"abc", 3);
    assert_true(writer.overflowed);
    assert_int_equal(out[3], 0xee);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_agree_in_both_directions),
        cmocka_unit_test(integers_lose_their_leading_zeros),
        cmocka_unit_test(other_than_canonical_encodings_are_refused),
        cmocka_unit_test(integers_with_leading_zeros_or_too_wide_are_refused),
        cmocka_unit_test(a_writer_that_is_full_says_so_and_writes_nothing_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
