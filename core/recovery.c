#include "core/recovery.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "core/journal_reader.h"
#include "core/snapshot_file.h"

struct recovery {
    struct recovered *out;
    struct replay *replay;
    char reason[300]; // what the table's words leave out
    bool at_end;      // the journal was read to its end
    uint64_t newest;  // number of the newest snapshot file, whole or not; 0 = none
    uint64_t until;
    recovery_sink *sink;
    void *context;
};

// ---- the journal

// False: the commands do not make the events that they made.
static bool recovery_apply(struct recovery *recovery, const struct command *command, uint64_t epoch)
{
    struct replay *replay = recovery->replay;
    enum replay_result result = replay_apply(replay, command, epoch);
    if (result == REPLAY_DIGEST_DIFFERS) {
        snprintf(recovery->reason, sizeof recovery->reason,
                 "the events differ from those that the core made before sequence %" PRIu64,
                 command->header.sequence);
        return false;
    }
    if (result == REPLAY_OUT_OF_ORDER) {
        snprintf(recovery->reason, sizeof recovery->reason,
                 "sequence %" PRIu64 " stands where %" PRIu64 " belongs", command->header.sequence,
                 replay->sequence + 1);
        return false;
    }
    recovery->out->commands++;
    if (recovery->sink != NULL)
        recovery->sink(recovery->context, replay, command);
    return true;
}

enum recovery_step { RECOVERY_GO_ON, RECOVERY_STOP, RECOVERY_DIFFERS };

// True if this engine makes the same events of commands of that one.
static bool recovery_engine_repeats(uint32_t engine_version)
{
    return engine_version >= ENGINE_REPLAYS_SINCE && engine_version <= ENGINE_VERSION;
}

static enum recovery_step recovery_block(struct recovery *recovery, uint32_t engine_version,
                                         const struct journal_block_header *block)
{
    struct replay *replay = recovery->replay;
    ASSERT(block->first_sequence <= replay->sequence + 1); // the reader begins there or before
    bool new_ones = block->first_sequence + block->count - 1 > replay->sequence;
    if (new_ones && !recovery_engine_repeats(engine_version)) {
        recovery->out->journal = RECOVERY_JOURNAL_ENGINE;
        snprintf(recovery->reason, sizeof recovery->reason,
                 "sequence %" PRIu64 " was made by engine %u; this one is %d and repeats %d to %d",
                 replay->sequence + 1, engine_version, ENGINE_VERSION, ENGINE_REPLAYS_SINCE,
                 ENGINE_VERSION);
        return RECOVERY_STOP;
    }
    const struct command *command = NULL;
    while ((command = journal_block_next(block, command)) != NULL) {
        if (command->header.sequence > recovery->until)
            break;
        if (command->header.sequence > replay->sequence &&
            !recovery_apply(recovery, command, block->epoch))
            return RECOVERY_DIFFERS;
    }
    recovery->out->epoch = block->epoch;
    recovery->out->chain = block->chain;
    recovery->out->journal = RECOVERY_JOURNAL_CLEAN;
    return replay->sequence >= recovery->until ? RECOVERY_STOP : RECOVERY_GO_ON;
}

// The journal has ended: how?
static void recovery_end(struct recovery *recovery, const struct journal_reader *reader,
                         enum journal_decision decision)
{
    recovery->at_end = true;
    if (decision == JOURNAL_CORRUPT) {
        recovery->out->journal = recovery_journal_of(reader->fault);
        bool nothing_read = reader->segment == 0 && recovery->out->snapshot_sequence > 0;
        if (nothing_read && reader->fault == JOURNAL_FAULT_MISSING)
            recovery->out->snapshot = RECOVERY_SNAPSHOT_DETACHED;
        snprintf(recovery->reason, sizeof recovery->reason, "%s", reader->reason);
    } else if (decision == JOURNAL_TORN) {
        recovery->out->journal = RECOVERY_JOURNAL_TORN;
        recovery->out->torn = true;
        log_warning("the journal's last block is torn and cut segment=%" PRIu64 " offset=%" PRIu64
                    " sequence=%" PRIu64,
                    reader->segment, reader->offset, reader->next_sequence);
    }
}

static enum recovery_step recovery_read(struct recovery *recovery, struct journal_reader *reader)
{
    for (;;) {
        const struct journal_block_header *block;
        enum journal_decision decision = journal_reader_next(reader, &block);
        if (decision != JOURNAL_READ) {
            recovery_end(recovery, reader, decision);
            return RECOVERY_STOP;
        }
        enum recovery_step step = recovery_block(recovery, reader->engine_version, block);
        if (step != RECOVERY_GO_ON)
            return step;
    }
}

