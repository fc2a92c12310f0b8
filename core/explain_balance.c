// Why does this account have this much? Every event's postings (risk/postings.h) that touch the
// balance, with what they came of; folded they must be the engine's balance, or this says so and
// fails.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/explain.h"
#include "core/explain_view.h"
#include "core/explain_words.h"
#include "risk/postings.h"

enum { CAUSE_BYTES = 40, CAUSES_MAX = 32 };

struct amounts {
    money_sum available, held, unsettled, blocked;
};

struct total { // by cause
    char cause[CAUSE_BYTES];
    uint64_t count;
    struct amounts sum;
};

struct shown { // one line
    uint64_t sequence, time_ns;
    char cause[CAUSE_BYTES];
    char *text;
    struct posting change;
    struct amounts after;
};

struct asked {
    struct explain_answer *answer;
    struct explain_view view; // names: taken when something was named anew
    uint32_t account, asset;
    const char *symbol; // the asset, while its number is not known
    uint64_t from;
    struct posting_terms *terms; // by instrument
    uint32_t instruments_max;
    struct amounts opening, now;
    struct shown *ring; // the newest `limit`
    uint64_t limit, postings;
    struct total totals[CAUSES_MAX];
    uint32_t causes;
    bool stale_view;
};

// ---- causes

static uint32_t instrument_of(const struct event *event)
{
    switch (event->header.type) {
#define NAMES(name)                                                                                \
    case EVT_##name:                                                                               \
        return event->body.name.instrument
        NAMES(order_accepted);
        NAMES(order_cancelled);
        NAMES(order_amended);
        NAMES(order_triggered);
        NAMES(order_reduced);
        NAMES(trade);
        NAMES(settlement_booked);
        NAMES(trade_corrected);
#undef NAMES
    default:
        return 0;
    }
}

struct cause {
    char word[CAUSE_BYTES]; // by which totals are made
    char *text;
};

static void cause_of_trade(struct cause *cause, const struct asked *asked,
                           const struct event *event, const struct posting *posting)
{
    const struct trade_evt *trade = &event->body.trade;
    bool taker_buys = trade->taker_side == SIDE_BUY;
    bool buyer = (taker_buys ? trade->taker_account : trade->maker_account) == asked->account;
    int64_t fee = taker_buys == buyer ? trade->taker_fee : trade->maker_fee;
    bool pays = posting->held < 0;
    if (asked->account == ACCOUNT_TREASURY) {
        snprintf(cause->word, sizeof cause->word, "fee");
        cause->text =
            explain_format("fees %s (maker) and %s (taker) of trade %" PRIu64,
                           explain_cash(trade->maker_fee).text, explain_cash(trade->taker_fee).text,
                           trade_id_of(event->header.sequence, event->header.index));
        return;
    }
    // Who is on both sides has a posting of each.
    bool as_buyer = asked->asset == asked->terms[trade->instrument].cash_asset ? pays : !pays;
    unsigned scale = asked->terms[trade->instrument].token_scale;
    uint64_t ours = as_buyer == taker_buys ? trade->taker_order : trade->maker_order;
    uint64_t theirs = as_buyer == taker_buys ? trade->maker_order : trade->taker_order;
    fee = as_buyer == taker_buys ? trade->taker_fee : trade->maker_fee;
    snprintf(cause->word, sizeof cause->word, as_buyer ? "buy" : "sell");
    cause->text = explain_format(
        "%s %s at %s, fee %s: order %" PRIu64 " with order %" PRIu64 ", trade %" PRIu64,
        as_buyer ? "bought" : "sold", explain_units(trade->quantity, scale).text,
        explain_cash(trade->price).text, explain_cash(fee).text, ours, theirs,
        trade_id_of(event->header.sequence, event->header.index));
}

