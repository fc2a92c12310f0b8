// Happy path: the follower stands in the ring and copies event after event up to durable_seq.
//
// It leaves the ring when it is lapped or when a core begins a new epoch: then it looks for its
// place again, by binary search in the ring (events are sorted there, too) and, if the ring does
// not hold it (any more, or not in this epoch), on the tape. While it reads the tape it looks at
// every poll whether the ring has it. Its place is (next_sequence, next_index); every event must be
// exactly that one.
#include "core/follower.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memfile.h"
#include "core/numbered_file.h"
#include "core/snapshot_file.h"
#include "core/tape_format.h"
#include "core/tape_reader.h"

enum follower_source { FOLLOWER_LOST, FOLLOWER_TAPE, FOLLOWER_RING };
enum { FOLLOWER_TAPE_WAIT_MS = 5 };

struct follower {
    struct event_ring ring;
    struct reader_page *page;
    int doorbell_fd;
    struct tape_reader tape;
    enum follower_source source;
    uint64_t epoch;         // of the ring we stand in
    uint64_t position;      // of the ring: next event to read
    uint64_t next_sequence; // the event that comes next
    uint32_t next_index;
    uint64_t seen_durable; // durable_seq at the beginning of the last poll
};

// ---- open and close

static bool follower_map(struct follower *follower, const struct boot *boot)
{
    int result = event_ring_open_reader(&follower->ring, boot->event_ring_fd,
                                        (uint64_t)boot->config.rings_events,
                                        (uint64_t)boot->config.limits_command_events_max);
    if (result != 0) {
        fprintf(stderr, "follower: cannot map the event ring: %s\n", strerror(-result));
        return false;
    }
    result = reader_page_open(&follower->page, boot->reader_page_fd[boot->process]);
    if (result != 0) {
        fprintf(stderr, "follower: cannot map the reader page: %s\n", strerror(-result));
        event_ring_close(&follower->ring);
        return false;
    }
    return true;
}

struct follower *follower_open(const struct boot *boot, uint64_t after_sequence)
{
    ASSERT(boot->process < PROCESS_COUNT);
    struct follower *follower = calloc(1, sizeof *follower);
    ASSERT(follower != NULL);
    if (!follower_map(follower, boot)) {
        free(follower);
        return NULL;
    }
    char folder[NUMBERED_PATH_BYTES];
    state_folder(folder, &boot->config, "tape");
    tape_reader_init(&follower->tape, folder);
    follower->doorbell_fd = boot->doorbell_fd[boot->process];
    if (follower->doorbell_fd >= 0) // sleep_end drains it and must not block
        ASSERT(fcntl(follower->doorbell_fd, F_SETFL, O_NONBLOCK) == 0);
    follower->next_sequence = after_sequence + 1;
    return follower;
}

void follower_close(struct follower *follower)
{
    if (follower == NULL)
        return;
    event_ring_close(&follower->ring);
    memfile_unmap(follower->page, sizeof *follower->page);
    tape_reader_fini(&follower->tape);
    free(follower);
}

// ---- finding the place in the ring

static uint64_t follower_epoch(const struct follower *follower)
{
    // Acquire: base_position and base_sequence are stored before the epoch.
    return atomic_load_explicit(&follower->ring.control->epoch, memory_order_acquire);
}

// First position that may still be read without being lapped.
static uint64_t follower_oldest(const struct follower *follower)
{
    const struct event_ring *ring = &follower->ring;
    uint64_t base = atomic_load_explicit(&ring->control->base_position, memory_order_relaxed);
    uint64_t written = atomic_load_explicit(&ring->control->written, memory_order_acquire);
    uint64_t horizon = written + ring->command_events_max;
    uint64_t oldest = horizon > ring->capacity ? horizon - ring->capacity : 0;
    return oldest > base ? oldest : base;
}

static int follower_compare(const struct follower *follower, const struct event *event)
{
    if (event->header.sequence != follower->next_sequence)
        return event->header.sequence < follower->next_sequence ? -1 : 1;
    if (event->header.index != follower->next_index)
        return event->header.index < follower->next_index ? -1 : 1;
    return 0;
}

