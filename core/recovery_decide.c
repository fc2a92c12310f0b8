#include "core/recovery_decide.h"

#include "core/replay.h"

enum recovery_action recovery_decide(enum recovery_lock lock, enum recovery_snapshot snapshot,
                                     enum recovery_journal journal)
{
#define CORRUPT_ROWS                                                                               \
    [RECOVERY_JOURNAL_MIDDLE] = RECOVERY_REFUSE_CORRUPT,                                           \
    [RECOVERY_JOURNAL_MISSING] = RECOVERY_REFUSE_CORRUPT,                                          \
    [RECOVERY_JOURNAL_EPOCH] = RECOVERY_REFUSE_CORRUPT,                                            \
    [RECOVERY_JOURNAL_FOREIGN] = RECOVERY_REFUSE_CORRUPT,                                          \
    [RECOVERY_JOURNAL_VERSION] = RECOVERY_REFUSE_VERSION,                                          \
    [RECOVERY_JOURNAL_ENGINE] = RECOVERY_REFUSE_VERSION,                                           \
    [RECOVERY_JOURNAL_UNREADABLE] = RECOVERY_REFUSE_UNREADABLE
    static const enum recovery_action cases[RECOVERY_SNAPSHOT_COUNT][RECOVERY_JOURNAL_COUNT] = {
        [RECOVERY_SNAPSHOT_NONE] = {[RECOVERY_JOURNAL_EMPTY] = RECOVERY_BEGIN,
                                    [RECOVERY_JOURNAL_CLEAN] = RECOVERY_REPLAY_ALL,
                                    [RECOVERY_JOURNAL_TORN] = RECOVERY_REPLAY_ALL,
                                    CORRUPT_ROWS},
        // Behind a snapshot that is loaded an empty journal is one that has lost its blocks: a
        // snapshot is made of durable commands.
        [RECOVERY_SNAPSHOT_WHOLE] = {[RECOVERY_JOURNAL_EMPTY] = RECOVERY_REFUSE_LOST,
                                     [RECOVERY_JOURNAL_CLEAN] = RECOVERY_REPLAY_BEHIND,
                                     [RECOVERY_JOURNAL_TORN] = RECOVERY_REPLAY_BEHIND,
                                     CORRUPT_ROWS},
        // A snapshot is a cache: where the journal has all, a broken one only costs time.
        [RECOVERY_SNAPSHOT_BROKEN] = {[RECOVERY_JOURNAL_EMPTY] = RECOVERY_REFUSE_LOST,
                                      [RECOVERY_JOURNAL_CLEAN] = RECOVERY_REPLAY_ALL,
                                      [RECOVERY_JOURNAL_TORN] = RECOVERY_REPLAY_ALL,
                                      CORRUPT_ROWS},
        [RECOVERY_SNAPSHOT_OTHER] = {[RECOVERY_JOURNAL_EMPTY] = RECOVERY_REFUSE_LOST,
                                     [RECOVERY_JOURNAL_CLEAN] = RECOVERY_REPLAY_ALL,
                                     [RECOVERY_JOURNAL_TORN] = RECOVERY_REPLAY_ALL,
                                     CORRUPT_ROWS},
        // Its number says that this much was durable once.
        [RECOVERY_SNAPSHOT_NEWER] = {[RECOVERY_JOURNAL_EMPTY] = RECOVERY_REFUSE_LOST,
                                     [RECOVERY_JOURNAL_CLEAN] = RECOVERY_REFUSE_LOST,
                                     [RECOVERY_JOURNAL_TORN] = RECOVERY_REFUSE_LOST,
                                     CORRUPT_ROWS},
        [RECOVERY_SNAPSHOT_DETACHED] = {[RECOVERY_JOURNAL_EMPTY] = RECOVERY_REFUSE_LOST,
                                        [RECOVERY_JOURNAL_CLEAN] = RECOVERY_REFUSE_LOST,
                                        [RECOVERY_JOURNAL_TORN] = RECOVERY_REFUSE_LOST,
                                        CORRUPT_ROWS},
    };
#undef CORRUPT_ROWS
    ASSERT(lock < RECOVERY_LOCK_COUNT && snapshot < RECOVERY_SNAPSHOT_COUNT);
    ASSERT(journal < RECOVERY_JOURNAL_COUNT);
    return lock == RECOVERY_LOCK_HELD ? RECOVERY_REFUSE_HELD : cases[snapshot][journal];
}

enum recovery_journal recovery_journal_of(enum journal_fault fault)
{
    static const enum recovery_journal journals[] = {
        [JOURNAL_FAULT_MIDDLE] = RECOVERY_JOURNAL_MIDDLE,
        [JOURNAL_FAULT_MISSING] = RECOVERY_JOURNAL_MISSING,
        [JOURNAL_FAULT_EPOCH] = RECOVERY_JOURNAL_EPOCH,
        [JOURNAL_FAULT_FOREIGN] = RECOVERY_JOURNAL_FOREIGN,
        [JOURNAL_FAULT_VERSION] = RECOVERY_JOURNAL_VERSION,
        [JOURNAL_FAULT_UNREADABLE] = RECOVERY_JOURNAL_UNREADABLE,
    };
    ASSERT(fault > JOURNAL_FAULT_NONE && fault <= JOURNAL_FAULT_UNREADABLE);
    return journals[fault];
}

bool recovery_refuses(enum recovery_action action)
{
    return action >= RECOVERY_REFUSE_HELD;
}

int recovery_exit(enum recovery_action action)
{
    if (action == RECOVERY_REFUSE_HELD)
        return EXIT_CONFIGURATION;
    if (action == RECOVERY_REFUSE_UNREADABLE)
        return EXIT_JOURNAL;
    return recovery_refuses(action) ? EXIT_POISON : 0;
}

const char *recovery_way_out(enum recovery_action action)
{
    static const char *const ways[RECOVERY_ACTION_COUNT] = {
        [RECOVERY_BEGIN] = "",
        [RECOVERY_REPLAY_ALL] = "",
        [RECOVERY_REPLAY_BEHIND] = "",
        [RECOVERY_REFUSE_HELD] = "another core (or a cut) has this journal: stop that one first; "
                                 "where it runs on another machine, the "
                                 "folder is shared by mistake",
        [RECOVERY_REFUSE_CORRUPT] =
            "keep a copy of the state folder; bring the damaged or missing segment back from a "
            "copy, or, "
            "if it was archived, by `lonja journal restore STATE`; only where there is none, and "
            "knowing that answered commands are lost: `lonja journal cut STATE N --reason TEXT`",
        [RECOVERY_REFUSE_LOST] =
            "commands that were durable are not in the journal: bring its segments back from a "
            "copy, or "
            "from the archive by `lonja journal restore STATE`; only where there is none, and "
            "knowing that answered commands are lost: set the snapshots above its end aside",
        [RECOVERY_REFUSE_VERSION] =
            "start the version of lonja that wrote it. To go on with this one: docs/operations.md, "
            "Another version "
            "(let the old version stop cleanly, so that its snapshot stands at the journal's end)",
        [RECOVERY_REFUSE_UNREADABLE] = "mend the disk, or copy the state folder to another one; "
                                       "then start again: nothing was changed",
        [RECOVERY_REFUSE_REPLAY] = "this engine does not make the events that the core made: "
                                   "another version, or a fault of ours or "
                                   "of the memory. Keep a copy of the state folder; `lonja journal "
                                   "cut STATE N --reason TEXT` ends the "
                                   "journal before sequence N",
    };
    ASSERT(action < RECOVERY_ACTION_COUNT);
    return ways[action];
}
