// Kinds of posting, deficits, what is covered and what is uncovered (docs/risk.md 7). Corrections:
// engine_correct_test.c.
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <string.h>

enum { A = FIRST, B, C, D, NEXT_ASSET = 3 };

#define BOUND ((int64_t)1 << 61)

static const char *post_to(struct venue *venue, char who, uint32_t asset, uint8_t kind,
                           int64_t amount, uint32_t counter)
{
    start(venue, CMD_ledger_post, GATEWAY_ADMIN)->body.ledger_post =
        (struct ledger_post_cmd){.account = (uint32_t)(FIRST + who - 'A'),
                                 .asset = asset,
                                 .amount = amount,
                                 .kind = kind,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = ++venue->number,
                                 .ref_hash = 9,
                                 .counter_account = counter};
    return apply(venue);
}

static int64_t there(const struct venue *venue, uint32_t account, uint32_t asset)
{
    return balance(venue, account, asset).available;
}

static int64_t owed(const struct venue *venue, uint32_t account, uint32_t asset)
{
    return balance(venue, account, asset).deficit;
}

// A bought 10 of C that are not settled.
static void trade_of_ten(struct venue *venue)
{
    PLAY(venue, {"C sells 10 @ 100", "#1 holds 10"},
         {"A buys 10 @ 100", "#2 holds 1000; A buys 10 @ 100 from C fee 10 saved 0 left 0/0"});
    venue->number = 100;
}

// ---- kinds of posting

static void a_transfer_moves_what_could_be_withdrawn(void **state)
{
    struct venue *venue = *state;
    trade_of_ten(venue);
    assert_string_equal(post_to(venue, 'A', TOKEN, POSTING_TRANSFER, 1011, B),
                        "INSUFFICIENT_BALANCE 1011 1010 0");
    assert_string_equal(post_to(venue, 'A', TOKEN, POSTING_TRANSFER, 1001, B),
                        "WITHDRAWAL_UNSETTLED 1000 1001 0");
    assert_string_equal(post_to(venue, 'A', TOKEN, POSTING_TRANSFER, 1000, B), "posted -1000");
    assert_int_equal(venue->events[0].body.ledger_posted.counter_account, B);
    assert_int_equal(there(venue, A, TOKEN), 10);
    assert_int_equal(there(venue, B, TOKEN), 2000);
    assert_int_equal(there(venue, ACCOUNT_OUTSIDE, TOKEN), -4000);
}

static void a_transfer_goes_to_another_members_account(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post_to(venue, 'A', CASH, POSTING_TRANSFER, 1, A),
                        "UNKNOWN_ACCOUNT 0 16 0");
    assert_string_equal(post_to(venue, 'A', CASH, POSTING_TRANSFER, 1, 0), "UNKNOWN_ACCOUNT 0 0 0");
    assert_string_equal(post_to(venue, 'A', CASH, POSTING_TRANSFER, 1, ACCOUNT_TREASURY),
                        "UNKNOWN_ACCOUNT 0 2 0");
    assert_string_equal(post_to(venue, 'A', 9, POSTING_TRANSFER, 1, 39), "UNKNOWN_ACCOUNT 0 39 0");
    assert_string_equal(post_to(venue, 'A', 9, POSTING_TRANSFER, 1, B), "UNKNOWN_ASSET 0 9 0");
    for (uint8_t kind = POSTING_DEPOSIT; kind <= POSTING_COVER; kind++)
        if (kind != POSTING_TRANSFER)
            assert_string_equal(post_to(venue, 'A', CASH, kind, 1, B), "UNKNOWN_ACCOUNT 0 17 0");
    assert_string_equal(post(venue, 'A', CASH, POSTING_COVER + 1, 1), "POSTING_KIND 0 9 0");
    assert_string_equal(post(venue, 'A', CASH, POSTING_COVER, 0), "QUANTITY_NOT_POSITIVE 1 0 0");
}

