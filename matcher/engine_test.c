// The engine as a whole: matching and money, checks in their order, reference data, the ledger,
// sessions and gateways, snapshots. Types of orders beyond the plain ones: engine_order_test.c;
// phases and auctions: engine_phase_test.c.
#include "matcher/engine_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- matching

static void better_price_first_then_older_order(void **state)
{
    PLAY(*state, {"A sells 5 @ 101", "#1 holds 5"}, {"B sells 5 @ 100", "#2 holds 5"},
         {"A sells 5 @ 100", "#3 holds 5"},
         {"C buys 12 @ 101", "#4 holds 1212; C buys 5 @ 100 from B fee 5 saved 5 left 7/0; "
                             "C buys 5 @ 100 from A fee 5 saved 5 left 2/0; "
                             "C buys 2 @ 101 from A fee 2 saved 0 left 0/3"},
         {"C sells 4 @ 99", "#5 holds 4"},
         {"D buys 10 @ 99 ioc", "#6 holds 990; D buys 4 @ 99 from C fee 3 saved 0 left 6/0; "
                                "#6 cancelled 6 releases 594 reason 2"});
}

static void amend_down_keeps_time_priority(void **state)
{
    PLAY(*state, {"A buys 10 @ 100", "#1 holds 1000"}, {"B buys 10 @ 100", "#2 holds 1000"},
         {"A amends 1 to 4 @ 100", "#1 now 4 leaves 4 releases 600 kept"},
         {"C sells 6 @ 100", "#3 holds 6; C sells 4 @ 100 to A fee 4 saved 0 left 2/0; "
                             "C sells 2 @ 100 to B fee 2 saved 0 left 0/8"},
         {"B cancels 2", "#2 cancelled 8 releases 800 reason 1"},
         {"B cancels 2", "UNKNOWN_ORDER #2"});
}

static void fees_go_to_the_treasury_and_own_rates_come_first(void **state)
{
    struct venue *venue = *state;
    venue->accounts[2].fee_bps = 0;
    set_account(venue, 'C');
    PLAY(venue, {"C sells 10 @ 100", "#1 holds 10"}, {"B sells 10 @ 100", "#2 holds 10"},
         {"A buys 20 @ 100", "#3 holds 2000; A buys 10 @ 100 from C fee 0 saved 0 left 10/0; "
                             "A buys 10 @ 100 from B fee 10 saved 0 left 0/0"});
    assert_int_equal(balance(venue, ACCOUNT_TREASURY, CASH).available, 10);
    assert_int_equal(balance(venue, FIRST, TOKEN).unsettled, 20);
    assert_int_equal(balance(venue, FIRST + 1, CASH).unsettled, 990);
}

static void an_account_may_trade_with_itself_for_now(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A sells 10 @ 100", "#1 holds 10"},
         {"A buys 10 @ 101", "#2 holds 1010; A buys 10 @ 100 from A fee 10 saved 10 left 0/0"});
    assert_int_equal(balance(venue, FIRST, CASH).available, 100000 - 10);
    assert_int_equal(balance(venue, FIRST, TOKEN).available, 1000);
}

static void market_orders_stay_inside_the_collar(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(say(venue, "A buys 1 at market"), "NO_REFERENCE 0 0 0");
    set_price(venue, CMD_nav_set, 100);
    PLAY(venue, {"A buys 1 at market", "NO_LIQUIDITY 105 1 0"}, {"C sells 5 @ 105", "#1 holds 5"},
         {"C sells 5 @ 106", "#2 holds 5"},
         {"A buys 9 at market", "#3 holds 945; A buys 5 @ 105 from C fee 5 saved 0 left 4/0; "
                                "#3 cancelled 4 releases 420 reason 2"});
}

static void a_cascade_that_fills_its_events_cancels_the_rest(void **state)
{
    struct venue *venue = *state;
    for (int i = 0; i < 70; i++)
        say(venue, "A sells 1 @ 100");
    const char *answer = say(venue, "C buys 70 @ 100");
    assert_int_equal(venue->sink.count, EVENTS - 3); // fewer than 5 were free
    assert_non_null(strstr(answer, "#71 cancelled 11 releases 1100 reason 7"));
    assert_int_equal(engine_open_orders(venue->engine), 11);
}

