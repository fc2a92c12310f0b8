// Loading a snapshot: its records, one by one, in the order in which engine_snapshot.c saves them.
//
// Loading refuses (false) what cannot belong to a valid state; it trusts nothing that it does not
// check. What follows from the records (queues, heaps, counts) is made on the way; lists by id are
// sorted before the first command (engine.c).
#include "matcher/engine_exposure.h"
#include "matcher/engine_saver.h"

// ---- loading

static bool load_meta(struct engine *engine, const struct meta_rec *record)
{
    ASSERT(engine->sequence == 0);
    if (record->engine_version > ENGINE_VERSION ||
        (record->venue_state != VENUE_CANCEL_ONLY && record->venue_state != VENUE_OPEN))
        return false;
    engine->sequence = record->sequence;
    engine->time_ns = record->time_ns;
    engine->venue_state = record->venue_state;
    return true;
}

static bool load_asset(struct engine *engine, const struct asset_rec *record)
{
    if (record->asset == 0 || record->asset > engine->limits.assets_max ||
        record->scale > MONEY_SCALE_MAX)
        return false;
    engine->assets[record->asset] = *record;
    return true;
}

static bool load_instrument(struct engine *engine, const struct instrument_rec *record)
{
    struct refusal refusal;
    if (!engine_instrument_terms(engine, record, &refusal))
        return false;
    struct instrument *instrument = &engine->instruments[record->instrument];
    instrument->terms = *record;
    engine_quiet_reset(instrument);
    return engine_instrument_derive(engine, instrument);
}

static bool load_instrument_state(struct engine *engine, const struct instrument_state_rec *record)
{
    struct instrument *instrument = engine_instrument(engine, record->instrument);
    if (instrument == NULL || record->last_price < 0 || record->reference_price < 0 ||
        record->nav < 0 || record->phase < PHASE_CLOSED || record->phase > PHASE_CLOSING_AUCTION ||
        record->breaker_tripped > 1 ||
        (record->limit_state_end_ns != 0 && record->phase != PHASE_CONTINUOUS))
        return false;
    instrument->state = *record;
    engine_deadline_update(engine, instrument);
    return true;
}

static bool load_instrument_rules(struct engine *engine, const struct instrument_rules_rec *record)
{
    struct instrument *instrument = engine_instrument(engine, record->instrument);
    if (instrument == NULL || record->order_quantity_min < 0 || record->order_notional_min < 0)
        return false;
    instrument->rules = *record;
    return true;
}

static bool load_instrument_controls(struct engine *engine,
                                     const struct instrument_controls_rec *record)
{
    struct instrument *instrument = engine_instrument(engine, record->instrument);
    struct refusal refusal;
    if (instrument == NULL || !engine_controls_fit(record, &refusal))
        return false;
    instrument->controls = *record;
    return true;
}

static bool load_tick_band(struct engine *engine, const struct tick_band_rec *record)
{
    struct instrument *instrument = engine_instrument(engine, record->instrument);
    const struct tick_band_tail band = {.from_price = record->from_price, .tick = record->tick};
    int64_t refused = 0;
    if (instrument == NULL || instrument->orders_open != 0 ||
        record->index != instrument->band_count || record->index >= TICK_BANDS_MAX ||
        !engine_tick_band_add(instrument->ranges, &instrument->range_count, instrument->terms.tick,
                              &band, &refused))
        return false;
    instrument->band_count++;
    return true;
}

static bool load_schedule_entry(struct engine *engine, const struct schedule_entry_rec *record)
{
    struct instrument *instrument = engine_instrument(engine, record->instrument);
    const struct schedule_slot slot = {.time_of_day_ms = record->time_of_day_ms,
                                       .phase = record->phase};
    int64_t refused = 0;
    if (instrument == NULL || record->index != instrument->entry_count ||
        record->index >= SCHEDULE_ENTRIES_MAX || record->weekdays == 0 ||
        record->weekdays > WEEKDAYS_ALL ||
        !engine_schedule_slot_fits(
            &slot, record->index != 0 ? &instrument->schedule[record->index - 1] : NULL, &refused))
        return false;
    instrument->schedule[instrument->entry_count++] = slot;
    instrument->weekdays = record->weekdays;
    return true;
}

