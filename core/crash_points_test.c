// Crash points: one life's writes are made by the real journal, and at every operation of it every
// outcome of the write that is not synced is a crash point: what the disk would hold then is put
// there, the real reader decides, the bytes are put back. Nothing shown may be lost, nothing may be
// read that was not written, and no crash may be called corruption.
//
// Outcomes of one write, over its sectors of 512 bytes: each sector old or new (a mask); one sector
// new only up to some byte; one bit of a new sector flipped; both. They are numbered, and a walk of
// full period goes through the numbers of each class, so that no outcome is counted twice; the
// operation of the write and that of its sync take different ones.
//
// What is durable does not change between the points of one operation, so the reader starts where
// it stood behind the last durable block; every FULL_EVERY-th point is read from the beginning as
// well, and must end the same.
#include "core/crash_story.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "core/numbered_file.h"

enum {
    SECTOR_BYTES = 512,
    SECTOR_BITS = SECTOR_BYTES * 8,
    SECTORS_MAX = 24,
    SEGMENT_BYTES = (1 + SECTORS_MAX * SECTOR_BYTES / JOURNAL_PAGE_BYTES) * JOURNAL_PAGE_BYTES,
    BATCH = 20,
    WRITES_MAX = 64,
    FULL_EVERY = 4096, // points
    DEFAULT_POINTS = 20000,
    POINTS_PER_CLASS = 750, // and operation
};

enum point_class { POINT_MASK, POINT_CUT, POINT_FLIP, POINT_CUT_AND_FLIP, POINT_CLASSES };

// A walk through 0 .. size - 1 that meets each number once.
struct walk {
    uint64_t size, at, step, left;
};

struct points {
    struct crash_story story;
    struct journal_io view;
    uint64_t wanted, count, operations; // count: crash points looked at
    uint64_t random;
    struct journal_reader reader, resume; // resume: behind the last durable block
    // The write that is being walked.
    struct fake_disk_write write;
    uint8_t old[SECTORS_MAX * SECTOR_BYTES];
    size_t sectors;
    uint32_t differ[SECTORS_MAX]; // sectors whose old and new bytes differ
    size_t differ_count;
    uint32_t shown_mask; // sectors that are new now
    struct walk walks[POINT_CLASSES];
    uint64_t *seen; // digests of outcomes, where they are compared; else NULL
    size_t seen_count;
};

// ---- judging a point

static void points_damage(struct points *points, const char *damage)
{
    if (points->story.damage == NULL)
        points->story.damage = damage;
}

// A block behind what is durable: one of the pending writes, byte for byte.
static void points_check_block(struct points *points, const struct journal_block_header *block)
{
    struct fake_disk_write writes[WRITES_MAX];
    size_t count = fake_disk_pending(points->story.disk, writes, WRITES_MAX);
    size_t bytes = JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes;
    for (size_t i = 0; i < count; i++)
        if (writes[i].bytes >= bytes && memcmp(writes[i].data, block, bytes) == 0)
            return;
    points_damage(points, "a block was read that was never written");
}

static enum journal_decision points_read(struct points *points, struct journal_reader *reader)
{
    const struct journal_block_header *block;
    enum journal_decision decision;
    while ((decision = journal_reader_next(reader, &block)) == JOURNAL_READ)
        points_check_block(points, block);
    return decision;
}

// Read from the beginning it ends at the same place, and so it does when begun in the middle.
static void points_read_again(struct points *points, uint64_t from, enum journal_decision expected)
{
    struct journal_reader reader;
    const struct journal_block_header *block;
    enum journal_decision decision;
    assert_int_equal(journal_reader_open(&reader, &points->view, from, false), 0);
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
        if (!crash_story_was_sent(block))
            points_damage(points, "a command was read that was never sent");
    if (decision != expected || reader.next_sequence != points->reader.next_sequence ||
        reader.chain != points->reader.chain || reader.epoch != points->reader.epoch)
        points_damage(points, "two ways of reading the journal end differently");
    journal_reader_close(&reader);
}

