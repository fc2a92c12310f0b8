// Rules, tick tables, schedules and mass cancels; and one instrument as it is now, from the view.
// None of it needs the database: what the engine is told stands in the journal.
#include <string.h>
#include <time.h>

#include "base/decimal.h"
#include "gateway/admin/admin.h"
#include "schema/words.h"

static const char *const weekday_words[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
static const char *const side_words[] = {"buy", "sell"};

// ---- rules

void rules_handle(struct ask *ask)
{
    static const char *const names[] = {"volatility_bps",     "order_quantity_min",
                                        "order_notional_min", "volatility_auction_ms",
                                        "indicative_ms",      NULL};
    int64_t volatility = 0, auction_ms = 0, indicative_ms = 0;
    struct instrument_rules_set_cmd body = {.instrument = (uint32_t)ask->id};
    struct desk_answer answer;
    if (!instrument_in_path(ask) || !fields_known(ask, names) ||
        !field_number(ask, &volatility, "volatility_bps", 0, 1000000, OPTIONAL) ||
        !field_number(ask, &body.order_quantity_min, "order_quantity_min", 0, INT64_MAX,
                      OPTIONAL) ||
        !field_decimal(ask, &body.order_notional_min, "order_notional_min", 6, OPTIONAL) ||
        !field_number(ask, &auction_ms, "volatility_auction_ms", 0, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &indicative_ms, "indicative_ms", 0, UINT32_MAX, OPTIONAL))
        return;
    body.volatility_bps = (uint32_t)volatility;
    body.volatility_auction_ms = (uint32_t)auction_ms;
    body.indicative_ms = (uint32_t)indicative_ms;
    (void)!ask_command(ask, &answer, CMD_instrument_rules_set, &body, sizeof body, NULL, 0);
}

// ---- tick tables

static bool read_band(struct ask *ask, void *out)
{
    static const char *const names[] = {"from", "tick", NULL};
    struct tick_band_tail *band = out;
    return fields_known(ask, names) && field_decimal(ask, &band->from_price, "from", 6, REQUIRED) &&
           field_decimal(ask, &band->tick, "tick", 6, REQUIRED);
}

void tick_table_handle(struct ask *ask)
{
    static const char *const names[] = {"bands", NULL};
    struct tick_band_tail bands[TICK_BANDS_MAX] = {{0}};
    struct desk_answer answer;
    json_t *list = NULL;
    if (!instrument_in_path(ask) || !fields_known(ask, names) ||
        (list = field_list(ask, "bands", TICK_BANDS_MAX)) == NULL)
        return;
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count; i++)
        if (!field_entry(ask, json_array_get(list, i), "bands", read_band, &bands[i]))
            return;
    struct tick_table_set_cmd body = {.instrument = (uint32_t)ask->id,
                                      .band_count = (uint32_t)count};
    (void)!ask_command(ask, &answer, CMD_tick_table_set, &body, sizeof body, bands,
                       count * sizeof bands[0]);
}

// ---- schedules

// "08:30" or "08:30:15.250", UTC.
static bool time_of_day(const char *text, uint32_t *ms)
{
    unsigned hours = 0, minutes = 0, seconds = 0, thousandths = 0;
    int end = 0;
    if (sscanf(text, "%2u:%2u%n", &hours, &minutes, &end) != 2)
        return false;
    if (text[end] == ':' && sscanf(text += end, ":%2u%n", &seconds, &end) != 1)
        return false;
    if (text[end] == '.' && (sscanf(text += end, ".%3u%n", &thousandths, &end) != 1 || end != 4))
        return false;
    *ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + thousandths;
    return text[end] == 0 && hours < 24 && minutes < 60 && seconds < 60;
}

static bool read_entry(struct ask *ask, void *out)
{
    static const char *const names[] = {"at", "phase", NULL};
    struct schedule_entry_tail *entry = out;
    const char *at = NULL;
    int64_t phase = 0;
    if (!fields_known(ask, names) || !field_text(ask, &at, "at", REQUIRED) ||
        !field_word(ask, &phase, "phase", WORDS(phase_words), REQUIRED))
        return false;
    if (!time_of_day(at, &entry->time_of_day_ms)) {
        ask_refuse_field(ask, REJECT_MALFORMED, "at (HH:MM, HH:MM:SS or HH:MM:SS.mmm, UTC)");
        return false;
    }
    entry->phase = (uint8_t)(phase + 1);
    return true;
}

