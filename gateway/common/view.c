// View, happy path: snapshot records set the state at one sequence, then each event changes it. An
// order that is done by an event stays until the next command, because the gateway that answers the
// event still wants to read it. An event that cannot follow from the state is our own fault:
// assert.
#include "gateway/common/view.h"

#include <string.h>

#include "base/assert.h"
#include "base/map.h"
#include "gateway/common/book_view.h"
#include "gateway/common/client_ids.h"
#include "risk/postings.h"

#define DAY_NS (24u * 3600u * 1000000000ull)

struct account_entry {
    struct account_rec account;
    uint32_t newest; // 1-based index of its open orders' list, linked through order_entry.older
};

struct order_entry {
    struct view_order order;
    uint32_t older, newer; // of the same account, 1-based
};

struct session_entry {
    struct session_rec session;
    uint32_t last_seq;
    uint32_t *accounts;
    uint32_t account_count;
};

struct instrument_entry {
    struct view_instrument instrument;
    struct book_side sides[2]; // buy, sell
};

struct view {
    uint32_t accounts_max, sessions_max, assets_max, instruments_max;
    struct account_entry *accounts;
    struct session_entry *sessions;
    struct asset_rec *assets;
    struct instrument_entry *instruments;
    struct map orders; // id -> 1-based index
    struct order_entry *order_entries;
    uint32_t order_count, order_capacity, order_free; // free list through `older`
    struct map balances;                              // account << 32 | asset -> 1-based index
    struct balance_rec *balance_entries;
    uint32_t balance_count, balance_capacity;
    struct client_ids client_ids;
    uint64_t *done; // orders that ended in the command now applied
    uint32_t done_count, done_capacity;
    uint64_t sequence;
    uint64_t day;
    uint8_t venue_state;
};

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
        view->instruments[i].sides[0].side = SIDE_BUY;
        view->instruments[i].sides[1].side = SIDE_SELL;
    }
    map_init(&view->orders);
    map_init(&view->balances);
    client_ids_init(&view->client_ids);
    view->venue_state = VENUE_CANCEL_ONLY;
    return view;
}

void view_destroy(struct view *view)
{
    for (uint32_t i = 0; i <= view->instruments_max; i++) {
        book_side_fini(&view->instruments[i].sides[0]);
        book_side_fini(&view->instruments[i].sides[1]);
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
    map_fini(&view->orders);
    map_fini(&view->balances);
    client_ids_fini(&view->client_ids);
    free(view);
}

// ---- balances
// ------------------------------------------------------------------------------------------

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

static void apply_postings(struct view *view, const struct event *event, uint32_t instrument)
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
    }
}

// ---- orders
// --------------------------------------------------------------------------------------------

static struct order_entry *order_entry(const struct view *view, uint64_t order)
{
    uint64_t index = 0;
    return map_get(&view->orders, order, &index) ? &view->order_entries[index - 1] : NULL;
}

static uint32_t order_allot(struct view *view)
{
    if (view->order_free != 0) {
        uint32_t index = view->order_free;
        view->order_free = view->order_entries[index - 1].older;
        return index;
    }
    if (view->order_count == view->order_capacity) {
        view->order_capacity = view->order_capacity == 0 ? 1024 : view->order_capacity * 2;
        view->order_entries =
            realloc(view->order_entries, view->order_capacity * sizeof *view->order_entries);
        ASSERT(view->order_entries != NULL);
    }
    return ++view->order_count;
}

static void order_insert(struct view *view, const struct view_order *order)
{
    ASSERT(order->account <= view->accounts_max);
    uint32_t index = order_allot(view);
    struct account_entry *account = &view->accounts[order->account];
    view->order_entries[index - 1] =
        (struct order_entry){.order = *order, .older = account->newest};
    if (account->newest != 0)
        view->order_entries[account->newest - 1].newer = index;
    account->newest = index;
    map_put(&view->orders, order->order, index);
    client_ids_put(&view->client_ids, order->session, order->client_id, order->client_id_bytes,
                   order->order);
}

