// Each detector at its threshold and one below, innocent patterns beside it, and a restart at every
// command: the same alerts, each once. Events are constructed by hand; the engine's own are in
// tests/oracle/surveillance_flow_test.c.
#include <stdlib.h>

#include "base/testing.h"
#include "risk/surveillance/hand_testing.h"
#include "risk/surveillance/surveillance.h"

enum {
    ALERTS_KEPT = 64,
    EVENTS_KEPT = 8192,
    RECORDS_KEPT = 512,
};
static const int64_t UNIT = HAND_UNIT, CENT = HAND_CENT, PRICE = HAND_PRICE;
static const uint64_t MS = HAND_MS, DAY = HAND_DAY;

struct flow {
    struct config config;
    struct surveillance *surveillance;
    struct hand hand;
    struct surveillance_alert alerts[ALERTS_KEPT];
    size_t alert_count;
    struct event events[EVENTS_KEPT]; // everything since the start
    size_t event_count;
};

static struct flow flow;

// ---- the hand that feeds it

static void take_event(void *context, const struct event *event)
{
    (void)context;
    struct surveillance_alert alerts[SURVEILLANCE_ALERTS_MAX];
    size_t count = surveillance_apply(flow.surveillance, event, alerts);
    assert_true(flow.alert_count + count <= ALERTS_KEPT && flow.event_count < EVENTS_KEPT);
    memcpy(&flow.alerts[flow.alert_count], alerts, count * sizeof alerts[0]);
    flow.alert_count += count;
    flow.events[flow.event_count++] = *event;
}

static void after_ms(uint64_t ms)
{
    hand_after_ms(&flow.hand, ms);
}

static void phase(uint8_t to, int64_t last_price)
{
    hand_phase(&flow.hand, to, last_price);
}

static uint64_t order(uint32_t of, uint8_t side, int64_t price, int64_t quantity)
{
    return hand_order(&flow.hand, of, side, price, quantity);
}

static uint64_t take(uint32_t taker, uint32_t maker, uint64_t resting, uint8_t side, int64_t price,
                     int64_t quantity, int64_t leaves)
{
    return hand_take(&flow.hand, taker, maker, resting, side, price, quantity, leaves);
}

static uint64_t passes(uint32_t seller, uint32_t buyer, int64_t price, int64_t quantity)
{
    return hand_pass(&flow.hand, seller, buyer, price, quantity);
}

static uint64_t cancel_for(uint64_t id, uint32_t of, uint8_t side, int64_t quantity, uint8_t reason)
{
    return hand_cancel(&flow.hand, id, of, side, quantity, reason);
}

static uint64_t cancel(uint64_t id, uint32_t of, uint8_t side, int64_t quantity)
{
    return cancel_for(id, of, side, quantity, CANCEL_BY_OWNER);
}

static uint64_t amend(uint64_t id, uint32_t of, uint8_t side, int64_t price, int64_t leaves,
                      bool kept)
{
    return hand_amend(&flow.hand, id, of, side, price, leaves, kept);
}

// Accounts 101, 102 of member 1; 201, 202 of member 2; 301 of member 3.
static int make(void **state)
{
    (void)state;
    memset(&flow, 0, sizeof flow);
    flow.hand.sink = take_event;
    flow.hand.now_ns = 20000 * DAY + 8 * 3600000 * MS;
    flow.config = (struct config){.limits_accounts_max = 400,
                                  .limits_members_max = 10,
                                  .limits_instruments_max = 4,
                                  .limits_orders_max = 4000,
                                  .surveil_large_notional_min = 1000 * 1000000,
                                  .surveil_circle_ms = 60000,
                                  .surveil_circle_net_percent = 10,
                                  .surveil_circle_price_bps = 50,
                                  .surveil_circle_notional_min = 1000 * 1000000,
                                  .surveil_spoof_ms = 10000,
                                  .surveil_spoof_depth_percent = 25,
                                  .surveil_spoof_size_multiple = 20,
                                  .surveil_spoof_size_orders_min = 50,
                                  .surveil_spoof_ratio_percent = 300,
                                  .surveil_layer_ms = 5000,
                                  .surveil_layer_entry_ms = 60000,
                                  .surveil_layer_orders = 4,
                                  .surveil_layer_levels = 3,
                                  .surveil_layer_ratio_percent = 300,
                                  .surveil_close_ms = 600000,
                                  .surveil_close_volume_percent = 30,
                                  .surveil_close_price_bps = 100,
                                  .surveil_close_notional_min = 1000 * 1000000,
                                  .surveil_ratio_messages_min = 1000,
                                  .surveil_ratio_number = 250,
                                  .surveil_ratio_volume = 1000,
                                  .surveil_pairs_max = 64,
                                  .surveil_trades_max = 256};
    flow.surveillance = surveillance_create(&flow.config);
    assert_non_null(flow.surveillance);
    hand_instrument(&flow.hand);
    phase(PHASE_CONTINUOUS, 0);
    for (uint32_t id = 101; id <= 302; id += id % 100 == 2 ? 99 : 1)
        hand_account(&flow.hand, id, id / 100);
    return 0;
}

