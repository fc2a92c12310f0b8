// Orders and books as events change them, happy path: an order is accepted, is matched, and rests
// at the back of its level; a stop waits by its stop price until a trade meets it; what an event
// takes from an order goes from what shows too. An event that cannot follow from the state is our
// own fault: assert.
//
// What no event tells is derived as the engine does it: which stops a trade's price moves or meets
// (rulebook 5), and that a triggered order which could still trade at a command's end waits for the
// continuation.
#include "gateway/common/view_internal.h"

#include <string.h>

#include "base/digest.h"
#include "risk/money.h"
#include "risk/postings.h"

// ---- entries

static uint32_t place_of(const struct view *view, uint64_t order)
{
    uint64_t place = 0;
    return map_get(&view->orders, order, &place) ? (uint32_t)place : 0;
}

static struct order_entry *entry_at(const struct view *view, uint32_t place)
{
    ASSERT(place >= 1 && place <= view->order_count);
    return &view->order_entries[place - 1];
}

struct order_entry *view_order_entry(const struct view *view, uint64_t order)
{
    uint32_t place = place_of(view, order);
    return place != 0 ? entry_at(view, place) : NULL;
}

static uint32_t must_find(const struct view *view, uint64_t order)
{
    uint32_t place = place_of(view, order);
    ASSERT(place != 0);
    return place;
}

static uint32_t allot(struct view *view)
{
    if (view->order_free != 0) {
        uint32_t place = view->order_free;
        view->order_free = entry_at(view, place)->older;
        return place;
    }
    if (view->order_count == view->order_capacity) {
        view->order_capacity = view->order_capacity == 0 ? 1024 : view->order_capacity * 2;
        view->order_entries =
            realloc(view->order_entries, view->order_capacity * sizeof *view->order_entries);
        ASSERT(view->order_entries != NULL);
    }
    return ++view->order_count;
}

static uint32_t insert(struct view *view, const struct view_order *order)
{
    ASSERT(order->account <= view->accounts_max);
    ASSERT(order->instrument >= 1 && order->instrument <= view->instruments_max);
    ASSERT(order->side == SIDE_BUY || order->side == SIDE_SELL);
    uint32_t place = allot(view);
    struct account_entry *account = &view->accounts[order->account];
    *entry_at(view, place) = (struct order_entry){.order = *order, .older = account->newest};
    if (account->newest != 0)
        entry_at(view, account->newest)->newer = place;
    account->newest = place;
    map_put(&view->orders, order->order, place);
    client_ids_put(&view->client_ids, order->session, order->client_id, order->client_id_bytes,
                   order->order);
    return place;
}

static void erase(struct view *view, uint64_t order)
{
    uint32_t place = must_find(view, order);
    struct order_entry *entry = entry_at(view, place);
    ASSERT(entry->place == PLACE_NONE);
    if (entry->newer != 0)
        entry_at(view, entry->newer)->older = entry->older;
    else
        view->accounts[entry->order.account].newest = entry->older;
    if (entry->older != 0)
        entry_at(view, entry->older)->newer = entry->newer;
    map_remove(&view->orders, order);
    *entry = (struct order_entry){.older = view->order_free};
    view->order_free = place;
}

// Keeps the order for the gateway's answer; gone at the next command.
static void is_done(struct view *view, uint64_t order)
{
    if (view->done_count == view->done_capacity) {
        view->done_capacity = view->done_capacity == 0 ? 64 : view->done_capacity * 2;
        view->done = realloc(view->done, view->done_capacity * sizeof *view->done);
        ASSERT(view->done != NULL);
    }
    view->done[view->done_count++] = order;
}

void view_orders_erase_done(struct view *view)
{
    for (uint32_t i = 0; i < view->done_count; i++)
        erase(view, view->done[i]);
    view->done_count = 0;
}

// ---- the book

static struct instrument_entry *instrument_of(struct view *view, const struct view_order *order)
{
    return &view->instruments[order->instrument];
}

