#include "tests/sim/weather.h"

#include <string.h>

#include "tests/sim/administrator.h"
#include "tests/sim/chain.h"
#include "tests/sim/clients.h"
#include "tests/sim/endpoints.h"
#include "tests/sim/files.h"
#include "tests/sim/index_store.h"
#include "tests/sim/instructions.h"
#include "tests/sim/laws.h"
#include "tests/sim/network.h"
#include "tests/sim/plants.h"
#include "tests/sim/postgres.h"
#include "tests/sim/processes.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/story.h"
#include "tests/sim/system.h"
#include "tests/sim/universe.h"

// How long the venue may take to come to rest once nothing is broken any more, and how long it has
// to stay so.
#define REST_BOUND_NS (300 * SECOND)
#define REST_NS       (1500 * MS)

enum { FAULTS_MAX = 32 };
#define GIGA UINT64_C(1000000000)

static struct {
    bool calm;
    uint64_t chain; // enum chain_weather
    uint64_t highest_block;
    uint64_t power_failures;
    uint32_t kinds[FAULTS_MAX]; // indices of those this life has
    unsigned kind_count;
    uint64_t every_ns; // between two faults, on average
    uint64_t rest_since_ns;
} weather;

// ---- kinds of faults

static enum process_id some_process(void)
{
    static const enum process_id all[] = {PROCESS_CORE,   PROCESS_CORE,   PROCESS_TAPE,
                                          PROCESS_FIX,    PROCESS_WEB,    PROCESS_ADMIN,
                                          PROCESS_RECORD, PROCESS_SETTLE, PROCESS_INDEX};
    return all[scheduler_random(sizeof all / sizeof all[0])];
}

static void fault_kill(void)
{
    processes_kill(some_process(), "by somebody");
}

static void fault_kill_inside(void)
{
    processes_kill_at(some_process(), 1 + scheduler_random(scheduler_chance(500) ? 60 : 3000));
}

static void fault_power(void)
{
    weather.power_failures++;
    processes_power_failure();
}

static void fault_power_inside(void)
{
    weather.power_failures++;
    processes_power_failure_at(scheduler_chance(800) ? PROCESS_CORE : PROCESS_TAPE,
                               1 + scheduler_random(300));
}

static void fault_disk(void)
{
    laws_disk_fails();
    enum files_folder folder = (enum files_folder)scheduler_random(FILES_COUNT);
    story_tell("world", "disk %d is about to fail", folder);
    files_fail_at(folder, 1 + scheduler_random(20));
}

static void fault_connection(void)
{
    network_break((unsigned)scheduler_random(CLIENTS));
}

static void postgres_again(void *context, uint64_t number)
{
    (void)context, (void)number;
    postgres_start();
}

static void fault_postgres_stop(void)
{
    postgres_stop();
    scheduler_at(scheduler_now_ns() + scheduler_between(100 * MS, 4 * SECOND), postgres_again, NULL,
                 0);
}

static void fault_postgres_crash(void)
{
    postgres_crash(true);
}

static void fault_postgres_session(void)
{
    static const enum process_id all[] = {PROCESS_RECORD, PROCESS_SETTLE, PROCESS_INDEX};
    postgres_session_gone(all[scheduler_random(3)]);
}

// What a life's chain does (docs/settlement.md, *With too few confirmations*).
enum chain_weather {
    CHAIN_SHALLOW,   // reorganisations above what is confirmed; transactions fail
    CHAIN_DEEP,      // below it, too; none fails
    CHAIN_FOREIGN,   // below it, and somebody else uses the key; his transactions are lost, too
    CHAIN_FORGETFUL, // below it, and what was in the blocks is in no pool any more; transactions
                     // fail
    CHAIN_BEYOND,    // below it, and what had failed may pass beside its retry: incidents are told
    CHAIN_COUNT
};

// The lowest block that a reorganisation may leave: what was once deep enough for the worker stays,
// however many reorganisations follow each other.
static uint64_t final_block(const struct fake_world *world)
{
    uint64_t confirmations = (uint64_t)processes_boot(PROCESS_SETTLE)->config.settle_confirmations;
    if (world->block > weather.highest_block)
        weather.highest_block = world->block;
    return weather.highest_block + 1 - confirmations;
}

