#include "chain/rpc.h"

#include "chain/hex.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One POST per call on a connection that is kept. Happy path: request {jsonrpc, id, method,
 * params}, HTTP 200, a response with the same id and a result.
 *
 * Failures: no answer (RPC_TRANSPORT), an HTTP error without a JSON-RPC body (RPC_TRANSPORT: some
 * proxy spoke, not the node), a body that is too long or no response to this request (RPC_GARBAGE),
 * an error object (RPC_ERROR; revert data stand in `data`, as hex text with anvil and geth, in an
 * object with hardhat), a provider that has had enough of us (RPC_LIMITED).
 */
#define CODE_LIMITED (-32005) /* "limit exceeded": EIP-1474 */

void rpc_reply_fini(struct rpc_reply *reply)
{
    json_decref(reply->result);
    reply->result = NULL;
}

static void set_failure(struct rpc_reply *reply, enum rpc_status status, const char *message)
{
    reply->status = status;
    snprintf(reply->message, sizeof(reply->message), "%s", message);
}

static void read_revert_data(struct rpc_reply *reply, const json_t *data)
{
    const char *text =
        json_string_value(json_is_object(data) ? json_object_get(data, "data") : data);
    if (text == NULL || strncmp(text, "0x", 2) != 0)
        return;
    char cut[2 * RPC_REVERT_BYTES_MAX + 3];
    snprintf(cut, sizeof(cut), "%s", text);
    ssize_t len = hex_decode(reply->revert, sizeof(reply->revert), cut);
    reply->has_revert_data = len >= 0;
    reply->revert_len = len < 0 ? 0 : (size_t)len;
}

static void read_error(struct rpc_reply *reply, const json_t *error)
{
    const char *message = json_string_value(json_object_get(error, "message"));
    int64_t code = json_integer_value(json_object_get(error, "code"));
    set_failure(reply, code == CODE_LIMITED ? RPC_LIMITED : RPC_ERROR,
                message != NULL ? message : "error without a message");
    reply->code = code;
    read_revert_data(reply, json_object_get(error, "data"));
}

static bool is_answer_to(const json_t *root, uint64_t id)
{
    const json_t *answered = json_object_get(root, "id");
    /* A node that could not read the id answers its error with null. */
    if (json_is_null(answered))
        return json_object_get(root, "error") != NULL;
    return json_is_integer(answered) && (uint64_t)json_integer_value(answered) == id;
}

static void read_response(struct rpc_reply *reply, const json_t *root, uint64_t id)
{
    if (!json_is_object(root) || !is_answer_to(root, id)) {
        set_failure(reply, RPC_GARBAGE, "not a JSON-RPC response to this request");
        return;
    }
    const json_t *error = json_object_get(root, "error");
    json_t *result = json_object_get(root, "result");
    if (json_is_object(error))
        read_error(reply, error);
    else if (result == NULL)
        set_failure(reply, RPC_GARBAGE, "a response with neither result nor error");
    else
        reply->result = json_incref(result);
}

void rpc_parse_response(struct rpc_reply *reply, const char *body, size_t len, uint64_t id)
{
    *reply = (struct rpc_reply){.status = RPC_OK};
    json_error_t error;
    json_t *root = json_loadb(body, len, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        set_failure(reply, RPC_GARBAGE, error.text);
    else
        read_response(reply, root, id);
    json_decref(root);
}

struct http {
    CURL *curl;
    struct curl_slist *headers;
    uint64_t next_id;
    size_t response_bytes_max;
    char *body;
    size_t body_len;
    bool too_long;
    bool (*is_cancelled)(void *context);
    void *cancel_context;
    char error[CURL_ERROR_SIZE];
};

static size_t collect(char *bytes, size_t size, size_t count, void *context)
{
    struct http *http = context;
    size_t len = size * count;
    if (len > http->response_bytes_max - http->body_len) {
        http->too_long = true;
        return 0; /* makes curl give up */
    }
    memcpy(http->body + http->body_len, bytes, len);
    http->body_len += len;
    return len;
}

static bool is_cancelled(const struct http *http)
{
    return http->is_cancelled != NULL && http->is_cancelled(http->cancel_context);
}

/* Not zero makes curl give up. */
static int on_progress(void *context, curl_off_t download_bytes, curl_off_t downloaded_bytes,
                       curl_off_t upload_bytes, curl_off_t uploaded_bytes)
{
    (void)download_bytes, (void)downloaded_bytes, (void)upload_bytes, (void)uploaded_bytes;
    return is_cancelled(context);
}

static char *build_request(uint64_t id, const char *method, json_t *params)
{
    json_t *request = json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", (json_int_t)id,
                                "method", method, "params", params);
    char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return text;
}

