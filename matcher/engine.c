// The engine: layout of its memory, dispatch of commands, what it tells. The commands themselves
// are in engine_order.c, engine_session.c, engine_reference.c, engine_ledger.c …; snapshots and
// the digest in engine_snapshot.c, the walk of all invariants in engine_check.c.
#include "matcher/engine.h"

#include <string.h>

#include "matcher/engine_state.h"

// ---- layout

// Hands out consecutive, 64-byte aligned parts of the engine's memory; without memory it only
// measures.
struct layout {
    uint8_t *memory;
    size_t bytes;
};

static void *layout_take(struct layout *layout, size_t count, size_t bytes)
{
    ASSERT(count > 0 && bytes > 0);
    ASSERT(layout->bytes % 64 == 0);
    void *part = layout->memory != NULL ? layout->memory + layout->bytes : NULL;
    layout->bytes += (count * bytes + 63) / 64 * 64;
    return part;
}

#define LAYOUT_ARRAY(layout, pointer, count)                                                       \
    ((pointer) = layout_take((layout), (size_t)(count), sizeof(*(pointer))))

static void layout_ledger(struct layout *layout, struct ledger *ledger,
                          const struct engine_limits *limits)
{
    uint32_t buckets = ledger_buckets(limits->balances_max);
    LAYOUT_ARRAY(layout, ledger->balances, limits->balances_max + 1u);
    LAYOUT_ARRAY(layout, ledger->buckets, buckets);
    LAYOUT_ARRAY(layout, ledger->first_of_account, limits->accounts_max + 1u);
    LAYOUT_ARRAY(layout, ledger->incoming_high, limits->balances_max + 1u);
    ledger->bucket_mask = buckets - 1;
    ledger->balances_max = limits->balances_max;
    ledger->accounts_max = limits->accounts_max;
}

static void layout_fees(struct layout *layout, struct fees *fees,
                        const struct engine_limits *limits)
{
    uint32_t buckets = ledger_buckets(limits->fees_max + 1);
    LAYOUT_ARRAY(layout, fees->records, limits->fees_max + 1u);
    LAYOUT_ARRAY(layout, fees->buckets, buckets);
    fees->bucket_mask = buckets - 1;
}

static void layout_pool(struct layout *layout, struct order_pool *pool,
                        const struct engine_limits *limits)
{
    size_t bytes =
        order_pool_layout(pool, NULL, limits->orders_max, limits->levels_max, limits->stops_max);
    uint8_t *memory = layout_take(layout, bytes, 1);
    (void)order_pool_layout(pool, memory, limits->orders_max, limits->levels_max,
                            limits->stops_max);
}

static size_t layout_engine(struct engine *engine, uint8_t *memory,
                            const struct engine_limits *limits)
{
    struct layout layout = {.memory = memory};
    (void)layout_take(&layout, 1, sizeof(struct engine));
    engine->limits = *limits;
    LAYOUT_ARRAY(&layout, engine->assets, limits->assets_max + 1u);
    LAYOUT_ARRAY(&layout, engine->members, limits->members_max + 1u);
    LAYOUT_ARRAY(&layout, engine->accounts, limits->accounts_max + 1u);
    LAYOUT_ARRAY(&layout, engine->sessions, limits->sessions_max + 1u);
    LAYOUT_ARRAY(&layout, engine->instruments, limits->instruments_max + 1u);
    LAYOUT_ARRAY(&layout, engine->tick_ranges, (limits->instruments_max + 1u) * TICK_RANGES);
    LAYOUT_ARRAY(&layout, engine->schedules, (limits->instruments_max + 1u) * SCHEDULE_ENTRIES_MAX);
    LAYOUT_ARRAY(&layout, engine->dated.heap, limits->orders_max + 1u);
    LAYOUT_ARRAY(&layout, engine->deadlines.heap, limits->instruments_max + 1u);
    LAYOUT_ARRAY(&layout, engine->session_accounts, limits->session_accounts_max + 1u);
    LAYOUT_ARRAY(&layout, engine->confirms, 1);
    LAYOUT_ARRAY(&layout, engine->proposals, PROPOSALS_MAX);
    LAYOUT_ARRAY(&layout, engine->xvps, XVPS_MAX);
    LAYOUT_ARRAY(&layout, engine->uncover_places, limits->sessions_max + 1u);
    LAYOUT_ARRAY(&layout, engine->check_sums, 2 * (limits->assets_max + 1u));
    LAYOUT_ARRAY(&layout, engine->check_holds, limits->balances_max + 1u);
    LAYOUT_ARRAY(&layout, engine->check_incoming, limits->balances_max + 1u);
    LAYOUT_ARRAY(&layout, engine->check_accounts, limits->accounts_max + 1u);
    LAYOUT_ARRAY(&layout, engine->check_members, limits->members_max + 1u);
    layout_ledger(&layout, &engine->ledger, limits);
    layout_fees(&layout, &engine->fees, limits);
    layout_pool(&layout, &engine->pool, limits);
    return layout.bytes;
}

