// Messages of WebSockets: frames shared by all receivers, queues of those that cannot be written at
// once, and input put together. The slow consumer's fate (conflated, cut) is described in http.h.
#include "gateway/common/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_TIMEOUT_S = 10, HANG_UP_TIMEOUT_S = 5 };

struct http_frame {
    uint32_t references;
    size_t bytes;
    unsigned char data[]; // LWS_PRE bytes of headroom, then the text
};

struct queued {
    struct queued *next;
    struct http_frame *frame;
};

// ---- frames and their queues -----------------------------------------------------------------

struct http_frame *http_frame_new(const char *text, size_t bytes)
{
    struct http_frame *frame = malloc(sizeof *frame + LWS_PRE + bytes);
    if (frame == NULL)
        abort(); // the process restarts and clients resynchronise; a silently missing frame would
                 // be worse
    frame->references = 1;
    frame->bytes = bytes;
    memcpy(frame->data + LWS_PRE, text, bytes);
    return frame;
}

void http_frame_release(struct http_frame *frame)
{
    ASSERT(frame->references > 0);
    if (--frame->references == 0)
        free(frame);
}

struct http_frame *http_frame_keep(struct http_frame *frame)
{
    frame->references++;
    return frame;
}

size_t http_frame_bytes(const struct http_frame *frame)
{
    return frame->bytes;
}

static void queue_push(struct peer *peer, struct http_frame *frame)
{
    struct queued *entry = malloc(sizeof *entry);
    if (entry == NULL)
        abort();
    *entry = (struct queued){.frame = http_frame_keep(frame)};
    if (peer->last == NULL)
        peer->first = entry;
    else
        peer->last->next = entry;
    peer->last = entry;
    peer->queued_bytes += frame->bytes;
}

static void queue_pop(struct peer *peer)
{
    struct queued *entry = peer->first;
    peer->first = entry->next;
    if (peer->first == NULL)
        peer->last = NULL;
    ASSERT(peer->queued_bytes >= entry->frame->bytes);
    peer->queued_bytes -= entry->frame->bytes;
    http_frame_release(entry->frame);
    free(entry);
}

// A server's frames are not masked, and their head is the same for everybody: sharing the bytes is
// safe.
static bool write_frame(struct peer *peer, struct http_frame *frame)
{
    int written = lws_write(peer->wsi, frame->data + LWS_PRE, frame->bytes, LWS_WRITE_TEXT);
    if (written < 0)
        peer_cut(peer);
    return written >= 0;
}

static bool must_wait(struct peer *peer)
{
    return peer->first != NULL || lws_partial_buffered(peer->wsi);
}

enum http_sent http_send(struct http_server *server, uint64_t id, struct http_frame *frame,
                         enum http_delivery delivery)
{
    struct peer *peer = peer_find(server, id);
    if (peer == NULL || !peer->websocket || peer->failed || peer->hang_up != 0)
        return HTTP_GONE;
    if (!must_wait(peer))
        return write_frame(peer, frame) ? HTTP_SENT : HTTP_GONE;
    if (delivery == HTTP_MAY) {
        peer->dropped = true;
        server->counters.frames_dropped++;
        lws_callback_on_writable(peer->wsi);
        return HTTP_DROPPED;
    }
    if (peer->queued_bytes + frame->bytes > server->options.output_bytes_max) {
        server->counters.slow_consumers_cut++;
        peer_cut(peer);
        return HTTP_GONE;
    }
    queue_push(peer, frame);
    lws_callback_on_writable(peer->wsi);
    return HTTP_SENT;
}

size_t http_waiting_bytes(const struct http_server *server, uint64_t id)
{
    const struct peer *peer = peer_find(server, id);
    if (peer == NULL || peer->failed)
        return 0;
    return peer->queued_bytes + (size_t)lws_partial_buffered(peer->wsi);
}

void http_hang_up(struct http_server *server, uint64_t id, uint16_t code, const char *reason)
{
    struct peer *peer = peer_find(server, id);
    if (peer == NULL || !peer->websocket || peer->failed || peer->hang_up != 0)
        return;
    peer->hang_up = code;
    snprintf(peer->hang_up_reason, sizeof peer->hang_up_reason, "%s", reason);
    lws_set_timeout(peer->wsi, PENDING_TIMEOUT_USER_OK, HANG_UP_TIMEOUT_S);
    lws_callback_on_writable(peer->wsi);
}

