// Private updates: what happens to an account's orders and balances, sent to everybody who is
// logged in for that account, whichever gateway caused it. The connection that has just got the
// same as its answer is left out. A message is made once per account.
//
// What an order has beyond price and quantity comes as the event behind its acceptance or amend:
// that update is held until then, so that it is told once and whole.
#include <stdlib.h>

#include "gateway/web/shapes.h"
#include "gateway/web/web.h"

static bool anybody(const struct web *web, uint32_t account)
{
    return users_of_account(web, account) != NULL;
}

// ---- balances --------------------------------------------------------------------------------

static void mark(struct web *web, uint32_t account, uint32_t asset)
{
    if (!anybody(web, account))
        return;
    for (size_t i = 0; i < web->dirty_count; i++)
        if (web->dirty[i].account == account && web->dirty[i].asset == asset)
            return;
    if (web->dirty_count == DIRTY_BALANCES_MAX)
        private_flush(web);
    web->dirty[web->dirty_count].account = account;
    web->dirty[web->dirty_count].asset = asset;
    web->dirty_count++;
}

static void mark_both(struct web *web, uint32_t account, uint32_t instrument)
{
    const struct view_instrument *found = view_instrument(web->view, instrument);
    if (found == NULL)
        return;
    mark(web, account, found->terms.token_asset);
    mark(web, account, found->terms.cash_asset);
}

static void balances_begin(struct web *web, bool snapshot)
{
    struct json_out *out = &web->out;
    json_boolean(out, "snapshot", snapshot);
    json_integer(out, "sequence", (int64_t)view_sequence(web->view));
    json_name(out, "balances");
    json_open(out, '[');
}

static void flush_account(struct web *web, uint32_t account)
{
    struct json_out *out = &web->out;
    json_clear(out);
    json_open(out, '{');
    json_text(out, "type", "balances");
    balances_begin(web, false);
    for (size_t i = 0; i < web->dirty_count; i++) {
        struct balance_rec balance;
        if (web->dirty[i].account != account)
            continue;
        if (view_balance(web->view, account, web->dirty[i].asset, &balance))
            shape_balance(out, web->view, &balance);
        web->dirty[i].account = 0;
    }
    json_close(out, ']');
    json_close(out, '}');
    send_out_to_account(web, account, 0);
}

void private_flush(struct web *web)
{
    for (size_t i = 0; i < web->dirty_count; i++)
        if (web->dirty[i].account != 0)
            flush_account(web, web->dirty[i].account);
    web->dirty_count = 0;
}

void private_send_balances(struct web *web, struct user *user, const struct reply *reply)
{
    uint32_t accounts[SESSION_ACCOUNTS_MAX];
    size_t count =
        view_session_accounts(web->view, user->session, RIGHT_SEE, accounts, SESSION_ACCOUNTS_MAX);
    reply_begin(web, reply, "balances");
    balances_begin(web, true);
    for (size_t i = 0; i < count; i++)
        for (int64_t asset = 1; asset <= web->config->limits_assets_max; asset++) {
            struct balance_rec balance;
            if (view_balance(web->view, accounts[i], (uint32_t)asset, &balance))
                shape_balance(&web->out, web->view, &balance);
        }
    json_close(&web->out, ']');
    reply_end(web, reply, 200);
}

// ---- orders ----------------------------------------------------------------------------------

static void order_into(void *context, const struct view_order *order)
{
    struct web *web = context;
    if (order->leaves > 0)
        shape_order(&web->out, web->view, order, &(struct order_note){0});
}

void private_send_orders(struct web *web, struct user *user, const struct reply *reply)
{
    uint32_t accounts[SESSION_ACCOUNTS_MAX];
    size_t count =
        view_session_accounts(web->view, user->session, RIGHT_SEE, accounts, SESSION_ACCOUNTS_MAX);
    reply_begin(web, reply, "orders");
    json_integer(&web->out, "sequence", (int64_t)view_sequence(web->view));
    json_name(&web->out, "orders");
    json_open(&web->out, '[');
    for (size_t i = 0; i < count; i++)
        view_orders_of_account(web->view, accounts[i], order_into, web);
    json_close(&web->out, ']');
    reply_end(web, reply, 200);
}

static void update_begin(struct web *web, uint64_t sequence, const char *event)
{
    json_clear(&web->out);
    json_open(&web->out, '{');
    json_text(&web->out, "type", "order");
    json_integer(&web->out, "sequence", (int64_t)sequence);
    json_text(&web->out, "event", event);
}

static void update_end(struct web *web, const struct view_order *order,
                       const struct order_note *note, uint64_t but)
{
    json_name(&web->out, "order");
    shape_order(&web->out, web->view, order, note);
    json_close(&web->out, '}');
    send_out_to_account(web, order->account, but);
}

static void tell_held(struct web *web)
{
    const struct held_order *held = &web->held;
    bool accepted = held->event == EVT_order_accepted;
    update_begin(web, held->sequence, accepted ? "accepted" : "amended");
    if (!accepted)
        json_boolean(&web->out, "priority_kept", held->priority_kept);
    update_end(web, &held->order, &(struct order_note){.minimum_quantity = held->minimum_quantity},
               held->but);
    web->held.event = 0;
}

