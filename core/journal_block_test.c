// A block and a segment's header are whole, or they are not: each field of them on its own.
#include "core/testing.h"

#include <string.h>

#include "base/crc32c.h"
#include "core/journal_block.h"

static _Alignas(4096) uint8_t memory[4 * JOURNAL_PAGE_BYTES];
static struct journal_block_header *const block = (struct journal_block_header *)(void *)memory;

static struct command_header *command_at(unsigned slot)
{
    return (struct command_header *)(void *)(memory + JOURNAL_BLOCK_HEADER_BYTES +
                                             slot * SLOT_BYTES);
}

// Two commands of one and two slots, sequences 5 and 6, in segment 3.
static void make_block(void)
{
    memset(memory, 0, sizeof memory);
    *block = (struct journal_block_header){
        .segment = 3, .epoch = 1, .first_sequence = 5, .count = 2, .bytes = 3 * SLOT_BYTES};
    *command_at(0) = (struct command_header){.slots = 1, .sequence = 5};
    *command_at(1) = (struct command_header){.slots = 2, .sequence = 6};
    journal_block_seal(block);
}

static void seal_header(void)
{
    block->header_crc = crc32c(0, block, offsetof(struct journal_block_header, header_crc));
}

static void a_header_is_judged_field_by_field(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        make_block();
        bool valid = false;
        switch (i) {
        case 0:
            valid = true;
            break;
        case 1:
            block->magic ^= 1;
            break;
        case 2:
            block->segment = 4;
            break;
        case 3:
            block->count = 0;
            break;
        case 4:
            block->first_sequence = 0;
            break;
        case 5:
            block->count = 4;
            break; // more commands than slots
        case 6:
            block->bytes = JOURNAL_PAYLOAD_BYTES_MAX + SLOT_BYTES;
            break;
        case 7:
            block->bytes = 3 * SLOT_BYTES + 1;
            break;
        case 8:
            block->bytes = JOURNAL_PAYLOAD_BYTES_MAX;
            valid = true;
            break;
        default:
            block->count = 3;
            valid = true;
            break; // one slot each
        }
        seal_header();
        assert_int_equal(journal_block_header_valid(block, 3), valid);
    }
    make_block();
    block->header_crc ^= 1;
    assert_false(journal_block_header_valid(block, 3));
}

static void a_payload_is_judged_command_by_command(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++) {
        make_block();
        bool valid = false;
        switch (i) {
        case 0:
            valid = true;
            break;
        case 1:
            command_at(1)->slots = 0;
            break;
        case 2:
            command_at(1)->slots = COMMAND_SLOTS_MAX + 1;
            break;
        case 3:
            command_at(1)->slots = 3;
            break; // beyond the end
        case 4:
            command_at(1)->sequence = 7;
            break;
        case 5:
            block->count = 3;
            break;
        default:
            *command_at(2) =
                (struct command_header){.slots = 1, .sequence = 7}; // one more than said
            command_at(1)->slots = 1;
            break;
        }
        block->payload_crc = crc32c(0, block + 1, block->bytes);
        assert_int_equal(journal_block_payload_valid(block), valid);
    }
    make_block();
    memory[JOURNAL_BLOCK_HEADER_BYTES + 50] ^= 1;
    assert_false(journal_block_payload_valid(block));
}

static void the_largest_command_is_whole(void **state)
{
    (void)state;
    make_block();
    block->count = 1;
    block->bytes = COMMAND_BYTES_MAX;
    command_at(0)->slots = COMMAND_SLOTS_MAX;
    journal_block_seal(block);
    assert_true(journal_block_header_valid(block, 3) && journal_block_payload_valid(block));
    block->bytes += SLOT_BYTES;
    command_at(0)->slots++;
    block->payload_crc = crc32c(0, block + 1, block->bytes);
    assert_false(journal_block_payload_valid(block));
}

static void a_segments_header_is_ours_another_versions_or_broken(void **state)
{
    (void)state;
    static const struct journal_segment_terms terms = {.bytes = 1 << 20, .engine_version = 7};
    for (int i = 0; i < 6; i++) {
        struct journal_segment_header header;
        enum journal_header expected = JOURNAL_HEADER_BROKEN;
        journal_segment_header_init(&header, 9, &terms);
        switch (i) {
        case 0:
            expected = JOURNAL_HEADER_OURS;
            break;
        case 1:
            header.magic ^= 1;
            break;
        case 2:
            header.number = 8;
            break;
        case 3:
            header.format++;
            expected = JOURNAL_HEADER_OTHER_VERSION;
            break;
        case 4:
            header.schema_version++;
            expected = JOURNAL_HEADER_OTHER_VERSION;
            break;
        default:
            break;
        }
        header.crc = 0;
        header.crc = crc32c(0, &header, sizeof header) ^ (i == 5);
        assert_int_equal(journal_segment_header_judge(&header, 9), expected);
        assert_int_equal(journal_segment_header_valid(&header, 9), i == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_header_is_judged_field_by_field),
        cmocka_unit_test(a_payload_is_judged_command_by_command),
        cmocka_unit_test(the_largest_command_is_whole),
        cmocka_unit_test(a_segments_header_is_ours_another_versions_or_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
