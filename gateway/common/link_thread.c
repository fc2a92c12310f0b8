#include "gateway/common/link_thread.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/doorbell.h"
#include "base/log.h"

enum { BEAT_MS = 50 };

static void set_attached(struct link_thread *thread, bool attached)
{
    pthread_mutex_lock(&thread->lock);
    thread->attached = attached;
    pthread_mutex_unlock(&thread->lock);
}

void link_thread_detached(struct link_thread *thread)
{
    log_warning("the core has detached this gateway: attaching again");
    thread->link.attached = false;
    thread->link.epoch = 0;
    set_attached(thread, false);
}

static void take(struct link_thread *thread, const struct event *event)
{
    uint64_t lost_above;

    if (!link_on_event(&thread->link, event, &lost_above)) {
        thread->owner.on_event(thread->owner.context, event);
        return;
    }
    log_info("attached to the core epoch=%llu", (unsigned long long)thread->link.epoch);
    thread->owner.on_attached(thread->owner.context);
    set_attached(thread, true);
}

// False: there was none, or no room.
static bool read_events(struct link_thread *thread)
{
    size_t room = thread->owner.room(thread->owner.context);
    size_t count = follower_poll(thread->follower, thread->events,
                                 room < LINK_THREAD_EVENTS_MAX ? room : LINK_THREAD_EVENTS_MAX);

    for (size_t i = 0; i < count; i++)
        take(thread, &thread->events[i]);
    thread->owner.on_read(thread->owner.context, follower_sequence(thread->follower));
    return count > 0;
}

static void wait_for_work(struct link_thread *thread)
{
    struct pollfd fds[2] = {{.fd = thread->request_fd, .events = POLLIN},
                            {.fd = follower_doorbell_fd(thread->follower), .events = POLLIN}};
    bool has_room = thread->owner.room(thread->owner.context) > 0;
    bool may_sleep = follower_sleep_begin(thread->follower);

    if ((may_sleep || !has_room) && poll(fds, has_room ? 2 : 1, BEAT_MS) < 0)
        ASSERT(errno == EINTR);
    // Nearly all events are other people's: those of the next millisecond are read together.
    if (fds[1].revents != 0 && poll(fds, 1, READER_NAP_MS) < 0)
        ASSERT(errno == EINTR);
    follower_sleep_end(thread->follower);
    doorbell_silence(thread->request_fd);
}

static void *run(void *context)
{
    struct link_thread *thread = context;

    while (!atomic_load_explicit(&thread->stop, memory_order_relaxed)) {
        bool has_read = read_events(thread);
        link_heartbeat(&thread->link, follower_core(thread->follower),
                       clock_monotone_ns(&clock_system));
        if (!thread->link.attached)
            set_attached(thread, false);
        thread->owner.send(thread->owner.context);
        if (!has_read)
            wait_for_work(thread);
    }
    return NULL;
}

bool link_thread_open(struct link_thread *thread, const struct boot *boot, enum gateway_id gateway,
                      const struct link_thread_owner *owner)
{
    int opened = link_open(&thread->link, boot, gateway);

    if (opened != 0) {
        log_error("the command ring cannot be mapped error=\"%s\"", strerror(-opened));
        return false;
    }
    thread->owner = *owner;
    pthread_mutex_init(&thread->lock, NULL);
    thread->answer_fd = doorbell_open();
    thread->request_fd = doorbell_open();
    return true;
}

static bool no_record(void *context, const struct snapshot_record *record)
{
    (void)context;
    (void)record;
    return true;
}

uint64_t link_thread_newest(const struct boot *boot)
{
    return follower_load_snapshot(boot, no_record, NULL);
}

bool link_thread_start(struct link_thread *thread, const struct boot *boot, uint64_t after_sequence)
{
    ASSERT(thread->follower == NULL);
    thread->follower = follower_open(boot, after_sequence);
    if (thread->follower == NULL)
        return false;
    ASSERT(pthread_create(&thread->thread, NULL, run, thread) == 0);
    return true;
}

void link_thread_close(struct link_thread *thread)
{
    if (thread->follower != NULL) {
        atomic_store_explicit(&thread->stop, true, memory_order_relaxed);
        doorbell_ring(thread->request_fd);
        pthread_join(thread->thread, NULL);
        follower_close(thread->follower);
    }
    command_ring_close(&thread->link.ring);
    close(thread->answer_fd);
    close(thread->request_fd);
    pthread_mutex_destroy(&thread->lock);
}
