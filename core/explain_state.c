// The venue at a moment: a replay to there, and what its snapshot would say.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/explain.h"
#include "core/explain_market.h"
#include "core/explain_record.h"
#include "core/explain_view.h"
#include "core/explain_words.h"

struct asked {
    struct explain_answer *answer;
    const struct explain_options *options;
    struct explain_view view;
};

// ---- going there

struct until { // the first command behind a time
    uint64_t time_ns;
    uint64_t sequence; // 0 = none is
};

// Stopping before a command is what a walk can do: nothing of it is applied.
static bool before_time(void *context, const struct replay *replay, const struct command *command)
{
    struct until *until = context;
    ASSERT(command->header.sequence == replay->sequence + 1);
    if (command->header.time_ns <= until->time_ns)
        return true;
    until->sequence = command->header.sequence;
    return false;
}

static int go_to_time(struct explain_journal *journal, const struct explain_options *options)
{
    struct until until = {.time_ns = options->at_ns};
    const struct explain_walk walk = {.before = before_time, .context = &until};
    if (options->at_ns > options->now_ns) {
        fprintf(stderr, "lonja-explain: %s has not been yet\n", explain_time(options->at_ns).text);
        return EXPLAIN_NONE;
    }
    int result = explain_journal_start(journal, UINT64_MAX, options->at_ns);
    if (result == 0)
        result = explain_journal_run(journal, UINT64_MAX, &walk);
    if (result != 0 || journal->replay.sequence > 0)
        return result;
    fprintf(stderr, "lonja-explain: %s is before the first command of the journal\n",
            explain_time(options->at_ns).text);
    return EXPLAIN_NONE;
}

static int go(struct explain_journal *journal, const struct explain_options *options)
{
    const struct explain_walk nothing = {0};
    if (options->at_ns != UINT64_MAX)
        return go_to_time(journal, options);
    int result = explain_journal_start(journal, options->at, UINT64_MAX);
    if (result != 0)
        return result;
    return options->at == UINT64_MAX ? explain_journal_run(journal, UINT64_MAX, &nothing)
           : options->at > 0         ? explain_journal_run_to(journal, options->at, &nothing)
                                     : 0;
}

// ---- telling

static void tell_venue(const struct asked *asked, const struct replay *replay)
{
    json_t *root = asked->answer->root;
    uint64_t time_ns = asked->view.time_ns;
    explain_set_number(root, "sequence", replay->sequence);
    explain_set(root, "time", "%s", explain_time(time_ns).text);
    explain_set_number(root, "epoch", replay->epoch);
    explain_set(root, "venue", "%s", explain_venue_word(asked->view.venue_state));
    explain_set_number(root, "events", replay->events);
    explain_set(root, "events_digest", "%016" PRIx64, replay->events_digest);
    explain_set(root, "state_digest", "%016" PRIx64, engine_digest(replay->engine));
    explain_set_number(root, "open_orders", engine_open_orders(replay->engine));
    explain_say(asked->answer, "After sequence %" PRIu64 " (epoch %" PRIu64 "), %s",
                replay->sequence, replay->epoch, explain_time(time_ns).text);
    explain_say(asked->answer, "  the venue is %s; %s", explain_venue_word(asked->view.venue_state),
                explain_count(engine_open_orders(replay->engine), "open order").text);
    explain_say(asked->answer,
                "  digest of the state %016" PRIx64 ", of %" PRIu64 " events %016" PRIx64,
                engine_digest(replay->engine), replay->events, replay->events_digest);
}

struct level {
    int64_t price;
    struct explain_depth depth;
};

