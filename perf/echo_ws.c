#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

#include "perf/echo.h"

enum { MESSAGE_BYTES_MAX = 4096 };

// A message may come in parts, cut where a read ended. Written at once: waiting for the socket to
// be writable would only add a turn of the loop.
static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t bytes)
{
    static unsigned char buffer[LWS_PRE + MESSAGE_BYTES_MAX]; // one client at a time
    static size_t held;
    (void)user;
    if (reason == LWS_CALLBACK_ESTABLISHED)
        held = 0;
    if (reason != LWS_CALLBACK_RECEIVE)
        return 0;
    if (held + bytes > MESSAGE_BYTES_MAX)
        return -1;
    memcpy(buffer + LWS_PRE + held, in, bytes);
    held += bytes;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0)
        return 0;
    size_t whole = held;
    held = 0;
    return lws_write(wsi, buffer + LWS_PRE, whole, LWS_WRITE_TEXT) < (int)whole ? -1 : 0;
}

void echo_ws(uint16_t port)
{
    static const struct lws_protocols protocols[] = {
        {.name = "echo", .callback = on_event, .rx_buffer_size = MESSAGE_BYTES_MAX},
        {.name = NULL}};
    struct lws_context_creation_info info = {
        .port = port,
        .iface = "127.0.0.1",
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_VALIDATE_UTF8 |
                   LWS_SERVER_OPTION_DISABLE_IPV6,
        .gid = -1,
        .uid = -1,
    };
    lws_set_log_level(LLL_ERR, NULL);
    struct lws_context *context = lws_create_context(&info);
    ASSERT(context != NULL);
    while (lws_service(context, 0) >= 0)
        ;
    exit(1);
}
