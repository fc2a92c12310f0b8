// Explanations of small stories, and what is said of them (explain_story.h).
#include "core/explain_story.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/explain_refusal.h"
#include "core/explain_words.h"
#include "core/journal_tool.h"

static void expect_json(const struct story *story, const char *key, const char *value)
{
    const char *found = json_string_value(json_object_get(story->answer.root, key));
    assert_non_null(found);
    assert_string_equal(found, value);
}

// ---- orders

static void a_filled_order_names_its_fills(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B sells 6 @ 101 gtc");
    TELL(story, "C buys 10 @ 101");
    const char *text = story_ask(story, 3);
    story_expect(text, "filled: 10 of 10 filled, 0 open");
    story_expect(text, "bought 4 at 0.0001 from order");
    story_expect(text, "bought 6 at 0.000101 from order");
    story_expect(text, "within its price on the other side: 2 orders for 10");
    story_expect(text, "Nothing is left of it.");
    expect_json(story, "state", "filled");
    expect_json(story, "filled", "10");
    expect_json(story, "held", "0");
}

static void an_order_behind_others_says_what_is_ahead(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 5 @ 101 gtc");
    TELL(story, "B buys 7 @ 100 gtc");
    TELL(story, "C buys 10 @ 100 gtc");
    TELL(story, "D sells 6 @ 100 gtc");
    const char *text = story_ask(story, 3);
    story_expect(text, "ahead of it: 1 order for 5 at better prices, 1 for 7 at its price");
    story_expect(text, "open: 0 of 10 filled, 10 open");
    story_expect(text,
                 "ahead of it now: 0 orders for 0 at better prices, 1 for 6 earlier at its price");
    story_expect(text, "nobody is on the other side");
    story_expect(text,
                 "others' trades since it came: 2 for 6, from 0.0001 to 0.000101; at its price or "
                 "better, with orders before it: 1 for 1");
    TELL(story, "D sells 8 @ 100 gtc");
    text = story_ask(story, 3);
    story_expect(text, "partially_filled: 2 of 10 filled, 8 open, average price 0.0001");
    story_expect(text, "bought 2 at 0.0001 from order");
    story_expect(text, "it was there before: maker");
    story_expect(text, "it holds 0.0008");
    TELL(story, "D sells 1 @ 105 gtc");
    TELL(story, "D sells 1 @ 101 gtc");
    story_expect(
        story_ask(story, 3),
        "the best on the other side is 0.000101 for 1: 0.000001 away from its price 0.0001");
    TELL(story, "D cancels 7");
    story_expect(
        story_ask(story, 3),
        "the best on the other side is 0.000105 for 1: 0.000005 away from its price 0.0001");
}

static void a_cancelled_order_says_by_whom(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 5 @ 100 gtc");
    TELL(story, "A amends 1 to 4 @ 0");
    TELL(story, "B cancels 1");
    TELL(story, "A cancels 1");
    const char *text = story_ask(story, 1);
    story_expect(text, "amended to 4 at 0.0001, 4 left; keeps its place in time; releases 0.0001");
    story_expect(text, "order_cancel of it was refused: NOT_OWNER");
    story_expect(text,
                 "cancelled with 4 left: its owner asked for it (by_owner); by order_cancel of "
                 "session 1 (fix)");
    expect_json(story, "state", "cancelled");
    TELL(story, "C buys 5 @ 100 gtc");
    TELL(story, "C cancels all");
    story_expect(story_ask(story, 2), "(mass); by order_mass_cancel of session 2 (web)");
}

static void what_may_not_rest_says_what_stood_against_it(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "A sells 4 @ 102 gtc");
    TELL(story, "B buys 10 @ 101 ioc");
    const char *text = story_ask(story, 3);
    story_expect(text, "cancelled: 4 of 10 filled");
    story_expect(text, "(ioc)");
    story_expect(text,
                 "the next order on the other side stood at 0.000102, its own price was 0.000101");
    TELL(story, "B buys 10 @ 102 fok");
    story_expect(story_ask(story, 4), "fill or kill: the whole quantity could not be had at once");
}

static void who_lost_the_right_to_trade_is_shown(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 5 @ 100 gtc");
    story->venue->accounts[0].flags |= ACCOUNT_SUSPENDED;
    set_account(story->venue, 'A');
    go_on(story->venue);
    const char *text = story_ask(story, 1);
    story_expect(text, "its account or member has lost the right to trade (suspended); by "
                       "order_mass_cancel of the core");
    story_expect(text, "account: account 16, member 1, kyc approved");
}

static void self_trade_prevention_is_named(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "A buys 4 @ 100 stp=1");
    story_expect(story_ask(story, 2), "self-trade prevention: it met an order of the same member");
}

static void set_rules(struct story *story, uint32_t volatility_bps)
{
    start(story->venue, CMD_instrument_rules_set, GATEWAY_ADMIN)->body.instrument_rules_set =
        (struct instrument_rules_set_cmd){.instrument = 1, .volatility_bps = volatility_bps};
    apply(story->venue);
}

static void the_breaker_says_where_it_trips(void **state)
{
    struct story *story = *state;
    story->venue->terms.breaker_bps = 200;
    set_terms(story->venue);
    set_price(story->venue, CMD_reference_set, 100);
    TELL(story, "A sells 4 @ 103 gtc");
    TELL(story, "A sells 4 @ 103 gtc");
    TELL(story, "B buys 10 @ 103 gtc");
    const char *text = story_ask(story, 3);
    story_expect(text,
                 "cancelled with 6 left: its last trade tripped the circuit breaker (breaker)");
    story_expect(
        text,
        "the circuit breaker trips at a trade outside 0.000098 to 0.000102, 200 bps around 0.0001");
    story_expect(text, "(the circuit breaker is tripped)");
    text = story_ask(story, 2);
    story_expect(text, "the circuit breaker is tripped: new orders are refused until it is reset");
    TELL(story, "C buys 1 @ 103 gtc");
    text = story_refused(story);
    story_expect(text, "BREAKER_TRIPPED (30), check: E6 circuit breaker");
    story_expect(text, "circuit breaker tripped");
}

