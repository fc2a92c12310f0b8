// Where something ends: limits of the engine, ids, time, prices, and the events of one command,
// which may run out at every single step of what takes many. After each command every invariant is
// walked and a loaded engine follows (engine_testing.h).
#include "matcher/engine_testing.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "risk/money.h"

enum { A = FIRST, B, C, D };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

// ---- memory

struct bound {
    size_t offset;
    uint32_t least;
    uint32_t most;
};
#define BOUND(limit, least, most)                                                                  \
    {                                                                                              \
        offsetof(struct engine_limits, limit), least, most                                         \
    }

static size_t bytes_with(size_t offset, uint32_t value)
{
    struct engine_limits changed = limits;
    memcpy((uint8_t *)&changed + offset, &value, sizeof value);
    return engine_bytes(&changed);
}

static void limits_out_of_range_get_no_memory(void **state)
{
    (void)state;
    static const struct bound bounds[] = {
        BOUND(accounts_max, 16, (1u << 24) - 1), BOUND(members_max, 1, 1u << 24),
        BOUND(sessions_max, 1, (1u << 24) - 1),  BOUND(session_accounts_max, 1, 1u << 24),
        BOUND(assets_max, 2, 1u << 20),          BOUND(instruments_max, 1, UINT16_MAX),
        BOUND(balances_max, 16, 1u << 27),       BOUND(orders_max, 16, 1u << 27),
        BOUND(levels_max, 16, 1u << 26),         BOUND(stops_max, 1, 1u << 25),
        BOUND(trailing_stops_max, 1, 1u << 27),  BOUND(fees_max, 0, 1u << 24)};
    assert_true(engine_bytes(&limits) > 0);
    for (size_t i = 0; i < COUNT(bounds); i++) {
        assert_true(bytes_with(bounds[i].offset, bounds[i].least) > 0);
        assert_true(bytes_with(bounds[i].offset, bounds[i].most) > 0);
        assert_true(bytes_with(bounds[i].offset, bounds[i].most + 1) == 0);
        if (bounds[i].least != 0)
            assert_true(bytes_with(bounds[i].offset, bounds[i].least - 1) == 0);
    }
    size_t events = offsetof(struct engine_limits, command_events_max);
    assert_true(bytes_with(events, TICK_BANDS_MAX + 8) > 0);
    assert_true(bytes_with(events, TICK_BANDS_MAX + 7) == 0);
}

// ---- ids

static void nobody_has_no_balance(void **state)
{
    struct venue *venue = *state;
    const uint32_t nobody[][2] = {{0, CASH}, {ACCOUNTS + 1, CASH}, {A, 0}, {A, 3}, {D + 1, CASH}};
    struct balance_rec out = {.available = 7};
    for (size_t i = 0; i < COUNT(nobody); i++)
        assert_false(engine_balance(venue->engine, nobody[i][0], nobody[i][1], &out));
    assert_int_equal(out.available, 7);
    assert_true(engine_balance(venue->engine, A, CASH, &out));
    assert_int_equal(out.available, 100000);
}

static void numbers_that_nothing_has_are_refused(void **state)
{
    struct venue *venue = *state;
    start_session(venue, CMD_order_cancel, 'A', NULL)->body.order_cancel.account = A;
    assert_string_equal(apply(venue), "UNKNOWN_ORDER #0");
    start_order(venue, 'A', SIDE_BUY, 1, 99)->type = 40;
    assert_string_equal(apply(venue), "ORDER_TYPE 0 40 0");
    PLAY(venue, {"A buys 5 @ 99 ioc min=-1", "MINIMUM_QUANTITY 5 -1 3"},
         {"A buys 5 @ 99 ioc min=6", "MINIMUM_QUANTITY 5 6 3"});
    start(venue, CMD_ledger_post, GATEWAY_ADMIN)->body.ledger_post =
        (struct ledger_post_cmd){.account = A,
                                 .asset = CASH,
                                 .amount = 1,
                                 .kind = POSTING_DEPOSIT,
                                 .ref_source = 7,
                                 .ref_number = 0};
    assert_string_equal(apply(venue), "REFERENCE_OLD 0 0 0");
    assert_string_equal(set_price(venue, CMD_reference_set, 0), "PRICE_NOT_POSITIVE 1 0 0");
    assert_string_equal(set_price(venue, CMD_reference_set, MONEY_MAX), "phase 4 breaker 0");
    assert_string_equal(set_price(venue, CMD_reference_set, MONEY_MAX + 1),
                        "PRICE_NOT_POSITIVE 1 2305843009213693953 0");
}

