// Benchmark of the whole engine: every risk check, holds, matching, ledger and events, on the
// workloads mix1, mix100 and match1 (order_flow.h), beside its floor, the book alone
// (book_alone.h), driven by the very same commands. Both must reach the published checksum over
// makers and quantities. The -wide ones are the same flows from 100,000 accounts in no order, in a
// venue of 1,000 instruments, with every control on (flow_controls.h); `control NAME` is mix1-wide
// with all of them beside its floor, the same commands with all but this one, in turns.
//
// Replaces are a cancel and a new order. Commands are made and events are read outside the timed
// part, in chunks; events go to a ring as large as the venue's. ns_per_command is a round's
// processor time by its number of commands: processor time, because on a shared machine a thread
// loses its CPU now and then. Percentiles come from one more round that times every command on its
// own, by the processor's time stamp counter, less what reading the counter costs.
//
// Exit code 1: a checksum differs.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "base/arena.h"
#include "matcher/engine.h"
#include "perf/book_alone.h"
#include "perf/flow_commands.h"
#include "perf/flow_controls.h"
#include "perf/measure.h"
#include "perf/report.h"
#include "perf/workloads.h"

enum {
    CHUNK = 16384, // operations
    RING_EVENTS = 1 << 18,
    ROUNDS_MAX = 9,
    LEVELS_MAX = 100000,
    AHEAD = 2,              // commands between two steps of looking ahead
    INCARNATION = 1,        // of the gateways
    WIDE_STEP_NS = 1000000, // between two commands
};

static const uint64_t operations_of[] = {300000, 1000000, 5000000}; // by enum report_length
static const uint32_t rounds_of[] = {1, 5, 7};
static const uint32_t accounts_of[] = {1000, 100000, 100000}; // of the wide venue

struct bench {
    const struct workload *workload;
    struct flow_venue venue;
    uint64_t step_ns; // between two commands
    uint64_t operations;
    bool book_only;     // the floor
    bool looks_ahead;   // as the core would
    struct arena arena; // the engine's: as the core has it, in large pages where there are some
    struct engine *engine;
    struct book_alone book;
    struct event_sink sink;
    uint8_t *commands; // CHUNK * 2 of FLOW_COMMAND_BYTES
    uint32_t command_count;
    uint64_t sequence;
    uint64_t *sequence_of; // by the flow's order id
    uint32_t *id_of;       // by sequence
    struct order_flow_result result;
    uint64_t commands_timed;
    uint64_t nanoseconds;
    struct samples *samples; // NULL: time whole chunks
    double ns_per_count;
    uint64_t counter_cost;
};

// ---- commands

static void stamp(struct bench *bench, struct command *command)
{
    command->header.sequence = ++bench->sequence;
    command->header.time_ns = bench->sequence * bench->step_ns;
    command->header.incarnation = INCARNATION;
}

static struct command *next_command(struct bench *bench)
{
    size_t offset = (size_t)bench->command_count++ * FLOW_COMMAND_BYTES;
    return (struct command *)(void *)(bench->commands + offset);
}

static void add_new(struct bench *bench, const struct order_flow_operation *operation, uint32_t id)
{
    struct command *command = next_command(bench);
    flow_command_new(command, &bench->venue, operation, id);
    stamp(bench, command);
    bench->sequence_of[id] = bench->sequence;
    bench->id_of[bench->sequence] = id;
}

static void add_cancel(struct bench *bench, uint32_t instrument, uint32_t id)
{
    struct command *command = next_command(bench);
    flow_command_cancel(command, &bench->venue, instrument, id, bench->sequence_of[id]);
    stamp(bench, command);
}

static void add_operation(struct bench *bench, const struct order_flow_operation *operation)
{
    if (operation->kind == FLOW_CANCEL || operation->kind == FLOW_REPLACE)
        add_cancel(bench, operation->instrument, operation->id);
    if (operation->kind != FLOW_CANCEL)
        add_new(bench, operation,
                operation->kind == FLOW_REPLACE ? operation->new_id : operation->id);
}

// ---- applying

static const struct command *command_at(const struct bench *bench, uint32_t i)
{
    return (const struct command *)(const void *)(bench->commands + (size_t)i * FLOW_COMMAND_BYTES);
}

static void apply_one(struct bench *bench, const struct command *command)
{
    if (bench->book_only) {
        book_alone_apply(&bench->book, command);
        return;
    }
    bench->sink.position += bench->sink.count;
    bench->sink.count = 0;
    engine_apply(bench->engine, command, &bench->sink);
}

