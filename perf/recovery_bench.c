// Benchmark of starting again.
//
// `mix1`, `mix1-sparse`: a journal of that flow is replayed by recovery_run, as lonja-core does it
// (reading, checksums, events, digests), beside its floor, the same commands through the bare
// engine; and what reading alone takes of it. In the sparse one every block of the journal holds
// one command, as in a quiet venue.
//
// `tape`: a tape is read as a follower does it that is behind, every event proved by its checksum
// (floor: the same without checksums).
//
// `open-orders`: a venue with that many open orders, from 100,000 accounts in 100 of 1,000
// instruments, and 100,000 commands behind its snapshot (tape.snapshot_every): how long the
// snapshot takes to be saved (floor: writing and syncing as many bytes) and to be loaded (floor:
// reading them); recovery_run (floor: the load); and the real lonja-core from fork to running
// (floor: recovery_run). Last, what the orders feel of it: cancels at an even rate through the
// real core, from when they are due to applied and to durable, while lonja-tape makes snapshot
// after snapshot, beside the same while it makes none.
//
// Replays, load and recovery are counted in processor time, because on a shared machine a thread
// loses its CPU now and then; saving and start are as the clock has it.
//
// Exit status 1: a replay came to another state than the flow that wrote the journal.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/command_ring.h"
#include "base/memfile.h"
#include "base/reader_page.h"
#include "core/journal_reader.h"
#include "core/recovery.h"
#include "core/snapshot_file.h"
#include "core/tape_reader.h"
#include "core/tape_writer.h"
#include "perf/flow_state.h"
#include "perf/machine.h"
#include "perf/measure.h"
#include "perf/process.h"
#include "perf/report.h"
#include "perf/workloads.h"

enum {
    ROUNDS_MAX = 7,
    DENSE = UINT16_MAX, // commands per block: as many as fit
    TAIL = 100000,      // commands behind the snapshot
    INSTRUMENTS = 100,  // that have orders
    MARK_START_MS = 2000,
    TWICE = 2, // the floor: the mark of a replay
    READ_BYTES = 1 << 20,
    NO_MARK = -1,
    CANCELS_PER_SECOND = 10000,
    FEELING_PERIOD_NS = 1000000000 / CANCELS_PER_SECOND,
    SNAPSHOT_EVERY = 1000, // commands, while that is measured: one after the other
};

struct length {
    uint64_t operations, sparse_operations; // replayed
    uint32_t orders, accounts, tail;        // open
    uint32_t rounds;
    double seconds; // of cancels
};

static const struct length lengths[] = {
    {20000, 2000, 10000, 1000, 5000, 1, 0.3},
    {1000000, 50000, 1000000, 100000, TAIL, 3, 4},
    {5000000, 200000, 1000000, 100000, TAIL, 5, 10},
};

static double ms_since(uint64_t start_ns)
{
    return (double)(measure_now_ns() - start_ns) / 1e6;
}

static double processor_ms_since(uint64_t start_ns)
{
    return (double)(measure_processor_ns() - start_ns) / 1e6;
}

static void report(const char *workload, const char *metric, double *ours, double *floors,
                   const char *floor, double mark, const struct length *length, bool json)
{
    struct report_line line = report_line("recovery", workload, metric);
    line.min = measure_min(ours, length->rounds);
    line.median = measure_median(ours, length->rounds);
    line.floor = floor;
    line.floor_median = measure_median(floors, length->rounds);
    if (mark != NO_MARK)
        line.mark = mark > 0 ? mark : TWICE * line.floor_median;
    report_print(&line, json);
}

// ---- replay

// The journal's commands, one behind the other, as they stand in its blocks.
struct commands {
    uint8_t *bytes;
    size_t used, size;
    uint64_t count;
    uint64_t journal_bytes; // of the blocks they came from
};

