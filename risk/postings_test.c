// Each event that moves something, its postings written out. That folding them gives the engine's
// balances is tested on random flow by tests/model.
#include "base/testing.h"

#include "risk/postings.h"

static const struct posting_terms terms = {.token_asset = 2, .cash_asset = 1, .token_scale = 2};

static void posting_is(const struct posting *posting, struct posting wanted)
{
    assert_int_equal(posting->account, wanted.account);
    assert_int_equal(posting->asset, wanted.asset);
    assert_int_equal(posting->available, wanted.available);
    assert_int_equal(posting->held, wanted.held);
    assert_int_equal(posting->unsettled, wanted.unsettled);
    assert_int_equal(posting->blocked, wanted.blocked);
    assert_int_equal(posting->deficit, wanted.deficit);
}

static void an_order_holds_cash_or_tokens(void **state)
{
    (void)state;
    struct posting out[POSTINGS_MAX];
    struct event event = {.header.type = EVT_order_accepted};
    event.body.order_accepted =
        (struct order_accepted_evt){.account = 20, .held = 500, .side = SIDE_BUY};
    assert_int_equal(postings_of(&event, &terms, out), 1);
    posting_is(&out[0], (struct posting){20, 1, -500, 500, 0, 0, 0});
    event.header.type = EVT_order_cancelled;
    event.body.order_cancelled =
        (struct order_cancelled_evt){.account = 20, .released = 30, .side = SIDE_SELL};
    assert_int_equal(postings_of(&event, &terms, out), 1);
    posting_is(&out[0], (struct posting){20, 2, 30, -30, 0, 0, 0});
    event.header.type = EVT_order_amended; // upwards: more is held
    event.body.order_amended =
        (struct order_amended_evt){.account = 20, .released = -30, .side = SIDE_BUY};
    assert_int_equal(postings_of(&event, &terms, out), 1);
    posting_is(&out[0], (struct posting){20, 1, -30, 30, 0, 0, 0});
    event.header.type = EVT_order_triggered;
    event.body.order_triggered =
        (struct order_triggered_evt){.account = 20, .released = 7, .side = SIDE_BUY};
    assert_int_equal(postings_of(&event, &terms, out), 1);
    posting_is(&out[0], (struct posting){20, 1, 7, -7, 0, 0, 0});
    event.body.order_triggered.released = 0;
    assert_int_equal(postings_of(&event, &terms, out), 0);
    event.header.type = EVT_order_reduced;
    event.body.order_reduced =
        (struct order_reduced_evt){.account = 20, .released = 9, .side = SIDE_SELL};
    assert_int_equal(postings_of(&event, &terms, out), 1);
    posting_is(&out[0], (struct posting){20, 2, 9, -9, 0, 0, 0});
}

static void a_trade_pays_seller_and_treasury_from_the_buyers_hold(void **state)
{
    (void)state;
    struct posting out[POSTINGS_MAX];
    struct event event = {.header.type = EVT_trade};
    event.body.trade = (struct trade_evt){.taker_side = SIDE_BUY,
                                          .price = 1000,
                                          .quantity = 300,
                                          .taker_account = 20,
                                          .maker_account = 21,
                                          .maker_fee = 7,
                                          .buyer_released = 60};
    assert_int_equal(postings_of(&event, &terms, out), 5);
    posting_is(&out[0], (struct posting){20, 1, 60, -3060, 0, 0, 0});
    posting_is(&out[1], (struct posting){20, 2, 300, 0, 300, 0, 0});
    posting_is(&out[2], (struct posting){21, 2, 0, -300, 0, 0, 0});
    posting_is(&out[3], (struct posting){21, 1, 2993, 0, 2993, 0, 0});
    posting_is(&out[4], (struct posting){ACCOUNT_TREASURY, 1, 7, 0, 0, 0, 0});
}

