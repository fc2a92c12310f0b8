// plant_poison STATE: appends a command to the journal that makes the engine assert; prints its
// sequence.
#include <inttypes.h>
#include <stdio.h>

#include "core/testing.h"

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: plant_poison STATE\n", stderr);
        return 2;
    }
    printf("%" PRIu64 "\n", testing_plant_poison(argv[1]));
    return 0;
}
