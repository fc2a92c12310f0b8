// Corrections and busts (docs/risk.md 9): A has bought 10 of C at 100, with 1 % of fee on each
// side, and it failed to settle.
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <string.h>

enum { A = FIRST, B, C, D, NUMBER = 1000 };

#define BOUND ((int64_t)1 << 61)

static const struct trade_correct_cmd failed_trade = {.trade_id = 77,
                                                      .ref_number = NUMBER,
                                                      .ref_hash = 9,
                                                      .ref_source = REF_ADMIN,
                                                      .instrument = 1,
                                                      .buyer_account = A,
                                                      .seller_account = C,
                                                      .operator_id = 5,
                                                      .quantity = 10,
                                                      .notional = 1000,
                                                      .buyer_fee = 10,
                                                      .seller_fee = 10};

static const char *correct(struct venue *venue, const struct trade_correct_cmd *body)
{
    start(venue, CMD_trade_correct, GATEWAY_ADMIN)->body.trade_correct = *body;
    return apply(venue);
}

static const char *correct_to(struct venue *venue, int64_t quantity, int64_t notional,
                              int64_t buyer_fee, int64_t seller_fee)
{
    struct trade_correct_cmd body = failed_trade;
    body.new_quantity = quantity;
    body.new_notional = notional;
    body.new_buyer_fee = buyer_fee;
    body.new_seller_fee = seller_fee;
    return correct(venue, &body);
}

static int open_failed_trade(void **state)
{
    int result = open_venue(state);
    struct venue *venue = *state;
    start(venue, CMD_fees_set, GATEWAY_ADMIN)->body.fees_set =
        (struct fees_set_cmd){.account = A, .buy_maker_bps = 100, .buy_taker_bps = 100};
    apply(venue);
    PLAY(venue, {"C sells 10 @ 100", "#1 holds 10"},
         {"A buys 10 @ 100", "#2 holds 1010; A buys 10 @ 100 from C fee 20 saved 0 left 0/0"});
    venue->number = 100;
    assert_string_equal(settle(venue, SETTLEMENT_FAILED, 10, 990), "settlement_booked");
    return result;
}

static void balance_is(const struct venue *venue, uint32_t account, uint32_t asset,
                       int64_t available, int64_t unsettled, int64_t blocked, int64_t deficit)
{
    struct balance_rec there = balance(venue, account, asset);
    assert_int_equal(there.available, available);
    assert_int_equal(there.unsettled, unsettled);
    assert_int_equal(there.blocked, blocked);
    assert_int_equal(there.deficit, deficit);
}

// ---- each way

static void a_bust_gives_everybody_back_what_he_had(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 0 and 0, remains 0");
    const struct trade_corrected_evt *told = &venue->events[0].body.trade_corrected;
    assert_int_equal(told->trade_id, 77);
    assert_int_equal(told->buyer_account, A);
    assert_int_equal(told->seller_account, C);
    assert_int_equal(told->operator_id, 5);
    assert_false(goes_on(venue));
    balance_is(venue, A, TOKEN, 1000, 0, 0, 0);
    balance_is(venue, A, CASH, 100000, 0, 0, 0);
    balance_is(venue, C, TOKEN, 1000, 0, 0, 0);
    balance_is(venue, C, CASH, 100000, 0, 0, 0);
    balance_is(venue, ACCOUNT_TREASURY, CASH, 20, 0, 0, 0);
    balance_is(venue, ACCOUNT_SUSPENSE, CASH, -20, 0, 0, 0);
    venue->number = NUMBER;
    assert_string_equal(post(venue, 'C', CASH, POSTING_WITHDRAWAL, 100000), "posted -100000");
}

static void a_lower_price_is_paid_back_by_the_seller(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(correct_to(venue, 10, 900, 9, 9),
                        "corrected 0 for -100 fees -1 -1 lacking 0 and 0, remains 10");
    balance_is(venue, A, TOKEN, 1010, 0, 10, 0);
    balance_is(venue, A, CASH, 100000 - 909, 0, 0, 0);
    balance_is(venue, C, CASH, 100000 + 891, 891, 0, 0);
    balance_is(venue, ACCOUNT_SUSPENSE, CASH, -2, 0, 0, 0);
    // What remains of it is settled as corrected.
    assert_string_equal(settle(venue, SETTLEMENT_RETRIED, 10, 891), "settlement_booked");
    assert_string_equal(settle(venue, SETTLEMENT_SETTLED, 10, 891), "settlement_booked");
    balance_is(venue, C, CASH, 100000 + 891, 0, 0, 0);
}

