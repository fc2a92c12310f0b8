// Benchmark of the rings between two threads on two CPUs: how fast commands and events stream, and
// how long an order takes there and back, beside a bare cache line that two CPUs throw to each
// other.
//
// What streams: `command` sends orders of two slots, each published by itself; `event` sends
// commands of one event each, made durable 64 at a time. What goes back and forth, one at a time:
// `command-echo` (a command ring each way), `order-path` (there by the command ring, back by the
// event ring, as an order and its answer do). Rounds of the contestants alternate and are short;
// both threads are real-time for a round where that is allowed, because a thread that waits for one
// that is not running measures the scheduler.
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/command_ring.h"
#include "base/event_ring.h"
#include "base/memfile.h"
#include "perf/machine.h"
#include "perf/measure.h"
#include "perf/report.h"

enum {
    STREAMED = 200000,
    TRIPS = 10000,
    COMMAND_SLOTS = 1 << 14,
    ORDER_SLOTS = 2,
    EVENTS = 1 << 14,
    DURABLE_EVERY = 64,
    ROUNDS_MAX = 301,
    PRIORITY = 10,
};

static const int rounds_of[] = {3, 41, 301}; // by enum report_length

struct bench {
    struct command_ring to, from;     // this side's views
    struct command_ring to_b, from_b; // the other side's
    struct event_ring events, events_b;
    _Alignas(64) _Atomic uint64_t line;
    _Alignas(64) _Atomic uint64_t reader_position; // of the event stream
    _Atomic bool ready, go;
    uint64_t event_position; // the next one, and its sequence less one
    void (*other)(struct bench *);
};

// ---- two threads

static void pause_once(void)
{
    __builtin_ia32_pause();
}

static void *other_thread(void *context)
{
    struct bench *bench = context;
    machine_pin(1 % machine_cpus());
    (void)machine_realtime(PRIORITY); // said once by main
    atomic_store(&bench->ready, true);
    while (!atomic_load_explicit(&bench->go, memory_order_acquire))
        pause_once();
    bench->other(bench);
    return NULL;
}

// Nanoseconds from the start of both until both have ended.
static double run_pair(struct bench *bench, void (*here)(struct bench *),
                       void (*other)(struct bench *))
{
    pthread_t thread;
    bench->other = other;
    atomic_store(&bench->ready, false);
    atomic_store(&bench->go, false);
    ASSERT(pthread_create(&thread, NULL, other_thread, bench) == 0);
    while (!atomic_load(&bench->ready))
        sched_yield();
    (void)machine_realtime(PRIORITY);
    uint64_t before = measure_now_ns();
    atomic_store_explicit(&bench->go, true, memory_order_release);
    here(bench);
    ASSERT(pthread_join(thread, NULL) == 0);
    double span_ns = (double)(measure_now_ns() - before);
    (void)machine_realtime(0); // others may have the CPU between rounds
    return span_ns;
}

// ---- floor

static void line_here(struct bench *bench)
{
    for (uint64_t i = 0; i < TRIPS; i++) {
        atomic_store_explicit(&bench->line, 2 * i + 1, memory_order_release);
        while (atomic_load_explicit(&bench->line, memory_order_acquire) != 2 * i + 2)
            pause_once();
    }
}

static void line_other(struct bench *bench)
{
    for (uint64_t i = 0; i < TRIPS; i++) {
        while (atomic_load_explicit(&bench->line, memory_order_acquire) != 2 * i + 1)
            pause_once();
        atomic_store_explicit(&bench->line, 2 * i + 2, memory_order_release);
    }
}

static double line_trip(struct bench *bench)
{
    atomic_store(&bench->line, 0);
    return run_pair(bench, line_here, line_other) / TRIPS;
}

// ---- commands

static void command_send(struct command_ring *ring, uint64_t number)
{
    struct command *command;
    while ((command = command_ring_claim(ring, ORDER_SLOTS, false)) == NULL)
        pause_once();
    command->header.slots = ORDER_SLOTS;
    command->header.type = CMD_order_new;
    command->header.gateway_seq = number;
    command->body.order_new.quantity = (int64_t)number;
    command_ring_publish(ring);
}