static void chain_facts_and_covers_are_of_members_only(void **state)
{
    struct venue *venue = *state;
    const uint8_t kinds[] = {POSTING_CHAIN_IN, POSTING_CHAIN_OUT, POSTING_COVER};
    for (size_t i = 0; i < sizeof kinds; i++)
        for (uint32_t account = ACCOUNT_OUTSIDE; account <= ACCOUNT_DEFICIT; account++) {
            char expected[64];
            (void)snprintf(expected, sizeof expected, "UNKNOWN_ACCOUNT 0 %u 0", account);
            assert_string_equal(post(venue, (char)('A' + (int)account - FIRST), TOKEN, kinds[i], 1),
                                expected);
        }
    // The treasury may transfer what it has.
    trade_of_ten(venue);
    assert_string_equal(
        post_to(venue, (char)('A' + ACCOUNT_TREASURY - FIRST), CASH, POSTING_TRANSFER, 11, B),
        "INSUFFICIENT_BALANCE 11 10 0");
    assert_string_equal(
        post_to(venue, (char)('A' + ACCOUNT_TREASURY - FIRST), CASH, POSTING_TRANSFER, 10, B),
        "posted -10");
}

static void what_comes_on_the_chain_is_there_at_once(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_IN, 7), "posted 7");
    assert_int_equal(there(venue, A, TOKEN), 1007);
    assert_int_equal(there(venue, ACCOUNT_OUTSIDE, TOKEN), -4007);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1007), "posted -1007");
    assert_int_equal(there(venue, A, TOKEN), 0);
    assert_int_equal(owed(venue, A, TOKEN), 0);
    assert_int_equal(there(venue, ACCOUNT_OUTSIDE, TOKEN), -3000);
}

static void what_left_on_the_chain_and_was_not_there_is_owed(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1003),
                        "posted -1000; A owes 3 (+3)");
    assert_int_equal(venue->events[1].body.deficit_changed.counter_account, ACCOUNT_OUTSIDE);
    assert_int_equal(there(venue, ACCOUNT_DEFICIT, TOKEN), -3);
    assert_int_equal(there(venue, ACCOUNT_OUTSIDE, TOKEN), -2997);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 4), "posted 0; A owes 7 (+4)");
    assert_string_equal(post(venue, 'B', TOKEN, POSTING_CHAIN_OUT, 1001),
                        "posted -1000; B owes 1 (+1)");
    assert_int_equal(there(venue, ACCOUNT_DEFICIT, TOKEN), -8);
    assert_false(goes_on(venue)); // nobody has orders
}

static void an_account_without_a_balance_owes_all_of_it(void **state)
{
    struct venue *venue = *state;
    start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
        (struct asset_set_cmd){.asset = NEXT_ASSET, .kind = ASSET_TOKEN};
    apply(venue);
    assert_string_equal(post(venue, 'A', NEXT_ASSET, POSTING_CHAIN_OUT, 5),
                        "posted 0; A owes 5 (+5)");
    assert_int_equal(there(venue, ACCOUNT_OUTSIDE, NEXT_ASSET), 5);
}

// ---- bounds

static void no_entry_passes_its_bound(void **state)
{
    struct venue *venue = *state;
    const char *const above = "OVERFLOW 2305843009213693952 2305843009213693953 0";
    const uint8_t gives[] = {POSTING_DEPOSIT, POSTING_CREDIT, POSTING_CHAIN_IN};
    for (size_t i = 0; i < sizeof gives; i++)
        assert_string_equal(post(venue, 'A', TOKEN, gives[i], BOUND + 1), above);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, BOUND + 1), above);
    // Outside is 4000 below zero.
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_IN, BOUND - 3999),
                        "OVERFLOW 2305843009213693952 2305843009213689953 0");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_IN, BOUND - 4000),
                        "posted 2305843009213689952");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_DEPOSIT, 1),
                        "OVERFLOW 2305843009213693952 1 0");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CREDIT, BOUND),
                        "posted 2305843009213693952");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CREDIT, 1),
                        "OVERFLOW 2305843009213693952 1 0");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_WITHDRAWAL, BOUND + 1), above);
    assert_string_equal(post_to(venue, 'A', TOKEN, POSTING_TRANSFER, BOUND + 1, B), above);
    assert_string_equal(post_to(venue, 'A', TOKEN, POSTING_TRANSFER, BOUND, B),
                        "posted -2305843009213693952");
    assert_string_equal(post(venue, 'B', TOKEN, POSTING_DEBIT, BOUND),
                        "posted -2305843009213693952");
}

