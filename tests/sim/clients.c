#include "tests/sim/clients.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/boot.h"
#include "base/digest.h"
#include "base/map.h"
#include "tests/sim/gateway.h"
#include "tests/sim/instructions.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/universe.h"

enum { REQUESTS_MAX = 8192, OUTSTANDING_MAX = 12, ORDERS_KEPT = 32 };

enum request_state {
    REQUEST_SENT,
    REQUEST_IN_DOUBT, // the connection broke
    REQUEST_ASKED,
    REQUEST_ACCEPTED,     // final
    REQUEST_REFUSED,      // final
    REQUEST_NOT_ACCEPTED, // final
};

struct request {
    uint8_t state;
    uint8_t sends; // how often it was sent
    uint32_t asks;
    uint64_t order;    // 0 = it is a cancel, or was not accepted
    uint64_t sequence; // of the answer
    uint16_t code;
    struct message message;
};

struct client {
    bool logged_on, connecting;
    struct request *requests;
    uint32_t count, open;         // open: not final
    uint64_t orders[ORDERS_KEPT]; // its last ones
    uint32_t order_count;
    // Private events.
    uint64_t seen_sequence;
    int64_t seen_index;
    uint64_t stream_digest, stream_events;
    // Judgement.
    uint64_t judged_digest, judged_events;
};

static struct {
    struct client of[CLIENTS];
    uint64_t pause_ns, answers;
    bool stopped;
    struct map accepted; // order -> client << 32 | request + 1, while judging
} clients;

static const char *name(unsigned client)
{
    static const char *const names[CLIENTS] = {"client0", "client1", "client2",
                                               "client3", "client4", "client5"};
    return names[client];
}

static unsigned gateway_of(unsigned client)
{
    return client < CLIENTS / 2 ? PROCESS_FIX : PROCESS_WEB;
}

static bool is_final(const struct request *request)
{
    return request->state >= REQUEST_ACCEPTED;
}

static void on_turn(void *context, uint64_t client);

void clients_begin(void)
{
    map_init(&clients.accepted);
    clients.pause_ns = 20 * MS;
    for (unsigned c = 0; c < CLIENTS; c++) {
        clients.of[c].requests = calloc(REQUESTS_MAX, sizeof(struct request));
        ASSERT(clients.of[c].requests != NULL);
        clients.of[c].seen_index = -1;
        scheduler_at(scheduler_now_ns() + scheduler_between(MS, 50 * MS), on_turn, NULL, c);
    }
}

void clients_set_pace(uint64_t pause_ns)
{
    clients.pause_ns = pause_ns;
}

void clients_stop(void)
{
    clients.stopped = true;
}

uint64_t clients_answers(void)
{
    return clients.answers;
}

// ---- sending

static struct request *request_new(unsigned c)
{
    struct client *client = &clients.of[c];
    ASSERT(client->count < REQUESTS_MAX);
    struct request *request = &client->requests[client->count];
    memset(request, 0, sizeof *request);
    request->message.request = client->count++;
    client->open++;
    return request;
}

static void request_send(unsigned c, struct request *request)
{
    request->state = REQUEST_SENT;
    request->sends++;
    network_to_gateway(c, &request->message);
}

static int64_t some_price(void)
{
    return (int64_t)(95 + scheduler_random(11)) * PRICE_TICK;
}

static void send_order(unsigned c)
{
    static const uint8_t tifs[] = {TIF_DAY, TIF_GTC, TIF_GTC, TIF_IOC, TIF_FOK};
    struct request *request = request_new(c);
    struct message *message = &request->message;
    message->kind = MESSAGE_ORDER;
    message->instrument = 1 + (uint32_t)scheduler_random(INSTRUMENTS);
    message->side = scheduler_chance(500) ? SIDE_BUY : SIDE_SELL;
    message->type = scheduler_chance(930) ? ORDER_LIMIT : ORDER_MARKET;
    message->tif = message->type == ORDER_MARKET ? TIF_IOC : tifs[scheduler_random(5)];
    message->price = message->type == ORDER_MARKET ? 0 : some_price();
    message->quantity = (int64_t)scheduler_between(1, 12);
    int n = snprintf(message->client_id, sizeof message->client_id, "c%u-%u", c, message->request);
    message->client_id_bytes = (uint8_t)n;
    request_send(c, request);
    if (scheduler_chance(20)) // it does not trust its own line
        request_send(c, request);
}

static void send_cancel(unsigned c)
{
    struct client *client = &clients.of[c];
    if (client->order_count == 0)
        return;
    uint32_t kept = client->order_count < ORDERS_KEPT ? client->order_count : ORDERS_KEPT;
    struct request *request = request_new(c);
    request->message.kind = MESSAGE_CANCEL;
    request->message.order = client->orders[scheduler_random(kept)];
    request_send(c, request);
}

// False: nothing is known to be open.
static bool send_xvp(unsigned c)
{
    struct instruction_act act;
    if (!instructions_some(&act, false))
        return false;
    struct request *request = request_new(c);
    request->message.kind = MESSAGE_XVP;
    request->message.order = act.xvp;
    request->message.side = act.action;
    if (act.action == XVP_REVEAL) {
        request->message.client_id_bytes = sizeof act.secret;
        memcpy(request->message.client_id, act.secret, sizeof act.secret);
    }
    request_send(c, request);
    return true;
}

