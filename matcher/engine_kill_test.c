// The kill switch: nothing of theirs trades after the command, wherever it stands and however much
// it is. The venue: engine_testing.h, and account E of member 2, with session 3 (FIX).
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACCOUNT_A = FIRST, ACCOUNT_E = FIRST + 4, SESSION_OF_B_TOO = 4 };

static const char *kill(struct venue *venue, uint8_t scope, uint32_t id)
{
    start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set =
        (struct kill_set_cmd){.scope = scope, .killed = 1, .id = id, .operator_id = 7};
    return apply_all(venue);
}

static const char *revive(struct venue *venue, uint8_t scope, uint32_t id)
{
    start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set =
        (struct kill_set_cmd){.scope = scope, .id = id, .operator_id = 7};
    return apply_all(venue);
}

static void set_up_session(struct venue *venue, uint32_t session, uint32_t member, uint32_t account)
{
    struct command *command = start(venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof(account));
    command->body.session_set = (struct session_set_cmd){
        .session = session, .member = member, .gateway = GATEWAY_FIX, .account_count = 1};
    memcpy(command_tail_writable(command), &account, sizeof(account));
    assert_string_equal(apply(venue), "session_changed; session_account");
}

static int open_with_a_second_member(void **state)
{
    (void)open_venue(state);
    struct venue *venue = *state;
    start(venue, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = 2;
    assert_string_equal(apply(venue), "member_changed");
    struct account_rec account = venue->accounts[0];
    account.account = ACCOUNT_E;
    account.member = 2;
    memcpy(&start(venue, CMD_account_set, GATEWAY_ADMIN)->body, &account, sizeof(account));
    assert_string_equal(apply(venue), "account_changed");
    assert_string_equal(post(venue, 'E', CASH, POSTING_DEPOSIT, 100000), "posted 100000");
    set_up_session(venue, 3, 2, ACCOUNT_E);
    set_up_session(venue, SESSION_OF_B_TOO, 1, ACCOUNT_A + 1);
    return 0;
}

// ---- scopes

static void a_killed_account_loses_its_orders_and_enters_none(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A sells 5 @ 110", "#1 holds 5"}, {"A buys 5 @ 90", "#2 holds 450"},
         {"B buys 3 @ 90", "#3 holds 270"}, {"C sells 2 @ 111", "#4 holds 2"});
    assert_string_equal(kill(venue, KILL_ACCOUNT, ACCOUNT_A),
                        "kill_changed | #1 cancelled 5 releases 5 reason 16; "
                        "#2 cancelled 5 releases 450 reason 16; done 2");
    PLAY(venue, {"A buys 1 @ 90", "KILLED 0 16 1"}, {"B buys 1 @ 90", "#5 holds 90"},
         {"A cancels all", "#3 cancelled 3 releases 270 reason 6; "
                           "#5 cancelled 1 releases 90 reason 6; done 2"});
    assert_string_equal(kill(venue, KILL_ACCOUNT, ACCOUNT_A), "kill_changed"); // nothing is open
    assert_string_equal(revive(venue, KILL_ACCOUNT, ACCOUNT_A), "kill_changed");
    assert_string_equal(revive(venue, KILL_ACCOUNT, ACCOUNT_A), "kill_changed");
    PLAY(venue, {"A buys 1 @ 90", "#6 holds 90"});
}

static void a_killed_member_stops_in_all_its_sessions(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"C sells 2 @ 111", "#1 holds 2"}, {"A buys 5 @ 90", "#2 holds 450"},
         {"E buys 5 @ 90", "#3 holds 450"});
    assert_string_equal(kill(venue, KILL_MEMBER, 1),
                        "kill_changed | #2 cancelled 5 releases 450 reason 16; "
                        "#1 cancelled 2 releases 2 reason 16; done 2");
    PLAY(venue, {"A buys 1 @ 90", "KILLED 0 1 2"}, {"D buys 1 @ 90", "KILLED 0 1 2"},
         {"E buys 1 @ 91", "#4 holds 91"});
    assert_string_equal(kill(venue, KILL_MEMBER, 2),
                        "kill_changed | #3 cancelled 5 releases 450 reason 16; "
                        "#4 cancelled 1 releases 91 reason 16; done 2");
    assert_string_equal(revive(venue, KILL_MEMBER, 1), "kill_changed");
    PLAY(venue, {"A buys 1 @ 90", "#5 holds 90"}, {"E buys 1 @ 91", "KILLED 0 2 2"});
}

