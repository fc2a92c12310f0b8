// Orders: requests become commands. What becomes of them is in answers.c.
//
// Happy path: checked here (order_request.h, client id) → a command in the ring, a pending entry at
// its gateway_seq → the durable event with that gateway_seq → answer.
//
// Failures: what can be said without the core is said at once (unknown symbol, no room in the
// ring). A cancel that names the client id of an order whose own answer is still under way is kept
// with that order and sent when it is accepted.
#include "gateway/web/orders.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/web/order_request.h"

struct orders *orders_create(struct web *web)
{
    (void)web;
    struct orders *orders = calloc(1, sizeof *orders);
    if (orders == NULL)
        return NULL;
    orders->pendings = calloc(PENDING_MAX, sizeof *orders->pendings);
    if (orders->pendings == NULL) {
        free(orders);
        return NULL;
    }
    json_out_init(&orders->rows);
    return orders;
}

void orders_destroy(struct orders *orders)
{
    if (orders == NULL)
        return;
    json_out_fini(&orders->rows);
    free(orders->pendings);
    free(orders);
}

// ---- pending commands ------------------------------------------------------------------------

static struct pending *pending_add(struct web *web, struct user *user, uint8_t command,
                                   const struct reply *reply, uint64_t gateway_seq)
{
    struct pending *pending = pending_slot(web->orders, gateway_seq);
    ASSERT(pending->gateway_seq == 0);
    *pending = (struct pending){
        .gateway_seq = gateway_seq, .reply = *reply, .user = user, .command = command};
    pending->next = user->pendings;
    if (user->pendings != NULL)
        user->pendings->previous = pending;
    user->pendings = pending;
    return pending;
}

static struct pending *pending_of_client_id(struct user *user, const char *id, size_t bytes)
{
    struct pending *p = user->pendings;
    while (p != NULL && (p->client_id_bytes != bytes || memcmp(p->client_id, id, bytes) != 0))
        p = p->next;
    return bytes > 0 ? p : NULL;
}

// Room in the ring and in the table, or the answer why not.
static struct command *claim(struct web *web, uint8_t type, size_t tail_bytes, struct user *user,
                             const struct reply *reply)
{
    bool room = pending_slot(web->orders, web->link.gateway_seq + 1)->gateway_seq == 0;
    struct command *command =
        room ? link_claim(&web->link, type, tail_bytes, user->session, 0) : NULL;
    if (command == NULL)
        reply_code(web, reply,
                   room && !web->link.attached ? REJECT_NOT_ATTACHED : REJECT_OVERLOADED, 0, 0);
    return command;
}

static struct pending *send(struct web *web, struct user *user, uint8_t type,
                            const struct reply *reply)
{
    return pending_add(web, user, type, reply, link_send_later(&web->link));
}

// ---- parts of requests -----------------------------------------------------------------------

static bool fail(struct fault *fault, enum reject_code code, const char *field, int64_t limit,
                 int64_t value)
{
    *fault = (struct fault){.code = (uint16_t)code, .field = field, .limit = limit, .value = value};
    return false;
}

static struct order_asker asker_of(const struct web *web, const struct user *user)
{
    return (struct order_asker){.view = web->view, .session = user->session};
}

static bool is_new(const struct web *web, struct user *user, struct fault *fault, const char *id,
                   size_t bytes)
{
    if (pending_of_client_id(user, id, bytes) != NULL ||
        view_order_by_client_id(web->view, user->session, id, bytes) != 0)
        return fail(fault, REJECT_DUPLICATE_CLIENT_ID, NULL, 0, 0);
    return true;
}

