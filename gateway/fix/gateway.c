#include "gateway/fix/gateway.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/answer_cpu.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/follower.h"
#include "gateway/common/link.h"
#include "gateway/common/loop.h"
#include "gateway/common/view.h"
#include "gateway/fix/checkpoint.h"
#include "gateway/fix/client.h"
#include "gateway/fix/credentials.h"
#include "gateway/fix/desk.h"
#include "gateway/fix/session.h"

enum {
    EVENTS_PER_TURN = 256,
    HEARTBEAT_MS = 20,
    TICK_MS = 1000,
    STOP_PATIENCE_S = 4,
};

struct gateway {
    const struct boot *boot;
    struct loop *loop;
    struct view *view;
    struct follower *follower;
    struct link link;
    struct desk desk;
    struct credentials *credentials;
    struct checkpoint *checkpoint;
    struct clients clients;
    struct loop_watch *doorbell;
    struct loop_timer *heartbeat, *tick, *terminate, *interrupt;
    struct loop_watch *listener_watch;
    int listener_fd;
    uint64_t view_sequence;     // of the snapshot: the view takes events above it
    uint64_t reported_sequence; // of the checkpoint: members are told of events above it
    struct event events[EVENTS_PER_TURN];
    unsigned stopping_ticks; // 0 = not stopping
    bool failed;
};

// ---- listener -----------------------------------------------------------------------------------