static bool within(uint32_t value, uint32_t least, uint32_t most)
{
    return value >= least && value <= most;
}

// All bands of a tick table, and some: a command that cannot go on in another fits.
enum { COMMAND_EVENTS_LEAST = TICK_BANDS_MAX + 8 };

static bool limits_valid(const struct engine_limits *limits)
{
    return within(limits->accounts_max, ACCOUNT_VENUE_MAX + 1, ORDER_PARTY_MAX) &&
           within(limits->members_max, 1, 1u << 24) &&
           within(limits->sessions_max, 1, ORDER_PARTY_MAX) &&
           within(limits->session_accounts_max, 1, 1u << 24) &&
           within(limits->assets_max, 2, 1u << 20) &&
           within(limits->instruments_max, 1, UINT16_MAX) &&
           within(limits->balances_max, 16, 1u << 27) && within(limits->orders_max, 16, 1u << 27) &&
           within(limits->levels_max, 16, 1u << 26) && within(limits->stops_max, 1, 1u << 25) &&
           within(limits->trailing_stops_max, 1, 1u << 27) &&
           within(limits->fees_max, 0, 1u << 24) &&
           within(limits->command_events_max, COMMAND_EVENTS_LEAST, 1u << 20);
}

size_t engine_bytes(const struct engine_limits *limits)
{
    struct engine measured = {0};
    ASSERT(limits != NULL);
    return limits_valid(limits) ? layout_engine(&measured, NULL, limits) : 0;
}

static void init_timers(struct engine *engine)
{
    engine->dated.places = (uint8_t *)&engine->pool.terms[0].timer;
    engine->dated.stride = sizeof(struct order_terms);
    engine->dated.timers_max = engine->limits.orders_max;
    engine->deadlines.places = (uint8_t *)&engine->instruments[0].timer;
    engine->deadlines.stride = sizeof(struct instrument);
    engine->deadlines.timers_max = engine->limits.instruments_max;
}

struct engine *engine_init(void *memory, const struct engine_limits *limits)
{
    struct engine *engine = memory;
    ASSERT(memory != NULL && (uintptr_t)memory % 64 == 0);
    ASSERT(limits_valid(limits));
    size_t bytes = layout_engine(engine, memory, limits);
    ASSERT(bytes == engine_bytes(limits));
    init_timers(engine);
    engine->check_venue =
        (struct check_venue){.ledger = &engine->ledger, .confirms = engine->confirms};
    engine->venue_state = VENUE_CANCEL_ONLY;
    engine->xvp_next_ns = UINT64_MAX;
    return engine;
}

// ---- answers

