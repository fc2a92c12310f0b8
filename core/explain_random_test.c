// Whatever happens can be explained: a venue of random commands (tests/model), journalled, and
// every question asked of that journal: each order, each refusal, every balance, the state at many
// moments. What is said of them is compared with the events as they were: how much of an order was
// filled and is open, why something was refused, how many orders are open; and the books must add
// up.
#include "core/testing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"
#include "core/explain.h"
#include "core/journal.h"
#include "core/journal_tool.h"
#include "schema/rejects.h"
#include "tests/model/generator.h"

enum {
    COMMANDS = 1600,
    FILLS_MAX = 4 * COMMANDS,
    SEGMENT_BYTES = 1 << 20,
    ORDERS_ASKED = 100,
    REFUSALS_ASKED = 90,
    MOMENTS_ASKED = 12,
    ENDS = 12,         // journals that end earlier, when other orders are open
    LAST_OF_EACH = 30, // orders asked of these
};

struct fact { // of the command of this sequence
    bool accepted;
    uint16_t refused;
    uint32_t instrument;
};

struct fill { // of an order, by the command of this sequence
    uint64_t sequence;
    uint64_t order;
    int64_t quantity;
};

static struct command kept[COMMANDS + 64];
static struct fact facts[COMMANDS + 64];
static struct fill fills[FILLS_MAX];
static uint32_t fill_count;
static uint64_t kept_count;
static uint64_t end; // of the journal: the last command of it
static bool keeping;

void __real_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);
void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink);

static void note_fill(const struct event *event, uint64_t order)
{
    assert_true(fill_count < FILLS_MAX);
    fills[fill_count++] = (struct fill){event->header.sequence, order, event->body.trade.quantity};
}

static int64_t filled_of(uint64_t order)
{
    int64_t filled = 0;
    for (uint32_t i = 0; i < fill_count && fills[i].sequence <= end; i++)
        filled += fills[i].order == order ? fills[i].quantity : 0;
    return filled;
}

static void note(const struct event *event)
{
    struct fact *fact = &facts[event->header.sequence];
    const struct trade_evt *trade = &event->body.trade;
    if (event->header.type == EVT_rejected) {
        fact->refused = event->body.rejected.code;
    } else if (event->header.type == EVT_order_accepted) {
        fact->accepted = true;
        fact->instrument = event->body.order_accepted.instrument;
    } else if (event->header.type == EVT_trade) {
        note_fill(event, trade->maker_order);
        note_fill(event, trade->taker_order);
    }
}

// A journal has its digests at certain sequences only: elsewhere they become something else that
// changes nothing, a detach of a life that is not there.
static void replace_digest(struct command *command)
{
    command->header.type = CMD_gateway_detach;
    command->header.slots = command_slots(CMD_gateway_detach, 0);
    command->body.gateway_detach =
        (struct gateway_detach_cmd){.gateway_id = GATEWAY_SETTLE, .old_incarnation = UINT32_MAX};
}

void __wrap_engine_apply(struct engine *engine, const struct command *command,
                         struct event_sink *sink)
{
    __real_engine_apply(engine, command, sink);
    if (!keeping || command->header.sequence <= kept_count) // by the second engine of beside.c
        return;
    assert_true(kept_count < sizeof kept / sizeof kept[0] - 1);
    assert_int_equal(command->header.sequence, kept_count + 1);
    memcpy(&kept[++kept_count], command, (size_t)command->header.slots * SLOT_BYTES);
    if (command->header.type == CMD_journal_digest)
        replace_digest(&kept[kept_count]);
    for (uint32_t i = 0; i < sink->count; i++)
        note(&sink->events[(sink->position + i) & sink->mask]);
}

// ---- the venue