// As the core does (core/look_ahead.h). The records besides: the core has just read them in its
// ring.
static void look_ahead(struct bench *bench, uint32_t i)
{
    const uint8_t *record = (const uint8_t *)command_at(bench, i + AHEAD * 2 * ENGINE_FETCH_STEPS);
    __builtin_prefetch(record);
    __builtin_prefetch(record + SLOT_BYTES);
    for (uint32_t step = 0; step < ENGINE_FETCH_STEPS; step++) {
        uint32_t ahead = i + AHEAD * (ENGINE_FETCH_STEPS - step);
        if (ahead < bench->command_count)
            engine_fetch(bench->engine, command_at(bench, ahead), step);
    }
}

static void apply_each_timed(struct bench *bench)
{
    unsigned unused;
    for (uint32_t i = 0; i < bench->command_count; i++) {
        uint64_t before = __rdtscp(&unused);
        if (bench->looks_ahead)
            look_ahead(bench, i);
        apply_one(bench, command_at(bench, i));
        uint64_t counts = __rdtscp(&unused) - before;
        counts = counts > bench->counter_cost ? counts - bench->counter_cost : 0;
        samples_add(bench->samples, (uint64_t)((double)counts * bench->ns_per_count));
    }
}

static void apply_chunk(struct bench *bench, bool counted)
{
    if (bench->samples != NULL && counted) {
        apply_each_timed(bench);
    } else {
        uint64_t before = measure_processor_ns();
        for (uint32_t i = 0; i < bench->command_count; i++) {
            if (bench->looks_ahead)
                look_ahead(bench, i);
            apply_one(bench, command_at(bench, i));
        }
        bench->nanoseconds += counted ? measure_processor_ns() - before : 0;
    }
    bench->commands_timed += counted ? bench->command_count : 0;
    bench->command_count = 0;
}

// ---- results

static void note_match(struct bench *bench, uint64_t maker, uint64_t quantity)
{
    bench->result.trades++;
    bench->result.volume += quantity;
    bench->result.checksum =
        order_flow_checksum(bench->result.checksum, bench->id_of[maker], quantity);
}

// Refusals other than "nothing to trade with" are faults of the benchmark.
static void assert_accepted(const struct event *event)
{
    if (event->header.type != EVT_rejected || event->body.rejected.code == REJECT_NO_LIQUIDITY)
        return;
    char text[512];
    (void)event_dump(event, text, sizeof(text));
    fprintf(stderr, "engine_bench: %s\n", text);
    ASSERT(false);
}

static void read_events(struct bench *bench, uint64_t from, bool counted)
{
    for (uint64_t at = from; at < bench->sink.position + bench->sink.count; at++) {
        const struct event *event = &bench->sink.events[at & bench->sink.mask];
        assert_accepted(event);
        if (event->header.type == EVT_trade && counted)
            note_match(bench, event->body.trade.maker_order, (uint64_t)event->body.trade.quantity);
    }
}

static void read_matches(struct bench *bench, bool counted)
{
    for (uint32_t i = 0; i < bench->book.match_count && counted; i++)
        note_match(bench, bench->book.matches[i].maker, bench->book.matches[i].quantity);
    bench->book.match_count = 0;
}

static bool result_is_right(const struct bench *bench, const struct order_flow *flow)
{
    struct order_flow_result want =
        workload_expected(bench->workload, bench->operations, bench->workload->seed, flow);
    if (bench->result.trades == want.trades && bench->result.volume == want.volume &&
        bench->result.checksum == want.checksum)
        return true;
    fprintf(stderr,
            "engine_bench: %s, %s: trades %" PRIu64 ", volume %" PRIu64 ", checksum %016" PRIx64
            " differ from the published ones\n",
            bench->workload->name, bench->book_only ? "book alone" : "engine", bench->result.trades,
            bench->result.volume, bench->result.checksum);
    return false;
}

// ---- a round

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    ASSERT(memory != NULL);
    memset(memory, 0, bytes); // touched now, not in the timed part
    return memory;
}

static void set_up(void *context, struct command *command)
{
    struct bench *bench = context;
    stamp(bench, command);
    apply_one(bench, command);
    if (!bench->book_only)
        assert_accepted(&bench->sink.events[bench->sink.position & bench->sink.mask]);
}

