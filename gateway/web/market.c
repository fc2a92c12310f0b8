// Market data: what has changed, and how it looks.
//
// Changes are made once per turn of the loop for all commands since, and between commands only. Of
// the book (L2, L3) and of trades there is a chain of messages: a change carries the `seq` of the
// last command in it and, as `prev_seq`, the seq of the change before; a snapshot carries the seq
// of the last change. What is small (best prices, auction, statistics) is told whole each time.
//
// The book is the view's: only orders in it, only what shows of them.
#include "gateway/web/market.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/decimal.h"

static void on_book_change(void *context, const struct view_book_change *change);

struct markets *markets_create(struct web *web)
{
    struct markets *markets = calloc(1, sizeof *markets);
    if (markets == NULL)
        return NULL;
    markets->instruments_max = view_instruments_max(web->view);
    markets->by_instrument = calloc(markets->instruments_max + 1u, sizeof *markets->by_instrument);
    markets->changed = calloc(markets->instruments_max + 1u, sizeof *markets->changed);
    if (markets->by_instrument == NULL || markets->changed == NULL) {
        markets_destroy(markets);
        return NULL;
    }
    view_on_book_change(web->view, on_book_change, web);
    return markets;
}

static void market_free(struct market *market)
{
    for (int c = 0; c < CHANNEL_COUNT; c++)
        free(market->subscribers[c].clients);
    free(market->levels);
    free(market->rows);
    map_fini(&market->level_index);
    map_fini(&market->row_index);
    free(market);
}

void markets_destroy(struct markets *markets)
{
    if (markets == NULL)
        return;
    for (uint32_t i = 0; markets->by_instrument != NULL && i <= markets->instruments_max; i++)
        if (markets->by_instrument[i] != NULL)
            market_free(markets->by_instrument[i]);
    free(markets->by_instrument);
    free(markets->changed);
    free(markets);
}

struct market *market_of(struct markets *markets, uint32_t instrument)
{
    ASSERT(instrument >= 1 && instrument <= markets->instruments_max);
    struct market **market = &markets->by_instrument[instrument];
    if (*market == NULL)
        *market = calloc(1, sizeof **market);
    if (*market == NULL)
        abort();
    return *market;
}

// ---- what has changed ------------------------------------------------------------------------

static struct market *changed(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    if (!market->listed)
        web->markets->changed[web->markets->changed_count++] = instrument;
    market->listed = true;
    return market;
}

// Room for one more element.
static void *grown(void *array, size_t count, size_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity == 0 ? 64 : *capacity * 2;
    array = realloc(array, *capacity * bytes);
    if (array == NULL)
        abort();
    return array;
}

static void touch_level(struct market *market, uint8_t side, int64_t price)
{
    uint64_t key = (uint64_t)price << 1 | (side == SIDE_SELL), known;
    ASSERT(price > 0);
    if (map_get(&market->level_index, key, &known))
        return;
    market->levels =
        grown(market->levels, market->level_count, &market->level_capacity, sizeof *market->levels);
    market->levels[market->level_count++] = (struct touched_level){.price = price, .side = side};
    map_put(&market->level_index, key, market->level_count);
}

// The last row of an order is the one that holds. A row of an order that goes to the back stands
// behind the rows of those that went there before.
static void touch_order(struct market *market, const struct view_book_change *change)
{
    struct order_row row = {.order = change->order,
                            .price = change->price,
                            .shown = change->shown,
                            .side = change->side,
                            .to_back = change->to_back};
    uint64_t index = 0;
    if (map_get(&market->row_index, change->order, &index)) {
        struct order_row *known = &market->rows[index - 1];
        if (!change->to_back) {
            row.to_back = known->to_back;
            *known = row;
            return;
        }
        known->order = 0;
    }
    market->rows =
        grown(market->rows, market->row_count, &market->row_capacity, sizeof *market->rows);
    market->rows[market->row_count++] = row;
    map_put(&market->row_index, change->order, market->row_count);
}