static void order_erase(struct view *view, uint64_t order)
{
    uint64_t index = 0;
    bool found = map_get(&view->orders, order, &index);
    ASSERT(found);
    struct order_entry *entry = &view->order_entries[index - 1];
    if (entry->newer != 0)
        view->order_entries[entry->newer - 1].older = entry->older;
    else
        view->accounts[entry->order.account].newest = entry->older;
    if (entry->older != 0)
        view->order_entries[entry->older - 1].newer = entry->newer;
    map_remove(&view->orders, order);
    *entry = (struct order_entry){.older = view->order_free};
    view->order_free = (uint32_t)index;
}

// Keeps the order for the gateway's answer; gone at the next command.
static void order_is_done(struct view *view, uint64_t order)
{
    if (view->done_count == view->done_capacity) {
        view->done_capacity = view->done_capacity == 0 ? 64 : view->done_capacity * 2;
        view->done = realloc(view->done, view->done_capacity * sizeof *view->done);
        ASSERT(view->done != NULL);
    }
    view->done[view->done_count++] = order;
}

static void erase_done(struct view *view)
{
    for (uint32_t i = 0; i < view->done_count; i++)
        order_erase(view, view->done[i]);
    view->done_count = 0;
}

// A market order never rests: it has no level. Everything else stands in the book with what is left
// of it.
static void book_change(struct view *view, const struct view_order *order, int64_t quantity,
                        int orders)
{
    if (order->type == ORDER_MARKET)
        return;
    struct instrument_entry *entry = &view->instruments[order->instrument];
    book_side_change(&entry->sides[order->side - 1], order->price, quantity, orders);
}

static void apply_accepted(struct view *view, const struct event *event)
{
    const struct order_accepted_evt *accepted = &event->body.order_accepted;
    struct view_order order = {.order = accepted->order,
                               .account = accepted->account,
                               .instrument = accepted->instrument,
                               .session = event->header.session,
                               .gateway = event->header.gateway,
                               .side = accepted->side,
                               .type = accepted->type,
                               .tif = accepted->tif,
                               .price = accepted->price,
                               .quantity = accepted->quantity,
                               .leaves = accepted->quantity,
                               .entered_ns = event->header.time_ns,
                               .client_id_bytes = accepted->client_id_bytes};
    memcpy(order.client_id, accepted->client_id, sizeof order.client_id);
    order_insert(view, &order);
    book_change(view, &order, order.leaves, +1);
}

static void apply_fill(struct view *view, uint64_t id, const struct trade_evt *trade,
                       int64_t leaves)
{
    struct order_entry *entry = order_entry(view, id);
    ASSERT(entry != NULL);
    struct view_order *order = &entry->order;
    ASSERT(order->leaves == leaves + trade->quantity);
    uint8_t scale = view->instruments[trade->instrument].instrument.terms.token_scale;
    order->leaves = leaves;
    order->filled_notional += postings_notional(trade->price, trade->quantity, scale);
    book_change(view, order, -trade->quantity, leaves == 0 ? -1 : 0);
    if (leaves == 0)
        order_is_done(view, id);
}

static void apply_trade(struct view *view, const struct event *event)
{
    const struct trade_evt *trade = &event->body.trade;
    ASSERT(trade->instrument >= 1 && trade->instrument <= view->instruments_max);
    apply_fill(view, trade->maker_order, trade, trade->maker_leaves);
    apply_fill(view, trade->taker_order, trade, trade->taker_leaves);
    view->instruments[trade->instrument].instrument.state.last_price = trade->price;
    apply_postings(view, event, trade->instrument);
}

static void apply_cancelled(struct view *view, const struct event *event)
{
    const struct order_cancelled_evt *cancelled = &event->body.order_cancelled;
    struct order_entry *entry = order_entry(view, cancelled->order);
    ASSERT(entry != NULL && entry->order.leaves == cancelled->quantity);
    book_change(view, &entry->order, -entry->order.leaves, -1);
    entry->order.leaves = 0;
    order_is_done(view, cancelled->order);
    apply_postings(view, event, cancelled->instrument);
}

// The client id that the command's session gave with this event, if it did.
static void note_client_id(struct view *view, const struct event *event)
{
    const struct order_accepted_evt *accepted = &event->body.order_accepted;
    const struct order_amended_evt *amended = &event->body.order_amended;
    if (event->header.type == EVT_order_accepted)
        client_ids_put(&view->client_ids, event->header.session, accepted->client_id,
                       accepted->client_id_bytes, accepted->order);
    else if (event->header.type == EVT_order_amended)
        client_ids_put(&view->client_ids, event->header.session, amended->client_id,
                       amended->client_id_bytes, amended->order);
}