static void open_engine(struct bench *bench, uint32_t orders)
{
    struct engine_limits limits = flow_limits(&bench->venue, orders);
    size_t bytes = engine_bytes(&limits);
    int result = arena_open(&bench->arena, bytes);
    ASSERT(result == 0);
    void *memory = arena_alloc(&bench->arena, bytes, 64);
    memset(memory, 0, bytes); // touched now, not in the timed part
    bench->engine = engine_init(memory, &limits);
    bench->looks_ahead = engine_is_wide(bench->engine);
    bench->sink = (struct event_sink){.events = allocate(RING_EVENTS * sizeof(struct event)),
                                      .mask = RING_EVENTS - 1};
}

// At most.
static uint64_t set_up_commands(const struct flow_venue *venue)
{
    uint64_t instruments = venue->instruments + venue->others;
    uint64_t tokens = venue->instruments / venue->groups + 1;
    return 10000 + 10 * instruments + venue->accounts * (tokens + 5);
}

static void bench_open(struct bench *bench)
{
    uint64_t live = (uint64_t)bench->workload->instruments * bench->workload->live;
    uint64_t commands = 2 * (live + bench->operations) + set_up_commands(&bench->venue);
    uint32_t orders = workload_orders_max(bench->workload);
    if (bench->book_only) {
        book_alone_open(&bench->book, bench->workload->instruments, orders, LEVELS_MAX);
        bench->book.matches = allocate((CHUNK * 2 + (size_t)orders) * sizeof(struct book_match));
    } else {
        open_engine(bench, orders);
    }
    bench->commands = allocate((size_t)CHUNK * 2 * FLOW_COMMAND_BYTES);
    bench->sequence_of = allocate(commands * sizeof(uint64_t));
    bench->id_of = allocate(commands * sizeof(uint32_t));
    flow_venue_make(&bench->venue, INCARNATION, set_up, bench);
}

static void bench_close(struct bench *bench)
{
    if (bench->book_only) {
        free(bench->book.matches);
        book_alone_close(&bench->book);
    } else {
        engine_check(bench->engine);
        arena_close(&bench->arena);
        free(bench->sink.events);
    }
    free(bench->commands);
    free(bench->sequence_of);
    free(bench->id_of);
}

static void run_chunk(struct bench *bench, bool counted)
{
    uint64_t from = bench->sink.position + bench->sink.count;
    apply_chunk(bench, counted);
    if (bench->book_only) {
        read_matches(bench, counted);
        return;
    }
    ASSERT(bench->sink.position + bench->sink.count - from <= RING_EVENTS);
    read_events(bench, from, counted);
}

static bool run_round(struct bench *bench)
{
    const struct workload *workload = bench->workload;
    struct order_flow *flow = order_flow_create(workload->matches_only, workload->instruments,
                                                workload->live, bench->operations, workload->seed);
    struct order_flow_operation operation;
    bool counted = false;
    uint32_t in_chunk = 0;
    bench_open(bench);
    while (order_flow_next(flow, &operation)) {
        if (in_chunk == CHUNK || (operation.counted && !counted)) {
            run_chunk(bench, counted);
            in_chunk = 0;
        }
        counted = operation.counted;
        add_operation(bench, &operation);
        in_chunk++;
    }
    run_chunk(bench, counted);
    bool right = result_is_right(bench, flow);
    bench_close(bench);
    order_flow_destroy(flow);
    return right;
}

// ---- the whole

static void calibrate(struct bench *bench)
{
    unsigned unused;
    uint64_t start_ns = measure_now_ns();
    uint64_t start = __rdtscp(&unused);
    bench->counter_cost = UINT64_MAX;
    while (measure_now_ns() - start_ns < 20000000) {
        uint64_t before = __rdtscp(&unused);
        uint64_t cost = __rdtscp(&unused) - before;
        bench->counter_cost = cost < bench->counter_cost ? cost : bench->counter_cost;
    }
    bench->ns_per_count =
        (double)(measure_now_ns() - start_ns) / (double)(__rdtscp(&unused) - start);
}

// A contest: a flow in a venue.
struct contest {
    const char *name;
    const struct workload *workload;
    struct flow_venue venue;
    uint64_t step_ns;
    uint64_t operations;
    uint32_t rounds;
    double mark; // the most that a command may take; 0 = none is set
};

static struct bench bench_of(const struct contest *contest, bool book_only)
{
    return (struct bench){.workload = contest->workload,
                          .venue = contest->venue,
                          .step_ns = contest->step_ns,
                          .operations = contest->operations,
                          .book_only = book_only};
}