static bool read_weekdays(struct ask *ask, uint8_t *mask)
{
    json_t *list = field_list(ask, "weekdays", 7);
    for (size_t i = 0; list != NULL && i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        size_t day = 0;
        while (word != NULL && day < 7 && strcmp(weekday_words[day], word) != 0)
            day++;
        if (word == NULL || day == 7) {
            ask_refuse_field(ask, REJECT_MALFORMED, "weekdays (mon tue wed thu fri sat sun)");
            return false;
        }
        *mask |= (uint8_t)(1u << day);
    }
    return list != NULL;
}

void schedule_handle(struct ask *ask)
{
    static const char *const names[] = {"weekdays", "entries", NULL};
    struct schedule_entry_tail entries[SCHEDULE_ENTRIES_MAX] = {{0}};
    struct schedule_set_cmd body = {.instrument = (uint32_t)ask->id};
    struct desk_answer answer;
    json_t *list = NULL;
    if (!instrument_in_path(ask) || !fields_known(ask, names) ||
        (list = field_list(ask, "entries", SCHEDULE_ENTRIES_MAX)) == NULL ||
        (json_array_size(list) > 0 && !read_weekdays(ask, &body.weekdays)))
        return;
    body.entry_count = (uint8_t)json_array_size(list);
    for (size_t i = 0; i < body.entry_count; i++)
        if (!field_entry(ask, json_array_get(list, i), "entries", read_entry, &entries[i]))
            return;
    (void)!ask_command(ask, &answer, CMD_schedule_set, &body, sizeof body, entries,
                       body.entry_count * sizeof entries[0]);
}

// ---- mass cancel

// {"all": true} stands for "every order of the venue": an empty body must not mean that.
void mass_cancel_handle(struct ask *ask)
{
    static const char *const names[] = {"member", "account", "instrument", "side", "all", NULL};
    int64_t member = 0, account = 0, instrument = 0, side = -1;
    int all = 0;
    struct desk_answer answer;
    if (!fields_known(ask, names) ||
        !field_number(ask, &member, "member", 1, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &account, "account", 1, UINT32_MAX, OPTIONAL) ||
        !field_number(ask, &instrument, "instrument", 1, UINT32_MAX, OPTIONAL) ||
        !field_word(ask, &side, "side", WORDS(side_words), OPTIONAL) ||
        !field_bool(ask, &all, "all", OPTIONAL))
        return;
    if (member == 0 && account == 0 && instrument == 0 && all != 1) {
        ask_refuse_field(ask, REJECT_MISSING_FIELD, "member, account, instrument or all");
        return;
    }
    struct order_mass_cancel_cmd body = {.account = (uint32_t)account,
                                         .instrument = (uint32_t)instrument,
                                         .scope = SCOPE_VENUE,
                                         .side = (uint8_t)(side + 1),
                                         .member = (uint32_t)member};
    if (!ask_command(ask, &answer, CMD_order_mass_cancel, &body, sizeof body, NULL, 0))
        return;
    json_object_del(ask->answer,
                    "events"); // one for each order: FIX, WebSocket and the record tell
    json_object_set_new(ask->answer, "cancelled", json_integer((json_int_t)answer.cancelled));
    json_object_set_new(ask->answer, "goes_on", json_boolean(answer.goes_on));
}

// ---- one instrument as it is

struct instrument_picture {
    uint32_t instrument;
    json_t *json; // NULL: there is none
};

static json_t *price(int64_t units)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    if (units == 0)
        return json_null();
    decimal_print(units, 6, text);
    return json_string(text);
}

static json_t *quantity(int64_t units, unsigned scale)
{
    char text[DECIMAL_TEXT_BYTES_MAX];
    decimal_print(units, scale, text);
    return json_string(text);
}