static struct book_side *side_of(struct view *view, const struct view_order *order)
{
    return &instrument_of(view, order)->sides[order->side - 1];
}

static void tell(struct view *view, const struct view_order *order, bool to_back)
{
    struct view_book_change change = {.order = order->order,
                                      .price = order->price,
                                      .shown = order->shown,
                                      .instrument = order->instrument,
                                      .side = order->side,
                                      .to_back = to_back};
    if (view->on_book_change != NULL)
        view->on_book_change(view->on_book_change_context, &change);
}

static void show(struct view *view, struct order_entry *entry, int64_t shown)
{
    ASSERT(entry->place == PLACE_BOOK);
    book_side_show(side_of(view, &entry->order), entry->order.price, shown - entry->order.shown);
    entry->order.shown = shown;
}

static int64_t slice_of(const struct view_order *order)
{
    return order->display != 0 && order->display < order->leaves ? order->display : order->leaves;
}

static void book_add(struct view *view, uint32_t place, int64_t shown)
{
    struct order_entry *entry = entry_at(view, place);
    ASSERT(entry->place == PLACE_NONE && entry->order.leaves > 0);
    book_side_add(side_of(view, &entry->order), view->order_entries, entry->order.price, place);
    entry->place = PLACE_BOOK;
    entry->order.state = ORDER_STATE_OPEN;
    show(view, entry, shown);
    tell(view, &entry->order, true);
}

static void book_remove(struct view *view, uint32_t place)
{
    struct order_entry *entry = entry_at(view, place);
    show(view, entry, 0);
    book_side_remove(side_of(view, &entry->order), view->order_entries, entry->order.price, place);
    entry->place = PLACE_NONE;
}

static void book_show(struct view *view, struct order_entry *entry, int64_t shown)
{
    if (shown == entry->order.shown)
        return;
    show(view, entry, shown);
    tell(view, &entry->order, false);
}

// ---- stops

static void trailing_add(struct view *view, uint32_t place)
{
    struct order_entry *entry = entry_at(view, place);
    const struct view_order *order = &entry->order;
    struct trailing *list = &instrument_of(view, &entry->order)->trailing[order->side - 1];
    uint32_t before = list->last; // a new one is the last; only a snapshot's come in another order
    while (before != 0 && entry_at(view, before)->order.order > order->order)
        before = entry_at(view, before)->before;
    entry->before = before;
    entry->after = before != 0 ? entry_at(view, before)->after : list->first;
    *(before != 0 ? &entry_at(view, before)->after : &list->first) = place;
    *(entry->after != 0 ? &entry_at(view, entry->after)->before : &list->last) = place;
    bool buys = order->side == SIDE_BUY;
    int64_t reach = order->stop_price + (buys ? -order->trail_offset : order->trail_offset);
    if (entry->before == 0 && entry->after == 0)
        list->reach = reach;
    else if (buys ? reach > list->reach : reach < list->reach)
        list->reach = reach;
}

static void trailing_remove(struct view *view, uint32_t place)
{
    struct order_entry *entry = entry_at(view, place);
    struct trailing *list = &instrument_of(view, &entry->order)->trailing[entry->order.side - 1];
    *(entry->before != 0 ? &entry_at(view, entry->before)->after : &list->first) = entry->after;
    *(entry->after != 0 ? &entry_at(view, entry->after)->before : &list->last) = entry->before;
    entry->before = entry->after = 0;
}

static struct book_side *stops_of(struct view *view, const struct view_order *order)
{
    return &instrument_of(view, order)->stops[order->side - 1];
}

static void stop_remove(struct view *view, uint32_t place)
{
    struct order_entry *entry = entry_at(view, place);
    ASSERT(entry->place == PLACE_STOPS);
    book_side_remove(stops_of(view, &entry->order), view->order_entries, entry->order.stop_price,
                     place);
    if (entry->order.type == ORDER_TRAILING_STOP)
        trailing_remove(view, place);
    entry->place = PLACE_NONE;
}

