// Is the walk of every invariant awake? One thing of a sound engine is changed behind its back, and
// engine_check must stop there. All other tests rest on it: they walk after every command.
#include "matcher/engine_testing.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "matcher/engine_state.h"

enum { A = FIRST, B, C, D };

// What the corruptions change, of the venue below.
struct parts {
    struct engine *engine;
    struct instrument *instrument;
    struct order *order;       // A's plain buy
    struct order *behind;      // B's, at the same price
    struct order *iceberg;     // C's
    struct order *stop;        // D's trailing stop
    struct order *dated;       // B's
    struct order *for_close;   // A's
    struct order_terms *terms; // of the iceberg, the stop, the dated order
    struct order_terms *stop_terms;
    struct order_terms *dated_terms;
    struct balance *cash; // A's
    struct balance *token;
};

static uint32_t place_of(const struct venue *venue, uint32_t number)
{
    uint32_t place = order_pool_find(&venue->engine->pool, venue->orders[number]);
    assert_int_not_equal(place, 0);
    return place;
}

static struct parts parts_of(struct venue *venue)
{
    struct engine *engine = venue->engine;
    struct order_pool *pool = &engine->pool;
    return (struct parts){.engine = engine,
                          .instrument = &engine->instruments[1],
                          .order = order_at(pool, place_of(venue, 1)),
                          .behind = order_at(pool, place_of(venue, 2)),
                          .iceberg = order_at(pool, place_of(venue, 3)),
                          .stop = order_at(pool, place_of(venue, 6)),
                          .dated = order_at(pool, place_of(venue, 7)),
                          .for_close = order_at(pool, place_of(venue, 8)),
                          .terms = &pool->terms[place_of(venue, 3)],
                          .stop_terms = &pool->terms[place_of(venue, 6)],
                          .dated_terms = &pool->terms[place_of(venue, 7)],
                          .cash = ledger_at(&engine->ledger, ledger_find(&engine->ledger, A, CASH)),
                          .token =
                              ledger_at(&engine->ledger, ledger_find(&engine->ledger, A, TOKEN))};
}

