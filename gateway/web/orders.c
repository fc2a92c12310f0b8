// Orders: requests become commands, events become answers.
//
// Happy path of a WebSocket order: checked here (order_request.h, client id) → order_new in the
// ring, a pending entry at its gateway_seq → the durable event with that gateway_seq → answer. What
// an order has beyond price and quantity is told by the event behind the first, so the answer is
// made when that one has been seen. REST waits for the command's last event and answers with its
// trades.
//
// Failures: what can be said without the core is said at once (unknown symbol, no room in the
// ring); a rejected event is worded by the catalogue; after a new attach everything above the last
// accepted gateway_seq is answered IN_DOUBT. A cancel that names the client id of an order whose
// own answer is still under way is kept with that order and sent when it is accepted. A status or a
// cancel of more orders than fit into one command goes on in commands of the core; the view says
// whether there are more.
#include <stdlib.h>
#include <string.h>

#include "gateway/web/order_request.h"
#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

enum { PENDING_MAX = 65536 }; // power of two; as many commands may be under way

struct pending {
    uint64_t gateway_seq; // 0 = free
    struct reply reply;
    struct user *user;
    struct pending *next, *previous; // of the user
    uint8_t command;                 // enum command_type
    bool answered;
    bool cancel_wanted; // once it is accepted
    struct reply cancel_reply;
    uint8_t client_id_bytes;
    char client_id[CLIENT_ID_BYTES_MAX];
    struct order_status_cmd status; // of a status: order 0 = all that the other fields name; of a
                                    // mass cancel: which orders
    uint8_t scope;                  // of a mass cancel
};

struct orders {
    struct pending *pendings;
    // the command whose events are coming in, for its answer
    struct pending *current;
    struct view_order order; // as it was accepted or amended
    struct order_note note;
    bool priority_kept;
    uint32_t count;            // of cancels, or of rows
    struct json_out rows;      // trades of the order, or states of orders
    struct pending continuing; // of all orders, and the core goes on with it; gateway_seq 0 = none
    uint32_t expected;         // rows a mass status will have
};

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

static struct pending *pending_slot(struct orders *orders, uint64_t gateway_seq)
{
    return &orders->pendings[gateway_seq & (PENDING_MAX - 1)];
}

static struct pending *pending_find(struct orders *orders, uint64_t gateway_seq)
{
    struct pending *pending = pending_slot(orders, gateway_seq);
    return gateway_seq != 0 && pending->gateway_seq == gateway_seq ? pending : NULL;
}

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

static void pending_remove(struct pending *pending)
{
    if (pending->next != NULL)
        pending->next->previous = pending->previous;
    if (pending->previous != NULL)
        pending->previous->next = pending->next;
    else
        pending->user->pendings = pending->next;
    pending->gateway_seq = 0;
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
    return pending_add(web, user, type, reply, link_send(&web->link));
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
    if (!view_session_has_account(web->view, user->session, (*found)->account))
        return fail(fault, REJECT_NOT_OWNER, NULL, 0, (int64_t)order);
    return true;
}

// ---- requests --------------------------------------------------------------------------------

static bool is_order_new(uint8_t command)
{
    return command == CMD_order_new || command == CMD_order_new_terms;
}

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
    remember_client_id(send(web, user, order.command, reply), order.client_id, bytes);
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
    struct pending *pending = send(web, user, CMD_order_mass_cancel, reply);
    pending->scope = cancel.scope;
    pending->status = (struct order_status_cmd){
        .account = cancel.account, .instrument = cancel.instrument, .side = cancel.side};
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
    send(web, user, CMD_order_status, reply)->status = *status;
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

// ---- answers ---------------------------------------------------------------------------------

static bool is_mass_status(const struct pending *pending)
{
    return pending->command == CMD_order_status && pending->status.order == 0;
}

static const char *answer_type(const struct pending *pending)
{
    switch (pending->command) {
    case CMD_order_new:
    case CMD_order_new_terms:
        return "placed";
    case CMD_order_cancel:
        return "cancelled";
    case CMD_order_amend:
        return "amended";
    case CMD_order_status:
        return is_mass_status(pending) ? "mass_status" : "order_status";
    default:
        return "cancelled_all";
    }
}

static void answer_order(struct web *web, struct pending *pending, uint64_t sequence)
{
    struct orders *orders = web->orders;
    struct json_out *out = &web->out;
    reply_begin(web, &pending->reply, answer_type(pending));
    json_integer(out, "sequence", (int64_t)sequence);
    if (pending->command == CMD_order_amend && orders->note.cancelled == 0)
        json_boolean(out, "priority_kept", orders->priority_kept);
    json_name(out, "order");
    shape_order(out, web->view, &orders->order, &orders->note);
    if (pending->reply.rest &&
        (is_order_new(pending->command) || pending->command == CMD_order_amend)) {
        json_name(out, "trades");
        json_open(out, '[');
        json_raw(out, orders->rows.text, orders->rows.bytes);
        json_close(out, ']');
    }
    reply_end(web, &pending->reply, 200);
    pending->answered = true;
}

