// View, happy path: snapshot records set the state at one sequence, then each event changes it. An
// order that is done by an event stays until the next command, because the gateway that answers the
// event still wants to read it. An event that cannot follow from the state is our own fault:
// assert.
#include "gateway/common/view.h"

#include <string.h>

#include "base/digest.h"
#include "base/log.h"
#include "core/snapshot_file.h"
#include "gateway/common/view_internal.h"
#include "risk/postings.h"

#define DAY_NS (24u * 3600u * 1000000000ull)

static void *zeroed(size_t count, size_t bytes)
{
    void *memory = calloc(count, bytes);
    ASSERT(memory != NULL);
    return memory;
}

struct view *view_create(const struct boot *boot)
{
    const struct config *config = &boot->config;
    struct view *view = zeroed(1, sizeof *view);
    view->accounts_max = (uint32_t)config->limits_accounts_max;
    view->sessions_max = (uint32_t)config->limits_sessions_max;
    view->assets_max = (uint32_t)config->limits_assets_max;
    view->instruments_max = (uint32_t)config->limits_instruments_max;
    view->accounts = zeroed(view->accounts_max + 1u, sizeof *view->accounts);
    view->sessions = zeroed(view->sessions_max + 1u, sizeof *view->sessions);
    view->assets = zeroed(view->assets_max + 1u, sizeof *view->assets);
    view->instruments = zeroed(view->instruments_max + 1u, sizeof *view->instruments);
    for (uint32_t i = 0; i <= view->instruments_max; i++) {
        view->instruments[i].sides[SIDE_SELL - 1].lowest_first = true;
        view->instruments[i].stops[SIDE_BUY - 1].lowest_first = true;
    }
    map_init(&view->symbols);
    map_init(&view->orders);
    map_init(&view->balances);
    client_ids_init(&view->client_ids);
    view->venue_state = VENUE_CANCEL_ONLY;
    return view;
}

void view_destroy(struct view *view)
{
    for (uint32_t i = 0; i <= view->instruments_max; i++) {
        for (int side = 0; side < 2; side++) {
            book_side_fini(&view->instruments[i].sides[side]);
            book_side_fini(&view->instruments[i].stops[side]);
        }
    }
    for (uint32_t i = 0; i <= view->sessions_max; i++)
        free(view->sessions[i].accounts);
    free(view->accounts);
    free(view->sessions);
    free(view->assets);
    free(view->instruments);
    free(view->order_entries);
    free(view->balance_entries);
    free(view->done);
    map_fini(&view->symbols);
    map_fini(&view->orders);
    map_fini(&view->balances);
    client_ids_fini(&view->client_ids);
    xvp_parties_fini(&view->xvp_parties);
    free(view);
}

// ---- balances

static uint64_t balance_key(uint32_t account, uint32_t asset)
{
    return (uint64_t)account << 32 | asset;
}

static struct balance_rec *balance_entry(struct view *view, uint32_t account, uint32_t asset)
{
    uint64_t index = 0;
    if (map_get(&view->balances, balance_key(account, asset), &index))
        return &view->balance_entries[index - 1];
    if (view->balance_count == view->balance_capacity) {
        view->balance_capacity = view->balance_capacity == 0 ? 256 : view->balance_capacity * 2;
        view->balance_entries =
            realloc(view->balance_entries, view->balance_capacity * sizeof *view->balance_entries);
        ASSERT(view->balance_entries != NULL);
    }
    struct balance_rec *entry = &view->balance_entries[view->balance_count++];
    *entry = (struct balance_rec){.account = account, .asset = asset};
    map_put(&view->balances, balance_key(account, asset), view->balance_count);
    return entry;
}

void view_post(struct view *view, const struct event *event, uint32_t instrument)
{
    struct posting postings[POSTINGS_MAX];
    struct posting_terms terms = {0};
    if (instrument != 0) {
        const struct instrument_rec *of = &view->instruments[instrument].instrument.terms;
        terms = (struct posting_terms){of->token_asset, of->cash_asset, of->token_scale};
    }
    int count = postings_of(event, instrument != 0 ? &terms : NULL, postings);
    for (int i = 0; i < count; i++) {
        struct balance_rec *balance = balance_entry(view, postings[i].account, postings[i].asset);
        balance->available += postings[i].available;
        balance->held += postings[i].held;
        balance->unsettled += postings[i].unsettled;
        balance->blocked += postings[i].blocked;
        balance->deficit += postings[i].deficit;
    }
}

