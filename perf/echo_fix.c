#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/fix/frame.h"
#include "gateway/fix/shim.h"
#include "perf/echo.h"

enum { BUFFER_BYTES = 1 << 22, MESSAGE_BYTES_MAX = 8192, TICK_MS = 1000 };

struct echo {
    int fd;
    struct fix_session *session;
    uint32_t next_out, next_in;
    uint64_t orders;
    char *input, *output;
    size_t input_bytes, output_bytes;
    bool hung_up;
};

// ---- what the session layer tells

static void to_wire(void *context, const char *bytes, size_t count)
{
    struct echo *echo = context;
    ASSERT(echo->output_bytes + count <= BUFFER_BYTES);
    memcpy(echo->output + echo->output_bytes, bytes, count);
    echo->output_bytes += count;
}

static void hang_up(void *context)
{
    ((struct echo *)context)->hung_up = true;
}

static const char *logon_verdict(void *context, const struct fix_message *logon)
{
    (void)context;
    (void)logon;
    return NULL;
}

static void nothing(void *context)
{
    (void)context;
}

static void resend_requested(void *context, uint32_t first, uint32_t last)
{
    (void)first;
    (void)last;
    hang_up(context);
}

static void note(void *context, const char *text)
{
    (void)context;
    (void)text;
}

static uint32_t next_out(void *context)
{
    return ((struct echo *)context)->next_out;
}

static uint32_t next_in(void *context)
{
    return ((struct echo *)context)->next_in;
}

static void set_next_out(void *context, uint32_t number)
{
    ((struct echo *)context)->next_out = number;
}

static void set_next_in(void *context, uint32_t number)
{
    ((struct echo *)context)->next_in = number;
}

static void keep(void *context, uint32_t number, bool application, const char *bytes, size_t count)
{
    (void)context;
    (void)number;
    (void)application;
    (void)bytes;
    (void)count;
}

static void reset(void *context)
{
    struct echo *echo = context;
    echo->next_out = echo->next_in = 1;
}

static struct fix_text text_of(const char *text)
{
    return (struct fix_text){text, strlen(text)};
}

// The fields of the venue's own report of an accepted order.
static enum fix_taken message(void *context, const struct fix_message *order, uint32_t *wrong_tag)
{
    struct echo *echo = context;
    struct fix_text type, id, time;
    char number[32], execution[32];
    if (!fix_message_field(order, 35, &type) || !fix_message_field(order, 11, &id) ||
        !fix_message_field(order, 60, &time))
        return FIX_TYPE_REFUSED;
    snprintf(number, sizeof number, "%llu", (unsigned long long)++echo->orders);
    snprintf(execution, sizeof execution, "%s-0", number);
    const char *status = type.at[0] == 'D' ? "0" : "4";
    const struct fix_field fields[] = {
        {37, text_of(number)},    {11, id},
        {17, text_of(execution)}, {150, text_of(status)},
        {39, text_of(status)},    {1, text_of("1001")},
        {55, text_of("PORT")},    {54, text_of("1")},
        {38, text_of("0.01")},    {40, text_of("2")},
        {44, text_of("99.5")},    {59, text_of("0")},
        {151, text_of("0.01")},   {14, text_of("0")},
        {6, text_of("0")},        {60, time},
        {5005, text_of(number)},
    };
    fix_session_send(echo->session, "8", false, fields, sizeof fields / sizeof fields[0], NULL, 0);
    (void)wrong_tag;
    return FIX_TAKEN;
}

static const struct fix_session_events events = {.to_wire = to_wire,
                                                 .hang_up = hang_up,
                                                 .logon_verdict = logon_verdict,
                                                 .logged_on = nothing,
                                                 .logged_off = nothing,
                                                 .message = message,
                                                 .resend_requested = resend_requested,
                                                 .note = note,
                                                 .next_out = next_out,
                                                 .next_in = next_in,
                                                 .set_next_out = set_next_out,
                                                 .set_next_in = set_next_in,
                                                 .keep = keep,
                                                 .reset = reset};

// ---- the connection

static void feed_all(struct echo *echo)
{
    size_t at = 0;
    while (at < echo->input_bytes && !echo->hung_up) {
        struct frame frame =
            frame_find(echo->input + at, echo->input_bytes - at, MESSAGE_BYTES_MAX);
        if (frame.result == FRAME_PARTIAL)
            break;
        if (frame.result == FRAME_TOO_LONG)
            echo->hung_up = true;
        else if (frame.result == FRAME_WHOLE)
            (void)fix_session_feed(echo->session, echo->input + at, frame.bytes);
        at += frame.bytes;
    }
    echo->input_bytes -= at;
    memmove(echo->input, echo->input + at, echo->input_bytes);
}

static bool send_all(struct echo *echo)
{
    size_t at = 0;
    while (at < echo->output_bytes) {
        ssize_t sent = send(echo->fd, echo->output + at, echo->output_bytes - at, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        at += (size_t)sent;
    }
    echo->output_bytes = 0;
    return true;
}

static bool read_some(struct echo *echo)
{
    ssize_t got =
        recv(echo->fd, echo->input + echo->input_bytes, BUFFER_BYTES - echo->input_bytes, 0);
    echo->input_bytes += got > 0 ? (size_t)got : 0;
    return got > 0;
}

static void serve_client(struct echo *echo, struct fix_dialect *dialect)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN};
    ASSERT(epoll_fd >= 0 && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, echo->fd, &event) == 0);
    echo->session = fix_session_create(dialect, "LONJA", "ATLANTIC", &events, echo);
    ASSERT(echo->session != NULL);
    reset(echo);
    fix_session_connect(echo->session);
    while (!echo->hung_up) {
        int count = epoll_wait(epoll_fd, &event, 1, TICK_MS);
        if (count == 0)
            fix_session_tick(echo->session);
        if (count > 0 && !read_some(echo))
            break;
        feed_all(echo);
        if (!send_all(echo))
            break;
    }
    fix_session_destroy(echo->session);
    close(epoll_fd);
}

void echo_fix(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct fix_dialect *dialect = fix_dialect_create();
    ASSERT(listener >= 0 && dialect != NULL);
    ASSERT(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0);
    ASSERT(bind(listener, (struct sockaddr *)&address, sizeof address) == 0 &&
           listen(listener, 8) == 0);
    struct echo echo = {.input = malloc(BUFFER_BYTES), .output = malloc(BUFFER_BYTES)};
    ASSERT(echo.input != NULL && echo.output != NULL);
    for (;;) {
        echo.fd = accept(listener, NULL, NULL);
        ASSERT(echo.fd >= 0);
        echo.hung_up = false;
        echo.input_bytes = echo.output_bytes = 0;
        ASSERT(setsockopt(echo.fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) == 0);
        serve_client(&echo, dialect);
        close(echo.fd);
    }
}
