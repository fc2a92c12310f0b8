// Happy path of a request: HTTP (head complete) → HTTP_BODY… → HTTP_BODY_COMPLETION → request() →
// later http_answer() → WRITEABLE: head and body in one write → transaction completed, the
// connection waits for the next request. Of a WebSocket: CONFIRM_UPGRADE → ESTABLISHED → RECEIVE… →
// CLOSED.
//
// Failure modes: a body announced too long or without length is refused before it is read, and the
// connection closed behind the answer; a peer that stops in the middle runs into libwebsockets'
// timeouts (head and body: 10 s) or ours (message: 10 s); a failed write closes the connection, and
// the owner hears of it by closed() (WebSocket) or by http_answer() returning false.
#include "gateway/common/http_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"

enum {
    HEAD_BYTES_MAX = 1024,
    HEAD_TIMEOUT_S = 10,
    HEADER_POOL_MAX = 4096,
    PING_AFTER_PART = 2, // a ping after half of websocket_idle_s
};

uint64_t peer_id(const struct peer *peer)
{
    return (uint64_t)peer->generation << 32 | peer->slot;
}

struct peer *peer_find(const struct http_server *server, uint64_t id)
{
    uint32_t slot = (uint32_t)id;
    if (slot >= server->options.connections_max || server->peers[slot] == NULL)
        return NULL;
    struct peer *peer = server->peers[slot];
    return peer_id(peer) == id ? peer : NULL;
}

void peer_cut(struct peer *peer)
{
    peer->failed = true;
    lws_set_timeout(peer->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
}

// ---- peers -----------------------------------------------------------------------------------

static bool peer_create(struct http_server *server, struct lws *wsi)
{
    if (server->free_count == 0)
        return false;
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL)
        return false;
    peer->server = server;
    peer->wsi = wsi;
    peer->slot = server->free_slots[--server->free_count];
    peer->generation = ++server->generations[peer->slot];
    server->peers[peer->slot] = peer;
    server->connections++;
    lws_get_peer_simple(wsi, peer->address, sizeof peer->address);
    lws_set_opaque_user_data(wsi, peer);
    return true;
}

void request_forget(struct peer *peer)
{
    free(peer->body);
    free(peer->answer);
    peer->body = NULL;
    peer->answer = NULL;
    peer->body_bytes = peer->body_capacity = peer->content_length = 0;
    peer->answer_bytes = 0;
    peer->awaiting_answer = false;
}

// The id of the request that is over must not find the next one on the same connection.
void peer_next_generation(struct peer *peer)
{
    peer->generation = ++peer->server->generations[peer->slot];
}

static void peer_destroy(struct peer *peer)
{
    struct http_server *server = peer->server;
    lws_set_opaque_user_data(peer->wsi, NULL);
    websocket_forget(peer);
    request_forget(peer);
    server->peers[peer->slot] = NULL;
    server->free_slots[server->free_count++] = peer->slot;
    server->connections--;
    free(peer);
}

// ---- requests --------------------------------------------------------------------------------

static enum http_method method_of(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        enum http_method method;
    } methods[] = {
        {WSI_TOKEN_GET_URI, HTTP_GET},       {WSI_TOKEN_POST_URI, HTTP_POST},
        {WSI_TOKEN_PUT_URI, HTTP_PUT},       {WSI_TOKEN_PATCH_URI, HTTP_PATCH},
        {WSI_TOKEN_DELETE_URI, HTTP_DELETE}, {WSI_TOKEN_HEAD_URI, HTTP_GET},
    };
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (lws_hdr_total_length(wsi, methods[i].token) > 0)
            return methods[i].method;
    return HTTP_OTHER;
}

// What does not fit is not left out silently: an argument without a name stands for it.
static void copy_arguments(struct peer *peer)
{
    size_t at = 0, room = sizeof peer->arguments - sizeof "=";
    memset(peer->arguments, 0, sizeof peer->arguments);
    for (int i = 0; lws_hdr_fragment_length(peer->wsi, WSI_TOKEN_HTTP_URI_ARGS, i) > 0; i++) {
        int bytes = at + 1 < room
                        ? lws_hdr_copy_fragment(peer->wsi, peer->arguments + at,
                                                (int)(room - at - 1), WSI_TOKEN_HTTP_URI_ARGS, i)
                        : 0;
        if (bytes <= 0) {
            memcpy(peer->arguments + at, "=", sizeof "=");
            return;
        }
        at += (size_t)bytes + 1;
    }
}

