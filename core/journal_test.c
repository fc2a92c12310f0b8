// The journal's threads: what waits is written before they end, and whatever fails in one of them
// shuts the gate.
#include "core/testing.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/counters.h"
#include "core/journal.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/testing_calls.h"
#include "core/testing_journal.h"

static struct {
    struct event_ring_control control;
    struct journal_io disk, io; // io: disk, with `write` and `open` as below
    struct journal_io_file file;
    char folder[64];
    struct gate gate;
    struct journal journal;
    uint64_t appended;
    _Atomic bool hold;      // a write waits while it is set
    _Atomic bool held;      // one does
    _Atomic int fill_error; // of a segment that is prepared
    _Atomic int open_error; // of a segment that is begun
    _Atomic int write_error;
} f;

static int slow_write(void *context, int file, const void *data, size_t bytes, uint64_t offset)
{
    while (atomic_load(&f.hold)) {
        atomic_store(&f.held, true);
        usleep(100);
    }
    int error = atomic_load(&f.write_error);
    return error != 0 ? error : f.disk.write(context, file, data, bytes, offset);
}

static int bent_open(void *context, const char *name, enum journal_io_mode mode)
{
    int error = mode == JOURNAL_IO_FILL    ? atomic_load(&f.fill_error)
                : mode == JOURNAL_IO_WRITE ? atomic_load(&f.open_error)
                                           : 0;
    return error != 0 ? error : f.disk.open(context, name, mode);
}

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    strcpy(f.folder, "/dev/shm/lonja-test-XXXXXX"); // in memory where there is such a folder
    if (mkdtemp(f.folder) == NULL)
        testing_folder_make(f.folder);
    assert_int_equal(journal_io_file_open(&f.disk, &f.file, f.folder, false), 0);
    f.io = f.disk;
    f.io.write = slow_write;
    f.io.open = bent_open;
    f.gate.control = &f.control;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    journal_io_file_close(&f.file);
    testing_folder_remove(f.folder);
    return 0;
}

static int open_journal(void)
{
    struct journal_options options = {.segments = replay_terms(&testing_limits, SEGMENT_BYTES),
                                      .epoch = 1,
                                      .next_sequence = 1,
                                      .queue_slots = 4096};
    return journal_open(&f.journal, &f.io, &f.gate, &clock_system, &options);
}

static void append(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct command command = {.header = {.slots = 1,
                                             .type = CMD_clock_tick,
                                             .version = SCHEMA_VERSION,
                                             .sequence = ++f.appended}};
        journal_append(&f.journal, &command);
    }
    journal_flush(&f.journal);
}

static void await(const _Atomic bool *word)
{
    for (int i = 0; i < 100000 && !atomic_load(word); i++)
        usleep(100);
    assert_true(atomic_load(word));
}

static uint32_t await_error(void)
{
    for (int i = 0; i < 100000 && atomic_load(&f.control.journal_error) == 0; i++)
        usleep(100);
    return atomic_load(&f.control.journal_error);
}

static void a_journal_that_was_not_opened_is_closed(void **state)
{
    (void)state;
    testing_calls_fail("openat", 1, EIO);
    assert_int_equal(open_journal(), -EIO);
    journal_close(&f.journal);
    testing_calls_fail("arena_open", 1, ENOMEM);
    assert_int_equal(open_journal(), -ENOMEM);
    journal_close(&f.journal);
    atomic_store(&f.fill_error, -ENOSPC);
    assert_int_equal(open_journal(), -ENOSPC);
    journal_close(&f.journal);
}

static void a_journal_without_threads_is_told(void **state)
{
    (void)state;
    for (unsigned at = 1; at <= 2; at++) {
        assert_int_equal(open_journal(), 0);
        testing_calls_fail("pthread_create", at, EAGAIN);
        assert_int_equal(journal_start(&f.journal, 0), -EAGAIN);
        assert_true(testing_calls_failed());
        if (at == 2) { // the first thread runs: the core would exit now
            atomic_store(&f.journal.stop, 1);
            assert_int_equal(pthread_join(f.journal.preparer, NULL), 0);
        }
        journal_close(&f.journal);
    }
}

// One command is being written when the core is stopped, and others wait.
static void what_waits_is_written_before_the_threads_end(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    assert_int_equal(journal_start(&f.journal, 0), 0);
    for (uint64_t i = 0; i < 20; i++) { // over several segments
        atomic_store(&f.held, false);
        atomic_store(&f.hold, true);
        append(1);
        await(&f.held);
        append(5);
        if (i < 19)
            atomic_store(&f.hold, false);
        else
            atomic_store(&f.journal.stop, 1); // while it is held
    }
    atomic_store(&f.hold, false);
    journal_stop(&f.journal);
    assert_int_equal(atomic_load(&f.control.durable_seq), f.appended);
    journal_close(&f.journal);
}

