#include "perf/flow_commands.h"

#include <string.h>

#include "perf/flow_controls.h"

enum {
    ACCOUNT_FIRST = 1001,
    CLIENT_ID_BYTES = 12,
    TICK = 10000,
    MIDDLE = 32768, // ticks: where the flow's prices begin
};

struct maker {
    const struct flow_venue *venue;
    flow_send *send;
    void *context;
    uint32_t incarnation;
    uint64_t reference; // last used
    struct command command;
};

struct flow_venue flow_small(uint32_t instruments)
{
    const uint32_t of_instruments = 1u << FLOW_CONTROL_BREAKER | 1u << FLOW_CONTROL_FAT_FINGER |
                                    1u << FLOW_CONTROL_NAV | 1u << FLOW_CONTROL_ORDER_SIZE |
                                    1u << FLOW_CONTROL_ORDER_NOTIONAL;
    return (struct flow_venue){.instruments = instruments,
                               .accounts = 64,
                               .accounts_per_session = 8,
                               .groups = 1,
                               .confirms = true,
                               .controls = of_instruments};
}

struct flow_venue flow_wide(uint32_t instruments, uint32_t accounts, uint32_t controls)
{
    return (struct flow_venue){.instruments = instruments,
                               .others = 1000 - instruments,
                               .accounts = accounts,
                               .accounts_per_session = 100,
                               .groups = instruments < 10 ? 1 : 10,
                               .scattered = true,
                               .controls = controls};
}

static uint32_t sessions_of(const struct flow_venue *venue)
{
    return venue->accounts / venue->accounts_per_session;
}

// A firm for each session, but in the small venue.
static uint32_t members_of(const struct flow_venue *venue)
{
    return venue->scattered ? sessions_of(venue) : 1;
}

static uint32_t member_of(const struct flow_venue *venue, uint32_t account)
{
    return venue->scattered ? 1 + (account - ACCOUNT_FIRST) / venue->accounts_per_session : 1;
}

struct engine_limits flow_limits(const struct flow_venue *venue, uint32_t orders)
{
    uint32_t instruments = venue->instruments + venue->others;
    uint32_t tokens = venue->instruments / venue->groups; // of each account
    return (struct engine_limits){.accounts_max = ACCOUNT_FIRST + venue->accounts,
                                  .members_max = members_of(venue),
                                  .sessions_max = sessions_of(venue),
                                  .session_accounts_max = venue->accounts,
                                  .assets_max = instruments + 1,
                                  .instruments_max = instruments,
                                  .balances_max =
                                      venue->accounts * (tokens + 1) + instruments + 1000,
                                  .orders_max = orders,
                                  .levels_max = 100000,
                                  .stops_max = 100000,
                                  .trailing_stops_max = 1000,
                                  .fees_max = venue->accounts + instruments,
                                  .command_events_max = 16384};
}

// ---- the flow

static uint32_t account_of(const struct flow_venue *venue, uint32_t instrument, uint32_t id)
{
    uint32_t of_group = venue->accounts / venue->groups;
    uint32_t scattered = (uint32_t)(id * 0x9e3779b97f4a7c15u >> 32) % of_group;
    uint32_t place = venue->scattered ? scattered : id % of_group;
    return ACCOUNT_FIRST + instrument % venue->groups * of_group + place;
}

static void start(struct command *command, uint8_t type, uint8_t gateway, uint32_t session)
{
    memset(command, 0, FLOW_COMMAND_BYTES);
    command->header = (struct command_header){.slots = FLOW_COMMAND_SLOTS,
                                              .type = type,
                                              .version = SCHEMA_VERSION,
                                              .gateway = gateway,
                                              .session = session};
}

static uint32_t session_of(const struct flow_venue *venue, uint32_t account)
{
    return 1 + (account - ACCOUNT_FIRST) / venue->accounts_per_session;
}

static void write_client_id(char *out, uint32_t id)
{
    for (int i = CLIENT_ID_BYTES - 1; i >= 0; i--, id >>= 4)
        out[i] = "0123456789abcdef"[id & 15];
}