static void deficits_have_a_bound_together(void **state)
{
    struct venue *venue = *state;
    char words[96];
    (void)snprintf(words, sizeof words, "posted -1000; A owes %ld (+%ld)", BOUND - 1000,
                   BOUND - 1000);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, BOUND), words);
    assert_string_equal(post(venue, 'B', TOKEN, POSTING_CHAIN_OUT, 2001),
                        "OVERFLOW 2305843009213693952 2001 0");
    assert_string_equal(post(venue, 'B', TOKEN, POSTING_CHAIN_OUT, 2000),
                        "posted -1000; B owes 1000 (+1000)");
    assert_string_equal(post(venue, 'C', TOKEN, POSTING_CHAIN_OUT, 1000), "posted -1000");
    assert_string_equal(post(venue, 'C', TOKEN, POSTING_CHAIN_OUT, 1),
                        "OVERFLOW 2305843009213693952 1 0");
}

static void a_deficit_needs_a_balance_of_its_own(void **state)
{
    struct venue *venue = *state;
    for (uint32_t asset = NEXT_ASSET; asset <= ASSETS; asset++) {
        start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
            (struct asset_set_cmd){.asset = asset, .kind = ASSET_TOKEN};
        apply(venue);
    }
    for (char who = 'A'; who <= 'C'; who++) // 15 of 16 balances
        post(venue, who, NEXT_ASSET, POSTING_DEPOSIT, 5);
    assert_string_equal(post(venue, 'D', ASSETS, POSTING_DEPOSIT, 1), "BALANCES_MAX 16 15 0");
    assert_string_equal(post(venue, 'D', NEXT_ASSET, POSTING_CHAIN_OUT, 1), "BALANCES_MAX 16 15 0");
    assert_string_equal(post(venue, 'A', NEXT_ASSET, POSTING_CHAIN_OUT, 6),
                        "posted -5; A owes 1 (+1)");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1001), "BALANCES_MAX 16 16 0");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1000), "posted -1000");
}

// ---- covering

static void what_comes_in_covers_first(void **state)
{
    struct venue *venue = *state;
    post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1100);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_DEPOSIT, 40), "posted 40; A owes 60 (-40)");
    assert_int_equal(venue->events[0].body.ledger_posted.available, 40); // before it covers
    assert_int_equal(venue->events[1].body.deficit_changed.available, 0);
    assert_int_equal(venue->events[1].body.deficit_changed.counter_account, A);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CREDIT, 10), "posted 10; A owes 50 (-10)");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_IN, 20),
                        "posted 20; A owes 30 (-20)");
    assert_string_equal(post_to(venue, 'B', TOKEN, POSTING_TRANSFER, 29, A),
                        "posted -29; A owes 1 (-29)");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_DEPOSIT, 1), "posted 1; A owes 0 (-1)");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_DEPOSIT, 1), "posted 1");
    post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 11);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_DEPOSIT, 12), "posted 12; A owes 0 (-10)");
    assert_int_equal(there(venue, A, TOKEN), 2);
    assert_int_equal(there(venue, ACCOUNT_DEFICIT, TOKEN), 0);
}

