// Subscribe: who gets which market data, login or not.
//
// A message is made once and given to every subscriber. A subscriber that is too slow for one gets
// no more of that channel until its socket is empty; then it gets a snapshot: what is too fast for
// it is conflated, never cut.
#include <stdlib.h>
#include <string.h>

#include "gateway/web/market.h"

static const char *const channel_names[CHANNEL_COUNT] = {
    [CHANNEL_BOOK] = "book",
    [CHANNEL_BEST] = "best",
    [CHANNEL_BOOK_ORDERS] = "book_orders",
    [CHANNEL_TRADES] = "trades",
    [CHANNEL_AUCTION] = "auction",
    [CHANNEL_STATISTICS] = "statistics",
};

const char *market_channel_name(enum channel channel)
{
    return channel_names[channel];
}

static struct subscription *subscription_find(struct client *client, uint32_t instrument,
                                              uint8_t channel)
{
    for (uint32_t i = 0; i < client->subscription_count; i++)
        if (client->subscriptions[i].instrument == instrument &&
            client->subscriptions[i].channel == channel)
            return &client->subscriptions[i];
    return NULL;
}

void market_publish(struct web *web, uint32_t instrument, enum channel channel)
{
    const struct subscribers *subscribers =
        &market_of(web->markets, instrument)->subscribers[channel];
    struct http_frame *frame = http_frame_new(web->out.text, web->out.bytes);
    for (size_t i = 0; i < subscribers->count; i++) {
        struct client *client = client_find(web, subscribers->clients[i]);
        struct subscription *subscription = subscription_find(client, instrument, (uint8_t)channel);
        if (!subscription->behind &&
            http_send(web->http, client->id, frame, HTTP_MAY) == HTTP_DROPPED)
            subscription->behind = true;
    }
    http_frame_release(frame);
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
    instruments_catch_up(web, client);
    for (uint32_t i = 0; i < client->subscription_count; i++) {
        struct subscription *subscription = &client->subscriptions[i];
        if (!subscription->behind)
            continue;
        subscription->behind = false;
        market_snapshot(web, subscription->instrument, (enum channel)subscription->channel);
        send_out(web, client->id);
    }
}

static bool channel_of(struct fault *fault, uint8_t *channel, const struct request *request)
{
    for (*channel = 0; *channel < CHANNEL_COUNT; ++*channel)
        if (request_text_is(request, WEB_FIELD_channel, channel_names[*channel]))
            return true;
    *fault = (struct fault){.code = REJECT_MALFORMED, .field = "channel"};
    return false;
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
