// Explanations of small stories: each is told to an engine (matcher/engine_testing.h), every
// command of it goes to a journal on a real disk, and the questions are asked of that journal.
//
// Prices of that venue are single cash units: 100 is written 0.0001.
#include "core/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/explain.h"
#include "core/explain_refusal.h"
#include "core/explain_words.h"
#include "core/journal.h"
#include "core/journal_tool.h"
#include "matcher/engine_testing.h"
#include "risk/postings.h"

enum { COMMANDS_MAX = 512, SEGMENT_BYTES = 1 << 20 };

// ---- every command of the story is kept
// --------------------------------------------------------------

static struct command kept[COMMANDS_MAX];
static size_t kept_count;
static bool keeping;

void __real_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);
void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);
void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink)
{
    bool again = kept_count > 0 && // by the second engine of engine_twin.c
                 kept[kept_count - 1].header.sequence == command->header.sequence;
    if (keeping && !again) {
        assert_true(kept_count < COMMANDS_MAX);
        memcpy(&kept[kept_count++], command, (size_t)command->header.slots * SLOT_BYTES);
    }
    __real_engine_apply(engine, command, sink);
}

// A posting that is not told.
static bool lying;
int __real_postings_of(const struct event *event, const struct posting_terms *terms,
                       struct posting out[POSTINGS_MAX]);
int __wrap_postings_of(const struct event *event, const struct posting_terms *terms,
                       struct posting out[POSTINGS_MAX]);
int __wrap_postings_of(const struct event *event, const struct posting_terms *terms,
                       struct posting out[POSTINGS_MAX])
{
    int count = __real_postings_of(event, terms, out);
    return lying && event->header.type == EVT_trade ? count - 1 : count;
}

struct story {
    struct venue *venue;
    char folder[64];
    struct explain_answer answer;
    bool answered;
};

static int begin(void **state)
{
    struct story *story = calloc(1, sizeof *story);
    void *venue;
    kept_count = 0;
    keeping = true;
    assert_int_equal(open_venue(&venue), 0);
    story->venue = venue;
    testing_folder_make(story->folder);
    *state = story;
    return 0;
}

static int end(void **state)
{
    struct story *story = *state;
    void *venue = story->venue;
    keeping = false;
    if (story->answered)
        explain_answer_close(&story->answer);
    close_venue(&venue);
    testing_folder_remove(story->folder);
    free(story);
    return 0;
}

// ---- the journal
// -------------------------------------------------------------------------------------

static void write_commands(struct journal *journal)
{
    for (size_t i = 0; i < kept_count; i++)
        journal_append(journal, &kept[i]);
    journal_flush(journal);
    int written = 0;
    while ((size_t)written < kept_count) {
        int result = journal_write_work(journal);
        assert_true(result > 0);
        written += result;
    }
}

// What the story has so far becomes the journal.
static void write_journal(struct story *story)
{
    static _Alignas(4096) struct event_ring_control control;
    struct gate gate = {.control = &control};
    struct journal_io io;
    struct journal_io_file file;
    static struct journal journal;
    char folder[128];
    keeping = false;
    snprintf(folder, sizeof folder, "%s/journal", story->folder);
    testing_folder_remove(folder);
    assert_int_equal(journal_io_file_open(&io, &file, folder, true), 0);
    const struct journal_options options = {.segments = replay_terms(&limits, SEGMENT_BYTES),
                                            .epoch = 1,
                                            .next_sequence = 1,
                                            .queue_slots = 4096};
    memset(&control, 0, sizeof control);
    assert_int_equal(journal_open(&journal, &io, &gate, &clock_system, &options), 0);
    write_commands(&journal);
    journal_close(&journal);
    journal_io_file_close(&file);
    keeping = true;
}

// A snapshot as of this sequence beside it.
static void write_snapshot(const struct story *story, uint64_t sequence)
{
    struct explain_journal journal;
    char folder[128];
    const struct explain_walk nothing = {0};
    keeping = false;
    snprintf(folder, sizeof folder, "%s/snapshots", story->folder);
    assert_int_equal(state_folder_make(folder), 0);
    assert_int_equal(explain_journal_open(&journal, story->folder), 0);
    assert_int_equal(explain_journal_run_to(&journal, sequence, &nothing), 0);
    assert_int_equal(replay_save(&journal.replay, folder), 0);
    explain_journal_close(&journal);
    keeping = true;
}

// ---- asking
// ------------------------------------------------------------------------------------------

static void open_question(struct story *story, struct explain_journal *journal)
{
    keeping = false;
    if (story->answered)
        explain_answer_close(&story->answer);
    explain_answer_open(&story->answer);
    story->answered = true;
    assert_int_equal(explain_journal_open(journal, story->folder), 0);
}