static void commands_read(struct commands *commands, const struct journal_io *io)
{
    struct journal_reader reader;
    const struct journal_block_header *block;
    memset(commands, 0, sizeof *commands);
    ASSERT(journal_reader_open(&reader, io, 1, false) == 0);
    while (journal_reader_next(&reader, &block) == JOURNAL_READ) {
        if (commands->used + block->bytes > commands->size) {
            commands->size = commands->size * 2 + (1u << 24);
            commands->bytes = realloc(commands->bytes, commands->size);
            ASSERT(commands->bytes != NULL);
        }
        memcpy(commands->bytes + commands->used, block + 1, block->bytes);
        commands->used += block->bytes;
        commands->count += block->count;
        commands->journal_bytes += journal_block_bytes(block->bytes);
    }
    journal_reader_close(&reader);
}

static const struct command *command_at(const struct commands *commands, size_t at)
{
    return (const struct command *)(const void *)(commands->bytes + at);
}

// Processor time per command of the bare engine; false if it came to another state.
static bool run_engine(double *ns, const struct commands *commands, const struct flow_state *state)
{
    struct replay replay;
    ASSERT(replay_open(&replay, &state->replay.limits) == 0);
    uint64_t start_ns = measure_processor_ns();
    for (size_t at = 0; at < commands->used;) {
        const struct command *command = command_at(commands, at);
        replay.sink.count = 0;
        engine_apply(replay.engine, command, &replay.sink);
        at += (size_t)command->header.slots * SLOT_BYTES;
    }
    *ns = (double)(measure_processor_ns() - start_ns) / (double)commands->count;
    bool right = engine_digest(replay.engine) == engine_digest(state->replay.engine);
    replay_close(&replay);
    return right;
}

static bool run_recovery(double *ns, const struct commands *commands, const struct journal_io *io,
                         const struct flow_state *state)
{
    struct replay replay;
    struct recovered recovered;
    ASSERT(replay_open(&replay, &state->replay.limits) == 0);
    uint64_t start_ns = measure_processor_ns();
    bool right = recovery_run_all(&recovered, &replay, io, UINT64_MAX, NULL, NULL);
    *ns = (double)(measure_processor_ns() - start_ns) / (double)commands->count;
    right = right && recovered.commands == commands->count &&
            replay.events_digest == state->replay.events_digest &&
            engine_digest(replay.engine) == engine_digest(state->replay.engine);
    replay_close(&replay);
    return right;
}

// Processor time per command of reading what the journal's blocks take, and nothing else, as the
// replay reads it.
static double read_journal(const struct commands *commands, const struct journal_io *io)
{
    static uint8_t window[READ_BYTES];
    uint64_t start_ns = measure_processor_ns(), left = commands->journal_bytes, number, last;
    ASSERT(journal_segments(io, &number, &last) == 1);
    for (; left > 0; number++) {
        char name[NUMBERED_NAME_BYTES];
        numbered_name(name, number, JOURNAL_SUFFIX);
        int file = io->open(io->context, name, JOURNAL_IO_READ);
        ASSERT(file >= 0);
        int64_t n = 1;
        for (uint64_t offset = JOURNAL_PAGE_BYTES; left > 0 && n > 0; offset += (uint64_t)n) {
            n = io->read(io->context, file, window, left < READ_BYTES ? left : READ_BYTES, offset);
            ASSERT(n >= 0);
            left -= (uint64_t)n;
        }
        io->close(io->context, file);
    }
    return (double)(measure_processor_ns() - start_ns) / (double)commands->count;
}

static bool replay_rounds(const char *workload, struct flow_state *state,
                          const struct journal_io *io, const struct length *length, bool json)
{
    double ours[ROUNDS_MAX], floors[ROUNDS_MAX], reading[ROUNDS_MAX];
    struct commands commands;
    bool right = true;
    commands_read(&commands, io);
    ASSERT(commands.count == state->replay.sequence);
    for (uint32_t i = 0; i < length->rounds && right; i++) {
        right = run_recovery(&ours[i], &commands, io, state) &&
                run_engine(&floors[i], &commands, state);
        reading[i] = read_journal(&commands, io);
    }
    free(commands.bytes);
    if (right) {
        report(workload, "ns_per_command", ours, floors, "bare engine", 0, length, json);
        report(workload, "read_ns_per_command", reading, floors, "bare engine", NO_MARK, length,
               json);
    } else
        fprintf(stderr, "recovery_bench: %s: the replay came to another state\n", workload);
    return right;
}

