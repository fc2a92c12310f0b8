// The gateway's trading between bare FIX bytes and the real engine.
#include "gateway/fix/testing.h"

#include "gateway/fix/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void order(struct peer *peer, const char *id, char side, const char *quantity,
                  const char *price)
{
    char text[256];
    snprintf(text, sizeof text,
             "35=D|11=%s|55=PORT|54=%c|60=20261120-10:00:00|38=%s|40=2|44=%s|59=1|", id, side,
             quantity, price);
    peer_send(peer, text);
}

static void an_order_is_answered_only_after_the_core_has_it(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    peer_expect(atlantic, "35=A|34=1|108=30|");
    order(atlantic, "A1", '1', "10.5", "100.25");
    peer_expect_no(atlantic, "35=8|");
    venue_run(venue);
    const char *report = peer_expect(
        atlantic,
        "35=8|34=2|11=A1|150=0|39=0|1=101|55=PORT|54=1|38=10.5|44=100.25|151=10.5|14=0|6=0|59=1|");
    char expected[64];
    snprintf(expected, sizeof expected, "%lu-0", (unsigned long)venue->sequence);
    assert_string_equal(message_field(report, 17), expected);
}

static void both_sides_of_a_trade_are_told_with_exact_figures(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_connect(atlantic, "");
    peer_connect(balear, "");
    order(atlantic, "A1", '2', "3", "100.01");
    order(atlantic, "A2", '2', "3", "100.02");
    venue_run(venue);
    order(balear, "B1", '1', "5", "100.02");
    venue_run(venue);
    peer_expect(balear, "35=8|11=B1|150=0|");
    peer_expect(balear, "35=8|11=B1|150=F|39=1|31=100.01|32=3|151=2|14=3|6=100.01|851=2|");
    const char *last =
        peer_expect(balear, "35=8|11=B1|150=F|39=2|31=100.02|32=2|151=0|14=5|6=100.014|");
    assert_string_equal(message_field(last, 137), ""); // the seller pays
    const char *maker = peer_expect(atlantic, "35=8|11=A1|150=F|39=2|31=100.01|32=3|851=1|");
    assert_true(message_has(maker, "136=1|137=0.30003|138=USD|139=4|"));
    maker = peer_expect(atlantic, "35=8|11=A2|150=F|39=1|32=2|151=1|14=2|6=100.02|");
    assert_non_null(strstr(message_field(maker, 17), "-S"));
}

static void digits_off_the_grid_are_refused_and_never_rounded(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '1', "1.001", "100");
    peer_expect(atlantic, "35=8|11=A1|150=8|39=8|5004=81|37=NONE|17=R1-1-2|");
    order(atlantic, "A2", '1', "1", "100.0000001");
    peer_expect(atlantic, "35=8|11=A2|39=8|5004=81|");
    order(atlantic, "A3", '1', "1", "100.005");
    venue_run(venue);
    peer_expect(
        atlantic,
        "35=8|11=A3|39=8|5004=26|103=99|"
        "58=OFF_TICK: price 100.005 is not a multiple of the tick 0.01 (round to the tick)|");
    order(atlantic, "A4", '1', "99999999999999999999", "1");
    peer_expect(atlantic, "35=8|11=A4|39=8|5004=81|");
    order(atlantic, "A5", '1', "0", "1");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A5|39=8|5004=21|103=13|");
    order(atlantic, "A6", '1', "-1", "1");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A6|39=8|5004=21|");
    order(atlantic, "A7", '1', "1e3", "1");
    peer_expect(atlantic, "35=3|371=38|373=6|");
    peer_send(atlantic, "35=D|11=A8|55=PORT|54=1|60=20261120-10:00:00|40=2|44=1|");
    peer_expect(atlantic, "35=j|372=D|379=A8|380=5|");
    peer_send(atlantic, "35=D|11=A9|55=FISH|54=1|60=20261120-10:00:00|38=1|40=2|44=1|");
    peer_expect(atlantic, "35=8|11=A9|39=8|5004=80|103=1|55=FISH|");
    peer_send(atlantic, "35=D|11=B1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=1|388=0|");
    peer_expect(atlantic, "35=3|371=388|373=0|"); // discretion: an instruction that we would drop
    peer_send(atlantic, "35=V|262=1|");
    peer_expect(atlantic, "35=3|372=V|373=11|");
    peer_send(atlantic, "35=9|37=1|11=a|41=b|39=0|434=1|");
    peer_expect(atlantic, "35=j|372=9|380=3|");
}

