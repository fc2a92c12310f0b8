// Replication under faults: a primary that dies and begins again, a connection that is cut
// anywhere, a standby whose disk fails at any operation and loses what was not synced. Throughout:
// what the standby has acknowledged, it still has after any crash; at the end, with the faults
// gone, both journals hold the same blocks at the same places.
//
// A second kind of trial flips bits on the way to the standby, which TLS would not let through:
// none of them may reach its journal.
//
// The test is tested: with the sync taken out, or the payload's checksum not looked at, it must
// find the damage.
#include "core/replica_testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "core/journal_reader.h"

enum { TRIALS = 150, STEPS = 300, SETTLE_STEPS = 20000 };

enum plant { PLANT_NOTHING, PLANT_NO_SYNC, PLANT_NO_PAYLOAD_CRC };
static enum plant planted;

// The linker puts this between the store and journal_block.c (-Wl,--wrap).
bool __real_journal_block_payload_valid(const struct journal_block_header *block);
bool __wrap_journal_block_payload_valid(const struct journal_block_header *block);

bool __wrap_journal_block_payload_valid(const struct journal_block_header *block)
{
    return planted == PLANT_NO_PAYLOAD_CRC || __real_journal_block_payload_valid(block);
}

struct trial {
    struct replica_host primary, standby;
    struct standby_store store;
    struct replica_link link;
    uint64_t acknowledged; // highest that the primary has heard
    uint64_t now_ns;
    bool noisy; // bits flip
    const char *damage;
};

static uint64_t below(struct trial *trial, uint64_t n)
{
    return fake_disk_random(trial->primary.disk, n);
}

static void open_store(struct trial *trial)
{
    char reason[160];
    while (standby_store_open(&trial->store, reason, &trial->standby.io) != 0) {
        if (reason[0] != '\0') {
            trial->damage = "the standby's journal is corrupt";
            return;
        }
        standby_store_close(&trial->store); // its disk failed again: once more
        fake_disk_process_killed(trial->standby.disk);
        fake_disk_fail_at(trial->standby.disk, 0);
    }
    if (trial->store.next_sequence <= trial->acknowledged)
        trial->damage = "something that was acknowledged is lost";
}

static void cut(struct trial *trial)
{
    if (trial->link.up)
        replica_link_down(&trial->link);
}

static void standby_dies(struct trial *trial)
{
    cut(trial);
    standby_store_close(&trial->store);
    if (below(trial, 3) == 0)
        fake_disk_process_killed(trial->standby.disk);
    else
        fake_disk_power_failure(trial->standby.disk);
    fake_disk_fail_at(trial->standby.disk, below(trial, 4) == 0 ? 0 : 1 + below(trial, 60));
    open_store(trial);
}

static void primary_dies(struct trial *trial)
{
    cut(trial);
    replica_host_end(&trial->primary);
    if (below(trial, 2) == 0)
        fake_disk_process_killed(trial->primary.disk);
    else
        fake_disk_power_failure(trial->primary.disk);
    assert_true(replica_host_begin(&trial->primary, 0));
}

static void step(struct trial *trial)
{
    trial->now_ns += 1000000;
    if (!trial->link.up)
        replica_link_up(&trial->link, &trial->store, 0, trial->now_ns);
    size_t bytes = below(trial, 4) == 0 ? 1 + below(trial, 100) : 1 + below(trial, 60000);
    struct replica_buffer *in = &trial->link.receiver.in;
    if (trial->noisy && in->end > in->begin && below(trial, 8) == 0)
        in->memory[in->begin + below(trial, in->end - in->begin)] ^=
            (uint8_t)(1 << below(trial, 8));
    int result = replica_link_step(&trial->link, &trial->primary, bytes, trial->now_ns);
    uint64_t acknowledged = trial->link.sender.acked_seq;
    if (trial->link.sender.state == REPLICA_SENDER_FOLLOWED && acknowledged > trial->acknowledged)
        trial->acknowledged = acknowledged;
    bool refused = result == -EACCES || result == -EPROTO || result == -ESTALE;
    if (refused && !trial->noisy)
        trial->damage = "an honest peer is refused";
    else if (refused || result == -ETIMEDOUT)
        cut(trial);
    else if (result < 0)
        standby_dies(trial);
}

static void live(struct trial *trial)
{
    for (int i = 0; i < STEPS && trial->damage == NULL; i++) {
        if (below(trial, 3) == 0)
            assert_true(replica_host_write(&trial->primary, 1 + (int)below(trial, 200)));
        if (below(trial, 60) == 0)
            cut(trial);
        if (below(trial, 100) == 0)
            primary_dies(trial);
        if (below(trial, 80) == 0)
            standby_dies(trial);
        if (trial->damage == NULL)
            step(trial);
    }
}