static void a_trade_too_far_from_the_reference_trips_the_breaker(void **state)
{
    struct venue *venue = *state;
    venue->terms.breaker_bps = 300;
    set_terms(venue);
    set_price(venue, CMD_reference_set, 100);
    PLAY(venue, {"C sells 5 @ 103", "#1 holds 5"}, {"C sells 5 @ 104", "#2 holds 5"},
         {"C sells 5 @ 105", "#3 holds 5"},
         {"A buys 20 @ 105", "#4 holds 2100; A buys 5 @ 103 from C fee 5 saved 10 left 15/0; "
                             "A buys 5 @ 104 from C fee 5 saved 5 left 10/0; phase 4 breaker 1; "
                             "#4 cancelled 10 releases 1050 reason 8"},
         {"A buys 1 @ 105", "BREAKER_TRIPPED 0 1 0"},
         {"C cancels 3", "#3 cancelled 5 releases 5 reason 1"});
    assert_string_equal(set_breaker(venue, 0), "phase 4 breaker 0");
}

// ---- every refusal, with its numbers

static const char *order_with(struct venue *venue, size_t offset, uint8_t value)
{
    struct order_new_cmd *order = start_order(venue, 'A', SIDE_BUY, 10, 100);
    ((uint8_t *)order)[offset] = value;
    return apply(venue);
}

static void form_is_checked_first_and_in_order(void **state)
{
    struct venue *venue = *state;
    venue->terms.tick = 5;
    venue->terms.lot = 2;
    venue->terms.order_quantity_max = 500;
    venue->terms.order_notional_max = 20000;
    set_terms(venue);
    assert_string_equal(order_with(venue, offsetof(struct order_new_cmd, side), 3), "SIDE 0 3 0");
    assert_string_equal(order_with(venue, offsetof(struct order_new_cmd, type), 9),
                        "ORDER_TYPE 0 9 0");
    assert_string_equal(order_with(venue, offsetof(struct order_new_cmd, tif), 5),
                        "TIME_IN_FORCE 0 5 0");
    start_order(venue, 'A', SIDE_BUY, 2, 100)->type = ORDER_MARKET;
    assert_string_equal(apply(venue), "PRICE_ON_MARKET 0 100 0");
    PLAY(venue, {"A buys 0 @ 100", "QUANTITY_NOT_POSITIVE 1 0 0"},
         {"A buys -4 @ 100", "QUANTITY_NOT_POSITIVE 1 -4 0"},
         {"A buys 2 @ -5", "PRICE_NOT_POSITIVE 1 -5 0"}, {"A buys 2 @ 101", "OFF_TICK 5 101 0"},
         {"A buys 3 @ 100", "OFF_LOT 2 3 0"}, {"A buys 502 @ 100", "QUANTITY_MAX 500 502 0"},
         {"A buys 500 @ 100", "NOTIONAL_MAX 20000 50000 0"});
    venue->terms.collar_bps = 0;
    venue->terms.order_quantity_max = 0;
    venue->terms.order_notional_max = 0;
    set_terms(venue);
    PLAY(venue, {"A buys 2 at market", "ORDER_TYPE 0 1 0"},
         {"A buys 9223372036854775806 @ 100",
          "OVERFLOW 2305843009213693952 9223372036854775806 100"});
}

static void pre_flight_compares_with_last_trade_then_reference_then_nav(void **state)
{
    struct venue *venue = *state;
    set_price(venue, CMD_nav_set, 100);
    PLAY(venue, {"A buys 1 @ 151 confirmed", "FAT_FINGER_BLOCK 5000 5100 100"},
         {"A buys 1 @ 111", "FAT_FINGER_CONFIRM 1000 1100 100"},
         {"A buys 1 @ 111 confirmed", "#1 holds 111"});
    set_price(venue, CMD_reference_set, 120);
    PLAY(venue, {"A buys 1 @ 121", "NAV_CONFIRM 2000 2100 100"},
         {"A sells 1 @ 107", "FAT_FINGER_CONFIRM 1000 1084 120"},
         {"C sells 1 @ 111", "#2 holds 1; C sells 1 @ 111 to A fee 1 saved 0 left 0/0"},
         {"A buys 1 @ 99", "FAT_FINGER_CONFIRM 1000 1082 111"}, {"A buys 1 @ 110", "#3 holds 110"});
    venue->terms.collar_bps = 1100;
    set_terms(venue);
    assert_string_equal(say(venue, "C buys 1 at market"), "FAT_FINGER_CONFIRM 1000 1082 111");
}