static const struct engine_limits limits = {.accounts_max = NAIVE_ACCOUNTS - 1,
                                            .members_max = NAIVE_MEMBERS - 1,
                                            .sessions_max = NAIVE_SESSIONS - 1,
                                            .session_accounts_max = 16,
                                            .assets_max = NAIVE_ASSETS - 1,
                                            .instruments_max = NAIVE_INSTRUMENTS - 1,
                                            .balances_max = NAIVE_ACCOUNTS * NAIVE_ASSETS,
                                            .orders_max = 40,
                                            .levels_max = 22,
                                            .stops_max = 12,
                                            .trailing_stops_max = 3,
                                            .fees_max = 6,
                                            .command_events_max = 40};

// Returns how many orders are open in the end.
static uint32_t happen(uint64_t seed)
{
    struct beside *beside = calloc(1, sizeof *beside);
    struct generator *generator = calloc(1, sizeof *generator);
    assert_true(beside != NULL && generator != NULL);
    memset(facts, 0, sizeof facts);
    kept_count = fill_count = 0;
    keeping = true;
    beside->program = "explain_random_test";
    beside->seed = generator->random = seed;
    beside->twin_every = beside->balances_every = beside->check_every = UINT64_MAX;
    beside->now = (uint64_t)1790000000 * 1000000000;
    beside_open(beside, &limits);
    universe_set_up(beside);
    universe_deposit(beside, ACCOUNT_SUSPENSE, UNIVERSE_CASH, 1);
    while (beside->sequence < COMMANDS)
        generator_step(generator, beside);
    keeping = false;
    uint32_t open = engine_open_orders(beside->engine);
    beside_close(beside);
    free(beside);
    free(generator);
    return open;
}

static void write_journal(const char *state, uint64_t until)
{
    static _Alignas(4096) struct event_ring_control control;
    static struct journal journal;
    struct gate gate = {.control = &control};
    struct journal_io io;
    struct journal_io_file file;
    char folder[128];
    end = until;
    (void)snprintf(folder, sizeof folder, "%s/journal", state);
    assert_int_equal(journal_io_file_open(&io, &file, folder, true), 0);
    const struct journal_options options = {.segments = replay_terms(&limits, SEGMENT_BYTES),
                                            .epoch = 1,
                                            .next_sequence = 1,
                                            .queue_slots = 16384};
    memset(&control, 0, sizeof control);
    assert_int_equal(journal_open(&journal, &io, &gate, &clock_system, &options), 0);
    for (uint64_t i = 1; i <= end; i++)
        journal_append(&journal, &kept[i]);
    journal_flush(&journal);
    for (uint64_t written = 0; written < end;) {
        int result = journal_write_work(&journal);
        assert_true(result > 0);
        written += (uint64_t)result;
    }
    journal_close(&journal);
    journal_io_file_close(&file);
}

// ---- questions

struct question {
    char state[64];
    struct explain_journal journal;
    struct explain_answer answer;
};

static void open_question(struct question *question)
{
    explain_answer_open(&question->answer);
    assert_int_equal(explain_journal_open(&question->journal, question->state), 0);
}

// Prints nothing, but goes through both ways of printing.
static void close_question(struct question *question)
{
    FILE *nowhere = fopen("/dev/null", "we");
    assert_non_null(nowhere);
    explain_answer_print(&question->answer, nowhere, true);
    explain_answer_print(&question->answer, nowhere, false);
    (void)fclose(nowhere);
    explain_journal_close(&question->journal);
    explain_answer_close(&question->answer);
}

static int64_t units(const json_t *root, const char *key, unsigned scale)
{
    const char *text = json_string_value(json_object_get(root, key));
    int64_t value = 0;
    assert_non_null(text);
    assert_true(decimal_parse(text, strlen(text), scale, &value) == DECIMAL_OK);
    return value;
}

static void ask_order(struct question *question, uint64_t id)
{
    const struct fact *fact = &facts[id];
    open_question(question);
    assert_int_equal(explain_order(&question->answer, &question->journal, id), EXPLAIN_ANSWERED);
    const json_t *root = question->answer.root;
    unsigned scale = universe_instruments[fact->instrument - 1].token_scale;
    if (units(root, "filled", scale) != filled_of(id))
        fail_msg("order %" PRIu64 " was filled %" PRId64 ", not as told:\n%s", id, filled_of(id),
                 question->answer.text);
    assert_true(units(root, "open", scale) >= 0);
    close_question(question);
}

