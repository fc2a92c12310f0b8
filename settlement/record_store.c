// Happy path: BEGIN; the cursor; reference rows; COPY of new rows; one UPDATE for older orders and
// one upsert for balances, whose rows travel as arrays; the initial settlement rows; COMMIT. Any
// failure rolls all of it back. Strings are constants, so that each is prepared once per
// connection.
#include "settlement/record_store.h"
#include "settlement/record_risk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- arrays as parameters: "{1,2,3}" for unnest
// -----------------------------------------------------------

enum { COLUMNS_MAX = 18 };
struct column {
    char *text;
    size_t bytes, capacity;
};

struct record_store {
    struct pg *pg;
    uint32_t connections; // pg_connections() when the cursor was read
    struct record_cursor cursor;
    char reason[320];
    struct column columns[COLUMNS_MAX];
};

// A number of advisory locks that nobody else in this database uses.
enum { RECORD_LOCK = 0x4c4f4e4a };

struct record_store *record_store_open(const struct pg_settings *settings)
{
    struct record_store *store = calloc(1, sizeof *store);
    ASSERT(store);
    store->pg = pg_open(settings);
    return store;
}

void record_store_close(struct record_store *store)
{
    if (!store)
        return;
    pg_close(store->pg);
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        free(store->columns[i].text);
    free(store);
}

const char *record_store_reason(const struct record_store *store)
{
    return store->reason;
}

uint32_t record_store_wait_ms(const struct record_store *store)
{
    uint32_t wait_ms = pg_retry_wait_ms(store->pg);
    return wait_ms > 100 ? wait_ms : 100;
}

// The result of a failed statement; the transaction, if there is one, is over.
static enum record_result failed(struct record_store *store, const char *what)
{
    const struct pg_error *error = pg_last_error(store->pg);
    snprintf(store->reason, sizeof store->reason, "%s: %s %s", what, error->sqlstate,
             error->message);
    enum pg_class class = error->class;
    pg_rollback(store->pg);
    if (class == PG_GONE || class == PG_TRANSIENT)
        return RECORD_RETRY;
    // A refused login may be a password that is being changed, or a server that is being set up.
    return pg_connected(store->pg) ? RECORD_BROKEN : RECORD_RETRY;
}

// ---- begin
// -------------------------------------------------------------------------------------------

static enum record_result lock(struct record_store *store)
{
    struct pg_rows *rows;
    if (pg_query(store->pg, &rows, "SELECT pg_try_advisory_lock($1)",
                 PG_PARAMS(pg_i64(RECORD_LOCK))) != PG_OK)
        return failed(store, "lock");
    bool taken = pg_number(rows, 0, 0) != 0;
    pg_rows_free(rows);
    if (taken)
        return RECORD_OK;
    snprintf(store->reason, sizeof store->reason, "another recorder holds the lock");
    pg_disconnect(store->pg);
    return RECORD_RETRY;
}

static enum record_result read_cursor(struct record_store *store)
{
    struct pg_rows *rows;
    if (pg_query(store->pg, &rows, "SELECT sequence, time_ns, checksum FROM record.cursor",
                 PG_NO_PARAMS) != PG_OK)
        return failed(store, "cursor");
    bool one = pg_rows_count(rows) == 1;
    if (one)
        store->cursor = (struct record_cursor){.sequence = (uint64_t)pg_number(rows, 0, 0),
                                               .time_ns = (uint64_t)pg_number(rows, 0, 1),
                                               .digest = (uint64_t)pg_number(rows, 0, 2)};
    pg_rows_free(rows);
    if (one)
        return RECORD_OK;
    snprintf(store->reason, sizeof store->reason, "record.cursor has no row");
    return RECORD_BROKEN;
}

// Connected, locked, and the cursor known. No-op while the connection lasts.
static enum record_result ensure(struct record_store *store)
{
    if (pg_connected(store->pg) && store->connections == pg_connections(store->pg))
        return RECORD_OK;
    if (pg_connect(store->pg) != PG_OK)
        return failed(store, "connect");
    enum record_result result = lock(store);
    if (result == RECORD_OK)
        result = read_cursor(store);
    if (result == RECORD_OK)
        store->connections = pg_connections(store->pg);
    else
        pg_disconnect(store->pg);
    return result;
}