static void an_instrument_may_demand_a_nav(void **state)
{
    struct venue *venue = *state;
    venue->terms.flags |= INSTRUMENT_NAV_REQUIRED;
    set_terms(venue);
    assert_string_equal(say(venue, "A buys 1 @ 100"), "NAV_MISSING 0 0 0");
}

static void eligibility_follows_in_its_order(void **state)
{
    struct venue *venue = *state;
    venue->terms.status = TOKEN_PAUSED;
    venue->terms.trading_mode = MODE_FIXED_PRICE_OTC;
    set_terms(venue);
    set_phase(venue, PHASE_HALTED);
    venue->accounts[0].flags = ACCOUNT_SUSPENDED;
    venue->accounts[0].kyc = KYC_IN_REVIEW;
    venue->accounts[0].fatca = FATCA_BLOCKED;
    set_account(venue, 'A');
    set_member(venue, 1);
    assert_string_equal(say(venue, "A buys 1 @ 100"), "TOKEN_STATUS 3 4 0");
    venue->terms.status = TOKEN_SECONDARY;
    set_terms(venue);
    assert_string_equal(say(venue, "A buys 1 @ 100"), "TRADING_MODE 2 3 0");
    venue->terms.trading_mode = MODE_FULL_ORDERBOOK;
    set_terms(venue);
    assert_string_equal(say(venue, "A buys 1 @ 100"), "PHASE 4 6 0");
    set_phase(venue, PHASE_CONTINUOUS);
    assert_string_equal(say(venue, "A buys 1 @ 100"), "NO_WALLET 0 16 0");
    venue->accounts[0].flags = ACCOUNT_SUSPENDED | ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET;
    set_account(venue, 'A');
    assert_string_equal(say(venue, "A buys 1 @ 100"), "KYC 4 3 0");
    venue->accounts[0].kyc = KYC_APPROVED;
    set_account(venue, 'A');
    assert_string_equal(say(venue, "A buys 1 @ 100"), "FATCA 1 2 0");
    venue->accounts[0].fatca = FATCA_CLEAR;
    set_account(venue, 'A');
    assert_string_equal(say(venue, "A buys 1 @ 100"), "NOT_ACTIVATED 0 16 0");
    venue->accounts[0].flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET;
    set_account(venue, 'A');
    assert_string_equal(say(venue, "A buys 1 @ 100"), "MEMBER_SUSPENDED 0 1 0");
    set_member(venue, 0);
    assert_string_equal(say(venue, "A buys 1 @ 100"), "#1 holds 100");
}

static void investment_limits_bind_buys_only(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 5000001 @ 100", "INVESTMENT_LIMIT 500000000 500000100 0"},
         {"A sells 5000001 @ 100", "INSUFFICIENT_BALANCE 5000001 1000 0"},
         {"A buys 1001 @ 100", "INSUFFICIENT_BALANCE 100100 100000 0"});
    venue->accounts[0].accreditation = ACCREDITATION_PROFESSIONAL;
    set_account(venue, 'A');
    PLAY(venue, {"A buys 50000001 @ 100", "INVESTMENT_LIMIT 5000000000 5000000100 0"});
    venue->accounts[0].accreditation = ACCREDITATION_INSTITUTIONAL;
    set_account(venue, 'A');
    PLAY(venue, {"A buys 500000001 @ 100", "INVESTMENT_LIMIT 50000000000 50000000100 0"});
    venue->accounts[0].flags |= ACCOUNT_NO_LIMITS;
    set_account(venue, 'A');
    PLAY(venue, {"A buys 500000001 @ 100", "INSUFFICIENT_BALANCE 50000000100 100000 0"});
}