static bool is_met(const struct view_order *order, int64_t price)
{
    return order->side == SIDE_BUY ? order->stop_price <= price : order->stop_price >= price;
}

// It waits for its trigger, unless the last price meets it already.
static void stop_enters(struct view *view, uint32_t place)
{
    struct order_entry *entry = entry_at(view, place);
    const struct instrument_state_rec *state =
        &instrument_of(view, &entry->order)->instrument.state;
    if (state->phase == PHASE_CONTINUOUS && state->last_price != 0 &&
        is_met(&entry->order, state->last_price)) {
        entry->order.state = ORDER_STATE_TRIGGERED;
        return;
    }
    book_side_add(stops_of(view, &entry->order), view->order_entries, entry->order.stop_price,
                  place);
    entry->place = PLACE_STOPS;
    if (entry->order.type == ORDER_TRAILING_STOP)
        trailing_add(view, place);
}

static void stop_moves(struct view *view, uint32_t place, int64_t stop_price)
{
    struct order_entry *entry = entry_at(view, place);
    struct book_side *stops = stops_of(view, &entry->order);
    book_side_remove(stops, view->order_entries, entry->order.stop_price, place);
    entry->order.stop_price = stop_price;
    book_side_add(stops, view->order_entries, stop_price, place);
}

static void trailing_follow(struct view *view, struct instrument_entry *instrument, uint8_t side,
                            int64_t price)
{
    struct trailing *list = &instrument->trailing[side - 1];
    bool buys = side == SIDE_BUY;
    if (list->first == 0 || (buys && price > MONEY_MAX) ||
        (buys ? price >= list->reach : price <= list->reach))
        return;
    for (uint32_t place = list->first; place != 0; place = entry_at(view, place)->after) {
        const struct view_order *order = &entry_at(view, place)->order;
        int64_t stop = price + (buys ? order->trail_offset : -order->trail_offset);
        if (stop > 0 && stop <= MONEY_MAX &&
            (buys ? stop < order->stop_price : stop > order->stop_price))
            stop_moves(view, place, stop);
    }
    list->reach = price;
}

static void stops_trigger(struct view *view, struct instrument_entry *instrument, int64_t price)
{
    for (uint8_t side = SIDE_BUY; side <= SIDE_SELL; side++) {
        uint32_t place;
        while ((place = book_side_first(&instrument->stops[side - 1])) != 0 &&
               is_met(&entry_at(view, place)->order, price)) {
            stop_remove(view, place);
            entry_at(view, place)->order.state = ORDER_STATE_TRIGGERED;
        }
    }
}

// ---- the order that is being matched

static void rest(struct view *view)
{
    uint32_t place = view->active;
    view->active = 0;
    if (place != 0)
        book_add(view, place, slice_of(&entry_at(view, place)->order));
}

static void activate(struct view *view, uint32_t place)
{
    rest(view);
    view->active = place;
}

static bool crosses(struct view *view, const struct view_order *order)
{
    struct view_level best;
    uint8_t opposite = order->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
    if (!view_best(view, order->instrument, opposite, &best))
        return false;
    return order->side == SIDE_BUY ? best.price <= order->price : best.price >= order->price;
}

void view_orders_settle(struct view *view)
{
    if (view->active == 0)
        return;
    struct view_order *order = &entry_at(view, view->active)->order;
    uint8_t phase = instrument_of(view, order)->instrument.state.phase;
    if (order->state == ORDER_STATE_TRIGGERED && phase == PHASE_CONTINUOUS && crosses(view, order))
        return; // it goes on in the continuation
    rest(view);
}

// Out of whatever it is in.
static void leave(struct view *view, uint32_t place)
{
    struct order_entry *entry = entry_at(view, place);
    if (entry->place == PLACE_BOOK) {
        book_remove(view, place);
        tell(view, &entry->order, false);
    } else if (entry->place == PLACE_STOPS) {
        stop_remove(view, place);
    }
    if (view->active == place)
        view->active = 0;
}

