// Happy path: append copies into the queue; the journal thread collects whole commands into the
// block buffer, seals it, writes it at the segment's end, syncs, publishes the last sequence, frees
// the queue.
//
// Failure modes: the write or sync fails: gate_fail, and never again a write. The next segment is
// not ready in time: the journal thread waits for it (counted). The queue is full: journal_room
// says so and the core stops taking commands.
#include "core/journal.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/futex.h"
#include "base/log.h"
#include "core/counters.h"
#include "core/journal_reader.h"
#include "core/journal_segment.h"
#include "core/numbered_file.h"
#include "core/realtime.h"

#define JOURNAL_TEMPORARY_NAME "segment.tmp"
enum {
    JOURNAL_ZEROES_BYTES = 256 << 10, // what a write of the segment in use may have to wait for
    JOURNAL_SEGMENTS_AHEAD = 2,
    JOURNAL_WAIT_MS = 100,
    JOURNAL_REST_US =
        100, // after which who did not ask is woken: the answer of who did is on its way by then
};

// ---- open and close

static int journal_memory(struct journal *journal)
{
    size_t queue_bytes = journal->options.queue_slots * SLOT_BYTES;
    int result = arena_open(&journal->arena, queue_bytes + JOURNAL_BLOCK_BYTES_MAX +
                                                 JOURNAL_ZEROES_BYTES + 4 * JOURNAL_PAGE_BYTES);
    if (result != 0)
        return result;
    journal->queue = arena_alloc(&journal->arena, queue_bytes, JOURNAL_PAGE_BYTES);
    journal->block = arena_alloc(&journal->arena, JOURNAL_BLOCK_BYTES_MAX, JOURNAL_PAGE_BYTES);
    journal->zeroes = arena_alloc(&journal->arena, JOURNAL_ZEROES_BYTES, JOURNAL_PAGE_BYTES);
    ASSERT(journal->queue != NULL && journal->block != NULL && journal->zeroes != NULL);
    // Touched now: no page fault later in the core thread.
    memset(journal->queue, 0, queue_bytes);
    memset(journal->block, 0, JOURNAL_BLOCK_BYTES_MAX);
    return 0;
}

// A block never crosses the end of its segment.
static uint32_t journal_payload_max(uint64_t segment_bytes)
{
    uint64_t room = segment_bytes - JOURNAL_PAGE_BYTES - JOURNAL_BLOCK_HEADER_BYTES;
    return room < JOURNAL_PAYLOAD_BYTES_MAX ? (uint32_t)room : JOURNAL_PAYLOAD_BYTES_MAX;
}

int journal_open(struct journal *journal, const struct journal_io *io, struct gate *gate,
                 const struct clock *clock, const struct journal_options *options)
{
    ASSERT(is_power_of_two(options->queue_slots) && options->queue_slots >= 4 * COMMAND_SLOTS_MAX);
    ASSERT(options->segments.bytes >= 2 * JOURNAL_PAGE_BYTES);
    ASSERT(options->segments.bytes % JOURNAL_PAGE_BYTES == 0);
    memset(journal, 0, sizeof *journal);
    journal->io = io;
    journal->gate = gate;
    journal->clock = clock;
    journal->options = *options;
    journal->payload_bytes_max = journal_payload_max(options->segments.bytes);
    journal->file = -1;
    journal->next_sequence = options->next_sequence;
    journal->chain = options->chain;
    uint64_t next, ready;
    int result = journal_next_segment(io, &next, &ready, &options->segments);
    if (result != 0)
        return result;
    journal->segment = next - 1;
    atomic_store(&journal->in_use, next - 1);
    atomic_store(&journal->prepared, next - 1 + ready);
    result = journal_memory(journal);
    if (result != 0)
        return result;
    if (ready == 0)
        result = journal_prepare_work(journal);
    return result < 0 ? result : 0;
}

void journal_close(struct journal *journal)
{
    if (journal->file >= 0)
        journal->io->close(journal->io->context, journal->file);
    journal->file = -1;
    if (journal->arena.memory != NULL)
        arena_close(&journal->arena);
}

// ---- core thread