static const char *close_question(struct story *story, struct explain_journal *journal)
{
    explain_journal_close(journal);
    fflush(story->answer.lines);
    keeping = true;
    if (getenv("LONJA_TEST_VERBOSE") != NULL)
        print_message("%s\n", story->answer.text);
    return story->answer.text;
}

// Returns the text.
static const char *ask_order(struct story *story, uint64_t id, int status)
{
    struct explain_journal journal;
    open_question(story, &journal);
    assert_int_equal(explain_order(&story->answer, &journal, id), status);
    return close_question(story, &journal);
}

// Of the story's order of this number.
static const char *ask(struct story *story, int number)
{
    write_journal(story);
    return ask_order(story, story->venue->orders[number], EXPLAIN_ANSWERED);
}

static const char *ask_reject(struct story *story, uint64_t sequence, int status)
{
    struct explain_journal journal;
    open_question(story, &journal);
    assert_int_equal(explain_reject(&story->answer, &journal, sequence), status);
    return close_question(story, &journal);
}

// Of the last thing that was said.
static const char *refused(struct story *story)
{
    write_journal(story);
    return ask_reject(story, story->venue->sequence, EXPLAIN_ANSWERED);
}

static const struct explain_options OPTIONS = {
    .at = UINT64_MAX, .at_ns = UINT64_MAX, .limit = 100, .depth = 5, .now_ns = INT64_MAX};

static const char *ask_balance(struct story *story, char who, const char *asset, uint64_t from,
                               uint64_t limit)
{
    struct explain_journal journal;
    struct explain_options options = OPTIONS;
    options.from = from;
    options.limit = limit;
    open_question(story, &journal);
    assert_int_equal(
        explain_balance(&story->answer, &journal, (uint32_t)(FIRST + who - 'A'), asset, &options),
        EXPLAIN_ANSWERED);
    return close_question(story, &journal);
}

static const char *ask_state(struct story *story, const struct explain_options *options, int status)
{
    struct explain_journal journal;
    open_question(story, &journal);
    assert_int_equal(explain_state(&story->answer, &journal, options), status);
    return close_question(story, &journal);
}

static void expect(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in:\n%s", words, text);
}

static void expect_json(const struct story *story, const char *key, const char *value)
{
    const char *found = json_string_value(json_object_get(story->answer.root, key));
    assert_non_null(found);
    assert_string_equal(found, value);
}

#define TELL(story, ...) (void)say((story)->venue, __VA_ARGS__)

// ---- orders
// ------------------------------------------------------------------------------------------

static void a_filled_order_names_its_fills(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B sells 6 @ 101 gtc");
    TELL(story, "C buys 10 @ 101");
    const char *text = ask(story, 3);
    expect(text, "filled: 10 of 10 filled, 0 open");
    expect(text, "bought 4 at 0.0001 from order");
    expect(text, "bought 6 at 0.000101 from order");
    expect(text, "within its price on the other side: 2 orders for 10");
    expect(text, "Nothing is left of it.");
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
    const char *text = ask(story, 3);
    expect(text, "ahead of it: 1 order for 5 at better prices, 1 for 7 at its price");
    expect(text, "open: 0 of 10 filled, 10 open");
    expect(text, "ahead of it now: 0 orders for 0 at better prices, 1 for 6 earlier at its price");
    expect(text, "nobody is on the other side");
    expect(text, "others' trades since it came: 2 for 6, from 0.0001 to 0.000101; at its price or "
                 "better, with orders before it: 1 for 1");
    TELL(story, "D sells 8 @ 100 gtc");
    text = ask(story, 3);
    expect(text, "partially_filled: 2 of 10 filled, 8 open, average price 0.0001");
    expect(text, "bought 2 at 0.0001 from order");
    expect(text, "it was there before: maker");
    expect(text, "it holds 0.0008");
    TELL(story, "D sells 1 @ 105 gtc");
    expect(ask(story, 3),
           "the best on the other side is 0.000105 for 1: 0.000005 away from its price 0.0001");
}

static void a_cancelled_order_says_by_whom(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 5 @ 100 gtc");
    TELL(story, "A amends 1 to 4 @ 0");
    TELL(story, "B cancels 1");
    TELL(story, "A cancels 1");
    const char *text = ask(story, 1);
    expect(text, "amended to 4 at 0.0001, 4 left; keeps its place in time; releases 0.0001");
    expect(text, "order_cancel of it was refused: NOT_OWNER");
    expect(text, "cancelled with 4 left: its owner asked for it (by_owner); by order_cancel of "
                 "session 1 (fix)");
    expect_json(story, "state", "cancelled");
    TELL(story, "C buys 5 @ 100 gtc");
    TELL(story, "C cancels all");
    expect(ask(story, 2), "(mass); by order_mass_cancel of session 2 (web)");
}