static int discard(void **state)
{
    (void)state;
    surveillance_destroy(flow.surveillance);
    return 0;
}

// A new surveillance with other thresholds over what has happened so far.
static void with_config(void)
{
    surveillance_destroy(flow.surveillance);
    flow.surveillance = surveillance_create(&flow.config);
    struct surveillance_alert alerts[SURVEILLANCE_ALERTS_MAX];
    for (size_t i = 0; i < flow.event_count; i++)
        surveillance_apply(flow.surveillance, &flow.events[i], alerts);
}

static size_t count_of(enum surveillance_detector detector)
{
    size_t count = 0;
    for (size_t i = 0; i < flow.alert_count; i++)
        count += flow.alerts[i].detector == detector;
    return count;
}

static const struct surveillance_alert *only(enum surveillance_detector detector)
{
    const struct surveillance_alert *found = NULL;
    assert_int_equal(count_of(detector), 1);
    for (size_t i = 0; i < flow.alert_count; i++)
        if (flow.alerts[i].detector == detector)
            found = &flow.alerts[i];
    return found;
}

static void evidence_is(const struct surveillance_alert *alert, const uint64_t *expected,
                        size_t count)
{
    assert_int_equal(alert->evidence_count, count);
    assert_int_equal(alert->evidence_total, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(alert->evidence[i], expected[i]);
}
#define EVIDENCE(alert, ...)                                                                       \
    evidence_is(alert, (const uint64_t[]){__VA_ARGS__},                                            \
                sizeof(uint64_t[]){__VA_ARGS__} / sizeof(uint64_t))

// ---- wash trades

static void an_account_that_trades_with_itself_is_told(void **state)
{
    (void)state;
    uint64_t offer = order(101, SIDE_SELL, PRICE, 5 * UNIT);
    uint64_t trade = take(101, 101, offer, SIDE_BUY, PRICE, 5 * UNIT, 0);
    const struct surveillance_alert *alert = only(DETECTOR_WASH_ACCOUNT);
    assert_int_equal(flow.alert_count, 1);
    assert_int_equal(alert->member, 1);
    assert_int_equal(alert->account, 101);
    assert_int_equal(alert->counter_account, 101);
    assert_int_equal(alert->sequence, trade);
    assert_int_equal(alert->index, 1);
    assert_int_equal(alert->value, 500 * 1000000);
    assert_string_equal(alert->symbol, "PORT");
    EVIDENCE(alert, offer, trade);
}

static void two_accounts_of_a_member_are_told_and_of_two_members_not(void **state)
{
    (void)state;
    uint64_t offer = order(101, SIDE_SELL, PRICE, 5 * UNIT);
    take(201, 101, offer, SIDE_BUY, PRICE, 2 * UNIT, 3 * UNIT);
    assert_int_equal(flow.alert_count, 0);
    take(102, 101, offer, SIDE_BUY, PRICE, 3 * UNIT, 0);
    const struct surveillance_alert *alert = only(DETECTOR_WASH_MEMBER);
    assert_int_equal(alert->account, 102); // who bought
    assert_int_equal(alert->counter_account, 101);
}

static void wash_trades_are_told_from_their_value_on(void **state)
{
    (void)state;
    flow.config.surveil_wash_notional_min = 500 * 1000000;
    flow.config.surveil_wash_member_notional_min = -1;
    with_config();
    uint64_t offer = order(101, SIDE_SELL, PRICE, 20 * UNIT);
    take(101, 101, offer, SIDE_BUY, PRICE, 5 * UNIT - 1, 15 * UNIT + 1);
    assert_int_equal(flow.alert_count, 0);
    take(102, 101, offer, SIDE_BUY, PRICE, 6 * UNIT, 9 * UNIT + 1); // switched off
    assert_int_equal(flow.alert_count, 0);
    take(101, 101, offer, SIDE_BUY, PRICE, 5 * UNIT, 4 * UNIT + 1);
    only(DETECTOR_WASH_ACCOUNT);
}

// ---- circular trades

static void there_and_back_is_told_once(void **state)
{
    (void)state;
    uint64_t there = passes(101, 201, PRICE, 20 * UNIT);
    after_ms(1000);
    assert_int_equal(flow.alert_count, 0);
    uint64_t back = passes(201, 101, PRICE, 20 * UNIT);
    const struct surveillance_alert *alert = only(DETECTOR_WASH_CIRCULAR);
    assert_int_equal(flow.alert_count, 1);
    assert_int_equal(alert->account, 101);
    assert_int_equal(alert->counter_account, 201);
    assert_int_equal(alert->value, 0);
    EVIDENCE(alert, there, back);
    passes(101, 201, PRICE, 20 * UNIT); // what was used is used
    assert_int_equal(flow.alert_count, 1);
}

static void a_circle_may_leave_so_much(void **state)
{
    (void)state;
    passes(101, 201, PRICE, 20 * UNIT);
    passes(201, 101, PRICE, 18 * UNIT - 1); // more than a tenth of 20 is left
    assert_int_equal(flow.alert_count, 0);
    passes(201, 101, PRICE, 1); // now it is a tenth
    assert_int_equal(only(DETECTOR_WASH_CIRCULAR)->value, 10);
}

static void a_circle_is_at_about_the_same_price(void **state)
{
    (void)state;
    passes(101, 201, PRICE, 20 * UNIT);
    passes(201, 101, PRICE + 51 * CENT, 20 * UNIT); // 51 bps
    assert_int_equal(flow.alert_count, 0);
    after_ms(70000);
    passes(101, 201, PRICE, 20 * UNIT);
    passes(201, 101, PRICE + 50 * CENT, 20 * UNIT);
    only(DETECTOR_WASH_CIRCULAR);
}

static void a_circle_closes_within_its_window(void **state)
{
    (void)state;
    passes(101, 201, PRICE, 20 * UNIT);
    flow.hand.now_ns += 60000 * MS - 1000; // passes() takes two commands of a microsecond
    passes(201, 101, PRICE, 20 * UNIT);
    assert_int_equal(flow.alert_count, 0); // one too late
    after_ms(120000);
    passes(101, 201, PRICE, 20 * UNIT);
    flow.hand.now_ns += 60000 * MS - 2000;
    passes(201, 101, PRICE, 20 * UNIT);
    only(DETECTOR_WASH_CIRCULAR);
}

static void small_circles_and_others_trades_are_none(void **state)
{
    (void)state;
    passes(101, 201, PRICE, 10 * UNIT - 1); // below 1,000
    passes(201, 101, PRICE, 10 * UNIT - 1);
    passes(101, 201, PRICE, 50 * UNIT);
    passes(201, 301, PRICE, 50 * UNIT); // to another
    passes(202, 101, PRICE, 50 * UNIT); // from another account
    assert_int_equal(flow.alert_count, 0);
}

// ---- spoofing

// Others' depth on both sides: 100 tokens each.
static void depth(void)
{
    order(301, SIDE_BUY, PRICE - 10 * CENT, 50 * UNIT);
    order(301, SIDE_BUY, PRICE - 20 * CENT, 50 * UNIT);
    order(301, SIDE_SELL, PRICE + 10 * CENT, 50 * UNIT);
    order(301, SIDE_SELL, PRICE + 20 * CENT, 50 * UNIT);
}

// Member 1 sells 10 while its bid of `quantity` stands, and withdraws it.
static uint64_t spoof(int64_t quantity, uint64_t wait_ms, uint64_t evidence[3])
{
    uint64_t offer = order(101, SIDE_SELL, PRICE, 10 * UNIT);
    evidence[0] = order(101, SIDE_BUY, PRICE - 5 * CENT, quantity);
    evidence[1] = take(201, 101, offer, SIDE_BUY, PRICE, 10 * UNIT, 0);
    flow.hand.now_ns += wait_ms * MS;
    return evidence[2] = cancel(evidence[0], 101, SIDE_BUY, quantity);
}

static void a_large_order_withdrawn_behind_a_trade_is_spoofing(void **state)
{
    (void)state;
    uint64_t evidence[3];
    depth();
    spoof(40 * UNIT, 100, evidence);
    const struct surveillance_alert *alert = only(DETECTOR_SPOOFING);
    assert_int_equal(flow.alert_count, 1);
    assert_int_equal(alert->side, SIDE_BUY);
    assert_int_equal(alert->quantity, 40 * UNIT);
    assert_int_equal(alert->value, 400);
    assert_int_equal(alert->limit, 300);
    assert_int_equal(alert->account, 101);
    evidence_is(alert, evidence, 3);
}

static void large_is_a_part_of_its_side(void **state)
{
    (void)state;
    uint64_t evidence[3];
    order(301, SIDE_BUY, PRICE - 10 * CENT, 120 * UNIT + 3);
    spoof(40 * UNIT, 100, evidence); // of 16003 not quite a quarter
    assert_int_equal(flow.alert_count, 0);
    spoof(40 * UNIT + 1, 100, evidence); // 4001 of 16004 is one
    only(DETECTOR_SPOOFING);
}

static void or_many_times_the_usual_size(void **state)
{
    (void)state;
    uint64_t evidence[3];
    flow.config.surveil_spoof_depth_percent = 100;
    with_config();
    for (int i = 0; i < 48; i++)
        order(301, SIDE_BUY, PRICE - 10 * CENT, 5 * UNIT);
    spoof(100 * UNIT, 100, evidence); // the 49 before it are too few to tell
    assert_int_equal(flow.alert_count, 0);
    // 51 orders of 5, 5, … 10, 100, 10 tokens: the usual is 360 / 51
    spoof(141 * UNIT + 17, 100, evidence);
    assert_int_equal(flow.alert_count, 0);
    for (int i = 0; i < 100; i++)
        order(301, SIDE_BUY, PRICE - 10 * CENT, 5 * UNIT);
    spoof(200 * UNIT, 100, evidence);
    only(DETECTOR_SPOOFING);
}

static void the_order_is_so_many_times_what_was_wanted(void **state)
{
    (void)state;
    uint64_t evidence[3];
    spoof(30 * UNIT - 1, 100, evidence);
    assert_int_equal(flow.alert_count, 0);
    spoof(30 * UNIT, 100, evidence);
    assert_int_equal(only(DETECTOR_SPOOFING)->value, 300);
}

static void the_order_goes_within_its_time(void **state)
{
    (void)state;
    uint64_t evidence[3];
    spoof(40 * UNIT, 10000, evidence); // and two microseconds
    assert_int_equal(flow.alert_count, 0);
    uint64_t offer = order(101, SIDE_SELL, PRICE, 10 * UNIT);
    uint64_t bid = order(101, SIDE_BUY, PRICE - 5 * CENT, 40 * UNIT);
    take(201, 101, offer, SIDE_BUY, PRICE, 10 * UNIT, 0);
    flow.hand.now_ns += 10000 * MS - 2000; // exactly
    cancel(bid, 101, SIDE_BUY, 40 * UNIT);
    only(DETECTOR_SPOOFING);
}

static void an_amend_away_from_the_market_is_a_withdrawal(void **state)
{
    (void)state;
    uint64_t offer = order(101, SIDE_SELL, PRICE, 10 * UNIT);
    uint64_t bid = order(101, SIDE_BUY, PRICE - 5 * CENT, 40 * UNIT);
    take(201, 101, offer, SIDE_BUY, PRICE, 10 * UNIT, 0);
    amend(bid, 101, SIDE_BUY, PRICE - 500 * CENT, 40 * UNIT, false);
    only(DETECTOR_SPOOFING);
    cancel(bid, 101, SIDE_BUY, 40 * UNIT); // it came anew with the amend: no trade since
    assert_int_equal(flow.alert_count, 1);
}

static void an_amend_down_is_a_withdrawal_of_what_is_less(void **state)
{
    (void)state;
    for (int64_t less = 29; less <= 30; less++) {
        uint64_t offer = order(101, SIDE_SELL, PRICE, 10 * UNIT);
        uint64_t bid = order(101, SIDE_BUY, PRICE - 5 * CENT, 40 * UNIT);
        take(201, 101, offer, SIDE_BUY, PRICE, 10 * UNIT, 0);
        amend(bid, 101, SIDE_BUY, PRICE - 5 * CENT, (40 - less) * UNIT, true);
        assert_int_equal(count_of(DETECTOR_SPOOFING), less == 30);
        cancel_for(bid, 101, SIDE_BUY, (40 - less) * UNIT, CANCEL_EXPIRED);
    }
}

static void innocent_withdrawals_are_no_spoofing(void **state)
{
    (void)state;
    uint64_t bid = order(101, SIDE_BUY, PRICE, 50 * UNIT); // cancel and replace, no trade
    after_ms(10);
    cancel(bid, 101, SIDE_BUY, 50 * UNIT);
    bid = order(101, SIDE_BUY, PRICE - CENT, 50 * UNIT);
    amend(bid, 101, SIDE_BUY, PRICE - 2 * CENT, 50 * UNIT, false);
    uint64_t offer = order(201, SIDE_SELL, PRICE, 10 * UNIT); // another member's trade
    take(301, 201, offer, SIDE_BUY, PRICE, 10 * UNIT, 0);
    cancel(bid, 101, SIDE_BUY, 50 * UNIT);
    bid = order(101, SIDE_BUY, PRICE, 50 * UNIT); // its own trade, on the same side
    take(201, 101, bid, SIDE_SELL, PRICE, 5 * UNIT, 45 * UNIT);
    offer = order(101, SIDE_SELL, PRICE + CENT, 10 * UNIT); // an order that has traded
    take(201, 101, offer, SIDE_BUY, PRICE + CENT, 10 * UNIT, 0);
    cancel(bid, 101, SIDE_BUY, 45 * UNIT);
    assert_int_equal(flow.alert_count, 0);
}

static void what_the_venue_cancels_is_no_spoofing(void **state)
{
    (void)state;
    static const uint8_t reasons[] = {CANCEL_BY_VENUE, CANCEL_EXPIRED, CANCEL_KILLED,
                                      CANCEL_AUCTION, CANCEL_SELF_TRADE};
    for (size_t i = 0; i < sizeof reasons; i++) {
        uint64_t offer = order(101, SIDE_SELL, PRICE, 10 * UNIT);
        uint64_t bid = order(101, SIDE_BUY, PRICE - CENT, 50 * UNIT);
        take(201, 101, offer, SIDE_BUY, PRICE, 10 * UNIT, 0);
        cancel_for(bid, 101, SIDE_BUY, 50 * UNIT, reasons[i]);
    }
    assert_int_equal(flow.alert_count, 0);
}

static void an_iceberg_is_as_large_as_it_shows(void **state)
{
    (void)state;
    depth();
    uint64_t offer = order(101, SIDE_SELL, PRICE, 10 * UNIT);
    uint64_t bid = hand_iceberg(&flow.hand, 101, SIDE_BUY, PRICE - CENT, 500 * UNIT, 10 * UNIT);
    take(201, 101, offer, SIDE_BUY, PRICE, 10 * UNIT, 0);
    cancel(bid, 101, SIDE_BUY, 500 * UNIT);
    assert_int_equal(flow.alert_count, 0);
}

static void who_quotes_both_sides_is_no_spoofer(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        uint64_t bids[5], offers[5];
        for (int i = 0; i < 5; i++) {
            bids[i] = order(101, SIDE_BUY, PRICE - (i + 1) * CENT, 50 * UNIT);
            offers[i] = order(101, SIDE_SELL, PRICE + (i + 1) * CENT, 50 * UNIT);
        }
        take(201, 101, bids[0], SIDE_SELL, PRICE - CENT, 15 * UNIT, 35 * UNIT);
        after_ms(50);
        for (int i = 0; i < 5; i++) // requotes: bids first
            cancel(bids[i], 101, SIDE_BUY, i == 0 ? 35 * UNIT : 50 * UNIT);
        for (int i = 0; i < 5; i++)
            cancel(offers[i], 101, SIDE_SELL, 50 * UNIT);
        after_ms(200);
    }
    assert_int_equal(flow.alert_count, 0);
}

