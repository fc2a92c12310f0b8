#include "tests/sim/mains.h"

int record_main(int count, char **words);
#define main record_main
#include "settlement/record_main.c"
#undef main

void record_fiber(void *context)
{
    (void)context;
    stopping = 0;
    static char name[] = "lonja-record";
    exit(record_main(1, (char *[]){name, NULL}));
}

void record_ask_to_stop(void)
{
    stopping = 1;
}
