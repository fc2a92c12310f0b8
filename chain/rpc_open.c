#include "chain/rpc_open.h"

#include "base/clock.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
    LIST_BYTES_MAX = 16384,
    CONNECT_TIMEOUT_MS = 3000,
    PROBE_TIMEOUT_MS = 5000,
};

static uint64_t system_now_ns(void *context)
{
    (void)context;
    return clock_monotone_ns(&clock_system);
}

static void system_wait_ns(void *context, uint64_t ns)
{
    const struct timespec wait = {.tv_sec = (time_t)(ns / 1000000000),
                                  .tv_nsec = (long)(ns % 1000000000)};
    (void)context;
    nanosleep(&wait, NULL);
}

static const char *part_of(CURLU *url, CURLUPart part, char **text)
{
    return curl_url_get(url, part, text, 0) == CURLUE_OK ? *text : "";
}

void rpc_public_name(char out[RPC_ENDPOINT_NAME_MAX], const char *address)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    snprintf(out, RPC_ENDPOINT_NAME_MAX, "an address that cannot be read");
    if (url != NULL && curl_url_set(url, CURLUPART_URL, address, 0) == CURLUE_OK) {
        const char *number = part_of(url, CURLUPART_PORT, &port);
        snprintf(out, RPC_ENDPOINT_NAME_MAX, "%s://%s%s%s", part_of(url, CURLUPART_SCHEME, &scheme),
                 part_of(url, CURLUPART_HOST, &host), number[0] != '\0' ? ":" : "", number);
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
}

static bool read_list(char list[LIST_BYTES_MAX], const struct config *config, char *error,
                      size_t error_max)
{
    if (config->settle_rpc_file[0] == '\0') {
        snprintf(list, LIST_BYTES_MAX, "%s", config->settle_rpc_url);
        return true;
    }
    FILE *file = fopen(config->settle_rpc_file, "re");
    if (file == NULL) {
        snprintf(error, error_max, "settle.rpc_file cannot be read: %s", strerror(errno));
        return false;
    }
    size_t len = fread(list, 1, LIST_BYTES_MAX, file);
    bool whole = feof(file) != 0 && ferror(file) == 0;
    fclose(file);
    if (!whole || len == LIST_BYTES_MAX || memchr(list, '\0', len) != NULL) {
        snprintf(error, error_max, "settle.rpc_file is no text of less than %d bytes",
                 LIST_BYTES_MAX);
        return false;
    }
    list[len] = '\0';
    return true;
}

static struct rpc_pool_config pool_config_of(const struct config *config)
{
    return (struct rpc_pool_config){
        .chain_id = (uint64_t)config->settle_chain_id,
        .agree = (uint32_t)config->settle_rpc_agree,
        .alone = config->settle_rpc_alone != 0,
        .lag_max = (uint64_t)config->settle_rpc_lag_max,
        .rate_per_second = (uint32_t)config->settle_rpc_rate_max,
        .time = {.now_ns = system_now_ns, .wait_ns = system_wait_ns},
    };
}

/* Splits the list in place. The number of addresses, or RPC_POOL_ENDPOINTS_MAX + 1 when there are
 * more than fit. */
static size_t split(char *urls[RPC_POOL_ENDPOINTS_MAX + 1], char *list)
{
    size_t count = 0;
    char *rest = NULL;
    for (char *url = strtok_r(list, ", \t\r\n", &rest);
         url != NULL && count <= RPC_POOL_ENDPOINTS_MAX; url = strtok_r(NULL, ", \t\r\n", &rest))
        urls[count++] = url;
    return count;
}

static bool add(struct rpc_pool *pool, struct rpc_http_config *http, const char *url, char *error,
                size_t error_max)
{
    char name[RPC_ENDPOINT_NAME_MAX];
    char problem[RPC_MESSAGE_MAX];
    struct rpc_ops endpoint;
    rpc_public_name(name, url);
    http->url = url;
    if (!rpc_http_open(&endpoint, http, problem, sizeof(problem))) {
        snprintf(error, error_max, "endpoint %zu (%s): %s", pool->endpoint_count + 1, name,
                 problem);
        return false;
    }
    rpc_pool_add(pool, name, &endpoint);
    return true;
}

bool rpc_open(struct rpc_ops *ops, struct rpc_pool *pool, const struct config *config,
              bool (*is_cancelled)(void *context), void *cancel_context, char *error,
              size_t error_max)
{
    char list[LIST_BYTES_MAX];
    char *urls[RPC_POOL_ENDPOINTS_MAX + 1];
    if (!read_list(list, config, error, error_max))
        return false;
    size_t count = split(urls, list);
    if (count == 0 || count > RPC_POOL_ENDPOINTS_MAX) {
        snprintf(error, error_max, "%s endpoints, must be 1 to %d", count == 0 ? "no" : "too many",
                 RPC_POOL_ENDPOINTS_MAX);
        return false;
    }
    struct rpc_http_config http = {
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .probe_timeout_ms = PROBE_TIMEOUT_MS,
        .call_timeout_ms =
            (uint32_t)(count == 1 ? config->settle_http_timeout_ms : config->settle_rpc_timeout_ms),
        .response_bytes_max = (size_t)config->settle_rpc_answer_bytes_max,
        .is_cancelled = is_cancelled,
        .cancel_context = cancel_context,
    };
    const struct rpc_pool_config pool_config = pool_config_of(config);
    rpc_pool_init(pool, &pool_config);
    *ops = rpc_pool_ops(pool);
    for (size_t i = 0; i < count; i++) {
        if (!add(pool, &http, urls[i], error, error_max)) {
            ops->close(ops->context);
            return false;
        }
    }
    return true;
}