static void command_receive(struct command_ring *ring, uint64_t number)
{
    struct command command;
    enum command_ring_result result;
    while ((result = command_ring_take(ring, &command)) == COMMAND_RING_EMPTY)
        pause_once();
    ASSERT(result == COMMAND_RING_TAKEN);
    ASSERT(command.header.gateway_seq == number &&
           command.body.order_new.quantity == (int64_t)number);
}

static void stream_here(struct bench *bench)
{
    for (uint64_t i = 1; i <= STREAMED; i++)
        command_send(&bench->to, i);
}

static void stream_other(struct bench *bench)
{
    for (uint64_t i = 1; i <= STREAMED; i++)
        command_receive(&bench->to_b, i);
}

static double command_stream(struct bench *bench)
{
    return run_pair(bench, stream_here, stream_other) / ((double)STREAMED * ORDER_SLOTS);
}

static void echo_here(struct bench *bench)
{
    for (uint64_t i = 1; i <= TRIPS; i++) {
        command_send(&bench->to, i);
        command_receive(&bench->from, i);
    }
}

static void echo_other(struct bench *bench)
{
    for (uint64_t i = 1; i <= TRIPS; i++) {
        command_receive(&bench->to_b, i);
        command_send(&bench->from_b, i);
    }
}

static double command_echo(struct bench *bench)
{
    return run_pair(bench, echo_here, echo_other) / TRIPS;
}

// ---- events

// Writes one command's one event; `durable` publishes it and those before.
static void event_send(struct bench *bench, uint64_t number, bool durable)
{
    struct event_ring *ring = &bench->events;
    struct event event = {.header = {.type = EVT_order_accepted, .last = 1}};
    uint64_t position = bench->event_position++, sequence = bench->event_position;
    event.header.sequence = sequence;
    event.body.order_accepted.quantity = (int64_t)number;
    event_ring_write(ring, position, &event, 1);
    // Release, as in the core: the event is complete before `written` shows it.
    atomic_store_explicit(&ring->control->written, sequence, memory_order_release);
    if (durable)
        atomic_store_explicit(&ring->control->durable_seq, sequence, memory_order_release);
}

static void event_receive(const struct event_ring *ring, uint64_t position, uint64_t number)
{
    struct event event;
    enum event_ring_result result;
    while ((result = event_ring_read(ring, position, &event)) == EVENT_RING_NONE)
        pause_once();
    ASSERT(result == EVENT_RING_READ);
    ASSERT(event.header.sequence == position + 1 &&
           event.body.order_accepted.quantity == (int64_t)number);
}

// A core never waits for its readers; here it must, else the reader would be sent to the tape.
static void events_here(struct bench *bench)
{
    uint64_t first = bench->event_position;
    atomic_store(&bench->reader_position, first);
    for (uint64_t i = 1; i <= STREAMED; i++) {
        while (first + i - atomic_load_explicit(&bench->reader_position, memory_order_relaxed) >
               EVENTS / 2)
            pause_once();
        event_send(bench, i, i % DURABLE_EVERY == 0 || i == STREAMED);
    }
}

static void events_other(struct bench *bench)
{
    uint64_t first = atomic_load(&bench->reader_position);
    for (uint64_t i = 0; i < STREAMED; i++) {
        event_receive(&bench->events_b, first + i, i + 1);
        if (i % 256 == 0)
            atomic_store_explicit(&bench->reader_position, first + i, memory_order_relaxed);
    }
    atomic_store_explicit(&bench->reader_position, first + STREAMED, memory_order_relaxed);
}

static double event_stream(struct bench *bench)
{
    atomic_store(&bench->reader_position, bench->event_position);
    return run_pair(bench, events_here, events_other) / STREAMED;
}

static void path_here(struct bench *bench)
{
    uint64_t first = atomic_load(&bench->reader_position);
    for (uint64_t i = 0; i < TRIPS; i++) {
        command_send(&bench->to, i + 1);
        event_receive(&bench->events_b, first + i, i + 1);
    }
}

