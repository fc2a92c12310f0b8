// Happy path: reference data, COPY of new orders, one UPDATE for older orders and one upsert for
// balances, whose rows travel as arrays; COPY of everything else; then what settlement needs: the
// initial row of each trade, and what corrections have changed. SQL is constant, so that each
// statement is prepared once per connection.
#include "settlement/record_rows.h"

#include <string.h>

#include "settlement/record_reference.h"

void record_rows_fini(struct record_rows *rows)
{
    for (size_t i = 0; i < RECORD_ROWS_COLUMNS; i++)
        record_column_fini(&rows->columns[i]);
    pg_copy_fini(&rows->new_orders);
}

// ---- reference data: little of it; each statement is waited for

static enum pg_class send_references(struct record_rows *rows, struct pg *pg, bool *sent,
                                     const struct record_batch *batch)
{
    enum pg_class class = PG_OK;
    (void)rows;
    *sent = false;
    for (size_t i = 0; i < batch->reference_count && class == PG_OK; i++)
        class = record_reference_write(pg, &batch->references[i]);
    return class;
}

// ---- orders

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

static enum pg_class send_new_orders(struct record_rows *rows, struct pg *pg, bool *sent,
                                     const struct record_batch *batch)
{
    static const char target[] =
        "record.orders (order_id, account_id, session_id, gateway, instrument_id, token_asset, "
        "token_scale, side, order_type, time_in_force, price, quantity, leaves, filled, "
        "filled_notional, status, client_id, created_at, created_ns, updated_at, updated_seq, "
        "flags, "
        "stp, self_match_id, waits_for, stop_price, trail_offset, display, minimum, expire_ns, "
        "trigger_price, triggered_at)";
    pg_copy_clear(&rows->new_orders);
    for (size_t i = 0; i < batch->order_count; i++)
        if (batch->orders[i].is_new)
            order_row(&rows->new_orders, &batch->orders[i]);
    *sent = rows->new_orders.rows > 0;
    return *sent ? pg_copy_start(pg, &rows->new_orders, target) : PG_OK;
}

static void maybe_text(struct record_column *column, const char *text)
{
    if (text != NULL)
        record_column_text(column, text, strlen(text));
    else
        record_column_null(column);
}

static void change_row(struct record_column *columns, const struct record_order *order)
{
    record_column_i64(&columns[0], (int64_t)order->order);
    record_column_i64(&columns[1], order->quantity);
    record_column_i64(&columns[2], order->leaves);
    record_column_i64(&columns[3], order->filled);
    record_column_i64(&columns[4], order->filled_notional);
    maybe_text(&columns[5], record_status_text(order->status));
    if (order->has_client_id)
        record_column_text(&columns[6], order->client_id, order->client_id_bytes);
    else
        record_column_null(&columns[6]);
    record_column_i64(&columns[7], (int64_t)(order->updated_ns / 1000));
    record_column_i64(&columns[8], (int64_t)order->updated_seq);
    record_column_i64(&columns[9], order->price);
    record_column_i64(&columns[10], order->stop_price);
    record_column_i64(&columns[11], order->trail_offset);
    record_column_i64(&columns[12], order->display);
    record_column_i64(&columns[13], (int64_t)order->expire_ns);
    maybe_text(&columns[14], order->waits_for);
    record_column_i64(&columns[15], order->trigger_price);
    record_column_i64(&columns[16], (int64_t)(order->triggered_ns / 1000));
}

// The columns as parameters; how many rows they have.
static size_t close_columns(struct record_rows *rows, struct pg_param *params, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ASSERT(rows->columns[i].count == rows->columns[0].count);
        params[i] = record_column_param(&rows->columns[i]);
    }
    return rows->columns[0].count;
}