static bool load_member(struct engine *engine, const struct member_rec *record)
{
    if (record->member == 0 || record->member > engine->limits.members_max)
        return false;
    engine->members[record->member].terms = *record;
    return true;
}

static bool load_account(struct engine *engine, const struct account_rec *record)
{
    if (record->account == 0 || record->account > engine->limits.accounts_max ||
        engine_member(engine, record->member) == NULL ||
        record->accreditation < ACCREDITATION_RETAIL ||
        record->accreditation > ACCREDITATION_INSTITUTIONAL ||
        (record->fee_bps > MONEY_BPS_ONE && record->fee_bps != FEE_BPS_DEFAULT))
        return false;
    engine->accounts[record->account].terms = *record;
    return true;
}

// Its accounts follow one by one: account_count grows with them and is compared with the session's
// state.
static bool load_session(struct engine *engine, const struct session_rec *record)
{
    if (record->session == 0 || record->session > engine->limits.sessions_max ||
        record->gateway > GATEWAY_SETTLE ||
        record->account_count > engine->limits.session_accounts_max - engine->session_accounts_used)
        return false;
    struct session *session = &engine->sessions[record->session];
    session->terms = *record;
    session->accounts_first = engine->session_accounts_used;
    return true;
}

static bool load_session_account(struct engine *engine, const struct session_account_rec *record)
{
    const struct session *session = engine_session(engine, record->session);
    if (session == NULL || engine_account(engine, record->account) == NULL)
        return false;
    uint32_t at = engine->session_accounts_used - session->accounts_first;
    if (at >= session->terms.account_count)
        return false;
    uint32_t *accounts = &engine->session_accounts[session->accounts_first];
    if ((at > 0 && (accounts[at - 1] & ACCOUNT_MASK) >= record->account) || record->rights == 0 ||
        record->rights > RIGHTS_ALL)
        return false;
    accounts[at] = record->account | (uint32_t)record->rights << SESSION_ACCOUNT_RIGHTS_SHIFT;
    engine->session_accounts_used++;
    return true;
}

static bool load_session_state(struct engine *engine, const struct session_state_rec *record)
{
    struct session *session = engine_session(engine, record->session);
    if (session == NULL || record->open > 1 ||
        engine->session_accounts_used != session->accounts_first + session->terms.account_count)
        return false;
    session->last_session_seq = record->last_session_seq;
    session->open = record->open != 0;
    return load_window(&session->messages, record->messages_window, record->messages,
                       session->own.messages_max, session->own.messages_ms, engine->time_ns);
}

static bool load_kill(struct engine *engine, const struct kill_rec *record)
{
    return engine_kill_load(engine, record);
}

static bool load_venue_rules(struct engine *engine, const struct venue_rules_rec *record)
{
    engine->venue_rules = record->flags;
    return record->flags == VENUE_TWO_PERSONS;
}

static bool load_proposal(struct engine *engine, const struct proposal_rec *record)
{
    return engine_proposal_load(engine, record);
}

static bool load_proposal_part(struct engine *engine, const struct proposal_part_rec *record)
{
    return engine_proposal_part_load(engine, record);
}

static bool load_xvp(struct engine *engine, const struct xvp_rec *record)
{
    return engine_xvp_load(engine, record);
}

static bool load_xvp_leg(struct engine *engine, const struct xvp_leg_rec *record)
{
    return engine_xvp_leg_load(engine, record);
}

static bool load_fees(struct engine *engine, const struct fees_rec *record)
{
    struct refusal refusal;
    if (record->remove != 0 || !engine_fees_valid(engine, record, &refusal))
        return false;
    engine_fees_put(engine, record);
    return true;
}

static bool load_gateway(struct engine *engine, const struct gateway_rec *record)
{
    if (record->gateway_id == 0 || record->gateway_id >= GATEWAY_COUNT || record->attached > 1)
        return false;
    engine->gateways[record->gateway_id] =
        (struct gateway){.attached = record->attached != 0,
                         .incarnation = record->incarnation,
                         .last_gateway_seq = record->last_gateway_seq};
    return true;
}

