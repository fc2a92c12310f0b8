// Happy path: order_accepted makes a new order, order_terms completes it; trade lowers two orders
// and makes a trade, cancelled, amended, triggered and reduced change one; every event goes through
// postings_of into entries and balances.
// An event whose instrument was never announced cannot come from our engine: asserted.
#include "settlement/record_batch.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "schema/rejects.h"

enum { EVENT_DUMP_BYTES_MAX = 4096 };

void record_terms_fini(struct record_terms *terms)
{
    free(terms->terms);
    map_fini(&terms->stops);
    memset(terms, 0, sizeof *terms);
}

void record_terms_set(struct record_terms *terms, uint32_t instrument,
                      const struct posting_terms *value)
{
    if (instrument >= terms->count) {
        size_t count = (size_t)instrument + 16;
        terms->terms = realloc(terms->terms, count * sizeof *terms->terms);
        ASSERT(terms->terms);
        memset(terms->terms + terms->count, 0, (count - terms->count) * sizeof *terms->terms);
        terms->count = count;
    }
    terms->terms[instrument] = *value;
}

static const struct posting_terms *terms_of(const struct record_terms *terms, uint32_t instrument)
{
    ASSERT(instrument < terms->count && terms->terms[instrument].token_asset != 0);
    return &terms->terms[instrument];
}

const char *record_status_text(enum record_status status)
{
    static const char *const texts[] = {"open",      "partially_filled", "filled",
                                        "cancelled", "pending_stop",     "expired"};
    ASSERT((size_t)status < sizeof texts / sizeof texts[0]);
    return texts[status];
}

void record_batch_init(struct record_batch *batch, struct record_terms *terms)
{
    memset(batch, 0, sizeof *batch);
    batch->terms = terms;
    map_init(&batch->order_index);
    map_init(&batch->balance_index);
}

void record_batch_fini(struct record_batch *batch)
{
    pg_copy_fini(&batch->order_events);
    pg_copy_fini(&batch->trades);
    pg_copy_fini(&batch->entries);
    pg_copy_fini(&batch->rejects);
    pg_copy_fini(&batch->venue_events);
    pg_copy_fini(&batch->auctions);
    pg_copy_fini(&batch->deficits);
    pg_copy_fini(&batch->corrections);
    map_fini(&batch->order_index);
    map_fini(&batch->balance_index);
    free(batch->orders);
    free(batch->balances);
    free(batch->references);
}

void record_batch_clear(struct record_batch *batch)
{
    pg_copy_clear(&batch->order_events);
    pg_copy_clear(&batch->trades);
    pg_copy_clear(&batch->entries);
    pg_copy_clear(&batch->rejects);
    pg_copy_clear(&batch->venue_events);
    pg_copy_clear(&batch->auctions);
    pg_copy_clear(&batch->deficits);
    pg_copy_clear(&batch->corrections);
    map_clear(&batch->order_index);
    map_clear(&batch->balance_index);
    batch->order_count = batch->balance_count = batch->reference_count = batch->rows = 0;
    batch->first_sequence = 0;
    batch->inside = false;
}

bool record_batch_complete(const struct record_batch *batch)
{
    return batch->first_sequence != 0 && !batch->inside;
}

size_t record_batch_bytes(const struct record_batch *batch)
{
    return batch->order_events.bytes + batch->trades.bytes + batch->entries.bytes +
           batch->rejects.bytes + batch->venue_events.bytes + batch->auctions.bytes +
           batch->deficits.bytes + batch->corrections.bytes +
           batch->order_count * sizeof *batch->orders +
           batch->reference_count * sizeof *batch->references;
}

// Room for one more element; returns the array.
static void *grown(void *array, size_t count, size_t *capacity, size_t element_bytes)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : 256;
    array = realloc(array, *capacity * element_bytes);
    ASSERT(array);
    return array;
}

// ---- orders

// The row of an order in this batch; made as a change if the order is an older one.
static struct record_order *order_row(struct record_batch *batch, uint64_t order)
{
    uint64_t place;
    ASSERT(order != 0);
    if (map_get(&batch->order_index, order, &place))
        return &batch->orders[place - 1];
    batch->orders =
        grown(batch->orders, batch->order_count, &batch->order_capacity, sizeof *batch->orders);
    struct record_order *row = &batch->orders[batch->order_count++];
    memset(row, 0, sizeof *row);
    row->order = order;
    map_put(&batch->order_index, order, batch->order_count);
    batch->rows++;
    return row;
}

