/* The HTTP side against a real socket: a server of a few lines in a child process, which answers
 * each request by the method's name. */
#include "chain/rpc.h"

#include "base/testing.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t server;
static char url[64];

/* Reads one request; returns false when the client has gone. */
static bool read_request(int client, char *request, size_t max)
{
    size_t len = 0;
    size_t wanted = 0;
    do {
        ssize_t got = recv(client, request + len, max - 1 - len, 0);
        if (got <= 0)
            return false;
        len += (size_t)got;
        request[len] = '\0';
        const char *length = strcasestr(request, "content-length:");
        const char *body = strstr(request, "\r\n\r\n");
        if (length != NULL && body != NULL)
            wanted = (size_t)(body + 4 - request) + strtoul(length + 15, NULL, 10);
    } while (wanted == 0 || len < wanted);
    return true;
}

static void send_answer(int client, const char *status, const char *body)
{
    char head[256];
    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status,
             strlen(body));
    send(client, head, strlen(head), MSG_NOSIGNAL);
    send(client, body, strlen(body), MSG_NOSIGNAL);
}

/* What was asked decides; `requests` counts on this connection. */
static void answer(int client, const char *request, unsigned requests)
{
    char body[4096];
    unsigned long id = strtoul(strstr(request, "\"id\":") + 5, NULL, 10);
    const char *status = "200 OK";
    if (strcasestr(request, "\r\nexpect:") != NULL)
        snprintf(body, sizeof(body), "an Expect header");
    else if (strstr(request, "\"requests\"") != NULL)
        snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":%u}", id,
                 requests);
    else if (strstr(request, "\"refused\"") != NULL) {
        status = "400 Bad Request";
        snprintf(body, sizeof(body),
                 "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"error\":{\"code\":-5,\"message\":\"no\"}}", id);
    } else if (strstr(request, "\"proxy\"") != NULL) {
        status = "502 Bad Gateway";
        snprintf(body, sizeof(body), "<html>try later</html>");
    } else if (strstr(request, "\"too_often\"") != NULL) {
        status = "429 Too Many Requests\r\nRetry-After: 7";
        snprintf(body, sizeof(body),
                 "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"error\":{\"code\":429,\"message\":\"no\"}}",
                 id);
    } else if (strstr(request, "\"maintenance\"") != NULL) {
        status = "503 Service Unavailable\r\nRetry-After: 86400";
        snprintf(body, sizeof(body), "<html>tomorrow</html>");
    } else if (strstr(request, "\"limit\"") != NULL) {
        snprintf(body, sizeof(body),
                 "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"error\":{\"code\":-32005,\"message\":\"limit "
                 "exceeded\"}}",
                 id);
    } else if (strstr(request, "\"twice\"") != NULL) {
        snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":1,\"result\":2}",
                 id);
    } else if (strstr(request, "\"long\"") != NULL) {
        memset(body, 'x', sizeof(body) - 1);
        body[sizeof(body) - 1] = '\0';
    } else if (strstr(request, "\"values") != NULL) { /* 32 commas and brackets, or 33 */
        snprintf(
            body, sizeof(body),
            "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,"
            "0,0,0,0,0,0,0,0,0%s]}",
            id, strstr(request, "\"values and one\"") != NULL ? ",0" : "");
    } else if (strstr(request, "\"accents\"") != NULL) {
        snprintf(
            body, sizeof(body),
            "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"error\":{\"code\":-5,\"message\":\"n\xc3\xb3\\n\"}}",
            id);
    } else if (strstr(request, "\"other\"") != NULL)
        snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":1}", id + 1);
    else
        snprintf(body, sizeof(body), "not JSON");
    send_answer(client, status, body);
}

/* Of a batch each question is answered with 1000; the last first. One that asks for "nothing" is
 * left out. */
static void answer_batch(int client, char *body)
{
    char answers[4096];
    size_t len = (size_t)snprintf(answers, sizeof(answers), "[");
    for (char *id; (id = strrchr(body, '{')) != NULL; *id = '\0')
        if (strstr(id, "nothing") == NULL)
            len +=
                (size_t)snprintf(answers + len, sizeof(answers) - len,
                                 "%s{\"jsonrpc\":\"2.0\",\"id\":%lu,\"result\":1000}",
                                 len > 1 ? "," : "", strtoul(strstr(id, "\"id\":") + 5, NULL, 10));
    snprintf(answers + len, sizeof(answers) - len, "]");
    send_answer(client, "200 OK", answers);
}

static void serve(int client)
{
    static char request[65536];
    for (unsigned requests = 1; read_request(client, request, sizeof(request)); requests++) {
        if (strstr(request, "\"silence\"") != NULL)
            sleep(5);
        if (strstr(request, "\"hang_up\"") != NULL)
            break;
        char *body = strstr(request, "\r\n\r\n") + 4;
        if (*body == '[' && strstr(body, "\"long\"") == NULL)
            answer_batch(client, body);
        else
            answer(client, request, requests);
    }
    close(client);
}

