// Gate: the one place where something becomes durable for the venue. The journal publishes through
// it what is on this disk (journal_seq); the gate opens durable_seq for the followers, who act on
// nothing above it, and wakes those that sleep, and the core if it waits.
//
//   replication off, async   durable_seq = journal_seq, at once
//   replication sync         durable_seq = min(journal_seq, what the standbys have), moved by a
//                            thread of its own that waits for lonja-replicate's word; an operator's
//                            `lonja standby degrade` takes the standbys out of the minimum
//
// A standby that is gone therefore holds the gate shut: the core goes on until half of the event
// ring waits, then takes nothing more, and nobody is answered. When lonja-replicate learns that
// another host was promoted, the gate is shut for good (gate_fail with ESTALE).
#ifndef LONJA_CORE_GATE_H
#define LONJA_CORE_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/boot.h"
#include "base/event_ring.h"
#include "base/reader_page.h"

struct gate {
    struct event_ring_control *control;
    struct reader_page *pages[PROCESS_COUNT]; // NULL = no such reader
    int doorbell_fds[PROCESS_COUNT];
    _Atomic uint32_t core_sleeping; // 1 while the core waits for its journal
    _Atomic uint32_t core_wake;     // the word it waits on
    enum replication_mode mode;
    bool rest_waits; // journal thread: those whose turn comes after the block's own are to be woken
    _Atomic uint32_t stop; // 1 = the gate's thread ends
    bool threaded;
    pthread_t thread;
};

// Maps the reader pages that the boot record has. Returns 0, -EINVAL (replication without a page
// of lonja-replicate) or -errno.
CHECKED int gate_open(struct gate *gate, const struct boot *boot,
                      struct event_ring_control *control);
void gate_close(struct gate *gate);

// Core thread, before an epoch begins: this disk holds the journal up to `sequence`, and `epoch`
// would be the next. From here on lonja-replicate serves standbys.
void gate_announce(struct gate *gate, uint64_t sequence, uint64_t epoch);
// Returns 1 if the epoch may begin: what was recovered will be shown, so with synchronous
// replication a standby must have it. 0 = not yet, after waiting up to timeout_ns. -ESTALE =
// another host was promoted.
CHECKED int gate_may_begin(struct gate *gate, uint64_t timeout_ns);
// Starts the thread that moves the gate, where there is replication; real-time as the journal's if
// answers wait for it. Returns 0 or -errno.
CHECKED int gate_start(struct gate *gate, int realtime_priority);
// Waits up to timeout_ns until what is durable here is so for the venue, then ends the thread.
void gate_stop(struct gate *gate, uint64_t timeout_ns);

// Journal thread: everything up to `sequence` is on this disk. Where the gate opens by that, the
// gateways of `asked` (a bit for each enum gateway_id that has a command in the block) are woken at
// once, for a client waits for them; the rest with the next block, or by gate_wake_rest. With no
// bit at all nobody comes first.
void gate_publish(struct gate *gate, uint64_t sequence, uint32_t asked);
// Journal thread, a little later: wakes the rest, if it waits to be woken.
void gate_wake_rest(struct gate *gate);
// What the gate's thread does: looks at lonja-replicate's page once and moves the gate. Returns 0,
// or -ESTALE once another host was promoted.
CHECKED int gate_move(struct gate *gate);
// Any thread: a write or sync failed with `error`; nothing will be durable any more.
void gate_fail(struct gate *gate, int error);
// Wakes whoever sleeps: also for a new epoch.
void gate_wake(struct gate *gate);
// Core thread: waits until the gate moves from `seen_durable`, at most timeout_ns.
void gate_wait(struct gate *gate, uint64_t seen_durable, uint64_t timeout_ns);

#endif