// What an event says of an order besides its status; -1 and 0 = nothing.
struct order_news {
    int64_t price, quantity;
    int priority_kept;
    uint8_t reason;
};

static void maybe_i64(struct pg_copy *copy, int64_t number)
{
    if (number != 0)
        pg_copy_i64(copy, number);
    else
        pg_copy_null(copy);
}

static void order_event(struct record_batch *batch, const struct event *event,
                        struct record_order *row, enum record_status status,
                        const struct order_news *news)
{
    const struct event_header *header = &event->header;
    struct pg_copy *copy = &batch->order_events;
    row->status = status;
    row->updated_ns = header->time_ns;
    row->updated_seq = header->sequence;
    pg_copy_row(copy, 11);
    pg_copy_i64(copy, (int64_t)row->order);
    pg_copy_i64(copy, (int64_t)header->sequence);
    pg_copy_i32(copy, (int32_t)header->index);
    pg_copy_time(copy, header->time_ns);
    pg_copy_text(copy, record_status_text(status));
    pg_copy_i64(copy, row->leaves);
    pg_copy_i16(copy, news->reason);
    pg_copy_text(copy, event_name(header->type));
    maybe_i64(copy, news->price);
    maybe_i64(copy, news->quantity);
    if (news->priority_kept >= 0)
        pg_copy_bool(copy, news->priority_kept != 0);
    else
        pg_copy_null(copy);
    batch->rows++;
}

static void set_client_id(struct record_order *row, const char *client_id, uint8_t bytes)
{
    ASSERT(bytes <= CLIENT_ID_BYTES_MAX);
    row->has_client_id = true;
    row->client_id_bytes = bytes;
    memcpy(row->client_id, client_id, bytes);
}

static const char *waits_for(uint8_t state)
{
    if (state == ORDER_STATE_PENDING_STOP || state == ORDER_STATE_TRIGGERED)
        return "trigger";
    return state == ORDER_STATE_PENDING_CLOSE ? "close" : "";
}

static bool is_stop(const struct record_batch *batch, uint64_t order)
{
    uint64_t value;
    return map_get(&batch->terms->stops, order, &value);
}

// Of an order that is open and not in any stop book.
static enum record_status status_of(int64_t quantity, int64_t leaves)
{
    return quantity > leaves ? RECORD_PARTIALLY_FILLED : RECORD_OPEN;
}

static void add_accepted(struct record_batch *batch, const struct event *event)
{
    const struct order_accepted_evt *body = &event->body.order_accepted;
    const struct posting_terms *terms = terms_of(batch->terms, body->instrument);
    struct record_order *row = order_row(batch, body->order);
    ASSERT(!row->is_new && row->updated_seq == 0); // an order begins once
    row->is_new = true;
    row->account = body->account;
    row->instrument = body->instrument;
    row->session = event->header.session;
    row->gateway = event->header.gateway;
    row->token_asset = terms->token_asset;
    row->token_scale = terms->token_scale;
    row->side = body->side;
    row->type = body->type;
    row->tif = body->tif;
    row->flags = body->flags;
    row->stp = body->stp;
    row->self_match_id = body->self_match_id;
    row->price = body->price;
    row->quantity = body->quantity;
    row->leaves = body->quantity;
    row->waits_for = waits_for(body->state);
    row->created_ns = event->header.time_ns;
    set_client_id(row, body->client_id, body->client_id_bytes);
    bool stop = strcmp(row->waits_for, "trigger") == 0;
    if (stop)
        map_put(&batch->terms->stops, body->order, 1);
    order_event(batch, event, row, stop ? RECORD_PENDING_STOP : RECORD_OPEN,
                &(struct order_news){body->price, body->quantity, -1, 0});
}

// Follows order_accepted and order_amended, which write the event's row. What an order had and has
// no more (the stop price of one that was triggered) stays in its row.
static void add_terms(struct record_batch *batch, const struct event *event)
{
    const struct order_terms_evt *body = &event->body.order_terms;
    struct record_order *row = order_row(batch, body->order);
    if (body->stop_price != 0)
        row->stop_price = body->stop_price;
    if (body->trail_offset != 0)
        row->trail_offset = body->trail_offset;
    if (body->minimum_quantity != 0)
        row->minimum = body->minimum_quantity;
    row->display = body->display_quantity;
    row->expire_ns = body->expire_ns;
}