static void who_asks_is_checked_before_what(void **state)
{
    struct venue *venue = *state;
    start_order(venue, 'A', 9, 10, 100);
    venue->command.header.session = 3;
    assert_string_equal(apply(venue), "UNKNOWN_SESSION 0 3 0");
    start_order(venue, 'A', 9, 10, 100);
    venue->command.header.session = 2;
    assert_string_equal(apply(venue), "SESSION_WRONG_GATEWAY 2 2 1");
    start_order(venue, 'A', 9, 10, 100)->account = FIRST + 2;
    assert_string_equal(apply(venue), "ACCOUNT_NOT_OF_SESSION 0 18 0");
    start_order(venue, 'A', 9, 10, 100)->instrument = 2;
    assert_string_equal(apply(venue), "UNKNOWN_INSTRUMENT 0 2 0");
    start_order(venue, 'A', 9, 10, 100);
    venue->command.header.incarnation = 7;
    assert_string_equal(apply(venue), "NOT_ATTACHED 1 7 0");
    start_order(venue, 'A', SIDE_BUY, 10, 100)->client_id_bytes = 0;
    memset(command_tail_writable(&venue->command), 0, 4);
    assert_string_equal(apply(venue), "CLIENT_ID_LENGTH 36 0 0");
    set_venue(venue, VENUE_CANCEL_ONLY);
    assert_string_equal(say(venue, "A buys 1 @ 100"), "VENUE_CANCEL_ONLY 0 1 0");
}

static void cancels_and_amends_are_the_owners(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 10 @ 100", "#1 holds 1000"}, {"B cancels 1", "NOT_OWNER #1"},
         {"C sells 4 @ 100", "#2 holds 4; C sells 4 @ 100 to A fee 4 saved 0 left 0/6"},
         {"A amends 1 to 5 @ 100", "#1 now 5 leaves 1 releases 500 kept"},
         {"A amends 1 to 4 @ 100", "#1 cancelled 1 releases 100 reason 14"},
         {"A amends 1 to 4 @ 100", "UNKNOWN_ORDER #1"});
}

static void capacity_is_refused_not_exceeded(void **state)
{
    struct venue *venue = *state;
    char words[64];
    for (int i = 0; i < 16; i++) {
        (void)snprintf(words, sizeof(words), "A buys 1 @ %d", 100 - i);
        say(venue, words);
    }
    assert_string_equal(say(venue, "A buys 1 @ 50"), "LEVELS_MAX 16 16 0");
    for (int i = 0; i < 84; i++)
        say(venue, "A buys 1 @ 100");
    assert_string_equal(say(venue, "A buys 1 @ 100"), "ORDERS_MAX 100 100 0");
    start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
        (struct asset_set_cmd){.asset = 3, .kind = ASSET_TOKEN};
    apply(venue);
    for (int i = 0; i < 4; i++)
        assert_string_equal(post(venue, (char)('A' + i), 3, POSTING_DEPOSIT, 1), "posted 1");
    start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
        (struct asset_set_cmd){.asset = 4, .kind = ASSET_TOKEN};
    apply(venue);
    assert_string_equal(post(venue, 'A', 4, POSTING_DEPOSIT, 1), "BALANCES_MAX 16 16 0");
    start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set.asset = 5;
    assert_string_equal(apply(venue), "ID_RANGE 4 5 0");
}

// ---- reference data

static void reference_data_names_the_field_it_refuses(void **state)
{
    struct venue *venue = *state;
    start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
        (struct asset_set_cmd){.asset = CASH, .kind = ASSET_CASH, .scale = 5};
    assert_string_equal(apply(venue), "ASSET_TERMS 0 5 3");
    venue->accounts[0].member = 2;
    assert_string_equal(set_account(venue, 'A'), "UNKNOWN_MEMBER 0 2 0");
    venue->accounts[0].member = 1;
    venue->accounts[0].kyc = 9;
    assert_string_equal(set_account(venue, 'A'), "MALFORMED 0 9 4");
    venue->terms.tick = 0;
    assert_string_equal(set_terms(venue), "INSTRUMENT_TERMS 0 0 8");
    venue->terms.tick = ((int64_t)1 << 60) + 1; // two of them are more than MONEY_MAX
    venue->terms.lot = 2;
    assert_string_equal(set_terms(venue), "INSTRUMENT_TERMS 0 2 9");
    venue->terms.tick = (int64_t)1 << 60;
    assert_string_equal(set_terms(venue), "instrument_changed");
    venue->terms.tick = 1;
    venue->terms.lot = 1;
    set_terms(venue);
    venue->terms.token_asset = CASH;
    assert_string_equal(set_terms(venue), "INSTRUMENT_TERMS 0 1 2");
    venue->terms.token_asset = 3;
    assert_string_equal(set_terms(venue), "UNKNOWN_ASSET 0 3 0");
    venue->terms.token_asset = TOKEN;
    say(venue, "A buys 10 @ 100");
    venue->terms.tick = 2;
    assert_string_equal(set_terms(venue), "INSTRUMENT_BUSY 0 1 0");
    assert_string_equal(set_price(venue, CMD_nav_set, 0), "PRICE_NOT_POSITIVE 1 0 0");
}