// What a refused command named, for the gateway to find its request and its client by.
static void rejected_subject(const struct command *command, struct rejected_evt *out)
{
    switch (command->header.type) {
    case CMD_order_new:
    case CMD_order_new_terms: // begins like order_new
        out->account = command->body.order_new.account;
        out->instrument = command->body.order_new.instrument;
        out->client_id_bytes = command->body.order_new.client_id_bytes;
        break;
    case CMD_order_cancel:
        out->account = command->body.order_cancel.account;
        out->order = command->body.order_cancel.order;
        out->client_id_bytes = command->body.order_cancel.client_id_bytes;
        break;
    case CMD_order_amend:
        out->account = command->body.order_amend.account;
        out->order = command->body.order_amend.order;
        out->client_id_bytes = command->body.order_amend.client_id_bytes;
        break;
    case CMD_order_mass_cancel:
        out->account = command->body.order_mass_cancel.account;
        out->instrument = command->body.order_mass_cancel.instrument;
        out->client_id_bytes = command->body.order_mass_cancel.client_id_bytes;
        break;
    case CMD_order_status:
        out->account = command->body.order_status.account;
        out->instrument = command->body.order_status.instrument;
        out->order = command->body.order_status.order;
        out->client_id_bytes = command->body.order_status.client_id_bytes;
        break;
    case CMD_ledger_post:
        out->account = command->body.ledger_post.account;
        break;
    case CMD_xvp_act:
        out->account = command->body.xvp_act.account;
        break;
    case CMD_settlement_result:
        out->instrument = command->body.settlement_result.instrument;
        break;
    default:
        break;
    }
}

void turn_reject(struct turn *turn, const struct refusal *refusal)
{
    ASSERT(refusal->code != REJECT_NONE);
    ASSERT(turn->sink->count == 0); // what is refused has changed nothing
    struct rejected_evt *out = &turn_emit(turn, EVT_rejected)->body.rejected;
    out->code = refusal->code;
    out->command = turn->command->header.type;
    out->limit = refusal->limit;
    out->value = refusal->value;
    out->argument = refusal->argument;
    rejected_subject(turn->command, out);
    ASSERT(out->client_id_bytes <= CLIENT_ID_BYTES_MAX);
    if (!client_id_is_plain(turn->client_id, turn->client_id_bytes))
        out->client_id_bytes = 0; // it is what was refused
    else
        client_id_copy(out->client_id, turn);
}

void turn_done(struct turn *turn, bool repeated, uint32_t count)
{
    struct done_evt *out = &turn_emit(turn, EVT_done)->body.done;
    out->command = turn->command->header.type;
    out->repeated = repeated;
    out->more = turn->engine->pending.command != 0;
    out->count = count;
}

void turn_instrument_state(struct turn *turn, const struct instrument *instrument)
{
    ASSERT(instrument->terms.instrument != 0);
    ASSERT(instrument->state.instrument == instrument->terms.instrument);
    memcpy(&turn_emit(turn, EVT_instrument_state)->body, &instrument->state,
           sizeof(instrument->state));
}

// ---- dispatch

static void engine_nothing(struct turn *turn)
{
    turn_done(turn, false, 0);
}

typedef void engine_handler(struct turn *turn);
static engine_handler *const handlers[CMD_COUNT] = {
    [CMD_gateway_attach] = engine_gateway_attach,
    [CMD_gateway_detach] = engine_gateway_detach,
    [CMD_session_open] = engine_session_open,
    [CMD_session_close] = engine_session_close,
    [CMD_venue_state] = engine_venue_state_set,
    [CMD_clock_tick] = engine_clock_tick,
    [CMD_journal_digest] = engine_nothing,
    [CMD_continue_work] = engine_continue_work,
    [CMD_order_new] = engine_order_new,
    [CMD_order_cancel] = engine_order_cancel,
    [CMD_order_amend] = engine_order_amend,
    [CMD_order_mass_cancel] = engine_order_mass_cancel,
    [CMD_order_new_terms] = engine_order_new,
    [CMD_order_status] = engine_order_status,
    [CMD_asset_set] = engine_asset_set,
    [CMD_instrument_set] = engine_instrument_set,
    [CMD_instrument_phase] = engine_instrument_phase,
    [CMD_nav_set] = engine_nav_set,
    [CMD_reference_set] = engine_reference_set,
    [CMD_breaker_set] = engine_breaker_set,
    [CMD_member_set] = engine_member_set,
    [CMD_account_set] = engine_account_set,
    [CMD_session_set] = engine_session_set,
    [CMD_instrument_rules_set] = engine_instrument_rules_set,
    [CMD_tick_table_set] = engine_tick_table_set,
    [CMD_schedule_set] = engine_schedule_set,
    [CMD_limits_set] = engine_limits_set,
    [CMD_instrument_controls_set] = engine_instrument_controls_set,
    [CMD_jurisdictions_set] = engine_jurisdictions_set,
    [CMD_kill_set] = engine_kill_set,
    [CMD_venue_rules_set] = engine_venue_rules_set,
    [CMD_propose] = engine_propose,
    [CMD_approve] = engine_approve,
    [CMD_fees_set] = engine_fees_set,
    [CMD_ledger_post] = engine_ledger_post,
    [CMD_trade_correct] = engine_trade_correct,
    [CMD_xvp_create] = engine_xvp_create,
    [CMD_xvp_act] = engine_xvp_act,
    [CMD_settlement_result] = engine_settlement_result,
};