// ---- reference data

static void set_session(struct view *view, const void *record)
{
    struct session_rec session;
    memcpy(&session, record, sizeof session);
    ASSERT(session.session >= 1 && session.session <= view->sessions_max);
    struct session_entry *entry = &view->sessions[session.session];
    entry->session = session;
    entry->account_count = 0;
    free(entry->accounts);
    entry->accounts =
        session.account_count > 0 ? zeroed(session.account_count, sizeof *entry->accounts) : NULL;
}

static void add_session_account(struct view *view, const struct session_account_rec *record)
{
    ASSERT(record->session >= 1 && record->session <= view->sessions_max);
    struct session_entry *entry = &view->sessions[record->session];
    ASSERT(entry->account_count < entry->session.account_count);
    entry->accounts[entry->account_count++] = *record;
}

static uint64_t symbol_key(const char symbol[SYMBOL_BYTES_MAX])
{
    uint64_t words[2];
    memcpy(words, symbol, sizeof words);
    return digest_mix(digest_mix(DIGEST_PRIME_1, words[0]), words[1]) | 1;
}

// Two symbols that share a key are told apart where one is looked up.
static void symbol_add(struct view *view, const struct instrument_rec *terms)
{
    uint64_t before = 0;
    uint64_t key = symbol_key(terms->symbol);
    if (!map_get(&view->symbols, key, &before) || terms->instrument < before)
        map_put(&view->symbols, key, terms->instrument);
}

static void symbols_rebuild(struct view *view)
{
    map_clear(&view->symbols);
    for (uint32_t i = 1; i <= view->instruments_max; i++)
        if (view->instruments[i].instrument.terms.instrument != 0)
            symbol_add(view, &view->instruments[i].instrument.terms);
}

static void set_instrument(struct view *view, const void *record)
{
    struct instrument_rec terms;
    memcpy(&terms, record, sizeof terms);
    ASSERT(terms.instrument >= 1 && terms.instrument <= view->instruments_max);
    struct view_instrument *instrument = &view->instruments[terms.instrument].instrument;
    bool renamed = instrument->terms.instrument != 0 &&
                   memcmp(instrument->terms.symbol, terms.symbol, sizeof terms.symbol) != 0;
    instrument->terms = terms;
    if (renamed)
        symbols_rebuild(view);
    else
        symbol_add(view, &terms);
    instrument->state.instrument = instrument->rules.instrument = terms.instrument;
    view->instruments[terms.instrument].statistics.token_scale = terms.token_scale;
}

static struct instrument_entry *instrument_entry(struct view *view, uint32_t instrument)
{
    ASSERT(instrument >= 1 && instrument <= view->instruments_max);
    return &view->instruments[instrument];
}

static void set_instrument_state(struct view *view, const void *record)
{
    struct instrument_state_rec state;
    memcpy(&state, record, sizeof state);
    instrument_entry(view, state.instrument);
    view_phase(view, &state);
}

static void set_rules(struct view *view, const void *record)
{
    struct instrument_rules_rec rules;
    memcpy(&rules, record, sizeof rules);
    instrument_entry(view, rules.instrument)->instrument.rules = rules;
}

static void set_controls(struct view *view, const void *record)
{
    struct instrument_controls_rec controls;
    memcpy(&controls, record, sizeof controls);
    instrument_entry(view, controls.instrument)->instrument.controls = controls;
}

static void set_tick_band(struct view *view, const void *record)
{
    struct tick_band_rec band;
    memcpy(&band, record, sizeof band);
    struct view_instrument *instrument = &instrument_entry(view, band.instrument)->instrument;
    ASSERT(band.count <= TICK_BANDS_MAX && band.index < TICK_BANDS_MAX);
    instrument->band_count = band.count;
    instrument->bands[band.index] = band;
}

