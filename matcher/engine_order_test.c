// Orders of every type: times in force, stops, icebergs, self-trade prevention, amends, mass
// cancels and status, each with what the venue answers (docs/matching.md 1 to 6).
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <string.h>

// ---- fill or kill, minimum, post-only

static void a_fill_or_kill_is_filled_whole_or_not_at_all(void **state)
{
    PLAY(*state, {"C sells 5 @ 100", "#1 holds 5"}, {"C sells 5 @ 101", "#2 holds 5"},
         {"A buys 11 @ 101 fok", "#3 holds 1111; #3 cancelled 11 releases 1111 reason 9"},
         {"A buys 6 @ 100 fok", "#4 holds 600; #4 cancelled 6 releases 600 reason 9"},
         {"A buys 6 @ 101 fok", "#5 holds 606; A buys 5 @ 100 from C fee 5 saved 5 left 1/0; "
                                "A buys 1 @ 101 from C fee 1 saved 0 left 0/4"});
}

static void a_minimum_is_had_at_once_or_nothing_is(void **state)
{
    PLAY(*state, {"C sells 5 @ 100", "#1 holds 5"},
         {"A buys 10 @ 100 ioc min=6",
          "#2 holds 1000; terms min 6; #2 cancelled 10 releases 1000 reason 10"},
         {"A buys 10 @ 100 ioc min=5",
          "#3 holds 1000; terms min 5; A buys 5 @ 100 from C fee 5 saved 0 left 5/0; "
          "#3 cancelled 5 releases 500 reason 2"});
}

// The slices of an iceberg come behind their level, and each takes an event of its own.
static void the_count_goes_the_way_of_the_steps(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"C sells 60 @ 100 show=2", "#1 holds 60; terms show 2"},
         {"D sells 5 @ 100", "#2 holds 5"});
    // 64 events: 1 accepted, then 2 for each slice but 1 for D's order, and 5 are to be free
    assert_string_equal(say(venue, "A buys 65 @ 100 fok"),
                        "#3 holds 6500; #3 cancelled 65 releases 6500 reason 9");
    const char *answer = say(venue, "A buys 59 @ 100 fok");
    assert_non_null(strstr(answer, "#4 holds 5900; A buys 2 @ 100 from C fee 2 saved 0 left 57/58; "
                                   "#1 shows 2; A buys 5 @ 100 from D fee 5 saved 0 left 52/0; "
                                   "A buys 2 @ 100 from C fee 2 saved 0 left 50/56; #1 shows 2"));
    assert_non_null(strstr(answer, "left 0/6"));
}

static void a_post_only_order_never_takes(void **state)
{
    PLAY(*state, {"C sells 5 @ 100", "#1 holds 5"},
         {"A buys 5 @ 100 post", "POST_ONLY_CROSSES 100 100 0"},
         {"A buys 5 @ 103 post", "POST_ONLY_CROSSES 100 103 0"},
         {"A buys 5 @ 99 post", "#2 holds 495"},
         {"D sells 5 @ 99 post", "POST_ONLY_CROSSES 99 99 0"},
         {"A amends 2 to 5 @ 100", "POST_ONLY_CROSSES 100 100 0"},
         {"A amends 2 to 6 @ 98", "#2 now 6 leaves 6 releases -93"});
}

// ---- icebergs

static void an_iceberg_shows_a_slice_and_queues_again_behind(void **state)
{
    PLAY(*state, {"C sells 10 @ 100 show=4", "#1 holds 10; terms show 4"},
         {"D sells 3 @ 100", "#2 holds 3"},
         {"A buys 6 @ 100",
          "#3 holds 600; A buys 4 @ 100 from C fee 4 saved 0 left 2/6; #1 shows 4; "
          "A buys 2 @ 100 from D fee 2 saved 0 left 0/1"},
         {"A buys 6 @ 100", "#4 holds 600; A buys 1 @ 100 from D fee 1 saved 0 left 5/0; "
                            "A buys 4 @ 100 from C fee 4 saved 0 left 1/2; #1 shows 2; "
                            "A buys 1 @ 100 from C fee 1 saved 0 left 0/1"},
         {"C asks 1", "#1 is 1 of 10 @ 100"},
         {"C cancels 1", "#1 cancelled 1 releases 1 reason 1"});
}

static void an_iceberg_takes_whole_and_rests_in_slices(void **state)
{
    PLAY(*state, {"C sells 7 @ 100", "#1 holds 7"},
         {"A buys 20 @ 100 gtc show=5", "#2 holds 2000; terms show 5; "
                                        "A buys 7 @ 100 from C fee 7 saved 0 left 13/0"},
         {"D sells 6 @ 100", "#3 holds 6; D sells 5 @ 100 to A fee 5 saved 0 left 1/8; #2 shows 5; "
                             "D sells 1 @ 100 to A fee 1 saved 0 left 0/7"});
}

