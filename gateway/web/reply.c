#include "gateway/web/web.h"

#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "gateway/web/replay.h"
#include "gateway/web/shapes.h"

uint64_t web_now_ns(void)
{
    return clock_monotone_ns(&clock_system);
}

uint64_t web_wall_ns(void)
{
    return clock_wall_ns(&clock_system);
}

void reply_begin(struct web *web, const struct reply *reply, const char *type)
{
    struct json_out *out = &web->out;
    json_clear(out);
    json_open(out, '{');
    if (reply->rest)
        return;
    json_text(out, "type", type);
    if (reply->id_bytes > 0) {
        json_name(out, "id");
        json_raw(out, reply->id, reply->id_bytes);
        out->comma = true;
    }
}

void reply_end(struct web *web, const struct reply *reply, unsigned http_status)
{
    json_close(&web->out, '}');
    if (reply->rest)
        http_answer(web->http, reply->peer, http_status, "application/json",
                    "Cache-Control: no-store\r\n", web->out.text, web->out.bytes);
    else
        send_out(web, reply->peer);
}

void reply_fault(struct web *web, const struct reply *reply, const struct fault *fault,
                 uint64_t sequence)
{
    reply_begin(web, reply, "error");
    shape_error(&web->out, fault);
    if (sequence != 0)
        json_integer(&web->out, "sequence", (int64_t)sequence);
    reply_end(web, reply, reject_entry(fault->code)->http_status);
}

void reply_code(struct web *web, const struct reply *reply, enum reject_code code, int64_t limit,
                int64_t value)
{
    struct fault fault = {.code = (uint16_t)code, .limit = limit, .value = value};
    reply_fault(web, reply, &fault, 0);
}

// ---- messages to WebSockets ------------------------------------------------------------------

void send_out(struct web *web, uint64_t client)
{
    struct http_frame *frame = http_frame_new(web->out.text, web->out.bytes);
    http_send(web->http, client, frame, HTTP_MUST);
    http_frame_release(frame);
}

// What is told to several accounts of a client's comes once.
static void send_update(struct web *web, struct client *client, struct http_frame *frame,
                        const struct teller_place *place)
{
    if (place != NULL && client->replay != NULL) {
        replay_hold(web, client, frame, *place);
        return;
    }
    if (place != NULL && !teller_is_behind(*place, client->told))
        return;
    http_send(web->http, client->id, frame, HTTP_MUST);
    if (place != NULL)
        client->told = *place;
}

void send_out_to_account(struct web *web, uint32_t account, const struct teller_place *place,
                         uint64_t but)
{
    const struct account_user *first = users_of_account(web, account);
    if (first == NULL || web->http == NULL)
        return;
    struct http_frame *frame = http_frame_new(web->out.text, web->out.bytes);
    for (const struct account_user *a = first; a != NULL; a = a->next)
        for (struct client *c = a->user->clients; c != NULL; c = c->next_of_user)
            if (c->id != but)
                send_update(web, c, frame, place);
    http_frame_release(frame);
}

void send_out_to_all(struct web *web)
{
    struct http_frame *frame = http_frame_new(web->out.text, web->out.bytes);
    for (size_t i = 0; i < web->clients.capacity; i++)
        if (web->clients.entries[i].key != 0)
            http_send(web->http, web->clients.entries[i].key, frame, HTTP_MUST);
    http_frame_release(frame);
}