static void a_volatility_auction_names_the_band(void **state)
{
    struct story *story = *state;
    set_price(story->venue, CMD_reference_set, 100);
    set_rules(story, 200);
    TELL(story, "A sells 4 @ 101 gtc");
    TELL(story, "A sells 4 @ 103 gtc");
    TELL(story, "B buys 10 @ 104 ioc");
    TELL(story, "C buys 10 @ 104 gtc");
    const char *text = story_ask(story, 3);
    story_expect(text, "(volatility)");
    story_expect(text, "the next order on the other side stood at 0.000103");
    story_expect(text,
                 "static band: 0.000098 to 0.000102, 200 bps around 0.0001: this one held it");
    story_expect(text, "(phase volatility_auction, before continuous)");
    text = story_ask(story, 4);
    story_expect(text,
                 "the phase is volatility_auction: orders are collected and trade at its end, at ");
}

static void a_stop_says_what_it_waits_for(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B buys 1 @ 100 gtc");
    TELL(story, "C buys 5 @ 110 stop=105");
    const char *text = story_ask(story, 3);
    story_expect(text, "it waits for its trigger");
    story_expect(text, "a trade at 0.000105 or above");
    story_expect(
        text, "no trade was made in instrument 1 since it came; the last one before was at 0.0001");
    TELL(story, "A sells 4 @ 102 gtc");
    TELL(story, "B buys 5 @ 102 gtc");
    text = story_ask(story, 3);
    story_expect(text, "the highest trade since it came was at 0.000102 (of 2 trades)");
    TELL(story, "A sells 4 @ 105 gtc");
    TELL(story, "B buys 3 @ 105 gtc");
    text = story_ask(story, 3);
    story_expect(text,
                 "triggered at 0.000105 by a trade at 0.000105, matched at 0.00011 from now on");
    story_expect(text, "bought 3 at 0.000105");
}

static void a_trailing_stop_tells_where_its_trigger_is(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B buys 1 @ 100 gtc");
    TELL(story, "C sells 5 at market trail=5");
    TELL(story, "A sells 1 @ 104 gtc");
    TELL(story, "B buys 4 @ 104 gtc");
    story_expect(story_ask(story, 3), "a trade at 0.000099 or below (it follows the market)");
}

static void an_auction_tells_price_and_leftovers(void **state)
{
    struct story *story = *state;
    set_phase(story->venue, PHASE_CLOSING_AUCTION);
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B buys 10 @ 100 close");
    const char *text = story_ask(story, 2);
    story_expect(text, "the phase is closing_auction: orders are collected");
    set_phase(story->venue, PHASE_CLOSED);
    text = story_ask(story, 2);
    story_expect(text, "bought 4 at 0.0001");
    story_expect(text, "auction, fee");
    story_expect(text,
                 "cancelled with 6 left: the auction it was for left this much of it (auction); by "
                 "instrument_phase of admin");
}

static void an_at_close_order_waits(void **state)
{
    struct story *story = *state;
    TELL(story, "B buys 10 @ 100 close");
    story_expect(story_ask(story, 1), "it waits for the closing auction; the phase is continuous");
}

static void an_iceberg_tells_its_slices(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 10 @ 100 gtc show=4");
    TELL(story, "B buys 4 @ 100 gtc");
    const char *text = story_ask(story, 1);
    story_expect(text, "shows 4)");
    story_expect(text, "shows its next slice of 4, at the back of its price");
    story_expect(text, "of that 4 show");
}

static void a_refused_order_is_explained_as_a_refusal(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 2000 @ 100 gtc");
    story_write_journal(story);
    const char *text = story_ask_order(story, story->venue->sequence, EXPLAIN_ANSWERED);
    story_expect(text, "Order");
    story_expect(text, "INSUFFICIENT_BALANCE (50)");
    expect_json(story, "state", "refused");
}

// ---- refusals

static void a_refusal_for_lack_of_cash_shows_the_balance(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 900 @ 100 gtc");
    TELL(story, "A buys 200 @ 100 gtc");
    const char *text = story_refused(story);
    story_expect(text, "INSUFFICIENT_BALANCE (50), check: E9 balance");
    story_expect(text, "needs 0.02 asset 1, available 0.01");
    story_expect(text, "what to do: deposit, or cancel other orders");
    story_expect(text, "balance: account 16, asset 1, available 0.01, held 0.09");
    story_expect(text, "open orders of account 16: 1, worth 0.09");
    TELL(story, "B sells 1001 @ 100 gtc");
    story_expect(story_refused(story), "needs 1001 asset 2, available 1000");
}

static void refusals_by_price_show_what_it_was_judged_by(void **state)
{
    struct story *story = *state;
    set_price(story->venue, CMD_reference_set, 100);
    set_price(story->venue, CMD_nav_set, 100);
    TELL(story, "A buys 1 @ 160 gtc");
    const char *text = story_refused(story);
    story_expect(text, "FAT_FINGER_BLOCK (31)");
    story_expect(text, "price is 6000 bps from 0.0001; at most 5000");
    story_expect(text, "reference 0.0001");
    story_expect(text, "fat_finger_block_bps 5000");
    TELL(story, "A buys 1 @ 115 gtc");
    story_expect(story_refused(story), "FAT_FINGER_CONFIRM (32)");
    start(story->venue, CMD_limits_set, GATEWAY_ADMIN)->body.limits_set =
        (struct limits_set_cmd){.scope = LIMIT_MEMBER, .id = 1, .flags = LIMIT_STRICT_CONFIRM};
    apply(story->venue);
    TELL(story, "A buys 1 @ 115 gtc");
    TELL(story, "A buys 1 @ 116 gtc");
    text = story_refused(story);
    story_expect(text, "confirm: ");
    TELL(story, "A sells 1 @ 100 gtc");
    TELL(story, "B buys 1 @ 100 gtc");
    set_price(story->venue, CMD_nav_set, 70);
    TELL(story, "A buys 1 @ 100 gtc");
    text = story_refused(story);
    story_expect(text, "NAV_CONFIRM (33)");
    story_expect(text, "NAV 0.00007 (0 ms old)");
}

