// Limits of members, accounts and sessions, and rights of sessions (docs/risk.md 2, 3): each at its
// limit, one below, one above, switched off, and lowered under what is there; windows and days that
// end. Every command is also applied to an engine that was loaded from a snapshot.
#include "matcher/engine_testing.h"

#define MS_NS     ((uint64_t)1000000)
#define SECOND_NS (1000 * MS_NS)
#define DAY_NS    (86400 * SECOND_NS)
#define PERIOD_NS (2629746 * SECOND_NS)

static const char *set_limits(struct venue *venue, struct limits_rec limits_wanted)
{
    memcpy(&start(venue, CMD_limits_set, GATEWAY_ADMIN)->body, &limits_wanted,
           sizeof limits_wanted);
    return apply(venue);
}

// Of account A, of the member, of session 1.
#define LIMIT_A(venue, ...)                                                                        \
    assert_string_equal(                                                                           \
        set_limits((venue),                                                                        \
                   (struct limits_rec){.scope = LIMIT_ACCOUNT, .id = FIRST, __VA_ARGS__}),         \
        "limits_changed")
#define LIMIT_M(venue, ...)                                                                        \
    assert_string_equal(                                                                           \
        set_limits((venue), (struct limits_rec){.scope = LIMIT_MEMBER, .id = 1, __VA_ARGS__}),     \
        "limits_changed")
#define LIMIT_S(venue, ...)                                                                        \
    assert_string_equal(                                                                           \
        set_limits((venue), (struct limits_rec){.scope = LIMIT_SESSION, .id = 1, __VA_ARGS__}),    \
        "limits_changed")

// ---- setting them

