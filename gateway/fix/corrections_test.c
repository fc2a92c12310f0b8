// Corrections and busts as members hear of them: what the reports say, and what a desk that keeps
// its own books from them comes to, across restarts, resets, days and dropped messages.
#include "gateway/fix/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"

#define DAY_NS (24ull * 3600 * 1000000000)

// ---- a desk's own books

enum { EXECUTIONS_MAX = 512 };

struct books { // from the reports alone, in the order of their numbers
    struct {
        char exec_id[48], order[24];
        int64_t quantity, price;
    } executions[EXECUTIONS_MAX];
    size_t count;
    size_t told; // reports with figures that were compared
};

static int64_t number(const char *message, unsigned tag, unsigned scale)
{
    int64_t value = 0;
    const char *text = message_field(message, tag);
    if (decimal_parse(text, strlen(text), scale, &value) != DECIMAL_OK)
        fail_msg("no number in field %u of %s", tag, message);
    return value;
}

// What it has of an order: sum of quantities, average price at eight decimals, half up.
static void assert_figures(struct books *books, const char *message)
{
    int64_t filled = 0;
    __extension__ __int128 value = 0;
    char order[24], average[DECIMAL_TEXT_BYTES_MAX];
    snprintf(order, sizeof order, "%s", message_field(message, 37));
    for (size_t i = 0; i < books->count; i++) {
        if (strcmp(books->executions[i].order, order) != 0)
            continue;
        filled += books->executions[i].quantity;
        value += books->executions[i].quantity * books->executions[i].price;
    }
    int64_t exact = filled > 0 ? (int64_t)((value * 100 + filled / 2) / filled) : 0;
    average[decimal_print(exact, 8, average)] = 0;
    if (number(message, 14, 2) != filled || strcmp(message_field(message, 6), average) != 0)
        fail_msg("not %" PRId64 " filled at %s: %s", filled, average, message);
    books->told++;
    // Of an open order, OrderQty = CumQty + LeavesQty; of one that is done nothing is left.
    char status = message_field(message, 39)[0];
    int64_t left = status == '0' || status == '1' ? number(message, 38, 2) - filled : 0;
    if (number(message, 151, 2) != left)
        fail_msg("not %" PRId64 " left: %s", left, message);
    if (status == '2' && number(message, 38, 2) != filled)
        fail_msg("not filled: %s", message);
}

static void book(struct books *books, const char *message)
{
    char kind = message_field(message, 150)[0];
    size_t place = 0;
    if (kind == 'G' || kind == 'H') {
        while (place < books->count &&
               strcmp(books->executions[place].exec_id, message_field(message, 19)) != 0)
            place++;
        assert_true(place < books->count); // names an execution that was told
        assert_string_equal(books->executions[place].order, message_field(message, 37));
    } else if (kind == 'F') {
        place = books->count++;
        assert_true(place < EXECUTIONS_MAX);
        snprintf(books->executions[place].exec_id, 48, "%s", message_field(message, 17));
        snprintf(books->executions[place].order, 24, "%s", message_field(message, 37));
    }
    if (kind == 'F' || kind == 'G' || kind == 'H') {
        books->executions[place].quantity = number(message, 32, 2);
        books->executions[place].price = number(message, 31, 6);
    }
    if (message_field(message, 37)[0] != 'N')
        assert_figures(books, message);
}

// Every report the peer has heard, but for what a resend brought again.
static size_t books_agree(const struct peer *peer)
{
    struct books books = {0};
    for (size_t i = 0; i < peer->heard_count; i++)
        if (message_has(peer->heard[i], "35=8|") && !message_has(peer->heard[i], "43=Y|"))
            book(&books, peer->heard[i]);
    return books.told;
}

// ---- what is told

// A1 sells 10 of which B1 buys 4 at 100, which fails to settle.
static struct trade_correct_cmd failed_trade(struct venue *venue)
{
    peer_order(&venue->peers[0], "11=A1|54=2|38=10|40=2|44=100|");
    peer_order(&venue->peers[1], "11=B1|54=1|38=4|40=2|44=100|");
    struct trade_correct_cmd trade = venue_newest_trade(venue);
    venue_settle(venue, &trade, SETTLEMENT_FAILED);
    return trade;
}

