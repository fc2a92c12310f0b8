#include "core/explain_life.h"
#include "core/explain_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "risk/postings.h"
#include "schema/words.h"

void explain_life_begin(struct explain_life *life, uint64_t order)
{
    memset(life, 0, sizeof *life);
    life->order = order;
    life->events = json_array();
    ASSERT(life->events != NULL);
}

void explain_life_end(struct explain_life *life)
{
    json_decref(life->events);
    free(life->cancelled_by);
    life->events = NULL;
    life->cancelled_by = NULL;
}

struct explain_text explain_life_units(const struct explain_life *life, int64_t amount)
{
    return life->is.side == SIDE_BUY ? explain_cash(amount)
                                     : explain_units(amount, life->market.terms.token_scale);
}

static struct explain_text units(const struct explain_life *life, int64_t quantity)
{
    return explain_units(quantity, life->market.terms.token_scale);
}

const char *explain_life_state(const struct explain_life *life)
{
    if (life->ended)
        return life->cancelled != 0 ? "cancelled" : "filled";
    return life->filled != 0 ? "partially_filled" : "open";
}

struct explain_text explain_life_average(const struct explain_life *life)
{
    money_sum scale = 1;
    for (unsigned i = 0; i < life->market.terms.token_scale; i++)
        scale *= 10;
    ASSERT(life->filled > 0);
    return explain_cash(explain_clamp(life->notional * scale / life->filled));
}

// ---- telling one event

// Takes `text`, which it frees.
static void note(struct explain_life *life, const struct explain_view *view,
                 const struct event *event, char *text)
{
    char dump[2048];
    event_dump(event, dump, sizeof dump);
    json_t *told = explain_element(life->events);
    explain_set_number(told, "sequence", event->header.sequence);
    explain_set(told, "time", "%s", explain_time(event->header.time_ns).text);
    explain_set(told, "text", "%s", text);
    ASSERT(json_object_set_new(told, "event", explain_record(view, dump)) == 0);
    free(text);
}

static char *text_accepted(struct explain_life *life, const struct order_accepted_evt *accepted)
{
    static const char *const waits[] = {
        [ORDER_STATE_OPEN] = "",
        [ORDER_STATE_PENDING_STOP] = "; it waits for its trigger",
        [ORDER_STATE_TRIGGERED] = "; it is triggered already",
        [ORDER_STATE_PENDING_CLOSE] = "; it waits for the closing auction",
    };
    life->is = (struct accepted){.side = accepted->side, .type = accepted->type};
    life->state_at_entry = accepted->state;
    life->price = life->price_at_entry = accepted->price;
    life->quantity = life->leaves = accepted->quantity;
    life->held = accepted->held;
    ASSERT(accepted->state <= ORDER_STATE_PENDING_CLOSE);
    return explain_format("accepted, judged and matched at %s, holds %s%s",
                          explain_cash(accepted->price).text,
                          explain_life_units(life, accepted->held).text, waits[accepted->state]);
}

static char *text_terms(const struct order_terms_evt *terms)
{
    if (terms->stop_price == 0)
        return NULL;
    return explain_format("its trigger stands at %s", explain_cash(terms->stop_price).text);
}

static char *text_trade(struct explain_life *life, const struct trade_evt *trade)
{
    bool maker = trade->maker_order == life->order;
    bool buys = life->is.side == SIDE_BUY;
    int64_t fee = maker ? trade->maker_fee : trade->taker_fee;
    int64_t notional =
        postings_notional(trade->price, trade->quantity, life->market.terms.token_scale);
    life->leaves = maker ? trade->maker_leaves : trade->taker_leaves;
    life->filled += trade->quantity;
    life->notional += notional;
    life->fees += fee;
    life->held -= buys ? notional + fee + trade->buyer_released : trade->quantity;
    life->ended = life->leaves == 0;
    return explain_format(
        "%s %s at %s %s order %" PRIu64 " of account %u (%s, fee %s%s%s), %s left",
        buys ? "bought" : "sold", units(life, trade->quantity).text,
        explain_cash(trade->price).text, buys ? "from" : "to",
        maker ? trade->taker_order : trade->maker_order,
        maker ? trade->taker_account : trade->maker_account,
        trade->kind == TRADE_AUCTION ? "auction"
        : maker                      ? "it was there before: maker"
                                     : "taker",
        explain_cash(fee).text, buys && trade->buyer_released != 0 ? ", freed " : "",
        buys && trade->buyer_released != 0 ? explain_cash(trade->buyer_released).text : "",
        units(life, life->leaves).text);
}

