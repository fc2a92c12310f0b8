// Benchmark of the way from a gateway's command ring to durable: the real sequencer, engine and
// journal (bench_core.h) under the flow of mix1, open loop: every command has a time at which it is
// to be sent, and its latency counts from then, whether the venue was ready to take it or not.
// Beside it, in turn, a bare 4 KiB write to a zero-filled file of the same folder with the same
// flags and the same thread priority, at the same rate; and back to back, in a line of its own. At
// the rate that has a mark, group commit with nothing else to do, beside the same filling of
// segments (bare_group.h): what the disk alone makes of the p99.
//
// The load thread is pinned to the first CPU and spins, the core thread to the last one (core.cpu).
// The venue's threads sleep when they have nothing to do, as in life, so at low rates idle figures
// hold two wake-ups of an idle CPU. With the hog no CPU sleeps. How often the journal had to wait
// for a fresh segment is said on standard error.
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/journal_format.h"
#include "perf/bare_group.h"
#include "perf/bare_write.h"
#include "perf/bench_core.h"
#include "perf/flow_commands.h"
#include "perf/machine.h"
#include "perf/measure.h"
#include "perf/report.h"

enum {
    LIVE = 10000,
    ORDERS_MAX = 4 * LIVE,
    COMMANDS_PER_RUN_MAX = 2000000,
    RATES_MAX = 6,
    ROUNDS_MAX = 3,
    SETTLE_MS = 100, // between the filling of the ring and the first command
    MARK_P99_NS = 5000000,
    MARK_RATE = 500000,
};

struct length {
    uint32_t rates[RATES_MAX]; // commands/s; 0 = end
    uint32_t rounds;
    double seconds; // per run
};

static const struct length lengths[] = {
    {{10000}, 1, 0.2},
    {{1000, 10000, 100000, 500000}, 2, 1.0},
    {{100, 1000, 10000, 100000, 250000, 500000}, 3, 3.0},
};

struct bench {
    struct bench_core core;
    struct flow_venue venue;
    struct bare_write write;
    struct order_flow *flow;
    struct order_flow_operation half; // of a replace whose cancel was made
    bool has_half;
    uint64_t next_sequence; // that the next command of the flow will get
    uint64_t *sequence_of;  // by the flow's order id
    uint8_t *commands;      // of one run
    uint64_t *sequences;    // theirs
    uint32_t command_bytes; // of one, on the average of the last run
    const char *folder;
};

// ---- the commands

// The core gives every JOURNAL_DIGEST_EVERY-th sequence to a digest of its own, and no other.
static uint64_t take_sequence(struct bench *bench)
{
    if (bench->next_sequence % JOURNAL_DIGEST_EVERY == 0)
        bench->next_sequence++;
    return bench->next_sequence++;
}

static void make_command(struct bench *bench, struct command *out, uint64_t *sequence)
{
    struct order_flow_operation operation = bench->half;
    if (!bench->has_half)
        ASSERT(order_flow_next(bench->flow, &operation));
    bool cancel =
        !bench->has_half && (operation.kind == FLOW_CANCEL || operation.kind == FLOW_REPLACE);
    *sequence = take_sequence(bench);
    bench->has_half = cancel && operation.kind == FLOW_REPLACE;
    bench->half = operation;
    if (cancel) {
        flow_command_cancel(out, &bench->venue, operation.instrument, operation.id,
                            bench->sequence_of[operation.id]);
        return;
    }
    uint32_t id = operation.kind == FLOW_REPLACE ? operation.new_id : operation.id;
    flow_command_new(out, &bench->venue, &operation, id);
    bench->sequence_of[id] = *sequence;
}

static struct command *command_at(const struct bench *bench, uint64_t i)
{
    return (struct command *)(void *)(bench->commands + i * FLOW_COMMAND_BYTES);
}

static void make_commands(struct bench *bench, uint64_t count)
{
    ASSERT(count <= COMMANDS_PER_RUN_MAX);
    uint64_t slots = 0;
    for (uint64_t i = 0; i < count; i++) {
        make_command(bench, command_at(bench, i), &bench->sequences[i]);
        slots += command_at(bench, i)->header.slots;
    }
    bench->command_bytes = (uint32_t)(slots * SLOT_BYTES / count);
}

// ---- a run

