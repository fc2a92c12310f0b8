// What orders can be beyond a limit and a quantity, over bare FIX bytes against the real engine:
// every type, time in force, term, self-trade mode, kind of amend.
#include "gateway/fix/testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/fix/fix_time.h"

#define SECOND_NS 1000000000ull

// ---- stops --------------------------------------------------------------------------------------

static void a_stop_waits_is_triggered_and_trades(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peers_trade_at_100(venue);
    peer_order(atlantic, "11=A1|54=2|38=1|40=3|99=99|59=1|");
    const char *pending =
        peer_expect(atlantic, "35=8|11=A1|150=0|39=0|40=3|99=99|636=N|151=1|59=1|");
    assert_string_equal(message_field(pending, 44), ""); // its collar is not its price
    peer_order(atlantic, "11=A2|54=2|38=1|40=4|99=99|44=98.5|59=1|");
    peer_expect(atlantic, "35=8|11=A2|150=0|40=4|99=99|44=98.5|636=N|");
    peer_order(balear, "11=B1|54=1|38=2|40=2|44=99|");
    peer_order(atlantic, "11=A3|54=2|38=1|40=2|44=99|");
    peer_expect(atlantic, "35=8|11=A3|150=F|31=99|");
    peer_expect(atlantic, "35=8|11=A1|150=L|39=0|40=3|99=99|636=Y|151=1|");
    peer_expect(atlantic, "35=8|11=A1|150=F|39=2|31=99|851=2|");
    peer_expect(atlantic, "35=8|11=A2|150=L|39=0|99=99|44=98.5|636=Y|");
    // It rests as a limit order now; its stop price may be said again, but not changed.
    peer_replace(atlantic, "41=A2|11=A4|54=2|38=1|40=4|99=99|44=98.6|");
    peer_expect(atlantic, "35=8|11=A4|41=A2|150=5|44=98.6|99=99|638=1|636=Y|");
    peer_replace(atlantic, "41=A4|11=A5|54=2|38=1|40=4|99=98|44=98.6|");
    peer_expect(atlantic, "35=9|11=A5|41=A4|434=2|5004=93|");
    // With a date the engine tells the terms of a triggered stop again, without its stop price.
    peer_order(atlantic, "11=A6|54=2|38=2|40=4|99=99|44=98.7|59=6|432=20991231|");
    peer_expect(atlantic, "35=8|11=A6|150=L|99=99|");
    peer_replace(atlantic, "41=A6|11=A7|54=2|38=1|40=4|99=99|44=98.7|59=6|432=20991231|");
    peer_expect(atlantic, "35=8|11=A7|41=A6|150=5|38=1|99=99|126=21000101-00:00:00.000|");
}

static void a_waiting_stop_is_amended_and_cancelled(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peers_trade_at_100(venue);
    peer_order(atlantic, "11=A1|54=2|38=1|40=3|99=99|59=1|");
    peer_replace(atlantic, "41=A1|11=A2|54=2|38=2|40=3|99=98|");
    peer_expect(atlantic, "35=8|11=A2|41=A1|150=5|39=0|38=2|151=2|99=98|636=N|638=1|");
    peer_replace(atlantic, "41=A2|11=A3|54=2|38=1|40=3|");
    peer_expect(atlantic, "35=8|11=A3|41=A2|150=5|38=1|99=98|638=0|");
    peer_replace(atlantic, "41=A3|11=A4|54=2|38=1|40=3|99=98|44=97|");
    peer_expect(atlantic, "35=9|11=A4|5004=93|"); // a stop has no price
    peer_cancel(atlantic, "41=A3|11=A5|54=2|");
    peer_expect(atlantic, "35=8|11=A5|41=A3|150=4|39=4|151=0|99=98|");
}