// The best levels of a side; market orders of a call stand in none.
static size_t levels_of(const struct asked *asked, uint32_t instrument, uint8_t side,
                        struct level *levels)
{
    size_t count = 0;
    const struct explain_range book = explain_view_book(&asked->view, instrument);
    for (size_t i = book.first; i < book.end; i++) {
        const struct order_terms_rec *terms;
        const struct order_rec *order = explain_view_order_at(&asked->view, i, &terms);
        if (order == NULL || order->side != side || order->state != ORDER_STATE_OPEN ||
            order->type == ORDER_MARKET)
            continue;
        if (count == 0 || levels[count - 1].price != order->price) {
            if (count == asked->options->depth)
                break;
            levels[count++] = (struct level){.price = order->price};
        }
        levels[count - 1].depth.orders++;
        levels[count - 1].depth.open += order->leaves;
        levels[count - 1].depth.shown += order->leaves - (terms != NULL ? terms->hidden : 0);
    }
    return count;
}

static void tell_levels(const struct asked *asked, json_t *object, uint32_t instrument,
                        uint8_t side, unsigned scale)
{
    const char *name = side == SIDE_BUY ? "bids" : "asks";
    struct level *levels = calloc(asked->options->depth + 1, sizeof *levels);
    ASSERT(levels != NULL);
    size_t count = levels_of(asked, instrument, side, levels);
    json_t *array = explain_array(object, name);
    for (size_t i = 0; i < count; i++) {
        const struct explain_depth *depth = &levels[i].depth;
        json_t *level = explain_element(array);
        explain_set(level, "price", "%s", explain_cash(levels[i].price).text);
        explain_set_number(level, "orders", depth->orders);
        explain_set(level, "open", "%s", explain_units(explain_clamp(depth->open), scale).text);
        explain_set(level, "shown", "%s", explain_units(explain_clamp(depth->shown), scale).text);
        explain_say(asked->answer, "    %s %s: %s in %s, %s of it shows",
                    side == SIDE_BUY ? "bid" : "ask", explain_cash(levels[i].price).text,
                    explain_units(explain_clamp(depth->open), scale).text,
                    explain_count(depth->orders, "order").text,
                    explain_units(explain_clamp(depth->shown), scale).text);
    }
    free(levels);
}

static void tell_waiting(const struct asked *asked, json_t *object, uint32_t instrument)
{
    uint64_t count[ORDER_STATE_PENDING_CLOSE + 1] = {0};
    const struct explain_range book = explain_view_book(&asked->view, instrument);
    for (size_t i = book.first; i < book.end; i++) {
        const struct order_rec *order = explain_view_order_at(&asked->view, i, NULL);
        if (order != NULL)
            count[order->state]++;
    }
    explain_set_number(object, "in_book", count[ORDER_STATE_OPEN]);
    explain_set_number(object, "pending_stop", count[ORDER_STATE_PENDING_STOP]);
    explain_set_number(object, "triggered", count[ORDER_STATE_TRIGGERED]);
    explain_set_number(object, "pending_close", count[ORDER_STATE_PENDING_CLOSE]);
    explain_say(asked->answer,
                "  orders: %" PRIu64 " in the book, %" PRIu64 " wait for a trigger, %" PRIu64
                " triggered, %" PRIu64 " for the close",
                count[ORDER_STATE_OPEN], count[ORDER_STATE_PENDING_STOP],
                count[ORDER_STATE_TRIGGERED], count[ORDER_STATE_PENDING_CLOSE]);
}

static void tell_instruments(const struct asked *asked)
{
    json_t *array = explain_array(asked->answer->root, "instruments");
    for (size_t i = 0; i < asked->view.count; i++) {
        if (asked->view.records[i].header.type != REC_instrument)
            continue;
        uint32_t instrument = asked->view.records[i].body.instrument.instrument;
        struct explain_market market;
        json_t *object = explain_element(array);
        explain_market_of(&market, &asked->view, instrument);
        explain_say(asked->answer, "\nInstrument %u", instrument);
        explain_market_tell(asked->answer, object, &market, &asked->view, asked->view.time_ns);
        tell_waiting(asked, object, instrument);
        tell_levels(asked, object, instrument, SIDE_BUY, market.terms.token_scale);
        tell_levels(asked, object, instrument, SIDE_SELL, market.terms.token_scale);
    }
}