static void reorganise(struct fake_world *world)
{
    uint64_t depth = 1 + scheduler_random(weather.chain <= CHAIN_DEEP ? 2 : 12);
    uint64_t final = final_block(world);
    bool forgets = weather.chain == CHAIN_FORGETFUL || scheduler_chance(200);
    if (weather.chain == CHAIN_SHALLOW && world->block < final + depth)
        depth = world->block > final ? world->block - final : 0;
    while (depth > 0 && !chain_reorganise(depth, forgets)) // as far as it may go
        depth--;
}

// Where the chain takes back what was final: once what has failed is likely to have its retry.
static void on_lost(void *context, uint64_t number)
{
    (void)context, (void)number;
    if (!weather.calm)
        reorganise(postgres_world());
}

static void lose_later(void)
{
    scheduler_at(scheduler_now_ns() + scheduler_between(4 * SECOND, 12 * SECOND), on_lost, NULL, 0);
}

static void gas_runs_out(struct fake_world *world)
{
    world->out_of_gas_once = true;
    if (weather.chain >= CHAIN_FORGETFUL)
        lose_later();
}

static void somebody_signs(void)
{
    chain_foreign();
    lose_later();
}

static void trouble_ends(void *what, uint64_t value)
{
    *(bool *)what = value != 0;
}

static void fees_fall(void *context, uint64_t number)
{
    (void)context, (void)number;
    postgres_world()->base_fee_wei = GIGA;
    postgres_world()->pool_floor_wei = 0;
}

// Every trouble ends by itself: it lasts as long as some of the other faults are apart.
static uint64_t end_of_trouble(void)
{
    return scheduler_now_ns() + 1 + scheduler_random(4 * weather.every_ns);
}

static void trouble(bool *what, bool value)
{
    *what = value;
    scheduler_at(end_of_trouble(), trouble_ends, what, !value);
}

static void fault_chain(void)
{
    struct fake_world *world = postgres_world();
    uint64_t kind = scheduler_random(8);
    if (kind < 3)
        reorganise(world);
    else if (kind == 3)
        fake_forget_pool(world);
    else if (kind == 4)
        trouble(&world->down, true);
    else if (kind == 5)
        trouble(&world->receipts_hidden, true);
    else if (weather.chain == CHAIN_FOREIGN)
        somebody_signs();
    else if (weather.chain != CHAIN_DEEP)
        gas_runs_out(world);
    story_tell("chain", "fault %llu, block %llu", (unsigned long long)kind,
               (unsigned long long)world->block);
}

// The token's issuer, its registry, the fees and the signer.
static void fault_token(void)
{
    struct fake_world *world = postgres_world();
    uint64_t kind = scheduler_random(6);
    if (kind == 2 && weather.chain == CHAIN_DEEP) // what is taken back there must pass again
        kind = 5;
    struct chain_address address;
    ASSERT(address_parse(&address, chain_wallet((unsigned)scheduler_random(CLIENTS))));
    struct fake_wallet *wallet = fake_wallet(world, &address);
    if (kind == 0)
        trouble(&world->paused, true);
    else if (kind == 1)
        trouble(&wallet->frozen, true);
    else if (kind == 2)
        trouble(&wallet->verified, false);
    else if (kind == 3)
        trouble(&world->signer_gone, true);
    else if (kind == 4)
        world->base_fee_wei = (1 + scheduler_random(600)) * GIGA; // the cap is 500
    else
        world->pool_floor_wei = world->base_fee_wei + scheduler_random(8) * GIGA;
    if (kind >= 4)
        scheduler_at(end_of_trouble(), fees_fall, NULL, 0);
    story_tell("token", "fault %llu, base fee %llu", (unsigned long long)kind,
               (unsigned long long)world->base_fee_wei);
}

// Mostly as a clock is corrected, now and then as by somebody who types another time.
static void fault_clock(void)
{
    uint64_t most_ns = scheduler_chance(200) ? 1800 * SECOND : 2 * SECOND;
    int64_t jump_ns = (int64_t)scheduler_random(2 * most_ns) - (int64_t)most_ns;
    story_tell("world", "the wall clock jumps by %lld ns", (long long)jump_ns);
    system_jump(jump_ns);
}