static void cause_of_ledger(struct cause *cause, const struct asked *asked,
                            const struct event *event)
{
    const struct ledger_posted_evt *entry = &event->body.ledger_posted;
    bool own = entry->account == asked->account;
    snprintf(cause->word, sizeof cause->word, "%s", explain_posting_word(entry->kind));
    cause->text =
        explain_format("%s %s account %u, reference %u/%" PRIu64, explain_posting_word(entry->kind),
                       own ? "with" : "of", own ? entry->counter_account : entry->account,
                       entry->ref_source, entry->ref_number);
}

static void cause_of_settlement(struct cause *cause, const struct event *event)
{
    static const char *const outcomes[] = {[SETTLEMENT_SETTLED] = "settled",
                                           [SETTLEMENT_FAILED] = "failed",
                                           [SETTLEMENT_RETRIED] = "retried"};
    uint8_t outcome = event->body.settlement_booked.outcome;
    ASSERT(outcome >= SETTLEMENT_SETTLED && outcome <= SETTLEMENT_RETRIED);
    const char *what = outcomes[outcome];
    snprintf(cause->word, sizeof cause->word, "settlement_%s", what);
    cause->text = explain_format("settlement of trade %" PRIu64 " %s on the chain",
                                 event->body.settlement_booked.trade_id, what);
}

static const char *xvp_word(const struct xvp_posted_evt *posted)
{
    if (posted->counter_account == 0)
        return posted->held_amount > 0 ? "approved: held" : "given up: released";
    return posted->held_amount < 0 ? "executed: given" : "executed: received";
}

static struct cause cause_of(const struct asked *asked, const struct event *event,
                             const struct posting *posting)
{
    struct cause cause = {.word = "", .text = NULL};
#define ORDER(name, what, ...)                                                                     \
    case EVT_##name:                                                                               \
        snprintf(cause.word, sizeof cause.word, what);                                             \
        cause.text = explain_format(__VA_ARGS__, event->body.name.order);                          \
        break
    switch (event->header.type) {
        ORDER(order_accepted, "hold", "hold of order %" PRIu64);
        ORDER(order_amended, "amend", "hold of order %" PRIu64 " after an amend");
        ORDER(order_triggered, "release", "release: order %" PRIu64 " was triggered");
        ORDER(order_reduced, "release", "release: self-trade prevention reduced order %" PRIu64);
    case EVT_order_cancelled:
        snprintf(cause.word, sizeof cause.word, "release");
        cause.text = explain_format("release: order %" PRIu64 " was cancelled (%s)",
                                    event->body.order_cancelled.order,
                                    explain_cancel_word(event->body.order_cancelled.reason));
        break;
    case EVT_trade:
        cause_of_trade(&cause, asked, event, posting);
        break;
    case EVT_ledger_posted:
        cause_of_ledger(&cause, asked, event);
        break;
    case EVT_settlement_booked:
        cause_of_settlement(&cause, event);
        break;
    case EVT_deficit_changed:
        snprintf(cause.word, sizeof cause.word, "deficit");
        cause.text = explain_format("deficit of account %u is now %" PRId64 " base units",
                                    event->body.deficit_changed.account,
                                    event->body.deficit_changed.deficit);
        break;
    case EVT_xvp_posted:
        snprintf(cause.word, sizeof cause.word, "settlement_instruction");
        cause.text = explain_format("settlement instruction %" PRIu64 " %s",
                                    event->body.xvp_posted.xvp, xvp_word(&event->body.xvp_posted));
        break;
    default:
        ASSERT(event->header.type == EVT_trade_corrected);
        snprintf(cause.word, sizeof cause.word, "correction");
        cause.text = explain_format("correction of trade %" PRIu64 " by operator %u",
                                    event->body.trade_corrected.trade_id,
                                    event->body.trade_corrected.operator_id);
        break;
    }
#undef ORDER
    return cause;
}

// ---- folding