static _Atomic unsigned naps; // so far, of any thread
static _Atomic uint64_t last_nap_ns;
void __real_futex_wait(const _Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns);
void __wrap_futex_wait(const _Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns);
void __wrap_futex_wait(const _Atomic uint32_t *word, uint32_t seen, uint64_t timeout_ns)
{
    naps++;
    last_nap_ns = timeout_ns;
    __real_futex_wait(word, seen, timeout_ns);
}

static void who_falls_asleep_looks_once_more(void **state)
{
    (void)state;
    static const struct {
        unsigned waiting; // commands, which came just now
        uint32_t stop;
        unsigned naps;
    } lines[] = {{0, 0, 1}, {1, 0, 0}, {0, 1, 0}, {1, 1, 0}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_int_equal(open_journal(), 0);
        append(lines[i].waiting);
        atomic_store(&f.journal.stop, lines[i].stop);
        naps = 0;
        journal_sleep(&f.journal);
        assert_int_equal(naps, lines[i].naps);
        assert_int_equal(atomic_load(&f.journal.sleeping), 0);
        journal_close(&f.journal);
        f.appended = 0;
        testing_folder_remove(f.folder);
        assert_int_equal(state_folder_make(f.folder), 0);
        journal_io_file_close(&f.file);
        assert_int_equal(journal_io_file_open(&f.disk, &f.file, f.folder, false), 0);
        f.io.context = f.disk.context;
    }
}

// Readers whose turn comes later are woken when the writer has had nothing to do for a moment, else
// with the next block.
static void the_rest_is_woken_by_a_writer_with_nothing_to_do(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    naps = 0;
    journal_sleep(&f.journal);
    uint64_t ordinary_ns = last_nap_ns;
    f.gate.rest_waits = true;
    journal_sleep(&f.journal);
    assert_int_equal(naps, 2);
    assert_true(last_nap_ns < ordinary_ns);
    assert_false(f.gate.rest_waits);
    f.gate.rest_waits = true;
    append(1);
    journal_sleep(&f.journal);
    assert_int_equal(naps, 2);
    assert_true(f.gate.rest_waits);
    assert_int_equal(journal_write_work(&f.journal), 1);
    assert_false(f.gate.rest_waits);
    journal_close(&f.journal);
}

// A block's gateways are those of its commands; the core's own commands are nobody's question.
static void a_block_knows_who_asked(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    static const uint8_t gateways[] = {GATEWAY_FIX, GATEWAY_CORE, GATEWAY_SETTLE, GATEWAY_FIX};
    for (size_t i = 0; i < sizeof gateways; i++) {
        struct command command = {.header = {.slots = 1,
                                             .type = CMD_clock_tick,
                                             .version = SCHEMA_VERSION,
                                             .gateway = gateways[i],
                                             .sequence = ++f.appended}};
        journal_append(&f.journal, &command);
    }
    journal_flush(&f.journal);
    assert_int_equal(journal_write_work(&f.journal), 4);
    assert_int_equal(f.journal.asked, 1u << GATEWAY_FIX | 1u << GATEWAY_SETTLE);
    assert_true(f.gate.rest_waits);
    append(1); // by the core
    assert_int_equal(journal_write_work(&f.journal), 1);
    assert_int_equal(f.journal.asked, 0);
    assert_false(f.gate.rest_waits);
    journal_close(&f.journal);
}

// The core adds at any moment of the writer's falling asleep: it never misses a command for longer
// than a glance.
static void no_command_is_slept_over(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    assert_int_equal(journal_start(&f.journal, 0), 0);
    for (unsigned i = 0; i < 3000; i++) {
        append(1);
        while (atomic_load(&f.control.durable_seq) != f.appended)
            ;
        for (volatile unsigned wait = 0; wait < i % 500; wait++)
            ;
    }
    journal_stop(&f.journal);
    journal_close(&f.journal);
}

static void a_failed_write_ends_the_writer_and_shuts_the_gate(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    assert_int_equal(journal_start(&f.journal, 0), 0);
    atomic_store(&f.hold, true);
    append(1);
    await(&f.held);
    atomic_store(&f.write_error, -EIO);
    atomic_store(&f.hold, false);
    assert_int_equal(await_error(), EIO);
    assert_int_equal(atomic_load(&f.control.core_state), CORE_FAILED);
    journal_stop(&f.journal);
    assert_int_equal(atomic_load(&f.control.durable_seq), 0);
    journal_close(&f.journal);
}

// Nobody can prepare a segment: the writer, which waits for it, is told.
static void a_failed_preparer_shuts_the_gate_and_frees_the_writer(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    atomic_store(&f.fill_error, -ENOSPC);
    assert_int_equal(journal_start(&f.journal, 0), 0);
    append(64);
    assert_int_equal(await_error(), ENOSPC);
    journal_stop(&f.journal);
    journal_close(&f.journal);
}