static void a_higher_price_is_paid_by_the_buyer(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(correct_to(venue, 10, 1100, 11, 11),
                        "corrected 0 for 100 fees 1 1 lacking 0 and 0, remains 10");
    balance_is(venue, A, CASH, 100000 - 1111, 0, 0, 0);
    balance_is(venue, C, CASH, 100000 + 1089, 1089, 0, 0);
    balance_is(venue, ACCOUNT_SUSPENSE, CASH, 2, 0, 0, 0);
}

static void a_part_may_be_taken_back_and_then_the_rest(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(correct_to(venue, 6, 600, 6, 6),
                        "corrected -4 for -400 fees -4 -4 lacking 0 and 0, remains 6");
    balance_is(venue, A, TOKEN, 1006, 0, 6, 0);
    balance_is(venue, C, TOKEN, 994, 0, 0, 0);
    balance_is(venue, C, CASH, 100594, 594, 0, 0);
    struct trade_correct_cmd rest = failed_trade;
    rest.ref_number++;
    assert_string_equal(correct(venue, &rest), "SETTLEMENT_MISMATCH 6 10 0");
    rest.quantity = 6;
    assert_string_equal(correct(venue, &rest), "SETTLEMENT_MISMATCH 594 990 0");
    rest.notional = 600;
    rest.buyer_fee = rest.seller_fee = 6;
    assert_string_equal(correct(venue, &rest),
                        "corrected -6 for -600 fees -6 -6 lacking 0 and 0, remains 0");
    balance_is(venue, A, CASH, 100000, 0, 0, 0);
    balance_is(venue, C, CASH, 100000, 0, 0, 0);
}

// Fewer tokens for more cash.
static void both_may_move(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(correct_to(venue, 9, 1001, 10, 11),
                        "corrected -1 for 1 fees 0 1 lacking 0 and 0, remains 9");
    balance_is(venue, A, CASH, 100000 - 1011, 0, 0, 0);
    balance_is(venue, C, CASH, 100990, 990, 0, 0);
    balance_is(venue, C, TOKEN, 991, 0, 0, 0);
}

static void nothing_may_change(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(correct_to(venue, 10, 1000, 10, 10),
                        "corrected 0 for 0 fees 0 0 lacking 0 and 0, remains 10");
    balance_is(venue, A, TOKEN, 1010, 0, 10, 0);
    balance_is(venue, C, CASH, 100990, 990, 0, 0);
}

static void an_account_may_have_traded_with_itself(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A sells 5 @ 100", "#3 holds 5"},
         {"A buys 5 @ 100", "#4 holds 505; A buys 5 @ 100 from A fee 5 saved 0 left 0/0"});
    venue->number = 200;
    assert_string_equal(settle(venue, SETTLEMENT_FAILED, 5, 0), "settlement_booked");
    struct trade_correct_cmd body = failed_trade;
    body.seller_account = A;
    body.quantity = 5;
    body.notional = 500;
    body.buyer_fee = 5;
    body.seller_fee = 0;
    assert_string_equal(correct(venue, &body),
                        "corrected -5 for -500 fees -5 0 lacking 0 and 0, remains 0");
    balance_is(venue, A, TOKEN, 1010, 0, 10, 0);
    balance_is(venue, A, CASH, 98990, 0, 0, 0);
}

// ---- what is not there

static void what_cannot_be_given_back_is_owed(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_DEBIT, 1003), "posted -1003");
    assert_string_equal(post(venue, 'C', CASH, POSTING_DEBIT, 100500), "posted -100500");
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 3 and 500, remains 0");
    assert_false(goes_on(venue));
    balance_is(venue, A, TOKEN, 0, 0, 0, 3);
    balance_is(venue, A, CASH, 100000, 0, 0, 0);
    balance_is(venue, C, TOKEN, 1000, 0, 0, 0);
    balance_is(venue, C, CASH, 0, 0, 0, 500);
    balance_is(venue, ACCOUNT_DEFICIT, TOKEN, -3, 0, 0, 0);
    balance_is(venue, ACCOUNT_DEFICIT, CASH, -500, 0, 0, 0);
}

static void the_last_unit_that_is_there_is_no_deficit(void **state)
{
    struct venue *venue = *state;
    post(venue, 'A', TOKEN, POSTING_DEBIT, 1000);
    post(venue, 'C', CASH, POSTING_DEBIT, 100000);
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 0 and 0, remains 0");
}

