#include "core/crash_story.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"

enum crash_plant crash_planted;

// The linker puts these between the reader and journal_block.c (-Wl,--wrap).
bool __real_journal_block_header_valid(const struct journal_block_header *block, uint64_t segment);
bool __real_journal_block_payload_valid(const struct journal_block_header *block);
bool __wrap_journal_block_header_valid(const struct journal_block_header *block, uint64_t segment);
bool __wrap_journal_block_payload_valid(const struct journal_block_header *block);

bool __wrap_journal_block_header_valid(const struct journal_block_header *block, uint64_t segment)
{
    if (crash_planted != PLANT_NO_HEADER_CRC)
        return __real_journal_block_header_valid(block, segment);
    struct journal_block_header copy = *block;
    copy.header_crc = crc32c(0, &copy, offsetof(struct journal_block_header, header_crc));
    return __real_journal_block_header_valid(&copy, segment);
}

bool __wrap_journal_block_payload_valid(const struct journal_block_header *block)
{
    if (crash_planted != PLANT_NO_PAYLOAD_CRC)
        return __real_journal_block_payload_valid(block);
    struct journal_block_header *copy = malloc(JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes);
    memcpy(copy, block, JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes);
    copy->payload_crc = crc32c(0, copy + 1, block->bytes);
    bool valid = __real_journal_block_payload_valid(copy);
    free(copy);
    return valid;
}

// ---- commands

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

bool crash_story_was_sent(const struct journal_block_header *block)
{
    const struct command *command = NULL;
    while ((command = journal_block_next(block, command)) != NULL) {
        struct command sent;
        make_command(&sent, command->header.sequence);
        if (memcmp(command, &sent, (size_t)sent.header.slots * SLOT_BYTES) != 0)
            return false;
    }
    return true;
}

// ---- judging

static void story_check_block(struct crash_story *story, const struct journal_block_header *block)
{
    if (!fake_disk_was_written(story->disk, block,
                               JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes))
        story->damage = "a block was read that was never written";
    if (!crash_story_was_sent(block))
        story->damage = "a command was read that was never sent";
}

void crash_story_recover(struct crash_story *story)
{
    struct journal_reader reader;
    assert_int_equal(journal_reader_open(&reader, &story->io, 1, false), 0);
    const struct journal_block_header *block;
    enum journal_decision decision;
    while ((decision = journal_reader_next(&reader, &block)) == JOURNAL_READ)
        story_check_block(story, block);
    story->last = reader.next_sequence - 1;
    story->chain = reader.chain;
    if (reader.epoch > story->epoch)
        story->epoch = reader.epoch;
    if (story->last < story->shown && story->damage == NULL)
        story->damage = "something that was shown is lost";
    if (decision == JOURNAL_CORRUPT && story->damage == NULL) {
        story->damage = "an honest crash is called corrupt";
        memcpy(story->reason, reader.reason, sizeof story->reason);
    }
    journal_reader_close(&reader);
}

// ---- living

uint64_t crash_story_shown(const struct crash_story *story)
{
    uint64_t durable = atomic_load(&story->control->durable_seq);
    return durable > story->shown ? durable : story->shown;
}

static uint64_t story_batch(struct crash_story *story)
{
    bool large = fake_disk_random(story->disk, 8) == 0;
    return 1 + fake_disk_random(story->disk, large ? 600 : story->batch);
}

static void story_write(struct crash_story *story, struct journal *journal)
{
    uint64_t next = story->last + 1;
    for (int i = 0; i < CRASH_STORY_BATCHES; i++) {
        uint64_t batch = story_batch(story);
        for (uint64_t k = 0; k < batch && journal_room(journal) >= COMMAND_SLOTS_MAX; k++) {
            struct command command;
            make_command(&command, next++);
            journal_append(journal, &command);
        }
        journal_flush(journal);
        // Now and then a segment is ready before it is wanted, as by the preparer's thread.
        int result = fake_disk_random(story->disk, 4) == 0 ? journal_prepare_work(journal) : 0;
        if (result >= 0)
            result = journal_write_work(journal);
        story->shown = crash_story_shown(story);
        if (result < 0)
            return;
    }
}

void crash_story_live(struct crash_story *story)
{
    memset(story->control, 0, sizeof *story->control);
    if (journal_sync_all(&story->io) != 0)
        return;
    story->shown = story->last; // a recovered venue shows what it has recovered
    atomic_store(&story->control->durable_seq, story->last);
    struct journal_options options = {
        .segments = {.bytes = story->segment_bytes, .engine_version = 1},
        .epoch = ++story->epoch,
        .next_sequence = story->last + 1,
        .chain = story->chain,
        .queue_slots = 4096};
    struct journal journal;
    if (journal_open(&journal, &story->io, &story->gate, &clock_system, &options) == 0)
        story_write(story, &journal);
    journal_close(&journal);
}

void crash_story_crash(struct crash_story *story)
{
    if (fake_disk_random(story->disk, 3) == 0)
        fake_disk_process_killed(story->disk);
    else
        fake_disk_power_failure(story->disk);
}

// ---- open and close

void crash_story_quiet(void)
{
    FILE *kept = fdopen(dup(STDERR_FILENO), "w");
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_true(kept != NULL && nowhere >= 0);
    assert_int_equal(dup2(nowhere, STDERR_FILENO), STDERR_FILENO);
    close(nowhere);
    setvbuf(kept, NULL, _IONBF, 0);
    stderr = kept;
}

void crash_story_open(struct crash_story *story, uint64_t seed, uint64_t segment_bytes,
                      uint64_t batch)
{
    memset(story, 0, sizeof *story);
    story->segment_bytes = segment_bytes;
    story->batch = batch;
    story->disk = fake_disk_create(&story->io, seed);
    fake_disk_remember(story->disk);
    story->control = aligned_alloc(4096, sizeof *story->control);
    assert_non_null(story->control);
    memset(story->control, 0, sizeof *story->control);
    story->gate.control = story->control;
    if (crash_planted == PLANT_NO_SYNC)
        fake_disk_lie_about_sync(story->disk);
    if (crash_planted == PLANT_NO_FOLDER_SYNC)
        fake_disk_lie_about_folder_sync(story->disk);
}

void crash_story_close(struct crash_story *story)
{
    fake_disk_destroy(story->disk);
    free(story->control);
}
