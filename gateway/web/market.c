// Market data: books and trades for whoever subscribes, login or not.
//
// Per instrument and channel there is a chain of messages: a change carries the `seq` of the last
// command in it and, as `prev_seq`, the seq of the change before; a snapshot carries the seq of the
// last change. Changes are made once per turn of the loop for all commands since, serialised once,
// and given to every subscriber. A subscriber that is too slow for one gets no more until its
// socket is empty; then it gets a snapshot: a book is conflated, never cut. Snapshots and changes
// are made between commands only.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/decimal.h"
#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

enum { RECENT_MAX = 100 };

struct touched {
    int64_t price;
    uint8_t side;
};

struct recent_trade {
    uint64_t trade, time_ns;
    int64_t price, quantity;
    uint8_t taker_side;
};

struct subscribers {
    uint64_t *clients; // http ids
    size_t count, capacity;
};

struct market {
    struct subscribers subscribers[CHANNEL_COUNT];
    uint64_t seq[CHANNEL_COUNT]; // of the last change
    struct touched *touched;     // levels changed since the last flush
    size_t touched_count, touched_capacity;
    struct recent_trade recent[RECENT_MAX]; // by number, modulo
    uint64_t trades, trades_flushed;
    uint64_t trade_sequence; // of the newest
    bool state_changed;
    bool listed; // in markets->changed
};

struct markets {
    struct market **by_instrument; // NULL until something happens to it
    uint32_t *changed;
    size_t changed_count;
    uint32_t instruments_max;
    struct view_level levels[BOOK_DEPTH_MAX]; // of the snapshot being made
};

struct markets *markets_create(struct web *web)
{
    struct markets *markets = calloc(1, sizeof *markets);
    if (markets == NULL)
        return NULL;
    markets->instruments_max = view_instruments_max(web->view);
    markets->by_instrument = calloc(markets->instruments_max + 1u, sizeof *markets->by_instrument);
    markets->changed = calloc(markets->instruments_max + 1u, sizeof *markets->changed);
    if (markets->by_instrument == NULL || markets->changed == NULL) {
        markets_destroy(markets);
        return NULL;
    }
    return markets;
}

void markets_destroy(struct markets *markets)
{
    if (markets == NULL)
        return;
    for (uint32_t i = 0; markets->by_instrument != NULL && i <= markets->instruments_max; i++) {
        struct market *market = markets->by_instrument[i];
        if (market == NULL)
            continue;
        for (int c = 0; c < CHANNEL_COUNT; c++)
            free(market->subscribers[c].clients);
        free(market->touched);
        free(market);
    }
    free(markets->by_instrument);
    free(markets->changed);
    free(markets);
}

static struct market *market_of(struct markets *markets, uint32_t instrument)
{
    ASSERT(instrument >= 1 && instrument <= markets->instruments_max);
    struct market **market = &markets->by_instrument[instrument];
    if (*market == NULL)
        *market = calloc(1, sizeof **market);
    if (*market == NULL)
        abort();
    return *market;
}

// ---- events ----------------------------------------------------------------------------------

static struct market *changed(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    if (!market->listed)
        web->markets->changed[web->markets->changed_count++] = instrument;
    market->listed = true;
    return market;
}

static void touch(struct web *web, uint32_t instrument, uint8_t side, int64_t price)
{
    struct market *market = changed(web, instrument);
    if (price == 0) // a market order has no level
        return;
    for (size_t i = 0; i < market->touched_count; i++)
        if (market->touched[i].price == price && market->touched[i].side == side)
            return;
    if (market->touched_count == market->touched_capacity) {
        market->touched_capacity =
            market->touched_capacity == 0 ? 64 : market->touched_capacity * 2;
        market->touched =
            realloc(market->touched, market->touched_capacity * sizeof *market->touched);
        if (market->touched == NULL)
            abort();
    }
    market->touched[market->touched_count++] = (struct touched){.price = price, .side = side};
}

static void on_trade(struct web *web, const struct event *event)
{
    const struct trade_evt *trade = &event->body.trade;
    uint8_t maker_side = trade->taker_side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
    struct market *market = changed(web, trade->instrument);
    market->recent[market->trades++ % RECENT_MAX] = (struct recent_trade){
        .trade = trade_id_of(event->header.sequence, event->header.index),
        .time_ns = event->header.time_ns,
        .price = trade->price,
        .quantity = trade->quantity,
        .taker_side = trade->taker_side,
    };
    market->trade_sequence = event->header.sequence;
    touch(web, trade->instrument, maker_side,
          trade->price); // the taker's level: when it was accepted
}

