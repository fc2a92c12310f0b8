// The link against a ring whose other end is the test.
#include "core/testing.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/event_ring.h"
#include "gateway/common/link.h"

struct fixture {
    char folder[64];
    struct boot boot;
    struct link link;
    struct command_ring core;
    struct event_ring_control control;
    struct command command;
    uint64_t now_ns;
};

static int setup(void **state)
{
    struct fixture *f = aligned_alloc(64, (sizeof *f + 63) / 64 * 64);
    memset(f, 0, sizeof *f);
    testing_folder_make(f->folder);
    testing_boot_init(&f->boot, PROCESS_FIX, f->folder);
    assert_int_equal(link_open(&f->link, &f->boot, GATEWAY_FIX), 0);
    uint64_t slots = (uint64_t)f->boot.config.rings_command_slots;
    int fd = f->boot.command_ring_fd[GATEWAY_FIX];
    assert_int_equal(command_ring_open_consumer(&f->core, fd, slots, true), 0);
    atomic_store(&f->control.epoch, 1);
    atomic_store(&f->control.core_state, CORE_RUNNING);
    f->now_ns = 5000000000u;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    command_ring_close(&f->core);
    command_ring_close(&f->link.ring);
    testing_boot_fini(&f->boot);
    testing_folder_remove(f->folder);
    free(f);
    return 0;
}

static void expect_attach(struct fixture *f)
{
    link_heartbeat(&f->link, &f->control, f->now_ns);
    assert_int_equal(command_ring_take(&f->core, &f->command), COMMAND_RING_TAKEN);
    assert_int_equal(f->command.header.type, CMD_gateway_attach);
    assert_false(f->link.attached);
}

static void answer_attach(struct fixture *f, uint64_t last)
{
    struct event event = {.header = {.type = EVT_gateway_attached,
                                     .gateway = GATEWAY_FIX,
                                     .gateway_seq = f->command.header.gateway_seq}};
    event.body.gateway_attached.gateway_id = GATEWAY_FIX;
    event.body.gateway_attached.incarnation = f->boot.incarnation;
    event.body.gateway_attached.last_gateway_seq = last;
    uint64_t lost_above;
    assert_true(link_on_event(&f->link, &event, &lost_above));
    assert_int_equal(lost_above, last);
    assert_true(f->link.attached);
}

static void while_the_core_has_failed_nothing_is_claimed(void **state)
{
    struct fixture *f = *state;
    expect_attach(f);
    answer_attach(f, 0);
    atomic_store(&f->control.core_state, CORE_FAILED);
    link_heartbeat(&f->link, &f->control, f->now_ns);
    assert_null(link_claim(&f->link, CMD_order_cancel, 0, 1, 1));
    atomic_store(&f->control.core_state, CORE_RUNNING); // its next life
    atomic_store(&f->control.epoch, 2);
    expect_attach(f);
    answer_attach(f, 0);
    assert_non_null(link_claim(&f->link, CMD_order_cancel, 0, 1, 1));
}

static void a_new_epoch_is_an_attach_again(void **state)
{
    struct fixture *f = *state;
    expect_attach(f);
    answer_attach(f, 0);
    link_heartbeat(&f->link, &f->control, f->now_ns);
    assert_int_equal(command_ring_take(&f->core, &f->command), COMMAND_RING_EMPTY);
    atomic_store(&f->control.epoch, 2);
    expect_attach(f);
    answer_attach(f, 1);
}

static void detach(struct fixture *f)
{
    struct event event = {.header = {.type = EVT_gateway_detached, .gateway = GATEWAY_CORE}};
    event.body.gateway_detached.gateway_id = GATEWAY_FIX;
    event.body.gateway_detached.incarnation = f->boot.incarnation;
    uint64_t lost_above;
    assert_false(link_on_event(&f->link, &event, &lost_above));
}

static void a_missed_heartbeat_is_an_attach_again(void **state)
{
    struct fixture *f = *state;
    expect_attach(f);
    answer_attach(f, 0);
    struct event event = {.header = {.type = EVT_gateway_detached, .gateway = GATEWAY_CORE}};
    event.body.gateway_detached.gateway_id = GATEWAY_FIX;
    event.body.gateway_detached.incarnation = f->boot.incarnation + 1;
    uint64_t lost_above;
    assert_false(link_on_event(&f->link, &event, &lost_above)); // another's
    assert_true(f->link.attached);
    detach(f);
    expect_attach(f);
    answer_attach(f, 1);
}

// The core has restarted and has given us up before we noticed: two attaches are under way. The answer
// to the second one says that the first one was taken, and nothing of what was dropped before it.
static void what_was_dropped_before_an_overtaken_attach_is_lost(void **state)
{
    struct fixture *f = *state;
    expect_attach(f);
    answer_attach(f, 0);
    assert_non_null(link_claim(&f->link, CMD_session_open, 0, 1, 0));
    uint64_t dropped = link_send(&f->link);
    assert_int_equal(command_ring_take(&f->core, &f->command), COMMAND_RING_TAKEN);
    atomic_store(&f->control.epoch, 2);
    expect_attach(f);
    struct event first = {.header = {.type = EVT_gateway_attached,
                                     .gateway = GATEWAY_FIX,
                                     .gateway_seq = f->command.header.gateway_seq}};
    first.body.gateway_attached.gateway_id = GATEWAY_FIX;
    first.body.gateway_attached.incarnation = f->boot.incarnation;
    first.body.gateway_attached.last_gateway_seq = dropped - 1;
    f->now_ns += 2000000000u;
    expect_attach(f);
    uint64_t lost_above;
    assert_false(link_on_event(&f->link, &first, &lost_above));
    struct event second = first;
    second.header.gateway_seq = f->command.header.gateway_seq;
    second.body.gateway_attached.last_gateway_seq = first.header.gateway_seq;
    assert_true(link_on_event(&f->link, &second, &lost_above));
    assert_int_equal(lost_above, dropped - 1);
    atomic_store(&f->control.epoch, 3);
    expect_attach(f);
    answer_attach(f, second.header.gateway_seq); // and it is told once
}

