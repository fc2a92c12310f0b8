#include "tests/sim/mains.h"

int record_main(int count, char **words);
#define main record_main
#include "settlement/record_main.c"
#undef main

// What lonja-record does besides, with a real server; nobody asks for it here.
int record_rebuild(const struct boot *boot, bool anew, const volatile sig_atomic_t *stop)
{
    (void)boot, (void)anew, (void)stop;
    ASSERT(false);
}

int record_digest(const struct boot *boot)
{
    (void)boot;
    ASSERT(false);
}

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