static void a_buyer_may_lack_cash(void **state)
{
    struct venue *venue = *state;
    post(venue, 'A', CASH, POSTING_DEBIT, 98940);
    PLAY(venue, {"A buys 0 @ 1", "QUANTITY_NOT_POSITIVE 1 0 0"});
    assert_string_equal(correct_to(venue, 10, 1100, 11, 10),
                        "corrected 0 for 100 fees 1 0 lacking 0 and 51, remains 10");
    balance_is(venue, A, CASH, 0, 0, 0, 51);
    balance_is(venue, C, CASH, 101090, 1090, 0, 0);
}

// The payer's cash. (While orders hold tokens, none that are blocked are lacking: risk.md 7.)
static void orders_that_hold_it_are_cancelled(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A sells 998 @ 101", "#3 holds 998"}, {"A sells 2 @ 102", "#4 holds 2"},
         {"C buys 1 @ 99", "#5 holds 99"}, {"C buys 1000 @ 100", "#6 holds 100000"});
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 0 and 99, remains 0");
    struct command next;
    assert_true(engine_continuation(venue->engine, &next));
    assert_int_equal(next.body.continue_work.instrument, 0);
    assert_int_equal(next.body.continue_work.work, WORK_UNCOVER);
    assert_string_equal(go_on(venue),
                        "#6 cancelled 1000 releases 100000 reason 18; C owes 0 (-99); done 2");
    assert_false(goes_on(venue));
    assert_int_equal(engine_open_orders(venue->engine), 3);
}

static void of_the_cash_alone_likewise(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"C buys 1000 @ 100", "#3 holds 100000"});
    post(venue, 'C', CASH, POSTING_DEBIT, 1);
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 0 and 1, remains 0");
    assert_string_equal(go_on(venue),
                        "#3 cancelled 1000 releases 100000 reason 18; C owes 0 (-1); done 2");
}

static void it_may_take_more_than_one_command(void **state)
{
    struct venue *venue = *state;
    venue->terms.fat_finger_block_bps = venue->terms.fat_finger_confirm_bps = 0;
    set_terms(venue);
    for (int i = 0; i < 60; i++)
        say(venue, "C buys 1 @ 20");
    post(venue, 'C', CASH, POSTING_DEBIT, 100990 - 60 * 20);
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 0 and 990, remains 0");
    assert_non_null(strstr(go_on(venue), "C owes 370 (-20); done 62"));
    assert_non_null(strstr(go_on(venue), "C owes 0 (-10); done 38"));
    assert_false(goes_on(venue));
}

// ---- refusals

static void what_is_refused_is_refused_in_order(void **state)
{
    struct venue *venue = *state;
    struct trade_correct_cmd body = failed_trade;
    body.instrument = 2;
    body.buyer_account = 39;
    body.seller_account = ACCOUNT_SUSPENSE;
    body.quantity = 0;
    body.new_quantity = -1;
    assert_string_equal(correct(venue, &body), "UNKNOWN_INSTRUMENT 0 2 0");
    body.instrument = 1;
    assert_string_equal(correct(venue, &body), "UNKNOWN_ACCOUNT 0 39 0");
    body.buyer_account = A;
    assert_string_equal(correct(venue, &body), "UNKNOWN_ACCOUNT 0 3 0");
    body.seller_account = C;
    assert_string_equal(correct(venue, &body), "CORRECTION 0 0 10");
    body.quantity = 10;
    body.notional = -1;
    assert_string_equal(correct(venue, &body), "CORRECTION 0 -1 11");
    body.new_quantity = 11;
    assert_string_equal(correct(venue, &body), "CORRECTION 0 11 11");
    body.new_quantity = 9;
    assert_string_equal(correct(venue, &body), "CORRECTION 0 -1 12");
    body.notional = BOUND + 1;
    body.new_notional = -2;
    assert_string_equal(correct(venue, &body), "CORRECTION 0 2305843009213693953 12");
    body.notional = 1000;
    assert_string_equal(correct(venue, &body), "CORRECTION 0 -2 13");
    body.new_notional = BOUND + 1;
    assert_string_equal(correct(venue, &body), "CORRECTION 0 2305843009213693953 13");
}