static void on_book_change(void *context, const struct view_book_change *change)
{
    struct web *web = context;
    struct market *market = changed(web, change->instrument);
    touch_level(market, change->side, change->price);
    if (market->subscribers[CHANNEL_BOOK_ORDERS].count > 0)
        touch_order(market, change);
}

static void on_trade(struct web *web, const struct event *event)
{
    const struct trade_evt *trade = &event->body.trade;
    struct market *market = changed(web, trade->instrument);
    market->recent[market->trades++ % RECENT_MAX] = (struct public_trade){
        .trade = trade_id_of(event->header.sequence, event->header.index),
        .time_ns = event->header.time_ns,
        .price = trade->price,
        .quantity = trade->quantity,
        .taker_side = trade->taker_side,
        .kind = trade->kind,
    };
    market->trade_sequence = event->header.sequence;
    market->statistics_changed = true;
}

static void on_auction(struct web *web, const struct event *event)
{
    struct market *market = changed(web, event->body.auction.instrument);
    market->auction = event->body.auction;
    market->auction_ns = event->header.time_ns;
    market->auction_told = true;
}

static void on_state(struct web *web, uint32_t instrument)
{
    struct market *market = changed(web, instrument);
    const struct statistics *statistics = view_statistics(web->view, instrument);
    market->state_changed = true;
    market->statistics_changed |= statistics->day_begin_ns != market->day_begin_ns;
}

void markets_on_event(struct web *web, const struct event *event)
{
    switch (event->header.type) {
    case EVT_trade:
        on_trade(web, event);
        break;
    case EVT_auction:
        on_auction(web, event);
        break;
    case EVT_instrument_changed:
        on_state(web, event->body.instrument_changed.instrument);
        break;
    case EVT_instrument_state:
        on_state(web, event->body.instrument_state.instrument);
        break;
    case EVT_instrument_rules_changed:
        on_state(web, event->body.instrument_rules_changed.instrument);
        break;
    case EVT_tick_band:
        on_state(web, event->body.tick_band.instrument);
        break;
    case EVT_schedule_entry:
        on_state(web, event->body.schedule_entry.instrument);
        break;
    default:
        break;
    }
}

// A day may begin while nothing happens.
void markets_tick(struct web *web)
{
    for (uint32_t i = 1; i <= web->markets->instruments_max; i++) {
        const struct market *market = web->markets->by_instrument[i];
        if (market != NULL && market->subscribers[CHANNEL_STATISTICS].count > 0 &&
            view_statistics(web->view, i)->day_begin_ns != market->day_begin_ns)
            changed(web, i)->statistics_changed = true;
    }
    markets_flush(web);
}

// ---- the book, L2 ----------------------------------------------------------------------------

static void level_item(struct json_out *out, const struct view_level *level, unsigned scale)
{
    char orders[16];
    json_open(out, '[');
    json_decimal_item(out, level->price, CASH_SCALE);
    json_decimal_item(out, level->quantity, scale);
    json_item(out);
    json_raw(out, orders, (size_t)snprintf(orders, sizeof orders, "%u", level->orders));
    json_close(out, ']');
}

static size_t best_text(char *at, const struct view_level *level, unsigned scale, bool first)
{
    char *start = at;
    if (!first)
        *at++ = ':';
    at += decimal_print(level->price, CASH_SCALE, at);
    *at++ = ':';
    at += decimal_print(level->quantity, scale, at);
    return (size_t)(at - start);
}

// CRC32C of "bid price:bid quantity:ask price:ask quantity:…" over the best ten levels, as they are
// printed.
static uint32_t checksum(const struct web *web, uint32_t instrument, unsigned scale)
{
    struct view_level bids[CHECKSUM_DEPTH], asks[CHECKSUM_DEPTH];
    char text[CHECKSUM_DEPTH * 4 * (DECIMAL_TEXT_BYTES_MAX + 1)];
    size_t bid_count = view_levels(web->view, instrument, SIDE_BUY, bids, CHECKSUM_DEPTH);
    size_t ask_count = view_levels(web->view, instrument, SIDE_SELL, asks, CHECKSUM_DEPTH);
    size_t bytes = 0;
    for (size_t i = 0; i < CHECKSUM_DEPTH; i++) {
        if (i < bid_count)
            bytes += best_text(text + bytes, &bids[i], scale, bytes == 0);
        if (i < ask_count)
            bytes += best_text(text + bytes, &asks[i], scale, bytes == 0);
    }
    return crc32c(0, text, bytes);
}