// Its own orders, not those of its accounts that came by another session.
static void a_killed_session_stops_alone(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"B buys 5 @ 90", "#1 holds 450"}, {"C sells 2 @ 111", "#2 holds 2"});
    struct command *command = &venue->command;
    (void)start_order(venue, 'B', SIDE_BUY, 4, 91);
    command->header.session = SESSION_OF_B_TOO;
    assert_string_equal(apply(venue), "#3 holds 364");
    assert_string_equal(kill(venue, KILL_SESSION, SESSION_OF_B_TOO),
                        "kill_changed | #3 cancelled 4 releases 364 reason 16; done 1");
    assert_int_equal(venue->events[0].header.session, SESSION_OF_B_TOO);
    (void)start_order(venue, 'B', SIDE_BUY, 4, 91);
    command->header.session = SESSION_OF_B_TOO;
    assert_string_equal(apply(venue), "KILLED 0 4 3");
    uint8_t bytes = 0; // it may still cancel what another session has entered, but not amend it
    start_session(venue, CMD_order_amend, 'B', &bytes)->body.order_amend =
        (struct order_amend_cmd){.order = venue->orders[1],
                                 .account = ACCOUNT_A + 1,
                                 .client_id_bytes = bytes,
                                 .quantity = 3};
    command->header.session = SESSION_OF_B_TOO;
    assert_string_equal(apply(venue), "KILLED 0 4 3");
    start_session(venue, CMD_order_cancel, 'B', NULL)->body.order_cancel =
        (struct order_cancel_cmd){.order = venue->orders[1], .account = ACCOUNT_A + 1};
    command->header.session = SESSION_OF_B_TOO;
    assert_string_equal(apply(venue), "#1 cancelled 5 releases 450 reason 1");
}

static void it_is_asked_from_the_venue_down(void **state)
{
    struct venue *venue = *state;
    static const struct {
        uint8_t scope;
        uint32_t id;
        const char *refused;
    } scopes[] = {{KILL_SESSION, 1, "KILLED 0 1 3"},
                  {KILL_ACCOUNT, ACCOUNT_A, "KILLED 0 16 1"},
                  {KILL_MEMBER, 1, "KILLED 0 1 2"},
                  {KILL_VENUE, 0, "KILLED 0 0 4"}};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(kill(venue, scopes[i].scope, scopes[i].id), "kill_changed");
        assert_string_equal(say(venue, "A buys 1 @ 90"), scopes[i].refused);
    }
    set_venue(venue, VENUE_CANCEL_ONLY);
    PLAY(venue, {"A buys 1 @ 90", "VENUE_CANCEL_ONLY 0 1 0"});
    set_venue(venue, VENUE_OPEN);
    for (size_t i = 4; i-- > 0;) {
        assert_string_equal(say(venue, "A buys 1 @ 90"), scopes[i].refused);
        assert_string_equal(revive(venue, scopes[i].scope, scopes[i].id), "kill_changed");
    }
    PLAY(venue, {"A buys 1 @ 90", "#1 holds 90"});
}

// ---- wherever it stands

// One in the book, a stop, a triggered one whose turn the breaker holds up, one for the close.
static void it_takes_what_waits_too(void **state)
{
    struct venue *venue = *state;
    venue->terms.breaker_bps = 200;
    set_terms(venue);
    set_price(venue, CMD_reference_set, 100);
    PLAY(venue, {"A sells 5 @ 103", "#1 holds 5"}, {"A sells 5 @ 104", "#2 holds 5"},
         {"B buys 2 @ 110 stop=103", "#3 holds 220 waits for its trigger; terms stop 103"},
         {"B sells 2 @ 90 stop=95", "#4 holds 2 waits for its trigger; terms stop 95"},
         {"B buys 1 @ 90 close", "#5 holds 90 waits for the close"},
         {"C buys 5 @ 103", "#6 holds 515; C buys 5 @ 103 from A fee 5 saved 0 left 0/0; "
                            "phase 4 breaker 1"});
    assert_string_equal(kill(venue, KILL_ACCOUNT, ACCOUNT_A + 1),
                        "kill_changed | #3 cancelled 2 releases 220 reason 16; "
                        "#4 cancelled 2 releases 2 reason 16; "
                        "#5 cancelled 1 releases 90 reason 16; done 3");
    set_price(venue, CMD_reference_set, 103);
    assert_string_equal(set_breaker(venue, 0), "phase 4 breaker 0"); // nobody's turn
}

static void a_running_auction_trades_without_it(void **state)
{
    struct venue *venue = *state;
    set_phase(venue, PHASE_OPENING_AUCTION);
    PLAY(venue, {"A sells 5 @ 100", "#1 holds 5"}, {"C buys 8 @ 100", "#2 holds 800"},
         {"B sells 2 @ 100", "#3 holds 2"});
    assert_string_equal(kill(venue, KILL_ACCOUNT, ACCOUNT_A),
                        "kill_changed | #1 cancelled 5 releases 5 reason 16; done 1");
    PLAY(venue, {"A sells 5 @ 100", "KILLED 0 16 1"});
    assert_string_equal(set_phase(venue, PHASE_CONTINUOUS),
                        "auction; B sells 2 @ 100 to C fee 2 saved 0 left 0/6; phase 4 breaker 0");
}

// ---- however much it is