static void answer_count(struct web *web, struct pending *pending, uint64_t sequence)
{
    reply_begin(web, &pending->reply, answer_type(pending));
    json_integer(&web->out, "sequence", (int64_t)sequence);
    json_integer(&web->out, "count", web->orders->count);
    if (is_mass_status(pending)) {
        json_name(&web->out, "orders");
        json_open(&web->out, '[');
        json_raw(&web->out, web->orders->rows.text, web->orders->rows.bytes);
        json_close(&web->out, ']');
    }
    reply_end(web, &pending->reply, 200);
    pending->answered = true;
}

static void answer_reject(struct web *web, struct pending *pending, const struct event *event)
{
    const struct rejected_evt *rejected = &event->body.rejected;
    uint32_t instrument = rejected->instrument;
    const struct view_order *order = view_order(web->view, rejected->order);
    if (instrument == 0 && order != NULL)
        instrument = order->instrument;
    struct fault fault = {.code = rejected->code,
                          .limit = rejected->limit,
                          .value = rejected->value,
                          .argument = rejected->argument,
                          .token_scale = shape_token_scale(web->view, instrument)};
    reply_fault(web, &pending->reply, &fault, event->header.sequence);
    pending->answered = true;
}

// ---- collecting what an answer needs ---------------------------------------------------------

static void remember_order(struct web *web, uint64_t id)
{
    const struct view_order *order = view_order(web->view, id);
    ASSERT(order != NULL);
    web->orders->order = *order;
}

// What the engine says of it; what it does not repeat (terms) is the view's.
static void remember_status(struct web *web, const struct order_status_evt *status)
{
    struct view_order *order = &web->orders->order;
    remember_order(web, status->order);
    order->price = status->price;
    order->quantity = status->quantity;
    order->leaves = status->leaves;
    order->filled_notional = status->filled_notional;
    order->state = status->state;
}

static void collect_status(struct web *web, const struct pending *pending,
                           const struct order_status_evt *status)
{
    struct orders *orders = web->orders;
    remember_status(web, status);
    if (is_mass_status(pending))
        shape_order(&orders->rows, web->view, &orders->order, &orders->note);
    orders->count++;
}

static void collect_trade(struct web *web, const struct pending *pending, const struct event *event)
{
    const struct trade_evt *trade = &event->body.trade;
    uint64_t order = web->orders->order.order;
    if (pending->reply.rest && (trade->taker_order == order || trade->maker_order == order))
        shape_fill(&web->orders->rows, web->view, event, trade->taker_order == order);
}

static void collect_cancel(struct web *web, const struct pending *pending,
                           const struct order_cancelled_evt *cancelled)
{
    struct orders *orders = web->orders;
    orders->count++;
    if (orders->order.order == 0 && pending->command != CMD_order_mass_cancel)
        remember_order(web, cancelled->order); // of a cancel, or of an amend below what is filled
    if (cancelled->order != orders->order.order)
        return;
    orders->note.cancelled = cancelled->quantity;
    orders->note.reason = cancelled->reason;
}

static void collect(struct web *web, struct pending *pending, const struct event *event)
{
    struct orders *orders = web->orders;
    switch (event->header.type) {
    case EVT_order_accepted:
        remember_order(web, event->body.order_accepted.order);
        break;
    case EVT_order_amended:
        remember_order(web, event->body.order_amended.order);
        orders->priority_kept = event->body.order_amended.priority_kept != 0;
        break;
    case EVT_order_terms:
        remember_order(web, event->body.order_terms.order);
        orders->note.minimum_quantity = event->body.order_terms.minimum_quantity;
        break;
    case EVT_trade:
        collect_trade(web, pending, event);
        break;
    case EVT_order_cancelled:
        collect_cancel(web, pending, &event->body.order_cancelled);
        break;
    case EVT_order_status:
        collect_status(web, pending, &event->body.order_status);
        break;
    default:
        break;
    }
}

static void begin_command(struct orders *orders, struct pending *pending)
{
    orders->current = pending;
    orders->order = (struct view_order){0};
    orders->note = (struct order_note){0};
    orders->priority_kept = false;
    orders->count = orders->expected = 0;
    json_clear(&orders->rows);
}

// ---- when it is answered ---------------------------------------------------------------------

struct count_of_orders {
    const struct view *view;
    const struct pending *pending;
    uint32_t member, count;
};

static void count_order(void *context, const struct view_order *order)
{
    struct count_of_orders *of = context;
    const struct order_status_cmd *asked = &of->pending->status;
    const struct session_rec *session = view_session(of->view, order->session);
    bool in_scope = of->pending->scope == SCOPE_MEMBER
                        ? session != NULL && session->member == of->member
                        : order->session == of->pending->user->session;
    if (in_scope && (asked->account == 0 || asked->account == order->account) &&
        (asked->instrument == 0 || asked->instrument == order->instrument) &&
        (asked->side == 0 || asked->side == order->side))
        of->count++;
}