// Sends `count` commands, one every `period_ns`, and samples when each is durable.
static void run_commands(struct bench *bench, uint64_t count, double period_ns,
                         struct samples *samples)
{
    uint64_t sent = 0;
    uint64_t done = 0;
    make_commands(bench, count);
    uint64_t start_ns = measure_now_ns() + SETTLE_MS * 1000000u;
    while (done < count) {
        uint64_t now_ns = measure_now_ns();
        while (sent < count && start_ns + (uint64_t)((double)sent * period_ns) <= now_ns &&
               bench_core_send(&bench->core, command_at(bench, sent)))
            sent++;
        uint64_t durable = bench_core_durable(&bench->core);
        now_ns = measure_now_ns();
        for (; done < sent && bench->sequences[done] <= durable; done++)
            samples_add(samples, now_ns - start_ns - (uint64_t)((double)done * period_ns));
        __builtin_ia32_pause();
    }
    bench_core_beat(&bench->core);
    ASSERT(bench_core_durable(&bench->core) ==
           bench->sequences[count - 1]); // nothing else was journalled
}

struct writing {
    struct bare_write *write;
    struct samples *samples;
    uint64_t span_ns;
    uint32_t rate;                  // 0 = back to back
    const struct bare_group *group; // not NULL: this instead
    int priority, result;
};

static void *write_thread(void *context)
{
    struct writing *writing = context;
    (void)machine_realtime(writing->priority); // as the journal's thread: where it is allowed
    if (writing->group != NULL) {
        writing->result = bare_group_run(writing->group, writing->samples, writing->span_ns);
        return NULL;
    }
    writing->result =
        writing->rate == 0
            ? bare_write_run(writing->write, writing->samples, writing->span_ns)
            : bare_write_paced(writing->write, writing->samples, writing->rate, writing->span_ns);
    return NULL;
}

static void run_thread(struct bench *bench, struct writing *writing)
{
    pthread_t thread;
    writing->priority = (int)bench->core.boot.config.core_realtime_priority;
    ASSERT(pthread_create(&thread, NULL, write_thread, writing) == 0);
    ASSERT(pthread_join(thread, NULL) == 0);
    ASSERT(writing->result == 0);
}

static void run_writes(struct bench *bench, double seconds, uint32_t rate, struct samples *samples)
{
    struct writing writing = {.write = &bench->write,
                              .samples = samples,
                              .span_ns = (uint64_t)(seconds * 1e9),
                              .rate = rate};
    run_thread(bench, &writing);
}

static void run_groups(struct bench *bench, double seconds, uint32_t rate, struct samples *samples)
{
    const struct bare_group group = {.folder = bench->folder,
                                     .rate = rate,
                                     .command_bytes = bench->command_bytes,
                                     .segment_bytes =
                                         (uint64_t)bench->core.boot.config.journal_segment_bytes};
    struct writing writing = {
        .samples = samples, .span_ns = (uint64_t)(seconds * 1e9), .group = &group};
    run_thread(bench, &writing);
}

static void report_groups(uint32_t rate, const struct samples *groups, bool json)
{
    char workload[64];
    snprintf(workload, sizeof workload, "bare groups %u/s %s", rate, machine_state());
    struct report_line line = report_line("journal", workload, "durable_ns");
    report_samples(&line, groups);
    report_print(&line, json);
}

static void report_write(uint32_t rate, const struct samples *paced, const struct samples *writes,
                         bool json)
{
    char workload[64];
    snprintf(workload, sizeof workload, "bare write %u/s %s", rate, machine_state());
    struct report_line line = report_line("journal", workload, "write_ns");
    report_samples(&line, paced);
    report_floor_samples(&line, "bare 4 KiB write, back to back", writes);
    report_print(&line, json);
}