// Trades do not cover; an operator may.
static void an_operator_covers_from_what_is_available(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_COVER, 1), "QUANTITY_MAX 0 1 0");
    post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1005);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_COVER, 1), "INSUFFICIENT_BALANCE 1 0 0");
    PLAY(venue, {"C sells 9 @ 100", "#1 holds 9"},
         {"A buys 9 @ 100", "#2 holds 900; A buys 9 @ 100 from C fee 9 saved 0 left 0/0"});
    venue->number = 100;
    assert_int_equal(owed(venue, A, TOKEN), 5);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_COVER, 10), "INSUFFICIENT_BALANCE 10 9 0");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_COVER, 6), "QUANTITY_MAX 5 6 0");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_COVER, 4),
                        "posted -4; A owes 1 (-4) entered");
    assert_int_equal(venue->events[0].body.ledger_posted.counter_account, ACCOUNT_DEFICIT);
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_COVER, 1),
                        "posted -1; A owes 0 (-1) entered");
    assert_int_equal(there(venue, A, TOKEN), 4);
    assert_int_equal(there(venue, ACCOUNT_DEFICIT, TOKEN), 0);
}

// ---- while something is owed

static void who_owes_may_not_sell_or_withdraw_that(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"C sells 9 @ 100", "#1 holds 9"});
    post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1005);
    PLAY(venue, {"A buys 9 @ 100", "#2 holds 900; A buys 9 @ 100 from C fee 9 saved 0 left 0/0"},
         {"A sells 9 @ 100", "DEFICIT 0 5 2"}, {"A sells 99 @ 100", "DEFICIT 0 5 2"});
    venue->number = 100;
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_WITHDRAWAL, 1), "DEFICIT 0 5 2");
    assert_string_equal(post_to(venue, 'A', TOKEN, POSTING_TRANSFER, 99, B), "DEFICIT 0 5 2");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_DEBIT, 1), "posted -1");
    assert_string_equal(post(venue, 'A', CASH, POSTING_WITHDRAWAL, 1), "posted -1");
    PLAY(venue, {"A buys 1 @ 100", "#3 holds 100"});
}

static void who_owes_cash_may_not_buy(void **state)
{
    struct venue *venue = *state;
    post(venue, 'A', CASH, POSTING_CHAIN_OUT, 100005);
    PLAY(venue, {"A buys 1 @ 100", "DEFICIT 0 5 1"}, {"A sells 1 @ 100", "#1 holds 1"});
    post(venue, 'B', CASH, POSTING_CHAIN_OUT, 99990);
    PLAY(venue, {"B buys 1 @ 5", "#2 holds 5"});
}

static void nothing_is_open_any_more_of_what_is_owed(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A sells 10 @ 100", "#1 holds 10"});
    post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 990);
    PLAY(venue, {"A amends 1 to 11 @ 100", "INSUFFICIENT_BALANCE 1 0 0"},
         {"B sells 1 @ 100", "#2 holds 1"});
    post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 12);
    assert_string_equal(go_on(venue),
                        "#1 cancelled 10 releases 10 reason 18; A owes 2 (-10); done 2");
    PLAY(venue, {"A amends 1 to 1 @ 100", "UNKNOWN_ORDER #1"},
         {"A sells 1 @ 100", "DEFICIT 0 2 2"});
}

// ---- uncover

static void the_newest_orders_go_until_nothing_is_owed(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A sells 300 @ 101", "#1 holds 300"}, {"A sells 300 @ 102", "#2 holds 300"},
         {"A buys 5 @ 99", "#3 holds 495"},
         {"A sells 300 @ 103 show=100", "#4 holds 300; terms show 100"},
         {"B sells 300 @ 103", "#5 holds 300"});
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 100), "posted -100");
    assert_false(goes_on(venue));
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 400),
                        "posted 0; A owes 400 (+400)");
    assert_string_equal(go_on(venue), "#4 cancelled 300 releases 300 reason 18; A owes 100 (-300); "
                                      "#2 cancelled 300 releases 300 reason 18; A owes 0 (-100); "
                                      "done 4");
    assert_false(goes_on(venue));
    assert_int_equal(there(venue, A, TOKEN), 200);
    assert_int_equal(engine_open_orders(venue->engine), 3);
}

