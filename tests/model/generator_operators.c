// Random commands of operators: phases, market data, reference data.
#include "tests/model/generator_parts.h"

// ---- operators

void make_phase(struct generator *generator, struct beside *beside, uint32_t instrument)
{
    static const uint8_t calls[] = {PHASE_PRE_OPEN, PHASE_OPENING_AUCTION, PHASE_VOLATILITY_AUCTION,
                                    PHASE_CLOSING_AUCTION};
    struct command *command = beside_start(beside, CMD_instrument_phase, GATEWAY_ADMIN);
    uint8_t phase =
        draw_chance(generator, 2) ? PHASE_CONTINUOUS : (uint8_t)(1 + draw_below(generator, 7));
    if (mood_fills(beside) && mood_of(beside) == CALL && instrument == 1)
        phase = calls[draw_below(generator, 4)];
    else if (mood_fills(beside) && !draw_chance(generator, 8))
        phase = PHASE_CONTINUOUS;
    command->body.instrument_phase.phase = phase;
    command->body.instrument_phase.instrument = instrument;
}

void make_market_data(struct generator *generator, struct beside *beside)
{
    uint32_t instrument = draw_chance(generator, 200) ? 9 : some_instrument(generator);
    uint32_t known = instrument == 9 ? 1 : instrument;
    struct command *command = NULL;
    int64_t price = some_price_near(generator, beside, known, draw_between(generator, -5, 5));
    switch (draw_below(generator, 7)) {
    case 0:
        command = beside_start(beside, CMD_nav_set, GATEWAY_ADMIN);
        command->body.nav_set.nav = price + 1;
        command->body.nav_set.instrument = instrument == 2 ? 1 : instrument;
        return;
    case 1:
        command = beside_start(beside, CMD_reference_set, GATEWAY_ADMIN);
        command->body.reference_set.price = price + (draw_chance(generator, 20) ? 1 : 0);
        command->body.reference_set.instrument = instrument;
        return;
    case 2:
        command = beside_start(beside, CMD_breaker_set, GATEWAY_ADMIN);
        command->body.breaker_set.tripped = draw_chance(generator, 4);
        command->body.breaker_set.instrument = instrument;
        return;
    default:
        make_phase(generator, beside, instrument);
        return;
    }
}

static void make_rules(struct generator *generator, struct beside *beside)
{
    struct command *command = beside_start(beside, CMD_instrument_rules_set, GATEWAY_ADMIN);
    uint32_t instrument = some_instrument(generator);
    int64_t lot = universe_instruments[instrument - 1].lot;
    command->body.instrument_rules_set = (struct instrument_rules_set_cmd){
        .instrument = draw_chance(generator, 50) ? 9 : instrument,
        .volatility_bps = draw_chance(generator, 3) ? 0 : 200 + draw_below(generator, 800),
        .order_quantity_min = draw_chance(generator, 3) ? lot * draw_below(generator, 8) : 0,
        .order_notional_min = draw_chance(generator, 3) ? draw_below(generator, 5000000) : 0,
        .volatility_auction_ms = draw_chance(generator, 5) ? 0 : 1 + draw_below(generator, 15),
        .indicative_ms = draw_chance(generator, 5) ? 0 : 1 + draw_below(generator, 4)};
    if (draw_chance(generator, 20))
        command->body.instrument_rules_set.order_quantity_min = -1;
    if (draw_chance(generator, 20))
        command->body.instrument_rules_set.order_notional_min = -1;
}

bool has_orders(const struct beside *beside, uint32_t instrument)
{
    for (uint32_t i = 0; i < beside->naive.order_top; i++)
        if (beside->naive.orders[i].id != 0 && beside->naive.orders[i].instrument == instrument)
            return true;
    return false;
}

static void make_tick_table(struct generator *generator, struct beside *beside)
{
    uint32_t instrument = some_instrument(generator);
    int64_t tick = beside->naive.instruments[instrument].terms.tick;
    struct tick_band_tail bands[TICK_BANDS_MAX];
    uint32_t count = draw_chance(generator, 3) ? 0 : 1 + draw_below(generator, 4);
    int64_t from = (int64_t)draw_below(generator, 20) * 8 * tick;
    int64_t before = tick;
    for (uint32_t i = 0; i < count; i++) {
        int64_t next = tick * (1 + draw_below(generator, 4));
        from += (1 + draw_below(generator, 3)) * 12 * tick;
        from -= from % (before * next);
        from += draw_chance(generator, 40) ? 1 : before * next;
        bands[i] = (struct tick_band_tail){.from_price = from, .tick = next};
        if (draw_chance(generator, 40))
            bands[i].tick = draw_chance(generator, 2) ? next + 1 : 0;
        before = next;
    }
    struct command *command = beside_start(beside, CMD_tick_table_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_tick_table_set, count * sizeof(bands[0]));
    command->body.tick_table_set.instrument = draw_chance(generator, 50) ? 9 : instrument;
    command->body.tick_table_set.band_count = count;
    memcpy(command_tail_writable(command), bands, count * sizeof(bands[0]));
}

