#include "base/testing.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/event_ring.h"
#include "base/memfile.h"
#include "base/reader_page.h"

enum { CAPACITY = 64, COMMAND_EVENTS = 8 };

struct fixture {
    int fd, reader_fd, page_fd, doorbell_fd;
    struct event_ring writer, reader;
    struct reader_page *page;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->fd = memfile_create("events", event_ring_bytes(CAPACITY));
    f->reader_fd = memfile_readonly(f->fd);
    assert_int_equal(event_ring_open_writer(&f->writer, f->fd, CAPACITY, COMMAND_EVENTS), 0);
    assert_int_equal(event_ring_open_reader(&f->reader, f->reader_fd, CAPACITY, COMMAND_EVENTS), 0);
    f->page_fd = memfile_create("page", sizeof(struct reader_page));
    assert_int_equal(reader_page_open(&f->page, f->page_fd), 0);
    f->doorbell_fd = eventfd(0, EFD_NONBLOCK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    event_ring_close(&f->writer);
    event_ring_close(&f->reader);
    memfile_unmap(f->page, sizeof *f->page);
    close(f->fd);
    close(f->reader_fd);
    close(f->page_fd);
    close(f->doorbell_fd);
    free(f);
    return 0;
}

// One command of one event.
static void write_event(struct fixture *f, uint64_t sequence)
{
    uint64_t position = atomic_load(&f->writer.control->written);
    struct event *event = &f->writer.events[position % CAPACITY];
    memset(event, 0, sizeof *event);
    event->header.sequence = sequence;
    for (size_t i = 0; i < sizeof event->body.bytes; i++)
        event->body.bytes[i] = (uint8_t)sequence;
    atomic_store_explicit(&f->writer.control->written, position + 1, memory_order_release);
}

static void events_show_only_when_durable(void **state)
{
    struct fixture *f = *state;
    struct event out;
    assert_int_equal(event_ring_read(&f->reader, 0, &out), EVENT_RING_NONE);
    write_event(f, 1);
    write_event(f, 2);
    assert_int_equal(event_ring_read(&f->reader, 0, &out), EVENT_RING_NONE);
    atomic_store(&f->writer.control->durable_seq, 1);
    assert_int_equal(event_ring_read(&f->reader, 0, &out), EVENT_RING_READ);
    assert_int_equal(out.header.sequence, 1);
    assert_int_equal(event_ring_read(&f->reader, 1, &out), EVENT_RING_NONE);
}

static void a_lapped_reader_is_told(void **state)
{
    struct fixture *f = *state;
    struct event out;
    for (uint64_t sequence = 1; sequence <= CAPACITY; sequence++)
        write_event(f, sequence);
    atomic_store(&f->writer.control->durable_seq, CAPACITY);
    // The core may be writing the next command over the oldest COMMAND_EVENTS events.
    for (uint64_t position = 0; position < COMMAND_EVENTS; position++)
        assert_int_equal(event_ring_read(&f->reader, position, &out), EVENT_RING_LAPPED);
    assert_int_equal(event_ring_read(&f->reader, COMMAND_EVENTS, &out), EVENT_RING_READ);
    assert_int_equal(out.header.sequence, COMMAND_EVENTS + 1);
}

static void readers_cannot_write(void **state)
{
    struct fixture *f = *state;
    struct event_ring ring;
    assert_int_equal(event_ring_open_writer(&ring, f->reader_fd, CAPACITY, COMMAND_EVENTS),
                     -EACCES);
}

enum { STREAM = 300000 };

static void *produce(void *context)
{
    struct fixture *f = context;
    for (uint64_t sequence = 1; sequence <= STREAM; sequence++) {
        write_event(f, sequence);
        atomic_store_explicit(&f->writer.control->durable_seq, sequence, memory_order_release);
        if (sequence % 50 == 0)
            sched_yield();
    }
    return NULL;
}

static void a_reader_beside_the_writer_sees_whole_events_or_is_told(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, f), 0);
    uint64_t position = 0, read = 0;
    struct event out;
    while (position < STREAM) {
        enum event_ring_result result = event_ring_read(&f->reader, position, &out);
        if (result == EVENT_RING_LAPPED) {
            position = atomic_load(&f->reader.control->written);
            position = position >= STREAM ? STREAM - 1 : position;
        } else if (result == EVENT_RING_READ) {
            assert_int_equal(out.header.sequence, position + 1);
            for (size_t i = 0; i < sizeof out.body.bytes; i++)
                if (out.body.bytes[i] != (uint8_t)(position + 1))
                    fail_msg("torn event at %lu", (unsigned long)position);
            position++;
            read++;
        }
    }
    pthread_join(thread, NULL);
    assert_true(read > 0);
}

static bool doorbell_rang(struct fixture *f)
{
    uint64_t count;
    return read(f->doorbell_fd, &count, sizeof count) == (ssize_t)sizeof count;
}

static void only_sleepers_are_woken_and_once(void **state)
{
    struct fixture *f = *state;
    _Atomic uint64_t durable = 5;
    reader_page_wake(f->page, f->doorbell_fd);
    assert_false(doorbell_rang(f));
    assert_false(reader_page_sleep_begin(f->page, &durable, 4)); // there is work
    assert_true(reader_page_sleep_begin(f->page, &durable, 5));
    reader_page_wake(f->page, f->doorbell_fd);
    reader_page_wake(f->page, f->doorbell_fd);
    assert_true(doorbell_rang(f));
    assert_false(doorbell_rang(f));
    uint64_t before_ns = clock_monotone_ns(&clock_system);
    reader_page_wait(f->page, 5000000000u); // woken before it waits: returns at once
    assert_true(clock_monotone_ns(&clock_system) - before_ns < 1000000000u);
    uint32_t wake = atomic_load(&f->page->wake);
    atomic_store(&f->page->sleeping, READER_WAITS);
    reader_page_wake(f->page, f->doorbell_fd); // who waits on the futex does not hear the bell
    assert_int_not_equal(atomic_load(&f->page->wake), wake);
    assert_false(doorbell_rang(f));
}

struct waker {
    struct reader_page *page;
    _Atomic uint64_t durable;
};

static void *wake_often(void *context)
{
    struct waker *waker = context;
    for (uint64_t i = 1; i <= 20000; i++) {
        atomic_store_explicit(&waker->durable, i, memory_order_release);
        reader_page_wake(waker->page, -1);
    }
    return NULL;
}

static void no_wake_up_is_lost(void **state)
{
    struct fixture *f = *state;
    struct waker waker = {.page = f->page};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_often, &waker), 0);
    uint64_t seen = 0, waited_ns = 0;
    while (seen < 20000) {
        if (reader_page_sleep_begin(f->page, &waker.durable, seen)) {
            uint64_t before_ns = clock_monotone_ns(&clock_system);
            reader_page_wait(f->page, 10000000000u);
            uint64_t span_ns = clock_monotone_ns(&clock_system) - before_ns;
            waited_ns = span_ns > waited_ns ? span_ns : waited_ns;
            reader_page_sleep_end(f->page);
        }
        seen = atomic_load_explicit(&waker.durable, memory_order_acquire);
    }
    pthread_join(thread, NULL);
    assert_true(waited_ns < 9000000000u); // a lost wake-up would have slept the whole time-out
}

int main(void)
{
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        RING_TEST(events_show_only_when_durable),
        RING_TEST(a_lapped_reader_is_told),
        RING_TEST(readers_cannot_write),
        RING_TEST(a_reader_beside_the_writer_sees_whole_events_or_is_told),
        RING_TEST(only_sleepers_are_woken_and_once),
        RING_TEST(no_wake_up_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
