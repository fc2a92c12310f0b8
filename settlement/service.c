#include "settlement/service_internal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/log.h"

enum {
    BODY_BYTES_MAX = 65536,
    CONNECTIONS_MAX = 64,
    ANSWER_TIMEOUT_S = 30,
    QUEUE_MAX = 64,
    NODE_TIMEOUT_MS = 5000,
    DATABASE_TIMEOUT_MS = 5000,
    DEPLOY_MS = 250, // deployments are looked at this often
    LISTEN_MS = 5000,
    STRANGERS_PER_SECOND = 10,
    LIMIT_DEFAULT = 100,
    LIMIT_MAX = 1000,
};

#define API "/api/v1"
static const struct route routes[] = {
    {HTTP_POST, API "/transfer", CALLER_TRANSFER, transfer_handle},
    {HTTP_POST, API "/mint", CALLER_MINT, mint_handle},
    {HTTP_POST, API "/burn", CALLER_BURN, burn_handle},
    {HTTP_POST, API "/freeze", CALLER_FREEZE, freeze_handle},
    {HTTP_POST, API "/register-identity", CALLER_REGISTER_IDENTITY, register_handle},
    {HTTP_POST, "/register-identity", CALLER_REGISTER_IDENTITY, register_handle}, // A23
    {HTTP_POST, API "/deploy", CALLER_DEPLOY, deploy_handle},
    {HTTP_POST, API "/deploy/plan", CALLER_DEPLOY, plan_handle},
    {HTTP_POST, API "/deployments/#/resume", CALLER_DEPLOY, resume_handle},
    {HTTP_POST, API "/deployments/#/abandon", CALLER_DEPLOY, abandon_handle},
    {HTTP_GET, API "/deployments/#", CALLER_READ, deployment_read},
    {HTTP_GET, API "/deployments", CALLER_READ, deployments_read},
    {HTTP_GET, API "/requests/#", CALLER_READ, request_read},
    {HTTP_GET, API "/requests", CALLER_READ, requests_read},
};

// ---- answers

bool ask_answer_text(struct ask *ask, unsigned status, const char *json)
{
    ASSERT(ask->answer == NULL);
    ask->status = status;
    ask->answer = strdup(json);
    ASSERT(ask->answer != NULL);
    return true;
}

bool ask_answer(struct ask *ask, unsigned status, json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    ASSERT(text != NULL && ask->answer == NULL);
    ask->status = status;
    ask->answer = text;
    json_decref(json);
    return true;
}

bool ask_database_failed(struct ask *ask)
{
    const struct pg_error *error = pg_last_error(ask->service->pg);

    log_limited(LOG_WARNING, "the service's database: %s %s", error->sqlstate, error->message);
    pg_rollback(ask->service->pg);
    return refuse(&ask->refusal, REFUSAL_DATABASE_UNAVAILABLE, NULL);
}

bool ask_node_failed(struct ask *ask)
{
    log_limited(LOG_WARNING, "the service's node: %s", ask->service->node.error.message);
    return refuse(&ask->refusal, REFUSAL_NODE_UNAVAILABLE, NULL);
}

bool ask_block(struct ask *ask)
{
    if (!ask->has_block && node_block_number(&ask->service->node, &ask->block) != NODE_OK)
        return ask_node_failed(ask);
    ask->has_block = true;
    return true;
}

static void send_answer(struct ask *ask)
{
    if (ask->answer == NULL) {
        unsigned status = refusal_status(&ask->refusal);
        ask_answer(ask, status, refusal_json(&ask->refusal));
    }
    if (ask->status >= 500)
        log_limited(LOG_WARNING, "answered status=%u word=%s", ask->status,
                    refusal_word(ask->refusal.name));
    if (!http_answer(ask->service->http, ask->http_id, ask->status, "application/json",
                     ask->status == 401 ? "WWW-Authenticate: Bearer\r\n" : NULL, ask->answer,
                     strlen(ask->answer)))
        log_debug("a client left before its answer");
}

static void ask_free(struct ask *ask)
{
    json_decref(ask->body);
    free(ask->answer);
    free(ask);
}

// ---- the worker's thread

static void run(void *context)
{
    struct ask *ask = context;

    if (ask->service->stopping)
        (void)refuse(&ask->refusal, REFUSAL_SHUTTING_DOWN, NULL);
    else if (!ask->route->handle(ask))
        ASSERT(ask->answer == NULL && ask->refusal.text[0] != '\0');
}

static void finish(void *context)
{
    struct ask *ask = context;

    if (ask->answer == NULL && ask->refusal.text[0] == '\0') // the pool was closed before its turn
        (void)refuse(&ask->refusal, REFUSAL_SHUTTING_DOWN, NULL);
    send_answer(ask);
    ask_free(ask);
}

static void run_deployments(void *context)
{
    struct service *service = context;

    while (!service->stopping && asset_deploy_do_work(&service->deploy) > 0)
        ;
}