// The blocks of both, one by one, and where they stand. (The zeroes behind a block are covered by
// no checksum, and a torn write may have left something in them.)
static void compare(struct trial *trial)
{
    struct journal_reader ours, theirs;
    const struct journal_block_header *a, *b;
    assert_int_equal(journal_reader_open(&ours, &trial->primary.io, 1, false), 0);
    assert_int_equal(journal_reader_open(&theirs, &trial->standby.io, 1, false), 0);
    while (journal_reader_next(&ours, &a) == JOURNAL_READ) {
        if (journal_reader_next(&theirs, &b) != JOURNAL_READ)
            trial->damage = "a block is missing";
        else if (memcmp(a, b, JOURNAL_BLOCK_HEADER_BYTES + (size_t)a->bytes) != 0)
            trial->damage = "a block differs";
        else if (ours.segment != theirs.segment || ours.offset != theirs.offset)
            trial->damage = "a block stands elsewhere";
        if (trial->damage != NULL)
            break;
    }
    if (trial->damage == NULL && journal_reader_next(&theirs, &b) != JOURNAL_END)
        trial->damage = "the standby has more than the primary";
    journal_reader_close(&ours);
    journal_reader_close(&theirs);
}

static void settle(struct trial *trial)
{
    uint64_t target = atomic_load(&trial->primary.control->journal_seq);
    fake_disk_fail_at(trial->standby.disk, 0);
    trial->noisy = false;
    cut(trial); // what is on the way may be spoilt
    for (int i = 0; i < SETTLE_STEPS && trial->damage == NULL; i++) {
        if (trial->link.up && trial->link.sender.state == REPLICA_SENDER_FOLLOWED &&
            trial->link.sender.acked_seq == target)
            return;
        step(trial);
    }
    if (trial->damage == NULL)
        trial->damage = "the standby does not catch up";
}

static const char *run_trial(uint64_t seed, bool noisy)
{
    struct trial trial = {.now_ns = 1, .noisy = noisy};
    replica_host_init(&trial.primary, seed);
    replica_host_init(&trial.standby, seed + 1000000);
    if (planted == PLANT_NO_SYNC)
        fake_disk_lie_about_sync(trial.standby.disk);
    assert_true(replica_host_begin(&trial.primary, 0));
    open_store(&trial);
    if (trial.damage == NULL)
        live(&trial);
    if (trial.damage == NULL)
        settle(&trial);
    if (trial.damage == NULL)
        compare(&trial);
    cut(&trial);
    standby_store_close(&trial.store);
    replica_host_fini(&trial.primary);
    replica_host_fini(&trial.standby);
    return trial.damage;
}

// ---- tests

static int quiet(void **state)
{
    (void)state;
    if (getenv("LONJA_TEST_VERBOSE") == NULL) // every fault is logged
        assert_non_null(freopen("/dev/null", "w", stderr));
    return 0;
}

static void expect_sound(bool noisy)
{
    planted = PLANT_NOTHING;
    for (uint64_t seed = 1; seed <= TRIALS; seed++) {
        const char *damage = run_trial(seed, noisy);
        if (damage != NULL)
            fail_msg("seed %llu: %s", (unsigned long long)seed, damage);
    }
}

static void what_was_acknowledged_survives_any_crash(void **state)
{
    (void)state;
    expect_sound(false);
}

static void a_flipped_bit_never_reaches_the_standbys_journal(void **state)
{
    (void)state;
    expect_sound(true);
}

static void expect_found(enum plant plant, bool noisy)
{
    uint64_t found = 0;
    planted = plant;
    for (uint64_t seed = 1; seed <= TRIALS && found == 0; seed++)
        found += run_trial(seed, noisy) != NULL;
    planted = PLANT_NOTHING;
    assert_true(found > 0);
}

static void the_test_finds_a_missing_sync(void **state)
{
    (void)state;
    expect_found(PLANT_NO_SYNC, false);
}

static void the_test_finds_a_missing_payload_checksum(void **state)
{
    (void)state;
    expect_found(PLANT_NO_PAYLOAD_CRC, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_survives_any_crash),
        cmocka_unit_test(a_flipped_bit_never_reaches_the_standbys_journal),
        cmocka_unit_test(the_test_finds_a_missing_sync),
        cmocka_unit_test(the_test_finds_a_missing_payload_checksum),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