static void fold(struct amounts *sum, const struct posting *posting)
{
    sum->available += posting->available;
    sum->held += posting->held;
    sum->unsettled += posting->unsettled;
    sum->blocked += posting->blocked;
}

static void count_cause(struct asked *asked, const char *word, const struct posting *posting)
{
    uint32_t i = 0;
    while (i < asked->causes && strcmp(asked->totals[i].cause, word) != 0)
        i++;
    if (i == asked->causes) {
        ASSERT(asked->causes < CAUSES_MAX);
        snprintf(asked->totals[asked->causes++].cause, CAUSE_BYTES, "%s", word);
    }
    asked->totals[i].count++;
    fold(&asked->totals[i].sum, posting);
}

static void take(struct asked *asked, const struct event *event, const struct posting *posting)
{
    struct cause cause = cause_of(asked, event, posting);
    struct shown *shown = asked->limit > 0 ? &asked->ring[asked->postings % asked->limit] : NULL;
    fold(&asked->now, posting);
    count_cause(asked, cause.word, posting);
    asked->postings++;
    if (shown == NULL) {
        free(cause.text);
        return;
    }
    free(shown->text);
    *shown = (struct shown){.sequence = event->header.sequence,
                            .time_ns = event->header.time_ns,
                            .text = cause.text,
                            .change = *posting,
                            .after = asked->now};
    memcpy(shown->cause, cause.word, sizeof shown->cause);
}

static void learn_terms(struct asked *asked, const struct instrument_changed_evt *changed)
{
    ASSERT(changed->instrument <= asked->instruments_max);
    asked->terms[changed->instrument] = (struct posting_terms){.token_asset = changed->token_asset,
                                                               .cash_asset = changed->cash_asset,
                                                               .token_scale = changed->token_scale};
}

static void learn_asset(struct asked *asked, uint32_t asset, const char *symbol)
{
    if (asked->asset == 0 && strncmp(symbol, asked->symbol, SYMBOL_BYTES_MAX) == 0)
        asked->asset = asset;
}

static bool moves(const struct posting *posting)
{
    return (posting->available | posting->held | posting->unsettled | posting->blocked) != 0;
}

static bool after_command(void *context, const struct replay *replay, const struct command *command)
{
    struct asked *asked = context;
    const struct event_sink *sink = &replay->sink;
    ASSERT(command->header.sequence == replay->sequence);
    for (uint32_t i = 0; i < sink->count; i++) {
        const struct event *event = &sink->events[(sink->position + i) & sink->mask];
        struct posting postings[POSTINGS_MAX];
        uint32_t instrument = instrument_of(event);
        if (event->header.type == EVT_instrument_changed)
            learn_terms(asked, &event->body.instrument_changed);
        if (event->header.type == EVT_asset_changed)
            learn_asset(asked, event->body.asset_changed.asset, event->body.asset_changed.symbol);
        ASSERT(instrument <= asked->instruments_max);
        int count =
            postings_of(event, instrument != 0 ? &asked->terms[instrument] : NULL, postings);
        for (int k = 0; k < count; k++)
            if (postings[k].account == asked->account && postings[k].asset == asked->asset &&
                moves(&postings[k]))
                take(asked, event, &postings[k]);
    }
    return true;
}

// What a snapshot has already: it begins behind it.
static void begin(struct asked *asked, const struct replay *replay)
{
    asked->instruments_max = replay->limits.instruments_max;
    asked->terms = calloc((size_t)asked->instruments_max + 1, sizeof *asked->terms);
    ASSERT(asked->terms != NULL);
    struct explain_view view = {0};
    explain_view_take(&view, replay->engine, &replay->limits);
    for (size_t i = 0; i < view.count; i++) {
        const struct snapshot_record *record = &view.records[i];
        if (record->header.type == REC_asset)
            learn_asset(asked, record->body.asset.asset, record->body.asset.symbol);
        if (record->header.type == REC_instrument) {
            struct instrument_changed_evt changed;
            memcpy(&changed, &record->body.instrument, sizeof changed);
            learn_terms(asked, &changed);
        }
    }
    explain_view_free(&view);
    struct balance_rec balance;
    if (engine_balance(replay->engine, asked->account, asked->asset, &balance))
        asked->opening = (struct amounts){.available = balance.available,
                                          .held = balance.held,
                                          .unsettled = balance.unsettled,
                                          .blocked = balance.blocked};
    asked->now = asked->opening;
}