static enum record_result read_stops(struct record_store *store, struct record_terms *terms)
{
    struct pg_rows *rows;
    if (pg_query(store->pg, &rows,
                 "SELECT order_id FROM record.orders WHERE status = 'pending_stop'",
                 PG_NO_PARAMS) != PG_OK)
        return failed(store, "stops");
    map_clear(&terms->stops);
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        map_put(&terms->stops, (uint64_t)pg_number(rows, i, 0), 1);
    pg_rows_free(rows);
    return RECORD_OK;
}

static enum record_result read_terms(struct record_store *store, struct record_terms *terms)
{
    struct pg_rows *rows;
    if (pg_query(
            store->pg, &rows,
            "SELECT instrument_id, token_asset, cash_asset, token_scale FROM record.instrument",
            PG_NO_PARAMS) != PG_OK)
        return failed(store, "instruments");
    for (size_t i = 0; i < pg_rows_count(rows); i++)
        record_terms_set(terms, (uint32_t)pg_number(rows, i, 0),
                         &(struct posting_terms){.token_asset = (uint32_t)pg_number(rows, i, 1),
                                                 .cash_asset = (uint32_t)pg_number(rows, i, 2),
                                                 .token_scale = (uint8_t)pg_number(rows, i, 3)});
    pg_rows_free(rows);
    return RECORD_OK;
}

enum record_result record_store_begin(struct record_store *store, struct record_cursor *cursor,
                                      struct record_terms *terms)
{
    enum record_result result = ensure(store);
    if (result == RECORD_OK)
        result = read_terms(store, terms);
    if (result == RECORD_OK)
        result = read_stops(store, terms);
    if (result == RECORD_OK)
        *cursor = store->cursor;
    return result;
}

// ---- columns
// -----------------------------------------------------------------------------------------

static void column_append(struct column *column, const char *text, size_t bytes)
{
    if (column->capacity - column->bytes < bytes + 1) {
        column->capacity = (column->capacity + bytes) * 2 + 64;
        column->text = realloc(column->text, column->capacity);
        ASSERT(column->text);
    }
    memcpy(column->text + column->bytes, text, bytes);
    column->bytes += bytes;
    column->text[column->bytes] = 0;
}

static void column_number(struct column *column, int64_t number)
{
    char text[24];
    int bytes = snprintf(text, sizeof text, "%lld,", (long long)number);
    column_append(column, text, (size_t)bytes);
}

static void column_text(struct column *column, const char *text, size_t bytes)
{
    column_append(column, "\"", 1);
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] == '"' || text[i] == '\\')
            column_append(column, "\\", 1);
        column_append(column, &text[i], 1);
    }
    column_append(column, "\",", 2);
}

static void columns_open(struct record_store *store, size_t count)
{
    ASSERT(count <= COLUMNS_MAX);
    for (size_t i = 0; i < count; i++) {
        store->columns[i].bytes = 0;
        column_append(&store->columns[i], "{", 1);
    }
}

// Closes the arrays and hands them out as parameters.
static void columns_close(struct record_store *store, struct pg_param *params, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct column *column = &store->columns[i];
        if (column->text[column->bytes - 1] == ',')
            column->bytes--;
        column_append(column, "}", 1);
        params[i] = pg_text(column->text);
    }
}

// ---- rows
// --------------------------------------------------------------------------------------------

static const char *order_type_text(uint8_t type) // E5's words
{
    static const char *const texts[] = {[ORDER_MARKET] = "market",
                                        [ORDER_LIMIT] = "limit",
                                        [ORDER_STOP] = "stop_loss",
                                        [ORDER_STOP_LIMIT] = "stop_limit",
                                        [ORDER_TRAILING_STOP] = "trailing_stop"};
    ASSERT(type < sizeof texts / sizeof texts[0] && texts[type] != NULL);
    return texts[type];
}

static const char *tif_text(uint8_t tif)
{
    static const char *const texts[] = {
        [TIF_DAY] = "day", [TIF_GTC] = "gtc", [TIF_AT_OPEN] = "at_open",  [TIF_IOC] = "ioc",
        [TIF_FOK] = "fok", [TIF_GTD] = "gtd", [TIF_AT_CLOSE] = "at_close"};
    ASSERT(tif < sizeof texts / sizeof texts[0] && texts[tif] != NULL);
    return texts[tif];
}