static bool run_replay(const char *folder, const char *name, const struct length *length,
                       uint64_t operations, uint32_t block_commands, bool json)
{
    static struct flow_state state;
    const struct workload *mix1 = &workloads[0];
    char own[NUMBERED_PATH_BYTES], journal[NUMBERED_PATH_BYTES];
    snprintf(own, sizeof own, "%s/%s", folder, name);
    struct flow_venue venue = flow_small(mix1->instruments);
    uint32_t ids = (uint32_t)operations + mix1->live + 1;
    flow_state_open(&state, own, &venue,
                    order_flow_create(false, mix1->instruments, mix1->live, operations, mix1->seed),
                    workload_orders_max(mix1), ids);
    flow_state_journal_begin(&state, block_commands);
    flow_state_make_venue(&state);
    flow_state_run(&state, UINT64_MAX);
    flow_state_journal_end(&state);
    struct journal_io io;
    struct journal_io_file io_file;
    state_folder(journal, &state.boot.config, "journal");
    ASSERT(journal_io_file_open(&io, &io_file, journal, true) == 0);
    bool right = replay_rounds(name, &state, &io, length, json);
    journal_io_file_close(&io_file);
    flow_state_close(&state);
    return right;
}

// ---- the tape

// Writes as many commands of one event each.
static double write_tape(const char *folder, uint64_t events)
{
    static struct tape_writer writer;
    struct event event = {.header = {.type = EVT_done, .last = 1}};
    ASSERT(tape_writer_open(&writer, folder, TAPE_SEGMENT_EVENTS_DEFAULT, 0) == 0);
    uint64_t start_ns = measure_processor_ns();
    for (event.header.sequence = 1; event.header.sequence <= events; event.header.sequence++)
        ASSERT(tape_writer_add(&writer, &event, 1) == 0);
    ASSERT(tape_writer_flush(&writer) == 0);
    double ns = (double)(measure_processor_ns() - start_ns) / (double)events;
    tape_writer_close(&writer);
    return ns;
}

static double read_tape(const char *folder, uint64_t events)
{
    static struct tape_reader reader;
    struct event out[256];
    uint64_t seen = 0;
    tape_reader_init(&reader, folder);
    uint64_t start_ns = measure_processor_ns();
    ASSERT(tape_reader_seek(&reader, 1, 0));
    for (size_t count; (count = tape_reader_read(&reader, out, 256)) > 0;)
        seen += count;
    double ns = (double)(measure_processor_ns() - start_ns) / (double)events;
    ASSERT(seen == events);
    tape_reader_fini(&reader);
    return ns;
}

// Without its checksums a segment is read as it is.
static void hide_sums(const char *folder, bool hide)
{
    uint64_t first;
    for (uint64_t from = 0; numbered_next(&first, folder, TAPE_SUFFIX, from); from = first + 1) {
        char sums[NUMBERED_PATH_BYTES], hidden[NUMBERED_PATH_BYTES];
        numbered_path(sums, folder, first, TAPE_SUMS_SUFFIX);
        numbered_path(hidden, folder, first, "hidden");
        ASSERT(rename(hide ? sums : hidden, hide ? hidden : sums) == 0);
    }
}

static void run_tape(const char *folder, const struct length *length, bool json)
{
    double proved[ROUNDS_MAX], unproved[ROUNDS_MAX];
    char own[NUMBERED_PATH_BYTES];
    snprintf(own, sizeof own, "%s/tape", folder);
    double write_ns = write_tape(own, length->operations);
    fprintf(stderr, "recovery_bench: the tape was written at %.0f ns per event\n", write_ns);
    for (uint32_t i = 0; i < length->rounds; i++) {
        proved[i] = read_tape(own, length->operations);
        hide_sums(own, true);
        unproved[i] = read_tape(own, length->operations);
        hide_sums(own, false);
    }
    report("tape", "ns_per_event", proved, unproved, "without checksums", NO_MARK, length, json);
}