static void make_empty(struct beside *beside, uint32_t instrument)
{
    struct command *command = beside_start(beside, CMD_order_mass_cancel, GATEWAY_ADMIN);
    command->body.order_mass_cancel.scope = SCOPE_VENUE;
    command->body.order_mass_cancel.instrument = instrument;
}

// A tick table needs an instrument without orders: mostly they are cancelled first.
static void make_empty_or_tick_table(struct generator *generator, struct beside *beside)
{
    uint32_t instrument = some_instrument(generator);
    if (!has_orders(beside, instrument) || draw_chance(generator, 4)) {
        make_tick_table(generator, beside);
        return;
    }
    make_empty(beside, instrument);
}

static void make_schedule(struct generator *generator, struct beside *beside)
{
    struct schedule_entry_tail entries[SCHEDULE_ENTRIES_MAX] = {0};
    uint32_t count = draw_chance(generator, 3) ? 0 : 1 + draw_below(generator, 8);
    uint32_t time = draw_below(generator, 86400000 / 2);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].time_of_day_ms = time;
        entries[i].phase = (uint8_t)(draw_chance(generator, 100) ? draw_below(generator, 10)
                                     : draw_chance(generator, 2) ? PHASE_CONTINUOUS
                                                                 : 1 + draw_below(generator, 4));
        if (draw_chance(generator, 3))
            entries[i].phase = (uint8_t)(PHASE_HALTED + draw_below(generator, 2));
        time += draw_chance(generator, 100) ? 0 : 1 + draw_below(generator, 86400000 / 20);
    }
    struct command *command = beside_start(beside, CMD_schedule_set, GATEWAY_ADMIN);
    command->header.slots = command_slots(CMD_schedule_set, count * sizeof(entries[0]));
    command->body.schedule_set = (struct schedule_set_cmd){
        .instrument = draw_chance(generator, 50) ? 9 : some_instrument(generator),
        .weekdays = (uint8_t)(draw_chance(generator, 20) ? 128 * draw_below(generator, 2)
                                                         : 1 + draw_below(generator, 127)),
        .entry_count = (uint8_t)count};
    memcpy(command_tail_writable(command), entries, count * sizeof(entries[0]));
}

// ---- who and what

void make_account_set(struct generator *generator, struct beside *beside, uint32_t account)
{
    struct command *command = beside_start(beside, CMD_account_set, GATEWAY_ADMIN);
    uint8_t limits = draw_chance(generator, 3) ? 0 : ACCOUNT_NO_LIMITS;
    command->body.account_set = (struct account_set_cmd){
        .account = account,
        .member = 1 + (account - UNIVERSE_ACCOUNT_FIRST) / 4,
        .jurisdiction = universe_jurisdiction(account),
        .kyc = draw_chance(generator, 20) ? KYC_PENDING : KYC_APPROVED,
        .accreditation = (uint8_t)(1 + account % 3),
        .fatca = draw_chance(generator, 20) ? FATCA_BLOCKED : FATCA_CLEAR,
        .flags = (uint8_t)(ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | limits),
        .fee_bps = draw_chance(generator, 3) ? draw_below(generator, 100) : FEE_BPS_DEFAULT};
    if (draw_chance(generator, 20))
        command->body.account_set.flags = (uint8_t)draw_below(generator, 16);
}

void make_instrument_set(struct generator *generator, struct beside *beside, uint32_t instrument)
{
    struct command *command = beside_start(beside, CMD_instrument_set, GATEWAY_ADMIN);
    struct instrument_rec terms = universe_instruments[instrument - 1];
    terms.cash_asset = UNIVERSE_CASH;
    terms.status = TOKEN_SECONDARY;
    terms.trading_mode = MODE_FULL_ORDERBOOK;
    if (draw_chance(generator, 8))
        terms.status = (uint8_t)(1 + draw_below(generator, 6));
    if (draw_chance(generator, 8))
        terms.trading_mode = (uint8_t)(1 + draw_below(generator, 3));
    if (draw_chance(generator, 6))
        terms.collar_bps = draw_below(generator, 2) * 30000;
    if (draw_chance(generator, 3))
        terms.flags ^= INSTRUMENT_SELL_UNSETTLED;
    if (draw_chance(generator, 4))
        terms.flags ^= INSTRUMENT_NAV_REQUIRED;
    if (draw_chance(generator, 10))
        terms.breaker_bps = 0;
    if (draw_chance(generator, 3)) // so that the last price finds back
        terms.fat_finger_block_bps = 0;
    if (draw_chance(generator, 20))
        terms.tick *= 2;
    if (draw_chance(generator, 3))
        terms.fee_bps = 30;
    memcpy(&command->body, &terms, sizeof(terms));
}