uint64_t journal_room(struct journal *journal)
{
    uint64_t used = journal->queue_write - journal->queue_read_seen;
    if (journal->options.queue_slots - used < 4 * COMMAND_SLOTS_MAX) {
        // Acquire: the journal thread has finished copying what lies before the head.
        journal->queue_read_seen = atomic_load_explicit(&journal->queue_head, memory_order_acquire);
        used = journal->queue_write - journal->queue_read_seen;
    }
    return journal->options.queue_slots - used;
}

static uint8_t *journal_slot(const struct journal *journal, uint64_t position)
{
    return journal->queue + (position & (journal->options.queue_slots - 1)) * SLOT_BYTES;
}

void journal_append(struct journal *journal, const struct command *command)
{
    uint8_t slots = command->header.slots;
    ASSERT(slots >= 1 && slots <= COMMAND_SLOTS_MAX);
    ASSERT(journal_room(journal) >= slots);
    const uint8_t *from = (const uint8_t *)command;
    for (uint8_t i = 0; i < slots; i++, from += SLOT_BYTES)
        memcpy(journal_slot(journal, journal->queue_write++), from, SLOT_BYTES);
}

void journal_flush(struct journal *journal)
{
    // Release: the commands are complete before the tail shows them.
    atomic_store_explicit(&journal->queue_tail, journal->queue_write, memory_order_release);
    // Full fence: either the journal thread sees the tail, or we see that it sleeps.
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&journal->sleeping, memory_order_relaxed) != 0) {
        atomic_fetch_add_explicit(&journal->wake, 1, memory_order_release);
        futex_wake(&journal->wake);
    }
}

// ---- segments

static void journal_prepare_signal(struct journal *journal)
{
    atomic_fetch_add_explicit(&journal->prepare_wake, 1, memory_order_release);
    futex_wake(&journal->prepare_wake);
}

static int journal_prepare_segment(struct journal *journal, uint64_t number)
{
    struct journal_segment_header header;
    journal_segment_header_init(&header, number, &journal->options.segments);
    return journal_segment_make(journal->io, JOURNAL_TEMPORARY_NAME, journal->zeroes,
                                JOURNAL_ZEROES_BYTES, &header);
}

int journal_prepare_work(struct journal *journal)
{
    uint64_t prepared = atomic_load_explicit(&journal->prepared, memory_order_relaxed);
    uint64_t in_use = atomic_load_explicit(&journal->in_use, memory_order_acquire);
    if (prepared >= in_use + JOURNAL_SEGMENTS_AHEAD)
        return 0;
    int result = journal_prepare_segment(journal, prepared + 1);
    if (result != 0) {
        log_error("a journal segment cannot be prepared segment=%llu error=%s",
                  (unsigned long long)prepared + 1, strerror(-result));
        return result;
    }
    // Release: the segment is whole and has its name before the writer opens it.
    atomic_store_explicit(&journal->prepared, prepared + 1, memory_order_release);
    journal_prepare_signal(journal);
    return 1;
}

// Waits for the preparer, or does its work where there is none. Returns 0 or -errno.
static int journal_await_segment(struct journal *journal, uint64_t number)
{
    bool counted = false;
    for (;;) {
        uint32_t seen = atomic_load_explicit(&journal->prepare_wake, memory_order_acquire);
        if (atomic_load_explicit(&journal->prepared, memory_order_acquire) >= number)
            return 0;
        uint32_t error =
            atomic_load_explicit(&journal->gate->control->journal_error, memory_order_acquire);
        if (error != 0)
            return -(int)error;
        core_counter_add(journal->gate->control, COUNTER_journal_segment_waits, !counted);
        counted = true;
        if (journal->threaded) {
            futex_wait(&journal->prepare_wake, seen, JOURNAL_WAIT_MS * 1000000u);
            continue;
        }
        int result = journal_prepare_work(journal);
        if (result < 0)
            return result;
    }
}