static void assert_names(const char *message, const struct trade_correct_cmd *trade, char side)
{
    char text[48];
    snprintf(text, sizeof text, "%" PRIu64 "-%" PRIu32 "-%c", trade->trade_id >> 20,
             (uint32_t)(trade->trade_id & 0xfffff), side);
    assert_string_equal(message_field(message, 19), text);
}

static void a_bust_is_told_to_both_sides(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    struct trade_correct_cmd trade = failed_trade(venue);
    venue_correct(venue, &trade, 0, 0);
    char exec_id[64];
    // Six are in the book as before; the four that were traded do not come back to it.
    const char *seller =
        peer_expect(atlantic, "35=8|150=H|39=0|11=A1|1=101|54=2|38=6|151=6|14=0|6=0|32=0|31=0|"
                              "58=the trade is busted|");
    assert_names(seller, &trade, 'S');
    assert_string_equal(message_field(seller, 136), "");
    assert_int_not_equal(strlen(message_field(seller, 60)), 0);
    snprintf(exec_id, sizeof exec_id, "17=%" PRIu64 "-0-S|", venue->sequence);
    assert_true(message_has(seller, exec_id));
    const char *buyer =
        peer_expect(balear, "35=8|150=H|39=4|11=B1|1=102|54=1|38=4|151=0|14=0|6=0|32=0|31=0|");
    assert_names(buyer, &trade, 'B');
    assert_int_equal(venue->desk.executions.count, 0);
    assert_int_equal(books_agree(atlantic), 3);
    assert_int_equal(books_agree(balear), 3);
}

static void a_correction_tells_what_the_trade_is_now(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    struct trade_correct_cmd trade = failed_trade(venue);
    venue_correct(venue, &trade, 300, 291000000); // 3 at 97
    const char *seller =
        peer_expect(atlantic, "35=8|150=G|39=1|11=A1|38=9|151=6|14=3|6=97|32=3|31=97|136=1|"
                              "137=0.291|58=the trade is corrected|");
    assert_names(seller, &trade, 'S');
    peer_expect(balear, "35=8|150=G|39=4|11=B1|38=4|151=0|14=3|6=97|32=3|31=97|");
    venue_correct(venue, &trade, 300, 300000000); // the price only, up again
    seller = peer_expect(atlantic, "35=8|150=G|39=1|38=9|151=6|14=3|6=100|32=3|31=100|137=0.3|");
    assert_names(seller, &trade, 'S'); // the execution as it was first told
    peer_order(balear, "11=B2|54=1|38=6|40=2|44=100|");
    peer_expect(atlantic, "35=8|150=F|39=2|11=A1|38=9|151=0|14=9|6=100|");
    venue_correct(venue, &trade, 0, 0);
    peer_expect(atlantic, "35=8|150=H|39=4|11=A1|38=9|151=0|14=6|6=100|");
    assert_int_equal(books_agree(atlantic), 6);
    assert_int_equal(books_agree(balear), 7);
}

static void what_does_not_fit_a_trade_is_not_told(void **state)
{
    struct venue *venue = *state;
    const struct trade_correct_cmd trade = failed_trade(venue);
    struct trade_correct_cmd other = trade;
    venue->peers[0].read = venue->peers[0].heard_count;
    other.quantity = 300; // four were traded
    other.notional = 300000000;
    other.seller_fee = 300000;
    venue_correct(venue, &other, 200, 200000000);
    other = trade;
    other.trade_id++;
    other.quantity = 200;
    other.notional = 200000000;
    other.seller_fee = 200000;
    venue_correct(venue, &other, 100, 100000000);
    peer_expect_no(&venue->peers[0], "35=8|");
    assert_int_equal(executions_find(&venue->desk.executions, trade.trade_id, SIDE_BUY)->quantity,
                     400);
}

