// Link, happy path: open -> attach sent -> gateway_attached seen -> claim, send, claim, send …
// Failure: the core restarts (its epoch changes in the event ring): attach is sent again, and the
// event's last_gateway_seq says from which of our commands on nothing was accepted.
#include "gateway/common/link.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define ATTACH_RETRY_NS 1000000000u

int link_open(struct link *link, const struct boot *boot, enum gateway_id gateway)
{
    ASSERT(gateway > GATEWAY_CORE && gateway < GATEWAY_COUNT);
    memset(link, 0, sizeof *link);
    link->gateway = (uint8_t)gateway;
    link->incarnation = boot->incarnation;
    link->lost_above = UINT64_MAX;
    return command_ring_open_producer(&link->ring, boot->command_ring_fd[gateway],
                                      (uint64_t)boot->config.rings_command_slots);
}

static struct command *link_claim_any(struct link *link, uint8_t type, size_t tail_bytes,
                                      bool urgent)
{
    ASSERT(link->open == NULL);
    uint8_t slots = command_slots(type, tail_bytes);
    struct command *command = command_ring_claim(&link->ring, slots, urgent);
    if (command == NULL)
        return NULL;
    command->header.slots = slots;
    command->header.type = type;
    command->header.version = SCHEMA_VERSION;
    command->header.gateway = link->gateway;
    command->header.incarnation = link->incarnation;
    command->header.gateway_seq = link->gateway_seq + 1;
    link->open = command;
    return command;
}

struct command *link_claim(struct link *link, uint8_t type, size_t tail_bytes, uint32_t session,
                           uint32_t session_seq)
{
    if (!link->attached)
        return NULL;
    bool urgent = type == CMD_order_cancel || type == CMD_order_mass_cancel || type == CMD_kill_set;
    struct command *command = link_claim_any(link, type, tail_bytes, urgent);
    if (command != NULL) {
        command->header.session = session;
        command->header.session_seq = session_seq;
    }
    return command;
}

void link_wake(struct link *link)
{
    if (link->unwoken == 0)
        return;
    link->unwoken = 0;
    command_ring_wake(&link->ring);
}

uint64_t link_send_later(struct link *link)
{
    ASSERT(link->open != NULL);
    link->open = NULL;
    link->gateway_seq++;
    command_ring_show(&link->ring);
    if (++link->unwoken >= LINK_SENDS_UNWOKEN_MAX)
        link_wake(link);
    return link->gateway_seq;
}

uint64_t link_send(struct link *link)
{
    uint64_t gateway_seq = link_send_later(link);
    link_wake(link);
    return gateway_seq;
}

static void link_attach(struct link *link, uint64_t epoch, uint64_t now_ns)
{
    struct command *command = link_claim_any(link, CMD_gateway_attach, 0, true);
    if (command == NULL)
        return; // full: the next heartbeat tries again
    command->body.gateway_attach.process = (uint32_t)getpid();
    link_send(link);
    link->attached = false;
    link->epoch = epoch;
    link->attach_sent_ns = now_ns;
}

// The core missed our heartbeat (this process was stopped for a while): what we sent since was dropped.
// The next heartbeat attaches again, and the answer tells from where on.
static void link_on_detached(struct link *link, const struct gateway_detached_evt *detached)
{
    if (detached->gateway_id != link->gateway || detached->incarnation != link->incarnation)
        return;
    link->attached = false;
    link->attach_sent_ns = 0;
}

bool link_on_event(struct link *link, const struct event *event, uint64_t *lost_above)
{
    if (event->header.gateway == link->gateway && event->header.gateway_seq > link->accepted_seq &&
        event->header.type != EVT_gateway_attached)
        link->accepted_seq = event->header.gateway_seq;
    if (event->header.type == EVT_gateway_detached)
        link_on_detached(link, &event->body.gateway_detached);
    if (event->header.type != EVT_gateway_attached)
        return false;
    const struct gateway_attached_evt *attached = &event->body.gateway_attached;
    if (attached->gateway_id != link->gateway || attached->incarnation != link->incarnation)
        return false;
    // An older attach of this incarnation may come by, overtaken by a newer one: only the newest
    // counts. But what was dropped before it is not above the newest one's answer, which names the
    // older attach as taken.
    if (attached->last_gateway_seq < link->lost_above)
        link->lost_above = attached->last_gateway_seq;
    if (event->header.gateway_seq != link->gateway_seq)
        return false;
    *lost_above = link->lost_above;
    link->lost_above = UINT64_MAX;
    link->accepted_seq = event->header.gateway_seq;
    link->attached = link->was_attached = true;
    return true;
}

void link_heartbeat(struct link *link, const struct event_ring_control *core, uint64_t now_ns)
{
    atomic_store_explicit(&link->ring.control->heartbeat_ns, now_ns, memory_order_relaxed);
    // The core shut our ring: we wrote what no honest gateway can have written. Only a new incarnation is
    // taken; the supervisor starts one. Its detach may have come by before: then we are not attached, and
    // would ask in vain for ever.
    ASSERT(!link->was_attached ||
           atomic_load_explicit(&link->ring.control->shut, memory_order_acquire) == 0);
    // acquire: an epoch is published after the core has taken the rings over.
    uint64_t epoch = atomic_load_explicit(&core->epoch, memory_order_acquire);
    bool running = atomic_load_explicit(&core->core_state, memory_order_acquire) == CORE_RUNNING;
    // A core that has given up (its disk, its journal) answers nothing until somebody has mended that: what
    // comes meanwhile is refused at once. Its next life is a new epoch.
    if (atomic_load_explicit(&core->core_state, memory_order_relaxed) == CORE_FAILED)
        link->attached = false;
    bool unanswered = !link->attached && now_ns - link->attach_sent_ns > ATTACH_RETRY_NS;
    if (running && (epoch != link->epoch || unanswered))
        link_attach(link, epoch, now_ns);
}
