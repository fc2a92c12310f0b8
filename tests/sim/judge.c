#include "tests/sim/judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/map.h"
#include "risk/postings.h"
#include "tests/model/naive_venue.h"
#include "tests/sim/index_store.h"
#include "tests/sim/postgres.h"
#include "tests/sim/story.h"
#include "tests/sim/universe.h"

enum { ORDERS_MAX = 1 << 16 };

static struct {
    struct naive_venue naive;
    struct balance_rec folded[ACCOUNTS_MAX + 1][ASSETS_MAX + 1];
    struct posting_terms terms[INSTRUMENTS + 1];
    struct map filled;  // order -> filled so far
    struct map ordered; // order -> its quantity
    uint64_t orders[ORDERS_MAX];
    uint32_t order_count;
    uint64_t trades;
} judge;

void judge_begin(const struct engine_limits *limits)
{
    map_init(&judge.filled);
    map_init(&judge.ordered);
    judge.naive.limits = (struct naive_limits){.orders = limits->orders_max,
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
    judge.naive.state = VENUE_CANCEL_ONLY;
}

static uint32_t instrument_of(const struct event *event)
{
    switch (event->header.type) {
    case EVT_order_accepted:
        return event->body.order_accepted.instrument;
    case EVT_trade:
        return event->body.trade.instrument;
    case EVT_order_cancelled:
        return event->body.order_cancelled.instrument;
    case EVT_order_amended:
        return event->body.order_amended.instrument;
    case EVT_order_reduced:
        return event->body.order_reduced.instrument;
    case EVT_settlement_booked:
        return event->body.settlement_booked.instrument;
    default:
        return 0;
    }
}

static void fold(const struct event *event)
{
    struct posting postings[POSTINGS_MAX];
    int64_t sums[ASSETS_MAX + 1] = {0};
    uint32_t instrument = instrument_of(event);
    int count = postings_of(event, instrument == 0 ? NULL : &judge.terms[instrument], postings);
    for (int i = 0; i < count; i++) {
        const struct posting *posting = &postings[i];
        struct balance_rec *balance = &judge.folded[posting->account][posting->asset];
        balance->available += posting->available;
        balance->held += posting->held;
        balance->unsettled += posting->unsettled;
        balance->blocked += posting->blocked;
        balance->deficit += posting->deficit;
        sums[posting->asset] += posting->available + posting->held;
    }
    for (uint32_t asset = 1; asset <= ASSETS_MAX; asset++)
        LAW(sums[asset] == 0, "the postings of event %llu.%u make %lld of asset %u",
            (unsigned long long)event->header.sequence, event->header.index, (long long)sums[asset],
            asset);
}

static void fill(uint64_t order, int64_t quantity)
{
    uint64_t filled = 0, ordered = 0;
    (void)map_get(&judge.filled, order, &filled);
    LAW(map_get(&judge.ordered, order, &ordered), "order %llu trades and was never accepted",
        (unsigned long long)order);
    filled += (uint64_t)quantity;
    LAW(filled <= ordered, "order %llu has filled %llu of %llu", (unsigned long long)order,
        (unsigned long long)filled, (unsigned long long)ordered);
    map_put(&judge.filled, order, filled);
}

static void judge_event(const struct event *event)
{
    if (event->header.type == EVT_instrument_changed) {
        const struct instrument_changed_evt *terms = &event->body.instrument_changed;
        judge.terms[terms->instrument] = (struct posting_terms){.token_asset = terms->token_asset,
                                                                .cash_asset = terms->cash_asset,
                                                                .token_scale = terms->token_scale};
    }
    if (event->header.type == EVT_order_accepted) {
        ASSERT(judge.order_count < ORDERS_MAX);
        judge.orders[judge.order_count++] = event->body.order_accepted.order;
        map_put(&judge.ordered, event->body.order_accepted.order,
                (uint64_t)event->body.order_accepted.quantity);
    }
    if (event->header.type == EVT_trade) {
        judge.trades++;
        fill(event->body.trade.maker_order, event->body.trade.quantity);
        fill(event->body.trade.taker_order, event->body.trade.quantity);
        postgres_judge_trade(event);
    }
    if (event->header.type == EVT_settlement_booked)
        postgres_judge_booked(&event->body.settlement_booked);
    if (event->header.type == EVT_ledger_posted &&
        event->body.ledger_posted.ref_source == REF_INDEX)
        index_judge_posted(&event->body.ledger_posted);
    fold(event);
}

void judge_apply(const struct command *command, const struct event *events, uint32_t count)
{
    naive_apply(&judge.naive, command);
    LAW(judge.naive.event_count == count,
        "the rulebook makes %u events of command %llu, the engine %u", judge.naive.event_count,
        (unsigned long long)command->header.sequence, count);
    for (uint32_t i = 0; i < count; i++) {
        LAW(memcmp(&judge.naive.events[i], &events[i], sizeof events[i]) == 0,
            "event %llu.%u (%s) is not what the rulebook says",
            (unsigned long long)command->header.sequence, i, event_name(events[i].header.type));
        judge_event(&events[i]);
    }
}

static int64_t open_quantity(uint64_t order)
{
    for (uint32_t i = 0; i < judge.naive.order_top; i++)
        if (judge.naive.orders[i].id == order)
            return judge.naive.orders[i].leaves;
    return 0;
}

static void judge_orders(void)
{
    for (uint32_t i = 0; i < judge.order_count; i++) {
        uint64_t filled = 0;
        (void)map_get(&judge.filled, judge.orders[i], &filled);
        postgres_judge_order(judge.orders[i], (int64_t)filled, open_quantity(judge.orders[i]));
    }
}

void judge_end(const struct engine *engine)
{
    for (uint32_t account = 1; account <= ACCOUNTS_MAX; account++)
        for (uint32_t asset = 1; asset <= ASSETS_MAX; asset++) {
            struct balance_rec is = {0}, folded = judge.folded[account][asset];
            if (!engine_balance(engine, account, asset, &is))
                is = (struct balance_rec){0};
            folded.account = is.account;
            folded.asset = is.asset;
            LAW(memcmp(&is, &folded, sizeof is) == 0,
                "account %u, asset %u: the engine has %lld + %lld, the postings make %lld + %lld",
                account, asset, (long long)is.available, (long long)is.held,
                (long long)folded.available, (long long)folded.held);
            postgres_judge_balance(account, asset, &folded);
        }
    for (unsigned client = 0; client < CLIENTS; client++)
        postgres_judge_wallet(client,
                              &judge.folded[universe_account(client)][INSTRUMENT_ON_CHAIN + 1]);
    judge_orders();
    postgres_judge_end();
    index_judge_end();
}

uint64_t judge_trades(void)
{
    return judge.trades;
}