// ---- ledger and settlement

static void a_reference_is_booked_once(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(post(venue, 'A', CASH, POSTING_DEPOSIT, 5), "posted 5");
    venue->number--;
    assert_string_equal(post(venue, 'A', CASH, POSTING_DEPOSIT, 5), "repeated");
    venue->command.body.ledger_post.ref_hash = 8;
    assert_string_equal(apply(venue), "REFERENCE_CONFLICT 0 9 0");
    venue->command.body.ledger_post.ref_number = 3;
    assert_string_equal(apply(venue), "REFERENCE_OLD 9 3 0");
    venue->command.body.ledger_post.ref_number = 10;
    venue->command.body.ledger_post.kind = 9;
    assert_string_equal(apply(venue), "POSTING_KIND 0 9 0");
    venue->command.body.ledger_post.kind = POSTING_DEPOSIT;
    venue->command.body.ledger_post.account = 39;
    assert_string_equal(apply(venue), "UNKNOWN_ACCOUNT 0 39 0");
    assert_int_equal(balance(venue, FIRST, CASH).available, 100005);
    assert_int_equal(balance(venue, ACCOUNT_OUTSIDE, CASH).available, -400005);
}

static void what_is_unsettled_cannot_leave_and_what_failed_cannot_be_sold(void **state)
{
    struct venue *venue = *state;
    venue->number = 0;
    PLAY(venue, {"C sells 10 @ 100", "#1 holds 10"},
         {"A buys 10 @ 100", "#2 holds 1000; A buys 10 @ 100 from C fee 10 saved 0 left 0/0"});
    venue->number = 100;
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_WITHDRAWAL, 1001),
                        "WITHDRAWAL_UNSETTLED 1000 1001 0");
    assert_string_equal(post(venue, 'C', CASH, POSTING_WITHDRAWAL, 100001),
                        "WITHDRAWAL_UNSETTLED 100000 100001 0");
    assert_string_equal(post(venue, 'C', CASH, POSTING_WITHDRAWAL, 200000),
                        "INSUFFICIENT_BALANCE 200000 100990 0");
    assert_string_equal(settle(venue, SETTLEMENT_FAILED, 10, 990), "settlement_booked");
    assert_string_equal(say(venue, "A sells 1001 @ 100"), "INSUFFICIENT_BALANCE 1001 1000 0");
    assert_string_equal(settle(venue, SETTLEMENT_SETTLED, 10, 990), "SETTLEMENT_MISMATCH 0 10 0");
    assert_string_equal(settle(venue, SETTLEMENT_RETRIED, 10, 990), "settlement_booked");
    PLAY(venue, {"A sells 1010 @ 100", "#3 holds 1010"},
         {"A cancels 3", "#3 cancelled 1010 releases 1010 reason 1"});
    venue->terms.flags = 0;
    set_terms(venue);
    assert_string_equal(say(venue, "A sells 1001 @ 100"), "INSUFFICIENT_BALANCE 1001 1000 0");
    assert_string_equal(settle(venue, SETTLEMENT_SETTLED, 10, 990), "settlement_booked");
    venue->number--;
    assert_string_equal(settle(venue, SETTLEMENT_SETTLED, 10, 990), "repeated");
    assert_string_equal(post(venue, 'A', TOKEN, POSTING_WITHDRAWAL, 1010), "posted -1010");
    assert_string_equal(post(venue, 'C', CASH, POSTING_WITHDRAWAL, 100990), "posted -100990");
}