static bool waits(uint8_t state)
{
    return state == ORDER_STATE_PENDING_STOP || state == ORDER_STATE_TRIGGERED ||
           state == ORDER_STATE_PENDING_CLOSE;
}

// ---- events

void view_order_accepted(struct view *view, const struct event *event)
{
    const struct order_accepted_evt *accepted = &event->body.order_accepted;
    struct view_order order = {.order = accepted->order,
                               .account = accepted->account,
                               .instrument = accepted->instrument,
                               .session = event->header.session,
                               .gateway = event->header.gateway,
                               .side = accepted->side,
                               .type = accepted->type,
                               .tif = accepted->tif,
                               .price = accepted->price,
                               .quantity = accepted->quantity,
                               .leaves = accepted->quantity,
                               .entered_ns = event->header.time_ns,
                               .client_id_bytes = accepted->client_id_bytes,
                               .state = accepted->state,
                               .flags = accepted->flags,
                               .stp = accepted->stp,
                               .self_match_id = accepted->self_match_id};
    memcpy(order.client_id, accepted->client_id, sizeof order.client_id);
    uint32_t place = insert(view, &order);
    if (!waits(order.state))
        activate(view, place);
    view_post(view, event, accepted->instrument);
}

void view_order_terms(struct view *view, const struct order_terms_evt *terms)
{
    uint32_t place = must_find(view, terms->order);
    struct order_entry *entry = entry_at(view, place);
    struct view_order *order = &entry->order;
    if (entry->place == PLACE_STOPS && order->stop_price != terms->stop_price)
        stop_moves(view, place, terms->stop_price); // a full pool of levels had held it back
    order->stop_price = terms->stop_price;
    order->trail_offset = terms->trail_offset;
    order->display = terms->display_quantity;
    order->expire_ns = terms->expire_ns;
    if (entry->place == PLACE_BOOK && order->shown > slice_of(order))
        book_show(view, entry, slice_of(order));
    if (entry->place == PLACE_NONE && order->state == ORDER_STATE_PENDING_STOP)
        stop_enters(view, place);
}

void view_note_client_id(struct view *view, const struct event *event)
{
    const struct order_accepted_evt *accepted = &event->body.order_accepted;
    const struct order_amended_evt *amended = &event->body.order_amended;
    if (event->header.type == EVT_order_accepted)
        client_ids_put(&view->client_ids, event->header.session, accepted->client_id,
                       accepted->client_id_bytes, accepted->order);
    else if (event->header.type == EVT_order_amended)
        client_ids_put(&view->client_ids, event->header.session, amended->client_id,
                       amended->client_id_bytes, amended->order);
}

static void amend(struct view_order *order, const struct order_amended_evt *amended)
{
    order->price = amended->price;
    order->quantity = amended->quantity;
    order->leaves = amended->leaves;
    order->client_id_bytes = amended->client_id_bytes;
    memcpy(order->client_id, amended->client_id, sizeof order->client_id);
}

// An order that loses its place leaves the book, and comes back when it rests; a stop comes back
// with the order_terms that follow.
void view_order_amended(struct view *view, const struct event *event)
{
    const struct order_amended_evt *amended = &event->body.order_amended;
    uint32_t place = must_find(view, amended->order);
    struct order_entry *entry = entry_at(view, place);
    bool in_book = entry->place == PLACE_BOOK;
    if (!amended->priority_kept)
        leave(view, place);
    amend(&entry->order, amended);
    if (!amended->priority_kept && in_book)
        activate(view, place);
    else if (in_book && entry->order.shown > amended->leaves)
        book_show(view, entry, amended->leaves);
    client_ids_put(&view->client_ids, entry->order.session, entry->order.client_id,
                   entry->order.client_id_bytes, amended->order);
    view_note_client_id(view, event); // another session of the account may have amended it
    view_post(view, event, amended->instrument);
}

