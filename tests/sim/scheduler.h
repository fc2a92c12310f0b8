// Scheduler: the one deterministic order of everything. Virtual time, fibers, callbacks.
//
// A thread of the venue is a fiber: a stack of its own, run until it waits. Everything that a
// thread does to the outside (reads the clock, wakes somebody, writes a file, sends a record) is a
// scheduling point, scheduler_effect: there it may lose the processor for a while, and there its
// process may die. A process that is killed is a set of fibers that are never run again: what it
// had in memory is gone, what it had written is there.
//
// Time moves only here: a little with every effect, and to the next fiber or callback when nobody
// runs. Equal seeds make equal orders; there is no other source of chance than scheduler_random.
#ifndef LONJA_SIM_SCHEDULER_H
#define LONJA_SIM_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULER_BEGIN_NS UINT64_C(1000000000000)
#define US                 UINT64_C(1000)
#define MS                 UINT64_C(1000000)
#define SECOND             UINT64_C(1000000000)

enum { OWNERS_MAX = 16, WAIT_KEYS_MAX = 8, OWNER_NOBODY = OWNERS_MAX - 1 };

void scheduler_begin(uint64_t seed);
// Runs everything up to this time, or until `stop` (NULL = never) says so.
void scheduler_run(uint64_t until_ns, bool (*stop)(void));
uint64_t scheduler_now_ns(void);
uint64_t scheduler_switches(void);

uint64_t scheduler_random(uint64_t below);
uint64_t scheduler_between(uint64_t low, uint64_t high); // both included
bool scheduler_chance(uint32_t permille);

// Of 1,000 effects so many lose the processor, for up to `slice_ns`.
void scheduler_set_preemption(uint32_t permille, uint64_t slice_ns);

// Calls back at that time, outside of all fibers.
typedef void scheduler_callback(void *context, uint64_t number);
void scheduler_at(uint64_t time_ns, scheduler_callback *callback, void *context, uint64_t number);

// ---- fibers. An owner is a process of the venue.
typedef void fiber_main(void *context);
void *fiber_start(unsigned owner, fiber_main *main, void *context, uint64_t delay_ns);
bool fiber_is_done(const void *fiber);
// Within a fiber: its owner; OWNER_NOBODY outside of all.
unsigned fiber_owner(void);
void fiber_sleep(uint64_t ns);
// Waits until one of the keys is woken (true), or the time is over.
bool fiber_wait(const void *const *keys, unsigned count, uint64_t timeout_ns);
void fiber_wake(const void *key);
__attribute__((noreturn)) void fiber_end(void);
// None of its fibers runs again. If it is the running one's own, this does not return.
void owner_kill(unsigned owner);
// None of its fibers runs before that time.
void owner_pause(unsigned owner, uint64_t until_ns);

void scheduler_effect(void);
// The owner dies at the `effects`-th effect from now (0 = not): `died` is called first.
void owner_dies_at(unsigned owner, uint64_t effects, void (*died)(unsigned owner));

#endif