// ---- what a gateway that was taken over may try

// It goes on to Postgres, to FIX and into logs: a text that one of them cannot hold would stop it
// for everybody.
static void a_client_id_that_is_no_plain_text_is_refused_and_not_repeated(void **state)
{
    struct venue *venue = *state;
    static const char *const bad[] = {"te\0t", "te\xfft", "te\nt", "tes\x7f", "\001est"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        start_order(venue, 'C', SIDE_BUY, 1, 100);
        memcpy(command_tail_writable(&venue->command), bad[i], 4);
        assert_string_equal(apply(venue), "MALFORMED 0 0 0");
        assert_int_equal(venue->events[0].body.rejected.client_id_bytes, 0);
        assert_int_equal(venue->events[0].body.rejected.client_id[0], 0);
        uint8_t bytes;
        struct command *command = start_session(venue, CMD_order_mass_cancel, 'C', &bytes);
        command->body.order_mass_cancel.client_id_bytes = bytes;
        memcpy(command_tail_writable(command), bad[i], 4);
        assert_string_equal(apply(venue), "MALFORMED 0 0 0");
        assert_int_equal(venue->events[0].body.rejected.client_id_bytes, 0);
    }
    start_order(venue, 'C', SIDE_BUY, 1, 100);
    memcpy(command_tail_writable(&venue->command), " ~\"\\", 4);
    assert_string_equal(apply(venue), "#1 holds 100");
}

// Followers count a session's messages by the events' headers: WebSocket must not count for FIX.
static void a_gateway_cannot_count_messages_for_sessions_of_another(void **state)
{
    struct venue *venue = *state;
    start_order(venue, 'C', SIDE_BUY, 1, 100);
    venue->command.header.session = 1; // A's and B's, by FIX
    venue->command.header.session_seq = 1000000;
    assert_string_equal(apply(venue), "SESSION_WRONG_GATEWAY 1 1 2");
    assert_int_equal(venue->events[0].header.session_seq, 0);
    start_order(venue, 'C', SIDE_BUY, 1, 100);
    venue->command.header.session = 7; // nobody's yet
    venue->command.header.session_seq = 1000000;
    assert_string_equal(apply(venue), "UNKNOWN_SESSION 0 7 0");
    assert_int_equal(venue->events[0].header.session_seq, 0);
    start_order(venue, 'C', SIDE_BUY, 1, 100);
    venue->command.header.session_seq = 5;
    assert_string_equal(apply(venue), "#1 holds 100");
    assert_int_equal(venue->events[0].header.session, 2);
    assert_int_equal(venue->events[0].header.session_seq, 5);
}

// Only the venue may say that it was the venue.
static void a_session_leaves_for_a_reason_of_its_own_only(void **state)
{
    struct venue *venue = *state;
    static const struct {
        uint32_t asked, written;
    } reasons[] = {{CANCEL_BY_OWNER, CANCEL_BY_OWNER},
                   {CANCEL_BY_VENUE, CANCEL_DISCONNECT},
                   {CANCEL_SUSPENDED, CANCEL_DISCONNECT},
                   {200, CANCEL_DISCONNECT},
                   {0, CANCEL_DISCONNECT}};
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        say(venue, "C buys 1 @ 91");
        start(venue, CMD_session_close, GATEWAY_WEB)->body.session_close =
            (struct session_close_cmd){.closed_session = 2, .reason = reasons[i].asked};
        apply(venue);
        assert_int_equal(venue->events[0].header.type, EVT_order_cancelled);
        assert_int_equal(venue->events[0].body.order_cancelled.reason, reasons[i].written);
    }
}

// ---- sessions and gateways

static void a_session_that_leaves_loses_its_orders_if_it_asked_for_that(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 1 @ 90", "#1 holds 90"}, {"C buys 1 @ 91", "#2 holds 91"},
         {"D buys 1 @ 89", "#3 holds 89"});
    start(venue, CMD_session_close, GATEWAY_WEB)->body.session_close.closed_session = 2;
    assert_string_equal(apply(venue), "#2 cancelled 1 releases 91 reason 3; "
                                      "#3 cancelled 1 releases 89 reason 3; session 2 closed");
    start(venue, CMD_session_close, GATEWAY_FIX)->body.session_close.closed_session = 1;
    assert_string_equal(apply(venue), "session 1 closed");
    assert_int_equal(engine_open_orders(venue->engine), 1);
}