static const char *settle_between(struct venue *venue, uint32_t buyer, uint32_t seller,
                                  int64_t proceeds)
{
    start(venue, CMD_settlement_result, GATEWAY_SETTLE)->body.settlement_result =
        (struct settlement_result_cmd){.trade_id = 1,
                                       .ref_number = ++venue->number,
                                       .instrument = 1,
                                       .buyer_account = buyer,
                                       .seller_account = seller,
                                       .outcome = SETTLEMENT_SETTLED,
                                       .quantity = 5,
                                       .proceeds = proceeds};
    return apply(venue);
}

static void a_settlement_is_between_two_that_traded(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"C sells 5 @ 100", "#1 holds 5"},
         {"A buys 5 @ 100", "#2 holds 500; A buys 5 @ 100 from C fee 5 saved 0 left 0/0"});
    assert_string_equal(settle_between(venue, 0, C, 495), "SETTLEMENT_MISMATCH 0 5 0");
    assert_string_equal(settle_between(venue, ACCOUNTS + 1, C, 495), "SETTLEMENT_MISMATCH 0 5 0");
    assert_string_equal(settle_between(venue, D + 1, C, 495), "SETTLEMENT_MISMATCH 0 5 0");
    assert_string_equal(settle_between(venue, A, 0, 495), "SETTLEMENT_MISMATCH 0 495 1");
    assert_string_equal(settle_between(venue, A, D + 1, 0), "SETTLEMENT_MISMATCH 0 0 1");
    assert_string_equal(settle_between(venue, A, C, 496), "SETTLEMENT_MISMATCH 495 496 1");
    assert_string_equal(settle_between(venue, A, C, 495), "settlement_booked");
}

static void what_is_traded_never_changes(void **state)
{
    struct venue *venue = *state;
    for (uint8_t scale = 0; scale <= 1; scale++) {
        start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
            (struct asset_set_cmd){.asset = TOKEN, .kind = ASSET_TOKEN, .scale = scale};
        assert_string_equal(apply(venue), scale == 0 ? "asset_changed" : "ASSET_TERMS 0 1 3");
    }
    for (uint32_t asset = 3; asset <= 4; asset++) {
        start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
            (struct asset_set_cmd){.asset = asset,
                                   .kind = asset == 3 ? ASSET_TOKEN : ASSET_CASH,
                                   .scale = asset == 3 ? 0 : 6};
        assert_string_equal(apply(venue), "asset_changed");
    }
    venue->terms.token_asset = 3;
    assert_string_equal(set_terms(venue), "INSTRUMENT_TERMS 0 3 2");
    venue->terms.token_asset = TOKEN;
    venue->terms.cash_asset = 4;
    assert_string_equal(set_terms(venue), "INSTRUMENT_TERMS 0 4 3");
    venue->terms.cash_asset = ASSETS + 1;
    assert_string_equal(set_terms(venue), "UNKNOWN_ASSET 0 5 0");
    venue->terms.cash_asset = CASH;
    assert_string_equal(set_terms(venue), "instrument_changed");
}

// ---- sessions

static const char *set_accounts(struct venue *venue, uint32_t session, uint8_t flags,
                                const uint32_t *accounts, uint16_t count)
{
    struct command *command = start(venue, CMD_session_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_session_set, count * sizeof *accounts);
    command->body.session_set = (struct session_set_cmd){.session = session,
                                                         .member = 1,
                                                         .gateway = GATEWAY_FIX,
                                                         .flags = flags,
                                                         .account_count = count};
    if (count != 0)
        memcpy(command_tail_writable(command), accounts, count * sizeof *accounts);
    return apply_all(venue);
}

static void a_session_trades_for_its_own_accounts_wherever_they_are(void **state)
{
    struct venue *venue = *state;
    const uint32_t apart[] = {A, C};
    (void)set_accounts(venue, 1, 0, apart, 2);
    PLAY(venue, {"A buys 1 @ 90", "#1 holds 90"},
         {"B buys 1 @ 90", "ACCOUNT_NOT_OF_SESSION 0 17 0"});
    struct order_new_cmd *order = start_order(venue, 'A', SIDE_BUY, 1, 90);
    order->account = C;
    assert_string_equal(apply(venue), "#2 holds 90");
    (void)set_accounts(venue, 1, 0, NULL, 0);
    PLAY(venue, {"A buys 1 @ 90", "ACCOUNT_NOT_OF_SESSION 0 16 0"});
}

static void a_list_of_accounts_is_told_in_one_command(void **state)
{
    struct venue *venue = *state;
    uint32_t many[EVENTS];
    for (uint32_t i = 0; i < EVENTS; i++)
        many[i] = A + i;
    assert_string_equal(set_accounts(venue, 1, 0, many, EVENTS), "MALFORMED 0 64 5");
    assert_string_equal(set_accounts(venue, 1, 0, many, EVENTS - 1), "ID_RANGE 6 65 5");
}