static const char *stp_text(uint8_t stp)
{
    static const char *const texts[] = {[STP_NONE] = "none",
                                        [STP_CANCEL_NEWEST] = "cancel_newest",
                                        [STP_CANCEL_OLDEST] = "cancel_oldest",
                                        [STP_CANCEL_BOTH] = "cancel_both",
                                        [STP_DECREMENT] = "decrement"};
    ASSERT(stp < sizeof texts / sizeof texts[0]);
    return texts[stp];
}

static void order_terms_columns(struct pg_copy *copy, const struct record_order *order)
{
    pg_copy_i16(copy, order->flags);
    pg_copy_text(copy, stp_text(order->stp));
    pg_copy_i64(copy, order->self_match_id);
    pg_copy_text(copy, order->waits_for);
    pg_copy_i64(copy, order->stop_price);
    pg_copy_i64(copy, order->trail_offset);
    pg_copy_i64(copy, order->display);
    pg_copy_i64(copy, order->minimum);
    pg_copy_i64(copy, (int64_t)order->expire_ns);
    pg_copy_i64(copy, order->trigger_price);
    if (order->triggered_ns != 0)
        pg_copy_time(copy, order->triggered_ns);
    else
        pg_copy_null(copy);
}

static void order_row(struct pg_copy *copy, const struct record_order *order)
{
    pg_copy_row(copy, 32);
    pg_copy_i64(copy, (int64_t)order->order);
    pg_copy_i32(copy, (int32_t)order->account);
    pg_copy_i32(copy, (int32_t)order->session);
    pg_copy_i16(copy, order->gateway);
    pg_copy_i32(copy, (int32_t)order->instrument);
    pg_copy_i32(copy, (int32_t)order->token_asset);
    pg_copy_i16(copy, order->token_scale);
    pg_copy_text(copy, order->side == SIDE_BUY ? "buy" : "sell");
    pg_copy_text(copy, order_type_text(order->type));
    pg_copy_text(copy, tif_text(order->tif));
    pg_copy_i64(copy, order->price);
    pg_copy_i64(copy, order->quantity);
    pg_copy_i64(copy, order->leaves);
    pg_copy_i64(copy, order->filled);
    pg_copy_i64(copy, order->filled_notional);
    pg_copy_text(copy, record_status_text(order->status));
    pg_copy_bytes(copy, order->client_id, order->client_id_bytes);
    pg_copy_time(copy, order->created_ns);
    pg_copy_i64(copy, (int64_t)order->created_ns);
    pg_copy_time(copy, order->updated_ns);
    pg_copy_i64(copy, (int64_t)order->updated_seq);
    order_terms_columns(copy, order);
}

static enum pg_class write_new_orders(struct record_store *store, const struct record_batch *batch)
{
    struct pg_copy copy;
    pg_copy_init(&copy);
    for (size_t i = 0; i < batch->order_count; i++)
        if (batch->orders[i].is_new)
            order_row(&copy, &batch->orders[i]);
    enum pg_class class =
        pg_copy_send(store->pg, &copy,
                     "record.orders (order_id, account_id, session_id, gateway, "
                     "instrument_id, token_asset, token_scale, side,"
                     " order_type, time_in_force, price, quantity, leaves, "
                     "filled, filled_notional, status, client_id,"
                     " created_at, created_ns, updated_at, updated_seq, flags, stp, "
                     "self_match_id, waits_for, stop_price, trail_offset,"
                     " display, minimum, expire_ns, trigger_price, "
                     "triggered_at)");
    pg_copy_fini(&copy);
    return class;
}

static void change_row(struct column *columns, const struct record_order *order)
{
    const char *status = record_status_text(order->status);
    column_number(&columns[0], (int64_t)order->order);
    column_number(&columns[1], order->quantity);
    column_number(&columns[2], order->leaves);
    column_number(&columns[3], order->filled);
    column_number(&columns[4], order->filled_notional);
    column_text(&columns[5], status, strlen(status));
    if (order->has_client_id)
        column_text(&columns[6], order->client_id, order->client_id_bytes);
    else
        column_append(&columns[6], "NULL,", 5);
    column_number(&columns[7], (int64_t)(order->updated_ns / 1000));
    column_number(&columns[8], (int64_t)order->updated_seq);
    column_number(&columns[9], order->price);
    column_number(&columns[10], order->stop_price);
    column_number(&columns[11], order->trail_offset);
    column_number(&columns[12], order->display);
    column_number(&columns[13], (int64_t)order->expire_ns);
    if (order->waits_for != NULL)
        column_text(&columns[14], order->waits_for, strlen(order->waits_for));
    else
        column_append(&columns[14], "NULL,", 5);
    column_number(&columns[15], order->trigger_price);
    column_number(&columns[16], (int64_t)(order->triggered_ns / 1000));
}

