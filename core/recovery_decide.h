// The whole decision of a start: what is made of the journal, the snapshots and the lock as they
// were found. A pure function over everything that can be found, so that a test can go through all
// of it (recovery_test.c), and each refusal names its way out.
#ifndef LONJA_CORE_RECOVERY_DECIDE_H
#define LONJA_CORE_RECOVERY_DECIDE_H

#include "core/journal_reader.h"

// How the journal ends, read from where the snapshot leaves off (or from its beginning).
enum recovery_journal {
    RECOVERY_JOURNAL_EMPTY,      // no block was ever written
    RECOVERY_JOURNAL_CLEAN,      // ends behind a whole block
    RECOVERY_JOURNAL_TORN,       // ends in a block that was never answered
    RECOVERY_JOURNAL_MIDDLE,     // broken, with whole blocks behind
    RECOVERY_JOURNAL_MISSING,    // a segment is not there, or has no whole header
    RECOVERY_JOURNAL_EPOCH,      // an epoch goes back
    RECOVERY_JOURNAL_FOREIGN,    // two cores wrote
    RECOVERY_JOURNAL_VERSION,    // records of another schema version
    RECOVERY_JOURNAL_ENGINE,     // commands of an engine whose events this one does not repeat
    RECOVERY_JOURNAL_UNREADABLE, // the disk refuses to read
    RECOVERY_JOURNAL_COUNT
};
// The snapshots, taken together.
enum recovery_snapshot {
    RECOVERY_SNAPSHOT_NONE,     // no file
    RECOVERY_SNAPSHOT_WHOLE,    // one was loaded, perhaps after others were passed over
    RECOVERY_SNAPSHOT_BROKEN,   // there are files, and none of them is whole
    RECOVERY_SNAPSHOT_OTHER,    // none that is whole is of a version that this program loads
    RECOVERY_SNAPSHOT_NEWER,    // one, whole or not, has a number above the journal's end
    RECOVERY_SNAPSHOT_DETACHED, // one was loaded, but the journal begins behind it
    RECOVERY_SNAPSHOT_COUNT
};
// Whose the journal is.
enum recovery_lock {
    RECOVERY_LOCK_FREE,
    RECOVERY_LOCK_HELD, // by another core, or a cut
    RECOVERY_LOCK_COUNT
};

enum recovery_action {
    RECOVERY_BEGIN,             // a new venue
    RECOVERY_REPLAY_ALL,        // from the first command
    RECOVERY_REPLAY_BEHIND,     // what stands behind the snapshot
    RECOVERY_REFUSE_HELD,       // two cores on one journal would be two orders
    RECOVERY_REFUSE_CORRUPT,    // something durable cannot be read any more
    RECOVERY_REFUSE_LOST,       // something durable is not there any more
    RECOVERY_REFUSE_VERSION,    // this program is not the one for this journal
    RECOVERY_REFUSE_UNREADABLE, // nothing is known until the disk reads
    RECOVERY_REFUSE_REPLAY, // the commands do not make the events that they made: never from the
                            // table
    RECOVERY_ACTION_COUNT
};

enum recovery_action recovery_decide(enum recovery_lock lock, enum recovery_snapshot snapshot,
                                     enum recovery_journal journal);
// What a read that ended with JOURNAL_CORRUPT says of the journal.
enum recovery_journal recovery_journal_of(enum journal_fault fault);
bool recovery_refuses(enum recovery_action action);
// Status with which a core that refuses ends (replay.h): EXIT_CONFIGURATION, EXIT_POISON or
// EXIT_JOURNAL.
int recovery_exit(enum recovery_action action);
// What an operator can do about a refusal; "" for the others.
const char *recovery_way_out(enum recovery_action action);

#endif
