// Crash test: several lives of a journal on a disk that fails at any operation and loses what was
// not synced (fake_disk.h). After every crash: nothing that the gate had shown is lost, nothing is
// there that was not sent, in the same order, and the journal is never called corrupt.
//
// The test is tested: with the sync taken out, with the header's or the payload's checksum not
// looked at, it must find the damage.
#include "core/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "core/fake_disk.h"
#include "core/journal.h"
#include "core/journal_reader.h"

enum {
    LIVES = 3,
    TRIALS = 2000, // times LIVES crash points
    SEGMENT_BYTES = 272 * 1024,
    COMMANDS_PER_LIFE = 60,
};

enum plant { PLANT_NOTHING, PLANT_NO_SYNC, PLANT_NO_HEADER_CRC, PLANT_NO_PAYLOAD_CRC };
static enum plant planted;

// The linker puts these between the reader and journal_block.c (-Wl,--wrap).
bool __real_journal_block_header_valid(const struct journal_block_header *block, uint64_t segment);
bool __real_journal_block_payload_valid(const struct journal_block_header *block);
bool __wrap_journal_block_header_valid(const struct journal_block_header *block, uint64_t segment);
bool __wrap_journal_block_payload_valid(const struct journal_block_header *block);

bool __wrap_journal_block_header_valid(const struct journal_block_header *block, uint64_t segment)
{
    if (planted != PLANT_NO_HEADER_CRC)
        return __real_journal_block_header_valid(block, segment);
    struct journal_block_header copy = *block;
    copy.header_crc = crc32c(0, &copy, offsetof(struct journal_block_header, header_crc));
    return __real_journal_block_header_valid(&copy, segment);
}

bool __wrap_journal_block_payload_valid(const struct journal_block_header *block)
{
    if (planted != PLANT_NO_PAYLOAD_CRC)
        return __real_journal_block_payload_valid(block);
    struct journal_block_header *copy = malloc(JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes);
    memcpy(copy, block, JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes);
    copy->payload_crc = crc32c(0, copy + 1, block->bytes);
    bool valid = __real_journal_block_payload_valid(copy);
    free(copy);
    return valid;
}

// ---- one trial
// ---------------------------------------------------------------------------------------

struct trial {
    struct journal_io io;
    struct fake_disk *disk;
    struct event_ring_control *control;
    struct gate gate;
    uint64_t shown; // highest sequence that anybody may have seen
    uint64_t epoch;
    uint64_t last; // recovered
    uint32_t chain;
    const char *damage; // what the checks found; NULL = nothing
    char reason[200];
};

static void make_command(struct command *command, uint64_t sequence)
{
    memset(command, 0, sizeof *command);
    command->header.slots = (uint8_t)(1 + sequence * 2654435761u % 3);
    command->header.type = CMD_order_new;
    command->header.version = SCHEMA_VERSION;
    command->header.sequence = sequence;
    command->header.time_ns = sequence * 1000;
    for (size_t i = 0; i < command->header.slots * (size_t)SLOT_BYTES - COMMAND_HEADER_BYTES; i++)
        command->body.bytes[i] = (uint8_t)(sequence * 31 + i * 7);
}

static void check_block(struct trial *trial, const struct journal_block_header *block)
{
    if (!fake_disk_was_written(trial->disk, block,
                               JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes))
        trial->damage = "a block was read that was never written";
    const struct command *command = NULL;
    while ((command = journal_block_next(block, command)) != NULL) {
        struct command sent;
        make_command(&sent, command->header.sequence);
        if (memcmp(command, &sent, (size_t)sent.header.slots * SLOT_BYTES) != 0)
            trial->damage = "a command was read that was never sent";
    }
}

static void recover(struct trial *trial)
{
    struct journal_reader reader;
    assert_int_equal(journal_reader_open(&reader, &trial->io, 1, false), 0);
    const struct journal_block_header *block;
    enum journal_decision decision;
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
        check_block(trial, block);
    trial->last = reader.next_sequence - 1;
    trial->chain = reader.chain;
    if (reader.epoch > trial->epoch)
        trial->epoch = reader.epoch;
    if (trial->last < trial->shown && trial->damage == NULL)
        trial->damage = "something that was shown is lost";
    if (decision == JOURNAL_CORRUPT && trial->damage == NULL) {
        trial->damage = "an honest crash is called corrupt";
        memcpy(trial->reason, reader.reason, sizeof reader.reason);
    }
    journal_reader_close(&reader);
}