const char *http_arguments(const struct http_request *request)
{
    return request->arguments;
}

bool http_argument(const struct http_request *request, const char *name, char *out, size_t size)
{
    size_t name_bytes = strlen(name);
    for (const char *a = request->arguments; *a != '\0'; a += strlen(a) + 1) {
        if (strncmp(a, name, name_bytes) != 0 || a[name_bytes] != '=')
            continue;
        const char *value = a + name_bytes + 1;
        if (strlen(value) >= size)
            return false;
        strcpy(out, value);
        return true;
    }
    return false;
}

static void copy_bearer(struct peer *peer)
{
    static const char scheme[] = "Bearer ";
    const size_t scheme_bytes = sizeof scheme - 1;
    char header[sizeof scheme + HTTP_BEARER_BYTES_MAX];
    peer->bearer[0] = '\0';
    int bytes = lws_hdr_copy(peer->wsi, header, sizeof header, WSI_TOKEN_HTTP_AUTHORIZATION);
    if (bytes <= (int)scheme_bytes || strncasecmp(header, scheme, scheme_bytes) != 0)
        return;
    size_t token_bytes = (size_t)bytes - scheme_bytes;
    if (token_bytes >= sizeof peer->bearer)
        return;
    memcpy(peer->bearer, header + scheme_bytes, token_bytes);
    peer->bearer[token_bytes] = '\0';
}

static void copy_key(struct peer *peer)
{
    static const char name[] = "idempotency-key:";
    const int name_bytes = sizeof name - 1;
    peer->key[0] = '\0';
    int bytes = lws_hdr_custom_length(peer->wsi, name, name_bytes);
    if (bytes <= 0)
        return;
    if (lws_hdr_custom_copy(peer->wsi, peer->key, sizeof peer->key, name, name_bytes) < 0)
        snprintf(peer->key, sizeof peer->key, "?");
}

// Hands the request to the owner, once.
static void dispatch(struct peer *peer, unsigned refused)
{
    struct http_server *server = peer->server;
    struct http_request request = {
        .method = peer->method,
        .path = peer->path,
        .bearer = peer->bearer,
        .key = peer->key,
        .body = peer->body != NULL ? peer->body : "",
        .body_bytes = refused != 0 ? peer->content_length : peer->body_bytes,
        .peer = peer->address,
        .refused = refused,
        .arguments = peer->arguments,
    };
    peer->awaiting_answer = true;
    peer->close_after_answer = refused != 0;
    server->counters.requests++;
    lws_set_timeout(peer->wsi, PENDING_TIMEOUT_HTTP_CONTENT, (int)server->options.answer_timeout_s);
    server->handlers.request(server->owner, peer_id(peer), &request);
}

bool peer_reserve(struct peer *peer, size_t bytes)
{
    if (bytes <= peer->body_capacity)
        return true;
    char *larger = realloc(peer->body, bytes + 1);
    if (larger == NULL)
        return false;
    peer->body = larger;
    peer->body_capacity = bytes;
    return true;
}

void peer_append(struct peer *peer, const void *in, size_t bytes)
{
    memcpy(peer->body + peer->body_bytes, in, bytes);
    peer->body_bytes += bytes;
    peer->body[peer->body_bytes] = '\0';
}

// -1: the header is there but is no length. 0: no body.
static int64_t content_length_of(struct lws *wsi)
{
    char text[24];
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) == 0)
        return 0;
    int bytes = lws_hdr_copy(wsi, text, sizeof text, WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (bytes <= 0 || bytes > 18 || strspn(text, "0123456789") != (size_t)bytes)
        return -1;
    return strtoll(text, NULL, 10);
}

