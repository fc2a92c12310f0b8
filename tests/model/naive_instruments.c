// Instruments of the naive venue: terms, rules, tick table, schedule, NAV, reference price, breaker
// and phase, as operators set them.
#include "tests/model/naive_parts.h"

static int64_t orders_of(const struct naive_venue *venue, uint32_t instrument)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < venue->order_top; i++)
        count += venue->orders[i].id != 0 && venue->orders[i].instrument == instrument;
    return count;
}

static bool busy_terms_refused(struct naive_venue *venue, const struct instrument_rec *terms)
{
    const struct naive_instrument *now = &venue->instruments[terms->instrument];
    int64_t orders = orders_of(venue, terms->instrument);
    bool steps_change = terms->tick != now->terms.tick || terms->lot != now->terms.lot;
    bool keeps_orders = (terms->status == TOKEN_SECONDARY || terms->status == TOKEN_PAUSED) &&
                        terms->trading_mode == MODE_FULL_ORDERBOOK;
    REFUSE_IF(steps_change && orders != 0, INSTRUMENT_BUSY, 0, orders, 0)
    REFUSE_IF(steps_change && now->band_count != 0, INSTRUMENT_BUSY, 0, now->band_count, 0)
    REFUSE_IF(!keeps_orders && orders != 0, INSTRUMENT_BUSY, 0, orders, 0)
    return false;
}

void naive_instrument_set(struct naive_venue *venue)
{
    struct instrument_rec terms;
    memcpy(&terms, &venue->command->body, sizeof(terms));
    if (naive_terms_refused(venue, &terms))
        return;
    struct naive_instrument *instrument = &venue->instruments[terms.instrument];
    bool is_new = instrument->terms.instrument == 0;
    if (!is_new && busy_terms_refused(venue, &terms))
        return;
    venue->opened[ACCOUNT_TREASURY][terms.cash_asset] = true;
    instrument->terms = terms;
    memcpy(&naive_emit(venue, EVT_instrument_changed)->body, &terms, sizeof(terms));
    if (!is_new)
        return;
    instrument->state =
        (struct instrument_state_rec){.instrument = terms.instrument, .phase = PHASE_CLOSED};
    naive_state_changed(venue, terms.instrument);
}

void naive_rules_set(struct naive_venue *venue)
{
    const struct instrument_rules_set_cmd *body = &venue->command->body.instrument_rules_set;
    if (naive_instrument_refused(venue, body->instrument))
        return;
    if (body->order_quantity_min < 0) {
        naive_reject(venue, REJECT_INSTRUMENT_RULES, 0, body->order_quantity_min, 3);
        return;
    }
    if (body->order_notional_min < 0) {
        naive_reject(venue, REJECT_INSTRUMENT_RULES, 0, body->order_notional_min, 4);
        return;
    }
    memcpy(&venue->instruments[body->instrument].rules, body, sizeof(*body));
    memcpy(&naive_emit(venue, EVT_instrument_rules_changed)->body, body, sizeof(*body));
}

// ---- tick table

static bool bands_refused(struct naive_venue *venue, const struct tick_band_tail *bands,
                          uint32_t count, int64_t base)
{
    for (uint32_t i = 0; i < count; i++) {
        int64_t before = i > 0 ? bands[i - 1].tick : base;
        int64_t from = bands[i].from_price;
        REFUSE_IF(bands[i].tick <= 0 || bands[i].tick % base != 0, TICK_TABLE, 0, bands[i].tick, i)
        REFUSE_IF(from < 0 || (i > 0 && from <= bands[i - 1].from_price) ||
                      from % bands[i].tick != 0 || from % before != 0,
                  TICK_TABLE, 0, from, i)
    }
    return false;
}

static bool busy_refused(struct naive_venue *venue, uint32_t instrument)
{
    int64_t orders = orders_of(venue, instrument);
    REFUSE_IF(orders != 0, INSTRUMENT_BUSY, 0, orders, 0)
    return false;
}

void naive_tick_table_set(struct naive_venue *venue)
{
    const struct tick_table_set_cmd *body = &venue->command->body.tick_table_set;
    struct tick_band_tail bands[TICK_BANDS_MAX] = {0};
    if (naive_instrument_refused(venue, body->instrument))
        return;
    struct naive_instrument *instrument = &venue->instruments[body->instrument];
    memcpy(bands, command_tail(venue->command), body->band_count * sizeof(bands[0]));
    if (busy_refused(venue, body->instrument) ||
        bands_refused(venue, bands, body->band_count, instrument->terms.tick))
        return;
    instrument->band_count = body->band_count;
    memcpy(instrument->bands, bands, sizeof(bands));
    for (uint32_t i = 0; i < body->band_count || i == 0; i++)
        naive_emit(venue, EVT_tick_band)->body.tick_band =
            (struct tick_band_evt){.instrument = body->instrument,
                                   .index = (uint16_t)i,
                                   .count = (uint16_t)body->band_count,
                                   .from_price = bands[i].from_price,
                                   .tick = bands[i].tick};
}

