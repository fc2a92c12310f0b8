#include "base/testing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/command_ring.h"
#include "base/futex.h"
#include "base/memfile.h"

enum { SLOTS = 64 };

struct fixture {
    int fd;
    struct command_ring producer, consumer;
    struct command out;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->fd = memfile_create("ring", command_ring_bytes(SLOTS));
    assert_true(f->fd >= 0);
    assert_int_equal(command_ring_open_producer(&f->producer, f->fd, SLOTS), 0);
    assert_int_equal(command_ring_open_consumer(&f->consumer, f->fd, SLOTS, true), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    command_ring_close(&f->producer);
    command_ring_close(&f->consumer);
    close(f->fd);
    free(f);
    return 0;
}

static bool put_urgent(struct fixture *f, uint8_t slots, uint64_t number, bool urgent)
{
    struct command *command = command_ring_claim(&f->producer, slots, urgent);
    if (command == NULL)
        return false;
    command->header.slots = slots;
    command->header.type = CMD_order_new;
    command->header.gateway_seq = number;
    ((uint8_t *)command)[slots * SLOT_BYTES - 1] = (uint8_t)number;
    command_ring_publish(&f->producer);
    return true;
}

static bool put(struct fixture *f, uint8_t slots, uint64_t number)
{
    return put_urgent(f, slots, number, false);
}

static void expect(struct fixture *f, uint8_t slots, uint64_t number)
{
    assert_int_equal(command_ring_take(&f->consumer, &f->out), COMMAND_RING_TAKEN);
    assert_int_equal(f->out.header.slots, slots);
    assert_int_equal(f->out.header.gateway_seq, number);
    assert_int_equal(((uint8_t *)&f->out)[slots * SLOT_BYTES - 1], (uint8_t)number);
}

static void commands_come_out_as_they_went_in(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(command_ring_take(&f->consumer, &f->out), COMMAND_RING_EMPTY);
    for (uint8_t slots = 1; slots <= 8; slots++)
        assert_true(put(f, slots, slots));
    for (uint8_t slots = 1; slots <= 8; slots++)
        expect(f, slots, slots);
    assert_int_equal(command_ring_take(&f->consumer, &f->out), COMMAND_RING_EMPTY);
}

static void what_is_ahead_can_be_seen_before_it_is_taken(void **state)
{
    struct fixture *f = *state;
    uint8_t ahead[COMMAND_RING_AHEAD_BYTES];
    uint64_t position = f->consumer.position;
    assert_false(command_ring_ahead(&f->consumer, &position, ahead));
    for (uint8_t number = 1; number <= 4; number++)
        assert_true(put(f, number, number));
    assert_false(command_ring_ahead(&f->consumer, &position, ahead)); // no take has seen the tail
    expect(f, 1, 1);
    position = f->consumer.position;
    for (uint8_t number = 2; number <= 4; number++) {
        assert_true(command_ring_ahead(&f->consumer, &position, ahead));
        struct command_header header;
        memcpy(&header, ahead, sizeof header);
        assert_int_equal(header.gateway_seq, number);
    }
    assert_false(command_ring_ahead(&f->consumer, &position, ahead));
    for (uint8_t number = 2; number <= 4; number++)
        expect(f, number, number);
}

static void nothing_is_visible_before_it_is_published(void **state)
{
    struct fixture *f = *state;
    assert_non_null(command_ring_claim(&f->producer, 1, false));
    assert_int_equal(command_ring_take(&f->consumer, &f->out), COMMAND_RING_EMPTY);
}

static void records_are_contiguous_across_the_end(void **state)
{
    struct fixture *f = *state;
    uint64_t number = 1;
    for (int i = 0; i < 10000; i++, number++) {
        uint8_t slots = (uint8_t)(1 + number * 7 % COMMAND_SLOTS_MAX);
        assert_true(put(f, slots, number));
        expect(f, slots, number);
    }
}

static void the_last_eighth_is_for_urgent_commands(void **state)
{
    struct fixture *f = *state;
    uint64_t number = 0;
    while (put(f, 1, number))
        number++;
    assert_int_equal(number, SLOTS - SLOTS / 8);
    assert_int_equal(command_ring_free(&f->producer), 0);
    while (put_urgent(f, 1, number, true))
        number++;
    assert_int_equal(number, SLOTS);
    for (uint64_t i = 0; i < number; i++)
        expect(f, 1, i);
    assert_int_equal(command_ring_free(&f->producer), SLOTS - SLOTS / 8);
    assert_true(put(f, 1, 1));
}

static void padding_counts_when_room_is_asked_for(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < 50; i++) {
        assert_true(put(f, 1, i));
        expect(f, 1, i);
    }
    for (uint64_t i = 0; i < 34; i++)
        assert_true(put(f, 1, i)); // positions 50..83, index 20 is next
    for (uint64_t i = 0; i < 34; i++)
        expect(f, 1, i);
    for (uint64_t i = 0; i < 35; i++)
        assert_true(put(f, 1, i)); // index 55 next: 9 to the end
    assert_false(put(f, 16, 99));  // 9 of padding + 16 + 8 of reserve > 29 free
    assert_true(put_urgent(f, 16, 99, true));
    for (uint64_t i = 0; i < 35; i++)
        expect(f, 1, i);
    expect(f, 16, 99);
}

