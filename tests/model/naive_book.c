// Open orders of the naive venue: one array, looked through from end to end at every question.
#include "tests/model/naive_parts.h"

struct naive_order *naive_add(struct naive_venue *venue, const struct naive_order *order)
{
    for (uint32_t i = 0; i < NAIVE_ORDERS; i++)
        if (venue->orders[i].id == 0) {
            venue->orders[i] = *order;
            if (i >= venue->order_top)
                venue->order_top = i + 1;
            return &venue->orders[i];
        }
    ASSERT(false);
    return NULL;
}

void naive_erase(struct naive_venue *venue, struct naive_order *order)
{
    memset(order, 0, sizeof(*order));
    while (venue->order_top > 0 && venue->orders[venue->order_top - 1].id == 0)
        venue->order_top--;
}

uint32_t naive_open_orders(const struct naive_venue *venue)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < venue->order_top; i++)
        count += venue->orders[i].id != 0;
    return count;
}

struct naive_order *naive_find(struct naive_venue *venue, uint64_t id)
{
    for (uint32_t i = 0; i < venue->order_top && id != 0; i++)
        if (venue->orders[i].id == id)
            return &venue->orders[i];
    return NULL;
}

// True if a comes before b: both in the same state, of the same instrument and side.
static bool before(const struct naive_order *a, const struct naive_order *b)
{
    int64_t better = 0;
    if (a->state == ORDER_STATE_OPEN)
        better = a->side == SIDE_BUY ? a->price - b->price : b->price - a->price;
    if (a->state == ORDER_STATE_PENDING_STOP)
        better =
            a->side == SIDE_BUY ? b->stop_price - a->stop_price : a->stop_price - b->stop_price;
    return better > 0 || (better == 0 && a->place < b->place);
}

static struct naive_order *first_of(struct naive_venue *venue, uint32_t instrument, uint8_t side,
                                    uint8_t state, const struct naive_order *behind)
{
    struct naive_order *first = NULL;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        struct naive_order *order = &venue->orders[i];
        if (order->id != 0 && order->instrument == instrument && order->state == state &&
            (side == 0 || order->side == side) && (behind == NULL || before(behind, order)) &&
            (first == NULL || before(order, first)))
            first = order;
    }
    return first;
}

// Side 0: of the queues, which have both sides.
struct naive_order *naive_first(struct naive_venue *venue, uint32_t instrument, uint8_t side,
                                uint8_t state)
{
    return first_of(venue, instrument, side, state, NULL);
}

struct naive_order *naive_behind(struct naive_venue *venue, const struct naive_order *order)
{
    bool sided = order->state == ORDER_STATE_OPEN || order->state == ORDER_STATE_PENDING_STOP;
    return first_of(venue, order->instrument, sided ? order->side : 0, order->state, order);
}

static bool has_level(const struct naive_order *order)
{
    return order->id != 0 &&
           (order->state == ORDER_STATE_OPEN || order->state == ORDER_STATE_PENDING_STOP);
}

static bool same_level(const struct naive_order *a, const struct naive_order *b, uint8_t state)
{
    return a->state == state && a->instrument == b->instrument && a->side == b->side &&
           (state == ORDER_STATE_OPEN ? a->price == b->price : a->stop_price == b->stop_price);
}

uint32_t naive_levels(const struct naive_venue *venue)
{
    uint32_t levels = 0;
    for (uint32_t i = 0; i < venue->order_top; i++) {
        const struct naive_order *order = &venue->orders[i];
        bool first = has_level(order);
        for (uint32_t k = 0; k < i && first; k++)
            first = !has_level(&venue->orders[k]) ||
                    !same_level(&venue->orders[k], order, order->state);
        levels += first;
    }
    return levels;
}

bool naive_level_free(const struct naive_venue *venue, const struct naive_order *order,
                      uint8_t state)
{
    for (uint32_t i = 0; i < venue->order_top; i++)
        if (has_level(&venue->orders[i]) && same_level(&venue->orders[i], order, state))
            return true;
    return naive_levels(venue) < venue->limits.levels;
}

bool naive_may_rest(const struct naive_order *order)
{
    return (order->type == ORDER_LIMIT || order->type == ORDER_STOP_LIMIT) &&
           order->tif != TIF_IOC && order->tif != TIF_FOK;
}

void naive_show(struct naive_order *order)
{
    order->shown =
        order->display != 0 && order->display < order->leaves ? order->display : order->leaves;
}

void naive_wait(struct naive_venue *venue, struct naive_order *order, uint8_t state)
{
    order->state = state;
    order->place = ++venue->places;
}

void naive_rest(struct naive_venue *venue, struct naive_order *order)
{
    naive_wait(venue, order, ORDER_STATE_OPEN);
    naive_show(order);
    naive_book_changed(venue, order->instrument);
}

// An indicative price is due some time after the book has changed.
void naive_book_changed(struct naive_venue *venue, uint32_t instrument)
{
    struct instrument_state_rec *state = &venue->instruments[instrument].state;
    uint32_t ms = venue->instruments[instrument].rules.indicative_ms;
    if (naive_is_auction(state->phase) && state->indicative_due_ns == 0)
        state->indicative_due_ns = venue->now + (uint64_t)(ms != 0 ? ms : 1000) * 1000000;
}

void naive_tell_cancelled(struct naive_venue *venue, struct naive_order *order, uint8_t reason)
{
    int64_t released = naive_hold_of(venue, order, order->leaves);
    naive_release(venue, order, released);
    struct order_cancelled_evt *out = &naive_emit(venue, EVT_order_cancelled)->body.order_cancelled;
    *out = (struct order_cancelled_evt){.order = order->id,
                                        .account = order->account,
                                        .instrument = order->instrument,
                                        .quantity = order->leaves,
                                        .released = released,
                                        .side = order->side,
                                        .reason = reason,
                                        .price = order->price};
    const struct command *command = venue->command;
    if (reason == CANCEL_BY_OWNER && command->header.type == CMD_order_cancel)
        out->client_id_bytes = command->body.order_cancel.client_id_bytes;
    if (reason == CANCEL_AMENDED)
        out->client_id_bytes = command->body.order_amend.client_id_bytes;
    memcpy(out->client_id, command_tail(command), out->client_id_bytes);
    order->leaves = 0;
}

void naive_cancel(struct naive_venue *venue, struct naive_order *order, uint8_t reason)
{
    naive_tell_cancelled(venue, order, reason);
    if (order->state == ORDER_STATE_OPEN)
        naive_book_changed(venue, order->instrument);
    naive_erase(venue, order);
}