static void what_waits_goes_too_and_what_is_left_stays_owed(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A sells 300 @ 101", "#1 holds 300"},
         {"A sells 400 @ 90 stop=95", "#2 holds 400 waits for its trigger; terms stop 95"},
         {"A sells 300 @ 102 close", "#3 holds 300 waits for the close"});
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1300),
                        "posted 0; A owes 1300 (+1300)");
    assert_string_equal(go_on(venue),
                        "#3 cancelled 300 releases 300 reason 18; A owes 1000 (-300); "
                        "#2 cancelled 400 releases 400 reason 18; A owes 600 (-400); "
                        "#1 cancelled 300 releases 300 reason 18; A owes 300 (-300); "
                        "done 6");
    assert_false(goes_on(venue));
    assert_int_equal(there(venue, ACCOUNT_DEFICIT, TOKEN), -300);
}

static void buys_go_for_cash(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 500 @ 100", "#1 holds 50000"}, {"A sells 1 @ 101", "#2 holds 1"},
         {"A buys 500 @ 99", "#3 holds 49500"});
    assert_string_equal(post(venue, 'A', CASH, POSTING_CHAIN_OUT, 50000),
                        "posted -500; A owes 49500 (+49500)");
    assert_string_equal(go_on(venue),
                        "#3 cancelled 500 releases 49500 reason 18; A owes 0 (-49500); done 2");
    assert_int_equal(engine_open_orders(venue->engine), 2);
}

// Two sessions may trade for one account: the newest of both goes first.
static void orders_of_all_sessions_go_by_their_age(void **state)
{
    struct venue *venue = *state;
    uint32_t accounts[2] = {A, C};
    struct command *command = start(venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof accounts);
    command->body.session_set = (struct session_set_cmd){
        .session = 2, .member = 1, .gateway = GATEWAY_WEB, .account_count = 2};
    memcpy(command_tail_writable(command), accounts, sizeof accounts);
    assert_string_equal(apply(venue), "session_changed; session_account; session_account");
    for (int i = 0; i < 4; i++) {
        struct order_new_cmd *order =
            start_order(venue, i % 2 == 0 ? 'A' : 'C', SIDE_SELL, 100, 101);
        order->account = A;
        apply(venue);
        say(venue, i % 2 == 0 ? "B sells 1 @ 101" : "C sells 1 @ 101");
    }
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 850),
                        "posted -600; A owes 250 (+250)");
    assert_string_equal(go_on(venue), "#7 cancelled 100 releases 100 reason 18; A owes 150 (-100); "
                                      "#5 cancelled 100 releases 100 reason 18; A owes 50 (-100); "
                                      "#3 cancelled 100 releases 100 reason 18; A owes 0 (-50); "
                                      "done 6");
    assert_int_equal(engine_open_orders(venue->engine), 5);
}

static void let_session_trade_for_a(struct venue *venue, uint32_t session)
{
    const uint32_t account = A;
    struct command *command = start(venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, sizeof account);
    command->body.session_set = (struct session_set_cmd){
        .session = session, .member = 1, .gateway = GATEWAY_FIX, .account_count = 1};
    memcpy(command_tail_writable(command), &account, sizeof account);
    assert_string_equal(apply(venue), "session_changed; session_account");
}