static char *text_cancelled(struct explain_life *life, const struct order_cancelled_evt *cancelled,
                            const struct command *command)
{
    life->cancelled = cancelled->reason;
    life->cancelled_quantity = cancelled->quantity;
    free(life->cancelled_by);
    life->cancelled_by = explain_by(command);
    life->held -= cancelled->released;
    life->leaves = 0;
    life->ended = true;
    return explain_format("cancelled with %s left: %s (%s); by %s, releases %s",
                          units(life, cancelled->quantity).text,
                          explain_cancel_sentence(cancelled->reason),
                          explain_cancel_word(cancelled->reason), life->cancelled_by,
                          explain_life_units(life, cancelled->released).text);
}

static char *text_amended(struct explain_life *life, const struct order_amended_evt *amended)
{
    life->price = amended->price;
    life->quantity = amended->quantity;
    life->leaves = amended->leaves;
    life->held -= amended->released;
    return explain_format("amended to %s at %s, %s left; %s its place in time; %s %s",
                          units(life, amended->quantity).text, explain_cash(amended->price).text,
                          units(life, amended->leaves).text,
                          amended->priority_kept ? "keeps" : "loses",
                          amended->released >= 0 ? "releases" : "holds more:",
                          explain_life_units(life, llabs(amended->released)).text);
}

static char *text_triggered(struct explain_life *life, const struct order_triggered_evt *triggered)
{
    life->then = life->market; // its turn begins: bands are around the last price of now
    life->price = triggered->price;
    life->held -= triggered->released;
    if (triggered->trigger_price == 0)
        return explain_format("enters the closing auction with %s at %s",
                              units(life, triggered->leaves).text,
                              explain_cash(triggered->price).text);
    return explain_format("triggered at %s by a trade at %s, matched at %s from now on",
                          explain_cash(triggered->stop_price).text,
                          explain_cash(triggered->trigger_price).text,
                          explain_cash(triggered->price).text);
}

static char *text_reduced(struct explain_life *life, const struct order_reduced_evt *reduced)
{
    life->quantity = reduced->quantity;
    life->leaves = reduced->leaves;
    life->held -= reduced->released;
    ASSERT(reduced->leaves > 0); // else it would have been cancelled
    return explain_format("self-trade prevention reduced it to %s, %s left",
                          units(life, reduced->quantity).text, units(life, reduced->leaves).text);
}

static char *text_rejected(struct explain_life *life, const struct rejected_evt *rejected)
{
    char text[512];
    reject_text(rejected->code, rejected->limit, rejected->value, rejected->argument,
                life->market.terms.token_scale, text, sizeof text);
    life->refused_later++;
    return explain_format("%s of it was refused: %s: %s", command_name(rejected->command),
                          reject_entry(rejected->code)->name, text);
}

// NULL: the event has another order, or says nothing of this one.
static char *text_of(struct explain_life *life, const struct event *event,
                     const struct command *command)
{
    uint64_t order = life->order;
    switch (event->header.type) {
    case EVT_order_accepted:
        return event->body.order_accepted.order == order
                   ? text_accepted(life, &event->body.order_accepted)
                   : NULL;
    case EVT_order_terms:
        return event->body.order_terms.order == order ? text_terms(&event->body.order_terms) : NULL;
    case EVT_trade:
        return event->body.trade.maker_order == order || event->body.trade.taker_order == order
                   ? text_trade(life, &event->body.trade)
                   : NULL;
    case EVT_order_cancelled:
        return event->body.order_cancelled.order == order
                   ? text_cancelled(life, &event->body.order_cancelled, command)
                   : NULL;
    case EVT_order_amended:
        return event->body.order_amended.order == order
                   ? text_amended(life, &event->body.order_amended)
                   : NULL;
    case EVT_order_triggered:
        return event->body.order_triggered.order == order
                   ? text_triggered(life, &event->body.order_triggered)
                   : NULL;
    case EVT_order_reduced:
        return event->body.order_reduced.order == order
                   ? text_reduced(life, &event->body.order_reduced)
                   : NULL;
    case EVT_order_refreshed:
        return event->body.order_refreshed.order == order
                   ? explain_format("shows its next slice of %s, at the back of its price",
                                    units(life, event->body.order_refreshed.displayed).text)
                   : NULL;
    case EVT_rejected:
        return event->body.rejected.order == order ? text_rejected(life, &event->body.rejected)
                                                   : NULL;
    default:
        return NULL;
    }
}

