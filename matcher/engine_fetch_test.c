// What is asked of memory early changes nothing, whatever the command says: every kind of command,
// with right and wrong numbers, in a venue that is wide enough to fetch.
#include "matcher/engine_testing.h"

#include <stdlib.h>
#include <string.h>

enum { WIDE = 1 << 13, A = FIRST, B };

static struct engine *wide_engine(struct venue *venue)
{
    struct engine_limits wide = limits;
    wide.accounts_max = WIDE;
    size_t bytes = engine_bytes(&wide);
    venue->twin_memory = realloc(venue->twin_memory, bytes + 64);
    uint8_t *memory =
        (uint8_t *)venue->twin_memory + (64 - (uintptr_t)venue->twin_memory % 64) % 64;
    memset(memory, 0, bytes);
    return engine_init(memory, &wide);
}

static int copy_record(void *context, const struct snapshot_record *record)
{
    return engine_load(context, record) ? 0 : 1;
}

static const uint32_t sessions[] = {0, 1, 2, 4, 5, UINT32_MAX};
static const uint32_t accounts[] = {0, A, A + 2, B, WIDE, WIDE + 1, UINT32_MAX};
static const uint32_t instruments[] = {0, 1, 2, 3, UINT32_MAX};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void fetch_all(const struct engine *engine, const struct command *command)
{
    for (uint32_t step = 0; step < ENGINE_FETCH_STEPS; step++)
        engine_fetch(engine, command, step);
}

static void fetch_orders(const struct engine *engine, uint8_t type, uint32_t session,
                         uint32_t account)
{
    struct command command = {.header = {.type = type, .session = session}};
    for (size_t i = 0; i < COUNT(instruments); i++)
        for (uint8_t side = 0; side < 4; side++) {
            command.body.order_new = (struct order_new_cmd){
                .account = account, .instrument = instruments[i], .side = side};
            fetch_all(engine, &command);
        }
}

static void fetch_cancels(const struct engine *engine, uint32_t session, uint32_t account)
{
    struct command command = {.header = {.type = CMD_order_cancel, .session = session}};
    for (uint64_t order = 0; order < 64; order++) {
        command.body.order_cancel = (struct order_cancel_cmd){.account = account, .order = order};
        fetch_all(engine, &command);
    }
    command.body.order_cancel.order = UINT64_MAX;
    fetch_all(engine, &command);
}

static void fetching_changes_nothing_whatever_is_named(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 5 @ 99", "#1 holds 495"}, {"B buys 5 @ 98", "#2 holds 490"},
         {"C sells 5 @ 101", "#3 holds 5"});
    struct engine *wide = wide_engine(venue);
    assert_true(engine_is_wide(wide));
    assert_false(engine_is_wide(venue->engine));
    assert_int_equal(engine_save(venue->engine, copy_record, wide), 0);
    uint64_t before = engine_digest(wide);
    for (size_t s = 0; s < COUNT(sessions); s++)
        for (size_t a = 0; a < COUNT(accounts); a++) {
            fetch_orders(wide, CMD_order_new, sessions[s], accounts[a]);
            fetch_orders(wide, CMD_order_new_terms, sessions[s], accounts[a]);
            fetch_orders(wide, CMD_order_status, sessions[s], accounts[a]);
            fetch_orders(venue->engine, CMD_order_new, sessions[s], accounts[a]);
            fetch_cancels(wide, sessions[s], accounts[a]);
        }
    assert_true(engine_digest(wide) == before);
    engine_check(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fetching_changes_nothing_whatever_is_named, open_venue,
                                        close_venue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
