// What is asked of the market and of many orders at once, over bare FIX bytes against the real
// engine: auctions and their prices, security status, mass cancels, status.
#include "gateway/fix/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS 1000000000ull

// ---- auctions, status of the market -------------------------------------------------------------

static void auctions_take_orders_show_a_price_and_trade_at_it(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peers_trade_at_100(venue);
    peer_ask(balear, "35=e|324=S1|55=PORT|263=1|");
    peer_expect(balear, "35=f|324=S1|55=PORT|325=N|326=17|625=3|31=100|");
    venue_set_phase(venue, PHASE_OPENING_AUCTION);
    peer_expect(balear, "35=f|324=S1|325=Y|326=22|625=2|31=100|");
    peer_order(atlantic, "11=A1|54=2|38=3|40=2|44=100|59=2|");
    peer_expect(atlantic, "35=8|11=A1|150=0|59=2|");
    peer_order(balear, "11=B1|54=1|38=2|40=1|59=2|");
    peer_expect(balear, "35=8|11=B1|150=0|39=0|40=1|");
    peer_order(balear, "11=B2|54=1|38=1|40=2|44=100|59=7|");
    peer_expect(balear, "35=8|11=B2|150=0|59=7|636=N|");
    venue_advance(venue, 2 * SECOND_NS);
    peer_expect(balear, "35=f|324=S1|325=Y|326=22|625=2|330=2|331=3|332=100|333=100|");
    size_t before = balear->heard_count;
    venue_set_phase(venue, PHASE_CONTINUOUS);
    assert_int_equal(peer_count(balear, before, "35=f|"), 1);
    peer_expect(atlantic, "35=8|11=A1|150=F|32=2|31=100|574=7|851=4|");
    peer_expect(atlantic, "35=8|11=A1|150=4|39=4|14=2|"); // what the auction left
    peer_expect(balear, "35=8|11=B1|150=F|39=2|31=100|574=7|851=4|");
    const char *open = peer_expect(balear, "35=f|325=Y|326=17|625=3|");
    assert_string_equal(message_field(open, 332), "");
    venue_set_phase(venue, PHASE_OPENING_AUCTION); // the auction before is no indication
    open = peer_expect(balear, "35=f|325=Y|326=22|625=2|");
    assert_string_equal(message_field(open, 332), "");
    venue_set_phase(venue, PHASE_CONTINUOUS);
    peer_ask(balear, "35=e|324=S1|55=PORT|263=2|");
    balear->read = balear->heard_count;
    venue_set_phase(venue, PHASE_CLOSING_AUCTION);
    peer_expect(balear, "35=8|11=B2|150=L|39=0|636=Y|");
    peer_expect_no(balear, "35=f|");
    venue_set_phase(venue, PHASE_CLOSED);
    peer_expect(balear, "35=8|11=B2|150=4|39=4|");
}

static void a_volatility_auction_interrupts_and_ends_by_itself(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    venue_set_volatility(venue, 500);
    peer_ask(atlantic, "35=e|324=S1|55=PORT|263=1|");
    peer_order(atlantic, "11=A1|54=2|38=1|40=2|44=100|");
    peer_order(atlantic, "11=A2|54=2|38=2|40=2|44=106|"); // further than 5 % from the reference
    peer_order(balear, "11=B1|54=1|38=2|40=2|44=106|59=3|");
    peer_expect(balear, "35=8|11=B1|150=F|32=1|31=100|");
    peer_expect(balear, "35=8|11=B1|150=4|14=1|58=a volatility auction begins|");
    peer_expect(atlantic, "35=f|324=S1|325=Y|326=5|625=6|");
    peer_order(balear, "11=B2|54=1|38=1|40=2|44=106|"); // takes part, and crosses until it is over
    peer_expect(balear, "35=8|11=B2|150=0|39=0|");
    venue_advance(venue, 2 * SECOND_NS);
    peer_expect(atlantic, "35=f|326=5|625=6|330=1|331=2|332=106|333=106|");
    venue_advance(venue, 120 * SECOND_NS);
    peer_expect(balear, "35=8|11=B2|150=F|39=2|31=106|574=7|851=4|");
    peer_expect(atlantic, "35=8|11=A2|150=F|39=1|151=1|574=7|");
    peer_expect(atlantic, "35=f|326=17|625=3|31=106|");
}