// ---- layering

struct layering {
    int orders, levels;
    uint64_t entry_ms, cancel_ms;
    int64_t quantity; // of each
    uint8_t reason;
};

// Member 2 sells 10 under layers of bids; large depth of others, so that none is large by itself.
static void layer(struct layering what)
{
    uint64_t bids[16];
    for (int i = 0; i < what.orders; i++)
        bids[i] = order(201, SIDE_BUY, PRICE - (i % what.levels + 1) * CENT, what.quantity);
    after_ms(what.entry_ms);
    uint64_t offer = order(201, SIDE_SELL, PRICE, 10 * UNIT);
    take(101, 201, offer, SIDE_BUY, PRICE, 10 * UNIT, 0);
    after_ms(what.cancel_ms);
    for (int i = 0; i < what.orders; i++)
        cancel_for(bids[i], 201, SIDE_BUY, what.quantity, what.reason);
    after_ms(100000);
}

static void layers_that_go_behind_a_trade_are_told_once(void **state)
{
    (void)state;
    order(301, SIDE_BUY, PRICE - 100 * CENT, 10000 * UNIT);
    const struct layering good = {
        .orders = 4, .levels = 3, .cancel_ms = 100, .quantity = 10 * UNIT, .reason = CANCEL_MASS};
    struct layering other = good;
    other.orders = 3;
    layer(other);
    other = good;
    other.levels = 2;
    layer(other);
    other = good;
    other.quantity = 7 * UNIT; // 28 of 10 are not three times as much
    layer(other);
    other = good;
    other.entry_ms = 60000; // they had stood there for long
    layer(other);
    other = good;
    other.cancel_ms = 5000; // they stayed
    layer(other);
    other = good;
    other.reason = CANCEL_BY_VENUE;
    layer(other);
    assert_int_equal(flow.alert_count, 0);
    layer(good);
    const struct surveillance_alert *alert = only(DETECTOR_LAYERING);
    assert_int_equal(alert->quantity, 40 * UNIT);
    assert_int_equal(alert->value, 400);
    assert_int_equal(alert->member, 2);
    assert_int_equal(alert->evidence_count, 9); // four entries, the trade, four cancels
    assert_int_equal(alert->evidence[8], alert->sequence);
}