static bool load_reference(struct engine *engine, const struct reference_rec *record)
{
    if (record->ref_source == 0 || record->ref_source > REF_SOURCE_MAX || record->ref_number == 0)
        return false;
    engine->references[record->ref_source] =
        (struct reference){.number = record->ref_number, .hash = record->ref_hash};
    return true;
}

static bool load_balance(struct engine *engine, const struct balance_rec *record)
{
    if (record->account == 0 || record->account > engine->limits.accounts_max ||
        engine_asset(engine, record->asset) == NULL || record->held < 0 || record->unsettled < 0 ||
        record->blocked < 0 || record->deficit < 0 || record->available < -MONEY_MAX)
        return false;
    uint32_t index = engine_balance_open(engine, record->account, record->asset);
    if (index == 0)
        return false;
    struct balance *balance = ledger_at(&engine->ledger, index);
    balance->available = record->available;
    balance->held = record->held;
    balance->unsettled = record->unsettled;
    balance->blocked = record->blocked;
    balance->deficit = record->deficit;
    ledger_count(&engine->ledger, record->asset, (uint64_t)record->available);
    ledger_count(&engine->ledger, record->asset, (uint64_t)record->held);
    return true;
}

// ---- loading orders

static bool order_record_terms(const struct instrument *instrument, const struct order_rec *record)
{
    if ((record->side != SIDE_BUY && record->side != SIDE_SELL) || record->price <= 0 ||
        record->leaves <= 0 || record->leaves > record->quantity || record->filled_notional < 0 ||
        record->client_id_bytes > CLIENT_ID_BYTES_MAX || record->type < ORDER_MARKET ||
        record->type > ORDER_TRAILING_STOP || record->state < ORDER_STATE_OPEN ||
        record->state > ORDER_STATE_PENDING_CLOSE ||
        !instrument_on_tick(instrument, record->price) ||
        !money_is_multiple(&instrument->lot, record->leaves))
        return false;
    int64_t cash = 0;
    if (record->buyer_bps > (record->side == SIDE_BUY ? MONEY_BPS_ONE : 0) ||
        !money_notional(&cash, record->price, record->leaves, instrument->terms.token_scale))
        return false;
    cash += money_fee(cash, record->buyer_bps);
    return record->held == (record->side == SIDE_SELL ? record->leaves : cash);
}

static bool order_record_valid(const struct engine *engine, const struct order_rec *record)
{
    const struct instrument *instrument = engine_instrument(engine, record->instrument);
    const struct session *session = engine_session(engine, record->session);
    return instrument != NULL && session != NULL &&
           engine_account(engine, record->account) != NULL && record->order != 0 &&
           record->order <= engine->sequence &&
           order_pool_find(&engine->pool, record->order) == 0 &&
           order_record_terms(instrument, record);
}

// All of the record but its place in time, with the rest of the order zero.
static void order_fill(struct order *order, struct order_cold *cold, const struct order_rec *record)
{
    *order = (struct order){.id = record->order,
                            .price = record->price,
                            .leaves = record->leaves,
                            .parties =
                                order_parties(record->account, record->session, record->buyer_bps),
                            .instrument = (uint16_t)record->instrument,
                            .side = record->side};
    *cold = (struct order_cold){.quantity = record->quantity,
                                .entered_ns = record->entered_ns,
                                .filled_notional = record->filled_notional,
                                .client_id_bytes = record->client_id_bytes,
                                .type = record->type,
                                .tif = record->tif,
                                .flags = record->flags};
    memcpy(cold->client_id, record->client_id, sizeof(cold->client_id));
}

