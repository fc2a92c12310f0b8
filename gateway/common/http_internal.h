// What http.c (connections, requests, answers) and http_websocket.c (messages) share. Not for
// others.
#ifndef LONJA_GATEWAY_COMMON_HTTP_INTERNAL_H
#define LONJA_GATEWAY_COMMON_HTTP_INTERNAL_H

#include <libwebsockets.h>
#include <time.h>

#include "gateway/common/http.h"

struct queued; // a frame that waits for the socket

struct peer {
    struct http_server *server;
    struct lws *wsi;
    uint32_t slot, generation;
    bool websocket;
    bool awaiting_answer;
    bool close_after_answer;
    bool failed; // a write failed: nothing more is sent
    // request
    enum http_method method;
    bool head_only; // HEAD: the answer to a GET without its body
    char path[HTTP_PATH_BYTES_MAX];
    char arguments[HTTP_QUERY_BYTES_MAX]; // name=value, each with NUL; an empty one ends them
    char bearer[HTTP_BEARER_BYTES_MAX];
    char key[HTTP_KEY_BYTES_MAX];
    char address[48];
    char *body; // of a request, or the message being received
    size_t body_bytes, body_capacity;
    size_t content_length;
    time_t message_since; // monotone seconds; when the first part of an incomplete message came
    // answer
    unsigned char *answer; // LWS_PRE, head, body
    size_t answer_bytes;
    // WebSocket output
    struct queued *first, *last;
    size_t queued_bytes;
    bool dropped;     // drained() is owed
    uint16_t hang_up; // close code, 0 = not asked for
    char hang_up_reason[64];
};

struct http_server {
    struct lws_context *context;
    struct lws_protocols protocols[2];
    lws_retry_bo_t idle;
    lws_sorted_usec_list_t beat;
    void *foreign_loops[1];
    struct http_options options;
    struct http_handlers handlers;
    void *owner;
    struct peer **peers; // by slot
    uint32_t *generations;
    uint32_t *free_slots;
    uint32_t free_count;
    unsigned connections;
    bool stopped, closing;
    struct http_counters counters;
};

// ---- http.c

uint64_t peer_id(const struct peer *peer);
struct peer *peer_find(const struct http_server *server, uint64_t id);
void peer_next_generation(struct peer *peer); // the ids so far find nothing any more
void peer_cut(struct peer *peer);             // closes soon, without a word
// The buffer of the body or message.
CHECKED bool peer_reserve(struct peer *peer, size_t bytes);
void peer_append(struct peer *peer, const void *in, size_t bytes);
void request_forget(struct peer *peer);

// ---- http_websocket.c: callbacks of libwebsockets; they return -1 to close

int websocket_confirm(struct peer *peer, const char *to);
int websocket_open(struct peer *peer);
int websocket_receive(struct peer *peer, const void *in, size_t bytes);
int websocket_writable(struct peer *peer);
int websocket_timer(struct peer *peer);
void websocket_closed(struct peer *peer);
void websocket_forget(struct peer *peer); // drops what waits

#endif
