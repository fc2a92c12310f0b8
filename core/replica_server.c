#include "core/replica_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "core/replica_tls.h"

enum {
    SERVER_CONNECTIONS_MAX = 8,
    SERVER_ROUNDS_MAX = 16, // of one connection before it is the next one's turn
    SERVER_PROBE_MS = 2000,
    SERVER_PROBE_BYTES = 1024,
};

struct server_connection {
    bool used, told;
    uint64_t opened_ns;
    char peer[64];
    struct replica_stream stream;
    struct replica_sender sender;
};

// Our call to the other host, to learn whether it is a primary.
struct server_probe {
    bool open;
    uint64_t next_ns, until_ns;
    struct replica_stream stream;
    struct replica_buffer in, out;
    uint8_t in_memory[SERVER_PROBE_BYTES], out_memory[SERVER_PROBE_BYTES];
};

struct replica_server {
    const struct config *config;
    struct replica_tls *tls;
    struct server_connection connections[SERVER_CONNECTIONS_MAX];
    struct server_probe probe;
    uint64_t fenced_epoch;
};

// ---- connections

static void connection_close(struct server_connection *connection, const char *reason)
{
    bool followed = connection->sender.state == REPLICA_SENDER_FOLLOWED;
    if (followed)
        log_warning("a standby is gone peer=%s acknowledged=%" PRIu64 " reason=%s",
                    connection->peer, connection->sender.acked_seq, reason);
    else if (connection->sender.decision == 0)
        log_limited(LOG_WARNING, "replication: a connection is cut peer=%s reason=%s",
                    connection->peer, reason);
    connection->stream.close(connection->stream.context);
    replica_sender_close(&connection->sender);
    connection->used = false;
}

// A free place; else that of the oldest who has not said who he is; NULL if all are known.
static struct server_connection *server_place(struct replica_server *server)
{
    struct server_connection *oldest = NULL;
    for (int i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
        struct server_connection *connection = &server->connections[i];
        if (!connection->used)
            return connection;
        if (connection->sender.state != REPLICA_SENDER_FOLLOWED &&
            (oldest == NULL || connection->opened_ns < oldest->opened_ns))
            oldest = connection;
    }
    if (oldest != NULL)
        connection_close(oldest, "its place was needed");
    return oldest;
}

// Returns whether somebody came.
static bool server_accept(struct replica_server *server, const struct replica_now *now)
{
    struct pollfd waiting = {.fd = replica_tls_listen_fd(server->tls), .events = POLLIN};
    if (poll(&waiting, 1, 0) != 1)
        return false;
    struct server_connection *connection = server_place(server);
    if (connection == NULL)
        return false;
    memset(connection, 0, sizeof *connection);
    if (replica_tls_accept(server->tls, &connection->stream, connection->peer) != 0)
        return false;
    connection->opened_ns = now->now_ns;
    connection->used = replica_sender_open(&connection->sender, now->now_ns) == 0;
    if (!connection->used)
        connection->stream.close(connection->stream.context);
    return connection->used;
}

// Says once what was decided, and draws the consequences.
static void connection_decided(struct replica_server *server, struct server_connection *connection,
                               const struct replica_now *now)
{
    struct replica_sender *sender = &connection->sender;
    if (connection->told || sender->decision == 0)
        return;
    connection->told = true;
    if (sender->decision == REPLICA_CONTINUE)
        log_info("a standby follows peer=%s from=%" PRIu64 " durable=%" PRIu64, connection->peer,
                 sender->acked_seq, now->journal_seq);
    else
        log_limited(LOG_WARNING, "replication: peer=%s is told: %s", connection->peer,
                    replica_decision_text(sender->decision));
    if (sender->decision == REPLICA_WE_ARE_FENCED)
        server->fenced_epoch = sender->peer_epoch;
    if (sender->decision == REPLICA_BOTH_ARE_FENCED)
        server->fenced_epoch = now->own.epoch + 1;
    for (int i = 0; i < SERVER_CONNECTIONS_MAX && sender->decision == REPLICA_CONTINUE; i++) {
        struct server_connection *other = &server->connections[i];
        if (other != connection && other->used && strcmp(other->peer, connection->peer) == 0)
            connection_close(other, "its host has connected anew");
    }
}

static bool connection_work(struct replica_server *server, struct server_connection *connection,
                            const struct replica_now *now)
{
    struct replica_sender *sender = &connection->sender;
    int moved = 1, rounds = 0;
    while (moved > 0 && rounds < SERVER_ROUNDS_MAX) {
        moved = replica_stream_move(&connection->stream, &sender->in, &sender->out);
        int result = moved < 0 ? moved : replica_sender_take(sender, now);
        connection_decided(server, connection, now);
        if (result == 0)
            result = replica_sender_fill(sender, now);
        bool said_all = sender->state == REPLICA_SENDER_ENDING && sender->out.end == 0;
        if (result < 0 || said_all) {
            connection_close(connection, result < 0 ? strerror(-result) : "answered");
            return true;
        }
        moved |= result > 0;
        rounds += moved > 0;
    }
    return rounds > 0;
}

// ---- the probe

static void probe_end(struct server_probe *probe, const struct replica_now *now)
{
    probe->stream.close(probe->stream.context);
    probe->open = false;
    probe->next_ns = now->now_ns + SERVER_PROBE_MS * 1000000u;
}

