// ASSERT: for our own faults (an invariant is broken, a journal is corrupt). It is on in every build:
// the venue recovers from its journal, and must not go on with a state that it cannot explain.
// The client's faults are reject codes, the world's faults are results (CHECKED).
#ifndef LONJA_BASE_ASSERT_H
#define LONJA_BASE_ASSERT_H

#include <stdlib.h>
#include <unistd.h>

// A function whose result must not be ignored.
#define CHECKED __attribute__((warn_unused_result))

// A function that few commands need: what calls it is not made for it.
#define COLD __attribute__((cold, noinline))

// Writes "file:line: assertion failed: text" to standard error and aborts. Safe in any thread and in the
// sandboxed core: one write(2), no allocation.
__attribute__((noreturn, cold)) void assert_failed(const char *file, int line, const char *text);

// An expression, so that every compiler sees, also without optimisation and under the thread
// sanitizer, that nothing follows ASSERT(false). What leads to a cold function is predicted not to
// happen.
#define ASSERT(condition) ((condition) ? (void)0 : assert_failed(__FILE__, __LINE__, #condition))

#endif