static void write_checksum(struct web *web, uint32_t instrument)
{
    json_integer(&web->out, "checksum",
                 checksum(web, instrument, shape_token_scale(web->view, instrument)));
}

static void write_side(struct web *web, uint32_t instrument, const char *name, uint8_t side)
{
    struct view_level *levels = web->markets->levels;
    size_t count = view_levels(web->view, instrument, side, levels, BOOK_DEPTH_MAX);
    unsigned scale = shape_token_scale(web->view, instrument);
    json_name(&web->out, name);
    json_open(&web->out, '[');
    for (size_t i = 0; i < count; i++)
        level_item(&web->out, &levels[i], scale);
    json_close(&web->out, ']');
}

static void write_touched(struct web *web, uint32_t instrument, const char *name, uint8_t side)
{
    struct market *market = market_of(web->markets, instrument);
    unsigned scale = shape_token_scale(web->view, instrument);
    json_name(&web->out, name);
    json_open(&web->out, '[');
    for (size_t i = 0; i < market->level_count; i++) {
        if (market->levels[i].side != side)
            continue;
        struct view_level level =
            view_level_at(web->view, instrument, side, market->levels[i].price);
        level.price = market->levels[i].price;
        level_item(&web->out, &level, scale);
    }
    json_close(&web->out, ']');
}

static void write_book(struct web *web, uint32_t instrument)
{
    write_side(web, instrument, "bids", SIDE_BUY);
    write_side(web, instrument, "asks", SIDE_SELL);
    write_checksum(web, instrument);
}

// ---- order by order, L3 ----------------------------------------------------------------------

struct rows_writer {
    struct web *web;
    unsigned scale;
    uint32_t left;
};

static void row_item(struct json_out *out, const struct order_row *row, unsigned scale)
{
    char id[24];
    json_open(out, '[');
    json_string_item(out, id,
                     (size_t)snprintf(id, sizeof id, "%llu", (unsigned long long)row->order));
    json_string_item(out, shape_side(row->side), strlen(shape_side(row->side)));
    json_decimal_item(out, row->price, CASH_SCALE);
    json_decimal_item(out, row->shown, scale);
    json_item(out);
    json_raw(out, row->to_back ? "true" : "false", row->to_back ? 4 : 5);
    json_close(out, ']');
}

static bool book_order_item(void *context, const struct view_order *order)
{
    struct rows_writer *writer = context;
    if (writer->left == 0)
        return false;
    writer->left--;
    const struct order_row row = {.order = order->order,
                                  .price = order->price,
                                  .shown = order->shown,
                                  .side = order->side,
                                  .to_back = true};
    row_item(&writer->web->out, &row, writer->scale);
    return true;
}

static void write_book_orders(struct web *web, uint32_t instrument)
{
    struct rows_writer writer = {.web = web, .scale = shape_token_scale(web->view, instrument)};
    json_name(&web->out, "orders");
    json_open(&web->out, '[');
    for (uint8_t side = SIDE_BUY; side <= SIDE_SELL; side++) {
        writer.left = BOOK_ORDERS_MAX;
        view_book_orders(web->view, instrument, side, book_order_item, &writer);
    }
    json_close(&web->out, ']');
}

static void write_rows(struct web *web, uint32_t instrument)
{
    const struct market *market = market_of(web->markets, instrument);
    unsigned scale = shape_token_scale(web->view, instrument);
    json_name(&web->out, "orders");
    json_open(&web->out, '[');
    for (size_t i = 0; i < market->row_count; i++)
        if (market->rows[i].order != 0)
            row_item(&web->out, &market->rows[i], scale);
    json_close(&web->out, ']');
}

// ---- what is told whole ----------------------------------------------------------------------