static void nothing_is_sent_before_the_attach_is_answered(void **state)
{
    struct fixture *f = *state;
    assert_null(link_claim(&f->link, CMD_order_cancel, 0, 1, 0));
    expect_attach(f);
    assert_null(link_claim(&f->link, CMD_order_cancel, 0, 1, 0));
    assert_int_equal(command_ring_take(&f->core, &f->command), COMMAND_RING_EMPTY);
}

// While it catches up, a gateway sees the answers to attaches of before: they say nothing of what
// it has sent since.
static void only_the_newest_attach_is_answered(void **state)
{
    struct fixture *f = *state;
    expect_attach(f);
    struct event event = {.header = {.type = EVT_gateway_attached, .gateway = GATEWAY_FIX}};
    event.body.gateway_attached.gateway_id = GATEWAY_FIX;
    event.body.gateway_attached.incarnation = f->boot.incarnation;
    event.header.gateway_seq = f->command.header.gateway_seq;
    atomic_store(&f->control.epoch, 2);
    expect_attach(f);
    uint64_t lost_above;
    assert_false(link_on_event(&f->link, &event, &lost_above));
    assert_false(f->link.attached);
    event.header.gateway_seq = f->command.header.gateway_seq;
    event.body.gateway_attached.last_gateway_seq = 1; // the first attach
    assert_true(link_on_event(&f->link, &event, &lost_above));
    assert_int_equal(lost_above, 0);
    struct command *cancel = link_claim(&f->link, CMD_order_cancel, 0, 1, 7);
    assert_non_null(cancel);
    assert_int_equal(cancel->header.gateway_seq, 3);
    assert_int_equal(link_send(&f->link), 3);
    assert_int_equal(command_ring_take(&f->core, &f->command), COMMAND_RING_TAKEN);
    assert_int_equal(f->command.header.session_seq, 7);
}

// True if the next heartbeat ends the process, the ring having been shut.
static bool ends_when_shut(struct fixture *f)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        atomic_store(&f->core.control->shut, 1);
        link_heartbeat(&f->link, &f->control, f->now_ns);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    atomic_store(&f->core.control->shut, 0); // the child shares it
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void a_ring_that_was_shut_ends_the_process(void **state)
{
    struct fixture *f = *state;
    expect_attach(f);
    atomic_store(&f->core.control->shut, 1); // by a former life: nothing to do with us
    link_heartbeat(&f->link, &f->control, f->now_ns);
    atomic_store(&f->core.control->shut, 0);
    answer_attach(f, 0);
    assert_true(ends_when_shut(f));
    detach(f); // the core does that, too, and the gateway may see it first
    assert_true(ends_when_shut(f));
}

static void a_ring_that_was_shut_behind_an_overtaken_attach_ends_the_process(void **state)
{
    struct fixture *f = *state;
    expect_attach(f);
    struct event first = {.header = {.type = EVT_gateway_attached,
                                     .gateway = GATEWAY_FIX,
                                     .gateway_seq = f->command.header.gateway_seq}};
    first.body.gateway_attached.gateway_id = GATEWAY_FIX;
    first.body.gateway_attached.incarnation = f->boot.incarnation;
    f->now_ns += 2000000000u;
    expect_attach(f);
    uint64_t lost_above;
    assert_false(link_on_event(&f->link, &first, &lost_above));
    assert_true(ends_when_shut(f));
}

static void send_later(struct fixture *f)
{
    assert_non_null(link_claim(&f->link, CMD_order_cancel, 0, 1, 1));
    link_send_later(&f->link);
}

static void a_core_that_sleeps_is_woken_once_for_many_commands(void **state)
{
    struct fixture *f = *state;
    expect_attach(f);
    answer_attach(f, 0);
    struct command_ring_control *control = f->link.ring.control;
    atomic_store(&control->core_sleeping, 1);
    uint32_t wake = atomic_load(&control->wake);
    send_later(f);
    assert_int_equal(atomic_load(&control->wake), wake);
    assert_int_equal(command_ring_take(&f->core, &f->command), COMMAND_RING_TAKEN); // shown at once
    link_wake(&f->link);
    assert_int_equal(atomic_load(&control->wake), wake + 1);
    link_wake(&f->link); // for nothing
    assert_int_equal(atomic_load(&control->wake), wake + 1);
    for (int i = 0; i < LINK_SENDS_UNWOKEN_MAX; i++)
        send_later(f);
    assert_int_equal(atomic_load(&control->wake), wake + 2);
    assert_non_null(link_claim(&f->link, CMD_order_cancel, 0, 1, 1));
    link_send(&f->link);
    assert_int_equal(atomic_load(&control->wake), wake + 3);
}

int main(void)
{
#define LINK_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        LINK_TEST(while_the_core_has_failed_nothing_is_claimed),
        LINK_TEST(a_new_epoch_is_an_attach_again),
        LINK_TEST(a_missed_heartbeat_is_an_attach_again),
        LINK_TEST(what_was_dropped_before_an_overtaken_attach_is_lost),
        LINK_TEST(nothing_is_sent_before_the_attach_is_answered),
        LINK_TEST(only_the_newest_attach_is_answered),
        LINK_TEST(a_ring_that_was_shut_ends_the_process),
        LINK_TEST(a_ring_that_was_shut_behind_an_overtaken_attach_ends_the_process),
        LINK_TEST(a_core_that_sleeps_is_woken_once_for_many_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
