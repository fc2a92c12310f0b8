#include "chain/hostile_node.h"

#include "base/assert.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUEST_BYTES_MAX = 1 << 20, DEPTH = 100000 };

/* Reads one request; its body, or NULL when the client has gone. */
static char *read_request(int client, char *request)
{
    size_t len = 0;
    size_t wanted = 0;
    char *body = NULL;
    do {
        ssize_t got = recv(client, request + len, REQUEST_BYTES_MAX - 1 - len, 0);
        if (got <= 0)
            return NULL;
        len += (size_t)got;
        request[len] = '\0';
        body = strstr(request, "\r\n\r\n");
        const char *length = strcasestr(request, "content-length:");
        if (length != NULL && body != NULL)
            wanted = (size_t)(body + 4 - request) + strtoul(length + 15, NULL, 10);
    } while (wanted == 0 || len < wanted);
    return body + 4;
}

static bool send_all(int client, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(client, bytes, len, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        len -= (size_t)sent;
    }
    return true;
}

static bool send_text(int client, const char *text)
{
    return send_all(client, text, strlen(text));
}

static bool send_answer(int client, const char *head, const char *body)
{
    char lines[256];
    snprintf(lines, sizeof(lines), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", head,
             strlen(body));
    return send_text(client, lines) && send_text(client, body);
}

/* ---- what is said
 * ----------------------------------------------------------------------------------- */

static json_t *error_of(const struct rpc_reply *reply)
{
    return json_pack("{s:I, s:s}", "code", (json_int_t)reply->code, "message", reply->message);
}

/* The truth, or the lie that is told instead; whole, as text. The caller frees it. */
static char *answer_text(struct hostile_node *node, const json_t *request)
{
    struct rpc_reply reply;
    const char *method = json_string_value(json_object_get(request, "method"));
    json_t *params = json_object_get(request, "params");
    ASSERT(method != NULL && json_is_array(params));
    pthread_mutex_lock(node->lock);
    node->truth.call(node->truth.context, &reply, method, json_incref(params));
    json_t *said = reply.status == RPC_OK ? json_incref(reply.result) : error_of(&reply);
    if (node->lie != NULL)
        said = node->lie(node->context, method, params, said);
    pthread_mutex_unlock(node->lock);
    rpc_reply_fini(&reply);
    const char *kind = json_object_get(said, "code") != NULL ? "error" : "result";
    json_t *answer = json_pack("{s:s, s:O, s:o}", "jsonrpc", "2.0", "id",
                               json_object_get(request, "id"), kind, said);
    char *text = json_dumps(answer, JSON_COMPACT);
    json_decref(answer);
    ASSERT(text != NULL);
    return text;
}

static bool send_result(int client, json_int_t id, const char *result)
{
    char body[512];
    snprintf(body, sizeof(body), "{\"jsonrpc\":\"2.0\",\"id\":%" JSON_INTEGER_FORMAT ",%s}", id,
             result);
    return send_answer(client, "200 OK", body);
}

static bool send_brackets(int client)
{
    char *brackets = malloc(DEPTH + 1);
    ASSERT(brackets != NULL);
    memset(brackets, '[', DEPTH);
    brackets[DEPTH] = '\0';
    bool sent = send_answer(client, "200 OK", brackets);
    free(brackets);
    return sent;
}

/* Until the client has had enough. */
static void send_without_end(int client, const char *head)
{
    char filler[4096];
    memset(filler, 'x', sizeof(filler));
    if (send_text(client, head))
        while (send_all(client, filler, sizeof(filler)))
            ;
}

static void send_slowly(const struct hostile_node *node, int client, const char *text)
{
    char head[64];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(text));
    send_text(client, head);
    for (; *text != '\0' && !node->stops && send_all(client, text, 1); text++)
        usleep(20000);
}

static void wait_until_gone(int client)
{
    char byte;
    while (recv(client, &byte, 1, 0) > 0)
        ;
}

static bool send_half(int client, const char *text)
{
    char head[64];
    snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", strlen(text));
    return send_text(client, head) && send_all(client, text, strlen(text) / 2) && false;
}

