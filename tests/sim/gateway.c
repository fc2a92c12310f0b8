#include "tests/sim/gateway.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/follower.h"
#include "gateway/common/link.h"
#include "gateway/common/view.h"
#include "schema/rejects.h"
#include "tests/sim/laws.h"
#include "tests/sim/network.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/universe.h"

enum { FLIGHTS_MAX = 256, EVENTS_AT_ONCE = 64, BEAT_MS = 50, REQUESTS_AT_ONCE = 16 };

// A command under way: sent to the core, no event of it seen yet.
struct flight {
    bool used;
    uint64_t gateway_seq;
    unsigned client;
    uint64_t life; // of the connection it came by
    struct message message;
};

struct connection {
    uint64_t life;         // 0 = nobody
    struct follower *feed; // of private events
};

struct gateway {
    const struct boot *boot;
    uint8_t id;
    struct link link;
    struct view *view;
    struct follower *follower;
    int bell_fd;
    struct flight flights[FLIGHTS_MAX];
    struct connection connections[CLIENTS];
};

bool gateway_event_concerns(const struct event *event, uint32_t account)
{
    switch (event->header.type) {
    case EVT_order_accepted:
        return event->body.order_accepted.account == account;
    case EVT_order_cancelled:
        return event->body.order_cancelled.account == account;
    case EVT_trade:
        return event->body.trade.maker_account == account ||
               event->body.trade.taker_account == account;
    case EVT_rejected:
        return event->body.rejected.account == account;
    default:
        return false;
    }
}

// ---- answers

static void answer(unsigned client, uint64_t life, const struct message *request, uint8_t kind,
                   uint64_t order, uint64_t sequence, uint16_t code)
{
    struct message message = {.kind = kind,
                              .request = request->request,
                              .ask = request->ask,
                              .order = order,
                              .sequence = sequence,
                              .code = code};
    network_to_client(client, life, &message);
}

static struct flight *flight_of(struct gateway *gateway, uint64_t gateway_seq)
{
    for (int i = 0; i < FLIGHTS_MAX; i++)
        if (gateway->flights[i].used && gateway->flights[i].gateway_seq == gateway_seq)
            return &gateway->flights[i];
    return NULL;
}

// The first event of a command answers it.
static void on_answer(struct gateway *gateway, const struct event *event)
{
    struct flight *flight = event->header.index == 0 && event->header.gateway == gateway->id
                                ? flight_of(gateway, event->header.gateway_seq)
                                : NULL;
    if (flight == NULL)
        return;
    flight->used = false;
    bool refused = event->header.type == EVT_rejected;
    uint64_t order =
        event->header.type == EVT_order_accepted ? event->body.order_accepted.order : 0;
    answer(flight->client, flight->life, &flight->message,
           refused ? MESSAGE_REFUSED : MESSAGE_ACCEPTED, order, event->header.sequence,
           refused ? event->body.rejected.code : 0);
}

static uint32_t session_of(unsigned client)
{
    return universe_session(client);
}

static void open_session(struct gateway *gateway, unsigned client)
{
    struct command *command =
        link_claim(&gateway->link, CMD_session_open, 0, session_of(client), 0);
    if (command == NULL)
        return;
    command->body.session_open.opened_session = session_of(client);
    link_send(&gateway->link);
}

// Attached (again): what is above was not accepted; the sessions of the time before are closed.
static void on_attached(struct gateway *gateway, uint64_t lost_above)
{
    for (int i = 0; i < FLIGHTS_MAX; i++) {
        struct flight *flight = &gateway->flights[i];
        if (!flight->used || flight->gateway_seq <= lost_above)
            continue;
        flight->used = false;
        answer(flight->client, flight->life, &flight->message, MESSAGE_NOT_ACCEPTED, 0, 0,
               REJECT_IN_DOUBT);
    }
    for (unsigned client = 0; client < CLIENTS; client++)
        if (gateway->connections[client].life != 0)
            open_session(gateway, client);
}

static size_t read_events(struct gateway *gateway)
{
    struct event events[EVENTS_AT_ONCE];
    size_t count = follower_poll(gateway->follower, events, EVENTS_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        uint64_t lost_above;
        view_apply(gateway->view, &events[i]);
        if (events[i].header.last)
            laws_view(gateway->view);
        if (link_on_event(&gateway->link, &events[i], &lost_above))
            on_attached(gateway, lost_above);
        on_answer(gateway, &events[i]);
    }
    return count;
}