static void refusals_by_person_phase_and_venue_show_them(void **state)
{
    struct story *story = *state;
    story->venue->accounts[0].kyc = KYC_PENDING;
    set_account(story->venue, 'A');
    TELL(story, "A buys 1 @ 100 gtc");
    const char *text = story_refused(story);
    story_expect(text, "KYC (44)");
    story_expect(text, "the account's KYC status is pending");
    story_expect(text, "kyc pending");
    set_phase(story->venue, PHASE_HALTED);
    TELL(story, "B buys 1 @ 100 gtc");
    text = story_refused(story);
    story_expect(text, "PHASE (42)");
    story_expect(text, "phase halted");
    set_venue(story->venue, VENUE_CANCEL_ONLY);
    TELL(story, "B buys 1 @ 100 gtc");
    text = story_refused(story);
    story_expect(text, "VENUE_CANCEL_ONLY (10)");
    story_expect(text, "venue cancel_only");
}

static void refusals_of_form_need_no_state(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 0 @ 100 gtc");
    story_expect(story_refused(story), "It looked at the command alone.");
    TELL(story, "C cancels 1");
    const char *text = story_refused(story);
    story_expect(text, "UNKNOWN_ORDER (16)");
    story_expect(text, "order_cancel of session 2 (web), refused");
}

static void refusals_of_the_book_show_it(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B buys 4 @ 101 post gtc");
    const char *text = story_refused(story);
    story_expect(text, "POST_ONLY_CROSSES (57)");
    story_expect(text, "ask: 0.0001 for 4 (1 order for 4 on that side)");
    story_expect(text, "bid: none");
}

static void chain_out(struct story *story, char who, uint32_t asset)
{
    post(story->venue, who, asset, POSTING_CHAIN_OUT, 1000000000000);
    while (goes_on(story->venue))
        go_on(story->venue);
}

// What left the venue covers neither the sale of tokens nor the order that would pay with cash.
static void an_order_that_is_not_covered_any_more_shows_the_balance(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 10 @ 100 gtc");
    TELL(story, "B buys 10 @ 99 gtc");
    chain_out(story, 'A', TOKEN);
    chain_out(story, 'B', CASH);
    const char *text = story_ask(story, 1);
    story_expect(text,
                 "10 were cancelled by continue_work of the core: what it held was not there");
    story_expect(text, "balance: account 16, asset 2, deficit 999999999000\n");
    text = story_ask(story, 2);
    story_expect(text, "balance: account 17, asset 1, deficit 999999.9\n");
}