static void an_order_needs_its_confirmation_where_it_is_far_from_the_last_price(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_connect(atlantic, "");
    peer_connect(balear, "");
    order(atlantic, "A1", '2', "1", "100");
    order(balear, "B1", '1', "1", "100");
    venue_run(venue);
    order(balear, "B2", '1', "1", "80");
    venue_run(venue);
    const char *refused = peer_expect(balear, "35=8|11=B2|39=8|5004=32|");
    char again[256];
    snprintf(again, sizeof again,
             "35=D|11=B3|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=80|5001=Y|5003=%s|",
             message_field(refused, 5003));
    peer_send(balear, again);
    venue_run(venue);
    peer_expect(balear, "35=8|11=B3|150=0|");
}

static void a_cancel_that_overtakes_its_acknowledgement_waits_for_it(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '1', "1", "100");
    peer_send(atlantic, "35=F|41=A1|11=A2|55=PORT|54=1|60=20261120-10:00:00|");
    assert_true(session_is_held(atlantic->session));
    order(atlantic, "A3", '1', "1", "100"); // stays behind it
    venue_run(venue);
    assert_false(session_is_held(atlantic->session));
    peer_expect(atlantic, "35=8|11=A1|150=0|");
    peer_expect(atlantic, "35=8|11=A2|41=A1|150=4|39=4|151=0|14=0|");
    peer_expect(atlantic, "35=8|11=A3|150=0|");
    peer_send(atlantic, "35=F|41=A1|11=A4|55=PORT|54=1|60=20261120-10:00:00|");
    venue_run(venue);
    peer_expect(atlantic, "35=9|11=A4|41=A1|39=4|434=1|102=1|5004=16|");
    peer_send(atlantic, "35=F|41=nothing|11=A5|55=PORT|54=1|60=20261120-10:00:00|");
    peer_expect(atlantic, "35=9|11=A5|41=nothing|37=NONE|39=8|102=1|");
    peer_send(atlantic, "35=F|41=A3|11=A6|55=PORT|54=2|60=20261120-10:00:00|");
    peer_expect(atlantic, "35=9|11=A6|39=0|5004=20|"); // the wrong side: not carried out
}

static void an_amend_changes_the_quantity_and_moves_the_client_id(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '1', "5", "100");
    peer_send(atlantic, "35=G|41=A1|11=A2|55=PORT|54=1|60=20261120-10:00:00|38=2|40=2|44=100|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A2|41=A1|150=5|39=0|38=2|151=2|44=100|638=0|");
    peer_send(atlantic, "35=G|41=A2|11=A3|55=PORT|54=1|60=20261120-10:00:00|38=4|40=2|44=99|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A3|41=A2|150=5|39=0|38=4|151=4|44=99|638=1|");
    peer_send(atlantic, "35=G|41=A3|11=A4|55=PORT|54=1|60=20261120-10:00:00|38=0|40=2|44=99|");
    peer_expect(atlantic, "35=9|11=A4|41=A3|434=2|5004=21|"); // 0 is no "as it is"
    peer_send(atlantic, "35=H|11=A3|55=PORT|54=1|790=Q|");
    peer_expect_no(atlantic, "35=8|150=I|"); // the engine is asked
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A3|790=Q|17=0|150=I|39=0|38=4|151=4|44=99|");
    peer_send(atlantic, "35=H|11=A9|55=PORT|54=1|");
    peer_expect(atlantic, "35=8|11=A9|150=I|39=8|103=5|");
}

static void a_client_id_is_used_once(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '1', "1", "100");
    order(atlantic, "A1", '1', "1", "100"); // while the first is in flight
    peer_expect(atlantic, "35=8|11=A1|39=8|103=6|5004=53|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A1|150=0|");
    order(atlantic, "A1", '1', "1", "100");
    peer_expect(atlantic, "35=8|11=A1|39=8|103=6|5004=53|");
    peer_send(atlantic, "35=D|97=Y|11=A1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|");
    peer_expect(atlantic, "35=8|11=A1|150=I|39=0|"); // possibly the same order: told, not doubled
    venue_run(venue);
    assert_int_equal(engine_open_orders(venue->engine), 1);
}