static void serve_apart(int client)
{
    if (fork() == 0) {
        serve(client);
        _exit(0);
    }
    close(client);
}

static int start_server(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        return -1;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    server = fork();
    if (server == 0)
        for (;;)
            serve_apart(accept(listener, NULL, NULL));
    close(listener);
    return server < 0;
}

static int stop_server(void **state)
{
    (void)state;
    kill(server, SIGKILL);
    return waitpid(server, NULL, 0) != server;
}

static unsigned call_timeout_ms = 60000;

static void open_rpc(struct rpc_ops *ops, const char *to)
{
    char error[128];
    const struct rpc_http_config config = {.url = to,
                                           .connect_timeout_ms = 10000,
                                           .call_timeout_ms = call_timeout_ms,
                                           .response_bytes_max = 1024};
    assert_true(rpc_http_open(ops, &config, error, sizeof(error)));
}

static enum rpc_status call(struct rpc_reply *reply, const char *method)
{
    struct rpc_ops ops;
    open_rpc(&ops, url);
    ops.call(ops.context, reply, method, json_array());
    ops.close(ops.context);
    rpc_reply_fini(reply);
    return reply->status;
}

static void calls_share_one_connection_and_send_no_expect(void **state)
{
    (void)state;
    struct rpc_ops ops;
    struct rpc_reply reply;
    open_rpc(&ops, url);
    char large[4000];
    memset(large, 'a', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    for (unsigned i = 1; i <= 5; i++) {
        ops.call(ops.context, &reply, "requests", json_pack("[s]", large));
        assert_int_equal(reply.status, RPC_OK);
        assert_int_equal(json_integer_value(reply.result), i);
        assert_int_equal(reply.connected, i == 1);
        rpc_reply_fini(&reply);
    }
    ops.close(ops.context);
}

static void every_kind_of_failure_has_its_class(void **state)
{
    (void)state;
    struct rpc_reply reply;
    assert_int_equal(call(&reply, "refused"), RPC_ERROR);
    assert_int_equal(reply.code, -5);
    assert_string_equal(reply.message, "no");
    assert_int_equal(call(&reply, "accents"), RPC_ERROR);
    assert_string_equal(reply.message, "n???"); /* a line, and no half of a character */
    assert_int_equal(call(&reply, "proxy"), RPC_TRANSPORT);
    assert_string_equal(reply.message, "HTTP status 502");
    assert_int_equal(call(&reply, "long"), RPC_GARBAGE);
    assert_int_equal(call(&reply, "values"), RPC_OK);
    assert_int_equal(call(&reply, "values and one"), RPC_GARBAGE);
    assert_string_equal(reply.message, "the answer has too many values");
    assert_int_equal(call(&reply, "other"), RPC_GARBAGE);
    assert_int_equal(call(&reply, "nonsense"), RPC_GARBAGE);
    assert_int_equal(call(&reply, "twice"), RPC_GARBAGE); /* which of the two results? */
    assert_int_equal(call(&reply, "hang_up"), RPC_TRANSPORT);
}

static void who_asks_to_be_left_alone_is_told_from_who_fails(void **state)
{
    (void)state;
    struct rpc_reply reply;
    assert_int_equal(call(&reply, "too_often"), RPC_LIMITED);
    assert_int_equal(reply.retry_after_ms, 7000);
    assert_int_equal(call(&reply, "maintenance"), RPC_LIMITED);
    assert_int_equal(reply.retry_after_ms, 600000); /* not for ever */
    assert_int_equal(call(&reply, "limit"), RPC_LIMITED);
    assert_int_equal(reply.retry_after_ms, 0);
    assert_string_equal(reply.message, "limit exceeded");
    assert_int_equal(call(&reply, "proxy"), RPC_TRANSPORT);
}

static void silence_ends_with_the_timeout(void **state)
{
    (void)state;
    struct rpc_reply reply;
    call_timeout_ms = 300;
    assert_int_equal(call(&reply, "silence"), RPC_TRANSPORT);
    call_timeout_ms = 60000;
    assert_true(strlen(reply.message) > 0);
}

static bool is_cancelled_at_the_second_look(void *context)
{
    int *looks = context;
    return ++*looks > 1;
}

// The first look is before the call: the silent server has it for a minute, and it ends at the
// second.
static void a_call_that_is_cancelled_does_not_wait_for_its_answer(void **state)
{
    (void)state;
    int looks = 0;
    char error[RPC_MESSAGE_MAX];
    struct rpc_http_config config = {.url = url,
                                     .connect_timeout_ms = 1000,
                                     .call_timeout_ms = 60000,
                                     .response_bytes_max = 4096,
                                     .is_cancelled = is_cancelled_at_the_second_look,
                                     .cancel_context = &looks};
    struct rpc_ops ops;
    struct rpc_reply reply;
    assert_true(rpc_http_open(&ops, &config, error, sizeof(error)));
    ops.call(ops.context, &reply, "silence", json_array());
    assert_int_equal(reply.status, RPC_TRANSPORT);
    assert_int_equal(looks, 2);
    rpc_reply_fini(&reply);
    ops.call(ops.context, &reply, "requests", json_array()); // not even begun
    assert_int_equal(reply.status, RPC_TRANSPORT);
    assert_int_equal(looks, 3);
    rpc_reply_fini(&reply);
    ops.close(ops.context);
}

static void nobody_there_is_a_transport_failure_and_a_bad_url_does_not_open(void **state)
{
    (void)state;
    struct rpc_ops ops;
    struct rpc_reply reply;
    char error[128];
    open_rpc(&ops, "http://127.0.0.1:1");
    ops.call(ops.context, &reply, "requests", json_array());
    assert_int_equal(reply.status, RPC_TRANSPORT);
    rpc_reply_fini(&reply);
    ops.close(ops.context);
    struct rpc_http_config config = {.url = "not a url \n",
                                     .connect_timeout_ms = 1,
                                     .call_timeout_ms = 1,
                                     .response_bytes_max = 1};
    assert_false(rpc_http_open(&ops, &config, error, sizeof(error)));
    config.url = "http://127.0.0.1:1";
    config.call_timeout_ms = 0;
    assert_false(rpc_http_open(&ops, &config, error, sizeof(error)));
}

/* ---- ahead
 * -------------------------------------------------------------------------------------- */

static void ahead(struct rpc_ops *ops, const char *method, int first, int second)
{
    json_t *questions = json_pack("[{s:s, s:[i]}, {s:s, s:[i]}]", "method", method, "params", first,
                                  "method", "requests", "params", second);
    assert_non_null(questions);
    ops->ahead(ops->context, questions);
}

/* The answer to "requests": 1000 when it was asked ahead, else how many requests its connection has
 * had. */
static int64_t answer_of(struct rpc_ops *ops, int param, bool *connected)
{
    struct rpc_reply reply;
    ops->call(ops->context, &reply, "requests", json_pack("[i]", param));
    assert_int_equal(reply.status, RPC_OK);
    int64_t value = json_integer_value(reply.result);
    *connected = reply.connected;
    rpc_reply_fini(&reply);
    return value;
}

static void what_was_asked_ahead_is_answered_once(void **state)
{
    (void)state;
    struct rpc_ops ops;
    bool connected;
    open_rpc(&ops, url);
    assert_int_equal(answer_of(&ops, 0, &connected), 1);
    assert_true(connected);
    /* Who is behind a new connection is not known: asked again, over it, and told. */
    ahead(&ops, "requests", 1, 2);
    assert_int_equal(answer_of(&ops, 1, &connected), 2);
    assert_true(connected);
    assert_int_equal(answer_of(&ops, 2, &connected), 3);
    assert_false(connected);
    /* Now both connections are known. */
    ahead(&ops, "requests", 1, 2);
    assert_int_equal(answer_of(&ops, 3, &connected), 4); /* another question */
    assert_int_equal(answer_of(&ops, 2, &connected), 1000);
    assert_false(connected);
    assert_int_equal(answer_of(&ops, 2, &connected), 5);
    assert_int_equal(answer_of(&ops, 1, &connected), 1000);
    /* Those before are forgotten. */
    ahead(&ops, "requests", 4, 5);
    ahead(&ops, "requests", 6, 7);
    assert_int_equal(answer_of(&ops, 4, &connected), 6);
    ops.close(ops.context);
}

static void an_answer_ahead_that_does_not_come_is_asked_for(void **state)
{
    static const char *const methods[] = {"silence", "hang_up", "long", "nothing"};
    (void)state;
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        struct rpc_ops ops;
        bool connected;
        call_timeout_ms = strcmp(methods[i], "silence") == 0 ? 1000 : 60000;
        open_rpc(&ops, url);
        call_timeout_ms = 60000;
        assert_int_equal(answer_of(&ops, 0, &connected), 1);
        ahead(&ops, "requests", 1, 2);
        assert_int_equal(answer_of(&ops, 1, &connected), 2);
        ahead(&ops, methods[i], 3, 4);
        bool answered = strcmp(methods[i], "nothing") == 0;
        assert_int_equal(answer_of(&ops, 4, &connected), answered ? 1000 : 3);
        assert_int_equal(answer_of(&ops, 5, &connected), answered ? 3 : 4);
        ops.close(ops.context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_share_one_connection_and_send_no_expect),
        cmocka_unit_test(every_kind_of_failure_has_its_class),
        cmocka_unit_test(nobody_there_is_a_transport_failure_and_a_bad_url_does_not_open),
        cmocka_unit_test(who_asks_to_be_left_alone_is_told_from_who_fails),
        cmocka_unit_test(silence_ends_with_the_timeout),
        cmocka_unit_test(what_was_asked_ahead_is_answered_once),
        cmocka_unit_test(an_answer_ahead_that_does_not_come_is_asked_for),
        cmocka_unit_test(a_call_that_is_cancelled_does_not_wait_for_its_answer),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