static void fees_are_within_and_follow_their_notional(void **state)
{
    struct venue *venue = *state;
    static const struct {
        int64_t fees[4]; // buyer, new buyer, seller, new seller
        int64_t quantity, notional;
        const char *answer;
    } cases[] = {{{-1, -1, -1, -1}, 10, 900, "CORRECTION 0 -1 14"},
                 {{1001, -1, -1, -1}, 10, 900, "CORRECTION 0 1001 14"},
                 {{10, -1, -1, -1}, 10, 900, "CORRECTION 0 -1 16"},
                 {{10, -1, 1001, -1}, 10, 900, "CORRECTION 0 1001 16"},
                 {{10, -1, 10, -1}, 10, 900, "CORRECTION 0 -1 15"},
                 {{10, 901, 10, -1}, 10, 900, "CORRECTION 0 901 15"},
                 {{10, 9, 10, -1}, 10, 900, "CORRECTION 0 -1 17"},
                 {{10, 9, 10, 901}, 10, 900, "CORRECTION 0 901 17"},
                 {{10, 0, 10, 0}, 0, 1, "CORRECTION 0 0 11"},
                 {{10, 11, 10, 11}, 10, 900, "CORRECTION 0 11 15"}, // less notional, more fee
                 {{10, 10, 10, 11}, 10, 900, "CORRECTION 0 11 17"},
                 {{10, 9, 10, 11}, 10, 1100, "CORRECTION 0 9 15"},
                 {{10, 10, 10, 9}, 10, 1100, "CORRECTION 0 9 17"},
                 {{10, 11, 10, 10}, 10, 1000, "CORRECTION 0 11 15"}, // the same notional
                 {{10, 10, 10, 9}, 10, 1000, "CORRECTION 0 9 17"},
                 {{10, 112, 10, 111}, 10, 1100, "CORRECTION 0 112 15"}, // further than it
                 {{10, 110, 10, 111}, 10, 1100, "CORRECTION 0 111 17"},
                 {{10, 8, 10, 8}, 10, 999, "CORRECTION 0 8 15"},
                 {{10, 9, 10, 8}, 10, 999, "CORRECTION 0 8 17"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct trade_correct_cmd body = failed_trade;
        body.new_quantity = cases[i].quantity;
        body.new_notional = cases[i].notional;
        body.buyer_fee = cases[i].fees[0];
        body.new_buyer_fee = cases[i].fees[1];
        body.seller_fee = cases[i].fees[2];
        body.new_seller_fee = cases[i].fees[3];
        assert_string_equal(correct(venue, &body), cases[i].answer);
    }
    assert_string_equal(correct_to(venue, 10, 1100, 110, 110),
                        "corrected 0 for 100 fees 100 100 lacking 0 and 0, remains 10");
}

static void only_what_failed_is_corrected(void **state)
{
    struct venue *venue = *state;
    struct trade_correct_cmd body = failed_trade;
    body.quantity = 11;
    assert_string_equal(correct(venue, &body), "SETTLEMENT_MISMATCH 10 11 0");
    body.quantity = 10;
    body.seller_fee = 9;
    assert_string_equal(correct(venue, &body), "SETTLEMENT_MISMATCH 990 991 0");
    body.seller_fee = 10;
    body.seller_account = D; // sold nothing
    assert_string_equal(correct(venue, &body), "SETTLEMENT_MISMATCH 0 990 0");
    settle(venue, SETTLEMENT_RETRIED, 10, 990);
    assert_string_equal(correct_to(venue, 0, 0, 0, 0), "SETTLEMENT_MISMATCH 0 10 0");
}

static void bounds_hold(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'D', CASH, POSTING_CREDIT, BOUND - 19),
                        "posted 2305843009213693933");
    assert_string_equal(correct_to(venue, 0, 0, 0, 0), "OVERFLOW 2305843009213693952 20 17");
    assert_string_equal(post(venue, 'D', CASH, POSTING_DEBIT, 1), "posted -1");
    assert_string_equal(post(venue, 'D', CASH, POSTING_CHAIN_OUT, BOUND),
                        "posted -2305843009213693952");
    char words[96];
    (void)snprintf(words, sizeof words, "posted -%d; D owes %ld (+%ld)", 99980, BOUND - 99980,
                   BOUND - 99980);
    assert_string_equal(post(venue, 'D', CASH, POSTING_CHAIN_OUT, BOUND), words);
    post(venue, 'C', CASH, POSTING_DEBIT, 100990);
    // 99,980 more may be owed.
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 0 and 990, remains 0");
}

static void deficits_are_bounded_here_too(void **state)
{
    struct venue *venue = *state;
    post(venue, 'A', TOKEN, POSTING_DEBIT, 1010);
    assert_string_equal(post(venue, 'D', TOKEN, POSTING_CHAIN_OUT, BOUND),
                        "posted -1000; D owes 2305843009213692952 (+2305843009213692952)");
    assert_string_equal(post(venue, 'B', TOKEN, POSTING_CHAIN_OUT, 1991),
                        "posted -1000; B owes 991 (+991)");
    assert_string_equal(correct_to(venue, 0, 0, 0, 0), "OVERFLOW 2305843009213693952 10 11");
    post(venue, 'D', TOKEN, POSTING_DEPOSIT, 1);
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 10 and 0, remains 0");
}

