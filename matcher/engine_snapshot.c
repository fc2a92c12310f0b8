// Snapshots and the digest: the logical state as records, in one order only.
//
// Order: meta; assets; instruments, each with its state, rules, controls, jurisdictions, tick bands
// and schedule; members, each with its limits and state; accounts, each with its limits, state and
// investments by period; sessions, each with its accounts, limits and state; kill switches; the
// venue's rules; proposals, each with the parts of its body; settlement
// instructions, each with its legs; fees; gateways; references;
// refusals that may be confirmed, by sequence; balances by account and asset; orders by instrument:
// the book by side, price and time, the stop book likewise, the triggered queue, those that wait
// for the close, each with its terms if it has any; the unfinished command, if there is one. The
// digest hashes exactly what is saved, so what is not saved cannot matter, and a state that is
// loaded (engine_load.c) has the digest of the one that was saved.
#include "base/digest.h"
#include "matcher/engine_saver.h"

// ---- saving

int save_record(const struct saver *saver, uint8_t type, const void *body, size_t bytes)
{
    struct snapshot_record record = {.header = {.type = type, .version = SCHEMA_VERSION}};
    ASSERT(bytes <= sizeof(record.body));
    memset(&record.body, 0, sizeof(record.body));
    memcpy(&record.body, body, bytes);
    return saver->sink(saver->context, &record);
}

static int save_rules(const struct saver *saver, const struct instrument *instrument)
{
    SAVE(saver, instrument_rules, instrument->rules);
    SAVE(saver, instrument_controls, instrument->controls);
    int result = save_jurisdictions(saver, instrument);
    if (result != 0)
        return result;
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
            .account = engine->session_accounts[session->accounts_first + i] & ACCOUNT_MASK,
            .rights = (uint8_t)(engine->session_accounts[session->accounts_first + i] >>
                                SESSION_ACCOUNT_RIGHTS_SHIFT)};
        SAVE(saver, session_account, account);
    }
    int result = save_session_risk(saver, session);
    if (result != 0)
        return result;
    struct session_state_rec state = {
        .session = session->terms.session,
        .last_session_seq = session->last_session_seq,
        .open = session->open,
        .messages = session->messages.count,
        .messages_window = save_window(&session->messages, session->own.messages_ms)};
    SAVE(saver, session_state, state);
    return 0;
}

static int save_parties(const struct engine *engine, const struct saver *saver)
{
    int result = 0;
    for (uint32_t id = 1; id <= engine->limits.members_max && result == 0; id++) {
        const struct member *member = &engine->members[id];
        if (member->terms.member == 0)
            continue;
        SAVE(saver, member, member->terms);
        result = save_member_risk(saver, member);
    }
    for (uint32_t id = 1; id <= engine->limits.accounts_max && result == 0; id++) {
        const struct account *account = &engine->accounts[id];
        if (account->terms.account == 0)
            continue;
        SAVE(saver, account, account->terms);
        result = save_account_risk(saver, account);
    }
    return result;
}

static int save_people(const struct engine *engine, const struct saver *saver)
{
    int result = save_parties(engine, saver);
    if (result != 0)
        return result;
    for (uint32_t id = 1; id <= engine->limits.sessions_max; id++) {
        if (engine->sessions[id].terms.session == 0)
            continue;
        result = save_session(engine, saver, &engine->sessions[id]);
        if (result != 0)
            return result;
    }
    return 0;
}

static int save_kills(const struct engine *engine, const struct saver *saver)
{
    struct kill_rec record = {0};
    while (engine_kill_next(engine, &record))
        SAVE(saver, kill, record);
    return 0;
}

static int save_proposals(const struct engine *engine, const struct saver *saver)
{
    const struct venue_rules_rec rules = {.flags = engine->venue_rules};
    const struct proposal *proposal = NULL;
    if (rules.flags != 0)
        SAVE(saver, venue_rules, rules);
    while ((proposal = engine_proposal_next(engine, proposal)) != NULL) {
        SAVE(saver, proposal, proposal->terms);
        for (uint32_t offset = 0; offset < proposal->terms.body_bytes;
             offset += PROPOSAL_PART_BYTES) {
            struct proposal_part_rec part = engine_proposal_part(proposal, offset);
            SAVE(saver, proposal_part, part);
        }
    }
    return 0;
}

static int save_xvps(const struct engine *engine, const struct saver *saver)
{
    for (uint32_t i = 0; i < engine->xvp_count; i++) {
        const struct xvp *xvp = &engine->xvps[i];
        SAVE(saver, xvp, xvp->terms);
        for (uint32_t leg = 0; leg < xvp->terms.leg_count; leg++)
            SAVE(saver, xvp_leg, xvp->legs[leg]);
    }
    return 0;
}

// By account, then instrument; those of any account first.
static int save_fees(const struct engine *engine, const struct saver *saver)
{
    const struct fee_record *records = engine->fees.records;
    for (uint32_t id = 1; id <= engine->limits.instruments_max; id++)
        if (engine->instruments[id].fees != 0)
            SAVE(saver, fees, records[engine->instruments[id].fees].terms);
    for (uint32_t id = 1; id <= engine->limits.accounts_max && engine->fees.count != 0; id++) {
        uint32_t index = engine->accounts[id].fees;
        for (; index != 0; index = records[index].next_of_account)
            SAVE(saver, fees, records[index].terms);
    }
    return 0;
}

static int save_counters(const struct engine *engine, const struct saver *saver)
{
    for (uint32_t id = 1; id < GATEWAY_COUNT; id++) {
        const struct gateway *gateway = &engine->gateways[id];
        // Venues that never had an indexer have the state they always had.
        if (id == GATEWAY_INDEX && gateway->incarnation == 0)
            continue;
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
    return save_confirms(saver, engine->confirms);
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
                                         .blocked = balance->blocked,
                                         .deficit = balance->deficit};
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
                               .filled_notional = cold->filled_notional,
                               .buyer_bps = order->buyer_bps};
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
        result = save_kills(engine, saver);
    if (result == 0)
        result = save_proposals(engine, saver);
    if (result == 0)
        result = save_xvps(engine, saver);
    if (result == 0)
        result = save_fees(engine, saver);
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