static void set_schedule_entry(struct view *view, const void *record)
{
    struct schedule_entry_rec entry;
    memcpy(&entry, record, sizeof entry);
    struct view_instrument *instrument = &instrument_entry(view, entry.instrument)->instrument;
    ASSERT(entry.count <= SCHEDULE_ENTRIES_MAX && entry.index < SCHEDULE_ENTRIES_MAX);
    instrument->entry_count = entry.count;
    instrument->schedule[entry.index] = entry;
}

static void set_auction(struct view *view, const struct event *event)
{
    const struct auction_evt *auction = &event->body.auction;
    struct view_instrument *instrument = &instrument_entry(view, auction->instrument)->instrument;
    instrument->auction = *auction;
    instrument->auction_ns = event->header.time_ns;
}

static void set_account(struct view *view, const void *record)
{
    struct account_rec account;
    memcpy(&account, record, sizeof account);
    ASSERT(account.account >= 1 && account.account <= view->accounts_max);
    view->accounts[account.account].account = account;
}

static void set_asset(struct view *view, const void *record)
{
    struct asset_rec asset;
    memcpy(&asset, record, sizeof asset);
    ASSERT(asset.asset >= 1 && asset.asset <= view->assets_max);
    view->assets[asset.asset] = asset;
}

static void set_session_seq(struct view *view, uint32_t session, uint32_t seq)
{
    if (session >= 1 && session <= view->sessions_max && seq != 0) // may go down: a FIX reset
        view->sessions[session].last_seq = seq;
}

// ---- statistics

// The instrument whose statistics the event may change; 0 = none's.
static uint32_t statistics_instrument(const struct event *event)
{
    switch (event->header.type) {
    case EVT_instrument_changed:
        return event->body.instrument_changed.instrument;
    case EVT_instrument_state:
        return event->body.instrument_state.instrument;
    case EVT_schedule_entry:
        return event->body.schedule_entry.instrument;
    case EVT_trade:
        return event->body.trade.instrument;
    default:
        return 0;
    }
}

static void add_to_statistics(struct view *view, const struct event *event)
{
    uint32_t instrument = statistics_instrument(event);
    if (instrument != 0)
        statistics_apply(&instrument_entry(view, instrument)->statistics, event);
}

static void statistics_day(struct view *view, uint64_t day)
{
    if (day <= view->statistics_day)
        return;
    view->statistics_day = day;
    for (uint32_t i = 1; i <= view->instruments_max; i++)
        statistics_midnight(&view->instruments[i].statistics, day * DAY_NS);
}

// ---- one event

// Client ids are unique per day: in a new one only those of open orders remain.
static void begin_day(struct view *view, uint64_t time_ns)
{
    uint64_t day = time_ns / DAY_NS;
    statistics_day(view, day);
    if (day <= view->day)
        return;
    view->day = day;
    client_ids_clear(&view->client_ids);
    for (uint32_t i = 0; i < view->order_count; i++) {
        const struct view_order *order = &view->order_entries[i].order;
        if (order->order != 0 && order->leaves > 0)
            client_ids_put(&view->client_ids, order->session, order->client_id,
                           order->client_id_bytes, order->order);
    }
}

void view_tick(struct view *view, uint64_t wall_ns)
{
    begin_day(view, wall_ns);
}

static void begin_command(struct view *view, const struct event *event)
{
    ASSERT(event->header.sequence > view->sequence);
    view_orders_erase_done(view);
    xvp_parties_forget_over(&view->xvp_parties);
    begin_day(view, event->header.time_ns);
    set_session_seq(view, event->header.session, event->header.session_seq);
}

