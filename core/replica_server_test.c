// The replication port over real sockets and TLS, in one process: who is served, who is cut off and
// why, what two primaries learn of each other, and what a lying one cannot make us believe. Time is
// the test's.
#include "core/replica_testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/event_ring.h"
#include "core/numbered_file.h"
#include "core/replay.h"
#include "core/replica_fence.h"
#include "core/replica_server.h"
#include "core/replica_tls.h"
#include "core/testing.h"
#include "core/testing_calls.h"

static char keys[64]; // of all tests

// Connections come from 127.0.0.`source` (0 = as it comes), or fail with connect_error.
static unsigned source;
static int connect_error;
static bool connect_waits; // until it is connected

int __real_connect(int fd, const struct sockaddr *address, socklen_t bytes);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t bytes);
int __wrap_connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
    struct sockaddr_in from = {.sin_family = AF_INET,
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + source)};
    errno = connect_error;
    if (connect_error != 0)
        return -1;
    if (source != 0)
        assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof from), 0);
    int result = __real_connect(fd, address, bytes);
    struct pollfd connecting = {.fd = fd, .events = POLLOUT};
    return connect_waits && poll(&connecting, 1, 60000) == 1 ? 0 : result;
}

// A primary that takes whoever comes, whatever it has heard of his past.
static bool takes_everybody;

enum replica_age __real_replica_age_of(const struct replica_hello *peer, uint64_t own_epoch);
enum replica_age __wrap_replica_age_of(const struct replica_hello *peer, uint64_t own_epoch);
enum replica_age __wrap_replica_age_of(const struct replica_hello *peer, uint64_t own_epoch)
{
    return takes_everybody ? REPLICA_AGE_SAME : __real_replica_age_of(peer, own_epoch);
}

// ---- a primary

struct server {
    struct replica_host host;
    struct config config;
    struct replica_port port;
    struct replica_progress progress;
    uint64_t epoch, now_ns; // epoch 0 = as the journal says
    uint32_t engine_version;
    bool open;
};

static void config_init(struct config *config, const char *certificate)
{
    memset(config, 0, sizeof *config);
    strcpy(config->replication_address, "127.0.0.1");
    config->replication_required = 1;
    snprintf(config->replication_certificate, sizeof config->replication_certificate, "%s/%s.crt",
             keys, certificate);
    snprintf(config->replication_key, sizeof config->replication_key, "%s/%s.key", keys,
             certificate);
    snprintf(config->replication_authority, sizeof config->replication_authority,
             "%s/replication-ca.crt", keys);
}

static int64_t port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t bytes = sizeof address;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    return ntohs(address.sin_port);
}

static void calls(struct server *server, int64_t port)
{
    strcpy(server->config.replication_peer_address, "127.0.0.1");
    server->config.replication_peer_port = port;
}

static void server_start(struct server *server, uint64_t epoch, uint64_t life)
{
    struct pollfd waits[REPLICA_PORT_WAITS_MAX];
    memset(server, 0, sizeof *server);
    replica_host_init(&server->host, life);
    assert_true(replica_host_begin(&server->host, 0));
    config_init(&server->config, "one");
    server->epoch = epoch;
    server->now_ns = 1;
    assert_int_equal(replica_server_open(&server->port, &server->config), 0);
    assert_int_equal(server->port.waits(server->port.context, waits), 1);
    server->config.replication_port = port_of(waits[0].fd);
    server->open = true;
}

static void server_stop(struct server *server)
{
    if (server->open)
        server->port.close(server->port.context);
    replica_host_fini(&server->host);
}

static struct replica_now server_now(const struct server *server)
{
    struct replica_now now = replica_host_now(&server->host, server->now_ns);
    now.own.life = (uint64_t)server->config.replication_port + 100;
    if (server->epoch != 0)
        now.own.epoch = server->epoch;
    now.own.engine_version = server->engine_version;
    return now;
}

static bool serve(struct server *server)
{
    server->now_ns++;
    struct replica_now now = server_now(server);
    bool worked = server->port.work(server->port.context, &server->progress, &now);
    if (!worked)
        usleep(200);
    return worked;
}

static unsigned waits_of(const struct server *server, short events)
{
    struct pollfd waits[REPLICA_PORT_WAITS_MAX];
    unsigned count = server->port.waits(server->port.context, waits), having = 0;
    for (unsigned i = 0; i < count; i++)
        having += (waits[i].events & events) == events;
    return having;
}