static void an_iceberg_is_amended_slice_and_all(void **state)
{
    PLAY(*state, {"A buys 20 @ 100 gtc show=5", "#1 holds 2000; terms show 5"},
         {"B buys 5 @ 100", "#2 holds 500"},
         {"A amends 1 to 0 @ 0 show=20", "DISPLAY_QUANTITY 20 20 0"},
         {"A amends 1 to 0 @ 0 show=-1", "DISPLAY_QUANTITY 20 -1 0"},
         {"B amends 2 to 0 @ 0 show=1", "AMEND_FIELD 0 1 4"},
         {"A amends 1 to 12 @ 0 show=3", "#1 now 12 leaves 12 releases 800 kept; terms show 3"},
         {"C sells 4 @ 100", "#3 holds 4; C sells 3 @ 100 to A fee 3 saved 0 left 1/9; #1 shows 3; "
                             "C sells 1 @ 100 to B fee 1 saved 0 left 0/4"},
         {"A amends 1 to 0 @ 0 show=6", "#1 now 12 leaves 9 releases 0; terms show 6"},
         {"C sells 5 @ 100", "#4 holds 5; C sells 4 @ 100 to B fee 4 saved 0 left 1/0; "
                             "C sells 1 @ 100 to A fee 1 saved 0 left 0/8"},
         {"A amends 1 to 0 @ 0 show=2", "#1 now 12 leaves 8 releases 0 kept; terms show 2"},
         {"C sells 3 @ 100", "#5 holds 3; C sells 2 @ 100 to A fee 2 saved 0 left 1/6; #1 shows 2; "
                             "C sells 1 @ 100 to A fee 1 saved 0 left 0/5"});
}

// ---- self-trade prevention

static void the_order_that_enters_decides_over_self_trades(void **state)
{
    PLAY(*state, {"C sells 5 @ 100", "#1 holds 5"}, {"C sells 5 @ 100 self=7", "#2 holds 5"},
         {"A buys 3 @ 100 stp=1", "#3 holds 300; #3 cancelled 3 releases 300 reason 11"},
         {"A buys 8 @ 100 stp=2 self=7 ioc",
          "#4 holds 800; A buys 5 @ 100 from C fee 5 saved 0 left 3/0; "
          "#2 cancelled 5 releases 5 reason 11; #4 cancelled 3 releases 300 reason 2"},
         {"C sells 5 @ 100", "#5 holds 5"}, {"C sells 5 @ 101", "#6 holds 5"},
         {"A buys 8 @ 101 stp=3", "#7 holds 808; #5 cancelled 5 releases 5 reason 11; "
                                  "#7 cancelled 8 releases 808 reason 11"},
         {"A buys 3 @ 101 stp=2", "#8 holds 303; #6 cancelled 5 releases 5 reason 11"});
}

static void decrement_takes_the_smaller_from_both(void **state)
{
    PLAY(*state, {"C sells 10 @ 100 show=4", "#1 holds 10; terms show 4"},
         {"A buys 3 @ 100 stp=4", "#2 holds 300; #1 reduced to 7 leaves 7 releases 3; "
                                  "#2 cancelled 3 releases 300 reason 11"},
         {"B buys 1 @ 100", "#3 holds 100; B buys 1 @ 100 from C fee 1 saved 0 left 0/6"},
         {"A buys 5 @ 100 stp=4", "#4 holds 500; #1 reduced to 2 leaves 1 releases 5; "
                                  "#4 cancelled 5 releases 500 reason 11"},
         {"A buys 5 @ 100 stp=4", "#5 holds 500; #1 cancelled 1 releases 1 reason 11; "
                                  "#5 reduced to 4 leaves 4 releases 100"},
         {"C sells 4 @ 100 stp=4", "#6 holds 4; #5 cancelled 4 releases 400 reason 11; "
                                   "#6 cancelled 4 releases 4 reason 11"});
}

static void a_fill_or_kill_does_not_count_on_itself(void **state)
{
    PLAY(*state, {"C sells 5 @ 100 self=1", "#1 holds 5"}, {"C sells 5 @ 100", "#2 holds 5"},
         {"A buys 5 @ 100 fok stp=1 self=1", "#3 holds 500; #3 cancelled 5 releases 500 reason 9"},
         {"A buys 6 @ 100 fok stp=2 self=1", "#4 holds 600; #4 cancelled 6 releases 600 reason 9"},
         {"A buys 5 @ 100 fok stp=2 self=1", "#5 holds 500; #1 cancelled 5 releases 5 reason 11; "
                                             "A buys 5 @ 100 from C fee 5 saved 0 left 0/0"});
}

// ---- stops

static void stops_wait_for_a_trade_and_cascade_in_order(void **state)
{
    PLAY(
        *state, {"C sells 1 @ 100", "#1 holds 1"}, {"C sells 5 @ 101", "#2 holds 5"},
        {"C sells 5 @ 103", "#3 holds 5"}, {"C sells 5 @ 104", "#4 holds 5"},
        {"B buys 2 at market stop=101", "#5 holds 212 waits for its trigger; terms stop 101"},
        {"A buys 3 @ 104 stop=101", "#6 holds 312 waits for its trigger; terms stop 101"},
        {"B buys 1 @ 110 stop=100", "#7 holds 110 waits for its trigger; terms stop 100"},
        {"A buys 1 @ 120 stop=103 confirmed", "#8 holds 120 waits for its trigger; terms stop 103"},
        {"B asks 5", "#5 is 2 of 2 @ 106 waits for its trigger"},
        {"D buys 1 @ 100", // 7 is met; its trade at 101 meets 5 and 6; 6 reaches 103, meets 8
         "#9 holds 100; D buys 1 @ 100 from C fee 1 saved 0 left 0/0; "
         "#7 triggered at 100 by 100 now 1 @ 110 releases 0; "
         "B buys 1 @ 101 from C fee 1 saved 9 left 0/4; "
         "#5 triggered at 101 by 101 now 2 @ 106 releases 0; "
         "B buys 2 @ 101 from C fee 2 saved 10 left 0/2; "
         "#6 triggered at 101 by 101 now 3 @ 104 releases 0; "
         "A buys 2 @ 101 from C fee 2 saved 6 left 1/0; "
         "A buys 1 @ 103 from C fee 1 saved 1 left 0/4; "
         "#8 triggered at 103 by 103 now 1 @ 120 releases 0; "
         "A buys 1 @ 103 from C fee 1 saved 17 left 0/3"});
}