// An order that cannot be without terms goes to its place when they have come.
static bool load_order(struct engine *engine, const struct order_rec *record)
{
    struct order_pool *pool = &engine->pool;
    if (pool->orders_open == pool->orders_max || !order_record_valid(engine, record))
        return false;
    struct instrument *instrument = engine_instrument(engine, record->instrument);
    uint32_t cash = ledger_find(&engine->ledger, record->account, instrument->terms.cash_asset);
    uint32_t tokens = ledger_find(&engine->ledger, record->account, instrument->terms.token_asset);
    uint64_t key = instrument_key(instrument, record->side, record->price);
    bool waits = record->state != ORDER_STATE_OPEN || record->type == ORDER_MARKET ||
                 record->tif == TIF_AT_OPEN;
    struct book_side *side = instrument_side(instrument, record->side);
    if (cash == 0 || tokens == 0 || (!waits && !order_book_fits(pool, side, key)))
        return false;
    uint32_t place = order_pool_take(pool, record->order);
    order_fill(order_at(pool, place), &pool->cold[place], record);
    order_at(pool, place)->cash_balance = cash;
    order_at(pool, place)->token_balance = tokens;
    if (!waits)
        engine_place_book(engine, instrument, place);
    order_list_append(pool, &engine->sessions[record->session].orders, place);
    instrument->orders_open++;
    const struct order *order = order_at(pool, place);
    int64_t value = instrument_notional(instrument, order->price, record->leaves);
    exposure_enter(engine, order, record->leaves, value);
    engine->loaded = true;
    engine->load_place = place;
    engine->load_state = record->state;
    engine->load_waits = waits;
    return true;
}

static bool terms_record_valid(const struct instrument *instrument, const struct order *order,
                               const struct order_terms_rec *record)
{
    bool iceberg = record->display_quantity != 0;
    ASSERT((order->marks & ORDER_MARK_TERMS) == 0);
    return record->order == order->id && record->display_quantity >= 0 && record->hidden >= 0 &&
           record->hidden < order->leaves && (iceberg || record->hidden == 0) &&
           record->trail_offset >= 0 && record->stop_price >= 0 &&
           record->stop_price <= MONEY_MAX && record->expire_ns <= INT64_MAX &&
           money_is_multiple(&instrument->tick, record->stop_price);
}

static void terms_fill(struct engine *engine, uint32_t place, const struct order_terms_rec *record)
{
    struct order *order = order_at(&engine->pool, place);
    engine->pool.terms[place] = (struct order_terms){.stop_price = record->stop_price,
                                                     .display = record->display_quantity,
                                                     .hidden = record->hidden,
                                                     .trail_offset = record->trail_offset,
                                                     .expire_ns = record->expire_ns,
                                                     .priority = record->priority,
                                                     .self_match_id = record->self_match_id,
                                                     .stp = record->stp};
    order->leaves -= record->hidden;
    order->marks |= ORDER_MARK_TERMS;
    if (record->display_quantity != 0)
        order->marks |= ORDER_MARK_ICEBERG;
    if (record->expire_ns != 0) {
        order->marks |= ORDER_MARK_DATED;
        engine_dated_add(engine, place);
    }
}

// The list of market orders is sorted when all are in.
static bool load_open(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    struct order_pool *pool = &engine->pool;
    struct order *order = order_at(pool, place);
    struct book_side *side = instrument_side(instrument, order->side);
    uint64_t key = instrument_key(instrument, order->side, order->price);
    if (!order_book_fits(pool, side, key))
        return false;
    engine_place_book(engine, instrument, place);
    if (pool->cold[place].type == ORDER_MARKET) {
        order->marks |= ORDER_MARK_MARKET;
        engine_list_append(pool, &instrument->market[order->side - SIDE_BUY], place);
    }
    return true;
}

static bool load_stop(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    const struct order *order = order_at(&engine->pool, place);
    int64_t stop_price = engine->pool.terms[place].stop_price;
    uint32_t which = order->side - SIDE_BUY;
    if (stop_price == 0 || engine->stops_open == engine->limits.stops_max ||
        !order_book_fits(&engine->pool, &instrument->stops[which],
                         instrument_stop_key(instrument, order->side, stop_price)))
        return false;
    engine_place_stop(engine, instrument, place);
    return true;
}

