#include "perf/flow_commands.h"

#include <string.h>

enum {
    SESSIONS = 8,
    ACCOUNTS_PER_SESSION = 8,
    ACCOUNTS = SESSIONS * ACCOUNTS_PER_SESSION,
    ACCOUNT_FIRST = 1001,
    CLIENT_ID_BYTES = 12,
    TICK = 10000,
    MIDDLE = 32768, // ticks: where the flow's prices begin
};

struct venue {
    flow_send *send;
    void *context;
    uint32_t incarnation;
    uint64_t reference; // last used
    struct command command;
};

struct engine_limits flow_limits(uint32_t orders)
{
    return (struct engine_limits){.accounts_max = 2000,
                                  .members_max = 16,
                                  .sessions_max = 16,
                                  .session_accounts_max = 100,
                                  .assets_max = 200,
                                  .instruments_max = 128,
                                  .balances_max = 20000,
                                  .orders_max = orders,
                                  .levels_max = 100000,
                                  .stops_max = 100000,
                                  .trailing_stops_max = 1000,
                                  .command_events_max = 16384};
}

// ---- the flow
// ------------------------------------------------------------------------------------------

static uint32_t account_of(uint32_t id)
{
    return ACCOUNT_FIRST + id % ACCOUNTS;
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

static uint32_t session_of(uint32_t id)
{
    return 1 + id % ACCOUNTS / ACCOUNTS_PER_SESSION;
}

static void write_client_id(char *out, uint32_t id)
{
    for (int i = CLIENT_ID_BYTES - 1; i >= 0; i--, id >>= 4)
        out[i] = "0123456789abcdef"[id & 15];
}

void flow_command_new(struct command *out, const struct order_flow_operation *operation,
                      uint32_t id)
{
    start(out, CMD_order_new, GATEWAY_FIX, session_of(id));
    struct order_new_cmd *order = &out->body.order_new;
    bool market = operation->kind == FLOW_MARKET;
    order->account = account_of(id);
    order->instrument = operation->instrument + 1;
    order->side = operation->sell ? SIDE_SELL : SIDE_BUY;
    order->type = market ? ORDER_MARKET : ORDER_LIMIT;
    order->tif = operation->kind == FLOW_IOC ? TIF_IOC : TIF_DAY;
    order->flags = ORDER_CONFIRM_FAT_FINGER | ORDER_CONFIRM_NAV;
    order->price = (int64_t)operation->price * TICK;
    order->quantity = operation->quantity;
    order->client_id_bytes = CLIENT_ID_BYTES;
    write_client_id(command_tail_writable(out), id);
    ASSERT(command_slots(CMD_order_new, order->client_id_bytes) == FLOW_COMMAND_SLOTS);
}

void flow_command_cancel(struct command *out, uint32_t id, uint64_t order)
{
    start(out, CMD_order_cancel, GATEWAY_FIX, session_of(id));
    out->body.order_cancel.order = order;
    out->body.order_cancel.account = account_of(id);
    out->header.slots = 1;
}

// ---- the venue
// -----------------------------------------------------------------------------------------

static struct command *begin(struct venue *venue, uint8_t type)
{
    start(&venue->command, type, GATEWAY_ADMIN, 0);
    return &venue->command;
}

// `tail` is what follows the fixed body.
static void send(struct venue *venue, size_t tail)
{
    struct command_header *header = &venue->command.header;
    header->slots = command_slots(header->type, (uint32_t)tail);
    header->incarnation = venue->incarnation;
    ASSERT(header->slots <= FLOW_COMMAND_SLOTS);
    venue->send(venue->context, &venue->command);
}

static void attach(struct venue *venue, uint8_t gateway)
{
    begin(venue, CMD_gateway_attach)->header.gateway = gateway;
    send(venue, 0);
}

static void make_people(struct venue *venue)
{
    begin(venue, CMD_member_set)->body.member_set.member = 1;
    send(venue, 0);
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        begin(venue, CMD_account_set)->body.account_set = (struct account_set_cmd){
            .account = ACCOUNT_FIRST + i,
            .member = 1,
            .kyc = KYC_APPROVED,
            .accreditation = ACCREDITATION_INSTITUTIONAL,
            .fatca = FATCA_CLEAR,
            .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_NO_LIMITS,
            .fee_bps = FEE_BPS_DEFAULT};
        send(venue, 0);
    }
    for (uint32_t session = 1; session <= SESSIONS; session++) {
        struct command *command = begin(venue, CMD_session_set);
        command->body.session_set = (struct session_set_cmd){.session = session,
                                                             .member = 1,
                                                             .gateway = GATEWAY_FIX,
                                                             .account_count = ACCOUNTS_PER_SESSION};
        uint32_t accounts[ACCOUNTS_PER_SESSION];
        for (uint32_t i = 0; i < ACCOUNTS_PER_SESSION; i++)
            accounts[i] = ACCOUNT_FIRST + (session - 1) * ACCOUNTS_PER_SESSION + i;
        memcpy(command_tail_writable(command), accounts, sizeof accounts);
        send(venue, sizeof accounts);
    }
}