static void a_new_core_discards_what_was_not_taken(void **state)
{
    struct fixture *f = *state;
    assert_true(put(f, 2, 1));
    assert_true(put(f, 2, 2));
    command_ring_close(&f->consumer);
    assert_int_equal(command_ring_open_consumer(&f->consumer, f->fd, SLOTS, true), 0);
    assert_int_equal(command_ring_take(&f->consumer, &f->out), COMMAND_RING_EMPTY);
    assert_true(put(f, 2, 3));
    expect(f, 2, 3);
}

static void a_restarted_producer_goes_on_at_the_tail(void **state)
{
    struct fixture *f = *state;
    assert_true(put(f, 3, 1));
    command_ring_close(&f->producer);
    assert_int_equal(command_ring_open_producer(&f->producer, f->fd, SLOTS), 0);
    assert_true(put(f, 3, 2));
    expect(f, 3, 1);
    expect(f, 3, 2);
}

// ---- lies ----

static void expect_lie(struct fixture *f)
{
    assert_int_equal(command_ring_take(&f->consumer, &f->out), COMMAND_RING_LIE);
}

static void lie_slots(struct fixture *f, uint8_t type, uint8_t slots)
{
    struct command *command = command_ring_claim(&f->producer, 1, true);
    command->header.slots = slots;
    command->header.type = type;
    command_ring_publish(&f->producer);
    expect_lie(f);
}

static void slots_of_zero_are_a_lie(void **state)
{
    lie_slots(*state, CMD_order_new, 0);
}

static void slots_beyond_the_maximum_are_a_lie(void **state)
{
    lie_slots(*state, CMD_order_new, 17);
}

static void slots_beyond_the_tail_are_a_lie(void **state)
{
    lie_slots(*state, CMD_order_new, 2);
}

static void padding_before_the_end_is_a_lie(void **state)
{
    lie_slots(*state, CMD_padding, 1);
}

static void a_record_across_the_end_is_a_lie(void **state)
{
    struct fixture *f = *state;
    for (uint64_t i = 0; i < SLOTS - 1; i++) {
        assert_true(put(f, 1, i));
        expect(f, 1, i);
    }
    struct command *command = command_ring_claim(&f->producer, 1, true);
    command->header.slots = 2;
    command->header.type = CMD_order_new;
    command_ring_publish(&f->producer);
    atomic_fetch_add(&f->producer.control->tail, 1);
    expect_lie(f);
}

static void a_tail_too_far_ahead_is_a_lie(void **state)
{
    struct fixture *f = *state;
    atomic_store(&f->producer.control->tail, SLOTS + 1);
    expect_lie(f);
}

static void a_tail_that_goes_back_is_a_lie(void **state)
{
    struct fixture *f = *state;
    assert_true(put(f, 1, 1));
    expect(f, 1, 1);
    atomic_store(&f->producer.control->tail, 0);
    expect_lie(f);
}

static void what_is_written_after_the_copy_changes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_true(put(f, 2, 5));
    expect(f, 2, 5);
    memset(f->producer.slots, 0xff, SLOTS * SLOT_BYTES);
    assert_int_equal(f->out.header.slots, 2);
    assert_int_equal(f->out.header.gateway_seq, 5);
}

// Taking from a ring of any bytes with any tail stays inside the ring: a record, or a lie.
static void take_anything(struct fixture *f, uint64_t *taken, uint64_t *lies)
{
    enum command_ring_result result = command_ring_take(&f->consumer, &f->out);
    if (result == COMMAND_RING_TAKEN) {
        assert_in_range(f->out.header.slots, 1, COMMAND_SLOTS_MAX);
        assert_int_not_equal(f->out.header.type, CMD_padding);
        (*taken)++;
    } else if (result == COMMAND_RING_LIE) {
        (*lies)++;
        command_ring_skip(&f->consumer);
    }
}

