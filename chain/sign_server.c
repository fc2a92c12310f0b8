#include "chain/sign_server.h"

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* A packet is a whole request, so there are no partial reads. A client that does not take its
 * answer, sends what we do not understand or has the wrong user id is cut; the others never wait
 * for it. */

static bool socket_address(struct sockaddr_un *out, const char *path)
{
    memset(out, 0, sizeof(*out));
    out->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof(out->sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(out->sun_path, path);
    return true;
}

/* Whether a process listens there; a path that nobody answers is left over from one that died. */
static bool is_answered(const struct sockaddr_un *address)
{
    int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return true; /* cannot know: leave it alone */
    bool answered = connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0;
    close(probe);
    return answered;
}

static bool bind_path(int listener, const struct sockaddr_un *address, mode_t mode)
{
    if (is_answered(address)) {
        errno = EADDRINUSE;
        return false;
    }
    if (unlink(address->sun_path) != 0 && errno != ENOENT)
        return false;
    mode_t previous = umask(0777 & ~mode);
    int bound = bind(listener, (const struct sockaddr *)address, sizeof(*address));
    umask(previous);
    return bound == 0 && listen(listener, SIGN_CLIENTS_MAX) == 0;
}

static int take_signals(void)
{
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &taken, NULL) != 0)
        return -1;
    return signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
}

bool sign_server_open(struct sign_server *server, struct sign_service *service, const char *path,
                      uid_t allowed_uid, uint64_t requests_max)
{
    memset(server, 0, sizeof(*server));
    server->service = service;
    server->allowed_uid = allowed_uid;
    server->requests_max = requests_max;
    for (size_t i = 0; i < SIGN_CLIENTS_MAX; i++)
        server->clients[i].socket = -1;
    struct sockaddr_un address;
    if (!socket_address(&address, path))
        return false;
    server->signals = take_signals();
    server->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mode = allowed_uid == geteuid() ? 0600 : 0666;
    return server->signals >= 0 && server->listener >= 0 &&
           bind_path(server->listener, &address, mode);
}

static uint64_t monotone_ns(const struct sign_server *server)
{
    return clock_monotone_ns(server->service->clock);
}

static bool is_allowed(const struct sign_server *server, struct sign_peer *out, int client)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    *out = (struct sign_peer){.uid = peer.uid, .pid = (uint32_t)peer.pid};
    if (peer.uid == server->allowed_uid)
        return true;
    log_limited(LOG_WARNING, "peer refused uid=%u pid=%d", (unsigned)peer.uid, (int)peer.pid);
    return false;
}

static void drop_client(struct sign_client *client)
{
    close(client->socket);
    client->socket = -1;
}

/* A free place, or that of the client which has been silent for longest. */
static struct sign_client *make_room(struct sign_server *server)
{
    struct sign_client *silent = &server->clients[0];
    for (size_t i = 0; i < SIGN_CLIENTS_MAX; i++) {
        if (server->clients[i].socket < 0)
            return &server->clients[i];
        if (server->clients[i].heard_ns < silent->heard_ns)
            silent = &server->clients[i];
    }
    log_limited(LOG_WARNING, "all places are taken, a silent connection is closed pid=%u",
                (unsigned)silent->peer.pid);
    drop_client(silent);
    return silent;
}

static void accept_client(struct sign_server *server)
{
    struct sign_peer peer;
    int socket = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0)
        return; /* it went away again; poll tells of the next */
    if (!is_allowed(server, &peer, socket)) {
        close(socket);
        return;
    }
    struct sign_client *client = make_room(server);
    client->socket = socket;
    client->peer = peer;
    client->heard_ns = monotone_ns(server);
}

#define NS_PER_S 1000000000u

/* Up to a second's requests may come at once. */
static bool is_within_rate(const struct sign_server *server, struct sign_client *client)
{
    uint64_t now_ns = monotone_ns(server);
    uint64_t idle_ns = now_ns - client->refilled_ns;
    uint64_t full = server->requests_max * NS_PER_S;
    client->refilled_ns = now_ns;
    client->heard_ns = now_ns;
    client->allowance =
        idle_ns >= NS_PER_S || client->allowance + idle_ns * server->requests_max > full
            ? full
            : client->allowance + idle_ns * server->requests_max;
    if (client->allowance < NS_PER_S)
        return false;
    client->allowance -= NS_PER_S;
    return true;
}

static void serve_client(struct sign_server *server, struct sign_client *client)
{
    ssize_t got = recv(client->socket, server->in, sizeof(server->in), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        drop_client(client);
        return;
    }
    bool hang_up = false;
    size_t len = is_within_rate(server, client)
                     ? sign_service_answer(server->service, server->out, &hang_up, server->in,
                                           (size_t)got, &client->peer)
                     : sign_service_turn_away(server->service, server->out, server->in, (size_t)got,
                                              server->requests_max);
    if (send(client->socket, server->out, len, MSG_NOSIGNAL) != (ssize_t)len || hang_up)
        drop_client(client);
}

/* Returns false when asked to stop. */
static bool take_signal(struct sign_server *server)
{
    struct signalfd_siginfo info;
    if (read(server->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return true;
    if (info.ssi_signo != SIGHUP)
        return false;
    sign_service_reload(server->service);
    return true;
}

enum { POLL_SIGNALS, POLL_LISTENER, POLL_CLIENTS, POLL_COUNT = POLL_CLIENTS + SIGN_CLIENTS_MAX };

bool sign_server_run(struct sign_server *server)
{
    for (;;) {
        struct pollfd wanted[POLL_COUNT];
        wanted[POLL_SIGNALS] = (struct pollfd){.fd = server->signals, .events = POLLIN};
        wanted[POLL_LISTENER] = (struct pollfd){.fd = server->listener, .events = POLLIN};
        for (size_t i = 0; i < SIGN_CLIENTS_MAX; i++)
            wanted[POLL_CLIENTS + i] =
                (struct pollfd){.fd = server->clients[i].socket, .events = POLLIN};
        if (poll(wanted, POLL_COUNT, -1) < 0 && errno != EINTR)
            return false;
        if (wanted[POLL_SIGNALS].revents != 0 && !take_signal(server))
            return true;
        for (size_t i = 0; i < SIGN_CLIENTS_MAX; i++)
            if (server->clients[i].socket >= 0 && wanted[POLL_CLIENTS + i].revents != 0)
                serve_client(server, &server->clients[i]);
        if (wanted[POLL_LISTENER].revents != 0)
            accept_client(server);
    }
}

void sign_server_close(struct sign_server *server, const char *path)
{
    for (size_t i = 0; i < SIGN_CLIENTS_MAX; i++)
        if (server->clients[i].socket >= 0)
            drop_client(&server->clients[i]);
    close(server->listener);
    close(server->signals);
    unlink(path);
}