// A scope is told by its word, also the first, which is 0.
static void a_refused_mass_cancel_tells_its_scope(void **state)
{
    struct story *story = *state;
    static const struct {
        uint8_t scope;
        const char *word;
    } lines[] = {{SCOPE_SESSION, "scope session\n"}, {SCOPE_MEMBER, "scope member\n"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        start_session(story->venue, CMD_order_mass_cancel, 'A', NULL)->body.order_mass_cancel =
            (struct order_mass_cancel_cmd){.scope = lines[i].scope, .account = 19};
        apply(story->venue);
        const char *text = story_refused(story);
        story_expect(text, "order_mass_cancel of session 1 (fix), refused");
        story_expect(text, lines[i].word);
    }
}

static void a_refused_entry_of_the_ledger_shows_the_balance(void **state)
{
    struct story *story = *state;
    post(story->venue, 'A', CASH, POSTING_WITHDRAWAL, 200000);
    const char *text = story_refused(story);
    story_expect(text, "INSUFFICIENT_BALANCE (50)");
    story_expect(text, "ledger_post of admin, refused");
    story_expect(text, "kind withdrawal");
    story_expect(text, "balance: account 16, asset 1, available 0.1");
}

static void every_code_is_asked_of_without_a_fault(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 0 @ 100 gtc");
    story_write_journal(story);
    struct explain_view view = {0};
    struct event event = {.header = {.type = EVT_rejected}};
    story_keeping = false;
    explain_view_take(&view, story->venue->engine, &limits);
    for (uint16_t code = 1; code <= REJECT_CODE_MAX; code++) {
        explain_answer_open(&story->answer);
        event.body.rejected = (struct rejected_evt){
            .code = code, .account = FIRST, .instrument = 1, .limit = 1, .value = 2, .argument = 3};
        explain_refusal_tell(&story->answer, &view, &story_kept[story_kept_count - 1], &event);
        explain_answer_close(&story->answer);
    }
    explain_view_free(&view);
}

// Records of every kind are shown to the refusals that they decide, and nobody else's.
static void refusals_by_limits_show_those_that_concern_them(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 1 @ 100 gtc");
    struct explain_view view = {0};
    struct event event = {.header = {.type = EVT_rejected}};
    story_keeping = false;
    explain_view_take(&view, story->venue->engine, &limits);
    STORY_VIEW_ADD(
        &view, limits,
        {.scope = LIMIT_ACCOUNT, .id = FIRST, .daily_value_max = 500000000, .duplicate_ms = 70});
    STORY_VIEW_ADD(&view, limits, {.scope = LIMIT_ACCOUNT, .id = FIRST + 1, .open_orders_max = 77});
    STORY_VIEW_ADD(&view, limits, {.scope = LIMIT_MEMBER, .id = 1, .open_orders_max = 78});
    STORY_VIEW_ADD(&view, account_state, {.account = FIRST, .traded = 499000000});
    STORY_VIEW_ADD(&view, kill, {.scope = KILL_MEMBER, .killed = 1, .id = 1, .operator_id = 9});
    STORY_VIEW_ADD(&view, kill, {.scope = KILL_ACCOUNT, .killed = 1, .id = FIRST + 1});
    STORY_VIEW_ADD(&view, jurisdiction,
                   {.instrument = 1, .code = 840, .mode = JURISDICTIONS_EXCEPT});
    event.body.rejected = (struct rejected_evt){.code = REJECT_DAILY_VALUE_MAX,
                                                .account = FIRST,
                                                .instrument = 1,
                                                .limit = 500000000,
                                                .value = 500000001,
                                                .argument = LIMIT_ACCOUNT};
    explain_answer_open(&story->answer);
    story->answered = true;
    explain_refusal_tell(&story->answer, &view, &story_kept[story_kept_count - 1], &event);
    event.body.rejected.code = REJECT_KILLED;
    explain_refusal_tell(&story->answer, &view, &story_kept[story_kept_count - 1], &event);
    event.body.rejected.code = REJECT_JURISDICTION;
    explain_refusal_tell(&story->answer, &view, &story_kept[story_kept_count - 1], &event);
    fflush(story->answer.lines);
    const char *text = story->answer.text;
    story_expect(text, "traded and open today 500.000001, above the limit 500 of the account");
    story_expect(text, "limits: scope account, id 16, daily_value_max 500, duplicate_ms 70");
    story_expect(text, "limits: scope member, id 1, open_orders_max 78");
    story_expect(text, "account_state: account 16, traded 499");
    story_expect(text, "open orders of account 16: 1, worth 0.0001");
    story_expect(text, "kill: scope member, killed 1, id 1, operator_id 9");
    story_expect(text, "jurisdiction: instrument 1, code 840, mode 2");
    assert_null(strstr(text, "open_orders_max 77"));
    assert_null(strstr(text, "scope account, killed"));
    explain_view_free(&view);
}

static void what_was_not_refused_is_no_refusal(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 1 @ 100 gtc");
    story_write_journal(story);
    story_ask_reject(story, story->venue->sequence, EXPLAIN_NONE);
    story_ask_reject(story, story->venue->sequence + 1, EXPLAIN_NONE);
    story_ask_reject(story, 0, EXPLAIN_NONE);
    story_ask_order(story, story->venue->sequence + 1, EXPLAIN_NONE);
    story_ask_order(story, 1, EXPLAIN_NONE); // gateway_attach
    story_ask_order(story, 0, EXPLAIN_NONE);
}

// ---- balances

static void tell_a_busy_day(struct story *story)
{
    TELL(story, "C sells 10 @ 100 gtc");
    TELL(story, "A buys 4 @ 101 gtc");
    TELL(story, "A buys 20 @ 99 gtc");
    TELL(story, "A amends 3 to 10 @ 0");
    settle(story->venue, SETTLEMENT_SETTLED, 2, 198);
    settle(story->venue, SETTLEMENT_FAILED, 2, 0);
    TELL(story, "A buys 5 @ 98 gtc");
    TELL(story, "A cancels 4");
    post(story->venue, 'A', CASH, POSTING_WITHDRAWAL, 1000);
}

static void a_balance_adds_up_over_everything(void **state)
{
    struct story *story = *state;
    tell_a_busy_day(story);
    story_write_journal(story);
    const char *text = story_ask_balance(story, 'A', "1", 0, 100);
    story_expect(text, "deposit with account 1, reference 1/1");
    story_expect(text, "hold of order");
    story_expect(text, "bought 4 at 0.0001, fee 0");
    story_expect(text, "hold of order");
    story_expect(text, "release: order");
    story_expect(text, "withdrawal with account 1");
    story_expect(text, "It adds up");
    story_expect(text, "buy 10 instrument 1 at 0.000099 holds 0.00099");
    text = story_ask_balance(story, 'C', "1", 0, 100);
    story_expect(text, "sold 4 at 0.0001, fee 0.000004");
    story_expect(text, "settlement of trade 1 settled on the chain");
    text = story_ask_balance(story, 'A', "2", 0, 100);
    story_expect(text, "settlement_failed (1): available 0, held 0, unsettled -2, blocked 2");
    story_expect(text, "It adds up");
    struct explain_options options = STORY_OPTIONS;
    options.check = true;
    text = story_ask_state(story, &options, EXPLAIN_ANSWERED);
    story_expect(text, "asset 1: 6 balances sum to 0 (of that the world outside -0.399)");
}

static void a_balance_from_a_sequence_begins_there(void **state)
{
    struct story *story = *state;
    TELL(story, "C sells 10 @ 100 gtc");
    uint64_t from = story->venue->sequence + 1;
    tell_a_busy_day(story);
    story_write_journal(story);
    const char *text = story_ask_balance(story, 'A', "1", from, 2);
    story_expect(text, "before: available 0.1, held 0");
    story_expect(text, "the newest (more: --limit N)");
    story_expect(text, "It adds up");
    assert_int_equal(json_array_size(json_object_get(story->answer.root, "postings")), 2);
    story_write_snapshot(story, from - 1);
    story_expect(story_ask_balance(story, 'A', "1", from, 2), "before: available 0.1, held 0");
    story_expect(story_ask_balance(story, 'B', "1", 0, 0), "It adds up");
}

static void a_balance_that_does_not_add_up_is_told(void **state)
{
    struct story *story = *state;
    struct explain_journal journal;
    tell_a_busy_day(story);
    story_write_journal(story);
    story_lies.posting_left_out = true;
    story_open_question(story, &journal);
    struct explain_options options =
        STORY_OPTIONS; // the treasury's fees are the last posting of a trade
    assert_int_equal(explain_balance(&story->answer, &journal, ACCOUNT_TREASURY, "1", &options),
                     EXPLAIN_CORRUPT);
    story_lies.posting_left_out = false;
    story_expect(story_close_question(story, &journal), "It does NOT add up");
}

// Asked of the engine, or of its orders: each figure counts.
static void a_balance_of_which_one_figure_differs_does_not_add_up(void **state)
{
    struct story *story = *state;
    static const struct story_lies lies[] = {{.engine.available = 1},
                                             {.engine.held = 1},
                                             {.engine.unsettled = 1},
                                             {.engine.blocked = 1},
                                             {.saved_held = 1}};
    TELL(story, "A buys 5 @ 100 gtc");
    story_write_journal(story);
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        struct explain_journal journal;
        story_open_question(story, &journal);
        story_lies = lies[i];
        assert_int_equal(explain_balance(&story->answer, &journal, FIRST, "1", &STORY_OPTIONS),
                         EXPLAIN_CORRUPT);
        story_lies = (struct story_lies){0};
        story_expect(story_close_question(story, &journal), "It does NOT add up");
    }
}