void markets_on_event(struct web *web, const struct event *event)
{
    switch (event->header.type) {
    case EVT_order_accepted:
        touch(web, event->body.order_accepted.instrument, event->body.order_accepted.side,
              event->body.order_accepted.price);
        break;
    case EVT_trade:
        on_trade(web, event);
        break;
    case EVT_order_cancelled:
        touch(web, event->body.order_cancelled.instrument, event->body.order_cancelled.side,
              event->body.order_cancelled.price);
        break;
    case EVT_order_amended:
        touch(web, event->body.order_amended.instrument, event->body.order_amended.side,
              event->body.order_amended.price);
        break;
    case EVT_instrument_changed:
        changed(web, event->body.instrument_changed.instrument)->state_changed = true;
        break;
    case EVT_instrument_state:
        changed(web, event->body.instrument_state.instrument)->state_changed = true;
        break;
    default:
        break;
    }
}

// ---- messages --------------------------------------------------------------------------------

static void level_item(struct json_out *out, const struct view_level *level, unsigned scale)
{
    char orders[16];
    json_open(out, '[');
    json_decimal_item(out, level->price, CASH_SCALE);
    json_decimal_item(out, level->quantity, scale);
    json_item(out);
    json_raw(out, orders, (size_t)snprintf(orders, sizeof orders, "%u", level->orders));
    json_close(out, ']');
}

static size_t best_text(char *at, const struct view_level *level, unsigned scale, bool first)
{
    char *start = at;
    if (!first)
        *at++ = ':';
    at += decimal_print(level->price, CASH_SCALE, at);
    *at++ = ':';
    at += decimal_print(level->quantity, scale, at);
    return (size_t)(at - start);
}

// CRC32C of "bid price:bid quantity:ask price:ask quantity:…" over the best ten levels, as they are
// printed.
static uint32_t checksum(const struct web *web, uint32_t instrument, unsigned scale)
{
    struct view_level bids[CHECKSUM_DEPTH], asks[CHECKSUM_DEPTH];
    char text[CHECKSUM_DEPTH * 4 * (DECIMAL_TEXT_BYTES_MAX + 1)];
    size_t bid_count = view_levels(web->view, instrument, SIDE_BUY, bids, CHECKSUM_DEPTH);
    size_t ask_count = view_levels(web->view, instrument, SIDE_SELL, asks, CHECKSUM_DEPTH);
    size_t bytes = 0;
    for (size_t i = 0; i < CHECKSUM_DEPTH; i++) {
        if (i < bid_count)
            bytes += best_text(text + bytes, &bids[i], scale, bytes == 0);
        if (i < ask_count)
            bytes += best_text(text + bytes, &asks[i], scale, bytes == 0);
    }
    return crc32c(0, text, bytes);
}

static void write_side(struct web *web, uint32_t instrument, const char *name, uint8_t side)
{
    struct view_level *levels = web->markets->levels;
    size_t count = view_levels(web->view, instrument, side, levels, BOOK_DEPTH_MAX);
    unsigned scale = shape_token_scale(web->view, instrument);
    json_name(&web->out, name);
    json_open(&web->out, '[');
    for (size_t i = 0; i < count; i++)
        level_item(&web->out, &levels[i], scale);
    json_close(&web->out, ']');
}

void market_write_book(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    json_integer(&web->out, "seq", (int64_t)market->seq[CHANNEL_BOOK]);
    write_side(web, instrument, "bids", SIDE_BUY);
    write_side(web, instrument, "asks", SIDE_SELL);
    json_integer(&web->out, "checksum",
                 checksum(web, instrument, shape_token_scale(web->view, instrument)));
}

static void begin(struct web *web, const char *type, uint32_t instrument)
{
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", type);
    json_text(&web->out, "symbol", shape_symbol(web->view, instrument));
}

static void book_snapshot(struct web *web, uint32_t instrument)
{
    begin(web, "book", instrument);
    json_boolean(&web->out, "snapshot", true);
    market_write_book(web, instrument);
    json_close(&web->out, '}');
}

static void write_touched(struct web *web, uint32_t instrument, const char *name, uint8_t side)
{
    struct market *market = market_of(web->markets, instrument);
    unsigned scale = shape_token_scale(web->view, instrument);
    json_name(&web->out, name);
    json_open(&web->out, '[');
    for (size_t i = 0; i < market->touched_count; i++) {
        if (market->touched[i].side != side)
            continue;
        struct view_level level =
            view_level_at(web->view, instrument, side, market->touched[i].price);
        level.price = market->touched[i].price;
        level_item(&web->out, &level, scale);
    }
    json_close(&web->out, ']');
}

