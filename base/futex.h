// Futex: sleeping and waking over words in shared memory. A wait may return early for no reason;
// callers look again. Timeouts are spans, not points in time.
#ifndef LONJA_BASE_FUTEX_H
#define LONJA_BASE_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

enum { FUTEX_WORDS_MAX = 16 };

struct futex_word {
    const _Atomic uint32_t *address;
    uint32_t seen; // sleep only while the word still has this value
};

void futex_wait(const _Atomic uint32_t *address, uint32_t seen, uint64_t timeout_ns);
// Waits until one of `count` (1..FUTEX_WORDS_MAX) words changes.
void futex_wait_any(const struct futex_word *words, unsigned count, uint64_t timeout_ns);
void futex_wake(const _Atomic uint32_t *address); // all who wait on it

#endif