// Limits, controls, fees, kill switches, proposals, instructions: whatever there is.
static const bool is_control[REC_COUNT] = {
    [REC_limits] = true,       [REC_instrument_controls] = true,
    [REC_jurisdiction] = true, [REC_fees] = true,
    [REC_kill] = true,         [REC_venue_rules] = true,
    [REC_proposal] = true,     [REC_xvp] = true,
    [REC_xvp_leg] = true,      [REC_pending] = true,
};

static void tell_record(const struct asked *asked, const struct snapshot_record *record,
                        json_t *array)
{
    json_t *made = explain_snapshot(&asked->view, record);
    char *line = explain_line(made);
    explain_say(asked->answer, "  %s", line);
    free(line);
    ASSERT(json_array_append_new(array, made) == 0);
}

static void tell_controls(const struct asked *asked)
{
    json_t *array = explain_array(asked->answer->root, "controls");
    for (size_t i = 0; i < asked->view.count; i++) {
        if (!is_control[asked->view.records[i].header.type])
            continue;
        if (json_array_size(array) == 0)
            explain_say(
                asked->answer,
                "\nLimits, controls, fees, kill switches, proposals, settlement instructions");
        tell_record(asked, &asked->view.records[i], array);
    }
}

static void tell_deficits(const struct asked *asked)
{
    json_t *array = explain_array(asked->answer->root, "deficits");
    for (size_t i = 0; i < asked->view.count; i++) {
        if (asked->view.records[i].header.type != REC_balance ||
            asked->view.records[i].body.balance.deficit == 0)
            continue;
        if (json_array_size(array) == 0)
            explain_say(asked->answer, "\nDeficits");
        tell_record(asked, &asked->view.records[i], array);
    }
}

// What is said of one account: its own records, its limits, its balances.
static bool is_of_account(const struct snapshot_record *record, uint32_t account)
{
    uint32_t id;
    memcpy(&id, record->body.bytes, sizeof id);
    switch (record->header.type) {
    case REC_account:
    case REC_account_state:
    case REC_investment:
    case REC_balance:
        return id == account;
    case REC_limits:
        return record->body.limits.scope == LIMIT_ACCOUNT && record->body.limits.id == account;
    case REC_kill:
        return record->body.kill.scope == KILL_ACCOUNT && record->body.kill.id == account;
    case REC_fees:
        return record->body.fees.account == account;
    default:
        return false;
    }
}

static int tell_account(const struct asked *asked)
{
    uint32_t account = asked->options->account;
    json_t *array = explain_array(asked->answer->root, "account");
    explain_say(asked->answer, "\nAccount %u", account);
    for (size_t i = 0; i < asked->view.count; i++)
        if (is_of_account(&asked->view.records[i], account))
            tell_record(asked, &asked->view.records[i], array);
    if (json_array_size(array) > 0)
        return EXPLAIN_ANSWERED;
    fprintf(stderr, "lonja-explain: there is no account %u at sequence %" PRIu64 "\n", account,
            asked->view.sequence);
    return EXPLAIN_NONE;
}

static void tell_orders(const struct asked *asked)
{
    json_t *array = explain_array(asked->answer->root, "orders");
    uint64_t left_out = 0;
    explain_say(asked->answer, "\nOpen orders, by instrument, side and priority");
    for (size_t i = 0; i < asked->view.count; i++) {
        const struct order_terms_rec *terms;
        const struct order_rec *order = explain_view_order_at(&asked->view, i, &terms);
        if (order == NULL ||
            (asked->options->account != 0 && order->account != asked->options->account))
            continue;
        if (json_array_size(array) >= asked->options->limit) {
            left_out++;
            continue;
        }
        tell_record(asked, &asked->view.records[i], array);
        if (terms != NULL) {
            json_t *more = explain_snapshot(&asked->view, &asked->view.records[i + 1]);
            char *line = explain_line(more);
            explain_say(asked->answer, "    %s", line);
            free(line);
            ASSERT(json_object_set_new(json_array_get(array, json_array_size(array) - 1), "terms",
                                       more) == 0);
        }
    }
    explain_set_number(asked->answer->root, "orders_left_out", left_out);
    if (left_out > 0)
        explain_say(asked->answer, "  … and %" PRIu64 " more (--limit N)", left_out);
}