// ---- schedule

static bool entries_refused(struct naive_venue *venue, const struct schedule_set_cmd *body,
                            const struct schedule_entry_tail *entries)
{
    REFUSE_IF(body->entry_count != 0 && (body->weekdays == 0 || body->weekdays > 127), SCHEDULE, 0,
              body->weekdays, body->entry_count)
    for (uint32_t i = 0; i < body->entry_count; i++) {
        uint32_t time = entries[i].time_of_day_ms;
        uint8_t phase = entries[i].phase;
        REFUSE_IF(time >= 86400000 || (i > 0 && time <= entries[i - 1].time_of_day_ms), SCHEDULE, 0,
                  time, i)
        REFUSE_IF(phase < 1 || phase > 7 || phase == PHASE_VOLATILITY_AUCTION, SCHEDULE, 0, phase,
                  i)
    }
    return false;
}

void naive_schedule_set(struct naive_venue *venue)
{
    const struct schedule_set_cmd *body = &venue->command->body.schedule_set;
    struct schedule_entry_tail entries[SCHEDULE_ENTRIES_MAX] = {0};
    memcpy(entries, command_tail(venue->command), body->entry_count * sizeof(entries[0]));
    if (naive_instrument_refused(venue, body->instrument) || entries_refused(venue, body, entries))
        return;
    struct naive_instrument *instrument = &venue->instruments[body->instrument];
    instrument->entry_count = body->entry_count;
    instrument->weekdays = body->weekdays;
    memcpy(instrument->entries, entries, sizeof(entries));
    for (uint32_t i = 0; i < body->entry_count || i == 0; i++)
        naive_emit(venue, EVT_schedule_entry)->body.schedule_entry =
            (struct schedule_entry_evt){.instrument = body->instrument,
                                        .index = (uint8_t)i,
                                        .count = body->entry_count,
                                        .phase = entries[i].phase,
                                        .weekdays = body->entry_count != 0 ? body->weekdays : 0,
                                        .time_of_day_ms = entries[i].time_of_day_ms};
    instrument->state.schedule_next_ns = naive_schedule_after(instrument, venue->now);
    naive_state_changed(venue, body->instrument);
}

// ---- what the market is told

static bool reference_refused(struct naive_venue *venue, const struct reference_set_cmd *body)
{
    if (naive_instrument_refused(venue, body->instrument))
        return true;
    int64_t tick = naive_tick_at(&venue->instruments[body->instrument], body->price);
    REFUSE_IF(body->price <= 0 || body->price > NAIVE_MONEY_MAX, PRICE_NOT_POSITIVE, 1, body->price,
              0)
    REFUSE_IF(body->price % tick != 0, OFF_TICK, tick, body->price, 0)
    return false;
}

void naive_reference_set(struct naive_venue *venue)
{
    const struct reference_set_cmd *body = &venue->command->body.reference_set;
    if (reference_refused(venue, body))
        return;
    venue->instruments[body->instrument].state.reference_price = body->price;
    naive_state_changed(venue, body->instrument);
}

void naive_nav_set(struct naive_venue *venue)
{
    const struct nav_set_cmd *body = &venue->command->body.nav_set;
    if (naive_instrument_refused(venue, body->instrument))
        return;
    if (body->nav <= 0 || body->nav > NAIVE_MONEY_MAX) {
        naive_reject(venue, REJECT_PRICE_NOT_POSITIVE, 1, body->nav, 0);
        return;
    }
    venue->instruments[body->instrument].state.nav = body->nav;
    venue->instruments[body->instrument].state.nav_time_ns = venue->now;
    naive_state_changed(venue, body->instrument);
}

void naive_breaker_set(struct naive_venue *venue)
{
    const struct breaker_set_cmd *body = &venue->command->body.breaker_set;
    if (naive_instrument_refused(venue, body->instrument))
        return;
    if (body->tripped > 1) {
        naive_reject(venue, REJECT_MALFORMED, 0, body->tripped, 2);
        return;
    }
    if (body->tripped == 0 && naive_approval_refused(venue))
        return;
    venue->instruments[body->instrument].state.breaker_tripped = body->tripped;
    naive_state_changed(venue, body->instrument);
    naive_stops_run(venue, body->instrument);
}

void naive_instrument_phase(struct naive_venue *venue)
{
    const struct instrument_phase_cmd *body = &venue->command->body.instrument_phase;
    if (naive_instrument_refused(venue, body->instrument))
        return;
    if (body->phase < PHASE_CLOSED || body->phase > PHASE_CLOSING_AUCTION)
        naive_reject(venue, REJECT_MALFORMED, 0, body->phase, 2);
    else
        naive_phase_change(venue, body->instrument, body->phase);
}
