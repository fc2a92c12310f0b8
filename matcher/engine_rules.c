// Rules, tick tables and schedules of an instrument: each command replaces the whole; one that is
// refused changes nothing.
#include "matcher/engine_state.h"

#define FIELD_RULES(type, name, doc) RULES_FIELD_##name,
enum rules_field { RULES_FIELD_none, INSTRUMENT_RULES_BODY(FIELD_RULES) };

// ---- rules, tick tables, schedules

void engine_instrument_rules_set(struct turn *turn)
{
    struct instrument_rules_rec rules;
    struct refusal refusal;
    memcpy(&rules, &turn->command->body.instrument_rules_set, sizeof(rules));
    struct instrument *instrument = engine_instrument_or_reject(turn, rules.instrument);
    if (instrument == NULL)
        return;
    bool refused = false;
    if (rules.order_quantity_min < 0)
        refused = !refuse(&refusal, REJECT_INSTRUMENT_RULES, 0, rules.order_quantity_min,
                          RULES_FIELD_order_quantity_min);
    else if (rules.order_notional_min < 0)
        refused = !refuse(&refusal, REJECT_INSTRUMENT_RULES, 0, rules.order_notional_min,
                          RULES_FIELD_order_notional_min);
    if (refused) {
        turn_reject(turn, &refusal);
        return;
    }
    instrument->rules = rules;
    engine_quiet_reset(instrument);
    memcpy(&turn_emit(turn, EVT_instrument_rules_changed)->body, &rules, sizeof(rules));
}

static void ranges_append(struct tick_range *ranges, uint8_t *count, int64_t from_price,
                          int64_t tick)
{
    const struct tick_range *before = *count != 0 ? &ranges[*count - 1] : NULL;
    ASSERT(*count < TICK_RANGES);
    ASSERT(from_price % tick == 0);
    ranges[*count] = (struct tick_range){
        .from_price = from_price, .tick = tick, .divisor = money_divisor_of(tick)};
    if (before != NULL)
        ranges[*count].first_index =
            before->first_index + money_quotient(&before->divisor, from_price - before->from_price);
    (*count)++;
}

bool engine_tick_band_add(struct tick_range ranges[TICK_RANGES], uint8_t *count, int64_t base_tick,
                          const struct tick_band_tail *band, int64_t *refused)
{
    *refused = band->tick;
    if (band->tick <= 0 || band->tick % base_tick != 0)
        return false;
    *refused = band->from_price;
    if (band->from_price < 0 || band->from_price % band->tick != 0)
        return false;
    if (*count == 0 && band->from_price != 0)
        ranges_append(ranges, count, 0, base_tick);
    const struct tick_range *before = *count != 0 ? &ranges[*count - 1] : NULL;
    if (before != NULL &&
        (band->from_price <= before->from_price || band->from_price % before->tick != 0))
        return false;
    ranges_append(ranges, count, band->from_price, band->tick);
    return true;
}

struct tick_band_rec engine_tick_band(const struct instrument *instrument, uint32_t index)
{
    ASSERT(index < instrument->band_count);
    const struct tick_range *range =
        &instrument->ranges[instrument->range_count - instrument->band_count + index];
    return (struct tick_band_rec){.instrument = instrument->terms.instrument,
                                  .index = (uint16_t)index,
                                  .count = instrument->band_count,
                                  .from_price = range->from_price,
                                  .tick = range->tick};
}

static bool bands_read(const struct turn *turn, const struct instrument *instrument,
                       struct tick_range ranges[TICK_RANGES], uint8_t *count,
                       struct refusal *refusal)
{
    const char *tail = command_tail(turn->command);
    if (instrument->orders_open != 0)
        return refuse(refusal, REJECT_INSTRUMENT_BUSY, 0, instrument->orders_open, 0);
    for (uint32_t i = 0; i < turn->command->body.tick_table_set.band_count; i++) {
        struct tick_band_tail band;
        int64_t refused = 0;
        memcpy(&band, tail + i * sizeof(band), sizeof(band));
        if (!engine_tick_band_add(ranges, count, instrument->terms.tick, &band, &refused))
            return refuse(refusal, REJECT_TICK_TABLE, 0, refused, i);
    }
    return true;
}

static void emit_bands(struct turn *turn, const struct instrument *instrument)
{
    struct tick_band_rec band = {.instrument = instrument->terms.instrument};
    if (instrument->band_count == 0)
        memcpy(&turn_emit(turn, EVT_tick_band)->body, &band, sizeof(band));
    for (uint32_t i = 0; i < instrument->band_count; i++) {
        band = engine_tick_band(instrument, i);
        memcpy(&turn_emit(turn, EVT_tick_band)->body, &band, sizeof(band));
    }
}