static void a_new_incarnation_learns_what_was_taken_and_closes_the_old(void **state)
{
    struct venue *venue = *state;
    char expected[128];
    say(venue, "C buys 1 @ 91");
    uint64_t last = venue->command.header.gateway_seq;
    start(venue, CMD_gateway_attach, GATEWAY_WEB)->header.incarnation = 2;
    (void)snprintf(expected, sizeof(expected),
                   "attached last %lu; #1 cancelled 1 releases 91 reason 3; session 2 closed",
                   last);
    assert_string_equal(apply(venue), expected);
    assert_string_equal(say(venue, "C buys 1 @ 91"), "NOT_ATTACHED 2 1 0");
}

// Who may not enter an order has none resting either: the next command cancels them.
static void an_account_that_may_not_trade_any_more_loses_its_orders(void **state)
{
    struct venue *venue = *state;
    struct command next;
    PLAY(venue, {"A buys 1 @ 90", "#1 holds 90"}, {"B buys 1 @ 91", "#2 holds 91"},
         {"A sells 2 @ 99", "#3 holds 2"});
    venue->accounts[0].flags |= ACCOUNT_SUSPENDED;
    assert_string_equal(set_account(venue, 'A'), "account_changed");
    assert_string_equal(go_on(venue), "#1 cancelled 1 releases 90 reason 5; "
                                      "#3 cancelled 2 releases 2 reason 5; done 2");
    assert_false(engine_continuation(venue->engine, &next));
    venue->accounts[1].fatca = FATCA_BLOCKED;
    assert_string_equal(set_account(venue, 'B'), "account_changed");
    assert_string_equal(go_on(venue), "#2 cancelled 1 releases 91 reason 5; done 1");
    assert_string_equal(set_account(venue, 'B'), "account_changed");
    assert_false(engine_continuation(venue->engine, &next));
}

static void a_suspended_member_loses_the_orders_of_all_its_accounts(void **state)
{
    struct venue *venue = *state;
    struct command next;
    PLAY(venue, {"C buys 1 @ 90", "#1 holds 90"}, {"B buys 1 @ 91", "#2 holds 91"});
    for (int i = 0; i < 70; i++)
        say(venue, "A buys 1 @ 80");
    set_member(venue, 1);
    assert_non_null(strstr(go_on(venue), "#64 cancelled 1 releases 80 reason 5; done 63"));
    assert_non_null(strstr(go_on(venue), "#72 cancelled 1 releases 80 reason 5; "
                                         "#1 cancelled 1 releases 90 reason 5; done 9"));
    assert_false(engine_continuation(venue->engine, &next));
    assert_int_equal(engine_open_orders(venue->engine), 0);
}

