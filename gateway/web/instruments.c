// Instruments: their terms and states, to everybody. The list by pages, because ten thousand of
// them are no message; a change as it happens. A schedule may change all of them at once: who
// cannot take that much gets the rest when its socket is empty, each instrument as it then is.
#include "gateway/web/market.h"

// Writes the instruments behind an id, at most `limit`, and where to go on.
void instruments_write(struct web *web, uint32_t after, uint32_t limit)
{
    uint64_t next = 0;
    json_name(&web->out, "instruments");
    json_open(&web->out, '[');
    for (uint64_t i = (uint64_t)after + 1; i <= view_instruments_max(web->view) && next == 0; i++) {
        const struct view_instrument *found = view_instrument(web->view, (uint32_t)i);
        if (found == NULL)
            continue;
        shape_instrument(&web->out, web->view, found);
        if (--limit == 0)
            next = i;
    }
    json_close(&web->out, ']');
    if (next != 0)
        json_integer(&web->out, "next", (int64_t)next);
    else
        json_null(&web->out, "next");
}

static struct http_frame *state_frame(struct web *web, uint32_t instrument)
{
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", "instrument");
    json_name(&web->out, "instrument");
    shape_instrument(&web->out, web->view, view_instrument(web->view, instrument));
    json_close(&web->out, '}');
    return http_frame_new(web->out.text, web->out.bytes);
}

static bool give(struct web *web, struct client *client, struct http_frame *frame)
{
    return http_send(web->http, client->id, frame, HTTP_MAY) != HTTP_DROPPED;
}

// A client that is behind walks over all instruments once; what changes behind its back in that
// walk is for the next one.
static void tell(struct web *web, struct client *client, uint32_t instrument,
                 struct http_frame *frame)
{
    struct state_walk *walk = &client->states;
    if (walk->at != 0) {
        walk->again |= instrument < walk->at;
    } else if (!give(web, client, frame)) {
        walk->since = market_of(web->markets, instrument)->state_seq - 1;
        walk->begun = view_sequence(web->view);
        walk->at = 1;
    }
}

void instruments_changed(struct web *web, uint32_t instrument)
{
    market_of(web->markets, instrument)->state_seq = view_sequence(web->view);
    struct http_frame *frame = state_frame(web, instrument);
    for (size_t i = 0; i < web->clients.capacity; i++)
        if (web->clients.entries[i].key != 0)
            tell(web, (struct client *)(uintptr_t)web->clients.entries[i].value, instrument, frame);
    http_frame_release(frame);
}

// One step of the walk; false: the client takes no more now.
static bool step(struct web *web, struct client *client)
{
    struct state_walk *walk = &client->states;
    const struct market *market = web->markets->by_instrument[walk->at];
    if (market == NULL || market->state_seq <= walk->since)
        return true;
    struct http_frame *frame = state_frame(web, walk->at);
    bool given = give(web, client, frame);
    http_frame_release(frame);
    return given;
}

void instruments_catch_up(struct web *web, struct client *client)
{
    struct state_walk *walk = &client->states;
    while (walk->at != 0 && step(web, client)) {
        if (++walk->at <= web->markets->instruments_max)
            continue;
        walk->at = walk->again ? 1 : 0;
        walk->again = false;
        walk->since = walk->begun;
        walk->begun = view_sequence(web->view);
    }
}