static int journal_begin_segment(struct journal *journal)
{
    uint64_t number = journal->segment + 1;
    int result = journal_await_segment(journal, number);
    if (result != 0)
        return result;
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, number, JOURNAL_SUFFIX);
    int file = journal->io->open(journal->io->context, name, JOURNAL_IO_WRITE);
    if (file < 0)
        return file;
    if (journal->file >= 0)
        journal->io->close(journal->io->context, journal->file);
    journal->file = file;
    journal->segment = number;
    journal->offset = JOURNAL_PAGE_BYTES;
    core_counter_add(journal->gate->control, COUNTER_journal_segments, 1);
    atomic_store_explicit(&journal->in_use, number, memory_order_release);
    journal_prepare_signal(journal);
    return 0;
}

// ---- journal thread

// Copies whole commands from the queue into the block; returns the queue's position behind them.
static uint64_t journal_collect(struct journal *journal, uint64_t from, uint64_t tail)
{
    struct journal_block_header *block = journal->block;
    uint8_t *payload = (uint8_t *)(block + 1);
    *block = (struct journal_block_header){.epoch = journal->options.epoch,
                                           .first_sequence = journal->next_sequence};
    journal->asked = 0;
    while (from != tail) {
        const struct command_header *header =
            (const struct command_header *)(const void *)journal_slot(journal, from);
        uint8_t slots = header->slots;
        ASSERT(slots >= 1 && slots <= COMMAND_SLOTS_MAX && slots <= tail - from);
        uint32_t bytes = slots * (uint32_t)SLOT_BYTES;
        if (block->bytes + bytes > journal->payload_bytes_max)
            break;
        if (header->gateway != GATEWAY_CORE)
            journal->asked |= 1u << header->gateway;
        for (uint8_t i = 0; i < slots; i++, payload += SLOT_BYTES)
            memcpy(payload, journal_slot(journal, from++), SLOT_BYTES);
        block->bytes += bytes;
        block->count++;
    }
    return from;
}

static int journal_write_block(struct journal *journal)
{
    struct journal_block_header *block = journal->block;
    size_t bytes = journal_block_bytes(block->bytes);
    if (journal->file < 0 || journal->offset + bytes > journal->options.segments.bytes) {
        int result = journal_begin_segment(journal);
        if (result != 0)
            return result;
    }
    block->segment = journal->segment;
    block->previous_chain = journal->chain;
    size_t used = JOURNAL_BLOCK_HEADER_BYTES + (size_t)block->bytes;
    memset((uint8_t *)block + used, 0, bytes - used);
    journal_block_seal(block);
    // Paired with the check after every read: what we write must be what a reader accepts.
    ASSERT(journal_block_header_valid(block, journal->segment));
    ASSERT(((const struct command *)(const void *)(block + 1))->header.sequence ==
           block->first_sequence);
    const struct journal_io *io = journal->io;
    int result = io->write(io->context, journal->file, block, bytes, journal->offset);
    if (result == 0)
        result = io->sync(io->context, journal->file);
    if (result != 0)
        return result;
    journal->offset += bytes;
    journal->chain = block->chain;
    journal->next_sequence = block->first_sequence + block->count;
    return 0;
}

static void journal_count(struct journal *journal, uint64_t span_ns)
{
    struct event_ring_control *control = journal->gate->control;
    core_counter_add(control, COUNTER_journal_blocks, 1);
    core_counter_add(control, COUNTER_journal_bytes, journal_block_bytes(journal->block->bytes));
    core_counter_max(control, COUNTER_journal_block_commands_max, journal->block->count);
    core_counter_max(control, COUNTER_journal_write_max_ns, span_ns);
}

static int journal_fail(struct journal *journal, int result)
{
    log_error("the journal cannot be written, the venue stops segment=%llu offset=%llu "
              "sequence=%llu error=%s",
              (unsigned long long)journal->segment, (unsigned long long)journal->offset,
              (unsigned long long)journal->next_sequence, strerror(-result));
    gate_fail(journal->gate, -result);
    return result;
}

