#include "settlement/settle_core_link.h"

#include <stdlib.h>

#include "base/doorbell.h"
#include "gateway/common/link_thread.h"
#include "schema/rejects.h"

// Powers of two. Results in flight and waiting are together the worker's SETTLE_RESULTS_MAX at
// most.
enum { OUTGOING_MAX = 512, SENT_MAX = 1024, ANSWERS_MAX = 1024 };

struct settle_core_link {
    struct link_thread thread;

    // Of the thread alone, but for what happens before it is started.
    const struct boot *boot;
    uint64_t attach_seq;         // gateway_seq of the attach; results of this life are above it
    uint64_t sent_ref[SENT_MAX]; // by gateway_seq
    uint64_t answers_rung;       // the answers that the worker was told of

    // Shared, under the thread's lock.
    size_t restarts_unseen; // RESTARTED in the queue: nothing is taken before they are polled
    uint64_t sequence;
    uint64_t outgoing_head, outgoing_tail;
    struct settlement_result_cmd outgoing[OUTGOING_MAX];
    uint64_t answer_head, answer_tail;
    struct settle_answer answers[ANSWERS_MAX];
};

// There is room: the thread polls for no more events than that.
static void answer(struct settle_core_link *core, enum settle_answer_kind kind, uint64_t ref_number,
                   uint16_t reject_code)
{
    pthread_mutex_lock(&core->thread.lock);
    ASSERT(core->answer_tail - core->answer_head < ANSWERS_MAX);
    core->answers[core->answer_tail++ % ANSWERS_MAX] =
        (struct settle_answer){.kind = kind, .ref_number = ref_number, .reject_code = reject_code};
    pthread_mutex_unlock(&core->thread.lock);
}

static size_t answer_room(void *context)
{
    struct settle_core_link *core = context;
    size_t room;

    pthread_mutex_lock(&core->thread.lock);
    room = ANSWERS_MAX - (size_t)(core->answer_tail - core->answer_head);
    pthread_mutex_unlock(&core->thread.lock);
    return room;
}

// Whatever waits to go out is the worker's to send again, from the right place on.
static void on_attached(void *context)
{
    struct settle_core_link *core = context;

    core->attach_seq = core->thread.link.gateway_seq;
    answer(core, SETTLE_ANSWER_RESTARTED, 0, 0);
    pthread_mutex_lock(&core->thread.lock);
    core->outgoing_head = core->outgoing_tail;
    core->restarts_unseen++;
    pthread_mutex_unlock(&core->thread.lock);
}

// The result that an answer without a number is about; 0 = none of ours.
static uint64_t ref_of(const struct settle_core_link *core, const struct event *event)
{
    uint64_t seq = event->header.gateway_seq;

    if (!core->thread.link.attached || event->header.gateway != GATEWAY_SETTLE ||
        seq <= core->attach_seq || seq > core->thread.link.gateway_seq)
        return 0;
    ASSERT(core->thread.link.gateway_seq - seq < SENT_MAX);
    return core->sent_ref[seq % SENT_MAX];
}

// What a result has made of an instruction. (Executed by the ledger alone it has no number.)
static bool is_of_chain(const struct xvp_changed_evt *changed)
{
    return changed->ref_number != 0 &&
           (changed->step == XVP_STEP_EXECUTED || changed->step == XVP_STEP_RETURNED);
}

static void on_event(void *context, const struct event *event)
{
    struct settle_core_link *core = context;
    uint64_t ref = ref_of(core, event);

    if (event->header.type == EVT_settlement_booked)
        answer(core, SETTLE_ANSWER_BOOKED, event->body.settlement_booked.ref_number, 0);
    else if (event->header.type == EVT_xvp_changed && is_of_chain(&event->body.xvp_changed))
        answer(core, SETTLE_ANSWER_BOOKED, event->body.xvp_changed.ref_number, 0);
    else if (event->header.type == EVT_done && ref != 0)
        answer(core, SETTLE_ANSWER_BOOKED, ref, 0);
    else if (event->header.type == EVT_rejected && ref != 0) {
        if (event->body.rejected.code == REJECT_NOT_ATTACHED)
            link_thread_detached(&core->thread);
        else
            answer(core, SETTLE_ANSWER_REFUSED, ref, event->body.rejected.code);
    }
}