static void more_layers_are_one_alert(void **state)
{
    (void)state;
    order(301, SIDE_BUY, PRICE - 100 * CENT, 10000 * UNIT);
    layer((struct layering){
        .orders = 7, .levels = 7, .cancel_ms = 100, .quantity = 10 * UNIT, .reason = CANCEL_MASS});
    only(DETECTOR_LAYERING); // the three behind the first four are not four
    assert_int_equal(flow.alert_count, 1);
}

// ---- marking the close

static void at_close(int64_t price, int64_t by_suspect, int64_t by_others)
{
    passes(201, 301, PRICE, 10 * UNIT); // the last price before the window
    after_ms(700000);
    passes(201, 301, PRICE, by_others);
    passes(201, 101, price, by_suspect);
    after_ms(1000);
    phase(PHASE_CLOSED, price);
}

static void a_member_that_moves_the_close_is_told(void **state)
{
    (void)state;
    at_close(PRICE + 100 * CENT, 30 * UNIT, 70 * UNIT);
    const struct surveillance_alert *alert = only(DETECTOR_MARKING_CLOSE);
    assert_int_equal(alert->member, 1);
    assert_int_equal(alert->account, 101);
    assert_int_equal(alert->side, SIDE_BUY);
    assert_int_equal(alert->value, 100);
    assert_int_equal(alert->quantity, 30 * UNIT);
    assert_int_equal(alert->evidence_count, 2);
    assert_int_equal(alert->sequence, flow.hand.sequence);
}