static void hold(struct web *web, const struct event *event, uint64_t order, bool priority_kept,
                 uint64_t but)
{
    const struct view_order *found = view_order(web->view, order);
    ASSERT(found != NULL);
    mark_both(web, found->account, found->instrument);
    if (!anybody(web, found->account))
        return;
    web->held = (struct held_order){.event = event->header.type,
                                    .order = *found,
                                    .sequence = event->header.sequence,
                                    .but = but,
                                    .priority_kept = priority_kept};
}

// Any event behind the one that is held: its terms, or something that comes after it.
static void release_held(struct web *web, const struct event *event)
{
    const struct order_terms_evt *terms = &event->body.order_terms;
    struct held_order *held = &web->held;
    if (held->event == 0)
        return;
    if (event->header.type == EVT_order_terms && terms->order == held->order.order) {
        held->order = *view_order(web->view, terms->order);
        held->minimum_quantity = terms->minimum_quantity;
    }
    tell_held(web);
}

static const struct view_order *order_to_tell(struct web *web, uint64_t order)
{
    const struct view_order *found = view_order(web->view, order);
    ASSERT(found != NULL);
    mark_both(web, found->account, found->instrument);
    return anybody(web, found->account) ? found : NULL;
}

static void on_cancelled(struct web *web, const struct event *event, uint64_t but)
{
    const struct order_cancelled_evt *cancelled = &event->body.order_cancelled;
    const struct view_order *order = order_to_tell(web, cancelled->order);
    if (order == NULL)
        return;
    update_begin(web, event->header.sequence, "cancelled");
    update_end(web, order,
               &(struct order_note){.cancelled = cancelled->quantity, .reason = cancelled->reason},
               but);
}

// A stop, by the trade at trigger_price; or an at-close order, by the closing auction's begin.
static void on_triggered(struct web *web, const struct event *event)
{
    const struct order_triggered_evt *triggered = &event->body.order_triggered;
    const struct view_order *order = order_to_tell(web, triggered->order);
    if (order == NULL)
        return;
    update_begin(web, event->header.sequence, "triggered");
    if (triggered->trigger_price != 0) {
        json_decimal(&web->out, "trigger_price", triggered->trigger_price, CASH_SCALE);
        json_decimal(&web->out, "stop_price", triggered->stop_price, CASH_SCALE);
    }
    update_end(web, order, &(struct order_note){0}, 0);
}

static void on_reduced(struct web *web, const struct event *event)
{
    const struct order_reduced_evt *reduced = &event->body.order_reduced;
    const struct view_order *order = order_to_tell(web, reduced->order);
    if (order == NULL)
        return;
    update_begin(web, event->header.sequence, "reduced");
    update_end(web, order, &(struct order_note){.reason = reduced->reason}, 0);
}

static void on_refreshed(struct web *web, const struct event *event)
{
    const struct view_order *order = order_to_tell(web, event->body.order_refreshed.order);
    if (order == NULL)
        return;
    update_begin(web, event->header.sequence, "refreshed");
    update_end(web, order, &(struct order_note){0}, 0);
}

static void fill_update(struct web *web, const struct event *event, uint32_t account, bool taker)
{
    if (!anybody(web, account))
        return;
    struct json_out *out = &web->out;
    json_clear(out);
    json_open(out, '{');
    json_text(out, "type", "fill");
    json_name(out, "fill");
    shape_fill(out, web->view, event, taker);
    json_close(out, '}');
    send_out_to_account(web, account, 0);
}

static void on_trade(struct web *web, const struct event *event)
{
    const struct trade_evt *trade = &event->body.trade;
    fill_update(web, event, trade->maker_account, false);
    fill_update(web, event, trade->taker_account, true);
    mark_both(web, trade->maker_account, trade->instrument);
    mark_both(web, trade->taker_account, trade->instrument);
}

void private_on_event(struct web *web, const struct event *event, uint64_t answered)
{
    release_held(web, event);
    switch (event->header.type) {
    case EVT_order_accepted:
        hold(web, event, event->body.order_accepted.order, false, answered);
        break;
    case EVT_order_amended:
        hold(web, event, event->body.order_amended.order,
             event->body.order_amended.priority_kept != 0, answered);
        break;
    case EVT_trade:
        on_trade(web, event);
        break;
    case EVT_order_cancelled:
        on_cancelled(web, event, answered);
        break;
    case EVT_order_triggered:
        on_triggered(web, event);
        break;
    case EVT_order_reduced:
        on_reduced(web, event);
        break;
    case EVT_order_refreshed:
        on_refreshed(web, event);
        break;
    case EVT_ledger_posted:
        mark(web, event->body.ledger_posted.account, event->body.ledger_posted.asset);
        break;
    case EVT_settlement_booked:
        mark_both(web, event->body.settlement_booked.buyer_account,
                  event->body.settlement_booked.instrument);
        mark_both(web, event->body.settlement_booked.seller_account,
                  event->body.settlement_booked.instrument);
        break;
    default:
        break;
    }
    if (web->held.event != 0 && event->header.last != 0)
        tell_held(web);
}