#define UNTIL(work, condition)                                                                     \
    do {                                                                                           \
        uint64_t until_ns = clock_monotone_ns(&clock_system) + 60000000000u;                       \
        while (!(condition) && clock_monotone_ns(&clock_system) < until_ns) {                      \
            work;                                                                                  \
        }                                                                                          \
        if (!(condition))                                                                          \
            fail_msg("it does not come: %s", #condition);                                          \
    } while (0)

// ---- who comes

struct client {
    struct config config;
    struct replica_tls *tls;
    struct replica_stream stream;
    struct replica_buffer in, out;
    int ended; // 0 or -errno
    bool up;
};

static void client_init(struct client *client, int64_t port, const char *certificate)
{
    memset(client, 0, sizeof *client);
    config_init(&client->config, certificate);
    strcpy(client->config.replication_peer_address, "127.0.0.1");
    client->config.replication_peer_port = port;
    size_t bytes = 2 * REPLICA_FRAME_BYTES_MAX;
    client->in = (struct replica_buffer){malloc(bytes), bytes, 0, 0};
    client->out = (struct replica_buffer){malloc(bytes), bytes, 0, 0};
    assert_true(client->in.memory != NULL && client->out.memory != NULL);
}

static void client_connect(struct client *client)
{
    assert_int_equal(replica_tls_open(&client->tls, &client->config), 0);
    assert_int_equal(replica_tls_connect(client->tls, &client->stream), 0);
    client->up = true;
}

static void client_open(struct client *client, const struct server *server)
{
    client_init(client, server->config.replication_port, "two");
    client_connect(client);
}

static void client_hang_up(struct client *client)
{
    if (client->up)
        client->stream.close(client->stream.context);
    client->up = false;
}

static void client_close(struct client *client)
{
    client_hang_up(client);
    if (client->tls != NULL)
        replica_tls_close(client->tls);
    free(client->in.memory);
    free(client->out.memory);
}

static void client_move(struct client *client)
{
    if (client->ended == 0) {
        int moved = replica_stream_move(&client->stream, &client->in, &client->out);
        client->ended = moved < 0 ? moved : 0;
    }
}

static void say_hello(struct client *client, const struct server *server, enum replica_role role,
                      uint64_t epoch)
{
    struct replica_hello hello = server_now(server).own;
    hello.role = role;
    hello.life = 1;
    hello.epoch = epoch;
    hello.sequence = 0;
    replica_frame_put(&client->out, REPLICA_HELLO, &hello, sizeof hello);
}

static enum replica_decision answer_of(struct client *client)
{
    struct replica_frame_header header;
    struct replica_answer answer;
    const uint8_t *body;
    client_move(client);
    if (replica_frame_next(&client->in, &header, &body) != REPLICA_FRAME_WHOLE)
        return 0;
    assert_int_equal(header.type, REPLICA_ANSWER);
    memcpy(&answer, body, sizeof answer);
    return (enum replica_decision)answer.decision;
}

static void follow(struct client *client, struct server *server, unsigned from)
{
    source = from;
    client_open(client, server);
    source = 0;
    say_hello(client, server, REPLICA_STANDBY, 0);
    UNTIL(serve(server), answer_of(client) != 0);
    assert_int_equal(answer_of(client), REPLICA_CONTINUE);
}

static int stranger(const struct server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)server->config.replication_port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    (void)connect(fd, (struct sockaddr *)&address, sizeof address);
    return fd;
}

static bool is_cut(int fd)
{
    char byte;
    ssize_t bytes = recv(fd, &byte, 1, MSG_PEEK);
    return bytes == 0 || (bytes < 0 && errno != EAGAIN);
}

// ---- tests: who is served