static void a_replace_after_a_bust_counts_as_the_member_does(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    struct trade_correct_cmd trade = failed_trade(venue);
    venue_correct(venue, &trade, 100, 100000000); // one of four is left: 7 = 1 and 6
    peer_expect(atlantic, "35=8|150=G|38=7|151=6|14=1|");
    peer_replace(atlantic, "41=A1|11=A2|54=2|38=6|40=2|44=100|");
    peer_expect(atlantic, "35=8|150=5|39=1|11=A2|38=6|151=5|14=1|638=0|");
    peer_replace(atlantic, "41=A2|11=A3|54=2|38=9|40=2|44=100|");
    peer_expect(atlantic, "35=8|150=5|39=1|11=A3|38=9|151=8|14=1|638=1|");
    peer_ask(atlantic, "35=H|11=A3|55=PORT|54=2|790=Q|");
    peer_expect(atlantic, "35=8|150=I|39=1|11=A3|38=9|151=8|14=1|6=100|");
    peer_ask(atlantic, "35=AF|584=R|585=7|");
    peer_expect(atlantic, "35=8|150=I|39=1|11=A3|38=9|151=8|14=1|6=100|911=1|");
    peer_replace(atlantic, "41=A3|11=A4|54=2|38=99999999999999999.99|40=2|44=100|");
    peer_expect(atlantic, "35=9|11=A4|");
    peer_replace(atlantic, "41=A3|11=A5|54=2|38=1|40=2|44=100|"); // as much as is filled
    peer_expect(atlantic, "35=8|150=4|39=4|11=A5|38=9|151=0|14=1|");
    peer_ask(balear, "35=H|11=B1|55=PORT|54=1|790=Q|");
    peer_expect(balear, "35=8|150=I|39=4|11=B1|38=4|151=0|14=1|6=100|");
    books_agree(atlantic);
}

static void it_is_told_in_the_middle_of_an_auction(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    struct trade_correct_cmd trade = failed_trade(venue);
    venue_set_phase(venue, PHASE_CLOSING_AUCTION);
    peer_order(balear, "11=B2|54=1|38=2|40=2|44=101|");
    venue_correct(venue, &trade, 0, 0);
    peer_expect(atlantic, "35=8|150=H|39=0|11=A1|38=6|151=6|14=0|");
    peer_expect(balear, "35=8|150=H|39=4|11=B1|14=0|");
    venue_set_phase(venue, PHASE_CONTINUOUS);
    peer_expect(atlantic, "35=8|150=F|39=1|11=A1|38=6|151=4|14=2|851=4|");
    struct trade_correct_cmd auction = venue_newest_trade(venue);
    venue_settle(venue, &auction, SETTLEMENT_FAILED);
    venue_correct(venue, &auction, 0, 0);
    peer_expect(balear, "35=8|150=H|39=4|11=B2|14=0|6=0|");
    books_agree(atlantic);
    books_agree(balear);
}

static void what_has_settled_is_forgotten(void **state)
{
    struct venue *venue = *state;
    struct trade_correct_cmd trade = failed_trade(venue);
    venue_settle(venue, &trade, SETTLEMENT_RETRIED);
    assert_int_equal(venue->desk.executions.count, 2);
    peer_order(&venue->peers[1], "11=B2|54=1|38=1|40=2|44=100|");
    venue_settle(venue, &trade, SETTLEMENT_SETTLED);
    assert_int_equal(venue->desk.executions.count, 2); // of the second trade
    venue_run(venue);                                  // flushes the stores
    venue->history_count = 0;                          // the stores alone tell it
    venue_restart_gateway(venue, false);
    assert_int_equal(venue->desk.executions.count, 2);
    assert_null(executions_find(&venue->desk.executions, trade.trade_id, SIDE_BUY));
}

// ---- what is left after a crash, a reset, a day

// The message without what a resend must change.
static void essence(char out[1024], const char *message)
{
    out[0] = 0;
    for (size_t bytes; *message != 0; message += bytes) {
        bytes = strcspn(message, "|") + 1;
        bool changes = strncmp(message, "9=", 2) == 0 || strncmp(message, "10=", 3) == 0 ||
                       strncmp(message, "43=", 3) == 0 || strncmp(message, "52=", 3) == 0 ||
                       strncmp(message, "122=", 4) == 0 || strncmp(message, "34=", 3) == 0 ||
                       strncmp(message, "97=", 3) == 0;
        if (!changes)
            strncat(out, message, bytes);
    }
}

static void assert_same(const char *first, const char *again)
{
    char a[1024], b[1024];
    essence(a, first);
    essence(b, again);
    assert_string_equal(a, b);
}

static void resend_all(struct peer *peer)
{
    peer_send(peer, "35=2|7=1|16=0|");
    while (session_resend_some(peer->session, 1000, clock_wall_ns(&clock_system)))
        ;
}