static void below_its_part_of_the_volume_it_is_not(void **state)
{
    (void)state;
    at_close(PRICE + 100 * CENT, 30 * UNIT - 1, 70 * UNIT);
    assert_int_equal(count_of(DETECTOR_MARKING_CLOSE), 0); // 301 bought the rest, at the old price
}

static void a_close_that_moves_less_is_none(void **state)
{
    (void)state;
    at_close(PRICE + 99 * CENT, 100 * UNIT, 1 * UNIT); // large, and 99 bps
    assert_int_equal(count_of(DETECTOR_MARKING_CLOSE), 0);
}

static void whoever_sold_does_not_raise_the_price(void **state)
{
    (void)state;
    at_close(PRICE - 100 * CENT, 50 * UNIT, 40 * UNIT);
    assert_int_equal(only(DETECTOR_MARKING_CLOSE)->member, 2); // sold all of it
    assert_int_equal(only(DETECTOR_MARKING_CLOSE)->side, SIDE_SELL);
}

static void uncross(int64_t price, uint64_t bid, uint64_t offer, int64_t quantity, int64_t left)
{
    const struct auction_evt auction = {.instrument = HAND_INSTRUMENT,
                                        .phase = PHASE_CLOSING_AUCTION,
                                        .final = 1,
                                        .price = price,
                                        .quantity = quantity};
    const struct trade_evt trade = {.instrument = HAND_INSTRUMENT,
                                    .taker_side = SIDE_SELL,
                                    .kind = TRADE_AUCTION,
                                    .price = price,
                                    .quantity = quantity,
                                    .maker_order = bid,
                                    .taker_order = offer,
                                    .maker_account = 102,
                                    .taker_account = 201,
                                    .maker_leaves = left};
    const struct instrument_state_evt closed = {
        .instrument = HAND_INSTRUMENT, .phase = PHASE_CLOSED, .last_price = price};
    hand_begin(&flow.hand);
    hand_emit(&flow.hand, EVT_auction, &auction, sizeof auction, false);
    hand_emit(&flow.hand, EVT_trade, &trade, sizeof trade, false);
    hand_emit(&flow.hand, EVT_instrument_state, &closed, sizeof closed, true);
}

