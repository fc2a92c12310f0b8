/* One libwebsockets context, one connection, one thread that serves it. Happy path: connected, two
 * eth_subscribe requests written, two answers with subscription ids, then notifications until the
 * end. Anything else closes the connection. */
#include "chain/index_subscription.h"

#include <jansson.h>
#include <libwebsockets.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/doorbell.h"
#include "base/log.h"
#include "chain/hex.h"

enum { MESSAGE_BYTES_MAX = 1 << 20, SUBSCRIPTIONS = 2, SERVICE_MS = 100 };
static const uint64_t WAIT_MIN_NS = 200000000;
static const uint64_t WAIT_MAX_NS = 10000000000;
static const uint64_t CONFIRM_NS = 5000000000;

/* newHeads says when to look; logs that nothing is missed where a node tells of logs after the
 * head. */
static const char *const REQUESTS[SUBSCRIPTIONS] = {
    "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"eth_subscribe\",\"params\":[\"newHeads\"]}",
    "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"eth_subscribe\",\"params\":[\"logs\",{}]}",
};

struct index_subscription {
    struct lws_context *context;
    lws_sorted_usec_list_t beat;
    struct lws *wsi; /* NULL: no connection, or one that is ending */
    char address[256];
    char path[512];
    int port;
    bool tls;

    unsigned written;   /* of REQUESTS */
    unsigned confirmed; /* a bit each */
    uint64_t since_ns;  /* when this connection was begun, or the last one ended */
    uint64_t wait_ns;
    char *message;
    size_t message_len;

    _Atomic bool live;
    _Atomic uint64_t head;
    _Atomic bool restart;
    _Atomic bool stop;
    int fd;
    pthread_t thread;
};

static uint64_t now_ns(void)
{
    return clock_monotone_ns(&clock_system);
}

/* ---- messages ---- */

/* An answer to one of our requests: a subscription id, or the node's refusal. */
static bool take_answer(struct index_subscription *s, const json_t *message)
{
    json_int_t id = json_integer_value(json_object_get(message, "id"));
    if (!json_is_string(json_object_get(message, "result")) || id < 1 || id > SUBSCRIPTIONS) {
        log_limited(LOG_WARNING, "the node does not subscribe: polling address=%s", s->address);
        return false;
    }
    s->confirmed |= 1u << (id - 1);
    if (s->confirmed == (1u << SUBSCRIPTIONS) - 1) {
        atomic_store(&s->live, true);
        s->wait_ns = WAIT_MIN_NS;
        log_info("subscribed to the chain address=%s", s->address);
        doorbell_ring(s->fd);
    }
    return true;
}

static void take_notification(struct index_subscription *s, const json_t *params)
{
    const char *number =
        json_string_value(json_object_get(json_object_get(params, "result"), "number"));
    uint64_t head;
    if (number != NULL && hex_quantity_u64(&head, number))
        atomic_store(&s->head, head);
    doorbell_ring(s->fd);
}

/* False: not what a node says; the connection is ended. */
static bool take_message(struct index_subscription *s)
{
    json_t *message = json_loadb(s->message, s->message_len, 0, NULL);
    const json_t *params = json_object_get(message, "params");
    bool taken = json_is_object(message);
    if (taken && params != NULL)
        take_notification(s, params);
    else if (taken)
        taken = take_answer(s, message);
    json_decref(message);
    s->message_len = 0;
    return taken;
}

/* libwebsockets wants room in front of what it sends. Returns not 0 to close. */
static int write_request(struct index_subscription *s, struct lws *wsi)
{
    unsigned char buffer[LWS_PRE + 256];
    if (s->written == SUBSCRIPTIONS)
        return 0;
    size_t len = strlen(REQUESTS[s->written]);
    ASSERT(len <= sizeof(buffer) - LWS_PRE);
    memcpy(buffer + LWS_PRE, REQUESTS[s->written], len);
    if (lws_write(wsi, buffer + LWS_PRE, len, LWS_WRITE_TEXT) != (int)len)
        return -1;
    s->written++;
    lws_callback_on_writable(wsi);
    return 0;
}

static int receive(struct index_subscription *s, struct lws *wsi, const void *in, size_t len)
{
    if (len > MESSAGE_BYTES_MAX - s->message_len)
        return -1;
    memcpy(s->message + s->message_len, in, len);
    s->message_len += len;
    if (lws_remaining_packet_payload(wsi) != 0 || !lws_is_final_fragment(wsi))
        return 0;
    return take_message(s) ? 0 : -1;
}

/* ---- the connection ---- */

static void ended(struct index_subscription *s, const char *reason)
{
    if (atomic_exchange(&s->live, false))
        log_warning("the subscription has ended: polling reason=\"%s\"", reason);
    s->wsi = NULL;
    s->since_ns = now_ns();
    s->wait_ns = 2 * s->wait_ns < WAIT_MAX_NS ? 2 * s->wait_ns : WAIT_MAX_NS;
    doorbell_ring(s->fd);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    (void)user;
    struct index_subscription *s = lws_context_user(lws_get_context(wsi));
    if (wsi != s->wsi && s->wsi != NULL)
        return 0; /* not of our connection */
    if (reason == LWS_CALLBACK_CLIENT_ESTABLISHED)
        lws_callback_on_writable(wsi);
    else if (reason == LWS_CALLBACK_CLIENT_WRITEABLE)
        return write_request(s, wsi);
    else if (reason == LWS_CALLBACK_CLIENT_RECEIVE)
        return receive(s, wsi, in, len);
    else if (reason == LWS_CALLBACK_CLIENT_CONNECTION_ERROR)
        ended(s, in != NULL ? in : "no connection");
    else if (reason == LWS_CALLBACK_CLIENT_CLOSED)
        ended(s, "closed");
    return 0;
}

