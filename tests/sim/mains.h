// Mains: the processes' main functions as fibers; each file mains_*.c takes the shipped file in,
// its main under another name, so that what starts here is what starts there.
#ifndef LONJA_SIM_MAINS_H
#define LONJA_SIM_MAINS_H

void core_fiber(void *context);
void tape_fiber(void *context);
void record_fiber(void *context);
void settle_fiber(void *context);
void index_fiber(void *context);

// SIGTERM.
void core_ask_to_stop(void);
void tape_ask_to_stop(void);
void record_ask_to_stop(void);

#endif