static void best_of(const struct web *web, uint32_t instrument, struct view_level best[2])
{
    for (uint8_t side = SIDE_BUY; side <= SIDE_SELL; side++)
        if (!view_best(web->view, instrument, side, &best[side - 1]))
            best[side - 1] = (struct view_level){0};
}

static bool same_level(const struct view_level *a, const struct view_level *b)
{
    return a->price == b->price && a->quantity == b->quantity && a->orders == b->orders;
}

static void write_best(struct web *web, uint32_t instrument)
{
    static const char *const names[] = {"bid", "ask"};
    unsigned scale = shape_token_scale(web->view, instrument);
    struct view_level best[2];
    best_of(web, instrument, best);
    for (int i = 0; i < 2; i++) {
        json_name(&web->out, names[i]);
        if (best[i].orders > 0) {
            level_item(&web->out, &best[i], scale);
        } else {
            json_raw(&web->out, "null", 4);
            web->out.comma = true;
        }
    }
}

static void write_auction(struct web *web, uint32_t instrument, const struct auction_evt *auction,
                          uint64_t time_ns)
{
    json_name(&web->out, "auction");
    shape_auction(&web->out, auction, time_ns, shape_token_scale(web->view, instrument));
}

static void write_statistics(struct web *web, uint32_t instrument)
{
    json_name(&web->out, "statistics");
    shape_statistics(&web->out, view_statistics(web->view, instrument),
                     shape_token_scale(web->view, instrument));
}

// ---- trades ----------------------------------------------------------------------------------

// Trades from the given number on, oldest first.
static void write_trades(struct web *web, uint32_t instrument, uint64_t from)
{
    const struct market *market = market_of(web->markets, instrument);
    unsigned scale = shape_token_scale(web->view, instrument);
    if (market->trades - from > RECENT_MAX)
        from = market->trades - RECENT_MAX;
    json_name(&web->out, "trades");
    json_open(&web->out, '[');
    for (uint64_t i = from; i < market->trades; i++)
        shape_public_trade(&web->out, &market->recent[i % RECENT_MAX], scale);
    json_close(&web->out, ']');
}

// ---- messages --------------------------------------------------------------------------------

static void begin(struct web *web, const char *type, uint32_t instrument)
{
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", type);
    json_text(&web->out, "symbol", shape_symbol(web->view, instrument));
}

static void end(struct web *web, uint32_t instrument, enum channel channel)
{
    json_close(&web->out, '}');
    market_publish(web, instrument, channel);
}

static void write_seq(struct web *web, const struct market *market, enum channel channel)
{
    enum channel of = channel == CHANNEL_BOOK_ORDERS ? CHANNEL_BOOK : channel;
    json_integer(&web->out, "seq", (int64_t)market->seq[of]);
}

void market_write(struct web *web, uint32_t instrument, enum channel channel)
{
    const struct market *market = market_of(web->markets, instrument);
    const struct view_instrument *found = view_instrument(web->view, instrument);
    write_seq(web, market, channel);
    switch (channel) {
    case CHANNEL_BOOK:
        write_book(web, instrument);
        break;
    case CHANNEL_BEST:
        write_best(web, instrument);
        break;
    case CHANNEL_BOOK_ORDERS:
        write_book_orders(web, instrument);
        break;
    case CHANNEL_TRADES:
        write_trades(web, instrument, 0);
        break;
    case CHANNEL_AUCTION:
        write_auction(web, instrument, &found->auction, found->auction_ns);
        break;
    case CHANNEL_STATISTICS:
        write_statistics(web, instrument);
        break;
    case CHANNEL_COUNT:
        break;
    }
}

void market_snapshot(struct web *web, uint32_t instrument, enum channel channel)
{
    begin(web, market_channel_name(channel), instrument);
    json_boolean(&web->out, "snapshot", true);
    market_write(web, instrument, channel);
    json_close(&web->out, '}');
}

static bool anybody(const struct market *market, enum channel channel)
{
    return market->subscribers[channel].count > 0;
}

static void begin_change(struct web *web, uint32_t instrument, enum channel channel, uint64_t seq,
                         uint64_t previous)
{
    begin(web, market_channel_name(channel), instrument);
    json_integer(&web->out, "seq", (int64_t)seq);
    json_integer(&web->out, "prev_seq", (int64_t)previous);
}