static void finish_deployments(void *context)
{
    struct service *service = context;
    service->deploying = false;
}

// ---- requests, in the loop's thread

static bool path_matches(const char *pattern, const char *path, int64_t *id)
{
    for (; *pattern != '\0'; pattern++) {
        if (*pattern != '#') {
            if (*path++ != *pattern)
                return false;
            continue;
        }
        size_t digits = strspn(path, "0123456789");
        if (decimal_parse(path, digits, 0, id) != DECIMAL_OK || *id <= 0)
            return false;
        path += digits;
    }
    return *path == '\0';
}

static const struct route *find_route(enum http_method method, const char *path, int64_t *id)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
        if (routes[i].method == method && path_matches(routes[i].path, path, id))
            return &routes[i];
    return NULL;
}

// Who asks, and how often. What is not authorised never reaches the worker.
static bool take_caller(struct ask *ask, const struct http_request *request)
{
    struct service *service = ask->service;
    uint64_t now_ns = clock_monotone_ns(&clock_system);
    uint64_t per_second = (uint64_t)service->config->settle_rate_per_second;
    int found = callers_find(&service->callers, request->bearer);

    if (found < 0)
        return refuse(&ask->refusal,
                      rate_take(&service->strangers, now_ns, STRANGERS_PER_SECOND)
                          ? REFUSAL_NOT_AUTHORISED
                          : REFUSAL_TOO_MANY_REQUESTS,
                      NULL);
    const struct caller *caller = &service->callers.list[found];
    snprintf(ask->caller, sizeof(ask->caller), "%s", caller->name);
    if (!rate_take(&service->rates[found], now_ns, per_second)) {
        char limit[24];
        snprintf(limit, sizeof(limit), "%llu", (unsigned long long)per_second);
        return refuse_limit(&ask->refusal, REFUSAL_TOO_MANY_REQUESTS, NULL, limit, NULL);
    }
    if (ask->route == NULL)
        return refuse(&ask->refusal, REFUSAL_NOT_FOUND, NULL);
    return caller_may(caller, ask->route->operation) ||
           refuse(&ask->refusal, REFUSAL_NOT_ALLOWED, NULL);
}

static bool take_body(struct ask *ask, const struct http_request *request)
{
    char limit[24];
    char value[24];

    if (request->refused == 413) {
        snprintf(limit, sizeof(limit), "%d", BODY_BYTES_MAX);
        snprintf(value, sizeof(value), "%zu", request->body_bytes);
        return refuse_limit(&ask->refusal, REFUSAL_TOO_LARGE, NULL, limit, value);
    }
    if (request->refused != 0)
        return refuse(&ask->refusal, REFUSAL_LENGTH_REQUIRED, NULL);
    if (request->method == HTTP_GET)
        return true;
    ask->body = json_loadb(request->body, request->body_bytes, JSON_REJECT_DUPLICATES, NULL);
    return json_is_object(ask->body) || refuse(&ask->refusal, REFUSAL_MALFORMED, NULL);
}

static bool take_key(struct ask *ask, const struct http_request *request)
{
    char value[HTTP_KEY_BYTES_MAX];

    snprintf(value, sizeof(value), "%s", request->key);
    if (request->method == HTTP_GET && !http_argument(request, "key", value, sizeof(value)))
        value[0] = '\0';
    if (strlen(value) > SERVICE_KEY_MAX || strcmp(value, "?") == 0)
        return refuse_text(&ask->refusal, REFUSAL_FIELD_MALFORMED, "Idempotency-Key",
                           "a key has 1 to %d characters", SERVICE_KEY_MAX);
    memcpy(ask->key, value, strlen(value) + 1);
    return true;
}

static bool take_query(struct ask *ask, const struct http_request *request)
{
    char text[24];

    ask->limit = LIMIT_DEFAULT;
    (void)http_argument(request, "state", ask->state, sizeof(ask->state));
    if (http_argument(request, "limit", text, sizeof(text)) &&
        (decimal_parse(text, strlen(text), 0, &ask->limit) != DECIMAL_OK || ask->limit < 1 ||
         ask->limit > LIMIT_MAX))
        return refuse_text(&ask->refusal, REFUSAL_FIELD_MALFORMED, "limit", "1 to %d", LIMIT_MAX);
    return true;
}

static void on_request(void *context, uint64_t http_id, const struct http_request *request)
{
    struct service *service = context;
    struct ask *ask = calloc(1, sizeof(*ask));

    ASSERT(ask != NULL);
    ask->service = service;
    ask->http_id = http_id;
    ask->route = find_route(request->method, request->path, &ask->id);
    if (request->method == HTTP_GET && strcmp(request->path, "/health") == 0) {
        ask_answer_text(ask, 200, "{\"status\":\"ok\"}");
    } else if (take_caller(ask, request) && take_body(ask, request) && take_key(ask, request) &&
               take_query(ask, request)) {
        if (workers_submit(service->workers, run, finish, ask))
            return;
        (void)refuse(&ask->refusal, REFUSAL_OVERLOADED, NULL);
    }
    send_answer(ask);
    ask_free(ask);
}

