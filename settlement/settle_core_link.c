#include "settlement/settle_core_link.h"

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

// Powers of two. Results in flight and waiting are together the worker's SETTLE_RESULTS_MAX at
// most.
enum { OUTGOING_MAX = 512, SENT_MAX = 1024, ANSWERS_MAX = 1024 };
enum { EVENTS_AT_ONCE = 256, BEAT_MS = 50 };

struct settle_core_link {
    // Of the thread alone, but for what happens before it is started.
    const struct boot *boot;
    struct link link;
    struct follower *follower;
    uint64_t attach_seq;         // gateway_seq of the attach; results of this life are above it
    uint64_t sent_ref[SENT_MAX]; // by gateway_seq
    bool started;

    // Shared, under the lock.
    pthread_mutex_t lock;
    bool attached;
    size_t restarts_unseen; // RESTARTED in the queue: nothing is taken before they are polled
    uint64_t sequence;
    uint64_t outgoing_head, outgoing_tail;
    struct settlement_result_cmd outgoing[OUTGOING_MAX];
    uint64_t answer_head, answer_tail;
    struct settle_answer answers[ANSWERS_MAX];

    int answer_fd;   // rung by the thread
    int outgoing_fd; // rung by the worker
    _Atomic bool stop;
    pthread_t thread;
};

static void ring(int fd)
{
    uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) != sizeof(one))
        ASSERT(errno == EAGAIN); // it is rung already
}

static void drain(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) != sizeof(count))
        ASSERT(errno == EAGAIN);
}

// There is room: the thread polls for no more events than that.
static void answer(struct settle_core_link *core, enum settle_answer_kind kind, uint64_t ref_number,
                   uint16_t reject_code)
{
    pthread_mutex_lock(&core->lock);
    ASSERT(core->answer_tail - core->answer_head < ANSWERS_MAX);
    core->answers[core->answer_tail++ % ANSWERS_MAX] =
        (struct settle_answer){.kind = kind, .ref_number = ref_number, .reject_code = reject_code};
    pthread_mutex_unlock(&core->lock);
}

static size_t answer_room(struct settle_core_link *core)
{
    size_t room;

    pthread_mutex_lock(&core->lock);
    room = ANSWERS_MAX - (size_t)(core->answer_tail - core->answer_head);
    pthread_mutex_unlock(&core->lock);
    return room;
}

static void set_attached(struct settle_core_link *core, bool attached)
{
    pthread_mutex_lock(&core->lock);
    core->attached = attached;
    pthread_mutex_unlock(&core->lock);
}

// The core has given us up (a beat came too late): attach again under the same epoch.
static void on_not_attached(struct settle_core_link *core)
{
    log_warning("the core has detached this gateway: attaching again");
    core->link.attached = false;
    core->link.epoch = 0;
    set_attached(core, false);
}

// Whatever waits to go out is the worker's to send again, from the right place on.
static void on_attached(struct settle_core_link *core)
{
    log_info("attached to the core epoch=%llu", (unsigned long long)core->link.epoch);
    core->attach_seq = core->link.gateway_seq;
    answer(core, SETTLE_ANSWER_RESTARTED, 0, 0);
    pthread_mutex_lock(&core->lock);
    core->outgoing_head = core->outgoing_tail;
    core->restarts_unseen++;
    core->attached = true;
    pthread_mutex_unlock(&core->lock);
}

// The result that an answer without a number is about; 0 = none of ours.
static uint64_t ref_of(const struct settle_core_link *core, const struct event *event)
{
    uint64_t seq = event->header.gateway_seq;

    if (!core->link.attached || event->header.gateway != GATEWAY_SETTLE ||
        seq <= core->attach_seq || seq > core->link.gateway_seq)
        return 0;
    ASSERT(core->link.gateway_seq - seq < SENT_MAX);
    return core->sent_ref[seq % SENT_MAX];
}

