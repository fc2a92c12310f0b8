// The indexer's process: the real agent and the real link to the core, the real pool of endpoints,
// and around them the fake tables and chain. The loop is that of chain/index_process.c, which waits
// on what the simulator does not have (libpq's socket, signals, a WebSocket) and compares with a
// real server (settlement/reconcile_run.c).
#include <poll.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/doorbell.h"
#include "chain/index.h"
#include "chain/index_config.h"
#include "chain/index_core_link.h"
#include "tests/sim/endpoints.h"
#include "tests/sim/index_store.h"
#include "tests/sim/mains.h"
#include "tests/sim/plants.h"
#include "tests/sim/processes.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"

// ---- bugs to plant

static struct index_core_ops sound_core;

static struct index_answer lost_is_done(void *context)
{
    struct index_answer answer = sound_core.poll(context);
    if (answer.kind == INDEX_ANSWER_LOST)
        answer = (struct index_answer){.kind = INDEX_ANSWER_DONE, .sequence = 1};
    return answer;
}

enum node_result __real_index_node_block_logs(struct node *node, bool *known, bool *found,
                                              struct index_logs *logs,
                                              const struct index_filter *filter,
                                              const struct chain_hash *block_hash);
enum node_result __wrap_index_node_block_logs(struct node *node, bool *known, bool *found,
                                              struct index_logs *logs,
                                              const struct index_filter *filter,
                                              const struct chain_hash *block_hash);
enum node_result __wrap_index_node_block_logs(struct node *node, bool *known, bool *found,
                                              struct index_logs *logs,
                                              const struct index_filter *filter,
                                              const struct chain_hash *block_hash)
{
    if (!plants_is(PLANT_logs_not_proved))
        return __real_index_node_block_logs(node, known, found, logs, filter, block_hash);
    *logs = (struct index_logs){0};
    *known = false;
    *found = true;
    return NODE_OK;
}

// ---- the process

static int blocks_fd = -1; // what the subscription rings

void index_told_of_block(void)
{
    if (!processes_is_alive(PROCESS_INDEX) || blocks_fd < 0 || scheduler_chance(200))
        return; // lost
    doorbell_ring(blocks_fd);
}

static void work(struct index_agent *index, struct index_core_link *link)
{
    for (;;) {
        while (index_do_work(index, clock_monotone_ns(&clock_system)))
            ;
        uint64_t now_ns = clock_monotone_ns(&clock_system);
        uint64_t deadline_ns = index_deadline_ns(index);
        uint64_t wait_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / MS + 1 : 1;
        struct pollfd fds[2] = {{.fd = index_core_link_fd(link), .events = POLLIN},
                                {.fd = blocks_fd, .events = POLLIN}};
        if (poll(fds, 2, (int)wait_ms) == 0)
            continue;
        if (fds[0].revents != 0)
            index_core_link_drain(link);
        if (fds[1].revents != 0)
            doorbell_silence(blocks_fd);
        index_wake(index);
    }
}

void index_fiber(void *context)
{
    const struct boot *boot = context;
    struct index_agent *index = calloc(1, sizeof *index);
    struct node *node = calloc(1, sizeof *node);
    struct index_core_link *link = index_core_link_open(boot);
    ASSERT(index != NULL && node != NULL && link != NULL);
    struct index_config config = index_config_of(&boot->config);
    struct index_store_ops store = index_store_open();
    struct rpc_ops rpc = endpoints_open(PROCESS_INDEX, &boot->config);
    struct index_core_ops core = sound_core = index_core_link_ops(link);
    if (plants_is(PLANT_booking_not_resent))
        core.poll = lost_is_done;
    node_init(node, &rpc);
    index_init(index, &config, &store, node, &core);
    blocks_fd = doorbell_open();
    work(index, link);
}