static void add_fill(struct record_batch *batch, const struct event *event, uint64_t order,
                     int64_t leaves, int64_t notional)
{
    const struct trade_evt *trade = &event->body.trade;
    struct record_order *row = order_row(batch, order);
    ASSERT(leaves >= 0);
    row->leaves = leaves;
    row->filled += trade->quantity;
    row->filled_notional += notional;
    order_event(batch, event, row, leaves > 0 ? RECORD_PARTIALLY_FILLED : RECORD_FILLED,
                &(struct order_news){trade->price, trade->quantity, -1, 0});
}

static void add_cancelled(struct record_batch *batch, const struct event *event)
{
    const struct order_cancelled_evt *body = &event->body.order_cancelled;
    struct record_order *row = order_row(batch, body->order);
    row->leaves = 0;
    row->waits_for = "";
    (void)map_remove(&batch->terms->stops, body->order);
    order_event(batch, event, row,
                body->reason == CANCEL_EXPIRED ? RECORD_EXPIRED : RECORD_CANCELLED,
                &(struct order_news){0, 0, -1, body->reason});
}

static void add_amended(struct record_batch *batch, const struct event *event)
{
    const struct order_amended_evt *body = &event->body.order_amended;
    struct record_order *row = order_row(batch, body->order);
    ASSERT(body->leaves > 0 && body->quantity >= body->leaves);
    row->quantity = body->quantity;
    row->leaves = body->leaves;
    row->price = body->price;
    set_client_id(row, body->client_id, body->client_id_bytes);
    order_event(batch, event, row,
                is_stop(batch, body->order) ? RECORD_PENDING_STOP
                                            : status_of(body->quantity, body->leaves),
                &(struct order_news){body->price, body->quantity, body->priority_kept, 0});
}

// A stop's trigger, or an at-close order that enters its auction.
static void add_triggered(struct record_batch *batch, const struct event *event)
{
    const struct order_triggered_evt *body = &event->body.order_triggered;
    struct record_order *row = order_row(batch, body->order);
    row->price = body->price;
    row->leaves = body->leaves;
    row->waits_for = "";
    if (body->stop_price != 0) {
        row->stop_price = body->stop_price;
        row->trigger_price = body->trigger_price;
        row->triggered_ns = event->header.time_ns;
    }
    (void)map_remove(&batch->terms->stops, body->order);
    order_event(batch, event, row, RECORD_OPEN, &(struct order_news){body->price, 0, -1, 0});
}

static void add_reduced(struct record_batch *batch, const struct event *event)
{
    const struct order_reduced_evt *body = &event->body.order_reduced;
    struct record_order *row = order_row(batch, body->order);
    row->quantity = body->quantity;
    row->leaves = body->leaves;
    order_event(batch, event, row, status_of(body->quantity, body->leaves),
                &(struct order_news){0, body->quantity, -1, body->reason});
}

// ---- trades

static void trade_row(struct record_batch *batch, const struct event *event,
                      const struct posting_terms *terms, int64_t notional)
{
    const struct trade_evt *body = &event->body.trade;
    bool taker_buys = body->taker_side == SIDE_BUY;
    struct pg_copy *copy = &batch->trades;
    pg_copy_row(copy, 19);
    pg_copy_i64(copy, (int64_t)trade_id_of(event->header.sequence, event->header.index));
    pg_copy_i64(copy, (int64_t)event->header.sequence);
    pg_copy_i32(copy, (int32_t)event->header.index);
    pg_copy_i64(copy, (int64_t)event->header.time_ns);
    pg_copy_i32(copy, (int32_t)body->instrument);
    pg_copy_i32(copy, (int32_t)terms->token_asset);
    pg_copy_i32(copy, (int32_t)terms->cash_asset);
    pg_copy_i16(copy, terms->token_scale);
    pg_copy_text(copy, taker_buys ? "buy" : "sell");
    pg_copy_i64(copy, body->price);
    pg_copy_i64(copy, body->quantity);
    pg_copy_i64(copy, notional);
    pg_copy_i32(copy, (int32_t)(taker_buys ? body->taker_account : body->maker_account));
    pg_copy_i32(copy, (int32_t)(taker_buys ? body->maker_account : body->taker_account));
    pg_copy_i64(copy, (int64_t)(taker_buys ? body->taker_order : body->maker_order));
    pg_copy_i64(copy, (int64_t)(taker_buys ? body->maker_order : body->taker_order));
    pg_copy_i64(copy, taker_buys ? body->taker_fee : body->maker_fee);
    pg_copy_i64(copy, taker_buys ? body->maker_fee : body->taker_fee);
    pg_copy_text(copy, body->kind == TRADE_AUCTION ? "auction" : "continuous");
    batch->rows += 3; // with its settlement and that one's history
}