static void on_event(struct settle_core_link *core, const struct event *event)
{
    uint64_t lost_above;
    uint64_t ref;

    if (link_on_event(&core->link, event, &lost_above)) {
        on_attached(core);
        return;
    }
    ref = ref_of(core, event);
    if (event->header.type == EVT_settlement_booked)
        answer(core, SETTLE_ANSWER_BOOKED, event->body.settlement_booked.ref_number, 0);
    else if (event->header.type == EVT_done && ref != 0)
        answer(core, SETTLE_ANSWER_BOOKED, ref, 0);
    else if (event->header.type == EVT_rejected && ref != 0) {
        if (event->body.rejected.code == REJECT_NOT_ATTACHED)
            on_not_attached(core);
        else
            answer(core, SETTLE_ANSWER_REFUSED, ref, event->body.rejected.code);
    }
}

static bool outgoing_first(struct settle_core_link *core, struct settlement_result_cmd *out)
{
    bool has;

    pthread_mutex_lock(&core->lock);
    has = core->outgoing_head < core->outgoing_tail;
    if (has)
        *out = core->outgoing[core->outgoing_head % OUTGOING_MAX];
    pthread_mutex_unlock(&core->lock);
    return has;
}

static void send_outgoing(struct settle_core_link *core)
{
    struct settlement_result_cmd body;

    while (outgoing_first(core, &body)) {
        struct command *command = link_claim(&core->link, CMD_settlement_result, 0, 0, 0);
        if (command == NULL)
            return; // not attached, or no room: the next beat tries again
        command->body.settlement_result = body;
        core->sent_ref[link_send(&core->link) % SENT_MAX] = body.ref_number;
        pthread_mutex_lock(&core->lock);
        core->outgoing_head++;
        pthread_mutex_unlock(&core->lock);
    }
}

// Reads events, as far as there is room for their answers. False: there was none, or no room.
static bool read_events(struct settle_core_link *core, struct event *events)
{
    size_t room = answer_room(core);
    size_t count =
        follower_poll(core->follower, events, room < EVENTS_AT_ONCE ? room : EVENTS_AT_ONCE);
    uint64_t answers = core->answer_tail; // this thread alone moves it

    for (size_t i = 0; i < count; i++)
        on_event(core, &events[i]);
    pthread_mutex_lock(&core->lock);
    core->sequence = follower_sequence(core->follower);
    pthread_mutex_unlock(&core->lock);
    if (core->answer_tail != answers)
        ring(core->answer_fd);
    return count > 0;
}

// Without room for answers the worker is what is waited for, and it rings outgoing_fd.
static void wait_for_work(struct settle_core_link *core)
{
    struct pollfd fds[2] = {{.fd = core->outgoing_fd, .events = POLLIN},
                            {.fd = follower_doorbell_fd(core->follower), .events = POLLIN}};
    bool has_room = answer_room(core) > 0;
    bool may_sleep = follower_sleep_begin(core->follower);

    if ((may_sleep || !has_room) && poll(fds, has_room ? 2 : 1, BEAT_MS) < 0)
        ASSERT(errno == EINTR);
    // Nearly all events are other people's: those of the next millisecond are read together.
    if (fds[1].revents != 0 && poll(fds, 1, READER_NAP_MS) < 0)
        ASSERT(errno == EINTR);
    follower_sleep_end(core->follower);
    drain(core->outgoing_fd);
}

static void *link_thread(void *context)
{
    struct settle_core_link *core = context;
    static struct event events[EVENTS_AT_ONCE];

    while (!atomic_load_explicit(&core->stop, memory_order_relaxed)) {
        bool has_read = read_events(core, events);
        link_heartbeat(&core->link, follower_core(core->follower),
                       clock_monotone_ns(&clock_system));
        if (!core->link.attached)
            set_attached(core, false);
        send_outgoing(core);
        if (!has_read)
            wait_for_work(core);
    }
    return NULL;
}

