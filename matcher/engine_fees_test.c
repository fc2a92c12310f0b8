// Fees (docs/risk.md 6): which rate holds, what each side pays, and the buyer's fee in its hold,
// which is used up exactly and never given back below zero.
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <string.h>

enum { A = FIRST, B, C, D };

static const char *set_fees(struct venue *venue, const struct fees_set_cmd *fees)
{
    start(venue, CMD_fees_set, GATEWAY_ADMIN)->body.fees_set = *fees;
    return apply(venue);
}

#define FEES(venue, ...) set_fees((venue), &(struct fees_set_cmd){__VA_ARGS__})

// "maker/taker" of each trade of the last command.
static const char *paid(const struct venue *venue)
{
    static char text[256];
    size_t used = 0;
    text[0] = '\0';
    for (uint32_t i = 0; i < venue->sink.count; i++)
        if (venue->events[i].header.type == EVT_trade)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%ld/%ld",
                                     used != 0 ? " " : "", venue->events[i].body.trade.maker_fee,
                                     venue->events[i].body.trade.taker_fee);
    return text;
}

static int64_t cash(const struct venue *venue, uint32_t account)
{
    return balance(venue, account, CASH).available;
}

static int64_t held(const struct venue *venue, uint32_t account)
{
    return balance(venue, account, CASH).held;
}

// ---- who pays what

static void makers_and_takers_pay_their_own_rates_rounded_down(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .instrument = 1, .sell_maker_bps = 33, .sell_taker_bps = 66, .buy_maker_bps = 50,
         .buy_taker_bps = 100);
    say(venue, "C sells 7 @ 101");
    assert_string_equal(say(venue, "A buys 7 @ 101"),
                        "#2 holds 714; A buys 7 @ 101 from C fee 9 saved 0 left 0/0");
    assert_string_equal(paid(venue), "2/7"); // 707: 2.3331 and 7.07
    say(venue, "A buys 7 @ 101");
    assert_string_equal(say(venue, "C sells 7 @ 101"),
                        "#4 holds 7; C sells 7 @ 101 to A fee 7 saved 4 left 0/0");
    assert_string_equal(paid(venue), "3/4"); // 3.535 and 4.6662
    assert_int_equal(cash(venue, ACCOUNT_TREASURY), 16);
    assert_int_equal(cash(venue, A), 100000 - 707 - 7 - 707 - 3);
    assert_int_equal(cash(venue, C), 100000 + 707 - 2 + 707 - 4);
}

static void a_fee_below_one_unit_is_none(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .instrument = 1, .sell_taker_bps = 100, .buy_maker_bps = 100);
    PLAY(venue, {"A buys 1 @ 99", "#1 holds 99"},
         {"C sells 1 @ 99", "#2 holds 1; C sells 1 @ 99 to A fee 0 saved 0 left 0/0"},
         {"A buys 1 @ 100", "#3 holds 101"},
         {"C sells 1 @ 100", "#4 holds 1; C sells 1 @ 100 to A fee 2 saved 0 left 0/0"});
}

static void the_nearest_of_five_levels_holds(void **state)
{
    struct venue *venue = *state;
    static const char *const sold = "C sells 1 @ 1000";
    const char *const wanted[] = {"0/10", "0/20", "0/30", "0/40", "0/50"};
    venue->terms.fat_finger_confirm_bps = 0;
    set_terms(venue);
    for (int level = 0; level < 5; level++) {
        if (level == 1)
            FEES(venue, .instrument = 1, .sell_taker_bps = 200);
        if (level == 2) {
            venue->accounts[2].fee_bps = 300;
            set_account(venue, 'C');
        }
        if (level == 3)
            FEES(venue, .account = C, .sell_taker_bps = 400);
        if (level == 4)
            FEES(venue, .account = C, .instrument = 1, .sell_taker_bps = 500);
        say(venue, "A buys 1 @ 1000");
        say(venue, sold);
        assert_string_equal(paid(venue), wanted[level]);
    }
    FEES(venue, .account = C, .instrument = 1, .remove = 1);
    say(venue, "A buys 1 @ 1000");
    say(venue, sold);
    assert_string_equal(paid(venue), wanted[3]);
    FEES(venue, .account = C, .remove = 1);
    say(venue, "A buys 1 @ 1000");
    say(venue, sold);
    assert_string_equal(paid(venue), wanted[2]);
}