static void any_bytes_are_a_record_or_a_lie(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 1;
    uint64_t taken = 0, lies = 0;
    for (int i = 0; i < 200000; i++) {
        uint64_t at = (unsigned)rand_r(&seed) % SLOTS * SLOT_BYTES;
        f->producer.slots[at] = (uint8_t)(rand_r(&seed) % (COMMAND_SLOTS_MAX + 2)); // slots
        f->producer.slots[at + 1] = (uint8_t)(rand_r(&seed) % 4);                   // type
        if (rand_r(&seed) % 4 == 0)
            atomic_fetch_add(&f->producer.control->tail, (unsigned)rand_r(&seed) % (SLOTS + 2));
        take_anything(f, &taken, &lies);
    }
    assert_true(taken > 1000);
    assert_true(lies > 1000);
}

// The same while the producer writes: whether it wins a race is chance, and is not asked.
static _Atomic bool scribbling;

static void *scribble(void *context)
{
    struct command_ring *ring = context;
    unsigned seed = 1;
    while (atomic_load(&scribbling)) {
        ((volatile uint8_t *)ring->slots)[(unsigned)rand_r(&seed) % (SLOTS * SLOT_BYTES)] =
            (uint8_t)rand_r(&seed);
        if (rand_r(&seed) % 64 == 0)
            atomic_store(&ring->control->tail, (uint64_t)rand_r(&seed) % (4 * SLOTS));
    }
    return NULL;
}

static void a_scribbling_producer_harms_nobody(void **state)
{
#if defined(LONJA_SANITIZED)
    skip(); // the race is the point of this test
#endif
    struct fixture *f = *state;
    pthread_t thread;
    atomic_store(&scribbling, true);
    assert_int_equal(pthread_create(&thread, NULL, scribble, &f->producer), 0);
    uint64_t taken = 0, lies = 0;
    for (int i = 0; i < 300000; i++)
        take_anything(f, &taken, &lies);
    atomic_store(&scribbling, false);
    pthread_join(thread, NULL);
}

// ---- two threads ----

enum { STREAM = 200000 };

static void *produce(void *context)
{
    struct fixture *f = context;
    for (uint64_t number = 1; number <= STREAM;)
        if (put(f, (uint8_t)(1 + number % 5), number))
            number++;
        else
            sched_yield();
    return NULL;
}

static void consumer_sleep(struct command_ring *ring)
{
    uint32_t seen = command_ring_sleep_begin(ring);
    atomic_thread_fence(memory_order_seq_cst);
    if (!command_ring_has_work(ring))
        futex_wait_any(&(struct futex_word){.address = &ring->control->wake, .seen = seen}, 1,
                       5000000000u);
    command_ring_sleep_end(ring);
}

static void two_threads_lose_and_double_nothing(void **state)
{
    struct fixture *f = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, produce, f), 0);
    for (uint64_t number = 1; number <= STREAM;) {
        enum command_ring_result result = command_ring_take(&f->consumer, &f->out);
        assert_int_not_equal(result, COMMAND_RING_LIE);
        if (result == COMMAND_RING_EMPTY) {
            consumer_sleep(&f->consumer);
            continue;
        }
        assert_int_equal(f->out.header.gateway_seq, number);
        assert_int_equal(f->out.header.slots, 1 + number % 5);
        number++;
    }
    pthread_join(thread, NULL);
}

int main(void)
{
#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        RING_TEST(commands_come_out_as_they_went_in),
        RING_TEST(what_is_ahead_can_be_seen_before_it_is_taken),
        RING_TEST(nothing_is_visible_before_it_is_published),
        RING_TEST(records_are_contiguous_across_the_end),
        RING_TEST(the_last_eighth_is_for_urgent_commands),
        RING_TEST(padding_counts_when_room_is_asked_for),
        RING_TEST(a_new_core_discards_what_was_not_taken),
        RING_TEST(a_restarted_producer_goes_on_at_the_tail),
        RING_TEST(slots_of_zero_are_a_lie),
        RING_TEST(slots_beyond_the_maximum_are_a_lie),
        RING_TEST(slots_beyond_the_tail_are_a_lie),
        RING_TEST(padding_before_the_end_is_a_lie),
        RING_TEST(a_record_across_the_end_is_a_lie),
        RING_TEST(a_tail_too_far_ahead_is_a_lie),
        RING_TEST(a_tail_that_goes_back_is_a_lie),
        RING_TEST(what_is_written_after_the_copy_changes_nothing),
        RING_TEST(any_bytes_are_a_record_or_a_lie),
        RING_TEST(a_scribbling_producer_harms_nobody),
        RING_TEST(two_threads_lose_and_double_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