static void fault_pause(void)
{
    enum process_id process = some_process();
    story_tell("world", "%s is stopped for a while", processes_name(process));
    owner_pause(process, scheduler_now_ns() + scheduler_between(50 * MS, 2 * SECOND));
}

static void fault_stop(void)
{
    static const enum process_id all[] = {PROCESS_CORE, PROCESS_TAPE, PROCESS_RECORD};
    processes_ask_to_stop(all[scheduler_random(3)]);
}

static void fault_lie(void)
{
    processes_lie(scheduler_chance(500) ? PROCESS_FIX : PROCESS_WEB);
}

static void (*const faults[])(void) = {
    fault_kill,       fault_kill_inside,   fault_power,          fault_disk,
    fault_connection, fault_postgres_stop, fault_postgres_crash, fault_postgres_session,
    fault_chain,      fault_clock,         fault_pause,          fault_power_inside,
    fault_stop,       fault_lie,           fault_power_inside,   endpoints_fault,
    fault_token,
};
enum { FAULTS = sizeof faults / sizeof faults[0] };
_Static_assert((int)FAULTS <= (int)FAULTS_MAX, "a life may have all of them");

static void on_fault(void *context, uint64_t number)
{
    (void)context, (void)number;
    if (weather.calm)
        return;
    if (weather.kind_count > 0)
        faults[weather.kinds[scheduler_random(weather.kind_count)]]();
    scheduler_at(scheduler_now_ns() + 1 + scheduler_random(2 * weather.every_ns), on_fault, NULL,
                 0);
}

static void on_block(void *context, uint64_t number)
{
    (void)context, (void)number;
    chain_mine();
    (void)final_block(postgres_world()); // notes how high the chain has been
    scheduler_at(scheduler_now_ns() + scheduler_between(500 * MS, 2 * SECOND), on_block, NULL, 0);
}

// Two persons look at what was told to them.
static void on_operators(void *context, uint64_t number)
{
    (void)context, (void)number;
    postgres_close_incidents();
    scheduler_at(scheduler_now_ns() + 1 + scheduler_random(20 * SECOND), on_operators, NULL, 0);
}

// Others use the token, once everybody is known here and the index has begun.
static void on_outside(void *context, uint64_t number)
{
    (void)context, (void)number;
    if (weather.calm)
        return;
    if (administrator_has_filled() && index_store_anchor() != UINT64_MAX)
        chain_send_outside();
    scheduler_at(scheduler_now_ns() + 1 + scheduler_random(3 * weather.every_ns), on_outside, NULL,
                 0);
}

// ---- a life

// Of each kind of weather: how long the faults last, how far they are apart, how long clients
// think.
static const struct climate {
    uint64_t life_ns[2], every_ns[2], pace_ns[2];
} climates[] = {
    [WEATHER_STORM] = {{8 * SECOND, 25 * SECOND}, {200 * MS, 2 * SECOND}, {40 * MS, 500 * MS}},
    [WEATHER_BUSY] = {{40 * SECOND, 70 * SECOND}, {500 * MS, 4 * SECOND}, {50 * MS, 100 * MS}},
    [WEATHER_SEASON] = {{600 * SECOND, 1800 * SECOND},
                        {10 * SECOND, 60 * SECOND},
                        {SECOND, 8 * SECOND}},
};

static uint64_t between(const uint64_t range[2])
{
    return scheduler_between(range[0], range[1]);
}

static void choose(const struct climate *climate)
{
    for (uint32_t i = 0; i < FAULTS; i++)
        if (scheduler_chance(450))
            weather.kinds[weather.kind_count++] = i;
    weather.chain = scheduler_random(CHAIN_COUNT);
    postgres_set_promise(weather.chain == CHAIN_BEYOND, weather.chain >= CHAIN_FOREIGN);
    weather.every_ns = between(climate->every_ns);
    scheduler_set_preemption((uint32_t)(scheduler_chance(300) ? 0 : scheduler_random(60)),
                             scheduler_between(10 * US, 2 * MS));
    postgres_set_faults(scheduler_chance(500) ? 0 : (uint32_t)scheduler_random(30));
    network_set_delay(scheduler_between(100 * US, 50 * MS));
    clients_set_pace(between(climate->pace_ns));
}