static void add_trade(struct record_batch *batch, const struct event *event)
{
    const struct trade_evt *body = &event->body.trade;
    const struct posting_terms *terms = terms_of(batch->terms, body->instrument);
    int64_t notional = postings_notional(body->price, body->quantity, terms->token_scale);
    ASSERT(body->maker_order != body->taker_order);
    trade_row(batch, event, terms, notional);
    add_fill(batch, event, body->maker_order, body->maker_leaves, notional);
    add_fill(batch, event, body->taker_order, body->taker_leaves, notional);
}

// ---- ledger

static const char *cause_of(const struct event *event)
{
    static const char *const kinds[] = {
        [POSTING_DEPOSIT] = "deposit",     [POSTING_WITHDRAWAL] = "withdrawal",
        [POSTING_CREDIT] = "credit",       [POSTING_DEBIT] = "debit",
        [POSTING_TRANSFER] = "transfer",   [POSTING_CHAIN_IN] = "chain_in",
        [POSTING_CHAIN_OUT] = "chain_out", [POSTING_COVER] = "cover"};
    if (event->header.type != EVT_ledger_posted)
        return event_name(event->header.type);
    uint8_t kind = event->body.ledger_posted.kind;
    ASSERT(kind < sizeof kinds / sizeof kinds[0] && kinds[kind] != NULL);
    return kinds[kind];
}

static void entry_row(struct record_batch *batch, const struct event *event, int line,
                      const struct posting *posting)
{
    struct pg_copy *copy = &batch->entries;
    pg_copy_row(copy, 12);
    pg_copy_i64(copy, (int64_t)event->header.sequence);
    pg_copy_i32(copy, (int32_t)event->header.index);
    pg_copy_i16(copy, (int16_t)line);
    pg_copy_time(copy, event->header.time_ns);
    pg_copy_text(copy, cause_of(event));
    pg_copy_i32(copy, (int32_t)posting->account);
    pg_copy_i32(copy, (int32_t)posting->asset);
    pg_copy_i64(copy, posting->available);
    pg_copy_i64(copy, posting->held);
    pg_copy_i64(copy, posting->unsettled);
    pg_copy_i64(copy, posting->blocked);
    pg_copy_i64(copy, posting->deficit);
    batch->rows++;
}

static void fold(struct record_batch *batch, const struct posting *posting, uint64_t sequence)
{
    uint64_t key = (uint64_t)posting->account << 32 | posting->asset, place;
    if (!map_get(&batch->balance_index, key, &place)) {
        batch->balances = grown(batch->balances, batch->balance_count, &batch->balance_capacity,
                                sizeof *batch->balances);
        batch->balances[batch->balance_count] = (struct record_balance){
            .change = {.account = posting->account, .asset = posting->asset}};
        place = ++batch->balance_count;
        map_put(&batch->balance_index, key, place);
        batch->rows++;
    }
    struct record_balance *balance = &batch->balances[place - 1];
    balance->change.available += posting->available;
    balance->change.held += posting->held;
    balance->change.unsettled += posting->unsettled;
    balance->change.blocked += posting->blocked;
    balance->change.deficit += posting->deficit;
    balance->sequence = sequence;
}

// The instrument whose terms an event's postings need; 0 = none.
static uint32_t instrument_of(const struct event *event)
{
    switch (event->header.type) {
    case EVT_order_accepted:
        return event->body.order_accepted.instrument;
    case EVT_trade:
        return event->body.trade.instrument;
    case EVT_order_cancelled:
        return event->body.order_cancelled.instrument;
    case EVT_order_amended:
        return event->body.order_amended.instrument;
    case EVT_order_triggered:
        return event->body.order_triggered.instrument;
    case EVT_order_reduced:
        return event->body.order_reduced.instrument;
    case EVT_settlement_booked:
        return event->body.settlement_booked.instrument;
    case EVT_trade_corrected:
        return event->body.trade_corrected.instrument;
    default:
        return 0;
    }
}