static bool no_record(void *context, const struct snapshot_record *record)
{
    (void)context;
    (void)record;
    return true;
}

struct settle_core_link *settle_core_link_open(const struct boot *boot)
{
    struct settle_core_link *core = calloc(1, sizeof(*core));

    ASSERT(core != NULL);
    core->boot = boot;
    int opened = link_open(&core->link, boot, GATEWAY_SETTLE);
    if (opened != 0) {
        log_error("the command ring cannot be mapped error=\"%s\"", strerror(-opened));
        free(core);
        return NULL;
    }
    pthread_mutex_init(&core->lock, NULL);
    core->answer_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    core->outgoing_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(core->answer_fd >= 0 && core->outgoing_fd >= 0);
    return core;
}

void settle_core_link_close(struct settle_core_link *core)
{
    if (core->started) {
        atomic_store_explicit(&core->stop, true, memory_order_relaxed);
        ring(core->outgoing_fd);
        pthread_join(core->thread, NULL);
        follower_close(core->follower);
    }
    command_ring_close(&core->link.ring);
    close(core->answer_fd);
    close(core->outgoing_fd);
    pthread_mutex_destroy(&core->lock);
    free(core);
}

// ---- the worker's side
// ------------------------------------------------------------------------------

// The rings were mapped by the supervisor's other children alike; where that fails, a new process
// is the cure.
static void ops_begin(void *context, uint64_t after_sequence)
{
    struct settle_core_link *core = context;

    ASSERT(!core->started);
    if (after_sequence == SETTLE_CORE_NEWEST)
        after_sequence = follower_load_snapshot(core->boot, no_record, NULL);
    core->sequence = after_sequence;
    core->follower = follower_open(core->boot, after_sequence);
    ASSERT(core->follower != NULL);
    ASSERT(pthread_create(&core->thread, NULL, link_thread, core) == 0);
    core->started = true;
}

static uint64_t ops_sequence(void *context)
{
    struct settle_core_link *core = context;
    uint64_t sequence;

    pthread_mutex_lock(&core->lock);
    sequence = core->sequence;
    pthread_mutex_unlock(&core->lock);
    return sequence;
}

static bool ops_send(void *context, const struct settlement_result_cmd *command)
{
    struct settle_core_link *core = context;
    bool taken;

    pthread_mutex_lock(&core->lock);
    taken = core->attached && core->restarts_unseen == 0 &&
            core->outgoing_tail - core->outgoing_head < OUTGOING_MAX;
    if (taken)
        core->outgoing[core->outgoing_tail++ % OUTGOING_MAX] = *command;
    pthread_mutex_unlock(&core->lock);
    if (taken)
        ring(core->outgoing_fd);
    return taken;
}

static bool ops_poll(void *context, struct settle_answer *out)
{
    struct settle_core_link *core = context;
    bool has;
    bool was_full;

    pthread_mutex_lock(&core->lock);
    was_full = core->answer_tail - core->answer_head == ANSWERS_MAX;
    has = core->answer_head < core->answer_tail;
    if (has)
        *out = core->answers[core->answer_head++ % ANSWERS_MAX];
    if (has && out->kind == SETTLE_ANSWER_RESTARTED)
        core->restarts_unseen--;
    pthread_mutex_unlock(&core->lock);
    if (was_full)
        ring(core->outgoing_fd);
    return has;
}

static void ops_close(void *context)
{
    (void)context; // settle_core_link_close
}

struct settle_core_ops settle_core_link_ops(struct settle_core_link *core)
{
    return (struct settle_core_ops){.context = core,
                                    .begin = ops_begin,
                                    .sequence = ops_sequence,
                                    .send = ops_send,
                                    .poll = ops_poll,
                                    .close = ops_close};
}

int settle_core_link_fd(const struct settle_core_link *core)
{
    return core->answer_fd;
}

void settle_core_link_drain(struct settle_core_link *core)
{
    drain(core->answer_fd);
}