// How many open orders a request for all of them means.
static uint32_t count_meant(const struct web *web, const struct pending *pending)
{
    const struct session_rec *session = view_session(web->view, pending->user->session);
    struct count_of_orders of = {.view = web->view, .pending = pending};
    of.member = session != NULL ? session->member : 0;
    for (int64_t account = 1; account <= web->config->limits_accounts_max; account++)
        view_orders_of_account(web->view, (uint32_t)account, count_order, &of);
    return of.count;
}

static bool is_complete(struct web *web, const struct pending *pending)
{
    if (!is_mass_status(pending))
        return count_meant(web, pending) == 0;
    if (web->orders->expected == 0)
        web->orders->expected = count_meant(web, pending);
    return web->orders->count >= web->orders->expected;
}

static bool is_of_all(const struct pending *pending)
{
    return pending->command == CMD_order_mass_cancel || is_mass_status(pending);
}

// The last event of a command, or of a status that the core goes on with.
static void answer_last(struct web *web, struct pending *pending, const struct event *event)
{
    struct orders *orders = web->orders;
    if (event->header.type == EVT_rejected) {
        answer_reject(web, pending, event);
    } else if (is_of_all(pending)) {
        if (is_complete(web, pending))
            answer_count(web, pending, event->header.sequence);
    } else if (orders->order.order != 0) {
        if (pending->command != CMD_order_status)
            remember_order(web, orders->order.order); // with its trades
        answer_order(web, pending, event->header.sequence);
    }
}

// An order over WebSocket is answered as it was accepted: when the event behind the first is here.
static bool answers_before(const struct pending *pending, const struct orders *orders,
                           const struct event *event)
{
    return !pending->answered && !pending->reply.rest && orders->order.order != 0 &&
           (is_order_new(pending->command) || pending->command == CMD_order_amend) &&
           event->header.type != EVT_order_terms;
}

// The cancel that was waiting for its order.
static void send_wanted_cancel(struct web *web, const struct pending *pending, uint64_t order)
{
    if (!pending->cancel_wanted)
        return;
    if (order != 0)
        orders_cancel_id(web, pending->user, order, &pending->cancel_reply);
    else
        reply_code(web, &pending->cancel_reply, REJECT_UNKNOWN_ORDER, 0, 0);
}

static void end_command(struct web *web, struct pending *pending)
{
    struct pending done = *pending;
    pending_remove(pending);
    web->orders->current = NULL;
    if (is_of_all(&done) && !done.answered)
        web->orders->continuing = done;
    send_wanted_cancel(web, &done, web->orders->order.order);
}

// The core's command behind an unfinished one: the rest of it, or a part.
static void continue_command(struct web *web, const struct event *event)
{
    struct orders *orders = web->orders;
    struct pending *pending = &orders->continuing;
    collect(web, pending, event);
    if (event->header.last == 0 || !is_complete(web, pending))
        return;
    answer_count(web, pending, event->header.sequence);
    pending->gateway_seq = 0;
}

uint64_t orders_on_event(struct web *web, const struct event *event)
{
    struct orders *orders = web->orders;
    if (event->header.gateway == GATEWAY_CORE && orders->continuing.gateway_seq != 0)
        continue_command(web, event);
    if (event->header.gateway != GATEWAY_WEB)
        return 0;
    if (event->header.index == 0)
        begin_command(orders, pending_find(orders, event->header.gateway_seq));
    struct pending *pending = orders->current;
    if (pending == NULL)
        return 0;
    if (answers_before(pending, orders, event))
        answer_order(web, pending, event->header.sequence);
    collect(web, pending, event);
    uint64_t told = event->header.index == 0 && !pending->reply.rest ? pending->reply.peer : 0;
    if (event->header.last != 0) {
        if (!pending->answered)
            answer_last(web, pending, event);
        end_command(web, pending);
    }
    return told;
}

void orders_lost(struct web *web, uint64_t above)
{
    struct orders *orders = web->orders;
    orders->current = NULL;
    if (orders->continuing.gateway_seq != 0)
        reply_code(web, &orders->continuing.reply, REJECT_IN_DOUBT, 0, 0);
    orders->continuing.gateway_seq = 0;
    for (struct pending *p = orders->pendings; p < orders->pendings + PENDING_MAX; p++) {
        if (p->gateway_seq == 0 || p->gateway_seq <= above)
            continue;
        struct pending lost = *p;
        pending_remove(p);
        reply_code(web, &lost.reply, REJECT_IN_DOUBT, 0, 0);
        if (lost.cancel_wanted)
            reply_code(web, &lost.cancel_reply, REJECT_IN_DOUBT, 0, 0);
    }
}