static void a_trailing_stop_follows_the_market(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peers_trade_at_100(venue);
    peer_order(atlantic, "11=A1|54=2|38=1|40=P|18=a|211=1|836=0|59=1|");
    peer_expect(atlantic, "35=8|11=A1|150=0|40=P|18=a|211=1|836=0|99=99|636=N|"); // from the last
    peer_order(atlantic, "11=A2|54=2|38=1|40=2|44=102|");
    peer_order(balear, "11=B1|54=1|38=1|40=2|44=102|"); // the stop goes to 101
    peer_ask(atlantic, "35=H|11=A1|55=PORT|54=2|");
    peer_expect(atlantic, "35=8|11=A1|150=I|99=101|636=N|");
    peer_order(balear, "11=B2|54=1|38=2|40=2|44=101|");
    peer_order(atlantic, "11=A3|54=2|38=1|40=2|44=101|");
    peer_expect(atlantic, "35=8|11=A1|150=L|18=a|211=1|99=101|636=Y|");
    peer_expect(atlantic, "35=8|11=A1|150=F|39=2|31=101|");
    peer_order(atlantic, "11=A4|54=2|38=1|40=P|18=a|211=1|99=95|");
    peer_expect(atlantic, "35=8|11=A4|150=0|99=95|");
}

// ---- time in force ------------------------------------------------------------------------------

static void fill_or_kill_and_minimum_take_all_or_nothing(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_order(atlantic, "11=A1|54=2|38=2|40=2|44=100|");
    peer_order(balear, "11=B1|54=1|38=3|40=2|44=100|59=4|");
    peer_expect(balear, "35=8|11=B1|150=0|59=4|");
    const char *killed = peer_expect(balear, "35=8|11=B1|150=4|39=4|151=0|14=0|");
    assert_non_null(strstr(killed, "58=fill or kill"));
    peer_order(balear, "11=B2|54=1|38=3|40=2|44=100|59=3|110=3|");
    peer_expect(balear, "35=8|11=B2|150=0|110=3|");
    killed = peer_expect(balear, "35=8|11=B2|150=4|14=0|110=3|");
    assert_non_null(strstr(killed, "58=its minimum"));
    peer_order(balear, "11=B3|54=1|38=3|40=2|44=100|59=3|110=2|");
    peer_expect(balear, "35=8|11=B3|150=F|32=2|");
    peer_expect(balear, "35=8|11=B3|150=4|14=2|"); // the rest of an immediate order
}

static void a_dated_order_expires(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    char text[256], time[FIX_TIME_BYTES], expected[64];
    uint64_t end = clock_wall_ns(&clock_system) + 3600 * SECOND_NS;
    fix_time(time, end / SECOND_NS * SECOND_NS);
    snprintf(text, sizeof text, "11=A1|54=1|38=1|40=2|44=100|59=6|126=%s|", time);
    peer_order(atlantic, text);
    snprintf(expected, sizeof expected, "35=8|11=A1|150=0|59=6|126=%s|", time);
    peer_expect(atlantic, expected);
    peer_order(atlantic, "11=A2|54=1|38=1|40=2|44=100|59=6|432=20991231|");
    peer_expect(atlantic, "35=8|11=A2|150=0|126=21000101-00:00:00.000|");
    peer_replace(atlantic, "41=A2|11=A3|54=1|38=1|40=2|44=100|59=6|432=20991231|");
    peer_expect(atlantic, "35=8|11=A3|150=5|126=21000101-00:00:00.000|");
    peer_replace(atlantic, "41=A3|11=A4|54=1|38=1|40=2|44=100|59=6|432=20991230|");
    peer_expect(atlantic, "35=9|11=A4|5004=93|"); // the end cannot be amended
    venue_advance(venue, 3600 * SECOND_NS);
    peer_expect(atlantic, "35=8|11=A1|150=C|39=C|151=0|14=0|");
    venue_set_phase(venue, PHASE_CLOSED);
    peer_expect_no(atlantic, "35=8|11=A3|");
}

static void a_day_order_ends_with_the_day(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_order(atlantic, "11=A1|54=1|38=1|40=2|44=100|");
    peer_order(atlantic, "11=A2|54=1|38=1|40=2|44=99|59=1|");
    venue_set_phase(venue, PHASE_CLOSED);
    peer_expect(atlantic, "35=8|11=A1|150=C|39=C|");
    peer_expect_no(atlantic, "35=8|11=A2|150=C|");
    peer_ask(atlantic, "35=H|11=A1|55=PORT|54=1|");
    peer_expect(atlantic, "35=8|11=A1|150=I|39=C|151=0|"); // ours to know: the engine has forgotten
}