static void begin(uint64_t seed, const struct climate *climate)
{
    scheduler_begin(seed);
    files_begin(seed);
    network_begin();
    laws_begin();
    postgres_begin(seed);
    chain_begin(seed % 10 < 3);
    endpoints_begin();
    instructions_begin();
    clients_begin();
    choose(climate);
    plants_begin();
    processes_begin();
    scheduler_at(scheduler_now_ns() + SECOND, on_fault, NULL, 0);
    scheduler_at(scheduler_now_ns() + SECOND, on_block, NULL, 0);
    scheduler_at(scheduler_now_ns() + 2 * SECOND, on_outside, NULL, 0);
    scheduler_at(scheduler_now_ns() + 2 * SECOND, on_operators, NULL, 0);
}

static void calm(void)
{
    story_tell("world", "calm");
    weather.calm = true;
    struct fake_world *world = postgres_world();
    world->down = world->receipts_hidden = world->out_of_gas_once = false;
    world->paused = world->signer_gone = false;
    for (size_t i = 0; i < world->wallet_count; i++) {
        world->wallets[i].frozen = false;
        world->wallets[i].verified = true;
    }
    fees_fall(NULL, 0);
    for (size_t i = 0; i < world->trade_count; i++)
        if (world->trades[i].state == SETTLE_TRADE_FAILED)
            fake_retry(world, &world->trades[i]);
    postgres_start();
    postgres_set_faults(0);
    endpoints_calm();
    files_repair();
    for (unsigned owner = 0; owner < PROCESS_COUNT; owner++) {
        owner_pause(owner, 0);
        owner_dies_at(owner, 0, NULL);
    }
    processes_calm();
    scheduler_set_preemption(0, 0);
    administrator_stop();
    clients_stop();
}

// What keeps the venue from being at rest; NULL = nothing.
static const char *unrest(void)
{
    if (!processes_all_alive())
        return "not all processes run";
    const struct event_ring_control *core = processes_core();
    if (atomic_load(&core->core_state) != CORE_RUNNING ||
        atomic_load(&core->venue_state) != VENUE_OPEN)
        return "the venue is not open";
    if (atomic_load(&core->applied_seq) != laws_published())
        return "the journal is behind";
    if (postgres_cursor() != laws_published())
        return "the recorder is behind";
    const char *settlement = postgres_settlement_why_not();
    if (settlement != NULL)
        return settlement;
    const char *index = index_store_why_not();
    return index != NULL ? index : clients_why_not();
}

static bool is_at_rest(void)
{
    if (unrest() != NULL)
        weather.rest_since_ns = 0;
    else if (weather.rest_since_ns == 0)
        weather.rest_since_ns = scheduler_now_ns();
    return weather.rest_since_ns != 0 && scheduler_now_ns() - weather.rest_since_ns >= REST_NS;
}

static void come_to_rest(void)
{
    uint64_t bound_ns = scheduler_now_ns() + REST_BOUND_NS;
    scheduler_run(bound_ns, is_at_rest);
    LAW(is_at_rest(), "not at rest %llu s after the last fault: %s",
        (unsigned long long)(REST_BOUND_NS / SECOND), unrest() == NULL ? "it is" : unrest());
}

void weather_live(struct weather_life *out, uint64_t seed, enum weather_kind kind)
{
    begin(seed, &climates[kind]);
    scheduler_run(scheduler_now_ns() + between(climates[kind].life_ns), NULL);
    calm();
    come_to_rest();
    laws_judge();
    *out = (struct weather_life){.virtual_ns = scheduler_now_ns() - SCHEDULER_BEGIN_NS,
                                 .commands = laws_commands(),
                                 .trades = laws_trades(),
                                 .deaths = processes_deaths(),
                                 .power_failures = weather.power_failures,
                                 .answers = clients_answers(),
                                 .operations = files_operations(),
                                 .digest = story_digest()};
    postgres_count(&out->transactions, &out->moved, &out->nets, &out->incidents);
}
