// The decision table is complete, and each row does on a real journal what it says.
#include "core/testing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "core/fake_disk.h"
#include "core/journal.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"

enum { SEGMENT_BYTES = 272 * 1024 };

static void every_case_has_its_decision(void **state)
{
    (void)state;
    for (int place = 0; place < JOURNAL_PLACE_COUNT; place++)
        for (int behind = 0; behind < 2; behind++)
            for (int later = 0; later < JOURNAL_LATER_COUNT; later++) {
                enum journal_decision expected = JOURNAL_CORRUPT;
                if (place == JOURNAL_PLACE_NEXT)
                    expected = JOURNAL_READ;
                else if (place != JOURNAL_PLACE_FOREIGN && !behind &&
                         later == JOURNAL_LATER_CONTINUES)
                    expected = JOURNAL_NEXT_SEGMENT;
                else if (place == JOURNAL_PLACE_ZERO && !behind && later == JOURNAL_LATER_NONE)
                    expected = JOURNAL_END;
                else if (place == JOURNAL_PLACE_BROKEN && !behind && later == JOURNAL_LATER_NONE)
                    expected = JOURNAL_TORN;
                assert_int_equal(journal_decide((enum journal_place)place, behind != 0,
                                                (enum journal_later)later),
                                 expected);
            }
}

struct fixture {
    struct journal_io io;
    struct fake_disk *disk;
    struct event_ring_control *control;
    struct gate gate;
    uint32_t chain;
    uint64_t last;
};

// One life: `blocks` blocks of `commands` commands each.
static void live(struct fixture *f, uint64_t epoch, int blocks, int commands)
{
    struct journal journal;
    struct journal_options options = {.segments = {.bytes = SEGMENT_BYTES, .engine_version = 1},
                                      .epoch = epoch,
                                      .next_sequence = f->last + 1,
                                      .chain = f->chain,
                                      .queue_slots = 4096};
    memset(f->control, 0, sizeof *f->control);
    assert_int_equal(journal_open(&journal, &f->io, &f->gate, &clock_system, &options), 0);
    for (int i = 0; i < blocks; i++) {
        for (int k = 0; k < commands; k++) {
            struct command command = {.header = {.slots = 1,
                                                 .type = CMD_clock_tick,
                                                 .version = SCHEMA_VERSION,
                                                 .sequence = ++f->last}};
            journal_append(&journal, &command);
        }
        journal_flush(&journal);
        assert_int_equal(journal_write_work(&journal), commands);
    }
    f->chain = journal.chain;
    journal_close(&journal);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->disk = fake_disk_create(&f->io, 7);
    f->control = aligned_alloc(4096, sizeof *f->control);
    f->gate.control = f->control;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fake_disk_destroy(f->disk);
    free(f->control);
    free(f);
    return 0;
}

static void expect(struct fixture *f, uint64_t last, enum journal_decision end, const char *reason)
{
    struct journal_reader reader;
    const struct journal_block_header *block;
    enum journal_decision decision;
    assert_int_equal(journal_reader_open(&reader, &f->io, 1, false), 0);
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
        ;
    assert_int_equal(decision, end);
    assert_int_equal(reader.next_sequence - 1, last);
    if (reason != NULL)
        assert_non_null(strstr(reader.reason, reason));
    journal_reader_close(&reader);
}

// Flips a bit in block number `block` (of one page each) of a segment.
static void rot(struct fixture *f, uint64_t segment, uint64_t block)
{
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, segment, JOURNAL_SUFFIX);
    int file = f->io.open(f->io.context, name, JOURNAL_IO_WRITE);
    uint64_t offset = JOURNAL_PAGE_BYTES * (1 + block);
    uint8_t page[JOURNAL_PAGE_BYTES];
    assert_int_equal(f->io.read(f->io.context, file, page, sizeof page, offset), sizeof page);
    page[100] ^= 4;
    assert_int_equal(f->io.write(f->io.context, file, page, sizeof page, offset), 0);
}

static void a_journal_of_several_lives_reads_to_its_end(void **state)
{
    struct fixture *f = *state;
    expect(f, 0, JOURNAL_END, NULL);
    live(f, 1, 5, 3);
    live(f, 2, 100, 2); // over two segments
    live(f, 3, 1, 1);
    expect(f, 216, JOURNAL_END, NULL);
}

static void a_rotten_last_block_is_torn(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 5, 3);
    rot(f, 1, 4);
    expect(f, 12, JOURNAL_TORN, NULL);
}

static void a_rotten_block_in_the_middle_is_corruption(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 5, 3);
    rot(f, 1, 2);
    expect(f, 6, JOURNAL_CORRUPT, "segment 1 offset 12288, before sequence 7");
}