static const char *session_command(struct venue *venue, uint8_t type, uint8_t gateway,
                                   uint32_t session, uint32_t reason)
{
    struct command *command = start(venue, type, gateway);
    if (type == CMD_session_open)
        command->body.session_open.opened_session = session;
    else
        command->body.session_close =
            (struct session_close_cmd){.closed_session = session, .reason = reason};
    return apply(venue);
}

static void a_disabled_session_is_not_opened_and_does_not_trade(void **state)
{
    struct venue *venue = *state;
    const uint32_t account = A;
    assert_string_equal(session_command(venue, CMD_session_open, GATEWAY_FIX, 9, 0),
                        "UNKNOWN_SESSION 0 9 0");
    assert_string_equal(session_command(venue, CMD_session_open, GATEWAY_FIX, 1, 0),
                        "session_opened");
    (void)set_accounts(venue, 1, SESSION_DISABLED, &account, 1);
    assert_string_equal(session_command(venue, CMD_session_open, GATEWAY_FIX, 1, 0),
                        "UNKNOWN_SESSION 0 1 0");
    PLAY(venue, {"A buys 1 @ 90", "UNKNOWN_SESSION 0 1 0"});
    start_session(venue, CMD_order_status, 'A', NULL)->header.session = 9;
    assert_string_equal(apply(venue), "UNKNOWN_SESSION 0 9 0");
}

static uint32_t reason_told(const struct venue *venue)
{
    assert_int_equal(venue->events[0].header.type, EVT_session_closed);
    return venue->events[0].body.session_closed.reason;
}

static void a_gateway_may_say_that_the_owner_wanted_it_and_nothing_else(void **state)
{
    struct venue *venue = *state;
    const uint32_t said[][2] = {{CANCEL_BY_OWNER, CANCEL_BY_OWNER},
                                {CANCEL_DISCONNECT, CANCEL_DISCONNECT},
                                {CANCEL_BREAKER, CANCEL_DISCONNECT}};
    for (size_t i = 0; i < COUNT(said); i++) {
        (void)session_command(venue, CMD_session_close, GATEWAY_FIX, 1, said[i][0]);
        assert_int_equal(reason_told(venue), said[i][1]);
    }
}

static const char *detach(struct venue *venue, uint32_t gateway)
{
    start(venue, CMD_gateway_detach, GATEWAY_CORE)->body.gateway_detach =
        (struct gateway_detach_cmd){.gateway_id = gateway, .old_incarnation = 1};
    return apply_all(venue);
}

static void only_gateways_are_detached(void **state)
{
    struct venue *venue = *state;
    assert_string_equal(detach(venue, GATEWAY_CORE), "MALFORMED 5 0 1");
    assert_string_equal(detach(venue, GATEWAY_COUNT), "MALFORMED 5 6 1");
    assert_string_equal(detach(venue, GATEWAY_SETTLE), "gateway_detached");
}

static const char *cancel_of_member(struct venue *venue, uint32_t account)
{
    struct command *command = start_session(venue, CMD_order_mass_cancel, 'C', NULL);
    command->body.order_mass_cancel =
        (struct order_mass_cancel_cmd){.scope = SCOPE_MEMBER, .account = account};
    return apply(venue);
}

static void a_member_cancels_for_its_own_accounts(void **state)
{
    struct venue *venue = *state;
    set_session(venue, 2, GATEWAY_WEB, SESSION_MEMBER_SCOPE);
    start(venue, CMD_member_set, GATEWAY_ADMIN)->body.member_set =
        (struct member_set_cmd){.member = 2};
    (void)apply(venue);
    struct account_rec other = venue->accounts[0];
    other.account = D + 1;
    other.member = 2;
    memcpy(&start(venue, CMD_account_set, GATEWAY_ADMIN)->body, &other, sizeof other);
    assert_string_equal(apply(venue), "account_changed");
    PLAY(venue, {"A buys 1 @ 90", "#1 holds 90"});
    assert_string_equal(cancel_of_member(venue, D + 1), "ACCOUNT_NOT_OF_SESSION 0 20 0");
    assert_string_equal(cancel_of_member(venue, D + 2), "ACCOUNT_NOT_OF_SESSION 0 21 0");
    assert_string_equal(cancel_of_member(venue, A), "#1 cancelled 1 releases 90 reason 6; done 1");
}

// ---- amends

static void an_amend_tells_what_else_the_order_is(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 5 @ 99 until=5000", "#1 holds 495; terms until 5000"},
         {"A amends 1 to 4 @ 0", "#1 now 4 leaves 4 releases 99 kept; terms until 5000"},
         {"B buys 5 @ 99", "#2 holds 495"},
         {"B amends 2 to 6 @ 0", "#2 now 6 leaves 6 releases -99"});
}

