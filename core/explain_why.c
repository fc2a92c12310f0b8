#include "core/explain_why.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/explain_record.h"
#include "core/explain_words.h"
#include "schema/words.h"

struct why {
    struct explain_answer *answer;
    const struct explain_life *life;
    const struct explain_view *last;
    const struct explain_market *market; // at the end
    json_t *sentences;
    unsigned scale;
};

#define SAY(why, ...) explain_tell((why)->answer, (why)->sentences, "  ", __VA_ARGS__)

static struct explain_text units(const struct why *why, money_sum quantity)
{
    return explain_units(explain_clamp(quantity), why->scale);
}

// ---- what was stopped at a band

static void say_band(const struct why *why, const char *name, const struct explain_band *band,
                     uint32_t bps, int64_t next)
{
    if (band->around == 0)
        return;
    bool beyond = next != 0 && (next < band->low || next > band->high);
    SAY(why, "%s: %s to %s, %u bps around %s%s", name, explain_cash(band->low).text,
        explain_cash(band->high).text, bps, explain_cash(band->around).text,
        beyond ? ": this one held it" : "");
}

// The order that it stopped at is still the best of the other side.
static int64_t next_price(const struct why *why)
{
    uint8_t other = why->life->is.side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
    return explain_view_side(why->last, why->market->terms.instrument, other).best;
}

static void say_bands(const struct why *why)
{
    const struct explain_market *then = &why->life->then;
    const struct explain_band fixed = explain_market_static_band(then);
    const struct explain_band moving = explain_market_dynamic_band(then);
    int64_t next = next_price(why);
    if (next != 0)
        SAY(why, "the next order on the other side stood at %s", explain_cash(next).text);
    say_band(why, "static band", &fixed, then->rules.volatility_bps, next);
    say_band(why, "dynamic band", &moving, then->controls.dynamic_bps, next);
}

static void say_breaker(const struct why *why)
{
    const struct explain_band breaker = explain_market_breaker_band(&why->life->then);
    SAY(why, "the circuit breaker trips at a trade outside %s to %s, %u bps around %s",
        explain_cash(breaker.low).text, explain_cash(breaker.high).text,
        why->life->then.terms.breaker_bps, explain_cash(breaker.around).text);
}

// The rest of an order that may not rest: what there still was on the other side.
static void say_other_side(const struct why *why)
{
    int64_t next = next_price(why);
    if (next == 0)
        SAY(why, "nothing was left on the other side");
    else
        SAY(why, "the next order on the other side stood at %s, its own price was %s",
            explain_cash(next).text, explain_cash(why->life->price).text);
}

static void say_record(const struct why *why, const struct snapshot_record *record)
{
    json_t *json = explain_snapshot(why->last, record);
    char *line = explain_line(json);
    SAY(why, "%s", line);
    free(line);
    json_decref(json);
}

static struct explain_whose whose(const struct why *why)
{
    uint32_t account = why->life->command.body.order_new.account;
    return (struct explain_whose){.account = account,
                                  .member = explain_view_account(why->last, account)->member,
                                  .session = why->life->command.header.session};
}

static void say_kills(const struct why *why)
{
    const struct explain_whose ours = whose(why);
    for (size_t i = 0; i < why->last->count; i++)
        if (why->last->records[i].header.type == REC_kill &&
            explain_kill_concerns(&why->last->records[i].body.kill, &ours))
            say_record(why, &why->last->records[i]);
}

static void say_person(const struct why *why)
{
    const struct explain_whose ours = whose(why);
    say_record(why, explain_view_find(why->last, REC_account, ours.account));
    say_record(why, explain_view_find(why->last, REC_member, ours.member));
}

// Of what it held.
static void say_balance(const struct why *why)
{
    uint32_t account = whose(why).account;
    uint32_t asset = why->life->is.side == SIDE_BUY ? why->market->terms.cash_asset
                                                    : why->market->terms.token_asset;
    for (size_t i = 0; i < why->last->count; i++) {
        const struct snapshot_record *record = &why->last->records[i];
        if (record->header.type == REC_balance && record->body.balance.account == account &&
            record->body.balance.asset == asset)
            say_record(why, record);
    }
}