// ---- the loop

static void listen_again(void *context)
{
    struct service *service = context;
    const struct config *config = service->config;
    const struct http_options options = {
        .address = config->settle_address,
        .port = (int)config->settle_port,
        .connections_max = CONNECTIONS_MAX,
        .body_bytes_max = BODY_BYTES_MAX,
        .message_bytes_max = BODY_BYTES_MAX,
        .output_bytes_max = 4u << 20,
        .websocket_idle_s = 60,
        .answer_timeout_s = ANSWER_TIMEOUT_S,
    };
    const struct http_handlers handlers = {.request = on_request};

    if (service->http != NULL)
        return;
    service->http = http_open(service->loop, &options, &handlers, service);
    if (service->http == NULL)
        log_limited(LOG_ERROR, "the chain's service cannot listen address=%s port=%lld",
                    config->settle_address, (long long)config->settle_port);
    else
        log_info("the chain's service listens address=%s port=%lld", config->settle_address,
                 (long long)config->settle_port);
}

static void on_deploy_timer(void *context)
{
    struct service *service = context;

    if (!service->deploying)
        service->deploying =
            workers_submit(service->workers, run_deployments, finish_deployments, service);
}

static void on_stop(void *context, unsigned readiness)
{
    struct service *service = context;

    (void)readiness;
    loop_stop(service->loop);
}

static void *serve(void *context)
{
    struct service *service = context;

    listen_again(service);
    loop_run(service->loop);
    workers_close(service->workers);
    if (service->http != NULL)
        http_close(service->http);
    loop_timer_stop(service->deploy_timer);
    loop_timer_stop(service->listen_timer);
    loop_unwatch(service->stop_watch);
    loop_destroy(service->loop);
    return NULL;
}

// ---- opening and closing

static bool is_stopping(void *context)
{
    const struct service *service = context;
    return service->stopping;
}

// The worker's endpoints, with the patience of somebody who is being waited for.
static bool open_node(struct service *service)
{
    struct rpc_ops rpc;
    char error[RPC_MESSAGE_MAX];

    service->node_config = *service->config;
    service->node_config.settle_http_timeout_ms = NODE_TIMEOUT_MS;
    if (!rpc_open(&rpc, &service->pool, &service->node_config, is_stopping, service, error,
                  sizeof(error))) {
        log_error("the chain's service: settle.rpc_url error=\"%s\"", error);
        return false;
    }
    node_init(&service->node, &rpc);
    return true;
}

static bool open_loop(struct service *service)
{
    service->loop = loop_create();
    service->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (service->loop == NULL || service->stop_fd < 0)
        return false;
    service->workers = workers_open(service->loop, 1, QUEUE_MAX);
    if (service->workers == NULL)
        return false;
    service->stop_watch = loop_watch(service->loop, service->stop_fd, LOOP_READ, on_stop, service);
    service->deploy_timer = loop_every(service->loop, DEPLOY_MS, on_deploy_timer, service);
    service->listen_timer = loop_every(service->loop, LISTEN_MS, listen_again, service);
    return service->stop_watch != NULL && service->deploy_timer != NULL &&
           service->listen_timer != NULL;
}

static void open_database(struct service *service)
{
    struct pg_settings settings;

    pg_settings_of(&settings, service->config, "lonja_settle");
    snprintf(settings.application, sizeof(settings.application), "lonja_chain_service");
    settings.statement_timeout_ms = DATABASE_TIMEOUT_MS;
    service->pg = pg_open(&settings);
    service->deploy = (struct asset_deploy){.pg = service->pg,
                                            .node = &service->node,
                                            .chain_id = (uint64_t)service->config->settle_chain_id};
}

// All signals stay with the thread that calls: ours, and the pool's, are made with them blocked.
static bool start(struct service *service)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    ASSERT(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    bool opened = open_loop(service) && pthread_create(&service->thread, NULL, serve, service) == 0;
    ASSERT(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return opened;
}

struct service *service_open(const struct config *config)
{
    struct service *service = calloc(1, sizeof(*service));

    ASSERT(service != NULL);
    service->config = config;
    callers_init(&service->callers, config->settle_callers_file);
    if (!open_node(service)) {
        free(service);
        return NULL;
    }
    open_database(service);
    if (start(service))
        return service;
    log_error("the chain's service cannot start: %s", strerror(errno));
    pg_close(service->pg);
    node_fini(&service->node);
    free(service);
    return NULL;
}

void service_close(struct service *service)
{
    uint64_t one = 1;

    if (service == NULL)
        return;
    service->stopping = true;
    ASSERT(write(service->stop_fd, &one, sizeof(one)) == (ssize_t)sizeof(one));
    ASSERT(pthread_join(service->thread, NULL) == 0);
    close(service->stop_fd);
    pg_close(service->pg);
    node_fini(&service->node);
    free(service);
}
