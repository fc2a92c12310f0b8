// Sequencer: the core thread. Puts the commands of all rings into one order, stamps them, hands
// them to the journal and applies them at once; events go to the event ring, where the gate holds
// them back until they are durable.
//
// A round (sequencer_work), bounded: continuations of the engine first (while it wants to go on,
// nothing else is taken), then the clock's ticks if
// the engine's deadline has passed (no other command is stamped at or after it, but for digests and
// the epoch's own first one), then up to a batch from each ring in turn; every
// JOURNAL_DIGEST_EVERY-th sequence is a digest of all events. It takes nothing while applied -
// durable exceeds half of the event ring, or the journal's queue is full.
//
// Rings are a trust boundary. A record is copied, then judged: what an honest writer cannot have
// written (shape, forbidden type, gateway_seq that does not rise) shuts that ring: nothing is
// journalled, hence nothing answered, the gateway is detached (its sessions' orders are cancelled
// as configured) and its supervisor starts it again; a gateway_attach of a newer incarnation, which
// the supervisor must have announced (boot.h), opens the ring. Other rings do not notice. Commands
// of an incarnation that has not attached in this epoch are dropped and counted: the answer to its
// attach tells the gateway which those were.
//
// Threads: the core thread only. No allocation, no system call but waiting, waking and logging.
#ifndef LONJA_CORE_SEQUENCER_H
#define LONJA_CORE_SEQUENCER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/boot.h"
#include "base/clock.h"
#include "base/command_ring.h"
#include "base/log.h"
#include "core/gate.h"
#include "core/journal.h"
#include "core/look_ahead.h"
#include "core/replay.h"

enum sequencer_wait { SEQUENCER_SPIN = 0, SEQUENCER_YIELD = 1, SEQUENCER_BLOCK = 2 };

struct sequencer_gateway {
    struct command_ring ring;
    bool open;            // has a ring
    bool shut;            // it lied: only an attach of a newer incarnation is taken
    bool attached;        // in this epoch
    bool detach_due;      // lied, or was attached in a former epoch and did not come back
    uint32_t incarnation; // last known
    uint64_t gateway_seq; // of the last command taken
    uint64_t alive_ns;    // monotone: last proof of life
    struct look_ahead ahead;
    struct log_limit attach_log;
};

struct sequencer {
    struct event_ring ring;
    struct journal *journal;
    struct gate *gate;
    struct replay *replay; // the engine, its digest and gateways
    const struct clock *clock;
    const struct boot_lives *lives; // the supervisor's word on incarnations; NULL = none (tests)
    struct sequencer_gateway gateways[GATEWAY_COUNT];
    uint64_t time_ns;       // of the last command
    uint64_t wall_ns;       // clock, read once per batch: reading it costs a fifth of a command
    uint64_t written;       // position in the event ring
    uint64_t *position_of;  // [sequence & position_mask]: position behind its events
    uint64_t position_mask;
    struct arena arena;
    unsigned turn;           // ring that comes first in this round
    bool looks_ahead;        // into its rings, for the engine
    bool begun;              // the epoch's cancel-only is journalled
    bool open_when_attached; // venue.open is still to be sent by the core itself
    uint64_t heartbeat_timeout_ns;
    uint64_t heartbeat_check_ns; // next look at the heartbeats
    enum sequencer_wait wait;
    struct command command; // private copy of what is being judged
};

// Takes the rings over: a new epoch, recovered up to replay->sequence. `ring` is the event ring
// opened for writing. The command rings skip what no core has journalled. Journals and applies the
// epoch's own first command (venue cancel-only), unless the engine is in the middle of a large
// command: then sequencer_work goes on with that before. Returns 0 or -errno.
CHECKED int sequencer_open(struct sequencer *sequencer, const struct boot *boot,
                           struct replay *replay, struct journal *journal, struct gate *gate,
                           const struct event_ring *ring, const struct clock *clock,
                           uint64_t epoch);
void sequencer_close(struct sequencer *sequencer);

// One round. Returns how many commands were applied, or -errno of the journal that failed.
CHECKED int sequencer_work(struct sequencer *sequencer);
// Waits as configured until there may be work. Call it when a round did nothing.
void sequencer_idle(struct sequencer *sequencer);

#endif