static void why_cancelled(const struct why *why)
{
    const struct explain_life *life = why->life;
    SAY(why, "%s were cancelled by %s: %s", units(why, life->cancelled_quantity).text,
        life->cancelled_by, explain_cancel_sentence(life->cancelled));
    switch (life->cancelled) {
    case CANCEL_VOLATILITY:
    case CANCEL_BAND:
        say_bands(why);
        break;
    case CANCEL_BREAKER:
        say_breaker(why);
        break;
    case CANCEL_IOC:
    case CANCEL_FOK:
    case CANCEL_MINIMUM:
        say_other_side(why);
        break;
    case CANCEL_KILLED:
        say_kills(why);
        break;
    case CANCEL_SUSPENDED:
        say_person(why);
        break;
    case CANCEL_UNCOVERED:
        say_balance(why);
        break;
    default: // the sentence says all
        break;
    }
}

// ---- what is still open

static void say_passed(const struct why *why)
{
    const struct explain_passed *passed = &why->life->passed;
    if (passed->trades == 0) {
        SAY(why, "no other trade was made in %s since it came",
            explain_view_symbol(why->last, why->market->terms.instrument).text);
        return;
    }
    SAY(why,
        "others' trades since it came: %" PRIu64 " for %s, from %s to %s; at its price or better, "
        "with orders before it: %" PRIu64 " for %s",
        passed->trades, units(why, passed->quantity).text, explain_cash(passed->low).text,
        explain_cash(passed->high).text, passed->at_its_price,
        units(why, passed->at_its_price_quantity).text);
}

static void say_venue(const struct why *why)
{
    const struct instrument_state_rec *state = &why->market->state;
    if (why->last->venue_state != VENUE_OPEN)
        SAY(why, "the venue takes cancels only: no new order can come to trade with it");
    if (state->breaker_tripped)
        SAY(why, "the circuit breaker is tripped: new orders are refused until it is reset");
    if (state->limit_state_end_ns != 0)
        SAY(why, "the instrument is in a limit state until %s",
            explain_time(state->limit_state_end_ns).text);
}

static void say_call(const struct why *why)
{
    const struct auction_evt *auction = &why->market->auction;
    const struct instrument_state_rec *state = &why->market->state;
    SAY(why, "the phase is %s: orders are collected and trade at its end%s%s",
        word_of_phase(state->phase), state->phase_end_ns != 0 ? ", at " : "",
        state->phase_end_ns != 0 ? explain_time(state->phase_end_ns).text : "");
    if (auction->instrument == 0)
        return;
    if (auction->price == 0) {
        SAY(why, "as the book is, nothing could be matched");
        return;
    }
    bool buys = why->life->is.side == SIDE_BUY;
    bool good = why->life->is.type == ORDER_MARKET ||
                (buys ? why->life->price >= auction->price : why->life->price <= auction->price);
    SAY(why, "the indicative price is %s for %s: its price %s it",
        explain_cash(auction->price).text, units(why, auction->quantity).text,
        good ? "allows" : "does not allow");
}

static void say_schedule(const struct why *why)
{
    if (why->market->state.schedule_next_ns != 0)
        SAY(why, "the schedule's next entry is due at %s",
            explain_time(why->market->state.schedule_next_ns).text);
}

static void say_distance(const struct why *why, const struct order_rec *order)
{
    uint8_t other = order->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
    const struct explain_side side = explain_view_side(why->last, order->instrument, other);
    if (side.best == 0) {
        SAY(why, "nobody is on the other side");
        return;
    }
    int64_t away = order->side == SIDE_BUY ? side.best - order->price : order->price - side.best;
    if (away > 0)
        SAY(why, "the best on the other side is %s for %s: %s away from its price %s",
            explain_cash(side.best).text, units(why, side.at_best.open).text,
            explain_cash(away).text, explain_cash(order->price).text);
    else
        SAY(why, "the best on the other side is %s for %s: its price %s allows that",
            explain_cash(side.best).text, units(why, side.at_best.open).text,
            explain_cash(order->price).text);
}

static void say_ahead(const struct why *why, const struct order_rec *order)
{
    const struct explain_ahead ahead = explain_view_ahead_of(why->last, order);
    SAY(why, "ahead of it now: %s for %s at better prices, %" PRIu64 " for %s earlier at its price",
        explain_count(ahead.better.orders, "order").text, units(why, ahead.better.open).text,
        ahead.level.orders, units(why, ahead.level.open).text);
    json_t *json = explain_object(why->answer->root, "ahead_now");
    explain_set_number(json, "better_orders", ahead.better.orders);
    explain_set(json, "better_quantity", "%s", units(why, ahead.better.open).text);
    explain_set_number(json, "level_orders", ahead.level.orders);
    explain_set(json, "level_quantity", "%s", units(why, ahead.level.open).text);
}

