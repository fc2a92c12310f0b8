// Orders: requests become commands, events become answers.
//
// Happy path of a WebSocket order: checked here (shape, symbol, client id) → order_new in the ring,
// a pending entry at its gateway_seq → the durable event with that gateway_seq → answer. REST waits
// for the command's last event and answers with its trades.
//
// Failures: what can be said without the core is said at once (unknown symbol, no room in the
// ring); a rejected event is worded by the catalogue; after a new attach everything above the last
// accepted gateway_seq is answered IN_DOUBT. A cancel that names the client id of an order whose
// own answer is still under way is kept with that order and sent when it is accepted.
#include <stdlib.h>
#include <string.h>

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
};

struct orders {
    struct pending *pendings;
    // the command whose events are coming in, for answers at its last event
    struct pending *current;
    struct view_order order;
    int64_t cancelled;
    uint8_t cancel_reason;
    uint32_t cancelled_count;
    struct json_out trades;
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
    json_out_init(&orders->trades);
    return orders;
}

void orders_destroy(struct orders *orders)
{
    if (orders == NULL)
        return;
    json_out_fini(&orders->trades);
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

// Printable ASCII: it goes to logs, FIX drop copies and Postgres as it is.
static bool check_client_id(struct fault *fault, const struct json_member *id, const char *field)
{
    if (id->text_bytes == 0 || id->text_bytes > CLIENT_ID_BYTES_MAX)
        return fail(fault, REJECT_CLIENT_ID_LENGTH, NULL, CLIENT_ID_BYTES_MAX, id->text_bytes);
    for (size_t i = 0; i < id->text_bytes; i++)
        if (id->text[i] < 0x20 || id->text[i] > 0x7e)
            return fail(fault, REJECT_MALFORMED, field, 0, 0);
    return true;
}

static bool new_client_id(struct web *web, struct user *user, struct fault *fault,
                          const struct request *request, enum web_field field)
{
    const struct json_member *id = request->field[field];
    if (!check_client_id(fault, id, request_field_name(field)))
        return false;
    if (pending_of_client_id(user, id->text, id->text_bytes) != NULL ||
        view_order_by_client_id(web->view, user->session, id->text, id->text_bytes) != 0)
        return fail(fault, REJECT_DUPLICATE_CLIENT_ID, NULL, 0, 0);
    return true;
}

// The account that is named, or the session's only one.
static bool account_of(struct web *web, struct user *user, struct fault *fault, uint32_t *account,
                       const struct request *request)
{
    int64_t named;
    uint32_t only[2];
    if (!request_whole(&named, fault, request, WEB_FIELD_account, UINT32_MAX, 0))
        return false;
    *account = (uint32_t)named;
    if (request_has(request, WEB_FIELD_account)) {
        if (!view_session_has_account(web->view, user->session, *account))
            return fail(fault, REJECT_ACCOUNT_NOT_OF_SESSION, NULL, 0, named);
        return true;
    }
    if (view_session_accounts(web->view, user->session, only, 2) != 1)
        return fail(fault, REJECT_MISSING_FIELD, "account", 0, 0);
    *account = only[0];
    return true;
}

static bool instrument_of(struct web *web, struct fault *fault,
                          const struct view_instrument **instrument, const struct request *request)
{
    const struct json_member *symbol = request->field[WEB_FIELD_symbol];
    *instrument = view_instrument_by_symbol(web->view, symbol->text, symbol->text_bytes);
    return *instrument != NULL || fail(fault, REJECT_UNKNOWN_SYMBOL, NULL, 0, 0);
}

struct word {
    const char *text;
    uint8_t value;
};

static bool one_of(struct fault *fault, uint8_t *out, const struct request *request,
                   enum web_field field, const struct word *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!request_has(request, field) || request_text_is(request, field, words[i].text)) {
            *out = words[i].value;
            return true;
        }
    return fail(fault, REJECT_MALFORMED, request_field_name(field), 0, 0);
}

// The first word stands for an absent field.
static const struct word side_words[] = {{"buy", SIDE_BUY}, {"sell", SIDE_SELL}};
static const struct word type_words[] = {{"limit", ORDER_LIMIT}, {"market", ORDER_MARKET}};
static const struct word tif_words[] = {{"day", TIF_DAY}, {"gtc", TIF_GTC}, {"ioc", TIF_IOC}};

static bool price_and_quantity(struct fault *fault, struct order_new_cmd *order,
                               const struct request *request, unsigned token_scale)
{
    if (order->type == ORDER_LIMIT && !request_has(request, WEB_FIELD_price))
        return fail(fault, REJECT_MISSING_FIELD, "price", 0, 0);
    if (request_has(request, WEB_FIELD_price) &&
        !request_decimal(&order->price, fault, request, WEB_FIELD_price, CASH_SCALE))
        return false;
    return request_decimal(&order->quantity, fault, request, WEB_FIELD_quantity, token_scale);
}

