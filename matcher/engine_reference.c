// Reference data: assets, instruments and their state, members, accounts, sessions, the venue's
// state. Each command carries the whole record; one that is refused changes nothing. A refused
// field is named by its number, counted from 1 in the record's list in schema/records.def.
#include "matcher/engine_state.h"

#define FIELD_ASSET(type, name, doc)      ASSET_FIELD_##name,
#define FIELD_INSTRUMENT(type, name, doc) INSTRUMENT_FIELD_##name,
#define FIELD_MEMBER(type, name, doc)     MEMBER_FIELD_##name,
#define FIELD_ACCOUNT(type, name, doc)    ACCOUNT_FIELD_##name,
#define FIELD_SESSION(type, name, doc)    SESSION_FIELD_##name,
enum asset_field { ASSET_FIELD_none, ASSET_BODY(FIELD_ASSET) };
enum instrument_field { INSTRUMENT_FIELD_none, INSTRUMENT_BODY(FIELD_INSTRUMENT) };
enum member_field { MEMBER_FIELD_none, MEMBER_BODY(FIELD_MEMBER) };
enum account_field { ACCOUNT_FIELD_none, ACCOUNT_BODY(FIELD_ACCOUNT) };
enum session_field { SESSION_FIELD_none, SESSION_BODY(FIELD_SESSION) };

static bool within(uint64_t value, uint64_t least, uint64_t most)
{
    return value >= least && value <= most;
}

static bool malformed(struct refusal *refusal, uint64_t value, int field)
{
    return refuse(refusal, REJECT_MALFORMED, 0, (int64_t)value, field);
}

// ---- venue

void engine_venue_state_set(struct turn *turn)
{
    const struct venue_state_cmd *body = &turn->command->body.venue_state;
    struct refusal refusal;
    if (body->state != VENUE_CANCEL_ONLY && body->state != VENUE_OPEN) {
        (void)malformed(&refusal, body->state, 1);
        turn_reject(turn, &refusal);
        return;
    }
    turn->engine->venue_state = body->state;
    memcpy(&turn_emit(turn, EVT_venue_state_changed)->body, body, sizeof(*body));
}

// ---- assets

static bool asset_terms(const struct engine *engine, const struct asset_rec *terms,
                        struct refusal *refusal)
{
    const struct asset_rec *now = engine_asset(engine, terms->asset);
    bool cash = terms->kind == ASSET_CASH;
    if (!within(terms->asset, 1, engine->limits.assets_max))
        return refuse(refusal, REJECT_ID_RANGE, engine->limits.assets_max, terms->asset, 0);
    if ((!cash && terms->kind != ASSET_TOKEN) || (now != NULL && now->kind != terms->kind))
        return refuse(refusal, REJECT_ASSET_TERMS, 0, terms->kind, ASSET_FIELD_kind);
    bool scale_fits = cash ? terms->scale == MONEY_CASH_SCALE : terms->scale <= MONEY_SCALE_MAX;
    if (!scale_fits || (now != NULL && now->scale != terms->scale))
        return refuse(refusal, REJECT_ASSET_TERMS, 0, terms->scale, ASSET_FIELD_scale);
    return true;
}

