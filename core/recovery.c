#include "core/recovery.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "core/journal_reader.h"
#include "core/snapshot_file.h"

struct recovery {
    struct recovered *out;
    struct replay *replay;
    uint64_t until;
    recovery_sink *sink;
    void *context;
};

static bool recovery_apply(struct recovery *recovery, const struct command *command, uint64_t epoch)
{
    struct replay *replay = recovery->replay;
    switch (replay_apply(replay, command, epoch)) {
    case REPLAY_APPLIED:
        break;
    case REPLAY_DIGEST_DIFFERS:
        return false;
    case REPLAY_OUT_OF_ORDER:
        log_error("the journal is out of order sequence=%" PRIu64 " expected=%" PRIu64,
                  command->header.sequence, replay->sequence + 1);
        return false;
    }
    recovery->out->commands++;
    if (recovery->sink != NULL)
        recovery->sink(recovery->context, replay, command);
    return true;
}

static bool recovery_block(struct recovery *recovery, const struct journal_block_header *block)
{
    if (block->first_sequence > recovery->replay->sequence + 1) {
        log_error("the journal begins behind the snapshot first_sequence=%" PRIu64
                  " snapshot=%" PRIu64,
                  block->first_sequence, recovery->replay->sequence);
        return false;
    }
    const struct command *command = NULL;
    while ((command = journal_block_next(block, command)) != NULL) {
        if (command->header.sequence > recovery->until)
            break;
        if (command->header.sequence > recovery->replay->sequence &&
            !recovery_apply(recovery, command, block->epoch))
            return false;
    }
    recovery->out->epoch = block->epoch;
    recovery->out->chain = block->chain;
    return true;
}

static bool recovery_read(struct recovery *recovery, struct journal_reader *reader)
{
    for (;;) {
        const struct journal_block_header *block;
        enum journal_decision decision = journal_reader_next(reader, &block);
        if (decision == JOURNAL_CORRUPT) {
            log_error("the journal is corrupt: %s", reader->reason);
            return false;
        }
        if (decision != JOURNAL_READ) {
            recovery->out->torn = decision == JOURNAL_TORN;
            if (decision == JOURNAL_TORN)
                log_warning("the journal's last block is torn and cut segment=%" PRIu64
                            " offset=%" PRIu64 " sequence=%" PRIu64,
                            reader->segment, reader->offset, reader->next_sequence);
            return true;
        }
        if (!recovery_block(recovery, block))
            return false;
        if (recovery->replay->sequence >= recovery->until)
            return true;
    }
}

static bool recovery_journal(struct recovery *recovery, const struct journal_io *io)
{
    uint64_t snapshot = recovery->out->snapshot_sequence;
    struct journal_reader reader;
    int result = journal_reader_open(&reader, io, snapshot + 1, false);
    if (result != 0) {
        log_error("the journal cannot be read error=%s", strerror(-result));
        return false;
    }
    replay_guard_begin(recovery->replay);
    bool read = recovery_read(recovery, &reader);
    replay_guard_end();
    uint64_t end = reader.next_sequence - 1;
    journal_reader_close(&reader);
    if (read && end < snapshot) {
        log_error("the journal ends before the snapshot: something durable is gone journal=%" PRIu64
                  " snapshot=%" PRIu64,
                  end, snapshot);
        return false;
    }
    return read;
}

// Loads the newest snapshot that this engine accepts; with none the engine is empty.
static bool recovery_snapshot(struct recovery *recovery, const char *folder)
{
    uint64_t limit = recovery->until, sequence;
    while (snapshot_file_newest(&sequence, folder, limit)) {
        if (replay_load(recovery->replay, folder, sequence)) {
            recovery->out->snapshot_sequence = sequence;
            recovery->out->epoch = recovery->replay->epoch;
            return true;
        }
        log_warning("snapshot does not load, passed over sequence=%" PRIu64, sequence);
        if (replay_reset(recovery->replay) != 0)
            return false;
        if (sequence == 0)
            break;
        limit = sequence - 1;
    }
    return true;
}

bool recovery_run(struct recovered *out, struct replay *replay, const struct journal_io *io,
                  const char *snapshots_folder, uint64_t until, recovery_sink *sink, void *context)
{
    ASSERT(replay->sequence == 0);
    memset(out, 0, sizeof *out);
    struct recovery recovery = {
        .out = out, .replay = replay, .until = until, .sink = sink, .context = context};
    return recovery_snapshot(&recovery, snapshots_folder) && recovery_journal(&recovery, io);
}

bool recovery_run_all(struct recovered *out, struct replay *replay, const struct journal_io *io,
                      uint64_t until, recovery_sink *sink, void *context)
{
    ASSERT(replay->sequence == 0);
    memset(out, 0, sizeof *out);
    struct recovery recovery = {
        .out = out, .replay = replay, .until = until, .sink = sink, .context = context};
    return recovery_journal(&recovery, io);
}