static bool order_of(struct web *web, struct user *user, struct fault *fault,
                     struct order_new_cmd *order, const struct request *request)
{
    const struct view_instrument *instrument;
    int64_t confirm_ref;
    if (!instrument_of(web, fault, &instrument, request) ||
        !one_of(fault, &order->side, request, WEB_FIELD_side, side_words, 2) ||
        !one_of(fault, &order->type, request, WEB_FIELD_order_type, type_words, 2) ||
        !one_of(fault, &order->tif, request, WEB_FIELD_tif, tif_words, 3) ||
        !price_and_quantity(fault, order, request, instrument->terms.token_scale) ||
        !account_of(web, user, fault, &order->account, request) ||
        !request_whole(&confirm_ref, fault, request, WEB_FIELD_confirm_ref, INT64_MAX, 0) ||
        !new_client_id(web, user, fault, request, WEB_FIELD_client_order_id))
        return false;
    order->instrument = instrument->terms.instrument;
    order->flags =
        (request_flag(request, WEB_FIELD_confirm_fat_finger) ? ORDER_CONFIRM_FAT_FINGER : 0) |
        (request_flag(request, WEB_FIELD_confirm_nav_deviation) ? ORDER_CONFIRM_NAV : 0);
    order->confirm_ref = (uint64_t)confirm_ref;
    order->client_id_bytes = (uint8_t)request->field[WEB_FIELD_client_order_id]->text_bytes;
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
    if (!check_client_id(fault, client_id, "client_order_id"))
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

void orders_place(struct web *web, struct user *user, const struct request *request,
                  const struct reply *reply)
{
    struct fault fault;
    struct order_new_cmd order = {0};
    if (!order_of(web, user, &fault, &order, request)) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    struct command *command = claim(web, CMD_order_new, order.client_id_bytes, user, reply);
    if (command == NULL)
        return;
    const char *client_id = request->field[WEB_FIELD_client_order_id]->text;
    command->body.order_new = order;
    memcpy(command_tail_writable(command), client_id, order.client_id_bytes);
    struct pending *pending = send(web, user, CMD_order_new, reply);
    pending->client_id_bytes = order.client_id_bytes;
    memcpy(pending->client_id, client_id, order.client_id_bytes);
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
    } else if (pending->command == CMD_order_new && !pending->cancel_wanted) {
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
    struct order_mass_cancel_cmd cancel = {0};
    const struct view_instrument *instrument;
    if (request_has(request, WEB_FIELD_symbol)) {
        if (!instrument_of(web, &fault, &instrument, request)) {
            reply_fault(web, reply, &fault, 0);
            return;
        }
        cancel.instrument = instrument->terms.instrument;
    }
    if (request_has(request, WEB_FIELD_account) &&
        !account_of(web, user, &fault, &cancel.account, request)) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    struct command *command = claim(web, CMD_order_mass_cancel, 0, user, reply);
    if (command == NULL)
        return;
    command->body.order_mass_cancel = cancel;
    send(web, user, CMD_order_mass_cancel, reply);
}

static bool amend_of(struct web *web, struct user *user, struct fault *fault,
                     struct order_amend_cmd *amend, const char **client_id,
                     const struct request *request)
{
    struct pending *pending;
    const struct view_order *found;
    if (!order_named(web, user, fault, &amend->order, &pending, request))
        return false;
    if (pending != NULL)
        return fail(fault, REJECT_UNKNOWN_ORDER, NULL, 0, 0);
    if (!own_open_order(web, user, fault, &found, amend->order) ||
        !request_decimal(&amend->quantity, fault, request, WEB_FIELD_quantity,
                         shape_token_scale(web->view, found->instrument)))
        return false;
    amend->account = found->account;
    amend->price = found->price;
    *client_id = found->client_id;
    amend->client_id_bytes = found->client_id_bytes;
    if (!request_has(request, WEB_FIELD_new_client_order_id))
        return true;
    *client_id = request->field[WEB_FIELD_new_client_order_id]->text;
    amend->client_id_bytes = (uint8_t)request->field[WEB_FIELD_new_client_order_id]->text_bytes;
    return new_client_id(web, user, fault, request, WEB_FIELD_new_client_order_id);
}

void orders_amend(struct web *web, struct user *user, const struct request *request,
                  const struct reply *reply)
{
    struct fault fault;
    struct order_amend_cmd amend = {0};
    const char *client_id;
    if (!amend_of(web, user, &fault, &amend, &client_id, request)) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    struct command *command = claim(web, CMD_order_amend, amend.client_id_bytes, user, reply);
    if (command == NULL)
        return;
    command->body.order_amend = amend;
    memcpy(command_tail_writable(command), client_id, amend.client_id_bytes);
    struct pending *pending = send(web, user, CMD_order_amend, reply);
    if (request_has(request, WEB_FIELD_new_client_order_id)) {
        pending->client_id_bytes = amend.client_id_bytes;
        memcpy(pending->client_id, client_id, amend.client_id_bytes);
    }
}

// ---- answers ---------------------------------------------------------------------------------

static const char *answer_type(uint8_t command)
{
    return command == CMD_order_new      ? "placed"
           : command == CMD_order_cancel ? "cancelled"
           : command == CMD_order_amend  ? "amended"
                                         : "cancelled_all";
}

static void answer_order(struct web *web, struct pending *pending, uint64_t sequence)
{
    struct orders *orders = web->orders;
    struct json_out *out = &web->out;
    reply_begin(web, &pending->reply, answer_type(pending->command));
    json_integer(out, "sequence", (int64_t)sequence);
    json_name(out, "order");
    shape_order(out, web->view, &orders->order, orders->cancelled, orders->cancel_reason);
    if (pending->reply.rest && pending->command == CMD_order_new) {
        json_name(out, "trades");
        json_open(out, '[');
        json_raw(out, orders->trades.text, orders->trades.bytes);
        json_close(out, ']');
    }
    reply_end(web, &pending->reply, 200);
    pending->answered = true;
}

static void answer_count(struct web *web, struct pending *pending, uint64_t sequence)
{
    reply_begin(web, &pending->reply, answer_type(pending->command));
    json_integer(&web->out, "sequence", (int64_t)sequence);
    json_integer(&web->out, "count", web->orders->cancelled_count);
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

static void remember_order(struct web *web, uint64_t id)
{
    const struct view_order *order = view_order(web->view, id);
    ASSERT(order != NULL);
    web->orders->order = *order;
}

// Keeps what the answer at the last event will need.
static void collect(struct web *web, struct pending *pending, const struct event *event)
{
    struct orders *orders = web->orders;
    switch (event->header.type) {
    case EVT_order_accepted:
        remember_order(web, event->body.order_accepted.order);
        break;
    case EVT_order_amended:
        remember_order(web, event->body.order_amended.order);
        break;
    case EVT_trade:
        if (event->body.trade.taker_order == orders->order.order) {
            remember_order(web, orders->order.order);
            if (pending->reply.rest)
                shape_fill(&orders->trades, web->view, event, true);
        }
        break;
    case EVT_order_cancelled:
        orders->cancelled_count++;
        if (pending->command == CMD_order_cancel ||
            event->body.order_cancelled.order == orders->order.order) {
            remember_order(web, event->body.order_cancelled.order);
            orders->cancelled = event->body.order_cancelled.quantity;
            orders->cancel_reason = event->body.order_cancelled.reason;
        }
        break;
    case EVT_done:
        if (event->body.done.count > orders->cancelled_count)
            orders->cancelled_count = event->body.done.count;
        break;
    default:
        break;
    }
}

static void begin_command(struct orders *orders, struct pending *pending)
{
    orders->current = pending;
    orders->order = (struct view_order){0};
    orders->cancelled = 0;
    orders->cancel_reason = 0;
    orders->cancelled_count = 0;
    json_clear(&orders->trades);
}

// A WebSocket hears of its order at the first event, a REST client at the last, with the trades.
static bool answer_is_due(const struct pending *pending, const struct event *event)
{
    if (pending->answered)
        return false;
    if (event->header.last != 0)
        return true;
    return !pending->reply.rest && pending->command != CMD_order_mass_cancel;
}

static void answer(struct web *web, struct pending *pending, const struct event *event)
{
    if (event->header.type == EVT_rejected)
        answer_reject(web, pending, event);
    else if (pending->command == CMD_order_mass_cancel)
        answer_count(web, pending, event->header.sequence);
    else if (web->orders->order.order != 0)
        answer_order(web, pending, event->header.sequence);
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
    send_wanted_cancel(web, &done, web->orders->order.order);
}

uint64_t orders_on_event(struct web *web, const struct event *event)
{
    struct orders *orders = web->orders;
    if (event->header.gateway != GATEWAY_WEB)
        return 0;
    if (event->header.index == 0)
        begin_command(orders, pending_find(orders, event->header.gateway_seq));
    struct pending *pending = orders->current;
    if (pending == NULL)
        return 0;
    collect(web, pending, event);
    bool due = answer_is_due(pending, event);
    uint64_t answered = due && !pending->reply.rest ? pending->reply.peer : 0;
    if (due)
        answer(web, pending, event);
    if (event->header.last != 0)
        end_command(web, pending);
    return answered;
}

void orders_lost(struct web *web, uint64_t above)
{
    struct orders *orders = web->orders;
    orders->current = NULL;
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
