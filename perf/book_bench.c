// Benchmark of the order book alone (book_alone.h), beside other people's (book_peers.h), on the
// workloads mix1, mix100 and match1 (workloads.h) or the same flows with a seed of one's own. Every
// contestant gets the same array of operations; rounds alternate; all must reach the expected
// trades, volume and checksum over makers and quantities.
//
// ns_per_op is a round's processor time by its operations. Percentiles come from one more round
// each, which times every operation by the processor's time stamp counter, less what reading it
// costs. rss_bytes is what of our book is in memory.
//
// `sparse`, `far` and `flat` are our book's alone: book_strain.h.
//
// Exit code 1: a result was wrong, or memory grew.
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <x86intrin.h>

#include "perf/book_alone.h"
#include "perf/book_peers.h"
#include "perf/book_strain.h"
#include "perf/measure.h"
#include "perf/report.h"
#include "perf/workloads.h"

enum { CONTESTANTS_MAX = 1 + BOOK_PEERS_MAX, ROUNDS_MAX = 9 };

static const uint64_t operations_of[] = {300000, 5000000, 5000000}; // by enum report_length
static const uint32_t rounds_of[] = {1, 5, 9};
static const uint64_t strain_of[] = {200000, 2000000, 5000000};
static const uint64_t flat_of[] = {20000000, 100000000, 1000000000};

struct bench {
    const struct workload *workload;
    struct arena arena;
    struct book_operation *operations; // prefill, then the timed ones
    size_t prefill, timed;
    struct order_flow_result expected;
    uint32_t *counts; // by timed operation
    double ns_per_count;
    uint32_t counter_cost;
};

// ---- operations

static struct book_operation operation_of(const struct order_flow_operation *from)
{
    static const uint8_t kinds[] = {[FLOW_NEW] = BOOK_NEW,
                                    [FLOW_CANCEL] = BOOK_CANCEL,
                                    [FLOW_IOC] = BOOK_IOC,
                                    [FLOW_REPLACE] = BOOK_REPLACE,
                                    [FLOW_MARKET] = BOOK_MARKET};
    return (struct book_operation){.kind = kinds[from->kind],
                                   .sell = from->sell,
                                   .instrument = (uint16_t)from->instrument,
                                   .quantity = from->quantity,
                                   .price = from->price,
                                   .id = from->id,
                                   .new_id = from->new_id};
}

// In huge pages: a page table walk for the next operation is none of the contestant's time.
static void *allocate(struct arena *arena, size_t count, size_t size)
{
    void *memory = arena_alloc(arena, count * size, 64);
    ASSERT(memory != NULL);
    memset(memory, 0, count * size); // touched now, not in the timed part
    return memory;
}

static void bench_open(struct bench *bench, const struct workload *workload, uint64_t operations,
                       uint64_t seed)
{
    struct order_flow *flow = order_flow_create(workload->matches_only, workload->instruments,
                                                workload->live, operations, seed);
    struct order_flow_operation operation;
    size_t count = 0;
    bench->workload = workload;
    bench->prefill = (size_t)workload->instruments * workload->live;
    bench->timed = operations;
    size_t all = bench->prefill + operations;
    int result = arena_open(&bench->arena,
                            all * (sizeof bench->operations[0] + sizeof bench->counts[0]) + 128);
    ASSERT(result == 0);
    bench->operations = allocate(&bench->arena, all, sizeof bench->operations[0]);
    bench->counts = allocate(&bench->arena, operations, sizeof bench->counts[0]);
    while (order_flow_next(flow, &operation)) {
        ASSERT(operation.counted == (count >= bench->prefill));
        bench->operations[count++] = operation_of(&operation);
    }
    ASSERT(count == bench->prefill + bench->timed);
    bench->expected = workload_expected(workload, operations, seed, flow);
    order_flow_destroy(flow);
}

static void bench_close(struct bench *bench)
{
    arena_close(&bench->arena);
}

// ---- a round