static void why_in_book(const struct why *why, const struct order_rec *order,
                        const struct order_terms_rec *terms)
{
    uint8_t phase = why->market->state.phase;
    SAY(why, "it is in the book with %s open at %s", units(why, order->leaves).text,
        explain_cash(order->price).text);
    if (terms != NULL && terms->hidden != 0)
        SAY(why, "of that %s show", units(why, order->leaves - terms->hidden).text);
    say_venue(why);
    if (explain_market_calls(why->market))
        say_call(why);
    else if (phase != PHASE_CONTINUOUS)
        SAY(why, "the phase is %s: nothing trades", word_of_phase(phase));
    say_ahead(why, order);
    say_distance(why, order);
    say_passed(why);
}

static void why_stop(const struct why *why, const struct order_terms_rec *terms)
{
    const struct explain_passed *passed = &why->life->passed;
    bool buys = why->life->is.side == SIDE_BUY;
    int64_t best = buys ? passed->high : passed->low;
    ASSERT(terms != NULL);
    SAY(why, "it waits for its trigger: a trade at %s or %s%s",
        explain_cash(terms->stop_price).text, buys ? "above" : "below",
        terms->trail_offset != 0 ? " (it follows the market)" : "");
    if (passed->trades == 0)
        SAY(why, "no trade was made in %s since it came; the last one before was at %s",
            explain_view_symbol(why->last, why->market->terms.instrument).text,
            explain_cash(why->market->state.last_price).text);
    else
        SAY(why, "the %s trade since it came was at %s (of %s)", buys ? "highest" : "lowest",
            explain_cash(best).text, explain_count(passed->trades, "trade").text);
    if (why->market->state.phase != PHASE_CONTINUOUS)
        SAY(why, "the phase is %s: triggered stops wait for continuous trading",
            word_of_phase(why->market->state.phase));
    say_venue(why);
}

static void why_open(const struct why *why)
{
    const struct order_terms_rec *terms = NULL;
    const struct order_rec *order = explain_view_order(why->last, why->life->order, &terms);
    ASSERT(order != NULL); // what has not ended is open
    switch (order->state) {
    case ORDER_STATE_OPEN:
        why_in_book(why, order, terms);
        break;
    case ORDER_STATE_PENDING_STOP:
        why_stop(why, terms);
        break;
    case ORDER_STATE_TRIGGERED:
        SAY(why,
            "it is triggered and waits for its turn: the queue is worked off in continuous "
            "trading, phase %s",
            word_of_phase(why->market->state.phase));
        say_venue(why);
        break;
    default:
        ASSERT(order->state == ORDER_STATE_PENDING_CLOSE);
        SAY(why, "it waits for the closing auction; the phase is %s",
            word_of_phase(why->market->state.phase));
        say_schedule(why);
        break;
    }
    say_kills(why);
    SAY(why, "it holds %s", explain_life_units(why->life, order->held).text);
    if (order->held != why->life->held)
        SAY(why, "its events add up to a hold of %s: this should not be",
            explain_life_units(why->life, why->life->held).text);
}

void explain_why_tell(struct explain_answer *answer, const struct explain_life *life,
                      const struct explain_view *last)
{
    struct explain_market market;
    explain_market_of(&market, last, life->market.terms.instrument);
    market.auction = life->market.auction;
    const struct why why = {.answer = answer,
                            .life = life,
                            .last = last,
                            .market = &market,
                            .sentences = explain_array(answer->root, "why"),
                            .scale = market.terms.token_scale};
    if (life->ended && life->cancelled == 0) {
        explain_say(answer, "\nNothing is left of it.");
        return;
    }
    explain_say(answer, "\n%s",
                life->ended ? "Why it did not trade (wholly)"
                            : "Why it has not traded (wholly) yet");
    explain_set_number(answer->root, "as_of", last->sequence);
    if (life->ended)
        why_cancelled(&why);
    else
        why_open(&why);
}
