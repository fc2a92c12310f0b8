// The small universe of the model tests: who and what there is.
#include "tests/model/beside.h"

const struct instrument_rec universe_instruments[UNIVERSE_INSTRUMENTS] = {
    {.instrument = 1,
     .token_asset = 2,
     .token_scale = 2,
     .tick = 1000000,
     .lot = 1,
     .flags = INSTRUMENT_SELL_UNSETTLED,
     .fat_finger_block_bps = 5000,
     .fat_finger_confirm_bps = 1000,
     .nav_confirm_bps = 2000,
     .collar_bps = 900,
     .fee_bps = 25,
     .breaker_bps = 1500,
     .order_quantity_max = 5000,
     .order_notional_max = 6000000000},
    {.instrument = 2,
     .token_asset = 3,
     .token_scale = 0,
     .tick = 700000,
     .lot = 3,
     .collar_bps = 300,
     .fat_finger_confirm_bps = 100,
     .fee_bps = 7,
     .order_quantity_max = 0},
    {.instrument = 3,
     .token_asset = 4,
     .token_scale = 8,
     .tick = 2000000,
     .lot = 1000000,
     .flags = INSTRUMENT_NAV_REQUIRED,
     .nav_confirm_bps = 800,
     .collar_bps = 12000,
     .fee_bps = 9999,
     .breaker_bps = 2500},
};

uint8_t universe_gateway_of(uint32_t session)
{
    return session <= 2 ? GATEWAY_FIX : GATEWAY_WEB;
}

uint32_t universe_account(uint32_t session, uint32_t which)
{
    return UNIVERSE_ACCOUNT_FIRST + (session - 1) % 4 * 2 + which;
}

uint16_t universe_jurisdiction(uint32_t account)
{
    return (uint16_t)(1 + account % 3);
}

static uint32_t member_of(uint32_t session)
{
    return session == UNIVERSE_SESSIONS ? 1 : 1 + (session - 1) / 2;
}

void universe_deposit(struct beside *beside, uint32_t account, uint32_t asset, int64_t amount)
{
    struct command *command = beside_start(beside, CMD_ledger_post, GATEWAY_ADMIN);
    command->body.ledger_post =
        (struct ledger_post_cmd){.account = account,
                                 .asset = asset,
                                 .amount = amount,
                                 .kind = POSTING_DEPOSIT,
                                 .ref_source = REF_ADMIN,
                                 .ref_number = beside->naive.references[REF_ADMIN].number + 1};
    beside_apply(beside);
}

static void set_up_assets(struct beside *beside)
{
    for (uint32_t asset = 1; asset <= UNIVERSE_INSTRUMENTS + 1; asset++) {
        struct command *command = beside_start(beside, CMD_asset_set, GATEWAY_ADMIN);
        bool cash = asset == UNIVERSE_CASH;
        command->body.asset_set =
            (struct asset_set_cmd){.asset = asset,
                                   .kind = cash ? ASSET_CASH : ASSET_TOKEN,
                                   .scale = cash ? 6 : universe_instruments[asset - 2].token_scale};
        beside_apply(beside);
    }
}

static void set_up_accounts(struct beside *beside)
{
    for (uint32_t member = 1; member <= UNIVERSE_MEMBERS; member++) {
        beside_start(beside, CMD_member_set, GATEWAY_ADMIN)->body.member_set.member = member;
        beside_apply(beside);
    }
    for (uint32_t i = 0; i < UNIVERSE_ACCOUNTS; i++) {
        struct command *command = beside_start(beside, CMD_account_set, GATEWAY_ADMIN);
        command->body.account_set = (struct account_set_cmd){
            .account = UNIVERSE_ACCOUNT_FIRST + i,
            .member = 1 + i / 4,
            .jurisdiction = universe_jurisdiction(UNIVERSE_ACCOUNT_FIRST + i),
            .kyc = KYC_APPROVED,
            .accreditation = (uint8_t)(1 + i % 3),
            .fatca = FATCA_CLEAR,
            .flags = ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_NO_LIMITS,
            .fee_bps = FEE_BPS_DEFAULT};
        beside_apply(beside);
    }
}

static void set_up_instruments(struct beside *beside)
{
    for (uint32_t i = 1; i <= UNIVERSE_INSTRUMENTS; i++) {
        struct command *command = beside_start(beside, CMD_instrument_set, GATEWAY_ADMIN);
        struct instrument_rec terms = universe_instruments[i - 1];
        terms.cash_asset = UNIVERSE_CASH;
        terms.status = TOKEN_SECONDARY;
        terms.trading_mode = MODE_FULL_ORDERBOOK;
        memcpy(&command->body, &terms, sizeof(terms));
        beside_apply(beside);
    }
}

static void set_up_sessions(struct beside *beside)
{
    for (uint32_t id = 1; id <= UNIVERSE_SESSIONS; id++) {
        struct command *command = beside_start(beside, CMD_session_set, GATEWAY_ADMIN);
        command->header.slots = command_slots(CMD_session_set, 2 * sizeof(uint32_t));
        command->body.session_set = (struct session_set_cmd){
            .session = id,
            .member = member_of(id),
            .gateway = universe_gateway_of(id),
            .flags = (uint8_t)((id % 2 == 0 ? SESSION_CANCEL_ON_DISCONNECT : 0) |
                               (id == UNIVERSE_SESSIONS ? SESSION_MEMBER_SCOPE : 0)),
            .account_count = 2};
        uint32_t accounts[2] = {universe_account(id, 1), universe_account(id, 0)};
        memcpy(command_tail_writable(command), accounts, sizeof(accounts));
        beside_apply(beside);
    }
}

void universe_set_up(struct beside *beside)
{
    for (uint8_t gateway = GATEWAY_FIX; gateway < GATEWAY_COUNT; gateway++) {
        beside->incarnations[gateway] = 5;
        beside_start(beside, CMD_gateway_attach, gateway);
        beside_apply(beside);
    }
    set_up_assets(beside);
    set_up_accounts(beside);
    set_up_instruments(beside);
    set_up_sessions(beside);
    beside_start(beside, CMD_venue_state, GATEWAY_ADMIN)->body.venue_state.state = VENUE_OPEN;
    beside_apply(beside);
}