void engine_dispatch(struct turn *turn)
{
    uint8_t type = turn->command->header.type;
    ASSERT(type < CMD_COUNT && handlers[type] != NULL);
    handlers[type](turn);
}

// After a snapshot the lists that are kept by id are in the books' order.
static void engine_finish_load(struct engine *engine)
{
    ASSERT(engine->loaded);
    for (uint32_t id = 1; id <= engine->limits.sessions_max; id++)
        order_list_sort(&engine->pool, &engine->sessions[id].orders);
    for (uint32_t id = 1; id <= engine->limits.instruments_max; id++) {
        struct instrument *instrument = &engine->instruments[id];
        for (uint32_t side = 0; side < 2; side++) {
            engine_list_sort(&engine->pool, &instrument->market[side]);
            engine_list_sort(&engine->pool, &instrument->trailing[side]);
        }
    }
    engine->loaded = false;
}

// The tail of an order's commands is a client id.
static void turn_client_id(struct turn *turn)
{
    const struct command *command = turn->command;
#define CLIENT_ID(name)                                                                            \
    case CMD_##name:                                                                               \
        turn->client_id = (const char *)command->body.bytes + sizeof(struct name##_cmd);           \
        turn->client_id_bytes = command->body.name.client_id_bytes;                                \
        break
    switch (command->header.type) {
        CLIENT_ID(order_new);
        CLIENT_ID(order_cancel);
        CLIENT_ID(order_amend);
        CLIENT_ID(order_mass_cancel);
        CLIENT_ID(order_new_terms);
        CLIENT_ID(order_status);
    default:
        break;
    }
#undef CLIENT_ID
    ASSERT(turn->client_id_bytes <= CLIENT_ID_BYTES_MAX);
    ASSERT((uintptr_t)turn->client_id % 8 == 0); // it is read in words
}

static bool client_id_admit(const struct turn *turn, struct refusal *refusal)
{
    return client_id_is_plain(turn->client_id, turn->client_id_bytes) ||
           refuse(refusal, REJECT_MALFORMED, 0, 0, 0);
}

// A command that goes on has to be the next one (only digests and ticks may come between).
static bool engine_resume(struct engine *engine, const struct command_header *header)
{
    uint8_t type = engine->pending.command;
    ASSERT(type != 0);
    if (header->type == CMD_journal_digest || header->type == CMD_clock_tick)
        return false;
    ASSERT(header->gateway == GATEWAY_CORE && header->type == type);
    engine->resumed = engine->pending;
    engine->pending = (struct pending_rec){0};
    return true;
}

void engine_apply(struct engine *engine, const struct command *command, struct event_sink *sink)
{
    const struct command_header *header = &command->header;
    ASSERT(header->sequence > engine->sequence);
    ASSERT(header->time_ns > engine->time_ns || engine->sequence == 0);
    ASSERT(header->type < CMD_COUNT && handlers[header->type] != NULL);
    ASSERT(sink->count == 0);
    if (__builtin_expect(engine->loaded, 0))
        engine_finish_load(engine);
    struct turn turn = {.engine = engine, .command = command, .sink = sink};
    if (__builtin_expect(engine->pending.command != 0, 0))
        turn.resumes = engine_resume(engine, header);
    engine->sequence = header->sequence;
    engine->time_ns = header->time_ns;
    if (__builtin_expect(header->time_ns >= engine->calendar_end_ns, 0))
        engine_calendar_turn(engine);
    turn_client_id(&turn);
    struct refusal refusal;
    if (engine_gateway_admit(&turn, &refusal) && client_id_admit(&turn, &refusal))
        handlers[header->type](&turn);
    else
        turn_reject(&turn, &refusal);
    ASSERT(sink->count > 0);
    ASSERT(engine->ledger.drift == 0); // every entry has had its other side
    sink->events[(sink->position + sink->count - 1) & sink->mask].header.last = 1;
}

// ---- what it tells

uint64_t engine_next_deadline_ns(const struct engine *engine)
{
    uint64_t dated_ns = timers_next_ns(&engine->dated);
    uint64_t deadline_ns =
        engine->venue_state == VENUE_OPEN ? timers_next_ns(&engine->deadlines) : UINT64_MAX;
    if (engine->xvp_next_ns < deadline_ns)
        deadline_ns = engine->xvp_next_ns;
    return dated_ns < deadline_ns ? dated_ns : deadline_ns;
}

uint64_t engine_sequence(const struct engine *engine)
{
    return engine->sequence;
}

uint64_t engine_time_ns(const struct engine *engine)
{
    return engine->time_ns;
}

uint8_t engine_venue_state(const struct engine *engine)
{
    return engine->venue_state;
}

static void continuation_body(const struct pending_rec *pending, struct command *out)
{
    switch (pending->command) {
    case CMD_order_mass_cancel:
        out->body.order_mass_cancel.account = pending->account;
        out->body.order_mass_cancel.instrument = pending->instrument;
        out->body.order_mass_cancel.scope = pending->scope;
        out->body.order_mass_cancel.side = pending->side;
        out->body.order_mass_cancel.member = pending->member;
        break;
    case CMD_order_status: // where it goes on is engine->resumed.order
        out->body.order_status.account = pending->account;
        out->body.order_status.instrument = pending->instrument;
        out->body.order_status.side = pending->side;
        break;
    case CMD_continue_work:
        out->body.continue_work.instrument = pending->instrument;
        out->body.continue_work.work = pending->work;
        break;
    case CMD_session_close:
        out->body.session_close.closed_session = pending->session;
        out->body.session_close.reason = pending->reason;
        break;
    default:
        ASSERT(pending->command == CMD_gateway_detach);
        out->body.gateway_detach.gateway_id = pending->gateway_id;
        out->body.gateway_detach.old_incarnation = pending->incarnation;
    }
}

bool engine_continuation(const struct engine *engine, struct command *out)
{
    const struct pending_rec *pending = &engine->pending;
    if (pending->command == 0)
        return false;
    size_t bytes = command_fixed_bytes(pending->command);
    ASSERT(bytes != 0);
    memset(out, 0, (size_t)command_slots(pending->command, 0) * SLOT_BYTES);
    out->header = (struct command_header){.slots = command_slots(pending->command, 0),
                                          .type = pending->command,
                                          .version = SCHEMA_VERSION,
                                          .gateway = GATEWAY_CORE,
                                          .session = pending->session};
    continuation_body(pending, out);
    return true;
}

bool engine_balance(const struct engine *engine, uint32_t account, uint32_t asset,
                    struct balance_rec *out)
{
    ASSERT(out != NULL);
    if (account == 0 || account > engine->limits.accounts_max || asset == 0)
        return false;
    uint32_t index = ledger_find(&engine->ledger, account, asset);
    if (index == 0)
        return false;
    const struct balance *balance = ledger_at(&engine->ledger, index);
    *out = (struct balance_rec){.account = account,
                                .asset = asset,
                                .available = balance->available,
                                .held = balance->held,
                                .unsettled = balance->unsettled,
                                .blocked = balance->blocked,
                                .deficit = balance->deficit};
    return true;
}

uint32_t engine_open_orders(const struct engine *engine)
{
    return engine->pool.orders_open;
}