#define RETRY_AFTER_MAX_S 600 /* who asks for more has us look again by then */

/* What the header Retry-After says, in seconds or as a date (curl reads both). */
static uint32_t retry_after_ms(struct http *http)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds < 0)
        return 0;
    return 1000 * (uint32_t)(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S);
}

static void read_http_answer(struct http *http, struct rpc_reply *reply, uint64_t id)
{
    long status = 0;
    curl_easy_getinfo(http->curl, CURLINFO_RESPONSE_CODE, &status);
    rpc_parse_response(reply, http->body, http->body_len, id);
    uint32_t wait_ms = retry_after_ms(http);
    bool limited = reply->status == RPC_LIMITED || status == 429 || (status == 503 && wait_ms > 0);
    if (status != 200 && (limited || reply->status != RPC_ERROR)) {
        rpc_reply_fini(reply);
        char message[64];
        snprintf(message, sizeof(message), "HTTP status %ld", status);
        set_failure(reply, limited ? RPC_LIMITED : RPC_TRANSPORT, message);
    }
    reply->retry_after_ms = limited ? wait_ms : 0;
}

static void http_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    struct http *http = context;
    *reply = (struct rpc_reply){.status = RPC_OK};
    uint64_t id = http->next_id++;
    char *request = build_request(id, method, params);
    if (request == NULL) {
        set_failure(reply, RPC_TRANSPORT, "out of memory");
        return;
    }
    http->body_len = 0;
    http->too_long = false;
    http->error[0] = '\0';
    curl_easy_setopt(http->curl, CURLOPT_POSTFIELDS, request);
    CURLcode code = is_cancelled(http) ? CURLE_ABORTED_BY_CALLBACK : curl_easy_perform(http->curl);
    free(request);
    if (http->too_long)
        set_failure(reply, RPC_GARBAGE, "the answer is longer than allowed");
    else if (code != CURLE_OK)
        set_failure(reply, RPC_TRANSPORT,
                    http->error[0] != '\0' ? http->error : curl_easy_strerror(code));
    else
        read_http_answer(http, reply, id);
    long connects = 0;
    curl_easy_getinfo(http->curl, CURLINFO_NUM_CONNECTS, &connects);
    reply->connected = connects > 0;
}

static void http_close(void *context)
{
    struct http *http = context;
    curl_easy_cleanup(http->curl);
    curl_slist_free_all(http->headers);
    free(http->body);
    free(http);
}

/* Curl would wait a second for "100 Continue" on larger posts: no Expect. */
static struct curl_slist *make_headers(void)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    struct curl_slist *all = headers == NULL ? NULL : curl_slist_append(headers, "Expect:");
    if (all == NULL)
        curl_slist_free_all(headers);
    return all;
}

static bool configure(struct http *http, const struct rpc_http_config *config)
{
    CURL *curl = http->curl;
    return curl_easy_setopt(curl, CURLOPT_URL, config->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           /* The node is ours: a proxy of the environment must not come between. */
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)config->call_timeout_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, http) == CURLE_OK;
}

static bool is_usable(const struct rpc_http_config *config, const char **problem)
{
    CURLU *url = curl_url();
    bool parsed = url != NULL && curl_url_set(url, CURLUPART_URL, config->url, 0) == CURLUE_OK;
    curl_url_cleanup(url);
    *problem = !parsed ? "the URL cannot be read" : "a limit is zero";
    return parsed && config->call_timeout_ms > 0 && config->connect_timeout_ms > 0 &&
           config->response_bytes_max > 0;
}

bool rpc_http_open(struct rpc_ops *ops, const struct rpc_http_config *config, char *error,
                   size_t error_max)
{
    const char *problem;
    if (!is_usable(config, &problem)) {
        snprintf(error, error_max, "%s", problem);
        return false;
    }
    struct http *http = calloc(1, sizeof(*http));
    if (http == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        snprintf(error, error_max, "libcurl cannot start");
        free(http);
        return false;
    }
    *http = (struct http){.curl = curl_easy_init(),
                          .headers = make_headers(),
                          .next_id = 1,
                          .response_bytes_max = config->response_bytes_max,
                          .is_cancelled = config->is_cancelled,
                          .cancel_context = config->cancel_context,
                          .body = malloc(config->response_bytes_max)};
    *ops = (struct rpc_ops){.context = http, .call = http_call, .close = http_close};
    if (http->curl != NULL && http->headers != NULL && http->body != NULL &&
        configure(http, config))
        return true;
    snprintf(error, error_max, "libcurl refuses the URL or a limit");
    http_close(http);
    return false;
}
