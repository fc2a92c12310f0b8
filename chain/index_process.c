#include "chain/index_process.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memfile.h"
#include "base/reader_page.h"
#include "base/stop.h"
#include "chain/index.h"
#include "chain/index_config.h"
#include "chain/index_store_pg.h"
#include "chain/index_subscription.h"
#include "chain/rpc_open.h"
#include "settlement/reconcile_run.h"

#define MS UINT64_C(1000000)

struct process {
    int stop_fd;
    struct pg *pg;
    struct index_store_pg store_pg;
    struct rpc_pool pool;
    struct node node;
    struct index_agent index;
    struct index_subscription *subscription; /* NULL: polling only */
    struct reconcile reconcile;
    uint64_t reconcile_ns; /* between two comparisons; 0 = never */
    uint64_t reconcile_at_ns;
    size_t breaks_told; /* by the last comparison */
    struct reader_page *page;
};

/* SIGTERM has come: no call of the node is worth waiting for any more. */
static bool is_stopping(void *context)
{
    (void)context;
    return stop_asked();
}

static bool open_node(struct process *process, const struct config *config)
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

/* Before the signals are unblocked: its thread must not take them. */
static bool open_subscription(struct process *process, const struct config *config)
{
    char error[RPC_MESSAGE_MAX];
    if (config->index_ws_url[0] == '\0')
        return true;
    process->subscription = index_subscription_open(config->index_ws_url, error, sizeof(error));
    if (process->subscription == NULL)
        log_error("index.ws_url cannot be used error=\"%s\"", error);
    return process->subscription != NULL;
}

/* A head that the subscription should have told of and did not: it is deaf. */
static void look_at_subscription(struct process *process, bool by_deadline)
{
    if (process->subscription == NULL)
        return;
    process->index.subscribed = index_subscription_is_live(process->subscription);
    if (by_deadline && process->index.subscribed &&
        process->index.head > index_subscription_head(process->subscription) + 1 &&
        index_subscription_head(process->subscription) != 0) {
        log_warning("the subscription tells nothing any more: it is made anew");
        index_subscription_restart(process->subscription);
    }
}

/* ---- reconciliation ---- */

enum { TRIP_POLLS_MAX = 400, TRIP_POLL_US = 5000 };

/* Trips one breaker and waits for the answer, two seconds at most: a trip that is not answered is
 * asked for again by the next comparison, and does nothing twice. */
static bool trip(struct process *process, uint32_t instrument)
{
    const struct index_core_ops *core = &process->index.core;
    const struct index_command command = {
        .type = CMD_breaker_set, .body.breaker_set = {.instrument = instrument, .tripped = 1}};
    if (process->index.has_sent || !core->send(core->context, &command))
        return false;
    for (int i = 0; i < TRIP_POLLS_MAX; i++) {
        struct index_answer answer = core->poll(core->context);
        if (answer.kind != INDEX_ANSWER_NONE)
            return answer.kind == INDEX_ANSWER_DONE;
        usleep(TRIP_POLL_US);
    }
    return false;
}

static void halt(struct process *process, const struct reconcile_report *report)
{
    for (size_t i = 0; i < report->halt_count; i++) {
        bool tripped = trip(process, report->halts[i].instrument);
        log_error("a break is above index.halt_bps: breaker tripped=%d instrument=%u break=%lld",
                  tripped, report->halts[i].instrument, (long long)report->halts[i].break_id);
        if (tripped && !reconcile_halted(&process->reconcile, report->halts[i].break_id))
            log_warning("the database cannot be used: the halt is not written down break=%lld",
                        (long long)report->halts[i].break_id);
    }
}

/* Only what is read to the end can be compared with anything. */
static void reconcile_if_due(struct process *process, uint64_t now_ns)
{
    struct reconcile_report report;
    if (process->reconcile_ns == 0 || now_ns < process->reconcile_at_ns ||
        !index_is_up_to_date(&process->index))
        return;
    process->reconcile_at_ns = now_ns + process->reconcile_ns;
    bool compared = reconcile_run(&process->reconcile, &report);
    if (!compared || report.reason[0] != '\0')
        log_limited(LOG_INFO, "not everything was compared reason=\"%s\"", report.reason);
    if (compared && report.breaks > 0)
        log_limited(LOG_WARNING,
                    "ledger and chain differ breaks=%zu wallets=%zu sequence=%llu block=%llu",
                    report.breaks, report.compared, (unsigned long long)report.sequence,
                    (unsigned long long)report.block);
    if (compared) {
        process->breaks_told = report.told;
        halt(process, &report);
    }
    json_decref(report.rows);
}

