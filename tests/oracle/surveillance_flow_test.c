// Market surveillance over an hour of real order flow (LOBSTER: AAPL, 21 June 2012, 09:30 to
// 10:30), with the default thresholds. The recording does not say who anybody was: orders are given
// to members by their number, which makes most alerts coincidence, and the counts a measure of how
// often coincidence looks like abuse. docs/surveillance.md explains each.
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/testing.h"
#include "risk/surveillance/hand_testing.h"
#include "risk/surveillance/surveillance.h"

#define MESSAGES "../shared/data/lobster/AAPL_2012-06-21_34200000_37800000_message_50.csv"

enum message_type { NEW = 1, REDUCED = 2, DELETED = 3, EXECUTED = 4 };
enum { ORDERS_KEPT = 65536, FIRST_ACCOUNT = 100, PLANT_EVERY = 9000 };
static const uint64_t MIDNIGHT_NS = 15512 * HAND_DAY;

struct message {
    uint64_t time_ns, order;
    int type, direction;
    int64_t quantity, price;
};

struct kept { // an order of the recording
    uint64_t id;
    uint32_t account;
    uint8_t side;
    int64_t price, leaves;
};

struct hour {
    struct hand hand;
    struct config config;
    struct surveillance *surveillance;
    uint32_t members;
    struct map places;
    struct kept orders[ORDERS_KEPT];
    size_t order_count;
    uint64_t events, skipped, executions;
    uint64_t alerts[DETECTOR_COUNT];
};

static struct hour hour;

static void on_event(void *context, const struct event *event)
{
    struct hour *h = context;
    struct surveillance_alert alerts[SURVEILLANCE_ALERTS_MAX];
    size_t count = surveillance_apply(h->surveillance, event, alerts);
    for (size_t i = 0; i < count; i++)
        h->alerts[alerts[i].detector]++;
    h->events++;
}

#define DEFAULT_INT(group, key, def, min, max, doc) config->group##_##key = (def);
#define DEFAULT_TEXT(group, key, def, doc)
static void defaults(struct config *config)
{
    CONFIG_KEYS(DEFAULT_INT, DEFAULT_TEXT)
}

static uint32_t account_of(const struct hour *h, uint64_t number)
{
    number = (number ^ number >> 31) * 0x9e3779b97f4a7c15ULL;
    return FIRST_ACCOUNT + (uint32_t)(number >> 33) % h->members;
}

static bool read_message(FILE *file, struct message *out)
{
    unsigned long seconds;
    char fraction[16];
    int fields = fscanf(file, "%lu.%15[0-9],%d,%lu,%ld,%ld,%d", &seconds, fraction, &out->type,
                        &out->order, &out->quantity, &out->price, &out->direction);
    if (fields != 7)
        return false;
    uint64_t nanos = 0;
    for (int i = 0; i < 9; i++)
        nanos = nanos * 10 + (i < (int)strlen(fraction) ? (uint64_t)(fraction[i] - '0') : 0);
    out->time_ns = MIDNIGHT_NS + seconds * 1000000000 + nanos;
    out->quantity *= HAND_UNIT;
    out->price *= 100; // of 1e-4 dollars
    return true;
}

static void keep(struct hour *h, const struct message *m)
{
    assert_true(h->order_count < ORDERS_KEPT);
    struct kept *order = &h->orders[h->order_count++];
    order->account = account_of(h, m->order);
    order->side = m->direction == 1 ? SIDE_BUY : SIDE_SELL;
    order->price = m->price;
    order->leaves = m->quantity;
    order->id = hand_order(&h->hand, order->account, order->side, m->price, m->quantity);
    map_put(&h->places, m->order, h->order_count);
}

static void act(struct hour *h, const struct message *m, struct kept *order)
{
    struct hand *hand = &h->hand;
    if (order->leaves < m->quantity)
        return; // it had been there before
    order->leaves -= m->quantity;
    uint8_t taker_side = order->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
    if (m->type == EXECUTED) {
        hand_take(hand, account_of(h, h->executions++ + 7777777), order->account, order->id,
                  taker_side, order->price, m->quantity, order->leaves);
    } else if (order->leaves == 0 || m->type == DELETED) {
        hand_cancel(hand, order->id, order->account, order->side, order->leaves + m->quantity,
                    CANCEL_BY_OWNER);
        order->leaves = 0;
    } else {
        hand_amend(hand, order->id, order->account, order->side, order->price, order->leaves, true);
    }
}

static void take(struct hour *h, const struct message *m)
{
    uint64_t place = 0;
    if (h->hand.now_ns + 1000 < m->time_ns)
        h->hand.now_ns = m->time_ns - 1000;
    if (m->type == NEW)
        keep(h, m);
    else if (m->type <= EXECUTED && map_get(&h->places, m->order, &place) &&
             h->orders[place - 1].leaves > 0)
        act(h, m, &h->orders[place - 1]);
    else
        h->skipped++; // hidden, halted, or about orders from before
}