// A status or mode that keeps orders out for good needs an instrument without any.
void make_outsider(struct generator *generator, struct beside *beside, uint32_t instrument)
{
    static const uint8_t outside[] = {TOKEN_DRAFT, TOKEN_PRIMARY, TOKEN_MATURED, TOKEN_DELISTED};
    make_instrument_set(generator, beside, instrument);
    if (draw_chance(generator, 2))
        beside->command.body.instrument_set.status = outside[draw_below(generator, 4)];
    else
        beside->command.body.instrument_set.trading_mode =
            draw_chance(generator, 2) ? MODE_PRIMARY_SUBSCRIPTION : MODE_FIXED_PRICE_OTC;
}

// Mostly its orders are cancelled first.
static void make_empty_or_outsider(struct generator *generator, struct beside *beside)
{
    uint32_t instrument = some_instrument(generator);
    if (has_orders(beside, instrument) && !draw_chance(generator, 4)) {
        make_empty(beside, instrument);
        generator->emptied = instrument;
    } else {
        make_outsider(generator, beside, instrument);
    }
}

// One thing wrong with what was made.
static void spoil_terms(struct generator *generator, struct command *command)
{
    struct instrument_set_cmd *terms = &command->body.instrument_set;
    switch (draw_below(generator, 13)) {
    case 0:
        terms->instrument = draw_chance(generator, 2) ? 0 : 99;
        break;
    case 1:
        terms->token_asset = draw_chance(generator, 2) ? UNIVERSE_CASH : 77;
        break;
    case 2:
        terms->cash_asset = draw_chance(generator, 2) ? 2 : 77;
        break;
    case 3:
        terms->status = draw_chance(generator, 2) ? 0 : 7;
        break;
    case 4:
        terms->trading_mode = draw_chance(generator, 2) ? 0 : 4;
        break;
    case 5:
        terms->flags = 4;
        break;
    case 6:
        terms->token_scale++;
        break;
    case 7:
        terms->tick = draw_chance(generator, 2) ? 0 : -1;
        break;
    case 8:
        terms->lot = 0;
        break;
    case 9:
        terms->fee_bps = 10001;
        break;
    case 10:
        terms->order_quantity_max = -1;
        break;
    case 11:
        terms->tick = (int64_t)1 << 61;
        break;
    default:
        terms->order_notional_max = -1;
        break;
    }
}

static void spoil_account(struct generator *generator, struct command *command)
{
    struct account_set_cmd *account = &command->body.account_set;
    switch (draw_below(generator, 8)) {
    case 0:
        account->account = draw_chance(generator, 2) ? ACCOUNT_VENUE_MAX : 99;
        break;
    case 1:
        account->member = draw_chance(generator, 2) ? 3 - account->member : 4;
        break;
    case 2:
        account->kyc = draw_chance(generator, 2) ? 0 : 6;
        break;
    case 3:
        account->accreditation = draw_chance(generator, 2) ? 0 : 4;
        break;
    case 4:
        account->fatca = draw_chance(generator, 2) ? 0 : 3;
        break;
    case 5:
        account->flags |= 16;
        break;
    case 6:
        account->fee_bps = 10001;
        break;
    default:
        account->member = 0;
        break;
    }
}

// Refused, all of it.
static void make_wrong_session(struct generator *generator, struct beside *beside)
{
    struct command *command = beside_start(beside, CMD_session_set, GATEWAY_ADMIN);
    struct session_set_cmd *session = &command->body.session_set;
    uint32_t accounts[9] = {16, 17};
    *session = (struct session_set_cmd){
        .session = 1, .member = 1, .gateway = GATEWAY_FIX, .account_count = 2};
    switch (draw_below(generator, 8)) {
    case 0:
        session->session = draw_chance(generator, 2) ? 0 : 99;
        break;
    case 1:
        session->member = draw_chance(generator, 2) ? 2 : 4;
        break;
    case 2:
        session->gateway = draw_chance(generator, 2) ? 0 : 5;
        break;
    case 3:
        session->flags = 8;
        break;
    case 4:
        session->account_count = 9;
        break;
    case 5:
        accounts[1] = draw_chance(generator, 2) ? 3 : 77;
        break;
    case 6:
        accounts[1] = 20;
        break;
    default:
        accounts[1] = 16;
        break;
    }
    size_t bytes = session->account_count * sizeof(accounts[0]);
    command->header.slots = command_slots(CMD_session_set, bytes);
    memcpy(command_tail_writable(command), accounts, bytes);
}

