#include "gateway/web/teller.h"

#include "base/assert.h"
#include "gateway/web/shapes.h"
#include "schema/words.h"

// A trade is told twice, to the maker and to the taker, its correction to buyer and seller, who may
// be one account: every event has two places.
static struct teller_place place_of(const struct event *event, bool second)
{
    return (struct teller_place){event->header.sequence, event->header.index * 2 + second};
}

static void update_begin(struct teller *teller, const char *type, struct teller_place place)
{
    json_clear(teller->out);
    json_open(teller->out, '{');
    json_text(teller->out, "type", type);
    json_integer(teller->out, "sequence", (int64_t)place.sequence);
    json_integer(teller->out, "index", place.index);
}

// ---- orders ----------------------------------------------------------------------------------

static void order_begin(struct teller *teller, struct teller_place place, const char *event)
{
    update_begin(teller, "order", place);
    json_text(teller->out, "event", event);
}

static void order_end(struct teller *teller, const struct view_order *order,
                      const struct order_note *note, struct teller_place place, uint64_t answered)
{
    json_name(teller->out, "order");
    shape_order(teller->out, teller->view, order, note);
    json_close(teller->out, '}');
    teller->tell(teller->context, order->account, place, answered);
}

static void tell_held(struct teller *teller)
{
    const struct teller_held *held = &teller->held;
    bool accepted = held->event == EVT_order_accepted;
    order_begin(teller, held->place, accepted ? "accepted" : "amended");
    if (!accepted)
        json_boolean(teller->out, "priority_kept", held->priority_kept);
    order_end(teller, &held->order,
              &(struct order_note){.minimum_quantity = held->minimum_quantity}, held->place,
              held->answered);
    teller->held.event = 0;
}

static const struct view_order *order_to_tell(struct teller *teller, uint64_t order)
{
    const struct view_order *found = view_order(teller->view, order);
    ASSERT(found != NULL);
    return teller->wanted(teller->context, found->account) ? found : NULL;
}

static void hold(struct teller *teller, const struct event *event, uint64_t order,
                 bool priority_kept, uint64_t answered)
{
    const struct view_order *found = order_to_tell(teller, order);
    if (found == NULL)
        return;
    teller->held = (struct teller_held){.event = event->header.type,
                                        .order = *found,
                                        .place = place_of(event, false),
                                        .answered = answered,
                                        .priority_kept = priority_kept};
}

// Any event behind the one that is held: its terms, or something that comes after it.
static void release_held(struct teller *teller, const struct event *event)
{
    const struct order_terms_evt *terms = &event->body.order_terms;
    struct teller_held *held = &teller->held;
    if (held->event == 0)
        return;
    if (event->header.type == EVT_order_terms && terms->order == held->order.order) {
        held->order = *view_order(teller->view, terms->order);
        held->minimum_quantity = terms->minimum_quantity;
    }
    tell_held(teller);
}

static void on_cancelled(struct teller *teller, const struct event *event, uint64_t answered)
{
    const struct order_cancelled_evt *cancelled = &event->body.order_cancelled;
    const struct view_order *order = order_to_tell(teller, cancelled->order);
    struct teller_place place = place_of(event, false);
    if (order == NULL)
        return;
    order_begin(teller, place, "cancelled");
    order_end(teller, order,
              &(struct order_note){.cancelled = cancelled->quantity, .reason = cancelled->reason},
              place, answered);
}

// A stop, by the trade at trigger_price; or an at-close order, by the closing auction's begin.
static void on_triggered(struct teller *teller, const struct event *event)
{
    const struct order_triggered_evt *triggered = &event->body.order_triggered;
    const struct view_order *order = order_to_tell(teller, triggered->order);
    struct teller_place place = place_of(event, false);
    if (order == NULL)
        return;
    order_begin(teller, place, "triggered");
    if (triggered->trigger_price != 0) {
        json_decimal(teller->out, "trigger_price", triggered->trigger_price, CASH_SCALE);
        json_decimal(teller->out, "stop_price", triggered->stop_price, CASH_SCALE);
    }
    order_end(teller, order, &(struct order_note){0}, place, 0);
}

