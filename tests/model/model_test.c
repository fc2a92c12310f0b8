// Model test: random commands to the engine and to the naive venue; every event must be the same,
// and so must all balances, the balances that follow from folding the postings of all events, and
// the answers of an engine that was loaded from a snapshot on the way.
//
//   model_test [--seed N] [--commands N]
//
// A failure prints the seed and the number of the command: the same seed fails at the same place.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "matcher/engine.h"
#include "risk/postings.h"
#include "tests/model/naive_venue.h"

enum {
    ACCOUNT_FIRST = 16,
    ACCOUNT_COUNT = 8,
    SESSION_COUNT = 4,
    INSTRUMENT_COUNT = 3,
    CASH = 1,
    TRADES = 256, // that wait for settlement
    RECORDS = 4096,
    TWIN_EVERY = 40000, // commands between snapshots
    TWIN_EVENTS = 10000,
};

struct open_trade {
    struct settlement_result_cmd result; // as it would be settled
    bool failed;
};

struct test {
    uint64_t seed, random, commands;
    struct naive_venue naive;
    struct engine_limits limits;
    void *memory[2];
    uint32_t memory_used; // which of the two the engine lives in
    struct engine *engine;
    struct engine *twin; // loaded from a snapshot of the engine; NULL = none now
    uint64_t twin_events;
    struct event events[NAIVE_EVENTS], twin_sink[NAIVE_EVENTS];
    struct event_sink sink;
    struct balance_rec folded[NAIVE_ACCOUNTS][NAIVE_ASSETS];
    struct snapshot_record records[RECORDS];
    uint32_t record_count;
    struct open_trade trades[TRADES];
    uint32_t trade_count;
    uint64_t sequence, settle_number, post_number;
    uint32_t incarnations[GATEWAY_COUNT];
    uint64_t gateway_seq;
    uint64_t counts[EVT_COUNT], rejects[REJECT_CODE_MAX + 1], continuations;
    int64_t middle[INSTRUMENT_COUNT + 1]; // ticks
    struct command command;
};

static const struct instrument_rec instruments[INSTRUMENT_COUNT] = {
    {.instrument = 1,
     .token_asset = 2,
     .token_scale = 2,
     .tick = 10000,
     .lot = 1,
     .flags = INSTRUMENT_SELL_UNSETTLED,
     .fat_finger_block_bps = 5000,
     .fat_finger_confirm_bps = 1000,
     .nav_confirm_bps = 2000,
     .collar_bps = 900,
     .fee_bps = 25,
     .breaker_bps = 600,
     .order_quantity_max = 5000,
     .order_notional_max = 6000000000},
    {.instrument = 2,
     .token_asset = 3,
     .token_scale = 0,
     .tick = 7000,
     .lot = 3,
     .collar_bps = 300,
     .fat_finger_confirm_bps = 100,
     .fee_bps = 7,
     .order_quantity_max = 0},
    {.instrument = 3,
     .token_asset = 4,
     .token_scale = 8,
     .tick = 100,
     .lot = 1000000,
     .flags = INSTRUMENT_NAV_REQUIRED,
     .nav_confirm_bps = 30,
     .collar_bps = 12000,
     .fee_bps = 9999},
};

// ---- failing, and random numbers
// -------------------------------------------------------------------------

static void fail(const struct test *test, const char *what)
{
    char text[1024];
    fprintf(stderr, "model_test: %s; seed %" PRIu64 ", command %" PRIu64 "\n", what, test->seed,
            test->sequence);
    (void)command_dump(&test->command, text, sizeof(text));
    fprintf(stderr, "command: %s\n", text);
    for (uint32_t i = 0; i < test->sink.count; i++) {
        (void)event_dump(&test->events[i], text, sizeof(text));
        fprintf(stderr, "engine:  %s\n", text);
    }
    for (uint32_t i = 0; i < test->naive.event_count; i++) {
        (void)event_dump(&test->naive.events[i], text, sizeof(text));
        fprintf(stderr, "naive:   %s\n", text);
    }
    exit(1);
}