// A's newest order over all of his sessions, whichever of them entered it.
static void of_many_sessions_the_newest_goes_first(void **state)
{
    static const uint32_t entered_by[] = {4, 1, 3, 3, 2, 4, 1, 2, 4, 3};
    enum { COUNT = sizeof entered_by / sizeof entered_by[0] };
    struct venue *venue = *state;
    for (uint32_t session = 2; session <= 4; session++)
        let_session_trade_for_a(venue, session);
    for (int i = 0; i < COUNT; i++) {
        start_order(venue, 'A', SIDE_SELL, 100, 101);
        venue->command.header.session = entered_by[i];
        apply(venue);
    }
    post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1000);
    go_on(venue);
    assert_int_equal(venue->sink.count, 2 * COUNT + 1);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(venue->events[2 * i].body.order_cancelled.order, venue->orders[COUNT - i]);
}

static void what_does_not_fit_goes_on(void **state)
{
    struct venue *venue = *state;
    for (int i = 0; i < 70; i++)
        say(venue, "A sells 10 @ 101");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1000),
                        "posted -300; A owes 700 (+700)");
    const char *answer = go_on(venue);
    assert_int_equal(venue->sink.count, 63); // 31 of two events, and done
    assert_non_null(
        strstr(answer, "#40 cancelled 10 releases 10 reason 18; A owes 390 (-10); done 62"));
    assert_int_equal(venue->events[62].body.done.more, 1);
    start(venue, CMD_clock_tick, GATEWAY_CORE);
    assert_string_equal(apply(venue), "done 0");
    go_on(venue);
    answer = go_on(venue);
    assert_non_null(
        strstr(answer, "#1 cancelled 10 releases 10 reason 18; A owes 0 (-10); done 16"));
    assert_int_equal(venue->events[16].body.done.more, 0);
    assert_false(goes_on(venue));
}

static void what_failed_to_settle_is_not_sold_any_further(void **state)
{
    struct venue *venue = *state;
    trade_of_ten(venue);
    PLAY(venue, {"A sells 500 @ 101", "#3 holds 500"}, {"A sells 3 @ 102", "#4 holds 3"},
         {"A sells 502 @ 103", "#5 holds 502"});
    assert_string_equal(settle(venue, SETTLEMENT_FAILED, 10, 990), "settlement_booked");
    // 10 are blocked, 5 available.
    assert_string_equal(go_on(venue), "#5 cancelled 502 releases 502 reason 18; done 1");
    assert_false(goes_on(venue));
    assert_string_equal(settle(venue, SETTLEMENT_RETRIED, 10, 990), "settlement_booked");
    assert_string_equal(settle(venue, SETTLEMENT_FAILED, 10, 990), "settlement_booked");
    assert_string_equal(go_on(venue), "done 0"); // enough is there
    assert_string_equal(settle(venue, SETTLEMENT_RETRIED, 10, 990), "settlement_booked");
    PLAY(venue, {"A cancels 3", "#3 cancelled 500 releases 500 reason 1"},
         {"A cancels 4", "#4 cancelled 3 releases 3 reason 1"});
    assert_string_equal(settle(venue, SETTLEMENT_FAILED, 10, 990), "settlement_booked");
    assert_false(goes_on(venue)); // nothing is held
}

// The blocked units are the ones that are not in the wallet: what leaves it are others, and what is
// left must not be sold.
static void what_leaves_takes_no_settled_units_from_under_an_order(void **state)
{
    const uint8_t kinds[] = {POSTING_CHAIN_OUT, POSTING_DEBIT};
    struct venue *venue = *state;
    trade_of_ten(venue);
    assert_string_equal(settle(venue, SETTLEMENT_FAILED, 10, 990), "settlement_booked");
    say(venue, "A sells 970 @ 101");
    for (size_t i = 0; i < sizeof kinds; i++) {
        say(venue, "A sells 10 @ 102");
        assert_string_equal(post(venue, 'A', TOKEN, kinds[i], 20), "posted -20");
        assert_false(goes_on(venue)); // 10 are there, 10 are blocked
        assert_string_equal(post(venue, 'A', TOKEN, kinds[i], 10), "posted -10");
        assert_non_null(strstr(go_on(venue), "cancelled 10 releases 10 reason 18; done 1"));
        assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_IN, 30), "posted 30");
    }
    assert_string_equal(say(venue, "A sells 31 @ 101"), "INSUFFICIENT_BALANCE 31 30 0");
}

