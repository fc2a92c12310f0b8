// Bench core: the real sequencer, engine and journal writer of lonja-core inside the benchmark's
// process, on a folder of its own, with a thread that is the core thread. What lonja-core adds
// around them (boot record, recovery, sandbox) takes no part in a command's way.
//
// Threads: opened, fed and closed by one thread, which is the FIX and the ADMIN gateway. Failure:
// asserts.
#ifndef LONJA_PERF_BENCH_CORE_H
#define LONJA_PERF_BENCH_CORE_H

#include <pthread.h>

#include "base/boot.h"
#include "core/counters.h"
#include "core/gate.h"
#include "core/journal.h"
#include "core/journal_io.h"
#include "core/sequencer.h"
#include "perf/flow_commands.h"

struct bench_core {
    struct boot boot;
    struct journal_io io;
    struct journal_io_file io_file;
    struct event_ring ring;
    struct replay replay;
    struct gate gate;
    struct journal journal;
    struct sequencer sequencer;
    struct command_ring fix, admin; // the producers' views
    uint64_t gateway_seq;
    _Atomic bool stop;
    pthread_t thread;
};

// The boot record of a core of this venue: its limits, an event ring, command rings for FIX and
// ADMIN, no readers. The state is below `folder`.
void bench_core_boot(struct boot *boot, const char *folder, const struct flow_venue *venue,
                     uint32_t orders_max);
void bench_core_boot_close(struct boot *boot);

// Makes the venue of flow_commands.h in it; returns when all of that is durable.
void bench_core_open(struct bench_core *core, const char *folder, const struct flow_venue *venue,
                     uint32_t orders_max, bool durable);
void bench_core_close(struct bench_core *core);

// Puts a command of the flow into the FIX gateway's ring; false if there is no room.
CHECKED bool bench_core_send(struct bench_core *core, const struct command *command);
// Keep the gateways alive: at least every ten minutes.
void bench_core_beat(struct bench_core *core);
uint64_t bench_core_applied(const struct bench_core *core);
uint64_t bench_core_durable(const struct bench_core *core);
uint64_t bench_core_counter(const struct bench_core *core, enum core_counter counter);

#endif
