// Whoever wakes exchanges `sleeping` and so learns how. A reader that goes to wait on the futex
// first reads `wake`, then says so in `sleeping`: either it finds that it was woken, or whoever
// wakes it finds it waiting, and the futex sees that `wake` has changed.
#include "base/reader_page.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/futex.h"
#include "base/memfile.h"

int reader_page_open(struct reader_page **page, int fd)
{
    void *memory;
    int result = memfile_map(&memory, fd, sizeof **page, true);
    if (result == 0)
        *page = memory;
    return result;
}

void reader_page_tell(struct reader_page *page, enum trouble trouble)
{
    if (page != NULL)
        atomic_store_explicit(&page->trouble, (uint32_t)trouble, memory_order_relaxed);
}

bool reader_page_sleep_begin(struct reader_page *page, const _Atomic uint64_t *durable_seq,
                             uint64_t seen_seq)
{
    atomic_store_explicit(&page->sleeping, READER_LISTENS, memory_order_relaxed);
    // Full fence: pairs with the one in reader_page_wake; either it sees `sleeping`, or we see its
    // durable_seq.
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(durable_seq, memory_order_acquire) == seen_seq)
        return true;
    reader_page_sleep_end(page);
    return false;
}

void reader_page_sleep_end(struct reader_page *page)
{
    atomic_store_explicit(&page->sleeping, READER_AWAKE, memory_order_relaxed);
}

void reader_page_wait(struct reader_page *page, uint64_t timeout_ns)
{
    uint32_t seen = atomic_load_explicit(&page->wake, memory_order_acquire);
    uint32_t state = READER_LISTENS;
    // Acquire-release: `wake` was read before, and what was published by who woke us is seen.
    if (atomic_compare_exchange_strong_explicit(&page->sleeping, &state, READER_WAITS,
                                                memory_order_acq_rel, memory_order_acquire))
        futex_wait(&page->wake, seen, timeout_ns);
}

void reader_page_wait_patiently(struct reader_page *page, uint64_t timeout_ns, unsigned nap_ms)
{
    reader_page_wait(page, timeout_ns);
    bool woken = atomic_load_explicit(&page->sleeping, memory_order_relaxed) == READER_AWAKE;
    const struct timespec nap = {.tv_nsec = nap_ms * 1000000L};
    if (woken)
        nanosleep(&nap, NULL);
}

void reader_page_wake(struct reader_page *page, int doorbell_fd)
{
    // Full fence: durable_seq is visible before we look who sleeps.
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&page->sleeping, memory_order_relaxed) == READER_AWAKE)
        return;
    uint32_t state = atomic_exchange_explicit(&page->sleeping, READER_AWAKE, memory_order_acq_rel);
    if (state == READER_WAITS) {
        atomic_fetch_add_explicit(&page->wake, 1, memory_order_release);
        futex_wake(&page->wake);
    } else if (doorbell_fd >= 0) {
        uint64_t one = 1;
        // EAGAIN means that the bell has rung 2^64-2 times unanswered: it is audible.
        ssize_t ignored = write(doorbell_fd, &one, sizeof one);
        (void)ignored;
    }
}