static int close_with(struct peer *peer, uint16_t code, const char *reason)
{
    unsigned char text[sizeof peer->hang_up_reason];
    size_t bytes = strlen(reason);
    memcpy(text, reason, bytes);
    lws_close_reason(peer->wsi, (enum lws_close_status)code, text, bytes);
    return -1;
}

// The socket takes more: the queue first, then what is owed.
int websocket_writable(struct peer *peer)
{
    while (peer->first != NULL && !lws_partial_buffered(peer->wsi)) {
        if (!write_frame(peer, peer->first->frame))
            return -1;
        queue_pop(peer);
    }
    if (must_wait(peer)) {
        lws_callback_on_writable(peer->wsi);
        return 0;
    }
    if (peer->hang_up != 0)
        return close_with(peer, peer->hang_up, peer->hang_up_reason);
    if (peer->dropped) {
        peer->dropped = false;
        peer->server->handlers.drained(peer->server->owner, peer_id(peer));
    }
    return 0;
}

void websocket_forget(struct peer *peer)
{
    while (peer->first != NULL)
        queue_pop(peer);
}

// ---- WebSocket input -------------------------------------------------------------------------

int websocket_confirm(struct peer *peer, const char *to)
{
    const char *path = peer->server->options.websocket_path;
    char uri[HTTP_PATH_BYTES_MAX], version[8];
    if (path == NULL || strcmp(to, "websocket") != 0 ||
        lws_hdr_copy(peer->wsi, uri, sizeof uri, WSI_TOKEN_GET_URI) <= 0 || strcmp(uri, path) != 0)
        return -1;
    // libwebsockets would take draft versions too.
    if (lws_hdr_copy(peer->wsi, version, sizeof version, WSI_TOKEN_VERSION) <= 0 ||
        strcmp(version, "13") != 0)
        return -1;
    return 0;
}

int websocket_open(struct peer *peer)
{
    request_forget(peer);
    peer_next_generation(peer);
    peer->websocket = true;
    peer->server->handlers.opened(peer->server->owner, peer_id(peer), peer->address);
    return 0;
}

static time_t monotone_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void message_begun(struct peer *peer)
{
    if (peer->message_since != 0)
        return;
    peer->message_since = monotone_seconds();
    lws_set_timer_usecs(peer->wsi, MESSAGE_TIMEOUT_S * LWS_USEC_PER_SEC);
}

// libwebsockets 4.1 cannot cancel a timer (it fires at once instead): so it may fire for nothing.
int websocket_timer(struct peer *peer)
{
    if (peer->message_since == 0)
        return 0;
    time_t age = monotone_seconds() - peer->message_since;
    if (age >= MESSAGE_TIMEOUT_S)
        return close_with(peer, 1002, "message not completed");
    lws_set_timer_usecs(peer->wsi, (MESSAGE_TIMEOUT_S - age) * LWS_USEC_PER_SEC);
    return 0;
}

int websocket_receive(struct peer *peer, const void *in, size_t bytes)
{
    struct http_server *server = peer->server;
    if (peer->failed || peer->hang_up != 0)
        return 0;
    if (lws_frame_is_binary(peer->wsi))
        return close_with(peer, 1003, "text only");
    bool complete =
        lws_is_final_fragment(peer->wsi) && lws_remaining_packet_payload(peer->wsi) == 0;
    if (peer->body_bytes + bytes + lws_remaining_packet_payload(peer->wsi) >
        server->options.message_bytes_max)
        return close_with(peer, 1009, "message too large");
    if (!peer_reserve(peer, peer->body_bytes + bytes))
        return -1;
    peer_append(peer, in, bytes);
    if (!complete) {
        message_begun(peer);
        return 0;
    }
    peer->message_since = 0;
    size_t message_bytes = peer->body_bytes;
    peer->body_bytes = 0;
    server->counters.messages++;
    server->handlers.message(server->owner, peer_id(peer), peer->body, message_bytes);
    return 0;
}

void websocket_closed(struct peer *peer)
{
    peer->failed = true;
    if (!peer->server->closing)
        peer->server->handlers.closed(peer->server->owner, peer_id(peer));
}