static void a_rotten_block_at_the_end_of_an_epoch_is_corruption(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 5, 3);
    live(f, 2, 5, 3);
    rot(f, 1, 4);
    expect(f, 12, JOURNAL_CORRUPT, "a later segment does not follow");
}

static void a_torn_block_before_a_new_epoch_is_passed_over(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 5, 3);
    uint32_t chain = f->chain;
    live(f, 1, 1, 1); // segment 2: to be torn
    rot(f, 2, 0);
    f->chain = chain;
    f->last--;
    live(f, 2, 5, 3);
    expect(f, 30, JOURNAL_END, NULL);
}

static void a_missing_segment_is_corruption(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 100, 2);
    live(f, 2, 1, 1);
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, 2, JOURNAL_SUFFIX);
    assert_int_equal(f->io.remove(f->io.context, name), 0);
    expect(f, 134, JOURNAL_CORRUPT, "a later segment does not follow");
}

// A segment gets its name when it is whole and synced: one without a header, or a gap in the
// numbers, is never what a crash left behind. What stood there was shown.
static void a_last_segment_with_a_rotten_header_is_corruption(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 5, 3);
    live(f, 2, 5, 3);
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, 2, JOURNAL_SUFFIX);
    int file = f->io.open(f->io.context, name, JOURNAL_IO_WRITE);
    uint8_t page[JOURNAL_PAGE_BYTES];
    assert_int_equal(f->io.read(f->io.context, file, page, sizeof page, 0), sizeof page);
    page[9] ^= 4;
    assert_int_equal(f->io.write(f->io.context, file, page, sizeof page, 0), 0);
    expect(f, 15, JOURNAL_CORRUPT, "a later segment does not follow");
}

static void a_missing_last_segment_before_prepared_ones_is_corruption(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 5, 3);
    live(f, 2, 5, 3);
    struct journal journal;
    struct journal_options options = {.segments = {.bytes = SEGMENT_BYTES, .engine_version = 1},
                                      .epoch = 3,
                                      .next_sequence = f->last + 1,
                                      .chain = f->chain,
                                      .queue_slots = 4096};
    assert_int_equal(journal_open(&journal, &f->io, &f->gate, &clock_system, &options), 0);
    journal_close(&journal); // segment 3 is ready and empty
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, 2, JOURNAL_SUFFIX);
    assert_int_equal(f->io.remove(f->io.context, name), 0);
    expect(f, 15, JOURNAL_CORRUPT, "a later segment does not follow");
}

static void an_epoch_that_goes_back_is_corruption(void **state)
{
    struct fixture *f = *state;
    live(f, 5, 2, 1);
    live(f, 4, 2, 1);
    expect(f, 2, JOURNAL_CORRUPT, "a later segment does not follow");
}

// ---- a disk that refuses to read

// Whatever call fails, wherever: it is never the end, and the next try goes on.
static void a_refused_read_is_never_the_end(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 100, 2); // over two segments
    live(f, 2, 5, 3);
    bool refused = true;
    for (uint64_t at = 1; refused; at++) {
        struct journal_reader reader;
        const struct journal_block_header *block;
        enum journal_decision decision;
        fake_disk_refuse_look(f->disk, at);
        int result = journal_reader_open(&reader, &f->io, 150, false);
        if (result == 0) {
            while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
                ;
            refused = fake_disk_refused(f->disk);
            if (refused) {
                assert_int_equal(decision, JOURNAL_CORRUPT);
                assert_int_equal(reader.fault, JOURNAL_FAULT_UNREADABLE);
                assert_non_null(strstr(reader.reason, "the disk refuses to read"));
                while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
                    ;
            }
            assert_int_equal(decision, JOURNAL_END);
            assert_int_equal(reader.next_sequence - 1, f->last);
            journal_reader_close(&reader);
        }
    }
    uint64_t number, ready;
    const struct journal_segment_terms terms = {.bytes = SEGMENT_BYTES, .engine_version = 1};
    fake_disk_refuse_look(f->disk, 1);
    assert_int_equal(journal_next_segment(&f->io, &number, &ready, &terms), -EIO);
    fake_disk_refuse_look(f->disk, 1);
    assert_int_equal(journal_sync_all(&f->io), -EIO);
    fake_disk_refuse_look(f->disk, 2);
    assert_int_equal(journal_sync_all(&f->io), -EIO);
}