// ---- telling

static struct explain_text amount(const struct asked *asked, money_sum value)
{
    return explain_units(explain_clamp(value), explain_view_scale(&asked->view, asked->asset));
}

static void amounts_json(const struct asked *asked, json_t *object, const struct amounts *amounts)
{
    explain_set(object, "available", "%s", amount(asked, amounts->available).text);
    explain_set(object, "held", "%s", amount(asked, amounts->held).text);
    explain_set(object, "unsettled", "%s", amount(asked, amounts->unsettled).text);
    explain_set(object, "blocked", "%s", amount(asked, amounts->blocked).text);
}

static void say_amounts(const struct asked *asked, const char *lead, const struct amounts *amounts)
{
    explain_say(asked->answer, "%s available %s, held %s, unsettled %s, blocked %s", lead,
                amount(asked, amounts->available).text, amount(asked, amounts->held).text,
                amount(asked, amounts->unsettled).text, amount(asked, amounts->blocked).text);
}

static void tell_shown(const struct asked *asked, const struct shown *shown, json_t *array)
{
    const struct amounts change = {.available = shown->change.available,
                                   .held = shown->change.held,
                                   .unsettled = shown->change.unsettled,
                                   .blocked = shown->change.blocked};
    json_t *object = explain_element(array);
    char lead[128];
    explain_set_number(object, "sequence", shown->sequence);
    explain_set(object, "time", "%s", explain_time(shown->time_ns).text);
    explain_set(object, "cause", "%s", shown->cause);
    explain_set(object, "text", "%s", shown->text);
    amounts_json(asked, explain_object(object, "change"), &change);
    amounts_json(asked, explain_object(object, "after"), &shown->after);
    explain_say(asked->answer, "  %" PRIu64 "  %s  %s", shown->sequence,
                explain_time(shown->time_ns).text, shown->text);
    say_amounts(asked, "      change:", &change);
    snprintf(lead, sizeof lead, "       after:");
    say_amounts(asked, lead, &shown->after);
}

static void tell_postings(const struct asked *asked)
{
    uint64_t shown = asked->postings < asked->limit ? asked->postings : asked->limit;
    json_t *array = explain_array(asked->answer->root, "postings");
    explain_set_number(asked->answer->root, "postings_count", asked->postings);
    explain_say(asked->answer, "\nPostings: %" PRIu64 "%s", asked->postings,
                shown < asked->postings ? "; the newest (more: --limit N):" : "");
    for (uint64_t i = asked->postings - shown; i < asked->postings; i++)
        tell_shown(asked, &asked->ring[i % asked->limit], array);
}

static void tell_totals(const struct asked *asked)
{
    json_t *array = explain_array(asked->answer->root, "totals");
    explain_say(asked->answer, "\nBy cause");
    if (asked->from != 0)
        say_amounts(asked, "  before:", &asked->opening);
    for (uint32_t i = 0; i < asked->causes; i++) {
        const struct total *total = &asked->totals[i];
        char lead[96];
        json_t *object = explain_element(array);
        explain_set(object, "cause", "%s", total->cause);
        explain_set_number(object, "count", total->count);
        amounts_json(asked, object, &total->sum);
        snprintf(lead, sizeof lead, "  %s (%" PRIu64 "):", total->cause, total->count);
        say_amounts(asked, lead, &total->sum);
    }
}