static void write_commands(struct trial *trial, struct journal *journal)
{
    uint64_t next = trial->last + 1;
    for (int i = 0; i < COMMANDS_PER_LIFE; i++) {
        uint64_t batch =
            1 + fake_disk_random(trial->disk, fake_disk_random(trial->disk, 8) == 0 ? 600 : 12);
        for (uint64_t k = 0; k < batch && journal_room(journal) >= COMMAND_SLOTS_MAX; k++) {
            struct command command;
            make_command(&command, next++);
            journal_append(journal, &command);
        }
        journal_flush(journal);
        int result = journal_write_work(journal);
        trial->shown = atomic_load(&trial->control->durable_seq);
        if (result < 0)
            return;
    }
}

static void live(struct trial *trial)
{
    if (journal_sync_all(&trial->io) != 0)
        return;
    trial->shown = trial->last; // a recovered venue shows what it has recovered
    memset(trial->control, 0, sizeof *trial->control);
    atomic_store(&trial->control->durable_seq, trial->last);
    struct journal_options options = {.segments = {.bytes = SEGMENT_BYTES, .engine_version = 1},
                                      .epoch = ++trial->epoch,
                                      .next_sequence = trial->last + 1,
                                      .chain = trial->chain,
                                      .queue_slots = 4096};
    struct journal journal;
    if (journal_open(&journal, &trial->io, &trial->gate, &clock_system, &options) == 0)
        write_commands(trial, &journal);
    journal_close(&journal);
}

static void crash(struct trial *trial)
{
    if (fake_disk_random(trial->disk, 3) == 0)
        fake_disk_process_killed(trial->disk);
    else
        fake_disk_power_failure(trial->disk);
}

// Runs one trial; returns what was damaged, or NULL.
static const char *run_trial(uint64_t seed, char reason[200])
{
    struct trial trial = {0};
    trial.disk = fake_disk_create(&trial.io, seed);
    trial.control = aligned_alloc(4096, sizeof *trial.control);
    trial.gate.control = trial.control;
    if (planted == PLANT_NO_SYNC)
        fake_disk_lie_about_sync(trial.disk);
    for (int life = 0; life < LIVES && trial.damage == NULL; life++) {
        recover(&trial);
        fake_disk_fail_at(trial.disk, 1 + fake_disk_random(trial.disk, 2 * COMMANDS_PER_LIFE));
        if (trial.damage == NULL)
            live(&trial);
        crash(&trial);
    }
    if (trial.damage == NULL)
        recover(&trial);
    memcpy(reason, trial.reason, sizeof trial.reason);
    fake_disk_destroy(trial.disk);
    free(trial.control);
    return trial.damage;
}

// ---- tests
// -------------------------------------------------------------------------------------------

static int quiet(void **state)
{
    (void)state;
    assert_non_null(freopen("/dev/null", "w", stderr)); // every crash logs that the journal failed
    return 0;
}

static void nothing_shown_is_lost_at_any_crash_point(void **state)
{
    (void)state;
    planted = PLANT_NOTHING;
    char reason[200];
    for (uint64_t seed = 1; seed <= TRIALS; seed++) {
        const char *damage = run_trial(seed, reason);
        if (damage != NULL)
            fail_msg("seed %llu: %s %s", (unsigned long long)seed, damage, reason);
    }
}

static void expect_found(enum plant plant)
{
    planted = plant;
    char reason[200];
    uint64_t found = 0;
    for (uint64_t seed = 1; seed <= TRIALS && found == 0; seed++)
        found += run_trial(seed, reason) != NULL;
    planted = PLANT_NOTHING;
    assert_true(found > 0);
}

static void the_test_finds_a_missing_sync(void **state)
{
    (void)state;
    expect_found(PLANT_NO_SYNC);
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
        cmocka_unit_test(the_test_finds_a_missing_header_checksum),
        cmocka_unit_test(the_test_finds_a_missing_payload_checksum),
    };
    return cmocka_run_group_tests(tests, quiet, NULL);
}