static void what_may_not_rest_says_what_stood_against_it(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "A sells 4 @ 102 gtc");
    TELL(story, "B buys 10 @ 101 ioc");
    const char *text = ask(story, 3);
    expect(text, "cancelled: 4 of 10 filled");
    expect(text, "(ioc)");
    expect(text, "the next order on the other side stood at 0.000102, its own price was 0.000101");
    TELL(story, "B buys 10 @ 102 fok");
    expect(ask(story, 4), "fill or kill: the whole quantity could not be had at once");
}

static void who_lost_the_right_to_trade_is_shown(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 5 @ 100 gtc");
    story->venue->accounts[0].flags |= ACCOUNT_SUSPENDED;
    set_account(story->venue, 'A');
    go_on(story->venue);
    const char *text = ask(story, 1);
    expect(text, "its account or member has lost the right to trade (suspended); by "
                 "order_mass_cancel of the core");
    expect(text, "account: account 16, member 1, kyc approved");
}

static void self_trade_prevention_is_named(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "A buys 4 @ 100 stp=1");
    expect(ask(story, 2), "self-trade prevention: it met an order of the same member");
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
    const char *text = ask(story, 3);
    expect(text, "cancelled with 6 left: its last trade tripped the circuit breaker (breaker)");
    expect(
        text,
        "the circuit breaker trips at a trade outside 0.000098 to 0.000102, 200 bps around 0.0001");
    expect(text, "(the circuit breaker is tripped)");
    text = ask(story, 2);
    expect(text, "the circuit breaker is tripped: new orders are refused until it is reset");
    TELL(story, "C buys 1 @ 103 gtc");
    text = refused(story);
    expect(text, "BREAKER_TRIPPED (30), check: E6 circuit breaker");
    expect(text, "circuit breaker tripped");
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
    const char *text = ask(story, 3);
    expect(text, "(volatility)");
    expect(text, "the next order on the other side stood at 0.000103");
    expect(text, "static band: 0.000098 to 0.000102, 200 bps around 0.0001: this one held it");
    expect(text, "(phase volatility_auction, before continuous)");
    text = ask(story, 4);
    expect(text, "the phase is volatility_auction: orders are collected and trade at its end, at ");
}

static void a_stop_says_what_it_waits_for(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B buys 1 @ 100 gtc");
    TELL(story, "C buys 5 @ 110 stop=105");
    const char *text = ask(story, 3);
    expect(text, "it waits for its trigger");
    expect(text, "a trade at 0.000105 or above");
    expect(text,
           "no trade was made in instrument 1 since it came; the last one before was at 0.0001");
    TELL(story, "A sells 4 @ 102 gtc");
    TELL(story, "B buys 5 @ 102 gtc");
    text = ask(story, 3);
    expect(text, "the highest trade since it came was at 0.000102 (of 2 trades)");
    TELL(story, "A sells 4 @ 105 gtc");
    TELL(story, "B buys 3 @ 105 gtc");
    text = ask(story, 3);
    expect(text, "triggered at 0.000105 by a trade at 0.000105, matched at 0.00011 from now on");
    expect(text, "bought 3 at 0.000105");
}

static void a_trailing_stop_tells_where_its_trigger_is(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B buys 1 @ 100 gtc");
    TELL(story, "C sells 5 at market trail=5");
    TELL(story, "A sells 1 @ 104 gtc");
    TELL(story, "B buys 4 @ 104 gtc");
    expect(ask(story, 3), "a trade at 0.000099 or below (it follows the market)");
}

static void an_auction_tells_price_and_leftovers(void **state)
{
    struct story *story = *state;
    set_phase(story->venue, PHASE_CLOSING_AUCTION);
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B buys 10 @ 100 close");
    const char *text = ask(story, 2);
    expect(text, "the phase is closing_auction: orders are collected");
    set_phase(story->venue, PHASE_CLOSED);
    text = ask(story, 2);
    expect(text, "bought 4 at 0.0001");
    expect(text, "auction, fee");
    expect(text, "cancelled with 6 left: the auction it was for left this much of it (auction); by "
                 "instrument_phase of admin");
}

static void an_at_close_order_waits(void **state)
{
    struct story *story = *state;
    TELL(story, "B buys 10 @ 100 close");
    expect(ask(story, 1), "it waits for the closing auction; the phase is continuous");
}