// A record says all four: it does not borrow rates from the next level.
static void an_own_rate_leaves_the_buyer_free(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .instrument = 1, .buy_maker_bps = 100, .buy_taker_bps = 100);
    assert_string_equal(say(venue, "A buys 10 @ 100"), "#1 holds 1010");
    venue->accounts[0].fee_bps = 0;
    set_account(venue, 'A');
    assert_string_equal(say(venue, "A buys 10 @ 100"), "#2 holds 1000");
    FEES(venue, .account = A, .sell_maker_bps = 7);
    assert_string_equal(say(venue, "A buys 10 @ 100"), "#3 holds 1000");
}

static void in_an_auction_the_older_order_makes(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .instrument = 1, .sell_maker_bps = 10, .sell_taker_bps = 20, .buy_maker_bps = 30,
         .buy_taker_bps = 40);
    set_phase(venue, PHASE_OPENING_AUCTION);
    PLAY(venue, {"A buys 100 @ 101", "#1 holds 10140"}, {"C sells 60 @ 100", "#2 holds 60"},
         {"D sells 100 @ 100", "#3 holds 100"}, {"B buys 60 @ 101", "#4 holds 6084"});
    set_phase(venue, PHASE_CONTINUOUS);
    assert_string_equal(paid(venue), "18/12 12/8 6/24");
    assert_int_equal(held(venue, A), 0);
    assert_int_equal(held(venue, B), 0);
    assert_int_equal(cash(venue, A), 100000 - 10000 - 18 - 12);
    assert_int_equal(cash(venue, B), 100000 - 6000 - 24);
}

// ---- the hold

static void a_hold_is_used_up_exactly(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .account = A, .buy_maker_bps = 50, .buy_taker_bps = 100);
    PLAY(venue, {"C sells 3 @ 100", "#1 holds 3"},
         {"A buys 10 @ 101", "#2 holds 1020; A buys 3 @ 100 from C fee 6 saved 3 left 7/0"},
         {"D sells 7 @ 101", "#3 holds 7; D sells 7 @ 101 to A fee 10 saved 4 left 0/0"});
    assert_int_equal(held(venue, A), 0);
    assert_int_equal(cash(venue, A), 100000 - 300 - 3 - 707 - 3);
}

// One by one: each match rounds down, the hold once. What is over comes free, never less than none.
static void what_many_small_fills_do_not_pay_comes_free(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .account = A, .buy_maker_bps = 99, .buy_taker_bps = 1);
    assert_string_equal(say(venue, "A buys 40 @ 100"), "#1 holds 4039");
    for (int i = 0; i < 40; i++) {
        say(venue, "C sells 1 @ 100");
        assert_true(venue->events[1].body.trade.buyer_released >= 0);
        assert_string_equal(paid(venue), "0/1");
    }
    assert_int_equal(held(venue, A), 0);
    assert_int_equal(cash(venue, A), 100000 - 4000);
}

static void what_is_amended_or_cancelled_releases_a_difference_of_holds(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .account = A, .buy_maker_bps = 33, .buy_taker_bps = 1);
    PLAY(venue, {"A buys 10 @ 100", "#1 holds 1003"},
         {"A amends 1 to 5 @ 100", "#1 now 5 leaves 5 releases 502 kept"},
         {"A amends 1 to 9 @ 99", "#1 now 9 leaves 9 releases -392"},
         {"A cancels 1", "#1 cancelled 9 releases 893 reason 1"});
    assert_int_equal(cash(venue, A), 100000);
}

static void an_amend_keeps_the_rate_and_needs_the_rest(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .account = A, .buy_maker_bps = 100, .buy_taker_bps = 200);
    PLAY(venue, {"A buys 981 @ 100", "INSUFFICIENT_BALANCE 100062 100000 0"},
         {"A buys 980 @ 100", "#1 holds 99960"});
    FEES(venue, .account = A, .remove = 1);
    PLAY(venue, {"A amends 1 to 981 @ 100", "INSUFFICIENT_BALANCE 102 40 0"},
         {"A amends 1 to 970 @ 101", "#1 now 970 leaves 970 releases 31"},
         {"A buys 1 @ 100", "INSUFFICIENT_BALANCE 100 71 0"});
}

