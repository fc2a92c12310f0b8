// Administrator: the process that fills the venue in, on the real link and follower, and now and
// then moves an instrument through its phases. What it says at every attach changes nothing the
// second time: ids and reference numbers are the same.
#ifndef LONJA_SIM_ADMINISTRATOR_H
#define LONJA_SIM_ADMINISTRATOR_H

#include <stdbool.h>

void administrator_main(void *context); // its struct boot
// No more changes of phases, but back to continuous trading.
void administrator_stop(void);
bool administrator_has_filled(void); // once, durably

#endif