// Else the session of the old firm could go on trading for it.
static void neither_an_account_nor_a_session_moves_to_another_member(void **state)
{
    struct venue *venue = *state;
    start(venue, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = 2;
    apply(venue);
    venue->accounts[0].member = 2;
    assert_string_equal(set_account(venue, 'A'), "MALFORMED 0 2 2");
    start(venue, CMD_session_set, GATEWAY_ADMIN)->body.session_set =
        (struct session_set_cmd){.session = 1, .member = 2, .gateway = GATEWAY_FIX};
    assert_string_equal(apply(venue), "MALFORMED 0 2 2");
}

static void a_mass_cancel_goes_on_in_the_next_command(void **state)
{
    struct venue *venue = *state;
    struct command next;
    for (int i = 0; i < 70; i++)
        say(venue, i % 2 == 0 ? "A buys 1 @ 100" : "B buys 1 @ 99");
    assert_false(engine_continuation(venue->engine, &next));
    const char *answer = say(venue, "A cancels all");
    assert_non_null(strstr(answer, "#63 cancelled 1 releases 100 reason 6; done 63"));
    assert_true(engine_continuation(venue->engine, &next));
    memset(&venue->command, 0, sizeof(venue->command));
    memcpy(&venue->command, &next, (size_t)next.header.slots * SLOT_BYTES);
    answer = apply(venue);
    assert_non_null(strstr(answer, "#70 cancelled 1 releases 99 reason 6; done 7"));
    assert_false(engine_continuation(venue->engine, &next));
    assert_int_equal(engine_open_orders(venue->engine), 0);
}

static void what_changes_nothing_says_so(void **state)
{
    struct venue *venue = *state;
    start(venue, CMD_journal_digest, GATEWAY_CORE);
    assert_string_equal(apply(venue), "done 0");
    start(venue, CMD_clock_tick, GATEWAY_CORE);
    assert_string_equal(apply(venue), "done 0");
    assert_true(engine_next_deadline_ns(venue->engine) == UINT64_MAX);
}

// ---- snapshots

struct loader {
    struct engine *engine;
    bool valid;
    uint32_t spoil; // this record is spoilt
    uint32_t count;
};

static int load_record(void *context, const struct snapshot_record *record)
{
    struct loader *loader = context;
    struct snapshot_record copy = *record;
    if (++loader->count == loader->spoil)
        memset(&copy.body, 0xff, sizeof(copy.body));
    loader->valid = engine_load(loader->engine, &copy);
    return loader->valid ? 0 : 1;
}

static void a_snapshot_record_that_cannot_be_is_refused(void **state)
{
    struct venue *venue = *state;
    void *memory = aligned_alloc(64, engine_bytes(&limits));
    say(venue, "A buys 1 @ 100");
    struct loader loader = {.valid = true, .spoil = UINT32_MAX};
    memset(memory, 0, engine_bytes(&limits));
    loader.engine = engine_init(memory, &limits);
    assert_int_equal(engine_save(venue->engine, load_record, &loader), 0);
    assert_true(engine_digest(loader.engine) == engine_digest(venue->engine));
    uint32_t records = loader.count;
    for (uint32_t spoil = 1; spoil <= records; spoil++) {
        memset(memory, 0, engine_bytes(&limits));
        loader = (struct loader){.engine = engine_init(memory, &limits), .spoil = spoil};
        assert_int_equal(engine_save(venue->engine, load_record, &loader), 1);
        assert_false(loader.valid);
    }
    free(memory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(better_price_first_then_older_order),
        TEST(amend_down_keeps_time_priority),
        TEST(fees_go_to_the_treasury_and_own_rates_come_first),
        TEST(an_account_may_trade_with_itself_for_now),
        TEST(market_orders_stay_inside_the_collar),
        TEST(a_cascade_that_fills_its_events_cancels_the_rest),
        TEST(a_trade_too_far_from_the_reference_trips_the_breaker),
        TEST(form_is_checked_first_and_in_order),
        TEST(pre_flight_compares_with_last_trade_then_reference_then_nav),
        TEST(an_instrument_may_demand_a_nav),
        TEST(eligibility_follows_in_its_order),
        TEST(investment_limits_bind_buys_only),
        TEST(who_asks_is_checked_before_what),
        TEST(cancels_and_amends_are_the_owners),
        TEST(capacity_is_refused_not_exceeded),
        TEST(reference_data_names_the_field_it_refuses),
        TEST(a_reference_is_booked_once),
        TEST(what_is_unsettled_cannot_leave_and_what_failed_cannot_be_sold),
        TEST(a_client_id_that_is_no_plain_text_is_refused_and_not_repeated),
        TEST(a_gateway_cannot_count_messages_for_sessions_of_another),
        TEST(a_session_leaves_for_a_reason_of_its_own_only),
        TEST(a_session_that_leaves_loses_its_orders_if_it_asked_for_that),
        TEST(a_new_incarnation_learns_what_was_taken_and_closes_the_old),
        TEST(an_account_that_may_not_trade_any_more_loses_its_orders),
        TEST(a_suspended_member_loses_the_orders_of_all_its_accounts),
        TEST(neither_an_account_nor_a_session_moves_to_another_member),
        TEST(a_mass_cancel_goes_on_in_the_next_command),
        TEST(what_changes_nothing_says_so),
        TEST(a_snapshot_record_that_cannot_be_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
