// Feed: the venue's durable events, one by one: first the view, then answers, own updates, market
// data.
#include "base/log.h"
#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

enum { BATCH = 256, BATCHES_PER_POLL = 16 };

static void on_attached(struct web *web, uint64_t lost_above)
{
    log_info("attached epoch=%llu", (unsigned long long)web->link.epoch);
    if (web->http == NULL)
        web_serve(web);
    orders_lost(web, lost_above);
    users_reattach(web);
}

static void note_session(struct web *web, const struct event *event)
{
    if (event->header.type == EVT_session_changed)
        web->session_dirty = event->body.session_changed.session;
    if (web->session_dirty != 0 && event->header.last != 0) {
        users_session_changed(web, web->session_dirty);
        web->session_dirty = 0;
    }
}

static void on_event(struct web *web, const struct event *event)
{
    uint64_t lost_above;
    view_apply(web->view, event);
    web->sequence_seen = event->header.sequence;
    web->in_command = event->header.last == 0;
    if (link_on_event(&web->link, event, &lost_above))
        on_attached(web, lost_above);
    uint64_t answered = orders_on_event(web, event);
    private_on_event(web, event, answered);
    markets_on_event(web, event);
    note_session(web, event);
}

static void catch_up_all(struct web *web)
{
    web->catch_up_due = false;
    for (size_t i = 0; i < web->clients.capacity; i++)
        if (web->clients.entries[i].key != 0)
            markets_catch_up(web, (struct client *)(uintptr_t)web->clients.entries[i].value);
}

void feed_poll(struct web *web)
{
    struct event events[BATCH];
    for (int batch = 0; batch < BATCHES_PER_POLL; batch++) {
        size_t count = follower_poll(web->follower, events, BATCH);
        for (size_t i = 0; i < count; i++)
            on_event(web, &events[i]);
        if (count == 0)
            break;
        markets_flush(web);
        private_flush(web);
    }
    if (web->catch_up_due && !web->in_command)
        catch_up_all(web);
}

// ---- the venue's state -----------------------------------------------------------------------

const char *feed_state(const struct web *web)
{
    if (!web->link.attached)
        return "unavailable";
    return view_venue_state(web->view) == VENUE_OPEN ? "open" : "cancel_only";
}

void feed_tick(struct web *web)
{
    link_heartbeat(&web->link, follower_core(web->follower), web_now_ns());
    view_tick(web->view, web_wall_ns());
    const char *state = feed_state(web);
    if (web->http == NULL || state == web->state)
        return;
    web->state = state;
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", "venue");
    json_text(&web->out, "state", state);
    json_integer(&web->out, "sequence", (int64_t)view_sequence(web->view));
    json_close(&web->out, '}');
    send_out_to_all(web);
}
