// Bytes from outside, by the million: what comes over a command ring, and what a torn disk may
// hold. Nothing here may crash, assert, or read beyond its memory; the engine's invariants hold
// after every command, and a snapshot of wherever it has come to loads to the same digest.
//
//   boundary_fuzz [--seed N] [--rounds N]      the same seed does the same
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/digest.h"
#include "core/fake_disk.h"
#include "core/journal.h"
#include "core/journal_reader.h"
#include "core/numbered_file.h"
#include "core/snapshot_file.h"
#include "core/tape_format.h"
#include "core/tape_reader.h"
#include "core/tape_writer.h"
#include "core/testing.h"
#include "matcher/engine.h"

static uint64_t seed = 1;

static uint64_t draw(void) // splitmix64
{
    uint64_t z = seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t below(uint64_t bound)
{
    return draw() % bound;
}

// ---- commands

enum { LIMIT = 24, EVENTS = 64, ROUNDS = 200000 };
static const struct engine_limits limits = {.accounts_max = LIMIT,
                                            .members_max = 3,
                                            .sessions_max = 6,
                                            .session_accounts_max = 24,
                                            .assets_max = 4,
                                            .instruments_max = 3,
                                            .balances_max = 60,
                                            .orders_max = 100,
                                            .levels_max = 40,
                                            .stops_max = 20,
                                            .trailing_stops_max = 4,
                                            .fees_max = 8,
                                            .command_events_max = EVENTS};

struct venue {
    void *memory, *twin_memory;
    struct engine *engine;
    uint32_t incarnation; // of every gateway, for simplicity
    uint64_t sequence, gateway_seq, applied, trades;
    uint64_t of_type[CMD_COUNT];                       // applied
    uint64_t references[REF_SOURCE_MAX + 1], proposal; // the last ones
    struct trade_evt trade;                            // the last one
    uint64_t trade_id;
    uint64_t corrections, deficits, approved;
    uint64_t digest; // of all events: equal on every compiler
    struct event events[EVENTS];
};

// Small numbers meet what exists; the others are the edges of every width.
static uint64_t interesting(void)
{
    static const uint64_t edges[] = {0,          1,          UINT8_MAX,  UINT16_MAX,
                                     INT32_MAX,  UINT32_MAX, INT64_MAX,  (uint64_t)INT64_MIN,
                                     UINT64_MAX, 1ull << 61, 1ull << 62, 10000,
                                     100000000};
    switch (below(8)) {
    case 0:
        return edges[below(sizeof edges / sizeof edges[0])] - below(2);
    case 1:
        return draw() >> below(64);
    default:
        return below(20);
    }
}

#define FILL_u8(f)  (f) = (uint8_t)(below(12) == 0 ? draw() : below(5));
#define FILL_u16(f) (f) = (uint16_t)below(9);
#define FILL_u32(f) (f) = (uint32_t)interesting();
#define FILL_u64(f) (f) = interesting();
#define FILL_i64(f) (f) = (int64_t)interesting();
#define FILL_c16(f) (f)[0] = (char)draw();
#define FILL_c36(f) (f)[0] = (char)draw();
#define FILL_z1(f)
#define FILL_z2(f)
#define FILL_z3(f)
#define FILL_z4(f)
#define FILL(type, name, doc) FILL_##type(at->name)
#define MAKE(number, name, fields, by, doc)                                                        \
    case number: {                                                                                 \
        struct name##_cmd *at = &command->body.name;                                               \
        fields(FILL) break;                                                                        \
    }

static void fill_body(struct command *command)
{
    switch (command->header.type) {
        COMMANDS(MAKE)
    default:
        break;
    }
}

static void make_sense(struct venue *venue, struct command *command);

static uint32_t some_account(void)
{
    return (uint32_t)(16 + below(8));
}

// Of many: a reference of any number closes its source for good.
static uint32_t some_source(void)
{
    return (uint32_t)(REF_SETTLE + 1 + below(REF_SOURCE_MAX - REF_SETTLE));
}

static void make_sense_of_risk(struct command *command)
{
    struct limits_set_cmd *limit = &command->body.limits_set;
    struct kill_set_cmd *kill = &command->body.kill_set;
    switch (command->header.type) {
    case CMD_limits_set: // nothing, or one thing
        *limit = (struct limits_set_cmd){.scope = (uint8_t)(1 + below(3))};
        limit->id = limit->scope == LIMIT_ACCOUNT ? some_account() : (uint32_t)(1 + below(4));
        if (limit->scope != LIMIT_SESSION && below(3) == 0)
            limit->daily_value_max = (int64_t)draw() >> below(64);
        else if (limit->scope != LIMIT_ACCOUNT && below(3) == 0)
            limit->messages_max = limit->messages_ms = (uint32_t)below(20);
        else if (limit->scope == LIMIT_ACCOUNT && below(3) == 0)
            limit->executions_max = limit->executions_ms = (uint32_t)below(20);
        else if (limit->scope == LIMIT_MEMBER)
            limit->flags = (uint8_t)below(4);
        break;
    case CMD_instrument_controls_set:
        command->body.instrument_controls_set.instrument = 1;
        command->body.instrument_controls_set.investor_types = (uint8_t)below(8);
        command->body.instrument_controls_set.position_max = 0;
        command->body.instrument_controls_set.concentration_bps = 0;
        break;
    case CMD_jurisdictions_set:
        command->body.jurisdictions_set.instrument = 1;
        command->body.jurisdictions_set.mode = (uint8_t)below(3);
        break;
    case CMD_kill_set:
        kill->scope = (uint8_t)(1 + below(4));
        kill->killed = below(6) == 0;
        kill->id = kill->scope == KILL_VENUE     ? 0
                   : kill->scope == KILL_ACCOUNT ? some_account()
                                                 : (uint32_t)(1 + below(4));
        break;
    default:
        break;
    }
}

// Of the last trade: it fails, and then what was traded is less, or nothing.
static void make_correction(struct venue *venue, struct trade_correct_cmd *correction)
{
    const struct trade_evt *trade = &venue->trade;
    bool buys = trade->taker_side == SIDE_BUY;
    int64_t fee = buys ? trade->maker_fee : trade->taker_fee;
    int64_t notional = trade->price * trade->quantity; // the token's scale is 0
    uint32_t source = some_source();
    *correction = (struct trade_correct_cmd){
        .trade_id = venue->trade_id,
        .ref_number = venue->references[source] + 1,
        .ref_source = source,
        .instrument = trade->instrument,
        .buyer_account = buys ? trade->taker_account : trade->maker_account,
        .seller_account = buys ? trade->maker_account : trade->taker_account,
        .operator_id = (uint32_t)(1 + below(3)),
        .quantity = trade->quantity,
        .new_quantity = trade->quantity,
        .notional = notional,
        .new_notional = notional - (int64_t)below(3),
        .seller_fee = fee,
        .new_seller_fee = fee};
    if (below(2) == 0)
        correction->new_quantity = correction->new_notional = correction->new_seller_fee = 0;
}

static void make_sense_of_money(struct venue *venue, struct command *command)
{
    const struct trade_evt *trade = &venue->trade;
    struct ledger_post_cmd *post = &command->body.ledger_post;
    struct fees_set_cmd *fees = &command->body.fees_set;
    bool buys = trade->taker_side == SIDE_BUY;
    switch (command->header.type) {
    case CMD_fees_set:
        *fees = (struct fees_set_cmd){.account = below(2) == 0 ? 0 : some_account(),
                                      .instrument = (uint32_t)below(2),
                                      .buy_taker_bps = (uint16_t)below(10001),
                                      .sell_maker_bps = (uint16_t)below(10001),
                                      .remove = below(4) == 0};
        break;
    case CMD_ledger_post:
        *post = (struct ledger_post_cmd){.account = some_account(),
                                         .asset = (uint32_t)(1 + below(2)),
                                         .amount = (int64_t)(1 + below(200000)),
                                         .kind = (uint8_t)(1 + below(POSTING_COVER)),
                                         .ref_source = some_source()};
        post->ref_number = venue->references[post->ref_source] + 1;
        if (post->kind == POSTING_TRANSFER)
            post->counter_account = some_account();
        break;
    case CMD_settlement_result:
        command->body.settlement_result = (struct settlement_result_cmd){
            .trade_id = venue->trade_id,
            .ref_number = venue->references[REF_SETTLE] + 1,
            .instrument = trade->instrument,
            .buyer_account = buys ? trade->taker_account : trade->maker_account,
            .seller_account = buys ? trade->maker_account : trade->taker_account,
            .outcome = (uint8_t)(1 + below(3)),
            .quantity = trade->quantity,
            .proceeds =
                trade->price * trade->quantity - (buys ? trade->maker_fee : trade->taker_fee)};
        break;
    case CMD_trade_correct:
        make_correction(venue, &command->body.trade_correct);
        break;
    default:
        break;
    }
}

// What may be proposed, as it would come by itself.
static void make_proposed(struct venue *venue, struct command *proposed)
{
    static const uint8_t types[] = {CMD_limits_set, CMD_ledger_post,   CMD_breaker_set,
                                    CMD_kill_set,   CMD_trade_correct, CMD_venue_rules_set};
    memset(proposed, 0, sizeof *proposed);
    proposed->header.type = types[below(sizeof types)];
    fill_body(proposed);
    make_sense(venue, proposed);
}

static void make_sense_of_two_persons(struct venue *venue, struct command *command)
{
    switch (command->header.type) {
    case CMD_venue_rules_set:
        command->body.venue_rules_set.flags = (uint32_t)below(2);
        break;
    case CMD_propose: {
        struct command proposed;
        make_proposed(venue, &proposed);
        size_t bytes = command_fixed_bytes(proposed.header.type) - sizeof proposed.header;
        command->body.propose.operator_id = (uint32_t)(1 + below(3));
        command->body.propose.proposed = proposed.header.type;
        command->body.propose.body_bytes = (uint16_t)bytes;
        memcpy(command_tail_writable(command), &proposed.body, bytes);
        break;
    }
    case CMD_approve:
        command->body.approve.proposal = venue->proposal;
        command->body.approve.operator_id = (uint32_t)(1 + below(3));
        command->body.approve.decision = (uint8_t)(1 + below(2));
        break;
    default:
        break;
    }
}

// Makes some of it mean something, so that more than refusals is met.
static void make_sense(struct venue *venue, struct command *command)
{
    struct order_new_cmd *order = &command->body.order_new;
    switch (command->header.type) {
    case CMD_order_new:
        order->client_id_bytes = (uint8_t)(1 + below(36));
        command->header.session = (uint32_t)(1 + below(4));
        command->header.gateway = (uint8_t)(1 + command->header.session % 2);
        order->account = (uint32_t)(16 + (command->header.session - 1) % 2 * 4 + below(4));
        order->instrument = 1;
        order->tif = (uint8_t)(below(4) == 0 ? TIF_IOC : TIF_DAY);
        order->quantity = (int64_t)(1 + below(50));
        order->side = (uint8_t)(1 + below(2));
        order->type = (uint8_t)(below(8) == 0 ? ORDER_MARKET : ORDER_LIMIT);
        order->price = order->type == ORDER_MARKET ? 0 : (int64_t)(90 + below(20));
        break;
    case CMD_instrument_set:
        command->body.instrument_set.instrument = (uint32_t)(2 + below(2));
        break;
    case CMD_instrument_phase:
        command->body.instrument_phase.phase = PHASE_CONTINUOUS;
        break;
    case CMD_breaker_set:
        command->body.breaker_set.tripped = 0;
        break;
    case CMD_session_set:
        command->body.session_set.session = (uint32_t)(5 + below(2));
        break;
    case CMD_account_set:
        command->body.account_set.account = (uint32_t)(16 + below(8));
        command->body.account_set.kyc = KYC_APPROVED;
        command->body.account_set.fatca = FATCA_CLEAR;
        command->body.account_set.flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET;
        break;
    case CMD_venue_state:
        command->body.venue_state.state = (uint8_t)(below(8) == 0 ? VENUE_CANCEL_ONLY : VENUE_OPEN);
        break;
    default:
        make_sense_of_risk(command);
        make_sense_of_money(venue, command);
        make_sense_of_two_persons(venue, command);
        break;
    }
}

static char some_tail_byte(uint8_t type, size_t i)
{
    if (type == CMD_session_set) // accounts
        return (char)(i % 4 == 0 ? 16 + i / 4 : 0);
    if (type == CMD_jurisdictions_set) // codes, ascending
        return (char)(i % 2 == 0 ? 1 + i / 2 : 0);
    return (char)(below(200) == 0 ? draw() : 'a');
}

static void make_command(struct venue *venue, struct command *command)
{
    memset(command, 0, sizeof *command);
    struct command_header *header = &command->header;
    header->version = SCHEMA_VERSION;
    do {
        header->gateway = (uint8_t)(1 + below(GATEWAY_COUNT - 1));
        header->type = (uint8_t)(below(2) == 0 ? CMD_order_new : below(CMD_COUNT));
    } while (!command_allowed(header->gateway, header->type));
    if (header->type == CMD_gateway_attach && below(4) == 0)
        venue->incarnation++;
    header->incarnation = below(50) == 0 ? (uint32_t)draw() : venue->incarnation;
    header->gateway_seq = below(50) == 0 ? draw() : ++venue->gateway_seq;
    header->session = (uint32_t)(below(10) == 0 ? draw() : below(8));
    header->session_seq = (uint32_t)below(1000);
    fill_body(command);
    bool sense = below(3) != 0;
    if (sense)
        make_sense(venue, command);
    size_t tail = command_tail_bytes(command);
    if (tail > COMMAND_BYTES_MAX)
        return; // for command_check to refuse
    header->slots = command_slots(header->type, tail);
    if (header->type == CMD_propose && sense)
        return; // its tail makes sense, too
    for (size_t i = 0; i < tail; i++)
        command_tail_writable(command)[i] = some_tail_byte(header->type, i);
}

// What later commands refer to.
static void look_at(struct venue *venue, const struct command *command, const struct event *event)
{
    switch (event->header.type) {
    case EVT_trade:
        venue->trades++;
        venue->trade = event->body.trade;
        venue->trade_id = trade_id_of(event->header.sequence, event->header.index);
        break;
    case EVT_ledger_posted:
        venue->references[event->body.ledger_posted.ref_source] =
            event->body.ledger_posted.ref_number;
        break;
    case EVT_settlement_booked:
        venue->references[REF_SETTLE] = event->body.settlement_booked.ref_number;
        break;
    case EVT_trade_corrected:
        venue->corrections++;
        if (command->header.type == CMD_trade_correct)
            venue->references[command->body.trade_correct.ref_source] =
                command->body.trade_correct.ref_number;
        break;
    case EVT_deficit_changed:
        venue->deficits++;
        break;
    case EVT_proposal_changed:
        venue->approved += event->body.proposal_changed.state == PROPOSAL_APPROVED;
        if (event->body.proposal_changed.state == PROPOSAL_OPEN)
            venue->proposal = event->body.proposal_changed.proposal;
        break;
    default:
        break;
    }
}

static void apply(struct venue *venue, struct command *command)
{
    struct event_sink sink = {.events = venue->events, .mask = EVENTS - 1};
    command->header.sequence = ++venue->sequence;
    command->header.time_ns = venue->sequence;
    engine_apply(venue->engine, command, &sink);
    ASSERT(sink.count > 0 && sink.count <= EVENTS &&
           venue->events[sink.count - 1].header.last == 1);
    for (uint32_t i = 0; i < sink.count; i++) {
        ASSERT(venue->events[i].header.index == i);
        venue->digest = digest_record(venue->digest, &venue->events[i]);
        look_at(venue, command, &venue->events[i]);
    }
    venue->applied++;
    venue->of_type[command->header.type]++;
}

static void submit(struct venue *venue, struct command *command)
{
    apply(venue, command);
    for (int i = 0; engine_continuation(venue->engine, command); i++) {
        ASSERT(i < 100 && command_check(command));
        apply(venue, command);
    }
}

static int load_record(void *context, const struct snapshot_record *record)
{
    return engine_load(context, record) ? 0 : 1;
}

static void compare_twin(struct venue *venue)
{
    memset(venue->twin_memory, 0, engine_bytes(&limits));
    struct engine *twin = engine_init(venue->twin_memory, &limits);
    ASSERT(engine_save(venue->engine, load_record, twin) == 0);
    ASSERT(engine_digest(twin) == engine_digest(venue->engine));
}

static int load_spoilt(void *context, const struct snapshot_record *record)
{
    struct snapshot_record copy = *record;
    if (below(20) == 0)
        copy.body.bytes[below(sizeof copy.body.bytes)] ^= (uint8_t)(1u << below(8));
    return engine_load(context, &copy) ? 0 : 1;
}

// The file's checksum stands before this; it must still be refused or taken, not crash.
static void load_a_spoilt_snapshot(struct venue *venue)
{
    memset(venue->twin_memory, 0, engine_bytes(&limits));
    struct engine *twin = engine_init(venue->twin_memory, &limits);
    if (engine_save(venue->engine, load_spoilt, twin) == 0)
        (void)engine_balance(twin, 16, 1, &(struct balance_rec){0});
}

static struct command *plain(struct command *command, uint8_t type, uint8_t gateway)
{
    memset(command, 0, sizeof *command);
    command->header = (struct command_header){.slots = command_slots(type, 0),
                                              .type = type,
                                              .version = SCHEMA_VERSION,
                                              .gateway = gateway,
                                              .incarnation = 1};
    return command;
}

static void set_up_assets(struct venue *venue)
{
    struct command c;
    for (uint8_t gateway = 1; gateway < GATEWAY_COUNT; gateway++)
        submit(venue, plain(&c, CMD_gateway_attach, gateway));
    plain(&c, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
        (struct asset_set_cmd){.asset = 1, .kind = ASSET_CASH, .scale = 6};
    submit(venue, &c);
    plain(&c, CMD_asset_set, GATEWAY_ADMIN)->body.asset_set =
        (struct asset_set_cmd){.asset = 2, .kind = ASSET_TOKEN};
    submit(venue, &c);
    plain(&c, CMD_instrument_set, GATEWAY_ADMIN)->body.instrument_set =
        (struct instrument_set_cmd){.instrument = 1,
                                    .token_asset = 2,
                                    .cash_asset = 1,
                                    .status = TOKEN_SECONDARY,
                                    .trading_mode = MODE_FULL_ORDERBOOK,
                                    .tick = 1,
                                    .lot = 1,
                                    .collar_bps = 500,
                                    .fee_bps = 100};
    submit(venue, &c);
    plain(&c, CMD_instrument_phase, GATEWAY_ADMIN)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = 1, .phase = PHASE_CONTINUOUS};
    submit(venue, &c);
    plain(&c, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = 1;
    submit(venue, &c);
    plain(&c, CMD_venue_state, GATEWAY_ADMIN)->body.venue_state.state = VENUE_OPEN;
    submit(venue, &c);
}

static void set_up_accounts(struct venue *venue)
{
    struct command c;
    for (uint32_t account = 16; account < LIMIT; account++) {
        plain(&c, CMD_account_set, GATEWAY_ADMIN)->body.account_set =
            (struct account_set_cmd){.account = account,
                                     .member = 1,
                                     .kyc = KYC_APPROVED,
                                     .accreditation = 1,
                                     .fatca = FATCA_CLEAR,
                                     .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET,
                                     .fee_bps = FEE_BPS_DEFAULT};
        submit(venue, &c);
        for (uint32_t asset = 1; asset <= 2; asset++) {
            plain(&c, CMD_ledger_post, GATEWAY_ADMIN)->body.ledger_post =
                (struct ledger_post_cmd){.account = account,
                                         .asset = asset,
                                         .amount = 100000,
                                         .kind = POSTING_DEPOSIT,
                                         .ref_source = 3,
                                         .ref_number = account * 2 + asset};
            submit(venue, &c);
        }
    }
    for (uint32_t session = 1; session <= 4; session++) {
        plain(&c, CMD_session_set, GATEWAY_ADMIN)->body.session_set =
            (struct session_set_cmd){.session = session,
                                     .member = 1,
                                     .gateway = (uint8_t)(1 + session % 2),
                                     .flags = session > 2 ? SESSION_CANCEL_ON_DISCONNECT : 0,
                                     .account_count = 4};
        c.header.slots = command_slots(CMD_session_set, 4 * sizeof(uint32_t));
        for (uint32_t i = 0; i < 4; i++) {
            uint32_t account = 16 + (session - 1) % 2 * 4 + i;
            memcpy(command_tail_writable(&c) + i * sizeof account, &account, sizeof account);
        }
        submit(venue, &c);
    }
}

// A fresh venue every so often: chance closes more than it opens.
static void fuzz_commands(struct venue *venue, uint64_t rounds)
{
    for (uint64_t i = 0; i < rounds; i++) {
        if (i % 2000 == 0) {
            memset(venue->memory, 0, engine_bytes(&limits));
            venue->engine = engine_init(venue->memory, &limits);
            venue->sequence = 0;
            venue->incarnation = 1;
            venue->proposal = venue->trade_id = 0;
            memset(venue->references, 0, sizeof venue->references);
            memset(&venue->trade, 0, sizeof venue->trade);
            set_up_assets(venue);
            set_up_accounts(venue);
        }
        struct command command;
        make_command(venue, &command);
        if (below(30) == 0) // and what no honest writer makes
            ((uint8_t *)&command)[below(COMMAND_BYTES_MAX)] ^= (uint8_t)(1u << below(8));
        if (venue->incarnation > 1 && below(20) == 0) // the others come back, too
            for (uint8_t gateway = 1; gateway < GATEWAY_COUNT; gateway++) {
                struct command attach;
                plain(&attach, CMD_gateway_attach, gateway)->header.incarnation =
                    venue->incarnation;
                submit(venue, &attach);
            }
        if (!command_check(&command) ||
            !command_allowed(command.header.gateway, command.header.type) ||
            command.header.gateway == GATEWAY_CORE)
            continue;
        submit(venue, &command);
        if (i % 16 == 0)
            engine_check(venue->engine);
        if (i % 256 == 0)
            compare_twin(venue);
        if (i % 256 == 128)
            load_a_spoilt_snapshot(venue);
    }
}

// Every command that a ring may bring, and what several of them make together.
static void check_that_all_came(const struct venue *venue)
{
    for (uint8_t type = CMD_padding + 1; type < CMD_COUNT; type++)
        for (uint8_t gateway = GATEWAY_CORE + 1; gateway < GATEWAY_COUNT; gateway++)
            ASSERT(!command_allowed(gateway, type) || venue->of_type[type] > 0);
    ASSERT(venue->trades > 0 && venue->corrections > 0);
    ASSERT(venue->deficits > 0 && venue->approved > 0);
}

static void fuzz_engine(uint64_t rounds)
{
    struct venue venue = {.memory = aligned_alloc(64, engine_bytes(&limits)),
                          .twin_memory = aligned_alloc(64, engine_bytes(&limits))};
    ASSERT(venue.memory != NULL && venue.twin_memory != NULL);
    fuzz_commands(&venue, rounds);
    printf("boundary_fuzz: %" PRIu64 " commands applied, %" PRIu64 " trades, %" PRIu64
           " corrected, %" PRIu64 " deficits, %" PRIu64 " approved, digest %016" PRIx64 "\n",
           venue.applied, venue.trades, venue.corrections, venue.deficits, venue.approved,
           venue.digest);
    if (rounds >= ROUNDS)
        check_that_all_came(&venue);
    free(venue.memory);
    free(venue.twin_memory);
}

// ---- journal

enum { SEGMENT_BYTES = 272 * 1024, SPOILS = 6 };

static uint64_t write_journal(const struct journal_io *io, struct gate *gate)
{
    struct journal journal;
    struct journal_options options = {.segments = {.bytes = SEGMENT_BYTES, .engine_version = 1},
                                      .epoch = 1,
                                      .next_sequence = 1,
                                      .queue_slots = 1024};
    ASSERT(journal_open(&journal, io, gate, &clock_system, &options) == 0);
    uint64_t sequence = 0;
    for (uint64_t block = 5 + below(80); block > 0; block--) {
        for (uint64_t k = 1 + below(100); k > 0; k--) {
            struct command command = {.header = {.slots = (uint8_t)(1 + below(3)),
                                                 .type = CMD_order_new,
                                                 .version = SCHEMA_VERSION,
                                                 .sequence = ++sequence}};
            journal_append(&journal, &command);
        }
        journal_flush(&journal);
        while (journal_write_work(&journal) > 0)
            ;
    }
    journal_close(&journal);
    return sequence;
}

static void spoil_journal(const struct journal_io *io)
{
    uint64_t first = 0, last = 0;
    ASSERT(journal_segments(io, &first, &last) == 1);
    char name[NUMBERED_NAME_BYTES];
    numbered_name(name, first + below(last - first + 1), JOURNAL_SUFFIX);
    int file = io->open(io->context, name, JOURNAL_IO_WRITE);
    ASSERT(file >= 0);
    static _Alignas(4096) uint8_t page[JOURNAL_PAGE_BYTES];
    uint64_t offset = below(SEGMENT_BYTES / JOURNAL_PAGE_BYTES) * JOURNAL_PAGE_BYTES;
    if (below(3) == 0)
        offset = below(4) * JOURNAL_PAGE_BYTES;
    ASSERT(io->read(io->context, file, page, sizeof page, offset) == sizeof page);
    size_t at = below(4) == 0 ? below(sizeof page) : below(128);
    size_t bytes = below(2) == 0 ? 1 : below(sizeof page - at);
    for (size_t i = 0; i < bytes; i++)
        page[at + i] = below(2) == 0 ? 0 : (uint8_t)draw();
    ASSERT(io->write(io->context, file, page, sizeof page, offset) == 0);
    io->close(io->context, file);
}

// Whatever the bytes: blocks come in order, from the first on, and then it says how it ends.
static void read_journal(const struct journal_io *io, uint64_t from, uint64_t written)
{
    struct journal_reader reader;
    if (journal_reader_open(&reader, io, from, false) != 0)
        return;
    const struct journal_block_header *block;
    uint64_t expected = 0;
    while (journal_reader_next(&reader, &block) == JOURNAL_READ) {
        ASSERT(expected == 0 || block->first_sequence == expected);
        expected = block->first_sequence + block->count;
        ASSERT(expected <= written + 1);
        const struct command *command = NULL;
        while ((command = journal_block_next(block, command)) != NULL)
            ASSERT(command->header.slots >= 1 && command->header.slots <= COMMAND_SLOTS_MAX);
    }
    journal_reader_close(&reader);
}

static void fuzz_journal(uint64_t rounds)
{
    struct event_ring_control *control = aligned_alloc(4096, sizeof *control);
    for (uint64_t i = 0; i < rounds; i++) {
        struct journal_io io;
        struct fake_disk *disk = fake_disk_create(&io, draw());
        struct gate gate = {.control = control};
        memset(control, 0, sizeof *control);
        uint64_t written = write_journal(&io, &gate);
        for (uint64_t k = below(SPOILS); k > 0; k--)
            spoil_journal(&io);
        read_journal(&io, 1, written);
        read_journal(&io, 1 + below(written), written);
        fake_disk_destroy(disk);
    }
    free(control);
}

// ---- tape and snapshot files

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *file = fopen(path, "wbe");
    ASSERT(file != NULL && fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0);
}

static size_t read_file(const char *path, uint8_t *out, size_t size)
{
    FILE *file = fopen(path, "rbe");
    ASSERT(file != NULL);
    size_t bytes = fread(out, 1, size, file);
    fclose(file);
    return bytes;
}

static void spoil_bytes(uint8_t *data, size_t *bytes)
{
    for (uint64_t k = below(SPOILS); k > 0 && *bytes > 0; k--)
        data[below(*bytes)] = (uint8_t)draw();
    if (below(3) == 0)
        *bytes = below(*bytes + 1);
}

static bool take_record(void *context, const struct snapshot_record *record)
{
    *(uint64_t *)context += record->header.type;
    return true;
}

static void fuzz_snapshot(const char *folder)
{
    static uint8_t data[16 * 1024];
    struct snapshot_writer writer;
    ASSERT(snapshot_writer_open(&writer, folder, 7) == 0);
    for (uint64_t k = 1 + below(40); k > 0; k--) {
        struct snapshot_record record = {
            .header = {.type = writer.records == 0 ? REC_meta : REC_order,
                       .version = SCHEMA_VERSION}};
        record.body.bytes[8] = (uint8_t)draw();
        ASSERT(snapshot_writer_add(&writer, &record) == 0);
    }
    ASSERT(snapshot_writer_commit(&writer) == 0);
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, 7, SNAPSHOT_SUFFIX);
    size_t bytes = read_file(path, data, sizeof data), whole = bytes;
    static uint8_t before[sizeof data];
    memcpy(before, data, bytes);
    spoil_bytes(data, &bytes);
    write_file(path, data, bytes);
    uint64_t sequence, sum = 0;
    // Taken only if every record is as it was; of the last one only count and checksum count.
    bool same = bytes == whole && memcmp(before, data, bytes - SNAPSHOT_RECORD_BYTES) == 0;
    if (snapshot_file_newest(&sequence, folder, UINT64_MAX))
        ASSERT(same && snapshot_file_read(folder, sequence, take_record, &sum) && sum > 0);
    ASSERT(unlink(path) == 0);
}