static void a_stop_that_is_met_when_it_comes_is_triggered_at_once(void **state)
{
    PLAY(*state, {"C sells 1 @ 100", "#1 holds 1"},
         {"D buys 1 @ 100", "#2 holds 100; D buys 1 @ 100 "
                            "from C fee 1 saved 0 left 0/0"},
         {"A sells 2 at market stop=100",
          "#3 holds 2 waits for its trigger; terms stop 100; "
          "#3 triggered at 100 by 100 now 2 @ 95 releases 0; #3 cancelled 2 releases 2 reason 2"},
         {"A sells 2 @ 98 stop=100", "#4 holds 2 waits for its trigger; terms stop 100; "
                                     "#4 triggered at 100 by 100 now 2 @ 98 releases 0"},
         {"A sells 2 @ 98 stop=99", "#5 holds 2 waits for its trigger; terms stop 99"},
         {"A asks all", "#4 is 2 of 2 @ 98; #5 is 2 of 2 @ 98 waits for its trigger; done 2"},
         {"A amends 5 to 0 @ 97 stop=101", "#5 now 2 leaves 2 releases 0; terms stop 101; "
                                           "#5 triggered at 101 by 100 now 2 @ 97 releases 0"},
         {"A amends 4 to 0 @ 0 stop=99", "AMEND_FIELD 0 99 3"},
         {"D buys 3 @ 98", "#6 holds 294; D buys 2 @ 97 from A fee 1 saved 2 left 1/0; "
                           "D buys 1 @ 98 from A fee 0 saved 0 left 0/1"});
}

static void a_trailing_stop_follows_the_market_one_way(void **state)
{
    PLAY(*state, {"B buys 1 @ 100", "#1 holds 100"},
         {"A sells 2 at market trail=5", "NO_REFERENCE 0 0 0"},
         {"C sells 1 @ 100", "#2 holds 1; C sells 1 @ 100 to B fee 1 saved 0 left 0/0"},
         {"A sells 2 at market trail=100", "TRAIL_OFFSET 100 100 5"},
         {"A sells 2 at market trail=5", "#3 holds 2 waits for its trigger; terms stop 95 trail 5"},
         {"A buys 2 at market trail=5",
          "#4 holds 220 waits for its trigger; terms stop 105 trail 5"},
         {"C sells 1 @ 103", "#5 holds 1"},
         {"D buys 1 @ 103", "#6 holds 103; D buys 1 @ 103 from C "
                            "fee 1 saved 0 left 0/0"},
         {"A amends 3 to 1 @ 0", "#3 now 1 leaves 1 releases 1 kept; terms stop 98 trail 5"},
         {"D buys 1 @ 99", "#7 holds 99"},
         {"C sells 1 @ 99", "#8 holds 1; C sells 1 @ 99 to D fee 0 saved 0 left 0/0"},
         {"A amends 4 to 1 @ 0", "#4 now 1 leaves 1 releases 110 kept; terms stop 104 trail 5"},
         {"D buys 2 @ 98", "#9 holds 196"},
         {"C sells 1 @ 98", "#10 holds 1; C sells 1 @ 98 to D fee 0 saved 0 left 0/1; "
                            "#3 triggered at 98 by 98 now 1 @ 94 releases 0; "
                            "A sells 1 @ 98 to D fee 0 saved 0 left 0/0"},
         {"C sells 1 @ 103", "#11 holds 1"}, {"C sells 1 @ 104", "#12 holds 1"},
         {"D buys 1 @ 103", // the buy's stop came down to 103, its collar to 108
          "#13 holds 103; D buys 1 @ 103 from C fee 1 saved 0 left 0/0; "
          "#4 triggered at 103 by 103 now 1 @ 108 releases 2; "
          "A buys 1 @ 104 from C fee 1 saved 4 left 0/0"});
}

static void an_iceberg_has_at_most_a_thousand_slices(void **state)
{
    struct venue *venue = *state;
    post(venue, 'A', TOKEN, POSTING_DEPOSIT, 2000);
    PLAY(
        venue, {"A sells 1001 @ 100 show=1", "DISPLAY_QUANTITY 1001 1 0"},
        {"A sells 1000 @ 100 show=1", "#1 holds 1000; terms show 1"},
        {"A amends 1 to 1001 @ 0", "DISPLAY_QUANTITY 1001 1 0"},
        {"A amends 1 to 1001 @ 0 show=2", "#1 now 1001 leaves 1001 releases -1; terms show 2"},
        {"A amends 1 to 0 @ 0 show=1", "DISPLAY_QUANTITY 1001 1 0"},
        {"A amends 1 to 1000 @ 0 show=1", "#1 now 1000 leaves 1000 releases 1 kept; terms show 1"});
}