static int listener_open(const struct config *config)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)config->fix_port)};
    int yes = 1;
    if (inet_pton(AF_INET, config->fix_address, &address.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 128) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void on_accept(void *context, unsigned readiness)
{
    (void)readiness;
    struct gateway *gateway = context;
    int fd = accept4(gateway->listener_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        clients_accept(&gateway->clients, fd);
    else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        log_limited(LOG_WARNING, "cannot accept error=%s", strerror(errno));
}

static void gateway_fail(struct gateway *gateway)
{
    gateway->failed = true;
    loop_stop(gateway->loop);
}

static void listener_start(struct gateway *gateway)
{
    const struct config *config = &gateway->boot->config;
    gateway->listener_fd = listener_open(config);
    if (gateway->listener_fd >= 0)
        gateway->listener_watch =
            loop_watch(gateway->loop, gateway->listener_fd, LOOP_READ, on_accept, gateway);
    if (gateway->listener_watch == NULL) {
        log_error("cannot listen address=%s port=%" PRId64 " error=%s", config->fix_address,
                  config->fix_port, strerror(errno));
        gateway_fail(gateway);
        return;
    }
    log_info("open address=%s port=%" PRId64 " sequence=%" PRIu64, config->fix_address,
             config->fix_port, follower_sequence(gateway->follower));
}

static void listener_stop(struct gateway *gateway)
{
    if (gateway->listener_watch != NULL)
        loop_unwatch(gateway->listener_watch);
    if (gateway->listener_fd >= 0)
        close(gateway->listener_fd);
    gateway->listener_watch = NULL;
    gateway->listener_fd = -1;
}

// ---- events -------------------------------------------------------------------------------------

static void attached(struct gateway *gateway, uint64_t lost_above)
{
    log_info("attached to the core epoch=%" PRIu64 " lost_above=%" PRIu64, gateway->link.epoch,
             lost_above);
    desk_on_attached(&gateway->desk);
    if (gateway->listener_fd < 0 && gateway->stopping_ticks == 0)
        listener_start(gateway);
}

static void on_event(struct gateway *gateway, const struct event *event)
{
    uint64_t lost_above = 0;
    if (event->header.sequence > gateway->view_sequence)
        view_apply(gateway->view, event);
    bool now_attached = link_on_event(&gateway->link, event, &lost_above);
    if (event->header.sequence > gateway->reported_sequence)
        desk_on_event(&gateway->desk, event);
    if (now_attached)
        attached(gateway, lost_above);
}

// Reads what is durable; returns false if there may be more.
static bool events_read(struct gateway *gateway)
{
    size_t count = follower_poll(gateway->follower, gateway->events, EVENTS_PER_TURN);
    for (size_t i = 0; i < count; i++)
        on_event(gateway, &gateway->events[i]);
    return count < EVENTS_PER_TURN;
}

// ---- the turn of the loop -----------------------------------------------------------------------

static bool before_sleep(void *context)
{
    struct gateway *gateway = context;
    bool idle = events_read(gateway);
    idle = clients_work(&gateway->clients) && idle;
    link_wake(&gateway->link);
    desk_flush(&gateway->desk);
    if (gateway->desk.failed) {
        gateway_fail(gateway);
        return false;
    }
    clients_flush(&gateway->clients); // after the stores: what a peer has seen, we remember
    return idle && follower_sleep_begin(gateway->follower);
}

static void after_sleep(void *context)
{
    struct gateway *gateway = context;
    follower_sleep_end(gateway->follower);
}

static void on_doorbell(void *context, unsigned readiness)
{
    (void)context; // it has woken the loop: that was its purpose
    (void)readiness;
}

static void on_heartbeat(void *context)
{
    struct gateway *gateway = context;
    link_heartbeat(&gateway->link, follower_core(gateway->follower),
                   clock_monotone_ns(&clock_system));
}

static void on_terminate(void *context)
{
    struct gateway *gateway = context;
    if (gateway->stopping_ticks > 0)
        return;
    log_info("stopping connections=%zu", gateway->clients.count);
    gateway->stopping_ticks = 1;
    listener_stop(gateway);
    clients_expel(&gateway->clients, "the venue is closing this gateway");
    if (gateway->clients.count == 0)
        loop_stop(gateway->loop);
}

static void on_tick(void *context)
{
    struct gateway *gateway = context;
    for (uint32_t i = 0; i < gateway->desk.open_count; i++)
        session_tick(gateway->desk.open[i]);
    clients_tick(&gateway->clients);
    uint64_t sequence = follower_sequence(gateway->follower);
    // An answer that is being counted must be counted from its beginning by the process after this.
    bool in_answer = gateway->desk.mass.request.gateway_seq != 0;
    if (!gateway->desk.poss_resend && !in_answer && sequence > gateway->reported_sequence)
        checkpoint_make(gateway->checkpoint, sequence);
    if (gateway->stopping_ticks == 0)
        return;
    if (gateway->clients.count == 0 || ++gateway->stopping_ticks > STOP_PATIENCE_S)
        loop_stop(gateway->loop);
}

// ---- life ---------------------------------------------------------------------------------------

static bool open_venue(struct gateway *gateway)
{
    const struct boot *boot = gateway->boot;
    gateway->view = view_create(boot);
    gateway->view_sequence = view_load(gateway->view, boot);
    if (!desk_open(&gateway->desk, boot, gateway->view, &gateway->link, &clock_system))
        return false;
    gateway->reported_sequence = checkpoint_position(gateway->desk.folder);
    uint64_t from = gateway->view_sequence < gateway->reported_sequence
                        ? gateway->view_sequence
                        : gateway->reported_sequence;
    log_info("reading events from=%" PRIu64 " snapshot=%" PRIu64 " reported=%" PRIu64, from,
             gateway->view_sequence, gateway->reported_sequence);
    gateway->follower = follower_open(boot, from);
    if (gateway->follower == NULL)
        return false;
    int error = link_open(&gateway->link, boot, GATEWAY_FIX);
    if (error != 0)
        log_error("cannot open the command ring error=%s", strerror(-error));
    return error == 0;
}

static bool open_loop(struct gateway *gateway)
{
    struct loop *loop = loop_create();
    if (loop == NULL)
        return false;
    gateway->loop = loop;
    gateway->credentials = credentials_open(loop, &gateway->boot->config);
    gateway->checkpoint = checkpoint_open(loop, &gateway->desk);
    gateway->heartbeat = loop_every(loop, HEARTBEAT_MS, on_heartbeat, gateway);
    gateway->tick = loop_every(loop, TICK_MS, on_tick, gateway);
    gateway->terminate = loop_on_signal(loop, SIGTERM, on_terminate, gateway);
    gateway->interrupt = loop_on_signal(loop, SIGINT, on_terminate, gateway);
    gateway->doorbell =
        loop_watch(loop, follower_doorbell_fd(gateway->follower), LOOP_READ, on_doorbell, gateway);
    loop_around_sleep(loop, before_sleep, after_sleep, gateway);
    if (gateway->credentials == NULL || gateway->checkpoint == NULL || gateway->heartbeat == NULL ||
        gateway->tick == NULL || gateway->terminate == NULL || gateway->interrupt == NULL ||
        gateway->doorbell == NULL)
        return false;
    clients_init(&gateway->clients, loop, &gateway->boot->config, &gateway->desk,
                 gateway->credentials);
    return true;
}

// In the order in which nothing refers to what is gone. The process ends after it.
static bool close_all(struct gateway *gateway)
{
    listener_stop(gateway);
    clients_close(&gateway->clients);
    credentials_close(gateway->credentials);
    checkpoint_close(gateway->checkpoint);
    bool clean = desk_close(&gateway->desk);
    command_ring_close(&gateway->link.ring);
    follower_close(gateway->follower);
    view_destroy(gateway->view);
    loop_unwatch(gateway->doorbell);
    loop_timer_stop(gateway->heartbeat);
    loop_timer_stop(gateway->tick);
    loop_timer_stop(gateway->terminate);
    loop_timer_stop(gateway->interrupt);
    loop_destroy(gateway->loop);
    return clean;
}

int gateway_run(const struct boot *boot)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    ASSERT(gateway != NULL);
    gateway->boot = boot;
    gateway->listener_fd = -1;
    if (!open_venue(gateway) || !open_loop(gateway))
        return 1;
    answer_cpu_keep(pthread_self(), &boot->config, "this gateway's loop");
    loop_run(gateway->loop);
    bool clean = close_all(gateway) && !gateway->failed;
    free(gateway);
    log_info("stopped clean=%d", clean);
    return clean ? 0 : 1;
}