static uint32_t cancels_of(const struct venue *venue)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < venue->sink.count; i++) {
        const struct event *event = &venue->events[i];
        if (event->header.type != EVT_order_cancelled) {
            assert_int_equal(event->header.type, EVT_done);
            continue;
        }
        assert_int_equal(event->body.order_cancelled.reason, CANCEL_KILLED);
        count++;
    }
    return count;
}

static void more_than_one_command_takes_goes_on_in_the_next(void **state)
{
    struct venue *venue = *state;
    struct command next;
    for (int i = 0; i < 45; i++) {
        say(venue, "A buys 1 @ 90");
        say(venue, "C sells 1 @ 105");
    }
    start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set =
        (struct kill_set_cmd){.scope = KILL_VENUE, .killed = 1};
    assert_string_equal(apply(venue), "kill_changed");
    assert_true(engine_continuation(venue->engine, &next));
    start(venue, CMD_clock_tick, GATEWAY_CORE); // may come between, and does nothing
    assert_string_equal(apply(venue), "done 0");
    (void)go_on(venue);
    assert_int_equal(cancels_of(venue), EVENTS - 1);
    assert_true(venue->events[EVENTS - 1].body.done.more);
    (void)go_on(venue);
    assert_int_equal(cancels_of(venue), 90 - (EVENTS - 1));
    assert_false(engine_continuation(venue->engine, &next));
    assert_int_equal(engine_open_orders(venue->engine), 0);
    PLAY(venue, {"A buys 1 @ 105", "KILLED 0 0 4"}, {"E buys 1 @ 105", "KILLED 0 0 4"},
         {"A cancels 1", "UNKNOWN_ORDER #1"});
    assert_string_equal(revive(venue, KILL_VENUE, 0), "kill_changed");
    PLAY(venue, {"A buys 1 @ 105", "#91 holds 105"});
}

// ---- what is refused

static void a_kill_of_nobody_is_refused(void **state)
{
    struct venue *venue = *state;
    static const struct {
        struct kill_set_cmd body;
        const char *refused;
    } wrong[] = {
        {{.scope = 0, .killed = 1, .id = 1}, "MALFORMED 0 0 1"},
        {{.scope = 5, .killed = 2, .id = 1}, "MALFORMED 0 5 1"},
        {{.scope = KILL_VENUE, .killed = 2, .id = 9}, "MALFORMED 0 2 2"},
        {{.scope = KILL_VENUE, .killed = 1, .id = 9}, "MALFORMED 0 9 4"},
        {{.scope = KILL_ACCOUNT, .id = 30}, "UNKNOWN_ACCOUNT 0 30 0"},
        {{.scope = KILL_ACCOUNT, .killed = 1, .id = ACCOUNT_TREASURY}, "UNKNOWN_ACCOUNT 0 2 0"},
        {{.scope = KILL_ACCOUNT, .killed = 1}, "UNKNOWN_ACCOUNT 0 0 0"},
        {{.scope = KILL_MEMBER, .killed = 1, .id = 3}, "UNKNOWN_MEMBER 0 3 0"},
        {{.scope = KILL_SESSION, .killed = 1, .id = 99}, "UNKNOWN_SESSION 0 99 0"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set = wrong[i].body;
        assert_string_equal(apply(venue), wrong[i].refused);
    }
    PLAY(venue, {"A buys 1 @ 90", "#1 holds 90"});
}

static int load_next(void *context, const struct snapshot_record *record)
{
    return engine_load(context, record) ? 0 : 1;
}

static void a_kill_record_that_cannot_be_is_not_loaded(void **state)
{
    struct venue *venue = *state;
    static const struct kill_rec wrong[] = {{.scope = KILL_ACCOUNT, .killed = 1, .id = ACCOUNT_A},
                                            {.scope = KILL_ACCOUNT, .killed = 1, .id = 30},
                                            {.scope = KILL_MEMBER, .killed = 0, .id = 1},
                                            {.scope = 0, .killed = 1},
                                            {.scope = 5, .killed = 1},
                                            {.scope = KILL_VENUE, .killed = 1, .id = 1}};
    kill(venue, KILL_ACCOUNT, ACCOUNT_A);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        memset(venue->twin_memory, 0, engine_bytes(&limits));
        struct engine *second = engine_init(venue->twin_memory, &limits);
        assert_int_equal(engine_save(venue->engine, load_next, second), 0);
        struct snapshot_record record = {.header = {.type = REC_kill, .version = SCHEMA_VERSION}};
        record.body.kill = wrong[i];
        assert_false(engine_load(second, &record));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_with_a_second_member, close_venue)
    const struct CMUnitTest tests[] = {
        TEST(a_killed_account_loses_its_orders_and_enters_none),
        TEST(a_killed_member_stops_in_all_its_sessions),
        TEST(a_killed_session_stops_alone),
        TEST(it_is_asked_from_the_venue_down),
        TEST(it_takes_what_waits_too),
        TEST(a_running_auction_trades_without_it),
        TEST(more_than_one_command_takes_goes_on_in_the_next),
        TEST(a_kill_of_nobody_is_refused),
        TEST(a_kill_record_that_cannot_be_is_not_loaded),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
