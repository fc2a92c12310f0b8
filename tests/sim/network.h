// Network: connections between clients and the gateways, and what is under way on them.
//
// Fault model. A message takes some time; on one connection messages stay in order, between
// connections they overtake each other. A connection breaks at any time: what is under way on it,
// to either side, is lost, and each side notices later. A gateway that dies takes its connections
// with it. Clients that do not know whether a request arrived send it again (clients.c).
#ifndef LONJA_SIM_NETWORK_H
#define LONJA_SIM_NETWORK_H

#include <stdbool.h>
#include <stdint.h>

#include "schema/records.h"

enum message_kind {
    // client to gateway
    MESSAGE_LOGON,  // sequence: the last one whose private events it has seen
    MESSAGE_ORDER,  // client_id and terms
    MESSAGE_CANCEL, // order
    MESSAGE_XVP,    // order: an instruction; side: enum xvp_action; client_id: a secret, to reveal
    MESSAGE_ASK,    // client_id: what became of it?
    // gateway to client
    MESSAGE_LOGGED_ON,
    MESSAGE_ACCEPTED,     // request; order, sequence
    MESSAGE_REFUSED,      // request; code; sequence 0 = it was never sent to the core
    MESSAGE_NOT_ACCEPTED, // request: it was in doubt, and is not in the journal
    MESSAGE_KNOWN,        // to an ask: order
    MESSAGE_UNKNOWN,      // to an ask: it is not in the journal, and nothing on its way there
    MESSAGE_LATER,        // to an ask: cannot be said yet
    MESSAGE_EVENT,        // a private event
};

struct message {
    uint8_t kind, side, type, tif;
    uint16_t code;
    uint32_t request;
    uint32_t ask; // of an ask and its answer: which one
    uint32_t instrument;
    int64_t price, quantity;
    uint64_t order, sequence;
    uint8_t client_id_bytes;
    char client_id[CLIENT_ID_BYTES_MAX];
    struct event event;
};

void network_begin(void);
// Ties the gateway's end: its doorbell. Connections can be made from now on.
void network_listen(unsigned gateway, int bell_fd);
// The gateway is gone.
void network_gone(unsigned gateway);

// Client's side. False: nobody listens there.
bool network_connect(unsigned client, unsigned gateway);
bool network_is_connected(unsigned client);
void network_to_gateway(unsigned client, const struct message *message);
void network_break(unsigned client); // from outside: a fault

// Gateway's side. `life` names one connection of a client: what was meant for an older one is lost.
bool network_receive(unsigned gateway, unsigned *client, uint64_t *life, struct message *out);
bool network_is_life(unsigned client, uint64_t life);
void network_to_client(unsigned client, uint64_t life, const struct message *message);

void network_set_delay(uint64_t delay_ns_max);

#endif
