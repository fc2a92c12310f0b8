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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_holds_cash_or_tokens),
        cmocka_unit_test(a_trade_pays_seller_and_treasury_from_the_buyers_hold),
        cmocka_unit_test(settlement_moves_counters_only),
        cmocka_unit_test(an_entry_of_the_ledger_has_two_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