static void an_iceberg_tells_its_slices(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 10 @ 100 gtc show=4");
    TELL(story, "B buys 4 @ 100 gtc");
    const char *text = ask(story, 1);
    expect(text, "shows 4)");
    expect(text, "shows its next slice of 4, at the back of its price");
    expect(text, "of that 4 show");
}

static void a_refused_order_is_explained_as_a_refusal(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 2000 @ 100 gtc");
    write_journal(story);
    const char *text = ask_order(story, story->venue->sequence, EXPLAIN_ANSWERED);
    expect(text, "Order");
    expect(text, "INSUFFICIENT_BALANCE (50)");
    expect_json(story, "state", "refused");
}

// ---- refusals
// ----------------------------------------------------------------------------------------

static void a_refusal_for_lack_of_cash_shows_the_balance(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 900 @ 100 gtc");
    TELL(story, "A buys 200 @ 100 gtc");
    const char *text = refused(story);
    expect(text, "INSUFFICIENT_BALANCE (50), check: E9 balance");
    expect(text, "needs 0.02 asset 1, available 0.01");
    expect(text, "what to do: deposit, or cancel other orders");
    expect(text, "balance: account 16, asset 1, available 0.01, held 0.09");
    expect(text, "open orders of account 16: 1, worth 0.09");
    TELL(story, "B sells 1001 @ 100 gtc");
    expect(refused(story), "needs 1001 asset 2, available 1000");
}

static void refusals_by_price_show_what_it_was_judged_by(void **state)
{
    struct story *story = *state;
    set_price(story->venue, CMD_reference_set, 100);
    set_price(story->venue, CMD_nav_set, 100);
    TELL(story, "A buys 1 @ 160 gtc");
    const char *text = refused(story);
    expect(text, "FAT_FINGER_BLOCK (31)");
    expect(text, "price is 6000 bps from 0.0001; at most 5000");
    expect(text, "reference 0.0001");
    expect(text, "fat_finger_block_bps 5000");
    TELL(story, "A buys 1 @ 115 gtc");
    expect(refused(story), "FAT_FINGER_CONFIRM (32)");
    TELL(story, "A sells 1 @ 100 gtc");
    TELL(story, "B buys 1 @ 100 gtc");
    set_price(story->venue, CMD_nav_set, 70);
    TELL(story, "A buys 1 @ 100 gtc");
    text = refused(story);
    expect(text, "NAV_CONFIRM (33)");
    expect(text, "NAV 0.00007 (0 ms old)");
}

static void refusals_by_person_phase_and_venue_show_them(void **state)
{
    struct story *story = *state;
    story->venue->accounts[0].kyc = KYC_PENDING;
    set_account(story->venue, 'A');
    TELL(story, "A buys 1 @ 100 gtc");
    const char *text = refused(story);
    expect(text, "KYC (44)");
    expect(text, "the account's KYC status is pending");
    expect(text, "kyc pending");
    set_phase(story->venue, PHASE_HALTED);
    TELL(story, "B buys 1 @ 100 gtc");
    text = refused(story);
    expect(text, "PHASE (42)");
    expect(text, "phase halted");
    set_venue(story->venue, VENUE_CANCEL_ONLY);
    TELL(story, "B buys 1 @ 100 gtc");
    text = refused(story);
    expect(text, "VENUE_CANCEL_ONLY (10)");
    expect(text, "venue cancel_only");
}

static void refusals_of_form_need_no_state(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 0 @ 100 gtc");
    expect(refused(story), "It looked at the command alone.");
    TELL(story, "C cancels 1");
    const char *text = refused(story);
    expect(text, "UNKNOWN_ORDER (16)");
    expect(text, "order_cancel of session 2 (web), refused");
}

static void refusals_of_the_book_show_it(void **state)
{
    struct story *story = *state;
    TELL(story, "A sells 4 @ 100 gtc");
    TELL(story, "B buys 4 @ 101 post gtc");
    const char *text = refused(story);
    expect(text, "POST_ONLY_CROSSES (57)");
    expect(text, "ask: 0.0001 for 4 (1 order for 4 on that side)");
    expect(text, "bid: none");
}

static void a_refused_entry_of_the_ledger_shows_the_balance(void **state)
{
    struct story *story = *state;
    post(story->venue, 'A', CASH, POSTING_WITHDRAWAL, 200000);
    const char *text = refused(story);
    expect(text, "INSUFFICIENT_BALANCE (50)");
    expect(text, "ledger_post of admin, refused");
    expect(text, "kind withdrawal");
    expect(text, "balance: account 16, asset 1, available 0.1");
}

