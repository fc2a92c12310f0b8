// Snapshots and the digest: the logical state as records, in one order only.
//
// Order: meta; assets; instruments, each with its state, rules, tick bands and schedule; members;
// accounts; sessions, each with its accounts and its state; gateways; references; balances by
// account and asset; orders by instrument: the book by side, price and time, the stop book
// likewise, the triggered queue, those that wait for the close, each with its terms if it has any;
// the unfinished command, if there is one. The digest hashes exactly what is saved, so what is not
// saved cannot matter, and a state that is loaded has the digest of the one that was saved.
//
// Loading refuses (false) what cannot belong to a valid state; it trusts nothing that it does not
// check.
#include "base/digest.h"
#include "matcher/engine_state.h"

// ---- saving
// -------------------------------------------------------------------------------------------------

struct saver {
    engine_save_sink *sink;
    void *context;
};

static int save_record(const struct saver *saver, uint8_t type, const void *body, size_t bytes)
{
    struct snapshot_record record = {.header = {.type = type, .version = SCHEMA_VERSION}};
    ASSERT(bytes <= sizeof(record.body));
    memset(&record.body, 0, sizeof(record.body));
    memcpy(&record.body, body, bytes);
    return saver->sink(saver->context, &record);
}

// Saves the record `body` as type REC_name; returns from the caller if the sink does not go on.
#define SAVE(saver, name, body)                                                                    \
    do {                                                                                           \
        int save_result = save_record((saver), REC_##name, &(body), sizeof(struct name##_rec));    \
        if (save_result != 0)                                                                      \
            return save_result;                                                                    \
    } while (0)

static int save_rules(const struct saver *saver, const struct instrument *instrument)
{
    SAVE(saver, instrument_rules, instrument->rules);
    for (uint32_t i = 0; i < instrument->band_count; i++) {
        struct tick_band_rec band = engine_tick_band(instrument, i);
        SAVE(saver, tick_band, band);
    }
    for (uint32_t i = 0; i < instrument->entry_count; i++) {
        struct schedule_entry_rec entry = engine_schedule_entry(instrument, i);
        SAVE(saver, schedule_entry, entry);
    }
    return 0;
}

static int save_instruments(const struct engine *engine, const struct saver *saver)
{
    for (uint32_t id = 1; id <= engine->limits.assets_max; id++)
        if (engine->assets[id].asset != 0)
            SAVE(saver, asset, engine->assets[id]);
    for (uint32_t id = 1; id <= engine->limits.instruments_max; id++) {
        const struct instrument *instrument = &engine->instruments[id];
        if (instrument->terms.instrument == 0)
            continue;
        SAVE(saver, instrument, instrument->terms);
        SAVE(saver, instrument_state, instrument->state);
        int result = save_rules(saver, instrument);
        if (result != 0)
            return result;
    }
    return 0;
}

static int save_session(const struct engine *engine, const struct saver *saver,
                        const struct session *session)
{
    ASSERT(session->terms.session != 0);
    SAVE(saver, session, session->terms);
    for (uint32_t i = 0; i < session->terms.account_count; i++) {
        struct session_account_rec account = {
            .session = session->terms.session,
            .account = engine->session_accounts[session->accounts_first + i]};
        SAVE(saver, session_account, account);
    }
    struct session_state_rec state = {.session = session->terms.session,
                                      .last_session_seq = session->last_session_seq,
                                      .open = session->open};
    SAVE(saver, session_state, state);
    return 0;
}

static int save_people(const struct engine *engine, const struct saver *saver)
{
    for (uint32_t id = 1; id <= engine->limits.members_max; id++)
        if (engine->members[id].member != 0)
            SAVE(saver, member, engine->members[id]);
    for (uint32_t id = 1; id <= engine->limits.accounts_max; id++)
        if (engine->accounts[id].account != 0)
            SAVE(saver, account, engine->accounts[id]);
    for (uint32_t id = 1; id <= engine->limits.sessions_max; id++) {
        if (engine->sessions[id].terms.session == 0)
            continue;
        int result = save_session(engine, saver, &engine->sessions[id]);
        if (result != 0)
            return result;
    }
    return 0;
}

static int save_counters(const struct engine *engine, const struct saver *saver)
{
    for (uint32_t id = 1; id < GATEWAY_COUNT; id++) {
        const struct gateway *gateway = &engine->gateways[id];
        struct gateway_rec record = {.gateway_id = id,
                                     .incarnation = gateway->incarnation,
                                     .last_gateway_seq = gateway->last_gateway_seq,
                                     .attached = gateway->attached};
        SAVE(saver, gateway, record);
    }
    for (uint32_t source = 1; source <= REF_SOURCE_MAX; source++) {
        const struct reference *reference = &engine->references[source];
        struct reference_rec record = {
            .ref_source = source, .ref_number = reference->number, .ref_hash = reference->hash};
        if (reference->number != 0)
            SAVE(saver, reference, record);
    }
    return 0;
}

static int save_balances(const struct engine *engine, const struct saver *saver)
{
    const struct ledger *ledger = &engine->ledger;
    for (uint32_t account = 1; account <= ledger->accounts_max; account++) {
        uint32_t index = ledger->first_of_account[account];
        while (index != 0) {
            const struct balance *balance = ledger_at(ledger, index);
            struct balance_rec record = {.account = balance->account,
                                         .asset = balance->asset,
                                         .available = balance->available,
                                         .held = balance->held,
                                         .unsettled = balance->unsettled,
                                         .blocked = balance->blocked};
            SAVE(saver, balance, record);
            index = balance->next_of_account;
        }
    }
    return 0;
}

static int save_terms(const struct saver *saver, const struct order *order,
                      const struct order_terms *terms)
{
    struct order_terms_rec record = {.order = order->id,
                                     .stop_price = terms->stop_price,
                                     .trail_offset = terms->trail_offset,
                                     .display_quantity = terms->display,
                                     .hidden = terms->hidden,
                                     .expire_ns = terms->expire_ns,
                                     .priority = terms->priority,
                                     .self_match_id = terms->self_match_id,
                                     .stp = terms->stp};
    SAVE(saver, order_terms, record);
    return 0;
}

static int save_order(const struct engine *engine, const struct saver *saver, uint32_t place)
{
    const struct order *order = order_at(&engine->pool, place);
    const struct order_cold *cold = &engine->pool.cold[place];
    const struct instrument *instrument = engine_instrument(engine, order->instrument);
    ASSERT(instrument != NULL);
    int64_t open = order_open(&engine->pool, place);
    struct order_rec record = {.order = order->id,
                               .account = order->account,
                               .instrument = order->instrument,
                               .price = order->price,
                               .quantity = cold->quantity,
                               .leaves = open,
                               .held = order_hold(instrument, order, open),
                               .session = order->session,
                               .side = order->side,
                               .type = cold->type,
                               .tif = cold->tif,
                               .flags = cold->flags,
                               .gateway = engine_session(engine, order->session)->terms.gateway,
                               .client_id_bytes = cold->client_id_bytes,
                               .state = order_state(order),
                               .entered_ns = cold->entered_ns,
                               .filled_notional = cold->filled_notional};
    memcpy(record.client_id, cold->client_id, sizeof(record.client_id));
    SAVE(saver, order, record);
    return (order->marks & ORDER_MARK_TERMS) != 0
               ? save_terms(saver, order, &engine->pool.terms[place])
               : 0;
}

static int save_side(const struct engine *engine, const struct saver *saver,
                     const struct book_side *side)
{
    const struct order_pool *pool = &engine->pool;
    int result = 0;
    for (uint32_t place = order_book_best(pool, side); place != 0 && result == 0;
         place = order_book_next(pool, side, place))
        result = save_order(engine, saver, place);
    return result;
}

static int save_queue(const struct engine *engine, const struct saver *saver,
                      const struct order_list *queue)
{
    int result = 0;
    for (uint32_t place = queue->first; place != 0 && result == 0;
         place = order_at(&engine->pool, place)->later)
        result = save_order(engine, saver, place);
    return result;
}

static int save_orders_of(const struct engine *engine, const struct saver *saver,
                          const struct instrument *instrument)
{
    const struct book_side *sides[4] = {&instrument->sides[0], &instrument->sides[1],
                                        &instrument->stops[0], &instrument->stops[1]};
    int result = 0;
    for (uint32_t i = 0; i < 4 && result == 0; i++)
        result = save_side(engine, saver, sides[i]);
    if (result == 0)
        result = save_queue(engine, saver, &instrument->triggered);
    return result != 0 ? result : save_queue(engine, saver, &instrument->closing);
}

static int save_orders(const struct engine *engine, const struct saver *saver)
{
    for (uint32_t id = 1; id <= engine->limits.instruments_max; id++) {
        int result = save_orders_of(engine, saver, &engine->instruments[id]);
        if (result != 0)
            return result;
    }
    if (engine->pending.command != 0)
        SAVE(saver, pending, engine->pending);
    return 0;
}

static int save_all_but_meta(const struct engine *engine, const struct saver *saver)
{
    int result = save_instruments(engine, saver);
    if (result == 0)
        result = save_people(engine, saver);
    if (result == 0)
        result = save_counters(engine, saver);
    if (result == 0)
        result = save_balances(engine, saver);
    return result != 0 ? result : save_orders(engine, saver);
}

// meta's events, events_digest and epoch are the caller's to fill in: the engine does not know
// them.
int engine_save(const struct engine *engine, engine_save_sink *sink, void *context)
{
    const struct saver saver = {.sink = sink, .context = context};
    struct meta_rec meta = {.sequence = engine->sequence,
                            .time_ns = engine->time_ns,
                            .state_digest = engine_digest(engine),
                            .engine_version = ENGINE_VERSION,
                            .venue_state = engine->venue_state};
    ASSERT(sink != NULL);
    SAVE(&saver, meta, meta);
    return save_all_but_meta(engine, &saver);
}

// ---- digest
// ---------------------------------------------------------------------------------------------------

static int digest_add(void *context, const struct snapshot_record *record)
{
    uint64_t *digest = context;
    _Static_assert(sizeof(*record) == 128, "what digest_record takes");
    *digest = digest_record(*digest, record);
    return 0;
}

uint64_t engine_digest(const struct engine *engine)
{
    struct snapshot_record meta = {.header = {.type = REC_meta, .version = SCHEMA_VERSION}};
    meta.body.meta = (struct meta_rec){.sequence = engine->sequence,
                                       .time_ns = engine->time_ns,
                                       .engine_version = ENGINE_VERSION,
                                       .venue_state = engine->venue_state};
    uint64_t digest = digest_record(0, &meta);
    const struct saver saver = {.sink = digest_add, .context = &digest};
    int result = save_all_but_meta(engine, &saver);
    ASSERT(result == 0);
    return digest;
}

static uint64_t digest_side(const struct order_pool *pool, const struct book_side *side,
                            uint64_t digest)
{
    for (uint32_t place = order_book_best(pool, side); place != 0;
         place = order_book_next(pool, side, place)) {
        const struct order *order = order_at(pool, place);
        const uint64_t words[16] = {order->side, order->id, (uint64_t)order->price,
                                    (uint64_t)order->leaves};
        digest = digest_record(digest, words);
    }
    return digest;
}

uint64_t engine_book_digest(const struct engine *engine, uint32_t instrument)
{
    const struct instrument *found = engine_instrument(engine, instrument);
    if (found == NULL)
        return 0;
    return digest_side(&engine->pool, &found->sides[1],
                       digest_side(&engine->pool, &found->sides[0], 0));
}

// ---- loading
// --------------------------------------------------------------------------------------------------

static bool load_meta(struct engine *engine, const struct meta_rec *record)
{
    ASSERT(engine->sequence == 0);
    if (record->engine_version != ENGINE_VERSION ||
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
        record->breaker_tripped > 1)
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
    engine->members[record->member] = *record;
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
    engine->accounts[record->account] = *record;
    return true;
}

// Its accounts follow one by one: account_count grows with them and is compared with the session's
// state.
static bool load_session(struct engine *engine, const struct session_rec *record)
{
    if (record->session == 0 || record->session > engine->limits.sessions_max ||
        record->gateway >= GATEWAY_COUNT ||
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
    if (at > 0 && accounts[at - 1] >= record->account)
        return false;
    accounts[at] = record->account;
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
        record->blocked < 0 || record->available < -MONEY_MAX)
        return false;
    uint32_t index = ledger_open(&engine->ledger, record->account, record->asset);
    if (index == 0)
        return false;
    struct balance *balance = ledger_at(&engine->ledger, index);
    balance->available = record->available;
    balance->held = record->held;
    balance->unsettled = record->unsettled;
    balance->blocked = record->blocked;
    return true;
}

// ---- loading orders
// -------------------------------------------------------------------------------

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
    int64_t notional = 0;
    return money_notional(&notional, record->price, record->leaves,
                          instrument->terms.token_scale) &&
           record->held == (record->side == SIDE_SELL ? record->leaves : notional);
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
                            .account = record->account,
                            .session = record->session,
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
    if (cash == 0 || tokens == 0 || (!waits && !order_book_has_room(pool, side, key)))
        return false;
    uint32_t place = order_pool_take(pool, record->order);
    order_fill(order_at(pool, place), &pool->cold[place], record);
    order_at(pool, place)->cash_balance = cash;
    order_at(pool, place)->token_balance = tokens;
    if (!waits)
        engine_place_book(engine, instrument, place);
    order_list_append(pool, &engine->sessions[record->session].orders, place);
    instrument->orders_open++;
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
    return record->order == order->id && (order->marks & ORDER_MARK_TERMS) == 0 &&
           record->display_quantity >= 0 && record->hidden >= 0 && record->hidden < order->leaves &&
           (iceberg || record->hidden == 0) && record->trail_offset >= 0 &&
           record->stop_price >= 0 && record->stop_price <= MONEY_MAX &&
           record->expire_ns <= INT64_MAX &&
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
    if (!order_book_has_room(pool, side, key))
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
        !order_book_has_room(&engine->pool, &instrument->stops[which],
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
// -------------------------------------------------------------------

static bool work_valid(const struct engine *engine, const struct pending_rec *record)
{
    if (record->work == WORK_EXPIRE)
        return true;
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
            return record->scope == SCOPE_VENUE || engine_account(engine, record->account) != NULL;
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
        (engine->load_waits && record->header.type != REC_order_terms))
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
        LOAD(tick_band);
        LOAD(schedule_entry);
        LOAD(member);
        LOAD(account);
        LOAD(session);
        LOAD(session_account);
        LOAD(session_state);
        LOAD(gateway);
        LOAD(reference);
        LOAD(balance);
        LOAD(order);
        LOAD(order_terms);
        LOAD(pending);
    default:
        return false;
    }
#undef LOAD
}