// An iceberg of small slices would keep a triggered order, and so the venue, busy for as long as
// both last.
static void a_triggered_order_goes_on_once(void **state)
{
    struct venue *venue = *state;
    struct command next;
    PLAY(venue, {"C sells 1 @ 100", "#1 holds 1"},
         {"C sells 900 @ 101 show=1", "#2 holds 900; terms show 1"},
         {"A buys 900 @ 101 stop=100", "#3 holds 90900 waits for its trigger; terms stop 100"});
    say(venue, "B buys 1 @ 100");
    assert_non_null(strstr(venue->answer, "#3 triggered at 100"));
    assert_non_null(strstr(go_on(venue), "#3 cancelled 841 releases 84941 reason 7; done"));
    assert_false(engine_continuation(venue->engine, &next));
}

// A sell's value was checked at a price from which the market has run away.
static void a_trailing_stop_whose_value_would_overflow_keeps_its_collar(void **state)
{
    struct venue *venue = *state;
    char words[64];
    const int64_t quantity = (int64_t)1 << 54; // fits at 91, not at 186
    venue->terms.fat_finger_block_bps = venue->terms.fat_finger_confirm_bps = 0;
    set_terms(venue);
    post(venue, 'A', TOKEN, POSTING_DEPOSIT, quantity);
    PLAY(venue, {"B buys 1 @ 100", "#1 holds 100"},
         {"C sells 1 @ 100", "#2 holds 1; C sells 1 @ 100 to B fee 1 saved 0 left 0/0"});
    (void)snprintf(words, sizeof words, "A sells %ld at market trail=5", quantity);
    assert_non_null(strstr(say(venue, words), "waits for its trigger; terms stop 95 trail 5"));
    PLAY(venue, {"B buys 1 @ 200", "#4 holds 200"},
         {"C sells 1 @ 200", "#5 holds 1; C sells 1 @ 200 to B fee 2 saved 0 left 0/0"},
         {"B buys 1 @ 195", "#6 holds 195"});
    const char *answer = say(venue, "C sells 1 @ 195");
    assert_non_null(strstr(answer, "#3 triggered at 195 by 195 now 18014398509481984 @ 91"));
    assert_non_null(strstr(answer, "#3 cancelled 18014398509481984"));
}

static void a_cascade_goes_on_in_the_next_command(void **state)
{
    struct venue *venue = *state;
    struct command next;
    char words[64];
    for (int i = 0; i < 60; i++)
        say(venue, "C sells 1 @ 100");
    say(venue, "C sells 9 @ 101");
    for (int i = 0; i < 3; i++) {
        (void)snprintf(words, sizeof words, "A buys %d @ 101 stop=100", 25 - i);
        say(venue, words);
    }
    say(venue, "B buys 1 @ 100 gtc");
    assert_int_equal(venue->sink.count, 2 + 1 + 25 + 1 + 24 + 1 + 6); // fewer than 5 are free
    assert_non_null(strstr(venue->answer, "#64 triggered at 100 by 100 now 23 @ 101 releases 0"));
    assert_string_equal(go_on(venue), "A buys 1 @ 100 from C fee 1 saved 1 left 16/0; "
                                      "A buys 1 @ 100 from C fee 1 saved 1 left 15/0; "
                                      "A buys 1 @ 100 from C fee 1 saved 1 left 14/0; "
                                      "A buys 1 @ 100 from C fee 1 saved 1 left 13/0; "
                                      "A buys 9 @ 101 from C fee 9 saved 0 left 4/0; done 5");
    assert_string_equal(say(venue, "A asks 64"), "#64 is 4 of 23 @ 101");
    assert_false(engine_continuation(venue->engine, &next));
}

static void the_next_of_the_queue_begins_with_eight_events_free(void **state)
{
    struct venue *venue = *state;
    for (int i = 0; i < 60; i++)
        say(venue, "C sells 1 @ 100");
    say(venue, "A buys 55 @ 101 stop=100");
    say(venue, "A buys 2 @ 101 stop=100");
    say(venue, "B buys 1 @ 100 gtc");
    assert_int_equal(venue->sink.count, 2 + 1 + 55); // 6 are free
    assert_string_equal(go_on(venue), "#62 triggered at 100 by 100 now 2 @ 101 releases 0; "
                                      "A buys 1 @ 100 from C fee 1 saved 1 left 1/0; "
                                      "A buys 1 @ 100 from C fee 1 saved 1 left 0/0; done 3");
}

// What is triggered waits while the breaker is tripped.
static void the_breaker_stops_a_cascade(void **state)
{
    struct venue *venue = *state;
    venue->terms.breaker_bps = 300;
    set_terms(venue);
    set_price(venue, CMD_reference_set, 100);
    PLAY(venue, {"C sells 1 @ 104", "#1 holds 1"}, {"C sells 9 @ 106", "#2 holds 9"},
         {"A buys 3 @ 106 stop=104", "#3 holds 318 waits for its trigger; terms stop 104"},
         {"A buys 3 at market stop=104", "#4 holds 327 waits for its trigger; terms stop 104"},
         {"B buys 1 @ 104", "#5 holds 104; B buys 1 @ 104 from C fee 1 saved 0 left 0/0; "
                            "phase 4 breaker 1"},
         {"A asks 3", "#3 is 3 of 3 @ 106 triggered"},
         {"A cancels 4", "#4 cancelled 3 releases 327 reason 1"});
    assert_string_equal(set_price(venue, CMD_reference_set, 106), "phase 4 breaker 1");
    assert_string_equal(set_breaker(venue, 0),
                        "phase 4 breaker 0; #3 triggered at 104 by 104 now 3 @ 106 releases 0; "
                        "A buys 3 @ 106 from C fee 3 saved 0 left 0/6");
}

