#include "gateway/fix/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "gateway/fix/frame.h"

enum { GARBLED_MAX = 10, OUTPUT_BYTES_MIN = 16384 };

struct connection {
    struct loop_watch *watch;
    const struct connection_owner *owner;
    void *context;
    struct connection_limits limits;
    int fd;
    bool held, finishing, dispatching;
    bool watches_output;
    unsigned garbled; // messages in a row
    uint64_t finishing_since_ns;
    const char *close_reason; // wished for while a message is being dispatched; NULL = none
    char *input;              // message_bytes_max
    size_t input_bytes;
    char *output;
    size_t output_first, output_bytes, output_capacity;
    char peer[64];
};

static void on_ready(void *context, unsigned readiness);

static void peer_name(struct connection *connection)
{
    struct sockaddr_in address = {0};
    socklen_t bytes = sizeof address;
    char text[INET_ADDRSTRLEN] = "?";
    if (getpeername(connection->fd, (struct sockaddr *)&address, &bytes) == 0 &&
        address.sin_family == AF_INET) {
        inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
        snprintf(connection->peer, sizeof connection->peer, "%s:%u", text, ntohs(address.sin_port));
    } else {
        snprintf(connection->peer, sizeof connection->peer, "?");
    }
}

struct connection *connection_open(struct loop *loop, int fd,
                                   const struct connection_limits *limits,
                                   const struct connection_owner *owner, void *context)
{
    struct connection *connection = calloc(1, sizeof *connection);
    ASSERT(connection != NULL);
    *connection =
        (struct connection){.owner = owner, .context = context, .limits = *limits, .fd = fd};
    connection->input = malloc(limits->message_bytes_max);
    ASSERT(connection->input != NULL);
    int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); // slower without, not wrong
    peer_name(connection);
    connection->watch = loop_watch(loop, fd, LOOP_READ, on_ready, connection);
    if (connection->watch == NULL) {
        close(fd);
        free(connection->input);
        free(connection);
        return NULL;
    }
    return connection;
}

const char *connection_peer(const struct connection *connection)
{
    return connection->peer;
}

size_t connection_output_bytes(const struct connection *connection)
{
    return connection->output_bytes;
}

bool connection_is_finishing(const struct connection *connection, uint64_t *since_ns)
{
    *since_ns = connection->finishing_since_ns;
    return connection->finishing;
}

void connection_close(struct connection *connection, const char *reason)
{
    if (connection->dispatching) { // the caller stands on our stack: close when it returns
        connection->close_reason = reason;
        return;
    }
    log_info("connection closed peer=%s reason=%s", connection->peer, reason);
    loop_unwatch(connection->watch);
    close(connection->fd);
    connection->owner->closed(connection->context);
    free(connection->input);
    free(connection->output);
    free(connection);
}

// ---- output -------------------------------------------------------------------------------------

static void interest(struct connection *connection)
{
    bool reads = !connection->held && !connection->finishing;
    unsigned readiness = (reads ? LOOP_READ : 0u) | (connection->watches_output ? LOOP_WRITE : 0u);
    loop_watch_change(connection->watch, connection->fd, readiness);
}

static void output_room(struct connection *connection, size_t count)
{
    size_t end = connection->output_first + connection->output_bytes;
    if (end + count <= connection->output_capacity)
        return;
    if (connection->output_bytes > 0)
        memmove(connection->output, connection->output + connection->output_first,
                connection->output_bytes);
    connection->output_first = 0;
    size_t needed = connection->output_bytes + count;
    if (needed <= connection->output_capacity)
        return;
    connection->output_capacity = needed * 2 < OUTPUT_BYTES_MIN ? OUTPUT_BYTES_MIN : needed * 2;
    connection->output = realloc(connection->output, connection->output_capacity);
    ASSERT(connection->output != NULL);
}

void connection_send(struct connection *connection, const char *bytes, size_t count)
{
    if (connection->close_reason != NULL)
        return;
    if (connection->output_bytes + count > connection->limits.output_bytes_max) {
        connection->close_reason = "the peer does not read"; // carried out by the next flush
        return;
    }
    output_room(connection, count);
    memcpy(connection->output + connection->output_first + connection->output_bytes, bytes, count);
    connection->output_bytes += count;
}

