// The gate alone: what it takes to open it, who is woken, and when nobody waits any more. What
// standbys have to do with it is in replica_test.c.
#include "core/testing.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memfile.h"
#include "core/gate.h"
#include "core/testing_calls.h"

struct fixture {
    struct boot boot;
    struct event_ring ring;
    struct gate gate;
};

static struct fixture f;

static int setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    testing_boot_init(&f.boot, PROCESS_CORE, "/nowhere");
    assert_int_equal(event_ring_open_writer(&f.ring, f.boot.event_ring_fd, 1024, 64), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    gate_close(&f.gate);
    event_ring_close(&f.ring);
    testing_boot_fini(&f.boot);
    return 0;
}

static struct reader_page *open_gate(enum replication_mode mode)
{
    f.boot.config.replication_mode = mode;
    assert_int_equal(gate_open(&f.gate, &f.boot, f.ring.control), 0);
    assert_int_equal(atomic_load(&f.ring.control->replication_mode), mode);
    return f.gate.pages[PROCESS_REPLICATE];
}

static void a_reader_without_a_page_is_nobody(void **state)
{
    (void)state;
    struct boot boot = f.boot;
    boot.reader_page_fd[PROCESS_WEB] = -1;
    assert_int_equal(gate_open(&f.gate, &boot, f.ring.control), 0);
    assert_null(f.gate.pages[PROCESS_WEB]);
    gate_wake(&f.gate);
    gate_close(&f.gate);
    gate_close(&f.gate); // and once more does nothing
}

static void a_page_that_cannot_be_mapped_is_refused(void **state)
{
    (void)state;
    struct boot boot = f.boot;
    boot.reader_page_fd[PROCESS_TAPE] = 999; // nothing is open there
    assert_true(gate_open(&f.gate, &boot, f.ring.control) < 0);
    for (int i = 0; i < PROCESS_COUNT; i++)
        assert_null(f.gate.pages[i]);
}

static void replication_needs_its_page(void **state)
{
    (void)state;
    struct boot boot = f.boot;
    boot.reader_page_fd[PROCESS_REPLICATE] = -1;
    for (int mode = REPLICATION_OFF; mode <= REPLICATION_SYNC; mode++) {
        boot.config.replication_mode = mode;
        int result = gate_open(&f.gate, &boot, f.ring.control);
        assert_int_equal(result, mode == REPLICATION_OFF ? 0 : -EINVAL);
        gate_close(&f.gate);
    }
}

static void a_wait_ends_at_once_if_something_has_changed(void **state)
{
    (void)state;
    open_gate(REPLICATION_OFF);
    uint64_t began_ns = clock_monotone_ns(&clock_system);
    gate_publish(&f.gate, 5, 0);
    gate_wait(&f.gate, 4, 60000000000u);
    gate_fail(&f.gate, EIO);
    gate_wait(&f.gate, 5, 60000000000u);
    assert_true(clock_monotone_ns(&clock_system) - began_ns < 30000000000u);
    assert_int_equal(atomic_load(&f.gate.core_sleeping), 0);
    atomic_store(&f.ring.control->journal_error, 0);
    gate_wait(&f.gate, 5, 1000000); // nothing has: it waits
    assert_int_equal(atomic_load(&f.gate.core_sleeping), 0);
}

static void only_a_core_that_sleeps_is_woken(void **state)
{
    (void)state;
    open_gate(REPLICATION_OFF);
    uint32_t before = atomic_load(&f.gate.core_wake);
    gate_wake(&f.gate);
    assert_int_equal(atomic_load(&f.gate.core_wake), before);
    atomic_store(&f.gate.core_sleeping, 1);
    gate_wake(&f.gate);
    assert_int_not_equal(atomic_load(&f.gate.core_wake), before);
}

static void all_fall_asleep(void)
{
    for (int i = 0; i < PROCESS_COUNT; i++)
        if (f.gate.pages[i] != NULL)
            atomic_store(&f.gate.pages[i]->sleeping, 1);
}

static bool sleeps(enum process_id process)
{
    return atomic_load(&f.gate.pages[process]->sleeping) != 0;
}

static void who_asked_is_woken_before_the_rest(void **state)
{
    (void)state;
    open_gate(REPLICATION_ASYNC);
    all_fall_asleep();
    gate_publish(&f.gate, 1, 1u << GATEWAY_WEB);
    assert_true(!sleeps(PROCESS_WEB) && !sleeps(PROCESS_REPLICATE));
    assert_true(sleeps(PROCESS_FIX) && sleeps(PROCESS_TAPE) && sleeps(PROCESS_ADMIN));
    gate_wake_rest(&f.gate);
    assert_true(!sleeps(PROCESS_FIX) && !sleeps(PROCESS_TAPE) && !sleeps(PROCESS_ADMIN));
    all_fall_asleep();
    gate_wake_rest(&f.gate); // once only
    assert_true(sleeps(PROCESS_FIX) && sleeps(PROCESS_WEB) && sleeps(PROCESS_TAPE));
}

static void the_rest_waits_for_one_block_at_most(void **state)
{
    (void)state;
    open_gate(REPLICATION_OFF);
    all_fall_asleep();
    gate_publish(&f.gate, 1, 1u << GATEWAY_FIX | 1u << GATEWAY_ADMIN);
    assert_true(!sleeps(PROCESS_FIX) && !sleeps(PROCESS_ADMIN) && sleeps(PROCESS_WEB));
    gate_publish(&f.gate, 2, 1u << GATEWAY_FIX);
    assert_true(!sleeps(PROCESS_WEB) && !sleeps(PROCESS_TAPE));
    all_fall_asleep();
    gate_publish(&f.gate, 3, 1u << GATEWAY_FIX);
    assert_true(!sleeps(PROCESS_FIX) && sleeps(PROCESS_WEB)); // from the beginning again
    gate_publish(&f.gate, 4, 0);
    assert_true(!sleeps(PROCESS_WEB));
    all_fall_asleep();
    gate_wake_rest(&f.gate);
    assert_true(sleeps(PROCESS_WEB));
}