static void mass_cancel_and_disconnect_take_all_orders(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_connect(atlantic, "");
    peer_connect(balear, "");
    order(atlantic, "A1", '1', "1", "100");
    order(atlantic, "A2", '1', "1", "99");
    order(balear, "B1", '1', "1", "98");
    peer_send(atlantic, "35=q|11=A3|530=7|60=20261120-10:00:00|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A1|150=4|58=mass cancel|");
    peer_expect(atlantic, "35=8|11=A2|150=4|");
    peer_expect(atlantic, "35=r|11=A3|530=7|531=7|533=2|");
    peer_disconnect(balear); // has cancel on disconnect
    assert_int_equal(engine_open_orders(venue->engine), 0);
    peer_connect(balear, "");
    peer_send(balear, "35=2|7=1|16=0|");
    while (session_resend_some(balear->session, 100000, clock_wall_ns(&clock_system)))
        ;
    peer_expect(balear, "35=8|11=B1|150=4|43=Y|58=cancel on disconnect|");
}

static void what_the_core_lost_is_answered_as_not_accepted(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '1', "1", "100");
    venue_run(venue);
    order(atlantic, "A2", '1', "1", "100");
    peer_send(atlantic, "35=F|41=A2|11=A3|55=PORT|54=1|60=20261120-10:00:00|");
    venue_restart_core(venue);
    peer_expect(atlantic, "35=8|11=A1|150=0|");
    peer_expect(atlantic, "35=8|11=A2|39=8|5004=86|");
    peer_expect(atlantic, "35=9|11=A3|41=A2|102=1|");
    order(atlantic, "A2", '1', "1", "100"); // sent again, as the answer says
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A2|150=0|");
    assert_int_equal(engine_open_orders(venue->engine), 2);
}

static void what_a_new_core_takes_before_the_attach_shows_what_was_lost(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '1', "1", "100");
    peer_send(atlantic, "35=q|11=A2|530=7|60=20261120-10:00:00|");
    venue_lose_commands(venue);
    order(atlantic, "A3", '1', "1", "100");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A1|39=8|5004=86|");
    peer_expect(atlantic, "35=r|11=A2|531=0|5004=86|");
    peer_expect(atlantic, "35=8|11=A3|150=0|");
    venue_restart_core(venue);
    peer_expect_no(atlantic, "5004=86|");
}

static void a_full_ring_is_an_answer_and_cancels_still_pass(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A0", '1', "1", "1");
    venue_run(venue);
    char id[16];
    unsigned i = 0;
    for (bool full = false; !full; i++) {
        assert_true(i < 2000);
        snprintf(id, sizeof id, "F%u", i);
        order(atlantic, id, '1', "1", "1");
        full = message_has(atlantic->heard[atlantic->heard_count - 1], "5004=5|");
    }
    peer_send(atlantic, "35=F|41=A0|11=C0|55=PORT|54=1|60=20261120-10:00:00|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=C0|41=A0|150=4|");
}

// Cut to 36 characters it could be the id of another, living order.
static void an_id_that_is_too_long_is_never_answered_under_a_shorter_one(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    const char id[] = "123456789012345678901234567890123456";
    char text[256];
    peer_connect(atlantic, "");
    order(atlantic, id, '1', "1", "100");
    venue_run(venue);
    snprintf(text, sizeof text, "35=8|11=%s|150=0|", id);
    peer_expect(atlantic, text);
    snprintf(text, sizeof text, "%s7", id);
    order(atlantic, text, '1', "1", "100");
    peer_expect_no(atlantic, "35=8|");
    peer_expect(atlantic, "35=3|45=3|371=11|372=D|373=5|");
    snprintf(text, sizeof text, "35=F|41=%s7|11=C1|55=PORT|54=1|60=20261120-10:00:00|", id);
    peer_send(atlantic, text);
    peer_expect(atlantic, "35=3|45=4|371=41|372=F|373=5|");
    snprintf(text, sizeof text, "35=H|11=%s|790=%s7|55=PORT|54=1|", id, id);
    peer_send(atlantic, text);
    peer_expect(atlantic, "35=3|45=5|371=790|372=H|373=5|");
    venue_run(venue);
    assert_int_equal(engine_open_orders(venue->engine), 1);
}