static void add_postings(struct record_batch *batch, const struct event *event)
{
    struct posting postings[POSTINGS_MAX];
    uint32_t instrument = instrument_of(event);
    int count =
        postings_of(event, instrument ? terms_of(batch->terms, instrument) : NULL, postings);
    for (int i = 0; i < count; i++) {
        entry_row(batch, event, i, &postings[i]);
        fold(batch, &postings[i], event->header.sequence);
    }
}

// ---- everything else

static void add_rejected(struct record_batch *batch, const struct event *event)
{
    const struct rejected_evt *body = &event->body.rejected;
    struct pg_copy *copy = &batch->rejects;
    pg_copy_row(copy, 15);
    pg_copy_i64(copy, (int64_t)event->header.sequence);
    pg_copy_i32(copy, (int32_t)event->header.index);
    pg_copy_time(copy, event->header.time_ns);
    pg_copy_i32(copy, (int32_t)event->header.session);
    pg_copy_i16(copy, event->header.gateway);
    pg_copy_text(copy, command_name(body->command));
    pg_copy_i16(copy, (int16_t)body->code);
    pg_copy_text(copy, reject_entry(body->code)->name);
    pg_copy_i32(copy, (int32_t)body->account);
    pg_copy_i32(copy, (int32_t)body->instrument);
    pg_copy_i64(copy, (int64_t)body->order);
    pg_copy_i64(copy, body->limit);
    pg_copy_i64(copy, body->value);
    pg_copy_i64(copy, body->argument);
    pg_copy_bytes(copy, body->client_id, body->client_id_bytes);
    batch->rows++;
}

static void add_venue_event(struct record_batch *batch, const struct event *event)
{
    char json[EVENT_DUMP_BYTES_MAX];
    int bytes = event_dump(event, json, sizeof json);
    ASSERT(bytes > 0 && (size_t)bytes < sizeof json);
    struct pg_copy *copy = &batch->venue_events;
    pg_copy_row(copy, 5);
    pg_copy_i64(copy, (int64_t)event->header.sequence);
    pg_copy_i32(copy, (int32_t)event->header.index);
    pg_copy_time(copy, event->header.time_ns);
    pg_copy_text(copy, event_name(event->header.type));
    pg_copy_jsonb(copy, json, (size_t)bytes);
    batch->rows++;
}

static void add_reference(struct record_batch *batch, const struct event *event)
{
    if (event->header.type == EVT_instrument_changed) {
        const struct instrument_changed_evt *body = &event->body.instrument_changed;
        record_terms_set(batch->terms, body->instrument,
                         &(struct posting_terms){.token_asset = body->token_asset,
                                                 .cash_asset = body->cash_asset,
                                                 .token_scale = body->token_scale});
    }
    batch->references = grown(batch->references, batch->reference_count, &batch->reference_capacity,
                              sizeof *batch->references);
    batch->references[batch->reference_count++] = *event;
    batch->rows++;
    add_venue_event(batch, event);
}

// Only results are kept: what was indicated is on the tape.
static void add_auction(struct record_batch *batch, const struct event *event)
{
    const struct auction_evt *body = &event->body.auction;
    struct pg_copy *copy = &batch->auctions;
    if (!body->final)
        return;
    pg_copy_row(copy, 9);
    pg_copy_i64(copy, (int64_t)event->header.sequence);
    pg_copy_i32(copy, (int32_t)event->header.index);
    pg_copy_time(copy, event->header.time_ns);
    pg_copy_i32(copy, (int32_t)body->instrument);
    pg_copy_i16(copy, body->phase);
    pg_copy_i64(copy, body->price);
    pg_copy_i64(copy, body->quantity);
    pg_copy_i64(copy, body->surplus);
    if (body->surplus_side != 0)
        pg_copy_text(copy, body->surplus_side == SIDE_BUY ? "buy" : "sell");
    else
        pg_copy_null(copy);
    batch->rows++;
}