// What happens to its market meanwhile; NULL: nothing that matters to it.
static char *text_of_market(const struct explain_life *life, const struct event *event)
{
    const struct instrument_state_rec *was = &life->market.state;
    const struct instrument_state_evt *is = &event->body.instrument_state;
    if (event->header.type == EVT_venue_state_changed)
        return explain_format("(the venue is now %s)",
                              explain_venue_word(event->body.venue_state_changed.state));
    if (event->header.type == EVT_kill_changed)
        return explain_format(
            "(kill switch of %s %u is now %s)", word_of_kill_scope(event->body.kill_changed.scope),
            event->body.kill_changed.id, event->body.kill_changed.killed ? "on" : "off");
    if (event->header.type == EVT_auction &&
        event->body.auction.instrument == life->market.terms.instrument &&
        event->body.auction.final)
        return explain_format("(auction at %s: %s traded)",
                              explain_cash(event->body.auction.price).text,
                              units(life, event->body.auction.quantity).text);
    if (event->header.type != EVT_instrument_state ||
        is->instrument != life->market.terms.instrument)
        return NULL;
    if (is->phase != was->phase)
        return explain_format("(phase %s, before %s)", word_of_phase(is->phase),
                              word_of_phase(was->phase));
    if (is->breaker_tripped != was->breaker_tripped)
        return explain_format("(the circuit breaker is %s)",
                              is->breaker_tripped ? "tripped" : "reset");
    if (is->limit_state_end_ns != was->limit_state_end_ns)
        return is->limit_state_end_ns != 0
                   ? explain_format("(limit state until %s)",
                                    explain_time(is->limit_state_end_ns).text)
                   : explain_format("(the limit state is over)");
    return NULL;
}

static void note_passed(struct explain_life *life, const struct trade_evt *trade)
{
    struct explain_passed *passed = &life->passed;
    bool good =
        life->is.side == SIDE_BUY ? trade->price <= life->price : trade->price >= life->price;
    if (trade->instrument != life->market.terms.instrument)
        return;
    passed->trades++;
    passed->quantity += trade->quantity;
    passed->at_its_price += good;
    passed->at_its_price_quantity += good ? trade->quantity : 0;
    if (passed->low == 0 || trade->price < passed->low)
        passed->low = trade->price;
    if (trade->price > passed->high)
        passed->high = trade->price;
}

bool explain_life_command(struct explain_life *life, const struct explain_view *view,
                          const struct command *command, const struct event_sink *sink)
{
    ASSERT(!life->ended);
    life->then = life->market;
    for (uint32_t i = 0; i < sink->count; i++) {
        const struct event *event = &sink->events[(sink->position + i) & sink->mask];
        char *text = text_of(life, event, command);
        if (text == NULL)
            text = text_of_market(life, event);
        if (text != NULL)
            note(life, view, event, text);
        else if (event->header.type == EVT_trade)
            note_passed(life, &event->body.trade);
        explain_market_follow(&life->market, event);
    }
    return !life->ended;
}

void explain_life_tell(const struct explain_life *life, struct explain_answer *answer)
{
    explain_say(answer, "\nWhat happened");
    for (size_t i = 0; i < json_array_size(life->events); i++) {
        const json_t *event = json_array_get(life->events, i);
        explain_say(answer, "  %" JSON_INTEGER_FORMAT "  %s  %s",
                    json_integer_value(json_object_get(event, "sequence")),
                    json_string_value(json_object_get(event, "time")),
                    json_string_value(json_object_get(event, "text")));
    }
    ASSERT(json_object_set(answer->root, "life", life->events) == 0);
}
