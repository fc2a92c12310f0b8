// One slot between the two threads, under a mutex: the worker posts and rings, the loop takes it,
// and completes it at once (read) or when the command's last event has come (command).
#include "gateway/admin/desk.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

enum { HEARTBEAT_MS = 50, POLL_EVENTS = 256, POLLS_MAX = 16 };
enum slot_state { SLOT_FREE, SLOT_POSTED, SLOT_SENT, SLOT_COMPLETE };

struct desk {
    struct link link;
    struct follower *follower;
    struct view *view;
    int doorbell; // the worker's to the loop

    pthread_mutex_t lock;
    pthread_cond_t completed;
    enum slot_state state;
    bool stopping;
    desk_reader *read; // NULL = a command
    void *context;
    uint8_t type;
    const void *body, *tail;
    size_t body_bytes, tail_bytes;
    uint64_t gateway_seq; // of the command that was sent
    struct desk_answer *answer;
};

// ---- the loop's side

static void complete(struct desk *desk)
{
    desk->state = SLOT_COMPLETE;
    pthread_cond_signal(&desk->completed);
}

static void send_posted(struct desk *desk)
{
    struct command *command = link_claim(&desk->link, desk->type, desk->tail_bytes, 0, 0);
    if (!command) {
        desk->answer->outcome = DESK_NOT_ATTACHED;
        complete(desk);
        return;
    }
    memcpy(command->body.bytes, desk->body, desk->body_bytes);
    if (desk->tail_bytes > 0)
        memcpy(command_tail_writable(command), desk->tail, desk->tail_bytes);
    desk->gateway_seq = link_send(&desk->link);
    desk->state = SLOT_SENT;
}

static void on_doorbell(void *context, unsigned readiness)
{
    (void)readiness;
    struct desk *desk = context;
    uint64_t rings;
    ssize_t drained = read(desk->doorbell, &rings, sizeof rings);
    (void)drained; // empty already is as good
    pthread_mutex_lock(&desk->lock);
    if (desk->state == SLOT_POSTED && desk->read) {
        desk->read(desk->context, desk->view, desk->follower);
        complete(desk);
    } else if (desk->state == SLOT_POSTED) {
        send_posted(desk);
    }
    pthread_mutex_unlock(&desk->lock);
}

static void answer_with(struct desk *desk, const struct event *event)
{
    struct desk_answer *answer = desk->answer;
    if (answer->count < DESK_EVENTS_MAX)
        answer->events[answer->count++] = *event;
    if (event->header.type == EVT_rejected)
        answer->outcome = DESK_REJECTED;
    answer->cancelled += event->header.type == EVT_order_cancelled;
    answer->goes_on = event->header.type == EVT_done && event->body.done.more != 0;
    answer->sequence = event->header.sequence;
    if (event->header.last)
        complete(desk);
}

static void on_event(struct desk *desk, const struct event *event)
{
    uint64_t lost_above;
    view_apply(desk->view, event);
    bool attached = link_on_event(&desk->link, event, &lost_above);
    if (attached)
        log_info("attached epoch=%llu", (unsigned long long)desk->link.epoch);
    pthread_mutex_lock(&desk->lock);
    if (desk->state == SLOT_SENT) {
        if (attached && desk->gateway_seq > lost_above) {
            desk->answer->outcome = DESK_LOST;
            complete(desk);
        } else if (event->header.gateway == GATEWAY_ADMIN &&
                   event->header.gateway_seq == desk->gateway_seq) {
            answer_with(desk, event);
        }
    }
    pthread_mutex_unlock(&desk->lock);
}

static void poll_events(struct desk *desk)
{
    struct event events[POLL_EVENTS];
    for (int i = 0; i < POLLS_MAX; i++) {
        size_t count = follower_poll(desk->follower, events, POLL_EVENTS);
        for (size_t k = 0; k < count; k++)
            on_event(desk, &events[k]);
        if (count == 0)
            break;
    }
    link_heartbeat(&desk->link, follower_core(desk->follower), clock_monotone_ns(&clock_system));
}

