// Numbers, resends and crashes: what a member sees when the gateway, or the whole machine, dies
// under it.
#include "gateway/fix/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void order(struct peer *peer, const char *id, char side, const char *quantity)
{
    char text[256];
    snprintf(text, sizeof text,
             "35=D|11=%s|55=PORT|54=%c|60=20261120-10:00:00|38=%s|40=2|44=100|59=1|", id, side,
             quantity);
    peer_send(peer, text);
    venue_run(peer->venue);
}

static void resend_all(struct peer *peer, const char *request)
{
    peer_send(peer, request);
    while (session_resend_some(peer->session, 1000, clock_wall_ns(&clock_system)))
        ;
}

// The message without what a resend must change: length, checksum, PossDupFlag, both sending times.
static void essence(char out[1024], const char *message)
{
    out[0] = 0;
    while (*message != 0) {
        size_t bytes = strcspn(message, "|") + 1;
        static const char *const changing[] = {"9=", "10=", "43=", "52=", "122="};
        bool keep = true;
        for (size_t i = 0; i < 5; i++)
            keep = keep && strncmp(message, changing[i], strlen(changing[i])) != 0;
        if (keep)
            strncat(out, message, bytes);
        message += bytes;
    }
}

static void assert_sent_again(const char *first, const char *again)
{
    char a[1024], b[1024];
    char sent[64], original[64];
    essence(a, first);
    essence(b, again);
    assert_string_equal(a, b);
    assert_true(message_has(again, "43=Y|"));
    snprintf(sent, sizeof sent, "%s", message_field(first, 52));
    snprintf(original, sizeof original, "%s", message_field(again, 122));
    assert_string_equal(sent, original);
}

static void a_resend_has_the_same_bytes_and_fills_the_gaps(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_connect(atlantic, "");
    peer_connect(balear, "");
    order(atlantic, "A1", '2', "3");
    peer_send(atlantic, "35=1|112=ping|");
    order(balear, "B1", '1', "2");
    const char *accepted = peer_expect(atlantic, "35=8|34=2|150=0|");
    peer_expect(atlantic, "35=0|34=3|112=ping|");
    const char *traded = peer_expect(atlantic, "35=8|34=4|150=F|137=0.2|");
    resend_all(atlantic, "35=2|7=1|16=0|");
    peer_expect(atlantic, "35=4|34=1|43=Y|123=Y|36=2|");
    assert_sent_again(accepted, peer_expect(atlantic, "35=8|34=2|43=Y|"));
    peer_expect(atlantic, "35=4|34=3|123=Y|36=4|");
    assert_sent_again(traded, peer_expect(atlantic, "35=8|34=4|43=Y|"));
    peer_expect_no(atlantic, "35=4|");
    resend_all(atlantic, "35=2|7=3|16=3|");
    peer_expect(atlantic, "35=4|34=3|123=Y|36=4|");
    peer_expect_no(atlantic, "35=8|");
}