static bool output_write(struct connection *connection)
{
    while (connection->output_bytes > 0) {
        ssize_t wrote = send(connection->fd, connection->output + connection->output_first,
                             connection->output_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK;
        connection->output_first += (size_t)wrote;
        connection->output_bytes -= (size_t)wrote;
    }
    connection->output_first = 0;
    return true;
}

void connection_flush(struct connection *connection)
{
    if (connection->dispatching)
        return;
    if (connection->close_reason == NULL && !output_write(connection))
        connection->close_reason = "the peer is gone";
    if (connection->close_reason == NULL && connection->finishing && connection->output_bytes == 0)
        connection->close_reason = "finished";
    if (connection->close_reason != NULL) {
        connection_close(connection, connection->close_reason);
        return;
    }
    bool wants = connection->output_bytes > 0;
    if (wants != connection->watches_output) {
        connection->watches_output = wants;
        interest(connection);
    }
}

void connection_finish(struct connection *connection, const char *reason)
{
    if (connection->finishing)
        return;
    log_debug("connection finishes peer=%s reason=%s", connection->peer, reason);
    connection->finishing = true;
    connection->finishing_since_ns = clock_monotone_ns(&clock_system);
    interest(connection);
}

// ---- input --------------------------------------------------------------------------------------

void connection_hold(struct connection *connection, bool held)
{
    if (connection->held == held)
        return;
    connection->held = held;
    interest(connection);
}

static void garbled(struct connection *connection, const char *bytes, size_t count)
{
    char text[200] = "(goes on)"; // may begin in the middle of a password
    if (connection->garbled == 0)
        frame_printable(text, sizeof text, bytes, count);
    log_limited(LOG_WARNING, "garbled message ignored peer=%s bytes=%zu text=%s", connection->peer,
                count, text);
    if (++connection->garbled > GARBLED_MAX)
        connection->close_reason = "garbage";
}

// One step over the buffered input; false when there is nothing more to do now.
static bool input_step(struct connection *connection, size_t *at)
{
    const char *bytes = connection->input + *at;
    struct frame frame =
        frame_find(bytes, connection->input_bytes - *at, connection->limits.message_bytes_max);
    switch (frame.result) {
    case FRAME_PARTIAL:
        return false;
    case FRAME_TOO_LONG:
        connection->close_reason = "message too long";
        return false;
    case FRAME_GARBLED:
        garbled(connection, bytes, frame.bytes);
        break;
    case FRAME_WHOLE:
        connection->garbled = 0;
        connection->owner->message(connection->context, bytes, frame.bytes);
        break;
    }
    *at += frame.bytes;
    return true;
}

static void input_dispatch(struct connection *connection)
{
    size_t at = 0;
    connection->dispatching = true;
    while (!connection->held && !connection->finishing && connection->close_reason == NULL &&
           input_step(connection, &at))
        ;
    connection->dispatching = false;
    connection->input_bytes -= at;
    if (at > 0)
        memmove(connection->input, connection->input + at, connection->input_bytes);
}

void connection_resume(struct connection *connection)
{
    if (!connection->held)
        return;
    connection_hold(connection, false);
    input_dispatch(connection);
    if (connection->close_reason != NULL)
        connection_close(connection, connection->close_reason);
}

static void input_read(struct connection *connection)
{
    size_t room = connection->limits.message_bytes_max - connection->input_bytes;
    ASSERT(room > 0); // a full buffer is a message, garbage, or too long
    ssize_t got =
        recv(connection->fd, connection->input + connection->input_bytes, room, MSG_DONTWAIT);
    if (got == 0)
        connection->close_reason = "closed by the peer";
    else if (got < 0 && errno != EAGAIN && errno != EINTR)
        connection->close_reason = strerror(errno);
    else if (got > 0)
        connection->input_bytes += (size_t)got;
}

static void on_ready(void *context, unsigned readiness)
{
    struct connection *connection = context;
    if ((readiness & LOOP_READ) != 0) {
        input_read(connection);
        if (connection->close_reason == NULL)
            input_dispatch(connection);
        if (connection->close_reason != NULL) {
            connection_close(connection, connection->close_reason);
            return;
        }
    }
    if ((readiness & LOOP_WRITE) != 0)
        connection_flush(connection);
}