static void tell_holder(const struct asked *asked, const struct order_rec *order, json_t *array)
{
    unsigned scale = explain_view_token_scale(&asked->view, order->instrument);
    json_t *object = explain_element(array);
    explain_set_number(object, "order", order->order);
    explain_set(object, "symbol", "%s", explain_view_symbol(&asked->view, order->instrument).text);
    explain_set(object, "side", "%s", explain_side_word(order->side));
    explain_set(object, "price", "%s", explain_cash(order->price).text);
    explain_set(object, "open", "%s", explain_units(order->leaves, scale).text);
    explain_set(object, "held", "%s", amount(asked, order->held).text);
    explain_say(asked->answer, "  order %" PRIu64 ": %s %s %s at %s holds %s", order->order,
                explain_side_word(order->side), explain_units(order->leaves, scale).text,
                explain_view_symbol(&asked->view, order->instrument).text,
                explain_cash(order->price).text, amount(asked, order->held).text);
}

// Returns what they hold together.
static money_sum tell_holders(const struct asked *asked)
{
    json_t *array = explain_array(asked->answer->root, "open_orders");
    money_sum held = 0;
    explain_say(asked->answer, "\nOpen orders that hold it now");
    for (size_t i = 0; i < asked->view.count; i++) {
        const struct order_rec *order = explain_view_order_at(&asked->view, i, NULL);
        if (order == NULL || order->account != asked->account ||
            postings_held_asset(&asked->terms[order->instrument], order->side) != asked->asset)
            continue;
        tell_holder(asked, order, array);
        held += order->held;
    }
    if (json_array_size(array) == 0)
        explain_say(asked->answer, "  none");
    return held;
}

// What the account's approval of the instruction at this place holds: its legs are behind it.
static int64_t held_by_instruction(const struct asked *asked, const struct snapshot_record *record)
{
    const struct xvp_rec *xvp = &record->body.xvp;
    bool approved = false;
    int64_t net = 0;
    for (uint32_t i = 0; i < xvp->leg_count; i++) {
        const struct xvp_leg_rec *leg = &record[1 + i].body.xvp_leg;
        bool gives = leg->from_account == asked->account;
        bool gets = leg->to_account == asked->account;
        approved |= gives && (xvp->approved >> i & 1) != 0;
        if (leg->asset == asked->asset)
            net += (gets ? leg->amount : 0) - (gives ? leg->amount : 0);
    }
    return approved && net < 0 ? -net : 0;
}

static money_sum tell_instructions(const struct asked *asked)
{
    json_t *array = explain_array(asked->answer->root, "settlement_instructions");
    money_sum held = 0;
    for (size_t i = 0; i < asked->view.count; i++) {
        const struct snapshot_record *record = &asked->view.records[i];
        int64_t holds = record->header.type == REC_xvp ? held_by_instruction(asked, record) : 0;
        if (holds == 0)
            continue;
        json_t *object = explain_element(array);
        explain_set_number(object, "xvp", record->body.xvp.xvp);
        explain_set(object, "held", "%s", amount(asked, holds).text);
        explain_say(asked->answer, "  settlement instruction %" PRIu64 " holds %s",
                    record->body.xvp.xvp, amount(asked, holds).text);
        held += holds;
    }
    return held;
}

static bool agrees(const struct amounts *sum, const struct balance_rec *balance)
{
    return sum->available == balance->available && sum->held == balance->held &&
           sum->unsettled == balance->unsettled && sum->blocked == balance->blocked;
}

static int tell_check(const struct asked *asked, const struct balance_rec *balance, money_sum held)
{
    bool good = agrees(&asked->now, balance) && held == balance->held;
    ASSERT(json_object_set_new(asked->answer->root, "adds_up", json_boolean(good)) == 0);
    if (good) {
        explain_say(
            asked->answer,
            "\nIt adds up: the postings are the engine's balance, the orders what is held.");
        return EXPLAIN_ANSWERED;
    }
    explain_say(asked->answer,
                "\nIt does NOT add up: the postings or the orders give another balance.");
    fputs("lonja-explain: the postings do not add up to the engine's balance\n", stderr);
    return EXPLAIN_CORRUPT;
}

