// Calls that fail once. A test that links lonja_core_testing_calls has the calls of libc, of zstd
// and of base/ that testing_calls.c names go through it (--wrap), those of this folder's sources
// and its own: the n-th of one name, or of all of them, fails without doing anything. Threads: any,
// but who lets fail and asks is one.
#ifndef LONJA_CORE_TESTING_CALLS_H
#define LONJA_CORE_TESTING_CALLS_H

#include <stdbool.h>

// The call number `at` from now (from 1; 0 = none) of `name` (NULL = of any name) fails with
// `error`. A pwrite that fails with error 0 writes the first half.
void testing_calls_fail(const char *name, unsigned at, int error);
// Before the call number `at` from now of `name` this happens; the call itself is made.
void testing_calls_before(const char *name, unsigned at, void (*happens)(void));
// True if it has been met. None fails from now on.
bool testing_calls_failed(void);
// For a test that wraps a call itself: true if this one of `name` fails; errno is set.
bool testing_calls_fails(const char *name);

#endif