static void an_amend_is_compared_with_the_nav_like_an_order(void **state)
{
    struct venue *venue = *state;
    (void)set_price(venue, CMD_nav_set, 100);
    PLAY(venue, {"A buys 5 @ 99", "#1 holds 495"},
         {"A amends 1 to 0 @ 79", "FAT_FINGER_CONFIRM 1000 2100 100"});
    venue->terms.fat_finger_confirm_bps = 0;
    (void)set_terms(venue);
    PLAY(venue, {"A amends 1 to 0 @ 79", "NAV_CONFIRM 2000 2100 100"},
         {"A amends 1 to 0 @ 79 confirmed", "#1 now 5 leaves 5 releases 100"});
    venue->terms.nav_confirm_bps = 0;
    (void)set_terms(venue);
    PLAY(venue, {"A amends 1 to 0 @ 78", "#1 now 5 leaves 5 releases 5"},
         {"B sells 5 at market stop=70", "#2 holds 5 waits for its trigger; terms stop 70"},
         {"B amends 2 to 0 @ 0 stop=2305843009213693952",
          "OVERFLOW 2305843009213693952 5 2190550858753009255"},
         {"B buys 1 at market stop=110", "#3 holds 115 waits for its trigger; terms stop 110"},
         {"B amends 3 to 0 @ 0 stop=2305843009213693952", "OVERFLOW 2305843009213693952 500 0"});
}

// ---- time and prices

static void the_last_day_of_time_has_no_end(void **state)
{
    struct venue *venue = *state;
    at(venue, UINT64_MAX - 1000);
    PLAY(venue, {"A buys 5 @ 99", "#1 holds 495"},
         {"C sells 5 @ 99", "#2 holds 5; C sells 5 @ 99 to A fee 4 saved 0 left 0/0"});
}

static const char *set_volatility(struct venue *venue, uint32_t bps)
{
    start(venue, CMD_instrument_rules_set, GATEWAY_ADMIN)->body.instrument_rules_set =
        (struct instrument_rules_set_cmd){.instrument = 1, .volatility_bps = bps};
    return apply(venue);
}

// A band that is wider than there are prices lets every price through.
static void bands_wider_than_all_prices_hold_nobody_back(void **state)
{
    struct venue *venue = *state;
    (void)set_price(venue, CMD_reference_set, 100);
    assert_string_equal(set_volatility(venue, 20000), "instrument_rules_changed");
    PLAY(venue, {"C sells 1 @ 1 confirmed", "FAT_FINGER_BLOCK 5000 9900 100"});
    venue->terms.fat_finger_block_bps = venue->terms.fat_finger_confirm_bps = 0;
    (void)set_terms(venue);
    PLAY(venue, {"C sells 1 @ 1", "#1 holds 1"},
         {"A buys 1 @ 1", "#2 holds 1; A buys 1 @ 1 from C fee 0 saved 0 left 0/0"});
    (void)set_price(venue, CMD_reference_set, MONEY_MAX);
    (void)set_volatility(venue, UINT32_MAX);
    PLAY(venue, {"C sells 1 @ 90000", "#3 holds 1"},
         {"A buys 1 @ 90000", "#4 holds 90000; A buys 1 @ 90000 from C fee 900 saved 0 left 0/0"});
}

static void what_is_paused_is_not_amended(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"A buys 5 @ 99", "#1 holds 495"});
    venue->terms.status = TOKEN_PAUSED;
    (void)set_terms(venue);
    PLAY(venue, {"A amends 1 to 0 @ 98", "TOKEN_STATUS 3 4 0"},
         {"A amends 1 to 4 @ 0", "#1 now 4 leaves 4 releases 99 kept"});
}

// A second instrument of token 3, in continuous trading, where nothing is compared with a price.
static void open_second(struct venue *venue, uint8_t scale, int64_t tick)
{
    start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
        (struct asset_set_cmd){.asset = 3, .kind = ASSET_TOKEN, .scale = scale};
    assert_string_equal(apply(venue), "asset_changed");
    venue->terms.instrument = 2;
    venue->terms.token_asset = venue->traded.token_asset = 3;
    venue->terms.token_scale = venue->traded.token_scale = scale;
    venue->terms.tick = tick;
    venue->terms.fat_finger_block_bps = venue->terms.fat_finger_confirm_bps = 0;
    assert_string_equal(set_terms(venue), "instrument_changed; phase 1 breaker 0");
    start(venue, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = 2, .phase = PHASE_CONTINUOUS};
    assert_string_equal(apply(venue), "phase 4 breaker 0");
    for (char who = 'A'; who <= 'D'; who++) {
        assert_string_equal(post(venue, who, 3, POSTING_DEPOSIT, 10), "posted 10");
        assert_string_equal(post(venue, who, CASH, POSTING_DEPOSIT, 1000000000000),
                            "posted 1000000000000");
        venue->accounts[who - 'A'].flags |= ACCOUNT_NO_LIMITS;
        (void)set_account(venue, who);
    }
}

