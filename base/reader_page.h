// Reader page: one small writable page per reader of the event ring, made by the supervisor, mapped by the
// reader (to write) and by the core (to read `sleeping`, and to wake). It carries nothing the core trusts:
// a wrong value can only cost the reader its own wake-up. The one exception is lonja-replicate, which says
// how far standbys are: it can hold the gate shut, or open it for what is durable here and nowhere else.
//
// Sleep protocol (reader):  sleeping = LISTENS; fence; look once more; if nothing, wait on the doorbell (an
// eventfd, for event loops), or say so (WAITS) and wait on the futex `wake`; sleeping = AWAKE.
// Wake protocol (journal thread, once per block): for each page whose reader sleeps: sleeping = AWAKE, and by what
// it was ring the doorbell, or bump `wake` and wake the futex: one system call, while somebody waits for the next.
#ifndef LONJA_BASE_READER_PAGE_H
#define LONJA_BASE_READER_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/trouble.h"

enum { READER_NAP_MS = 1 };
enum reader_sleep { READER_AWAKE = 0, READER_LISTENS = 1, READER_WAITS = 2 };

// What lonja-replicate knows of this venue's right to go on.
enum replica_verdict {
    REPLICA_UNKNOWN = 0,  // no standby has followed in this life of lonja-replicate
    REPLICA_FOLLOWED = 1, // position_seq says how far
    REPLICA_DEGRADED = 2, // an operator said that the gate need not wait for a standby
    REPLICA_FENCED = 3,   // another host was promoted: nothing of this one counts any more
};

struct reader_page {
    _Alignas(64) _Atomic uint64_t position_seq; // last sequence this reader has dealt with (lag, for ops)
    _Atomic uint64_t heartbeat_ns;
    _Atomic uint32_t sleeping; // enum reader_sleep
    _Atomic uint32_t wake;
    _Atomic uint64_t snapshot_seq;       // tape only: sequence of the last snapshot it made or began with
    _Atomic uint64_t snapshots_failed;   // tape only: times one could not be written since it started
    _Atomic uint32_t trouble;            // enum trouble: what hinders it now, by its own words
    // Of lonja-replicate only, where position_seq is what the standbys have.
    _Alignas(64) _Atomic uint32_t answers; // bumped, and woken as a futex, when the rest has changed
    _Atomic uint32_t verdict;              // enum replica_verdict
    _Atomic uint32_t standbys;             // that follow now
    uint8_t pad[4096 - 128];
};
_Static_assert(sizeof(struct reader_page) == 4096, "one page");

CHECKED int reader_page_open(struct reader_page **page, int fd);
// For `lonja status`; a page of NULL is nobody's.
void reader_page_tell(struct reader_page *page, enum trouble trouble);
// True if the caller may sleep: `sleeping` is set and durable_seq is still `seen_seq`.
bool reader_page_sleep_begin(struct reader_page *page, const _Atomic uint64_t *durable_seq, uint64_t seen_seq);
void reader_page_sleep_end(struct reader_page *page);
// Waits on the futex at most timeout_ns (threads without an event loop).
void reader_page_wait(struct reader_page *page, uint64_t timeout_ns);
// The same where nobody waits for the reader: once woken it sleeps for another nap_ms (below 1,000), so that what comes
// meanwhile is found together. Being woken for every block costs the journal's thread a system call between two writes,
// and the processor that somebody else waits for.
void reader_page_wait_patiently(struct reader_page *page, uint64_t timeout_ns, unsigned nap_ms);
// Called by the core's journal thread. doorbell_fd -1 = none.
void reader_page_wake(struct reader_page *page, int doorbell_fd);

#endif