struct round {
    double ns_per_op;
    size_t resident; // 0 = not known
    struct book_tally tally;
};

static bool round_is_right(const struct bench *bench, const struct book_contestant *contestant,
                           const struct book_tally *tally)
{
    if (tally->trades == bench->expected.trades && tally->volume == bench->expected.volume &&
        tally->checksum == bench->expected.checksum)
        return true;
    fprintf(stderr,
            "book_bench: %s, %s: trades %" PRIu64 ", volume %" PRIu64 ", checksum %016" PRIx64
            " are not what was expected\n",
            bench->workload->name, contestant->name, tally->trades, tally->volume, tally->checksum);
    return false;
}

CHECKED static bool run_round(struct bench *bench, const struct book_contestant *contestant,
                              bool each_timed, struct round *round)
{
    const struct book_operation *timed = bench->operations + bench->prefill;
    void *books =
        contestant->open(bench->workload->instruments, workload_orders_max(bench->workload));
    *round = (struct round){0};
    contestant->run(books, bench->operations, bench->prefill, &round->tally);
    round->tally = (struct book_tally){0};
    uint64_t before = measure_processor_ns();
    if (each_timed)
        contestant->run_timed(books, timed, bench->timed, &round->tally, bench->counts);
    else
        contestant->run(books, timed, bench->timed, &round->tally);
    round->ns_per_op = (double)(measure_processor_ns() - before) / (double)bench->timed;
    if (contestant->resident != NULL)
        round->resident = contestant->resident(books);
    contestant->close(books);
    return round_is_right(bench, contestant, &round->tally);
}

// What the counter costs and how fast it goes.
static void calibrate(struct bench *bench)
{
    unsigned unused;
    uint64_t start_ns = measure_now_ns();
    uint64_t start = __rdtscp(&unused);
    bench->counter_cost = UINT32_MAX;
    while (measure_now_ns() - start_ns < 20000000) {
        uint64_t before = __rdtscp(&unused);
        uint64_t cost = __rdtscp(&unused) - before;
        if (cost < bench->counter_cost)
            bench->counter_cost = (uint32_t)cost;
    }
    bench->ns_per_count =
        (double)(measure_now_ns() - start_ns) / (double)(__rdtscp(&unused) - start);
}

CHECKED static bool run_samples(struct bench *bench, const struct book_contestant *contestant,
                                struct samples *samples)
{
    struct round round;
    samples_clear(samples);
    calibrate(bench);
    if (!run_round(bench, contestant, true, &round))
        return false;
    for (size_t i = 0; i < bench->timed; i++) {
        uint32_t counts =
            bench->counts[i] > bench->counter_cost ? bench->counts[i] - bench->counter_cost : 0;
        samples_add(samples, (uint64_t)((double)counts * bench->ns_per_count));
    }
    return true;
}

// ---- a workload

struct result { // of one contestant
    double ns[ROUNDS_MAX];
    struct samples samples;
    size_t resident;
};

static double mark_of(const struct workload *workload)
{
    if (strcmp(workload->name, "mix1") == 0)
        return 0.75;
    return strcmp(workload->name, "mix100") == 0 ? 0.35 : 0.6;
}

// Ours beside one peer, or alone.
static void print(const struct bench *bench, const struct report_options *options,
                  struct result *ours, const struct book_contestant *peer, struct result *theirs)
{
    uint32_t rounds = rounds_of[options->length];
    char checksum[17];
    struct report_line line = report_line("book", bench->workload->name, "ns_per_op");
    snprintf(checksum, sizeof checksum, "%016" PRIx64, bench->expected.checksum);
    line.min = measure_min(ours->ns, rounds);
    line.median = measure_median(ours->ns, rounds);
    report_samples(&line, &ours->samples);
    line.checksum = checksum;
    line.resident_bytes = ours->resident;
    if (peer != NULL) {
        line.floor = peer->name;
        line.floor_median = measure_median(theirs->ns, rounds);
        line.floor_p99 = samples_percentile(&theirs->samples, 0.99);
        line.floor_p999 = samples_percentile(&theirs->samples, 0.999);
        if (strcmp(peer->name, "geseq") == 0)
            line.mark = mark_of(bench->workload) * line.floor_median;
    }
    report_print(&line, options->json);
}

