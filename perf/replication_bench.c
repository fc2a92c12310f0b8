// Benchmark of replication: from a command in the journal's queue to its being durable for the
// venue, with the real journal and gate: on this disk alone, and here and on a standby
// (bench_standby.h) whose journal is on the same disk, over loopback and TLS. Alternately, in one
// run:
//
//   one at a time    a command, and the next one when it is durable: what an answer waits for
//   back to back     as many as the queue takes: commands a second
//
// Whoever has to wait sleeps, and all who are waited for are real-time where that is allowed, so
// that other work on the machine disturbs little. Both journals share one disk: a standby's own
// disk would be faster back to back.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event_ring.h"
#include "base/memfile.h"
#include "core/gate.h"
#include "core/journal.h"
#include "core/numbered_file.h"
#include "core/replay.h"
#include "perf/bare_write.h"
#include "perf/bench_standby.h"
#include "perf/machine.h"
#include "perf/report.h"

enum {
    QUEUE_SLOTS = 65536,
    BATCH = 64,
    COMMAND_SLOTS = 2, // an order without a client order id
    ROUNDS_MAX = 5,
    PRIORITY = 20, // core.realtime_priority
    WAIT_NS = 100000000,
    STOP_NS = 1000000000,
};

struct length {
    uint32_t rounds, singles; // singles: commands of a round that go one at a time
    uint64_t stream_ns;
};

static const struct length lengths[] = {
    {1, 100, 100000000}, {3, 500, 500000000}, {5, 3000, 3000000000}};

struct host {
    struct boot boot;
    struct event_ring ring;
    struct journal_io io;
    struct journal_io_file io_file;
    struct gate gate;
    struct journal journal;
    uint64_t sequence;
};

#define BENCH_CONFIG_INT(group, key, def, min, max, doc) config->group##_##key = (def);
#define BENCH_CONFIG_TEXT(group, key, def, doc)                                                    \
    snprintf(config->group##_##key, sizeof config->group##_##key, "%s", def);

static void make_boot(struct boot *boot)
{
    struct config *config = &boot->config;
    memset(boot, 0, sizeof *boot);
    boot->magic = BOOT_MAGIC;
    boot->version = BOOT_VERSION;
    boot->incarnation = 1;
    CONFIG_KEYS(BENCH_CONFIG_INT, BENCH_CONFIG_TEXT)
    boot->event_ring_fd = memfile_create("bench", event_ring_bytes((uint64_t)config->rings_events));
    ASSERT(boot->event_ring_fd >= 0);
    for (int i = 0; i < GATEWAY_COUNT; i++)
        boot->command_ring_fd[i] = -1;
    for (int i = 0; i < PROCESS_COUNT; i++)
        boot->reader_page_fd[i] = boot->doorbell_fd[i] = -1;
}

static void host_open(struct host *host, const char *journal)
{
    const struct config *config = &host->boot.config;
    struct engine_limits limits = replay_limits(config);
    struct journal_options options = {
        .segments = replay_terms(&limits, (uint64_t)config->journal_segment_bytes),
        .epoch = 1,
        .next_sequence = 1,
        .queue_slots = QUEUE_SLOTS};
    ASSERT(event_ring_open_writer(&host->ring, host->boot.event_ring_fd,
                                  (uint64_t)config->rings_events,
                                  (uint64_t)config->limits_command_events_max) == 0);
    ASSERT(journal_io_file_open(&host->io, &host->io_file, journal, true) == 0);
    ASSERT(gate_open(&host->gate, &host->boot, host->ring.control) == 0);
    ASSERT(journal_open(&host->journal, &host->io, &host->gate, &clock_system, &options) == 0);
    gate_announce(&host->gate, 0, 1);
    ASSERT(journal_start(&host->journal, PRIORITY) == 0);
    ASSERT(gate_start(&host->gate, PRIORITY) == 0);
}

static void host_close(struct host *host)
{
    journal_stop(&host->journal);
    gate_stop(&host->gate, STOP_NS);
    journal_close(&host->journal);
    gate_close(&host->gate);
    journal_io_file_close(&host->io_file);
    event_ring_close(&host->ring);
    close(host->boot.event_ring_fd);
}

static uint64_t durable(const struct host *host)
{
    return atomic_load_explicit(&host->ring.control->durable_seq, memory_order_acquire);
}

static void append(struct host *host)
{
    struct command command = {.header = {.slots = COMMAND_SLOTS,
                                         .type = CMD_order_new,
                                         .version = SCHEMA_VERSION,
                                         .sequence = ++host->sequence}};
    journal_append(&host->journal, &command);
}

static void await(struct host *host, uint64_t sequence)
{
    for (uint64_t seen; (seen = durable(host)) < sequence;)
        gate_wait(&host->gate, seen, WAIT_NS);
}

static void run_singles(struct host *host, struct samples *samples, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t begun_ns = measure_now_ns();
        append(host);
        journal_flush(&host->journal);
        await(host, host->sequence);
        samples_add(samples, measure_now_ns() - begun_ns);
    }
}