static const char *order_second(struct venue *venue, char who, uint8_t side, int64_t quantity,
                                int64_t price, int64_t trail)
{
    struct order_new_terms_cmd order = {.account = A + (uint32_t)(who - 'A'),
                                        .instrument = 2,
                                        .side = side,
                                        .type = trail != 0 ? ORDER_TRAILING_STOP : ORDER_LIMIT,
                                        .price = price,
                                        .quantity = quantity,
                                        .trail_offset = trail};
    struct command *command =
        start_session(venue, CMD_order_new_terms, who, &order.client_id_bytes);
    command->body.order_new_terms = order;
    return apply_all(venue);
}

static void the_same_in_another_instrument_is_no_duplicate(void **state)
{
    struct venue *venue = *state;
    open_second(venue, 0, 1);
    start(venue, CMD_limits_set, GATEWAY_ADMIN)->body.limits_set =
        (struct limits_set_cmd){.scope = LIMIT_ACCOUNT, .id = A, .duplicate_ms = 1000};
    assert_string_equal(apply(venue), "limits_changed");
    PLAY(venue, {"A buys 5 @ 99", "#1 holds 495"});
    assert_string_equal(order_second(venue, 'A', SIDE_BUY, 5, 99, 0), "#2 holds 495; terms");
    assert_non_null(strstr(order_second(venue, 'A', SIDE_BUY, 5, 99, 0), "DUPLICATE"));
}

// Of a token with 8 decimals a small part may cost more than a stop price can say: stops stay
// where they are, and are met all the same.
static void prices_above_all_stops_move_none(void **state)
{
    struct venue *venue = *state;
    const int64_t low = 1000000000000000000;
    const int64_t high = 3 * low;
    const int64_t step = 100000000;
    assert_true(high > MONEY_MAX);
    open_second(venue, 8, step);
    (void)order_second(venue, 'C', SIDE_SELL, 1, low, 0);
    assert_non_null(strstr(order_second(venue, 'A', SIDE_BUY, 1, low, 0), "A buys 1"));
    assert_non_null(
        strstr(order_second(venue, 'D', SIDE_SELL, 1, 0, step), "stop 999999999900000000"));
    assert_non_null(
        strstr(order_second(venue, 'B', SIDE_BUY, 1, 0, low), "stop 2000000000000000000"));
    (void)order_second(venue, 'C', SIDE_SELL, 1, low, 0);
    (void)order_second(venue, 'C', SIDE_SELL, 1, low + step, 0);
    (void)order_second(venue, 'C', SIDE_SELL, 1, high, 0);
    const char *answer = order_second(venue, 'A', SIDE_BUY, 3, high, 0);
    assert_non_null(strstr(answer, "triggered at 2000000000000000000 by 3000000000000000000"));
    start_session(venue, CMD_order_status, 'D', NULL);
    assert_non_null(strstr(apply(venue), "waits for its trigger"));
    assert_non_null(strstr(order_second(venue, 'D', SIDE_SELL, 1, 0, step), "TRAIL_OFFSET"));
    assert_non_null(strstr(order_second(venue, 'D', SIDE_BUY, 1, 0, step), "TRAIL_OFFSET"));
    assert_non_null(strstr(order_second(venue, 'D', SIDE_SELL, 1, 0, low), "terms stop 2"));
}

// ---- when the events run out

static uint32_t open_orders(const struct venue *venue)
{
    return engine_open_orders(venue->engine);
}

static void put_orders(struct venue *venue, const char *words, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (say(venue, words)[0] != '#')
            fail_msg("%s: %s", words, venue->answer);
}

static const char *change_phase(struct venue *venue, uint8_t phase)
{
    start(venue, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = 1, .phase = phase};
    return apply_all(venue);
}

// One command's events are 64: around that number of orders each step of a change of phase is once
// the one that finds no room.
static void sweep(void **state, void body(struct venue *venue, uint32_t count))
{
    for (uint32_t count = 28; count <= 68; count++) {
        body(*state, count);
        close_venue(state);
        open_venue(state);
    }
}

static void expire_on_the_way(struct venue *venue, uint32_t count)
{
    put_orders(venue, "A buys 1 @ 90 until=9000", count);
    put_orders(venue, "C sells 1 @ 110", 1);
    at(venue, 10000);
    assert_non_null(strstr(change_phase(venue, PHASE_CLOSED), "phase 1 breaker 0"));
    assert_int_equal(open_orders(venue), 0);
}