/* For `lonja status`. A second indexer, which waits for the lock, is in no trouble. */
static enum trouble trouble_of(const struct process *process)
{
    if (!pg_connected(process->pg))
        return TROUBLE_DATABASE_UNAVAILABLE;
    if (process->index.trouble[0] != '\0')
        return TROUBLE_CHAIN_NOT_READ;
    return process->breaks_told > 0 ? TROUBLE_BREAKS_OPEN : TROUBLE_NONE;
}

/* Takes all notifications that are there: they all mean the same, look. */
static bool take_notifications(struct process *process)
{
    static struct pg_notification notification; /* 8 KiB */
    bool any = false;
    while (pg_connected(process->pg) && pg_wait_notification(process->pg, &notification, 0))
        any = true;
    return any;
}

/* Waits for the first of: SIGTERM, a block, an answer, a new token, the deadline. False: SIGTERM.
 */
static bool wait_for_work(struct process *process, int core_fd, void (*drain)(void *context),
                          void *context, uint64_t now_ns)
{
    uint64_t deadline_ns = index_deadline_ns(&process->index);
    int wait_ms = deadline_ns > now_ns ? (int)((deadline_ns - now_ns) / MS + 1) : 0;
    if (take_notifications(
            process)) { /* that came during the pass: the socket will not tell of it */
        index_wake(&process->index);
        wait_ms = 0;
    }
    struct pollfd fds[4] = {
        {.fd = process->stop_fd, .events = POLLIN},
        {.fd = core_fd, .events = POLLIN},
        {.fd = pg_fd(process->pg), .events = POLLIN},
        {.fd = process->subscription == NULL ? -1 : index_subscription_fd(process->subscription),
         .events = POLLIN}};
    int ready = poll(fds, 4, wait_ms);
    if (ready < 0)
        ASSERT(errno == EINTR);
    if (fds[0].revents != 0)
        return false;
    if (fds[1].revents != 0)
        drain(context);
    if (fds[3].revents != 0)
        index_subscription_drain(process->subscription);
    if (fds[2].revents != 0)
        (void)take_notifications(process);
    if (fds[1].revents != 0 || fds[2].revents != 0 || fds[3].revents != 0)
        index_wake(&process->index);
    look_at_subscription(process, ready == 0 && wait_ms > 0);
    return true;
}

static void say_end(const struct index_agent *index)
{
    log_info("the indexer ends passes=%llu blocks=%llu events=%llu reorganisations=%llu lies=%llu "
             "booked=%llu",
             (unsigned long long)index->counters.passes, (unsigned long long)index->counters.blocks,
             (unsigned long long)index->counters.events,
             (unsigned long long)index->counters.reorganisations,
             (unsigned long long)index->counters.lies, (unsigned long long)index->counters.booked);
}

int index_process_run(const struct boot *boot, const struct index_core_ops *core, int core_fd,
                      void (*drain)(void *context), void *context)
{
    const struct config *config = &boot->config;
    struct process *process = calloc(1, sizeof(*process));
    struct index_config index_config = index_config_of(config);
    struct pg_settings settings;
    ASSERT(process != NULL);
    if (reader_page_open(&process->page, boot->reader_page_fd[PROCESS_INDEX]) != 0)
        process->page = NULL;
    if (!open_subscription(process, config))
        return 2;
    process->stop_fd = stop_open();
    if (!open_node(process, config))
        return 2;
    pg_settings_of(&settings, config, "lonja_index");
    process->pg = pg_open(&settings);
    if (pg_listen(process->pg, "index") != PG_OK)
        log_warning("the database cannot be used yet");
    struct index_store_ops store =
        index_store_pg_open(&process->store_pg, process->pg, index_config.chain_id);
    index_init(&process->index, &index_config, &store, &process->node, core);
    log_info("the indexer begins chain_id=%llu confirmations=%llu subscription=%s",
             (unsigned long long)index_config.chain_id,
             (unsigned long long)index_config.confirmations,
             process->subscription == NULL ? "none" : "websocket");
    process->reconcile = (struct reconcile){.config = config,
                                            .pg = process->pg,
                                            .node = &process->node,
                                            .ledger = reconcile_ledger_open(boot)};
    process->reconcile_ns = (uint64_t)config->index_reconcile_ms * MS;
    uint64_t now_ns;
    do {
        while (index_do_work(&process->index, clock_monotone_ns(&clock_system)) && !stop_asked())
            ;
        reconcile_if_due(process, clock_monotone_ns(&clock_system));
        reader_page_tell(process->page, trouble_of(process));
        now_ns = clock_monotone_ns(&clock_system);
    } while (wait_for_work(process, core_fd, drain, context, now_ns));
    say_end(&process->index);
    if (process->subscription != NULL)
        index_subscription_close(process->subscription);
    reconcile_ledger_close(process->reconcile.ledger);
    node_fini(&process->node);
    pg_close(process->pg);
    if (process->page != NULL)
        memfile_unmap(process->page, sizeof *process->page);
    free(process);
    return 0;
}
