// Crash test: several lives of a journal on a disk that fails at any operation and loses what was
// not synced, many times over (crash_story.h). crash_points_test.c looks at every crash point of
// one life; here each crash is lived through, and the next life writes behind what it left.
//
// The test is tested: with a sync taken out, with the header's or the payload's checksum not
// looked at, it must find the damage.
#include "core/crash_story.h"

#include <stdio.h>
#include <string.h>

enum { TRIALS = 2000, SEGMENT_BYTES = 64 * 1024, BATCH = 12 }; // TRIALS * LIVES crash points

// Runs one trial; returns what was damaged, or NULL.
static const char *run_trial(uint64_t seed, char reason[JOURNAL_REASON_BYTES])
{
    struct crash_story story;
    crash_story_open(&story, seed, SEGMENT_BYTES, BATCH);
    for (int life = 0; life < CRASH_STORY_LIVES && story.damage == NULL; life++) {
        crash_story_recover(&story);
        fake_disk_fail_at(story.disk, 1 + fake_disk_random(story.disk, 2 * CRASH_STORY_BATCHES));
        if (story.damage == NULL)
            crash_story_live(&story);
        crash_story_crash(&story);
    }
    if (story.damage == NULL)
        crash_story_recover(&story);
    memcpy(reason, story.reason, sizeof story.reason);
    crash_story_close(&story);
    return story.damage;
}

// ---- tests

static int quiet(void **state)
{
    (void)state;
    crash_story_quiet();
    return 0;
}

static void nothing_shown_is_lost_at_any_crash_point(void **state)
{
    (void)state;
    crash_planted = PLANT_NOTHING;
    char reason[JOURNAL_REASON_BYTES];
    for (uint64_t seed = 1; seed <= TRIALS; seed++) {
        const char *damage = run_trial(seed, reason);
        if (damage != NULL)
            fail_msg("seed %llu: %s %s", (unsigned long long)seed, damage, reason);
    }
}

static void expect_found(enum crash_plant plant)
{
    crash_planted = plant;
    char reason[JOURNAL_REASON_BYTES];
    uint64_t found = 0;
    for (uint64_t seed = 1; seed <= TRIALS && found == 0; seed++)
        found += run_trial(seed, reason) != NULL;
    crash_planted = PLANT_NOTHING;
    assert_true(found > 0);
}

static void the_test_finds_a_missing_sync(void **state)
{
    (void)state;
    expect_found(PLANT_NO_SYNC);
}

static void the_test_finds_a_missing_sync_of_the_folder(void **state)
{
    (void)state;
    expect_found(PLANT_NO_FOLDER_SYNC);
}

static void the_test_finds_a_missing_header_checksum(void **state)
{
    (void)state;
    expect_found(PLANT_NO_HEADER_CRC);
}

static void the_test_finds_a_missing_payload_checksum(void **state)
{
    (void)state;
    expect_found(PLANT_NO_PAYLOAD_CRC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_shown_is_lost_at_any_crash_point),
        cmocka_unit_test(the_test_finds_a_missing_sync),
        cmocka_unit_test(the_test_finds_a_missing_sync_of_the_folder),
        cmocka_unit_test(the_test_finds_a_missing_header_checksum),
        cmocka_unit_test(the_test_finds_a_missing_payload_checksum),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