static void have_all_and_say_so(void)
{
    struct server one;
    struct replica_host two;
    struct client client;
    struct standby_store store;
    struct replica_receiver receiver;
    char reason[160];
    server_start(&one, 0, 1);
    replica_host_init(&two, 2);
    for (int i = 0; i < 20; i++)
        assert_true(replica_host_write(&one.host, 500));
    assert_int_equal(standby_store_open(&store, reason, &two.io), 0);
    client_open(&client, &one);
    struct replica_hello hello = server_now(&one).own;
    hello.life = 1;
    assert_int_equal(replica_receiver_open(&receiver, &store, &hello, 1), 0);
    receiver.fence = 0;
    while (one.progress.replicated_seq < one.host.last) {
        serve(&one);
        assert_true(replica_stream_move(&client.stream, &receiver.in, &receiver.out) >= 0);
        assert_true(replica_receiver_take(&receiver, one.now_ns, REPLICA_TESTING_TIMEOUT_NS) >= 0);
    }
    assert_int_equal(store.next_sequence, one.host.last + 1);
    assert_int_equal(one.progress.standbys, 1);
    client_hang_up(&client);
    UNTIL(serve(&one), one.progress.standbys == 0);
    replica_receiver_close(&receiver);
    standby_store_close(&store);
    client_close(&client);
    replica_host_fini(&two);
    server_stop(&one);
}

static void a_standby_has_all_and_says_so(void **state)
{
    (void)state;
    have_all_and_say_so();
    connect_waits = true; // it is connected at once
    have_all_and_say_so();
    connect_waits = false;
}

// Eight may follow. Who comes ninth waits at the door; who comes again takes his own place.
static void places_are_as_many_as_there_are(void **state)
{
    (void)state;
    struct server one;
    struct client clients[8], ninth, again;
    server_start(&one, 0, 1);
    for (unsigned i = 0; i < 8; i++)
        follow(&clients[i], &one, i + 2);
    assert_int_equal(one.progress.standbys, 8);
    assert_int_equal(waits_of(&one, POLLIN), 9);
    source = 10;
    client_open(&ninth, &one);
    say_hello(&ninth, &one, REPLICA_STANDBY, 0);
    for (int i = 0; i < 50; i++) {
        serve(&one);
        assert_int_equal(answer_of(&ninth), 0);
    }
    assert_int_equal(one.progress.standbys, 8);
    client_hang_up(&clients[0]);
    UNTIL(serve(&one), answer_of(&ninth) != 0);
    assert_int_equal(answer_of(&ninth), REPLICA_CONTINUE);
    client_hang_up(&clients[1]);
    UNTIL(serve(&one), one.progress.standbys == 7);
    follow(&again, &one, 5); // as clients[3]
    assert_int_equal(one.progress.standbys, 7);
    UNTIL(client_move(&clients[3]), clients[3].ended < 0);
    assert_int_equal(clients[4].ended, 0);
    for (unsigned i = 0; i < 8; i++)
        client_close(&clients[i]);
    client_close(&ninth);
    client_close(&again);
    server_stop(&one);
}