static void log_on(unsigned c)
{
    struct client *client = &clients.of[c];
    if (!network_connect(c, gateway_of(c)))
        return;
    client->connecting = true;
    struct message message = {.kind = MESSAGE_LOGON, .sequence = client->seen_sequence};
    network_to_gateway(c, &message);
}

static void ask_for_what_is_in_doubt(unsigned c)
{
    struct client *client = &clients.of[c];
    for (uint32_t i = 0; i < client->count && client->open > 0; i++) {
        struct request *request = &client->requests[i];
        if (request->state != REQUEST_IN_DOUBT)
            continue;
        struct message ask = request->message;
        ask.kind = MESSAGE_ASK;
        ask.ask = ++request->asks;
        request->state = REQUEST_ASKED;
        network_to_gateway(c, &ask);
    }
}

static void turn(unsigned c)
{
    struct client *client = &clients.of[c];
    if (!network_is_connected(c) && !client->connecting && !client->logged_on) {
        log_on(c);
        return;
    }
    if (!client->logged_on)
        return;
    ask_for_what_is_in_doubt(c);
    if (clients.stopped || client->open >= OUTSTANDING_MAX || client->count + 4 >= REQUESTS_MAX)
        return;
    if (gateway_of(c) == PROCESS_WEB && scheduler_chance(150) && send_xvp(c))
        return;
    if (scheduler_chance(300))
        send_cancel(c);
    else
        send_order(c);
}

static void on_turn(void *context, uint64_t c)
{
    (void)context;
    turn((unsigned)c);
    uint64_t pause_ns = clients.stopped ? 50 * MS : clients.pause_ns;
    scheduler_at(scheduler_now_ns() + 1 + scheduler_random(2 * pause_ns), on_turn, NULL, c);
}

// ---- receiving

void clients_disconnected(unsigned c)
{
    struct client *client = &clients.of[c];
    if (network_is_connected(c))
        return; // it has noticed itself, and is back already
    client->logged_on = client->connecting = false;
    for (uint32_t i = 0; i < client->count && client->open > 0; i++) {
        struct request *request = &client->requests[i];
        if (is_final(request))
            continue;
        if (request->message.kind == MESSAGE_ORDER) {
            request->state = REQUEST_IN_DOUBT;
        } else { // whether a cancel worked is seen by the order's events
            request->state = REQUEST_NOT_ACCEPTED;
            client->open--;
        }
    }
}

static void finish(unsigned c, struct request *request, enum request_state state,
                   const struct message *message)
{
    struct client *client = &clients.of[c];
    LAW(state != REQUEST_ACCEPTED || request->message.kind != MESSAGE_ORDER || message->order != 0,
        "client %u: order request %u is accepted by an event that accepts no order", c,
        message->request);
    request->state = (uint8_t)state;
    request->order = message->order;
    request->sequence = message->sequence;
    request->code = message->code;
    client->open--;
    clients.answers++;
    if (state == REQUEST_ACCEPTED && request->message.kind == MESSAGE_ORDER)
        client->orders[client->order_count++ % ORDERS_KEPT] = message->order;
}

// A request that was sent twice has two answers; the second one may say that it is a duplicate.
static void answered_again(unsigned c, const struct request *request, const struct message *message)
{
    if (message->kind == MESSAGE_ACCEPTED || message->kind == MESSAGE_KNOWN)
        LAW(request->state == REQUEST_ACCEPTED && request->order == message->order,
            "client %u: request %u has two answers: state %u order %llu, then order %llu", c,
            message->request, request->state, (unsigned long long)request->order,
            (unsigned long long)message->order);
}

static void answered(unsigned c, const struct message *message)
{
    struct client *client = &clients.of[c];
    LAW(message->request < client->count, "client %u: an answer to nothing", c);
    struct request *request = &client->requests[message->request];
    bool sent_twice = request->sends > 1;
    if (is_final(request)) {
        if (sent_twice)
            answered_again(c, request, message);
        return;
    }
    switch (message->kind) {
    case MESSAGE_ACCEPTED:
    case MESSAGE_KNOWN:
        finish(c, request, REQUEST_ACCEPTED, message);
        break;
    case MESSAGE_REFUSED:
        // Of two copies one may be refused, and the other one taken.
        if (sent_twice)
            request->state = REQUEST_IN_DOUBT;
        else
            finish(c, request, REQUEST_REFUSED, message);
        break;
    case MESSAGE_NOT_ACCEPTED:
        if (sent_twice)
            request->state = REQUEST_IN_DOUBT;
        else
            finish(c, request, REQUEST_NOT_ACCEPTED, message);
        break;
    case MESSAGE_UNKNOWN:
        if (request->state != REQUEST_ASKED || message->ask != request->asks)
            break; // of an older ask: it was sent again since
        if (!clients.stopped && request->sends < 3 && scheduler_chance(500))
            request_send(c, request);
        else
            finish(c, request, REQUEST_NOT_ACCEPTED, message);
        break;
    case MESSAGE_LATER:
        if (request->state == REQUEST_ASKED && message->ask == request->asks)
            request->state = REQUEST_IN_DOUBT;
        break;
    default:
        LAW(false, "client %u: a message that no gateway sends", c);
    }
}