static void a_reduced_buy_releases_a_difference_of_holds(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .account = A, .buy_maker_bps = 33, .buy_taker_bps = 1);
    PLAY(venue, {"A buys 10 @ 100", "#1 holds 1003"},
         {"B sells 4 @ 100 stp=4",
          "#2 holds 4; #1 reduced to 6 leaves 6 releases 402; #2 cancelled 4 releases 4 reason 11"},
         {"A cancels 1", "#1 cancelled 6 releases 601 reason 1"});
}

static void an_iceberg_that_buys_holds_the_fee_of_all_that_is_open(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .account = A, .buy_maker_bps = 90, .buy_taker_bps = 10);
    PLAY(venue, {"A buys 10 @ 100 show=3", "#1 holds 1009; terms show 3"},
         {"C sells 4 @ 100", "#2 holds 4; C sells 3 @ 100 to A fee 5 saved 1 left 1/7; #1 shows 3; "
                             "C sells 1 @ 100 to A fee 1 saved 1 left 0/6"},
         {"A cancels 1", "#1 cancelled 6 releases 605 reason 1"});
    assert_int_equal(cash(venue, A), 100000 - 400 - 2);
}

static void a_trailing_stop_releases_with_its_collar(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .account = A, .buy_maker_bps = 100, .buy_taker_bps = 100);
    PLAY(venue, {"C sells 1 @ 100", "#1 holds 1"},
         {"D buys 1 @ 100", "#2 holds 100; D buys 1 @ 100 from C fee 1 saved 0 left 0/0"},
         {"A buys 10 @ 0 trail=20", "#3 holds 1272 waits for its trigger; terms stop 120 trail 20"},
         {"C sells 1 @ 90", "#4 holds 1"},
         {"D buys 1 @ 90", "#5 holds 90; D buys 1 @ 90 from C fee 0 saved 0 left 0/0"});
    PLAY(venue, {"C sells 4 @ 110 confirmed", "#6 holds 4"}, // its stop is 110 now
         {"D buys 1 @ 110 confirmed",
          "#7 holds 110; D buys 1 @ 110 from C fee 1 saved 0 left 0/3; "
          "#3 triggered at 110 by 110 now 10 @ 115 releases 111; "
          "A buys 3 @ 110 from C fee 6 saved 15 left 7/0; #3 cancelled 7 releases 813 reason 2"});
    assert_int_equal(held(venue, A), 0);
}

// ---- rates that change

static void a_buyer_never_pays_more_than_the_rate_of_its_hold(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .account = A, .buy_maker_bps = 100);
    PLAY(venue, {"A buys 30 @ 100", "#1 holds 3030"});
    FEES(venue, .account = A, .buy_maker_bps = 300);
    PLAY(venue,
         {"C sells 10 @ 100", "#2 holds 10; C sells 10 @ 100 to A fee 20 saved 0 left 0/20"});
    assert_string_equal(paid(venue), "10/10");
    FEES(venue, .account = A, .buy_maker_bps = 50);
    PLAY(venue,
         {"C sells 10 @ 100", "#3 holds 10; C sells 10 @ 100 to A fee 15 saved 5 left 0/10"});
    assert_string_equal(paid(venue), "5/10");
    FEES(venue, .account = A, .remove = 1);
    PLAY(venue,
         {"C sells 10 @ 100", "#4 holds 10; C sells 10 @ 100 to A fee 10 saved 10 left 0/0"});
    assert_string_equal(paid(venue), "0/10");
    assert_int_equal(held(venue, A), 0);
    FEES(venue, .account = B, .buy_maker_bps = 100);
    PLAY(venue, {"A buys 10 @ 100", "#5 holds 1000"});
    FEES(venue, .account = A, .buy_maker_bps = 10000);
    PLAY(venue, {"C sells 10 @ 100", "#6 holds 10; C sells 10 @ 100 to A fee 10 saved 0 left 0/0"});
    assert_string_equal(paid(venue), "0/10"); // it had none in its hold
}

static void all_of_the_notional_may_be_a_fee(void **state)
{
    struct venue *venue = *state;
    FEES(venue, .instrument = 1, .sell_maker_bps = 10000, .buy_taker_bps = 10000);
    PLAY(venue, {"C sells 10 @ 100", "#1 holds 10"},
         {"A buys 10 @ 100", "#2 holds 2000; A buys 10 @ 100 from C fee 2000 saved 0 left 0/0"});
    assert_int_equal(cash(venue, A), 98000);
    assert_int_equal(cash(venue, C), 100000);
}

