// The replay alone: memory that is not there, records that do not fit together, snapshots of
// others.
#include "core/testing.h"

#include <errno.h>
#include <string.h>

#include "core/replay.h"
#include "core/snapshot_file.h"
#include "core/testing_calls.h"
#include "core/testing_journal.h"

static char folder[64];
static bool engine_does_not_save;
int __real_engine_save(const struct engine *engine, engine_save_sink *sink, void *context);
int __wrap_engine_save(const struct engine *engine, engine_save_sink *sink, void *context);

static bool engine_is_elsewhere;
uint64_t __real_engine_sequence(const struct engine *engine);
uint64_t __wrap_engine_sequence(const struct engine *engine);

uint64_t __wrap_engine_sequence(const struct engine *engine)
{
    return __real_engine_sequence(engine) + engine_is_elsewhere;
}

int __wrap_engine_save(const struct engine *engine, engine_save_sink *sink, void *context)
{
    return engine_does_not_save ? -EIO : __real_engine_save(engine, sink, context);
}

static int setup(void **state)
{
    (void)state;
    engine_does_not_save = false;
    testing_folder_make(folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    testing_folder_remove(folder);
    return 0;
}

static void open_replay(struct replay *replay)
{
    assert_int_equal(replay_open(replay, &testing_limits), 0);
}

static enum replay_result apply(struct replay *replay, const struct command_header *header)
{
    struct command command = {.header = *header};
    command.header.slots = 1;
    command.header.version = SCHEMA_VERSION;
    command.header.time_ns = command.header.sequence;
    return replay_apply(replay, &command, 1);
}

static void an_engine_of_no_size_or_no_memory_is_not_opened(void **state)
{
    (void)state;
    struct replay replay;
    struct engine_limits none = {0};
    assert_int_equal(replay_open(&replay, &none), -EINVAL);
    for (unsigned at = 1; at <= 2; at++) {
        testing_calls_fail("arena_open", at, ENOMEM);
        assert_int_equal(replay_open(&replay, &testing_limits), -ENOMEM);
        assert_true(testing_calls_failed());
    }
    open_replay(&replay);
    testing_calls_fail("arena_open", 1, ENOMEM);
    assert_int_equal(replay_reset(&replay), -ENOMEM);
    replay_close(&replay);
}

static void a_command_stands_where_it_belongs(void **state)
{
    (void)state;
    struct replay replay;
    open_replay(&replay);
    assert_int_equal(
        apply(&replay, &(struct command_header){.type = CMD_clock_tick, .sequence = 2}),
        REPLAY_OUT_OF_ORDER);
    assert_int_equal(
        apply(&replay, &(struct command_header){.type = CMD_journal_digest, .sequence = 1}),
        REPLAY_OUT_OF_ORDER); // a digest has its own places
    for (uint64_t i = 1; i < JOURNAL_DIGEST_EVERY; i++)
        assert_int_equal(
            apply(&replay, &(struct command_header){.type = CMD_clock_tick, .sequence = i}),
            REPLAY_APPLIED);
    assert_int_equal(apply(&replay, &(struct command_header){.type = CMD_clock_tick,
                                                             .sequence = JOURNAL_DIGEST_EVERY}),
                     REPLAY_OUT_OF_ORDER); // and they are not another's
    static const int wrong[][2] = {{1, 0}, {0, 1}, {1, 1}, {0, 0}};
    for (size_t i = 0; i < 4; i++) {
        struct command digest = {.header = {.slots = 1,
                                            .type = CMD_journal_digest,
                                            .version = SCHEMA_VERSION,
                                            .sequence = JOURNAL_DIGEST_EVERY,
                                            .time_ns = JOURNAL_DIGEST_EVERY}};
        digest.body.journal_digest.digest = replay.events_digest + (uint64_t)wrong[i][0];
        digest.body.journal_digest.events = replay.events + (uint64_t)wrong[i][1];
        assert_int_equal(replay_apply(&replay, &digest, 1),
                         i == 3 ? REPLAY_APPLIED : REPLAY_DIGEST_DIFFERS);
    }
    replay_close(&replay);
}

// A number from a journal is a number from outside: none of them leaves the array.
static void gateways_come_and_go_by_their_numbers(void **state)
{
    (void)state;
    struct replay replay;
    open_replay(&replay);
    struct command command = {.header = {.slots = 1,
                                         .type = CMD_gateway_attach,
                                         .version = SCHEMA_VERSION,
                                         .gateway = GATEWAY_WEB,
                                         .incarnation = 7,
                                         .sequence = 1,
                                         .time_ns = 1}};
    assert_int_equal(replay_apply(&replay, &command, 1), REPLAY_APPLIED);
    assert_true(replay.gateways[GATEWAY_WEB].attached);
    assert_int_equal(replay.gateways[GATEWAY_WEB].incarnation, 7);
    command.header.gateway = GATEWAY_COUNT;
    command.header.sequence = command.header.time_ns = 2;
    assert_int_equal(replay_apply(&replay, &command, 1), REPLAY_APPLIED);
    static const struct {
        uint8_t gateway;
        uint32_t incarnation;
        bool attached; // afterwards
    } cases[] = {{GATEWAY_COUNT, 7, true}, {GATEWAY_WEB, 6, true}, {GATEWAY_WEB, 7, false}};
    for (uint64_t i = 0; i < 3; i++) {
        struct command detach = {.header = {.slots = 1,
                                            .type = CMD_gateway_detach,
                                            .version = SCHEMA_VERSION,
                                            .sequence = 3 + i,
                                            .time_ns = 3 + i}};
        detach.body.gateway_detach.gateway_id = cases[i].gateway;
        detach.body.gateway_detach.old_incarnation = cases[i].incarnation;
        assert_int_equal(replay_apply(&replay, &detach, 1), REPLAY_APPLIED);
        assert_int_equal(replay.gateways[GATEWAY_WEB].attached, cases[i].attached);
    }
    replay_close(&replay);
}

static void what_cannot_be_saved_leaves_nothing(void **state)
{
    (void)state;
    struct replay replay;
    uint64_t sequence;
    open_replay(&replay);
    assert_true(replay_save(&replay, "/nowhere/snapshots") < 0);
    engine_does_not_save = true;
    assert_int_equal(replay_save(&replay, folder), -EIO);
    assert_false(snapshot_file_newest(&sequence, folder, UINT64_MAX));
    engine_does_not_save = false;
    assert_int_equal(replay_save(&replay, folder), 0);
    assert_true(snapshot_file_newest(&sequence, folder, UINT64_MAX));
    replay_close(&replay);
}

// A snapshot of sequence 5 whose meta record says what is asked for.
static void write_snapshot(const struct meta_rec *meta, uint8_t gateway)
{
    static struct snapshot_writer writer;
    struct snapshot_record records[] = {
        {.header = {.type = REC_meta, .version = SCHEMA_VERSION}, .body.meta = *meta},
        {.header = {.type = REC_gateway, .version = SCHEMA_VERSION}},
        {.header = {.type = REC_reference, .version = SCHEMA_VERSION}},
    };
    records[1].body.gateway.gateway_id = gateway;
    records[1].body.gateway.incarnation = 3;
    records[1].body.gateway.attached = 1;
    records[2].body.reference.ref_number = 77;
    assert_int_equal(snapshot_writer_open(&writer, folder, 5), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(snapshot_writer_add(&writer, &records[i]), 0);
    assert_int_equal(snapshot_writer_commit(&writer), 0);
}

static void a_snapshot_that_does_not_agree_with_itself_is_not_loaded(void **state)
{
    (void)state;
    static const struct {
        struct meta_rec meta;
        uint8_t gateway;
        bool loads;
    } cases[] = {
        {{.sequence = 5, .engine_version = ENGINE_VERSION, .state_digest = 77 ^ 5},
         GATEWAY_WEB,
         true},
        {{.sequence = 5, .engine_version = ENGINE_VERSION - 1, .state_digest = 77 ^ 5}, 200, true},
        {{.sequence = 5, .engine_version = ENGINE_VERSION + 1, .state_digest = 77 ^ 5},
         GATEWAY_WEB,
         false},
        {{.sequence = 6, .engine_version = ENGINE_VERSION, .state_digest = 77 ^ 6},
         GATEWAY_WEB,
         false},
        {{.sequence = 5, .engine_version = ENGINE_VERSION, .state_digest = 78}, GATEWAY_WEB, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct replay replay;
        open_replay(&replay);
        write_snapshot(&cases[i].meta, cases[i].gateway);
        assert_int_equal(replay_load(&replay, folder, 5), cases[i].loads);
        if (i == 0)
            assert_true(replay.gateways[GATEWAY_WEB].attached);
        if (i == 1)
            for (int gateway = 0; gateway < GATEWAY_COUNT; gateway++)
                assert_false(replay.gateways[gateway].attached);
        replay_close(&replay);
    }
}

static void the_engines_own_sequence_counts_too(void **state)
{
    (void)state;
    struct replay replay;
    open_replay(&replay);
    write_snapshot(
        &(struct meta_rec){.sequence = 5, .engine_version = ENGINE_VERSION, .state_digest = 77 ^ 5},
        GATEWAY_WEB);
    engine_is_elsewhere = true;
    assert_false(replay_load(&replay, folder, 5));
    engine_is_elsewhere = false;
    replay_close(&replay);
}

int main(void)
{
#define REPLAY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        REPLAY_TEST(an_engine_of_no_size_or_no_memory_is_not_opened),
        REPLAY_TEST(a_command_stands_where_it_belongs),
        REPLAY_TEST(gateways_come_and_go_by_their_numbers),
        REPLAY_TEST(what_cannot_be_saved_leaves_nothing),
        REPLAY_TEST(a_snapshot_that_does_not_agree_with_itself_is_not_loaded),
        REPLAY_TEST(the_engines_own_sequence_counts_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