void view_apply(struct view *view, const struct event *event)
{
    if (event->header.index == 0)
        begin_command(view, event);
    add_to_statistics(view, event);
    switch ((enum event_type)event->header.type) {
    case EVT_order_accepted:
        view_order_accepted(view, event);
        break;
    case EVT_order_terms:
        view_order_terms(view, &event->body.order_terms);
        break;
    case EVT_order_amended:
        view_order_amended(view, event);
        break;
    case EVT_order_triggered:
        view_order_triggered(view, event);
        break;
    case EVT_order_reduced:
        view_order_reduced(view, event);
        break;
    case EVT_order_refreshed:
        view_order_refreshed(view, &event->body.order_refreshed);
        break;
    case EVT_order_cancelled:
        view_order_cancelled(view, event);
        break;
    case EVT_trade:
        view_trade(view, event);
        break;
    case EVT_auction:
        set_auction(view, event);
        break;
    case EVT_ledger_posted:
    case EVT_deficit_changed:
    case EVT_xvp_posted:
        view_post(view, event, 0);
        break;
    case EVT_settlement_booked:
        view_post(view, event, event->body.settlement_booked.instrument);
        break;
    case EVT_trade_corrected:
        view_post(view, event, event->body.trade_corrected.instrument);
        break;
    case EVT_asset_changed:
        set_asset(view, &event->body);
        break;
    case EVT_instrument_changed:
        set_instrument(view, &event->body);
        break;
    case EVT_instrument_state:
        set_instrument_state(view, &event->body);
        break;
    case EVT_instrument_rules_changed:
        set_rules(view, &event->body);
        break;
    case EVT_instrument_controls_changed:
        set_controls(view, &event->body);
        break;
    case EVT_tick_band:
        set_tick_band(view, &event->body);
        break;
    case EVT_schedule_entry:
        set_schedule_entry(view, &event->body);
        break;
    case EVT_account_changed:
        set_account(view, &event->body);
        break;
    case EVT_session_changed:
        set_session(view, &event->body);
        break;
    case EVT_session_account:
        add_session_account(view, (const struct session_account_rec *)(const void *)&event->body);
        break;
    case EVT_xvp_changed:
        xvp_parties_changed(&view->xvp_parties, &event->body.xvp_changed);
        break;
    case EVT_xvp_leg:
        xvp_parties_leg(&view->xvp_parties, (const void *)&event->body);
        break;
    case EVT_venue_state_changed:
        view->venue_state = event->body.venue_state_changed.state;
        break;
    case EVT_gateway_attached:
    case EVT_gateway_detached:
    case EVT_session_opened:
    case EVT_session_closed:
    case EVT_rejected:
    case EVT_member_changed:
    case EVT_limits_changed:
    case EVT_jurisdiction_listed:
    case EVT_fees_changed:
    case EVT_kill_changed:
    case EVT_venue_rules_changed:
    case EVT_proposal_changed:
    case EVT_xvp_move:
    case EVT_xvp_lock:
    case EVT_order_status:
    case EVT_done:
    case EVT_COUNT:
        break;
    }
    if (!event->header.last)
        return;
    view_orders_settle(view);
    view->sequence = event->header.sequence;
}

// ---- snapshot

static void load_meta(struct view *view, const struct meta_rec *meta)
{
    view->sequence = meta->sequence;
    view->venue_state = meta->venue_state;
    view->day = meta->time_ns / DAY_NS;
}

bool view_load_record(void *context, const struct snapshot_record *record)
{
    struct view *view = context;
    switch ((enum snapshot_type)record->header.type) {
    case REC_meta:
        load_meta(view, &record->body.meta);
        break;
    case REC_asset:
        set_asset(view, &record->body);
        break;
    case REC_instrument:
        set_instrument(view, &record->body);
        break;
    case REC_instrument_state:
        set_instrument_state(view, &record->body);
        break;
    case REC_account:
        set_account(view, &record->body);
        break;
    case REC_session:
        set_session(view, &record->body);
        break;
    case REC_session_account:
        add_session_account(view, &record->body.session_account);
        break;
    case REC_session_state:
        set_session_seq(view, record->body.session_state.session,
                        record->body.session_state.last_session_seq);
        break;
    case REC_balance:
        *balance_entry(view, record->body.balance.account, record->body.balance.asset) =
            record->body.balance;
        break;
    case REC_order:
        view_order_load(view, &record->body.order);
        break;
    case REC_order_terms:
        view_order_terms_load(view, &record->body.order_terms);
        break;
    case REC_instrument_rules:
        set_rules(view, &record->body);
        break;
    case REC_instrument_controls:
        set_controls(view, &record->body);
        break;
    case REC_tick_band:
        set_tick_band(view, &record->body);
        break;
    case REC_schedule_entry:
        set_schedule_entry(view, &record->body);
        break;
    case REC_xvp_leg:
        xvp_parties_leg(&view->xvp_parties, &record->body.xvp_leg);
        break;
    case REC_member:
    case REC_limits:
    case REC_jurisdiction:
    case REC_fees:
    case REC_kill:
    case REC_venue_rules:
    case REC_proposal:
    case REC_proposal_part:
    case REC_xvp:
    case REC_member_state:
    case REC_account_state:
    case REC_investment:
    case REC_confirm:
    case REC_gateway:
    case REC_reference:
    case REC_pending:
    case REC_end:
    case REC_COUNT:
        break;
    }
    return true;
}