static json_t *moment(uint64_t time_ns)
{
    char text[32];
    time_t seconds = (time_t)(time_ns / 1000000000u);
    struct tm utc;
    if (time_ns == 0)
        return json_null();
    gmtime_r(&seconds, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return json_string(text);
}

static json_t *schedule_json(const struct view_instrument *of)
{
    json_t *entries = json_array(), *weekdays = json_array();
    for (uint32_t i = 0; i < of->entry_count; i++) {
        char at[16];
        uint32_t ms = of->schedule[i].time_of_day_ms;
        snprintf(at, sizeof at, "%02u:%02u:%02u.%03u", ms / 3600000 % 24, ms / 60000 % 60,
                 ms / 1000 % 60, ms % 1000);
        json_array_append_new(entries, json_pack("{s:s, s:s}", "at", at, "phase",
                                                 word_of_phase(of->schedule[i].phase)));
    }
    for (unsigned day = 0; of->entry_count > 0 && day < 7; day++)
        if ((of->schedule[0].weekdays >> day & 1) != 0)
            json_array_append_new(weekdays, json_string(weekday_words[day]));
    return json_pack("{s:o, s:o, s:o}", "weekdays", weekdays, "entries", entries, "next",
                     moment(of->state.schedule_next_ns));
}

static json_t *tick_table_json(const struct view_instrument *of)
{
    json_t *bands = json_array();
    for (uint32_t i = 0; i < of->band_count; i++)
        json_array_append_new(bands,
                              json_pack("{s:o, s:o}", "from", quantity(of->bands[i].from_price, 6),
                                        "tick", price(of->bands[i].tick)));
    return bands;
}

static json_t *rules_json(const struct instrument_rules_rec *rules)
{
    return json_pack("{s:I, s:I, s:o, s:I, s:I}", "volatility_bps",
                     (json_int_t)rules->volatility_bps, "order_quantity_min",
                     (json_int_t)rules->order_quantity_min, "order_notional_min",
                     quantity(rules->order_notional_min, 6), "volatility_auction_ms",
                     (json_int_t)rules->volatility_auction_ms, "indicative_ms",
                     (json_int_t)rules->indicative_ms);
}

static json_t *auction_json(const struct view_instrument *of)
{
    const struct auction_evt *auction = &of->auction;
    uint8_t scale = of->terms.token_scale;
    if (auction->instrument == 0)
        return json_null();
    return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o}", "phase", word_of_phase(auction->phase),
                     "final", auction->final != 0, "price", price(auction->price), "quantity",
                     quantity(auction->quantity, scale), "surplus",
                     quantity(auction->surplus, scale), "surplus_side",
                     auction->surplus_side != 0 ? json_string(side_words[auction->surplus_side - 1])
                                                : json_null(),
                     "at", moment(of->auction_ns));
}

static json_t *statistics_json(const struct statistics *day, uint8_t scale)
{
    return json_pack("{s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "day_begin",
                     moment(day->day_begin_ns), "trades", (json_int_t)day->trades, "open",
                     price(day->open), "high", price(day->high), "low", price(day->low), "close",
                     price(day->close), "volume", quantity(day->volume, scale), "turnover",
                     quantity(day->turnover, 6), "vwap", price(statistics_vwap(day)));
}

static json_t *best_json(const struct view *view, const struct view_instrument *of, uint8_t side)
{
    struct view_level best;
    if (!view_best(view, of->terms.instrument, side, &best))
        return json_null();
    return json_pack("{s:o, s:o, s:I}", "price", price(best.price), "quantity",
                     quantity(best.quantity, of->terms.token_scale), "orders",
                     (json_int_t)best.orders);
}

static void see_instrument(void *context, const struct view *view, const struct follower *follower)
{
    (void)follower;
    struct instrument_picture *picture = context;
    const struct view_instrument *of = view_instrument(view, picture->instrument);
    if (of == NULL)
        return;
    uint8_t scale = of->terms.token_scale;
    picture->json = json_pack(
        "{s:I, s:s%, s:I, s:s, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, "
        "s:o, s:o}",
        "instrument", (json_int_t)of->terms.instrument, "symbol", of->terms.symbol,
        strnlen(of->terms.symbol, SYMBOL_BYTES_MAX), "sequence", (json_int_t)view_sequence(view),
        "phase", word_of_phase(of->state.phase), "phase_ends", moment(of->state.phase_end_ns),
        "limit_state_ends", moment(of->state.limit_state_end_ns), "breaker_tripped",
        of->state.breaker_tripped != 0, "last_price", price(of->state.last_price),
        "reference_price", price(of->state.reference_price), "nav", price(of->state.nav), "tick",
        price(of->terms.tick), "lot", (json_int_t)of->terms.lot, "tick_table", tick_table_json(of),
        "rules", rules_json(&of->rules), "schedule", schedule_json(of), "auction", auction_json(of),
        "best_bid", best_json(view, of, SIDE_BUY), "best_offer", best_json(view, of, SIDE_SELL),
        "statistics", statistics_json(view_statistics(view, picture->instrument), scale));
    ASSERT(picture->json != NULL);
}

void instrument_read(struct ask *ask)
{
    struct instrument_picture picture = {.instrument = (uint32_t)ask->id};
    if (!instrument_in_path(ask))
        return;
    if (!desk_read(ask->admin->desk, see_instrument, &picture))
        ask_refuse(ask, REJECT_SHUTTING_DOWN, 0, 0, 0);
    else if (picture.json == NULL)
        ask_refuse(ask, REJECT_UNKNOWN_INSTRUMENT, 0, (int64_t)ask->id, 0);
    else
        ask_done(ask, picture.json);
}