static void private_event(unsigned c, const struct event *event)
{
    struct client *client = &clients.of[c];
    const struct event_header *header = &event->header;
    if (header->sequence < client->seen_sequence ||
        (header->sequence == client->seen_sequence && (int64_t)header->index <= client->seen_index))
        return; // sent again from the sequence that we named
    client->seen_sequence = header->sequence;
    client->seen_index = header->index;
    client->stream_digest = digest_record(client->stream_digest, event);
    client->stream_events++;
}

void clients_receive(unsigned c, const struct message *message)
{
    struct client *client = &clients.of[c];
    if (message->kind == MESSAGE_LOGGED_ON) {
        client->connecting = false;
        client->logged_on = true;
    } else if (message->kind == MESSAGE_EVENT) {
        private_event(c, &message->event);
    } else {
        story_tell(name(c), "answer %u to request %u: order %llu sequence %llu code %u",
                   message->kind, message->request, (unsigned long long)message->order,
                   (unsigned long long)message->sequence, message->code);
        answered(c, message);
    }
}

const char *clients_why_not(void)
{
    static char why[120];
    for (unsigned c = 0; c < CLIENTS; c++) {
        const struct client *client = &clients.of[c];
        if (client->logged_on && client->open == 0)
            continue;
        uint32_t first = 0;
        while (first < client->count && is_final(&client->requests[first]))
            first++;
        snprintf(why, sizeof why,
                 "client %u is %slogged on and has %u requests without an answer, the first is %u",
                 c, client->logged_on ? "" : "not ", client->open, first);
        return why;
    }
    return NULL;
}

// ---- judgement

void clients_judge_begin(void)
{
    for (unsigned c = 0; c < CLIENTS; c++) {
        struct client *client = &clients.of[c];
        client->judged_digest = client->judged_events = 0;
        for (uint32_t i = 0; i < client->count; i++)
            if (client->requests[i].state == REQUEST_ACCEPTED &&
                client->requests[i].message.kind == MESSAGE_ORDER)
                map_put(&clients.accepted, client->requests[i].order, (uint64_t)c << 32 | (i + 1));
    }
}

// The request that the order's client id names; there must be one.
static struct request *request_of(const struct order_accepted_evt *accepted)
{
    unsigned c, n;
    char id[CLIENT_ID_BYTES_MAX + 1] = {0};
    memcpy(id, accepted->client_id, accepted->client_id_bytes);
    LAW(sscanf(id, "c%u-%u", &c, &n) == 2 && c < CLIENTS && n < clients.of[c].count &&
            universe_account(c) == accepted->account,
        "order %llu has a client id that nobody gave: %s", (unsigned long long)accepted->order, id);
    return &clients.of[c].requests[n];
}

static void judge_accepted(const struct order_accepted_evt *accepted)
{
    struct request *request = request_of(accepted);
    LAW(request->state == REQUEST_ACCEPTED,
        "order %llu is in the journal, and client id %.*s was told that it is not (state %u code "
        "%u)",
        (unsigned long long)accepted->order, accepted->client_id_bytes, accepted->client_id,
        request->state, request->code);
    LAW(request->order == accepted->order,
        "client id %.*s is in the journal twice: orders %llu and %llu", accepted->client_id_bytes,
        accepted->client_id, (unsigned long long)request->order,
        (unsigned long long)accepted->order);
    LAW(map_remove(&clients.accepted, accepted->order), "order %llu accepted twice",
        (unsigned long long)accepted->order);
}

void clients_judge_event(const struct event *event)
{
    if (event->header.type == EVT_order_accepted)
        judge_accepted(&event->body.order_accepted);
    for (unsigned c = 0; c < CLIENTS; c++) {
        struct client *client = &clients.of[c];
        if (!gateway_event_concerns(event, universe_account(c)))
            continue;
        client->judged_digest = digest_record(client->judged_digest, event);
        client->judged_events++;
    }
}

void clients_judge_end(void)
{
    for (unsigned c = 0; c < CLIENTS; c++) {
        const struct client *client = &clients.of[c];
        for (uint32_t i = 0; i < client->count; i++) {
            uint64_t ignored;
            LAW(client->requests[i].state != REQUEST_ACCEPTED ||
                    client->requests[i].message.kind != MESSAGE_ORDER ||
                    !map_get(&clients.accepted, client->requests[i].order, &ignored),
                "client %u was told that request %u is order %llu: it is not in the journal", c, i,
                (unsigned long long)client->requests[i].order);
        }
        LAW(client->stream_events == client->judged_events &&
                client->stream_digest == client->judged_digest,
            "client %u has seen %llu private events, the journal has %llu, or others", c,
            (unsigned long long)client->stream_events, (unsigned long long)client->judged_events);
    }
}