// ---- requests

static bool is_under_way(const struct gateway *gateway, unsigned client,
                         const struct message *message)
{
    for (int i = 0; i < FLIGHTS_MAX; i++) {
        const struct flight *flight = &gateway->flights[i];
        if (flight->used && flight->client == client && flight->message.kind == MESSAGE_ORDER &&
            flight->message.request == message->request)
            return true;
    }
    return false;
}

static uint64_t known_order(const struct gateway *gateway, unsigned client,
                            const struct message *message)
{
    return view_order_by_client_id(gateway->view, session_of(client), message->client_id,
                                   message->client_id_bytes);
}

static void take_off(struct gateway *gateway, struct flight *flight, unsigned client, uint64_t life,
                     const struct message *message)
{
    *flight = (struct flight){.used = true, .client = client, .life = life, .message = *message};
    flight->gateway_seq = link_send(&gateway->link);
}

static struct flight *free_flight(struct gateway *gateway)
{
    for (int i = 0; i < FLIGHTS_MAX; i++)
        if (!gateway->flights[i].used)
            return &gateway->flights[i];
    return NULL;
}

static void on_order(struct gateway *gateway, unsigned client, uint64_t life,
                     const struct message *message)
{
    struct flight *flight = free_flight(gateway);
    uint16_t code = 0;
    struct command *command = NULL;
    if (known_order(gateway, client, message) != 0 || is_under_way(gateway, client, message))
        code = REJECT_DUPLICATE_CLIENT_ID;
    else if (!gateway->link.attached)
        code = REJECT_NOT_ATTACHED;
    else if (flight == NULL ||
             (command = link_claim(&gateway->link, CMD_order_new, message->client_id_bytes,
                                   session_of(client), message->request)) == NULL)
        code = REJECT_OVERLOADED;
    if (code != 0) {
        answer(client, life, message, MESSAGE_REFUSED, 0, 0, code);
        return;
    }
    command->body.order_new = (struct order_new_cmd){.account = universe_account(client),
                                                     .instrument = message->instrument,
                                                     .side = message->side,
                                                     .type = message->type,
                                                     .tif = message->tif,
                                                     .client_id_bytes = message->client_id_bytes,
                                                     .price = message->price,
                                                     .quantity = message->quantity};
    memcpy(command_tail_writable(command), message->client_id, message->client_id_bytes);
    take_off(gateway, flight, client, life, message);
}

static void on_cancel(struct gateway *gateway, unsigned client, uint64_t life,
                      const struct message *message)
{
    struct flight *flight = free_flight(gateway);
    struct command *command = NULL;
    if (flight != NULL)
        command =
            link_claim(&gateway->link, CMD_order_cancel, 0, session_of(client), message->request);
    if (command == NULL) {
        answer(client, life, message, MESSAGE_REFUSED, 0, 0, REJECT_OVERLOADED);
        return;
    }
    command->body.order_cancel =
        (struct order_cancel_cmd){.order = message->order, .account = universe_account(client)};
    take_off(gateway, flight, client, life, message);
}

static void on_xvp(struct gateway *gateway, unsigned client, uint64_t life,
                   const struct message *message)
{
    struct flight *flight = free_flight(gateway);
    struct command *command = NULL;
    if (flight != NULL)
        command = link_claim(&gateway->link, CMD_xvp_act, message->client_id_bytes,
                             session_of(client), message->request);
    if (command == NULL) {
        answer(client, life, message, MESSAGE_REFUSED, 0, 0, REJECT_OVERLOADED);
        return;
    }
    command->body.xvp_act = (struct xvp_act_cmd){
        .xvp = message->order, .account = universe_account(client), .action = message->side};
    memcpy(command_tail_writable(command), message->client_id, message->client_id_bytes);
    take_off(gateway, flight, client, life, message);
}

// What is not known once this life is attached, and not under way, is not in the journal and will
// never be: all that former lives had sent lies before the attach.
static void on_ask(struct gateway *gateway, unsigned client, uint64_t life,
                   const struct message *message)
{
    uint64_t order = known_order(gateway, client, message);
    uint8_t kind = order != 0                               ? MESSAGE_KNOWN
                   : !gateway->link.attached                ? MESSAGE_LATER
                   : is_under_way(gateway, client, message) ? MESSAGE_LATER
                                                            : MESSAGE_UNKNOWN;
    answer(client, life, message, kind, order, 0, 0);
}

