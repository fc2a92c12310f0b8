#include "settlement/settle_process.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stop.h"
#include "chain/rpc_open.h"
#include "settlement/service.h"
#include "settlement/settle_config.h"
#include "settlement/settle_report.h"
#include "settlement/settle_store_pg.h"

#define MS UINT64_C(1000000)

struct process {
    struct pg *pg;
    struct settle_store_pg store_pg;
    struct settle_store_ops store;
    struct rpc_pool pool;
    struct node node;
    struct signer_ops signer;
    struct settle settle;
    struct settle_report report;
    int stop_fd;
};

// SIGTERM has come: no call of the node is worth waiting for any more.
static bool is_stopping(void *context)
{
    (void)context;
    return stop_asked();
}

static bool process_open_node(struct process *process, const struct config *config)
{
    struct rpc_ops rpc;
    char error[RPC_MESSAGE_MAX];

    if (!rpc_open(&rpc, &process->pool, config, is_stopping, NULL, error, sizeof(error))) {
        log_error("the endpoints of the chain cannot be used error=\"%s\"", error);
        return false;
    }
    node_init(&process->node, &rpc);
    return true;
}

static bool process_open_signer(struct process *process, const struct config *config)
{
    char path[2 * CONFIG_TEXT_BYTES_MAX];

    if (config->sign_socket[0] == '/')
        snprintf(path, sizeof(path), "%s", config->sign_socket);
    else
        snprintf(path, sizeof(path), "%s/%s", config->venue_state_folder, config->sign_socket);
    if (signer_socket_open(&process->signer, path, 5000))
        return true;
    log_error("sign.socket is too long path=\"%s\"", path);
    return false;
}

static void process_open_store(struct process *process, const struct config *config)
{
    struct pg_settings settings;

    pg_settings_of(&settings, config, "lonja_settle");
    process->pg = pg_open(&settings);
    if (pg_listen(process->pg, "settle") != PG_OK)
        log_warning("the database cannot be used yet");
    process->store = settle_store_pg_open(
        &process->store_pg, process->pg, (uint64_t)config->settle_chain_id,
        (uint32_t)config->settle_attempts_max, (uint64_t)config->settle_tick_ms);
    process->store_pg.settles_without_wallet = config->settle_off_chain_missing_wallet != 0;
    process->store_pg.xvp_margin_ms = (uint64_t)config->settle_xvp_margin_ms;
}

// Takes all notifications that are there: they all mean the same, look. True if there was one.
static bool take_notifications(struct process *process)
{
    static struct pg_notification notification; // 8 KiB
    bool any = false;
    while (pg_connected(process->pg) && pg_wait_notification(process->pg, &notification, 0))
        any = true;
    return any;
}

// Waits for the first of: SIGTERM, a notification, an answer of the core, the deadline. False:
// SIGTERM. While the worker backs off it reads neither notifications nor answers: they would wake
// it again and again for nothing, so they are left where they are until it does.
static bool process_wait(struct process *process, const struct settle_process_core *core,
                         uint64_t now_ns)
{
    uint64_t deadline_ns = settle_deadline_ns(&process->settle);
    uint64_t wait_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / MS + 1 : 0;
    bool listens = !settle_is_backing_off(&process->settle);
    // One that came during the pass is in libpq's queue already: the socket will not tell of it.
    if (listens && take_notifications(process))
        wait_ms = 0;
    struct pollfd fds[3] = {{.fd = process->stop_fd, .events = POLLIN},
                            {.fd = listens ? pg_fd(process->pg) : -1, .events = POLLIN},
                            {.fd = listens ? core->fd : -1, .events = POLLIN}};

    if (poll(fds, 3, (int)wait_ms) < 0)
        ASSERT(errno == EINTR);
    if (fds[0].revents != 0)
        return false;
    if (fds[1].revents != 0)
        (void)take_notifications(process);
    if (fds[2].revents != 0)
        core->drain(core->context);
    return true;
}

// For `lonja status`. A second worker, which waits for the lock, is in no trouble.
static enum trouble process_trouble(const struct process *process)
{
    bool leads = process->store_pg.leading || process->settle.attempts_missing;

    if (!pg_connected(process->pg) || (leads && settle_is_backing_off(&process->settle)))
        return TROUBLE_DATABASE_UNAVAILABLE;
    return leads ? settle_report_trouble(&process->settle) : TROUBLE_NONE;
}

static void process_loop(struct process *process, const struct settle_process_core *core)
{
    uint64_t now_ns;

    do {
        while (settle_do_work(&process->settle, clock_monotone_ns(&clock_system)) > 0)
            if (stop_asked())
                return;
        now_ns = clock_monotone_ns(&clock_system);
        if ((process->store_pg.leading || process->settle.attempts_missing) &&
            !settle_is_backing_off(&process->settle))
            settle_report_write(&process->report, process->pg, &process->settle, &process->pool,
                                now_ns);
        reader_page_tell(core->page, process_trouble(process));
    } while (process_wait(process, core, now_ns));
}

static void process_close(struct process *process)
{
    process->signer.close(process->signer.context);
    node_fini(&process->node);
    process->store.close(process->store.context);
    pg_close(process->pg);
}

int settle_process_run(const struct config *config, const struct settle_process_core *core)
{
    struct process *process = calloc(1, sizeof(*process));
    struct settle_config settle_config = settle_config_of(config);

    ASSERT(process != NULL);
    process->stop_fd = stop_open();
    if (!process_open_node(process, config) || !process_open_signer(process, config)) {
        free(process);
        return 2;
    }
    process_open_store(process, config);
    settle_init(&process->settle, &settle_config, &process->store, &process->node, &process->signer,
                &core->ops);
    log_info("settlement begins network=%s chain_id=%llu endpoints=%zu confirmations=%llu "
             "finalized_tag=%d batch_max=%zu attempts_max=%u",
             config->settle_network, (unsigned long long)settle_config.chain_id,
             process->pool.endpoint_count, (unsigned long long)settle_config.confirmations,
             settle_config.finalized_tag, settle_config.batch_max, settle_config.attempts_max);
    struct service *service = service_open(config); // settlement goes on without it
    process_loop(process, core);
    service_close(service);
    log_info("settlement ends passes=%llu confirmed=%llu reverted=%llu resends=%llu",
             (unsigned long long)process->settle.counters.passes,
             (unsigned long long)process->settle.counters.confirmed,
             (unsigned long long)process->settle.counters.reverted,
             (unsigned long long)process->settle.counters.resends);
    process_close(process);
    free(process);
    return 0;
}