static const struct lws_protocols PROTOCOLS[] = {{.name = "", .callback = on_event},
                                                 {.name = NULL}};

static void connect_now(struct index_subscription *s)
{
    struct lws_client_connect_info info = {
        .context = s->context,
        .address = s->address,
        .port = s->port,
        .path = s->path,
        .host = s->address,
        .origin = s->address,
        .ssl_connection = s->tls ? LCCSCF_USE_SSL : 0,
        .local_protocol_name = PROTOCOLS[0].name,
        .pwsi = &s->wsi,
    };
    s->written = s->confirmed = 0;
    s->message_len = 0;
    s->since_ns = now_ns();
    if (lws_client_connect_via_info(&info) == NULL)
        ended(s, "no connection");
}

static void drop(struct index_subscription *s)
{
    lws_set_timeout(s->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
}

static void look_after(struct index_subscription *s)
{
    uint64_t age_ns = now_ns() - s->since_ns;
    bool restart = atomic_exchange(&s->restart, false);
    if (s->wsi == NULL && age_ns >= s->wait_ns)
        connect_now(s);
    else if (s->wsi != NULL && (restart || (!atomic_load(&s->live) && age_ns >= CONFIRM_NS)))
        drop(s);
}

static void *serve(void *context)
{
    struct index_subscription *s = context;
    while (!atomic_load(&s->stop)) {
        look_after(s);
        lws_service(s->context, 0);
    }
    return NULL;
}

/* lws_service sleeps until something happens: this is what happens ten times a second. */
static void on_beat(lws_sorted_usec_list_t *beat)
{
    struct index_subscription *s = lws_container_of(beat, struct index_subscription, beat);
    lws_sul_schedule(s->context, 0, beat, on_beat, SERVICE_MS * LWS_US_PER_MS);
}

/* ---- life ---- */

static bool parse_url(struct index_subscription *s, const char *url)
{
    const char *at = url;
    s->tls = strncmp(url, "wss://", 6) == 0;
    if (!s->tls && strncmp(url, "ws://", 5) != 0)
        return false;
    at += s->tls ? 6 : 5;
    size_t host = strcspn(at, ":/");
    if (host == 0 || host >= sizeof(s->address))
        return false;
    snprintf(s->address, sizeof(s->address), "%.*s", (int)host, at);
    at += host;
    s->port = s->tls ? 443 : 80;
    if (*at == ':') {
        char *end;
        long port = strtol(at + 1, &end, 10);
        if (end == at + 1 || port < 1 || port > 65535)
            return false;
        s->port = (int)port;
        at = end;
    }
    if (*at != '\0' && *at != '/')
        return false;
    return snprintf(s->path, sizeof(s->path), "%s", *at == '\0' ? "/" : at) < (int)sizeof(s->path);
}

static bool start(struct index_subscription *s)
{
    const struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = PROTOCOLS,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .user = s,
        .fd_limit_per_thread = 16,
        .gid = -1,
        .uid = -1,
    };
    lws_set_log_level(0, NULL);
    s->context = lws_create_context(&info);
    if (s->context == NULL)
        return false;
    on_beat(&s->beat);
    return pthread_create(&s->thread, NULL, serve, s) == 0;
}

struct index_subscription *index_subscription_open(const char *url, char *error, size_t error_max)
{
    struct index_subscription *s = calloc(1, sizeof(*s));
    ASSERT(s != NULL);
    s->message = malloc(MESSAGE_BYTES_MAX);
    ASSERT(s->message != NULL);
    s->wait_ns = WAIT_MIN_NS;
    s->fd = doorbell_open();
    const char *fault = !parse_url(s, url) ? "it is no ws:// or wss:// address"
                        : !start(s)        ? "libwebsockets cannot be started"
                                           : NULL;
    if (fault == NULL)
        return s;
    snprintf(error, error_max, "%s", fault);
    close(s->fd);
    free(s->message);
    free(s);
    return NULL;
}

void index_subscription_close(struct index_subscription *s)
{
    atomic_store(&s->stop, true);
    lws_cancel_service(s->context);
    pthread_join(s->thread, NULL);
    lws_context_destroy(s->context);
    close(s->fd);
    free(s->message);
    free(s);
}

bool index_subscription_is_live(const struct index_subscription *s)
{
    return atomic_load(&s->live);
}

int index_subscription_fd(const struct index_subscription *s)
{
    return s->fd;
}

void index_subscription_drain(struct index_subscription *s)
{
    doorbell_silence(s->fd);
}

uint64_t index_subscription_head(const struct index_subscription *s)
{
    return atomic_load(&s->head);
}

void index_subscription_restart(struct index_subscription *s)
{
    atomic_store(&s->restart, true);
    lws_cancel_service(s->context);
}
