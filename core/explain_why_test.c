// Why an order has not traded: what is said of each reason, in stories (explain_story.h), and by
// hand where a story would be long.
#include "core/explain_why.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/explain_life.h"
#include "core/explain_market.h"
#include "core/explain_story.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

// ---- by hand

// What is said of this life, as the engine is now, but for what `change` makes of the view.
static const char *why(struct story *story, struct explain_life *life,
                       void change(struct explain_view *view))
{
    struct explain_view view = {0};
    story_keeping = false;
    explain_view_take(&view, story->venue->engine, &limits);
    if (change != NULL)
        change(&view);
    if (story->answered)
        explain_answer_close(&story->answer);
    explain_answer_open(&story->answer);
    story->answered = true;
    life->market.terms.instrument = 1;
    life->command.body.order_new.account = FIRST;
    life->command.header.session = 1;
    explain_why_tell(&story->answer, life, &view);
    fflush(story->answer.lines);
    explain_view_free(&view);
    story_keeping = true;
    return story->answer.text;
}

// Static band 98 to 102, dynamic one 94 to 106; who stood next on the other side, by its price.
static void what_stopped_at_a_band_says_which_one_and_at_whom(void **state)
{
    struct story *story = *state;
    static char cancelled_by[] = "order_new of session 1 (fix)";
    static const struct {
        const char *next;
        uint8_t side;
        const char *said;
    } lines[] = {
        {NULL, SIDE_BUY,
         "  static band: 0.000098 to 0.000102, 200 bps around 0.0001\n"
         "  dynamic band: 0.000094 to 0.000106, 600 bps around 0.0001\n"},
        {"B sells 5 @ 103", SIDE_BUY,
         "  the next order on the other side stood at 0.000103\n"
         "  static band: 0.000098 to 0.000102, 200 bps around 0.0001: this one held it\n"
         "  dynamic band: 0.000094 to 0.000106, 600 bps around 0.0001\n"},
        {"B cancels 1", SIDE_BUY,
         "  static band: 0.000098 to 0.000102, 200 bps around 0.0001\n"
         "  dynamic band: 0.000094 to 0.000106, 600 bps around 0.0001\n"},
        {"B buys 5 @ 97", SIDE_SELL,
         "  the next order on the other side stood at 0.000097\n"
         "  static band: 0.000098 to 0.000102, 200 bps around 0.0001: this one held it\n"
         "  dynamic band: 0.000094 to 0.000106, 600 bps around 0.0001\n"},
        {"B buys 5 @ 102", SIDE_SELL,
         "  the next order on the other side stood at 0.000102\n"
         "  static band: 0.000098 to 0.000102, 200 bps around 0.0001\n"
         "  dynamic band: 0.000094 to 0.000106, 600 bps around 0.0001\n"},
        {"B buys 5 @ 107", SIDE_SELL,
         "  the next order on the other side stood at 0.000107\n"
         "  static band: 0.000098 to 0.000102, 200 bps around 0.0001: this one held it\n"
         "  dynamic band: 0.000094 to 0.000106, 600 bps around 0.0001: this one held it\n"}};
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct explain_life life = {.ended = true,
                                    .cancelled = CANCEL_BAND,
                                    .cancelled_quantity = 5,
                                    .cancelled_by = cancelled_by,
                                    .is = {.side = lines[i].side, .type = ORDER_LIMIT},
                                    .then = {.state = {.reference_price = 100, .last_price = 100},
                                             .rules = {.volatility_bps = 200},
                                             .controls = {.dynamic_bps = 600}}};
        char said[1024];
        if (lines[i].next != NULL)
            TELL(story, lines[i].next);
        snprintf(said, sizeof said,
                 "\nWhy it did not trade (wholly)\n"
                 "  5 were cancelled by %s: the next trade would have been beyond a price band\n%s",
                 cancelled_by, lines[i].said);
        assert_string_equal(why(story, &life, NULL), said);
    }
}

static struct order_rec *order_of(struct explain_view *view)
{
    return &view->records[view->types[REC_order].first].body.order;
}

static struct instrument_state_rec *state_of(struct explain_view *view)
{
    return &view->records[view->types[REC_instrument_state].first].body.instrument_state;
}

static void is_triggered(struct explain_view *view)
{
    order_of(view)->state = ORDER_STATE_TRIGGERED;
}

