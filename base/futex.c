#include "base/futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"

static struct timespec futex_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u)};
}

// Waking early is allowed; every other failure is a wrong argument, hence our own fault.
static void futex_check(long result)
{
    ASSERT(result >= 0 || errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT);
}

void futex_wait(const _Atomic uint32_t *address, uint32_t seen, uint64_t timeout_ns)
{
    struct timespec span = futex_timespec(timeout_ns);
    futex_check(syscall(SYS_futex, address, FUTEX_WAIT, seen, &span, NULL, 0));
}

void futex_wait_any(const struct futex_word *words, unsigned count, uint64_t timeout_ns)
{
    ASSERT(count >= 1 && count <= FUTEX_WORDS_MAX);
    struct futex_waitv waiters[FUTEX_WORDS_MAX];
    memset(waiters, 0, sizeof waiters);
    for (unsigned i = 0; i < count; i++) {
        waiters[i].uaddr = (uintptr_t)words[i].address;
        waiters[i].val = words[i].seen;
        waiters[i].flags = FUTEX_32;
    }
    struct timespec until = futex_timespec(clock_monotone_ns(&clock_system) + timeout_ns);
    futex_check(syscall(SYS_futex_waitv, waiters, count, 0, &until, CLOCK_MONOTONIC));
}

void futex_wake(const _Atomic uint32_t *address)
{
    ASSERT(syscall(SYS_futex, address, FUTEX_WAKE, INT_MAX, NULL, NULL, 0) >= 0);
}
