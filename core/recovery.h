// Recovery: the state from the newest valid snapshot and the journal behind it, as architecture
// says:
//
//   the journal ends cleanly or with a torn block   -> that is the end (a torn block was never
//   answered) a broken block with a whole one behind it, a missing segment, an epoch that goes back
//   -> refuse to start, say where (journal_decide) a snapshot is not whole or does not load -> the
//   one before it, at last the beginning the journal ends before the snapshot             ->
//   refuse: something durable is gone a journal_digest differs                         -> refuse:
//   this engine is not the one that wrote it the engine asserts at N                          ->
//   exit with EXIT_POISON, naming N
#ifndef LONJA_CORE_RECOVERY_H
#define LONJA_CORE_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/journal_io.h"
#include "core/replay.h"

struct recovered {
    uint64_t snapshot_sequence; // 0 = from the beginning
    uint64_t commands;          // replayed
    uint64_t epoch;             // of the last block; 0 = none
    uint32_t chain;             // of the last block
    bool torn;                  // a torn block was cut
};

// Called for each replayed command, after it, with its events in replay->sink; may be NULL.
typedef void recovery_sink(void *context, const struct replay *replay,
                           const struct command *command);

// Brings a freshly opened `replay` up to the end of the journal, or up to `until` (UINT64_MAX = the
// end). False: refused, and the reason is logged; the process ends with EXIT_POISON (it would only
// fail again).
CHECKED bool recovery_run(struct recovered *out, struct replay *replay, const struct journal_io *io,
                          const char *snapshots_folder, uint64_t until, recovery_sink *sink,
                          void *context);
// The same from the very beginning, whatever snapshots there are.
CHECKED bool recovery_run_all(struct recovered *out, struct replay *replay,
                              const struct journal_io *io, uint64_t until, recovery_sink *sink,
                              void *context);

#endif
