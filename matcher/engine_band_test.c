// Bands and limit states, controls and status of an instrument. The venue: engine_testing.h; a
// limit state lasts for LASTS_MS.
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LASTS_MS = 500 };

#define MS_NS ((uint64_t)1000000)

static const char *set_controls(struct venue *venue, struct instrument_controls_rec controls)
{
    controls.instrument = 1;
    memcpy(&start(venue, CMD_instrument_controls_set, GATEWAY_ADMIN)->body, &controls,
           sizeof(controls));
    return apply(venue);
}

static void set_bands(struct venue *venue, uint32_t static_bps, uint32_t dynamic_bps,
                      uint32_t limit_state_ms)
{
    start(venue, CMD_instrument_rules_set, GATEWAY_ADMIN)->body.instrument_rules_set =
        (struct instrument_rules_set_cmd){.instrument = 1, .volatility_bps = static_bps};
    assert_string_equal(apply(venue), "instrument_rules_changed");
    assert_string_equal(
        set_controls(venue, (struct instrument_controls_rec){.dynamic_bps = dynamic_bps,
                                                             .limit_state_ms = limit_state_ms}),
        "instrument_controls_changed");
}

// The last price is 100.
static void trade_at_100(struct venue *venue)
{
    uint32_t before = venue->order_count;
    say(venue, "A sells 1 @ 100");
    say(venue, "B buys 1 @ 100");
    assert_int_equal(venue->order_count, before + 2);
    assert_int_equal(venue->events[1].header.type, EVT_trade);
}

static const char *tick(struct venue *venue)
{
    start(venue, CMD_clock_tick, GATEWAY_CORE);
    return apply_all(venue);
}

// ---- where a band is

static void the_static_band_is_around_the_reference_price(void **state)
{
    struct venue *venue = *state;
    set_price(venue, CMD_reference_set, 100);
    set_bands(venue, 500, 0, LASTS_MS);
    PLAY(venue, {"A sells 1 @ 104", "#1 holds 1"}, {"A sells 1 @ 105", "#2 holds 1"},
         {"A sells 1 @ 106", "#3 holds 1"},
         {"C buys 5 @ 110", "#4 holds 550; C buys 1 @ 104 from A fee 1 saved 6 left 4/0; "
                            "C buys 1 @ 105 from A fee 1 saved 5 left 3/0; "
                            "#4 cancelled 3 releases 330 reason 17; phase 4 breaker 0 limit state"},
         {"C buys 1 @ 106", "#5 holds 106; #5 cancelled 1 releases 106 reason 17"},
         {"C buys 1 @ 105", "#6 holds 105"}, {"C buys 2 @ 95", "#7 holds 190"},
         {"C buys 2 @ 94 confirmed", "#8 holds 188"},
         {"D sells 4 @ 95", "#9 holds 4; D sells 1 @ 105 to C fee 1 saved 0 left 3/0; "
                            "D sells 2 @ 95 to C fee 1 saved 0 left 1/0; phase 4 breaker 0"});
}

static void without_a_reference_price_it_is_around_the_nav_or_nowhere(void **state)
{
    struct venue *venue = *state;
    set_bands(venue, 500, 0, LASTS_MS);
    PLAY(venue, {"A sells 1 @ 107", "#1 holds 1"},
         {"C buys 1 @ 107", "#2 holds 107; C buys 1 @ 107 from A fee 1 saved 0 left 0/0"});
    set_price(venue, CMD_nav_set, 100);
    PLAY(venue, {"A sells 1 @ 107", "#3 holds 1"},
         {"C buys 1 @ 107", "#4 holds 107; #4 cancelled 1 releases 107 reason 17; "
                            "phase 4 breaker 0 limit state"});
}