static enum pg_class write_order_changes(struct record_store *store,
                                         const struct record_batch *batch)
{
    enum { COLUMNS = 17 };
    struct pg_param params[COLUMNS];
    size_t changes = 0;
    columns_open(store, COLUMNS);
    for (size_t i = 0; i < batch->order_count; i++) {
        if (batch->orders[i].is_new)
            continue;
        change_row(store->columns, &batch->orders[i]);
        changes++;
    }
    if (changes == 0)
        return PG_OK;
    columns_close(store, params, COLUMNS);
    struct pg_rows *rows;
    enum pg_class class =
        pg_query(store->pg, &rows,
                 "UPDATE record.orders o SET quantity = CASE WHEN c.quantity > 0 THEN c.quantity "
                 "ELSE o.quantity END,"
                 " leaves = c.leaves, filled = o.filled + c.filled, filled_notional = "
                 "o.filled_notional + c.notional,"
                 " status = c.status, client_id = coalesce(c.client_id, o.client_id),"
                 " updated_at = timestamptz 'epoch' + c.updated_us * interval '1 microsecond', "
                 "updated_seq = c.updated_seq,"
                 " price = coalesce(nullif(c.price, 0), o.price),"
                 " stop_price = coalesce(nullif(c.stop_price, 0), o.stop_price),"
                 " trail_offset = coalesce(nullif(c.trail_offset, 0), o.trail_offset),"
                 " display = coalesce(nullif(c.display, 0), o.display),"
                 " expire_ns = coalesce(nullif(c.expire_ns, 0), o.expire_ns),"
                 " waits_for = coalesce(c.waits_for, o.waits_for),"
                 " trigger_price = coalesce(nullif(c.trigger_price, 0), o.trigger_price),"
                 " triggered_at = coalesce(timestamptz 'epoch' + nullif(c.triggered_us, 0) * "
                 "interval '1 microsecond', o.triggered_at)"
                 " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], "
                 "$5::bigint[], $6::text[],"
                 " $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], "
                 "$12::bigint[], $13::bigint[],"
                 " $14::bigint[], $15::text[], $16::bigint[], $17::bigint[]) AS c (order_id, "
                 "quantity, leaves, filled, notional, status,"
                 " client_id, updated_us, updated_seq, price, stop_price, trail_offset, display, "
                 "expire_ns, waits_for,"
                 " trigger_price, triggered_us) WHERE o.order_id = c.order_id",
                 params, COLUMNS);
    if (class == PG_OK)
        ASSERT(pg_rows_affected(rows) ==
               changes); // an order that is not there: the record is not the tape's
    pg_rows_free(rows);
    return class;
}

static enum pg_class write_balances(struct record_store *store, const struct record_batch *batch)
{
    enum { COLUMNS = 8 };
    struct pg_param params[COLUMNS];
    if (batch->balance_count == 0)
        return PG_OK;
    columns_open(store, COLUMNS);
    for (size_t i = 0; i < batch->balance_count; i++) {
        const struct posting *change = &batch->balances[i].change;
        column_number(&store->columns[0], change->account);
        column_number(&store->columns[1], change->asset);
        column_number(&store->columns[2], change->available);
        column_number(&store->columns[3], change->held);
        column_number(&store->columns[4], change->unsettled);
        column_number(&store->columns[5], change->blocked);
        column_number(&store->columns[6], change->deficit);
        column_number(&store->columns[7], (int64_t)batch->balances[i].sequence);
    }
    columns_close(store, params, COLUMNS);
    return pg_query(
        store->pg, NULL,
        "INSERT INTO record.balance AS b (account_id, asset_id, available, held, "
        "unsettled, blocked, deficit, sequence)"
        " SELECT * FROM unnest($1::integer[], $2::integer[], $3::bigint[], "
        "$4::bigint[], $5::bigint[], $6::bigint[],"
        " $7::bigint[], $8::bigint[]) ON CONFLICT (account_id, asset_id) DO UPDATE SET available = "
        "b.available + EXCLUDED.available,"
        " held = b.held + EXCLUDED.held, unsettled = b.unsettled + EXCLUDED.unsettled,"
        " blocked = b.blocked + EXCLUDED.blocked, deficit = b.deficit + EXCLUDED.deficit,"
        " sequence = EXCLUDED.sequence",
        params, COLUMNS);
}

