// Help: what `lonja --help` and `lonja COMMAND --help` say.
#ifndef LONJA_SUPERVISOR_HELP_H
#define LONJA_SUPERVISOR_HELP_H

#include <stdbool.h>

// Prints the help of a command (NULL = of all) to standard output; false if it has none here (a sibling
// executable then answers for itself).
bool help_print(const char *command);

// Prints how a command is called to standard error; returns the exit status 2.
int help_usage(const char *command);

#endif