static void orders_expire_however_many_they_are(void **state)
{
    sweep(state, expire_on_the_way);
}

static void enter_the_close(struct venue *venue, uint32_t count)
{
    put_orders(venue, "A buys 1 @ 100 close", count);
    put_orders(venue, "C sells 1 @ 100 close", 3);
    const char *answer = change_phase(venue, PHASE_CLOSING_AUCTION);
    assert_non_null(strstr(answer, "phase 7 breaker 0"));
    assert_int_equal(open_orders(venue), count + 3);
    assert_non_null(strstr(change_phase(venue, PHASE_CLOSED), "phase 1 breaker 0"));
    assert_int_equal(open_orders(venue), 0);
    assert_int_equal(balance(venue, A, TOKEN).available, 1003);
}

static void orders_for_the_close_enter_and_leave_it_however_many_they_are(void **state)
{
    sweep(state, enter_the_close);
}

static void trade_in_the_opening(struct venue *venue, uint32_t count)
{
    (void)change_phase(venue, PHASE_OPENING_AUCTION);
    put_orders(venue, "C sells 1 @ 100", count);
    put_orders(venue, "A buys 90 @ 100", 1);
    put_orders(venue, "B buys 1 @ 90 open", 2);
    assert_non_null(strstr(change_phase(venue, PHASE_CONTINUOUS), "phase 4 breaker 0"));
    assert_int_equal(open_orders(venue), 1);
    assert_int_equal(balance(venue, A, TOKEN).available, 1000 + count);
}

static void an_auction_trades_all_however_much_it_is(void **state)
{
    sweep(state, trade_in_the_opening);
}

static void leave_the_gateway(struct venue *venue, uint32_t count)
{
    set_session(venue, 1, GATEWAY_FIX, SESSION_CANCEL_ON_DISCONNECT);
    const uint32_t account = A;
    (void)set_accounts(venue, 3, 0, &account, 1); // it has no orders
    (void)session_command(venue, CMD_session_open, GATEWAY_FIX, 1, 0);
    (void)session_command(venue, CMD_session_open, GATEWAY_FIX, 3, 0);
    put_orders(venue, "A buys 1 @ 90", count);
    put_orders(venue, "C sells 1 @ 110", 1);
    assert_non_null(strstr(detach(venue, GATEWAY_FIX), "session 1 closed"));
    assert_int_equal(open_orders(venue), 1);
}

static void a_gateway_takes_its_orders_along_however_many_they_are(void **state)
{
    sweep(state, leave_the_gateway);
}

static void close_the_session(struct venue *venue, uint32_t count)
{
    set_session(venue, 1, GATEWAY_FIX, SESSION_CANCEL_ON_DISCONNECT);
    (void)session_command(venue, CMD_session_open, GATEWAY_FIX, 1, 0);
    put_orders(venue, "A buys 1 @ 90", count);
    start(venue, CMD_session_close, GATEWAY_FIX)->body.session_close =
        (struct session_close_cmd){.closed_session = 1, .reason = CANCEL_BY_OWNER};
    assert_non_null(strstr(apply_all(venue), "session 1 closed"));
    assert_int_equal(open_orders(venue), 0);
    const struct event *last = &venue->events[venue->sink.count - 1];
    assert_int_equal(last->body.session_closed.reason, CANCEL_BY_OWNER);
}

static void lose_the_session(struct venue *venue, uint32_t count)
{
    set_session(venue, 1, GATEWAY_FIX, SESSION_CANCEL_ON_DISCONNECT);
    (void)session_command(venue, CMD_session_open, GATEWAY_FIX, 1, 0);
    put_orders(venue, "A buys 1 @ 90", count);
    start(venue, CMD_session_close, GATEWAY_FIX)->body.session_close =
        (struct session_close_cmd){.closed_session = 1, .reason = CANCEL_DISCONNECT};
    assert_non_null(strstr(apply_all(venue), "session 1 closed"));
    const struct event *last = &venue->events[venue->sink.count - 1];
    assert_int_equal(last->body.session_closed.reason, CANCEL_DISCONNECT);
}

static void a_session_is_closed_for_one_reason_however_long_it_takes(void **state)
{
    sweep(state, close_the_session);
    sweep(state, lose_the_session);
}