static void flush_best(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    struct view_level best[2];
    best_of(web, instrument, best);
    if (same_level(&best[0], &market->best[0]) && same_level(&best[1], &market->best[1]))
        return;
    memcpy(market->best, best, sizeof best);
    market->seq[CHANNEL_BEST] = view_sequence(web->view);
    if (!anybody(market, CHANNEL_BEST))
        return;
    begin(web, "best", instrument);
    market_write(web, instrument, CHANNEL_BEST);
    end(web, instrument, CHANNEL_BEST);
}

static void flush_book(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    uint64_t previous = market->seq[CHANNEL_BOOK];
    uint64_t seq = market->seq[CHANNEL_BOOK] = view_sequence(web->view);
    if (anybody(market, CHANNEL_BOOK)) {
        begin_change(web, instrument, CHANNEL_BOOK, seq, previous);
        write_touched(web, instrument, "bids", SIDE_BUY);
        write_touched(web, instrument, "asks", SIDE_SELL);
        write_checksum(web, instrument);
        end(web, instrument, CHANNEL_BOOK);
    }
    if (anybody(market, CHANNEL_BOOK_ORDERS)) {
        begin_change(web, instrument, CHANNEL_BOOK_ORDERS, seq, previous);
        write_rows(web, instrument);
        end(web, instrument, CHANNEL_BOOK_ORDERS);
    }
    market->level_count = market->row_count = 0;
    map_clear(&market->level_index);
    map_clear(&market->row_index);
    flush_best(web, instrument);
}

// More than RECENT_MAX in one turn: the oldest are left out, and `missed` says how many.
static void flush_trades(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    uint64_t fresh = market->trades - market->trades_flushed;
    if (anybody(market, CHANNEL_TRADES)) {
        begin_change(web, instrument, CHANNEL_TRADES, market->trade_sequence,
                     market->seq[CHANNEL_TRADES]);
        if (fresh > RECENT_MAX)
            json_integer(&web->out, "missed", (int64_t)(fresh - RECENT_MAX));
        write_trades(web, instrument, market->trades_flushed);
        end(web, instrument, CHANNEL_TRADES);
    }
    market->seq[CHANNEL_TRADES] = market->trade_sequence;
    market->trades_flushed = market->trades;
}

static void flush_auction(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    market->auction_told = false;
    market->seq[CHANNEL_AUCTION] = view_sequence(web->view);
    if (!anybody(market, CHANNEL_AUCTION))
        return;
    begin(web, "auction", instrument);
    write_seq(web, market, CHANNEL_AUCTION);
    write_auction(web, instrument, &market->auction, market->auction_ns);
    end(web, instrument, CHANNEL_AUCTION);
}

static void flush_statistics(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    market->statistics_changed = false;
    market->day_begin_ns = view_statistics(web->view, instrument)->day_begin_ns;
    market->seq[CHANNEL_STATISTICS] = view_sequence(web->view);
    if (!anybody(market, CHANNEL_STATISTICS))
        return;
    begin(web, "statistics", instrument);
    market_write(web, instrument, CHANNEL_STATISTICS);
    end(web, instrument, CHANNEL_STATISTICS);
}

static void flush_market(struct web *web, uint32_t instrument)
{
    struct market *market = market_of(web->markets, instrument);
    market->listed = false;
    if (market->state_changed)
        instruments_changed(web, instrument);
    market->state_changed = false;
    if (market->level_count > 0)
        flush_book(web, instrument);
    if (market->trades > market->trades_flushed)
        flush_trades(web, instrument);
    if (market->auction_told)
        flush_auction(web, instrument);
    if (market->statistics_changed)
        flush_statistics(web, instrument);
}

void markets_flush(struct web *web)
{
    struct markets *markets = web->markets;
    if (web->in_command || web->http == NULL)
        return;
    for (size_t i = 0; i < markets->changed_count; i++)
        flush_market(web, markets->changed[i]);
    markets->changed_count = 0;
}
