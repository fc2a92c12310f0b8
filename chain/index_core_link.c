/* Happy path: `send` leaves a command, the thread puts it into the ring, the event that bears its
 * gateway_seq and is the last of its command is the answer. A core that restarts, or has detached
 * us, makes the answer LOST: whether the command was taken is asked by sending it again. */
#include "chain/index_core_link.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/follower.h"
#include "gateway/common/link.h"
#include "schema/rejects.h"

enum { EVENTS_AT_ONCE = 256, BEAT_MS = 50 };

enum state { IDLE, WAITS, SENT, ANSWERED };

struct index_core_link {
    /* Of the thread alone. */
    struct link link;
    struct follower *follower;
    uint64_t sent_seq; /* gateway_seq of what is under way */
    uint16_t reject_code;

    /* Shared, under the lock. */
    pthread_mutex_t lock;
    bool attached;
    enum state state;
    struct index_command command;
    struct index_answer answer;

    int answer_fd;
    int command_fd;
    _Atomic bool stop;
    pthread_t thread;
};

static void ring(int fd)
{
    uint64_t one = 1;
    if (write(fd, &one, sizeof(one)) != sizeof(one))
        ASSERT(errno == EAGAIN); /* it is rung already */
}

static void drain(int fd)
{
    uint64_t count;
    if (read(fd, &count, sizeof(count)) != sizeof(count))
        ASSERT(errno == EAGAIN);
}

/* ---- the thread ---- */

static void set_attached(struct index_core_link *core, bool attached)
{
    pthread_mutex_lock(&core->lock);
    core->attached = attached;
    pthread_mutex_unlock(&core->lock);
}

static void answer(struct index_core_link *core, enum index_answer_kind kind, uint64_t sequence,
                   uint16_t reject_code)
{
    pthread_mutex_lock(&core->lock);
    if (core->state == SENT || (core->state == WAITS && kind == INDEX_ANSWER_LOST)) {
        core->state = ANSWERED;
        core->answer = (struct index_answer){kind, sequence, reject_code};
    }
    pthread_mutex_unlock(&core->lock);
    core->sent_seq = 0;
    ring(core->answer_fd);
}

static void on_attached(struct index_core_link *core)
{
    log_info("attached to the core epoch=%llu", (unsigned long long)core->link.epoch);
    answer(core, INDEX_ANSWER_LOST, 0, 0);
    set_attached(core, true);
}

/* The core has given us up (a beat came too late): attach again under the same epoch. */
static void on_not_attached(struct index_core_link *core)
{
    log_warning("the core has detached this gateway: attaching again");
    core->link.attached = false;
    core->link.epoch = 0;
    set_attached(core, false);
    answer(core, INDEX_ANSWER_LOST, 0, 0);
}

static bool is_answer(const struct index_core_link *core, const struct event *event)
{
    return core->link.attached && core->sent_seq != 0 && event->header.gateway == GATEWAY_INDEX &&
           event->header.gateway_seq == core->sent_seq;
}

static void on_event(struct index_core_link *core, const struct event *event)
{
    uint64_t lost_above;
    if (link_on_event(&core->link, event, &lost_above)) {
        on_attached(core);
        return;
    }
    if (!is_answer(core, event))
        return;
    if (event->header.type == EVT_rejected) {
        if (event->body.rejected.code == REJECT_NOT_ATTACHED)
            on_not_attached(core);
        else
            answer(core, INDEX_ANSWER_REFUSED, event->header.sequence, event->body.rejected.code);
    } else if (event->header.last != 0) {
        answer(core, INDEX_ANSWER_DONE, event->header.sequence, 0);
    }
}

static bool waiting(struct index_core_link *core, struct index_command *out)
{
    pthread_mutex_lock(&core->lock);
    bool waits = core->state == WAITS;
    *out = core->command;
    pthread_mutex_unlock(&core->lock);
    return waits;
}

static void send_waiting(struct index_core_link *core)
{
    struct index_command wanted;
    if (!waiting(core, &wanted))
        return;
    struct command *command = link_claim(&core->link, wanted.type, 0, 0, 0);
    if (command == NULL)
        return; /* not attached, or no room: the next beat tries again */
    if (wanted.type == CMD_ledger_post)
        command->body.ledger_post = wanted.body.ledger_post;
    else
        command->body.breaker_set = wanted.body.breaker_set;
    pthread_mutex_lock(&core->lock);
    core->state = SENT;
    pthread_mutex_unlock(&core->lock);
    core->sent_seq = link_send(&core->link);
}

