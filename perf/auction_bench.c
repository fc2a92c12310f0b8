// Benchmark of what one word of an operator sets off: a call auction over 100,000 orders, and a
// mass cancel of 10,000, in as many bounded commands as they need.
//
//   uncross_all   every order crosses: buys above, sells below one price
//   uncross_half  prices are drawn from one range for both sides: about half of them trade
//   mass_cancel   one session's 10,000 orders among 100,000
//
// Orders come by the venue's own commands, with every check; only the change of phase, or the mass
// cancel, and their continuations are timed, by the thread's processor time. The floor is writing
// just as many events to the same ring. Both contestants take turns. The checksum is over all
// events of the timed part; every round must reach the same.
//
// Exit code 1: rounds differ, or the book is not as it must be afterwards.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/digest.h"
#include "matcher/engine.h"
#include "perf/flow_commands.h"
#include "perf/measure.h"
#include "perf/report.h"

enum {
    ORDERS = 100000,
    CANCELLED = 10000, // of them
    RING_EVENTS = 1 << 18,
    ROUNDS_MAX = 31,
    INCARNATION = 1,
    MIDDLE = 32768, // ticks
    WIDTH = 200,
    QUANTITY_MAX = 100,
    SESSIONS = 8, // of flow_commands.h, eight accounts each
    SESSION_ACCOUNTS = 8,
};

static const uint32_t rounds_of[] = {1, 9, 31}; // by enum report_length

struct workload {
    const char *name;
    bool all_cross;
    bool cancels;
    double mark_ns;
};

static const struct workload workloads[] = {
    {"uncross_all", true, false, 5e6},
    {"uncross_half", false, false, 5e6},
    {"mass_cancel", false, true, 1e6},
};

struct bench {
    const struct workload *workload;
    struct flow_venue venue;
    struct arena arena; // as the core has it: in large pages where there are some
    struct engine *engine;
    struct event_sink sink;
    uint8_t command[COMMAND_BYTES_MAX];
    uint64_t sequence;
    uint64_t random;
    uint64_t seed;
};

struct round {
    double ns;
    double floor_ns;
    uint64_t events;
    uint64_t checksum;
};

// ---- the venue

static uint64_t draw(struct bench *bench, uint64_t below)
{
    bench->random ^= bench->random << 13;
    bench->random ^= bench->random >> 7;
    bench->random ^= bench->random << 17;
    return bench->random % below;
}

static struct command *command_of(struct bench *bench)
{
    return (struct command *)(void *)bench->command;
}

static void apply(struct bench *bench, struct command *command)
{
    command->header.sequence = ++bench->sequence;
    command->header.time_ns = bench->sequence;
    command->header.incarnation = INCARNATION;
    bench->sink.position += bench->sink.count;
    bench->sink.count = 0;
    engine_apply(bench->engine, command, &bench->sink);
}

static void set_up(void *context, struct command *command)
{
    struct bench *bench = context;
    apply(bench, command);
    ASSERT(bench->sink.events[bench->sink.position & bench->sink.mask].header.type != EVT_rejected);
}

static void start_phase(struct bench *bench, uint8_t phase)
{
    struct command *command = command_of(bench);
    memset(command, 0, SLOT_BYTES);
    command->header = (struct command_header){.slots = command_slots(CMD_instrument_phase, 0),
                                              .type = CMD_instrument_phase,
                                              .version = SCHEMA_VERSION,
                                              .gateway = GATEWAY_ADMIN};
    command->body.instrument_phase.instrument = 1;
    command->body.instrument_phase.phase = phase;
}

static void start_mass_cancel(struct bench *bench)
{
    struct command *command = command_of(bench);
    memset(command, 0, SLOT_BYTES);
    command->header = (struct command_header){.slots = command_slots(CMD_order_mass_cancel, 0),
                                              .type = CMD_order_mass_cancel,
                                              .version = SCHEMA_VERSION,
                                              .gateway = GATEWAY_FIX,
                                              .session = 1};
}

// The flow's ids say whose an order is: eight in a row are one session's.
static uint32_t id_of(const struct bench *bench, uint32_t i)
{
    if (!bench->workload->cancels)
        return i;
    uint32_t every = ORDERS / CANCELLED;
    bool first = i % every == 0;
    uint32_t session = first ? 0 : 1 + i % (SESSIONS - 1);
    return (i / every % SESSION_ACCOUNTS) + session * SESSION_ACCOUNTS;
}

