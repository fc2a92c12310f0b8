#include "tests/sim/mains.h"

int record_main(void);
#define main record_main
#include "settlement/record_main.c"
#undef main

void record_fiber(void *context)
{
    (void)context;
    stopping = 0;
    exit(record_main());
}

void record_ask_to_stop(void)
{
    stopping = 1;
}