static void an_average_price_that_eight_decimals_cannot_hold_has_fewer(void **state)
{
    struct venue *venue = *state;
    struct fix_order order = {.order = 1,
                              .price = INT64_MAX - 7,
                              .quantity = 100,
                              .leaves = 0,
                              .session = 1,
                              .account = 101,
                              .instrument = 1,
                              .side = SIDE_BUY,
                              .type = ORDER_LIMIT,
                              .filled_notional = INT64_MAX - 7};
    const struct happening what = {.exec_type = 'I'};
    struct report report;
    report_order(&report, &order, &what, venue->view);
    bool found = false;
    for (size_t i = 0; i < report.field_count; i++)
        if (report.fields[i].tag == 6) {
            found = true;
            assert_int_equal(report.fields[i].value.bytes, strlen("9223372036854.7758"));
            assert_memory_equal(report.fields[i].value.at, "9223372036854.7758", 18);
        }
    assert_true(found);
}

static uint64_t tomorrow_ns(void *context)
{
    (void)context;
    return clock_wall_ns(&clock_system) + 24ull * 3600 * 1000000000;
}

static void ids_are_free_on_a_new_day_before_anything_has_happened(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    const struct clock tomorrow = {.monotone_ns = clock_system.monotone_ns, .wall_ns = tomorrow_ns};
    peer_connect(atlantic, "");
    order(atlantic, "A1", '1', "1", "100");
    order(atlantic, "A2", '1', "1", "100");
    venue_run(venue);
    peer_send(atlantic, "35=F|41=A1|11=A3|55=PORT|54=1|60=20261120-10:00:00|");
    venue_run(venue);
    venue->desk.clock = &tomorrow;
    atlantic->read = atlantic->heard_count;
    order(atlantic, "A1", '1', "1", "100"); // yesterday's, cancelled
    order(atlantic, "A2", '1', "1", "100"); // yesterday's, still open
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A2|39=8|5004=53|");
    peer_expect(atlantic, "35=8|11=A1|150=0|");
    venue->desk.clock = &clock_system;
}

static void an_order_sent_again_while_the_first_is_in_flight_waits_for_it(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    const char again[] = "35=D|97=Y|11=A1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|59=1|";
    peer_connect(atlantic, "");
    order(atlantic, "A1", '1', "1", "100");
    peer_send(atlantic, again);
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A1|150=0|");
    peer_expect(atlantic, "35=8|11=A1|150=I|39=0|");
    peer_expect_no(atlantic, "39=8|");
    assert_int_equal(engine_open_orders(venue->engine), 1);
    // Where the core lost the first, the second is the order.
    order(atlantic, "B1", '1', "1", "100");
    peer_send(atlantic, "35=D|97=Y|11=B1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|");
    venue_restart_core(venue);
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=B1|39=8|5004=86|");
    peer_expect(atlantic, "35=8|11=B1|150=0|");
    assert_int_equal(engine_open_orders(venue->engine), 2);
}