// ---- references

static void a_reference_with_other_content_is_refused(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_CHAIN_OUT, 1001),
                        "posted -1000; A owes 1 (+1)");
    assert_string_equal(apply(venue), "repeated");
    venue->command.body.ledger_post.ref_hash = 8;
    assert_string_equal(apply(venue), "REFERENCE_CONFLICT 0 9 0");
    venue->command.body.ledger_post.ref_number = 8;
    assert_string_equal(apply(venue), "REFERENCE_OLD 9 8 0");
    venue->command.body.ledger_post.ref_number = 10;
    venue->command.body.ledger_post.kind = POSTING_COVER;
    assert_string_equal(apply(venue), "INSUFFICIENT_BALANCE 1001 0 0");
    venue->command.body.ledger_post.kind = POSTING_CHAIN_IN; // what was refused used nothing up
    assert_string_equal(apply(venue), "posted 1001; A owes 0 (-1)");
    for (uint32_t source = 0; source <= REF_SOURCE_MAX + 1; source += source == 0 ? 2 : 14) {
        venue->command.body.ledger_post.ref_source = source;
        char expected[64];
        (void)snprintf(expected, sizeof expected, "MALFORMED 15 %u 6", source);
        assert_string_equal(apply(venue), expected);
    }
}

static void a_settlement_that_comes_again_is_booked_once(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"C sells 10 @ 100", "#1 holds 10"},
         {"A buys 10 @ 100", "#2 holds 1000; A buys 10 @ 100 from C fee 10 saved 0 left 0/0"});
    assert_string_equal(settle(venue, SETTLEMENT_SETTLED, 5, 495), "settlement_booked");
    assert_string_equal(apply(venue), "repeated");
    assert_int_equal(balance(venue, FIRST, TOKEN).unsettled, 5);
    assert_int_equal(balance(venue, FIRST + 2, CASH).unsettled, 495);
    venue->command.body.settlement_result.quantity = 4;
    assert_non_null(strstr(apply(venue), "REFERENCE_CONFLICT"));
    venue->number -= 2;
    assert_non_null(strstr(settle(venue, SETTLEMENT_SETTLED, 5, 495), "REFERENCE_OLD"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_transfer_moves_what_could_be_withdrawn),
        TEST(a_transfer_goes_to_another_members_account),
        TEST(chain_facts_and_covers_are_of_members_only),
        TEST(what_comes_on_the_chain_is_there_at_once),
        TEST(what_left_on_the_chain_and_was_not_there_is_owed),
        TEST(an_account_without_a_balance_owes_all_of_it),
        TEST(no_entry_passes_its_bound),
        TEST(deficits_have_a_bound_together),
        TEST(a_deficit_needs_a_balance_of_its_own),
        TEST(what_comes_in_covers_first),
        TEST(an_operator_covers_from_what_is_available),
        TEST(who_owes_may_not_sell_or_withdraw_that),
        TEST(who_owes_cash_may_not_buy),
        TEST(nothing_is_open_any_more_of_what_is_owed),
        TEST(the_newest_orders_go_until_nothing_is_owed),
        TEST(what_waits_goes_too_and_what_is_left_stays_owed),
        TEST(buys_go_for_cash),
        TEST(orders_of_all_sessions_go_by_their_age),
        TEST(of_many_sessions_the_newest_goes_first),
        TEST(what_does_not_fit_goes_on),
        TEST(what_failed_to_settle_is_not_sold_any_further),
        TEST(what_leaves_takes_no_settled_units_from_under_an_order),
        TEST(a_reference_with_other_content_is_refused),
        TEST(a_settlement_that_comes_again_is_booked_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