static void add_deficit(struct record_batch *batch, const struct event *event)
{
    const struct deficit_changed_evt *body = &event->body.deficit_changed;
    struct pg_copy *copy = &batch->deficits;
    pg_copy_row(copy, 10);
    pg_copy_i64(copy, (int64_t)event->header.sequence);
    pg_copy_i32(copy, (int32_t)event->header.index);
    pg_copy_time(copy, event->header.time_ns);
    pg_copy_i32(copy, (int32_t)body->account);
    pg_copy_i32(copy, (int32_t)body->asset);
    pg_copy_i64(copy, body->amount);
    pg_copy_i32(copy, (int32_t)body->counter_account);
    pg_copy_bool(copy, body->entered != 0);
    pg_copy_i64(copy, body->deficit);
    pg_copy_i64(copy, body->available);
    batch->rows++;
}

static void add_correction(struct record_batch *batch, const struct event *event)
{
    const struct trade_corrected_evt *body = &event->body.trade_corrected;
    struct pg_copy *copy = &batch->corrections;
    ASSERT(body->new_quantity >= 0 && body->token_short >= 0 && body->cash_short >= 0);
    pg_copy_row(copy, 15);
    pg_copy_i64(copy, (int64_t)event->header.sequence);
    pg_copy_i32(copy, (int32_t)event->header.index);
    pg_copy_time(copy, event->header.time_ns);
    pg_copy_i64(copy, (int64_t)body->trade_id);
    pg_copy_i32(copy, (int32_t)body->instrument);
    pg_copy_i32(copy, (int32_t)body->buyer_account);
    pg_copy_i32(copy, (int32_t)body->seller_account);
    pg_copy_i32(copy, (int32_t)body->operator_id);
    pg_copy_i64(copy, body->quantity);
    pg_copy_i64(copy, body->notional);
    pg_copy_i64(copy, body->buyer_fee);
    pg_copy_i64(copy, body->seller_fee);
    pg_copy_i64(copy, body->token_short);
    pg_copy_i64(copy, body->cash_short);
    pg_copy_i64(copy, body->new_quantity);
    batch->rows += 3; // with its settlement's and that one's history
}

static void add_body(struct record_batch *batch, const struct event *event)
{
    switch (event->header.type) {
    case EVT_order_accepted:
        add_accepted(batch, event);
        break;
    case EVT_trade:
        add_trade(batch, event);
        break;
    case EVT_order_cancelled:
        add_cancelled(batch, event);
        break;
    case EVT_order_amended:
        add_amended(batch, event);
        break;
    case EVT_order_terms:
        add_terms(batch, event);
        break;
    case EVT_order_triggered:
        add_triggered(batch, event);
        break;
    case EVT_order_reduced:
        add_reduced(batch, event);
        break;
    case EVT_auction:
        add_auction(batch, event);
        break;
    case EVT_rejected:
        add_rejected(batch, event);
        break;
    case EVT_asset_changed:
    case EVT_instrument_changed:
    case EVT_instrument_state:
    case EVT_instrument_rules_changed:
    case EVT_tick_band:
    case EVT_schedule_entry:
    case EVT_session_changed:
    case EVT_session_account:
    case EVT_limits_changed:
    case EVT_instrument_controls_changed:
    case EVT_jurisdiction_listed:
    case EVT_fees_changed:
    case EVT_kill_changed:
    case EVT_venue_rules_changed:
    case EVT_proposal_changed:
        add_reference(batch, event);
        break;
    case EVT_deficit_changed:
        add_deficit(batch, event);
        break;
    case EVT_trade_corrected:
        add_correction(batch, event);
        break;
    case EVT_order_refreshed:   // nothing of the order changes but what shows
    case EVT_order_status:      // an answer
    case EVT_ledger_posted:     // entries and balances say it all
    case EVT_xvp_posted:        // as here
    case EVT_settlement_booked: // so they do here
    case EVT_done:              // nothing happened
        break;
    default:
        add_venue_event(batch, event);
        break;
    }
}

void record_batch_add(struct record_batch *batch, const struct event *event)
{
    const struct event_header *header = &event->header;
    ASSERT(batch->inside == (header->index != 0));
    if (batch->first_sequence == 0) {
        batch->first_sequence = header->sequence;
        batch->last_sequence = header->sequence - 1;
    }
    ASSERT(header->sequence == batch->last_sequence + 1);
    batch->digest = digest_record(batch->inside ? batch->digest : 0, event);
    add_body(batch, event);
    add_postings(batch, event);
    batch->inside = !header->last;
    if (batch->inside)
        return;
    batch->last_sequence = header->sequence;
    batch->last_time_ns = header->time_ns;
    batch->last_digest = batch->digest;
}