static void on_logon(struct gateway *gateway, unsigned client, uint64_t life,
                     const struct message *message)
{
    struct connection *connection = &gateway->connections[client];
    follower_close(connection->feed);
    connection->life = life;
    // The event that it named may not have been the last one of its command.
    connection->feed =
        follower_open(gateway->boot, message->sequence == 0 ? 0 : message->sequence - 1);
    ASSERT(connection->feed != NULL);
    open_session(gateway, client);
    answer(client, life, message, MESSAGE_LOGGED_ON, 0, 0, 0);
}

static size_t read_requests(struct gateway *gateway)
{
    unsigned client;
    uint64_t life;
    struct message message;
    size_t count = 0;
    while (count < REQUESTS_AT_ONCE &&
           network_receive(gateway->boot->process, &client, &life, &message)) {
        count++;
        switch (message.kind) {
        case MESSAGE_LOGON:
            on_logon(gateway, client, life, &message);
            break;
        case MESSAGE_ORDER:
            on_order(gateway, client, life, &message);
            break;
        case MESSAGE_CANCEL:
            on_cancel(gateway, client, life, &message);
            break;
        case MESSAGE_XVP:
            on_xvp(gateway, client, life, &message);
            break;
        default:
            on_ask(gateway, client, life, &message);
        }
    }
    return count;
}

// ---- connections

static void leave(struct gateway *gateway, unsigned client)
{
    struct connection *connection = &gateway->connections[client];
    follower_close(connection->feed);
    *connection = (struct connection){0};
    struct command *command =
        link_claim(&gateway->link, CMD_session_close, 0, session_of(client), 0);
    if (command == NULL)
        return;
    command->body.session_close = (struct session_close_cmd){.closed_session = session_of(client),
                                                             .reason = CANCEL_DISCONNECT};
    link_send(&gateway->link);
}

static size_t feed(struct gateway *gateway, unsigned client)
{
    struct connection *connection = &gateway->connections[client];
    struct event events[EVENTS_AT_ONCE];
    size_t count = follower_poll(connection->feed, events, EVENTS_AT_ONCE);
    for (size_t i = 0; i < count; i++) {
        if (!gateway_event_concerns(&events[i], universe_account(client)))
            continue;
        struct message message = {.kind = MESSAGE_EVENT, .event = events[i]};
        network_to_client(client, connection->life, &message);
    }
    return count;
}

static size_t serve(struct gateway *gateway)
{
    size_t count = 0;
    for (unsigned client = 0; client < CLIENTS; client++) {
        uint64_t life = gateway->connections[client].life;
        if (life == 0)
            continue;
        if (network_is_life(client, life))
            count += feed(gateway, client);
        else
            leave(gateway, client);
    }
    return count;
}

static void wait_for_work(struct gateway *gateway)
{
    struct pollfd fds[2] = {{.fd = gateway->bell_fd, .events = POLLIN},
                            {.fd = follower_doorbell_fd(gateway->follower), .events = POLLIN}};
    if (follower_sleep_begin(gateway->follower))
        (void)poll(fds, 2, BEAT_MS);
    follower_sleep_end(gateway->follower);
    uint64_t ignored;
    if (read(gateway->bell_fd, &ignored, sizeof ignored) < 0)
        return;
}

static void gateway_open(struct gateway *gateway, const struct boot *boot)
{
    gateway->boot = boot;
    gateway->id = boot->process == PROCESS_FIX ? GATEWAY_FIX : GATEWAY_WEB;
    gateway->view = view_create(boot);
    gateway->follower = follower_open(boot, view_load(gateway->view, boot));
    ASSERT(gateway->follower != NULL && link_open(&gateway->link, boot, gateway->id) == 0);
    gateway->bell_fd = eventfd(0, EFD_NONBLOCK);
    network_listen(boot->process, gateway->bell_fd);
}

void gateway_main(void *context)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    ASSERT(gateway != NULL);
    gateway_open(gateway, context);
    for (;;) {
        size_t done = read_events(gateway);
        link_heartbeat(&gateway->link, follower_core(gateway->follower),
                       clock_monotone_ns(&clock_system));
        view_tick(gateway->view, clock_wall_ns(&clock_system));
        done += read_requests(gateway);
        done += serve(gateway);
        if (done == 0)
            wait_for_work(gateway);
    }
}
