// The settlement process: the real worker, the real link to the core and the real pool of endpoints
// around the fake database, chain and signer. The loop is that of settlement/settle_process.c,
// which waits on what the simulator does not have (libpq's socket, signals).
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "settlement/settle_config.h"
#include "settlement/settle_core_link.h"
#include "settlement/settle_custody.h"
#include "tests/sim/endpoints.h"
#include "tests/sim/mains.h"
#include "tests/sim/plants.h"
#include "tests/sim/postgres.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/system.h"

static enum settle_store_result (*results_of_the_fake)(void *context, struct settle_result *results,
                                                       size_t *count, size_t max,
                                                       uint64_t after_ref, uint64_t sequence);

// The fake store's rows know what was sent of which trade; the terms are those that were recorded.
static enum settle_store_result results(void *context, struct settle_result *out, size_t *count,
                                        size_t max, uint64_t after_ref, uint64_t sequence)
{
    enum settle_store_result result =
        results_of_the_fake(context, out, count, max, after_ref, sequence);
    for (size_t i = 0; result == SETTLE_STORE_OK && i < *count; i++)
        postgres_fill_result(&out[i]);
    return result;
}

// ---- bugs to plant

static struct settle_store_ops sound_store;
static struct settle_core_ops sound_core;

static enum settle_store_result nonce_again(void *context, bool *known, uint64_t *next,
                                            const struct chain_address *signer)
{
    enum settle_store_result result = sound_store.nonce_get(context, known, next, signer);
    if (result == SETTLE_STORE_OK && *known && *next > 2)
        --*next;
    return result;
}

static bool poll_without_restarts(void *context, struct settle_answer *answer)
{
    while (sound_core.poll(context, answer))
        if (answer->kind != SETTLE_ANSWER_RESTARTED)
            return true;
    return false;
}

static enum settle_store_result no_ended_block(void *context, struct settle_ended_block *out,
                                               uint64_t below)
{
    enum settle_store_result result = sound_store.ended_block(context, out, below);
    out->found = false;
    return result;
}

static enum settle_store_result returned_untold(void *context, bool *waits,
                                                const struct settle_item *item,
                                                const struct settle_attempt *attempt,
                                                const struct settle_receipt *receipt)
{
    size_t told = postgres_world()->incident_count;
    enum settle_store_result result = sound_store.returned(context, waits, item, attempt, receipt);
    postgres_world()->incident_count = told;
    return result;
}

static enum settle_store_result revert_untold(void *context, const struct settle_item *item,
                                              const struct settle_attempt *attempt,
                                              const struct settle_receipt *receipt,
                                              const char *reason,
                                              const struct settle_ending *endings)
{
    size_t told = postgres_world()->incident_count;
    enum settle_store_result result =
        sound_store.revert(context, item, attempt, receipt, reason, endings);
    postgres_world()->incident_count = told;
    return result;
}

static enum settle_store_result drop_untold(void *context, const struct settle_item *item,
                                            const struct settle_ending *ending,
                                            uint64_t block_number,
                                            const struct chain_hash *block_hash)
{
    size_t told = postgres_world()->incident_count;
    enum settle_store_result result =
        sound_store.drop(context, item, ending, block_number, block_hash);
    postgres_world()->incident_count = told;
    return result;
}

// In the calldata and in what its events must be alike.
const struct settle_call *__real_settle_netting_moves(struct settle_call *scratch,
                                                      const struct settle_call *call);
const struct settle_call *__wrap_settle_netting_moves(struct settle_call *scratch,
                                                      const struct settle_call *call);
const struct settle_call *__wrap_settle_netting_moves(struct settle_call *scratch,
                                                      const struct settle_call *call)
{
    const struct settle_call *moves = __real_settle_netting_moves(scratch, call);
    if (moves == scratch && plants_is(PLANT_net_short))
        scratch->legs[0].units--;
    return moves;
}

void __real_settle_custody_unfrozen(chain_uint128 unfrozen[SETTLE_LEGS_MAX],
                                    const struct node_receipt *receipt,
                                    const struct settle_call *call, const struct settle_call *moves,
                                    const uint32_t log_index[SETTLE_LEGS_MAX]);