// True if `event` is the one directly before the follower's place, where nothing is yet: it is the
// last of its command, all of which are durable together.
static bool follower_is_predecessor(const struct follower *follower, const struct event *event)
{
    ASSERT(event->header.last);
    return event->header.sequence + 1 == follower->next_sequence && follower->next_index == 0;
}

// First durable position whose event is not before our place, or the first that is not durable.
static bool follower_search(const struct follower *follower, uint64_t *found, uint64_t low)
{
    uint64_t high = atomic_load_explicit(&follower->ring.control->written, memory_order_acquire);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        struct event event;
        enum event_ring_result result = event_ring_read(&follower->ring, middle, &event);
        if (result == EVENT_RING_LAPPED)
            return false;
        if (result == EVENT_RING_READ && follower_compare(follower, &event) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *found = low;
    return true;
}

static bool follower_place_in_ring(const struct follower *follower, uint64_t *place)
{
    const struct event_ring_control *control = follower->ring.control;
    uint64_t base_sequence = atomic_load_explicit(&control->base_sequence, memory_order_relaxed);
    uint64_t base_position = atomic_load_explicit(&control->base_position, memory_order_relaxed);
    if (follower->next_sequence <= base_sequence)
        return false;
    uint64_t oldest = follower_oldest(follower);
    if (!follower_search(follower, place, oldest))
        return false;
    struct event event;
    if (event_ring_read(&follower->ring, *place, &event) == EVENT_RING_READ &&
        follower_compare(follower, &event) == 0)
        return true;
    if (*place == base_position)
        return follower->next_sequence == base_sequence + 1 && follower->next_index == 0;
    return *place > oldest &&
           event_ring_read(&follower->ring, *place - 1, &event) == EVENT_RING_READ &&
           follower_is_predecessor(follower, &event);
}

static bool follower_enter_ring(struct follower *follower)
{
    uint64_t epoch = follower_epoch(follower);
    uint64_t place = 0;
    if (epoch == 0 || !follower_place_in_ring(follower, &place) ||
        follower_epoch(follower) != epoch)
        return false;
    tape_reader_fini(&follower->tape);
    follower->epoch = epoch;
    follower->position = place;
    follower->source = FOLLOWER_RING;
    return true;
}

// ---- reading

static void follower_advance(struct follower *follower, const struct event *event)
{
    ASSERT(follower_compare(follower, event) == 0);
    if (event->header.last) {
        follower->next_sequence++;
        follower->next_index = 0;
    } else {
        follower->next_index++;
    }
}

static size_t follower_read_ring(struct follower *follower, struct event *out, size_t max)
{
    size_t count = 0;
    while (count < max) {
        enum event_ring_result result =
            event_ring_read(&follower->ring, follower->position, &out[count]);
        // The epoch is looked at after the copy: a core that took over in between stored its epoch
        // before it wrote, and what we copied is not of our epoch.
        if (result == EVENT_RING_LAPPED || follower_epoch(follower) != follower->epoch) {
            follower->source = FOLLOWER_LOST;
            break;
        }
        if (result == EVENT_RING_NONE)
            break;
        follower_advance(follower, &out[count]);
        follower->position++;
        count++;
    }
    return count;
}

static size_t follower_read_tape(struct follower *follower, struct event *out, size_t max)
{
    if (follower->source != FOLLOWER_TAPE) {
        if (!tape_reader_seek(&follower->tape, follower->next_sequence, follower->next_index))
            return 0;
        follower->source = FOLLOWER_TAPE;
    }
    size_t count = tape_reader_read(&follower->tape, out, max);
    for (size_t i = 0; i < count; i++)
        follower_advance(follower, &out[i]);
    return count;
}

// A place that the running venue has not reached belongs to another journal (one that was deleted
// under us, say): nothing will ever come, and that must not look like a quiet market.
static void follower_warn_if_ahead(const struct follower *follower)
{
    const struct event_ring_control *control = follower->ring.control;
    uint64_t applied = atomic_load_explicit(&control->applied_seq, memory_order_acquire);
    if (atomic_load_explicit(&control->core_state, memory_order_acquire) != CORE_RUNNING ||
        follower->next_sequence <= applied + 1)
        return;
    log_limited(LOG_ERROR,
                "ahead of the venue: this state is another journal's sequence=%llu venue=%llu",
                (unsigned long long)follower->next_sequence - 1, (unsigned long long)applied);
}

// What the tape was told to forget never comes again by itself.
static void follower_warn_if_forgotten(const struct follower *follower)
{
    uint64_t first;
    if (follower->source == FOLLOWER_LOST && follower->next_sequence <= follower->seen_durable &&
        numbered_smallest(&first, follower->tape.folder, TAPE_SUFFIX) &&
        first > follower->next_sequence)
        log_limited(LOG_ERROR,
                    "the tape has forgotten what is needed (tape.keep_sequences) sequence=%llu "
                    "first_on_tape=%llu hint=\"lonja tape rebuild\"",
                    (unsigned long long)follower->next_sequence, (unsigned long long)first);
}

size_t follower_poll(struct follower *follower, struct event *out, size_t max)
{
    follower->seen_durable = follower_durable_seq(follower);
    atomic_store_explicit(&follower->page->heartbeat_ns, clock_monotone_ns(&clock_system),
                          memory_order_relaxed);
    size_t count = 0;
    if (follower->source == FOLLOWER_RING || follower_enter_ring(follower))
        count = follower_read_ring(follower, out, max);
    if (count == 0 && follower->source != FOLLOWER_RING) {
        count = follower_read_tape(follower, out, max);
        if (count == 0) {
            follower_warn_if_ahead(follower);
            follower_warn_if_forgotten(follower);
        }
    }
    if (count > 0)
        atomic_store_explicit(&follower->page->position_seq, follower_sequence(follower),
                              memory_order_relaxed);
    return count;
}

uint64_t follower_sequence(const struct follower *follower)
{
    return follower->next_sequence - 1;
}

uint64_t follower_durable_seq(const struct follower *follower)
{
    return atomic_load_explicit(&follower->ring.control->durable_seq, memory_order_acquire);
}

uint64_t follower_lag(const struct follower *follower)
{
    uint64_t durable = follower_durable_seq(follower);
    uint64_t sequence = follower_sequence(follower);
    return durable > sequence ? durable - sequence : 0;
}

const struct event_ring_control *follower_core(const struct follower *follower)
{
    return follower->ring.control;
}

// ---- waiting

int follower_doorbell_fd(const struct follower *follower)
{
    return follower->doorbell_fd;
}

// Against the durable_seq of the last poll, not our own sequence: while the tape is behind there is
// nothing to do until something changes, and the loop's own timer looks again.
bool follower_sleep_begin(struct follower *follower)
{
    return reader_page_sleep_begin(follower->page, &follower->ring.control->durable_seq,
                                   follower->seen_durable);
}

void follower_sleep_end(struct follower *follower)
{
    reader_page_sleep_end(follower->page);
    uint64_t rings;
    // Draining an eventfd that did not ring fails with EAGAIN, which is fine.
    if (follower->doorbell_fd >= 0) {
        ssize_t ignored = read(follower->doorbell_fd, &rings, sizeof rings);
        (void)ignored;
    }
}

void follower_wait(struct follower *follower, unsigned timeout_ms)
{
    if (follower->source != FOLLOWER_RING && timeout_ms > FOLLOWER_TAPE_WAIT_MS)
        timeout_ms = FOLLOWER_TAPE_WAIT_MS; // nobody wakes us when the tape has grown
    if (follower_sleep_begin(follower))
        reader_page_wait_patiently(follower->page, (uint64_t)timeout_ms * 1000000u, READER_NAP_MS);
    follower_sleep_end(follower);
}

// ---- snapshot

uint64_t follower_load_snapshot(const struct boot *boot, follower_snapshot_sink *sink,
                                void *context)
{
    char folder[NUMBERED_PATH_BYTES];
    state_folder(folder, &boot->config, "snapshots");
    uint64_t sequence;
    if (!snapshot_file_newest(&sequence, folder, UINT64_MAX) ||
        !snapshot_file_read(folder, sequence, sink, context))
        return 0;
    return sequence;
}