static void every_code_is_asked_of_without_a_fault(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 0 @ 100 gtc");
    write_journal(story);
    struct explain_view view = {0};
    struct event event = {.header = {.type = EVT_rejected}};
    keeping = false;
    explain_view_take(&view, story->venue->engine, &limits);
    for (uint16_t code = 1; code <= REJECT_CODE_MAX; code++) {
        explain_answer_open(&story->answer);
        event.body.rejected = (struct rejected_evt){
            .code = code, .account = FIRST, .instrument = 1, .limit = 1, .value = 2, .argument = 3};
        explain_refusal_tell(&story->answer, &view, &kept[kept_count - 1], &event);
        explain_answer_close(&story->answer);
    }
    explain_view_free(&view);
}

static void add_record(struct explain_view *view, uint8_t type, const void *body, size_t bytes)
{
    assert_true(view->count < view->room);
    struct snapshot_record *record = &view->records[view->count];
    memset(record, 0, sizeof *record);
    record->header = (struct snapshot_header){.type = type, .version = SCHEMA_VERSION};
    memcpy(&record->body, body, bytes);
    if (view->types[type].end == 0)
        view->types[type].first = view->count;
    view->types[type].end = ++view->count;
}
#define ADD_RECORD(view, name, ...)                                                                \
    add_record((view), REC_##name, &(struct name##_rec)__VA_ARGS__, sizeof(struct name##_rec))

// Records of every kind are shown to the refusals that they decide, and nobody else's.
static void refusals_by_limits_show_those_that_concern_them(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 1 @ 100 gtc");
    struct explain_view view = {0};
    struct event event = {.header = {.type = EVT_rejected}};
    keeping = false;
    explain_view_take(&view, story->venue->engine, &limits);
    ADD_RECORD(
        &view, limits,
        {.scope = LIMIT_ACCOUNT, .id = FIRST, .daily_value_max = 500000000, .duplicate_ms = 70});
    ADD_RECORD(&view, limits, {.scope = LIMIT_ACCOUNT, .id = FIRST + 1, .open_orders_max = 77});
    ADD_RECORD(&view, limits, {.scope = LIMIT_MEMBER, .id = 1, .open_orders_max = 78});
    ADD_RECORD(&view, account_state, {.account = FIRST, .traded = 499000000});
    ADD_RECORD(&view, kill, {.scope = KILL_MEMBER, .killed = 1, .id = 1, .operator_id = 9});
    ADD_RECORD(&view, kill, {.scope = KILL_ACCOUNT, .killed = 1, .id = FIRST + 1});
    ADD_RECORD(&view, jurisdiction, {.instrument = 1, .code = 840, .mode = JURISDICTIONS_EXCEPT});
    event.body.rejected = (struct rejected_evt){.code = REJECT_DAILY_VALUE_MAX,
                                                .account = FIRST,
                                                .instrument = 1,
                                                .limit = 500000000,
                                                .value = 500000001,
                                                .argument = LIMIT_ACCOUNT};
    explain_answer_open(&story->answer);
    story->answered = true;
    explain_refusal_tell(&story->answer, &view, &kept[kept_count - 1], &event);
    event.body.rejected.code = REJECT_KILLED;
    explain_refusal_tell(&story->answer, &view, &kept[kept_count - 1], &event);
    event.body.rejected.code = REJECT_JURISDICTION;
    explain_refusal_tell(&story->answer, &view, &kept[kept_count - 1], &event);
    fflush(story->answer.lines);
    const char *text = story->answer.text;
    expect(text, "traded and open today 500.000001, above the limit 500 of the account");
    expect(text, "limits: scope account, id 16, daily_value_max 500, duplicate_ms 70");
    expect(text, "limits: scope member, id 1, open_orders_max 78");
    expect(text, "account_state: account 16, traded 499");
    expect(text, "open orders of account 16: 1, worth 0.0001");
    expect(text, "kill: scope member, killed 1, id 1, operator_id 9");
    expect(text, "jurisdiction: instrument 1, code 840, mode 2");
    assert_null(strstr(text, "open_orders_max 77"));
    assert_null(strstr(text, "scope account, killed"));
    explain_view_free(&view);
}

static void what_was_not_refused_is_no_refusal(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 1 @ 100 gtc");
    write_journal(story);
    ask_reject(story, story->venue->sequence, EXPLAIN_NONE);
    ask_reject(story, story->venue->sequence + 1, EXPLAIN_NONE);
    ask_reject(story, 0, EXPLAIN_NONE);
    ask_order(story, story->venue->sequence + 1, EXPLAIN_NONE);
    ask_order(story, 1, EXPLAIN_NONE); // gateway_attach
    ask_order(story, 0, EXPLAIN_NONE);
}

// ---- balances
// ----------------------------------------------------------------------------------------

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
    write_journal(story);
    const char *text = ask_balance(story, 'A', "1", 0, 100);
    expect(text, "deposit with account 1, reference 1/1");
    expect(text, "hold of order");
    expect(text, "bought 4 at 0.0001, fee 0");
    expect(text, "hold of order");
    expect(text, "release: order");
    expect(text, "withdrawal with account 1");
    expect(text, "It adds up");
    expect(text, "buy 10 instrument 1 at 0.000099 holds 0.00099");
    text = ask_balance(story, 'C', "1", 0, 100);
    expect(text, "sold 4 at 0.0001, fee 0.000004");
    expect(text, "settlement of trade 1 settled on the chain");
    text = ask_balance(story, 'A', "2", 0, 100);
    expect(text, "settlement_failed (1): available 0, held 0, unsettled -2, blocked 2");
    expect(text, "It adds up");
    struct explain_options options = OPTIONS;
    options.check = true;
    text = ask_state(story, &options, EXPLAIN_ANSWERED);
    expect(text, "asset 1: 6 balances sum to 0 (of that the world outside -0.399)");
}