void view_order_triggered(struct view *view, const struct event *event)
{
    const struct order_triggered_evt *triggered = &event->body.order_triggered;
    uint32_t place = must_find(view, triggered->order);
    struct order_entry *entry = entry_at(view, place);
    struct view_order *order = &entry->order;
    ASSERT(order->leaves == triggered->leaves);
    leave(view, place);
    order->price = triggered->price;
    order->stop_price = order->trail_offset = 0;
    order->state = ORDER_STATE_TRIGGERED;
    activate(view, place);
    view_post(view, event, triggered->instrument);
}

void view_order_reduced(struct view *view, const struct event *event)
{
    const struct order_reduced_evt *reduced = &event->body.order_reduced;
    struct order_entry *entry = entry_at(view, must_find(view, reduced->order));
    entry->order.quantity = reduced->quantity;
    entry->order.leaves = reduced->leaves;
    if (entry->place == PLACE_BOOK && entry->order.shown > reduced->leaves)
        book_show(view, entry, reduced->leaves); // what is hidden goes first
    view_post(view, event, reduced->instrument);
}

void view_order_refreshed(struct view *view, const struct order_refreshed_evt *refreshed)
{
    uint32_t place = must_find(view, refreshed->order);
    book_remove(view, place);
    book_add(view, place, refreshed->displayed);
}

void view_order_cancelled(struct view *view, const struct event *event)
{
    const struct order_cancelled_evt *cancelled = &event->body.order_cancelled;
    uint32_t place = must_find(view, cancelled->order);
    struct view_order *order = &entry_at(view, place)->order;
    ASSERT(order->leaves == cancelled->quantity);
    leave(view, place);
    order->leaves = 0;
    is_done(view, cancelled->order);
    view_post(view, event, cancelled->instrument);
}

// What shows after a match: in continuous trading a slice is used up before the next one shows.
static int64_t shown_after(const struct view_order *order, const struct trade_evt *trade)
{
    return trade->kind == TRADE_AUCTION ? slice_of(order) : order->shown - trade->quantity;
}

static void fill(struct view *view, uint64_t id, const struct trade_evt *trade, int64_t leaves)
{
    uint32_t place = must_find(view, id);
    struct order_entry *entry = entry_at(view, place);
    struct view_order *order = &entry->order;
    ASSERT(order->leaves == leaves + trade->quantity);
    ASSERT(entry->place == PLACE_BOOK || view->active == place);
    uint8_t scale = view->instruments[trade->instrument].instrument.terms.token_scale;
    order->leaves = leaves;
    order->filled_notional += postings_notional(trade->price, trade->quantity, scale);
    if (leaves == 0) {
        leave(view, place);
        is_done(view, id);
    } else if (entry->place == PLACE_BOOK) {
        book_show(view, entry, shown_after(order, trade));
    }
}

void view_trade(struct view *view, const struct event *event)
{
    const struct trade_evt *trade = &event->body.trade;
    ASSERT(trade->instrument >= 1 && trade->instrument <= view->instruments_max);
    struct instrument_entry *instrument = &view->instruments[trade->instrument];
    fill(view, trade->maker_order, trade, trade->maker_leaves);
    fill(view, trade->taker_order, trade, trade->taker_leaves);
    instrument->instrument.state.last_price = trade->price;
    trailing_follow(view, instrument, SIDE_BUY, trade->price);
    trailing_follow(view, instrument, SIDE_SELL, trade->price);
    stops_trigger(view, instrument, trade->price);
    view_post(view, event, trade->instrument);
}

void view_phase(struct view *view, const struct instrument_state_rec *state)
{
    struct instrument_entry *instrument = &view->instruments[state->instrument];
    uint8_t before = instrument->instrument.state.phase;
    instrument->instrument.state = *state;
    if (state->phase == before)
        return;
    if (view->active != 0 && entry_at(view, view->active)->order.instrument == state->instrument)
        rest(view);
    const struct auction_evt *auction = &instrument->instrument.auction;
    if (!auction->final && auction->phase != state->phase)
        instrument->instrument.auction = (struct auction_evt){0};
    if (state->phase == PHASE_CONTINUOUS && state->last_price != 0)
        stops_trigger(view, instrument, state->last_price);
}