static void what_we_would_not_do_is_refused_and_not_ignored(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    static const char *const asked[][2] = {
        {"40=2|44=100|21=3|", "35=3|371=21|373=5|"}, // manual handling
        {"40=1|44=100|", "35=8|39=8|5004=25|"},      // a market order with a price
        {"40=2|44=100|59=6|432=20261320|", "35=8|39=8|5004=2|103=99|"}, // nor such month
        {"40=2|44=100|59=6|432=20260231|", "35=8|39=8|5004=2|103=99|"}, // no such day
        {"40=2|44=100|59=6|", "35=j|372=D|380=5|"},
        {"40=2|44=100|59=5|", "35=8|39=8|5004=23|103=11|"}, // good till crossing
        {"40=5|", "35=8|39=8|5004=22|103=11|"},             // market on close, not our type 5
        {"40=3|", "35=j|372=D|380=5|"},                     // no stop price
        {"40=P|211=1|", "35=8|39=8|5004=22|"},              // a peg that is no trailing stop
        {"40=P|18=a|", "35=j|372=D|380=5|"},                // no offset
        {"40=P|18=a|211=1|836=1|", "35=8|39=8|5004=2|"},    // in basis points
        {"40=2|44=100|18=a|", "35=8|39=8|5004=2|"},
        {"40=2|44=100|18=G|", "35=8|39=8|5004=2|"},   // all or none
        {"40=2|44=100|18=66|", "35=8|39=8|5004=2|"},  // not "6 6"
        {"40=2|44=100|111=0|", "35=8|39=8|5004=59|"}, // hidden altogether
        {"40=2|44=100|111=0.5|1138=0.6|", "35=8|39=8|5004=2|"},
        {"40=2|44=100|111=x|", "35=3|371=111|373=6|"},
        {"40=2|44=100|2362=ab|", "35=8|39=8|5004=81|"},
        {"40=2|44=100|2964=9|", "35=8|39=8|5004=39|"},
        {"40=2|44=100|110=0.5|", "35=8|39=8|5004=64|"}, // not immediate or cancel
        {"40=3|99=0|", "35=8|39=8|5004=58|"},
        {"40=2|44=100|99=101|", "35=8|39=8|5004=58|"}, // a limit order with a stop price
        {"40=2|44=100|211=1|", "35=8|39=8|5004=66|"},
        {"40=2|44=100|126=20991120-10:00:00|", "35=8|39=8|5004=65|"}, // a day order with a date
        {"40=2|44=100|59=6|126=20201120-10:00:00|", "35=8|39=8|5004=65|"},
        {"40=1|18=6|", "35=8|39=8|5004=67|"},
        {"40=3|99=100|59=3|", "35=8|39=8|5004=68|"},
        {"40=2|44=100|1=102|", "35=8|39=8|5004=13|103=15|"},
        {"40=2|44=100|15=EUR|", "35=8|39=8|5004=2|103=99|"},
        {"40=2|44=+100|", "35=3|371=44|373=6|"},
        {"40=2|44=100.0000000000000000001|", "35=8|39=8|5004=81|"},
        {"40=2|44=-100|", "35=8|39=8|5004=24|"},
    };
    peer_connect(atlantic, "");
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        char text[256];
        atlantic->read = atlantic->heard_count;
        snprintf(text, sizeof text, "35=D|11=Q%zu|55=PORT|54=1|60=20261120-10:00:00|38=1|%s", i,
                 asked[i][0]);
        peer_send(atlantic, text);
        venue_run(venue);
        peer_expect(atlantic, asked[i][1]);
        assert_int_equal(engine_open_orders(venue->engine), 0);
    }
    order(atlantic, "\xc3\xa4", '1', "1", "100");
    peer_expect(atlantic, "35=8|39=8|5004=2|103=99|17=R1-1-34|");
    assert_non_null(strstr(atlantic->heard[atlantic->heard_count - 1], "58=MALFORMED: field 11 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VENUE_TEST(an_order_is_answered_only_after_the_core_has_it),
        VENUE_TEST(both_sides_of_a_trade_are_told_with_exact_figures),
        VENUE_TEST(digits_off_the_grid_are_refused_and_never_rounded),
        VENUE_TEST(an_order_needs_its_confirmation_where_it_is_far_from_the_last_price),
        VENUE_TEST(a_cancel_that_overtakes_its_acknowledgement_waits_for_it),
        VENUE_TEST(an_amend_changes_the_quantity_and_moves_the_client_id),
        VENUE_TEST(a_client_id_is_used_once),
        VENUE_TEST(mass_cancel_and_disconnect_take_all_orders),
        VENUE_TEST(what_the_core_lost_is_answered_as_not_accepted),
        VENUE_TEST(what_a_new_core_takes_before_the_attach_shows_what_was_lost),
        VENUE_TEST(a_full_ring_is_an_answer_and_cancels_still_pass),
        VENUE_TEST(an_id_that_is_too_long_is_never_answered_under_a_shorter_one),
        VENUE_TEST(an_average_price_that_eight_decimals_cannot_hold_has_fewer),
        VENUE_TEST(ids_are_free_on_a_new_day_before_anything_has_happened),
        VENUE_TEST(an_order_sent_again_while_the_first_is_in_flight_waits_for_it),
        VENUE_TEST(what_we_would_not_do_is_refused_and_not_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
