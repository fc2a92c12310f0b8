// Replay: an engine with what must be kept beside it to prove that it is the same everywhere: the
// running digest of its events, their number, and the incarnations of the gateways. The core
// recovers with it and then goes on with its engine; tape and tools replay with it.
//
// Every sequence that is a multiple of JOURNAL_DIGEST_EVERY must be a journal_digest command that
// agrees. Threads: one. Memory: two arenas, taken in replay_open.
#ifndef LONJA_CORE_REPLAY_H
#define LONJA_CORE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/config.h"
#include "core/journal_block.h"
#include "matcher/engine.h"

struct replay_gateway {
    uint32_t incarnation; // last that attached
    bool attached;
};

struct replay {
    struct engine *engine;
    struct engine_limits limits;
    struct arena engine_memory, event_memory;
    struct event_sink sink; // events of the last command: sink.events[0 .. sink.count - 1]
    uint64_t sequence;      // of the last command
    uint64_t events;        // number of events so far
    uint64_t events_digest; // of all events so far
    uint64_t epoch;         // of the last command
    struct replay_gateway gateways[GATEWAY_COUNT];
};

enum replay_result {
    REPLAY_APPLIED,
    REPLAY_DIGEST_DIFFERS, // the journal says that other events were made; nothing was applied
    REPLAY_OUT_OF_ORDER,   // not the next sequence, or a digest where none belongs
};

struct engine_limits replay_limits(const struct config *config);
// How the segments of a journal name this engine and these limits, and back.
struct journal_segment_terms replay_terms(const struct engine_limits *limits,
                                          uint64_t segment_bytes);
struct engine_limits replay_limits_of(const struct journal_segment_header *header);
// An empty engine. Returns 0, -EINVAL (limits out of range) or -errno.
CHECKED int replay_open(struct replay *replay, const struct engine_limits *limits);
void replay_close(struct replay *replay);
// Forgets everything: an empty engine again. Returns 0 or -errno.
CHECKED int replay_reset(struct replay *replay);

// Loads a snapshot into an empty engine; false if it is not whole, of a newer engine version, or
// its digest differs (then reset before going on).
CHECKED bool replay_load(struct replay *replay, const char *folder, uint64_t sequence);
CHECKED enum replay_result replay_apply(struct replay *replay, const struct command *command,
                                        uint64_t epoch);
// Writes the state as a snapshot; returns 0 or -errno.
CHECKED int replay_save(const struct replay *replay, const char *folder);
// Books a command's events and its gateway's incarnation: shared with the live core.
void replay_note(struct replay *replay, const struct command *command,
                 const struct event_sink *sink);

// From now on an assertion or a fault ends this process with status EXIT_POISON and a line that
// names the command being applied: replaying it again would only fail again. replay_guard_end: back
// to normal.
void replay_guard_begin(const struct replay *replay);
void replay_guard_end(void);

enum { EXIT_CONFIGURATION = 2, EXIT_POISON = 3, EXIT_JOURNAL = 4, EXIT_FENCED = 5 };

#endif