// ---- snapshot

void view_order_load(struct view *view, const struct order_rec *record)
{
    struct view_order order = {.order = record->order,
                               .account = record->account,
                               .instrument = record->instrument,
                               .session = record->session,
                               .gateway = record->gateway,
                               .side = record->side,
                               .type = record->type,
                               .tif = record->tif,
                               .price = record->price,
                               .quantity = record->quantity,
                               .leaves = record->leaves,
                               .filled_notional = record->filled_notional,
                               .entered_ns = record->entered_ns,
                               .client_id_bytes = record->client_id_bytes,
                               .state = record->state,
                               .flags = record->flags};
    memcpy(order.client_id, record->client_id, sizeof order.client_id);
    uint32_t place = insert(view, &order);
    if (!waits(order.state))
        book_add(view, place, order.leaves);
}

void view_order_terms_load(struct view *view, const struct order_terms_rec *record)
{
    uint32_t place = must_find(view, record->order);
    struct order_entry *entry = entry_at(view, place);
    struct view_order *order = &entry->order;
    order->stop_price = record->stop_price;
    order->trail_offset = record->trail_offset;
    order->display = record->display_quantity;
    order->expire_ns = record->expire_ns;
    order->stp = record->stp;
    order->self_match_id = record->self_match_id;
    if (entry->place == PLACE_BOOK)
        book_show(view, entry, order->leaves - record->hidden);
    else if (order->state == ORDER_STATE_PENDING_STOP)
        stop_enters(view, place);
    else if (order->state == ORDER_STATE_TRIGGERED && order->stop_price == 0)
        view->active = place; // announced already: it goes on in the continuation
}

// ---- reading

static const struct book_side *book_of(const struct view *view, uint32_t instrument, uint8_t side)
{
    ASSERT(instrument >= 1 && instrument <= view->instruments_max);
    ASSERT(side == SIDE_BUY || side == SIDE_SELL);
    return &view->instruments[instrument].sides[side - 1];
}

bool view_best(const struct view *view, uint32_t instrument, uint8_t side, struct view_level *out)
{
    return book_side_best(book_of(view, instrument, side), out, 1) == 1;
}

size_t view_levels(const struct view *view, uint32_t instrument, uint8_t side,
                   struct view_level *out, size_t max)
{
    return book_side_best(book_of(view, instrument, side), out, max);
}

struct view_level view_level_at(const struct view *view, uint32_t instrument, uint8_t side,
                                int64_t price)
{
    return book_side_at(book_of(view, instrument, side), price);
}

void view_book_orders(const struct view *view, uint32_t instrument, uint8_t side,
                      view_book_sink *sink, void *context)
{
    const struct book_side *book = book_of(view, instrument, side);
    for (size_t level = book->count; level > 0; level--)
        for (uint32_t place = book->levels[level - 1].first; place != 0;
             place = entry_at(view, place)->later)
            if (!sink(context, &entry_at(view, place)->order))
                return;
}

static bool digest_order(void *context, const struct view_order *order)
{
    uint64_t *digest = context;
    uint64_t record[16] = {order->side, order->order, (uint64_t)order->price,
                           (uint64_t)order->shown};
    *digest = digest_record(*digest, record);
    return true;
}

uint64_t view_book_digest(const struct view *view, uint32_t instrument)
{
    uint64_t digest = 0;
    view_book_orders(view, instrument, SIDE_BUY, digest_order, &digest);
    view_book_orders(view, instrument, SIDE_SELL, digest_order, &digest);
    return digest;
}

void view_on_book_change(struct view *view, view_book_change_sink *sink, void *context)
{
    view->on_book_change = sink;
    view->on_book_change_context = context;
}