// Commands a second, all durable at the end.
static double run_stream(struct host *host, uint64_t span_ns)
{
    uint64_t begun_ns = measure_now_ns(), before = host->sequence, now_ns;
    while ((now_ns = measure_now_ns()) - begun_ns < span_ns) {
        uint64_t seen = durable(host);
        if (journal_room(&host->journal) < 4 * COMMAND_SLOTS_MAX) {
            gate_wait(&host->gate, seen, WAIT_NS);
            continue;
        }
        for (int i = 0; i < BATCH && journal_room(&host->journal) >= 4 * COMMAND_SLOTS_MAX; i++)
            append(host);
        journal_flush(&host->journal);
    }
    await(host, host->sequence);
    return (double)(host->sequence - before) * 1e9 / (double)(measure_now_ns() - begun_ns);
}

// ---- the whole

struct bench {
    struct host alone, replicated;
    struct bench_standby standby;
    struct bare_write write;
    struct samples alone_ns, replicated_ns, write_ns;
    double alone_medians[ROUNDS_MAX], replicated_medians[ROUNDS_MAX];
    double alone_rates[ROUNDS_MAX], replicated_rates[ROUNDS_MAX];
};

static double singles_round(struct host *host, struct samples *all, uint32_t count)
{
    static struct samples round;
    samples_clear(&round);
    run_singles(host, &round, count);
    samples_merge(all, &round);
    return samples_percentile(&round, 0.5);
}

static void run(struct bench *bench, const struct length *length)
{
    for (uint32_t i = 0; i < length->rounds; i++) {
        ASSERT(bare_write_run(&bench->write, &bench->write_ns, length->stream_ns / 4) == 0);
        bench->alone_medians[i] = singles_round(&bench->alone, &bench->alone_ns, length->singles);
        bench->replicated_medians[i] =
            singles_round(&bench->replicated, &bench->replicated_ns, length->singles);
        bench->alone_rates[i] = run_stream(&bench->alone, length->stream_ns);
        bench->replicated_rates[i] = run_stream(&bench->replicated, length->stream_ns);
    }
}

static void report_one_at_a_time(struct bench *bench, uint32_t rounds, bool json)
{
    struct report_line line = report_line("replication", "one at a time, here", "durable_ns");
    line.min = measure_min(bench->alone_medians, rounds);
    line.median = measure_median(bench->alone_medians, rounds);
    report_samples(&line, &bench->alone_ns);
    report_floor_samples(&line, "bare 4 KiB write", &bench->write_ns);
    report_print(&line, json);
    line = report_line("replication", "one at a time, here and on a standby", "durable_ns");
    line.min = measure_min(bench->replicated_medians, rounds);
    line.median = measure_median(bench->replicated_medians, rounds);
    report_samples(&line, &bench->replicated_ns);
    report_floor_samples(&line, "here", &bench->alone_ns);
    report_print(&line, json);
}

static void report_back_to_back(struct bench *bench, uint32_t rounds, bool json)
{
    struct report_line line =
        report_line("replication", "back to back, here and on a standby", "commands_per_s");
    line.min = measure_min(bench->replicated_rates, rounds);
    line.median = measure_median(bench->replicated_rates, rounds);
    line.floor = "here";
    line.floor_median = measure_median(bench->alone_rates, rounds);
    line.ratio = line.median / line.floor_median;
    report_print(&line, json);
}

static void bench_open(struct bench *bench, const char *folder)
{
    char path[NUMBERED_PATH_BYTES];
    ASSERT(bare_write_open(&bench->write, folder) == 0);
    make_boot(&bench->alone.boot);
    snprintf(path, sizeof path, "%s/alone", folder);
    host_open(&bench->alone, path);
    make_boot(&bench->replicated.boot);
    bench_standby_prepare(&bench->replicated.boot, folder);
    bench_standby_start(&bench->standby, &bench->replicated.boot, folder);
    snprintf(path, sizeof path, "%s/primary/journal", folder);
    host_open(&bench->replicated, path);
}

static void remove_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    char path[600];
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            remove_folder(path);
        unlink(path); // a folder refuses
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(folder);
}

int main(int count, char **words)
{
    static struct bench bench; // too large for the stack
    struct report_options options;
    char folder[] = LONJA_BENCH_FOLDER "/replication-XXXXXX";
    if (!report_options_read(&options, count, words))
        return 2;
    if (mkdtemp(folder) == NULL) {
        fprintf(stderr, "replication_bench: %s: %s\n", folder, strerror(errno));
        return 1;
    }
    const struct length *length = &lengths[options.length];
    bench_open(&bench, folder);
    (void)machine_realtime(PRIORITY);
    run_singles(&bench.replicated, &bench.write_ns, 1); // the standby follows
    samples_clear(&bench.write_ns);
    run(&bench, length);
    report_one_at_a_time(&bench, length->rounds, options.json);
    report_back_to_back(&bench, length->rounds, options.json);
    host_close(&bench.replicated);
    bench_standby_stop(&bench.standby);
    host_close(&bench.alone);
    bare_write_close(&bench.write);
    remove_folder(folder);
    return 0;
}