// Around the last price as the order found it: not as its own trades leave it.
static void the_dynamic_band_is_around_the_last_price_an_order_finds(void **state)
{
    struct venue *venue = *state;
    trade_at_100(venue);
    set_bands(venue, 0, 300, LASTS_MS);
    PLAY(venue, {"A sells 1 @ 102", "#3 holds 1"}, {"A sells 1 @ 103", "#4 holds 1"},
         {"A sells 2 @ 104", "#5 holds 2"}, {"A sells 1 @ 107", "#6 holds 1"},
         {"C buys 9 @ 108", "#7 holds 972; C buys 1 @ 102 from A fee 1 saved 6 left 8/0; "
                            "C buys 1 @ 103 from A fee 1 saved 5 left 7/0; "
                            "#7 cancelled 7 releases 756 reason 17; phase 4 breaker 0 limit state"},
         {"C buys 9 @ 108", "#8 holds 972; C buys 2 @ 104 from A fee 2 saved 8 left 7/0; "
                            "#8 cancelled 7 releases 756 reason 17"},
         {"C buys 9 @ 108", "#9 holds 972; C buys 1 @ 107 from A fee 1 saved 1 left 8/0; "
                            "phase 4 breaker 0"});
}

static void it_holds_below_too_and_not_before_the_first_trade(void **state)
{
    struct venue *venue = *state;
    set_bands(venue, 0, 300, LASTS_MS);
    PLAY(venue, {"A buys 1 @ 120", "#1 holds 120"},
         {"C sells 1 @ 120", "#2 holds 1; C sells 1 @ 120 to A fee 1 saved 0 left 0/0"},
         {"A buys 1 @ 118", "#3 holds 118"}, {"A buys 1 @ 117", "#4 holds 117"},
         {"A buys 1 @ 115", "#5 holds 115"}, {"A buys 1 @ 114", "#6 holds 114"},
         {"C sells 9 @ 110", "#7 holds 9; C sells 1 @ 118 to A fee 1 saved 0 left 8/0; "
                             "C sells 1 @ 117 to A fee 1 saved 0 left 7/0; "
                             "#7 cancelled 7 releases 7 reason 17; phase 4 breaker 0 limit state"},
         {"C sells 1 @ 114", "#8 holds 1; C sells 1 @ 115 to A fee 1 saved 0 left 0/0; "
                             "phase 4 breaker 0"});
}

// A stop far away makes prices around it loud; what is quiet for the stop may be beyond the band.
static void stops_and_bands_are_looked_at_both(void **state)
{
    struct venue *venue = *state;
    trade_at_100(venue);
    set_bands(venue, 0, 300, LASTS_MS);
    PLAY(venue, {"B buys 1 @ 112 stop=102", "#3 holds 112 waits for its trigger; terms stop 102"},
         {"A sells 1 @ 102", "#4 holds 1"}, {"A sells 1 @ 105", "#5 holds 1"},
         {"A sells 1 @ 106", "#6 holds 1"},
         {"C buys 1 @ 104", "#7 holds 104; C buys 1 @ 102 from A fee 1 saved 2 left 0/0; "
                            "#3 triggered at 102 by 102 now 1 @ 112 releases 0; "
                            "B buys 1 @ 105 from A fee 1 saved 7 left 0/0"},
         {"A sells 1 @ 109", "#8 holds 1"},
         {"C buys 2 @ 112", "#9 holds 224; C buys 1 @ 106 from A fee 1 saved 6 left 1/0; "
                            "#9 cancelled 1 releases 112 reason 17; "
                            "phase 4 breaker 0 limit state"});
}

// ---- who stops there

static void a_triggered_stop_stops_at_the_band_of_its_turn(void **state)
{
    struct venue *venue = *state;
    trade_at_100(venue);
    set_bands(venue, 0, 300, LASTS_MS);
    PLAY(venue, {"B buys 5 @ 110 stop=103", "#3 holds 550 waits for its trigger; terms stop 103"},
         {"B buys 1 @ 109 stop=103", "#4 holds 109 waits for its trigger; terms stop 103"},
         {"A sells 2 @ 103", "#5 holds 2"}, {"A sells 1 @ 106", "#6 holds 1"},
         {"A sells 1 @ 107", "#7 holds 1"},
         {"C buys 1 @ 103", "#8 holds 103; C buys 1 @ 103 from A fee 1 saved 0 left 0/1; "
                            "#3 triggered at 103 by 103 now 5 @ 110 releases 0; "
                            "B buys 1 @ 103 from A fee 1 saved 7 left 4/0; "
                            "B buys 1 @ 106 from A fee 1 saved 4 left 3/0; "
                            "#3 cancelled 3 releases 330 reason 17; "
                            "phase 4 breaker 0 limit state; "
                            "#4 triggered at 103 by 106 now 1 @ 109 releases 0; "
                            "B buys 1 @ 107 from A fee 1 saved 2 left 0/0; phase 4 breaker 0"});
}