enum { TAPE_EVENTS = 600 };

// Commands of one to four events or so, as lonja-tape writes them.
static void write_tape(const char *folder, struct event *events)
{
    static struct tape_writer writer;
    uint64_t sequence = 1;
    ASSERT(tape_writer_open(&writer, folder, 1000, 0) == 0);
    for (uint32_t i = 0, count; i < TAPE_EVENTS; i += count) {
        count = 1 + (uint32_t)below(4);
        count = count < TAPE_EVENTS - i ? count : TAPE_EVENTS - i;
        for (uint32_t k = 0; k < count; k++)
            events[i + k].header =
                (struct event_header){.sequence = sequence, .index = k, .last = k + 1 == count};
        ASSERT(tape_writer_add(&writer, events + i, count) == 0);
        sequence++;
    }
    ASSERT(tape_writer_flush(&writer) == 0);
    tape_writer_close(&writer);
}

static void spoil_file(const char *folder, const char *suffix)
{
    static uint8_t data[TAPE_HEADER_BYTES + TAPE_EVENTS * EVENT_BYTES];
    char path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, 1, suffix);
    size_t bytes = read_file(path, data, sizeof data);
    spoil_bytes(data, &bytes);
    write_file(path, data, bytes);
}

// What is shown is what was written, or, without checksums, at least in order.
static void read_spoilt_tape(const char *folder, const struct event *events, bool proved)
{
    static struct tape_reader reader;
    uint64_t next = 1 + below(40), at = 0;
    while (at < TAPE_EVENTS && events[at].header.sequence != next)
        at++;
    tape_reader_init(&reader, folder);
    (void)tape_reader_last_sequence(folder);
    if (tape_reader_seek(&reader, next, 0)) {
        struct event out[8];
        for (size_t n; (n = tape_reader_read(&reader, out, 8)) > 0;)
            for (size_t i = 0; i < n; i++) {
                ASSERT(out[i].header.sequence == next);
                ASSERT(!proved || memcmp(&out[i], &events[at++], sizeof out[i]) == 0);
                next += out[i].header.last != 0;
            }
    }
    tape_reader_fini(&reader);
}

