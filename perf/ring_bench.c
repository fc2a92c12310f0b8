// Command ring between two CPUs. round_trip: a one-slot command there and one back, against a bare
// cache line that two CPUs pass to and fro; stream: one-slot commands in one direction as fast as
// they go. Each round takes ours and the floor in turn.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/command_ring.h"
#include "base/memfile.h"
#include "perf/measure.h"

enum { SLOTS = 4096, ROUNDS = 9, TRIPS = 200000, STREAM = 4000000 };

struct pair {
    struct command_ring there, back; // the far side's ends
    struct command_ring ping, pong;  // the near side's ends
    _Alignas(64) _Atomic uint64_t line;
};

static void open_rings(struct command_ring *producer, struct command_ring *consumer)
{
    int fd = memfile_create("bench", command_ring_bytes(SLOTS));
    ASSERT(fd >= 0);
    ASSERT(command_ring_open_producer(producer, fd, SLOTS) == 0);
    ASSERT(command_ring_open_consumer(consumer, fd, SLOTS, true) == 0);
    close(fd);
}

static void put(struct command_ring *ring)
{
    struct command *command;
    while ((command = command_ring_claim(ring, 1, false)) == NULL)
        __builtin_ia32_pause();
    command->header.slots = 1;
    command->header.type = CMD_clock_tick;
    command_ring_publish(ring);
}

static void take(struct command_ring *ring)
{
    struct command command;
    enum command_ring_result result;
    while ((result = command_ring_take(ring, &command)) == COMMAND_RING_EMPTY)
        __builtin_ia32_pause();
    ASSERT(result == COMMAND_RING_TAKEN);
}

static void *far_round_trip(void *context)
{
    struct pair *pair = context;
    measure_pin(1);
    for (int i = 0; i < TRIPS; i++) {
        take(&pair->there);
        put(&pair->back);
    }
    return NULL;
}

static void *far_line(void *context)
{
    struct pair *pair = context;
    measure_pin(1);
    for (uint64_t i = 1; i < 2 * TRIPS; i += 2) {
        while (atomic_load_explicit(&pair->line, memory_order_acquire) != i)
            __builtin_ia32_pause();
        atomic_store_explicit(&pair->line, i + 1, memory_order_release);
    }
    return NULL;
}

static void *far_stream(void *context)
{
    struct pair *pair = context;
    measure_pin(1);
    for (int i = 0; i < STREAM; i++)
        take(&pair->there);
    return NULL;
}

static void near_round_trip(struct pair *pair)
{
    for (int i = 0; i < TRIPS; i++) {
        put(&pair->ping);
        take(&pair->pong);
    }
}

static void near_line(struct pair *pair)
{
    for (uint64_t i = 0; i < 2 * TRIPS; i += 2) {
        atomic_store_explicit(&pair->line, i + 1, memory_order_release);
        while (atomic_load_explicit(&pair->line, memory_order_acquire) != i + 2)
            __builtin_ia32_pause();
    }
}

static void near_stream(struct pair *pair)
{
    for (int i = 0; i < STREAM; i++)
        put(&pair->ping);
}

// Picoseconds per operation: one round is one sample, and nanoseconds would be too coarse.
static uint64_t run(struct pair *pair, void *(*far)(void *), void (*near)(struct pair *),
                    uint64_t count)
{
    pthread_t thread;
    atomic_store(&pair->line, 0);
    ASSERT(pthread_create(&thread, NULL, far, pair) == 0);
    uint64_t began_ns = measure_now_ns();
    near(pair);
    ASSERT(pthread_join(thread, NULL) == 0);
    return (measure_now_ns() - began_ns) * 1000 / count;
}

int main(void)
{
    static struct pair pair;
    uint64_t trips[ROUNDS], lines[ROUNDS], stream[ROUNDS], again[ROUNDS];
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        fprintf(stderr, "ring_bench: skipped, it needs two CPUs\n");
        return 0;
    }
    measure_pin(0);
    open_rings(&pair.ping, &pair.there);
    open_rings(&pair.back, &pair.pong);
    for (int i = 0; i < ROUNDS; i++) {
        trips[i] = run(&pair, far_round_trip, near_round_trip, TRIPS);
        lines[i] = run(&pair, far_line, near_line, TRIPS);
        stream[i] = run(&pair, far_stream, near_stream, STREAM);
        again[i] = lines[i];
    }
    measure_print(&(struct measure_result){"ring", "round_trip", "ns_per_round_trip", trips, ROUNDS,
                                           "cross-CPU line ping-pong", lines, ROUNDS, 1000});
    measure_print(&(struct measure_result){"ring", "stream", "ns_per_command", stream, ROUNDS,
                                           "cross-CPU line ping-pong", again, ROUNDS, 1000});
    return 0;
}