// The second command begins at the last price that the first one left.
static void a_continuation_has_a_band_of_its_own(void **state)
{
    struct venue *venue = *state;
    trade_at_100(venue);
    set_bands(venue, 0, 150, LASTS_MS);
    for (int i = 0; i < 62; i++)
        say(venue, "A sells 1 @ 101");
    say(venue, "A sells 1 @ 102");
    say(venue, "A sells 1 @ 103");
    say(venue, "B buys 70 @ 110 stop=101");
    say(venue, "C buys 1 @ 101");
    const char *went_on = go_on(venue);
    assert_non_null(strstr(went_on, "B buys 1 @ 101 from A"));
    assert_non_null(strstr(went_on, "B buys 1 @ 102 from A fee 1 saved 8 left 8/0; "
                                    "#67 cancelled 8 releases 880 reason 17; "
                                    "phase 4 breaker 0 limit state; done"));
}

static void fill_or_kill_is_counted_up_to_the_band(void **state)
{
    struct venue *venue = *state;
    trade_at_100(venue);
    set_bands(venue, 0, 300, LASTS_MS);
    PLAY(venue, {"A sells 3 @ 103", "#3 holds 3"}, {"A sells 3 @ 104", "#4 holds 3"},
         {"C buys 4 @ 104 fok", "#5 holds 416; #5 cancelled 4 releases 416 reason 9"},
         {"C buys 4 @ 104 ioc min=4",
          "#6 holds 416; terms min 4; #6 cancelled 4 releases 416 reason 10"},
         {"C buys 3 @ 104 fok", "#7 holds 312; C buys 3 @ 103 from A fee 3 saved 3 left 0/0"});
}

static void an_amended_order_loses_its_rest_too(void **state)
{
    struct venue *venue = *state;
    trade_at_100(venue);
    set_bands(venue, 0, 300, LASTS_MS);
    PLAY(venue, {"A sells 1 @ 103", "#3 holds 1"}, {"A sells 1 @ 104", "#4 holds 1"},
         {"C buys 3 @ 100", "#5 holds 300"},
         {"C amends 5 to 4 @ 104", "#5 now 4 leaves 4 releases -116; "
                                   "C buys 1 @ 103 from A fee 1 saved 1 left 3/0; "
                                   "#5 cancelled 3 releases 312 reason 17; "
                                   "phase 4 breaker 0 limit state"},
         {"C cancels 5", "UNKNOWN_ORDER #5"});
}

static void without_limit_states_the_auction_begins_at_once(void **state)
{
    struct venue *venue = *state;
    trade_at_100(venue);
    set_bands(venue, 0, 300, 0);
    PLAY(venue, {"A sells 1 @ 104", "#3 holds 1"},
         {"C buys 2 @ 104", "#4 holds 208; phase 5 breaker 0; auction"});
    assert_string_equal(set_phase(venue, PHASE_CONTINUOUS), // bands do not hold in auctions
                        "auction; C buys 1 @ 104 from A fee 1 saved 0 left 1/0; phase 4 breaker 0");
}

// ---- how a limit state ends

// The last price is 100, the dynamic band 300, and the instrument in a limit state (orders 3, 4).
static void enter_limit_state(struct venue *venue)
{
    trade_at_100(venue);
    set_bands(venue, 0, 300, LASTS_MS);
    PLAY(venue, {"A sells 9 @ 104", "#3 holds 9"},
         {"C buys 1 @ 104", "#4 holds 104; #4 cancelled 1 releases 104 reason 17; "
                            "phase 4 breaker 0 limit state"});
    assert_true(venue->events[2].body.instrument_state.limit_state_end_ns ==
                venue->sequence + LASTS_MS * MS_NS);
}

static void a_trade_inside_the_band_ends_it_and_nothing_else(void **state)
{
    struct venue *venue = *state;
    enter_limit_state(venue);
    PLAY(venue, {"B buys 5 @ 103", "#5 holds 515"},
         {"B amends 5 to 4 @ 103", // it trades with none
          "#5 now 4 leaves 4 releases 103 kept"},
         {"C sells 9 @ 103 fok", "#6 holds 9; #6 cancelled 9 releases 9 reason 9"},
         {"C sells 1 @ 103 ioc", "#7 holds 1; C sells 1 @ 103 to B fee 1 saved 0 left 0/3; "
                                 "phase 4 breaker 0"},
         {"C sells 1 @ 103 ioc", "#8 holds 1; C sells 1 @ 103 to B fee 1 saved 0 left 0/2"});
    assert_true(engine_next_deadline_ns(venue->engine) == UINT64_MAX);
}