static void of_cash_likewise(void **state)
{
    struct venue *venue = *state;
    post(venue, 'C', CASH, POSTING_DEBIT, 100990);
    assert_string_equal(post(venue, 'D', CASH, POSTING_CHAIN_OUT, BOUND),
                        "posted -100000; D owes 2305843009213593952 (+2305843009213593952)");
    assert_string_equal(post(venue, 'B', CASH, POSTING_CHAIN_OUT, 199011),
                        "posted -100000; B owes 99011 (+99011)");
    assert_string_equal(correct_to(venue, 0, 0, 0, 0), "OVERFLOW 2305843009213693952 990 13");
    post(venue, 'D', CASH, POSTING_DEPOSIT, 1);
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 0 and 990, remains 0");
}

static void a_correction_needs_its_balances(void **state)
{
    struct venue *venue = *state;
    for (uint32_t asset = 3; asset <= ASSETS; asset++) {
        start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
            (struct asset_set_cmd){.asset = asset, .kind = ASSET_TOKEN};
        apply(venue);
    }
    post(venue, 'A', 3, POSTING_DEPOSIT, 1);
    post(venue, 'A', 4, POSTING_DEPOSIT, 1); // 15 of 16
    post(venue, 'B', 4, POSTING_DEPOSIT, 1);
    assert_string_equal(correct_to(venue, 0, 0, 0, 0), "BALANCES_MAX 16 16 0");
}

// Of cash that is lacking, too.
static void a_deficit_needs_its_balance(void **state)
{
    struct venue *venue = *state;
    post(venue, 'C', CASH, POSTING_DEBIT, 100990);
    for (uint32_t asset = 3; asset <= ASSETS; asset++) {
        start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
            (struct asset_set_cmd){.asset = asset, .kind = ASSET_TOKEN};
        apply(venue);
        post(venue, 'A', asset, POSTING_DEPOSIT, 1);
    }
    assert_string_equal(correct_to(venue, 0, 0, 0, 0), "BALANCES_MAX 16 16 0");
    post(venue, 'C', CASH, POSTING_CREDIT, 990);
    assert_string_equal(correct_to(venue, 0, 0, 0, 0),
                        "corrected -10 for -1000 fees -10 -10 lacking 0 and 0, remains 0");
}

static void a_reference_is_booked_once(void **state)
{
    struct venue *venue = *state;
    struct trade_correct_cmd body = failed_trade;
    body.ref_source = REF_SETTLE;
    assert_string_equal(correct(venue, &body), "MALFORMED 15 2 4");
    assert_string_equal(correct_to(venue, 11, 0, 0, 0), "CORRECTION 0 11 11");
    assert_string_equal(correct(venue, &failed_trade),
                        "corrected -10 for -1000 fees -10 -10 lacking 0 and 0, remains 0");
    assert_string_equal(correct(venue, &failed_trade), "repeated");
    body = failed_trade;
    body.ref_hash++;
    assert_string_equal(correct(venue, &body), "REFERENCE_CONFLICT 0 1000 0");
    body.ref_number--;
    assert_string_equal(correct(venue, &body), "REFERENCE_OLD 1000 999 0");
    // Postings of the same source stand in the same line.
    venue->number = NUMBER - 1;
    assert_string_equal(post(venue, 'A', CASH, POSTING_DEPOSIT, 1), "repeated");
    balance_is(venue, A, CASH, 100000, 0, 0, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_failed_trade, close_venue)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_bust_gives_everybody_back_what_he_had),
        TEST(a_lower_price_is_paid_back_by_the_seller),
        TEST(a_higher_price_is_paid_by_the_buyer),
        TEST(a_part_may_be_taken_back_and_then_the_rest),
        TEST(both_may_move),
        TEST(nothing_may_change),
        TEST(an_account_may_have_traded_with_itself),
        TEST(what_cannot_be_given_back_is_owed),
        TEST(the_last_unit_that_is_there_is_no_deficit),
        TEST(a_buyer_may_lack_cash),
        TEST(orders_that_hold_it_are_cancelled),
        TEST(of_the_cash_alone_likewise),
        TEST(it_may_take_more_than_one_command),
        TEST(what_is_refused_is_refused_in_order),
        TEST(fees_are_within_and_follow_their_notional),
        TEST(only_what_failed_is_corrected),
        TEST(bounds_hold),
        TEST(deficits_are_bounded_here_too),
        TEST(of_cash_likewise),
        TEST(a_correction_needs_its_balances),
        TEST(a_deficit_needs_its_balance),
        TEST(a_reference_is_booked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