// The initial row of each trade's settlement; it may be there already when the record is being
// rebuilt.
static enum pg_class write_settlements(struct record_store *store, const struct record_batch *batch)
{
    if (batch->trades.rows == 0)
        return PG_OK;
    return pg_query(
        store->pg, NULL,
        "INSERT INTO settle.trade (trade_id, created_at)"
        " SELECT trade_id, timestamptz 'epoch' + (created_ns / 1000) * interval '1 microsecond'"
        " FROM record.trade WHERE trade_id >= $1 AND trade_id < $2 ORDER BY trade_id ON CONFLICT "
        "DO NOTHING",
        PG_PARAMS(pg_i64((int64_t)trade_id_of(batch->first_sequence, 0)),
                  pg_i64((int64_t)trade_id_of(batch->last_sequence + 1, 0))));
}

// What is left of a corrected trade to settle: a trigger there works it out.
static enum pg_class write_corrections(struct record_store *store, const struct record_batch *batch)
{
    if (batch->corrections.rows == 0)
        return PG_OK;
    return pg_query(
        store->pg, NULL,
        "INSERT INTO settle.correction (trade_id, sequence, quantity, notional, "
        "buyer_fee, seller_fee, new_quantity) SELECT trade_id, sequence, quantity, "
        "notional, buyer_fee, seller_fee, new_quantity FROM record.trade_correction"
        " WHERE sequence BETWEEN $1 AND $2 ORDER BY sequence, event_index"
        " ON CONFLICT DO NOTHING",
        PG_PARAMS(pg_i64((int64_t)batch->first_sequence), pg_i64((int64_t)batch->last_sequence)));
}

// ---- reference data
// ----------------------------------------------------------------------------------

// Length of a zero-filled field.
static const char *field_text(char out[SYMBOL_BYTES_MAX + 1], const char *field)
{
    memcpy(out, field, SYMBOL_BYTES_MAX);
    out[SYMBOL_BYTES_MAX] = 0;
    return out;
}

static enum pg_class write_asset(struct record_store *store, const struct event *event)
{
    const struct asset_changed_evt *asset = &event->body.asset_changed;
    char symbol[SYMBOL_BYTES_MAX + 1];
    return pg_query(store->pg, NULL,
                    "INSERT INTO record.asset (asset_id, kind, scale, symbol, sequence) VALUES "
                    "($1, $2, $3, $4, $5)"
                    " ON CONFLICT (asset_id) DO UPDATE SET symbol = EXCLUDED.symbol, sequence = "
                    "EXCLUDED.sequence",
                    PG_PARAMS(pg_i64(asset->asset), pg_i64(asset->kind), pg_i64(asset->scale),
                              pg_text(field_text(symbol, asset->symbol)),
                              pg_i64((int64_t)event->header.sequence)));
}

static enum pg_class write_instrument(struct record_store *store, const struct event *event)
{
    const struct instrument_changed_evt *i = &event->body.instrument_changed;
    char symbol[SYMBOL_BYTES_MAX + 1];
    return pg_query(
        store->pg, NULL,
        "INSERT INTO record.instrument (instrument_id, token_asset, cash_asset, status, "
        "trading_mode, flags,"
        " token_scale, tick, lot, fat_finger_block_bps, fat_finger_confirm_bps, nav_confirm_bps, "
        "collar_bps, fee_bps,"
        " breaker_bps, order_quantity_max, order_notional_max, symbol, sequence)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, "
        "$19)"
        " ON CONFLICT (instrument_id) DO UPDATE SET (token_asset, cash_asset, status, "
        "trading_mode, flags, token_scale,"
        " tick, lot, fat_finger_block_bps, fat_finger_confirm_bps, nav_confirm_bps, collar_bps, "
        "fee_bps, breaker_bps,"
        " order_quantity_max, order_notional_max, symbol, sequence) = (EXCLUDED.token_asset, "
        "EXCLUDED.cash_asset,"
        " EXCLUDED.status, EXCLUDED.trading_mode, EXCLUDED.flags, EXCLUDED.token_scale, "
        "EXCLUDED.tick, EXCLUDED.lot,"
        " EXCLUDED.fat_finger_block_bps, EXCLUDED.fat_finger_confirm_bps, EXCLUDED.nav_confirm_bps,"
        " EXCLUDED.collar_bps, EXCLUDED.fee_bps, EXCLUDED.breaker_bps, EXCLUDED.order_quantity_max,"
        " EXCLUDED.order_notional_max, EXCLUDED.symbol, EXCLUDED.sequence)",
        PG_PARAMS(
            pg_i64(i->instrument), pg_i64(i->token_asset), pg_i64(i->cash_asset), pg_i64(i->status),
            pg_i64(i->trading_mode), pg_i64(i->flags), pg_i64(i->token_scale), pg_i64(i->tick),
            pg_i64(i->lot), pg_i64(i->fat_finger_block_bps), pg_i64(i->fat_finger_confirm_bps),
            pg_i64(i->nav_confirm_bps), pg_i64(i->collar_bps), pg_i64(i->fee_bps),
            pg_i64(i->breaker_bps), pg_i64(i->order_quantity_max), pg_i64(i->order_notional_max),
            pg_text(field_text(symbol, i->symbol)), pg_i64((int64_t)event->header.sequence)));
}