static void a_balance_from_a_sequence_begins_there(void **state)
{
    struct story *story = *state;
    TELL(story, "C sells 10 @ 100 gtc");
    uint64_t from = story->venue->sequence + 1;
    tell_a_busy_day(story);
    write_journal(story);
    const char *text = ask_balance(story, 'A', "1", from, 2);
    expect(text, "before: available 0.1, held 0");
    expect(text, "the newest (more: --limit N)");
    expect(text, "It adds up");
    assert_int_equal(json_array_size(json_object_get(story->answer.root, "postings")), 2);
    write_snapshot(story, from - 1);
    expect(ask_balance(story, 'A', "1", from, 2), "before: available 0.1, held 0");
    expect(ask_balance(story, 'B', "1", 0, 0), "It adds up");
}

static void a_balance_that_does_not_add_up_is_told(void **state)
{
    struct story *story = *state;
    struct explain_journal journal;
    tell_a_busy_day(story);
    write_journal(story);
    lying = true;
    open_question(story, &journal);
    struct explain_options options = OPTIONS; // the treasury's fees are the last posting of a trade
    assert_int_equal(explain_balance(&story->answer, &journal, ACCOUNT_TREASURY, "1", &options),
                     EXPLAIN_CORRUPT);
    lying = false;
    expect(close_question(story, &journal), "It does NOT add up");
}

// ---- state
// -------------------------------------------------------------------------------------------

// What a replay to there says.
static void replay_digest(char out[17], const struct story *story, uint64_t until)
{
    char line[512] = "";
    FILE *stream = fmemopen(line, sizeof line, "w");
    keeping = false;
    assert_int_equal(journal_tool_replay(story->folder, stream, false, until), 0);
    fclose(stream);
    keeping = true;
    const char *digest = strstr(line, "state_digest=");
    assert_non_null(digest);
    snprintf(out, 17, "%.16s", digest + strlen("state_digest="));
}

static void a_state_at_a_sequence_is_that_of_a_replay(void **state)
{
    struct story *story = *state;
    tell_a_busy_day(story);
    write_journal(story);
    struct explain_options options = OPTIONS;
    for (uint64_t at = 1; at <= story->venue->sequence; at += 3) {
        char digest[17];
        replay_digest(digest, story, at);
        options.at = at;
        ask_state(story, &options, EXPLAIN_ANSWERED);
        expect_json(story, "state_digest", digest);
        if (at % 2 == 0) // from now on there is a snapshot to begin with
            write_snapshot(story, at);
    }
    options.at = UINT64_MAX;
    ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")),
                     story->venue->sequence);
    options.at = story->venue->sequence + 1;
    ask_state(story, &options, EXPLAIN_NONE);
}

// The time of a command of this venue is its sequence, in ns.
static void a_state_at_a_time_is_that_of_the_last_command_before(void **state)
{
    struct story *story = *state;
    tell_a_busy_day(story);
    write_journal(story);
    struct explain_options options = OPTIONS;
    options.at_ns = 20;
    ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")), 20);
    write_snapshot(story, 20);
    write_snapshot(story, 30);
    options.at_ns = 25;
    ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")), 25);
    options.at_ns = 1000000;
    ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")),
                     story->venue->sequence);
    options.now_ns = 999999;
    ask_state(story, &options, EXPLAIN_NONE);
}

