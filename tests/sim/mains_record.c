#include "tests/sim/mains.h"

int record_main(void);
#define main record_main
#include "settlement/record_main.c"
#undef main

void record_fiber(void *context)
{
    (void)context;
    exit(record_main());
}