// opened_ns and closed_ns: when its phase last left closed, and became it.
static enum pg_class write_instrument_state(struct record_store *store, const struct event *event)
{
    const struct instrument_state_evt *s = &event->body.instrument_state;
    return pg_query(
        store->pg, NULL,
        "INSERT INTO record.instrument_state AS s (instrument_id, phase, breaker_tripped, "
        "last_price, reference_price, nav, nav_time_ns, phase_end_ns, schedule_next_ns, opened_ns, "
        "closed_ns, sequence, limit_state_end_ns) VALUES ($1, $2::smallint, $3, $4, $5, $6, $7, "
        "$8, "
        "$9, CASE WHEN $2::smallint <> 1 THEN $10::bigint ELSE 0 END, CASE WHEN $2 = 1 THEN $10 "
        "ELSE 0 END, $11, $12)"
        " ON CONFLICT (instrument_id) DO UPDATE SET (phase, breaker_tripped, last_price, "
        "reference_price, nav, nav_time_ns, phase_end_ns, schedule_next_ns, opened_ns, closed_ns, "
        "sequence, limit_state_end_ns) = (EXCLUDED.phase, EXCLUDED.breaker_tripped, "
        "EXCLUDED.last_price,"
        " EXCLUDED.reference_price, EXCLUDED.nav, EXCLUDED.nav_time_ns, EXCLUDED.phase_end_ns,"
        " EXCLUDED.schedule_next_ns,"
        " CASE WHEN s.phase = 1 AND EXCLUDED.phase <> 1 THEN $10 ELSE s.opened_ns END,"
        " CASE WHEN s.phase <> 1 AND EXCLUDED.phase = 1 THEN $10 ELSE s.closed_ns END,"
        " EXCLUDED.sequence, EXCLUDED.limit_state_end_ns)",
        PG_PARAMS(pg_i64(s->instrument), pg_i64(s->phase), pg_bool(s->breaker_tripped != 0),
                  pg_i64(s->last_price), pg_i64(s->reference_price), pg_i64(s->nav),
                  pg_i64((int64_t)s->nav_time_ns), pg_i64((int64_t)s->phase_end_ns),
                  pg_i64((int64_t)s->schedule_next_ns), pg_i64((int64_t)event->header.time_ns),
                  pg_i64((int64_t)event->header.sequence), pg_i64((int64_t)s->limit_state_end_ns)));
}

static enum pg_class write_rules(struct record_store *store, const struct event *event)
{
    const struct instrument_rules_changed_evt *rules = &event->body.instrument_rules_changed;
    return pg_query(
        store->pg, NULL,
        "INSERT INTO record.instrument_rules (instrument_id, volatility_bps, order_quantity_min, "
        "order_notional_min, volatility_auction_ms, indicative_ms, sequence)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (instrument_id) DO UPDATE SET "
        "(volatility_bps, order_quantity_min, order_notional_min, volatility_auction_ms, "
        "indicative_ms, sequence) = (EXCLUDED.volatility_bps, EXCLUDED.order_quantity_min,"
        " EXCLUDED.order_notional_min, EXCLUDED.volatility_auction_ms, EXCLUDED.indicative_ms,"
        " EXCLUDED.sequence)",
        PG_PARAMS(pg_i64(rules->instrument), pg_i64(rules->volatility_bps),
                  pg_i64(rules->order_quantity_min), pg_i64(rules->order_notional_min),
                  pg_i64(rules->volatility_auction_ms), pg_i64(rules->indicative_ms),
                  pg_i64((int64_t)event->header.sequence)));
}