// A new life begins in a segment into which nothing was ever written.
static void points_check_next_segment(struct points *points)
{
    const struct journal_segment_terms terms = {.bytes = SEGMENT_BYTES, .engine_version = 1};
    static uint8_t data[SEGMENT_BYTES];
    uint64_t first, last, next, ready;
    assert_int_equal(journal_next_segment(&points->view, &next, &ready, &terms), 0);
    if (journal_segments(&points->view, &first, &last) <= 0)
        return;
    for (uint64_t number = next; number <= last; number++) {
        char name[NUMBERED_NAME_BYTES];
        numbered_name(name, number, JOURNAL_SUFFIX);
        int file = points->view.open(points->view.context, name, JOURNAL_IO_READ);
        int64_t bytes = points->view.read(points->view.context, file, data, sizeof data, 0);
        for (int64_t i = JOURNAL_PAGE_BYTES; i < bytes; i++)
            if (data[i] != 0)
                points_damage(points, "the next life would write where something stands");
    }
}

static void points_remember(struct points *points)
{
    uint64_t digest = 0;
    for (size_t i = 0; i < points->write.bytes; i += 128)
        digest = digest_record(digest, points->write.durable + i);
    points->seen[points->seen_count++] = digest;
}

static void points_judge(struct points *points)
{
    points->count++;
    points->reader = points->resume;
    points->reader.window_bytes = 0;
    enum journal_decision decision = points_read(points, &points->reader);
    if (points->reader.next_sequence - 1 < crash_story_shown(&points->story))
        points_damage(points, "something that was shown is lost");
    if (decision == JOURNAL_CORRUPT) {
        points_damage(points, "an honest crash is called corrupt");
        memcpy(points->story.reason, points->reader.reason, sizeof points->story.reason);
    }
    if (points->seen != NULL)
        points_remember(points);
    if (points->count % FULL_EVERY != 0)
        return;
    points_read_again(points, 1, decision);
    points_read_again(points, points->reader.next_sequence, decision);
    points_check_next_segment(points);
}

// ---- outcomes of one write

static uint64_t points_random(struct points *points)
{
    points->random ^= points->random << 13;
    points->random ^= points->random >> 7;
    points->random ^= points->random << 17;
    return points->random;
}

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

static void walk_begin(struct points *points, struct walk *walk, uint64_t size)
{
    *walk = (struct walk){.size = size, .left = size};
    if (size == 0)
        return;
    walk->at = points_random(points) % size;
    do
        walk->step = points_random(points) % size;
    while (size > 1 && greatest_divisor(walk->step, size) != 1);
}

static uint64_t walk_next(struct walk *walk)
{
    walk->left--;
    walk->at = (walk->at + walk->step) % walk->size; // sizes are below 2^63
    return walk->at;
}

static void points_begin_write(struct points *points, const struct fake_disk_write *write)
{
    points->write = *write;
    points->sectors = write->bytes / SECTOR_BYTES;
    assert_in_range(points->sectors, 1, SECTORS_MAX);
    memcpy(points->old, write->durable, write->bytes);
    points->differ_count = 0;
    for (uint32_t i = 0; i < points->sectors; i++)
        if (memcmp(points->old + i * SECTOR_BYTES, write->data + i * SECTOR_BYTES, SECTOR_BYTES) !=
            0)
            points->differ[points->differ_count++] = i;
    uint64_t masks = 1ULL << points->differ_count;
    uint64_t cuts = points->differ_count * SECTOR_BYTES, flips = points->sectors * SECTOR_BITS;
    walk_begin(points, &points->walks[POINT_MASK], masks);
    walk_begin(points, &points->walks[POINT_CUT], masks * cuts);
    walk_begin(points, &points->walks[POINT_FLIP], masks * flips);
    walk_begin(points, &points->walks[POINT_CUT_AND_FLIP], masks * cuts * flips);
}