void flow_command_new(struct command *out, const struct flow_venue *venue,
                      const struct order_flow_operation *operation, uint32_t id)
{
    uint32_t account = account_of(venue, operation->instrument, id);
    start(out, CMD_order_new, GATEWAY_FIX, session_of(venue, account));
    struct order_new_cmd *order = &out->body.order_new;
    bool market = operation->kind == FLOW_MARKET;
    order->account = account;
    order->instrument = operation->instrument + 1;
    order->side = operation->sell ? SIDE_SELL : SIDE_BUY;
    order->type = market ? ORDER_MARKET : ORDER_LIMIT;
    order->tif = operation->kind == FLOW_IOC ? TIF_IOC : TIF_DAY;
    order->flags = venue->confirms ? ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV : 0;
    order->price = (int64_t)operation->price * TICK;
    order->quantity = operation->quantity;
    order->client_id_bytes = CLIENT_ID_BYTES;
    write_client_id(command_tail_writable(out), id);
    ASSERT(command_slots(CMD_order_new, order->client_id_bytes) == FLOW_COMMAND_SLOTS);
}

void flow_command_cancel(struct command *out, const struct flow_venue *venue, uint32_t instrument,
                         uint32_t id, uint64_t order)
{
    uint32_t account = account_of(venue, instrument, id);
    start(out, CMD_order_cancel, GATEWAY_FIX, session_of(venue, account));
    out->body.order_cancel.order = order;
    out->body.order_cancel.account = account;
    out->header.slots = 1;
}

// ---- the venue

static struct command *begin(struct maker *maker, uint8_t type)
{
    memset(&maker->command, 0, sizeof(maker->command));
    start(&maker->command, type, GATEWAY_ADMIN, 0);
    return &maker->command;
}

// `tail` is what follows the fixed body.
static void send(struct maker *maker, size_t tail)
{
    struct command_header *header = &maker->command.header;
    header->slots = command_slots(header->type, (uint32_t)tail);
    header->incarnation = maker->incarnation;
    maker->send(maker->context, &maker->command);
}

static void attach(struct maker *maker, uint8_t gateway)
{
    begin(maker, CMD_gateway_attach)->header.gateway = gateway;
    send(maker, 0);
}

static void limit(struct maker *maker, uint8_t scope, uint32_t id)
{
    struct limits_set_cmd limits;
    if (!flow_limits_of(maker->venue->controls, scope, id, &limits))
        return;
    begin(maker, CMD_limits_set)->body.limits_set = limits;
    send(maker, 0);
}

static void charge(struct maker *maker, uint32_t account, uint32_t instrument)
{
    struct fees_set_cmd fees;
    if (!flow_fees_of(maker->venue->controls, account, instrument, &fees))
        return;
    begin(maker, CMD_fees_set)->body.fees_set = fees;
    send(maker, 0);
}

static void make_member(struct maker *maker, uint32_t member)
{
    begin(maker, CMD_member_set)->body.member_set.member = member;
    send(maker, 0);
    limit(maker, LIMIT_MEMBER, member);
}

static void make_account(struct maker *maker, uint32_t account)
{
    begin(maker, CMD_account_set)->body.account_set =
        (struct account_set_cmd){.account = account,
                                 .member = member_of(maker->venue, account),
                                 .jurisdiction = FLOW_JURISDICTION,
                                 .kyc = KYC_APPROVED,
                                 .accreditation = ACCREDITATION_INSTITUTIONAL,
                                 .fatca = FATCA_CLEAR,
                                 .flags = flow_account_flags(maker->venue->controls),
                                 .fee_bps = FEE_BPS_DEFAULT};
    send(maker, 0);
    limit(maker, LIMIT_ACCOUNT, account);
    charge(maker, account, 0);
}

static void make_session(struct maker *maker, uint32_t session)
{
    uint32_t count = maker->venue->accounts_per_session;
    uint32_t first = ACCOUNT_FIRST + (session - 1) * count;
    struct command *command = begin(maker, CMD_session_set);
    command->body.session_set = (struct session_set_cmd){.session = session,
                                                         .member = member_of(maker->venue, first),
                                                         .gateway = GATEWAY_FIX,
                                                         .account_count = (uint16_t)count};
    ASSERT(count <= SESSION_ACCOUNTS_MAX);
    char *tail = command_tail_writable(command);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t account = first + i;
        memcpy(tail + i * sizeof account, &account, sizeof account);
    }
    send(maker, count * sizeof(uint32_t));
    limit(maker, LIMIT_SESSION, session);
}

static void make_people(struct maker *maker)
{
    for (uint32_t member = 1; member <= members_of(maker->venue); member++)
        make_member(maker, member);
    for (uint32_t i = 0; i < maker->venue->accounts; i++)
        make_account(maker, ACCOUNT_FIRST + i);
    for (uint32_t session = 1; session <= sessions_of(maker->venue); session++)
        make_session(maker, session);
}