static void expire_before_the_uncross(struct venue *venue, uint32_t count)
{
    (void)change_phase(venue, PHASE_OPENING_AUCTION);
    put_orders(venue, "A buys 1 @ 90 until=9000", count);
    put_orders(venue, "C sells 1 @ 100", 1);
    put_orders(venue, "B buys 1 @ 100", 1);
    at(venue, 10000);
    assert_non_null(strstr(change_phase(venue, PHASE_CONTINUOUS), "phase 4 breaker 0"));
    assert_int_equal(open_orders(venue), 0);
    assert_int_equal(balance(venue, B, TOKEN).available, 1001);
}

static void what_has_expired_is_not_uncrossed_however_much_it_is(void **state)
{
    sweep(state, expire_before_the_uncross);
}

// Its own orders would be cancelled one by one before it meets another's: that many events a
// command does not have.
static void count_past_itself(struct venue *venue, uint32_t count)
{
    put_orders(venue, "C sells 1 @ 100 self=1", count);
    put_orders(venue, "D sells 5 @ 100", 1);
    const char *answer = say(venue, "A buys 5 @ 100 fok stp=2 self=1");
    bool filled = strstr(answer, "A buys 5 @ 100 from D") != NULL;
    assert_int_equal(filled, count <= EVENTS - 1 - 5); // 5 are to be free for each step
    assert_int_equal(open_orders(venue), filled ? 0 : count + 1);
}

static void a_fill_or_kill_counts_what_is_cancelled_on_its_way(void **state)
{
    sweep(state, count_past_itself);
}

static void an_auction_without_a_reference_is_near_the_last_price(void **state)
{
    struct venue *venue = *state;
    PLAY(venue, {"C sells 5 @ 100", "#1 holds 5"},
         {"A buys 5 @ 100", "#2 holds 500; A buys 5 @ 100 from C fee 5 saved 0 left 0/0"});
    (void)change_phase(venue, PHASE_CLOSING_AUCTION);
    PLAY(venue, {"C sells 5 @ 91", "#3 holds 5"}, {"A buys 5 @ 109", "#4 holds 545"});
    assert_non_null(strstr(change_phase(venue, PHASE_CLOSED), "5 @ 100"));
}

static void an_auction_without_any_price_is_near_the_nav(void **state)
{
    struct venue *venue = *state;
    (void)set_price(venue, CMD_nav_set, 100);
    (void)change_phase(venue, PHASE_CLOSING_AUCTION);
    PLAY(venue, {"C sells 5 @ 91", "#1 holds 5"}, {"A buys 5 @ 109", "#2 holds 545"});
    assert_non_null(strstr(change_phase(venue, PHASE_CLOSED), "5 @ 100"));
}

// What was promised when a stop came holds: a collar that has been set wider since takes no more.
static void a_wider_collar_makes_no_waiting_stop_dearer(void **state)
{
    struct venue *venue = *state;
    PLAY(venue,
         {"B buys 2 at market stop=101", "#1 holds 212 waits for its trigger; terms stop 101"});
    venue->terms.collar_bps = 900;
    (void)set_terms(venue);
    PLAY(venue, {"C sells 1 @ 101", "#2 holds 1"}, {"C sells 2 @ 108", "#3 holds 2"},
         {"A buys 1 @ 101", "#4 holds 101; A buys 1 @ 101 from C fee 1 saved 0 left 0/0; "
                            "#1 triggered at 101 by 101 now 2 @ 106 releases 0; "
                            "#1 cancelled 2 releases 212 reason 2"});
}

// A trailing stop's collar comes nearer with its stop price, unless it cannot be said any more.
static void a_collar_beyond_all_prices_leaves_a_trailing_stop_its_own(void **state)
{
    struct venue *venue = *state;
    const int64_t rich = 100000000000000;
    venue->terms.fat_finger_block_bps = venue->terms.fat_finger_confirm_bps = 0;
    (void)set_terms(venue);
    for (char who = 'A'; who <= 'B'; who++) {
        venue->accounts[who - 'A'].flags |= ACCOUNT_NO_LIMITS;
        assert_string_equal(set_account(venue, who), "account_changed");
        assert_string_equal(post(venue, who, CASH, POSTING_DEPOSIT, rich),
                            "posted 100000000000000");
    }
    (void)say(venue, "A buys 1 @ 10000000000000");
    (void)say(venue, "C sells 1 @ 10000000000000");
    assert_string_equal(say(venue, "B buys 1 at market trail=20"),
                        "#3 holds 10500000000021 waits for its trigger; "
                        "terms stop 10000000000020 trail 20");
    venue->terms.collar_bps = UINT32_MAX;
    (void)set_terms(venue);
    (void)say(venue, "A buys 1 @ 10000000000020");
    assert_non_null(strstr(say(venue, "C sells 1 @ 10000000000020"),
                           "#3 triggered at 10000000000020 by 10000000000020 "
                           "now 1 @ 10500000000021 releases 0; #3 cancelled 1"));
}