int journal_write_work(struct journal *journal)
{
    uint32_t error =
        atomic_load_explicit(&journal->gate->control->journal_error, memory_order_acquire);
    if (error != 0)
        return -(int)error; // what the disk holds is not known: never write again
    uint64_t now_ns = clock_monotone_ns(journal->clock);
    atomic_store_explicit(&journal->gate->control->journal_heartbeat_ns, now_ns,
                          memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&journal->queue_head, memory_order_relaxed);
    // Acquire: the commands before the tail are complete.
    uint64_t tail = atomic_load_explicit(&journal->queue_tail, memory_order_acquire);
    if (head == tail)
        return 0;
    head = journal_collect(journal, head, tail);
    int result = journal_write_block(journal);
    if (result != 0)
        return journal_fail(journal, result);
    // Release: our copies are done before the core may fill the slots again.
    atomic_store_explicit(&journal->queue_head, head, memory_order_release);
    journal_count(journal, clock_monotone_ns(journal->clock) - now_ns);
    gate_publish(journal->gate, journal->next_sequence - 1, journal->asked);
    return (int)journal->block->count;
}

static bool journal_is_wanted(const struct journal *journal)
{
    return atomic_load_explicit(&journal->queue_tail, memory_order_acquire) !=
               atomic_load_explicit(&journal->queue_head, memory_order_relaxed) ||
           atomic_load_explicit(&journal->stop, memory_order_acquire) != 0;
}

void journal_sleep(struct journal *journal)
{
    uint32_t seen = atomic_load_explicit(&journal->wake, memory_order_acquire);
    atomic_store_explicit(&journal->sleeping, 1, memory_order_relaxed);
    // Full fence: pairs with journal_flush; either it sees us sleep, or we see its tail.
    atomic_thread_fence(memory_order_seq_cst);
    if (!journal_is_wanted(journal))
        futex_wait(&journal->wake, seen,
                   journal->gate->rest_waits ? JOURNAL_REST_US * 1000u
                                             : JOURNAL_WAIT_MS * 1000000u);
    atomic_store_explicit(&journal->sleeping, 0, memory_order_relaxed);
    if (!journal_is_wanted(journal)) // else they are woken with the next block
        gate_wake_rest(journal->gate);
}

static void *journal_writer_thread(void *context)
{
    struct journal *journal = context;
    for (;;) {
        int result = journal_write_work(journal);
        if (result < 0)
            return NULL;
        if (result > 0)
            continue;
        if (atomic_load_explicit(&journal->stop, memory_order_acquire) != 0) {
            gate_wake_rest(journal->gate);
            return NULL;
        }
        journal_sleep(journal);
    }
}

static void *journal_preparer_thread(void *context)
{
    struct journal *journal = context;
    // Lowest priority of the ordinary class: SCHED_IDLE could be starved for good by a spinning
    // core.
    setpriority(PRIO_PROCESS, (id_t)gettid(), 19);
    while (atomic_load_explicit(&journal->stop, memory_order_acquire) == 0) {
        uint32_t seen = atomic_load_explicit(&journal->prepare_wake, memory_order_acquire);
        int result = journal_prepare_work(journal);
        if (result < 0) {
            gate_fail(journal->gate, -result);
            journal_prepare_signal(journal);
            return NULL;
        }
        if (result == 0)
            futex_wait(&journal->prepare_wake, seen, JOURNAL_WAIT_MS * 1000000u);
    }
    return NULL;
}

int journal_start(struct journal *journal, int realtime_priority)
{
    journal->threaded = true;
    int result = pthread_create(&journal->preparer, NULL, journal_preparer_thread, journal);
    if (result != 0)
        return -result;
    result = pthread_create(&journal->writer, NULL, journal_writer_thread, journal);
    if (result != 0)
        return -result;
    realtime_set(journal->writer, realtime_priority, "journal thread");
    return 0;
}

void journal_stop(struct journal *journal)
{
    ASSERT(journal->threaded);
    journal_flush(journal);
    atomic_store_explicit(&journal->stop, 1, memory_order_release);
    atomic_fetch_add(&journal->wake, 1);
    futex_wake(&journal->wake);
    journal_prepare_signal(journal);
    ASSERT(pthread_join(journal->writer, NULL) == 0);
    ASSERT(pthread_join(journal->preparer, NULL) == 0);
    journal->threaded = false;
}