static void on_reduced(struct teller *teller, const struct event *event)
{
    const struct order_reduced_evt *reduced = &event->body.order_reduced;
    const struct view_order *order = order_to_tell(teller, reduced->order);
    struct teller_place place = place_of(event, false);
    if (order == NULL)
        return;
    order_begin(teller, place, "reduced");
    order_end(teller, order, &(struct order_note){.reason = reduced->reason}, place, 0);
}

static void on_refreshed(struct teller *teller, const struct event *event)
{
    const struct view_order *order = order_to_tell(teller, event->body.order_refreshed.order);
    struct teller_place place = place_of(event, false);
    if (order == NULL)
        return;
    order_begin(teller, place, "refreshed");
    order_end(teller, order, &(struct order_note){0}, place, 0);
}

// ---- fills -----------------------------------------------------------------------------------

static void tell_fill(struct teller *teller, const struct event *event, uint32_t account,
                      bool taker)
{
    struct teller_place place = place_of(event, taker);
    if (!teller->wanted(teller->context, account))
        return;
    update_begin(teller, "fill", place);
    json_name(teller->out, "fill");
    shape_fill(teller->out, teller->view, event, taker);
    json_close(teller->out, '}');
    teller->tell(teller->context, account, place, 0);
}

static void tell_corrected(struct teller *teller, const struct event *event, uint32_t account,
                           uint8_t side)
{
    struct teller_place place = place_of(event, side == SIDE_SELL);
    if (!teller->wanted(teller->context, account))
        return;
    update_begin(teller, "trade_corrected", place);
    json_name(teller->out, "correction");
    shape_correction(teller->out, teller->view, event, side);
    json_close(teller->out, '}');
    teller->tell(teller->context, account, place, 0);
}

// ---- settlement instructions -----------------------------------------------------------------

// The same to every party: who sees several of them gets it once.
static void tell_xvp(struct teller *teller, const struct event *event)
{
    const struct xvp_changed_evt *changed = &event->body.xvp_changed;
    const struct xvp_party_list *parties = view_xvp_parties(teller->view, changed->xvp);
    struct teller_place place = place_of(event, false);
    if (parties == NULL)
        return; // created before there were any to know of
    update_begin(teller, "settlement_instruction", place);
    json_text(teller->out, "event", word_of_xvp_step(changed->step));
    json_name(teller->out, "instruction");
    shape_xvp(teller->out, event);
    json_close(teller->out, '}');
    for (uint32_t i = 0; i < parties->count; i++)
        if (teller->wanted(teller->context, parties->accounts[i]))
            teller->tell(teller->context, parties->accounts[i], place, 0);
}

// One that is created names its parties by the events behind.
static void on_xvp(struct teller *teller, const struct event *event)
{
    if (event->header.type == EVT_xvp_changed && event->body.xvp_changed.step == XVP_STEP_CREATED)
        teller->created = *event;
    else if (event->header.type == EVT_xvp_changed)
        tell_xvp(teller, event);
    if (teller->created.header.type != 0 && event->header.last != 0) {
        tell_xvp(teller, &teller->created);
        teller->created.header.type = 0;
    }
}

void teller_on_event(struct teller *teller, const struct event *event, uint64_t answered)
{
    release_held(teller, event);
    switch (event->header.type) {
    case EVT_order_accepted:
        hold(teller, event, event->body.order_accepted.order, false, answered);
        break;
    case EVT_order_amended:
        hold(teller, event, event->body.order_amended.order,
             event->body.order_amended.priority_kept != 0, answered);
        break;
    case EVT_trade:
        tell_fill(teller, event, event->body.trade.maker_account, false);
        tell_fill(teller, event, event->body.trade.taker_account, true);
        break;
    case EVT_trade_corrected:
        tell_corrected(teller, event, event->body.trade_corrected.buyer_account, SIDE_BUY);
        tell_corrected(teller, event, event->body.trade_corrected.seller_account, SIDE_SELL);
        break;
    case EVT_order_cancelled:
        on_cancelled(teller, event, answered);
        break;
    case EVT_order_triggered:
        on_triggered(teller, event);
        break;
    case EVT_order_reduced:
        on_reduced(teller, event);
        break;
    case EVT_order_refreshed:
        on_refreshed(teller, event);
        break;
    default:
        break;
    }
    on_xvp(teller, event);
    if (teller->held.event != 0 && event->header.last != 0)
        tell_held(teller);
}