// Index 0 begins a new table; count 0 says that there is none.
static enum pg_class write_tick_band(struct record_store *store, const struct event *event)
{
    const struct tick_band_evt *band = &event->body.tick_band;
    enum pg_class class = PG_OK;
    if (band->index == 0)
        class = pg_query(store->pg, NULL, "DELETE FROM record.tick_band WHERE instrument_id = $1",
                         PG_PARAMS(pg_i64(band->instrument)));
    if (class != PG_OK || band->count == 0)
        return class;
    return pg_query(store->pg, NULL,
                    "INSERT INTO record.tick_band (instrument_id, band, from_price, tick, "
                    "sequence) VALUES ($1, $2, $3, $4, $5)",
                    PG_PARAMS(pg_i64(band->instrument), pg_i64(band->index),
                              pg_i64(band->from_price), pg_i64(band->tick),
                              pg_i64((int64_t)event->header.sequence)));
}

static enum pg_class write_schedule_entry(struct record_store *store, const struct event *event)
{
    const struct schedule_entry_evt *entry = &event->body.schedule_entry;
    enum pg_class class = PG_OK;
    if (entry->index == 0)
        class =
            pg_query(store->pg, NULL, "DELETE FROM record.schedule_entry WHERE instrument_id = $1",
                     PG_PARAMS(pg_i64(entry->instrument)));
    if (class != PG_OK || entry->count == 0)
        return class;
    return pg_query(store->pg, NULL,
                    "INSERT INTO record.schedule_entry (instrument_id, entry, phase, weekdays, "
                    "time_of_day_ms, sequence) VALUES ($1, $2, $3, $4, $5, $6)",
                    PG_PARAMS(pg_i64(entry->instrument), pg_i64(entry->index), pg_i64(entry->phase),
                              pg_i64(entry->weekdays), pg_i64(entry->time_of_day_ms),
                              pg_i64((int64_t)event->header.sequence)));
}

static enum pg_class write_reference(struct record_store *store, const struct event *event)
{
    switch (event->header.type) {
    case EVT_asset_changed:
        return write_asset(store, event);
    case EVT_instrument_changed:
        return write_instrument(store, event);
    case EVT_instrument_state:
        return write_instrument_state(store, event);
    case EVT_instrument_rules_changed:
        return write_rules(store, event);
    case EVT_tick_band:
        return write_tick_band(store, event);
    case EVT_schedule_entry:
        return write_schedule_entry(store, event);
    default:
        return record_risk_write(store->pg, event);
    }
}

static enum pg_class write_references(struct record_store *store, const struct record_batch *batch)
{
    enum pg_class class = PG_OK;
    for (size_t i = 0; i < batch->reference_count && class == PG_OK; i++)
        class = write_reference(store, &batch->references[i]);
    return class;
}

// ---- the transaction
// ---------------------------------------------------------------------------------

static enum pg_class write_copies(struct record_store *store, struct record_batch *batch)
{
    struct {
        struct pg_copy *copy;
        const char *target;
    } const copies[] = {
        {&batch->order_events, "record.order_event (order_id, sequence, event_index, created_at, "
                               "status, leaves, reason, event, price, quantity, priority_kept)"},
        {&batch->trades, "record.trade (trade_id, sequence, event_index, created_ns, "
                         "instrument_id, token_asset, cash_asset,"
                         " token_scale, taker_side, price, quantity, notional, buyer_account, "
                         "seller_account, buyer_order,"
                         " seller_order, buyer_fee, seller_fee, kind)"},
        {&batch->auctions, "record.auction (sequence, event_index, created_at, instrument_id, "
                           "phase, price, quantity, surplus, surplus_side)"},
        {&batch->entries, "record.ledger_entry (sequence, event_index, line, created_at, cause, "
                          "account_id, asset_id, available,"
                          " held, unsettled, blocked, deficit)"},
        {&batch->deficits, "record.deficit_change (sequence, event_index, created_at, account_id, "
                           "asset_id, amount, counter_account, entered, deficit, available)"},
        {&batch->corrections,
         "record.trade_correction (sequence, event_index, created_at, trade_id, instrument_id, "
         "buyer_account, seller_account, operator_id, quantity, notional, buyer_fee, seller_fee, "
         "token_short, cash_short, new_quantity)"},
        {&batch->rejects, "record.reject (sequence, event_index, created_at, session_id, gateway, "
                          "command, code, name, account_id,"
                          " instrument_id, order_id, limit_value, value, argument, client_id)"},
        {&batch->venue_events,
         "record.venue_event (sequence, event_index, created_at, event, body)"},
    };
    enum pg_class class = PG_OK;
    for (size_t i = 0; i < sizeof copies / sizeof copies[0] && class == PG_OK; i++)
        class = pg_copy_send(store->pg, copies[i].copy, copies[i].target);
    return class;
}