static const char *set_rules(struct venue *venue, struct instrument_rules_rec rules)
{
    rules.instrument = 1;
    memcpy(&start(venue, CMD_instrument_rules_set, GATEWAY_ADMIN)->body, &rules, sizeof rules);
    return apply(venue);
}

static void a_price_too_far_starts_a_volatility_auction_instead(void **state)
{
    struct venue *venue = *state;
    set_price(venue, CMD_reference_set, 100);
    assert_string_equal(set_rules(venue, (struct instrument_rules_rec){.volatility_bps = 300}),
                        "instrument_rules_changed");
    PLAY(venue, {"C sells 2 @ 103", "#1 holds 2"}, {"C sells 2 @ 104", "#2 holds 2"},
         {"A buys 3 @ 104 fok", "#3 holds 312; #3 cancelled 3 releases 312 reason 9"},
         {"A buys 3 @ 104 gtc", "#4 holds 312; A buys 2 @ 103 from C fee 2 saved 2 left 1/0; "
                                "phase 5 breaker 0; auction"},
         {"A asks 4", "#4 is 1 of 3 @ 104"}, {"A buys 1 @ 104 ioc", "PHASE 4 5 3"},
         {"B buys 1 at market", "#5 holds 108"},
         {"B amends 5 to 2 @ 0", "#5 now 2 leaves 2 releases -108"},
         {"B amends 5 to 2 @ 104", "AMEND_FIELD 0 104 2"},
         {"B cancels 5", "#5 cancelled 2 releases 216 reason 1"},
         {"A buys 1 at market open", "PHASE 4 5 2"},
         {"B buys 1 at market close", "#6 holds 108 waits for the close"});
    set_phase(venue, PHASE_CONTINUOUS);
    assert_string_equal(venue->answer, "auction; A buys 1 @ 104 from C fee 1 saved 0 left 0/1; "
                                       "phase 4 breaker 0");
    assert_string_equal(say(venue, "B amends 6 to 3 @ 0"), "#6 now 3 leaves 3 releases -216");
    assert_string_equal(say(venue, "B asks 6"), "#6 is 3 of 3 @ 108 waits for the close");
}

// ---- amends

static void an_amend_up_goes_to_the_back_and_may_trade(void **state)
{
    PLAY(*state, {"A buys 10 @ 100", "#1 holds 1000"}, {"B buys 10 @ 100", "#2 holds 1000"},
         {"A amends 1 to 11 @ 0", "#1 now 11 leaves 11 releases -100"},
         {"C sells 12 @ 100", "#3 holds 12; C sells 10 @ 100 to B fee 10 saved 0 left 2/0; "
                              "C sells 2 @ 100 to A fee 2 saved 0 left 0/9"},
         {"D sells 5 @ 102", "#4 holds 5"},
         {"A amends 1 to 11 @ 103", "#1 now 11 leaves 9 releases -27; "
                                    "A buys 5 @ 102 from D fee 5 saved 5 left 4/0"},
         {"A asks 1", "#1 is 4 of 11 @ 103"},
         {"A amends 1 to 0 @ 101", "#1 now 11 leaves 4 releases 8"},
         {"A amends 1 to 2000 @ 101", "INSUFFICIENT_BALANCE 200889 98886 0"},
         {"A amends 1 to 7 @ 0", "#1 cancelled 4 releases 404 reason 14"});
}

static void what_an_amend_may_not_do_is_refused_in_order(void **state)
{
    struct venue *venue = *state;
    venue->terms.lot = 2;
    venue->terms.tick = 5;
    venue->terms.order_quantity_max = 500;
    venue->terms.order_notional_max = 40000;
    set_terms(venue);
    set_price(venue, CMD_reference_set, 100);
    PLAY(venue, {"A buys 10 @ 100 gtc", "#1 holds 1000"},
         {"A buys 10 @ 110 stop=105", "#2 holds 1100 waits for its trigger; terms stop 105"},
         {"A amends 1 to -2 @ -5 stop=-1 show=-1", "QUANTITY_NOT_POSITIVE 1 -2 0"},
         {"A amends 1 to 0 @ -5 stop=-1 show=-1", "PRICE_NOT_POSITIVE 1 -5 0"},
         {"A amends 1 to 0 @ 0 stop=-1 show=-1", "STOP_PRICE 0 -1 2"},
         {"A amends 2 to 0 @ 0 stop=2305843009213693953", "STOP_PRICE 0 2305843009213693953 4"},
         {"A amends 1 to 8 @ 0 show=-1", "DISPLAY_QUANTITY 8 -1 0"},
         {"A amends 1 to 0 @ 0 stop=100", "AMEND_FIELD 0 100 3"},
         {"A amends 1 to 9 @ 0", "OFF_LOT 2 9 0"}, {"A amends 1 to 10 @ 101", "OFF_TICK 5 101 0"},
         {"A amends 2 to 10 @ 110 stop=104", "OFF_TICK 5 104 0"},
         {"A amends 1 to 502 @ 0", "QUANTITY_MAX 500 502 0"},
         {"A amends 1 to 0 @ 155", "FAT_FINGER_BLOCK 5000 5500 100"},
         {"A amends 1 to 0 @ 115", "FAT_FINGER_CONFIRM 1000 1500 100"},
         {"A amends 2 to 0 @ 0 stop=95", "FAT_FINGER_CONFIRM 1000 1579 95"},
         {"A amends 2 to 0 @ 0 stop=95 confirmed", "#2 now 10 leaves 10 releases 0; terms stop 95"},
         {"A amends 1 to 450 @ 0", "NOTIONAL_MAX 40000 45000 0"},
         {"A amends 1 to 12 @ 115 confirmed", "#1 now 12 leaves 12 releases -380"});
    set_breaker(venue, 1);
    PLAY(venue, {"A amends 1 to 14 @ 0", "BREAKER_TRIPPED 0 1 0"},
         {"A amends 1 to 10 @ 0", "#1 now 10 leaves 10 releases 230 kept"});
    set_phase(venue, PHASE_HALTED);
    assert_string_equal(say(venue, "A amends 1 to 8 @ 0"), "PHASE 4 6 0");
    start_session(venue, CMD_order_amend, 'A', &venue->command.body.order_amend.client_id_bytes);
    venue->command.body.order_amend.order = venue->orders[1];
    venue->command.body.order_amend.account = FIRST;
    venue->command.body.order_amend.flags = ORDER_POST_ONLY;
    assert_string_equal(apply(venue), "ORDER_FLAGS 3 4 0");
}

