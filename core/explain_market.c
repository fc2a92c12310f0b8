#include "core/explain_market.h"

#include <inttypes.h>
#include <string.h>

#include "core/explain_words.h"
#include "risk/order_check.h"
#include "schema/words.h"

enum { BPS_ONE = 10000 };

void explain_market_of(struct explain_market *market, const struct explain_view *view,
                       uint32_t instrument)
{
    const struct snapshot_record *record;
    memset(market, 0, sizeof *market);
#define TAKE(field, name)                                                                          \
    if ((record = explain_view_find(view, REC_##name, instrument)) != NULL)                        \
    market->field = record->body.name
    TAKE(terms, instrument);
    TAKE(state, instrument_state);
    TAKE(rules, instrument_rules);
    TAKE(controls, instrument_controls);
#undef TAKE
}

void explain_market_follow(struct explain_market *market, const struct event *event)
{
    uint32_t instrument = market->terms.instrument;
    switch (event->header.type) {
#define TAKE(event_name, field)                                                                    \
    case EVT_##event_name:                                                                         \
        if (event->body.event_name.instrument == instrument)                                       \
            memcpy(&market->field, &event->body.event_name, sizeof market->field);                 \
        break
        TAKE(instrument_changed, terms);
        TAKE(instrument_rules_changed, rules);
        TAKE(instrument_controls_changed, controls);
        TAKE(auction, auction);
#undef TAKE
    case EVT_instrument_state:
        if (event->body.instrument_state.instrument != instrument)
            break;
        if (event->body.instrument_state.phase != market->state.phase)
            memset(&market->auction, 0, sizeof market->auction);
        memcpy(&market->state, &event->body.instrument_state, sizeof market->state);
        break;
    case EVT_trade:
        if (event->body.trade.instrument == instrument)
            market->state.last_price = event->body.trade.price;
        break;
    default:
        break;
    }
}

bool explain_market_calls(const struct explain_market *market)
{
    switch (market->state.phase) {
    case PHASE_PRE_OPEN:
    case PHASE_OPENING_AUCTION:
    case PHASE_VOLATILITY_AUCTION:
    case PHASE_CLOSING_AUCTION:
        return true;
    default:
        return false;
    }
}

// ---- bands

static struct explain_band band(int64_t around, uint32_t bps)
{
    if (around <= 0 || bps == 0)
        return (struct explain_band){0};
    money_sum distance = (money_sum)around * bps / BPS_ONE;
    return (struct explain_band){.low = distance < around ? around - (int64_t)distance : 1,
                                 .high = explain_clamp(around + distance),
                                 .around = around};
}

// What static band and breaker are measured from.
static int64_t anchor(const struct explain_market *market)
{
    return market->state.reference_price != 0 ? market->state.reference_price : market->state.nav;
}

struct explain_band explain_market_static_band(const struct explain_market *market)
{
    return band(anchor(market), market->rules.volatility_bps);
}

struct explain_band explain_market_dynamic_band(const struct explain_market *market)
{
    return band(market->state.last_price, market->controls.dynamic_bps);
}

struct explain_band explain_market_breaker_band(const struct explain_market *market)
{
    return band(anchor(market), market->terms.breaker_bps);
}

// ---- telling

static const char *price_or_none(char out[48], int64_t price)
{
    snprintf(out, 48, "%s", price != 0 ? explain_cash(price).text : "none");
    return out;
}

static void tell_prices(struct explain_answer *answer, json_t *object,
                        const struct explain_market *market, uint64_t now_ns)
{
    const struct instrument_state_rec *state = &market->state;
    char last[48], reference[48], nav[48], age[64] = "";
    price_or_none(last, state->last_price);
    price_or_none(reference, state->reference_price);
    price_or_none(nav, state->nav);
    if (state->nav != 0) {
        ASSERT(now_ns >= state->nav_time_ns);
        const char *stale =
            market->controls.nav_stale_ms != 0 &&
                    now_ns - state->nav_time_ns > (uint64_t)market->controls.nav_stale_ms * 1000000
                ? ", stale"
                : "";
        snprintf(age, sizeof age, " (%s old%s)", explain_duration(now_ns - state->nav_time_ns).text,
                 stale);
        explain_set_number(object, "nav_age_ms", (now_ns - state->nav_time_ns) / 1000000);
    }
    explain_say(answer, "  prices: last trade %s, reference %s, NAV %s%s", last, reference, nav,
                age);
    explain_set(object, "last_price", "%s", last);
    explain_set(object, "reference_price", "%s", reference);
    explain_set(object, "nav", "%s", nav);
}

static void tell_band(struct explain_answer *answer, json_t *object, const char *key,
                      const char *name, const struct explain_band *band, uint32_t bps)
{
    if (band->around == 0)
        return;
    explain_say(answer, "  %s: %s to %s (%u bps around %s)", name, explain_cash(band->low).text,
                explain_cash(band->high).text, bps, explain_cash(band->around).text);
    json_t *made = explain_object(object, key);
    explain_set(made, "low", "%s", explain_cash(band->low).text);
    explain_set(made, "high", "%s", explain_cash(band->high).text);
    explain_set(made, "around", "%s", explain_cash(band->around).text);
    explain_set_number(made, "bps", bps);
}

static void tell_bands(struct explain_answer *answer, json_t *object,
                       const struct explain_market *market)
{
    const struct explain_band fixed = explain_market_static_band(market);
    const struct explain_band moving = explain_market_dynamic_band(market);
    const struct explain_band breaker = explain_market_breaker_band(market);
    const struct explain_band collar =
        band(order_check_reference(&market->state), market->terms.collar_bps);
    tell_band(answer, object, "static_band", "static band", &fixed, market->rules.volatility_bps);
    tell_band(answer, object, "dynamic_band", "dynamic band", &moving,
              market->controls.dynamic_bps);
    tell_band(answer, object, "breaker_band", "breaker trips outside", &breaker,
              market->terms.breaker_bps);
    tell_band(answer, object, "collar", "collar of market orders", &collar,
              market->terms.collar_bps);
}

static void tell_side(struct explain_answer *answer, json_t *object, const char *key,
                      const struct explain_side *side, unsigned scale)
{
    json_t *made = explain_object(object, key);
    explain_set_number(made, "orders", side->all.orders);
    explain_set(made, "quantity", "%s", explain_units(explain_clamp(side->all.open), scale).text);
    if (side->best == 0) {
        explain_say(answer, "  %s: none", key);
        return;
    }
    explain_set(made, "price", "%s", explain_cash(side->best).text);
    explain_set(made, "at_best", "%s",
                explain_units(explain_clamp(side->at_best.open), scale).text);
    explain_say(answer, "  %s: %s for %s (%s for %s on that side)", key,
                explain_cash(side->best).text,
                explain_units(explain_clamp(side->at_best.open), scale).text,
                explain_count(side->all.orders, "order").text,
                explain_units(explain_clamp(side->all.open), scale).text);
}

static void tell_phase(struct explain_answer *answer, json_t *object,
                       const struct explain_market *market, const struct explain_view *view)
{
    const struct instrument_state_rec *state = &market->state;
    char limit_state[96] = "";
    if (state->limit_state_end_ns != 0) {
        snprintf(limit_state, sizeof limit_state, ", in a limit state until %s",
                 explain_time(state->limit_state_end_ns).text);
        explain_set(object, "limit_state_end", "%s", explain_time(state->limit_state_end_ns).text);
    }
    explain_say(answer, "  %s: phase %s, circuit breaker %s%s; venue %s",
                explain_view_symbol(view, state->instrument).text, word_of_phase(state->phase),
                state->breaker_tripped ? "tripped" : "not tripped", limit_state,
                explain_venue_word(view->venue_state));
    explain_set_number(object, "instrument", state->instrument);
    explain_set(object, "symbol", "%s", explain_view_symbol(view, state->instrument).text);
    explain_set(object, "venue", "%s", explain_venue_word(view->venue_state));
    explain_set(object, "phase", "%s", word_of_phase(state->phase));
    ASSERT(json_object_set_new(object, "breaker_tripped", json_boolean(state->breaker_tripped)) ==
           0);
}

void explain_market_tell(struct explain_answer *answer, json_t *object,
                         const struct explain_market *market, const struct explain_view *view,
                         uint64_t now_ns)
{
    uint32_t instrument = market->terms.instrument;
    ASSERT(instrument != 0);
    const struct explain_side buys = explain_view_side(view, instrument, SIDE_BUY);
    const struct explain_side sells = explain_view_side(view, instrument, SIDE_SELL);
    tell_phase(answer, object, market, view);
    tell_side(answer, object, "bid", &buys, market->terms.token_scale);
    tell_side(answer, object, "ask", &sells, market->terms.token_scale);
    tell_prices(answer, object, market, now_ns);
    tell_bands(answer, object, market);
}