static bool load_place(struct engine *engine, struct instrument *instrument, uint32_t place)
{
    switch (engine->load_state) {
    case ORDER_STATE_OPEN:
        return load_open(engine, instrument, place);
    case ORDER_STATE_PENDING_STOP:
        return load_stop(engine, instrument, place);
    case ORDER_STATE_TRIGGERED:
        engine_place_triggered(engine, instrument, place);
        return true;
    default:
        engine_place_close(engine, instrument, place);
        return true;
    }
}

static bool load_order_terms(struct engine *engine, const struct order_terms_rec *record)
{
    uint32_t place = engine->load_place;
    if (place == 0)
        return false;
    const struct order *order = order_at(&engine->pool, place);
    struct instrument *instrument = engine_instrument(engine, order->instrument);
    if (!terms_record_valid(instrument, order, record))
        return false;
    terms_fill(engine, place, record);
    bool waits = engine->load_waits;
    engine->load_place = 0;
    engine->load_waits = false;
    return !waits || load_place(engine, instrument, place);
}

// ---- loading the unfinished command

static bool uncover_valid(const struct engine *engine, const struct pending_rec *record)
{
    return engine_account(engine, record->account) != NULL && record->asset != 0 &&
           ledger_find(&engine->ledger, record->account, record->asset) != 0;
}

static bool work_valid(const struct engine *engine, const struct pending_rec *record)
{
    if (record->work == WORK_EXPIRE)
        return true;
    if (record->work == WORK_UNCOVER)
        return uncover_valid(engine, record);
    if (record->work != WORK_PHASE && record->work != WORK_TRIGGERED)
        return false;
    return engine_instrument(engine, record->instrument) != NULL &&
           (record->work == WORK_TRIGGERED || engine_phase_resumable(engine, record));
}

static bool pending_valid(const struct engine *engine, const struct pending_rec *record)
{
    switch (record->command) {
    case CMD_gateway_detach:
        return record->gateway_id != 0 && record->gateway_id < GATEWAY_COUNT;
    case CMD_continue_work:
        return work_valid(engine, record);
    case CMD_order_mass_cancel: // an operator's, or of one account that may not trade any more
        if (record->session == 0)
            return (record->scope == SCOPE_VENUE && record->account == 0) ||
                   engine_account(engine, record->account) != NULL;
        return engine_session(engine, record->session) != NULL;
    case CMD_session_close:
    case CMD_order_status:
        return engine_session(engine, record->session) != NULL;
    default:
        return false;
    }
}

static bool load_pending(struct engine *engine, const struct pending_rec *record)
{
    if (!pending_valid(engine, record))
        return false;
    engine->pending = *record;
    return true;
}

bool engine_load(struct engine *engine, const struct snapshot_record *record)
{
    ASSERT(engine != NULL && record != NULL);
    if (record->header.version != SCHEMA_VERSION ||
        (engine->load_waits && record->header.type != REC_order_terms) ||
        (engine->load_bytes != 0 && record->header.type != REC_proposal_part) ||
        (engine->load_legs != 0 && record->header.type != REC_xvp_leg))
        return false;
#define LOAD(name)                                                                                 \
    case REC_##name:                                                                               \
        return load_##name(engine, &record->body.name)
    switch (record->header.type) {
        LOAD(meta);
        LOAD(asset);
        LOAD(instrument);
        LOAD(instrument_state);
        LOAD(instrument_rules);
        LOAD(instrument_controls);
        LOAD(jurisdiction);
        LOAD(tick_band);
        LOAD(schedule_entry);
        LOAD(limits);
        LOAD(member);
        LOAD(member_state);
        LOAD(account);
        LOAD(account_state);
        LOAD(investment);
        LOAD(session);
        LOAD(session_account);
        LOAD(session_state);
        LOAD(kill);
        LOAD(venue_rules);
        LOAD(proposal);
        LOAD(proposal_part);
        LOAD(xvp);
        LOAD(xvp_leg);
        LOAD(fees);
        LOAD(gateway);
        LOAD(reference);
        LOAD(confirm);
        LOAD(balance);
        LOAD(order);
        LOAD(order_terms);
        LOAD(pending);
    default:
        return false;
    }
#undef LOAD
}