static void a_balance_is_found_by_the_symbol_of_its_asset(void **state)
{
    struct story *story = *state;
    start(story->venue, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
        (struct asset_set_cmd){.asset = 3, .kind = ASSET_CASH, .scale = 6, .symbol = "EUR"};
    apply(story->venue);
    post(story->venue, 'A', 3, POSTING_DEPOSIT, 12345);
    story_write_journal(story);
    story_expect(story_ask_balance(story, 'A', "EUR", 0, 9), "Account 16, EUR (asset 3), as of");
    story_expect(story_ask_balance(story, 'A', "EUR", story->venue->sequence + 1, 9),
                 "available 0.012345, held 0");
}

// The collar that a trailing stop held for has come nearer.
static void what_a_triggered_stop_frees_is_a_release(void **state)
{
    struct story *story = *state;
    TELL(story, "C sells 1 @ 100");
    TELL(story, "D buys 1 @ 100");
    TELL(story, "A buys 10 @ 0 trail=20");
    TELL(story, "C sells 1 @ 90");
    TELL(story, "D buys 1 @ 90");
    TELL(story, "C sells 4 @ 110 confirmed");
    TELL(story, "D buys 1 @ 110 confirmed");
    char said[96];
    snprintf(said, sizeof said,
             "release: order %" PRIu64 " was triggered\n"
             "      change: available 0.00011, held -0.00011, unsettled 0, blocked 0",
             story->venue->orders[3]);
    story_write_journal(story);
    const char *text = story_ask_balance(story, 'A', "1", 0, 100);
    story_expect(text, said);
    story_expect(text, "It adds up");
}

static void what_self_trade_prevention_frees_is_a_release(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 10 @ 100 gtc");
    TELL(story, "B sells 4 @ 100 stp=4");
    char said[128];
    snprintf(said, sizeof said,
             "release: self-trade prevention reduced order %" PRIu64 "\n"
             "      change: available 0.0004, held -0.0004, unsettled 0, blocked 0",
             story->venue->orders[1]);
    story_write_journal(story);
    const char *text = story_ask_balance(story, 'A', "1", 0, 100);
    story_expect(text, said);
    story_expect(text, "It adds up");
}

static void what_a_correction_moves_names_its_trade(void **state)
{
    struct story *story = *state;
    TELL(story, "C sells 10 @ 100");
    TELL(story, "A buys 10 @ 100");
    settle(story->venue, SETTLEMENT_FAILED, 10, 990);
    start(story->venue, CMD_trade_correct, GATEWAY_ADMIN)->body.trade_correct =
        (struct trade_correct_cmd){.trade_id = 77,
                                   .ref_number = 1000,
                                   .ref_source = REF_ADMIN,
                                   .instrument = 1,
                                   .buyer_account = FIRST,
                                   .seller_account = FIRST + 2,
                                   .operator_id = 5,
                                   .quantity = 10,
                                   .notional = 1000,
                                   .seller_fee = 10};
    assert_string_equal(apply(story->venue),
                        "corrected -10 for -1000 fees 0 -10 lacking 0 and 0, remains 0");
    story_write_journal(story);
    const char *text = story_ask_balance(story, 'A', "2", 0, 100);
    story_expect(text, "correction of trade 77 by operator 5\n"
                       "      change: available -10, held 0, unsettled 0, blocked -10");
    story_expect(text, "It adds up");
}

// C gives 5 tokens to D, if he approves.
static uint64_t instruct(struct story *story, uint64_t number)
{
    const struct xvp_leg_tail leg = {
        .from = FIRST + 2, .to = FIRST + 3, .asset = TOKEN, .kind = XVP_LOCAL, .amount = 5};
    struct command *command = start(story->venue, CMD_xvp_create, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_xvp_create, sizeof leg);
    command->body.xvp_create = (struct xvp_create_cmd){.ref_source = REF_XVP,
                                                       .ref_number = number,
                                                       .cutoff_ns = 10000,
                                                       .operator_id = 5,
                                                       .leg_count = 1};
    memcpy(command_tail_writable(command), &leg, sizeof leg);
    assert_string_equal(apply(story->venue), "xvp created is created; xvp_leg");
    return story->venue->sequence;
}

static void act_on(struct story *story, uint64_t xvp, uint8_t action)
{
    struct command *command = start(story->venue, CMD_xvp_act, GATEWAY_WEB);
    command->header.session = 2;
    command->body.xvp_act =
        (struct xvp_act_cmd){.xvp = xvp, .account = FIRST + 2, .action = action};
    apply(story->venue);
}

static void what_an_instruction_moves_says_by_which_step(void **state)
{
    struct story *story = *state;
    char said[128];
    uint64_t executed = instruct(story, 1);
    act_on(story, executed, XVP_APPROVE);
    act_on(story, executed, XVP_EXECUTE);
    uint64_t revoked = instruct(story, 2);
    act_on(story, revoked, XVP_APPROVE);
    act_on(story, revoked, XVP_REVOKE);
    uint64_t open = instruct(story, 3);
    act_on(story, open, XVP_APPROVE);
    story_write_journal(story);
    const char *text = story_ask_balance(story, 'C', "2", 0, 100);
    const struct {
        uint64_t xvp;
        const char *step;
    } lines[] = {{executed, "approved: held"},
                 {executed, "executed: given"},
                 {revoked, "approved: held"},
                 {revoked, "given up: released"}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        snprintf(said, sizeof said, "settlement instruction %" PRIu64 " %s\n", lines[i].xvp,
                 lines[i].step);
        story_expect(text, said);
    }
    snprintf(said, sizeof said, "  settlement instruction %" PRIu64 " holds 5\n\nIt adds up", open);
    story_expect(text, said);
    text = story_ask_balance(story, 'D', "2", 0, 100);
    snprintf(said, sizeof said, "settlement instruction %" PRIu64 " executed: received\n",
             executed);
    story_expect(text, said);
    story_expect(text, "It adds up");
    assert_null(strstr(text, " holds 5"));
}

// ---- state

// What a replay to there says.
static void replay_digest(char out[17], const struct story *story, uint64_t until)
{
    char line[512] = "";
    FILE *stream = fmemopen(line, sizeof line, "w");
    story_keeping = false;
    assert_int_equal(journal_tool_replay(story->folder, stream, false, until), 0);
    fclose(stream);
    story_keeping = true;
    const char *digest = strstr(line, "state_digest=");
    assert_non_null(digest);
    snprintf(out, 17, "%.16s", digest + strlen("state_digest="));
}

static void a_state_at_a_sequence_is_that_of_a_replay(void **state)
{
    struct story *story = *state;
    tell_a_busy_day(story);
    story_write_journal(story);
    struct explain_options options = STORY_OPTIONS;
    for (uint64_t at = 1; at <= story->venue->sequence; at += 3) {
        char digest[17];
        replay_digest(digest, story, at);
        options.at = at;
        story_ask_state(story, &options, EXPLAIN_ANSWERED);
        expect_json(story, "state_digest", digest);
        if (at % 2 == 0) // from now on there is a snapshot to begin with
            story_write_snapshot(story, at);
    }
    options.at = UINT64_MAX;
    story_ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")),
                     story->venue->sequence);
    options.at = story->venue->sequence + 1;
    story_ask_state(story, &options, EXPLAIN_NONE);
}