// The order that a cancel or amend means. *pending is set instead if it is not accepted yet.
static bool order_named(struct web *web, struct user *user, struct fault *fault, uint64_t *order,
                        struct pending **pending, const struct request *request)
{
    int64_t id = 0;
    bool by_id = request_has(request, WEB_FIELD_order);
    *pending = NULL;
    if (by_id == request_has(request, WEB_FIELD_client_order_id))
        return fail(fault, REJECT_MISSING_FIELD, "order or client_order_id", 0, 0);
    if (by_id) {
        if (!request_whole(&id, fault, request, WEB_FIELD_order, INT64_MAX, 0))
            return false;
        *order = (uint64_t)id;
        return true;
    }
    const struct json_member *client_id = request->field[WEB_FIELD_client_order_id];
    if (!order_request_client_id(fault, request, WEB_FIELD_client_order_id))
        return false;
    *order =
        view_order_by_client_id(web->view, user->session, client_id->text, client_id->text_bytes);
    if (*order == 0)
        *pending = pending_of_client_id(user, client_id->text, client_id->text_bytes);
    return *order != 0 || *pending != NULL || fail(fault, REJECT_UNKNOWN_ORDER, NULL, 0, 0);
}

static bool own_open_order(struct web *web, struct user *user, struct fault *fault,
                           const struct view_order **found, uint64_t order)
{
    *found = view_order(web->view, order);
    if (*found == NULL || (*found)->leaves == 0)
        return fail(fault, REJECT_UNKNOWN_ORDER, NULL, 0, (int64_t)order);
    if (view_session_rights(web->view, user->session, (*found)->account) == 0)
        return fail(fault, REJECT_NOT_OWNER, NULL, 0, (int64_t)order);
    return true;
}

// ---- requests --------------------------------------------------------------------------------

static void remember_client_id(struct pending *pending, const char *id, uint8_t bytes)
{
    pending->client_id_bytes = bytes;
    memcpy(pending->client_id, id, bytes);
}

void orders_place(struct web *web, struct user *user, const struct request *request,
                  const struct reply *reply)
{
    struct fault fault;
    struct order_request order;
    struct order_asker asker = asker_of(web, user);
    if (!order_request_new(&order, &fault, &asker, request) ||
        !is_new(web, user, &fault, order.client_id, order.body.client_id_bytes)) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    uint8_t bytes = order.body.client_id_bytes;
    struct command *command = claim(web, order.command, bytes, user, reply);
    if (command == NULL)
        return;
    if (order.command == CMD_order_new_terms)
        command->body.order_new_terms = order.body;
    else
        memcpy(&command->body.order_new, &order.body, sizeof command->body.order_new);
    memcpy(command_tail_writable(command), order.client_id, bytes);
    struct pending *pending = send(web, user, order.command, reply);
    pending->side = order.body.side;
    remember_client_id(pending, order.client_id, bytes);
}

void orders_cancel_id(struct web *web, struct user *user, uint64_t order, const struct reply *reply)
{
    struct fault fault;
    const struct view_order *found;
    if (!own_open_order(web, user, &fault, &found, order)) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    struct command *command = claim(web, CMD_order_cancel, 0, user, reply);
    if (command == NULL)
        return;
    command->body.order_cancel =
        (struct order_cancel_cmd){.order = order, .account = found->account};
    send(web, user, CMD_order_cancel, reply);
}

void orders_cancel(struct web *web, struct user *user, const struct request *request,
                   const struct reply *reply)
{
    struct fault fault;
    struct pending *pending;
    uint64_t order;
    if (!order_named(web, user, &fault, &order, &pending, request)) {
        reply_fault(web, reply, &fault, 0);
    } else if (pending == NULL) {
        orders_cancel_id(web, user, order, reply);
    } else if (is_order_new(pending->command) && !pending->cancel_wanted) {
        pending->cancel_wanted = true;
        pending->cancel_reply = *reply;
    } else {
        reply_code(web, reply, REJECT_UNKNOWN_ORDER, 0, 0);
    }
}

void orders_cancel_all(struct web *web, struct user *user, const struct request *request,
                       const struct reply *reply)
{
    struct fault fault;
    struct order_mass_cancel_cmd cancel;
    struct order_asker asker = asker_of(web, user);
    if (!order_request_mass_cancel(&cancel, &fault, &asker, request)) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    struct command *command = claim(web, CMD_order_mass_cancel, 0, user, reply);
    if (command == NULL)
        return;
    command->body.order_mass_cancel = cancel;
    send(web, user, CMD_order_mass_cancel, reply);
}