static void apply_amended(struct view *view, const struct event *event)
{
    const struct order_amended_evt *amended = &event->body.order_amended;
    struct order_entry *entry = order_entry(view, amended->order);
    ASSERT(entry != NULL && entry->order.leaves >= amended->leaves);
    struct view_order *order = &entry->order;
    book_change(view, order, amended->leaves - order->leaves, 0);
    order->quantity = amended->quantity;
    order->leaves = amended->leaves;
    order->client_id_bytes = amended->client_id_bytes;
    memcpy(order->client_id, amended->client_id, sizeof order->client_id);
    client_ids_put(&view->client_ids, order->session, order->client_id, order->client_id_bytes,
                   order->order);
    note_client_id(view, event); // another session of the account may have amended it
    apply_postings(view, event, amended->instrument);
}

// ---- reference data
// ------------------------------------------------------------------------------------

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
        session.account_count > 0 ? zeroed(session.account_count, sizeof(uint32_t)) : NULL;
}

static void add_session_account(struct view *view, const struct session_account_rec *record)
{
    ASSERT(record->session >= 1 && record->session <= view->sessions_max);
    struct session_entry *entry = &view->sessions[record->session];
    ASSERT(entry->account_count < entry->session.account_count);
    entry->accounts[entry->account_count++] = record->account;
}

static void set_instrument(struct view *view, const void *record)
{
    struct instrument_rec terms;
    memcpy(&terms, record, sizeof terms);
    ASSERT(terms.instrument >= 1 && terms.instrument <= view->instruments_max);
    struct view_instrument *instrument = &view->instruments[terms.instrument].instrument;
    instrument->terms = terms;
    instrument->state.instrument = terms.instrument;
}

static void set_instrument_state(struct view *view, const void *record)
{
    struct instrument_state_rec state;
    memcpy(&state, record, sizeof state);
    ASSERT(state.instrument >= 1 && state.instrument <= view->instruments_max);
    view->instruments[state.instrument].instrument.state = state;
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

// ---- one event
// -------------------------------------------------------------------------------------------

// Client ids are unique per day: in a new one only those of open orders remain.
static void begin_day(struct view *view, uint64_t time_ns)
{
    uint64_t day = time_ns / DAY_NS;
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
    erase_done(view);
    begin_day(view, event->header.time_ns);
    set_session_seq(view, event->header.session, event->header.session_seq);
}

void view_apply(struct view *view, const struct event *event)
{
    if (event->header.index == 0)
        begin_command(view, event);
    switch ((enum event_type)event->header.type) {
    case EVT_order_accepted:
        apply_accepted(view, event);
        apply_postings(view, event, event->body.order_accepted.instrument);
        break;
    case EVT_trade:
        apply_trade(view, event);
        break;
    case EVT_order_cancelled:
        apply_cancelled(view, event);
        break;
    case EVT_order_amended:
        apply_amended(view, event);
        break;
    case EVT_ledger_posted:
        apply_postings(view, event, 0);
        break;
    case EVT_settlement_booked:
        apply_postings(view, event, event->body.settlement_booked.instrument);
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
    case EVT_account_changed:
        set_account(view, &event->body);
        break;
    case EVT_session_changed:
        set_session(view, &event->body);
        break;
    case EVT_session_account:
        add_session_account(view, (const struct session_account_rec *)(const void *)&event->body);
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
    case EVT_order_terms:
    case EVT_auction:
    case EVT_order_triggered:
    case EVT_order_reduced:
    case EVT_order_refreshed:
    case EVT_instrument_rules_changed:
    case EVT_tick_band:
    case EVT_schedule_entry:
    case EVT_order_status:
    case EVT_done:
    case EVT_COUNT:
        break;
    }
    if (event->header.last)
        view->sequence = event->header.sequence;
}

// ---- snapshot
// --------------------------------------------------------------------------------------------

static void load_order(struct view *view, const struct order_rec *record)
{
    struct view_order order = {.order = record->order,
                               .account = record->account,
                               .instrument = record->instrument,
                               .session = record->session,
                               .gateway = record->gateway,
                               .side = record->side,
                               .type = record->type,
                               .tif = record->tif,
                               .price = record->price,
                               .quantity = record->quantity,
                               .leaves = record->leaves,
                               .filled_notional = record->filled_notional,
                               .entered_ns = record->entered_ns,
                               .client_id_bytes = record->client_id_bytes};
    memcpy(order.client_id, record->client_id, sizeof order.client_id);
    order_insert(view, &order);
    book_change(view, &order, order.leaves, +1);
}

static void load_meta(struct view *view, const struct meta_rec *meta)
{
    view->sequence = meta->sequence;
    view->venue_state = meta->venue_state;
    view->day = meta->time_ns / DAY_NS;
}

static bool load_record(void *context, const struct snapshot_record *record)
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
        load_order(view, &record->body.order);
        break;
    case REC_member:
    case REC_gateway:
    case REC_reference:
    case REC_order_terms:
    case REC_instrument_rules:
    case REC_tick_band:
    case REC_schedule_entry:
    case REC_pending:
    case REC_end:
    case REC_COUNT:
        break;
    }
    return true;
}

