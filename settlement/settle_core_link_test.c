// The link against a core that is played by this test, over real rings: attach, answers, repeats, a
// core that restarts before it has taken a command, one that has detached us.
#include "core/testing.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "base/command_ring.h"
#include "base/event_ring.h"
#include "schema/rejects.h"
#include "settlement/settle_core_link.h"

struct played_core {
    char folder[64];
    struct boot boot;
    struct event_ring events;
    struct command_ring commands;
    uint64_t sequence;
    struct settle_core_link *link;
    struct settle_core_ops ops;
};

static void epoch_begin(struct played_core *core, uint64_t epoch)
{
    struct event_ring_control *control = core->events.control;

    atomic_store(&control->base_position, atomic_load(&control->written));
    atomic_store(&control->base_sequence, core->sequence);
    core->commands.control->epoch = epoch;
    atomic_store(&control->epoch, epoch);
    atomic_store(&control->core_state, CORE_RUNNING);
}

static void core_make(struct played_core *core)
{
    const struct config *config = &core->boot.config;

    memset(core, 0, sizeof(*core));
    testing_folder_make(core->folder);
    testing_boot_init(&core->boot, PROCESS_SETTLE, core->folder);
    assert_int_equal(event_ring_open_writer(&core->events, core->boot.event_ring_fd,
                                            (uint64_t)config->rings_events,
                                            (uint64_t)config->limits_command_events_max),
                     0);
    assert_int_equal(command_ring_open_consumer(&core->commands,
                                                core->boot.command_ring_fd[GATEWAY_SETTLE],
                                                (uint64_t)config->rings_command_slots, true),
                     0);
    epoch_begin(core, 1);
    core->link = settle_core_link_open(&core->boot);
    assert_non_null(core->link);
    core->ops = settle_core_link_ops(core->link);
}

static void core_open(struct played_core *core)
{
    core_make(core);
    core->ops.begin(core->ops.context, SETTLE_CORE_NEWEST);
}

static void core_close(struct played_core *core)
{
    settle_core_link_close(core->link);
    command_ring_close(&core->commands);
    event_ring_close(&core->events);
    testing_boot_fini(&core->boot);
    testing_folder_remove(core->folder);
}

static void pause_ms(long ms)
{
    struct timespec span = {.tv_sec = 0, .tv_nsec = ms * 1000000};

    nanosleep(&span, NULL);
}

static void take(struct played_core *core, struct command *command)
{
    for (int i = 0; i < 60000; i++) {
        enum command_ring_result result = command_ring_take(&core->commands, command);
        if (result == COMMAND_RING_TAKEN && command->header.type != CMD_padding)
            return;
        assert_int_not_equal(result, COMMAND_RING_LIE);
        pause_ms(1);
    }
    fail_msg("no command came");
}

// Publishes the answer to `command`; its body is the caller's.
static void publish(struct played_core *core, struct event *event, const struct command *command,
                    uint8_t type)
{
    struct event_ring_control *control = core->events.control;
    uint64_t position = atomic_load(&control->written);

    event->header.sequence = ++core->sequence;
    event->header.type = type;
    event->header.last = 1;
    event->header.version = SCHEMA_VERSION;
    event->header.gateway = GATEWAY_SETTLE;
    event->header.gateway_seq = command->header.gateway_seq;
    core->events.events[position & (core->events.capacity - 1)] = *event;
    atomic_store(&control->written, position + 1);
    atomic_store(&control->applied_seq, core->sequence);
    atomic_store(&control->durable_seq, core->sequence);
}

static void answer_attach(struct played_core *core)
{
    struct command command;
    struct event event = {0};

    take(core, &command);
    assert_int_equal(command.header.type, CMD_gateway_attach);
    event.body.gateway_attached.gateway_id = GATEWAY_SETTLE;
    event.body.gateway_attached.incarnation = command.header.incarnation;
    publish(core, &event, &command, EVT_gateway_attached);
}

static void answer_rejected(struct played_core *core, const struct command *command, uint16_t code)
{
    struct event event = {0};

    event.body.rejected.code = code;
    event.body.rejected.command = CMD_settlement_result;
    publish(core, &event, command, EVT_rejected);
}

static struct settle_answer next_answer(struct played_core *core)
{
    struct settle_answer answer = {0};

    for (int i = 0; i < 60000; i++) {
        if (core->ops.poll(core->ops.context, &answer))
            return answer;
        pause_ms(1);
    }
    fail_msg("no answer came");
    return answer;
}

static void send(struct played_core *core, uint64_t ref_number)
{
    const struct settlement_result_cmd body = {
        .trade_id = 4711, .ref_number = ref_number, .outcome = SETTLEMENT_SETTLED, .quantity = 5};

    for (int i = 0; i < 2000 && !core->ops.send(core->ops.context, &body); i++)
        pause_ms(1);
}

static void take_result(struct played_core *core, struct command *command, uint64_t ref_number)
{
    take(core, command);
    assert_int_equal(command->header.type, CMD_settlement_result);
    assert_true(command_check(command));
    assert_int_equal(command->body.settlement_result.ref_number, ref_number);
    assert_int_equal(command->body.settlement_result.trade_id, 4711);
}

static void nothing_is_sent_before_the_attach(void **state)
{
    struct played_core core;
    const struct settlement_result_cmd body = {.ref_number = 1};

    (void)state;
    core_open(&core);
    assert_false(core.ops.send(core.ops.context, &body));
    answer_attach(&core);
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED);
    core_close(&core);
}