// ---- the command

static void what_is_refused_is_refused_in_order(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(FEES(venue, .account = 39, .instrument = 2), "UNKNOWN_ACCOUNT 0 39 0");
    assert_string_equal(FEES(venue, .account = ACCOUNT_TREASURY), "UNKNOWN_ACCOUNT 0 2 0");
    assert_string_equal(FEES(venue, .account = A, .instrument = 2, .buy_taker_bps = 10001),
                        "UNKNOWN_INSTRUMENT 0 2 0");
    assert_string_equal(FEES(venue, .buy_taker_bps = 10001), "FEES 0 0 2");
    assert_string_equal(FEES(venue, .account = A, .sell_maker_bps = 10001, .sell_taker_bps = 10002),
                        "FEES 10000 10001 3");
    assert_string_equal(FEES(venue, .account = A, .sell_taker_bps = 10002, .remove = 2),
                        "FEES 10000 10002 4");
    assert_string_equal(FEES(venue, .account = A, .buy_maker_bps = 65535), "FEES 10000 65535 5");
    assert_string_equal(FEES(venue, .account = A, .buy_taker_bps = 10001), "FEES 10000 10001 6");
    assert_string_equal(FEES(venue, .account = A, .remove = 2), "FEES 1 2 7");
    assert_string_equal(FEES(venue, .account = A, .remove = 1), "FEES 0 0 1");
    assert_string_equal(FEES(venue, .account = A, .buy_taker_bps = 10000), "fees_changed");
    assert_string_equal(FEES(venue, .account = A, .remove = 1), "fees_changed");
    assert_string_equal(FEES(venue, .account = A, .remove = 1), "FEES 0 0 1");
}

static void there_are_so_many_records(void **state)
{
    struct venue *venue = *state;
    const struct fees_set_cmd records[] = {
        {.account = A}, {.account = B}, {.account = C}, {.account = D}, {.instrument = 1}};
    for (size_t i = 0; i < 5; i++)
        assert_string_equal(set_fees(venue, &records[i]), "fees_changed");
    assert_string_equal(FEES(venue, .account = A, .instrument = 1), "FEES_MAX 5 5 0");
    assert_string_equal(FEES(venue, .account = A, .sell_maker_bps = 1), "fees_changed");
    assert_string_equal(FEES(venue, .instrument = 1, .remove = 1), "fees_changed");
    assert_string_equal(FEES(venue, .account = A, .instrument = 1), "fees_changed");
    assert_string_equal(FEES(venue, .account = A, .remove = 1), "fees_changed");
    assert_string_equal(FEES(venue, .account = B, .instrument = 1), "fees_changed");
    assert_string_equal(FEES(venue, .account = A), "FEES_MAX 5 5 0");
}

// With so few buckets, those of instruments 0 and 6 are one.
static void records_of_one_account_are_told_apart(void **state)
{
    struct venue *venue = *state;
    venue->terms.instrument = 6;
    assert_string_equal(set_terms(venue), "instrument_changed; phase 1 breaker 0");
    for (uint32_t account = A; account <= D; account++) {
        assert_string_equal(FEES(venue, .account = account), "fees_changed");
        assert_string_equal(FEES(venue, .account = account, .instrument = 6, .remove = 1),
                            "FEES 0 0 1");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(makers_and_takers_pay_their_own_rates_rounded_down),
        TEST(a_fee_below_one_unit_is_none),
        TEST(the_nearest_of_five_levels_holds),
        TEST(an_own_rate_leaves_the_buyer_free),
        TEST(in_an_auction_the_older_order_makes),
        TEST(a_hold_is_used_up_exactly),
        TEST(what_many_small_fills_do_not_pay_comes_free),
        TEST(what_is_amended_or_cancelled_releases_a_difference_of_holds),
        TEST(an_amend_keeps_the_rate_and_needs_the_rest),
        TEST(a_reduced_buy_releases_a_difference_of_holds),
        TEST(an_iceberg_that_buys_holds_the_fee_of_all_that_is_open),
        TEST(a_trailing_stop_releases_with_its_collar),
        TEST(a_buyer_never_pays_more_than_the_rate_of_its_hold),
        TEST(all_of_the_notional_may_be_a_fee),
        TEST(what_is_refused_is_refused_in_order),
        TEST(there_are_so_many_records),
        TEST(records_of_one_account_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