static void where_nobody_asked_all_are_woken_at_once(void **state)
{
    (void)state;
    open_gate(REPLICATION_OFF);
    all_fall_asleep();
    gate_publish(&f.gate, 1, 0);
    assert_true(!sleeps(PROCESS_FIX) && !sleeps(PROCESS_WEB) && !sleeps(PROCESS_TAPE));
}

// The gate's thread waits for lonja-replicate's word, which says nothing while the venue goes on
// alone.
static void a_block_wakes_the_gates_thread_only_where_no_standby_counts(void **state)
{
    (void)state;
    struct reader_page *page = open_gate(REPLICATION_SYNC);
    static const enum replica_verdict verdicts[] = {REPLICA_UNKNOWN, REPLICA_FOLLOWED,
                                                    REPLICA_DEGRADED};
    for (size_t i = 0; i < 3; i++) {
        uint32_t before = atomic_load(&page->answers);
        atomic_store(&page->verdict, verdicts[i]);
        gate_publish(&f.gate, i + 1, 0);
        assert_int_equal(atomic_load(&page->answers) != before, verdicts[i] == REPLICA_DEGRADED);
        assert_int_equal(atomic_load(&f.ring.control->durable_seq), 0);
    }
    assert_int_equal(gate_move(&f.gate), 0);
    assert_int_equal(atomic_load(&f.ring.control->durable_seq), 3);
}

static void without_waiting_for_standbys_a_move_only_counts(void **state)
{
    (void)state;
    struct reader_page *page = open_gate(REPLICATION_ASYNC);
    gate_publish(&f.gate, 7, 0);
    atomic_store(&page->position_seq, 9);
    atomic_store(&page->standbys, 2);
    assert_int_equal(gate_move(&f.gate), 0);
    assert_int_equal(atomic_load(&f.ring.control->durable_seq), 7);
    assert_int_equal(atomic_load(&f.ring.control->replicated_seq), 7);
    assert_int_equal(atomic_load(&f.ring.control->standbys), 2);
}

static void a_gate_without_a_thread_is_told(void **state)
{
    (void)state;
    open_gate(REPLICATION_SYNC);
    testing_calls_fail("pthread_create", 1, EAGAIN);
    assert_int_equal(gate_start(&f.gate, 0), -EAGAIN);
    assert_true(testing_calls_failed());
    gate_stop(&f.gate, 0); // nothing to end
}

static void a_stop_waits_for_the_standbys_as_long_as_it_may(void **state)
{
    (void)state;
    struct reader_page *page = open_gate(REPLICATION_SYNC);
    assert_int_equal(gate_start(&f.gate, 0), 0);
    gate_publish(&f.gate, 3, 0);
    uint64_t began_ns = clock_monotone_ns(&clock_system);
    gate_stop(&f.gate, 30000000);
    assert_true(clock_monotone_ns(&clock_system) - began_ns >= 30000000);
    assert_int_equal(atomic_load(&f.ring.control->durable_seq), 0);
    atomic_store(&f.gate.stop, 0);
    assert_int_equal(gate_start(&f.gate, 0), 0);
    atomic_store(&page->position_seq, 3);
    atomic_store(&page->verdict, REPLICA_FOLLOWED);
    gate_stop(&f.gate, 60000000000u);
    assert_int_equal(atomic_load(&f.ring.control->durable_seq), 3);
}

static unsigned threads(void)
{
    unsigned count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (const struct dirent *entry; (entry = readdir(tasks)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void a_gate_that_is_shut_is_not_waited_for(void **state)
{
    (void)state;
    open_gate(REPLICATION_SYNC);
    gate_publish(&f.gate, 3, 0);
    gate_fail(&f.gate, EIO);
    unsigned before = threads(); // a sanitizer has one of its own since the first was made
    assert_int_equal(gate_start(&f.gate, 0), 0);
    for (int i = 0; i < 100000 && threads() > before; i++) // it ends by itself
        usleep(100);
    assert_int_equal(threads(), before);
    uint64_t began_ns = clock_monotone_ns(&clock_system);
    gate_stop(&f.gate, 60000000000u);
    assert_true(clock_monotone_ns(&clock_system) - began_ns < 30000000000u);
    assert_int_equal(atomic_load(&f.ring.control->durable_seq), 0);
}

int main(void)
{
#define GATE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        GATE_TEST(a_reader_without_a_page_is_nobody),
        GATE_TEST(a_page_that_cannot_be_mapped_is_refused),
        GATE_TEST(replication_needs_its_page),
        GATE_TEST(a_wait_ends_at_once_if_something_has_changed),
        GATE_TEST(only_a_core_that_sleeps_is_woken),
        GATE_TEST(who_asked_is_woken_before_the_rest),
        GATE_TEST(the_rest_waits_for_one_block_at_most),
        GATE_TEST(where_nobody_asked_all_are_woken_at_once),
        GATE_TEST(a_block_wakes_the_gates_thread_only_where_no_standby_counts),
        GATE_TEST(without_waiting_for_standbys_a_move_only_counts),
        GATE_TEST(a_gate_without_a_thread_is_told),
        GATE_TEST(a_stop_waits_for_the_standbys_as_long_as_it_may),
        GATE_TEST(a_gate_that_is_shut_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
