// Benchmark of the recorder: a tape of an order flow into an empty record of a Postgres of its own,
// by the recorder as it is, beside the floor: the rows that come out, put back by bare binary COPY
// (bare_copy.h). Contestants in turns; each begins with empty tables.
//
// ns_per_row: wall time from the first row to the last commit, by the number of rows that stand in
// the tables at the end. What the recorder changes on the way (leaves of older orders, balances)
// counts as time, not as rows. The tape is read, folded and encoded within the time.
//
// A server that LONJA_TEST_PG_HOST, _PORT, _DATABASE and _SECRETS name is used instead (its record
// is emptied; the database's name must contain "test").
//
// Exit code 1: the contestants have not left the same number of rows.
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/event_ring.h"
#include "base/memfile.h"
#include "base/pg_testing.h"
#include "base/reader_page.h"
#include "core/tape_writer.h"
#include "matcher/engine.h"
#include "perf/bare_copy.h"
#include "perf/flow_commands.h"
#include "perf/measure.h"
#include "perf/report.h"
#include "perf/workloads.h"
#include "settlement/record.h"

enum { ROUNDS_MAX = 5, RING_EVENTS = 1 << 17, TAPE_EVENTS = 1 << 24, PORT = 47400 };

static const uint64_t operations_of[] = {2000, 60000, 400000}; // by enum report_length
static const uint32_t rounds_of[] = {1, 3, ROUNDS_MAX};

struct bench {
    const struct workload *workload;
    char folder[PATH_MAX];
    bool own_server;
    struct boot boot;
    struct event_ring_control *control;
    struct pg_settings recorder, owner;
    struct pg *pg; // as the owner
    // making the tape
    struct engine *engine;
    struct event_sink sink;
    struct tape_writer tape;
    uint64_t *sequence_of; // by the flow's order id
    uint64_t sequence;
};

// ---- the server

static bool run(const char *command)
{
    int status = system(command);
    if (status == 0)
        return true;
    fprintf(stderr, "record_bench: %s: status %d\n", command, status);
    return false;
}

static bool server_start(struct bench *bench)
{
    char command[PATH_MAX * 3];
    struct config *config = &bench->boot.config;
    if (pg_testing_server(config))
        return strstr(config->postgres_database, "test") != NULL;
    bench->own_server = true;
    snprintf(
        command, sizeof command,
        "rm -rf '%s' && mkdir -p '%s' && '%s/tools/services' start '%s' --ports-from %d >&2 && "
        "'%s/tools/services' stop '%s' redis && '%s/tools/services' stop '%s' anvil",
        bench->folder, bench->folder, LONJA_ROOT, bench->folder, PORT, LONJA_ROOT, bench->folder,
        LONJA_ROOT, bench->folder);
    snprintf(config->postgres_host, sizeof config->postgres_host, "127.0.0.1");
    config->postgres_port = PORT;
    snprintf(config->postgres_database, sizeof config->postgres_database, "lonja");
    ASSERT((size_t)snprintf(config->postgres_secrets_folder, sizeof config->postgres_secrets_folder,
                            "%s/secrets", bench->folder) < sizeof config->postgres_secrets_folder);
    return run(command);
}

static void server_stop(struct bench *bench)
{
    char command[PATH_MAX * 3];
    if (!bench->own_server)
        return;
    snprintf(command, sizeof command, "'%s/tools/services' stop '%s' && rm -rf '%s'", LONJA_ROOT,
             bench->folder, bench->folder);
    (void)run(command);
}

static bool server_connect(struct bench *bench)
{
    pg_settings_of(&bench->recorder, &bench->boot.config, "lonja_record");
    pg_settings_of(&bench->owner, &bench->boot.config, "lonja_owner");
    bench->owner.statement_timeout_ms = 600000;
    bench->pg = pg_open(&bench->owner);
    return pg_connect(bench->pg) == PG_OK;
}

static bool empty_the_database(struct bench *bench)
{
    static const char sql[] = "SELECT record.forget(); TRUNCATE settle.trade,"
                              " settle.trade_settlement_history, settle.retry_request,"
                              " settle.attempt, settle.result, settle.correction,"
                              " chain.request_leg CASCADE";
    if (pg_execute(bench->pg, sql) == PG_OK)
        return true;
    fprintf(stderr, "record_bench: %s\n", pg_last_error(bench->pg)->message);
    return false;
}

