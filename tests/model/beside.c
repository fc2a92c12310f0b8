#include "tests/model/beside.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "risk/postings.h"

// ---- what a difference looks like

void beside_fail(const struct beside *beside, const char *what)
{
    char text[1024];
    fprintf(stderr, "%s: %s\n", beside->program, what);
    for (uint32_t i = 0; i < beside->sink.count; i++) {
        (void)event_dump(&beside->events[i], text, sizeof(text));
        fprintf(stderr, "engine:  %s\n", text);
    }
    for (uint32_t i = 0; i < beside->naive.event_count; i++) {
        (void)event_dump(&beside->naive.events[i], text, sizeof(text));
        fprintf(stderr, "naive:   %s\n", text);
    }
    abort();
}

// An assertion in the engine says where, but not after which command.
static const struct beside *opened;
static struct sigaction before_us; // a fuzzer keeps what it tried

static void tell_orders(const struct naive_venue *naive)
{
    static const char *const names[] = {"new", "book", "stop", "triggered", "for the close"};
    for (uint32_t i = 0; i < naive->order_top; i++) {
        const struct naive_order *order = &naive->orders[i];
        if (order->id != 0)
            fprintf(stderr,
                    "order:   %" PRIu64 " instrument %u %s %s type %u tif %u price %" PRId64
                    " leaves %" PRId64 " shown %" PRId64 " stop %" PRId64 " place %" PRIu64 "\n",
                    order->id, order->instrument, order->side == SIDE_BUY ? "buy" : "sell",
                    names[order->state], order->type, order->tif, order->price, order->leaves,
                    order->shown, order->stop_price, order->place);
    }
}

static void tell_aborted(int number)
{
    char text[1024];
    (void)command_dump(&opened->command, text, sizeof(text));
    fprintf(stderr, "%s: seed %" PRIu64 ", command %" PRIu64 "\n%s\n", opened->program,
            opened->seed, opened->sequence, text);
    tell_orders(&opened->naive);
    if (opened->on_abort != NULL)
        opened->on_abort();
    (void)sigaction(number, &before_us, NULL);
    (void)raise(number);
}

static void check_events(const struct beside *beside)
{
    const struct naive_venue *naive = &beside->naive;
    if (beside->sink.count != naive->event_count)
        beside_fail(beside, "another number of events");
    for (uint32_t i = 0; i < naive->event_count; i++)
        if (memcmp(&beside->events[i], &naive->events[i], sizeof(struct event)) != 0)
            beside_fail(beside, "another event");
}

// ---- balances

static struct posting_terms terms_of(const struct beside *beside, const struct event *event)
{
    uint32_t instrument = 0;
    switch (event->header.type) {
    case EVT_trade:
        instrument = event->body.trade.instrument;
        break;
    case EVT_settlement_booked:
        instrument = event->body.settlement_booked.instrument;
        break;
    case EVT_order_accepted:
        instrument = event->body.order_accepted.instrument;
        break;
    case EVT_order_cancelled:
        instrument = event->body.order_cancelled.instrument;
        break;
    case EVT_order_amended:
        instrument = event->body.order_amended.instrument;
        break;
    case EVT_order_reduced:
        instrument = event->body.order_reduced.instrument;
        break;
    case EVT_order_triggered:
        instrument = event->body.order_triggered.instrument;
        break;
    case EVT_trade_corrected:
        instrument = event->body.trade_corrected.instrument;
        break;
    default:
        break;
    }
    const struct instrument_rec *terms = &beside->naive.instruments[instrument].terms;
    return (struct posting_terms){.token_asset = terms->token_asset,
                                  .cash_asset = terms->cash_asset,
                                  .token_scale = terms->token_scale};
}

static void fold_postings(struct beside *beside, const struct event *event)
{
    struct posting postings[POSTINGS_MAX];
    int64_t sums[NAIVE_ASSETS] = {0};
    struct posting_terms terms = terms_of(beside, event);
    int count = postings_of(event, &terms, postings);
    for (int i = 0; i < count; i++) {
        struct balance_rec *balance = &beside->folded[postings[i].account][postings[i].asset];
        balance->available += postings[i].available;
        balance->held += postings[i].held;
        balance->unsettled += postings[i].unsettled;
        balance->blocked += postings[i].blocked;
        balance->deficit += postings[i].deficit;
        sums[postings[i].asset] += postings[i].available + postings[i].held;
    }
    for (int asset = 0; asset < NAIVE_ASSETS; asset++)
        if (sums[asset] != 0)
            beside_fail(beside, "an event's postings do not sum to zero");
}

static bool balance_equal(const struct balance_rec *a, const struct balance_rec *b)
{
    return a->available == b->available && a->held == b->held && a->unsettled == b->unsettled &&
           a->blocked == b->blocked && a->deficit == b->deficit;
}