void engine_asset_set(struct turn *turn)
{
    struct asset_rec terms;
    struct refusal refusal;
    memcpy(&terms, &turn->command->body.asset_set, sizeof(terms));
    if (!asset_terms(turn->engine, &terms, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    turn->engine->assets[terms.asset] = terms;
    memcpy(&turn_emit(turn, EVT_asset_changed)->body, &terms, sizeof(terms));
}

// ---- instruments

static bool terms_refused(struct refusal *refusal, int64_t value, int field)
{
    return refuse(refusal, REJECT_INSTRUMENT_TERMS, 0, value, field);
}

static bool instrument_assets(const struct engine *engine, const struct instrument_rec *terms,
                              struct refusal *refusal)
{
    const struct asset_rec *token = engine_asset(engine, terms->token_asset);
    const struct asset_rec *cash = engine_asset(engine, terms->cash_asset);
    if (token == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ASSET, 0, terms->token_asset, 0);
    if (cash == NULL)
        return refuse(refusal, REJECT_UNKNOWN_ASSET, 0, terms->cash_asset, 0);
    if (token->kind != ASSET_TOKEN)
        return terms_refused(refusal, terms->token_asset, INSTRUMENT_FIELD_token_asset);
    if (cash->kind != ASSET_CASH)
        return terms_refused(refusal, terms->cash_asset, INSTRUMENT_FIELD_cash_asset);
    if (token->scale != terms->token_scale)
        return terms_refused(refusal, terms->token_scale, INSTRUMENT_FIELD_token_scale);
    return true;
}

// Notionals are exact: a tick times a lot is a whole number of cash units; and one order fits.
static bool instrument_steps(const struct instrument_rec *terms, struct refusal *refusal)
{
    ASSERT(terms->token_scale <= MONEY_SCALE_MAX);
    if (terms->tick <= 0)
        return terms_refused(refusal, terms->tick, INSTRUMENT_FIELD_tick);
    if (terms->lot <= 0)
        return terms_refused(refusal, terms->lot, INSTRUMENT_FIELD_lot);
    money_product step = (money_product)(uint64_t)terms->tick * (uint64_t)terms->lot;
    const uint64_t unit = money_power_of_10[terms->token_scale];
    if (step % unit != 0 || step / unit > (uint64_t)MONEY_MAX)
        return terms_refused(refusal, terms->lot, INSTRUMENT_FIELD_lot);
    return true;
}

static bool instrument_values(const struct instrument_rec *terms, struct refusal *refusal)
{
    if (!within(terms->status, TOKEN_DRAFT, TOKEN_DELISTED))
        return terms_refused(refusal, terms->status, INSTRUMENT_FIELD_status);
    if (!within(terms->trading_mode, MODE_PRIMARY_SUBSCRIPTION, MODE_FIXED_PRICE_OTC))
        return terms_refused(refusal, terms->trading_mode, INSTRUMENT_FIELD_trading_mode);
    if (terms->flags > (INSTRUMENT_SELL_UNSETTLED | INSTRUMENT_NAV_REQUIRED))
        return terms_refused(refusal, terms->flags, INSTRUMENT_FIELD_flags);
    if (terms->fee_bps > MONEY_BPS_ONE)
        return terms_refused(refusal, terms->fee_bps, INSTRUMENT_FIELD_fee_bps);
    if (terms->order_quantity_max < 0)
        return terms_refused(refusal, terms->order_quantity_max,
                             INSTRUMENT_FIELD_order_quantity_max);
    if (terms->order_notional_max < 0)
        return terms_refused(refusal, terms->order_notional_max,
                             INSTRUMENT_FIELD_order_notional_max);
    return true;
}

bool engine_instrument_terms(const struct engine *engine, const struct instrument_rec *terms,
                             struct refusal *refusal)
{
    if (!within(terms->instrument, 1, engine->limits.instruments_max))
        return refuse(refusal, REJECT_ID_RANGE, engine->limits.instruments_max, terms->instrument,
                      0);
    ASSERT(terms->instrument != 0);
    return instrument_assets(engine, terms, refusal) && instrument_steps(terms, refusal) &&
           instrument_values(terms, refusal);
}

// What is traded never changes; ticks and lots not while orders or a tick table rest on them.
static bool instrument_change(const struct instrument *now, const struct instrument_rec *terms,
                              struct refusal *refusal)
{
    if (terms->token_asset != now->terms.token_asset)
        return terms_refused(refusal, terms->token_asset, INSTRUMENT_FIELD_token_asset);
    if (terms->cash_asset != now->terms.cash_asset)
        return terms_refused(refusal, terms->cash_asset, INSTRUMENT_FIELD_cash_asset);
    ASSERT(terms->token_scale == now->terms.token_scale);
    bool steps_change = terms->tick != now->terms.tick || terms->lot != now->terms.lot;
    if (steps_change && now->orders_open != 0)
        return refuse(refusal, REJECT_INSTRUMENT_BUSY, 0, now->orders_open, 0);
    if (steps_change && now->band_count != 0)
        return refuse(refusal, REJECT_INSTRUMENT_BUSY, 0, now->band_count, 0);
    bool takes_orders = (terms->status == TOKEN_SECONDARY || terms->status == TOKEN_PAUSED) &&
                        terms->trading_mode == MODE_FULL_ORDERBOOK;
    if (!takes_orders && now->orders_open != 0)
        return refuse(refusal, REJECT_INSTRUMENT_BUSY, 0, now->orders_open, 0);
    return true;
}

bool engine_instrument_derive(struct engine *engine, struct instrument *instrument)
{
    const struct instrument_rec *terms = &instrument->terms;
    instrument->treasury_balance =
        ledger_open(&engine->ledger, ACCOUNT_TREASURY, terms->cash_asset);
    if (instrument->treasury_balance == 0)
        return false;
    instrument->ranges = &engine->tick_ranges[terms->instrument * TICK_RANGES];
    instrument->schedule = &engine->schedules[terms->instrument * SCHEDULE_ENTRIES_MAX];
    instrument->tick = money_divisor_of(terms->tick);
    instrument->lot = money_divisor_of(terms->lot);
    ASSERT(money_is_multiple(&instrument->tick, terms->tick));
    ASSERT(money_is_multiple(&instrument->lot, terms->lot));
    return true;
}

static bool instrument_set_admit(const struct engine *engine, const struct instrument_rec *terms,
                                 struct refusal *refusal)
{
    if (!engine_instrument_terms(engine, terms, refusal))
        return false;
    const struct instrument *now = engine_instrument(engine, terms->instrument);
    if (now != NULL && !instrument_change(now, terms, refusal))
        return false;
    const struct ledger *ledger = &engine->ledger;
    if (ledger_find(ledger, ACCOUNT_TREASURY, terms->cash_asset) == 0 &&
        ledger->count == ledger->balances_max)
        return refuse(refusal, REJECT_BALANCES_MAX, ledger->balances_max, ledger->count, 0);
    return true;
}

// A new instrument starts closed, without any price.
void engine_instrument_set(struct turn *turn)
{
    struct engine *engine = turn->engine;
    struct instrument_rec terms;
    struct refusal refusal;
    memcpy(&terms, &turn->command->body.instrument_set, sizeof(terms));
    if (!instrument_set_admit(engine, &terms, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    struct instrument *instrument = &engine->instruments[terms.instrument];
    bool is_new = instrument->terms.instrument == 0;
    instrument->terms = terms;
    bool derived = engine_instrument_derive(engine, instrument);
    ASSERT(derived);
    memcpy(&turn_emit(turn, EVT_instrument_changed)->body, &terms, sizeof(terms));
    engine_quiet_reset(instrument);
    if (!is_new)
        return;
    instrument->rules = (struct instrument_rules_rec){.instrument = terms.instrument};
    instrument->controls = (struct instrument_controls_rec){.instrument = terms.instrument};
    instrument->state =
        (struct instrument_state_rec){.instrument = terms.instrument, .phase = PHASE_CLOSED};
    turn_instrument_state(turn, instrument);
}

struct instrument *engine_instrument_or_reject(struct turn *turn, uint32_t id)
{
    struct instrument *instrument = engine_instrument(turn->engine, id);
    struct refusal refusal;
    if (instrument == NULL) {
        (void)refuse(&refusal, REJECT_UNKNOWN_INSTRUMENT, 0, id, 0);
        turn_reject(turn, &refusal);
    }
    return instrument;
}

void engine_instrument_phase(struct turn *turn)
{
    const struct instrument_phase_cmd *body = &turn->command->body.instrument_phase;
    struct instrument *instrument = engine_instrument_or_reject(turn, body->instrument);
    struct refusal refusal;
    if (instrument == NULL)
        return;
    if (!within(body->phase, PHASE_CLOSED, PHASE_CLOSING_AUCTION)) {
        (void)malformed(&refusal, body->phase, 2);
        turn_reject(turn, &refusal);
        return;
    }
    engine_phase_change(turn, instrument, body->phase);
}

void engine_nav_set(struct turn *turn)
{
    const struct nav_set_cmd *body = &turn->command->body.nav_set;
    struct instrument *instrument = engine_instrument_or_reject(turn, body->instrument);
    struct refusal refusal;
    if (instrument == NULL)
        return;
    if (body->nav <= 0 || body->nav > MONEY_MAX) {
        (void)refuse(&refusal, REJECT_PRICE_NOT_POSITIVE, 1, body->nav, 0);
        turn_reject(turn, &refusal);
        return;
    }
    instrument->state.nav = body->nav;
    instrument->state.nav_time_ns = turn->command->header.time_ns;
    engine_quiet_reset(instrument);
    turn_instrument_state(turn, instrument);
}

void engine_reference_set(struct turn *turn)
{
    const struct reference_set_cmd *body = &turn->command->body.reference_set;
    struct instrument *instrument = engine_instrument_or_reject(turn, body->instrument);
    struct refusal refusal;
    if (instrument == NULL)
        return;
    bool refused = false;
    if (body->price <= 0 || body->price > MONEY_MAX)
        refused = !refuse(&refusal, REJECT_PRICE_NOT_POSITIVE, 1, body->price, 0);
    else if (!instrument_on_tick(instrument, body->price))
        refused = !refuse(&refusal, REJECT_OFF_TICK, instrument_tick_at(instrument, body->price),
                          body->price, 0);
    if (refused) {
        turn_reject(turn, &refusal);
        return;
    }
    instrument->state.reference_price = body->price;
    engine_quiet_reset(instrument);
    turn_instrument_state(turn, instrument);
}

void engine_breaker_set(struct turn *turn)
{
    const struct breaker_set_cmd *body = &turn->command->body.breaker_set;
    struct instrument *instrument = engine_instrument_or_reject(turn, body->instrument);
    struct refusal refusal;
    if (instrument == NULL)
        return;
    bool refused = false;
    if (body->tripped > 1)
        refused = !malformed(&refusal, body->tripped, 2);
    else if (body->tripped == 0)
        refused = !engine_approval_admit(turn, &refusal);
    if (refused) {
        turn_reject(turn, &refusal);
        return;
    }
    instrument->state.breaker_tripped = body->tripped;
    turn_instrument_state(turn, instrument);
    engine_stops_run(turn, instrument); // those that waited for the reset
}

// ---- members and accounts: neither an account nor a session moves to another member

void engine_member_set(struct turn *turn)
{
    struct engine *engine = turn->engine;
    struct member_rec terms;
    struct refusal refusal;
    memcpy(&terms, &turn->command->body.member_set, sizeof(terms));
    bool refused = false;
    if (!within(terms.member, 1, engine->limits.members_max))
        refused = !refuse(&refusal, REJECT_ID_RANGE, engine->limits.members_max, terms.member, 0);
    else if (terms.suspended > 1)
        refused = !malformed(&refusal, terms.suspended, MEMBER_FIELD_suspended);
    if (refused) {
        turn_reject(turn, &refusal);
        return;
    }
    engine->members[terms.member].terms = terms;
    memcpy(&turn_emit(turn, EVT_member_changed)->body, &terms, sizeof(terms));
    if (terms.suspended)
        engine_cancel_barred(engine, ACCOUNT_VENUE_MAX + 1, engine->limits.accounts_max);
}

static bool account_terms(const struct engine *engine, const struct account_rec *terms,
                          struct refusal *refusal)
{
    const uint8_t flags_all =
        ACCOUNT_ACTIVATED | ACCOUNT_HAS_WALLET | ACCOUNT_SUSPENDED | ACCOUNT_NO_LIMITS;
    if (!within(terms->account, ACCOUNT_VENUE_MAX + 1, engine->limits.accounts_max))
        return refuse(refusal, REJECT_ID_RANGE, engine->limits.accounts_max, terms->account, 0);
    if (engine_member(engine, terms->member) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_MEMBER, 0, terms->member, 0);
    const struct account_rec *now = engine_account(engine, terms->account);
    if (now != NULL && now->member != terms->member) // else its old firm could go on trading for it
        return malformed(refusal, terms->member, ACCOUNT_FIELD_member);
    if (!within(terms->kyc, KYC_NONE, KYC_REJECTED))
        return malformed(refusal, terms->kyc, ACCOUNT_FIELD_kyc);
    if (!within(terms->accreditation, ACCREDITATION_RETAIL, ACCREDITATION_INSTITUTIONAL))
        return malformed(refusal, terms->accreditation, ACCOUNT_FIELD_accreditation);
    if (!within(terms->fatca, FATCA_CLEAR, FATCA_BLOCKED))
        return malformed(refusal, terms->fatca, ACCOUNT_FIELD_fatca);
    if ((terms->flags & ~flags_all) != 0)
        return malformed(refusal, terms->flags, ACCOUNT_FIELD_flags);
    if (terms->fee_bps > MONEY_BPS_ONE && terms->fee_bps != FEE_BPS_DEFAULT)
        return malformed(refusal, terms->fee_bps, ACCOUNT_FIELD_fee_bps);
    return true;
}

void engine_account_set(struct turn *turn)
{
    struct account_rec terms;
    struct refusal refusal;
    memcpy(&terms, &turn->command->body.account_set, sizeof(terms));
    if (!account_terms(turn->engine, &terms, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    turn->engine->accounts[terms.account].terms = terms;
    memcpy(&turn_emit(turn, EVT_account_changed)->body, &terms, sizeof(terms));
    engine_cancel_barred(turn->engine, terms.account, terms.account);
}

// ---- sessions

// The rights that an entry of session_set names; none named: all.
static uint32_t entry_rights(uint32_t entry)
{
    uint32_t rights = entry >> SESSION_ACCOUNT_RIGHTS_SHIFT;
    return rights != 0 ? rights : RIGHTS_ALL;
}

// The accounts of the command, ascending, with their rights; false if one cannot be traded for by
// this session.
static bool session_accounts_read(const struct turn *turn, const struct session_rec *terms,
                                  uint32_t accounts[SESSION_ACCOUNTS_MAX], struct refusal *refusal)
{
    const char *tail = command_tail(turn->command);
    for (uint32_t i = 0; i < terms->account_count; i++) {
        uint32_t entry = 0;
        memcpy(&entry, tail + i * sizeof(entry), sizeof(entry));
        uint32_t rights = entry_rights(entry);
        uint32_t id = entry & ACCOUNT_MASK;
        if (rights > RIGHTS_ALL)
            return malformed(refusal, rights, SESSION_FIELD_account_count);
        const struct account_rec *account = engine_account(turn->engine, id);
        if (account == NULL)
            return refuse(refusal, REJECT_UNKNOWN_ACCOUNT, 0, id, 0);
        if (account->member != terms->member)
            return refuse(refusal, REJECT_ACCOUNT_NOT_OF_SESSION, terms->member, id, 0);
        uint32_t at = i;
        for (; at > 0 && (accounts[at - 1] & ACCOUNT_MASK) > id; at--)
            accounts[at] = accounts[at - 1];
        if (at > 0 && (accounts[at - 1] & ACCOUNT_MASK) == id)
            return malformed(refusal, id, SESSION_FIELD_account_count);
        accounts[at] = id | rights << SESSION_ACCOUNT_RIGHTS_SHIFT;
    }
    return true;
}

static bool session_terms(const struct turn *turn, const struct session_rec *terms,
                          struct refusal *refusal)
{
    const struct engine *engine = turn->engine;
    const uint8_t flags_all =
        SESSION_CANCEL_ON_DISCONNECT | SESSION_DISABLED | SESSION_MEMBER_SCOPE;
    if (!within(terms->session, 1, engine->limits.sessions_max))
        return refuse(refusal, REJECT_ID_RANGE, engine->limits.sessions_max, terms->session, 0);
    if (engine_member(engine, terms->member) == NULL)
        return refuse(refusal, REJECT_UNKNOWN_MEMBER, 0, terms->member, 0);
    if (!within(terms->gateway, GATEWAY_CORE + 1, GATEWAY_SETTLE))
        return malformed(refusal, terms->gateway, SESSION_FIELD_gateway);
    if ((terms->flags & ~flags_all) != 0)
        return malformed(refusal, terms->flags, SESSION_FIELD_flags);
    ASSERT(terms->account_count <= SESSION_ACCOUNTS_MAX); // command_check has seen to it
    if (terms->account_count >= turn_room(turn))
        return malformed(refusal, terms->account_count, SESSION_FIELD_account_count);
    const struct session *now = &engine->sessions[terms->session];
    if (now->terms.session != 0 && now->terms.member != terms->member)
        return malformed(refusal, terms->member, SESSION_FIELD_member);
    uint32_t others = engine->session_accounts_used - now->terms.account_count;
    if (terms->account_count > engine->limits.session_accounts_max - others)
        return refuse(refusal, REJECT_ID_RANGE, engine->limits.session_accounts_max,
                      others + terms->account_count, SESSION_FIELD_account_count);
    return true;
}

// Takes a session's list out of the common array and closes the gap.
static void session_accounts_drop(struct engine *engine, struct session *session)
{
    uint32_t first = session->accounts_first;
    uint32_t count = session->terms.account_count;
    ASSERT(first + count <= engine->session_accounts_used);
    memmove(&engine->session_accounts[first], &engine->session_accounts[first + count],
            (engine->session_accounts_used - first - count) * sizeof(uint32_t));
    engine->session_accounts_used -= count;
    for (uint32_t id = 1; id <= engine->limits.sessions_max; id++)
        if (engine->sessions[id].accounts_first > first)
            engine->sessions[id].accounts_first -= count;
}

static void session_accounts_put(struct engine *engine, struct session *session,
                                 const uint32_t *accounts)
{
    uint32_t count = session->terms.account_count;
    ASSERT(count <= engine->limits.session_accounts_max - engine->session_accounts_used);
    session->accounts_first = engine->session_accounts_used;
    memcpy(&engine->session_accounts[session->accounts_first], accounts, count * sizeof(uint32_t));
    engine->session_accounts_used += count;
}

static void emit_session(struct turn *turn, const struct session_rec *terms,
                         const uint32_t *accounts)
{
    memcpy(&turn_emit(turn, EVT_session_changed)->body, terms, sizeof(*terms));
    for (uint32_t i = 0; i < terms->account_count; i++) {
        struct session_account_evt *out =
            &turn_emit(turn, EVT_session_account)->body.session_account;
        out->session = terms->session;
        out->account = accounts[i] & ACCOUNT_MASK;
        out->rights = (uint8_t)(accounts[i] >> SESSION_ACCOUNT_RIGHTS_SHIFT);
    }
}

void engine_session_set(struct turn *turn)
{
    struct engine *engine = turn->engine;
    uint32_t accounts[SESSION_ACCOUNTS_MAX];
    struct session_rec terms;
    struct refusal refusal;
    memcpy(&terms, &turn->command->body.session_set, sizeof(terms));
    if (!session_terms(turn, &terms, &refusal) ||
        !session_accounts_read(turn, &terms, accounts, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    struct session *session = &engine->sessions[terms.session];
    session_accounts_drop(engine, session);
    session->terms = terms;
    session_accounts_put(engine, session, accounts);
    emit_session(turn, &terms, accounts);
}