// One member more spoofs (5,000 shares over a sale of 100) and, later, layers four bids of 300.
static void plant(struct hour *h, int64_t price)
{
    struct hand *hand = &h->hand;
    uint32_t planter = FIRST_ACCOUNT + h->members, victim = FIRST_ACCOUNT;
    int64_t lot = 100 * HAND_UNIT;
    uint64_t layers[4];
    uint64_t offer = hand_order(hand, planter, SIDE_SELL, price, lot);
    uint64_t bid = hand_order(hand, planter, SIDE_BUY, price - 100 * HAND_CENT, 50 * lot);
    hand_take(hand, victim, planter, offer, SIDE_BUY, price, lot, 0);
    hand_cancel(hand, bid, planter, SIDE_BUY, 50 * lot, CANCEL_BY_OWNER);
    for (int i = 0; i < 4; i++)
        layers[i] = hand_order(hand, planter, SIDE_BUY, price - (10 + i) * HAND_CENT, 3 * lot);
    offer = hand_order(hand, planter, SIDE_SELL, price, lot);
    hand_take(hand, victim, planter, offer, SIDE_BUY, price, lot, 0);
    for (int i = 0; i < 4; i++)
        hand_cancel(hand, layers[i], planter, SIDE_BUY, 3 * lot, CANCEL_BY_OWNER);
}

// The recorded hour, given to so many members, and a close at its end.
static void replay(uint32_t members, bool plants)
{
    FILE *file = fopen(MESSAGES, "r");
    if (file == NULL) {
        print_message("skipped: %s is not there\n", MESSAGES);
        skip();
    }
    struct message message;
    memset(&hour, 0, sizeof hour);
    defaults(&hour.config);
    hour.members = members;
    hour.surveillance = surveillance_create(&hour.config);
    assert_non_null(hour.surveillance);
    map_init(&hour.places);
    hour.hand = (struct hand){.sink = on_event, .context = &hour, .now_ns = MIDNIGHT_NS};
    hand_instrument(&hour.hand);
    hand_phase(&hour.hand, PHASE_CONTINUOUS, 0);
    for (uint32_t i = 0; i <= members; i++)
        hand_account(&hour.hand, FIRST_ACCOUNT + i, 1 + i);
    for (uint32_t rows = 1; read_message(file, &message); rows++) {
        take(&hour, &message);
        if (plants && rows % PLANT_EVERY == 0)
            plant(&hour, message.price);
    }
    hand_phase(&hour.hand, PHASE_CLOSED, hour.orders[hour.order_count - 1].price);
    fclose(file);
    map_fini(&hour.places);
    assert_int_equal(surveillance_untracked(hour.surveillance), 0);
    surveillance_destroy(hour.surveillance);
    print_message("%u members: %lu events, %lu executions;", members, hour.events, hour.executions);
    for (int i = 1; i < DETECTOR_COUNT; i++)
        print_message(" %s %lu", surveillance_detector_name((enum surveillance_detector)i),
                      hour.alerts[i]);
    print_message("\n");
}

static void alerts_are(const uint64_t expected[DETECTOR_COUNT])
{
    for (int i = 1; i < DETECTOR_COUNT; i++)
        assert_int_equal(hour.alerts[i], expected[i]);
}

// By chance, every 200th trade is between a member and itself (4,055 / 200 = 20), and now and then
// two members trade there and back within five minutes.
static void an_hour_of_two_hundred_members(void **state)
{
    (void)state;
    replay(200, false);
    alerts_are((const uint64_t[DETECTOR_COUNT]){
        [DETECTOR_WASH_ACCOUNT] = 25, [DETECTOR_WASH_CIRCULAR] = 6});
}

// Of twenty each trades with each other one once in three minutes: they circle.
static void an_hour_of_twenty_members(void **state)
{
    (void)state;
    replay(20, false);
    alerts_are((const uint64_t[DETECTOR_COUNT]){
        [DETECTOR_WASH_ACCOUNT] = 201, [DETECTOR_WASH_CIRCULAR] = 197, [DETECTOR_LAYERING] = 1});
}

// Every trade is with itself; but whoever quotes and takes on both sides is no spoofer.
static void an_hour_of_one_member(void **state)
{
    (void)state;
    replay(1, false);
    alerts_are((const uint64_t[DETECTOR_COUNT]){[DETECTOR_WASH_ACCOUNT] = 4055});
}

// What is planted is found, and nothing else changes.
static void ten_spoofs_and_layers_are_found_in_the_hour(void **state)
{
    (void)state;
    replay(200, true);
    alerts_are((const uint64_t[DETECTOR_COUNT]){[DETECTOR_WASH_ACCOUNT] = 25,
                                                [DETECTOR_WASH_CIRCULAR] = 6,
                                                [DETECTOR_SPOOFING] = 10,
                                                [DETECTOR_LAYERING] = 10});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_of_two_hundred_members),
        cmocka_unit_test(an_hour_of_twenty_members),
        cmocka_unit_test(an_hour_of_one_member),
        cmocka_unit_test(ten_spoofs_and_layers_are_found_in_the_hour),
    };
    return cmocka_run_group_tests_name("surveillance of real flow", tests, NULL, NULL);
}
