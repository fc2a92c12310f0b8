// Happy path: an event replaces the row of its id; the first of a tick table or schedule empties
// what the events behind it fill.
#include "settlement/record_reference.h"

#include <string.h>

#include "settlement/record_risk.h"

// The text of a zero-filled field.
static const char *field_text(char out[SYMBOL_BYTES_MAX + 1], const char *field)
{
    memcpy(out, field, SYMBOL_BYTES_MAX);
    out[SYMBOL_BYTES_MAX] = 0;
    return out;
}

static enum pg_class write_asset(struct pg *pg, const struct event *event)
{
    const struct asset_changed_evt *asset = &event->body.asset_changed;
    char symbol[SYMBOL_BYTES_MAX + 1];
    return pg_query(pg, NULL,
                    "INSERT INTO record.asset (asset_id, kind, scale, symbol, sequence) VALUES "
                    "($1, $2, $3, $4, $5)"
                    " ON CONFLICT (asset_id) DO UPDATE SET symbol = EXCLUDED.symbol, sequence = "
                    "EXCLUDED.sequence",
                    PG_PARAMS(pg_i64(asset->asset), pg_i64(asset->kind), pg_i64(asset->scale),
                              pg_text(field_text(symbol, asset->symbol)),
                              pg_i64((int64_t)event->header.sequence)));
}

static enum pg_class write_instrument(struct pg *pg, const struct event *event)
{
    const struct instrument_changed_evt *i = &event->body.instrument_changed;
    char symbol[SYMBOL_BYTES_MAX + 1];
    return pg_query(
        pg, NULL,
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
static enum pg_class write_instrument_state(struct pg *pg, const struct event *event)
{
    const struct instrument_state_evt *s = &event->body.instrument_state;
    return pg_query(
        pg, NULL,
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

static enum pg_class write_rules(struct pg *pg, const struct event *event)
{
    const struct instrument_rules_changed_evt *rules = &event->body.instrument_rules_changed;
    return pg_query(
        pg, NULL,
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
static enum pg_class write_tick_band(struct pg *pg, const struct event *event)
{
    const struct tick_band_evt *band = &event->body.tick_band;
    enum pg_class class = PG_OK;
    if (band->index == 0)
        class = pg_query(pg, NULL, "DELETE FROM record.tick_band WHERE instrument_id = $1",
                         PG_PARAMS(pg_i64(band->instrument)));
    if (class != PG_OK || band->count == 0)
        return class;
    return pg_query(pg, NULL,
                    "INSERT INTO record.tick_band (instrument_id, band, from_price, tick, "
                    "sequence) VALUES ($1, $2, $3, $4, $5)",
                    PG_PARAMS(pg_i64(band->instrument), pg_i64(band->index),
                              pg_i64(band->from_price), pg_i64(band->tick),
                              pg_i64((int64_t)event->header.sequence)));
}

static enum pg_class write_schedule_entry(struct pg *pg, const struct event *event)
{
    const struct schedule_entry_evt *entry = &event->body.schedule_entry;
    enum pg_class class = PG_OK;
    if (entry->index == 0)
        class = pg_query(pg, NULL, "DELETE FROM record.schedule_entry WHERE instrument_id = $1",
                         PG_PARAMS(pg_i64(entry->instrument)));
    if (class != PG_OK || entry->count == 0)
        return class;
    return pg_query(pg, NULL,
                    "INSERT INTO record.schedule_entry (instrument_id, entry, phase, weekdays, "
                    "time_of_day_ms, sequence) VALUES ($1, $2, $3, $4, $5, $6)",
                    PG_PARAMS(pg_i64(entry->instrument), pg_i64(entry->index), pg_i64(entry->phase),
                              pg_i64(entry->weekdays), pg_i64(entry->time_of_day_ms),
                              pg_i64((int64_t)event->header.sequence)));
}

enum pg_class record_reference_write(struct pg *pg, const struct event *event)
{
    switch (event->header.type) {
    case EVT_asset_changed:
        return write_asset(pg, event);
    case EVT_instrument_changed:
        return write_instrument(pg, event);
    case EVT_instrument_state:
        return write_instrument_state(pg, event);
    case EVT_instrument_rules_changed:
        return write_rules(pg, event);
    case EVT_tick_band:
        return write_tick_band(pg, event);
    case EVT_schedule_entry:
        return write_schedule_entry(pg, event);
    default:
        return record_risk_write(pg, event);
    }
}
