// Recovery: the state from the newest snapshot that loads and the journal behind it. What is found
// is put into the words of recovery_decide.h, and its table decides; nothing that was replayed
// meanwhile is shown before. Beside the table: a journal_digest that differs is a refusal (this
// engine is not the one that wrote it), and an engine that asserts at N ends the process with
// EXIT_POISON, naming N.
#ifndef LONJA_CORE_RECOVERY_H
#define LONJA_CORE_RECOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/journal_io.h"
#include "core/recovery_decide.h"
#include "core/replay.h"

struct recovered {
    uint64_t snapshot_sequence; // 0 = from the beginning
    uint64_t commands;          // replayed
    uint64_t epoch;             // of the last block; 0 = none
    uint32_t chain;             // of the last block
    bool torn;                  // a torn block was cut
    // What was found, and what the table says of it.
    enum recovery_snapshot snapshot;
    enum recovery_journal journal;
    enum recovery_action action;
};

// Called for each replayed command, after it, with its events in replay->sink; may be NULL.
typedef void recovery_sink(void *context, const struct replay *replay,
                           const struct command *command);

// Brings a freshly opened `replay` up to the end of the journal, or up to `until` (UINT64_MAX = the
// end). False: refused, and the reason is logged with the way out; out->action says which refusal,
// and recovery_exit the status that a core ends with (it would only be refused again). The caller
// holds the lock.
CHECKED bool recovery_run(struct recovered *out, struct replay *replay, const struct journal_io *io,
                          const char *snapshots_folder, uint64_t until, recovery_sink *sink,
                          void *context);
// The same from the very beginning, whatever snapshots there are.
CHECKED bool recovery_run_all(struct recovered *out, struct replay *replay,
                              const struct journal_io *io, uint64_t until, recovery_sink *sink,
                              void *context);

#endif