static void the_closing_auction_counts(void **state)
{
    (void)state;
    passes(201, 301, PRICE, 10 * UNIT);
    after_ms(700000);
    phase(PHASE_CLOSING_AUCTION, PRICE);
    uint64_t bid = order(102, SIDE_BUY, PRICE + 200 * CENT, 50 * UNIT);
    uint64_t offer = order(201, SIDE_SELL, PRICE + 200 * CENT, 50 * UNIT);
    after_ms(1000);
    uncross(PRICE + 200 * CENT, bid, offer, 50 * UNIT, 0);
    const struct surveillance_alert *alert = only(DETECTOR_MARKING_CLOSE);
    assert_int_equal(alert->account, 102);
    assert_int_equal(alert->value, 200);
    assert_int_equal(alert->index, 2);
    EVIDENCE(alert, flow.hand.sequence);
}

static void trades_before_the_window_do_not_count(void **state)
{
    (void)state;
    passes(201, 301, PRICE, 10 * UNIT);
    passes(201, 101, PRICE + 200 * CENT, 50 * UNIT);
    flow.hand.now_ns += 600000 * MS; // and a microsecond
    phase(PHASE_CLOSED, PRICE);
    assert_int_equal(count_of(DETECTOR_MARKING_CLOSE), 0);
    phase(PHASE_CONTINUOUS, PRICE);
    passes(201, 301, PRICE, 10 * UNIT);
    after_ms(700000);
    passes(201, 101, PRICE + 200 * CENT, 50 * UNIT);
    flow.hand.now_ns += 600000 * MS - 1000; // exactly
    phase(PHASE_CLOSED, PRICE);
    only(DETECTOR_MARKING_CLOSE);
}

static void a_price_that_the_window_has_forgotten_is_known_all_the_same(void **state)
{
    (void)state;
    passes(201, 301, PRICE, 10 * UNIT);
    flow.hand.now_ns += DAY; // the trades of yesterday are gone, their last price is not
    passes(201, 101, PRICE + 100 * CENT, 50 * UNIT);
    phase(PHASE_CLOSED, PRICE);
    assert_int_equal(only(DETECTOR_MARKING_CLOSE)->value, 100);
}

// ---- order-to-trade ratio

static void messages(uint32_t of, int count)
{
    for (int i = 0; i + 1 < count; i += 2)
        cancel(order(of, SIDE_BUY, PRICE, UNIT), of, SIDE_BUY, UNIT);
    if (count % 2 != 0)
        order(of, SIDE_BUY, PRICE, UNIT);
}