static enum pg_class write_rows(struct record_store *store, struct record_batch *batch)
{
    enum pg_class class = write_references(store, batch);
    if (class == PG_OK)
        class = write_new_orders(store, batch);
    if (class == PG_OK)
        class = write_order_changes(store, batch);
    if (class == PG_OK)
        class = write_balances(store, batch);
    if (class == PG_OK)
        class = write_copies(store, batch);
    if (class == PG_OK)
        class = write_settlements(store, batch);
    if (class == PG_OK)
        class = write_corrections(store, batch);
    return class;
}

// Moves the cursor, which must stand directly before the batch. First of all: then its row is ours,
// and nobody empties the record (record.forget) under the rows that follow.
static enum pg_class move_cursor(struct record_store *store, bool *moved,
                                 const struct record_batch *batch)
{
    struct pg_rows *rows;
    enum pg_class class = pg_query(
        store->pg, &rows,
        "UPDATE record.cursor SET sequence = $1, time_ns = $2, checksum = $3, updated_at = "
        "clock_timestamp()"
        " WHERE sequence = $4",
        PG_PARAMS(pg_i64((int64_t)batch->last_sequence), pg_i64((int64_t)batch->last_time_ns),
                  pg_i64((int64_t)batch->last_digest), pg_i64((int64_t)batch->first_sequence - 1)));
    *moved = class == PG_OK && pg_rows_affected(rows) == 1;
    pg_rows_free(rows);
    return class;
}

// Somebody else has moved the cursor while we were connected: record.forget().
static enum record_result cursor_has_moved(struct record_store *store)
{
    pg_rollback(store->pg);
    enum record_result result = read_cursor(store);
    if (result != RECORD_OK)
        return result;
    snprintf(store->reason, sizeof store->reason, "the cursor was moved to %llu",
             (unsigned long long)store->cursor.sequence);
    return RECORD_REWIND;
}

enum record_result record_store_check(struct record_store *store)
{
    struct record_cursor left = store->cursor;
    enum record_result result = ensure(store);
    if (result == RECORD_OK)
        result = read_cursor(store);
    if (result != RECORD_OK)
        return result;
    if (store->cursor.sequence == left.sequence && store->cursor.digest == left.digest)
        return RECORD_OK;
    return cursor_has_moved(store);
}

enum record_result record_store_write(struct record_store *store, struct record_batch *batch)
{
    ASSERT(record_batch_complete(batch));
    enum record_result result = ensure(store);
    if (result != RECORD_OK)
        return result;
    if (store->cursor.sequence == batch->last_sequence &&
        store->cursor.digest == batch->last_digest)
        return RECORD_OK; // the commit had arrived
    if (store->cursor.sequence != batch->first_sequence - 1) {
        snprintf(store->reason, sizeof store->reason,
                 "the cursor stands at %llu, the batch begins at %llu",
                 (unsigned long long)store->cursor.sequence,
                 (unsigned long long)batch->first_sequence);
        return RECORD_REWIND;
    }
    bool moved;
    if (pg_begin(store->pg) != PG_OK)
        return failed(store, "begin");
    if (move_cursor(store, &moved, batch) != PG_OK)
        return failed(store, "cursor");
    if (!moved)
        return cursor_has_moved(store);
    if (write_rows(store, batch) != PG_OK)
        return failed(store, "rows");
    if (pg_commit(store->pg) != PG_OK)
        return failed(store, "commit");
    store->cursor = (struct record_cursor){.sequence = batch->last_sequence,
                                           .time_ns = batch->last_time_ns,
                                           .digest = batch->last_digest};
    return RECORD_OK;
}
