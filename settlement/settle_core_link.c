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

enum { ANSWERS_MAX = 256, EVENTS_AT_ONCE = 256, BEAT_MS = 50 };

struct settle_core_link {
    // Of the thread alone.
    struct link link;
    struct follower *follower;
    uint64_t sent_gateway_seq; // of the result whose answer is awaited
    uint64_t sent_ref;

    // Shared, under the lock.
    pthread_mutex_t lock;
    bool attached;
    bool has_outgoing;
    struct settlement_result_cmd outgoing;
    size_t answer_count;
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

// A full queue means that the worker is not looking; what is dropped is found again as a repeat.
static void answer(struct settle_core_link *core, enum settle_answer_kind kind, uint64_t ref_number,
                   uint16_t reject_code)
{
    pthread_mutex_lock(&core->lock);
    if (core->answer_count < ANSWERS_MAX)
        core->answers[core->answer_count++] = (struct settle_answer){
            .kind = kind, .ref_number = ref_number, .reject_code = reject_code};
    pthread_mutex_unlock(&core->lock);
    ring(core->answer_fd);
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

static bool is_ours(const struct settle_core_link *core, const struct event *event)
{
    return core->link.attached && core->sent_ref != 0 && event->header.gateway == GATEWAY_SETTLE &&
           event->header.gateway_seq == core->sent_gateway_seq;
}

static void on_event(struct settle_core_link *core, const struct event *event)
{
    uint64_t lost_above;

    if (link_on_event(&core->link, event, &lost_above)) {
        log_info("attached to the core epoch=%llu", (unsigned long long)core->link.epoch);
        core->sent_ref = 0;
        set_attached(core, true);
        answer(core, SETTLE_ANSWER_RESTARTED, 0, 0);
        return;
    }
    if (event->header.type == EVT_settlement_booked) {
        answer(core, SETTLE_ANSWER_BOOKED, event->body.settlement_booked.ref_number, 0);
    } else if (event->header.type == EVT_done && is_ours(core, event)) {
        answer(core, SETTLE_ANSWER_BOOKED, core->sent_ref, 0);
    } else if (event->header.type == EVT_rejected && is_ours(core, event)) {
        if (event->body.rejected.code == REJECT_NOT_ATTACHED)
            on_not_attached(core);
        else
            answer(core, SETTLE_ANSWER_REFUSED, core->sent_ref, event->body.rejected.code);
    }
}

static void send_outgoing(struct settle_core_link *core)
{
    struct settlement_result_cmd body;
    bool has;

    pthread_mutex_lock(&core->lock);
    has = core->has_outgoing;
    body = core->outgoing;
    pthread_mutex_unlock(&core->lock);
    if (!has)
        return;
    struct command *command = link_claim(&core->link, CMD_settlement_result, 0, 0, 0);
    if (command == NULL)
        return; // not attached, or no room: the next beat tries again
    command->body.settlement_result = body;
    core->sent_gateway_seq = link_send(&core->link);
    core->sent_ref = body.ref_number;
    pthread_mutex_lock(&core->lock);
    core->has_outgoing = false;
    pthread_mutex_unlock(&core->lock);
}

static void wait_for_work(struct settle_core_link *core)
{
    struct pollfd fds[2] = {{.fd = follower_doorbell_fd(core->follower), .events = POLLIN},
                            {.fd = core->outgoing_fd, .events = POLLIN}};
    bool may_sleep = follower_sleep_begin(core->follower);

    if (may_sleep && poll(fds, 2, BEAT_MS) < 0)
        ASSERT(errno == EINTR);
    follower_sleep_end(core->follower);
    drain(core->outgoing_fd);
}

static void *link_thread(void *context)
{
    struct settle_core_link *core = context;
    static struct event events[EVENTS_AT_ONCE];

    while (!atomic_load_explicit(&core->stop, memory_order_relaxed)) {
        size_t count = follower_poll(core->follower, events, EVENTS_AT_ONCE);
        for (size_t i = 0; i < count; i++)
            on_event(core, &events[i]);
        link_heartbeat(&core->link, follower_core(core->follower),
                       clock_monotone_ns(&clock_system));
        if (!core->link.attached)
            set_attached(core, false);
        send_outgoing(core);
        if (count == 0)
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

static bool link_start(struct settle_core_link *core, const struct boot *boot)
{
    // Results without an answer are sent again anyway, so there is no need to read what lies before
    // the newest snapshot.
    core->follower = follower_open(boot, follower_load_snapshot(boot, no_record, NULL));
    if (core->follower == NULL)
        return false;
    int opened = link_open(&core->link, boot, GATEWAY_SETTLE);
    if (opened != 0) {
        log_error("the command ring cannot be mapped error=\"%s\"", strerror(-opened));
        return false;
    }
    return pthread_create(&core->thread, NULL, link_thread, core) == 0;
}

struct settle_core_link *settle_core_link_open(const struct boot *boot)
{
    struct settle_core_link *core = calloc(1, sizeof(*core));

    ASSERT(core != NULL);
    pthread_mutex_init(&core->lock, NULL);
    core->answer_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    core->outgoing_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT(core->answer_fd >= 0 && core->outgoing_fd >= 0);
    if (link_start(core, boot))
        return core;
    if (core->follower != NULL)
        follower_close(core->follower);
    close(core->answer_fd);
    close(core->outgoing_fd);
    free(core);
    return NULL;
}

void settle_core_link_close(struct settle_core_link *core)
{
    atomic_store_explicit(&core->stop, true, memory_order_relaxed);
    ring(core->outgoing_fd);
    pthread_join(core->thread, NULL);
    follower_close(core->follower);
    command_ring_close(&core->link.ring);
    close(core->answer_fd);
    close(core->outgoing_fd);
    pthread_mutex_destroy(&core->lock);
    free(core);
}

// ---- the worker's side
// ------------------------------------------------------------------------------

static bool ops_send(void *context, const struct settlement_result_cmd *command)
{
    struct settle_core_link *core = context;
    bool taken;

    pthread_mutex_lock(&core->lock);
    taken = core->attached && !core->has_outgoing;
    if (taken) {
        core->outgoing = *command;
        core->has_outgoing = true;
    }
    pthread_mutex_unlock(&core->lock);
    if (taken)
        ring(core->outgoing_fd);
    return taken;
}

static bool ops_poll(void *context, struct settle_answer *out)
{
    struct settle_core_link *core = context;
    bool has;

    pthread_mutex_lock(&core->lock);
    has = core->answer_count > 0;
    if (has) {
        *out = core->answers[0];
        core->answer_count--;
        memmove(&core->answers[0], &core->answers[1],
                core->answer_count * sizeof(core->answers[0]));
    }
    pthread_mutex_unlock(&core->lock);
    return has;
}

static void ops_close(void *context)
{
    (void)context; // settle_core_link_close
}

struct settle_core_ops settle_core_link_ops(struct settle_core_link *core)
{
    return (struct settle_core_ops){
        .context = core, .send = ops_send, .poll = ops_poll, .close = ops_close};
}

int settle_core_link_fd(const struct settle_core_link *core)
{
    return core->answer_fd;
}

void settle_core_link_drain(struct settle_core_link *core)
{
    drain(core->answer_fd);
}