static void settlement_moves_counters_only(void **state)
{
    (void)state;
    struct posting out[POSTINGS_MAX];
    struct event event = {.header.type = EVT_settlement_booked};
    event.body.settlement_booked = (struct settlement_booked_evt){
        .buyer_account = 20, .seller_account = 21, .quantity = 300, .proceeds = 2993};
    event.body.settlement_booked.outcome = SETTLEMENT_SETTLED;
    assert_int_equal(postings_of(&event, &terms, out), 2);
    posting_is(&out[0], (struct posting){20, 2, 0, 0, -300, 0, 0});
    posting_is(&out[1], (struct posting){21, 1, 0, 0, -2993, 0, 0});
    event.body.settlement_booked.outcome = SETTLEMENT_FAILED;
    assert_int_equal(postings_of(&event, &terms, out), 1);
    posting_is(&out[0], (struct posting){20, 2, 0, 0, -300, 300, 0});
    event.body.settlement_booked.outcome = SETTLEMENT_RETRIED;
    assert_int_equal(postings_of(&event, &terms, out), 1);
    posting_is(&out[0], (struct posting){20, 2, 0, 0, 300, -300, 0});
}

static void an_entry_of_the_ledger_has_two_sides(void **state)
{
    (void)state;
    struct posting out[POSTINGS_MAX];
    struct event event = {.header.type = EVT_ledger_posted};
    event.body.ledger_posted = (struct ledger_posted_evt){
        .account = 20, .asset = 1, .amount = -50, .counter_account = ACCOUNT_OUTSIDE};
    assert_int_equal(postings_of(&event, NULL, out), 2);
    posting_is(&out[0], (struct posting){20, 1, -50, 0, 0, 0, 0});
    posting_is(&out[1], (struct posting){ACCOUNT_OUTSIDE, 1, 50, 0, 0, 0, 0});
    event.header.type = EVT_done;
    assert_int_equal(postings_of(&event, NULL, out), 0);
}

static void what_has_left_and_was_not_there_is_no_entry(void **state)
{
    (void)state;
    struct posting out[POSTINGS_MAX];
    struct event event = {.header.type = EVT_ledger_posted};
    event.body.ledger_posted = (struct ledger_posted_evt){
        .account = 20, .asset = 1, .kind = POSTING_CHAIN_OUT, .counter_account = ACCOUNT_OUTSIDE};
    assert_int_equal(postings_of(&event, NULL, out), 0);
}

static void a_deficit_is_paid_by_the_deficit_account(void **state)
{
    (void)state;
    struct posting out[POSTINGS_MAX];
    struct event event = {.header.type = EVT_deficit_changed};
    event.body.deficit_changed = (struct deficit_changed_evt){
        .account = 20, .asset = 2, .amount = 30, .counter_account = ACCOUNT_OUTSIDE};
    assert_int_equal(postings_of(&event, NULL, out), 3);
    posting_is(&out[0], (struct posting){20, 2, 0, 0, 0, 0, 30});
    posting_is(&out[1], (struct posting){ACCOUNT_OUTSIDE, 2, 30, 0, 0, 0, 0});
    posting_is(&out[2], (struct posting){ACCOUNT_DEFICIT, 2, -30, 0, 0, 0, 0});
    event.body.deficit_changed = (struct deficit_changed_evt){
        .account = 20, .asset = 2, .amount = -10, .counter_account = 20}; // made good
    assert_int_equal(postings_of(&event, NULL, out), 3);
    posting_is(&out[0], (struct posting){20, 2, 0, 0, 0, 0, -10});
    posting_is(&out[1], (struct posting){20, 2, -10, 0, 0, 0, 0});
    posting_is(&out[2], (struct posting){ACCOUNT_DEFICIT, 2, 10, 0, 0, 0, 0});
    event.body.deficit_changed.entered = 1; // its ledger_posted was the entry
    assert_int_equal(postings_of(&event, NULL, out), 1);
    posting_is(&out[0], (struct posting){20, 2, 0, 0, 0, 0, -10});
}