static void many_messages_for_few_trades_are_told_once_a_day(void **state)
{
    (void)state;
    uint64_t first = flow.hand.sequence + 1;
    uint64_t offer = order(101, SIDE_SELL, PRICE, 2 * UNIT);
    for (int i = 0; i < 4; i++) // 4 transactions: 1004 messages are one too many
        take(201, 101, offer, SIDE_BUY, PRICE, UNIT / 2, (3 - i) * UNIT / 2);
    messages(101, 1002);
    assert_int_equal(flow.alert_count, 0);
    uint64_t reached = order(101, SIDE_BUY, PRICE, UNIT);
    const struct surveillance_alert *alert = only(DETECTOR_RATIO_NUMBER);
    assert_int_equal(alert->sequence, reached);
    assert_int_equal(alert->value, 250);
    assert_int_equal(alert->quantity, 1004);
    EVIDENCE(alert, first, reached);
    messages(101, 500);
    assert_int_equal(flow.alert_count, 1);
    flow.hand.now_ns += DAY;
    messages(101, 999);
    assert_int_equal(flow.alert_count, 1);
    messages(101, 1); // no transaction stands for one
    assert_int_equal(flow.alert_count, 2);
    assert_int_equal(flow.alerts[1].value, 999);
}

static void the_volume_has_a_ratio_of_its_own(void **state)
{
    (void)state;
    flow.config.surveil_ratio_messages_min = 10;
    flow.config.surveil_ratio_volume = 500;
    with_config();
    uint64_t offer = order(101, SIDE_SELL, PRICE, UNIT); // 1 of 1
    take(201, 101, offer, SIDE_BUY, PRICE, UNIT, 0);
    for (int i = 0; i < 8; i++)
        order(101, SIDE_BUY, PRICE, 10 * UNIT); // 81
    order(101, SIDE_BUY, PRICE, 420 * UNIT - 1);
    assert_int_equal(flow.alert_count, 0);
    order(101, SIDE_BUY, PRICE, 1);
    assert_int_equal(only(DETECTOR_RATIO_VOLUME)->value, 500);
}

static void what_is_nobodys_message_does_not_count(void **state)
{
    (void)state;
    flow.config.surveil_ratio_messages_min = flow.config.surveil_ratio_number = 2;
    with_config();
    uint64_t bid = order(101, SIDE_BUY, PRICE, UNIT);
    cancel_for(bid, 101, SIDE_BUY, UNIT, CANCEL_KILLED);
    bid = order(101, SIDE_BUY, PRICE, UNIT);
    cancel_for(bid, 101, SIDE_BUY, UNIT, CANCEL_DISCONNECT);
    assert_int_equal(flow.alert_count, 0); // two
    bid = order(101, SIDE_BUY, PRICE, UNIT);
    only(DETECTOR_RATIO_NUMBER); // three for none
}

// ---- bounds and restarts

static void members_beyond_the_table_are_counted_and_left_out(void **state)
{
    (void)state;
    flow.config.surveil_pairs_max = 1;
    with_config();
    uint64_t evidence[3];
    order(201, SIDE_BUY, PRICE, UNIT); // the only place
    spoof(40 * UNIT, 100, evidence);
    assert_int_equal(flow.alert_count, 0);
    assert_true(surveillance_untracked(flow.surveillance) > 0);
    assert_int_equal(count_of(DETECTOR_SPOOFING), 0);
}

static void too_much_evidence_keeps_the_last(void **state)
{
    (void)state;
    passes(201, 301, PRICE, 10 * UNIT);
    after_ms(700000);
    for (int i = 0; i < 60; i++)
        passes(201, 101, PRICE + 100 * CENT, UNIT);
    phase(PHASE_CLOSED, PRICE);
    const struct surveillance_alert *alert = only(DETECTOR_MARKING_CLOSE);
    assert_int_equal(alert->evidence_total, 61);
    assert_int_equal(alert->evidence_count, SURVEILLANCE_EVIDENCE_MAX);
    for (uint32_t i = 1; i < alert->evidence_count; i++)
        assert_true(alert->evidence[i - 1] < alert->evidence[i]);
    assert_int_equal(alert->evidence[SURVEILLANCE_EVIDENCE_MAX - 1], alert->sequence);
}

struct records {
    struct snapshot_record records[RECORDS_KEPT];
    size_t count;
};

static int keep(void *context, const struct snapshot_record *record)
{
    struct records *records = context;
    assert_true(records->count < RECORDS_KEPT);
    records->records[records->count++] = *record;
    return 0;
}

