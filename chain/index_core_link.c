/* Happy path: `send` leaves a command, the thread puts it into the ring, the event that bears its
 * gateway_seq and is the last of its command is the answer. A core that restarts, or has detached
 * us, makes the answer LOST: whether the command was taken is asked by sending it again. */
#include "chain/index_core_link.h"

#include <stdlib.h>

#include "base/doorbell.h"
#include "base/log.h"
#include "gateway/common/link_thread.h"
#include "schema/rejects.h"

enum state { IDLE, WAITS, SENT, ANSWERED };

struct index_core_link {
    struct link_thread thread;
    uint64_t sent_seq; /* the thread's: gateway_seq of what is under way */

    /* Shared, under the thread's lock. */
    enum state state;
    struct index_command command;
    struct index_answer answer;
};

/* ---- the thread ---- */

static void answer(struct index_core_link *core, enum index_answer_kind kind, uint64_t sequence,
                   uint16_t reject_code)
{
    pthread_mutex_lock(&core->thread.lock);
    if (core->state == SENT || (core->state == WAITS && kind == INDEX_ANSWER_LOST)) {
        core->state = ANSWERED;
        core->answer = (struct index_answer){kind, sequence, reject_code};
    }
    pthread_mutex_unlock(&core->thread.lock);
    core->sent_seq = 0;
    doorbell_ring(core->thread.answer_fd);
}

static void on_attached(void *context)
{
    answer(context, INDEX_ANSWER_LOST, 0, 0);
}

static bool is_answer(const struct index_core_link *core, const struct event *event)
{
    return core->thread.link.attached && core->sent_seq != 0 &&
           event->header.gateway == GATEWAY_INDEX && event->header.gateway_seq == core->sent_seq;
}

static void on_event(void *context, const struct event *event)
{
    struct index_core_link *core = context;
    if (!is_answer(core, event))
        return;
    if (event->header.type == EVT_rejected) {
        if (event->body.rejected.code == REJECT_NOT_ATTACHED) {
            link_thread_detached(&core->thread);
            answer(core, INDEX_ANSWER_LOST, 0, 0);
        } else {
            answer(core, INDEX_ANSWER_REFUSED, event->header.sequence, event->body.rejected.code);
        }
    } else if (event->header.last != 0) {
        answer(core, INDEX_ANSWER_DONE, event->header.sequence, 0);
    }
}

static bool waiting(struct index_core_link *core, struct index_command *out)
{
    pthread_mutex_lock(&core->thread.lock);
    bool waits = core->state == WAITS;
    *out = core->command;
    pthread_mutex_unlock(&core->thread.lock);
    return waits;
}

static void send_waiting(void *context)
{
    struct index_core_link *core = context;
    struct index_command wanted;
    if (!waiting(core, &wanted))
        return;
    struct command *command = link_claim(&core->thread.link, wanted.type, 0, 0, 0);
    if (command == NULL)
        return; /* not attached, or no room: the next beat tries again */
    if (wanted.type == CMD_ledger_post)
        command->body.ledger_post = wanted.body.ledger_post;
    else
        command->body.breaker_set = wanted.body.breaker_set;
    pthread_mutex_lock(&core->thread.lock);
    core->state = SENT;
    pthread_mutex_unlock(&core->thread.lock);
    core->sent_seq = link_send(&core->thread.link);
}

/* One answer at a time: there is always room for it. */
static size_t room(void *context)
{
    (void)context;
    return LINK_THREAD_EVENTS_MAX;
}

static void on_read(void *context, uint64_t sequence)
{
    (void)context;
    (void)sequence;
}

/* ---- life ---- */

struct index_core_link *index_core_link_open(const struct boot *boot)
{
    struct index_core_link *core = calloc(1, sizeof(*core));
    const struct link_thread_owner owner = {.context = core,
                                            .room = room,
                                            .on_attached = on_attached,
                                            .on_event = on_event,
                                            .on_read = on_read,
                                            .send = send_waiting};
    ASSERT(core != NULL);
    if (!link_thread_open(&core->thread, boot, GATEWAY_INDEX, &owner)) {
        free(core);
        return NULL;
    }
    /* What was before us is nobody's answer. */
    if (!link_thread_start(&core->thread, boot, link_thread_newest(boot))) {
        log_error("the events cannot be mapped");
        index_core_link_close(core);
        return NULL;
    }
    return core;
}

void index_core_link_close(struct index_core_link *core)
{
    link_thread_close(&core->thread);
    free(core);
}

/* ---- the indexer's side ---- */

static bool ops_send(void *context, const struct index_command *command)
{
    struct index_core_link *core = context;
    ASSERT(command->type == CMD_ledger_post || command->type == CMD_breaker_set);
    pthread_mutex_lock(&core->thread.lock);
    bool taken = core->thread.attached && core->state == IDLE;
    if (taken) {
        core->command = *command;
        core->state = WAITS;
    }
    pthread_mutex_unlock(&core->thread.lock);
    if (taken)
        doorbell_ring(core->thread.request_fd);
    return taken;
}

static struct index_answer ops_poll(void *context)
{
    struct index_core_link *core = context;
    struct index_answer out = {.kind = INDEX_ANSWER_NONE};
    pthread_mutex_lock(&core->thread.lock);
    if (core->state == ANSWERED) {
        out = core->answer;
        core->state = IDLE;
    }
    pthread_mutex_unlock(&core->thread.lock);
    return out;
}

struct index_core_ops index_core_link_ops(struct index_core_link *core)
{
    return (struct index_core_ops){.context = core, .send = ops_send, .poll = ops_poll};
}

int index_core_link_fd(const struct index_core_link *core)
{
    return core->thread.answer_fd;
}

void index_core_link_drain(struct index_core_link *core)
{
    doorbell_silence(core->thread.answer_fd);
}