static void points_put(struct points *points, uint32_t sector, const uint8_t *from, size_t bytes)
{
    size_t offset = (size_t)sector * SECTOR_BYTES;
    memcpy(points->write.durable + offset, from + offset, bytes);
}

static void points_put_mask(struct points *points, uint32_t mask)
{
    uint32_t changed = mask ^ points->shown_mask;
    for (size_t i = 0; i < points->differ_count; i++)
        if ((changed >> i & 1) != 0)
            points_put(points, points->differ[i],
                       (mask >> i & 1) != 0 ? points->write.data : points->old, SECTOR_BYTES);
    points->shown_mask = mask;
}

// One sector new only up to some byte. False if that is the whole sector, or the same as one byte
// less.
static bool points_cut(struct points *points, uint64_t cut, size_t *end)
{
    size_t which = (size_t)(cut / SECTOR_BYTES), bytes = (size_t)(cut % SECTOR_BYTES);
    size_t offset = (size_t)points->differ[which] * SECTOR_BYTES;
    const uint8_t *data = points->write.data + offset, *old = points->old + offset;
    if (bytes == 0 || data[bytes - 1] == old[bytes - 1] ||
        memcmp(data + bytes, old + bytes, SECTOR_BYTES - bytes) == 0)
        return false;
    points_put(points, points->differ[which], points->old, SECTOR_BYTES);
    points_put(points, points->differ[which], points->write.data, bytes);
    *end = offset + bytes;
    return true;
}

static size_t points_differ_index(const struct points *points, uint32_t sector)
{
    for (size_t i = 0; i < points->differ_count; i++)
        if (points->differ[i] == sector)
            return i;
    return SECTORS_MAX; // its old and new bytes are equal
}

// A bit of a new sector, which does not become the old byte again by it, nor stands behind a cut.
static bool points_flip(struct points *points, uint64_t flip, size_t cut_end)
{
    size_t at = (size_t)(flip / 8);
    uint8_t flipped = points->write.durable[at] ^ (uint8_t)(1u << flip % 8);
    if (flipped == points->old[at] && points->write.data[at] != points->old[at])
        return false;
    if (at / SECTOR_BYTES == (cut_end - 1) / SECTOR_BYTES && at >= cut_end)
        return false;
    points->write.durable[at] = flipped;
    return true;
}

// Only a sector that is new under this mask can be cut, or have a bit flipped.
static bool points_is_new(const struct points *points, uint32_t mask, uint32_t sector)
{
    size_t which = points_differ_index(points, sector);
    return which == SECTORS_MAX || (mask >> which & 1) != 0;
}

static void points_mend(struct points *points, uint32_t sector)
{
    bool fresh = points_is_new(points, points->shown_mask, sector);
    points_put(points, sector, fresh ? points->write.data : points->old, SECTOR_BYTES);
}

// Puts outcome `number` of a class there, judges it, and takes its faults away again.
static void points_outcome(struct points *points, enum point_class class, uint64_t number)
{
    uint64_t cuts = points->differ_count * SECTOR_BYTES;
    uint32_t mask = (uint32_t)(number % (1ULL << points->differ_count));
    uint64_t rest = number >> points->differ_count;
    bool with_cut = class == POINT_CUT || class == POINT_CUT_AND_FLIP;
    bool with_flip = class == POINT_FLIP || class == POINT_CUT_AND_FLIP;
    uint64_t cut = with_cut ? rest % cuts : 0;
    uint64_t flip = with_cut ? rest / cuts : rest;
    size_t cut_end = 0;
    if ((with_cut && (mask >> cut / SECTOR_BYTES & 1) == 0) ||
        (with_flip && !points_is_new(points, mask, (uint32_t)(flip / SECTOR_BITS))))
        return;
    points_put_mask(points, mask);
    if ((!with_cut || points_cut(points, cut, &cut_end)) &&
        (!with_flip || points_flip(points, flip, with_cut ? cut_end : SIZE_MAX)))
        points_judge(points);
    if (with_cut)
        points_mend(points, points->differ[cut / SECTOR_BYTES]);
    if (with_flip)
        points_mend(points, (uint32_t)(flip / SECTOR_BITS));
}