static void on_heartbeat(void *context)
{
    poll_events(context);
}

static void on_events_doorbell(void *context,
                               unsigned readiness) // on_awake looks
{
    (void)readiness;
    loop_nap(context);
}

static bool before_sleep(void *context)
{
    struct desk *desk = context;
    return follower_sleep_begin(desk->follower);
}

static void on_awake(void *context)
{
    struct desk *desk = context;
    follower_sleep_end(desk->follower);
    poll_events(desk);
}

static bool watch(struct desk *desk, struct loop *loop)
{
    desk->doorbell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (desk->doorbell < 0)
        return false;
    loop_around_sleep(loop, before_sleep, on_awake, desk);
    return loop_watch(loop, desk->doorbell, LOOP_READ, on_doorbell, desk) != NULL &&
           loop_watch(loop, follower_doorbell_fd(desk->follower), LOOP_READ, on_events_doorbell,
                      loop) != NULL &&
           loop_every(loop, HEARTBEAT_MS, on_heartbeat, desk) != NULL;
}

struct desk *desk_open(const struct boot *boot, struct loop *loop)
{
    struct desk *desk = calloc(1, sizeof *desk);
    ASSERT(desk);
    pthread_condattr_t monotone;
    pthread_condattr_init(&monotone);
    pthread_condattr_setclock(&monotone, CLOCK_MONOTONIC);
    pthread_cond_init(&desk->completed, &monotone);
    pthread_mutex_init(&desk->lock, NULL);
    desk->view = view_create(boot);
    if (desk->view)
        desk->follower = follower_open(boot, view_load(desk->view, boot));
    if (desk->follower && link_open(&desk->link, boot, GATEWAY_ADMIN) == 0 && watch(desk, loop))
        return desk;
    desk_close(desk);
    return NULL;
}

void desk_close(struct desk *desk)
{
    follower_close(desk->follower);
    if (desk->view)
        view_destroy(desk->view);
    if (desk->doorbell > 0)
        close(desk->doorbell);
    free(desk);
}

void desk_stop(struct desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    desk->stopping = true;
    pthread_cond_signal(&desk->completed);
    pthread_mutex_unlock(&desk->lock);
}

// ---- the worker's side

static struct timespec deadline_in_ms(uint32_t ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += (long)(ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}

// Posts what the slot says and waits; true = completed. Called and left with the lock held.
static bool post_and_wait(struct desk *desk)
{
    struct timespec deadline = deadline_in_ms(DESK_WAIT_MS);
    uint64_t one = 1;
    ASSERT(desk->state == SLOT_FREE);
    desk->state = SLOT_POSTED;
    ASSERT(write(desk->doorbell, &one, sizeof one) == (ssize_t)sizeof one);
    while (desk->state != SLOT_COMPLETE && !desk->stopping)
        if (pthread_cond_timedwait(&desk->completed, &desk->lock, &deadline) == ETIMEDOUT)
            break;
    bool completed = desk->state == SLOT_COMPLETE;
    desk->state = SLOT_FREE;
    return completed;
}

void desk_command(struct desk *desk, struct desk_answer *answer, uint8_t type, const void *body,
                  size_t body_bytes, const void *tail, size_t tail_bytes)
{
    memset(answer, 0, offsetof(struct desk_answer, events));
    pthread_mutex_lock(&desk->lock);
    desk->read = NULL;
    desk->type = type;
    desk->body = body;
    desk->body_bytes = body_bytes;
    desk->tail = tail;
    desk->tail_bytes = tail_bytes;
    desk->answer = answer;
    if (!post_and_wait(desk))
        answer->outcome = DESK_UNKNOWN;
    pthread_mutex_unlock(&desk->lock);
}

bool desk_read(struct desk *desk, desk_reader *read_view, void *context)
{
    pthread_mutex_lock(&desk->lock);
    desk->read = read_view;
    desk->context = context;
    bool completed = post_and_wait(desk);
    pthread_mutex_unlock(&desk->lock);
    return completed;
}
