// Explain's journal: a state folder, read only, and an engine that is taken through it command by
// command, from the newest snapshot that is early enough, or from the beginning. Beside a running
// venue it never goes past what that venue's status says is durable.
//
// Threads: one. Memory: an engine of the journal's own limits (the largest of each segment header).
#ifndef LONJA_CORE_EXPLAIN_JOURNAL_H
#define LONJA_CORE_EXPLAIN_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/journal_archive.h"
#include "core/journal_io.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/replay.h"

struct explain_journal {
    char state[NUMBERED_PATH_BYTES];
    char snapshots[NUMBERED_PATH_BYTES];
    struct journal_io io;
    struct journal_io_file file;
    struct journal_archive archive;
    bool live;         // a core writes it
    uint64_t asked_ns; // wall clock, when it was opened
    uint64_t durable;  // live: how far; else UINT64_MAX: what is whole in the journal is durable
    struct replay replay;
    uint64_t snapshot; // it began with this one; 0 = with the beginning
    uint64_t next_progress_ns;
};

// Called before and after each command; either may be NULL. False stops.
struct explain_walk {
    bool (*before)(void *context, const struct replay *replay, const struct command *command);
    bool (*after)(void *context, const struct replay *replay, const struct command *command);
    void *context;
};

// All return 0, or EXPLAIN_NONE or EXPLAIN_CORRUPT with the reason on standard error.
//
// Opens the journal of a state folder. On failure it is closed.
CHECKED int explain_journal_open(struct explain_journal *journal, const char *state);
void explain_journal_close(struct explain_journal *journal);

// The engine is empty before: it gets the newest snapshot whose sequence is at most `sequence`, and
// whose time is at most `time_ns`. None is no failure.
CHECKED int explain_journal_start(struct explain_journal *journal, uint64_t sequence,
                                  uint64_t time_ns);
// Goes on up to and including `until` (UINT64_MAX: the durable end; of a running venue one that has
// all that was durable when the journal was opened: its status may be a second old, so this may
// wait that long), or until the walk stops.
CHECKED int explain_journal_run(struct explain_journal *journal, uint64_t until,
                                const struct explain_walk *walk);
// The same to a sequence that was asked for: EXPLAIN_NONE if the journal does not reach it (a
// running venue is given a moment).
CHECKED int explain_journal_run_to(struct explain_journal *journal, uint64_t sequence,
                                   const struct explain_walk *walk);

#endif