static void fuzz_tape(const char *folder)
{
    static struct event events[TAPE_EVENTS];
    char sums[NUMBERED_PATH_BYTES], path[NUMBERED_PATH_BYTES];
    numbered_path(path, folder, 1, TAPE_SUFFIX);
    numbered_path(sums, folder, 1, TAPE_SUMS_SUFFIX);
    write_tape(folder, events);
    bool proved = below(4) != 0;
    if (!proved)
        ASSERT(unlink(sums) == 0);
    else if (below(2) == 0)
        spoil_file(folder, TAPE_SUMS_SUFFIX);
    if (below(4) != 0)
        spoil_file(folder, TAPE_SUFFIX);
    read_spoilt_tape(folder, events, proved);
    ASSERT(unlink(path) == 0 && (!proved || unlink(sums) == 0));
}

int main(int argc, char **argv)
{
    uint64_t rounds = ROUNDS;
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "--rounds") == 0)
            rounds = strtoull(argv[i + 1], NULL, 10);
    printf("boundary_fuzz: seed %" PRIu64 " rounds %" PRIu64 "\n", seed, rounds);
    bool quiet = getenv("LOUD") == NULL; // what is broken is logged, by the line
    fuzz_engine(rounds);
    if (quiet)
        ASSERT(freopen("/dev/null", "w", stderr) != NULL);
    fuzz_journal(rounds / 1000);
    char folder[64];
    testing_folder_make(folder);
    for (uint64_t i = 0; i < rounds / 200; i++) {
        fuzz_snapshot(folder);
        fuzz_tape(folder);
    }
    testing_folder_remove(folder);
    printf("boundary_fuzz: nothing broke\n");
    return 0;
}
