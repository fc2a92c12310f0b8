#include "settlement/record_proxy.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { PIECE_BYTES = 65536 };

static struct sockaddr_un unix_address(const char *folder, unsigned port)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int bytes = snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.%u", folder, port);
    ASSERT(bytes > 0 && (size_t)bytes < sizeof address.sun_path);
    return address;
}

// As libpq would: a host that begins with / is the folder of a socket. -1: refused.
static int connect_server(const struct pg_settings *server)
{
    bool is_unix = server->host[0] == '/';
    struct sockaddr_un local = {0};
    struct sockaddr_in remote = {.sin_family = AF_INET, .sin_port = htons(server->port)};
    if (is_unix)
        local = unix_address(server->host, server->port);
    else
        ASSERT(inet_pton(AF_INET, server->host, &remote.sin_addr) == 1);
    int fd = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(fd >= 0);
    int result = is_unix ? connect(fd, (struct sockaddr *)&local, sizeof local)
                         : connect(fd, (struct sockaddr *)&remote, sizeof remote);
    if (result == 0)
        return fd;
    close(fd);
    return -1;
}

static bool write_all(int fd, const char *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = send(fd, data, bytes, MSG_NOSIGNAL);
        if (written <= 0)
            return false;
        data += written;
        bytes -= (size_t)written;
    }
    return true;
}

// The message Query "COMMIT", and the server's CommandComplete of it; both come in one piece,
// because nothing else is on its way then.
static bool is_the_moment(enum record_proxy_fault fault, bool to_server, const char *data,
                          size_t bytes)
{
    static const char query[] = "Q\0\0\0\x0b"
                                "COMMIT",
                      complete[] = "C\0\0\0\x0b"
                                   "COMMIT";
    if (fault == PROXY_FREEZE)
        return true;
    if (fault == PROXY_CUT_BEFORE_COMMIT && to_server)
        return memmem(data, bytes, query, sizeof query) != NULL;
    if (fault == PROXY_CUT_AFTER_COMMIT && !to_server)
        return memmem(data, bytes, complete, sizeof complete) != NULL;
    return false;
}

static void wait_for_the_end(struct record_proxy *proxy, int client)
{
    // A frozen line: until the recorder gives it up, or the test is over.
    struct pollfd ends[2] = {{.fd = client, .events = POLLRDHUP},
                             {.fd = proxy->stop[0], .events = POLLIN}};
    (void)poll(ends, 2, -1);
}

// False: the connection is over.
static bool pass(struct record_proxy *proxy, int from, int to, bool to_server)
{
    static char data[PIECE_BYTES];
    ssize_t bytes = read(from, data, sizeof data);
    if (bytes <= 0)
        return false;
    int fault = atomic_load(&proxy->fault);
    if (!is_the_moment((enum record_proxy_fault)fault, to_server, data, (size_t)bytes))
        return write_all(to, data, (size_t)bytes);
    atomic_store(&proxy->fault, PROXY_NONE);
    atomic_fetch_add(&proxy->struck, 1);
    if (fault == PROXY_FREEZE)
        wait_for_the_end(proxy, to_server ? from : to);
    return false;
}

static void serve(struct record_proxy *proxy, int client, int server)
{
    struct pollfd ends[3] = {{.fd = client, .events = POLLIN},
                             {.fd = server, .events = POLLIN},
                             {.fd = proxy->stop[0], .events = POLLIN}};
    while (poll(ends, 3, -1) > 0 && ends[2].revents == 0) {
        if (ends[0].revents != 0 && !pass(proxy, client, server, true))
            return;
        if (ends[1].revents != 0 && !pass(proxy, server, client, false))
            return;
    }
}

static void *run(void *context)
{
    struct record_proxy *proxy = context;
    struct pollfd ends[2] = {{.fd = proxy->listener, .events = POLLIN},
                             {.fd = proxy->stop[0], .events = POLLIN}};
    while (poll(ends, 2, -1) > 0 && ends[1].revents == 0) {
        int client = accept(proxy->listener, NULL, NULL);
        int server = connect_server(&proxy->server);
        if (client >= 0 && server >= 0)
            serve(proxy, client, server);
        close(client);
        close(server);
    }
    return NULL;
}

void record_proxy_open(struct record_proxy *proxy, const struct pg_settings *server)
{
    memset(proxy, 0, sizeof *proxy);
    proxy->server = proxy->settings = *server;
    strcpy(proxy->folder, "/tmp/lonja-proxy-XXXXXX");
    ASSERT(mkdtemp(proxy->folder) != NULL);
    snprintf(proxy->settings.host, sizeof proxy->settings.host, "%s", proxy->folder);
    struct sockaddr_un address = unix_address(proxy->folder, server->port);
    proxy->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(bind(proxy->listener, (struct sockaddr *)&address, sizeof address) == 0);
    ASSERT(listen(proxy->listener, 8) == 0 && pipe(proxy->stop) == 0);
    ASSERT(pthread_create(&proxy->thread, NULL, run, proxy) == 0);
}

void record_proxy_close(struct record_proxy *proxy)
{
    struct sockaddr_un address = unix_address(proxy->folder, proxy->server.port);
    ASSERT(write(proxy->stop[1], "x", 1) == 1);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
    close(proxy->stop[0]);
    close(proxy->stop[1]);
    unlink(address.sun_path);
    rmdir(proxy->folder);
}