// What events before the snapshot left that it does not have.
static void recall(struct view *view, const struct event *event)
{
    uint64_t day = event->header.time_ns / DAY_NS;
    statistics_day(view, day);
    add_to_statistics(view, event);
    if (event->header.type == EVT_auction)
        set_auction(view, event);
    if (day == view->day)
        view_note_client_id(view, event);
}

// Client ids of today's orders that were done before the snapshot, so that a restarted gateway
// still refuses a duplicate; statistics; the last auction: read from the tape. What of it the
// machine has lost with its power is waited for until lonja-tape has written it again: a gateway
// that opens without would take an id twice, and call an order unknown that it has.
static void load_from_tape(struct view *view, const struct boot *boot)
{
    struct follower *follower = follower_open(boot, 0);
    ASSERT(follower != NULL);
    struct event events[256];
    enum { TAPE_WAIT_MS = 100 };
    size_t count;
    while (follower_sequence(follower) < view->sequence) {
        count = follower_poll(follower, events, 256);
        for (size_t i = 0; i < count; i++)
            if (events[i].header.sequence <= view->sequence)
                recall(view, &events[i]);
        if (count > 0)
            continue;
        log_limited(LOG_WARNING, "waiting for the tape sequence=%llu snapshot=%llu",
                    (unsigned long long)follower_sequence(follower),
                    (unsigned long long)view->sequence);
        follower_wait(follower, TAPE_WAIT_MS);
    }
    follower_close(follower);
}

static void forget_old_auctions(struct view *view)
{
    for (uint32_t i = 1; i <= view->instruments_max; i++) {
        struct view_instrument *instrument = &view->instruments[i].instrument;
        if (!instrument->auction.final && instrument->auction.phase != instrument->state.phase)
            instrument->auction = (struct auction_evt){0};
    }
}

uint64_t view_load(struct view *view, const struct boot *boot)
{
    ASSERT(view->sequence == 0);
    uint64_t sequence = follower_load_snapshot(boot, view_load_record, view);
    if (sequence > 0)
        load_from_tape(view, boot);
    forget_old_auctions(view);
    return sequence;
}

uint64_t view_load_at(struct view *view, const struct boot *boot, uint64_t sequence)
{
    ASSERT(view->sequence == 0 && sequence > 0);
    char folder[NUMBERED_PATH_BYTES];
    state_folder(folder, &boot->config, "snapshots");
    return snapshot_file_read(folder, sequence, view_load_record, view) ? sequence : 0;
}

// ---- reading

uint64_t view_sequence(const struct view *view)
{
    return view->sequence;
}

uint8_t view_venue_state(const struct view *view)
{
    return view->venue_state;
}

const struct view_instrument *view_instrument(const struct view *view, uint32_t instrument)
{
    if (instrument < 1 || instrument > view->instruments_max)
        return NULL;
    const struct view_instrument *found = &view->instruments[instrument].instrument;
    return found->terms.instrument != 0 ? found : NULL;
}

static bool has_symbol(const struct view_instrument *instrument,
                       const char symbol[SYMBOL_BYTES_MAX])
{
    return instrument != NULL && memcmp(instrument->terms.symbol, symbol, SYMBOL_BYTES_MAX) == 0;
}

const struct view_instrument *view_instrument_by_symbol(const struct view *view, const char *symbol,
                                                        size_t bytes)
{
    char padded[SYMBOL_BYTES_MAX] = {0};
    uint64_t first = 0;
    if (bytes == 0 || bytes > sizeof padded)
        return NULL;
    memcpy(padded, symbol, bytes);
    if (!map_get(&view->symbols, symbol_key(padded), &first))
        return NULL;
    for (uint32_t i = (uint32_t)first; i <= view->instruments_max; i++)
        if (has_symbol(view_instrument(view, i), padded))
            return view_instrument(view, i);
    return NULL;
}

