// Rebuild: the whole record written anew from the tape by one command, with its progress, whether
// the venue runs or not. If its recorder runs, that one writes and we watch; if not, we are the
// recorder until the tape's end. Interrupted, the same command goes on where it was
// (record.cursor.rebuild_to remembers); what settlement knows of its trades is not touched, and
// made where it is missing.
#ifndef LONJA_SETTLEMENT_RECORD_REBUILD_H
#define LONJA_SETTLEMENT_RECORD_REBUILD_H

#include <signal.h>
#include <stdbool.h>

#include "base/boot.h"

// Says how far it is on standard output. `anew`: forgets what an interrupted rebuild has written,
// too. Returns the exit status: 0 done, 1 not (the database refuses, no tape, or *stopping was
// set), 2 the database is another venue's.
CHECKED int record_rebuild(const struct boot *boot, bool anew,
                           const volatile sig_atomic_t *stopping);
// Prints the digest of every table (record.digest): two records of one venue that stand at the same
// sequence are the same row by row if all lines are. Returns the exit status.
CHECKED int record_digest(const struct boot *boot);

#endif