static void make_asset(struct venue *venue, uint32_t asset, uint8_t kind, uint8_t scale)
{
    begin(venue, CMD_asset_set)->body.asset_set =
        (struct asset_set_cmd){.asset = asset, .kind = kind, .scale = scale};
    send(venue, 0);
}

static void deposit(struct venue *venue, uint32_t asset)
{
    for (uint32_t i = 0; i < ACCOUNTS; i++) {
        begin(venue, CMD_ledger_post)->body.ledger_post =
            (struct ledger_post_cmd){.account = ACCOUNT_FIRST + i,
                                     .asset = asset,
                                     .amount = (int64_t)1 << 54,
                                     .kind = POSTING_DEPOSIT,
                                     .ref_source = REF_ADMIN,
                                     .ref_number = ++venue->reference};
        send(venue, 0);
    }
}

static void make_instrument(struct venue *venue, uint32_t instrument)
{
    uint32_t token = instrument + 1; // asset 1 is cash
    make_asset(venue, token, ASSET_TOKEN, 2);
    begin(venue, CMD_instrument_set)->body.instrument_set =
        (struct instrument_set_cmd){.instrument = instrument,
                                    .token_asset = token,
                                    .cash_asset = 1,
                                    .status = TOKEN_SECONDARY,
                                    .trading_mode = MODE_FULL_ORDERBOOK,
                                    .flags = INSTRUMENT_SELL_UNSETTLED | INSTRUMENT_NAV_REQUIRED,
                                    .token_scale = 2,
                                    .tick = TICK,
                                    .lot = 1,
                                    .fat_finger_block_bps = 9000,
                                    .fat_finger_confirm_bps = 1000,
                                    .nav_confirm_bps = 2000,
                                    .collar_bps = 5000,
                                    .fee_bps = 25,
                                    .breaker_bps = 20000,
                                    .order_quantity_max = 1000000,
                                    .order_notional_max = (int64_t)1 << 50};
    send(venue, 0);
    begin(venue, CMD_instrument_phase)->body.instrument_phase =
        (struct instrument_phase_cmd){.instrument = instrument, .phase = PHASE_CONTINUOUS};
    send(venue, 0);
    begin(venue, CMD_nav_set)->body.nav_set =
        (struct nav_set_cmd){.instrument = instrument, .nav = (int64_t)MIDDLE * TICK};
    send(venue, 0);
    begin(venue, CMD_reference_set)->body.reference_set =
        (struct reference_set_cmd){.instrument = instrument, .price = (int64_t)MIDDLE * TICK};
    send(venue, 0);
    deposit(venue, token);
}

void flow_venue(uint32_t instruments, uint32_t incarnation, flow_send *sink, void *context)
{
    struct venue venue = {.send = sink, .context = context, .incarnation = incarnation};
    attach(&venue, GATEWAY_ADMIN);
    attach(&venue, GATEWAY_FIX);
    make_asset(&venue, 1, ASSET_CASH, 6);
    make_people(&venue);
    deposit(&venue, 1);
    for (uint32_t i = 1; i <= instruments; i++)
        make_instrument(&venue, i);
    begin(&venue, CMD_venue_state)->body.venue_state.state = VENUE_OPEN;
    send(&venue, 0);
}