// ---- check

// Returns false if an asset does not sum to zero.
static bool tell_sum(const struct asked *asked, uint32_t asset, json_t *array)
{
    money_sum sum = 0, outside = 0;
    uint64_t balances = 0;
    const struct explain_range all = asked->view.types[REC_balance];
    for (size_t i = all.first; i < all.end; i++) {
        const struct balance_rec *balance = &asked->view.records[i].body.balance;
        ASSERT(asked->view.records[i].header.type == REC_balance); // nothing else between them
        if (balance->asset != asset)
            continue;
        sum += (money_sum)balance->available + balance->held;
        outside += balance->account == ACCOUNT_OUTSIDE ? balance->available : 0;
        balances++;
    }
    unsigned scale = explain_view_scale(&asked->view, asset);
    json_t *object = explain_element(array);
    explain_set_number(object, "asset", asset);
    explain_set(object, "symbol", "%s", explain_view_asset_symbol(&asked->view, asset).text);
    explain_set_number(object, "balances", balances);
    explain_set(object, "sum", "%s", explain_units(explain_clamp(sum), scale).text);
    explain_set(object, "outside", "%s", explain_units(explain_clamp(outside), scale).text);
    explain_say(asked->answer,
                "  %s: %" PRIu64 " balances sum to %s (of that the world outside %s)",
                explain_view_asset_symbol(&asked->view, asset).text, balances,
                explain_units(explain_clamp(sum), scale).text,
                explain_units(explain_clamp(outside), scale).text);
    return sum == 0;
}

// engine_check asserts: what it finds ends this process there, with its place and EXPLAIN_CORRUPT's
// status.
static int tell_check(const struct asked *asked, const struct replay *replay)
{
    bool good = true;
    json_t *array = explain_array(asked->answer->root, "sums");
    replay_guard_begin(replay);
    engine_check(replay->engine);
    replay_guard_end();
    explain_say(asked->answer, "\nChecked: every book, order, hold and balance");
    for (size_t i = 0; i < asked->view.count; i++)
        if (asked->view.records[i].header.type == REC_asset)
            good &= tell_sum(asked, asked->view.records[i].body.asset.asset, array);
    ASSERT(json_object_set_new(asked->answer->root, "checked", json_boolean(good)) == 0);
    if (good)
        return EXPLAIN_ANSWERED;
    fputs("lonja-explain: an asset does not sum to zero\n", stderr);
    return EXPLAIN_CORRUPT;
}

static int tell(struct asked *asked, const struct replay *replay)
{
    int result = EXPLAIN_ANSWERED;
    explain_view_take(&asked->view, replay->engine, &replay->limits);
    tell_venue(asked, replay);
    tell_instruments(asked);
    tell_controls(asked);
    tell_deficits(asked);
    if (asked->options->account != 0)
        result = tell_account(asked);
    if (result == 0 && asked->options->orders)
        tell_orders(asked);
    if (result == 0 && asked->options->check)
        result = tell_check(asked, replay);
    explain_view_free(&asked->view);
    return result;
}

int explain_state(struct explain_answer *answer, struct explain_journal *journal,
                  const struct explain_options *options)
{
    struct asked asked = {.answer = answer, .options = options};
    int result = go(journal, options);
    return result != 0 ? result : tell(&asked, &journal->replay);
}