static void is_triggered_and_stopped(struct explain_view *view)
{
    is_triggered(view);
    view->venue_state = VENUE_CANCEL_ONLY;
    state_of(view)->phase = PHASE_CLOSING_AUCTION;
    state_of(view)->breaker_tripped = 1;
    state_of(view)->limit_state_end_ns = 1000000000;
}

static void waits_in_an_auction(struct explain_view *view)
{
    state_of(view)->phase = PHASE_OPENING_AUCTION;
}

static void awaits_the_close(struct explain_view *view)
{
    order_of(view)->state = ORDER_STATE_PENDING_CLOSE;
    state_of(view)->schedule_next_ns = 2000000000;
}

// A buy of 5 that waits, and holds 550.
static void what_waits_says_what_for(void **state)
{
    struct story *story = *state;
    static const struct {
        void (*change)(struct explain_view *view);
        int64_t held;
        const char *said;
    } lines[] = {
        {NULL, 550,
         "  it waits for its trigger: a trade at 0.000105 or above\n"
         "  no trade was made in instrument 1 since it came; the last one before was at 0\n"
         "  it holds 0.00055\n"},
        {NULL, 551,
         "  it waits for its trigger: a trade at 0.000105 or above\n"
         "  no trade was made in instrument 1 since it came; the last one before was at 0\n"
         "  it holds 0.00055\n"
         "  its events add up to a hold of 0.000551: this should not be\n"},
        {waits_in_an_auction, 550,
         "  it waits for its trigger: a trade at 0.000105 or above\n"
         "  no trade was made in instrument 1 since it came; the last one before was at 0\n"
         "  the phase is opening_auction: triggered stops wait for continuous trading\n"
         "  it holds 0.00055\n"},
        {is_triggered, 550,
         "  it is triggered and waits for its turn: the queue is worked off in continuous "
         "trading, phase continuous\n"
         "  it holds 0.00055\n"},
        {is_triggered_and_stopped, 550,
         "  it is triggered and waits for its turn: the queue is worked off in continuous "
         "trading, phase closing_auction\n"
         "  the venue takes cancels only: no new order can come to trade with it\n"
         "  the circuit breaker is tripped: new orders are refused until it is reset\n"
         "  the instrument is in a limit state until 1970-01-01T00:00:01.000000000Z\n"
         "  it holds 0.00055\n"},
        {awaits_the_close, 550,
         "  it waits for the closing auction; the phase is continuous\n"
         "  the schedule's next entry is due at 1970-01-01T00:00:02.000000000Z\n"
         "  it holds 0.00055\n"}};
    TELL(story, "A buys 5 @ 110 stop=105");
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct explain_life life = {.order = story->venue->orders[1],
                                    .is = {.side = SIDE_BUY, .type = ORDER_STOP_LIMIT},
                                    .held = lines[i].held};
        char said[1024];
        snprintf(said, sizeof said, "\nWhy it has not traded (wholly) yet\n%s", lines[i].said);
        assert_string_equal(why(story, &life, lines[i].change), said);
    }
}

static void bands_reach_from_the_least_price_to_the_greatest(void **state)
{
    (void)state;
    static const struct {
        int64_t around;
        uint32_t bps;
        struct explain_band band;
    } lines[] = {{100, 200, {98, 102, 100}},
                 {100, 0, {0, 0, 0}},
                 {0, 200, {0, 0, 0}},
                 {1, 5000, {1, 1, 1}},
                 {20000, 1, {19998, 20002, 20000}},
                 {100, 9999, {1, 199, 100}},
                 {100, 10000, {1, 200, 100}},
                 {100, 20000, {1, 300, 100}},
                 {INT64_MAX, 1, {INT64_MAX - 922337203685477, INT64_MAX, INT64_MAX}}};
    for (size_t i = 0; i < COUNT(lines); i++) {
        const struct explain_market market = {.state.last_price = lines[i].around,
                                              .controls.dynamic_bps = lines[i].bps};
        const struct explain_band band = explain_market_dynamic_band(&market);
        assert_int_equal(band.low, lines[i].band.low);
        assert_int_equal(band.high, lines[i].band.high);
        assert_int_equal(band.around, lines[i].band.around);
    }
}

// ---- stories