// The writer's own fault model: what it may write into is blank, and where that cannot be seen, it
// is not.
static void a_segment_that_cannot_be_read_is_not_ready(void **state)
{
    struct fixture *f = *state;
    struct journal journal;
    struct journal_options options = {.segments = {.bytes = SEGMENT_BYTES, .engine_version = 1},
                                      .epoch = 1,
                                      .next_sequence = 1,
                                      .queue_slots = 4096};
    assert_int_equal(journal_open(&journal, &f->io, &f->gate, &clock_system, &options), 0);
    journal_close(&journal); // segment 1 is ready and empty
    uint64_t number, ready;
    bool refused = true;
    for (uint64_t at = 2; refused; at++) { // the first one is the list
        fake_disk_refuse_look(f->disk, at);
        assert_int_equal(journal_next_segment(&f->io, &number, &ready, &options.segments), 0);
        refused = fake_disk_refused(f->disk);
        assert_int_equal(number, refused ? 2 : 1);
        assert_int_equal(ready, refused ? 0 : 1);
    }
}

// What other program wrote, in the middle of ours.
static void a_whole_block_of_another_chain_is_foreign(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 5, 3);
    uint64_t last = f->last;
    live(f, 1, 5, 3);
    f->last = last; // the next life does not know of the second one
    f->chain ^= 1;
    live(f, 2, 5, 3);
    expect(f, 30, JOURNAL_CORRUPT, "as if two cores had written");
}

static void reading_may_begin_in_the_middle(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 100, 2);
    live(f, 2, 10, 2);
    struct journal_reader reader;
    const struct journal_block_header *block;
    assert_int_equal(journal_reader_open(&reader, &f->io, 190, false), 0);
    assert_int_equal(journal_reader_next(&reader, &block), JOURNAL_READ);
    assert_in_range(block->first_sequence, 100, 190);
    while (journal_reader_next(&reader, &block) == JOURNAL_READ)
        ;
    assert_int_equal(reader.next_sequence - 1, 220);
    journal_reader_close(&reader);
}

// ---- a disk that changes while it is read

// The fixture's disk, and what stands between it and the reader.
static struct bent {
    struct journal_io io;
    unsigned reads, change_read; // this read (from 1) finds other bytes; 0 = none
    void (*change)(struct journal_block_header *block);
    uint64_t opens, vanish_open; // this open finds nothing
} bent;

static int64_t bent_read(void *context, int file, void *out, size_t bytes, uint64_t offset)
{
    int64_t n = bent.io.read(context, file, out, bytes, offset);
    if (++bent.reads == bent.change_read && n > 100)
        bent.change(out);
    return n;
}

static void other_payload(struct journal_block_header *block)
{
    ((uint8_t *)block)[100] ^= 1;
}

static void no_header(struct journal_block_header *block)
{
    block->magic = 0;
}

static void other_length(struct journal_block_header *block)
{
    block->bytes += SLOT_BYTES;
    block->header_crc = crc32c(0, block, offsetof(struct journal_block_header, header_crc));
}

static int bent_open(void *context, const char *name, enum journal_io_mode mode)
{
    return ++bent.opens == bent.vanish_open ? -ENOENT : bent.io.open(context, name, mode);
}

static struct journal_io bend(const struct fixture *f)
{
    bent = (struct bent){.io = f->io};
    struct journal_io io = f->io;
    io.read = bent_read;
    io.open = bent_open;
    return io;
}

// Only a cut removes segments, with no core alive: whoever reads then has read to the end.
static void a_segment_that_vanishes_between_two_looks_is_the_end(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 5, 3);
    for (uint64_t at = 1; at <= 2; at++) {
        struct journal_io io = bend(f);
        struct journal_reader reader;
        const struct journal_block_header *block;
        assert_int_equal(journal_reader_open(&reader, &io, 1, false), 0);
        bent.vanish_open = at; // the look ahead, or the one that enters
        assert_int_equal(journal_reader_next(&reader, &block),
                         at == 1 ? JOURNAL_CORRUPT : JOURNAL_END);
        bent.vanish_open = 0;
        assert_int_equal(journal_reader_next(&reader, &block), JOURNAL_READ); // it is back
        journal_reader_close(&reader);
    }
}

// A live reader reads a large block twice: its beginning, then all of it. What it judged may be
// another one by then.
static void a_block_that_changes_between_two_reads_is_judged_again(void **state)
{
    struct fixture *f = *state;
    static void (*const changes[])(struct journal_block_header * block) = {other_payload, no_header,
                                                                           other_length};
    live(f, 1, 1, 500); // 32 kB, twice what a live reader reads ahead
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct journal_io io = bend(f);
        struct journal_reader reader;
        const struct journal_block_header *block;
        bent.change = changes[i];
        assert_int_equal(journal_reader_open(&reader, &io, 1, true), 0);
        bent.change_read = 3; // the header of the segment, the beginning of the block, all of it
        assert_int_equal(journal_reader_next(&reader, &block), JOURNAL_TORN);
        assert_int_equal(journal_reader_next(&reader, &block), JOURNAL_READ);
        assert_int_equal(block->count, 500);
        journal_reader_close(&reader);
    }
}