static int request_head(struct peer *peer, const char *path, size_t path_bytes)
{
    request_forget(peer);
    peer_next_generation(peer);
    if (path_bytes >= sizeof peer->path)
        return -1;
    memcpy(peer->path, path, path_bytes);
    peer->path[path_bytes] = '\0';
    peer->method = method_of(peer->wsi);
    peer->head_only = lws_hdr_total_length(peer->wsi, WSI_TOKEN_HEAD_URI) > 0;
    copy_arguments(peer);
    copy_bearer(peer);
    copy_key(peer);
    int64_t length = content_length_of(peer->wsi);
    if (length < 0 || lws_hdr_total_length(peer->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
        dispatch(peer, 411);
        return 0;
    }
    peer->content_length = (size_t)length;
    if (peer->content_length > peer->server->options.body_bytes_max)
        dispatch(peer, 413);
    else if (peer->content_length == 0)
        dispatch(peer, 0);
    else if (!peer_reserve(peer, peer->content_length))
        return -1;
    return 0;
}

static int request_body(struct peer *peer, const void *in, size_t bytes)
{
    if (peer->awaiting_answer)
        return 0; // refused already; what still comes is thrown away
    if (peer->body_bytes + bytes > peer->content_length)
        return -1;
    peer_append(peer, in, bytes);
    return 0;
}

static int request_complete(struct peer *peer)
{
    if (!peer->awaiting_answer)
        dispatch(peer, 0);
    return 0;
}

// ---- answers ---------------------------------------------------------------------------------

static const char *status_text(unsigned status)
{
    static const struct {
        unsigned status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Status";
}

static int answer_head(char *out, const struct peer *peer, unsigned status,
                       const char *content_type, const char *headers, size_t body_bytes)
{
    char date[40];
    struct tm now;
    time_t seconds = time(NULL);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &now));
    return snprintf(out, HEAD_BYTES_MAX,
                    "HTTP/1.1 %u %s\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                    "X-Content-Type-Options: nosniff\r\n%s%s\r\n",
                    status, status_text(status), date, content_type, body_bytes,
                    headers != NULL ? headers : "",
                    peer->close_after_answer ? "Connection: close\r\n" : "");
}

bool http_answer(struct http_server *server, uint64_t id, unsigned status, const char *content_type,
                 const char *headers, const char *body, size_t body_bytes)
{
    struct peer *peer = peer_find(server, id);
    if (peer == NULL || !peer->awaiting_answer || peer->answer != NULL)
        return false;
    peer->answer = malloc(LWS_PRE + HEAD_BYTES_MAX + body_bytes);
    if (peer->answer == NULL) {
        peer_cut(peer);
        return false;
    }
    char *at = (char *)peer->answer + LWS_PRE;
    int head = answer_head(at, peer, status, content_type, headers, body_bytes);
    ASSERT(head > 0 && head < HEAD_BYTES_MAX);
    if (body_bytes > 0)
        memcpy(at + head, body, body_bytes);
    peer->answer_bytes = (size_t)head + (peer->head_only ? 0 : body_bytes);
    lws_callback_on_writable(peer->wsi);
    return true;
}

static int answer_writable(struct peer *peer)
{
    if (peer->answer == NULL)
        return 0;
    int written =
        lws_write(peer->wsi, peer->answer + LWS_PRE, peer->answer_bytes, LWS_WRITE_HTTP_HEADERS);
    request_forget(peer);
    peer_next_generation(peer);
    if (written < 0 || peer->close_after_answer)
        return -1;
    return lws_http_transaction_completed(peer->wsi) ? -1 : 0;
}

// ---- libwebsockets ---------------------------------------------------------------------------

static int admit(struct http_server *server)
{
    if (!server->stopped && server->free_count > 0)
        return 0;
    server->counters.connections_refused++;
    return 1;
}

