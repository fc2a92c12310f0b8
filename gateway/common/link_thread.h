// The link to the core on a thread of its own, for a process that waits for others (Postgres, a
// node) while the link must beat every 100 ms: settlement and the indexer. The thread attaches,
// beats, reads events and puts commands into the ring; the process meets it at the lock and at two
// doorbells, nowhere else.
//
// The owner's functions run on the thread, without the lock. `link` and `follower` are the thread's
// from link_thread_start on; `attached` is shared, under the lock.
#ifndef LONJA_GATEWAY_COMMON_LINK_THREAD_H
#define LONJA_GATEWAY_COMMON_LINK_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/assert.h"
#include "core/follower.h"
#include "gateway/common/link.h"

enum { LINK_THREAD_EVENTS_MAX = 256 }; // read at once

struct link_thread_owner {
    void *context;
    // How many events there is room for, more than any number if it does not matter. Without room
    // nothing is read, but the beat goes on; the process rings request_fd when there is room again.
    size_t (*room)(void *context);
    // Before `attached` is true: what was sent and not answered is lost sight of.
    void (*on_attached)(void *context);
    void (*on_event)(void *context, const struct event *event);
    // After the events that were read at once, or none; `sequence` is the follower's.
    void (*on_read)(void *context, uint64_t sequence);
    // Puts what waits into the ring, as far as the link takes it.
    void (*send)(void *context);
};

struct link_thread {
    struct link link;
    struct follower *follower; // NULL: not started
    struct link_thread_owner owner;

    pthread_mutex_t lock;
    bool attached;

    struct event events[LINK_THREAD_EVENTS_MAX]; // read at once: the thread's

    int answer_fd;  // rung by the owner's functions; the process polls it
    int request_fd; // rung by the process
    _Atomic bool stop;
    pthread_t thread;
};

// False, the reason logged, when the ring cannot be mapped.
CHECKED bool link_thread_open(struct link_thread *thread, const struct boot *boot,
                              enum gateway_id gateway, const struct link_thread_owner *owner);
// The newest sequence that a snapshot has: to begin where what was before is nobody's matter.
uint64_t link_thread_newest(const struct boot *boot);
// Follows the events after that sequence. False when they cannot be mapped.
CHECKED bool link_thread_start(struct link_thread *thread, const struct boot *boot,
                               uint64_t after_sequence);
// Stops the thread, if it was started.
void link_thread_close(struct link_thread *thread);

// By the owner's on_event: the core has given us up (a beat came too late); attach again under the
// same epoch.
void link_thread_detached(struct link_thread *thread);

#endif