static void make_wrong_asset(struct generator *generator, struct beside *beside)
{
    struct command *command = beside_start(beside, CMD_asset_set, GATEWAY_ADMIN);
    struct asset_set_cmd *asset = &command->body.asset_set;
    *asset = (struct asset_set_cmd){.asset = 2, .kind = ASSET_TOKEN, .scale = 2};
    switch (draw_below(generator, 4)) {
    case 0:
        asset->asset = draw_chance(generator, 2) ? 0 : 99;
        break;
    case 1:
        asset->kind = (uint8_t)(3 * draw_below(generator, 2));
        break;
    case 2:
        asset->kind = ASSET_CASH;
        break;
    default:
        asset->scale = 3;
        break;
    }
}

static void make_wrong_word(struct generator *generator, struct beside *beside)
{
    struct command *command = NULL;
    bool zero = draw_chance(generator, 2);
    switch (draw_below(generator, 6)) {
    case 0:
        command = beside_start(beside, CMD_venue_state, GATEWAY_ADMIN);
        command->body.venue_state.state = zero ? 0 : 3;
        return;
    case 1:
        command = beside_start(beside, CMD_instrument_phase, GATEWAY_ADMIN);
        command->body.instrument_phase = (struct instrument_phase_cmd){.instrument = 1};
        command->body.instrument_phase.phase = zero ? 0 : 8;
        return;
    case 2:
        command = beside_start(beside, CMD_breaker_set, GATEWAY_ADMIN);
        command->body.breaker_set = (struct breaker_set_cmd){.instrument = 1, .tripped = 2};
        return;
    case 3:
        command = beside_start(beside, CMD_nav_set, GATEWAY_ADMIN);
        command->body.nav_set.instrument = 1;
        command->body.nav_set.nav = zero ? 0 : ((int64_t)1 << 61) + 1;
        return;
    case 4:
        command = beside_start(beside, CMD_reference_set, GATEWAY_ADMIN);
        command->body.reference_set.instrument = 1;
        command->body.reference_set.price = zero ? 0 : -1;
        return;
    default:
        command = beside_start(beside, CMD_member_set, GATEWAY_ADMIN);
        command->body.member_set.member = zero ? 99 : 1;
        command->body.member_set.suspended = 2;
        return;
    }
}

static void make_wrong_data(struct generator *generator, struct beside *beside)
{
    switch (draw_below(generator, 5)) {
    case 0:
        make_instrument_set(generator, beside, 1);
        beside->command.body.instrument_set.tick = beside->naive.instruments[1].terms.tick;
        spoil_terms(generator, &beside->command);
        return;
    case 1:
        make_account_set(generator, beside, UNIVERSE_ACCOUNT_FIRST);
        spoil_account(generator, &beside->command);
        return;
    case 2:
        make_wrong_session(generator, beside);
        return;
    case 3:
        make_wrong_asset(generator, beside);
        return;
    default:
        make_wrong_word(generator, beside);
        return;
    }
}

void make_reference_data(struct generator *generator, struct beside *beside)
{
    struct command *command = NULL;
    if (draw_chance(generator, 12)) {
        make_wrong_data(generator, beside);
        return;
    }
    switch (draw_below(generator, 12)) {
    case 0:
        command = beside_start(beside, CMD_venue_state, GATEWAY_ADMIN);
        command->body.venue_state.state =
            draw_chance(generator, 6) ? VENUE_CANCEL_ONLY : VENUE_OPEN;
        return;
    case 1:
        command = beside_start(beside, CMD_member_set, GATEWAY_ADMIN);
        command->body.member_set =
            (struct member_set_cmd){.member = 1 + draw_below(generator, UNIVERSE_MEMBERS),
                                    .suspended = draw_chance(generator, 8)};
        return;
    case 2:
        make_instrument_set(generator, beside, some_instrument(generator));
        return;
    case 3:
        make_empty_or_outsider(generator, beside);
        return;
    case 4:
    case 5:
        make_rules(generator, beside);
        return;
    case 6:
    case 7:
        make_empty_or_tick_table(generator, beside);
        return;
    case 8:
        make_schedule(generator, beside);
        return;
    default:
        make_account_set(generator, beside,
                         UNIVERSE_ACCOUNT_FIRST + draw_below(generator, UNIVERSE_ACCOUNTS));
        return;
    }
}