void engine_tick_table_set(struct turn *turn)
{
    const struct tick_table_set_cmd *body = &turn->command->body.tick_table_set;
    struct instrument *instrument = engine_instrument_or_reject(turn, body->instrument);
    struct tick_range ranges[TICK_RANGES] = {0};
    struct refusal refusal;
    uint8_t count = 0;
    if (instrument == NULL)
        return;
    if (!bands_read(turn, instrument, ranges, &count, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    memcpy(instrument->ranges, ranges, sizeof(ranges));
    instrument->range_count = count;
    instrument->band_count = (uint8_t)body->band_count;
    emit_bands(turn, instrument);
}

#define DAY_MS 86400000u

bool engine_schedule_slot_fits(const struct schedule_slot *slot, const struct schedule_slot *before,
                               int64_t *refused)
{
    *refused = slot->time_of_day_ms;
    if (slot->time_of_day_ms >= DAY_MS ||
        (before != NULL && slot->time_of_day_ms <= before->time_of_day_ms))
        return false;
    *refused = slot->phase;
    return slot->phase >= PHASE_CLOSED && slot->phase <= PHASE_CLOSING_AUCTION &&
           slot->phase != PHASE_VOLATILITY_AUCTION;
}

struct schedule_entry_rec engine_schedule_entry(const struct instrument *instrument, uint32_t index)
{
    ASSERT(index < instrument->entry_count);
    const struct schedule_slot *slot = &instrument->schedule[index];
    return (struct schedule_entry_rec){.instrument = instrument->terms.instrument,
                                       .index = (uint8_t)index,
                                       .count = instrument->entry_count,
                                       .phase = slot->phase,
                                       .weekdays = instrument->weekdays,
                                       .time_of_day_ms = slot->time_of_day_ms};
}

static bool slots_read(const struct turn *turn, struct schedule_slot slots[SCHEDULE_ENTRIES_MAX],
                       struct refusal *refusal)
{
    const struct schedule_set_cmd *body = &turn->command->body.schedule_set;
    const char *tail = command_tail(turn->command);
    if (body->entry_count != 0 && (body->weekdays == 0 || body->weekdays > WEEKDAYS_ALL))
        return refuse(refusal, REJECT_SCHEDULE, 0, body->weekdays, body->entry_count);
    for (uint32_t i = 0; i < body->entry_count; i++) {
        struct schedule_entry_tail entry;
        int64_t refused = 0;
        memcpy(&entry, tail + i * sizeof(entry), sizeof(entry));
        slots[i] =
            (struct schedule_slot){.time_of_day_ms = entry.time_of_day_ms, .phase = entry.phase};
        if (!engine_schedule_slot_fits(&slots[i], i != 0 ? &slots[i - 1] : NULL, &refused))
            return refuse(refusal, REJECT_SCHEDULE, 0, refused, i);
    }
    return true;
}

static void emit_schedule(struct turn *turn, const struct instrument *instrument)
{
    struct schedule_entry_rec entry = {.instrument = instrument->terms.instrument};
    if (instrument->entry_count == 0)
        memcpy(&turn_emit(turn, EVT_schedule_entry)->body, &entry, sizeof(entry));
    for (uint32_t i = 0; i < instrument->entry_count; i++) {
        entry = engine_schedule_entry(instrument, i);
        memcpy(&turn_emit(turn, EVT_schedule_entry)->body, &entry, sizeof(entry));
    }
    turn_instrument_state(turn, instrument);
}

void engine_schedule_set(struct turn *turn)
{
    const struct schedule_set_cmd *body = &turn->command->body.schedule_set;
    struct instrument *instrument = engine_instrument_or_reject(turn, body->instrument);
    struct schedule_slot slots[SCHEDULE_ENTRIES_MAX] = {0};
    struct refusal refusal;
    if (instrument == NULL)
        return;
    if (!slots_read(turn, slots, &refusal)) {
        turn_reject(turn, &refusal);
        return;
    }
    memcpy(instrument->schedule, slots, sizeof(slots));
    instrument->entry_count = body->entry_count;
    instrument->weekdays = body->entry_count != 0 ? body->weekdays : 0;
    instrument->state.schedule_next_ns = engine_schedule_after(instrument, turn->engine->time_ns);
    engine_deadline_update(turn->engine, instrument);
    emit_schedule(turn, instrument);
}