static void book_change(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    uint64_t previous = market->seq[CHANNEL_BOOK];
    market->seq[CHANNEL_BOOK] = view_sequence(web->view);
    begin(web, "book", instrument);
    json_integer(&web->out, "seq", (int64_t)market->seq[CHANNEL_BOOK]);
    json_integer(&web->out, "prev_seq", (int64_t)previous);
    write_touched(web, instrument, "bids", SIDE_BUY);
    write_touched(web, instrument, "asks", SIDE_SELL);
    json_integer(&web->out, "checksum",
                 checksum(web, instrument, shape_token_scale(web->view, instrument)));
    json_close(&web->out, '}');
}

// Trades from the given number on, oldest first.
static void write_trades(struct web *web, uint32_t instrument, uint64_t from)
{
    struct market *market = market_of(web->markets, instrument);
    unsigned scale = shape_token_scale(web->view, instrument);
    if (market->trades - from > RECENT_MAX)
        from = market->trades - RECENT_MAX;
    json_name(&web->out, "trades");
    json_open(&web->out, '[');
    for (uint64_t i = from; i < market->trades; i++) {
        const struct recent_trade *t = &market->recent[i % RECENT_MAX];
        shape_public_trade(&web->out, t->trade, t->price, t->quantity, scale, t->taker_side,
                           t->time_ns);
    }
    json_close(&web->out, ']');
    json_close(&web->out, '}');
}

static void trades_snapshot(struct web *web, uint32_t instrument)
{
    begin(web, "trades", instrument);
    json_boolean(&web->out, "snapshot", true);
    json_integer(&web->out, "seq",
                 (int64_t)market_of(web->markets, instrument)->seq[CHANNEL_TRADES]);
    write_trades(web, instrument, 0);
}

// More than RECENT_MAX in one turn: the oldest are left out, and `missed` says how many.
static void trades_change(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    uint64_t fresh = market->trades - market->trades_flushed;
    begin(web, "trades", instrument);
    json_integer(&web->out, "seq", (int64_t)market->trade_sequence);
    json_integer(&web->out, "prev_seq", (int64_t)market->seq[CHANNEL_TRADES]);
    if (fresh > RECENT_MAX)
        json_integer(&web->out, "missed", (int64_t)(fresh - RECENT_MAX));
    write_trades(web, instrument, market->trades_flushed);
    market->seq[CHANNEL_TRADES] = market->trade_sequence;
    market->trades_flushed = market->trades;
}

static void state_change(struct web *web, uint32_t instrument)
{
    const struct view_instrument *found = view_instrument(web->view, instrument);
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", "instrument");
    json_name(&web->out, "instrument");
    shape_instrument(&web->out, web->view, found);
    json_close(&web->out, '}');
}

// ---- subscribers -----------------------------------------------------------------------------

static struct subscription *subscription_find(struct client *client, uint32_t instrument,
                                              uint8_t channel)
{
    for (uint32_t i = 0; i < client->subscription_count; i++)
        if (client->subscriptions[i].instrument == instrument &&
            client->subscriptions[i].channel == channel)
            return &client->subscriptions[i];
    return NULL;
}

static void publish(struct web *web, uint32_t instrument, uint8_t channel)
{
    const struct subscribers *subscribers =
        &market_of(web->markets, instrument)->subscribers[channel];
    if (subscribers->count == 0)
        return;
    struct http_frame *frame = http_frame_new(web->out.text, web->out.bytes);
    for (size_t i = 0; i < subscribers->count; i++) {
        struct client *client = client_find(web, subscribers->clients[i]);
        struct subscription *subscription = subscription_find(client, instrument, channel);
        if (!subscription->behind &&
            http_send(web->http, client->id, frame, HTTP_MAY) == HTTP_DROPPED)
            subscription->behind = true;
    }
    http_frame_release(frame);
}

static void flush_market(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    market->listed = false;
    if (market->state_changed) {
        state_change(web, instrument);
        send_out_to_all(web);
        market->state_changed = false;
    }
    if (market->touched_count > 0) {
        book_change(web, instrument);
        publish(web, instrument, CHANNEL_BOOK);
        market->touched_count = 0;
    }
    if (market->trades > market->trades_flushed) {
        trades_change(web, instrument);
        publish(web, instrument, CHANNEL_TRADES);
    }
}

void markets_flush(struct web *web)
{
    struct markets *markets = web->markets;
    if (web->in_command || web->http == NULL)
        return;
    for (size_t i = 0; i < markets->changed_count; i++)
        flush_market(web, markets->changed[i]);
    markets->changed_count = 0;
}