static int tell(struct asked *asked, const struct replay *replay)
{
    struct balance_rec balance = {.account = asked->account, .asset = asked->asset};
    bool there = engine_balance(replay->engine, asked->account, asked->asset, &balance);
    explain_view_take(&asked->view, replay->engine, &replay->limits);
    if (asked->asset == 0 || explain_view_asset(&asked->view, asked->asset) == NULL) {
        fprintf(stderr, "lonja-explain: there is no asset %s\n", asked->symbol);
        return EXPLAIN_NONE;
    }
    if (!there && explain_view_account(&asked->view, asked->account) == NULL) {
        fprintf(stderr, "lonja-explain: there is no account %u\n", asked->account);
        return EXPLAIN_NONE;
    }
    json_t *root = asked->answer->root;
    const char *symbol = explain_view_asset(&asked->view, asked->asset)->symbol;
    explain_set_number(root, "account", asked->account);
    explain_set_number(root, "asset", asked->asset);
    explain_set(root, "symbol", "%.*s", SYMBOL_BYTES_MAX, symbol);
    explain_set_number(root, "as_of", replay->sequence);
    amounts_json(
        asked, explain_object(root, "balance"),
        &(struct amounts){balance.available, balance.held, balance.unsettled, balance.blocked});
    explain_say(asked->answer, "Account %u, %.*s (asset %u), as of sequence %" PRIu64 ", %s",
                asked->account, SYMBOL_BYTES_MAX, symbol, asked->asset, replay->sequence,
                explain_time(engine_time_ns(replay->engine)).text);
    say_amounts(
        asked, " ",
        &(struct amounts){balance.available, balance.held, balance.unsettled, balance.blocked});
    if (balance.deficit != 0) {
        explain_set(root, "deficit", "%s", amount(asked, balance.deficit).text);
        explain_say(asked->answer, "  deficit %s", amount(asked, balance.deficit).text);
    }
    tell_postings(asked);
    tell_totals(asked);
    money_sum held = tell_holders(asked);
    return tell_check(asked, &balance, held + tell_instructions(asked));
}

static void forget(struct asked *asked)
{
    for (uint64_t i = 0; i < asked->limit; i++)
        free(asked->ring[i].text);
    free(asked->ring);
    free(asked->terms);
    explain_view_free(&asked->view);
}

static uint32_t number_of(const char *asset)
{
    char *end;
    unsigned long number = strtoul(asset, &end, 10);
    return *asset >= '0' && *asset <= '9' && *end == 0 && number <= UINT32_MAX ? (uint32_t)number
                                                                               : 0;
}

int explain_balance(struct explain_answer *answer, struct explain_journal *journal,
                    uint32_t account, const char *asset, const struct explain_options *options)
{
    struct asked asked = {.answer = answer,
                          .account = account,
                          .asset = number_of(asset),
                          .symbol = asset,
                          .from = options->from,
                          .limit = options->limit};
    const struct explain_walk nothing = {0};
    const struct explain_walk walk = {.after = after_command, .context = &asked};
    asked.ring = calloc(asked.limit + 1, sizeof *asked.ring);
    ASSERT(asked.ring != NULL);
    int result =
        explain_journal_start(journal, options->from > 0 ? options->from - 1 : 0, UINT64_MAX);
    if (result == 0 && options->from > 1)
        result = explain_journal_run_to(journal, options->from - 1, &nothing);
    if (result == 0) {
        begin(&asked, &journal->replay);
        result = explain_journal_run(journal, UINT64_MAX, &walk);
    }
    if (result == 0)
        result = tell(&asked, &journal->replay);
    forget(&asked);
    return result;
}