// One that is under way is none yet.
const struct view_order *orders_named(struct web *web, struct user *user,
                                      const struct request *request, const struct reply *reply)
{
    struct fault fault;
    struct pending *pending;
    const struct view_order *found = NULL;
    uint64_t order;
    bool good = order_named(web, user, &fault, &order, &pending, request) &&
                (pending == NULL || fail(&fault, REJECT_UNKNOWN_ORDER, NULL, 0, 0)) &&
                own_open_order(web, user, &fault, &found, order);
    if (!good)
        reply_fault(web, reply, &fault, 0);
    return good ? found : NULL;
}

const struct view_order *orders_by_id(struct web *web, struct user *user, uint64_t order,
                                      const struct reply *reply)
{
    struct fault fault;
    const struct view_order *found;
    if (own_open_order(web, user, &fault, &found, order))
        return found;
    reply_fault(web, reply, &fault, 0);
    return NULL;
}

static void send_amend(struct web *web, struct user *user, const struct order_amend_cmd *amend,
                       const char *client_id, bool renamed, const struct reply *reply)
{
    struct command *command = claim(web, CMD_order_amend, amend->client_id_bytes, user, reply);
    if (command == NULL)
        return;
    command->body.order_amend = *amend;
    memcpy(command_tail_writable(command), client_id, amend->client_id_bytes);
    struct pending *pending = send(web, user, CMD_order_amend, reply);
    if (renamed)
        remember_client_id(pending, client_id, amend->client_id_bytes);
}

void orders_amend(struct web *web, struct user *user, const struct view_order *order,
                  const struct request *request, const struct reply *reply)
{
    struct fault fault;
    struct order_amend_cmd amend;
    struct order_asker asker = asker_of(web, user);
    const struct json_member *renamed = request->field[WEB_FIELD_new_client_order_id];
    bool good = order_request_amend(&amend, &fault, &asker, request, order) &&
                (renamed == NULL ||
                 (order_request_client_id(&fault, request, WEB_FIELD_new_client_order_id) &&
                  is_new(web, user, &fault, renamed->text, renamed->text_bytes)));
    if (!good) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    amend.order = order->order;
    amend.account = order->account;
    amend.client_id_bytes = renamed != NULL ? (uint8_t)renamed->text_bytes : order->client_id_bytes;
    send_amend(web, user, &amend, renamed != NULL ? renamed->text : order->client_id,
               renamed != NULL, reply);
}

static void send_status(struct web *web, struct user *user, const struct order_status_cmd *status,
                        const struct reply *reply)
{
    struct command *command = claim(web, CMD_order_status, 0, user, reply);
    if (command == NULL)
        return;
    command->body.order_status = *status;
    send(web, user, CMD_order_status, reply)->all = status->order == 0;
}

void orders_status(struct web *web, struct user *user, const struct view_order *order,
                   const struct reply *reply)
{
    const struct order_status_cmd status = {.order = order->order, .account = order->account};
    send_status(web, user, &status, reply);
}

void orders_mass_status(struct web *web, struct user *user, const struct request *request,
                        const struct reply *reply)
{
    struct fault fault;
    struct order_status_cmd status;
    struct order_asker asker = asker_of(web, user);
    if (order_request_status(&status, &fault, &asker, request))
        send_status(web, user, &status, reply);
    else
        reply_fault(web, reply, &fault, 0);
}

void orders_xvp(struct web *web, struct user *user, uint64_t xvp, uint8_t action,
                const struct request *request, const struct reply *reply)
{
    struct fault fault;
    uint32_t account;
    struct order_asker asker = asker_of(web, user);
    uint8_t secret[XVP_SECRET_BYTES] = {0};
    size_t bytes = action == XVP_REVEAL ? sizeof secret : 0;
    if (!order_request_account(&account, &fault, &asker, request) ||
        (bytes != 0 && !order_request_secret(secret, &fault, request))) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    struct command *command = claim(web, CMD_xvp_act, bytes, user, reply);
    if (command == NULL)
        return;
    command->body.xvp_act = (struct xvp_act_cmd){.xvp = xvp, .account = account, .action = action};
    memcpy(command_tail_writable(command), secret, bytes);
    send(web, user, CMD_xvp_act, reply);
}