static uint64_t draw(struct test *test)
{
    test->random += 0x9e3779b97f4a7c15u;
    uint64_t x = test->random;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint32_t below(struct test *test, uint32_t bound)
{
    return (uint32_t)((draw(test) >> 32) * bound >> 32);
}

static bool chance(struct test *test, uint32_t one_in)
{
    return below(test, one_in) == 0;
}

// ---- commands
// -------------------------------------------------------------------------------------------

static struct command *start(struct test *test, uint8_t type, uint8_t gateway)
{
    memset(&test->command, 0, sizeof(test->command));
    test->command.header = (struct command_header){.slots = command_slots(type, 0),
                                                   .type = type,
                                                   .version = SCHEMA_VERSION,
                                                   .gateway = gateway,
                                                   .incarnation = test->incarnations[gateway],
                                                   .gateway_seq = ++test->gateway_seq};
    return &test->command;
}

static uint8_t gateway_of(uint32_t session)
{
    return session <= 2 ? GATEWAY_FIX : GATEWAY_WEB;
}

// A command of a session: mostly by its gateway, with a client id of up to 36 bytes (0: rarely).
static struct command *start_session(struct test *test, uint8_t type, uint32_t session)
{
    uint8_t gateway = gateway_of(session);
    if (chance(test, 200))
        gateway = GATEWAY_FIX + GATEWAY_WEB - gateway;
    struct command *command = start(test, type, gateway);
    command->header.session = chance(test, 300) ? below(test, 12) : session;
    command->header.session_seq = gateway == GATEWAY_FIX ? (uint32_t)test->gateway_seq : 0;
    if (chance(test, 500))
        command->header.incarnation++;
    return command;
}

static void client_id(struct test *test, struct command *command, uint8_t *bytes)
{
    *bytes = chance(test, 100) ? 0 : (uint8_t)(1 + below(test, CLIENT_ID_BYTES_MAX));
    command->header.slots = command_slots(command->header.type, *bytes);
    for (uint32_t i = 0; i < *bytes; i++)
        command_tail_writable(command)[i] = (char)('A' + below(test, 26));
}

static uint32_t random_account(struct test *test, uint32_t session)
{
    if (chance(test, 200))
        return below(test, NAIVE_ACCOUNTS + 8);
    return ACCOUNT_FIRST + (session - 1) * 2 + below(test, 2);
}

// Where the market of an instrument is, in ticks. It drifts, and starts again before it is far
// away: reference data must stay valid here, whatever the prices do.
static int64_t *middle_of(struct test *test, uint32_t instrument)
{
    int64_t *middle = &test->middle[instrument];
    int64_t first = (int64_t)100 * 1000000 / instruments[instrument - 1].tick;
    if (*middle < first / 4 || *middle > first * 4)
        *middle = first;
    return middle;
}

static void make_order_new(struct test *test)
{
    uint32_t session = 1 + below(test, SESSION_COUNT);
    struct command *command = start_session(test, CMD_order_new, session);
    struct order_new_cmd *order = &command->body.order_new;
    uint32_t instrument = 1 + below(test, INSTRUMENT_COUNT);
    const struct instrument_rec *terms = &instruments[instrument - 1];
    int64_t *middle = middle_of(test, instrument);
    *middle += (int64_t)below(test, 3) - 1;
    bool buy = chance(test, 2);
    int64_t offset = (int64_t)below(test, 14) - 3;
    int64_t lots = 1 + below(test, chance(test, 20) ? 6000 : instrument == 2 ? 4 : 200);
    order->account = random_account(test, session);
    order->instrument = chance(test, 500) ? below(test, 9) : instrument;
    order->side = buy ? SIDE_BUY : SIDE_SELL;
    order->type = chance(test, 12) ? ORDER_MARKET : ORDER_LIMIT;
    order->tif = chance(test, 6) ? TIF_IOC : chance(test, 2) ? TIF_DAY : TIF_GTC;
    order->flags = (uint8_t)below(test, 4);
    order->price = (*middle + (buy ? -offset : offset)) * terms->tick;
    order->quantity = lots * terms->lot;
    if (chance(test, 25)) // far away
        order->price +=
            (int64_t)below(test, (uint32_t)*middle) * terms->tick * (chance(test, 2) ? 1 : -1);
    if (order->type == ORDER_MARKET)
        order->price = 0;
    client_id(test, command, &order->client_id_bytes);
    if (!chance(test, 60))
        return;
    switch (below(test, 8)) { // one thing wrong
    case 0:
        order->side = (uint8_t)below(test, 5);
        break;
    case 1:
        order->quantity = -(int64_t)below(test, 3);
        break;
    case 2:
        order->type = (uint8_t)below(test, 5);
        break;
    case 3:
        order->tif = (uint8_t)below(test, 6);
        break;
    case 4:
        order->price = order->type == ORDER_MARKET ? 1 : -(int64_t)below(test, 2);
        break;
    case 5:
        order->price += 1;
        break;
    case 6:
        order->quantity += 1;
        break;
    default:
        order->quantity = INT64_MAX / terms->lot * terms->lot;
        break;
    }
}

// An open order and its session; mostly the right account. NULL = there is none.
static const struct naive_order *random_order(struct test *test)
{
    if (test->naive.order_count == 0)
        return NULL;
    return &test->naive.orders[below(test, test->naive.order_count)];
}

static void make_order_cancel(struct test *test)
{
    const struct naive_order *order = random_order(test);
    uint32_t session = order != NULL ? order->session : 1;
    struct command *command = start_session(test, CMD_order_cancel, session);
    struct order_cancel_cmd *cancel = &command->body.order_cancel;
    cancel->order =
        order != NULL && !chance(test, 20) ? order->id : draw(test) % (test->sequence + 2);
    cancel->account =
        order != NULL && !chance(test, 50) ? order->account : random_account(test, session);
    client_id(test, command, &cancel->client_id_bytes);
}

static void make_order_amend(struct test *test)
{
    const struct naive_order *order = random_order(test);
    if (order == NULL) {
        make_order_new(test);
        return;
    }
    struct command *command = start_session(test, CMD_order_amend, order->session);
    struct order_amend_cmd *amend = &command->body.order_amend;
    int64_t lot = instruments[order->instrument - 1].lot;
    amend->order = order->id;
    amend->account = chance(test, 50) ? random_account(test, order->session) : order->account;
    amend->price = order->price + (chance(test, 30) ? 1 : 0);
    amend->quantity = (int64_t)below(test, (uint32_t)(order->quantity / lot) + 2) * lot;
    amend->quantity += chance(test, 30) ? 1 : 0;
    client_id(test, command, &amend->client_id_bytes);
}

static void make_mass_cancel(struct test *test)
{
    uint32_t session = 1 + below(test, SESSION_COUNT);
    struct command *command = start_session(test, CMD_order_mass_cancel, session);
    struct order_mass_cancel_cmd *cancel = &command->body.order_mass_cancel;
    cancel->account = chance(test, 3) ? random_account(test, session) : 0;
    cancel->instrument = chance(test, 3) ? below(test, 7) : 0;
    client_id(test, command, &cancel->client_id_bytes);
}

static void make_session(struct test *test)
{
    uint32_t session = 1 + below(test, SESSION_COUNT + (chance(test, 20) ? 3 : 0));
    bool open = chance(test, 2);
    struct command *command =
        start_session(test, open ? CMD_session_open : CMD_session_close, session);
    if (open)
        command->body.session_open.opened_session = session;
    else
        command->body.session_close = (struct session_close_cmd){
            .closed_session = session,
            .reason = chance(test, 2) ? CANCEL_BY_OWNER : CANCEL_BY_VENUE};
}

static void make_gateway(struct test *test)
{
    uint8_t gateway = chance(test, 2) ? GATEWAY_FIX : GATEWAY_WEB;
    if (chance(test, 3)) {
        struct command *command = start(test, CMD_gateway_detach, GATEWAY_CORE);
        command->body.gateway_detach.gateway_id = gateway;
        command->body.gateway_detach.old_incarnation =
            test->incarnations[gateway] - (chance(test, 4) ? 1 : 0);
        return;
    }
    test->incarnations[gateway] += chance(test, 2) ? 1 : 0;
    start(test, CMD_gateway_attach, gateway);
}

static void make_ledger_post(struct test *test)
{
    struct command *command = start(test, CMD_ledger_post, GATEWAY_ADMIN);
    struct ledger_post_cmd *post = &command->body.ledger_post;
    post->account =
        chance(test, 60) ? below(test, 64) | 16 : ACCOUNT_FIRST + below(test, ACCOUNT_COUNT);
    post->asset = chance(test, 60) ? below(test, 9) : 1 + below(test, INSTRUMENT_COUNT + 1);
    post->kind = (uint8_t)(chance(test, 60) ? below(test, 9) : 1 + below(test, 4));
    int64_t unit = post->asset == CASH ? 1000000 : post->asset == 4 ? 1000000 : 1;
    post->amount = (int64_t)below(test, chance(test, 3) ? 60000 : 9000) * unit;
    if (chance(test, 200))
        post->amount = chance(test, 2) ? INT64_MAX : (int64_t)1 << 61;
    post->ref_source = REF_ADMIN;
    if (!chance(test, 10))
        test->post_number = test->naive.references[REF_ADMIN].number + 1 + below(test, 2);
    post->ref_number = test->post_number - (chance(test, 20) && test->post_number > 0 ? 1 : 0);
    post->ref_hash = post->ref_number * 7 + (chance(test, 30) ? 1 : 0);
}

static void make_settlement(struct test *test)
{
    struct command *command = start(test, CMD_settlement_result, GATEWAY_SETTLE);
    struct settlement_result_cmd *result = &command->body.settlement_result;
    if (chance(test, 20) && test->naive.last_settlement.ref_number != 0) { // again
        *result = test->naive.last_settlement;
        result->quantity += chance(test, 3) ? 1 : 0;
        return;
    }
    if (test->trade_count == 0) {
        start(test, CMD_journal_digest, GATEWAY_CORE);
        return;
    }
    uint32_t at = below(test, test->trade_count);
    struct open_trade *trade = &test->trades[at];
    *result = trade->result;
    result->ref_number = ++test->settle_number;
    if (trade->failed) {
        result->outcome = SETTLEMENT_RETRIED;
        trade->failed = false;
    } else if (chance(test, 4)) {
        result->outcome = SETTLEMENT_FAILED;
        trade->failed = true;
    } else {
        result->outcome = SETTLEMENT_SETTLED;
        *trade = test->trades[--test->trade_count];
    }
    if (chance(test, 100))
        result->quantity *= 1000;
}

static void make_market_data(struct test *test)
{
    uint32_t instrument = 1 + below(test, INSTRUMENT_COUNT);
    int64_t price = (*middle_of(test, instrument) + (int64_t)below(test, 20) - 10) *
                    instruments[instrument - 1].tick;
    struct command *command = NULL;
    switch (below(test, 4)) {
    case 0:
        command = start(test, CMD_nav_set, GATEWAY_ADMIN);
        command->body.nav_set.nav = price + 1;
        command->body.nav_set.instrument = instrument;
        return;
    case 1:
        command = start(test, CMD_reference_set, GATEWAY_ADMIN);
        command->body.reference_set.price = price;
        command->body.reference_set.instrument = instrument;
        return;
    case 2:
        command = start(test, CMD_breaker_set, GATEWAY_ADMIN);
        command->body.breaker_set.tripped = chance(test, 6);
        command->body.breaker_set.instrument = instrument;
        return;
    default:
        command = start(test, CMD_instrument_phase, GATEWAY_ADMIN);
        command->body.instrument_phase.phase =
            chance(test, 8) ? (uint8_t)(1 + below(test, 7)) : PHASE_CONTINUOUS;
        command->body.instrument_phase.instrument = instrument;
        return;
    }
}

static void make_account_set(struct test *test, uint32_t account)
{
    struct command *command = start(test, CMD_account_set, GATEWAY_ADMIN);
    command->body.account_set =
        (struct account_set_cmd){.account = account,
                                 .member = 1 + (account - ACCOUNT_FIRST) / 4,
                                 .kyc = chance(test, 20) ? KYC_PENDING : KYC_APPROVED,
                                 .accreditation = (uint8_t)(1 + account % 3),
                                 .fatca = chance(test, 20) ? FATCA_BLOCKED : FATCA_CLEAR,
                                 .flags = (uint8_t)(ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET |
                                                    (chance(test, 3) ? ACCOUNT_NO_LIMITS : 0)),
                                 .fee_bps = chance(test, 3) ? below(test, 100) : FEE_BPS_DEFAULT};
    if (chance(test, 20))
        command->body.account_set.flags = (uint8_t)below(test, 16);
}

static void make_instrument_set(struct test *test, uint32_t instrument)
{
    struct command *command = start(test, CMD_instrument_set, GATEWAY_ADMIN);
    struct instrument_rec terms = instruments[instrument - 1];
    terms.cash_asset = CASH;
    terms.status = TOKEN_SECONDARY;
    terms.trading_mode = MODE_FULL_ORDERBOOK;
    if (chance(test, 6))
        terms.status = (uint8_t)(1 + below(test, 6));
    if (chance(test, 6))
        terms.trading_mode = (uint8_t)(1 + below(test, 3));
    if (chance(test, 6))
        terms.collar_bps = below(test, 2) * 30000;
    if (chance(test, 3))
        terms.flags ^= INSTRUMENT_SELL_UNSETTLED;
    memcpy(&command->body, &terms, sizeof(terms));
}

static void make_reference_data(struct test *test)
{
    struct command *command = NULL;
    switch (below(test, 8)) {
    case 0:
        command = start(test, CMD_venue_state, GATEWAY_ADMIN);
        command->body.venue_state.state = chance(test, 6) ? VENUE_CANCEL_ONLY : VENUE_OPEN;
        return;
    case 1:
        command = start(test, CMD_member_set, GATEWAY_ADMIN);
        command->body.member_set =
            (struct member_set_cmd){.member = 1 + below(test, 2), .suspended = chance(test, 6)};
        return;
    case 2:
    case 3:
        make_instrument_set(test, 1 + below(test, INSTRUMENT_COUNT));
        return;
    default:
        make_account_set(test, ACCOUNT_FIRST + below(test, ACCOUNT_COUNT));
        return;
    }
}

// Makes one thing that keeps orders out right again, so that most of the time most orders can
// trade.
static bool heal(struct test *test)
{
    const struct naive_venue *naive = &test->naive;
    struct command *command = NULL;
    for (uint8_t gateway = GATEWAY_FIX; gateway <= GATEWAY_WEB; gateway++)
        if (!naive->gateways[gateway].attached) {
            start(test, CMD_gateway_attach, gateway);
            return true;
        }
    if (naive->state != VENUE_OPEN) {
        start(test, CMD_venue_state, GATEWAY_ADMIN)->body.venue_state.state = VENUE_OPEN;
        return true;
    }
    for (uint32_t i = 1; i <= INSTRUMENT_COUNT; i++) {
        const struct instrument_state_rec *state = &naive->states[i];
        if (state->breaker_tripped && state->last_price != 0 &&
            state->reference_price != state->last_price) {
            command = start(test, CMD_reference_set, GATEWAY_ADMIN);
            command->body.reference_set =
                (struct reference_set_cmd){.instrument = i, .price = state->last_price};
            test->middle[i] = state->last_price / instruments[i - 1].tick;
            return true;
        }
        if (state->breaker_tripped) {
            start(test, CMD_breaker_set, GATEWAY_ADMIN)->body.breaker_set.instrument = i;
            return true;
        }
        if (state->phase != PHASE_CONTINUOUS) {
            command = start(test, CMD_instrument_phase, GATEWAY_ADMIN);
            command->body.instrument_phase =
                (struct instrument_phase_cmd){.instrument = i, .phase = PHASE_CONTINUOUS};
            return true;
        }
        if (naive->instruments[i].status != TOKEN_SECONDARY ||
            naive->instruments[i].trading_mode != MODE_FULL_ORDERBOOK) {
            make_instrument_set(test, i);
            return true;
        }
    }
    for (uint32_t member = 1; member <= 2; member++)
        if (naive->members[member].suspended) {
            start(test, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = member;
            return true;
        }
    for (uint32_t i = ACCOUNT_FIRST; i < ACCOUNT_FIRST + ACCOUNT_COUNT; i++)
        if (naive->accounts[i].kyc != KYC_APPROVED || naive->accounts[i].fatca != FATCA_CLEAR ||
            (naive->accounts[i].flags & 7) != (ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET)) {
            make_account_set(test, i);
            return true;
        }
    return false;
}

static void make_command(struct test *test)
{
    if (chance(test, 25) && heal(test))
        return;
    uint32_t r = below(test, 10000);
    bool filling =
        test->sequence / 4096 % 4 == 0; // no cancels: lists grow longer than a command's events
    if (r < 6400 || (filling && r < 8000))
        make_order_new(test);
    else if (r < 8000)
        make_order_cancel(test);
    else if (r < 8700)
        make_order_amend(test);
    else if (r < 9300)
        make_settlement(test);
    else if (r < 9600)
        make_ledger_post(test);
    else if (r < 9620)
        make_mass_cancel(test);
    else if (r < 9660)
        make_session(test);
    else if (r < 9670)
        make_gateway(test);
    else if (r < 9820)
        make_market_data(test);
    else if (r < 9970)
        make_reference_data(test);
    else
        start(test, chance(test, 2) ? CMD_journal_digest : CMD_clock_tick, GATEWAY_CORE);
}

// ---- checks
// --------------------------------------------------------------------------------------------------

static void check_events(const struct test *test)
{
    const struct naive_venue *naive = &test->naive;
    if (test->sink.count != naive->event_count)
        fail(test, "another number of events");
    for (uint32_t i = 0; i < naive->event_count; i++) {
        const struct event *event = &test->events[i];
        if (event->header.type != naive->events[i].header.type ||
            memcmp(&event->body, &naive->events[i].body, sizeof(event->body)) != 0)
            fail(test, "another event");
        if (event->header.index != i || event->header.sequence != test->sequence ||
            event->header.last != (i + 1 == naive->event_count))
            fail(test, "another event header");
    }
}

static struct posting_terms terms_of(const struct test *test, const struct event *event)
{
    uint32_t instrument = 0;
    if (event->header.type == EVT_trade)
        instrument = event->body.trade.instrument;
    else if (event->header.type == EVT_settlement_booked)
        instrument = event->body.settlement_booked.instrument;
    else if (event->header.type == EVT_order_accepted)
        instrument = event->body.order_accepted.instrument;
    else if (event->header.type == EVT_order_cancelled)
        instrument = event->body.order_cancelled.instrument;
    else if (event->header.type == EVT_order_amended)
        instrument = event->body.order_amended.instrument;
    const struct instrument_rec *terms = &test->naive.instruments[instrument];
    return (struct posting_terms){.token_asset = terms->token_asset,
                                  .cash_asset = terms->cash_asset,
                                  .token_scale = terms->token_scale};
}

static void fold_postings(struct test *test, const struct event *event)
{
    struct posting postings[POSTINGS_MAX];
    int64_t sums[NAIVE_ASSETS] = {0};
    struct posting_terms terms = terms_of(test, event);
    int count = postings_of(event, &terms, postings);
    for (int i = 0; i < count; i++) {
        struct balance_rec *balance = &test->folded[postings[i].account][postings[i].asset];
        balance->available += postings[i].available;
        balance->held += postings[i].held;
        balance->unsettled += postings[i].unsettled;
        balance->blocked += postings[i].blocked;
        sums[postings[i].asset] += postings[i].available + postings[i].held;
    }
    for (int asset = 0; asset < NAIVE_ASSETS; asset++)
        if (sums[asset] != 0)
            fail(test, "an event's postings do not sum to zero");
}

static bool balance_equal(const struct balance_rec *a, const struct balance_rec *b)
{
    return a->available == b->available && a->held == b->held && a->unsettled == b->unsettled &&
           a->blocked == b->blocked;
}

static void check_balances(const struct test *test)
{
    for (uint32_t account = 1; account < NAIVE_ACCOUNTS; account++)
        for (uint32_t asset = 1; asset < NAIVE_ASSETS; asset++) {
            struct balance_rec balance = {0};
            (void)engine_balance(test->engine, account, asset, &balance);
            if (!balance_equal(&balance, &test->naive.balances[account][asset]))
                fail(test, "another balance");
            if (!balance_equal(&balance, &test->folded[account][asset]))
                fail(test, "another balance by folding postings");
        }
    if (engine_open_orders(test->engine) != test->naive.order_count)
        fail(test, "another number of open orders");
}

static int keep_record(void *context, const struct snapshot_record *record)
{
    struct test *test = context;
    if (test->record_count == RECORDS)
        return 1;
    test->records[test->record_count++] = *record;
    return 0;
}

static void make_twin(struct test *test)
{
    uint32_t other = 1 - test->memory_used;
    memset(test->memory[other], 0, engine_bytes(&test->limits));
    test->twin = engine_init(test->memory[other], &test->limits);
    test->record_count = 0;
    test->twin_events = 0;
    if (engine_save(test->engine, keep_record, test) != 0)
        fail(test, "too many snapshot records for the test");
    for (uint32_t i = 0; i < test->record_count; i++)
        if (!engine_load(test->twin, &test->records[i]))
            fail(test, "a snapshot record is refused");
    if (engine_digest(test->twin) != engine_digest(test->engine) ||
        engine_digest(test->twin) != test->records[0].body.meta.state_digest)
        fail(test, "another digest after load");
    engine_check(test->twin);
}

// The twin must go on exactly as the engine; after TWIN_EVENTS events it takes the engine's place.
static void apply_twin(struct test *test)
{
    struct event_sink sink = {.events = test->twin_sink, .mask = NAIVE_EVENTS - 1};
    engine_apply(test->twin, &test->command, &sink);
    if (sink.count != test->sink.count ||
        memcmp(test->twin_sink, test->events, sink.count * sizeof(struct event)) != 0)
        fail(test, "another event after load");
    test->twin_events += sink.count;
    if (test->twin_events < TWIN_EVENTS)
        return;
    if (engine_digest(test->twin) != engine_digest(test->engine))
        fail(test, "another digest after load and 10,000 events");
    test->engine = test->twin;
    test->memory_used = 1 - test->memory_used;
    test->twin = NULL;
}

static void keep_trades(struct test *test)
{
    for (uint32_t i = 0; i < test->sink.count; i++) {
        const struct trade_evt *trade = &test->events[i].body.trade;
        if (test->events[i].header.type != EVT_trade || test->trade_count == TRADES)
            continue;
        bool buys = trade->taker_side == SIDE_BUY;
        struct posting_terms terms = terms_of(test, &test->events[i]);
        test->trades[test->trade_count++].result = (struct settlement_result_cmd){
            .trade_id = trade_id_of(test->sequence, i),
            .instrument = trade->instrument,
            .buyer_account = buys ? trade->taker_account : trade->maker_account,
            .seller_account = buys ? trade->maker_account : trade->taker_account,
            .quantity = trade->quantity,
            .proceeds = postings_notional(trade->price, trade->quantity, terms.token_scale) -
                        (buys ? trade->maker_fee : trade->taker_fee)};
        test->trades[test->trade_count - 1].failed = false;
    }
}

static void apply(struct test *test)
{
    struct command_header *header = &test->command.header;
    header->sequence = ++test->sequence;
    header->time_ns = test->sequence * 1000;
    if (header->type != CMD_padding && !command_check(&test->command))
        fail(test, "the test made a malformed command");
    test->sink.count = 0;
    engine_apply(test->engine, &test->command, &test->sink);
    naive_apply(&test->naive, &test->command);
    check_events(test);
    for (uint32_t i = 0; i < test->sink.count; i++) {
        const struct event *event = &test->events[i];
        fold_postings(test, event);
        test->counts[event->header.type]++;
        if (event->header.type == EVT_rejected)
            test->rejects[event->body.rejected.code]++;
    }
    keep_trades(test);
    if (test->twin != NULL)
        apply_twin(test);
    else if (test->sequence % TWIN_EVERY == 0)
        make_twin(test);
    if (test->sequence % 16 == 0)
        check_balances(test);
    if (test->sequence % 1000 == 0)
        engine_check(test->engine);
}

static void apply_with_continuations(struct test *test)
{
    struct command next;
    apply(test);
    while (engine_continuation(test->engine, &next)) {
        if (!test->naive.unfinished)
            fail(test, "a continuation that is not expected");
        test->continuations++;
        memset(&test->command, 0, sizeof(test->command));
        memcpy(&test->command, &next, (size_t)next.header.slots * SLOT_BYTES);
        apply(test);
    }
    if (test->naive.unfinished)
        fail(test, "no continuation");
}

// ---- the venue
// ----------------------------------------------------------------------------------------------

static void set_up_sessions(struct test *test)
{
    for (uint32_t id = 1; id <= SESSION_COUNT; id++) {
        struct command *command = start(test, CMD_session_set, GATEWAY_ADMIN);
        command->header.slots = command_slots(CMD_session_set, 2 * sizeof(uint32_t));
        command->body.session_set =
            (struct session_set_cmd){.session = id,
                                     .member = 1 + (id - 1) / 2,
                                     .gateway = gateway_of(id),
                                     .flags = id % 2 == 0 ? SESSION_CANCEL_ON_DISCONNECT : 0,
                                     .account_count = 2};
        uint32_t accounts[2] = {ACCOUNT_FIRST + id * 2 - 1, ACCOUNT_FIRST + id * 2 - 2};
        memcpy(command_tail_writable(command), accounts, sizeof(accounts));
        apply_with_continuations(test);
    }
}

static void set_up(struct test *test)
{
    for (uint8_t gateway = GATEWAY_FIX; gateway < GATEWAY_COUNT; gateway++) {
        test->incarnations[gateway] = 5;
        start(test, CMD_gateway_attach, gateway);
        apply_with_continuations(test);
    }
    for (uint32_t asset = 1; asset <= INSTRUMENT_COUNT + 1; asset++) {
        struct command *command = start(test, CMD_asset_set, GATEWAY_ADMIN);
        command->body.asset_set =
            (struct asset_set_cmd){.asset = asset,
                                   .kind = asset == CASH ? ASSET_CASH : ASSET_TOKEN,
                                   .scale = asset == CASH ? 6 : instruments[asset - 2].token_scale};
        apply_with_continuations(test);
    }
    for (uint32_t member = 1; member <= 2; member++) {
        start(test, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = member;
        apply_with_continuations(test);
    }
    for (uint32_t account = 0; account < ACCOUNT_COUNT; account++) {
        make_account_set(test, ACCOUNT_FIRST + account);
        apply_with_continuations(test);
    }
    for (uint32_t i = 1; i <= INSTRUMENT_COUNT; i++) {
        (void)middle_of(test, i);
        make_instrument_set(test, i);
        apply_with_continuations(test);
    }
    set_up_sessions(test);
    start(test, CMD_venue_state, GATEWAY_ADMIN)->body.venue_state.state = VENUE_OPEN;
    apply_with_continuations(test);
}

static void test_open(struct test *test)
{
    test->limits = (struct engine_limits){.accounts_max = NAIVE_ACCOUNTS - 1,
                                          .members_max = 4,
                                          .sessions_max = NAIVE_SESSIONS - 1,
                                          .session_accounts_max = 16,
                                          .assets_max = NAIVE_ASSETS - 1,
                                          .instruments_max = NAIVE_INSTRUMENTS - 1,
                                          .balances_max = 200,
                                          .orders_max = 320,
                                          .levels_max = 110,
                                          .stops_max = 60,
                                          .trailing_stops_max = 8,
                                          .command_events_max = NAIVE_EVENTS};
    for (int i = 0; i < 2; i++) {
        test->memory[i] = aligned_alloc(64, engine_bytes(&test->limits));
        ASSERT(test->memory[i] != NULL);
        memset(test->memory[i], 0, engine_bytes(&test->limits));
    }
    test->engine = engine_init(test->memory[0], &test->limits);
    test->sink = (struct event_sink){.events = test->events, .mask = NAIVE_EVENTS - 1};
    test->naive.orders_max = test->limits.orders_max;
    test->naive.levels_max = test->limits.levels_max;
    test->naive.state = VENUE_CANCEL_ONLY;
    test->random = test->seed;
}

static void report(const struct test *test)
{
    printf("model_test: seed %" PRIu64 ", %" PRIu64 " commands agree; trades %" PRIu64
           ", accepted %" PRIu64 ", cancelled %" PRIu64 ", amended %" PRIu64 ", settled %" PRIu64
           ", continuations %" PRIu64 "\nrejects:",
           test->seed, test->sequence, test->counts[EVT_trade], test->counts[EVT_order_accepted],
           test->counts[EVT_order_cancelled], test->counts[EVT_order_amended],
           test->counts[EVT_settlement_booked], test->continuations);
    for (uint16_t code = 1; code <= REJECT_CODE_MAX; code++)
        if (test->rejects[code] != 0)
            printf(" %s %" PRIu64, reject_entry(code)->name, test->rejects[code]);
    printf("\n");
}

int main(int count, char **words)
{
    struct test *test = calloc(1, sizeof(*test));
    ASSERT(test != NULL);
    test->seed = (uint64_t)time(NULL);
    test->commands = 1000000;
    for (int i = 1; i + 1 < count; i += 2)
        if (strcmp(words[i], "--seed") == 0)
            test->seed = strtoull(words[i + 1], NULL, 10);
        else if (strcmp(words[i], "--commands") == 0)
            test->commands = strtoull(words[i + 1], NULL, 10);
    printf("model_test: seed %" PRIu64 "\n", test->seed);
    fflush(stdout);
    test_open(test);
    set_up(test);
    while (test->sequence < test->commands) {
        make_command(test);
        apply_with_continuations(test);
    }
    check_balances(test);
    engine_check(test->engine);
    report(test);
    free(test->memory[0]);
    free(test->memory[1]);
    free(test);
    return 0;
}
