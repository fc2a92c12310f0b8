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
                      uid_t allowed_uid)
{
    *server = (struct sign_server){.service = service, .allowed_uid = allowed_uid};
    for (size_t i = 0; i < SIGN_CLIENTS_MAX; i++)
        server->clients[i] = -1;
    struct sockaddr_un address;
    if (!socket_address(&address, path))
        return false;
    server->signals = take_signals();
    server->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mode = allowed_uid == geteuid() ? 0600 : 0666;
    return server->signals >= 0 && server->listener >= 0 &&
           bind_path(server->listener, &address, mode);
}

static bool is_allowed(const struct sign_server *server, int client)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);
    if (getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return false;
    if (peer.uid == server->allowed_uid)
        return true;
    log_limited(LOG_WARNING, "peer refused uid=%u pid=%d", (unsigned)peer.uid, (int)peer.pid);
    return false;
}

static void accept_client(struct sign_server *server)
{
    int client = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0)
        return; /* it went away again; poll tells of the next */
    if (is_allowed(server, client))
        for (size_t i = 0; i < SIGN_CLIENTS_MAX; i++)
            if (server->clients[i] < 0) {
                server->clients[i] = client;
                return;
            }
    close(client);
}

static void drop_client(struct sign_server *server, size_t index)
{
    close(server->clients[index]);
    server->clients[index] = -1;
}

static void serve_client(struct sign_server *server, size_t index)
{
    uint8_t in[SIGNER_WIRE_REQUEST_MAX + 1]; /* one more shows a packet that is too long */
    uint8_t out[SIGNER_WIRE_ANSWER_MAX];
    int client = server->clients[index];
    ssize_t got = recv(client, in, sizeof(in), 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        drop_client(server, index);
        return;
    }
    bool hang_up;
    size_t len = sign_service_answer(server->service, out, &hang_up, in, (size_t)got);
    if (send(client, out, len, MSG_NOSIGNAL) != (ssize_t)len || hang_up)
        drop_client(server, index);
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
            wanted[POLL_CLIENTS + i] = (struct pollfd){.fd = server->clients[i], .events = POLLIN};
        if (poll(wanted, POLL_COUNT, -1) < 0 && errno != EINTR)
            return false;
        if (wanted[POLL_SIGNALS].revents != 0 && !take_signal(server))
            return true;
        for (size_t i = 0; i < SIGN_CLIENTS_MAX; i++)
            if (server->clients[i] >= 0 && wanted[POLL_CLIENTS + i].revents != 0)
                serve_client(server, i);
        if (wanted[POLL_LISTENER].revents != 0)
            accept_client(server);
    }
}

void sign_server_close(struct sign_server *server, const char *path)
{
    for (size_t i = 0; i < SIGN_CLIENTS_MAX; i++)
        if (server->clients[i] >= 0)
            drop_client(server, i);
    close(server->listener);
    close(server->signals);
    unlink(path);
}