static void security_status_is_asked_once_or_subscribed_to(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    static const struct {
        uint8_t phase;
        const char *expected;
    } phases[] = {{PHASE_HALTED, "35=f|326=2|625=7|"},
                  {PHASE_CLOSED, "35=f|326=18|625=5|"},
                  {PHASE_PRE_OPEN, "35=f|326=21|625=1|"},
                  {PHASE_OPENING_AUCTION, "35=f|326=22|625=2|"},
                  {PHASE_CONTINUOUS, "35=f|326=17|625=3|"},
                  {PHASE_VOLATILITY_AUCTION, "35=f|326=5|625=6|"},
                  {PHASE_CLOSING_AUCTION, "35=f|326=5|625=4|"}};
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        venue_set_phase(venue, phases[i].phase);
        peer_expect_no(atlantic, "35=f|");
        peer_ask(atlantic, "35=e|324=S|55=PORT|263=0|");
        peer_expect(atlantic, phases[i].expected);
    }
    peer_ask(atlantic, "35=e|324=S2|55=FISH|263=1|");
    peer_expect(atlantic, "35=f|324=S2|55=FISH|326=20|");
    peer_ask(atlantic, "35=e|324=S3|55=PORT|263=3|");
    peer_expect(atlantic, "35=3|371=263|373=5|");
    peer_ask(atlantic, "35=e|324=S4|55=PORT|263=2|");
    peer_expect(atlantic, "35=j|372=e|379=S4|380=1|");
    venue_set_phase(venue, PHASE_CONTINUOUS);
    peer_ask(atlantic, "35=e|324=S5|55=PORT|263=1|");
    venue_trip_breaker(venue, true);
    peer_expect(atlantic, "35=f|324=S5|325=Y|326=2|625=3|58=the circuit breaker is tripped|");
    // A subscription is the connection's, and what passed is not told again.
    peer_disconnect(atlantic);
    peer_connect(atlantic, "");
    atlantic->read = atlantic->heard_count;
    venue_trip_breaker(venue, false);
    peer_expect_no(atlantic, "35=f|");
    peer_send(atlantic, "35=2|7=1|16=0|");
    while (session_resend_some(atlantic->session, 100000, clock_wall_ns(&clock_system)))
        ;
    peer_expect(atlantic, "35=4|123=Y|");
    peer_expect_no(atlantic, "35=f|");
}

static void the_venues_state_is_asked_once_or_subscribed_to(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_ask(atlantic, "35=g|335=T1|263=0|");
    peer_expect(atlantic, "35=h|335=T1|336=LONJA|325=N|340=2|");
    peer_ask(balear, "35=g|335=T2|263=1|");
    venue_set_state(venue, VENUE_CANCEL_ONLY);
    peer_expect(balear, "35=h|335=T2|336=LONJA|325=Y|340=1|58=the venue takes cancels only|");
    peer_expect_no(atlantic, "35=h|");
    peer_ask(balear, "35=g|335=T3|263=2|");
    peer_expect(balear, "35=j|372=g|379=T3|380=1|");
    peer_ask(balear, "35=g|335=T2|263=2|");
    venue_set_state(venue, VENUE_OPEN);
    peer_expect_no(balear, "35=h|");
    peer_ask(balear, "35=e|324=T2|55=FISH|263=2|");
    peer_expect(balear, "35=j|372=e|380=1|");
}

// ---- mass cancel, status of orders --------------------------------------------------------------