static void run_rate(struct bench *bench, const struct length *length, uint32_t rate, bool json)
{
    static struct samples ours, writes, paced, groups, round;
    double medians[ROUNDS_MAX];
    char workload[64];
    uint64_t count = (uint64_t)(rate * length->seconds);
    uint64_t waits_before = bench_core_counter(&bench->core, COUNTER_journal_segment_waits);
    samples_clear(&ours);
    samples_clear(&writes);
    samples_clear(&paced);
    samples_clear(&groups);
    for (uint32_t i = 0; i < length->rounds; i++) {
        samples_clear(&round);
        run_writes(bench, length->seconds / 4, 0, &writes);
        run_writes(bench, length->seconds / 4, rate, &paced);
        if (rate == MARK_RATE)
            run_groups(bench, length->seconds, rate, &groups);
        run_commands(bench, count, 1e9 / rate, &round);
        medians[i] = samples_percentile(&round, 0.5);
        samples_merge(&ours, &round);
    }
    uint64_t waits = bench_core_counter(&bench->core, COUNTER_journal_segment_waits) - waits_before;
    if (waits > 0)
        fprintf(stderr, "journal_bench: %u/s %s: waited %llu times for a segment\n", rate,
                machine_state(), (unsigned long long)waits);
    snprintf(workload, sizeof workload, "%u/s %s", rate, machine_state());
    struct report_line line = report_line("journal", workload, "durable_ns");
    line.min = measure_min(medians, length->rounds);
    line.median = measure_median(medians, length->rounds);
    report_samples(&line, &ours);
    report_floor_samples(&line, "bare 4 KiB write, same rate", &paced);
    if (rate == MARK_RATE)
        line.mark_p99 = MARK_P99_NS;
    report_print(&line, json);
    report_write(rate, &paced, &writes, json);
    if (rate == MARK_RATE)
        report_groups(rate, &groups, json);
}

// ---- the whole

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    char path[600];
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path); // "." and ".." refuse
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(folder);
}

static uint64_t commands_in_all(const struct length *length)
{
    uint64_t count = 0;
    for (int i = 0; i < RATES_MAX; i++)
        count += (uint64_t)(length->rates[i] * length->seconds) * length->rounds;
    return 2 * count + 2 * LIVE; // idle and hog
}

static void bench_open(struct bench *bench, const char *folder, const struct length *length)
{
    uint64_t commands = commands_in_all(length);
    bench->flow = order_flow_create(false, 1, LIVE, commands, 42);
    bench->sequence_of = calloc(commands + LIVE, sizeof bench->sequence_of[0]);
    bench->sequences = calloc(COMMANDS_PER_RUN_MAX, sizeof bench->sequences[0]);
    bench->commands = aligned_alloc(64, (size_t)COMMANDS_PER_RUN_MAX * FLOW_COMMAND_BYTES);
    ASSERT(bench->sequence_of != NULL && bench->sequences != NULL && bench->commands != NULL);
    ASSERT(bare_write_open(&bench->write, folder) == 0);
    bench->folder = folder;
    bench->venue = flow_small(1);
    bench_core_open(&bench->core, folder, &bench->venue, ORDERS_MAX, true);
    bench->next_sequence = bench_core_applied(&bench->core) + 1;
}

static void bench_close(struct bench *bench)
{
    bench_core_close(&bench->core);
    bare_write_close(&bench->write);
    order_flow_destroy(bench->flow);
    free(bench->sequence_of);
    free(bench->sequences);
    free(bench->commands);
}

static void run_rates(struct bench *bench, const struct length *length,
                      const struct report_options *options)
{
    for (int i = 0; i < RATES_MAX && length->rates[i] != 0; i++)
        run_rate(bench, length, length->rates[i], options->json);
}

int main(int count, char **words)
{
    static struct bench bench; // too large for the stack
    static struct samples filling;
    struct report_options options;
    char folder[] = LONJA_BENCH_FOLDER "/journal-XXXXXX";
    if (!report_options_read(&options, count, words))
        return 2;
    if (mkdtemp(folder) == NULL) {
        fprintf(stderr, "journal_bench: %s: %s\n", folder, strerror(errno));
        return 1;
    }
    const struct length *length = &lengths[options.length];
    bench_open(&bench, folder, length);
    machine_pin(0); // after the venue's threads: they run where they like
    run_commands(&bench, LIVE, 5000, &filling);
    ASSERT(engine_open_orders(bench.core.replay.engine) > LIVE / 2); // refusals would be faster
    run_rates(&bench, length, &options);
    if (options.length != LENGTH_SMOKE) {
        machine_hogs_start();
        run_rates(&bench, length, &options);
        machine_hogs_stop();
    }
    bench_close(&bench);
    remove_folder(folder);
    return 0;
}