static enum pg_class send_order_changes(struct record_rows *rows, struct pg *pg, bool *sent,
                                        const struct record_batch *batch)
{
    enum { COLUMNS = 17, STATUS = 5, CLIENT_ID = 6, WAITS_FOR = 14 };
    static const char sql[] =
        "UPDATE record.orders o SET quantity = CASE WHEN c.quantity > 0 THEN c.quantity ELSE "
        "o.quantity END, leaves = c.leaves, filled = o.filled + c.filled,"
        " filled_notional = o.filled_notional + c.notional, status = c.status,"
        " client_id = coalesce(c.client_id, o.client_id),"
        " updated_at = timestamptz 'epoch' + c.updated_us * interval '1 microsecond',"
        " updated_seq = c.updated_seq, price = coalesce(nullif(c.price, 0), o.price),"
        " stop_price = coalesce(nullif(c.stop_price, 0), o.stop_price),"
        " trail_offset = coalesce(nullif(c.trail_offset, 0), o.trail_offset),"
        " display = coalesce(nullif(c.display, 0), o.display),"
        " expire_ns = coalesce(nullif(c.expire_ns, 0), o.expire_ns),"
        " waits_for = coalesce(c.waits_for, o.waits_for),"
        " trigger_price = coalesce(nullif(c.trigger_price, 0), o.trigger_price),"
        " triggered_at = coalesce(timestamptz 'epoch' + nullif(c.triggered_us, 0) *"
        " interval '1 microsecond', o.triggered_at)"
        " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],"
        " $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],"
        " $12::bigint[], $13::bigint[], $14::bigint[], $15::text[], $16::bigint[], $17::bigint[])"
        " AS c (order_id, quantity, leaves, filled, notional, status, client_id, updated_us,"
        " updated_seq, price, stop_price, trail_offset, display, expire_ns, waits_for,"
        " trigger_price, triggered_us) WHERE o.order_id = c.order_id";
    struct pg_param params[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++)
        record_column_begin(&rows->columns[i], i == STATUS || i == CLIENT_ID || i == WAITS_FOR
                                                   ? RECORD_COLUMN_TEXT
                                                   : RECORD_COLUMN_I64);
    for (size_t i = 0; i < batch->order_count; i++)
        if (!batch->orders[i].is_new)
            change_row(rows->columns, &batch->orders[i]);
    *sent = close_columns(rows, params, COLUMNS) > 0;
    return *sent ? pg_send(pg, sql, params, COLUMNS) : PG_OK;
}

static uint64_t order_changes(const struct record_batch *batch)
{
    uint64_t changes = 0;
    for (size_t i = 0; i < batch->order_count; i++)
        changes += !batch->orders[i].is_new;
    return changes;
}

// ---- balances

static enum pg_class send_balances(struct record_rows *rows, struct pg *pg, bool *sent,
                                   const struct record_batch *batch)
{
    enum { COLUMNS = 8, IDS = 2 };
    static const char sql[] =
        "INSERT INTO record.balance AS b (account_id, asset_id, available, held, unsettled, "
        "blocked,"
        " deficit, sequence) SELECT * FROM unnest($1::integer[], $2::integer[], $3::bigint[],"
        " $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])"
        " ON CONFLICT (account_id, asset_id) DO UPDATE SET"
        " available = b.available + EXCLUDED.available, held = b.held + EXCLUDED.held,"
        " unsettled = b.unsettled + EXCLUDED.unsettled, blocked = b.blocked + EXCLUDED.blocked,"
        " deficit = b.deficit + EXCLUDED.deficit, sequence = EXCLUDED.sequence";
    struct pg_param params[COLUMNS];
    for (size_t i = 0; i < COLUMNS; i++)
        record_column_begin(&rows->columns[i], i < IDS ? RECORD_COLUMN_I32 : RECORD_COLUMN_I64);
    for (size_t i = 0; i < batch->balance_count; i++) {
        const struct posting *change = &batch->balances[i].change;
        record_column_i32(&rows->columns[0], (int32_t)change->account);
        record_column_i32(&rows->columns[1], (int32_t)change->asset);
        record_column_i64(&rows->columns[2], change->available);
        record_column_i64(&rows->columns[3], change->held);
        record_column_i64(&rows->columns[4], change->unsettled);
        record_column_i64(&rows->columns[5], change->blocked);
        record_column_i64(&rows->columns[6], change->deficit);
        record_column_i64(&rows->columns[7], (int64_t)batch->balances[i].sequence);
    }
    *sent = close_columns(rows, params, COLUMNS) > 0;
    return *sent ? pg_send(pg, sql, params, COLUMNS) : PG_OK;
}

// ---- settlement

// The initial row of each trade's settlement; it may be there already when the record is being
// rebuilt.
static enum pg_class send_settlements(struct record_rows *rows, struct pg *pg, bool *sent,
                                      const struct record_batch *batch)
{
    static const char sql[] =
        "INSERT INTO settle.trade (trade_id, created_at)"
        " SELECT trade_id, timestamptz 'epoch' + (created_ns / 1000) * interval '1 microsecond'"
        " FROM record.trade WHERE trade_id >= $1 AND trade_id < $2 ORDER BY trade_id"
        " ON CONFLICT DO NOTHING";
    (void)rows;
    *sent = batch->trades.rows > 0;
    if (!*sent)
        return PG_OK;
    return pg_send(pg, sql,
                   PG_PARAMS(pg_i64((int64_t)trade_id_of(batch->first_sequence, 0)),
                             pg_i64((int64_t)trade_id_of(batch->last_sequence + 1, 0))));
}