static void a_result_is_booked_repeated_or_refused(void **state)
{
    struct played_core core;
    struct command command;
    struct event event = {0};

    (void)state;
    core_open(&core);
    answer_attach(&core);
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED);

    send(&core, 7);
    take_result(&core, &command, 7);
    memcpy(&event.body.settlement_booked, &command.body.settlement_result,
           sizeof(event.body.settlement_booked));
    publish(&core, &event, &command, EVT_settlement_booked);
    struct settle_answer answer = next_answer(&core);
    assert_int_equal(answer.kind, SETTLE_ANSWER_BOOKED);
    assert_int_equal(answer.ref_number, 7);

    send(&core, 7);
    take_result(&core, &command, 7);
    memset(&event, 0, sizeof(event));
    event.body.done.command = CMD_settlement_result;
    event.body.done.repeated = 1;
    publish(&core, &event, &command, EVT_done);
    answer = next_answer(&core);
    assert_int_equal(answer.kind, SETTLE_ANSWER_BOOKED);
    assert_int_equal(answer.ref_number, 7);

    send(&core, 8);
    take_result(&core, &command, 8);
    answer_rejected(&core, &command, REJECT_SETTLEMENT_MISMATCH);
    answer = next_answer(&core);
    assert_int_equal(answer.kind, SETTLE_ANSWER_REFUSED);
    assert_int_equal(answer.ref_number, 8);
    assert_int_equal(answer.reject_code, REJECT_SETTLEMENT_MISMATCH);
    core_close(&core);
}

static void answer_booked(struct played_core *core, const struct command *command)
{
    struct event event = {0};

    memcpy(&event.body.settlement_booked, &command->body.settlement_result,
           sizeof(event.body.settlement_booked));
    publish(core, &event, command, EVT_settlement_booked);
}

static void hundreds_are_in_flight_and_answered_in_order(void **state)
{
    enum { COUNT = 300 };
    static struct command commands[COUNT];
    struct played_core core;

    (void)state;
    core_open(&core);
    answer_attach(&core);
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED);
    for (uint64_t ref = 1; ref <= COUNT; ref++)
        send(&core, ref);
    for (uint64_t ref = 1; ref <= COUNT; ref++)
        take_result(&core, &commands[ref - 1], ref);
    for (uint64_t ref = 1; ref <= COUNT; ref++)
        if (ref % 100 == 7)
            answer_rejected(&core, &commands[ref - 1], REJECT_SETTLEMENT_MISMATCH);
        else
            answer_booked(&core, &commands[ref - 1]);
    for (uint64_t ref = 1; ref <= COUNT; ref++) {
        struct settle_answer answer = next_answer(&core);
        assert_int_equal(answer.ref_number, ref);
        assert_int_equal(answer.kind,
                         ref % 100 == 7 ? SETTLE_ANSWER_REFUSED : SETTLE_ANSWER_BOOKED);
    }
    assert_int_equal(core.ops.sequence(core.ops.context), core.sequence);
    core_close(&core);
}

// A result of before the attach may be lost: none may overtake it before the worker knows.
static void nothing_is_sent_until_the_worker_knows_of_the_attach(void **state)
{
    struct played_core core;
    const struct settlement_result_cmd body = {.ref_number = 2};
    struct command command;

    (void)state;
    core_open(&core);
    answer_attach(&core);
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED);
    send(&core, 1);
    take_result(&core, &command, 1);
    epoch_begin(&core, 2);
    answer_attach(&core);
    for (int i = 0; i < 2000 && core.ops.sequence(core.ops.context) < core.sequence; i++)
        pause_ms(1);
    assert_false(core.ops.send(core.ops.context, &body));
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED);
    assert_true(core.ops.send(core.ops.context, &body));
    core_close(&core);
}

static void what_an_earlier_process_had_booked_is_read(void **state)
{
    struct played_core core;
    struct command command = {0};

    (void)state;
    core_make(&core);
    for (uint64_t ref = 11; ref <= 13; ref++) {
        command.body.settlement_result.ref_number = ref;
        command.header.gateway_seq = ref;
        answer_booked(&core, &command);
    }
    core.ops.begin(core.ops.context, 1); // behind the first of them
    answer_attach(&core);
    for (uint64_t ref = 12; ref <= 13; ref++) {
        struct settle_answer answer = next_answer(&core);
        assert_int_equal(answer.kind, SETTLE_ANSWER_BOOKED);
        assert_int_equal(answer.ref_number, ref);
    }
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED);
    core_close(&core);
}

static void a_core_that_restarts_is_attached_to_and_told_again(void **state)
{
    struct played_core core;
    struct command command;

    (void)state;
    core_open(&core);
    answer_attach(&core);
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED);
    send(&core, 9);
    take_result(&core, &command, 9); // taken, and lost with the core
    epoch_begin(&core, 2);
    answer_attach(&core);
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED);
    send(&core, 9);
    take_result(&core, &command, 9);
    core_close(&core);
}

static void a_gateway_that_was_given_up_attaches_again(void **state)
{
    struct played_core core;
    struct command command;

    (void)state;
    core_open(&core);
    answer_attach(&core);
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED);
    send(&core, 3);
    take_result(&core, &command, 3);
    answer_rejected(&core, &command, REJECT_NOT_ATTACHED);
    answer_attach(&core);
    assert_int_equal(next_answer(&core).kind, SETTLE_ANSWER_RESTARTED); // and no refusal
    core_close(&core);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_sent_before_the_attach),
        cmocka_unit_test(a_result_is_booked_repeated_or_refused),
        cmocka_unit_test(hundreds_are_in_flight_and_answered_in_order),
        cmocka_unit_test(nothing_is_sent_until_the_worker_knows_of_the_attach),
        cmocka_unit_test(what_an_earlier_process_had_booked_is_read),
        cmocka_unit_test(a_core_that_restarts_is_attached_to_and_told_again),
        cmocka_unit_test(a_gateway_that_was_given_up_attaches_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