static void check_balances(const struct beside *beside)
{
    for (uint32_t account = 1; account < NAIVE_ACCOUNTS; account++)
        for (uint32_t asset = 1; asset < NAIVE_ASSETS; asset++) {
            struct balance_rec balance = {0};
            (void)engine_balance(beside->engine, account, asset, &balance);
            if (!balance_equal(&balance, &beside->naive.balances[account][asset]))
                beside_fail(beside, "another balance");
            if (!balance_equal(&balance, &beside->folded[account][asset]))
                beside_fail(beside, "another balance by folding postings");
        }
}

void beside_check(struct beside *beside)
{
    check_balances(beside);
    beside_check_money(beside);
    engine_check(beside->engine);
}

// ---- the twin

static int keep_record(void *context, const struct snapshot_record *record)
{
    struct beside *beside = context;
    if (beside->record_count == BESIDE_RECORDS)
        return 1;
    beside->records[beside->record_count++] = *record;
    return 0;
}

static void make_twin(struct beside *beside)
{
    uint32_t other = 1 - beside->memory_used;
    memset(beside->memory[other], 0, beside->engine_size);
    beside->twin = engine_init(beside->memory[other], &beside->limits);
    beside->record_count = 0;
    beside->twin_events = 0;
    if (engine_save(beside->engine, keep_record, beside) != 0)
        beside_fail(beside, "too many snapshot records for the test");
    for (uint32_t i = 0; i < beside->record_count; i++)
        if (!engine_load(beside->twin, &beside->records[i]))
            beside_fail(beside, "a snapshot record is refused");
    if (engine_digest(beside->twin) != engine_digest(beside->engine) ||
        engine_digest(beside->twin) != beside->records[0].body.meta.state_digest)
        beside_fail(beside, "another digest after load");
    engine_check(beside->twin);
    beside->coverage.snapshots++;
    beside->coverage.snapshots_of_pending += beside->naive.pending.work != NAIVE_NOTHING;
}

// The twin must go on exactly as the engine; after some events it takes the engine's place.
static void apply_twin(struct beside *beside)
{
    struct event_sink sink = {.events = beside->twin_sink, .mask = NAIVE_EVENTS - 1};
    engine_apply(beside->twin, &beside->command, &sink);
    if (sink.count != beside->sink.count ||
        memcmp(beside->twin_sink, beside->events, sink.count * sizeof(struct event)) != 0)
        beside_fail(beside, "another event after load");
    beside->twin_events += sink.count;
    if (beside->twin_events < beside->twin_lives)
        return;
    if (engine_digest(beside->twin) != engine_digest(beside->engine))
        beside_fail(beside, "another digest some time after load");
    beside->engine = beside->twin;
    beside->memory_used = 1 - beside->memory_used;
    beside->twin = NULL;
}

// ---- coverage

static void cover_accepted(struct beside *beside, const struct order_accepted_evt *order,
                           uint8_t phase)
{
    struct coverage *coverage = &beside->coverage;
    coverage->accepted[phase]++;
    coverage->types[order->type]++;
    coverage->tifs[order->tif]++;
    coverage->states[order->state]++;
    uint32_t member = beside->naive.accounts[order->account].member;
    bool strict = (beside->naive.of_members[member].limits.flags & LIMIT_STRICT_CONFIRM) != 0;
    coverage->confirmed +=
        strict && (order->flags & (ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV)) != 0;
}

static void cover_event(struct beside *beside, const struct event *event)
{
    struct coverage *coverage = &beside->coverage;
    coverage->events[event->header.type]++;
    beside_cover_money(beside, event);
    switch (event->header.type) {
    case EVT_rejected:
        coverage->rejects[event->body.rejected.code]++;
        if (event->body.rejected.code == REJECT_CONFIRM_REF)
            coverage->wrong_confirms[event->body.rejected.argument]++;
        break;
    case EVT_kill_changed:
        coverage->kills[event->body.kill_changed.scope]++;
        break;
    case EVT_order_cancelled:
        coverage->cancels[event->body.order_cancelled.reason]++;
        break;
    case EVT_order_amended:
        coverage->kept += event->body.order_amended.priority_kept;
        coverage->lost += event->body.order_amended.priority_kept == 0;
        break;
    case EVT_order_terms:
        coverage->icebergs += event->body.order_terms.display_quantity != 0;
        coverage->minimums += event->body.order_terms.minimum_quantity != 0;
        break;
    case EVT_order_triggered:
        coverage->trailed += event->body.order_triggered.released != 0;
        break;
    case EVT_trade:
        coverage->auction_trades += event->body.trade.kind == TRADE_AUCTION;
        break;
    default:
        break;
    }
}

