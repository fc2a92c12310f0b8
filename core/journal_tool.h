// Journal tool: what an operator and the tests do with a journal while no core is running. The
// command line (lonja-journal) is a thin shell around these. STATE is the venue's state folder;
// output goes to `out`, reasons for failure to standard error.
//
// Every function returns an exit status: 0, 1 (the world: a file cannot be read), 2 (usage),
// EXIT_POISON (corrupt, or a replay that differs).
#ifndef LONJA_CORE_JOURNAL_TOOL_H
#define LONJA_CORE_JOURNAL_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/assert.h"
#include "core/journal_io.h"
#include "matcher/engine.h"

// Each reads archived segments like the others, and shows its progress (journal_progress.h).
// `json`: one JSON object instead of key=value.
//
// Reads every block, prints where the journal ends and why.
CHECKED int journal_tool_verify(const char *state, FILE *out, bool json);
// Prints each command from..to as a line of JSON.
CHECKED int journal_tool_dump(const char *state, FILE *out, uint64_t from, uint64_t to);
// Prints epochs, segments, and how many commands of each type there are.
CHECKED int journal_tool_stat(const char *state, FILE *out, bool json);
// Replays from the beginning, or from the newest snapshot, up to `until`; prints
// sequence=… events=… events_digest=… state_digest=… on one line. The engine's limits are those
// that the journal's segments name (the largest of each).
CHECKED int journal_tool_replay(const char *state, FILE *out, bool from_snapshot, uint64_t until);
// Those limits; false if there is no segment, or they are out of range.
CHECKED bool journal_tool_limits(struct engine_limits *limits, const struct journal_io *io);
// Ends the journal before `sequence`. What is cut is not deleted: it is moved to
// journal/cut-SEQUENCE-TIME/ with the reason beside it; snapshots from there on, too; the tape is
// shortened. Refuses while a core holds the journal.
CHECKED int journal_tool_cut(const char *state, FILE *out, uint64_t sequence, const char *reason);

// Archives the segments that nobody who starts needs (journal_archive.h). `recorded`: up to which
// sequence the recorder has committed; UINT64_MAX = as STATE/status.json says. May run beside a
// core.
CHECKED int journal_tool_archive(const char *state, FILE *out, uint64_t recorded, bool dry_run);
// Brings archived segments back, from number `from` on. The archived ones stay.
CHECKED int journal_tool_restore(const char *state, FILE *out, uint64_t from);
// Up to where that goes, and why.
struct journal_archive_plan {
    uint64_t snapshots;   // the oldest of the three newest whole snapshots; 0 = there are fewer
    uint64_t recorded;    // 0 = not known
    uint64_t until;       // the smaller one: segments that end at or before it are past
    uint64_t first, last; // segments; last 0: none
};
void journal_archive_plan_make(struct journal_archive_plan *plan, const char *state,
                               uint64_t recorded);

#endif