// ---- form and capacity of the new types

static void combinations_are_refused_with_their_numbers(void **state)
{
    struct venue *venue = *state;
    venue->terms.lot = 2;
    set_terms(venue);
    PLAY(venue, {"A buys 10 @ 100 ioc stop=100", "TIF_COMBINATION 0 4 3"},
         {"A buys 10 at market stop=100 close", "TIF_COMBINATION 0 3 7"},
         {"A buys 10 at market trail=1 open", "TIF_COMBINATION 0 5 2"},
         {"A buys 10 @ 100 ioc post", "POST_ONLY_COMBINATION 0 2 3"},
         {"A buys 10 @ 100 stop=99 post", "POST_ONLY_COMBINATION 0 4 0"},
         {"A buys 10 @ 100 stop=2305843009213693953", "STOP_PRICE 0 2305843009213693953 4"},
         {"A buys 10 at market stop=-1", "STOP_PRICE 0 -1 3"},
         {"A buys 10 at market trail=-1", "TRAIL_OFFSET 1 -1 5"},
         {"A buys 10 @ 100 show=10", "DISPLAY_QUANTITY 10 10 0"},
         {"A buys 10 @ 100 show=3", "DISPLAY_QUANTITY 10 3 0"},
         {"A buys 10 @ 100 show=-2", "DISPLAY_QUANTITY 10 -2 0"},
         {"A buys 10 @ 100 ioc show=2", "DISPLAY_QUANTITY 10 2 0"},
         {"A buys 10 at market show=2", "DISPLAY_QUANTITY 10 2 0"},
         {"A buys 10 @ 100 min=2", "MINIMUM_QUANTITY 10 2 0"},
         {"A buys 10 @ 100 ioc min=12", "MINIMUM_QUANTITY 10 12 3"},
         {"A buys 10 @ 100 ioc min=3", "MINIMUM_QUANTITY 10 3 3"},
         {"A buys 10 @ 100 gtd", "EXPIRE_TIME 43 0 6"},
         {"A buys 10 @ 100 until=44", "EXPIRE_TIME 44 44 6"},
         {"A buys 10 @ 100 until=46", "#1 holds 1000; terms until 46"},
         {"A buys 10 @ 100 stp=5", "STP_MODE 4 5 0"});
    struct order_new_cmd *order = start_order(venue, 'A', SIDE_BUY, 10, 100);
    order->flags = 8;
    assert_string_equal(apply(venue), "ORDER_FLAGS 7 8 0");
    order = start_order(venue, 'A', SIDE_BUY, 10, 100);
    order->type = ORDER_STOP_LIMIT;
    assert_string_equal(apply(venue), "STOP_PRICE 0 0 4");
    order = start_order(venue, 'A', SIDE_BUY, 10, 100);
    order->type = ORDER_STOP;
    assert_string_equal(apply(venue), "STOP_PRICE 0 0 3");
    order = start_order(venue, 'A', SIDE_BUY, 10, 0);
    order->type = ORDER_TRAILING_STOP;
    assert_string_equal(apply(venue), "TRAIL_OFFSET 1 0 5");
    set_rules(venue,
              (struct instrument_rules_rec){.order_quantity_min = 4, .order_notional_min = 450});
    PLAY(
        venue, {"A buys 2 @ 100", "QUANTITY_MIN 4 2 0"},
        {"A buys 4 @ 100", "NOTIONAL_MIN 450 400 0"},
        {"A buys 10 @ 110 stop=-5", "STOP_PRICE 0 -5 4"},
        {"A buys 10 @ 0 stop=105 confirmed", "#2 holds 1100 waits for its trigger; terms stop 105"},
        {"A buys 10 at market stop=2305843009213693952", "OVERFLOW 2305843009213693952 500 0"});
    venue->terms.collar_bps = 0;
    set_terms(venue);
    PLAY(venue, {"A buys 10 at market stop=105", "ORDER_TYPE 0 3 0"},
         {"A buys 10 at market trail=5", "ORDER_TYPE 0 5 0"});
}