static void a_state_shows_books_orders_and_accounts(void **state)
{
    struct story *story = *state;
    tell_a_busy_day(story);
    TELL(story, "C sells 5 at market trail=7");
    write_journal(story);
    struct explain_options options = OPTIONS;
    options.orders = options.check = true;
    options.account = FIRST;
    const char *text = ask_state(story, &options, EXPLAIN_ANSWERED);
    expect(text, "bid 0.000099: 10 in 1 order, 10 of it shows");
    expect(text, "ask 0.0001: 6 in 1 order, 6 of it shows");
    expect(text, "1 wait for a trigger");
    expect(text, "balance: account 16, asset 2, available 1004");
    expect(text, "Checked: every book, order, hold and balance");
    assert_int_equal(json_array_size(json_object_get(story->answer.root, "orders")), 1);
    options.account = 39;
    ask_state(story, &options, EXPLAIN_NONE);
    options.account = 0;
    options.limit = 1;
    text = ask_state(story, &options, EXPLAIN_ANSWERED);
    expect(text, "and 2 more (--limit N)");
}

// A status of a supervisor that lives: it is younger than every question.
static void write_status(const struct story *story, uint64_t durable)
{
    char path[128];
    snprintf(path, sizeof path, "%s/status.json", story->folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "{\"supervisor_pid\": %d, \"core_state\": \"running\", \"durable_seq\": %" PRIu64 "}",
            getpid(), durable);
    fclose(file);
    const struct timespec later[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
    assert_int_equal(utimensat(AT_FDCWD, path, later, 0), 0);
}

static void beside_a_venue_nothing_is_told_that_is_not_durable(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 1 @ 100 gtc");
    TELL(story, "A cancels 1");
    write_journal(story);
    uint64_t durable = story->venue->sequence - 1;
    write_status(story, durable);
    struct explain_options options = OPTIONS;
    ask_state(story, &options, EXPLAIN_ANSWERED);
    assert_int_equal(json_integer_value(json_object_get(story->answer.root, "sequence")), durable);
    ask_order(story, durable, EXPLAIN_ANSWERED);
    expect_json(story, "state", "open");
    ask_reject(story, durable + 1, EXPLAIN_NONE);
    write_status(story, durable + 1);
    ask_order(story, durable, EXPLAIN_ANSWERED);
    expect_json(story, "state", "cancelled");
}

// ---- bad input
// ---------------------------------------------------------------------------------------

static void run(const struct story *story, const char *words, int status, const char *said)
{
    char line[1024], out[16384];
    snprintf(line, sizeof line, "%s/lonja-explain %s --state %s 2>&1", LONJA_BIN, words,
             story->folder);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    out[fread(out, 1, sizeof out - 1, pipe)] = '\0';
    int result = pclose(pipe);
    if (WEXITSTATUS(result) != status)
        fail_msg("%s: status %d: %s", words, WEXITSTATUS(result), out);
    expect(out, said);
}

static void bad_words_are_refused(void **state)
{
    struct story *story = *state;
    TELL(story, "A buys 1 @ 100 gtc");
    run(story, "state", 1, "/journal: No such file or directory");
    write_journal(story);
    run(story, "order", 2, "Usage: lonja explain order ID");
    run(story, "order x", 2, "Usage");
    run(story, "order -1", 2, "not understood: -1");
    run(story, "order 1 2", 2, "Usage");
    run(story, "order 18446744073709551616", 2, "Usage");
    run(story, "balance 16", 2, "Usage");
    run(story, "balance 4294967296 1", 2, "Usage");
    run(story, "state --at", 2, "not understood: --at");
    run(story, "state --at yesterday", 2, "not understood: --at yesterday");
    run(story, "state --at 2026-02-31T00:00:00Z", 2, "not understood");
    run(story, "state --at 2200-01-01T00:00:00Z", 1, "has not been yet");
    run(story, "state --at 1970-01-01", 1, "is before the first command of the journal");
    run(story, "state --depth -3", 2, "not understood: --depth -3");
    run(story, "state --account 0", 2, "not understood: --account 0");
    run(story, "order 7", 1, "sequence 7 is no order but a ");
    run(story, "order 100000", 1, "there is no sequence 100000 yet: the journal of ");
    run(story, "reject 100000", 1, "there is no sequence 100000 yet");
    run(story, "reject 5", 1, "was not refused: it was answered by ");
    run(story, "balance 16 9", 1, "there is no asset 9");
    run(story, "balance 16 EUR", 1, "there is no asset EUR");
    run(story, "balance 39 1", 1, "there is no account 39");
    run(story, "balance 16 1 --json", 0, "\"adds_up\": true");
    run(story, "state --at 1999-01-01T00:00:00.5Z", 0, "the venue is open");
    run(story, "--help", 0, "Usage: lonja explain order ID");
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
    write_journal(story);
    snprintf(words, sizeof words, "order %" PRIu64, story->venue->orders[4]);
    run(story, words, 0, "collar of market orders");
    uint64_t first = story->venue->orders[1];
    uint64_t last = story->venue->sequence;
    snprintf(words, sizeof words, "order %" PRIu64, first);
    run(story, words, 0, "filled: 1 of 1 filled");
    run(story, words, 0, "at 0.0001 (limit, gtc");
    snprintf(words, sizeof words, "order --json %" PRIu64, first);
    run(story, words, 0, "\"state\": \"filled\"");
    snprintf(words, sizeof words, "reject %" PRIu64, last);
    run(story, words, 0, "refused");
    snprintf(words, sizeof words, "state --at %" PRIu64 " --orders", first);
    run(story, words, 0, "Open orders, by instrument, side and priority");
    snprintf(words, sizeof words, "state --json --at %" PRIu64, first);
    char at[64];
    snprintf(at, sizeof at, "\"sequence\": %" PRIu64, first);
    run(story, words, 0, at);
    run(story, "state --check", 0, "Checked: every book, order, hold and balance");
    run(story, "state --depth 0 --json", 0, "\"sequence\"");
    run(story, "state --account 16 --json", 0, "\"account\"");
    run(story, "state --orders --limit 0", 0, "and 2 more (--limit N)");
    run(story, "balance 16 1 --limit 1 --json", 0, "\"adds_up\": true");
    snprintf(words, sizeof words, "balance 16 1 --from %" PRIu64 " --json", first);
    run(story, words, 0, "\"adds_up\": true");
    run(story, "state --limit 1000001", 2, "not understood: --limit 1000001");
    run(story, "state --limit 1000000", 0, "the venue is open");
    run(story, "state --depth 100001", 2, "not understood");
    run(story, "state --depth 100000", 0, "the venue is open");
    run(story, "state --account x", 2, "not understood");
    run(story, "state --account 4294967296", 2, "not understood");
    run(story, "state --at 12x", 2, "not understood");
    run(story, "state --unknown 1", 2, "not understood: --unknown 1");
    run(story, "order 18446744073709551615", 2, "Usage");
    run(story, "question 1", 2, "Usage");
    run(story, "-h", 0, "Usage: lonja explain order ID");
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
    write_journal(story);
    testing_plant_poison(story->folder);
    run(story, "state --check", 3, "poison command");
    flip(story, 4096 + 200); // of a block with another behind it
    run(story, "state", 3, "the journal is corrupt");
}

static void times_are_read_and_written(void **state)
{
    (void)state;
    uint64_t ns = 0;
    assert_true(explain_time_parse(&ns, "2026-11-27T20:49:35.25Z"));
    assert_string_equal(explain_time(ns).text, "2026-11-27T20:49:35.250000000Z");
    assert_true(explain_time_parse(&ns, "1970-01-02"));
    assert_int_equal(ns, 86400000000000);
    assert_true(explain_time_parse(&ns, "1970-01-01 00:00:01"));
    assert_int_equal(ns, 1000000000);
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01",
                                      "2026-02-30",
                                      "2026-11-27T",
                                      "2026-11-27T25:00:00Z",
                                      "2026-11-27T20:49:60Z",
                                      "2026-11-27T20:49:35.Zx",
                                      "2026-11-27T20:49:35+01:00",
                                      "1969-12-31T23:59:59Z"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(explain_time_parse(&ns, bad[i]));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

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
        STORY(a_refused_entry_of_the_ledger_shows_the_balance),
        STORY(every_code_is_asked_of_without_a_fault),
        STORY(refusals_by_limits_show_those_that_concern_them),
        STORY(what_was_not_refused_is_no_refusal),
        STORY(a_balance_adds_up_over_everything),
        STORY(a_balance_from_a_sequence_begins_there),
        STORY(a_balance_that_does_not_add_up_is_told),
        STORY(a_state_at_a_sequence_is_that_of_a_replay),
        STORY(a_state_at_a_time_is_that_of_the_last_command_before),
        STORY(a_state_shows_books_orders_and_accounts),
        STORY(beside_a_venue_nothing_is_told_that_is_not_durable),
        STORY(bad_words_are_refused),
        STORY(every_option_is_obeyed),
        STORY(the_folder_must_be_named),
        STORY(a_damaged_journal_is_named),
        cmocka_unit_test(times_are_read_and_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