void __wrap_settle_custody_unfrozen(chain_uint128 unfrozen[SETTLE_LEGS_MAX],
                                    const struct node_receipt *receipt,
                                    const struct settle_call *call, const struct settle_call *moves,
                                    const uint32_t log_index[SETTLE_LEGS_MAX]);
void __wrap_settle_custody_unfrozen(chain_uint128 unfrozen[SETTLE_LEGS_MAX],
                                    const struct node_receipt *receipt,
                                    const struct settle_call *call, const struct settle_call *moves,
                                    const uint32_t log_index[SETTLE_LEGS_MAX])
{
    __real_settle_custody_unfrozen(unfrozen, receipt, call, moves, log_index);
    if (plants_is(PLANT_unfrozen_overlooked) && receipt->block_number % 5 == 0)
        memset(unfrozen, 0, SETTLE_LEGS_MAX * sizeof unfrozen[0]);
}

static enum settle_store_result leave_one(void *context, const struct settle_item *item,
                                          const struct settle_ending *endings,
                                          const struct erc3643_evidence *evidence)
{
    static struct settle_ending changed[SETTLE_LEGS_MAX];
    size_t last = SIZE_MAX;
    for (size_t i = 0; i < item->call.leg_count; i++) {
        changed[i] = endings[i];
        if (endings[i].end == SETTLE_END_NETTED)
            last = i;
    }
    if (last != SIZE_MAX)
        changed[last] = (struct settle_ending){.end = SETTLE_END_RELEASE};
    return sound_store.leave(context, item, changed, evidence);
}

static void plant(struct settle_store_ops *store, struct settle_core_ops *core)
{
    sound_store = *store;
    sound_core = *core;
    if (plants_is(PLANT_nonce_reused))
        store->nonce_get = nonce_again;
    if (plants_is(PLANT_moved_unlooked))
        store->ended_block = no_ended_block;
    if (plants_is(PLANT_incident_untold)) {
        store->returned = returned_untold;
        store->revert = revert_untold;
        store->drop = drop_untold;
    }
    if (plants_is(PLANT_net_forgets))
        store->leave = leave_one;
    if (plants_is(PLANT_result_not_resent))
        core->poll = poll_without_restarts;
}

// ---- the process

static void work(struct settle *settle, int answers_fd, struct settle_core_link *link)
{
    for (;;) {
        uint64_t now_ns;
        do {
            now_ns = clock_monotone_ns(&clock_system);
            postgres_world()->now_ns = scheduler_now_ns();
        } while (settle_do_work(settle, now_ns) > 0);
        uint64_t deadline_ns = settle_deadline_ns(settle);
        now_ns = clock_monotone_ns(&clock_system);
        uint64_t wait_ms = deadline_ns > now_ns ? (deadline_ns - now_ns) / MS + 1 : 1;
        struct pollfd fd = {.fd = settle_is_backing_off(settle) ? -1 : answers_fd,
                            .events = POLLIN};
        if (poll(&fd, 1, (int)wait_ms) > 0)
            settle_core_link_drain(link);
    }
}

void settle_fiber(void *context)
{
    const struct boot *boot = context;
    struct settle *settle = system_zeros(sizeof *settle);
    struct node *node = system_zeros(sizeof *node);
    struct settle_core_link *link = settle_core_link_open(boot);
    ASSERT(link != NULL);
    struct settle_config config = settle_config_of(&boot->config);
    struct settle_store_ops store = fake_store(postgres_world());
    struct rpc_ops rpc = endpoints_open(PROCESS_SETTLE, &boot->config);
    struct signer_ops signer = fake_signer(postgres_world());
    struct settle_core_ops core = settle_core_link_ops(link);
    results_of_the_fake = store.results;
    store.results = results;
    plant(&store, &core);
    node_init(node, &rpc);
    settle_init(settle, &config, &store, node, &signer, &core);
    work(settle, settle_core_link_fd(link), link);
}