static void mass_cancels_take_what_they_name(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_order(atlantic, "11=A1|54=1|38=1|40=2|44=99|");
    peer_order(atlantic, "11=A2|54=2|38=1|40=2|44=101|");
    peer_order(balear, "11=B1|54=1|38=1|40=2|44=98|");
    peer_ask(atlantic, "35=q|11=M1|530=7|54=1|60=20261120-10:00:00|");
    peer_expect(atlantic, "35=8|11=A1|150=4|58=mass cancel|");
    peer_expect(atlantic, "35=r|11=M1|530=7|531=7|533=1|54=1|");
    peer_ask(atlantic, "35=q|11=M2|530=1|55=PORT|1=101|60=20261120-10:00:00|");
    peer_expect(atlantic, "35=8|11=A2|150=4|");
    peer_expect(atlantic, "35=r|11=M2|530=1|531=1|533=1|55=PORT|1=101|");
    peer_order(atlantic, "11=A3|54=2|38=1|40=2|44=101|");
    peer_ask(atlantic,
             "35=q|11=M3|530=7|1461=1|1462=1|1463=D|1464=1|60=20261120-10:00:00|"); // the member's
    peer_expect(atlantic, "35=8|11=A3|150=4|");
    peer_expect(atlantic, "35=r|11=M3|531=7|533=1|");
    peer_ask(atlantic, "35=q|11=M4|530=7|1461=1|1462=2|1464=1|60=20261120-10:00:00|");
    peer_expect(atlantic, "35=r|11=M4|531=0|532=99|5004=92|"); // another firm's
    peer_ask(balear, "35=q|11=M5|530=7|1461=1|1462=2|1464=1|60=20261120-10:00:00|");
    peer_expect(balear, "35=r|11=M5|531=0|5004=92|"); // not its right
    peer_ask(balear, "35=q|11=M6|530=7|1=101|60=20261120-10:00:00|");
    peer_expect(balear, "35=r|11=M6|531=0|5004=13|");
    peer_ask(balear, "35=q|11=M7|530=3|60=20261120-10:00:00|");
    peer_expect(balear, "35=r|11=M7|530=3|531=0|5004=2|");
    peer_ask(balear, "35=q|11=M8|530=1|55=FISH|60=20261120-10:00:00|");
    peer_expect(balear, "35=r|11=M8|531=0|532=1|5004=80|");
    peer_ask(balear, "35=q|11=M9|530=1|60=20261120-10:00:00|");
    peer_expect(balear, "35=j|372=q|379=M9|380=5|");
    assert_int_equal(engine_open_orders(venue->engine), 1);
    // What the core cancels of its own is not the answer to one that was refused.
    peer_ask(balear, "35=q|11=N1|530=7|1=101|60=20261120-10:00:00|");
    peer_expect(balear, "35=r|11=N1|531=0|5004=13|");
    venue_suspend(venue, 102);
    peer_expect(balear, "35=8|11=B1|150=4|58=the account lost its right to trade|");
    peer_expect_no(balear, "35=r|");
}

static void rest_many(struct peer *peer, unsigned first, unsigned count)
{
    char text[128];
    for (unsigned i = first; i < first + count; i++) {
        snprintf(text, sizeof text, "11=A%u|54=1|38=0.01|40=2|44=%u|", i, 50 + i % 40);
        peer_order(peer, text);
    }
}

static void expect_states(struct peer *peer, const char *id, unsigned count)
{
    char text[128];
    snprintf(text, sizeof text, "35=AF|584=%s|585=7|", id);
    peer_ask(peer, text);
    for (unsigned i = 0; i < count; i++) {
        snprintf(text, sizeof text, "35=8|11=A%u|584=%s|150=I|17=0|911=%u|912=%c|", i, id, count,
                 i + 1 == count ? 'Y' : 'N');
        peer_expect(peer, text);
    }
    snprintf(text, sizeof text, "35=8|584=%s|", id);
    peer_expect_no(peer, text);
}

// A command makes 64 events at most here: the core goes on by itself, and one answer says it all.
static void a_large_mass_cancel_or_status_is_one_answer(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    rest_many(atlantic, 0, 62);
    expect_states(atlantic, "Q62", 62);
    rest_many(atlantic, 62, 1); // with the end of it just full
    expect_states(atlantic, "Q63", 63);
    rest_many(atlantic, 63, 1);
    expect_states(atlantic, "Q64", 64);
    rest_many(atlantic, 64, 136);
    expect_states(atlantic, "Q200", 200);
    peer_order(&venue->peers[1], "11=B1|54=1|38=1|40=2|44=98|");
    peer_ask(atlantic, "35=q|11=M1|530=7|60=20261120-10:00:00|");
    peer_expect(atlantic, "35=8|11=A199|150=4|");
    peer_expect(atlantic, "35=r|11=M1|531=7|533=200|");
    peer_expect_no(atlantic, "35=r|");
    assert_int_equal(engine_open_orders(venue->engine), 1);
    peer_order(atlantic, "11=M1|54=1|38=1|40=2|44=100|"); // the id is free again
    peer_expect(atlantic, "35=8|11=M1|150=0|");
    rest_many(atlantic, 200, 62);
    peer_ask(atlantic, "35=q|11=M2|530=1|55=PORT|1461=1|1462=1|1464=1|60=20261120-10:00:00|");
    peer_expect(atlantic, "35=r|11=M2|531=1|533=63|");
    assert_int_equal(engine_open_orders(venue->engine), 1);
}

