#include "chain/rpc.h"

#include "chain/hex.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One POST per call on a connection that is kept; one, on another, for all questions that are sent
 * ahead. Happy path: request {jsonrpc, id, method, params}, HTTP 200, a response with the same id
 * and a result.
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

/* The words may be the node's, and end up in logs and in the database: nothing of them may break a
 * line there, nor be half a character. */
static void set_failure(struct rpc_reply *reply, enum rpc_status status, const char *message)
{
    reply->status = status;
    snprintf(reply->message, sizeof(reply->message), "%s", message);
    for (char *c = reply->message; *c != '\0'; c++)
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
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

/* A connection, driven by a curl of its own, so that it is known which connection a call took. */
struct line {
    CURL *curl;
    CURLM *multi;
    size_t response_bytes_max;
    char *body;
    size_t body_len;
    bool too_long;
    bool is_busy; /* begun and not ended */
    char error[CURL_ERROR_SIZE];
};

struct http {
    struct line lines[2];
    struct line *line;
    struct line *ahead;
    bool line_is_new; /* its connection was made for questions that were sent ahead */
    struct curl_slist *headers;
    uint64_t next_id;
    uint32_t call_timeout_ms, probe_timeout_ms;
    json_t *questions;     /* sent ahead; one that was taken is null. NULL: none */
    json_t *answers;       /* NULL until the first is taken */
    uint64_t questions_id; /* of the first */
    bool (*is_cancelled)(void *context);
    void *cancel_context;
};

static size_t collect(char *bytes, size_t size, size_t count, void *context)
{
    struct line *line = context;
    size_t len = size * count;
    if (len > line->response_bytes_max - line->body_len) {
        line->too_long = true;
        return 0; /* makes curl give up */
    }
    memcpy(line->body + line->body_len, bytes, len);
    line->body_len += len;
    return len;
}

/* "{}," is three bytes on the line and some hundred in memory. Commas and brackets, in texts too.
 */
static bool line_has_too_many_values(const struct line *line)
{
    size_t left = line->response_bytes_max / RPC_BYTES_OF_VALUE_MIN;
    for (size_t i = 0; i < line->body_len; i++) {
        const char c = line->body[i];
        if ((c == ',' || c == '{' || c == '[') && left-- == 0)
            return true;
    }
    return false;
}

static CURLcode line_begin(struct line *line, const char *request)
{
    line->body_len = 0;
    line->too_long = false;
    line->error[0] = '\0';
    line->is_busy = curl_easy_setopt(line->curl, CURLOPT_COPYPOSTFIELDS, request) == CURLE_OK &&
                    curl_multi_add_handle(line->multi, line->curl) == CURLM_OK;
    return line->is_busy ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* Forgets what was begun. Its connection is closed, unless the answer is there. */
static void line_drop(struct line *line)
{
    int running;
    if (line->is_busy) {
        (void)curl_multi_perform(line->multi, &running);
        curl_multi_remove_handle(line->multi, line->curl);
    }
    line->is_busy = false;
}

#define LINE_POLL_MS 1000 /* at least so often it is asked whether to give up */

static CURLcode line_end(struct line *line)
{
    int running = 1;
    int left;
    CURLcode code = CURLE_GOT_NOTHING;
    while (curl_multi_perform(line->multi, &running) == CURLM_OK && running > 0)
        if (curl_multi_poll(line->multi, NULL, 0, LINE_POLL_MS, NULL) != CURLM_OK)
            break;
    const CURLMsg *message = curl_multi_info_read(line->multi, &left);
    if (message != NULL && message->msg == CURLMSG_DONE)
        code = message->data.result;
    line_drop(line);
    return code;
}

/* How many connections were made for the last call. */
static bool line_connected(const struct line *line)
{
    long connects = 0;
    curl_easy_getinfo(line->curl, CURLINFO_NUM_CONNECTS, &connects);
    return connects > 0;
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

static json_t *request_json(uint64_t id, const char *method, json_t *params)
{
    return json_pack("{s:s, s:I, s:s, s:o}", "jsonrpc", "2.0", "id", (json_int_t)id, "method",
                     method, "params", params);
}

static char *build_request(uint64_t id, const char *method, json_t *params)
{
    json_t *request = request_json(id, method, params);
    char *text = request == NULL ? NULL : json_dumps(request, JSON_COMPACT);
    json_decref(request);
    return text;
}

#define RETRY_AFTER_MAX_S 600 /* who asks for more has us look again by then */

/* What the header Retry-After says, in seconds or as a date (curl reads both). */
static uint32_t retry_after_ms(struct http *http)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(http->line->curl, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds < 0)
        return 0;
    return 1000 * (uint32_t)(seconds < RETRY_AFTER_MAX_S ? seconds : RETRY_AFTER_MAX_S);
}

static void read_http_answer(struct http *http, struct rpc_reply *reply, uint64_t id)
{
    long status = 0;
    curl_easy_getinfo(http->line->curl, CURLINFO_RESPONSE_CODE, &status);
    if (line_has_too_many_values(http->line))
        set_failure(reply, RPC_GARBAGE, "the answer has too many values");
    else
        rpc_parse_response(reply, http->line->body, http->line->body_len, id);
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

/* ---- questions that are sent ahead
 * ------------------------------------------------------------------ */

static void ahead_forget(struct http *http)
{
    line_drop(http->ahead);
    json_decref(http->questions);
    json_decref(http->answers);
    http->questions = http->answers = NULL;
}

/* All in one POST, a JSON-RPC batch. NULL: no memory. */
static char *ahead_request(struct http *http)
{
    json_t *requests = json_array();
    size_t i;
    json_t *question;
    json_array_foreach(http->questions, i, question)
    {
        const char *method = json_string_value(json_object_get(question, "method"));
        json_t *params = json_object_get(question, "params");
        json_array_append_new(requests, request_json(http->next_id++, method, json_incref(params)));
    }
    bool whole = json_array_size(requests) == json_array_size(http->questions);
    char *text = whole ? json_dumps(requests, JSON_COMPACT) : NULL;
    json_decref(requests);
    return text;
}

#define HAND_OVER_MS    5
#define HAND_OVER_TURNS 20

/* Until the node has the request; what remains of it goes out when the answers are waited for. */
static void hand_over(struct line *line, size_t len)
{
    int running = 1;
    for (int i = 0; i < HAND_OVER_TURNS; i++) {
        curl_off_t sent = 0;
        if (curl_multi_perform(line->multi, &running) != CURLM_OK || running == 0 ||
            curl_easy_getinfo(line->curl, CURLINFO_SIZE_UPLOAD_T, &sent) != CURLE_OK ||
            (size_t)sent >= len)
            return;
        (void)curl_multi_poll(line->multi, NULL, 0, HAND_OVER_MS, NULL);
    }
}

static void http_ahead(void *context, json_t *questions)
{
    struct http *http = context;
    ahead_forget(http);
    http->questions = questions;
    http->questions_id = http->next_id;
    char *request = ahead_request(http);
    if (request != NULL && line_begin(http->ahead, request) == CURLE_OK)
        hand_over(http->ahead, strlen(request));
    else
        ahead_forget(http);
    free(request);
}

/* False: they are forgotten. Answers over a connection that nobody has made sure of are not taken:
 * the call that is asked instead goes over it, and tells that it is new. */
static bool ahead_read(struct http *http)
{
    long status = 0;
    CURLcode code = line_end(http->ahead);
    if (code == CURLE_OK && line_connected(http->ahead)) {
        struct line *line = http->ahead;
        http->ahead = http->line;
        http->line = line;
        http->line_is_new = true;
        return false;
    }
    curl_easy_getinfo(http->ahead->curl, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status == 200 && !line_has_too_many_values(http->ahead))
        http->answers =
            json_loadb(http->ahead->body, http->ahead->body_len, JSON_REJECT_DUPLICATES, NULL);
    return json_is_array(http->answers);
}

static bool ahead_find(const struct http *http, size_t *at, const char *method,
                       const json_t *params)
{
    for (*at = 0; *at < json_array_size(http->questions); ++*at) {
        const json_t *question = json_array_get(http->questions, *at);
        const char *asked = json_string_value(json_object_get(question, "method"));
        if (asked != NULL && strcmp(asked, method) == 0 &&
            json_equal(json_object_get(question, "params"), params))
            return true;
    }
    return false;
}

/* Was it asked ahead, and is there a usable answer? */
static bool ahead_take(struct http *http, struct rpc_reply *reply, const char *method,
                       const json_t *params)
{
    size_t at;
    size_t i;
    const json_t *answer;
    if (!ahead_find(http, &at, method, params))
        return false;
    if (http->answers == NULL && !ahead_read(http)) {
        ahead_forget(http);
        return false;
    }
    json_array_set_new(http->questions, at, json_null());
    json_array_foreach(http->answers, i, answer)
    {
        if (!json_is_integer(json_object_get(answer, "id")))
            continue;
        read_response(reply, answer, http->questions_id + at);
        if (reply->status == RPC_OK || reply->status == RPC_ERROR)
            return true;
        *reply = (struct rpc_reply){.status = RPC_OK};
    }
    return false;
}

static void http_call(void *context, struct rpc_reply *reply, const char *method, json_t *params)
{
    struct http *http = context;
    *reply = (struct rpc_reply){.status = RPC_OK};
    if (ahead_take(http, reply, method, params)) {
        json_decref(params);
        return;
    }
    uint64_t id = http->next_id++;
    char *request = build_request(id, method, params);
    if (request == NULL) {
        set_failure(reply, RPC_TRANSPORT, "out of memory");
        return;
    }
    CURLcode code = is_cancelled(http) ? CURLE_ABORTED_BY_CALLBACK : CURLE_OK;
    bool probes = strcmp(method, "eth_chainId") == 0;
    curl_easy_setopt(http->line->curl, CURLOPT_TIMEOUT_MS,
                     (long)(probes ? http->probe_timeout_ms : http->call_timeout_ms));
    if (code == CURLE_OK && (code = line_begin(http->line, request)) == CURLE_OK)
        code = line_end(http->line);
    free(request);
    if (http->line->too_long)
        set_failure(reply, RPC_GARBAGE, "the answer is longer than allowed");
    else if (code != CURLE_OK)
        set_failure(reply, RPC_TRANSPORT,
                    http->line->error[0] != '\0' ? http->line->error : curl_easy_strerror(code));
    else
        read_http_answer(http, reply, id);
    reply->connected = line_connected(http->line) || http->line_is_new;
    http->line_is_new = false;
}

static void line_close(struct line *line)
{
    line_drop(line);
    curl_easy_cleanup(line->curl);
    curl_multi_cleanup(line->multi);
    free(line->body);
}

static void http_close(void *context)
{
    struct http *http = context;
    ahead_forget(http);
    line_close(http->line);
    line_close(http->ahead);
    curl_slist_free_all(http->headers);
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

static bool line_open(struct http *http, struct line *line, const struct rpc_http_config *config)
{
    *line = (struct line){.curl = curl_easy_init(),
                          .multi = curl_multi_init(),
                          .response_bytes_max = config->response_bytes_max,
                          .body = malloc(config->response_bytes_max)};
    CURL *curl = line->curl;
    return curl != NULL && line->multi != NULL && line->body != NULL &&
           curl_easy_setopt(curl, CURLOPT_URL, config->url) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
           /* The node is ours: a proxy of the environment must not come between. */
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTPHEADER, http->headers) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)config->call_timeout_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, line->error) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_XFERINFODATA, http) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, line) == CURLE_OK;
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
    bool has_probe =
        config->probe_timeout_ms > 0 && config->probe_timeout_ms < config->call_timeout_ms;
    *http = (struct http){.headers = make_headers(),
                          .next_id = 1,
                          .call_timeout_ms = config->call_timeout_ms,
                          .probe_timeout_ms =
                              has_probe ? config->probe_timeout_ms : config->call_timeout_ms,
                          .is_cancelled = config->is_cancelled,
                          .cancel_context = config->cancel_context};
    *ops = (struct rpc_ops){
        .context = http, .call = http_call, .close = http_close, .ahead = http_ahead};
    http->line = &http->lines[0];
    http->ahead = &http->lines[1];
    bool opened = line_open(http, http->line, config);
    if (line_open(http, http->ahead, config) && opened && http->headers != NULL)
        return true;
    snprintf(error, error_max, "libcurl refuses the URL or a limit");
    http_close(http);
    return false;
}