static int on_peer_event(struct peer *peer, enum lws_callback_reasons reason, void *in, size_t len)
{
    switch ((int)reason) {
    case LWS_CALLBACK_HTTP:
        return request_head(peer, in, len);
    case LWS_CALLBACK_HTTP_BODY:
        return request_body(peer, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return request_complete(peer);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return answer_writable(peer);
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return websocket_confirm(peer, in);
    case LWS_CALLBACK_ESTABLISHED:
        return websocket_open(peer);
    case LWS_CALLBACK_RECEIVE:
        return websocket_receive(peer, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return peer->failed ? -1 : websocket_writable(peer);
    case LWS_CALLBACK_TIMER:
        return websocket_timer(peer);
    case LWS_CALLBACK_CLOSED:
        websocket_closed(peer);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        peer_destroy(peer);
        return 0;
    default:
        return 0;
    }
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    (void)user;
    struct http_server *server = lws_context_user(lws_get_context(wsi));
    if (reason == LWS_CALLBACK_FILTER_NETWORK_CONNECTION)
        return admit(server);
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED)
        return peer_create(server, wsi) ? 0 : -1;
    struct peer *peer = lws_get_opaque_user_data(wsi);
    return peer == NULL ? 0 : on_peer_event(peer, reason, in, len);
}

static bool allocate_slots(struct http_server *server)
{
    unsigned n = server->options.connections_max;
    server->peers = calloc(n, sizeof *server->peers);
    server->generations = calloc(n, sizeof *server->generations);
    server->free_slots = calloc(n, sizeof *server->free_slots);
    if (server->peers == NULL || server->generations == NULL || server->free_slots == NULL)
        return false;
    for (unsigned i = 0; i < n; i++)
        server->free_slots[i] = n - 1 - i;
    server->free_count = n;
    return true;
}

static void server_free(struct http_server *server)
{
    free(server->peers);
    free(server->generations);
    free(server->free_slots);
    free(server);
}

static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); // fewer connections then: the check below sees it
    }
}

static unsigned header_pool(unsigned connections_max)
{
    return connections_max < HEADER_POOL_MAX ? connections_max : HEADER_POOL_MAX;
}

// libwebsockets' timers on libev only ever move later: one that is set while a longer one is armed
// waits for the longer one. A timer that is always near keeps all others less than a second late.
static void on_beat(lws_sorted_usec_list_t *beat)
{
    struct http_server *server = lws_container_of(beat, struct http_server, beat);
    lws_sul_schedule(server->context, 0, beat, on_beat, LWS_USEC_PER_SEC);
}

// Peers can provoke these: limited, and one line each.
static void on_library_log(int level, const char *line)
{
    (void)level;
    log_limited(LOG_WARNING, "http library says \"%.*s\"", (int)strcspn(line, "\n"), line);
}

static struct lws_context *context_create(struct http_server *server, struct loop *loop)
{
    const struct http_options *options = &server->options;
    server->foreign_loops[0] = loop_native(loop);
    server->protocols[0] = (struct lws_protocols){
        .name = "lonja", .callback = on_event, .rx_buffer_size = options->message_bytes_max};
    server->idle = (lws_retry_bo_t){.secs_since_valid_ping =
                                        (uint16_t)(options->websocket_idle_s / PING_AFTER_PART),
                                    .secs_since_valid_hangup = (uint16_t)options->websocket_idle_s};
    struct lws_context_creation_info info = {
        .port = options->port,
        .iface = strcmp(options->address, "0.0.0.0") == 0 ? NULL : options->address,
        .protocols = server->protocols,
        .gid = -1,
        .uid = -1,
        .user = server,
        .foreign_loops = server->foreign_loops,
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_DISABLE_IPV6 | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
        .timeout_secs = HEAD_TIMEOUT_S,
        .timeout_secs_ah_idle = HEAD_TIMEOUT_S,
        .keepalive_timeout = 60,
        .max_http_header_pool = (unsigned short)header_pool(options->connections_max),
        .retry_and_idle_policy = &server->idle,
    };
    lws_set_log_level(LLL_ERR, on_library_log);
    return lws_create_context(&info);
}

struct http_server *http_open(struct loop *loop, const struct http_options *options,
                              const struct http_handlers *handlers, void *context)
{
    ASSERT(handlers->request != NULL);
    ASSERT(options->websocket_path == NULL || handlers->drained != NULL);
    struct http_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return NULL;
    server->options = *options;
    server->handlers = *handlers;
    server->owner = context;
    raise_descriptor_limit();
    if (allocate_slots(server))
        server->context = context_create(server, loop);
    if (server->context == NULL) {
        server_free(server);
        return NULL;
    }
    on_beat(&server->beat);
    return server;
}

void http_close(struct http_server *server)
{
    if (server == NULL)
        return;
    server->closing = true;
    lws_sul_cancel(&server->beat);
    lws_context_destroy(server->context);
    server_free(server);
}

void http_stop_listening(struct http_server *server)
{
    server->stopped = true;
}

const struct http_counters *http_counters(const struct http_server *server)
{
    return &server->counters;
}

unsigned http_connections(const struct http_server *server)
{
    return server->connections;
}