static void status_of_all_of_one_side_of_none(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peers_trade_at_100(venue);
    peer_ask(atlantic, "35=AF|584=Q0|585=7|");
    peer_expect(atlantic, "35=8|584=Q0|37=NONE|150=I|39=8|103=5|911=0|912=Y|");
    peer_order(atlantic, "11=A1|54=2|38=5|40=4|44=98|99=99|2362=3|");
    peer_order(atlantic, "11=A2|54=1|38=5|40=2|44=99.5|111=1|59=1|");
    peer_ask(atlantic, "35=AF|584=Q1|585=1|55=PORT|");
    peer_expect(atlantic, "35=8|584=Q1|11=A1|150=I|39=0|40=4|99=99|44=98|636=N|2362=3|912=N|");
    peer_expect(atlantic, "35=8|584=Q1|11=A2|150=I|39=0|38=5|151=5|111=1|59=1|911=2|912=Y|");
    peer_ask(atlantic, "35=AF|584=Q2|585=7|54=1|1=101|");
    peer_expect(atlantic, "35=8|584=Q2|11=A2|911=1|912=Y|");
    peer_ask(atlantic, "35=AF|584=Q3|585=7|1=102|");
    peer_expect(atlantic, "35=8|584=Q3|150=I|39=8|912=Y|5004=13|");
    peer_ask(atlantic, "35=AF|584=Q4|585=2|");
    peer_expect(atlantic, "35=8|584=Q4|150=I|39=8|5004=2|");
    peer_ask(atlantic, "35=AF|584=Q5|585=1|");
    peer_expect(atlantic, "35=j|372=AF|379=Q5|380=5|");
    peer_ask(atlantic, "35=AF|584=Q6|585=1|55=FISH|");
    peer_expect(atlantic, "35=8|584=Q6|39=8|5004=80|");
}

static void an_order_that_is_done_before_the_engine_is_asked_is_told_as_it_ended(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_order(atlantic, "11=A1|54=2|38=1|40=2|44=100|");
    peer_send(balear, "35=D|11=B1|55=PORT|60=20261120-10:00:00|54=1|38=1|40=2|44=100|");
    peer_send(atlantic, "35=H|11=A1|55=PORT|54=2|790=Q|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A1|150=F|39=2|");
    peer_expect(atlantic, "35=8|11=A1|790=Q|150=I|39=2|14=1|151=0|");
    peer_expect_no(atlantic, "35=8|150=I|");
}

// To a member 39=8 would be the end of an order, and 911=0 the end of all.
static void a_status_that_cannot_be_had_is_no_end_of_an_order(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_order(atlantic, "11=A1|54=2|38=1|40=2|44=100|");
    peer_send(atlantic, "35=H|11=A1|55=PORT|54=2|790=Q1|");
    peer_send(atlantic, "35=AF|584=Q2|585=7|");
    venue_restart_core(venue); // it has lost them
    peer_expect(atlantic, "35=8|11=A1|790=Q1|150=I|39=0|151=1|");
    peer_expect(atlantic, "35=j|372=AF|379=Q2|380=4|");
    venue->link.attached = false;
    peer_send(atlantic, "35=H|11=A1|55=PORT|54=2|790=Q3|");
    peer_expect(atlantic, "35=8|11=A1|790=Q3|150=I|39=0|");
    peer_send(atlantic, "35=AF|584=Q4|585=7|");
    peer_expect(atlantic, "35=j|372=AF|379=Q4|380=4|");
    venue->link.attached = true;
    peer_ask(atlantic, "35=H|11=A9|55=PORT|54=2|790=Q5|");
    peer_expect(atlantic, "35=8|11=A9|790=Q5|150=I|39=8|103=5|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONNECTED_TEST(auctions_take_orders_show_a_price_and_trade_at_it),
        CONNECTED_TEST(a_volatility_auction_interrupts_and_ends_by_itself),
        CONNECTED_TEST(security_status_is_asked_once_or_subscribed_to),
        CONNECTED_TEST(the_venues_state_is_asked_once_or_subscribed_to),
        CONNECTED_TEST(mass_cancels_take_what_they_name),
        CONNECTED_TEST(a_large_mass_cancel_or_status_is_one_answer),
        CONNECTED_TEST(status_of_all_of_one_side_of_none),
        CONNECTED_TEST(an_order_that_is_done_before_the_engine_is_asked_is_told_as_it_ended),
        CONNECTED_TEST(a_status_that_cannot_be_had_is_no_end_of_an_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