static enum recovery_step recovery_journal(struct recovery *recovery, const struct journal_io *io)
{
    struct journal_reader reader;
    int result = journal_reader_open(&reader, io, recovery->out->snapshot_sequence + 1, false);
    if (result != 0) {
        recovery->out->journal = RECOVERY_JOURNAL_UNREADABLE;
        snprintf(recovery->reason, sizeof recovery->reason, "the journal cannot be opened: %s",
                 strerror(-result));
        return RECOVERY_STOP;
    }
    replay_guard_begin(recovery->replay);
    enum recovery_step step = recovery_read(recovery, &reader);
    replay_guard_end();
    uint64_t end = reader.next_sequence - 1;
    journal_reader_close(&reader);
    // Where it stopped at `until` nothing is known of the end.
    bool whole = recovery->at_end && recovery->out->journal <= RECOVERY_JOURNAL_TORN;
    if (whole && end < recovery->newest) {
        recovery->out->snapshot = RECOVERY_SNAPSHOT_NEWER;
        snprintf(recovery->reason, sizeof recovery->reason,
                 "the journal ends at sequence %" PRIu64 ", there is a snapshot of %" PRIu64, end,
                 recovery->newest);
    }
    return step;
}

// ---- the snapshots

// Loads the newest snapshot that this engine accepts; with none the engine is empty. False: no
// memory.
static bool recovery_snapshot(struct recovery *recovery, const char *folder)
{
    uint64_t limit = recovery->until, sequence;
    if (numbered_largest(&recovery->newest, folder, SNAPSHOT_SUFFIX, limit))
        recovery->out->snapshot = RECOVERY_SNAPSHOT_BROKEN; // unless one turns out to be better
    while (snapshot_file_newest(&sequence, folder, limit)) {
        if (replay_load(recovery->replay, folder, sequence)) {
            recovery->out->snapshot = RECOVERY_SNAPSHOT_WHOLE;
            recovery->out->snapshot_sequence = sequence;
            recovery->out->epoch = recovery->replay->epoch;
            return true;
        }
        log_warning("snapshot does not load, passed over sequence=%" PRIu64, sequence);
        recovery->out->snapshot = RECOVERY_SNAPSHOT_OTHER;
        if (replay_reset(recovery->replay) != 0)
            return false;
        if (sequence == 0)
            break;
        limit = sequence - 1;
    }
    return true;
}

// ---- the decision

static bool recovery_conclude(struct recovery *recovery, enum recovery_step step)
{
    enum recovery_action action =
        step == RECOVERY_DIFFERS
            ? RECOVERY_REFUSE_REPLAY
            : recovery_decide(RECOVERY_LOCK_FREE, recovery->out->snapshot, recovery->out->journal);
    recovery->out->action = action;
    if (!recovery_refuses(action))
        return true;
    log_error("this journal is not started from: %s. What to do: %s", recovery->reason,
              recovery_way_out(action));
    return false;
}

// `snapshots_folder` NULL: from the very beginning.
static bool recovery_go(struct recovery *recovery, const struct journal_io *io,
                        const char *snapshots_folder)
{
    ASSERT(recovery->replay->sequence == 0);
    memset(recovery->out, 0, sizeof *recovery->out);
    recovery->out->action = RECOVERY_REFUSE_UNREADABLE; // until something better is known
    if (snapshots_folder != NULL && !recovery_snapshot(recovery, snapshots_folder)) {
        log_error("no memory for an engine");
        return false;
    }
    return recovery_conclude(recovery, recovery_journal(recovery, io));
}

bool recovery_run(struct recovered *out, struct replay *replay, const struct journal_io *io,
                  const char *snapshots_folder, uint64_t until, recovery_sink *sink, void *context)
{
    ASSERT(snapshots_folder != NULL);
    struct recovery recovery = {
        .out = out, .replay = replay, .until = until, .sink = sink, .context = context};
    return recovery_go(&recovery, io, snapshots_folder);
}

bool recovery_run_all(struct recovered *out, struct replay *replay, const struct journal_io *io,
                      uint64_t until, recovery_sink *sink, void *context)
{
    struct recovery recovery = {
        .out = out, .replay = replay, .until = until, .sink = sink, .context = context};
    return recovery_go(&recovery, io, NULL);
}