// An epoch begins in a segment of its own: a block that continues the chain in the middle of one is
// no writer's.
static void an_epoch_that_begins_in_the_middle_of_a_segment_is_foreign(void **state)
{
    struct fixture *f = *state;
    live(f, 7, 5, 3);
    for (int epoch = 6; epoch <= 8; epoch += 2) {
        int file = f->io.open(f->io.context, "00000000000000000001.journal", JOURNAL_IO_WRITE);
        uint8_t page[JOURNAL_PAGE_BYTES];
        uint64_t at = 5 * JOURNAL_PAGE_BYTES; // the last block
        assert_int_equal(f->io.read(f->io.context, file, page, sizeof page, at), sizeof page);
        struct journal_block_header *block = (struct journal_block_header *)(void *)page;
        block->epoch = (uint64_t)epoch;
        journal_block_seal(block);
        assert_int_equal(f->io.write(f->io.context, file, page, sizeof page, at), 0);
        expect(f, 12, JOURNAL_CORRUPT, "a block that does not continue the chain");
    }
}

// What a snapshot goes on from rots between two looks, and what is behind it begins later.
static void a_start_in_the_middle_does_not_skip_what_it_needs(void **state)
{
    struct fixture *f = *state;
    live(f, 1, 5, 3);
    live(f, 2, 5, 3);
    struct journal_reader reader;
    const struct journal_block_header *block;
    assert_int_equal(journal_reader_open(&reader, &f->io, 10, false), 0);
    for (uint64_t i = 0; i < 5; i++)
        rot(f, 1, i);
    journal_reader_forget(&reader);
    assert_int_equal(journal_reader_next(&reader, &block), JOURNAL_CORRUPT);
    assert_int_equal(reader.fault, JOURNAL_FAULT_MIDDLE);
    journal_reader_close(&reader);
}

// There is nothing, wherever one would begin.
static void a_journal_of_nothing_ends_at_once(void **state)
{
    struct fixture *f = *state;
    struct journal_reader reader;
    const struct journal_block_header *block;
    for (uint64_t sequence = 1; sequence <= 5; sequence += 4) {
        assert_int_equal(journal_reader_open(&reader, &f->io, sequence, false), 0);
        assert_int_equal(journal_reader_next(&reader, &block), JOURNAL_END);
        journal_reader_close(&reader);
    }
}

static void what_is_missing_is_not_synced_and_not_hidden(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(journal_sync_all(&f->io), 0); // nothing is there
    live(f, 1, 100, 2);
    live(f, 2, 1, 1);
    assert_int_equal(f->io.remove(f->io.context, "00000000000000000002.journal"), 0);
    assert_int_equal(journal_sync_all(&f->io), 0);
    expect(f, 134, JOURNAL_CORRUPT, "it is missing, or has no whole header");
    fake_disk_fail_at(f->disk, 1);
    assert_int_equal(journal_sync_all(&f->io), -EIO);
}

int main(void)
{
#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_has_its_decision),
        JOURNAL_TEST(a_journal_of_several_lives_reads_to_its_end),
        JOURNAL_TEST(a_rotten_last_block_is_torn),
        JOURNAL_TEST(a_rotten_block_in_the_middle_is_corruption),
        JOURNAL_TEST(a_rotten_block_at_the_end_of_an_epoch_is_corruption),
        JOURNAL_TEST(a_torn_block_before_a_new_epoch_is_passed_over),
        JOURNAL_TEST(a_missing_segment_is_corruption),
        JOURNAL_TEST(a_last_segment_with_a_rotten_header_is_corruption),
        JOURNAL_TEST(a_missing_last_segment_before_prepared_ones_is_corruption),
        JOURNAL_TEST(an_epoch_that_goes_back_is_corruption),
        JOURNAL_TEST(a_refused_read_is_never_the_end),
        JOURNAL_TEST(a_segment_that_cannot_be_read_is_not_ready),
        JOURNAL_TEST(a_whole_block_of_another_chain_is_foreign),
        JOURNAL_TEST(reading_may_begin_in_the_middle),
        JOURNAL_TEST(a_segment_that_vanishes_between_two_looks_is_the_end),
        JOURNAL_TEST(a_block_that_changes_between_two_reads_is_judged_again),
        JOURNAL_TEST(an_epoch_that_begins_in_the_middle_of_a_segment_is_foreign),
        JOURNAL_TEST(a_start_in_the_middle_does_not_skip_what_it_needs),
        JOURNAL_TEST(a_journal_of_nothing_ends_at_once),
        JOURNAL_TEST(what_is_missing_is_not_synced_and_not_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