static void after_a_kill_numbers_go_on_behind_the_reservation_and_nothing_is_lost(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_connect(atlantic, "");
    peer_connect(balear, "");
    order(atlantic, "A1", '2', "3");
    order(balear, "B1", '1', "1");
    const char *accepted = peer_expect(atlantic, "35=8|34=2|150=0|");
    const char *traded = peer_expect(atlantic, "35=8|34=3|150=F|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    peer_expect(atlantic, "35=A|34=1001|");
    resend_all(atlantic, "35=2|7=2|16=0|");
    assert_sent_again(accepted, peer_expect(atlantic, "35=8|34=2|43=Y|"));
    assert_sent_again(traded, peer_expect(atlantic, "35=8|34=3|43=Y|"));
    peer_expect(atlantic, "35=4|34=4|43=Y|123=Y|36=1002|");
    // The order lives on, with its average price and its client id.
    peer_connect(balear, "");
    order(atlantic, "A1", '1', "1");
    peer_expect(atlantic, "35=8|11=A1|39=8|5004=53|");
    order(balear, "B2", '1', "2");
    peer_expect(atlantic, "35=8|34=1003|11=A1|150=F|39=2|14=3|6=100|");
}

static void a_trade_while_the_gateway_was_dead_is_told_with_poss_resend(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_connect(atlantic, "");
    peer_connect(balear, "");
    order(atlantic, "A1", '2', "3");
    // The order is in the ring when the gateway dies; the core takes it all the same.
    peer_send(balear, "35=D|11=B1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    resend_all(atlantic, "35=2|7=1|16=0|");
    peer_expect(atlantic, "35=8|11=A1|150=0|34=2|43=Y|");
    peer_expect(atlantic, "35=8|11=A1|150=F|32=1|34=1001|43=Y|97=Y|");
}

// The machine dies: what was not synced is gone. The numbers are synced, the messages were not.
static void messages_that_a_crash_took_are_told_again_with_the_same_exec_id(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    char path[256], exec_id[64];
    snprintf(path, sizeof path, "%s/fix/1/messages-1", venue->folder);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    off_t synced = status.st_size;
    order(atlantic, "A2", '2', "1");
    const char *lost = peer_expect(atlantic, "35=8|11=A2|150=0|34=3|");
    snprintf(exec_id, sizeof exec_id, "17=%s|", message_field(lost, 17));
    assert_int_equal(truncate(path, synced + 20), 0); // a torn record
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    resend_all(atlantic, "35=2|7=1|16=0|");
    peer_expect(atlantic, "35=8|11=A1|34=2|43=Y|");
    const char *again = peer_expect(atlantic, "35=8|11=A2|150=0|97=Y|34=1001|43=Y|");
    assert_true(message_has(again, exec_id));
}

static void a_clean_stop_leaves_no_hole(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    peer_disconnect(atlantic);
    venue_restart_gateway(venue, true);
    peer_connect(atlantic, "");
    peer_expect(atlantic, "35=A|34=3|");
    venue_restart_gateway(venue, true);
    venue_restart_gateway(venue, true);
    peer_connect(atlantic, "");
    peer_expect(atlantic, "35=A|34=4|");
}

static void the_expected_number_is_the_last_durable_one_and_the_rest_is_asked_for(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3"); // number 2: durable
    peer_send(atlantic, "35=0|");    // number 3: nobody acted on it
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, ""); // number 4
    peer_expect(atlantic, "35=2|7=3|16=0|");
    // It sends 2 again though nobody asked: nothing is doubled. Then it fills 3 and 4.
    peer_send_as(atlantic, 2,
                 "35=D|43=Y|122=20261120-10:00:00|11=A1|55=PORT|54=2|60=20261120-10:00:00|"
                 "38=3|40=2|44=100|");
    peer_send_as(atlantic, 3, "35=4|43=Y|122=20261120-10:00:00|123=Y|36=5|");
    order(atlantic, "A2", '2', "1");
    peer_expect(atlantic, "35=8|11=A2|150=0|");
    peer_expect_no(atlantic, "35=3|");
    assert_int_equal(engine_open_orders(venue->engine), 2);
}

// An order that the dead gateway had read but not yet brought to the core comes again, and counts
// once.
static void an_order_that_never_reached_the_core_comes_again(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    peer_send(atlantic, "35=D|11=A1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|");
    struct command lost;
    while (command_ring_take(&venue->consumer, &lost) == COMMAND_RING_TAKEN)
        ;
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    peer_expect(atlantic, "35=2|7=2|16=0|");
    peer_send_as(atlantic, 2,
                 "35=D|43=Y|122=20261120-10:00:00|11=A1|55=PORT|54=1|60=20261120-10:00:00|"
                 "38=1|40=2|44=100|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A1|150=0|");
    assert_int_equal(engine_open_orders(venue->engine), 1);
}

static void a_number_too_low_ends_the_session_with_a_reason(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    peer_send_as(atlantic, 1, "35=0|");
    const char *logout = peer_expect(atlantic, "35=5|");
    assert_non_null(strstr(message_field(logout, 58), "too low"));
    assert_true(atlantic->hung_up);
}

static void a_number_too_high_is_kept_until_the_gap_is_filled(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    peer_send_as(atlantic, 3, "35=D|11=A3|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|");
    venue_run(venue);
    peer_expect(atlantic, "35=2|7=2|16=0|");
    peer_expect_no(atlantic, "35=8|");
    peer_send_as(atlantic, 2,
                 "35=D|43=Y|122=20261120-10:00:00|11=A2|55=PORT|54=1|60=20261120-10:00:00|"
                 "38=1|40=2|44=100|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A2|150=0|");
    peer_expect(atlantic, "35=8|11=A3|150=0|");
}

static void a_peer_far_ahead_of_its_gap_is_sent_away(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    peer_send_as(atlantic, 10003, "35=0|");
    peer_expect(atlantic, "35=5|58=MsgSeqNum is too far ahead of the gap|");
}

static void a_reset_starts_at_one_and_keeps_the_orders(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    peer_disconnect(atlantic);
    atlantic->next_out = 1;
    peer_connect(atlantic, "141=Y|");
    peer_expect(atlantic, "35=A|34=1|141=Y|");
    order(atlantic, "A2", '2', "1");
    peer_expect(atlantic, "35=8|11=A2|34=2|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, ""); // number 3: expected, because the core has seen 2
    peer_expect(atlantic, "35=A|34=1001|");
    peer_expect_no(atlantic, "35=2|");
    resend_all(atlantic, "35=2|7=1|16=0|");
    peer_expect(atlantic, "35=8|11=A2|34=2|43=Y|");
    peer_expect_no(atlantic, "97=Y|"); // what was told before the reset is not told again
    peer_send(atlantic, "35=F|41=A1|11=A4|55=PORT|54=2|60=20261120-10:00:00|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A4|41=A1|150=4|");
}

static void what_was_told_before_a_reset_is_not_told_again(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    peer_disconnect(atlantic);
    atlantic->next_out = 1;
    peer_connect(atlantic, "141=Y|");
    peer_expect(atlantic, "35=A|34=1|141=Y|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    peer_expect(atlantic, "35=A|34=1001|");
    resend_all(atlantic, "35=2|7=1|16=0|");
    peer_expect(atlantic, "35=4|34=1|36=1002|");
    peer_expect_no(atlantic, "35=8|");
}

static void a_refused_logon_is_told_why(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    peer_disconnect(atlantic);
    session_connect(desk_session(&venue->desk, 1, "ATLANTIC"), &atlantic->wire, "go away");
    atlantic->session = venue->desk.sessions[1];
    peer_send(atlantic, "35=A|98=0|108=30|");
    peer_expect(atlantic, "35=5|58=Rejected Logon Attempt: go away|");
    assert_true(atlantic->hung_up);
    assert_null(desk_session(&venue->desk, 1, "SOMEBODY"));
    peer_connect(atlantic, "");
    peer_expect(atlantic, "35=A|");
    peer_send(atlantic, "35=5|");
    peer_expect(atlantic, "35=5|");
    assert_true(atlantic->hung_up);
    session_connect(desk_session(&venue->desk, 1, "ATLANTIC"), &atlantic->wire, NULL);
    atlantic->session = venue->desk.sessions[1];
    peer_send(atlantic, "35=A|98=0|108=0|");
    peer_expect(atlantic, "35=5|58=Rejected Logon Attempt: HeartBtInt must be 1 to 3600 seconds|");
}

// A resend without an end would cut the session: it is refused by name, and the session goes on.
static void a_resend_request_that_makes_no_sense_is_rejected(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    peer_send(atlantic, "35=2|7=0|16=0|");
    peer_expect(atlantic, "35=3|45=2|371=7|372=2|373=5|");
    peer_send(atlantic, "35=2|7=-3|16=0|");
    peer_expect(atlantic, "35=3|45=3|371=7|373=5|");
    peer_send(atlantic, "35=2|7=2|16=1|");
    peer_expect(atlantic, "35=3|45=4|371=16|373=5|");
    peer_send(atlantic, "35=2|7=x|16=1|");
    peer_expect(atlantic, "35=3|45=5|371=7|373=6|");
    peer_send(atlantic, "35=1|112=alive|");
    peer_expect(atlantic, "35=0|112=alive|");
    assert_false(atlantic->hung_up);
}

static void a_second_resend_request_does_not_forget_the_first(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "1"); // 2
    order(atlantic, "A2", '2', "1"); // 3
    order(atlantic, "A3", '2', "1"); // 4
    atlantic->read = atlantic->heard_count;
    peer_send(atlantic, "35=2|7=1|16=2|");
    resend_all(atlantic, "35=2|7=3|16=4|");
    peer_expect(atlantic, "35=8|34=2|43=Y|");
    peer_expect(atlantic, "35=8|34=3|43=Y|");
    peer_expect(atlantic, "35=8|34=4|43=Y|");
}

static void refused_at_logon(struct peer *peer, const char *logon, const char *text)
{
    peer->session = desk_session(&peer->venue->desk, peer->session_id, peer->comp_id);
    peer->wire.context = peer;
    peer->hung_up = false;
    session_connect(peer->session, &peer->wire, NULL);
    peer_send(peer, logon);
    const char *logout = peer_expect(peer, "35=5|");
    if (strstr(message_field(logout, 58), text) == NULL)
        fail_msg("%s does not say %s", logout, text);
    assert_true(peer->hung_up);
    peer->next_out--; // it does not count
}

static void a_logon_that_breaks_the_dialect_is_told_why(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    peer_disconnect(atlantic);
    refused_at_logon(atlantic, "35=A|98=0|108=30|789=1|", "789");
    refused_at_logon(atlantic, "35=A|98=0|", "108");
    refused_at_logon(atlantic, "35=A|98=1|108=30|", "98");
    refused_at_logon(atlantic, "35=A|98=0|108=x|", "108");
    refused_at_logon(atlantic, "35=A|98=0|108=30|108=30|", "108");
    refused_at_logon(atlantic, "35=A|98=0|108=30|553=|", "553");
    atlantic->says_time = "20261119-10:00:00.000";
    refused_at_logon(atlantic, "35=A|98=0|108=30|", "SendingTime");
    atlantic->says_time = "yesterday";
    refused_at_logon(atlantic, "35=A|98=0|108=30|", "52");
    atlantic->says_time = NULL;
    peer_connect(atlantic, "");
    peer_expect(atlantic, "35=A|");
}

// Numbers beyond 32 bits must not come round to small ones.
static void a_number_wider_than_ours_is_no_number(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    static const char *const numbers[] = {"4294967299", "18446744073709551619", "-1", "3x"};
    for (size_t i = 0; i < 4; i++) {
        atlantic->next_out = 1;
        peer_connect(atlantic, "141=Y|");
        order(atlantic, "A1", '2', "1");
        atlantic->says_number = numbers[i];
        peer_send(atlantic,
                  "35=D|11=WRAP|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|59=1|");
        atlantic->says_number = NULL;
        venue_run(venue);
        for (size_t heard = 0; heard < atlantic->heard_count; heard++)
            assert_false(message_has(atlantic->heard[heard], "11=WRAP|"));
        if (atlantic->session != NULL)
            peer_disconnect(atlantic);
    }
}

static void a_message_that_never_parses_ends_the_session_with_a_reason(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    const char broken[] = "35=D|11=A1|abc=1|";
    peer_connect(atlantic, "");
    peer_send(atlantic, broken);        // 2: ignored
    order(atlantic, "A2", '2', "1");    // 3: shows the gap
    peer_expect(atlantic, "35=2|7=2|"); // it may have been hurt on the way
    peer_send_as(atlantic, 2, broken);
    const char *logout = peer_expect(atlantic, "35=5|");
    assert_non_null(strstr(message_field(logout, 58), "does not parse"));
}

static void a_reset_within_a_session_survives_a_kill(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    order(atlantic, "A2", '2', "3");
    atlantic->next_out = 1;
    peer_send(atlantic, "35=A|98=0|108=30|141=Y|");
    venue_run(venue);
    peer_expect(atlantic, "35=A|34=1|141=Y|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, ""); // number 2
    peer_expect(atlantic, "35=A|34=1001|");
    peer_expect_no(atlantic, "35=5|");
}

// A desk drops what has an ExecID that it knows: refusals of two days must not share one.
static void refusals_have_ids_of_their_own_also_after_a_reset(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    char first[64];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "0.0001");
    snprintf(first, sizeof first, "%s", message_field(peer_expect(atlantic, "35=8|39=8|"), 17));
    peer_disconnect(atlantic);
    atlantic->next_out = 1;
    peer_connect(atlantic, "141=Y|");
    order(atlantic, "A2", '2', "0.0001");
    assert_string_not_equal(first, message_field(peer_expect(atlantic, "35=8|39=8|"), 17));
}

static void ids_of_cancels_and_replaced_orders_stay_taken_after_a_kill(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    peer_send(atlantic, "35=G|41=A1|11=A2|55=PORT|54=2|60=20261120-10:00:00|38=2|40=2|44=100|");
    venue_run(venue);
    peer_send(atlantic, "35=F|41=A2|11=A3|55=PORT|54=2|60=20261120-10:00:00|");
    venue_run(venue);
    peer_expect(atlantic, "35=8|11=A3|150=4|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    static const char *const ids[] = {"A1", "A2", "A3"};
    for (size_t i = 0; i < 3; i++) {
        char refusal[64];
        order(atlantic, ids[i], '2', "1");
        snprintf(refusal, sizeof refusal, "35=8|11=%s|39=8|5004=53|", ids[i]);
        peer_expect(atlantic, refusal);
    }
}

// What the core answered while nobody listened: the report of a mass cancel is made from the kept
// request and the events, as the dead process would have made it.
static void a_mass_cancel_is_answered_whole_by_the_process_after(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    char exec_id[64];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    order(atlantic, "A2", '2', "1");
    peer_send(atlantic, "35=q|11=Q1|530=1|55=PORT|54=2|1=101|60=20261120-10:00:00|");
    peer_send(atlantic, "35=q|11=Q2|530=7|54=2|60=20261120-10:00:00|");  // there is none any more
    peer_send(atlantic, "35=q|11=Q3|530=7|1=102|60=20261120-10:00:00|"); // not its account
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    resend_all(atlantic, "35=2|7=1001|16=0|");
    peer_expect(atlantic, "35=8|11=A1|150=4|97=Y|58=mass cancel|");
    peer_expect(atlantic, "35=8|11=A2|150=4|97=Y|");
    const char *first =
        peer_expect(atlantic, "35=r|11=Q1|530=1|531=1|533=2|1=101|55=PORT|54=2|97=Y|");
    snprintf(exec_id, sizeof exec_id, "37=%s|", message_field(first, 37));
    peer_expect(atlantic, "35=r|11=Q2|530=7|531=7|533=0|54=2|97=Y|");
    peer_expect(atlantic, "35=r|11=Q3|530=7|531=0|532=99|1=102|97=Y|");
    // It is told once, and its ids are free as after any answer.
    size_t from = atlantic->heard_count;
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    resend_all(atlantic, "35=2|7=1001|16=0|");
    assert_int_equal(peer_count(atlantic, from, "35=r|11=Q1|"), 1);
    assert_int_equal(peer_count(atlantic, from, exec_id), 1);
    assert_int_equal(peer_count(atlantic, from, "35=r|97=Y|43=Y|"), 3);
    assert_int_equal(engine_open_orders(venue->engine), 0);
}

static void a_mass_cancel_whose_request_the_machine_took_is_answered_from_its_events(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    char path[256];
    struct stat status;
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    snprintf(path, sizeof path, "%s/fix/1/messages-1", venue->folder);
    assert_int_equal(stat(path, &status), 0);
    peer_send(atlantic, "35=q|11=Q1|530=1|55=PORT|60=20261120-10:00:00|");
    assert_int_equal(truncate(path, status.st_size), 0);
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    resend_all(atlantic, "35=2|7=1001|16=0|");
    peer_expect(atlantic, "35=8|11=A1|150=4|97=Y|");
    peer_expect(atlantic, "35=r|11=NONE|530=7|531=7|533=1|97=Y|");
}

static void a_mass_cancel_on_its_way_survives_a_reset_and_a_kill(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '2', "3");
    peer_send(atlantic, "35=q|11=Q1|530=7|60=20261120-10:00:00|");
    atlantic->next_out = 1;
    peer_send(atlantic, "35=A|98=0|108=30|141=Y|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    resend_all(atlantic, "35=2|7=1|16=0|");
    peer_expect(atlantic, "35=8|11=A1|150=4|97=Y|");
    peer_expect(atlantic, "35=r|11=Q1|530=7|533=1|97=Y|");
}

static void the_older_numbers_slot_takes_over_when_the_newer_is_torn(void **state)
{
    (void)state;
    char folder[64], path[128];
    struct store store;
    testing_folder_make(folder);
    assert_int_equal(store_open(&store, folder, 7, NULL, NULL, NULL), -2);  // ENOENT
    assert_int_equal(store_open(&store, folder, 7, "PEER", NULL, NULL), 0); // slot 1
    uint64_t newest = store.writes;
    store_abandon(&store);
    assert_int_equal(store_open(&store, folder, 7, NULL, NULL, NULL), 0); // slot 0
    assert_int_equal(store.next_out, 1 + STORE_BLOCK);
    assert_string_equal(store.comp_id, "PEER");
    assert_int_equal(store.writes, newest + 1);
    store_abandon(&store);
    snprintf(path, sizeof path, "%s/7/numbers", folder);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 20, SEEK_SET); // inside slot 0
    fputc('x', file);
    fclose(file);
    assert_int_equal(store_open(&store, folder, 7, NULL, NULL, NULL), 0);
    assert_int_equal(store.next_out, 1 + STORE_BLOCK);
    store_abandon(&store);
    testing_folder_remove(folder);
}

static void every_cut_of_the_messages_leaves_a_store_that_opens(void **state)
{
    (void)state;
    char folder[64], path[128], text[STORE_MESSAGE_BYTES_MAX];
    struct store store;
    size_t bytes = 0;
    testing_folder_make(folder);
    assert_int_equal(store_open(&store, folder, 7, "PEER", NULL, NULL), 0);
    off_t ends[4] = {0};
    for (uint32_t number = 1; number <= 3; number++) {
        const struct store_record record = {.number = number * 2,
                                            .reference = {.sequence = number},
                                            .state = "state",
                                            .state_bytes = 5,
                                            .text = "message",
                                            .text_bytes = 7};
        store_append(&store, &record);
        assert_int_equal(store_flush(&store), 0);
        ends[number] = (off_t)store.written;
    }
    store_abandon(&store);
    snprintf(path, sizeof path, "%s/7/messages-1", folder);
    for (off_t length = ends[3]; length >= 0; length--) {
        assert_int_equal(truncate(path, length), 0);
        assert_int_equal(store_open(&store, folder, 7, NULL, NULL, NULL), 0);
        uint32_t whole = length >= ends[3] ? 3 : length >= ends[2] ? 2 : length >= ends[1] ? 1 : 0;
        assert_int_equal(store.entry_count, whole);
        assert_int_equal(store.last.sequence, whole);
        assert_int_equal(store.written, ends[whole]);
        assert_int_equal(store_read(&store, 1, text, &bytes), whole > 0 ? 2 : 0);
        assert_int_equal(bytes, whole > 0 ? 7 : 0);
        store_abandon(&store);
    }
    testing_folder_remove(folder);
}

// ---- own answers

static void again(struct peer *peer, uint32_t number, const char *id)
{
    char text[256];
    snprintf(text, sizeof text,
             "35=D|43=Y|122=20261120-10:00:00|11=%s|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|"
             "44=100|",
             id);
    peer_send_as(peer, number, text);
    venue_run(peer->venue);
}

// The core never saw what the gateway refused by itself, so it is asked for again: a refusal that
// was told must not turn into an order, nor be told twice.
static void what_was_refused_stays_refused_when_it_comes_again(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    order(atlantic, "A1", '1', "1"); // 2: durable
    venue->link.attached = false;    // the core is away
    order(atlantic, "A2", '1', "1"); // 3
    peer_expect(atlantic, "35=8|11=A2|150=8|5004=4|");
    peer_send(atlantic, "35=D|11=A3|55=PORT|54=1|60=20261120-10:00:00|40=2|44=100|"); // 4: no 38
    venue_run(venue);
    peer_expect(atlantic, "35=j|45=4|380=5|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, ""); // 5
    peer_expect(atlantic, "35=2|7=3|");
    size_t from = atlantic->heard_count;
    again(atlantic, 3, "A2");
    again(atlantic, 4, "A3");
    peer_send_as(atlantic, 5, "35=4|43=Y|122=20261120-10:00:00|123=Y|36=6|");
    assert_int_equal(peer_count(atlantic, from, "35=8|"), 0);
    assert_int_equal(engine_open_orders(venue->engine), 1);
    resend_all(atlantic, "35=2|7=1|16=0|");
    assert_int_equal(peer_count(atlantic, from, "35=8|11=A2|150=8|43=Y|"), 1);
    assert_int_equal(peer_count(atlantic, from, "35=j|45=4|43=Y|"), 1);
    order(atlantic, "A2", '1', "1"); // "send it again": the id is free
    peer_expect(atlantic, "35=8|11=A2|150=0|");
}

// With the order behind it the core knows that the message was read: nobody asks for it again, so
// its answer must be in the store by then, though the turn of the loop has not ended.
static void a_refusal_is_kept_before_the_order_behind_it_is_sent(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    peer_send(atlantic, "35=F|41=NONE|11=C1|55=PORT|54=1|60=20261120-10:00:00|");          // 2
    peer_send(atlantic, "35=D|11=A1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|"); // 3
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    size_t from = atlantic->heard_count;
    resend_all(atlantic, "35=2|7=1|16=0|");
    assert_int_equal(peer_count(atlantic, from, "35=9|11=C1|43=Y|"), 1);
    assert_int_equal(peer_count(atlantic, from, "35=8|11=A1|150=0|97=Y|"), 1);
}

// A cancel that waits for its order's id has been read, and not been dealt with.
static void what_waits_does_not_count_as_read(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    peer_send(atlantic, "35=D|11=A1|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|"); // 2
    peer_send(atlantic, "35=F|41=A1|11=C1|55=PORT|54=1|60=20261120-10:00:00|");            // 3
    atlantic->session->opened = false; // as after an attach that closed it
    assert_true(session_announce(atlantic->session));
    venue_run(venue);
    assert_int_equal(view_session_last_seq(venue->view, 1), 3);
    peer_send(atlantic, "35=D|11=A2|55=PORT|54=1|60=20261120-10:00:00|38=1|40=2|44=100|"); // 4
    peer_send(atlantic, "35=F|41=A2|11=C2|55=PORT|54=1|60=20261120-10:00:00|");            // 5
    atlantic->session->opened = false;
    assert_true(session_announce(atlantic->session));
    venue_restart_gateway(venue, false); // the cancel has not been sent
    peer_connect(atlantic, "");
    peer_expect(atlantic, "35=2|7=5|");
}

// ---- segments -----------------------------------------------------------------------------------

static unsigned files_of(const struct venue *venue, uint32_t session)
{
    char path[128];
    unsigned count = 0;
    snprintf(path, sizeof path, "%s/fix/%" PRIu32, venue->folder, session);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    for (struct dirent *file; (file = readdir(folder)) != NULL;)
        count += strncmp(file->d_name, "messages-", 9) == 0;
    closedir(folder);
    return count;
}

static void small_segments(struct peer *peer, uint64_t bytes_max)
{
    peer->session->store.segment_bytes_max = 2000; // some five messages
    peer->venue->desk.kept_limits = (struct store_limits){bytes_max, UINT64_MAX / 2};
}

// Orders far from each other in time, of which one is filled, one replaced and cancelled, one open.
static void orders_then_noise(struct peer *peer)
{
    order(peer, "OPEN", '2', "3");
    order(peer, "DONE", '2', "1");
    peer_send(peer, "35=G|41=DONE|11=DONE2|55=PORT|54=2|60=20261120-10:00:00|38=2|40=2|44=100|");
    venue_run(peer->venue);
    peer_send(peer, "35=F|41=DONE2|11=DONE3|55=PORT|54=2|60=20261120-10:00:00|");
    venue_run(peer->venue);
    for (unsigned i = 0; i < 60; i++) {
        char id[16];
        snprintf(id, sizeof id, "N%u", i);
        order(peer, id, '2', "0.0001"); // refused
        desk_flush(&peer->venue->desk);
    }
}

static void segments_are_read_as_one(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    small_segments(atlantic, UINT64_MAX);
    orders_then_noise(atlantic);
    assert_true(files_of(venue, 1) > 10);
    size_t told = atlantic->heard_count;
    for (int life = 0; life < 2; life++) { // of one process, and of the one after it
        size_t from = atlantic->heard_count;
        resend_all(atlantic, "35=2|7=1|16=0|");
        for (size_t i = 0; i < told; i++) {
            if (!message_has(atlantic->heard[i], "35=8|"))
                continue;
            char number[32];
            snprintf(number, sizeof number, "34=%s|43=Y|", message_field(atlantic->heard[i], 34));
            atlantic->read = from;
            assert_sent_again(atlantic->heard[i], peer_expect(atlantic, number));
        }
        venue_restart_gateway(venue, life == 1);
        peer_connect(atlantic, "");
    }
}

static void a_rotten_segment_loses_its_own_messages_only(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    char path[128];
    peer_connect(atlantic, "");
    small_segments(atlantic, UINT64_MAX);
    orders_then_noise(atlantic);
    snprintf(path, sizeof path, "%s/fix/1/messages-1.3", venue->folder);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    fseek(file, 100, SEEK_SET);
    fputc('x', file);
    fclose(file);
    uint32_t first = 0, behind = 0; // numbers of that segment
    for (size_t i = 0; i < atlantic->session->store.entry_count; i++) {
        const struct store_entry *entry = &atlantic->session->store.entries[i];
        first = entry->segment == 3 && first == 0 ? entry->number : first;
        behind = entry->segment == 3 ? entry->number + 1 : behind;
    }
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    resend_all(atlantic, "35=2|7=1|16=0|");
    char gap[64], next[32];
    snprintf(gap, sizeof gap, "35=4|34=%u|123=Y|36=%u|", first, behind);
    snprintf(next, sizeof next, "35=8|34=%u|43=Y|", behind);
    peer_expect(atlantic, gap);
    peer_expect(atlantic, next);
    peer_expect_no(atlantic, "97=Y|"); // nothing is thought to be untold
}

// What is dropped is gap-filled; the orders, and the ids that are taken today, live on.
static void the_oldest_messages_go_and_the_orders_stay(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_connect(atlantic, "");
    small_segments(atlantic, 8000);
    orders_then_noise(atlantic);
    for (unsigned i = 0; i < 100; i++)
        session_tick(atlantic->session);
    assert_in_range(files_of(venue, 1), 2, 6);
    for (int life = 0; life < 3; life++) {
        uint32_t kept = atlantic->session->store.entries[0].number;
        size_t from = atlantic->heard_count;
        char gap[64];
        snprintf(gap, sizeof gap, "35=4|34=1|43=Y|123=Y|36=%u|", kept);
        assert_true(kept > 5);
        resend_all(atlantic, "35=2|7=1|16=0|");
        peer_expect(atlantic, gap);
        assert_true(peer_count(atlantic, from, "35=8|43=Y|") > 3);
        assert_int_equal(peer_count(atlantic, from, "97=Y|"), 0); // the place of the last is kept
        venue_restart_gateway(venue, life == 1);
        peer_connect(atlantic, "");
    }
    char fill[80];
    snprintf(fill, sizeof fill, "35=4|43=Y|122=20261120-10:00:00|123=Y|36=%u|", atlantic->next_out);
    peer_send_as(atlantic, view_session_last_seq(venue->view, 1) + 1, fill);
    static const char *const taken[] = {"OPEN", "DONE", "DONE2", "DONE3"};
    for (size_t i = 0; i < 4; i++) {
        char refusal[64];
        order(atlantic, taken[i], '2', "1");
        snprintf(refusal, sizeof refusal, "35=8|11=%s|39=8|5004=53|", taken[i]);
        peer_expect(atlantic, refusal);
    }
    peer_connect(balear, "");
    order(balear, "B1", '1', "3");
    peer_expect(atlantic, "35=8|11=OPEN|150=F|39=2|14=3|");
}

static void old_messages_go_by_their_age(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    const struct timespec yesterday[2] = {{.tv_sec = time(NULL) - 2 * 24 * 3600},
                                          {.tv_sec = time(NULL) - 2 * 24 * 3600}};
    char path[128];
    peer_connect(atlantic, "");
    small_segments(atlantic, UINT64_MAX);
    venue->desk.kept_limits.age_max_ns = 24ull * 3600 * 1000000000;
    orders_then_noise(atlantic);
    unsigned files = files_of(venue, 1);
    session_tick(atlantic->session);
    assert_int_equal(files_of(venue, 1), files);
    snprintf(path, sizeof path, "%s/fix/1/messages-1", venue->folder);
    assert_int_equal(utimensat(AT_FDCWD, path, yesterday, 0), 0);
    atlantic->session->store.oldest_changed_ns = 0; // as after a start
    for (unsigned i = 0; i < 5; i++)
        session_tick(atlantic->session);
    assert_int_equal(files_of(venue, 1), files - 1);
}

static void a_reset_removes_every_segment(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_connect(atlantic, "");
    small_segments(atlantic, UINT64_MAX);
    orders_then_noise(atlantic);
    peer_disconnect(atlantic);
    atlantic->next_out = 1;
    peer_connect(atlantic, "141=Y|");
    assert_int_equal(files_of(venue, 1), 1);
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    order(atlantic, "OPEN", '2', "1");
    peer_expect(atlantic, "35=8|11=OPEN|39=8|5004=53|");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        VENUE_TEST(a_resend_has_the_same_bytes_and_fills_the_gaps),
        VENUE_TEST(after_a_kill_numbers_go_on_behind_the_reservation_and_nothing_is_lost),
        VENUE_TEST(a_trade_while_the_gateway_was_dead_is_told_with_poss_resend),
        VENUE_TEST(messages_that_a_crash_took_are_told_again_with_the_same_exec_id),
        VENUE_TEST(a_clean_stop_leaves_no_hole),
        VENUE_TEST(the_expected_number_is_the_last_durable_one_and_the_rest_is_asked_for),
        VENUE_TEST(an_order_that_never_reached_the_core_comes_again),
        VENUE_TEST(a_number_too_low_ends_the_session_with_a_reason),
        VENUE_TEST(a_number_too_high_is_kept_until_the_gap_is_filled),
        VENUE_TEST(a_peer_far_ahead_of_its_gap_is_sent_away),
        VENUE_TEST(a_reset_starts_at_one_and_keeps_the_orders),
        VENUE_TEST(what_was_told_before_a_reset_is_not_told_again),
        VENUE_TEST(a_refused_logon_is_told_why),
        VENUE_TEST(a_resend_request_that_makes_no_sense_is_rejected),
        VENUE_TEST(a_second_resend_request_does_not_forget_the_first),
        VENUE_TEST(a_logon_that_breaks_the_dialect_is_told_why),
        VENUE_TEST(a_number_wider_than_ours_is_no_number),
        VENUE_TEST(a_message_that_never_parses_ends_the_session_with_a_reason),
        VENUE_TEST(a_reset_within_a_session_survives_a_kill),
        VENUE_TEST(refusals_have_ids_of_their_own_also_after_a_reset),
        VENUE_TEST(ids_of_cancels_and_replaced_orders_stay_taken_after_a_kill),
        VENUE_TEST(a_mass_cancel_is_answered_whole_by_the_process_after),
        VENUE_TEST(a_mass_cancel_whose_request_the_machine_took_is_answered_from_its_events),
        VENUE_TEST(a_mass_cancel_on_its_way_survives_a_reset_and_a_kill),
        VENUE_TEST(what_was_refused_stays_refused_when_it_comes_again),
        VENUE_TEST(a_refusal_is_kept_before_the_order_behind_it_is_sent),
        VENUE_TEST(what_waits_does_not_count_as_read),
        VENUE_TEST(segments_are_read_as_one),
        VENUE_TEST(a_rotten_segment_loses_its_own_messages_only),
        VENUE_TEST(the_oldest_messages_go_and_the_orders_stay),
        VENUE_TEST(old_messages_go_by_their_age),
        VENUE_TEST(a_reset_removes_every_segment),
        cmocka_unit_test(the_older_numbers_slot_takes_over_when_the_newer_is_torn),
        cmocka_unit_test(every_cut_of_the_messages_leaves_a_store_that_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
