#include "perf/bench_core.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memfile.h"
#include "perf/flow_commands.h"
#include "perf/machine.h"
#include "perf/measure.h"

enum { HEARTBEAT_TIMEOUT_MS = 600000, EPOCH = 1 };

#define BENCH_CONFIG_INT(group, key, def, min, max, doc) config->group##_##key = (def);
#define BENCH_CONFIG_TEXT(group, key, def, doc)                                                    \
    snprintf(config->group##_##key, sizeof config->group##_##key, "%s", def);

static void configure(struct config *config, const struct flow_venue *venue, uint32_t orders_max)
{
    struct engine_limits limits = flow_limits(venue, orders_max);
    CONFIG_KEYS(BENCH_CONFIG_INT, BENCH_CONFIG_TEXT)
    config->venue_open_when_attached = 0; // the flow's own command does it
    config->core_heartbeat_timeout_ms = HEARTBEAT_TIMEOUT_MS;
    config->limits_accounts_max = limits.accounts_max;
    config->limits_members_max = limits.members_max;
    config->limits_sessions_max = limits.sessions_max;
    config->limits_session_accounts_max = limits.session_accounts_max;
    config->limits_assets_max = limits.assets_max;
    config->limits_instruments_max = limits.instruments_max;
    config->limits_balances_max = limits.balances_max;
    config->limits_orders_max = limits.orders_max;
    config->limits_levels_max = limits.levels_max;
    config->limits_stops_max = limits.stops_max;
    config->limits_trailing_stops_max = limits.trailing_stops_max;
    config->limits_fees_max = limits.fees_max;
    config->limits_command_events_max = limits.command_events_max;
}

static void make_memory(struct boot *boot)
{
    uint64_t slots = (uint64_t)boot->config.rings_command_slots;
    boot->event_ring_fd =
        memfile_create("bench", event_ring_bytes((uint64_t)boot->config.rings_events));
    ASSERT(boot->event_ring_fd >= 0);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        boot->command_ring_fd[i] = -1;
    boot->command_ring_fd[GATEWAY_FIX] = memfile_create("bench", command_ring_bytes(slots));
    boot->command_ring_fd[GATEWAY_ADMIN] = memfile_create("bench", command_ring_bytes(slots));
    for (int i = 0; i < PROCESS_COUNT; i++)
        boot->reader_page_fd[i] = boot->doorbell_fd[i] = -1;
}

void bench_core_boot(struct boot *boot, const char *folder, const struct flow_venue *venue,
                     uint32_t orders_max)
{
    memset(boot, 0, sizeof *boot);
    boot->magic = BOOT_MAGIC;
    boot->version = BOOT_VERSION;
    boot->process = PROCESS_CORE;
    boot->incarnation = 1;
    configure(&boot->config, venue, orders_max);
    int n = snprintf(boot->config.venue_state_folder, sizeof boot->config.venue_state_folder, "%s",
                     folder);
    ASSERT(n > 0 && (size_t)n < sizeof boot->config.venue_state_folder);
    make_memory(boot);
}

void bench_core_boot_close(struct boot *boot)
{
    close(boot->event_ring_fd);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        if (boot->command_ring_fd[i] >= 0)
            close(boot->command_ring_fd[i]);
}

static void open_rings(struct bench_core *core)
{
    const struct boot *boot = &core->boot;
    uint64_t slots = (uint64_t)boot->config.rings_command_slots;
    ASSERT(command_ring_open_producer(&core->fix, boot->command_ring_fd[GATEWAY_FIX], slots) == 0);
    ASSERT(command_ring_open_producer(&core->admin, boot->command_ring_fd[GATEWAY_ADMIN], slots) ==
           0);
    ASSERT(event_ring_open_writer(&core->ring, boot->event_ring_fd,
                                  (uint64_t)boot->config.rings_events,
                                  (uint64_t)boot->config.limits_command_events_max) == 0);
}

static void *core_thread(void *context)
{
    struct bench_core *core = context;
    machine_pin(machine_cpus() - 1); // as core.cpu does it
    while (!atomic_load_explicit(&core->stop, memory_order_relaxed)) {
        int result = sequencer_work(&core->sequencer);
        ASSERT(result >= 0);
        if (result == 0)
            sequencer_idle(&core->sequencer);
    }
    return NULL;
}

static void start(struct bench_core *core)
{
    const struct config *config = &core->boot.config;
    struct engine_limits limits = replay_limits(config);
    ASSERT(replay_open(&core->replay, &limits) == 0);
    ASSERT(gate_open(&core->gate, &core->boot, core->ring.control) == 0);
    struct journal_options options = {
        .segments = replay_terms(&limits, (uint64_t)config->journal_segment_bytes),
        .epoch = EPOCH,
        .next_sequence = 1,
        .queue_slots = (uint64_t)config->rings_command_slots,
    };
    ASSERT(journal_open(&core->journal, &core->io, &core->gate, &clock_system, &options) == 0);
    ASSERT(sequencer_open(&core->sequencer, &core->boot, &core->replay, &core->journal, &core->gate,
                          &core->ring, &clock_system, EPOCH) == 0);
    ASSERT(journal_start(&core->journal, (int)config->core_realtime_priority) == 0);
    ASSERT(pthread_create(&core->thread, NULL, core_thread, core) == 0);
}

// ---- as a gateway

static bool send_by(struct bench_core *core, struct command_ring *ring,
                    const struct command *command)
{
    struct command *out = command_ring_claim(ring, command->header.slots, false);
    if (out == NULL)
        return false;
    memcpy(out, command, (size_t)command->header.slots * SLOT_BYTES);
    out->header.incarnation = core->boot.incarnation;
    out->header.gateway_seq = ++core->gateway_seq;
    command_ring_publish(ring);
    return true;
}

bool bench_core_send(struct bench_core *core, const struct command *command)
{
    return send_by(core, &core->fix, command);
}

void bench_core_beat(struct bench_core *core)
{
    uint64_t now_ns = measure_now_ns();
    atomic_store_explicit(&core->fix.control->heartbeat_ns, now_ns, memory_order_relaxed);
    atomic_store_explicit(&core->admin.control->heartbeat_ns, now_ns, memory_order_relaxed);
}

uint64_t bench_core_applied(const struct bench_core *core)
{
    return atomic_load_explicit(&core->ring.control->applied_seq, memory_order_acquire);
}

uint64_t bench_core_durable(const struct bench_core *core)
{
    return atomic_load_explicit(&core->ring.control->durable_seq, memory_order_acquire);
}

uint64_t bench_core_counter(const struct bench_core *core, enum core_counter counter)
{
    return atomic_load_explicit(&core->ring.control->counters[counter], memory_order_relaxed);
}

// One command at a time, so that the order over two rings is the order of sending.
static void send_set_up(void *context, struct command *command)
{
    struct bench_core *core = context;
    bool fix = command->header.gateway == GATEWAY_FIX;
    uint64_t before = bench_core_durable(core);
    ASSERT(send_by(core, fix ? &core->fix : &core->admin, command));
    while (bench_core_durable(core) == before)
        usleep(20);
}

// ---- life

void bench_core_open(struct bench_core *core, const char *folder, const struct flow_venue *venue,
                     uint32_t orders_max, bool durable)
{
    memset(core, 0, sizeof *core);
    bench_core_boot(&core->boot, folder, venue, orders_max);
    ASSERT(journal_io_file_open(&core->io, &core->io_file, folder, durable) == 0);
    open_rings(core);
    bench_core_beat(core);
    start(core);
    flow_venue_make(venue, core->boot.incarnation, send_set_up, core);
    while (bench_core_durable(core) != bench_core_applied(core))
        usleep(20);
}

void bench_core_close(struct bench_core *core)
{
    atomic_store(&core->stop, true);
    ASSERT(pthread_join(core->thread, NULL) == 0);
    journal_stop(&core->journal);
    engine_check(core->replay.engine);
    sequencer_close(&core->sequencer);
    journal_close(&core->journal);
    gate_close(&core->gate);
    replay_close(&core->replay);
    journal_io_file_close(&core->io_file);
    command_ring_close(&core->fix);
    command_ring_close(&core->admin);
    event_ring_close(&core->ring);
    bench_core_boot_close(&core->boot);
}