// It comes last, after what is left of the order.
static void it_ends_after_what_is_left_of_the_order(void **state)
{
    struct venue *venue = *state;
    enter_limit_state(venue);
    PLAY(venue, {"B buys 1 @ 103", "#5 holds 103"},
         {"C sells 3 @ 103 ioc", "#6 holds 3; C sells 1 @ 103 to B fee 1 saved 0 left 2/0; "
                                 "#6 cancelled 2 releases 2 reason 2; phase 4 breaker 0"});
}

static void a_trade_that_trips_the_breaker_does_not_end_it(void **state)
{
    struct venue *venue = *state;
    venue->terms.breaker_bps = 200;
    set_terms(venue);
    set_price(venue, CMD_reference_set, 100);
    enter_limit_state(venue);
    PLAY(venue, {"B buys 1 @ 103", "#5 holds 103"},
         {"C sells 3 @ 103", "#6 holds 3; C sells 1 @ 103 to B fee 1 saved 0 left 2/0; "
                             "phase 4 breaker 1 limit state; "
                             "#6 cancelled 2 releases 2 reason 8"});
}

static void in_time_it_becomes_a_volatility_auction(void **state)
{
    struct venue *venue = *state;
    enter_limit_state(venue);
    uint64_t end_ns = venue->sequence + LASTS_MS * MS_NS;
    assert_true(engine_next_deadline_ns(venue->engine) == end_ns);
    PLAY(venue, {"C buys 1 @ 104", "#5 holds 104; #5 cancelled 1 releases 104 reason 17"});
    assert_true(engine_next_deadline_ns(venue->engine) == end_ns); // it does not begin again
    venue->ahead_ns = LASTS_MS * MS_NS;
    assert_string_equal(tick(venue), "phase 5 breaker 0; auction; done 2");
    PLAY(venue, {"C buys 1 @ 104", "#6 holds 104"});
    venue->ahead_ns += 120000 * MS_NS;
    assert_string_equal(tick(venue), "auction; done 1"); // an indicative price was due before
    assert_string_equal(tick(venue),
                        "auction; C buys 1 @ 104 from A fee 1 saved 0 left 0/8; phase 4 breaker 0; "
                        "done 3");
    assert_true(engine_next_deadline_ns(venue->engine) == UINT64_MAX);
}

static void a_change_of_phase_ends_it(void **state)
{
    struct venue *venue = *state;
    enter_limit_state(venue);
    assert_string_equal(set_phase(venue, PHASE_CONTINUOUS), "phase 4 breaker 0 limit state");
    assert_string_equal(set_phase(venue, PHASE_HALTED), "phase 6 breaker 0");
    assert_true(engine_next_deadline_ns(venue->engine) == UINT64_MAX);
}

// Without limit states from now on, the band begins an auction out of the one that there is.
static void controls_may_change_under_it(void **state)
{
    struct venue *venue = *state;
    enter_limit_state(venue);
    set_bands(venue, 0, 300, 0);
    PLAY(venue, {"C buys 1 @ 104", "#5 holds 104; phase 5 breaker 0; auction"});
    assert_true(venue->events[1].body.instrument_state.limit_state_end_ns == 0);
}

// Due together: the end of the limit state first, then the schedule.
static void it_comes_before_the_schedule(void **state)
{
    struct venue *venue = *state;
    const struct schedule_entry_tail entry = {.time_of_day_ms = 2 * LASTS_MS,
                                              .phase = PHASE_CLOSED};
    struct command *command = start(venue, CMD_schedule_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_schedule_set, sizeof(entry));
    command->body.schedule_set =
        (struct schedule_set_cmd){.instrument = 1, .weekdays = 127, .entry_count = 1};
    memcpy(command_tail_writable(command), &entry, sizeof(entry));
    apply(venue);
    trade_at_100(venue);
    set_bands(venue, 0, 300, LASTS_MS);
    say(venue, "A sells 9 @ 104");
    venue->ahead_ns = LASTS_MS * MS_NS - venue->sequence - 1;
    say(venue, "C buys 1 @ 104");
    venue->ahead_ns += LASTS_MS * MS_NS;
    assert_string_equal(tick(venue), "phase 5 breaker 0; auction; done 2");
    assert_string_equal(tick(venue), "#3 cancelled 9 releases 9 reason 12; "
                                     "phase 1 breaker 0; done 2");
}