// Two days of everything.
static void a_long_flow(void)
{
    uint64_t evidence[3];
    order(301, SIDE_BUY, PRICE - 100 * CENT, 100 * UNIT); // stays
    hand_iceberg(&flow.hand, 302, SIDE_SELL, PRICE + 300 * CENT, 90 * UNIT, 9 * UNIT);
    for (int day = 0; day < 2; day++) {
        uint64_t standing = order(101, SIDE_SELL, PRICE + 50 * CENT, 7 * UNIT);
        phase(PHASE_CONTINUOUS, PRICE);
        passes(101, 101, PRICE, UNIT);
        passes(101, 201, PRICE, 20 * UNIT);
        passes(201, 101, PRICE, 20 * UNIT);
        spoof(80 * UNIT, 100, evidence);
        layer((struct layering){
            .orders = 5, .levels = 5, .cancel_ms = 9, .quantity = 9 * UNIT, .reason = CANCEL_MASS});
        messages(301, 30);
        after_ms(700000);
        take(301, 101, standing, SIDE_BUY, PRICE + 50 * CENT, UNIT, 6 * UNIT);
        passes(201, 102, PRICE + 300 * CENT, 30 * UNIT);
        phase(PHASE_CLOSED, PRICE);
        order(302, SIDE_SELL, PRICE + 900 * CENT, 60 * UNIT); // over the night
        flow.hand.now_ns += DAY;
        hand_done(&flow.hand);
    }
}

// A surveillance that stops behind event `at` and begins again from the facts of that day.
static void restart_at(size_t at)
{
    struct surveillance_alert alerts[SURVEILLANCE_ALERTS_MAX], found[ALERTS_KEPT];
    static struct records records;
    size_t count = 0, day = 0;
    struct surveillance *s = surveillance_create(&flow.config);
    records.count = 0;
    for (size_t i = 0; i < at; i++) {
        if (surveillance_begins_day(s, &flow.events[i])) {
            records.count = 0;
            assert_int_equal(surveillance_save(s, keep, &records), 0);
            day = i;
        }
        size_t more = surveillance_apply(s, &flow.events[i], alerts);
        memcpy(&found[count], alerts, more * sizeof alerts[0]);
        count += more;
    }
    surveillance_destroy(s);
    s = surveillance_create(&flow.config);
    for (size_t i = 0; i < records.count; i++)
        surveillance_load(s, &records.records[i]);
    for (size_t i = day; i < flow.event_count; i++) {
        size_t more = surveillance_apply(s, &flow.events[i], alerts);
        if (i >= at) {
            memcpy(&found[count], alerts, more * sizeof alerts[0]);
            count += more;
        }
    }
    surveillance_destroy(s);
    assert_int_equal(count, flow.alert_count);
    assert_memory_equal(found, flow.alerts, count * sizeof found[0]);
}

static void a_restart_at_any_command_gives_the_same_alerts_once(void **state)
{
    (void)state;
    flow.config.surveil_ratio_messages_min = 20;
    flow.config.surveil_ratio_number = 20;
    with_config();
    a_long_flow();
    for (int detector = 1; detector < DETECTOR_COUNT; detector++)
        if (detector != DETECTOR_WASH_MEMBER && detector != DETECTOR_RATIO_VOLUME)
            assert_true(count_of((enum surveillance_detector)detector) >= 2);
    size_t restarts = 0;
    for (size_t at = 1; at <= flow.event_count; at++)
        if (flow.events[at - 1].header.last) {
            restart_at(at);
            restarts++;
        }
    assert_true(restarts > 100);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, discard)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_account_that_trades_with_itself_is_told),
        TEST(two_accounts_of_a_member_are_told_and_of_two_members_not),
        TEST(wash_trades_are_told_from_their_value_on),
        TEST(there_and_back_is_told_once),
        TEST(a_circle_may_leave_so_much),
        TEST(a_circle_is_at_about_the_same_price),
        TEST(a_circle_closes_within_its_window),
        TEST(small_circles_and_others_trades_are_none),
        TEST(a_large_order_withdrawn_behind_a_trade_is_spoofing),
        TEST(large_is_a_part_of_its_side),
        TEST(or_many_times_the_usual_size),
        TEST(the_order_is_so_many_times_what_was_wanted),
        TEST(the_order_goes_within_its_time),
        TEST(an_amend_away_from_the_market_is_a_withdrawal),
        TEST(an_amend_down_is_a_withdrawal_of_what_is_less),
        TEST(innocent_withdrawals_are_no_spoofing),
        TEST(what_the_venue_cancels_is_no_spoofing),
        TEST(an_iceberg_is_as_large_as_it_shows),
        TEST(who_quotes_both_sides_is_no_spoofer),
        TEST(layers_that_go_behind_a_trade_are_told_once),
        TEST(more_layers_are_one_alert),
        TEST(a_member_that_moves_the_close_is_told),
        TEST(below_its_part_of_the_volume_it_is_not),
        TEST(a_close_that_moves_less_is_none),
        TEST(whoever_sold_does_not_raise_the_price),
        TEST(the_closing_auction_counts),
        TEST(trades_before_the_window_do_not_count),
        TEST(a_price_that_the_window_has_forgotten_is_known_all_the_same),
        TEST(many_messages_for_few_trades_are_told_once_a_day),
        TEST(the_volume_has_a_ratio_of_its_own),
        TEST(what_is_nobodys_message_does_not_count),
        TEST(members_beyond_the_table_are_counted_and_left_out),
        TEST(too_much_evidence_keeps_the_last),
        TEST(a_restart_at_any_command_gives_the_same_alerts_once),
    };
    return cmocka_run_group_tests_name("surveillance", tests, NULL, NULL);
}