/* False: the connection is over. */
static bool say(struct hostile_node *node, int client, const char *text, json_int_t id)
{
    char body[256];
    const enum hostile_manner manner = node->manner;
    switch (manner) {
    case HOSTILE_HONEST:
        return send_answer(client, "200 OK", text);
    case HOSTILE_NOT_JSON:
        return send_answer(client, "200 OK", "<html>welcome</html>");
    case HOSTILE_EMPTY:
        return send_answer(client, "200 OK", "");
    case HOSTILE_CUT:
        return send_half(client, text);
    case HOSTILE_OTHER_ID:
        return send_result(client, id + 1, "\"result\":\"0x1\"");
    case HOSTILE_NO_RESULT:
        return send_result(client, id, "\"answer\":\"0x1\"");
    case HOSTILE_TWICE:
        return send_result(client, id, "\"result\":\"0x7a69\",\"result\":\"0x7a69\"");
    case HOSTILE_LIST:
        snprintf(body, sizeof(body), "[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"0x1\"}]");
        return send_answer(client, "200 OK", body);
    case HOSTILE_NUMBERS:
        return send_result(client, id, "\"result\":31337");
    case HOSTILE_WRONG_TEXT:
        return send_result(client, id, "\"result\":\"0xlatest\"");
    case HOSTILE_TOO_WIDE:
        return send_result(
            client, id,
            "\"result\":\"0x1111111111111111111111111111111111111111111111111111111111"
            "11111111111111111111111111111111111111111\"");
    case HOSTILE_NEGATIVE:
        return send_result(client, id, "\"result\":\"-0x1\"");
    case HOSTILE_OBJECT:
        return send_result(client, id, "\"result\":{}");
    case HOSTILE_DEEP:
        return send_brackets(client);
    case HOSTILE_HUGE:
        send_without_end(client, "HTTP/1.1 200 OK\r\n\r\n{\"jsonrpc\":\"2.0\",\"result\":\"0x");
        return false;
    case HOSTILE_HUGE_HEADER:
        send_without_end(client, "HTTP/1.1 200 OK\r\nX-Filler: ");
        return false;
    case HOSTILE_SLOW:
        send_slowly(node, client, text);
        return false;
    case HOSTILE_SILENT:
        wait_until_gone(client);
        return false;
    case HOSTILE_HANGS_UP:
        return false;
    case HOSTILE_REDIRECTS:
        return send_answer(client, "302 Found\r\nLocation: http://127.0.0.1:1/", "");
    case HOSTILE_FAILS:
        return send_answer(client, "500 Internal Server Error", text);
    case HOSTILE_LIMITS:
        return send_answer(client, "429 Too Many Requests\r\nRetry-After: 1", text);
    case HOSTILE_OLD_HTTP:
        return send_text(client, text) && false;
    case HOSTILE_BAD_UTF8:
        return send_result(client, id, "\"result\":\"\xff\xfe\"");
    case HOSTILE_MANNER_COUNT:
        break;
    }
    ASSERT(false); /* a manner of the table */
    return false;
}

/* ---- the server
 * ------------------------------------------------------------------------------------- */

static void serve(struct hostile_node *node, int client, char *request)
{
    const char *body;
    bool open = true;
    while (open && !node->stops && (body = read_request(client, request)) != NULL) {
        json_t *json = json_loads(body, 0, NULL);
        ASSERT(json != NULL);
        node->asked++;
        char *text = answer_text(node, json);
        open = say(node, client, text, json_integer_value(json_object_get(json, "id")));
        free(text);
        json_decref(json);
    }
}

static void *run(void *context)
{
    struct hostile_node *node = context;
    char *request = malloc(REQUEST_BYTES_MAX);
    ASSERT(request != NULL);
    while (!node->stops) {
        int client = accept(node->listener, NULL, NULL);
        if (client < 0)
            continue;
        int at_once = 1; /* head and body are sent one after the other */
        ASSERT(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof(at_once)) == 0);
        serve(node, client, request);
        close(client);
    }
    free(request);
    return NULL;
}

void hostile_node_start(struct hostile_node *node, const struct rpc_ops *truth,
                        pthread_mutex_t *lock)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    memset(node, 0, sizeof(*node));
    node->truth = *truth;
    node->lock = lock;
    node->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(bind(node->listener, (struct sockaddr *)&address, len) == 0);
    ASSERT(listen(node->listener, 8) == 0);
    ASSERT(getsockname(node->listener, (struct sockaddr *)&address, &len) == 0);
    snprintf(node->url, sizeof(node->url), "http://127.0.0.1:%u", ntohs(address.sin_port));
    ASSERT(pthread_create(&node->thread, NULL, run, node) == 0);
}

void hostile_node_stop(struct hostile_node *node)
{
    node->stops = true;
    shutdown(node->listener, SHUT_RDWR);
    ASSERT(pthread_join(node->thread, NULL) == 0);
    close(node->listener);
}