static void path_other(struct bench *bench)
{
    for (uint64_t i = 1; i <= TRIPS; i++) {
        command_receive(&bench->to_b, i);
        event_send(bench, i, true);
    }
}

static double order_path(struct bench *bench)
{
    atomic_store(&bench->reader_position, bench->event_position);
    return run_pair(bench, path_here, path_other) / TRIPS;
}

// ---- the whole

static void open_command_ring(struct command_ring *producer, struct command_ring *consumer)
{
    int fd = memfile_create("bench-commands", command_ring_bytes(COMMAND_SLOTS));
    ASSERT(fd >= 0);
    ASSERT(command_ring_open_producer(producer, fd, COMMAND_SLOTS) == 0);
    ASSERT(command_ring_open_consumer(consumer, fd, COMMAND_SLOTS, false) == 0);
    close(fd);
}

static void bench_open(struct bench *bench)
{
    memset(bench, 0, sizeof *bench);
    open_command_ring(&bench->to, &bench->to_b);
    open_command_ring(&bench->from_b, &bench->from);
    int fd = memfile_create("bench-events", event_ring_bytes(EVENTS));
    ASSERT(fd >= 0);
    ASSERT(event_ring_open_writer(&bench->events, fd, EVENTS, DURABLE_EVERY) == 0);
    ASSERT(event_ring_open_reader(&bench->events_b, fd, EVENTS, DURABLE_EVERY) == 0);
    close(fd);
}

static void bench_close(struct bench *bench)
{
    command_ring_close(&bench->to);
    command_ring_close(&bench->to_b);
    command_ring_close(&bench->from);
    command_ring_close(&bench->from_b);
    event_ring_close(&bench->events);
    event_ring_close(&bench->events_b);
}

struct contestant {
    const char *workload, *metric;
    double (*round)(struct bench *);
    double line_share; // of a round trip of the bare line: its floor
    const char *floor;
};

static const struct contestant contestants[] = {
    {"command", "ns_per_slot", command_stream, 0.5, "line, one way"},
    {"event", "ns_per_event", event_stream, 0.5, "line, one way"},
    {"command-echo", "round_trip_ns", command_echo, 1, "line ping-pong"},
    {"order-path", "round_trip_ns", order_path, 1, "line ping-pong"},
};
enum { CONTESTANTS = sizeof contestants / sizeof contestants[0] };

static void report(const struct contestant *contestant, double *ours, double *lines, int rounds,
                   bool json)
{
    struct report_line line = report_line("ring", contestant->workload, contestant->metric);
    line.median = measure_median(ours, (uint32_t)rounds);
    line.min = ours[0];
    line.floor = contestant->floor;
    line.floor_median = measure_median(lines, (uint32_t)rounds) * contestant->line_share;
    report_print(&line, json);
}

int main(int count, char **words)
{
    static struct bench bench;
    static double ours[CONTESTANTS][ROUNDS_MAX], lines[ROUNDS_MAX];
    struct report_options options;
    if (!report_options_read(&options, count, words))
        return 2;
    if (machine_cpus() < 2)
        fprintf(stderr, "ring_bench: one CPU only: what is measured is the scheduler\n");
    machine_pin(0);
    if (!machine_realtime(PRIORITY))
        fprintf(stderr,
                "ring_bench: not allowed to be real-time: on a busy machine expect slow rounds\n");
    (void)machine_realtime(0);
    bench_open(&bench);
    int rounds = rounds_of[options.length];
    for (int round = 0; round < rounds; round++) {
        lines[round] = line_trip(&bench);
        for (int i = 0; i < CONTESTANTS; i++)
            if (report_wanted(&options, contestants[i].workload))
                ours[i][round] = contestants[i].round(&bench);
    }
    for (int i = 0; i < CONTESTANTS; i++)
        if (report_wanted(&options, contestants[i].workload))
            report(&contestants[i], ours[i], lines, rounds, options.json);
    bench_close(&bench);
    return 0;
}
