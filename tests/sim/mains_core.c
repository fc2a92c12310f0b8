#include "tests/sim/mains.h"

int core_main(void);
#define main core_main
#include "core/core_main.c"
#undef main

void core_fiber(void *context)
{
    (void)context;
    core_stop_asked = 0;
    exit(core_main());
}

void core_ask_to_stop(void)
{
    core_stop_asked = 1;
}