static bool outgoing_first(struct settle_core_link *core, struct settlement_result_cmd *out)
{
    bool has;

    pthread_mutex_lock(&core->thread.lock);
    has = core->outgoing_head < core->outgoing_tail;
    if (has)
        *out = core->outgoing[core->outgoing_head % OUTGOING_MAX];
    pthread_mutex_unlock(&core->thread.lock);
    return has;
}

static void send_outgoing(void *context)
{
    struct settle_core_link *core = context;
    struct settlement_result_cmd body;

    while (outgoing_first(core, &body)) {
        struct command *command = link_claim(&core->thread.link, CMD_settlement_result, 0, 0, 0);
        if (command == NULL)
            return; // not attached, or no room: the next beat tries again
        command->body.settlement_result = body;
        core->sent_ref[link_send(&core->thread.link) % SENT_MAX] = body.ref_number;
        pthread_mutex_lock(&core->thread.lock);
        core->outgoing_head++;
        pthread_mutex_unlock(&core->thread.lock);
    }
}

static void on_read(void *context, uint64_t sequence)
{
    struct settle_core_link *core = context;

    pthread_mutex_lock(&core->thread.lock);
    core->sequence = sequence;
    pthread_mutex_unlock(&core->thread.lock);
    if (core->answer_tail != core->answers_rung) // this thread alone moves it
        doorbell_ring(core->thread.answer_fd);
    core->answers_rung = core->answer_tail;
}

struct settle_core_link *settle_core_link_open(const struct boot *boot)
{
    struct settle_core_link *core = calloc(1, sizeof(*core));
    const struct link_thread_owner owner = {.context = core,
                                            .room = answer_room,
                                            .on_attached = on_attached,
                                            .on_event = on_event,
                                            .on_read = on_read,
                                            .send = send_outgoing};

    ASSERT(core != NULL);
    core->boot = boot;
    if (!link_thread_open(&core->thread, boot, GATEWAY_SETTLE, &owner)) {
        free(core);
        return NULL;
    }
    return core;
}

void settle_core_link_close(struct settle_core_link *core)
{
    link_thread_close(&core->thread);
    free(core);
}

// ---- the worker's side

// The rings were mapped by the supervisor's other children alike; where that fails, a new process
// is the cure.
static void ops_begin(void *context, uint64_t after_sequence)
{
    struct settle_core_link *core = context;

    if (after_sequence == SETTLE_CORE_NEWEST)
        after_sequence = link_thread_newest(core->boot);
    core->sequence = after_sequence;
    ASSERT(link_thread_start(&core->thread, core->boot, after_sequence));
}

static uint64_t ops_sequence(void *context)
{
    struct settle_core_link *core = context;
    uint64_t sequence;

    pthread_mutex_lock(&core->thread.lock);
    sequence = core->sequence;
    pthread_mutex_unlock(&core->thread.lock);
    return sequence;
}

static bool ops_send(void *context, const struct settlement_result_cmd *command)
{
    struct settle_core_link *core = context;
    bool taken;

    pthread_mutex_lock(&core->thread.lock);
    taken = core->thread.attached && core->restarts_unseen == 0 &&
            core->outgoing_tail - core->outgoing_head < OUTGOING_MAX;
    if (taken)
        core->outgoing[core->outgoing_tail++ % OUTGOING_MAX] = *command;
    pthread_mutex_unlock(&core->thread.lock);
    if (taken)
        doorbell_ring(core->thread.request_fd);
    return taken;
}

static bool ops_poll(void *context, struct settle_answer *out)
{
    struct settle_core_link *core = context;
    bool has;
    bool was_full;

    pthread_mutex_lock(&core->thread.lock);
    was_full = core->answer_tail - core->answer_head == ANSWERS_MAX;
    has = core->answer_head < core->answer_tail;
    if (has)
        *out = core->answers[core->answer_head++ % ANSWERS_MAX];
    if (has && out->kind == SETTLE_ANSWER_RESTARTED)
        core->restarts_unseen--;
    pthread_mutex_unlock(&core->thread.lock);
    if (was_full)
        doorbell_ring(core->thread.request_fd);
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
    return core->thread.answer_fd;
}

void settle_core_link_drain(struct settle_core_link *core)
{
    doorbell_silence(core->thread.answer_fd);
}
