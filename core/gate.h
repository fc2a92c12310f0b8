// Gate: the one place where something becomes durable for the venue. The journal publishes through
// it what is on disk; followers act on nothing above it. Wakes the readers that sleep, once per
// block, and the core if it waits for its journal.
#ifndef LONJA_CORE_GATE_H
#define LONJA_CORE_GATE_H

#include <stdatomic.h>
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
};

// Maps the reader pages that the boot record has. Returns 0 or -errno.
CHECKED int gate_open(struct gate *gate, const struct boot *boot,
                      struct event_ring_control *control);
void gate_close(struct gate *gate);

// Journal thread: everything up to `sequence` is durable.
void gate_publish(struct gate *gate, uint64_t sequence);
// Journal thread: a write or sync failed with `error`; nothing will be durable any more.
void gate_fail(struct gate *gate, int error);
// Wakes whoever sleeps: also for a new epoch.
void gate_wake(struct gate *gate);
// Core thread: waits until the gate moves from `seen_durable`, at most timeout_ns.
void gate_wait(struct gate *gate, uint64_t seen_durable, uint64_t timeout_ns);

#endif
