#include "tests/sim/mains.h"

int tape_main(int count, char **words);
#define main tape_main
#include "core/tape_main.c"
#undef main

void tape_fiber(void *context)
{
    (void)context;
    tape_stop_asked = 0;
    static char name[] = "lonja-tape";
    exit(tape_main(1, (char *[]){name, NULL}));
}

void tape_ask_to_stop(void)
{
    tape_stop_asked = 1;
}