int64_t view_tick_at(const struct view_instrument *instrument, int64_t price)
{
    int64_t tick = instrument->terms.tick;
    for (uint32_t i = 0; i < instrument->band_count; i++)
        if (instrument->bands[i].from_price <= price)
            tick = instrument->bands[i].tick;
    return tick;
}

const struct statistics *view_statistics(const struct view *view, uint32_t instrument)
{
    ASSERT(instrument >= 1 && instrument <= view->instruments_max);
    return &view->instruments[instrument].statistics;
}

uint32_t view_instruments_max(const struct view *view)
{
    return view->instruments_max;
}

const struct account_rec *view_account(const struct view *view, uint32_t account)
{
    if (account < 1 || account > view->accounts_max)
        return NULL;
    const struct account_rec *found = &view->accounts[account].account;
    return found->account != 0 ? found : NULL;
}

const struct xvp_party_list *view_xvp_parties(const struct view *view, uint64_t xvp)
{
    return xvp_parties_of(&view->xvp_parties, xvp);
}

const struct asset_rec *view_asset(const struct view *view, uint32_t asset)
{
    return asset >= 1 && asset <= view->assets_max && view->assets[asset].asset != 0
               ? &view->assets[asset]
               : NULL;
}

static const struct session_entry *session_entry(const struct view *view, uint32_t session)
{
    if (session < 1 || session > view->sessions_max)
        return NULL;
    const struct session_entry *found = &view->sessions[session];
    return found->session.session != 0 ? found : NULL;
}

const struct session_rec *view_session(const struct view *view, uint32_t session)
{
    const struct session_entry *entry = session_entry(view, session);
    return entry != NULL ? &entry->session : NULL;
}

uint32_t view_session_last_seq(const struct view *view, uint32_t session)
{
    const struct session_entry *entry = session_entry(view, session);
    return entry != NULL ? entry->last_seq : 0;
}

uint8_t view_session_rights(const struct view *view, uint32_t session, uint32_t account)
{
    const struct session_entry *entry = session_entry(view, session);
    for (uint32_t i = 0; entry != NULL && i < entry->account_count; i++)
        if (entry->accounts[i].account == account)
            return entry->accounts[i].rights;
    return 0;
}

size_t view_session_accounts(const struct view *view, uint32_t session, uint8_t right,
                             uint32_t *out, size_t max)
{
    const struct session_entry *entry = session_entry(view, session);
    size_t count = 0;
    for (uint32_t i = 0; entry != NULL && i < entry->account_count && count < max; i++)
        if ((entry->accounts[i].rights & right) != 0)
            out[count++] = entry->accounts[i].account;
    return count;
}

bool view_balance(const struct view *view, uint32_t account, uint32_t asset,
                  struct balance_rec *out)
{
    uint64_t index = 0;
    if (!map_get(&view->balances, balance_key(account, asset), &index))
        return false;
    *out = view->balance_entries[index - 1];
    return true;
}

const struct view_order *view_order(const struct view *view, uint64_t order)
{
    const struct order_entry *entry = view_order_entry(view, order);
    return entry != NULL ? &entry->order : NULL;
}

uint64_t view_order_by_client_id(const struct view *view, uint32_t session, const char *id,
                                 size_t bytes)
{
    return client_ids_get(&view->client_ids, session, id, bytes);
}

void view_orders_of_account(const struct view *view, uint32_t account, view_order_sink *sink,
                            void *context)
{
    if (account < 1 || account > view->accounts_max)
        return;
    uint32_t oldest = view->accounts[account].newest;
    while (oldest != 0 && view->order_entries[oldest - 1].older != 0)
        oldest = view->order_entries[oldest - 1].older;
    for (uint32_t at = oldest; at != 0; at = view->order_entries[at - 1].newer)
        if (view->order_entries[at - 1].order.leaves > 0)
            sink(context, &view->order_entries[at - 1].order);
}