static void make_asset(struct maker *maker, uint32_t asset, uint8_t kind, uint8_t scale)
{
    begin(maker, CMD_asset_set)->body.asset_set =
        (struct asset_set_cmd){.asset = asset, .kind = kind, .scale = scale};
    send(maker, 0);
}

// Each of `count` accounts the same, so much that outside does not reach its bound.
static void deposit(struct maker *maker, uint32_t asset, uint32_t first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        begin(maker, CMD_ledger_post)->body.ledger_post =
            (struct ledger_post_cmd){.account = first + i,
                                     .asset = asset,
                                     .amount = ((int64_t)1 << 60) / count,
                                     .kind = POSTING_DEPOSIT,
                                     .ref_source = REF_ADMIN,
                                     .ref_number = ++maker->reference};
        send(maker, 0);
    }
}

static void make_controls(struct maker *maker, uint32_t instrument)
{
    struct instrument_rules_set_cmd rules;
    struct instrument_controls_set_cmd controls;
    struct jurisdictions_set_cmd jurisdictions;
    uint16_t codes[JURISDICTIONS_MAX];
    uint32_t on = maker->venue->controls;
    if (flow_rules_of(on, instrument, &rules)) {
        begin(maker, CMD_instrument_rules_set)->body.instrument_rules_set = rules;
        send(maker, 0);
    }
    if (flow_controls_of(on, instrument, &controls)) {
        begin(maker, CMD_instrument_controls_set)->body.instrument_controls_set = controls;
        send(maker, 0);
    }
    if (flow_jurisdictions_of(on, instrument, &jurisdictions, codes)) {
        size_t bytes = jurisdictions.code_count * sizeof codes[0];
        struct command *command = begin(maker, CMD_jurisdictions_set);
        command->body.jurisdictions_set = jurisdictions;
        memcpy(command_tail_writable(command), codes, bytes);
        send(maker, bytes);
    }
    charge(maker, 0, instrument);
}

static void make_instrument(struct maker *maker, uint32_t instrument)
{
    uint32_t token = instrument + 1; // asset 1 is cash
    make_asset(maker, token, ASSET_TOKEN, 2);
    struct instrument_set_cmd terms = {.instrument = instrument,
                                       .token_asset = token,
                                       .cash_asset = 1,
                                       .status = TOKEN_SECONDARY,
                                       .trading_mode = MODE_FULL_ORDERBOOK,
                                       .flags = INSTRUMENT_SELL_UNSETTLED,
                                       .token_scale = 2,
                                       .tick = TICK,
                                       .lot = 1,
                                       .collar_bps = 5000,
                                       .fee_bps = 25};
    flow_instrument_controls(maker->venue->controls, &terms);
    begin(maker, CMD_instrument_set)->body.instrument_set = terms;
    send(maker, 0);
    begin(maker, CMD_instrument_phase)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = instrument, .phase = PHASE_CONTINUOUS};
    send(maker, 0);
    begin(maker, CMD_nav_set)->body.nav_set =
        (struct nav_set_cmd){.instrument = instrument, .nav = (int64_t)MIDDLE * TICK};
    send(maker, 0);
    begin(maker, CMD_reference_set)->body.reference_set =
        (struct reference_set_cmd){.instrument = instrument, .price = (int64_t)MIDDLE * TICK};
    send(maker, 0);
    make_controls(maker, instrument);
}

static void give_tokens(struct maker *maker, uint32_t instrument)
{
    const struct flow_venue *venue = maker->venue;
    uint32_t of_group = venue->accounts / venue->groups;
    uint32_t group = (instrument - 1) % venue->groups;
    deposit(maker, instrument + 1, ACCOUNT_FIRST + group * of_group, of_group);
}

void flow_venue_make(const struct flow_venue *venue, uint32_t incarnation, flow_send *sink,
                     void *context)
{
    struct maker maker = {
        .venue = venue, .send = sink, .context = context, .incarnation = incarnation};
    attach(&maker, GATEWAY_ADMIN);
    attach(&maker, GATEWAY_FIX);
    make_asset(&maker, 1, ASSET_CASH, 6);
    make_people(&maker);
    deposit(&maker, 1, ACCOUNT_FIRST, venue->accounts);
    for (uint32_t i = 1; i <= venue->instruments + venue->others; i++)
        make_instrument(&maker, i);
    for (uint32_t i = 1; i <= venue->instruments; i++)
        give_tokens(&maker, i);
    begin(&maker, CMD_venue_state)->body.venue_state.state = VENUE_OPEN;
    send(&maker, 0);
}