// Client ids of today's orders that were done before the snapshot: read from the tape, so that a
// restarted gateway still refuses a duplicate.
static void load_todays_client_ids(struct view *view, const struct boot *boot)
{
    struct follower *follower = follower_open(boot, 0);
    ASSERT(follower != NULL);
    struct event events[256];
    size_t count;
    while (follower_sequence(follower) < view->sequence &&
           (count = follower_poll(follower, events, 256)) > 0) {
        for (size_t i = 0; i < count; i++) {
            const struct event_header *header = &events[i].header;
            if (header->sequence <= view->sequence && header->time_ns / DAY_NS == view->day)
                note_client_id(view, &events[i]);
        }
    }
    follower_close(follower);
}

uint64_t view_load(struct view *view, const struct boot *boot)
{
    ASSERT(view->sequence == 0);
    uint64_t sequence = follower_load_snapshot(boot, load_record, view);
    if (sequence > 0)
        load_todays_client_ids(view, boot);
    return sequence;
}

// ---- reading
// ---------------------------------------------------------------------------------------------

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

const struct view_instrument *view_instrument_by_symbol(const struct view *view, const char *symbol,
                                                        size_t bytes)
{
    char padded[SYMBOL_BYTES_MAX] = {0};
    if (bytes == 0 || bytes > sizeof padded)
        return NULL;
    memcpy(padded, symbol, bytes);
    for (uint32_t i = 1; i <= view->instruments_max; i++) {
        const struct view_instrument *found = view_instrument(view, i);
        if (found != NULL && memcmp(found->terms.symbol, padded, sizeof padded) == 0)
            return found;
    }
    return NULL;
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

bool view_session_has_account(const struct view *view, uint32_t session, uint32_t account)
{
    const struct session_entry *entry = session_entry(view, session);
    for (uint32_t i = 0; entry != NULL && i < entry->account_count; i++)
        if (entry->accounts[i] == account)
            return true;
    return false;
}

size_t view_session_accounts(const struct view *view, uint32_t session, uint32_t *out, size_t max)
{
    const struct session_entry *entry = session_entry(view, session);
    size_t count = entry == NULL ? 0 : entry->account_count < max ? entry->account_count : max;
    for (size_t i = 0; i < count; i++)
        out[i] = entry->accounts[i];
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
    const struct order_entry *entry = order_entry(view, order);
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

static const struct book_side *side_of(const struct view *view, uint32_t instrument, uint8_t side)
{
    ASSERT(instrument >= 1 && instrument <= view->instruments_max);
    ASSERT(side == SIDE_BUY || side == SIDE_SELL);
    return &view->instruments[instrument].sides[side - 1];
}

size_t view_levels(const struct view *view, uint32_t instrument, uint8_t side,
                   struct view_level *out, size_t max)
{
    return book_side_best(side_of(view, instrument, side), out, max);
}

struct view_level view_level_at(const struct view *view, uint32_t instrument, uint8_t side,
                                int64_t price)
{
    return book_side_at(side_of(view, instrument, side), price);
}