static void in_an_auction_its_price_allows_the_indicative_one_or_not(void **state)
{
    struct story *story = *state;
    set_price(story->venue, CMD_reference_set, 100);
    start(story->venue, CMD_instrument_rules_set, GATEWAY_ADMIN)->body.instrument_rules_set =
        (struct instrument_rules_set_cmd){.instrument = 1, .indicative_ms = 1};
    apply(story->venue);
    set_phase(story->venue, PHASE_CLOSING_AUCTION);
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B buys 10 @ 101 gtc");
    TELL(story, "C buys 1 @ 99 gtc");
    TELL(story, "D sells 1 @ 105 gtc");
    TELL(story, "D buys 2 at market");
    story->venue->ahead_ns += 1000000;
    start(story->venue, CMD_clock_tick, GATEWAY_CORE);
    apply(story->venue);
    for (int order = 1; order <= 5; order++) {
        static const char *const allows[] = {"allows", "allows", "does not allow", "does not allow",
                                             "allows"};
        char said[128];
        snprintf(said, sizeof said, "the indicative price is 0.000101 for 4: its price %s it\n",
                 allows[order - 1]);
        story_expect(story_ask(story, order), said);
    }
}

static void market_orders_of_an_auction_are_ahead_of_others(void **state)
{
    struct story *story = *state;
    set_price(story->venue, CMD_reference_set, 100);
    set_phase(story->venue, PHASE_CLOSING_AUCTION);
    TELL(story, "A buys 5 at market");
    TELL(story, "B buys 4 at market");
    TELL(story, "C buys 3 @ 100 gtc");
    TELL(story, "D buys 2 @ 100 gtc");
    static const char *const ahead[] = {"0 orders for 0 at better prices, 0 for 0 earlier",
                                        "0 orders for 0 at better prices, 1 for 5 earlier",
                                        "2 orders for 9 at better prices, 0 for 0 earlier",
                                        "2 orders for 9 at better prices, 1 for 3 earlier"};
    for (int order = 1; order <= 4; order++) {
        char said[128];
        snprintf(said, sizeof said, "ahead of it now: %s at its price", ahead[order - 1]);
        story_expect(story_ask(story, order), said);
    }
}

static void what_the_venue_is_in_is_said(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 5 @ 100 gtc");
    set_venue(story->venue, VENUE_CANCEL_ONLY);
    const char *text = story_ask(story, 1);
    story_expect(text, "(the venue is now cancel_only)");
    story_expect(text, "the venue takes cancels only: no new order can come to trade with it");
    set_venue(story->venue, VENUE_OPEN);
    set_phase(story->venue, PHASE_HALTED);
    text = story_ask(story, 1);
    story_expect(text, "the phase is halted: nothing trades");
    assert_null(strstr(text, "cancels only: no"));
}

// A trade beyond 2 % would begin a limit state of a second; one within ends it.
static void a_limit_state_is_told_as_long_as_it_lasts(void **state)
{
    struct story *story = *state;
    struct venue *venue = story->venue;
    TELL(story, "A sells 1 @ 100 gtc");
    TELL(story, "B buys 1 @ 100 gtc");
    start(venue, CMD_instrument_controls_set, GATEWAY_ADMIN)->body.instrument_controls_set =
        (struct instrument_controls_set_cmd){
            .instrument = 1, .dynamic_bps = 200, .limit_state_ms = 1000};
    apply(venue);
    TELL(story, "D buys 9 @ 90 gtc");
    TELL(story, "A sells 8 @ 103 gtc");
    TELL(story, "B buys 1 @ 103 gtc");
    char until[128];
    snprintf(until, sizeof until, "(limit state until 1970-01-01T00:00:01.%09" PRIu64 "Z)",
             venue->sequence);
    const char *text = story_ask(story, 3);
    story_expect(text, until);
    story_expect(text, "the instrument is in a limit state until 1970-01-01T00:00:01.");
    assert_null(strstr(text, "the limit state is over"));
    TELL(story, "D buys 1 @ 90 gtc");
    story_expect(story_ask(story, 6), ", in a limit state until 1970-01-01T00:00:01.");
    TELL(story, "C sells 1 @ 102 gtc");
    TELL(story, "B buys 1 @ 102 gtc");
    text = story_ask(story, 3);
    story_expect(text, "(the limit state is over)");
    assert_null(strstr(text, "the instrument is in a limit state"));
    text = story_ask(story, 5);
    story_expect(text, "dynamic band: 0.000098 to 0.000102, 200 bps around 0.0001: this one held");
}