static void points_walk(struct points *points)
{
    points->shown_mask = 0;
    for (int class = 0; class < POINT_CLASSES; class ++) {
        struct walk *walk = &points->walks[class];
        uint64_t until = points->count + POINTS_PER_CLASS;
        while (walk->left > 0 && points->count < until && points->story.damage == NULL)
            points_outcome(points, (enum point_class) class, walk_next(walk));
    }
    points_put_mask(points, 0);
}

// ---- one operation

static bool is_same_write(const struct fake_disk_write *a, const struct fake_disk_write *b)
{
    return a->data == b->data && a->file == b->file && a->offset == b->offset;
}

// With the folder as it is now: goes on to the last durable block, then through the outcomes.
static void points_folder(struct points *points, bool fresh)
{
    struct fake_disk_write writes[WRITES_MAX];
    size_t count = fake_disk_pending(points->story.disk, writes, WRITES_MAX);
    // More than one is pending, or a whole segment, only where a planted bug leaves syncs out: the
    // others are lost then.
    const struct fake_disk_write *write = &writes[count > 0 ? count - 1 : 0];
    if (count == 0 || write->bytes > sizeof points->old) {
        points_judge(points);
        return;
    }
    if (fresh || !is_same_write(write, &points->write))
        points_begin_write(points, write);
    points_walk(points);
}

// Follows the durable blocks. What is not durable may not be passed: the place is kept before it.
static void points_follow(struct points *points)
{
    const struct journal_block_header *block;
    fake_disk_crash_folder(points->story.disk, 0);
    points->reader = points->resume;
    points->reader.window_bytes = 0;
    while (journal_reader_next(&points->reader, &block) == JOURNAL_READ)
        points->resume = points->reader;
}

static void points_operation(void *context, enum fake_disk_moment moment)
{
    struct points *points = context;
    if (points->story.damage != NULL || points->count >= points->wanted)
        return;
    points->operations++;
    if (crash_planted == PLANT_ANSWER_BEFORE_SYNC && moment == FAKE_DISK_SYNC)
        points->story.shown = UINT64_MAX - 1; // as a gate would show it that is opened too early
    points_follow(points);
    int pending = fake_disk_folder_pending(points->story.disk);
    for (int happened = 0; happened <= pending; happened++) {
        fake_disk_crash_folder(points->story.disk, happened);
        points_folder(points, moment == FAKE_DISK_WRITE);
    }
}

// ---- a story

static void points_life(struct points *points)
{
    struct crash_story *story = &points->story;
    crash_story_recover(story);
    if (story->damage != NULL)
        return;
    memset(&points->resume, 0, sizeof points->resume);
    struct journal_reader *resume = &points->resume;
    fake_disk_crash_folder(story->disk, 0);
    assert_int_equal(journal_reader_open(resume, &points->view, 1, false), 0);
    fake_disk_set_watch(story->disk, points_operation, points);
    fake_disk_fail_at(story->disk, 1 + fake_disk_random(story->disk, 4 * CRASH_STORY_BATCHES));
    crash_story_live(story);
    fake_disk_set_watch(story->disk, NULL, NULL);
    journal_reader_close(resume);
    if (crash_planted != PLANT_ANSWER_BEFORE_SYNC)
        crash_story_crash(story);
}

static void points_story(struct points *points, uint64_t seed)
{
    crash_story_open(&points->story, seed, SEGMENT_BYTES, BATCH);
    fake_disk_crash_view(points->story.disk, &points->view);
    points->random = seed * 0x9e3779b97f4a7c15ULL | 1;
    for (int life = 0; life < CRASH_STORY_LIVES && points->story.damage == NULL; life++)
        points_life(points);
}

static uint64_t option_points = DEFAULT_POINTS, option_seed = 1;