// The mode of the order that entered: of a plain new order only.
static void cover_prevented(struct beside *beside)
{
    uint8_t type = beside->command.header.type;
    bool prevented = false;
    for (uint32_t i = 0; i < beside->sink.count; i++) {
        const struct event *event = &beside->events[i];
        prevented |= event->header.type == EVT_order_reduced ||
                     (event->header.type == EVT_order_cancelled &&
                      event->body.order_cancelled.reason == CANCEL_SELF_TRADE);
    }
    if (prevented && (type == CMD_order_new || type == CMD_order_new_terms))
        beside->coverage.prevented[beside->command.body.order_new.stp]++;
}

// What was there before the command.
struct before {
    uint64_t now;
    uint8_t phases[NAIVE_INSTRUMENTS];
    uint64_t limit_state_ends[NAIVE_INSTRUMENTS];
};

static struct before before_of(const struct beside *beside)
{
    struct before before = {.now = beside->naive.now};
    for (uint32_t i = 0; i < NAIVE_INSTRUMENTS; i++) {
        before.phases[i] = beside->naive.instruments[i].state.phase;
        before.limit_state_ends[i] = beside->naive.instruments[i].state.limit_state_end_ns;
    }
    return before;
}

static void cover_states(struct beside *beside, const struct before *before)
{
    struct coverage *coverage = &beside->coverage;
    for (uint32_t i = 1; i < NAIVE_INSTRUMENTS; i++) {
        const struct instrument_state_rec *state = &beside->naive.instruments[i].state;
        bool limited = before->limit_state_ends[i] != 0;
        bool ends = limited && state->limit_state_end_ns == 0;
        coverage->phase_changes[before->phases[i]][state->phase]++;
        coverage->limit_states += !limited && state->limit_state_end_ns != 0;
        coverage->traded_out += ends && state->phase == PHASE_CONTINUOUS;
        coverage->timed_out += ends && state->phase == PHASE_VOLATILITY_AUCTION;
    }
    const uint64_t day_ns = 86400000000000;
    coverage->days += beside->naive.now / day_ns != before->now / day_ns;
}

static void cover(struct beside *beside, const struct before *before)
{
    beside->coverage.commands[beside->command.header.type]++;
    for (uint32_t i = 0; i < beside->sink.count; i++) {
        const struct event *event = &beside->events[i];
        cover_event(beside, event);
        if (event->header.type == EVT_order_accepted)
            cover_accepted(beside, &event->body.order_accepted,
                           before->phases[event->body.order_accepted.instrument]);
    }
    cover_prevented(beside);
    cover_states(beside, before);
}

// ---- laws that neither venue's code knows

// Fill or kill is filled, or nothing is.
static void check_fill_or_kill(const struct beside *beside)
{
    const struct order_new_cmd *body = &beside->command.body.order_new;
    uint8_t type = beside->command.header.type;
    int64_t traded = 0;
    if ((type != CMD_order_new && type != CMD_order_new_terms) || body->tif != TIF_FOK ||
        beside->events[0].header.type != EVT_order_accepted)
        return;
    for (uint32_t i = 0; i < beside->sink.count; i++)
        if (beside->events[i].header.type == EVT_trade &&
            beside->events[i].body.trade.taker_order == beside->sequence)
            traded += beside->events[i].body.trade.quantity;
    bool full = beside->coverage.cancels[CANCEL_LIMIT] != 0; // a ledger's counter may end it
    if (traded != 0 && traded != body->quantity && !full)
        beside_fail(beside, "a fill-or-kill order was filled in part");
}

// ---- applying

void beside_mix_digest(struct beside *beside, uint64_t word)
{
    beside->digest = (beside->digest ^ word) * 0x100000001b3u;
    beside->digest ^= beside->digest >> 29;
}

static void mix_events(struct beside *beside)
{
    for (uint32_t i = 0; i < beside->sink.count; i++)
        for (uint32_t k = 0; k < EVENT_BYTES / 8; k++) {
            uint64_t word = 0;
            memcpy(&word, (const uint8_t *)&beside->events[i] + k * 8, sizeof(word));
            beside_mix_digest(beside, word);
        }
}

static void check_now_and_then(struct beside *beside)
{
    if (beside->twin != NULL)
        apply_twin(beside);
    else if (beside->twin_every != 0 &&
             (beside->sequence % beside->twin_every == 0 ||
              (beside->naive.pending.work != NAIVE_NOTHING && beside->sequence % 4 == 0)))
        make_twin(beside);
    if (beside->balances_every != 0 && beside->sequence % beside->balances_every == 0) {
        check_balances(beside);
        beside_check_money(beside);
    }
    if (beside->check_every != 0 && beside->sequence % beside->check_every == 0) {
        engine_check(beside->engine);
        beside_mix_digest(beside, engine_digest(beside->engine));
    }
    if (engine_open_orders(beside->engine) != naive_open_orders(&beside->naive))
        beside_fail(beside, "another number of open orders");
    if (beside->naive.pending.work == NAIVE_NOTHING &&
        engine_next_deadline_ns(beside->engine) != naive_deadline(&beside->naive))
        beside_fail(beside, "another deadline");
}