static void what_was_reduced_goes_on_with_what_is_left(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 10 @ 100 gtc");
    TELL(story, "A buys 3 @ 99 gtc");
    TELL(story, "B sells 4 @ 100 stp=4");
    const char *text = story_ask(story, 1);
    story_expect(text, "self-trade prevention reduced it to 6, 6 left\n");
    story_expect(text, "open: 0 of 6 filled, 6 open");
    story_expect(text, "it holds 0.0006\n");
    assert_null(strstr(text, "this should not be"));
    text = story_ask(story, 2); // another's reduction is no part of its life
    story_expect(text, "open: 0 of 3 filled, 3 open");
    assert_null(strstr(text, "reduced"));
}

static void set_kill(struct story *story, uint8_t scope, uint32_t id, uint8_t killed)
{
    start(story->venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set =
        (struct kill_set_cmd){.scope = scope, .killed = killed, .id = id, .operator_id = 7};
    apply(story->venue);
    while (goes_on(story->venue))
        go_on(story->venue);
}

// The switches of its account, its member, its session or the venue, and nobody else's.
static void who_was_killed_sees_which_switches_are_on(void **state)
{
    struct story *story = *state;
    static const struct {
        uint8_t scope;
        uint32_t id, other;
        const char *shown, *not_shown;
    } lines[] = {{KILL_ACCOUNT, FIRST, FIRST + 2, "kill: scope account, killed 1, id 16", "id 18"},
                 {KILL_MEMBER, 1, 2, "kill: scope member, killed 1, id 1", "id 2"},
                 {KILL_SESSION, 1, 2, "kill: scope session, killed 1, id 1", "id 2"},
                 {KILL_VENUE, 0, 0, "kill: scope venue, killed 1", NULL}};
    start(story->venue, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = 2;
    apply(story->venue);
    for (size_t i = 0; i < COUNT(lines); i++) {
        if (lines[i].not_shown != NULL)
            set_kill(story, lines[i].scope, lines[i].other, 1);
        TELL(story, "A buys 5 @ 100 gtc");
        set_kill(story, lines[i].scope, lines[i].id, 1);
        const char *text = story_ask(story, (int)i + 1);
        story_expect(text, "the kill switch (killed); by order_mass_cancel of the core");
        story_expect(text, lines[i].shown);
        const char *why = strstr(text, "Why it did not trade");
        assert_non_null(why);
        if (lines[i].not_shown != NULL)
            assert_null(strstr(why, lines[i].not_shown));
        set_kill(story, lines[i].scope, lines[i].id, 0);
        if (lines[i].not_shown != NULL)
            set_kill(story, lines[i].scope, lines[i].other, 0);
    }
}

static void switches_and_breakers_that_go_on_and_off_are_told_meanwhile(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 5 @ 100 gtc");
    set_kill(story, KILL_ACCOUNT, FIRST + 2, 1);
    set_kill(story, KILL_ACCOUNT, FIRST + 2, 0);
    set_breaker(story->venue, 1);
    set_breaker(story->venue, 0);
    const char *text = story_ask(story, 1);
    story_expect(text, "(kill switch of account 18 is now on)");
    story_expect(text, "(kill switch of account 18 is now off)");
    story_expect(text, "(the circuit breaker is tripped)");
    story_expect(text, "(the circuit breaker is reset)");
}

// Also those of its own command: of stops that it has triggered.
static void trades_that_it_triggered_are_others_trades(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 1 @ 100 gtc");
    TELL(story, "A sells 5 @ 105 gtc");
    TELL(story, "D buys 3 @ 110 stop=100");
    TELL(story, "B buys 2 @ 100 gtc");
    const char *text = story_ask(story, 4);
    story_expect(text, "partially_filled: 1 of 2 filled, 1 open");
    story_expect(text, "others' trades since it came: 1 for 3, from 0.000105 to 0.000105; at its "
                       "price or better, with orders before it: 0 for 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(what_stopped_at_a_band_says_which_one_and_at_whom),
        STORY(what_waits_says_what_for),
        cmocka_unit_test(bands_reach_from_the_least_price_to_the_greatest),
        STORY(in_an_auction_its_price_allows_the_indicative_one_or_not),
        STORY(market_orders_of_an_auction_are_ahead_of_others),
        STORY(what_the_venue_is_in_is_said),
        STORY(a_limit_state_is_told_as_long_as_it_lasts),
        STORY(what_was_reduced_goes_on_with_what_is_left),
        STORY(who_was_killed_sees_which_switches_are_on),
        STORY(switches_and_breakers_that_go_on_and_off_are_told_meanwhile),
        STORY(trades_that_it_triggered_are_others_trades),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
