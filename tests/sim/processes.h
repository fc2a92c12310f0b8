// Processes: what the supervisor does. Starts every process with a boot record, rings and pages of
// its own, vouches for its incarnation, starts it again when it has died; kills it when the weather
// (weather.h) says so; and pulls the plug of the machine.
//
// core, tape and record are the shipped main functions, run as fibers; the gateways, the
// administrator and the loop around the settlement worker are the simulator's.
#ifndef LONJA_SIM_PROCESSES_H
#define LONJA_SIM_PROCESSES_H

#include <stdbool.h>

#include "base/boot.h"
#include "base/event_ring.h"

void processes_begin(void);
const char *processes_name(unsigned owner);
bool processes_is_alive(enum process_id process);
// Every process that the simulator has runs.
bool processes_all_alive(void);
uint64_t processes_deaths(void);

// Dies now; is started again after a while.
void processes_kill(enum process_id process, const char *why);
// Dies at its `effects`-th effect from now, in the middle of whatever it does then.
void processes_kill_at(enum process_id process, uint64_t effects);
// Asks core, tape or recorder to stop (SIGTERM).
void processes_ask_to_stop(enum process_id process);
// What it publishes next in its command ring is what no honest gateway can have written. The core
// has to shut the ring, and the gateway to notice and end.
void processes_lie(enum process_id process);
bool processes_lies_now(unsigned owner); // once
// Called by system.c when the process itself ends; or asserts.
void processes_exited(unsigned owner, int status);
bool processes_may_abort(unsigned owner);
// All die, what was not synced is lost, memory is gone; started again after a while.
void processes_power_failure(void);
// The same at the `effects`-th effect of a process from now.
void processes_power_failure_at(enum process_id process, uint64_t effects);
// From now on what died is started again soon.
void processes_calm(void);

// Of the machine as it runs now; for the checks.
const struct event_ring_control *processes_core(void);
const struct boot *processes_boot(enum process_id process);

#endif