// ---- terms --------------------------------------------------------------------------------------

static void an_iceberg_shows_a_slice_and_reports_the_whole(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_order(atlantic, "11=A1|54=2|38=10|40=2|44=100|111=2|");
    peer_expect(atlantic, "35=8|11=A1|150=0|38=10|151=10|111=2|");
    peer_order(atlantic, "11=A2|54=2|38=10|40=2|44=100|1138=2|"); // the same by the later tag
    peer_expect(atlantic, "35=8|11=A2|150=0|111=2|");
    peer_order(balear, "11=B1|54=1|38=5|40=2|44=100|");
    peer_expect(atlantic, "35=8|11=A1|150=F|32=2|151=8|111=2|");
    peer_expect(atlantic, "35=8|11=A2|150=F|32=2|151=8|");
    peer_expect(atlantic, "35=8|11=A1|150=F|32=1|151=7|14=3|");
    peer_replace(atlantic, "41=A1|11=A3|54=2|38=10|40=2|44=100|111=1|");
    peer_expect(atlantic, "35=8|11=A3|41=A1|150=5|39=1|38=10|151=7|111=1|638=0|");
    peer_replace(atlantic, "41=A3|11=A4|54=2|38=10|40=2|44=100|111=10|");
    peer_expect(atlantic, "35=9|11=A4|5004=59|");
    peer_replace(atlantic, "41=A3|11=A5|54=2|38=10|40=2|44=100|111=0|");
    peer_expect(atlantic, "35=9|11=A5|5004=59|");
    peer_ask(atlantic, "35=H|11=A3|55=PORT|54=2|790=Q|");
    peer_expect(atlantic, "35=8|11=A3|790=Q|150=I|39=1|38=10|151=7|14=3|111=1|");
    peer_replace(atlantic, "41=A2|11=A6|54=2|38=4|40=2|44=100|111=2|");
    peer_expect(atlantic, "35=8|11=A6|41=A2|150=5|38=4|151=2|111=2|638=0|");
    peer_order(atlantic, "11=A7|54=2|38=3|40=2|44=101|111=2|");
    peer_replace(atlantic,
                 "41=A7|11=A8|54=2|38=2|40=2|44=101|111=2|"); // the slice as it was: no change
    peer_expect(atlantic, "35=8|11=A8|41=A7|150=5|38=2|151=2|111=2|638=0|");
}

static void post_only_never_takes(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_order(atlantic, "11=A1|54=2|38=1|40=2|44=100|18=6|");
    peer_expect(atlantic, "35=8|11=A1|150=0|18=6|");
    peer_order(balear, "11=B1|54=1|38=1|40=2|44=100|18=6|");
    peer_expect(balear, "35=8|11=B1|39=8|5004=57|18=6|");
    peer_order(balear, "11=B2|54=1|38=1|40=2|44=99|18=6|");
    peer_replace(balear, "41=B2|11=B3|54=1|38=1|40=2|44=100|18=6|");
    peer_expect(balear, "35=9|11=B3|41=B2|39=0|5004=57|");
    peer_replace(balear, "41=B2|11=B4|54=1|38=1|40=2|44=98|"); // not said again: as it is
    peer_expect(balear, "35=8|11=B4|41=B2|150=5|44=98|18=6|");
    peer_order(balear, "11=B5|54=1|38=1|40=2|44=97|");
    peer_replace(balear, "41=B5|11=B6|54=1|38=1|40=2|44=97|18=6|"); // made so by an amend: no
    peer_expect(balear, "35=9|11=B6|41=B5|5004=93|");
}