static void a_segment_that_cannot_be_prepared_is_an_error_of_its_first_write(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    append(1);
    assert_int_equal(journal_write_work(&f.journal), 1);
    atomic_store(&f.fill_error, -ENOSPC);
    int result = 1;
    for (int i = 0; i < 20 && result > 0; i++) {
        append(1);
        result = journal_write_work(&f.journal);
    }
    assert_int_equal(result, -ENOSPC);
    assert_int_equal(atomic_load(&f.control.counters[COUNTER_journal_segment_waits]), 1);
    assert_int_equal(journal_write_work(&f.journal), -ENOSPC); // and never again
    journal_close(&f.journal);
}

static void a_segment_that_cannot_be_begun_shuts_the_gate(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    atomic_store(&f.open_error, -EMFILE);
    append(1);
    assert_int_equal(journal_write_work(&f.journal), -EMFILE);
    assert_int_equal(atomic_load(&f.control.journal_error), EMFILE);
    assert_int_equal(atomic_load(&f.control.durable_seq), 0);
    journal_close(&f.journal);
}

// What an earlier life has prepared is used as far as it is as it was prepared.
static void a_prepared_segment_of_another_size_is_not_used(void **state)
{
    (void)state;
    const struct journal_segment_terms terms = replay_terms(&testing_limits, SEGMENT_BYTES);
    char path[NUMBERED_PATH_BYTES];
    uint64_t number, ready, last;
    assert_int_equal(open_journal(), 0);
    journal_close(&f.journal);
    assert_int_equal(journal_next_segment(&f.disk, &number, &ready, &terms), 0);
    assert_int_equal(number, 1);
    assert_true(ready >= 1);
    last = ready;
    numbered_path(path, f.folder, last, JOURNAL_SUFFIX);
    static const off_t sizes[] = {SEGMENT_BYTES - JOURNAL_PAGE_BYTES, SEGMENT_BYTES};
    for (size_t i = 0; i < 2; i++) { // cut, and as long as it was: with zeroes
        assert_int_equal(truncate(path, sizes[i]), 0);
        assert_int_equal(journal_next_segment(&f.disk, &number, &ready, &terms), 0);
        assert_int_equal(number, i == 0 ? last + 1 : 1);
        assert_int_equal(ready, i == 0 ? 0 : last);
    }
}

// It looks for segments that are ready, from an earlier life.
static void a_journal_that_cannot_look_at_its_segments_is_not_opened(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    journal_close(&f.journal);
    testing_calls_fail("malloc", 1, ENOMEM);
    assert_int_equal(open_journal(), -ENOMEM);
    assert_true(testing_calls_failed());
    journal_close(&f.journal);
}

static void *fail_the_gate(void *context)
{
    while (atomic_load(&f.control.counters[COUNTER_journal_segment_waits]) == 0)
        usleep(100);
    gate_fail(&f.gate, EIO);
    return context;
}

// The gate was shut by another one while the writer waited for its segment.
static void a_shut_gate_ends_the_wait_for_a_segment(void **state)
{
    (void)state;
    assert_int_equal(open_journal(), 0);
    f.journal.threaded = true; // a preparer that never comes
    atomic_store(&f.journal.prepared, 0);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, fail_the_gate, NULL), 0);
    append(1);
    assert_int_equal(journal_write_work(&f.journal), -EIO);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(atomic_load(&f.control.counters[COUNTER_journal_segment_waits]), 1);
    journal_close(&f.journal);
}

int main(void)
{
#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(a_journal_that_was_not_opened_is_closed),
        JOURNAL_TEST(a_journal_without_threads_is_told),
        JOURNAL_TEST(what_waits_is_written_before_the_threads_end),
        JOURNAL_TEST(a_segment_that_cannot_be_begun_shuts_the_gate),
        JOURNAL_TEST(a_journal_that_cannot_look_at_its_segments_is_not_opened),
        JOURNAL_TEST(a_prepared_segment_of_another_size_is_not_used),
        JOURNAL_TEST(who_falls_asleep_looks_once_more),
        JOURNAL_TEST(the_rest_is_woken_by_a_writer_with_nothing_to_do),
        JOURNAL_TEST(a_block_knows_who_asked),
        JOURNAL_TEST(no_command_is_slept_over),
        JOURNAL_TEST(a_failed_write_ends_the_writer_and_shuts_the_gate),
        JOURNAL_TEST(a_failed_preparer_shuts_the_gate_and_frees_the_writer),
        JOURNAL_TEST(a_segment_that_cannot_be_prepared_is_an_error_of_its_first_write),
        JOURNAL_TEST(a_shut_gate_ends_the_wait_for_a_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