// One round of the engine or its floor; *ns = time per command.
static bool run_contestant(const struct contest *contest, bool book_only, double *ns)
{
    struct bench bench = bench_of(contest, book_only);
    bool right = run_round(&bench);
    *ns = (double)bench.nanoseconds / (double)bench.commands_timed;
    return right;
}

static bool run_samples(const struct contest *contest, struct samples *samples, char checksum[17])
{
    struct bench bench = bench_of(contest, false);
    bench.samples = samples;
    samples_clear(samples);
    calibrate(&bench);
    bool right = run_round(&bench);
    snprintf(checksum, 17, "%016" PRIx64, bench.result.checksum);
    return right;
}

static bool run_contest(const struct contest *contest, bool json)
{
    static struct samples samples;
    double engine_ns[ROUNDS_MAX];
    double book_ns[ROUNDS_MAX];
    char checksum[17];
    bool right = true;
    for (uint32_t i = 0; i < contest->rounds && right; i++)
        right = run_contestant(contest, false, &engine_ns[i]) &&
                run_contestant(contest, true, &book_ns[i]);
    if (!right || !run_samples(contest, &samples, checksum))
        return false;
    struct report_line line = report_line("engine", contest->name, "ns_per_command");
    line.min = measure_min(engine_ns, contest->rounds);
    line.median = measure_median(engine_ns, contest->rounds);
    report_samples(&line, &samples);
    line.floor = "book alone";
    line.floor_median = measure_median(book_ns, contest->rounds);
    line.mark = contest->mark != 0 ? contest->mark : line.mark;
    line.checksum = checksum;
    line.memory = true;
    report_print(&line, json);
    return true;
}

// What one control costs: all of them against all but this one.
static bool run_control(const struct contest *wide, enum flow_control control, bool json)
{
    struct contest without = *wide;
    double on_ns[ROUNDS_MAX];
    double off_ns[ROUNDS_MAX];
    char name[64];
    without.venue.controls &= ~(1u << control);
    for (uint32_t i = 0; i < wide->rounds; i++)
        if (!run_contestant(wide, false, &on_ns[i]) || !run_contestant(&without, false, &off_ns[i]))
            return false;
    snprintf(name, sizeof name, "control %s", flow_control_name(control));
    struct report_line line = report_line("engine", name, "ns_per_command");
    line.min = measure_min(on_ns, wide->rounds);
    line.median = measure_median(on_ns, wide->rounds);
    line.floor = "without it";
    line.floor_median = measure_median(off_ns, wide->rounds);
    report_print(&line, json);
    return true;
}

static struct contest contest_of(const struct workload *workload, enum report_length length)
{
    return (struct contest){.name = workload->name,
                            .workload = workload,
                            .venue = flow_small(workload->instruments),
                            .step_ns = 1,
                            .operations = operations_of[length],
                            .rounds = rounds_of[length]};
}

static struct contest wide_contest_of(const struct workload *workload, const char *name,
                                      enum report_length length)
{
    struct contest contest = contest_of(workload, length);
    contest.name = name;
    contest.venue = flow_wide(workload->instruments, accounts_of[length], FLOW_CONTROLS_ALL);
    contest.step_ns = WIDE_STEP_NS;
    return contest;
}

static bool run_wide(const struct report_options *options)
{
    struct contest mix1 = wide_contest_of(&workloads[0], "mix1-wide", options->length);
    struct contest mix100 = wide_contest_of(&workloads[1], "mix100-wide", options->length);
    bool right = true;
    ASSERT(!strcmp(workloads[0].name, "mix1") && !strcmp(workloads[1].name, "mix100"));
    mix1.mark = 120;
    mix100.mark = 250;
    if (report_wanted(options, mix1.name))
        right = run_contest(&mix1, options->json) && right;
    if (report_wanted(options, mix100.name))
        right = run_contest(&mix100, options->json) && right;
    for (uint32_t i = 0; i < FLOW_CONTROL_COUNT && right && report_wanted(options, "controls"); i++)
        right = run_control(&mix1, (enum flow_control)i, options->json);
    return right;
}

int main(int count, char **words)
{
    struct report_options options;
    if (!report_options_read(&options, count, words))
        return 2;
    bool right = true;
    for (size_t i = 0; i < WORKLOADS; i++) {
        struct contest contest = contest_of(&workloads[i], options.length);
        if (report_wanted(&options, contest.name))
            right = run_contest(&contest, options.json) && right;
    }
    return run_wide(&options) && right ? 0 : 1;
}