static void apply_one(struct beside *beside)
{
    struct command_header *header = &beside->command.header;
    struct before before = before_of(beside);
    header->sequence = ++beside->sequence;
    header->time_ns = ++beside->now;
    if (!command_check(&beside->command))
        beside_fail(beside, "the test made a malformed command");
    beside->sink.count = 0;
    engine_apply(beside->engine, &beside->command, &beside->sink);
    naive_apply(&beside->naive, &beside->command);
    check_events(beside);
    for (uint32_t i = 0; i < beside->sink.count; i++) {
        fold_postings(beside, &beside->events[i]);
        if (beside->follow != NULL)
            beside->follow(beside->follower, &beside->events[i]);
    }
    mix_events(beside);
    cover(beside, &before);
    check_fill_or_kill(beside);
    check_now_and_then(beside);
}

void beside_apply(struct beside *beside)
{
    struct command next;
    apply_one(beside);
    while (engine_continuation(beside->engine, &next)) {
        beside->coverage.killed_on += beside->naive.pending.work == NAIVE_KILL &&
                                      beside->command.header.type == CMD_order_mass_cancel;
        memset(&beside->command, 0, sizeof(beside->command));
        memcpy(&beside->command, &next, (size_t)next.header.slots * SLOT_BYTES);
        if (!naive_continues_with(&beside->naive, &beside->command))
            beside_fail(beside, "a continuation that is not expected");
        beside->coverage.continuations[next.header.type]++;
        if (next.header.type == CMD_continue_work)
            beside->coverage.works[next.body.continue_work.work]++;
        apply_one(beside);
    }
    if (beside->naive.pending.work != NAIVE_NOTHING)
        beside_fail(beside, "no continuation");
}

void beside_ticks(struct beside *beside, uint64_t time_ns)
{
    uint64_t deadline = 0;
    while ((deadline = naive_deadline(&beside->naive)) <= time_ns) {
        struct command *command = beside_start(beside, CMD_clock_tick, GATEWAY_CORE);
        command->body.clock_tick.deadline_ns = deadline;
        if (beside->now + 1 < deadline)
            beside->now = deadline - 1;
        beside_apply(beside);
    }
}

struct command *beside_start(struct beside *beside, uint8_t type, uint8_t gateway)
{
    memset(&beside->command, 0, sizeof(beside->command));
    beside->command.header = (struct command_header){.slots = command_slots(type, 0),
                                                     .type = type,
                                                     .version = SCHEMA_VERSION,
                                                     .gateway = gateway,
                                                     .incarnation = beside->incarnations[gateway],
                                                     .gateway_seq = ++beside->gateway_seq};
    return &beside->command;
}

void beside_open(struct beside *beside, const struct engine_limits *limits)
{
    opened = beside;
    (void)sigaction(SIGABRT, &(struct sigaction){.sa_handler = tell_aborted}, &before_us);
    beside->limits = *limits;
    beside->engine_size = engine_bytes(limits);
    ASSERT(beside->engine_size != 0);
    ASSERT(limits->command_events_max <= NAIVE_EVENTS);
    for (int i = 0; i < 2; i++) {
        beside->memory[i] = aligned_alloc(64, (beside->engine_size + 63) / 64 * 64);
        ASSERT(beside->memory[i] != NULL);
        memset(beside->memory[i], 0, beside->engine_size);
    }
    beside->engine = engine_init(beside->memory[0], limits);
    beside->sink = (struct event_sink){.events = beside->events, .mask = NAIVE_EVENTS - 1};
    beside->naive.limits = (struct naive_limits){.orders = limits->orders_max,
                                                 .levels = limits->levels_max,
                                                 .stops = limits->stops_max,
                                                 .trailing_stops = limits->trailing_stops_max,
                                                 .events = limits->command_events_max,
                                                 .accounts = limits->accounts_max,
                                                 .members = limits->members_max,
                                                 .sessions = limits->sessions_max,
                                                 .session_accounts = limits->session_accounts_max,
                                                 .assets = limits->assets_max,
                                                 .instruments = limits->instruments_max,
                                                 .balances = limits->balances_max,
                                                 .fees = limits->fees_max};
    ASSERT(limits->orders_max + 2 <= NAIVE_ORDERS && limits->fees_max <= NAIVE_FEES);
    beside->naive.state = VENUE_CANCEL_ONLY;
}

void beside_close(struct beside *beside)
{
    free(beside->memory[0]);
    free(beside->memory[1]);
}