// All 16 balances are taken, and none is of the assets 3 (a token) and 4 (cash); the terms are of
// an instrument of them.
static void fill_ledger(struct venue *venue)
{
    for (uint32_t asset = 3; asset <= 4; asset++) {
        start(venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
            (struct asset_set_cmd){.asset = asset,
                                   .kind = asset == 3 ? ASSET_TOKEN : ASSET_CASH,
                                   .scale = asset == 3 ? 0 : 6};
        assert_string_equal(apply(venue), "asset_changed");
    }
    struct account_rec other = venue->accounts[0];
    for (other.account = D + 1; other.account <= D + 5; other.account++) {
        memcpy(&start(venue, CMD_account_set, GATEWAY_ADMIN)->body, &other, sizeof other);
        assert_string_equal(apply(venue), "account_changed");
        assert_string_equal(post(venue, (char)('A' + other.account - A), CASH, POSTING_DEPOSIT, 1),
                            "posted 1");
    }
    venue->terms.instrument = 2;
    venue->terms.token_asset = 3;
    venue->terms.cash_asset = 4;
}

static void a_venue_whose_ledger_is_full_takes_no_instrument_of_other_cash(void **state)
{
    struct venue *venue = *state;
    fill_ledger(venue);
    assert_string_equal(set_terms(venue), "BALANCES_MAX 16 16 0");
    venue->terms.cash_asset = CASH;
    assert_string_equal(set_terms(venue), "instrument_changed; phase 1 breaker 0");
}

// What it would buy has nowhere to go.
static void an_order_of_a_token_for_which_there_is_no_room_is_refused(void **state)
{
    struct venue *venue = *state;
    fill_ledger(venue);
    venue->terms.cash_asset = CASH;
    assert_string_equal(set_terms(venue), "instrument_changed; phase 1 breaker 0");
    start(venue, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = 2, .phase = PHASE_CONTINUOUS};
    apply(venue);
    start_order(venue, 'A', SIDE_BUY, 1, 100)->instrument = 2;
    assert_string_equal(apply(venue), "BALANCES_MAX 16 16 0");
}

int main(void)
{
#define VENUE_TEST(name) cmocka_unit_test_setup_teardown(name, open_venue, close_venue)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_out_of_range_get_no_memory),
        VENUE_TEST(nobody_has_no_balance),
        VENUE_TEST(numbers_that_nothing_has_are_refused),
        VENUE_TEST(a_settlement_is_between_two_that_traded),
        VENUE_TEST(what_is_traded_never_changes),
        VENUE_TEST(a_session_trades_for_its_own_accounts_wherever_they_are),
        VENUE_TEST(a_list_of_accounts_is_told_in_one_command),
        VENUE_TEST(a_disabled_session_is_not_opened_and_does_not_trade),
        VENUE_TEST(a_gateway_may_say_that_the_owner_wanted_it_and_nothing_else),
        VENUE_TEST(only_gateways_are_detached),
        VENUE_TEST(a_member_cancels_for_its_own_accounts),
        VENUE_TEST(an_amend_tells_what_else_the_order_is),
        VENUE_TEST(an_amend_is_compared_with_the_nav_like_an_order),
        VENUE_TEST(the_last_day_of_time_has_no_end),
        VENUE_TEST(what_is_paused_is_not_amended),
        VENUE_TEST(the_same_in_another_instrument_is_no_duplicate),
        VENUE_TEST(prices_above_all_stops_move_none),
        VENUE_TEST(bands_wider_than_all_prices_hold_nobody_back),
        VENUE_TEST(orders_expire_however_many_they_are),
        VENUE_TEST(orders_for_the_close_enter_and_leave_it_however_many_they_are),
        VENUE_TEST(an_auction_trades_all_however_much_it_is),
        VENUE_TEST(a_session_is_closed_for_one_reason_however_long_it_takes),
        VENUE_TEST(what_has_expired_is_not_uncrossed_however_much_it_is),
        VENUE_TEST(a_fill_or_kill_counts_what_is_cancelled_on_its_way),
        VENUE_TEST(an_auction_without_a_reference_is_near_the_last_price),
        VENUE_TEST(an_auction_without_any_price_is_near_the_nav),
        VENUE_TEST(a_wider_collar_makes_no_waiting_stop_dearer),
        VENUE_TEST(a_collar_beyond_all_prices_leaves_a_trailing_stop_its_own),
        VENUE_TEST(a_venue_whose_ledger_is_full_takes_no_instrument_of_other_cash),
        VENUE_TEST(an_order_of_a_token_for_which_there_is_no_room_is_refused),
        VENUE_TEST(a_gateway_takes_its_orders_along_however_many_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
