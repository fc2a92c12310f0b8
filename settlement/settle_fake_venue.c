#include "settlement/settle_fake_venue.h"

#include <string.h>

struct venue venue;
size_t batch_max = 10;

static struct settle_config config_default(const struct fake_world *world)
{
    return (struct settle_config){
        .chain_id = 31337,
        .confirmations = 2,
        .custody_proof = true,
        .batch_max = batch_max,
        .claim_max = 100,
        .attempts_max = 5,
        .gas_max = {300000, 16777216, 400000, 600000, 8000000},
        .gas_margin_percent = 125,
        .fees = {.cap_wei = 500000000000,
                 .priority_floor_wei = 1000000000,
                 .priority_cap_wei = 100000000000,
                 .bump_permille = 125},
        .netting_modules = "",
        .tick_ns = world->tick_ns,
        .poll_ns = 500000000,
        .stuck_ns = 60000000000,
    };
}

void worker_start(struct venue *v)
{
    struct settle_config config = config_default(&v->world);
    struct settle_store_ops store = fake_store(&v->world);
    struct rpc_ops rpc = fake_rpc(&v->world);
    struct signer_ops signer = fake_signer(&v->world);
    struct settle_core_ops core = fake_core(&v->world);

    v->world.faults.dead = false;
    v->world.leading = false;
    node_init(&v->node, &rpc);
    memset(&v->settle, 0, sizeof v->settle);
    settle_init(&v->settle, &config, &store, &v->node, &signer, &core);
}

void venue_open(struct venue *v, uint64_t seed)
{
    fake_init(&v->world, seed);
    worker_start(v);
}

void step(struct venue *v)
{
    settle_do_work(&v->settle, v->world.now_ns);
    if (v->world.faults.dead)
        worker_start(v);
    v->world.now_ns += 1000000000;
    if (v->world.now_ns / 1000000000 % 2 == 0)
        fake_mine(&v->world);
    if (v->world.now_ns / 1000000000 % 16 == 0)
        (void)fake_close_incidents(&v->world);
}

void steps(struct venue *v, int count)
{
    for (int i = 0; i < count; i++)
        step(v);
}

void passes(struct venue *v, int count)
{
    for (int i = 0; i < count; i++) {
        settle_do_work(&v->settle, v->world.now_ns);
        v->world.now_ns += 1000000000;
    }
}

static bool requests_ended(const struct fake_world *world)
{
    for (size_t i = 0; i < world->attempt_count; i++)
        if (settle_attempt_is_open(world->attempts[i].attempt.state))
            return false;
    for (size_t i = 0; i < world->request_top; i++)
        if (world->requests[i].request_id != 0 && world->requests[i].open)
            return false;
    return true;
}

bool all_final(const struct fake_world *world)
{
    for (size_t i = 0; i < world->trade_count; i++) {
        enum settle_trade_state state = world->trades[i].state;
        if ((state != SETTLE_TRADE_SETTLED && state != SETTLE_TRADE_FAILED) ||
            world->trades[i].request_open)
            return false;
    }
    for (size_t i = 0; i < world->result_count; i++)
        if (!world->result_answered[i])
            return false;
    return requests_ended(world);
}

static void explain(const struct venue *v)
{
    const struct fake_world *world = &v->world;

    print_message("not final: fault %d at effect %llu of %llu, block %llu, next nonce %llu\n",
                  (int)world->faults.kind, (unsigned long long)world->faults.at,
                  (unsigned long long)world->faults.effects, (unsigned long long)world->block,
                  (unsigned long long)world->nonce_next);
    for (size_t i = 0; i < world->trade_count; i++)
        print_message("trade %zu %s %s open=%d\n", i,
                      settle_trade_state_text(world->trades[i].state), world->trades[i].reason,
                      world->trades[i].request_open);
    for (size_t i = 0; i < world->attempt_count; i++)
        print_message("attempt %zu of request %zu %s nonce=%llu\n", i, world->attempts[i].request,
                      settle_attempt_state_text(world->attempts[i].attempt.state),
                      (unsigned long long)world->attempts[i].attempt.nonce);
    for (size_t i = 0; i < world->result_count; i++)
        print_message("result %zu ref=%llu answered=%d\n", i,
                      (unsigned long long)world->results[i].command.ref_number,
                      world->result_answered[i]);
}

void run_to_end(struct venue *v)
{
    for (int i = 0; i < 2000 && !all_final(&v->world); i++)
        step(v);
    if (!all_final(&v->world))
        explain(v);
    assert_true(all_final(&v->world));
    fake_check_end(&v->world);
}

void assert_state(const struct fake_trade *trade, enum settle_trade_state state, const char *reason)
{
    assert_string_equal(settle_trade_state_text(trade->state), settle_trade_state_text(state));
    assert_string_equal(trade->reason, reason);
}