static void add_order(struct bench *bench, uint32_t i)
{
    uint64_t offset = draw(bench, WIDTH);
    bool sell = draw(bench, 2) != 0;
    uint64_t price = MIDDLE - WIDTH / 2 + offset;
    if (bench->workload->all_cross)
        price = sell ? MIDDLE - offset : MIDDLE + offset;
    const struct order_flow_operation operation = {.kind = FLOW_NEW,
                                                   .sell = sell,
                                                   .price = (uint32_t)price,
                                                   .quantity =
                                                       1 + (uint32_t)draw(bench, QUANTITY_MAX)};
    flow_command_new(command_of(bench), &bench->venue, &operation, id_of(bench, i));
    set_up(bench, command_of(bench));
}

// ---- a round

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    ASSERT(memory != NULL);
    memset(memory, 0, bytes); // touched now, not in the timed part
    return memory;
}

static void bench_open(struct bench *bench)
{
    bench->venue = flow_small(1);
    const struct engine_limits limits = flow_limits(&bench->venue, ORDERS);
    bench->random = bench->seed;
    int result = arena_open(&bench->arena, engine_bytes(&limits));
    ASSERT(result == 0);
    bench->engine = engine_init(arena_alloc(&bench->arena, engine_bytes(&limits), 64), &limits);
    bench->sink = (struct event_sink){.events = allocate(RING_EVENTS * sizeof(struct event)),
                                      .mask = RING_EVENTS - 1};
    flow_venue_make(&bench->venue, INCARNATION, set_up, bench);
    start_phase(bench, PHASE_OPENING_AUCTION);
    set_up(bench, command_of(bench));
    for (uint32_t i = 0; i < ORDERS; i++)
        add_order(bench, i);
    if (bench->workload->cancels)
        start_mass_cancel(bench);
    else
        start_phase(bench, PHASE_CONTINUOUS);
}

static void apply_all(struct bench *bench)
{
    apply(bench, command_of(bench));
    while (engine_continuation(bench->engine, command_of(bench)))
        apply(bench, command_of(bench));
}

// As many events, written to where the engine would write them.
static double floor_ns(const struct bench *bench, uint64_t from, uint64_t count)
{
    struct event event;
    memset(&event, 1, sizeof event);
    uint64_t before_ns = measure_processor_ns();
    for (uint64_t i = from; i < from + count; i++) {
        event.header.sequence = i;
        bench->sink.events[i & bench->sink.mask] = event;
        __asm__ volatile("" ::: "memory");
    }
    return (double)(measure_processor_ns() - before_ns);
}

static struct round run_round(struct bench *bench)
{
    struct round round = {0};
    bench_open(bench);
    uint64_t from = bench->sink.position + bench->sink.count;
    uint64_t before_ns = measure_processor_ns();
    apply_all(bench);
    round.ns = (double)(measure_processor_ns() - before_ns);
    round.events = bench->sink.position + bench->sink.count - from;
    ASSERT(round.events < RING_EVENTS);
    for (uint64_t i = from; i < from + round.events; i++)
        round.checksum = digest_record(round.checksum, &bench->sink.events[i & bench->sink.mask]);
    round.floor_ns = floor_ns(bench, from, round.events);
    engine_check(bench->engine); // the book does not cross any more
    ASSERT(!bench->workload->cancels || engine_open_orders(bench->engine) == ORDERS - CANCELLED);
    arena_close(&bench->arena);
    free(bench->sink.events);
    bench->sequence = 0;
    return round;
}

// ---- the whole

static bool run_workload(const struct workload *workload, const struct report_options *options)
{
    struct bench *bench = allocate(sizeof *bench);
    uint32_t rounds = rounds_of[options->length];
    double ns[ROUNDS_MAX];
    double floors[ROUNDS_MAX];
    struct round last = {0};
    bench->workload = workload;
    bench->seed = options->seeded && options->seed != 0 ? options->seed : 0x9e3779b97f4a7c15;
    for (uint32_t i = 0; i < rounds; i++) {
        struct round round = run_round(bench);
        if (i > 0 && (round.checksum != last.checksum || round.events != last.events)) {
            fprintf(stderr, "auction_bench: %s: rounds differ\n", workload->name);
            return false;
        }
        last = round;
        ns[i] = round.ns;
        floors[i] = round.floor_ns;
    }
    free(bench);
    char checksum[17];
    snprintf(checksum, sizeof checksum, "%016" PRIx64, last.checksum);
    struct report_line line = report_line("auction", workload->name, "ns");
    line.min = measure_min(ns, rounds);
    line.median = measure_median(ns, rounds);
    line.floor = "events alone";
    line.floor_median = measure_median(floors, rounds);
    line.mark = workload->mark_ns;
    line.checksum = checksum;
    line.memory = true;
    report_print(&line, options->json);
    return true;
}

int main(int count, char **words)
{
    struct report_options options;
    if (!report_options_read(&options, count, words))
        return 2;
    bool right = true;
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++)
        if (report_wanted(&options, workloads[i].name))
            right = run_workload(&workloads[i], &options) && right;
    return right ? 0 : 1;
}