static void stops_and_levels_are_limited(void **state)
{
    struct venue *venue = *state;
    char words[64];
    for (int i = 0; i < 4; i++)
        say(venue, "A sells 1 at market stop=90 trail=5");
    assert_string_equal(say(venue, "A sells 1 at market stop=90 trail=5"), "TRAILING_MAX 4 4 0");
    for (int i = 0; i < 8; i++) {
        (void)snprintf(words, sizeof words, "A sells 1 at market stop=%d", 80 + i);
        say(venue, words);
    }
    assert_string_equal(say(venue, "A buys 1 @ 100 stop=100"), "STOPS_MAX 12 12 0");
    say(venue, "A cancels 5");
    for (int i = 0; i < 8; i++) {
        (void)snprintf(words, sizeof words, "A buys 1 @ %d", 79 - i);
        say(venue, words);
    }
    PLAY(venue, {"A buys 1 @ 60", "LEVELS_MAX 16 16 0"},
         {"A buys 1 @ 60 stop=100 confirmed", "LEVELS_MAX 16 16 0"},
         {"A buys 1 @ 60 stop=79 confirmed", "LEVELS_MAX 16 16 0"},
         {"A amends 13 to 2 @ 60", "LEVELS_MAX 16 16 0"},
         {"A amends 12 to 0 @ 0 stop=70", "LEVELS_MAX 16 16 0"},
         {"A amends 12 to 0 @ 0 stop=86", "#12 now 1 leaves 1 releases 0; terms stop 86"},
         {"A sells 1 @ 85 stop=85", "#21 holds 1 waits for its trigger; terms stop 85"});
}

// The levels are all in use: a trailing stop whose level others share stays where it was.
static void a_trailing_stop_never_lacks_a_level(void **state)
{
    struct venue *venue = *state;
    char words[64];
    PLAY(venue,
         {"A sells 1 at market stop=85 trail=5",
          "#1 holds 1 waits for its trigger; terms stop 85 trail 5"},
         {"A sells 1 at market stop=85 trail=6",
          "#2 holds 1 waits for its trigger; terms stop 85 trail 6"},
         {"B buys 3 @ 100", "#3 holds 300"});
    for (int i = 0; i < 14; i++) {
        (void)snprintf(words, sizeof words, "A buys 1 @ %d", 79 - i);
        say(venue, words);
    }
    say(venue, "C sells 1 @ 100 ioc"); // both move, #1 to 95, #2 to 94: 17 levels of 16
    PLAY(venue, {"C sells 1 @ 101", "LEVELS_MAX 16 17 0"},
         {"A amends 1 to 0 @ 0 stop=86", "LEVELS_MAX 16 17 0"},
         {"A amends 1 to 0 @ 0 stop=94", "#1 now 1 leaves 1 releases 0; terms stop 94 trail 5"});
}

// ---- mass cancel and status

static const char *mass_cancel(struct venue *venue, char who, struct order_mass_cancel_cmd body)
{
    struct command *command = who != 0 ? start_session(venue, CMD_order_mass_cancel, who, NULL)
                                       : start(venue, CMD_order_mass_cancel, GATEWAY_ADMIN);
    command->body.order_mass_cancel = body;
    return apply(venue);
}

static void a_mass_cancel_takes_what_is_in_its_scope(void **state)
{
    struct venue *venue = *state;
    set_session(venue, 2, GATEWAY_WEB, SESSION_CANCEL_ON_DISCONNECT | SESSION_MEMBER_SCOPE);
    PLAY(venue, {"C buys 1 @ 90", "#1 holds 90"}, {"A buys 1 @ 91", "#2 holds 91"},
         {"B sells 1 @ 99", "#3 holds 1"},
         {"B buys 1 @ 99 stop=98", "#4 holds 99 waits for its trigger; terms stop 98"},
         {"D sells 1 @ 99", "#5 holds 1"}, {"A buys 1 @ 89", "#6 holds 89"});
    assert_string_equal(mass_cancel(venue, 'A', (struct order_mass_cancel_cmd){.scope = 1}),
                        "MASS_SCOPE 0 1 0");
    assert_string_equal(mass_cancel(venue, 'C', (struct order_mass_cancel_cmd){.scope = 2}),
                        "MASS_SCOPE 0 2 0");
    assert_string_equal(mass_cancel(venue, 'C', (struct order_mass_cancel_cmd){.scope = 3}),
                        "MASS_SCOPE 0 3 0");
    assert_string_equal(mass_cancel(venue, 'C', (struct order_mass_cancel_cmd){.member = 1}),
                        "MASS_SCOPE 0 0 0");
    assert_string_equal(mass_cancel(venue, 0, (struct order_mass_cancel_cmd){.scope = 1}),
                        "MASS_SCOPE 0 1 0");
    assert_string_equal(mass_cancel(venue, 'C', (struct order_mass_cancel_cmd){.side = 3}),
                        "SIDE 0 3 0");
    assert_string_equal(mass_cancel(venue, 'C', (struct order_mass_cancel_cmd){.account = FIRST}),
                        "ACCOUNT_NOT_OF_SESSION 0 16 0");
    assert_string_equal(
        mass_cancel(venue, 'C', (struct order_mass_cancel_cmd){.scope = 1, .account = 39}),
        "ACCOUNT_NOT_OF_SESSION 0 39 0");
    assert_string_equal(
        mass_cancel(venue, 0, (struct order_mass_cancel_cmd){.scope = 2, .account = 39}),
        "UNKNOWN_ACCOUNT 0 39 0");
    assert_string_equal(
        mass_cancel(venue, 0, (struct order_mass_cancel_cmd){.scope = 2, .member = 2}),
        "UNKNOWN_MEMBER 0 2 0");
    assert_string_equal(
        mass_cancel(venue, 0, (struct order_mass_cancel_cmd){.scope = 2, .instrument = 2}),
        "UNKNOWN_INSTRUMENT 0 2 0");
    assert_string_equal(
        mass_cancel(venue, 'B',
                    (struct order_mass_cancel_cmd){.account = FIRST + 1, .side = SIDE_BUY}),
        "#4 cancelled 1 releases 99 reason 6; done 1");
    assert_string_equal(
        mass_cancel(venue, 'C', (struct order_mass_cancel_cmd){.scope = 1, .side = SIDE_SELL}),
        "#3 cancelled 1 releases 1 reason 6; #5 cancelled 1 releases 1 reason 6; done 2");
    assert_string_equal(
        mass_cancel(venue, 0, (struct order_mass_cancel_cmd){.scope = 2, .account = FIRST}),
        "#2 cancelled 1 releases 91 reason 4; #6 cancelled 1 releases 89 reason 4; done 2");
    assert_string_equal(
        mass_cancel(venue, 0, (struct order_mass_cancel_cmd){.scope = 2, .member = 1}),
        "#1 cancelled 1 releases 90 reason 4; done 1");
}