// NAME(what is changed).
#define CORRUPTIONS(X)                                                                             \
    X(more_is_held, at->cash->held++; at->cash->available--)                                       \
    X(money_from_nowhere, at->cash->available++)                                                   \
    X(tokens_from_nowhere, at->token->available--)                                                 \
    X(less_than_nothing_is_held, at->token->held = -1; at->token->available++)                     \
    X(less_than_nothing_is_there, at->cash->held += at->cash->available + 1;                       \
      at->cash->available = -1)                                                                    \
    X(less_than_nothing_is_unsettled, at->cash->unsettled = -1)                                    \
    X(less_than_nothing_is_blocked, at->cash->blocked = -1)                                        \
    X(a_deficit_nobody_pays, at->token->deficit = 1)                                               \
    X(an_order_holds_what_is_owed, at->cash->deficit = 1)                                          \
    X(what_comes_in, at->token->incoming++)                                                        \
    X(a_carry, at->engine->ledger.incoming_carries++)                                              \
    X(exposure_of_an_account, at->engine->accounts[A].open[0]++)                                   \
    X(exposure_of_sells, at->engine->accounts[C].open[1]++)                                        \
    X(orders_of_an_account, at->engine->accounts[A].open_orders++)                                 \
    X(traded_of_an_account, at->engine->accounts[A].traded.amount = -1)                            \
    X(a_trip_without_a_limit, at->engine->accounts[D].tripped = true)                              \
    X(value_of_a_member, at->engine->members[1].open_value++)                                      \
    X(orders_of_a_member, at->engine->members[1].open_orders++)                                    \
    X(traded_of_a_member, at->engine->members[1].traded.amount = -1)                               \
    X(a_kill_that_is_not_counted, at->engine->accounts[D + 1].killed = true)                       \
    X(a_killed_account_with_orders, at->engine->accounts[A].killed = true; at->engine->kills++)    \
    X(a_killed_member_with_orders, at->engine->members[1].killed = true; at->engine->kills++)      \
    X(a_killed_session_with_orders, at->engine->sessions[1].killed = true; at->engine->kills++)    \
    X(a_killed_venue_with_orders, at->engine->killed = true; at->engine->kills++)                  \
    X(orders_of_the_instrument, at->instrument->orders_open++)                                     \
    X(orders_of_the_pool, at->engine->pool.orders_open++)                                          \
    X(levels_of_the_pool, at->engine->pool.levels_used++)                                          \
    X(stops_that_wait, at->engine->stops_open++)                                                   \
    X(trailing_stops, at->instrument->trailing_count[1]++)                                         \
    X(orders_for_the_open, at->instrument->at_open_count++)                                        \
    X(a_price_that_is_another_level, at->order->price++)                                           \
    X(nothing_is_left, at->order->leaves = 0)                                                      \
    X(more_is_left_than_was_wanted, at->order->leaves += 1000)                                     \
    X(another_instrument, at->order->instrument = 2)                                               \
    X(another_session, at->order->session = 2)                                                     \
    X(a_buyer_pays_more_than_all, at->order->buyer_bps = MONEY_BPS_ONE + 1)                        \
    X(a_seller_pays_a_buyers_fee, at->iceberg->buyer_bps = 1)                                      \
    X(another_balance, at->order->cash_balance = at->order->token_balance)                         \
    X(another_id, at->order->id += 1000)                                                           \
    X(the_queue_backwards, at->behind->earlier = 0)                                                \
    X(a_mark_without_terms, at->order->marks = ORDER_MARK_ICEBERG)                                 \
    X(a_stop_that_does_not_wait, at->stop->marks &= (uint8_t)~ORDER_MARK_STOP)                     \
    X(a_stop_that_does_not_trail, at->stop->marks &= (uint8_t)~ORDER_MARK_TRAILING)                \
    X(a_stop_at_another_level, at->stop_terms->stop_price++)                                       \
    X(a_trail_of_nothing, at->stop_terms->trail_offset = 0)                                        \
    X(an_iceberg_shows_too_much, at->iceberg->leaves = at->terms->display + 1;                     \
      at->terms->hidden--)                                                                         \
    X(an_iceberg_hides_less_than_nothing, at->terms->hidden = -1)                                  \
    X(an_iceberg_of_no_size, at->terms->display = 0)                                               \
    X(a_date_that_no_timer_knows, at->dated_terms->expire_ns++)                                    \
    X(a_timer_without_a_date, at->dated->marks &= (uint8_t)~ORDER_MARK_DATED)                      \
    X(a_market_order_with_a_limit, at->order->marks = ORDER_MARK_TERMS | ORDER_MARK_MARKET)        \
    X(nobody_waits_for_the_close, at->for_close->marks &= (uint8_t)~ORDER_MARK_CLOSE)              \
    X(the_closing_queue, at->instrument->closing.last = 0)                                         \
    X(the_list_of_a_session, at->engine->sessions[1].orders.last = 0)                              \
    X(the_list_of_trailing_stops, at->instrument->trailing[1].last = 0)                            \
    X(a_deadline_without_a_timer, at->instrument->state.indicative_due_ns = 5)                     \
    X(a_schedule_without_entries, at->instrument->state.schedule_next_ns = 5)                      \
    X(a_volatility_auction_without_end, at->instrument->state.phase = PHASE_VOLATILITY_AUCTION)    \
    X(a_limit_state_in_a_call, at->instrument->state.phase = PHASE_PRE_OPEN;                       \
      at->instrument->state.limit_state_end_ns = 5)                                                \
    X(proposals_without_end, at->engine->proposal_count = PROPOSALS_MAX + 1)                       \
    X(proposals_out_of_order, at->engine->proposals[1].terms.proposal = 0)                         \
    X(proposals_that_end_out_of_order, at->engine->proposals[1].terms.expires_ns = 0)              \
    X(instructions_without_end, at->engine->xvp_count = XVPS_MAX + 1)                              \
    X(instructions_out_of_order, at->engine->xvps[1].terms.xvp = 0)                                \
    X(a_cut_off_that_nobody_waits_for, at->engine->xvp_next_ns++)                                  \
    X(an_approval_that_holds_nothing, at->engine->xvps[0].terms.approved = 1)                      \
    X(a_lock_without_legs_on_other_ledgers, at->engine->xvps[0].terms.lock = XVP_LOCK_ARMED)       \
    X(a_heap_out_of_order, at->engine->dated.heap[1].time_ns += 100000)                            \
    X(a_record_of_fees_too_many, at->engine->fees.count++)

struct corruption {
    const char *name;
    void (*spoil)(struct parts *at);
};
#define SPOIL(name, ...)                                                                           \
    static void spoil_##name(struct parts *at)                                                     \
    {                                                                                              \
        __VA_ARGS__;                                                                               \
    }