// The time of a command of this venue is its sequence, in ns.
static void a_state_at_a_time_is_that_of_the_last_command_before(void **state)
{
    struct story *story = *state;
    tell_a_busy_day(story);
    story_write_journal(story);
    struct explain_options options = STORY_OPTIONS;
    options.at_ns = 20;
    story_ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")), 20);
    story_write_snapshot(story, 20);
    story_write_snapshot(story, 30);
    options.at_ns = 25;
    story_ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")), 25);
    options.at_ns = 1000000;
    story_ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")),
                     story->venue->sequence);
    options.now_ns = 1000000;
    story_ask_state(story, &options, EXPLAIN_ANSWERED);
    options.now_ns = 999999;
    story_ask_state(story, &options, EXPLAIN_NONE);
}

static void a_state_shows_books_orders_and_accounts(void **state)
{
    struct story *story = *state;
    tell_a_busy_day(story);
    TELL(story, "C sells 5 at market trail=7");
    story_write_journal(story);
    struct explain_options options = STORY_OPTIONS;
    options.orders = options.check = true;
    options.account = FIRST;
    const char *text = story_ask_state(story, &options, EXPLAIN_ANSWERED);
    story_expect(text, "bid 0.000099: 10 in 1 order, 10 of it shows");
    story_expect(text, "ask 0.0001: 6 in 1 order, 6 of it shows");
    story_expect(text, "1 wait for a trigger");
    story_expect(text, "balance: account 16, asset 2, available 1004");
    story_expect(text, "Checked: every book, order, hold and balance");
    assert_int_equal(json_array_size(json_object_get(story->answer.root, "orders")), 1);
    const json_t *instrument =
        json_array_get(json_object_get(story->answer.root, "instruments"), 0);
    static const char *const best[][2] = {{"bids", "0.000099"}, {"asks", "0.0001"}};
    for (size_t i = 0; i < 2; i++) {
        const json_t *level = json_array_get(json_object_get(instrument, best[i][0]), 0);
        assert_string_equal(json_string_value(json_object_get(level, "price")), best[i][1]);
    }
    options.account = 39;
    story_ask_state(story, &options, EXPLAIN_NONE);
    options.account = 0;
    options.limit = 1;
    text = story_ask_state(story, &options, EXPLAIN_ANSWERED);
    story_expect(text, "and 2 more (--limit N)");
}

static void the_state_before_everything_is_empty(void **state)
{
    struct story *story = *state;
    struct explain_options options = STORY_OPTIONS;
    story_write_journal(story);
    options.at = 0;
    const char *text = story_ask_state(story, &options, EXPLAIN_ANSWERED);
    story_expect(text, "After sequence 0 (epoch 0), 1970-01-01T00:00:00.000000000Z\n"
                       "  the venue is cancel_only; 0 open orders\n");
    assert_null(strstr(text, "Instrument"));
}

static void an_account_is_shown_with_its_own_kill_switch_and_limits(void **state)
{
    struct story *story = *state;
    struct venue *venue = story->venue;
    struct explain_options options = STORY_OPTIONS;
    for (uint32_t account = FIRST; account <= FIRST + 1; account++) {
        start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set = (struct kill_set_cmd){
            .scope = KILL_ACCOUNT, .id = account, .killed = 1, .operator_id = 7};
        apply(venue);
        start(venue, CMD_limits_set, GATEWAY_ADMIN)->body.limits_set =
            (struct limits_set_cmd){.scope = LIMIT_ACCOUNT, .id = account, .open_orders_max = 9};
        apply(venue);
        start(venue, CMD_fees_set, GATEWAY_ADMIN)->body.fees_set =
            (struct fees_set_cmd){.account = account, .buy_maker_bps = 3};
        apply(venue);
    }
    start(venue, CMD_kill_set, GATEWAY_ADMIN)->body.kill_set =
        (struct kill_set_cmd){.scope = KILL_MEMBER, .id = 1, .killed = 1, .operator_id = 7};
    apply(venue);
    start(venue, CMD_limits_set, GATEWAY_ADMIN)->body.limits_set =
        (struct limits_set_cmd){.scope = LIMIT_MEMBER, .id = 1, .open_orders_max = 9};
    apply(venue);
    story_write_journal(story);
    options.account = FIRST;
    const char *text = story_ask_state(story, &options, EXPLAIN_ANSWERED);
    text = strstr(text, "\nAccount 16\n");
    assert_non_null(text);
    assert_string_equal(text,
                        "\nAccount 16\n"
                        "  account: account 16, member 1, kyc approved, accreditation retail, "
                        "fatca clear, flags 3\n"
                        "  limits: scope account, id 16, open_orders_max 9\n"
                        "  kill: scope account, killed 1, id 16\n"
                        "  fees: account 16, buy_maker_bps 3\n"
                        "  balance: account 16, asset 1, available 0.1\n"
                        "  balance: account 16, asset 2, available 1000\n");
}