static void a_bust_is_sent_again_with_the_same_bytes(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0];
    struct trade_correct_cmd trade = failed_trade(venue);
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    venue_correct(venue, &trade, 200, 198000000);
    const char *corrected = peer_expect(atlantic, "35=8|150=G|14=2|6=99|");
    venue_run(venue);
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    venue_correct(venue, &trade, 0, 0);
    const char *busted = peer_expect(atlantic, "35=8|150=H|14=0|6=0|");
    venue_run(venue);
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    resend_all(atlantic);
    char number_of_it[64];
    snprintf(number_of_it, sizeof number_of_it, "34=%s|43=Y|150=G|", message_field(corrected, 34));
    assert_same(corrected, peer_expect(atlantic, number_of_it));
    snprintf(number_of_it, sizeof number_of_it, "34=%s|43=Y|150=H|", message_field(busted, 34));
    assert_same(busted, peer_expect(atlantic, number_of_it));
    assert_int_equal(peer_count(atlantic, 0, "97=Y|"), 0);
    assert_int_equal(executions_find(&venue->desk.executions, trade.trade_id, SIDE_BUY) == NULL,
                     true);
}

// The process dies before the store has got it: the next one tells it, as it was.
static void a_bust_that_a_crash_took_is_told_again_with_the_same_exec_id(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    struct trade_correct_cmd trade = failed_trade(venue);
    venue_run(venue);
    venue_correct(venue, &trade, 200, 198000000);
    venue_correct(venue, &trade, 0, 0); // neither has been flushed
    const char *corrected = peer_expect(atlantic, "35=8|150=G|");
    const char *busted = peer_expect(atlantic, "35=8|150=H|");
    size_t from = atlantic->heard_count;
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    peer_connect(balear, "");
    resend_all(atlantic);
    const char *again = peer_expect(atlantic, "35=8|97=Y|150=G|");
    assert_same(corrected, again);
    again = peer_expect(atlantic, "35=8|97=Y|150=H|");
    assert_same(busted, again);
    assert_int_equal(peer_count(atlantic, from, "35=8|150=H|"), 1);
    peer_ask(balear, "35=H|11=B1|55=PORT|54=1|790=Q|");
    peer_expect(balear, "35=8|150=I|39=4|11=B1|38=4|151=0|14=0|6=0|");
}

// Yesterday's order is done and its id is free, but its trade may still be busted.
static void the_order_may_be_long_gone(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    struct trade_correct_cmd trade = failed_trade(venue);
    peer_cancel(atlantic, "41=A1|11=A2|54=2|");
    venue_advance(venue, DAY_NS);
    venue_set_state(venue, VENUE_OPEN);                   // something happens on that day
    peer_order(atlantic, "11=A1|54=2|38=5|40=2|44=105|"); // another order with that id
    peer_expect(atlantic, "35=8|150=0|11=A1|38=5|");
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    peer_connect(balear, "");
    venue_correct(venue, &trade, 300, 300000000);
    const char *told = peer_expect(atlantic, "35=8|150=G|39=4|11=A1|38=10|151=0|14=3|6=100|");
    assert_names(told, &trade, 'S');
    peer_expect(balear, "35=8|150=G|39=4|11=B1|38=4|151=0|14=3|6=100|");
    venue_run(venue);
    venue_restart_gateway(venue, false);
    peer_connect(atlantic, "");
    peer_cancel(atlantic, "41=A1|11=A3|54=2|"); // means the new one, not the one just told
    peer_expect(atlantic, "35=8|150=4|11=A3|41=A1|38=5|14=0|");
    venue_correct(venue, &trade, 0, 0);
    peer_expect(atlantic, "35=8|150=H|39=4|11=A1|38=10|151=0|14=0|6=0|");
    venue_advance(venue, DAY_NS);
    venue_set_state(venue, VENUE_OPEN);
    assert_int_equal(venue->desk.executions.count, 0);
    assert_int_equal(venue->desk.orders.count, 0); // nothing needs them any more
}