CORRUPTIONS(SPOIL)
#define NAMED(name, ...) {#name, spoil_##name},
static const struct corruption corruptions[] = {CORRUPTIONS(NAMED)};

static void propose_kill(struct venue *venue)
{
    const struct kill_set_cmd kill = {.scope = KILL_ACCOUNT, .id = D};
    struct command *command = start(venue, CMD_propose, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_propose, sizeof kill);
    command->body.propose =
        (struct propose_cmd){.operator_id = 3, .proposed = CMD_kill_set, .body_bytes = sizeof kill};
    memcpy(command_tail_writable(command), &kill, sizeof kill);
    assert_string_equal(apply(venue), "proposal open");
}

static void instruct(struct venue *venue)
{
    const struct xvp_leg_tail leg = {A, C, TOKEN, XVP_LOCAL, 1};
    struct command *command = start(venue, CMD_xvp_create, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_xvp_create, sizeof leg);
    command->body.xvp_create = (struct xvp_create_cmd){
        .ref_source = REF_ADMIN, .ref_number = ++venue->number, .cutoff_ns = 7000, .leg_count = 1};
    memcpy(command_tail_writable(command), &leg, sizeof leg);
    assert_string_equal(apply(venue), "xvp created is created; xvp_leg");
}

static void fill(struct venue *venue)
{
    struct account_rec other = venue->accounts[0];
    other.account = D + 1;
    memcpy(&start(venue, CMD_account_set, GATEWAY_ADMIN)->body, &other, sizeof other);
    assert_string_equal(apply(venue), "account_changed");
    PLAY(venue, {"A buys 5 @ 99", "#1 holds 495"}, {"B buys 5 @ 99", "#2 holds 495"},
         {"C sells 9 @ 101 show=3", "#3 holds 9; terms show 3"}, {"C sells 1 @ 100", "#4 holds 1"},
         {"A buys 1 @ 100", "#5 holds 100; A buys 1 @ 100 from C fee 1 saved 0 left 0/0"},
         {"D sells 2 at market trail=5", "#6 holds 2 waits for its trigger; terms stop 95 trail 5"},
         {"B buys 1 @ 90 until=5000", "#7 holds 90; terms until 5000"},
         {"A buys 1 @ 91 close", "#8 holds 91 waits for the close"},
         {"B buys 1 @ 90 until=6000", "#9 holds 90; terms until 6000"});
    propose_kill(venue);
    propose_kill(venue);
    instruct(venue);
    instruct(venue);
}

// True if the walk stops in a process of its own, where this was spoilt.
static bool is_noticed(struct venue *venue, const struct corruption *corruption)
{
    struct parts parts = parts_of(venue);
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        corruption->spoil(&parts);
        engine_check(venue->engine);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void whatever_is_spoilt_is_noticed(void **state)
{
    struct venue *venue = *state;
    uint32_t missed = 0;
    fill(venue);
    engine_check(venue->engine);
    for (size_t i = 0; i < sizeof corruptions / sizeof corruptions[0]; i++)
        if (!is_noticed(venue, &corruptions[i])) {
            print_error("not noticed: %s\n", corruptions[i].name);
            missed++;
        }
    assert_int_equal(missed, 0);
}

static void what_one_asset_gains_no_other_makes_up_for(void **state)
{
    struct ledger ledger = {0};
    (void)state;
    for (uint32_t gains = 1; gains <= 64; gains++)
        for (uint32_t loses = 1; loses <= 64; loses++) {
            ledger.drift = 0;
            ledger_count(&ledger, gains, 1);
            assert_true(ledger.drift != 0);
            ledger_count(&ledger, loses, (uint64_t)-1);
            assert_int_equal(ledger.drift == 0, gains == loses);
        }
}

static void a_client_id_is_printable_at_every_place(void **state)
{
    _Alignas(8) char text[24];
    (void)state;
    for (uint32_t bytes = 0; bytes <= 16; bytes++)
        for (uint32_t at = 0; at < bytes; at++)
            for (uint32_t letter = 0; letter < 256; letter++) {
                memset(text, 'x', sizeof text);
                memset(text + bytes, 7, sizeof text - bytes); // what follows is not looked at
                text[at] = (char)letter;
                assert_int_equal(client_id_is_plain(text, bytes), letter >= 0x20 && letter <= 0x7e);
            }
    assert_true(client_id_is_plain(text, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whatever_is_spoilt_is_noticed, open_venue, close_venue),
        cmocka_unit_test(what_one_asset_gains_no_other_makes_up_for),
        cmocka_unit_test(a_client_id_is_printable_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