// ---- the state with open orders

struct start_bench {
    struct flow_state state;
    char snapshots[NUMBERED_PATH_BYTES], journal[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    size_t bytes; // of the snapshot
    uint64_t snapshot;
    const struct length *length;
    bool json;
};

// Writes as many bytes as the snapshot has and syncs them.
static double write_bytes(const struct start_bench *bench)
{
    static uint8_t page[1 << 16];
    char path[NUMBERED_PATH_BYTES];
    snprintf(path, sizeof path, "%s/floor", bench->snapshots);
    uint64_t start_ns = measure_now_ns();
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ASSERT(fd >= 0);
    for (size_t done = 0; done < bench->bytes; done += sizeof page)
        ASSERT(write(fd, page, sizeof page) == sizeof page);
    ASSERT(fsync(fd) == 0);
    close(fd);
    double ms = ms_since(start_ns);
    unlink(path);
    return ms;
}

static double read_bytes(const struct start_bench *bench)
{
    static uint8_t page[1 << 16];
    uint64_t start_ns = measure_processor_ns();
    int fd = open(bench->path, O_RDONLY | O_CLOEXEC);
    ASSERT(fd >= 0);
    while (read(fd, page, sizeof page) > 0)
        ;
    close(fd);
    return processor_ms_since(start_ns);
}

static void measure_save(struct start_bench *bench)
{
    double ours[ROUNDS_MAX], floors[ROUNDS_MAX];
    bench->snapshot = bench->state.replay.sequence;
    numbered_path(bench->path, bench->snapshots, bench->snapshot, SNAPSHOT_SUFFIX);
    for (uint32_t i = 0; i < bench->length->rounds; i++) {
        uint64_t start_ns = measure_now_ns();
        ASSERT(replay_save(&bench->state.replay, bench->snapshots) == 0);
        ours[i] = ms_since(start_ns);
        int fd = open(bench->path, O_RDONLY | O_CLOEXEC);
        bench->bytes = (size_t)lseek(fd, 0, SEEK_END);
        close(fd);
        floors[i] = write_bytes(bench);
    }
    report("open-orders", "save_ms", ours, floors, "write and sync", NO_MARK, bench->length,
           bench->json);
}

static double load(const struct start_bench *bench)
{
    struct replay replay;
    ASSERT(replay_open(&replay, &bench->state.replay.limits) == 0);
    uint64_t start_ns = measure_processor_ns();
    ASSERT(replay_load(&replay, bench->snapshots, bench->snapshot));
    double ms = processor_ms_since(start_ns);
    replay_close(&replay);
    return ms;
}

static double recover(const struct start_bench *bench)
{
    struct replay replay;
    struct recovered recovered;
    struct journal_io io;
    struct journal_io_file io_file;
    ASSERT(journal_io_file_open(&io, &io_file, bench->journal, true) == 0);
    uint64_t start_ns = measure_processor_ns();
    ASSERT(replay_open(&replay, &bench->state.replay.limits) == 0);
    ASSERT(recovery_run(&recovered, &replay, &io, bench->snapshots, UINT64_MAX, NULL, NULL));
    double ms = processor_ms_since(start_ns);
    ASSERT(recovered.snapshot_sequence == bench->snapshot);
    replay_close(&replay);
    journal_io_file_close(&io_file);
    return ms;
}

static void measure_load(struct start_bench *bench)
{
    double ours[ROUNDS_MAX], floors[ROUNDS_MAX];
    for (uint32_t i = 0; i < bench->length->rounds; i++) {
        ours[i] = load(bench);
        floors[i] = read_bytes(bench);
    }
    report("open-orders", "load_ms", ours, floors, "reading the bytes", MARK_START_MS,
           bench->length, bench->json);
}

static void measure_recover(struct start_bench *bench)
{
    double ours[ROUNDS_MAX], floors[ROUNDS_MAX];
    for (uint32_t i = 0; i < bench->length->rounds; i++) {
        ours[i] = recover(bench);
        floors[i] = load(bench);
    }
    report("open-orders", "recover_ms", ours, floors, "the load alone", MARK_START_MS,
           bench->length, bench->json);
}

// ---- the real core

static struct event_ring ring_of(const struct boot *boot)
{
    struct event_ring ring;
    ASSERT(event_ring_open_reader(&ring, boot->event_ring_fd, (uint64_t)boot->config.rings_events,
                                  (uint64_t)boot->config.limits_command_events_max) == 0);
    return ring;
}

static pid_t start_core(const struct boot *boot, const struct event_ring *ring, int log_fd)
{
    pid_t core = process_start(boot, PROCESS_CORE, log_fd);
    while (atomic_load_explicit(&ring->control->core_state, memory_order_acquire) != CORE_RUNNING) {
        ASSERT(atomic_load(&ring->control->core_state) != CORE_FAILED);
        usleep(500);
    }
    return core;
}

// Processor time of children that have ended.
static double children_ms(void)
{
    struct rusage usage;
    ASSERT(getrusage(RUSAGE_CHILDREN, &usage) == 0);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

static void measure_start(struct start_bench *bench, int log_fd)
{
    double ours[ROUNDS_MAX], floors[ROUNDS_MAX], processor[ROUNDS_MAX];
    const struct boot *boot = &bench->state.boot;
    struct event_ring ring = ring_of(boot);
    for (uint32_t i = 0; i < bench->length->rounds; i++) {
        floors[i] = recover(bench);
        double before_ms = children_ms();
        uint64_t start_ns = measure_now_ns();
        pid_t core = start_core(boot, &ring, log_fd);
        ours[i] = ms_since(start_ns);
        process_stop(core);
        processor[i] = children_ms() - before_ms;
    }
    event_ring_close(&ring);
    report("open-orders", "start_ms", ours, floors, "recovery alone", MARK_START_MS, bench->length,
           bench->json);
    report("open-orders", "start_and_stop_processor_ms", processor, floors, "recovery alone",
           MARK_START_MS, bench->length, bench->json);
}

// ---- what orders feel of a snapshot

struct feeling {
    struct start_bench *bench;
    struct command_ring fix;
    struct event_ring ring;
    uint64_t gateway_seq;
    uint32_t incarnation, next_id;
    struct samples *applied, *durable;
};

static struct command *feeling_claim(struct feeling *feeling, uint8_t slots)
{
    struct command *command = command_ring_claim(&feeling->fix, slots, false);
    ASSERT(command != NULL); // it holds seconds of this rate
    atomic_store_explicit(&feeling->fix.control->heartbeat_ns, measure_now_ns(),
                          memory_order_relaxed);
    return command;
}

static void feeling_publish(struct feeling *feeling, struct command *command)
{
    command->header.incarnation = feeling->incarnation;
    command->header.gateway_seq = ++feeling->gateway_seq;
    command_ring_publish(&feeling->fix);
}

static uint64_t feeling_durable(const struct feeling *feeling)
{
    return atomic_load_explicit(&feeling->ring.control->durable_seq, memory_order_acquire);
}

// Attaches; returns the sequence that the core had then.
static void feeling_attach(struct feeling *feeling)
{
    struct command *command = feeling_claim(feeling, command_slots(CMD_gateway_attach, 0));
    uint64_t before = feeling_durable(feeling);
    command->header.type = CMD_gateway_attach;
    command->header.slots = command_slots(CMD_gateway_attach, 0);
    command->header.version = SCHEMA_VERSION;
    command->header.gateway = GATEWAY_FIX;
    feeling_publish(feeling, command);
    while (feeling_durable(feeling) == before)
        usleep(100);
}

// A cancel of one of the open orders: also a venue that is not open takes it.
static void feeling_cancel(struct feeling *feeling)
{
    const struct flow_state *state = &feeling->bench->state;
    struct command cancel;
    uint32_t id = feeling->next_id++;
    flow_command_cancel(&cancel, &state->venue, 0, id, state->sequence_of[id]);
    struct command *out = feeling_claim(feeling, cancel.header.slots);
    memcpy(out, &cancel, (size_t)cancel.header.slots * SLOT_BYTES);
    feeling_publish(feeling, out);
}

// Samples those of the commands sent that have come to `reached`, from when they were due.
static void feeling_sample(struct samples *samples, uint64_t *done, uint64_t sent, uint64_t first,
                           uint64_t reached, uint64_t start_ns)
{
    uint64_t now_ns = measure_now_ns();
    // The core's digests and detaches come between: a few commands of many thousands.
    for (; *done < sent && first + *done <= reached; (*done)++)
        samples_add(samples, now_ns - start_ns - *done * FEELING_PERIOD_NS);
}

// Sends at the even rate; samples when each command was applied by the core, and when durable.
static void feeling_run(struct feeling *feeling, double seconds)
{
    const struct event_ring_control *control = feeling->ring.control;
    uint64_t count = (uint64_t)(seconds * CANCELS_PER_SECOND), sent = 0, done = 0, applied = 0;
    uint64_t first = atomic_load(&feeling->ring.control->applied_seq) + 1;
    uint64_t start_ns = measure_now_ns();
    while (done < count) {
        uint64_t now_ns = measure_now_ns();
        for (; sent < count && start_ns + sent * FEELING_PERIOD_NS <= now_ns; sent++)
            feeling_cancel(feeling);
        feeling_sample(feeling->applied, &applied, sent, first,
                       atomic_load_explicit(&control->applied_seq, memory_order_acquire), start_ns);
        feeling_sample(feeling->durable, &done, sent, first, feeling_durable(feeling), start_ns);
        usleep(20);
    }
}

static uint64_t newest_snapshot(const struct start_bench *bench)
{
    uint64_t sequence = 0;
    (void)numbered_largest(&sequence, bench->snapshots, SNAPSHOT_SUFFIX, UINT64_MAX);
    return sequence;
}

// Core and tape; the tape makes a snapshot every so many commands.
static void feel(struct start_bench *bench, struct samples samples[2], int64_t snapshot_every,
                 uint32_t incarnation, int log_fd)
{
    struct feeling feeling = {.bench = bench,
                              .applied = &samples[0],
                              .durable = &samples[1],
                              .incarnation = incarnation,
                              .next_id = 1};
    struct boot boot = bench->state.boot;
    feeling.next_id += (incarnation - 1) * (uint32_t)(bench->length->seconds * CANCELS_PER_SECOND);
    boot.config.tape_snapshot_every = snapshot_every;
    boot.reader_page_fd[PROCESS_TAPE] = memfile_create("page", sizeof(struct reader_page));
    feeling.ring = ring_of(&boot);
    ASSERT(command_ring_open_producer(&feeling.fix, boot.command_ring_fd[GATEWAY_FIX],
                                      (uint64_t)boot.config.rings_command_slots) == 0);
    pid_t core = start_core(&boot, &feeling.ring, log_fd);
    pid_t tape = process_start(&boot, PROCESS_TAPE, log_fd);
    feeling_attach(&feeling);
    struct reader_page *page;
    ASSERT(reader_page_open(&page, boot.reader_page_fd[PROCESS_TAPE]) == 0);
    while (atomic_load(&page->position_seq) < feeling_durable(&feeling))
        usleep(1000); // the tape loads its snapshot and catches up
    memfile_unmap(page, sizeof *page);
    uint64_t before = newest_snapshot(bench);
    feeling_run(&feeling, bench->length->seconds);
    if (snapshot_every < 1000000)
        fprintf(stderr,
                "recovery_bench: snapshots made meanwhile: the newest went from %llu to %llu\n",
                (unsigned long long)before, (unsigned long long)newest_snapshot(bench));
    process_stop(core);
    process_stop(tape);
    command_ring_close(&feeling.fix);
    event_ring_close(&feeling.ring);
    close(boot.reader_page_fd[PROCESS_TAPE]);
}

static void measure_feeling(struct start_bench *bench, int log_fd)
{
    static struct samples with[2], without[2];
    static const char *const metrics[] = {"applied_beside_snapshot_ns",
                                          "durable_beside_snapshot_ns"};
    feel(bench, without, 1000000000, 2, log_fd);
    feel(bench, with, SNAPSHOT_EVERY, 3, log_fd);
    for (int i = 0; i < 2; i++) {
        struct report_line line = report_line("recovery", "open-orders", metrics[i]);
        report_samples(&line, &with[i]);
        report_floor_samples(&line, "no snapshot", &without[i]);
        report_print(&line, bench->json);
    }
}

// A tape that begins with the last command before the snapshot: lonja-tape goes on behind it, if it
// may forget what was before (tape.keep_sequences).
static void begin_tape(struct start_bench *bench)
{
    static struct tape_writer writer;
    const struct replay *replay = &bench->state.replay;
    char folder[NUMBERED_PATH_BYTES];
    bench->state.boot.config.tape_keep_sequences = 1;
    state_folder(folder, &bench->state.boot.config, "tape");
    ASSERT(tape_writer_open(&writer, folder, TAPE_SEGMENT_EVENTS_DEFAULT, 0) == 0);
    writer.next_sequence = replay->sequence;
    ASSERT(tape_writer_add(&writer, replay->sink.events, replay->sink.count) == 0);
    ASSERT(tape_writer_sync(&writer) == 0);
    tape_writer_close(&writer);
}

static void run_open_orders(const char *folder, const struct length *length, bool json)
{
    static struct start_bench bench;
    char own[NUMBERED_PATH_BYTES];
    snprintf(own, sizeof own, "%s/open-orders", folder);
    struct flow_venue venue = flow_wide(INSTRUMENTS, length->accounts, 0);
    uint32_t live = length->orders / INSTRUMENTS, ids = length->orders + length->tail + 1;
    bench.length = length;
    bench.json = json;
    flow_state_open(&bench.state, own, &venue,
                    order_flow_create(false, INSTRUMENTS, live, length->tail, 44),
                    length->orders * 2, ids);
    if (length == &lengths[LENGTH_SMOKE]) // three cores zero-fill and sync theirs
        bench.state.boot.config.journal_segment_bytes = 1 << 20;
    flow_state_make_venue(&bench.state);
    flow_state_run(&bench.state, length->orders);
    fprintf(stderr, "recovery_bench: %u orders are open\n",
            (unsigned)engine_open_orders(bench.state.replay.engine));
    state_folder(bench.snapshots, &bench.state.boot.config, "snapshots");
    state_folder(bench.journal, &bench.state.boot.config, "journal");
    ASSERT(state_folder_make(bench.snapshots) == 0);
    measure_save(&bench);
    measure_load(&bench);
    begin_tape(&bench);
    flow_state_journal_begin(&bench.state, DENSE);
    flow_state_run(&bench.state, UINT64_MAX);
    flow_state_journal_end(&bench.state);
    measure_recover(&bench);
    char log[NUMBERED_PATH_BYTES];
    snprintf(log, sizeof log, "%s/log", own);
    int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    ASSERT(log_fd >= 0);
    measure_start(&bench, log_fd);
    measure_feeling(&bench, log_fd);
    close(log_fd);
    flow_state_close(&bench.state);
}

int main(int count, char **words)
{
    struct report_options options;
    char folder[] = LONJA_BENCH_FOLDER "/recovery-XXXXXX";
    if (!report_options_read(&options, count, words))
        return 2;
    if (mkdtemp(folder) == NULL) {
        fprintf(stderr, "recovery_bench: %s: %s\n", folder, strerror(errno));
        return 1;
    }
    const struct length *length = &lengths[options.length];
    bool right = true;
    if (report_wanted(&options, "mix1"))
        right = run_replay(folder, "mix1", length, length->operations, DENSE, options.json);
    if (report_wanted(&options, "mix1-sparse"))
        right =
            run_replay(folder, "mix1-sparse", length, length->sparse_operations, 1, options.json) &&
            right;
    if (report_wanted(&options, "tape"))
        run_tape(folder, length, options.json);
    if (report_wanted(&options, "open-orders"))
        run_open_orders(folder, length, options.json);
    char command[NUMBERED_PATH_BYTES];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 && right ? 0 : 1;
}