// ---- controls and status

static void controls_that_cannot_be_are_refused(void **state)
{
    struct venue *venue = *state;
    static const struct {
        struct instrument_controls_rec controls;
        const char *refused;
    } wrong[] = {
        {{.nav_stale_action = 3, .investor_types = 8}, "CONTROLS 0 3 5"},
        {{.investor_types = 8, .position_max = -1}, "CONTROLS 0 8 6"},
        {{.concentration_bps = 10001, .supply = 1, .position_max = -1}, "CONTROLS 0 10001 8"},
        {{.concentration_bps = 1}, "CONTROLS 0 1 8"},
        {{.position_max = -1, .supply = -1}, "CONTROLS 0 -1 9"},
        {{.supply = -2}, "CONTROLS 0 -2 10"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_string_equal(set_controls(venue, wrong[i].controls), wrong[i].refused);
    start(venue, CMD_instrument_controls_set, GATEWAY_ADMIN)
        ->body.instrument_controls_set.instrument = 2;
    assert_string_equal(apply(venue), "UNKNOWN_INSTRUMENT 0 2 0");
    const struct instrument_controls_rec all = {.dynamic_bps = 1,
                                                .limit_state_ms = 2,
                                                .nav_stale_ms = 3,
                                                .nav_stale_action = 2,
                                                .investor_types = 7,
                                                .concentration_bps = 10000,
                                                .position_max = 5,
                                                .supply = 6};
    assert_string_equal(set_controls(venue, all), "instrument_controls_changed");
}

static void an_instrument_with_orders_stays_tradable(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A sells 1 @ 104", "#1 holds 1"}, {"A sells 1 @ 105", "#2 holds 1"});
    static const uint8_t refused[] = {TOKEN_DRAFT, TOKEN_PRIMARY, TOKEN_MATURED, TOKEN_DELISTED};
    for (size_t i = 0; i < sizeof(refused); i++) {
        venue->terms.status = refused[i];
        assert_string_equal(set_terms(venue), "INSTRUMENT_BUSY 0 2 0");
    }
    venue->terms.status = TOKEN_PAUSED;
    assert_string_equal(set_terms(venue), "instrument_changed");
    venue->terms.trading_mode = MODE_FIXED_PRICE_OTC;
    assert_string_equal(set_terms(venue), "INSTRUMENT_BUSY 0 2 0");
    say(venue, "A cancels all");
    venue->terms.status = TOKEN_DELISTED;
    assert_string_equal(set_terms(venue), "instrument_changed");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)
    const struct CMUnitTest tests[] = {
        TEST(the_static_band_is_around_the_reference_price),
        TEST(without_a_reference_price_it_is_around_the_nav_or_nowhere),
        TEST(the_dynamic_band_is_around_the_last_price_an_order_finds),
        TEST(it_holds_below_too_and_not_before_the_first_trade),
        TEST(stops_and_bands_are_looked_at_both),
        TEST(a_triggered_stop_stops_at_the_band_of_its_turn),
        TEST(a_continuation_has_a_band_of_its_own),
        TEST(fill_or_kill_is_counted_up_to_the_band),
        TEST(an_amended_order_loses_its_rest_too),
        TEST(without_limit_states_the_auction_begins_at_once),
        TEST(a_trade_inside_the_band_ends_it_and_nothing_else),
        TEST(it_ends_after_what_is_left_of_the_order),
        TEST(a_trade_that_trips_the_breaker_does_not_end_it),
        TEST(in_time_it_becomes_a_volatility_auction),
        TEST(a_change_of_phase_ends_it),
        TEST(controls_may_change_under_it),
        TEST(it_comes_before_the_schedule),
        TEST(controls_that_cannot_be_are_refused),
        TEST(an_instrument_with_orders_stays_tradable),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