static void books_that_do_not_add_up_are_told(void **state)
{
    struct story *story = *state;
    struct explain_options options = STORY_OPTIONS;
    options.check = true;
    story_write_journal(story);
    story_lies.saved_available = 1;
    const char *text = story_ask_state(story, &options, EXPLAIN_CORRUPT);
    story_lies.saved_available = 0;
    story_expect(text,
                 "  asset 1: 6 balances sum to 0.000001 (of that the world outside -0.399999)\n"
                 "  asset 2: 5 balances sum to 0 (of that the world outside -4000)\n");
    assert_true(json_is_false(json_object_get(story->answer.root, "checked")));
}

// What the engine's own check finds ends the process, with the status of a corrupt journal.
static void a_check_that_fails_ends_with_its_place(void **state)
{
    struct story *story = *state;
    struct explain_options options = STORY_OPTIONS;
    options.check = true;
    story_write_journal(story);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        story_lies.check_fails = true;
        story_ask_state(story, &options, EXPLAIN_ANSWERED);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXPLAIN_CORRUPT);
}

static void beside_a_venue_nothing_is_told_that_is_not_durable(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 1 @ 100 gtc");
    TELL(story, "A cancels 1");
    story_write_journal(story);
    uint64_t durable = story->venue->sequence - 1;
    story_write_status(story, durable);
    struct explain_options options = STORY_OPTIONS;
    story_ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")), durable);
    story_ask_order(story, durable, EXPLAIN_ANSWERED);
    expect_json(story, "state", "open");
    story_ask_reject(story, durable + 1, EXPLAIN_NONE);
    story_write_status(story, durable + 1);
    story_ask_order(story, durable, EXPLAIN_ANSWERED);
    expect_json(story, "state", "cancelled");
}

static void an_answer_is_printed_as_it_is(void **state)
{
    (void)state;
    static const struct {
        bool filled, json;
        const char *printed;
    } lines[] = {{true, false, "It is so.\n"},
                 {true, true, "{\n  \"b\": \"1\",\n  \"a\": 2\n}\n"},
                 {false, false, ""},
                 {false, true, ""}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct explain_answer answer;
        char printed[128] = "";
        FILE *out = fmemopen(printed, sizeof printed, "w");
        explain_answer_open(&answer);
        if (lines[i].filled) {
            explain_say(&answer, "It is %s.", "so");
            explain_set(answer.root, "b", "%d", 1);
            explain_set_number(answer.root, "a", 2);
        }
        explain_answer_print(&answer, out, lines[i].json);
        fclose(out);
        explain_answer_close(&answer);
        assert_string_equal(printed, lines[i].printed);
    }
}

// ---- bad input

static void bad_words_are_refused(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 1 @ 100 gtc");
    story_run(story, "state", 1, "/journal: No such file or directory");
    story_write_journal(story);
    story_run(story, "order", 2, "Usage: lonja explain order ID");
    story_run(story, "--json", 2, "Usage: lonja explain order ID");
    story_run(story, "order x", 2, "Usage");
    story_run(story, "order -1", 2, "not understood: -1");
    story_run(story, "order 1 2", 2, "Usage");
    story_run(story, "order 18446744073709551616", 2, "Usage");
    story_run(story, "balance 16", 2, "Usage");
    story_run(story, "balance 4294967296 1", 2, "Usage");
    story_run(story, "state --at", 2, "not understood: --at");
    story_run(story, "state --at yesterday", 2, "not understood: --at yesterday");
    story_run(story, "state --at 2026-02-31T00:00:00Z", 2, "not understood");
    story_run(story, "state --at 2200-01-01T00:00:00Z", 1, "has not been yet");
    story_run(story, "state --at 1970-01-01", 1, "is before the first command of the journal");
    story_run(story, "state --depth -3", 2, "not understood: --depth -3");
    story_run(story, "state --account 0", 2, "not understood: --account 0");
    story_run(story, "order 7", 1, "sequence 7 is no order but a ");
    story_run(story, "order 100000", 1, "there is no sequence 100000 yet: the journal of ");
    story_run(story, "reject 100000", 1, "there is no sequence 100000 yet");
    story_run(story, "reject 5", 1, "was not refused: it was answered by ");
    story_run(story, "balance 16 9", 1, "there is no asset 9");
    story_run(story, "balance 16 1x", 1, "there is no asset 1x");
    story_run(story, "balance 16 +1", 1, "there is no asset +1");
    story_run(story, "balance 16 4294967297", 1, "there is no asset 4294967297");
    story_run(story, "balance 16 1 --from 1x", 2, "not understood: --from 1x");
    story_run(story, "balance 16 EUR", 1, "there is no asset EUR");
    story_run(story, "balance 39 1", 1, "there is no account 39");
    story_run(story, "balance 16 1 --json", 0, "\"adds_up\": true");
    story_run(story, "state --at 1999-01-01T00:00:00.5Z", 0, "the venue is open");
    story_run(story, "--help", 0, "Usage: lonja explain order ID");
}

