// The shim over hiredis against a Redis of this test's own, which says what no Redis says.
#include "gateway/ops/redis.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/testing.h"

struct fixture {
    struct loop *loop;
    struct loop_timer *timer;
    struct redis *redis;
    struct loop_watch *watch; // of `client`
    int listener, client;     // client: the server's end of the connection, -1 = none
    const char *answer;       // what each piece of bytes that comes is answered with
    unsigned greeted, heard, ticks;
    uint64_t now_ns;
};

static void on_connected(void *context)
{
    struct fixture *fixture = context;
    fixture->greeted++;
}

// Each thing that is sent gets the same answer.
static void on_bytes(void *context, unsigned readiness)
{
    struct fixture *fixture = context;
    char bytes[4096];
    assert_true(readiness & LOOP_READ);
    ssize_t got = read(fixture->client, bytes, sizeof bytes);
    if (got <= 0) {
        loop_unwatch(fixture->watch);
        close(fixture->client);
        fixture->client = -1;
        return;
    }
    fixture->heard++;
    ssize_t sent = write(fixture->client, fixture->answer, strlen(fixture->answer));
    assert_int_equal(sent, strlen(fixture->answer));
}

static void on_tick(void *context)
{
    struct fixture *fixture = context;
    redis_tick(fixture->redis, fixture->now_ns += 100000000);
    if (fixture->client < 0) {
        fixture->client = accept4(fixture->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fixture->client >= 0)
            fixture->watch =
                loop_watch(fixture->loop, fixture->client, LOOP_READ, on_bytes, fixture);
    }
    if (--fixture->ticks == 0)
        loop_stop(fixture->loop);
}

static void run(struct fixture *fixture, unsigned ticks)
{
    fixture->ticks = ticks;
    loop_run(fixture->loop);
}

static int listen_anywhere(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    assert_int_equal(listen(fd, 4), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

static void open_fixture(struct fixture *fixture, const char *answer)
{
    int port;
    *fixture = (struct fixture){.client = -1, .answer = answer, .now_ns = 1000000000};
    fixture->listener = listen_anywhere(&port);
    fixture->loop = loop_create();
    fixture->timer = loop_every(fixture->loop, 5, on_tick, fixture);
    struct redis_options options = {.host = "127.0.0.1",
                                    .port = port,
                                    .pending_max = 8,
                                    .timeout_ms = 2000,
                                    .connected = on_connected,
                                    .context = fixture};
    fixture->redis = redis_open(fixture->loop, &options);
    assert_non_null(fixture->redis);
}

static void close_fixture(struct fixture *fixture)
{
    redis_close(fixture->redis);
    loop_timer_stop(fixture->timer);
    if (fixture->client >= 0) {
        loop_unwatch(fixture->watch);
        close(fixture->client);
    }
    close(fixture->listener);
    loop_destroy(fixture->loop);
}

static void commands_go_out_and_their_answers_are_counted(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, "+OK\r\n");
    assert_false(redis_publish(fixture.redis, "c", "before there is a connection"));
    run(&fixture, 10);
    assert_true(redis_is_up(fixture.redis));
    assert_int_equal(fixture.greeted, 1);
    assert_true(redis_publish(fixture.redis, "c", "text"));
    run(&fixture, 10);
    assert_int_equal(fixture.heard, 2);
    assert_int_equal(redis_counters(fixture.redis)->published, 1);
    assert_int_equal(redis_counters(fixture.redis)->dropped, 1);
    assert_int_equal(redis_counters(fixture.redis)->errors, 0);
    close_fixture(&fixture);
}

static void an_answer_to_nothing_ends_the_connection_and_not_the_process(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, "+OK\r\n+OK\r\n");
    run(&fixture, 40);
    assert_false(redis_is_up(fixture.redis));
    assert_true(redis_counters(fixture.redis)->errors >= 2);
    fixture.answer = "+OK\r\n";
    run(&fixture, 40);
    assert_true(redis_is_up(fixture.redis));
    close_fixture(&fixture);
}

static void bytes_that_are_no_answer_end_the_connection(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, "HTTP/1.1 400 Bad Request\r\n\r\n");
    run(&fixture, 10);
    assert_false(redis_is_up(fixture.redis));
    assert_int_equal(redis_counters(fixture.redis)->errors, 1);
    close_fixture(&fixture);
}

static void a_server_that_never_answers_is_given_up_and_asked_again(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, "");
    run(&fixture, 60);
    assert_false(redis_is_up(fixture.redis));
    assert_true(redis_counters(fixture.redis)->errors >= 1);
    assert_true(fixture.heard >= 2);
    close_fixture(&fixture);
}

static void what_nobody_answers_is_dropped_beyond_a_bound(void **state)
{
    (void)state;
    struct fixture fixture;
    open_fixture(&fixture, "+OK\r\n");
    run(&fixture, 10);
    fixture.answer = "";
    for (int i = 0; i < 8; i++)
        assert_true(redis_publish(fixture.redis, "c", "text"));
    assert_false(redis_publish(fixture.redis, "c", "one too many"));
    close_fixture(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_go_out_and_their_answers_are_counted),
        cmocka_unit_test(an_answer_to_nothing_ends_the_connection_and_not_the_process),
        cmocka_unit_test(bytes_that_are_no_answer_end_the_connection),
        cmocka_unit_test(a_server_that_never_answers_is_given_up_and_asked_again),
        cmocka_unit_test(what_nobody_answers_is_dropped_beyond_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