static void a_mass_cancel_of_the_venue_goes_on_over_sessions(void **state)
{
    struct venue *venue = *state;
    struct command next;
    for (int i = 0; i < 80; i++)
        say(venue, i % 2 == 0 ? "A buys 1 @ 100" : "C buys 1 @ 99");
    const char *answer = mass_cancel(venue, 0, (struct order_mass_cancel_cmd){.scope = 2});
    assert_non_null(strstr(answer, "#79 cancelled 1 releases 100 reason 4; #2 cancelled"));
    assert_non_null(strstr(answer, "#46 cancelled 1 releases 99 reason 4; done 63"));
    answer = go_on(venue);
    assert_non_null(strstr(answer, "#80 cancelled 1 releases 99 reason 4; done 17"));
    assert_false(engine_continuation(venue->engine, &next));
}

static void a_status_of_all_goes_on_behind_the_last_one(void **state)
{
    struct venue *venue = *state;
    struct command next;
    for (int i = 0; i < 70; i++)
        say(venue, i % 10 != 0 ? "A buys 1 @ 100" : "B sells 1 @ 101");
    assert_non_null(strstr(say(venue, "A asks all"), "#63 is 1 of 1 @ 100; done 63"));
    assert_string_equal(go_on(venue), "#64 is 1 of 1 @ 100; #65 is 1 of 1 @ 100; "
                                      "#66 is 1 of 1 @ 100; #67 is 1 of 1 @ 100; "
                                      "#68 is 1 of 1 @ 100; #69 is 1 of 1 @ 100; "
                                      "#70 is 1 of 1 @ 100; done 7");
    assert_false(engine_continuation(venue->engine, &next));
    start_session(venue, CMD_order_status, 'A', NULL)->body.order_status =
        (struct order_status_cmd){.account = FIRST + 1, .side = SIDE_SELL, .instrument = 1};
    assert_non_null(strstr(apply(venue), "#61 is 1 of 1 @ 101; done 7"));
    start_session(venue, CMD_order_status, 'A', NULL)->body.order_status =
        (struct order_status_cmd){.account = FIRST + 2};
    assert_string_equal(apply(venue), "ACCOUNT_NOT_OF_SESSION 0 18 0");
    start_session(venue, CMD_order_status, 'A', NULL)->body.order_status.side = 3;
    assert_string_equal(apply(venue), "SIDE 0 3 0");
    start_session(venue, CMD_order_status, 'A', NULL)->body.order_status.instrument = 2;
    assert_string_equal(apply(venue), "UNKNOWN_INSTRUMENT 0 2 0");
    assert_string_equal(say(venue, "C asks 1"), "NOT_OWNER #1");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_fill_or_kill_is_filled_whole_or_not_at_all),
        TEST(a_minimum_is_had_at_once_or_nothing_is),
        TEST(the_count_goes_the_way_of_the_steps),
        TEST(a_post_only_order_never_takes),
        TEST(an_iceberg_shows_a_slice_and_queues_again_behind),
        TEST(an_iceberg_takes_whole_and_rests_in_slices),
        TEST(an_iceberg_is_amended_slice_and_all),
        TEST(the_order_that_enters_decides_over_self_trades),
        TEST(decrement_takes_the_smaller_from_both),
        TEST(a_fill_or_kill_does_not_count_on_itself),
        TEST(stops_wait_for_a_trade_and_cascade_in_order),
        TEST(a_stop_that_is_met_when_it_comes_is_triggered_at_once),
        TEST(a_trailing_stop_follows_the_market_one_way),
        TEST(an_iceberg_has_at_most_a_thousand_slices),
        TEST(a_triggered_order_goes_on_once),
        TEST(a_trailing_stop_whose_value_would_overflow_keeps_its_collar),
        TEST(a_cascade_goes_on_in_the_next_command),
        TEST(the_next_of_the_queue_begins_with_eight_events_free),
        TEST(the_breaker_stops_a_cascade),
        TEST(a_price_too_far_starts_a_volatility_auction_instead),
        TEST(an_amend_up_goes_to_the_back_and_may_trade),
        TEST(what_an_amend_may_not_do_is_refused_in_order),
        TEST(combinations_are_refused_with_their_numbers),
        TEST(stops_and_levels_are_limited),
        TEST(a_trailing_stop_never_lacks_a_level),
        TEST(a_mass_cancel_takes_what_is_in_its_scope),
        TEST(a_mass_cancel_of_the_venue_goes_on_over_sessions),
        TEST(a_status_of_all_goes_on_behind_the_last_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