// As the executable is asked: each option changes what is said.
static void every_option_is_obeyed(void **state)
{
    struct story *story = *state;
    char words[128];
    TELL(story, "A buys 1 @ 100 gtc");
    TELL(story, "B buys 1 @ 99 gtc");
    TELL(story, "C sells 1 @ 100 gtc");
    TELL(story, "A buys 1 @ 98 gtc");
    TELL(story, "A buys 1 @ 0 gtc show=3");
    story_write_journal(story);
    snprintf(words, sizeof words, "order %" PRIu64, story->venue->orders[4]);
    story_run(story, words, 0, "collar of market orders");
    uint64_t first = story->venue->orders[1];
    uint64_t last = story->venue->sequence;
    snprintf(words, sizeof words, "order %" PRIu64, first);
    story_run(story, words, 0, "filled: 1 of 1 filled");
    story_run(story, words, 0, "at 0.0001 (limit, gtc");
    snprintf(words, sizeof words, "order --json %" PRIu64, first);
    story_run(story, words, 0, "\"state\": \"filled\"");
    snprintf(words, sizeof words, "reject %" PRIu64, last);
    story_run(story, words, 0, "refused");
    snprintf(words, sizeof words, "state --at %" PRIu64 " --orders", first);
    story_run(story, words, 0, "Open orders, by instrument, side and priority");
    snprintf(words, sizeof words, "state --json --at %" PRIu64, first);
    char at[64];
    snprintf(at, sizeof at, "\"sequence\": %" PRIu64, first);
    story_run(story, words, 0, at);
    story_run(story, "state --check", 0, "Checked: every book, order, hold and balance");
    story_run(story, "state --depth 0 --json", 0, "\"sequence\"");
    story_run(story, "state --account 16 --json", 0, "\"account\"");
    story_run(story, "state --orders --limit 0", 0, "and 2 more (--limit N)");
    story_run(story, "balance 16 1 --limit 1 --json", 0, "\"adds_up\": true");
    snprintf(words, sizeof words, "balance 16 1 --from %" PRIu64 " --json", first);
    story_run(story, words, 0, "\"adds_up\": true");
    story_run(story, "state --limit 1000001", 2, "not understood: --limit 1000001");
    story_run(story, "state --limit 1000000", 0, "the venue is open");
    story_run(story, "state --depth 100001", 2, "not understood");
    story_run(story, "state --depth 100000", 0, "the venue is open");
    story_run(story, "state --account x", 2, "not understood");
    story_run(story, "state --account 4294967296", 2, "not understood");
    story_run(story, "state --at 12x", 2, "not understood");
    story_run(story, "state --unknown 1", 2, "not understood: --unknown 1");
    story_run(story, "order 18446744073709551615", 2, "Usage");
    story_run(story, "question 1", 2, "Usage");
    story_run(story, "-h", 0, "Usage: lonja explain order ID");
}

// Without a folder there is nothing to ask.
static void the_folder_must_be_named(void **state)
{
    (void)state;
    assert_int_equal(WEXITSTATUS(system(LONJA_BIN "/lonja-explain state 2>/dev/null")), 2);
    assert_int_equal(WEXITSTATUS(system(LONJA_BIN "/lonja-explain 2>/dev/null")), 2);
    assert_int_equal(WEXITSTATUS(system(LONJA_BIN "/lonja-explain state --state 2>/dev/null")), 2);
}

static void flip(const struct story *story, off_t offset)
{
    char path[256];
    snprintf(path, sizeof path, "%s/journal/%020d.journal", story->folder, 1);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    uint8_t byte;
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

static void a_damaged_journal_is_named(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 1 @ 100 gtc");
    story_write_journal(story);
    testing_plant_poison(story->folder);
    story_run(story, "state --check", 3, "poison command");
    flip(story, 4096 + 200); // of a block with another behind it
    story_run(story, "state", 3, "the journal is corrupt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(a_filled_order_names_its_fills),
        STORY(an_order_behind_others_says_what_is_ahead),
        STORY(a_cancelled_order_says_by_whom),
        STORY(what_may_not_rest_says_what_stood_against_it),
        STORY(who_lost_the_right_to_trade_is_shown),
        STORY(self_trade_prevention_is_named),
        STORY(the_breaker_says_where_it_trips),
        STORY(a_volatility_auction_names_the_band),
        STORY(a_stop_says_what_it_waits_for),
        STORY(a_trailing_stop_tells_where_its_trigger_is),
        STORY(an_auction_tells_price_and_leftovers),
        STORY(an_at_close_order_waits),
        STORY(an_iceberg_tells_its_slices),
        STORY(a_refused_order_is_explained_as_a_refusal),
        STORY(a_refusal_for_lack_of_cash_shows_the_balance),
        STORY(refusals_by_price_show_what_it_was_judged_by),
        STORY(refusals_by_person_phase_and_venue_show_them),
        STORY(refusals_of_form_need_no_state),
        STORY(refusals_of_the_book_show_it),
        STORY(an_order_that_is_not_covered_any_more_shows_the_balance),
        STORY(a_refused_mass_cancel_tells_its_scope),
        STORY(a_refused_entry_of_the_ledger_shows_the_balance),
        STORY(every_code_is_asked_of_without_a_fault),
        STORY(refusals_by_limits_show_those_that_concern_them),
        STORY(what_was_not_refused_is_no_refusal),
        STORY(a_balance_adds_up_over_everything),
        STORY(a_balance_from_a_sequence_begins_there),
        STORY(a_balance_that_does_not_add_up_is_told),
        STORY(a_balance_of_which_one_figure_differs_does_not_add_up),
        STORY(a_balance_is_found_by_the_symbol_of_its_asset),
        STORY(what_a_triggered_stop_frees_is_a_release),
        STORY(what_self_trade_prevention_frees_is_a_release),
        STORY(what_a_correction_moves_names_its_trade),
        STORY(what_an_instruction_moves_says_by_which_step),
        STORY(a_state_at_a_sequence_is_that_of_a_replay),
        STORY(a_state_at_a_time_is_that_of_the_last_command_before),
        STORY(a_state_shows_books_orders_and_accounts),
        STORY(the_state_before_everything_is_empty),
        STORY(an_account_is_shown_with_its_own_kill_switch_and_limits),
        STORY(books_that_do_not_add_up_are_told),
        STORY(a_check_that_fails_ends_with_its_place),
        STORY(beside_a_venue_nothing_is_told_that_is_not_durable),
        cmocka_unit_test(an_answer_is_printed_as_it_is),
        STORY(bad_words_are_refused),
        STORY(every_option_is_obeyed),
        STORY(the_folder_must_be_named),
        STORY(a_damaged_journal_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