static const char *word(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    assert_non_null(text);
    return text;
}

static int64_t whole(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

// The limits that a refusal for lack of room is explained by.
static void check_capacity(const json_t *capacity)
{
    const struct {
        const char *name;
        uint32_t most;
    } pools[] = {{"orders", limits.orders_max},
                 {"balances", limits.balances_max},
                 {"accounts", limits.accounts_max},
                 {"members", limits.members_max},
                 {"sessions", limits.sessions_max}};
    for (size_t i = 0; i < sizeof pools / sizeof pools[0]; i++) {
        const json_t *pool = json_object_get(capacity, pools[i].name);
        assert_int_equal(whole(pool, "limit"), pools[i].most);
        assert_in_range(whole(pool, "used"), 0, pools[i].most);
    }
}

static void check_refusal(const json_t *root, uint64_t sequence)
{
    const struct reject_entry *entry = reject_entry(facts[sequence].refused);
    const json_t *refusal = json_object_get(root, "refusal");
    assert_string_equal(word(refusal, "name"), entry->name);
    assert_string_equal(word(refusal, "check"), entry->check);
    assert_string_equal(word(refusal, "hint"), entry->hint);
    assert_int_equal(whole(refusal, "code"), entry->code);
    assert_int_equal(whole(refusal, "http_status"), entry->http_status);
    static const char *const sums[] = {"open_of_account", "open_of_member"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *open = json_object_get(root, sums[i]);
        if (open != NULL) {
            assert_true(word(open, "value")[0] != '-');
            assert_true(word(open, "buys")[0] != '-');
        }
    }
    if (json_object_get(root, "capacity") != NULL)
        check_capacity(json_object_get(root, "capacity"));
}

static void ask_refusal(struct question *question, uint64_t sequence)
{
    open_question(question);
    assert_int_equal(explain_reject(&question->answer, &question->journal, sequence),
                     EXPLAIN_ANSWERED);
    (void)fflush(question->answer.lines);
    const char *name = reject_entry(facts[sequence].refused)->name;
    if (strstr(question->answer.text, name) == NULL)
        fail_msg("%" PRIu64 " was refused for %s, not as told:\n%s", sequence, name,
                 question->answer.text);
    check_refusal(question->answer.root, sequence);
    close_question(question);
}

// What the causes come to is the balance, and each has a name.
static void check_totals(const json_t *root, unsigned scale)
{
    static const char *const parts[] = {"available", "held", "unsettled", "blocked"};
    const json_t *totals = json_object_get(root, "totals");
    for (size_t part = 0; part < sizeof parts / sizeof parts[0]; part++) {
        int64_t sum = 0;
        size_t i;
        const json_t *total;
        json_array_foreach(totals, i, total)
        {
            sum += units(total, parts[part], scale);
            assert_true(json_string_length(json_object_get(total, "cause")) > 0);
        }
        assert_true(sum == units(json_object_get(root, "balance"), parts[part], scale));
    }
}

static void ask_balance(struct question *question, uint32_t account, uint32_t asset)
{
    const struct explain_options options = {
        .limit = 1000, .from = asset == 2 ? COMMANDS / 2 : 0, .now_ns = INT64_MAX};
    char text[16];
    (void)snprintf(text, sizeof text, "%u", asset);
    open_question(question);
    assert_int_equal(
        explain_balance(&question->answer, &question->journal, account, text, &options),
        EXPLAIN_ANSWERED);
    assert_true(json_is_true(json_object_get(question->answer.root, "adds_up")));
    if (options.from == 0)
        check_totals(question->answer.root,
                     asset == UNIVERSE_CASH ? 6 : universe_instruments[asset - 2].token_scale);
    close_question(question);
}

// Of cash the world outside has some, too, and the treasury, and the suspense account.
static void ask_balances(struct question *question)
{
    for (uint32_t asset = UNIVERSE_CASH; asset <= UNIVERSE_CASH + UNIVERSE_INSTRUMENTS; asset++)
        for (uint32_t i = 0; i < UNIVERSE_ACCOUNTS; i++)
            ask_balance(question, UNIVERSE_ACCOUNT_FIRST + i, asset);
    for (uint32_t account = ACCOUNT_OUTSIDE; account <= ACCOUNT_SUSPENSE; account++)
        ask_balance(question, account, UNIVERSE_CASH);
}

// What the world outside has is what all others have, the other way round: mostly below zero, but
// what left as a deficit, or by way of suspense, may be more than what ever came.
static void check_sums(const json_t *sums)
{
    size_t i;
    const json_t *sum;
    assert_true(json_array_size(sums) > UNIVERSE_INSTRUMENTS);
    json_array_foreach(sums, i, sum)
    {
        assert_string_equal(word(sum, "sum"), "0");
        assert_true(strspn(word(sum, "outside"), "-0123456789.") == strlen(word(sum, "outside")));
        assert_true(strlen(word(sum, "outside")) > 0);
    }
}

static void ask_state(struct question *question, uint64_t at, uint32_t account, int64_t open)
{
    const struct explain_options options = {.at = at,
                                            .at_ns = UINT64_MAX,
                                            .now_ns = INT64_MAX,
                                            .limit = 1000,
                                            .depth = 3,
                                            .account = account,
                                            .orders = true,
                                            .check = true};
    open_question(question);
    assert_int_equal(explain_state(&question->answer, &question->journal, &options),
                     EXPLAIN_ANSWERED);
    const json_t *root = question->answer.root;
    assert_true(json_is_true(json_object_get(root, "checked")));
    check_sums(json_object_get(root, "sums"));
    if (open >= 0)
        assert_int_equal(json_array_size(json_object_get(root, "orders")), open);
    close_question(question);
}

// Some of them, spread over the journal.
static void ask_some(struct question *question, uint32_t asked,
                     bool wanted(const struct fact *fact),
                     void ask(struct question *question, uint64_t sequence))
{
    uint32_t count = 0;
    uint32_t seen = 0;
    for (uint64_t i = 1; i <= kept_count; i++)
        count += wanted(&facts[i]);
    assert_true(count > asked / 2);
    uint32_t every = count / asked + 1;
    for (uint64_t i = 1; i <= kept_count; i++)
        if (wanted(&facts[i]) && seen++ % every == 0)
            ask(question, i);
}

static bool is_order(const struct fact *fact)
{
    return fact->accepted;
}

static bool is_refused(const struct fact *fact)
{
    return fact->refused != 0;
}

static void ask_all(uint64_t seed)
{
    struct question question;
    testing_folder_make(question.state);
    uint32_t open = happen(seed);
    write_journal(question.state, kept_count);
    ask_some(&question, ORDERS_ASKED, is_order, ask_order);
    ask_some(&question, REFUSALS_ASKED, is_refused, ask_refusal);
    ask_balances(&question);
    for (uint32_t i = 1; i <= MOMENTS_ASKED; i++)
        ask_state(&question, i * kept_count / MOMENTS_ASKED,
                  i % 3 == 0 ? 0 : UNIVERSE_ACCOUNT_FIRST + i % UNIVERSE_ACCOUNTS, -1);
    ask_state(&question, UINT64_MAX, 0, open);
    testing_folder_remove(question.state);
}

// Why the last orders have not traded yet, in whatever phase the journal ends.
static void ask_the_last(uint64_t until)
{
    struct question question;
    testing_folder_make(question.state);
    write_journal(question.state, until);
    uint32_t asked = 0;
    for (uint64_t i = until; i > 0 && asked < LAST_OF_EACH; i--)
        if (facts[i].accepted) {
            ask_order(&question, i);
            asked++;
        }
    testing_folder_remove(question.state);
}

static void whatever_happens_can_be_explained(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        ask_all(seed);
        for (uint64_t i = 1; i < ENDS; i++)
            ask_the_last(i * COMMANDS / ENDS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_can_be_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