static void limits_name_a_party_that_exists(void **state)
{
    struct venue *venue = *state;
    const struct {
        uint8_t scope;
        uint32_t id;
        const char *answer;
    } lines[] = {{0, 1, "MALFORMED 0 0 1"},
                 {4, 1, "MALFORMED 0 4 1"},
                 {LIMIT_MEMBER, 0, "UNKNOWN_MEMBER 0 0 0"},
                 {LIMIT_MEMBER, 2, "UNKNOWN_MEMBER 0 2 0"},
                 {LIMIT_ACCOUNT, ACCOUNT_TREASURY, "UNKNOWN_ACCOUNT 0 2 0"},
                 {LIMIT_ACCOUNT, 20, "UNKNOWN_ACCOUNT 0 20 0"},
                 {LIMIT_SESSION, 3, "UNKNOWN_SESSION 0 3 0"},
                 {LIMIT_MEMBER, 1, "limits_changed"},
                 {LIMIT_ACCOUNT, FIRST + 3, "limits_changed"},
                 {LIMIT_SESSION, 2, "limits_changed"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        assert_string_equal(
            set_limits(venue, (struct limits_rec){.scope = lines[i].scope, .id = lines[i].id}),
            lines[i].answer);
}

static void each_scope_has_its_limits(void **state)
{
    struct venue *venue = *state;
    const struct limits_rec all[] = {
        {.order_value_max = 7}, {.daily_value_max = 7},
        {.open_orders_max = 7}, {.messages_max = 7, .messages_ms = 7},
        {.duplicate_ms = 7},    {.executions_max = 7, .executions_ms = 7},
        {.flags = 1},           {.flags = 2}};
    static const char *const refused[] = {"LIMITS 0 7 4",  "LIMITS 0 7 5", "LIMITS 0 7 6",
                                          "LIMITS 0 7 7",  "LIMITS 0 7 9", "LIMITS 0 7 10",
                                          "LIMITS 0 1 12", "LIMITS 0 2 12"};
    static const bool has[][4] = {{false, true, true, false},  {false, true, true, false},
                                  {false, true, true, false},  {false, true, false, true},
                                  {false, false, true, false}, {false, false, true, false},
                                  {false, true, false, false}, {false, true, false, false}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        for (uint8_t scope = LIMIT_MEMBER; scope <= LIMIT_SESSION; scope++) {
            struct limits_rec wanted = all[i];
            wanted.scope = scope;
            wanted.id = scope == LIMIT_ACCOUNT ? FIRST : 1;
            assert_string_equal(set_limits(venue, wanted),
                                has[i][scope] ? "limits_changed" : refused[i]);
        }
}

static void numbers_of_limits_that_cannot_be_are_refused(void **state)
{
    struct venue *venue = *state;
    const struct {
        struct limits_rec limits;
        const char *answer;
    } lines[] = {
        {{.order_value_max = -1}, "LIMITS 0 -1 4"},
        {{.daily_value_max = -2}, "LIMITS 0 -2 5"},
        {{.order_value_max = -1, .daily_value_max = -2}, "LIMITS 0 -1 4"},
        {{.executions_max = 1}, "LIMITS 0 0 11"},
        {{.executions_ms = 9}, "LIMITS 0 9 11"},
        {{.order_value_max = 1, .executions_max = 2, .executions_ms = 3}, "limits_changed"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct limits_rec wanted = lines[i].limits;
        wanted.scope = LIMIT_ACCOUNT;
        wanted.id = FIRST;
        assert_string_equal(set_limits(venue, wanted), lines[i].answer);
    }
    const struct limits_rec member = {.scope = LIMIT_MEMBER, .id = 1};
    struct limits_rec wanted = member;
    wanted.messages_max = 5;
    assert_string_equal(set_limits(venue, wanted), "LIMITS 0 0 8");
    wanted = member;
    wanted.messages_ms = 5;
    assert_string_equal(set_limits(venue, wanted), "LIMITS 0 5 8");
    wanted = member;
    wanted.flags = 4;
    assert_string_equal(set_limits(venue, wanted), "LIMITS 0 4 12");
}

// ---- order value

static void an_order_is_worth_at_most_what_its_account_and_member_may(void **state)
{
    struct venue *venue = *state;
    LIMIT_A(venue, .order_value_max = 1000);
    PLAY(venue, {"A buys 9 @ 111", "#1 holds 999"},
         {"A sells 10 @ 200", "ORDER_VALUE_MAX 1000 2000 2"}, {"A buys 10 @ 100", "#2 holds 1000"},
         {"A buys 7 @ 143", "ORDER_VALUE_MAX 1000 1001 2"}, {"A sells 5 @ 200", "#3 holds 5"},
         {"B buys 7 @ 143", "#4 holds 1001"});
    LIMIT_M(venue, .order_value_max = 900);
    PLAY(venue, {"A buys 7 @ 143", "ORDER_VALUE_MAX 1000 1001 2"},
         {"A buys 17 @ 53", "ORDER_VALUE_MAX 900 901 1"},
         {"B buys 17 @ 53", "ORDER_VALUE_MAX 900 901 1"}, {"B buys 9 @ 100", "#5 holds 900"});
    LIMIT_A(venue, .order_value_max = 0);
    LIMIT_M(venue, .order_value_max = 0);
    PLAY(venue, {"A buys 7 @ 143", "#6 holds 1001"});
}

static void an_order_without_a_price_is_worth_its_collar(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(set_price(venue, CMD_reference_set, 100), "phase 4 breaker 0");
    say(venue, "C sells 50 @ 100");
    LIMIT_A(venue, .order_value_max = 1049);
    PLAY(venue, {"A buys 10 at market", "ORDER_VALUE_MAX 1049 1050 2"});
    LIMIT_A(venue, .order_value_max = 1050);
    PLAY(venue, {"A buys 10 at market",
                 "#2 holds 1050; A buys 10 @ 100 from C fee 10 saved 50 left 0/40"});
}

static void an_amend_that_loses_its_place_is_asked_its_new_value(void **state)
{
    struct venue *venue = *state;
    say(venue, "A buys 10 @ 100");
    LIMIT_A(venue, .order_value_max = 500);
    PLAY(venue, {"A amends 1 to 10 @ 101", "ORDER_VALUE_MAX 500 1010 2"},
         {"A amends 1 to 9 @ 0", "#1 now 9 leaves 9 releases 100 kept"}, // it goes down
         {"A amends 1 to 5 @ 101", "ORDER_VALUE_MAX 500 505 2"},
         {"A amends 1 to 4 @ 125", "#1 now 4 leaves 4 releases 400"});
}

// ---- daily value

static void a_day_has_what_was_traded_and_what_is_open(void **state)
{
    struct venue *venue = *state;
    LIMIT_A(venue, .daily_value_max = 1000);
    PLAY(venue, {"A buys 4 @ 100", "#1 holds 400"}, {"A sells 3 @ 200", "#2 holds 3"},
         {"A buys 1 @ 1", "DAILY_VALUE_MAX 1000 1001 2"},
         {"C sells 4 @ 100", "#3 holds 4; C sells 4 @ 100 to A fee 4 saved 0 left 0/0"},
         {"A buys 1 @ 95", "DAILY_VALUE_MAX 1000 1095 2"}, // traded 400, open 600
         {"A cancels 2", "#2 cancelled 3 releases 3 reason 1"}, {"A buys 6 @ 100", "#4 holds 600"},
         {"A cancels 4", "#4 cancelled 6 releases 600 reason 1"},
         {"A sells 6 @ 101", "DAILY_VALUE_MAX 1000 1006 2"}, {"B buys 12 @ 100", "#5 holds 1200"});
}

// What a better price saves is no part of what was traded.
static void what_was_traded_counts_at_the_price_of_the_trade(void **state)
{
    struct venue *venue = *state;
    say(venue, "C sells 10 @ 90");
    LIMIT_A(venue, .daily_value_max = 1000);
    PLAY(venue, {"A buys 10 @ 99", "#2 holds 990; A buys 10 @ 90 from C fee 9 saved 90 left 0/0"},
         {"A buys 1 @ 95", "#3 holds 95"}, {"A buys 1 @ 90", "DAILY_VALUE_MAX 1000 1085 2"});
}

static void a_member_has_the_days_of_all_its_accounts(void **state)
{
    struct venue *venue = *state;
    LIMIT_M(venue, .daily_value_max = 1000);
    PLAY(venue, {"A buys 2 @ 100", "#1 holds 200"},
         {"C sells 2 @ 100", "#2 holds 2; C sells 2 @ 100 to A fee 2 saved 0 left 0/0"},
         {"B buys 6 @ 100", "#3 holds 600"}, // each side of the trade by itself
         {"D sells 1 @ 101", "DAILY_VALUE_MAX 1000 1101 1"},
         {"A amends 3 to 5 @ 0", "NOT_OWNER #3"},
         {"B amends 3 to 5 @ 100", "#3 now 5 leaves 5 releases 100 kept"},
         {"B amends 3 to 6 @ 100", "#3 now 6 leaves 6 releases -100"},
         {"B amends 3 to 7 @ 0", "DAILY_VALUE_MAX 1000 1100 1"});
}

static void an_amend_counts_in_the_place_of_what_it_was(void **state)
{
    struct venue *venue = *state;
    LIMIT_A(venue, .daily_value_max = 1000);
    PLAY(venue, {"A buys 9 @ 100", "#1 holds 900"},
         {"A amends 1 to 10 @ 0", "#1 now 10 leaves 10 releases -100"},
         {"A amends 1 to 10 @ 101", "DAILY_VALUE_MAX 1000 1010 2"},
         {"A amends 1 to 9 @ 111", "#1 now 9 leaves 9 releases 1"}, {"A buys 1 @ 1", "#2 holds 1"},
         {"A buys 1 @ 1", "DAILY_VALUE_MAX 1000 1001 2"});
}

static void a_new_day_begins_at_midnight(void **state)
{
    struct venue *venue = *state;
    LIMIT_A(venue, .daily_value_max = 1000);
    say(venue, "C sells 8 @ 100");
    say(venue, "A buys 8 @ 100");
    PLAY(venue, {"A buys 1 @ 150 confirmed", "#3 holds 150"});
    at(venue, DAY_NS - 1);
    PLAY(venue, {"A buys 1 @ 51 confirmed", "DAILY_VALUE_MAX 1000 1001 2"});
    at(venue, DAY_NS);
    PLAY(venue, {"A buys 9 @ 95", "DAILY_VALUE_MAX 1000 1005 2"}, // what is open stays
         {"A buys 9 @ 94", "#4 holds 846"});
    LIMIT_A(venue, .daily_value_max = 100); // below what is there: refuses what comes
    PLAY(venue, {"A sells 1 @ 100", "DAILY_VALUE_MAX 100 1096 2"},
         {"C sells 1 @ 140 confirmed", "#5 holds 1; C sells 1 @ 150 to A fee 1 saved 0 left 0/0"});
}

// Values of sells are bound by nothing but the limit.
static void sums_of_values_may_be_larger_than_a_number(void **state)
{
    struct venue *venue = *state;
    const long most = (long)1 << 60; // times 2 is the largest value of an order
    for (int i = 0; i < 4; i++) {
        struct order_new_cmd *order = start_order(venue, 'A', SIDE_SELL, 2, most);
        order->tif = TIF_GTC;
        apply(venue);
    }
    LIMIT_A(venue, .daily_value_max = INT64_MAX);
    PLAY(venue, {"A buys 1 @ 1", "DAILY_VALUE_MAX 9223372036854775807 9223372036854775807 2"},
         {"A cancels 1", "#1 cancelled 2 releases 2 reason 1"}, {"A buys 1 @ 1", "#5 holds 1"});
}

// ---- open orders

static void an_account_has_so_many_open_orders(void **state)
{
    struct venue *venue = *state;
    LIMIT_A(venue, .open_orders_max = 2);
    PLAY(venue, {"A buys 1 @ 10", "#1 holds 10"}, {"A sells 1 @ 25", "#2 holds 1"},
         {"A buys 1 @ 11", "OPEN_ORDERS_MAX 2 2 2"},
         {"A buys 1 @ 11 stop=12", "OPEN_ORDERS_MAX 2 2 2"},
         {"A buys 1 @ 12 ioc", "#3 holds 12; #3 cancelled 1 releases 12 reason 2"},
         {"A amends 1 to 2 @ 0", "#1 now 2 leaves 2 releases -10"},
         {"A cancels 2", "#2 cancelled 1 releases 1 reason 1"},
         {"A buys 1 @ 11 stop=12", "#4 holds 11 waits for its trigger; terms stop 12"},
         {"A buys 1 @ 11", "OPEN_ORDERS_MAX 2 2 2"}, {"B buys 1 @ 9", "#5 holds 9"});
    LIMIT_A(venue, .open_orders_max = 1);
    PLAY(venue, {"A buys 1 @ 11", "OPEN_ORDERS_MAX 1 2 2"});
    LIMIT_A(venue, .open_orders_max = 0);
    PLAY(venue, {"A buys 1 @ 9", "#6 holds 9"});
}

static void a_filled_order_is_open_no_more(void **state)
{
    struct venue *venue = *state;
    LIMIT_M(venue, .open_orders_max = 2);
    PLAY(venue, {"A buys 4 @ 10", "#1 holds 40"}, {"B buys 4 @ 9", "#2 holds 36"},
         {"D sells 1 @ 20", "OPEN_ORDERS_MAX 2 2 1"},
         {"D sells 2 @ 10 ioc", "#3 holds 2; D sells 2 @ 10 to A fee 0 saved 0 left 0/2"},
         {"D sells 1 @ 11", "OPEN_ORDERS_MAX 2 2 1"},
         {"D sells 2 @ 10 ioc", "#4 holds 2; D sells 2 @ 10 to A fee 0 saved 0 left 0/0"},
         {"D sells 1 @ 11", "#5 holds 1"}, {"D sells 1 @ 11", "OPEN_ORDERS_MAX 2 2 1"});
}

// ---- throttle

static void a_session_sends_so_many_messages_in_a_window(void **state)
{
    struct venue *venue = *state;
    LIMIT_S(venue, .messages_max = 3, .messages_ms = 1000);
    PLAY(venue, {"A buys 1 @ 10", "#1 holds 10"},
         {"A amends 1 to 2 @ 0", "#1 now 2 leaves 2 releases -10"},
         {"A asks 1", "#1 is 2 of 2 @ 10"}, {"A buys 1 @ 10", "THROTTLED 3 1000 3"},
         {"A amends 1 to 3 @ 0", "THROTTLED 3 1000 3"}, {"A asks 1", "THROTTLED 3 1000 3"},
         {"A asks all", "THROTTLED 3 1000 3"}, {"C buys 1 @ 10", "#2 holds 10"},
         {"A cancels 1", "#1 cancelled 2 releases 20 reason 1"}, {"A cancels all", "done 0"});
    at(venue, SECOND_NS - 1);
    PLAY(venue, {"A buys 1 @ 10", "THROTTLED 3 1000 3"});
    at(venue, SECOND_NS);
    PLAY(venue, {"A buys 1 @ 10", "#3 holds 10"});
    at(venue, 5 * SECOND_NS - 1); // windows stand on the clock
    PLAY(venue, {"A buys 1 @ 10", "#4 holds 10"}, {"B buys 1 @ 10", "#5 holds 10"});
    LIMIT_S(venue, .messages_max = 0);
    PLAY(venue, {"A buys 1 @ 10", "#6 holds 10"}, {"A buys 1 @ 10", "#7 holds 10"},
         {"A buys 1 @ 10", "#8 holds 10"}, {"A buys 1 @ 10", "#9 holds 10"});
}

static void what_a_later_check_refuses_has_counted(void **state)
{
    struct venue *venue = *state;
    LIMIT_S(venue, .messages_max = 2, .messages_ms = 1000);
    PLAY(venue, {"C buys 1 @ 10", "#1 holds 10"}, {"A asks 1", "NOT_OWNER #1"},
         {"A sells 2000 @ 10", "INSUFFICIENT_BALANCE 2000 1000 0"},
         {"A buys 1 @ 10", "THROTTLED 2 1000 3"});
    LIMIT_S(venue, .messages_max = 1, .messages_ms = 1000); // begins with none
    PLAY(venue, {"A buys 1 @ 10", "#2 holds 10"}, {"A buys 1 @ 10", "THROTTLED 1 1000 3"});
}

static void a_member_sends_by_all_its_sessions(void **state)
{
    struct venue *venue = *state;
    LIMIT_M(venue, .messages_max = 2, .messages_ms = 1000);
    LIMIT_S(venue, .messages_max = 2, .messages_ms = 60000);
    PLAY(venue, {"A buys 1 @ 10", "#1 holds 10"}, {"C buys 1 @ 10", "#2 holds 10"},
         {"C buys 1 @ 10", "THROTTLED 2 1000 1"},
         {"A buys 1 @ 10", "THROTTLED 2 1000 1"}, // the session has let it pass
         {"A buys 1 @ 10", "THROTTLED 2 60000 3"});
    at(venue, SECOND_NS);
    PLAY(venue, {"A buys 1 @ 10", "THROTTLED 2 60000 3"}, {"C buys 1 @ 10", "#3 holds 10"},
         {"C buys 1 @ 10", "#4 holds 10"}, {"C buys 1 @ 10", "THROTTLED 2 1000 1"});
}

static void what_the_core_goes_on_with_is_not_throttled(void **state)
{
    struct venue *venue = *state;
    struct command next;
    for (int i = 0; i < 70; i++)
        say(venue, "A buys 1 @ 10");
    LIMIT_S(venue, .messages_max = 1, .messages_ms = 1000);
    say(venue, "A asks all");
    assert_true(engine_continuation(venue->engine, &next));
    assert_non_null(strstr(go_on(venue), "done 7"));
    PLAY(venue, {"A asks all", "THROTTLED 1 1000 3"});
}

// ---- duplicates

static void an_order_like_the_last_one_is_a_mistake(void **state)
{
    struct venue *venue = *state;
    char answer[64];
    LIMIT_A(venue, .duplicate_ms = 500);
    PLAY(venue, {"A buys 2 @ 10", "#1 holds 20"});
    long order = (long)venue->orders[1];
    (void)snprintf(answer, sizeof answer, "DUPLICATE_ORDER 500 0 %ld", order);
    PLAY(venue, {"A buys 2 @ 10", answer}, {"B buys 2 @ 10", "#2 holds 20"},
         {"A buys 3 @ 10", "#3 holds 30"}, // is the last one now
         {"A buys 2 @ 10", "#4 holds 20"}, {"A buys 2 @ 11", "#5 holds 22"},
         {"A sells 2 @ 11 ", "#6 holds 2; A sells 2 @ 11 to A fee 0 saved 0 left 0/0"},
         {"A buys 2 @ 11 ioc", "#7 holds 22; #7 cancelled 2 releases 22 reason 2"},
         {"A buys 2 @ 11", "#8 holds 22"},
         {"A buys 2 @ 12 stop=12", "#9 holds 24 waits for its trigger; terms stop 12"},
         {"A buys 2 @ 12 stop=13", "#10 holds 24 waits for its trigger; terms stop 13"});
    (void)snprintf(answer, sizeof answer, "DUPLICATE_ORDER 500 0 %ld", (long)venue->orders[10]);
    PLAY(venue, {"A buys 2 @ 12 stop=13 gtc", "#11 holds 24 waits for its trigger; terms stop 13"},
         {"A buys 2 @ 12 stop=13", "#12 holds 24 waits for its trigger; terms stop 13"});
    (void)snprintf(answer, sizeof answer, "DUPLICATE_ORDER 500 0 %ld", (long)venue->orders[12]);
    PLAY(venue, {"A buys 2 @ 12 stop=13", answer});
}

static void a_duplicate_may_come_after_its_time(void **state)
{
    struct venue *venue = *state;
    char answer[64];
    LIMIT_A(venue, .duplicate_ms = 500);
    at(venue, SECOND_NS);
    say(venue, "A buys 2 @ 10");
    long order = (long)venue->orders[1];
    at(venue, SECOND_NS + 500 * MS_NS - 1);
    (void)snprintf(answer, sizeof answer, "DUPLICATE_ORDER 500 499 %ld", order);
    PLAY(venue, {"A buys 2 @ 10", answer}); // a refused one is not remembered
    at(venue, SECOND_NS + 500 * MS_NS);
    PLAY(venue, {"A buys 2 @ 10", "#2 holds 20"});
    LIMIT_A(venue, .duplicate_ms = 0);
    PLAY(venue, {"A buys 2 @ 10", "#3 holds 20"});
    LIMIT_A(venue, .duplicate_ms = 60000); // what came while it was off is not remembered
    (void)snprintf(answer, sizeof answer, "DUPLICATE_ORDER 60000 0 %ld", (long)venue->orders[2]);
    PLAY(venue, {"A buys 2 @ 10", answer});
}

static void a_market_order_is_like_another_by_its_collar(void **state)
{
    struct venue *venue = *state;
    char answer[64];
    set_price(venue, CMD_reference_set, 100);
    say(venue, "C sells 5 @ 100");
    LIMIT_A(venue, .duplicate_ms = 500);
    say(venue, "A buys 1 at market");
    (void)snprintf(answer, sizeof answer, "DUPLICATE_ORDER 500 0 %ld", (long)venue->orders[2]);
    PLAY(venue, {"A buys 1 at market", answer},
         {"A buys 1 @ 105", "#3 holds 105; A buys 1 @ 100 from C fee 1 saved 5 left 0/3"});
}

// ---- executions

static void so_many_executions_stop_an_account(void **state)
{
    struct venue *venue = *state;
    say(venue, "C sells 20 @ 10");
    LIMIT_A(venue, .executions_max = 3, .executions_ms = 1000);
    say(venue, "A buys 1 @ 9");
    say(venue, "A buys 1 @ 10");
    say(venue, "A buys 1 @ 10");
    at(venue, SECOND_NS);
    say(venue, "A buys 1 @ 10"); // another window
    say(venue, "A buys 1 @ 10");
    PLAY(venue, {"A buys 1 @ 10", "#7 holds 10; A buys 1 @ 10 from C fee 0 saved 0 left 0/15"},
         {"A buys 1 @ 10", "EXECUTIONS_MAX 3 1000 0"},
         {"A sells 1 @ 12 confirmed", "EXECUTIONS_MAX 3 1000 0"},
         {"B buys 1 @ 10", "#8 holds 10; B buys 1 @ 10 from C fee 0 saved 0 left 0/14"},
         {"A amends 2 to 2 @ 0", "EXECUTIONS_MAX 3 1000 0"}, // nor by an amend
         {"A amends 2 to 0 @ 10", "EXECUTIONS_MAX 3 1000 0"},
         {"A amends 2 to 1 @ 9", "#2 now 1 leaves 1 releases 0 kept"}); // what is open stays
    at(venue, 9 * SECOND_NS);
    PLAY(venue, {"A buys 1 @ 10", "EXECUTIONS_MAX 3 1000 0"},
         {"D sells 1 @ 9",
          "#9 holds 1; D sells 1 @ 9 to A fee 0 saved 0 left 0/0"}); // and may trade
    LIMIT_A(venue, .executions_max = 3, .executions_ms = 1000);
    PLAY(venue,
         {"A buys 2 @ 10 confirmed", "#10 holds 20; A buys 2 @ 10 from C fee 0 saved 0 left 0/12"},
         {"A buys 2 @ 10", "#11 holds 20; A buys 2 @ 10 from C fee 0 saved 0 left 0/10"});
    LIMIT_A(venue, .executions_max = 0);
    for (int i = 0; i < 4; i++)
        assert_non_null(strstr(say(venue, "A buys 1 @ 10"), "from C"));
}

static void both_sides_of_one_account_are_two_executions(void **state)
{
    struct venue *venue = *state;
    LIMIT_A(venue, .executions_max = 2, .executions_ms = 1000);
    PLAY(venue, {"A sells 1 @ 10", "#1 holds 1"},
         {"A buys 1 @ 10", "#2 holds 10; A buys 1 @ 10 from A fee 0 saved 0 left 0/0"},
         {"A buys 1 @ 10", "EXECUTIONS_MAX 2 1000 0"});
}

// The order whose trades trip its account goes on.
static void an_order_that_trips_its_account_goes_on(void **state)
{
    struct venue *venue = *state;
    for (int i = 0; i < 4; i++)
        say(venue, "C sells 1 @ 10");
    LIMIT_A(venue, .executions_max = 2, .executions_ms = 1000);
    assert_non_null(strstr(say(venue, "A buys 5 @ 10"), "left 1/0"));
    PLAY(venue, {"A buys 1 @ 9", "EXECUTIONS_MAX 2 1000 0"},
         {"C sells 1 @ 10", "#6 holds 1; C sells 1 @ 10 to A fee 0 saved 0 left 0/0"});
}

// ---- investment

enum { RETAIL = 500 * 1000000 };

// Three times what a retail investor may invest.
static void fund(struct venue *venue)
{
    assert_string_equal(post(venue, 'A', CASH, POSTING_DEPOSIT, 3 * (int64_t)RETAIL),
                        "posted 1500000000");
    assert_string_equal(post(venue, 'C', TOKEN, POSTING_DEPOSIT, 1000), "posted 1000");
}

static void an_investment_counts_for_a_year_where_that_is_set(void **state)
{
    struct venue *venue = *state;
    fund(venue);
    PLAY(venue, {"A buys 501 @ 1000000", "INVESTMENT_LIMIT 500000000 501000000 0"},
         {"C sells 300 @ 1000000", "#1 holds 300"});
    assert_non_null(strstr(say(venue, "A buys 300 @ 1000000"), "left 0/0"));
    PLAY(venue, {"A buys 201 @ 1000000", "#3 holds 201000000"}); // each by itself
    LIMIT_M(venue, .flags = LIMIT_CUMULATIVE_INVESTMENT);
    PLAY(venue, {"A buys 1 @ 1000000", "INVESTMENT_LIMIT 500000000 502000000 1"},
         {"A amends 3 to 201 @ 1000001", "INVESTMENT_LIMIT 500000000 501000201 1"},
         {"A amends 3 to 200 @ 1000000", "#3 now 200 leaves 200 releases 1000000 kept"},
         {"A amends 3 to 200 @ 1000001", "INVESTMENT_LIMIT 500000000 500000200 1"},
         {"A amends 3 to 200 @ 999999", "#3 now 200 leaves 200 releases 200"},
         {"A amends 3 to 200 @ 1000000", "#3 now 200 leaves 200 releases -200"},
         {"A sells 1 @ 1100000", "#4 holds 1"}, // an exit is never blocked
         {"A cancels 3", "#3 cancelled 200 releases 200000000 reason 1"},
         {"A buys 501 @ 1000000", "INVESTMENT_LIMIT 500000000 501000000 0"},
         {"A buys 200 @ 1000000", "#5 holds 200000000"});
}

static void an_investment_is_forgotten_after_a_year(void **state)
{
    struct venue *venue = *state;
    fund(venue);
    LIMIT_M(venue, .flags = LIMIT_CUMULATIVE_INVESTMENT);
    at(venue, 5 * PERIOD_NS);
    say(venue, "C sells 500 @ 1000000");
    say(venue, "A buys 100 @ 1000000");
    at(venue, 6 * PERIOD_NS);
    say(venue, "A buys 150 @ 1000000");
    PLAY(venue, {"A buys 251 @ 1000000", "INVESTMENT_LIMIT 500000000 501000000 1"});
    at(venue, 18 * PERIOD_NS - 1);
    PLAY(venue, {"A buys 251 @ 1000000", "INVESTMENT_LIMIT 500000000 501000000 1"});
    at(venue, 18 * PERIOD_NS); // 5 is the 13th before
    PLAY(venue, {"A buys 351 @ 1000000", "INVESTMENT_LIMIT 500000000 501000000 1"});
    assert_non_null(strstr(say(venue, "A buys 50 @ 1000000"), "left 0/200"));
    PLAY(venue, {"A buys 301 @ 1000000", "INVESTMENT_LIMIT 500000000 501000000 1"});
    at(venue, 19 * PERIOD_NS);
    PLAY(venue, {"A buys 451 @ 1000000", "INVESTMENT_LIMIT 500000000 501000000 1"});
    at(venue, 31 * PERIOD_NS);
    assert_non_null(strstr(say(venue, "A buys 200 @ 1000000"), "left 0/0"));
    PLAY(venue, {"A buys 301 @ 1000000", "INVESTMENT_LIMIT 500000000 501000000 1"});
    at(venue, 99 * PERIOD_NS);
    PLAY(venue, {"A buys 500 @ 1000000", "#6 holds 500000000"});
}

// Who has no limits is not counted; from the day that he has some he is.
static void an_account_without_limits_counts_no_investment(void **state)
{
    struct venue *venue = *state;
    fund(venue);
    LIMIT_M(venue, .flags = LIMIT_CUMULATIVE_INVESTMENT);
    venue->accounts[0].flags |= ACCOUNT_NO_LIMITS;
    set_account(venue, 'A');
    say(venue, "C sells 900 @ 1000000");
    assert_non_null(strstr(say(venue, "A buys 600 @ 1000000"), "left 0/300"));
    venue->accounts[0].flags ^= ACCOUNT_NO_LIMITS;
    set_account(venue, 'A');
    assert_non_null(strstr(say(venue, "A buys 200 @ 1000000"), "left 0/100"));
    PLAY(venue, {"A buys 301 @ 1000000", "INVESTMENT_LIMIT 500000000 501000000 1"});
}

// ---- rights

static const char *set_rights(struct venue *venue, uint32_t of_a, uint32_t of_b)
{
    const uint32_t accounts[2] = {FIRST | of_a << SESSION_ACCOUNT_RIGHTS_SHIFT,
                                  (FIRST + 1) | of_b << SESSION_ACCOUNT_RIGHTS_SHIFT};
    struct command *command = start(venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof accounts);
    command->body.session_set = (struct session_set_cmd){
        .session = 1, .member = 1, .gateway = GATEWAY_FIX, .account_count = 2};
    memcpy(command_tail_writable(command), accounts, sizeof accounts);
    return apply(venue);
}

static void a_session_has_rights_for_each_account(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 2 @ 10", "#1 holds 20"}, {"B buys 2 @ 10", "#2 holds 20"});
    set_rights(venue, RIGHT_SEE, 0);
    assert_int_equal(venue->events[1].body.session_account.rights, RIGHT_SEE);
    assert_int_equal(venue->events[2].body.session_account.rights, RIGHTS_ALL);
    PLAY(venue, {"A buys 1 @ 10", "ACCOUNT_RIGHT 1 16 4"},
         {"A amends 1 to 1 @ 0", "ACCOUNT_RIGHT 1 16 4"}, {"A cancels 1", "ACCOUNT_RIGHT 2 16 4"},
         {"A cancels 9", "ACCOUNT_RIGHT 2 16 4"}, {"A asks 1", "#1 is 2 of 2 @ 10"},
         {"B buys 1 @ 10", "#3 holds 10"}, {"B cancels 3", "#3 cancelled 1 releases 10 reason 1"});
    set_rights(venue, RIGHT_CANCEL, RIGHT_TRADE);
    PLAY(venue, {"A asks 1", "ACCOUNT_RIGHT 4 16 2"}, {"B asks 2", "ACCOUNT_RIGHT 4 17 1"},
         {"B cancels 2", "ACCOUNT_RIGHT 2 17 1"},
         {"B amends 2 to 1 @ 0", "#2 now 1 leaves 1 releases 10 kept"},
         {"A cancels 1", "#1 cancelled 2 releases 20 reason 1"});
    set_rights(venue, RIGHT_TRADE | RIGHT_CANCEL, RIGHT_CANCEL | RIGHT_SEE);
    PLAY(venue, {"A buys 1 @ 10", "#4 holds 10"}, {"A asks 4", "ACCOUNT_RIGHT 4 16 3"},
         {"B buys 1 @ 10", "ACCOUNT_RIGHT 1 17 6"}, {"C buys 1 @ 10", "#5 holds 10"});
}

static const char *cancel_of(struct venue *venue, uint32_t account)
{
    struct command *command = start_session(venue, CMD_order_mass_cancel, 'A', NULL);
    command->body.order_mass_cancel.account = account;
    return apply(venue);
}

static const char *status_of(struct venue *venue, uint32_t account)
{
    struct command *command = start_session(venue, CMD_order_status, 'A', NULL);
    command->body.order_status.account = account;
    return apply(venue);
}

static void commands_about_many_ask_the_right_of_an_account_that_they_name(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 2 @ 10", "#1 holds 20"}, {"B buys 2 @ 10", "#2 holds 20"});
    set_rights(venue, RIGHT_TRADE, RIGHT_TRADE);
    assert_string_equal(cancel_of(venue, FIRST), "ACCOUNT_RIGHT 2 16 1");
    assert_string_equal(cancel_of(venue, FIRST + 2), "ACCOUNT_NOT_OF_SESSION 0 18 0");
    assert_string_equal(status_of(venue, FIRST), "ACCOUNT_RIGHT 4 16 1");
    assert_string_equal(status_of(venue, FIRST + 2), "ACCOUNT_NOT_OF_SESSION 0 18 0");
    assert_string_equal(status_of(venue, 0), "#1 is 2 of 2 @ 10; #2 is 2 of 2 @ 10; done 2");
    set_rights(venue, RIGHT_CANCEL, RIGHT_SEE);
    assert_string_equal(status_of(venue, FIRST + 1), "#2 is 2 of 2 @ 10; done 1");
    assert_string_equal(cancel_of(venue, FIRST), "#1 cancelled 2 releases 20 reason 6; done 1");
    assert_string_equal(cancel_of(venue, 0), "#2 cancelled 2 releases 20 reason 6; done 1");
}

static void rights_that_cannot_be_are_refused(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(set_rights(venue, 8, 0), "MALFORMED 0 8 5");
    assert_string_equal(set_rights(venue, RIGHTS_ALL, 255), "MALFORMED 0 255 5");
    venue->command.body.session_set.session = 1;
    PLAY(venue, {"A buys 2 @ 10", "#1 holds 20"}); // what is refused changes nothing
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)
    const struct CMUnitTest tests[] = {
        TEST(limits_name_a_party_that_exists),
        TEST(each_scope_has_its_limits),
        TEST(numbers_of_limits_that_cannot_be_are_refused),
        TEST(an_order_is_worth_at_most_what_its_account_and_member_may),
        TEST(an_order_without_a_price_is_worth_its_collar),
        TEST(an_amend_that_loses_its_place_is_asked_its_new_value),
        TEST(a_day_has_what_was_traded_and_what_is_open),
        TEST(what_was_traded_counts_at_the_price_of_the_trade),
        TEST(a_member_has_the_days_of_all_its_accounts),
        TEST(an_amend_counts_in_the_place_of_what_it_was),
        TEST(a_new_day_begins_at_midnight),
        TEST(sums_of_values_may_be_larger_than_a_number),
        TEST(an_account_has_so_many_open_orders),
        TEST(a_filled_order_is_open_no_more),
        TEST(a_session_sends_so_many_messages_in_a_window),
        TEST(what_a_later_check_refuses_has_counted),
        TEST(a_member_sends_by_all_its_sessions),
        TEST(what_the_core_goes_on_with_is_not_throttled),
        TEST(an_order_like_the_last_one_is_a_mistake),
        TEST(a_duplicate_may_come_after_its_time),
        TEST(a_market_order_is_like_another_by_its_collar),
        TEST(so_many_executions_stop_an_account),
        TEST(both_sides_of_one_account_are_two_executions),
        TEST(an_order_that_trips_its_account_goes_on),
        TEST(an_investment_counts_for_a_year_where_that_is_set),
        TEST(an_investment_is_forgotten_after_a_year),
        TEST(an_account_without_limits_counts_no_investment),
        TEST(a_session_has_rights_for_each_account),
        TEST(commands_about_many_ask_the_right_of_an_account_that_they_name),
        TEST(rights_that_cannot_be_are_refused),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