static bool read_events(struct index_core_link *core, struct event *events)
{
    size_t count = follower_poll(core->follower, events, EVENTS_AT_ONCE);
    for (size_t i = 0; i < count; i++)
        on_event(core, &events[i]);
    return count > 0;
}

static void wait_for_work(struct index_core_link *core)
{
    struct pollfd fds[2] = {{.fd = core->command_fd, .events = POLLIN},
                            {.fd = follower_doorbell_fd(core->follower), .events = POLLIN}};
    if (follower_sleep_begin(core->follower) && poll(fds, 2, BEAT_MS) < 0)
        ASSERT(errno == EINTR);
    /* Nearly all events are other people's: those of the next millisecond are read together. */
    if (fds[1].revents != 0 && poll(fds, 1, READER_NAP_MS) < 0)
        ASSERT(errno == EINTR);
    follower_sleep_end(core->follower);
    drain(core->command_fd);
}

static void *link_thread(void *context)
{
    struct index_core_link *core = context;
    static struct event events[EVENTS_AT_ONCE];
    while (!atomic_load_explicit(&core->stop, memory_order_relaxed)) {
        bool has_read = read_events(core, events);
        link_heartbeat(&core->link, follower_core(core->follower),
                       clock_monotone_ns(&clock_system));
        if (!core->link.attached)
            set_attached(core, false);
        send_waiting(core);
        if (!has_read)
            wait_for_work(core);
    }
    return NULL;
}

/* ---- life ---- */

static bool no_record(void *context, const struct snapshot_record *record)
{
    (void)context;
    (void)record;
    return true;
}

struct index_core_link *index_core_link_open(const struct boot *boot)
{
    struct index_core_link *core = calloc(1, sizeof(*core));
    ASSERT(core != NULL);
    int opened = link_open(&core->link, boot, GATEWAY_INDEX);
    if (opened == 0) /* what was before us is nobody's answer */
        core->follower = follower_open(boot, follower_load_snapshot(boot, no_record, NULL));
    if (opened != 0 || core->follower == NULL) {
        log_error("the rings cannot be mapped error=\"%s\"", strerror(-opened));
        free(core);
        return NULL;
    }
    pthread_mutex_init(&core->lock, NULL);
    core->answer_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    core->command_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(core->answer_fd >= 0 && core->command_fd >= 0);
    ASSERT(pthread_create(&core->thread, NULL, link_thread, core) == 0);
    return core;
}

void index_core_link_close(struct index_core_link *core)
{
    atomic_store_explicit(&core->stop, true, memory_order_relaxed);
    ring(core->command_fd);
    pthread_join(core->thread, NULL);
    follower_close(core->follower);
    command_ring_close(&core->link.ring);
    close(core->answer_fd);
    close(core->command_fd);
    pthread_mutex_destroy(&core->lock);
    free(core);
}

/* ---- the indexer's side ---- */

static bool ops_send(void *context, const struct index_command *command)
{
    struct index_core_link *core = context;
    ASSERT(command->type == CMD_ledger_post || command->type == CMD_breaker_set);
    pthread_mutex_lock(&core->lock);
    bool taken = core->attached && core->state == IDLE;
    if (taken) {
        core->command = *command;
        core->state = WAITS;
    }
    pthread_mutex_unlock(&core->lock);
    if (taken)
        ring(core->command_fd);
    return taken;
}

static struct index_answer ops_poll(void *context)
{
    struct index_core_link *core = context;
    struct index_answer out = {.kind = INDEX_ANSWER_NONE};
    pthread_mutex_lock(&core->lock);
    if (core->state == ANSWERED) {
        out = core->answer;
        core->state = IDLE;
    }
    pthread_mutex_unlock(&core->lock);
    return out;
}

struct index_core_ops index_core_link_ops(struct index_core_link *core)
{
    return (struct index_core_ops){.context = core, .send = ops_send, .poll = ops_poll};
}

int index_core_link_fd(const struct index_core_link *core)
{
    return core->answer_fd;
}

void index_core_link_drain(struct index_core_link *core)
{
    drain(core->answer_fd);
}