static void self_trades_are_prevented_as_asked(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peer_order(atlantic, "11=A1|54=2|38=1|40=2|44=100|");
    peer_order(atlantic, "11=A2|54=1|38=1|40=2|44=100|2964=1|");
    peer_expect(atlantic, "35=8|11=A2|150=0|2964=1|");
    peer_expect(atlantic, "35=8|11=A2|150=4|39=4|14=0|58=self-trade prevention|");
    peer_order(atlantic, "11=A3|54=1|38=1|40=2|44=100|2964=2|");
    peer_expect(atlantic, "35=8|11=A1|150=4|58=self-trade prevention|");
    peer_order(atlantic, "11=A4|54=2|38=1|40=2|44=100|2964=3|");
    peer_expect(atlantic, "35=8|11=A3|150=4|58=self-trade prevention|");
    peer_expect(atlantic, "35=8|11=A4|150=4|58=self-trade prevention|");
    peer_order(atlantic, "11=A5|54=2|38=3|40=2|44=100|2362=7|");
    peer_expect(atlantic, "35=8|11=A5|150=0|2362=7|");
    peer_order(atlantic, "11=A6|54=1|38=1|40=2|44=100|2964=4|2362=7|");
    peer_expect(atlantic, "35=8|11=A5|150=D|39=0|378=5|38=2|151=2|14=0|2362=7|");
    peer_expect(atlantic, "35=8|11=A6|150=4|39=4|2362=7|2964=4|");
    peer_order(atlantic, "11=A7|54=1|38=5|40=2|44=100|2964=4|2362=7|");
    peer_expect(atlantic, "35=8|11=A5|150=4|");
    peer_expect(atlantic, "35=8|11=A7|150=D|38=3|151=3|");
    peer_order(atlantic, "11=A8|54=2|38=3|40=2|44=100|2964=1|2362=8|"); // another id: they trade
    peer_expect(atlantic, "35=8|11=A7|150=F|39=2|");
}

// ---- amend --------------------------------------------------------------------------------------

static void an_amend_to_what_is_filled_cancels_the_rest(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_order(atlantic, "11=A1|54=2|38=3|40=2|44=100|");
    peer_order(balear, "11=B1|54=1|38=2|40=2|44=100|");
    peer_replace(atlantic, "41=A1|11=A2|54=2|38=2|40=2|44=100|");
    peer_expect(atlantic, "35=8|11=A2|41=A1|150=4|39=4|151=0|14=2|");
    peer_replace(atlantic, "41=A2|11=A3|54=2|38=5|40=2|44=100|");
    peer_expect(atlantic, "35=9|11=A3|41=A2|39=4|102=1|5004=16|");
}

static void an_amend_may_trade(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peer_order(atlantic, "11=A1|54=2|38=3|40=2|44=101|");
    peer_order(balear, "11=B1|54=1|38=2|40=2|44=100|");
    peer_replace(atlantic, "41=A1|11=A2|54=2|38=4|40=2|44=100|");
    peer_expect(atlantic, "35=8|11=A2|41=A1|150=5|39=0|38=4|151=4|44=100|638=1|");
    peer_expect(atlantic, "35=8|11=A2|150=F|39=1|32=2|151=2|851=2|");
    // Refused: the order stays as it was, and its id is what it was.
    peer_replace(atlantic, "41=A2|11=A3|54=2|38=4|40=2|44=100.005|");
    peer_expect(atlantic, "35=9|11=A3|41=A2|39=1|434=2|5004=26|");
    peer_replace(atlantic, "41=A2|11=A4|54=2|38=4|40=2|44=40|");
    peer_expect(atlantic, "35=9|11=A4|5004=31|");
    peer_replace(atlantic, "41=A2|11=A5|54=2|38=4|40=2|44=120|");
    peer_expect(atlantic, "35=9|11=A5|5004=32|");
    peer_replace(atlantic, "41=A2|11=A6|54=2|38=4|40=2|44=120|5001=Y|");
    peer_expect(atlantic, "35=8|11=A6|41=A2|150=5|44=120|");
    peer_replace(atlantic, "41=A6|11=A7|54=2|38=4|40=2|44=120|59=1|");
    peer_expect(atlantic, "35=9|11=A7|5004=23|"); // another time in force: not carried out
}