static const char *points_run(struct points *points, uint64_t wanted, uint64_t *stories,
                              char reason[JOURNAL_REASON_BYTES])
{
    const char *damage = NULL;
    points->wanted = wanted;
    for (*stories = 0; damage == NULL && points->count < wanted; ++*stories) {
        points_story(points, option_seed * 1000000 + *stories);
        damage = points->story.damage;
        memcpy(reason, points->story.reason, sizeof points->story.reason);
        crash_story_close(&points->story);
    }
    return damage;
}

// ---- tests

static int quiet(void **state)
{
    (void)state;
    mallopt(M_MMAP_THRESHOLD,
            64 << 20); // a reader's window need not come from the kernel each time
    crash_story_quiet();
    return 0;
}

static void nothing_shown_is_lost_at_any_crash_point(void **state)
{
    (void)state;
    static struct points points;
    uint64_t stories;
    char reason[JOURNAL_REASON_BYTES];
    memset(&points, 0, sizeof points);
    const char *damage = points_run(&points, option_points, &stories, reason);
    print_message("%llu crash points at %llu operations of %llu stories\n",
                  (unsigned long long)points.count, (unsigned long long)points.operations,
                  (unsigned long long)stories);
    if (damage != NULL)
        fail_msg("seed %llu: %s %s", (unsigned long long)(option_seed * 1000000 + stories - 1),
                 damage, reason);
}

static int compare_digests(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

// The count is honest: the outcomes of one write are all different.
static void no_outcome_is_counted_twice(void **state)
{
    (void)state;
    enum { BYTES = 2 * JOURNAL_PAGE_BYTES, SEEN_MAX = 1 << 20 };
    static struct points points;
    static uint8_t data[BYTES], durable[BYTES];
    memset(&points, 0, sizeof points);
    points.random = 99;
    points.seen = malloc(SEEN_MAX * sizeof *points.seen);
    assert_non_null(points.seen);
    crash_story_open(&points.story, 1, SEGMENT_BYTES, BATCH);
    fake_disk_crash_view(points.story.disk, &points.view);
    fake_disk_crash_folder(points.story.disk, 0);
    assert_int_equal(journal_reader_open(&points.resume, &points.view, 1, false), 0);
    for (size_t i = 0; i < BYTES - 1500; i++)
        data[i] = (uint8_t)(i % 7 == 0 ? 0 : i * 31);
    struct fake_disk_write write = {.bytes = BYTES, .data = data, .durable = durable};
    points_begin_write(&points, &write);
    for (int i = 0; i < 200; i++)
        points_walk(&points);
    qsort(points.seen, points.seen_count, sizeof *points.seen, compare_digests);
    assert_true(points.seen_count > 100 * POINTS_PER_CLASS);
    for (size_t i = 1; i < points.seen_count; i++)
        assert_int_not_equal(points.seen[i - 1], points.seen[i]);
    for (size_t i = 0; i < BYTES; i++)
        assert_int_equal(durable[i], 0); // and all is put back
    journal_reader_close(&points.resume);
    crash_story_close(&points.story);
    free(points.seen);
}

static void every_planted_bug_is_found(void **state)
{
    (void)state;
    for (int plant = 1; plant < PLANT_COUNT; plant++) {
        static struct points points;
        uint64_t stories;
        char reason[JOURNAL_REASON_BYTES];
        memset(&points, 0, sizeof points);
        crash_planted = (enum crash_plant)plant;
        const char *damage = points_run(&points, 3000000, &stories, reason);
        crash_planted = PLANT_NOTHING;
        if (damage == NULL)
            fail_msg("planted bug %d is not found", plant);
        print_message("planted bug %d found after %llu points: %s\n", plant,
                      (unsigned long long)points.count, damage);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--points") == 0)
            option_points = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0)
            option_seed = strtoull(argv[i + 1], NULL, 10);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_outcome_is_counted_twice),
        cmocka_unit_test(every_planted_bug_is_found),
        cmocka_unit_test(nothing_shown_is_lost_at_any_crash_point),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