// A standby that takes nothing: what is for it waits, and the port says that it can be written to.
static void who_does_not_read_is_waited_for(void **state)
{
    (void)state;
    struct server one;
    struct client client;
    struct pollfd waits[REPLICA_PORT_WAITS_MAX];
    int small = 65536;
    server_start(&one, 0, 1);
    one.port.waits(one.port.context, waits);
    setsockopt(waits[0].fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    for (int i = 0; i < 60; i++)
        assert_true(replica_host_write(&one.host, 500));
    client_open(&client, &one);
    say_hello(&client, &one, REPLICA_STANDBY, 0);
    UNTIL(serve(&one), answer_of(&client) != 0);
    UNTIL(serve(&one), waits_of(&one, POLLOUT) == 1);
    assert_int_equal(one.progress.standbys, 1);
    UNTIL(serve(&one), !serve(&one)); // it does not spin
    client.in.begin = client.in.end = 0;
    for (int i = 0; i < 5000 && waits_of(&one, POLLOUT) == 1; i++) {
        client_move(&client);
        client.in.begin = client.in.end = 0; // thrown away
        serve(&one);
    }
    assert_int_equal(waits_of(&one, POLLOUT), 0);
    one.now_ns += REPLICA_TESTING_TIMEOUT_NS; // silent for too long
    UNTIL(serve(&one), one.progress.standbys == 0);
    client_close(&client);
    server_stop(&one);
}

// ---- tests: who is not

static void strangers_take_each_other_s_places(void **state)
{
    (void)state;
    struct server one;
    int fds[10];
    server_start(&one, 0, 1);
    for (int i = 0; i < 10; i++) {
        fds[i] = stranger(&one);
        UNTIL(serve(&one), waits_of(&one, POLLIN) == (unsigned)(i < 8 ? i + 2 : 9));
    }
    UNTIL(serve(&one), is_cut(fds[0]) && is_cut(fds[1]));
    for (int i = 2; i < 10; i++)
        assert_false(is_cut(fds[i]));
    assert_int_equal(write(fds[2], "GET / HTTP/1.1\r\n\r\n", 18), 18);
    UNTIL(serve(&one), waits_of(&one, POLLIN) == 8);
    setsockopt(fds[3], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    close(fds[3]); // with a reset
    close(fds[4]); // with none
    UNTIL(serve(&one), waits_of(&one, POLLIN) == 6);
    one.now_ns += REPLICA_TESTING_TIMEOUT_NS + 1;
    UNTIL(serve(&one), waits_of(&one, POLLIN) == 1);
    for (int i = 0; i < 10; i++)
        if (i != 3 && i != 4)
            close(fds[i]);
    server_stop(&one);
}

static void who_has_no_certificate_of_ours_is_nobody(void **state)
{
    (void)state;
    struct server one;
    struct client client;
    server_start(&one, 0, 1);
    client_init(&client, one.config.replication_port, "foreign/three");
    client_connect(&client);
    say_hello(&client, &one, REPLICA_STANDBY, 0);
    UNTIL(
        {
            serve(&one);
            client_move(&client);
        },
        client.ended < 0);
    UNTIL(serve(&one), waits_of(&one, POLLIN) == 1);
    assert_int_equal(one.progress.standbys, 0);
    client_close(&client);
    // And a server that bears another name than the one asked for is none for a standby.
    static const char *const names[] = {"two", "one"};
    for (int i = 0; i < 2; i++) {
        client_init(&client, one.config.replication_port, "two");
        strcpy(client.config.replication_peer_name, names[i]);
        client_connect(&client);
        say_hello(&client, &one, REPLICA_STANDBY, 0);
        UNTIL(serve(&one), answer_of(&client) != 0 || client.ended != 0);
        assert_int_equal(client.ended, i == 0 ? -EACCES : 0);
        client_close(&client);
    }
    server_stop(&one);
}

static void nobody_is_answered_before_the_core_has_spoken(void **state)
{
    (void)state;
    struct server one;
    struct client client;
    server_start(&one, 0, 1);
    uint64_t epoch = atomic_exchange(&one.host.control->journal_epoch, 0);
    calls(&one, 1);
    client_open(&client, &one);
    say_hello(&client, &one, REPLICA_STANDBY, 0);
    for (int i = 0; i < 50; i++) {
        serve(&one);
        assert_int_equal(answer_of(&client), 0);
    }
    assert_int_equal(waits_of(&one, POLLIN), 2); // nor does it call anybody
    atomic_store(&one.host.control->journal_epoch, epoch);
    UNTIL(serve(&one), answer_of(&client) == REPLICA_CONTINUE);
    client_close(&client);
    server_stop(&one);
}

static void what_fails_at_the_door_costs_one_connection(void **state)
{
    (void)state;
    static const struct {
        const char *call;
        unsigned at;
    } failing[] = {{"accept4", 1}, {"malloc", 1}, {"malloc", 2}, {"getnameinfo", 1}};
    struct server one;
    struct client client;
    server_start(&one, 0, 1);
    for (size_t i = 0; i < sizeof failing / sizeof failing[0]; i++) {
        client_open(&client, &one);
        testing_calls_fail(failing[i].call, failing[i].at, ENOMEM);
        serve(&one);
        assert_true(testing_calls_failed());
        client_hang_up(&client);
        UNTIL(serve(&one), waits_of(&one, POLLIN) == 1);
        client_close(&client);
    }
    follow(&client, &one, 0);
    client_close(&client);
    server_stop(&one);
}

static void a_port_that_cannot_be_opened_is_said(void **state)
{
    (void)state;
    static const char *const failing[] = {"socket", "setsockopt", "bind", "listen"};
    struct config config;
    struct replica_port port;
    struct replica_stream stream;
    struct replica_tls *tls;
    config_init(&config, "one");
    for (size_t i = 0; i < sizeof failing / sizeof failing[0]; i++) {
        testing_calls_fail(failing[i], 1, EMFILE);
        assert_int_equal(replica_server_open(&port, &config), -EMFILE);
        assert_true(testing_calls_failed());
    }
    strcpy(config.replication_address, "no.such.host.invalid");
    assert_int_equal(replica_server_open(&port, &config), -EADDRNOTAVAIL);
    strcpy(config.replication_peer_address, "127.0.0.1");
    config.replication_peer_port = 1;
    assert_int_equal(replica_tls_open(&tls, &config), 0);
    testing_calls_fail("socket", 1, EMFILE);
    assert_int_equal(replica_tls_connect(tls, &stream), -EMFILE);
    assert_true(testing_calls_failed());
    connect_error = ENETUNREACH;
    assert_int_equal(replica_tls_connect(tls, &stream), -ENETUNREACH);
    connect_error = 0;
    replica_tls_close(tls);
    strcpy(config.replication_key, "/nowhere");
    assert_int_equal(replica_server_open(&port, &config), -EINVAL);
}

// ---- tests: two primaries

static void the_higher_epoch_wins_whoever_calls(void **state)
{
    (void)state;
    static const struct {
        uint64_t caller, called, caller_fenced, called_fenced;
    } cases[] = {{3, 1000001, 1000001, 0}, {1000001, 3, 0, 1000001}, {3, 3, 4, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct server caller, called;
        server_start(&caller, cases[i].caller, 1);
        server_start(&called, cases[i].called, 2);
        calls(&caller, called.config.replication_port);
        for (int turn = 0; turn < 200; turn++) {
            serve(&caller);
            serve(&called);
            if (turn == 100)
                caller.now_ns += 3000000000; // it asks again
        }
        assert_int_equal(caller.progress.fenced_epoch, cases[i].caller_fenced);
        assert_int_equal(called.progress.fenced_epoch, cases[i].called_fenced);
        server_stop(&caller);
        server_stop(&called);
    }
}

static void a_standby_s_answer_is_not_waited_for_beyond_the_limit(void **state)
{
    (void)state;
    struct server one, silent;
    server_start(&one, 0, 1);
    server_start(&silent, 0, 2); // it listens, and is not served
    calls(&one, silent.config.replication_port);
    serve(&one);
    assert_int_equal(waits_of(&one, POLLIN), 2);
    for (int i = 0; i < 20; i++)
        serve(&one);
    assert_int_equal(waits_of(&one, POLLIN), 2);
    one.now_ns += REPLICA_TESTING_TIMEOUT_NS + 1;
    serve(&one);
    assert_int_equal(waits_of(&one, POLLIN), 1);
    serve(&one); // not again at once
    assert_int_equal(waits_of(&one, POLLIN), 1);
    one.now_ns += 2000000000;
    serve(&one);
    assert_int_equal(waits_of(&one, POLLIN), 2);
    server_stop(&one); // while it asks
    server_stop(&silent);
}

static void a_peer_that_is_not_there_is_asked_again_later(void **state)
{
    (void)state;
    struct server one;
    server_start(&one, 0, 1);
    calls(&one, 1); // nobody listens
    for (int i = 0; i < 20; i++)
        serve(&one);
    assert_int_equal(waits_of(&one, POLLIN), 1);
    strcpy(one.config.replication_peer_address, "no.such.host.invalid");
    one.now_ns += 3000000000;
    serve(&one);
    assert_int_equal(waits_of(&one, POLLIN), 1);
    assert_int_equal(one.progress.fenced_epoch, 0);
    server_stop(&one);
}

// The other host answers what cannot be: a promotion below our epoch, a twin of another epoch,
// something that is no answer, or no frame.
static void a_lie_about_epochs_fences_nobody(void **state)
{
    (void)state;
    static const struct {
        enum replica_frame_type type;
        uint32_t decision;
        uint64_t epoch;
    } lies[] = {{REPLICA_ANSWER, REPLICA_PEER_IS_FENCED, 7},
                {REPLICA_ANSWER, REPLICA_BOTH_ARE_FENCED, 8},
                {REPLICA_ANSWER, 99, 9},
                {REPLICA_PING, 0, 0},
                {0, 0, 0}};
    struct server one;
    struct client liar;
    char peer[64];
    server_start(&one, 7, 1);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        client_init(&liar, 0, "two");
        assert_int_equal(replica_tls_open(&liar.tls, &liar.config), 0);
        assert_int_equal(replica_tls_listen(liar.tls), 0);
        calls(&one, port_of(replica_tls_listen_fd(liar.tls)));
        one.now_ns += 3000000000;
        UNTIL(
            {
                serve(&one);
                liar.up = replica_tls_accept(liar.tls, &liar.stream, peer) == 0;
            },
            liar.up);
        struct replica_answer answer = {.decision = lies[i].decision, .epoch = lies[i].epoch};
        struct replica_position position = {0};
        if (lies[i].type == REPLICA_ANSWER)
            replica_frame_put(&liar.out, REPLICA_ANSWER, &answer, sizeof answer);
        else if (lies[i].type == REPLICA_PING)
            replica_frame_put(&liar.out, REPLICA_PING, &position, sizeof position);
        else
            liar.out.end = REPLICA_HEADER_BYTES; // no magic
        UNTIL(
            {
                serve(&one);
                client_move(&liar);
            },
            liar.ended < 0);
        assert_int_equal(one.progress.fenced_epoch, 0);
        client_close(&liar);
    }
    server_stop(&one);
}

static int make_keys(void **state)
{
    (void)state;
    return testing_replication_keys(keys, REPLICATION_KEYS);
}

static int remove_keys(void **state)
{
    (void)state;
    testing_folder_remove(keys);
    return 0;
}

// ---- the real lonja-standby, of this primary

struct standby {
    char state[64];
    struct boot boot;
    struct event_ring ring;
    pid_t process;
};

static void standby_init(struct standby *standby, int64_t port, const char *certificate)
{
    memset(standby, 0, sizeof *standby);
    testing_folder_make(standby->state);
    testing_boot_init(&standby->boot, PROCESS_STANDBY, standby->state);
    struct config *config = &standby->boot.config, given;
    config_init(&given, certificate);
    memcpy(config->replication_certificate, given.replication_certificate,
           sizeof given.replication_certificate);
    memcpy(config->replication_key, given.replication_key, sizeof given.replication_key);
    memcpy(config->replication_authority, given.replication_authority,
           sizeof given.replication_authority);
    strcpy(config->venue_name, "TEST"); // replica_testing.c
    config->core_realtime_priority = 0;
    config->replication_required = 1;
    config->replication_mode = REPLICATION_SYNC;
    config->replication_timeout_ms = 60000;
    strcpy(config->replication_peer_address, "127.0.0.1");
    config->replication_peer_port = port;
    assert_int_equal(event_ring_open_writer(&standby->ring, standby->boot.event_ring_fd,
                                            (uint64_t)config->rings_events,
                                            (uint64_t)config->limits_command_events_max),
                     0);
}

static void standby_start(struct standby *standby)
{
    standby->process = testing_start(&standby->boot, PROCESS_STANDBY, LONJA_BIN, NULL, NULL);
}

static int standby_ended(struct standby *standby)
{
    int status = 0;
    assert_int_equal(waitpid(standby->process, &status, 0), standby->process);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int standby_stop(struct standby *standby)
{
    assert_int_equal(kill(standby->process, SIGTERM), 0);
    return standby_ended(standby);
}

static void standby_fini(struct standby *standby)
{
    event_ring_close(&standby->ring);
    testing_boot_fini(&standby->boot);
    testing_folder_remove(standby->state);
}

static uint64_t standby_has(const struct standby *standby)
{
    return atomic_load(&standby->ring.control->durable_seq);
}

static bool standby_runs(const struct standby *standby)
{
    return atomic_load(&standby->ring.control->core_heartbeat_ns) != 0;
}

static void serve_for(struct server *server, unsigned ms)
{
    uint64_t until_ns = clock_monotone_ns(&clock_system) + ms * 1000000ull;
    while (clock_monotone_ns(&clock_system) < until_ns)
        (void)serve(server);
}

static void set_fence(const struct standby *standby, uint64_t epoch, bool own)
{
    const struct replica_fence fence = {.epoch = epoch, .own = own};
    assert_int_equal(replica_fence_write(&fence, standby->state, "test"), 0);
}

// Its own fence says where it was promoted before; only a higher one promotes it, and a file that
// nobody can read does not.
static void a_standby_follows_until_it_is_promoted_above_what_it_follows(void **state)
{
    (void)state;
    struct server one;
    struct standby standby;
    char path[NUMBERED_PATH_BYTES];
    server_start(&one, 0, 1);
    one.engine_version = ENGINE_VERSION;
    standby_init(&standby, one.config.replication_port, "two");
    set_fence(&standby, 1, true);
    standby_start(&standby);
    for (int i = 0; i < 20; i++)
        assert_true(replica_host_write(&one.host, 500));
    UNTIL(serve(&one), standby_has(&standby) == one.host.last);
    serve_for(&one, 250); // it looks at its fence
    path_join(path, standby.state, "replication/fence");
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, "?", 1), 1);
    close(fd);
    serve_for(&one, 250);
    assert_true(replica_host_write(&one.host, 500));
    UNTIL(serve(&one), standby_has(&standby) == one.host.last);
    set_fence(&standby, 1000000, true);
    assert_int_equal(standby_ended(&standby), EXIT_FENCED);
    standby_fini(&standby);
    server_stop(&one);
}

// A stranger to it, or one who is older than what it has seen, whether he knows or not.
static void a_standby_takes_nothing_from_strangers_and_elders(void **state)
{
    (void)state;
    static const struct {
        bool stranger, takes_everybody;
    } lines[] = {{true, false}, {false, false}, {false, true}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct server one;
        struct standby standby;
        server_start(&one, 0, 1);
        one.engine_version = ENGINE_VERSION;
        assert_true(replica_host_write(&one.host, 500));
        standby_init(&standby, one.config.replication_port, "two");
        if (lines[i].stranger)
            snprintf(standby.boot.config.replication_authority,
                     sizeof standby.boot.config.replication_authority,
                     "%s/foreign/replication-ca.crt", keys);
        else
            set_fence(&standby, 9, false);
        takes_everybody = lines[i].takes_everybody;
        standby_start(&standby);
        UNTIL(serve(&one), standby_runs(&standby));
        serve_for(&one, 300);
        takes_everybody = false;
        assert_int_equal(standby_has(&standby), 0);
        assert_int_equal(standby_stop(&standby), 0);
        standby_fini(&standby);
        server_stop(&one);
    }
}

// After a tenth of a second, two more, four more.
static void a_primary_that_is_away_is_called_again_and_again(void **state)
{
    (void)state;
    struct server one;
    struct standby standby;
    server_start(&one, 0, 1);
    one.engine_version = ENGINE_VERSION;
    assert_true(replica_host_write(&one.host, 500));
    standby_init(&standby, one.config.replication_port, "two");
    one.port.close(one.port.context);
    one.open = false;
    standby_start(&standby);
    usleep(350000);
    assert_int_equal(replica_server_open(&one.port, &one.config), 0);
    one.open = true;
    UNTIL(serve(&one), standby_has(&standby) == one.host.last);
    assert_int_equal(standby_stop(&standby), 0);
    standby_fini(&standby);
    server_stop(&one);
}

// No file of it may be as large as a segment is.
static void a_standby_whose_disk_is_full_ends(void **state)
{
    (void)state;
    struct server one;
    struct standby standby;
    struct rlimit before, small;
    server_start(&one, 0, 1);
    one.engine_version = ENGINE_VERSION;
    assert_true(replica_host_write(&one.host, 500));
    standby_init(&standby, one.config.replication_port, "two");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){.rlim_cur = 1 << 18, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN); // both are inherited
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    standby_start(&standby);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    siginfo_t info = {0};
    UNTIL(serve(&one),
          waitid(P_PID, (id_t)standby.process, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
              info.si_pid != 0);
    assert_int_equal(standby_ended(&standby), EXIT_JOURNAL);
    signal(SIGXFSZ, SIG_DFL);
    standby_fini(&standby);
    server_stop(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_standby_has_all_and_says_so),
        cmocka_unit_test(places_are_as_many_as_there_are),
        cmocka_unit_test(who_does_not_read_is_waited_for),
        cmocka_unit_test(strangers_take_each_other_s_places),
        cmocka_unit_test(who_has_no_certificate_of_ours_is_nobody),
        cmocka_unit_test(nobody_is_answered_before_the_core_has_spoken),
        cmocka_unit_test(what_fails_at_the_door_costs_one_connection),
        cmocka_unit_test(a_port_that_cannot_be_opened_is_said),
        cmocka_unit_test(the_higher_epoch_wins_whoever_calls),
        cmocka_unit_test(a_standby_s_answer_is_not_waited_for_beyond_the_limit),
        cmocka_unit_test(a_peer_that_is_not_there_is_asked_again_later),
        cmocka_unit_test(a_lie_about_epochs_fences_nobody),
        cmocka_unit_test(a_standby_follows_until_it_is_promoted_above_what_it_follows),
        cmocka_unit_test(a_standby_takes_nothing_from_strangers_and_elders),
        cmocka_unit_test(a_primary_that_is_away_is_called_again_and_again),
        cmocka_unit_test(a_standby_whose_disk_is_full_ends),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
