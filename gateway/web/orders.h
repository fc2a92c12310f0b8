// What orders.c (requests) and answers.c (their answers) share.
#ifndef LONJA_GATEWAY_WEB_ORDERS_H
#define LONJA_GATEWAY_WEB_ORDERS_H

#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

enum { PENDING_MAX = 65536 }; // power of two; as many commands may be under way

struct pending {
    uint64_t gateway_seq; // 0 = free
    struct reply reply;
    struct user *user;
    struct pending *next, *previous; // of the user
    uint8_t command;                 // enum command_type
    uint8_t side;                    // of a new order
    bool all;                        // a status of all orders that it names
    bool answered;
    bool cancel_wanted; // once it is accepted
    struct reply cancel_reply;
    uint8_t client_id_bytes;
    char client_id[CLIENT_ID_BYTES_MAX];
};

struct orders {
    struct pending *pendings;
    // the command whose events are coming in, for its answer
    struct pending *current;
    struct view_order order; // as it was accepted or amended
    struct order_note note;
    bool amended, priority_kept;
    struct xvp_changed_evt xvp; // the last thing that happened to an instruction; xvp 0 = nothing
    uint32_t count;             // of cancels, or of rows
    struct json_out rows;       // trades of the order, or states of orders
    struct pending continuing;  // of all orders, and the core goes on with it; gateway_seq 0 = none
};

static inline struct pending *pending_slot(struct orders *orders, uint64_t gateway_seq)
{
    return &orders->pendings[gateway_seq & (PENDING_MAX - 1)];
}

static inline bool is_order_new(uint8_t command)
{
    return command == CMD_order_new || command == CMD_order_new_terms;
}

static inline bool is_mass_status(const struct pending *pending)
{
    return pending->command == CMD_order_status && pending->all;
}

#endif