// What is left of a corrected trade to settle: a trigger there works it out.
static enum pg_class send_settle_corrections(struct record_rows *rows, struct pg *pg, bool *sent,
                                             const struct record_batch *batch)
{
    static const char sql[] =
        "INSERT INTO settle.correction (trade_id, sequence, quantity, notional, buyer_fee, "
        "seller_fee, new_quantity) SELECT trade_id, sequence, quantity, notional, buyer_fee, "
        "seller_fee, new_quantity FROM record.trade_correction WHERE sequence BETWEEN $1 AND $2"
        " ORDER BY sequence, event_index ON CONFLICT DO NOTHING";
    (void)rows;
    *sent = batch->corrections.rows > 0;
    if (!*sent)
        return PG_OK;
    return pg_send(
        pg, sql,
        PG_PARAMS(pg_i64((int64_t)batch->first_sequence), pg_i64((int64_t)batch->last_sequence)));
}

// ---- the parts, in their order

typedef enum pg_class send_part(struct record_rows *rows, struct pg *pg, bool *sent,
                                const struct record_batch *batch);

static const struct part {
    const char *name;
    send_part *send; // NULL: COPY of the buffer at this offset of the batch
    size_t copy;
    const char *target;
} parts[] = {
    {.name = "reference data", .send = send_references},
    {.name = "record.orders", .send = send_new_orders},
    {.name = "changes of record.orders", .send = send_order_changes},
    {.name = "record.balance", .send = send_balances},
    {.name = "record.order_event",
     .copy = offsetof(struct record_batch, order_events),
     .target = "record.order_event (order_id, sequence, event_index, created_at, status, leaves, "
               "reason, event, price, quantity, priority_kept)"},
    {.name = "record.trade",
     .copy = offsetof(struct record_batch, trades),
     .target = "record.trade (trade_id, sequence, event_index, created_ns, instrument_id, "
               "token_asset, cash_asset, token_scale, taker_side, price, quantity, notional, "
               "buyer_account, seller_account, buyer_order, seller_order, buyer_fee, seller_fee, "
               "kind)"},
    {.name = "record.auction",
     .copy = offsetof(struct record_batch, auctions),
     .target = "record.auction (sequence, event_index, created_at, instrument_id, phase, price, "
               "quantity, surplus, surplus_side)"},
    {.name = "record.ledger_entry",
     .copy = offsetof(struct record_batch, entries),
     .target = "record.ledger_entry (sequence, event_index, line, created_at, cause, account_id, "
               "asset_id, available, held, unsettled, blocked, deficit)"},
    {.name = "record.deficit_change",
     .copy = offsetof(struct record_batch, deficits),
     .target = "record.deficit_change (sequence, event_index, created_at, account_id, asset_id, "
               "amount, counter_account, entered, deficit, available)"},
    {.name = "record.trade_correction",
     .copy = offsetof(struct record_batch, corrections),
     .target = "record.trade_correction (sequence, event_index, created_at, trade_id, "
               "instrument_id, buyer_account, seller_account, operator_id, quantity, notional, "
               "buyer_fee, seller_fee, token_short, cash_short, new_quantity)"},
    {.name = "record.reject",
     .copy = offsetof(struct record_batch, rejects),
     .target = "record.reject (sequence, event_index, created_at, session_id, gateway, command, "
               "code, name, account_id, instrument_id, order_id, limit_value, value, argument, "
               "client_id)"},
    {.name = "record.venue_event",
     .copy = offsetof(struct record_batch, venue_events),
     .target = "record.venue_event (sequence, event_index, created_at, event, body)"},
    {.name = "settle.trade", .send = send_settlements},
    {.name = "settle.correction", .send = send_settle_corrections},
};
_Static_assert(sizeof parts / sizeof parts[0] == RECORD_ROWS_PARTS, "record_rows.h has the number");

const char *record_rows_name(size_t part)
{
    ASSERT(part < RECORD_ROWS_PARTS);
    return parts[part].name;
}

enum pg_class record_rows_send(struct record_rows *rows, struct pg *pg, bool *sent,
                               const struct record_batch *batch, size_t part)
{
    ASSERT(part < RECORD_ROWS_PARTS);
    if (parts[part].send != NULL)
        return parts[part].send(rows, pg, sent, batch);
    const struct pg_copy *copy = (const void *)((const char *)batch + parts[part].copy);
    *sent = copy->rows > 0;
    return *sent ? pg_copy_start(pg, copy, parts[part].target) : PG_OK;
}

uint64_t record_rows_expected(const struct record_batch *batch, size_t part)
{
    ASSERT(part < RECORD_ROWS_PARTS);
    return parts[part].send == send_order_changes ? order_changes(batch) : UINT64_MAX;
}
