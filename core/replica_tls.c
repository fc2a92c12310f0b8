#include "core/replica_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

enum { TLS_BACKLOG = 16 };

struct replica_tls {
    const struct config *config;
    SSL_CTX *context;
    int listen_fd;
};

struct tls_connection {
    SSL *ssl;
    int fd;
    struct replica_stream *stream; // whose wants_events we set
};

// ---- certificates

static const char *tls_reason(char text[160])
{
    ERR_error_string_n(ERR_peek_last_error(), text, 160);
    ERR_clear_error();
    return text;
}

static int tls_refuse(const char *what, const char *path)
{
    char text[160];
    log_error("replication: %s cannot be used file=%s reason=%s", what, path, tls_reason(text));
    return -EINVAL;
}

static int tls_load(SSL_CTX *context, const struct config *config)
{
    ERR_clear_error();
    if (SSL_CTX_use_certificate_chain_file(context, config->replication_certificate) != 1)
        return tls_refuse("the certificate", config->replication_certificate);
    // With a certificate there, this refuses the key of another one.
    if (SSL_CTX_use_PrivateKey_file(context, config->replication_key, SSL_FILETYPE_PEM) != 1)
        return tls_refuse("the key", config->replication_key);
    if (SSL_CTX_load_verify_locations(context, config->replication_authority, NULL) != 1)
        return tls_refuse("the authority's certificate", config->replication_authority);
    return 0;
}

int replica_tls_open(struct replica_tls **out, const struct config *config)
{
    struct replica_tls *tls = calloc(1, sizeof *tls);
    ASSERT(tls != NULL);
    *tls = (struct replica_tls){.config = config, .listen_fd = -1};
    tls->context = SSL_CTX_new(TLS_method());
    ASSERT(tls->context != NULL);
    SSL_CTX_set_min_proto_version(tls->context, TLS1_3_VERSION);
    SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_mode(tls->context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    // A peer that was killed says no farewell; frames say where they end.
    SSL_CTX_set_options(tls->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    // Every connection proves itself anew: a resumed session would not look at the certificate.
    SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(tls->context, 0);
    int result = tls_load(tls->context, config);
    if (result == 0)
        *out = tls;
    else
        replica_tls_close(tls);
    return result;
}

void replica_tls_close(struct replica_tls *tls)
{
    if (tls->listen_fd >= 0)
        close(tls->listen_fd);
    SSL_CTX_free(tls->context);
    free(tls);
}

// ---- one connection

// What a call of OpenSSL that did not go through means.
static int64_t tls_result(struct tls_connection *connection, int result)
{
    int why = SSL_get_error(connection->ssl, result);
    connection->stream->wants_events = why == SSL_ERROR_WANT_WRITE ? POLLOUT : 0;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return 0;
    int error = errno;
    bool stranger = SSL_get_verify_result(connection->ssl) != X509_V_OK;
    ERR_clear_error();
    if (stranger)
        return -EACCES;
    if (why == SSL_ERROR_SYSCALL)
        return -error;
    return why == SSL_ERROR_SSL ? -EPROTO : -ECONNRESET;
}

static int64_t tls_read(void *context, void *out, size_t bytes)
{
    struct tls_connection *connection = context;
    size_t done = 0;
    errno = ECONNRESET; // if no call says why
    int result = SSL_read_ex(connection->ssl, out, bytes, &done);
    return result == 1 ? (int64_t)done : tls_result(connection, result);
}

static int64_t tls_write(void *context, const void *data, size_t bytes)
{
    struct tls_connection *connection = context;
    size_t done = 0;
    errno = ECONNRESET;
    int result = SSL_write_ex(connection->ssl, data, bytes, &done);
    if (result != 1)
        return tls_result(connection, result);
    connection->stream->wants_events = 0;
    return (int64_t)done;
}

static void tls_close(void *context)
{
    struct tls_connection *connection = context;
    SSL_free(connection->ssl);
    close(connection->fd);
    free(connection);
}

static int tls_connection_open(struct replica_tls *tls, struct replica_stream *stream, int fd)
{
    struct tls_connection *connection = calloc(1, sizeof *connection);
    ASSERT(connection != NULL);
    *connection = (struct tls_connection){SSL_new(tls->context), fd, stream};
    ASSERT(connection->ssl != NULL && SSL_set_fd(connection->ssl, fd) == 1);
    const char *name = tls->config->replication_peer_name;
    if (name[0] != '\0')
        ASSERT(SSL_set1_host(connection->ssl, name) == 1);
    int one = 1; // an acknowledgement is small and somebody waits for it
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *stream = (struct replica_stream){
        .read = tls_read, .write = tls_write, .close = tls_close, .context = connection, .fd = fd};
    return 0;
}

// ---- the port

static struct addrinfo *tls_address(const char *host, int64_t port, bool passive)
{
    char text[16];
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0)};
    struct addrinfo *found = NULL;
    snprintf(text, sizeof text, "%lld", (long long)port);
    return getaddrinfo(host, text, &hints, &found) == 0 ? found : NULL;
}

int replica_tls_listen(struct replica_tls *tls)
{
    const struct config *config = tls->config;
    struct addrinfo *address =
        tls_address(config->replication_address, config->replication_port, true);
    if (address == NULL)
        return -EADDRNOTAVAIL;
    int one = 1, result = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, TLS_BACKLOG) != 0)
        result = -errno;
    freeaddrinfo(address);
    if (result == 0)
        tls->listen_fd = fd;
    else if (fd >= 0)
        close(fd);
    return result;
}

int replica_tls_listen_fd(const struct replica_tls *tls)
{
    return tls->listen_fd;
}

int replica_tls_accept(struct replica_tls *tls, struct replica_stream *stream, char peer[64])
{
    struct sockaddr_storage from;
    socklen_t bytes = sizeof from;
    int fd =
        accept4(tls->listen_fd, (struct sockaddr *)&from, &bytes, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return -EAGAIN; // whatever it was, it is gone
    if (getnameinfo((struct sockaddr *)&from, bytes, peer, 64, NULL, 0, NI_NUMERICHOST) != 0)
        snprintf(peer, 64, "?");
    int result = tls_connection_open(tls, stream, fd);
    SSL_set_accept_state(((struct tls_connection *)stream->context)->ssl);
    return result;
}

int replica_tls_connect(struct replica_tls *tls, struct replica_stream *stream)
{
    const struct config *config = tls->config;
    struct addrinfo *address =
        tls_address(config->replication_peer_address, config->replication_peer_port, false);
    if (address == NULL)
        return -EHOSTUNREACH;
    int result = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS))
        result = -errno;
    freeaddrinfo(address);
    if (result != 0) {
        if (fd >= 0)
            close(fd);
        return result;
    }
    result = tls_connection_open(tls, stream, fd);
    SSL_set_connect_state(((struct tls_connection *)stream->context)->ssl);
    return result;
}