static void terms_survive_a_kill_and_a_reset(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    peers_trade_at_100(venue);
    peer_order(atlantic, "11=A1|54=2|38=5|40=4|44=98|99=99|59=6|432=20991231|2362=3|2964=2|");
    peer_order(atlantic, "11=A2|54=2|38=5|40=P|18=a|211=2|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "141=Y|");
    atlantic->next_out = 2;
    peer_ask(atlantic, "35=AF|584=Q1|585=7|");
    peer_expect(atlantic, "35=8|584=Q1|11=A1|40=4|99=99|44=98|59=6|126=21000101-00:00:00.000|"
                          "2362=3|2964=2|636=N|912=N|");
    peer_expect(atlantic, "35=8|584=Q1|11=A2|40=P|18=a|211=2|99=98|912=Y|");
    peer_ask(atlantic, "35=H|11=A2|55=PORT|54=2|");
    peer_expect(atlantic, "35=8|11=A2|150=I|40=P|18=a|211=2|99=98|636=N|");
}

// ---- crashes ------------------------------------------------------------------------------------

// What a report says, without what differs when it is told again.
static void essence(char out[1024], const char *message)
{
    static const char *const changing[] = {"8=", "9=", "10=", "34=", "43=", "52=", "97=", "122="};
    out[0] = 0;
    while (*message != 0) {
        size_t bytes = strcspn(message, "|") + 1;
        bool keep = true;
        for (size_t i = 0; i < sizeof changing / sizeof changing[0]; i++)
            keep = keep && strncmp(message, changing[i], strlen(changing[i])) != 0;
        if (keep)
            strncat(out, message, bytes);
        message += bytes;
    }
}

static unsigned count_same(const struct peer *peer, size_t from, const char *report)
{
    unsigned count = 0;
    char text[1024];
    for (size_t i = from; i < peer->heard_count; i++) {
        essence(text, peer->heard[i]);
        count += strcmp(text, report) == 0;
    }
    return count;
}

// Every kind of report, with terms that come by the event behind.
static void live_a_full_day(struct venue *venue)
{
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    peers_trade_at_100(venue);
    peer_order(atlantic, "11=A1|54=2|38=2|40=4|99=99|44=98|59=6|432=20991231|2362=3|");
    peer_replace(atlantic, "41=A1|11=A2|54=2|38=3|40=4|99=99|44=98.5|59=6|432=20991231|");
    peer_order(atlantic, "11=A3|54=2|38=1|40=P|18=a|211=1|");
    peer_order(atlantic, "11=A4|54=2|38=9|40=2|44=101|111=2|");
    peer_order(balear, "11=B1|54=1|38=3|40=2|44=101|");
    peer_replace(atlantic, "41=A4|11=A5|54=2|38=8|40=2|44=101|111=1|");
    peer_order(atlantic, "11=A6|54=1|38=2|40=2|44=101|2964=4|"); // takes 2 off the iceberg
    peer_order(balear, "11=B2|54=1|38=2|40=2|44=99|");
    peer_order(atlantic, "11=A7|54=2|38=1|40=2|44=99|");                // triggers A2 and A3
    peer_replace(atlantic, "41=A5|11=A8|54=2|38=3|40=2|44=101|111=1|"); // what is filled: cancelled
    peer_order(atlantic, "11=A9|54=1|38=1|40=2|44=97|");
    venue_set_phase(venue, PHASE_CLOSING_AUCTION);
    peer_order(atlantic, "11=C1|54=2|38=1|40=1|59=7|");
    peer_order(balear, "11=B3|54=1|38=1|40=2|44=98.5|59=7|");
    venue_set_phase(venue, PHASE_CLOSED); // an auction; A9 expires
    peer_cancel(atlantic, "41=A2|11=C2|54=2|");
}

static size_t file_read(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t bytes = fread(out, 1, size, file);
    fclose(file);
    assert_true(bytes > 0 && bytes < size);
    return bytes;
}

static void file_write(const char *path, const char *bytes, size_t count)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

static void relive(struct venue *venue)
{
    struct peer *atlantic = &venue->peers[0];
    venue_restart_gateway(venue, false);
    atlantic->next_out = view_session_last_seq(venue->view, 1) + 1;
    peer_connect(atlantic, "");
    peer_send(atlantic, "35=2|7=1|16=0|");
    while (session_resend_some(atlantic->session, 100000, clock_wall_ns(&clock_system)))
        ;
}

static void what_a_crash_takes_is_told_again_the_same_and_once(void **state)
{
    static char kept[65536];
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    live_a_full_day(venue);
    for (const char *types = "0F45LDC"; *types != 0; types++) {
        char type[] = "35=8|150=?|";
        type[9] = *types;
        assert_true(peer_count(atlantic, 0, type) > 0);
    }
    char path[256];
    snprintf(path, sizeof path, "%s/fix/1/messages-1", venue->folder);
    size_t bytes = file_read(path, kept, sizeof kept), told = atlantic->heard_count;
    for (size_t cut = 0; cut < 12; cut++) {
        file_write(path, kept, bytes - bytes * cut / 12); // at times a torn record
        size_t from = atlantic->heard_count;
        relive(venue);
        for (size_t i = 0; i < told; i++) {
            char report[1024];
            essence(report, atlantic->heard[i]);
            if (message_has(atlantic->heard[i], "35=8|"))
                assert_int_equal(count_same(atlantic, from, report), 1);
        }
        assert_int_equal(peer_count(atlantic, from, "35=8|"),
                         peer_count(atlantic, 0, "35=8|") - peer_count(atlantic, told, "35=8|"));
    }
}

// ---- times --------------------------------------------------------------------------------------

static void times_that_do_not_exist_are_none(void **state)
{
    (void)state;
    uint64_t ns = 0;
    assert_true(fix_time_read("20261120-11:12:13.123456789", 27, &ns));
    assert_true(ns == 1795173133123456789ull);
    assert_true(fix_time_read("20261120-11:12:13", 17, &ns));
    assert_true(ns == 1795173133 * SECOND_NS);
    assert_true(fix_time_read("20261120-11:12:13.5", 19, &ns));
    assert_true(ns == 1795173133 * SECOND_NS + SECOND_NS / 2);
    static const char *const bad[] = {"20261120-11:12",    "20261120-24:00:00",
                                      "20261120-11:60:00", "20261120-11:12:61",
                                      "20260229-11:12:13", "20261120-11:12:13.",
                                      "20261120 11:12:13", "19691231-23:59:59",
                                      "22620101-00:00:00", "20261120-11:12:13.1234567891",
                                      "2026112x-11:12:13", "20261120-11:12:13,5"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(fix_time_read(bad[i], strlen(bad[i]), &ns));
    assert_true(fix_date_read("20261231", 8, &ns));
    assert_true(ns == 1798761600 * SECOND_NS);
    assert_false(fix_date_read("20261232", 8, &ns));
    assert_false(fix_date_read("2026123", 7, &ns));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONNECTED_TEST(a_stop_waits_is_triggered_and_trades),
        CONNECTED_TEST(a_waiting_stop_is_amended_and_cancelled),
        CONNECTED_TEST(a_trailing_stop_follows_the_market),
        CONNECTED_TEST(fill_or_kill_and_minimum_take_all_or_nothing),
        CONNECTED_TEST(a_dated_order_expires),
        CONNECTED_TEST(a_day_order_ends_with_the_day),
        CONNECTED_TEST(an_iceberg_shows_a_slice_and_reports_the_whole),
        CONNECTED_TEST(post_only_never_takes),
        CONNECTED_TEST(self_trades_are_prevented_as_asked),
        CONNECTED_TEST(an_amend_to_what_is_filled_cancels_the_rest),
        CONNECTED_TEST(an_amend_may_trade),
        CONNECTED_TEST(terms_survive_a_kill_and_a_reset),
        CONNECTED_TEST(what_a_crash_takes_is_told_again_the_same_and_once),
        cmocka_unit_test(times_that_do_not_exist_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