// A snapshot that the socket does not take at once waits in its queue, once: it is private to the
// client.
void markets_catch_up(struct web *web, struct client *client)
{
    if (web->in_command) {
        web->catch_up_due = true;
        return;
    }
    markets_flush(web);
    for (uint32_t i = 0; i < client->subscription_count; i++) {
        struct subscription *subscription = &client->subscriptions[i];
        if (!subscription->behind)
            continue;
        subscription->behind = false;
        if (subscription->channel == CHANNEL_BOOK)
            book_snapshot(web, subscription->instrument);
        else
            trades_snapshot(web, subscription->instrument);
        send_out(web, client->id);
    }
}

static bool channel_of(struct fault *fault, uint8_t *channel, const struct request *request)
{
    if (request_text_is(request, WEB_FIELD_channel, "book"))
        *channel = CHANNEL_BOOK;
    else if (request_text_is(request, WEB_FIELD_channel, "trades"))
        *channel = CHANNEL_TRADES;
    else {
        *fault = (struct fault){.code = REJECT_MALFORMED, .field = "channel"};
        return false;
    }
    return true;
}

static bool target_of(struct web *web, struct fault *fault, uint32_t *instrument, uint8_t *channel,
                      const struct request *request)
{
    const struct json_member *symbol = request->field[WEB_FIELD_symbol];
    const struct view_instrument *found =
        view_instrument_by_symbol(web->view, symbol->text, symbol->text_bytes);
    if (!channel_of(fault, channel, request))
        return false;
    if (found == NULL) {
        *fault = (struct fault){.code = REJECT_UNKNOWN_SYMBOL};
        return false;
    }
    *instrument = found->terms.instrument;
    return true;
}

static void subscribers_add(struct subscribers *subscribers, uint64_t client)
{
    if (subscribers->count == subscribers->capacity) {
        subscribers->capacity = subscribers->capacity == 0 ? 16 : subscribers->capacity * 2;
        subscribers->clients =
            realloc(subscribers->clients, subscribers->capacity * sizeof *subscribers->clients);
        if (subscribers->clients == NULL)
            abort();
    }
    subscribers->clients[subscribers->count++] = client;
}

static void subscribers_remove(struct subscribers *subscribers, uint64_t client)
{
    for (size_t i = 0; i < subscribers->count; i++)
        if (subscribers->clients[i] == client) {
            subscribers->clients[i] = subscribers->clients[--subscribers->count];
            return;
        }
}

static void confirm(struct web *web, const struct reply *reply, const char *type,
                    const struct request *request)
{
    reply_begin(web, reply, type);
    json_text_n(&web->out, "channel", request->field[WEB_FIELD_channel]->text,
                request->field[WEB_FIELD_channel]->text_bytes);
    json_text_n(&web->out, "symbol", request->field[WEB_FIELD_symbol]->text,
                request->field[WEB_FIELD_symbol]->text_bytes);
    reply_end(web, reply, 200);
}

void markets_subscribe(struct web *web, struct client *client, const struct request *request,
                       const struct reply *reply)
{
    struct fault fault;
    uint32_t instrument;
    uint8_t channel;
    if (!target_of(web, &fault, &instrument, &channel, request)) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    struct subscription *subscription = subscription_find(client, instrument, channel);
    if (subscription == NULL && client->subscription_count == SUBSCRIPTIONS_MAX) {
        reply_code(web, reply, REJECT_THROTTLED, SUBSCRIPTIONS_MAX, 0);
        return;
    }
    if (subscription == NULL) {
        subscription = &client->subscriptions[client->subscription_count++];
        *subscription = (struct subscription){.instrument = instrument, .channel = channel};
        subscribers_add(&market_of(web->markets, instrument)->subscribers[channel], client->id);
    }
    subscription->behind = true; // subscribing again is how a client asks for a new snapshot
    confirm(web, reply, "subscribed", request);
    markets_catch_up(web, client);
}

void markets_unsubscribe(struct web *web, struct client *client, const struct request *request,
                         const struct reply *reply)
{
    struct fault fault;
    uint32_t instrument;
    uint8_t channel;
    if (!target_of(web, &fault, &instrument, &channel, request)) {
        reply_fault(web, reply, &fault, 0);
        return;
    }
    struct subscription *subscription = subscription_find(client, instrument, channel);
    if (subscription != NULL) {
        subscribers_remove(&market_of(web->markets, instrument)->subscribers[channel], client->id);
        *subscription = client->subscriptions[--client->subscription_count];
    }
    confirm(web, reply, "unsubscribed", request);
}

void markets_leave(struct web *web, struct client *client)
{
    for (uint32_t i = 0; i < client->subscription_count; i++) {
        const struct subscription *s = &client->subscriptions[i];
        subscribers_remove(&market_of(web->markets, s->instrument)->subscribers[s->channel],
                           client->id);
    }
    client->subscription_count = 0;
}