static void probe_begin(struct replica_server *server, const struct replica_now *now)
{
    struct server_probe *probe = &server->probe;
    probe->next_ns = now->now_ns + SERVER_PROBE_MS * 1000000u;
    if (replica_tls_connect(server->tls, &probe->stream) != 0)
        return;
    probe->open = true;
    probe->until_ns = now->now_ns + now->timeout_ns;
    probe->in = (struct replica_buffer){probe->in_memory, sizeof probe->in_memory, 0, 0};
    probe->out = (struct replica_buffer){probe->out_memory, sizeof probe->out_memory, 0, 0};
    replica_frame_put(&probe->out, REPLICA_HELLO, &now->own, sizeof now->own);
}

static void probe_answer(struct replica_server *server, const uint8_t *body,
                         const struct replica_now *now)
{
    struct replica_answer answer;
    memcpy(&answer, body, sizeof answer);
    const char *text = replica_decision_text((enum replica_decision)answer.decision);
    // What another one says of the epochs must be true of the numbers.
    if (answer.decision == REPLICA_PEER_IS_FENCED && answer.epoch > now->own.epoch)
        server->fenced_epoch = answer.epoch;
    else if (answer.decision == REPLICA_BOTH_ARE_FENCED && answer.epoch == now->own.epoch)
        server->fenced_epoch = answer.epoch + 1;
    else if (answer.decision == REPLICA_WE_ARE_FENCED)
        text = "the old primary has stopped: it may only follow";
    log_limited(LOG_WARNING,
                "replication: the other host answers: %s epoch=%" PRIu64 " own_epoch=%" PRIu64,
                text, answer.epoch, now->own.epoch);
}

static bool probe_work(struct replica_server *server, const struct replica_now *now)
{
    struct server_probe *probe = &server->probe;
    struct replica_frame_header header;
    const uint8_t *body;
    if (server->config->replication_peer_address[0] == '\0' || now->own.epoch == 0)
        return false;
    if (!probe->open && now->now_ns >= probe->next_ns)
        probe_begin(server, now);
    if (!probe->open)
        return false;
    int moved = replica_stream_move(&probe->stream, &probe->in, &probe->out);
    enum replica_frame_result frame = replica_frame_next(&probe->in, &header, &body);
    if (frame == REPLICA_FRAME_WHOLE && header.type == REPLICA_ANSWER)
        probe_answer(server, body, now);
    if (moved < 0 || frame != REPLICA_FRAME_NONE || now->now_ns > probe->until_ns)
        probe_end(probe, now);
    return moved > 0;
}

// ---- the port

static void server_progress(const struct replica_server *server, struct replica_progress *progress)
{
    uint64_t acknowledged[SERVER_CONNECTIONS_MAX];
    unsigned count = 0;
    for (int i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
        const struct server_connection *connection = &server->connections[i];
        if (connection->used && connection->sender.state == REPLICA_SENDER_FOLLOWED)
            acknowledged[count++] = connection->sender.acked_seq;
    }
    progress->standbys = count;
    progress->replicated_seq =
        replica_quorum(acknowledged, count, (unsigned)server->config->replication_required);
    progress->fenced_epoch = server->fenced_epoch;
}

static bool server_work(void *context, struct replica_progress *progress,
                        const struct replica_now *now)
{
    struct replica_server *server = context;
    bool worked = server_accept(server, now);
    worked |= probe_work(server, now);
    for (int i = 0; i < SERVER_CONNECTIONS_MAX; i++)
        if (server->connections[i].used)
            worked |= connection_work(server, &server->connections[i], now);
    server_progress(server, progress);
    return worked;
}

static struct pollfd stream_wait(const struct replica_stream *stream)
{
    return (struct pollfd){.fd = stream->fd, .events = (short)(POLLIN | stream->wants_events)};
}

static unsigned server_waits(void *context, struct pollfd *out)
{
    struct replica_server *server = context;
    unsigned count = 0;
    out[count++] = (struct pollfd){.fd = replica_tls_listen_fd(server->tls), .events = POLLIN};
    if (server->probe.open)
        out[count++] = stream_wait(&server->probe.stream);
    for (int i = 0; i < SERVER_CONNECTIONS_MAX; i++)
        if (server->connections[i].used)
            out[count++] = stream_wait(&server->connections[i].stream);
    static_assert(SERVER_CONNECTIONS_MAX + 2 <= REPLICA_PORT_WAITS_MAX, "room for all");
    return count;
}

static void server_close(void *context)
{
    struct replica_server *server = context;
    for (int i = 0; i < SERVER_CONNECTIONS_MAX; i++)
        if (server->connections[i].used)
            connection_close(&server->connections[i], "this host stops");
    if (server->probe.open)
        server->probe.stream.close(server->probe.stream.context);
    replica_tls_close(server->tls);
    free(server);
}

int replica_server_open(struct replica_port *port, const struct config *config)
{
    struct replica_server *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    server->config = config;
    int result = replica_tls_open(&server->tls, config);
    if (result == 0) {
        result = replica_tls_listen(server->tls);
        if (result != 0)
            replica_tls_close(server->tls);
    }
    if (result != 0) {
        free(server);
        return result;
    }
    *port = (struct replica_port){
        .work = server_work, .waits = server_waits, .close = server_close, .context = server};
    return 0;
}