// ---- the tape

static void apply(void *context, struct command *command)
{
    struct bench *bench = context;
    command->header.sequence = ++bench->sequence;
    command->header.time_ns = 1790000000000000000ULL + bench->sequence * 1000;
    command->header.incarnation = 1;
    bench->sink.position = bench->sink.count = 0;
    engine_apply(bench->engine, command, &bench->sink);
    ASSERT(tape_writer_add(&bench->tape, bench->sink.events, (uint32_t)bench->sink.count) == 0);
}

static void apply_operation(struct bench *bench, const struct flow_venue *venue,
                            const struct order_flow_operation *operation)
{
    _Alignas(64) uint8_t memory[COMMAND_BYTES_MAX] = {0};
    struct command *command = (struct command *)(void *)memory;
    if (operation->kind == FLOW_CANCEL || operation->kind == FLOW_REPLACE) {
        flow_command_cancel(command, venue, operation->instrument, operation->id,
                            bench->sequence_of[operation->id]);
        apply(bench, command);
    }
    if (operation->kind == FLOW_CANCEL)
        return;
    uint32_t id = operation->kind == FLOW_REPLACE ? operation->new_id : operation->id;
    flow_command_new(command, venue, operation, id);
    apply(bench, command);
    bench->sequence_of[id] = bench->sequence;
}

static void *allocate(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    ASSERT(memory != NULL);
    memset(memory, 0, bytes);
    return memory;
}

// That of the workload before.
static void tape_forget(const struct bench *bench)
{
    char command[PATH_MAX];
    snprintf(command, sizeof command, "rm -rf '%s/tape'", bench->boot.config.venue_state_folder);
    ASSERT(run(command));
}

static void tape_make(struct bench *bench, uint64_t operations)
{
    const struct workload *workload = bench->workload;
    struct flow_venue venue = flow_small(workload->instruments);
    struct engine_limits limits = flow_limits(&venue, workload_orders_max(workload));
    struct order_flow *flow = order_flow_create(workload->matches_only, workload->instruments,
                                                workload->live, operations, workload->seed);
    struct order_flow_operation operation;
    char folder[NUMBERED_PATH_BYTES];
    uint64_t ids = 2 * (operations + (uint64_t)workload->instruments * workload->live) + 1;
    state_folder(folder, &bench->boot.config, "tape");
    ASSERT(state_folder_make(folder) == 0);
    ASSERT(tape_writer_open(&bench->tape, folder, TAPE_EVENTS, 0) == 0);
    bench->sequence = 0;
    bench->engine = engine_init(allocate(engine_bytes(&limits)), &limits);
    bench->sink = (struct event_sink){.events = allocate(RING_EVENTS * sizeof(struct event)),
                                      .mask = RING_EVENTS - 1};
    bench->sequence_of = allocate(ids * sizeof *bench->sequence_of);
    flow_venue_make(&venue, 1, apply, bench);
    while (order_flow_next(flow, &operation))
        apply_operation(bench, &venue, &operation);
    ASSERT(tape_writer_flush(&bench->tape) == 0);
    tape_writer_close(&bench->tape);
    order_flow_destroy(flow);
    free(bench->engine);
    free(bench->sink.events);
    free(bench->sequence_of);
    atomic_store(&bench->control->applied_seq, bench->sequence);
    atomic_store(&bench->control->durable_seq, bench->sequence);
}

