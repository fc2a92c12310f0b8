// lonja-web: trading over WebSocket and REST, and the trading page. See README.md.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/answer_cpu.h"
#include "base/log.h"
#include "gateway/web/replay.h"
#include "gateway/web/web.h"

enum {
    EXIT_CONFIGURATION = 2,
    EXIT_RESTART = 1,
    HEARTBEAT_MS = 50,
    SECOND_MS = 1000,
    SHUTDOWN_MS = 500,
    IDLE_S = 60,
    ANSWER_TIMEOUT_S = 15,
    PG_QUEUE_MAX = 1024,
    WORKERS_QUEUE_MAX = 64,
};

void web_serve(struct web *web)
{
    const struct config *config = web->config;
    const struct http_options options = {
        .address = config->web_address,
        .port = (int)config->web_port,
        .connections_max = (unsigned)config->web_connections_max,
        .body_bytes_max = (size_t)config->web_message_bytes_max,
        .websocket_path = "/ws",
        .message_bytes_max = (size_t)config->web_message_bytes_max,
        .output_bytes_max = (size_t)config->web_output_bytes_max,
        .websocket_idle_s = IDLE_S,
        .answer_timeout_s = ANSWER_TIMEOUT_S,
    };
    const struct http_handlers handlers = {
        .request = rest_request,
        .opened = socket_opened,
        .message = socket_message,
        .drained = socket_drained,
        .closed = socket_closed,
    };
    web->http = http_open(web->loop, &options, &handlers, web);
    if (web->http == NULL) {
        log_error("port cannot be opened address=%s port=%d", options.address, options.port);
        web->failed = true;
        loop_stop(web->loop);
        return;
    }
    log_info("serving address=%s port=%d", options.address, options.port);
}

// ---- what the loop calls ---------------------------------------------------------------------

// The doorbell itself needs no look: waking is enough, the events are taken in on_awake.
static void on_doorbell(void *context, unsigned readiness)
{
    (void)context;
    (void)readiness;
}

static bool before_sleep(void *context)
{
    struct web *web = context;
    link_wake(&web->link);
    return follower_sleep_begin(web->follower);
}

static void on_awake(void *context)
{
    struct web *web = context;
    follower_sleep_end(web->follower);
    if (!web->failed)
        feed_poll(web);
}

static void on_heartbeat(void *context)
{
    struct web *web = context;
    feed_tick(web);
    history_tick(web);
    replays_tick(web);
}

static void on_second(void *context)
{
    struct web *web = context;
    users_tick(web);
    login_tick(web);
    history_second(web);
    if (web->http == NULL)
        return;
    socket_tick(web);
    markets_tick(web);
}

static void on_shutdown_over(void *context)
{
    struct web *web = context;
    loop_stop(web->loop);
}

// Everybody is told; answers under way have half a second.
static void on_terminate(void *context)
{
    struct web *web = context;
    if (web->stopping)
        return;
    log_info("stopping");
    web->stopping = true;
    if (web->http != NULL) {
        http_stop_listening(web->http);
        socket_shutdown(web);
    }
    if (loop_every(web->loop, SHUTDOWN_MS, on_shutdown_over, web) == NULL)
        loop_stop(web->loop);
}

// ---- start and end ---------------------------------------------------------------------------

static bool open_database(struct web *web)
{
    struct pg_settings settings;
    pg_settings_of(&settings, web->config, "lonja_web");
    web->pg = pg_async_open(&settings, PG_QUEUE_MAX);
    if (web->pg == NULL)
        return false;
    web->pg_watch = pg_watch_open(web->loop, web->pg);
    return web->pg_watch != NULL;
}

static bool open_venue(struct web *web)
{
    web->view = view_create(web->boot);
    if (web->view == NULL)
        return false;
    uint64_t sequence = view_load(web->view, web->boot);
    web->sequence_seen = sequence;
    web->teller = private_teller(web);
    web->follower = follower_open(web->boot, sequence);
    return web->follower != NULL && link_open(&web->link, web->boot, GATEWAY_WEB) == 0;
}

static bool create_parts(struct web *web)
{
    web->users = calloc((size_t)web->config->limits_sessions_max + 1, sizeof *web->users);
    web->tokens = tokens_create();
    web->markets = markets_create(web);
    web->orders = orders_create(web);
    web->history = history_create(web);
    web->login = login_create(web);
    web->workers =
        workers_open(web->loop, (unsigned)web->config->web_password_workers, WORKERS_QUEUE_MAX);
    web->replays = replays_create(web);
    web->pages = pages_load(web->config->web_pages_folder, "pages");
    return web->users != NULL && web->tokens != NULL && web->markets != NULL &&
           web->orders != NULL && web->history != NULL && web->login != NULL &&
           web->workers != NULL && web->replays != NULL && web->pages != NULL;
}

static bool watch(struct web *web)
{
    loop_around_sleep(web->loop, before_sleep, on_awake, web);
    return loop_watch(web->loop, follower_doorbell_fd(web->follower), LOOP_READ, on_doorbell,
                      web) != NULL &&
           loop_every(web->loop, HEARTBEAT_MS, on_heartbeat, web) != NULL &&
           loop_every(web->loop, SECOND_MS, on_second, web) != NULL &&
           loop_on_signal(web->loop, SIGTERM, on_terminate, web) != NULL &&
           loop_on_signal(web->loop, SIGINT, on_terminate, web) != NULL;
}

static bool start(struct web *web)
{
    json_out_init(&web->out);
    map_init(&web->clients);
    map_init(&web->account_users);
    web->loop = loop_create();
    return web->loop != NULL && open_venue(web) && open_database(web) && create_parts(web) &&
           watch(web);
}

int main(void)
{
    static struct web web;
    signal(SIGPIPE, SIG_IGN);
    web.boot = boot_inherit(PROCESS_WEB);
    web.config = &web.boot->config;
    log_open("web");
    if (!start(&web)) {
        log_error("cannot start");
        return EXIT_CONFIGURATION;
    }
    answer_cpu_keep(pthread_self(), web.config, "this gateway's loop");
    loop_run(web.loop);
    replays_close(web.replays);
    workers_close(web.workers);
    pg_watch_close(web.pg_watch);
    pg_async_close(web.pg);
    http_close(web.http);
    log_info("stopped");
    return web.failed ? EXIT_RESTART : 0;
}