CHECKED static bool run_contest(struct bench *bench, const struct report_options *options,
                                const struct book_contestant *const *contestants, int count)
{
    static struct result results[CONTESTANTS_MAX];
    for (uint32_t i = 0; i < rounds_of[options->length]; i++) {
        for (int c = 0; c < count; c++) {
            struct round round;
            if (!run_round(bench, contestants[c], false, &round))
                return false;
            results[c].ns[i] = round.ns_per_op;
            results[c].resident = round.resident;
        }
    }
    for (int c = 0; c < count; c++)
        if (!run_samples(bench, contestants[c], &results[c].samples))
            return false;
    if (count == 1)
        print(bench, options, &results[0], NULL, NULL);
    for (int c = 1; c < count; c++)
        print(bench, options, &results[0], contestants[c], &results[c]);
    return true;
}

CHECKED static bool run_workload(const struct workload *workload,
                                 const struct report_options *options,
                                 const struct book_contestant *const *contestants, int count)
{
    struct bench bench = {0};
    bench_open(&bench, workload, operations_of[options->length],
               options->seeded ? options->seed : workload->seed);
    bool right = run_contest(&bench, options, contestants, count);
    bench_close(&bench);
    return right;
}

// ---- strain

static void print_strain(const struct report_options *options, const char *workload,
                         const struct strain *strain)
{
    struct report_line line = report_line("book", workload, "ns_per_op");
    line.min = line.median = strain->ns_per_op;
    line.resident_bytes = strain->resident;
    report_print(&line, options->json);
}

// Memory may not grow: what is there after a tenth of the run is there after the whole. The most
// that is allowed is less than a byte per 1000 operations of the long run: the number of open
// orders is a random walk with a new record now and then, and so is that of the long-lived.
enum { FLAT_GROWTH_MAX = 512 << 10 };

static bool run_flat(const struct report_options *options, uint64_t seed)
{
    struct strain early;
    struct strain late = strain_flat(flat_of[options->length], seed, &early);
    struct report_line line = report_line("book", "flat", "ns_per_op");
    line.min = line.median = late.ns_per_op;
    line.floor = "the first tenth of the run";
    line.floor_median = early.ns_per_op;
    line.resident_bytes = late.resident;
    report_print(&line, options->json);
    if (late.resident <= early.resident + FLAT_GROWTH_MAX)
        return true;
    fprintf(stderr, "book_bench: flat: %zu bytes after a tenth of the run, %zu at its end\n",
            early.resident, late.resident);
    return false;
}

static bool run_strain(const struct report_options *options)
{
    uint64_t seed = options->seeded ? options->seed : 42;
    uint64_t operations = strain_of[options->length];
    if (report_wanted(options, "sparse")) {
        struct strain strain = strain_sparse(operations, seed);
        print_strain(options, "sparse", &strain);
    }
    if (report_wanted(options, "far")) {
        struct strain strain = strain_far(operations, seed);
        print_strain(options, "far", &strain);
    }
    return !report_wanted(options, "flat") || run_flat(options, seed);
}

int main(int count, char **words)
{
    struct report_options options;
    const struct book_contestant *contestants[CONTESTANTS_MAX] = {&book_alone_contestant};
    bool right = true;
    if (!report_options_read(&options, count, words))
        return 2;
    int peers = options.length == LENGTH_SMOKE ? 0 : book_peers_load(&contestants[1]);
    for (size_t i = 0; i < WORKLOADS; i++)
        if (report_wanted(&options, workloads[i].name))
            right = run_workload(&workloads[i], &options, contestants, 1 + peers) && right;
    right = run_strain(&options) && right;
    return right ? 0 : 1;
}