#define BENCH_CONFIG_INT(group, key, def, min, max, doc) config->group##_##key = (def);
#define BENCH_CONFIG_TEXT(group, key, def, doc)                                                    \
    snprintf(config->group##_##key, sizeof config->group##_##key, "%s", def);

// A venue of which there is only the tape: the ring is empty, its control page says how far it is.
static void venue_open(struct bench *bench)
{
    struct boot *boot = &bench->boot;
    struct config *config = &boot->config;
    CONFIG_KEYS(BENCH_CONFIG_INT, BENCH_CONFIG_TEXT)
    boot->process = PROCESS_RECORD;
    boot->event_ring_fd = memfile_create("ring", event_ring_bytes((uint64_t)config->rings_events));
    boot->reader_page_fd[PROCESS_RECORD] = memfile_create("page", sizeof(struct reader_page));
    boot->doorbell_fd[PROCESS_RECORD] = -1;
    void *control = mmap(NULL, sizeof *bench->control, PROT_READ | PROT_WRITE, MAP_SHARED,
                         boot->event_ring_fd, 0);
    ASSERT(control != MAP_FAILED);
    bench->control = control;
    atomic_store(&bench->control->core_state, CORE_RUNNING);
}

static void venue_close(struct bench *bench)
{
    munmap(bench->control, sizeof *bench->control);
    close(bench->boot.event_ring_fd);
    close(bench->boot.reader_page_fd[PROCESS_RECORD]);
    pg_close(bench->pg);
}

// ---- contestants

static bool record_all(struct bench *bench, double *seconds)
{
    static struct record record;
    if (!empty_the_database(bench) || !record_init(&record, &bench->boot, &bench->recorder))
        return false;
    uint64_t begin_ns = measure_now_ns();
    while (record.cursor.sequence < bench->sequence && record.phase != RECORD_STOPPED)
        if (record_do_work(&record, measure_now_ns()) == 0)
            record_wait(&record, measure_now_ns());
    *seconds = (double)(measure_now_ns() - begin_ns) * 1e-9;
    bool all = record.cursor.sequence == bench->sequence;
    record_fini(&record);
    return all;
}

static bool copy_all(struct bench *bench, struct bare_copy *copy, double *seconds)
{
    if (!empty_the_database(bench))
        return false;
    uint64_t begin_ns = measure_now_ns();
    bool good = bare_copy_write(copy, (size_t)bench->boot.config.record_batch_rows_max);
    *seconds = (double)(measure_now_ns() - begin_ns) * 1e-9;
    return good;
}

static bool run_contest(struct bench *bench, struct bare_copy *copy,
                        const struct report_options *options)
{
    double ours[ROUNDS_MAX], bare[ROUNDS_MAX];
    uint32_t rounds = rounds_of[options->length];
    tape_forget(bench);
    tape_make(bench, operations_of[options->length]);
    size_t rows = 0;
    for (uint32_t i = 0; i < rounds; i++) {
        if (!record_all(bench, &ours[i]) || !bare_copy_take(copy))
            return false;
        if (i > 0 && rows != bare_copy_rows(copy)) {
            fprintf(stderr, "record_bench: %zu rows, before there were %zu\n", bare_copy_rows(copy),
                    rows);
            return false;
        }
        rows = bare_copy_rows(copy);
        if (!copy_all(bench, copy, &bare[i]))
            return false;
    }
    for (uint32_t i = 0; i < rounds; i++) {
        ours[i] *= 1e9 / (double)rows;
        bare[i] *= 1e9 / (double)rows;
    }
    struct report_line line = report_line("record", bench->workload->name, "ns_per_row");
    line.min = measure_min(ours, rounds);
    line.median = measure_median(ours, rounds);
    line.floor = "bare COPY";
    line.floor_median = measure_median(bare, rounds);
    line.mark = line.floor_median / 0.7; // 70 % of the floor's rate
    line.memory = true;
    report_print(&line, options->json);
    return true;
}

static bool run_workloads(struct bench *bench, const struct report_options *options)
{
    struct bare_copy *copy = bare_copy_open(&bench->recorder, &bench->owner);
    bool right = copy != NULL;
    for (size_t i = 0; i < WORKLOADS && right; i++) {
        bench->workload = &workloads[i];
        if (report_wanted(options, bench->workload->name))
            right = run_contest(bench, copy, options);
    }
    bare_copy_close(copy);
    return right;
}

int main(int count, char **words)
{
    struct report_options options;
    static struct bench bench;
    char state[] = LONJA_BENCH_FOLDER "/record-XXXXXX", command[PATH_MAX];
    if (!report_options_read(&options, count, words))
        return 2;
    snprintf(bench.folder, sizeof bench.folder, "%s/record", LONJA_BENCH_FOLDER);
    venue_open(&bench);
    ASSERT(mkdtemp(state) != NULL);
    snprintf(bench.boot.config.venue_state_folder, sizeof bench.boot.config.venue_state_folder,
             "%s", state);
    bool right = server_start(&bench) && server_connect(&bench) && run_workloads(&bench, &options);
    venue_close(&bench);
    server_stop(&bench);
    snprintf(command, sizeof command, "rm -rf '%s'", state);
    return run(command) && right ? 0 : 1;
}
