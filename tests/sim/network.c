#include "tests/sim/network.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/boot.h"
#include "tests/sim/clients.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/universe.h"

enum { INBOX_MAX = 512 };

struct parcel {
    unsigned client;
    uint64_t life;
    struct message message;
};

static struct {
    struct wire {
        bool open;
        unsigned gateway;
        uint64_t life;           // 1, 2, 3 …
        uint64_t up_ns, down_ns; // when the last message on its way arrives
    } wires[CLIENTS];
    struct inbox {
        bool listens;
        int bell_fd;
        uint64_t head, tail;
        struct parcel *parcels[INBOX_MAX];
    } inboxes[PROCESS_COUNT];
    uint64_t delay_ns_max;
} network;

void network_begin(void)
{
    network.delay_ns_max = MS;
}

void network_set_delay(uint64_t delay_ns_max)
{
    network.delay_ns_max = delay_ns_max;
}

static uint64_t arrival(uint64_t *last_ns)
{
    uint64_t at_ns = scheduler_now_ns() + 20 * US + scheduler_random(network.delay_ns_max);
    *last_ns = at_ns > *last_ns ? at_ns : *last_ns + 1;
    return *last_ns;
}

static struct parcel *parcel_new(unsigned client, uint64_t life, const struct message *message)
{
    struct parcel *parcel = malloc(sizeof *parcel);
    ASSERT(parcel != NULL);
    *parcel = (struct parcel){.client = client, .life = life, .message = *message};
    return parcel;
}

// ---- the gateway's side

void network_listen(unsigned gateway, int bell_fd)
{
    network.inboxes[gateway].listens = true;
    network.inboxes[gateway].bell_fd = bell_fd;
}

static void on_broken(void *context, uint64_t client)
{
    (void)context;
    clients_disconnected((unsigned)client);
}

static void wire_break(unsigned client)
{
    struct wire *wire = &network.wires[client];
    if (!wire->open)
        return;
    wire->open = false;
    wire->life++;
    scheduler_at(scheduler_now_ns() + scheduler_random(20 * MS), on_broken, NULL, client);
}

void network_break(unsigned client)
{
    wire_break(client);
}

void network_gone(unsigned gateway)
{
    struct inbox *inbox = &network.inboxes[gateway];
    inbox->listens = false;
    while (inbox->head < inbox->tail)
        free(inbox->parcels[inbox->head++ % INBOX_MAX]);
    for (unsigned client = 0; client < CLIENTS; client++)
        if (network.wires[client].gateway == gateway)
            wire_break(client);
}

bool network_receive(unsigned gateway, unsigned *client, uint64_t *life, struct message *out)
{
    scheduler_effect();
    struct inbox *inbox = &network.inboxes[gateway];
    if (inbox->head == inbox->tail)
        return false;
    struct parcel *parcel = inbox->parcels[inbox->head++ % INBOX_MAX];
    *client = parcel->client;
    *life = parcel->life;
    *out = parcel->message;
    free(parcel);
    return true;
}

bool network_is_life(unsigned client, uint64_t life)
{
    return network.wires[client].open && network.wires[client].life == life;
}

static void on_down(void *context, uint64_t number)
{
    (void)number;
    struct parcel *parcel = context;
    if (network_is_life(parcel->client, parcel->life))
        clients_receive(parcel->client, &parcel->message);
    free(parcel);
}

void network_to_client(unsigned client, uint64_t life, const struct message *message)
{
    scheduler_effect();
    if (network_is_life(client, life))
        scheduler_at(arrival(&network.wires[client].down_ns), on_down,
                     parcel_new(client, life, message), 0);
}

// ---- the client's side

bool network_connect(unsigned client, unsigned gateway)
{
    if (!network.inboxes[gateway].listens)
        return false;
    struct wire *wire = &network.wires[client];
    ASSERT(!wire->open);
    *wire = (struct wire){.open = true, .gateway = gateway, .life = wire->life + 1};
    return true;
}

bool network_is_connected(unsigned client)
{
    return network.wires[client].open;
}

static void on_up(void *context, uint64_t number)
{
    (void)number;
    struct parcel *parcel = context;
    struct inbox *inbox = &network.inboxes[network.wires[parcel->client].gateway];
    bool lost = !network_is_life(parcel->client, parcel->life);
    if (lost || inbox->tail - inbox->head == INBOX_MAX) {
        if (!lost)
            wire_break(parcel->client); // it does not read: cut
        free(parcel);
        return;
    }
    inbox->parcels[inbox->tail++ % INBOX_MAX] = parcel;
    uint64_t one = 1;
    ASSERT(write(inbox->bell_fd, &one, sizeof one) == sizeof one);
}

void network_to_gateway(unsigned client, const struct message *message)
{
    struct wire *wire = &network.wires[client];
    if (wire->open)
        scheduler_at(arrival(&wire->up_ns), on_up, parcel_new(client, wire->life, message), 0);
}