static void a_bust_pays_everybody_back(void **state)
{
    (void)state;
    struct posting out[POSTINGS_MAX];
    struct event event = {.header.type = EVT_trade_corrected};
    event.body.trade_corrected = (struct trade_corrected_evt){.buyer_account = 20,
                                                              .seller_account = 21,
                                                              .quantity = -10,
                                                              .notional = -1000,
                                                              .buyer_fee = -7,
                                                              .seller_fee = -5,
                                                              .token_short = 4,
                                                              .cash_short = 300};
    assert_int_equal(postings_of(&event, &terms, out), 7);
    posting_is(&out[0], (struct posting){20, 2, -6, 0, 0, -10, 4});
    posting_is(&out[1], (struct posting){21, 2, 10, 0, 0, 0, 0});
    posting_is(&out[2], (struct posting){ACCOUNT_DEFICIT, 2, -4, 0, 0, 0, 0});
    posting_is(&out[3], (struct posting){20, 1, 1007, 0, 0, 0, 0});
    posting_is(&out[4], (struct posting){21, 1, -695, 0, -995, 0, 300});
    posting_is(&out[5], (struct posting){ACCOUNT_SUSPENSE, 1, -12, 0, 0, 0, 0});
    posting_is(&out[6], (struct posting){ACCOUNT_DEFICIT, 1, -300, 0, 0, 0, 0});
}

static void a_dearer_trade_is_paid_by_the_buyer(void **state)
{
    (void)state;
    struct posting out[POSTINGS_MAX];
    struct event event = {.header.type = EVT_trade_corrected};
    event.body.trade_corrected = (struct trade_corrected_evt){.buyer_account = 20,
                                                              .seller_account = 21,
                                                              .notional = 100,
                                                              .buyer_fee = 2,
                                                              .cash_short = 30,
                                                              .new_quantity = 10};
    assert_int_equal(postings_of(&event, &terms, out), 4);
    posting_is(&out[0], (struct posting){20, 1, -72, 0, 0, 0, 30});
    posting_is(&out[1], (struct posting){21, 1, 100, 0, 100, 0, 0});
    posting_is(&out[2], (struct posting){ACCOUNT_SUSPENSE, 1, 2, 0, 0, 0, 0});
    posting_is(&out[3], (struct posting){ACCOUNT_DEFICIT, 1, -30, 0, 0, 0, 0});
    event.body.trade_corrected = (struct trade_corrected_evt){.new_quantity = 10};
    assert_int_equal(postings_of(&event, &terms, out), 0);
}

static void an_instruction_passes_through_the_clearing_account(void **state)
{
    (void)state;
    struct posting out[POSTINGS_MAX];
    struct event event = {.header.type = EVT_xvp_posted};
    event.body.xvp_posted =
        (struct xvp_posted_evt){.account = 20, .asset = 2, .amount = -10, .held_amount = 10};
    assert_int_equal(postings_of(&event, NULL, out), 1);
    posting_is(&out[0], (struct posting){20, 2, -10, 10, 0, 0, 0});
    event.body.xvp_posted = (struct xvp_posted_evt){
        .account = 20, .asset = 2, .held_amount = -10, .counter_account = ACCOUNT_CLEARING};
    assert_int_equal(postings_of(&event, NULL, out), 2);
    posting_is(&out[0], (struct posting){20, 2, 0, -10, 0, 0, 0});
    posting_is(&out[1], (struct posting){ACCOUNT_CLEARING, 2, 10, 0, 0, 0, 0});
    event.body.xvp_posted = (struct xvp_posted_evt){
        .account = 21, .asset = 2, .amount = 10, .counter_account = ACCOUNT_CLEARING};
    assert_int_equal(postings_of(&event, NULL, out), 2);
    posting_is(&out[1], (struct posting){ACCOUNT_CLEARING, 2, -10, 0, 0, 0, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_holds_cash_or_tokens),
        cmocka_unit_test(a_trade_pays_seller_and_treasury_from_the_buyers_hold),
        cmocka_unit_test(settlement_moves_counters_only),
        cmocka_unit_test(an_entry_of_the_ledger_has_two_sides),
        cmocka_unit_test(what_has_left_and_was_not_there_is_no_entry),
        cmocka_unit_test(a_deficit_is_paid_by_the_deficit_account),
        cmocka_unit_test(a_bust_pays_everybody_back),
        cmocka_unit_test(a_dearer_trade_is_paid_by_the_buyer),
        cmocka_unit_test(an_instruction_passes_through_the_clearing_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
