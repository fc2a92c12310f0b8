// Answers: what the durable events say of the commands that orders.c has sent.
//
// What an order has beyond price and quantity is told by the event behind the first, so a WebSocket
// is answered when that one has been seen. REST waits for the command's last event and is answered
// with the trades. A status or a cancel of more orders than fit into one command goes on in
// commands of the core, and is answered at the `done` that has no more behind it.
//
// Failures: a rejected event is worded by the catalogue; after a new attach everything above the
// last accepted gateway_seq is answered IN_DOUBT.
#include "gateway/web/orders.h"

#include "schema/words.h"

static struct pending *pending_find(struct orders *orders, uint64_t gateway_seq)
{
    struct pending *pending = pending_slot(orders, gateway_seq);
    return gateway_seq != 0 && pending->gateway_seq == gateway_seq ? pending : NULL;
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
    if (orders->amended)
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

// What the instruction has come to, or that it was so before. An execution by itself that was
// refused is told beside it: the approval stands.
static void answer_xvp(struct web *web, struct pending *pending, uint64_t sequence)
{
    struct json_out *out = &web->out;
    const struct xvp_changed_evt *xvp = &web->orders->xvp;
    reply_begin(web, &pending->reply, "settlement_instruction");
    json_integer(out, "sequence", (int64_t)sequence);
    json_boolean(out, "repeated", xvp->xvp == 0);
    if (xvp->xvp != 0) {
        json_id(out, "xvp", xvp->xvp);
        json_text(out, "state", word_of_xvp_state(xvp->state));
        json_integer(out, "legs_approved", __builtin_popcount(xvp->approved));
    }
    if (xvp->code != 0)
        json_text(out, "not_executed", reject_entry(xvp->code)->name);
    reply_end(web, &pending->reply, 200);
    pending->answered = true;
}

// Of an instruction the refusal names the asset.
static unsigned held_scale(const struct web *web, const struct pending *pending,
                           const struct rejected_evt *rejected)
{
    const struct asset_rec *asset = pending->command == CMD_xvp_act
                                        ? view_asset(web->view, (uint32_t)rejected->argument)
                                        : NULL;
    return asset != NULL ? asset->scale : 0;
}

static void answer_reject(struct web *web, struct pending *pending, const struct event *event)
{
    const struct rejected_evt *rejected = &event->body.rejected;
    uint32_t instrument = rejected->instrument;
    const struct view_order *order = view_order(web->view, rejected->order);
    if (instrument == 0 && order != NULL)
        instrument = order->instrument;
    unsigned token_scale = shape_token_scale(web->view, instrument);
    uint8_t side = order != NULL ? order->side : pending->side;
    struct fault fault = {.code = rejected->code,
                          .limit = rejected->limit,
                          .value = rejected->value,
                          .argument = rejected->argument,
                          .token_scale = token_scale,
                          .held_scale = side == SIDE_BUY    ? CASH_SCALE
                                        : side == SIDE_SELL ? token_scale
                                                            : held_scale(web, pending, rejected)};
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
        orders->amended = true;
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
    case EVT_xvp_changed:
        orders->xvp = event->body.xvp_changed;
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
    orders->xvp = (struct xvp_changed_evt){0};
    orders->amended = orders->priority_kept = false;
    orders->count = 0;
    json_clear(&orders->rows);
}

// ---- when it is answered ---------------------------------------------------------------------

// The answer to a request for many orders is whole: what did not fit has come too.
static bool is_complete(const struct event *event)
{
    return event->header.type == EVT_done && event->body.done.more == 0;
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
    } else if (pending->command == CMD_xvp_act) {
        answer_xvp(web, pending, event->header.sequence);
    } else if (is_of_all(pending)) {
        if (is_complete(event))
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
    if (!is_complete(event))
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