static void it_outlives_a_reset_and_the_messages(void **state)
{
    struct venue *venue = *state;
    struct peer *atlantic = &venue->peers[0], *balear = &venue->peers[1];
    struct trade_correct_cmd trade = failed_trade(venue);
    venue_correct(venue, &trade, 300, 300000000);
    peer_disconnect(balear);
    balear->next_out = 1;
    peer_connect(balear, "141=Y|");
    atlantic->session->store.segment_bytes_max = 2000;
    venue->desk.kept_limits = (struct store_limits){8000, UINT64_MAX / 2};
    for (unsigned i = 0; i < 60; i++) {
        char text[64];
        snprintf(text, sizeof text, "11=N%u|54=2|38=0.0001|40=2|44=100|", i); // refused
        peer_order(atlantic, text);
        session_tick(atlantic->session);
    }
    assert_true(atlantic->session->store.entries[0].number > 20);
    for (int life = 0; life < 2; life++) {
        venue_restart_gateway(venue, life == 1);
        assert_int_equal(venue->desk.executions.count, 2);
    }
    peer_connect(atlantic, "");
    peer_connect(balear, "");
    venue_correct(venue, &trade, 0, 0);
    peer_expect(atlantic, "35=8|150=H|39=0|11=A1|38=6|151=6|14=0|6=0|");
    peer_expect(balear, "35=8|150=H|39=4|11=B1|38=4|151=0|14=0|6=0|");
}

// ---- at random

static uint64_t dice; // the same at every run

static uint64_t random_below(uint64_t bound)
{
    dice = dice * 6364136223846793005u + 1442695040888963407u;
    return (dice >> 33) % bound;
}

static void random_order(struct venue *venue, unsigned id)
{
    char text[128];
    uint64_t who = random_below(2);
    snprintf(text, sizeof text,
             "11=R%u|54=%" PRIu64 "|38=%" PRIu64 ".%02" PRIu64 "|40=2|44=%" PRIu64 ".%02" PRIu64
             "|",
             id, 1 + (who + (random_below(4) == 0)) % 2, 1 + random_below(9), random_below(100),
             98 + random_below(4), random_below(100));
    peer_order(&venue->peers[who], text);
}

// Quantity down or as it is, at any price that leaves whole cash units.
static void random_correction(struct venue *venue, struct trade_correct_cmd *trade)
{
    int64_t quantity =
        random_below(3) == 0 ? 0 : 1 + (int64_t)random_below((uint64_t)trade->quantity);
    int64_t price = 9900 + (int64_t)random_below(200); // cents
    if (quantity == trade->quantity && random_below(2) == 0)
        price = 10000;
    venue_correct(venue, trade, quantity, quantity * price * 100);
}

static void a_desk_that_keeps_its_own_books_always_agrees(void **state)
{
    struct venue *venue = *state;
    static struct trade_correct_cmd failed[EXECUTIONS_MAX];
    size_t count = 0, corrections = 0;
    uint64_t last_trade = 0;
    dice = 20;
    for (unsigned i = 0; i < 300; i++) {
        size_t before = venue->history_count;
        random_order(venue, i);
        for (size_t j = before; j < venue->history_count; j++)
            last_trade += venue->history[j].header.type == EVT_trade;
        if (last_trade > count) { // the newest of them fails
            failed[count] = venue_newest_trade(venue);
            venue_settle(venue, &failed[count], SETTLEMENT_FAILED);
            last_trade = ++count;
        }
        size_t which = count > 0 ? random_below(count) : 0;
        if (count > 0 && failed[which].quantity > 0 && random_below(2) == 0) {
            random_correction(venue, &failed[which]);
            corrections++;
        }
        if (i % 100 == 50) {
            venue_run(venue);
            venue_restart_gateway(venue, false);
            peer_connect(&venue->peers[0], "");
            peer_connect(&venue->peers[1], "");
        }
    }
    assert_in_range(count, 50, 300);
    assert_in_range(corrections, 50, 300);
    assert_true(books_agree(&venue->peers[0]) > 200);
    assert_true(books_agree(&venue->peers[1]) > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONNECTED_TEST(a_bust_is_told_to_both_sides),
        CONNECTED_TEST(a_correction_tells_what_the_trade_is_now),
        CONNECTED_TEST(what_does_not_fit_a_trade_is_not_told),
        CONNECTED_TEST(a_replace_after_a_bust_counts_as_the_member_does),
        CONNECTED_TEST(it_is_told_in_the_middle_of_an_auction),
        CONNECTED_TEST(what_has_settled_is_forgotten),
        CONNECTED_TEST(a_bust_is_sent_again_with_the_same_bytes),
        CONNECTED_TEST(a_bust_that_a_crash_took_is_told_again_with_the_same_exec_id),
        CONNECTED_TEST(the_order_may_be_long_gone),
        CONNECTED_TEST(it_outlives_a_reset_and_the_messages),
        CONNECTED_TEST(a_desk_that_keeps_its_own_books_always_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
